"""The rules of hospital assets, as tables of data and pure functions.

Owns: the urgency of an asset, the states of assets, plans, work and assignments, who may do what, and the values a field may
hold. Holds: each number is written here once; the triggers of the database are generated from it (`triggers.py`), and a test
holds that SQL and Python give the same answer. Nothing awaits, reads a clock or touches the database. May import
`domains.domain`, `domains.limits` and core.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from app.core.wire import Json, Object
from app.domains.domain import Grant, Grants, Guard, Operation, StateMachine, Through, Transition, invalid
from app.domains.limits import Limit, instant, one_of, pointed

PARENTS_FIRST: Final = (
    "Facility",
    "Location",
    "Asset",
    "MaintenancePlan",
    "MaintenanceLog",
    "Inspection",
    "AssetAssignment",
    "ComplianceEvent",
)
OF_AN_ASSET: Final = ("MaintenancePlan", "MaintenanceLog", "Inspection", "AssetAssignment", "ComplianceEvent")
"""The classes whose `asset` says what they are about."""

CRITICALITIES: Final = ("low", "medium", "high", "critical")
GRAVE: Final = ("high", "critical")
"""Criticalities whose failure endangers a patient."""
CATEGORY_WORDS: Final = {"ecg": "ECG"}
"""Categories that are not read as they are written."""

DUE_SOON: Final[Mapping[str, timedelta]] = {
    "low": timedelta(days=7),
    "medium": timedelta(days=7),
    "high": timedelta(days=14),
    "critical": timedelta(days=30),
}
"""How long before its date a service is due soon: the graver the asset, the sooner somebody plans it."""

URGENCIES: Final = ("critical", "overdue", "down", "unknown", "due_soon", "ok")
"""Most urgent first; an asset whose next service nobody knows stands before those that are in time."""

CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far a device's clock may run ahead."""

IN_TRANSIT: Final = "In transit"
"""Where an asset is that was handed on and has not been received."""


def urgency(
    status: str | None, criticality: str | None, recalled: bool, missing: bool, due: datetime | None, now: datetime
) -> str:
    """How soon somebody must act: one of URGENCIES."""
    if status == "retired":
        return "ok"
    if recalled or missing:
        return "critical"
    overdue = due is not None and due <= now
    if criticality in GRAVE and status == "out_of_service":
        return "critical"
    if criticality == "critical" and overdue:
        return "critical"
    if overdue:
        return "overdue"
    if status == "out_of_service":
        return "down"
    if due is None:
        return "unknown"
    return "due_soon" if due - now < DUE_SOON.get(criticality or "", DUE_SOON["critical"]) else "ok"


def where_it_is(department: Json, room: Json) -> str:
    """The words of an assignment's place: 'ICU Room 12'."""
    return " ".join(part for part in (department, room) if isinstance(part, str) and part)


# --- who may do what ---

DESK: Final = ("biomed", "admin")
"""Who manages equipment."""

REQUESTS: Final = ("service_requested", "move_requested")
"""The events by which a department manager asks for something."""

_MANAGED: Final[tuple[Operation, ...]] = ("read", "create", "update")
_KEPT: Final = "ComplianceEvent"
_WORK: Final = frozenset(
    {
        "status",
        "startedAt",
        "completedAt",
        "performedAt",
        "findings",
        "partsUsed",
        "downtimeMinutes",
        "nextDueAt",
        "summary",
        "outcome",
        "notes",
    }
)
_GIVEN: Final = Through(pointer="asset", class_name="Asset", owner="technician")

