"""Whether an account wants mails about its care."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app.store.tables import User

ID = "2026-11-21T16:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "_User.emailNotifications"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="careboard", description=DESCRIPTION)

    async def add_preference() -> None:
        await User.raw('alter table "_User" add column if not exists "emailNotifications" boolean')

    manager.add_raw(add_preference)
    return manager
