"""Wire values: one canonical form, refusals with Parse's codes, ACLs there and back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.wire import (
    EXACT_INTEGERS,
    MAX_DEPTH,
    Json,
    Object,
    acl_to_permissions,
    canonical,
    date_from_wire,
    date_to_wire,
    decode,
    encode,
    identity,
    is_type,
    iso,
    parse_iso,
    permissions_to_acl,
    pointer,
    principals_of,
    same,
)
from app.errors import ErrorCode, ParseError

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="$.\0"), max_size=5).filter(
    lambda key: key not in ("__type", "constructor", "__proto__")
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
# Hypothesis takes its bounds without a zone.
DATES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
SCALARS: st.SearchStrategy[Json] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    DATES.map(date_to_wire),
    st.builds(pointer, st.just("Tank"), TEXTS.filter(bool)),
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=10
)
PRINCIPALS = st.sampled_from(["*", "u1", "u2", "role:admin", "role:driver"])


def refusal(value: Json) -> ErrorCode:
    with pytest.raises(ParseError) as caught:
        canonical(value, "field")
    return caught.value.code


@given(VALUES)
def test_canonical_is_idempotent_and_survives_the_wire(value: Json) -> None:
    once = canonical(value)
    assert same(canonical(once), once)
    assert same(canonical(decode(encode(once))), once)


@given(VALUES)
def test_canonical_copies_and_never_mutates(value: Json) -> None:
    before = encode(value)
    result = canonical(value)
    if isinstance(result, list | dict) and isinstance(value, list | dict):
        result.clear()
    assert encode(value) == before


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, 1),
        (-0.0, 0),
        (0.1, 0.1),
        (10**30, 1e30),
        (EXACT_INTEGERS, EXACT_INTEGERS),
        ({"b": 1.0, "a": [2.0]}, {"b": 1, "a": [2]}),
        ({"__type": None, "x": 1}, {"__type": None, "x": 1}),
        ({"__type": "Date", "iso": "2026-11-21T11:00:00.0009+01:00"}, {"__type": "Date", "iso": "2026-11-21T10:00:00.000Z"}),
        ({"__type": "Date", "iso": "2026-11-21T10:00Z", "more": 1}, {"__type": "Date", "iso": "2026-11-21T10:00:00.000Z"}),
        ({"__type": "Date", "iso": "2026-11-21"}, {"__type": "Date", "iso": "2026-11-21T00:00:00.000Z"}),
        ({"__type": "Pointer", "className": "A", "objectId": "x", "name": "n"}, pointer("A", "x")),
        ({"__type": "Relation", "className": "A", "x": 1}, {"__type": "Relation", "className": "A"}),
        ({"__type": "File", "name": "a.png", "url": None}, {"__type": "File", "name": "a.png"}),
        ({"__type": "File", "name": "a", "url": "https://x"}, {"__type": "File", "name": "a", "url": "https://x"}),
        ({"__type": "Bytes", "base64": "AA=="}, {"__type": "Bytes", "base64": "AA=="}),
        (
            {"__type": "GeoPoint", "latitude": 52.0, "longitude": -180},
            {"__type": "GeoPoint", "latitude": 52, "longitude": -180},
        ),
        (
            {"__type": "Polygon", "coordinates": [[0, 0], [0, 1.0], [1, 1]]},
            {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]},
        ),
        (
            {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]},
            {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]},
        ),
    ],
)
def test_a_value_has_one_form(value: Json, expected: Json) -> None:
    assert identity(canonical(value)) == identity(expected)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"__type": "Colour", "x": 1}, ErrorCode.INCORRECT_TYPE),
        ({"__type": 3}, ErrorCode.INCORRECT_TYPE),
        ({"__type": ["Date"]}, ErrorCode.INCORRECT_TYPE),
        ([{"a": {"__type": "Object"}}], ErrorCode.INCORRECT_TYPE),
        ({"__type": "Date"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Date", "iso": "soon"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Date", "iso": 5}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Date", "iso": "0001-01-01T00:00:00+14:00"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Pointer", "className": "A"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Pointer", "className": "", "objectId": "x"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Pointer", "className": "A", "objectId": 7}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Relation"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "File"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Bytes", "base64": ""}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "GeoPoint", "latitude": 91, "longitude": 0}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "GeoPoint", "latitude": 0, "longitude": -180.5}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "GeoPoint", "latitude": True, "longitude": 0}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "GeoPoint", "latitude": 1}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Polygon"}, ErrorCode.INCORRECT_TYPE),
        ({"__type": "Polygon", "coordinates": [[0, 0], [0, 1]]}, ErrorCode.INVALID_JSON),
        ({"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [0, 0]]}, ErrorCode.INVALID_JSON),
        ({"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1]]}, ErrorCode.INCORRECT_TYPE),
        ({"a": {"$b": 1}}, ErrorCode.INVALID_NESTED_KEY),
        ([{"a.b": 1}], ErrorCode.INVALID_NESTED_KEY),
        ({"a\0": 1}, ErrorCode.INVALID_NESTED_KEY),
        ({"a": [{"__proto__": {}}]}, ErrorCode.INVALID_KEY_NAME),
        ({"constructor": 1}, ErrorCode.INVALID_KEY_NAME),
        ("a\0b", ErrorCode.INVALID_JSON),
        (float("nan"), ErrorCode.INVALID_JSON),
        (float("inf"), ErrorCode.INVALID_JSON),
        (10**400, ErrorCode.INVALID_JSON),
    ],
)
def test_what_can_not_be_kept_is_refused(value: Json, code: ErrorCode) -> None:
    assert refusal(value) == code


def test_nesting_has_a_limit_and_everything_within_it_passes() -> None:
    value: Json = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert canonical(value) == value
    assert refusal([value]) == ErrorCode.INVALID_JSON


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[Infinity]", '{"a":1}x', b"\xff", '"\\ud800"', "1e999", "[" * 5000 + "]" * 5000]
)
def test_bad_json_is_refused_with_107(text: str | bytes) -> None:
    with pytest.raises(ParseError) as caught:
        decode(text)
    assert caught.value.code == ErrorCode.INVALID_JSON


def test_true_is_not_one_and_key_order_is_naught() -> None:
    assert not same(True, 1)
    assert not same([0], [False])
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same("1", 1)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 21, 10, 0, 0, 999_999, UTC), "2026-11-21T10:00:00.999Z"),
        (datetime(2026, 11, 21, 10, tzinfo=timezone(timedelta(hours=2))), "2026-11-21T08:00:00.000Z"),
        (datetime(33, 4, 3, tzinfo=UTC), "0033-04-03T00:00:00.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert iso(moment) == text
    assert iso(parse_iso(text)) == text


@given(DATES)
def test_a_date_comes_back_cut_to_milliseconds(moment: datetime) -> None:
    back = date_from_wire(date_to_wire(moment))
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)


def test_a_text_without_zone_is_utc() -> None:
    assert parse_iso("2026-11-21T10:00:00") == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_types_are_told_by_their_mark() -> None:
    assert is_type(pointer("A", "x"), "Pointer")
    assert not is_type(pointer("A", "x"), "Date")
    assert not is_type("Pointer", "Pointer")


@given(st.dictionaries(PRINCIPALS, st.sampled_from([["read"], ["write"], ["read", "write"]])))
def test_an_acl_comes_back_from_its_permissions(granted: dict[str, list[str]]) -> None:
    acl: Object = {who: dict.fromkeys(rights, True) for who, rights in granted.items()}
    assert permissions_to_acl(*acl_to_permissions(acl)) == acl


@pytest.mark.parametrize(
    ("acl", "permissions"),
    [
        (None, (None, None)),
        ({}, ([], [])),
        ({"*": {"read": True}}, (["*"], [])),
        ({"u": {"read": True, "write": False}, "role:x": {"write": True}}, (["u"], ["role:x"])),
        ({"u": {"read": False}}, ([], [])),
    ],
)
def test_an_acl_is_two_lists_of_principals(acl: Json, permissions: tuple[list[str] | None, list[str] | None]) -> None:
    assert acl_to_permissions(acl) == permissions


@pytest.mark.parametrize(
    "acl",
    [
        [],
        "public",
        {"u": True},
        {"u": None},
        {"u": {"read": 1}},
        {"u": {"read": True, "admin": True}},
        {"*unresolved": {"read": True}},
        {"": {"read": True}},
        {"role:": {"read": True}},
        {"u\0": {"read": True}},
        {"__op": "Delete"},
    ],
)
def test_what_is_no_acl_is_refused_with_123(acl: Json) -> None:
    with pytest.raises(ParseError) as caught:
        acl_to_permissions(acl)
    assert caught.value.code == ErrorCode.INVALID_ACL


def test_public_rows_have_no_acl_and_half_public_ones_say_what_parse_says() -> None:
    assert permissions_to_acl(None, None) is None
    assert permissions_to_acl([], []) == {}
    assert permissions_to_acl(None, ["u"]) == {"*": {"read": True}, "u": {"write": True}}
    assert permissions_to_acl(["u"], None) == {"*": {"write": True}, "u": {"read": True}}


@pytest.mark.parametrize(
    ("obj", "readers"),
    [
        ({}, None),
        ({"ACL": None}, None),
        ({"ACL": {}}, frozenset()),
        ({"ACL": {"*": {"read": True}, "u": {"write": True}}}, frozenset({"*"})),
        ({"ACL": "broken"}, frozenset()),
        ({"ACL": {"u": "broken"}}, frozenset()),
    ],
)
def test_principals_are_those_who_may_read(obj: Object, readers: frozenset[str] | None) -> None:
    assert principals_of(obj) == readers
