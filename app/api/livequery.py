"""The LiveQuery door: websockets on the mount path and on "/", where Parse SDKs look for them.

Owns: accepting a socket, who a browser's cookie speaks for, how fast a client may speak, and the way of frames to one
socket. Always holds: nothing else is decided here; the hub never waits for a socket; a client is heard only as fast as
it reads; a cookie counts only for a page of our own origin.
May import live and below, api/request, litestar.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from litestar import WebSocket, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from app.api.request import COOKIE, Services, address_of, is_same_origin, may_use_master_key
from app.api.websocket import SocketProtocol, socket_protocol
from app.config import Settings
from app.live.connection import POLICY_VIOLATION, SOFT_MARK, Connection
from app.live.hub import Hub
from app.live.limits import Meter, limits_of
from app.live.membership import Member
from app.live.protocol import Keys, Protocol, excess_frame

Socket = WebSocket[Any, Any, Any]

_GONE = (WebSocketDisconnect, OSError, RuntimeError)
"""What sending raises when the other side, or the server itself, has closed the socket; TimeoutError is an OSError."""

_PATIENCE = 20.0
"""Seconds that a client of another server may take for one frame."""


def live_handlers(mount: str) -> list[WebsocketRouteHandler]:
    """The handlers for an application whose state holds `services` and `hub`."""
    return [websocket([mount, "/"])(_serve)]


class FrameOutlet:
    """Frames straight to the transport, where the server runs our protocol class."""

    def __init__(self, protocol: SocketProtocol) -> None:
        self._protocol = protocol
        self.send, self.prepare = protocol.write_texts, protocol.prepare_texts
        self.buffered = protocol.transport.get_write_buffer_size

    def close(self, code: int, reason: str) -> None:
        """Closes after what is queued; by force when that is not taken in time."""
        self._protocol.end(code, reason)

    @asynccontextmanager
    async def writing(self, hub: Hub, connection: Connection[Member]) -> AsyncIterator[None]:
        """While the socket is served."""
        self._protocol.listen(_Ears(hub, connection))
        yield

    async def has_room(self) -> None:
        """Returns when the client has taken most of what it was sent, or is gone."""
        await self._protocol.writable.wait()


class _Ears:
    """What a client takes and acknowledges, told to the hub."""

    __slots__ = ("_connection", "_hub")

    def __init__(self, hub: Hub, connection: Connection[Member]) -> None:
        self._hub = hub
        self._connection = connection

    def resume(self) -> None:
        self._connection.resume()

    def mark(self) -> int | None:
        return self._hub.mark(self._connection)

    def acknowledge(self, mark: int) -> None:
        self._connection.acknowledge(mark)


class SocketOutlet:
    """Frames through the framework, under any other server; a task of its own writes them as fast as the client reads."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def send(self, frames: list[bytes]) -> None:
        """Queues text frames."""
        self._frames.extend(frames)
        self._bytes += sum(map(len, frames))
        if self._bytes > SOFT_MARK:
            self._room.clear()
        self._wake.set()

    def buffered(self) -> int:
        """Bytes that wait here."""
        return self._bytes

    def close(self, code: int, reason: str) -> None:
        """Closes after what is queued."""
        self._closing = (code, reason)
        self._wake.set()

    @asynccontextmanager
    async def writing(self, hub: Hub, connection: Connection[Member]) -> AsyncIterator[None]:
        """While the socket is served; ends it when the client does not read, or after the close."""
        served = asyncio.current_task()
        assert served is not None
        writer = asyncio.create_task(self._write(connection))

        def end(_: asyncio.Task[None]) -> None:
            served.cancel()

        writer.add_done_callback(end)
        try:
            yield
        except asyncio.CancelledError:
            if not writer.done():
                raise
        finally:
            writer.remove_done_callback(end)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def has_room(self) -> None:
        """Returns when the client has taken most of what it was sent."""
        await self._room.wait()

    async def _write(self, connection: Connection[Member]) -> None:
        """Writes until the socket is closed, by us or by the other side, or nobody reads."""
        with contextlib.suppress(*_GONE):
            while True:
                while self._frames:
                    frame = self._frames.popleft()
                    async with asyncio.timeout(_PATIENCE):
                        await self._socket.send_text(frame)
                    self._bytes -= len(frame)
                    if self._bytes <= SOFT_MARK:
                        self._room.set()
                if self._closing is not None:
                    async with asyncio.timeout(_PATIENCE):
                        await self._socket.close(*self._closing)
                    return
                connection.resume()
                self._wake.clear()
                if not self._frames and self._closing is None:
                    await self._wake.wait()


async def _serve(socket: Socket) -> None:
    services: Services = socket.app.state.services
    hub: Hub = socket.app.state.hub
    address = address_of(socket)
    await socket.accept()
    if (refusal := hub.guests.enter(address)) is not None:
        with contextlib.suppress(*_GONE):
            await socket.send_text(excess_frame(refusal).decode())
            await socket.close(POLICY_VIOLATION, refusal)
        return
    try:
        await _converse(socket, services, hub)
    finally:
        hub.guests.leave(address)


async def _converse(socket: Socket, services: Services, hub: Hub) -> None:
    protocol = socket_protocol(socket.scope)
    outlet = SocketOutlet(socket) if protocol is None else FrameOutlet(protocol)
    prepare = outlet.prepare if isinstance(outlet, FrameOutlet) else None
    connection = hub.attach(protocol_for(socket, services.settings), outlet, prepare)
    try:
        async with outlet.writing(hub, connection):
            await _listen(socket, hub, connection, outlet, Meter(limits_of(services.settings), _now()))
    finally:
        hub.detach(connection)


async def _listen(
    socket: Socket, hub: Hub, connection: Connection[Member], outlet: FrameOutlet | SocketOutlet, meter: Meter
) -> None:
    """One message after the other; a client that does not read its answers is not heard."""
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        text = message.get("text") or message.get("bytes") or b""
        excess = meter.take(len(text), _now())
        if excess is not None and connection.is_open:
            connection.send(excess_frame(excess))
            connection.close(POLICY_VIOLATION, excess)
        if connection.is_open:
            await outlet.has_room()
            await hub.receive(connection, text)


def _now() -> float:
    return asyncio.get_running_loop().time()


def protocol_for(asked: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> Protocol:
    """The conversation with whoever opened this socket or stream."""
    own_page = is_same_origin(asked.headers)
    return Protocol(
        _keys(settings),
        lambda: str(uuid4()),
        cookie_token=asked.cookies.get(COOKIE) if own_page else None,
        may_use_master_key=may_use_master_key(settings, address_of(asked)),
        most_queries=settings.live_queries,
        most_query_bytes=settings.live_query_bytes,
    )


def _keys(settings: Settings) -> Keys:
    given = {
        "restAPIKey": settings.rest_key,
        "javascriptKey": settings.javascript_key,
        "clientKey": settings.client_key,
    }
    return Keys(settings.app_id, settings.master_key, {name: key for name, key in given.items() if key})
