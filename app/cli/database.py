"""The database alone, as it is, for commands that only look after rows: no migration, no classes, no rules."""

from collections.abc import Awaitable, Callable

from app.config import Settings
from app.store.database import Database


async def with_database_alone(settings: Settings, work: Callable[[Database], Awaitable[None]]) -> None:
    """Runs `work` on the database as it is, which a migration would change."""
    database = Database(settings)
    await database.start()
    try:
        await work(database)
    finally:
        await database.stop()
