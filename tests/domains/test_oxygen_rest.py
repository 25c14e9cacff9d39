"""Oxygen delivery over REST, as a phone and a desk use it: the template's own flow, and what no request of a driver reaches."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.actions.objects import utc_now
from app.core.wire import date_to_wire, encode, pointer
from tests.conftest import PATIENCE, RunningServer

MOUNT = "/parse"


@dataclass
class Phone:
    """One account's way to the server."""

    server: RunningServer
    user: str
    headers: dict[str, str]

    async def ask(self, method: str, path: str, body: object = None, **params: object) -> tuple[int, Any]:
        """Status and JSON of one request; parameters that are no text travel as JSON."""
        asked = {name: value if isinstance(value, str) else encode(value).decode() for name, value in params.items()}  # type: ignore[arg-type]  # plain JSON
        async with httpx.AsyncClient(base_url=self.server.url, headers=self.headers, timeout=PATIENCE) as client:
            answer = await client.request(method, MOUNT + path, json=body, params=asked)
        return answer.status_code, answer.json()

    async def make(self, class_name: str, body: object) -> str:
        """The objectId of a new object."""
        status, told = await self.ask("POST", f"/classes/{class_name}", body)
        assert status == 201, told
        return str(told["objectId"])


@dataclass
class Depot:
    """Two drivers, each with a tank at a site of its own, and a dispatcher."""

    dispatcher: Phone
    driver: Phone
    other: Phone
    site: str
    tank: str
    other_site: str
    other_tank: str


async def sign_in(server: RunningServer, role: str) -> Phone:
    name = f"{role}-{uuid4().hex[:6]}"
    app = {"X-Parse-Application-Id": server.app_id}
    master = Phone(server, "", {**app, "X-Parse-Master-Key": server.master_key})
    account = {"username": name, "password": "open sesame", "email": f"{name}@example.com", "role": role, "active": True}
    status, told = await master.ask("POST", "/users", account)
    assert status == 201, told
    status, told = await Phone(server, "", app).ask("POST", "/login", {"username": name, "password": "open sesame"})
    assert status == 200, told
    return Phone(server, str(told["objectId"]), {**app, "X-Parse-Session-Token": str(told["sessionToken"])})


def site_body(contact: Phone) -> dict[str, object]:
    return {
        "siteName": "Kim residence",
        "addressLine1": "4 Knott St",
        "city": "Portland",
        "region": "OR",
        "postalCode": "97211",
        "primaryContact": pointer("_User", contact.user),
    }


def tank_body(site: str, driver: Phone) -> dict[str, object]:
    return {
        "tankSerialNumber": f"T-{uuid4().hex[:6]}",
        "psiLevel": 1200,
        "status": "in_use",
        "assignedSite": pointer("PatientSite", site),
        "assignedDriver": pointer("_User", driver.user),
        "cylinderSize": "E",
        "flowLpm": 4,
    }


@pytest.fixture(scope="module")
async def depot(running_server: RunningServer) -> Depot:
    desk, driver, other = [await sign_in(running_server, role) for role in ("dispatcher", "driver", "driver")]
    site, other_site = [await desk.make("PatientSite", site_body(desk)) for _ in range(2)]
    tank = await desk.make("TankAssignment", tank_body(site, driver))
    return Depot(desk, driver, other, site, tank, other_site, await desk.make("TankAssignment", tank_body(other_site, other)))


async def test_the_templates_flow_runs_as_drawn(depot: Depot) -> None:
    tank = pointer("TankAssignment", depot.tank)
    status, told = await depot.driver.ask("GET", "/classes/TankAssignment", include="assignedSite,assignedDriver")
    assert status == 200
    (mine,) = told["results"]
    assert (mine["objectId"], mine["assignedSite"]["siteName"], mine["urgency"]) == (depot.tank, "Kim residence", "critical")
    now = date_to_wire(utc_now())
    me = pointer("_User", depot.driver.user)
    refill = {
        "tankAssignment": tank,
        "refillTime": now,
        "psiBefore": 300,
        "psiAfter": 2000,
        "refilledBy": me,
        "refillReason": "low",
    }
    await depot.driver.make("RefillLog", refill)
    await depot.driver.make("DispatchEvent", {"tankAssignment": tank, "eventType": "handoff", "eventTime": now, "recordedBy": me})
    _, told = await depot.driver.ask("GET", "/classes/RefillLog", where={"tankAssignment": tank})
    assert [(row["psiBefore"], row["psiAfter"]) for row in told["results"]] == [(300, 2000)]
    _, told = await depot.dispatcher.ask("GET", f"/classes/TankAssignment/{depot.tank}")
    assert (told["psiLevel"], told["lastCheckedAt"]) == (2000, now)


