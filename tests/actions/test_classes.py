"""Classes by /schemas: made, changed and dropped whole, in Parse's words."""

from app.actions.caller import ANONYMOUS
from app.core.wire import Object
from tests.actions.world import World, refusing


async def test_a_class_is_made_and_read_back(world: World) -> None:
    made = await world.classes.create("Shelf", {"fields": {"width": {"type": "Number", "required": True}}})
    assert made == world.classes.get("Shelf")
    fields = made["fields"]
    assert isinstance(fields, dict)
    assert fields["width"] == {"type": "Number", "required": True}
    assert fields["objectId"] == {"type": "String"}
    assert "Shelf" in {found["className"] for found in world.classes.find()}
    with refusing(103, "Class Shelf already exists."):
        await world.classes.create("Shelf", {})


async def test_what_is_no_class_is_refused(world: World) -> None:
    cases: list[tuple[str, Object, int]] = [
        ("1Shelf", {}, 103),
        ("_Secret", {}, 103),
        ("Bad1", {"fields": {"a b": {"type": "String"}}}, 105),
        ("Bad2", {"fields": {"a": {"type": "Colour"}}}, 111),
        ("Bad3", {"fields": {"objectId": {"type": "String"}}}, 136),
        ("Bad4", {"classLevelPermissions": {"fly": {"*": True}}}, 107),
        ("Bad5", {"colour": "red"}, 107),
    ]
    for name, body, code in cases:
        with refusing(code):
            await world.classes.create(name, body)
        assert not world.objects.schemas.has(name)


async def test_columns_come_and_go(world: World) -> None:
    name = await world.thing(fields={"a": {"type": "String"}, "b": {"type": "Number"}})
    saved = await world.objects.create(ANONYMOUS, name, {"a": "x", "b": 1})
    with refusing(255, "Field a exists, cannot update."):
        await world.classes.update(name, {"fields": {"a": {"type": "Number"}}})
    with refusing(255, "Field z does not exist, cannot delete."):
        await world.classes.update(name, {"fields": {"b": {"__op": "Delete"}, "z": {"__op": "Delete"}}})
    assert await world.stored(name, saved.object_id) == saved.object
    await world.classes.update(name, {"fields": {"b": {"__op": "Delete"}, "c": {"type": "Boolean"}}})
    await world.objects.update(ANONYMOUS, name, saved.object_id, {"c": True})
    stored = await world.stored(name, saved.object_id)
    assert (stored["a"], stored["c"], "b" in stored) == ("x", True, False)


async def test_permissions_are_replaced(world: World) -> None:
    name = await world.thing()
    await world.classes.update(name, {"classLevelPermissions": {"find": {"*": True}}})
    with refusing(119):
        await world.objects.create(ANONYMOUS, name, {})
    assert (await world.objects.find(ANONYMOUS, world.objects.parse_query(name, {}))).results == []


async def test_only_an_empty_class_is_dropped(world: World) -> None:
    name = await world.thing()
    saved = await world.objects.create(ANONYMOUS, name, {})
    with refusing(255, f"Class {name} is not empty, contains 1 objects, cannot drop schema."):
        await world.classes.delete(name)
    await world.objects.delete(ANONYMOUS, name, saved.object_id)
    await world.classes.delete(name)
    assert not world.objects.schemas.has(name)
    await world.classes.delete(name)
    with refusing(103, f"Class {name} does not exist."):
        world.classes.get(name)
    with refusing(103):
        await world.classes.update(name, {})


async def test_classes_of_the_server_stay(world: World) -> None:
    for name in ("_User", "_Role", "AuditLog"):
        with refusing(119):
            await world.classes.delete(name)
        assert world.objects.schemas.has(name)
