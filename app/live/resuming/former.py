"""What a client could read when it was cut off: its roles, its account and the permissions of the classes it asks about.

Owns: `Former` and `Formers`. Always holds: the changes since the cursor are taken back, from what is read now, so the answer is
that of the cursor's own moment, or there is none (`UnknownPastError`: the client reads anew). Of a client that knows no cursors
only a moment is known at which it had been told everything; it may have been told more, so what it can have read since is
bounded from both sides. May import core, store, actions and live.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from app.actions.caller import Caller, RoleGraph, roles_about
from app.actions.objects import Objects
from app.actions.visibility import View
from app.core import nodes as ast
from app.core.wire import Json, Object
from app.errors import ParseError
from app.live.authority.moves import INHERITANCE, ROLE_CLASSES, may_move
from app.live.protocol import Subscription
from app.live.results.plan import Plan, make_plan
from app.live.resuming.past import Trail, UnknownPastError
from app.live.resuming.position import Position
from app.live.stream import Stream
from app.store.changes.feed import Change
from app.store.schemas import Schemas

MOST_MOVES = 1000
"""Changes of authority that are taken back for one client."""

MOVED = "what you may read has changed"
"""The reason for one who reads anew."""


@dataclass(frozen=True, slots=True)
class Former:
    """What a subscription came to for its caller then: `least` for sure, `most` at any time since it may have been told anything.

    The two are one where the moment is known exactly. `reopened` are the classes that permitted something else, or may have.
    """

    least: Plan
    most: Plan
    reopened: frozenset[str] = frozenset()
    is_sure: bool = True
    """The moment is known exactly."""
    schemas: Schemas | None = None
    """The classes as they were."""

    def is_like(self, plan: Plan) -> bool:
        """Whether nothing of what this caller may read has moved."""
        return not self.reopened and is_like(self.least, plan) and is_like(self.most, plan)


def is_like(one: Plan, other: Plan) -> bool:
    """Whether two plans of one subscription show the same."""
    return (
        one.caller.authority == other.caller.authority and is_same_question(one, other) and one.redaction.same_as(other.redaction)
    )


def is_same_question(one: Plan, other: Plan) -> bool:
    """Whether two plans of one subscription ask the same, their sub-queries too, but for the ACL."""
    return ast.canonical_text(one.where) == ast.canonical_text(other.where) and all(
        is_same_question(mine, theirs) for (_, mine), (_, theirs) in zip(one.inners, other.inners, strict=True)
    )


class Formers:
    """Answers what a client could read at a position."""

    def __init__(self, stream: Stream, objects: Objects) -> None:
        self._stream = stream
        self._objects = objects

    async def at(self, trail: Trail, subscription: Subscription, plan: Plan, *, is_exact: bool) -> Former:
        """Raises UnknownPastError where that cannot be said. Nothing is awaited after the changes were looked through."""
        graph: RoleGraph | None = None
        asked: frozenset[str] | None = None
        while True:
            changes = await trail.changes()
            moves = sorted((change for change in changes if may_move(change, plan)), key=lambda change: change.seq)
            if not moves:
                return Former(plan, plan)
            if len(moves) > MOST_MOVES:
                raise UnknownPastError(MOVED)
            roles = [change for change in moves if change.class_name in ROLE_CLASSES]
            ids = _role_ids(roles)
            if not roles or (graph is not None and ids == asked):
                held = _held(graph, roles, plan.caller)
                return self._former(subscription, plan, moves, held, trail.position if is_exact else None)
            asked = ids
            graph = await self._read(plan.caller, ids)

    async def _read(self, caller: Caller, role_ids: Iterable[str]) -> RoleGraph:
        assert caller.user_id is not None
        async with self._objects.database.connection() as connection:
            graph = await roles_about(connection, caller.user_id, role_ids)
        await self._stream.reach(graph.snapshot)
        return graph

    def _former(
        self, subscription: Subscription, plan: Plan, moves: list[Change], held: list[frozenset[str]], position: Position | None
    ) -> Former:
        """`held`: the roles, those of now first. `position`: where the client stands, if that is known exactly."""
        schemas, reopened = self._schemas(moves)
        if position is not None and not reopened:  # other fields move nobody
            moves = [change for change in moves if change.class_name != "_SCHEMA"]
        _check_known(moves, position)
        if position is not None:
            then = self._plan(subscription, plan.caller, held[-1], schemas)
            return Former(then, then, reopened, schemas=schemas)
        least = self._plan(subscription, plan.caller, frozenset.intersection(*held), schemas)
        most = self._plan(subscription, plan.caller, frozenset[str]().union(*held), schemas)
        altered = frozenset(change.object_id for change in moves if change.class_name == "_SCHEMA" and change.before is not None)
        return Former(least, most, reopened | altered, is_sure=False, schemas=schemas)

    def _schemas(self, moves: list[Change]) -> tuple[Schemas, frozenset[str]]:
        then = self._objects.schemas.past(_definitions(moves))
        if then is None:
            raise UnknownPastError("a class has lost a field")
        return then

    def _plan(self, subscription: Subscription, caller: Caller, roles: frozenset[str], schemas: Schemas) -> Plan:
        authority = replace(caller.authority, roles=roles)
        try:
            return make_plan(subscription, replace(caller, authority=authority), schemas, self._objects.settings)
        except ParseError as refusal:  # the class was closed: nobody can say what the client had of it
            raise UnknownPastError(MOVED) from refusal

    def asked_now(self, subscription: Subscription, former: Former) -> Plan:
        """What the same roles may read of the classes as they are now. Raises UnknownPastError where that is another question."""
        caller = former.most.caller
        plan = self._plan(subscription, caller, caller.authority.roles, self._objects.schemas)
        owners = {leaf.class_name for leaf in _relations(plan)} & former.reopened
        if not is_same_question(plan, former.most) or any(self._is_seen_otherwise(name, former) for name in owners):
            raise UnknownPastError(MOVED)
        return plan

    def _is_seen_otherwise(self, class_name: str, former: Former) -> bool:
        """Whether the objects that own relations were for others to see."""
        seen: list[str] = []
        for schemas in (former.schemas, self._objects.schemas):
            if schemas is None or not schemas.has(class_name):
                return True
            view = View(schemas, self._objects.settings, former.most.caller)
            seen.append(ast.canonical_text(view.allowed_included(schemas.get(class_name))))
        return seen[0] != seen[1]


def _check_known(moves: list[Change], position: Position | None) -> None:
    """Refuses an account that was none then, and a cursor in the middle of what was told of one of the moves."""
    account = next((change for change in moves if change.class_name == "_User"), None)
    if account is not None and (account.before is None or _image(account).get("active") is False):
        raise UnknownPastError(MOVED)
    if position is not None and moves and (position.is_partial or any(map(position.is_within, moves))):
        raise UnknownPastError("only a part was told of a change of what you may read")


def _definitions(moves: list[Change]) -> Mapping[str, Json]:
    """The classes as they were before the first of their changes; a class that is new had no objects that could be told."""
    found: dict[str, Json] = {}
    seen: set[str] = set()
    for change in moves:
        if change.class_name != "_SCHEMA" or change.object_id in seen:
            continue
        seen.add(change.object_id)
        if change.before is not None:
            if "schema" not in _image(change):  # written by an earlier version, which did not note it
                raise UnknownPastError(MOVED)
            found[change.object_id] = _image(change)["schema"]
    return found


def _role_ids(roles: list[Change]) -> frozenset[str]:
    """The roles that these changes are about."""
    found: set[str] = set()
    for change in roles:
        if change.class_name == "_Role":
            found.add(change.object_id)
            continue
        for row in (change.before_object, change.after_object):
            if row is not None:
                found.add(str(row["owningId"]))
                if change.class_name == INHERITANCE:
                    found.add(str(row["relatedId"]))
    return frozenset(found)


class _Roles:
    """The roles of one user, as they are read, and then at earlier moments."""

    def __init__(self, graph: RoleGraph, user_id: str) -> None:
        self._graph = graph
        self._user_id = user_id
        self._direct, self._edges, self._names = set(graph.direct), set(graph.edges), dict(graph.names)

    def take_back(self, change: Change) -> None:
        """As it was before a change, of which all later ones were taken back; one that was not read yet is none."""
        if not self._graph.snapshot.sees(change.xid):
            return
        for row, is_there in ((change.after_object, False), (change.before_object, True)):
            if row is not None:
                self._put(change, row, is_there=is_there)

    def _put(self, change: Change, row: Object, *, is_there: bool) -> None:
        if change.class_name == "_Role":
            self._names.pop(change.object_id, None)
            if is_there:
                self._names[change.object_id] = str(row["name"])
        elif change.class_name == INHERITANCE:
            edge = str(row["owningId"]), str(row["relatedId"])
            (self._edges.add if is_there else self._edges.discard)(edge)
        elif row["relatedId"] == self._user_id:
            (self._direct.add if is_there else self._direct.discard)(str(row["owningId"]))

    def held(self) -> frozenset[str]:
        """The names of all roles, inherited ones too."""
        owners: dict[str, list[str]] = {}
        for owner, member in self._edges:
            owners.setdefault(member, []).append(owner)
        held, waiting = set(self._direct), list(self._direct)
        while waiting:
            for owner in owners.get(waiting.pop(), ()):
                if owner not in held:
                    held.add(owner)
                    waiting.append(owner)
        return frozenset(self._names[each] for each in held if each in self._names)


def _held(graph: RoleGraph | None, roles: list[Change], caller: Caller) -> list[frozenset[str]]:
    """The roles held now, and before each of the changes, the last one first."""
    held = [caller.authority.roles]
    if graph is not None:
        assert caller.user_id is not None
        then = _Roles(graph, caller.user_id)
        held.append(then.held())
        for change in reversed(roles):
            then.take_back(change)
            held.append(then.held())
    return held


def _relations(plan: Plan) -> Iterable[ast.RelatedTo]:
    for leaf, inner in plan.inners:
        if isinstance(leaf, ast.RelatedTo):
            yield leaf
        yield from _relations(inner)


def _image(change: Change) -> Object:
    return change.before_object or {}
