"""The simulation, against a running server: through the public REST API, by the people of an agency, within the rules."""

import io
from typing import Any

import httpx
from rich.console import Console

from app.core.wire import encode
from app.domains.homehealth.simulate import TECHNICIANS, simulate
from app.domains.simulation import Options, Tally, drive
from tests.conftest import PATIENCE, RunningServer


async def told(server: RunningServer, class_name: str, **where: object) -> list[Any]:
    headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
    async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=PATIENCE) as client:
        answer = await client.get(f"/classes/{class_name}", params={"limit": 1000, "where": encode(where).decode()})  # type: ignore[arg-type]  # plain JSON
    results: list[Any] = answer.json()["results"]
    return results


async def driven(server: RunningServer, options: Options, screen: io.StringIO) -> Tally:
    url = f"{server.url}/parse"
    simulations = {"homehealth": simulate}
    tallies = await drive(url, server.app_id, server.master_key, simulations, options, console=Console(file=screen, width=200))
    return tallies["homehealth"]


async def test_a_day_is_planned_made_logged_and_verified(running_server: RunningServer) -> None:
    screen = io.StringIO()
    tally = await driven(running_server, Options(size=12, speed=3000, seed=7, minutes=0.15), screen)
    assert (tally.refused, tally.last_refusal) == (0, "")
    jobs = await told(running_server, "Job")
    assert len(jobs) == tally.counts["visits planned"] > 12
    assert len(await told(running_server, "Technician")) == TECHNICIANS
    logs = await told(running_server, "ServiceLog")
    assert len(logs) == tally.counts["logs"] > 0
    assert {log["verification"] for log in logs} == {"complete"}
    assert {"verified", "open"} <= {job["status"] for job in jobs}
    authors = {row["actor"]["objectId"] for row in await told(running_server, "AuditLog", entityType="ServiceLog")}
    assert authors <= {technician["user"]["objectId"] for technician in await told(running_server, "Technician")}
    assert f"{tally.counts['logs']} logs" in screen.getvalue()


async def test_a_second_run_goes_on_with_the_visits_that_are_there(running_server: RunningServer) -> None:
    before = {job["objectId"] for job in await told(running_server, "Job")}
    tally = await driven(running_server, Options(size=1, speed=600, minutes=0.02), io.StringIO())
    assert tally.counts.get("visits planned", 0) == len({job["objectId"] for job in await told(running_server, "Job")} - before)
    assert len(await told(running_server, "Technician")) == TECHNICIANS
