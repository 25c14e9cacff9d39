"""Subscriptions over graphql-transport-ws: what is heard, by whom, from where on; and how a socket is refused."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.core.wire import Json, pointer
from tests.api.depot import open_depot
from tests.api.graphql.asker import Asker, anonymous, master
from tests.conftest import PATIENCE, RunningServer

PROTOCOL = Subprotocol("graphql-transport-ws")

MAKE = "mutation ($fields: CreateNewsFieldsInput) { createNews(input: { fields: $fields }) { news { objectId } } }"


class Ear:
    """One socket, its keys given."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.socket.recv())

    async def subscribe(self, query: str, variables: Any = None, number: str = "1") -> None:
        await self.say(id=number, type="subscribe", payload={"query": query, "variables": variables or {}})

    async def event(self) -> Any:
        """The next event of a subscription."""
        message = await self.hear()
        assert message["type"] == "next", message
        (event,) = message["payload"]["data"].values()
        return event

    async def code(self) -> int:
        """How the server closes."""
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code


@asynccontextmanager
async def open_ear(server: RunningServer, keys: dict[str, str] | None = None, **headers: str) -> AsyncIterator[Ear]:
    """A socket; with `keys` it has said who it is."""
    url = server.url.replace("http", "ws") + "/graphql"
    origin = {"origin": server.url} if headers else {}
    async with connect(url, subprotocols=[PROTOCOL], additional_headers=headers, **origin) as socket:  # type: ignore[arg-type]
        ear = Ear(socket)
        if keys is not None:
            await ear.say(type="connection_init", payload=keys)
            assert await ear.hear() == {"type": "connection_ack"}
        yield ear


@pytest.fixture(scope="module")
async def key(running_server: RunningServer) -> Asker:
    found = master(running_server)
    fields = '{ addStrings: [{ name: "text" }], addNumbers: [{ name: "rank" }] }'
    await found.ask(f'mutation {{ createClass(input: {{ name: "News", schemaFields: {fields} }}) {{ class {{ name }} }} }}')
    return found


async def test_a_class_made_at_run_time_is_heard_and_resumed(running_server: RunningServer, key: Asker) -> None:
    event = "event cursor id node { text } original { text }"
    query = f"subscription ($since: String) {{ news(since: $since, progress: true) {{ {event} }} }}"
    nobody = anonymous(running_server)
    async with open_ear(running_server, nobody.headers) as ear:
        await ear.subscribe(query)
        assert (await ear.event())["event"] == "subscribed"
        made = (await key.ask(MAKE, {"fields": {"text": "one"}}))["createNews"]["news"]["objectId"]
        first = await ear.event()
        assert (first["event"], first["node"], first["original"]) == ("create", {"text": "one"}, None)
    change = 'mutation ($id: ID!) { updateNews(input: { id: $id, fields: { text: "two" } }) { news { text } } }'
    await key.ask(change, {"id": made})
    await key.ask("mutation ($id: ID!) { deleteNews(input: { id: $id }) { clientMutationId } }", {"id": made})
    async with open_ear(running_server, nobody.headers) as ear:
        await ear.subscribe(query, {"since": first["cursor"]})
        assert (await ear.event())["event"] == "subscribed"
        later = [await ear.event(), await ear.event()]
    assert [event["event"] for event in later] == ["update", "delete"]
    assert (later[0]["node"], later[0]["original"]) == ({"text": "two"}, {"text": "one"})
    assert later[1]["id"] == first["id"]


async def test_a_condition_and_a_window_are_kept(running_server: RunningServer, key: Asker) -> None:
    query = """
subscription {
  news(where: { rank: { greaterThan: 0 } }, orderBy: rank_ASC, first: 2, snapshot: true) { event index node { rank } }
}
"""
    for rank in (5, 7):
        await key.ask(MAKE, {"fields": {"rank": rank}})
    async with open_ear(running_server, key.headers) as ear:
        await ear.subscribe(query)
        heard = [await ear.event() for _ in range(3)]
        assert [(event["event"], event["node"]) for event in heard] == [
            ("snapshot", {"rank": 5}),
            ("snapshot", {"rank": 7}),
            ("snapshot", None),
        ]
        await key.ask(MAKE, {"fields": {"rank": -1}})
        await key.ask(MAKE, {"fields": {"rank": 1}})
        heard = [await ear.event(), await ear.event()]
    assert {(event["event"], event["index"]) for event in heard} == {("leave", 1), ("create", 0)}


