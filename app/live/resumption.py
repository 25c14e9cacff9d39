"""What a client missed that knows nothing of cursors.

Owns: `Resumption`: for each installation, how far each of its subscriptions was acknowledged, while it is connected
and for a bounded time and count after. Always holds: a subscription goes on only from one with the same request id,
query and reader, and never from later than what was acknowledged of it; when several could be meant (two windows of
one browser), from the earliest. May import core, store.snapshot and live.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.live.connection import Connection
from app.live.membership import Member
from app.live.position import parse_position
from app.live.protocol import RequestId, Subscription

KEPT_SECONDS = 600.0
MOST_KEPT = 10_000
"""Connections that are remembered after they are gone."""

MOST_SUBSCRIPTIONS = 100_000
"""Subscriptions of all of those together."""

UNSURE_SECONDS = 21.0
"""The time between two pings, and a little: a connection that answers none for so long is dead."""

_Reader = tuple[bool, str | None]
_Asked = tuple[str, str, object, object, str]


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

    def greet(self, connection: Connection[Member]) -> None:
        """A client has said who it is."""
        self._unfile(connection)
        installation_id = connection.protocol.installation_id
        if installation_id is not None and connection.is_marked:
            self._homes[connection] = installation_id
            self._live.setdefault(installation_id, {})[connection] = None

    def part(self, connection: Connection[Member]) -> None:
        """A client is gone; call it while its subscriptions are still there."""
        installation_id = self._unfile(connection)
        if installation_id is None or self._was_dead(connection):
            return
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


def _told(connection: Connection[Member], request_id: RequestId) -> _Told | None:
    member, cursor = connection.members.get(request_id), connection.told(request_id)
    return None if member is None or cursor is None else _Told(_asked(member.subscription), _reader(member), cursor)


def _reader(member: Member) -> _Reader:
    return member.caller.is_master, member.caller.user_id


def _asked(subscription: Subscription) -> _Asked:
    """The query in a form that compares; the subscription holds its parts anyway."""
    return (
        subscription.class_name,
        repr(subscription.where),
        subscription.keys,
        subscription.watch,
        repr(subscription.extras),
    )
