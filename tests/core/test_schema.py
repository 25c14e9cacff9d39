"""Schemas: names, inference, value checks and the /schemas form, in Parse's words."""

import pytest

from app.core.fields import infer_column
from app.core.permissions import CLOSED, OPERATIONS
from app.core.schema import (
    SYSTEM_CLASSES,
    ClassSchema,
    Field,
    FieldType,
    changed_schema,
    check_class_name,
    check_field_name,
    check_value,
    class_schema,
    infer_field,
    missing_fields,
    schema_from_stored,
    schema_from_wire,
    schema_to_wire,
)
from app.core.wire import UNSET, Json, Object, pointer
from app.errors import ErrorCode, ParseError

USER = Field(FieldType.POINTER, "_User")
TANK = class_schema(
    "Tank",
    {
        "name": Field(FieldType.STRING, required=True),
        "psi": Field(FieldType.NUMBER, default=2000),
        "driver": USER,
        "readers": Field(FieldType.ARRAY),
        "site": Field(FieldType.POINTER, "Site"),
        "notes": Field(FieldType.OBJECT),
        "visits": Field(FieldType.RELATION, "Visit"),
    },
)
POINT: Json = {"__type": "GeoPoint", "latitude": 1, "longitude": 2}


def test_every_class_has_the_default_columns() -> None:
    for schema in [TANK, *SYSTEM_CLASSES.values()]:
        assert {"objectId", "createdAt", "updatedAt", "ACL"} <= schema.fields.keys()


def test_secrets_are_never_rendered_columns() -> None:
    assert SYSTEM_CLASSES["_User"].secrets == {"password", "authData", "sessionToken"}
    assert SYSTEM_CLASSES["_Session"].secrets == {"sessionToken"}
    assert class_schema("_User", {"_hashed_password": Field(FieldType.STRING)}).secrets >= {"_hashed_password"}
    assert TANK.secrets == frozenset()


@pytest.mark.parametrize("name", ["A", "Tank2", "my_class", "_User", "_Role", "_Join:users:_Role", "x" * 63])
def test_a_class_may_be_called(name: str) -> None:
    check_class_name(name)


