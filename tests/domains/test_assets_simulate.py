"""The simulation of a hospital, against a running server: through the public REST API, by its staff, within the rules."""

import io
from typing import Any

import httpx
from rich.console import Console

from app.core.wire import encode
from app.domains.assets.simulate import simulate
from app.domains.simulation import Options, Tally, drive
from tests.conftest import PATIENCE, RunningServer


async def told(server: RunningServer, class_name: str, **where: object) -> list[Any]:
    headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
    async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=PATIENCE) as client:
        answer = await client.get(f"/classes/{class_name}", params={"limit": 1000, "where": encode(where).decode()})  # type: ignore[arg-type]  # plain JSON
    results: list[Any] = answer.json()["results"]
    return results


async def driven(server: RunningServer, options: Options) -> Tally:
    console = Console(file=io.StringIO())
    tallies = await drive(f"{server.url}/parse", server.app_id, server.master_key, {"assets": simulate}, options, console=console)
    return tallies["assets"]


async def test_assets_are_made_moved_returned_inspected_and_repaired(running_server: RunningServer) -> None:
    tally = await driven(running_server, Options(size=12, speed=9000, seed=7, minutes=0.12))
    assert (tally.refused, tally.last_refusal) == (0, "")
    assets = await told(running_server, "Asset")
    assert {asset["assetTag"][:6] for asset in assets} == {"SIM-7-"}
    assert len(assets) == 12
    assignments = await told(running_server, "AssetAssignment")
    assert len(assignments) == tally.counts["moves"] > 10
    assert len(await told(running_server, "Inspection")) == tally.counts["inspections"] > 0
    active = [row for row in assignments if row["assignmentStatus"] == "active"]
    assert len(active) == len({row["asset"]["objectId"] for row in active})
    places = {asset["objectId"]: asset["currentLocation"] for asset in assets}
    assert all(places[row["asset"]["objectId"]] == f"{row['departmentName']} {row['roomLabel']}" for row in active)
    moves = await told(running_server, "ComplianceEvent", eventType={"$in": ["moved", "transferred", "returned"]})
    assert len(moves) >= tally.counts["moves"] + tally.counts["returns"]


async def test_a_second_run_uses_the_assets_that_are_there(running_server: RunningServer) -> None:
    before = {asset["objectId"] for asset in await told(running_server, "Asset")}
    await driven(running_server, Options(size=12, speed=600, minutes=0.01))
    assert {asset["objectId"] for asset in await told(running_server, "Asset")} == before
