"""What a save body does to an object: plain values, dotted keys and Parse's field operations.

Owns: `apply_ops` and its result. Holds: neither the object nor the body is mutated; every value in the result is canonical
and fits its column; an operation that is unknown or malformed is refused before anything is computed from it.
Imports core/schema, core/wire and the error codes only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app.core.fields import is_index, unsupported
from app.core.schema import ClassSchema, FieldType, check_field_name, check_value
from app.core.wire import (
    PROHIBITED_KEYS,
    UNSET,
    Json,
    Object,
    Unset,
    acl_to_permissions,
    canonical,
    check_nested_key,
    identity,
    is_type,
    permissions_to_acl,
    same,
)
from app.errors import ErrorCode, ParseError

__all__ = ["UNSET", "Applied", "RelationChange", "Unset", "apply_ops"]

Value = Json | Unset
"""A field's value in the making; UNSET while it has none."""

OWNED_BY_SERVER = frozenset({"objectId", "createdAt", "updatedAt"})
"""Checked when sent, then left alone: the server sets them."""


@dataclass(frozen=True, slots=True)
class RelationChange:
    """What happens to one relation of the object: ids of `target_class` that join and that leave; none does both."""

    key: str
    target_class: str
    add: tuple[str, ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """The object as it will be, the columns whose value is another than before (`ACL` among them), and the relations."""

    object: Object
    values: dict[str, Json | Unset]
    relations: tuple[RelationChange, ...]


def apply_ops(schema: ClassSchema, current: Object | None, body: Object) -> Applied:
    """The effect of Parse's save body on an object (None when it is being created).

    Keys may be dotted ("settings.color", "rows.0.done"); whole fields are set before what is inside them. Columns the class
    has not yet are taken as they come. Codes: 105 a bad key, 111 a value that does not fit, 107 a malformed operation, 108 one
    that does not exist, 121 a bad nested key, 123 a bad ACL.
    """
    before = current or {}
    draft: dict[str, Value] = {}
    relations: dict[str, RelationChange] = {}
    for key in sorted(body, key=lambda key: "." in key):
        _check_key(schema, before, key, body[key])
        check_value(schema, key, body[key])
        if key in OWNED_BY_SERVER or (current is not None and _op_name(body[key]) == "SetOnInsert"):
            continue
        if key == "ACL":
            draft |= _new_acl(body[key])
        elif _is_relation(schema, key, body[key]):
            relations |= _changed_relation(schema, key, canonical(body[key], key))
        else:
            root, *path = key.split(".")
            draft[root] = _field(schema, root, draft.get(root, before.get(root, UNSET)), path, canonical(body[key], key), key)
    values = {name: _stored(value) for name, value in draft.items() if not _is_same(before.get(name, UNSET), _stored(value))}
    return Applied(_merged(before, values), values, tuple(relations.values()))


def _check_key(schema: ClassSchema, before: Object, key: str, value: Json) -> None:
    root, *path = key.split(".")
    if root in PROHIBITED_KEYS:
        check_nested_key(root)
    check_field_name(root, schema.class_name)
    if path and (root == "authData" or not all(path)):
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid field name for update: {key}")
    for part in path:
        check_nested_key(part)
    if key == "objectId" and value and before and value != before.get("objectId"):
        raise ParseError(ErrorCode.INVALID_KEY_NAME, "objectId is an invalid field name.")


def _new_acl(acl: Json) -> dict[str, Value]:
    """The ACL as Parse would answer it; null leaves the old one, a Delete nobody but the master key, as in Parse."""
    if acl is None:
        return {}
    return {"ACL": {} if acl == {"__op": "Delete"} else permissions_to_acl(*acl_to_permissions(acl))}


def _stored(value: Value) -> Value:
    """What a column keeps: null is no value."""
    return UNSET if value is None else value


def _is_same(left: Value, right: Value) -> bool:
    if isinstance(left, Unset) or isinstance(right, Unset):
        return left is right
    return same(left, right)


def _merged(before: Object, values: Mapping[str, Value]) -> Object:
    kept: Object = {name: value for name, value in before.items() if name not in values}
    return kept | {name: value for name, value in values.items() if not isinstance(value, Unset)}


# ---- operations on values


def _op_name(value: Json) -> str | None:
    """The operation a value stands for; None for a plain value."""
    name = value.get("__op") if isinstance(value, dict) else None
    return str(name) if name else None


def _field(schema: ClassSchema, root: str, old: Value, path: list[str], value: Json, key: str) -> Value:
    """The new value of a column; one for arrays that is still empty is an array also to a key that goes inside it."""
    column = schema.fields.get(root)
    begins = bool(path) and old in (None, UNSET) and column is not None and column.type is FieldType.ARRAY
    new = _operated([] if begins else old, path, value, key)
    return old if begins and new == [] else new


def _operated(root: Value, path: list[str], value: Json, key: str) -> Value:
    """The new value of a field after a plain value or an operation at `path` inside it."""
    if path:
        return _set_inside(root, path, value, key)
    return _new_value(root, value, key)


def _new_value(old: Value, value: Json, key: str) -> Value:
    name = _op_name(value)
    if name is None or not isinstance(value, dict):
        return value
    if name not in _OPERATIONS:
        raise unsupported(name)
    return _OPERATIONS[name](old, value, key)


def _delete(_old: Value, _op: Object, _key: str) -> Value:
    return UNSET


def _increment(old: Value, op: Object, key: str) -> Value:
    amount, start = op.get("amount"), 0 if old is UNSET or old is None else old
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise ParseError(ErrorCode.INVALID_JSON, "incrementing must provide a number")
    if isinstance(start, bool) or not isinstance(start, int | float):
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"{key} is not a number, so it can't be incremented.")
    return canonical(start + amount, key)


