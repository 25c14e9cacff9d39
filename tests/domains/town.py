"""What the oxygen tests stand on: a site with its people, tanks on demand, and a clock that can be set."""

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
from app.domains.oxygen.domain import OXYGEN
from app.store.database import Database
from app.store.migrate import migrate

PEOPLE = ("dispatcher", "admin", "driver", "other_driver", "careTeam", "other_careTeam", "contact", "patient", "stranger")
_ROLES = {
    "other_driver": "driver",
    "other_careTeam": "careTeam",
    "contact": "patient",
    "stranger": "courier",
}


@dataclass
class Town:
    """One server's floor of actions with the oxygen domain, and callers by what they are to its first site."""

    database: Database
    objects: Objects
    users: Users
    callers: dict[str, Caller] = field(default_factory=dict)
    site: str = ""
    other_site: str = ""
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The clock of the server, which a test may set ahead."""
        return utc_now() + self.ahead

    def __getitem__(self, who: str) -> Caller:
        return self.callers[who]

    def user(self, who: str) -> Object:
        """A pointer to one of the people."""
        return pointer("_User", str(self[who].user_id))

    async def new_site(self, **fields: Json) -> str:
        """A site of the care team and the contact."""
        body: Object = {
            "siteName": "Alvarez residence",
            "addressLine1": "12 Alder St",
            "city": "Portland",
            "region": "OR",
            "postalCode": "97202",
            "primaryContact": self.user("contact"),
            "careTeam": [self.user("careTeam")],
        }
        return (await self.objects.create(MASTER, "PatientSite", {**body, **fields})).object_id

    def tank_body(self, **fields: Json) -> Object:
        """A tank of `driver` at the first site: E, 1200 psi, 4 L/min; seventy minutes."""
        body: Object = {
            "tankSerialNumber": f"T-{uuid4().hex[:8]}",
            "psiLevel": 1200,
            "status": "in_use",
            "assignedSite": pointer("PatientSite", self.site),
            "assignedDriver": self.user("driver"),
            "cylinderSize": "E",
            "flowLpm": 4,
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def new_tank(self, **fields: Json) -> str:
        """Makes `tank_body`; a field given as None is left out."""
        return (await self.objects.create(MASTER, "TankAssignment", self.tank_body(**fields))).object_id

    def refill_body(self, tank: str, who: str = "driver", **fields: Json) -> Object:
        """A refill of a tank, made and recorded by `who`, just now."""
        body: Object = {
            "tankAssignment": pointer("TankAssignment", tank),
            "refillTime": self.ago(),
            "psiBefore": 240,
            "psiAfter": 2000,
            "refilledBy": self.user(who),
            "refillReason": "routine",
        }
        return {**body, **fields}

    def event_body(self, tank: str, who: str = "driver", **fields: Json) -> Object:
        """An arrival at a tank, recorded by `who`, just now."""
        body: Object = {
            "tankAssignment": pointer("TankAssignment", tank),
            "eventType": "arrived",
            "eventTime": self.ago(),
            "recordedBy": self.user(who),
        }
        return {**body, **fields}

    def contact_body(self, site: str, **fields: Json) -> Object:
        """A contact of a site, not the primary one."""
        body: Object = {
            "site": pointer("PatientSite", site),
            "contactName": "Marisol Alvarez",
            "relationship": "daughter",
            "phoneNumber": "+1 503 555 0142",
            "isPrimary": False,
        }
        return {**body, **fields}

    def ago(self, **span: float) -> Object:
        """The moment so long ago, as a wire Date."""
        return date_to_wire(self.now() - timedelta(**span))

    async def stored(self, class_name: str, object_id: str) -> Object:
        """What is stored, seen with the master key."""
        return await self.objects.get_object(MASTER, class_name, object_id)

    async def ids(self, who: str, class_name: str, where: Object | None = None) -> set[str]:
        """The objectIds that one of the people finds."""
        params: Object = {"limit": 1000, **({"where": where} if where else {})}
        found = await self.objects.find_objects(self[who], self.objects.parse_query(class_name, params))
        return {str(each["objectId"]) for each in found}

    async def sql(self, statement: str, *arguments: object) -> str:
        """A write past the server, as from psql."""
        async with self.database.transaction() as connection:
            return await connection.execute(statement, *arguments)


async def make_town(database: Database, settings: Settings) -> Town:
    """The floor on a started database, with nine people and two sites. Migrating once more must change nothing."""
    schemas = await migrate(database, [OXYGEN])
    async with database.transaction() as connection:
        await ensure_roles_as_master(connection)
    hooks = Hooks()
    town: Town
    objects = Objects(database, schemas, hooks, settings, clock=lambda: town.now())
    OXYGEN.install(hooks, objects)
    town = Town(database, objects, Users(objects))
    town.callers["anonymous"] = ANONYMOUS
    for who in PEOPLE:
        role = _ROLES.get(who, who)
        saved = await town.users.create_user_as_master(who, "open sesame", role, email=f"{who}@example.com", active=True)
        async with database.connection() as connection:
            town.callers[who] = await caller_of_user_as_master(connection, saved.object_id)
    town.callers["master"] = MASTER
    town.site = await town.new_site()
    town.other_site = await town.new_site(careTeam=[town.user("other_careTeam")], primaryContact=town.user("other_careTeam"))
    return town
