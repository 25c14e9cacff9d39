"""The live queries of one process: the feed comes in, every connection is told.

Owns: `Hub`: the one consumer of the feed, who is connected, the effects of the protocol, progress and shutdown.
Always holds: one batch is delivered after the other; no connection is ever waited for; what fails for one client ends
that client's subscription, not the hub. May import core, store, actions and live.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from app.actions.objects import Objects
from app.errors import ErrorCode, ParseError
from app.live.addresses import Addressed
from app.live.authority.authority import Authorities
from app.live.authority.moves import AUTHORITY_CLASSES
from app.live.connection import GOING_AWAY, SERVICE_RESTART, Connection, Outlet, Prepare
from app.live.limits import Guests
from app.live.membership import Member
from app.live.opening import Opening
from app.live.protocol import Drop, Effect, Find, Greet, Open, Protocol, Send, error_frame
from app.live.results.plan import Planner
from app.live.results.upkeep import Upkeep
from app.live.resuming.elsewhere import Elsewhere
from app.live.resuming.past import Past
from app.live.resuming.resumption import Resumption
from app.live.stream import Stream
from app.store.changes.feed import Batch, Feed

_log = logging.getLogger("careboard.live")

PROGRESS_SECONDS = 10.0
"""A client with cursors that was told nothing for so long is told how far the stream is."""


class Hub:
    """Everything live in one process."""

    def __init__(self, feed: Feed, objects: Objects, learners: Mapping[str, Callable[[], Awaitable[None]]] | None = None) -> None:
        """`learners`: what reads anew, when rows of a table change, what this process keeps of it in memory."""
        self._feed = feed
        self._objects = objects
        self._learners = learners or {}
        self._connections: dict[Connection[Member], None] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.guests = Guests(objects.settings.live_connections)
        """Who is connected, by address; the doors let in and out."""
        planner = Planner(objects)
        self.stream = Stream(feed)
        planner.is_current = lambda: self.stream.is_current
        self.upkeep = Upkeep(self.stream, objects)
        self.resumption = Resumption(time.monotonic, lambda: feed.feed_id)
        feed.wanted = self._wanted
        feed.is_awaited = lambda: bool(self._connections)
        self._authorities = Authorities(self.stream, objects, planner, self.upkeep)
        self._elsewhere = Elsewhere(self.resumption, objects.database)
        past = Past(self.stream, feed, objects, self.upkeep)
        self._opening = Opening(
            self.stream, feed, objects, planner, self._authorities, self.upkeep, self.resumption, past, self._elsewhere
        )

    async def start(self) -> None:
        """Begins to consume the feed, which must have been started."""
        self.stream.begin()
        work = (self._consume(), self._tell_progress(), self._elsewhere.run())
        self._tasks = [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        """Closes every connection with 1001 and stops."""
        for connection in list(self._connections):
            connection.close(GOING_AWAY, "the server is stopping; connect again")
            self.detach(connection)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._elsewhere.note()
        await self._authorities.stop()
        await self.upkeep.stop()
        await self.stream.stop()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions they have open."""
        return sum(len(connection.members) for connection in self._connections)

    def _wanted(self) -> frozenset[str] | None:
        """The classes whose changes anybody here needs; None is all."""
        classes = self.stream.classes
        return None if classes is None else classes | AUTHORITY_CLASSES | self._learners.keys()

    @property
    def feed(self) -> Feed:
        """Where the changes come from, for whoever watches the server."""
        return self._feed

    @property
    def lag(self) -> float:
        """Seconds since the feed last stood at the head of the changes."""
        return self._feed.lag

    async def settled(self) -> None:
        """Returns when nobody's authority is being settled and nothing that is kept is being read."""
        await self._authorities.settled()
        await self.upkeep.settled()

    def attach(self, protocol: Protocol, outlet: Outlet, prepare: Prepare | None = None) -> Connection[Member]:
        """Takes in a new client; give it back with `detach`. `prepare` makes frames ready for the transport of the outlet."""
        addressed = Addressed(outlet, self._objects.settings.file_urls)
        connection: Connection[Member] = Connection(protocol, addressed, self.stream.counters, prepare)
        self._connections[connection] = None
        return connection

    def detach(self, connection: Connection[Member]) -> None:
        """Forgets a client that is gone."""
        self._connections.pop(connection, None)
        self.resumption.part(connection)
        connection.is_open = False
        for member in list(connection.members.values()):
            self._authorities.drop(member)

    async def receive(self, connection: Connection[Member], text: str | bytes) -> None:
        """Does what one message of a client asks. Messages of one client must be given one after the other."""
        for effect in connection.protocol.receive(text):
            try:
                await self._perform(connection, effect)
            except Exception:  # noqa: BLE001 - the connection lives on, whatever one request did
                _log.exception("a live query request failed")
                self._apologise(connection, effect)

    async def note(self) -> None:
        """Notes for other processes how far clients without cursors have been told; it happens by itself every few seconds."""
        await self._elsewhere.note()

    def mark(self, connection: Connection[Member]) -> int | None:
        """A number to be sent to a client that knows no cursors, so that it comes back; None when it is of no use."""
        return connection.mark(self.stream.cursor) if connection.is_marked and connection.is_open else None

    async def _perform(self, connection: Connection[Member], effect: Effect) -> None:
        match effect:
            case Send(frame):
                connection.send(frame)
            case Greet(cursors):
                connection.sent_at = asyncio.get_running_loop().time()
                self.resumption.greet(connection)
                connection.send(connection.protocol.connected(self.stream.cursor if cursors else None))
            case Open(subscription):
                await self._opening.open(connection, subscription)
            case Drop(request_id):
                member = connection.members.get(request_id)
                if member is not None:
                    self._authorities.drop(member)
            case Find(subscription):
                await self._opening.find(connection, subscription)

    def _apologise(self, connection: Connection[Member], effect: Effect) -> None:
        """An error of ours: the client hears that it was, and nothing of what."""
        error = ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "Internal server error.")
        if isinstance(effect, Open):
            request_id = effect.subscription.request_id
            member = connection.members.get(request_id)
            if member is not None:
                self._authorities.drop(member)
            connection.send(connection.protocol.refused(request_id, error))
        elif isinstance(effect, Find):
            connection.send(error_frame(effect.subscription.request_id, error))

    async def _consume(self) -> None:
        loop = asyncio.get_running_loop()
        async for batch in self._feed.subscribe():
            self.stream.is_busy = True
            if batch.reset:
                self._send_away("changes were lost; connect again")
            try:
                await self._learn_classes(batch)
                self._authorities.notice(batch)
            except Exception:  # noqa: BLE001 - the hub lives on; nobody stays under an authority in doubt
                _log.exception("a change of authority could not be taken in; every client must connect again")
                self._send_away("connect again")
            try:
                self.stream.deliver(batch, loop.time())
            except Exception:  # noqa: BLE001 - as above; who was told of it and who was not cannot be said
                _log.exception("changes could not be delivered; every client must connect again")
                self._send_away("connect again")
                self.stream.begin()
            self.stream.is_busy = False

    async def _learn_classes(self, batch: Batch) -> None:
        """Reads the definitions of classes that changed, here or in another process, before their objects are told."""
        changed = {change.class_name for change in batch.changes}
        for name in self._learners if batch.reset else changed & self._learners.keys():
            await self._learners[name]()
        schemas = self._objects.schemas
        if batch.reset:
            await schemas.load()
        names = {change.object_id for change in batch.changes if change.class_name == "_SCHEMA"}
        if not names:
            return
        await schemas.refresh(names)
        for name in names:
            if schemas.has(name):
                for query in self.stream.router.queries_of(name):
                    query.matches = query.compile(schemas.get(name), query.where)
                    for node in query.nodes.all():
                        node.learn(schemas.get(name))

    def _send_away(self, reason: str) -> None:
        for connection in list(self._connections):
            try:
                connection.close(SERVICE_RESTART, reason)
            except Exception:  # noqa: BLE001 - the others must hear of it too
                _log.exception("a connection could not be closed")
            self.detach(connection)

    async def _tell_progress(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            self.tell_progress(loop.time())

    def tell_progress(self, now: float) -> None:
        """Tells those who were told nothing for long how far the stream is; `now` is the loop's time."""
        for connection in list(self._connections):
            connection.resume()
            if now - connection.sent_at >= PROGRESS_SECONDS:
                connection.sent_at = now
                connection.send_progress(self.stream.cursor)
