"""The REST door of a running server: what Parse clients send, what they get, and what must not happen."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import websockets

from tests.conftest import PATIENCE, RunningServer

APP = {"X-Parse-Application-Id": "careboard"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http(running_server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", headers=APP, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def master(running_server: RunningServer) -> dict[str, str]:
    return {"X-Parse-Master-Key": running_server.master_key}


async def sign_up(http: httpx.AsyncClient, name: str) -> dict[str, str]:
    answer = await http.post("/users", json={"username": name, "password": "pw", "email": f"{name}@example.com"})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return {"X-Parse-Session-Token": body["sessionToken"], "id": body["objectId"]}


async def count(http: httpx.AsyncClient, master: dict[str, str], class_name: str) -> int:
    answer = await http.get(f"/classes/{class_name}", params={"count": 1, "limit": 0}, headers=master)
    return int(answer.json()["count"])


async def test_health_needs_no_key(running_server: RunningServer) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE) as bare:
        answer = await bare.get(f"{running_server.url}/parse/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Parse-Application-Id": "wrong"},
        {"X-Parse-Application-Id": ""},
        {"X-Parse-Application-Id": "careboard", "X-Parse-Master-Key": "wrong"},
    ],
)
async def test_a_wrong_key_opens_nothing(running_server: RunningServer, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE) as bare:
        answer = await bare.get(f"{running_server.url}/parse/classes/Anything", headers=headers)
    assert answer.status_code == 403
    assert answer.json() == {"error": "unauthorized"}


async def test_server_info_is_for_the_master_key(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    refused = await http.get("/serverInfo")
    assert (refused.status_code, refused.json()) == (403, {"error": "unauthorized: master key is required"})
    told = await http.get("/serverInfo", headers=master)
    assert told.json()["parseServerVersion"]


BAD = [
    ("POST", "/classes/Thing", b"{", 400, 107),
    ("POST", "/classes/Thing", b"[1]", 400, 107),
    ("POST", "/classes/Thing", b'{"n": NaN}', 400, 107),
    ("POST", "/classes/Thing", b'{"d": {"__type": "Date", "iso": "soon"}}', 400, None),
    ("POST", "/classes/Thing", b'{"bad key": 1}', 400, 105),
    ("POST", "/classes/Thing", b'{"o": {"a.b": 1}}', 400, 121),
    ("POST", "/classes/_Nope", b'{"a": 1}', 400, 103),
    ("POST", "/classes/Thing", b'{"n": {"__op": "Explode"}}', 400, None),
    ("GET", "/classes/Thing?where={", b"", 400, 107),
    ("GET", '/classes/Thing?where={"n":{"$near":1}}', b"", 400, 102),
    ("GET", '/classes/Thing?where={"$where":"1"}', b"", 400, None),
    ("GET", "/classes/Thing?surprise=1", b"", 400, 102),
    ("GET", "/classes/Thing/nowhere", b"", 404, 101),
    ("PUT", "/classes/Thing/nowhere", b'{"n": 1}', 404, 101),
    ("DELETE", "/classes/Thing/nowhere", b"", 404, 101),
    ("GET", "/no/such/route", b"", 400, 107),
    ("POST", "/batch", b'{"requests": 5}', 400, 107),
    ("POST", "/login", b"{}", 400, 200),
    ("POST", "/login", b'{"username": "nobody", "password": "x"}', 404, 101),
    ("POST", "/users", b'{"username": "x"}', 400, 201),
    ("GET", "/users/me", b"", 400, 209),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), BAD)
async def test_bad_input_gets_the_parse_error_and_the_server_lives_on(
    http: httpx.AsyncClient, master: dict[str, str], method: str, path: str, body: bytes, status: int, code: int | None
) -> None:
    await http.post("/schemas/Thing", json={"fields": {"n": {"type": "Number"}}}, headers=master)
    before = await count(http, master, "Thing")
    headers = {"Content-Type": "application/json"}
    answer = await http.request(method, path, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert isinstance(told["code"], int)
    assert told["error"].strip()
    if code is not None:
        assert told["code"] == code, told
    assert await count(http, master, "Thing") == before
    assert (await http.get("/health")).status_code == 200


async def test_a_body_past_the_limit_is_refused_whole(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    await http.post("/schemas/Big", json={"fields": {"text": {"type": "String"}}}, headers=master)
    answer = await http.post("/classes/Big", content=b'{"text":"' + b"x" * (10 * 1024 * 1024) + b'"}')
    assert answer.status_code in (400, 413)
    assert answer.json()["code"] == 116
    assert await count(http, master, "Big") == 0


async def test_an_sdk_may_put_everything_into_the_body(http: httpx.AsyncClient, running_server: RunningServer) -> None:
    mine = await sign_up(http, "body-keys")
    text = {"_ApplicationId": "careboard", "_SessionToken": mine["X-Parse-Session-Token"], "_method": "GET"}
    async with httpx.AsyncClient(timeout=PATIENCE) as bare:
        answer = await bare.post(
            f"{running_server.url}/parse/users/me", content=json.dumps(text), headers={"Content-Type": "text/plain"}
        )
    assert answer.status_code == 200, answer.text
    assert answer.json()["objectId"] == mine["id"]
    assert answer.json()["sessionToken"] == mine["X-Parse-Session-Token"]


async def test_a_body_is_json_whatever_its_content_type_says(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    form = {**master, "Content-Type": "application/x-www-form-urlencoded"}
    made = await http.post("/classes/Typed", content=b'{"n": 1}', headers=form)
    assert (await http.get(f"/classes/Typed/{made.json()['objectId']}")).json()["n"] == 1
    refused = await http.post("/classes/Typed", content=b"n=1", headers=form)
    assert (refused.status_code, refused.json()["code"]) == (400, 111), "the values of a form are texts"


async def test_a_form_signs_in(http: httpx.AsyncClient) -> None:
    await sign_up(http, "by form & more")
    answer = await http.post("/login", data={"username": "by form & more", "password": "pw"})
    assert (answer.status_code, answer.json()["username"]) == (200, "by form & more")
    broken = {"Content-Type": "application/x-www-form-urlencoded"}
    refused = await http.post("/login", content=b'{"username": "by form', headers=broken)
    assert (refused.status_code, refused.json()["code"]) == (400, 107)


async def test_a_password_of_digits_signs_in_by_get(http: httpx.AsyncClient) -> None:
    account = {"username": "true", "password": "12345678"}
    assert (await http.post("/users", json=account)).status_code == 201
    assert (await http.get("/login", params=account)).json()["username"] == "true"


async def test_a_refused_part_of_a_batch_is_its_own_outcome(http: httpx.AsyncClient) -> None:
    parts = [
        {"method": "POST", "path": "/parse/classes/Mixed", "body": {"n": 1}},
        {"method": "GET", "path": "/parse/schemas"},
    ]
    told = (await http.post("/batch", json={"requests": parts})).json()
    assert [sorted(each) for each in told] == [["success"], ["error"]]
    assert told[1]["error"]["code"] == 119


async def test_create_read_update_delete_with_the_answers_of_parse(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    made = await http.post("/classes/Life", json={"n": 1, "tags": ["a"]}, headers=master)
    assert made.status_code == 201
    assert set(made.json()) == {"objectId", "createdAt"}
    assert made.headers["location"].endswith(f"/parse/classes/Life/{made.json()['objectId']}")
    path = f"/classes/Life/{made.json()['objectId']}"
    changed = await http.put(path, json={"n": {"__op": "Increment", "amount": 2}, "flag": True}, headers=master)
    assert changed.json()["n"] == 3
    read = (await http.get(path)).json()
    assert {key: read[key] for key in ("n", "tags", "flag")} == {"n": 3, "tags": ["a"], "flag": True}
    assert read["createdAt"] < read["updatedAt"]
    assert (await http.delete(path, headers=master)).json() == {}
    assert (await http.get(path)).status_code == 404


async def test_a_batch_tells_each_outcome(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    parts = [
        {"method": "POST", "path": "/parse/classes/Part", "body": {"n": 1}},
        {"method": "PUT", "path": "/parse/classes/Part/nowhere", "body": {"n": 2}},
        {"method": "POST", "path": "/parse/classes/Part", "body": {"n": 3}},
    ]
    told = (await http.post("/batch", json={"requests": parts}, headers=master)).json()
    assert [sorted(each) for each in told] == [["success"], ["error"], ["success"]]
    assert told[1]["error"]["code"] == 101
    assert await count(http, master, "Part") == 2


async def test_a_batch_in_one_transaction_is_all_or_nothing(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    parts = [
        {"method": "POST", "path": "/parse/classes/Whole", "body": {"n": 1}},
        {"method": "PUT", "path": "/parse/classes/Whole/nowhere", "body": {"n": 2}},
    ]
    await http.post("/classes/Whole", json={"n": 0}, headers=master)
    refused = await http.post("/batch", json={"requests": parts, "transaction": True}, headers=master)
    assert refused.status_code == 404
    assert await count(http, master, "Whole") == 1
    told = await http.post("/batch", json={"requests": parts[:1], "transaction": True}, headers=master)
    assert [sorted(each) for each in told.json()] == [["success"]]
    assert await count(http, master, "Whole") == 2


async def test_a_stranger_reaches_nothing_of_what_is_not_theirs(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    owner, stranger = await sign_up(http, "rest-owner"), await sign_up(http, "rest-stranger")
    own = {"X-Parse-Session-Token": owner["X-Parse-Session-Token"]}
    acl = {owner["id"]: {"read": True, "write": True}}
    made = (await http.post("/classes/Private", json={"n": 1, "ACL": acl}, headers={**own, **master})).json()
    box = {"child": {"__type": "Pointer", "className": "Private", "objectId": made["objectId"]}}
    opened = (await http.post("/classes/Box", json=box, headers=master)).json()
    path = f"/classes/Private/{made['objectId']}"
    for headers in ({}, {"X-Parse-Session-Token": stranger["X-Parse-Session-Token"]}):
        assert (await http.get(path, headers=headers)).status_code == 404
        assert (await http.put(path, json={"n": 2}, headers=headers)).status_code == 404
        assert (await http.delete(path, headers=headers)).status_code == 404
        assert (await http.get("/classes/Private", headers=headers)).json() == {"results": []}
        included = (await http.get(f"/classes/Box/{opened['objectId']}?include=child", headers=headers)).json()
        assert included["child"] == box["child"]
        part = {"requests": [{"method": "GET", "path": f"/parse{path}"}]}
        assert (await http.post("/batch", json=part, headers=headers)).json()[0]["error"]["code"] == 101
    assert (await http.get(path, headers=own)).json()["n"] == 1


async def test_a_session_cookie_counts_only_for_our_own_pages(http: httpx.AsyncClient, running_server: RunningServer) -> None:
    mine = await sign_up(http, "cookie-owner")
    cookies = {"Cookie": f"careboard_session={mine['X-Parse-Session-Token']}"}
    for site, status in (("same-origin", 200), ("cross-site", 400), ("same-site", 400), (None, 400)):
        headers = cookies | ({"Sec-Fetch-Site": site} if site else {})
        answer = await http.get("/users/me", headers=headers)
        assert answer.status_code == status, (site, answer.text)


async def test_a_page_does_nothing_in_the_name_of_who_signed_in_after_it_was_opened(http: httpx.AsyncClient) -> None:
    """Two tabs of one browser have one cookie: what waits in the tab of the first would be written down as the second's."""
    first, second = await sign_up(http, "first-in-browser"), await sign_up(http, "second-in-browser")
    by_cookie = {"Cookie": f"careboard_session={second['X-Parse-Session-Token']}", "Sec-Fetch-Site": "same-origin"}
    ids = [(await http.get("/users/me", headers=headers)).json()["objectId"] for headers in (first, second)]
    for person, code in ((ids[0], 209), ("", 209), (ids[1], None)):
        answer = await http.put(f"/users/{ids[1]}", json={"phone": "1"}, headers={**by_cookie, "Careboard-Person": person})
        assert answer.json().get("code") == code
    given = {**first, "Careboard-Person": ids[1]}  # who names a session is that one, whatever a page may be
    assert (await http.get("/users/me", headers=given)).json()["objectId"] == ids[0]


