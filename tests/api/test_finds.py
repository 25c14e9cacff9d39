"""Finds as SDKs and their users send them: parameters, keys under includes, the other side of sub-queries."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.core.wire import Json, Object, encode, pointer
from tests.conftest import RunningServer

Find = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http(running_server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    keys = {"X-Parse-Application-Id": "careboard", "X-Parse-Master-Key": running_server.master_key}
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", headers=keys, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def find(http: httpx.AsyncClient) -> Find:
    async def found(class_name: str, **params: Json) -> Any:
        sent = {name: value if isinstance(value, str) else encode(value).decode() for name, value in params.items()}
        return (await http.get(f"/classes/{class_name}", params=sent)).json()

    return found


@pytest.fixture(scope="module")
def make(http: httpx.AsyncClient) -> Callable[[str, Object], Awaitable[Object]]:
    async def made(class_name: str, body: Object) -> Object:
        answer = await http.post(f"/classes/{class_name}", json=body)
        assert answer.status_code == 201, answer.text
        return pointer(class_name, answer.json()["objectId"])

    return made


Make = Callable[[str, Object], Awaitable[Object]]


async def test_names_may_be_sent_one_by_one(http: httpx.AsyncClient, make: Make) -> None:
    await make("Box", {"a": 1, "b": 2, "c": 3})
    (box,) = (await http.get("/classes/Box?keys=a&keys=b")).json()["results"]
    assert box.keys() - {"objectId", "createdAt", "updatedAt"} == {"a", "b"}
    (box,) = (await http.get("/classes/Box?excludeKeys=a&excludeKeys=b")).json()["results"]
    assert box.keys() - {"objectId", "createdAt", "updatedAt"} == {"c"}
    (box,) = (await http.get("/classes/Box?order=-a&order=b&limit=1")).json()["results"]
    refused = await http.get("/classes/Box?limit=1&limit=2")
    assert (refused.status_code, refused.json()["code"]) == (400, 102)


async def test_whoever_includes_everything_is_shown_it_beside_the_keys(make: Make, find: Find) -> None:
    inner = await make("Inner", {"name": "in", "more": 1})
    other = await make("Inner", {"name": "out"})
    await make("Outer", {"text": "hello", "first": inner, "second": other, "list": [inner], "number": 1})
    (shown,) = (await find("Outer", includeAll="true", keys="text,first.name"))["results"]
    assert "number" not in shown
    assert shown["text"] == "hello"
    assert shown["first"]["name"] == "in"
    assert "more" not in shown["first"]
    assert shown["second"]["name"] == "out"
    assert shown["list"][0]["more"] == 1


async def test_a_find_for_another_class_says_for_which(make: Make, find: Find, http: httpx.AsyncClient) -> None:
    wheel = await make("Wheel", {"place": "left"})
    car = await make("Car", {"wheels": {"__op": "AddRelation", "objects": [wheel]}})
    asked: Object = {"$relatedTo": {"object": car, "key": "wheels"}}
    told = await find("Car", where=asked, redirectClassNameForKey="wheels")
    assert (told["className"], [(each["place"], each["className"]) for each in told["results"]]) == ("Wheel", [("left", "Wheel")])
    asked = {"$relatedTo": {"object": car, "key": "doors"}}
    told = await find("Car", where=asked, redirectClassNameForKey="doors")
    assert told == {"results": [], "className": "Car"}, "a relation that nothing was ever put into"
    await make("Car", {"colour": "red"})
    assert (await find("Car", redirectClassNameForKey="colour"))["code"] == 102


async def test_a_key_of_a_subquery_may_be_the_id_of_a_pointer(make: Make, find: Find) -> None:
    one, two = await make("Team", {"name": "one"}), await make("Team", {"name": "two"})
    await make("Post", {"kind": "x", "of": one})
    await make("Post", {"kind": "y", "of": two})
    await make("Post", {"kind": "x"})
    asked: Object = {"query": {"className": "Post", "where": {"kind": "x"}}, "key": "of.objectId"}
    assert [team["name"] for team in (await find("Team", where={"objectId": {"$select": asked}}))["results"]] == ["one"]
    assert [team["name"] for team in (await find("Team", where={"objectId": {"$dontSelect": asked}}))["results"]] == ["two"]


async def test_a_key_of_a_subquery_that_is_an_array_gives_each_of_its_values(make: Make, find: Find) -> None:
    ana, bob = await make("Writer", {"name": "ana"}), await make("Writer", {"name": "bob"})
    await make("Circle", {"members": [ana, None], "words": ["a", "b"]})
    await make("Circle", {"words": None})
    await make("Letter", {"by": ana, "word": "b", "any": ["b", "z"]})
    await make("Letter", {"by": bob, "word": "c", "any": ["z", None]})
    await make("Letter", {"word": "d"})
    members: Object = {"query": {"className": "Circle", "where": {}}, "key": "members"}
    words: Object = {"query": {"className": "Circle", "where": {}}, "key": "words"}

    async def words_of(where: Object) -> list[str]:
        return sorted(letter["word"] for letter in (await find("Letter", where=where))["results"])

    assert await words_of({"by": {"$select": members}}) == ["b"]
    assert await words_of({"by": {"$dontSelect": members}}) == ["c", "d"]
    assert await words_of({"word": {"$select": words}}) == ["b"]
    assert await words_of({"any": {"$select": words}}) == ["b"]


async def test_permissions_take_a_find_by_id_for_a_get_and_a_bare_count_for_a_count(
    make: Make, http: httpx.AsyncClient, running_server: RunningServer
) -> None:
    """As Parse does: an SDK's `get` and `count` are finds."""
    note = await make("Slip", {"text": "x"})
    await make("Slip", {"text": "y"})

    async def told(open_to_all: str, **params: Json) -> Any:
        rules: Object = {"classLevelPermissions": {open_to_all: {"*": True}}}
        assert (await http.put("/schemas/Slip", json=rules)).status_code == 200
        sent = {name: encode(value).decode() for name, value in params.items()}
        async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", timeout=20) as anybody:
            answer = await anybody.get("/classes/Slip", params=sent, headers={"X-Parse-Application-Id": "careboard"})
        return answer.json()

    by_id: Object = {"objectId": note["objectId"]}
    assert [slip["text"] for slip in (await told("get", where=by_id, limit=1))["results"]] == ["x"]
    assert (await told("find", where=by_id))["code"] == 119
    assert (await told("get", where={"text": "x"}))["code"] == 119
    assert (await told("get", where={**by_id, "text": "x"}))["code"] == 119
    assert (await told("get", where={"objectId": {"$in": [note["objectId"]]}}))["code"] == 119
    assert (await told("count", count=1, limit=0)) == {"results": [], "count": 2}
    assert (await told("count", count=1))["code"] == 119
    assert (await told("find", count=1, limit=0))["code"] == 119
    assert len((await told("find"))["results"]) == 2


