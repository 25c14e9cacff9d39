"""A client that comes back with its cursor to a result that is kept is told the difference, and nothing else."""

import asyncio
import base64

import pytest

from app.actions.caller import MASTER
from app.core.wire import Json, Object, pointer
from app.live.resuming import history, past
from app.live.resuming.position import Position, parse_position
from app.store.changes.feed import Change
from app.store.changes.snapshot import Snapshot
from app.store.database import Database
from tests.actions.world import acl
from tests.conftest import PATIENCE
from tests.live.stage import Client, Following, Stage

FIELDS: Object = {"n": {"type": "Number"}, "m": {"type": "Number"}, "name": {"type": "String"}}


@pytest.fixture(params=["memory", "table"], autouse=True)
def _where_changes_are(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "table":
        monkeypatch.setattr(history, "MOST_BYTES", 0)


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def update(stage: Stage, class_name: str, object_id: str, **body: Json) -> None:
    await stage.world.objects.update(MASTER, class_name, object_id, body)


async def delete(stage: Stage, class_name: str, object_id: str) -> None:
    await stage.world.objects.delete(MASTER, class_name, object_id)


async def numbers(stage: Stage, *given: int) -> tuple[str, dict[int, str]]:
    thing = await stage.world.thing(fields=FIELDS)
    return thing, {n: await create(stage, thing, n=n) for n in given}


def story(following: Following) -> list[tuple[str, Json]]:
    return [(op, frame.get("index")) for op, frame in following.told]


def shown(following: Following) -> list[Json]:
    return [following.state[object_id]["n"] for object_id in following.order]


async def away(stage: Stage, client: Client) -> None:
    """The client has everything, and is cut off."""
    await stage.quiet()
    client.cut()
    for following in client.following.values():
        following.told.clear()


async def back(stage: Stage, client: Client) -> None:
    await client.come_back()
    await stage.quiet()
    for following in client.following.values():
        assert following.reloads == 0
        assert following.strays == []


async def test_a_window_goes_on_where_it_was(stage: Stage) -> None:
    thing, ids = await numbers(stage, 1, 2, 3, 4, 5)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=3, skip=1, snapshot=True)
    await away(stage, client)
    await delete(stage, thing, ids[1])
    await create(stage, thing, n=2.5)
    await update(stage, thing, ids[5], m=1)
    await back(stage, client)
    assert story(following) == [("leave", 0), ("enter", 0)]
    assert shown(following) == [2.5, 3, 4]


async def test_one_who_missed_nothing_is_told_nothing(stage: Stage) -> None:
    thing, ids = await numbers(stage, 1, 2, 3)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    await update(stage, thing, ids[2], m=1)
    await away(stage, client)
    await update(stage, thing, ids[3], m=1)
    await back(stage, client)
    assert following.told == []


async def test_what_changed_and_changed_back_is_no_difference(stage: Stage) -> None:
    thing, ids = await numbers(stage, 1, 2, 3)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=2, keys=["n"], snapshot=True)
    await away(stage, client)
    await create(stage, thing, n=0)
    gone = await create(stage, thing, n=0)
    await delete(stage, thing, gone)
    await update(stage, thing, ids[1], n=9)
    await back(stage, client)
    assert shown(following) == [0, 2]
    assert following.ops == ["leave", "enter"]


async def test_a_window_that_has_moved_far_is_read(stage: Stage) -> None:
    thing, ids = await numbers(stage, *range(60))
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    await away(stage, client)
    for n in range(2, 50):
        await delete(stage, thing, ids[n])
    await update(stage, thing, ids[0], n=100)
    await back(stage, client)
    assert shown(following) == [1, 50]


async def test_a_cut_between_a_leave_and_what_takes_its_place_is_known(stage: Stage) -> None:
    thing, _ = await numbers(stage, 1, 2)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    await create(stage, thing, n=0)
    await stage.quiet()
    assert following.ops == ["leave", "create"]
    positions = [parse_position(str(frame["cursor"]), stage.feed.feed_id) for _, frame in following.told]
    assert [position.is_partial for position in positions if position] == [True, False]
    client.cut()
    following.cursor = str(following.told[0][1]["cursor"])
    await client.come_back()
    assert following.reloads == 1
    assert shown(following) == [0, 1]


