"""Installations over a running server: a device has one row, whatever its SDK sends again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from app.core.wire import Json, Object
from tests.conftest import RunningServer

Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http(running_server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    keys = {"X-Parse-Application-Id": "careboard"}
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", headers=keys, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def send(http: httpx.AsyncClient) -> Send:
    async def sent(body: Object, object_id: str = "", **headers: str) -> tuple[int, Any]:
        method, path = ("PUT", f"/installations/{object_id}") if object_id else ("POST", "/installations")
        answer = await http.request(method, path, json=body, headers={"X-Parse-Installation-Id": "", **headers})
        return answer.status_code, answer.json()

    return sent


@pytest.fixture(scope="module")
def rows(running_server: RunningServer, http: httpx.AsyncClient) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def found() -> dict[str, Any]:
        master = {"X-Parse-Master-Key": running_server.master_key}
        answer = await http.get("/installations", headers=master, params={"limit": 1000})
        return {row["objectId"]: row for row in answer.json()["results"]}

    return found


Rows = Callable[[], Awaitable[dict[str, Any]]]


def some_id() -> str:
    return str(uuid4())


async def made(send: Send, **body: Json) -> str:
    status, told = await send({"deviceType": "ios", **body})
    assert status == 201, told
    return str(told["objectId"])


async def test_a_device_that_says_hello_again_keeps_its_row(send: Send, rows: Rows) -> None:
    device = some_id()
    first = await made(send, installationId=device.upper())
    status, told = await send({"installationId": device, "deviceType": "ios", "channels": ["news"]})
    assert (status, told["objectId"]) == (200, first)
    assert "updatedAt" in told
    row = (await rows())[first]
    assert (row["installationId"], row["channels"]) == (device, ["news"])


async def test_the_header_names_the_device_too(send: Send, rows: Rows) -> None:
    device = some_id()
    first = await made(send, installationId=device)
    status, told = await send({"badge": 3}, **{"X-Parse-Installation-Id": device})
    assert (status, told["objectId"]) == (200, first)
    assert (await rows())[first]["badge"] == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"deviceType": "ios"}, "at least one ID field (deviceToken, installationId) must be specified"),
        ({"installationId": "no-type"}, "deviceType must be specified"),
    ],
)
async def test_a_device_without_name_or_type_is_refused(send: Send, body: Object, words: str) -> None:
    status, told = await send(body)
    assert (status, told["code"]) == (400, 135)
    assert words in told["error"]


async def test_what_a_device_is_does_not_change(send: Send, rows: Rows) -> None:
    device, token = some_id(), some_id()
    one = await made(send, installationId=device)
    bare = await made(send, deviceToken=token)
    refused: list[tuple[str, Object, str]] = [
        (one, {"installationId": some_id()}, "installationId"),
        (one, {"deviceType": "android"}, "deviceType"),
        (bare, {"deviceToken": some_id()}, "deviceToken"),
    ]
    for object_id, body, name in refused:
        status, told = await send(body, object_id)
        assert (status, told["code"]) == (400, 136)
        assert told["error"].startswith(f"{name} may not be changed")
    kept = await rows()
    assert (kept[one]["installationId"], kept[one]["deviceType"], kept[bare]["deviceToken"]) == (device, "ios", token)
    status, told = await send({"deviceToken": some_id()}, "notthere01")
    assert (status, told["code"]) == (404, 101)


async def test_a_token_belongs_to_the_device_that_said_it_last(send: Send, rows: Rows) -> None:
    token, old, new = some_id(), some_id(), some_id()
    before = await made(send, installationId=old, deviceToken=token)
    after = await made(send, installationId=new, deviceToken=token)
    kept = await rows()
    assert before not in kept
    assert kept[after]["deviceToken"] == token
    other = await made(send, installationId=some_id())
    assert (await send({"deviceToken": token}, other))[0] == 200
    kept = await rows()
    assert after not in kept
    assert kept[other]["deviceToken"] == token


async def test_a_device_whose_word_is_refused_takes_no_row_from_another(send: Send, rows: Rows) -> None:
    token, other = some_id(), some_id()
    one = await made(send, installationId=some_id(), deviceToken=token)
    by_token = await made(send, deviceToken=other)
    by_device = await made(send, installationId=(device := some_id()))
    wrong: Object = {"deviceType": "ios", "badge": "many"}
    for names in ({"installationId": some_id(), "deviceToken": token}, {"installationId": device, "deviceToken": other}):
        status, told = await send({**wrong, **names})
        assert (status, told["code"]) == (400, 111)
    assert {one, by_token, by_device} <= (await rows()).keys()


async def test_a_row_known_by_its_token_alone_is_taken_up(send: Send, rows: Rows) -> None:
    token, device = some_id(), some_id()
    by_token = await made(send, deviceToken=token)
    by_device = await made(send, installationId=device)
    status, told = await send({"installationId": device, "deviceToken": token, "deviceType": "ios"})
    assert (status, told["objectId"]) == (200, by_token)
    kept = await rows()
    assert by_device not in kept
    assert (kept[by_token]["installationId"], kept[by_token]["deviceToken"]) == (device, token)


async def test_a_token_of_several_apps_needs_the_device_s_name(send: Send, rows: Rows) -> None:
    token = some_id()
    first = await made(send, installationId=some_id(), deviceToken=token, appIdentifier="org.example.one")
    second = await made(send, installationId=some_id(), deviceToken=token, appIdentifier="org.example.two")
    status, told = await send({"deviceToken": token, "deviceType": "ios"})
    assert (status, told["code"]) == (400, 132)
    assert {first, second} <= (await rows()).keys()


async def test_a_stranger_finds_and_deletes_no_device(send: Send, http: httpx.AsyncClient, rows: Rows) -> None:
    one = await made(send, installationId=some_id())
    assert (await http.get("/installations")).json()["code"] == 119
    assert (await http.delete(f"/installations/{one}")).json()["code"] == 119
    assert one in await rows()
