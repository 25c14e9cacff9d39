"""What the database keeps by itself: the same urgency as Python, right after any write, and flips as time passes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.ticker import flip
from app.core.wire import Json, Object, pointer
from app.domains.assets.rules import ASSET_STATES, CRITICALITIES, MAINTENANCE_TYPES, OUTCOMES, SEVERITIES, urgency
from app.domains.assets.triggers import tick
from app.errors import ParseError
from tests.domains.hospital import Hospital

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given its zone beside
spans = st.one_of(st.none(), st.timedeltas(timedelta(days=-40), timedelta(days=40)), st.sampled_from([timedelta(days=7)]))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from(ASSET_STATES.states),
    criticality=st.sampled_from(CRITICALITIES),
    recalled=st.sampled_from([None, False, True]),
    missing=st.sampled_from([None, False, True]),
    left=spans,
    now=moments,
)
async def test_sql_and_python_give_the_same_answer(
    hospital: Hospital,
    status: str,
    criticality: str,
    recalled: bool | None,
    missing: bool | None,
    left: timedelta | None,
    now: datetime,
) -> None:
    due = None if left is None else now + left
    ask = "select careboard.asset_urgency($1, $2, $3, $4, $5, $6)"
    async with hospital.database.connection() as connection:
        told = await connection.fetchval(ask, status, criticality, recalled, missing, due, now)
    assert told == urgency(status, criticality, recalled is True, missing is True, due, now)


async def test_psql_gets_the_facts_right_and_cannot_lie_about_them(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    before = await hospital.asset(asset)
    lie = """update "Asset" set "urgency" = 'critical', "_rperm" = null, "_wperm" = '{}' where "objectId" = $1"""
    await hospital.sql(lie, asset)
    assert await hospital.asset(asset) == before
    await hospital.sql("""update "Asset" set "nextServiceDue" = now() - interval '1 s' where "objectId" = $1""", asset)
    assert (await hospital.asset(asset))["urgency"] == "critical"
    await hospital.sql("""update "Asset" set "criticality" = 'low' where "objectId" = $1""", asset)
    assert (await hospital.asset(asset))["urgency"] == "overdue"


async def test_the_model_has_two_names(hospital: Hospital) -> None:
    """The template's schema says model, its prompt modelName: either is written, both are read."""
    first = await hospital.new_asset(modelName="PB980")
    second = await hospital.new_asset(model="V60", modelName="other")
    assert [(await hospital.asset(each))["model"] for each in (first, second)] == ["PB980", "V60"]
    for body, name in (({"modelName": "PB840"}, "PB840"), ({"model": "PB980"}, "PB980")):
        await hospital.objects.update(hospital["biomed"], "Asset", first, body)
        stored = await hospital.asset(first)
        assert (stored["model"], stored["modelName"]) == (name, name)
    assert first in await hospital.ids("biomed", "Asset", {"modelName": "PB980"})
    await hospital.objects.update(hospital["biomed"], "Asset", first, {"modelName": {"__op": "Delete"}})
    assert "model" not in await hospital.asset(first)


# --- time passes ---


async def settle(hospital: Hospital) -> None:
    while await flip(hospital.database, tick):
        pass


async def sooner(hospital: Hospital, asset: str, due: str) -> None:
    """Moves the date as if time had passed: a row whose urgency is behind the clock."""
    await hospital.sql(
        f"""alter table "Asset" disable trigger user;
        update "Asset" set "nextServiceDue" = clock_timestamp() + interval '{due}' where "objectId" = '{asset}';
        alter table "Asset" enable trigger user"""
    )


ORDER = ("ok", "due_soon", "down", "overdue", "critical")


@pytest.mark.parametrize("criticality", CRITICALITIES)
@pytest.mark.parametrize(("status", "begins"), [("available", 400), ("in_use", 3), ("out_of_service", 400), ("retired", 400)])
@pytest.mark.parametrize("due", ["40 days", "20 days", "10 days", "1 minute", "-1 second"])
async def test_the_ticker_takes_up_exactly_what_is_due(
    hospital: Hospital, criticality: str, status: str, begins: int, due: str
) -> None:
    """As time passes, so that an asset only gets worse."""
    await settle(hospital)
    start = "out_of_service" if status == "retired" else status
    asset = await hospital.new_asset(criticality=criticality, status=start, nextServiceDue=hospital.ago(days=-begins))
    if status == "retired":
        await hospital.objects.update(hospital["biomed"], "Asset", asset, {"status": "retired"})
    before = str((await hospital.asset(asset))["urgency"])
    await sooner(hospital, asset, due)
    flipped = await flip(hospital.database, tick)
    after = str((await hospital.asset(asset))["urgency"])
    async with hospital.database.connection() as connection:
        right = await connection.fetchval(
            """select careboard.asset_urgency("status", "criticality", "recalled", "missing", "nextServiceDue", clock_timestamp())
            from "Asset" where "objectId" = $1""",
            asset,
        )
    worse = ORDER.index(right) > ORDER.index(before)
    assert (flipped, after) == (1 if worse else 0, right if worse else before)
    assert await flip(hospital.database, tick) == 0


