"""A moment of the database, as Postgres names it, and the cursor a client keeps of it.

Owns: `Snapshot` (pg_snapshot) and the text of a cursor. Holds: `sees(xid)` is exactly `pg_visible_in_snapshot`, so a change
belongs before or after a snapshot, never both and never neither; a cursor of another database, or of this one before it was
restored or crashed, is recognised as foreign. Pure; imports nothing of the project.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

_TEXT = re.compile(r"\d+:\d+:(\d+(,\d+)*)?")
_VERSION = "1"

_END = 2**63
"""No transaction is numbered so high; a number that Postgres cannot read would fail each time it is tried."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which transactions had committed: all below `xmin`, and those below `xmax` that are not `running`."""

    xmin: int
    xmax: int
    running: frozenset[int]
    _ascending: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ascending", tuple(sorted(self.running)))

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """From Postgres's text, `xmin:xmax:xip,xip…`; ValueError for any other."""
        if not _TEXT.fullmatch(text):
            raise ValueError("not a snapshot")
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(xid) for xid in running.split(",") if xid))

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self._ascending))}"

    @property
    def is_one(self) -> bool:
        """Whether the numbers are those of a moment: whoever made them up, Postgres could have said them."""
        return 0 < self.xmin <= self.xmax < _END and all(self.xmin <= xid < self.xmax for xid in self.running)

    def sees(self, xid: int) -> bool:
        """Whether the transaction had ended by then, so that its changes were visible or will never be."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)

    def covers(self, other: "Snapshot") -> bool:
        """Whether everything that `other` sees is seen here too: this one is the same moment or a later one.

        However long a cursor that somebody made up may be, it costs no more steps than transactions run in `other`.
        """
        if other.xmax - self.xmax > len(other.running):
            return False
        for xid in self._ascending:
            if xid >= other.xmax:
                break
            if other.sees(xid):
                return False
        return not any(map(other.sees, range(self.xmax, other.xmax)))


def to_cursor(feed_id: str, snapshot: Snapshot) -> str:
    """The cursor of a moment, an opaque word to a client."""
    text = base64.urlsafe_b64encode(str(snapshot).encode()).decode().rstrip("=")
    return f"{_VERSION}.{feed_id}.{text}"


def parse_cursor(text: str, feed_id: str) -> Snapshot | None:
    """The moment of a cursor; None when it is not one of this feed, or none at all, so that its owner must begin anew."""
    version, _, rest = text.partition(".")
    owner, _, encoded = rest.partition(".")
    if version != _VERSION or owner != feed_id:
        return None
    try:
        snapshot = Snapshot.parse(
            base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode("ascii")
        )
    except (ValueError, binascii.Error):
        return None
    return snapshot if snapshot.is_one else None
