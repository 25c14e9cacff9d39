"""Files as the browser takes them: read once, named by their content, kept for a year.

Owns: `Assets`, those of static/ and their route. Holds: only what was read is served, by exact name, so no path leaves the
folder; the address carries a digest of all of them, so a new build is a new address and modules import each other by plain
relative names. May import nothing of the project.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

_ROOT = Path(__file__).resolve().parent.parent.parent
_NOT_SHARED = {"theme.js", "worker.js", "mine.js", "figures.js", "board.js", "page.js", "explorer.js", "graphiql.js"}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def folder(name: str) -> Path:
    """Where `templates` or `static` lie: beside the package in a checkout, inside it when installed."""
    inside = _ROOT / f"_{name}"
    return inside if inside.is_dir() else _ROOT.parent / name


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: as it is, and pressed when that makes it smaller."""

    content: bytes
    pressed: bytes | None
    media_type: str


def files_of(root: Path) -> dict[str, bytes]:
    """The files of a folder by their names in it; hidden ones left out."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


class Assets:
    """Files by name, in memory, served below `path`."""

    def __init__(self, contents: Mapping[str, bytes], path: str = "/static") -> None:
        self._path = path
        self._assets = {name: _load(name, content) for name, content in contents.items()}
        digest = hashlib.sha256()
        for name, asset in self._assets.items():
            digest.update(name.encode() + b"\0" + asset.content)
        self.version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file; KeyError when there is no such file, so that a template cannot name a missing one."""
        if name not in self._assets:
            raise KeyError(name)
        return f"{self._path}/{self.version}/{name}"

    def modules(self) -> list[str]:
        """The addresses of all ES modules in the folder's root, to be fetched before they are asked for."""
        return [self.url(name) for name in self._assets if name.endswith(".js") and name not in _NOT_SHARED]

    def content(self, name: str) -> bytes:
        """The bytes of a file; KeyError when there is no such file."""
        return self._assets[name].content

    def answer(self, request: Request[Any, Any, Any], version: str, name: str) -> Response[bytes]:
        """The file of that exact name. Raises 404."""
        asset = self._assets.get(name.lstrip("/"))
        if asset is None:
            raise NotFoundException(detail="There is no such file.")
        return _answer(request, asset, "public, max-age=31536000, immutable" if version == self.version else "no-cache")

    def route(self) -> HTTPRouteHandler:
        """The handler that serves them."""

        @get(f"{self._path}/{{version:str}}/{{name:path}}", include_in_schema=False, sync_to_thread=False)
        def static_file(request: Request[Any, Any, Any], version: str, name: str) -> Response[bytes]:
            return self.answer(request, version, name)

        return static_file


def _load(name: str, content: bytes) -> Asset:
    pressed = gzip.compress(content, 9, mtime=0)
    media_type = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(content, pressed if len(pressed) < len(content) else None, media_type)


def _answer(request: Request[Any, Any, Any], asset: Asset, cache: str) -> Response[bytes]:
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if asset.pressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.pressed, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.content, media_type=asset.media_type, headers=headers)
