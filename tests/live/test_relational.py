"""Sub-queries in a live where: what is told when the other side changes."""

import pytest

from app.actions.caller import MASTER
from app.core.wire import Json, Object, pointer
from tests.actions.world import acl
from tests.live.stage import Following, Stage


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def update(stage: Stage, class_name: str, object_id: str, **body: Json) -> None:
    await stage.world.objects.update(MASTER, class_name, object_id, body)


async def tanks(stage: Stage) -> tuple[str, str]:
    """Sites with a city, and tanks with a pointer `at` to one and a city of their own."""
    site = await stage.world.thing(fields={"city": {"type": "String"}, "n": {"type": "Number"}})
    at: Object = {"type": "Pointer", "targetClass": site}
    tank = await stage.world.thing(
        fields={"at": at, "city": {"type": "String"}, "n": {"type": "Number"}, "tags": {"type": "Array"}}
    )
    return site, tank


def numbers(following: Following) -> list[Json]:
    return sorted(state["n"] for state in following.state.values())  # type: ignore[type-var]  # all are numbers


async def test_an_object_enters_and_leaves_as_the_other_side_changes(stage: Stage) -> None:
    site, tank = await tanks(stage)
    north, south = await create(stage, site, city="Bonn"), await create(stage, site, city="Rome")
    await create(stage, tank, n=1, at=pointer(site, north))
    await create(stage, tank, n=2, at=pointer(site, south))
    await create(stage, tank, n=3)
    inner: Object = {"className": site, "where": {"city": "Bonn"}}
    client = await stage.client()
    inside = await client.subscribe(tank, {"at": {"$inQuery": inner}}, snapshot=True)
    outside = await client.subscribe(tank, {"at": {"$notInQuery": inner}}, snapshot=True)
    count = await client.subscribe(tank, {"at": {"$inQuery": inner}}, count=True)
    assert (numbers(inside), numbers(outside), count.count) == ([1], [2, 3], 1)
    await update(stage, site, south, city="Bonn")
    await stage.quiet()
    assert (numbers(inside), numbers(outside), count.count) == ([1, 2], [3], 2)
    await update(stage, site, north, city="Rome")
    await stage.quiet()
    assert (numbers(inside), numbers(outside), count.count) == ([2], [1, 3], 1)
    assert inside.ops == ["enter", "leave"]


async def test_nothing_is_read_while_the_other_side_finds_the_same(stage: Stage) -> None:
    site, tank = await tanks(stage)
    bonn = await create(stage, site, city="Bonn")
    client = await stage.client()
    following = await client.subscribe(tank, {"at": {"$inQuery": {"className": site, "where": {"city": "Bonn"}}}}, snapshot=True)
    reads = stage.hub.upkeep.reads
    first = await create(stage, tank, n=1, at=pointer(site, bonn))
    await create(stage, tank, n=2, at=pointer(site, "elsewhere"))
    await update(stage, site, bonn, n=5)
    await update(stage, tank, first, n=3)
    await stage.quiet()
    assert stage.hub.upkeep.reads == reads
    assert following.ops == ["create", "update"]


async def test_select_follows_the_values_of_the_other_side(stage: Stage) -> None:
    site, tank = await tanks(stage)
    one = await create(stage, site, city="Bonn", n=1)
    await create(stage, site, city="Bonn", n=1)
    for n, city in ((1, "Bonn"), (2, "Rome")):
        await create(stage, tank, n=n, city=city)
    selected: Object = {"query": {"className": site, "where": {"n": 1}}, "key": "city"}
    client = await stage.client()
    inside = await client.subscribe(tank, {"city": {"$select": selected}}, order="-n", snapshot=True)
    outside = await client.subscribe(tank, {"city": {"$dontSelect": selected}}, snapshot=True)
    assert (numbers(inside), numbers(outside)) == ([1], [2])
    await update(stage, site, one, city="Rome")
    await stage.quiet()
    assert (numbers(inside), numbers(outside)) == ([1, 2], [])
    assert [(op, frame["index"]) for op, frame in inside.told] == [("enter", 0)]


