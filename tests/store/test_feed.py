"""The feed on a real Postgres: every committed change once and in order, whatever happens to writers, hints and connections."""

import asyncio
import base64
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.wire import Object
from app.store.changes.capture import maintain
from app.store.changes.feed import Batch, Change, CursorExpired, Feed, Snapshot, parse_cursor, to_cursor
from app.store.changes.reading import CHUNK
from app.store.database import Connection, Database
from app.store.migrate import migrate
from tests.conftest import PATIENCE

Check = Callable[[], bool]


class Collector:
    """The one consumer of a feed, which keeps everything it is handed."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.batches: list[Batch] = []

    @property
    def changes(self) -> list[Change]:
        return [change for batch in self.batches for change in batch.changes]

    @property
    def names(self) -> list[str]:
        return [str((change.after_object or {}).get("name")) for change in self.changes]

    async def run(self) -> None:
        async for batch in self.feed.subscribe():
            self.batches.append(batch)

    async def until(self, holds: Check, seconds: float = PATIENCE) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def collecting(database: Database) -> AsyncIterator[Collector]:
    feed = Feed(database)
    await feed.start()
    collector = Collector(feed)
    task = asyncio.create_task(collector.run())
    try:
        yield collector
    finally:
        await feed.stop()
        await task


@pytest.fixture
async def collector(database: Database) -> AsyncIterator[Collector]:
    async with database.connection() as connection:
        await connection.execute('delete from "_Role"')
    async with collecting(database) as collector:
        yield collector


async def write(connection: Connection, object_id: str, name: str) -> None:
    await connection.execute(
        'insert into "_Role" ("objectId", name) values ($1, $2) on conflict ("objectId") do update set name = excluded.name',
        object_id,
        name,
    )


async def terminate(database: Database, application: str) -> int:
    async with database.connection() as connection:
        killed: int = await connection.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and application_name = $1",
            application,
        )
    return killed


async def test_a_change_holds_both_images(database: Database, collector: Collector) -> None:
    async with database.transaction() as connection:
        await write(connection, "r1", "first")
        await write(connection, "r1", "second")
        await connection.execute('delete from "_Role" where "objectId" = \'r1\'')
    await collector.until(lambda: len(collector.changes) == 3)
    first: Object = {"objectId": "r1", "name": "first"}
    second: Object = {"objectId": "r1", "name": "second"}
    stripped = [
        tuple(image and {key: image[key] for key in ("objectId", "name")} for image in change.objects())
        for change in collector.changes
    ]
    assert stripped == [(None, first), (first, second), (second, None)]
    assert {change.class_name for change in collector.changes} == {"_Role"}


async def test_what_was_announced_is_no_reason_to_look_again_soon(database: Database, collector: Collector) -> None:
    for number in range(10):
        async with database.transaction() as connection:
            await write(connection, "r1", str(number))
        await collector.until(lambda count=number + 1: len(collector.changes) == count)  # type: ignore[misc]
    reads = collector.feed.reads
    await asyncio.sleep(0.1)
    assert collector.feed.reads <= reads + 1


async def test_nothing_is_lost_or_doubled_under_writers_rollbacks_and_a_long_transaction(
    database: Database, collector: Collector
) -> None:
    committed: list[str] = []
    objects = [f"o{number}" for number in range(40)]

    async def writer(number: int) -> None:
        choose = random.Random(number)
        for turn in range(40):
            name = f"{number}-{turn}"
            try:
                async with database.transaction() as connection:
                    await write(connection, choose.choice(objects), name)
                    await asyncio.sleep(choose.uniform(0, 0.01))
                    if choose.random() < 0.2:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                continue
            committed.append(name)

    async def long_transaction() -> None:
        async with database.transaction() as connection:
            await write(connection, "long", "begun")
            await collector.until(lambda: len(collector.names) > 50)  # it must not stall the feed
            assert "begun" not in collector.names
            await write(connection, "long", "ended")

    await asyncio.gather(long_transaction(), *(writer(number) for number in range(15)))
    await collector.until(lambda: len(collector.names) >= len(committed) + 2)
    await asyncio.sleep(0.6)
    assert sorted(collector.names) == sorted([*committed, "begun", "ended"])
    assert len(committed) < 15 * 40
    await check_order(database, collector)


async def check_order(database: Database, collector: Collector) -> None:
    """Each object's last change is its row, and each image before is the image after of the change before."""
    last: dict[str, str | None] = {}
    for change in collector.changes:
        if change.object_id in last:
            assert change.before == last[change.object_id]
        last[change.object_id] = change.after
    async with database.connection() as connection:
        rows = await connection.fetch('select "objectId", name from "_Role"')
    assert {row["objectId"]: row["name"] for row in rows} == {
        object_id: collector_name(text) for object_id, text in last.items() if text is not None
    }


