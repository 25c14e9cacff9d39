"""Every type written and read, and every operator of a where input: GraphQL finds exactly what REST finds."""

import json
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api.graphql.asker import Asker, master
from tests.conftest import PATIENCE, RunningServer

CLASS = """
mutation {
  createClass(input: { name: "Everything", schemaFields: {
    addStrings: [{ name: "text" }], addNumbers: [{ name: "number" }], addBooleans: [{ name: "flag" }],
    addArrays: [{ name: "list" }, { name: "friends" }], addObjects: [{ name: "about" }], addDates: [{ name: "day" }],
    addGeoPoint: { name: "place" }, addPolygons: [{ name: "area" }], addBytes: [{ name: "raw" }],
    addPointers: [{ name: "other", targetClassName: "Everything" }, { name: "stray", targetClassName: "Nowhere" }],
    addRelations: [{ name: "others", targetClassName: "Everything" }]
  } }) { class { name } }
}
"""
CREATE = """
mutation ($fields: CreateEverythingFieldsInput) {
  createEverything(input: { fields: $fields }) { everything { id objectId } }
}
"""
FIND = "query ($where: EverythingWhereInput) { everythings(where: $where, order: text_ASC) { edges { node { objectId } } } }"

FIRST = {
    "text": "alpha",
    "number": 1.5,
    "flag": True,
    "list": [1, "two", {"three": 3}],
    "about": {"color": "red", "size": {"width": 2}},
    "day": "2026-11-21T10:00:00.000Z",
    "place": {"latitude": 45.5, "longitude": -122.6},
    "area": [{"latitude": 0, "longitude": 0}, {"latitude": 0, "longitude": 2}, {"latitude": 2, "longitude": 2}],
    "raw": "aGVsbG8=",
}


@pytest.fixture(scope="module")
def key(running_server: RunningServer) -> Asker:
    return master(running_server)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def made(key: Asker) -> dict[str, dict[str, str]]:
    """Four objects: one of everything, two that point at it, one with nothing."""
    await key.ask(CLASS)

    async def make(**fields: Any) -> dict[str, str]:
        told: dict[str, str] = (await key.ask(CREATE, {"fields": fields}))["createEverything"]["everything"]
        return told

    alpha = await make(**FIRST)
    element = {"__type": "Pointer", "className": "Everything", "objectId": alpha["objectId"]}
    beta = await make(text="beta", number=7, flag=False, other={"link": alpha["id"]}, others={"add": [alpha["objectId"]]})
    gamma = await make(text="gamma", list=["two"], friends=[element, 5], other={"createAndLink": {"text": "delta"}})
    return {"alpha": alpha, "beta": beta, "gamma": gamma}


async def test_every_type_comes_back_as_it_went(key: Asker, made: dict[str, dict[str, str]]) -> None:
    query = """
query ($id: ID!) { everything(id: $id) {
  text number flag about day raw
  list { ... on Element { value } }
  place { latitude longitude } area { latitude longitude }
  other { id } stray friends { __typename } ACL { public { read write } users { userId } roles { roleName } }
} }
"""
    shown = (await key.ask(query, {"id": made["alpha"]["id"]}))["everything"]
    assert {name: shown[name] for name in ("text", "number", "flag", "about", "day", "place", "raw")} == {
        name: FIRST[name] for name in ("text", "number", "flag", "about", "day", "place", "raw")
    }
    assert shown["list"] == [{"value": 1}, {"value": "two"}, {"value": {"three": 3}}]
    assert shown["area"][:3] == FIRST["area"]
    assert (shown["other"], shown["stray"], shown["friends"]) == (None, None, None)
    assert shown["ACL"] == {"public": {"read": True, "write": True}, "users": None, "roles": None}


async def test_objects_in_arrays_are_shown_by_their_class(key: Asker, made: dict[str, dict[str, str]]) -> None:
    query = (
        "query ($id: ID!) { everything(id: $id) { friends { __typename ...on Everything { text } ...on Element { value } } } }"
    )
    shown = (await key.ask(query, {"id": made["gamma"]["id"]}))["everything"]["friends"]
    assert shown == [{"__typename": "Everything", "text": "alpha"}, {"__typename": "Element", "value": 5}]


