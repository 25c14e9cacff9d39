"""One request: who asks, what it may still cost, and the reads that its resolvers make.

Owns: `Context`. Holds: every read is an action's, by the caller's authority; a level of a selection is one statement, however
many objects it starts from; what a request reads is bounded. May import actions and below, live/hub, api/request, api/graphql.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from graphql import GraphQLSchema

from app.actions.caller import Caller
from app.api.graphql.names import from_cursor
from app.api.graphql.projection import Row
from app.api.graphql.selection import ConnectionPlan, Items, ObjectPlan, Page, RelationPlan
from app.api.graphql.types import ClassTypes
from app.api.graphql.wheres import to_where
from app.api.request import Services
from app.core.query import Query
from app.core.wire import Object, decode
from app.errors import ErrorCode, ParseError
from app.live.hub import Hub
from app.store.database import Connection
from app.store.rows.objects import Found

MOST_OBJECTS = 50_000
"""Objects that one operation may read, those of nested connections counted."""

_DEFAULT_LIMIT = 100


@dataclass(slots=True)
class Context:
    """What the resolvers of one request share."""

    services: Services
    hub: Hub
    caller: Caller
    classes: Mapping[str, ClassTypes]
    keys: dict[str, str] = field(default_factory=dict)
    may_introspect: bool = False
    socket: Any = None
    """The socket that an operation came by, for what it streams."""
    renew: "Callable[[], Awaitable[Context]] | None" = None
    """Looks up anew who asks, for an operation that goes on for long."""
    schema: GraphQLSchema | None = None
    """What `classes` belong to."""
    left: int = MOST_OBJECTS
    """How many objects it may still read."""

    async def renewed(self) -> "Context":
        """The same for who asks as of now. Raises 209 where the session has ended."""
        return self if self.renew is None else await self.renew()

    def require_master(self) -> None:
        """Refuses everybody but the master key, with Parse's code."""
        if not self.caller.is_master:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "unauthorized: master key is required")

    def file_url(self, name: str) -> str:
        """The address of a file."""
        return self._files_url + quote(name, safe="")

    @property
    def _files_url(self) -> str:
        return self.services.settings.file_urls

    # ---- one object

    async def get(self, plan: ObjectPlan, object_id: str, tx: Connection | None = None) -> Row:
        """One object with everything its plan asks. Raises 101."""
        query = self._query(plan.types, _shown(plan))
        row = _decoded(await self.services.objects.get(self.caller, query, object_id, tx=tx, files_url=self._files_url))
        self._spend(1)
        await self.follow(plan, [row], tx)
        return row

    # ---- many

    async def find(self, plan: ConnectionPlan) -> Page:
        """What a connection of a class asks."""
        cut = await self._cut(plan)
        query = self._query(plan.types, self._parameters(plan, cut))
        if query.limit == 0 and not query.with_count:
            return Page([], cut.skip or 0, cut.count)
        found = await self.services.objects.find(self.caller, query, files_url=self._files_url)
        page = self._page(found, cut)
        await self.follow_nodes(plan, page.rows)
        return page

    async def follow_nodes(self, plan: ConnectionPlan, rows: list[Row]) -> None:
        """Reads what hangs on the nodes of a connection."""
        for node in plan.nodes:
            await self.follow(node, rows)

    async def follow(self, plan: ObjectPlan, rows: Iterable[Row], tx: Connection | None = None) -> None:
        """Reads the relations of these objects, and of those included in them: one statement for each relation. What a caller
        may know of how accounts sign in is read here too, as it is in no row."""
        rows = list(rows)
        if plan.wants_sign_ins:
            linked = await self.services.users.auth_data(self.caller, {str(row["objectId"]) for row in rows}, tx=tx)
            for row in rows:
                row["authData"] = linked.get(str(row["objectId"]))
        for relation in plan.relations:
            await self._follow_relation(relation, rows, tx)
        for name, below in plan.within:
            for each, inner in _inside(below, (row.get(name) for row in rows)):
                if each.relations or each.within or each.wants_sign_ins:
                    await self.follow(each, inner, tx)

    async def _follow_relation(self, relation: RelationPlan, rows: list[Row], tx: Connection | None) -> None:
        plan = relation.connection
        owners = list(dict.fromkeys(str(row["objectId"]) for row in rows))
        if not owners:
            return
        objects, class_name = self.services.objects, relation.owner.class_name
        cut = _cut_of(plan.arguments)
        if cut.counts_first and len(owners) == 1:
            where = self._query(plan.types, {"where": self._where(plan), "limit": 0, "count": 1})
            counted = await objects.find_related(self.caller, class_name, relation.name, owners, where, tx=tx)
            cut = cut.from_the_end(sum(found.count or 0 for found in counted.values()))
        elif cut.counts_first:
            words = "`last` without `first` or `before` counts from the end; ask it of one object at a time."
            raise ParseError(ErrorCode.INVALID_QUERY, words)
        query = self._query(plan.types, self._parameters(plan, cut))
        found = await objects.find_related(self.caller, class_name, relation.name, owners, query, tx=tx)
        relation.pages = {owner: self._page(each, cut) for owner, each in found.items()}
        await self.follow_nodes(plan, [row for page in relation.pages.values() for row in page.rows])

    async def _cut(self, plan: ConnectionPlan) -> "Cut":
        cut = _cut_of(plan.arguments)
        if not cut.counts_first:
            return cut
        where = self._query(plan.types, {"where": self._where(plan), "limit": 0, "count": 1})
        found = await self.services.objects.find(self.caller, where)
        return cut.from_the_end(found.count or 0)

    def _page(self, found: Found, cut: "Cut") -> Page:
        self._spend(len(found.results))
        return Page([_decoded(text) for text in found.results], cut.skip or 0, found.count if cut.count is None else cut.count)

    def _parameters(self, plan: ConnectionPlan, cut: "Cut") -> Object:
        """The parameters of a find, as REST has them."""
        parameters: Object = {"where": self._where(plan)}
        if plan.wants_rows:
            limit = _DEFAULT_LIMIT if cut.limit is None else cut.limit
            parameters |= {"limit": limit, "skip": cut.skip or 0, "order": ",".join(plan.arguments.get("order") or [])}
            parameters |= _shown(plan)
        else:
            parameters["limit"] = 0
        if plan.wants_count and cut.count is None:
            parameters["count"] = 1
        return parameters

    def _where(self, plan: ConnectionPlan) -> Object:
        return to_where(self.classes, plan.types, plan.arguments.get("where") or {})

    def _query(self, types: ClassTypes, parameters: Object) -> Query:
        return self.services.objects.parse_query(types.class_name, parameters)

    def _spend(self, objects: int) -> None:
        self.left -= objects
        if self.left < 0:
            words = f"One operation reads at most {MOST_OBJECTS} objects; ask for fewer with `first`, or in several operations."
            raise ParseError(ErrorCode.EXCEEDED_QUOTA, words)


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a result is asked for; `counts_first`: the end must be known to say so."""

    skip: int | None = None
    limit: int | None = None
    counts_first: bool = False
    count: int | None = None

    def from_the_end(self, count: int) -> "Cut":
        """The same once the end is known."""
        skip, limit = self.skip or 0, self.limit or 0
        return Cut(count - limit if skip + limit < count else self.skip, self.limit, count=count)


def _cut_of(arguments: Mapping[str, Any]) -> Cut:
    """Relay's arguments as skip and limit, as Parse Server reads them. Raises 102."""
    skip, limit = arguments.get("skip"), arguments.get("first")
    after, before, last = _place(arguments, "after"), _place(arguments, "before"), arguments.get("last")
    for name, value in (("Skip", skip), ("First", limit), ("Last", last)):
        if value is not None and value < 0:
            raise ParseError(ErrorCode.INVALID_QUERY, f"{name} should be a positive number")
    if after is not None:
        skip = (skip or 0) + after + 1
    if before is not None:
        room = max(0, before - (skip or 0))
        limit = room if limit is None else min(limit, room)
    if last is None:
        return Cut(skip, limit)
    if limit is None:
        return Cut(skip, last, counts_first=last > 0)
    return Cut((skip or 0) + limit - last, last) if last < limit else Cut(skip, limit)


def _place(arguments: Mapping[str, Any], name: str) -> int | None:
    cursor = arguments.get(name)
    if not cursor:
        return None
    place = from_cursor(cursor)
    if place is None:
        raise ParseError(ErrorCode.INVALID_QUERY, f"{name.capitalize()} is not a valid cursor")
    return place


def _inside(below: ObjectPlan | Items, values: Iterable[Any]) -> list[tuple[ObjectPlan, list[Row]]]:
    """The objects that stand in a field, with their plans."""
    if isinstance(below, ObjectPlan):
        return [(below, [value for value in values if isinstance(value, dict) and value.get("__type") == "Object"])]
    found: dict[int, tuple[ObjectPlan, list[Row]]] = {}
    for item in (item for value in values if isinstance(value, list) for item in value):
        plan = below.of(item)
        if plan is not None:
            found.setdefault(id(plan), (plan, []))[1].append(item)
    return list(found.values())


def _shown(plan: ObjectPlan | ConnectionPlan) -> Object:
    """The parameters that say what is read of each object."""
    return {"keys": [*sorted(plan.keys | {"objectId"})], "include": [*sorted(plan.include)]}


def _decoded(text: str) -> Row:
    value = decode(text)
    assert isinstance(value, dict)
    return value
