"""What a subscription comes to for one caller: the live query, what is hidden, and the find that begins it.

Owns: `Plan` and `Planner`, every check between a client's words and a live query. Always holds: a class that is
closed to the caller, a field that is hidden from it, and a condition that a change alone cannot decide are refused
here, with the reason, before anything is read. May import core, actions and live.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from app.actions.caller import ANONYMOUS, MASTER, Caller, resolve
from app.actions.objects import Objects
from app.actions.reads import Witness
from app.actions.visibility import View, check_collection
from app.config import Settings
from app.core import nodes as ast
from app.core.match import compile_match
from app.core.query import parse_query, parse_where, typed
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from app.live.authority.redaction import Redaction
from app.live.protocol import Protocol, Subscription
from app.live.results.relational import Leaf, sub_queries
from app.store.schemas import Schemas

MOST_RESULTS = 10_000
"""Objects a snapshot may hold."""


KNOWN_SECONDS = 5.0
"""So long a session counts as it was read, while the stream tells of no change of authority and nothing else is under way."""

MOST_KNOWN = 10_000

ANY = ""
"""In place of a class, or of an objectId: every one."""

MOST_SHOWN = 1000
"""How far a window may reach, its skip included."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a result, where more is asked for than the changes of its objects. `limit` None is all of it."""

    order: tuple[tuple[ast.Path, bool], ...] = ()
    skip: int = 0
    limit: int | None = None
    count: bool = False
    include: tuple[ast.Path, ...] = ()
    relation: ast.RelatedTo | None = None
    """Who is in a relation; it is the answer to a sub-query only."""

    def read(self, plan: "Plan", wanted: int | None) -> ast.Query:
        """The find that reads it: whole objects, and `wanted` of them from the first on, the skipped ones too."""
        if self.count:
            return plan.find
        return replace(plan.find, keys=None, skip=0, limit=MOST_RESULTS + 1 if wanted is None else wanted)

    def key(self, caller: Caller) -> str:
        """One name for what the same node serves: the same part of a result, for the same principals."""
        who = "master" if caller.is_master else sorted(caller.authority.principals)
        return repr((self.order, self.skip, self.limit, self.count, self.include, who))


@dataclass(frozen=True, slots=True)
class Plan:
    """`where` is what the client asked and the permissions of the class add, without the ACL: that is asked by principal.

    `permits` is what the permissions add (pointer permissions), None for nothing: an image that it refuses is never shown.
    """

    caller: Caller
    schema: ClassSchema
    where: ast.Node
    redaction: Redaction
    find: ast.Query
    kept: Kept | None = None
    inside: frozenset[str] = frozenset()
    """The classes whose objects are included; `ANY` where an array is, which may point to any."""
    inners: "tuple[tuple[Leaf, Plan], ...]" = ()
    """The sub-queries of the where, each with what it comes to for the same caller."""

    @property
    def others(self) -> frozenset[str]:
        """The classes that decide what is shown, beside its own."""
        names = (plan.others | {plan.schema.class_name} for _, plan in self.inners)
        return self.inside.union(*names)

    @property
    def whose(self) -> str:
        """Tells apart live queries whose sub-queries find different things for different callers."""
        who = "master" if self.caller.is_master else sorted(self.caller.authority.principals)
        return repr((who, [(ast.canonical_text(plan.where), plan.whose) for _, plan in self.inners])) if self.inners else ""

    permits: Callable[[Object], bool] | None = None
    witness: Witness | None = None
    """Who notes what is shown, where a class of it is under the access log."""


