"""How much one client may send.

Owns: `Limits` (what the settings allow one connection) and `Meter`, a token bucket for bytes and one for messages.
Always holds: a burst is paid for by quiet before it; the clock is the caller's. Pure; may import config.
"""

from dataclasses import dataclass

from app.config import Settings

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
