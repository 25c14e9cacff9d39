"""One client of the stream: what waits to be sent to it in this tick, and its budget.

Owns: `Outlet` (what a transport must be able to do), `Connection`, the cursor on each frame, the byte budget, and the
marks that a client acknowledges without knowing of cursors. Always holds: nothing here waits; past the soft mark a
client is told the newest state of each object instead of every change, past the hard mark it is closed with the
cursor behind what it was given; it delays nobody. May import live.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from typing import Protocol as Interface

from app.live.counters import Counters
from app.live.outbox import Backlog, Kept, News, Source, Step, Tail
from app.live.protocol import Protocol, RequestId, progress_frame
from app.live.resuming.position import Run, partly, shorten

M = TypeVar("M")
"""What a connection keeps for each of its subscriptions; it knows nothing of it."""

SOFT_MARK = 256 * 1024
"""Bytes that may wait in the transport; what comes then waits here, merged."""

HARD_MARK = 1024 * 1024
"""Bytes that may wait for one client, beside the answers it asked for."""

TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001
SERVICE_RESTART = 1012
POLICY_VIOLATION = 1008
_LONGEST_REASON = 123
_MOST_MARKS = 16


_Outgoing = tuple[Source, str, Tail, int]
"""News, as long as nothing has to be merged: an event for one of 500 readers is made in little time."""


Sending = tuple[Callable[[Any], None], Any]
"""What is to be called, and with what."""

Prepare = Callable[[list[bytes]], Sending]
"""Makes frames ready, so that sending them is one call of the transport."""


class Outlet(Interface):
    """A transport that keeps frames in order and never makes the sender wait.

    It calls the connection's `resume` when it has taken what was queued; one that does not is asked from time to time.
    """

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
        "_backlog",
        "_begun",
        "_behind",
        "_buffered",
        "_counters",
        "_last_mark",
        "_marks",
        "_outbox",
        "_outlet",
        "_prepare",
        "acknowledged",
        "coalesced",
        "floor",
        "is_open",
        "members",
        "protocol",
        "sent_at",
    )

    def __init__(self, protocol: Protocol, outlet: Outlet, counters: Counters, prepare: Prepare | None = None) -> None:
        """`prepare` is for frames that name no file, where the outlet has a shorter way for those."""
        self.protocol = protocol
        self.members: dict[RequestId, M] = {}
        self.floor: str | None = None
        """While one of its members is settled: up to where all of its subscriptions were told everything."""
        self._behind: dict[object, None] = {}
        """Those of its members that are."""
        self.is_open = True
        self.sent_at = 0.0
        """When a client with cursors was told something."""
        self.coalesced = 0
        """Events it was not told because a later one said it all."""
        self._last_mark = 0
        self.acknowledged: tuple[int, str] | None = None
        """The last mark that came back, and the cursor it stands for."""
        self._outlet = outlet
        self._buffered = outlet.buffered
        self._prepare: Prepare = prepare or (lambda frames: (outlet.send, frames))
        self._counters = counters
        self._allowance = 0
        self._outbox: list[_Outgoing] = []
        self._backlog: Backlog | None = None
        self._marks: deque[tuple[int, str]] | None = None
        self._begun: dict[RequestId, tuple[int, str]] = {}
        """By request id: the last mark before its subscription was answered, and the cursor it began at."""

    # ---- events

    def tell(self, source: Source, op: str, tail: Tail, seq: int) -> None:
        """Adds an event of the change `seq` to this tick; `flush` finishes it."""
        self._outbox.append((source, op, tail, seq))

    def push(self, head: bytes, tail: bytes, seq: int, kept: Kept, *, is_whole: bool = True) -> None:
        """Adds a change of a kept result, which is never merged with another. `is_whole` False: more of it follows."""
        self._outbox.append((Step(head, kept, is_whole=is_whole), "", Tail(tail), seq))

    def settle(self, member: object, cursor: str) -> None:
        """A member is told nothing for a while; its client has everything up to the cursor."""
        self._behind[member] = None
        if self.floor is None:
            self.floor = cursor

    def settled(self, member: object) -> None:
        """A member was told what it had to wait for, or has ended."""
        self._behind.pop(member, None)
        if not self._behind:
            self.floor = None

    @property
    def has_outbox(self) -> bool:
        return bool(self._outbox)

    def pass_on(self, head: bytes, tail: Tail, later: list[Sending]) -> bool:
        """Makes the only event of a tick ready; False where that takes more: then it goes into the outbox."""
        if self._backlog is not None or self.protocol.cursors or not self.is_open or self._buffered() > SOFT_MARK:
            return False
        self._allowance = 0
        frames = [head + tail.closed]
        later.append(self._prepare(frames) if tail.is_bare else (self._outlet.send, frames))
        return True

    def flush(self, run: Run, *, in_stream: bool = True, later: list[Sending] | None = None) -> int:
        """Sends the tick in one go and returns how many events it has. The cursor on each speaks for its subscription.

        `in_stream` False: a run of one subscription, which need not begin where the stream stands; it is sent whole.
        `later`: what need not wait in the backlog is put there, and sent by who gave it before anything else happens.
        """
        news, self._outbox = self._outbox, []
        if not self.is_open:
            return 0
        waiting = self._buffered()
        if in_stream and waiting <= SOFT_MARK and self._backlog is None:
            self._allowance = 0
            frames = self._frames(news, run)
            if len(frames) > 1 and sum(map(len, frames)) > SOFT_MARK:
                self._send_parts(news, frames, run)
            elif later is None:
                self._outlet.send(frames)
            else:
                is_bare = all(tail.is_bare for _, _, tail, _ in news)
                later.append(self._prepare(frames) if is_bare else (self._outlet.send, frames))
        elif self._is_full(waiting):
            self.close_behind(run.start)
        elif not in_stream:
            self._send_backlog()
            frames = self._frames(news, run)
            if not self._behind:
                self._allowance += sum(map(len, frames))
            self._outlet.send(frames)
        else:
            self._keep(news, run)
            self.resume()
        return len(news)

    def resume(self) -> None:
        """Sends on what waits, as far as the transport takes it."""
        while (backlog := self._backlog) is not None and self.is_open:
            room = SOFT_MARK - self._buffered()
            if room <= 0:
                return
            self._send(backlog, room)

    def forget(self, request_id: RequestId, source: Source) -> None:
        """Leaves out what was to be told to a subscription that has ended."""
        self._begun.pop(request_id, None)
        if self._backlog is not None:
            self._backlog.forget(source)
            self._end_backlog(self._backlog)

    def _frames(self, news: list[_Outgoing], run: Run) -> list[bytes]:
        if not self.protocol.cursors:
            return [source.head(op) + tail.closed for source, op, tail, _ in news]
        last = len(news) - 1
        frames: list[bytes] = []
        for index, (source, op, tail, seq) in enumerate(news):
            if tail.object_id is None and _is_partial(source):
                frames.append(source.head(op) + run.close_partly(tail.open))
            else:
                frames.append(source.head(op) + run.close(tail, tail.open, None if index == last else seq))
        return frames

    def _send_parts(self, news: list[_Outgoing], frames: list[bytes], run: Run) -> None:
        """A tick that is larger than the soft mark: from where the transport takes no more it waits here."""
        size = begin = 0
        for index, frame in enumerate(frames):
            size += len(frame)
            if size < SOFT_MARK and index < len(frames) - 1:
                continue
            self._outlet.send(frames[begin : index + 1])
            size, begin = 0, index + 1
            if begin < len(frames) and self._buffered() > SOFT_MARK:
                self._keep(news[begin:], run)
                self._begin_at(run, news[:begin], news[begin])
                return

    def _begin_at(self, run: Run, told: list[_Outgoing], first: _Outgoing) -> None:
        """The first part of a run was told, and the rest waits from `first` on."""
        backlog = self._backlog
        if backlog is None or self.floor is not None:
            return
        if any(isinstance(source, Step) for source, *_ in (*told, first)):  # half of what belongs together may be among them
            backlog.has_told = True
            return
        backlog.base = run.up_to(first[3] - 1)
        backlog.has_told = told[-1][3] == first[3]

    def _keep(self, news: list[_Outgoing], run: Run) -> None:
        backlog = self._backlog
        if backlog is None:
            backlog = self._backlog = Backlog(self.floor or run.start)
            backlog.has_told = self.floor is not None
        for each in news:
            backlog.add(News._make(each))
        backlog.end = run.end
        self._end_backlog(backlog)

    def _send_backlog(self) -> None:
        if self._backlog is not None:
            self._send(self._backlog, self._backlog.bytes + 1)

    def _send(self, backlog: Backlog, room: int) -> None:
        """Only the last event behind which nothing waits carries the cursor behind it all; more rather than less."""
        news = list(backlog.take(room))
        frames = [source.head(op) + (tail.open if self.protocol.cursors else tail.closed) for source, op, tail, _ in news]
        if self.protocol.cursors:
            for index, frame in enumerate(frames):
                is_last = index == len(frames) - 1 and not backlog
                cursor = backlog.end if is_last else backlog.base
                source = news[index].source
                if not is_last or _is_partial(source):
                    cursor, backlog.has_told = partly(backlog.base), True
                frames[index] = b'%s,"cursor":"%s"}' % (frame, cursor.encode())
        self._end_backlog(backlog)
        if frames:
            self._outlet.send(frames)

    def _end_backlog(self, backlog: Backlog) -> None:
        self.coalesced += backlog.coalesced
        self._counters.coalesced += backlog.coalesced
        backlog.coalesced = 0
        if not backlog:
            self._backlog = None

    # ---- everything else

    def send(self, frame: bytes, *, asked_for: bool = False) -> None:
        """Sends a frame that is no event. `asked_for`: an answer as large as the client chose does not count against it."""
        if not self.is_open:
            return
        if asked_for:
            self._allowance += len(frame)
        self._send_backlog()
        self._outlet.send([frame])

    def send_progress(self, cursor: str) -> None:
        """Tells how far the stream is, to one who knows cursors and is behind in nothing."""
        if self.protocol.cursors and self.floor is None and self._backlog is None:
            self.send(progress_frame(cursor))

    def close_behind(self, cursor: str) -> None:
        """Closes a client that cannot be kept up to date; the reason carries where it can resume.

        A reason holds 123 bytes. A cursor that is longer goes before it in a frame, and the reason carries an earlier
        one: who resumes from that is told some of it again.
        """
        if not self.is_open:
            return
        self._counters.closed_slow += 1
        backlog = self._backlog
        cursor = self.floor or (backlog.base if backlog is not None else cursor)
        if self.floor or (backlog is not None and backlog.has_told):
            cursor = partly(cursor)  # some was told further than that
        self._backlog = None
        reason = f"cursor={cursor}"
        if len(reason) > _LONGEST_REASON:
            if self.protocol.cursors:
                self._outlet.send([progress_frame(cursor)])
            reason = f"cursor={shorten(cursor)}"
        self.close(TRY_AGAIN_LATER, reason)

    def close(self, code: int, reason: str) -> None:
        """Closes once; nothing is sent afterwards."""
        if self.is_open:
            self.is_open = False
            self._backlog = None
            self._outlet.close(code, reason)

    def _is_full(self, waiting: int) -> bool:
        if waiting <= SOFT_MARK:
            self._allowance = 0
        return waiting + (self._backlog.bytes if self._backlog is not None else 0) > HARD_MARK + self._allowance

    # ---- marks: for clients that know nothing of cursors

    @property
    def is_marked(self) -> bool:
        """Whether marks are of use to this client."""
        return not self.protocol.cursors and self.protocol.installation_id is not None

    def mark(self, cursor: str) -> int:
        """A number for this moment of the stream; when it comes back, the client has all that was sent before."""
        if self._marks is None:
            self._marks = deque(maxlen=_MOST_MARKS)
        self._last_mark += 1
        told = self.floor or (self._backlog.base if self._backlog is not None else cursor)
        self._marks.append((self._last_mark, told))
        return self._last_mark

    def acknowledge(self, mark: int) -> None:
        """A mark came back, and with it all before it."""
        while self._marks and self._marks[0][0] <= mark:
            self.acknowledged = self._marks.popleft()

    def begin(self, request_id: RequestId, cursor: str) -> None:
        """A subscription was answered, and its events follow on this cursor."""
        if self.is_marked:
            self._begun[request_id] = (self._last_mark, cursor)

    def told(self, request_id: RequestId) -> str | None:
        """The cursor up to which the client has been told of this subscription for sure; None before it was answered."""
        begun = self._begun.get(request_id)
        if begun is None:
            return None
        mark, cursor = begun
        if self.acknowledged is not None and self.acknowledged[0] > mark:
            return self.acknowledged[1]
        return cursor


def _is_partial(source: Source) -> bool:
    return isinstance(source, Step) and source.is_partial
