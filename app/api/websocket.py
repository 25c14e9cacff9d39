"""The websocket protocol class that uvicorn runs for us: the only place that touches websocket frames on a transport.

Owns: finished frames straight to the transport, pings that carry a mark, and how sockets end: when the server stops,
with 1001 (going away, RFC 6455 7.4.1), so that clients know to come back; and by force when the other side does not
take the close in time. Always holds: handshake, keys and what comes in go the common way, through the application;
only frames that go out pass it by; no peer keeps a closed connection. Deflate is off: a live frame is small and
shared by many; compressing it per connection costs more than it saves. May import uvicorn and the standard library.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

GOING_AWAY = 1001
EXTENSION = "careboard.frames"
"""Where the application finds the protocol of a socket in its ASGI scope."""

CLOSE_SECONDS = 10.0
"""How long the other side may take to take a close and answer it."""

BROKEN_SECONDS = 1.0
"""How long one that broke the rules is listened to, so that it can read why."""

MARK_SECONDS = 3.0
"""How long after an event a mark is sent."""

HIGH_WATER = 256 * 1024
LOW_WATER = 64 * 1024
_UNSENT = 128 * 1024
"""Bytes the kernel may keep unsent for one socket; the rest waits where it is counted."""

_TEXT, _PING = 0x81, 0x89
_MARK = b"m"
_SHORT, _MIDDLE, _LONG = (struct.Struct(form).pack for form in ("!BB", "!BBH", "!BBQ"))


class Ears(Protocol):
    """Who is told what happens to the frames of a socket."""

    def resume(self) -> None:
        """There is room again."""

    def mark(self) -> int | None:
        """A number for this moment, that the peer will send back; None when it is of no use."""

    def acknowledge(self, mark: int) -> None:
        """The peer has taken all that was sent before this mark."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O protocol, with a way past it for finished frames and our way of stopping."""

    _ears: Ears | None = None
    _mark_timer: asyncio.TimerHandle | None = None
    _abort_timer: asyncio.TimerHandle | None = None

    # ---- for the application

    def listen(self, ears: Ears) -> None:
        """Who is told of room and of marks."""
        self._ears = ears

    def write_texts(self, texts: list[bytes]) -> None:
        """Writes each as one text frame, all in one go; what nobody can take any more is dropped."""
        write, data = self.prepare_texts(texts)
        write(data)

    def prepare_texts(self, texts: list[bytes]) -> tuple[Callable[[bytes], None], bytes]:
        """The same, up to the call that writes: to be made before anything else happens."""
        transport = self.transport
        if self.close_sent or transport.is_closing():
            return _drop, b""
        if self._mark_timer is None and self._ears is not None:
            self._mark_timer = self.loop.call_later(MARK_SECONDS, self._send_mark)
        if len(texts) == 1:
            text = texts[0]
            return transport.write, (_HEADERS.get(len(text)) or _header(_TEXT, len(text))) + text
        return transport.write, b"".join([part for text in texts for part in (_header(_TEXT, len(text)), text)])

    def waiting(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self.transport.get_write_buffer_size()

    def end(self, code: int, reason: str) -> None:
        """Closes behind what was written; by force when that is not taken in time."""
        if self._is_ending():
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        try:
            self.conn.send_close(code, reason)
        except InvalidState:  # the peer's own close came in the same breath
            self.transport.close()
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_SECONDS, self._abort)

    # ---- for uvicorn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sets the limits at which a peer counts as slow."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of everything."""
        for timer in (self._mark_timer, self._abort_timer):
            if timer is not None:
                timer.cancel()
        self._ears = self._mark_timer = self._abort_timer = None
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        """Begins the application, with this protocol in its scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][EXTENSION] = {"protocol": self}

    def resume_writing(self) -> None:
        """There is room again."""
        super().resume_writing()
        if self._ears is not None:
            self._ears.resume()

    def send_keepalive_ping(self) -> None:
        """A mark goes before the ping that finds dead peers; a peer may answer only the latest ping (RFC 6455 5.5.3)."""
        self._send_mark()
        super().send_keepalive_ping()

    def handle_pong(self, event: Frame) -> None:
        """A mark that comes back is a sign of life too."""
        payload = bytes(event.data)
        if self._ears is not None and payload[:1] == _MARK and payload[1:].isdigit():
            self._ears.acknowledge(int(payload[1:]))
            if self.pending_ping_payload is not None:
                event = Frame(Opcode.PONG, self.pending_ping_payload)
        super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        """A peer that does not answer does not take the close either."""
        super().keepalive_timeout()
        self._abort_later()

    def handle_parser_exception(self) -> None:
        """A peer that breaks the rules hears why: what it still sends is read and thrown away meanwhile."""
        if self.close_sent:
            return
        assert self.conn.close_sent is not None
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(BROKEN_SECONDS, self._abort)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done with the socket."""
        super().on_task_complete(task)
        self._abort_later()

    def shutdown(self) -> None:
        """Called once for each open connection when the server stops."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
        self.conn.send_close(GOING_AWAY, "the server is stopping; connect again")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        self._abort_later()

    # ---- inside

    def _is_ending(self) -> bool:
        return self.close_sent or self.disconnected or self.transport.is_closing()

    def _abort(self) -> None:
        """Ends the connection, and what the kernel still holds of it where the other side has not taken it all."""
        if not self.waiting():
            self.transport.close()
            return
        raw = self.transport.get_extra_info("socket")
        if raw is not None and not self.disconnected:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _abort_later(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(CLOSE_SECONDS, self._abort)

    def _send_mark(self) -> None:
        if self._mark_timer is not None:
            self._mark_timer.cancel()
            self._mark_timer = None
        mark = None if self._ears is None or self._is_ending() else self._ears.mark()
        if mark is not None:
            payload = b"%s%d" % (_MARK, mark)
            self.transport.write(_header(_PING, len(payload)) + payload)


def socket_protocol(scope: Mapping[str, Any]) -> SocketProtocol | None:
    """The protocol under an ASGI scope, where it is ours."""
    found = (scope.get("extensions") or {}).get(EXTENSION, {}).get("protocol")
    return found if isinstance(found, SocketProtocol) else None


def _drop(_: bytes) -> None:
    """Takes what nobody takes any more."""


def _header(opcode: int, length: int) -> bytes:
    """The header of one whole, unmasked frame (RFC 6455 5.2)."""
    if 125 < length < 65536:
        return _MIDDLE(opcode, 126, length)
    if length < 126:
        return _SHORT(opcode, length)
    return _LONG(opcode, 127, length)


_HEADERS = {length: _header(_TEXT, length) for length in range(2048)}
"""Those of the usual lengths."""
