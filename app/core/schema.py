"""What a class is: its fields and permissions, what a write may put into it, and the /schemas form of it.

Owns: `ClassSchema`, the default columns of the system classes, value checks, in Parse Server's words
(Controllers/SchemaController of 9.10). Holds: a schema is never mutated; every schema has objectId, createdAt,
updatedAt and ACL; whatever came from a client has been checked. Imports core/wire, fields, permissions and the error
codes only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from app.core.fields import (
    TARGETED,
    Field,
    FieldType,
    check_class_name,
    check_field_name,
    check_join_name,
    infer_column,
    infer_field,
    is_field_name,
)
from app.core.permissions import OPEN, Columns, check_permissions, complete_permissions
from app.core.wire import UNSET, Json, Object, Unset, canonical
from app.errors import ErrorCode, ParseError

__all__ = [
    "DEFAULT_FIELDS",
    "SYSTEM_CLASSES",
    "SYSTEM_FIELDS",
    "ClassSchema",
    "Field",
    "FieldType",
    "changed_schema",
    "check_class_name",
    "check_field_name",
    "check_value",
    "class_schema",
    "infer_field",
    "missing_fields",
    "schema_from_stored",
    "schema_from_wire",
    "schema_to_wire",
]

DEFAULT_FIELDS: Mapping[str, Field] = {
    "objectId": Field(FieldType.STRING),
    "createdAt": Field(FieldType.DATE),
    "updatedAt": Field(FieldType.DATE),
    "ACL": Field(FieldType.ACL),
}
"""The columns of every class."""

SYSTEM_FIELDS: Mapping[str, Mapping[str, Field]] = {
    "_User": {
        "username": Field(FieldType.STRING),
        "password": Field(FieldType.STRING),
        "email": Field(FieldType.STRING),
        "emailVerified": Field(FieldType.BOOLEAN),
        "authData": Field(FieldType.OBJECT),
    },
    "_Installation": {
        "installationId": Field(FieldType.STRING),
        "deviceToken": Field(FieldType.STRING),
        "channels": Field(FieldType.ARRAY),
        "deviceType": Field(FieldType.STRING),
        "pushType": Field(FieldType.STRING),
        "GCMSenderId": Field(FieldType.STRING),
        "timeZone": Field(FieldType.STRING),
        "localeIdentifier": Field(FieldType.STRING),
        "badge": Field(FieldType.NUMBER),
        "appVersion": Field(FieldType.STRING),
        "appName": Field(FieldType.STRING),
        "appIdentifier": Field(FieldType.STRING),
        "parseVersion": Field(FieldType.STRING),
    },
    "_Role": {
        "name": Field(FieldType.STRING),
        "users": Field(FieldType.RELATION, "_User"),
        "roles": Field(FieldType.RELATION, "_Role"),
    },
    "_Session": {
        "user": Field(FieldType.POINTER, "_User"),
        "installationId": Field(FieldType.STRING),
        "sessionToken": Field(FieldType.STRING),
        "expiresAt": Field(FieldType.DATE),
        "createdWith": Field(FieldType.OBJECT),
    },
}
"""The further columns of the system classes."""

SECRETS: Mapping[str, frozenset[str]] = {
    "_User": frozenset({"password", "authData", "sessionToken"}),
    "_Session": frozenset({"sessionToken"}),
}
"""Columns that are never rendered, whoever asks; so are all whose name begins with '_'."""


@dataclass(frozen=True, slots=True)
class ClassSchema:
    """A class. `permissions` is its CLP in wire form: an operation that is absent is open to all, one that is {} to nobody."""

    class_name: str
    fields: Mapping[str, Field]
    permissions: Object = field(default_factory=dict)
    indexes: Object = field(default_factory=dict)
    secrets: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        internal = {name for name in self.fields if name.startswith("_")}
        object.__setattr__(self, "secrets", SECRETS.get(self.class_name, frozenset()) | internal)


def class_schema(
    class_name: str, fields: Mapping[str, Field], permissions: Object | None = None, indexes: Object | None = None
) -> ClassSchema:
    """A schema of these fields and the default columns its class has anyway."""
    columns = {**DEFAULT_FIELDS, **SYSTEM_FIELDS.get(class_name, {}), **fields}
    return ClassSchema(class_name, columns, permissions or {}, indexes or {})


SYSTEM_CLASSES: Mapping[str, ClassSchema] = {
    "_User": class_schema("_User", {}, {"protectedFields": {"*": ["email"]}}),
    "_Role": class_schema("_Role", {}),
    "_Session": class_schema("_Session", {}),
    "_Installation": class_schema("_Installation", {}),
}
"""The system classes as a fresh Parse Server has them; others see no e-mail address (its default `protectedFields`)."""


def check_value(schema: ClassSchema, name: str, value: Json | Unset) -> None:
    """111 when a wire value or an operation does not fit the column; a column the class has not yet takes anything."""
    if value is UNSET or name == "ACL":
        return
    root, given = infer_column(name, value)
    expected = schema.fields.get(root)
    if expected is not None and given is not None and not expected.accepts(given):
        raise _mismatch(f"{schema.class_name}.{root}", expected, given)


def _mismatch(where: str, expected: Field, given: Field) -> ParseError:
    return ParseError(ErrorCode.INCORRECT_TYPE, f"schema mismatch for {where}; expected {expected} but got {given}")


def missing_fields(schema: ClassSchema, current: Object | None, changes: Mapping[str, Json | Unset]) -> dict[str, Field]:
    """The columns that `changes` (a save body, or final values) needs and the class has not; what `current` holds is there.

    105 for a name no field may have, 103 for a pointer to what can be no class, 111 for a second GeoPoint.
    """
    missing: dict[str, Field] = {}
    for key, value in changes.items():
        if value is UNSET or key in schema.fields or key in (current or {}):
            continue
        name, inferred = infer_column(key, value)
        if name in schema.fields or name in missing:
            continue
        check_field_name(name, schema.class_name)
        if inferred is not None:
            check_class_name(inferred.target_class or schema.class_name)
            check_join_name(name, schema.class_name, inferred)
            missing[name] = inferred
    _check_one_geo_point(changes)
    return missing


def _check_one_geo_point(changes: Mapping[str, Json | Unset]) -> None:
    points = [key for key, value in changes.items() if isinstance(value, dict) and value.get("__type") == "GeoPoint"]
    if len(points) > 1:
        raise ParseError(ErrorCode.INCORRECT_TYPE, "there can only be one geopoint field in a class")


# ---- the form of /schemas


def schema_error(code: int, message: str) -> ParseError:
    """A refusal with one of the numbers that Parse uses for schemas without naming them (135, 136, 255)."""
    return ParseError(cast(ErrorCode, code), message)


_OPTIONS = frozenset({"type", "targetClass", "required", "defaultValue"})
_COLUMN_TYPES = {member.value: member for member in FieldType if member is not FieldType.ACL}
_BODY_KEYS = frozenset({"className", "fields", "classLevelPermissions", "indexes"})


def schema_to_wire(schema: ClassSchema) -> Object:
    """A schema as GET /schemas answers it, every permission spelled out."""
    fields: Object = {name: _field_to_wire(column) for name, column in schema.fields.items() if not name.startswith("_")}
    wire: Object = {"className": schema.class_name, "fields": fields}
    wire["classLevelPermissions"] = dict(schema.permissions or OPEN)
    return {**wire, "indexes": schema.indexes} if schema.indexes else wire


def _field_to_wire(column: Field) -> Object:
    wire: Object = {"type": str(column.type)}
    if column.target_class:
        wire["targetClass"] = column.target_class
    if column.required:
        wire["required"] = True
    return wire if column.default is None else {**wire, "defaultValue": column.default}


def schema_from_wire(raw: Json) -> ClassSchema:
    """The schema a client asks for with POST /schemas, checked whole, default columns added.

    Codes as Parse: 135 no class name, 103 a bad one, 105 a bad field name, 136 a default column, 111 a bad type or
    default, 107 bad permissions, 102 an index on nothing.
    """
    body = _schema_body(raw)
    class_name = body.get("className")
    if not isinstance(class_name, str) or not class_name:
        raise schema_error(135, "POST /schemas needs a class name.")
    check_class_name(class_name)
    return _checked_schema(class_name, {}, body, None)


def schema_from_stored(raw: Json) -> ClassSchema:
    """A schema as a `_SCHEMA` row holds it (Parse Server's or ours), taken at its word; internal '_' columns stay out."""
    assert isinstance(raw, dict)
    stored = raw.get("fields")
    columns = stored.items() if isinstance(stored, dict) else ()
    fields = {name: _stored_field(wire) for name, wire in columns if not name.startswith("_")}
    permissions = complete_permissions(raw.get("classLevelPermissions"))
    return class_schema(str(raw["className"]), fields, permissions, _dict(raw.get("indexes")))


def changed_schema(schema: ClassSchema, raw: Json) -> ClassSchema:
    """The schema that PUT /schemas/X makes of this one: fields and indexes are added, or taken away by {"__op": "Delete"}.

    Permissions are replaced when given. Codes as `schema_from_wire`, and 255 for a field that is there or is not, 136 for
    taking a default column away.
    """
    body = _schema_body(raw)
    if body.get("className") not in (None, schema.class_name):
        mismatch = f"Class name mismatch between {body['className']} and {schema.class_name}."
        raise ParseError(ErrorCode.INVALID_CLASS_NAME, mismatch)
    submitted = _dict(body.get("fields"))
    for name, wire in submitted.items():
        _check_change(schema, name, wire)
    deleted = {name for name, wire in submitted.items() if _is_delete(wire)}
    kept = {name: column for name, column in schema.fields.items() if name not in deleted}
    added: Object = {name: wire for name, wire in submitted.items() if name not in deleted}
    return _checked_schema(schema.class_name, kept, {**body, "fields": added}, schema)


def _check_change(schema: ClassSchema, name: str, wire: Json) -> None:
    there = schema.fields.get(name)
    if _is_delete(wire):
        if there is None:
            raise schema_error(255, f"Field {name} does not exist, cannot delete.")
        if name in DEFAULT_FIELDS or name in SYSTEM_FIELDS.get(schema.class_name, {}):
            raise schema_error(136, f"field {name} cannot be changed")
    elif there is not None and _dict(wire).get("type") != there.type:
        raise schema_error(255, f"Field {name} exists, cannot update.")


def _is_delete(wire: Json) -> bool:
    return isinstance(wire, dict) and wire.get("__op") == "Delete"


def _dict(value: Json) -> Object:
    """An optional object; 107 for anything else."""
    if value is not None and not isinstance(value, dict):
        raise ParseError(ErrorCode.INVALID_JSON, "invalid JSON")
    return value or {}


def _schema_body(raw: Json) -> Object:
    body = _dict(raw)
    unknown = sorted(body.keys() - _BODY_KEYS)
    if unknown:
        known = ", ".join(sorted(_BODY_KEYS))
        raise ParseError(ErrorCode.INVALID_JSON, f"A schema has no {unknown[0]}; it has {known}.")
    return body


def _checked_schema(class_name: str, kept: Mapping[str, Field], body: Object, old: ClassSchema | None) -> ClassSchema:
    """The kept columns and the checked new ones as a schema, its permissions and indexes judged against all of them."""
    added = {name: _new_field(class_name, name, wire, kept) for name, wire in _dict(body.get("fields")).items()}
    schema = class_schema(class_name, {**kept, **added})
    points = [name for name, column in schema.fields.items() if column.type is FieldType.GEO_POINT]
    if len(points) > 1:
        one = "currently, only one GeoPoint field may exist in an object."
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"{one} Adding {points[1]} when {points[0]} already exists.")
    permissions = body.get("classLevelPermissions")
    if permissions is not None:
        check_permissions(permissions, _columns(schema))
    chosen = complete_permissions(permissions) if permissions is not None or old is None else old.permissions
    indexes = _changed_indexes(old.indexes if old else {}, _dict(body.get("indexes")), schema)
    return ClassSchema(class_name, schema.fields, chosen, indexes)


