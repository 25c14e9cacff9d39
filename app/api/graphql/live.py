"""Subscriptions: one live query of the hub as a stream of GraphQL events.

Owns: the fields of `Subscription` and the types of their events. Holds: a subscription is one connection of the LiveQuery
protocol, so what it is told, when, and by whose authority is decided by the hub alone; what waits for a reader is bounded there;
a stream that ends, however it ends, lets go of its connection. May import live and below, api/graphql.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
)

from app.api.graphql.context import Context
from app.api.graphql.execution import guarded, selection_of
from app.api.graphql.names import to_global_id
from app.api.graphql.projection import NullError
from app.api.graphql.selection import ObjectPlan, Selection
from app.api.graphql.statics import Type, many, read, required
from app.api.graphql.types import ClassTypes
from app.api.graphql.wheres import to_where
from app.core.wire import Object, encode
from app.errors import ErrorCode, ParseError
from app.live.connection import Connection
from app.live.hub import Hub
from app.live.membership import Member

REQUEST_ID = 1
_OPS = ("create", "enter", "update", "leave", "delete", "snapshot", "reload", "subscribed", "progress")
_QUIET = ("subscribed", "progress")
"""Told only to who asks for `progress`."""


def event_enum() -> GraphQLEnumType:
    """What may happen, in the words of live queries."""
    words = "What happened, as live queries say it; `snapshot` is a first result, `reload` asks to read anew."
    return GraphQLEnumType("LiveEvent", {op: op for op in _OPS}, description=words)


def class_subscription(types: ClassTypes, events: GraphQLEnumType) -> GraphQLField:
    """The subscription of one class."""
    event = GraphQLObjectType(
        f"{types.name}Event",
        {
            "event": GraphQLField(required(events), resolve=read),
            "cursor": GraphQLField(GraphQLString, resolve=read, description="Subscribe `since` it and nothing is missed."),
            "id": GraphQLField(GraphQLID, resolve=read, description="The global id, also of what may not be read any more."),
            "index": GraphQLField(GraphQLInt, resolve=read, description="The place in a window (`orderBy` with `first`)."),
            "node": GraphQLField(types.object, resolve=read),
            "original": GraphQLField(types.object, resolve=read, description="The object before, as far as it could be read."),
            "reason": GraphQLField(GraphQLString, resolve=read),
        },
    )
    live = _ClassEvents(types, event)
    arguments: dict[str, Type] = {
        "where": types.where,
        "orderBy": GraphQLList(GraphQLNonNull(types.order)),
        "first": GraphQLInt,
        "skip": GraphQLInt,
        "since": GraphQLString,
        "snapshot": GraphQLBoolean,
        "watch": many(GraphQLString),
        "progress": GraphQLBoolean,
    }
    return GraphQLField(
        event,
        {name: GraphQLArgument(of) for name, of in arguments.items()},
        resolve=guarded(live.tell),
        subscribe=guarded(live.open),
        description=f"Changes of objects of the class {types.class_name}, as they are committed.",
    )


class _Frame(msgspec.Struct):
    """A frame of the protocol, as far as an event shows it."""

    op: str
    cursor: str | None = None
    shown: Any = msgspec.field(name="object", default=None)
    original: Any = None
    results: list[Any] = []
    index: int | None = None
    error: str = ""
    code: int = 0
    reason: str | None = None


_read_frame = msgspec.json.Decoder(_Frame).decode


class _ClassEvents:
    """The events of one class."""

    def __init__(self, types: ClassTypes, event: GraphQLObjectType) -> None:
        self._types = types
        self._event = event

    async def open(self, _: Any, info: GraphQLResolveInfo, **arguments: Any) -> "Stream":
        """The stream of one subscription. Raises what the hub refuses."""
        context: Context = info.context
        if context.socket is None:
            raise ParseError(ErrorCode.COMMAND_UNAVAILABLE, "Subscriptions need a websocket (graphql-transport-ws).")
        stream = Stream(context.hub, context.socket, progress=bool(arguments.get("progress")))
        try:
            await stream.begin(context.socket.connect_message(), self._subscribe_message(info, arguments))
        except BaseException:
            stream.end()
            raise
        return stream

    def _subscribe_message(self, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> Object:
        context: Context = info.context
        types = self._types
        query: Object = {
            "className": types.class_name,
            "where": to_where(context.classes, types, arguments.get("where") or {}),
        }
        plans = self._plans(selection_of(info), info.field_nodes)
        include = sorted(set().union(*(plan.include for plan in plans)))
        keys = sorted({key.partition(".")[0] for plan in plans for key in plan.keys} | {"objectId"})
        query["keys"] = [*keys]
        if include:
            query["include"] = [*include]
        order = arguments.get("orderBy") or (["objectId"] if arguments.get("first") is not None else None)
        for name, value in (("order", ",".join(order or ())), ("limit", arguments.get("first")), ("skip", arguments.get("skip"))):
            if value:
                query[name] = value
        if arguments.get("watch"):
            query["watch"] = [*dict.fromkeys(arguments["watch"])]
        message: Object = {"op": "subscribe", "requestId": REQUEST_ID, "query": query}
        if arguments.get("since"):
            message["since"] = arguments["since"]
        if arguments.get("snapshot"):
            message["snapshot"] = True
        return message

    def _plans(self, selection: Selection, nodes: list[FieldNode]) -> list[ObjectPlan]:
        """What the event's objects are asked for, under whatever names."""
        fields = selection.fields(self._event, nodes).values()
        return [selection.of_object(self._types, found) for found in fields if found[0].name.value in ("node", "original")]

    async def tell(self, frame: Any, info: GraphQLResolveInfo, **_: Any) -> dict[str, Any]:
        """One event."""
        told = {"event": frame.op, "cursor": frame.cursor, "index": frame.index, "reason": frame.reason}
        if frame.shown is not None:
            told["id"] = to_global_id(self._types.class_name, frame.shown["objectId"])
            told["node"] = await self._object(frame.shown, info, "node")
        if frame.original is not None:
            told["original"] = await self._object(frame.original, info, "original")
        return told

    async def _object(self, row: Any, info: GraphQLResolveInfo, name: str) -> Any:
        """An object of an event as the selection asks; None where the reader is told no more than its id."""
        selection = selection_of(info, finished=True)
        nodes = [
            node
            for found in selection.fields(self._event, info.field_nodes).values()
            for node in found
            if node.name.value == name
        ]
        if not nodes:
            return None
        plan = selection.of_object(self._types, nodes)
        if "createdAt" not in row and not plan.keys <= {"objectId"}:
            return None
        if plan.relations or any(True for _ in plan.within):
            context: Context = info.context
            fresh = await context.renewed()
            await fresh.follow(plan, [row])
        try:
            return plan.writer.write(row)
        except NullError:
            return None


