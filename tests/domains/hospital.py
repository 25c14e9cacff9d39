"""A hospital to test in: the domain on a real database, its people, assets on demand, and a clock that can be set."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from app.actions.caller import ANONYMOUS, MASTER, Caller, caller_of_user_as_master
from app.actions.hooks import Hooks
from app.actions.objects import Objects, utc_now
from app.actions.roles import ensure_roles_as_master
from app.actions.users import Users
from app.config import Settings
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.assets.domain import ASSETS
from app.store.database import Database
from app.store.migrate import migrate

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
class Hospital:
    """One server's floor of actions with the assets domain, and callers by what they are to its equipment."""

    database: Database
    objects: Objects
    users: Users
    callers: dict[str, Caller] = field(default_factory=dict)
    facility: str = ""
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The clock of the server, which a test may set ahead."""
        return utc_now() + self.ahead

    def __getitem__(self, who: str) -> Caller:
        return self.callers[who]

    def user(self, who: str) -> Object:
        """A pointer to one of the people."""
        return pointer("_User", str(self[who].user_id))

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

    async def make(self, class_name: str, body: Object, who: str = "master") -> str:
        """The objectId of a new object, made by `who`."""
        return (await self.objects.create(self[who], class_name, body)).object_id

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

    def ago(self, **span: float) -> Object:
        """The moment so long ago, as a wire Date."""
        return date_to_wire(self.now() - timedelta(**span))

    async def stored(self, class_name: str, object_id: str) -> Object:
        """What is stored, seen with the master key."""
        return await self.objects.get_object(MASTER, class_name, object_id)

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

    async def ids(self, who: str, class_name: str, where: Object | None = None) -> set[str]:
        """The objectIds that one of the people finds."""
        params: Object = {"limit": 1000, **({"where": where} if where else {})}
        found = await self.objects.find_objects(self[who], self.objects.parse_query(class_name, params))
        return {str(each["objectId"]) for each in found}

    async def alerts(self, asset: str) -> list[Object]:
        """The alerts about an asset."""
        params: Object = {"where": {"about.objectId": asset}, "order": "createdAt"}
        return await self.objects.find_objects(MASTER, self.objects.parse_query("Alert", params))

    async def sql(self, statement: str, *arguments: object) -> str:
        """A write past the server, as from psql."""
        async with self.database.transaction() as connection:
            return await connection.execute(statement, *arguments)


async def make_hospital(database: Database, settings: Settings) -> Hospital:
    """The floor on a started database, with its people and one facility. Migrating once more must change nothing."""
    schemas = await migrate(database, [ASSETS])
    async with database.transaction() as connection:
        await ensure_roles_as_master(connection)
    hooks = Hooks()
    hospital: Hospital
    objects = Objects(database, schemas, hooks, settings, clock=lambda: hospital.now())
    ASSETS.install(hooks, objects)
    hospital = Hospital(database, objects, Users(objects))
    hospital.callers |= {"anonymous": ANONYMOUS, "master": MASTER}
    for who, role in PEOPLE.items():
        saved = await hospital.users.create_user_as_master(
            who, "open sesame", role, email=f"{who}@example.com", active=True, department=DEPARTMENTS.get(who)
        )
        async with database.connection() as connection:
            hospital.callers[who] = await caller_of_user_as_master(connection, saved.object_id)
    facility: Object = {"name": "Main building", "code": "MAIN", "isOperational": True, "floorCount": 7}
    hospital.facility = await hospital.make("Facility", facility)
    return hospital