@pytest.mark.parametrize("asked", [{}, {"order": "n", "limit": 2}])
async def test_who_asks_for_a_snapshot_too_is_given_it_where_what_was_missed_is_not_known(stage: Stage, asked: Object) -> None:
    thing, ids = await numbers(stage, 1, 2)
    client = await stage.client()
    following = await client.subscribe(thing, None, session=None, since="1.elsewhere.MToxOg", snapshot=True, **asked)
    assert [frame["op"] for frame in client.frames] == ["connected", "subscribed", "snapshot"]
    assert following.state.keys() == set(ids.values())
    await update(stage, thing, ids[1], m=1)
    await stage.quiet()
    again = await client.subscribe(thing, None, session=None, since=following.cursor, snapshot=True, **asked)
    assert (again.told, client.frames[-1]["op"]) == ([], "subscribed")


async def test_included_objects_are_as_they_were_until_they_are_told(stage: Stage) -> None:
    city, houses = await places(stage)
    bonn, rome, oslo = [await create(stage, city, name=name) for name in ("Bonn", "Rome", "Oslo")]
    one, two, three = [await create(stage, houses, n=n, at=pointer(city, at)) for n, at in enumerate((bonn, rome, oslo))]
    client = await stage.client()
    following = await client.subscribe(houses, include="at", snapshot=True)
    await away(stage, client)
    await update(stage, city, bonn, name="Bonna")
    await update(stage, houses, two, at=pointer(city, bonn))
    await delete(stage, city, oslo)
    await back(stage, client)
    assert [following.state[each]["at"].get("name") for each in (one, two)] == ["Bonna", "Bonna"]  # type: ignore[union-attr]
    assert following.state[three]["at"]["__type"] == "Pointer"  # type: ignore[index, call-overload]
    assert following.ops == ["update"] * 3


async def test_what_lay_behind_a_pointer_that_has_moved_is_read(stage: Stage) -> None:
    city, houses = await places(stage)
    bonn, rome = [await create(stage, city, name=name) for name in ("Bonn", "Rome")]
    one = await create(stage, houses, n=1, at=pointer(city, bonn))
    client = await stage.client()
    following = await client.subscribe(houses, include="at", order="n", snapshot=True)
    await away(stage, client)
    await update(stage, houses, one, at=pointer(city, rome))
    await update(stage, houses, one, at=pointer(city, bonn))
    await back(stage, client)
    assert following.ops == ["update"], "updatedAt has changed"
    assert following.state[one]["at"]["name"] == "Bonn"  # type: ignore[index, call-overload]


async def places(stage: Stage) -> tuple[str, str]:
    city = await stage.world.thing(fields=FIELDS)
    at: Object = {"type": "Pointer", "targetClass": city}
    return city, await stage.world.thing(fields={**FIELDS, "at": at})


@pytest.mark.parametrize("asked", [{}, {"order": "n", "limit": 2}, {"include": "at"}])
async def test_what_a_sub_query_found_then_is_known(stage: Stage, asked: Object) -> None:
    city, houses = await places(stage)
    bonn, rome = [await create(stage, city, name=name) for name in ("Bonn", "Rome")]
    for n, at in enumerate((bonn, rome, rome, bonn, rome)):
        await create(stage, houses, n=n, at=pointer(city, at))
    client = await stage.client()
    inner: Object = {"className": city, "where": {"name": "Bonn"}}
    inside = await client.subscribe(houses, {"at": {"$inQuery": inner}}, session=None, since=None, snapshot=True, **asked)
    selected: Object = {"query": {"className": city, "where": {"n": 1}}, "key": "name"}
    by_name = await client.subscribe(houses, {"name": {"$dontSelect": selected}}, snapshot=True)
    await away(stage, client)
    await update(stage, city, rome, name="Bonn")
    await update(stage, city, bonn, name="Rome", n=1)
    await create(stage, houses, n=-1, at=pointer(city, rome), name="Rome")
    await back(stage, client)
    found = sorted(state["n"] for state in inside.state.values())  # type: ignore[type-var]  # all are numbers
    assert found == ([-1, 1] if "limit" in asked else [-1, 1, 2, 4])
    assert len(by_name.state) == 5


async def test_each_sees_with_its_own_eyes_what_it_had(stage: Stage) -> None:
    thing, ids = await numbers(stage, 1, 2, 3)
    ann = await stage.world.person()
    mine: Json = {str(ann.user_id): {"read": True}}
    client = await stage.client()
    for_ann = await client.subscribe(thing, session=ann, order="n", limit=2, snapshot=True)
    for_all = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    await away(stage, client)
    await update(stage, thing, ids[1], ACL=mine)
    await update(stage, thing, ids[2], ACL=acl())
    await back(stage, client)
    assert (shown(for_ann), shown(for_all)) == ([1, 3], [3])
    assert (for_ann.ops, for_all.ops) == (["leave", "update", "enter"], ["leave", "leave", "enter"])


