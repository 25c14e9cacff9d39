"""A client of the LiveQuery door, for a terminal: one class, followed for as long as somebody looks.

Owns: `follow`, which connects, resumes from its cursor after every loss, and gives what it hears. Always holds: an event
is given once and none is left out; where the server cannot tell what was missed, it begins anew with what there is and says
so. May import core, and websockets.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from app.core.wire import Object, decode, encode
from app.errors import ErrorCode, ParseError

LONGEST_PAUSE = 10.0
SILENCE_SECONDS = 30.0
"""A server tells its clients with cursors every ten seconds that it is there."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone; `follow` comes back by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame that tells something: connected, subscribed, snapshot, an event, or reload."""

    op: str
    frame: Object


async def follow(
    url: str, hello: Object, query: Object, *, since: str | None = None, snapshot: bool = False
) -> AsyncIterator[Heard | Lost]:
    """Follows one query at `url`, the http(s) address of the REST API. Raises ParseError when the server refuses it."""
    address, pause = _socket_url(url), 0.1
    while True:
        try:
            async with connect(address, max_size=None, open_timeout=10, compression=None) as socket:
                await socket.send(encode({"op": "connect", "cursors": True, **hello}).decode())
                await _hear(socket, "connected")
                ask: Object = {"op": "subscribe", "requestId": 1, "query": query, "snapshot": snapshot}
                await socket.send(encode(ask | ({"since": since} if since else {})).decode())
                subscribed = await _hear(socket, "subscribed")
                if since is None and not snapshot:
                    since = _cursor(subscribed.frame)
                pause = 0.1
                yield subscribed
                while True:
                    heard = await _hear(socket)
                    since = _cursor(heard.frame) or since
                    if heard.op != "progress":
                        yield heard
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as cause:
            yield Lost(str(cause) or type(cause).__name__)
        except _TryAgainError as cause:
            yield Lost(str(cause))
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads reconnects
        pause = min(pause * 2, LONGEST_PAUSE)


class _TryAgainError(Exception):
    """The server could not do now what it can do later."""


async def _hear(socket: ClientConnection, op: str | None = None) -> Heard:
    """The next frame, which must be an `op`. Raises ParseError for a refusal, and what websockets raises."""
    async with asyncio.timeout(SILENCE_SECONDS):
        frame = decode(await socket.recv())
    if not isinstance(frame, dict) or (op is not None and frame.get("op") not in (op, "error")):
        raise _TryAgainError("what answers there does not speak LiveQuery")
    if frame["op"] == "error":
        code, words = frame.get("code"), str(frame.get("error"))
        if code in (ErrorCode.INTERNAL_SERVER_ERROR, ErrorCode.TIMEOUT, ErrorCode.CONNECTION_FAILED):
            raise _TryAgainError(words)
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    return Heard(str(frame["op"]), frame)


def _cursor(frame: Object) -> str | None:
    cursor = frame.get("cursor")
    return cursor if isinstance(cursor, str) else None


def _socket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path, "", ""))
