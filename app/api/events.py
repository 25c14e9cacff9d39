"""The door for server-sent events: `GET <mount>/live/<Class>`, one live query as a stream of text.

Owns: the words of the URL, and the shape of an event on the wire (WHATWG HTML, 9.2). Always holds: a stream is one
connection of the LiveQuery protocol with one subscription, so nothing is decided here; what the hub sends is bounded
and cut off exactly as on a socket; a session token or a key is never taken from a URL. `id` is the cursor, so a
reader that comes back with Last-Event-ID misses nothing. May import live and below, api/request, api/livequery, litestar.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import msgspec
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from app.api.http import END
from app.api.livequery import protocol_for
from app.api.request import FIXED_HEADERS, RefusedError, Services, address_of, keys_in_headers
from app.core.wire import Json, Object, decode, encode
from app.errors import ErrorCode, ParseError
from app.live.connection import GOING_AWAY
from app.live.hub import Hub

KEEP_ALIVE_SECONDS = 15.0
"""After so long without a byte a comment is sent, so that nothing between takes the stream for dead."""

REQUEST_ID = 1
_CHUNK = 64 * 1024
_RETRY_MILLISECONDS = 1000

PROTOCOL_KEYS = {
    "rest": "restAPIKey",
    "javascript": "javascriptKey",
    "client": "clientKey",
    "master": "masterKey",
    "session": "sessionToken",
    "installation": "installationId",
}
"""A key of a request's headers -> what the protocol calls it."""

_LISTS = ("keys", "watch")
_EXTRAS = ("order", "limit", "skip", "include")
_KNOWN = frozenset({"where", "since", "snapshot", "count", "applicationId", *_LISTS, *_EXTRAS})
_SECRETS = frozenset({"sessiontoken", "masterkey", "_sessiontoken", "_masterkey", "restapikey", "javascriptkey", "clientkey"})

_WRONG_KEY = 4


class _Frame(msgspec.Struct):
    """What a stream shows of a frame; the object stays the text it is."""

    op: str
    cursor: str = ""
    shown: msgspec.Raw = msgspec.field(name="object", default_factory=msgspec.Raw)
    results: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    index: int | None = None
    count: int = 0
    error: str = ""
    code: int = 0
    reason: str = ""


_read_frame = msgspec.json.Decoder(_Frame).decode


def event_handler(mount: str) -> HTTPRouteHandler:
    """The handler for an application whose state holds `services` and `hub`."""
    path = f"{mount}/live/{{class_name:str}}"
    return route(path, http_method=["GET", "OPTIONS"], status_code=200, include_in_schema=False)(_open)


async def _open(class_name: str) -> ASGIApp:
    return _serve


