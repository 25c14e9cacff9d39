"""What a write brings with it: a visit's way, overlaps, parts taken, who is told; and what racers hear."""

import asyncio
from datetime import timedelta

import pytest

from app.actions.audit import find_break
from app.actions.caller import MASTER
from app.actions.hooks import Saved
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.limits import instant
from app.errors import ParseError
from tests.domains.agency import DOOR, Agency

TAKE: Json = {"__op": "Increment", "amount": -1}


async def status(agency: Agency, job: str) -> Json:
    return (await agency.stored("Job", job))["status"]


# --- the way of a visit ---


async def test_a_visit_goes_its_way(agency: Agency) -> None:
    job = (await agency.objects.create(agency["dispatcher"], "Job", agency.job_body())).object_id
    steps = [("dispatcher", "offered"), ("technician", "assigned")]
    steps += [("technician", state) for state in ("confirmed", "en_route", "in_progress", "on_hold", "in_progress", "done")]
    for who, state in steps:
        await agency.move(job, state, who)
        assert await status(agency, job) == state
    await agency.make("ServiceLog", agency.log_body(job), "technician")
    await agency.move(job, "verified", "coordinator")
    assert await status(agency, job) == "verified"


async def test_the_server_keeps_the_clock_of_a_visit(agency: Agency) -> None:
    job = await agency.new_job("en_route")
    await agency.move(job, "in_progress", "technician")
    began = (await agency.stored("Job", job))["startedAt"]
    agency.ahead = timedelta(minutes=20)
    try:
        await agency.move(job, "on_hold", "technician")
        await agency.move(job, "in_progress", "technician")
        await agency.move(job, "done", "technician")
    finally:
        agency.ahead = timedelta(0)
    stored = await agency.stored("Job", job)
    assert stored["startedAt"] == began
    took = (instant(stored["endedAt"]) or agency.now()) - (instant(began) or agency.now())
    assert timedelta(minutes=20) <= took < timedelta(minutes=21)


@pytest.mark.parametrize("who", ["technician", "dispatcher", "admin", "master"])
async def test_a_step_that_is_not_in_the_table_is_refused_to_all(agency: Agency, who: str) -> None:
    job = await agency.new_job("assigned")
    with pytest.raises(ParseError) as refusal:
        await agency.move(job, "done", who, statusReason="quick")
    assert (int(refusal.value.code), refusal.value.message) == (
        142,
        "status: assigned cannot become done; from assigned it may become confirmed, open, missed or cancelled.",
    )
    assert "statusReason" not in await agency.stored("Job", job)


async def test_nobody_else_makes_a_visits_progress(agency: Agency) -> None:
    job = await agency.new_job("assigned")
    for who, code in (("dispatcher", 119), ("admin", 119), ("coordinator", 119), ("other_technician", 101)):
        with pytest.raises(ParseError) as refusal:
            await agency.move(job, "confirmed", who)
        assert int(refusal.value.code) == code
    await agency.move(job, "confirmed", "technician")


async def test_a_visit_is_verified_only_with_a_log_that_verifies_it(agency: Agency) -> None:
    job = await agency.new_job("done")
    await agency.make("ServiceLog", agency.log_body(job, location=None))
    with pytest.raises(ParseError, match="because no ServiceLog of this visit tells startedAt, endedAt and location"):
        await agency.move(job, "verified", "coordinator")
    await agency.make("ServiceLog", agency.log_body(job))
    await agency.move(job, "verified", "coordinator")


async def test_a_log_tells_the_visits_own_times_where_nobody_told_others(agency: Agency) -> None:
    job = await agency.new_job("done")
    stored = await agency.stored("Job", job)
    log = await agency.make("ServiceLog", agency.log_body(job, startedAt=None, endedAt=None), "technician")
    told = await agency.stored("ServiceLog", log)
    assert (told["startedAt"], told["endedAt"]) == (stored["startedAt"], stored["endedAt"])
    with pytest.raises(ParseError, match=r"serviceTime: .* has not come yet"):
        await agency.make("ServiceLog", agency.log_body(job, serviceTime=agency.when(hours=1)), "technician")


