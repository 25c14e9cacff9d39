"""The audit trail: written with the deed or not at all, in chains that show a change, never changed."""

import asyncio
from contextvars import Context

import pytest

from app.actions.audit import Verified, chain_of, find_break, record, verify
from app.actions.caller import ANONYMOUS, MASTER
from app.actions.hooks import Next, SaveEvent
from app.core.query import Query
from app.core.wire import Object, pointer
from tests.actions.world import World, refusing
from tests.conftest import PATIENCE


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

        await asyncio.wait_for(asyncio.create_task(write(), context=Context()), PATIENCE)
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


# ---- what was cut off, and what was rebuilt


CUT = """delete from "AuditLog" where "objectId" = $1"""
NOTED = "update careboard.audit_head set number = $2, hash = $3 where chain = $1"


async def chain_with(world: World, audited: str, rows: int) -> list[Object]:
    """A new object's history of so many rows."""
    made = (await world.objects.create(MASTER, audited, {"level": 0})).object_id
    for level in range(1, rows):
        await world.objects.update(MASTER, audited, made, {"level": level})
    return await history(world, made)


async def verified(world: World, *statements: tuple[object, ...], anchor: Verified | None = None, **more: str) -> Verified:
    """What a verification finds after these were run behind the trail's back, which is then undone."""
    async with world.database.connection() as connection:
        forging = connection.transaction()
        await forging.start()
        await connection.execute("set local session_replication_role = replica")
        for text, *arguments in statements:
            await connection.execute(str(text), *arguments)
        if entity := more.get("then_write"):
            await connection.execute("set local session_replication_role = origin")
            await record(connection, MASTER, "after", more["class_name"], entity, "written behind it")
        found = await verify(connection, anchor=anchor.heads if anchor else None)
        await forging.rollback()
    return found


async def test_rows_cut_off_at_the_end_show(world: World, audited: str) -> None:
    rows = await chain_with(world, audited, 3)
    last = [str(row["objectId"]) for row in rows[1:]]
    found = await verified(world, *((CUT, each) for each in last))
    assert [(each.object_id, each.what) for each in found.breaks] == [(last[0], "is missing: 2 rows cut off at the end")]


async def test_a_chain_that_is_gone_as_a_whole_shows(world: World, audited: str) -> None:
    rows = await chain_with(world, audited, 1)
    chain = str(rows[0]["objectId"])[:2]
    found = await verified(world, ("""delete from "AuditLog" where "objectId" like $1""", f"{chain}%"))
    assert [each.object_id for each in found.breaks] == [f"{chain}0000000001"]


async def test_what_was_cut_off_still_shows_when_the_chain_went_on(world: World, audited: str) -> None:
    rows = await chain_with(world, audited, 2)
    last = str(rows[-1]["objectId"])
    found = await verified(world, (CUT, last), then_write=str(rows[0]["entityId"]), class_name=audited)
    assert [each.object_id for each in found.breaks] == [last]
    assert "is missing; " in found.breaks[0].what


async def test_who_also_forges_the_noted_end_is_found_by_an_anchor_kept_outside(world: World, audited: str) -> None:
    rows = await chain_with(world, audited, 2)
    anchor = await verified(world)
    assert anchor.breaks == ()
    first, last = rows
    chain, number = int(str(last["objectId"])[:2]), int(str(last["objectId"])[2:])
    cut = ((CUT, last["objectId"]), (NOTED, chain, number - 1, first["hash"]))
    assert (await verified(world, *cut)).breaks == ()
    assert [each.object_id for each in (await verified(world, *cut, anchor=anchor)).breaks] == [last["objectId"]]
    rebuilt = await verified(world, *cut, anchor=anchor, then_write=str(first["entityId"]), class_name=audited)
    assert [each.object_id for each in rebuilt.breaks] == [last["objectId"]]
    assert "the chain was rebuilt" in rebuilt.breaks[0].what


async def test_an_anchor_of_before_holds_while_the_trail_goes_on(world: World, audited: str) -> None:
    anchor = await verified(world)
    await chain_with(world, audited, 3)
    told: list[tuple[int, int]] = []
    async with world.database.connection() as connection:
        found = await verify(connection, anchor=anchor.heads, told=lambda done, total: told.append((done, total)))
    assert found.breaks == ()
    assert told[-1] == (found.rows, found.rows)


