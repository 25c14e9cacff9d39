"""The explorer: GraphQL for people, at /graphql in a browser.

Owns: the page. Holds: everything it needs is served from here; it asks with the session of who is signed in, which counts only
for requests of this page's own origin; who is not signed in is led to the sign-in form. May import actions and below, api/site.
"""

from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.response import Redirect
from litestar.types import ASGIApp

from app.api.request import Answer, caller_of, services_of
from app.api.site import Site, headed, person
from app.core.wire import Object

_EXAMPLE = """# Ctrl+Enter runs this; the schema is on the right.
{
  viewer {
    user {
      objectId
      username
    }
  }
}
"""


async def explorer_page(request: Request[Any, Any, Any], site: Site) -> ASGIApp:
    """The explorer for a browser; 405 for who asks for anything but a page."""
    if "text/html" not in request.headers.get("accept", ""):
        return Answer({"errors": [{"message": "Send GraphQL with POST."}]}, 405, {"Allow": "GET, POST, OPTIONS"})
    services = services_of(request)
    caller = await caller_of(request, services)
    if caller.user_id is None:
        way = headed(Redirect(path=f"/?next={quote(request.url.path, safe='')}", status_code=303), request)
        return way.to_asgi_response(app=None, request=request)
    keys: Object = {"X-Parse-Application-Id": services.settings.app_id}
    if services.settings.javascript_key:
        keys["X-Parse-Javascript-Key"] = services.settings.javascript_key
    start: Object = {"path": request.url.path, "keys": keys}
    page = site.bare(request, "explorer.html", {"me": person(caller), "example": _EXAMPLE, "start": start})
    return page.to_asgi_response(app=None, request=request)
