"""The last changes of a process, kept for those who come back.

Owns: `History`. Always holds: it holds every change that was delivered after its floor, so for a position at or behind the
floor it gives exactly what the change table would; its size is bounded in bytes, and what is too old for it is read from
the table. Changes are kept as the texts they came as. May import store.changes.feed and live.resuming.position.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from app.live.resuming.position import Position
from app.store.changes.feed import Batch, Change
from app.store.changes.snapshot import Snapshot

MOST_BYTES = 16 * 1024 * 1024
"""Of texts."""

MOST_BYTES_HELD = 64 * 1024 * 1024
"""The same while somebody reads from the table what is too old: what comes meanwhile would be too old as well by then."""

_EACH = 400
"""About what a change takes beside its texts."""


class History:
    """What was delivered, newest last."""

    def __init__(self) -> None:
        self.bytes = 0
        self._floor = Snapshot(1, 1, frozenset())
        """Everything after this is kept."""
        self._batches: deque[tuple[Batch, bool, int]] = deque()
        """With each whether it stands before its snapshot (not so in the middle of a backlog), and its size."""
        self._end = self._floor
        self._holders = 0

    def begin(self, snapshot: Snapshot) -> None:
        """Forgets everything: changes are known from this moment on."""
        self._batches.clear()
        self.bytes = 0
        self._floor = self._end = snapshot

    def __len__(self) -> int:
        return sum(len(batch.changes) for batch, *_ in self._batches)

    def add(self, batch: Batch) -> None:
        """Takes in what was just delivered, and lets go of what is too much."""
        if batch.reset:
            self.begin(batch.snapshot)
        if not batch.changes and batch.classes is None:
            return
        size = _EACH
        for change in batch.changes:
            change.forget()
            size += _EACH + len(change.before or "") + len(change.after or "")
        self._batches.append((batch, batch.snapshot != self._end, size))
        self._end = batch.snapshot
        self.bytes += size
        self._make_room()

    @contextmanager
    def held(self) -> Iterator[None]:
        """What comes while this lasts is kept beyond the usual measure, for one who reads what came before."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            self._make_room()

    def since(self, position: Position, needed: frozenset[str] | None = None) -> list[Change] | None:
        """What a client at this position has not been given, in order; None when that reaches back too far.

        `needed`: the classes that matter, None for all; where a batch did not hold them, that is too far.
        """
        if not position.base.covers(self._floor):
            return None
        found: list[Change] = []
        for batch, is_last, _ in reversed(self._batches):
            if is_last and position.base.covers(batch.snapshot):
                break
            if batch.classes is not None and (needed is None or not needed <= batch.classes):
                return None
            found += [change for change in batch.changes if not position.has(change)]
        found.sort(key=lambda change: change.seq)
        return found

    def _make_room(self) -> None:
        most = MOST_BYTES_HELD if self._holders else MOST_BYTES
        while self.bytes > most and self._batches:
            self._let_go()

    def _let_go(self) -> None:
        """Of a backlog that came in parts, all but the last carry the snapshot before it: they go together."""
        batch, _, size = self._batches.popleft()
        snapshot = batch.snapshot
        self.bytes -= size
        if snapshot == self._floor and self._batches:
            self._let_go()
        else:
            self._floor = snapshot