async def test_an_sdk_without_cursors_is_told_what_a_sub_query_let_in_meanwhile(stage: Stage) -> None:
    city, houses = await places(stage)
    bonn = await create(stage, city, name="Rome")
    await create(stage, houses, n=1, at=pointer(city, bonn))
    where: Object = {"at": {"$inQuery": {"className": city, "where": {"name": "Bonn"}}}}
    client = await stage.client(cursors=False, installationId=houses)
    await client.subscribe(houses, where)
    client.cut()
    await update(stage, city, bonn, name="Bonn")
    again = await (await stage.client(cursors=False, installationId=houses)).subscribe(houses, where)
    assert again.ops == ["enter"]


async def test_who_missed_more_than_memory_should_hold_reads_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 0)
    thing, ids = await numbers(stage, 1)
    client = await stage.client()
    following = await client.subscribe(thing, snapshot=True)
    for most, reloads in ((100_000, 0), (10_000, 1)):
        monkeypatch.setattr(past, "MOST_CHANGED_BYTES", most)
        await away(stage, client)
        for number in range(3):
            await update(stage, thing, ids[1], name=f"{number}" * 4000)
        await client.come_back()
        await stage.quiet()
        assert (following.reloads, following.state[ids[1]]["name"]) == (reloads, "2" * 4000)


def made_up(stage: Stage, snapshot: str) -> str:
    return f"1.{stage.feed.feed_id}.{base64.urlsafe_b64encode(snapshot.encode()).decode().rstrip('=')}"


async def test_what_comes_while_the_table_is_read_for_one_who_returns_is_not_read_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 0)
    thing, _ = await numbers(stage, 1)
    client = await stage.client()
    await client.subscribe(thing)
    await stage.quiet()
    position, reads = Position(stage.hub.stream.snapshot), 0

    async def read(since: Position) -> tuple[list[Change], Snapshot]:
        nonlocal reads
        reads += 1
        assert reads == 1
        batches = [batch async for batch in stage.feed.replay(since.base)]
        await create(stage, thing, n=3)
        await stage.quiet()
        return [change for batch in batches for change in batch.changes], batches[-1].snapshot

    await create(stage, thing, n=2)
    await stage.quiet()
    plan = next(iter(client.connection.members.values())).plan
    missed = await past.Trail(stage.hub.stream, position, plan, read).changes()
    assert [change.after_object and change.after_object["n"] for change in missed if change.class_name == thing] == [2, 3]
    assert stage.hub.stream.history.bytes == 0


async def test_who_goes_while_its_window_is_read_for_its_return_holds_up_nobody(stage: Stage, database: Database) -> None:
    thing, _ = await numbers(stage, 1, 2)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=1, snapshot=True)
    await away(stage, client)
    other = await database.connect()
    try:
        await other.execute(f'begin; lock table "{thing}"')  # nobody can read it now
        returning = asyncio.create_task(client.come_back())
        async with asyncio.timeout(PATIENCE):
            while not await other.fetchval("select exists (select from pg_locks where not granted)"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        client.cut()
        async with asyncio.timeout(PATIENCE):
            await returning
    finally:
        await other.close()
    await back(stage, client)
    assert shown(following) == [1]


@pytest.mark.parametrize("snapshot", [f"5:6:{10**30}", f"5:{10**30}:7"])
@pytest.mark.parametrize("asked", [{}, {"order": "n", "limit": 3}])
async def test_who_makes_a_cursor_up_reads_anew_and_keeps_nobody_waiting(stage: Stage, snapshot: str, asked: Object) -> None:
    """Postgres cannot read these numbers, however often it is asked."""
    thing, _ = await numbers(stage, 1)
    client = await stage.client()
    following = await client.subscribe(thing, session=None, since=made_up(stage, snapshot), **asked)
    assert (following.error, following.reloads) == (None, 1)


async def test_a_cursor_without_end_is_not_said_back_with_each_event(stage: Stage) -> None:
    thing, ids = await numbers(stage, 1)
    for number in range(3):
        await update(stage, thing, ids[1], name=str(number))
    since = made_up(stage, f"5:3005:{','.join(map(str, range(5, 3005)))}")
    client = await stage.client()
    following = await client.subscribe(thing, since=since)
    assert following.state[ids[1]]["name"] == "2"
    events = [text for text, frame in zip(client.raw, client.frames, strict=True) if frame["op"] in ("create", "update")]
    assert len(events) == 4
    assert all(len(text) < 5000 for text in events)
    for _, frame in following.told:
        assert parse_position(str(frame["cursor"]), stage.feed.feed_id) is not None
