"""Saves and reads of any class: who may, what is answered, and that nothing is half-written."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller
from app.actions.hooks import DeleteEvent, Next, SaveEvent
from app.core.access import Authority
from app.core.wire import Json, Object, decode, encode, pointer
from app.errors import ParseError
from tests.actions.world import World, acl, refusing

READ_ONLY = Caller(Authority(is_master=True, is_read_only=True))
CLOSED: Object = {"find": {}, "get": {}, "count": {}, "create": {}, "update": {}, "delete": {}, "addField": {}}
LEVEL: Object = {"level": {"type": "Number"}, "label": {"type": "String"}}


async def test_create_answers_id_and_time_and_stores_the_object(world: World) -> None:
    name = await world.thing(fields=LEVEL)
    saved = await world.objects.create(ANONYMOUS, name, {"level": 3})
    assert saved.response == {"objectId": saved.object_id, "createdAt": saved.created_at}
    assert len(saved.object_id) == 10
    assert await world.stored(name, saved.object_id) == saved.object
    assert saved.object["level"] == 3


async def test_update_answers_time_and_results_of_operations_only(world: World) -> None:
    name = await world.thing(fields={**LEVEL, "tags": {"type": "Array"}, "extra": {"type": "Object"}})
    made = await world.objects.create(ANONYMOUS, name, {"level": 3, "tags": ["a"], "extra": {"n": 1}})
    body: Object = {
        "level": {"__op": "Increment", "amount": 2},
        "tags": {"__op": "AddUnique", "objects": ["a", "b"]},
        "label": "x",
        "extra.n": {"__op": "Increment", "amount": 1},
    }
    saved = await world.objects.update(ANONYMOUS, name, made.object_id, body)
    assert saved.response == {"updatedAt": saved.updated_at, "level": 5, "tags": ["a", "b"], "extra": {"n": 2}}
    assert saved.created_at is None


@pytest.mark.parametrize("operation", ["create", "update", "delete", "find", "get", "count"])
async def test_a_closed_class_refuses_anonymous_and_strangers(world: World, operation: str) -> None:
    name = await world.thing(fields=LEVEL, classLevelPermissions=CLOSED)
    kept = await world.objects.create(MASTER, name, {"level": 1})
    stranger = await world.person()
    for caller in (ANONYMOUS, stranger):
        with refusing(119, f"Permission denied for action {operation} on class {name}."):
            await attempt(world, caller, operation, name, kept.object_id)
    assert await world.rows(name) == [kept.object]


@pytest.mark.parametrize("operation", ["update", "delete", "get"])
async def test_an_object_of_others_is_not_there(world: World, operation: str) -> None:
    name = await world.thing(fields=LEVEL)
    owner, stranger = await world.person(), await world.person()
    rights = acl(**{str(owner.user_id): "rw"})
    kept = await world.objects.create(owner, name, {"level": 1, "ACL": rights})
    for caller in (ANONYMOUS, stranger):
        with refusing(101, "Object not found."):
            await attempt(world, caller, operation, name, kept.object_id)
        assert (await world.objects.find(caller, world.objects.parse_query(name, {}))).results == []
        assert await world.objects.count(caller, world.objects.parse_query(name, {})) == 0
    assert await world.rows(name) == [kept.object]
    await attempt(world, owner, operation, name, kept.object_id)


async def test_who_may_read_may_not_yet_write(world: World) -> None:
    name = await world.thing(fields=LEVEL)
    kept = await world.objects.create(MASTER, name, {"level": 1, "ACL": acl(public="r")})
    for operation in ("update", "delete"):
        with refusing(101):
            await attempt(world, await world.person(), operation, name, kept.object_id)
    assert await world.rows(name) == [kept.object]


async def test_acl_by_role_follows_membership(world: World) -> None:
    name = await world.thing(fields=LEVEL)
    kept = await world.objects.create(MASTER, name, {"level": 1, "ACL": acl(role_nurse="rw")})
    nurse, driver = await world.person("nurse"), await world.person("driver")
    with refusing(101):
        await world.objects.get(driver, world.objects.parse_query(name, {}), kept.object_id)
    await world.objects.update(nurse, name, kept.object_id, {"level": 2})
    assert (await world.stored(name, kept.object_id))["level"] == 2


@pytest.mark.parametrize("caller", [ANONYMOUS, READ_ONLY])
@pytest.mark.parametrize("operation", ["create", "update", "delete"])
async def test_nobody_writes_who_may_only_read(world: World, caller: Caller, operation: str) -> None:
    permissions: Object = {**CLOSED, "find": {"*": True}, "get": {"*": True}}
    name = await world.thing(fields=LEVEL, classLevelPermissions=permissions)
    kept = await world.objects.create(MASTER, name, {"level": 1})
    with refusing(119):
        await attempt(world, caller, operation, name, kept.object_id)
    assert await world.rows(name) == [kept.object]


async def test_missing_class_is_refused_unless_the_setting_allows(world: World) -> None:
    stranger = await world.person()
    for caller in (ANONYMOUS, stranger):
        for operation in ("create", "find", "get", "count"):
            with refusing(119, "This user is not allowed to access non-existent class: Nowhere"):
                await attempt(world, caller, operation, "Nowhere", "x")
    assert not world.objects.schemas.has("Nowhere")
    assert (await world.objects.find(MASTER, world.objects.parse_query("Nowhere", {}))).results == []
    open_world = world.with_settings(allow_client_class_creation=True)
    saved = await open_world.objects.create(ANONYMOUS, "Somewhere", {"when": {"__type": "Date", "iso": "2026-01-01"}})
    assert saved.object["when"] == {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"}
    with refusing(103):
        await open_world.objects.create(ANONYMOUS, "1bad", {})


async def test_columns_come_at_first_use_and_keep_their_type(world: World) -> None:
    name = await world.thing()
    first = await world.objects.create(ANONYMOUS, name, {"level": 1, "site": pointer("_User", "x")})
    with refusing(111, f"schema mismatch for {name}.level; expected Number but got String"):
        await world.objects.update(ANONYMOUS, name, first.object_id, {"level": "high"})
    with refusing(111, f"schema mismatch for {name}.level; expected Number but got Boolean"):
        await world.objects.create(ANONYMOUS, name, {"level": True, "fresh": 1})
    assert "fresh" not in world.objects.schemas.get(name).fields
    assert await world.rows(name) == [first.object]


async def test_add_field_permission(world: World) -> None:
    permissions: Object = {**CLOSED, "create": {"*": True}, "update": {"*": True}, "get": {"*": True}}
    name = await world.thing(fields=LEVEL, classLevelPermissions=permissions)
    kept = await world.objects.create(ANONYMOUS, name, {"level": 1})
    for body in ({"other": 1}, {"level": 2, "other.deep": 1}):
        with refusing(119, f"Permission denied for action addField on class {name}."):
            await world.objects.update(ANONYMOUS, name, kept.object_id, body)
        with refusing(119, f"Permission denied for action addField on class {name}."):
            await world.objects.create(ANONYMOUS, name, body)
    assert await world.rows(name) == [kept.object]
    assert "other" not in world.objects.schemas.get(name).fields
    await world.objects.update(MASTER, name, kept.object_id, {"other": 1})
    assert (await world.stored(name, kept.object_id))["other"] == 1


async def test_no_column_is_added_by_one_who_may_not_write_the_object(world: World) -> None:
    name = await world.thing(fields=LEVEL)
    kept = await world.objects.create(MASTER, name, {"level": 1, "ACL": acl(public="r")})
    with refusing(101, "Object not found."):
        await world.objects.update(ANONYMOUS, name, kept.object_id, {"other": 1})
    assert "other" not in world.objects.schemas.get(name).fields


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"objectId": "mine"}, 105, "objectId is an invalid field name."),
        ({"id": "mine"}, 105, "id is an invalid field name."),
        ({"_hidden": 1}, 105, "Invalid field name: _hidden."),
        ({"1st": 1}, 105, "Invalid field name: 1st."),
        ({"a": {"$b": 1}}, 121, "Nested keys should not contain the '$' or '.' characters"),
        ({"a": {"__op": "Explode"}}, 108, "The Explode operator is not supported yet."),
        ({"ACL": {"*": "all"}}, 123, None),
        ({"level": {"__op": "Increment", "amount": "x"}}, 107, None),
    ],
)
async def test_bad_bodies_are_refused_whole(world: World, body: Object, code: int, words: str | None) -> None:
    name = await world.thing(fields=LEVEL)
    with refusing(code, words):
        await world.objects.create(ANONYMOUS, name, {"level": 1, **body} if "level" not in body else body)
    assert await world.count(name) == 0


async def test_custom_object_id(world: World) -> None:
    name = await world.thing()
    open_world = world.with_settings(allow_custom_object_id=True)
    assert (await open_world.objects.create(ANONYMOUS, name, {"objectId": "mine"})).object_id == "mine"
    with refusing(137):
        await open_world.objects.create(ANONYMOUS, name, {"objectId": "mine"})
    for empty in (None, ""):
        with refusing(104, "objectId must not be empty, null or undefined"):
            await open_world.objects.create(ANONYMOUS, name, {"objectId": empty})
    assert await world.count(name) == 1


async def test_required_and_default(world: World) -> None:
    fields: Object = {
        "label": {"type": "String", "required": True},
        "state": {"type": "String", "defaultValue": "full"},
    }
    name = await world.thing(fields=fields)
    for body in ({}, {"label": ""}, {"label": None}):
        with refusing(142, "label is required"):
            await world.objects.create(ANONYMOUS, name, body)
    saved = await world.objects.create(ANONYMOUS, name, {"label": "a"})
    assert saved.response["state"] == saved.object["state"] == "full"
    with refusing(142, "label is required"):
        await world.objects.update(ANONYMOUS, name, saved.object_id, {"label": {"__op": "Delete"}})
    assert await world.rows(name) == [saved.object]


async def test_default_acl_of_the_class(world: World) -> None:
    permissions: Object = {
        **{operation: {"*": True} for operation in CLOSED},
        "ACL": {"currentUser": {"read": True, "write": True}, "role:admin": {"read": True}},
    }
    name = await world.thing(classLevelPermissions=permissions)
    person = await world.person()
    saved = await world.objects.create(person, name, {})
    wanted = {str(person.user_id): {"read": True, "write": True}, "role:admin": {"read": True}}
    assert saved.object["ACL"] == saved.response["ACL"] == wanted
    with refusing(101):
        await world.objects.get(ANONYMOUS, world.objects.parse_query(name, {}), saved.object_id)


async def test_relations_are_written_with_the_object(world: World) -> None:
    name = await world.thing()
    person = await world.person()
    target = pointer("_User", str(person.user_id))
    saved = await world.objects.create(person, name, {"team": {"__op": "AddRelation", "objects": [target]}})
    assert saved.object["team"] == {"__type": "Relation", "className": "_User"}
    where: Object = {"$relatedTo": {"object": pointer(name, saved.object_id), "key": "team"}}
    found = await world.objects.find(person, world.objects.parse_query("_User", {"where": where}))
    assert [decode(text)["objectId"] for text in found.results] == [person.user_id]  # type: ignore[index, call-overload]  # JSON


async def test_related_to_tells_nothing_about_an_object_one_may_not_read(world: World) -> None:
    owners, items = await world.thing(), await world.thing()
    item = await world.objects.create(MASTER, items, {})
    body: Object = {"ACL": {}, "parts": {"__op": "AddRelation", "objects": [pointer(items, item.object_id)]}}
    owner = await world.objects.create(MASTER, owners, body)
    where: Object = {"$relatedTo": {"object": pointer(owners, owner.object_id), "key": "parts"}}
    query = world.objects.parse_query(items, {"where": where})
    stranger = await world.person()
    for caller in (ANONYMOUS, stranger):
        assert (await world.objects.find(caller, query)).results == []
        assert await world.objects.count(caller, query) == 0
    assert len((await world.objects.find(MASTER, query)).results) == 1


async def test_sub_queries_see_only_what_the_caller_sees(world: World) -> None:
    inner, outer = await world.thing(fields=LEVEL), await world.thing()
    secret = await world.objects.create(MASTER, inner, {"level": 7, "label": "k", "ACL": {}})
    await world.objects.create(MASTER, outer, {"at": pointer(inner, secret.object_id), "key": "k"})
    wheres: list[Object] = [
        {"at": {"$inQuery": {"className": inner, "where": {"level": 7}}}},
        {"key": {"$select": {"query": {"className": inner, "where": {"level": 7}}, "key": "label"}}},
    ]
    for where in wheres:
        query = world.objects.parse_query(outer, {"where": where})
        assert len((await world.objects.find(MASTER, query)).results) == 1
        assert (await world.objects.find(ANONYMOUS, query)).results == []
        assert await world.objects.count(ANONYMOUS, query) == 0


async def test_an_include_shows_only_what_the_caller_may_read(world: World) -> None:
    inner, outer = await world.thing(fields=LEVEL), await world.thing()
    secret = await world.objects.create(MASTER, inner, {"level": 7, "ACL": {}})
    made = await world.objects.create(MASTER, outer, {"at": pointer(inner, secret.object_id)})
    query = world.objects.parse_query(outer, {"include": "at"})
    assert '"level":7' in await world.objects.get(MASTER, query, made.object_id)
    for caller in (ANONYMOUS, await world.person()):
        assert decode(await world.objects.get(caller, query, made.object_id)) == made.object


async def test_protected_fields_are_neither_shown_nor_asked_about(world: World) -> None:
    permissions: Object = {**{operation: {"*": True} for operation in CLOSED}, "protectedFields": {"*": ["level"]}}
    name = await world.thing(fields=LEVEL, classLevelPermissions=permissions)
    made = await world.objects.create(MASTER, name, {"level": 7, "label": "a"})
    stranger = await world.person()
    for caller in (ANONYMOUS, stranger):
        assert "level" not in await world.objects.get(caller, world.objects.parse_query(name, {}), made.object_id)
        asked: list[Object] = [{"where": {"level": 7}}, {"where": {"$or": [{"label": "b"}, {"level": {"$gt": 1}}]}}]
        for params in asked:
            with refusing(119, f"This user is not allowed to query level on class {name}"):
                await world.objects.find(caller, world.objects.parse_query(name, params))
        with refusing(119, f"This user is not allowed to sort by level on class {name}"):
            await world.objects.find(caller, world.objects.parse_query(name, {"order": "-level"}))
    assert '"level":7' in await world.objects.get(MASTER, world.objects.parse_query(name, {}), made.object_id)


async def test_an_object_shows_more_to_the_user_it_names(world: World) -> None:
    permissions: Object = {
        **{operation: {"*": True} for operation in CLOSED},
        "protectedFields": {"*": ["level", "label"], "userField:owner": ["label"]},
    }
    fields: Object = {**LEVEL, "owner": {"type": "Pointer", "targetClass": "_User"}}
    name = await world.thing(fields=fields, classLevelPermissions=permissions)
    owner, stranger = await world.person(), await world.person()
    body: Object = {"level": 7, "label": "a", "owner": pointer("_User", str(owner.user_id))}
    made = await world.objects.create(MASTER, name, body)
    for caller, seen in ((ANONYMOUS, set()), (stranger, set()), (owner, {"level"}), (MASTER, {"level", "label"})):
        found = await world.objects.get_object(caller, name, made.object_id)
        assert found.keys() & {"level", "label"} == seen
    keyed = decode(await world.objects.get(owner, world.objects.parse_query(name, {"keys": "level"}), made.object_id))
    assert isinstance(keyed, dict)
    assert keyed["level"] == 7
    assert "owner" not in keyed


async def test_pointer_permissions_limit_reads_and_writes_to_the_named_user(world: World) -> None:
    permissions: Object = {**CLOSED, "create": {"*": True}, "readUserFields": ["owner"], "writeUserFields": ["owner"]}
    fields: Object = {**LEVEL, "owner": {"type": "Pointer", "targetClass": "_User"}}
    name = await world.thing(fields=fields, classLevelPermissions=permissions)
    owner, stranger = await world.person(), await world.person()
    made = await world.objects.create(owner, name, {"level": 1, "owner": pointer("_User", str(owner.user_id))})
    for caller in (ANONYMOUS, stranger):
        for operation in ("get", "update", "delete"):
            with refusing(101, "Object not found."):
                await attempt(world, caller, operation, name, made.object_id)
    assert await world.rows(name) == [made.object]
    await world.objects.update(owner, name, made.object_id, {"level": 2})


async def test_a_hundred_racing_increments_are_exact(world: World) -> None:
    name = await world.thing(fields=LEVEL)
    made = await world.objects.create(ANONYMOUS, name, {"level": 0})
    body: Object = {"level": {"__op": "Increment", "amount": 1}}
    saves = await asyncio.gather(*(world.objects.update(ANONYMOUS, name, made.object_id, body) for _ in range(100)))
    assert (await world.stored(name, made.object_id))["level"] == 100
    assert sorted(int(str(saved.response["level"])) for saved in saves) == list(range(1, 101))


async def test_racing_first_uses_of_a_column_all_succeed(world: World) -> None:
    name = await world.thing()
    bodies: list[Object] = [{"level": number, f"only{number % 3}": "x"} for number in range(12)]
    await asyncio.gather(*(world.objects.create(ANONYMOUS, name, body) for body in bodies))
    assert await world.count(name) == 12
    assert {"level", "only0", "only1", "only2"} <= world.objects.schemas.get(name).fields.keys()


async def test_a_transaction_joins_saves_and_undoes_them_together(world: World) -> None:
    name = await world.thing(fields=LEVEL)
    with refusing(111):
        async with world.objects.transaction() as tx:
            saved = await world.objects.create(ANONYMOUS, name, {"level": 1, "fresh": 1}, tx=tx)
            assert await world.objects.get_object(ANONYMOUS, name, saved.object_id, tx=tx) == saved.object
            await world.objects.update(ANONYMOUS, name, saved.object_id, {"level": "x"}, tx=tx)
    assert await world.count(name) == 0
    assert "fresh" not in world.objects.schemas.get(name).fields


async def test_batch_gives_each_part_its_own_outcome(world: World) -> None:
    name = await world.thing(fields=LEVEL)

    async def part(level: Json, tx: object) -> bytes:
        return encode((await world.objects.create(ANONYMOUS, name, {"level": level}, tx=tx)).response)  # type: ignore[arg-type]  # a Connection

    parts = [lambda tx, level=level: part(level, tx) for level in (1, "two", 3)]
    outcomes: list[Any] = [decode(outcome) for outcome in await world.objects.batch(parts)]
    assert [list(outcome) for outcome in outcomes] == [["success"], ["error"], ["success"]]
    words = f"schema mismatch for {name}.level; expected Number but got String"
    assert outcomes[1]["error"] == {"code": 111, "error": words}
    assert await world.count(name) == 2
    with refusing(111, words):
        await world.objects.batch(parts, transaction=True)
    assert await world.count(name) == 2


async def swapping(world: World) -> tuple[str, list[str], list[str]]:
    """A class whose saves also touch another object; two objects, each of which touches the other; and every attempt made."""
    name = await world.thing(fields={**LEVEL, "other": {"type": "String"}})
    both_hold, tries = asyncio.Barrier(2), list[str]()

    async def touch(event: SaveEvent, go_on: Next) -> None:
        await go_on()
        other = event.object.get("other")
        if event.is_new or other is None:
            return
        tries.append(event.object_id)
        if len(tries) <= 2:
            await both_hold.wait()
        await event.tx.execute(f'update "{name}" set "level" = "level" + 100 where "objectId" = $1', other)

    async def gone(event: DeleteEvent, go_on: Next) -> None:
        tries.append(event.object_id)
        if len(tries) <= 2:
            await both_hold.wait()
        await event.tx.execute(f'update "{name}" set "level" = "level" + 100 where "objectId" = $1', event.object["other"])
        await go_on()

    world.hooks.on_save(name, touch, id="touch", priority=20)
    world.hooks.on_delete(name, gone, id="gone")
    ids = [(await world.objects.create(MASTER, name, {"level": 0})).object_id for _ in range(2)]
    async with world.database.transaction() as tx:
        for one, other in (ids, ids[::-1]):
            await tx.execute(f'update "{name}" set "other" = $2 where "objectId" = $1', one, other)
    return name, ids, tries


async def test_a_save_that_loses_a_deadlock_is_tried_again(world: World) -> None:
    name, ids, tries = await swapping(world)
    body: Object = {"level": {"__op": "Increment", "amount": 1}}
    saved = await asyncio.gather(*(world.objects.update(MASTER, name, each, body) for each in ids))
    assert len(tries) == 3
    assert [(await world.stored(name, each))["level"] for each in ids] == [101, 101]
    assert {answer.response["level"] for answer in saved} == {1, 101}


async def test_a_batch_in_one_transaction_that_loses_a_deadlock_is_tried_again_as_a_whole(world: World) -> None:
    name, ids, tries = await swapping(world)

    def part(object_id: str) -> Callable[[Any], Awaitable[bytes]]:
        async def work(tx: Any) -> bytes:
            body: Object = {"level": {"__op": "Increment", "amount": 1}}
            return encode((await world.objects.update(MASTER, name, object_id, body, tx=tx)).response)

        return work

    await asyncio.gather(*(world.objects.batch([part(each)], transaction=True) for each in ids))
    assert len(tries) == 3
    assert [(await world.stored(name, each))["level"] for each in ids] == [101, 101]


async def test_a_delete_that_loses_a_deadlock_is_tried_again(world: World) -> None:
    name, ids, tries = await swapping(world)
    await asyncio.gather(*(world.objects.delete(MASTER, name, each) for each in ids))
    assert (len(tries), await world.count(name)) == (3, 0)


async def test_installations_and_join_tables_are_closed_to_clients(world: World) -> None:
    stranger = await world.person()
    words = "Clients aren't allowed to perform the find operation on the installation collection."
    for caller in (ANONYMOUS, stranger):
        with refusing(119, words):
            await attempt(world, caller, "find", "_Installation", "x")
        for name in ("_Join:users:_Role", "_SCHEMA", "_JobStatus"):
            for operation in ("find", "get", "create", "update", "delete"):
                with refusing(119):
                    await attempt(world, caller, operation, name, "x")


async def test_what_is_the_servers_is_closed_to_clients_also_where_they_may_make_classes(world: World) -> None:
    free = world.with_settings(allow_client_class_creation=True)
    try:
        for name in ("_Join:users:_Role", "_Hooks", "_GlobalConfig", "_SCHEMA", "_Audience"):
            for operation in ("find", "get", "create", "update", "delete"):
                with refusing(119):
                    await attempt(free, ANONYMOUS, operation, name, "x")
            with refusing(119):
                await free.objects.count(ANONYMOUS, free.objects.parse_query(name, {}))
        assert await free.objects.count(ANONYMOUS, free.objects.parse_query("NotYetThere", {})) == 0
        assert await free.objects.count(MASTER, free.objects.parse_query("_Hooks", {})) == 0
    finally:
        world.with_settings()


async def attempt(world: World, caller: Caller, operation: str, name: str, object_id: str) -> None:
    """One operation of a caller on a class or an object."""
    query = world.objects.parse_query(name, {})
    match operation:
        case "create":
            await world.objects.create(caller, name, {})
        case "update":
            await world.objects.update(caller, name, object_id, {"level": 99})
        case "delete":
            await world.objects.delete(caller, name, object_id)
        case "find":
            await world.objects.find(caller, query)
        case "get":
            await world.objects.get(caller, query, object_id)
        case _:
            await world.objects.count(caller, query)


BODIES: list[Object] = [
    {"level": 2},
    {"label": "x", "level": 3.5},
    {},
    {"level": 3.5},
    {"objectId": "other", "level": 4},
    {"createdAt": "2020-01-01T00:00:00.000Z", "level": 5},
    {"label": 5},
    {"label": None},
    {"needed": ""},
    {"ACL": acl(public="rw"), "level": 6},
    {"ACL": acl(role_x="rw"), "level": 7},
    {"level": 8},
]


async def told(world: World, name: str, bodies: list[Object]) -> list[Json]:
    """What a caller is answered, save by save, and what is stored after each; without ids and times."""
    made = await world.objects.create(ANONYMOUS, name, {"level": 1, "needed": "n"})
    answers: list[Json] = []
    for body in bodies:
        try:
            saved = await world.objects.update(ANONYMOUS, name, made.object_id, body)
        except ParseError as refusal:
            answers.append([int(refusal.code), refusal.message.replace(name, "X")])
        else:
            assert saved.object == await world.stored(name, made.object_id)
            answers.append(list[Json](sorted(saved.response)))
        stored = await world.stored(name, made.object_id)
        answers.append({key: value for key, value in stored.items() if key not in ("objectId", "createdAt", "updatedAt")})
    return answers


async def test_a_save_that_no_rule_looks_at_is_answered_as_one_that_is_looked_at(world: World) -> None:
    """The first is one statement, the second locks the row, reads it and writes it."""
    fields: Object = {**LEVEL, "needed": {"type": "String", "required": True}}
    plain, looked_at = await world.thing(fields=fields), await world.thing(fields=fields)

    async def look(event: SaveEvent, go_on: Next) -> None:
        await go_on()

    world.hooks.on_save(looked_at, look, id="look")
    answers = await told(world, plain, BODIES)
    assert answers == await told(world, looked_at, BODIES)
    assert [101, "Object not found."] in answers


async def test_racing_plain_saves_change_only_their_own_fields(world: World) -> None:
    name = await world.thing(fields=LEVEL)
    made = (await world.objects.create(ANONYMOUS, name, {"level": 0, "label": "0"})).object_id
    bodies: list[Object] = [{"level": 1}, {"label": "1"}]
    await asyncio.gather(*(world.objects.update(ANONYMOUS, name, made, body) for body in bodies * 5))
    stored = await world.stored(name, made)
    assert (stored["level"], stored["label"]) == (1, "1")


async def test_a_plain_save_is_one_transaction_and_is_announced(world: World) -> None:
    name, heard = await world.thing(fields=LEVEL), list[str]()
    world.database.committed.append(lambda: heard.append("written"))
    try:
        made = (await world.objects.create(ANONYMOUS, name, {"level": 1})).object_id
        await world.objects.update(ANONYMOUS, name, made, {"level": 2})
        assert len(heard) == 2
        with refusing(111):
            await world.objects.update(ANONYMOUS, name, made, {"level": "x"})
        assert len(heard) == 2
    finally:
        world.database.committed.pop()
