"""The query AST as a predicate on one object in memory.

Owns: the compiler from nodes to closures, for live queries. Holds: a predicate is total: it never raises, never mutates
and takes time linear in the object, whatever the object holds; it decides as core/sql does (tests/oracle judge), and
what memory cannot decide is refused with 102 when it is compiled. All choices are made at compile time. Imports core only.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeAlias

from app.core.cells import ATOMIC, ORDERED, Atom, Cell, Kind, atom_for, cell_at, point_of, point_of_wire, ring_of, ring_of_wire
from app.core.contents import compile_contains_any, compile_same_as_any, element_tests
from app.core.geo import bounds, contains, haversine, haversine_limit
from app.core.nodes import (
    All,
    Allowed,
    AllStartWith,
    And,
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
    Regex,
    RelatedTo,
    Select,
    WithinBox,
    WithinPolygon,
    WithinSphere,
)
from app.core.regex import parse_regex
from app.core.schema import ClassSchema
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError

Predicate: TypeAlias = Callable[[Object], bool]
Reader: TypeAlias = Callable[[Object], Json]
Test: TypeAlias = Callable[[Json], bool]


Related: TypeAlias = Callable[[InQuery | Select | RelatedTo], Container[object]]
"""For a sub-query the atoms it finds at present: ids, or the values under its key. Whoever gives it keeps it right."""


def compile_match(schema: ClassSchema, node: Node, related: Related | None = None) -> Predicate:
    """A predicate for wire objects of the class. 102 for what only the database can answer.

    It knows the fields that the schema has now: compile again when the class changes. `related` answers sub-queries;
    without it they are refused.
    """
    if isinstance(node, Everything | Nothing):
        verdict = isinstance(node, Everything)
        return lambda _: verdict
    if isinstance(node, And | Or | Nor):
        return _branch(node, [compile_match(schema, child, related) for child in node.children])
    if isinstance(node, Allowed):
        return _allowed(node)
    if isinstance(node, RelatedTo):
        if related is None:
            raise _database_only("$relatedTo")
        ids = related(node)
        return lambda obj: obj["objectId"] in ids
    cell = cell_at(schema, node.path)
    if related is not None and isinstance(node, InQuery | Select):
        return _related(node, cell, related)
    compile_leaf: Callable[[Any, Cell], Predicate] | None = _LEAVES.get(type(node))
    if compile_leaf is None or (cell.kind is Kind.RELATION and not isinstance(node, Exists)):
        raise _database_only(type(node).__name__ if compile_leaf is None else f"a constraint on relation {node.path[0]}")
    return compile_leaf(node, cell)


def _related(node: InQuery | Select, cell: Cell, related: Related) -> Predicate:
    """The atom here is one of those that the sub-query finds; absence never is."""
    if isinstance(node, InQuery):
        if cell.kind in (Kind.ARRAY, Kind.JSON):
            found = _leads(node, reader_at(cell.path), related(node), or_itself=cell.kind is Kind.JSON)
            return _not(found) if node.negated else found
        if cell.kind is not Kind.ABSENT and cell.kind is not Kind.POINTER:
            raise _database_only(f"a sub-query on {'.'.join(node.path)}, which is no pointer,")
        leads = cell.kind is Kind.POINTER and cell.target_class == node.query.class_name
    else:
        if cell.kind is not Kind.ABSENT and cell.kind not in ATOMIC:
            raise _database_only(f"$select on {'.'.join(node.path)}, which is no plain value,")
        leads = cell.kind is not Kind.ABSENT
    atoms = related(node)
    read = atom_reader_at(cell)
    found = (lambda obj: (atom := read(obj)) is not None and atom in atoms) if leads else _never
    return _not(found) if node.negated else found


def _leads(node: InQuery, read: Reader, ids: Container[object], *, or_itself: bool) -> Predicate:
    """One of the pointers in an array (or what stands there itself) leads to one of the objects."""
    class_name = node.query.class_name

    def leads(obj: Object) -> bool:
        value = read(obj)
        items = value if isinstance(value, list) else [value] if or_itself else []
        return any(
            isinstance(item, dict)
            and item.get("__type") == "Pointer"
            and item.get("className") == class_name
            and item.get("objectId") in ids
            for item in items
        )

    return leads


def _database_only(what: str) -> ParseError:
    words = f"{what} can't be followed live, as it asks about other objects; subscribe without it"
    return ParseError(ErrorCode.INVALID_QUERY, words)


def _never(_: Object) -> bool:
    return False


def _branch(node: And | Or | Nor, parts: list[Predicate]) -> Predicate:
    if isinstance(node, And):
        return _every(parts)
    some = _some(parts)
    return some if isinstance(node, Or) else _not(some)


def _every(parts: list[Predicate]) -> Predicate:
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda obj: first(obj) and second(obj)

    def every(obj: Object) -> bool:
        for part in parts:  # noqa: SIM110 - all() with a generator takes twice the time
            if not part(obj):
                return False
        return True

    return every


def _some(parts: list[Predicate]) -> Predicate:
    if len(parts) == 1:
        return parts[0]

    def some(obj: Object) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(obj):
                return True
        return False

    return some


def _not(predicate: Predicate) -> Predicate:
    return lambda obj: not predicate(obj)


def _allowed(node: Allowed) -> Predicate:
    permission, principals = node.permission, node.principals

    def allowed(obj: Object) -> bool:
        acl = obj.get("ACL")
        if acl is None:
            return True
        if not isinstance(acl, dict):
            return False
        for principal in principals:
            entry = acl.get(principal)
            if isinstance(entry, dict) and entry.get(permission) is True:
                return True
        return False

    return allowed


# ---- reading


def reader_at(path: Path) -> Reader:
    """The JSON at a path; None where there is none. A step into an array is a place in it."""
    name = path[0]
    if len(path) == 1:
        return lambda obj: obj.get(name)
    steps = [(step, int(step) if _is_place(step) else -1) for step in path[1:]]

    def read(obj: Object) -> Json:
        value = obj.get(name)
        for step, place in steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list):
                value = value[place] if 0 <= place < len(value) else None
            else:
                return None
        return value

    return read


def _is_place(step: str) -> bool:
    """Whether a step can be an index; more digits than Postgres reads as a number are none."""
    return step.isascii() and step.isdigit() and len(step) < 10


def atom_reader_at(cell: Cell) -> Reader:
    """What the cell's column is compared by, None when absent."""
    name = cell.path[0]
    key = _ATOM_KEYS.get(cell.kind)
    if key is None or (cell.kind is Kind.DATE and name in ("createdAt", "updatedAt")):
        return lambda obj: obj.get(name)

    def read(obj: Object) -> Json:
        value = obj.get(name)
        return value.get(key) if isinstance(value, dict) else None

    return read


