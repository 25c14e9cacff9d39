"""The page at /graphql in a browser: GraphiQL, or an explorer of our own where its files are not there.

Owns: the page and what it may load. Holds: everything it needs is served from here; it asks with the session of who is signed
in, which counts only for requests of this page's own origin, or with the keys that a person types in; no script stands in the
page. May import actions and below, api/site, api/graphql.
"""

import secrets
from typing import Any

from litestar import Request
from litestar.types import ASGIApp

from app.api.browser.site import Site, person
from app.api.graphql.graphiql import NPM_FOLDER, Graphiql
from app.api.graphql.http import may_introspect
from app.api.request import Answer, caller_of, services_of
from app.core.wire import Object

_EXAMPLE = """# Ctrl+Enter runs this; the schema is beside it.
{
  viewer {
    user {
      objectId
      username
    }
  }
}
"""
_ANYBODY = """# Ctrl+Enter runs this.
# Sign in to ask for more, or give keys as headers.
{
  health
}
"""


async def explorer_page(request: Request[Any, Any, Any], site: Site, graphiql: Graphiql) -> ASGIApp:
    """The page for a browser; 405 for who asks for anything but a page."""
    if "text/html" not in request.headers.get("accept", ""):
        return Answer({"errors": [{"message": "Send GraphQL with POST."}]}, 405, {"Allow": "GET, POST, OPTIONS"})
    services = services_of(request)
    caller = await caller_of(request, services)
    keys: Object = {"X-Parse-Application-Id": services.settings.app_id}
    if services.settings.javascript_key:
        keys["X-Parse-Javascript-Key"] = services.settings.javascript_key
    example = _EXAMPLE if caller.user_id else _ANYBODY
    start: Object = {"path": request.url.path, "keys": keys, "example": example}
    context = {"me": person(caller), "example": example, "start": start}
    assets = await graphiql.assets()
    if assets is None:
        page = site.bare(request, "explorer.html", {**context, "folder": f"<data folder>/{NPM_FOLDER}"})
    else:
        nonce = secrets.token_urlsafe(16)
        start |= {"me": caller.user_id, "nonce": nonce, "mayIntrospect": may_introspect(services.settings, caller)}
        page = site.bare(request, "graphiql.html", {**context, "graphiql": assets.url})
        page.headers["Content-Security-Policy"] = _policy(nonce)
    return page.to_asgi_response(app=None, request=request)


def _policy(nonce: str) -> str:
    """What GraphiQL needs beyond nothing: its fonts and marks lie in its style sheet, and its menus make style elements."""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src data:; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
        "require-trusted-types-for 'script'; trusted-types default"
    )
