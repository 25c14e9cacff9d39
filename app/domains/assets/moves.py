"""A move: an assignment, where the asset is, and the event that tells it, together or not at all.

Owns: the hook around AssetAssignment. Holds: an asset has one active assignment at the most (a unique index holds it, here it
is said in words); whoever begins, changes or ends one moves the asset in the same transaction; assignments are locked before
their asset. May import actions, history and rules.
"""

from contextvars import ContextVar
from typing import Final

from app.actions.hooks import Next, SaveEvent, SaveHandler
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.assets.history import Asset, lock_asset, note, place_named, update_asset
from app.domains.assets.rules import ASSIGNMENT_STATES, IN_TRANSIT, UNIQUE, check_not_ahead, check_same_asset, where_it_is
from app.domains.domain import invalid
from app.domains.guard import Clock, as_master
from app.domains.limits import instant, pointed
from app.errors import ErrorCode, ParseError

_ACTIVE: Final = """
select "objectId" from "AssetAssignment" where "asset" = $1 and "assignmentStatus" = 'active' and "objectId" <> $2
"""
_PREVIOUS: Final = 'select "asset", "assignmentStatus" from "AssetAssignment" where "objectId" = $1 for no key update'

_taken_over: ContextVar[bool] = ContextVar("assets_taken_over", default=False)
"""True while an assignment ends because another one begins: that one moves the asset."""


def move_hook(clock: Clock) -> SaveHandler:
    """The rules of an assignment."""

    async def save(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead("assignedAt", event.object.get("assignedAt"), clock())
        check_not_ahead("returnedAt", event.object.get("returnedAt"), clock())
        active = event.object.get("assignmentStatus") == "active"
        if event.is_new and active:
            await _begin(event, go_on)
        elif not event.is_new and event.changed("assignmentStatus"):
            if event.object.get("returnedAt") is None:
                event.set("returnedAt", date_to_wire(clock()))
            await _end(event, go_on)
        elif not (event.is_new or active) and "assignmentStatus" in event.body:
            status = str(event.object["assignmentStatus"])
            ASSIGNMENT_STATES.check(status, event.object, None, clock())  # ended already: the second is told
        elif active and any(event.changed(name) for name in ("departmentName", "roomLabel", "assignedTo")):
            await _change(event, go_on)
        else:
            await go_on()

    return save


async def _begin(event: SaveEvent, go_on: Next) -> None:
    previous = pointed(event.object.get("previous"))
    if previous is not None:
        row = await event.tx.fetchrow(_PREVIOUS, previous)
        if row is None:
            raise invalid("previous: there is no AssetAssignment with that objectId.")
        check_same_asset("previous", event.object.get("asset"), row["asset"])
        if row["assignmentStatus"] != "active":
            words = f"previous: that assignment is {row['assignmentStatus']} already, so somebody else may have been first"
            raise invalid(f"{words}; look where the asset is now.")
    asset = await lock_asset(event)
    if previous is not None:
        await _take_over(event, previous)
    elif await event.tx.fetchval(_ACTIVE, asset.object_id, event.object_id):
        raise ParseError(ErrorCode.DUPLICATE_VALUE, UNIQUE["AssetAssignment_one_active"])
    await go_on()
    body = await _placed(event, asset)
    body["status"] = "in_use"
    if asset.missing:
        body["missing"] = False
    await update_asset(event, asset, body)
    await _note(event, asset, "moved" if previous is None else "transferred", body["currentLocation"])


async def _take_over(event: SaveEvent, previous: str) -> None:
    """Ends the assignment that this one follows."""
    body: Object = {"assignmentStatus": "transferred", "returnedAt": event.object["assignedAt"]}
    token = _taken_over.set(True)
    try:
        await event.objects.update(as_master(event.caller), "AssetAssignment", previous, body, tx=event.tx)
    finally:
        _taken_over.reset(token)


async def _change(event: SaveEvent, go_on: Next) -> None:
    asset = await lock_asset(event)
    await go_on()
    body = await _placed(event, asset)
    await update_asset(event, asset, body)
    await _note(event, asset, "moved" if body["currentLocation"] != asset.place else "handed_over", body["currentLocation"])


async def _end(event: SaveEvent, go_on: Next) -> None:
    if _taken_over.get():
        await go_on()
        return
    asset = await lock_asset(event)
    await go_on()
    transferred = event.object["assignmentStatus"] == "transferred"
    told = event.object.get("returnedTo")
    body: Object = {"holder": {"__op": "Delete"}, "assignment": {"__op": "Delete"}}
    if isinstance(told, str) or transferred:
        words = told if isinstance(told, str) else IN_TRANSIT
        place = await place_named(event.tx, asset.facility, words)
        body["currentLocation"] = words
        body["location"] = _pointer_or_gone("Location", place.location)
        body["department"] = place.department or {"__op": "Delete"}
    if asset.status == "in_use":
        body["status"] = "available"
        if not transferred:
            body["dirty"] = True
    await update_asset(event, asset, body)
    await _note(event, asset, "handed_on" if transferred else "returned", body.get("currentLocation", asset.place))


async def _placed(event: SaveEvent, asset: Asset) -> Object:
    """What the asset is told of an active assignment."""
    department, room = event.object["departmentName"], event.object.get("roomLabel")
    words = where_it_is(department, room)
    place = await place_named(event.tx, asset.facility, words, department, room)
    return {
        "currentLocation": words,
        "location": _pointer_or_gone("Location", place.location),
        "department": department,
        "holder": event.object["assignedTo"],
        "assignment": pointer("AssetAssignment", event.object_id),
    }


def _pointer_or_gone(class_name: str, object_id: str | None) -> Json:
    return {"__op": "Delete"} if object_id is None else pointer(class_name, object_id)


_WORDS: Final = {
    "moved": "{title} is moved to {place}.",
    "transferred": "{title} is transferred to {place}.",
    "handed_over": "{title} is handed over at {place}.",
    "handed_on": "{title} is handed on and not received yet.",
    "returned": "{title} is returned at {place}.",
}


async def _note(event: SaveEvent, asset: Asset, kind: str, place: Json) -> None:
    active = event.object["assignmentStatus"] == "active"
    at = instant(event.object["assignedAt"] if active and event.is_new else event.object.get("returnedAt"))
    details: Object = {"from": asset.place, "to": place, "assignment": event.object_id}
    words = _WORDS[kind].format(title=asset.title, place=place)
    at = at or instant({"iso": event.object["updatedAt"]})
    assert at is not None
    await note(event, asset, kind, "info", words, at, details, person="assignedTo")