class EventOutlet:
    """Frames on their way to one stream, in order; `write` sends them as fast as the client reads."""

    def __init__(self) -> None:
        self.closed: Callable[[], None] = lambda: None
        """Called when the hub closes the stream: its subscription ends at once, also where its reader hangs."""
        self.drained: Callable[[], None] = lambda: None
        """Called when everything is written, for more may wait."""
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()

    def send(self, frames: list[bytes]) -> None:
        """Queues frames of the protocol."""
        self._frames.extend(frames)
        self._bytes += sum(map(len, frames))
        self._wake.set()

    def buffered(self) -> int:
        """Bytes that wait here."""
        return self._bytes

    def close(self, code: int, reason: str) -> None:
        """Ends the stream after what is queued."""
        self._closing = self._closing or (code, reason)
        self._wake.set()
        asyncio.get_running_loop().call_soon(self.closed)

    def take(self) -> _Frame | None:
        """The next frame, read; None when there is none."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return _read_frame(frame)

    async def write(self, send: Send, *, with_snapshot: bool) -> None:
        """Writes until the stream ends."""
        await _send_body(send, b"retry: %d\n\n" % _RETRY_MILLISECONDS)
        while True:
            while self._frames:
                taken, text, is_last = self._render(with_snapshot=with_snapshot)
                await _send_body(send, text)
                self._bytes -= taken
                if is_last:
                    return
                if not self._frames:
                    self.drained()
            if self._closing is not None:
                code, reason = self._closing
                await _send_body(send, _event(b"close", b"", encode({"code": code, "reason": reason})))
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                await _send_body(send, b": quiet\n\n")

    def _render(self, *, with_snapshot: bool) -> tuple[int, bytes, bool]:
        """What waits, up to a chunk: its bytes here, its text, and whether the stream ends with it."""
        taken, texts, size = 0, [], 0
        while self._frames and size < _CHUNK:
            raw = self._frames.popleft()
            taken += len(raw)
            frame = _read_frame(raw)
            texts.append(_to_event(frame, with_snapshot=with_snapshot))
            size += len(texts[-1])
            if frame.op == "error":  # the only subscription is gone
                return taken, b"".join(texts), True
        return taken, b"".join(texts), False


def _to_event(frame: _Frame, *, with_snapshot: bool) -> bytes:
    cursor, op = frame.cursor.encode(), frame.op.encode()
    match frame.op:
        case "progress":  # an id without data moves the reader on and wakes nobody
            return b": quiet\nid: %s\n\n" % cursor
        case "subscribed":  # who is to get a snapshot has nothing before it
            return _event(op, b"" if with_snapshot else cursor, b"{}")
        case "snapshot":
            return _event(op, cursor, bytes(frame.results))
        case "reload":
            return _event(op, b"", encode({"reason": frame.reason}))
        case "error":
            return _event(op, b"", encode({"code": frame.code, "error": frame.error}))
        case "count":
            return _event(op, cursor, encode({"count": frame.count}))
    if frame.index is not None:
        return _event(op, cursor, b'{"index":%d,"object":%s}' % (frame.index, bytes(frame.shown)))
    return _event(op, cursor, bytes(frame.shown))


def _event(op: bytes, cursor: bytes, data: bytes) -> bytes:
    mark = b"\nid: " + cursor if cursor else b""
    return b"event: %s%s\ndata: %s\n\n" % (op, mark, data.replace(b"\n", b"\ndata: "))


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    if request.method == "OPTIONS":
        await _answer_preflight(send)
        return
    services: Services = request.app.state.services
    hub: Hub = request.app.state.hub
    connect, subscribe = _connect_message(request), _subscribe_message(request)
    address = address_of(request)
    if (refusal := hub.guests.enter(address)) is not None:
        raise ParseError(ErrorCode.REQUEST_LIMIT_EXCEEDED, refusal)
    outlet = EventOutlet()
    connection = hub.attach(protocol_for(request, services.settings), outlet)
    outlet.closed, outlet.drained = lambda: hub.detach(connection), connection.resume
    try:
        await hub.receive(connection, encode(connect))
        _check_first(outlet, "connected")
        await hub.receive(connection, encode(subscribe))
        subscribed = _check_first(outlet, "subscribed")
        cast(dict[str, Any], scope)[END] = lambda: outlet.close(GOING_AWAY, "the server is stopping; connect again")
        await _stream(outlet, subscribed, receive, send, with_snapshot="snapshot" in subscribe)
    finally:
        hub.detach(connection)
        hub.guests.leave(address)


def _check_first(outlet: EventOutlet, op: str) -> _Frame:
    """The first answer to a message; a refusal is the answer to the request."""
    frame = outlet.take()
    if frame is None:
        raise ParseError(ErrorCode.TIMEOUT, "The server is stopping; connect again.")
    if frame.op == op:
        return frame
    if frame.code == _WRONG_KEY:
        raise RefusedError(403, frame.error)
    raise ParseError(ErrorCode(frame.code), frame.error)


async def _stream(outlet: EventOutlet, first: _Frame, receive: Receive, send: Send, *, with_snapshot: bool) -> None:
    headers = {**FIXED_HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    await _send_body(send, _to_event(first, with_snapshot=with_snapshot))
    work = {asyncio.create_task(outlet.write(send, with_snapshot=with_snapshot)), asyncio.create_task(_until_gone(receive))}
    try:
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    with contextlib.suppress(OSError):
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_body(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


async def _answer_preflight(send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in {**FIXED_HEADERS, "Content-Length": "0"}.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _connect_message(request: Request[Any, Any, Any]) -> Object:
    keys = keys_in_headers(dict(request.scope["headers"]))
    application = keys.get("application") or request.query_params.get("applicationId") or ""
    offered = {word: keys[name] for name, word in PROTOCOL_KEYS.items() if name in keys}
    return {"op": "connect", "applicationId": application, "cursors": True, **offered}


def _subscribe_message(request: Request[Any, Any, Any]) -> Object:
    """Raises ParseError 102 for a parameter that is not known or not allowed, 107 for one that cannot be read."""
    params = {name: str(value) for name, value in request.query_params.items()}
    for name in params:
        if name.lower() in _SECRETS:
            words = (
                f"{name} does not belong into a URL, which is logged on its way; send it as a header, or use the board's cookie."
            )
            raise ParseError(ErrorCode.INVALID_QUERY, words)
        if name not in _KNOWN:
            raise ParseError(ErrorCode.INVALID_QUERY, f"Invalid parameter for query: {name}")
    class_name: str = request.path_params["class_name"]
    query: Object = {"className": class_name, "where": _read_where(params.get("where", "{}"))}
    query |= {name: _names(params[name]) for name in _LISTS if _names(params.get(name, ""))}
    query |= {name: params[name] for name in _EXTRAS if params.get(name)}
    if _is_set(params, "count"):
        query["count"] = True
    message: Object = {"op": "subscribe", "requestId": REQUEST_ID, "query": query}
    since = request.headers.get("last-event-id") or params.get("since")
    if since:
        message["since"] = since
    if _is_set(params, "snapshot"):
        message["snapshot"] = True
    return message


def _is_set(params: dict[str, str], name: str) -> bool:
    return params.get(name, "0") not in ("0", "false", "")


def _read_where(text: str) -> Object:
    where = decode(text)
    if not isinstance(where, dict):
        raise ParseError(ErrorCode.INVALID_JSON, "where must be a JSON object.")
    return where


def _names(text: str) -> list[Json]:
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
