"""The containers that a predicate index is made of: which filed entries may be true for a value.

Owns: `Buckets` and `Levels`, of which the others are made, `EqualityIndex`, `PairIndex`, `RangeIndex` and `PrefixIndex`, and how
a value of an object becomes the keys it is looked up by. Always holds: a lookup gives *at least* every entry whose predicate the
value satisfies; the compiled predicate decides, so an index may be generous but never mean. May import core.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime
from itertools import product
from operator import itemgetter
from typing import Generic, TypeVar

from app.core.wire import Json

Entry = TypeVar("Entry", bound=Hashable)
K = TypeVar("K", bound=Hashable)
Key = str | int | float | bool | None
Path = tuple[str, ...]

_TIMES = frozenset({"createdAt", "updatedAt"})
_WIDEST = 1e15
"""Beyond this a closed interval is filed by its lower end only: cell arithmetic would lose precision."""


def values_at(image: dict[str, Json], path: Path) -> list[Json]:
    """Every value a path may mean in an object: one as a rule, more where it runs through an array, [None] where it is absent."""
    values: list[Json] = [image.get(path[0])]
    for step in path[1:]:
        values = [inner for value in values for inner in _step(value, step)]
    return values


def _step(value: Json, step: str) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value.get(step)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield item.get(step)
        yield value[int(step)] if step.isdecimal() and len(step) < 10 and int(step) < len(value) else None
    else:
        yield None


def key_of(value: Json) -> Key | list[Json] | dict[str, Json]:
    """The key that an equality is filed under: a pointer's objectId, a date's iso text, a plain value itself.

    Values that have no key (arrays, points, plain objects) come back as they are: a dict or a list.
    """
    if isinstance(value, dict):
        kind = value.get("__type")
        given = value.get("iso") if kind == "Date" else value.get("objectId") if kind in ("Pointer", "Object") else None
        return given if isinstance(given, str) else value
    return value


def number_of(value: Json, path: Path) -> float | int | None:
    """A number, or a date as milliseconds; None for what has no place on that line."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, dict) and value.get("__type") == "Date":
        return _milliseconds(value.get("iso"))
    return _milliseconds(value) if path[-1] in _TIMES else None


def _milliseconds(iso: Json) -> float | None:
    if not isinstance(iso, str):
        return None
    try:
        return datetime.fromisoformat(iso).timestamp() * 1000
    except (ValueError, OverflowError):
        return None


class Buckets(Generic[K, Entry]):
    """Entries by key. A key that has none left is forgotten; two alternatives of one entry under one key are taken out once."""

    def __init__(self) -> None:
        self.buckets: dict[K, set[Entry]] = {}

    def __bool__(self) -> bool:
        return bool(self.buckets)

    def size(self, key: K) -> int:
        """How many entries have this key already."""
        return len(self.buckets.get(key, ()))

    def add(self, keys: Iterable[K], entry: Entry) -> None:
        for key in keys:
            bucket = self.buckets.get(key)
            if bucket is None:
                self.buckets[key] = {entry}
                self._began(key)
            else:
                bucket.add(entry)

    def remove(self, keys: Iterable[K], entry: Entry) -> None:
        for key in keys:
            bucket = self.buckets.get(key)
            if bucket is None:
                continue
            bucket.discard(entry)
            if not bucket:
                del self.buckets[key]
                self._ended(key)

    def take(self, keys: Iterable[K], found: set[Entry]) -> None:
        """Adds the entries of some keys."""
        for key in keys:
            bucket = self.buckets.get(key)
            if bucket:
                found |= bucket

    def _began(self, key: K) -> None:
        """A key has its first entry."""

    def _ended(self, key: K) -> None:
        """A key has lost its last entry."""


class Levels(Buckets[K, Entry]):
    """Buckets whose keys are of several levels; `levels` counts the keys of each, so that a lookup tries only those in use."""

    def __init__(self, level: Callable[[K], int]) -> None:
        super().__init__()
        self.levels: dict[int, int] = {}
        self._level = level

    def _began(self, key: K) -> None:
        level = self._level(key)
        self.levels[level] = self.levels.get(level, 0) + 1

    def _ended(self, key: K) -> None:
        level = self._level(key)
        self.levels[level] -= 1
        if not self.levels[level]:
            del self.levels[level]


