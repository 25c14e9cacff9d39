"""What a write brings with it: readings set their tank, states follow the table, racers hear who won, all is audited."""

import asyncio
from datetime import timedelta

import pytest

from app.actions.audit import find_break
from app.actions.caller import MASTER
from app.actions.hooks import Saved
from app.core.query import Query
from app.core.wire import Json, Object, pointer
from app.errors import ParseError
from tests.domains.town import Town


async def reading(town: Town, tank: str) -> tuple[Json, Json]:
    stored = await town.stored("TankAssignment", tank)
    return stored["psiLevel"], stored.get("lastCheckedAt")


# --- refills ---


@pytest.mark.parametrize("who", ["driver", "dispatcher", "admin"])
async def test_a_refill_sets_the_tank(town: Town, who: str) -> None:
    tank = await town.new_tank()
    body = town.refill_body(tank, who)
    await town.objects.create(town[who], "RefillLog", body)
    assert await reading(town, tank) == (2000, body["refillTime"])
    assert (await town.stored("TankAssignment", tank))["urgency"] == "low"  # 126 minutes


async def test_a_refill_of_a_tank_nobody_read_counts_whenever_it_was(town: Town) -> None:
    tank = await town.new_tank()
    body = town.refill_body(tank, refillTime=town.ago(days=30))
    await town.objects.create(town["driver"], "RefillLog", body)
    assert await reading(town, tank) == (2000, body["refillTime"])
    assert (await town.stored("TankAssignment", tank))["urgency"] == "empty"


async def test_an_older_refill_is_history_only(town: Town) -> None:
    told = town.ago(minutes=10)
    tank = await town.new_tank(lastCheckedAt=told)
    await town.objects.create(town["driver"], "RefillLog", town.refill_body(tank, refillTime=town.ago(minutes=11)))
    assert await reading(town, tank) == (1200, told)
    where: Object = {"tankAssignment": pointer("TankAssignment", tank)}
    assert len(await town.ids("driver", "RefillLog", where)) == 1


async def test_refills_in_any_order_end_at_the_newest(town: Town) -> None:
    tank = await town.new_tank()
    for minutes, psi in ((30, 1500), (5, 1900), (20, 1700)):
        body = town.refill_body(tank, refillTime=town.ago(minutes=minutes), psiAfter=psi)
        await town.objects.create(town["driver"], "RefillLog", body)
    assert (await reading(town, tank))[0] == 1900


async def test_refills_at_once_end_at_the_newest(town: Town) -> None:
    tank = await town.new_tank()
    bodies = [town.refill_body(tank, refillTime=town.ago(minutes=n), psiAfter=1900 - n) for n in (3, 1, 4, 2, 5)]
    await asyncio.gather(*(town.objects.create(town["driver"], "RefillLog", body) for body in bodies))
    assert (await reading(town, tank))[0] == 1899


async def test_a_dispatchers_correction_of_the_last_refill_corrects_the_tank(town: Town) -> None:
    tank = await town.new_tank()
    saved = await town.objects.create(town["driver"], "RefillLog", town.refill_body(tank))
    await town.objects.update(town["dispatcher"], "RefillLog", saved.object_id, {"psiAfter": 1950})
    assert (await reading(town, tank))[0] == 1950
    await town.objects.update(town["driver"], "TankAssignment", tank, {"psiLevel": 1800})
    await town.objects.update(town["dispatcher"], "RefillLog", saved.object_id, {"psiAfter": 1960})
    assert (await reading(town, tank))[0] == 1800


async def test_a_refill_past_the_test_date_is_refused_whole(town: Town) -> None:
    tank = await town.new_tank(requalificationDue=town.ago(days=1))
    before = await town.stored("TankAssignment", tank)
    with pytest.raises(ParseError, match="the tank cannot be filled because its requalification is overdue"):
        await town.objects.create(town["driver"], "RefillLog", town.refill_body(tank))
    assert await town.stored("TankAssignment", tank) == before
    assert await town.ids("admin", "RefillLog", {"tankAssignment": pointer("TankAssignment", tank)}) == set()
    earlier = town.refill_body(tank, refillTime=town.ago(days=2))
    await town.objects.create(town["driver"], "RefillLog", earlier)
    assert (await reading(town, tank))[0] == 2000


