"""The access log: who was shown what is written before they are answered, never changed, and read by those it is about."""

import asyncio
from dataclasses import dataclass

import pytest

from app.actions import reads as reading
from app.actions.caller import ANONYMOUS, MASTER, Caller
from app.actions.objects import utc_now
from app.actions.reads import Reads
from app.core.query import Query
from app.core.wire import Json, Object, date_to_wire, pointer
from app.errors import ErrorCode, ParseError
from app.store.accesslog import subject_ddl
from tests.actions.world import World, refusing
from tests.conftest import PATIENCE


@dataclass
class Ward:
    """Charts of a patient, under the log, with notes that point to them; and a clock of the log."""

    world: World
    patient: Caller
    chart: str
    note: str
    now: float = 0.0

    async def new_chart(self, **fields: Json) -> str:
        body: Object = {"patient": pointer("_User", str(self.patient.user_id)), **fields}
        return (await self.world.objects.create(MASTER, self.chart, body)).object_id

    async def logged(self, caller: Caller, **where: Json) -> list[tuple[Json, Json, Json]]:
        """(class, objectId, action) of every row about what a person was shown, in their order."""
        where["user"] = pointer("_User", str(caller.user_id))
        query = self.world.objects.parse_query("AccessLog", {"where": where, "order": "createdAt,entityId"})
        found = await self.world.objects.find_objects(MASTER, query)
        return [(row.get("entityType"), row.get("entityId"), row["action"]) for row in found]


@pytest.fixture(scope="module")
async def ward(world: World) -> Ward:
    chart = await world.thing(
        fields={"patient": {"type": "Pointer", "targetClass": "_User"}, "text": {"type": "String"}, "more": {"type": "Object"}}
    )
    note = await world.thing(fields={"chart": {"type": "Pointer", "targetClass": chart}, "text": {"type": "String"}})
    ward = Ward(world, await world.person(), chart, note)
    world.objects.reads = Reads(world.database, {chart}, clock=lambda: ward.now)
    async with world.database.transaction() as tx:
        await tx.execute(subject_ddl({chart: "patient", note: "chart.patient"}, world.objects.schemas.get))
    return ward


async def test_a_find_a_get_and_an_include_are_written_before_the_answer(ward: Ward) -> None:
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    one, two = await ward.new_chart(text="ok"), await ward.new_chart(text="ok")
    query = objects.parse_query(ward.chart, {"where": {"objectId": {"$in": [one, two]}}, "order": "objectId"})
    await objects.find(nurse, query)
    assert await ward.logged(nurse) == [(ward.chart, each, "find") for each in sorted((one, two))]
    await objects.get(nurse, Query(ward.chart), one)
    noted = (await objects.create(MASTER, ward.note, {"chart": pointer(ward.chart, two)})).object_id
    await objects.get(nurse, objects.parse_query(ward.note, {"include": "chart"}), noted)
    assert (await ward.logged(nurse))[2:] == [(ward.chart, one, "get"), (ward.chart, two, "include")]


async def test_what_is_asked_about_without_being_shown_is_written_as_a_count(ward: Ward) -> None:
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    await ward.new_chart()
    await objects.count(nurse, Query(ward.chart))
    assert await ward.logged(nurse) == [(ward.chart, None, "count")]


async def test_the_same_read_within_a_minute_is_one_row(ward: Ward) -> None:
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    one = await ward.new_chart()
    for ward.now in (1000.0, 1059.0, 1061.0):
        await objects.get(nurse, Query(ward.chart), one)
    assert await ward.logged(nurse) == [(ward.chart, one, "get")] * 2


async def test_readers_at_once_share_the_writing_and_each_has_its_row(ward: Ward) -> None:
    objects, one = ward.world.objects, await ward.new_chart()
    nurses = [await ward.world.person("nurse") for _ in range(5)]
    await asyncio.gather(*(objects.get(nurse, Query(ward.chart), one) for nurse in nurses))
    for nurse in nurses:
        assert await ward.logged(nurse) == [(ward.chart, one, "get")]


