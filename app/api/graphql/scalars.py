"""The scalars of Parse Server's GraphQL API: what a client may write for them, and what it is shown.

Owns: `ANY OBJECT DATE BYTES FILE UPLOAD`. Holds: a parsed value is wire JSON, except an upload, which is the file the door
read. Literals without variables keep their numbers. May import core/wire.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    GraphQLError,
    GraphQLScalarType,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    print_ast,
)

from app.core.wire import Json, date_to_wire, parse_iso


def _refused(value: object, name: str) -> GraphQLError:
    shown = str(value)
    return GraphQLError(f"{shown if len(shown) < 200 else shown[:200] + '…'} is not a valid {name}")


def from_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """Any literal as JSON, variables inside it put in."""
    match node:
        case VariableNode():
            return (variables or {}).get(node.name.value)
        case IntValueNode():
            return int(node.value)
        case FloatValueNode():
            return float(node.value)
        case StringValueNode() | BooleanValueNode() | EnumValueNode():
            return node.value
        case NullValueNode():
            return None
        case ListValueNode():
            return [from_literal(item, variables) for item in node.values]
        case ObjectValueNode():
            return {field.name.value: from_literal(field.value, variables) for field in node.fields}
    raise _refused(print_ast(node), "Any")


def _scalar(
    name: str, description: str, read: Callable[[Any], Any], show: Callable[[Any], Any] = lambda value: value
) -> GraphQLScalarType:
    def literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        return read(from_literal(node, variables))

    return GraphQLScalarType(
        name,
        description=description,
        serialize=show,
        parse_value=read,
        parse_literal=literal,
    )


def _any(value: Any) -> Any:
    return value


def _object(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    raise _refused(value, "Object")


def _show_object(value: Any) -> Any:
    if isinstance(value, dict | list):
        return value
    raise _refused(value, "Object")


def _date(value: Any) -> Json:
    text = value.get("iso") if isinstance(value, dict) and value.get("__type") == "Date" else value
    try:
        return date_to_wire(parse_iso(str(text)))
    except (TypeError, ValueError):
        raise _refused(value, "Date") from None


def _typed(name: str, key: str) -> Callable[[Any], Json]:
    """A reader of a text, or of the wire object of a type that has it under a key."""

    def read(value: Any) -> Json:
        if isinstance(value, str):
            return {"__type": name, key: value}
        if isinstance(value, dict) and value.get("__type") == name and isinstance(value.get(key), str):
            return value
        raise _refused(value, name)

    return read


def _shown(name: str, key: str) -> Callable[[Any], Any]:
    def show(value: Any) -> Any:
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping) and value.get("__type") == name:
            return value.get(key)
        raise _refused(value, name)

    return show


def _no_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    raise GraphQLError("An Upload travels as a variable (GraphQL multipart request specification).", node)


ANY = _scalar("Any", "Any value.", _any)
OBJECT = _scalar("Object", "A JSON object.", _object, _show_object)
DATE = _scalar(
    "Date", 'A time: ISO 8601 text, or {"__type": "Date", "iso": …}; shown as text in UTC.', _date, _shown("Date", "iso")
)
BYTES = _scalar("Bytes", "Bytes in base 64.", _typed("Bytes", "base64"), _shown("Bytes", "base64"))
FILE = _scalar("File", "A stored file: its name, or a File object.", _typed("File", "name"), _shown("File", "name"))
UPLOAD = GraphQLScalarType("Upload", description="A file of a multipart request.", parse_value=_any, parse_literal=_no_literal)
