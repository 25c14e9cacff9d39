"""What a selection asks of a class: which keys to read, what to include, which relations to follow, and how to write it.

Owns: `Selection` (one operation's fragments, variables and types) and the plans made from it: `ObjectPlan`, `ConnectionPlan`.
Holds: only what is selected is read; a pointer is included only when more than its ids are asked for; every relation of one
level is one load, for all of its owners. May import core and api/graphql.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
)
from graphql.execution.collect_fields import collect_sub_fields
from graphql.execution.values import get_argument_values

from app.api.graphql import projection
from app.api.graphql.names import to_cursor, to_global_id
from app.api.graphql.projection import Member, Output, Reader, Row, Writer
from app.api.graphql.types import ClassTypes
from app.core.schema import Field, FieldType

_PUBLIC = {"*": {"read": True, "write": True}}
_IDS = frozenset({"id", "objectId", "__typename"})


@dataclass(slots=True)
class Page:
    """What was found: rows from `skip` on, and how many there are in all, if that was asked."""

    rows: list[Row]
    skip: int = 0
    count: int | None = None


@dataclass(slots=True)
class ObjectPlan:
    """A selection on objects of one class."""

    types: ClassTypes
    writer: Writer
    keys: set[str] = field(default_factory=set)
    include: set[str] = field(default_factory=set)
    relations: "list[RelationPlan]" = field(default_factory=list)
    within: "list[tuple[str, ObjectPlan | Items]]" = field(default_factory=list)
    """The plans of objects that are included, by the field they stand in."""

    @property
    def is_bare(self) -> bool:
        """Whether nothing is asked but what a write answers anyway."""
        return not self.relations and self.keys <= {"objectId", "createdAt", "updatedAt"}

    @property
    def wants_sign_ins(self) -> bool:
        """Whether how accounts sign in is asked for, which no find reads."""
        return self.types.class_name == "_User" and "authData" in self.keys

    def add_below(self, name: str, plan: "ObjectPlan") -> None:
        """Reads what `plan` asks of the object that a pointer names."""
        self.keys |= {f"{name}.{key}" for key in plan.keys} or {name}
        self.include |= {name, *(f"{name}.{path}" for path in plan.include)}


class Items:
    """The plans for the objects in an array, one for each class that is met there."""

    def __init__(self, selection: "Selection", nodes: list[FieldNode]) -> None:
        self._selection = selection
        self._nodes = nodes
        self._plans: dict[str, ObjectPlan] = {}

    def of(self, item: Any) -> ObjectPlan | None:
        """The plan of an item; None for one that is no object of a class."""
        if not isinstance(item, dict) or item.get("__type") != "Object":
            return None
        class_name = item.get("className")
        types = self._selection.classes.get(class_name) if isinstance(class_name, str) else None
        return None if types is None else self.plan(types)

    def plan(self, types: ClassTypes) -> ObjectPlan:
        """The plan for objects of one class."""
        if types.class_name not in self._plans:
            self._plans[types.class_name] = self._selection.of_object(types, self._nodes)
        return self._plans[types.class_name]


@dataclass(slots=True)
class ConnectionPlan:
    """A selection on a connection: what of each node, and which totals."""

    types: ClassTypes
    writer: Writer
    arguments: dict[str, Any]
    nodes: list[ObjectPlan] = field(default_factory=list)
    wants_rows: bool = False
    wants_count: bool = False

    @property
    def keys(self) -> set[str]:
        """What is read of each node."""
        return set().union(*(plan.keys for plan in self.nodes))

    @property
    def include(self) -> set[str]:
        """What is included in each node."""
        return set().union(*(plan.include for plan in self.nodes))


@dataclass(slots=True)
class RelationPlan:
    """A relation that is followed from the objects of a plan; `pages` are what was found, by the owner's objectId."""

    owner: ClassTypes
    name: str
    connection: ConnectionPlan
    pages: dict[str, Page] = field(default_factory=dict)


