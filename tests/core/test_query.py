"""The parser of queries: every shape the SDKs send, and every refusal with its code and words."""

import json

import pytest

from app.core.query import (
    All,
    AllStartWith,
    And,
    Compare,
    Everything,
    In,
    InQuery,
    Near,
    Node,
    Nothing,
    Or,
    Query,
    Regex,
    RelatedTo,
    Select,
    Text,
    WithinPolygon,
    WithinSphere,
    both,
    canonical_text,
    field_names,
    freeze,
    parse_query,
    parse_where,
    query_text,
    questions,
    thaw,
)
from app.core.schema import SYSTEM_CLASSES
from app.core.wire import Json, canonical
from app.errors import ErrorCode, ParseError
from tests.core.where_cases import NOON, THING, date, owner, place

INVALID_QUERY, INVALID_JSON, INVALID_KEY = ErrorCode.INVALID_QUERY, ErrorCode.INVALID_JSON, ErrorCode.INVALID_KEY_NAME


@pytest.mark.parametrize(
    ("where", "node"),
    [
        ({}, Everything()),
        (None, Everything()),
        ({"a": 1}, Compare(("a",), "eq", 1)),
        ({"a": 1.0}, Compare(("a",), "eq", 1)),
        ({"a.b.0": None}, Compare(("a", "b", "0"), "eq", None)),
        ({"a": {"$gt": 1, "$lt": 2}}, And((Compare(("a",), "gt", 1), Compare(("a",), "lt", 2)))),
        ({"a": {"$nin": [1, None]}}, In(("a",), (1, None), negated=True)),
        ({"a": {"$regex": "^\\Qx\\E", "$options": "mi"}}, Regex(("a",), "^\\Qx\\E", "im")),
        ({"a": {"$all": ["x", 1]}}, All(("a",), ("x", 1))),
        ({"a": {"$all": [{"$regex": "^\\Qx\\E"}]}}, AllStartWith(("a",), ("x",))),
        ({"a": {"$nearSphere": place(1, 2)}}, Near(("a",), 2.0, 1.0)),
        ({"a": {"$nearSphere": place(1, 2), "$maxDistanceInKilometers": 6371}}, Near(("a",), 2.0, 1.0, 1.0)),
        ({"a": {"$geoWithin": {"$centerSphere": [[2, 1], 0.5]}}}, WithinSphere(("a",), 2.0, 1.0, 0.5)),
        ({"a": {"$geoWithin": {"$centerSphere": [place(1, 2), 0.5]}}}, WithinSphere(("a",), 2.0, 1.0, 0.5)),
        (
            {"a": {"$geoWithin": {"$polygon": [place(0, 1), [2, 3], place(4, 5)]}}},
            WithinPolygon(("a",), ((1.0, 0.0), (2.0, 3.0), (5.0, 4.0))),
        ),
        ({"a": {"$text": {"$search": {"$term": "x", "$language": "german"}}}}, Text(("a",), "x", "german")),
        ({"$relatedTo": {"object": owner("o1"), "key": "things"}}, RelatedTo("Owner", "o1", "things")),
        ({"$relatedTo": {"object": {"__type": "Pointer", "className": "Owner"}, "key": "things"}}, Nothing()),
        (
            {"a": {"$inQuery": {"className": "Owner", "where": {"b": 1}}}},
            InQuery(("a",), Query("Owner", Compare(("b",), "eq", 1), limit=None)),
        ),
        (
            {"a": {"$notInQuery": {"className": "Owner", "where": {}, "limit": 5, "order": "-b", "skip": 1}}},
            InQuery(("a",), Query("Owner", order=((("b",), True),), limit=5, skip=1), negated=True),
        ),
        (
            {"a": {"$dontSelect": {"query": {"className": "Owner"}, "key": "b.c"}}},
            Select(("a",), Query("Owner", limit=None), ("b", "c"), negated=True),
        ),
        ({"$or": [{"a": 1}, {"b": 2}]}, Or((Compare(("a",), "eq", 1), Compare(("b",), "eq", 2)))),
        ({"$and": [{"a": 1}, {"$and": [{"b": 2}]}]}, And((Compare(("a",), "eq", 1), Compare(("b",), "eq", 2)))),
    ],
    ids=repr,
)
def test_parses_what_the_sdks_send(where: Json, node: Node) -> None:
    assert parse_where(None, where) == node


