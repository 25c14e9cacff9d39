"""Where a client is in the stream: which changes it has been given.

Owns: `Position`, its text (the cursor clients see) and `Run`, the cursors of one ordered delivery. Always holds: a
client that is cut off between two events of one delivery resumes exactly behind the last it was given, although both
came with one snapshot; a cursor behind half of what belongs together (a leave and the enter that takes its place) says so.
May import store.changes.feed.
"""

from dataclasses import dataclass

from app.store.changes.feed import Change
from app.store.changes.snapshot import Snapshot, parse_cursor, to_cursor

_JOINT = "~"
_PARTLY = "~x"
_LONG = 1024


@dataclass(frozen=True, slots=True)
class Position:
    """All that `base` sees, and of what `ahead` sees the changes up to `seq`."""

    base: Snapshot
    ahead: Snapshot | None = None
    seq: int = 0
    is_partial: bool = False
    """More than this was told, but not all of what belongs together: who keeps a result cannot say what the client has."""

    def has(self, change: Change) -> bool:
        """Whether the client was given this change, or was past it."""
        if self.base.sees(change.xid):
            return True
        return self.ahead is not None and change.seq <= self.seq and self.ahead.sees(change.xid)

    def is_within(self, change: Change) -> bool:
        """Whether the client was being told of this change, and of others with it, when it was cut off."""
        return self.ahead is not None and self.ahead.sees(change.xid) and not self.has(change)


def parse_position(text: str, feed_id: str) -> Position | None:
    """The position behind a cursor; None when it is of another feed (a database restored) or no cursor at all."""
    parts = text.removesuffix(_PARTLY).split(_JOINT)
    base = parse_cursor(parts[0], feed_id)
    if base is None or len(parts) == 1:
        return None if base is None else Position(base, is_partial=text.endswith(_PARTLY))
    if len(parts) != 3 or not (parts[2].isascii() and parts[2].isdecimal() and len(parts[2]) < 20):
        return None
    ahead = parse_cursor(parts[1], feed_id)
    return None if ahead is None else Position(base, ahead, int(parts[2]))


class Run:
    """One delivery, ordered by seq, that takes a client from `base` to `ahead` (both cursor texts)."""

    __slots__ = ("_base", "_closed", "_early", "end", "start")

    def __init__(self, base: str, ahead: str) -> None:
        self.start = base
        """The cursor before the run."""
        self._base = base.split(_JOINT, maxsplit=1)[0]
        self.end = ahead
        """The cursor behind the whole run."""
        self._closed: dict[object, bytes] = {}
        # It stands in each frame of the run, and a client may come back with one as long as a message may be.
        self._early = shorten(self._base) if len(self._base) > _LONG else None

    def up_to(self, seq: int) -> str:
        """The cursor behind the change `seq` of this run; an earlier one where that would be long."""
        if self._early is not None:
            return self._early
        return f"{self._base}{_JOINT}{self.end}{_JOINT}{seq}"

    def close_partly(self, frame: bytes) -> bytes:
        """A frame's end with a cursor that says: half of what belongs together was told."""
        return b'%s,"cursor":"%s"}' % (frame, (self._early or partly(self._base)).encode())

    def close(self, shared: object, frame: bytes, seq: int | None) -> bytes:
        """A frame's end with the cursor behind `seq` (None: the whole run) on it, made once for each `shared`."""
        key = shared if seq is None else (shared, seq)
        closed = self._closed.get(key)
        if closed is None:
            cursor = self.end if seq is None else self.up_to(seq)
            closed = self._closed[key] = b'%s,"cursor":"%s"}' % (frame, cursor.encode())
        return closed


def partly(cursor: str) -> str:
    """The cursor of one who was told this and some of what came after."""
    return cursor.split(_JOINT, maxsplit=1)[0] + _PARTLY


def shorten(cursor: str) -> str:
    """A cursor of bounded length that is not behind this one: who goes on from there is told no less, maybe more."""
    base = cursor.split(_JOINT, maxsplit=1)[0]
    owner = base.split(".")[1] if base.count(".") == 2 else ""
    snapshot = parse_cursor(base, owner)
    if snapshot is None:
        return base
    short = to_cursor(owner, Snapshot(snapshot.xmin, snapshot.xmin, frozenset()))
    return short if short == cursor else partly(short)
