"""What a write in hospital assets brings with it, in the same transaction.

Owns: the hooks around assets, inspections, plans and events, and `install`. Holds: the asset is locked before it is judged, so
of two who race the second sees what the first did; what the server does to an asset is told in a ComplianceEvent of the person
who caused it. Moves are in moves.py, work on assets in work.py. May import actions and the files of this domain.
"""

from datetime import datetime
from typing import Final

from app.actions.alerts import raise_alert
from app.actions.hooks import DeleteEvent, Hooks, Next, SaveEvent, SaveHandler
from app.actions.objects import Objects
from app.core.wire import Object, date_to_wire, pointer
from app.domains.assets.history import Asset, lock_asset, note, place_named, update_asset
from app.domains.assets.moves import move_hook
from app.domains.assets.rules import GRANTS, GRAVE, MACHINES, OF_AN_ASSET, PARENTS_FIRST, REQUESTS, UNIQUE, check_not_ahead
from app.domains.assets.work import plan_hook, take_out_of_service, work_filling, work_hook
from app.domains.domain import forbidden, invalid, listed
from app.domains.guard import EFFECTS, Clock, guard_class
from app.domains.limits import instant, pointed
from app.errors import ErrorCode
from app.store.refusals import register_sentence

FILLS: Final = -40
"""After the matrix, before required fields are asked for."""

_FLAGS: Final = (
    ("recalled", "recalled", "is recalled; do not use it.", "recall_remedied", "Its recall is remedied."),
    ("missing", "missing", "is missing", "found", "It is found."),
)


def install(hooks: Hooks, objects: Objects) -> None:
    """Puts the domain's rules around the writes of its classes."""
    clock = objects.clock
    for index, sentence in UNIQUE.items():
        register_sentence(index, sentence, ErrorCode.DUPLICATE_VALUE)
    for class_name in PARENTS_FIRST:
        guard_class(hooks, class_name, GRANTS, MACHINES, clock)
    for class_name in OF_AN_ASSET:
        hooks.on_save(class_name, _keep_asset, id="assets.kept", priority=EFFECTS - 1)
    hooks.on_save("Asset", _fill_place, id="assets.place", priority=FILLS)
    hooks.on_save("Asset", _asset_hook(clock), id="assets.told", priority=EFFECTS)
    hooks.on_save("AssetAssignment", move_hook(clock), id="assets.move", priority=EFFECTS)
    hooks.on_delete("AssetAssignment", _keep_active, id="assets.move", priority=EFFECTS)
    hooks.on_save("MaintenanceLog", work_filling(clock), id="assets.filled", priority=FILLS)
    hooks.on_save("MaintenanceLog", work_hook(clock), id="assets.work", priority=EFFECTS)
    hooks.on_save("MaintenancePlan", plan_hook, id="assets.plan", priority=EFFECTS)
    hooks.on_save("Inspection", _inspection_hook(clock), id="assets.inspection", priority=EFFECTS)
    hooks.on_save("ComplianceEvent", _event_hook(clock), id="assets.event", priority=EFFECTS)


async def _keep_asset(event: SaveEvent, go_on: Next) -> None:
    """What was done to one asset is not made the history of another."""
    if not event.is_new and event.changed("asset"):
        raise invalid(f"asset: a {event.class_name} stays with its asset; make a new one.")
    await go_on()


async def _keep_active(event: DeleteEvent, go_on: Next) -> None:
    if event.object.get("assignmentStatus") == "active":
        raise invalid("assignmentStatus: an active assignment holds its asset; complete or transfer it instead of deleting it.")
    await go_on()


# --- assets ---


async def _fill_place(event: SaveEvent, go_on: Next) -> None:
    """The words of a place and the Location they name are kept together: who writes one need not write the other."""
    moved, named = event.changed("currentLocation"), event.changed("location")
    if named and not moved and (location := pointed(event.object.get("location"))) is not None:
        row = await event.tx.fetchrow('select "name", "department" from "Location" where "objectId" = $1', location)
        if row is not None:
            event.set("currentLocation", row["name"])
            _set_department(event, row["department"])
    elif moved and not named and not event.caller.is_master:
        place = await place_named(event.tx, pointed(event.object.get("facility")), str(event.object.get("currentLocation", "")))
        if place.location is not None:
            event.set("location", pointer("Location", place.location))
            _set_department(event, place.department)
        elif not event.is_new:
            event.set("location", None)
    await go_on()


def _set_department(event: SaveEvent, department: str | None) -> None:
    if department is not None and "department" not in event.body:
        event.set("department", department)