async def test_a_row_outside_of_every_chain_shows(world: World, audited: str) -> None:
    rows = await chain_with(world, audited, 1)
    stray = (
        """insert into "AuditLog" ("objectId", "action", "entityType", "entityId", "summary") values ($1, 'a', 't', 'i', 's')"""
    )
    found = await verified(world, (stray, "zz"))
    assert [(each.object_id, each.what) for each in found.breaks] == [("zz", "is in no chain of the trail")]
    assert rows


# ---- notes


def note_of(actor: Object, **more: object) -> Object:
    body = {
        "actor": actor,
        "action": "call",
        "entityType": "Prescription",
        "entityId": "x1",
        "summary": "called the clinic",
        **more,
    }
    return {name: value for name, value in body.items() if value is not None}  # type: ignore[misc]  # they are wire values


async def test_an_admin_adds_a_note_that_goes_through_the_chain_and_is_marked(world: World) -> None:
    admin = await world.person("admin")
    me = pointer("_User", str(admin.user_id))
    saved = await world.objects.create(admin, "AuditLog", note_of(me, metadata={"answer": "yes"}))
    row = await world.objects.get_object(admin, "AuditLog", saved.object_id)
    assert saved.response == {"objectId": row["objectId"], "createdAt": row["createdAt"]}
    assert (row["actor"], row["summary"], row["byHand"]) == (me, "called the clinic", True)
    assert row["metadata"] == row["payload"] == {"answer": "yes"}
    query = world.objects.parse_query("AuditLog", {"where": {"payload.answer": "yes"}})
    assert len((await world.objects.find(admin, query)).results) == 1
    async with world.database.connection() as connection:
        assert await find_break(connection) is None
    unmarked = ("""update "AuditLog" set "byHand" = null where "objectId" = $1""", saved.object_id)
    assert [each.object_id for each in (await verified(world, unmarked)).breaks] == [saved.object_id]


async def test_payload_is_another_name_of_metadata(world: World) -> None:
    admin = await world.person("admin")
    me = pointer("_User", str(admin.user_id))
    saved = await world.objects.create(admin, "AuditLog", note_of(me, payload={"a": 1}))
    assert saved.object["metadata"] == {"a": 1}
    with refusing(142, "payload: it is the same value as metadata; give one of the two."):
        await world.objects.create(admin, "AuditLog", note_of(me, payload={"a": 1}, metadata={"a": 2}))


async def test_a_note_is_in_the_own_name_but_for_the_master_key(world: World) -> None:
    admin, other = await world.person("admin"), await world.person("admin")
    theirs = pointer("_User", str(other.user_id))
    with refusing(119, "actor: give yourself; only the master key notes for somebody else."):
        await world.objects.create(admin, "AuditLog", note_of(theirs))
    assert (await world.objects.create(MASTER, "AuditLog", note_of(theirs))).object["actor"] == theirs


@pytest.mark.parametrize("missing", ["actor", "action", "entityType", "entityId", "summary"])
async def test_a_missing_field_of_a_note_is_named(world: World, missing: str) -> None:
    admin = await world.person("admin")
    body = note_of(pointer("_User", str(admin.user_id)))
    with refusing(142, f"{missing} is required"):
        await world.objects.create(admin, "AuditLog", {name: value for name, value in body.items() if name != missing})


@pytest.mark.parametrize(
    ("more", "code"), [({"hash": "x"}, 119), ({"byHand": False}, 119), ({"color": 1}, 119), ({"summary": 7}, 111)]
)
async def test_what_is_the_server_s_in_a_note_is_refused(world: World, more: Object, code: int) -> None:
    before = await world.count("AuditLog")
    with refusing(code):
        await world.objects.create(MASTER, "AuditLog", note_of(pointer("_User", "someone"), **more))
    assert await world.count("AuditLog") == before


async def test_everybody_else_is_refused_with_a_sentence(world: World) -> None:
    for caller in (ANONYMOUS, await world.person("pharmacist"), await world.person("dispatcher")):
        with refusing(119, "AuditLog is written by the server, with each deed; an admin may add a note, and nobody else."):
            await world.objects.create(caller, "AuditLog", note_of(pointer("_User", str(caller.user_id))))
