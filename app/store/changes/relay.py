"""One node reads the change table for all: it publishes what it read by class, the others take only what they need.

Owns: `Relay`: who reads (an advisory lock of the reader's own connection), the messages over the broadcast seam, and putting
them together again. Holds: a message may be lost, doubled, late or cut short at no cost but a look at the table: each header
says from which snapshot to which it goes and how much of each class there is, so whoever lacks anything knows it; a reader whose
connection is lost has lost the lock too; nobody waits for a relay that has fallen silent. May import database, broadcast,
reading, snapshot.
"""

import asyncio
import contextlib
import hashlib
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.core.wire import Json, decode, encode
from app.errors import ParseError
from app.store.changes.broadcast import make_broadcast
from app.store.changes.reading import Change
from app.store.changes.snapshot import Snapshot
from app.store.database import Connection, Database

BEAT_SECONDS = 0.4
"""The relay is heard so often at least."""

SILENT_SECONDS = 1.5
"""One that is not heard for so long is gone."""

ELECT_SECONDS = 0.5
PARTS_SECONDS = 0.25
"""How long a header waits for its parts."""

WAITING_MESSAGES = 8_192
MOST_PARTS = 256
"""Batches whose parts are kept for their header."""

_MOST_WAITING = 64
_NOTIFY_BYTES = 7_900
"""What NOTIFY takes is 8000 bytes."""

_MESSAGE_BYTES = 256 * 1024
_CLASS_BYTES = 4 * 1024 * 1024
_LOCK = 7_164_021_002

log = logging.getLogger(__name__)

Row = list[Json]


@dataclass(frozen=True, slots=True)
class Header:
    """What one read of the relay found: from one snapshot to the next, so many messages of each class.

    `parts` None: too much to be sent, the table has it.
    """

    relay: str
    number: int
    since: Snapshot
    until: Snapshot
    parts: dict[str, int] | None


@dataclass(slots=True)
class _Parts:
    """The messages of one batch that have come."""

    rows: dict[str, dict[int, list[Row]]] = field(default_factory=dict)


