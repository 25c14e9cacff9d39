"""Who asks a live query, filed by what they may read.

Owns: `LiveQuery` (one distinct class and where, shared by all who ask it), `Member` (one subscription as the stream
sees it), `Members` (those of one live query, by principal) and `audience`: who is told what of a change. Always
holds: the readers of an object are found by its principals, never by asking each member; a member that is *held* (its
first results, its replay or its principals are being settled) is filed under no principal, so it is sent nothing
until it is released. Subscriptions that keep a result (windows, counts, includes) are served by a node that is
shared by all who ask the same with the same principals; nodes are filed exactly as members are. May import core,
actions.caller, store.changes.feed and live.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Generic, Literal, TypeVar
from typing import Protocol as Interface

from app.actions.caller import Caller
from app.core import nodes as ast
from app.core.access import can_read
from app.core.schema import ClassSchema
from app.core.wire import Object, principals_of, same
from app.live.connection import Connection
from app.live.filing.access_path import AccessPath
from app.live.filing.index import values_at
from app.live.protocol import Subscription
from app.live.results.plan import Plan
from app.store.changes.feed import Change

Op = Literal["create", "enter", "update", "leave", "delete"]

Held = tuple[Change, bool, bool]
"""A change that a held member will judge later: whether the live query matched before, and after."""


class Member:
    """One subscription of one connection, as the stream sees it."""

    __slots__ = (
        "_plan",
        "connection",
        "disturbed",
        "heads",
        "held",
        "held_at",
        "held_bytes",
        "is_open",
        "is_plain",
        "node",
        "query",
        "subscription",
        "watch",
    )

    def __init__(self, connection: "Connection[Member]", subscription: Subscription, query: "LiveQuery", plan: Plan) -> None:
        self.connection = connection
        self.subscription = subscription
        self.query = query
        self.watch = [tuple(name.split(".")) for name in sorted(subscription.watch or ())]
        self.plan = plan
        self.heads: dict[str, bytes] = {}
        self.node: Keeper | None = None
        """What keeps its result, where it asked for more than the changes."""
        self.held: list[Held] | None = []
        """What came while it was settled; None when it is not held."""
        self.held_bytes = 0
        self.held_at = ""
        """The cursor of what it had been told when its authority moved."""
        self.is_open = True
        """False once dropped."""
        self.disturbed = False
        """Its authority may have moved while it was held."""

    @property
    def plan(self) -> Plan:
        """What it comes to for its reader."""
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._plan = plan
        shows_all = plan.permits is None and plan.redaction.hides_nothing and self.subscription.keys is None
        self.is_plain = shows_all and plan.witness is None and not self.watch
        """It is told every event, with whole objects, and nobody notes it: most are, and 500 of them are told in one go."""

    @property
    def caller(self) -> Caller:
        """For whom it reads."""
        return self.plan.caller

    @property
    def keys(self) -> frozenset[str] | None:
        """The fields asked for; None for all."""
        return self.subscription.keys

    def head(self, op: str) -> bytes:
        """What every frame of this subscription begins with."""
        head = self.heads.get(op)
        if head is None:
            head = self.connection.protocol.event_head(op, self.subscription.request_id)
            self.heads[op] = head
        return head

    def fall_behind(self, cursor: str) -> None:
        """Sends its client away with the cursor."""
        self.connection.close_behind(cursor)

    def shown(self, change: Change, event: "Event") -> "Event":
        """The event without an image that the class's pointer permissions keep from this member."""
        permits = self.plan.permits
        if permits is None:
            return event
        before, after = change.before_object, change.after_object
        if event is _LEAVE and after is not None and not permits(after):
            return _LEAVE_UNREADABLE
        if event is _ENTER and before is not None and not permits(before):
            return _ENTER_UNREAD
        return event

    def watches(self, change: Change) -> bool:
        """Whether a field it watches changed; without `watch` every change counts."""
        if not self.watch:
            return True
        before, after = change.before_object or {}, change.after_object or {}
        return any(not same(values_at(before, path), values_at(after, path)) for path in self.watch)

    def judge(self, change: Change, was: bool, now: bool) -> "Event | None":
        """What this one member is told of a change; the same answer as `audience` gives."""
        return judge(self.caller, change, was, now)


