"""AccessLog: who was shown whose record."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Text, Timestamptz

from app.store.forming import COMMON, NEEDED, Columns, forming
from app.store.tables import PointerTo

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The access log"

TO_USER: dict[str, Any] = {"target": "_User"}

TABLES: dict[str, Columns] = {
    "AccessLog": {
        **COMMON,
        "user": ("user", PointerTo, {**TO_USER, **NEEDED}),
        "access_time": ("accessTime", Timestamptz, NEEDED),
        "entity_type": ("entityType", Text, {}),
        "entity_id": ("entityId", Text, {}),
        "action": ("action", Text, {}),
        "subject": ("subject", PointerTo, TO_USER),
    },
}


async def forwards() -> MigrationManager:
    return forming(ID, "careboard", DESCRIPTION, TABLES)
