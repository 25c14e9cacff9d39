"""From what an SDK sends to the query AST.

Owns: the parser of `where` and of the parameters of a find; it also hands on the AST of core/nodes, so that readers
import one module. Holds: a node that left the parser means something; what is unknown, malformed, too deep or too big
is refused with Parse's code and words, never silently true or false. Nothing is looked up: a sub-query's class is
typed when it is compiled (`typed`). Imports nodes, regex, geo, schema and wire.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from app.core.nodes import (
    All,
    Allowed,
    AllStartWith,
    And,
    Branch,
    Compare,
    ContainedBy,
    Everything,
    Exists,
    Frozen,
    FrozenObject,
    In,
    InQuery,
    Intersects,
    Leaf,
    Near,
    Node,
    Nor,
    Nothing,
    Operator,
    Or,
    Path,
    Query,
    Regex,
    RelatedTo,
    Select,
    Text,
    Unfielded,
    WithinBox,
    WithinPolygon,
    WithinSphere,
    both,
    canonical_text,
    field_names,
    freeze,
    frozen_pointer,
    query_text,
    questions,
    rewritten,
    thaw,
    walk,
)
from app.core.operands import COMPANIONS, KEY, OPERATORS, malformed, parse_operand, parse_path, parse_related_to, refused
from app.core.schema import ClassSchema, Field, FieldType
from app.core.wire import Json, Object, date_to_wire, decode, parse_iso
from app.errors import ErrorCode, ParseError

__all__ = [
    "All",
    "AllStartWith",
    "Allowed",
    "And",
    "Branch",
    "Compare",
    "ContainedBy",
    "Everything",
    "Exists",
    "Frozen",
    "FrozenObject",
    "In",
    "InQuery",
    "Intersects",
    "Leaf",
    "Near",
    "Node",
    "Nor",
    "Nothing",
    "Operator",
    "Or",
    "Path",
    "Query",
    "Regex",
    "RelatedTo",
    "Select",
    "Text",
    "Unfielded",
    "WithinBox",
    "WithinPolygon",
    "WithinSphere",
    "both",
    "canonical_text",
    "field_names",
    "freeze",
    "frozen_pointer",
    "parse_query",
    "parse_where",
    "query_text",
    "questions",
    "rewritten",
    "thaw",
    "typed",
    "walk",
    "with_classes",
]

MAX_DEPTH = 16
"""Levels of $and, $or, $nor and sub-queries within each other."""

MAX_NODES = 1_000
"""Constraints in one where, those of sub-queries included, the values of $all and the corners of polygons too: each costs
every object a look. The values of an $in are not counted."""

MAX_VALUES = 50_000
"""Values of $in, $nin and $containedBy in one where: an object is looked up among them, but each must be read first."""

MAX_SORT_KEYS = 100
MAX_INCLUDES = 100


def parse_where(schema: ClassSchema | None, raw: Json) -> Node:
    """A `where` as the SDKs send it. With a schema the values take the types of its fields (`typed`).

    102 for unknown operators, misuse and excess; 105 for bad keys; 107 and 111 for malformed operands.
    """
    node = _Parser().where(raw, 0)
    return node if schema is None else typed(schema, node)


class _Parser:
    """One where, with its budget of nodes."""

    def __init__(self) -> None:
        self._nodes = self._values = 0

    def where(self, raw: Json, depth: int) -> Node:
        """An object of constraints, all of which must hold."""
        if raw is None:
            return Everything()
        if not isinstance(raw, dict):
            raise malformed("where must be an object of constraints.")
        if depth > MAX_DEPTH:
            raise refused(f"Query condition nesting depth exceeds maximum allowed depth of {MAX_DEPTH}")
        return both(*(self._entry(key, value, depth) for key, value in raw.items()))

    def _entry(self, key: str, value: Json, depth: int) -> Node:
        self._count()
        if key in _BRANCHES:
            return self._branch(key, value, depth)
        if key == "$relatedTo":
            return parse_related_to(value)
        if key == "ACL":
            raise refused("Cannot query on ACL.")
        return self._field(parse_path(key), value, depth)

    def _count(self, number: int = 1) -> None:
        self._nodes += number
        if self._nodes > MAX_NODES:
            raise refused(f"Query has more than {MAX_NODES} constraints; ask with $in or in several queries.")

    def _count_values(self, number: int) -> None:
        self._values += number
        if self._values > MAX_VALUES:
            raise refused(f"Query lists more than {MAX_VALUES} values; ask in several queries, or with $inQuery.")

    def _branch(self, key: str, value: Json, depth: int) -> Node:
        if not isinstance(value, list):
            raise refused(f"Bad {key} format - use an array value.")
        if not value:
            raise refused(f"Bad {key} format - use an array of at least 1 value.")
        return _BRANCHES[key](tuple(self.where(child, depth + 1) for child in value))

    def _field(self, path: Path, value: Json, depth: int) -> Node:
        """A plain value, or an object of operators, or (as Parse allows) both in one object."""
        if not isinstance(value, dict) or not any(key.startswith("$") for key in value):
            return Compare(path, "eq", parse_operand(value))
        plain: Object = {key: item for key, item in value.items() if not key.startswith("$")}
        nodes: list[Node] = [Compare(path, "eq", parse_operand(plain))] if plain else []
        for key, operand in value.items():
            if key.startswith("$"):
                self._count(1 + _extent(operand) if key in ("$all", "$geoWithin") else 1)
                if key in ("$in", "$nin", "$containedBy"):
                    self._count_values(_extent(operand))
                nodes.append(self._operator(path, key, operand, value, depth))
        return both(*nodes)

    def _operator(self, path: Path, key: str, operand: Json, constraint: Object, depth: int) -> Node:
        if key in _COMPARISONS:
            return Compare(path, _COMPARISONS[key], parse_operand(operand))
        if key in OPERATORS:
            return OPERATORS[key](path, operand, constraint)
        if key in ("$inQuery", "$notInQuery"):
            return InQuery(path, self._subquery(key, operand, depth), key == "$notInQuery")
        if key in ("$select", "$dontSelect"):
            return self._select(path, key, operand, depth)
        if key in COMPANIONS:
            if COMPANIONS[key] not in constraint:
                raise refused(f"{key} only goes with {COMPANIONS[key]}.")
            return Everything()
        raise refused(f"bad constraint: {key}")

    def _subquery(self, key: str, raw: Json, depth: int) -> Query:
        """`{"className", "where"}`, and the cut, if one is asked for, of the query that an SDK put inside."""
        where_needed = key in ("$inQuery", "$notInQuery")
        if not isinstance(raw, dict) or (where_needed and not isinstance(raw.get("where"), dict)):
            raise refused(f"improper usage of {key}")
        class_name = raw.get("className")
        if not isinstance(class_name, str) or not class_name:
            raise refused(f"improper usage of {key}")
        if "redirectClassNameForKey" in raw:
            raise refused(f"redirectClassNameForKey can't be followed inside {key} here; name the class that it leads to.")
        where = self.where(raw.get("where"), depth + 1)
        rest = {name: value for name, value in raw.items() if name not in ("className", "where")}
        query = parse_query(class_name, None, rest)
        return replace(query, where=where, limit=query.limit if "limit" in rest else None)

    def _select(self, path: Path, key: str, operand: Json, depth: int) -> Node:
        if not isinstance(operand, dict) or operand.keys() != {"query", "key"}:
            raise refused(f"improper usage of {key}")
        inner_key = operand["key"]
        if not isinstance(inner_key, str) or not inner_key:
            raise refused(f"improper usage of {key}")
        query = self._subquery(key, operand["query"], depth)
        return Select(path, query, parse_path(inner_key), key == "$dontSelect")


def _extent(operand: Json) -> int:
    """How many values or corners an operand lists."""
    if isinstance(operand, dict):
        polygon = operand.get("$polygon")
        operand = polygon.get("coordinates") if isinstance(polygon, dict) else polygon
    return len(operand) if isinstance(operand, list) else 0


_BRANCHES: Mapping[str, Callable[[tuple[Node, ...]], Node]] = {"$and": lambda parts: both(*parts), "$or": Or, "$nor": Nor}

_COMPARISONS: Mapping[str, Operator] = {
    "$eq": "eq", "$ne": "ne", "$lt": "lt", "$lte": "lte", "$gt": "gt", "$gte": "gte",
}  # fmt: skip

# ---- types


def typed(schema: ClassSchema, node: Node) -> Node:
    """The node with values in the form its class keeps them: ISO texts for a Date field become Dates, ids Pointers.

    Refuses (102) a dot into a field that has no inside and operators that a Relation does not have, and (119) questions
    about fields that are never told. Values of other wrong types stay: they match nothing.
    """
    return rewritten(node, lambda part: part if isinstance(part, Unfielded) else _typed_leaf(schema, part))


def _typed_leaf(schema: ClassSchema, leaf: Leaf) -> Node:
    name = leaf.path[0]
    field = schema.fields.get(name)
    if name in schema.secrets:
        words = f"This user is not allowed to query {name} on class {schema.class_name}"
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    if field is None:
        return leaf
    if len(leaf.path) > 1:
        if field.type not in (FieldType.OBJECT, FieldType.ARRAY):
            hint = "ask with $inQuery" if field.type is FieldType.POINTER else "ask about the field itself"
            raise refused(f"Cannot query {'.'.join(leaf.path)}: {name} is a {field}; {hint}.")
        return leaf
    if field.type is FieldType.RELATION:
        return _typed_relation(field, leaf)
    if isinstance(leaf, Compare):
        return replace(leaf, value=_typed_value(field, leaf.value))
    if isinstance(leaf, In | All):
        return replace(leaf, values=tuple(_typed_value(field, value) for value in leaf.values))
    return leaf


def _typed_relation(field: Field, leaf: Leaf) -> Node:
    """A Relation answers to equality with pointers and to sub-queries only."""
    if isinstance(leaf, InQuery) or (isinstance(leaf, Compare) and leaf.op in ("eq", "ne")) or isinstance(leaf, In):
        return leaf
    raise refused(f"Cannot query {leaf.path[0]} like this: it is a {field}; ask with a Pointer, $in, $nin or $inQuery.")


def _typed_value(field: Field, value: Frozen) -> Frozen:
    if field.type is FieldType.FILE and isinstance(value, FrozenObject) and value.get("__type") == "File":
        value = value.get("name")
    if not isinstance(value, str):
        return value
    if field.type is FieldType.DATE:
        try:
            return freeze(date_to_wire(parse_iso(value)))
        except ValueError:
            return value
    if field.type is FieldType.POINTER and field.target_class is not None:
        return frozen_pointer(field.target_class, value)
    if field.type is FieldType.FILE:
        return FrozenObject((("__type", "File"), ("name", value)))
    return value


# ---- the parameters of a find


_IGNORED = frozenset(
    ["readPreference", "includeReadPreference", "subqueryReadPreference", "hint", "comment", "redirectClassNameForKey"]
)
"""Accepted and without effect: advice to other databases. `redirectClassNameForKey` is read before the rest."""

_ALWAYS_SHOWN = frozenset({"objectId", "createdAt", "updatedAt", "ACL"})


def parse_query(class_name: str, schema: ClassSchema | None, params: Mapping[str, Json]) -> Query:
    """The parameters of a find, as JSON values or as the strings that a URL carries. 102 for what is unknown.

    With `redirectClassNameForKey` the query is one for the class that this pointer or relation of `schema` leads to.
    """
    redirect = params.get("redirectClassNameForKey")
    if redirect is not None:
        class_name, schema = _redirected(class_name, schema, redirect), None
    for name in params:
        if name not in _IGNORED and name not in _PARAMETERS:
            raise refused(f"Invalid parameter for query: {name}")
    keys, exclude = _names(params.get("keys"), "keys"), _names(params.get("excludeKeys"), "excludeKeys")
    includes = _names(params.get("include"), "include")
    shown = frozenset(key for key in keys if key != "$score")
    return Query(
        class_name,
        where=parse_where(schema, _json(params.get("where"))),
        order=_order(schema, params.get("order")),
        limit=_whole(params.get("limit"), "limit", 100),
        skip=_whole(params.get("skip"), "skip", 0),
        keys=shown | _ALWAYS_SHOWN if params.get("keys") is not None else None,
        exclude_keys=frozenset(exclude) - _ALWAYS_SHOWN,
        include=_include(includes, [*keys, *exclude]),
        include_all="*" in includes or _truth(params.get("includeAll"), "includeAll"),
        with_count=_truth(params.get("count"), "count"),
    )


_PARAMETERS = frozenset(["where", "order", "limit", "skip", "keys", "excludeKeys", "include", "includeAll", "count"])


def with_classes(where: Json, schemas: Callable[[str], ClassSchema | None]) -> Json:
    """The where with the classes of its sub-queries put right that an SDK knows only by the relation that leads to them."""
    if isinstance(where, str) and "redirectClassNameForKey" in where:
        where = decode(where)
    if isinstance(where, list):
        return [with_classes(item, schemas) for item in where]
    if not isinstance(where, dict):
        return where
    found: Object = {name: with_classes(value, schemas) for name, value in where.items()}
    class_name, key = found.get("className"), found.get("redirectClassNameForKey")
    if isinstance(class_name, str) and key is not None and "where" in found:
        del found["redirectClassNameForKey"]
        found["className"] = _redirected(class_name, schemas(class_name), key)
    return found


def _redirected(class_name: str, schema: ClassSchema | None, key: Json) -> str:
    field = schema.fields.get(key) if schema is not None and isinstance(key, str) else None
    if field is None and isinstance(key, str):
        return class_name  # an SDK asks for a relation that nothing was ever put into
    if field is None or field.target_class is None:
        raise refused(f"redirectClassNameForKey must name a pointer or relation of {class_name}.")
    return field.target_class


def _json(value: Json) -> Json:
    return decode(value) if isinstance(value, str) and value else value or None


def _names(value: Json, name: str) -> list[str]:
    """A comma separated text, or an array of names."""
    if value is None:
        return []
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise refused(f"{name} must be names separated by commas.")
    names = [part.strip() for part in parts if isinstance(part, str)]
    if len(names) != len(parts):
        raise refused(f"{name} must be names separated by commas.")
    return [part for part in names if part]


def _order(schema: ClassSchema | None, value: Json) -> tuple[tuple[Path, bool], ...]:
    names = _names(value, "order")
    if len(names) > MAX_SORT_KEYS:
        raise refused(f"A query sorts by at most {MAX_SORT_KEYS} keys.")
    return tuple(_order_key(schema, name) for name in names)


_ALIASES = {"_created_at": "createdAt", "_updated_at": "updatedAt"}


def _order_key(schema: ClassSchema | None, name: str) -> tuple[Path, bool]:
    key = name.removeprefix("-")
    key = _ALIASES.get(key, key)
    if key == "$score":
        return ("$score",), name.startswith("-")
    if not KEY.fullmatch(key):
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid field name: {key}.")
    path = parse_path(key)
    if schema is not None and path[0] in schema.secrets:
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Cannot sort by {key}")
    return path, name.startswith("-")


def _whole(value: Json, name: str, default: int) -> int:
    if value is None or value == "":
        return default
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else -1
    except ValueError:
        number = -1
    if not 0 <= number < 2**63:
        raise refused(f"{name} must be a whole number from 0 on.")
    return number


def _truth(value: Json, name: str) -> bool:
    if value is None or value in (False, 0, "", "0", "false"):
        return False
    if value in (True, "1", "true"):
        return True
    raise refused(f"{name} must be true or false.")


def _include(names: Iterable[str], keys: Iterable[str]) -> tuple[Path, ...]:
    """Every path to include, parents before children; a dotted key includes what it looks into, as in Parse."""
    wanted = {parse_path(name) for name in names if name != "*"}
    wanted |= {parse_path(key)[:-1] for key in keys if "." in key}
    if len(wanted) > MAX_INCLUDES:
        raise refused(f"Too many includes: at most {MAX_INCLUDES} may be asked for.")
    paths = {path[:size] for path in wanted for size in range(1, len(path) + 1)}
    return tuple(sorted(paths, key=lambda path: (len(path), path)))
