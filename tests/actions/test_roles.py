"""Roles: their names, their members, and who may change them."""

import pytest

from app.actions.caller import ANONYMOUS, MASTER
from app.actions.roles import STAFF_ROLES, ensure_roles_as_master
from app.core.wire import Object, pointer
from tests.actions.world import World, acl, refusing


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"ACL": {}}, 111, "name is required."),
        ({"name": "team"}, 111, "ACL is required."),
        (
            {"name": "a/b", "ACL": {}},
            139,
            "A role's name can only contain alphanumeric characters, _, -, and spaces.",
        ),
        ({"name": 7, "ACL": {}}, 111, None),
        ({"name": "admin", "ACL": {}}, 137, None),
    ],
)
async def test_a_role_has_a_name_and_an_acl(world: World, body: Object, code: int, words: str | None) -> None:
    before = await world.count("_Role")
    with refusing(code, words):
        await world.objects.create(MASTER, "_Role", body)
    assert await world.count("_Role") == before


async def test_a_role_keeps_its_name(world: World) -> None:
    saved = await world.objects.create(MASTER, "_Role", {"name": "night shift", "ACL": {}})
    with refusing(139, "A role's name can only be set before it has been saved."):
        await world.objects.update(MASTER, "_Role", saved.object_id, {"name": "day shift"})
    await world.objects.update(MASTER, "_Role", saved.object_id, {"name": "night shift"})


async def test_members_of_a_custom_role_are_a_relation(world: World) -> None:
    person, stranger = await world.person(), await world.person()
    add: Object = {"users": {"__op": "AddRelation", "objects": [pointer("_User", str(stranger.user_id))]}}
    rights = acl(**{str(person.user_id): "rw"})
    saved = await world.objects.create(person, "_Role", {"name": "book club", "ACL": rights})
    for caller in (ANONYMOUS, stranger):
        with refusing(101):
            await world.objects.update(caller, "_Role", saved.object_id, add)
    assert "book club" not in (await world.fresh(stranger)).authority.roles
    await world.objects.update(person, "_Role", saved.object_id, add)
    assert "book club" in (await world.fresh(stranger)).authority.roles
    await world.objects.delete(person, "_Role", saved.object_id)
    assert (await world.fresh(stranger)).authority.roles == {"patient"}


async def test_nobody_joins_a_staff_role_by_its_relation(world: World) -> None:
    stranger, admin = await world.person(), await world.person("admin")
    role_id = str((await world.rows("_Role", name="admin"))[0]["objectId"])
    add: Object = {"users": {"__op": "AddRelation", "objects": [pointer("_User", str(stranger.user_id))]}}
    for caller, code in ((ANONYMOUS, 101), (stranger, 101), (admin, 119), (MASTER, 119)):
        with refusing(code):
            await world.objects.update(caller, "_Role", role_id, add)
        with refusing(code):
            await world.objects.delete(caller, "_Role", role_id)
    assert (await world.fresh(stranger)).authority.roles == {"patient"}
    assert (await world.fresh(admin)).authority.roles == {"admin"}


async def test_staff_roles_are_made_once(world: World) -> None:
    before = await world.rows("_Role")
    async with world.database.transaction() as tx:
        await ensure_roles_as_master(tx)
    assert await world.rows("_Role") == before
    assert {row["name"] for row in before} >= set(STAFF_ROLES)


async def test_nobody_signs_up_into_a_role_by_hand(world: World) -> None:
    body: Object = {"name": "dispatcher ", "ACL": acl(public="rw")}
    person = await world.person()
    saved = await world.objects.create(person, "_Role", body)
    assert saved.object["name"] == "dispatcher "
    assert (await world.fresh(person)).authority.roles == {"patient"}
