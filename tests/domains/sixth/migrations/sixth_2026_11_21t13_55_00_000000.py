"""Walking frames and loans."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tests.domains.sixth.tables import TABLES

ID = "2026-11-21T13:55:00:000000"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="sixth", description="The classes of the toy domain")

    async def create() -> None:
        for table in TABLES:
            await table.create_table(if_not_exists=True)

    manager.add_raw(create)
    return manager
