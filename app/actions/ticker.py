"""What happens as time passes: facts that flip without anybody writing.

Owns: `Ticker`, one task a process, `flip`, one tick, and `seldom`, a tick that cleans up. Holds: of all processes on one
database one ticks, held by an advisory lock on a connection of its own, so another takes over when it dies; a tick that fails
is logged and tried again at the next. May import store.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from app.errors import ParseError
from app.store.database import LOST, Connection, Database

Tick = Callable[[Connection, datetime], Awaitable[int]]
"""Flips what is due by a moment, as ordinary updates (`updatedAt` stays: nobody wrote), and says how many rows it flipped."""

Sweep = Callable[[Connection], Awaitable[bool]]
"""Drops a portion of what is past its time, and says whether there may be more."""

TICK_S = 1.0
LOCK = 0x0CA4EB04

_log = logging.getLogger("careboard.ticker")


async def flip(database: Database, tick: Tick) -> int:
    """One tick in a transaction of its own, by the clock of the database."""
    async with database.transaction(read_only=True) as connection:
        return await tick(connection, await connection.fetchval("select clock_timestamp()"))


def seldom(sweep: Sweep, *, every: int) -> Tick:
    """A tick that sweeps once in so many, and at each one while there is more; nobody is told of it."""
    turn, is_behind = 0, False

    async def tick(connection: Connection, _: datetime) -> int:
        nonlocal turn, is_behind
        turn += 1
        if is_behind or turn % every == 0:
            is_behind = await sweep(connection)
        return 0

    return tick


class Ticker:
    """Runs the ticks of all domains once a second, in one process of all that share the database."""

    def __init__(self, database: Database, ticks: Sequence[Tick]) -> None:
        self._database = database
        self._ticks = ticks
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to tick, or to wait for the process that ticks to go away."""
        self._task = asyncio.create_task(self._run(), name="ticker")

    async def stop(self) -> None:
        """Stops between two ticks and lets another process take over."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._lead()
            except (*LOST, ParseError, TimeoutError) as error:
                _log.warning("the ticker lost its database and tries again: %s", type(error).__name__)
            await asyncio.sleep(TICK_S)

    async def _lead(self) -> None:
        """Takes the lock, or returns when another process holds it; ticks for as long as the lock's connection lives."""
        lock = await self._database.connect(application_name="careboard-ticker")
        try:
            if await lock.fetchval("select pg_try_advisory_lock($1)", LOCK):
                await self._tick_while_alive(lock)
        finally:
            await lock.close()

    async def _tick_while_alive(self, lock: Connection) -> None:
        while True:
            await lock.fetchval("select 1")
            for tick in self._ticks:
                if await self._attempt(tick):
                    self._database.announce()
            await asyncio.sleep(TICK_S)

    async def _attempt(self, tick: Tick) -> int:
        """One tick; a domain whose tick fails does not keep the others from theirs."""
        try:
            return await flip(self._database, tick)
        except ParseError:
            _log.exception("a tick failed and is tried again in a second")
            return 0
