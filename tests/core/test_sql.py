"""The SQL compiler: the text and arguments it gives, that indexes serve them, and that nothing of a client becomes SQL."""

import re

import pytest

from app.core.columns import column_type, quote, to_column
from app.core.query import (
    Allowed,
    And,
    Compare,
    Everything,
    Node,
    Nor,
    Nothing,
    Or,
    Query,
    RelatedTo,
    Text,
    parse_query,
    parse_where,
)
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.sql import Compiler
from app.core.wire import Json, date_from_wire
from app.errors import ErrorCode, ParseError
from tests.core.where_cases import NOON, THING, all_cases, date, owner, place

OWNER = class_schema(
    "Owner", {"name": Field(FieldType.STRING), "age": Field(FieldType.NUMBER), "things": Field(FieldType.RELATION, "Thing")}
)


def registry(name: str) -> ClassSchema:
    if name not in ("Thing", "Owner"):
        raise ParseError(ErrorCode.INVALID_CLASS_NAME, name)
    return THING if name == "Thing" else OWNER


def compiled(node: Node, schema: ClassSchema = THING) -> tuple[str, list[object]]:
    arguments: list[object] = []
    return Compiler(registry).compile_where(node, schema, "t0", arguments), arguments


INSIDE = """("t0"."object" #> '{"a","0"}')"""


@pytest.mark.parametrize(
    ("where", "text", "arguments"),
    [
        ({"text": "a"}, '"t0"."text" = $1::text', ["a"]),
        ({"number": 1}, '"t0"."number" = $1::float8', [1.0]),
        ({"text": {"$lt": "a"}}, '"t0"."text" collate "C" < $1::text', ["a"]),
        ({"text": {"$in": ["a", "b"]}}, '"t0"."text" = any($1::text[])', [["a", "b"]]),
        ({"objectId": "x"}, '"t0"."objectId" = $1::text', ["x"]),
        ({"owner": owner("a")}, '"t0"."owner" = $1::text', ["a"]),
        ({"date": {"$gte": date(NOON)}}, '"t0"."date" >= $1::timestamptz', [date_from_wire(date(NOON))]),
        ({"array": "a"}, '"t0"."array" @> $1::jsonb', ['["a"]']),
        ({"text": None}, '("t0"."text" is null)', []),
        ({"text": {"$regex": "^\\Q5%\\E"}}, '"t0"."text" like $1::text', ["5\\%%"]),
        ({"object.a.0": 1}, f"({INSIDE} = $1::jsonb or {INSIDE} @> $2::jsonb)", ["1", "[1]"]),
    ],
    ids=repr,
)  # fmt: skip
def test_compiles_to_what_an_index_serves(where: Json, text: str, arguments: list[object]) -> None:
    assert compiled(parse_where(THING, where)) == (text, arguments)


def test_compiles_access_to_an_array_overlap() -> None:
    text, arguments = compiled(Allowed(("*", "role:x"), "write"))
    assert text == '("t0"."_wperm" is null or "t0"."_wperm" && $1::text[])'
    assert arguments == [["*", "role:x"]]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Everything(), "true"),
        (Nothing(), "false"),
        (And(()), "true"),
        (Or(()), "false"),
        (Nor(()), "(false is not true)"),
        (Compare(("nowhere",), "eq", 1), "false"),
        (Compare(("text",), "eq", 1), "false"),
        (RelatedTo("Owner", "o1", "nothing"), "false"),
        (RelatedTo("Missing", "o1", "things"), "false"),
    ],
    ids=repr,
)
def test_what_cannot_match_is_decided_without_the_table(node: Node, text: str) -> None:
    assert compiled(node) == (text, [])


def test_arguments_are_appended_to_those_that_are_there() -> None:
    arguments: list[object] = ["before"]
    assert Compiler(registry).compile_where(Compare(("text",), "eq", "a"), THING, "t1", arguments) == '"t1"."text" = $2::text'
    assert arguments == ["before", "a"]


EVIL = 'x\'); drop table "Thing"; --'


@pytest.mark.parametrize(
    "where",
    [
        {"text": EVIL},
        {"text": {"$regex": EVIL.replace(")", "")}},
        {"text": {"$regex": f"^\\Q{EVIL}\\E"}},
        {"text": {"$text": {"$search": {"$term": EVIL}}}},
        {"array": {"$all": [EVIL, {"k": EVIL}, owner(EVIL)]}},
        {"object": {"k": EVIL}},
        {"object.k": {"$gt": EVIL}},
        {"owner": {"$inQuery": {"className": "Owner", "where": {"name": EVIL}}}},
        {"$relatedTo": {"object": owner(EVIL), "key": "things"}},
        {"owner": owner(EVIL, EVIL)},
    ],
    ids=repr,
)
def test_no_text_of_a_client_becomes_sql(where: Json) -> None:
    text, _ = compiled(parse_where(THING, where))
    assert "drop" not in text


@pytest.mark.parametrize("path", [("object", "a'b"), ("object", 'a"b'), ("object", "a}b"), ("object", "")])
def test_a_path_that_no_parser_made_is_refused(path: tuple[str, ...]) -> None:
    with pytest.raises(ParseError, match="Invalid key name"):
        compiled(Compare(path, "eq", 1))


@pytest.mark.parametrize("name", ["a b", 'a"b', "a-b", "", "1a", "a.b", "a\n"])
def test_quote_refuses_what_is_no_name(name: str) -> None:
    with pytest.raises(ParseError, match="Invalid name"):
        quote(name)
    assert quote("_Join:users:_Role") == '"_Join:users:_Role"'