def nested(depth: int) -> Json:
    where: Json = {"a": 1}
    for _ in range(depth):
        where = {"$or": [where]}
    return where


@pytest.mark.parametrize(
    ("where", "code", "words"),
    [
        ({"a": {"$foo": 1}}, INVALID_QUERY, "bad constraint: $foo"),
        ({"a": {"$not": {"$gt": 1}}}, INVALID_QUERY, "bad constraint: $not"),
        ({"a": {"$gt": {"$relativeTime": "1 day ago"}}}, INVALID_QUERY, "bad constraint: $relativeTime"),
        ({"$foo": 1}, INVALID_KEY, "Invalid key name: $foo"),
        ({"_rperm": {"$in": ["*"]}}, INVALID_KEY, "Invalid key name: _rperm"),
        ({"_wperm": None}, INVALID_KEY, "Invalid key name: _wperm"),
        ({"a-b": 1}, INVALID_KEY, "Invalid key name: a-b"),
        ({'a"b': 1}, INVALID_KEY, 'Invalid key name: a"b'),
        ({"a..b": 1}, INVALID_KEY, "Invalid key name: a..b"),
        ({"a\n": 1}, INVALID_KEY, "Invalid key name: a"),
        ({"ACL": {"$exists": True}}, INVALID_QUERY, "Cannot query on ACL."),
        ({"$or": {"a": 1}}, INVALID_QUERY, "Bad $or format - use an array value."),
        ({"$nor": []}, INVALID_QUERY, "Bad $nor format - use an array of at least 1 value."),
        ({"$and": [1]}, INVALID_JSON, "where must be an object of constraints."),
        ([], INVALID_JSON, "where must be an object of constraints."),
        ({"a": {"$in": 1}}, INVALID_JSON, "bad $in value"),
        ({"a": {"$nin": {"x": 1}}}, INVALID_JSON, "bad $nin value"),
        ({"a": {"$all": 1}}, INVALID_JSON, "bad $all value"),
        ({"a": {"$all": ["x", {"$regex": "^\\Qx\\E"}]}}, INVALID_JSON, "All $all values must be of regex type or none."),
        ({"a": {"$all": [{"$regex": "x.*"}]}}, INVALID_JSON, "All $all regex values must be starts-with patterns"),
        ({"a": {"$containedBy": 1}}, INVALID_JSON, "bad $containedBy: should be an array"),
        ({"a": {"$exists": "yes"}}, INVALID_JSON, "bad $exists value"),
        ({"a": {"$regex": 1}}, INVALID_QUERY, "$regex value must be a string"),
        ({"a": {"$regex": "x", "$options": 1}}, INVALID_QUERY, "$options value must be a string"),
        ({"a": {"$regex": "x", "$options": "g"}}, INVALID_QUERY, "Bad $options value for query: g"),
        ({"a": {"$options": "i"}}, INVALID_QUERY, "$options only goes with $regex."),
        ({"a": {"$maxDistance": 1}}, INVALID_QUERY, "$maxDistance only goes with $nearSphere."),
        ({"a": {"$nearSphere": [1, 2]}}, INVALID_JSON, "bad $nearSphere value"),
        ({"a": {"$nearSphere": place(1, 2), "$maxDistance": -1}}, INVALID_JSON, "bad $maxDistance value"),
        ({"a": {"$nearSphere": place(91, 2)}}, ErrorCode.INCORRECT_TYPE, "GeoPoint latitude out of bounds"),
        (
            {"a": {"$nearSphere": place(1, 2), "$maxDistance": 1, "$maxDistanceInMiles": 1}},
            INVALID_QUERY,
            "Give one of $maxDistance, $maxDistanceInMiles",
        ),
        ({"a": {"$within": {"$box": [place(1, 2)]}}}, INVALID_JSON, "bad $within value"),
        ({"a": {"$geoWithin": {"$polygon": [[0, 0], [1, 1]]}}}, INVALID_JSON, "should contain at least 3 GeoPoints"),
        ({"a": {"$geoWithin": {"$centerSphere": [[0, 0], "1"]}}}, INVALID_JSON, "$centerSphere"),
        ({"a": {"$geoWithin": {"$circle": 1}}}, INVALID_JSON, "either $polygon or $centerSphere"),
        ({"a": {"$geoIntersects": {"$point": [1, 2]}}}, INVALID_JSON, "$point should be GeoPoint"),
        ({"a": {"$text": {"$search": "x"}}}, INVALID_JSON, "bad $text: $search, should be object"),
        ({"a": {"$text": {"$search": {"$term": ""}}}}, INVALID_JSON, "bad $text: $term, should be string"),
        ({"a": {"$text": {"$search": {"$term": "x", "$language": "x'y"}}}}, INVALID_JSON, "bad $text: $language"),
        ({"a": {"$text": {"$search": {"$term": "x", "$caseSensitive": True}}}}, INVALID_JSON, "$caseSensitive not supported"),
        ({"a": {"$inQuery": {"className": "Owner"}}}, INVALID_QUERY, "improper usage of $inQuery"),
        ({"a": {"$notInQuery": {"where": {}}}}, INVALID_QUERY, "improper usage of $notInQuery"),
        ({"a": {"$inQuery": {"className": "Owner", "where": {}, "x": 1}}}, INVALID_QUERY, "Invalid parameter for query: x"),
        ({"a": {"$select": {"query": {"className": "Owner"}}}}, INVALID_QUERY, "improper usage of $select"),
        ({"a": {"$dontSelect": {"query": {}, "key": "b"}}}, INVALID_QUERY, "improper usage of $dontSelect"),
        ({"$relatedTo": {"object": "o1", "key": "things"}}, INVALID_QUERY, "improper usage of $relatedTo"),
        (
            {"owner": {"$inQuery": {"className": "Fleet", "redirectClassNameForKey": "engines", "where": {}}}},
            INVALID_QUERY,
            "redirectClassNameForKey can't be followed inside $inQuery here",
        ),
        ({"a": "\0"}, INVALID_JSON, "U+0000"),
        ({"a": {"__type": "Nonsense"}}, ErrorCode.INCORRECT_TYPE, "This is not a valid Nonsense"),
        (nested(17), INVALID_QUERY, "Query condition nesting depth exceeds maximum allowed depth of 16"),
        ({"$or": [{"a": 1}] * 1000}, INVALID_QUERY, "Query has more than 1000 constraints"),
        ({"a": {"$nearSphere": place(1, 2), "$maxDistance": 10**4000}}, INVALID_JSON, "bad $maxDistance value"),
        ({"a": {"$geoWithin": {"$centerSphere": [place(1, 2), 10**400]}}}, INVALID_JSON, "bad $centerSphere value"),
        ({"a": {"$in": [1] * 50_001}}, INVALID_QUERY, "Query lists more than 50000 values"),
        ({"$or": [{"a": {"$nin": [1] * 30_000}}, {"b": {"$containedBy": [1] * 30_000}}]}, INVALID_QUERY, "more than 50000"),
    ],
    ids=lambda value: repr(value)[:100],
)
def test_refuses_what_it_does_not_know(where: Json, code: ErrorCode, words: str) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_where(None, where)
    assert refusal.value.code == code
    assert words in refusal.value.message