class Relay:
    """The relay as one node knows it: as the one that reads, or as one of the others."""

    def __init__(self, database: Database, broadcast_url: str | None) -> None:
        self.leads = False
        """This node reads for all."""
        self._make: Callable[[], Any] = lambda: make_broadcast(database, broadcast_url, waiting=WAITING_MESSAGES)
        is_postgres = broadcast_url is None or broadcast_url.startswith(("postgres://", "postgresql://"))
        self._most_bytes = _NOTIFY_BYTES if is_postgres else _MESSAGE_BYTES
        self._feed_id = ""
        self._id = ""
        self._number = 0
        self._until: Snapshot | None = None
        self._said_at = self._elected_at = 0.0
        self._heard_at = -SILENT_SECONDS
        self._outgoing: deque[tuple[Snapshot, Snapshot, list[Change] | None]] = deque()
        self._due = asyncio.Event()
        self._headers: deque[Header] = deque()
        self._arrived = asyncio.Event()
        self._parts: dict[tuple[str, int], _Parts] = {}
        self._broadcast: Any = None
        self._channels: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, feed_id: str) -> None:
        """Begins to listen, and to send what is to be published, of this history; what is left of another is of no use."""
        self._feed_id = feed_id
        self._heard_at = -SILENT_SECONDS
        self._outgoing.clear()
        self._headers.clear()
        self._parts.clear()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._send_forever())]

    async def stop(self) -> None:
        """Ends; the lock goes with the connection."""
        tasks = [*self._tasks, *self._channels.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- the one that reads

    async def elect(self, connection: Connection) -> None:
        """Becomes the one that reads, if nobody else is; `connection` is the one it reads with."""
        now = time.monotonic()
        if now - self._elected_at < ELECT_SECONDS:
            return
        self._elected_at = now
        if await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            self.leads, self._id, self._number, self._until = True, secrets.token_hex(4), 0, None
            log.info("this process reads the change table for all")

    def resign(self) -> None:
        """The connection is lost, and with it the lock."""
        self.leads = False

    def publish(self, since: Snapshot, until: Snapshot, changes: list[Change] | None) -> None:
        """Tells the others what lies between two snapshots; `changes` None: let them look."""
        now = time.monotonic()
        since = self._until or since
        if until == since and now - self._said_at < BEAT_SECONDS:
            return
        if len(self._outgoing) >= _MOST_WAITING:
            since, changes = self._outgoing[0][0], None
            self._outgoing.clear()
        self._until, self._said_at = until, now
        self._outgoing.append((since, until, changes))
        self._due.set()

    async def _send_forever(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._outgoing and self.leads:
                since, until, changes = self._outgoing.popleft()
                self._number += 1
                try:
                    for channel, text in self._messages(self._number, since, until, changes):
                        if self._broadcast is not None:
                            await self._broadcast.publish(channel, text)
                except Exception as cause:  # noqa: BLE001 - every engine has errors of its own, and the message may be lost
                    log.warning("changes could not be relayed (%s); the others look for themselves", type(cause).__name__)
            self._outgoing.clear()

    def _messages(self, number: int, since: Snapshot, until: Snapshot, changes: list[Change] | None) -> Iterator[tuple[str, str]]:
        counts: dict[str, Json] | None = None if changes is None else {}
        if changes is not None and counts is not None:
            by_class: dict[str, list[Change]] = {}
            for change in changes:
                by_class.setdefault(change.class_name, []).append(change)
            for class_name, some in by_class.items():
                texts = self._packed(some)
                if texts is None:
                    counts = None
                    break
                counts[class_name] = len(texts)
                for index, text in enumerate(texts):
                    yield self._channel(class_name), f'["{self._id}",{number},{index},[{text}]]'
        header = encode([self._id, number, str(since), str(until), counts]).decode()
        if len(header) > self._most_bytes:
            header = encode([self._id, number, "", "", None]).decode()
        yield self._channel(None), header

    def _packed(self, changes: Iterable[Change]) -> list[str] | None:
        """The changes of one class as few messages as they fit into; None when one does not fit, or all are too many."""
        texts: list[str] = []
        now, size, total = list[str](), 0, 0
        for change in changes:
            row: Row = [change.seq, change.xid, change.object_id, change.before, change.after, change.at]
            packed = encode(row)
            text, length = packed.decode(), len(packed) + 1
            total += length
            if length > self._most_bytes - 100 or total > _CLASS_BYTES:
                return None
            if size + length > self._most_bytes - 100:
                texts.append(",".join(now))
                now, size = [], 0
            now.append(text)
            size += length
        return [*texts, ",".join(now)]

    def _channel(self, class_name: str | None) -> str:
        """A name that Postgres takes for a channel, of this history of changes."""
        name = "relay" if class_name is None else hashlib.sha256(class_name.encode()).hexdigest()[:24]
        return f"careboard.{self._feed_id}.{name}"

    # ---- the others

    @property
    def is_heard(self) -> bool:
        """Whether another node reads for this one."""
        return time.monotonic() - self._heard_at < SILENT_SECONDS

    async def next(self) -> Header | None:
        """The next header; None when none came for a while."""
        while not self._headers:
            self._arrived.clear()
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        return self._headers.popleft()

    async def collect(self, header: Header, wanted: frozenset[str] | None) -> list[Change] | None:
        """The changes of a header, of the wanted classes (None: all); None when some have not come."""
        if header.parts is None:
            return None
        needed = {name: count for name, count in header.parts.items() if wanted is None or name in wanted}
        self._listen_to(wanted if wanted is not None else {*self._channels, *needed})
        key = (header.relay, header.number)
        parts = self._parts.setdefault(key, _Parts())
        try:
            async with asyncio.timeout(PARTS_SECONDS):
                while any(len(parts.rows.get(self._channel(name), ())) < count for name, count in needed.items()):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return None
        finally:
            self._parts.pop(key, None)
        return [_change(name, row) for name in needed for some in parts.rows[self._channel(name)].values() for row in some]

    def _listen_to(self, class_names: Iterable[str]) -> None:
        names = set(class_names)
        if self._broadcast is None:
            return
        for name in [name for name, task in self._channels.items() if task.done()]:
            del self._channels[name]
        for name in names - self._channels.keys():
            self._channels[name] = asyncio.create_task(self._hear(self._broadcast, self._channel(name)))
        for name in self._channels.keys() - names:
            self._channels.pop(name).cancel()

    async def _run(self) -> None:
        while True:
            broadcast = self._make()
            try:
                await broadcast.connect()
                self._broadcast = broadcast
                await self._hear(broadcast, self._channel(None))
            except Exception as cause:  # noqa: BLE001 - every engine has errors of its own; the line is built anew
                log.warning("the relay's line was lost (%s); connecting again", type(cause).__name__)
            finally:
                self._broadcast = None
                for task in self._channels.values():
                    task.cancel()
                self._channels.clear()
                with contextlib.suppress(Exception):
                    await broadcast.disconnect()
            await asyncio.sleep(random.uniform(0.5, 2))  # noqa: S311 - spreads reconnects

    async def _hear(self, broadcast: Any, channel: str) -> None:
        async with broadcast.subscribe(channel) as subscriber:
            while True:
                event = await subscriber.get()
                try:
                    self._take(channel, decode(event.message) if event.message else None)
                except (ParseError, ValueError, TypeError, KeyError) as cause:
                    log.warning("a message of the relay could not be read: %s", cause)

    def _take(self, channel: str, message: Json) -> None:
        if not isinstance(message, list) or message[0] == self._id:
            return
        relay, number = str(message[0]), message[1]
        assert isinstance(number, int)
        if channel != self._channel(None):
            parts = self._parts.setdefault((relay, number), _Parts())
            parts.rows.setdefault(channel, {})[int(str(message[2]))] = message[3]  # type: ignore[assignment]  # as it was sent
            while len(self._parts) > MOST_PARTS:
                del self._parts[next(iter(self._parts))]
        else:
            self._heard_at = time.monotonic()
            self._headers.append(_header(relay, number, message))
            if len(self._headers) > MOST_PARTS:
                self._headers.popleft()
        self._arrived.set()


def _header(relay: str, number: int, message: list[Json]) -> Header:
    since, until, counts = message[2:5]
    if not since:
        none = Snapshot(1, 1, frozenset())
        return Header(relay, number, none, none, None)
    parts = {name: int(str(count)) for name, count in counts.items()} if isinstance(counts, dict) else None
    return Header(relay, number, Snapshot.parse(str(since)), Snapshot.parse(str(until)), parts)


def _change(class_name: str, row: Row) -> Change:
    seq, xid, object_id, before, after, at = row
    assert isinstance(seq, int)
    assert isinstance(xid, int)
    assert isinstance(at, (int, float))
    texts = [None if text is None else str(text) for text in (before, after)]
    return Change(seq, xid, class_name, str(object_id), texts[0], texts[1], float(at))
