"""What the oncology tests stand on: a patient with a care team, and another with another."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.actions.caller import ANONYMOUS, MASTER, Caller, caller_of_user_as_master
from app.actions.hooks import Hooks
from app.actions.objects import Objects, utc_now
from app.actions.roles import ensure_roles_as_master
from app.actions.users import Users
from app.config import Settings
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.oncology.domain import ONCOLOGY
from app.errors import ParseError
from app.store.database import Database
from app.store.migrate import migrate

PEOPLE = (
    "patient",
    "oncologist",
    "nurse",
    "pharmacist",
    "careTeam",
    "other_patient",
    "other_oncologist",
    "other_nurse",
    "other_careTeam",
    "admin",
    "stranger",
    "dispatcher",
)
TEAM = ("oncologist", "nurse", "pharmacist", "careTeam")
_ROLES = {"stranger": "courier"}


@dataclass
class Ward:
    """One server's floor of actions with the oncology domain, and callers by what they are to its first patient."""

    database: Database
    objects: Objects
    users: Users
    callers: dict[str, Caller] = field(default_factory=dict)
    profile: str = ""
    other_profile: str = ""
    number: int = 0

    def __getitem__(self, who: str) -> Caller:
        return self.callers[who]

    def user(self, who: str) -> Object:
        """A pointer to one of the people."""
        return pointer("_User", str(self[who].user_id))

    def users_of(self, *people: str) -> list[Json]:
        """Pointers to several."""
        return [self.user(who) for who in people]

    async def person(self, role: str) -> Caller:
        """A further account of a role."""
        self.number += 1
        name = f"{role}-{self.number}"
        saved = await self.users.create_user_as_master(name, "open sesame", role, email=f"{name}@example.com", active=True)
        async with self.database.connection() as connection:
            return await caller_of_user_as_master(connection, saved.object_id)

    async def new_patient(self, **fields: Json) -> tuple[Caller, str]:
        """A patient of their own with the first one's team: the account and the profile."""
        caller = await self.person("patient")
        body: Object = {"user": pointer("_User", str(caller.user_id)), "name": "Ana Ruiz", "careTeam": self.users_of(*TEAM)}
        return caller, (await self.objects.create(MASTER, "Patient", {**body, **fields})).object_id

    def cycle_body(self, **fields: Json) -> Object:
        """A cycle of the patient that starts in five days; a field given as None is left out."""
        self.number += 1
        body: Object = {
            "cycleNumber": self.number,
            "startDate": self.ahead(days=5),
            "endDate": self.ahead(days=19),
            "patient": self.user("patient"),
            "regimen": "mFOLFOX6",
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def new_cycle(self, *steps: str, **fields: Json) -> str:
        """Makes `cycle_body` and takes it along these states, signed where that is asked for."""
        cycle = (await self.objects.create(MASTER, "ChemoCycle", self.cycle_body(**fields))).object_id
        for step in steps:
            await self.step(cycle, step)
        return cycle

    async def step(self, cycle: str, status: str) -> None:
        """One step of a cycle, with what it needs, by the master key."""
        needs: dict[str, Object] = {
            "cleared": {"clearedBy": self.users_of("oncologist", "nurse")},
            "delayed": {"statusReason": "counts", "startDate": self.ahead(days=12), "endDate": self.ahead(days=26)},
            "discontinued": {"statusReason": "progression"},
            "skipped": {"statusReason": "holiday"},
        }
        await self.objects.update(MASTER, "ChemoCycle", cycle, {"status": status, **needs.get(status, {})})

    def lab_body(self, **fields: Json) -> Object:
        """A neutrophil count of the patient, drawn just now, within its range."""
        body: Object = {
            "labTestName": "ANC",
            "result": 3.4,
            "date": self.ahead(),
            "patient": self.user("patient"),
            "unit": "10^9/L",
            "referenceLow": 1.8,
            "referenceHigh": 7.5,
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    def effect_body(self, cycle: str, **fields: Json) -> Object:
        """A mild side effect in a cycle."""
        body: Object = {
            "description": "Nausea",
            "severity": "mild",
            "chemoCycle": pointer("ChemoCycle", cycle),
            "recordedAt": self.ahead(),
        }
        return {**body, **fields}

    def treatment_body(self, **fields: Json) -> Object:
        """A drug that the patient was given."""
        body: Object = {"type": "Oxaliplatin", "date": self.ahead(), "notes": "85 mg/m2", "patient": self.user("patient")}
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    def ahead(self, **span: float) -> Object:
        """The moment so far ahead, as a wire Date."""
        return date_to_wire(self.now() + timedelta(**span))

    def now(self) -> datetime:
        """The clock of the server."""
        return utc_now()

    async def make(self, who: str, class_name: str, body: Object) -> str:
        """The objectId of what one of the people makes."""
        return (await self.objects.create(self[who], class_name, body)).object_id

    async def stored(self, class_name: str, object_id: str) -> Object:
        """What is stored, seen with the master key."""
        return await self.objects.get_object(MASTER, class_name, object_id)

    async def rows(self, class_name: str, **where: Json) -> list[Object]:
        """All that is stored of a class."""
        query = self.objects.parse_query(class_name, {"limit": 1000, "where": where})
        return await self.objects.find_objects(MASTER, query)

    async def ids(self, who: str, class_name: str, where: Object | None = None) -> set[str]:
        """The objectIds that one of the people finds."""
        params: Object = {"limit": 1000, **({"where": where} if where else {})}
        found = await self.objects.find_objects(self[who], self.objects.parse_query(class_name, params))
        return {str(each["objectId"]) for each in found}

    async def alerts(self, object_id: str) -> list[tuple[Json, Json, Json]]:
        """Kind, urgency and role of the alerts about an object."""
        rows = await self.rows("Alert")
        return [
            (row["kind"], row["urgency"], row["role"])
            for row in rows
            if isinstance(about := row.get("about"), dict) and about["objectId"] == object_id
        ]

    async def sql(self, statement: str, *arguments: object) -> str:
        """A write past the server, as from psql."""
        async with self.database.transaction() as connection:
            return await connection.execute(statement, *arguments)


async def outcome(work: object) -> int:
    """0 when it is done, the Parse code when it is refused."""
    try:
        await work  # type: ignore[misc]  # an awaitable
    except ParseError as refusal:
        return int(refusal.code)
    return 0


async def make_ward(database: Database, settings: Settings) -> Ward:
    """The floor on a started database, with two patients and their teams. Migrating once more must change nothing."""
    schemas = await migrate(database, [ONCOLOGY])
    async with database.transaction() as connection:
        await ensure_roles_as_master(connection)
    hooks = Hooks()
    objects = Objects(database, schemas, hooks, settings)
    ONCOLOGY.install(hooks, objects)
    ward = Ward(database, objects, Users(objects))
    ward.callers["anonymous"] = ANONYMOUS
    for who in PEOPLE:
        role = _ROLES.get(who, who.removeprefix("other_"))
        saved = await ward.users.create_user_as_master(who, "open sesame", role, email=f"{who}@example.com", active=True)
        async with database.connection() as connection:
            ward.callers[who] = await caller_of_user_as_master(connection, saved.object_id)
    ward.callers["master"] = MASTER
    mine: Object = {"user": ward.user("patient"), "name": "Ines Duarte", "careTeam": ward.users_of(*TEAM)}
    others = ward.users_of("other_oncologist", "other_nurse", "other_careTeam")
    hers: Object = {"user": ward.user("other_patient"), "name": "Olga Petrenko", "careTeam": others}
    ward.profile = await ward.make("master", "Patient", mine)
    ward.other_profile = await ward.make("master", "Patient", hers)
    return ward