async def test_a_refill_that_breaks_a_limit_leaves_the_tank(town: Town) -> None:
    tank = await town.new_tank()
    with pytest.raises(ParseError, match="psiAfter: give a pressure"):
        await town.objects.create(town["driver"], "RefillLog", town.refill_body(tank, psiAfter=4000))
    assert await reading(town, tank) == (1200, None)


async def test_readings_from_the_future_are_refused(town: Town) -> None:
    tank = await town.new_tank()
    soon = town.ago(minutes=-30)
    for class_name, body in (
        ("RefillLog", town.refill_body(tank, refillTime=soon)),
        ("DispatchEvent", town.event_body(tank, eventTime=soon)),
    ):
        with pytest.raises(ParseError, match="has not come yet; check the clock of the device"):
            await town.objects.create(town["driver"], class_name, body)
    with pytest.raises(ParseError, match=r"lastCheckedAt: .* has not come yet"):
        await town.objects.update(town["driver"], "TankAssignment", tank, {"psiLevel": 5, "lastCheckedAt": soon})


# --- checks ---


async def test_a_pressure_check_sets_the_tank(town: Town) -> None:
    tank = await town.new_tank()
    body = town.event_body(tank, eventType="psi_check", psiLevel=860)
    await town.objects.create(town["driver"], "DispatchEvent", body)
    assert await reading(town, tank) == (860, body["eventTime"])


async def test_other_events_and_older_checks_leave_the_tank(town: Town) -> None:
    told = town.ago(minutes=10)
    tank = await town.new_tank(lastCheckedAt=told)
    older = town.event_body(tank, eventType="psi_check", psiLevel=860, eventTime=town.ago(minutes=11))
    for body in (town.event_body(tank), town.event_body(tank, eventType="psi_check"), older):
        await town.objects.create(town["driver"], "DispatchEvent", body)
    assert await reading(town, tank) == (1200, told)


async def test_a_pressure_written_to_the_tank_was_read_now(town: Town) -> None:
    """The same pressure again is a reading too."""
    told = [town.ago(hours=6)]
    tank = await town.new_tank(lastCheckedAt=told[0])
    for minutes in (1, 2):
        town.ahead = timedelta(minutes=minutes)
        try:
            saved = await town.objects.update(town["driver"], "TankAssignment", tank, {"psiLevel": 900})
        finally:
            town.ahead = timedelta(0)
        at = (await town.stored("TankAssignment", tank))["lastCheckedAt"]
        assert saved.response["lastCheckedAt"] == at
        assert isinstance(at, dict)
        told.append(at)
    assert told == sorted(told, key=lambda date: str(date["iso"]))
    assert len({str(date) for date in told}) == 3


# --- states ---


async def test_a_tank_goes_round(town: Town) -> None:
    tank = await town.new_tank(status="full")
    steps = [("driver", state) for state in ("loaded", "at_site", "in_use", "empty", "returned")]
    steps += [("dispatcher", state) for state in ("filling", "qc_hold", "full", "quarantined", "condemned")]
    for who, state in steps:
        await town.objects.update(town[who], "TankAssignment", tank, {"status": state})
        assert (await town.stored("TankAssignment", tank))["status"] == state


@pytest.mark.parametrize("who", ["driver", "dispatcher", "admin", "master"])
async def test_a_step_that_is_not_in_the_table_is_refused_to_all(town: Town, who: str) -> None:
    tank = await town.new_tank(status="in_use")
    with pytest.raises(ParseError) as refusal:
        await town.objects.update(town[who], "TankAssignment", tank, {"status": "full", "psiLevel": 3})
    assert (int(refusal.value.code), refusal.value.message) == (
        142,
        "status: in_use cannot become full; from in_use it may become empty, quarantined or lost.",
    )
    assert await reading(town, tank) == (1200, None)


async def test_a_reading_may_repeat_the_status_it_was_read_in(town: Town) -> None:
    tank = await town.new_tank(status="in_use")
    await town.objects.update(town["driver"], "TankAssignment", tank, {"status": "in_use", "psiLevel": 900})
    with pytest.raises(ParseError, match="status: it is in_use already, so somebody else may have been first"):
        await town.objects.update(town["driver"], "TankAssignment", tank, {"status": "in_use"})


