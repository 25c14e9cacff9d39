"""/graphql-config: which classes GraphQL shows and how, from the next request on, at every worker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.graphql.asker import Asker, anonymous, master
from tests.conftest import PATIENCE, RunningServer

FIELDS = """
query ($type: String!) {
  __type(name: $type) { fields { name } inputFields { name } enumValues { name } }
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


class Configured:
    """A server whose config is replaced."""

    def __init__(self, key: Asker) -> None:
        self.key = key

    async def ask(self, method: str, body: Any = None, *, key: Asker | None = None) -> tuple[int, Any]:
        """One request to /graphql-config."""
        async with httpx.AsyncClient(headers=(key or self.key).headers, verify=False, timeout=PATIENCE) as client:
            answer = await client.request(method, f"{self.key.server.url}/parse/graphql-config", json=body)
        return answer.status_code, answer.json()

    async def put(self, config: Any) -> None:
        """Replaces the config, and waits until both workers have heard of it."""
        status, told = await self.ask("PUT", {"params": config})
        assert (status, told) == (200, {"response": {"result": True}})
        async with asyncio.timeout(PATIENCE):
            while not all([(await self.ask("GET")) == (200, config) for _ in range(8)]):  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.05)

    async def names(self, type_name: str) -> set[str]:
        """What a type has: its fields, input fields or values."""
        told = (await self.key.ask(FIELDS, {"type": type_name}))["__type"] or {}
        return {each["name"] for kind in told.values() for each in kind or ()}


@pytest.fixture
async def shown(running_server: RunningServer) -> AsyncIterator[Configured]:
    configured = Configured(master(running_server))
    fields = {"addStrings": [{"name": "title"}, {"name": "text"}], "addPointers": [{"name": "user", "targetClassName": "_User"}]}
    await configured.key.post(
        'mutation ($fields: SchemaFieldsInput) { createClass(input: { name: "Memo", schemaFields: $fields }) { __typename } }',
        {"fields": fields},
    )
    yield configured
    if await configured.ask("GET") != (200, {}):
        await configured.put({})


async def test_it_is_empty_at_first_and_for_the_master_key_alone(shown: Configured) -> None:
    assert await shown.ask("GET") == (200, {})
    for method in ("GET", "PUT"):
        assert (await shown.ask(method, {"params": {}}, key=anonymous(shown.key.server)))[0] == 403


async def test_only_the_enabled_classes_are_shown_without_the_disabled(shown: Configured) -> None:
    await shown.put({"enabledForClasses": ["_User", "_Role", "Memo"], "disabledForClasses": ["_Role"]})
    names = await shown.names("Query")
    assert {"memo", "memos", "user", "viewer", "health", "node", "class"} <= names
    assert not {"role", "roles", "tankAssignments"} & names
    assert await shown.names("Role") == set()


async def test_without_users_there_is_nothing_about_accounts(shown: Configured) -> None:
    await shown.put({"disabledForClasses": ["_User"]})
    assert not {"user", "users", "viewer"} & await shown.names("Query")
    assert not {"signUp", "logIn", "logOut", "createUser"} & await shown.names("Mutation")
    told = await shown.key.ask('{ __type(name: "Memo") { fields { name type { kind name } } } }')
    user = next(each for each in told["__type"]["fields"] if each["name"] == "user")
    assert user["type"] == {"kind": "SCALAR", "name": "Object"}
    await shown.put({"enabledForClasses": []})
    assert await shown.key.ask("{ health }") == {"health": True}
    assert await shown.names("Subscription") == set()


async def test_the_fields_of_a_class_are_chosen(shown: Configured) -> None:
    shape = {
        "inputFields": {"create": ["title"], "update": ["text"]},
        "outputFields": ["title"],
        "constraintFields": ["text"],
        "sortFields": [{"field": "title", "asc": True, "desc": False}],
    }
    await shown.put({"classConfigs": [{"className": "Memo", "type": shape}]})
    assert await shown.names("CreateMemoFieldsInput") == {"ACL", "title"}
    assert await shown.names("UpdateMemoFieldsInput") == {"ACL", "text"}
    assert await shown.names("Memo") == {"id", "objectId", "createdAt", "updatedAt", "ACL", "title"}
    assert await shown.names("MemoWhereInput") == {"text", "OR", "AND", "NOR"}
    assert await shown.names("MemoOrder") == {"title_ASC"}
    await shown.key.ask('mutation { createMemo(input: { fields: { title: "chosen" } }) { memo { title } } }')
    assert await shown.key.refused('mutation { createMemo(input: { fields: { text: "x" } }) { memo { id } } }')
    told = await shown.key.ask("{ memos(order: title_ASC) { edges { node { title } } } }")
    assert {"node": {"title": "chosen"}} in told["memos"]["edges"]


async def test_something_must_be_left_to_sort_by(shown: Configured) -> None:
    await shown.put({"classConfigs": [{"className": "Memo", "type": {"sortFields": []}}]})
    assert await shown.names("MemoOrder") == {"id_ASC", "id_DESC"}


