"""GraphiQL's built files: where they lie, and their way to a browser.

Owns: `Graphiql` and its route. Holds: they come from this server alone, by the names listed here and no others; what was
installed with the server is served only if it is, byte for byte, what GraphiQL's own packages hold; a folder that an operator
filled is taken at the operator's word. May import api/assets, litestar.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from app.api.browser.assets import Assets
from app.config import Settings

PATH = "/graphiql"

NPM_FOLDER = "graphiql"
"""Below the data folder: what npm installs there goes before what was installed with the server."""

IN_NODE_MODULES: Mapping[str, str] = {
    "react.js": "react/umd/react.production.min.js",
    "react-dom.js": "react-dom/umd/react-dom.production.min.js",
    "graphiql.js": "graphiql/graphiql.min.js",
    "graphiql.css": "graphiql/graphiql.min.css",
    "graphql-ws.js": "graphql-ws/umd/graphql-ws.min.js",
}
"""What a page needs, and where npm lays it."""

_PACKAGE = "graphene-django-graphiql-static"
_IN_PACKAGE = "graphene_django_graphiql_static/static/graphene_django_graphiql_static"
_OFFICIAL: Mapping[str, tuple[str, str]] = {
    "react.js": ("react.production.min.js", "229bbf4d0e7488209564152c6723497f1ac3934136ca1684233d2fa88fa4146f"),
    "react-dom.js": ("react-dom.production.min.js", "9db33292007ab6c38527b39d5663e976a305564e19b2a5a8713ea2b2c00f505d"),
    "graphiql.js": ("graphiql.min.js", "9ff2ca6842eea42d47fcf53a8e8cfec9b7912474f6c4275e904b7a39830e3995"),
    "graphiql.css": ("graphiql.min.css", "3ac6ccf8b4077271478b4887ec050ab9e66f0dc101a32ff3e2127b8f1d5ca6c3"),
    "graphql-ws.js": ("graphql-ws.min.js", "11986f83a00d26b06c80bbcb01ad2eb8734b7a92c95421584bec656f953f6eac"),
}
"""SHA-256 of these files in the npm packages react 17.0.2, react-dom 17.0.2, graphiql 2.4.7 and graphql-ws 5.12.1."""

_log = logging.getLogger("careboard.graphql")


class Graphiql:
    """The files of one server, read when they are first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._assets: Assets | None = None
        self._reading = asyncio.Lock()

    async def assets(self) -> Assets | None:
        """The files, or None where there are none."""
        async with self._reading:
            if self._assets is None:
                self._assets = await asyncio.to_thread(self._read)
        return self._assets

    def _read(self) -> Assets | None:
        folder = self._settings.graphiql
        found = in_folder(folder) if folder else in_folder(self._settings.data_dir / NPM_FOLDER / "node_modules") or installed()
        return Assets(found, PATH) if found else None

    def route(self) -> HTTPRouteHandler:
        """The handler that serves them."""

        @get(f"{PATH}/{{version:str}}/{{name:str}}", include_in_schema=False)
        async def graphiql_file(request: Request[Any, Any, Any], version: str, name: str) -> Response[bytes]:
            assets = await self.assets()
            if assets is None:
                raise NotFoundException(detail="There is no such file.")
            return assets.answer(request, version, name)

        return graphiql_file


def in_folder(folder: Path) -> dict[str, bytes] | None:
    """The files of a node_modules; None unless it has them all."""
    try:
        return {name: (folder / place).read_bytes() for name, place in IN_NODE_MODULES.items()}
    except OSError:
        return None


def installed() -> dict[str, bytes] | None:
    """The files of the installed package; None where one is missing or is another than GraphiQL published."""
    try:
        root = Path(str(distribution(_PACKAGE).locate_file(_IN_PACKAGE)))
        # The package ends two of them with a line feed of its own.
        found = {name: (root / file).read_bytes().rstrip(b"\n") for name, (file, _) in _OFFICIAL.items()}
    except (PackageNotFoundError, OSError):
        return None
    for name, (_, digest) in _OFFICIAL.items():
        if digest not in (hashlib.sha256(found[name]).hexdigest(), hashlib.sha256(found[name] + b"\n").hexdigest()):
            _log.warning("GraphiQL is not served: %s of %s is not what GraphiQL published", name, _PACKAGE)
            return None
    return found
