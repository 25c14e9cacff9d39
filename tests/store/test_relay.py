"""One node reads the change table for all, over Postgres and a real Redis: whatever is killed, nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.core.schema import Field, FieldType, class_schema
from app.store.changes import relay as relaying
from app.store.changes.capture import install_capture
from app.store.changes.feed import Batch, Change, Feed
from app.store.changes.reading import CHUNK, read_now
from app.store.changes.relay import BEAT_SECONDS
from app.store.changes.snapshot import Snapshot
from app.store.database import Database
from tests.conftest import PATIENCE
from tests.store.redis_server import RedisServer, need_redis


class Node:
    """One node: its feed, and what its consumer was handed."""

    def __init__(self, database: Database, url: str | None, *wanted: str) -> None:
        self.feed = Feed(database, url, relay=True)
        self.feed.wanted = lambda: frozenset(wanted) if wanted else None
        self.batches: list[Batch] = []
        self.takes = asyncio.Event()
        """Cleared: its consumer is busy with the batch that it has."""
        self.takes.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def changes(self) -> list[Change]:
        return [change for batch in self.batches for change in batch.changes]

    def names(self, class_name: str) -> list[str]:
        return [str((change.after_object or {}).get("name")) for change in self.changes if change.class_name == class_name]

    async def start(self) -> None:
        await self.feed.start()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self.takes.set()
        await self.feed.stop()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        async for batch in self.feed.subscribe():
            self.batches.append(batch)
            await self.takes.wait()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def heard(leader: Node, database: Database) -> Snapshot:
    """The moment of now, once the one that reads has come to it and has told the others."""
    async with database.connection() as connection:
        now = await read_now(connection)
    await until(lambda: leader.feed.current.covers(now))
    await asyncio.sleep(2 * BEAT_SECONDS)
    return now


@pytest.fixture(params=["postgres", "redis"])
async def redis(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisServer | None]:
    if request.param == "postgres":
        yield None
        return
    need_redis()
    server = RedisServer(tmp_path)
    await asyncio.to_thread(server.start)
    yield server
    server.kill()


@asynccontextmanager
async def nodes(database: Database, redis: RedisServer | None, *wanted: tuple[str, ...]) -> AsyncIterator[list[Node]]:
    """The first becomes the one that reads; the others follow it."""
    url = None if redis is None else redis.url
    made: list[Node] = []
    try:
        for number, names in enumerate(wanted):
            made.append(Node(database, url, *names))
            await made[-1].start()
            await until(lambda: made[-1].feed.role == ("follower" if number else "leader"))  # noqa: B023 - it is awaited here
        yield made
    finally:
        for node in made:
            await node.stop()


@pytest.fixture
async def classes(database: Database) -> tuple[str, str]:
    async with database.connection() as connection:
        for name in ("RelayOne", "RelayTwo"):
            schema = class_schema(name, {"name": Field(FieldType.STRING)})
            await connection.execute(
                f'create table if not exists "{name}" ("objectId" text primary key, "createdAt" timestamptz default now(),'
                f' "updatedAt" timestamptz default now(), _rperm text[], _wperm text[], "name" text)'
            )
            await install_capture(connection, schema)
            await connection.execute(f'delete from "{name}"')
    return ("RelayOne", "RelayTwo")


async def write(database: Database, class_name: str, first: int, count: int, size: int = 0) -> list[str]:
    """So many rows, each in a transaction of its own; their names."""
    names = [f"{number}{'x' * size}" for number in range(first, first + count)]
    for name in names:
        async with database.statement() as connection:
            await connection.execute(f'insert into "{class_name}" ("objectId", "name") values ($1, $2)', name[:20], name)
    return names


async def test_the_others_take_what_they_need_and_do_not_look_at_the_table(
    database: Database, redis: RedisServer | None, classes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = classes
    async with nodes(database, redis, (), (one,), (two,)) as [leader, for_one, for_two]:
        names = await write(database, one, 0, 5)
        others = await write(database, two, 0, 5)
        await until(lambda: for_one.names(one) == names and for_two.names(two) == others)
        for name in ("SILENT_SECONDS", "PARTS_SECONDS"):  # nobody falls silent, though this machine may
            monkeypatch.setattr(relaying, name, PATIENCE)
        reads = [for_one.feed.reads, for_two.feed.reads]
        names += await write(database, one, 5, 40)
        others += await write(database, two, 5, 40)
        await until(lambda: for_one.names(one) == names and for_two.names(two) == others)
        assert [for_one.feed.reads, for_two.feed.reads] == reads
        assert for_one.feed.relayed > 0
        assert leader.names(one) == names
        later = [batch.classes for batch in for_one.batches if batch.classes is not None]
        assert set(later) == {frozenset({one})}
        assert for_one.feed.current.covers(for_one.batches[-1].snapshot)


async def test_one_who_was_busy_hears_how_far_the_feed_is_when_nothing_more_is_written(
    database: Database, redis: RedisServer | None, classes: tuple[str, str]
) -> None:
    one, _ = classes
    async with nodes(database, redis, (), (one,)) as [leader, node]:
        node.takes.clear()
        await write(database, one, 0, 1)
        await until(lambda: node.names(one) == ["0"])
        await write(database, one, 1, 1)
        await heard(leader, database)
        async with database.transaction() as connection:
            await connection.execute("select pg_current_xact_id()")  # it changes nothing
        now = await heard(leader, database)
        assert not node.feed.current.covers(now)
        node.takes.set()
        await until(lambda: node.feed.current.covers(now))
        assert node.names(one) == ["0", "1"]


async def test_what_is_too_large_or_too_much_is_read_from_the_table(
    database: Database, redis: RedisServer | None, classes: tuple[str, str]
) -> None:
    one, _ = classes
    async with nodes(database, redis, (), (one,)) as [_, node]:
        names = await write(database, one, 0, 3, size=300_000)
        async with database.statement() as connection:
            await connection.execute(
                f"""insert into "{one}" ("objectId", "name") select 'many' || n, 'many' || n from generate_series(1, $1) n""",
                CHUNK + 500,
            )
        names += [f"many{n}" for n in range(1, CHUNK + 501)]
        names += await write(database, one, 3, 5)
        await until(lambda: len(node.names(one)) >= len(names))
        assert node.names(one) == names


@pytest.mark.parametrize("how", ["its process ends", "its connection is cut", "everybody's connections are cut"])
async def test_when_the_one_that_reads_is_gone_another_does_and_nothing_is_lost_or_doubled(
    database: Database, redis: RedisServer | None, classes: tuple[str, str], how: str
) -> None:
    one, _ = classes
    async with nodes(database, redis, (), (one,), (one,)) as made:
        leader, *others = made
        names = await write(database, one, 0, 10)
        writing = asyncio.create_task(write(database, one, 10, 150))
        await until(lambda: len(others[0].names(one)) > 30)
        if how == "its process ends":
            await leader.stop()
            made.remove(leader)
        else:
            pattern = "careboard-%" if how.startswith("everybody") else "careboard-feed"
            limit = "" if how.startswith("everybody") else "and pid in (select pid from pg_locks where locktype = 'advisory')"
            async with database.connection() as connection:
                await connection.execute(
                    f"select pg_terminate_backend(pid) from pg_stat_activity where application_name like '{pattern}' {limit}"
                    " and datname = current_database()"
                )
        names += await writing
        for node in others:
            await until(lambda: len(node.names(one)) >= len(names))  # noqa: B023 - it is awaited here
            assert node.names(one) == names
        await until(lambda: sorted(node.feed.role for node in made) == sorted(["follower"] * (len(made) - 1) + ["leader"]))
        names += await write(database, one, 160, 5)
        for node in others:
            await until(lambda: len(node.names(one)) >= len(names))  # noqa: B023 - it is awaited here
            assert node.names(one) == names


async def test_without_redis_everybody_reads_for_himself_until_it_is_back(
    database: Database, tmp_path: Path, classes: tuple[str, str]
) -> None:
    need_redis()
    one, _ = classes
    server = RedisServer(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        async with nodes(database, server, (), (one,)) as [_, node]:
            names = await write(database, one, 0, 10)
            server.kill()
            names += await write(database, one, 10, 30)
            await until(lambda: len(node.names(one)) >= len(names))
            await until(lambda: node.feed.role == "table")
            names += await write(database, one, 40, 10)
            await until(lambda: len(node.names(one)) >= len(names))
            await asyncio.to_thread(server.start)
            await until(lambda: node.feed.role == "follower")
            names += await write(database, one, 50, 10)
            await until(lambda: len(node.names(one)) >= len(names))
            assert node.names(one) == names
    finally:
        server.kill()
