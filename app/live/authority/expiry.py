"""Sessions that end by their time, which no change tells.

Owns: `Expiry`, a timer for each session that subscriptions read for. Always holds: the subscriptions of a session are looked
at anew in the moment it ends; whether it has ended is the database's to say, and where its clock is behind, they are looked
at again soon. May import live.membership.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.live.membership import Member

SOONEST = 1.0
"""Seconds until one is looked at again that should have ended by the clock of this process."""


@dataclass(slots=True)
class _Session:
    """When a session ends, and who reads for it."""

    ends: datetime
    timer: asyncio.TimerHandle
    members: dict[Member, None] = field(default_factory=dict)


class Expiry:
    """The subscriptions of sessions that have an end."""

    def __init__(self, look: Callable[[list[Member]], None]) -> None:
        self._look = look
        self._sessions: dict[str, _Session] = {}

    def add(self, member: Member) -> None:
        """Files a member by the session it reads for."""
        session_id, ends = member.caller.session_id, member.caller.expires_at
        if session_id is None or ends is None:
            return
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = _Session(ends, self._timer(session_id, ends))
        elif ends < session.ends:
            session.timer.cancel()
            session.ends, session.timer = ends, self._timer(session_id, ends)
        session.members[member] = None

    def remove(self, member: Member) -> None:
        """Forgets a member."""
        session_id = member.caller.session_id or ""
        session = self._sessions.get(session_id)
        if session is not None:
            session.members.pop(member, None)
            if not session.members:
                session.timer.cancel()
                del self._sessions[session_id]

    def _timer(self, session_id: str, ends: datetime) -> asyncio.TimerHandle:
        seconds = max((ends - datetime.now(UTC)).total_seconds(), SOONEST)
        return asyncio.get_running_loop().call_later(seconds, self._end, session_id)

    def _end(self, session_id: str) -> None:
        self._look(list(self._sessions.pop(session_id).members))