async def test_operations_are_taken_away(shown: Configured) -> None:
    config = {
        "className": "Memo",
        "query": {"get": False, "find": False},
        "mutation": {"create": False, "update": False, "destroy": False},
    }
    await shown.put({"classConfigs": [config]})
    assert not {"memo", "memos"} & await shown.names("Query")
    assert not {"createMemo", "updateMemo", "deleteMemo"} & await shown.names("Mutation")
    assert "memo" not in await shown.names("Subscription")
    assert await shown.names("MemoPointerInput") in ({"link"}, set())
    await shown.put({"classConfigs": [{"className": "_User", "mutation": {"create": False}}]})
    assert await shown.names("UserPointerInput") == {"link"}


async def test_operations_have_other_names(shown: Configured) -> None:
    config = {
        "className": "Memo",
        "query": {"getAlias": "oneMemo", "findAlias": "everyMemo"},
        "mutation": {"createAlias": "writeMemo", "updateAlias": "amendMemo", "destroyAlias": "burnMemo"},
    }
    await shown.put({"classConfigs": [config]})
    made = await shown.key.ask('mutation { writeMemo(input: { fields: { title: "a" } }) { memo { id } } }')
    given = {"id": made["writeMemo"]["memo"]["id"]}
    amend = 'mutation ($id: ID!) { amendMemo(input: { id: $id, fields: { title: "b" } }) { memo { title } } }'
    assert await shown.key.ask(amend, given) == {"amendMemo": {"memo": {"title": "b"}}}
    assert await shown.key.ask("query ($id: ID!) { oneMemo(id: $id) { title } }", given) == {"oneMemo": {"title": "b"}}
    assert (await shown.key.ask('{ everyMemo(where: { title: { equalTo: "b" } }) { count } }'))["everyMemo"]["count"] == 1
    burn = "mutation ($id: ID!) { burnMemo(input: { id: $id }) { memo { title } } }"
    assert await shown.key.ask(burn, given) == {"burnMemo": {"memo": {"title": "b"}}}
    assert not {"memo", "memos"} & await shown.names("Query")
    assert not {"createMemo", "updateMemo", "deleteMemo"} & await shown.names("Mutation")


def of_class(**config: Any) -> dict[str, Any]:
    return {"classConfigs": [{"className": "Memo", **config}]}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "cannot be undefined, null or empty"),
        ([], "must be a valid object"),
        ({"classes": []}, "encountered invalid keys: [classes]"),
        ({"enabledForClasses": "Memo"}, '"enabledForClasses" is not a valid array'),
        ({"disabledForClasses": [""]}, '"disabledForClasses" is not a valid array'),
        ({"classConfigs": {}}, '"classConfigs" is not a valid array'),
        (of_class(fields=[]), 'classConfig:Memo is invalid because "invalidKeys" [fields] should not be present'),
        ({"classConfigs": [{"className": ""}]}, 'because "className" must be a valid string'),
        (of_class(type=[]), '"type" must be a valid object'),
        (of_class(type={"fields": []}), '"type" contains invalid keys, [fields]'),
        (of_class(type={"outputFields": "title"}), '"outputFields" must be a valid string array'),
        (of_class(type={"constraintFields": [1]}), '"constraintFields" must be a valid string array'),
        (of_class(type={"sortFields": {}}), '"sortFields" must be a valid array.'),
        (of_class(type={"sortFields": [1]}), '"sortField" at index 0 is not a valid object'),
        (
            of_class(type={"sortFields": [{"field": "", "asc": True, "desc": True}]}),
            'index 0 did not provide the "field" as a string',
        ),
        (of_class(type={"sortFields": [{"field": "title", "asc": True}]}), 'did not provide "asc" or "desc" as booleans'),
        (of_class(type={"inputFields": []}), '"inputFields" must be a valid object'),
        (of_class(type={"inputFields": {"delete": []}}), '"inputFields" contains invalid keys: [delete]'),
        (of_class(type={"inputFields": {"create": "title"}}), '"inputFields.create" must be a valid string array'),
        (of_class(query=True), '"query" must be a valid object'),
        (of_class(query={"find": "yes"}), '"query.find" must be a boolean'),
        (of_class(query={"getAlias": True}), '"query.getAlias" must be a string'),
        (of_class(query={"getAlias": "a-b"}), '"query.getAlias" must be a name'),
        (of_class(mutation={"delete": True}), '"mutation" contains invalid keys, [delete]'),
        (of_class(mutation={"destroy": 1}), '"mutation.destroy" must be a boolean'),
        (
            {"classConfigs": [{"className": "_User", "type": {"inputFields": {"create": ["username"]}}}]},
            '"inputFields.create" must include required fields, username and password',
        ),
    ],
)
async def test_what_is_no_config_is_refused_in_words(shown: Configured, config: Any, words: str) -> None:
    status, told = await shown.ask("PUT", {"params": config})
    assert (status, told["code"]) == (400, 142)
    assert told["error"].startswith("Invalid graphQLConfig: ")
    assert words in told["error"]
    assert await shown.ask("GET") == (200, {})
