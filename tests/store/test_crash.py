"""The feed when Postgres itself dies in the middle of work, on a server of its own with its shipped settings."""

import asyncio
import os
import random
import signal
from pathlib import Path

from app.config import Settings
from app.errors import ParseError
from app.store.changes.feed import Feed
from app.store.database import Database, ensure_embedded, release_embedded
from app.store.migrate import migrate
from tests.conftest import PATIENCE


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


async def test_a_crash_of_postgres_loses_and_doubles_no_acknowledged_change(open_folder: Path) -> None:
    settings = Settings(data_dir=open_folder / "crashing")
    database = Database(settings)
    await database.start()
    await migrate(database)
    feed = Feed(database)
    await feed.start()
    heard: list[str] = []

    async def consume() -> None:
        async for batch in feed.subscribe():
            assert not batch.reset
            heard.extend(str((change.after_object or {})["name"]) for change in batch.changes)

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

    consumer = asyncio.create_task(consume())
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
            while len(heard) < len(stored):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert set(acknowledged) <= stored
        assert sorted(heard) == sorted(stored)
    finally:
        ended = True
        await asyncio.gather(*writers, return_exceptions=True)
        await feed.stop()
        await asyncio.gather(consumer, return_exceptions=True)
        await database.stop()
