"""The template's sequence diagram over REST, step by step as drawn, with the live query that refreshes the board; and what a
missing field or a wrong hand is told."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import websockets

from app.actions.objects import utc_now
from app.core.wire import Object, date_to_wire, decode, encode, pointer
from tests.conftest import PATIENCE, RunningServer
from tests.issuer import Issuer

MOUNT = "/parse"


@dataclass
class Person:
    """One account's way to the server."""

    server: RunningServer
    user: str
    token: str
    username: str = ""

    async def ask(self, method: str, path: str, body: object = None, **params: object) -> tuple[int, Any]:
        """Status and JSON of one request; parameters that are no text travel as JSON."""
        asked = {name: value if isinstance(value, str) else encode(value).decode() for name, value in params.items()}  # type: ignore[arg-type]  # plain JSON
        key = {"X-Parse-Session-Token": self.token} if self.token else {"X-Parse-Master-Key": self.server.master_key}
        headers = {"X-Parse-Application-Id": self.server.app_id, **key}
        async with httpx.AsyncClient(base_url=self.server.url, headers=headers, timeout=PATIENCE) as client:
            answer = await client.request(method, MOUNT + path, json=body, params=asked)
        return answer.status_code, answer.json()

    async def make(self, class_name: str, body: object) -> str:
        """The objectId of a new object."""
        status, told = await self.ask("POST", f"/classes/{class_name}", body)
        assert status == 201, told
        return str(told["objectId"])


async def account(server: RunningServer, role: str, **fields: object) -> Person:
    """A new account of a role, not signed in."""
    name = f"{role.lower()}-{uuid4().hex[:6]}"
    body = {"username": name, "password": "open sesame", "email": f"{name}@example.com", "role": role, "active": True, **fields}
    status, told = await Person(server, "", "").ask("POST", "/users", body)
    assert status == 201, told
    return Person(server, str(told["objectId"]), "", name)


async def sign_in(person: Person) -> Person:
    """POST /login, as the diagram begins."""
    app = {"X-Parse-Application-Id": person.server.app_id}
    async with httpx.AsyncClient(base_url=person.server.url, headers=app, timeout=PATIENCE) as client:
        answer = await client.post(f"{MOUNT}/login", json={"username": person.username, "password": "open sesame"})
    told = answer.json()
    assert answer.status_code == 200, told
    return Person(person.server, str(told["objectId"]), str(told["sessionToken"]), person.username)


class Listener:
    """A live query of one class, opened by a signed-in person."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.heard: list[Object] = []

    async def listen(self, ready: asyncio.Event, class_name: str, where: Object, until: str) -> None:
        """Keeps what it hears until an event of this kind."""
        url = f"{self._person.server.url.replace('http', 'ws')}{MOUNT}"
        async with websockets.connect(url) as socket:
            await socket.send(encode({"op": "connect", "applicationId": self._person.server.app_id}).decode())
            assert "connected" in str(await socket.recv())
            query: Object = {"className": class_name, "where": where}
            await socket.send(
                encode({"op": "subscribe", "requestId": 1, "query": query, "sessionToken": self._person.token}).decode()
            )
            assert "subscribed" in str(await socket.recv())
            ready.set()
            while not self.heard or self.heard[-1]["op"] != until:
                told = decode(str(await socket.recv()))
                assert isinstance(told, dict)
                self.heard.append(told)


@dataclass
class Stage:
    """A hospital with a ventilator, an MRI system and a pump."""

    issuer: Issuer
    biomed: Person
    technician: Person
    nurse: Person
    facility: str
    ventilator: str
    mri: str


def asset_body(facility: str, tag: str, **fields: object) -> dict[str, object]:
    body: dict[str, object] = {
        "facility": pointer("Facility", facility),
        "assetTag": f"{tag}-{uuid4().hex[:6]}",
        "name": tag,
        "category": "ventilator",
        "serialNumber": uuid4().hex[:8],
        "status": "available",
        "criticality": "high",
        "currentLocation": "Equipment store",
        "nextServiceDue": {"__type": "Date", "iso": "2027-03-01T08:00:00.000Z"},
    }
    return {**body, **fields}


async def sign_in_at_the_hospital(issuer: Issuer, person: Person) -> Person:
    """POST /login with what the hospital's own sign-in gave the app."""
    app = {"X-Parse-Application-Id": person.server.app_id}
    token = {"id": f"hr-{person.username}", "id_token": issuer.token(f"hr-{person.username}")}
    async with httpx.AsyncClient(base_url=person.server.url, headers=app, timeout=PATIENCE) as client:
        answer = await client.post(f"{MOUNT}/login", json={"authData": {"hospital": token}})
    told = answer.json()
    assert answer.status_code == 200, told
    return Person(person.server, str(told["objectId"]), str(told["sessionToken"]), str(told["username"]))


