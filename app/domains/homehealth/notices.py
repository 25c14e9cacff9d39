"""Who hears of a change of plan: the words between desk and technicians, as alerts.

Owns: what is told to whom. Holds: an alert is raised in the transaction of the change, nobody is told of their own deed, and an
alert tells nothing that those it is for may not read themselves: a technician who lost a visit hears that it is gone, not where
it went. May import actions, core and rules.
"""

from typing import Final

from app.actions.alerts import Urgency, raise_alert
from app.actions.hooks import SaveEvent
from app.core.wire import Json
from app.domains.homehealth.rules import OFFICE, OVER
from app.domains.limits import instant, pointed

_ACCOUNT: Final = 'select "user" from "Technician" where "objectId" = $1'

_HEARD: Final = {"offered": "A visit is offered to you", "assigned": "A visit is yours", "cancelled": "Cancelled"}
"""What a technician is told when a visit gets this state."""


async def tell_of_job(event: SaveEvent) -> None:
    """To the technicians what becomes of their visits, to the dispatchers what needs another plan."""
    if not event.is_new and event.changed("technician"):
        was = event.original or {}
        words = f"A visit of yours was given to somebody else: {_time(was.get('scheduledTime'))}"
        await _tell_technician(event, was.get("technician"), words, "gone")
    state = event.object.get("status")
    if (event.changed("status") or event.changed("technician")) and state in _HEARD:
        await _tell_technician(event, event.object.get("technician"), f"{_HEARD[str(state)]}: {_what(event)}", str(state))
    elif not event.is_new and event.changed("scheduledTime") and state not in (*OVER, "open"):
        await _tell_technician(event, event.object.get("technician"), f"Moved: {_what(event)}", "moved")
    if event.changed("status"):
        await _tell_desk(event, (event.original or {}).get("status"), state)


async def tell_of_stock(event: SaveEvent) -> None:
    """To the coordinators that a part is down to its reorder level."""
    level, left, before = event.object.get("reorderLevel"), event.object.get("quantity"), (event.original or {}).get("quantity")
    if not isinstance(level, int | float) or not isinstance(left, int | float) or not isinstance(before, int | float):
        return
    if left <= level < before:
        words = f"{event.object.get('partName')}: {left:g} left, reorder at {level:g}"
        about = ("PartsInventory", event.object_id)
        await raise_alert(event, words, urgency="normal", kind="reorder", role="coordinator", about=about)


async def _tell_desk(event: SaveEvent, before: Json, after: Json) -> None:
    urgency: Urgency = "critical" if after == "no_show" else "high"
    by_office = event.caller.is_master or bool(event.caller.authority.roles & OFFICE)
    declined = (before, after) == ("offered", "open") and not by_office
    if after == "no_show" or declined:
        words = "Nobody opened the door" if after == "no_show" else "The offer was declined"
        kind, about = ("no_show" if after == "no_show" else "declined"), ("Job", event.object_id)
        await raise_alert(event, f"{words}: {_what(event)}", urgency=urgency, kind=kind, role="dispatcher", about=about)


async def _tell_technician(event: SaveEvent, technician: Json, words: str, kind: str) -> None:
    account = await event.tx.fetchval(_ACCOUNT, pointed(technician))
    if account is not None and account != event.caller.user_id:
        about = ("Job", event.object_id)
        await raise_alert(event, words, urgency="normal", kind=kind, recipient=account, about=about)


def _what(event: SaveEvent) -> str:
    who = event.object.get("clientName") or event.object.get("description")
    return f"{who}, {_time(event.object.get('scheduledTime'))}"


def _time(value: Json) -> str:
    moment = instant(value)
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