async def test_loading_past_the_test_date_is_refused(town: Town) -> None:
    tank = await town.new_tank(status="full", requalificationDue=town.ago(days=1))
    with pytest.raises(ParseError, match="full cannot become loaded because its requalification is overdue"):
        await town.objects.update(town["driver"], "TankAssignment", tank, {"status": "loaded"})
    later: Object = {"status": "loaded", "requalificationDue": town.ago(days=-1)}
    await town.objects.update(town["dispatcher"], "TankAssignment", tank, later)


@pytest.mark.parametrize("racers", [("driver", "dispatcher"), ("driver", "dispatcher", "admin", "driver")])
async def test_of_those_who_race_for_a_step_one_wins_and_the_others_hear_it(town: Town, racers: tuple[str, ...]) -> None:
    for _ in range(5):
        tank = await town.new_tank(status="full")
        writes = (town.objects.update(town[who], "TankAssignment", tank, {"status": "loaded"}) for who in racers)
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        refusals = [each for each in outcomes if isinstance(each, ParseError)]
        assert len([each for each in outcomes if isinstance(each, Saved)]) == 1
        assert len(refusals) == len(racers) - 1
        assert {(int(each.code), "loaded already" in each.message) for each in refusals} == {(142, True)}
        assert (await town.stored("TankAssignment", tank))["status"] == "loaded"


async def test_of_two_different_steps_one_wins_and_the_other_is_told_the_way(town: Town) -> None:
    tank = await town.new_tank(status="quarantined")
    outcomes = await asyncio.gather(
        town.objects.update(town["dispatcher"], "TankAssignment", tank, {"status": "qc_hold"}),
        town.objects.update(town["admin"], "TankAssignment", tank, {"status": "condemned"}),
        return_exceptions=True,
    )
    (refusal,) = [each for each in outcomes if isinstance(each, ParseError)]
    assert refusal.message in (
        "status: condemned is final.",
        "status: qc_hold cannot become condemned; from qc_hold it may become full, quarantined or lost.",
    )


# --- audit ---


async def trail(town: Town, object_id: str) -> list[Object]:
    query = town.objects.parse_query("AuditLog", {"where": {"entityId": object_id}, "order": "objectId"})
    return await town.objects.find_objects(MASTER, query)


async def test_every_write_is_in_the_audit_trail_of_its_author(town: Town) -> None:
    tank = (await town.objects.create(town["dispatcher"], "TankAssignment", town.tank_body())).object_id
    refill = (await town.objects.create(town["driver"], "RefillLog", town.refill_body(tank))).object_id
    await town.objects.delete(town["admin"], "RefillLog", refill)
    told = [(row["action"], row["actor"], row["summary"]) for row in await trail(town, tank)]
    assert told[0][:2] == ("create", town.user("dispatcher"))
    assert told[1] == ("update", town.user("driver"), "update TankAssignment: emptyAt, lastCheckedAt, psiLevel, urgency")
    made, gone = await trail(town, refill)
    assert (made["action"], made["actor"]) == ("create", town.user("driver"))
    assert (gone["action"], gone["actor"]) == ("delete", town.user("admin"))
    async with town.database.connection() as connection:
        assert await find_break(connection) is None


async def test_a_refused_write_leaves_no_trace_in_the_trail(town: Town) -> None:
    tank = await town.new_tank()
    before = await town.objects.count(MASTER, Query("AuditLog"))
    for body in ({"status": "full"}, {"psiLevel": 9000}, {"lotNumber": "X"}):
        with pytest.raises(ParseError):
            await town.objects.update(town["driver"], "TankAssignment", tank, body)
    assert await town.objects.count(MASTER, Query("AuditLog")) == before


async def test_the_trail_of_an_account_names_fields_and_no_values(town: Town) -> None:
    user = str(town["patient"].user_id)
    await town.objects.update(MASTER, "_User", user, {"displayName": "Joyce", "password": "another one"})
    last = (await trail(town, user))[-1]
    assert last["metadata"] == {"fields": ["displayName", "password"]}
    assert "Joyce" not in str(last)
    assert "another one" not in str(last)
