"""From a where input to the `where` that REST takes.

Owns: the words of the operators. Holds: nothing is judged here: what comes out is parsed and refused by the query's own
parser; several conditions on one field all hold. May import core and api/graphql.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.api.graphql.names import object_id_of, type_name
from app.api.graphql.types import ClassTypes
from app.core.schema import FieldType
from app.core.wire import Json, Object

_BRANCHES = {"OR": "$or", "AND": "$and", "NOR": "$nor"}

OPERATORS = {
    "equalTo": "$eq",
    "notEqualTo": "$ne",
    "lessThan": "$lt",
    "lessThanOrEqualTo": "$lte",
    "greaterThan": "$gt",
    "greaterThanOrEqualTo": "$gte",
    "in": "$in",
    "notIn": "$nin",
    "exists": "$exists",
    "containedBy": "$containedBy",
    "contains": "$all",
    "matchesRegex": "$regex",
    "options": "$options",
    "maxDistance": "$maxDistance",
    "maxDistanceInRadians": "$maxDistanceInRadians",
    "maxDistanceInMiles": "$maxDistanceInMiles",
    "maxDistanceInKilometers": "$maxDistanceInKilometers",
}
"""Operators whose operand travels as it is."""

Classes = Mapping[str, ClassTypes]


def to_where(classes: Classes, types: ClassTypes, given: Mapping[str, Any]) -> Object:
    """The conditions of a `<Class>WhereInput`."""
    conditions = list(_conditions(classes, types, given))
    where: Object = {}
    clashing: list[Json] = []
    for key, value in conditions:
        if key not in where:
            where[key] = value
        elif _merge(where, key, value):
            continue
        else:
            clashing.append({key: value})
    return {"$and": [where, *clashing]} if clashing else where


def _merge(where: Object, key: str, value: Json) -> bool:
    """Puts operators of one field together; False where both say the same word."""
    known = where[key]
    if not isinstance(known, dict) or not isinstance(value, dict) or known.keys() & value.keys():
        return False
    where[key] = {**known, **value}
    return True


def _conditions(classes: Classes, types: ClassTypes, given: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    for name, value in given.items():
        if value is None:
            continue
        if name in _BRANCHES:
            yield _BRANCHES[name], [to_where(classes, types, each) for each in value]
        elif name in ("id", "objectId"):
            yield "objectId", _ids(types, value) if name == "id" else _operators(classes, value)
        else:
            yield from _field(classes, types, name, value)


def _field(classes: Classes, types: ClassTypes, name: str, value: Any) -> Iterator[tuple[str, Json]]:
    field = types.fields[name]
    if field.type in (FieldType.POINTER, FieldType.RELATION):
        target = classes.get(field.target_class or "")
        if target is None:
            yield name, value  # an `Object`: as REST has it
        else:
            yield from _link(classes, target, name, value, field.type)
    elif field.type in (FieldType.OBJECT, FieldType.ACL):
        yield from _inside(classes, name, value)
    else:
        yield name, _operators(classes, value)


def _link(
    classes: Classes, target: ClassTypes, name: str, value: Mapping[str, Any], kind: FieldType
) -> Iterator[tuple[str, Json]]:
    for word, operand in value.items():
        if operand is None:
            continue
        if word != "exists":
            inner: Json = {"className": target.class_name, "where": to_where(classes, target, operand)}
            yield name, {"$inQuery" if word == "have" else "$notInQuery": inner}
        elif kind is FieldType.POINTER:
            yield name, {"$exists": operand}
        else:
            anything: Json = {"className": target.class_name, "where": {"objectId": {"$exists": True}}}
            yield name, {"$inQuery" if operand else "$notInQuery": anything}


def _inside(classes: Classes, name: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    """Conditions on a key inside an Object field."""
    for word, operand in value.items():
        if isinstance(operand, dict) and "key" in operand and "value" in operand:
            yield f"{name}.{operand['key']}", {OPERATORS[word]: operand["value"]}
        elif word in ("in", "notIn") and operand is not None:
            pairs: list[Json] = [{f"{name}.{each['key']}": each["value"]} for each in operand if each is not None]
            yield "$or" if word == "in" else "$nor", pairs
        else:
            yield name, _operators(classes, {word: operand})


def _ids(types: ClassTypes, value: Mapping[str, Any]) -> Object:
    """Conditions on `id`: global ids of the class become objectIds."""

    def local(given: Any) -> Any:
        if isinstance(given, list):
            return [local(each) for each in given]
        return object_id_of(types.class_name, given) if isinstance(given, str) else given

    return _operators({types.class_name: types}, {word: local(operand) for word, operand in value.items()})


def _operators(classes: Classes, value: Mapping[str, Any]) -> Object:
    found: Object = {}
    for word, operand in value.items():
        if word in OPERATORS:
            found[OPERATORS[word]] = operand
        elif word in ("inQueryKey", "notInQueryKey"):
            if operand is not None:
                found["$select" if word == "inQueryKey" else "$dontSelect"] = _select(classes, operand)
        elif operand is not None:
            key, read = _SHAPED[word]
            found[key] = read(operand)
    return found


def _select(classes: Classes, operand: Mapping[str, Any]) -> Json:
    """A key of another query; its where may be written with GraphQL's words or with Parse's."""
    query = operand["query"]
    target = classes.get(query["className"]) or _by_type_name(classes, query["className"])
    where = query["where"]
    if target is not None and _speaks_graphql(target, where):
        where = to_where(classes, target, where)
    class_name = query["className"] if target is None else target.class_name
    return {"query": {"className": class_name, "where": where}, "key": operand["key"]}


def _by_type_name(classes: Classes, name: str) -> ClassTypes | None:
    return next((types for types in classes.values() if type_name(types.class_name) == name), None)


def _speaks_graphql(types: ClassTypes, where: Mapping[str, Any]) -> bool:
    """Whether every entry is a field with words of ours; values without operators are Parse's."""
    words = {*OPERATORS, *_SHAPED, "inQueryKey", "notInQueryKey", "have", "haveNot"}
    return all(
        name in _BRANCHES
        or ((name in types.fields or name == "id") and isinstance(value, dict) and bool(value) and value.keys() <= words)
        for name, value in where.items()
    )


def _point(value: Mapping[str, Any]) -> Object:
    return {"__type": "GeoPoint", **value}


def _box(value: Mapping[str, Any]) -> Json:
    box = value["box"]
    return {"$box": [_point(box["bottomLeft"]), _point(box["upperRight"])]}


def _geo_within(value: Mapping[str, Any]) -> Json:
    within: Object = {}
    if value.get("polygon") is not None:
        within["$polygon"] = [_point(each) for each in value["polygon"]]
    if value.get("centerSphere") is not None:
        within["$centerSphere"] = [_point(value["centerSphere"]["center"]), value["centerSphere"]["distance"]]
    return within


def _text(value: Mapping[str, Any]) -> Json:
    return {"$search": {f"${word}": operand for word, operand in value["search"].items() if operand is not None}}


def _intersects(value: Mapping[str, Any]) -> Json:
    return {"$point": _point(value["point"])} if value.get("point") else {}


_SHAPED: Mapping[str, tuple[str, Callable[[Any], Json]]] = {
    "text": ("$text", _text),
    "nearSphere": ("$nearSphere", _point),
    "within": ("$within", _box),
    "geoWithin": ("$geoWithin", _geo_within),
    "geoIntersects": ("$geoIntersects", _intersects),
}
