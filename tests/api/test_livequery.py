"""The LiveQuery door of a running server, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import PATIENCE, RunningServer

CONNECT = {"op": "connect", "applicationId": "careboard"}


class Socket:
    """One websocket and what came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: object) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        return frame

    async def hear_for_ever(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.socket.recv())
        return frame

    async def ask(self, message: object) -> dict[str, Any]:
        await self.say(message)
        return await self.hear()

    async def subscribe(self, class_name: str, **more: object) -> dict[str, Any]:
        query = {"className": class_name, "where": {}}
        return await self.ask({"op": "subscribe", "requestId": 1, "query": query, **more})

    async def close_code(self) -> int | None:
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
        return self.socket.close_code


@asynccontextmanager
async def open_socket(server: RunningServer, path: str = "/parse", **headers: str) -> AsyncIterator[Socket]:
    url = server.url.replace("http", "ws", 1) + path
    async with connect(url, additional_headers=headers, max_size=None) as socket:
        yield Socket(socket)


class Rest:
    """Writes as the master key, or signs people up."""

    def __init__(self, server: RunningServer) -> None:
        headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
        self._http = httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=PATIENCE)

    async def create(self, class_name: str, **body: object) -> str:
        answer = await self._http.post(f"/classes/{class_name}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["objectId"])

    async def sign_up(self, name: str) -> dict[str, str]:
        answer = await self._http.post("/users", json={"username": name, "password": "pw"})
        assert answer.status_code == 201, answer.text
        found: dict[str, str] = answer.json()
        return found

    async def close(self) -> None:
        await self._http.aclose()


@pytest.fixture
async def rest(running_server: RunningServer) -> AsyncIterator[Rest]:
    rest = Rest(running_server)
    yield rest
    await rest.close()


@pytest.mark.parametrize("path", ["/", "/parse", "/parse/"])
async def test_sdks_find_the_socket_where_they_look(running_server: RunningServer, rest: Rest, path: str) -> None:
    await rest.create("Gauge", psi=1)
    async with open_socket(running_server, path) as socket:
        connected = await socket.ask(CONNECT)
        assert connected == {"op": "connected", "clientId": connected["clientId"]}
        assert (await socket.subscribe("Gauge"))["op"] == "subscribed"
        object_id = await rest.create("Gauge", psi=2)
        event = await socket.hear()
        assert (event["op"], event["object"]["objectId"], event["object"]["psi"]) == ("create", object_id, 2)
        assert event["clientId"] == connected["clientId"]


async def test_the_page_of_the_server_is_still_served_beside_the_socket(running_server: RunningServer) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        assert (await http.get(f"{running_server.url}/", follow_redirects=True)).status_code == 200


@pytest.mark.parametrize("broken", ["", "{", "null", '{"op":"shout"}', b"\xff\x00", b'{"op":1}', "[" * 50_000])
async def test_a_broken_frame_is_answered_and_the_server_lives_on(running_server: RunningServer, broken: str | bytes) -> None:
    async with open_socket(running_server) as socket:
        error = await socket.ask(broken)
        assert (error["op"], error["code"], error["requestId"]) == ("error", 1, None)
        assert (await socket.ask(CONNECT))["op"] == "connected"


async def test_a_wrong_application_is_refused(running_server: RunningServer) -> None:
    async with open_socket(running_server) as socket:
        error = await socket.ask({**CONNECT, "applicationId": "other"})
        assert (error["code"], error["error"]) == (4, "Key in request is not valid")
        assert (await socket.subscribe("Gauge"))["code"] == 2


async def test_binary_frames_are_read_as_text(running_server: RunningServer) -> None:
    async with open_socket(running_server) as socket:
        assert (await socket.ask(json.dumps(CONNECT).encode()))["op"] == "connected"


async def sees_private(server: RunningServer, rest: Rest, user: dict[str, str], **headers: str) -> bool:
    """Whether a socket with these headers is given an object that only `user` may read, beside one for all."""
    async with open_socket(server, **headers) as socket:
        await socket.ask(CONNECT)
        await socket.subscribe("Private")
        await rest.create("Private", ACL={user["objectId"]: {"read": True}})
        for_all = await rest.create("Private")
        return bool((await socket.hear())["object"]["objectId"] != for_all)


async def test_a_cookie_speaks_only_for_a_page_of_our_own_origin(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Private")
    user = await rest.sign_up("cookie-owner")
    cookie = f"careboard_session={user['sessionToken']}"
    own = running_server.url
    assert await sees_private(running_server, rest, user, Cookie=cookie, Origin=own)
    assert not await sees_private(running_server, rest, user, Cookie=cookie, Origin="https://evil.example")
    assert not await sees_private(running_server, rest, user, Cookie=cookie, Origin="null")
    assert not await sees_private(running_server, rest, user, Cookie=cookie)
    assert not await sees_private(running_server, rest, user, Origin=own)


async def test_a_session_token_in_the_connect_message_speaks_for_its_user(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Private")
    user = await rest.sign_up("token-owner")
    async with open_socket(running_server) as socket:
        await socket.ask({**CONNECT, "sessionToken": user["sessionToken"]})
        await socket.subscribe("Private")
        object_id = await rest.create("Private", ACL={user["objectId"]: {"read": True}})
        assert (await socket.hear())["object"]["objectId"] == object_id


async def test_a_client_that_vanishes_leaves_the_others_alone(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Gauge", psi=1)
    async with open_socket(running_server) as staying:
        await staying.ask(CONNECT)
        await staying.subscribe("Gauge")
        async with open_socket(running_server) as leaving:
            await leaving.ask(CONNECT)
            await leaving.subscribe("Gauge")
            leaving.socket.transport.abort()
        object_id = await rest.create("Gauge", psi=3)
        assert (await staying.hear())["object"]["objectId"] == object_id


async def test_a_restart_closes_with_1001_and_loses_nothing(
    clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = RunningServer(clone_database(), Path(tmp_path_factory.mktemp("restart")))
    server.start()
    rest = Rest(server)
    try:
        await rest.create("Gauge", psi=1)
        async with open_socket(server) as socket:
            await socket.ask({**CONNECT, "cursors": True})
            cursor = (await socket.subscribe("Gauge"))["cursor"]
            closed = asyncio.create_task(socket.close_code())
            assert await asyncio.to_thread(server.stop) == 0
            assert await closed == 1001
        await asyncio.to_thread(server.start)
        object_id = await rest.create("Gauge", psi=2)
        async with open_socket(server) as socket:
            await socket.ask({**CONNECT, "cursors": True})
            assert (await socket.subscribe("Gauge", since=cursor))["op"] == "subscribed"
            event = await socket.hear()
            assert (event["op"], event["object"]["objectId"]) == ("create", object_id)
            assert event["cursor"] != cursor
    finally:
        await rest.close()
        if server.process.poll() is None:
            server.stop()
