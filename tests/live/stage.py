"""What the tests of the live floor stand on: a feed, a hub, and clients that keep what they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

from app.actions.caller import MASTER, Caller
from app.config import Settings
from app.core.query import Query
from app.core.wire import Json, Object, decode, encode
from app.live.connection import Connection
from app.live.hub import Hub
from app.live.membership import Member
from app.live.protocol import Keys, Protocol
from app.store.changes.feed import Feed, Snapshot
from app.store.database import Database
from app.store.schemas import Schemas
from tests.actions.world import World, make_world
from tests.conftest import PATIENCE

EVENTS = frozenset({"create", "enter", "update", "leave", "delete"})
_ASKED = ("keys", "fields", "watch", "order", "limit", "skip", "include", "count")


@dataclass
class Following:
    """One subscription as its client knows it."""

    query: Object
    session: str | None
    state: dict[str, Object] = field(default_factory=dict)
    cursor: str | None = None
    order: list[str] = field(default_factory=list)
    """The ids as the indexes put them, where the query has an order."""
    count: Json = None
    told: list[tuple[str, Object]] = field(default_factory=list)
    """(op, frame) of every event, in order."""
    strays: list[Object] = field(default_factory=list)
    """Events that take away what the client did not have; only told of where the state is whole."""
    error: Object | None = None
    is_open: bool = False
    is_stale: bool = False
    """It was told to read anew, and has not."""
    reloads: int = 0

    @property
    def ops(self) -> list[str]:
        """The events' names."""
        return [op for op, _ in self.told]

    def take(self, frame: Object) -> None:
        """Keeps the state as a client would."""
        op = str(frame["op"])
        if op == "error":
            self.error = frame
            return
        if op == "reload":
            self.reloads += 1
            self.is_stale, self.is_open = True, False
        if op == "subscribed":
            self.is_open = not self.is_stale
        if self.is_stale and op != "snapshot":  # its cursors speak for what the client has not read yet
            if op in EVENTS:
                self.told.append((op, frame))
            return
        if op == "snapshot":
            self.is_stale, self.is_open = False, True
            assert isinstance(frame["results"], list)
            self.state, self.order, self.strays = {}, [], []
            for result in frame["results"]:
                assert isinstance(result, dict)
                self.state[str(result["objectId"])] = result
                self.order.append(str(result["objectId"]))
        if op == "count":
            self.count = frame["count"]
        if op in EVENTS:
            self.told.append((op, frame))
            shown = frame["object"]
            assert isinstance(shown, dict)
            assert shown["className"] == self.query["className"]
            plain = {name: value for name, value in shown.items() if name not in ("__type", "className")}
            self._place(op, str(shown["objectId"]), frame.get("index"))
            if op in ("leave", "delete"):
                if self.state.pop(str(shown["objectId"]), None) is None:
                    self.strays.append(frame)
            else:
                self.state[str(shown["objectId"])] = plain
        if isinstance(frame.get("cursor"), str) and op != "subscribed":
            self.cursor = str(frame["cursor"])

    def _place(self, op: str, object_id: str, index: Json) -> None:
        """A leave says where the object was; anything else takes it from where it is and puts it at its index."""
        if index is None:
            return
        assert isinstance(index, int)
        goes = op in ("leave", "delete")
        if index < 0 or (self.order[index : index + 1] != [object_id] if goes else index > len(self.order)):
            self.strays.append({"op": op, "objectId": object_id, "index": index})  # an index that is not so
        if object_id in self.order:
            self.order.remove(object_id)
        if not goes:
            self.order.insert(index, object_id)


