"""What a write in oxygen delivery brings with it: a refill or a pressure check sets its tank, in the same transaction.

Owns: the hooks that call the checks of `rules.py`, and `install`. Holds: the tank is locked before its reading is judged, so
of two readings the newer one stays whatever the order they arrive in; an older one is kept as history. May import actions and
the files of this domain.
"""

from typing import Final

from app.actions.hooks import Hooks, Next, SaveEvent, SaveHandler
from app.actions.objects import Objects
from app.core.wire import Object, date_to_wire
from app.domains.domain import invalid
from app.domains.guard import EFFECTS, Clock, as_master, guard_class
from app.domains.limits import instant, pointed
from app.domains.oxygen.rules import (
    GRANTS,
    ONE_PRIMARY,
    ONE_PRIMARY_SENTENCE,
    PARENTS_FIRST,
    TANK_STATES,
    check_fill_allowed,
    check_not_ahead,
    check_team,
    is_newest_reading,
)
from app.errors import ErrorCode
from app.store.refusals import register_sentence

_LOCK_TANK: Final = """
select "objectId", "lastCheckedAt", "requalificationDue" from "TankAssignment" where "objectId" = $1 for no key update
"""


def install(hooks: Hooks, objects: Objects) -> None:
    """Puts the domain's rules around the writes of its classes."""
    register_sentence(ONE_PRIMARY, ONE_PRIMARY_SENTENCE, ErrorCode.DUPLICATE_VALUE)
    for class_name in PARENTS_FIRST:
        guard_class(hooks, class_name, GRANTS, (TANK_STATES,), objects.clock)
    hooks.on_save("PatientSite", _save_site, id="oxygen.site", priority=EFFECTS)
    hooks.on_save("TankAssignment", _saving_tank(objects.clock), id="oxygen.reading", priority=EFFECTS)
    hooks.on_save("RefillLog", _saving_refill(objects.clock), id="oxygen.refill", priority=EFFECTS)
    hooks.on_save("DispatchEvent", _saving_event(objects.clock), id="oxygen.check", priority=EFFECTS)


async def _save_site(event: SaveEvent, go_on: Next) -> None:
    check_team(event.object)
    await go_on()


def _saving_tank(clock: Clock) -> SaveHandler:
    async def save_tank(event: SaveEvent, go_on: Next) -> None:
        """A pressure that is written without its time was read now; a new tank's was read nobody knows when.

        The same pressure again is a reading too, and the same time again is a time told: the row is written either way.
        """
        if not event.is_new and "psiLevel" in event.body:
            told = event.object.get("lastCheckedAt") if "lastCheckedAt" in event.body else None
            event.set("lastCheckedAt", told or date_to_wire(clock()))
        check_not_ahead("lastCheckedAt", event.object.get("lastCheckedAt"), clock())
        await go_on()

    return save_tank


def _saving_refill(clock: Clock) -> SaveHandler:
    async def save_refill(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead("refillTime", event.object.get("refillTime"), clock())
        if not (event.changed("psiAfter") or event.changed("refillTime") or event.changed("tankAssignment")):
            await go_on()
            return
        tank = await _lock_tank(event)
        filled_at = instant(event.object.get("refillTime"))
        if filled_at is not None:
            check_fill_allowed(tank, filled_at)
        await go_on()
        await _read_tank(event, tank, "psiAfter", "refillTime")

    return save_refill


def _saving_event(clock: Clock) -> SaveHandler:
    async def save_event(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead("eventTime", event.object.get("eventTime"), clock())
        told = event.changed("psiLevel") or event.changed("eventTime") or event.changed("tankAssignment")
        tank = await _lock_tank(event) if event.object.get("psiLevel") is not None and told else None
        await go_on()
        if tank is not None:
            await _read_tank(event, tank, "psiLevel", "eventTime")

    return save_event


async def _lock_tank(event: SaveEvent) -> Object:
    """What a reading must know of its tank, the tank locked for the rest of the transaction. Raises 142 when there is none."""
    row = await event.tx.fetchrow(_LOCK_TANK, pointed(event.object.get("tankAssignment")))
    if row is None:
        raise invalid("tankAssignment: there is no TankAssignment with that objectId.")
    dates = {name: row[name] for name in ("lastCheckedAt", "requalificationDue")}
    return {"objectId": row["objectId"]} | {name: date_to_wire(at) for name, at in dates.items() if at is not None}


async def _read_tank(event: SaveEvent, tank: Object, psi: str, time: str) -> None:
    """Writes the reading to the tank, if no newer one is known."""
    read_at = instant(event.object.get(time))
    if read_at is None or not is_newest_reading(read_at, tank):
        return
    reading: Object = {"psiLevel": event.object[psi], "lastCheckedAt": event.object[time]}
    await event.objects.update(as_master(event.caller), "TankAssignment", str(tank["objectId"]), reading, tx=event.tx)
