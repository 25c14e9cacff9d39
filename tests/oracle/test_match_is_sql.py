"""Memory and Postgres find the same objects: for the rows of where_cases, and for generated classes, objects and queries.

CAREBOARD_ORACLE_EXAMPLES raises the effort (default 120, always the same ones; more are drawn anew each time).
"""

import os
from dataclasses import dataclass, replace
from itertools import count

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.core.match import compile_match
from app.core.query import Allowed, Node, both, parse_where
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.wire import Json, Object
from app.errors import ParseError
from app.store.database import Database
from tests.core.where_cases import THING, all_cases
from tests.oracle.postgres import Judge

numbers_of_classes = count()
EXAMPLES = int(os.environ.get("CAREBOARD_ORACLE_EXAMPLES", "0"))


async def test_postgres_answers_every_row_of_the_table_as_expected(database: Database) -> None:
    cases = all_cases()
    wrong = []
    async with database.connection() as connection, Judge(connection, THING) as judge:
        for number, (fields, _, _) in enumerate(cases):
            await judge.store("Thing", {str(fields.get("objectId", f"case{number}")): fields})
        images = await judge.images("Thing")
        for number, (fields, node, expected) in enumerate(cases):
            object_id = str(fields.get("objectId", f"case{number}"))
            found = await judge.find("Thing", node)
            if (object_id in found) is not expected or compile_match(THING, node)(images[object_id]) is not expected:
                wrong.append((fields, node, expected))
    assert wrong == []


async def test_every_row_of_the_table_has_the_same_answer_for_every_object(database: Database) -> None:
    cases = all_cases()
    async with database.connection() as connection, Judge(connection, THING) as judge:
        await judge.store("Thing", {f"case{number}": fields for number, (fields, _, _) in enumerate(cases)})
        images = await judge.images("Thing")
        for _, node, _ in cases:
            assert await judge.find("Thing", node) == in_memory(THING, node, images), node


def in_memory(schema: ClassSchema, node: Node, images: dict[str, Object]) -> set[str]:
    matches = compile_match(schema, node)
    return {object_id for object_id, image in images.items() if matches(image)}


# ---- what is generated: few values, so that they meet


def special(kind: str, **values: Json) -> Object:
    return {"__type": kind, **values}


characters = st.sampled_from([*"aAbBzé ÉKß%_\\.1-\n\"'$", "\u212a", "\u0130", "\u03c2", "\U0001f600", "\ufffd"])
texts = st.one_of(
    st.sampled_from(["", "a", "A", "ab", "aB", "abc", "é", "É", "10", "9", "null", "true"]),
    st.lists(characters, max_size=5).map("".join),
)
numbers = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 0.1, 0.30000000000000004, 1.5, -2.5, 1e22, 1e23, 1e-7, 2**53, 2**53 + 1, 10**17]),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
flags = st.booleans()
dates = st.sampled_from(
    ["2026-11-21T10:00:00.000Z", "2026-11-21T10:00:00.001Z", "1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z",
     "0001-01-01T00:00:00.001Z", "9999-12-31T23:59:59.999Z", "2026-03-29T01:30:00.000Z"]
).map(lambda iso: special("Date", iso=iso))  # fmt: skip
pointers = st.builds(
    lambda class_name, object_id: special("Pointer", className=class_name, objectId=object_id),
    st.sampled_from(["Owner", "Owner", "Stranger"]),
    st.sampled_from(["a", "b", "A"]),
)
degrees = st.one_of(st.integers(-4, 4), st.sampled_from([0.1, 1.5, 89.9, -90, 90, 3.9999999, 1e-7]))
places = st.builds(
    lambda y, x: special("GeoPoint", latitude=y, longitude=x), degrees, st.one_of(degrees, st.sampled_from([180, -180]))
)
rings = st.lists(st.tuples(degrees, degrees).map(list), min_size=3, max_size=6, unique_by=lambda pair: tuple(map(str, pair)))
areas = rings.map(lambda ring: special("Polygon", coordinates=[list(pair) for pair in ring]))
files = st.sampled_from(["a.txt", "b.txt"]).map(lambda name: special("File", name=name))
byte_values = st.sampled_from(["AQ==", "Ag=="]).map(lambda text: special("Bytes", base64=text))
plain = st.one_of(st.none(), texts, numbers, flags)
keys = st.sampled_from(["a", "b", "0", "1", "null", "objectId", "iso"])
steps = st.one_of(keys, st.just("01"))