class Client:
    """A LiveQuery client without a socket; it stands in for the transport, so it can also stop reading or be cut off."""

    def __init__(self, stage: "Stage", *, cursors: bool = True, **hello: Json) -> None:
        self._stage = stage
        self._ids = count(1)
        self._arrived = asyncio.Event()
        self.hello: Object = {"op": "connect", "applicationId": "app", "cursors": cursors, **hello}
        self.frames: list[Object] = []
        self.raw: list[bytes] = []
        self.following: dict[int, Following] = {}
        self.closed: tuple[int, str] | None = None
        self.reads = True
        self.sends = 0
        self.unread = 0
        self._waiting = 0
        self.connection: Connection[Member] = self._attach()

    # ---- as the transport

    def send(self, frames: list[bytes]) -> None:
        assert self.closed is None, "a frame after the close"
        self.sends += 1
        if not self.reads:
            self._waiting += sum(map(len, frames))
            self.unread += len(frames)
            return
        for text in frames:
            frame = decode(text)
            assert isinstance(frame, dict)
            self.raw.append(text)
            self.frames.append(frame)
            if frame["op"] == "progress":
                for following in self.following.values():
                    if following.is_open:
                        following.cursor = str(frame["cursor"])
            request_id = frame.get("requestId")
            if isinstance(request_id, int) and request_id in self.following:
                self.following[request_id].take(frame)
        self._arrived.set()

    def buffered(self) -> int:
        return self._waiting

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self._arrived.set()

    # ---- as the client

    async def connect(self) -> "Client":
        """Says hello."""
        await self.say(self.hello)
        assert self.frames[-1]["op"] == "connected"
        return self

    async def say(self, message: Json) -> None:
        """One message to the server; returns when it was dealt with."""
        await self._stage.hub.receive(self.connection, encode(message))

    async def subscribe(
        self, class_name: str, where: Json = None, *, session: Caller | None = None, since: str | None = None, **more: Json
    ) -> Following:
        """Subscribes and returns when that was answered; `snapshot=True` and the like go beside the query."""
        query: Object = {"className": class_name, "where": where or {}}
        asked = {name: more.pop(name, None) for name in _ASKED}
        query |= {name: value for name, value in asked.items() if value is not None}
        request_id = next(self._ids)
        following = Following(query, session.session_token if session else None)
        self.following[request_id] = following
        await self._ask(request_id, since=since, **more)
        return following

    async def _ask(self, request_id: int, since: str | None = None, **more: Json) -> None:
        following = self.following[request_id]
        message: Object = {"op": "subscribe", "requestId": request_id, "query": following.query, **more}
        if following.session is not None:
            message["sessionToken"] = following.session
        if since is not None:
            message["since"] = since
        await self.say(message)

    def answer_ping(self) -> None:
        """The automatic pong of one that knows no cursors."""
        mark = self._stage.hub.mark(self.connection)
        if mark is not None:
            self.connection.acknowledge(mark)

    def cut(self) -> None:
        """The connection is lost."""
        self._stage.hub.detach(self.connection)

    async def come_back(self) -> None:
        """Connects again and goes on from each subscription's cursor, as the boards do."""
        self.closed, self.reads, self._waiting = None, True, 0
        for following in self.following.values():
            following.is_open = False
        self.connection = self._attach()
        await self.connect()
        for request_id, following in list(self.following.items()):
            if following.error is not None:
                continue
            if not self.hello["cursors"]:
                await self._ask(request_id)
                continue
            if following.cursor is None:
                await self._ask(request_id, snapshot=True)
                continue
            reloads = following.reloads
            await self._ask(request_id, since=following.cursor)
            if following.reloads > reloads:
                await self.say({"op": "unsubscribe", "requestId": request_id})
                await self._ask(request_id, snapshot=True)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Waits for frames until something holds."""
        async with asyncio.timeout(PATIENCE):
            while not happened():
                self._arrived.clear()
                await self._arrived.wait()

    def _attach(self) -> Connection[Member]:
        keys = Keys("app", "master")
        protocol = Protocol(keys, lambda: str(uuid4()), may_use_master_key=True)
        return self._stage.hub.attach(protocol, self)


@dataclass
class Stage:
    """A running hub over a world."""

    world: World
    feed: Feed
    hub: Hub

    async def client(self, *, cursors: bool = True, **hello: Json) -> Client:
        """A client that has connected."""
        return await Client(self, cursors=cursors, **hello).connect()

    async def quiet(self) -> None:
        """Returns when everything written so far has been told and every authority is settled."""
        found = await self.world.objects.find(MASTER, Query("_Role", limit=0), cursor=True)
        assert found.cursor is not None
        async with asyncio.timeout(PATIENCE):
            await self.hub.stream.reach(Snapshot.parse(found.cursor))
            await self.hub.settled()


@asynccontextmanager
async def open_stage(database: Database, schemas: Schemas, settings: Settings, *, relay: bool = False) -> AsyncIterator[Stage]:
    """Feed and hub on a started, migrated database; with a `relay` another node reads for this one."""
    world = await make_world(database, schemas, settings)
    async with AsyncExitStack() as stack:
        if relay:
            other = Feed(database, relay=True)
            await other.start()
            other.wanted = frozenset
            draining = asyncio.create_task(_drain(other))
            stack.push_async_callback(asyncio.gather, draining)
            stack.push_async_callback(other.stop)
        feed = Feed(database, relay=relay)
        hub = Hub(feed, world.objects)
        await feed.start()
        await hub.start()
        yield Stage(world, feed, hub)
        await hub.stop()
        await feed.stop()


async def _drain(feed: Feed) -> None:
    async for _ in feed.subscribe():
        pass
