"""The simulation, against a running server: through the public REST API, by drivers, within the rules."""

import io
from typing import Any

import httpx
import pytest
from rich.console import Console

from app.core.wire import encode
from app.domains.oxygen.simulate import simulate
from app.domains.simulation import Options, Tally, drive
from app.errors import ParseError
from tests.conftest import PATIENCE, RunningServer


async def told(server: RunningServer, class_name: str, **where: object) -> list[Any]:
    headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
    async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=PATIENCE) as client:
        answer = await client.get(f"/classes/{class_name}", params={"limit": 1000, "where": encode(where).decode()})  # type: ignore[arg-type]  # plain JSON
    results: list[Any] = answer.json()["results"]
    return results


async def driven(url: str, app_id: str, key: str, options: Options, screen: io.StringIO) -> Tally:
    tallies = await drive(url, app_id, key, {"oxygen": simulate}, options, console=Console(file=screen))
    return tallies["oxygen"]


async def test_a_fleet_is_made_checked_refilled_and_handed_off(running_server: RunningServer) -> None:
    screen, url = io.StringIO(), f"{running_server.url}/parse"
    options = Options(size=12, speed=6000, seed=7, minutes=0.1)
    tally = await driven(url, running_server.app_id, running_server.master_key, options, screen)
    assert (tally.refused, tally.last_refusal) == (0, "")
    tanks = await told(running_server, "TankAssignment")
    assert len(tanks) == 12
    assert {tank["tankSerialNumber"][:6] for tank in tanks} == {"SIM-7-"}
    checks = await told(running_server, "DispatchEvent", eventType="psi_check")
    refills = await told(running_server, "RefillLog")
    assert (len(checks), len(refills)) == (tally.counts["checks"], tally.counts["refills"])
    assert len(checks) > 10
    assert len(refills) > 0
    drivers = {tank["assignedDriver"]["objectId"] for tank in tanks}
    assert {event["recordedBy"]["objectId"] for event in checks} <= drivers
    assert f"{len(checks)} checks" in screen.getvalue()


async def test_a_second_run_uses_the_fleet_that_is_there(running_server: RunningServer) -> None:
    before = {tank["objectId"] for tank in await told(running_server, "TankAssignment")}
    options = Options(size=12, speed=600, minutes=0.01)
    await driven(f"{running_server.url}/parse", running_server.app_id, running_server.master_key, options, io.StringIO())
    assert {tank["objectId"] for tank in await told(running_server, "TankAssignment")} == before


async def test_without_a_server_it_says_so_in_a_sentence() -> None:
    with pytest.raises(ParseError, match=r"No answer from Careboard at http://127\.0\.0\.1:9/parse"):
        await driven("http://127.0.0.1:9/parse", "careboard", "key", Options(), io.StringIO())


async def test_with_a_wrong_key_it_repeats_the_servers_words(running_server: RunningServer) -> None:
    with pytest.raises(ParseError) as refusal:
        await driven(f"{running_server.url}/parse", running_server.app_id, "wrong", Options(), io.StringIO())
    assert refusal.value.message