@pytest.mark.parametrize("missing", ["tankSerialNumber", "psiLevel", "status", "assignedSite", "assignedDriver"])
async def test_a_missing_required_field_is_named(depot: Depot, missing: str) -> None:
    body = {name: value for name, value in tank_body(depot.site, depot.driver).items() if name != missing}
    status, told = await depot.dispatcher.ask("POST", "/classes/TankAssignment", body)
    assert (status, told) == (400, {"code": 142, "error": f"{missing} is required"})


async def test_no_request_of_a_driver_reaches_another_drivers_tank(depot: Depot) -> None:
    hers = f"/classes/TankAssignment/{depot.other_tank}"
    tank = pointer("TankAssignment", depot.other_tank)
    me, now = pointer("_User", depot.driver.user), date_to_wire(utc_now())
    event = {"tankAssignment": tank, "eventType": "psi_check", "eventTime": now, "recordedBy": me, "psiLevel": 1}
    requests: list[dict[str, object]] = [
        {"method": "GET", "path": MOUNT + hers},
        {"method": "PUT", "path": MOUNT + hers, "body": {"psiLevel": 1}},
        {"method": "DELETE", "path": MOUNT + hers},
        {"method": "POST", "path": f"{MOUNT}/classes/DispatchEvent", "body": event},
    ]
    before = await depot.dispatcher.ask("GET", hers)
    for request in requests:
        status, told = await depot.driver.ask(
            str(request["method"]), str(request["path"]).removeprefix(MOUNT), request.get("body")
        )
        assert status in (400, 404), told
        assert told["code"] in (101, 119), told
    _, answers = await depot.driver.ask("POST", "/batch", {"requests": requests})
    assert [answer["error"]["code"] in (101, 119) for answer in answers] == [True] * 4
    assert await depot.dispatcher.ask("GET", hers) == before


@pytest.mark.parametrize(
    ("class_name", "params"),
    [
        ("TankAssignment", {}),
        ("TankAssignment", {"include": "assignedSite,assignedDriver,assignedSite.primaryContact"}),
        ("TankAssignment", {"includeAll": "true"}),
        ("PatientSite", {}),
        ("DispatchEvent", {"include": "tankAssignment.assignedSite"}),
        ("TankAssignment", {"where": {"assignedSite": {"$inQuery": {"where": {}, "className": "PatientSite"}}}}),
        ("PatientSite", {"where": {"objectId": {"$exists": True}}}),
        ("TankAssignment", {"where": {"$or": [{"psiLevel": {"$gte": 0}}, {"status": "in_use"}]}}),
        ("TankAssignment", {"keys": "psiLevel"}),
    ],
)
async def test_no_query_of_a_driver_shows_another_drivers_things(
    depot: Depot, class_name: str, params: dict[str, object]
) -> None:
    status, told = await depot.driver.ask("GET", f"/classes/{class_name}", **params)
    assert status == 200, told
    assert depot.other_tank not in str(told)
    assert depot.other_site not in str(told)
    if class_name != "DispatchEvent":
        assert len(told["results"]) == 1


async def test_a_relation_asked_of_a_site_tells_a_stranger_nothing(depot: Depot) -> None:
    related = {"$relatedTo": {"object": pointer("PatientSite", depot.other_site), "key": "careTeam"}}
    status, told = await depot.driver.ask("GET", "/users", where=related)
    assert told.get("results", []) == [], told
    assert status in (200, 400)


async def test_a_site_that_changes_hands_goes_out_of_sight_at_once(depot: Depot) -> None:
    site = await depot.dispatcher.make("PatientSite", site_body(depot.dispatcher))
    tank = await depot.dispatcher.make("TankAssignment", tank_body(site, depot.driver))
    path = f"/classes/PatientSite/{site}"
    assert (await depot.driver.ask("GET", path))[0] == 200
    gone = {"assignedDriver": pointer("_User", depot.other.user)}
    assert (await depot.dispatcher.ask("PUT", f"/classes/TankAssignment/{tank}", gone))[0] == 200
    assert (await depot.driver.ask("GET", path))[0] == 404
    assert (await depot.other.ask("GET", path))[0] == 200
    assert (await depot.dispatcher.ask("DELETE", f"/classes/TankAssignment/{tank}"))[0] == 200