class EqualityIndex(Buckets[Key, Entry]):
    """Entries by the exact value they ask for."""

    def find(self, values: Iterable[Json], found: set[Entry]) -> None:
        for value in values:
            if isinstance(value, list):
                self.find(value, found)
                continue
            key = key_of(value)
            if isinstance(key, (dict, list)):
                continue
            bucket = self.buckets.get(key)
            if bucket:
                found |= bucket


class PairIndex(Buckets[tuple[Key, Key], Entry]):
    """Entries by the exact values they ask for at two paths."""

    def find(self, first: Iterable[Json], second: Iterable[Json], found: set[Entry]) -> None:
        self.take(product(_keys(first), _keys(second)), found)


def _keys(values: Iterable[Json]) -> Iterator[Key]:
    for value in values:
        if isinstance(value, list):
            yield from _keys(value)
            continue
        key = key_of(value)
        if not isinstance(key, (dict, list)):
            yield key


class _Thresholds(Generic[Entry]):
    """Entries by one bound, sorted."""

    def __init__(self) -> None:
        self._bounds: list[float] = []
        self._entries: list[Entry] = []

    def add(self, bound: float, entry: Entry) -> None:
        place = bisect_right(self._bounds, bound)
        self._bounds.insert(place, bound)
        self._entries.insert(place, entry)

    def remove(self, bound: float, entry: Entry) -> None:
        place = self._entries.index(entry, bisect_left(self._bounds, bound))
        del self._bounds[place], self._entries[place]

    def at_most(self, value: float) -> list[Entry]:
        return self._entries[: bisect_right(self._bounds, value)]

    def at_least(self, value: float) -> list[Entry]:
        return self._entries[bisect_left(self._bounds, value) :]

    def __bool__(self) -> bool:
        return bool(self._bounds)


class RangeIndex(Generic[Entry]):
    """Entries by an interval of numbers, open to one side or closed; bounds count as inside.

    A closed interval of length L lies in at most two cells of the grid whose cells are the next power of two long, so a
    value is looked up once for each length class in use, however many intervals there are.
    """

    def __init__(self) -> None:
        self._lower: _Thresholds[Entry] = _Thresholds()
        self._upper: _Thresholds[Entry] = _Thresholds()
        self._cells: Levels[tuple[int, int], Entry] = Levels(itemgetter(0))

    def add(self, low: float | None, high: float | None, entry: Entry) -> None:
        cells = _cells(low, high)
        if cells:
            self._cells.add(cells, entry)
        elif low is not None:
            self._lower.add(low, entry)
        elif high is not None:
            self._upper.add(high, entry)

    def __bool__(self) -> bool:
        return bool(self._lower or self._upper or self._cells)

    def remove(self, low: float | None, high: float | None, entry: Entry) -> None:
        cells = _cells(low, high)
        if cells:
            self._cells.remove(cells, entry)
        elif low is not None:
            self._lower.remove(low, entry)
        elif high is not None:
            self._upper.remove(high, entry)

    def find(self, values: Iterable[Json], path: Path, found: set[Entry]) -> None:
        for value in values:
            if isinstance(value, list):
                self.find(value, path, found)
                continue
            # True is the same as 1 to who asks whether a field has changed; then it is looked up for both
            number = int(value) if isinstance(value, bool) else number_of(value, path)
            if number is None:
                continue
            if self._lower:
                found.update(self._lower.at_most(number))
            if self._upper:
                found.update(self._upper.at_least(number))
            if -_WIDEST <= number <= _WIDEST:
                self._cells.take(((level, math.floor(math.ldexp(number, -level))) for level in self._cells.levels), found)


def _cells(low: float | None, high: float | None) -> list[tuple[int, int]]:
    """The one or two grid cells (level, number) of a closed interval; none for an open or a very wide one."""
    if low is None or high is None or low > high or low < -_WIDEST or high > _WIDEST:
        return []
    level = max(math.frexp(high - low)[1], -20)
    first, last = (math.floor(math.ldexp(bound, -level)) for bound in (low, high))
    return [(level, cell) for cell in range(first, last + 1)]


class PrefixIndex(Levels[str, Entry]):
    """Entries by the text a value must begin with."""

    def __init__(self) -> None:
        super().__init__(len)

    def find(self, values: Iterable[Json], found: set[Entry]) -> None:
        for value in values:
            if isinstance(value, list):
                self.find(value, found)
            text = value.get("name") if isinstance(value, dict) else value
            if isinstance(text, str):
                self.take((text[:length] for length in self.levels), found)
