"""The one reader of the change table in a process: every committed change once, with the snapshot it stands at as the cursor.

Owns: the poll, the hints, replay, the housekeeping of the change table. Holds: what lies between the snapshots of two batches is
in the later one, whole and once, whatever order transactions commit in; a long transaction stalls nothing; a lost hint,
connection or server costs time, never a change; what a crash of Postgres began is another history than the one before; the
changes of one object come in the order of `seq`, for it is drawn while the row is locked (never by xid: a transaction may be
older than the change it waits for). May import database, snapshot, reading, capture, broadcast, relay.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

from app.store.changes.broadcast import Hints
from app.store.changes.capture import maintain
from app.store.changes.reading import FAILURES, READING, Change, Position, read_feed_id, read_floor, read_now
from app.store.changes.relay import Header, Relay
from app.store.changes.snapshot import Snapshot, parse_cursor, to_cursor
from app.store.database import Connection, Database

__all__ = ["Batch", "Change", "CursorExpired", "Feed", "Snapshot", "parse_cursor", "to_cursor"]

BUSY_SECONDS = 0.005
IDLE_SECONDS = 0.25
SPACING_SECONDS = 0.005
"""Reads begin at least this far apart while somebody else is writing here, so that under load one read takes many changes."""
WAITING_BATCHES = 8
MAINTAIN_SECONDS = 300.0

log = logging.getLogger(__name__)


NEVER = Snapshot(1, 1, frozenset())


class CursorExpired(Exception):  # noqa: N818 - a state of the cursor, told to its owner
    """Changes after this cursor have been dropped: begin anew."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes in order of `seq`. `cursor` is what a client resumes from after the last of them, `snapshot` the same unpacked.

    A big backlog comes in several batches: all but the last carry the cursor before the backlog, so one who resumes in the middle
    of it hears some changes twice, and none is lost. `reset` says that changes before this batch are gone (a restored or another
    database, a crash of this one, or a pause longer than the retention): whoever holds state reads it anew.
    `classes`: it holds the changes of these only; None is all.
    """

    changes: list[Change]
    snapshot: Snapshot
    cursor: str
    reset: bool = False
    classes: frozenset[str] | None = None


class Feed:
    """The feed of one process. One consumer iterates `subscribe()`; any code calls `hint()` after it wrote."""

    def __init__(self, database: Database, broadcast_url: str | None = None, *, relay: bool = False) -> None:
        """`relay`: one node reads the table for all, and this one may be it or not."""
        self.wanted: Callable[[], frozenset[str] | None] = lambda: None
        """The classes whose changes the consumer needs at present; None is all."""
        self.is_awaited: Callable[[], bool] = lambda: True
        """Whether the consumer has anybody to tell; if not, reads are spaced always."""
        self.reads = 0
        """How often the change table was read."""
        self.relayed = 0
        """How many batches came from the node that reads for all."""
        self._relay = Relay(database, broadcast_url) if relay else None
        self._database = database
        self._hints = Hints(database, broadcast_url, self._hear)
        self._feed_id = ""
        self._position = Position(NEVER)
        self._current = NEVER
        self._batches: asyncio.Queue[Batch | None] = asyncio.Queue(WAITING_BATCHES)
        self._wake = asyncio.Event()
        self._hinted = self._answered = 0
        """How many hints there were, and how many of them before the last read began that has ended."""
        self._tasks: list[asyncio.Task[None]] = []
        self._look: asyncio.TimerHandle | None = None
        self._look_at = self._looking_at = 0.0
        """When the reader looks by itself, and when the timer goes off that makes it."""
        self._head = 0.0

    @property
    def feed_id(self) -> str:
        """Which history the cursors belong to: this database on this timeline."""
        return self._feed_id

    @property
    def current(self) -> Snapshot:
        """Up to where the consumer has been handed changes."""
        return self._current

    @property
    def cursor(self) -> str:
        """`current` as a client keeps it."""
        return to_cursor(self._feed_id, self.current)

    @property
    def lag(self) -> float:
        """Seconds since the reader last stood at the head of the change table."""
        return time.monotonic() - self._head

    @property
    def is_current(self) -> bool:
        """Whether the consumer was handed everything that this process wrote, and all it was told that others wrote."""
        reads = self._relay is None or self._relay.leads
        return reads and self._hinted == self._answered and self._batches.empty()

    @property
    def role(self) -> str:
        """Where its changes come from: `table`, or with a relay `leader` or `follower`."""
        if self._relay is None:
            return "table"
        return "leader" if self._relay.leads else "follower" if self._relay.is_heard else "table"

    async def start(self) -> None:
        """Begins at this moment; what was written before is not handed out. Raises asyncpg's errors when unreachable."""
        connection = await self._database.connect(**READING)
        self._feed_id = await read_feed_id(connection)
        self._position = Position(await read_now(connection))
        self._current, self._head = self._position.since, time.monotonic()
        self._database.committed.append(self.hint)
        self._hints.start()
        if self._relay is not None:
            self._relay.start(self._feed_id)
        self._tasks = [asyncio.create_task(self._read_forever(connection)), asyncio.create_task(self._maintain())]

    async def stop(self) -> None:
        """Ends every task and the consumer's iteration."""
        if self.hint in self._database.committed:
            self._database.committed.remove(self.hint)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._look is not None:
            self._look.cancel()
        await self._hints.stop()
        if self._relay is not None:
            await self._relay.stop()
        while self._batches.full():
            self._batches.get_nowait()
        self._batches.put_nowait(None)

    async def subscribe(self) -> AsyncIterator[Batch]:
        """The batches from the start on, each once; for one consumer. Ends with `stop`."""
        while (batch := await self._batches.get()) is not None:
            self._current = batch.snapshot
            yield batch

    def hint(self) -> None:
        """Something was written: read now, and tell the other processes. Never blocks."""
        self._hear()
        self._hints.send()

    async def replay(self, since: Snapshot) -> AsyncIterator[Batch]:
        """All changes from `since` to now. Raises CursorExpired when some are gone.

        It may reach further than `current`: skip a later batch's change where the last snapshot from here `sees` its xid.
        """
        connection = await self._database.connect(**READING)
        try:
            if since.xmin <= await read_floor(connection):
                raise CursorExpired
            position = Position(since)
            async for changes in position.read(connection):
                yield Batch(changes, position.since, to_cursor(self._feed_id, position.since))
        finally:
            await connection.close()

    def _hear(self) -> None:
        self._hinted += 1
        self._wake.set()

    async def _read_forever(self, connection: Connection) -> None:
        while True:
            try:
                await self._read(connection)
            except FAILURES as cause:
                log.warning("the feed lost its connection (%s); connecting again", type(cause).__name__)
            except Exception:
                log.exception("the feed could not read; it begins again where it was")
            finally:
                connection.terminate()
            connection = await self._come_back()

    async def _read(self, connection: Connection) -> None:
        """Reads until the connection fails: at once after a hint, else soon after what nobody announced and seldom when idle."""
        wait, relay = BUSY_SECONDS, self._relay
        if relay is not None:
            relay.resign()
        while True:
            if relay is not None and not relay.leads:
                if relay.is_heard:
                    await self._follow(connection, relay)
                await relay.elect(connection)
            began, hinted = time.monotonic(), self._hinted
            was_told = hinted != self._answered
            self._wake.clear()
            found = await self._read_once(connection)
            self._answered = hinted
            wait = BUSY_SECONDS if found and not was_told else min(wait * 2, IDLE_SECONDS)
            await self._sleep(wait)
            spare = began + SPACING_SECONDS - time.monotonic()
            if spare > 0 and (self._database.is_writing or not self.is_awaited()):
                await asyncio.sleep(spare)

    async def _sleep(self, seconds: float) -> None:
        """Until a hint, or for so long. One timer serves many hints: setting one for each costs more than it does."""
        loop = asyncio.get_running_loop()
        self._look_at = loop.time() + seconds
        if self._look is None or self._looking_at > self._look_at:
            if self._look is not None:
                self._look.cancel()
            self._set_look(loop)
        await self._wake.wait()

    def _set_look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking_at = self._look_at
        self._look = loop.call_at(self._look_at, self._look_now, loop)

    def _look_now(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.time() < self._look_at:
            self._set_look(loop)
        else:
            self._look = None
            self._wake.set()

    async def _read_once(self, connection: Connection) -> bool:
        """One read of the table, handed out, and to the other nodes too by the one that reads for all; says if it found any."""
        position, since = self._position, self._position.since
        found: list[Change] | None = [] if position.is_plain else None
        self.reads += 1
        async for changes in position.read(connection):
            # What comes in parts, or is read once more, is not all there: who needs it reads it too.
            found = None if position.since is since or found is None else changes
            if changes:
                await self._batches.put(Batch(changes, position.since, to_cursor(self._feed_id, position.since)))
            else:
                self._come_to(position.since)
        self._head = time.monotonic()
        if self._relay is not None and self._relay.leads:
            self._relay.publish(since, position.since, found)
        return found is None or bool(found)

    def _come_to(self, snapshot: Snapshot) -> None:
        """There is nothing to hand out up to there. A consumer that still has something to take hears of it the next time."""
        if self._batches.empty():
            self._current = snapshot

    async def _follow(self, connection: Connection, relay: Relay) -> None:
        """Takes what the node that reads for all has read, as long as it is heard. Raises as `_read` when the connection is lost.

        A crash of Postgres cuts it, and the numbers of a new history are told on other channels: the two never mix.
        """
        while relay.is_heard:
            header = await relay.next()
            if header is None:
                return
            if connection.is_closed():
                raise ConnectionError("the connection was lost")
            if not await self._take(relay, header):
                await self._read_once(connection)
            self._head = time.monotonic()

    async def _take(self, relay: Relay, header: Header) -> bool:
        """Hands out what a header announces; False when something of it is not there."""
        position, wanted = self._position, self.wanted()
        if header.parts is None or not position.is_plain or not position.since.covers(header.since):
            return False
        if position.since.covers(header.until):
            self._come_to(position.since)  # the consumer may have been behind when that was read
            return True
        changes = await relay.collect(header, wanted)
        now_wanted = self.wanted()
        if changes is None or (wanted is not None and (now_wanted is None or (now_wanted - wanted) & header.parts.keys())):
            return False
        fresh = sorted((change for change in changes if not position.since.sees(change.xid)), key=lambda change: change.seq)
        if header.parts:
            cursor = to_cursor(self._feed_id, header.until)
            await self._batches.put(Batch(fresh, header.until, cursor, classes=now_wanted))
            self.relayed += 1
        else:
            self._come_to(header.until)
        position.take(header.until)
        return True

    async def _come_back(self) -> Connection:
        """A new connection, from which reading goes on where it ended; where that is impossible, a reset is handed out."""
        pause = 0.05
        while True:
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads reconnects
            pause = min(pause * 2, 2.0)
            try:
                connection = await self._database.connect(**READING)
                feed_id = await read_feed_id(connection)
                if feed_id == self._feed_id and self._position.since.xmin > await read_floor(connection):
                    return connection
                now = await read_now(connection)
                self._feed_id, self._position = feed_id, Position(now)
                if self._relay is not None:
                    await self._relay.stop()
                    self._relay.start(feed_id)
                await self._batches.put(Batch([], now, to_cursor(feed_id, now), reset=True))
                return connection
            except FAILURES:
                continue

    async def _maintain(self) -> None:
        """Keeps the change table's partitions, in every process: one does it, the others find it done."""
        retention = timedelta(hours=self._database.settings.change_retention_hours)
        while True:
            try:
                connection = await self._database.connect(application_name="careboard-maintain")
                try:
                    await maintain(connection, retention)
                finally:
                    await connection.close()
            except FAILURES as cause:
                log.warning("housekeeping of the change table failed (%s); it is tried again", type(cause).__name__)
            await asyncio.sleep(random.uniform(MAINTAIN_SECONDS / 2, MAINTAIN_SECONDS))  # noqa: S311 - spreads processes
