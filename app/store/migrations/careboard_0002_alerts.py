"""Alerts: what somebody must look at."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Text, Timestamptz

from app.store.forming import COMMON, NEEDED, Columns, forming
from app.store.tables import ObjectColumn, PointerTo

ID = "2026-11-21T13:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Alerts"

TO_USER: dict[str, Any] = {"target": "_User"}

TABLES: dict[str, Columns] = {
    "Alert": {
        **COMMON,
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
    },
}


async def forwards() -> MigrationManager:
    return forming(ID, "careboard", DESCRIPTION, TABLES)
