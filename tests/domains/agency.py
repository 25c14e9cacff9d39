"""What the home health tests stand on: a desk, two technicians with accounts, visits on demand, and a clock that can be set."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.actions.caller import ANONYMOUS, MASTER, Caller, caller_of_user_as_master
from app.actions.hooks import Hooks
from app.actions.objects import Objects, utc_now
from app.actions.roles import ensure_roles_as_master
from app.actions.users import Users
from app.config import Settings
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.homehealth.domain import HOMEHEALTH
from app.domains.homehealth.triggers import tick
from app.store.database import Database
from app.store.migrate import migrate

PEOPLE = ("dispatcher", "admin", "coordinator", "technician", "other_technician", "patient", "stranger")
_ROLES = {"other_technician": "technician", "stranger": "driver"}
DOOR: Object = {"__type": "GeoPoint", "latitude": 45.52, "longitude": -122.68}


@dataclass
class Agency:
    """One server's floor of actions with the home health domain, and callers by what they are to its first technician."""

    database: Database
    objects: Objects
    users: Users
    callers: dict[str, Caller] = field(default_factory=dict)
    technicians: dict[str, str] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)
    hours: float = 24.0

    def now(self) -> datetime:
        """The clock of the server, which a test may set ahead."""
        return utc_now() + self.ahead

    def __getitem__(self, who: str) -> Caller:
        return self.callers[who]

    def user(self, who: str) -> Object:
        """A pointer to one of the people."""
        return pointer("_User", str(self[who].user_id))

    def aide(self, who: str = "technician") -> Object:
        """A pointer to the Technician of one of the people."""
        return pointer("Technician", self.technicians[who])

    def when(self, **span: float) -> Object:
        """The moment so far ahead, as a wire Date."""
        return date_to_wire(self.now() + timedelta(**span))

    def job_body(self, **fields: Json) -> Object:
        """A visit of `technician`, an hour of a day that no other visit of these tests has."""
        self.hours += 2
        body: Object = {
            "description": "Morning care",
            "status": "open",
            "technician": self.aide(),
            "scheduledTime": self.when(hours=self.hours),
            "clientName": "Ada Fitzgerald",
            "address": "12 Alder St",
            "location": DOOR,
            "durationMinutes": 60,
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def new_job(self, status: str = "open", **fields: Json) -> str:
        """A visit led from `open` to a state of its way; a field given as None is left out."""
        way = ["assigned", "confirmed", "en_route", "in_progress", "done"]
        job = (await self.objects.create(MASTER, "Job", self.job_body(**fields))).object_id
        steps = way[: way.index(status) + 1] if status in way else [] if status == "open" else [status]
        for step in steps:
            await self.move(job, step)
        return job

    async def move(self, job: str, status: str, who: str = "master", **fields: Json) -> None:
        """One step of a visit."""
        await self.objects.update(self[who], "Job", job, {"status": status, **fields})

    async def new_part(self, job: str | None = None, quantity: float = 5, **fields: Json) -> str:
        """A part, set aside for a visit where one is named."""
        body: Object = {"partName": "Gloves, box", "quantity": quantity, **fields}
        return await self.make("PartsInventory", body | ({"job": pointer("Job", job)} if job else {}))

    def log_body(self, job: str, by: Object | None = None, **fields: Json) -> Object:
        """A log of a visit, at its door."""
        body: Object = {
            "technician": by or self.aide(),
            "job": pointer("Job", job),
            "serviceTime": self.when(),
            "description": "Washed, dressed, breakfast",
            "startedAt": self.when(minutes=-50),
            "endedAt": self.when(minutes=-5),
            "location": DOOR,
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def make(self, class_name: str, body: Object, who: str = "master") -> str:
        """The objectId of a new object."""
        return (await self.objects.create(self[who], class_name, body)).object_id

    async def stored(self, class_name: str, object_id: str) -> Object:
        """What is stored, seen with the master key."""
        return await self.objects.get_object(MASTER, class_name, object_id)

    async def rows(self, class_name: str, where: Object | None = None, who: str = "master") -> list[Object]:
        """The objects that one of the people finds."""
        query = self.objects.parse_query(class_name, {"limit": 1000, "where": where or {}})
        return await self.objects.find_objects(self[who], query)

    async def alerts(self, job: str) -> list[tuple[Json, Json, Json]]:
        """Kind, role and recipient of what was told about an object."""
        rows = [row for row in await self.rows("Alert") if _about(row) == job]
        return [(row["kind"], row.get("role"), row.get("recipient")) for row in rows]

    async def sql(self, statement: str, *arguments: object) -> str:
        """A write past the server, as from psql."""
        async with self.database.transaction() as connection:
            return await connection.execute(statement, *arguments)

    async def settle(self) -> None:
        """Lets the ticker do all that is due."""
        while await tick(self.database):
            pass


def _about(alert: Object) -> Json:
    about = alert.get("about")
    return about.get("objectId") if isinstance(about, dict) else None


async def make_agency(database: Database, settings: Settings) -> Agency:
    """The floor on a started database, with seven people and two technicians. Migrating once more must change nothing."""
    schemas = await migrate(database, [HOMEHEALTH])
    async with database.transaction() as connection:
        await ensure_roles_as_master(connection)
    hooks = Hooks()
    agency: Agency
    objects = Objects(database, schemas, hooks, settings, clock=lambda: agency.now())
    HOMEHEALTH.install(hooks, objects)
    agency = Agency(database, objects, Users(objects))
    agency.callers |= {"anonymous": ANONYMOUS, "master": MASTER}
    for who in PEOPLE:
        role = _ROLES.get(who, who)
        saved = await agency.users.create_user_as_master(who, "open sesame", role, email=f"{who}@example.com", active=True)
        async with database.connection() as connection:
            agency.callers[who] = await caller_of_user_as_master(connection, saved.object_id)
    for who in ("technician", "other_technician"):
        body: Object = {"name": f"Aide {who}", "availability": "available", "user": agency.user(who)}
        agency.technicians[who] = await agency.make("Technician", body)
    return agency