class Planner:
    """Finds out for whom a subscription reads, and what it comes to."""

    def __init__(self, objects: Objects) -> None:
        self.epoch: Callable[[], int] = lambda: 0
        """Grows with every change that may move an authority; the authorities know it."""
        self.is_current: Callable[[], bool] = lambda: False
        """Whether the stream has told everything that is known to be written."""
        self._objects = objects
        self._callers: dict[str, tuple[Caller, int, float]] = {}

    async def plan(self, protocol: Protocol, subscription: Subscription) -> Plan:
        """Raises as `make_plan`, and 209 where the session has ended."""
        caller = await self._caller(protocol, subscription)
        plan = make_plan(subscription, caller, self._objects.schemas, self._objects.settings)
        reads = self._objects.reads
        witness = reads.witness(caller, reads.classes if ANY in plan.inside else {plan.schema.class_name, *plan.inside})
        return replace(plan, witness=witness) if witness is not None else plan

    async def _caller(self, protocol: Protocol, subscription: Subscription) -> Caller:
        """Its own session comes before that of the connection."""
        if protocol.is_master:
            return MASTER
        token = subscription.session_token or protocol.session_token
        if token is None:
            return ANONYMOUS
        known, epoch, now = self._callers.get(token), self.epoch(), time.monotonic()
        is_fresh = known is not None and known[1] == epoch and now - known[2] < KNOWN_SECONDS
        if known is not None and is_fresh and self.is_current() and not _has_ended(known[0]):
            return known[0]
        async with self._objects.database.connection() as connection:
            caller = await resolve(connection, token)
        if len(self._callers) >= MOST_KNOWN:
            self._callers.clear()
        self._callers[token] = caller, epoch, now
        return caller


def _has_ended(caller: Caller) -> bool:
    """Whether a session is over by its time, which no change tells."""
    return caller.expires_at is not None and caller.expires_at <= datetime.now(UTC)


def make_plan(subscription: Subscription, caller: Caller, schemas: Schemas, settings: Settings) -> Plan:
    """Raises ParseError: 102 what cannot be asked live, 119 what may not, 209 sessions of nobody."""
    class_name = subscription.class_name
    check_collection("find", class_name, caller)
    view = View(schemas, settings, caller)
    schema = view.schema(class_name) or class_schema(class_name, {})
    asked = parse_where(schema, subscription.where)
    find = ast.Query(class_name, where=asked, limit=MOST_RESULTS + 1, keys=subscription.keys)
    kept = None
    if subscription.extras:
        find = _extended(find, schema, subscription)
        kept = _kept(find, subscription)
    allowed = view.allowed(schema, "count" if find.with_count else _operation(subscription))
    redaction = Redaction(schema, caller.authority)
    inners = _inner_plans(asked, schema, view, caller)
    _check_askable(asked, subscription, caller, redaction)
    permitted = _without_acl(allowed)
    return Plan(
        caller=caller,
        schema=schema,
        where=ast.both(asked, permitted),
        redaction=redaction,
        find=find,
        kept=kept or (Kept() if inners else None),
        inside=_included_classes(find.include, schema, schemas),
        inners=inners,
        permits=None if isinstance(permitted, ast.Everything) else compile_match(schema, permitted),
    )


def _inner_plans(where: ast.Node, schema: ClassSchema, view: View, caller: Caller) -> tuple[tuple[Leaf, Plan], ...]:
    """What the sub-queries of a where come to. Raises 102 for what is not kept, 119 for a class that is closed."""
    return tuple((leaf, _leaf_plan(leaf, schema, view, caller)) for leaf in sub_queries(where))


def _leaf_plan(leaf: Leaf, schema: ClassSchema, view: View, caller: Caller) -> Plan:
    if isinstance(leaf, ast.RelatedTo):
        return _relation_plan(leaf, schema, view, caller)
    return _inner_plan(leaf.query, view, caller)


def _relation_plan(leaf: ast.RelatedTo, schema: ClassSchema, view: View, caller: Caller) -> Plan:
    """The rows of the relation, and the class of the object that owns it: who may not read that is told of nobody in it."""
    owner = view.schema(leaf.class_name)
    field = owner.fields.get(leaf.key) if owner is not None else None
    if owner is not None and not caller.is_master and leaf.key in Redaction(owner, caller.authority).hidden:
        words = f"This user is not allowed to query {leaf.key} on class {leaf.class_name}"
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    leads = field is not None and field.type is FieldType.RELATION and field.target_class == schema.class_name
    text = Field(FieldType.STRING)
    rows = class_schema(f"_Join:{leaf.key}:{leaf.class_name}", {"owningId": text, "relatedId": text})
    where: ast.Node = ast.Compare(("owningId",), "eq", leaf.object_id) if leads else ast.Nothing()
    return Plan(
        caller=caller,
        schema=rows,
        where=where,
        redaction=Redaction(rows, caller.authority),
        find=ast.Query(rows.class_name, where=where),
        kept=Kept(relation=leaf),
        inside=frozenset({leaf.class_name}),
    )


