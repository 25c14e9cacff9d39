"""The template's sequence diagram, step by step over REST, and what no request of a technician reaches."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.actions.objects import utc_now
from app.core.wire import Object, date_to_wire, encode, pointer
from tests.conftest import PATIENCE, RunningServer


@dataclass
class App:
    """One person's app: what it sends with each request."""

    url: str
    headers: dict[str, str]

    async def ask(self, method: str, path: str, body: Object | None = None, **params: str) -> tuple[int, Any]:
        """Status and JSON of one request."""
        async with httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=PATIENCE) as client:
            answer = await client.request(method, path, json=body, params=params)
        return answer.status_code, answer.json()

    async def make(self, class_name: str, body: Object) -> str:
        """The objectId of a new object."""
        status, told = await self.ask("POST", f"/classes/{class_name}", body)
        assert status == 201, told
        return str(told["objectId"])


@dataclass
class Office:
    """A dispatcher who has not signed in yet, and two technicians who have."""

    name: str
    dispatcher: App
    technician: App
    other: App
    aide: str
    other_aide: str


async def account(server: RunningServer, role: str) -> tuple[str, str]:
    """Username and objectId of a new account."""
    name = f"{role}-{uuid4().hex[:6]}"
    keys = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
    body: Object = {"username": name, "password": "open sesame", "email": f"{name}@example.com", "role": role, "active": True}
    status, told = await App(f"{server.url}/parse", keys).ask("POST", "/users", body)
    assert status == 201, told
    return name, str(told["objectId"])


async def sign_in(app: App, name: str) -> None:
    status, told = await app.ask("POST", "/login", {"username": name, "password": "open sesame"})
    assert status == 200, told
    app.headers["X-Parse-Session-Token"] = str(told["sessionToken"])


@pytest.fixture(scope="module")
async def office(running_server: RunningServer) -> Office:
    apps = [App(f"{running_server.url}/parse", {"X-Parse-Application-Id": running_server.app_id}) for _ in range(4)]
    name, _ = await account(running_server, "dispatcher")
    desk, aides = apps[3], []
    await sign_in(desk, name)
    for app in apps[1:3]:
        login, user = await account(running_server, "technician")
        await sign_in(app, login)
        body: Object = {"name": login, "availability": "available", "user": pointer("_User", user)}
        aides.append(await desk.make("Technician", body))
    return Office(name, apps[0], apps[1], apps[2], *aides)


def job_body(aide: str, **fields: object) -> Object:
    body: dict[str, Any] = {
        "description": "Wound care",
        "status": "assigned",
        "technician": pointer("Technician", aide),
        "scheduledTime": date_to_wire(utc_now()),
        **fields,
    }
    return body


async def test_the_templates_sequence_runs_as_drawn(office: Office) -> None:
    app = office.dispatcher
    assert (await app.ask("GET", "/classes/Technician"))[0] == 404
    # User -> App: Login. App -> Careboard: POST /login. Careboard --> App: Session token
    await sign_in(app, office.name)
    assert app.headers["X-Parse-Session-Token"].startswith("r:")
    # Retrieve technician availability: GET /classes/Technician --> Technician list
    status, told = await app.ask("GET", "/classes/Technician", where=encode({"availability": "available"}).decode())
    assert status == 200
    assert {office.aide, office.other_aide} <= {row["objectId"] for row in told["results"]}
    # Schedule job: POST /classes/Job --> Job confirmation
    status, told = await app.ask("POST", "/classes/Job", job_body(office.aide))
    assert status == 201
    job = str(told["objectId"])
    _, technician = await app.ask("GET", f"/classes/Technician/{office.aide}")
    assert technician["assignedJobs"] == [pointer("Job", job)]
    # Check parts inventory: GET /classes/PartsInventory --> Inventory details
    await app.make("PartsInventory", {"partName": "Gauze", "quantity": 6, "job": pointer("Job", job)})
    for who in (app, office.technician):
        status, told = await who.ask("GET", "/classes/PartsInventory", include="job")
        assert status == 200
        (part,) = told["results"]
        assert (part["quantity"], part["availability"], part["job"]["description"]) == (6, True, "Wound care")
    _, told = await office.other.ask("GET", "/classes/PartsInventory")
    assert told["results"] == []


