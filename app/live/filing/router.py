"""The predicate index: one change in, the live queries it concerns out.

Owns: where each live query is filed, and `Router.match`. Always holds: the answer is what asking every live query one
by one would give; its cost follows the matches, not the number of live queries. May import core and live.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from app.core import nodes as ast
from app.core.match import compile_match
from app.core.schema import ClassSchema
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from app.live.filing.access_path import (
    AccessPath,
    BeginsWith,
    BothEqualTo,
    EqualTo,
    Holds,
    LiesIn,
    Scan,
    Within,
    access_paths,
    conjunctions,
    paired,
)
from app.live.filing.grid import AreaIndex, PlaceIndex
from app.live.filing.index import EqualityIndex, PairIndex, Path, PrefixIndex, RangeIndex, values_at
from app.live.membership import Compile, LiveQuery

MOST_SCANNED = 1000
"""How many live queries of one class may be without an index path: each costs every change of that class."""


CROWDED = 4
"""Where so many live queries ask for one value, the next are filed by a second value too."""

_MOST_PAIRS = 64

_KINDS: dict[type[AccessPath], str] = {
    EqualTo: "equality",
    BothEqualTo: "pair",
    Within: "interval",
    LiesIn: "geo",
    Holds: "geo",
    BeginsWith: "prefix",
    Scan: "scan",
}

K = TypeVar("K")
V = TypeVar("V")

Match = tuple[LiveQuery, bool, bool]
"""A live query, whether the before image matched, whether the after image does."""


class Router:
    """All live queries of a process, by class."""

    def __init__(self) -> None:
        self._classes: dict[str, _ClassIndex] = {}

    def acquire(self, schema: ClassSchema, where: ast.Node, compiler: Compile = compile_match, whose: str = "") -> LiveQuery:
        """The live query for a where, filed if it is new; give it back with `release`. Raises ParseError 102 and 140.

        `compiler` and `whose` are given where the answer depends on who asks, as that of a sub-query does.
        """
        key = ast.canonical_text(where) + whose
        index = self._classes.get(schema.class_name)
        known = index.queries.get(key) if index else None
        if known is not None:
            return known
        query = LiveQuery(schema.class_name, key, where, compiler(schema, where), compiler)
        if index is None:
            index = self._classes.setdefault(schema.class_name, _ClassIndex())
        index.add(query)
        return query

    def find(self, class_name: str, where: ast.Node, whose: str = "") -> LiveQuery | None:
        """The live query that `acquire` made, if it is still asked."""
        index = self._classes.get(class_name)
        return index.queries.get(ast.canonical_text(where) + whose) if index else None

    def release(self, query: LiveQuery) -> None:
        """Forgets a live query that nobody asks any more; one with members stays."""
        index = self._classes.get(query.class_name)
        if query.is_asked or index is None or index.queries.get(query.key) is not query:
            return
        index.remove(query)
        if not index.queries:
            del self._classes[query.class_name]

    @property
    def classes(self) -> Iterable[str]:
        """The classes that live queries are about."""
        return self._classes.keys()

    def listens_to(self, class_name: str) -> bool:
        """Whether any live query is about this class; if not, its changes need not even be decoded."""
        return class_name in self._classes

    def queries_of(self, class_name: str) -> Iterator[LiveQuery]:
        """Every live query of a class: for what concerns a class as a whole, and for the tests' linear judge."""
        index = self._classes.get(class_name)
        return iter(list(index.queries.values()) if index else [])

    def match(self, class_name: str, before: Object | None, after: Object | None) -> list[Match]:
        """The live queries that one of the two images matches."""
        index = self._classes.get(class_name)
        if index is None:
            return []
        found: set[LiveQuery] = set(index.scanned)
        if after is not None:
            index.find(after, None, found)
        if before is not None:
            index.find(before, after, found)
        matched: list[Match] = []
        for query in found:
            was = before is not None and query.matches(before)
            now = after is not None and query.matches(after)
            if was or now:
                matched.append((query, was, now))
        return matched

    def held(self) -> int:
        """How many changes are kept for readers that are held."""
        queries = (query for index in self._classes.values() for query in index.queries.values())
        readers = (reader for query in queries for reader in (*query.members.held, *query.nodes.held))
        return sum(len(reader.held or ()) for reader in readers)

    def kept(self) -> tuple[int, int]:
        """How many results are kept, and how many objects in them."""
        queries = (query for index in self._classes.values() for query in index.queries.values())
        sizes = [node.size for query in queries for node in query.nodes.all()]
        return len(sizes), sum(sizes)

    def counts(self) -> dict[str, int]:
        """How many live queries are filed under each kind of path, for whoever watches the server."""
        found = dict.fromkeys(_KINDS.values(), 0)
        for kind, name in _KINDS.items():
            found[name] += sum(index.kinds[kind] for index in self._classes.values())
        return found


