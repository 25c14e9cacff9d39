"""What a Parse value looks like: the canonical wire JSON that every floor above the database passes around.

Owns: JSON text <-> values, the special types (`__type`: Date Pointer Relation File Bytes GeoPoint Polygon), times and
ACLs. Holds: a value that left `canonical` is finite, within depth, has UTC dates with milliseconds, no unknown
`__type` and no key the database or an SDK would stumble over; canonical values are equal exactly when their JSON is.
Nothing here mutates its argument. Imports msgspec and the error codes only.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from math import inf, isfinite
from typing import Final, TypeAlias, TypeGuard

import msgspec

from app.errors import ErrorCode, ParseError

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
Object: TypeAlias = dict[str, Json]
Permissions: TypeAlias = list[str] | None
"""Who is granted something: principals ('*', a user id, 'role:x'); None is everybody, [] nobody but the master key."""


class Unset(Enum):
    """The type of `UNSET`: a column that is to become empty, which JSON has no value for."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


UNSET: Final = Unset.UNSET

MAX_DEPTH = 100
"""Levels of nesting a value may have; deeper ones are refused before they can exhaust the stack."""

EXACT_INTEGERS = 2**53
"""Parse numbers are IEEE doubles: whole numbers are exact up to here, beyond they are kept as the nearest double."""

PROHIBITED_KEYS = {
    "__proto__": '{"key":"__proto__"}',
    "constructor": '{"key":"constructor"}',
}
"""Keys that poison the objects of JavaScript clients; Parse Server's default `requestKeywordDenylist`."""

_ACL_RIGHTS = frozenset({"read", "write"})
_NOBODY = frozenset({"", "role:", "*unresolved"})


def decode(text: str | bytes) -> Json:
    """JSON text as a value; refuses anything else (NaN and Infinity too) with 107."""
    try:
        value: Json = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ParseError(ErrorCode.INVALID_JSON, f"Invalid JSON: {error}") from error
    except RecursionError as error:
        raise ParseError(ErrorCode.INVALID_JSON, "Invalid JSON: it is nested too deeply.") from error
    return value


def encode(value: Json | Mapping[str, Json]) -> bytes:
    """A value as compact JSON text; the order of keys is the order of the dict."""
    return msgspec.json.encode(value)


def identity(value: Json) -> bytes:
    """A text that two canonical values share exactly when jsonb calls them equal: key order is naught, true is not 1."""
    return msgspec.json.encode(value, order="deterministic")


def same(left: Json, right: Json) -> bool:
    """Whether two canonical values are the same JSON; Python's == would take true for 1."""
    return left == right and (isinstance(left, str) or identity(left) == identity(right))


# ---- times


def iso(moment: datetime) -> str:
    """An aware time as Parse writes it: UTC, milliseconds (the rest is cut off), 'Z'."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_iso(text: str) -> datetime:
    """An ISO 8601 text as an aware UTC time cut to milliseconds; without a zone it is UTC. ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        utc = aware.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} lies outside the years 1 to 9999") from error
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def date_to_wire(moment: datetime) -> Object:
    """An aware time as a wire Date."""
    return {"__type": "Date", "iso": iso(moment)}


def date_from_wire(value: Object) -> datetime:
    """A canonical wire Date as an aware UTC time; 111 if it is none."""
    return parse_iso(_text(canonical(value), "iso"))


# ---- special values

FILE_BEGINS: Final = b'{"__type":"File","name":"'
"""What a File begins with where the database has rendered it."""


def pointer(class_name: str, object_id: str) -> Object:
    """A wire Pointer."""
    return {"__type": "Pointer", "className": class_name, "objectId": object_id}


def is_object(value: object) -> TypeGuard[Object]:
    """Whether a wire value is a JSON object."""
    return isinstance(value, dict)


def is_type(value: Json, name: str) -> bool:
    """Whether a wire value is the special value `name` ('Date', 'Pointer', …)."""
    return isinstance(value, dict) and value.get("__type") == name


def _invalid(type_name: object, reason: str = "") -> ParseError:
    """Parse's words for a special value that is none, followed by what to do about it."""
    return ParseError(ErrorCode.INCORRECT_TYPE, f"This is not a valid {type_name}" + (f": {reason}" if reason else ""))