def _inner_plan(query: ast.Query, view: View, caller: Caller) -> Plan:
    check_collection("find", query.class_name, caller)
    schema = view.schema(query.class_name) or class_schema(query.class_name, {})
    where = typed(schema, query.where)
    kept = Kept()
    if query.limit is not None or query.skip:
        if not query.order or query.limit is None or not 0 < query.limit <= MOST_SHOWN - query.skip:
            raise _unkept(f"A live sub-query is whole, or has an order and a limit of 1 to {MOST_SHOWN}, its skip included.")
        kept = Kept(query.order, query.skip, query.limit)
    return Plan(
        caller=caller,
        schema=schema,
        where=ast.both(where, _without_acl(view.allowed(schema, "find"))),
        redaction=Redaction(schema, caller.authority),
        find=replace(query, where=where, order=kept.order, include=(), include_all=False, with_count=False),
        kept=kept,
        inners=_inner_plans(where, schema, view, caller),
    )


def _extended(find: ast.Query, schema: ClassSchema, subscription: Subscription) -> ast.Query:
    """The find with what else was asked for. Raises 102 for what is not understood or cannot be kept."""
    extras = subscription.extras
    read = parse_query(find.class_name, schema, extras)
    if read.with_count:
        if extras.keys() != {"count"}:
            raise _unkept("A live count has no order, limit, skip or include; ask for one or the other.")
        return replace(find, limit=0, with_count=True)
    find = replace(find, include=_named(schema, read))
    if find.include and any("." in key for key in subscription.keys or ()):
        raise _unkept("A live query that includes shows whole fields; name them in keys without dots.")
    if read.order:
        return replace(find, order=read.order, skip=read.skip, limit=read.limit)
    if extras.get("limit") is not None or extras.get("skip"):
        raise _unkept("A live query with a limit needs an order: without one, which objects are the first is left to chance.")
    return find


def _kept(find: ast.Query, subscription: Subscription) -> Kept | None:
    if find.with_count:
        return Kept(count=True)
    if not find.order:
        return Kept(include=find.include) if find.include else None
    assert find.limit is not None
    if not 0 < find.limit <= MOST_SHOWN - find.skip:
        raise _unkept(f"A live query shows from 1 to {MOST_SHOWN} objects, counted with those it skips.")
    return Kept(find.order, find.skip, find.limit, include=find.include)


def _named(schema: ClassSchema, read: ast.Query) -> tuple[ast.Path, ...]:
    """What is included, with every pointer and array of the class for `*`."""
    if not read.include_all:
        return read.include
    every = ((name,) for name, field in schema.fields.items() if field.type in (FieldType.POINTER, FieldType.ARRAY))
    return tuple(dict.fromkeys((*read.include, *every)))


def _included_classes(include: tuple[ast.Path, ...], schema: ClassSchema, schemas: Schemas) -> frozenset[str]:
    """The classes that are shown inside; `ANY` from an array on. Raises 102 for what is neither pointer nor array."""
    found: set[str] = set()
    for path in include:
        inner: ClassSchema | None = schema
        for name in path:
            field = inner.fields.get(name) if inner is not None else None
            if field is not None and field.type is FieldType.ARRAY:
                found.add(ANY)
                break
            if field is None or field.type is not FieldType.POINTER or field.target_class is None:
                raise _unkept(f"A live query includes pointers and arrays of them; {'.'.join(path)} is neither.")
            found.add(field.target_class)
            inner = schemas.get(field.target_class) if schemas.has(field.target_class) else None
    return frozenset(found)


def _unkept(words: str) -> ParseError:
    return ParseError(ErrorCode.INVALID_QUERY, words)


def _operation(subscription: Subscription) -> Literal["get", "find"]:
    """Parse asks for `get` where the where names one object and nothing else."""
    named = subscription.where.keys() == {"objectId"} and isinstance(subscription.where["objectId"], str)
    return "get" if named else "find"


def _check_askable(asked: ast.Node, subscription: Subscription, caller: Caller, redaction: Redaction) -> None:
    if caller.is_master:
        return
    watched = {name.split(".")[0] for name in subscription.watch or ()}
    if (ast.field_names(asked) | watched) & redaction.hidden:
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "Permission denied")


def _without_acl(allowed: ast.Node) -> ast.Node:
    if isinstance(allowed, ast.Allowed):
        return ast.Everything()
    if isinstance(allowed, ast.And):
        return ast.both(*(_without_acl(child) for child in allowed.children))
    return allowed
