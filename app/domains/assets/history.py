"""An asset as the rules of a write see it, and the ComplianceEvent that tells what was done to it.

Owns: `Asset`, `lock_asset`, `update_asset`, `note` and where a place is found. Holds: an asset that is judged is locked for the
rest of the transaction; an event names the person who caused it: where the master key acts without a person, the one whom the
record names, with `by` saying so. May import actions, guard and the rules.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.actions.hooks import SaveEvent
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.assets.rules import GRAVE
from app.domains.domain import invalid
from app.domains.guard import as_master
from app.domains.limits import instant, pointed
from app.store.database import Connection

_LOCK: Final = """
select "objectId", "assetTag", "name", "status", "criticality", "currentLocation", "facility", "department", "location", "holder",
  "technician", "missing", "recalled", "nextServiceDue", "lastInspectionAt"
from "Asset" where "objectId" = $1 for no key update
"""

# What says the most of the place first; a place of no facility serves all of them.
_PLACES: Final = """
select "objectId", "department" from "Location"
where ("facility" = $1 or "facility" is null)
  and ("name" = $2 or ("department" = $3 and ("room" = $4 or "name" = $4)))
order by "facility" is null, "name" <> $2, "objectId" limit 1
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A Location and its department, as far as they are known."""

    location: str | None = None
    department: str | None = None


@dataclass(slots=True)
class Asset:
    """The facts of one asset that rules ask about."""

    object_id: str
    tag: str
    name: str
    status: str
    criticality: str
    place: str
    facility: str | None = None
    holder: str | None = None
    technician: str | None = None
    missing: bool = False
    next_service_due: datetime | None = None
    last_inspection_at: datetime | None = None

    @classmethod
    def of(cls, stored: Object) -> "Asset":
        """From a stored object."""
        return cls(
            object_id=str(stored["objectId"]),
            tag=str(stored["assetTag"]),
            name=str(stored["name"]),
            status=str(stored["status"]),
            criticality=str(stored["criticality"]),
            place=str(stored["currentLocation"]),
            facility=pointed(stored.get("facility")),
            holder=pointed(stored.get("holder")),
            technician=pointed(stored.get("technician")),
            missing=stored.get("missing") is True,
            next_service_due=instant(stored.get("nextServiceDue")),
            last_inspection_at=instant(stored.get("lastInspectionAt")),
        )

    @property
    def title(self) -> str:
        """'VENT-012 Ventilator'."""
        return f"{self.tag} {self.name}"

    @property
    def grave_severity(self) -> str:
        """How severe its failure is."""
        return "critical" if self.criticality in GRAVE else "high"


async def lock_asset(event: SaveEvent) -> Asset:
    """The asset that a write is about, locked for the rest of the transaction. Raises 142 when there is none."""
    row: Any = await event.tx.fetchrow(_LOCK, pointed(event.object.get("asset")))
    if row is None:
        raise invalid("asset: there is no Asset with that objectId.")
    return Asset(
        object_id=row["objectId"],
        tag=row["assetTag"],
        name=row["name"],
        status=row["status"],
        criticality=row["criticality"],
        place=row["currentLocation"],
        facility=row["facility"],
        holder=row["holder"],
        technician=row["technician"],
        missing=row["missing"] is True,
        next_service_due=row["nextServiceDue"],
        last_inspection_at=row["lastInspectionAt"],
    )


async def update_asset(event: SaveEvent, asset: Asset, body: Object) -> None:
    """Writes what follows from `event` to its asset, in its transaction and in the name of its caller."""
    await event.objects.update(as_master(event.caller), "Asset", asset.object_id, body, tx=event.tx)


async def place_named(tx: Connection, facility: str | None, words: str, department: Json = None, room: Json = None) -> Place:
    """The Location that the words of a place mean, in this facility; nothing where none fits."""
    row = await tx.fetchrow(
        _PLACES,
        facility,
        words,
        department if isinstance(department, str) else None,
        room if isinstance(room, str) else None,
    )
    return Place() if row is None else Place(row["objectId"], row["department"])


async def note(
    event: SaveEvent,
    asset: Asset,
    kind: str,
    severity: str,
    summary: str,
    at: datetime,
    details: Object | None = None,
    *,
    person: str = "",
) -> None:
    """Tells in a ComplianceEvent what was done to an asset. `person` is the field that names who did it, for the master key."""
    actor, by = event.caller.user_id, {}
    if actor is None:
        actor, by = pointed(event.object.get(person)), {"by": "master key"}
    if actor is None:
        return  # nobody to name: the audit trail has the deed
    body: Object = {
        "asset": pointer("Asset", asset.object_id),
        "actor": pointer("_User", actor),
        "eventType": kind,
        "severity": severity,
        "summary": summary,
        "occurredAt": date_to_wire(at),
        "details": {**(details or {}), **by},
    }
    await event.objects.create(as_master(event.caller), "ComplianceEvent", body, tx=event.tx)