async def test_null_takes_any_field_away(key: Asker, made: dict[str, dict[str, str]]) -> None:
    told = await key.ask(CREATE, {"fields": FIRST})
    update = """
mutation ($id: ID!, $fields: UpdateEverythingFieldsInput) {
  updateEverything(input: { id: $id, fields: $fields }) { everything { %s place { latitude } area { latitude } } }
}
"""
    names = ("text", "number", "flag", "about", "day", "raw")
    everything = told["createEverything"]["everything"]
    shown = await key.ask(update % " ".join(names), {"id": everything["id"], "fields": dict.fromkeys([*FIRST], None)})
    assert set(shown["updateEverything"]["everything"].values()) == {None}
    await key.ask("mutation ($id: ID!) { deleteEverything(input: { id: $id }) { clientMutationId } }", {"id": everything["id"]})


async def test_an_acl_is_written_as_it_is_read(key: Asker, made: dict[str, dict[str, str]]) -> None:
    rights = {"read": True, "write": False}
    acl = {"public": rights, "users": [{"userId": "abcdefghij", **rights}], "roles": [{"roleName": "nurse", **rights}]}
    told = await key.ask(CREATE, {"fields": {"text": "zeta", "ACL": acl}})
    shown_acl = "public { read write } users { userId read } roles { roleName read write }"
    query = f"query ($id: ID!) {{ everything(id: $id) {{ ACL {{ {shown_acl} }} }} }}"
    shown = (await key.ask(query, {"id": told["createEverything"]["everything"]["id"]}))["everything"]["ACL"]
    assert shown["public"] == rights
    assert shown["roles"] == [{"roleName": "nurse", **rights}]
    assert shown["users"][0]["read"] is True


WHERES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"text": {"equalTo": "alpha"}}, {"text": "alpha"}),
    ({"text": {"notEqualTo": "alpha"}}, {"text": {"$ne": "alpha"}}),
    ({"text": {"lessThan": "beta"}}, {"text": {"$lt": "beta"}}),
    ({"text": {"greaterThanOrEqualTo": "beta", "lessThanOrEqualTo": "delta"}}, {"text": {"$gte": "beta", "$lte": "delta"}}),
    ({"text": {"in": ["alpha", "beta"]}}, {"text": {"$in": ["alpha", "beta"]}}),
    ({"text": {"notIn": ["alpha"]}}, {"text": {"$nin": ["alpha"]}}),
    ({"text": {"matchesRegex": "^AL", "options": "i"}}, {"text": {"$regex": "^AL", "$options": "i"}}),
    ({"text": {"text": {"search": {"term": "gamma"}}}}, {"text": {"$text": {"$search": {"$term": "gamma"}}}}),
    ({"number": {"exists": True}}, {"number": {"$exists": True}}),
    ({"number": {"greaterThan": 1.5}}, {"number": {"$gt": 1.5}}),
    ({"flag": {"equalTo": False}}, {"flag": False}),
    ({"list": {"equalTo": "two"}}, {"list": "two"}),
    ({"list": {"contains": ["two", 1]}}, {"list": {"$all": ["two", 1]}}),
    ({"list": {"containedBy": ["two"]}}, {"list": {"$containedBy": ["two"]}}),
    ({"about": {"equalTo": {"key": "color", "value": "red"}}}, {"about.color": "red"}),
    ({"about": {"greaterThan": {"key": "size.width", "value": 1}}}, {"about.size.width": {"$gt": 1}}),
    ({"day": {"greaterThan": "2026-11-21T09:00:00Z"}}, {"day": {"$gt": {"__type": "Date", "iso": "2026-11-21T09:00:00.000Z"}}}),
    ({"raw": {"equalTo": "aGVsbG8="}}, {"raw": {"__type": "Bytes", "base64": "aGVsbG8="}}),
    (
        {"place": {"nearSphere": {"latitude": 45, "longitude": -122}, "maxDistanceInKilometers": 100}},
        {"place": {"$nearSphere": {"__type": "GeoPoint", "latitude": 45, "longitude": -122}, "$maxDistanceInKilometers": 100}},
    ),
    (
        {"place": {"within": {"box": {"bottomLeft": {"latitude": 45, "longitude": -123},
                                      "upperRight": {"latitude": 46, "longitude": -122}}}}},
        {"place": {"$within": {"$box": [{"__type": "GeoPoint", "latitude": 45, "longitude": -123},
                                        {"__type": "GeoPoint", "latitude": 46, "longitude": -122}]}}},
    ),
    (
        {"place": {"geoWithin": {"centerSphere": {"center": {"latitude": 45, "longitude": -122}, "distance": 0.1}}}},
        {"place": {"$geoWithin": {"$centerSphere": [{"__type": "GeoPoint", "latitude": 45, "longitude": -122}, 0.1]}}},
    ),
    (
        {"area": {"geoIntersects": {"point": {"latitude": 0.5, "longitude": 1.5}}}},
        {"area": {"$geoIntersects": {"$point": {"__type": "GeoPoint", "latitude": 0.5, "longitude": 1.5}}}},
    ),
    (
        {"other": {"have": {"text": {"equalTo": "alpha"}}}},
        {"other": {"$inQuery": {"className": "Everything", "where": {"text": "alpha"}}}},
    ),
    (
        {"other": {"haveNot": {"text": {"equalTo": "alpha"}}}},
        {"other": {"$notInQuery": {"className": "Everything", "where": {"text": "alpha"}}}},
    ),
    ({"other": {"exists": False}}, {"other": {"$exists": False}}),
    (
        {"others": {"have": {"number": {"lessThan": 2}}}},
        {"others": {"$inQuery": {"className": "Everything", "where": {"number": {"$lt": 2}}}}},
    ),
    (
        {"others": {"exists": True}},
        {"others": {"$inQuery": {"className": "Everything", "where": {"objectId": {"$exists": True}}}}},
    ),
    (
        {"text": {"inQueryKey": {"query": {"className": "Everything", "where": {"number": {"greaterThan": 5}}}, "key": "text"}}},
        {"text": {"$select": {"query": {"className": "Everything", "where": {"number": {"$gt": 5}}}, "key": "text"}}},
    ),
    (
        {"OR": [{"text": {"equalTo": "alpha"}}, {"AND": [{"text": {"equalTo": "beta"}}, {"flag": {"equalTo": False}}]}]},
        {"$or": [{"text": "alpha"}, {"$and": [{"text": "beta"}, {"flag": False}]}]},
    ),
    (
        {"NOR": [{"text": {"equalTo": "alpha"}}], "text": {"exists": True}},
        {"$nor": [{"text": "alpha"}], "text": {"$exists": True}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "same"), WHERES, ids=[json.dumps(asked)[:60] for asked, _ in WHERES])
