"""The access log of live queries: a person is written down for each object that is pushed, whatever the live query is like."""

import asyncio

import pytest

from app.actions import reads as reading
from app.actions.caller import MASTER, Caller
from app.actions.reads import Reads
from app.core.wire import Json, pointer
from tests.actions.world import acl
from tests.conftest import PATIENCE
from tests.live.stage import Client, Stage


@pytest.fixture(scope="module")
async def chart(stage: Stage) -> str:
    """A class under the log."""
    name = await stage.world.thing(fields={"n": {"type": "Number"}, "in": {"type": "Pointer", "targetClass": "_Role"}})
    stage.world.objects.reads = Reads(stage.world.database, {name})
    return name


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def logged(stage: Stage, caller: Caller) -> set[tuple[Json, Json]]:
    """(objectId, action) of what a person was shown."""
    await stage.quiet()
    await stage.world.objects.reads.written()
    rows = await stage.world.rows("AccessLog", user=pointer("_User", str(caller.user_id)))
    return {(row.get("entityId"), row["action"]) for row in rows}


async def listening(stage: Stage) -> tuple[Caller, Client]:
    nurse = await stage.world.person("nurse")
    return nurse, await stage.client(sessionToken=nurse.session_token)


async def test_a_snapshot_and_each_event_are_written(stage: Stage, chart: str) -> None:
    nurse, client = await listening(stage)
    first = await create(stage, chart, n=1)
    await client.subscribe(chart, {"n": 1}, snapshot=True)
    assert (first, "find") in await logged(stage, nurse)
    second, unseen = await create(stage, chart, n=1), await create(stage, chart, n=2)
    shown = await logged(stage, nurse)
    assert (second, "live") in shown
    assert unseen not in {each[0] for each in shown}


async def test_a_window_writes_what_it_shows_and_not_what_it_keeps_ready(stage: Stage, chart: str) -> None:
    ids = [await create(stage, chart, n=100 + number) for number in range(4)]
    nurse, client = await listening(stage)
    following = await client.subscribe(chart, {"n": {"$gte": 100}}, order="n", limit=2, snapshot=True)
    assert following.order == ids[:2]
    assert await logged(stage, nurse) == {(each, "live") for each in ids[:2]}
    await stage.world.objects.delete(MASTER, chart, ids[0])
    assert {each[0] for each in await logged(stage, nurse)} == set(ids[:3])


async def test_a_second_socket_of_another_day_is_written_though_nothing_is_read_for_it(
    stage: Stage, chart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await create(stage, chart, n=200)
    nurse, client = await listening(stage)
    await client.subscribe(chart, {"n": 200}, order="n", limit=2, snapshot=True)
    await logged(stage, nurse)
    monkeypatch.setattr(reading, "WINDOW_SECONDS", 0.0)
    other = await stage.client(sessionToken=nurse.session_token)
    await other.subscribe(chart, {"n": 200}, order="n", limit=2, snapshot=True)
    await logged(stage, nurse)
    rows = await stage.world.rows("AccessLog", user=pointer("_User", str(nurse.user_id)), entityId=one)
    assert len(rows) == 2


async def test_what_is_shown_inside_other_objects_is_written(stage: Stage, chart: str) -> None:
    note = await stage.world.thing(fields={"n": {"type": "Number"}, "of": {"type": "Pointer", "targetClass": chart}})
    one, two = await create(stage, chart, n=300), await create(stage, chart, n=300)
    await create(stage, note, n=1, of=pointer(chart, one))
    nurse, client = await listening(stage)
    await client.subscribe(note, include="of", snapshot=True)
    assert await logged(stage, nurse) == {(one, "live")}
    await create(stage, note, n=2, of=pointer(chart, two))
    assert await logged(stage, nurse) == {(one, "live"), (two, "live")}


async def test_who_comes_into_sight_by_a_new_role_is_written(stage: Stage, chart: str) -> None:
    hidden = await create(stage, chart, n=400, ACL=acl(role_oncologist="r"))
    nurse, client = await listening(stage)
    following = await client.subscribe(chart, {"n": 400}, snapshot=True)
    assert await logged(stage, nurse) == set()
    await stage.world.objects.update(MASTER, chart, hidden, {"ACL": acl(role_nurse="r")})
    assert await logged(stage, nurse) == {(hidden, "live")}
    assert following.ops == ["enter"]


async def test_the_master_key_is_not_written_and_a_push_waits_for_nothing(stage: Stage, chart: str) -> None:
    before = await stage.world.count("AccessLog")
    client = await stage.client(masterKey="master")
    following = await client.subscribe(chart, {"n": 500})
    async with stage.world.objects.reads._writing:  # as while the log is being written, or cannot be
        nurse, other = await listening(stage)
        told = await asyncio.wait_for(other.subscribe(chart, {"n": 500}), PATIENCE)
        one = await create(stage, chart, n=500)
        await stage.quiet()
        assert (following.ops, told.ops) == (["create"], ["create"])
        assert await stage.world.count("AccessLog") == before
    assert await logged(stage, nurse) == {(one, "live")}
    assert await stage.world.count("AccessLog") == before + 1
