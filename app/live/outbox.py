"""What a client that reads too slowly is told instead of everything: the newest state of each object.

Owns: `Tail` (the part of an event frame that its readers share), `News` (one event on its way) and `Backlog`, where
events of one subscription about one object become one. Always holds: told in order, what is left takes the client to
the same state as all that came in; one object of one subscription is never told out of order; what cannot be merged
is kept as it is, and nothing is merged across it. Pure; may import core.wire.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from app.core.wire import FILE_BEGINS


class Source(Protocol):
    """A subscription, as far as the frames of its events go."""

    def head(self, op: str) -> bytes:
        """What every frame of this subscription begins with, without the rest and the closing brace."""
        ...


class Tail:
    """The shared part of an event frame: `,"object":{…}` and, where there is one, `,"original":{…}`.

    What is made of the two for sending is made when it is asked for, and kept for the other readers.
    """

    __slots__ = ("closed", "is_bare", "object", "object_id", "open", "original")

    def __init__(self, shown: bytes, original: bytes = b"", object_id: str | None = None) -> None:
        """`object_id` None: this event cannot be merged with another."""
        self.object = shown
        self.original = original
        self.object_id = object_id

    open: bytes
    """Without the closing brace of the frame."""
    closed: bytes
    is_bare: bool
    """No file is named in it."""

    def __getattr__(self, name: str) -> bytes | bool:
        if name == "open":
            self.open = self.object + self.original
            return self.open
        if name == "closed":
            self.closed = self.open + b"}"
            return self.closed
        if name == "is_bare":
            self.is_bare = FILE_BEGINS not in self.open
            return self.is_bare
        raise AttributeError(name)

    def bare(self) -> "Tail":
        """The same without what was made of it: what waits takes no more room than is counted."""
        return Tail(self.object, self.original, self.object_id)

    def __len__(self) -> int:
        return len(self.object) + len(self.original) + 1


class News(NamedTuple):
    """One event for one subscription."""

    source: Source
    op: str
    tail: Tail
    seq: int


class Kept(Protocol):
    """A result that is kept for a subscription."""

    @property
    def is_behind(self) -> bool:
        """Whether it is not yet what the changes that were delivered make of it."""
        ...


class Step:
    """A source of one frame that is sent as it is: what has changed in a kept result."""

    __slots__ = ("_head", "_is_whole", "_kept")

    def __init__(self, head: bytes, kept: Kept, *, is_whole: bool) -> None:
        """`is_whole` False: the next frame belongs to the same change."""
        self._head = head
        self._kept = kept
        self._is_whole = is_whole

    @property
    def is_partial(self) -> bool:
        """Whether who has this frame, and all before it, has something that the result never was."""
        return not self._is_whole or self._kept.is_behind

    def head(self, op: str) -> bytes:
        """The head it was given."""
        return self._head


_ARRIVES = frozenset({"create", "enter"})
_DEPARTS = frozenset({"leave", "delete"})
_HEAD = 96
"""About what a frame has beside its tail, in bytes."""


def merge(first: News, last: News) -> News | None:
    """The one event that says what both say, first and last; None when together they say nothing.

    A client that did not have the object and does not have it in the end is told nothing of it. `original` is that of
    the first, unless the last was told without one: then the reader may not know it any more.
    """
    was_absent, is_absent = first.op in _ARRIVES, last.op in _DEPARTS
    if was_absent and is_absent:
        return None
    op = last.op if is_absent else first.op if was_absent else "update"
    keeps_original = was_absent or bool(last.tail.original)
    original = first.tail.original if keeps_original else b""
    return News(last.source, op, Tail(last.tail.object, original, last.tail.object_id), last.seq)


class Backlog:
    """The events that wait for a client, merged, oldest first."""

    __slots__ = ("_news", "_numbers", "_open", "base", "bytes", "coalesced", "end", "has_told")

    def __init__(self, base: str) -> None:
        self.base = base
        """The cursor of what the client was told before all of this."""
        self.end = base
        """The cursor behind all of this."""
        self.bytes = 0
        self.has_told = False
        """More than `base` was told already."""
        self.coalesced = 0
        """Events that are not told because a later one says it all."""
        self._news: dict[int, News] = {}
        self._open: dict[tuple[Source, str], int] = {}
        """Where the event of an object stands that a later one may still be merged into."""
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._news)

    def add(self, news: News) -> None:
        """Takes in one event, the latest."""
        news = news._replace(tail=news.tail.bare())
        object_id = news.tail.object_id
        if object_id is None:
            self._open.clear()
            self._append(news)
            return
        key = (news.source, object_id)
        number = self._open.get(key)
        if number is None:
            self._open[key] = self._append(news)
            return
        first = self._news[number]
        self.bytes -= _size(first)
        merged = merge(first, news)
        if merged is None:
            del self._news[number], self._open[key]
            self.coalesced += 2
            return
        self._news[number] = merged
        self.bytes += _size(merged)
        self.coalesced += 1

    def take(self, most: int) -> Iterator[News]:
        """Takes out the oldest events until `most` bytes were taken."""
        taken = 0
        while self._news and taken < most:
            number = next(iter(self._news))
            news = self._news.pop(number)
            if news.tail.object_id is not None and self._open.get((news.source, news.tail.object_id)) == number:
                del self._open[news.source, news.tail.object_id]
            self.bytes -= _size(news)
            taken += _size(news)
            yield news

    def forget(self, source: Source) -> None:
        """Leaves out what was to be told to a subscription that has ended."""
        for number, news in list(self._news.items()):
            if news.source is source:
                del self._news[number]
                self.bytes -= _size(news)
        self._open = {key: number for key, number in self._open.items() if key[0] is not source}

    def _append(self, news: News) -> int:
        self._numbers += 1
        self._news[self._numbers] = news
        self.bytes += _size(news)
        return self._numbers


def _size(news: News) -> int:
    return len(news.tail) + _HEAD