async def test_who_may_not_read_hears_nothing_and_who_may_no_more_is_told_the_id(running_server: RunningServer) -> None:
    depot = await open_depot(running_server)
    query = "subscription { tankAssignment(progress: true) { event id node { objectId psiLevel } } }"
    tank = depot.ids["TankAssignment"]
    async with (
        open_ear(running_server, depot["driver"].headers) as driver,
        open_ear(running_server, depot["other_driver"].headers) as other,
    ):
        for ear in (driver, other):
            await ear.subscribe(query)
            assert (await ear.event())["event"] == "subscribed"
        await depot["dispatcher"].ask("PUT", f"/classes/TankAssignment/{tank}", {"psiLevel": 900})
        heard = await driver.event()
        assert (heard["event"], heard["node"]) == ("update", {"objectId": tank, "psiLevel": 900})
        body: Json = {"assignedDriver": pointer("_User", depot["other_driver"].user)}
        await depot["dispatcher"].ask("PUT", f"/classes/TankAssignment/{tank}", body)
        left, entered = await driver.event(), await other.event()
        assert left["event"] == "leave"
        assert entered["event"] in ("enter", "create")
        assert entered["node"] == {"objectId": tank, "psiLevel": 900}
        assert entered["id"] == left["id"]


async def test_queries_and_mutations_go_over_the_socket_too(running_server: RunningServer, key: Asker) -> None:
    async with open_ear(running_server, key.headers) as ear:
        await ear.subscribe("{ health }")
        assert await ear.hear() == {"type": "next", "id": "1", "payload": {"data": {"health": True}}}
        assert await ear.hear() == {"type": "complete", "id": "1"}
        await ear.subscribe(MAKE, {"fields": {"text": "by socket"}}, "2")
        assert (await ear.hear())["payload"]["data"]["createNews"]["news"]["objectId"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nothing { event } }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { news(where: { text: { text: { search: { term: "a" } } } }) { event } }', 102),
        ('subscription { news(since: "nonsense", first: 2000) { event } }', 102),
        ("subscription { installation { event } }", 119),
        ("subscription { session { event } }", 209),
        ("{" + "a{" * 50 + "b" + "}" * 50 + "}", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_what_cannot_be_live_is_an_error_of_the_operation(
    running_server: RunningServer, key: Asker, query: str, code: int | str
) -> None:
    async with open_ear(running_server, anonymous(running_server).headers) as ear:
        await ear.subscribe(query)
        told = await ear.hear()
        assert (told["type"], told["id"]) == ("error", "1")
        assert told["payload"][0]["extensions"]["code"] == code
        await ear.subscribe("{ health }", number="2")
        assert (await ear.hear())["payload"] == {"data": {"health": True}}


@pytest.mark.parametrize("keys", [{}, {"X-Parse-Application-Id": "wrong"}, {"X-Parse-Session-Token": "r:none"}])
async def test_wrong_keys_close_the_socket(running_server: RunningServer, keys: dict[str, str]) -> None:
    given = {"X-Parse-Application-Id": running_server.app_id, **keys} if "X-Parse-Session-Token" in keys else keys
    async with open_ear(running_server) as ear:
        await ear.say(type="connection_init", payload=given)
        assert await ear.code() == 4403


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"id": "1", "type": "subscribe", "payload": {"query": "{ health }"}}', 4401),
        ("not json", 4400),
        ("[]", 4400),
        ('{"type": "what"}', 4400),
    ],
)
async def test_what_is_not_the_protocol_closes_the_socket(running_server: RunningServer, message: str, code: int) -> None:
    async with open_ear(running_server) as ear:
        await ear.socket.send(message)
        assert await ear.code() == code


async def test_who_speaks_too_fast_is_closed(running_server: RunningServer) -> None:
    async with open_ear(running_server, anonymous(running_server).headers) as ear:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(5_000):
                await ear.say(type="pong")
        assert await ear.code() == 1008


async def test_a_page_of_ours_is_let_in_by_its_cookie(running_server: RunningServer) -> None:
    account = '{ username: "listener", password: "a long one" }'
    told = await anonymous(running_server).ask(
        f"mutation {{ signUp(input: {{ fields: {account} }}) {{ viewer {{ sessionToken }} }} }}"
    )
    cookie = {"Cookie": f"careboard_session={told['signUp']['viewer']['sessionToken']}"}
    keys = {"X-Parse-Application-Id": running_server.app_id}
    async with open_ear(running_server, keys, **cookie) as ear:
        await ear.subscribe("{ viewer { user { username } } }")
        assert (await ear.hear())["payload"] == {"data": {"viewer": {"user": {"username": "listener"}}}}
