"""The addresses of files in what a live query sends: the change table knows a file by its name only, an SDK wants its URL.

Owns: `Addressed`, the outlet of a client with that put in. Holds: a frame without a file passes as it is; only a file without an
address gets one, and what stands inside a text is never taken for a file, for there each quote has a backslash. May import
live.connection.
"""

import re
from urllib.parse import quote

from app.core.wire import FILE_BEGINS, decode, encode
from app.live.connection import Outlet

_FILE = re.compile(rb'\{"__type":"File","name":("(?:[^"\\]|\\.)*")\}')


class Addressed:
    """An outlet whose files carry the address they are read at."""

    __slots__ = ("_outlet", "_send", "_urls", "buffered")

    def __init__(self, outlet: Outlet, urls: str) -> None:
        """`urls` is what the address of every file begins with."""
        self._outlet = outlet
        self._send = outlet.send
        self.buffered = outlet.buffered
        self._urls = urls

    def send(self, frames: list[bytes]) -> None:
        """Queues text frames."""
        for frame in frames:
            if FILE_BEGINS in frame:
                frames = [self._addressed(each) for each in frames]
                break
        self._send(frames)

    def close(self, code: int, reason: str) -> None:
        """Closes after what is queued."""
        self._outlet.close(code, reason)

    def _addressed(self, frame: bytes) -> bytes:
        return _FILE.sub(self._with_address, frame)

    def _with_address(self, found: re.Match[bytes]) -> bytes:
        url = self._urls + quote(str(decode(found[1])), safe="")
        return found[0][:-1] + b',"url":' + encode(url) + b"}"