def inside(children: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.one_of(st.lists(children, max_size=3), st.dictionaries(keys, children, max_size=3))


contents: st.SearchStrategy[Json] = st.recursive(st.one_of(plain, dates, pointers, places), inside, max_leaves=6)
arrays = st.lists(contents, max_size=4)
objects = st.dictionaries(keys, contents, max_size=4)

VALUES: dict[FieldType, st.SearchStrategy[Json]] = {
    FieldType.STRING: texts,
    FieldType.NUMBER: numbers,
    FieldType.BOOLEAN: flags,
    FieldType.DATE: dates,
    FieldType.POINTER: pointers,
    FieldType.FILE: files,
    FieldType.GEO_POINT: places,
    FieldType.POLYGON: areas,
    FieldType.ARRAY: arrays,
    FieldType.OBJECT: objects,
    FieldType.BYTES: byte_values,
}
anything = st.one_of(plain, contents, *VALUES.values())

atoms = st.sampled_from(
    [
        "a",
        "b",
        "é",
        "K",
        ".",
        "\\.",
        "\\d",
        "\\w",
        "\\W",
        "\\s",
        "[ab]",
        "[^a]",
        "[A-Z]",
        "(a|b)",
        "(?:ab|)",
        "^",
        "$",
        "\\b",
        "\\B",
        "%",
    ]
)
repeats = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "*?"])
loose_patterns = st.lists(st.builds("".join, st.tuples(atoms, repeats)), max_size=4).map("".join)
edges = st.sampled_from(["", "^", "$"])
patterns = st.one_of(
    loose_patterns,
    st.builds(
        lambda start, text, end: f"{start}\\Q{text}\\E{end}", st.sampled_from(["", "^"]), texts, st.sampled_from(["", "$"])
    ),
    st.builds("|".join, st.lists(loose_patterns, min_size=1, max_size=2)),
)


