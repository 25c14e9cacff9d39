"""An oxygen depot behind a running server, and everybody who might look in: what the tests of access stand on."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from app.actions.objects import utc_now
from app.core.wire import Json, Object, date_to_wire, encode, pointer
from tests.conftest import RunningServer

ROLES = {
    "dispatcher": "dispatcher",
    "driver": "driver",
    "other_driver": "driver",
    "careTeam": "careTeam",
    "other_careTeam": "careTeam",
    "contact": "patient",
    "stranger": "patient",
    "courier": "courier",
    "expired": "driver",
    "disabled": "driver",
}
READERS = ("dispatcher", "driver", "careTeam", "contact")
OUTSIDERS = ("anonymous", "stranger", "courier", "other_driver", "other_careTeam", "expired", "disabled")
CLASSES = ("PatientSite", "TankAssignment", "RefillLog", "DispatchEvent", "EmergencyContact")
PASSWORD = "open sesame"


@dataclass
class Phone:
    """One caller's way to the server."""

    server: RunningServer
    user: str
    headers: dict[str, str]

    @property
    def token(self) -> str | None:
        """The session token, None for an anonymous caller."""
        return self.headers.get("X-Parse-Session-Token")

    async def ask(self, method: str, path: str, body: Json = None, **params: Json) -> tuple[int, Any]:
        """Status and JSON of one request; parameters that are no text travel as JSON."""
        asked = {name: value if isinstance(value, str) else encode(value).decode() for name, value in params.items()}
        async with httpx.AsyncClient(base_url=self.server.url, headers=self.headers, timeout=30) as client:
            answer = await client.request(method, "/parse" + path, json=body, params=asked)
        return answer.status_code, answer.json()

    async def make(self, class_name: str, body: Json) -> str:
        """The objectId of a new object."""
        status, told = await self.ask("POST", f"/classes/{class_name}", body)
        assert status == 201, told
        return str(told["objectId"])

    async def find(self, class_name: str, where: Json = None, **params: Json) -> list[Any]:
        """What a find answers; no result where it is refused."""
        _, told = await self.ask("GET", f"/classes/{class_name}", where=where or {}, **params)
        found: list[Any] = told.get("results", [])
        return found


@dataclass
class Depot:
    """A site of `driver`, `careTeam` and `contact` whose every object holds `secret`; other people have nothing to do with it."""

    server: RunningServer
    people: dict[str, Phone]
    secret: str = field(default_factory=lambda: f"hush{uuid4().hex[:12]}")
    ids: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, who: str) -> Phone:
        return self.people[who]

    def user(self, who: str) -> Object:
        """A pointer to one of the people."""
        return pointer("_User", self[who].user)

    def at(self, class_name: str) -> Object:
        """A pointer to the depot's object of a class."""
        return pointer(class_name, self.ids[class_name])

    def path(self, class_name: str) -> str:
        """The address of the depot's object of a class."""
        return f"/classes/{class_name}/{self.ids[class_name]}"

    async def stored(self) -> dict[str, Any]:
        """Every object of the domain as the master key sees it, by class and id."""
        return {name: await self["master"].find(name, order="objectId", limit=1000) for name in (*CLASSES, "_User", "_Role")}


async def open_depot(server: RunningServer) -> Depot:
    """Fills a running server."""
    app = {"X-Parse-Application-Id": server.app_id}
    people = {"master": Phone(server, "", {**app, "X-Parse-Master-Key": server.master_key}), "anonymous": Phone(server, "", app)}
    for who, role in ROLES.items():
        people[who] = await sign_in(people["master"], people["anonymous"], role)
    depot = Depot(server, people)
    await _fill(depot)
    await people["master"].ask("PUT", f"/users/{people['disabled'].user}", {"active": False})
    await sql(server, """update "_Session" set "expiresAt" = now() - interval '1 s' where "user" = $1""", people["expired"].user)
    return depot


