"""Alerts: what somebody must look at."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Array, Text, Timestamptz
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod

from app.store.tables import ObjectColumn, PointerTo

ID = "2026-11-21T13:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Alerts"

NEEDED: dict[str, Any] = {"null": False}
TO_USER: dict[str, Any] = {"target": "_User"}

COLUMNS: dict[str, tuple[str, type[Column], dict[str, Any]]] = {
    "object_id": ("objectId", Text, {"primary_key": True, "null": False}),
    "created_at": ("createdAt", Timestamptz, {}),
    "updated_at": ("updatedAt", Timestamptz, {}),
    "readers": ("_rperm", Array, {"base_column": Text(default=None, null=True)}),
    "writers": ("_wperm", Array, {"base_column": Text(default=None, null=True)}),
    "recipient": ("recipient", PointerTo, TO_USER),
    "role": ("role", Text, {}),
    "message": ("message", Text, NEEDED),
    "urgency": ("urgency", Text, NEEDED),
    "kind": ("kind", Text, NEEDED),
    "about": ("about", ObjectColumn, {}),
    "raised_at": ("raisedAt", Timestamptz, NEEDED),
    "acknowledged_by": ("acknowledgedBy", PointerTo, TO_USER),
    "acknowledged_at": ("acknowledgedAt", Timestamptz, {}),
    "snoozed_until": ("snoozedUntil", Timestamptz, {}),
    "reason": ("reason", Text, {}),
    "escalated_to": ("escalatedTo", PointerTo, TO_USER),
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="careboard", description=DESCRIPTION)
    manager.add_table(class_name="Alert", tablename="Alert")
    for attribute, (name, kind, extra) in COLUMNS.items():
        manager.add_column(
            table_class_name="Alert",
            tablename="Alert",
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
    return manager