async def test_a_hundred_racing_increments_are_exact(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    made = (await http.post("/classes/Counter", json={"n": 0}, headers=master)).json()
    path, one = f"/classes/Counter/{made['objectId']}", {"n": {"__op": "Increment", "amount": 1}}
    answers = await asyncio.gather(*(http.put(path, json=one, headers=master) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await http.get(path)).json()["n"] == 100


async def test_schemas_are_made_changed_and_dropped_with_the_master_key(http: httpx.AsyncClient, master: dict[str, str]) -> None:
    assert (await http.get("/schemas")).status_code == 403
    fields = {"name": {"type": "String", "required": True}, "size": {"type": "Number", "defaultValue": 3}}
    made: dict[str, Any] = (await http.post("/schemas/Made", json={"fields": fields}, headers=master)).json()
    assert made["className"] == "Made"
    assert made["fields"]["name"] == {"type": "String", "required": True}
    refused = await http.post("/classes/Made", json={}, headers=master)
    assert (refused.json()["code"], refused.json()["error"]) == (142, "name is required")
    saved = await http.post("/classes/Made", json={"name": "x"}, headers=master)
    assert (await http.get(f"/classes/Made/{saved.json()['objectId']}")).json()["size"] == 3
    change = {"fields": {"size": {"__op": "Delete"}, "more": {"type": "Pointer", "targetClass": "_User"}}}
    changed = (await http.put("/schemas/Made", json=change, headers=master)).json()
    assert "size" not in changed["fields"]
    assert changed["fields"]["more"] == {"type": "Pointer", "targetClass": "_User"}
    assert (await http.delete("/schemas/Made", headers=master)).json()["code"] == 255
    await http.delete(f"/classes/Made/{saved.json()['objectId']}", headers=master)
    assert (await http.delete("/schemas/Made", headers=master)).json() == {}
    assert (await http.get("/schemas/Made", headers=master)).status_code == 400


async def test_a_client_makes_a_class_only_where_the_setting_allows(clone_database: Callable[[], str], tmp_path: Path) -> None:
    server = RunningServer(clone_database(), tmp_path)
    for allowed, code in (("false", 119), ("true", None)):
        server.environment["CAREBOARD_ALLOW_CLIENT_CLASS_CREATION"] = allowed
        server.start()
        async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=APP, timeout=PATIENCE) as http:
            answer = await http.post("/classes/NewClass", json={"a": 1})
        assert answer.json().get("code") == code
        assert server.stop() == 0


async def test_a_batch_has_a_largest_size_and_wrong_sign_ins_must_wait(clone_database: Callable[[], str], tmp_path: Path) -> None:
    server = RunningServer(clone_database(), tmp_path)
    server.environment |= {"CAREBOARD_BATCH_REQUESTS": "2", "CAREBOARD_SIGN_IN_FAILURES": "2"}
    server.start()
    part = {"method": "GET", "path": "/parse/classes/_Role"}
    wrong = {"username": "nobody", "password": "x"}
    async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=APP, timeout=PATIENCE) as http:
        assert (await http.post("/batch", json={"requests": [part, part]})).status_code == 200
        refused = await http.post("/batch", json={"requests": [part, part, part]})
        assert refused.json() == {"code": 107, "error": "A batch holds at most 2 requests; send 3 in several."}
        answers = [await http.post("/login", json=wrong) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [404, 404, 429]
        words = "Too many wrong sign-ins; wait 2 minutes and try again."
        assert answers[-1].json() == {"code": 155, "error": words}
        tried = {"query": 'mutation { logIn(input: {username: "nobody", password: "x"}) { viewer { sessionToken } } }'}
        assert words in (await http.post(f"{server.url}/graphql", json=tried)).text
    assert server.stop() == 0


async def test_a_disabled_account_loses_its_sessions_and_its_socket_at_once(
    http: httpx.AsyncClient, master: dict[str, str], running_server: RunningServer
) -> None:
    mine = await sign_up(http, "to-be-disabled")
    me = (await http.get("/users/me", headers=mine)).json()
    url = f"{running_server.url.replace('http', 'ws')}/parse"
    hello = {"op": "connect", "applicationId": "careboard", "sessionToken": mine["X-Parse-Session-Token"]}
    ask = {"op": "subscribe", "requestId": 1, "query": {"className": "_User", "where": {"objectId": me["objectId"]}}}
    async with websockets.connect(url) as socket:
        for message, op in ((hello, "connected"), (ask, "subscribed")):
            await socket.send(json.dumps(message))
            assert json.loads(await socket.recv())["op"] == op
        disabled = await http.put(f"/users/{me['objectId']}", json={"active": False}, headers={**APP, **master})
        assert disabled.status_code == 200, disabled.text
        async with asyncio.timeout(PATIENCE):
            while (heard := json.loads(await socket.recv()))["op"] != "error":
                assert heard["op"] in ("leave", "progress"), heard
        assert heard["code"] == 209
    assert (await http.get("/users/me", headers=mine)).json()["code"] == 209
