"""The predicate index against asking every live query one by one."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import nodes as ast
from app.core.match import compile_match
from app.core.query import parse_where
from app.core.schema import Field, FieldType, class_schema
from app.core.wire import Json, Object, pointer
from app.errors import ErrorCode, ParseError
from app.live.filing import router as routing
from app.live.filing.access_path import BeginsWith, BothEqualTo, EqualTo, Scan, Within
from app.live.filing.router import CROWDED, MOST_SCANNED, Router
from app.live.membership import LiveQuery

TANK = class_schema(
    "Tank",
    {
        "site": Field(FieldType.POINTER, "Site"),
        "status": Field(FieldType.STRING),
        "psi": Field(FieldType.NUMBER),
        "active": Field(FieldType.BOOLEAN),
        "tags": Field(FieldType.ARRAY),
        "checkedAt": Field(FieldType.DATE),
        "meta": Field(FieldType.OBJECT),
        "place": Field(FieldType.GEO_POINT),
        "area": Field(FieldType.POLYGON),
    },
)


def date(day: int) -> Object:
    return {"__type": "Date", "iso": f"2026-11-{day:02}T10:00:00.000Z"}


JsonStrategy = st.SearchStrategy[Json]

ids: JsonStrategy = st.sampled_from(["t1", "t2", "t3"])
sites: JsonStrategy = st.sampled_from([pointer("Site", name) for name in ("a", "b", "c")])
words: JsonStrategy = st.sampled_from(["", "low", "lower", "full", "fuller", "empty"])
numbers: JsonStrategy = st.one_of(
    st.integers(-3, 12), st.sampled_from([0.5, 2.25, 7.75, -1e300, 1e300, 1e15, 2**60]), st.floats(-10, 10)
)
dates: JsonStrategy = st.integers(1, 28).map(date)
small: JsonStrategy = st.integers(0, 3)
flags: JsonStrategy = st.booleans()
plain: JsonStrategy = st.one_of(words, small, sites, flags)
tags: JsonStrategy = st.lists(plain, max_size=3)
lists: JsonStrategy = st.lists(small, max_size=2)
inner: JsonStrategy = st.one_of(words, small, flags, dates, lists)
points: JsonStrategy = st.builds(
    lambda x, y: {"__type": "GeoPoint", "longitude": x, "latitude": y},
    st.sampled_from([-180.0, -179.5, 0.0, 0.3, 179.5, 180.0]),
    st.sampled_from([-90.0, 0.0, 0.2, 89.9]),
)
rings: JsonStrategy = st.lists(
    st.tuples(st.sampled_from([-90.0, 0.0, 0.2, 89.9]), st.sampled_from([-180.0, 0.0, 0.3, 180.0])).map(list),
    min_size=3,
    max_size=4,
)
areas: JsonStrategy = rings.map(lambda ring: {"__type": "Polygon", "coordinates": ring})
metas: JsonStrategy = st.fixed_dictionaries({}, optional={"color": inner, "list": lists})

VALUES: dict[str, JsonStrategy] = {
    "objectId": ids,
    "site": sites,
    "status": words,
    "psi": numbers,
    "active": flags,
    "tags": plain,
    "checkedAt": dates,
    "createdAt": dates,
    "meta.color": inner,
    "meta.list.0": small,
}


@st.composite
def objects(draw: st.DrawFn) -> Object:
    made: Object = {
        "objectId": draw(ids),
        "createdAt": f"2026-11-{draw(st.integers(1, 28)):02}T10:00:00.000Z",
        "updatedAt": "2026-11-21T10:00:00.000Z",
    }
    optional = {name: VALUES[name] for name in ("site", "status", "psi", "active", "checkedAt")}
    optional |= {"tags": tags, "meta": metas, "place": points, "area": areas}
    for name, values in optional.items():
        if draw(st.booleans()):
            made[name] = draw(values)
    return made


@st.composite
def constraints(draw: st.DrawFn) -> Object:
    name = draw(st.sampled_from(sorted(VALUES)))
    value = draw(VALUES[name])
    kind = draw(
        st.sampled_from(["eq", "$ne", "$in", "$nin", "order", "between", "$exists", "null", "text", "$all", "near", "holds"])
    )
    match kind:
        case "eq":
            return {name: value}
        case "$ne":
            return {name: {kind: value}}
        case "$in" | "$nin":
            return {name: {kind: [value, draw(VALUES[name])]}}
        case "$exists":
            return {name: {kind: draw(st.booleans())}}
        case "null":
            return {name: None}
        case "text":
            pattern = draw(st.sampled_from(["^low", r"^\Qfull\E", "^fu", "er$", "^low$", "w|e"]))
            return {"status": {"$regex": pattern}}
        case "near":
            return {"place": {"$nearSphere": draw(points), "$maxDistance": draw(st.sampled_from([0.0, 0.01, 0.2, 2.0, 4.0]))}}
        case "holds":
            return {"area": {"$geoIntersects": {"$point": draw(points)}}}
        case "$all":
            return {"tags": {kind: draw(st.lists(VALUES["tags"], min_size=1, max_size=2))}}
    ordered = draw(st.sampled_from(["psi", "checkedAt", "createdAt", "meta.color"]))
    low, high = draw(VALUES[ordered]), draw(VALUES[ordered])
    if kind == "between":
        return {ordered: {"$gte": low, "$lt": high}}
    return {ordered: {draw(st.sampled_from(["$lt", "$lte", "$gt", "$gte"])): low}}


def combined(parts: st.SearchStrategy[Object]) -> st.SearchStrategy[Object]:
    several = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda nodes: {"$and": nodes}),
        several.map(lambda nodes: {"$or": nodes}),
        several.map(lambda nodes: {"$nor": nodes}),
    )


intervals: st.SearchStrategy[Object] = st.builds(
    lambda low, high: {"psi": {"$gte": low, "$lte": high}}, small, st.sampled_from([1, 1.5, 2, 2.2, 3])
)
overlapping = st.lists(intervals, min_size=2, max_size=4).map(lambda nodes: {"$or": nodes})
"""Alternatives that are filed in the same cells."""

wheres: st.SearchStrategy[Object] = st.one_of(st.builds(dict), overlapping, st.recursive(constraints(), combined, max_leaves=5))


def parsed(raw: Json) -> ast.Node | None:
    try:
        return parse_where(TANK, raw)
    except ParseError:
        return None  # a value that does not fit its field's type; parse tests say which


def one_by_one(nodes: Iterable[ast.Node], before: Object | None, after: Object | None) -> dict[str, tuple[bool, bool]]:
    matched = {}
    for node in nodes:
        matches = compile_match(TANK, node)
        was = before is not None and matches(before)
        now = after is not None and matches(after)
        if was or now:
            matched[ast.canonical_text(node)] = (was, now)
    return matched


def routed(router: Router, before: Object | None, after: Object | None) -> dict[str, tuple[bool, bool]]:
    found = router.match("Tank", before, after)
    assert len(found) == len({query.key for query, _, _ in found})
    return {query.key: (was, now) for query, was, now in found}


changes = st.tuples(st.none() | objects(), st.none() | objects()).filter(lambda change: change != (None, None))


@settings(max_examples=300, deadline=None)
@given(raws=st.lists(wheres, min_size=1, max_size=12), happened=st.lists(changes, min_size=1, max_size=6), data=st.data())
def test_the_index_finds_what_asking_one_by_one_finds(
    raws: list[Object], happened: list[tuple[Object | None, Object | None]], data: st.DataObject
) -> None:
    nodes = [node for node in map(parsed, raws) if node is not None]
    router = Router()
    crowded = data.draw(st.sampled_from([0, 1, CROWDED]))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(routing, "CROWDED", crowded)  # so that few are filed by two values, too
        queries = {query.key: (query, node) for node in nodes for query in [router.acquire(TANK, node)]}
    for before, after in happened:
        assert routed(router, before, after) == one_by_one(nodes, before, after)
    gone = data.draw(st.sets(st.sampled_from(sorted(queries)))) if queries else set()
    for key in gone:
        router.release(queries[key][0])
    left = [node for key, (_, node) in queries.items() if key not in gone]
    for before, after in happened:
        assert routed(router, before, after) == one_by_one(left, before, after)
    for key in queries.keys() - gone:
        router.release(queries[key][0])
    assert not router.listens_to("Tank")
    assert sum(router.counts().values()) == 0


@pytest.mark.parametrize(
    "where", [{"meta.color": {"$gte": 1}}, {"meta.color": {"$lte": 1}}, {"meta.color": {"$gte": 0, "$lte": 2}}]
)
@pytest.mark.parametrize("color", [True, [True]])
def test_a_number_that_becomes_true_is_told_from_it(where: Object, color: Json) -> None:
    number: Object = {"meta": {"color": [1] if isinstance(color, list) else 1}}
    truth: Object = {"meta": {"color": color}}
    node, router = parse_where(TANK, where), Router()
    router.acquire(TANK, node)
    for before, after in ((number, truth), (truth, number)):
        assert routed(router, before, after) == one_by_one([node], before, after)


def acquire(router: Router, raw: Json) -> LiveQuery:
    return router.acquire(TANK, parse_where(TANK, raw))


def test_the_same_question_is_one_live_query_however_it_is_written() -> None:
    router = Router()
    first = acquire(router, {"status": "low", "psi": {"$lt": 5}})
    assert acquire(router, {"$and": [{"psi": {"$lt": 5.0}}, {"status": "low"}]}) is first
    assert acquire(router, {"status": "low"}) is not first


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"status": "low", "objectId": "t1"}, EqualTo(("objectId",), ("t1",))),
        ({"psi": {"$lt": 5}, "site": pointer("Site", "a")}, EqualTo(("site",), ("a",))),
        ({"active": True, "psi": {"$gt": 1, "$lt": 5}}, Within(("psi",), 1, 5)),
        ({"active": True, "psi": {"$lt": 5}}, Within(("psi",), None, 5)),
        ({"active": True, "status": {"$regex": "^lo"}}, BeginsWith(("status",), "lo")),
        ({"status": {"$ne": "low"}}, Scan()),
        ({}, Scan()),
    ],
)
def test_a_live_query_is_filed_under_its_most_selective_predicate(raw: Object, path: object) -> None:
    assert acquire(Router(), raw).paths == [path]


def test_each_alternative_of_an_or_is_filed_for_itself() -> None:
    query = acquire(Router(), {"$or": [{"status": "low"}, {"psi": {"$lt": 5}}], "active": True})
    assert set(query.paths) == {EqualTo(("status",), ("low",)), Within(("psi",), None, 5)}


def test_of_two_equalities_the_one_asked_for_less_is_taken() -> None:
    router = Router()
    for number in range(5):
        acquire(router, {"status": "low", "psi": {"$lt": number}})
    query = acquire(router, {"status": "low", "site": pointer("Site", "a")})
    assert query.paths == [EqualTo(("site",), ("a",))]


def test_where_many_ask_for_the_same_value_the_next_are_filed_by_a_second_one_too() -> None:
    router = Router()
    queries = [acquire(router, {"status": "low", "active": True, "psi": {"$ne": number}}) for number in range(CROWDED + 1)]
    assert queries[0].paths == [EqualTo(("status",), ("low",))]
    assert queries[-1].paths == [BothEqualTo(("active",), ("status",), ((True, "low"),))]
    image: Object = {"objectId": "t", "status": "low", "active": True, "psi": -1}
    assert len(router.match("Tank", None, image)) == CROWDED + 1
    assert router.match("Tank", image, {**image, "active": False})
    for query in queries:
        router.release(query)
    assert not router.listens_to("Tank")


def test_queries_that_every_change_must_ask_are_limited() -> None:
    router = Router()
    for number in range(MOST_SCANNED):
        acquire(router, {"psi": {"$ne": number}})
    with pytest.raises(ParseError, match="without a selective condition") as refusal:
        acquire(router, {"psi": {"$ne": -1}})
    assert refusal.value.code == ErrorCode.EXCEEDED_QUOTA
    acquire(router, {"psi": 7})


def near(longitude: float, meters: float) -> Object:
    point: Object = {"__type": "GeoPoint", "longitude": longitude, "latitude": 0.2}
    return {"$nearSphere": point, "$maxDistanceInKilometers": meters / 1000}


ALIKE: list[list[Json]] = [
    [{"tags": {"$in": ["", "low"]}}, {"tags": {"$all": [""]}}, {"tags": {"$all": ["low"]}}],
    [{"psi": {"$gte": 1, "$lte": 2}}, {"psi": {"$gte": 1, "$lte": 2.2}}],
    [{"psi": {"$gte": 1, "$lte": 2}}, {"psi": {"$gte": 1}}, {"psi": {"$lte": 2}}],
    [{"status": {"$regex": "^lo"}}, {"status": {"$regex": "^low"}}, {"status": {"$regex": "^lo", "$options": "m"}}],
    [{"status": {"$regex": "^lo"}, "psi": {"$ne": 1}}, {"status": {"$regex": "^lo"}, "psi": {"$ne": 2}}],
    [{"place": near(0.3, 10)}, {"place": near(0.3, 11)}],
]


@pytest.mark.parametrize("alternatives", ALIKE, ids=str)
@pytest.mark.parametrize("others", [[], [{"psi": {"$gte": 1, "$lte": 2.1}}, {"status": {"$regex": "^lo"}}, {"tags": "low"}]])
def test_alternatives_that_are_filed_together_are_forgotten_together(alternatives: list[Json], others: list[Json]) -> None:
    router = Router()
    stay = [acquire(router, other) for other in others]
    router.release(acquire(router, {"$or": alternatives}))
    seen: Object = {"objectId": "t1", "psi": 1.5, "status": "low", "tags": ["low"]}
    assert routed(router, None, seen).keys() == {query.key for query in stay}
    for query in stay:
        router.release(query)
    assert not router.listens_to("Tank")


@pytest.mark.parametrize("alternatives", ALIKE, ids=str)
def test_alternatives_that_were_alone_under_their_key_are_forgotten_too(alternatives: list[Json]) -> None:
    """Somebody else asks for the same paths, for other values: their indexes stay."""
    router = Router()
    others: list[Object] = [
        {"psi": {"$gte": 90, "$lte": 91}},
        {"status": {"$regex": "^x"}},
        {"tags": "high"},
        {"place": near(90, 10)},
    ]
    stay = [acquire(router, other) for other in others]
    router.release(acquire(router, {"$or": alternatives}))
    assert not router.match("Tank", None, {"objectId": "t1", "psi": 1.5, "status": "low", "tags": ["low"]})
    for query in stay:
        router.release(query)
    assert not router.listens_to("Tank")


def test_what_is_asked_no_more_costs_no_change_anything() -> None:
    """Who asks for one path after the other and lets go leaves nothing that each change would have to look into."""
    router = Router()
    acquire(router, {"objectId": "t1"})
    kept = indexes_of(router)
    conditions: list[Json] = [1, {"$gt": 1}, {"$gte": 1, "$lte": 2}, {"$regex": "^low"}, near(0.3, 10)]
    conditions.append({"$geoIntersects": {"$point": {"__type": "GeoPoint", "longitude": 0, "latitude": 0}}})
    for number, condition in enumerate(conditions):
        router.release(acquire(router, {f"meta.x{number}": condition}))
    assert indexes_of(router) == kept


def indexes_of(router: Router) -> int:
    """How many indexes each change of a tank is looked up in."""
    held = vars(router._classes["Tank"])
    return sum(len(held[name]) for name in ("_equal", "_pairs", "_ranges", "_prefixes", "_areas", "_places"))


@pytest.mark.parametrize(
    "raw",
    [
        {"site": {"$inQuery": {"className": "Site", "where": {}}}},
        {"site": {"$notInQuery": {"className": "Site", "where": {}}}},
        {"status": {"$select": {"query": {"className": "Site", "where": {}}, "key": "name"}}},
        {"$relatedTo": {"object": pointer("Site", "a"), "key": "tanks"}},
        {"status": {"$text": {"$search": {"$term": "low"}}}},
    ],
)
def test_what_a_change_alone_cannot_decide_is_refused_with_the_reason(raw: Object) -> None:
    router = Router()
    with pytest.raises(ParseError) as refusal:
        acquire(router, raw)
    assert refusal.value.code == ErrorCode.INVALID_QUERY
    assert "live" in refusal.value.message
    assert not router.listens_to("Tank")
