"""Clients without cursors that come back to another process, or to one that has begun anew.

Owns: `Elsewhere`: what `Resumption` knows goes to the database every few seconds, and is asked for there when a client comes.
Always holds: nobody waits for the noting; where the database is away a client begins as one that is not known. May import
store and live.
"""

import asyncio
import logging
import secrets

from app.errors import ParseError
from app.live.connection import Connection
from app.live.membership import Member
from app.live.resuming.resumption import Resumption, home_of
from app.store.changes.told import forget_told, read_told, save_told
from app.store.database import Database

NOTE_SECONDS = 3.0
_FORGET_EVERY = 100

_log = logging.getLogger("careboard.live")


class Elsewhere:
    """What processes tell each other of clients that keep no cursor."""

    def __init__(self, resumption: Resumption, database: Database) -> None:
        self._resumption = resumption
        self._database = database
        self._process = secrets.token_hex(8)

    async def ask(self, connection: Connection[Member]) -> None:
        """Learns what others noted of a client."""
        installation_id = home_of(connection) or ""
        texts: list[str] = []
        try:
            async with self._database.connection() as database:
                texts = await read_told(database, self._process, installation_id)
        except ParseError as cause:
            _log.warning("what a client was told elsewhere could not be read: %s", cause.message)
        self._resumption.learn(connection, texts)

    async def note(self) -> None:
        """Notes for others what has changed."""
        rows = self._resumption.to_note()
        if not rows:
            return
        try:
            async with self._database.connection() as database:
                await save_told(database, self._process, rows)
        except ParseError as cause:
            _log.warning("what clients were told could not be noted: %s", cause.message)

    async def run(self) -> None:
        """Notes from time to time."""
        rounds = 0
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            await self.note()
            rounds += 1
            if rounds % _FORGET_EVERY == 0:
                try:
                    async with self._database.connection() as database:
                        await forget_told(database)
                except ParseError as cause:
                    _log.warning("old notes of clients could not be dropped: %s", cause.message)