@pytest.mark.parametrize("name", ["", "_Tank", "2Tank", "Ta-nk", "Tänk", "className", "length", "A\n", "_Join:x", "x" * 64])
def test_a_class_may_not_be_called(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        check_class_name(name)
    assert caught.value.code == ErrorCode.INVALID_CLASS_NAME
    assert caught.value.message == (
        f"Invalid classname: {name}, classnames can only have alphanumeric characters and _, "
        "and must start with an alpha character "
    )


@pytest.mark.parametrize("name", ["", "_x", "a.b", "a b", "className", "length", "__type", "a$", "ä", "x" * 64])
def test_a_field_may_not_be_called(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        check_field_name(name, "Tank")
    assert (caught.value.code, caught.value.message) == (ErrorCode.INVALID_KEY_NAME, f"Invalid field name: {name}.")


INFERRED: list[tuple[Json, str | None]] = [
    (None, None),
    (True, "Boolean"),
    (1, "Number"),
    (1.5, "Number"),
    ("x", "String"),
    ([], "Array"),
    ({}, "Object"),
    ({"__type": None}, "Object"),
    ({"__type": "Date", "iso": "2026-11-21T10:00:00.000Z"}, "Date"),
    ({"__type": "File", "name": "a"}, "File"),
    ({"__type": "Bytes", "base64": "AA=="}, "Bytes"),
    (POINT, "GeoPoint"),
    ({"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1]]}, "Polygon"),
    (pointer("Site", "x"), "Pointer<Site>"),
    ({"__type": "Relation", "className": "Visit"}, "Relation<Visit>"),
    ({"__op": "Increment", "amount": 1}, "Number"),
    ({"__op": "Delete"}, None),
    ({"__op": "Add", "objects": []}, "Array"),
    ({"__op": "AddUnique", "objects": []}, "Array"),
    ({"__op": "Remove", "objects": []}, "Array"),
    ({"__op": "SetOnInsert", "amount": "x"}, "String"),
    ({"__op": "AddRelation", "objects": [pointer("Visit", "x")]}, "Relation<Visit>"),
    ({"__op": "RemoveRelation", "objects": []}, None),
    (
        {
            "__op": "Batch",
            "ops": [{"__op": "AddRelation", "objects": []}, {"__op": "RemoveRelation", "objects": [pointer("V", "x")]}],
        },
        "Relation<V>",
    ),
]


@pytest.mark.parametrize(("value", "expected"), INFERRED)
def test_a_value_tells_its_column(value: Json, expected: str | None) -> None:
    inferred = infer_field(value)
    assert (str(inferred) if inferred else None) == expected


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ({"__op": "Explode"}, ErrorCode.COMMAND_UNAVAILABLE, "The Explode operator is not supported yet."),
        ({"__op": ["Add"]}, ErrorCode.COMMAND_UNAVAILABLE, "The ['Add'] operator is not supported yet."),
        (
            {"__op": "Batch", "ops": [{"__op": "Add", "objects": []}]},
            ErrorCode.COMMAND_UNAVAILABLE,
            "The Batch operator is not supported yet.",
        ),
        (
            {"__op": "SetOnInsert", "amount": {"__op": "SetOnInsert"}},
            ErrorCode.COMMAND_UNAVAILABLE,
            "The SetOnInsert operator is not supported yet.",
        ),
        ({"__op": "Batch"}, ErrorCode.INVALID_JSON, "Batch needs a list under ops."),
        ({"__op": "AddRelation", "objects": {}}, ErrorCode.INVALID_JSON, "AddRelation needs a list under objects."),
        ({"__op": "AddRelation", "objects": ["x"]}, ErrorCode.INVALID_JSON, "A relation takes pointers to saved objects."),
        ({"__type": "Nope"}, ErrorCode.INCORRECT_TYPE, "This is not a valid Nope"),
    ],
)
def test_what_tells_no_column_is_refused(value: Json, code: ErrorCode, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        infer_field(value)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("notes.colour", "red", ("notes", "Object")),
        ("rows.0", 1, ("rows", "Array")),
        ("rows.0.x", 1, ("rows", "Array")),
        ("rows.٣", 1, ("rows", "Object")),
        ("notes.x", {"__op": "Delete"}, ("notes", None)),
        ("notes.x", None, ("notes", None)),
    ],
)
def test_a_dotted_key_reaches_into_its_column(key: str, value: Json, expected: tuple[str, str | None]) -> None:
    name, column = infer_column(key, value)
    assert (name, str(column) if column else None) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected", "given"),
    [
        ("name", 1, "String", "Number"),
        ("psi", True, "Number", "Boolean"),
        ("psi", "1", "Number", "String"),
        ("driver", pointer("Site", "x"), "Pointer<_User>", "Pointer<Site>"),
        ("driver", "u1", "Pointer<_User>", "String"),
        ("name", {"__op": "Increment", "amount": 1}, "String", "Number"),
        ("notes", [], "Object", "Array"),
        ("visits", {"__op": "AddRelation", "objects": [pointer("Tank", "x")]}, "Relation<Visit>", "Relation<Tank>"),
        ("readers.name", 1, "Array", "Object"),
        ("driver.objectId", "x", "Pointer<_User>", "Object"),
        ("createdAt", "2026-11-21T10:00:00.000Z", "Date", "String"),
    ],
)
def test_a_value_of_another_type_is_refused_in_parses_words(key: str, value: Json, expected: str, given: str) -> None:
    with pytest.raises(ParseError) as caught:
        check_value(TANK, key, value)
    assert caught.value.code == ErrorCode.INCORRECT_TYPE
    field = key.partition(".")[0]
    assert caught.value.message == f"schema mismatch for Tank.{field}; expected {expected} but got {given}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", None),
        ("name", {"__op": "Delete"}),
        ("name", UNSET),
        ("unknown", 3),
        ("ACL", {}),
        ("driver", pointer("_User", "u")),
        ("readers.0", 1),
        ("notes.x.y", 1),
    ],
)
def test_what_fits_passes(key: str, value: Json) -> None:
    check_value(TANK, key, value)


