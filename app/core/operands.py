"""The operators of a where about one field: what each operand must look like, and the node it becomes.

Owns: `OPERATORS` and the readers of operands, in Parse Server's words. Holds: operands are canonical once they are in a
node; a malformed one is refused with 107, as Parse does, a misused one with 102. Imports nodes, regex, geo and wire.
"""

import re
from collections.abc import Callable, Mapping

from app.core.cells import ring_of_wire
from app.core.geo import KILOMETERS_PER_RADIAN, MILES_PER_RADIAN
from app.core.nodes import (
    All,
    AllStartWith,
    ContainedBy,
    Exists,
    Frozen,
    In,
    Intersects,
    Near,
    Node,
    Nothing,
    Path,
    Regex,
    RelatedTo,
    Text,
    WithinBox,
    WithinPolygon,
    WithinSphere,
    freeze,
)
from app.core.regex import parse_regex
from app.core.wire import MAX_DEPTH, Json, Object, canonical, is_object, is_type
from app.errors import ErrorCode, ParseError

KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(\.[a-zA-Z0-9_]+)*")

LANGUAGES = frozenset(
    [
        "arabic",
        "armenian",
        "basque",
        "catalan",
        "danish",
        "dutch",
        "english",
        "estonian",
        "finnish",
        "french",
        "german",
        "greek",
        "hindi",
        "hungarian",
        "indonesian",
        "irish",
        "italian",
        "lithuanian",
        "nepali",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "serbian",
        "simple",
        "spanish",
        "swedish",
        "tamil",
        "turkish",
        "yiddish",
    ]
)
"""The text search configurations that every Postgres carries."""


def refused(message: str) -> ParseError:
    return ParseError(ErrorCode.INVALID_QUERY, message)


def malformed(message: str) -> ParseError:
    """Parse answers a malformed operand of a known operator with 107."""
    return ParseError(ErrorCode.INVALID_JSON, message)


def parse_path(key: str) -> Path:
    """A (dotted) key as a path; 105 for what is no key, internal columns such as _rperm among them."""
    if not KEY.fullmatch(key):
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid key name: {key}")
    path = tuple(key.split("."))
    if len(path) > MAX_DEPTH:
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"A key has {len(path)} parts; no value is deeper than {MAX_DEPTH}.")
    return path


def parse_operand(value: Json) -> Frozen:
    """A value to compare with, canonical and frozen."""
    if isinstance(value, dict):
        operator = next((key for key in value if key.startswith("$")), None)
        if operator is not None:
            raise refused(f"bad constraint: {operator}")
    return freeze(canonical(value))


def _operands(key: str, value: Json, words: str = "") -> tuple[Frozen, ...]:
    if not isinstance(value, list):
        raise malformed(words or f"bad {key} value")
    return tuple(parse_operand(item) for item in value)


def _all(path: Path, operand: Json, _: Object) -> Node:
    if not isinstance(operand, list):
        raise malformed("bad $all value")
    patterns = [item.get("$regex") for item in operand if isinstance(item, dict) and "$regex" in item]
    if not patterns:
        return All(path, _operands("$all", operand))
    if len(patterns) < len(operand):
        raise malformed("All $all values must be of regex type or none.")
    return AllStartWith(path, tuple(_prefix(pattern) for pattern in patterns))


def _prefix(pattern: Json) -> str:
    """The text of a starts-with regex, the only kind that $all takes."""
    literal = parse_regex(pattern, "").literal if isinstance(pattern, str) else None
    if literal is None or literal.kind != "prefix":
        raise malformed("All $all regex values must be starts-with patterns: ^\\Q...\\E")
    return literal.text


def _exists(path: Path, operand: Json, _: Object) -> Node:
    if not isinstance(operand, bool):
        raise malformed("bad $exists value, should be boolean")
    return Exists(path, operand)


def _regex(path: Path, operand: Json, constraint: Object) -> Node:
    options = constraint.get("$options", "")
    if not isinstance(operand, str):
        raise refused("$regex value must be a string")
    if not isinstance(options, str):
        raise refused("$options value must be a string")
    parse_regex(operand, options)
    return Regex(path, operand, "".join(sorted(set(options))))


def _near(path: Path, operand: Json, constraint: Object) -> Node:
    longitude, latitude = _point(operand, "bad $nearSphere value; should be a Parse.GeoPoint")
    given = [key for key in _DISTANCES if key in constraint]
    if len(given) > 1:
        raise refused(f"Give one of {', '.join(given)}, not several.")
    radians = _distance(constraint[given[0]], given[0]) / _DISTANCES[given[0]] if given else None
    return Near(path, longitude, latitude, radians)


_FARTHEST = 1e300
"""JSON knows larger whole numbers, which are no float."""


