"""The containers that a predicate index is made of: which filed entries may be true for a value.

Owns: `EqualityIndex`, `PairIndex`, `RangeIndex` and `PrefixIndex`, and how a value of an object becomes the keys it is looked up
by. Always holds: a lookup gives *at least* every entry whose predicate the value satisfies; the compiled predicate
decides, so an index may be generous but never mean. May import core.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime
from typing import Generic, TypeVar

from app.core.wire import Json

Entry = TypeVar("Entry", bound=Hashable)
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


class EqualityIndex(Generic[Entry]):
    """Entries by the exact value they ask for."""

    def __init__(self) -> None:
        self.buckets: dict[Key, set[Entry]] = {}

    def size(self, key: Key) -> int:
        """How many entries ask for this value already."""
        return len(self.buckets.get(key, ()))

    def add(self, key: Key, entry: Entry) -> None:
        self.buckets.setdefault(key, set()).add(entry)

    def __bool__(self) -> bool:
        return bool(self.buckets)

    def remove(self, keys: Iterable[Key], entry: Entry) -> None:
        for key in keys:
            bucket = self.buckets.get(key)
            if bucket is None:
                continue  # two alternatives of one entry asked for the same value
            bucket.discard(entry)
            if not bucket:
                del self.buckets[key]

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


class PairIndex(Generic[Entry]):
    """Entries by the exact values they ask for at two paths."""

    def __init__(self) -> None:
        self.buckets: dict[tuple[Key, Key], set[Entry]] = {}

    def add(self, keys: tuple[Key, Key], entry: Entry) -> None:
        self.buckets.setdefault(keys, set()).add(entry)

    def __bool__(self) -> bool:
        return bool(self.buckets)

    def remove(self, keys: Iterable[tuple[Key, Key]], entry: Entry) -> None:
        for both in keys:
            bucket = self.buckets.get(both)
            if bucket is None:
                continue  # as above
            bucket.discard(entry)
            if not bucket:
                del self.buckets[both]

    def find(self, first: Iterable[Json], second: Iterable[Json], found: set[Entry]) -> None:
        others = list(_keys(second))
        for one in _keys(first):
            for other in others:
                bucket = self.buckets.get((one, other))
                if bucket:
                    found |= bucket


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
        self._cells: dict[tuple[int, int], set[Entry]] = {}
        self._levels: dict[int, int] = {}

    def add(self, low: float | None, high: float | None, entry: Entry) -> None:
        cells = _cells(low, high)
        if cells:
            self._levels[cells[0][0]] = self._levels.get(cells[0][0], 0) + 1
            for cell in cells:
                self._cells.setdefault(cell, set()).add(entry)
        elif low is not None:
            self._lower.add(low, entry)
        elif high is not None:
            self._upper.add(high, entry)

    def __bool__(self) -> bool:
        return bool(self._lower or self._upper or self._cells)

    def remove(self, low: float | None, high: float | None, entry: Entry) -> None:
        cells = _cells(low, high)
        if cells:
            self._forget(cells, entry)
        elif low is not None:
            self._lower.remove(low, entry)
        elif high is not None:
            self._upper.remove(high, entry)

    def _forget(self, cells: list[tuple[int, int]], entry: Entry) -> None:
        level = cells[0][0]
        self._levels[level] -= 1
        if not self._levels[level]:
            del self._levels[level]
        for cell in cells:
            bucket = self._cells.get(cell)
            if bucket is None:
                continue  # two alternatives of one entry lie in the same cell
            bucket.discard(entry)
            if not bucket:
                del self._cells[cell]

    def find(self, values: Iterable[Json], path: Path, found: set[Entry]) -> None:
        for value in values:
            if isinstance(value, list):
                self.find(value, path, found)
                continue
            number = number_of(value, path)
            if number is None:
                continue
            if self._lower:
                found.update(self._lower.at_most(number))
            if self._upper:
                found.update(self._upper.at_least(number))
            if -_WIDEST <= number <= _WIDEST:
                for level in self._levels:
                    found |= self._cells.get((level, math.floor(math.ldexp(number, -level))), frozenset())


def _cells(low: float | None, high: float | None) -> list[tuple[int, int]]:
    """The one or two grid cells (level, number) of a closed interval; none for an open or a very wide one."""
    if low is None or high is None or low > high or low < -_WIDEST or high > _WIDEST:
        return []
    level = max(math.frexp(high - low)[1], -20)
    first, last = (math.floor(math.ldexp(bound, -level)) for bound in (low, high))
    return [(level, cell) for cell in range(first, last + 1)]


class PrefixIndex(Generic[Entry]):
    """Entries by the text a value must begin with."""

    def __init__(self) -> None:
        self._buckets: dict[str, set[Entry]] = {}
        self._lengths: dict[int, int] = {}

    def add(self, prefix: str, entry: Entry) -> None:
        self._buckets.setdefault(prefix, set()).add(entry)
        self._lengths[len(prefix)] = self._lengths.get(len(prefix), 0) + 1

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def remove(self, prefix: str, entry: Entry) -> None:
        bucket = self._buckets[prefix]
        bucket.discard(entry)
        if not bucket:
            del self._buckets[prefix]
        self._lengths[len(prefix)] -= 1
        if not self._lengths[len(prefix)]:
            del self._lengths[len(prefix)]

    def find(self, values: Iterable[Json], found: set[Entry]) -> None:
        for value in values:
            if isinstance(value, list):
                self.find(value, found)
            text = value.get("name") if isinstance(value, dict) else value
            if isinstance(text, str):
                for length in self._lengths:
                    found |= self._buckets.get(text[:length], frozenset())
