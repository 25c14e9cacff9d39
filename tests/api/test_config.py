"""The cloud config over REST and GraphQL: parameters that apps read, some for the master key alone, the same at every worker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.graphql.asker import anonymous, master
from tests.conftest import PATIENCE, RunningServer

SHOW = "query ($name: String!) { cloudConfig(paramName: $name) { value isMasterKeyOnly } }"
SET = """
mutation ($input: UpdateCloudConfigInput!) {
  updateCloudConfig(input: $input) { clientMutationId cloudConfig { value isMasterKeyOnly } }
}
"""


@pytest.fixture(scope="module")
def running_server(clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of two workers."""
    server = RunningServer(clone_database(), tmp_path_factory.mktemp("server"))
    server.words = ["--workers", "2"]
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def ask(running_server: RunningServer) -> AsyncIterator[Callable[..., Any]]:
    """Asks /config, each time over a connection of its own, so that any worker answers."""

    async def asked(method: str, body: Any = None, *, by: str = "anonymous", path: str = "/config") -> tuple[int, Any]:
        headers = {"X-Parse-Application-Id": running_server.app_id}
        if by == "master":
            headers["X-Parse-Master-Key"] = running_server.master_key
        async with httpx.AsyncClient(
            base_url=f"{running_server.url}/parse", headers=headers, verify=False, timeout=PATIENCE
        ) as client:
            answer = await client.request(method, path, json=body)
        return answer.status_code, answer.json()

    yield asked
    await asked("PUT", {"params": {name: {"__op": "Delete"} for name in ("a", "b", "list", "made")}}, by="master")


async def test_there_is_no_parameter_before_one_is_set(ask: Any) -> None:
    assert await ask("GET") == (200, {"params": {}})


async def test_who_has_no_master_key_may_not_set_and_is_not_told_all(ask: Any) -> None:
    refused = (403, {"error": "unauthorized: master key is required"})
    assert await ask("PUT", {"params": {"a": 1}}) == refused
    body = {"params": {"a": 1, "b": "secret"}, "masterKeyOnly": {"b": True}}
    assert await ask("PUT", body, by="master") == (200, {"result": True})
    assert await ask("GET") == (200, {"params": {"a": 1}, "masterKeyOnly": {"a": False}})
    assert await ask("GET", by="master") == (200, {"params": {"a": 1, "b": "secret"}, "masterKeyOnly": {"a": False, "b": True}})


async def test_what_one_worker_writes_every_worker_reads_at_once(ask: Any) -> None:
    for number in range(20):
        await ask("PUT", {"params": {"a": number}}, by="master")
        assert {(await ask("GET"))[1]["params"]["a"] for _ in range(4)} == {number}


async def test_parameters_that_are_not_named_stay_and_operations_work(ask: Any) -> None:
    point = {"__type": "GeoPoint", "latitude": 10, "longitude": -20}
    await ask("PUT", {"params": {"a": 40, "b": point, "list": ["US"]}}, by="master")
    changes = {"a": {"__op": "Increment", "amount": 2}, "list": {"__op": "AddUnique", "objects": ["US", "DK"]}}
    await ask("PUT", {"params": changes}, by="master")
    assert (await ask("GET"))[1]["params"] == {"a": 42, "b": point, "list": ["US", "DK"]}
    await ask("PUT", {"params": {"list": {"__op": "Delete"}}}, by="master")
    assert (await ask("GET"))[1] == {"params": {"a": 42, "b": point}, "masterKeyOnly": {"a": False, "b": False}}


async def test_increments_at_once_are_all_counted(ask: Any) -> None:
    await ask("PUT", {"params": {"a": 0}}, by="master")
    more = {"params": {"a": {"__op": "Increment", "amount": 1}}}
    await asyncio.gather(*(ask("PUT", more, by="master") for _ in range(20)))
    assert (await ask("GET"))[1]["params"]["a"] == 20


@pytest.mark.parametrize("body", [{"params": [1]}, {"params": {"a": 1}, "masterKeyOnly": "a"}, {"params": {"$a": 1}}])
async def test_what_is_no_config_is_refused_and_nothing_changes(ask: Any, body: Any) -> None:
    await ask("PUT", {"params": {"a": 7}}, by="master")
    status, told = await ask("PUT", body, by="master")
    assert (status, told["code"]) in ((400, 105), (400, 107), (400, 121))
    assert (await ask("GET"))[1]["params"] == {"a": 7}


async def test_graphql_shows_and_sets_the_same(running_server: RunningServer, ask: Any) -> None:
    key = master(running_server)
    given = {"paramName": "made", "value": "by GraphQL", "isMasterKeyOnly": True, "clientMutationId": "m1"}
    told = await key.ask(SET, {"input": given})
    shown = {"value": "by GraphQL", "isMasterKeyOnly": True}
    assert told == {"updateCloudConfig": {"clientMutationId": "m1", "cloudConfig": shown}}
    assert await key.ask(SHOW, {"name": "made"}) == {"cloudConfig": shown}
    assert await key.ask(SHOW, {"name": "none"}) == {"cloudConfig": {"value": None, "isMasterKeyOnly": None}}
    assert "made" not in (await ask("GET"))[1]["params"]
    told = await key.ask(SET, {"input": {"paramName": "made", "value": "for all"}})
    assert told["updateCloudConfig"]["cloudConfig"] == {"value": "for all", "isMasterKeyOnly": False}
    assert (await ask("GET"))[1]["params"]["made"] == "for all"
    for query, variables in ((SHOW, {"name": "made"}), (SET, {"input": {"paramName": "made", "value": "mine"}})):
        assert await anonymous(running_server).refused(query, variables) == 119
    assert (await ask("GET"))[1]["params"]["made"] == "for all"


@pytest.mark.parametrize("by", ["anonymous", "master"])
async def test_nobody_reaches_the_rows_as_objects(ask: Any, by: str) -> None:
    await ask("PUT", {"params": {"a": "secret"}, "masterKeyOnly": {"a": True}}, by="master")
    for name in ("_GlobalConfig", "_GraphQLConfig"):
        assert "secret" not in str(await ask("GET", by=by, path=f"/classes/{name}"))
        status, _ = await ask("PUT", {"params": {}}, by=by, path=f"/classes/{name}/1")
        assert status >= 400
    assert (await ask("GET", by="master"))[1]["params"] == {"a": "secret"}
