"""Who may do what: class level permissions, pointer permissions, ACLs and protected fields, decided in one place.

Owns: `Authority` (who asks) and every decision about it, as Parse Server 9.10 takes them (SchemaController.validatePermission,
DatabaseController.addPointerPermissions, addProtectedFields, filterSensitiveData). Holds: what a caller may see or change is an
AST that goes into the query, so nothing is fetched first and judged later; a doubt is a refusal. Imports core/query,
schema, wire and the error codes only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from app.core.query import All, Allowed, And, Compare, Everything, Node, Nothing, Or, freeze
from app.core.schema import ClassSchema, FieldType
from app.core.wire import Json, Object, is_user_principal, pointer, principals_of
from app.errors import ErrorCode, ParseError

Operation: TypeAlias = Literal["find", "get", "count", "create", "update", "delete", "addField"]

READING = frozenset({"find", "get", "count"})

_USER_FIELD = "userField:"


@dataclass(frozen=True, slots=True)
class Authority:
    """Who asks: a user with roles (their names, inherited ones included), nobody, or the master key."""

    user_id: str | None = None
    roles: frozenset[str] = frozenset()
    is_master: bool = False
    is_read_only: bool = False
    principals: frozenset[str] = field(init=False, compare=False, repr=False)
    """What an ACL may call the caller: '*', the user's id, 'role:<name>'."""

    def __post_init__(self) -> None:
        # An id that reads like '*' or a role stands for no role: objectIds may be chosen, by a setting or in SQL.
        user = [self.user_id] if self.user_id and is_user_principal(self.user_id) else []
        object.__setattr__(self, "principals", frozenset(["*", *user, *(f"role:{role}" for role in self.roles)]))


# ---- class level and pointer permissions


def check_class(schema: ClassSchema, operation: Operation, authority: Authority, *, creating: bool = False) -> tuple[str, ...]:
    """Refuses (119; 101 where a sign-in would do) what the class does not permit this caller.

    Returns () when the permission holds for every object, else the fields one of which must name the caller: the nodes of
    `readable` and `writable` ask for that. `creating` says that addField happens in a create, where no object can name
    anybody yet.
    """
    if authority.is_master:
        return _checked_master(operation, authority)
    permitted = schema.permissions.get(operation)
    if permitted is None:
        return ()
    entities = permitted if isinstance(permitted, dict) else {}
    if any(entities.get(who) is True for who in authority.principals):
        return ()
    fields = _pointer_fields(schema, operation)
    if entities.get("requiresAuthentication"):
        if authority.user_id is None:
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Permission denied, user needs to be authenticated.")
        return fields
    if operation == "create" or not fields or (creating and not _user_fields(schema, operation)):
        raise _denied(operation, schema.class_name)
    return fields


def _checked_master(operation: Operation, authority: Authority) -> tuple[str, ...]:
    if authority.is_read_only and operation not in READING:
        words = f"read-only masterKey isn't allowed to perform the {operation} operation."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    return ()


def _denied(operation: Operation, class_name: str) -> ParseError:
    """Parse's words with `enableSanitizedErrorResponse` off: they tell a developer what to change, and no secret."""
    return ParseError(ErrorCode.OPERATION_FORBIDDEN, f"Permission denied for action {operation} on class {class_name}.")


def _pointer_fields(schema: ClassSchema, operation: Operation) -> tuple[str, ...]:
    """The fields through which an object can grant the operation to the users it names."""
    permitted = schema.permissions.get(operation)
    own = _names(permitted.get("pointerFields")) if isinstance(permitted, dict) else ()
    return tuple(dict.fromkeys([*own, *_user_fields(schema, operation)]))


def _user_fields(schema: ClassSchema, operation: Operation) -> tuple[str, ...]:
    """The fields that grant all reading, or all writing."""
    return _names(schema.permissions.get("readUserFields" if operation in READING else "writeUserFields"))


def _names(value: Json) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _names_caller(schema: ClassSchema, fields: Iterable[str], authority: Authority) -> Node:
    """One of the fields names the caller."""
    if authority.user_id is None:
        return Nothing()
    user = freeze(pointer("_User", authority.user_id))
    clauses: list[Node] = []
    for name in fields:
        column = schema.fields.get(name)
        if column is not None and column.type is FieldType.ARRAY:
            clauses.append(All((name,), (user,)))
        elif column is not None and column.type in (FieldType.POINTER, FieldType.OBJECT):
            clauses.append(Compare((name,), "eq", user))
    return clauses[0] if len(clauses) == 1 else Or(tuple(clauses))