def _columns(schema: ClassSchema) -> Columns:
    user = Field(FieldType.POINTER, "_User")
    naming = {name for name, column in schema.fields.items() if column.accepts(user) or column.type is FieldType.ARRAY}
    return Columns(schema.fields.keys(), DEFAULT_FIELDS.keys(), naming)


def _new_field(class_name: str, name: str, wire: Json, kept: Mapping[str, Field]) -> Field:
    if name not in kept:
        if not is_field_name(name):
            raise ParseError(ErrorCode.INVALID_KEY_NAME, f"invalid field name: {name}")
        if name in DEFAULT_FIELDS or name in SYSTEM_FIELDS.get(class_name, {}):
            raise schema_error(136, f"field {name} cannot be added")
    column = _parsed_field(name, wire)
    if name in kept and not kept[name].accepts(column):
        raise _mismatch(f"{class_name}.{name}", kept[name], column)
    check_join_name(name, class_name, column)
    _check_default(class_name, name, column)
    return column


def _parsed_field(name: str, wire: Json) -> Field:
    if not isinstance(wire, dict) or not isinstance(wire.get("type"), str):
        raise ParseError(ErrorCode.INVALID_JSON, "invalid JSON")
    unknown = sorted(wire.keys() - _OPTIONS)
    if unknown or not isinstance(wire.get("required", False), bool):
        odd = unknown[0] if unknown else "required"
        raise ParseError(ErrorCode.INVALID_JSON, f"The option {odd} of field {name} is not valid.")
    field_type, target = _parsed_type(str(wire["type"]), wire.get("targetClass"))
    return Field(field_type, target, bool(wire.get("required")), canonical(wire.get("defaultValue"), name))