def test_depth_and_budget_reach_into_sub_queries() -> None:
    with pytest.raises(ParseError, match="nesting depth"):
        parse_where(None, {"a": {"$inQuery": {"className": "Owner", "where": nested(16)}}})
    assert parse_where(None, nested(16)) == parse_where(None, nested(16))


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"owner.name": "x"}, "Cannot query owner.name: owner is a Pointer<Owner>; ask with $inQuery."),
        ({"place.latitude": 1}, "Cannot query place.latitude: place is a GeoPoint"),
        ({"friends": {"$exists": True}}, "it is a Relation<Owner>"),
        ({"friends": {"$all": [owner("a")]}}, "it is a Relation<Owner>"),
    ],
)
def test_refuses_what_the_type_of_a_field_cannot_answer(where: Json, words: str) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_where(THING, where)
    assert refusal.value.code == INVALID_QUERY
    assert words in refusal.value.message


@pytest.mark.parametrize("where", [{"password": "x"}, {"authData.x.id": "1"}, {"$nor": [{"password": {"$exists": True}}]}])
def test_secrets_cannot_be_asked_about(where: Json) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_where(SYSTEM_CLASSES["_User"], where)
    assert refusal.value.code == ErrorCode.OPERATION_FORBIDDEN


def test_values_take_the_type_of_their_field() -> None:
    assert parse_where(THING, {"date": {"$gt": "2026-11-21T13:00:00+01:00"}}) == parse_where(THING, {"date": {"$gt": date(NOON)}})
    assert parse_where(THING, {"owner": "a"}) == parse_where(THING, {"owner": owner("a")})
    assert parse_where(THING, {"text": NOON}) == Compare(("text",), "eq", NOON)


