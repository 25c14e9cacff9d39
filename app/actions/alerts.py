"""Alerts: what somebody must look at, and their word that they did.

Owns: `raise_alert` and the rules of `Alert`. Holds: an alert is raised in the transaction of what it is about, so neither is
there without the other; of one kind about one object for the same people only one is open; whom it is for may acknowledge,
snooze or hand it on, in their own name, and change nothing else. May import core and store.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from app.actions.hooks import Hooks, Next, SaveEvent
from app.core.wire import Json, Object, date_to_wire, pointer
from app.errors import ErrorCode, ParseError

Urgency = Literal["critical", "high", "normal"]

_ANSWER = frozenset({"acknowledgedAt", "acknowledgedBy", "snoozedUntil", "reason", "escalatedTo"})


async def raise_alert(
    event: SaveEvent,
    message: str,
    *,
    urgency: Urgency,
    kind: str,
    about: tuple[str, str],
    role: str | None = None,
    recipient: str | None = None,
) -> None:
    """Raises an alert in the transaction of a write, for one account (objectId) or for everybody of a role.

    `about` is the class and objectId it is about. The message may tell only what those it is for may read anyway.
    """
    if (role is None) == (recipient is None):
        raise ValueError("An alert is for one role or for one account.")
    ask = "select careboard.raise_alert($1, $2, $3, $4, $5, $6, $7)"
    await event.tx.execute(ask, message, urgency, role, recipient, *about, kind)


def install(hooks: Hooks, clock: Callable[[], datetime]) -> None:
    """Puts the rules of `Alert` in front of its saves."""

    async def save(event: SaveEvent, go_on: Next) -> None:
        if not event.caller.is_master:
            _check_answer(event)
        if (event.changed("acknowledgedAt") or event.changed("acknowledgedBy")) and event.caller.user_id is not None:
            # The moment is the server's, so that nobody acknowledges before it was raised.
            event.set("acknowledgedAt", date_to_wire(clock()))
            event.set("acknowledgedBy", pointer("_User", event.caller.user_id))
        if event.changed("escalatedTo"):
            event.set("ACL", _with_reader(event.object.get("ACL"), event.object.get("escalatedTo")))
        await go_on()

    hooks.on_save("Alert", save, id="careboard.alert", priority=-1000)


def _check_answer(event: SaveEvent) -> None:
    if other := sorted(event.changes.keys() - _ANSWER - {"updatedAt"}):
        words = f"Alert.{other[0]} is the server's; write acknowledgedAt, snoozedUntil, reason or escalatedTo."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    acknowledges = event.changed("acknowledgedAt") or event.changed("acknowledgedBy")
    if (event.original or {}).get("acknowledgedAt") is not None and acknowledges:
        raise ParseError(ErrorCode.VALIDATION_ERROR, "acknowledgedAt: this alert was acknowledged already; it stays as it was.")


def _with_reader(acl: Json, person: Json) -> Object:
    """The ACL, open to one more account."""
    known = acl if isinstance(acl, dict) else {}
    return known | ({str(person["objectId"]): {"read": True, "write": True}} if isinstance(person, dict) else {})
