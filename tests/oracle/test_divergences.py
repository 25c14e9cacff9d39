"""Where queries here differ from Parse Server 9.10 on Postgres, and where memory differs from Postgres: pinned, with the reason.

The first part needs no word of Parse Server to run: what it does is told beside each row. Whoever changes one of these changes it
on purpose.
"""

from datetime import UTC, datetime

import pytest

from app.core.match import compile_match
from app.core.query import Node, parse_where
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.wire import Json, Object
from app.errors import ParseError
from app.store.database import Database
from tests.core.where_cases import NOON, SQUARE, THING, area, owner, place
from tests.oracle.postgres import Judge

OWNER: ClassSchema = class_schema("Owner", {"name": Field(FieldType.STRING), "rank": Field(FieldType.NUMBER)})

FROM_PARSE_SERVER: list[tuple[str, Object, Json, bool]] = [
    ("Parse: an empty $in asks IS NULL, so an empty sub-query finds absent fields", {}, {"text": {"$in": []}}, False),
    (
        "Parse: null in $in is dropped; here, as in MongoDB, null is absence wherever it stands",
        {},
        {"text": {"$in": [None]}},
        True,
    ),
    ("Parse: NOT array_contains(null) is null, so $ne and $nin on an Array lose absent fields", {}, {"array": {"$ne": 1}}, True),
    ("Parse: one $nin forgets absent fields (col NOT IN …); its own $ne remembers them", {}, {"text": {"$nin": ["a"]}}, True),
    ("Parse: $in flattens lists, so [[1]] finds what contains 1", {"array": [1, 2]}, {"array": {"$in": [[1]]}}, False),
    (
        "Parse: $all counts hits, so a doubled element makes up for a missing one",
        {"array": [1, 1]},
        {"array": {"$all": [1, 2]}},
        False,
    ),
    ("Parse: $all compares texts, so 1 finds '1'", {"array": ["1"]}, {"array": {"$all": [1]}}, False),
    (
        "Parse: $containedBy is jsonb containment, which looks into elements",
        {"array": [{"a": 1}]},
        {"array": {"$containedBy": [{"a": 1, "b": 2}]}},
        False,
    ),
    ("Parse: $in inside an Object field asks @>, the wrong way round", {"object": {"a": 1}}, {"object.a": {"$in": [1, 2]}}, True),
    (
        "Parse: $exists with a dot asks for a column of that name, and finds nothing",
        {"object": {"a": 1}},
        {"object.a": {"$exists": True}},
        True,
    ),
    ("Parse: a dot compares as text, so 1 equals '1'", {"object": {"a": 1}}, {"object.a": "1"}, False),
    ("Parse: a column that is missing makes the whole find empty", {}, {"nowhere": {"$ne": 1}}, True),
    ("Parse: a value of another type fails in Postgres or is cast", {"number": 1}, {"number": "1"}, False),
    ("Parse: any pointer equals by its id, whatever its class", {"owner": owner("a")}, {"owner": owner("a", "Stranger")}, False),
    ("Parse: ~= on points forgives 0.000001 degrees", {"place": place(1, 2)}, {"place": place(1.0000001, 2)}, False),
    ("Parse: ~= on polygons takes any first vertex", {"area": SQUARE}, {"area": area([0, 10], [10, 10], [10, 0], [0, 0])}, False),
    (
        "Parse: a Polygon object in $polygon is read as [longitude, latitude], against its own type",
        {"place": place(1, 8)},
        {"place": {"$geoWithin": {"$polygon": area([0, 0], [0, 9], [2, 9], [2, 0])}}},
        True,
    ),
    (
        "Parse: $maxDistanceInKilometers is ignored on Postgres",
        {"place": place(9, 9)},
        {"place": {"$nearSphere": place(0, 0), "$maxDistanceInKilometers": 1}},
        False,
    ),
    (
        "Parse: . matches a line's end in Postgres, not in MongoDB nor in JavaScript",
        {"text": "a\nb"},
        {"text": {"$regex": "a.b"}},
        False,
    ),
    ("Parse: without $options s", {"text": "a\nb"}, {"text": {"$regex": "a.b", "$options": "s"}}, True),
    ("Parse: m is ignored", {"text": "a\nb"}, {"text": {"$regex": "^b", "$options": "m"}}, True),
    (
        "Parse: text orders by the collation of the database; here by code point, everywhere",
        {"text": "B"},
        {"text": {"$lt": "a"}},
        True,
    ),
    ("Parse: NOT (a OR b) with a null in it finds nothing", {}, {"$nor": [{"number": 1}]}, True),
    ("Parse LiveQuery: a missing field passes $lt", {}, {"number": {"$lt": 5}}, False),
    (
        "Parse LiveQuery: $nearSphere skips the rest of its field",
        {"place": place(0, 0)},
        {"place": {"$nearSphere": place(0, 0), "$exists": False}},
        False,
    ),
    (
        "Parse LiveQuery: a box without its edges",
        {"place": place(0, 0)},
        {"place": {"$within": {"$box": [place(0, 0), place(1, 1)]}}},
        True,
    ),
]


def _id(value: object) -> str:
    """A name for a case, the same in every process: sets have no order."""
    return str(sorted(value) if isinstance(value, set | frozenset) else value)[:60]


@pytest.mark.parametrize(("reason", "fields", "where", "expected"), FROM_PARSE_SERVER, ids=_id)
async def test_differs_from_parse_server(database: Database, reason: str, fields: Object, where: Json, expected: bool) -> None:
    node = parse_where(THING, where)
    async with database.connection() as connection, Judge(connection, THING) as judge:
        await judge.store("Thing", {"x": fields})
        images = await judge.images("Thing")
        assert (await judge.find("Thing", node) == {"x"}) is expected, reason
        assert compile_match(THING, node)(images["x"]) is expected, reason


