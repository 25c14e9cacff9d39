"""No way in: every caller at every door of a running server, beside what each may see and change.

A door is tried by those who may as well, so that a door that shows nothing to anybody does not pass.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.core.wire import Json, Object, pointer
from tests.api.depot import CLASSES, OUTSIDERS, READERS, Depot, Phone, contact_body, event_body, open_depot, refill_body, sql
from tests.api.test_livequery import CONNECT, Socket, open_socket
from tests.conftest import PATIENCE, RunningServer

Door = Callable[[Depot, str], Awaitable[str]]


@pytest.fixture(scope="module")
async def depot(running_server: RunningServer) -> Depot:
    return await open_depot(running_server)


# ---- reading: a door gives the text of everything it answered


async def by_id(depot: Depot, who: str) -> str:
    return json.dumps([await depot[who].ask("GET", depot.path(name)) for name in CLASSES])


async def by_find(depot: Depot, who: str) -> str:
    return json.dumps([await depot[who].ask("GET", f"/classes/{name}") for name in CLASSES])


async def by_sdk(depot: Depot, who: str) -> str:
    return json.dumps([await depot[who].ask("POST", f"/classes/{name}", {"_method": "GET"}) for name in CLASSES])


async def by_redirect(depot: Depot, who: str) -> str:
    return json.dumps(await depot[who].ask("GET", "/classes/Bait", redirectClassNameForKey="tank"))


async def by_batch(depot: Depot, who: str) -> str:
    parts: list[Json] = [{"method": "GET", "path": "/parse" + depot.path(name)} for name in CLASSES]
    return json.dumps(await depot[who].ask("POST", "/batch", {"requests": parts}))


async def by_transaction(depot: Depot, who: str) -> str:
    parts: list[Json] = [{"method": "GET", "path": f"/parse/classes/{name}"} for name in CLASSES]
    return json.dumps(await depot[who].ask("POST", "/batch", {"requests": parts, "transaction": True}))


async def by_count(depot: Depot, who: str) -> str:
    _, told = await depot[who].ask("GET", "/classes/TankAssignment", where={"tankSerialNumber": depot.secret}, count=1, limit=0)
    return depot.secret if told.get("count") else ""


def including(**params: Json) -> Door:
    async def door(depot: Depot, who: str) -> str:
        where: Object = {"objectId": depot.ids[f"Bait:{who}"]}
        return json.dumps(await depot[who].find("Bait", where, excludeKeys="guess", **params))

    return door


def asking(where: Callable[[Depot], Object]) -> Door:
    """A question whose answer (is the outsider's own object found?) would tell whether the secret is right."""

    async def door(depot: Depot, who: str) -> str:
        mine: Object = {"objectId": depot.ids[f"Bait:{who}"]}
        return depot.secret if await depot[who].find("Bait", {**mine, **where(depot)}) else ""

    return door


def known(class_name: str, field: str) -> Callable[[Depot], Object]:
    return lambda depot: {"className": class_name, "where": {field: {"$regex": f"^{depot.secret[:6]}"}}}


async def by_related_to(depot: Depot, who: str) -> str:
    owner: Object = {"object": pointer("Bait", depot.ids[f"Bait:{who}"]), "key": "rel"}
    return json.dumps(await depot[who].find("TankAssignment", {"$relatedTo": owner}))


async def by_snapshot(depot: Depot, who: str) -> str:
    heard: list[Any] = []
    async with open_socket(depot.server) as socket:
        await socket.ask({**CONNECT, "sessionToken": depot[who].token or ""})
        for name in CLASSES:
            heard.append(await socket.subscribe(name, snapshot=True))
            if heard[-1]["op"] == "subscribed":
                heard.append(await socket.hear())
            heard.append(await socket.ask({"op": "query", "requestId": 1}))
    return json.dumps(heard)


async def by_page(depot: Depot, who: str) -> str:
    cookies = {"careboard_session": depot[who].token or ""}
    async with httpx.AsyncClient(base_url=depot.server.url, cookies=cookies, follow_redirects=True, timeout=PATIENCE) as browser:
        page = await browser.get("/boards/oxygen", params={"tank": depot.ids["TankAssignment"]})
        return page.text + (await browser.get("/boards/oxygen/rows.csv")).text


DOORS: dict[str, Door] = {
    "get": by_id,
    "find": by_find,
    "find as the SDK asks": by_sdk,
    "redirected find": by_redirect,
    "batch": by_batch,
    "batch in a transaction": by_transaction,
    "count": by_count,
    "include": including(include="tank,refill,contact"),
    "nested include": including(include="refill.tankAssignment.assignedSite"),
    "include in an array": including(include="things,things.assignedSite"),
    "include of all": including(includeAll=True),
    "keys that include": including(keys="tank.tankSerialNumber,contact.contactName"),
    "$inQuery": asking(lambda depot: {"tank": {"$inQuery": known("TankAssignment", "tankSerialNumber")(depot)}}),
    "$inQuery in an array": asking(lambda depot: {"things": {"$inQuery": known("PatientSite", "siteName")(depot)}}),
    "$inQuery on a relation": asking(lambda depot: {"rel": {"$inQuery": known("TankAssignment", "tankSerialNumber")(depot)}}),
    "nested $inQuery": asking(
        lambda depot: {
            "refill": {
                "$inQuery": {
                    "className": "RefillLog",
                    "where": {"tankAssignment": {"$inQuery": known("TankAssignment", "tankSerialNumber")(depot)}},
                }
            }
        }
    ),
    "$notInQuery": asking(
        lambda depot: {"$nor": [{"tank": {"$notInQuery": known("TankAssignment", "tankSerialNumber")(depot)}}]}
    ),
    "$select": asking(
        lambda depot: {"guess": {"$select": {"query": {"className": "PatientSite", "where": {}}, "key": "siteName"}}}
    ),
    "$dontSelect": asking(
        lambda depot: {
            "$nor": [{"guess": {"$dontSelect": {"query": {"className": "PatientSite", "where": {}}, "key": "siteName"}}}]
        }
    ),
    "$relatedTo": by_related_to,
    "live snapshot and query": by_snapshot,
    "page and CSV": by_page,
}


@pytest.mark.parametrize("door", DOORS)
async def test_who_may_read_finds_the_secret(depot: Depot, door: str) -> None:
    for who in READERS:
        assert depot.secret in await DOORS[door](depot, who), who


@pytest.mark.parametrize("door", DOORS)
async def test_nobody_else_reads_anything(depot: Depot, door: str) -> None:
    for who in OUTSIDERS:
        assert depot.secret not in await DOORS[door](depot, who), who


# ---- writing: nothing of what is stored may change


def changes(depot: Depot, who: str) -> list[tuple[str, str, Object | None]]:
    """Every write that only a dispatcher may do."""
    mine = depot.user({"anonymous": "stranger", "driver": "other_driver"}.get(who, who))
    everybody: Object = {"*": {"read": True, "write": True}}
    tank, site, refill = (depot.path(name) for name in ("TankAssignment", "PatientSite", "RefillLog"))
    acls: list[tuple[str, str, Object | None]] = [("PUT", depot.path(name), {"ACL": everybody}) for name in CLASSES]
    return [
        *acls,
        ("PUT", tank, {"assignedDriver": mine}),
        ("PUT", tank, {"flowLpm": {"__op": "Increment", "amount": 1}}),
        ("PUT", tank, {"urgency": "ok"}),
        ("PUT", tank, {"emptyAt": {"__type": "Date", "iso": "2030-01-01T00:00:00.000Z"}}),
        ("PUT", tank, {"_rperm": ["*"]}),
        ("PUT", tank, {"surprise": 1}),
        ("PUT", tank, {"rel": {"__op": "AddRelation", "objects": [mine]}}),
        *(("DELETE", depot.path(name), None) for name in CLASSES),
        ("PUT", site, {"careTeam": {"__op": "AddUnique", "objects": [mine]}}),
        ("PUT", site, {"primaryContact": mine}),
        ("PUT", refill, {"psiAfter": 3000}),
        ("PUT", depot.path("DispatchEvent"), {"locationNote": "moved"}),
        ("PUT", depot.path("EmergencyContact"), {"phoneNumber": "+1"}),
        ("POST", "/classes/EmergencyContact", contact_body(depot)),
        ("POST", "/classes/RefillLog", refill_body(depot, "dispatcher")),
        ("POST", "/classes/DispatchEvent", event_body(depot, "dispatcher")),
        ("POST", "/classes/RefillLog", refill_body(depot, "driver", ACL=everybody)),
    ]


def own_tank_changes(depot: Depot, who: str) -> list[tuple[str, str, Object | None]]:
    """Writes that the tank's driver may do, and nobody else below a dispatcher."""
    signer = who if who != "anonymous" else "stranger"
    return [
        ("PUT", depot.path("TankAssignment"), {"psiLevel": 1}),
        ("PUT", depot.path("TankAssignment"), {"status": "empty"}),
        ("POST", "/classes/RefillLog", refill_body(depot, signer)),
        ("POST", "/classes/DispatchEvent", event_body(depot, signer, eventType="psi_check", psiLevel=5)),
    ]


async def try_all(depot: Depot, who: str, writes: list[tuple[str, str, Object | None]]) -> None:
    """Every write alone, in a batch and in a transaction; none may be answered with success."""
    for method, path, body in writes:
        status, told = await depot[who].ask(method, path, body)
        assert status >= 400, (who, method, path, body, told)
    parts: list[Json] = [{"method": method, "path": "/parse" + path, "body": body} for method, path, body in writes]
    _, told = await depot[who].ask("POST", "/batch", {"requests": parts})
    assert "code" in told or all("error" in each for each in told), told
    for part in parts:
        status, told = await depot[who].ask("POST", "/batch", {"requests": [part], "transaction": True})
        assert status >= 400, (who, part, told)


@pytest.mark.parametrize("who", [*OUTSIDERS, "careTeam", "contact", "driver"])
async def test_nobody_changes_what_is_not_theirs(depot: Depot, who: str) -> None:
    before = await depot.stored()
    await try_all(depot, who, changes(depot, who) + ([] if who == "driver" else own_tank_changes(depot, who)))
    assert await depot.stored() == before


# ---- blind extraction: what is hidden is neither asked about, nor sorted by, nor watched

HIDDEN: list[tuple[str, str]] = [
    *(("_User", name) for name in ("email", "password", "authData", "authData.anonymous.id", "sessionToken")),
    *(("_User", name) for name in ("_hashed_password", "_perishable_token", "_rperm", "_password_history")),
    ("_Session", "sessionToken"),
    ("_Session", "_session_token"),
]
QUESTIONS: list[Callable[[str], Object]] = [
    lambda name: {name: {"$regex": "^a"}},
    lambda name: {name: {"$lt": "m"}},
    lambda name: {name: {"$exists": True}},
    lambda name: {name: {"$in": ["a"]}},
    lambda name: {name: None},
    lambda name: {"$or": [{"objectId": "x"}, {name: {"$gt": "a"}}]},
    lambda name: {"$nor": [{"$and": [{name: {"$ne": "a"}}]}]},
    lambda name: {"objectId": {"$select": {"query": {"className": "_User", "where": {}}, "key": name}}},
]


@pytest.mark.parametrize(("class_name", "name"), HIDDEN)
async def test_hidden_fields_are_not_asked_about(depot: Depot, class_name: str, name: str) -> None:
    for who in ("driver", "dispatcher"):
        for question in QUESTIONS:
            where = question(name)
            if class_name == "_Session" and "$select" in json.dumps(where):
                continue
            status, told = await depot[who].ask("GET", f"/classes/{class_name}", where=where)
            assert (status, told.get("code") in (105, 119)) == (400, True), (where, told)
            asked: Object = {"className": class_name, "where": where}
            status, told = await depot[who].ask("GET", "/classes/Bait", where={"driver": {"$inQuery": asked}})
            assert (status, told.get("code") in (105, 119)) == (400, True), (where, told)
        for order in (name, f"-{name}", f"createdAt,{name}"):
            status, told = await depot[who].ask("GET", f"/classes/{class_name}", order=order)
            assert (status, told.get("code") in (105, 119)) == (400, True), (order, told)


@pytest.mark.parametrize(("class_name", "name"), HIDDEN)
async def test_hidden_fields_are_not_asked_about_live(depot: Depot, class_name: str, name: str) -> None:
    async with open_socket(depot.server) as socket:
        await socket.ask({**CONNECT, "sessionToken": depot["driver"].token})
        for question in QUESTIONS:
            told = await ask_live(socket, {"className": class_name, "where": question(name)})
            assert (told["op"], told["code"] in (102, 105, 119)) == ("error", True), told
        if not name.startswith("_"):
            told = await ask_live(socket, {"className": class_name, "where": {}, "watch": [name]})
            assert (told["op"], told["code"]) == ("error", 119)


async def ask_live(socket: Socket, query: Object) -> Any:
    return await socket.ask({"op": "subscribe", "requestId": 7, "query": query})


async def test_keys_do_not_show_what_is_hidden(depot: Depot) -> None:
    secrets = "email,password,authData,sessionToken"
    for who in ("dispatcher", "other_driver", "anonymous"):
        found = await depot[who].find("_User", {"objectId": {"$ne": depot[who].user or "x"}}, keys=secrets)
        assert not any(set(secrets.split(",")) & user.keys() for user in found)
    assert await depot["dispatcher"].find("_User", {"objectId": depot["driver"].user})  # there was something to show
    mine = (await depot["driver"].find("_Session", keys="sessionToken,user"))[0]
    assert "sessionToken" not in mine


@pytest.mark.parametrize("class_name", ["_Installation", "_SCHEMA", "_Join:users:_Role", "_JobStatus", "AuditLog", "_Hooks"])
async def test_what_is_the_servers_is_not_found_by_clients(depot: Depot, class_name: str) -> None:
    for who in ("anonymous", "driver", "dispatcher"):
        assert await depot[who].find(class_name) == []
        asked: Object = {"className": class_name, "where": {"objectId": {"$exists": True}}}
        assert await depot[who].find("Bait", {"objectId": {"$select": {"query": asked, "key": "objectId"}}}) == []
        async with open_socket(depot.server) as socket:
            await socket.ask({**CONNECT, "sessionToken": depot[who].token or ""})
            assert (await ask_live(socket, {"className": class_name, "where": {}}))["code"] == 119


async def test_people_see_their_own_sessions_only(depot: Depot) -> None:
    for who in ("driver", "dispatcher"):
        sessions = await depot[who].find("_Session")
        assert {session["user"]["objectId"] for session in sessions} == {depot[who].user}
        status, _ = await depot["stranger"].ask("DELETE", f"/sessions/{sessions[0]['objectId']}")
        assert status == 404
    assert (await depot["anonymous"].ask("GET", "/sessions"))[1]["code"] == 209


# ---- live events around a change of access


@pytest.fixture
async def ears(depot: Depot) -> AsyncIterator[tuple[Socket, Socket]]:
    """The sockets of `driver` and `other_driver`, connected."""
    async with open_socket(depot.server) as first, open_socket(depot.server) as second:
        for socket, who in ((first, "driver"), (second, "other_driver")):
            assert (await socket.ask({**CONNECT, "sessionToken": depot[who].token}))["op"] == "connected"
        yield first, second


async def test_a_tank_that_changes_hands_shows_each_driver_their_own_time_only(depot: Depot, ears: tuple[Socket, Socket]) -> None:
    mine, other = ears
    for socket in ears:
        assert (await socket.subscribe("TankAssignment"))["op"] == "subscribed"
    dispatcher, path = depot["dispatcher"], depot.path("TankAssignment")
    await dispatcher.ask("PUT", path, {"lotNumber": "mine"})
    assert (await mine.hear())["object"]["lotNumber"] == "mine"
    await dispatcher.ask("PUT", path, {"assignedDriver": depot.user("other_driver"), "lotNumber": "theirs"})
    await dispatcher.ask("PUT", path, {"lotNumber": "theirs still"})
    await dispatcher.ask("PUT", path, {"assignedDriver": depot.user("driver"), "lotNumber": "mine again"})
    heard = [await mine.hear(), await mine.hear()]
    assert [(event["op"], event["object"]["lotNumber"]) for event in heard] == [("leave", "mine"), ("enter", "mine again")]
    assert "original" not in heard[1]
    assert "theirs" not in json.dumps(heard)
    seen = [await other.hear(), await other.hear(), await other.hear()]
    assert [(event["op"], event["object"]["lotNumber"]) for event in seen] == [
        ("enter", "theirs"),
        ("update", "theirs still"),
        ("leave", "theirs still"),
    ]
    assert "original" not in seen[0]
    assert "mine" not in json.dumps(seen)


OWNED: Object = {
    "fields": {
        "owner": {"type": "Pointer", "targetClass": "_User"},
        "note": {"type": "String"},
        "pin": {"type": "Number"},
        "codes": {"type": "Array"},
    },
    "classLevelPermissions": {
        **{name: {"pointerFields": ["owner"]} for name in ("find", "get", "count")},
        **{name: {"*": True} for name in ("create", "update", "delete")},
        "protectedFields": {"*": ["pin", "codes"]},
    },
}


async def test_pointer_permissions_hold_for_both_images_of_an_event(depot: Depot, ears: tuple[Socket, Socket]) -> None:
    await depot["master"].ask("POST", "/schemas/Owned", OWNED)
    mine, _ = ears
    assert (await mine.subscribe("Owned"))["op"] == "subscribed"
    made = await depot["master"].make("Owned", {"owner": depot.user("other_driver"), "note": "before", "pin": 1})
    await depot["master"].ask("PUT", f"/classes/Owned/{made}", {"owner": depot.user("driver"), "note": "mine"})
    await depot["master"].ask("PUT", f"/classes/Owned/{made}", {"owner": depot.user("other_driver"), "note": "after"})
    entered, left = await mine.hear(), await mine.hear()
    assert (entered["op"], entered["object"]["note"]) == ("enter", "mine")
    assert "original" not in entered
    assert (left["op"], left["object"]["note"], left["original"]["note"]) == ("leave", "mine", "mine")
    assert "pin" not in json.dumps([entered, left])


async def test_an_operation_answers_nothing_that_its_caller_may_not_read(depot: Depot) -> None:
    await depot["master"].ask("POST", "/schemas/Owned", OWNED)
    body: Object = {"owner": depot.user("driver"), "pin": 4711, "codes": ["hush"]}
    probes: Object = {
        "pin": {"__op": "Increment", "amount": 0},
        "codes": {"__op": "AddUnique", "objects": []},
        "note": {"__op": "SetOnInsert", "amount": "x"},
    }
    made = await depot["master"].make("Owned", body)
    status, told = await depot["driver"].ask("PUT", f"/classes/Owned/{made}", probes)
    assert (status, set(told)) == (200, {"updatedAt"})
    closed: Object = {"secret": 4711, "ACL": {"*": {"write": True}}}
    made = await depot["master"].make("WriteOnly", closed)
    status, told = await depot["driver"].ask("PUT", f"/classes/WriteOnly/{made}", {"secret": {"__op": "Increment", "amount": 0}})
    assert (status, set(told)) == (200, {"updatedAt"})


@pytest.mark.parametrize(("rperm", "wperm", "reads", "writes"), [(None, [], True, False), ([], None, False, True)])
async def test_a_null_permission_means_the_same_at_every_door(
    depot: Depot, ears: tuple[Socket, Socket], rperm: list[str] | None, wperm: list[str] | None, reads: bool, writes: bool
) -> None:
    made = await depot["master"].make("Half", {"n": 1})
    socket, _ = ears
    assert (await socket.subscribe("Half"))["op"] == "subscribed"
    await sql(depot.server, 'update "Half" set "_rperm" = $2, "_wperm" = $3 where "objectId" = $1', made, rperm, wperm)
    assert (await socket.hear())["op"] == ("update" if reads else "leave")
    phone = depot["stranger"]
    acl = (await depot["master"].find("Half", {"objectId": made}))[0]["ACL"]
    assert acl == {"*": {"read": True}} if reads else {"*": {"write": True}}
    assert bool(await phone.find("Half", {"objectId": made})) is reads
    status, _ = await phone.ask("PUT", f"/classes/Half/{made}", {"n": 2})
    assert (status == 200) is writes


async def test_no_hash_token_or_password_enters_the_change_table(depot: Depot) -> None:
    account: Object = {"username": "rotating", "password": "first-secret", "email": "rotating@example.com"}
    _, told = await depot["anonymous"].ask("POST", "/users", account)
    phone = Phone(depot.server, told["objectId"], {**depot["anonymous"].headers, "X-Parse-Session-Token": told["sessionToken"]})
    _, changed = await phone.ask("PUT", f"/users/{phone.user}", {"password": "second-secret"})
    images = " ".join(f"{row[0]} {row[1]}" for row in await sql(depot.server, "select before, after from careboard.change"))
    assert "rotating" in images
    for secret in ("first-secret", "second-secret", "$2b$", "$2a$", "sha256:", told["sessionToken"], changed["sessionToken"]):
        assert secret not in images
    log = depot.server.log.read_text(encoding="utf-8")
    for secret in ("first-secret", "second-secret", told["sessionToken"], depot.secret, "rotating@example.com"):
        assert secret not in log