@pytest.fixture(scope="module")
def environment(issuer: Issuer) -> dict[str, str]:
    return {"CAREBOARD_AUTH": issuer.setting()}


@pytest.fixture(scope="module")
async def stage(running_server: RunningServer, issuer: Issuer) -> Stage:
    return await fill(running_server, issuer)


async def fill(server: RunningServer, issuer: Issuer) -> Stage:
    biomed, technician, nurse = [await account(server, role) for role in ("biomed", "technician", "nurse")]
    master = Person(server, "", "")
    linked = {"authData": {"hospital": {"id": f"hr-{biomed.username}"}}}
    status, told = await master.ask("PUT", f"/users/{biomed.user}", linked)
    assert status == 200, told
    facility = await master.make("Facility", {"name": "Main", "code": "MAIN", "isOperational": True})
    given = {"technician": pointer("_User", technician.user)}
    ventilator = await master.make("Asset", asset_body(facility, "VENT-12", **given))
    earlier = {"__type": "Date", "iso": "2026-12-01T08:00:00.000Z"}
    mri = await master.make("Asset", asset_body(facility, "MRI-3", category="imaging", nextServiceDue=earlier, **given))
    await master.make("Asset", asset_body(facility, "PUMP-1", criticality="low"))
    return Stage(issuer, biomed, technician, nurse, facility, ventilator, mri)


async def test_the_templates_flow_runs_as_drawn(stage: Stage) -> None:
    # User -> App: login with hospital SSO credentials; App -> server: POST /login; session token and user context
    engineer = await sign_in_at_the_hospital(stage.issuer, stage.biomed)
    status, me = await engineer.ask("GET", "/users/me")
    assert (status, me["role"], me["username"]) == (200, "biomed", stage.biomed.username)

    # Open critical equipment dashboard: GET /classes/Asset?where={"criticality":"high"}&order=nextServiceDue
    status, told = await engineer.ask("GET", "/classes/Asset", where={"criticality": "high"}, order="nextServiceDue")
    assert status == 200
    rows = told["results"]
    assert [row["objectId"] for row in rows] == [stage.mri, stage.ventilator]
    assert [(row["name"], row["status"]) for row in rows] == [("MRI-3", "available"), ("VENT-12", "available")]
    assert all(row["nextServiceDue"]["__type"] == "Date" for row in rows)

    listener, ready = Listener(engineer), asyncio.Event()
    board = asyncio.create_task(listener.listen(ready, "Asset", {"currentLocation": "ICU Room 12"}, "enter"))
    await asyncio.wait_for(ready.wait(), PATIENCE)
    log_listener, log_ready = Listener(engineer), asyncio.Event()
    logs = asyncio.create_task(log_listener.listen(log_ready, "MaintenanceLog", {}, "create"))
    await asyncio.wait_for(log_ready.wait(), PATIENCE)

    # Record preventive maintenance for MRI-3: POST /classes/MaintenanceLog -> objectId
    now = date_to_wire(utc_now())
    log = {
        "asset": pointer("Asset", stage.mri),
        "performedBy": pointer("_User", engineer.user),
        "maintenanceType": "preventive",
        "status": "completed",
        "startedAt": now,
        "completedAt": now,
        "findings": "Coil replaced",
        "partsUsed": ["RF coil"],
        "nextDueAt": {"__type": "Date", "iso": "2027-06-01T08:00:00.000Z"},
        "downtimeMinutes": 90,
    }
    status, told = await engineer.ask("POST", "/classes/MaintenanceLog", log)
    assert status == 201
    assert told["objectId"]
    _, mri = await engineer.ask("GET", f"/classes/Asset/{stage.mri}")
    assert mri["nextServiceDue"] == log["nextDueAt"]

    # Move ventilator to ICU Room 12: POST /classes/AssetAssignment + PUT /classes/Asset/{objectId}
    assignment = {
        "asset": pointer("Asset", stage.ventilator),
        "assignedTo": pointer("_User", stage.nurse.user),
        "departmentName": "ICU",
        "roomLabel": "Room 12",
        "assignedAt": now,
        "assignmentStatus": "active",
    }
    status, saved = await engineer.ask("POST", "/classes/AssetAssignment", assignment)
    assert status == 201
    moved = {"currentLocation": "ICU Room 12"}
    status, _ = await engineer.ask("PUT", f"/classes/Asset/{stage.ventilator}", moved)
    assert status == 200
    _, ventilator = await engineer.ask("GET", f"/classes/Asset/{stage.ventilator}")
    assert (ventilator["currentLocation"], ventilator["status"]) == ("ICU Room 12", "in_use")
    assert ventilator["assignment"]["objectId"] == saved["objectId"]
    _, events = await engineer.ask("GET", "/classes/ComplianceEvent", where={"asset": pointer("Asset", stage.ventilator)})
    assert [event["eventType"] for event in events["results"]] == ["moved"]

    # Live query event for Asset or MaintenanceLog -> real-time board refresh
    await asyncio.wait_for(asyncio.gather(board, logs), PATIENCE)
    assert [(event["op"], event["object"]["objectId"]) for event in listener.heard] == [("enter", stage.ventilator)]  # type: ignore[index,call-overload]  # an object
    assert log_listener.heard[0]["object"]["objectId"] == told["objectId"]  # type: ignore[index,call-overload]  # an object


