"""What a path means in a class: which kind of value stands there, and where.

Owns: `Cell` and the typing of comparison values, shared by both compilers so that they agree on what never matches.
Holds: a value that does not fit the cell is dropped here, once, for memory and database alike. Imports nodes and schema.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from app.core.nodes import Frozen, FrozenObject, Path, thaw
from app.core.schema import ClassSchema, FieldType
from app.core.wire import Json, Object


class Kind(Enum):
    """How the value of a path is kept and compared."""

    ABSENT = "absent"
    """No such field: never there."""
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    POINTER = "pointer"
    FILE = "file"
    POINT = "point"
    POLYGON = "polygon"
    ARRAY = "array"
    OBJECT = "object"
    """A whole Object or Bytes field."""
    JSON = "json"
    """Something inside an Object or Array field: its type is known only when it is there."""
    RELATION = "relation"


_KINDS = {
    FieldType.STRING: Kind.TEXT,
    FieldType.NUMBER: Kind.NUMBER,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.DATE: Kind.DATE,
    FieldType.POINTER: Kind.POINTER,
    FieldType.FILE: Kind.FILE,
    FieldType.GEO_POINT: Kind.POINT,
    FieldType.POLYGON: Kind.POLYGON,
    FieldType.ARRAY: Kind.ARRAY,
    FieldType.OBJECT: Kind.OBJECT,
    FieldType.BYTES: Kind.OBJECT,
    FieldType.RELATION: Kind.RELATION,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One place in the objects of a class; `target_class` of pointers and relations."""

    kind: Kind
    path: Path
    target_class: str | None = None


def cell_at(schema: ClassSchema, path: Path) -> Cell:
    """The cell that a path means; ABSENT where the class has no such field or the field no inside."""
    field = schema.fields.get(path[0])
    if field is None:
        return Cell(Kind.ABSENT, path)
    if len(path) > 1:
        has_inside = field.type in (FieldType.OBJECT, FieldType.ARRAY)
        return Cell(Kind.JSON if has_inside else Kind.ABSENT, path)
    return Cell(_KINDS.get(field.type, Kind.ABSENT), path, field.target_class)


Atom: TypeAlias = str | int | float | bool
"""What plain columns are compared by: a text, number or flag; a date's ISO text, a pointer's id, a file's name."""


def atom_for(cell: Cell, value: Frozen) -> Atom | None:
    """The value as the cell's column is compared by; None when it never equals what can stand there."""
    if cell.kind is Kind.TEXT:
        return value if isinstance(value, str) else None
    if cell.kind is Kind.NUMBER:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if cell.kind is Kind.BOOLEAN:
        return value if isinstance(value, bool) else None
    if not isinstance(value, FrozenObject):
        return None
    return _special_atom(cell, value)


def _special_atom(cell: Cell, value: FrozenObject) -> Atom | None:
    kind, key = _SPECIAL.get(cell.kind, ("", ""))
    atom = value.get(key)
    fits = value.get("__type") == kind and (kind != "Pointer" or value.get("className") == cell.target_class)
    return atom if fits and isinstance(atom, str) else None


_SPECIAL = {Kind.DATE: ("Date", "iso"), Kind.POINTER: ("Pointer", "objectId"), Kind.FILE: ("File", "name")}

ATOMIC = frozenset({Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE, Kind.POINTER, Kind.FILE})
"""Kinds whose values are compared as one atom."""

ORDERED = frozenset({Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE})
"""Atomic kinds that have an order."""


def special(value: Json, name: str) -> Object | None:
    """The thawed special value, if it is one of type `name`."""
    return value if isinstance(value, dict) and value.get("__type") == name else None


def point_of(value: Frozen) -> tuple[float, float] | None:
    """(longitude, latitude) of a frozen GeoPoint."""
    point = special(thaw(value), "GeoPoint")
    return point_of_wire(point) if point else None


def point_of_wire(point: Json) -> tuple[float, float] | None:
    """(longitude, latitude) of a wire GeoPoint, None for anything else; never raises."""
    if not isinstance(point, dict):
        return None
    longitude, latitude = point.get("longitude"), point.get("latitude")
    if not isinstance(longitude, int | float) or not isinstance(latitude, int | float):
        return None
    return float(longitude), float(latitude)


def ring_of(value: Frozen) -> tuple[tuple[float, float], ...] | None:
    """The (longitude, latitude) vertices of a frozen Polygon; on the wire they are [latitude, longitude]."""
    polygon = special(thaw(value), "Polygon")
    return ring_of_wire(polygon) if polygon else None


def ring_of_wire(polygon: Json) -> tuple[tuple[float, float], ...] | None:
    """The (longitude, latitude) vertices of a wire Polygon, None for anything else; never raises."""
    coordinates = polygon.get("coordinates") if isinstance(polygon, dict) else None
    if not isinstance(coordinates, list) or not coordinates:
        return None
    ring: list[tuple[float, float]] = []
    for pair in coordinates:
        if not isinstance(pair, list) or len(pair) != 2:
            return None
        latitude, longitude = pair
        if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
            return None
        ring.append((float(longitude), float(latitude)))
    return tuple(ring)


def is_plain(value: Frozen) -> bool:
    """Whether a value inside JSON is a text, number or flag, for which jsonb containment is equality."""
    return isinstance(value, str | int | float)


def is_pointer(value: Frozen) -> bool:
    """Whether a frozen value is a Pointer."""
    return isinstance(value, FrozenObject) and value.get("__type") == "Pointer"
