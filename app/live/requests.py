"""The shape of what a LiveQuery client may send, and the words of a refusal.

Owns: the request schemas of Parse LiveQuery (RequestSchema.js of Parse Server 9) with the additions of our protocol,
and `check_request`. Always holds: a refusal has the words Parse Server's validator uses, because SDKs act on them
("Additional properties not allowed" makes the JavaScript SDK leave its newer keys out); what is said back in each frame, or
looked through for each change, has an end. May import core.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.wire import Json, Object, encode

LONGEST_INSTALLATION = 255
MOST_KEYS = 1_000
MOST_WATCHED = 100
_LARGEST = 2**53


class MalformedRequestError(Exception):
    """A message that is no LiveQuery request; its text is for the client."""


@dataclass(frozen=True, slots=True)
class _Text:
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class _Number:
    pass


@dataclass(frozen=True, slots=True)
class _Flag:
    pass


@dataclass(frozen=True, slots=True)
class _AnyObject:
    pass


@dataclass(frozen=True, slots=True)
class _Whatever:
    """Judged later, with a sentence of its own."""


@dataclass(frozen=True, slots=True)
class _Names:
    """A list of distinct texts, at least one."""

    most: int


@dataclass(frozen=True, slots=True)
class _Shape:
    required: tuple[str, ...]
    properties: "Mapping[str, _Rule]" = field(default_factory=dict)


_Rule = _Text | _Number | _Flag | _AnyObject | _Whatever | _Names | _Shape

_KEYS = ("applicationId", "javascriptKey", "masterKey", "clientKey", "windowsKey", "restAPIKey")

_QUERY = _Shape(
    required=("where", "className"),
    properties={
        "className": _Text(),
        "where": _AnyObject(),
        "keys": _Names(MOST_KEYS),
        "fields": _Names(MOST_KEYS),
        "watch": _Names(MOST_WATCHED),
        "order": _Whatever(),
        "limit": _Whatever(),
        "skip": _Whatever(),
        "include": _Whatever(),
        "count": _Whatever(),
    },
)
_SUBSCRIBE = _Shape(
    required=("op", "requestId", "query"),
    properties={
        "op": _Text(),
        "requestId": _Number(),
        "query": _QUERY,
        "sessionToken": _Text(),
        "since": _Text(),
        "snapshot": _Flag(),
    },
)
_BY_ID = _Shape(required=("op", "requestId"), properties={"op": _Text(), "requestId": _Number()})

SHAPES: Mapping[str, _Shape] = {
    "connect": _Shape(
        required=("op", "applicationId"),
        properties={
            "op": _Text(),
            **{key: _Text() for key in _KEYS},
            "sessionToken": _Text(),
            "installationId": _Text(LONGEST_INSTALLATION),
            "cursors": _Flag(),
        },
    ),
    "subscribe": _SUBSCRIBE,
    "update": _SUBSCRIBE,
    "unsubscribe": _BY_ID,
    "query": _BY_ID,
}
"""Every `op` a client may send."""


def check_request(message: Json) -> Object:
    """The message, if it is a request; raises MalformedRequestError otherwise."""
    if not isinstance(message, dict):
        raise _wrong_type(message, "object")
    if "op" not in message:
        raise MalformedRequestError("Missing required property: op")
    op = message["op"]
    if not isinstance(op, str):
        raise _wrong_type(op, "string")
    if op not in SHAPES:
        raise MalformedRequestError(f"No enum match for: {encode(op).decode()}")
    _check(message, SHAPES[op])
    return message


def _check(value: Json, rule: _Rule) -> None:
    match rule:
        case _Text(longest):
            _check_type(value, "string")
            if longest is not None and len(str(value)) > longest:
                raise MalformedRequestError(f"String is too long ({len(str(value))} chars), maximum {longest}")
        case _Number():
            _check_number(value)
        case _Flag():
            _check_type(value, "boolean")
        case _AnyObject():
            _check_type(value, "object")
        case _Names(most):
            _check_names(value, most)
        case _Shape():
            _check_shape(value, rule)
        case _Whatever():
            pass


def _check_shape(value: Json, shape: _Shape) -> None:
    if not isinstance(value, dict):
        raise _wrong_type(value, "object")
    for name in shape.required:
        if name not in value:
            raise MalformedRequestError(f"Missing required property: {name}")
    for name, inner in value.items():
        rule = shape.properties.get(name)
        if rule is None:
            raise MalformedRequestError("Additional properties not allowed")
        _check(inner, rule)


def _check_number(value: Json) -> None:
    _check_type(value, "number")
    assert isinstance(value, int | float)
    if not -_LARGEST <= value <= _LARGEST:
        raise MalformedRequestError(f"A number is at most {_LARGEST}")


def _check_names(value: Json, most: int) -> None:
    if not isinstance(value, list):
        raise _wrong_type(value, "array")
    if not value:
        raise MalformedRequestError("Array is too short (0), minimum 1")
    if len(value) > most:
        raise MalformedRequestError(f"Array is too long ({len(value)}), maximum {most}")
    places: dict[bytes, int] = {}
    for index, item in enumerate(value):
        first = places.setdefault(encode(item), index)
        if first != index:
            raise MalformedRequestError(f"Array items are not unique (indices {first} and {index})")
    for item in value:
        _check_type(item, "string")


def _check_type(value: Json, expected: str) -> None:
    if _type_of(value) != expected:
        raise _wrong_type(value, expected)


def _wrong_type(value: Json, expected: str) -> MalformedRequestError:
    return MalformedRequestError(f"Invalid type: {_type_of(value)} (expected {expected})")


def _type_of(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
