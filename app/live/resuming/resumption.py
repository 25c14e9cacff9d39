"""What a client missed that knows nothing of cursors.

Owns: `Resumption`: for each installation, how far each of its subscriptions was acknowledged, while it is connected
and for a bounded time and count after. Always holds: a subscription goes on only from one with the same request id,
query and reader, and never from later than what was acknowledged of it; when several could be meant (two windows of
one browser), from the earliest. What is noted for other processes is up to some seconds old, so more is told, not less.
May import core, store.changes.snapshot and live.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.core.wire import Json, decode, encode
from app.live.connection import Connection
from app.live.membership import Member
from app.live.protocol import RequestId, Subscription
from app.live.resuming.position import parse_position

KEPT_SECONDS = 600.0
MOST_KEPT = 10_000
"""Connections that are remembered after they are gone."""

MOST_SUBSCRIPTIONS = 100_000
"""Subscriptions of all of those together."""

UNSURE_SECONDS = 21.0
"""The time between two pings, and a little: a connection that answers none for so long is dead."""

_Reader = tuple[bool, str | None]
_Asked = str


@dataclass(frozen=True, slots=True)
class _Told:
    """A subscription, and the cursor up to which its client has been told for sure."""

    asked: _Asked
    reader: _Reader
    cursor: str


@dataclass(frozen=True, slots=True)
class _Gone:
    """A connection that is gone."""

    installation_id: str
    at: float
    told: dict[RequestId, _Told]


class Resumption:
    """How far each installation has been told."""

    def __init__(self, clock: Callable[[], float], feed_id: Callable[[], str]) -> None:
        self.resumed = 0
        """Subscriptions that went on where an earlier connection ended."""
        self._clock = clock
        self._feed_id = feed_id
        self._live: dict[str, dict[Connection[Member], None]] = {}
        self._homes: dict[Connection[Member], str] = {}
        self._heirs: dict[Connection[Member], tuple[float, tuple[int, str] | None]] = {}
        """Connections from which another went on, when, and what they had acknowledged by then."""
        self._gone: dict[int, _Gone] = {}
        self._by_installation: dict[str, list[int]] = {}
        self._number = 0
        self._subscriptions = 0
        self._elsewhere: dict[Connection[Member], list[dict[RequestId, _Told]]] = {}
        """What other processes noted of the same installation, once that was asked."""
        self._noted: dict[str, object] = {}
        """What was noted of each connection last, by client id."""
        self._parted: dict[str, tuple[str, str]] = {}
        """Connections that are gone and not noted yet: client id -> installation and text."""

    def greet(self, connection: Connection[Member]) -> None:
        """A client has said who it is."""
        self._unfile(connection)
        installation_id = home_of(connection)
        if installation_id is not None:
            self._homes[connection] = installation_id
            self._live.setdefault(installation_id, {})[connection] = None

    def part(self, connection: Connection[Member]) -> None:
        """A client is gone; call it while its subscriptions are still there."""
        installation_id = self._unfile(connection)
        self._elsewhere.pop(connection, None)
        client_id = connection.protocol.client_id or ""
        was = self._noted.pop(client_id, None)
        if installation_id is None or self._was_dead(connection):
            return
        if (text := _noted(connection)) != was:
            self._parted[client_id] = installation_id, text
        told = {request_id: found for request_id in connection.members if (found := _told(connection, request_id))}
        if told:
            self._number += 1
            self._gone[self._number] = _Gone(installation_id, self._clock(), told)
            self._by_installation.setdefault(installation_id, []).append(self._number)
            self._subscriptions += len(told)
        self._expire()

    def since(self, member: Member) -> str | None:
        """Where a new subscription goes on that an earlier connection had; None where there was none."""
        connection = member.connection
        installation_id = self._homes.get(connection)
        if installation_id is None:
            return None
        self._expire()
        request_id, asked, reader = member.subscription.request_id, _asked(member.subscription), _reader(member)
        cursors: list[str] = []
        for other in self._live.get(installation_id, ()):
            told = None if other is connection else _told(other, request_id)
            if told is not None and (told.asked, told.reader) == (asked, reader):
                self._heirs[other] = (self._clock(), other.acknowledged)
                cursors.append(told.cursor)
        for number in self._by_installation.get(installation_id, ()):
            told = self._gone[number].told.get(request_id)
            if told is not None and (told.asked, told.reader) == (asked, reader):
                cursors.append(told.cursor)
        for noted in self._elsewhere.get(connection, ()):
            told = noted.get(request_id)
            if told is not None and (told.asked, told.reader) == (asked, reader):
                cursors.append(told.cursor)
        return self._earliest(cursors) if cursors else None

    def taken(self, member: Member) -> None:
        """A subscription was answered, with what it had missed: of those that are gone, the newest it could be is used up."""
        installation_id = self._homes.get(member.connection)
        if installation_id is None:
            return
        request_id, asked, reader = member.subscription.request_id, _asked(member.subscription), _reader(member)
        for number in reversed(self._by_installation.get(installation_id, ())):
            told = self._gone[number].told
            found = told.get(request_id)
            if found is not None and (found.asked, found.reader) == (asked, reader):
                del told[request_id]
                self._subscriptions -= 1
                self.resumed += 1
                if not told:
                    self._drop(number)
                return

    # ---- between processes

    def is_new(self, connection: Connection[Member]) -> bool:
        """Whether it was not yet asked what other processes know of this client."""
        return connection in self._homes and connection not in self._elsewhere

    def learn(self, connection: Connection[Member], texts: Iterable[str]) -> None:
        """Takes what other processes noted of the same installation."""
        self._elsewhere[connection] = [_read_noted(text) for text in texts]

    def to_note(self) -> list[tuple[str, str, str]]:
        """What is to be noted for other processes since it was asked last: client id, installation, text."""
        rows = [(client_id, *parted) for client_id, parted in self._parted.items()]
        self._parted.clear()
        for connection, installation_id in self._homes.items():
            client_id, text = connection.protocol.client_id or "", _noted(connection)
            if text != "[]" and self._noted.get(client_id) != text:
                self._noted[client_id] = text
                rows.append((client_id, installation_id, text))
        return rows

    def _was_dead(self, connection: Connection[Member]) -> bool:
        """Whether it was dead already when another went on from it: it answered no ping since, and had the time to."""
        at, acknowledged = self._heirs.pop(connection, (None, None))
        return at is not None and connection.acknowledged == acknowledged and self._clock() - at > UNSURE_SECONDS

    def _earliest(self, cursors: list[str]) -> str:
        earliest = cursors[0]
        for cursor in cursors[1:]:
            one, other = parse_position(earliest, self._feed_id()), parse_position(cursor, self._feed_id())
            if one is None or (other is not None and one.base.covers(other.base)):
                earliest = cursor
        return earliest

    def _expire(self) -> None:
        oldest = self._clock() - KEPT_SECONDS
        while self._gone:
            number = next(iter(self._gone))
            few = len(self._gone) <= MOST_KEPT and self._subscriptions <= MOST_SUBSCRIPTIONS
            if few and self._gone[number].at >= oldest:
                return
            self._drop(number)

    def _drop(self, number: int) -> None:
        gone = self._gone.pop(number)
        self._subscriptions -= len(gone.told)
        numbers = self._by_installation[gone.installation_id]
        numbers.remove(number)
        if not numbers:
            del self._by_installation[gone.installation_id]

    def _unfile(self, connection: Connection[Member]) -> str | None:
        installation_id = self._homes.pop(connection, None)
        if installation_id is not None:
            live = self._live[installation_id]
            del live[connection]
            if not live:
                del self._live[installation_id]
        return installation_id


def home_of(connection: Connection[Member]) -> str | None:
    """The installation of a client that knows no cursors, as a word that any table takes: clients are called what they like."""
    installation_id = connection.protocol.installation_id if connection.is_marked else None
    return None if installation_id is None else hashlib.sha256(encode(installation_id)).hexdigest()


def _told(connection: Connection[Member], request_id: RequestId) -> _Told | None:
    member, cursor = connection.members.get(request_id), connection.told(request_id)
    return None if member is None or cursor is None else _Told(_asked(member.subscription), _reader(member), cursor)


def _reader(member: Member) -> _Reader:
    return member.caller.is_master, member.caller.user_id


def _asked(subscription: Subscription) -> _Asked:
    """A word for the query, the same in every process."""
    lists: list[Json] = [None if names is None else [*sorted(names)] for names in (subscription.keys, subscription.watch)]
    text = encode([subscription.class_name, subscription.where, *lists, subscription.extras])
    return hashlib.sha256(text).hexdigest()[:24]


def _noted(connection: Connection[Member]) -> str:
    """How far each subscription was told, as a text."""
    told = {request_id: found for request_id in connection.members if (found := _told(connection, request_id))}
    rows: list[Json] = [[request_id, each.asked, *each.reader, each.cursor] for request_id, each in told.items()]
    return encode(rows).decode()


def _read_noted(text: str) -> dict[RequestId, _Told]:
    found: dict[RequestId, _Told] = {}
    rows = decode(text)
    for row in rows if isinstance(rows, list) else ():
        assert isinstance(row, list)
        request_id, asked, is_master, user_id, cursor = row
        assert isinstance(request_id, (int, float))
        reader = bool(is_master), None if user_id is None else str(user_id)
        found[request_id] = _Told(str(asked), reader, str(cursor))
    return found