def test_missing_columns_are_inferred_from_the_first_value() -> None:
    body: Object = {
        "name": "x",
        "colour": "red",
        "gone": {"__op": "Delete"},
        "nothing": None,
        "settings.deep": 1,
        "settings.wide": "y",
        "list.0": 1,
        "notes.new": 1,
        "friends": {"__op": "AddRelation", "objects": [pointer("_User", "u")]},
        "ACL": {"*": {"read": True}},
    }
    assert {name: str(column) for name, column in missing_fields(TANK, None, body).items()} == {
        "colour": "String",
        "settings": "Object",
        "list": "Array",
        "friends": "Relation<_User>",
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"_secret": 1}, ErrorCode.INVALID_KEY_NAME),
        ({"_secret": None}, ErrorCode.INVALID_KEY_NAME),
        ({"a b": 1}, ErrorCode.INVALID_KEY_NAME),
        ({"className": "Tank"}, ErrorCode.INVALID_KEY_NAME),
        ({"x": pointer("no class", "x")}, ErrorCode.INVALID_CLASS_NAME),
        ({"here": POINT, "there": POINT}, ErrorCode.INCORRECT_TYPE),
        ({"r" * 60: {"__type": "Relation", "className": "A"}}, ErrorCode.INVALID_KEY_NAME),
    ],
)
def test_a_column_that_can_not_be_is_refused(body: Object, code: ErrorCode) -> None:
    with pytest.raises(ParseError) as caught:
        missing_fields(TANK, None, body)
    assert caught.value.code == code


# ---- /schemas


def refused(body: Json) -> tuple[int, str]:
    with pytest.raises(ParseError) as caught:
        schema_from_wire(body)
    return int(caught.value.code), caught.value.message


def test_a_new_class_gets_the_default_columns_and_open_permissions() -> None:
    schema = schema_from_wire({"className": "Tank", "fields": {"name": {"type": "String", "required": True}}})
    assert schema_to_wire(schema) == {
        "className": "Tank",
        "fields": {
            "objectId": {"type": "String"},
            "createdAt": {"type": "Date"},
            "updatedAt": {"type": "Date"},
            "ACL": {"type": "ACL"},
            "name": {"type": "String", "required": True},
        },
        "classLevelPermissions": {
            "ACL": {"*": {"read": True, "write": True}},
            **{operation: {"*": True} for operation in OPERATIONS},
            "protectedFields": {"*": []},
        },
    }


def test_permissions_that_are_left_out_are_closed() -> None:
    schema = schema_from_wire({"className": "Tank", "classLevelPermissions": {"find": {"*": True}}})
    assert schema.permissions == {**CLOSED, "find": {"*": True}}


def test_a_stored_schema_comes_back_without_internal_columns() -> None:
    schema = schema_from_wire(
        {
            "className": "Tank",
            "fields": {
                "driver": {"type": "Pointer", "targetClass": "_User"},
                "psi": {"type": "Number", "defaultValue": 2000.0},
            },
            "classLevelPermissions": {"get": {"pointerFields": ["driver"]}, "protectedFields": {"*": ["psi"]}},
            "indexes": {"by_psi": {"psi": 1}},
        }
    )
    stored = schema_to_wire(schema)
    fields = stored["fields"]
    assert isinstance(fields, dict)
    fields["_rperm"] = {"type": "Array", "contents": {"type": "String"}}
    assert schema_from_stored(stored) == schema


