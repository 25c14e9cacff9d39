"""The application without a server, for commands that go through its rules."""

from collections.abc import Awaitable, Callable

from app.config import Settings
from app.main import Floors, assemble, prepare


async def with_floors(settings: Settings, work: Callable[[Floors], Awaitable[None]]) -> None:
    """Runs `work` with the floors up, after a migration, and no server."""
    await prepare(settings)
    async with assemble(settings).writing() as floors:
        await work(floors)
