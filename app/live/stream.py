"""The changes as they arrive, told to everybody they concern.

Owns: `Stream`: the router, how far it has come (snapshot and cursor), and the delivery of one batch. Always holds: a
batch is delivered in one go, without waiting, so nobody can join between two of its changes; a connection gets one
send a batch; who is held gets nothing and misses nothing. May import core, store.changes.feed and live.
"""

import asyncio
import logging
import time
from collections.abc import Iterable

from app.live.connection import Connection, Sending
from app.live.counters import Counters
from app.live.filing.router import Router
from app.live.frames import ChangeFrames
from app.live.membership import Event, Held, Keeper, LiveQuery, Member, audience
from app.live.outbox import Tail
from app.live.results.plan import ANY
from app.live.resuming.history import History
from app.live.resuming.position import Run
from app.store.changes.feed import Batch, Change, Feed
from app.store.changes.snapshot import Snapshot

_log = logging.getLogger("careboard.live")

LOOK_SECONDS = 0.002
MOST_HELD = 20_000
"""Changes kept for a member while it is settled; one that takes longer is sent away with its cursor."""
MOST_HELD_BYTES = 32 * 1024 * 1024
"""Of their texts."""


class Stream:
    """The delivery of changes of one process."""

    def __init__(self, feed: Feed) -> None:
        self.router = Router()
        self.snapshot = Snapshot(1, 1, frozenset())
        """Up to where everything was delivered."""
        self.cursor = ""
        self.counters = Counters()
        self.history = History()
        self.is_busy = False
        """A batch was handed out and is not delivered yet."""
        self._feed = feed
        self._ticking: dict[Keeper, None] = {}
        """The nodes that took a change in this tick."""
        self._followers: dict[tuple[str, str], dict[Keeper, None]] = {}
        """The nodes that show an object inside others, by its class and id."""
        self._waiting: dict[asyncio.Future[None], Snapshot] = {}
        self._look: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Starts where the feed stands; what was written before is told to nobody."""
        self._ticking = {}
        self.snapshot, self.cursor = self._feed.current, self._feed.cursor
        self.history.begin(self.snapshot)

    @property
    def is_current(self) -> bool:
        """Whether everything was delivered that this process knows to be written."""
        return not self.is_busy and self._feed.is_current

    def deliver(self, batch: Batch, now: float) -> None:
        """Tells everybody what one batch holds for them; `now` is the loop's time."""
        run = Run(self.cursor, batch.cursor)
        touched: dict[Connection[Member], None] = {}
        told: list[Change] = []
        is_alone = len(batch.changes) == 1 and not self._followers
        for change in batch.changes:
            if self._followers:
                self._tell_followers(change, touched)
            if self.router.listens_to(change.class_name):
                sent = self.counters.sent
                try:
                    self._tell(change, touched, is_alone=is_alone)
                except Exception:  # noqa: BLE001 - a fault in one change must not stop the stream of the others
                    _log.exception("change %s of class %s could not be told", change.seq, change.class_name)
                    self._close_class(change.class_name)
                if self.counters.sent != sent:
                    told.append(change)
        self._advance(batch.snapshot, batch.cursor)
        ticking, self._ticking = self._ticking, {}
        for node in ticking:
            node.end_tick(touched)
        later: list[Sending] = []
        for connection in touched:
            connection.flush(run, later=later)
            connection.sent_at = now
        _send_all(later)
        self.history.add(batch)
        if told:
            arrived = time.time()
            for change in told:
                self.counters.tell_latency(arrived - change.at)

    def _tell(self, change: Change, touched: dict[Connection[Member], None], *, is_alone: bool) -> None:
        frames = ChangeFrames(change)
        matched = self.router.match(change.class_name, change.before_object, change.after_object)
        is_alone = is_alone and len(matched) == 1 and not matched[0][0].nodes
        for query, was, now in matched:
            if query.members.held:
                for member in list(query.members.keep(change, was, now, MOST_HELD, MOST_HELD_BYTES)):
                    member.connection.close_behind(self.cursor)
            for event, readers in audience(query.members, change, was, now):
                self._tell_readers(readers, change, event, frames, touched, is_alone=is_alone)
            if query.nodes:
                self._tell_nodes(query, change, was, now, touched)

    def _tell_readers(
        self,
        readers: Iterable[Member],
        change: Change,
        event: Event,
        frames: ChangeFrames,
        touched: dict[Connection[Member], None],
        *,
        is_alone: bool,
    ) -> None:
        """Adds one event to the outbox of each: for 500 readers this loop is what an event costs beside the kernel.

        `is_alone`: nothing else is told in this tick, so it need not wait in the outbox for more.
        """
        op, seq, count = event.op, change.seq, 0
        whole: Tail | None = None
        later: list[Sending] = []
        for member in readers:
            connection = member.connection
            if member.is_plain:
                if whole is None:  # not by its truth: that would ask for its length
                    whole = frames.whole(event)
                count += 1
                if is_alone and connection.pass_on(member.heads.get(op) or member.head(op), whole, later):
                    continue
                connection.tell(member, op, whole, seq)
                touched[connection] = None
            elif self.push(member, change, event, frames):
                touched[connection] = None
        _send_all(later)
        self.counters.sent += count

    @property
    def held(self) -> int:
        """How many changes are kept for those who are being settled or read."""
        return self.router.held()

    def follow(self, target: tuple[str, str], node: Keeper) -> None:
        """From now on a node is told the changes of an object of any class, or (`ANY`) of every object of one, or of all."""
        self._followers.setdefault(target, {})[node] = None

    def unfollow(self, target: tuple[str, str], node: Keeper) -> None:
        """Ends `follow`."""
        followers = self._followers.get(target, {})
        followers.pop(node, None)
        if not followers:
            self._followers.pop(target, None)

    @property
    def classes(self) -> frozenset[str] | None:
        """The classes that anybody here is told of, or is judged by; None is all."""
        names = {*self.router.classes, *(name for name, _ in self._followers)}
        return None if ANY in names else frozenset(names)

    def follows(self, class_name: str) -> bool:
        """Whether a node follows objects of a class."""
        return any(name in (class_name, ANY) for name, _ in self._followers)

    def _tell_followers(self, change: Change, touched: dict[Connection[Member], None]) -> None:
        followers = self._followers
        one = followers.get((change.class_name, change.object_id))
        every = followers.get((change.class_name, ANY))
        whatever = followers.get((ANY, ANY))
        for node in {**(one or {}), **(every or {}), **(whatever or {})} if one or every or whatever else ():
            try:
                node.take_included(change, touched)
                self._ticking[node] = None
            except Exception:  # noqa: BLE001 - as in `deliver`
                _log.exception("change %s of an included %s could not be told", change.seq, change.class_name)
                node.fall_behind(self.cursor)

    def _tell_nodes(
        self, query: LiveQuery, change: Change, was: bool, now: bool, touched: dict[Connection[Member], None]
    ) -> None:
        for node in list(query.nodes.keep(change, was, now, MOST_HELD, MOST_HELD_BYTES)):
            node.fall_behind(self.cursor)
        for event, nodes in list(audience(query.nodes, change, was, now)):
            for node in list(nodes):
                node.take(change, event, touched)
                self._ticking[node] = None

    def _close_class(self, class_name: str) -> None:
        """Sends away whoever might miss a change that could not be told: they come back with their cursor."""
        for query in self.router.queries_of(class_name):
            for member in query.everyone():
                member.connection.close_behind(self.cursor)

    def push(self, member: Member, change: Change, event: Event, frames: ChangeFrames) -> bool:
        """Adds one event to the outbox of its member, unless the member watches other fields; says whether it did."""
        if member.watch and event.op in ("update", "create") and not member.watches(change):
            return False
        shown = member.shown(change, event)
        if member.plan.witness is not None:
            member.plan.witness.see(change.class_name, change.object_id)
        member.connection.tell(member, shown.op, frames.tail(shown, member), change.seq)
        self.counters.sent += 1
        return True

    def release(self, member: Member, backlog: Iterable[Held], base: str) -> None:
        """Puts a held member into the stream, after the changes that came since the cursor `base`, in order.

        The stream must have reached the snapshot of `base`.
        """
        for change, was, now in sorted(backlog, key=lambda held: held[0].seq):
            event = member.judge(change, was, now)
            if event is not None:
                self.push(member, change, event, ChangeFrames(change))
        member.query.members.file(member)
        if member.connection.has_outbox:
            member.connection.flush(Run(base, self.cursor), in_stream=False)

    async def reach(self, snapshot: Snapshot) -> None:
        """Waits until the stream has delivered everything that `snapshot` sees."""
        if self.snapshot.covers(snapshot):
            return
        self._feed.hint()
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[arrived] = snapshot
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._look_ahead())
        try:
            await arrived
        finally:
            self._waiting.pop(arrived, None)

    async def _look_ahead(self) -> None:
        """A read of the feed that found nothing makes no batch, but the stream has come that far."""
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            if not self.is_busy and self._feed.current.covers(self.snapshot):
                self._advance(self._feed.current, self._feed.cursor)

    def _advance(self, snapshot: Snapshot, cursor: str) -> None:
        self.snapshot, self.cursor = snapshot, cursor
        for arrived, awaited in self._waiting.items():
            if snapshot.covers(awaited) and not arrived.done():
                arrived.set_result(None)

    async def stop(self) -> None:
        """Ends what is under way."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)

    def forget(self, member: Member) -> None:
        """Takes a member out for good; its live query goes with the last one."""
        member.is_open = False
        if member.node is not None:
            member.node.leave(member)
        query: LiveQuery = member.query
        query.members.remove(member)
        self.router.release(query)


def _send_all(later: list[Sending]) -> None:
    """Sends what is ready. All of it is made before: each goes through the kernel, which leaves no cache as it was."""
    for send, data in later:
        send(data)