async def test_the_row_says_whose_record_it_was_and_only_they_the_reader_and_admins_see_it(ward: Ward) -> None:
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    one = await ward.new_chart()
    await objects.get(nurse, Query(ward.chart), one)
    row = (await ward.world.rows("AccessLog", entityId=one))[0]
    assert (row["userName"], row["userRole"]) == (str(nurse.user["username"] if nurse.user else ""), "nurse")
    assert (row["user"], row["subject"]) == (pointer("_User", str(nurse.user_id)), pointer("_User", str(ward.patient.user_id)))
    query = objects.parse_query("AccessLog", {"where": {"entityId": one}})
    admin, stranger, other = [await ward.world.person(role) for role in ("admin", "patient", "nurse")]
    for who, seen in ((ward.patient, 1), (admin, 1), (nurse, 1), (stranger, 0), (other, 0)):
        assert len((await objects.find(who, query)).results) == seen, who.role
    with refusing(101):
        await objects.find(ANONYMOUS, query)


async def test_the_subject_is_found_along_several_pointers(ward: Ward) -> None:
    one = await ward.new_chart()
    noted = (await ward.world.objects.create(MASTER, ward.note, {"chart": pointer(ward.chart, one)})).object_id
    async with ward.world.database.connection() as connection:
        assert await connection.fetchval("select careboard.subject_of($1, $2)", ward.note, noted) == ward.patient.user_id
        assert await connection.fetchval("select careboard.subject_of($1, $2)", "PatientSite", noted) is None
    with pytest.raises(TypeError, match="leads to"):
        subject_ddl({ward.note: "chart"}, ward.world.objects.schemas.get)


async def test_the_master_key_and_what_is_not_there_leave_no_row(ward: Ward) -> None:
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    one, before = await ward.new_chart(), await ward.world.count("AccessLog")
    await objects.get(MASTER, Query(ward.chart), one)
    with refusing(101):
        await objects.get(nurse, Query(ward.chart), "nothing")
    await objects.find(nurse, objects.parse_query(ward.chart, {"where": {"text": "no such text"}}))
    await objects.find(nurse, Query(ward.note))
    assert await ward.world.count("AccessLog") == before


async def test_an_object_that_looks_like_another_in_its_values_is_one_row(ward: Ward) -> None:
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    fake = f'"__type":"Object","className":"{ward.chart}","objectId":"fake"'
    one = await ward.new_chart(text=fake, more={"a": {"className": ward.chart, "objectId": "fake", "text": fake}})
    await objects.get(nurse, objects.parse_query(ward.chart, {"include": "patient"}), one)
    assert await ward.logged(nurse) == [(ward.chart, one, "get")]


async def test_an_id_of_any_characters_is_written_as_it_is(ward: Ward) -> None:
    objects, nurse = ward.world.with_settings(allow_custom_object_id=True).objects, await ward.world.person("nurse")
    odd = 'a"b\\c'
    await objects.create(MASTER, ward.chart, {"objectId": odd})
    noted = (await objects.create(MASTER, ward.note, {"chart": pointer(ward.chart, odd)})).object_id
    await ward.world.objects.get(nurse, Query(ward.chart), odd)
    await ward.world.objects.get(nurse, objects.parse_query(ward.note, {"include": "chart"}), noted)
    assert await ward.logged(nurse) == [(ward.chart, odd, "get"), (ward.chart, odd, "include")]


