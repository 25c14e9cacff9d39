"""The first objects of an ordered result, and what a change does to the part of it that is shown.

Owns: `Entry`, `Shift` and `Window`. Always holds: every object of the result that sorts at or before the frontier is
kept, so what is shown (from `skip` on, `limit` long) is exact as long as enough are kept; behind the shown part lies a
buffer, so that only a run of departures empties it; then `is_short` says that the rest must be read anew. One change
costs a search and moves at most one object in and one out. Pure. May import core.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.core.order import SortKey
from app.core.wire import Object

BUFFER = 20
"""Objects kept beyond the shown ones, at least; a quarter of their number where that is more."""


class Entry:
    """One object of a result. `text` is its JSON text where it was read as one; `shown` is what it looks like with its
    included objects in place (the same as `image` where nothing is included)."""

    __slots__ = ("image", "key", "object_id", "shown", "text")

    def __init__(self, key: SortKey, image: Object, text: str | None, shown: Object | None = None) -> None:
        self.key = key
        self.image = image
        self.text = text
        self.shown = image if shown is None else shown
        self.object_id = str(image["objectId"])


@dataclass(frozen=True, slots=True)
class Shift:
    """What one change does to the shown part: an object goes out (from its old index), one comes in, or one stays.

    Indexes count from the first shown object. Take `out` away first, then put `into` at its index; `stays` is taken
    from where it is and put at its index.
    """

    out: tuple[Entry, int] | None = None
    into: tuple[Entry, int] | None = None
    stays: tuple[Entry, int] | None = None
    is_moved: bool = False


class Window:
    """An ordered result as far as it is kept. `limit` None keeps it whole."""

    __slots__ = ("_by_id", "_entries", "_frontier", "_keys", "limit", "skip")

    def __init__(self, skip: int, limit: int | None) -> None:
        self.skip = skip
        self.limit = limit
        self._entries: list[Entry] = []
        self._keys: list[SortKey] = []
        self._by_id: dict[str, Entry] = {}
        self._frontier: SortKey | None = None
        """Up to where everything is kept; None: the whole result is."""

    @property
    def wanted(self) -> int | None:
        """How many objects to read for `load`."""
        if self.limit is None:
            return None
        end = self.skip + self.limit
        return end + max(BUFFER, end // 4)

    @property
    def is_short(self) -> bool:
        """Whether the shown part may lack objects that are not kept."""
        return self._frontier is not None and self.limit is not None and len(self._entries) < self.skip + self.limit

    @property
    def shown(self) -> list[Entry]:
        """The shown part, in order."""
        return self._entries[self.skip :] if self.limit is None else self._entries[self.skip : self.skip + self.limit]

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, object_id: str) -> Entry | None:
        """What is kept of an object."""
        return self._by_id.get(object_id)

    def all(self) -> list[Entry]:
        """Everything that is kept, in order."""
        return list(self._entries)

    @property
    def frontier(self) -> SortKey | None:
        """Up to where everything is kept; None: the whole result is."""
        return self._frontier

    def load(self, entries: Iterable[Entry], *, is_whole: bool) -> None:
        """Takes the first objects of the result, `is_whole` when there are no more."""
        self._entries = sorted(entries, key=lambda entry: entry.key)
        self._keys = [entry.key for entry in self._entries]
        self._by_id = {entry.object_id: entry for entry in self._entries}
        self._frontier = None if is_whole or not self._keys else self._keys[-1]

    def sort_by(self, key: Callable[[Object], SortKey]) -> None:
        """Takes other keys for the same objects; until they are loaded anew nothing is known beyond them."""
        is_whole = self._frontier is None
        for entry in self._entries:
            entry.key = key(entry.image)
        self.load(self._entries, is_whole=is_whole)
        if not is_whole and not self._keys:
            self._frontier = ()

    def put(self, entry: Entry) -> Shift:
        """An object of the result is new, or is now like this."""
        return self._change(self._by_id.get(entry.object_id), entry)

    def drop(self, object_id: str) -> Shift:
        """An object is in the result no more."""
        return self._change(self._by_id.get(object_id), None)

    def _change(self, old: Entry | None, new: Entry | None) -> Shift:
        size = len(self._entries)
        first = self.skip
        end = size + 1 if self.limit is None else first + self.limit
        edges_before = self._edges(first, end)
        old_at = self._take(old) if old is not None else None
        new_at = self._insert(new) if new is not None and self._reaches(new.key) else None
        shift = self._shift(old, new, old_at, new_at, first, end, edges_before)
        self._trim()
        return shift

    def _edges(self, first: int, end: int) -> list[tuple[int, Entry]]:
        """The first and the last shown object with their places."""
        last = min(end, len(self._entries)) - 1
        return [(place, self._entries[place]) for place in {first, last} if first <= place <= last]

    def _take(self, entry: Entry) -> int:
        place = bisect_left(self._keys, entry.key)
        del self._entries[place], self._keys[place], self._by_id[entry.object_id]
        return place

    def _insert(self, entry: Entry) -> int:
        place = bisect_left(self._keys, entry.key)
        self._entries.insert(place, entry)
        self._keys.insert(place, entry.key)
        self._by_id[entry.object_id] = entry
        return place

    def _reaches(self, key: SortKey) -> bool:
        return self._frontier is None or not self._frontier < key

    def _shift(
        self,
        old: Entry | None,
        new: Entry | None,
        old_at: int | None,
        new_at: int | None,
        first: int,
        end: int,
        edges_before: list[tuple[int, Entry]],
    ) -> Shift:
        was_shown = old_at is not None and first <= old_at < end
        is_shown = new_at is not None and first <= new_at < end
        if was_shown and is_shown:
            assert new is not None
            assert new_at is not None
            return Shift(stays=(new, new_at - first), is_moved=old_at != new_at)
        out = (old, old_at - first) if was_shown and old is not None and old_at is not None else None
        into = (new, new_at - first) if is_shown and new is not None and new_at is not None else None
        for place, entry in edges_before:
            if place != old_at and not first <= _moved(place, old_at, new_at) < end:
                out = (entry, place - first)
        for place, entry in self._edges(first, end):
            if place != new_at and not first <= _moved(place, new_at, old_at) < end:
                into = (entry, place - first)
        return Shift(out, into)

    def _trim(self) -> None:
        """Lets go of what is far behind the shown part."""
        wanted = self.wanted
        if wanted is None or len(self._entries) <= wanted + BUFFER:
            return
        for entry in self._entries[wanted:]:
            del self._by_id[entry.object_id]
        del self._entries[wanted:], self._keys[wanted:]
        self._frontier = self._keys[-1]


def _moved(place: int, taken: int | None, put: int | None) -> int:
    """Where an object at `place` stands after one was taken out at `taken` and one put in at `put`."""
    if taken is not None and place > taken:
        place -= 1
    if put is not None and place >= put:
        place += 1
    return place
