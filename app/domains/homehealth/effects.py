"""What a write in home health brings with it: clock times of a visit, parts taken, who hears of it; in the same transaction.

Owns: the hooks that call the checks of `rules.py`, and `install`. Holds: a visit is locked before its technician is judged, and
parts are taken in one order, so that of two who race one wins and the other is told why, with nothing half done; who must hear of
a change of plan is told in the transaction of the change. May import actions and the files of this domain.
"""

from typing import Final

from app.actions.hooks import Hooks, Next, SaveEvent, SaveHandler
from app.actions.objects import Objects
from app.core.wire import UNSET, Json, date_to_wire
from app.domains.domain import forbidden, invalid
from app.domains.guard import BEFORE_REQUIRED, EFFECTS, Clock, as_master, guard_class
from app.domains.homehealth.notices import tell_of_job, tell_of_stock
from app.domains.homehealth.rules import (
    GRANTS,
    JOB_STATES,
    OFFICE,
    PARENTS_FIRST,
    POSITION_FRESH,
    check_handover,
    check_not_ahead,
    check_own_availability,
    check_takes,
    parts_taken,
)
from app.domains.limits import instant, pointed

BEFORE_MATRIX: Final = BEFORE_REQUIRED - 10

_LOCK_JOB: Final = """
select "technician", "startedAt", "endedAt" from "Job" where "objectId" = $1 for no key update
"""
_LOCK_PARTS: Final = """
select "objectId" from "PartsInventory" where "objectId" = any($1::text[]) and "job" = $2 order by "objectId" for no key update
"""
_SEEN: Final = """
select "locationAt" as at, "location"[0] as longitude, "location"[1] as latitude from "Technician"
where "objectId" = $1 and "location" is not null
"""
_VERIFYING: Final = """
select exists (select from "ServiceLog" where "job" = $1 and "verification" in ('complete', 'out_of_area'))
"""


def install(hooks: Hooks, objects: Objects) -> None:
    """Puts the domain's rules around the writes of its classes."""
    for class_name in PARENTS_FIRST:
        guard_class(hooks, class_name, GRANTS, (JOB_STATES,), objects.clock)
    hooks.on_save("Technician", _drop_echo, id="homehealth.echo", priority=BEFORE_MATRIX)
    hooks.on_save("PartsInventory", _drop_echo, id="homehealth.echo", priority=BEFORE_MATRIX)
    hooks.on_save("Technician", _saving_technician(objects.clock), id="homehealth.technician", priority=EFFECTS)
    hooks.on_save("Job", _saving_job(objects.clock), id="homehealth.visit", priority=EFFECTS)
    hooks.on_save("PartsInventory", _save_part, id="homehealth.part", priority=EFFECTS)
    hooks.on_save("ServiceLog", _saving_log(objects.clock), id="homehealth.log", priority=EFFECTS)


async def _drop_echo(event: SaveEvent, go_on: Next) -> None:
    """A derived value that is told as the server will compute it anyway is no attempt to set it."""
    quantity = event.object.get("quantity")
    truth: dict[str, Json] = {"availability": isinstance(quantity, int | float) and quantity > 0}
    if event.class_name == "Technician":
        truth = {"assignedJobs": []} if event.is_new else {}
    for name, value in truth.items():
        if name in event.changes and event.object.get(name) == value:
            del event.changes[name], event.object[name]
    await go_on()


def _saving_technician(clock: Clock) -> SaveHandler:
    async def save_technician(event: SaveEvent, go_on: Next) -> None:
        if not event.is_new and event.changed("availability") and not event.caller.is_master:
            check_own_availability(event.object, event.caller.user_id)
        if event.changed("location") and "locationAt" not in event.body:
            event.set("locationAt", date_to_wire(clock()) if event.object.get("location") is not None else UNSET)
        check_not_ahead(event.object, ("locationAt",), clock())
        await go_on()

    return save_technician


def _saving_job(clock: Clock) -> SaveHandler:
    async def save_job(event: SaveEvent, go_on: Next) -> None:
        before = (event.original or {}).get("status")
        if not event.is_new and event.changed("technician"):
            check_handover(event.object.get("status"))
        if event.changed("status"):
            await _step(event, before, clock)
        await go_on()
        await tell_of_job(event)

    return save_job


async def _step(event: SaveEvent, before: Json, clock: Clock) -> None:
    """The clock times of a visit: begun, ended, and begun anew when another technician takes over."""
    match event.object.get("status"):
        case "in_progress" if before != "on_hold":
            event.set("startedAt", date_to_wire(clock()))
        case "done":
            event.set("endedAt", date_to_wire(clock()))
        case "assigned" if before == "on_hold":
            event.set("startedAt", UNSET)
        case "verified" if not await event.tx.fetchval(_VERIFYING, event.object_id):
            raise invalid(
                "status: done cannot become verified because no ServiceLog of this visit tells startedAt, endedAt and location; "
                "record one first."
            )


async def _save_part(event: SaveEvent, go_on: Next) -> None:
    if not event.caller.is_master and not event.caller.authority.roles & OFFICE and "quantity" in event.body:
        check_takes(event.body["quantity"])
    await go_on()
    await tell_of_stock(event)


def _saving_log(clock: Clock) -> SaveHandler:
    async def save_log(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead(event.object, ("serviceTime", "startedAt", "endedAt"), clock())
        if event.is_new:
            await _join_job(event)
        elif event.changed("partsUsed"):
            raise invalid("partsUsed: what was taken stays taken; correct the quantity of the part.")
        await go_on()
        if event.is_new:
            await _take_parts(event)

    return save_log


async def _join_job(event: SaveEvent) -> None:
    """A log tells the visit's own clock times where the sender told none; an aide logs visits of theirs alone."""
    row = await event.tx.fetchrow(_LOCK_JOB, pointed(event.object.get("job")))
    own = row is not None and row["technician"] == pointed(event.object.get("technician"))
    if not own and not event.caller.is_master and not event.caller.authority.roles & OFFICE:
        raise forbidden("job: there is none with that objectId that is assigned to you; ask a dispatcher to assign it.")
    for name in ("startedAt", "endedAt"):
        if row is not None and row[name] is not None and event.object.get(name) is None:
            event.set(name, date_to_wire(row[name]))
    if event.object.get("location") is None:
        await _set_place(event)


async def _set_place(event: SaveEvent) -> None:
    """Where the technician was last seen, if that is fresh; an older place says nothing about this visit."""
    row = await event.tx.fetchrow(_SEEN, pointed(event.object.get("technician")))
    at = instant(event.object.get("serviceTime"))
    if row is not None and row["at"] is not None and at is not None and abs(at - row["at"]) <= POSITION_FRESH:
        event.set("location", {"__type": "GeoPoint", "latitude": row["latitude"], "longitude": row["longitude"]})


async def _take_parts(event: SaveEvent) -> None:
    """Takes what the visit used from the parts that are set aside for it."""
    taken = parts_taken(event.object.get("partsUsed"))
    if not taken:
        return
    known = await event.tx.fetch(_LOCK_PARTS, [each.part for each in taken], pointed(event.object.get("job")))
    if len(known) < len(taken):
        raise invalid("partsUsed: name parts that are set aside for this visit (PartsInventory.job); one of these is not.")
    caller = as_master(event.caller)
    for each in taken:
        less: Json = {"__op": "Increment", "amount": -each.amount}
        await event.objects.update(caller, "PartsInventory", each.part, {"quantity": less}, tx=event.tx)
