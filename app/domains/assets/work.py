"""Work on an asset: plans, maintenance logs, and when the next service is due.

Owns: the hooks around MaintenanceLog and MaintenancePlan, and taking an asset out of service. Holds: work that is completed
moves the date of its plan and of its asset in the same transaction; of logs in any order the newest counts, an older one is
history; the asset's date is the soonest of its active plans. A log is locked before its plan, a plan before its asset. May
import actions, history and rules.
"""

from datetime import datetime
from typing import Any, Final

from app.actions.alerts import raise_alert
from app.actions.hooks import Next, SaveEvent, SaveHandler
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.assets.history import Asset, lock_asset, note, update_asset
from app.domains.assets.rules import DONE, GRAVE, OPEN, TRIED, check_not_ahead, check_same_asset, next_due
from app.domains.domain import invalid
from app.domains.guard import Clock, as_master
from app.domains.limits import instant, pointed

_ONLY_PLAN: Final = """
select min("objectId") from "MaintenancePlan" where "asset" = $1 and "status" = 'active' having count(*) = 1
"""
_LOCK_PLAN: Final = """
select "objectId", "asset", "frequencyDays", "nextDueAt", "status" from "MaintenancePlan" where "objectId" = $1 for no key update
"""
_NEWER: Final = """
select exists(select from "MaintenanceLog" where "asset" = $1 and "plan" is not distinct from $2 and "status" = any($3)
  and "completedAt" > $4 and "objectId" <> $5)
"""
_SOONEST: Final = """
select min("nextDueAt") from "MaintenancePlan" where "asset" = $1 and "status" = 'active'
"""
_IS_TECHNICIAN: Final = """select "role" = 'technician' from "_User" where "objectId" = $1"""


def work_filling(clock: Clock) -> SaveHandler:
    """What a log may leave out, because the rest tells it: times, the one plan there is, and a status that has an outcome."""

    async def fill(event: SaveEvent, go_on: Next) -> None:
        log = event.object
        if event.is_new and log.get("performedAt") is not None:
            if log.get("startedAt") is None:
                event.set("startedAt", log["performedAt"])
            if log.get("status") is None and log.get("outcome") is not None:
                event.set("status", "completed")
        if event.changed("status") and log.get("status") == "completed":
            if log.get("completedAt") is None:
                event.set("completedAt", log.get("performedAt") or date_to_wire(clock()))
            if log.get("performedAt") is None:
                event.set("performedAt", log["completedAt"])
        begun = not event.is_new and event.changed("status") and (event.original or {}).get("status") == "scheduled"
        if begun and "startedAt" not in event.body and log.get("status") != "cancelled":
            event.set("startedAt", log.get("completedAt") or date_to_wire(clock()))  # until now it was when it was planned for
        if event.is_new and log.get("plan") is None and log.get("maintenanceType") == "preventive":
            only = await event.tx.fetchval(_ONLY_PLAN, pointed(log.get("asset")))
            if only is not None:
                event.set("plan", pointer("MaintenancePlan", only))
        await go_on()

    return fill


def work_hook(clock: Clock) -> SaveHandler:
    """The rules of a log."""

    async def save(event: SaveEvent, go_on: Next) -> None:
        log = event.object
        _check_times(event, clock())
        plan = await _lock_plan(event)
        asset = await lock_asset(event)
        reached = event.changed("status")
        due = None
        if _tells_due(event) and await _is_newest(event):
            due = next_due(_as_told(event, plan), plan["frequencyDays"] if plan else None)
        if due is not None:
            event.set("nextDueAt", date_to_wire(due))
        if plan is not None and reached and log.get("status") in (*TRIED, "completed"):
            event.set("plannedFor", date_to_wire(plan["nextDueAt"]))
        await go_on()
        if due is not None:
            await _move_due(event, asset, plan, due)
        await _give_work(event, asset)
        if reached:
            await _tell(event, asset, clock())

    return save


def _tells_due(event: SaveEvent) -> bool:
    """Whether this write says when the asset was serviced: it completes the work, or corrects what was said. To verify work says
    nothing new."""
    if event.object.get("status") not in DONE:
        return False
    completes = event.is_new or (event.original or {}).get("status") not in DONE
    return completes or any(event.changed(name) for name in ("completedAt", "nextDueAt", "plan"))


def _as_told(event: SaveEvent, plan: Any) -> Object:
    """The log without a next date that only followed from the time that is corrected now."""
    before, log = event.original or {}, event.object
    if plan is None or event.is_new or "nextDueAt" in event.body:
        return log
    followed = next_due({"completedAt": before.get("completedAt")}, plan["frequencyDays"])
    if followed is None or followed != instant(log.get("nextDueAt")):
        return log
    return {name: value for name, value in log.items() if name != "nextDueAt"}


