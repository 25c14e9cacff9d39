"""The bytes of files, wherever they lie: a local folder, or a bucket of S3, Google or Azure.

Owns: `Blobs`, the one place that knows obstore. Holds: bytes stream both ways, at most a few parts of `PART` are in memory; what
could not be written whole is not there. What the bytes mean, and that they are sealed, is known elsewhere. May import config and
errors.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from app.config import Settings
from app.errors import ErrorCode, ParseError

if TYPE_CHECKING:
    from obstore.store import RetryConfig

PART = 5 * 1024 * 1024
"""S3 takes no smaller parts."""

_READ = 256 * 1024
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
"""A caller waits meanwhile."""


class Blobs:
    """Named runs of bytes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: ObjectStore | None = None

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Stores what `chunks` gives, whole or not at all; what it raises passes."""
        with _translated():
            await obstore.put_async(self._store, name, chunks, chunk_size=PART, max_concurrency=2)

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes `start` to `end` (exclusive). Raises ParseError 101 when there are none."""
        with _translated():
            found = await obstore.get_async(self._store, name, options={"range": (start, end)})
            async for piece in found.stream(min_chunk_size=_READ):
                yield bytes(piece)

    async def delete(self, name: str) -> None:
        """Removes them; nothing happens when they are gone."""
        with _translated():
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                return

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = _open(self._settings)
        return self._opened


def _open(settings: Settings) -> ObjectStore:
    """The folder or bucket of the settings; a bucket's credentials are read by its own variables (`AWS_ACCESS_KEY_ID`, …)."""
    parts = urlsplit(settings.files_url or "")
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme in ("", "file"):
        folder = Path(unquote(parts.path)) if parts.scheme else settings.data_dir / "files"
        return LocalStore(folder, mkdir=True)
    return from_url(str(settings.files_url), retry_config=_RETRIES)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as cause:
        raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "File not found.") from cause
    except (BaseError, OSError) as cause:
        words = "The place where files are kept cannot be reached just now; try again in a moment."
        raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, words) from cause