async def test_a_flip_is_an_ordinary_change_that_keeps_updated_at_and_alerts(hospital: Hospital) -> None:
    await settle(hospital)
    asset = await hospital.new_asset(criticality="high")
    before = await hospital.asset(asset)
    await sooner(hospital, asset, "-1 second")
    assert await flip(hospital.database, tick) == 1
    after = await hospital.asset(asset)
    assert (before["urgency"], after["urgency"], after["updatedAt"]) == ("ok", "overdue", before["updatedAt"])
    async with hospital.database.connection() as connection:
        change = await connection.fetchrow(
            'select "before", "after" from careboard.change where object_id = $1 order by seq desc limit 1', asset
        )
    assert '"urgency":"ok"' in change["before"]
    assert '"urgency":"overdue"' in change["after"]
    (alert,) = await hospital.alerts(asset)
    assert (alert["kind"], alert["urgency"], alert["role"]) == ("service_overdue", "high", "biomed")
    assert alert["message"] == f"{after['assetTag']} Ventilator is past its service date."


async def test_two_tickers_do_not_flip_twice(hospital: Hospital) -> None:
    await settle(hospital)
    asset = await hospital.new_asset()
    await sooner(hospital, asset, "-1 hour")
    assert sum(await asyncio.gather(*(flip(hospital.database, tick) for _ in range(4)))) == 1


# --- what a field may hold, told in a sentence ---

REFUSED: list[tuple[str, str, Json, str]] = [
    ("Asset", "criticality", "extreme", "criticality: give one of low, medium, high or critical."),
    ("Facility", "floorCount", -1, "floorCount: give the number of floors, 0 or more."),
    ("MaintenancePlan", "frequencyDays", 0, "frequencyDays: give the days from one service to the next, above 0, up to 3650."),
    ("MaintenancePlan", "frequencyDays", -7, "frequencyDays: give the days from one service to the next, above 0, up to 3650."),
    ("MaintenanceLog", "downtimeMinutes", -1, "downtimeMinutes: give the minutes the asset could not be used, 0 or more."),
    (
        "MaintenanceLog",
        "maintenanceType",
        "magic",
        f"maintenanceType: give one of {', '.join(MAINTENANCE_TYPES[:-1])} or {MAINTENANCE_TYPES[-1]}.",
    ),
    ("MaintenanceLog", "outcome", "fine", f"outcome: give one of {', '.join(OUTCOMES[:-1])} or {OUTCOMES[-1]}."),
    ("ComplianceEvent", "severity", "grave", f"severity: give one of {', '.join(SEVERITIES[:-1])} or {SEVERITIES[-1]}."),
]


def bodies(hospital: Hospital, asset: str) -> dict[str, Object]:
    """A good body of each class."""
    return {
        "Facility": {"name": "East", "code": "EAST", "isOperational": True},
        "Location": {"name": "ICU Room 12", "type": "room"},
        "Asset": hospital.asset_body(),
        "MaintenancePlan": hospital.plan_body(asset),
        "MaintenanceLog": hospital.log_body(asset, "admin"),
        "Inspection": hospital.inspection_body(asset, "admin"),
        "AssetAssignment": hospital.assignment_body(asset),
        "ComplianceEvent": hospital.event_body(asset, "admin"),
    }


@pytest.mark.parametrize(("class_name", "name", "value", "sentence"), REFUSED)
async def test_a_value_out_of_bounds_is_refused_in_a_sentence(
    hospital: Hospital, class_name: str, name: str, value: Json, sentence: str
) -> None:
    asset = await hospital.new_asset()
    body = bodies(hospital, asset)[class_name] | {name: value}
    with pytest.raises(ParseError) as refusal:
        await hospital.objects.create(hospital["admin"], class_name, body)
    assert (int(refusal.value.code), refusal.value.message) == (142, sentence)


async def test_times_keep_their_order(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    log = hospital.log_body(asset, startedAt=hospital.ago(minutes=1), completedAt=hospital.ago(minutes=5))
    with pytest.raises(ParseError, match="completedAt: work cannot be completed before it is started"):
        await hospital.make("MaintenanceLog", log)
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    early: Object = {"assignmentStatus": "completed", "returnedAt": hospital.ago(days=1)}
    with pytest.raises(ParseError, match="returnedAt: an asset cannot be returned before it is assigned"):
        await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, early)
    with pytest.raises(ParseError, match="returnedAt: set assignmentStatus to completed or transferred"):
        await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, {"returnedAt": hospital.ago()})
    assert (await hospital.stored("AssetAssignment", made))["assignmentStatus"] == "active"


async def test_tags_and_codes_are_unique(hospital: Hospital) -> None:
    tag = str((await hospital.asset(await hospital.new_asset()))["assetTag"])
    with pytest.raises(ParseError) as refusal:
        await hospital.new_asset(assetTag=tag)
    assert (int(refusal.value.code), refusal.value.message) == (137, "assetTag: another asset has this tag; give one of its own.")
    facility: Object = {"name": "Main again", "code": "MAIN", "isOperational": False}
    with pytest.raises(ParseError) as refusal:
        await hospital.make("Facility", facility)
    assert (int(refusal.value.code), refusal.value.message) == (137, "code: another facility has this code; give one of its own.")


async def test_what_is_referred_to_stays(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("Inspection", hospital.inspection_body(asset))
    with pytest.raises(ParseError, match=r"still used by (Inspection|ComplianceEvent)"):
        await hospital.objects.delete(hospital["admin"], "Asset", asset)
    with pytest.raises(ParseError, match="facility: there is no Facility with that objectId"):
        await hospital.new_asset(facility=pointer("Facility", "nowhere123"))
