"""What the live floor counts of itself, for whoever watches the server.

Owns: `Counters`, plain numbers that grow, and the buckets of the latency. Always holds: counting costs an addition; nothing
is computed before somebody asks. Pure.
"""

from bisect import bisect_left

LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; upper ends of the buckets, inclusive. What takes longer is in one more."""


class Counters:
    """Since the process started."""

    __slots__ = ("closed_slow", "coalesced", "latency_buckets", "latency_seconds", "replayed", "sent")

    def __init__(self) -> None:
        self.sent = 0
        """Events given to connections."""
        self.replayed = 0
        """Of them, those a subscription was behind with, resumed from a cursor."""
        self.coalesced = 0
        """Events whose place a newer state of the same object took."""
        self.closed_slow = 0
        """Connections closed because they fell too far behind."""
        self.latency_buckets = [0] * (len(LATENCY_BOUNDS) + 1)
        """Changes that somebody was told, by the seconds from the write until the sockets had them."""
        self.latency_seconds = 0.0

    def tell_latency(self, seconds: float) -> None:
        """Counts one change that was handed to the sockets so long after it was written."""
        self.latency_buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.latency_seconds += max(seconds, 0.0)