def _text(value: Json, key: str) -> str:
    """The non-empty text under `key` of a special value."""
    assert isinstance(value, dict)
    text = value.get(key)
    if not isinstance(text, str) or not text or "\0" in text:
        raise _invalid(value.get("__type"), f"{key} must be a non-empty string.")
    return text


def _date(value: Object) -> Object:
    try:
        return date_to_wire(parse_iso(_text(value, "iso")))
    except ValueError as error:
        raise _invalid("Date", "iso must be a time such as 2026-11-21T10:00:00.000Z.") from error


def _pointer(value: Object) -> Object:
    return pointer(_text(value, "className"), _text(value, "objectId"))


def _relation(value: Object) -> Object:
    return {"__type": "Relation", "className": _text(value, "className")}


def _file(value: Object) -> Object:
    url: Object = {"url": _text(value, "url")} if value.get("url") is not None else {}
    return {"__type": "File", "name": _text(value, "name"), **url}


def _bytes(value: Object) -> Object:
    return {"__type": "Bytes", "base64": _text(value, "base64")}


def _degrees(type_name: str, name: str, value: Json, bound: float) -> int | float:
    """A latitude or longitude within ±`bound`; the words are those of Parse.GeoPoint."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(type_name, f"{name} must be a number.")
    degrees = _number(value)
    if not -bound <= degrees <= bound:
        over = f"{degrees} > {bound}" if degrees > 0 else f"{degrees} < -{bound}"
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"GeoPoint {name} out of bounds: {over}.")
    return degrees


def _geo_point(value: Object) -> Object:
    latitude = _degrees("GeoPoint", "latitude", value.get("latitude"), 90.0)
    longitude = _degrees("GeoPoint", "longitude", value.get("longitude"), 180.0)
    return {"__type": "GeoPoint", "latitude": latitude, "longitude": longitude}


def _vertex(value: Json) -> list[Json]:
    if not isinstance(value, list) or len(value) != 2:
        raise _invalid("Polygon", "coordinates must be a list of [latitude, longitude] pairs.")
    return [_degrees("Polygon", "latitude", value[0], 90.0), _degrees("Polygon", "longitude", value[1], 180.0)]


def _polygon(value: Object) -> Object:
    """Closed, as the database keeps it: the last vertex repeats the first."""
    coordinates = value.get("coordinates")
    if not isinstance(coordinates, list):
        raise _invalid("Polygon", "coordinates must be a list of [latitude, longitude] pairs.")
    if len(coordinates) < 3:
        raise ParseError(ErrorCode.INVALID_JSON, "Polygon must have at least 3 values")
    ring = [_vertex(vertex) for vertex in coordinates]
    if len({tuple(map(str, vertex)) for vertex in ring}) < 3:
        raise ParseError(ErrorCode.INVALID_JSON, "GeoJSON: Loop must have at least 3 different vertices")
    closed: list[Json] = [*ring, *([list(ring[0])] if ring[0] != ring[-1] else [])]
    return {"__type": "Polygon", "coordinates": closed}


_SPECIAL: Mapping[str, Callable[[Object], Object]] = {
    "Date": _date,
    "Pointer": _pointer,
    "Relation": _relation,
    "File": _file,
    "Bytes": _bytes,
    "GeoPoint": _geo_point,
    "Polygon": _polygon,
}


# ---- canonical form


def canonical(value: Json, path: str = "") -> Json:
    """Any wire value checked and in its one canonical form, as a deep copy.

    `path` names the value in refusals. 107 what JSON or Postgres cannot hold, 111 a broken or unknown special value,
    121 a nested key with '$' or '.', 105 a prohibited key.
    """
    return _canonical(value, path, 0)


def _canonical(value: Json, path: str, depth: int) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _string(value, path)
    if isinstance(value, int | float):
        return _number(value, path)
    if depth >= MAX_DEPTH:
        raise _refused(path, f"is nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(value, list):
        return [_canonical(item, path, depth + 1) for item in value]
    return _dict(value, path, depth)


def _refused(path: str, reason: str) -> ParseError:
    return ParseError(ErrorCode.INVALID_JSON, f"{path or 'The value'} {reason}.")


def _string(value: str, path: str) -> str:
    if "\0" in value:
        raise _refused(path, "contains the character U+0000, which can't be stored")
    return value


def _number(value: int | float, path: str = "") -> int | float:
    """One form per number: whole ones within 2^53 as int, all others as the double they are."""
    if isinstance(value, int) and -EXACT_INTEGERS <= value <= EXACT_INTEGERS:
        return value
    try:
        double = float(value)
    except OverflowError:
        double = inf
    if not isfinite(double):
        raise _refused(path, "is not a finite number")
    return int(double) if double.is_integer() and abs(double) <= EXACT_INTEGERS else double


def _dict(value: Object, path: str, depth: int) -> Object:
    type_name = value.get("__type")
    if type_name:
        special = _SPECIAL.get(type_name) if isinstance(type_name, str) else None
        if special is None:
            raise _invalid(type_name)
        return special(value)
    result: Object = {}
    for key, item in value.items():
        check_nested_key(key)
        result[key] = _canonical(item, f"{path}.{key}" if path else key, depth + 1)
    return result


def check_nested_key(key: str) -> None:
    """Refuses a key inside a value that Parse refuses: '$' and '.' (121), keys that poison JavaScript objects (105)."""
    if "$" in key or "." in key:
        raise ParseError(ErrorCode.INVALID_NESTED_KEY, "Nested keys should not contain the '$' or '.' characters")
    if "\0" in key:
        raise ParseError(ErrorCode.INVALID_NESTED_KEY, "Nested keys should not contain the character U+0000")
    if key in PROHIBITED_KEYS:
        message = f"Prohibited keyword in request data: {PROHIBITED_KEYS[key]}."
        raise ParseError(ErrorCode.INVALID_KEY_NAME, message)


# ---- ACL


def is_user_principal(principal: str) -> bool:
    """Whether a name in an ACL is one user's objectId: neither everybody nor a role."""
    return principal != "*" and not principal.startswith("role:")