@pytest.mark.parametrize("value", [None, True, 1.5, "x", [1, ["a", {"b": None}]], {"b": {"a": []}}, owner("a"), date(NOON)])
def test_thaw_gives_back_what_was_frozen(value: Json) -> None:
    assert thaw(freeze(value)) == value
    assert hash(freeze(value)) == hash(freeze(canonical(value)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1.0}),
        ({"$or": [{"a": 1}, {"b": 2}]}, {"$or": [{"b": 2}, {"a": 1}, {"b": 2}]}),
        ({"a": {"$in": [1, "x", None]}}, {"a": {"$in": ["x", None, 1, 1.0]}}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
        ({"a": {"$inQuery": {"className": "O", "where": {"b": 1, "c": 2}}}},) * 2,
        ({"a": {"$regex": "x", "$options": "mi"}}, {"a": {"$options": "im", "$regex": "x"}}),
    ],
)
def test_the_same_question_has_one_canonical_text(left: Json, right: Json) -> None:
    assert canonical_text(parse_where(None, left)) == canonical_text(parse_where(None, right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 0}, {"a": False}),
        ({"a": 1}, {"a": "1"}),
        ({"a": {"$in": [1]}}, {"a": {"$nin": [1]}}),
        ({"a.b": 1}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"$or": [{"a": 1}]}, {"$nor": [{"a": 1}]}),
        ({"a": {"$nearSphere": place(1, 2)}}, {"a": {"$nearSphere": place(2, 1)}}),
        ({"a": {"$inQuery": {"className": "O", "where": {}}}}, {"a": {"$inQuery": {"className": "O", "where": {}, "limit": 1}}}),
    ],
)
def test_different_questions_have_different_canonical_texts(left: Json, right: Json) -> None:
    assert canonical_text(parse_where(None, left)) != canonical_text(parse_where(None, right))


def test_both_drops_everything_and_keeps_nothing() -> None:
    leaf = Compare(("a",), "eq", 1)
    assert both(Everything(), leaf) == leaf
    assert both(leaf, Nothing()) == Nothing()
    assert both() == Everything()


def test_questions_name_every_field_that_chooses_objects() -> None:
    where: Json = {
        "a.b": 1,
        "$or": [{"c": {"$inQuery": {"className": "O", "where": {"d": 1}, "order": "e", "limit": 1}}}],
        "f": {"$select": {"query": {"className": "P", "where": {"g": 1}}, "key": "h.i"}},
        "$relatedTo": {"object": owner("o1"), "key": "things"},
    }
    query = parse_query("C", None, {"where": where, "order": "-z"})
    assert field_names(query.where) == {"a", "c", "f"}
    asked = [("C", {"a", "c", "f", "z"}), ("O", {"d", "e"}), ("P", {"g"}), ("P", {"h"}), ("Owner", {"things"})]
    told = sorted((name, sorted(fields)) for name, fields in questions(query))
    assert told == sorted((name, sorted(fields)) for name, fields in asked)