async def test_a_field_that_decides_what_is_shown_decides_although_it_is_left_out(
    make: Make, http: httpx.AsyncClient, running_server: RunningServer
) -> None:
    ana = (await http.post("/users", json={"username": "ana the owner", "password": "a long one"})).json()
    await make("Diary", {"owner": pointer("_User", ana["objectId"]), "secret": "hush", "open": "hello"})
    rules: Object = {"find": {"*": True}, "protectedFields": {"*": ["secret"], "userField:owner": []}}
    assert (await http.put("/schemas/Diary", json={"classLevelPermissions": rules})).status_code == 200
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", timeout=20) as phone:
        keys = {"X-Parse-Application-Id": "careboard"}
        mine = {**keys, "X-Parse-Session-Token": ana["sessionToken"]}
        (seen,) = (await phone.get("/classes/Diary", params={"excludeKeys": "owner"}, headers=mine)).json()["results"]
        assert (seen.get("secret"), seen.get("open"), "owner" in seen) == ("hush", "hello", False)
        (seen,) = (await phone.get("/classes/Diary", params={"excludeKeys": "owner"}, headers=keys)).json()["results"]
        assert (seen.get("secret"), seen.get("open"), "owner" in seen) == (None, "hello", False)


async def test_explain_tells_the_plan_to_the_master_key_only(
    make: Make, find: Find, http: httpx.AsyncClient, running_server: RunningServer
) -> None:
    await make("Slow", {"n": 1})
    (told,) = (await find("Slow", where={"n": 1}, explain=True))["results"]
    assert "Slow" in encode(told["QUERY PLAN"][0]["Plan"]).decode()
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", timeout=20) as anybody:
        refused = await anybody.get("/classes/Slow", params={"explain": "true"}, headers={"X-Parse-Application-Id": "careboard"})
    assert (refused.status_code, refused.json()["code"]) == (400, 102)


async def test_a_subquery_may_name_its_class_by_the_relation_that_leads_there(make: Make, find: Find) -> None:
    """As SDKs do that ask a relation of an object which they have not fetched."""
    fast, slow = await make("Engine", {"speed": 9, "maker": "Ada"}), await make("Engine", {"speed": 1, "maker": "Bob"})
    fleet = await make("Fleet", {"engines": {"__op": "AddRelation", "objects": [fast, slow]}})
    await make("Boat", {"engine": fast, "owner": "Ada"})
    await make("Boat", {"engine": slow, "owner": "Cyd"})
    related: Object = {"$relatedTo": {"object": fleet, "key": "engines"}, "speed": {"$gt": 5}}
    inner: Object = {"className": "Fleet", "redirectClassNameForKey": "engines", "where": related}

    async def owners(where: Object) -> list[str]:
        return [boat["owner"] for boat in (await find("Boat", where=where))["results"]]

    assert await owners({"engine": {"$inQuery": inner}}) == ["Ada"]
    assert await owners({"$or": [{"engine": {"$notInQuery": inner}}]}) == ["Cyd"]
    assert await owners({"owner": {"$select": {"query": inner, "key": "maker"}}}) == ["Ada"]
    assert await owners({"owner": {"$dontSelect": {"query": inner, "key": "maker"}}}) == ["Cyd"]
