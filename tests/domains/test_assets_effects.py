"""What a write brings with it: moves, work, inspections, dates, events, alerts; and of those who race one wins."""

import asyncio
from datetime import timedelta

import pytest

from app.actions.audit import find_break
from app.actions.hooks import Saved
from app.core.wire import Json, Object, pointer
from app.domains.limits import instant
from app.errors import ParseError
from tests.domains.hospital import Hospital


async def place(hospital: Hospital, asset: str) -> tuple[Json, Json, Json]:
    """Where an asset is, its department, its status."""
    stored = await hospital.asset(asset)
    return stored["currentLocation"], stored.get("department"), stored["status"]


async def refused(work: object, code: int, words: str) -> None:
    with pytest.raises(ParseError) as refusal:
        await work  # type: ignore[misc]  # a coroutine
    assert (int(refusal.value.code), words in refusal.value.message) == (code, True), refusal.value.message


# --- moves ---


@pytest.mark.parametrize("who", ["biomed", "admin"])
async def test_an_assignment_moves_its_asset_and_tells_it(hospital: Hospital, who: str) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset), who)
    assert await place(hospital, asset) == ("ICU Room 12", "ICU", "in_use")
    stored = await hospital.asset(asset)
    assert (stored["holder"], stored["assignment"]) == (hospital.user("nurse"), pointer("AssetAssignment", made))
    (event,) = await hospital.of(asset, "ComplianceEvent")
    assert (event["eventType"], event["severity"], event["actor"]) == ("moved", "info", hospital.user(who))
    assert event["details"] == {"from": "Equipment store", "to": "ICU Room 12", "assignment": made}


async def test_a_second_active_assignment_is_refused_whole(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("AssetAssignment", hospital.assignment_body(asset), "biomed")
    before = await hospital.asset(asset), await hospital.told(asset)
    again = hospital.assignment_body(asset, departmentName="Emergency")
    await refused(
        hospital.objects.create(hospital["biomed"], "AssetAssignment", again), 137, "send that one's objectId as `previous`"
    )
    assert (await hospital.asset(asset), await hospital.told(asset)) == before
    assert len(await hospital.of(asset, "AssetAssignment")) == 1


async def test_the_database_itself_holds_one_active_assignment_an_asset(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    copy = """insert into "AssetAssignment" ("objectId", "createdAt", "updatedAt", "asset", "assignedTo", "departmentName",
      "assignedAt", "assignmentStatus") select 'copy' || "objectId", now(), now(), "asset", "assignedTo", 'X', now(), 'active'
      from "AssetAssignment" where "asset" = $1"""
    with pytest.raises(ParseError) as refusal:
        await hospital.sql(copy, asset)
    assert refusal.value.code == 137


async def test_a_transfer_ends_one_assignment_and_begins_the_next(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    first = await hospital.make("AssetAssignment", hospital.assignment_body(asset, assignedAt=hospital.ago(hours=2)), "biomed")
    body = hospital.assignment_body(
        asset, departmentName="Emergency", roomLabel="Bay 3", previous=pointer("AssetAssignment", first)
    )
    await hospital.make("AssetAssignment", body, "biomed")
    ended = await hospital.stored("AssetAssignment", first)
    assert (ended["assignmentStatus"], ended["returnedAt"]) == ("transferred", body["assignedAt"])
    assert await place(hospital, asset) == ("Emergency Bay 3", "Emergency", "in_use")
    assert await hospital.told(asset) == ["moved", "transferred"]
    third = hospital.assignment_body(asset, previous=pointer("AssetAssignment", first))
    await refused(
        hospital.objects.create(hospital["biomed"], "AssetAssignment", third),
        142,
        "previous: that assignment is transferred already",
    )


async def test_a_transfer_takes_over_an_assignment_of_the_same_asset_only(hospital: Hospital) -> None:
    asset, other = await hospital.new_asset(), await hospital.new_asset()
    held = await hospital.make("AssetAssignment", hospital.assignment_body(other))
    for previous, words in ((held, "it belongs to another asset"), ("nowhere123", "there is no AssetAssignment")):
        body = hospital.assignment_body(asset, previous=pointer("AssetAssignment", previous))
        await refused(hospital.objects.create(hospital["biomed"], "AssetAssignment", body), 142, words)
    assert (await hospital.stored("AssetAssignment", held))["assignmentStatus"] == "active"


async def test_a_completed_assignment_returns_the_asset(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    saved = await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, {"assignmentStatus": "completed"})
    stored = await hospital.asset(asset)
    assert (stored["status"], stored["dirty"], {"holder", "assignment"} & stored.keys()) == ("available", True, set())
    assert stored["currentLocation"] == "ICU Room 12"
    assert saved.response["returnedAt"] == saved.object["returnedAt"]
    assert await hospital.told(asset) == ["moved", "returned"]


async def test_a_returned_asset_is_where_it_is_put_back(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    body: Object = {"assignmentStatus": "completed", "returnedTo": "Decontamination"}
    await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, body)
    assert await place(hospital, asset) == ("Decontamination", None, "available")


async def test_an_asset_that_is_handed_on_is_in_transit_until_it_is_received(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, {"assignmentStatus": "transferred"})
    assert await place(hospital, asset) == ("In transit", None, "available")
    await hospital.make("AssetAssignment", hospital.assignment_body(asset, departmentName="Ward 5", roomLabel=None))
    assert await place(hospital, asset) == ("Ward 5", "Ward 5", "in_use")


async def test_a_change_of_room_or_holder_moves_the_asset_too(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset), "biomed")
    await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, {"roomLabel": "Room 14"})
    assert (await hospital.asset(asset))["currentLocation"] == "ICU Room 14"
    await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, {"assignedTo": hospital.user("manager")})
    assert (await hospital.asset(asset))["holder"] == hospital.user("manager")
    assert await hospital.told(asset) == ["moved", "moved", "handed_over"]


