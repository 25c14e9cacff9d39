"""The access log of a running server: REST, GraphQL, a page's cookie, a live query and a file leave the same kind of row."""

import asyncio
import json
from typing import Any

import httpx
import pytest
import websockets

from app.actions.objects import utc_now
from app.core.wire import Object, date_to_wire, pointer
from tests.api.depot import Phone, sign_in
from tests.conftest import PATIENCE, RunningServer


@pytest.fixture(scope="module")
async def people(running_server: RunningServer) -> dict[str, Phone]:
    app = {"X-Parse-Application-Id": running_server.app_id}
    people = {"master": Phone(running_server, "", {**app, "X-Parse-Master-Key": running_server.master_key})}
    people["nobody"] = Phone(running_server, "", app)
    for who in ("patient", "admin"):
        people[who] = await sign_in(people["master"], people["nobody"], who)
    return people


async def new_lab(people: dict[str, Phone]) -> str:
    body: Object = {
        "labTestName": "Hemoglobin",
        "result": 12,
        "date": date_to_wire(utc_now()),
        "patient": pointer("_User", people["patient"].user),
    }
    return await people["master"].make("LabTrend", body)


async def actions(people: dict[str, Phone], lab: str, who: str = "admin") -> list[str]:
    rows = await people[who].find("AccessLog", {"entityType": "LabTrend", "entityId": lab}, order="createdAt")
    assert {row["user"]["objectId"] for row in rows} <= {people["patient"].user}
    assert {row["subject"]["objectId"] for row in rows} <= {people["patient"].user}
    return [str(row["action"]) for row in rows]


async def test_rest_writes_before_it_answers(people: dict[str, Phone]) -> None:
    lab = await new_lab(people)
    assert len(await people["patient"].find("LabTrend", {"objectId": lab})) == 1
    assert await actions(people, lab) == ["find"]
    await people["patient"].ask("GET", f"/classes/LabTrend/{lab}")
    part: Object = {"method": "GET", "path": f"/parse/classes/LabTrend/{lab}"}
    await people["patient"].ask("POST", "/batch", {"requests": [part]})
    assert await actions(people, lab) == ["find", "get"]
    assert await actions(people, lab, "patient") == ["find", "get"]
    assert await actions(people, lab, "nobody") == []


async def test_graphql_writes_before_it_answers(people: dict[str, Phone]) -> None:
    lab, phone = await new_lab(people), people["patient"]
    asked = {"query": f'{{ labTrends(where: {{objectId: {{equalTo: "{lab}"}}}}) {{ edges {{ node {{ labTestName }} }} }} }}'}
    async with httpx.AsyncClient(base_url=phone.server.url, headers=phone.headers, timeout=PATIENCE) as client:
        told: Any = (await client.post("/graphql", json=asked)).json()
    assert told["data"]["labTrends"]["edges"] == [{"node": {"labTestName": "Hemoglobin"}}]
    assert await actions(people, lab) == ["find"]


async def test_a_live_push_is_written_within_moments(people: dict[str, Phone]) -> None:
    phone = people["patient"]
    ask = {"op": "subscribe", "requestId": 1, "query": {"className": "LabTrend", "where": {}}}
    async with websockets.connect(f"{phone.server.url.replace('http', 'ws')}/parse") as socket:
        await socket.send(json.dumps({"op": "connect", "applicationId": "careboard", "sessionToken": phone.token}))
        await socket.recv()
        await socket.send(json.dumps(ask))
        assert json.loads(await socket.recv())["op"] == "subscribed"
        lab = await new_lab(people)
        assert json.loads(await socket.recv())["object"]["objectId"] == lab
    async with asyncio.timeout(PATIENCE):
        while await actions(people, lab) != ["live"]:  # noqa: ASYNC110 - it asks the server
            await asyncio.sleep(0.05)


async def test_what_was_pushed_when_the_server_stops_is_written(running_server: RunningServer, people: dict[str, Phone]) -> None:
    phone = people["patient"]
    async with websockets.connect(f"{phone.server.url.replace('http', 'ws')}/parse") as socket:
        await socket.send(json.dumps({"op": "connect", "applicationId": "careboard", "sessionToken": phone.token}))
        await socket.recv()
        await socket.send(json.dumps({"op": "subscribe", "requestId": 1, "query": {"className": "LabTrend", "where": {}}}))
        await socket.recv()
        lab = await new_lab(people)
        assert json.loads(await socket.recv())["object"]["objectId"] == lab
        assert running_server.stop() == 0
    running_server.start()
    assert await actions(people, lab) == ["live"]


async def test_the_master_key_leaves_no_row(people: dict[str, Phone]) -> None:
    lab = await new_lab(people)
    assert len(await people["master"].find("LabTrend", {"objectId": lab})) == 1
    assert await actions(people, lab) == []