class Event:
    """What one class of readers is told: the op, and which images it is told with ("before", "after" or None)."""

    __slots__ = ("image", "op", "original")

    def __init__(self, op: Op, image: Literal["before", "after"], original: bool) -> None:
        self.op: Op = op
        self.image: Literal["before", "after"] = image
        self.original = original


_CREATE = Event("create", "after", False)
_UPDATE = Event("update", "after", True)
_DELETE = Event("delete", "before", False)
_LEAVE = Event("leave", "after", True)
_LEAVE_UNREADABLE = Event("leave", "before", True)
_ENTER = Event("enter", "after", True)
_ENTER_UNREAD = Event("enter", "after", False)


def _event(change: Change, was: bool, now: bool, read_before: bool, read_after: bool) -> Event | None:
    """The event for one who could read the object before and can read it after; as Parse Server 9 decides.

    A state that the reader may not see is never told: a leave by loss of access carries the last state that was
    readable, an enter by gain of access has no `original`.
    """
    saw, sees = was and read_before, now and read_after
    if saw and sees:
        return _UPDATE
    if sees:
        if change.before is None:
            return _CREATE
        return _ENTER if read_before else _ENTER_UNREAD
    if saw:
        if change.after is None:
            return _DELETE
        return _LEAVE if read_after else _LEAVE_UNREADABLE
    return None


def judge(caller: Caller, change: Change, was: bool, now: bool) -> Event | None:
    """What one caller is told of a change; the same answer as `audience` gives."""
    before, after = change.before_object, change.after_object
    read_before = before is not None and can_read(before, caller.authority)
    read_after = after is not None and can_read(after, caller.authority)
    return _event(change, was, now, read_before, read_after)


_PUBLIC = frozenset("*")


class Reader(Interface):
    """What is filed by principal: a subscription, or a node that many of them share."""

    held: list[Held] | None
    """What came while it was settled; None when it is not held."""

    held_bytes: int
    """How much text that is."""

    @property
    def caller(self) -> Caller:
        """For whom it reads."""
        ...

    def fall_behind(self, cursor: str) -> None:
        """More came while it was held than is kept: its clients come back with their cursor."""
        ...


class Keeper(Reader, Interface):
    """A node: it keeps a result for those who asked for it."""

    @property
    def size(self) -> int:
        """How many objects it keeps."""
        ...

    def everyone(self) -> list[Member]:
        """Those it serves, and those who wait for it."""
        ...

    def leave(self, member: Member) -> None:
        """Takes a member out."""
        ...

    def take(self, change: Change, event: "Event", touched: dict[Connection[Member], None]) -> None:
        """A change of the result; adds whom it told."""
        ...

    def take_included(self, change: Change, touched: dict[Connection[Member], None]) -> None:
        """A change of an object that it shows inside others."""
        ...

    def end_tick(self, touched: dict[Connection[Member], None]) -> None:
        """All changes of a tick were taken."""
        ...

    def learn(self, schema: ClassSchema) -> None:
        """The class has changed."""
        ...


R = TypeVar("R", bound=Reader)


