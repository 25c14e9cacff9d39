"""What a hostile client sends: claims, forged names, tricks with cookies, and requests that are meant to hurt."""

import asyncio
import base64
import contextlib
import csv
import io
import json
import socket as sockets
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.core.wire import Json, Object, pointer
from tests.api.depot import PASSWORD, Depot, Phone, contact_body, open_depot, refill_body, site_body, sql, tank_body
from tests.api.test_livequery import CONNECT, open_socket
from tests.conftest import PATIENCE, RunningServer

APP = {"X-Parse-Application-Id": "careboard"}


@pytest.fixture(scope="module")
async def depot(running_server: RunningServer) -> Depot:
    return await open_depot(running_server)


@pytest.fixture(scope="module")
def locked_server(clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server that lets clients choose objectIds, and asks them for a key."""
    server = RunningServer(clone_database(), tmp_path_factory.mktemp("locked"))
    server.environment = {"CAREBOARD_ALLOW_CUSTOM_OBJECT_ID": "true", "CAREBOARD_REST_KEY": "rest-key"}
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def browser(depot: Depot) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which `dispatcher` is signed in."""
    cookies = {"careboard_session": depot["dispatcher"].token or ""}
    async with httpx.AsyncClient(base_url=depot.server.url, cookies=cookies, timeout=30) as client:
        yield client


async def sign_up(phone: Phone, **claims: Json) -> tuple[int, Any]:
    return await phone.ask("POST", "/users", {"username": f"u-{uuid4().hex[:8]}", "password": PASSWORD, **claims})


# ---- claims


@pytest.mark.parametrize(
    "claim",
    [
        *({"role": role} for role in ("admin", "dispatcher", "driver", "careTeam", "root", "role:admin")),
        {"role": {"__op": "SetOnInsert", "amount": "admin"}},
        {"role": ["admin"]},
        {"role": "patient", "active": False},
        {"emailVerified": True},
        {"objectId": "role:admin"},
        {"id": "role:admin"},
        *({name: "x"} for name in ("_hashed_password", "_rperm", "_wperm", "_perishable_token", "_session_token", "__proto__")),
        {"constructor": {}},
        {"authData": {"facebook": {"id": "1", "access_token": "x"}}},
        {"authData": {"anonymous": {"id": {"$regex": "."}}}},
        {"authData.anonymous": {"id": "x"}},
        {"ACL": {"role:": {"write": True}}},
    ],
    ids=str,
)
async def test_sign_up_claims_nothing(depot: Depot, claim: Object) -> None:
    status, told = await sign_up(depot["anonymous"], **claim)
    assert status >= 400, told
    assert "sessionToken" not in told


async def test_nobody_raises_the_own_role(depot: Depot) -> None:
    gone: Object = {"__op": "Delete"}
    changes: list[Object] = [{"role": "admin"}, {"role": gone}, {"active": gone}, {"password.x": "y"}]
    for change in changes:
        status, told = await depot["stranger"].ask("PUT", f"/users/{depot['stranger'].user}", change)
        assert status == 400, told
    admin = (await depot["master"].find("_Role", {"name": "admin"}))[0]
    mine: Object = {"__op": "AddRelation", "objects": [depot.user("stranger")]}
    for phone in (depot["stranger"], depot["dispatcher"], depot["master"]):
        status, told = await phone.ask("PUT", f"/roles/{admin['objectId']}", {"users": mine})
        assert status >= 400, told
    # A role of one's own may have the admins in it, but does not make one of them.
    inherit: Object = {"__op": "AddRelation", "objects": [pointer("_Role", admin["objectId"])]}
    acl: Object = {depot["stranger"].user: {"read": True, "write": True}}
    own: Object = {"name": f"r{uuid4().hex[:6]}", "ACL": acl, "users": mine, "roles": inherit}
    assert (await depot["stranger"].ask("POST", "/roles", own))[0] == 201
    assert await depot["stranger"].find("AuditLog") == []
    assert await depot["stranger"].find("TankAssignment") == []


async def test_a_session_token_is_no_field_of_a_user(depot: Depot) -> None:
    status, told = await sign_up(depot["anonymous"], sessionToken="r:fixed", ACL={"*": {"read": True}})
    assert (status, told["sessionToken"] != "r:fixed") == (201, True)
    fixed = Phone(depot.server, "", {**APP, "X-Parse-Session-Token": "r:fixed"})
    assert (await fixed.ask("GET", "/users/me"))[1]["code"] == 209
    assert "sessionToken" not in (await depot["master"].find("_User", {"objectId": told["objectId"]}))[0]


@pytest.mark.parametrize("name", ["user", "sessionToken", "expiresAt", "createdWith", "createdWith.action", "installationId"])
async def test_a_session_keeps_what_the_server_wrote(depot: Depot, name: str) -> None:
    mine = (await depot["driver"].find("_Session"))[0]
    status, told = await depot["driver"].ask("PUT", f"/sessions/{mine['objectId']}", {name: "forged"})
    assert status == 400, told
    _, made = await depot["driver"].ask("POST", "/sessions", {} if name == "installationId" else {name: "forged"})
    assert "forged" not in json.dumps(made)
    stored = (await depot["master"].find("_Session", {"objectId": made["objectId"]}))[0]
    assert (stored["user"]["objectId"], stored["createdWith"]) == (depot["driver"].user, {"action": "create"})


@pytest.mark.parametrize("path", ["/login", "/verifyPassword"])
async def test_operators_are_no_name_and_no_password(depot: Depot, path: str) -> None:
    name = (await depot["driver"].ask("GET", "/users/me"))[1]["username"]
    tried: list[tuple[Json, Json]] = [(name, {"$ne": ""}), ({"$regex": "."}, PASSWORD), ([name], PASSWORD), (name, [PASSWORD])]
    for username, password in [*tried, (name, True)]:
        status, told = await depot["anonymous"].ask("POST", path, {"username": username, "password": password})
        assert (status, told["code"]) == (404, 101)


async def test_a_new_password_ends_every_session(depot: Depot) -> None:
    _, told = await sign_up(depot["anonymous"])
    phones = [Phone(depot.server, told["objectId"], {**APP, "X-Parse-Session-Token": told["sessionToken"]})]
    _, second = await phones[0].ask("POST", "/sessions", {})
    phones.append(Phone(depot.server, told["objectId"], {**APP, "X-Parse-Session-Token": second["sessionToken"]}))
    async with open_socket(depot.server) as socket:
        await socket.ask({**CONNECT, "sessionToken": second["sessionToken"]})
        assert (await socket.subscribe("_Role"))["op"] == "subscribed"
        status, _ = await phones[0].ask("PUT", f"/users/{told['objectId']}", {"password": "another"})
        assert status == 200
        assert (await socket.hear())["code"] == 209
    for phone in phones:
        assert (await phone.ask("GET", "/users/me"))[1]["code"] == 209


# ---- names


@pytest.mark.parametrize(
    "name", ["_Session", "_Role", "_SCHEMA", "_Join:users:_Role", "_Hooks", "_JobStatus", "_Nope", "1a", "a b"]
)
async def test_nobody_makes_the_servers_classes(depot: Depot, name: str) -> None:
    status, _ = await depot["anonymous"].ask("POST", f"/classes/{name}", {"a": 1})
    assert status >= 400


@pytest.mark.parametrize("name", ["migration", "pg_class", "pg_authid", "pg_stat_activity"])
async def test_a_table_that_is_no_class_is_not_taken_over(depot: Depot, name: str) -> None:
    before = await sql(depot.server, 'select count(*) as n from "migration"')
    for phone in (depot["anonymous"], depot["master"]):
        for path in (f"/classes/{name}", f"/schemas/{name}")[: 2 if phone is depot["master"] else 1]:
            status, told = await phone.ask("POST", path, {} if "schemas" in path else {"a": 1})
            assert (status, told["code"]) == (400, 103)
        assert await phone.find(name) == []
    assert await sql(depot.server, 'select count(*) as n from "migration"') == before


@pytest.mark.parametrize(
    "key",
    ["xmin", "ctid", "tableoid", "_rperm", "_wperm", "a;b", 'a"b', "a'b", "a$b", "$where", "__proto__", "a--", "a\u0000", "ä"],
)
async def test_a_key_is_a_name_or_refused(depot: Depot, key: str) -> None:
    for phone in (depot["stranger"], depot["master"]):
        status, told = await phone.ask("POST", "/classes/Bait", {key: 1})
        assert (status, told["code"]) == (400, 105), told
        status, told = await phone.ask("GET", "/classes/Bait", where={"x." + key: 1}, order=key, keys=key)
        assert status in (200, 400), told
        assert "syntax" not in json.dumps(told)


@pytest.mark.parametrize("name", ["role:admin", "role:x", "*"])
async def test_an_object_id_that_reads_like_a_role_is_no_users(locked_server: RunningServer, name: str) -> None:
    keys = {**APP, "X-Parse-REST-API-Key": "rest-key"}
    anonymous = Phone(locked_server, "", keys)
    status, told = await sign_up(anonymous, objectId=name)
    assert (status, told) == (400, {"code": 119, "error": "Invalid object ID."})
    # One who got there another way (SQL, an older database) gains nothing by it.
    _, told = await sign_up(anonymous)
    await sql(locked_server, """update "_User" set "objectId" = $1 where "objectId" = $2""", name, told["objectId"])
    await sql(locked_server, """update "_Session" set "user" = $1 where "user" = $2""", name, told["objectId"])
    intruder = Phone(locked_server, name, {**keys, "X-Parse-Session-Token": told["sessionToken"]})
    assert (await intruder.ask("GET", "/sessions/me"))[0] == 200
    assert (await intruder.ask("GET", "/classes/AuditLog"))[0] == 400
    await sql(locked_server, """delete from "_User" where "objectId" = $1""", name)


async def test_a_chosen_object_id_writes_no_header(locked_server: RunningServer) -> None:
    anonymous = Phone(locked_server, "", {**APP, "X-Parse-REST-API-Key": "rest-key"})
    device = {"deviceType": "ios", "installationId": "a-phone"}
    status, told = await anonymous.ask("POST", "/installations", {**device, "objectId": "x\r\nSet-Cookie: a=b"})
    assert (status, told["code"]) == (400, 105)
    async with httpx.AsyncClient(base_url=locked_server.url, headers=anonymous.headers, timeout=PATIENCE) as client:
        answer = await client.post("/parse/installations", json={**device, "objectId": "€ /?#%"})
    assert (answer.status_code, answer.headers["location"].rpartition("/")[2]) == (201, "%E2%82%AC%20%2F%3F%23%25")


@pytest.mark.parametrize("member", ["*", "role:patient"])
async def test_a_care_team_opens_a_site_to_no_role(depot: Depot, member: str) -> None:
    status, told = await depot["dispatcher"].ask(
        "POST", "/classes/PatientSite", site_body(depot, careTeam=[pointer("_User", member)])
    )
    assert (status, told["code"]) == (400, 142)
    team = json.dumps([pointer("_User", member)])
    await sql(
        depot.server,
        """update "PatientSite" set "careTeam" = $1::text::jsonb where "objectId" = $2""",
        team,
        depot.ids["PatientSite"],
    )
    assert await depot["stranger"].find("PatientSite") == []
    assert await depot["stranger"].find("TankAssignment") == []


# ---- cookies and pages

STRANGERS = [{}, *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none")), {"Origin": "https://evil.example"}]


@pytest.mark.parametrize("said", [*STRANGERS, {"Origin": "null"}], ids=str)
async def test_the_cookie_opens_nothing_from_elsewhere(depot: Depot, browser: httpx.AsyncClient, said: dict[str, str]) -> None:
    refused = await browser.get("/parse/users/me", headers={**APP, **said})
    assert refused.json()["code"] == 209
    text = {"_ApplicationId": "careboard", "_method": "GET"}
    refused = await browser.post(
        "/parse/classes/TankAssignment", content=json.dumps(text), headers={"Content-Type": "text/plain", **said}
    )
    assert depot.secret not in refused.text
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in refused.headers


async def test_the_cookie_opens_the_door_from_our_own_pages(depot: Depot, browser: httpx.AsyncClient) -> None:
    for said in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": depot.server.url}):
        answer = await browser.get("/parse/classes/TankAssignment", headers={**APP, **said})
        assert depot.secret in answer.text
        assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")


async def test_the_socket_believes_a_cookie_of_our_own_origin_only(depot: Depot) -> None:
    cookie = f"careboard_session={depot['dispatcher'].token}"
    for origin, found in (("https://evil.example", False), ("null", False), (depot.server.url, True)):
        async with open_socket(depot.server, Cookie=cookie, Origin=origin) as socket:
            await socket.ask(CONNECT)
            assert ((await socket.subscribe("TankAssignment"))["op"] == "subscribed") is found


async def test_a_page_needs_no_client_key_and_nobody_else_goes_without(locked_server: RunningServer) -> None:
    keys = {**APP, "X-Parse-REST-API-Key": "rest-key"}
    _, told = await sign_up(Phone(locked_server, "", keys))
    page = {**APP, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=f"{locked_server.url}/parse", timeout=PATIENCE) as client:
        mine, forged = (f"careboard_session={token}" for token in (told["sessionToken"], "r:forged"))
        assert (await client.get("/users/me", headers={**page, "Cookie": mine})).status_code == 200
        assert (await client.get("/users/me", headers={**page, "Cookie": forged})).json()["code"] == 209
        assert (await client.get("/users/me", headers={**APP, "Cookie": mine})).status_code == 403
        for more in ({}, {"X-Parse-Session-Token": told["sessionToken"]}):
            assert (await client.get("/classes/A", headers={**page, **more, "Cookie": "a=b"})).status_code == 403
        given = {**page, "Cookie": forged, "X-Parse-Session-Token": told["sessionToken"]}
        assert (await client.get("/users/me", headers=given)).status_code == 403
        login = {"username": "x", "password": "y"}
        assert (await client.post("/login", headers={**page, "Cookie": mine}, json=login)).status_code == 403
    forged_page = {"Cookie": "careboard_session=r:forged", "Origin": locked_server.url}
    async with open_socket(locked_server, **forged_page) as socket:
        assert (await socket.ask({**CONNECT, "sessionToken": told["sessionToken"]}))["code"] == 4


@pytest.mark.parametrize("network", ["10.0.0.0/8"])
async def test_the_master_key_opens_no_door_from_elsewhere(
    clone_database: Callable[[], str], tmp_path: Path, network: str
) -> None:
    server = RunningServer(clone_database(), tmp_path)
    server.environment = {"CAREBOARD_MASTER_KEY_IPS": network}
    server.start()
    try:
        master = Phone(server, "", {**APP, "X-Parse-Master-Key": server.master_key})
        assert (await master.ask("GET", "/schemas"))[0] == 403
        async with open_socket(server) as socket:
            assert (await socket.ask({**CONNECT, "masterKey": server.master_key}))["code"] == 4
    finally:
        server.stop()


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_a_form_from_elsewhere_does_nothing(depot: Depot, browser: httpx.AsyncClient, path: str) -> None:
    async with httpx.AsyncClient(base_url=depot.server.url, timeout=PATIENCE) as attacker:
        page = (await attacker.get("/")).text
    token = page.partition('name="token" value="')[2].partition('"')[0]
    assert token
    for said in STRANGERS:
        name = (await depot["driver"].ask("GET", "/users/me"))[1]["username"]
        form = {"token": token, "username": name, "password": PASSWORD, "next": "/boards/oxygen"}
        answer = await browser.post(path, data=form, headers=said)
        assert "careboard_session" not in answer.headers.get("set-cookie", "")
    assert (await depot["dispatcher"].ask("GET", "/users/me"))[0] == 200


ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/boards/\\..\\..\\evil.example",
    "javascript:alert(1)",
    "/boards/x\r\nSet-Cookie: a=b",
    "/boards/\tx",
    "/parse/users/me",
    "/boards",
]


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_signing_in_leads_to_a_board_of_ours(browser: httpx.AsyncClient, target: str) -> None:
    answer = await browser.get("/", params={"next": target})
    assert (answer.status_code, answer.headers["location"]) == (303, "/boards/oxygen")
    assert "careboard_session" not in str(answer.headers)


NASTY = '</script><script>alert(1)</script><img src=x onerror=alert(1)>" onfocus="x\'{{ 7*7 }}'


async def test_names_and_notes_are_text_on_the_page(depot: Depot, browser: httpx.AsyncClient) -> None:
    dispatcher = depot["dispatcher"]
    site = await dispatcher.make("PatientSite", site_body(depot, siteName=NASTY, notes=NASTY, city=NASTY))
    tank = await dispatcher.make(
        "TankAssignment", tank_body(depot, tankSerialNumber=NASTY, assignedSite=pointer("PatientSite", site))
    )
    contact: Object = {"site": pointer("PatientSite", site), "contactName": NASTY, "phoneNumber": f"javascript:{NASTY}"}
    await dispatcher.make("EmergencyContact", contact_body(depot, **contact))
    at = {"tankAssignment": pointer("TankAssignment", tank)}
    await dispatcher.make("RefillLog", refill_body(depot, "dispatcher", refillReason=NASTY, remarks=NASTY, **at))
    page = (await browser.get("/boards/oxygen", params={"tank": tank, "q": NASTY[:20]})).text
    page += (await browser.get("/boards/oxygen", params={"tank": tank})).text
    assert "alert(1)" in page
    for raw in ("<script>alert", "</script><script>", "<img src=x", '" onfocus', 'href="javascript:'):
        assert raw not in page


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_a_spreadsheet_runs_no_cell(depot: Depot, browser: httpx.AsyncClient, start: str) -> None:
    mark = uuid4().hex[:8]
    await depot["dispatcher"].make("TankAssignment", tank_body(depot, tankSerialNumber=f"{start}{mark}"))
    rows = csv.reader(io.StringIO((await browser.get("/boards/oxygen/rows.csv")).text, newline=""))
    cells = [cell for row in rows for cell in row if mark in cell]
    assert cells
    assert all(cell.startswith("'") for cell in cells)


# ---- requests that are meant to hurt

NUMBERS = [str(number) for number in range(20_000)]
HEAVY: list[tuple[Object, int]] = [
    ({"order": ",".join(f"o.a{number}" for number in NUMBERS)}, 102),
    ({"include": ".".join(["tank"] * 30_000)}, 105),
    ({"include": ",".join(f"a{number}.b{number}.c" for number in NUMBERS)}, 102),
    ({"keys": ",".join(f"a{number}.b" for number in NUMBERS)}, 102),
    ({"excludeKeys": ".".join(["tank"] * 30_000)}, 105),
    ({"where": {"things": {"$all": [*NUMBERS]}}}, 102),
    ({"where": {"guess": {"$all": [*NUMBERS]}}}, 102),
    ({"where": {".".join(["o"] * 30_000): 1}}, 105),
    ({"where": {"$or": [{"guess": number} for number in NUMBERS]}}, 102),
    ({"where": {"place": {"$geoWithin": {"$polygon": [[1, 2]] * 20_000}}}}, 102),
    ({"where": {"place": {"$geoWithin": {"$polygon": {"__type": "Polygon", "coordinates": [[1, 2]] * 20_000}}}}}, 102),
    ({"where": {"guess": {"$regex": "(((a{1,30}){1,30}){1,30})b"}}}, 102),
    ({"where": {"guess": {"$regex": "(a+)+$" + "x" * 1000}}}, 102),
]


@pytest.mark.parametrize(("params", "code"), HEAVY, ids=lambda value: str(value)[:40])
async def test_a_heavy_query_is_refused_before_it_costs(depot: Depot, params: Object, code: int) -> None:
    status, told = await depot["stranger"].ask("POST", "/classes/Bait", {"_method": "GET", **params})
    assert (status, told["code"]) == (400, code), told


async def test_a_long_list_of_values_is_answered(depot: Depot) -> None:
    wanted: list[Json] = [str(number) for number in range(49_000)]
    where: Object = {"guess": {"$in": [*wanted, depot.secret]}}
    _, told = await depot["stranger"].ask("POST", "/classes/Bait", {"_method": "GET", "where": where})
    assert told["results"]


@pytest.mark.parametrize("prefix", ["/parse/batch", "/parse//batch", "/parse/x/../batch", "/parse/./batch", "/parse///batch/"])
async def test_a_batch_holds_no_batch(depot: Depot, prefix: str) -> None:
    part: Object = {"method": "POST", "path": prefix, "body": {"requests": []}}
    status, told = await depot["anonymous"].ask("POST", "/batch", {"requests": [part]})
    assert (status, told["code"]) == (400, 107)


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame of a client, masked with zeros."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    else:
        head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
    return head + b"\0\0\0\0" + payload


def raw_socket(server: RunningServer) -> sockets.socket:
    """A websocket by hand, behind its handshake."""
    raw = sockets.create_connection(("127.0.0.1", server.port), timeout=10)
    key = base64.b64encode(b"0123456789abcdef").decode()
    lines = ("GET /parse HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    raw.sendall("\r\n".join((*lines, f"Sec-WebSocket-Key: {key}", "", "")).encode())
    assert raw.recv(4096).startswith(b"HTTP/1.1 101")
    return raw


BROKEN = {
    "invalid UTF-8": frame(1, b"\xff\xfe"),
    "reserved opcode": frame(3, b"x"),
    "continuation of nothing": frame(0, b"x"),
    "long ping": frame(9, b"x" * 200),
    "fragmented ping": frame(9, b"x", fin=False),
    "unmasked": b"\x81\x02{}",
    "close with a broken code": frame(8, b"\x00\x01"),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_frame_ends_its_socket_only(depot: Depot, broken: str) -> None:
    def send() -> bytes:
        with raw_socket(depot.server) as raw:
            raw.sendall(BROKEN[broken])
            told = b""
            while data := raw.recv(4096):
                told += data
            return told

    assert (await asyncio.to_thread(send))[:1] == b"\x88"  # a close frame, then the end
    async with open_socket(depot.server) as socket:
        assert (await socket.ask(CONNECT))["op"] == "connected"


async def test_fragments_are_one_message_and_an_endless_one_is_refused(depot: Depot) -> None:
    url = depot.server.url.replace("http", "ws", 1) + "/parse"
    async with connect(url) as socket:
        await socket.send(iter(["{", '"op"', ':"connect","applicationId":', '"careboard"}']))
        assert json.loads(await socket.recv())["op"] == "connected"
    async with connect(url) as socket:
        with contextlib.suppress(ConnectionClosed):
            await socket.send("x" * 17 * 1024 * 1024)
        await socket.wait_closed()
    assert socket.close_code == 1009


async def test_a_client_that_asks_and_never_reads_is_not_heard_any_more(depot: Depot) -> None:
    """Or its answers would fill the server's memory."""

    def flood() -> int:
        with raw_socket(depot.server) as raw:
            raw.settimeout(3)
            messages, sent = frame(1, b'{"op":"' + b"z" * 1000 + b'"}') * 200, 0
            try:
                for _ in range(1_000):
                    raw.sendall(messages)
                    sent += 1
            except TimeoutError:
                return sent
        return sent

    assert await asyncio.to_thread(flood) < 1_000
    assert (await depot["anonymous"].ask("GET", "/classes/Bait", limit=1))[0] == 200