FIELD_REFUSALS: list[tuple[str, Json, int, str]] = [
    ("a b", {"type": "String"}, 105, "invalid field name: a b"),
    ("_x", {"type": "String"}, 105, "invalid field name: _x"),
    ("className", {"type": "String"}, 105, "invalid field name: className"),
    ("objectId", {"type": "String"}, 136, "field objectId cannot be added"),
    ("ACL", {"type": "ACL"}, 136, "field ACL cannot be added"),
    ("x", "String", 107, "invalid JSON"),
    ("x", {}, 107, "invalid JSON"),
    ("x", {"type": 7}, 107, "invalid JSON"),
    ("x", {"type": "Colour"}, 111, "invalid field type: Colour"),
    ("x", {"type": "ACL"}, 111, "invalid field type: ACL"),
    ("x", {"type": "Pointer"}, 135, "type Pointer needs a class name"),
    ("x", {"type": "Relation", "targetClass": ""}, 135, "type Relation needs a class name"),
    ("x", {"type": "Pointer", "targetClass": 7}, 107, "invalid JSON"),
    ("x", {"type": "String", "colour": "red"}, 107, "The option colour of field x is not valid."),
    ("x", {"type": "String", "required": "yes"}, 107, "The option required of field x is not valid."),
    (
        "x",
        {"type": "String", "defaultValue": 1},
        111,
        "schema mismatch for Tank.x default value; expected String but got Number",
    ),
    (
        "x",
        {"type": "Pointer", "targetClass": "A", "defaultValue": pointer("B", "b")},
        111,
        "schema mismatch for Tank.x default value; expected Pointer<A> but got Pointer<B>",
    ),
    (
        "x",
        {"type": "Relation", "targetClass": "A", "required": True},
        111,
        "The 'required' option is not applicable for Relation<A>",
    ),
    (
        "x",
        {"type": "Relation", "targetClass": "A", "defaultValue": {"__type": "Relation", "className": "A"}},
        111,
        "The 'default value' option is not applicable for Relation<A>",
    ),
]


@pytest.mark.parametrize(("name", "wire", "code", "message"), FIELD_REFUSALS)
def test_a_bad_field_is_refused(name: str, wire: Json, code: int, message: str) -> None:
    assert refused({"className": "Tank", "fields": {name: wire}}) == (code, message)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], 107),
        ({}, 135),
        ({"className": 5}, 135),
        ({"className": "_Tank"}, 103),
        ({"className": "Tank", "colour": 1}, 107),
        ({"className": "Tank", "fields": []}, 107),
        ({"className": "Tank", "fields": {"x": {"type": "Pointer", "targetClass": "a b"}}}, 103),
        ({"className": "Tank", "fields": {"a": {"type": "GeoPoint"}, "b": {"type": "GeoPoint"}}}, 111),
        ({"className": "_User", "fields": {"email": {"type": "String"}}}, 136),
        ({"className": "Tank", "indexes": {"i": {"nope": 1}}}, 102),
        ({"className": "Tank", "indexes": {"i": {"__op": "Delete"}}}, 102),
        ({"className": "Tank", "classLevelPermissions": []}, 107),
    ],
)
def test_a_bad_class_is_refused(body: Json, code: int) -> None:
    assert refused(body)[0] == code


PERMISSION_REFUSALS: list[tuple[Object, str]] = [
    ({"fly": {}}, "fly is not a valid operation for class level permissions"),
    ({"find": True}, "'true' is not a valid value for class level permissions find - must be an object"),
    ({"find": None}, "'null' is not a valid value for class level permissions find - must be an object"),
    ({"find": {"a-b": True}}, "'a-b' is not a valid key for class level permissions"),
    ({"find": {"userField:driver": True}}, "'userField:driver' is not a valid key for class level permissions"),
    ({"find": {"*": False}}, "'false' is not a valid value for class level permissions acl find:*"),
    ({"find": {"*": {}}}, "'[object Object]' is not a valid value for class level permissions acl find:*"),
    ({"get": {"pointerFields": "driver"}}, "'driver' is not a valid value for get[pointerFields] - expected an array."),
    ({"get": {"pointerFields": ["name"]}}, "'name' is not a valid column for class level pointer permissions get"),
    ({"get": {"pointerFields": ["site"]}}, "'site' is not a valid column for class level pointer permissions get"),
    (
        {"readUserFields": "driver"},
        "'driver' is not a valid value for class level permissions readUserFields - must be an array",
    ),
    (
        {"writeUserFields": ["nope"]},
        "'nope' is not a valid column for class level pointer permissions writeUserFields",
    ),
    ({"protectedFields": []}, "'' is not a valid value for class level permissions protectedFields - must be an object"),
    ({"protectedFields": {"a b": []}}, "'a b' is not a valid key for class level permissions"),
    ({"protectedFields": {"*": "psi"}}, "'psi' is not a valid value for protectedFields[*] - expected an array."),
    ({"protectedFields": {"*": ["objectId"]}}, "Default field 'objectId' can not be protected"),
    ({"protectedFields": {"role:x": ["nope"]}}, "Field 'nope' in protectedFields:role:x does not exist"),
    ({"ACL": {"*": True}}, "'true' is not a valid value for class level permissions acl"),
    ({"ACL": {"*": {"own": True}}}, "'own' is not a valid key for class level permissions acl"),
    ({"ACL": {"*": {"read": 1, "write": None}}}, "'1,' is not a valid value for class level permissions acl"),
]


