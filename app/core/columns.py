"""How Parse's field types lie in Postgres: Parse Server's own column layout.

Owns: checked and quoted identifiers, the column type of a field, and a value as the argument for its column. Holds: no
text of a client ever becomes SQL but through `quote`. Imports schema and wire.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from app.core.schema import Field, FieldType
from app.core.wire import Json, Object, date_from_wire, encode, is_object
from app.errors import ErrorCode, ParseError

_FIRST = datetime.min.replace(tzinfo=UTC)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_:]*")

COLUMN_TYPES: Mapping[FieldType, str] = {
    FieldType.STRING: "text",
    FieldType.NUMBER: "double precision",
    FieldType.BOOLEAN: "boolean",
    FieldType.DATE: "timestamptz",
    FieldType.OBJECT: "jsonb",
    FieldType.ARRAY: "jsonb",
    FieldType.POINTER: "text",
    FieldType.FILE: "text",
    FieldType.BYTES: "jsonb",
    FieldType.GEO_POINT: "point",
    FieldType.POLYGON: "polygon",
}
"""Parse Server's column types; Relation and ACL have no column of their own."""


@lru_cache(maxsize=4096)
def quote(name: str) -> str:
    """A class, field or join table name as an SQL identifier; 105 for what can be none."""
    if not _IDENTIFIER.fullmatch(name):
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid name: {name}")
    return f'"{name}"'


def join_table(key: str, class_name: str) -> str:
    """The quoted name of the table that keeps relation `key` of a class."""
    return quote(f"_Join:{key}:{class_name}")


def column_type(field: Field) -> str | None:
    """The Postgres type of a field's column; None for Relation and ACL, which have none."""
    return COLUMN_TYPES.get(field.type)


def to_column(field: Field, value: Json) -> object:
    """A canonical value of the field's type as asyncpg takes it for that column; jsonb columns take JSON text."""
    if value is None:
        return None
    convert = _CONVERSIONS.get(field.type)
    return value if convert is None else convert(value)


def moment(date: Object) -> datetime:
    """A canonical wire Date as the argument for timestamptz."""
    at = date_from_wire(date)
    # asyncpg sends the first moment Python knows as -infinity, which reads as absent. The wire shows no microseconds.
    return at.replace(microsecond=1) if at == _FIRST else at


def json_text(value: Json) -> str:
    """A value as the argument for jsonb."""
    return encode(value).decode()


def _object(value: Json) -> Object:
    assert is_object(value)
    return value


def _coordinates(polygon: Json) -> list[tuple[float, float]]:
    """The vertices as Postgres keeps them: (longitude, latitude)."""
    vertices = _object(polygon)["coordinates"]
    assert isinstance(vertices, list)
    pairs = [pair for pair in vertices if isinstance(pair, list)]
    return [(_double(longitude), _double(latitude)) for latitude, longitude in pairs]


def _double(value: Json) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _point(value: Json) -> tuple[float, float]:
    point = _object(value)
    return _double(point["longitude"]), _double(point["latitude"])


_CONVERSIONS: Mapping[FieldType, Callable[[Json], object]] = {
    FieldType.NUMBER: _double,
    FieldType.DATE: lambda value: moment(_object(value)),
    FieldType.OBJECT: json_text,
    FieldType.ARRAY: json_text,
    FieldType.BYTES: json_text,
    FieldType.POINTER: lambda value: _object(value)["objectId"],
    FieldType.FILE: lambda value: _object(value)["name"],
    FieldType.GEO_POINT: _point,
    FieldType.POLYGON: _coordinates,
}
