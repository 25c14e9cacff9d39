"""Numbered requests below the doors: functions, and forgetting."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.actions.caller import MASTER, Caller
from app.actions.hooks import Writes
from app.actions.idempotency import Once
from app.actions.ticker import Tick, flip, seldom
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.requests import PORTION, claim_request, forget_requests
from tests.actions.world import World


async def test_a_function_that_fails_leaves_nothing_and_may_be_called_again(world: World) -> None:
    name, number = await world.thing(fields={"n": {"type": "Number"}}), uuid4().hex
    is_broken = True

    async def make_two(caller: Caller, _: Object, objects: Writes) -> Json:
        await objects.create(caller, name, {"n": 1})
        if is_broken:
            raise ParseError(ErrorCode.SCRIPT_FAILED, "The second cannot be made.")
        return (await objects.create(caller, name, {"n": 2})).object_id

    async def call(_: Connection) -> Json:
        return await make_two(MASTER, {}, world.objects)

    once = Once(world.objects)
    with pytest.raises(ParseError, match="second"):
        await once.run(MASTER, number, call)
    assert await world.count(name) == 0
    is_broken = False
    await once.run(MASTER, number, call)
    with pytest.raises(ParseError, match="Duplicate request") as refused:
        await once.run(MASTER, number, call)
    assert refused.value.code == ErrorCode.DUPLICATE_REQUEST
    assert await world.count(name) == 2


async def test_what_is_past_its_time_is_swept_away_and_the_rest_is_kept(world: World) -> None:
    async with world.database.transaction() as tx:
        assert await claim_request(tx, b"old", timedelta(seconds=-1))
        assert await claim_request(tx, b"new", timedelta(hours=1))
    tick = seldom(forget_requests, every=3)
    for expected in ([b"new", b"old"], [b"new", b"old"], [b"new"]):
        assert await flip(world.database, tick) == 0
        async with world.database.connection() as connection:
            found = await connection.fetch("select digest from careboard.request where digest in ('old', 'new') order by 1")
        assert [row["digest"] for row in found] == expected


async def test_more_than_a_portion_is_swept_away_at_once_and_not_a_portion_a_minute(world: World) -> None:
    expired = "select sha256(n::text::bytea), now() from generate_series(1, $1::int) n"
    async with world.database.connection() as connection:
        await connection.execute(f"insert into careboard.request (digest, expires_at) {expired}", 2 * PORTION + 1)
    tick = seldom(forget_requests, every=1000)
    for _ in range(1002):
        await tick_of(world, tick)
    async with world.database.connection() as connection:
        assert await connection.fetchval("select count(*) from careboard.request where expires_at <= now()") == 0


async def tick_of(world: World, tick: Tick) -> None:
    async with world.database.connection() as connection:
        await tick(connection, datetime.now(UTC))


@pytest.mark.parametrize(("path", "is_covered"), [("classes/A", True), ("users", False), ("my/classes/A", False)])
def test_a_path_counts_from_its_beginning(world: World, path: str, is_covered: bool) -> None:
    assert Once(world.with_settings(idempotency_paths=("classes/.*",)).objects).covers(path) is is_covered