def test_parameters_come_as_json_or_as_the_texts_of_a_url() -> None:
    as_json: dict[str, Json] = {
        "where": {"a": 1},
        "limit": 5,
        "skip": 2,
        "count": 1,
        "order": "-createdAt, b.c",
        "keys": "a,b.c",
        "include": ["x.y"],
    }
    as_text: dict[str, Json] = {
        "where": '{"a":1}',
        "limit": "5",
        "skip": "2",
        "count": "1",
        "order": "-createdAt,b.c",
        "keys": "a,b.c",
    }
    query = parse_query("C", None, as_json)
    assert query == parse_query("C", None, {**as_text, "keys": "a,b.c", "include": "x.y"})
    assert query.order == ((("createdAt",), True), (("b", "c"), False))
    assert set(query.keys or ()) == {"a", "b.c", "objectId", "createdAt", "updatedAt", "ACL"}
    assert query.include == (("b",), ("x",), ("x", "y"))
    assert (query.limit, query.skip, query.with_count) == (5, 2, True)


def test_without_parameters_a_query_asks_for_the_first_hundred() -> None:
    assert parse_query("C", None, {}) == Query("C", limit=100)
    assert parse_query("C", None, {"limit": "0"}).limit == 0
    assert parse_query("C", None, {"include": "*"}).include_all
    assert parse_query("C", None, {"excludeKeys": "a,objectId", "hint": "x"}).exclude_keys == {"a"}


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"foo": 1}, INVALID_QUERY, "Invalid parameter for query: foo"),
        ({"explain": True}, INVALID_QUERY, "Invalid parameter for query: explain"),
        ({"limit": -1}, INVALID_QUERY, "limit must be a whole number from 0 on."),
        ({"limit": "many"}, INVALID_QUERY, "limit must be a whole number"),
        ({"skip": 1.5}, INVALID_QUERY, "skip must be a whole number"),
        ({"limit": 2**63}, INVALID_QUERY, "limit must be a whole number"),
        ({"count": "maybe"}, INVALID_QUERY, "count must be true or false."),
        ({"order": "a b"}, INVALID_KEY, "Invalid field name: a b."),
        ({"order": "_rperm"}, INVALID_KEY, "Invalid field name: _rperm."),
        ({"order": 1}, INVALID_QUERY, "order must be names separated by commas."),
        ({"keys": [1]}, INVALID_QUERY, "keys must be names separated by commas."),
        ({"include": "a-b"}, INVALID_KEY, "Invalid key name: a-b"),
        ({"where": "{"}, INVALID_JSON, "Invalid JSON"),
        ({"redirectClassNameForKey": 1}, INVALID_QUERY, "redirectClassNameForKey must name a pointer or relation of C."),
    ],
    ids=repr,
)
def test_refuses_parameters_that_are_none(params: dict[str, Json], code: ErrorCode, words: str) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_query("C", None, params)
    assert refusal.value.code == code
    assert words in refusal.value.message


def test_a_redirected_query_asks_the_class_its_key_leads_to() -> None:
    query = parse_query("Thing", THING, {"redirectClassNameForKey": "friends", "where": {"name": "x"}})
    assert query == Query("Owner", Compare(("name",), "eq", "x"))
    assert parse_query("Thing", THING, {"redirectClassNameForKey": "never"}) == Query("Thing"), "a relation never put into"
    with pytest.raises(ParseError, match="must name a pointer or relation of Thing"):
        parse_query("Thing", THING, {"redirectClassNameForKey": "text"})


def test_nobody_sorts_by_a_secret() -> None:
    with pytest.raises(ParseError, match="Cannot sort by authData"):
        parse_query("_User", SYSTEM_CLASSES["_User"], {"order": "authData.x"})


def test_a_query_text_tells_cuts_apart_and_ignores_what_is_shown() -> None:
    first = parse_query("C", None, {"where": json.dumps({"a": 1}), "order": "a", "limit": 5})
    shown = parse_query("C", None, {"where": {"a": 1}, "order": "a", "limit": 5, "keys": "b"})
    longer = parse_query("C", None, {"where": {"a": 1}, "order": "a", "limit": 6})
    assert query_text(first) == query_text(shown) != query_text(longer)
