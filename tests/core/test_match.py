"""The matcher in memory: the rows of where_cases, what it refuses, and that it is total."""

import copy

import pytest

from app.core.match import compile_match
from app.core.query import InQuery, Node, Query, RelatedTo, Select, Text, parse_where
from app.core.wire import Json, Object, canonical
from app.errors import ErrorCode, ParseError
from tests.core.where_cases import CASES, THING, all_cases, owner


@pytest.mark.parametrize(("fields", "node", "expected"), all_cases(), ids=repr)
def test_matches_as_the_table_says(fields: Object, node: Node, expected: bool) -> None:
    image = {name: canonical(value) for name, value in fields.items()}
    before = copy.deepcopy(image)

    assert compile_match(THING, node)(image) is expected
    assert image == before


@pytest.mark.parametrize("junk", [None, True, 1, 1.5, "x", [], [[]], {}, {"__type": "Date"}, {"__type": []}, {"latitude": "x"}])
def test_never_raises_whatever_an_object_holds(junk: Json) -> None:
    names = ("text", "number", "flag", "date", "object", "array", "owner", "file", "place", "area", "createdAt", "ACL")
    image: Object = dict.fromkeys(names, junk)
    answers = {compile_match(THING, node)(image) for _, node, _ in all_cases()}
    assert answers == {True, False}


@pytest.mark.parametrize(
    "node",
    [
        RelatedTo("Owner", "a", "things"),
        InQuery(("owner",), Query("Owner")),
        Select(("text",), Query("Owner"), ("name",)),
        Text(("text",), "word"),
        parse_where(THING, {"friends": owner("a")}),
        parse_where(THING, {"$or": [{"number": 1}, {"owner": {"$inQuery": {"className": "Owner", "where": {}}}}]}),
    ],
    ids=repr,
)
def test_what_only_the_database_knows_is_refused_when_it_is_compiled(node: Node) -> None:
    with pytest.raises(ParseError, match="can't be followed live") as refusal:
        compile_match(THING, node)
    assert refusal.value.code == ErrorCode.INVALID_QUERY


def test_a_predicate_can_be_asked_again_and_again() -> None:
    matches = compile_match(THING, parse_where(THING, {"text": {"$regex": "a+b"}, "number": {"$gt": 1}}))
    assert [matches({"text": "xaab", "number": 2}) for _ in range(3)] == [True] * 3
    assert [matches({"text": "xaac", "number": 2}) for _ in range(3)] == [False] * 3


def test_every_operator_has_a_row_that_matches_and_one_that_does_not() -> None:
    compared = ("$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$exists", "$regex", "$and", "$nor")
    inside = ("$all", "$containedBy", "$nearSphere", "$within", "$geoWithin", "$geoIntersects")
    for operator in compared + inside:
        verdicts = {expected for _, where, expected in CASES if f"'{operator}'" in repr(where)}
        assert verdicts == {True, False}, operator