@dataclass(slots=True)
class Selection:
    """One operation, as far as selections hang on it."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    classes: Mapping[str, ClassTypes]
    output: Output
    file_urls: Callable[[str], str] = str
    """The address of a file by its name."""

    def fields(self, of: GraphQLObjectType, nodes: list[FieldNode]) -> dict[str, list[FieldNode]]:
        """The selected fields of a type, by response key, fragments and directives applied."""
        return collect_sub_fields(self.schema, self.fragments, self.variables, of, nodes)

    # ---- objects of a class

    def of_object(self, types: ClassTypes, nodes: list[FieldNode]) -> ObjectPlan:
        """The plan for the objects of a class that these fields hold."""
        plan = ObjectPlan(types, Writer(types.name, self.output))
        for key, found in self.fields(types.object, nodes).items():
            plan.writer.members.append(self._member(plan, key, found))
        return plan

    def _member(self, plan: ObjectPlan, key: str, nodes: list[FieldNode]) -> Member:
        name = nodes[0].name.value
        types = plan.types
        if name == "__typename":
            return Member(key, name, projection.constant(types.name), nodes, required=False)
        if name == "id":
            class_name = types.class_name
            return Member(key, name, lambda row: to_global_id(class_name, row["objectId"]), nodes, required=True)
        of = types.object.fields[name].type
        required = isinstance(of, GraphQLNonNull)
        if name == "authDataResponse":
            return Member(key, name, projection.plain(name), nodes, required=False)
        if name in ("objectId", "createdAt", "updatedAt"):
            plan.keys.add(name)
            return Member(key, name, projection.plain(name), nodes, required)
        read, nested = self._reader(plan, key, name, types.fields[name], nodes)
        return Member(key, name, read, nodes, required, nested)

    def _reader(self, plan: ObjectPlan, key: str, name: str, column: Field, nodes: list[FieldNode]) -> tuple[Reader, bool]:
        match column.type:
            case FieldType.POINTER if column.target_class in self.classes:
                return self._pointer(plan, name, column, nodes), True
            case FieldType.RELATION if column.target_class in self.classes:
                return self._relation(plan, name, column, nodes), True
        plan.keys.add(name)
        match column.type:
            case FieldType.DATE:
                return projection.iso_of(name), False
            case FieldType.BYTES:
                return projection.key_of(name, "base64"), False
            case FieldType.ARRAY:
                return self._array(plan, name, nodes), True
            case FieldType.FILE | FieldType.GEO_POINT | FieldType.POLYGON | FieldType.ACL:
                return self._compound(plan, name, column.type, nodes), True
        return projection.plain(name), False

    def _pointer(self, plan: ObjectPlan, name: str, column: Field, nodes: list[FieldNode]) -> Reader:
        below = self.of_object(self.classes[str(column.target_class)], nodes)
        write, required = below.writer.write, column.required
        if all(member.name in _IDS for member in below.writer.members):
            plan.keys.add(name)

            def read_ids(row: Row) -> Any:
                value = row.get(name)
                return write(value) if value else None

            return read_ids
        plan.add_below(name, below)
        plan.within.append((name, below))

        def read(row: Row) -> Any:
            value = row.get(name)
            if not value or (value["__type"] == "Pointer" and not required):
                return None  # what is gone, or may not be read, is not there; a field that must not be null keeps its ids
            return write(value)

        return read

    def _relation(self, plan: ObjectPlan, name: str, column: Field, nodes: list[FieldNode]) -> Reader:
        field_def = plan.types.object.fields[name]
        arguments = get_argument_values(field_def, nodes[0], self.variables)
        relation = RelationPlan(plan.types, name, self.of_connection(self.classes[str(column.target_class)], nodes, arguments))
        plan.keys.add("objectId")
        plan.relations.append(relation)
        write = relation.connection.writer.write
        return lambda row: write(_paged(relation.pages.get(row["objectId"], Page([], count=0))))

    def _array(self, plan: ObjectPlan, name: str, nodes: list[FieldNode]) -> Reader:
        """The items of an array: objects of classes, each by its own plan, and the rest as elements."""
        plan.include.add(name)
        statics = plan.types.statics
        element = self._writer(statics.element, nodes, lambda item, _: item["value"])
        items = Items(self, nodes)
        plan.within.append((name, items))
        for types in self._named(nodes):
            plan.include |= {f"{name}.{path}" for path in items.plan(types).include}
        output = self.output

        def write(item: Any) -> Any:
            if item is None:
                return None
            below = items.of(item)
            return element.write({"value": item}) if below is None else below.writer.write(item)

        def read(row: Row) -> Any:
            found = row.get(name)
            return projection.write_list(found, write, output) if isinstance(found, list) else None

        return read

    def _named(self, nodes: list[FieldNode]) -> list[ClassTypes]:
        """The classes that fragments in these selections name."""
        names: set[str] = set()
        waiting = [node.selection_set for node in nodes]
        while waiting:
            for each in selections.selections if (selections := waiting.pop()) else ():
                fragment = self.fragments.get(each.name.value) if isinstance(each, FragmentSpreadNode) else each
                if isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode):
                    waiting.append(fragment.selection_set)
                    if (condition := fragment.type_condition) is not None:
                        names.add(condition.name.value)
        return [types for types in self.classes.values() if types.name in names]

    # ---- compound values

    def _compound(self, plan: ObjectPlan, name: str, kind: FieldType, nodes: list[FieldNode]) -> Reader:
        statics, output = plan.types.statics, self.output
        if kind is FieldType.ACL:
            whole = self._writer(statics.acl, nodes)
            return lambda row: whole.write(projection.acl(row.get("ACL") or _PUBLIC))
        if kind is FieldType.POLYGON:
            corner = self._writer(statics.geo_point, nodes)

            def read_polygon(row: Row) -> Any:
                value = row.get(name)
                corners = (
                    [{"latitude": latitude, "longitude": longitude} for latitude, longitude in value["coordinates"]]
                    if value
                    else None
                )
                return projection.write_list(corners, corner.write, output, nullable=False) if corners is not None else None

            return read_polygon
        if kind is FieldType.FILE:
            info, address = self._writer(statics.file_info, nodes), self.file_urls
            return lambda row: info.write({"url": address(row[name]["name"]), **row[name]}) if row.get(name) else None
        writer = self._writer(statics.geo_point, nodes)

        def read(row: Row) -> Any:
            value = row.get(name)
            return writer.write(value) if value else None

        return read

    def _writer(
        self, of: GraphQLObjectType, nodes: list[FieldNode], read: Callable[[Row, str], Any] = lambda row, name: row.get(name)
    ) -> Writer:
        """A writer of a type that is the same for every class, and what hangs on it."""
        writer = Writer(of.name, self.output)
        for key, found in self.fields(of, nodes).items():
            name = found[0].name.value
            if name == "__typename":
                writer.members.append(Member(key, name, projection.constant(of.name), found, required=False))
                continue
            shape = of.fields[name].type
            below = self._written(shape, found)
            writer.members.append(
                Member(key, name, _through(name, read, below), found, isinstance(shape, GraphQLNonNull), below is not None)
            )
        return writer

    def _written(self, of: GraphQLOutputType, nodes: list[FieldNode]) -> Callable[[Any], Any] | None:
        """How a value of a type is written; None for a scalar, which is JSON already."""
        if isinstance(of, GraphQLNonNull):
            return self._written(of.of_type, nodes)
        if isinstance(of, GraphQLList):
            each = self._written(of.of_type, nodes)
            if each is None:
                return None
            output, nullable = self.output, not isinstance(of.of_type, GraphQLNonNull)
            return lambda items: projection.write_list(items, each, output, nullable=nullable)
        return self._writer(of, nodes).write if isinstance(of, GraphQLObjectType) else None

    # ---- connections

    def of_connection(self, types: ClassTypes, nodes: list[FieldNode], arguments: dict[str, Any]) -> ConnectionPlan:
        """The plan for a connection that these fields hold."""
        plan = ConnectionPlan(types, Writer(types.connection.name, self.output), arguments)
        for key, found in self.fields(types.connection, nodes).items():
            name = found[0].name.value
            plan.writer.members.append(self._connection_member(plan, key, name, found))
        return plan

    def _connection_member(self, plan: ConnectionPlan, key: str, name: str, nodes: list[FieldNode]) -> Member:
        if name == "__typename":
            return Member(key, name, projection.constant(plan.types.connection.name), nodes, required=False)
        if name == "count":
            plan.wants_count = True
            return Member(key, name, projection.plain(name), nodes, required=True)
        plan.wants_rows = True
        if name == "edges":
            return Member(key, name, self._edges(plan, nodes), nodes, required=False, nested=True)
        info = self._writer(plan.types.statics.page_info, nodes)
        plan.wants_count |= any(member.name in ("hasNextPage", "hasPreviousPage") for member in info.members)
        return Member(key, name, lambda row: info.write(row["pageInfo"]()), nodes, required=True, nested=True)

    def _edges(self, plan: ConnectionPlan, nodes: list[FieldNode]) -> Reader:
        edge = Writer(plan.types.edge.name, self.output)
        for key, found in self.fields(plan.types.edge, nodes).items():
            name = found[0].name.value
            if name == "__typename":
                edge.members.append(Member(key, name, projection.constant(plan.types.edge.name), found, required=False))
            elif name == "cursor":
                edge.members.append(Member(key, name, lambda row: to_cursor(row["place"]), found, required=True))
            else:
                node = self.of_object(plan.types, found)
                plan.nodes.append(node)
                edge.members.append(Member(key, name, _node_reader(node), found, required=False, nested=True))
        output = self.output

        def read(row: Row) -> Any:
            first = row["skip"]
            items = [{"place": first + index, "node": each} for index, each in enumerate(row["rows"])]
            return projection.write_list(items, edge.write, output)

        return read


def written_page(plan: ConnectionPlan, page: Page) -> dict[str, Any]:
    """A page as its selection asks. Raises NullError."""
    return plan.writer.write(_paged(page))


def _paged(page: Page) -> Row:
    """A page as the writer of a connection reads it."""
    skip, found, count = page.skip, len(page.rows), page.count or 0

    def page_info() -> Row:
        return {
            "hasNextPage": count > skip + found,
            "hasPreviousPage": count > 0 and skip > 0,
            "startCursor": to_cursor(skip),
            "endCursor": to_cursor(skip + (found or 1) - 1),
        }

    return {"rows": page.rows, "skip": skip, "count": page.count, "pageInfo": page_info}


def _node_reader(node: ObjectPlan) -> Reader:
    write = node.writer.write
    return lambda row: write(row["node"])


def _through(name: str, read: Callable[[Row, str], Any], below: Callable[[Any], Any] | None) -> Reader:
    if below is None:
        return lambda row: read(row, name)

    def read_below(row: Row) -> Any:
        value = read(row, name)
        return None if value is None else below(value)

    return read_below
