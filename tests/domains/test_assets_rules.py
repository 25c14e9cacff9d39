"""The rules of hospital assets without a database: urgency at its borders, the machines, the matrix, the template's schema."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.wire import Object, date_to_wire, encode
from app.domains.assets.rules import (
    ASSET_STATES,
    ASSIGNMENT_STATES,
    CRITICALITIES,
    GRANTS,
    INSPECTION_STATES,
    LIMITS,
    LOG_STATES,
    MACHINES,
    PARENTS_FIRST,
    PLAN_STATES,
    URGENCIES,
    next_due,
    urgency,
    where_it_is,
)
from app.domains.assets.tables import TABLES
from app.domains.domain import StateMachine, permissions_of
from app.errors import ParseError
from tests.domains.floor import check_template, typed

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("criticality", "left", "expected"),
    [
        ("critical", timedelta(days=30), "ok"),
        ("critical", timedelta(days=30) - MINUTE, "due_soon"),
        ("high", timedelta(days=14), "ok"),
        ("high", timedelta(days=14) - MINUTE, "due_soon"),
        ("medium", timedelta(days=7), "ok"),
        ("medium", timedelta(days=7) - MINUTE, "due_soon"),
        ("low", timedelta(days=7), "ok"),
        ("low", MINUTE, "due_soon"),
        ("low", timedelta(0), "overdue"),
        ("high", -MINUTE, "overdue"),
        ("critical", timedelta(0), "critical"),
        ("critical", None, "unknown"),
        ("low", None, "unknown"),
    ],
)
def test_urgency_turns_at_its_borders(criticality: str, left: timedelta | None, expected: str) -> None:
    due = None if left is None else NOW + left
    assert urgency("available", criticality, False, False, due, NOW) == expected
    assert urgency("in_use", criticality, False, False, due, NOW) == expected


@pytest.mark.parametrize("criticality", CRITICALITIES)
def test_recalled_and_missing_assets_are_critical_whatever_they_are(criticality: str) -> None:
    far = NOW + timedelta(days=400)
    for recalled, missing in ((True, False), (False, True), (True, True)):
        assert urgency("available", criticality, recalled, missing, far, NOW) == "critical"
    assert urgency("retired", criticality, True, True, None, NOW) == "ok"


@pytest.mark.parametrize(("criticality", "expected"), [("low", "down"), ("medium", "down"), ("high", "critical")])
def test_out_of_service_is_critical_where_a_patient_depends_on_it(criticality: str, expected: str) -> None:
    assert urgency("out_of_service", criticality, False, False, NOW + timedelta(days=400), NOW) == expected
    assert urgency("out_of_service", criticality, False, False, None, NOW) == expected


def test_out_of_service_and_overdue_is_overdue() -> None:
    assert urgency("out_of_service", "low", False, False, NOW - MINUTE, NOW) == "overdue"


STEPS: dict[str, set[tuple[str, str]]] = {
    "Asset": {
        ("available", "in_use"),
        ("available", "maintenance"),
        ("available", "out_of_service"),
        ("available", "retired"),
        ("in_use", "available"),
        ("in_use", "maintenance"),
        ("in_use", "out_of_service"),
        ("maintenance", "available"),
        ("maintenance", "out_of_service"),
        ("out_of_service", "maintenance"),
        ("out_of_service", "retired"),
    },
    "MaintenancePlan": {("active", "paused"), ("paused", "active"), ("active", "completed"), ("paused", "completed")},
    "MaintenanceLog": {
        ("scheduled", "in_progress"),
        ("scheduled", "completed"),
        ("scheduled", "deferred_in_use"),
        ("scheduled", "could_not_locate"),
        ("scheduled", "cancelled"),
        ("in_progress", "on_hold"),
        ("in_progress", "completed"),
        ("in_progress", "deferred_in_use"),
        ("in_progress", "cancelled"),
        ("on_hold", "in_progress"),
        ("on_hold", "cancelled"),
        ("completed", "verified"),
    },
    "AssetAssignment": {("active", "completed"), ("active", "transferred")},
    "Inspection": set(),
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.class_name)
def test_a_machine_allows_exactly_its_table(machine: StateMachine) -> None:
    """Each pair of states; what is refused names what is allowed."""
    for source in machine.states:
        for target in machine.states:
            after: Object = {machine.field: target}
            if (source, target) in STEPS[machine.class_name]:
                machine.check(source, after, None, NOW)
                continue
            with pytest.raises(ParseError) as refusal:
                machine.check(source, after, None, NOW)
            assert refusal.value.code == 142
            assert all(allowed in refusal.value.message for allowed in machine.next_states(source))


def test_what_is_final_and_how_things_begin() -> None:
    assert ASSET_STATES.final == ("retired",)
    assert ASSET_STATES.next_states(None) == ("available", "in_use", "maintenance", "out_of_service")
    assert PLAN_STATES.final == ("completed",)
    assert set(LOG_STATES.final) == {"deferred_in_use", "could_not_locate", "verified", "cancelled"}
    assert ASSIGNMENT_STATES.final == ("completed", "transferred")
    assert INSPECTION_STATES.final == ("passed", "attention_needed", "failed")


def test_the_machines_are_published_as_json() -> None:
    for machine in MACHINES:
        wire = machine.to_wire()
        assert encode(wire)
        assert wire["className"] == machine.class_name


def test_what_the_server_computes_is_nobodys_to_write() -> None:
    for role in ("biomed", "admin", "technician"):
        for class_name, name in (
            ("Asset", "urgency"),
            ("Asset", "holder"),
            ("Asset", "assignment"),
            ("MaintenanceLog", "plannedFor"),
        ):
            with pytest.raises(ParseError, match=rf"{class_name}\.{name} is computed by the server; leave it out"):
                GRANTS.check_fields({role}, class_name, "update", [name])


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
def test_class_permissions_close_every_class_to_strangers(class_name: str) -> None:
    permissions = permissions_of(GRANTS, class_name)
    assert permissions["addField"] == {}
    assert permissions["delete"] == {"role:admin": True}
    for operation in ("find", "get", "count", "create", "update"):
        assert permissions[operation] == {"requiresAuthentication": True}


def test_the_next_service_is_told_or_follows_from_the_plan() -> None:
    told, done = date_to_wire(NOW + timedelta(days=9)), date_to_wire(NOW)
    assert next_due({"nextDueAt": told, "completedAt": done}, 30) == NOW + timedelta(days=9)
    assert next_due({"completedAt": done}, 30) == NOW + timedelta(days=30)
    assert next_due({"completedAt": done}, None) is None
    assert next_due({}, 30) is None


def test_a_place_is_department_and_room() -> None:
    assert [where_it_is("ICU", "Room 12"), where_it_is("ICU", None), where_it_is("ICU", "")] == ["ICU Room 12", "ICU", "ICU"]


def test_every_limit_stands_in_its_table() -> None:
    held = {constraint._meta.name for table in TABLES for constraint in table._meta.constraints}
    assert held == {limit.name for limit in LIMITS}
    assert len(set(URGENCIES)) == len(URGENCIES)


SEED: dict[str, dict[str, str]] = {
    "Facility": {
        "name": "String!",
        "code": "String!",
        "campus": "String",
        "floorCount": "Number",
        "isOperational": "Boolean!",
    },
    "Asset": {
        "facility": "Pointer!Facility",
        "assetTag": "String!",
        "name": "String!",
        "category": "String!",
        "manufacturer": "String",
        "model": "String",
        "serialNumber": "String!",
        "status": "String!",
        "criticality": "String!",
        "currentLocation": "String!",
        "purchaseDate": "Date",
        "nextServiceDue": "Date",
        "lastInspectionAt": "Date",
    },
    "MaintenanceLog": {
        "asset": "Pointer!Asset",
        "performedBy": "Pointer!_User",
        "maintenanceType": "String!",
        "status": "String!",
        "startedAt": "Date!",
        "completedAt": "Date",
        "findings": "String",
        "partsUsed": "Array",
        "nextDueAt": "Date",
        "downtimeMinutes": "Number",
    },
    "AssetAssignment": {
        "asset": "Pointer!Asset",
        "assignedTo": "Pointer!_User",
        "departmentName": "String!",
        "roomLabel": "String",
        "assignedAt": "Date!",
        "returnedAt": "Date",
        "assignmentStatus": "String!",
        "usageNotes": "String",
    },
    "ComplianceEvent": {
        "asset": "Pointer!Asset",
        "actor": "Pointer!_User",
        "eventType": "String!",
        "severity": "String!",
        "summary": "String!",
        "details": "Object",
        "occurredAt": "Date!",
    },
}
PROMPT: dict[str, dict[str, str]] = {
    "Location": {"name": "String!", "type": "String!", "floor": "Number", "department": "String"},
    "Asset": {"modelName": "String", "location": "PointerLocation"},
    "MaintenancePlan": {
        "asset": "Pointer!Asset",
        "frequencyDays": "Number!",
        "checklist": "Array",
        "nextDueAt": "Date!",
        "status": "String!",
    },
    "MaintenanceLog": {
        "plan": "PointerMaintenancePlan",
        "performedAt": "Date",
        "summary": "String",
        "outcome": "String",
        "notes": "String",
    },
    "Inspection": {
        "asset": "Pointer!Asset",
        "inspectedBy": "Pointer!_User",
        "inspectedAt": "Date!",
        "status": "String!",
        "findings": "String",
    },
}
"""Classes and fields that only the template's prompt names."""


@pytest.mark.parametrize("class_name", list(SEED))
def test_every_field_of_the_template_is_there_as_typed(class_name: str) -> None:
    check_template(TABLES, class_name, SEED[class_name])


@pytest.mark.parametrize("class_name", list(PROMPT))
def test_every_field_of_the_prompt_is_there_too(class_name: str) -> None:
    fields = typed(TABLES, class_name)
    assert {name: fields[name] for name in PROMPT[class_name]} == PROMPT[class_name]