def collector_name(text: str) -> str:
    return str((Change(0, 0, "", "", None, text).after_object or {})["name"])


async def test_an_object_changed_by_an_older_transaction_keeps_its_order(database: Database, collector: Collector) -> None:
    """The trap of ordering by xid: the older transaction touches the object last."""
    old, young = await database.connect(), await database.connect()
    try:
        await old.execute("begin")
        await write(old, "other", "takes an xid")
        await write(young, "psi", "100")
        await write(old, "psi", "50")
        await old.execute("commit")
    finally:
        await old.close()
        await young.close()
    await collector.until(lambda: len(collector.changes) == 3)
    assert [name for name in collector.names if name.isdigit()] == ["100", "50"]


async def test_a_lost_reader_and_a_lost_listener_lose_nothing(database: Database, collector: Collector) -> None:
    written = [f"n{number}" for number in range(200)]
    killed = 0
    for number, name in enumerate(written):
        async with database.transaction() as connection:
            await write(connection, f"k{number % 7}", name)
        if number % 40 == 20:
            killed += await terminate(database, "careboard-hints")
            while not (gone := await terminate(database, "careboard-feed")):  # noqa: ASYNC110 - it is coming back from the time before
                await asyncio.sleep(0.01)
            killed += gone
        await asyncio.sleep(0.002)
    assert killed >= 5
    await collector.until(lambda: len(collector.names) >= len(written))
    await asyncio.sleep(0.6)
    assert collector.names == written
    assert not any(batch.reset for batch in collector.batches)


async def test_a_write_that_no_hint_announces_is_found(database: Database, collector: Collector) -> None:
    """As when a server is killed between its commit and its hint, or psql writes."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", OTHER_WRITER, database.url)
    assert await process.wait() == 0
    await collector.until(lambda: collector.names == ["from elsewhere"])


OTHER_WRITER = """
import asyncio, os, sys, asyncpg
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute('insert into "_Role" ("objectId", name) values (\\'psql\\', \\'from elsewhere\\')')
    os._exit(0)
