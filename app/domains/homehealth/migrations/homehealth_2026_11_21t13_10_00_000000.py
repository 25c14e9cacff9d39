"""Technicians, visits, parts and service logs."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Boolean, DoublePrecision, ForeignKey, Text, Timestamptz

from app.store.forming import COMMON, NEEDED, SOUGHT, Columns, forming, to
from app.store.tables import ArrayColumn, GeoPoint

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of home health"

TABLES: dict[str, Columns] = {
    "Technician": {
        **COMMON,
        "name": ("name", Text, NEEDED),
        "availability": ("availability", Text, SOUGHT),
        "assigned_jobs": ("assignedJobs", ArrayColumn, {}),
        "user": ("user", ForeignKey, to("_User", null=True)),
        "location": ("location", GeoPoint, {}),
        "location_at": ("locationAt", Timestamptz, {}),
        "skills": ("skills", ArrayColumn, {}),
    },
    "Job": {
        **COMMON,
        "description": ("description", Text, NEEDED),
        "status": ("status", Text, SOUGHT),
        "technician": ("technician", ForeignKey, to("Technician")),
        "scheduled_time": ("scheduledTime", Timestamptz, NEEDED),
        "client_name": ("clientName", Text, {}),
        "address": ("address", Text, {}),
        "location": ("location", GeoPoint, {}),
        "duration_minutes": ("durationMinutes", DoublePrecision, {}),
        "window_start": ("windowStart", Timestamptz, {}),
        "window_end": ("windowEnd", Timestamptz, {}),
        "priority": ("priority", Text, {}),
        "overlap_allowed": ("overlapAllowed", Boolean, {}),
        "status_reason": ("statusReason", Text, {}),
        "start_by": ("startBy", Timestamptz, {}),
        "ends_at": ("endsAt", Timestamptz, {}),
        "started_at": ("startedAt", Timestamptz, {}),
        "ended_at": ("endedAt", Timestamptz, {}),
        "urgency": ("urgency", Text, {}),
        "turns_at": ("_turnsAt", Timestamptz, {"secret": True}),
    },
    "PartsInventory": {
        **COMMON,
        "part_name": ("partName", Text, NEEDED),
        "quantity": ("quantity", DoublePrecision, NEEDED),
        "job": ("job", ForeignKey, to("Job", null=True)),
        "availability": ("availability", Boolean, {}),
        "reorder_level": ("reorderLevel", DoublePrecision, {}),
    },
    "ServiceLog": {
        **COMMON,
        "technician": ("technician", ForeignKey, to("Technician")),
        "job": ("job", ForeignKey, to("Job", index=False)),
        "service_time": ("serviceTime", Timestamptz, NEEDED),
        "description": ("description", Text, NEEDED),
        "started_at": ("startedAt", Timestamptz, {}),
        "ended_at": ("endedAt", Timestamptz, {}),
        "location": ("location", GeoPoint, {}),
        "parts_used": ("partsUsed", ArrayColumn, {}),
        "distance_meters": ("distanceMeters", DoublePrecision, {}),
        "verification": ("verification", Text, {}),
    },
}

LIMITS: dict[str, dict[str, str]] = {
    "Technician": {
        "technician_availability_known": "\"availability\" in ('available', 'busy', 'off_duty')",
    },
    "Job": {
        "job_status_known": "\"status\" in ('open', 'offered', 'assigned', 'confirmed', 'en_route', 'in_progress', 'no_show', "
        "'on_hold', 'done', 'verified', 'missed', 'cancelled')",
        "job_urgency_known": "\"urgency\" in ('missed', 'no_show', 'late', 'unassigned_soon', 'overrun', 'unknown', "
        "'unconfirmed_soon', 'ok')",
        "job_priority_known": "\"priority\" in ('routine', 'urgent', 'asap', 'stat')",
        "job_durationminutes_range": '"durationMinutes" > 0 and "durationMinutes" <= 1440',
        "job_window_order": '"windowEnd" >= "windowStart" and "windowEnd" >= "scheduledTime"',
    },
    "PartsInventory": {
        "partsinventory_quantity_range": '"quantity" >= 0',
        "partsinventory_reorderlevel_range": '"reorderLevel" >= 0',
    },
    "ServiceLog": {
        "servicelog_verification_known": "\"verification\" in ('complete', 'out_of_area', 'incomplete')",
        "servicelog_time_order": '"endedAt" >= "startedAt"',
    },
}


async def forwards() -> MigrationManager:
    return forming(ID, "homehealth", DESCRIPTION, TABLES, LIMITS)
