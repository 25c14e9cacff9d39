"""What the oxygen tests stand on: a site with its people, tanks on demand, and a clock that can be set."""

from dataclasses import dataclass
from uuid import uuid4

from app.actions.caller import MASTER
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.domains.oxygen.domain import OXYGEN
from app.store.database import Database
from tests.domains.floor import Floor, make_floor

PEOPLE = {
    "dispatcher": "dispatcher",
    "admin": "admin",
    "driver": "driver",
    "other_driver": "driver",
    "careTeam": "careTeam",
    "other_careTeam": "careTeam",
    "contact": "patient",
    "patient": "patient",
    "stranger": "courier",
}


@dataclass
class Town(Floor):
    """One server's floor of actions with the oxygen domain, and callers by what they are to its first site."""

    site: str = ""
    other_site: str = ""

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


async def make_town(database: Database, settings: Settings) -> Town:
    """The floor with nine people and two sites."""
    town = await make_floor(Town, database, settings, OXYGEN, PEOPLE)
    town.site = await town.new_site()
    town.other_site = await town.new_site(careTeam=[town.user("other_careTeam")], primaryContact=town.user("other_careTeam"))
    return town