async def test_a_move_finds_the_location_that_its_words_mean(hospital: Hospital) -> None:
    facility = pointer("Facility", await hospital.make("Facility", {"name": "North", "code": "NORTH", "isOperational": True}))
    room: Object = {"facility": facility, "name": "OR 2", "type": "room", "department": "Surgery", "room": "Theatre 2"}
    location = await hospital.make("Location", room)
    elsewhere = await hospital.make("Location", {**room, "facility": pointer("Facility", hospital.facility)})
    asset = await hospital.new_asset(facility=facility)
    await hospital.make("AssetAssignment", hospital.assignment_body(asset, departmentName="Surgery", roomLabel="Theatre 2"))
    assert (await hospital.asset(asset))["location"] == pointer("Location", location)
    await hospital.objects.update(hospital["biomed"], "Asset", asset, {"currentLocation": "Somewhere"})
    assert "location" not in await hospital.asset(asset)
    await hospital.objects.update(hospital["biomed"], "Asset", asset, {"location": pointer("Location", elsewhere)})
    assert await place(hospital, asset) == ("OR 2", "Surgery", "in_use")


async def test_a_location_written_by_hand_is_told_as_a_move(hospital: Hospital) -> None:
    """The template's own flow: PUT /classes/Asset with a new currentLocation."""
    asset = await hospital.new_asset()
    await hospital.objects.update(hospital["biomed"], "Asset", asset, {"currentLocation": "ICU Room 12"})
    (event,) = await hospital.of(asset, "ComplianceEvent")
    assert (event["eventType"], event["actor"]) == ("moved", hospital.user("biomed"))
    assert event["details"] == {"from": "Equipment store", "to": "ICU Room 12"}
    await hospital.make("AssetAssignment", hospital.assignment_body(asset), "biomed")
    await hospital.objects.update(hospital["biomed"], "Asset", asset, {"currentLocation": "ICU Room 12"})
    assert await hospital.told(asset) == ["moved", "moved"]


async def test_a_found_asset_is_no_longer_missing(hospital: Hospital) -> None:
    asset = await hospital.new_asset(missing=True)
    assert (await hospital.asset(asset))["urgency"] == "critical"
    await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    stored = await hospital.asset(asset)
    assert (stored["missing"], stored["urgency"]) == (False, "ok")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"status": "maintenance"},
            "maintenance cannot become in_use; from maintenance it may become available or out_of_service",
        ),
        ({"status": "out_of_service"}, "from out_of_service it may become maintenance or retired"),
        ({"recalled": True}, "because it is recalled; have the recall remedied"),
    ],
)
async def test_what_may_not_be_used_is_not_assigned(hospital: Hospital, fields: Object, words: str) -> None:
    asset = await hospital.new_asset(**fields)
    before = await hospital.asset(asset)
    await refused(hospital.objects.create(hospital["biomed"], "AssetAssignment", hospital.assignment_body(asset)), 142, words)
    assert await hospital.asset(asset) == before
    assert await hospital.of(asset, "AssetAssignment") == []