def _check_times(event: SaveEvent, now: datetime) -> None:
    planned = event.object.get("status") in ("scheduled", "cancelled")
    names = ("completedAt", "performedAt") if planned else ("startedAt", "completedAt", "performedAt")
    for name in names:
        check_not_ahead(name, event.object.get(name), now)


async def _lock_plan(event: SaveEvent) -> Any:
    plan = pointed(event.object.get("plan"))
    if plan is None:
        return None
    row = await event.tx.fetchrow(_LOCK_PLAN, plan)
    if row is None:
        raise invalid("plan: there is no MaintenancePlan with that objectId.")
    check_same_asset("plan", event.object.get("asset"), row["asset"])
    return row


async def _is_newest(event: SaveEvent) -> bool:
    log = event.object
    about = (pointed(log.get("asset")), pointed(log.get("plan")), list(DONE), instant(log.get("completedAt")), event.object_id)
    return not await event.tx.fetchval(_NEWER, *about)


async def _move_due(event: SaveEvent, asset: Asset, plan: Any, due: datetime) -> None:
    """The plan takes its asset along (`plan_hook`); without a plan the asset's own date moves."""
    if plan is None:
        soonest = await event.tx.fetchval(_SOONEST, asset.object_id)
        if soonest is None and due != asset.next_service_due:
            await update_asset(event, asset, {"nextServiceDue": date_to_wire(due)})
    elif plan["status"] != "completed" and due != plan["nextDueAt"]:
        body: Object = {"nextDueAt": date_to_wire(due)}
        await event.objects.update(as_master(event.caller), "MaintenancePlan", plan["objectId"], body, tx=event.tx)


async def _give_work(event: SaveEvent, asset: Asset) -> None:
    """An open log in a technician's name gives the technician the asset: what one works on one may read."""
    performer = pointed(event.object.get("performedBy"))
    given = event.object.get("status") in OPEN and (event.is_new or event.changed("performedBy"))
    if given and performer != asset.technician and await event.tx.fetchval(_IS_TECHNICIAN, performer):
        await update_asset(event, asset, {"technician": event.object["performedBy"]})


async def _tell(event: SaveEvent, asset: Asset, now: datetime) -> None:
    """The event of a log that reached a status, and what follows when the work failed or could not be done."""
    log, status = event.object, str(event.object["status"])
    kind = str(log["maintenanceType"]).replace("_", " ")
    at = instant(log.get("completedAt")) or now if status in DONE else now
    details: Object = {"log": event.object_id, "maintenanceType": log["maintenanceType"]}
    details |= {name: log[name] for name in ("outcome", "nextDueAt", "plannedFor") if name in log}
    severity = "info"
    if status == "completed" and log.get("outcome") == "failed":
        severity = asset.grave_severity
        failed = f"{asset.title} could not be repaired."
        details["status"] = await take_out_of_service(event, asset, failed, "maintenance_failed")
    elif status == "could_not_locate":
        severity = "high"
        if not asset.missing:
            await update_asset(event, asset, {"missing": True})
    words = f"{asset.title}: {kind} {status.replace('_', ' ')}."
    await note(event, asset, f"maintenance_{status}", severity, words, at, details, person="performedBy")


async def take_out_of_service(event: SaveEvent, asset: Asset, words: str, kind: str) -> Json:
    """Forces an asset that failed out of service and alerts biomedical engineering; its status from then on."""
    if asset.status in ("out_of_service", "retired"):
        return asset.status
    await update_asset(event, asset, {"status": "out_of_service"})
    await raise_alert(
        event,
        f"{words} It is out of service, at {asset.place}.",
        urgency="critical" if asset.criticality in GRAVE else "high",
        kind=kind,
        about=("Asset", asset.object_id),
        role="biomed",
    )
    return "out_of_service"


async def plan_hook(event: SaveEvent, go_on: Next) -> None:
    """The asset's next service is the soonest of its active plans; without one that was its own, nobody knows it."""
    if not any(event.changed(name) for name in ("status", "nextDueAt")):
        await go_on()
        return
    asset = await lock_asset(event)
    await go_on()
    soonest = await event.tx.fetchval(_SOONEST, asset.object_id)
    before = instant((event.original or {}).get("nextDueAt"))
    if soonest is not None and soonest != asset.next_service_due:
        await update_asset(event, asset, {"nextServiceDue": date_to_wire(soonest)})
    elif soonest is None and before is not None and before == asset.next_service_due:
        await update_asset(event, asset, {"nextServiceDue": {"__op": "Delete"}})