def _parsed_type(name: str, target: Json) -> tuple[FieldType, str | None]:
    field_type = _COLUMN_TYPES.get(name)
    if field_type is None:
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"invalid field type: {name}")
    if field_type not in TARGETED:
        return field_type, None
    if not target:
        raise schema_error(135, f"type {name} needs a class name")
    if not isinstance(target, str):
        raise ParseError(ErrorCode.INVALID_JSON, "invalid JSON")
    check_class_name(target)
    return field_type, target


def _check_default(class_name: str, name: str, column: Field) -> None:
    given = infer_field(column.default)
    option = "default value" if given else "required"
    if column.type is FieldType.RELATION and (given or column.required):
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"The '{option}' option is not applicable for {column}")
    if given and not column.accepts(given):
        raise _mismatch(f"{class_name}.{name} default value", column, given)


def _changed_indexes(old: Object, submitted: Object, schema: ClassSchema) -> Object:
    for name, index in submitted.items():
        if _is_delete(index) and name not in old:
            raise ParseError(ErrorCode.INVALID_QUERY, f"Index {name} does not exist, cannot delete.")
        if not _is_delete(index) and name in old:
            raise ParseError(ErrorCode.INVALID_QUERY, f"Index {name} exists, cannot update.")
        missing = [key for key in _dict(index) if key != "__op" and key not in schema.fields]
        if missing:
            raise ParseError(ErrorCode.INVALID_QUERY, f"Field {missing[0]} does not exist, cannot add index.")
    return {name: index for name, index in {**old, **submitted}.items() if not _is_delete(index)}


def _stored_field(wire: Json) -> Field:
    options = _dict(wire)
    target = options.get("targetClass")
    return Field(
        FieldType(str(options["type"])),
        str(target) if target else None,
        options.get("required") is True,
        options.get("defaultValue"),
    )
