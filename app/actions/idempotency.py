"""A request that a client sends twice is done once.

Owns: `Once`. Holds: the number of a request is noted in the transaction of what it writes, so of any number of senders, processes
and kills exactly one succeeds; what was refused leaves no note and may be tried again. A number counts for its caller alone.
Words and code are Parse Server's (middlewares.promiseEnsureIdempotency). May import core and store.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from app.actions.caller import Caller
from app.actions.objects import Objects
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.requests import claim_request, is_claimed

T = TypeVar("T")


class Once:
    """Does a piece of work once for each number its callers give it."""

    def __init__(self, objects: Objects) -> None:
        settings = objects.settings
        self._objects = objects
        self._kept = timedelta(seconds=settings.idempotency_ttl)
        self._paths = [re.compile(path) for path in settings.idempotency_paths]

    def covers(self, path: str) -> bool:
        """Whether the setting wants numbers to count on a path, which stands here without its first slash."""
        return any(each.match(path) for each in self._paths)

    async def run(
        self, caller: Caller, number: str, work: Callable[[Connection], Awaitable[T]], *, tx: Connection | None = None
    ) -> T:
        """What `work` gives, in the transaction that notes its number. Raises 159 when it was done before."""
        digest = _digest(caller, number)

        async def attempt() -> T:
            async with self._objects.transaction(tx) as own:
                if not await claim_request(own, digest, self._kept):
                    raise _duplicate()
                return await work(own)

        return await self._objects.database.repeated(attempt)

    async def check(self, caller: Caller, number: str) -> None:
        """Raises 159 when it was done before: for who asks others, which takes long, ahead of `run`."""
        async with self._objects.database.connection() as connection:
            if await is_claimed(connection, _digest(caller, number)):
                raise _duplicate()


def _duplicate() -> ParseError:
    return ParseError(ErrorCode.DUPLICATE_REQUEST, "Duplicate request")


def _digest(caller: Caller, number: str) -> bytes:
    return hashlib.sha256(f"{_scope(caller)}\0{number}".encode()).digest()


def _scope(caller: Caller) -> str:
    """For whom a number counts: the account, whatever its session; the master key; else the installation, where one is said."""
    if caller.is_master:
        return "master"
    return f"user {caller.user_id}" if caller.user_id else f"installation {caller.installation_id or ''}"