@pytest.mark.parametrize(("seen", "expected"), [(14, "complete"), (16, "incomplete"), (None, "incomplete")])
async def test_a_log_without_a_place_gets_where_its_technician_was_just_seen(
    agency: Agency, seen: int | None, expected: str
) -> None:
    body: Object = {"name": "Seen", "availability": "available"}
    if seen is not None:
        body |= {"location": DOOR, "locationAt": agency.when(minutes=-seen)}
    aide = pointer("Technician", await agency.make("Technician", body))
    job = await agency.new_job("assigned", technician=aide)
    told = await agency.stored("ServiceLog", await agency.make("ServiceLog", agency.log_body(job, aide, location=None)))
    assert (told["verification"], "location" in told) == (expected, expected == "complete")


async def test_a_missed_visit_may_begin_late_or_be_planned_anew(agency: Agency) -> None:
    for step, who in (("in_progress", "technician"), ("assigned", "dispatcher")):
        job = await agency.new_job("missed")
        if step == "assigned":
            with pytest.raises(ParseError, match="its time is over"):
                await agency.move(job, step, who, scheduledTime=agency.when(hours=-3))
        await agency.move(job, step, who)
        assert await status(agency, job) == step


async def test_a_visit_under_way_changes_hands_only_with_a_new_plan(agency: Agency) -> None:
    job = await agency.new_job("confirmed")
    hers: Object = {"technician": agency.aide("other_technician")}
    with pytest.raises(ParseError, match="a visit that is confirmed keeps its technician; send status assigned or open"):
        await agency.objects.update(agency["dispatcher"], "Job", job, hers)
    await agency.objects.update(agency["dispatcher"], "Job", job, {**hers, "status": "assigned"})
    await agency.move(job, "confirmed", "other_technician")


async def test_a_visit_on_hold_is_taken_over_and_begins_anew(agency: Agency) -> None:
    job = await agency.new_job("in_progress")
    await agency.move(job, "on_hold", "technician", statusReason="taken ill")
    await agency.move(job, "assigned", "dispatcher", technician=agency.aide("other_technician"))
    assert "startedAt" not in await agency.stored("Job", job)


async def test_a_place_is_as_old_as_its_writing(agency: Agency) -> None:
    technician = agency.technicians["technician"]
    await agency.objects.update(agency["technician"], "Technician", technician, {"location": DOOR})
    stored = await agency.stored("Technician", technician)
    assert timedelta(0) <= agency.now() - (instant(stored["locationAt"]) or agency.now()) < timedelta(minutes=1)
    told = agency.when(minutes=-9)
    body: Object = {"location": {**DOOR, "latitude": 45.6}, "locationAt": told}
    await agency.objects.update(agency["technician"], "Technician", technician, body)
    assert (await agency.stored("Technician", technician))["locationAt"] == told
    with pytest.raises(ParseError, match=r"locationAt: .* has not come yet"):
        await agency.objects.update(agency["technician"], "Technician", technician, {"locationAt": agency.when(hours=1)})


@pytest.mark.parametrize("racers", [("technician", "dispatcher"), ("technician", "technician", "dispatcher", "admin")])
async def test_of_those_who_race_for_a_step_one_wins_and_the_others_hear_it(agency: Agency, racers: tuple[str, ...]) -> None:
    for _ in range(5):
        job = await agency.new_job()
        await agency.move(job, "offered")
        outcomes = await asyncio.gather(*(agency.move(job, "assigned", who) for who in racers), return_exceptions=True)
        refusals = [each for each in outcomes if isinstance(each, ParseError)]
        assert len([each for each in outcomes if each is None]) == 1
        assert {(int(each.code), "it is assigned already, so somebody else" in each.message) for each in refusals} == {
            (142, True)
        }


async def test_of_a_cancellation_and_a_beginning_one_wins(agency: Agency) -> None:
    for _ in range(5):
        job = await agency.new_job("en_route")
        moves = (agency.move(job, "in_progress", "technician"), agency.move(job, "cancelled", "dispatcher"))
        outcomes = await asyncio.gather(*moves, return_exceptions=True)
        (refusal,) = [each for each in outcomes if isinstance(each, ParseError)]
        assert refusal.message in (
            "status: cancelled is final.",
            "status: in_progress cannot become cancelled; from in_progress it may become on_hold or done.",
        )


