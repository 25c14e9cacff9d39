"""AccessLog: who looked, by name and role, as they were at that moment."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.store.tables import AccessLog

ID = "2026-11-21T14:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Names in the access log"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="careboard", description=DESCRIPTION)

    async def add_columns() -> None:
        for column in ("userName", "userRole"):
            await AccessLog.raw(f'alter table "AccessLog" add column if not exists "{column}" text').run()

    manager.add_raw(add_columns)
    return manager
