"""The door of /graphql: keys, cookies, hostile queries, what is told of errors, files, and classes that come at run time."""

import json
from typing import Any

import httpx
import pytest

from tests.api.graphql.asker import Asker, anonymous, master
from tests.conftest import PATIENCE, RunningServer

DEEP = "{" + "a{" * 50 + "b" + "}" * 50 + "}"
SPREAD = "query { ...a0 }" + "".join(f" fragment a{n} on Query {{ ...a{n + 1} ...a{n + 1} }}" for n in range(200))
HOSTILE = [
    (DEEP, "depth"),
    ("{" + " ".join(f"a{number}: health" for number in range(1000)) + "}", "aliases"),
    ("{" + "health " * 150_000 + "}", "characters"),
    ("{" + "a " * 30_000 + "}", "tokens"),
    ("{" + "health " * 500 + "}", "ask once"),
    ("{" * 10_000, "nested"),
    (SPREAD + " fragment a200 on Query { health }", "cost"),
    ("{ roles(first: 1000) { edges { node { users(first: 1000) { edges { node { id } } } } } } }", "cost"),
    ('"' + '\\"' * 30_000, "Syntax Error"),
    ("{ roles(first: " + "9" * 5000 + ") { edges { node { id } } } }", "may cost"),
    ("query ($n: Int = " + "9" * 5000 + ") { roles(first: $n) { edges { node { id } } } }", "at most 250000 are answered"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "words"), HOSTILE, ids=[words for _, words in HOSTILE])
async def test_a_hostile_query_is_refused_with_the_reason(running_server: RunningServer, query: str, words: str) -> None:
    status, told = await anonymous(running_server).post(query)
    assert status == 400
    assert words in told["errors"][0]["message"]
    assert "data" not in told


async def test_a_number_without_end_is_told_as_the_clients_fault(running_server: RunningServer) -> None:
    query = "query ($n: Int) { roles(first: $n) { edges { node { id } } } }"
    status, told = await anonymous(running_server).post(query, {"n": 10**4000})
    assert (status, "may cost" in told["errors"][0]["message"]) == (400, True)


async def test_fragments_in_a_circle_and_deep_variables_are_told_as_the_clients_fault(running_server: RunningServer) -> None:
    nobody = anonymous(running_server)
    status, told = await nobody.post("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }")
    assert (status, told["errors"][0]["extensions"]["code"]) == (400, "GRAPHQL_VALIDATION_FAILED")
    where: dict[str, Any] = {"username": {"equalTo": "x"}}
    for _ in range(80):
        where = {"OR": [where]}
    status, told = await nobody.post("query ($w: UserWhereInput) { users(where: $w) { count } }", {"w": where})
    assert told["errors"][0]["extensions"]["code"] in (102, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Parse-Application-Id": "wrong"}, {"X-Parse-Application-Id": "careboard", "X-Parse-Master-Key": "wrong"}],
)
async def test_a_wrong_key_opens_nothing(running_server: RunningServer, headers: dict[str, str]) -> None:
    status, told = await Asker(running_server, headers).post("{ health }")
    assert (status, told) == (403, {"error": "unauthorized"})


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"{ health }", "application/graphql", "POST body missing"),
        (b"not json", "application/json", "Invalid JSON"),
        (b"[]", "application/json", "Operation batching disabled."),
        (b"{}", "application/json", "POST body missing"),
        (b'{"query": 5}', "application/json", "must be a string"),
        (b"query=%7Bhealth%7D", "application/x-www-form-urlencoded", "POST body missing"),
    ],
)
async def test_what_is_no_operation_is_refused(running_server: RunningServer, content: bytes, kind: str, words: str) -> None:
    headers = {"X-Parse-Application-Id": running_server.app_id, "Content-Type": kind}
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        answer = await client.post(f"{running_server.url}/graphql", content=content, headers=headers)
    assert answer.status_code == 400
    assert words in answer.json()["errors"][0]["message"]


