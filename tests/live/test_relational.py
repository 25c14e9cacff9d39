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
    friends: Object = {"type": "Relation", "targetClass": "_Role"}
    fields: Object = {"at": at, "city": {"type": "String"}, "n": {"type": "Number"}, "tags": {"type": "Array"}}
    tank = await stage.world.thing(fields={**fields, "friends": friends})
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


@pytest.mark.parametrize("asked", [{}, {"count": True}, {"order": "n", "limit": 3}])
@pytest.mark.parametrize(
    ("path", "operator", "inner", "key"),
    [
        ("at", "$inQuery", {"where": {"city": "Bonn"}}, None),
        ("at", "$notInQuery", {"where": {"$or": [{"n": 1}, {"city": {"$regex": "^B"}}]}}, None),
        ("at", "$inQuery", {"where": {}, "order": "city", "limit": 3}, None),
        ("city", "$select", {"where": {"n": 1}}, "city"),
        ("city", "$dontSelect", {"where": {"city": "Bonn"}}, "n"),
    ],
)
async def test_nobody_learns_what_is_hidden_on_the_other_side(
    stage: Stage, path: str, operator: str, inner: Object, key: str | None, asked: Object
) -> None:
    site, tank = await tanks(stage)
    shut: Object = {"find": {"*": True}, "get": {"*": True}, "count": {"*": True}, "protectedFields": {"*": ["city"]}}
    await stage.world.classes.update(site, {"classLevelPermissions": shut})
    bonn = await create(stage, site, city="Bonn", n=1)
    await create(stage, tank, n=1, at=pointer(site, bonn), city="Bonn")
    query: Object = {"className": site, **inner}
    client, ann = await stage.client(), await stage.world.person()
    condition: Object = {operator: query if key is None else {"query": query, "key": key}}
    following = await client.subscribe(tank, {path: condition}, session=ann, since=None, **asked)
    await update(stage, site, bonn, city="Rome")
    await stage.quiet()
    assert following.error is not None
    assert following.error["code"] in (102, 119)
    assert (following.told, following.count) == ([], None)


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


async def test_an_array_of_pointers_leads_to_the_other_side_too(stage: Stage) -> None:
    site, tank = await tanks(stage)
    bonn, rome = await create(stage, site, city="Bonn"), await create(stage, site, city="Rome")
    await create(stage, tank, n=1, tags=[pointer(site, rome), "x", pointer("_User", bonn)])
    await create(stage, tank, n=2, tags=[pointer(site, rome), pointer(site, bonn)])
    await create(stage, tank, n=3)
    client = await stage.client()
    inner: Object = {"className": site, "where": {"city": "Bonn"}}
    inside = await client.subscribe(tank, {"tags": {"$inQuery": inner}}, snapshot=True)
    outside = await client.subscribe(tank, {"tags": {"$notInQuery": inner}}, snapshot=True)
    assert (numbers(inside), numbers(outside)) == ([2], [1, 3])
    await update(stage, site, rome, city="Bonn")
    await update(stage, site, bonn, city="Rome")
    last = await create(stage, tank, n=4, tags=[pointer(site, bonn)])
    await stage.quiet()
    assert (numbers(inside), numbers(outside)) == ([1, 2], [3, 4])
    await update(stage, tank, last, tags=[pointer(site, bonn), pointer(site, rome)])
    await stage.quiet()
    assert (numbers(inside), numbers(outside)) == ([1, 2, 4], [3])


async def clubs(stage: Stage) -> tuple[str, str]:
    """Members, and clubs with a relation `members` to them."""
    member = await stage.world.thing(fields={"n": {"type": "Number"}})
    relation: Object = {"type": "Relation", "targetClass": member}
    return member, await stage.world.thing(fields={"members": relation, "n": {"type": "Number"}})


def related(club: str, object_id: str) -> Object:
    return {"$relatedTo": {"object": pointer(club, object_id), "key": "members"}}


