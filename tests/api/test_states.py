"""The published state machines: the table that writes are judged by, to who is signed in."""

from typing import Any

import httpx
import pytest

from app.domains.oxygen.rules import TANK_STATES
from app.main import DOMAINS
from tests.api.depot import Phone, sign_in
from tests.conftest import PATIENCE, RunningServer


@pytest.fixture(scope="module")
async def people(running_server: RunningServer) -> dict[str, Phone]:
    app = {"X-Parse-Application-Id": running_server.app_id}
    master = Phone(running_server, "", {**app, "X-Parse-Master-Key": running_server.master_key})
    nobody = Phone(running_server, "", app)
    return {"master": master, "anonymous": nobody, "patient": await sign_in(master, nobody, "patient")}


@pytest.mark.parametrize(
    "machine", [machine for domain in DOMAINS for machine in domain.machines], ids=lambda each: each.class_name
)
async def test_every_machine_is_published_as_it_judges(people: dict[str, Phone], machine: Any) -> None:
    for who in ("patient", "master"):
        status, told = await people[who].ask("GET", f"/states/{machine.class_name}", field=machine.field)
        assert (status, told) == (200, machine.to_wire())


async def test_who_is_not_signed_in_sees_none(people: dict[str, Phone]) -> None:
    for path in ("/states", "/states/TankAssignment", "/states/Nothing"):
        status, told = await people["anonymous"].ask("GET", path)
        assert (status, told["code"]) == (404, 101)


async def test_the_list_names_each_and_an_unknown_class_is_told_which_there_are(people: dict[str, Phone]) -> None:
    _, told = await people["patient"].ask("GET", "/states")
    every = [{"className": machine.class_name, "field": machine.field} for domain in DOMAINS for machine in domain.machines]
    assert sorted(told["results"], key=str) == sorted(every, key=str)
    status, told = await people["patient"].ask("GET", "/states/PatientSite")
    assert (status, told["code"]) == (400, 103)
    assert "TankAssignment" in told["error"]
    status, told = await people["patient"].ask("GET", "/states/TankAssignment", field="psiLevel")
    assert (status, told) == (400, {"code": 102, "error": "Say which states of TankAssignment: ?field=status."})


async def test_the_address_without_the_mount_answers_to_a_session_and_to_a_page_s_cookie(people: dict[str, Phone]) -> None:
    phone = people["patient"]
    async with httpx.AsyncClient(base_url=phone.server.url, timeout=PATIENCE) as client:
        by_cookie = await client.get("/states/TankAssignment", headers={"Cookie": f"careboard_session={phone.token}"})
        by_header = await client.get("/states/TankAssignment", headers=phone.headers)
        nobody = await client.get("/states/TankAssignment")
    assert by_cookie.json() == by_header.json() == TANK_STATES.to_wire()
    assert nobody.status_code == 404
