"""The pharmacy's simulation, against a running server: through the public REST API, by its people, within the rules."""

import io
from typing import Any

import httpx
from rich.console import Console

from app.core.wire import encode
from app.domains.pharmacy.simulate import simulate
from app.domains.simulation import Options, Tally, drive
from tests.conftest import PATIENCE, RunningServer


async def told(server: RunningServer, class_name: str, **where: object) -> list[Any]:
    headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
    async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=PATIENCE) as client:
        answer = await client.get(f"/classes/{class_name}", params={"limit": 1000, "where": encode(where).decode()})  # type: ignore[arg-type]  # plain JSON
    results: list[Any] = answer.json()["results"]
    return results


async def driven(server: RunningServer, options: Options) -> tuple[Tally, str]:
    screen = io.StringIO()
    url = f"{server.url}/parse"
    tallies = await drive(url, server.app_id, server.master_key, {"pharmacy": simulate}, options, console=Console(file=screen))
    return tallies["pharmacy"], screen.getvalue()


async def test_parcels_are_asked_for_carried_and_signed_for(running_server: RunningServer) -> None:
    tally, screen = await driven(running_server, Options(size=12, speed=6000, seed=7, minutes=0.1))
    assert (tally.refused, tally.last_refusal) == (0, "")
    deliveries = await told(running_server, "Delivery")
    assert len(deliveries) == tally.counts["requests"] >= 12
    signatures = await told(running_server, "Signature")
    assert len(signatures) == tally.counts["signatures"] > 0
    assert len([each for each in deliveries if each["status"] == "delivered"]) == len(signatures)
    key = {"X-Parse-Application-Id": running_server.app_id, "X-Parse-Master-Key": running_server.master_key}
    async with httpx.AsyncClient(headers=key, timeout=PATIENCE) as client:
        image = await client.get(signatures[0]["signatureImage"]["url"])
    assert image.content.startswith(b"\x89PNG")
    couriers = {each["courier"]["objectId"] for each in deliveries if "courier" in each}
    assert len(couriers) > 1
    assert len(await told(running_server, "Notification")) > len(signatures)
    assert f"{tally.counts['steps']} steps" in screen


async def test_a_second_run_uses_the_parcels_that_are_there(running_server: RunningServer) -> None:
    before = len(await told(running_server, "Delivery"))
    profiles = len(await told(running_server, "PatientProfile"))
    tally, _ = await driven(running_server, Options(size=12, speed=600, minutes=0.01))
    assert tally.refused == 0
    assert len(await told(running_server, "PatientProfile")) == profiles
    assert len(await told(running_server, "Delivery")) == before + tally.counts.get("requests", 0)
