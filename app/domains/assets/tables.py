"""The classes of hospital assets as Piccolo tables.

Owns: the eight tables. Holds: a pointer that a rule relies on is a foreign key, and what is referred to cannot be deleted, so
no history loses its asset; the check constraints are the limits of `rules.py`. `_rperm`, `_wperm`, `urgency` and `modelName`
are kept by triggers (`triggers.py`), whoever writes. May import store.tables and rules.
"""

from typing import Any

from piccolo.columns import Boolean, DoublePrecision, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check

from app.domains.assets.rules import LIMITS
from app.store.tables import ArrayColumn, ObjectColumn, ParseTable, PointerTo, User

KEPT = OnDelete.no_action
"""What is pointed to stays; unlike `restrict`, Postgres then tells who points to it."""

_CONDITIONS = {limit.name: limit.condition for limit in LIMITS}


def _limit(name: str) -> Check:
    return Check(_CONDITIONS[name], name=name)


def _to(target: Any, name: str, *, required: bool = True, index: bool = True) -> ForeignKey[Any]:
    return ForeignKey(target, on_delete=KEPT, default=None, null=not required, index=index, db_column_name=name)


class Facility(ParseTable, tablename="Facility"):
    """A hospital site or building."""

    name = Text(default=None, null=False, db_column_name="name")
    code = Text(default=None, null=False, db_column_name="code")
    campus = Text(default=None, null=True, db_column_name="campus")
    floor_count = DoublePrecision(default=None, null=True, db_column_name="floorCount")
    is_operational = Boolean(default=None, null=False, db_column_name="isOperational")

    facility_floorcount_range = _limit("facility_floorcount_range")


class Location(ParseTable, tablename="Location"):
    """A room or a store within a facility."""

    facility = _to(Facility, "facility", required=False)
    name = Text(default=None, null=False, index=True, db_column_name="name")
    type = Text(default=None, null=False, db_column_name="type")
    floor = DoublePrecision(default=None, null=True, db_column_name="floor")
    department = Text(default=None, null=True, index=True, db_column_name="department")
    wing = Text(default=None, null=True, db_column_name="wing")
    room = Text(default=None, null=True, db_column_name="room")


class Asset(ParseTable, tablename="Asset"):
    """A piece of equipment. `assignment` is the active one and `holder` who has it, `technician` looks after it."""

    facility = _to(Facility, "facility")
    asset_tag = Text(default=None, null=False, db_column_name="assetTag")
    name = Text(default=None, null=False, db_column_name="name")
    category = Text(default=None, null=False, index=True, db_column_name="category")
    serial_number = Text(default=None, null=False, index=True, db_column_name="serialNumber")
    status = Text(default=None, null=False, index=True, db_column_name="status")
    criticality = Text(default=None, null=False, index=True, db_column_name="criticality")
    current_location = Text(default=None, null=False, index=True, db_column_name="currentLocation")
    manufacturer = Text(default=None, null=True, db_column_name="manufacturer")
    model = Text(default=None, null=True, db_column_name="model")
    model_name = Text(default=None, null=True, db_column_name="modelName")
    purchase_date = Timestamptz(default=None, null=True, db_column_name="purchaseDate")
    next_service_due = Timestamptz(default=None, null=True, db_column_name="nextServiceDue")
    last_inspection_at = Timestamptz(default=None, null=True, db_column_name="lastInspectionAt")
    location = _to(Location, "location", required=False)
    department = Text(default=None, null=True, index=True, db_column_name="department")
    technician = _to(User, "technician", required=False)
    holder = _to(User, "holder", required=False)
    assignment = PointerTo("AssetAssignment", default=None, null=True, db_column_name="assignment")
    udi = Text(default=None, null=True, index=True, db_column_name="udi")
    dirty = Boolean(default=None, null=True, db_column_name="dirty")
    missing = Boolean(default=None, null=True, db_column_name="missing")
    recalled = Boolean(default=None, null=True, db_column_name="recalled")
    urgency = Text(default=None, null=True, db_column_name="urgency")

    asset_status_known = _limit("asset_status_known")
    asset_criticality_known = _limit("asset_criticality_known")
    asset_urgency_known = _limit("asset_urgency_known")


class MaintenancePlan(ParseTable, tablename="MaintenancePlan"):
    """What is to be done to an asset every so many days."""

    asset = _to(Asset, "asset")
    frequency_days = DoublePrecision(default=None, null=False, db_column_name="frequencyDays")
    next_due_at = Timestamptz(default=None, null=False, db_column_name="nextDueAt")
    status = Text(default=None, null=False, db_column_name="status")
    checklist = ArrayColumn(default=None, null=True, db_column_name="checklist")

    maintenanceplan_status_known = _limit("maintenanceplan_status_known")
    maintenanceplan_frequencydays_range = _limit("maintenanceplan_frequencydays_range")


