"""The LiveQuery door: websockets on the mount path and on "/", where Parse SDKs look for them.

Owns: accepting a socket, who a browser's cookie speaks for, and the queue between the hub and one socket. Always
holds: nothing is decided here; the hub never waits for a socket; a cookie counts only for a page of our own origin.
May import live and below, api/request, litestar.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any
from uuid import uuid4

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from app.api.request import COOKIE, Services, is_same_origin, may_use_master_key
from app.config import Settings
from app.live.hub import Hub
from app.live.protocol import Keys, Protocol

Socket = WebSocket[Any, Any, Any]

MOST_UNREAD = 8 * 1024 * 1024
"""Bytes that may wait for a client before its next message is taken: room for the answers it asked for at once."""

_GONE = (WebSocketDisconnect, OSError, RuntimeError)
"""What sending raises when the other side, or the server itself, has closed the socket."""


def live_handlers(mount: str) -> list[WebsocketRouteHandler]:
    """The handlers for an application whose state holds `services` and `hub`."""
    return [websocket([mount, "/"])(_serve)]


class SocketOutlet:
    """Frames on their way to one socket, in order; a task of its own writes them as fast as the client reads."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_over = False

    def send(self, frames: list[bytes]) -> None:
        """Queues text frames."""
        self._frames.extend(frames)
        self._bytes += sum(map(len, frames))
        if self._bytes > MOST_UNREAD and not self._is_over:
            self._room.clear()
        self._wake.set()

    def buffered(self) -> int:
        """Bytes that wait here."""
        return self._bytes

    def close(self, code: int, reason: str) -> None:
        """Closes after what is queued."""
        self._closing = (code, reason)
        self._wake.set()

    async def write(self) -> None:
        """Writes until the socket is closed, by us or by the other side."""
        try:
            await self._write()
        finally:
            self._is_over = True
            self._room.set()

    async def room(self) -> None:
        """Waits until the client has read most of what it was sent: who asks and never reads is not heard any more."""
        await self._room.wait()

    async def _write(self) -> None:
        with contextlib.suppress(*_GONE):
            while True:
                while self._frames:
                    frame = self._frames.popleft()
                    await self._socket.send_text(frame)
                    self._bytes -= len(frame)
                    if self._bytes <= MOST_UNREAD:
                        self._room.set()
                if self._closing is not None:
                    await self._socket.close(*self._closing)
                    return
                self._wake.clear()
                await self._wake.wait()


async def _serve(socket: Socket) -> None:
    services: Services = socket.app.state.services
    hub: Hub = socket.app.state.hub
    await socket.accept()
    outlet = SocketOutlet(socket)
    connection = hub.attach(_protocol(socket, services.settings), outlet)
    writer = asyncio.create_task(outlet.write())
    try:
        while True:
            await outlet.room()
            message = await socket.receive()
            if message["type"] != "websocket.receive":
                return
            await hub.receive(connection, message.get("text") or message.get("bytes") or b"")
    finally:
        hub.detach(connection)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


def _protocol(socket: Socket, settings: Settings) -> Protocol:
    own_page = is_same_origin(socket.headers)
    return Protocol(
        _keys(settings),
        lambda: str(uuid4()),
        cookie_token=socket.cookies.get(COOKIE) if own_page else None,
        may_use_master_key=may_use_master_key(settings, socket.client.host if socket.client else ""),
    )


def _keys(settings: Settings) -> Keys:
    given = {
        "restAPIKey": settings.rest_key,
        "javascriptKey": settings.javascript_key,
        "clientKey": settings.client_key,
    }
    return Keys(settings.app_id, settings.master_key, {name: key for name, key in given.items() if key})