def test_an_unknown_language_is_refused_before_it_becomes_sql() -> None:
    with pytest.raises(ParseError, match="unknown language"):
        compiled(Text(("text",), "x", "eng'lish"))


def test_every_place_of_an_argument_is_named_and_typed() -> None:
    for _, node, _ in all_cases():
        text, arguments = compiled(node)
        places = {int(number) for number in re.findall(r"\$(\d+)::", text)}
        assert places == set(range(1, len(arguments) + 1)), text


def test_sub_queries_carry_their_cut() -> None:
    where: Json = {"owner": {"$inQuery": {"className": "Owner", "where": {"age": {"$gt": 3}}, "order": "-name", "limit": 2}}}
    text, arguments = compiled(parse_where(THING, where))
    inner = 'select "t0s"."objectId" from "Owner" "t0s" where "t0s"."age" > $1::float8'
    order = 'order by "t0s"."name" collate "C" desc, "t0s"."objectId" collate "C" limit $2::int8 offset $3::int8'
    assert text == f'"t0"."owner" in ({inner} {order})'
    assert arguments == [3.0, 2, 0]


@pytest.mark.parametrize(
    "where",
    [
        {"owner": {"$inQuery": {"className": "Missing", "where": {}}}},
        {"owner": {"$inQuery": {"className": "Thing", "where": {}}}},
        {"text": {"$select": {"query": {"className": "Missing"}, "key": "name"}}},
        {"text": {"$select": {"query": {"className": "Owner"}, "key": "nowhere"}}},
    ],
)
def test_a_sub_query_of_a_missing_class_or_field_finds_nothing(where: Json) -> None:
    assert compiled(parse_where(THING, where)) == ("false", [])


def test_values_of_a_sub_query_are_typed_by_its_own_class() -> None:
    where: Json = {"owner": {"$inQuery": {"className": "Owner", "where": {"createdAt": {"$gte": NOON}}}}}
    _, arguments = compiled(parse_where(THING, where))
    assert arguments == [date_from_wire(date(NOON))]


def test_select_refuses_to_compare_what_has_no_common_form() -> None:
    where: Json = {"place": {"$select": {"query": {"className": "Owner"}, "key": "name"}}}
    with pytest.raises(ParseError, match=r"\$select can't compare place"):
        compiled(parse_where(THING, where))


@pytest.mark.parametrize(
    ("params", "order"),
    [
        ({}, ""),
        ({"order": "number"}, 'order by "t0"."number", "t0"."objectId" collate "C"'),
        ({"order": "-text,createdAt"}, 'order by "t0"."text" collate "C" desc, "t0"."createdAt", "t0"."objectId" collate "C"'),
        ({"order": "nowhere,array,place"}, ""),
        ({"order": "$score"}, ""),
    ],
)
def test_orders_by_what_has_an_order_and_settles_ties(params: dict[str, Json], order: str) -> None:
    query = parse_query("Thing", THING, params)
    assert Compiler(registry).compile_order(query, THING, "t0", []) == order


def test_near_sorts_by_distance_unless_an_order_is_asked_for() -> None:
    near: dict[str, Json] = {"where": {"place": {"$nearSphere": place(1, 2)}}}
    arguments: list[object] = []
    assert "sin" in Compiler(registry).compile_order(parse_query("Thing", THING, near), THING, "t0", arguments)
    assert arguments == [2.0, 1.0]
    ordered = parse_query("Thing", THING, {**near, "order": "text"})
    assert "sin" not in Compiler(registry).compile_order(ordered, THING, "t0", [])


def test_score_sorts_by_rank() -> None:
    where: Json = {"text": {"$text": {"$search": {"$term": "x"}}}}
    query = parse_query("Thing", THING, {"where": where, "order": "$score"})
    assert 'ts_rank(to_tsvector(\'english\', "t0"."text")' in Compiler(registry).compile_order(query, THING, "t0", [])


def test_columns_are_laid_out_as_parse_server_lays_them_out() -> None:
    types = {kind: column_type(Field(kind)) for kind in FieldType}
    assert types == {
        "String": "text", "Number": "double precision", "Boolean": "boolean", "Date": "timestamptz", "Object": "jsonb",
        "Array": "jsonb", "Pointer": "text", "Relation": None, "File": "text", "Bytes": "jsonb", "GeoPoint": "point",
        "Polygon": "polygon", "ACL": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "column"),
    [
        (FieldType.STRING, "a", "a"),
        (FieldType.NUMBER, 1, 1.0),
        (FieldType.BOOLEAN, False, False),
        (FieldType.DATE, date(NOON), date_from_wire(date(NOON))),
        (FieldType.POINTER, owner("a"), "a"),
        (FieldType.FILE, {"__type": "File", "name": "a.txt"}, "a.txt"),
        (FieldType.GEO_POINT, place(1, 2), (2.0, 1.0)),
        (FieldType.POLYGON, {"__type": "Polygon", "coordinates": [[0, 1], [2, 3], [4, 5]]}, [(1.0, 0.0), (3.0, 2.0), (5.0, 4.0)]),
        (FieldType.ARRAY, [1, "a"], '[1,"a"]'),
        (FieldType.OBJECT, {"a": None}, '{"a":null}'),
        (FieldType.STRING, None, None),
    ],
)
def test_values_become_arguments_of_their_columns(kind: FieldType, value: Json, column: object) -> None:
    assert to_column(Field(kind), value) == column


def test_an_empty_query_has_no_order() -> None:
    assert Compiler(registry).compile_order(Query("Thing"), THING, "t0", []) == ""