@pytest.mark.parametrize(
    "missing", ["facility", "assetTag", "name", "category", "serialNumber", "status", "criticality", "currentLocation"]
)
async def test_a_missing_required_field_of_an_asset_is_named(stage: Stage, missing: str) -> None:
    body = {name: value for name, value in asset_body(stage.facility, "X").items() if name != missing}
    status, told = await (await sign_in(stage.biomed)).ask("POST", "/classes/Asset", body)
    assert (status, told) == (400, {"code": 142, "error": f"{missing} is required"})


async def test_a_transfer_in_one_batch_is_whole_or_not_at_all(stage: Stage) -> None:
    """Seeds' own way to prevent conflicting assignments: end one and begin the next in one transaction."""
    engineer = await sign_in(stage.biomed)
    asset = await engineer.make("Asset", asset_body(stage.facility, "PUMP-2"))
    body = {
        "asset": pointer("Asset", asset),
        "assignedTo": pointer("_User", stage.nurse.user),
        "departmentName": "ICU",
        "assignedAt": date_to_wire(utc_now()),
        "assignmentStatus": "active",
    }
    first = await engineer.make("AssetAssignment", body)
    end = {"method": "PUT", "path": f"{MOUNT}/classes/AssetAssignment/{first}", "body": {"assignmentStatus": "transferred"}}
    begin = {"method": "POST", "path": f"{MOUNT}/classes/AssetAssignment", "body": {**body, "departmentName": "Ward 4"}}
    wrong = {**begin, "body": {**body, "departmentName": "Ward 4", "assignmentStatus": "lost"}}
    status, told = await engineer.ask("POST", "/batch", {"requests": [end, wrong], "transaction": True})
    assert (status, told["code"]) == (400, 142)
    _, stored = await engineer.ask("GET", f"/classes/Asset/{asset}")
    assert (stored["currentLocation"], stored["assignment"]["objectId"]) == ("ICU", first)
    status, told = await engineer.ask("POST", "/batch", {"requests": [end, begin], "transaction": True})
    assert status == 200, told
    _, stored = await engineer.ask("GET", f"/classes/Asset/{asset}")
    assert (stored["currentLocation"], stored["department"], stored["status"]) == ("Ward 4", "Ward 4", "in_use")


async def test_no_request_of_a_technician_reaches_another_technicians_asset(stage: Stage) -> None:
    technician = await sign_in(stage.technician)
    engineer = await sign_in(stage.biomed)
    hers = await engineer.make("Asset", asset_body(stage.facility, "VENT-99"))
    path = f"/classes/Asset/{hers}"
    me, now = pointer("_User", technician.user), date_to_wire(utc_now())
    inspection = {"asset": pointer("Asset", hers), "inspectedBy": me, "inspectedAt": now, "status": "failed"}
    requests: list[dict[str, object]] = [
        {"method": "GET", "path": MOUNT + path},
        {"method": "PUT", "path": MOUNT + path, "body": {"status": "retired"}},
        {"method": "DELETE", "path": MOUNT + path},
        {"method": "POST", "path": f"{MOUNT}/classes/Inspection", "body": inspection},
    ]
    before = await engineer.ask("GET", path)
    _, answers = await technician.ask("POST", "/batch", {"requests": requests})
    assert [answer["error"]["code"] in (101, 119) for answer in answers] == [True] * 4
    assert await engineer.ask("GET", path) == before
    for class_name in ("Asset", "Inspection", "ComplianceEvent"):
        _, told = await technician.ask("GET", f"/classes/{class_name}", include="asset")
        assert hers not in str(told)