class Stream(AsyncIterator[_Frame]):
    """The events of one subscription, as fast as they are read; what waits is bounded by the hub."""

    def __init__(self, hub: Hub, socket: Any, *, progress: bool) -> None:
        self._hub = hub
        self._socket = socket
        self._progress = progress
        self._frames: deque[bytes] = deque()
        self._ready: deque[_Frame] = deque()
        self._bytes = 0
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()
        self._connection: Connection[Member] | None = hub.attach(socket.protocol(), self)
        socket.streams.add(self)

    async def begin(self, connect: Object, subscribe: Object) -> None:
        """Opens the subscription. Raises ParseError with the hub's refusal."""
        for message, op in ((connect, "connected"), (subscribe, "subscribed")):
            assert self._connection is not None
            await self._hub.receive(self._connection, encode(message))
            frame = self._next()
            if frame is None:
                raise ParseError(ErrorCode.TIMEOUT, "The server is stopping; connect again.")
            if frame.op != op:
                raise _refusal(frame)
            if op == "subscribed" and self._progress:
                self._ready.append(frame)

    # ---- as an outlet of the hub

    def send(self, frames: list[bytes]) -> None:
        """Queues frames."""
        self._frames.extend(frames)
        self._bytes += sum(map(len, frames))
        self._wake.set()

    def buffered(self) -> int:
        """Bytes that wait here."""
        return self._bytes

    def close(self, code: int, reason: str) -> None:
        """Ends the stream after what is queued, and its socket with it."""
        self._closing = self._closing or (code, reason)
        self._wake.set()

    # ---- as an iterator

    async def __anext__(self) -> _Frame:
        while True:
            if self._ready:
                return self._ready.popleft()
            frame = self._next()
            if frame is not None:
                self._take(frame)
            elif self._connection is None:
                raise StopAsyncIteration
            elif self._closing is not None:
                self.end()
                await self._socket.close(*self._closing)
                raise StopAsyncIteration
            else:
                self._wake.clear()
                await self._wake.wait()

    def _next(self) -> _Frame | None:
        if not self._frames:
            return None
        raw = self._frames.popleft()
        self._bytes -= len(raw)
        if self._connection is not None and not self._frames:
            self._connection.resume()
        return _read_frame(raw)

    def _take(self, frame: _Frame) -> None:
        """A frame as events: a snapshot is one for each object, and the last word of it has the cursor."""
        if frame.op == "error":
            self.end()
            raise _refusal(frame)
        if frame.op in _QUIET and not self._progress:
            return
        self._ready.extend(_Frame("snapshot", shown=row) for row in frame.results)
        self._ready.append(frame)

    async def aclose(self) -> None:
        """Lets go."""
        self.end()

    def end(self) -> None:
        """Ends the subscription; what is queued is not told."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._hub.detach(connection)
        self._socket.streams.discard(self)
        self._wake.set()


def _refusal(frame: _Frame) -> ParseError:
    known = {int(code) for code in ErrorCode}
    code = ErrorCode(frame.code) if frame.code in known and frame.code > 4 else ErrorCode.OPERATION_FORBIDDEN
    return ParseError(code, frame.error)
