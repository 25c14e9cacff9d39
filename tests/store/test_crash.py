"""The feed when Postgres itself dies in the middle of work, on a server of its own with its shipped settings."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from app.config import Settings
from app.errors import ParseError
from app.store.changes.feed import Feed
from app.store.changes.reading import read_now
from app.store.changes.snapshot import Snapshot, parse_cursor, to_cursor
from app.store.database import Database, ensure_embedded, release_embedded
from app.store.migrate import migrate
from tests.conftest import PATIENCE

T = TypeVar("T")


def postmaster(settings: Settings) -> int:
    return int((settings.postgres_dir / "postmaster.pid").read_text(encoding="ascii").split()[0])


async def crash(settings: Settings) -> None:
    """Ends the server without a checkpoint, as a power cut would, and starts it again."""
    pid = postmaster(settings)
    os.kill(pid, signal.SIGQUIT)
    async with asyncio.timeout(PATIENCE):
        while (settings.postgres_dir / "postmaster.pid").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await ensure_embedded(settings)
    release_embedded(settings.postgres_dir)


async def as_soon_as_it_is_back(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives, tried until there is a database to do it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await work()
            except ParseError:
                await asyncio.sleep(0.01)


class Reader:
    """One who holds the names of all roles: reads them where a history begins, and hears what changes after."""

    def __init__(self, feed: Feed, database: Database) -> None:
        self.names: set[str] = set()
        self.resets = 0
        self._feed = feed
        self._database = database

    async def run(self) -> None:
        read = await self._read()
        async for batch in self._feed.subscribe():
            if batch.reset:
                self.resets += 1
                read = await self._read()
            for change in batch.changes:
                name = str((change.after_object or {})["name"])
                if not read.sees(change.xid):
                    assert name not in self.names
                    self.names.add(name)

    async def _read(self) -> Snapshot:
        text = 'select pg_current_snapshot()::text as now, name from (select) one left join "_Role" on true'

        async def read() -> list[Any]:
            async with self._database.connection() as connection:
                return list(await connection.fetch(text))

        rows = await as_soon_as_it_is_back(read)
        self.names = {row["name"] for row in rows if row["name"] is not None}
        return Snapshot.parse(rows[0]["now"])


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Database, Feed, Reader]]:
    """A migrated database, its feed and one who reads it."""
    database = Database(settings)
    await database.start()
    await migrate(database)
    feed = Feed(database)
    await feed.start()
    reader = Reader(feed, database)
    reading = asyncio.create_task(reader.run())
    try:
        yield database, feed, reader
    finally:
        await feed.stop()
        await reading
        await database.stop()


async def roll_back(database: Database, times: int) -> None:
    for number in range(times):
        with suppress(ZeroDivisionError):
            async with database.transaction() as connection:
                await connection.execute('insert into "_Role" ("objectId", name) values ($1, $1)', f"never {number}")
                raise ZeroDivisionError


async def write(database: Database, name: str) -> int:
    """The number of the transaction that wrote."""
    async with database.transaction() as connection:
        await connection.execute('insert into "_Role" ("objectId", name) values ($1, $1)', name)
        return int(await connection.fetchval("select pg_current_xact_id()::text"))


async def test_a_cursor_of_before_a_crash_is_none_of_the_numbers_that_are_given_out_again(open_folder: Path) -> None:
    settings = Settings(data_dir=open_folder / "again")
    async with running(settings) as (database, feed, _):
        await roll_back(database, 20)
        async with database.connection() as connection:
            before = await read_now(connection)
        cursor = to_cursor(feed.feed_id, before)
        assert parse_cursor(cursor, feed.feed_id) == before
        await crash(settings)
        xid = await as_soon_as_it_is_back(partial(write, database, "after"))
        assert before.sees(xid)  # the trap: the cursor takes what came after it for seen
        async with asyncio.timeout(PATIENCE):
            while parse_cursor(cursor, feed.feed_id) is not None:  # noqa: ASYNC110 - it is coming back
                await asyncio.sleep(0.01)
        other = Feed(database)
        await other.start()
        assert other.feed_id == feed.feed_id
        await other.stop()


async def test_a_clean_restart_of_postgres_leaves_every_cursor_good(open_folder: Path) -> None:
    settings = Settings(data_dir=open_folder / "clean")
    words: list[str] = []
    servers: set[int] = set()
    for _ in range(2):
        async with running(settings) as (_, feed, _):
            words.append(feed.feed_id)
            servers.add(postmaster(settings))
    assert len(servers) == 2
    assert words[0] == words[1]


async def test_a_crash_of_postgres_loses_and_doubles_no_acknowledged_change(open_folder: Path) -> None:
    settings = Settings(data_dir=open_folder / "crashing")
    async with running(settings) as (database, _, reader):
        acknowledged: list[str] = []
        ended = False

        async def writer(number: int) -> None:
            turn = 0
            choose = random.Random(number)
            while not ended:
                turn += 1
                name = f"{number}-{turn}"
                try:
                    async with database.transaction() as connection:
                        await connection.execute('insert into "_Role" ("objectId", name) values ($1, $1)', name)
                        if choose.random() < 0.3:
                            raise ZeroDivisionError
                except (ParseError, ZeroDivisionError):
                    await asyncio.sleep(0.01)
                else:
                    acknowledged.append(name)

        writers = [asyncio.create_task(writer(number)) for number in range(6)]
        try:
            for _ in range(2):
                before = len(acknowledged)
                async with asyncio.timeout(PATIENCE):
                    while len(acknowledged) < before + 150:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                await crash(settings)
            before = len(acknowledged)
            async with asyncio.timeout(PATIENCE):
                while len(acknowledged) < before + 50:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            ended = True
            await asyncio.gather(*writers)
            async with database.connection() as connection:
                stored = {row["name"] for row in await connection.fetch('select name from "_Role"')}
            async with asyncio.timeout(PATIENCE):
                while reader.names != stored:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            assert set(acknowledged) <= stored
            assert reader.names == stored
            assert reader.resets in (1, 2)  # it may have been away from one crash to the next
        finally:
            ended = True
            await asyncio.gather(*writers, return_exceptions=True)
