"""The classes of home health as Piccolo tables.

Owns: the four tables. Holds: pointers are foreign keys, and what is referred to cannot be deleted; the check constraints are the
limits of `rules.py`. `_rperm`, `_wperm`, `_turnsAt` and every field the rules call derived are kept by triggers (`triggers.py`),
whoever writes. May import store.tables and rules.
"""

from piccolo.columns import Boolean, DoublePrecision, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check

from app.domains.homehealth.rules import LIMITS
from app.store.tables import ArrayColumn, GeoPoint, ParseTable, User

KEPT = OnDelete.no_action
"""What is pointed to stays; unlike `restrict`, Postgres then tells who points to it."""

_CONDITIONS = {limit.name: limit.condition for limit in LIMITS}


def _limit(name: str) -> Check:
    return Check(_CONDITIONS[name], name=name)


class Technician(ParseTable, tablename="Technician"):
    """An aide who visits clients. `assignedJobs` are the visits that name them and are not over, soonest first."""

    name = Text(default=None, null=False, db_column_name="name")
    availability = Text(default=None, null=False, index=True, db_column_name="availability")
    assigned_jobs = ArrayColumn(default=None, null=True, db_column_name="assignedJobs")
    user = ForeignKey(User, on_delete=KEPT, default=None, null=True, index=True, db_column_name="user")
    location = GeoPoint(default=None, null=True, db_column_name="location")
    location_at = Timestamptz(default=None, null=True, db_column_name="locationAt")
    skills = ArrayColumn(default=None, null=True, db_column_name="skills")

    technician_availability_known = _limit("technician_availability_known")


class Job(ParseTable, tablename="Job"):
    """A job order: one visit to a client. `technician` is who it is planned for, also before they have taken it."""

    description = Text(default=None, null=False, db_column_name="description")
    status = Text(default=None, null=False, index=True, db_column_name="status")
    technician = ForeignKey(Technician, on_delete=KEPT, default=None, null=False, index=True, db_column_name="technician")
    scheduled_time = Timestamptz(default=None, null=False, db_column_name="scheduledTime")
    client_name = Text(default=None, null=True, db_column_name="clientName")
    address = Text(default=None, null=True, db_column_name="address")
    location = GeoPoint(default=None, null=True, db_column_name="location")
    duration_minutes = DoublePrecision(default=None, null=True, db_column_name="durationMinutes")
    window_start = Timestamptz(default=None, null=True, db_column_name="windowStart")
    window_end = Timestamptz(default=None, null=True, db_column_name="windowEnd")
    priority = Text(default=None, null=True, db_column_name="priority")
    overlap_allowed = Boolean(default=None, null=True, db_column_name="overlapAllowed")
    status_reason = Text(default=None, null=True, db_column_name="statusReason")
    start_by = Timestamptz(default=None, null=True, db_column_name="startBy")
    ends_at = Timestamptz(default=None, null=True, db_column_name="endsAt")
    started_at = Timestamptz(default=None, null=True, db_column_name="startedAt")
    ended_at = Timestamptz(default=None, null=True, db_column_name="endedAt")
    urgency = Text(default=None, null=True, db_column_name="urgency")
    turns_at = Timestamptz(default=None, null=True, secret=True, db_column_name="_turnsAt")
    """When time alone changes the urgency next; no field."""

    job_status_known = _limit("job_status_known")
    job_urgency_known = _limit("job_urgency_known")
    job_priority_known = _limit("job_priority_known")
    job_durationminutes_range = _limit("job_durationminutes_range")
    job_window_order = _limit("job_window_order")


class PartsInventory(ParseTable, tablename="PartsInventory"):
    """A part in stock, or set aside for one visit."""

    part_name = Text(default=None, null=False, db_column_name="partName")
    quantity = DoublePrecision(default=None, null=False, db_column_name="quantity")
    job = ForeignKey(Job, on_delete=KEPT, default=None, null=True, index=True, db_column_name="job")
    availability = Boolean(default=None, null=True, db_column_name="availability")
    reorder_level = DoublePrecision(default=None, null=True, db_column_name="reorderLevel")

    partsinventory_quantity_range = _limit("partsinventory_quantity_range")
    partsinventory_reorderlevel_range = _limit("partsinventory_reorderlevel_range")


class ServiceLog(ParseTable, tablename="ServiceLog"):
    """What was done at a visit, with what its verification asks for: by whom, when it began and ended, and where."""

    technician = ForeignKey(Technician, on_delete=KEPT, default=None, null=False, index=True, db_column_name="technician")
    job = ForeignKey(Job, on_delete=KEPT, default=None, null=False, db_column_name="job")
    service_time = Timestamptz(default=None, null=False, db_column_name="serviceTime")
    description = Text(default=None, null=False, db_column_name="description")
    started_at = Timestamptz(default=None, null=True, db_column_name="startedAt")
    ended_at = Timestamptz(default=None, null=True, db_column_name="endedAt")
    location = GeoPoint(default=None, null=True, db_column_name="location")
    parts_used = ArrayColumn(default=None, null=True, db_column_name="partsUsed")
    distance_meters = DoublePrecision(default=None, null=True, db_column_name="distanceMeters")
    verification = Text(default=None, null=True, db_column_name="verification")

    servicelog_verification_known = _limit("servicelog_verification_known")
    servicelog_time_order = _limit("servicelog_time_order")


TABLES: tuple[type[ParseTable], ...] = (Technician, Job, PartsInventory, ServiceLog)
"""Parents first."""