def _distance(value: Json, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _FARTHEST:
        raise malformed(f"bad {key} value; the distance should be a number that is not negative")
    return float(value)


def _point(value: Json, words: str) -> tuple[float, float]:
    """(longitude, latitude) of a GeoPoint."""
    if not is_type(value, "GeoPoint"):
        raise malformed(words)
    point = canonical(value)
    assert isinstance(point, dict)
    return _degrees(point["longitude"]), _degrees(point["latitude"])


def _degrees(value: Json) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _vertex(value: Json, words: str) -> tuple[float, float]:
    """A GeoPoint, or the pair [longitude, latitude] that the SDKs send beside it."""
    if isinstance(value, list) and len(value) == 2:
        value = {"__type": "GeoPoint", "longitude": value[0], "latitude": value[1]}
    return _point(value, words)


def _within(path: Path, operand: Json, _: Object) -> Node:
    box = operand.get("$box") if isinstance(operand, dict) and operand.keys() == {"$box"} else None
    if not isinstance(box, list) or len(box) != 2:
        raise malformed("bad $within value; $box should be two Parse.GeoPoints")
    corners = [_vertex(corner, "bad $within value; $box should be two Parse.GeoPoints") for corner in box]
    (west, east), (south, north) = sorted(x for x, _ in corners), sorted(y for _, y in corners)
    return WithinBox(path, west, south, east, north)


def _geo_within(path: Path, operand: Json, _: Object) -> Node:
    if is_object(operand) and operand.keys() == {"$polygon"}:
        return WithinPolygon(path, _ring(operand["$polygon"]))
    if is_object(operand) and operand.keys() == {"$centerSphere"}:
        return _center_sphere(path, operand["$centerSphere"])
    raise malformed("bad $geoWithin value; should be an object with either $polygon or $centerSphere")


def _ring(value: Json) -> tuple[tuple[float, float], ...]:
    if is_type(value, "Polygon"):
        ring = ring_of_wire(canonical(value))
        assert ring is not None
        return ring
    if not isinstance(value, list):
        raise malformed("bad $geoWithin value; $polygon should be Polygon object or Array of Parse.GeoPoint's")
    if len(value) < 3:
        raise malformed("bad $geoWithin value; $polygon should contain at least 3 GeoPoints")
    return tuple(_vertex(vertex, "bad $geoWithin value") for vertex in value)


def _center_sphere(path: Path, value: Json) -> Node:
    if not isinstance(value, list) or len(value) != 2:
        words = "bad $geoWithin value; $centerSphere should be an array of Parse.GeoPoint and distance"
        raise malformed(words)
    longitude, latitude = _vertex(value[0], "bad $geoWithin value; $centerSphere geo point invalid")
    return WithinSphere(path, longitude, latitude, _distance(value[1], "$centerSphere"))


def _geo_intersects(path: Path, operand: Json, _: Object) -> Node:
    if not isinstance(operand, dict) or operand.keys() != {"$point"}:
        raise malformed("bad $geoIntersect value; should be an object with $point")
    return Intersects(path, _point(operand["$point"], "bad $geoIntersect value; $point should be GeoPoint"))


def _text(path: Path, operand: Json, _: Object) -> Node:
    search = operand.get("$search") if isinstance(operand, dict) and operand.keys() == {"$search"} else None
    if not isinstance(search, dict):
        raise malformed("bad $text: $search, should be object")
    unknown = search.keys() - {"$term", "$language", "$caseSensitive", "$diacriticSensitive"}
    if unknown:
        raise refused(f"bad constraint: {min(unknown)}")
    term, language = search.get("$term"), search.get("$language", "english")
    if not isinstance(term, str) or not term:
        raise malformed("bad $text: $term, should be string")
    if not isinstance(language, str) or language not in LANGUAGES:
        raise malformed(f"bad $text: $language, should be string, one of {', '.join(sorted(LANGUAGES))}")
    if _flag(search, "$caseSensitive", default=False):
        raise malformed("bad $text: $caseSensitive not supported, please use $regex.")
    if not _flag(search, "$diacriticSensitive", default=True):
        raise malformed("bad $text: $diacriticSensitive - false not supported")
    parse_operand(term)
    return Text(path, term, language)


def _flag(search: Object, key: str, *, default: bool) -> bool:
    value = search.get(key, default)
    if not isinstance(value, bool):
        raise malformed(f"bad $text: {key}, should be boolean")
    return value


def parse_related_to(value: Json) -> Node:
    given = value.get("object") if isinstance(value, dict) and value.keys() == {"object", "key"} else None
    if isinstance(given, dict) and given.get("__type") == "Pointer" and given.get("objectId") is None:
        return Nothing()  # an SDK asks for the relation of an object that is not saved yet
    owner = canonical(given)
    if not isinstance(value, dict) or not isinstance(owner, dict) or owner.get("__type") != "Pointer":
        raise refused('improper usage of $relatedTo: give {"object": <Pointer>, "key": <the relation\'s name>}')
    key, class_name, object_id = value["key"], owner["className"], owner["objectId"]
    assert isinstance(class_name, str)
    assert isinstance(object_id, str)
    if not isinstance(key, str) or len(parse_path(key)) != 1:
        raise refused("improper usage of $relatedTo: key must name a relation")
    return RelatedTo(class_name, object_id, key)


OPERATORS: Mapping[str, Callable[[Path, Json, Object], Node]] = {
    "$in": lambda path, operand, _: In(path, _operands("$in", operand)),
    "$nin": lambda path, operand, _: In(path, _operands("$nin", operand), negated=True),
    "$all": _all,
    "$containedBy": lambda path, operand, _: ContainedBy(
        path, _operands("$containedBy", operand, "bad $containedBy: should be an array")
    ),
    "$exists": _exists,
    "$regex": _regex,
    "$nearSphere": _near,
    "$within": _within,
    "$geoWithin": _geo_within,
    "$geoIntersects": _geo_intersects,
    "$text": _text,
}

_DISTANCES: Mapping[str, float] = {
    "$maxDistance": 1.0,
    "$maxDistanceInRadians": 1.0,
    "$maxDistanceInMiles": MILES_PER_RADIAN,
    "$maxDistanceInKilometers": KILOMETERS_PER_RADIAN,
}
"""The ways to bound $nearSphere, and how many of each make one radian."""

COMPANIONS: Mapping[str, str] = {"$options": "$regex", **dict.fromkeys(_DISTANCES, "$nearSphere")}
"""Operators that only say more about another one."""
