"""The LiveQuery door: websockets on the mount path and on "/", where Parse SDKs look for them.

Owns: accepting a socket, who a browser's cookie speaks for, and the queue between the hub and one socket. Always
holds: nothing is decided here; the hub never waits for a socket; a cookie counts only for a page of our own origin.
May import live and below, api/request, litestar.
"""

import asyncio
import contextlib
import ipaddress
from collections import deque
from typing import Any
from uuid import uuid4

from litestar import WebSocket, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from app.api.request import COOKIE, Services, is_same_origin
from app.config import Settings
from app.live.hub import Hub
from app.live.protocol import Keys, Protocol

Socket = WebSocket[Any, Any, Any]

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

    def send(self, frames: list[bytes]) -> None:
        """Queues text frames."""
        self._frames.extend(frames)
        self._bytes += sum(map(len, frames))
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
        with contextlib.suppress(*_GONE):
            while True:
                while self._frames:
                    frame = self._frames.popleft()
                    await self._socket.send_text(frame)
                    self._bytes -= len(frame)
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
    connection = hub.attach(protocol_for(socket, services.settings), outlet)
    writer = asyncio.create_task(outlet.write())
    try:
        while True:
            message = await socket.receive()
            if message["type"] != "websocket.receive":
                return
            await hub.receive(connection, message.get("text") or message.get("bytes") or b"")
    finally:
        hub.detach(connection)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


def protocol_for(asked: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> Protocol:
    """The conversation with whoever opened this socket or stream."""
    own_page = is_same_origin(asked.headers)
    return Protocol(
        _keys(settings),
        lambda: str(uuid4()),
        cookie_token=asked.cookies.get(COOKIE) if own_page else None,
        may_use_master_key=_may_use_master_key(asked, settings),
    )


def _keys(settings: Settings) -> Keys:
    given = {
        "restAPIKey": settings.rest_key,
        "javascriptKey": settings.javascript_key,
        "clientKey": settings.client_key,
    }
    return Keys(settings.app_id, settings.master_key, {name: key for name, key in given.items() if key})


def _may_use_master_key(asked: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> bool:
    try:
        address = ipaddress.ip_address(asked.client.host if asked.client else "")
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.master_key_ips)
