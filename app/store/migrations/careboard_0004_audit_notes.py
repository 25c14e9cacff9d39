"""AuditLog: notes made by hand are marked, and `payload` reads what `metadata` holds."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.store.tables import AuditLog

ID = "2026-11-21T13:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Notes in the audit trail"

COLUMNS = ('"byHand" boolean', '"payload" jsonb generated always as ("metadata") stored')


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="careboard", description=DESCRIPTION)

    async def add_columns() -> None:
        for column in COLUMNS:
            await AuditLog.raw(f'alter table "AuditLog" add column if not exists {column}').run()

    manager.add_raw(add_columns)
    return manager