@st.composite
def operators(draw: st.DrawFn, field: FieldType, values: st.SearchStrategy[Json]) -> Object:
    """One operator on a field whose values are like `values`; texts and places are mostly asked what only they can answer."""
    if field in OWN_OPERATORS and draw(st.integers(0, 2)):
        return draw(OWN_OPERATORS[field])
    kind = draw(st.integers(0, 9))
    if kind < 4:
        return {draw(st.sampled_from(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"])): draw(values)}
    if kind < 7:
        items = st.lists(st.one_of(values, st.none()), max_size=4)
        return {draw(st.sampled_from(["$in", "$nin", "$all", "$containedBy"])): draw(items)}
    if kind == 7 and field in (FieldType.ARRAY, FieldType.OBJECT):
        return {"$all": [{"$regex": f"^\\Q{text}\\E"} for text in draw(st.lists(texts, min_size=1, max_size=2))]}
    return {"$exists": draw(flags)} if kind < 9 else draw(OWN_OPERATORS[draw(st.sampled_from(sorted(OWN_OPERATORS)))])


@st.composite
def regexes(draw: st.DrawFn) -> Object:
    return {"$regex": draw(patterns), "$options": "".join(sorted(draw(st.sets(st.sampled_from("imsx")))))}


@st.composite
def geometry(draw: st.DrawFn) -> Object:
    kind = draw(st.sampled_from(["near", "sphere", "box", "polygon", "corners"]))
    if kind == "box":
        return {"$within": {"$box": [draw(places), draw(places)]}}
    if kind in ("polygon", "corners"):
        corners: list[Json] = [*draw(st.lists(places, min_size=3, max_size=5))]
        return {"$geoWithin": {"$polygon": draw(areas) if kind == "polygon" else corners}}
    center, radius = draw(places), draw(st.sampled_from([0, 0.01, 0.05, 1.5, 3.2]))
    if kind == "near":
        return {"$nearSphere": center, "$maxDistance": radius}
    return {"$geoWithin": {"$centerSphere": [center, radius]}}


intersections = places.map(lambda point: Object({"$geoIntersects": {"$point": point}}))
OWN_OPERATORS = {FieldType.STRING: regexes(), FieldType.GEO_POINT: geometry(), FieldType.POLYGON: intersections}


@st.composite
def constraints(draw: st.DrawFn, name: str, kind: FieldType) -> Object:
    """A where about one field: mostly with values of its type, sometimes with others, inside of it where it has one."""
    values = draw(st.sampled_from([VALUES[kind], VALUES[kind], anything]))
    if kind in (FieldType.ARRAY, FieldType.OBJECT) and draw(flags):
        values = contents
        name = ".".join([name, *draw(st.lists(steps, max_size=2))])
    return {name: draw(values) if draw(st.integers(0, 2)) == 0 else draw(operators(kind, values))}


@st.composite
def wheres(draw: st.DrawFn, schema: ClassSchema, depth: int = 2) -> Object:
    if depth and draw(st.integers(0, 3)) == 0:
        parts: list[Json] = [*draw(st.lists(wheres(schema, depth - 1), min_size=1, max_size=3))]
        return {draw(st.sampled_from(["$or", "$and", "$nor"])): parts}
    name = draw(st.sampled_from([*(name for name in schema.fields if name.startswith("f")), "missing"]))
    return draw(constraints(name, schema.fields[name].type if name in schema.fields else FieldType.STRING))


principals = st.sets(st.sampled_from(["*", "u1", "u2", "role:nurse"]))


@dataclass(frozen=True)
class World:
    """A class, its objects by id, and what is asked."""

    schema: ClassSchema
    objects: dict[str, Object]
    nodes: list[Node]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    kinds = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5, unique=True)
    fields = {
        f"f{number}": Field(kind, "Owner" if kind is FieldType.POINTER else None) for number, kind in enumerate(draw(kinds))
    }
    schema = class_schema("Generated", fields)
    objects: dict[str, Object] = {}
    for number in range(draw(st.integers(0, 6))):
        row = {name: draw(VALUES[field.type]) for name, field in fields.items() if draw(st.integers(0, 3))}
        acl = draw(st.one_of(st.none(), st.dictionaries(st.sampled_from(["*", "u1", "role:nurse"]), rights)))
        shown = {name: value for name, value in row.items() if not _leads_astray(fields[name], value)}
        objects[f"id{number}"] = shown | ({} if acl is None else {"ACL": dict[str, Json](acl)})
    nodes = [node for where in draw(st.lists(wheres(schema), min_size=1, max_size=10)) if (node := _parsed(schema, where))]
    reader = Allowed(tuple(sorted(draw(principals))), "write" if draw(flags) else "read")
    return World(schema, objects, [reader, *nodes, *(both(node, reader) for node in nodes[:1])])


rights = st.dictionaries(st.sampled_from(["read", "write"]), st.just(True)).map(lambda granted: dict[str, Json](granted))


def _leads_astray(field: Field, value: Json) -> bool:
    """A pointer to another class than its column's cannot be stored there."""
    return field.type is FieldType.POINTER and isinstance(value, dict) and value["className"] != field.target_class


def _parsed(schema: ClassSchema, where: Json) -> Node | None:
    """The node, None for what the parser refuses: then neither side is asked."""
    try:
        return parse_where(schema, where)
    except ParseError:
        return None


@settings(
    max_examples=EXAMPLES or 120,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(world=worlds())
async def test_memory_and_postgres_find_the_same_objects(database: Database, world: World) -> None:
    schema = replace(world.schema, class_name=f"Generated{next(numbers_of_classes)}")
    async with database.connection() as connection, Judge(connection, schema) as judge:
        await judge.store(schema.class_name, world.objects)
        images = await judge.images(schema.class_name)
        for node in world.nodes:
            assert in_memory(schema, node, images) == await judge.find(schema.class_name, node), (node, images)