async def test_of_a_handover_and_a_confirmation_one_wins(agency: Agency) -> None:
    hers: Object = {"technician": agency.aide("other_technician")}
    for _ in range(5):
        job = await agency.new_job("assigned")
        give = agency.objects.update(agency["dispatcher"], "Job", job, hers)
        outcomes = await asyncio.gather(agency.move(job, "confirmed", "technician"), give, return_exceptions=True)
        (refusal,) = [each for each in outcomes if isinstance(each, ParseError)]
        stored = await agency.stored("Job", job)
        if stored["status"] == "confirmed":
            assert stored["technician"] == agency.aide()
            assert "a visit that is confirmed keeps its technician" in refusal.message
        else:
            assert (stored["technician"], int(refusal.code)) == (hers["technician"], 101)


# --- overlaps ---


async def two_at(agency: Agency, minutes: float, **fields: Json) -> tuple[str, Object]:
    """A visit of a new technician at some hour, and the body of another so many minutes later."""
    aide = await agency.make("Technician", {"name": "Busy", "availability": "available"})
    hers = pointer("Technician", aide)
    first = await agency.new_job("assigned", technician=hers, scheduledTime=agency.when(hours=50))
    begins = instant((await agency.stored("Job", first))["scheduledTime"]) or agency.now()
    second = agency.job_body(technician=hers, status="assigned", **fields)
    return first, {**second, "scheduledTime": date_to_wire(begins + timedelta(minutes=minutes))}


@pytest.mark.parametrize(("minutes", "overlaps"), [(-60, False), (-59, True), (0, True), (59, True), (60, False)])
async def test_two_visits_of_one_technician_do_not_overlap(agency: Agency, minutes: float, overlaps: bool) -> None:
    first, body = await two_at(agency, minutes)
    if not overlaps:
        assert await agency.make("Job", body, "dispatcher")
        return
    with pytest.raises(ParseError, match=f"scheduledTime: the technician has the visit {first} from .* UTC") as refusal:
        await agency.make("Job", body, "dispatcher")
    assert int(refusal.value.code) == 142
    assert await agency.make("Job", {**body, "overlapAllowed": True}, "dispatcher")


async def test_an_open_visit_books_nobody_until_it_is_assigned(agency: Agency) -> None:
    _, body = await two_at(agency, 30)
    job = await agency.make("Job", {**body, "status": "open"}, "dispatcher")
    with pytest.raises(ParseError, match="the technician has the visit"):
        await agency.move(job, "assigned", "dispatcher")
    await agency.move(job, "assigned", "dispatcher", overlapAllowed=True)


async def test_a_visit_is_not_moved_lengthened_or_given_into_another(agency: Agency) -> None:
    first, body = await two_at(agency, 60)
    job = await agency.make("Job", body, "dispatcher")
    other = await agency.new_job("assigned", technician=agency.aide(), scheduledTime=body["scheduledTime"], durationMinutes=5)
    changes: list[tuple[str, Object]] = [
        (first, {"durationMinutes": 61}),
        (job, {"scheduledTime": (await agency.stored("Job", first))["scheduledTime"]}),
        (other, {"technician": body["technician"]}),
    ]
    for target, change in changes:
        with pytest.raises(ParseError, match="the technician has the visit"):
            await agency.objects.update(agency["dispatcher"], "Job", target, change)


async def test_an_allowed_overlap_lets_both_go_on(agency: Agency) -> None:
    first, body = await two_at(agency, 30, overlapAllowed=True)
    second = await agency.make("Job", body, "dispatcher")
    for job in (first, second):
        await agency.move(job, "confirmed")
    with pytest.raises(ParseError, match="the technician has the visit"):
        await agency.objects.update(agency["dispatcher"], "Job", second, {"overlapAllowed": False})


async def test_a_cancelled_visit_makes_room(agency: Agency) -> None:
    first, body = await two_at(agency, 30)
    await agency.move(first, "cancelled", "dispatcher")
    assert await agency.make("Job", body, "dispatcher")


