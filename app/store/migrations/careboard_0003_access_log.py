"""AccessLog: who was shown whose record."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Array, Text, Timestamptz
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod

from app.store.tables import PointerTo

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The access log"

NEEDED: dict[str, Any] = {"null": False}
TO_USER: dict[str, Any] = {"target": "_User"}

COLUMNS: dict[str, tuple[str, type[Column], dict[str, Any]]] = {
    "object_id": ("objectId", Text, {"primary_key": True, "null": False}),
    "created_at": ("createdAt", Timestamptz, {}),
    "updated_at": ("updatedAt", Timestamptz, {}),
    "readers": ("_rperm", Array, {"base_column": Text(default=None, null=True)}),
    "writers": ("_wperm", Array, {"base_column": Text(default=None, null=True)}),
    "user": ("user", PointerTo, {**TO_USER, **NEEDED}),
    "access_time": ("accessTime", Timestamptz, NEEDED),
    "entity_type": ("entityType", Text, {}),
    "entity_id": ("entityId", Text, {}),
    "action": ("action", Text, {}),
    "subject": ("subject", PointerTo, TO_USER),
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="careboard", description=DESCRIPTION)
    manager.add_table(class_name="AccessLog", tablename="AccessLog")
    for attribute, (name, kind, extra) in COLUMNS.items():
        manager.add_column(
            table_class_name="AccessLog",
            tablename="AccessLog",
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