async def test_an_assigned_asset_is_returned_before_it_is_available_or_retired(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    words = "because it is assigned to somebody; complete or transfer the assignment first"
    await refused(hospital.objects.update(hospital["biomed"], "Asset", asset, {"status": "available"}), 142, words)
    await hospital.objects.update(hospital["biomed"], "Asset", asset, {"status": "out_of_service"})
    await refused(hospital.objects.update(hospital["biomed"], "Asset", asset, {"status": "retired"}), 142, words)
    await refused(hospital.objects.delete(hospital["admin"], "AssetAssignment", made), 142, "instead of deleting it")
    await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, {"assignmentStatus": "completed"})
    assert (await hospital.asset(asset))["status"] == "out_of_service"
    await hospital.objects.update(hospital["biomed"], "Asset", asset, {"status": "retired"})


async def test_history_is_recorded_without_moving_anything(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    body = hospital.assignment_body(asset, assignmentStatus="completed", assignedAt=hospital.ago(days=3))
    await refused(hospital.objects.create(hospital["biomed"], "AssetAssignment", body), 142, "fill returnedAt")
    await hospital.make("AssetAssignment", {**body, "returnedAt": hospital.ago(days=2)}, "biomed")
    assert await place(hospital, asset) == ("Equipment store", None, "available")
    assert await hospital.told(asset) == []


@pytest.mark.parametrize("class_name", ["AssetAssignment", "MaintenanceLog", "Inspection", "MaintenancePlan", "ComplianceEvent"])
async def test_history_stays_with_its_asset(hospital: Hospital, class_name: str) -> None:
    asset, other = await hospital.new_asset(), await hospital.new_asset()
    bodies: dict[str, Object] = {
        "AssetAssignment": hospital.assignment_body(asset),
        "MaintenanceLog": hospital.log_body(asset),
        "Inspection": hospital.inspection_body(asset),
        "MaintenancePlan": hospital.plan_body(asset),
        "ComplianceEvent": hospital.event_body(asset),
    }
    made = await hospital.make(class_name, bodies[class_name])
    await refused(
        hospital.objects.update(hospital["admin"], class_name, made, {"asset": pointer("Asset", other)}),
        142,
        "stays with its asset",
    )


# --- races ---


async def race(*writes: object) -> tuple[list[Saved], list[ParseError]]:
    """What went through, and what was refused."""
    outcomes = await asyncio.gather(*writes, return_exceptions=True)  # type: ignore[call-overload]  # coroutines
    saved = [each for each in outcomes if isinstance(each, Saved)]
    failed = [each for each in outcomes if isinstance(each, ParseError)]
    assert len(saved) + len(failed) == len(writes), outcomes
    return saved, failed


async def test_of_those_who_race_for_an_asset_one_gets_it(hospital: Hospital) -> None:
    for _ in range(5):
        asset = await hospital.new_asset()
        bodies = [hospital.assignment_body(asset, roomLabel=f"Room {number}") for number in range(4)]
        saved, failed = await race(*(hospital.objects.create(hospital["biomed"], "AssetAssignment", body) for body in bodies))
        assert len(saved) == 1
        assert {(int(each.code), each.message[:38]) for each in failed} == {(137, "asset: it has an active assignment alr")}
        assert (await hospital.asset(asset))["currentLocation"] == f"ICU {saved[0].object['roomLabel']}"
        assert (len(await hospital.of(asset, "AssetAssignment")), await hospital.told(asset)) == (1, ["moved"])


async def test_of_those_who_race_to_take_an_asset_over_one_gets_it(hospital: Hospital) -> None:
    for _ in range(5):
        asset = await hospital.new_asset()
        first = pointer("AssetAssignment", await hospital.make("AssetAssignment", hospital.assignment_body(asset)))
        bodies = [hospital.assignment_body(asset, departmentName=name, previous=first) for name in ("Ward 1", "Ward 2", "Ward 3")]
        saved, failed = await race(*(hospital.objects.create(hospital["biomed"], "AssetAssignment", body) for body in bodies))
        assert len(saved) == 1
        assert {(int(each.code), each.message[:46]) for each in failed} == {
            (142, "previous: that assignment is transferred alrea")
        }
        assert (await hospital.asset(asset))["department"] == saved[0].object["departmentName"]
        assert await hospital.told(asset) == ["moved", "transferred"]


@pytest.mark.parametrize("more", [{}, {"returnedTo": "Store", "usageNotes": "cable worn"}])
async def test_of_those_who_race_to_return_an_asset_one_does(hospital: Hospital, more: Object) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    bodies: list[Object] = [{"assignmentStatus": "completed", **more}] * 3
    saved, failed = await race(*(hospital.objects.update(hospital["biomed"], "AssetAssignment", made, body) for body in bodies))
    assert len(saved) == 1
    assert {(int(each.code), "completed already, so somebody else may have been first" in each.message) for each in failed} == {
        (142, True)
    }
    assert await hospital.told(asset) == ["moved", "returned"]


# --- work ---


async def due(hospital: Hospital, asset: str) -> timedelta | None:
    """How far ahead the next service of an asset is."""
    at = instant((await hospital.asset(asset)).get("nextServiceDue"))
    return None if at is None else at - hospital.now()


def days(span: timedelta | None) -> int | None:
    return None if span is None else round(span / timedelta(days=1))


async def test_a_plan_gives_its_asset_the_soonest_date(hospital: Hospital) -> None:
    asset = await hospital.new_asset(nextServiceDue=None)
    assert (await hospital.asset(asset))["urgency"] == "unknown"
    yearly = await hospital.make(
        "MaintenancePlan", hospital.plan_body(asset, frequencyDays=365, nextDueAt=hospital.ago(days=-300))
    )
    assert days(await due(hospital, asset)) == 300
    monthly = await hospital.make(
        "MaintenancePlan", hospital.plan_body(asset, frequencyDays=30, nextDueAt=hospital.ago(days=-20))
    )
    assert days(await due(hospital, asset)) == 20
    assert (await hospital.asset(asset))["urgency"] == "due_soon"
    await hospital.objects.update(hospital["biomed"], "MaintenancePlan", monthly, {"status": "paused"})
    assert days(await due(hospital, asset)) == 300
    await hospital.objects.update(hospital["biomed"], "MaintenancePlan", yearly, {"status": "completed"})
    assert await due(hospital, asset) is None


async def test_completed_work_moves_the_plan_and_the_asset(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    planned = hospital.ago(days=1)
    plan = await hospital.make("MaintenancePlan", hospital.plan_body(asset, nextDueAt=planned))
    assert (await hospital.asset(asset))["urgency"] == "critical"
    made = await hospital.make("MaintenanceLog", hospital.log_body(asset), "technician")
    log = await hospital.stored("MaintenanceLog", made)
    assert (log["plan"], log["plannedFor"]) == (pointer("MaintenancePlan", plan), planned)
    assert days(await due(hospital, asset)) == 180
    stored = await hospital.stored("MaintenancePlan", plan)
    assert stored["nextDueAt"] == log["nextDueAt"] == (await hospital.asset(asset))["nextServiceDue"]
    assert (await hospital.asset(asset))["urgency"] == "ok"
    assert await hospital.told(asset) == ["maintenance_completed"]


async def test_work_that_says_when_to_come_back_is_believed(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    plan = await hospital.make("MaintenancePlan", hospital.plan_body(asset))
    await hospital.make("MaintenanceLog", hospital.log_body(asset, nextDueAt=hospital.ago(days=-30)), "technician")
    assert days(await due(hospital, asset)) == 30
    at = instant((await hospital.stored("MaintenancePlan", plan))["nextDueAt"])
    assert at is not None
    assert days(at - hospital.now()) == 30


async def test_a_corrected_time_moves_the_date_that_followed_from_it(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("MaintenancePlan", hospital.plan_body(asset))
    body = hospital.log_body(asset, startedAt=hospital.ago(days=9))
    made = await hospital.make("MaintenanceLog", body, "technician")
    await hospital.objects.update(hospital["technician"], "MaintenanceLog", made, {"completedAt": hospital.ago(days=5)})
    assert days(await due(hospital, asset)) == 175
    await hospital.objects.update(hospital["technician"], "MaintenanceLog", made, {"nextDueAt": hospital.ago(days=-30)})
    assert days(await due(hospital, asset)) == 30
    await hospital.objects.update(hospital["technician"], "MaintenanceLog", made, {"completedAt": hospital.ago(days=4)})
    assert days(await due(hospital, asset)) == 30


async def test_to_verify_work_says_nothing_of_the_date(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    plan = await hospital.make("MaintenancePlan", hospital.plan_body(asset))
    made = await hospital.make("MaintenanceLog", hospital.log_body(asset), "technician")
    await hospital.objects.update(hospital["biomed"], "MaintenancePlan", plan, {"nextDueAt": hospital.ago(days=-40)})
    await hospital.objects.update(hospital["biomed"], "MaintenanceLog", made, {"status": "verified"})
    assert days(await due(hospital, asset)) == 40


async def test_without_a_plan_the_log_moves_the_asset(hospital: Hospital) -> None:
    asset = await hospital.new_asset(nextServiceDue=hospital.ago(days=3))
    await hospital.make("MaintenanceLog", hospital.log_body(asset), "technician")
    assert days(await due(hospital, asset)) == -3
    await hospital.make("MaintenanceLog", hospital.log_body(asset, nextDueAt=hospital.ago(days=-90)), "technician")
    assert days(await due(hospital, asset)) == 90


async def test_logs_in_any_order_end_at_the_newest(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("MaintenancePlan", hospital.plan_body(asset))
    for ago in (30, 2, 10):
        body = hospital.log_body(asset, startedAt=hospital.ago(days=ago + 1), completedAt=hospital.ago(days=ago))
        await hospital.make("MaintenanceLog", body, "technician")
    assert days(await due(hospital, asset)) == 178


async def test_logs_at_once_end_at_the_newest(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("MaintenancePlan", hospital.plan_body(asset))
    bodies = [
        hospital.log_body(asset, startedAt=hospital.ago(days=ago + 1), completedAt=hospital.ago(days=ago)) for ago in (4, 1, 3, 2)
    ]
    await asyncio.gather(*(hospital.objects.create(hospital["technician"], "MaintenanceLog", body) for body in bodies))
    assert days(await due(hospital, asset)) == 179


async def test_open_work_moves_no_date_until_it_is_done(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("MaintenancePlan", hospital.plan_body(asset))
    body = hospital.log_body(asset, status="scheduled", startedAt=hospital.ago(days=-2), completedAt=None)
    made = await hospital.make("MaintenanceLog", body, "technician")
    steps: list[Object] = [
        {"status": "in_progress"},
        {"status": "on_hold", "notes": "waits for a part"},
        {"status": "in_progress"},
    ]
    for step in steps:
        await hospital.objects.update(hospital["technician"], "MaintenanceLog", made, step)
        assert days(await due(hospital, asset)) == 200
    started = instant((await hospital.stored("MaintenanceLog", made))["startedAt"])
    assert started is not None
    assert started <= hospital.now()
    done: Object = {"status": "completed", "findings": "filter changed", "partsUsed": ["filter"], "downtimeMinutes": 45}
    saved = await hospital.objects.update(hospital["technician"], "MaintenanceLog", made, done)
    assert saved.object["completedAt"] == saved.object["performedAt"]
    assert days(await due(hospital, asset)) == 180
    await refused(
        hospital.objects.update(hospital["technician"], "MaintenanceLog", made, {"status": "verified"}),
        119,
        "admin and biomed may",
    )
    await hospital.objects.update(hospital["biomed"], "MaintenanceLog", made, {"status": "verified"})
    told = ["scheduled", "in_progress", "on_hold", "in_progress", "completed", "verified"]
    assert await hospital.told(asset) == [f"maintenance_{status}" for status in told]


async def test_the_words_of_the_prompt_are_a_log_too(hospital: Hospital) -> None:
    """performedAt, summary and outcome, as the template's prompt names them, beside the schema's required maintenanceType."""
    asset = await hospital.new_asset()
    body = hospital.log_body(
        asset,
        status=None,
        startedAt=None,
        completedAt=None,
        performedAt=hospital.ago(minutes=5),
        summary="Filter changed",
        outcome="passed",
        notes="none",
    )
    log = await hospital.stored("MaintenanceLog", await hospital.make("MaintenanceLog", body, "technician"))
    assert (log["status"], log["startedAt"], log["completedAt"]) == ("completed", body["performedAt"], body["performedAt"])


async def test_an_asset_in_use_or_out_of_sight_was_tried_in_time(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    planned = hospital.ago(days=-1)
    await hospital.make("MaintenancePlan", hospital.plan_body(asset, nextDueAt=planned))
    made = await hospital.make(
        "MaintenanceLog", hospital.log_body(asset, status="deferred_in_use", completedAt=None), "technician"
    )
    assert (await hospital.stored("MaintenanceLog", made))["plannedFor"] == planned
    assert (await hospital.asset(asset))["nextServiceDue"] == planned
    await hospital.make("MaintenanceLog", hospital.log_body(asset, status="could_not_locate", completedAt=None), "technician")
    stored = await hospital.asset(asset)
    assert (stored["missing"], stored["urgency"]) == (True, "critical")
    (alert,) = await hospital.alerts(asset)
    assert (alert["role"], alert["urgency"], alert["kind"]) == ("biomed", "critical", "asset_missing")
    assert "is missing, last known at Equipment store." in str(alert["message"])
    assert await hospital.told(asset) == ["maintenance_deferred_in_use", "maintenance_could_not_locate"]


async def test_work_that_failed_takes_the_asset_out_of_service(hospital: Hospital) -> None:
    asset = await hospital.new_asset(status="maintenance")
    body = hospital.log_body(asset, maintenanceType="corrective", outcome="failed")
    await hospital.make("MaintenanceLog", body, "technician")
    assert (await hospital.asset(asset))["status"] == "out_of_service"
    (event,) = await hospital.of(asset, "ComplianceEvent")
    assert (event["severity"], event["details"]["status"]) == ("critical", "out_of_service")  # type: ignore[index,call-overload]  # an object


async def test_an_open_log_gives_the_technician_the_asset(hospital: Hospital) -> None:
    asset = await hospital.new_asset(technician=None)
    body = hospital.log_body(asset, "other_technician", status="scheduled", completedAt=None)
    await hospital.make("MaintenanceLog", body, "biomed")
    assert (await hospital.asset(asset))["technician"] == hospital.user("other_technician")
    assert asset in await hospital.ids("other_technician", "Asset")


async def test_a_plan_of_another_asset_is_refused(hospital: Hospital) -> None:
    asset, other = await hospital.new_asset(), await hospital.new_asset()
    plan = await hospital.make("MaintenancePlan", hospital.plan_body(other))
    body = hospital.log_body(asset, plan=pointer("MaintenancePlan", plan))
    await refused(
        hospital.objects.create(hospital["technician"], "MaintenanceLog", body), 142, "plan: it belongs to another asset"
    )


# --- inspections ---


async def test_a_failed_inspection_takes_the_asset_out_of_service(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    body = hospital.inspection_body(asset, status="failed", findings="cracked housing")
    made = await hospital.make("Inspection", body, "technician")
    stored = await hospital.asset(asset)
    assert (stored["status"], stored["urgency"], stored["lastInspectionAt"]) == (
        "out_of_service",
        "critical",
        body["inspectedAt"],
    )
    event = (await hospital.of(asset, "ComplianceEvent"))[-1]
    assert (event["eventType"], event["severity"], event["actor"]) == (
        "inspection_failed",
        "critical",
        hospital.user("technician"),
    )
    assert event["details"] == {"inspection": made, "status": "out_of_service"}
    (alert,) = await hospital.alerts(asset)
    assert (alert["role"], alert["urgency"], alert["kind"]) == ("biomed", "critical", "inspection_failed")


@pytest.mark.parametrize("found", ["passed", "attention_needed"])
async def test_other_findings_leave_the_asset_in_service(hospital: Hospital, found: str) -> None:
    asset = await hospital.new_asset()
    await hospital.make("Inspection", hospital.inspection_body(asset, status=found), "technician")
    assert (await hospital.asset(asset))["status"] == "available"
    assert (await hospital.told(asset), await hospital.alerts(asset)) == ([f"inspection_{found}"], [])


async def test_an_older_inspection_is_history_only(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    newest = hospital.inspection_body(asset)
    await hospital.make("Inspection", newest, "technician")
    await hospital.make(
        "Inspection", hospital.inspection_body(asset, status="failed", inspectedAt=hospital.ago(days=2)), "technician"
    )
    stored = await hospital.asset(asset)
    assert (stored["status"], stored["lastInspectionAt"]) == ("available", newest["inspectedAt"])


async def test_a_finding_stays(hospital: Hospital) -> None:
    made = await hospital.make("Inspection", hospital.inspection_body(await hospital.new_asset()))
    await refused(hospital.objects.update(hospital["biomed"], "Inspection", made, {"status": "failed"}), 142, "passed is final")


async def test_what_is_told_of_the_future_is_refused(hospital: Hospital) -> None:
    asset, soon = await hospital.new_asset(), hospital.ago(minutes=-30)
    for class_name, body in (
        ("Inspection", hospital.inspection_body(asset, inspectedAt=soon)),
        ("MaintenanceLog", hospital.log_body(asset, completedAt=soon)),
        ("AssetAssignment", hospital.assignment_body(asset, assignedAt=soon)),
        ("ComplianceEvent", hospital.event_body(asset, "admin", occurredAt=soon)),
    ):
        await refused(hospital.objects.create(hospital["admin"], class_name, body), 142, "has not come yet")


# --- recalls, losses, requests ---


async def test_a_recall_and_a_loss_are_told_and_alerted(hospital: Hospital) -> None:
    asset = await hospital.new_asset(criticality="low")
    steps: list[Object] = [{"recalled": True}, {"recalled": False}, {"missing": True}, {"missing": False}]
    for step in steps:
        await hospital.objects.update(hospital["biomed"], "Asset", asset, step)
    assert await hospital.told(asset) == ["recalled", "recall_remedied", "missing", "found"]
    assert [(alert["kind"], alert["urgency"]) for alert in await hospital.alerts(asset)] == [
        ("asset_recalled", "high"),
        ("asset_missing", "high"),
    ]


async def test_a_status_written_by_hand_is_told(hospital: Hospital) -> None:
    asset = await hospital.make("Asset", hospital.asset_body(), "biomed")
    for status in ("maintenance", "out_of_service"):
        await hospital.objects.update(hospital["biomed"], "Asset", asset, {"status": status})
    events = await hospital.of(asset, "ComplianceEvent")
    assert [(event["eventType"], event["severity"]) for event in events] == [
        ("registered", "info"),
        ("status_changed", "info"),
        ("status_changed", "high"),
    ]


async def test_a_request_of_a_department_reaches_biomedical_engineering(hospital: Hospital) -> None:
    asset = await hospital.new_asset(department="ICU")
    await hospital.make("ComplianceEvent", hospital.event_body(asset, "manager", severity="high"), "manager")
    (alert,) = await hospital.alerts(asset)
    assert (alert["role"], alert["urgency"], alert["kind"]) == ("biomed", "high", "service_requested")
    assert "service requested. The alarm sounds without a reason." in str(alert["message"])


# --- audit ---


async def test_every_write_is_in_the_audit_trail_of_its_author(hospital: Hospital) -> None:
    asset = await hospital.make("Asset", hospital.asset_body(), "biomed")
    await hospital.make("AssetAssignment", hospital.assignment_body(asset), "admin")
    await hospital.make("Inspection", hospital.inspection_body(asset, status="failed"), "technician")
    query = hospital.objects.parse_query("AuditLog", {"where": {"entityId": asset}, "order": "objectId"})
    rows = await hospital.objects.find_objects(hospital["admin"], query)
    assert [(row["action"], row["actor"]) for row in rows] == [
        ("create", hospital.user("biomed")),
        ("update", hospital.user("admin")),
        ("update", hospital.user("technician")),
        ("update", hospital.user("technician")),
    ]
    async with hospital.database.connection() as connection:
        assert await find_break(connection) is None
