"""Sites, tanks, refills, contacts and dispatch events."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Array, Boolean, DoublePrecision, ForeignKey, OnDelete, OnUpdate, Text, Timestamptz
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check
from piccolo.table import Table

from app.store.tables import ArrayColumn, GeoPoint

ID = "2026-11-21T02:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of oxygen delivery"

Columns = dict[str, tuple[str, type[Column], dict[str, Any]]]


class User(Table, tablename="_User"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class PatientSite(Table, tablename="PatientSite"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class TankAssignment(Table, tablename="TankAssignment"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


def to(target: type[Table], *, index: bool = True) -> dict[str, Any]:
    return {
        "references": target,
        "on_delete": OnDelete.no_action,
        "on_update": OnUpdate.cascade,
        "target_column": None,
        "null": False,
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
    "PatientSite": {
        **COMMON,
        "site_name": ("siteName", Text, NEEDED),
        "address_line_1": ("addressLine1", Text, NEEDED),
        "city": ("city", Text, NEEDED),
        "region": ("region", Text, NEEDED),
        "postal_code": ("postalCode", Text, NEEDED),
        "delivery_window_start": ("deliveryWindowStart", Timestamptz, {}),
        "delivery_window_end": ("deliveryWindowEnd", Timestamptz, {}),
        "primary_contact": ("primaryContact", ForeignKey, to(User)),
        "notes": ("notes", Text, {}),
        "location": ("location", GeoPoint, {}),
        "care_team": ("careTeam", ArrayColumn, {}),
    },
    "TankAssignment": {
        **COMMON,
        "tank_serial_number": ("tankSerialNumber", Text, SOUGHT),
        "psi_level": ("psiLevel", DoublePrecision, NEEDED),
        "status": ("status", Text, SOUGHT),
        "assigned_site": ("assignedSite", ForeignKey, to(PatientSite)),
        "assigned_driver": ("assignedDriver", ForeignKey, to(User)),
        "last_checked_at": ("lastCheckedAt", Timestamptz, {}),
        "next_service_due_at": ("nextServiceDueAt", Timestamptz, {}),
        "cylinder_size": ("cylinderSize", Text, {}),
        "flow_lpm": ("flowLpm", DoublePrecision, {}),
        "residual_psi": ("residualPsi", DoublePrecision, {}),
        "lot_number": ("lotNumber", Text, {}),
        "requalification_due": ("requalificationDue", Timestamptz, {}),
        "empty_at": ("emptyAt", Timestamptz, {}),
        "urgency": ("urgency", Text, {}),
    },
    "RefillLog": {
        **COMMON,
        "tank_assignment": ("tankAssignment", ForeignKey, to(TankAssignment, index=False)),
        "refill_time": ("refillTime", Timestamptz, NEEDED),
        "psi_before": ("psiBefore", DoublePrecision, NEEDED),
        "psi_after": ("psiAfter", DoublePrecision, NEEDED),
        "refilled_by": ("refilledBy", ForeignKey, to(User)),
        "refill_reason": ("refillReason", Text, NEEDED),
        "remarks": ("remarks", Text, {}),
    },
    "EmergencyContact": {
        **COMMON,
        "site": ("site", ForeignKey, to(PatientSite)),
        "contact_name": ("contactName", Text, NEEDED),
        "relationship": ("relationship", Text, NEEDED),
        "phone_number": ("phoneNumber", Text, NEEDED),
        "is_primary": ("isPrimary", Boolean, NEEDED),
        "preferred_language": ("preferredLanguage", Text, {}),
    },
    "DispatchEvent": {
        **COMMON,
        "tank_assignment": ("tankAssignment", ForeignKey, to(TankAssignment, index=False)),
        "event_type": ("eventType", Text, NEEDED),
        "event_time": ("eventTime", Timestamptz, NEEDED),
        "recorded_by": ("recordedBy", ForeignKey, to(User)),
        "location_note": ("locationNote", Text, {}),
        "location": ("location", GeoPoint, {}),
        "psi_level": ("psiLevel", DoublePrecision, {}),
    },
}

LIMITS: dict[str, dict[str, str]] = {
    "PatientSite": {
        "patientsite_window_order": '"deliveryWindowEnd" >= "deliveryWindowStart"',
    },
    "TankAssignment": {
        "tankassignment_psilevel_range": '"psiLevel" >= 0 and "psiLevel" <= 3000',
        "tankassignment_residualpsi_range": '"residualPsi" >= 0 and "residualPsi" <= 3000',
        "tankassignment_status_known": "\"status\" in ('full', 'loaded', 'at_site', 'in_use', 'empty', 'returned', 'qc_hold', "
        "'quarantined', 'filling', 'condemned', 'lost')",
        "tankassignment_cylindersize_known": "\"cylinderSize\" in ('M6', 'M9', 'D', 'E', 'M60', 'M', 'G', 'H', 'K', 'H/K')",
        "tankassignment_urgency_known": "\"urgency\" in ('empty', 'critical', 'unknown', 'low', 'ok')",
        "tankassignment_flowlpm_range": '"flowLpm" > 0 and "flowLpm" <= 100',
    },
    "RefillLog": {
        "refilllog_psibefore_range": '"psiBefore" >= 0 and "psiBefore" <= 3000',
        "refilllog_psiafter_range": '"psiAfter" >= 0 and "psiAfter" <= 3000',
    },
    "DispatchEvent": {
        "dispatchevent_psilevel_range": '"psiLevel" >= 0 and "psiLevel" <= 3000',
        "dispatchevent_psilevel_place": '"psiLevel" is null or "eventType" = \'psi_check\'',
        "dispatchevent_eventtype_known": "\"eventType\" in ('loaded', 'departed', 'arrived', 'delivered', 'picked_up', "
        "'handoff', 'delayed', 'refused', 'psi_check', 'contact_called', 'escalated')",
    },
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="oxygen", description=DESCRIPTION)
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
