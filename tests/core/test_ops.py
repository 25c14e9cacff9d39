"""Save bodies: what every operation does, on create and on update, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ops import UNSET, Applied, RelationChange, Unset, apply_ops
from app.core.schema import Field, FieldType, class_schema
from app.core.wire import Json, Object, encode, pointer
from app.errors import ErrorCode, ParseError

TANK = class_schema(
    "Tank",
    {
        "name": Field(FieldType.STRING),
        "psi": Field(FieldType.NUMBER),
        "at": Field(FieldType.DATE),
        "tags": Field(FieldType.ARRAY),
        "notes": Field(FieldType.OBJECT),
        "driver": Field(FieldType.POINTER, "_User"),
        "visits": Field(FieldType.RELATION, "Visit"),
    },
)
STORED: Object = {
    "objectId": "t1",
    "createdAt": "2026-11-21T10:00:00.000Z",
    "updatedAt": "2026-11-21T10:00:00.000Z",
    "name": "north",
    "psi": 2000,
    "tags": ["a", 1, {"x": 1}],
    "notes": {"colour": "red", "deep": {"kept": 1, "n": 5}, "rows": [{"done": False}, 2]},
    "driver": pointer("_User", "u1"),
    "ACL": {"*": {"read": True}},
}
DELETE: Json = {"__op": "Delete"}


def visit(*ids: str) -> list[Json]:
    return [pointer("Visit", object_id) for object_id in ids]


def created(body: Object) -> Applied:
    return apply_ops(TANK, None, body)


def updated(body: Object) -> Applied:
    return apply_ops(TANK, STORED, body)


CHANGES: list[tuple[Object, dict[str, Json | Unset]]] = [
    ({}, {}),
    ({"name": "south"}, {"name": "south"}),
    ({"name": "north"}, {}),
    ({"psi": 2000.0}, {}),
    ({"name": None}, {"name": UNSET}),
    ({"name": DELETE}, {"name": UNSET}),
    ({"at": DELETE, "at2": None}, {}),
    ({"new": 1.0}, {"new": 1}),
    (
        {"at": {"__type": "Date", "iso": "2026-11-21T11:00:00+01:00"}},
        {"at": {"__type": "Date", "iso": "2026-11-21T10:00:00.000Z"}},
    ),
    ({"psi": {"__op": "Increment", "amount": -0.5}}, {"psi": 1999.5}),
    ({"psi": {"__op": "Increment", "amount": 0}}, {}),
    ({"count": {"__op": "Increment", "amount": 2}}, {"count": 2}),
    ({"tags": {"__op": "Add", "objects": ["a", 2]}}, {"tags": ["a", 1, {"x": 1}, "a", 2]}),
    ({"tags": {"__op": "AddUnique", "objects": [{"x": 1}, True, "b", "b"]}}, {"tags": ["a", 1, {"x": 1}, True, "b"]}),
    ({"tags": {"__op": "AddUnique", "objects": ["a", 1]}}, {}),
    ({"tags": {"__op": "Remove", "objects": [1, {"x": 1}, "zz"]}}, {"tags": ["a"]}),
    ({"more": {"__op": "Add", "objects": [1]}}, {"more": [1]}),
    ({"more": {"__op": "Remove", "objects": [1]}}, {"more": []}),
    ({"psi": {"__op": "SetOnInsert", "amount": 5}}, {}),
    ({"fresh": {"__op": "SetOnInsert", "amount": 5}}, {}),
    ({"visits": None}, {}),
    ({"visits": {"__type": "Relation", "className": "Visit"}}, {}),
    ({"other": {"__type": "Relation", "className": "Visit"}}, {}),
    ({"objectId": "t1", "createdAt": None, "updatedAt": {"__type": "Date", "iso": "2020-01-01T00:00:00Z"}}, {}),
    ({"ACL": None}, {}),
    ({"ACL": {"*": {"read": True, "write": False}}}, {}),
    ({"ACL": {}}, {"ACL": {}}),
    ({"ACL": DELETE}, {"ACL": {}}),
    ({"ACL": {"role:a.b": {"write": True}}}, {"ACL": {"role:a.b": {"write": True}}}),
]


@pytest.mark.parametrize(("body", "values"), CHANGES)
def test_an_update_yields_the_columns_that_change(body: Object, values: dict[str, Json | Unset]) -> None:
    applied = updated(body)
    assert applied.values == values
    kept = {name: value for name, value in STORED.items() if name not in values}
    assert applied.object == kept | {name: value for name, value in values.items() if value is not UNSET}
    assert applied.relations == ()


NOTES: list[tuple[Object, Json]] = [
    ({"notes.colour": "blue"}, {"colour": "blue", "deep": {"kept": 1, "n": 5}, "rows": [{"done": False}, 2]}),
    ({"notes.colour": DELETE}, {"deep": {"kept": 1, "n": 5}, "rows": [{"done": False}, 2]}),
    ({"notes.colour": None}, {"colour": None, "deep": {"kept": 1, "n": 5}, "rows": [{"done": False}, 2]}),
    ({"notes.deep.m": 1}, {"colour": "red", "deep": {"kept": 1, "n": 5, "m": 1}, "rows": [{"done": False}, 2]}),
    (
        {"notes.deep.n": {"__op": "Increment", "amount": 2}},
        {"colour": "red", "deep": {"kept": 1, "n": 7}, "rows": [{"done": False}, 2]},
    ),
    ({"notes.rows.0.done": True}, {"colour": "red", "deep": {"kept": 1, "n": 5}, "rows": [{"done": True}, 2]}),
    ({"notes.rows.2": 3}, {"colour": "red", "deep": {"kept": 1, "n": 5}, "rows": [{"done": False}, 2, 3]}),
    ({"notes.rows.0": DELETE}, {"colour": "red", "deep": {"kept": 1, "n": 5}, "rows": [None, 2]}),
    (
        {"notes.rows": {"__op": "Add", "objects": [3]}},
        {"colour": "red", "deep": {"kept": 1, "n": 5}, "rows": [{"done": False}, 2, 3]},
    ),
    ({"notes.a.b": 1, "notes": {"x": 1}}, {"x": 1, "a": {"b": 1}}),
    ({"notes.a": 1, "notes": DELETE}, {"a": 1}),
]


@pytest.mark.parametrize(("body", "notes"), NOTES)
def test_a_dotted_key_changes_only_what_it_names(body: Object, notes: Json) -> None:
    assert updated(body).values == {"notes": notes}


def test_a_dotted_key_makes_what_it_needs_and_deletes_nothing_from_nothing() -> None:
    assert created({"notes.a.b": 1, "notes.a.c": 2}).object == {"notes": {"a": {"b": 1, "c": 2}}}
    assert created({"notes.a": DELETE}).object == {}
    assert updated({"notes.nope": DELETE, "notes.no.pe": DELETE, "tags.3": DELETE}).values == {}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "x", "psi": None, "at": DELETE}, {"name": "x"}),
        ({"psi": {"__op": "Increment", "amount": 3}}, {"psi": 3}),
        ({"tags": {"__op": "AddUnique", "objects": [1, 1]}}, {"tags": [1]}),
        ({"tags": {"__op": "Remove", "objects": [1]}}, {"tags": []}),
        ({"psi": {"__op": "SetOnInsert", "amount": 5}}, {"psi": 5}),
        ({"ACL": {"u1": {"read": True}}}, {"ACL": {"u1": {"read": True}}}),
        ({"ACL": DELETE}, {"ACL": {}}),
        ({"objectId": "mine"}, {}),
    ],
)
def test_a_create_starts_from_nothing(body: Object, expected: Object) -> None:
    applied = created(body)
    assert applied.object == expected
    assert applied.values == expected


@pytest.mark.parametrize(
    ("value", "add", "remove"),
    [
        ({"__op": "AddRelation", "objects": visit("a", "b", "a")}, ("a", "b"), ()),
        ({"__op": "RemoveRelation", "objects": visit("a")}, (), ("a",)),
        (
            {
                "__op": "Batch",
                "ops": [
                    {"__op": "AddRelation", "objects": visit("a", "b")},
                    {"__op": "RemoveRelation", "objects": visit("b", "c")},
                ],
            },
            ("a",),
            ("b", "c"),
        ),
    ],
)
def test_relations_change_beside_the_row(value: Json, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    for applied in (created({"visits": value}), updated({"visits": value})):
        assert applied.relations == (RelationChange("visits", "Visit", add, remove),)
        assert applied.values == {}


def test_a_relation_of_nothing_changes_nothing() -> None:
    assert updated({"visits": {"__op": "AddRelation", "objects": []}}).relations == ()


def test_a_new_relation_takes_its_class_from_the_first_object() -> None:
    assert updated({"new": {"__op": "AddRelation", "objects": visit("a")}}).relations == (
        RelationChange("new", "Visit", ("a",), ()),
    )


REFUSED: list[tuple[Object, ErrorCode, str]] = [
    ({"className": "Tank"}, ErrorCode.INVALID_KEY_NAME, "Invalid field name: className."),
    ({"__type": "Object"}, ErrorCode.INVALID_KEY_NAME, "Invalid field name: __type."),
    ({"_rperm": []}, ErrorCode.INVALID_KEY_NAME, "Invalid field name: _rperm."),
    ({"_hashed_password": "x"}, ErrorCode.INVALID_KEY_NAME, "Invalid field name: _hashed_password."),
    ({"constructor": 1}, ErrorCode.INVALID_KEY_NAME, 'Prohibited keyword in request data: {"key":"constructor"}.'),
    ({"notes.__proto__": 1}, ErrorCode.INVALID_KEY_NAME, 'Prohibited keyword in request data: {"key":"__proto__"}.'),
    ({"notes.": 1}, ErrorCode.INVALID_KEY_NAME, "Invalid field name for update: notes."),
    ({"authData.x": 1}, ErrorCode.INVALID_KEY_NAME, "Invalid field name for update: authData.x"),
    ({".a": 1}, ErrorCode.INVALID_KEY_NAME, "Invalid field name: ."),
    ({"objectId": "other"}, ErrorCode.INVALID_KEY_NAME, "objectId is an invalid field name."),
    ({"notes.$a": 1}, ErrorCode.INVALID_NESTED_KEY, "Nested keys should not contain the '$' or '.' characters"),
    ({"notes": {"a.b": 1}}, ErrorCode.INVALID_NESTED_KEY, "Nested keys should not contain the '$' or '.' characters"),
    ({"name": 1}, ErrorCode.INCORRECT_TYPE, "schema mismatch for Tank.name; expected String but got Number"),
    (
        {"name": {"__op": "Increment", "amount": 1}},
        ErrorCode.INCORRECT_TYPE,
        "schema mismatch for Tank.name; expected String but got Number",
    ),
    ({"name.x": 1}, ErrorCode.INCORRECT_TYPE, "schema mismatch for Tank.name; expected String but got Object"),
    (
        {"createdAt": "2020-01-01T00:00:00.000Z"},
        ErrorCode.INCORRECT_TYPE,
        "schema mismatch for Tank.createdAt; expected Date but got String",
    ),
    (
        {"visits": {"__op": "AddRelation", "objects": [pointer("Tank", "x")]}},
        ErrorCode.INCORRECT_TYPE,
        "schema mismatch for Tank.visits; expected Relation<Visit> but got Relation<Tank>",
    ),
    (
        {"visits": {"__op": "AddRelation", "objects": [*visit("a"), pointer("Tank", "x")]}},
        ErrorCode.INCORRECT_TYPE,
        "schema mismatch for Tank.visits; expected Relation<Visit> but got Relation<Tank>",
    ),
    (
        {"visits": {"__op": "AddRelation", "objects": [*visit("a"), "x"]}},
        ErrorCode.INVALID_JSON,
        "AddRelation takes pointers to saved objects.",
    ),
    ({"visits": DELETE}, ErrorCode.COMMAND_UNAVAILABLE, "The Delete operator is not supported yet."),
    ({"psi": {"__op": "Explode"}}, ErrorCode.COMMAND_UNAVAILABLE, "The Explode operator is not supported yet."),
    (
        {"psi": {"__op": "Batch", "ops": [{"__op": "Increment", "amount": 1}]}},
        ErrorCode.COMMAND_UNAVAILABLE,
        "The Batch operator is not supported yet.",
    ),
    ({"psi": {"__op": "Increment", "amount": "1"}}, ErrorCode.INVALID_JSON, "incrementing must provide a number"),
    ({"psi": {"__op": "Increment", "amount": True}}, ErrorCode.INVALID_JSON, "incrementing must provide a number"),
    ({"psi": {"__op": "Increment"}}, ErrorCode.INVALID_JSON, "incrementing must provide a number"),
    ({"psi": {"__op": "Increment", "amount": 1.7e308 * 2}}, ErrorCode.INVALID_JSON, "psi.amount is not a finite number."),
    ({"tags": {"__op": "Add", "objects": "a"}}, ErrorCode.INVALID_JSON, "objects to add must be an array"),
    (
        {"notes.colour": {"__op": "Increment", "amount": 1}},
        ErrorCode.INCORRECT_TYPE,
        "notes.colour is not a number, so it can't be incremented.",
    ),
    ({"notes.colour": {"__op": "Add", "objects": [1]}}, ErrorCode.INCORRECT_TYPE, "notes.colour is not an array."),
    (
        {"notes.colour.shade": 1},
        ErrorCode.INCORRECT_TYPE,
        "notes.colour.shade can't be set: what holds shade is no object.",
    ),
    ({"notes.rows.4": 1}, ErrorCode.INCORRECT_TYPE, "notes.rows.4 can't be set: the array has 2 elements."),
    ({"notes.rows.x": 1}, ErrorCode.INCORRECT_TYPE, "notes.rows.x can't be set: the array has 2 elements."),
    ({"new": {"__type": "Object"}}, ErrorCode.INCORRECT_TYPE, "This is not a valid Object"),
]


@pytest.mark.parametrize(("body", "code", "message"), REFUSED)
def test_a_bad_body_is_refused(body: Object, code: ErrorCode, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        updated(body)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_a_place_without_end_is_none() -> None:
    with pytest.raises(ParseError, match="the array has 2 elements") as caught:
        updated({f"notes.rows.{'9' * 5000}": 1})
    assert caught.value.code == ErrorCode.INCORRECT_TYPE


def test_a_number_that_leaves_the_doubles_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        apply_ops(TANK, {"psi": 1.7e308}, {"psi": {"__op": "Increment", "amount": 1.7e308}})
    assert caught.value.code == ErrorCode.INVALID_JSON


BODIES = st.lists(st.sampled_from([body for body, _ in CHANGES + [(body, {}) for body, _ in NOTES]]), max_size=4).map(
    lambda parts: {key: value for part in parts for key, value in part.items()}
)


@given(BODIES)
def test_nothing_is_mutated_and_the_rest_stays(body: Object) -> None:
    before, sent = encode(STORED), encode(body)
    with suppress(ParseError):  # parts that are right alone may not fit together
        applied = updated(body)
        applied.object.clear()
        applied.values.clear()
    assert (encode(STORED), encode(body)) == (before, sent)


@given(BODIES)
def test_the_object_is_the_stored_one_with_the_values_put_in(body: Object) -> None:
    try:
        applied = updated(body)
    except ParseError:
        return  # parts that are right alone may not fit together
    again = {name: value for name, value in STORED.items() if name not in applied.values}
    again |= {name: value for name, value in applied.values.items() if not isinstance(value, Unset)}
    assert applied.object == again


@given(st.lists(st.sampled_from([1, True, "a", None, 0, False])), st.lists(st.sampled_from([1, True, "a", None, 0, False])))
def test_add_unique_then_remove_leaves_none_of_the_values(old: list[Json], objects: list[Json]) -> None:
    stored: Object = {"tags": old}
    added = apply_ops(TANK, stored, {"tags": {"__op": "AddUnique", "objects": objects}}).object
    tags = added["tags"]
    assert isinstance(tags, list)
    assert tags[: len(old)] == old
    removed = apply_ops(TANK, added, {"tags": {"__op": "Remove", "objects": objects}}).object["tags"]
    assert isinstance(removed, list)
    assert not {encode(item) for item in removed} & {encode(item) for item in objects}


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        ({"tags.0": 9}, [9]),
        ({"tags.0": {"__op": "Increment", "amount": 2}}, [2]),
        ({"tags.0.done": True}, [{"done": True}]),
    ],
)
def test_a_key_into_an_array_that_is_still_empty_begins_an_array(body: Object, tags: Json) -> None:
    others: tuple[Object | None, ...] = (None, {"objectId": "t2"}, {"objectId": "t2", "tags": None})
    for current in others:
        assert apply_ops(TANK, current, body).values == {"tags": tags}


def test_an_array_that_is_still_empty_has_no_place_beyond_its_first_and_nothing_to_delete() -> None:
    with pytest.raises(ParseError, match="the array has 0 elements"):
        created({"tags.1": 9})
    assert created({"tags.0": DELETE}).values == {}