async def test_a_where_finds_what_rest_finds(
    key: Asker, made: dict[str, dict[str, str]], asked: dict[str, Any], same: dict[str, Any]
) -> None:
    told = await key.ask(FIND, {"where": asked})
    async with httpx.AsyncClient(base_url=key.server.url, headers=key.headers, timeout=PATIENCE) as client:
        answer = await client.get("/parse/classes/Everything", params={"where": json.dumps(same), "order": "text", "limit": 1000})
    wanted = {each["objectId"] for each in answer.json()["results"]}
    assert {edge["node"]["objectId"] for edge in told["everythings"]["edges"]} == wanted
    assert wanted, "the condition finds nothing, so it says nothing"


async def test_ids_are_asked_for_globally_or_locally(key: Asker, made: dict[str, dict[str, str]]) -> None:
    alpha = made["alpha"]
    for where in (
        {"id": {"equalTo": alpha["id"]}},
        {"id": {"in": [alpha["objectId"]]}},
        {"objectId": {"equalTo": alpha["objectId"]}},
    ):
        told = await key.ask(FIND, {"where": where})
        assert [edge["node"]["objectId"] for edge in told["everythings"]["edges"]] == [alpha["objectId"]]


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ("first: 2", ["alpha", "beta"]),
        ("skip: 1, first: 2", ["beta", "delta"]),
        ("last: 1", ["gamma"]),
        ("first: 3, last: 1", ["delta"]),
        ('before: "YXJyYXljb25uZWN0aW9uOjI="', ["alpha", "beta"]),
        ('after: "YXJyYXljb25uZWN0aW9uOjA=", first: 1', ["beta"]),
        ("first: 0", []),
    ],
)
async def test_pages_are_cut_as_relay_says(key: Asker, made: dict[str, dict[str, str]], arguments: str, texts: list[str]) -> None:
    where = 'where: { text: { in: ["alpha", "beta", "delta", "gamma"] } }, order: text_ASC'
    told = await key.ask(f"{{ everythings({where}, {arguments}) {{ count edges {{ node {{ text }} }} }} }}")
    assert [edge["node"]["text"] for edge in told["everythings"]["edges"]] == texts
    assert told["everythings"]["count"] == 4
