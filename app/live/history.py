"""The last changes of a process, kept for those who come back.

Owns: `History`. Always holds: it holds every change that was delivered after its floor, so for a position at or behind the
floor it gives exactly what the change table would; its size is bounded in bytes, and what is too old for it is read from
the table. Changes are kept as the texts they came as. May import store.feed and live.position.
"""

from collections import deque

from app.live.position import Position
from app.store.feed import Batch, Change
from app.store.snapshot import Snapshot

MOST_BYTES = 16 * 1024 * 1024
"""Of texts."""

_EACH = 400
"""About what a change takes beside its texts."""


class History:
    """What was delivered, newest last."""

    def __init__(self) -> None:
        self.bytes = 0
        self._floor = Snapshot(1, 1, frozenset())
        """Everything after this is kept."""
        self._batches: deque[tuple[list[Change], Snapshot, bool, int]] = deque()
        """Changes, the snapshot behind them, whether it is (not so in the middle of a backlog), their size."""
        self._end = self._floor

    def begin(self, snapshot: Snapshot) -> None:
        """Forgets everything: changes are known from this moment on."""
        self._batches.clear()
        self.bytes = 0
        self._floor = self._end = snapshot

    def __len__(self) -> int:
        return sum(len(changes) for changes, *_ in self._batches)

    def add(self, batch: Batch) -> None:
        """Takes in what was just delivered, and lets go of what is too much."""
        if batch.reset:
            self.begin(batch.snapshot)
        if not batch.changes:
            return
        size = 0
        for change in batch.changes:
            change.forget()
            size += _EACH + len(change.before or "") + len(change.after or "")
        self._batches.append((batch.changes, batch.snapshot, batch.snapshot != self._end, size))
        self._end = batch.snapshot
        self.bytes += size
        while self.bytes > MOST_BYTES and self._batches:
            self._let_go()

    def since(self, position: Position) -> list[Change] | None:
        """What a client at this position has not been given, in order; None when that reaches back too far."""
        if not position.base.covers(self._floor):
            return None
        found: list[Change] = []
        for changes, snapshot, is_last, _ in reversed(self._batches):
            if is_last and position.base.covers(snapshot):
                break
            found += [change for change in changes if not position.has(change)]
        found.sort(key=lambda change: change.seq)
        return found

    def _let_go(self) -> None:
        """Of a backlog that came in parts, all but the last carry the snapshot before it: they go together."""
        _, snapshot, _, size = self._batches.popleft()
        self.bytes -= size
        if snapshot == self._floor and self._batches:
            self._let_go()
        else:
            self._floor = snapshot
