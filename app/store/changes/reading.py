"""How changes are read: what lies between a snapshot and now, in one statement or, for a big backlog, in chunks.

Owns: the SQL of the feed, `Change`, `Position`. Holds: a change is read exactly when it became visible after `since`: its xid is
in progress in that snapshot or began after it. That is `not pg_visible_in_snapshot(xid, since)`, said so that an index answers
it however long some transaction has been open. May import database, snapshot.
"""

import hashlib
from collections.abc import AsyncIterator

import asyncpg

from app.core.wire import Object, decode
from app.store.changes.snapshot import Snapshot
from app.store.database import Connection
from app.store.refusals import LOST

CHUNK = 2_000
READ_TIMEOUT_SECONDS = 30

FAILURES = (asyncpg.PostgresError, OSError, TimeoutError, *LOST)
"""What a reader outlives by connecting again."""

READING = {
    "application_name": "careboard-feed",
    "statement_timeout": "0",
    "default_transaction_read_only": "on",
    # New rows are few and at the end of the index; without statistics the planner would read the whole table instead.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
}

_COLUMNS = "seq, xid, class, object_id, before, after, extract(epoch from at)::float8 as at"
# The upper bound says nothing new of rows written here; rows restored from an older cluster may lie ahead of this one's xids.
_NEW = f"""
  select {_COLUMNS} from careboard.change
  where xid >= $1::text::xid8 and xid < (select pg_snapshot_xmax(pg_current_snapshot()))
  union all
  select {_COLUMNS} from careboard.change where xid = any($2::text[]::xid8[])
"""
_READ = f"""
select null::bigint as seq, null::xid8 as xid, pg_current_snapshot()::text as class, null, null, null, null
union all {_NEW}
order by seq nulls first limit {CHUNK + 2}
"""
_BACKLOG = f"""
select * from ({_NEW}) fresh
where pg_visible_in_snapshot(xid, $3::text::pg_snapshot) and seq > $4
order by seq
"""


class Change:
    """One row written. `before` and `after` are finished wire JSON texts, None where there was or is no row. Immutable."""

    __slots__ = ("_after", "_before", "after", "at", "before", "class_name", "object_id", "seq", "xid")

    def __init__(
        self, seq: int, xid: int, class_name: str, object_id: str, before: str | None, after: str | None, at: float = 0.0
    ) -> None:
        """`at`: when the row was written, in seconds of Unix time by the clock of the database."""
        self.seq = seq
        self.xid = xid
        self.class_name = class_name
        self.object_id = object_id
        self.before = before
        self.after = after
        self.at = at
        self._before: Object | None = None
        self._after: Object | None = None

    def objects(self) -> tuple[Object | None, Object | None]:
        """Both images as objects, decoded at the first call and shared: do not alter them."""
        return self.before_object, self.after_object

    @property
    def before_object(self) -> Object | None:
        """The row before, as an object."""
        if self._before is None and self.before is not None:
            self._before = _object(self.before)
        return self._before

    @property
    def after_object(self) -> Object | None:
        """The row after, as an object."""
        if self._after is None and self.after is not None:
            self._after = _object(self.after)
        return self._after

    def forget(self) -> None:
        """Lets go of the decoded images, which take several times the room of the texts."""
        self._before = self._after = None

    def __repr__(self) -> str:
        return f"Change({self.seq}, {self.class_name}:{self.object_id})"


class Position:
    """How far a reader has come, so that it can go on after any loss of its connection with nothing lost or doubled."""

    def __init__(self, since: Snapshot) -> None:
        self.since = since
        self._until: Snapshot | None = None
        self._last_seq = 0

    async def read(self, connection: Connection) -> AsyncIterator[list[Change]]:
        """What became visible since, in order of `seq`; `since` is moved on by the time the last list is given.

        A list counts as handed out when the next one is asked for.
        """
        if self._until is None:
            rows = await connection.fetch(_READ, *_bounds(self.since), timeout=READ_TIMEOUT_SECONDS)
            now = Snapshot.parse(rows[0]["class"])
            if len(rows) <= CHUNK + 1:
                changes = [Change(*row) for row in rows[1:]]
                before, self.since = self.since, now
                try:
                    yield changes
                except BaseException:
                    self.since = before
                    raise
                return
        async for chunk in self._read_backlog(connection):
            yield chunk

    async def _read_backlog(self, connection: Connection) -> AsyncIterator[list[Change]]:
        """In chunks, in one transaction; after a loss in the middle the rest of the same backlog is read."""
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if self._until is None:
                self._until, self._last_seq = await read_now(connection), 0
            cursor = await connection.cursor(_BACKLOG, *_bounds(self.since), str(self._until), self._last_seq)
            rows = await cursor.fetch(CHUNK)
            while rows:
                following = await cursor.fetch(CHUNK)
                changes = [Change(*row) for row in rows]
                if not following:
                    break
                yield changes
                self._last_seq = rows[-1]["seq"]
                rows = following
            else:
                changes = []
        self.since, self._until = self._until, None
        yield changes

    @property
    def is_plain(self) -> bool:
        """Whether all before it was handed out and nothing behind it: not so in the middle of a backlog."""
        return self._until is None

    def take(self, until: Snapshot) -> None:
        """What was handed out came another way: goes on from there."""
        self.since = until


async def read_now(connection: Connection) -> Snapshot:
    """The snapshot of this moment."""
    return Snapshot.parse(await connection.fetchval("select pg_current_snapshot()::text"))


async def read_floor(connection: Connection) -> int:
    """The highest xid whose changes may have been dropped; 0 when none were."""
    floor: int = await connection.fetchval("select floor from careboard.feed")
    return floor


async def read_feed_id(connection: Connection) -> str:
    """A word for this history of changes: another cluster, a restored one, another database or a new table has another, and what
    a crash began.

    A crash gives numbers of transactions out again that a snapshot of before takes for seen (docs/decisions/0017).
    """
    server = await _server_identity(connection)
    place = await connection.fetchval(
        "select format('%s:%s', 'careboard.change'::regclass::oid, oid) from pg_database where datname = current_database()"
    )
    return hashlib.sha256(f"{server}:{place}:{await _epoch(connection)}".encode()).hexdigest()[:12]


async def _epoch(connection: Connection) -> str:
    """What has one value from crash to crash: its table is not written to the log, so a crash empties it."""
    epoch: str | None = await connection.fetchval("select id from careboard.epoch")
    if epoch is None:
        await connection.execute("begin read write; insert into careboard.epoch default values on conflict do nothing; commit")
        epoch = await connection.fetchval("select id from careboard.epoch")
    assert epoch is not None
    return epoch


async def _server_identity(connection: Connection) -> str:
    """The cluster and its timeline; where a hosted Postgres does not tell them, what migrate noted."""
    try:
        identity: str = await connection.fetchval(
            "select format('%s:%s', s.system_identifier, c.timeline_id) from pg_control_system() s, pg_control_checkpoint() c"
        )
    except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError):
        identity = await connection.fetchval("select id from careboard.feed")
    return identity


def _bounds(since: Snapshot) -> tuple[str, list[str]]:
    return str(since.xmax), [str(xid) for xid in sorted(since.running)]


def _object(text: str) -> Object:
    value = decode(text)
    assert isinstance(value, dict)
    return value
