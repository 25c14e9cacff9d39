"""One client of the stream: what waits to be sent to it in this tick, and its budget.

Owns: `Outlet` (what a transport must be able to do), `Connection`, the cursor on each frame, and the byte budget.
Always holds: nothing here waits; a client that does not read is closed with the cursor behind what it was given, and
delays nobody. May import live.
"""

from typing import Generic, TypeVar
from typing import Protocol as Interface

from app.live.counters import Counters
from app.live.position import Run
from app.live.protocol import Protocol, RequestId

M = TypeVar("M")
"""What a connection keeps for each of its subscriptions; it knows nothing of it."""

HARD_MARK = 1024 * 1024
"""Bytes that may wait for one client, beside the answers it asked for."""

TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001
SERVICE_RESTART = 1012
_LONGEST_REASON = 123


class Outlet(Interface):
    """A transport that keeps frames in order and never makes the sender wait."""

    def send(self, frames: list[bytes]) -> None:
        """Queues text frames."""

    def buffered(self) -> int:
        """Bytes queued here that the socket has not taken yet."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Closes after what is queued."""


class Connection(Generic[M]):
    """A client, its subscriptions by request id, and its outbox."""

    __slots__ = (
        "_allowance",
        "_counters",
        "_frames",
        "_outlet",
        "_seqs",
        "floor",
        "is_open",
        "members",
        "protocol",
        "sent_at",
        "settling",
    )

    def __init__(self, protocol: Protocol, outlet: Outlet, counters: Counters) -> None:
        self.protocol = protocol
        self.members: dict[RequestId, M] = {}
        self.floor: str | None = None
        """While one of its members is settled: up to where all of its subscriptions were told everything."""
        self.settling = 0
        """How many of its members are being settled."""
        self.is_open = True
        self.sent_at = 0.0
        self._outlet = outlet
        self._counters = counters
        self._allowance = 0
        self._frames: list[bytes] = []
        self._seqs: list[int] = []

    def push(self, head: bytes, tail: bytes, seq: int) -> None:
        """Adds an event of the change `seq` to this tick; `flush` finishes it."""
        self._frames.append(head + tail)
        self._seqs.append(seq)

    @property
    def has_outbox(self) -> bool:
        return bool(self._frames)

    def flush(self, run: Run) -> None:
        """Sends the tick in one go. The cursor on an event speaks for the subscription of that event."""
        frames, seqs = self._frames, self._seqs
        self._frames, self._seqs = [], []
        if not self.is_open:
            return
        if self._is_full():
            self.close_behind(run.start)
            return
        if self.protocol.cursors:
            last = len(frames) - 1
            for index, frame in enumerate(frames):
                cursor = run.end if index == last else run.up_to(seqs[index])
                frames[index] = b'%s,"cursor":"%s"}' % (frame, cursor.encode())
        else:
            frames = [frame + b"}" for frame in frames]
        self._outlet.send(frames)

    def send(self, frame: bytes, *, asked_for: bool = False) -> None:
        """Sends a frame that is no event. `asked_for`: an answer as large as the client chose does not count against it."""
        if not self.is_open:
            return
        if asked_for:
            self._allowance += len(frame)
        self._outlet.send([frame])

    def close_behind(self, cursor: str) -> None:
        """Closes a client that cannot be kept up to date; the reason carries where it can resume."""
        self._counters.closed_slow += self.is_open
        self.close(TRY_AGAIN_LATER, _reason(self.floor or cursor))

    def close(self, code: int, reason: str) -> None:
        """Closes once; nothing is sent afterwards."""
        if self.is_open:
            self.is_open = False
            self._outlet.close(code, reason)

    def _is_full(self) -> bool:
        waiting = self._outlet.buffered()
        if waiting <= HARD_MARK:
            self._allowance = 0
            return False
        return waiting > HARD_MARK + self._allowance


def _reason(cursor: str) -> str:
    reason = f"cursor={cursor}"
    return reason if len(reason) <= _LONGEST_REASON else "cursor too long; resume from the last one you have"
