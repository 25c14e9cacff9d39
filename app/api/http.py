"""The HTTP protocol class that uvicorn runs for us: an answer leaves in one piece, and one without an end is ended.

Owns: how bytes of an answer reach the socket. uvicorn writes head and body each by a system call of its own, which is a good
part of what a small answer costs; here what is written in one step of the loop leaves together. Always holds: order is kept,
nothing is held back past that step or past a bound; a stopping server waits for requests, and for no stream: it is told, so that
its reader comes back. May import uvicorn and the standard library.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

END = "careboard.end"
"""The key of the ASGI scope where an answer without an end puts what ends it, called when the server stops."""

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