async def sign_in(master: Phone, anonymous: Phone, role: str) -> Phone:
    """A new account of a role, signed in."""
    name = f"{role}-{uuid4().hex[:8]}"
    account: Object = {"username": name, "password": PASSWORD, "email": f"{name}@example.com", "role": role, "active": True}
    status, told = await master.ask("POST", "/users", account)
    assert status == 201, told
    _, told = await anonymous.ask("POST", "/login", {"username": name, "password": PASSWORD})
    return Phone(master.server, told["objectId"], {**anonymous.headers, "X-Parse-Session-Token": told["sessionToken"]})


async def sql(server: RunningServer, statement: str, *arguments: object) -> list[Any]:
    """Runs one statement past the server."""
    connection = await asyncpg.connect(server.database_url)
    try:
        found: list[Any] = await connection.fetch(statement, *arguments)
    finally:
        await connection.close()
    return found


def site_body(depot: Depot, **more: Json) -> Object:
    """The depot's site."""
    body: Object = {
        "siteName": depot.secret,
        "addressLine1": "4 Knott St",
        "city": "Portland",
        "region": "OR",
        "postalCode": "97211",
        "primaryContact": depot.user("contact"),
        "careTeam": [depot.user("careTeam")],
    }
    return {**body, **more}


def tank_body(depot: Depot, **more: Json) -> Object:
    """The depot's tank."""
    body: Object = {
        "tankSerialNumber": depot.secret,
        "psiLevel": 1200,
        "status": "in_use",
        "assignedSite": depot.at("PatientSite"),
        "assignedDriver": depot.user("driver"),
        "cylinderSize": "E",
        "flowLpm": 4,
    }
    return {**body, **more}


def refill_body(depot: Depot, who: str, **more: Json) -> Object:
    """A refill of the depot's tank, signed by one of the people."""
    body: Object = {
        "tankAssignment": depot.at("TankAssignment"),
        "refillTime": date_to_wire(utc_now()),
        "psiBefore": 240,
        "psiAfter": 2000,
        "refilledBy": depot.user(who),
        "refillReason": depot.secret,
    }
    return {**body, **more}


def event_body(depot: Depot, who: str, **more: Json) -> Object:
    """An arrival at the depot's tank, recorded by one of the people."""
    body: Object = {
        "tankAssignment": depot.at("TankAssignment"),
        "eventType": "arrived",
        "eventTime": date_to_wire(utc_now()),
        "recordedBy": depot.user(who),
        "locationNote": depot.secret,
    }
    return {**body, **more}


def contact_body(depot: Depot, **more: Json) -> Object:
    """A contact of the depot's site."""
    body: Object = {
        "site": depot.at("PatientSite"),
        "contactName": depot.secret,
        "relationship": "daughter",
        "phoneNumber": "+1 503 555 0142",
        "isPrimary": False,
    }
    return {**body, **more}


async def _fill(depot: Depot) -> None:
    dispatcher = depot["dispatcher"]
    depot.ids["PatientSite"] = await dispatcher.make("PatientSite", site_body(depot))
    depot.ids["TankAssignment"] = await dispatcher.make("TankAssignment", tank_body(depot))
    depot.ids["RefillLog"] = await dispatcher.make("RefillLog", refill_body(depot, "dispatcher"))
    depot.ids["DispatchEvent"] = await dispatcher.make("DispatchEvent", event_body(depot, "dispatcher"))
    depot.ids["EmergencyContact"] = await dispatcher.make("EmergencyContact", contact_body(depot))
    # What an outsider may make: an object of a class of one's own that points wherever it likes.
    relation: Object = {"__op": "AddRelation", "objects": [depot.at("TankAssignment")]}
    for who in ("anonymous", *ROLES):
        bait: Object = {
            "tank": depot.at("TankAssignment"),
            "refill": depot.at("RefillLog"),
            "contact": depot.at("EmergencyContact"),
            "driver": depot.user("driver"),
            "things": [depot.at(name) for name in CLASSES],
            "rel": relation,
            "guess": depot.secret,
        }
        depot.ids[f"Bait:{who}"] = await depot[who].make("Bait", bait)
