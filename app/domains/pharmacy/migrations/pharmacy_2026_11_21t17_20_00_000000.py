"""Where a delivery was signed for."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.store.forming import COMMON, Columns, forming
from app.store.tables import GeoPoint

ID = "2026-11-21T17:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Signatures tell where they were given"

TABLES: dict[str, Columns] = {"Signature": {**COMMON, "location": ("location", GeoPoint, {})}}


async def forwards() -> MigrationManager:
    return forming(ID, "pharmacy", DESCRIPTION, TABLES, {})
