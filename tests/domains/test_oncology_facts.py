"""What the database keeps by itself: the same rules as Python, right after any write, and flips as time passes."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.caller import MASTER
from app.actions.ticker import flip
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.limits import instant
from app.domains.oncology.rules import CLOSED, OPEN, due_at, lab_flag, urgency
from app.domains.oncology.triggers import tick
from app.errors import ParseError
from tests.domains.floor import SOON
from tests.domains.ward import Ward

numbers = st.one_of(st.integers(-10, 500), st.floats(-10, 500))
limits = st.one_of(st.none(), numbers)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given its zone beside


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(result=numbers, low=limits, high=limits, critical_low=limits, critical_high=limits)
async def test_sql_and_python_flag_alike(
    ward: Ward, result: float, low: float | None, high: float | None, critical_low: float | None, critical_high: float | None
) -> None:
    values = [None if each is None else float(each) for each in (result, low, high, critical_low, critical_high)]
    async with ward.database.connection() as connection:
        told = await connection.fetchval("select careboard.oncology_flag($1, $2, $3, $4, $5)", *values)
    assert told == lab_flag(result, low, high, critical_low, critical_high)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([None, *OPEN, *CLOSED]), start=moments, end=moments, labs_at=st.one_of(st.none(), moments), now=moments
)
async def test_sql_and_python_judge_a_cycle_alike(
    ward: Ward, status: str | None, start: datetime, end: datetime, labs_at: datetime | None, now: datetime
) -> None:
    async with ward.database.connection() as connection:
        row = await connection.fetchrow(
            """select careboard.oncology_due_at($1, $2, $3) due, careboard.oncology_urgency($1, $2, $3, $4, $5) urgency""",
            status,
            start,
            end,
            labs_at,
            now,
        )
    assert (row["due"], row["urgency"]) == (due_at(status, start, end), urgency(status, start, end, labs_at, now))


# --- results and what follows from them ---


async def test_a_result_is_flagged_whoever_writes_it(ward: Ward) -> None:
    result = await ward.make("LabTrend", ward.lab_body(result=1.2), "nurse")
    assert (await ward.stored("LabTrend", result))["flag"] == "L"
    await ward.sql('update "LabTrend" set "result" = 0.4, "flag" = \'N\' where "objectId" = $1', result)
    assert (await ward.stored("LabTrend", result))["flag"] == "LL"
    bare = await ward.make("LabTrend", ward.lab_body(referenceLow=None, referenceHigh=None, unit=None), "nurse")
    assert "flag" not in await ward.stored("LabTrend", bare)


async def _labs(ward: Ward, cycle: str) -> tuple[dict[str, Json], Json]:
    stored = await ward.stored("ChemoCycle", cycle)
    labs = stored["labs"]
    assert isinstance(labs, dict)
    return {test: each["result"] for test, each in labs.items() if isinstance(each, dict)}, stored["labLevel"]


async def test_the_newest_results_stand_with_each_open_cycle(ward: Ward) -> None:
    patient, _ = await ward.new_patient()
    me = pointer("_User", str(patient.user_id))
    cycle = await ward.new_cycle(patient=me)
    closed = await ward.new_cycle("skipped", patient=me)
    assert await _labs(ward, cycle) == ({}, "unknown")
    for name, result, hours in (("ANC", 3.0, -9), ("Neutrophils", 2.0, -1), ("anc", 4.0, -5), ("Ferritin", 900, -1)):
        body = ward.lab_body(labTestName=name, result=result, date=ward.when(hours=hours), patient=me)
        await ward.make("LabTrend", body)
    assert await _labs(ward, cycle) == ({"ANC": 2.0}, "normal")
    low = ward.lab_body(labTestName="Platelets", result=88, referenceLow=150, referenceHigh=400, patient=me)
    plate = await ward.make("LabTrend", low)
    assert await _labs(ward, cycle) == ({"ANC": 2.0, "PLT": 88}, "abnormal")
    await ward.objects.update(MASTER, "LabTrend", plate, {"result": 60})
    assert await _labs(ward, cycle) == ({"ANC": 2.0, "PLT": 60}, "critical")
    await ward.objects.delete(MASTER, "LabTrend", plate)
    assert await _labs(ward, cycle) == ({"ANC": 2.0}, "normal")
    assert await _labs(ward, closed) == ({}, "unknown")
    late = await ward.new_cycle(patient=me)
    assert await _labs(ward, late) == ({"ANC": 2.0}, "normal")


async def test_a_cycle_that_ended_keeps_the_results_it_ended_with(ward: Ward) -> None:
    patient, _ = await ward.new_patient()
    me = pointer("_User", str(patient.user_id))
    await ward.make("LabTrend", ward.lab_body(patient=me))
    cycle = await ward.new_cycle("discontinued", patient=me)
    await ward.make("LabTrend", ward.lab_body(result=0.2, patient=me))
    await ward.objects.update(MASTER, "ChemoCycle", cycle, {"regimen": "FOLFIRI"})
    assert await _labs(ward, cycle) == ({"ANC": 3.4}, "normal")


async def test_results_and_cycles_that_come_at_once_meet(ward: Ward) -> None:
    for _ in range(5):
        patient, _ = await ward.new_patient()
        me = pointer("_User", str(patient.user_id))
        cycle, _ = await asyncio.gather(
            ward.make("ChemoCycle", ward.cycle_body(patient=me)),
            ward.make("LabTrend", ward.lab_body(patient=me, result=5.5)),
        )
        assert await _labs(ward, cycle) == ({"ANC": 5.5}, "normal")


async def test_the_worst_grade_stands_with_its_cycle(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    assert "worstGrade" not in await ward.stored("ChemoCycle", cycle)
    first = await ward.make("SideEffect", ward.effect_body(cycle), "nurse")
    second = await ward.make("SideEffect", ward.effect_body(cycle, severity="severe"), "nurse")
    assert (await ward.stored("ChemoCycle", cycle))["worstGrade"] == 3
    await ward.objects.update(ward["nurse"], "SideEffect", second, {"grade": 2})
    assert (await ward.stored("ChemoCycle", cycle))["worstGrade"] == 2
    await ward.objects.delete(ward["nurse"], "SideEffect", second)
    assert (await ward.stored("ChemoCycle", cycle))["worstGrade"] == 1
    await ward.sql('delete from "SideEffect" where "objectId" = $1', first)
    assert "worstGrade" not in await ward.stored("ChemoCycle", cycle)


async def test_side_effects_at_once_end_at_the_worst(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    bodies = [ward.effect_body(cycle, severity=word) for word in ("mild", "severe", "moderate", "fatal", "mild")]
    await asyncio.gather(*(ward.make("SideEffect", body, "nurse") for body in bodies))
    assert (await ward.stored("ChemoCycle", cycle))["worstGrade"] == 5


async def test_psql_cannot_lie_about_the_facts(ward: Ward) -> None:
    cycle = await ward.new_cycle("labs_due")
    before = await ward.stored("ChemoCycle", cycle)
    await ward.sql(
        """update "ChemoCycle" set "urgency" = 'ok', "dueAt" = now() + interval '1 year', "labs" = '{"ANC": {"result": 9}}',
        "labLevel" = 'normal', "worstGrade" = 1, "_rperm" = null, "_wperm" = '{}' where "objectId" = $1""",
        cycle,
    )
    assert await ward.stored("ChemoCycle", cycle) == before


async def test_a_cycle_of_no_state_is_unknown_and_not_harmless(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    await ward.sql('update "ChemoCycle" set "status" = null where "objectId" = $1', cycle)
    stored = await ward.stored("ChemoCycle", cycle)
    assert (stored["urgency"], stored.get("dueAt")) == ("unknown", None)


# --- time passes ---


async def settle(ward: Ward) -> None:
    while await flip(ward.database, tick):
        pass


async def as_if(ward: Ward, cycle: str, urgency: str, due: str) -> None:
    """A row whose urgency is behind the clock, as it is when time has passed."""
    await ward.sql(
        f"""alter table "ChemoCycle" disable trigger user;
        update "ChemoCycle" set "urgency" = '{urgency}', "startDate" = clock_timestamp() + interval '{due}' + interval '3 days',
          "endDate" = clock_timestamp() + interval '60 days', "dueAt" = clock_timestamp() + interval '{due}'
          where "objectId" = '{cycle}';
        alter table "ChemoCycle" enable trigger user"""
    )


@pytest.mark.parametrize(
    ("due", "becomes"), [("25 hours", "ok"), ("23 hours 59 minutes", "soon"), ("1 minute", "soon"), ("-1 second", "overdue")]
)
@pytest.mark.parametrize("begins", ["ok", "soon"])
async def test_the_ticker_takes_up_exactly_what_is_due(ward: Ward, begins: str, due: str, becomes: str) -> None:
    await settle(ward)
    cycle = await ward.new_cycle("labs_due")
    await as_if(ward, cycle, begins, due)
    order = ("ok", "soon", "overdue")
    assert await flip(ward.database, tick) == (order.index(becomes) > order.index(begins))
    if order.index(becomes) > order.index(begins):
        assert (await ward.stored("ChemoCycle", cycle))["urgency"] == becomes


@pytest.mark.parametrize("status", ["review", "delayed"])
async def test_what_waits_for_a_decision_turns_overdue_at_the_start(ward: Ward, status: str) -> None:
    await settle(ward)
    await ward.make("LabTrend", ward.lab_body(), "nurse")
    steps = ("labs_due", "review", "delayed")[: 2 if status == "review" else 3]
    cycle = await ward.new_cycle(*steps)
    assert (await ward.stored("ChemoCycle", cycle))["urgency"] == status
    await ward.sql(
        f"""alter table "ChemoCycle" disable trigger user;
        update "ChemoCycle" set "startDate" = clock_timestamp(), "dueAt" = clock_timestamp() where "objectId" = '{cycle}';
        alter table "ChemoCycle" enable trigger user"""
    )
    assert await flip(ward.database, tick) == 1
    assert (await ward.stored("ChemoCycle", cycle))["urgency"] == "overdue"


async def test_a_flip_is_an_ordinary_change_that_keeps_updated_at(ward: Ward) -> None:
    await settle(ward)
    for seconds in SOON:
        cycle = await ward.new_cycle("labs_due", startDate=ward.when(days=4, seconds=seconds))
        before = await ward.stored("ChemoCycle", cycle)
        if before["urgency"] == "ok":
            break
    assert before["urgency"] == "ok"
    async with ward.database.connection() as connection:
        while await flip(ward.database, tick) == 0:
            await connection.execute("select pg_sleep(0.05)")
        change = await connection.fetchrow(
            'select "before", "after" from careboard.change where object_id = $1 order by seq desc limit 1', cycle
        )
    assert await ward.stored("ChemoCycle", cycle) == {**before, "urgency": "soon"}
    assert '"urgency":"ok"' in change["before"]
    assert '"urgency":"soon"' in change["after"]
    assert await flip(ward.database, tick) == 0


async def test_two_tickers_do_not_flip_twice(ward: Ward) -> None:
    await settle(ward)
    cycle = await ward.new_cycle("labs_due")
    await as_if(ward, cycle, "ok", "1 hour")
    assert sum(await asyncio.gather(*(flip(ward.database, tick) for _ in range(4)))) == 1


# --- what a field may hold, told in a sentence ---

REFUSED: list[tuple[str, Object, str]] = [
    ("ChemoCycle", {"cycleNumber": 0}, "cycleNumber: give a whole number from 1."),
    ("ChemoCycle", {"cycleNumber": 1.5}, "cycleNumber: give a whole number from 1."),
    (
        "ChemoCycle",
        {"endDate": date_to_wire(datetime(2020, 1, 1, tzinfo=UTC))},
        "endDate: a cycle cannot end before it starts; move both where the start moves.",
    ),
    ("SideEffect", {"grade": 0}, "grade: give a CTCAE grade from 1 to 5."),
    ("SideEffect", {"grade": 6}, "grade: give a CTCAE grade from 1 to 5."),
    ("SideEffect", {"grade": 2.5}, "grade: give a CTCAE grade from 1 to 5."),
    ("SideEffect", {"ctcaeVersion": "3"}, "ctcaeVersion: give one of 4.03, 5.0 or 6.0."),
    ("LabTrend", {"referenceHigh": 1}, "referenceHigh: the reference range cannot end below where it begins."),
    ("LabTrend", {"criticalLow": 2}, "criticalLow: give a limit at or below referenceLow."),
    ("LabTrend", {"criticalHigh": 7}, "criticalHigh: give a limit at or above referenceHigh."),
]


@pytest.mark.parametrize(("class_name", "wrong", "sentence"), REFUSED)
async def test_a_value_out_of_bounds_is_refused_in_a_sentence(ward: Ward, class_name: str, wrong: Object, sentence: str) -> None:
    cycle = await ward.new_cycle()
    bodies = {"ChemoCycle": ward.cycle_body(), "SideEffect": ward.effect_body(cycle), "LabTrend": ward.lab_body()}
    with pytest.raises(ParseError) as refusal:
        await ward.make(class_name, {**bodies[class_name], **wrong}, "nurse")
    assert (int(refusal.value.code), refusal.value.message) == (142, sentence)


async def test_a_cycle_may_end_on_the_day_it_starts(ward: Ward) -> None:
    day = ward.when(days=4)
    stored = await ward.stored("ChemoCycle", await ward.make("ChemoCycle", ward.cycle_body(startDate=day, endDate=day), "nurse"))
    assert instant(stored["endDate"]) == instant(stored["startDate"])


async def test_psql_is_held_by_the_same_limits(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    for change in ('"endDate" = "startDate" - interval \'1 s\'', "\"status\" = 'cured'", '"cycleNumber" = 0'):
        with pytest.raises(ParseError) as refusal:
            await ward.sql(f'update "ChemoCycle" set {change} where "objectId" = $1', cycle)
        assert refusal.value.code == 142


async def test_what_is_referred_to_stays(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    await ward.make("SideEffect", ward.effect_body(cycle), "nurse")
    with pytest.raises(ParseError, match="still used by SideEffect"):
        await ward.objects.delete(ward["oncologist"], "ChemoCycle", cycle)
    with pytest.raises(ParseError, match="chemoCycle: there is no ChemoCycle with that objectId"):
        await ward.make("SideEffect", ward.effect_body("nowhere123"))
    with pytest.raises(ParseError, match="patient: there is no _User with that objectId"):
        await ward.make("LabTrend", ward.lab_body(patient=pointer("_User", "nobody1234")), "admin")