asyncio.run(main())
"""


async def test_a_big_backlog_comes_in_chunks_whole_and_in_order(database: Database, collector: Collector) -> None:
    count = 3 * CHUNK + 17
    since = collector.feed.current
    async with database.transaction() as connection:
        await connection.execute(
            'insert into "_Role" ("objectId", name) select g::text, g::text from generate_series(1, $1::int) g', count
        )
    await collector.until(lambda: len(collector.changes) == count)
    assert collector.names == [str(number) for number in range(1, count + 1)]
    chunks = [batch for batch in collector.batches if batch.changes]
    assert max(len(batch.changes) for batch in chunks) <= CHUNK
    assert len(chunks) == 4
    assert {batch.snapshot for batch in chunks[:-1]} == {since}
    assert chunks[-1].snapshot.sees(chunks[-1].changes[-1].xid)


async def test_a_reader_lost_in_the_middle_of_a_backlog_goes_on_in_its_middle(database: Database) -> None:
    count = 20 * CHUNK
    feed = Feed(database)
    await feed.start()
    async with database.transaction() as connection:
        await connection.execute('delete from "_Role"')
        await connection.execute(
            'insert into "_Role" ("objectId", name) select g::text, g::text from generate_series(1, $1::int) g', count
        )
    async with asyncio.timeout(PATIENCE):
        while not feed._batches.full():  # noqa: ASYNC110 - nobody takes from it, so the reader stands still
            await asyncio.sleep(0.005)
    assert await terminate(database, "careboard-feed") == 1
    collector = Collector(feed)
    task = asyncio.create_task(collector.run())
    try:
        await collector.until(lambda: len(collector.changes) >= count)
        await asyncio.sleep(0.5)
        created = [change.object_id for change in collector.changes if change.before is None]
        assert created == [str(number) for number in range(1, count + 1)]
    finally:
        await feed.stop()
        await task
        async with database.connection() as cleaner:
            await cleaner.execute('delete from "_Role"')


async def test_a_cursor_resumes_exactly_where_it_was_taken(database: Database, collector: Collector) -> None:
    async with database.transaction() as connection:
        await write(connection, "a", "before")
    await collector.until(lambda: collector.names == ["before"])
    cursor = collector.batches[-1].cursor
    holder = await database.connect()
    try:
        await holder.execute("begin")
        await write(holder, "b", "open then")
        async with database.transaction() as connection:
            await write(connection, "a", "after")
        await holder.execute("commit")
    finally:
        await holder.close()
    since = parse_cursor(cursor, collector.feed.feed_id)
    assert since is not None
    replayed = [batch async for batch in collector.feed.replay(since)]
    assert [change.after_object and change.after_object["name"] for batch in replayed for change in batch.changes] == [
        "open then",
        "after",
    ]
    assert replayed[-1].snapshot.covers(since)
    assert not since.covers(replayed[-1].snapshot)


async def test_sees_is_postgres_own_judgement(database: Database) -> None:
    choose = random.Random(7)
    async with database.connection() as connection:
        for _ in range(50):
            low = choose.randint(10, 20)
            high = low + choose.randint(0, 10)
            running = sorted(xid for xid in range(low, high) if choose.random() < 0.4)
            text = f"{running[0] if running else high}:{high}:{','.join(map(str, running))}"
            xids = list(range(5, 40))
            judged = await connection.fetch(
                "select pg_visible_in_snapshot(x::text::xid8, $1::text::pg_snapshot) as seen from unnest($2::int[]) x", text, xids
            )
            snapshot = Snapshot.parse(text)
            assert str(snapshot) == text
            assert [snapshot.sees(xid) for xid in xids] == [row["seen"] for row in judged]


def test_covers_says_whether_nothing_is_left_to_hear() -> None:
    def at(text: str) -> Snapshot:
        return Snapshot.parse(text)

    assert at("10:12:10").covers(at("10:12:10"))
    assert at("12:12:").covers(at("10:12:10"))
    assert not at("10:12:10").covers(at("12:12:"))
    assert not at("10:15:10").covers(at("11:11:"))
    assert not at("10:10:").covers(at("12:12:"))
    assert at("10:10:").covers(at("10:12:10,11"))


numbers = st.integers(1, 12)
snapshots = st.builds(
    lambda one, other, running: Snapshot(min(one, other), max(one, other), frozenset(running)),
    numbers,
    numbers,
    st.sets(numbers, max_size=6),
).map(lambda made: Snapshot(made.xmin, made.xmax, frozenset(xid for xid in made.running if made.xmin <= xid < made.xmax)))


@given(one=snapshots, other=snapshots)
def test_covers_is_what_asking_for_each_transaction_says(one: Snapshot, other: Snapshot) -> None:
    assert one.covers(other) is all(one.sees(xid) for xid in range(14) if other.sees(xid))


def test_a_cursor_of_many_transactions_costs_no_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may send one as long as a message, and it is compared with thousands of moments."""
    asked: list[int] = []
    sees = Snapshot.sees

    def noting(snapshot: Snapshot, xid: int) -> bool:
        asked.append(xid)
        return sees(snapshot, xid)

    made_up = Snapshot(5, 10**6, frozenset({7, *range(1000, 11_000)}))
    monkeypatch.setattr(Snapshot, "sees", noting)
    assert not made_up.covers(Snapshot(9, 10, frozenset({9})))
    assert made_up.covers(Snapshot(7, 9, frozenset({7, 8})))
    assert len(asked) < 10


def test_a_foreign_or_broken_cursor_is_no_cursor() -> None:
    snapshot = Snapshot.parse("10:12:10")
    text = to_cursor("abc", snapshot)
    assert parse_cursor(text, "abc") == snapshot
    for broken in ("", "1", text.replace("1.", "2.", 1), text[:-3] + "!!!", "1.abc.", "1.abc.é", to_cursor("abd", snapshot)):
        assert parse_cursor(broken, "abc") is None


MADE_UP = ["0:5:", "7:6:", "5:9:4", "5:9:9", f"5:{2**63}:", f"5:6:{10**30}", f"5:{10**30}:7", f"5:9:{'9' * 5000}"]


@pytest.mark.parametrize("made_up", MADE_UP, ids=lambda text: text[:20])
def test_a_moment_that_no_database_has_is_no_cursor(made_up: str) -> None:
    text = f"1.abc.{base64.urlsafe_b64encode(made_up.encode()).decode()}"
    assert parse_cursor(text, "abc") is None


async def test_dropped_changes_expire_the_cursors_before_them(database: Database, collector: Collector) -> None:
    since = collector.feed.current
    async with database.transaction() as connection:
        await write(connection, "old", "old")
    await collector.until(lambda: collector.names == ["old"])
    connection = await database.connect()
    try:
        # The partition as it will be found a week from now.
        await connection.execute(AGE_PARTITION)
        while await connection.fetchval("select to_regclass('careboard.change_200001010000') is not null"):
            await maintain(connection, timedelta(hours=24))  # again where the feed's own was at it, or a reader held a lock
        partitions = await connection.fetch("select relname from pg_class where relname ~ '^change_[0-9]+$' and relkind = 'r'")
        await write(connection, "new", "new")
    finally:
        await connection.close()
    assert len(partitions) >= 2
    with pytest.raises(CursorExpired):
        _ = [batch async for batch in collector.feed.replay(since)]
    await collector.until(lambda: collector.names == ["old", "new"])
    later = collector.feed.current
    assert [batch.changes for batch in [batch async for batch in collector.feed.replay(later)]] == [[]]