async def test_psql_cannot_overlap_either(agency: Agency) -> None:
    first, body = await two_at(agency, 60)
    job = await agency.make("Job", body, "dispatcher")
    with pytest.raises(ParseError, match="the technician has the visit"):
        await agency.sql(
            'update "Job" set "scheduledTime" = (select "scheduledTime" from "Job" where "objectId" = $1) where "objectId" = $2',
            first,
            job,
        )


async def test_of_visits_that_race_for_an_hour_one_gets_it(agency: Agency) -> None:
    for _ in range(5):
        aide = await agency.make("Technician", {"name": "Wanted", "availability": "available"})
        hour: Object = {"technician": pointer("Technician", aide), "scheduledTime": agency.when(hours=70), "status": "assigned"}
        bodies = [{**agency.job_body(), **hour} for _ in range(6)]
        outcomes = await asyncio.gather(*(agency.make("Job", body, "dispatcher") for body in bodies), return_exceptions=True)
        won = [each for each in outcomes if isinstance(each, str)]
        assert len(won) == 1
        assert all("the technician has the visit" in str(each) for each in outcomes if not isinstance(each, str))
        assert (await agency.stored("Technician", aide))["assignedJobs"] == [pointer("Job", won[0])]


# --- parts ---


async def left(agency: Agency, part: str) -> Json:
    return (await agency.stored("PartsInventory", part))["quantity"]


