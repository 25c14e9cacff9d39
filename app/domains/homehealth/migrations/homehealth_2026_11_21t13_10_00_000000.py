"""Technicians, visits, parts and service logs."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Array, Boolean, DoublePrecision, ForeignKey, OnDelete, OnUpdate, Text, Timestamptz
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check
from piccolo.table import Table

from app.store.tables import ArrayColumn, GeoPoint

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of home health"

Columns = dict[str, tuple[str, type[Column], dict[str, Any]]]


class User(Table, tablename="_User"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class Technician(Table, tablename="Technician"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class Job(Table, tablename="Job"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


def to(target: type[Table], *, null: bool = False, index: bool = True) -> dict[str, Any]:
    return {
        "references": target,
        "on_delete": OnDelete.no_action,
        "on_update": OnUpdate.cascade,
        "target_column": None,
        "null": null,
        "index": index,
    }


COMMON: Columns = {
    "object_id": ("objectId", Text, {"primary_key": True, "null": False}),
    "created_at": ("createdAt", Timestamptz, {}),
    "updated_at": ("updatedAt", Timestamptz, {}),
    "readers": ("_rperm", Array, {"base_column": Text(default=None, null=True)}),
    "writers": ("_wperm", Array, {"base_column": Text(default=None, null=True)}),
}
NEEDED: dict[str, Any] = {"null": False}
SOUGHT: dict[str, Any] = {"null": False, "index": True}

TABLES: dict[str, Columns] = {
    "Technician": {
        **COMMON,
        "name": ("name", Text, NEEDED),
        "availability": ("availability", Text, SOUGHT),
        "assigned_jobs": ("assignedJobs", ArrayColumn, {}),
        "user": ("user", ForeignKey, to(User, null=True)),
        "location": ("location", GeoPoint, {}),
        "location_at": ("locationAt", Timestamptz, {}),
        "skills": ("skills", ArrayColumn, {}),
    },
    "Job": {
        **COMMON,
        "description": ("description", Text, NEEDED),
        "status": ("status", Text, SOUGHT),
        "technician": ("technician", ForeignKey, to(Technician)),
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
        "job": ("job", ForeignKey, to(Job, null=True)),
        "availability": ("availability", Boolean, {}),
        "reorder_level": ("reorderLevel", DoublePrecision, {}),
    },
    "ServiceLog": {
        **COMMON,
        "technician": ("technician", ForeignKey, to(Technician)),
        "job": ("job", ForeignKey, to(Job, index=False)),
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
    manager = MigrationManager(migration_id=ID, app_name="homehealth", description=DESCRIPTION)
    for class_name, columns in TABLES.items():
        manager.add_table(class_name=class_name, tablename=class_name)
        for attribute, (name, kind, extra) in columns.items():
            manager.add_column(
                table_class_name=class_name,
                tablename=class_name,
                column_name=attribute,
                db_column_name=name,
                column_class=kind,
                params={
                    "default": None,
                    "null": True,
                    "primary_key": False,
                    "unique": False,
                    "index": False,
                    "index_method": IndexMethod.btree,
                    "choices": None,
                    "db_column_name": name,
                    "secret": False,
                    **extra,
                },
            )
        for limit, condition in LIMITS.get(class_name, {}).items():
            manager.add_constraint(
                table_class_name=class_name,
                tablename=class_name,
                constraint_name=limit,
                constraint_class=Check,
                params={"condition": condition},
            )
    return manager
