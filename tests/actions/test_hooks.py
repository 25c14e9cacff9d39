"""Hooks: their order, what they may change, and that a write without its hooks' consent did not happen."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller
from app.actions.hooks import EVERY_CLASS, DeleteEvent, Next, SaveEvent, SaveHandler, SignInEvent, Writes
from app.core.wire import UNSET, Json, Object
from app.errors import ErrorCode, ParseError
from tests.actions.world import PASSWORD, World, at, refusing

FIELDS: Object = {"level": {"type": "Number"}, "label": {"type": "String"}, "need": {"type": "String"}}


def noting(told: list[str], word: str) -> SaveHandler:
    async def handler(event: SaveEvent, go_on: Next) -> None:
        told.append(f"{word}>")
        await go_on()
        told.append(f"<{word}")

    return handler


async def test_lower_priority_stands_outside_and_equals_keep_their_order(world: World) -> None:
    name, told = await world.thing(), list[str]()
    world.hooks.on_save(name, noting(told, "b"), id="b")
    world.hooks.on_save(name, noting(told, "a"), id="a", priority=-5)
    world.hooks.on_save(name, noting(told, "c"), id="c")
    await world.objects.create(ANONYMOUS, name, {})
    assert told == ["a>", "b>", "c>", "<c", "<b", "<a"]


async def test_the_same_id_replaces(world: World) -> None:
    name, told = await world.thing(), list[str]()
    world.hooks.on_save(name, noting(told, "old"), id="one")
    world.hooks.on_save(name, noting(told, "new"), id="one", priority=9)
    await world.objects.create(ANONYMOUS, name, {})
    assert told == ["new>", "<new"]


async def test_a_hook_of_another_class_stays_silent(world: World) -> None:
    name, other, told = await world.thing(), await world.thing(), list[str]()
    world.hooks.on_save(other, noting(told, "other"), id="x")
    await world.objects.create(ANONYMOUS, name, {})
    assert told == []


async def test_a_value_set_by_a_hook_is_stored_and_answered(world: World) -> None:
    name = await world.thing(fields=FIELDS)

    async def fill(event: SaveEvent, go_on: Next) -> None:
        event.set("label", "by hook")
        if not event.is_new:
            event.set("level", UNSET)
        await go_on()
        assert event.object["label"] == "by hook"

    world.hooks.on_save(name, fill, id="fill")
    saved = await world.objects.create(ANONYMOUS, name, {"level": 1})
    assert saved.response == {"objectId": saved.object_id, "createdAt": saved.created_at, "label": "by hook"}
    changed = await world.objects.update(ANONYMOUS, name, saved.object_id, {"need": "x"})
    wanted: Object = {"updatedAt": changed.updated_at, "label": "by hook", "level": {"__op": "Delete"}}
    assert changed.response == wanted
    assert "level" not in await world.stored(name, saved.object_id)


async def test_a_value_set_by_a_hook_must_fit_its_column(world: World) -> None:
    name = await world.thing(fields=FIELDS)

    async def fill(event: SaveEvent, go_on: Next) -> None:
        event.set("level", "high")
        await go_on()

    world.hooks.on_save(name, fill, id="fill")
    with refusing(111):
        await world.objects.create(ANONYMOUS, name, {})
    assert await world.count(name) == 0


async def test_early_hooks_may_fill_required_fields_and_late_ones_find_them(world: World) -> None:
    name = await world.thing(fields={**FIELDS, "need": {"type": "String", "required": True}})
    seen: list[object] = []

    async def late(event: SaveEvent, go_on: Next) -> None:
        seen.append(event.object["need"])
        await go_on()

    world.hooks.on_save(name, late, id="late")
    with refusing(142, "need is required"):
        await world.objects.create(ANONYMOUS, name, {})
    assert seen == []

    async def early(event: SaveEvent, go_on: Next) -> None:
        event.set("need", "filled")
        await go_on()

    world.hooks.on_save(name, early, id="early", priority=-1)
    await world.objects.create(ANONYMOUS, name, {})
    assert seen == ["filled"]


@pytest.mark.parametrize("late", [False, True])
async def test_a_refusal_leaves_nothing_behind(world: World, late: bool) -> None:
    name, side = await world.thing(), await world.thing()
    committed: list[str] = []

    async def refuse(event: SaveEvent, go_on: Next) -> None:
        await event.objects.create(MASTER, side, {"from": event.object_id}, tx=event.tx)
        if late:
            await go_on()
        raise ParseError(ErrorCode.VALIDATION_ERROR, "not today")

    async def note(event: SaveEvent | DeleteEvent) -> None:
        committed.append(event.object_id)

    world.hooks.on_save(name, refuse, id="refuse")
    world.hooks.after_commit(name, note)
    with refusing(142, "not today"):
        await world.objects.create(ANONYMOUS, name, {"fresh": 1})
    await world.hooks.drain()
    assert (await world.count(name), await world.count(side), committed) == (0, 0, [])
    assert "fresh" not in world.objects.schemas.get(name).fields


async def test_a_hook_that_never_goes_on_is_refused(world: World) -> None:
    name = await world.thing()

    async def forgetful(event: SaveEvent, go_on: Next) -> None:
        event.context["seen"] = True

    world.hooks.on_save(name, forgetful, id="forgetful")
    with refusing(141, "The hook 'forgetful' stopped this write without a reason."):
        await world.objects.create(ANONYMOUS, name, {})
    assert await world.count(name) == 0


async def test_a_write_is_not_written_twice(world: World) -> None:
    name = await world.thing()

    async def twice(event: SaveEvent, go_on: Next) -> None:
        await go_on()
        await go_on()

    world.hooks.on_save(name, twice, id="twice")
    with pytest.raises(RuntimeError, match="twice"):
        await world.objects.create(ANONYMOUS, name, {})
    assert await world.count(name) == 0


async def test_writes_across_classes_join_the_transaction(world: World) -> None:
    name, side = await world.thing(), await world.thing()

    async def follow(event: SaveEvent, go_on: Next) -> None:
        await go_on()
        await event.objects.create(MASTER, side, {"of": event.object_id}, tx=event.tx)

    world.hooks.on_save(name, follow, id="follow")
    saved = await world.objects.create(ANONYMOUS, name, {})
    assert [row["of"] for row in await world.rows(side)] == [saved.object_id]


async def test_after_commit_comes_after_the_outermost_commit_in_order(world: World) -> None:
    name = await world.thing(fields=FIELDS)
    seen: list[tuple[object, int]] = []

    async def look(event: SaveEvent | DeleteEvent) -> None:
        seen.append((event.object["level"], await world.count(name)))

    async def fail(event: SaveEvent | DeleteEvent) -> None:
        raise ValueError("a broken handler")

    world.hooks.after_commit(name, fail)
    world.hooks.after_commit(name, look)
    async with world.objects.transaction() as tx:
        for level in (1, 2):
            await world.objects.create(ANONYMOUS, name, {"level": level}, tx=tx)
        await asyncio.sleep(0)
        assert seen == []
    await world.hooks.drain()
    assert seen == [(1, 2), (2, 2)]


async def test_a_hook_knows_what_changed(world: World) -> None:
    name = await world.thing(fields=FIELDS)
    seen: list[tuple[bool, bool, bool]] = []

    async def look(event: SaveEvent, go_on: Next) -> None:
        seen.append((event.is_new, event.changed("level"), event.changed("label")))
        await go_on()

    world.hooks.on_save(name, look, id="look")
    saved = await world.objects.create(ANONYMOUS, name, {"level": 1})
    await world.objects.update(ANONYMOUS, name, saved.object_id, {"level": 1, "label": "x"})
    assert seen == [(True, True, False), (False, False, True)]


async def test_delete_hooks_stand_around_the_delete(world: World) -> None:
    name = await world.thing()
    saved = await world.objects.create(ANONYMOUS, name, {})
    open_gate = False

    async def gate(event: DeleteEvent, go_on: Next) -> None:
        if not open_gate:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "kept")
        assert event.object == saved.object
        await go_on()

    world.hooks.on_delete(name, gate, id="gate")
    with refusing(119, "kept"):
        await world.objects.delete(ANONYMOUS, name, saved.object_id)
    assert await world.count(name) == 1
    open_gate = True
    await world.objects.delete(ANONYMOUS, name, saved.object_id)
    assert await world.count(name) == 0


async def test_a_hook_of_every_class_hears_all(world: World) -> None:
    name, told = await world.thing(), list[str]()
    world.hooks.on_save(EVERY_CLASS, noting(told, "all"), id="all-test")
    try:
        await world.objects.create(ANONYMOUS, name, {})
    finally:
        world.hooks.on_save("Nothing", noting(told, "all"), id="all-test")
    assert told == ["all>", "<all"]


async def test_a_function_answers_values_and_whole_objects_among_them(world: World) -> None:
    name = await world.thing(fields=FIELDS)
    saved = await world.objects.create(MASTER, name, {"level": 7, "label": "x"})

    async def lists(caller: Caller, params: Mapping[str, Json], objects: Writes) -> Json:
        whole: Object = {"__type": "Object", "className": name, **await objects.get_object(caller, name, saved.object_id)}
        return {"found": [whole], "at": {"__type": "Date", "iso": "2026-01-01T00:00:00Z"}}

    world.hooks.define("lists", lists)
    told = await world.hooks.call(MASTER, "lists", {}, world.objects)
    assert isinstance(told, dict)
    assert told["at"] == {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"}
    assert told["found"] == [{"__type": "Object", "className": name, **saved.object}]


async def test_a_function_that_answers_what_no_sdk_reads_is_refused(world: World) -> None:
    async def odd(caller: Caller, params: Mapping[str, Json], objects: Writes) -> Json:
        return {"__type": "Thing"}

    world.hooks.define("odd", odd)
    with pytest.raises(ParseError, match="not a valid Thing"):
        await world.hooks.call(MASTER, "odd", {}, world.objects)


async def test_a_sign_in_that_a_hook_refuses_opens_no_session(world: World) -> None:
    person = await world.person()
    name = str((person.user or {})["username"])
    told: list[SignInEvent] = []

    async def refuse(event: SignInEvent) -> None:
        if event.user.get("username") == name:
            told.append(event)
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "The ward is closed.")

    sessions = await world.count("_Session")
    world.hooks.before_login(refuse, id="ward")
    try:
        with refusing(101):
            await world.signed_in(name, "wrong")
        assert told == [], "nobody hears of a wrong password"
        with refusing(119, "The ward is closed."):
            await world.users.log_in(at("203.0.113.9"), {"username": name, "password": PASSWORD})
        with refusing(119):
            await world.users.log_in_as(MASTER, person.user_id)
        await world.person()
    finally:
        world.hooks.before_login(_nothing, id="ward")
    assert await world.count("_Session") == sessions + 1, "only somebody else came in"
    assert [(event.provider, event.address) for event in told] == [("password", "203.0.113.9"), ("masterkey", "")]
    await world.signed_in(name)


async def test_hooks_hear_of_sign_ins_and_sign_outs_once_they_are_committed(world: World) -> None:
    body: Object = {"authData": {"anonymous": {"id": uuid4().hex}}}
    first = await world.users.sign_up(ANONYMOUS, body)
    heard: list[tuple[str, str, str | None, int]] = []

    async def come(event: SignInEvent) -> None:
        if event.user["objectId"] == first["objectId"]:
            sessions = await world.rows("_Session", installationId="phone-7")
            heard.append(("in", event.provider, event.installation_id, len(sessions)))
            raise ValueError("a broken handler")

    async def go(event: SignInEvent) -> None:
        if event.user["objectId"] == first["objectId"]:
            sessions = await world.rows("_Session", installationId="phone-7")
            heard.append(("out", event.provider, event.installation_id, len(sessions)))

    world.hooks.after_login(come, id="door")
    world.hooks.after_logout(go, id="door")
    try:
        phone = replace(ANONYMOUS, installation_id="phone-7")
        answer = await world.users.sign_up(phone, body)
        await world.hooks.drain()
        await world.users.log_out(await world.caller(answer))
        await world.users.log_out(ANONYMOUS)
        await world.hooks.drain()
    finally:
        world.hooks.after_login(_nothing, id="door")
        world.hooks.after_logout(_nothing, id="door")
    assert heard == [("in", "anonymous", "phone-7", 1), ("out", "", "phone-7", 0)]


async def _nothing(event: SignInEvent) -> None:
    return