async def test_no_row_no_answer(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written down is not shown; it is written once that is possible again."""
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    one = await ward.new_chart()

    async def fail(*_: object) -> None:
        raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "away")

    with monkeypatch.context() as broken:
        broken.setattr(reading, "insert_reads", fail)
        with refusing(1):
            await objects.get(nurse, Query(ward.chart), one)
    assert await ward.logged(nurse) == []
    await objects.reads.written()
    assert await ward.logged(nurse) == [(ward.chart, one, "get")]


async def test_in_a_transaction_the_row_is_written_a_moment_later(ward: Ward) -> None:
    objects, nurse = ward.world.objects, await ward.world.person("nurse")
    one = await ward.new_chart()
    with refusing(142, "undone"):
        async with objects.transaction() as tx:
            await objects.get(nurse, Query(ward.chart), one, tx=tx)
            raise ParseError(ErrorCode.VALIDATION_ERROR, "undone")
    await objects.reads.written()
    assert await ward.logged(nurse) == [(ward.chart, one, "get")]


async def test_past_the_bound_the_class_is_written_and_nothing_is_left_out(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, nurse = ward.world.objects.reads, await ward.world.person("nurse")
    monkeypatch.setattr(reading, "MOST_WAITING", 3)
    for number in range(10):
        reads.note(str(nurse.user_id), ward.chart, f"chart{number}", "live")
    await reads.written()
    assert {each[1] for each in await ward.logged(nurse)} == {None, "chart0", "chart1", "chart2"}
    assert reads.degraded == 7


async def test_the_task_writes_what_live_pushes_showed_and_a_stop_writes_the_rest(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FLUSH_SECONDS", 0.01)
    reads, nurse = Reads(ward.world.database, {ward.chart}), await ward.world.person("nurse")
    await reads.start()
    reads.note(str(nurse.user_id), ward.chart, "first", "live")
    async with asyncio.timeout(PATIENCE):
        while not await ward.logged(nurse):  # noqa: ASYNC110 - it looks at the database
            await asyncio.sleep(0.01)
    monkeypatch.setattr(reading, "FLUSH_SECONDS", 1000)
    await asyncio.sleep(0.05)
    reads.note(str(nurse.user_id), ward.chart, "second", "live")
    await reads.stop()
    assert [each[1] for each in await ward.logged(nurse)] == ["first", "second"]


async def test_who_looked_writes_it_in_the_own_name_alone(ward: Ward) -> None:
    objects, nurse, other = ward.world.objects, await ward.world.person("nurse"), await ward.world.person("nurse")
    own: Object = {"user": pointer("_User", str(nurse.user_id)), "accessTime": date_to_wire(utc_now())}
    saved = await objects.create(nurse, "AccessLog", {**own, "ACL": {"*": {"read": True, "write": True}}})
    assert (await objects.get_object(nurse, "AccessLog", saved.object_id))["ACL"] == {
        "role:admin": {"read": True},
        str(nurse.user_id): {"read": True},
    }
    with refusing(119, "user: give yourself; nobody notes a read of somebody else."):
        await objects.create(other, "AccessLog", own)
    for name, value in (("subject", own["user"]), ("userName", "Somebody Else"), ("userRole", "admin")):
        with refusing(119):
            await objects.create(nurse, "AccessLog", {**own, name: value})
    for missing in ("user", "accessTime"):
        with refusing(142, f"{missing} is required"):
            await objects.create(MASTER, "AccessLog", {name: value for name, value in own.items() if name != missing})
    with refusing(101):
        await objects.create(ANONYMOUS, "AccessLog", own)


@pytest.mark.parametrize("operation", ["update", "delete"])
async def test_nobody_changes_a_row_not_even_the_master_key(ward: Ward, operation: str) -> None:
    objects, nurse, admin = ward.world.objects, await ward.world.person("nurse"), await ward.world.person("admin")
    body: Object = {"user": pointer("_User", str(nurse.user_id)), "accessTime": date_to_wire(utc_now())}
    row = (await objects.create(nurse, "AccessLog", body)).object_id
    for caller in (ANONYMOUS, nurse, admin, MASTER):
        with refusing(119, "AccessLog is append-only; its rows are never changed or deleted." if caller is MASTER else None):
            if operation == "update":
                await objects.update(caller, "AccessLog", row, {"action": "x"})
            else:
                await objects.delete(caller, "AccessLog", row)
    for statement in ("""update "AccessLog" set "action" = 'x'""", 'delete from "AccessLog"', 'truncate "AccessLog"'):
        with refusing(119):
            async with ward.world.database.transaction() as tx:
                await tx.execute(statement)
