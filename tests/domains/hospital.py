"""A hospital to test in: the domain on a real database, its people, assets on demand, and a clock that can be set."""

from dataclasses import dataclass
from uuid import uuid4

from app.actions.caller import MASTER
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.domains.assets.domain import ASSETS
from app.store.database import Database
from tests.domains.floor import Floor, make_floor

PEOPLE = {
    "admin": "admin",
    "biomed": "biomed",
    "technician": "technician",
    "other_technician": "technician",
    "manager": "departmentManager",
    "other_manager": "departmentManager",
    "nurse": "nurse",
    "patient": "patient",
    "stranger": "courier",
}
DEPARTMENTS = {"manager": "ICU", "other_manager": "Emergency"}


@dataclass
class Hospital(Floor):
    """One server's floor of actions with the assets domain, and callers by what they are to its equipment."""

    facility: str = ""

    def asset_body(self, **fields: Json) -> Object:
        """A ventilator in the store, looked after by `technician`, its next service far away."""
        body: Object = {
            "facility": pointer("Facility", self.facility),
            "assetTag": f"VENT-{uuid4().hex[:8]}",
            "name": "Ventilator",
            "category": "ventilator",
            "serialNumber": uuid4().hex[:10],
            "status": "available",
            "criticality": "critical",
            "currentLocation": "Equipment store",
            "nextServiceDue": self.ago(days=-200),
            "technician": self.user("technician"),
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def new_asset(self, **fields: Json) -> str:
        """Makes `asset_body`; a field given as None is left out."""
        return await self.make("Asset", self.asset_body(**fields))

    def assignment_body(self, asset: str, **fields: Json) -> Object:
        """An assignment of an asset to the nurse in ICU Room 12, just now."""
        body: Object = {
            "asset": pointer("Asset", asset),
            "assignedTo": self.user("nurse"),
            "departmentName": "ICU",
            "roomLabel": "Room 12",
            "assignedAt": self.ago(),
            "assignmentStatus": "active",
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    def plan_body(self, asset: str, **fields: Json) -> Object:
        """A plan of every 180 days, due in 200."""
        body: Object = {
            "asset": pointer("Asset", asset),
            "frequencyDays": 180,
            "nextDueAt": self.ago(days=-200),
            "status": "active",
            "checklist": ["clean filter", "electrical safety"],
        }
        return {**body, **fields}

    def log_body(self, asset: str, who: str = "technician", **fields: Json) -> Object:
        """Preventive maintenance of an asset, done by `who` within the last hour."""
        body: Object = {
            "asset": pointer("Asset", asset),
            "performedBy": self.user(who),
            "maintenanceType": "preventive",
            "status": "completed",
            "startedAt": self.ago(hours=1),
            "completedAt": self.ago(),
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    def inspection_body(self, asset: str, who: str = "technician", **fields: Json) -> Object:
        """An inspection that the asset passed, just now."""
        body: Object = {
            "asset": pointer("Asset", asset),
            "inspectedBy": self.user(who),
            "inspectedAt": self.ago(),
            "status": "passed",
        }
        return {**body, **fields}

    def event_body(self, asset: str, who: str = "biomed", **fields: Json) -> Object:
        """A request for service, in the name of `who`."""
        body: Object = {
            "asset": pointer("Asset", asset),
            "actor": self.user(who),
            "eventType": "service_requested",
            "severity": "medium",
            "summary": "The alarm sounds without a reason.",
            "occurredAt": self.ago(),
        }
        return {**body, **fields}

    async def asset(self, object_id: str) -> Object:
        """An asset as stored."""
        return await self.stored("Asset", object_id)

    async def of(self, asset: str, class_name: str, who: str = "master") -> list[Object]:
        """What one of the people finds about an asset, in the order it was written."""
        params: Object = {"limit": 1000, "order": "createdAt", "where": {"asset": pointer("Asset", asset)}}
        return await self.objects.find_objects(self[who], self.objects.parse_query(class_name, params))

    async def told(self, asset: str) -> list[str]:
        """The types of the events of an asset, in their order."""
        return [str(event["eventType"]) for event in await self.of(asset, "ComplianceEvent")]

    async def alerts(self, asset: str) -> list[Object]:
        """The alerts about an asset."""
        params: Object = {"where": {"about.objectId": asset}, "order": "createdAt"}
        return await self.objects.find_objects(MASTER, self.objects.parse_query("Alert", params))


async def make_hospital(database: Database, settings: Settings) -> Hospital:
    """The floor with its people and one facility."""
    hospital = await make_floor(Hospital, database, settings, ASSETS, PEOPLE)
    for who, department in DEPARTMENTS.items():
        await hospital.objects.update(MASTER, "_User", str(hospital[who].user_id), {"department": department})
    facility: Object = {"name": "Main building", "code": "MAIN", "isOperational": True, "floorCount": 7}
    hospital.facility = await hospital.make("Facility", facility)
    return hospital
