"""What the database keeps by itself: the same formula as Python, right after any write, and flips as time passes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.caller import MASTER
from app.actions.ticker import flip
from app.core.wire import Json, Object, pointer
from app.domains.limits import instant
from app.domains.oxygen.rules import AWAY, EVENT_TYPES, LITRES_PER_PSI, MAX_FLOW_LPM, MAX_PSI, empty_at, urgency
from app.domains.oxygen.triggers import tick
from app.errors import ParseError
from tests.domains.floor import SOON
from tests.domains.town import Town

pressures = st.one_of(st.integers(0, MAX_PSI), st.floats(0, MAX_PSI))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given its zone beside
milliseconds = moments.map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    psi=pressures,
    residual=pressures,
    size=st.sampled_from([None, *LITRES_PER_PSI]),
    flow=st.one_of(st.none(), st.floats(0, MAX_FLOW_LPM, exclude_min=True)),
    read_at=milliseconds,
    now=milliseconds,
)
async def test_sql_and_python_give_the_same_answer(
    town: Town, psi: float, residual: float, size: str | None, flow: float | None, read_at: datetime, now: datetime
) -> None:
    async with town.database.connection() as connection:
        row = await connection.fetchrow(
            """select e, careboard.oxygen_urgency($1, e, $5, $6) as urgency
            from (select careboard.oxygen_empty_at($1, $2, $3, $4, $5) as e) facts""",
            float(psi),
            read_at,
            size,
            flow,
            float(residual),
            now,
        )
    runs_out = empty_at(psi, read_at, size, flow, residual)
    assert (row["e"], row["urgency"]) == (runs_out, urgency(psi, runs_out, now, residual))


async def facts(town: Town, tank: str) -> tuple[timedelta | None, Json]:
    """How long after its reading a tank is empty, and its urgency."""
    stored = await town.stored("TankAssignment", tank)
    read_at = instant(stored.get("lastCheckedAt")) or instant({"iso": stored["createdAt"]})
    runs_out = instant(stored.get("emptyAt"))
    assert read_at is not None
    return (None if runs_out is None else runs_out - read_at), stored["urgency"]


@pytest.mark.parametrize("status", AWAY)
async def test_a_tank_that_nobody_breathes_from_does_not_run_out(town: Town, status: str) -> None:
    tank = await town.new_tank(psiLevel=100, status="in_use")
    assert (await town.stored("TankAssignment", tank))["urgency"] == "empty"
    async with town.database.connection() as connection:
        await connection.execute('update "TankAssignment" set "status" = $1 where "objectId" = $2', status, tank)
    assert await facts(town, tank) == (None, "unknown" if status == "lost" else "ok")
    async with town.database.connection() as connection:
        await connection.execute('update "TankAssignment" set "status" = \'in_use\' where "objectId" = $1', tank)
    assert (await facts(town, tank))[1] == "empty"


async def test_a_tank_of_known_values_is_empty_in_seventy_minutes(town: Town) -> None:
    assert await facts(town, await town.new_tank(lastCheckedAt=town.ago(minutes=1))) == (timedelta(minutes=70), "critical")
    assert await facts(town, await town.new_tank()) == (timedelta(minutes=70), "critical")


async def test_a_new_tank_is_told_no_time_it_was_not_read_at(town: Town) -> None:
    stored = await town.stored("TankAssignment", await town.new_tank())
    assert "lastCheckedAt" not in stored
    assert stored["residualPsi"] == 200


@pytest.mark.parametrize(
    ("statement", "minutes"),
    [
        ('"psiLevel" = 2000', 126),
        ('"flowLpm" = 2', 140),
        ("\"cylinderSize\" = 'H'", 785),
        ('"residualPsi" = 700', 35),
        ('"psiLevel" = 200', 0),
    ],
)
async def test_psql_gets_the_facts_right_too(town: Town, statement: str, minutes: int) -> None:
    tank = await town.new_tank(lastCheckedAt=town.ago(seconds=5))
    await town.sql(f'update "TankAssignment" set {statement} where "objectId" = $1', tank)
    left, _ = await facts(town, tank)
    assert left == timedelta(minutes=minutes)


async def test_a_pressure_from_psql_without_its_time_was_read_now(town: Town) -> None:
    tank = await town.new_tank(lastCheckedAt=town.ago(hours=5))
    await town.sql('update "TankAssignment" set "psiLevel" = 1000 where "objectId" = $1', tank)
    read_at = instant((await town.stored("TankAssignment", tank))["lastCheckedAt"])
    assert read_at is not None
    assert timedelta(0) <= town.now() - read_at < timedelta(minutes=1)


async def test_the_same_time_told_again_is_a_time_told(town: Town) -> None:
    told = town.ago(hours=1)
    tank = await town.new_tank(lastCheckedAt=told)
    statement = 'update "TankAssignment" set "psiLevel" = 1000, "lastCheckedAt" = $2 where "objectId" = $1'
    await town.sql(statement, tank, instant(told))
    assert (await town.stored("TankAssignment", tank))["lastCheckedAt"] == told
    await town.objects.update(town["driver"], "TankAssignment", tank, {"psiLevel": 1100, "lastCheckedAt": told})
    assert (await town.stored("TankAssignment", tank))["lastCheckedAt"] == told


async def test_psql_cannot_lie_about_the_facts(town: Town) -> None:
    tank = await town.new_tank()
    before = await town.stored("TankAssignment", tank)
    await town.sql(
        """update "TankAssignment" set "urgency" = 'ok', "emptyAt" = now() + interval '1 year', "_rperm" = null, "_wperm" = '{}'
        where "objectId" = $1""",
        tank,
    )
    assert await town.stored("TankAssignment", tank) == before


async def test_missing_size_or_flow_is_unknown_until_it_is_low(town: Town) -> None:
    tank = await town.new_tank(flowLpm=None)
    assert await facts(town, tank) == (None, "unknown")
    await town.objects.update(town["driver"], "TankAssignment", tank, {"psiLevel": 499})
    assert await facts(town, tank) == (None, "low")
    await town.objects.update(town["dispatcher"], "TankAssignment", tank, {"flowLpm": 2})
    assert (await facts(town, tank))[1] == "critical"
    await town.objects.update(town["dispatcher"], "TankAssignment", tank, {"cylinderSize": {"__op": "Delete"}})
    assert await facts(town, tank) == (None, "low")


# --- time passes ---


async def settle(town: Town) -> None:
    while await flip(town.database, tick):
        pass


async def sooner(town: Town, tank: str, runs_out: str) -> None:
    """Moves emptyAt to what it would be if time had passed: a row whose urgency is behind the clock."""
    await town.sql(
        f"""alter table "TankAssignment" disable trigger user;
        update "TankAssignment" set "emptyAt" = clock_timestamp() + interval '{runs_out}' where "objectId" = '{tank}';
        alter table "TankAssignment" enable trigger user"""
    )


@pytest.mark.parametrize(
    ("psi", "size", "flow", "begins"),
    [(1900, "H", 1, "ok"), (1200, "E", 1, "low"), (1200, "E", 4, "critical")],
)
@pytest.mark.parametrize(
    ("runs_out", "becomes"),
    [
        ("8 hours 1 minute", "ok"),
        ("7 hours 59 minutes", "low"),
        ("2 hours 1 minute", "low"),
        ("1 hour 59 minutes", "critical"),
        ("-1 second", "empty"),
    ],
)
async def test_the_ticker_takes_up_exactly_what_is_due(
    town: Town, psi: int, size: str, flow: int, begins: str, runs_out: str, becomes: str
) -> None:
    """As time passes, so that a tank only gets worse."""
    await settle(town)
    tank = await town.new_tank(psiLevel=psi, cylinderSize=size, flowLpm=flow)
    assert (await town.stored("TankAssignment", tank))["urgency"] == begins
    await sooner(town, tank, runs_out)
    order = ("ok", "low", "critical", "empty")
    assert await flip(town.database, tick) == (order.index(becomes) > order.index(begins))


async def test_a_flip_is_an_ordinary_change_that_keeps_updated_at(town: Town) -> None:
    await settle(town)
    for seconds in SOON:
        # E at 1 L/min gives 16.8 s a psi: 2 h are 428.6 psi above the residual pressure.
        psi = 200 + timedelta(hours=2, seconds=seconds) / timedelta(minutes=1) / 0.28
        tank = await town.new_tank(psiLevel=psi, flowLpm=1, lastCheckedAt=town.ago(seconds=0))
        before = await town.stored("TankAssignment", tank)
        if before["urgency"] == "low":
            break
    assert before["urgency"] == "low"
    async with town.database.connection() as connection:
        while await flip(town.database, tick) == 0:
            await connection.execute("select pg_sleep(0.05)")
        change = await connection.fetchrow(
            'select "before", "after" from careboard.change where object_id = $1 order by seq desc limit 1', tank
        )
    after = await town.stored("TankAssignment", tank)
    assert after == {**before, "urgency": "critical"}
    assert '"urgency":"low"' in change["before"]
    assert '"urgency":"critical"' in change["after"]
    assert await flip(town.database, tick) == 0


async def test_two_tickers_do_not_flip_twice(town: Town) -> None:
    await settle(town)
    tank = await town.new_tank(psiLevel=1900, cylinderSize="H", flowLpm=1)
    await sooner(town, tank, "1 hour")
    assert sum(await asyncio.gather(*(flip(town.database, tick) for _ in range(4)))) == 1


# --- what a field may hold, told in a sentence ---

REFUSED: list[tuple[str, str, Json, str]] = [
    ("TankAssignment", "psiLevel", -1, "psiLevel: give a pressure from 0 to 3000 psi."),
    ("TankAssignment", "psiLevel", 3001, "psiLevel: give a pressure from 0 to 3000 psi."),
    ("TankAssignment", "residualPsi", 3001, "residualPsi: give a pressure from 0 to 3000 psi."),
    ("TankAssignment", "flowLpm", 0, "flowLpm: give litres per minute above 0, up to 100; leave it out where it is not known."),
    ("TankAssignment", "flowLpm", 101, "flowLpm: give litres per minute above 0, up to 100; leave it out where it is not known."),
    ("TankAssignment", "cylinderSize", "XXL", "cylinderSize: give one of M6, M9, D, E, M60, M, G, H, K or H/K."),
    ("RefillLog", "psiBefore", -5, "psiBefore: give a pressure from 0 to 3000 psi."),
    ("RefillLog", "psiAfter", 3500, "psiAfter: give a pressure from 0 to 3000 psi."),
    ("DispatchEvent", "eventType", "teleported", f"eventType: give one of {', '.join(EVENT_TYPES[:-1])} or escalated."),
    ("DispatchEvent", "psiLevel", 100, "psiLevel: only an event of type psi_check carries a pressure."),
]


@pytest.mark.parametrize(("class_name", "name", "value", "sentence"), REFUSED)
async def test_a_value_out_of_bounds_is_refused_in_a_sentence(
    town: Town, class_name: str, name: str, value: Json, sentence: str
) -> None:
    tank = await town.new_tank()
    bodies = {
        "TankAssignment": town.tank_body(),
        "RefillLog": town.refill_body(tank, "dispatcher"),
        "DispatchEvent": town.event_body(tank, "dispatcher"),
    }
    with pytest.raises(ParseError) as refusal:
        await town.objects.create(town["dispatcher"], class_name, {**bodies[class_name], name: value})
    assert (int(refusal.value.code), refusal.value.message) == (142, sentence)
    assert (await town.stored("TankAssignment", tank))["psiLevel"] == 1200


async def test_a_window_does_not_end_before_it_starts(town: Town) -> None:
    body: Object = {"deliveryWindowStart": town.ago(hours=1), "deliveryWindowEnd": town.ago(hours=2)}
    with pytest.raises(ParseError, match="the delivery window cannot end before it starts"):
        await town.objects.update(town["dispatcher"], "PatientSite", town.site, body)


async def test_a_site_has_one_primary_contact_at_the_most(town: Town) -> None:
    site = await town.new_site()
    first = await town.objects.create(town["dispatcher"], "EmergencyContact", town.contact_body(site, isPrimary=True))
    second = await town.objects.create(town["dispatcher"], "EmergencyContact", town.contact_body(site))
    with pytest.raises(ParseError) as refusal:
        await town.objects.update(town["dispatcher"], "EmergencyContact", second.object_id, {"isPrimary": True})
    assert (int(refusal.value.code), refusal.value.message) == (
        137,
        "isPrimary: this site has a primary contact already; make that one secondary first.",
    )
    await town.objects.update(town["dispatcher"], "EmergencyContact", first.object_id, {"isPrimary": False})
    await town.objects.update(town["dispatcher"], "EmergencyContact", second.object_id, {"isPrimary": True})


async def test_what_is_referred_to_stays(town: Town) -> None:
    tank = await town.new_tank()
    await town.objects.create(MASTER, "RefillLog", town.refill_body(tank))
    with pytest.raises(ParseError, match="still used by RefillLog"):
        await town.objects.delete(town["dispatcher"], "TankAssignment", tank)
    with pytest.raises(ParseError, match="assignedSite: there is no PatientSite with that objectId"):
        await town.objects.create(
            town["dispatcher"], "TankAssignment", town.tank_body(assignedSite=pointer("PatientSite", "nowhere123"))
        )
