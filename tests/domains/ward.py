"""What the oncology tests stand on: a patient with a care team, and another with another."""

from dataclasses import dataclass

from app.actions.caller import MASTER, Caller
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.domains.oncology.domain import ONCOLOGY
from app.errors import ParseError
from app.store.database import Database
from tests.domains.floor import Floor, make_floor

PEOPLE = {
    "patient": "patient",
    "oncologist": "oncologist",
    "nurse": "nurse",
    "pharmacist": "pharmacist",
    "careTeam": "careTeam",
    "other_patient": "patient",
    "other_oncologist": "oncologist",
    "other_nurse": "nurse",
    "other_careTeam": "careTeam",
    "admin": "admin",
    "stranger": "courier",
    "dispatcher": "dispatcher",
}
TEAM = ("oncologist", "nurse", "pharmacist", "careTeam")


@dataclass
class Ward(Floor):
    """One server's floor of actions with the oncology domain, and callers by what they are to its first patient."""

    profile: str = ""
    other_profile: str = ""
    number: int = 0

    def users_of(self, *people: str) -> list[Json]:
        """Pointers to several."""
        return [self.user(who) for who in people]

    async def person(self, role: str) -> Caller:
        """A further account of a role."""
        self.number += 1
        return await self.invite(f"{role}-{self.number}", role)

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
            "startDate": self.when(days=5),
            "endDate": self.when(days=19),
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
            "delayed": {"statusReason": "counts", "startDate": self.when(days=12), "endDate": self.when(days=26)},
            "discontinued": {"statusReason": "progression"},
            "skipped": {"statusReason": "holiday"},
        }
        await self.objects.update(MASTER, "ChemoCycle", cycle, {"status": status, **needs.get(status, {})})

    def lab_body(self, **fields: Json) -> Object:
        """A neutrophil count of the patient, drawn just now, within its range."""
        body: Object = {
            "labTestName": "ANC",
            "result": 3.4,
            "date": self.when(),
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
            "recordedAt": self.when(),
        }
        return {**body, **fields}

    def treatment_body(self, **fields: Json) -> Object:
        """A drug that the patient was given."""
        body: Object = {"type": "Oxaliplatin", "date": self.when(), "notes": "85 mg/m2", "patient": self.user("patient")}
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def rows(self, class_name: str, **where: Json) -> list[Object]:
        """All that is stored of a class."""
        query = self.objects.parse_query(class_name, {"limit": 1000, "where": where})
        return await self.objects.find_objects(MASTER, query)

    async def alerts(self, object_id: str) -> list[tuple[Json, Json, Json]]:
        """Kind, urgency and role of the alerts about an object."""
        rows = await self.rows("Alert")
        return [
            (row["kind"], row["urgency"], row["role"])
            for row in rows
            if isinstance(about := row.get("about"), dict) and about["objectId"] == object_id
        ]


async def outcome(work: object) -> int:
    """0 when it is done, the Parse code when it is refused."""
    try:
        await work  # type: ignore[misc]  # an awaitable
    except ParseError as refusal:
        return int(refusal.code)
    return 0


async def make_ward(database: Database, settings: Settings) -> Ward:
    """The floor with two patients and their teams."""
    ward = await make_floor(Ward, database, settings, ONCOLOGY, PEOPLE)
    mine: Object = {"user": ward.user("patient"), "name": "Ines Duarte", "careTeam": ward.users_of(*TEAM)}
    others = ward.users_of("other_oncologist", "other_nurse", "other_careTeam")
    hers: Object = {"user": ward.user("other_patient"), "name": "Olga Petrenko", "careTeam": others}
    ward.profile = await ward.make("Patient", mine)
    ward.other_profile = await ward.make("Patient", hers)
    return ward
