"""The access log: who was shown which object of a class that is under it, by a find, an include, a file or a live push.

Owns: `Reads` and `Witness`, and the rules of the class `AccessLog`. Holds: a person who was answered by REST or GraphQL is
written down before the answer leaves; a live push never waits, what it showed is written within `FLUSH_SECONDS`, by one task,
many rows a statement; the same person, object and way are written once in `WINDOW_SECONDS`; what waits is bounded: past
`MOST_WAITING` rows say the class and no longer the object, and none is left out. The master key and the server's own rules are
no person and are not written. May import core and store.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from app.actions.caller import Caller
from app.actions.hooks import Draft, Hooks, Next, SaveEvent
from app.core.query import Query
from app.core.wire import decode, pointer
from app.errors import ErrorCode, ParseError
from app.store.accesslog import Read, insert_reads
from app.store.database import Database

WINDOW_SECONDS = 60.0
"""The same read again within so long is not written again."""

FLUSH_SECONDS = 1.0
"""How long what a live push showed may wait."""

MOST_WAITING = 50_000
"""Rows that may wait to be written; what comes then is told by its class alone."""

MOST_REMEMBERED = 200_000
"""Reads that are remembered as written; forgetting one early only writes it again."""

ROWS_A_STATEMENT = 5_000

_ID = r'"objectId":("(?:[^"\\]|\\.)+")'
_OUTER_ID = re.compile(r"\{" + _ID)
_INNER = re.compile(r'"__type":"Object","className":"(\w+)",' + _ID)
"""An object in an answer begins so; a value of jsonb has a blank behind each colon, a quote in a text has a backslash."""

_log = logging.getLogger("careboard.reads")

Key = tuple[str, str, str | None, str]
"""Who, class, objectId, action."""


class Reads:
    """What people were shown in this process and what of it is written."""

    def __init__(self, database: Database, classes: Iterable[str] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self.classes = frozenset(classes)
        """Classes whose reads are written."""
        self.degraded = 0
        """Reads that were written without their object, because too many waited."""
        self._database = database
        self._clock = clock
        self._known: dict[Key, float] = {}
        self._waiting: dict[Key, datetime] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many rows are to be written."""
        return len(self._waiting)

    async def start(self) -> None:
        """Begins to write what live pushes show."""
        if self.classes:
            self._task = asyncio.create_task(self._run(), name="access-log")

    async def stop(self) -> None:
        """Writes what waits, and stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.written()
        except ParseError:
            _log.exception("%d rows of the access log could not be written", len(self._waiting))

    async def show(self, caller: Caller, query: Query, texts: list[str], action: str) -> None:
        """Notes what an answer shows, and waits until it is written; inside a transaction it is written a moment later."""
        user = self._person(caller)
        if user is None:
            return
        if query.class_name in self.classes:
            for text in texts:
                if found := _OUTER_ID.match(text):
                    self.note(user, query.class_name, _plain(found[1]), action)
        if query.include or query.include_all:
            for class_name, object_id in _included(texts):
                if class_name in self.classes:
                    self.note(user, class_name, object_id, "include")
        await self.settle()

    async def show_one(self, caller: Caller, class_name: str, object_id: str | None, action: str) -> None:
        """Notes that one object, or something of its class as a whole, was shown, and waits as `show` does."""
        user = self._person(caller)
        if user is not None and class_name in self.classes:
            self.note(user, class_name, object_id, action)
            await self.settle()

    def witness(self, caller: Caller, class_names: Iterable[str]) -> "Witness | None":
        """Who notes what a live query of these classes shows a caller; None where nothing of it is under the log."""
        user = self._person(caller)
        return Witness(self, user) if user is not None and not self.classes.isdisjoint(class_names) else None

    def note(self, user: str, class_name: str, object_id: str | None, action: str) -> None:
        """Takes down one read, unless it was a moment ago."""
        key, now = (user, class_name, object_id, action), self._clock()
        if self._known.get(key, -WINDOW_SECONDS) > now - WINDOW_SECONDS:
            return
        if len(self._waiting) >= MOST_WAITING and object_id is not None:
            self.degraded += 1
            self.note(user, class_name, None, action)
            return
        self._remember(key, now)
        self._waiting[key] = datetime.now(UTC)

    async def settle(self) -> None:
        """As `written`, but in a transaction, which may hold what the writing needs, it does not wait."""
        if self._database.scratch is None:
            await self.written()

    async def written(self) -> None:
        """Returns when everything noted so far is on disk. Raises ParseError when it cannot be written; then it stays noted."""
        if not self._waiting and not self._writing.locked():
            return
        async with self._writing:
            left = len(self._waiting)
            while left > 0:
                batch = dict(islice(self._waiting.items(), min(left, ROWS_A_STATEMENT)))
                rows: list[Read] = [(*key, at) for key, at in batch.items()]
                async with self._database.statement() as connection:
                    await insert_reads(connection, rows, datetime.now(UTC))
                for key in batch:
                    del self._waiting[key]
                left -= len(batch)

    def _person(self, caller: Caller) -> str | None:
        return caller.user_id if self.classes and not caller.is_master else None

    def _remember(self, key: Key, now: float) -> None:
        known = self._known
        known.pop(key, None)
        known[key] = now
        while (oldest := next(iter(known))) != key:
            if len(known) <= MOST_REMEMBERED and known[oldest] > now - WINDOW_SECONDS:
                return
            del known[oldest]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.written()
            except ParseError as error:
                _log.warning("the access log waits with %d rows: %s", len(self._waiting), error.message)


@dataclass(frozen=True, slots=True)
class Witness:
    """Notes what one person is shown live."""

    reads: Reads
    user: str

    def see(self, class_name: str, object_id: str) -> None:
        """An object is about to be sent."""
        if class_name in self.reads.classes:
            self.reads.note(self.user, class_name, object_id, "live")


Shows = Callable[[Caller, str, str, Sequence[str]], Awaitable[str | None]]
"""Of these objects of a class the first one of which a caller may see a field."""


def install(hooks: Hooks, shows: Shows) -> None:
    """Puts the rules of `AccessLog` in front of its saves: who looked writes it down in the own name, of what they may read."""

    async def check_entity(draft: Draft) -> None:
        class_name, object_id = draft.body.get("entityType"), draft.body.get("entityId")
        is_named = isinstance(class_name, str) and isinstance(object_id, str)
        if draft.caller.is_master or draft.caller.user_id is None or not is_named:
            return
        # The row tells whose record it is, so it is no way to ask about a record that is not the caller's to read.
        if await shows(draft.caller, str(class_name), "objectId", [str(object_id)]) is None:
            words = f"entityId: there is no {class_name} with that objectId that you may read."
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)

    async def save(event: SaveEvent, go_on: Next) -> None:
        caller = event.caller
        if not caller.is_master:
            if "subject" in event.body:
                raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "subject follows from entityType and entityId; leave it out.")
            if named := sorted(event.body.keys() & {"userName", "userRole"}):
                raise ParseError(ErrorCode.OPERATION_FORBIDDEN, f"{named[0]} follows from user; leave it out.")
            if event.object.get("user") != pointer("_User", str(caller.user_id)):
                raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "user: give yourself; nobody notes a read of somebody else.")
        await go_on()

    hooks.prepare("AccessLog", check_entity, id="careboard.access")
    hooks.on_save("AccessLog", save, id="careboard.access")


def _included(texts: list[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        for found in _INNER.finditer(text):
            yield found[1], _plain(found[2])


def _plain(quoted: str) -> str:
    """A JSON string as the text it is; ids that clients chose may hold anything."""
    return str(decode(quoted)) if "\\" in quoted else quoted[1:-1]
