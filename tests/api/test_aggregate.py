"""Aggregates over a running server: what a pipeline makes of a class, what is refused, and who may ask."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.core.wire import Json, Object, encode
from tests.conftest import RunningServer

SALES: list[Object] = [
    {"shop": "north", "price": 10, "pieces": 2, "tags": ["new", "red"], "place": {"city": "Oslo"}},
    {"shop": "north", "price": 20, "pieces": 1, "tags": ["red"], "place": {"city": "Rome"}},
    {"shop": "south", "price": 5, "pieces": 4, "tags": [], "place": {"city": "Rome"}},
    {"shop": "south", "price": 5, "day": {"__type": "Date", "iso": "2026-03-01T23:59:58.007Z"}},
    {"pieces": 9},
]

Ask = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http(running_server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    keys = {"X-Parse-Application-Id": "careboard", "X-Parse-Master-Key": running_server.master_key}
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", headers=keys, timeout=20) as client:
        (await client.delete("/purge/Sale")).raise_for_status()
        for sale in SALES:
            (await client.post("/classes/Sale", json=sale)).raise_for_status()
        yield client


@pytest.fixture(scope="module")
def ask(http: httpx.AsyncClient) -> Ask:
    async def asked(class_name: str = "Sale", **params: Json) -> Any:
        answer = await http.get(
            f"/aggregate/{class_name}", params={name: encode(value).decode() for name, value in params.items()}
        )
        told = answer.json()
        return told["results"] if answer.status_code == 200 else (told["code"], told["error"])

    return asked


async def test_a_group_gathers_what_its_documents_hold(ask: Ask) -> None:
    group: Object = {
        "_id": "$shop",
        "turnover": {"$sum": {"$multiply": ["$price", "$pieces"]}},
        "mean": {"$avg": "$price"},
        "least": {"$min": "$price"},
        "most": {"$max": "$price"},
        "number": {"$sum": 1},
        "different": {"$addToSet": "$price"},
    }
    none, north, south = await ask(pipeline=[{"$group": group}, {"$sort": {"_id": 1}}])
    assert north == {
        "objectId": "north",
        "turnover": 40,
        "mean": 15,
        "least": 10,
        "most": 20,
        "number": 2,
        "different": [10, 20],
    }
    assert (south["turnover"], south["mean"], south["different"]) == (20, 5, [5])
    assert none == {
        "objectId": None,
        "turnover": 0,
        "mean": None,
        "least": None,
        "most": None,
        "number": 1,
        "different": [],
    }


async def test_a_group_keeps_the_order_it_was_sorted_in(ask: Ask) -> None:
    group: Object = {
        "_id": None,
        "first": {"$first": "$price"},
        "last": {"$last": "$price"},
        "all": {"$push": "$price"},
    }
    pipeline: Json = [{"$match": {"price": {"$exists": True}}}, {"$sort": {"price": -1}}, {"$group": group}]
    assert await ask(pipeline=pipeline) == [{"objectId": None, "first": 20, "last": 5, "all": [20, 10, 5, 5]}]


async def test_a_match_before_a_group_is_a_where_and_one_behind_it_asks_the_groups(ask: Ask) -> None:
    pipeline: Json = [
        {"$match": {"price": {"$gte": 5}, "shop": {"$in": ["north", "south"]}}},
        {"$group": {"_id": "$shop", "sum": {"$sum": "$price"}}},
        {"$match": {"$or": [{"sum": {"$gt": 25}}, {"_id": "nowhere"}]}},
    ]
    assert await ask(pipeline=pipeline) == [{"objectId": "north", "sum": 30}]


async def test_a_group_by_parts_of_a_date_is_in_utc(ask: Ask) -> None:
    key: Object = {name: {f"${name}": "$day"} for name in ("year", "month", "dayOfMonth", "hour", "second", "millisecond")}
    pipeline: Json = [{"$match": {"day": {"$exists": True}}}, {"$group": {"_id": key}}]
    assert await ask(pipeline=pipeline) == [
        {"objectId": {"year": 2026, "month": 3, "dayOfMonth": 1, "hour": 23, "second": 58, "millisecond": 7}}
    ]


async def test_a_projection_keeps_makes_and_leaves_out(ask: Ask) -> None:
    kept = await ask(pipeline=[{"$sort": {"price": -1}}, {"$limit": 1}, {"$project": {"shop": 1, "_id": 0}}])
    assert kept == [{"shop": "north"}]
    made: Object = {
        "_id": 0,
        "cost": {"$subtract": ["$price", 1]},
        "half": {"$divide": ["$price", 2]},
        "nothing": {"$divide": ["$price", 0]},
        "name": {"$concat": [{"$toUpper": "$shop"}, "!"]},
        "city": "$place.city",
        "size": {"$cond": [{"$gt": ["$price", 15]}, "big", "small"]},
        "tagged": {"$size": "$tags"},
    }
    told = await ask(pipeline=[{"$match": {"price": 20}}, {"$project": made}])
    assert told == [{"cost": 19, "half": 10, "name": "NORTH!", "city": "Rome", "size": "big", "tagged": 1}]
    (without,) = await ask(pipeline=[{"$match": {"price": 20}}, {"$project": {"tags": 0, "place": 0}}])
    assert without.keys() == {"objectId", "createdAt", "updatedAt", "shop", "price", "pieces"}


async def test_unwinding_counting_and_cutting(ask: Ask) -> None:
    assert await ask(pipeline=[{"$unwind": "$tags"}, {"$sortByCount": "$tags"}]) == [
        {"objectId": "red", "count": 2},
        {"objectId": "new", "count": 1},
    ]
    kept: Object = {"path": "$tags", "preserveNullAndEmptyArrays": True}
    assert await ask(pipeline=[{"$unwind": kept}, {"$count": "all"}]) == [{"all": 6}]
    assert len(await ask(pipeline=[{"$skip": 2}, {"$limit": 2}])) == 2
    assert len(await ask(pipeline=[{"$sample": {"size": 3}}])) == 3


async def test_stages_may_come_as_one_object_in_its_order(ask: Ask) -> None:
    told = await ask(**{"$match": {"shop": "north"}, "$sort": {"price": 1}, "$project": {"price": 1, "_id": 0}})
    assert told == [{"price": 10}, {"price": 20}]


async def test_distinct_tells_each_value_once(ask: Ask) -> None:
    assert await ask(distinct="price") == [5, 10, 20]
    assert await ask(distinct="tags") == ["new", "red"]
    assert await ask(distinct="place.city", where={"price": {"$lt": 15}}) == ["Oslo", "Rome"]
    assert await ask(distinct="nowhere") == []


async def test_a_class_that_is_not_there_has_nothing(ask: Ask) -> None:
    assert await ask("Nothing", pipeline=[{"$group": {"_id": None, "n": {"$sum": 1}}}]) == []
    assert await ask("Nothing", distinct="name") == []


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        ([{"$lookup": {"from": "Shop"}}], "There is no $lookup here but"),
        ([{"group": {}}], "Invalid aggregate stage 'group'."),
        ([{"$group": {}}], "Missing key _id"),
        ([{"$group": {"objectId": "$shop"}}], "Cannot use 'objectId'"),
        ([{"$group": {"_id": None, "x": {"$sum": {"$function": 1}}}}], "$function is no expression here"),
        ([{"$group": {"_id": None, "x": {"$stdDev": 1}}}], "$stdDev is no accumulator here"),
        ([{"$limit": 1, "$skip": 1}], "only have one key"),
        ([{"$limit": -1}], "$limit takes a whole number"),
        ([{"$sort": {"price": "up"}}], "$sort takes 1 or -1"),
        ([{"$project": {"price": 1, "shop": 0}}], "either keeps fields or leaves some out"),
        ([{"$project": {'a" from x': 1}}], "Invalid field name"),
        ([{"$skip": 0}, {"$match": {"place": {"$nearSphere": {"__type": "GeoPoint", "latitude": 1, "longitude": 1}}}}], "first"),
        ([{"$skip": 0}] * 51, "at most 50 stages"),
        ("$skip", "at most 50 stages"),
    ],
)
async def test_what_is_no_pipeline_is_refused_with_the_reason(ask: Ask, pipeline: Json, words: str) -> None:
    code, told = await ask(pipeline=pipeline)
    assert code == 102
    assert words in told


async def test_many_stages_that_build_on_each_other_are_reckoned_each_once(ask: Ask) -> None:
    more: Json = {"$addFields": {"price": {"$add": ["$price", 1]}, "shop": {"$concat": ["$shop", "!"]}}}
    found = await ask(pipeline=[{"$match": {"shop": "north", "price": 10}}, *[more] * 20, *[{"$unwind": "$tags"}] * 20])
    assert [(each["price"], each["shop"], each["tags"]) for each in found] == [
        (30, "north" + "!" * 20, tag) for tag in ("new", "red")
    ]


async def test_expressions_within_each_other_have_a_limit(ask: Ask) -> None:
    deep: Json = "$price"
    for _ in range(30):
        deep = {"$abs": deep}
    code, told = await ask(pipeline=[{"$project": {"x": deep}}])
    assert code == 102
    assert "within each other" in told


async def test_no_secret_of_an_account_is_in_a_document(http: httpx.AsyncClient, ask: Ask) -> None:
    made = await http.post("/users", json={"username": "counted", "password": "a long one"})
    (account,) = await ask("_User", pipeline=[{"$match": {"objectId": made.json()["objectId"]}}])
    assert account["username"] == "counted"
    assert not [name for name in account if name.startswith("_") or name in ("password", "authData", "sessionToken")]
    assert await ask("_User", distinct="_hashed_password") == []
    hidden: Json = [
        {"$project": {"stolen": "$_hashed_password", "token": "$password"}},
        {"$match": {"stolen": {"$exists": True}}},
    ]
    assert await ask("_User", pipeline=hidden) == []


async def test_only_the_master_key_may_aggregate_or_purge(running_server: RunningServer, http: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", timeout=20) as anybody:
        anybody.headers["X-Parse-Application-Id"] = "careboard"
        for method, path in (("GET", "/aggregate/Sale"), ("DELETE", "/purge/Sale")):
            answer = await anybody.request(method, path, params={"distinct": '"price"'} if method == "GET" else {})
            assert (answer.status_code, answer.json()) == (403, {"error": "unauthorized: master key is required"})
    assert len((await http.get("/classes/Sale")).json()["results"]) == len(SALES)


async def test_a_purge_empties_a_class_and_keeps_it(http: httpx.AsyncClient) -> None:
    await http.post("/classes/Heap", json={"n": 1})
    assert (await http.delete("/purge/Heap")).json() == {}
    assert (await http.get("/classes/Heap")).json() == {"results": []}
    assert (await http.get("/schemas/Heap")).status_code == 200
    assert (await http.delete("/purge/NeverHeard")).json() == {}
