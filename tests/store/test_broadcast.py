"""The wake-up call between processes, over a real Postgres and broadcaster itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app.store.changes.broadcast import CHANNEL, Hints, make_broadcast
from app.store.database import Database
from tests.conftest import PATIENCE
from tests.store.redis_server import RedisServer, need_redis


class Process:
    """The hints of one process, and how often it was woken."""

    def __init__(self, database: Database, broadcast_url: str | None = None) -> None:
        self.woken = 0
        self.hints = Hints(database, broadcast_url, self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def until(self, woken: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.woken < woken:  # noqa: ASYNC110 - a count has no event
                await asyncio.sleep(0.005)


@pytest.fixture
async def pair(database: Database) -> AsyncIterator[tuple[Process, Process]]:
    one, other = Process(database), Process(database)
    one.hints.start()
    other.hints.start()
    # Once for the line itself, once because a call may have been missed before LISTEN was in force.
    await one.until(2)
    await other.until(2)
    yield one, other
    await one.hints.stop()
    await other.hints.stop()


async def test_a_call_wakes_the_others_and_not_its_sender(pair: tuple[Process, Process]) -> None:
    one, other = pair
    woken = one.woken
    one.hints.send()
    await other.until(other.woken + 1)
    await asyncio.sleep(0.05)
    assert one.woken == woken


async def test_calls_close_together_are_one(pair: tuple[Process, Process]) -> None:
    one, other = pair
    before = other.woken
    for _ in range(1000):
        one.hints.send()
    await other.until(before + 1)
    await asyncio.sleep(0.1)
    assert other.woken == before + 1


async def test_calls_are_gathered_for_longer_while_nobody_else_is_heard(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    monkeypatch.setattr("app.store.changes.broadcast.ALONE_SECONDS", 60)
    monkeypatch.setattr("app.store.changes.broadcast.SILENT_SECONDS", 0)
    before = other.woken
    one.hints.send()
    await other.until(before + 1)
    for _ in range(10):
        one.hints.send()
        await asyncio.sleep(0.02)
    assert other.woken == before + 1


async def test_a_process_is_heard_without_having_anything_to_call(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    monkeypatch.setattr("app.store.changes.broadcast.BEAT_SECONDS", 0.05)
    before = one.woken, other.woken
    one.hints.send()
    other.hints.send()
    await one.until(before[0] + 1)
    await other.until(before[1] + 1)
    heard_at = one.hints._heard_at
    await until(lambda: one.hints._heard_at > heard_at)
    assert (one.woken, other.woken) == (before[0] + 1, before[1] + 1)
    assert not one.hints.is_alone
    monkeypatch.setattr("app.store.changes.broadcast.SILENT_SECONDS", 0.5)
    await other.hints.stop()
    await until(lambda: one.hints.is_alone)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_a_line_that_was_cut_calls_once_and_hears_again(database: Database, pair: tuple[Process, Process]) -> None:
    one, other = pair
    before = other.woken
    async with database.connection() as connection:
        assert await connection.fetchval(TERMINATE) >= 2
    await other.until(before + 1)
    await one.until(3)
    before = other.woken
    one.hints.send()
    await asyncio.sleep(0.05)
    one.hints.send()
    await other.until(before + 1)


TERMINATE = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and application_name = 'careboard-hints'
"""


async def test_plain_use_of_broadcaster_bears_what_its_own_backend_does_not(database: Database) -> None:
    """Several subscribers at once, several publishers at once: each of both fails with broadcaster's Postgres backend."""
    async with make_broadcast(database, None) as broadcast:
        heard: list[str] = []

        async def subscriber() -> None:
            async with broadcast.subscribe(CHANNEL) as events:
                while True:
                    heard.append((await events.get()).message)

        tasks = [asyncio.create_task(subscriber()) for _ in range(3)]
        async with asyncio.timeout(PATIENCE):
            while len(heard) < 3:  # noqa: ASYNC110 - the call that each new line makes by itself
                await asyncio.sleep(0.005)
            await asyncio.gather(*(broadcast.publish(CHANNEL, f"m{number}") for number in range(5)))
            while len(heard) < 3 + 3 * 5:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert sorted(heard) == sorted(["", *(f"m{number}" for number in range(5))] * 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("engine", ["postgres", "redis"])
async def test_channels_that_are_asked_for_while_others_are_being_opened_are_heard_too(
    database: Database, engine: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("redis").url if engine == "redis" else None
    async with make_broadcast(database, url, waiting=1000) as broadcast:
        open_channels: set[str] = set()

        async def listen(channel: str) -> None:
            async with broadcast.subscribe(channel) as events:
                await events.get()  # the call that each new line makes by itself
                open_channels.add(channel)
                await asyncio.Event().wait()

        names = {f"channel{number}" for number in range(100)}
        tasks: list[asyncio.Task[None]] = []
        for name in sorted(names):
            tasks.append(asyncio.create_task(listen(name)))
            await asyncio.sleep(0.001)
        await until(lambda: open_channels == names)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_unreachable_line_fails_no_sender() -> None:
    class Away:
        async def connect(self, **_: str) -> object:
            raise ConnectionRefusedError

    hints = Hints(Away(), None, lambda: None)  # type: ignore[arg-type] # only `connect` is used
    hints.start()
    for _ in range(3):
        hints.send()
        await asyncio.sleep(0.02)
    assert all(not task.done() for task in hints._tasks)
    await hints.stop()


async def test_a_missing_engine_is_said_at_the_start(database: Database) -> None:
    with pytest.raises(RuntimeError, match="BROADCAST_URL needs the package aiokafka"):
        Hints(database, "kafka://localhost", lambda: None).start()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    need_redis()
    redis = RedisServer(tmp_path)
    redis.start()
    yield redis
    redis.kill()


async def test_a_redis_that_is_killed_and_comes_back_calls_once_and_carries_calls_again(
    database: Database, redis: RedisServer
) -> None:
    one, other = Process(database, redis.url), Process(database, redis.url)
    for process in (one, other):
        process.hints.start()
    try:
        await one.until(2)
        await other.until(2)
        one.hints.send()
        await other.until(3)
        woken = one.woken, other.woken
        redis.kill()
        for _ in range(5):
            one.hints.send()
            await asyncio.sleep(0.05)
        assert (one.woken, other.woken) == woken
        redis.start()
        await one.until(woken[0] + 1)
        await other.until(woken[1] + 1)
        before = one.woken, other.woken
        one.hints.send()
        await other.until(before[1] + 1)
        other.hints.send()
        await one.until(before[0] + 1)
    finally:
        for process in (one, other):
            await process.hints.stop()


async def test_a_redis_that_is_away_at_the_start_is_found_when_it_comes(database: Database, redis: RedisServer) -> None:
    redis.kill()
    late = Process(database, redis.url)
    late.hints.start()
    try:
        late.hints.send()
        await asyncio.sleep(0.1)
        redis.start()
        await late.until(2)
    finally:
        await late.hints.stop()