GRANTS: Final = Grants(
    rows=(
        *(Grant("biomed", name, operation) for name in PARENTS_FIRST if name != _KEPT for operation in _MANAGED),
        Grant("biomed", _KEPT, "read"),
        Grant("biomed", _KEPT, "create", signed="actor"),
        *(Grant("admin", name, operation) for name in PARENTS_FIRST for operation in (*_MANAGED, "delete")),
        *(Grant(role, name, "read") for role in ("technician", "departmentManager") for name in PARENTS_FIRST),
        Grant("technician", "MaintenanceLog", "create", signed="performedBy", through=_GIVEN),
        Grant("technician", "MaintenanceLog", "update", fields=_WORK, signed="performedBy"),
        Grant("technician", "Inspection", "create", signed="inspectedBy", through=_GIVEN),
        Grant("departmentManager", _KEPT, "create", signed="actor"),
    ),
    derived={
        "Asset": frozenset({"urgency", "holder", "assignment"}),
        "MaintenanceLog": frozenset({"plannedFor"}),
    },
    advice={
        ("Asset", "create"): "Ask biomedical engineering to register it.",
        (
            "Asset",
            "update",
        ): "Record a ComplianceEvent (service_requested, move_requested) instead, or ask biomedical engineering.",
        ("AssetAssignment", "create"): "Ask for the move with a ComplianceEvent of type move_requested.",
        ("AssetAssignment", "update"): "Ask for the move with a ComplianceEvent of type move_requested.",
        ("MaintenanceLog", "create"): "Ask for service with a ComplianceEvent of type service_requested.",
        ("ComplianceEvent", "update"): "History stays as it was written; record a new event that corrects it.",
        ("ComplianceEvent", "delete"): "History stays as it was written.",
    },
)

# --- states ---

_DESK: Final = frozenset(DESK)
_HANDS: Final = frozenset({*DESK, "technician"})

_NOT_RECALLED: Final = Guard(
    name="not_recalled",
    sentence="it is recalled; have the recall remedied and set recalled to false.",
    holds=lambda asset, now: asset.get("recalled") is not True,
)
_UNASSIGNED: Final = Guard(
    name="unassigned",
    sentence="it is assigned to somebody; complete or transfer the assignment first.",
    holds=lambda asset, now: asset.get("holder") is None,
)

ASSET_STATES: Final = StateMachine(
    class_name="Asset",
    field="status",
    transitions=(
        Transition(None, "available", _DESK),
        Transition(None, "in_use", _DESK, (_NOT_RECALLED,)),
        Transition(None, "maintenance", _DESK),
        Transition(None, "out_of_service", _DESK),
        Transition("available", "in_use", _DESK, (_NOT_RECALLED,)),
        Transition("available", "maintenance", _DESK),
        Transition("available", "out_of_service", _DESK),
        Transition("available", "retired", _DESK, (_UNASSIGNED,)),
        Transition("in_use", "available", _DESK, (_UNASSIGNED,)),
        Transition("in_use", "maintenance", _DESK),
        Transition("in_use", "out_of_service", _DESK),
        Transition("maintenance", "available", _DESK),
        Transition("maintenance", "out_of_service", _DESK),
        Transition("out_of_service", "maintenance", _DESK),
        Transition("out_of_service", "retired", _DESK, (_UNASSIGNED,)),
    ),
)

PLAN_STATES: Final = StateMachine(
    class_name="MaintenancePlan",
    field="status",
    transitions=(
        Transition(None, "active", _DESK),
        Transition(None, "paused", _DESK),
        Transition("active", "paused", _DESK),
        Transition("paused", "active", _DESK),
        Transition("active", "completed", _DESK),
        Transition("paused", "completed", _DESK),
    ),
)

LOG_STATES: Final = StateMachine(
    class_name="MaintenanceLog",
    field="status",
    transitions=(
        *(
            Transition(None, state, _HANDS)
            for state in ("scheduled", "in_progress", "completed", "deferred_in_use", "could_not_locate")
        ),
        Transition("scheduled", "in_progress", _HANDS),
        Transition("scheduled", "completed", _HANDS),
        Transition("scheduled", "deferred_in_use", _HANDS),
        Transition("scheduled", "could_not_locate", _HANDS),
        Transition("scheduled", "cancelled", _DESK),
        Transition("in_progress", "on_hold", _HANDS),
        Transition("in_progress", "completed", _HANDS),
        Transition("in_progress", "deferred_in_use", _HANDS),
        Transition("in_progress", "cancelled", _DESK),
        Transition("on_hold", "in_progress", _HANDS),
        Transition("on_hold", "cancelled", _DESK),
        Transition("completed", "verified", _DESK),
    ),
)
"""Work is scheduled, begun, held, done and verified; or it was tried in time and the asset was in use, or nobody found it."""

ASSIGNMENT_STATES: Final = StateMachine(
    class_name="AssetAssignment",
    field="assignmentStatus",
    transitions=(
        Transition(None, "active", _DESK),
        Transition(None, "completed", _DESK, needs=("returnedAt",)),
        Transition(None, "transferred", _DESK, needs=("returnedAt",)),
        Transition("active", "completed", _DESK),
        Transition("active", "transferred", _DESK),
    ),
)
"""What begins as completed or transferred is history and moves nothing."""

