"""The audit trail: written with the deed or not at all, one chain, never changed."""

import asyncio

import pytest

from app.actions.audit import find_break, record
from app.actions.caller import ANONYMOUS, MASTER
from app.actions.hooks import Next, SaveEvent
from app.core.query import Query
from app.core.wire import Object, pointer
from tests.actions.world import World, refusing


@pytest.fixture(scope="module")
async def audited(world: World) -> str:
    """A class whose saves are recorded in the middle of their transaction."""
    name = await world.thing(fields={"level": {"type": "Number"}})

    async def note(event: SaveEvent, go_on: Next) -> None:
        await go_on()
        details: Object = {"level": event.object.get("level"), "at": 1.0, "when": {"__type": "Date", "iso": "2026-01-01"}}
        await record(event.tx, event.caller, "save", event.class_name, event.object_id, "saved ✓", details)
        await event.tx.execute("select 1")

    world.hooks.on_save(name, note, id="audit")
    return name


async def test_clients_neither_read_nor_write_the_trail(world: World, audited: str) -> None:
    await world.objects.create(MASTER, audited, {"level": 1})
    body: Object = {"action": "a", "entityType": "t", "entityId": "i", "summary": "s"}
    for caller in (ANONYMOUS, await world.person(), await world.person("dispatcher")):
        for attempt in (world.objects.find(caller, Query("AuditLog")), world.objects.create(caller, "AuditLog", body)):
            with refusing(119):
                await attempt
    admin = await world.person("admin")
    assert len((await world.objects.find(admin, Query("AuditLog"))).results) == 1
    with refusing(119):
        await world.objects.create(admin, "AuditLog", body)


async def test_a_row_says_who_did_what(world: World, audited: str) -> None:
    person = await world.person("driver")
    saved = await world.objects.create(person, audited, {"level": 5})
    row = (await world.rows("AuditLog", entityId=saved.object_id))[0]
    assert (row["action"], row["entityType"], row["summary"]) == ("save", audited, "saved ✓")
    assert row["actor"] == pointer("_User", str(person.user_id))
    assert row["metadata"] == {"level": 5, "at": 1, "when": {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"}}


async def test_no_row_without_the_deed(world: World, audited: str) -> None:
    before = await world.count("AuditLog")
    with refusing(111):
        async with world.objects.transaction() as tx:
            await world.objects.create(MASTER, audited, {"level": 1}, tx=tx)
            await world.objects.create(MASTER, audited, {"level": "x"}, tx=tx)
    assert await world.count("AuditLog") == before


async def test_the_chain_holds_under_racing_writers_that_cross(world: World, audited: str) -> None:
    made = [(await world.objects.create(MASTER, audited, {"level": 0})).object_id for _ in range(2)]
    before = await world.count("AuditLog")
    body: Object = {"level": {"__op": "Increment", "amount": 1}}

    async def both_ways(number: int) -> None:
        async with world.objects.transaction() as tx:
            await world.objects.update(MASTER, audited, made[number % 2], body, tx=tx)

    async def one_after_other() -> None:
        async with world.objects.transaction() as tx:
            for object_id in made:
                await world.objects.update(MASTER, audited, object_id, body, tx=tx)

    await asyncio.gather(*(both_ways(number) for number in range(20)), *(one_after_other() for _ in range(10)))
    assert await world.count("AuditLog") == before + 40
    async with world.database.connection() as connection:
        assert await find_break(connection) is None


async def test_a_changed_row_shows(world: World, audited: str) -> None:
    for level in range(3):
        await world.objects.create(MASTER, audited, {"level": level})
    rows = await world.objects.find_objects(MASTER, world.objects.parse_query("AuditLog", {"order": "objectId"}))
    forged = str(rows[1]["objectId"])
    for change in (
        f"""update "AuditLog" set "summary" = 'harmless' where "objectId" = '{forged}'""",
        f"""delete from "AuditLog" where "objectId" = '{forged}'""",
    ):
        with refusing(119, "AuditLog is append-only; its rows are never changed or deleted."):
            async with world.database.transaction() as tx:
                await tx.execute(change)
        async with world.database.connection() as connection:
            assert await find_break(connection) is None
            forging = connection.transaction()
            await forging.start()
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(change)
            found = await find_break(connection)
            await forging.rollback()
        assert found in (forged, str(rows[2]["objectId"]))


@pytest.mark.parametrize("operation", ["update", "delete"])
async def test_the_master_key_changes_no_row(world: World, audited: str, operation: str) -> None:
    await world.objects.create(MASTER, audited, {"level": 1})
    row = (await world.rows("AuditLog"))[0]
    with refusing(119, "AuditLog is append-only; its rows are never changed or deleted."):
        if operation == "update":
            await world.objects.update(MASTER, "AuditLog", str(row["objectId"]), {"summary": "x"})
        else:
            await world.objects.delete(MASTER, "AuditLog", str(row["objectId"]))
    assert await world.stored("AuditLog", str(row["objectId"])) == row