async def test_a_cookie_counts_only_for_a_page_of_our_own(running_server: RunningServer) -> None:
    nobody = anonymous(running_server)
    told = await nobody.ask(
        'mutation { signUp(input: { fields: { username: "cookie", password: "a long one" } }) { viewer { sessionToken } } }'
    )
    token = told["signUp"]["viewer"]["sessionToken"]
    query = "{ viewer { user { username } } }"
    cookie = {"Cookie": f"careboard_session={token}"}
    _, told = await nobody.post(query, None, **cookie, **{"Sec-Fetch-Site": "same-origin"})
    assert told["data"] == {"viewer": {"user": {"username": "cookie"}}}
    for site in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        _, told = await nobody.post(query, None, **cookie, **site)
        assert told["errors"][0]["extensions"]["code"] == 209


async def test_the_schema_is_shown_to_who_is_signed_in_and_hinted_to_nobody_else(running_server: RunningServer) -> None:
    query, nobody = "{ __schema { queryType { name } } }", anonymous(running_server)
    status, told = await nobody.post(query)
    assert (status, told["errors"][0]["message"]) == (403, "Introspection is not allowed")
    _, told = await nobody.post("{ healthy }")
    assert told["errors"][0]["message"] == 'Cannot query field "healthy" on type "Query".'
    assert await master(running_server).ask(query) == {"__schema": {"queryType": {"name": "Query"}}}


async def test_a_class_made_by_rest_is_there_with_the_next_request(running_server: RunningServer) -> None:
    key = master(running_server)
    status, _ = await key.post("{ lateComers { count } }")
    assert status == 400
    async with httpx.AsyncClient(base_url=running_server.url, headers=key.headers, timeout=PATIENCE) as client:
        await client.post("/parse/classes/LateComer", json={"word": "hello"})
    told = await key.ask("{ lateComers { count edges { node { word } } } }")
    assert told == {"lateComers": {"count": 1, "edges": [{"node": {"word": "hello"}}]}}
    await key.ask(
        'mutation { updateClass(input: {name: "LateComer", schemaFields: {remove: [{name: "word"}]}}) { class { name } } }'
    )
    status, _ = await key.post("{ lateComers { edges { node { word } } } }")
    assert status == 400


async def test_classes_are_for_the_master_key(running_server: RunningServer) -> None:
    nobody = anonymous(running_server)
    for query in ("{ classes { name } }", '{ class(name: "_User") { name } }', '{ cloudConfig(paramName: "a") { value } }'):
        assert await nobody.refused(query) == 119
    assert await nobody.refused('mutation { createClass(input: { name: "Mine" }) { class { name } } }') == 119


async def test_a_mutation_is_whole_or_not_at_all(running_server: RunningServer) -> None:
    key = master(running_server)
    leaf = '{ name: "Leaf", schemaFields: { addStrings: [{ name: "text" }] } }'
    links = '[{ name: "leaf", targetClassName: "Leaf" }, { name: "twig", targetClassName: "Leaf" }]'
    for body in (leaf, f'{{ name: "Tree", schemaFields: {{ addPointers: {links} }} }}'):
        await key.ask(f"mutation {{ createClass(input: {body}) {{ class {{ name }} }} }}")
    half = """
mutation { createTree(input: { fields: { leaf: { createAndLink: { text: "made first" } }, twig: { } } }) { tree { id } } }
"""
    assert await key.refused(half) == 106
    assert await key.ask("{ leaves { count } }") == {"leaves": {"count": 0}}


async def test_a_file_travels_with_the_mutation(running_server: RunningServer) -> None:
    key = master(running_server)
    query = "mutation ($file: Upload!) { createFile(input: { upload: $file }) { fileInfo { name url } } }"
    form = {"operations": json.dumps({"query": query, "variables": {"file": None}}), "map": json.dumps({"1": ["variables.file"]})}
    content = b"x" * 300_000
    async with httpx.AsyncClient(headers=key.headers, timeout=PATIENCE) as client:
        answer = await client.post(f"{running_server.url}/graphql", data=form, files={"1": ("scan.txt", content, "text/plain")})
        info = answer.json()["data"]["createFile"]["fileInfo"]
        assert info["name"].endswith("_scan.txt")
        assert (await client.get(info["url"])).content == content
    async with httpx.AsyncClient(headers=anonymous(running_server).headers, timeout=PATIENCE) as client:
        answer = await client.post(f"{running_server.url}/graphql", data=form, files={"1": ("scan.txt", content, "text/plain")})
    assert answer.json()["errors"][0]["extensions"]["code"] == 130
