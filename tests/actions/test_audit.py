"""The audit trail: written with the deed or not at all, in chains that show a change, never changed."""

import asyncio
from contextvars import Context

import pytest

from app.actions.audit import chain_of, find_break, record
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


async def history(world: World, object_id: str) -> list[Object]:
    """The rows about one object, in their order."""
    query = world.objects.parse_query("AuditLog", {"where": {"entityId": object_id}, "order": "objectId"})
    return await world.objects.find_objects(MASTER, query)


async def test_clients_neither_read_nor_write_the_trail(world: World, audited: str) -> None:
    await world.objects.create(MASTER, audited, {"level": 1})
    body: Object = {"action": "a", "entityType": "t", "entityId": "i", "summary": "s"}
    for caller in (ANONYMOUS, await world.person(), await world.person("dispatcher")):
        for attempt in (world.objects.find(caller, Query("AuditLog")), world.objects.create(caller, "AuditLog", body)):
            with refusing(119):
                await attempt
    admin = await world.person("admin")
    assert len((await world.objects.find(admin, Query("AuditLog"))).results) == 1
    for caller in (admin, MASTER):
        with refusing(119):
            await world.objects.create(caller, "AuditLog", body)
    assert await world.count("AuditLog") == 1


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


FORGED = """update "AuditLog" set "summary" = 'harmless' where "objectId" = '{0}'"""
REMOVED = """delete from "AuditLog" where "objectId" = '{0}'"""
REORDERED = """
update "AuditLog" a
set "metadata" = b."metadata", "createdAt" = b."createdAt", "hash" = b."hash", "previousHash" = b."previousHash"
from "AuditLog" b where (a."objectId", b."objectId") in (('{0}', '{1}'), ('{1}', '{0}'))
"""
RENUMBERED = """update "AuditLog" set "objectId" = '99' || substr("objectId", 3) where "objectId" = '{0}'"""


@pytest.mark.parametrize("forgery", [FORGED, REMOVED, REORDERED, RENUMBERED])
async def test_a_changed_removed_or_moved_row_shows(world: World, audited: str, forgery: str) -> None:
    made = (await world.objects.create(MASTER, audited, {"level": 0})).object_id
    for level in (1, 2, 3):
        await world.objects.update(MASTER, audited, made, {"level": level})
    ids = [str(row["objectId"]) for row in await history(world, made)]
    change = forgery.format(*ids[1:])
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
    assert found in ids[1:3]


async def test_the_history_of_an_object_is_one_chain_in_its_order(world: World, audited: str) -> None:
    made = (await world.objects.create(MASTER, audited, {"level": 0})).object_id
    for level in (1, 2):
        await world.objects.update(MASTER, audited, made, {"level": level})
    rows = await history(world, made)
    assert len({str(row["objectId"])[:2] for row in rows}) == 1
    assert [dict(row["metadata"])["level"] for row in rows if isinstance(row["metadata"], dict)] == [0, 1, 2]


async def test_writers_of_different_chains_do_not_wait_for_each_other(world: World, audited: str) -> None:
    """The first one has its rows written and its transaction open; the second one commits meanwhile."""
    names = iter(range(1_000))
    one = f"{next(names)}"
    other = next(name for name in map(str, names) if chain_of(audited, name) != chain_of(audited, one))
    async with world.database.transaction() as tx:
        await record(tx, MASTER, "hold", audited, one, "held")

        async def write() -> None:
            async with world.database.transaction() as own:
                await record(own, MASTER, "pass", audited, other, "passed")

        await asyncio.wait_for(asyncio.create_task(write(), context=Context()), 5)
    assert [row["action"] for row in await history(world, one) + await history(world, other)] == ["hold", "pass"]


async def test_what_the_database_hashed_is_what_is_read_back(world: World, audited: str) -> None:
    """Whatever a value looks like: the two texts of a link, made in SQL and in Python, are the same."""
    odd: Object = {
        'ä"\\\n': ["€", "\u2028", "\U0001f600", {}],
        "numbers": [1e22, 1.5e-9, -0.0, 2**53, 2**60, 0.1],
        "again": {"z": None, "y": [True]},
    }
    person = await world.person("driver")
    async with world.objects.transaction() as tx:
        for number in range(100):
            await record(tx, person, 'a "quoted" ✓', audited, f"odd {number}", "line\nline \\ %s", odd)
    async with world.database.connection() as connection:
        assert await find_break(connection) is None


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
