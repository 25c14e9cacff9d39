"""What the home health tests stand on: a desk, two technicians with accounts, visits on demand, and a clock that can be set."""

from dataclasses import dataclass, field

from app.actions.caller import MASTER
from app.actions.ticker import flip
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.domains.homehealth.domain import HOMEHEALTH
from app.domains.homehealth.triggers import tick
from app.store.database import Database
from tests.domains.floor import Floor, make_floor

PEOPLE = {
    "dispatcher": "dispatcher",
    "admin": "admin",
    "coordinator": "coordinator",
    "technician": "technician",
    "other_technician": "technician",
    "patient": "patient",
    "stranger": "driver",
}
DOOR: Object = {"__type": "GeoPoint", "latitude": 45.52, "longitude": -122.68}


@dataclass
class Agency(Floor):
    """One server's floor of actions with the home health domain, and callers by what they are to its first technician."""

    technicians: dict[str, str] = field(default_factory=dict)
    hours: float = 24.0

    def aide(self, who: str = "technician") -> Object:
        """A pointer to the Technician of one of the people."""
        return pointer("Technician", self.technicians[who])

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

    async def alerts(self, job: str) -> list[tuple[Json, Json, Json]]:
        """Kind, role and recipient of what was told about an object."""
        rows = [row for row in await self.all("Alert") if _about(row) == job]
        return [(row["kind"], row.get("role"), row.get("recipient")) for row in rows]

    async def settle(self) -> None:
        """Lets the ticker do all that is due."""
        while await flip(self.database, tick):
            pass


def _about(alert: Object) -> Json:
    about = alert.get("about")
    return about.get("objectId") if isinstance(about, dict) else None


async def make_agency(database: Database, settings: Settings) -> Agency:
    """The floor with seven people and two technicians."""
    agency = await make_floor(Agency, database, settings, HOMEHEALTH, PEOPLE)
    for who in ("technician", "other_technician"):
        body: Object = {"name": f"Aide {who}", "availability": "available", "user": agency.user(who)}
        agency.technicians[who] = await agency.make("Technician", body)
    return agency