def _asset_hook(clock: Clock) -> SaveHandler:
    async def told(event: SaveEvent, go_on: Next) -> None:
        await go_on()
        asset, now = Asset.of(event.object), clock()
        if event.caller.user_id is not None and not event.caller.is_master:
            await _note_changes(event, asset, now)
        for flag, kind, words, _, _ in _FLAGS:
            if event.changed(flag) and event.object.get(flag) is True:
                place = f", last known at {asset.place}." if flag == "missing" else ""
                await raise_alert(
                    event,
                    f"{asset.title} {words}{place}",
                    urgency="critical" if asset.criticality in GRAVE else "high",
                    kind=f"asset_{kind}",
                    about=("Asset", asset.object_id),
                    role="biomed",
                )

    return told


async def _note_changes(event: SaveEvent, asset: Asset, now: datetime) -> None:
    """An event for each change that an auditor asks about: status, place, recall, loss."""
    before = event.original or {}
    if event.is_new:
        await note(event, asset, "registered", "info", f"{asset.title} is registered at {asset.place}.", now)
        return
    if event.changed("status"):
        grave = "high" if asset.status == "out_of_service" else "info"
        words = f"{asset.title}: {before.get('status')} became {asset.status}."
        await note(event, asset, "status_changed", grave, words, now, {"from": before.get("status"), "to": asset.status})
    if event.changed("currentLocation"):
        moved: Object = {"from": before.get("currentLocation"), "to": asset.place}
        await note(event, asset, "moved", "info", f"{asset.title} is moved to {asset.place}.", now, moved)
    for flag, kind, words, undone, remedied in _FLAGS:
        if event.changed(flag) and bool(before.get(flag)) is not bool(event.object.get(flag)):
            if event.object.get(flag):
                await note(event, asset, kind, "high", f"{asset.title} {words.rstrip('.')}.", now, {"at": asset.place})
            else:
                await note(event, asset, undone, "info", f"{asset.title}: {remedied}", now, {"at": asset.place})


# --- inspections ---


def _inspection_hook(clock: Clock) -> SaveHandler:
    async def save(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead("inspectedAt", event.object.get("inspectedAt"), clock())
        asset = await lock_asset(event)
        await go_on()
        at = instant(event.object.get("inspectedAt"))
        if at is None or not (event.is_new or event.changed("inspectedAt")):
            return
        newest = asset.last_inspection_at is None or at >= asset.last_inspection_at
        if newest:
            await update_asset(event, asset, {"lastInspectionAt": date_to_wire(at)})
        if event.is_new:
            await _note_finding(event, asset, at, newest=newest)

    return save


async def _note_finding(event: SaveEvent, asset: Asset, at: datetime, *, newest: bool) -> None:
    """A failed inspection takes the asset out of service, unless a newer one was made since."""
    found = str(event.object["status"])
    severity = {"passed": "info", "attention_needed": "medium"}.get(found, asset.grave_severity)
    words = f"{asset.title}: inspection {found.replace('_', ' ')}."
    details: Object = {"inspection": event.object_id}
    if found == "failed" and newest:
        details["status"] = await take_out_of_service(event, asset, f"{asset.title} failed its inspection.", "inspection_failed")
    await note(event, asset, f"inspection_{found}", severity, words, at, details, person="inspectedBy")


# --- events ---


def _event_hook(clock: Clock) -> SaveHandler:
    async def save(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead("occurredAt", event.object.get("occurredAt"), clock())
        asks = event.role == "departmentManager" and not event.caller.is_master
        if asks:
            await _check_request(event)
        await go_on()
        if event.is_new and event.object.get("eventType") in REQUESTS and not event.caller.is_master:
            asset = await lock_asset(event)
            await raise_alert(
                event,
                f"{asset.title}: {str(event.object['eventType']).replace('_', ' ')}. {event.object['summary']}",
                urgency="high" if event.object["severity"] in GRAVE else "normal",
                kind=str(event.object["eventType"]),
                about=("Asset", asset.object_id),
                role="biomed",
            )

    return save


async def _check_request(event: SaveEvent) -> None:
    """A department manager asks, for assets of the own department only."""
    kind = event.object.get("eventType")
    if kind not in REQUESTS:
        raise forbidden(f"eventType: your role may record {listed(REQUESTS, 'and')}; biomed and admin record the others.")
    seen = 'select true from "Asset" where "objectId" = $1 and $2 = any("_rperm") for no key update'
    if not await event.tx.fetchval(seen, pointed(event.object.get("asset")), event.caller.user_id):
        raise forbidden("asset: there is none with that objectId in your department.")
