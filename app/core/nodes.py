"""The query AST: what a `where` means, as frozen data that both compilers read.

Owns: the nodes, `Query`, frozen values, and the canonical text that gives equal queries one name. Holds: every node is
immutable and hashable; values are canonical JSON frozen by `freeze`; a node says nothing about columns or closures.
Python's == takes 1 for true, so the identity of a node is `canonical_text`, never ==. Imports wire only.

What every node means, for both compilers (`null` and an absent field are the same thing):
- a value of another type than the field's never equals it and never orders against it;
- a plain value on an Array field means "contains"; `ne` and a negated `In` are the exact complement of `eq` and `In`,
  so they match an absent field; `lt lte gt gte` never do;
- text orders by code point, dates by milliseconds, numbers as doubles.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.core.wire import Json, encode, identity

Path: TypeAlias = tuple[str, ...]
"""A key split at its dots: the field first, then the way into its JSON."""


@dataclass(frozen=True, slots=True)
class FrozenObject:
    """A JSON object as hashable data: its items sorted by key."""

    items: tuple[tuple[str, "Frozen"], ...]

    def get(self, key: str) -> "Frozen":
        """The value under `key`, None without one."""
        return next((value for name, value in self.items if name == key), None)


Frozen: TypeAlias = bool | int | float | str | tuple["Frozen", ...] | FrozenObject | None


def freeze(value: Json) -> Frozen:
    """Canonical JSON as hashable data."""
    if isinstance(value, list):
        return tuple(freeze(item) for item in value)
    if isinstance(value, dict):
        return FrozenObject(tuple(sorted(((key, freeze(item)) for key, item in value.items()), key=lambda item: item[0])))
    return value


def thaw(value: Frozen) -> Json:
    """The JSON that was frozen, with the keys of objects in sorted order."""
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    if isinstance(value, FrozenObject):
        return {key: thaw(item) for key, item in value.items}
    return value


def frozen_pointer(class_name: str, object_id: str) -> FrozenObject:
    """A Pointer as a frozen value."""
    return FrozenObject((("__type", "Pointer"), ("className", class_name), ("objectId", object_id)))


Operator: TypeAlias = Literal["eq", "ne", "lt", "lte", "gt", "gte"]


@dataclass(frozen=True, slots=True)
class Everything:
    """Matches every object."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Matches no object."""


@dataclass(frozen=True, slots=True)
class And:
    """All children match; without children everything does."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one child matches; without children nothing does."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Nor:
    """No child matches."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """One field against one value; `eq None` is "absent", `ne None` is "present"."""

    path: Path
    op: Operator
    value: Frozen


@dataclass(frozen=True, slots=True)
class In:
    """`eq` to one of the values; negated: to none of them."""

    path: Path
    values: tuple[Frozen, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """The array contains every value; never true of no values."""

    path: Path
    values: tuple[Frozen, ...]


@dataclass(frozen=True, slots=True)
class AllStartWith:
    """For every prefix the array has a string that starts with it; never true of no prefixes."""

    path: Path
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainedBy:
    """Every element of the array equals one of the values; true of an empty array, not of an absent one."""

    path: Path
    values: tuple[Frozen, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is present (`expected`) or absent."""

    path: Path
    expected: bool


@dataclass(frozen=True, slots=True)
class Regex:
    """The text matches somewhere; pattern and options as `core/regex.py` reads them."""

    path: Path
    pattern: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """Within `max_radians` on the sphere (None: anywhere, but present); `sorted`: results come nearest first."""

    path: Path
    longitude: float
    latitude: float
    max_radians: float | None = None
    sorted: bool = True


@dataclass(frozen=True, slots=True)
class WithinBox:
    """Inside the flat box, edges included, in degrees."""

    path: Path
    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class WithinPolygon:
    """Inside the flat polygon, edges included; vertices are (longitude, latitude) in degrees."""

    path: Path
    vertices: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class WithinSphere:
    """Within `radians` of the centre along the sphere."""

    path: Path
    longitude: float
    latitude: float
    radians: float


@dataclass(frozen=True, slots=True)
class Intersects:
    """The field's Polygon holds the point (longitude, latitude), edges included."""

    path: Path
    point: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Text:
    """Full text search with Postgres' dictionaries; the database alone can answer it."""

    path: Path
    term: str
    language: str = "english"
    case_sensitive: bool = False
    diacritic_sensitive: bool = True


@dataclass(frozen=True, slots=True)
class InQuery:
    """The pointer (or one in the array, or the relation) leads to an object that `query` finds."""

    path: Path
    query: "Query"
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """The field equals the value under `key` of an object that `query` finds."""

    path: Path
    query: "Query"
    key: Path
    negated: bool = False


@dataclass(frozen=True, slots=True)
class RelatedTo:
    """The object is in relation `key` of the object `class_name`/`object_id`."""

    class_name: str
    object_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The object's ACL grants one of the principals the right; no ACL grants it to everybody."""

    principals: tuple[str, ...]
    permission: Literal["read", "write"] = "read"