async def test_a_day_of_a_technician_on_the_phone(office: Office) -> None:
    phone, desk = office.technician, office.dispatcher
    await sign_in(desk, office.name)
    job = await desk.make("Job", job_body(office.aide, overlapAllowed=True))
    part = await desk.make("PartsInventory", {"partName": "Gloves", "quantity": 3, "job": pointer("Job", job)})
    for state in ("confirmed", "en_route", "in_progress"):
        assert (await phone.ask("PUT", f"/classes/Job/{job}", {"status": state}))[0] == 200
    log: Object = {
        "technician": pointer("Technician", office.aide),
        "job": pointer("Job", job),
        "serviceTime": date_to_wire(utc_now()),
        "description": "Dressing changed",
        "location": {"__type": "GeoPoint", "latitude": 45.5, "longitude": -122.6},
        "partsUsed": [{"part": pointer("PartsInventory", part), "quantity": 2}],
    }
    assert (await phone.ask("PUT", f"/classes/Job/{job}", {"status": "done"}))[0] == 200
    await phone.make("ServiceLog", log)
    _, told = await phone.ask("GET", f"/classes/PartsInventory/{part}")
    assert told["quantity"] == 1
    assert (await desk.ask("PUT", f"/classes/Job/{job}", {"status": "verified"}))[0] == 200
    status, told = await phone.ask("PUT", f"/classes/Job/{job}", {"status": "in_progress"})
    assert (status, told) == (400, {"code": 142, "error": "status: verified is final."})


REQUIRED = {
    "Technician": ("name", "availability"),
    "Job": ("description", "status", "technician", "scheduledTime"),
    "PartsInventory": ("partName", "quantity"),
    "ServiceLog": ("technician", "job", "serviceTime", "description"),
}


@pytest.mark.parametrize(("class_name", "missing"), [(name, field) for name, fields in REQUIRED.items() for field in fields])
async def test_a_missing_required_field_is_named(office: Office, class_name: str, missing: str) -> None:
    await sign_in(office.dispatcher, office.name)
    job = await office.dispatcher.make("Job", job_body(office.aide, status="open"))
    bodies: dict[str, Object] = {
        "Technician": {"name": "Ann", "availability": "busy"},
        "Job": job_body(office.aide),
        "PartsInventory": {"partName": "Gauze", "quantity": 6},
        "ServiceLog": {
            "technician": pointer("Technician", office.aide),
            "job": pointer("Job", job),
            "serviceTime": date_to_wire(utc_now()),
            "description": "Done",
        },
    }
    body = {name: value for name, value in bodies[class_name].items() if name != missing}
    status, told = await office.dispatcher.ask("POST", f"/classes/{class_name}", body)
    assert (status, told) == (400, {"code": 142, "error": f"{missing} is required"})


async def test_no_request_of_a_technician_reaches_anothers_visit(office: Office) -> None:
    await sign_in(office.dispatcher, office.name)
    job = await office.dispatcher.make("Job", job_body(office.other_aide, status="open"))
    path = f"/classes/Job/{job}"
    before = await office.dispatcher.ask("GET", path)
    asks: list[tuple[str, str, Object | None]] = [
        ("GET", path, None),
        ("PUT", path, {"status": "cancelled"}),
        ("DELETE", path, None),
        ("PUT", f"/classes/Technician/{office.other_aide}", {"availability": "off_duty"}),
    ]
    for method, where, body in asks:
        status, told = await office.technician.ask(method, where, body)
        assert status in (400, 404), told
        assert told["code"] in (101, 119), told
    requests: Object = {"requests": [{"method": m, "path": f"/parse{p}", **({"body": b} if b else {})} for m, p, b in asks]}
    _, answers = await office.technician.ask("POST", "/batch", requests)
    assert [answer["error"]["code"] in (101, 119) for answer in answers] == [True] * 4
    assert await office.dispatcher.ask("GET", path) == before
