"""The HTTP protocol class that uvicorn runs for us: an answer leaves in one piece, and one without an end is ended.

Owns: how bytes of an answer reach the socket. uvicorn writes head and body each by a system call of its own, which is a good
part of what a small answer costs; here what is written in one step of the loop leaves together, and a small answer whose head is
made already passes by what would look at each of its headers. Always holds: order is kept, nothing is held back past that step or
past a bound; a stopping server waits for requests, and for no stream: it is told, so that its reader comes back. May import
uvicorn and the standard library.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

END = "careboard.end"
"""The key of the ASGI scope where an answer without an end puts what ends it, called when the server stops."""

FINISH = "careboard.finish"
"""The key of the ASGI scope where a request has its `Finish`."""

Finish = Callable[[int, bytes, bytes], bool]
"""Sends a whole answer: its status, its headers as they stand on the wire, its body. False where it must go the common way."""

MOST_HELD = 65_536
"""Bytes that wait for the end of the step; more leave at once, so that the transport can say that it is full."""


class Gathering:
    """A transport whose writes of one step of the loop become one."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.bare = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self.held = 0

    def write(self, data: bytes) -> None:
        """Takes bytes, to be sent at the end of this step at the latest."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)
        self.held += len(data)
        if self.held > MOST_HELD:
            self._flush()

    def write_whole(self, data: bytes) -> None:
        """Takes bytes that nothing will follow in this step, so nothing is gained by waiting for its end."""
        if self._waiting:
            self.write(data)
        else:
            self.bare.write(data)

    def close(self) -> None:
        """Closes the connection once everything is sent."""
        self._flush()
        self.bare.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)

    def _flush(self) -> None:
        waiting, self._waiting, self.held = self._waiting, [], 0
        if waiting:
            self.bare.writelines(waiting)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol on a gathering transport; a websocket goes on with the bare one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Called once for each connection."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Gathering(transport, self.loop))

    def on_headers_complete(self) -> None:
        """Called before the application of a request begins."""
        super().on_headers_complete()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope is self.scope:  # what asks to become a websocket has none
            cast("dict[str, Any]", self.scope)[FINISH] = partial(_finish, cycle)

    def handle_websocket_upgrade(self) -> None:
        """Called when a request asks to become a websocket."""
        self.transport = cast("Gathering", self.transport).bare
        super().handle_websocket_upgrade()

    def shutdown(self) -> None:
        """Called once for each open connection when the server stops."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            end = dict(cycle.scope).get(END)
            if callable(end):
                end()
        super().shutdown()


def _finish(cycle: RequestResponseCycle, status: int, headers: bytes, body: bytes) -> bool:
    """What `cycle.send` does for an answer that is all there."""
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        return False
    cycle.response_started, cycle.waiting_for_100_continue = True, False
    own = _joined(tuple(cycle.default_headers))
    end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    answer = b"%s%s%scontent-length: %d\r\n%s%s" % (STATUS_LINE[status], own, headers, len(body), end, body)
    cast("Gathering", cycle.transport).write_whole(answer)
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


@lru_cache(maxsize=4)
def _joined(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """uvicorn's own headers, which change once a second."""
    return b"".join(b"%s: %s\r\n" % header for header in headers)