AGE_PARTITION = """
do $$ declare part record; begin
  for part in select relname as name from pg_class where relname ~ '^change_[0-9]+$' and relkind = 'r' loop
    execute format('alter table careboard.change detach partition careboard.%I', part.name);
    execute format('drop table if exists careboard.%I', part.name || '_gone');
    execute format('alter table careboard.%I rename to %I', part.name, part.name || '_gone');
  end loop;
end $$;
create table careboard.change_200001010000 (like careboard.change including defaults);
insert into careboard.change_200001010000
  select seq, xid, class, object_id, before, after, '2000-01-01' from careboard.change_rest;
do $$ declare part record; begin
  for part in select relname as name from pg_class where relname ~ '^change_[0-9]+_gone$' and relkind = 'r' loop
    execute format('insert into careboard.change_200001010000 (seq, xid, class, object_id, before, after, at)
      select seq, xid, class, object_id, before, after, %L from careboard.%I', '2000-01-01', part.name);
  end loop;
end $$;
delete from careboard.change_rest;
alter table careboard.change attach partition careboard.change_200001010000
  for values from ('2000-01-01') to ('2000-01-02');
"""


NOT_AT_THE_END_OF_AN_HOUR = """
select case when date_trunc('hour', now()) < date_trunc('hour', now() + interval '20 seconds') then pg_sleep(21) end
"""
"""There is a partition for each hour: a test of what belongs to this one waits for the next rather than see it begin."""


async def test_writes_go_on_without_a_partition_and_get_one_again(database: Database) -> None:
    connection = await database.connect()
    try:
        await connection.execute(NOT_AT_THE_END_OF_AN_HOUR)
        await connection.execute(AGE_PARTITION)
        await write(connection, "stray", "in the rest")
        await maintain(connection, timedelta(hours=24))
        await write(connection, "stray", "still in the rest, for its hour is not over")
        assert await connection.fetchval("select count(*) from careboard.change_rest where object_id = 'stray'") == 2
        starts = await connection.fetchval(
            "select min(relname) from pg_class where relname ~ '^change_[0-9]+$' and relkind = 'r'"
        )
        following = await connection.fetchval("select to_char(date_trunc('hour', now()) + interval '1 hour', 'YYYYMMDDHH24MI')")
        assert starts == f"change_{following}"
        await connection.execute("update careboard.change_rest set at = '2000-01-01'")
        await maintain(connection, timedelta(hours=24))
        assert await connection.fetchval("select count(*) from careboard.change_rest") == 0
    finally:
        await connection.close()


async def test_housekeeping_never_holds_up_a_writer(database: Database) -> None:
    reader, keeper = await database.connect(), await database.connect()
    try:
        await keeper.execute(AGE_PARTITION)
        await reader.execute("begin")
        await reader.fetchval("select count(*) from careboard.change")
        keeping = asyncio.create_task(maintain(keeper, timedelta(hours=24)))
        async with asyncio.timeout(PATIENCE), database.transaction() as connection:
            await write(connection, "meanwhile", "written")
        await keeping
        assert await reader.fetchval("select to_regclass('careboard.change_200001010000')") is not None
    finally:
        await reader.close()
        await keeper.close()


async def test_another_history_is_told_as_a_reset(
    database: Database, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def elsewhere(connection: Connection) -> str:
        return "elsewhere"

    monkeypatch.setattr("app.store.changes.feed.read_feed_id", elsewhere)
    old = collector.feed.cursor
    await terminate(database, "careboard-feed")
    await collector.until(lambda: any(batch.reset for batch in collector.batches))
    assert collector.feed.feed_id == "elsewhere"
    assert parse_cursor(old, collector.feed.feed_id) is None
    async with database.transaction() as connection:
        await write(connection, "r", "after the reset")
    await collector.until(lambda: collector.names == ["after the reset"])


async def test_the_feed_needs_a_database_to_start(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(**_: str) -> Connection:
        raise asyncpg.CannotConnectNowError("starting up")

    monkeypatch.setattr(database, "connect", refuse)
    with pytest.raises(asyncpg.CannotConnectNowError):
        await Feed(database).start()


async def test_changes_restored_from_an_older_cluster_are_not_told(database: Database, collector: Collector) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "insert into careboard.change (xid, class, object_id, after)"
            " values ('9000000000'::xid8, '_Role', 'restored', '{\"name\":\"old\"}')"
        )
        await write(connection, "r2", "new")
    await collector.until(lambda: "new" in collector.names)
    await asyncio.sleep(0.3)
    assert collector.names == ["new"]
    await migrate(database, ())
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from careboard.change where object_id = 'restored'") == 0
