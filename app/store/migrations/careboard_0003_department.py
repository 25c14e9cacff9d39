"""The department of an account, from which follows what it may read of the equipment there."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.store.tables import User

ID = "2026-11-21T13:05:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "_User.department"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="careboard", description=DESCRIPTION)

    async def add_department() -> None:
        await User.raw('alter table "_User" add column if not exists "department" text')

    manager.add_raw(add_department)
    return manager