def acl_to_permissions(acl: Json) -> tuple[Permissions, Permissions]:
    """A wire ACL as (`_rperm`, `_wperm`); no ACL is (None, None), public. 123 if it is no ACL."""
    if acl is None:
        return None, None
    if not isinstance(acl, dict):
        raise ParseError(ErrorCode.INVALID_ACL, "Invalid ACL. It must be an object with one entry for each principal.")
    rights = {principal: _rights(principal, entry) for principal, entry in acl.items()}
    readers = [principal for principal, granted in rights.items() if "read" in granted]
    writers = [principal for principal, granted in rights.items() if "write" in granted]
    return readers, writers


def _rights(principal: str, entry: Json) -> frozenset[str]:
    """What one entry of an ACL grants."""
    if principal in _NOBODY or "\0" in principal:
        raise ParseError(ErrorCode.INVALID_ACL, "Invalid ACL. A principal is '*', a user's objectId or 'role:<name>'.")
    if not isinstance(entry, dict) or not entry.keys() <= _ACL_RIGHTS:
        raise ParseError(ErrorCode.INVALID_ACL, f"Invalid ACL. The entry of '{principal}' may only hold read and write.")
    if not all(isinstance(granted, bool) for granted in entry.values()):
        raise ParseError(ErrorCode.INVALID_ACL, f"Invalid ACL. Rights of '{principal}' must be true or false.")
    return frozenset(right for right, granted in entry.items() if granted)


def permissions_to_acl(rperm: Iterable[str] | None, wperm: Iterable[str] | None) -> Object | None:
    """(`_rperm`, `_wperm`) as a wire ACL; None when both are public, '*' for one that is public beside one that is not."""
    if rperm is None and wperm is None:
        return None
    acl: dict[str, Json] = {}
    for right, principals in (("read", rperm), ("write", wperm)):
        for principal in ["*"] if principals is None else principals:
            entry = acl.setdefault(principal, {})
            assert isinstance(entry, dict)
            entry[right] = True
    return acl


def principals_of(obj: Object) -> frozenset[str] | None:
    """Who may read this object by its ACL ('*' included); None when it has no ACL, so everybody. Never raises."""
    acl = obj.get("ACL")
    if acl is None:
        return None
    entries = acl.items() if isinstance(acl, dict) else ()
    return frozenset(who for who, entry in entries if isinstance(entry, dict) and entry.get("read") is True)
