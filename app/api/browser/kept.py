"""What a phone may keep of a person's own page, and the worker that keeps it.

Owns: `/worker.js`, `/offline`, the headers by which a page says whose it is and whether it may be kept, and the seal of what
waits to be sent. Holds: only a page for one person is kept; a page that says another person, or nobody, makes the worker forget
it (static/worker.js). May import config, api.browser.assets and api.request.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.api.browser.assets import Assets
from app.config import Settings

KEEP = "Careboard-Keep"
"""The header of a page that may be kept."""

_SCRIPT = "worker.js"
_NEEDED = ("app.css", "boards.css", "theme.js", "mine.js", "favicon.svg", "favicon-alarm.svg")
_WORKER_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def seal_of(settings: Settings, user_id: str) -> str:
    """What seals the queue on a person's phones: with the page that carries it gone, only their next sign-in opens it."""
    root = hashlib.sha256(f"careboard phones {settings.master_key}".encode()).digest()
    return base64.b64encode(hmac.new(root, user_id.encode(), hashlib.sha256).digest()).decode()


def worker_handlers(assets: Assets, offline: Callable[[Request[Any, Any, Any]], Response[Any]]) -> list[HTTPRouteHandler]:
    """The worker, which knows the files of this build, at the root of the site; and what it shows where nothing is kept."""
    shell = {"version": assets.version, "files": ["/offline", *(assets.url(name) for name in _NEEDED), *assets.modules()]}
    content = f"const SHELL = {json.dumps(shell)};\n".encode() + assets.content(_SCRIPT)

    @get("/worker.js", include_in_schema=False, sync_to_thread=False)
    def worker() -> Response[bytes]:
        return Response(content, media_type="text/javascript", headers=_WORKER_HEADERS)

    @get("/offline", include_in_schema=False, sync_to_thread=False)
    def no_network(request: Request[Any, Any, Any]) -> Response[Any]:
        return offline(request)

    return [worker, no_network]