Node: TypeAlias = (
    Everything | Nothing | And | Or | Nor | Compare | In | All | AllStartWith | ContainedBy | Exists | Regex | Near
    | WithinBox | WithinPolygon | WithinSphere | Intersects | Text | InQuery | Select | RelatedTo | Allowed
)  # fmt: skip
Branch: TypeAlias = And | Or | Nor
Leaf: TypeAlias = (
    Compare | In | All | AllStartWith | ContainedBy | Exists | Regex | Near | WithinBox | WithinPolygon | WithinSphere
    | Intersects | Text | InQuery | Select
)  # fmt: skip
"""The nodes about one field: those with a `path`."""


@dataclass(frozen=True, slots=True)
class Query:
    """A whole question: which objects of a class, in which order and cut, and what to show of them.

    `limit` None is no limit (sub-queries that name none); `keys` None shows every field; `order` is (path, descending).
    """

    class_name: str
    where: Node = Everything()
    order: tuple[tuple[Path, bool], ...] = ()
    limit: int | None = 100
    skip: int = 0
    keys: frozenset[str] | None = None
    exclude_keys: frozenset[str] = frozenset()
    include: tuple[Path, ...] = ()
    include_all: bool = False
    with_count: bool = False


def both(*nodes: Node) -> Node:
    """The nodes And-ed, flattened, without needless Everything; Nothing wins."""
    parts: list[Node] = []
    for node in nodes:
        parts.extend(node.children if isinstance(node, And) else (node,))
    if any(isinstance(part, Nothing) for part in parts):
        return Nothing()
    kept = tuple(part for part in parts if not isinstance(part, Everything))
    if not kept:
        return Everything()
    return kept[0] if len(kept) == 1 else And(kept)


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes below it, not those of sub-queries."""
    yield node
    if isinstance(node, And | Or | Nor):
        for child in node.children:
            yield from walk(child)


def field_names(node: Node) -> frozenset[str]:
    """The fields of its own class that a node asks about: what protected fields are held against."""
    return frozenset(leaf.path[0] for leaf in walk(node) if not isinstance(leaf, Unfielded))


Unfielded = (Everything, Nothing, And, Or, Nor, RelatedTo, Allowed)
"""The nodes without a `path`."""


def questions(query: Query) -> Iterator[tuple[str, frozenset[str]]]:
    """(class, fields asked about or ordered by) of the query and of every sub-query in it, outermost first.

    Access to each must be checked: an answer tells about the fields it was chosen by.
    """
    yield query.class_name, field_names(query.where) | {path[0] for path, _ in query.order}
    for node in walk(query.where):
        if isinstance(node, InQuery | Select):
            yield from questions(node.query)
        if isinstance(node, Select):
            yield node.query.class_name, frozenset({node.key[0]})
        if isinstance(node, RelatedTo):
            yield node.class_name, frozenset({node.key})


# ---- canonical text


def canonical_text(node: Node) -> str:
    """One text per meaning-by-form: children of And, Or, Nor and values of sets in sorted order, 1 and 1.0 alike."""
    return encode(_form(node)).decode()


def query_text(query: Query) -> str:
    """`canonical_text` of everything in a query that chooses its objects: class, where, order, limit, skip."""
    return encode(_query_form(query)).decode()


def _query_form(query: Query) -> Json:
    order: list[Json] = [[*path, descending] for path, descending in query.order]
    return [query.class_name, _form(query.where), order, query.limit, query.skip]


def _form(node: Node) -> Json:
    """The node as JSON: its name, then its fields, sets sorted."""
    kind = type(node).__name__
    if isinstance(node, And | Or | Nor):
        return [kind, *_sorted_unique(_form(child) for child in node.children)]
    if isinstance(node, In | All | ContainedBy):
        negated = node.negated if isinstance(node, In) else False
        return [kind, list(node.path), _sorted_unique(thaw(value) for value in node.values), negated]
    if isinstance(node, Compare):
        return [kind, list(node.path), node.op, thaw(node.value)]
    if isinstance(node, InQuery | Select):
        key: list[Json] = [*node.key] if isinstance(node, Select) else []
        return [kind, list(node.path), _query_form(node.query), key, node.negated]
    if isinstance(node, Allowed):
        return [kind, _sorted_unique(node.principals), node.permission]
    return [kind, *(_plain(getattr(node, name)) for name in node.__slots__)]


def _plain(value: object) -> Json:
    """The attributes of the remaining nodes as JSON: texts, numbers and tuples of them."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    assert value is None or isinstance(value, str | int | float)
    return value


def _sorted_unique(values: Iterable[Json]) -> list[Json]:
    unique = {identity(value): value for value in values}
    return [unique[key] for key in sorted(unique)]


def rewritten(node: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with `change` applied to every node, children first."""
    if isinstance(node, And | Or | Nor):
        node = type(node)(tuple(rewritten(child, change) for child in node.children))
    return change(node)