class Members(Generic[R]):
    """The readers of one live query: all that are live, the same by principal, and those that are held."""

    __slots__ = ("_by_principal", "_everyone", "_masters", "held")

    def __init__(self) -> None:
        self._everyone: dict[R, None] = {}
        self._masters: dict[R, None] = {}
        self._by_principal: dict[str, dict[R, None]] = {}
        self.held: dict[R, None] = {}

    def __bool__(self) -> bool:
        return bool(self._everyone or self.held)

    def hold(self, member: R) -> None:
        """Takes a member out of the stream; what the live query matches is kept for it."""
        self._unfile(member)
        self.held[member] = None
        if member.held is None:
            member.held, member.held_bytes = [], 0

    def keep(self, change: Change, was: bool, now: bool, most: int, most_bytes: int) -> Iterator[R]:
        """Keeps a change for those that are held; gives those for whom that was too much."""
        size = len(change.before or "") + len(change.after or "")
        for member in self.held:
            assert member.held is not None
            member.held.append((change, was, now))
            member.held_bytes += size
            if len(member.held) > most or member.held_bytes > most_bytes:
                yield member

    def file(self, member: R) -> None:
        """Puts a member into the stream under its present principals."""
        self.held.pop(member, None)
        member.held = None
        self._everyone[member] = None
        if member.caller.is_master:
            self._masters[member] = None
            return
        for principal in member.caller.authority.principals - _PUBLIC:
            self._by_principal.setdefault(principal, {})[member] = None

    def remove(self, member: R) -> None:
        """Forgets a member."""
        self._unfile(member)
        self.held.pop(member, None)

    def _unfile(self, member: R) -> None:
        if member not in self._everyone:
            return
        del self._everyone[member]
        if member.caller.is_master:
            del self._masters[member]
            return
        for principal in member.caller.authority.principals - _PUBLIC:
            filed = self._by_principal[principal]
            del filed[member]
            if not filed:
                del self._by_principal[principal]

    def all(self) -> list[R]:
        """Everyone, held or not."""
        return [*self._everyone, *self.held]

    def readers(self, principals: Collection[str] | None) -> Mapping[R, None]:
        """Those in the stream who may read an object of these principals; None is public."""
        if principals is None or "*" in principals:
            return self._everyone
        groups = [group for principal in principals if (group := self._by_principal.get(principal))]
        if self._masters:
            groups.append(self._masters)
        if len(groups) == 1:
            return groups[0]
        merged: dict[R, None] = {}
        for group in groups:
            merged.update(group)
        return merged


Compile = Callable[[ClassSchema, ast.Node], Callable[[Object], bool]]
"""Makes the predicate of a where for a class as it is now."""


class LiveQuery:
    """One distinct query. `matches` is its whole where, compiled; `members` are those who asked it.

    `nodes` keep its results for those who asked for more than the changes; `kept` finds them by what they keep.
    `compile` makes `matches` anew for a class that has changed.
    """

    __slots__ = ("class_name", "compile", "kept", "key", "matches", "members", "nodes", "paths", "where")

    def __init__(self, class_name: str, key: str, where: ast.Node, matches: Callable[[Object], bool], compiler: Compile) -> None:
        self.compile = compiler
        self.class_name = class_name
        self.key = key
        self.where = where
        self.matches = matches
        self.members: Members[Member] = Members()
        self.nodes: Members[Keeper] = Members()
        self.kept: dict[str, Keeper] = {}
        self.paths: list[AccessPath] = []

    @property
    def is_asked(self) -> bool:
        """Whether anybody asks it still."""
        return bool(self.members or self.nodes)

    def everyone(self) -> list[Member]:
        """All who asked it, those of its nodes too."""
        return [*self.members.all(), *(member for node in self.nodes.all() for member in node.everyone())]


def audience(members: Members[R], change: Change, was: bool, now: bool) -> Iterator[tuple[Event, Collection[R]]]:
    """What those in the stream are told of a change that a live query matched, and who is; each reader once."""
    before, after = change.before_object, change.after_object
    principals_before = principals_of(before) if before is not None else frozenset[str]()
    principals_after = principals_of(after) if after is not None else frozenset[str]()
    if before is not None and after is not None and principals_before == principals_after:
        event = _event(change, was, now, True, True)
        if event is not None:
            yield event, members.readers(principals_after)
        return
    readers_before = members.readers(principals_before) if before is not None else {}
    readers_after = members.readers(principals_after) if after is not None else {}
    for reads_before, reads_after in ((True, True), (True, False), (False, True)):
        event = _event(change, was, now, reads_before, reads_after)
        if event is None:
            continue
        first, other = (readers_before, readers_after) if reads_before else (readers_after, readers_before)
        both = reads_before and reads_after
        if chosen := [member for member in first if (member in other) is both]:
            yield event, chosen