def joins(op: str, member: str, *ids: str) -> Object:
    return {"__op": op, "objects": [pointer(member, each) for each in ids]}


async def test_who_joins_a_relation_enters_and_who_goes_leaves(stage: Stage) -> None:
    member, club = await clubs(stage)
    ann, bob, cid = [await create(stage, member, n=n) for n in range(3)]
    chess = await create(stage, club, members=joins("AddRelation", member, ann))
    other = await create(stage, club, members=joins("AddRelation", member, cid))
    client = await stage.client()
    following = await client.subscribe(member, related(club, chess), snapshot=True)
    window = await client.subscribe(member, related(club, chess), order="-n", limit=1, snapshot=True)
    assert (numbers(following), numbers(window)) == ([0], [0])
    await update(stage, club, chess, members=joins("AddRelation", member, bob))
    await update(stage, club, other, members=joins("AddRelation", member, ann))
    await stage.quiet()
    assert (numbers(following), numbers(window)) == ([0, 1], [1])
    await update(stage, club, chess, members=joins("RemoveRelation", member, ann))
    await update(stage, member, bob, n=7)
    await update(stage, member, ann, n=8)
    await stage.quiet()
    assert following.ops == ["enter", "leave", "update"]
    assert numbers(following) == [7]


async def test_a_relation_tells_nothing_to_one_who_may_not_read_its_owner(stage: Stage) -> None:
    member, club = await clubs(stage)
    ann = await stage.world.person()
    one = await create(stage, member, n=1)
    chess = await create(stage, club, members=joins("AddRelation", member, one), ACL={str(ann.user_id): {"read": True}})
    client = await stage.client()
    for_ann = await client.subscribe(member, related(club, chess), session=ann, snapshot=True)
    for_all = await client.subscribe(member, related(club, chess), snapshot=True)
    assert (numbers(for_ann), numbers(for_all)) == ([1], [])
    await update(stage, club, chess, ACL=acl(public="r"))
    await stage.quiet()
    assert (numbers(for_ann), numbers(for_all)) == ([1], [1])
    await stage.world.classes.update(club, {"classLevelPermissions": {"get": {}, "find": {}}})
    await stage.quiet()
    assert (numbers(for_ann), numbers(for_all)) == ([], [])
    await stage.world.classes.update(club, {"classLevelPermissions": {"get": {"*": True}, "find": {"*": True}}})
    await stage.quiet()
    assert (numbers(for_ann), numbers(for_all)) == ([1], [1])
    await stage.world.objects.delete(MASTER, club, chess)
    await stage.quiet()
    assert (numbers(for_ann), numbers(for_all)) == ([], [])


async def test_a_relation_of_another_class_has_nobody_in_it(stage: Stage) -> None:
    member, club = await clubs(stage)
    await create(stage, member, n=1)
    client = await stage.client()
    where: Object = {"$relatedTo": {"object": pointer(club, "nothing"), "key": "n"}}
    following = await client.subscribe(member, where, snapshot=True)
    assert following.error is None
    assert numbers(following) == []


async def test_a_relation_that_nobody_asks_about_is_forgotten(stage: Stage) -> None:
    member, club = await clubs(stage)
    chess = await create(stage, club)
    client = await stage.client()
    await client.subscribe(member, related(club, chess))
    assert stage.hub.stream.router.listens_to(f"_Join:members:{club}")
    client.cut()
    assert not stage.hub.stream.router.listens_to(f"_Join:members:{club}")
    assert not stage.hub.stream.follows(club)


@pytest.mark.parametrize(
    "where",
    [
        {"friends": {"$inQuery": {"className": "_Role", "where": {}}}},
        {"at": {"$inQuery": {"className": "_Role", "where": {}, "limit": 3}}},
        {"city": {"$select": {"query": {"className": "_Role", "where": {}}, "key": "createdAt"}}},
        {"tags": {"$select": {"query": {"className": "_Role", "where": {}}, "key": "name"}}},
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
