"""Included objects: what those are told who asked for the objects behind the pointers."""

import pytest

from app.actions.caller import MASTER
from app.core.wire import Json, Object, pointer
from tests.actions.world import acl
from tests.live.stage import Following, Stage


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def update(stage: Stage, class_name: str, object_id: str, **body: Json) -> None:
    await stage.world.objects.update(MASTER, class_name, object_id, body)


async def places(stage: Stage, **permissions: Json) -> tuple[str, str, str]:
    """Three classes, the later ones with a pointer `at` to the one before: country, city, house."""
    country = await stage.world.thing(fields={"name": {"type": "String"}})
    fields: Object = {"name": {"type": "String"}, "secret": {"type": "String"}}
    more: Object = {"classLevelPermissions": permissions} if permissions else {}
    city = await stage.world.thing(fields={**fields, "at": {"type": "Pointer", "targetClass": country}}, **more)
    at: Object = {"type": "Pointer", "targetClass": city}
    house = await stage.world.thing(
        fields={"name": {"type": "String"}, "n": {"type": "Number"}, "at": at, "tags": {"type": "Array"}}
    )
    return country, city, house


def names(value: Json) -> list[Json]:
    """The names of an object and of those inside it, as far as they are included."""
    found: list[Json] = []
    while isinstance(value, dict):
        found.append(value.get("name", value.get("__type")))
        value = value.get("at")
    return found


def only(following: Following) -> Object:
    [state] = following.state.values()
    return state


async def test_included_objects_are_in_the_snapshot_and_in_the_events(stage: Stage) -> None:
    country, city, house = await places(stage)
    spain = await create(stage, country, name="Spain")
    cadiz = await create(stage, city, name="Cadiz", at=pointer(country, spain))
    first = await create(stage, house, name="1", at=pointer(city, cadiz))
    client = await stage.client()
    following = await client.subscribe(house, include="at.at", snapshot=True)
    assert names(only(following)) == ["1", "Cadiz", "Spain"]
    reads = stage.hub.upkeep.reads
    await update(stage, house, first, name="2")
    await create(stage, house, name="3", at=pointer(city, cadiz))
    await stage.quiet()
    assert stage.hub.upkeep.reads == reads
    assert following.ops == ["update", "create"]
    assert [names(frame["object"]) for _, frame in following.told] == [["2", "Cadiz", "Spain"], ["3", "Cadiz", "Spain"]]
    assert "index" not in following.told[0][1]


async def test_a_change_of_an_included_object_updates_those_that_show_it(stage: Stage) -> None:
    country, city, house = await places(stage)
    spain = await create(stage, country, name="Spain")
    cadiz = await create(stage, city, name="Cadiz", at=pointer(country, spain))
    first = await create(stage, house, name="1", n=1, at=pointer(city, cadiz))
    await create(stage, house, name="2", n=2)
    client = await stage.client()
    following = await client.subscribe(house, order="n", include=["at.at"], snapshot=True)
    reads = stage.hub.upkeep.reads
    await update(stage, city, cadiz, name="Gades")
    await update(stage, country, spain, name="Hispania")
    await create(stage, city, name="Roma")
    await stage.quiet()
    assert stage.hub.upkeep.reads == reads
    assert [(op, frame["index"]) for op, frame in following.told] == [("update", 0), ("update", 0)]
    assert names(following.state[first]) == ["1", "Gades", "Hispania"]


async def test_a_pointer_to_what_was_not_shown_yet_is_read_before_it_is_told(stage: Stage) -> None:
    _, city, house = await places(stage)
    client = await stage.client()
    following = await client.subscribe(house, include="at", snapshot=True)
    roma = await create(stage, city, name="Roma")
    first = await create(stage, house, name="1", at=pointer(city, roma))
    await stage.quiet()
    assert following.ops == ["enter"]
    assert names(following.told[0][1]["object"]) == ["1", "Roma"]
    await stage.world.objects.delete(MASTER, city, roma)
    await stage.quiet()
    assert names(following.state[first]) == ["1", "Pointer"]
    assert following.ops == ["enter", "update"]