async def test_a_thousand_racing_decrements_end_exact(agency: Agency) -> None:
    job = await agency.new_job("in_progress")
    part = await agency.new_part(job, 900)
    takes = (agency.objects.update(agency["technician"], "PartsInventory", part, {"quantity": TAKE}) for _ in range(1000))
    outcomes = await asyncio.gather(*takes, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert len([each for each in outcomes if isinstance(each, Saved)]) == 900
    assert {str(each) for each in refused} == {"quantity: there are not so many left; it cannot go below 0."}
    assert len(refused) == 100
    stored = await agency.stored("PartsInventory", part)
    assert (stored["quantity"], stored["availability"]) == (0, False)


async def test_a_technician_takes_and_does_not_count_anew(agency: Agency) -> None:
    part = await agency.new_part(await agency.new_job("in_progress"))
    counted: list[Json] = [3, {"__op": "Increment", "amount": 1}]
    for told in counted:
        with pytest.raises(ParseError, match="take parts with"):
            await agency.objects.update(agency["technician"], "PartsInventory", part, {"quantity": told})
    saved = await agency.objects.update(agency["technician"], "PartsInventory", part, {"quantity": TAKE})
    assert saved.response["quantity"] == 4


def used(*parts: tuple[str, float]) -> Json:
    return [{"part": pointer("PartsInventory", part), "quantity": amount} for part, amount in parts]


async def test_a_log_takes_the_parts_it_used(agency: Agency) -> None:
    job = await agency.new_job("in_progress")
    gloves, gauze = await agency.new_part(job, 5), await agency.new_part(job, 2)
    body = agency.log_body(job, partsUsed=used((gloves, 2), (gauze, 1), (gloves, 1)))
    log = await agency.make("ServiceLog", body, "technician")
    assert (await left(agency, gloves), await left(agency, gauze)) == (2, 1)
    trail = await agency.all("AuditLog", {"entityId": gloves, "action": "update"})
    assert [row["actor"] for row in trail] == [agency.user("technician")]
    with pytest.raises(ParseError, match="partsUsed: what was taken stays taken"):
        await agency.objects.update(agency["coordinator"], "ServiceLog", log, {"partsUsed": []})


async def test_a_log_that_takes_too_much_takes_nothing_and_is_not_written(agency: Agency) -> None:
    job = await agency.new_job("in_progress")
    gloves, gauze = await agency.new_part(job, 5), await agency.new_part(job, 2)
    elsewhere = await agency.new_part(await agency.new_job("assigned"))
    refusals: list[tuple[Json, str]] = [
        (used((gloves, 2), (gauze, 3)), "there are not so many left"),
        (used((gloves, 1), (elsewhere, 1)), "name parts that are set aside for this visit"),
        (used((gloves, 1), ("nowhere123", 1)), "name parts that are set aside for this visit"),
        ([{"part": "gloves"}], "partsUsed: give a list"),
    ]
    for parts, words in refusals:
        with pytest.raises(ParseError, match=words):
            await agency.make("ServiceLog", agency.log_body(job, partsUsed=parts), "technician")
    assert (await left(agency, gloves), await left(agency, gauze), await left(agency, elsewhere)) == (5, 2, 5)
    assert await agency.all("ServiceLog", {"job": pointer("Job", job)}) == []


async def test_logs_that_race_for_the_last_parts_leave_nothing_half_done(agency: Agency) -> None:
    job = await agency.new_job("in_progress")
    gloves, gauze = await agency.new_part(job, 3), await agency.new_part(job, 30)
    orders = [used((gloves, 1), (gauze, 1)), used((gauze, 1), (gloves, 1))]
    bodies = [agency.log_body(job, partsUsed=orders[number % 2]) for number in range(10)]
    outcomes = await asyncio.gather(*(agency.make("ServiceLog", body, "technician") for body in bodies), return_exceptions=True)
    assert len([each for each in outcomes if isinstance(each, str)]) == 3
    assert {str(each) for each in outcomes if not isinstance(each, str)} == {
        "quantity: there are not so many left; it cannot go below 0."
    }
    assert (await left(agency, gloves), await left(agency, gauze)) == (0, 27)
    assert len(await agency.all("ServiceLog", {"job": pointer("Job", job)})) == 3


# --- who is told, and the trail ---


async def test_a_technician_hears_what_becomes_of_their_visits(agency: Agency) -> None:
    me, her = agency.user("technician"), agency.user("other_technician")
    job = (await agency.objects.create(agency["dispatcher"], "Job", agency.job_body())).object_id
    assert await agency.alerts(job) == []
    await agency.move(job, "offered", "dispatcher")
    assert await agency.alerts(job) == [("offered", None, me)]
    await agency.move(job, "assigned", "technician")
    assert len(await agency.alerts(job)) == 1
    await agency.objects.update(agency["dispatcher"], "Job", job, {"scheduledTime": agency.when(hours=agency.hours + 900)})
    await agency.objects.update(agency["dispatcher"], "Job", job, {"technician": agency.aide("other_technician")})
    await agency.move(job, "cancelled", "dispatcher")
    assert (await agency.alerts(job))[1:] == [
        ("moved", None, me),
        ("gone", None, me),
        ("assigned", None, her),
        ("cancelled", None, her),
    ]
    gone = next(row for row in await agency.all("Alert", {"kind": "gone"}))
    assert "Fitzgerald" not in str(gone["message"])


async def test_the_desk_hears_what_needs_another_plan(agency: Agency) -> None:
    declined, absent = (
        (await agency.objects.create(agency["dispatcher"], "Job", agency.job_body())).object_id,
        await agency.new_job("en_route"),
    )
    await agency.move(declined, "offered", "dispatcher")
    await agency.move(declined, "open", "technician")
    await agency.move(absent, "no_show", "technician")
    assert ("declined", "dispatcher", None) in await agency.alerts(declined)
    assert ("no_show", "dispatcher", None) in await agency.alerts(absent)
    assert (await agency.stored("Job", absent))["urgency"] == "no_show"


async def test_the_coordinators_hear_of_a_part_that_runs_low(agency: Agency) -> None:
    part = await agency.new_part(await agency.new_job("in_progress"), 4, reorderLevel=2)
    for _ in range(3):
        await agency.objects.update(agency["technician"], "PartsInventory", part, {"quantity": TAKE})
    assert await agency.alerts(part) == [("reorder", "coordinator", None)]


async def test_every_write_is_in_the_audit_trail_of_its_author(agency: Agency) -> None:
    job = (await agency.objects.create(agency["dispatcher"], "Job", agency.job_body(status="assigned"))).object_id
    await agency.move(job, "confirmed", "technician")
    await agency.objects.delete(agency["admin"], "Job", job)
    query = agency.objects.parse_query("AuditLog", {"where": {"entityId": job}, "order": "objectId"})
    told = [(row["action"], row["actor"]) for row in await agency.objects.find_objects(MASTER, query)]
    assert told == [
        ("create", agency.user("dispatcher")),
        ("update", agency.user("technician")),
        ("delete", agency.user("admin")),
    ]
    async with agency.database.connection() as connection:
        assert await find_break(connection) is None