_ATOM_KEYS = {Kind.DATE: "iso", Kind.POINTER: "objectId", Kind.FILE: "name"}


def _on(read: Reader, test: Test) -> Predicate:
    return lambda obj: test(read(obj))


def _absent(cell: Cell) -> Predicate:
    if cell.kind in (Kind.ABSENT, Kind.RELATION):
        verdict = cell.kind is Kind.ABSENT
        return lambda _: verdict
    read = reader_at(cell.path)
    return lambda obj: read(obj) is None


# ---- leaves


def _exists(node: Exists, cell: Cell) -> Predicate:
    absent = _absent(cell)
    return _not(absent) if node.expected else absent


def _compare(node: Compare, cell: Cell) -> Predicate:
    if node.op == "eq":
        return _equals(cell, (node.value,))
    if node.op == "ne":
        return _not(_equals(cell, (node.value,)))
    if cell.kind is Kind.JSON:
        return _json_order(cell, node.op, node.value)
    atom = atom_for(cell, node.value)
    if atom is None or cell.kind not in ORDERED:
        return _never
    return _on(atom_reader_at(cell), _order_test(node.op, atom))


def _in(node: In, cell: Cell) -> Predicate:
    found = _equals(cell, node.values)
    return _not(found) if node.negated else found


def _equals(cell: Cell, values: Sequence[Frozen]) -> Predicate:
    """The cell equals one of the values, null being absence."""
    parts = [_absent(cell)] if None in values else []
    present = [value for value in values if value is not None]
    if present and cell.kind is not Kind.ABSENT:
        parts.append(_equals_present(cell, present))
    return _some(parts) if parts else _never


