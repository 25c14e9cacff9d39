"""How much one place, and one connection, may hold open."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.api.test_livequery import CONNECT
from tests.api.test_metrics import numbers
from tests.conftest import PATIENCE, RunningServer

HOME, ELSEWHERE = "203.0.113.9", "203.0.113.10"
"""Of clients behind a proxy on the server's machine, which says for whom it calls."""

TOO_MANY = "One address may have 2 live connections; close some, or come back later."
GRAPHQL = "graphql-transport-ws"
TURNED_AWAY = "careboard_live_turned_away_total"


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    return {"CAREBOARD_LIVE_CONNECTIONS": "2", "CAREBOARD_LIVE_QUERY_BYTES": "1000"}


class Caller:
    """Sockets and streams from one address."""

    def __init__(self, server: RunningServer, address: str, stack: AsyncExitStack) -> None:
        self.server = server
        self.headers = {"X-Forwarded-For": address}
        self._stack = stack

    async def socket(self, path: str = "/parse", **options: object) -> ClientConnection:
        url = self.server.url.replace("http", "ws") + path
        opening = connect(url, additional_headers=self.headers, **options)  # type: ignore[arg-type]  # names of websockets
        return await self._stack.enter_async_context(opening)

    async def live_query(self) -> ClientConnection:
        """A socket of the live query door that is connected."""
        socket = await self.socket()
        await say(socket, CONNECT)
        return socket

    async def refused(self, path: str = "/parse", **options: object) -> tuple[int, str]:
        """The code and the reason of the close."""
        socket = await self.socket(path, **options)
        async with asyncio.timeout(PATIENCE):
            await socket.wait_closed()
        assert socket.close_code is not None
        return socket.close_code, socket.close_reason or ""

    async def stream(self) -> httpx.Response:
        """The answer of the door of events, which goes on."""
        http = await self._stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))
        headers = {**self.headers, "X-Parse-Application-Id": "careboard"}
        url = f"{self.server.url}/parse/live/Guest"
        return await self._stack.enter_async_context(http.stream("GET", url, headers=headers))


async def say(socket: ClientConnection, message: object) -> dict[str, object]:
    """What is answered."""
    await socket.send(json.dumps(message))
    answer: dict[str, object] = json.loads(await socket.recv())
    return answer


@pytest.fixture(scope="module", autouse=True)
def guests(running_server: RunningServer) -> None:
    headers = {"X-Parse-Application-Id": "careboard", "X-Parse-Master-Key": running_server.master_key}
    httpx.post(
        f"{running_server.url}/parse/classes/Guest", json={"text": "a"}, headers=headers, timeout=PATIENCE
    ).raise_for_status()


async def test_one_address_has_so_many_connections_at_all_doors_together(running_server: RunningServer) -> None:
    before = (await numbers(running_server))[TURNED_AWAY]
    async with AsyncExitStack() as stack:
        home, elsewhere, here = (Caller(running_server, each, stack) for each in (HOME, ELSEWHERE, "127.0.0.1"))
        first = await home.live_query()
        assert (await home.stream()).status_code == 200
        assert await home.refused() == (1008, TOO_MANY)
        assert await home.refused("/graphql", subprotocols=[GRAPHQL]) == (1008, TOO_MANY)
        refused = await home.stream()
        assert (refused.status_code, json.loads(await refused.aread())) == (429, {"code": 155, "error": TOO_MANY})
        assert (await numbers(running_server))[TURNED_AWAY] == before + 3
        await elsewhere.live_query()
        for _ in range(3):
            await here.live_query()
        await first.close()
        again = await home.socket("/graphql", subprotocols=[GRAPHQL])
        ready = {"type": "connection_init", "payload": {"X-Parse-Application-Id": "careboard"}}
        assert (await say(again, ready))["type"] == "connection_ack"
        assert (await home.refused())[0] == 1008
    async with AsyncExitStack() as stack:
        home = Caller(running_server, HOME, stack)
        for _ in range(2):
            await home.live_query()


async def test_the_live_queries_of_a_connection_are_so_long_together(running_server: RunningServer) -> None:
    async with AsyncExitStack() as stack:
        socket = await Caller(running_server, ELSEWHERE, stack).live_query()

        async def subscribe(number: int, length: int, op: str = "subscribe") -> object:
            query = {"className": "Guest", "where": {"text": "x" * length}}
            told = await say(socket, {"op": op, "requestId": number, "query": query})
            return told["op"] if told["op"] != "error" else (told["code"], told["requestId"])

        assert await subscribe(1, 400) == "subscribed"
        assert await subscribe(2, 200) == "subscribed"
        assert await subscribe(3, 400) == (140, 3)
        assert await subscribe(1, 420, "update") == "subscribed"
        assert (await say(socket, {"op": "unsubscribe", "requestId": 2}))["op"] == "unsubscribed"
        assert await subscribe(3, 300) == "subscribed"


async def test_the_operations_of_a_graphql_socket_are_so_long_together(running_server: RunningServer) -> None:
    async with AsyncExitStack() as stack:
        socket = await Caller(running_server, ELSEWHERE, stack).socket("/graphql", subprotocols=[GRAPHQL])
        await say(socket, {"type": "connection_init", "payload": {"X-Parse-Application-Id": "careboard"}})
        query = "subscription ($t: String!) { guest(where: { text: { equalTo: $t } }) { event } }"
        for number, length in enumerate((400, 400)):
            payload = {"query": query, "variables": {"t": "x" * length}}
            await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": payload}))
        told = json.loads(await socket.recv())
        assert (told["type"], told["id"], told["payload"][0]["extensions"]["code"]) == ("error", "1", 140)
