"""Windows and counts: what those are told who asked for a part of a result, or for its size."""

import pytest

from app.actions.caller import MASTER
from app.core.wire import Json, Object, pointer
from app.live import stream
from app.live.results import keeping
from app.live.results.window import BUFFER
from tests.actions.world import acl
from tests.live.stage import Following, Stage

FIELDS: Object = {"n": {"type": "Number"}, "m": {"type": "Number"}, "secret": {"type": "String"}}


async def things(stage: Stage, *numbers: int, **permissions: Json) -> tuple[str, dict[int, str]]:
    """A class with an object for each number, by number."""
    more: Object = {"classLevelPermissions": permissions} if permissions else {}
    thing = await stage.world.thing(fields=FIELDS, **more)
    return thing, {n: await create(stage, thing, n=n) for n in numbers}


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def update(stage: Stage, class_name: str, object_id: str, **body: Json) -> None:
    await stage.world.objects.update(MASTER, class_name, object_id, body)


async def delete(stage: Stage, class_name: str, object_id: str) -> None:
    await stage.world.objects.delete(MASTER, class_name, object_id)


def shown(following: Following) -> list[Json]:
    """The numbers, in order."""
    return [following.state[object_id]["n"] for object_id in following.order]


def story(following: Following) -> list[tuple[str, Json, Json]]:
    """(op, n, index) of every event."""
    return [(op, frame["object"].get("n"), frame.get("index")) for op, frame in following.told]  # type: ignore[union-attr]  # an object


async def test_a_snapshot_gives_the_window_in_order(stage: Stage) -> None:
    thing, _ = await things(stage, 3, 1, 5, 2, 4)
    client = await stage.client()
    rising = await client.subscribe(thing, order="n", limit=3, snapshot=True)
    falling = await client.subscribe(thing, order=["-n"], limit=2, skip=1, snapshot=True)
    assert shown(rising) == [1, 2, 3]
    assert shown(falling) == [4, 3]


async def test_an_object_that_comes_into_the_window_pushes_the_last_one_out(stage: Stage) -> None:
    thing, _ = await things(stage, 1, 2, 5)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=3, snapshot=True)
    await create(stage, thing, n=3)
    await create(stage, thing, n=9)
    await stage.quiet()
    assert story(following) == [("leave", 5, 2), ("create", 3, 2)]
    assert shown(following) == [1, 2, 3]


async def test_an_object_that_goes_makes_room_for_the_next_one(stage: Stage) -> None:
    thing, ids = await things(stage, 1, 2, 3, 4)
    client = await stage.client()
    following = await client.subscribe(thing, {"n": {"$lt": 10}}, order="n", limit=2, snapshot=True)
    await delete(stage, thing, ids[1])
    await update(stage, thing, ids[2], n=20)
    await stage.quiet()
    assert story(following) == [("delete", 1, 0), ("enter", 3, 1), ("leave", 20, 0), ("enter", 4, 1)]
    assert shown(following) == [3, 4]


async def test_an_object_that_moves_is_updated_with_its_new_index(stage: Stage) -> None:
    thing, ids = await things(stage, 1, 2, 3, 4)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=3, watch=["m"], snapshot=True)
    await update(stage, thing, ids[1], n=2.5)
    await update(stage, thing, ids[2], n=2.2)  # stays where it is, and nothing watched changed
    await update(stage, thing, ids[3], m=1)
    await stage.quiet()
    assert story(following) == [("update", 2.5, 1), ("update", 3, 2)]
    assert following.told[0][1]["original"]["n"] == 1  # type: ignore[index, call-overload]  # an object


async def test_an_object_that_moves_behind_the_window_leaves_and_the_next_enters(stage: Stage) -> None:
    thing, ids = await things(stage, 1, 2, 3, 4)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    await update(stage, thing, ids[1], n=9)
    await stage.quiet()
    assert story(following) == [("leave", 9, 0), ("enter", 3, 1)]


async def test_what_happens_before_a_skip_shifts_the_window(stage: Stage) -> None:
    thing, ids = await things(stage, 1, 2, 3, 4, 5)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", skip=2, limit=2, snapshot=True)
    await create(stage, thing, n=0)
    await stage.quiet()
    assert shown(following) == [2, 3]
    await update(stage, thing, ids[1], n=9)
    await stage.quiet()
    assert shown(following) == [3, 4]
    assert story(following) == [("leave", 4, 1), ("enter", 2, 0), ("leave", 2, 0), ("enter", 4, 1)]


async def test_a_window_that_runs_short_is_read_again_and_only_then(stage: Stage) -> None:
    thing, ids = await things(stage, *range(BUFFER + 10))
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    reads = stage.hub.upkeep.reads
    for n in range(BUFFER):
        await delete(stage, thing, ids[n])
    await stage.quiet()
    assert stage.hub.upkeep.reads == reads
    for n in range(BUFFER, BUFFER + 4):
        await delete(stage, thing, ids[n])
    await stage.quiet()
    assert stage.hub.upkeep.reads == reads + 1
    assert shown(following) == [BUFFER + 4, BUFFER + 5]
    assert following.strays == []


async def test_those_who_ask_the_same_share_one_window(stage: Stage) -> None:
    thing, _ = await things(stage, 1, 2, 3)
    await stage.quiet()
    client = await stage.client()
    reads = stage.hub.upkeep.reads
    followers = [await client.subscribe(thing, order="n", limit=2, snapshot=True) for _ in range(5)]
    assert stage.hub.upkeep.reads == reads + 1
    await create(stage, thing, n=0)
    await stage.quiet()
    assert [shown(following) for following in followers] == [[0, 1]] * 5


