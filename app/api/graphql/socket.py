"""The door for GraphQL over websockets: graphql-transport-ws, spoken by ariadne.

Owns: who a socket speaks for, how fast its client may speak, how much it may have open, and how it is closed. Holds: keys are
checked when the client says who it is (`connection_init`, or headers of the handshake) and the session again at each
operation; a cookie counts only for a page of our own origin. May import live and below, api/livequery, api/graphql.
"""

import asyncio
import contextlib
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from ariadne.asgi.handlers import GraphQLTransportWSHandler
from litestar.connection import ASGIConnection
from litestar.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.api.events import PROTOCOL_KEYS
from app.api.graphql.context import Context
from app.api.graphql.execution import to_graphql
from app.api.graphql.http import GraphQLDoor, HttpDoor, told
from app.api.graphql.live import Stream
from app.api.livequery import protocol_for
from app.api.request import RefusedError, address_of, caller_with, keys_in_headers
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from app.live.limits import Meter, limits_of
from app.live.protocol import Protocol

SUBPROTOCOL = "graphql-transport-ws"

_GONE = (WebSocketDisconnect, OSError, RuntimeError)
_FORBIDDEN, _BAD_SUBPROTOCOL, _BAD_REQUEST, _TOO_MUCH = 4403, 4406, 4400, 1008
_LONGEST_REASON = 120


@dataclass(eq=False)
class Socket:
    """One client: its keys, and the streams it has open."""

    door: GraphQLDoor
    asked: ASGIConnection[Any, Any, Any, Any]
    keys: dict[str, str]
    websocket: WebSocket = field(init=False)
    streams: set[Stream] = field(default_factory=set)
    heard: int = 0
    """The length of the last message."""
    sizes: dict[str, int] = field(default_factory=dict)
    """How long the messages of its operations were."""

    def take(self, operation_id: str, operations: Container[str]) -> None:
        """Counts one more operation beside those that are open. Raises 140 where they are too many, or too long together."""
        settings = self.door.services.settings
        self.sizes = {each: size for each, size in self.sizes.items() if each in operations}
        if len(self.sizes) >= settings.live_queries:
            words = f"One socket may have {settings.live_queries} operations; complete some."
            raise ParseError(ErrorCode.EXCEEDED_QUOTA, words)
        if settings.live_query_bytes and sum(self.sizes.values()) + self.heard > settings.live_query_bytes:
            words = f"The operations of one socket may be {settings.live_query_bytes} bytes long together; complete some."
            raise ParseError(ErrorCode.EXCEEDED_QUOTA, words)
        self.sizes[operation_id] = self.heard

    def protocol(self) -> Protocol:
        """A conversation with the hub, for one stream."""
        return protocol_for(self.asked, self.door.services.settings)

    def connect_message(self) -> Object:
        """What a stream says to the hub first."""
        offered: Object = {word: self.keys[name] for name, word in PROTOCOL_KEYS.items() if name in self.keys}
        return {"op": "connect", "applicationId": self.keys.get("application", ""), "cursors": True, **offered}

    async def context(self) -> Context:
        """For one operation: who asks is looked up anew. Raises RefusedError, and ParseError 209 where the session has ended."""
        keys = dict(self.keys)
        caller = await caller_with(self.door.services, keys, self.asked, "/graphql")
        context = await self.door.context(caller, keys)
        context.socket = self
        context.renew = self.context
        return context

    async def close(self, code: int, reason: str) -> None:
        """Closes once; whoever is gone already is left alone."""
        with contextlib.suppress(*_GONE):
            if WebSocketState.DISCONNECTED not in (self.websocket.client_state, self.websocket.application_state):
                await self.websocket.close(code, reason[:_LONGEST_REASON])


