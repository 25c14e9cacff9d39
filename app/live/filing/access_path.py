"""Which predicate of a query a live query is filed under.

Owns: splitting a `where` into conjunctions, and choosing for each the most selective predicate an index can hold (after
Fabret et al., SIGMOD 2001): objectId, then equality with a pointer or a value, a place no larger than a town, a closed
interval, a larger place, a half-open interval, a literal prefix; what has none of them is on the scan list. Always holds: an
object that satisfies the conjunction satisfies its access path. May import core, live.filing.index and live.filing.grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from app.core import nodes as ast
from app.core.regex import parse_regex
from app.core.wire import Json
from app.live.filing.grid import Cell, area_of, cells_of_place, cover
from app.live.filing.index import Key, Path, key_of, number_of

TOWN = 8
"""From this level of the grid on, where cells are 20 km high, a place is taken to be rarer than an interval."""

MOST_CONJUNCTIONS = 64
"""An `$or` that would split into more is kept whole and scanned."""


@dataclass(frozen=True, slots=True)
class EqualTo:
    """The value at `path` is, or contains, one of `keys`."""

    path: Path
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class BothEqualTo:
    """The values at two paths are, or contain, one of these pairs."""

    first: Path
    second: Path
    keys: tuple[tuple[Key, Key], ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The number or date at `path` lies from `low` to `high`; None is open."""

    path: Path
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class BeginsWith:
    """The text at `path` begins with `prefix`."""

    path: Path
    prefix: str


@dataclass(frozen=True, slots=True)
class LiesIn:
    """The point at `path` lies in one of these cells."""

    path: Path
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Holds:
    """The polygon at `path` holds a point, which lies in each of these cells."""

    path: Path
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """No predicate can be indexed: every change of the class asks this one."""


AccessPath = EqualTo | BothEqualTo | Within | LiesIn | Holds | BeginsWith | Scan


def conjunctions(where: ast.Node) -> list[tuple[ast.Node, ...]]:
    """The alternatives of a where, each a tuple of predicates that all hold; [] when nothing can match."""
    if isinstance(where, ast.Nothing):
        return []
    if isinstance(where, ast.Everything):
        return [()]
    if isinstance(where, ast.Or):
        split = [alternative for child in where.children for alternative in conjunctions(child)]
        return split if len(split) <= MOST_CONJUNCTIONS else [(where,)]
    if isinstance(where, ast.And):
        parts = [conjunctions(child) for child in where.children]
        if _size(parts) > MOST_CONJUNCTIONS:
            parts = [part if len(part) == 1 else [(child,)] for part, child in zip(parts, where.children, strict=True)]
        return [tuple(node for part in chosen for node in part) for chosen in product(*parts)]
    return [(where,)]


def _size(parts: list[list[tuple[ast.Node, ...]]]) -> int:
    size = 1
    for part in parts:
        size *= len(part)
    return size


def access_paths(conjunction: tuple[ast.Node, ...]) -> list[tuple[int, AccessPath]]:
    """Every way to file a conjunction, with its rank: the lower, the more selective; the last one always is the scan list."""
    found = [ranked for node in conjunction for ranked in _equalities(node)]
    found += _intervals(conjunction)
    found += [ranked for node in conjunction for ranked in _places(node)]
    found += [ranked for node in conjunction for ranked in _prefixes(node)]
    return [*sorted(found, key=lambda ranked: ranked[0]), (8, Scan())]


def _equalities(node: ast.Node) -> Iterator[tuple[int, AccessPath]]:
    if isinstance(node, ast.Compare) and node.op == "eq":
        yield from _equal(node.path, [ast.thaw(node.value)])
    elif isinstance(node, ast.In) and not node.negated:
        yield from _equal(node.path, [ast.thaw(value) for value in node.values])
    elif isinstance(node, ast.All):
        for value in node.values:
            yield from _equal(node.path, [ast.thaw(value)])


def _equal(path: Path, values: list[Json]) -> Iterator[tuple[int, AccessPath]]:
    keys: list[Key] = []
    for value in values:
        key = key_of(value)
        if isinstance(key, (dict, list)):
            return
        keys.append(key)
    if path == ("objectId",):
        rank = 0
    elif any(key is None or isinstance(key, bool) for key in keys):
        rank = 7
    else:
        rank = 1
    yield rank, EqualTo(path, tuple(dict.fromkeys(keys)))


def paired(one: EqualTo, other: EqualTo) -> BothEqualTo:
    """Both conditions as one."""
    first, second = (one, other) if one.path < other.path else (other, one)
    return BothEqualTo(first.path, second.path, tuple(product(first.keys, second.keys)))


def _intervals(conjunction: tuple[ast.Node, ...]) -> list[tuple[int, AccessPath]]:
    bounds: dict[Path, tuple[float | None, float | None]] = {}
    for node in conjunction:
        if not isinstance(node, ast.Compare) or node.op in ("eq", "ne"):
            continue
        bound = number_of(ast.thaw(node.value), node.path)
        if bound is None:
            continue
        low, high = bounds.get(node.path, (None, None))
        if node.op in ("gt", "gte"):
            low = bound if low is None else max(low, bound)
        else:
            high = bound if high is None else min(high, bound)
        bounds[node.path] = (low, high)
    return [(5 if None in (low, high) else 3, Within(path, low, high)) for path, (low, high) in bounds.items()]


def _places(node: ast.Node) -> Iterator[tuple[int, AccessPath]]:
    if isinstance(node, ast.Intersects):
        yield 2, Holds(node.path, cells_of_place(*node.point))
    elif isinstance(node, ast.Near | ast.WithinSphere | ast.WithinBox | ast.WithinPolygon):
        area = area_of(node)
        cells = None if area is None else cover(area)
        if cells is not None:
            yield 2 if all(level >= TOWN for level, _, _ in cells) else 4, LiesIn(node.path, cells)


def _prefixes(node: ast.Node) -> Iterator[tuple[int, AccessPath]]:
    if isinstance(node, ast.Regex):
        literal = parse_regex(node.pattern, node.options).literal
        if literal is not None and literal.kind in ("prefix", "exact") and literal.text:
            yield 6, BeginsWith(node.path, literal.text)
    elif isinstance(node, ast.AllStartWith) and node.prefixes:
        yield 6, BeginsWith(node.path, max(node.prefixes, key=len))
