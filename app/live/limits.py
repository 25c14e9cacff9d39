"""How much one client may send, and how many may come from one place.

Owns: `Limits` (what the settings allow one connection), `Meter`, a token bucket for bytes and one for messages, and `Guests`,
the connections of each address. Always holds: a burst is paid for by quiet before it; the clock is the caller's; an event costs
nothing here. Pure; may import config and core.
"""

from dataclasses import dataclass

from app.config import Settings
from app.core.addresses import is_loopback

BURST_SECONDS = 20.0
"""A client that was quiet so long may send that much at once: a board that comes back asks for all its queries."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may ask of the server."""

    queries: int
    messages_per_second: int
    bytes_per_second: int


def limits_of(settings: Settings) -> Limits:
    """The limits these settings say."""
    return Limits(settings.live_queries, settings.live_messages_per_second, settings.live_bytes_per_second)


class Meter:
    """What one connection has left of its messages and bytes."""

    __slots__ = ("_at", "_bytes", "_limits", "_messages")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._messages = limits.messages_per_second * BURST_SECONDS
        self._bytes = limits.bytes_per_second * BURST_SECONDS
        self._at = now

    def take(self, size: int, now: float) -> str | None:
        """Pays for one message; the sentence for the client when it cannot."""
        passed, self._at = now - self._at, now
        limits = self._limits
        self._messages = min(self._messages + passed * limits.messages_per_second, limits.messages_per_second * BURST_SECONDS)
        self._bytes = min(self._bytes + passed * limits.bytes_per_second, limits.bytes_per_second * BURST_SECONDS)
        if self._messages < 1:
            return f"Too many messages: {limits.messages_per_second} a second are allowed; send them more slowly."
        if self._bytes < size:
            return f"Too many bytes: {limits.bytes_per_second} a second are allowed; send less."
        self._messages -= 1
        self._bytes -= size
        return None


class Guests:
    """How many connections each address has. This very machine may have any number: tools are there, and proxies that name
    nobody."""

    __slots__ = ("_most", "_open", "turned_away")

    def __init__(self, most: int) -> None:
        """`most`: 0 is no limit."""
        self._most = most
        self._open: dict[str, int] = {}
        self.turned_away = 0

    def enter(self, address: str) -> str | None:
        """Counts a connection, for which `leave` is called once; the sentence for one that is not let in, and not counted."""
        here = self._open.get(address, 0)
        if self._most and here >= self._most and address and not is_loopback(address):
            self.turned_away += 1
            return f"One address may have {self._most} live connections; close some, or come back later."
        self._open[address] = here + 1
        return None

    def leave(self, address: str) -> None:
        """A connection that was let in has ended."""
        left = self._open[address] - 1
        if left:
            self._open[address] = left
        else:
            del self._open[address]
