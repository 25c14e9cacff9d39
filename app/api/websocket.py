"""The websocket protocol class that uvicorn runs for us: the only place that touches websocket frames on a transport.

Owns: how sockets end when the server stops: with 1001 (going away, RFC 6455 7.4.1), so that clients know to come back.
Deflate is off: a live frame is small and shared by many; compressing it per connection costs more than it saves. May
import uvicorn and the standard library.
"""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

GOING_AWAY = 1001


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O protocol with our way of stopping."""

    def shutdown(self) -> None:
        """Called once for each open connection when the server stops."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
        self.conn.send_close(GOING_AWAY, "the server is stopping; connect again")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