class _ClassIndex:
    """The live queries of one class, each filed under one access path for every alternative of its where."""

    def __init__(self) -> None:
        self.queries: dict[str, LiveQuery] = {}
        self.kinds: Counter[type[AccessPath]] = Counter()
        """How many paths of each kind are filed."""
        self.scanned: dict[LiveQuery, None] = {}
        self._equal: dict[Path, EqualityIndex[LiveQuery]] = {}
        self._pairs: dict[tuple[Path, Path], PairIndex[LiveQuery]] = {}
        self._ranges: dict[Path, RangeIndex[LiveQuery]] = {}
        self._prefixes: dict[Path, PrefixIndex[LiveQuery]] = {}
        self._areas: dict[Path, AreaIndex[LiveQuery]] = {}
        self._places: dict[Path, PlaceIndex[LiveQuery]] = {}

    def add(self, query: LiveQuery) -> None:
        paths = list(dict.fromkeys(self._choose(alternative) for alternative in conjunctions(query.where)))
        if any(isinstance(path, Scan) for path in paths):
            paths = [Scan()]
            if len(self.scanned) >= MOST_SCANNED and not isinstance(query.where, ast.Everything):
                raise ParseError(
                    ErrorCode.EXCEEDED_QUOTA,
                    f"Too many live queries of {query.class_name} without a selective condition; "
                    "add an equality, a range, a place or a prefix to the query.",
                )
        query.paths = paths
        self.queries[query.key] = query
        for path in paths:
            self._file(path, query)

    def remove(self, query: LiveQuery) -> None:
        del self.queries[query.key]
        for path in query.paths:
            self._unfile(path, query)

    def _choose(self, alternative: tuple[ast.Node, ...]) -> AccessPath:
        """The best rank; among equalities of one rank the one whose values are asked for least so far, or two of them."""
        ranked = access_paths(alternative)
        best = ranked[0][0]
        chosen = min((path for rank, path in ranked if rank == best), key=self._crowd)
        if not isinstance(chosen, EqualTo) or self._crowd(chosen) < CROWDED:
            return chosen
        others = [path for _, path in ranked if isinstance(path, EqualTo) and path.path != chosen.path]
        few = [path for path in others if len(path.keys) * len(chosen.keys) <= _MOST_PAIRS]
        return paired(chosen, min(few, key=self._crowd)) if few else chosen

    def _crowd(self, path: AccessPath) -> int:
        if not isinstance(path, EqualTo) or path.path not in self._equal:
            return 0
        index = self._equal[path.path]
        return sum(index.size(key) for key in path.keys)

    def _file(self, path: AccessPath, query: LiveQuery) -> None:
        self.kinds[type(path)] += 1
        match path:
            case EqualTo(place, keys):
                self._equal.setdefault(place, EqualityIndex()).add(keys, query)
            case BothEqualTo(first, second, pairs):
                self._pairs.setdefault((first, second), PairIndex()).add(pairs, query)
            case Within(place, low, high):
                self._ranges.setdefault(place, RangeIndex()).add(low, high, query)
            case BeginsWith(place, prefix):
                self._prefixes.setdefault(place, PrefixIndex()).add((prefix,), query)
            case LiesIn(place, cells):
                self._areas.setdefault(place, AreaIndex()).add(cells, query)
            case Holds(place, cells):
                self._places.setdefault(place, PlaceIndex()).add(cells, query)
            case Scan():
                self.scanned[query] = None

    def _unfile(self, path: AccessPath, query: LiveQuery) -> None:
        self.kinds[type(path)] -= 1
        match path:
            case EqualTo(place, keys):
                _take_out(self._equal, place, lambda index: index.remove(keys, query))
            case BothEqualTo(first, second, pairs):
                _take_out(self._pairs, (first, second), lambda index: index.remove(pairs, query))
            case Within(place, low, high):
                _take_out(self._ranges, place, lambda index: index.remove(low, high, query))
            case BeginsWith(place, prefix):
                _take_out(self._prefixes, place, lambda index: index.remove((prefix,), query))
            case LiesIn(place, cells):
                _take_out(self._areas, place, lambda index: index.remove(cells, query))
            case Holds(place, cells):
                _take_out(self._places, place, lambda index: index.remove(cells, query))
            case Scan():
                del self.scanned[query]

    def find(self, image: Object, other: Object | None, found: set[LiveQuery]) -> None:
        """Adds the candidates of one image; fields that are the same in `other` were looked up already."""
        for path, equal in self._equal.items():
            if other is None or image.get(path[0]) != other.get(path[0]):
                equal.find(values_at(image, path), found)
        for (first, second), pairs in self._pairs.items():
            names = (first[0], second[0])
            if other is None or any(image.get(name) != other.get(name) for name in names):
                pairs.find(values_at(image, first), values_at(image, second), found)
        for path, ranges in self._ranges.items():
            if other is None or image.get(path[0]) != other.get(path[0]):
                ranges.find(values_at(image, path), path, found)
        for path, prefixes in self._prefixes.items():
            if other is None or image.get(path[0]) != other.get(path[0]):
                prefixes.find(values_at(image, path), found)
        for indexes in (self._areas, self._places):
            for path, places in indexes.items():
                if other is None or image.get(path[0]) != other.get(path[0]):
                    places.find(values_at(image, path), found)


def _take_out(indexes: dict[K, V], place: K, take: Callable[[V], None]) -> None:
    """Takes a live query out of an index, and the index away if nothing is left in it: each change is looked up in all."""
    index = indexes.get(place)
    if index is None:
        return  # another alternative of the same query was the last in it
    take(index)
    if not index:
        del indexes[place]