async def test_the_other_side_is_seen_with_the_readers_own_eyes(stage: Stage) -> None:
    site, tank = await tanks(stage)
    ann = await stage.world.person()
    bonn = await create(stage, site, city="Bonn", ACL={str(ann.user_id): {"read": True}})
    await create(stage, tank, n=1, at=pointer(site, bonn))
    where: Object = {"at": {"$inQuery": {"className": site, "where": {"city": "Bonn"}}}}
    client = await stage.client()
    for_ann = await client.subscribe(tank, where, session=ann, snapshot=True)
    for_all = await client.subscribe(tank, where, snapshot=True)
    assert (numbers(for_ann), numbers(for_all)) == ([1], [])
    await update(stage, site, bonn, ACL=acl(public="r"))
    await stage.quiet()
    assert (numbers(for_ann), numbers(for_all)) == ([1], [1])
    await update(stage, site, bonn, ACL=acl())
    await stage.quiet()
    assert (numbers(for_ann), numbers(for_all)) == ([], [])


async def test_a_role_that_is_taken_takes_what_it_showed_on_the_other_side(stage: Stage) -> None:
    site, tank = await tanks(stage)
    ann = await stage.world.person()
    role = f"crew-{site}"
    users: Json = {"__op": "AddRelation", "objects": [pointer("_User", str(ann.user_id))]}
    made = await stage.world.objects.create(MASTER, "_Role", {"name": role, "ACL": acl(public="r"), "users": users})
    bonn = await create(stage, site, city="Bonn", ACL={f"role:{role}": {"read": True}})
    await create(stage, tank, n=1, at=pointer(site, bonn))
    where: Object = {"at": {"$inQuery": {"className": site, "where": {}}}}
    client = await stage.client()
    following = await client.subscribe(tank, where, session=ann, snapshot=True)
    assert numbers(following) == [1]
    change: Json = {"__op": "RemoveRelation", "objects": [pointer("_User", str(ann.user_id))]}
    await stage.world.objects.update(MASTER, "_Role", made.object_id, {"users": change})
    await stage.quiet()
    assert following.ops == ["leave"]


async def test_a_class_that_is_closed_ends_what_asked_about_it(stage: Stage) -> None:
    site, tank = await tanks(stage)
    client = await stage.client()
    following = await client.subscribe(tank, {"at": {"$inQuery": {"className": site, "where": {}}}})
    await stage.world.classes.update(site, {"classLevelPermissions": {"find": {}}})
    await stage.quiet()
    assert following.error is not None
    assert following.error["code"] == 119


async def test_sub_queries_that_nobody_asks_are_forgotten(stage: Stage) -> None:
    site, tank = await tanks(stage)
    client = await stage.client()
    await client.subscribe(tank, {"at": {"$inQuery": {"className": site, "where": {}}}})
    assert stage.hub.stream.router.listens_to(site)
    client.cut()
    assert not stage.hub.stream.router.listens_to(site)
    assert not stage.hub.stream.router.listens_to(tank)


@pytest.mark.parametrize(
    "where",
    [
        {"tags": {"$inQuery": {"className": "_Role", "where": {}}}},
        {"at": {"$inQuery": {"className": "_Role", "where": {}, "limit": 3}}},
        {"city": {"$select": {"query": {"className": "_Role", "where": {}}, "key": "createdAt"}}},
        {"tags": {"$select": {"query": {"className": "_Role", "where": {}}, "key": "name"}}},
        {"$relatedTo": {"object": {"__type": "Pointer", "className": "_Role", "objectId": "x"}, "key": "users"}},
    ],
)
async def test_what_cannot_be_kept_right_is_refused_with_the_reason(stage: Stage, where: Object) -> None:
    _, tank = await tanks(stage)
    client = await stage.client()
    following = await client.subscribe(tank, where)
    assert following.error is not None
    assert following.error["code"] == 102
    assert "live" in str(following.error["error"])
    assert not stage.hub.stream.router.listens_to(tank)
    assert not stage.hub.stream.router.listens_to("_Role")