class SocketDoor(GraphQLTransportWSHandler):
    """Serves sockets."""

    def __init__(self, door: GraphQLDoor, http: HttpDoor) -> None:
        super().__init__()
        self._door = door
        self.http_handler = http
        self.query_parser = door.documents.parse
        self.query_validator = door.documents.validate
        self.error_formatter = told
        self.logger = http.logger
        self.context_value = _context_of
        self.introspection = True

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]  # Litestar's names of ASGI
        """One socket, from handshake to close."""
        asked: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        socket = Socket(self._door, asked, keys_in_headers(dict(scope["headers"])))
        heard = self._metered(socket, receive, send)
        websocket = socket.websocket = WebSocket(dict(scope), heard, send)  # type: ignore[arg-type]  # Litestar's names of ASGI
        websocket.state.careboard = socket
        if SUBPROTOCOL not in (websocket.scope.get("subprotocols") or [SUBPROTOCOL]):
            await websocket.accept()
            await socket.close(_BAD_SUBPROTOCOL, f"Subprotocol not acceptable; speak {SUBPROTOCOL}.")
            return
        guests, address = self._door.hub.guests, address_of(asked)
        if (refusal := guests.enter(address)) is not None:
            await websocket.accept(SUBPROTOCOL)
            await socket.close(_TOO_MUCH, refusal)
            return
        try:
            await self.handle_websocket(websocket)
        except (ValueError, AttributeError, KeyError, TypeError):
            await socket.close(_BAD_REQUEST, "Invalid message")
        except _GONE:
            pass
        finally:
            guests.leave(address)
            for stream in list(socket.streams):
                stream.end()

    def _metered(self, socket: Socket, receive: Receive, send: Send) -> Any:
        """Messages no faster than the settings allow; who is faster is told so and closed."""
        meter = Meter(limits_of(self._door.services.settings), asyncio.get_running_loop().time())

        async def receive_paid() -> Any:
            message: Any = await receive()
            if message["type"] == "websocket.receive":
                size = socket.heard = len(message.get("text") or message.get("bytes") or "")
                excess = meter.take(size, asyncio.get_running_loop().time())
                if excess is not None:
                    close: Any = {"type": "websocket.close", "code": _TOO_MUCH, "reason": excess[:_LONGEST_REASON]}
                    await send(close)
                    return {"type": "websocket.disconnect", "code": _TOO_MUCH, "reason": excess}
            return message

        return receive_paid

    async def handle_websocket_connection_init_message(
        self, websocket: WebSocket, message: dict[str, Any], client_context: Any
    ) -> None:
        """Takes the keys of the first message; 4403 where they open nothing."""
        socket: Socket = websocket.state.careboard
        socket.keys |= _keys_of(message.get("payload"))
        try:
            await socket.context()
        except (RefusedError, ParseError) as error:
            await socket.close(_FORBIDDEN, error.message)
            return
        await super().handle_websocket_connection_init_message(websocket, message, client_context)

    async def handle_websocket_subscribe(self, websocket: WebSocket, data: Any, operation_id: str, client_context: Any) -> None:
        """One operation; what is refused before it begins is an error of that operation."""
        socket: Socket = websocket.state.careboard
        try:
            socket.take(operation_id, client_context.operations)
            if client_context.connection_acknowledged:
                context = websocket.state.context = await socket.context()
                # From here to its use nothing waits, so that no other socket's schema comes between.
                self.schema = self.http_handler.schema = context.schema  # type: ignore[union-attr]  # it is set above
            await super().handle_websocket_subscribe(websocket, data, operation_id, client_context)
        except (ParseError, RefusedError) as refusal:
            error = refusal if isinstance(refusal, ParseError) else ParseError(ErrorCode.OPERATION_FORBIDDEN, refusal.message)
            payload = [told(to_graphql(error))]
            await websocket.send_json({"type": self.GQL_ERROR, "id": operation_id, "payload": payload})


def _context_of(websocket: Any, _: Any) -> Any:
    return websocket.state.context


def _keys_of(payload: Any) -> dict[str, str]:
    """Keys as headers are called, at the top of the payload or under `headers`, in any case; `sessionToken` alone too."""
    if not isinstance(payload, dict):
        return {}
    given = {**payload, **(payload["headers"] if isinstance(payload.get("headers"), dict) else {})}
    headers = {
        name.lower().encode(): value.encode("latin-1", "replace")
        for name, value in given.items()
        if isinstance(name, str) and isinstance(value, str)
    }
    keys = keys_in_headers(headers)
    for name, word in {**PROTOCOL_KEYS, "application": "applicationId"}.items():
        if isinstance(given.get(word), str):
            keys.setdefault(name, given[word])
    return keys
