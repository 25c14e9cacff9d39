"""Equality inside JSON, in memory: what jsonb's = and @> say, as tests compiled for the values they look for.

Owns: sameness of JSON values and of array elements. Holds: tests never raise; true is not 1, the order of keys is
naught, pointers inside arrays are the same by class and id. Imports nodes and wire.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from app.core.nodes import Frozen, FrozenObject, thaw
from app.core.wire import Json

Test: TypeAlias = Callable[[Json], bool]


def compile_same_as_any(values: Sequence[Frozen]) -> Test:
    """Whether a JSON value equals one of the values, null included."""
    texts = frozenset(value for value in values if isinstance(value, str))
    tests = [_same(value) for value in values if not isinstance(value, str)]
    if not tests:
        return lambda value: isinstance(value, str) and value in texts
    return lambda value: value in texts if isinstance(value, str) else any(test(value) for test in tests)


def compile_contains_any(values: Sequence[Frozen]) -> Test:
    """Whether a JSON value is an array with one of the values as an element."""
    if len(values) == 1 and isinstance(values[0], str):
        text = values[0]
        return lambda value: isinstance(value, list) and text in value
    pointers = frozenset(key for key in map(_pointer_key, values) if key is not None)
    same = compile_same_as_any([value for value in values if _pointer_key(value) is None])

    def contains(value: Json) -> bool:
        if not isinstance(value, list):
            return False
        return any((pointers and _wire_pointer_key(item) in pointers) or same(item) for item in value)

    return contains


def element_tests(value: Frozen) -> Test:
    """Whether one element of an array is the value."""
    key = _pointer_key(value)
    if key is None:
        return _same(value)
    return lambda item: _wire_pointer_key(item) == key


def _pointer_key(value: Frozen) -> tuple[str, str] | None:
    return _wire_pointer_key(thaw(value)) if isinstance(value, FrozenObject) else None


def _wire_pointer_key(value: Json) -> tuple[str, str] | None:
    """(class, id) of a wire Pointer."""
    if not isinstance(value, dict) or value.get("__type") != "Pointer":
        return None
    class_name, object_id = value.get("className"), value.get("objectId")
    return (class_name, object_id) if isinstance(class_name, str) and isinstance(object_id, str) else None


def _same(value: Frozen) -> Test:
    """Equality with one value; the slow way only where Python's == would take true for 1."""
    wanted = thaw(value)
    if value is None or isinstance(value, bool):
        return lambda found: found is wanted
    if not _is_ambiguous(value):
        return lambda found: found == wanted
    return lambda found: _strictly_same(found, wanted)


def _is_ambiguous(value: Frozen) -> bool:
    """Whether a flag, 0 or 1 is in it."""
    if isinstance(value, tuple):
        return any(map(_is_ambiguous, value))
    if isinstance(value, FrozenObject):
        return any(_is_ambiguous(item) for _, item in value.items)
    return isinstance(value, bool | int | float) and value in (0, 1)


def _strictly_same(left: Json, right: Json) -> bool:
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(_strictly_same(item, right[key]) for key, item in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(_strictly_same, left, right))
    return isinstance(left, bool) is isinstance(right, bool) and left == right
