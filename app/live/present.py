"""The present moment of the database, asked for once for all who want to know it at a time.

Owns: `Present`. Always holds: the snapshot an asker gets was taken after it asked. May import store.
"""

import asyncio

from app.store.changes.reading import read_now
from app.store.changes.snapshot import Snapshot
from app.store.database import Database


class Present:
    """Many who come at once cost the database one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next: asyncio.Task[Snapshot] | None = None
        self._turn = asyncio.Lock()

    async def snapshot(self) -> Snapshot:
        """What is committed now. Raises ParseError."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask())
        return await asyncio.shield(self._next)

    async def _ask(self) -> Snapshot:
        async with self._turn:
            self._next = None  # who comes from here on waits for the next one
            async with self._database.connection() as connection:
                return await read_now(connection)
