"""Class level permissions (CLP) as a client writes them: what is a valid one.

Owns: the operations, the open and the closed CLP, and the check of a submitted one, in Parse Server's words and with its
code 107 (Controllers/SchemaController of 9.10). Who passes a CLP is decided in core/access. Imports core/wire and the
error codes only.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass

from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError

OPERATIONS = ("find", "get", "count", "create", "update", "delete", "addField")

OPEN: Mapping[str, Json] = {
    "ACL": {"*": {"read": True, "write": True}},
    **{operation: {"*": True} for operation in OPERATIONS},
    "protectedFields": {"*": []},
}
"""What a class without a CLP of its own answers with."""

CLOSED: Mapping[str, Json] = {**{operation: {} for operation in OPERATIONS}, "protectedFields": {}}
"""What a submitted CLP leaves out, nobody but the master key may do."""

_PROTECTING = re.compile(r"userField:.*|\*|authenticated|role:.*|[a-zA-Z0-9]+", re.DOTALL)
_PERMITTED = re.compile(r"pointerFields|\*|requiresAuthentication|role:.*|[a-zA-Z0-9]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a CLP may speak of: every column, those that no class is without, and those that can name users."""

    names: Container[str]
    defaults: Container[str]
    naming_users: Container[str]


def complete_permissions(permissions: Json) -> Object:
    """A stored or submitted CLP with its omissions closed, as Parse reads it; {} (open to all) when there is none."""
    return {**CLOSED, **permissions} if isinstance(permissions, dict) else {}


def check_permissions(permissions: Json, columns: Columns) -> None:
    """107 unless this is a CLP that a class with these columns may have."""
    if not isinstance(permissions, dict):
        raise _invalid("classLevelPermissions must be an object")
    for key, entry in permissions.items():
        check = _CHECKS.get(key)
        if check is None:
            raise _invalid(f"{key} is not a valid operation for class level permissions")
        check(key, entry, columns)


def _invalid(message: str) -> ParseError:
    return ParseError(ErrorCode.INVALID_JSON, message)


def _words(value: Json) -> str:
    """A value as JavaScript prints it, for Parse's messages quote it so."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case list():
            return ",".join("" if item is None else _words(item) for item in value)
        case dict():
            return "[object Object]"
    return str(value)


def _entries(key: str, entry: Json) -> Object:
    if not isinstance(entry, dict):
        raise _invalid(f"'{_words(entry)}' is not a valid value for class level permissions {key} - must be an object")
    return entry


def _check_entity(entity: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(entity):
        raise _invalid(f"'{entity}' is not a valid key for class level permissions")


def _check_pointers(names: Iterable[Json], key: str, columns: Columns) -> None:
    for name in names:
        if not isinstance(name, str) or name not in columns.naming_users:
            raise _invalid(f"'{_words(name)}' is not a valid column for class level pointer permissions {key}")


def _check_user_fields(key: str, entry: Json, columns: Columns) -> None:
    if not isinstance(entry, list):
        raise _invalid(f"'{_words(entry)}' is not a valid value for class level permissions {key} - must be an array")
    _check_pointers(entry, key, columns)


def _check_operation(key: str, entry: Json, columns: Columns) -> None:
    for entity, permit in _entries(key, entry).items():
        _check_entity(entity, _PERMITTED)
        if entity == "pointerFields":
            if not isinstance(permit, list):
                raise _invalid(f"'{_words(permit)}' is not a valid value for {key}[{entity}] - expected an array.")
            _check_pointers(permit, key, columns)
        elif permit is not True:
            raise _invalid(f"'{_words(permit)}' is not a valid value for class level permissions acl {key}:{entity}")


def _check_default_acl(key: str, entry: Json, _: Columns) -> None:
    """The ACL that objects made without one are given; `currentUser` stands for who makes them."""
    for entity, rights in _entries(key, entry).items():
        _check_entity(entity, _PERMITTED)
        if not isinstance(rights, dict) or entity == "pointerFields":
            raise _invalid(f"'{_words(rights)}' is not a valid value for class level permissions acl")
        unknown = [right for right in rights if right not in ("read", "write")]
        if unknown:
            raise _invalid(f"'{','.join(unknown)}' is not a valid key for class level permissions acl")
        odd = [value for value in rights.values() if not isinstance(value, bool)]
        if odd:
            raise _invalid(f"'{_words(odd)}' is not a valid value for class level permissions acl")


def _check_protected(key: str, entry: Json, columns: Columns) -> None:
    for entity, names in _entries(key, entry).items():
        _check_entity(entity, _PROTECTING)
        if not isinstance(names, list):
            raise _invalid(f"'{_words(names)}' is not a valid value for protectedFields[{entity}] - expected an array.")
        for name in names:
            _check_protectable(name, entity, columns)


def _check_protectable(name: Json, entity: str, columns: Columns) -> None:
    if isinstance(name, str) and name in columns.defaults:
        raise _invalid(f"Default field '{name}' can not be protected")
    if not isinstance(name, str) or name not in columns.names:
        raise _invalid(f"Field '{_words(name)}' in protectedFields:{entity} does not exist")


_CHECKS: Mapping[str, Callable[[str, Json, Columns], None]] = {
    **dict.fromkeys(OPERATIONS, _check_operation),
    **dict.fromkeys(("readUserFields", "writeUserFields"), _check_user_fields),
    "ACL": _check_default_acl,
    "protectedFields": _check_protected,
}