@pytest.mark.parametrize(("permissions", "message"), PERMISSION_REFUSALS)
def test_bad_permissions_are_refused_in_parses_words(permissions: Object, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        changed_schema(TANK, {"classLevelPermissions": permissions})
    assert (caught.value.code, caught.value.message) == (ErrorCode.INVALID_JSON, message)


def test_every_kind_of_permission_is_accepted() -> None:
    permissions: Object = {
        "ACL": {"currentUser": {"read": True, "write": True}, "role:admin": {"read": True}},
        "find": {"requiresAuthentication": True},
        "get": {"*": True, "role:a b": True, "u1": True},
        "update": {"pointerFields": ["driver", "readers"]},
        "readUserFields": ["driver"],
        "writeUserFields": ["readers"],
        "protectedFields": {"*": ["psi"], "authenticated": [], "userField:driver": [], "role:x": ["name"], "u1": []},
    }
    assert changed_schema(TANK, {"classLevelPermissions": permissions}).permissions == {**CLOSED, **permissions}


def test_a_change_adds_and_takes_away_and_leaves_the_rest() -> None:
    base = changed_schema(TANK, {"indexes": {"old": {"psi": 1}}})
    changed = changed_schema(
        base,
        {
            "className": "Tank",
            "fields": {"psi": {"__op": "Delete"}, "colour": {"type": "String"}, "name": {"type": "String"}},
            "indexes": {"old": {"__op": "Delete"}, "new": {"colour": 1}},
        },
    )
    assert changed.fields.keys() == (TANK.fields.keys() - {"psi"}) | {"colour"}
    assert not changed.fields["name"].required
    assert changed.indexes == {"new": {"colour": 1}}
    assert changed.permissions == TANK.permissions


@pytest.mark.parametrize(
    ("schema", "body", "code", "message"),
    [
        (TANK, {"fields": {"name": {"type": "Number"}}}, 255, "Field name exists, cannot update."),
        (
            TANK,
            {"fields": {"site": {"type": "Pointer", "targetClass": "Tank"}}},
            111,
            "schema mismatch for Tank.site; expected Pointer<Site> but got Pointer<Tank>",
        ),
        (TANK, {"fields": {"nope": {"__op": "Delete"}}}, 255, "Field nope does not exist, cannot delete."),
        (TANK, {"fields": {"objectId": {"__op": "Delete"}}}, 136, "field objectId cannot be changed"),
        (SYSTEM_CLASSES["_User"], {"fields": {"email": {"__op": "Delete"}}}, 136, "field email cannot be changed"),
        (TANK, {"className": "Other"}, 103, "Class name mismatch between Other and Tank."),
        (TANK, {"indexes": {"x": {"nope": 1}}}, 102, "Field nope does not exist, cannot add index."),
    ],
)
def test_a_change_that_can_not_be_is_refused(schema: ClassSchema, body: Json, code: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        changed_schema(schema, body)
    assert (int(caught.value.code), caught.value.message) == (code, message)


def test_a_second_geo_point_is_refused() -> None:
    one = changed_schema(TANK, {"fields": {"here": {"type": "GeoPoint"}}})
    with pytest.raises(ParseError, match="Adding there when here already exists"):
        changed_schema(one, {"fields": {"there": {"type": "GeoPoint"}}})
