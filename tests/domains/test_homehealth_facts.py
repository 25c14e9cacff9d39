"""What the database keeps by itself: urgency as Python says it, after any write and as time passes; lists, parts, places."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.ticker import flip
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.homehealth.rules import JOB_STATES, MAX_MINUTES, WAITING, start_by, urgency
from app.domains.homehealth.triggers import tick
from app.domains.limits import instant
from app.errors import ParseError
from tests.domains.agency import DOOR, Agency
from tests.domains.floor import SOON

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
offsets = st.integers(-2000 * 60_000, 2000 * 60_000).map(lambda ms: timedelta(milliseconds=ms))
facts = st.fixed_dictionaries(
    {
        "status": st.sampled_from(JOB_STATES.states),
        "begins": offsets,
        "window": st.one_of(st.none(), st.integers(0, 600 * 60_000).map(lambda ms: timedelta(milliseconds=ms))),
        "minutes": st.one_of(st.none(), st.integers(1, MAX_MINUTES), st.just(0.5)),
        "began": st.one_of(st.none(), offsets),
    }
)


def job_of(drawn: dict[str, object]) -> Object:
    """A visit with these facts, as the rules read one."""
    begins, window, began = drawn["begins"], drawn["window"], drawn["began"]
    assert isinstance(begins, timedelta)
    job: Object = {"status": str(drawn["status"]), "scheduledTime": date_to_wire(NOON + begins)}
    if isinstance(window, timedelta):
        job["windowEnd"] = date_to_wire(NOON + begins + window)
    if isinstance(began, timedelta):
        job["startedAt"] = date_to_wire(NOON + began)
    if isinstance(drawn["minutes"], int | float):
        job["durationMinutes"] = drawn["minutes"]
    return job


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=facts)
async def test_sql_and_python_give_the_same_answer(agency: Agency, drawn: dict[str, object]) -> None:
    """And `_turnsAt` is the very millisecond at which the answer may change next; a visit to be missed is due at once."""
    job = job_of(drawn)
    told = (
        job["status"],
        instant(job["scheduledTime"]),
        start_by(job),
        instant(job.get("startedAt")),
        job.get("durationMinutes"),
    )
    calls = [f"careboard.homehealth_{name}($1, $2, $3, $4, $5, $6)" for name in ("urgency", "turns_at")]
    async with agency.database.connection() as connection:
        row = await connection.fetchrow(f"select {calls[0]} as urgency, {calls[1]} as turns", *told, NOON)
    assert row["urgency"] == urgency(job, NOON)
    last, turns = start_by(job), row["turns"]
    assert last is not None
    if job["status"] in WAITING and last <= NOON:
        assert turns == last
        return
    assert turns is None or turns > NOON
    until = NOON + timedelta(days=9) if turns is None else turns - timedelta(milliseconds=1)
    assert urgency(job, until) == urgency(job, NOON)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("\"status\" = 'confirmed', \"scheduledTime\" = now() - interval '6 minutes'", "late"),
        ("\"status\" = 'offered', \"scheduledTime\" = now() + interval '3 hours'", "unassigned_soon"),
        ('"status" = \'in_progress\', "startedAt" = now(), "durationMinutes" = null', "unknown"),
        ("\"status\" = 'in_progress', \"startedAt\" = now() - interval '76 minutes'", "overrun"),
        ('"urgency" = \'ok\', "startBy" = now() + interval \'1 year\', "_rperm" = null', "ok"),
    ],
)
async def test_psql_gets_the_facts_right_too(agency: Agency, statement: str, expected: str) -> None:
    job = await agency.new_job()
    before = await agency.stored("Job", job)
    await agency.sql(f'update "Job" set {statement} where "objectId" = $1', job)
    after = await agency.stored("Job", job)
    assert (after["urgency"], after["ACL"]) == (expected, before["ACL"])
    assert after["startBy"] == after["endsAt"]
    assert "_turnsAt" not in after


async def test_a_window_decides_until_when_a_visit_may_begin(agency: Agency) -> None:
    body = agency.job_body()
    end = date_to_wire((instant(body["scheduledTime"]) or NOON) + timedelta(hours=5))
    stored = await agency.stored("Job", await agency.make("Job", {**body, "windowEnd": end}))
    assert stored["startBy"] == end
    assert stored["endsAt"] == date_to_wire((instant(body["scheduledTime"]) or NOON) + timedelta(hours=1))


# --- time passes ---


async def passes(agency: Agency, job: str, minutes: float) -> None:
    """Moves the times of a visit back as far as if so many minutes had passed with nobody writing: its facts are behind."""
    span = f"interval '{minutes} minutes'"
    moved = ", ".join(
        f'"{name}" = "{name}" - {span}' for name in ("scheduledTime", "startBy", "endsAt", "startedAt", "_turnsAt", "windowEnd")
    )
    await agency.sql(
        f"""alter table "Job" disable trigger user; update "Job" set {moved} where "objectId" = '{job}';
        alter table "Job" enable trigger user"""
    )


@pytest.mark.parametrize(
    ("status", "starts_in", "minutes", "becomes"),
    [
        ("open", 300, 59, None),
        ("open", 300, 61, "unassigned_soon"),
        ("open", 180, 186, "late"),
        ("assigned", 120, 59, None),
        ("assigned", 120, 61, "unconfirmed_soon"),
        ("confirmed", 30, 34, None),
        ("confirmed", 30, 36, "late"),
        ("en_route", 30, 36, "late"),
        ("in_progress", 30, 74, None),
        ("in_progress", 30, 76, "overrun"),
        ("on_hold", 30, 76, "overrun"),
        ("done", 30, 5000, None),
    ],
)
async def test_urgency_flips_as_time_passes(
    agency: Agency, status: str, starts_in: int, minutes: int, becomes: str | None
) -> None:
    aide = await agency.make("Technician", {"name": "Clock", "availability": "available"})
    fields: Object = {"technician": pointer("Technician", aide), "scheduledTime": agency.when(minutes=starts_in)}
    job = await agency.new_job("in_progress" if status == "on_hold" else status, **fields)
    if status == "on_hold":
        await agency.move(job, "on_hold")
    await agency.settle()
    before = await agency.stored("Job", job)
    await passes(agency, job, minutes)
    assert await flip(agency.database, tick) == (0 if becomes is None else 1)
    after = await agency.stored("Job", job)
    assert (after["urgency"], after["status"]) == (becomes or before["urgency"], status)
    assert after["updatedAt"] == before["updatedAt"]
    assert await flip(agency.database, tick) == 0


@pytest.mark.parametrize("status", WAITING)
async def test_what_nobody_began_is_missed_by_time_alone(agency: Agency, status: str) -> None:
    aide = await agency.make("Technician", {"name": "Clock", "availability": "available"})
    fields: Object = {"technician": pointer("Technician", aide), "scheduledTime": agency.when(minutes=30)}
    job = await agency.new_job("assigned" if status == "offered" else status, **fields)
    if status == "offered":
        await agency.move(job, "open")
        await agency.move(job, "offered")
    await agency.settle()
    await passes(agency, job, 91)
    assert await flip(agency.database, tick) == 1
    after = await agency.stored("Job", job)
    assert (after["status"], after["urgency"]) == ("missed", "missed")
    trail = await agency.all("AuditLog", {"entityId": job, "metadata.changes.status.to": "missed"})
    assert [row["metadata"] for row in trail] == [{"changes": {"status": {"from": status, "to": "missed"}}}]
    assert ("missed", "dispatcher", None) in await agency.alerts(job)
    assert await flip(agency.database, tick) == 0
    assert (await agency.stored("Technician", aide))["assignedJobs"] == [pointer("Job", job)]


async def test_a_flip_is_an_ordinary_change(agency: Agency) -> None:
    """Live queries see it enter, with no write."""
    aide = pointer("Technician", await agency.make("Technician", {"name": "Clock", "availability": "available"}))
    for seconds in SOON:
        soon = agency.when(hours=1, seconds=seconds)
        job = await agency.new_job("assigned", technician=aide, scheduledTime=soon, overlapAllowed=True)
        before = await agency.stored("Job", job)
        if before["urgency"] == "ok":
            break
    assert before["urgency"] == "ok"
    async with agency.database.connection() as connection:
        while await flip(agency.database, tick) == 0:
            await connection.execute("select pg_sleep(0.05)")
        change = await connection.fetchrow(
            'select "before", "after" from careboard.change where object_id = $1 order by seq desc limit 1', job
        )
    assert await agency.stored("Job", job) == {**before, "urgency": "unconfirmed_soon"}
    assert '"urgency":"ok"' in change["before"]
    assert '"urgency":"unconfirmed_soon"' in change["after"]


# --- assignedJobs ---


async def listed(agency: Agency, aide: str) -> list[str]:
    jobs = (await agency.stored("Technician", aide))["assignedJobs"]
    assert isinstance(jobs, list)
    return [str(each["objectId"]) for each in jobs if isinstance(each, dict)]


async def test_assigned_jobs_follow_the_visits(agency: Agency) -> None:
    first, second = [await agency.make("Technician", {"name": name, "availability": "available"}) for name in ("A", "B")]
    mine, hers = pointer("Technician", first), pointer("Technician", second)
    assert await listed(agency, first) == []
    late, soon = [await agency.new_job("assigned", technician=mine, scheduledTime=agency.when(hours=n)) for n in (9, 5)]
    assert await listed(agency, first) == [soon, late]
    await agency.objects.update(agency["dispatcher"], "Job", soon, {"scheduledTime": agency.when(hours=13)})
    assert await listed(agency, first) == [late, soon]
    await agency.objects.update(agency["dispatcher"], "Job", late, {"technician": hers})
    assert (await listed(agency, first), await listed(agency, second)) == ([soon], [late])
    await agency.move(late, "cancelled", "dispatcher")
    await agency.sql('delete from "Job" where "objectId" = $1', soon)
    assert (await listed(agency, first), await listed(agency, second)) == ([], [])


@pytest.mark.parametrize("state", ["done", "no_show"])
async def test_a_visit_that_is_over_leaves_the_list(agency: Agency, state: str) -> None:
    aide = await agency.make("Technician", {"name": "A", "availability": "available"})
    job = await agency.new_job("en_route", technician=pointer("Technician", aide))
    assert await listed(agency, aide) == [job]
    for step in ("in_progress", "done") if state == "done" else ("no_show",):
        await agency.move(job, step)
    assert await listed(agency, aide) == []


async def test_nobody_lies_about_the_list(agency: Agency) -> None:
    job = await agency.new_job("assigned")
    technician = agency.technicians["technician"]
    before = await listed(agency, technician)
    assert job in before
    await agency.sql("""update "Technician" set "assignedJobs" = '[]' where "objectId" = $1""", technician)
    await agency.objects.update(agency["master"], "Technician", technician, {"assignedJobs": []})
    assert await listed(agency, technician) == before
    body: Object = {"name": "A", "availability": "available", "assignedJobs": [pointer("Job", job)]}
    assert await listed(agency, await agency.make("Technician", body)) == []
    with pytest.raises(ParseError, match=r"Technician\.assignedJobs is computed by the server"):
        await agency.make("Technician", body, "dispatcher")
    assert await agency.make("Technician", {**body, "assignedJobs": []}, "dispatcher")


async def test_a_list_that_stays_touches_no_technician(agency: Agency) -> None:
    job = await agency.new_job("assigned")
    count = "select count(*) from careboard.change where class = 'Technician'"
    async with agency.database.connection() as connection:
        before = await connection.fetchval(count)
        await agency.move(job, "confirmed", "technician")
        await agency.objects.update(agency["dispatcher"], "Job", job, {"address": "9 Alder St"})
        assert await connection.fetchval(count) == before


# --- parts and places ---


@pytest.mark.parametrize(("quantity", "available"), [(0, False), (0.5, True), (2, True)])
async def test_a_part_is_available_while_there_is_some(agency: Agency, quantity: float, available: bool) -> None:
    part = await agency.new_part(quantity=quantity)
    assert (await agency.stored("PartsInventory", part))["availability"] is available
    await agency.sql('update "PartsInventory" set "quantity" = 2 - "quantity" where "objectId" = $1', part)
    assert (await agency.stored("PartsInventory", part))["availability"] is (quantity < 2)


async def test_an_availability_that_is_true_may_be_told_along(agency: Agency) -> None:
    body: Object = {"partName": "Gauze", "quantity": 4, "availability": True}
    part = await agency.make("PartsInventory", body, "coordinator")
    await agency.objects.update(agency["coordinator"], "PartsInventory", part, {"quantity": 0, "availability": False})
    assert (await agency.stored("PartsInventory", part))["availability"] is False
    with pytest.raises(ParseError, match=r"PartsInventory\.availability is computed by the server"):
        await agency.make("PartsInventory", {**body, "availability": False}, "coordinator")


@pytest.mark.parametrize(
    ("fields", "verification", "meters"),
    [
        ({}, "complete", 0),
        ({"location": {**DOOR, "latitude": 45.522}}, "complete", 222),
        ({"location": {**DOOR, "latitude": 45.523}}, "out_of_area", 334),
        ({"location": None}, "incomplete", None),
        ({"startedAt": None}, "incomplete", 0),
        ({"endedAt": None}, "incomplete", 0),
    ],
)
async def test_a_log_is_verified_by_times_and_place(agency: Agency, fields: Object, verification: str, meters: Json) -> None:
    job = await agency.new_job("assigned")
    stored = await agency.stored("ServiceLog", await agency.make("ServiceLog", {**agency.log_body(job), **fields}))
    assert (stored["verification"], stored.get("distanceMeters")) == (verification, meters)


REFUSED: list[tuple[str, str, Json, str]] = [
    ("Technician", "availability", "asleep", "availability: give one of available, busy or off_duty."),
    ("Job", "priority", "whenever", "priority: give one of routine, urgent, asap or stat."),
    ("Job", "durationMinutes", 0, "durationMinutes: give minutes above 0, up to 1440."),
    ("Job", "durationMinutes", 1441, "durationMinutes: give minutes above 0, up to 1440."),
    ("PartsInventory", "quantity", -1, "quantity: there are not so many left; it cannot go below 0."),
    ("PartsInventory", "reorderLevel", -1, "reorderLevel: give 0 or more."),
    (
        "ServiceLog",
        "endedAt",
        {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"},
        "endedAt: a visit cannot end before it started.",
    ),
]


@pytest.mark.parametrize(("class_name", "name", "value", "sentence"), REFUSED)
async def test_a_value_out_of_bounds_is_refused_in_a_sentence(
    agency: Agency, class_name: str, name: str, value: Json, sentence: str
) -> None:
    bodies: dict[str, Object] = {
        "Technician": {"name": "A", "availability": "busy"},
        "Job": agency.job_body(),
        "PartsInventory": {"partName": "Gauze", "quantity": 1},
        "ServiceLog": agency.log_body(await agency.new_job("assigned")),
    }
    with pytest.raises(ParseError) as refusal:
        await agency.make(class_name, {**bodies[class_name], name: value}, "dispatcher")
    assert (int(refusal.value.code), refusal.value.message) == (142, sentence)


@pytest.mark.parametrize("fields", [{"windowStart": 5, "windowEnd": 4}, {"scheduledTime": 9, "windowEnd": 8}])
async def test_a_window_is_in_order(agency: Agency, fields: dict[str, float]) -> None:
    body = {name: agency.when(hours=hours + 20_000) for name, hours in fields.items()}
    with pytest.raises(ParseError, match="windowEnd: the window cannot end before it starts, nor before scheduledTime"):
        await agency.make("Job", {**agency.job_body(), **body})


async def test_what_is_referred_to_stays(agency: Agency) -> None:
    job = await agency.new_job()
    await agency.new_part(job)
    with pytest.raises(ParseError, match="still used by PartsInventory"):
        await agency.objects.delete(agency["dispatcher"], "Job", job)
    with pytest.raises(ParseError, match="still used by Job"):
        await agency.objects.delete(agency["dispatcher"], "Technician", agency.technicians["technician"])
    with pytest.raises(ParseError, match="technician: there is no Technician with that objectId"):
        await agency.make("Job", agency.job_body(technician=pointer("Technician", "nowhere123")))