def _set_on_insert(_old: Value, op: Object, _key: str) -> Value:
    return op.get("amount")


def _add(old: Value, op: Object, key: str) -> Value:
    return [*_array(old, key), *_list(op)]


def _add_unique(old: Value, op: Object, key: str) -> Value:
    """Appends, in order, what is not there yet; what is there stays where it is."""
    items = _array(old, key)
    held = {identity(item) for item in items}
    new = {identity(item): item for item in _list(op)}
    return [*items, *(item for name, item in new.items() if name not in held)]


def _remove(old: Value, op: Object, key: str) -> Value:
    unwanted = {identity(item) for item in _list(op)}
    return [item for item in _array(old, key) if identity(item) not in unwanted]


_OPERATIONS: Mapping[str, Callable[[Value, Object, str], Value]] = {
    "Delete": _delete,
    "Increment": _increment,
    "SetOnInsert": _set_on_insert,
    "Add": _add,
    "AddUnique": _add_unique,
    "Remove": _remove,
}


def _list(op: Object, key: str = "objects") -> list[Json]:
    items = op.get(key)
    if not isinstance(items, list):
        raise ParseError(ErrorCode.INVALID_JSON, f"{key} to add must be an array")
    return items


def _array(old: Value, key: str) -> list[Json]:
    if old is UNSET or old is None:
        return []
    if not isinstance(old, list):
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"{key} is not an array.")
    return old


# ---- dotted keys


def _set_inside(container: Value, path: list[str], value: Json, key: str) -> Value:
    """A copy of the container with the value or operation applied at `path`; objects on the way are made as needed."""
    part, *rest = path
    if isinstance(container, list):
        return _set_element(container, part, rest, value, key)
    if container is not UNSET and container is not None and not isinstance(container, dict):
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"{key} can't be set: what holds {part} is no object.")
    held: Object = container if isinstance(container, dict) else {}
    new = _operated(held.get(part, UNSET), rest, value, key)
    if isinstance(new, Unset):
        return {name: item for name, item in held.items() if name != part} if container is not UNSET else UNSET
    return {**held, part: new}


def _set_element(items: list[Json], part: str, rest: list[str], value: Json, key: str) -> Value:
    """A copy of an array with one element changed, or one more at its end; a deleted element leaves null behind."""
    if not is_index(part) or int(part) > len(items):
        raise ParseError(ErrorCode.INCORRECT_TYPE, f"{key} can't be set: the array has {len(items)} elements.")
    place = int(part)
    new = _operated(items[place] if place < len(items) else UNSET, rest, value, key)
    if isinstance(new, Unset):
        return [*items[:place], None, *items[place + 1 :]] if place < len(items) else items
    return [*items[:place], new, *items[place + 1 :]]


# ---- relations


_RELATIONAL = frozenset({"AddRelation", "RemoveRelation", "Batch"})


def _is_relation(schema: ClassSchema, key: str, value: Json) -> bool:
    column = schema.fields.get(key)
    is_column = column is not None and column.type is FieldType.RELATION
    return is_column or is_type(value, "Relation") or _op_name(value) in _RELATIONAL


def _changed_relation(schema: ClassSchema, key: str, value: Json) -> dict[str, RelationChange]:
    """One change of all the operations on a relation; the last word on an id counts."""
    column, target = schema.fields.get(key), ""
    wanted: dict[str, bool] = {}
    for class_name, object_id, joins in _related(value):
        target = target or (column.target_class if column and column.target_class else class_name)
        if class_name != target:
            words = f"schema mismatch for {schema.class_name}.{key}; expected Relation<{target}> but got Relation<{class_name}>"
            raise ParseError(ErrorCode.INCORRECT_TYPE, words)
        wanted[object_id] = joins
    if not wanted:
        return {}
    add = tuple(object_id for object_id, joins in wanted.items() if joins)
    remove = tuple(object_id for object_id, joins in wanted.items() if not joins)
    return {key: RelationChange(key, target, add, remove)}


def _related(value: Json) -> Iterator[tuple[str, str, bool]]:
    """Class, id and whether it joins, of every object that an operation on a relation names.

    A relation has no value of its own: null, or one that is sent back as it was read, names none.
    """
    name = _op_name(value)
    if not isinstance(value, dict) or name is None:
        return
    if name not in _RELATIONAL:
        raise unsupported(name)
    if name == "Batch":
        for op in _list(value, "ops"):
            yield from _related(op)
        return
    for item in _list(value, "objects"):
        if not isinstance(item, dict) or item.get("__type") != "Pointer":
            raise ParseError(ErrorCode.INVALID_JSON, f"{name} takes pointers to saved objects.")
        yield str(item["className"]), str(item["objectId"]), name == "AddRelation"
