"""What a column is: its type, the rules for names, and the type that a value asks for.

Owns: `FieldType`, `Field`, the names of classes and fields, inference, in Parse Server's words (Controllers/SchemaController of
9.10). Imports core/wire and the error codes only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.core.wire import Json, Object, canonical, is_user_principal
from app.errors import ErrorCode, ParseError


class FieldType(StrEnum):
    """The types of Parse's columns."""

    STRING = "String"
    NUMBER = "Number"
    BOOLEAN = "Boolean"
    DATE = "Date"
    OBJECT = "Object"
    ARRAY = "Array"
    POINTER = "Pointer"
    RELATION = "Relation"
    FILE = "File"
    BYTES = "Bytes"
    GEO_POINT = "GeoPoint"
    POLYGON = "Polygon"
    ACL = "ACL"


TARGETED = frozenset({FieldType.POINTER, FieldType.RELATION})
"""Types that name a class they lead to."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column. `default` is canonical wire JSON; None is no default."""

    type: FieldType
    target_class: str | None = None
    required: bool = False
    default: Json = None

    def __str__(self) -> str:
        """As Parse names it in its errors: `String`, `Pointer<_User>`."""
        return f"{self.type}<{self.target_class}>" if self.target_class else str(self.type)

    def accepts(self, other: "Field") -> bool:
        """Whether a value inferred as `other` may stand in this column."""
        return self.type is other.type and self.target_class == other.target_class


# ---- names

MAX_NAME = 63
"""Postgres cuts longer identifiers off, so two long names could become one."""

SYSTEM_CLASS_NAMES = frozenset(
    (
        *("_User", "_Installation", "_Role", "_Session", "_Product"),
        *("_PushStatus", "_JobStatus", "_JobSchedule", "_Audience", "_Idempotency"),
    )
)
"""The names with an underscore that are no mistake."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_JOIN_NAME = re.compile(r"_Join:[A-Za-z0-9_]+:[A-Za-z0-9_]+")
_RESERVED_FIELDS = frozenset({"length", "className", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Parse's own, and the columns that every table of Postgres has anyway."""


def is_class_name(name: str) -> bool:
    """Whether a class may have this name: a system class, a join table, or letters, digits and '_' after a letter."""
    return name in SYSTEM_CLASS_NAMES or bool(_JOIN_NAME.fullmatch(name)) or is_field_name(name)


def is_field_name(name: str) -> bool:
    """Whether a field may have this name."""
    return bool(_NAME.fullmatch(name)) and name not in _RESERVED_FIELDS and len(name) <= MAX_NAME


def check_class_name(name: str) -> None:
    """103 unless a class may have this name."""
    if not is_class_name(name):
        # The trailing space is Parse's.
        reason = "classnames can only have alphanumeric characters and _, and must start with an alpha character "
        raise ParseError(ErrorCode.INVALID_CLASS_NAME, f"Invalid classname: {name}, {reason}")


def check_field_name(name: str, class_name: str) -> None:
    """105 unless a field of this class may have this name."""
    if not is_field_name(name):
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid field name: {name}.")


def check_join_name(name: str, class_name: str, column: Field) -> None:
    """A relation lives in a table of its own, whose name must fit too."""
    if column.type is FieldType.RELATION and len(f"_Join:{name}:{class_name}") > MAX_NAME:
        reason = f"_Join:{name}:{class_name} must not be longer than {MAX_NAME} characters."
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid field name: {name}. {reason}")


def check_object_id(value: str, class_name: str) -> None:
    """105 unless an object may have this chosen id; 119 for a user's that an ACL would read as everybody or as a role."""
    if not value.isprintable():
        raise ParseError(ErrorCode.INVALID_KEY_NAME, "objectId must not hold control characters.")
    if class_name == "_User" and not is_user_principal(value):
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "Invalid object ID.")


def is_index(part: str) -> bool:
    """Whether a part of a dotted key counts the elements of an array."""
    return part.isascii() and part.isdigit() and len(part) < 10  # no array is longer, and Python reads no endless number


# ---- inference

_OPERATED: Mapping[str, FieldType] = {
    "Increment": FieldType.NUMBER,
    "Add": FieldType.ARRAY,
    "AddUnique": FieldType.ARRAY,
    "Remove": FieldType.ARRAY,
}
"""The type of column an operation works on; those not here say it themselves."""


def infer_field(value: Json) -> Field | None:
    """The column a wire value or an operation needs; None for null and Delete, which fit every column.

    111 for a special value that is none, 108 for an unknown operation.
    """
    match value:
        case None:
            return None
        case bool():
            return Field(FieldType.BOOLEAN)
        case str():
            return Field(FieldType.STRING)
        case int() | float():
            return Field(FieldType.NUMBER)
        case list():
            return Field(FieldType.ARRAY)
        case dict():
            return _infer_special(value)


def _infer_special(value: Object) -> Field | None:
    type_name = value.get("__type")
    if type_name:
        checked = canonical(value)
        assert isinstance(checked, dict)
        if type_name in TARGETED:
            return Field(FieldType(str(type_name)), str(checked["className"]))
        return Field(FieldType(str(type_name)))
    if value.get("__op"):
        return _infer_operated(value)
    return Field(FieldType.OBJECT)


def _infer_operated(value: Object) -> Field | None:
    name = value["__op"]
    if isinstance(name, str) and name in _OPERATED:
        return Field(_OPERATED[name])
    match name:
        case "Delete":
            return None
        case "SetOnInsert":
            return infer_field(_plain(value.get("amount")))
        case "AddRelation" | "RemoveRelation":
            return _infer_relation(_operands(value, "objects"))
        case "Batch":
            return next(filter(None, map(_infer_batched, _operands(value, "ops"))), None)
    raise unsupported(name)


def unsupported(name: Json) -> ParseError:
    """108 for an operation that does not exist, or not here."""
    return ParseError(ErrorCode.COMMAND_UNAVAILABLE, f"The {name} operator is not supported yet.")


def _plain(value: Json) -> Json:
    if isinstance(value, dict) and value.get("__op"):
        raise unsupported(value["__op"])
    return value


def _infer_batched(op: Json) -> Field | None:
    """Only operations on a relation come in batches."""
    if not isinstance(op, dict) or op.get("__op") not in ("AddRelation", "RemoveRelation"):
        raise unsupported("Batch")
    return _infer_operated(op)


def _operands(value: Object, key: str) -> list[Json]:
    operands = value.get(key)
    if not isinstance(operands, list):
        raise ParseError(ErrorCode.INVALID_JSON, f"{value['__op']} needs a list under {key}.")
    return operands


def _infer_relation(objects: list[Json]) -> Field | None:
    if not objects:
        return None
    target = objects[0].get("className") if isinstance(objects[0], dict) else None
    if not isinstance(target, str) or not target:
        raise ParseError(ErrorCode.INVALID_JSON, "A relation takes pointers to saved objects.")
    return Field(FieldType.RELATION, target)


def infer_column(key: str, value: Json) -> tuple[str, Field | None]:
    """The column that a key of a save body touches and the type it asks of it.

    A dotted key ("settings.color", "rows.0") reaches into an Object, or into an Array when its second part is a number.
    """
    root, dot, rest = key.partition(".")
    if not dot:
        return key, infer_field(value)
    if infer_field(value) is None:
        return root, None
    return root, Field(FieldType.ARRAY if is_index(rest.partition(".")[0]) else FieldType.OBJECT)