# ---- what this caller may see or change, as AST


def readable(schema: ClassSchema, operation: Operation, authority: Authority) -> Node:
    """The objects of the class that the caller may find, get or count. Raises as `check_class`."""
    return _allowed(schema, operation, authority, "read")


def writable(schema: ClassSchema, operation: Operation, authority: Authority) -> Node:
    """The objects of the class that the caller may update or delete. Raises as `check_class`.

    A save that adds a column needs `writable` for "update" and for "addField".
    """
    return _allowed(schema, operation, authority, "write")


def _allowed(schema: ClassSchema, operation: Operation, authority: Authority, permission: Literal["read", "write"]) -> Node:
    fields = check_class(schema, operation, authority)
    if authority.is_master:
        return Everything()
    by_acl = Allowed(tuple(sorted(authority.principals)), permission)
    if not fields:
        return by_acl
    named = _names_caller(schema, fields, authority)
    return named if isinstance(named, Nothing) else And((by_acl, named))


def can_read(obj: Object, authority: Authority) -> bool:
    """Whether the ACL of an object in memory lets the caller read it; its class is another matter."""
    readers = principals_of(obj)
    return authority.is_master or readers is None or not readers.isdisjoint(authority.principals)


def default_acl(schema: ClassSchema, authority: Authority) -> Object | None:
    """The ACL of an object that is made without one; None is public. The CLP's `currentUser` becomes who makes it."""
    acl = schema.permissions.get("ACL")
    if not isinstance(acl, dict) or acl == {"*": {"read": True, "write": True}}:
        return None
    granted: Object = {who: rights for who, rights in acl.items() if who != "currentUser"}
    if authority.user_id is not None and "currentUser" in acl:
        granted[authority.user_id] = acl["currentUser"]
    return granted


# ---- protected fields


def hidden_fields(schema: ClassSchema, authority: Authority) -> frozenset[str]:
    """The fields never to be rendered for this caller, whatever the object says: secrets, and what is protected."""
    return schema.secrets | protected_fields(schema, authority)


def protected_fields(schema: ClassSchema, authority: Authority) -> frozenset[str]:
    """The fields that every group the caller is in has protected: a group that protects less shows more.

    An object may show more of itself to those it names, see `protected_for`.
    """
    if authority.is_master:
        return frozenset()
    user = {authority.user_id, "authenticated"} if authority.user_id else set()
    groups = [fields for entity, fields in _protecting(schema).items() if entity in authority.principals or entity in user]
    return frozenset.intersection(*groups) if groups else frozenset()


def protected_by_pointer(schema: ClassSchema) -> Mapping[str, frozenset[str]]:
    """For each field of a `userField:` rule, what stays protected from a user whom that field of an object names."""
    rules = _protecting(schema).items()
    return {entity.removeprefix(_USER_FIELD): fields for entity, fields in rules if entity.startswith(_USER_FIELD)}


def protected_for(schema: ClassSchema, obj: Object, authority: Authority) -> frozenset[str]:
    """The protected fields of this one object: its `userField:` rules can only show more, and a user sees all of its own."""
    protected = protected_fields(schema, authority)
    if not protected or authority.user_id is None:
        return protected
    if schema.class_name == "_User" and obj.get("objectId") == authority.user_id:
        return frozenset()
    rules = protected_by_pointer(schema).items()
    return protected.intersection(*(fields for name, fields in rules if _names_user(obj.get(name), authority.user_id)))


def _protecting(schema: ClassSchema) -> Mapping[str, frozenset[str]]:
    groups = schema.permissions.get("protectedFields")
    return {entity: frozenset(_names(names)) for entity, names in groups.items()} if isinstance(groups, dict) else {}


def _names_user(value: Json, user_id: str) -> bool:
    if isinstance(value, list):
        return any(_names_user(item, user_id) for item in value if not isinstance(item, list))
    return isinstance(value, dict) and value.get("objectId") == user_id