async def test_what_a_reader_may_not_see_stays_a_pointer(stage: Stage) -> None:
    permissions: Object = {name: {"*": True} for name in ("find", "get", "update", "create")}
    _, city, house = await places(stage, **permissions, protectedFields={"*": ["secret"]})
    ann = await stage.world.person()
    cadiz = await create(stage, city, name="Cadiz", secret="s", ACL={str(ann.user_id): {"read": True}})
    await create(stage, house, name="1", at=pointer(city, cadiz))
    client = await stage.client()
    for_ann = await client.subscribe(house, session=ann, include="at", snapshot=True)
    for_all = await client.subscribe(house, include="at", snapshot=True)
    assert (names(only(for_ann)), names(only(for_all))) == (["1", "Cadiz"], ["1", "Pointer"])
    await update(stage, city, cadiz, name="Gades", secret="t")
    await stage.quiet()
    assert (names(only(for_ann)), names(only(for_all))) == (["1", "Gades"], ["1", "Pointer"])
    assert for_all.told == []
    await update(stage, city, cadiz, ACL=acl(public="r"))
    await stage.quiet()
    assert names(only(for_all)) == ["1", "Gades"]
    await update(stage, city, cadiz, ACL=acl())
    await stage.quiet()
    assert (names(only(for_ann)), names(only(for_all))) == (["1", "Pointer"], ["1", "Pointer"])
    assert not any(b"secret" in raw for raw in client.raw)


async def test_a_class_that_is_closed_hides_its_objects_at_once(stage: Stage) -> None:
    _, city, house = await places(stage)
    cadiz = await create(stage, city, name="Cadiz")
    await create(stage, house, name="1", at=pointer(city, cadiz))
    client = await stage.client()
    following = await client.subscribe(house, include="at", snapshot=True)
    await stage.world.classes.update(city, {"classLevelPermissions": {"get": {}, "find": {}}})
    await stage.quiet()
    assert names(only(following)) == ["1", "Pointer"]
    await update(stage, city, cadiz, name="Gades")
    await stage.quiet()
    assert not any(b"Gades" in raw for raw in client.raw)


async def test_pointers_in_an_array_are_followed_each(stage: Stage) -> None:
    country, city, house = await places(stage)
    spain = await create(stage, country, name="Spain")
    cadiz, roma = await create(stage, city, name="Cadiz", at=pointer(country, spain)), await create(stage, city, name="Roma")
    first = await create(stage, house, name="1", tags=["x", pointer(city, cadiz), pointer(country, "none"), pointer(city, roma)])
    client = await stage.client()
    following = await client.subscribe(house, include="tags.at", snapshot=True)

    def tags() -> list[Json]:
        tags = following.state[first]["tags"]
        assert isinstance(tags, list)
        return [names(tag) or tag for tag in tags]

    assert tags() == ["x", ["Cadiz", "Spain"], ["Pointer"], ["Roma"]]
    await update(stage, country, spain, name="Hispania")
    await update(stage, city, roma, name="Rome")
    await stage.quiet()
    assert tags() == ["x", ["Cadiz", "Hispania"], ["Pointer"], ["Rome"]]
    await update(stage, house, first, tags=[pointer(city, roma), pointer(country, spain)])
    await stage.quiet()
    assert tags() == [["Rome"], ["Hispania"]]
    paris = await create(stage, city, name="Paris")
    await update(stage, house, first, tags=[pointer(city, paris), pointer(country, spain)])
    await stage.world.objects.delete(MASTER, country, spain)
    await stage.quiet()
    assert tags() == [["Paris"], ["Pointer"]]
    assert following.reloads == 0


async def test_a_star_includes_every_pointer_and_array_of_the_class(stage: Stage) -> None:
    country, city, house = await places(stage)
    spain = await create(stage, country, name="Spain")
    cadiz = await create(stage, city, name="Cadiz", at=pointer(country, spain))
    first = await create(stage, house, name="1", at=pointer(city, cadiz), tags=[pointer(country, spain)])
    client = await stage.client()
    following = await client.subscribe(house, include="*", order="n", limit=1, snapshot=True)
    assert names(following.state[first]) == ["1", "Cadiz", "Pointer"]
    await update(stage, country, spain, name="Hispania")
    await stage.quiet()
    assert following.state[first]["tags"][0]["name"] == "Hispania"  # type: ignore[index, call-overload]
    assert names(following.state[first]) == ["1", "Cadiz", "Pointer"]


@pytest.mark.parametrize("include", ["name", "nothing", "at.name"])
async def test_what_is_neither_pointer_nor_array_is_not_included(stage: Stage, include: str) -> None:
    _, _, house = await places(stage)
    client = await stage.client()
    following = await client.subscribe(house, include=include)
    assert following.error is not None
    assert following.error["code"] == 102