def _equals_present(cell: Cell, values: Sequence[Frozen]) -> Predicate:
    if cell.kind in ATOMIC:
        atoms = [atom for atom in (atom_for(cell, value) for value in values) if atom is not None]
        return _atom_equals(cell, atoms)
    read = reader_at(cell.path)
    if cell.kind is Kind.POINT:
        points = frozenset(point for point in map(point_of, values) if point is not None)
        return lambda obj: point_of_wire(read(obj)) in points
    if cell.kind is Kind.POLYGON:
        rings = frozenset(ring for ring in map(ring_of, values) if ring is not None)
        return lambda obj: ring_of_wire(read(obj)) in rings
    return _on(read, _content_equals(cell.kind, values))


def _content_equals(kind: Kind, values: Sequence[Frozen]) -> Test:
    """An Array field equals a list as a whole and any other value by containing it; inside JSON both ways serve."""
    others = [value for value in values if not isinstance(value, tuple)]
    whole = [value for value in values if isinstance(value, tuple)] if kind is Kind.ARRAY else values
    if kind is Kind.OBJECT or not others:
        return compile_same_as_any(whole)
    contained = compile_contains_any(others)
    if not whole:
        return contained
    same = compile_same_as_any(whole)
    return lambda value: contained(value) or same(value)


def _atom_equals(cell: Cell, atoms: Sequence[Atom]) -> Predicate:
    if not atoms:
        return _never
    read = atom_reader_at(cell)
    if cell.kind is Kind.NUMBER:
        return _number_equals(read, frozenset(atoms))
    if cell.kind is Kind.BOOLEAN:
        return lambda obj: any(read(obj) is atom for atom in atoms)
    if len(atoms) > 1:
        texts = frozenset(atoms)
        return lambda obj: isinstance(value := read(obj), str) and value in texts
    name, text, key = cell.path[0], atoms[0], _ATOM_KEYS.get(cell.kind)
    if key is None:
        return lambda obj: obj.get(name) == text
    return lambda obj: read(obj) == text


def _number_equals(read: Reader, numbers: frozenset[Atom]) -> Predicate:
    def equals(obj: Object) -> bool:
        value = read(obj)
        return isinstance(value, int | float) and not isinstance(value, bool) and value in numbers

    return equals


def _order_test(op: Operator, atom: Atom) -> Test:
    """An order among values of one type; True and False are no numbers."""
    if isinstance(atom, str):
        return _text_order(op, atom)
    wanted, flags = atom, isinstance(atom, bool)
    compare = _NUMBER_ORDERS[op]
    return lambda value: isinstance(value, int | float) and isinstance(value, bool) is flags and compare(value, wanted)


_NUMBER_ORDERS: Mapping[Operator, Callable[[float, float], bool]] = {
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
}


def _text_order(op: Operator, bound: str) -> Test:
    """Python compares text by code point, as the collation "C" does; canonical ISO texts are in order of time."""
    if op == "lt":
        return lambda value: isinstance(value, str) and value < bound
    if op == "lte":
        return lambda value: isinstance(value, str) and value <= bound
    if op == "gt":
        return lambda value: isinstance(value, str) and value > bound
    return lambda value: isinstance(value, str) and value >= bound


def _json_order(cell: Cell, op: Operator, value: Frozen) -> Predicate:
    read = reader_at(cell.path)
    if isinstance(value, FrozenObject):
        iso = value.get("iso") if value.get("__type") == "Date" else None
        if not isinstance(iso, str):
            return _never
        test = _text_order(op, iso)
        return lambda obj: isinstance(found := read(obj), dict) and found.get("__type") == "Date" and test(found.get("iso"))
    return _on(read, _order_test(op, value)) if isinstance(value, str | int | float) else _never