class MaintenanceLog(ParseTable, tablename="MaintenanceLog"):
    """One piece of work on an asset. `plannedFor` is the date of the plan that it answered."""

    asset = _to(Asset, "asset", index=False)
    performed_by = _to(User, "performedBy")
    maintenance_type = Text(default=None, null=False, db_column_name="maintenanceType")
    status = Text(default=None, null=False, index=True, db_column_name="status")
    started_at = Timestamptz(default=None, null=False, db_column_name="startedAt")
    completed_at = Timestamptz(default=None, null=True, db_column_name="completedAt")
    findings = Text(default=None, null=True, db_column_name="findings")
    parts_used = ArrayColumn(default=None, null=True, db_column_name="partsUsed")
    next_due_at = Timestamptz(default=None, null=True, db_column_name="nextDueAt")
    downtime_minutes = DoublePrecision(default=None, null=True, db_column_name="downtimeMinutes")
    plan = _to(MaintenancePlan, "plan", required=False)
    summary = Text(default=None, null=True, db_column_name="summary")
    outcome = Text(default=None, null=True, db_column_name="outcome")
    notes = Text(default=None, null=True, db_column_name="notes")
    performed_at = Timestamptz(default=None, null=True, db_column_name="performedAt")
    planned_for = Timestamptz(default=None, null=True, db_column_name="plannedFor")

    maintenancelog_status_known = _limit("maintenancelog_status_known")
    maintenancelog_maintenancetype_known = _limit("maintenancelog_maintenancetype_known")
    maintenancelog_outcome_known = _limit("maintenancelog_outcome_known")
    maintenancelog_downtimeminutes_range = _limit("maintenancelog_downtimeminutes_range")
    maintenancelog_completedat_order = _limit("maintenancelog_completedat_order")


class Inspection(ParseTable, tablename="Inspection"):
    """A look at an asset, and what was found."""

    asset = _to(Asset, "asset", index=False)
    inspected_by = _to(User, "inspectedBy")
    inspected_at = Timestamptz(default=None, null=False, db_column_name="inspectedAt")
    status = Text(default=None, null=False, db_column_name="status")
    findings = Text(default=None, null=True, db_column_name="findings")

    inspection_status_known = _limit("inspection_status_known")


class AssetAssignment(ParseTable, tablename="AssetAssignment"):
    """Where an asset was, with whom, from when to when. `previous` is the assignment that this one takes over."""

    asset = _to(Asset, "asset", index=False)
    assigned_to = _to(User, "assignedTo")
    department_name = Text(default=None, null=False, db_column_name="departmentName")
    room_label = Text(default=None, null=True, db_column_name="roomLabel")
    assigned_at = Timestamptz(default=None, null=False, db_column_name="assignedAt")
    returned_at = Timestamptz(default=None, null=True, db_column_name="returnedAt")
    assignment_status = Text(default=None, null=False, db_column_name="assignmentStatus")
    usage_notes = Text(default=None, null=True, db_column_name="usageNotes")
    returned_to = Text(default=None, null=True, db_column_name="returnedTo")
    previous = _to("self", "previous", required=False)

    assetassignment_assignmentstatus_known = _limit("assetassignment_assignmentstatus_known")
    assetassignment_returnedat_order = _limit("assetassignment_returnedat_order")
    assetassignment_returnedat_place = _limit("assetassignment_returnedat_place")


class ComplianceEvent(ParseTable, tablename="ComplianceEvent"):
    """One thing that happened to an asset, as an auditor reads it. Written by the server with each deed, and by people."""

    asset = _to(Asset, "asset", index=False)
    actor = _to(User, "actor")
    event_type = Text(default=None, null=False, index=True, db_column_name="eventType")
    severity = Text(default=None, null=False, db_column_name="severity")
    summary = Text(default=None, null=False, db_column_name="summary")
    occurred_at = Timestamptz(default=None, null=False, db_column_name="occurredAt")
    details = ObjectColumn(default=None, null=True, db_column_name="details")

    complianceevent_severity_known = _limit("complianceevent_severity_known")


TABLES: tuple[type[ParseTable], ...] = (
    Facility,
    Location,
    Asset,
    MaintenancePlan,
    MaintenanceLog,
    Inspection,
    AssetAssignment,
    ComplianceEvent,
)
"""Parents first."""