@pytest.mark.parametrize(
    ("reason", "where"),
    [
        ("Parse: unknown operators next to a known one are ignored", {"number": {"$gt": 1, "$unheard": 2}}),
        ("Parse: a dot into a pointer fails in Postgres", {"owner.name": "x"}),
        ("Parse: $exists takes any truth", {"number": {"$exists": 1}}),
        ("Parse: back-references and look-around run unbounded", {"text": {"$regex": "(a)\\1"}}),
        (
            "Parse: $relativeTime; no live query can hold what depends on the time of reading",
            {"date": {"$gt": {"$relativeTime": "now"}}},
        ),
        ("Parse: an empty $or is broken SQL", {"$or": []}),
    ],
)
def test_refuses_what_parse_server_lets_pass(reason: str, where: Json) -> None:
    assert reason
    with pytest.raises(ParseError):
        parse_where(THING, where)


SUBQUERY: list[tuple[str, Json, set[str]]] = [
    (
        "Parse: limit and order of a sub-query are ignored; here they are kept",
        {"owner": {"$inQuery": {"className": "Owner", "where": {}, "order": "-rank", "limit": 1}}},
        {"two"},
    ),
    (
        "Parse: $notInQuery loses objects without a value; here absent leads nowhere, so it is not in the query",
        {"owner": {"$notInQuery": {"className": "Owner", "where": {"rank": 1}}}},
        {"two", "none"},
    ),
    (
        "A key of $select that an object lacks equals nothing",
        {"text": {"$select": {"query": {"className": "Owner"}, "key": "name"}}},
        {"one"},
    ),
    (
        "Parse: $dontSelect loses objects without a value",
        {"text": {"$dontSelect": {"query": {"className": "Owner"}, "key": "name"}}},
        {"two", "none"},
    ),
    ("Relations answer pointers as in Parse", {"friends": owner("o1")}, {"one"}),
    ("Relations answer $ne as in Parse", {"friends": {"$ne": owner("o1")}}, {"two", "none"}),
    ("Relations answer sub-queries", {"friends": {"$inQuery": {"className": "Owner", "where": {"rank": 1}}}}, {"one"}),
    ("Arrays of pointers answer sub-queries", {"array": {"$inQuery": {"className": "Owner", "where": {"rank": 2}}}}, {"one"}),
    (
        "Pointers inside an Object answer sub-queries",
        {"object.who": {"$inQuery": {"className": "Owner", "where": {"rank": 2}}}},
        {"two"},
    ),
    ("Parse fails on two words; here both must be there", {"text": {"$text": {"$search": {"$term": "ada big"}}}}, set()),
    ("Full text finds words by their stem", {"text": {"$text": {"$search": {"$term": "walk"}}}}, {"two"}),
]


@pytest.mark.parametrize(("reason", "where", "expected"), SUBQUERY, ids=_id)
async def test_what_only_the_database_answers(database: Database, reason: str, where: Json, expected: set[str]) -> None:
    async with database.connection() as connection, Judge(connection, THING, OWNER) as judge:
        await judge.store("Owner", {"o1": {"name": "ada", "rank": 1}, "o2": {"rank": 2}})
        things: dict[str, Object] = {
            "one": {"owner": owner("o1"), "text": "ada", "array": [owner("o2")]},
            "two": {"owner": owner("o2"), "text": "walking", "object": {"who": owner("o2")}},
            "none": {},
        }
        await judge.store("Thing", things)
        await judge.relate("Thing", "friends", [("one", "o1")])
        assert await judge.find("Thing", parse_where(THING, where)) == expected, reason


async def both_answers(judge: Judge, node: Node) -> tuple[bool, bool]:
    """(what Postgres says, what memory says of the image) of the one object."""
    images = await judge.images("Thing")
    return bool(await judge.find("Thing", node)), compile_match(THING, node)(images["x"])


async def test_times_finer_than_a_millisecond_compare_as_the_wire_shows_them(database: Database) -> None:
    """Written by SQL, as Parse writes milliseconds only; Parse Server would compare the microseconds that nobody sees."""
    async with database.connection() as connection, Judge(connection, THING) as judge:
        moment = datetime(2026, 11, 21, 12, 0, 0, 999, tzinfo=UTC)
        await judge.execute('insert into "Thing" ("objectId", date) values ($1, $2)', "x", moment)
        for operator, expected in (("$eq", True), ("$gt", False), ("$lte", True), ("$ne", False)):
            node = parse_where(THING, {"date": {operator: NOON}})
            assert await both_answers(judge, node) == (expected, expected), operator


async def test_an_infinite_date_is_absent_in_memory_only(database: Database) -> None:
    """JSON has no word for it, so the image lacks it. No SDK can write one; keeping `is null` plain serves partial indexes."""
    async with database.connection() as connection, Judge(connection, THING) as judge:
        await judge.execute("""insert into "Thing" ("objectId", date) values ('x', 'infinity')""")
        assert await both_answers(judge, parse_where(THING, {"date": {"$gt": NOON}})) == (True, False)
        assert await both_answers(judge, parse_where(THING, {"date": {"$exists": False}})) == (False, True)


async def test_a_number_that_is_none_is_no_number_in_memory_only(database: Database) -> None:
    """Postgres orders NaN above all numbers; JSON has no word for it. No SDK can write one."""
    async with database.connection() as connection, Judge(connection, THING) as judge:
        await judge.execute("""insert into "Thing" ("objectId", number) values ('x', 'NaN')""")
        assert await both_answers(judge, parse_where(THING, {"number": {"$gt": 5}})) == (True, False)