def _holds_array(cell: Cell) -> bool:
    return cell.kind in (Kind.ARRAY, Kind.JSON)


def _on_array(cell: Cell, test: Callable[[list[Json]], bool]) -> Predicate:
    read = reader_at(cell.path)
    return lambda obj: isinstance(found := read(obj), list) and test(found)


def _all(node: All, cell: Cell) -> Predicate:
    if not node.values:
        return _never
    if not _holds_array(cell):
        return _every([_equals(cell, (value,)) for value in node.values])
    tests = [element_tests(value) for value in node.values]
    return _on_array(cell, lambda found: all(any(map(test, found)) for test in tests))


def _all_start_with(node: AllStartWith, cell: Cell) -> Predicate:
    if not node.prefixes or not _holds_array(cell):
        return _never
    prefixes = node.prefixes

    def starts(found: list[Json]) -> bool:
        texts = [item for item in found if isinstance(item, str)]
        return all(any(text.startswith(prefix) for text in texts) for prefix in prefixes)

    return _on_array(cell, starts)


def _contained_by(node: ContainedBy, cell: Cell) -> Predicate:
    if not _holds_array(cell):
        return _never
    same = compile_same_as_any(node.values)
    return _on_array(cell, lambda found: all(map(same, found)))


def _regex(node: Regex, cell: Cell) -> Predicate:
    matcher = parse_regex(node.pattern, node.options).matcher
    if cell.kind is Kind.TEXT:
        return _on(reader_at(cell.path), lambda value: isinstance(value, str) and matcher(value))
    if not _holds_array(cell):
        return _never

    def matches(value: Json) -> bool:
        items = value if isinstance(value, list) else [value]
        return any(isinstance(item, str) and matcher(item) for item in items)

    return _on(reader_at(cell.path), matches)


# ---- places


def _on_point(cell: Cell, test: Callable[[float, float], bool]) -> Predicate:
    if cell.kind is not Kind.POINT:
        return _never
    read = reader_at(cell.path)
    return lambda obj: (point := point_of_wire(read(obj))) is not None and test(*point)


def _within_angle(cell: Cell, longitude: float, latitude: float, max_radians: float | None) -> Predicate:
    limit = None if max_radians is None else haversine_limit(max_radians)
    if limit is None:
        return _on_point(cell, lambda x, y: True)
    nearest = limit
    return _on_point(cell, lambda x, y: haversine(x, y, longitude, latitude) <= nearest)


def _near(node: Near, cell: Cell) -> Predicate:
    return _within_angle(cell, node.longitude, node.latitude, node.max_radians)


def _within_sphere(node: WithinSphere, cell: Cell) -> Predicate:
    return _within_angle(cell, node.longitude, node.latitude, node.radians)


def _within_box(node: WithinBox, cell: Cell) -> Predicate:
    west, south, east, north = node.west, node.south, node.east, node.north
    return _on_point(cell, lambda x, y: west <= x <= east and south <= y <= north)


def _within_polygon(node: WithinPolygon, cell: Cell) -> Predicate:
    ring = node.vertices
    if not ring:
        return _never
    west, south, east, north = bounds(ring)
    return _on_point(cell, lambda x, y: west <= x <= east and south <= y <= north and contains(ring, x, y))


def _intersects(node: Intersects, cell: Cell) -> Predicate:
    if cell.kind is not Kind.POLYGON:
        return _never
    read, (x, y) = reader_at(cell.path), node.point
    return lambda obj: (ring := ring_of_wire(read(obj))) is not None and contains(ring, x, y)


_LEAVES: Mapping[type[Leaf], Callable[..., Predicate]] = {
    Compare: _compare,
    In: _in,
    All: _all,
    AllStartWith: _all_start_with,
    ContainedBy: _contained_by,
    Exists: _exists,
    Regex: _regex,
    Near: _near,
    WithinBox: _within_box,
    WithinPolygon: _within_polygon,
    WithinSphere: _within_sphere,
    Intersects: _intersects,
}
"""Text, InQuery and Select are not here: they need Postgres' dictionaries or other objects."""
