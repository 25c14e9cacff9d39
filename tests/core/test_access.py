"""Access: every table starts with nobody and a stranger; the answers are those of Parse Server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.access import (
    Authority,
    Operation,
    can_read,
    check_class,
    default_acl,
    hidden_fields,
    protected_by_pointer,
    protected_fields,
    protected_for,
    readable,
    writable,
)
from app.core.query import All, Allowed, And, Compare, Everything, Node, Nothing, Or, freeze
from app.core.schema import SYSTEM_CLASSES, ClassSchema, Field, FieldType, class_schema
from app.core.wire import Object, pointer
from app.errors import ErrorCode, ParseError

NOBODY = Authority()
STRANGER = Authority("u9")
USER = Authority("u1")
DRIVER = Authority("u2", frozenset({"driver"}))
MASTER = Authority(is_master=True)
READER = Authority(is_master=True, is_read_only=True)

OPERATIONS: list[Operation] = ["find", "get", "count", "create", "update", "delete", "addField"]


def tank(permissions: Object) -> ClassSchema:
    columns = {
        "driver": Field(FieldType.POINTER, "_User"),
        "team": Field(FieldType.ARRAY),
        "keeper": Field(FieldType.OBJECT),
        "name": Field(FieldType.STRING),
        "psi": Field(FieldType.NUMBER),
    }
    return class_schema("Tank", columns, permissions)


def test_principals_are_what_an_acl_may_call_the_caller() -> None:
    assert NOBODY.principals == {"*"}
    assert DRIVER.principals == {"*", "u2", "role:driver"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_class_without_permissions_is_open_and_an_empty_one_is_shut(operation: Operation) -> None:
    for authority in (NOBODY, STRANGER, DRIVER, MASTER):
        assert check_class(tank({}), operation, authority) == ()
    for authority in (NOBODY, STRANGER, DRIVER):
        with pytest.raises(ParseError) as caught:
            check_class(tank({operation: {}}), operation, authority)
        assert caught.value.code == ErrorCode.OPERATION_FORBIDDEN
        assert caught.value.message == f"Permission denied for action {operation} on class Tank."
    assert check_class(tank({operation: {}}), operation, MASTER) == ()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_read_only_master_key_writes_nothing(operation: Operation) -> None:
    if operation in ("find", "get", "count"):
        assert check_class(tank({operation: {}}), operation, READER) == ()
        return
    with pytest.raises(ParseError) as caught:
        check_class(tank({}), operation, READER)
    assert caught.value.code == ErrorCode.OPERATION_FORBIDDEN


PERMITTED: list[tuple[Object, list[Authority]]] = [
    ({"*": True}, [NOBODY, STRANGER, USER, DRIVER, MASTER]),
    ({"u1": True}, [USER, MASTER]),
    ({"role:driver": True}, [DRIVER, MASTER]),
    ({"driver": True}, [MASTER]),
    ({"requiresAuthentication": True}, [STRANGER, USER, DRIVER, MASTER]),
    ({"u1": False, "*": False}, [MASTER]),
]


@pytest.mark.parametrize(("entities", "admitted"), PERMITTED)
def test_permissions_admit_whom_they_name(entities: Object, admitted: list[Authority]) -> None:
    for authority in (NOBODY, STRANGER, USER, DRIVER, MASTER):
        if authority in admitted:
            assert check_class(tank({"find": entities}), "find", authority) == ()
        else:
            with pytest.raises(ParseError):
                check_class(tank({"find": entities}), "find", authority)


def test_nobody_is_asked_to_sign_in_where_that_would_do() -> None:
    with pytest.raises(ParseError) as caught:
        check_class(tank({"find": {"requiresAuthentication": True}}), "find", NOBODY)
    assert caught.value.code == ErrorCode.OBJECT_NOT_FOUND
    assert caught.value.message == "Permission denied, user needs to be authenticated."


POINTERS: list[tuple[Object, Operation, tuple[str, ...] | None]] = [
    ({"find": {"pointerFields": ["driver"]}}, "find", ("driver",)),
    ({"find": {}, "readUserFields": ["driver", "team"]}, "find", ("driver", "team")),
    ({"get": {"pointerFields": ["team"]}, "readUserFields": ["driver", "team"]}, "get", ("team", "driver")),
    ({"update": {}, "readUserFields": ["driver"]}, "update", None),
    ({"update": {}, "writeUserFields": ["driver"]}, "update", ("driver",)),
    ({"create": {"pointerFields": ["driver"]}, "writeUserFields": ["driver"]}, "create", None),
    ({"addField": {"pointerFields": ["driver"]}}, "addField", ("driver",)),
    ({"find": {"requiresAuthentication": True}, "readUserFields": ["driver"]}, "find", ("driver",)),
    ({"readUserFields": ["driver"]}, "find", ()),
    ({"find": {"role:driver": True, "pointerFields": ["driver"]}}, "find", ("driver",)),
    ({"find": {"pointerFields": []}}, "find", None),
]


@pytest.mark.parametrize(("permissions", "operation", "fields"), POINTERS)
def test_a_class_that_admits_by_pointer_says_through_which_fields(
    permissions: Object, operation: Operation, fields: tuple[str, ...] | None
) -> None:
    if fields is None:
        with pytest.raises(ParseError):
            check_class(tank(permissions), operation, USER)
    else:
        assert check_class(tank(permissions), operation, USER) == fields


def test_a_permission_that_holds_anyway_asks_for_no_pointer() -> None:
    permissions: Object = {"find": {"role:driver": True, "pointerFields": ["driver"]}}
    assert check_class(tank(permissions), "find", DRIVER) == ()


def test_a_column_can_not_be_added_by_pointer_while_creating() -> None:
    by_entity: Object = {"addField": {"pointerFields": ["driver"]}}
    with pytest.raises(ParseError):
        check_class(tank(by_entity), "addField", USER, creating=True)
    by_class: Object = {"addField": {}, "writeUserFields": ["driver"]}
    assert check_class(tank(by_class), "addField", USER, creating=True) == ("driver",)


# ---- as AST


def names(field: str, user: str, field_type: FieldType) -> Node:
    value = freeze(pointer("_User", user))
    return All((field,), (value,)) if field_type is FieldType.ARRAY else Compare((field,), "eq", value)


BY_USER = Allowed(("*", "u1"), "read")
SEEN: list[tuple[Object, Authority, Node]] = [
    ({}, MASTER, Everything()),
    ({}, NOBODY, Allowed(("*",), "read")),
    ({}, DRIVER, Allowed(("*", "role:driver", "u2"), "read")),
    ({"find": {"pointerFields": ["driver"]}}, NOBODY, Nothing()),
    ({"find": {"pointerFields": ["driver"]}}, MASTER, Everything()),
    ({"find": {"pointerFields": ["driver"]}}, USER, And((BY_USER, names("driver", "u1", FieldType.POINTER)))),
    ({"find": {"pointerFields": ["team"]}}, USER, And((BY_USER, names("team", "u1", FieldType.ARRAY)))),
    (
        {"find": {"pointerFields": ["driver", "keeper"]}},
        USER,
        And((BY_USER, Or((names("driver", "u1", FieldType.POINTER), names("keeper", "u1", FieldType.OBJECT))))),
    ),
    ({"find": {"pointerFields": ["name", "gone"]}}, USER, And((BY_USER, Or(())))),
]


@pytest.mark.parametrize(("permissions", "authority", "node"), SEEN)
def test_what_a_caller_may_see_is_a_query(permissions: Object, authority: Authority, node: Node) -> None:
    assert readable(tank(permissions), "find", authority) == node


def test_what_a_caller_may_change_is_a_query_too() -> None:
    permissions: Object = {"update": {}, "writeUserFields": ["driver"]}
    assert writable(tank(permissions), "update", USER) == And(
        (Allowed(("*", "u1"), "write"), names("driver", "u1", FieldType.POINTER))
    )
    assert writable(tank({}), "delete", NOBODY) == Allowed(("*",), "write")


def test_a_closed_class_is_refused_before_there_is_a_query() -> None:
    with pytest.raises(ParseError):
        readable(tank({"find": {}}), "find", USER)


READ: list[tuple[Object, list[Authority]]] = [
    ({}, [NOBODY, STRANGER, USER, DRIVER, MASTER]),
    ({"ACL": {}}, [MASTER]),
    ({"ACL": {"*": {"read": True}}}, [NOBODY, STRANGER, USER, DRIVER, MASTER]),
    ({"ACL": {"*": {"write": True}}}, [MASTER]),
    ({"ACL": {"u1": {"read": True}}}, [USER, MASTER]),
    ({"ACL": {"role:driver": {"read": True}, "u1": {"write": True}}}, [DRIVER, MASTER]),
]


@pytest.mark.parametrize(("obj", "readers"), READ)
def test_an_acl_shows_an_object_to_whom_it_names(obj: Object, readers: list[Authority]) -> None:
    everybody = (NOBODY, STRANGER, USER, DRIVER, MASTER)
    assert [authority for authority in everybody if can_read(obj, authority)] == readers


def test_an_object_made_without_acl_gets_the_one_of_its_class() -> None:
    assert default_acl(tank({}), USER) is None
    assert default_acl(tank({"ACL": {"*": {"read": True, "write": True}}}), USER) is None
    own: Object = {"ACL": {"currentUser": {"read": True, "write": True}, "role:x": {"read": True}}}
    assert default_acl(tank(own), NOBODY) == {"role:x": {"read": True}}
    assert default_acl(tank(own), USER) == {"role:x": {"read": True}, "u1": {"read": True, "write": True}}


# ---- protected fields

PROTECTED: list[tuple[Object, Authority, set[str]]] = [
    ({}, NOBODY, set()),
    ({"*": ["psi", "name"]}, NOBODY, {"psi", "name"}),
    ({"*": ["psi", "name"]}, STRANGER, {"psi", "name"}),
    ({"*": ["psi", "name"]}, MASTER, set()),
    ({"*": ["psi", "name"], "authenticated": ["psi"]}, NOBODY, {"psi", "name"}),
    ({"*": ["psi", "name"], "authenticated": ["psi"]}, STRANGER, {"psi"}),
    ({"*": ["psi", "name"], "authenticated": ["team"]}, STRANGER, set()),
    ({"*": ["psi"], "role:driver": []}, STRANGER, {"psi"}),
    ({"*": ["psi"], "role:driver": []}, DRIVER, set()),
    ({"authenticated": ["psi"]}, NOBODY, set()),
    ({"*": ["psi"], "u1": []}, USER, set()),
    ({"*": ["psi"], "userField:driver": []}, USER, {"psi"}),
    ({"userField:driver": ["psi"]}, USER, set()),
]


@pytest.mark.parametrize(("groups", "authority", "expected"), PROTECTED)
def test_the_groups_of_a_caller_protect_what_they_have_in_common(
    groups: Object, authority: Authority, expected: set[str]
) -> None:
    assert protected_fields(tank({"protectedFields": groups}), authority) == expected


OF_OBJECTS: list[tuple[Object, Authority, set[str]]] = [
    ({}, USER, {"psi", "name"}),
    ({"driver": pointer("_User", "u1")}, NOBODY, {"psi", "name"}),
    ({"driver": pointer("_User", "u1")}, STRANGER, {"psi", "name"}),
    ({"driver": pointer("_User", "u1")}, USER, {"psi"}),
    ({"team": [pointer("_User", "u2"), pointer("_User", "u1"), 3]}, USER, {"name"}),
    ({"driver": pointer("_User", "u1"), "team": [pointer("_User", "u1")]}, USER, set()),
    ({"driver": "u1", "team": "u1"}, USER, {"psi", "name"}),
]


@pytest.mark.parametrize(("obj", "authority", "expected"), OF_OBJECTS)
def test_an_object_shows_more_to_those_it_names(obj: Object, authority: Authority, expected: set[str]) -> None:
    groups: Object = {"*": ["psi", "name"], "userField:driver": ["psi"], "userField:team": ["name", "team"]}
    schema = tank({"protectedFields": groups})
    assert protected_by_pointer(schema) == {"driver": {"psi"}, "team": {"name", "team"}}
    assert protected_for(schema, obj, authority) == expected


def test_a_rule_for_those_named_never_hides_more() -> None:
    schema = tank({"protectedFields": {"userField:driver": ["psi"]}})
    assert protected_for(schema, {"driver": pointer("_User", "u1")}, USER) == frozenset()


def test_users_see_all_of_their_own_account_but_secrets_never() -> None:
    user = SYSTEM_CLASSES["_User"]
    assert protected_for(user, {"objectId": "u1"}, USER) == frozenset()
    assert protected_for(user, {"objectId": "u1"}, STRANGER) == {"email"}
    assert hidden_fields(user, STRANGER) == {"email", "password", "authData", "sessionToken"}
    assert hidden_fields(user, MASTER) == {"password", "authData", "sessionToken"}


FIELDS = st.lists(st.sampled_from(["name", "psi", "team"]), unique=True)
ENTITIES = st.sampled_from(["*", "authenticated", "role:driver", "u1", "u2", "userField:driver"])


@given(st.dictionaries(ENTITIES, FIELDS), st.sampled_from(["role:driver", "u2", "authenticated"]), FIELDS)
def test_being_in_one_group_more_never_hides_more_than_the_public_sees(
    groups: dict[str, list[str]], entity: str, fields: list[str]
) -> None:
    base = {**groups, "*": groups.get("*", ["psi"])}
    before = protected_fields(tank({"protectedFields": {**base}}), NOBODY)  # type: ignore[dict-item]  # lists of text are Json
    after = protected_fields(tank({"protectedFields": {**base, entity: fields}}), DRIVER)  # type: ignore[dict-item]  # as above
    assert after <= before
