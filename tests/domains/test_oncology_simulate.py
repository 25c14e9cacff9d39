"""The simulation, against a running server: through the public REST API, by the people of the ward, within the rules."""

import io
from typing import Any

import httpx
from rich.console import Console

from app.core.wire import encode
from app.domains.oncology.simulate import simulate
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
    tallies = await drive(url, server.app_id, server.master_key, {"oncology": simulate}, options, console=Console(file=screen))
    return tallies["oncology"]


async def test_a_ward_lives(running_server: RunningServer) -> None:
    screen = io.StringIO()
    tally = await driven(running_server, Options(size=8, speed=9000, seed=7, minutes=0.12), screen)
    assert (tally.refused, tally.last_refusal) == (0, "")
    results = await told(running_server, "LabTrend")
    assert len(results) == tally.counts["results"] > 8
    assert {each["flag"] for each in results} >= {"N"}
    cycles = await told(running_server, "ChemoCycle")
    assert len(cycles) == 8 + tally.counts.get("cycles", 0)
    assert tally.counts["signatures"] > 2
    assert len(await told(running_server, "Treatment")) == tally.counts.get("treatments", 0)
    assert f"{len(results)} results" in screen.getvalue()
    writers = {row["actor"]["objectId"] for row in await told(running_server, "AuditLog", entityType="LabTrend")}
    nurses = {user["objectId"] for user in await told(running_server, "_User", role="nurse")}
    assert writers <= nurses


async def test_a_second_run_uses_the_ward_that_is_there(running_server: RunningServer) -> None:
    before = {each["objectId"] for each in await told(running_server, "Patient")}
    assert before
    await driven(running_server, Options(size=1, speed=600, minutes=0.01), io.StringIO())
    assert {each["objectId"] for each in await told(running_server, "Patient")} == before