INSPECTION_STATES: Final = StateMachine(
    class_name="Inspection",
    field="status",
    transitions=tuple(Transition(None, state, _HANDS) for state in ("passed", "attention_needed", "failed")),
)
"""A finding stays; a second look is a new inspection."""

MACHINES: Final = (ASSET_STATES, PLAN_STATES, LOG_STATES, ASSIGNMENT_STATES, INSPECTION_STATES)

OPEN: Final = ("scheduled", "in_progress", "on_hold")
DONE: Final = ("completed", "verified")
TRIED: Final = ("deferred_in_use", "could_not_locate")
"""Work that was attempted and could not be done."""

MAINTENANCE_TYPES: Final = (
    "preventive",
    "corrective",
    "calibration",
    "safety_test",
    "recall",
    "cleaning",
    "installation",
    "other",
)
OUTCOMES: Final = ("passed", "repaired", "escalated", "failed")
SEVERITIES: Final = ("info", "low", "medium", "high", "critical")

# --- what a field may hold ---


LIMITS: Final = (
    *(one_of(machine.class_name, machine.field, machine.states) for machine in MACHINES),
    one_of("Asset", "criticality", CRITICALITIES),
    one_of("Asset", "urgency", URGENCIES),
    one_of("MaintenanceLog", "maintenanceType", MAINTENANCE_TYPES),
    one_of("MaintenanceLog", "outcome", OUTCOMES),
    one_of("ComplianceEvent", "severity", SEVERITIES),
    Limit("Facility", "facility_floorcount_range", '"floorCount" >= 0', "floorCount: give the number of floors, 0 or more."),
    Limit(
        "MaintenancePlan",
        "maintenanceplan_frequencydays_range",
        '"frequencyDays" > 0 and "frequencyDays" <= 3650',
        "frequencyDays: give the days from one service to the next, above 0, up to 3650.",
    ),
    Limit(
        "MaintenanceLog",
        "maintenancelog_downtimeminutes_range",
        '"downtimeMinutes" >= 0',
        "downtimeMinutes: give the minutes the asset could not be used, 0 or more.",
    ),
    Limit(
        "MaintenanceLog",
        "maintenancelog_completedat_order",
        '"completedAt" >= "startedAt"',
        "completedAt: work cannot be completed before it is started.",
    ),
    Limit(
        "AssetAssignment",
        "assetassignment_returnedat_order",
        '"returnedAt" >= "assignedAt"',
        "returnedAt: an asset cannot be returned before it is assigned.",
    ),
    Limit(
        "AssetAssignment",
        "assetassignment_returnedat_place",
        '"returnedAt" is null or "assignmentStatus" <> \'active\'',
        "returnedAt: set assignmentStatus to completed or transferred to return the asset.",
    ),
)

UNIQUE: Final[Mapping[str, str]] = {
    "Facility_unique_code": "code: another facility has this code; give one of its own.",
    "Asset_unique_assetTag": "assetTag: another asset has this tag; give one of its own.",
    "AssetAssignment_one_active": "asset: it has an active assignment already; send that one's objectId as `previous` to "
    "transfer it, or complete it first.",
}
"""The unique indexes, and what is told (137) when one is broken."""


def check_not_ahead(name: str, value: Json, now: datetime) -> None:
    """Refuses what is told of the future (142)."""
    moment = instant(value)
    if moment is not None and moment > now + CLOCK_SKEW:
        raise invalid(f"{name}: {moment:%Y-%m-%d %H:%M} UTC has not come yet; check the clock of the device.")


def check_same_asset(name: str, own: Json, other: str | None) -> None:
    """Refuses a pointer to something of another asset (142)."""
    if other != pointed(own):
        raise invalid(f"{name}: it belongs to another asset; give one of this asset.")


def next_due(log: Object, frequency_days: float | None) -> datetime | None:
    """When the next service is due after this work: what the log says, else the plan's interval from when it was done."""
    told = instant(log.get("nextDueAt"))
    done = instant(log.get("completedAt"))
    if told is not None or done is None or frequency_days is None:
        return told
    return done + timedelta(days=frequency_days)