async def test_windows_show_only_what_their_reader_may_see(stage: Stage) -> None:
    thing, ids = await things(stage, 2, 4, find={"*": True}, protectedFields={"*": ["secret"]})
    ann = await stage.world.person()
    await create(stage, thing, n=1, ACL=acl())
    await create(stage, thing, n=3, ACL={str(ann.user_id): {"read": True}}, secret="s")
    client = await stage.client()
    for_ann = await client.subscribe(thing, session=ann, order="n", limit=2, snapshot=True)
    for_all = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    assert (shown(for_ann), shown(for_all)) == ([2, 3], [2, 4])
    await update(stage, thing, ids[2], ACL=acl(), secret="t")
    await stage.quiet()
    assert (shown(for_ann), shown(for_all)) == ([3, 4], [4])
    assert not any(b"secret" in raw for raw in client.raw)


async def test_a_role_that_is_taken_moves_the_window(stage: Stage) -> None:
    thing, ids = await things(stage, 1, 2, 3, 4)
    ann = await stage.world.person()
    role = f"crew-{thing}"
    made = await stage.world.objects.create(MASTER, "_Role", {"name": role, "ACL": acl(public="r")})
    for n in (1, 2):
        await update(stage, thing, ids[n], ACL={f"role:{role}": {"read": True}})
    client = await stage.client()
    following = await client.subscribe(thing, session=ann, order="n", limit=2, snapshot=True)
    count = await client.subscribe(thing, session=ann, count=True)
    assert (shown(following), count.count) == ([3, 4], 2)
    for op, expected, number in (("AddRelation", [1, 2], 4), ("RemoveRelation", [3, 4], 2)):
        change: Json = {"__op": op, "objects": [pointer("_User", str(ann.user_id))]}
        await stage.world.objects.update(MASTER, "_Role", made.object_id, {"users": change})
        await stage.quiet()
        assert (shown(following), count.count) == (expected, number)
    assert following.ops == ["leave", "leave", "enter", "enter"] * 2


async def test_a_count_is_told_once_a_tick_where_it_changed(stage: Stage) -> None:
    thing, ids = await things(stage, 1, 2)
    client = await stage.client()
    following = await client.subscribe(thing, {"n": {"$gt": 0}}, count=True)
    assert following.count == 2
    async with stage.world.objects.transaction() as tx:
        for n in range(3, 6):
            await stage.world.objects.create(MASTER, thing, {"n": n}, tx=tx)
    await stage.quiet()
    counts = [frame["count"] for frame in client.frames if frame["op"] == "count"]
    assert counts == [2, 5]
    await update(stage, thing, ids[1], m=1)
    await update(stage, thing, ids[2], n=-1)
    await stage.quiet()
    assert [frame["count"] for frame in client.frames if frame["op"] == "count"] == [2, 5, 4]
    assert following.told == []


async def test_a_closed_class_tells_no_count(stage: Stage) -> None:
    thing, _ = await things(stage, 1, find={"*": True}, count={})
    client = await stage.client()
    following = await client.subscribe(thing, count=True)
    assert following.error is not None
    assert following.error["code"] == 119


async def test_nobody_sorts_a_window_by_what_is_hidden(stage: Stage) -> None:
    thing, _ = await things(stage, 1, find={"*": True}, protectedFields={"*": ["secret"]})
    client = await stage.client()
    following = await client.subscribe(thing, order="secret", limit=1)
    assert following.error is not None
    assert following.error["code"] == 119


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"limit": 2}, "needs an order"),
        ({"skip": 2}, "needs an order"),
        ({"order": "n", "limit": 0}, "from 1 to"),
        ({"order": "n", "limit": 999, "skip": 2}, "from 1 to"),
        ({"order": "n", "limit": "many"}, "whole number"),
        ({"count": True, "order": "n"}, "one or the other"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_the_reason(stage: Stage, asked: Object, word: str) -> None:
    thing, _ = await things(stage)
    client = await stage.client()
    following = await client.subscribe(thing, None, session=None, since=None, **asked)
    assert following.error is not None
    assert following.error["code"] == 102
    assert word in str(following.error["error"])


async def test_a_whole_result_that_outgrows_its_room_ends_with_the_reason(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    thing, _ = await things(stage, 1)
    client = await stage.client()
    other: Object = {"query": {"className": thing, "where": {"m": 1}}, "key": "m"}
    following = await client.subscribe(thing, {"n": {"$dontSelect": other}}, snapshot=True)
    window = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    monkeypatch.setattr(keeping, "MOST_RESULTS", 3)
    for n in range(2, 8):
        await create(stage, thing, n=n)
    await stage.quiet()
    assert following.error is not None
    assert following.error["code"] == 102
    assert "narrow it" in str(following.error["error"])
    assert (window.error, shown(window)) == (None, [1, 2])


async def test_a_reader_for_whom_too_much_is_held_is_sent_away_with_its_cursor(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_HELD_BYTES", 100)
    thing, ids = await things(stage, 1)
    client = await stage.client()
    following = await client.subscribe(thing, order="n", limit=2, snapshot=True)
    [query] = stage.hub.stream.router.queries_of(thing)
    [node] = query.nodes.all()
    query.nodes.hold(node)
    await update(stage, thing, ids[1], n=5)
    await client.until(lambda: client.closed is not None)
    assert client.closed is not None
    assert client.closed[0] == 1013
    monkeypatch.undo()
    client.cut()
    await client.come_back()
    assert shown(following) == [5]


async def test_a_window_that_nobody_watches_is_forgotten(stage: Stage) -> None:
    thing, _ = await things(stage, 1)
    client = await stage.client()
    await client.subscribe(thing, order="n")
    await client.subscribe(thing, count=True)
    assert stage.hub.stream.router.listens_to(thing)
    client.cut()
    assert not stage.hub.stream.router.listens_to(thing)
