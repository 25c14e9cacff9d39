"""What a where means, as rows: fields of an object, a where, and whether it matches.

Both compilers answer every row (test_match in memory, tests/oracle in Postgres); counterexamples that were found once stay.
"""

from app.core.query import Allowed, Node, parse_where
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.wire import Json, Object

THING: ClassSchema = class_schema(
    "Thing",
    {
        "text": Field(FieldType.STRING),
        "other": Field(FieldType.STRING),
        "number": Field(FieldType.NUMBER),
        "flag": Field(FieldType.BOOLEAN),
        "date": Field(FieldType.DATE),
        "object": Field(FieldType.OBJECT),
        "array": Field(FieldType.ARRAY),
        "owner": Field(FieldType.POINTER, "Owner"),
        "file": Field(FieldType.FILE),
        "bytes": Field(FieldType.BYTES),
        "place": Field(FieldType.GEO_POINT),
        "area": Field(FieldType.POLYGON),
        "friends": Field(FieldType.RELATION, "Owner"),
    },
)


def date(iso: str) -> Object:
    return {"__type": "Date", "iso": iso}


def owner(object_id: str, class_name: str = "Owner") -> Object:
    return {"__type": "Pointer", "className": class_name, "objectId": object_id}


def place(latitude: float, longitude: float) -> Object:
    return {"__type": "GeoPoint", "latitude": latitude, "longitude": longitude}


def area(*vertices: list[Json]) -> Object:
    return {"__type": "Polygon", "coordinates": list(vertices)}


SQUARE = area([0, 0], [0, 10], [10, 10], [10, 0], [0, 0])
NOON, LATER = "2026-11-21T12:00:00.000Z", "2026-11-21T12:00:00.001Z"

Case = tuple[Object, Json, bool]

PRESENCE: list[Case] = [
    ({}, {"text": None}, True),
    ({"text": ""}, {"text": None}, False),
    ({}, {"text": {"$ne": None}}, False),
    ({"text": ""}, {"text": {"$exists": True}}, True),
    ({}, {"text": {"$exists": False}}, True),
    ({}, {"nowhere": {"$exists": False}}, True),
    ({}, {"nowhere": {"$ne": 1}}, True),
    ({}, {"nowhere": 1}, False),
    ({}, {"nowhere.inside": None}, True),
    ({"object": {"a": None}}, {"object.a": None}, True),
    ({"object": {"a": None}}, {"object.a": {"$exists": True}}, False),
    ({"object": {"a": 0}}, {"object.a": {"$exists": True}}, True),
    ({"object": {}}, {"object": {"$exists": True}}, True),
    ({"array": []}, {"array": None}, False),
    ({}, {"array": {"$in": [None]}}, True),
    ({}, {"text": {"$in": [None, "a"]}}, True),
    ({}, {"text": {"$nin": [None, "a"]}}, False),
    ({"friends": {"__type": "Relation", "className": "Owner"}}, {"text": {"$exists": False}}, True),
]

EQUALITY: list[Case] = [
    ({"text": "a"}, {"text": "a"}, True),
    ({"text": "a"}, {"text": {"$eq": "A"}}, False),
    ({"text": "e\u0301"}, {"text": "\u00e9"}, False),
    ({"text": "a"}, {"text": {"$eq": "a"}}, True),
    ({"text": "1"}, {"text": 1}, False),
    ({"text": "1"}, {"text": {"$ne": 1}}, True),
    ({}, {"text": {"$ne": "a"}}, True),
    ({}, {"text": {"$nin": ["a"]}}, True),
    ({}, {"text": {"$nin": []}}, True),
    ({}, {"text": {"$in": []}}, False),
    ({"text": "a"}, {"text": {"$in": ["b", 1, "a"]}}, True),
    ({"text": "a"}, {"text": {"$nin": ["b", 1, "a"]}}, False),
    ({"number": 1}, {"number": True}, False),
    ({"number": 1}, {"number": 1.0}, True),
    ({"number": 0}, {"number": -0.0}, True),
    ({"number": 9007199254740993}, {"number": 9007199254740992}, True),
    ({"number": 1}, {"number": "1"}, False),
    ({"flag": True}, {"flag": 1}, False),
    ({"flag": False}, {"flag": False}, True),
    ({}, {"flag": False}, False),
    ({}, {"flag": {"$ne": True}}, True),
    ({"date": date(NOON)}, {"date": date("2026-11-21T13:00:00+01:00")}, True),
    ({"date": date(NOON)}, {"date": NOON}, True),
    ({"date": date(NOON)}, {"date": {"$in": [date(LATER), date(NOON)]}}, True),
    ({"date": date(NOON)}, {"date": {"$nin": [date(LATER)]}}, True),
    ({"date": date(NOON)}, {"date": "yesterday"}, False),
    ({"createdAt": NOON}, {"createdAt": date(NOON)}, True),
    ({"createdAt": NOON}, {"createdAt": NOON}, True),
    ({"owner": owner("a")}, {"owner": owner("a")}, True),
    ({"owner": owner("a")}, {"owner": "a"}, True),
    ({"owner": owner("a")}, {"owner": owner("a", "Stranger")}, False),
    ({"owner": owner("a")}, {"owner": {"$ne": owner("a", "Stranger")}}, True),
    ({"owner": owner("a")}, {"owner": {"$in": [owner("b"), owner("a")]}}, True),
    ({"file": {"__type": "File", "name": "f.txt"}}, {"file": {"__type": "File", "name": "f.txt", "url": "http://x/f.txt"}}, True),
    ({"file": {"__type": "File", "name": "f.txt"}}, {"file": "f.txt"}, True),
    ({"bytes": {"__type": "Bytes", "base64": "AQ=="}}, {"bytes": {"__type": "Bytes", "base64": "AQ=="}}, True),
    ({"place": place(1, 2)}, {"place": place(1, 2)}, True),
    ({"place": place(1, 2)}, {"place": place(1.0000001, 2)}, False),
    ({"place": place(1, 2)}, {"place": {"$ne": place(2, 1)}}, True),
    ({"area": SQUARE}, {"area": area([0, 0], [0, 10], [10, 10], [10, 0])}, True),
    ({"area": SQUARE}, {"area": area([0, 10], [10, 10], [10, 0], [0, 0])}, False),
    ({"object": {"a": 1, "b": [True]}}, {"object": {"b": [True], "a": 1}}, True),
    ({"object": {"a": 1}}, {"object": {"a": True}}, False),
    ({"object": {"a": 1}}, {"object": {"a": 1, "b": 2}}, False),
    ({"objectId": "thing1"}, {"objectId": {"$in": ["thing1", "thing2"]}}, True),
]  # fmt: skip

ORDER: list[Case] = [
    ({}, {"number": {"$lt": 5}}, False),
    ({}, {"date": {"$gt": date(NOON)}}, False),
    ({}, {"text": {"$gte": ""}}, False),
    ({"number": 3}, {"number": {"$gt": 2, "$lte": 3}}, True),
    ({"number": 3}, {"number": {"$gt": "2"}}, False),
    ({"number": 3}, {"number": {"$gte": True}}, False),
    ({"text": "B"}, {"text": {"$lt": "a"}}, True),
    ({"text": "é"}, {"text": {"$gt": "z"}}, True),
    ({"text": "\U0001f600"}, {"text": {"$gt": "\uffee"}}, True),
    ({"text": "10"}, {"text": {"$lt": "9"}}, True),
    ({"flag": False}, {"flag": {"$lt": True}}, True),
    ({"flag": True}, {"flag": {"$gt": 0}}, False),
    ({"date": date(NOON)}, {"date": {"$gt": date(NOON)}}, False),
    ({"date": date(NOON)}, {"date": {"$gte": date(NOON), "$lt": date(LATER)}}, True),
    ({"date": date("9999-12-31T23:59:59.999Z")}, {"date": {"$gt": date("9999-12-31T23:59:59.999Z")}}, False),
    ({"date": date("9999-12-31T23:59:59.999Z")}, {"date": {"$lte": date("9999-12-31T23:59:59.999Z")}}, True),
    ({"date": date("0001-01-01T00:00:00.001Z")}, {"date": {"$lt": date("1969-01-01T00:00:00.000Z")}}, True),
    ({"createdAt": NOON}, {"createdAt": {"$lt": date(LATER)}}, True),
    ({"owner": owner("a")}, {"owner": {"$lt": owner("b")}}, False),
    ({"number": 3}, {"number": {"$lt": None}}, False),
    ({"number": 3}, {"number": {"$lte": 2}}, False),
    ({"array": [1]}, {"array": {"$lt": 2}}, False),
]

CONTENTS: list[Case] = [
    ({"array": ["a", "b"]}, {"array": "a"}, True),
    ({"array": ["a", "b"]}, {"array": {"$ne": "a"}}, False),
    ({}, {"array": {"$ne": "a"}}, True),
    ({"array": [True]}, {"array": 1}, False),
    ({"array": [1]}, {"array": 1.0}, True),
    ({"array": [[1]]}, {"array": 1}, False),
    ({"array": [1, 2]}, {"array": [1, 2]}, True),
    ({"array": [1, 2]}, {"array": [2, 1]}, False),
    ({"array": [[1, 2]]}, {"array": [1, 2]}, False),
    ({"array": [{"a": 1, "b": 2}]}, {"array": {"a": 1}}, False),
    ({"array": [{"a": 1, "b": 2}]}, {"array": {"b": 2, "a": 1}}, True),
    ({"array": [owner("a")]}, {"array": owner("a")}, True),
    ({"array": [owner("a")]}, {"array": {"$in": [owner("b"), owner("a")]}}, True),
    ({"array": [owner("a")]}, {"array": {"$nin": [owner("a", "Stranger")]}}, True),
    ({"array": [date(NOON)]}, {"array": date(NOON)}, True),
    ({"array": ["b"]}, {"array": {"$in": ["a", "b", None]}}, True),
    ({"array": [None]}, {"array": {"$in": [None]}}, False),
    ({"array": [None]}, {"array": {"$all": [None]}}, True),
    ({"array": ["a", "b", "a"]}, {"array": {"$all": ["a", "b"]}}, True),
    ({"array": ["a", "a"]}, {"array": {"$all": ["a", "b"]}}, False),
    ({"array": ["a", {"x": 1}]}, {"array": {"$all": ["a", {"x": 1}]}}, True),
    ({"array": ["a", {"x": 1, "y": 2}]}, {"array": {"$all": ["a", {"x": 1}]}}, False),
    ({"array": ["a"]}, {"array": {"$all": []}}, False),
    ({"text": "a"}, {"text": {"$all": ["a"]}}, True),
    ({"text": "a"}, {"text": {"$all": ["a", "b"]}}, False),
    ({"array": ["hello", "world"]}, {"array": {"$all": [{"$regex": "^\\Qhe\\E"}, {"$regex": "^\\Qwo\\E"}]}}, True),
    ({"array": ["hello", 1]}, {"array": {"$all": [{"$regex": "^\\Qhe\\E"}, {"$regex": "^\\Qwo\\E"}]}}, False),
    ({"array": ["a%"]}, {"array": {"$all": [{"$regex": "^\\Qa_\\E"}]}}, False),
    ({"array": [1, 2]}, {"array": {"$containedBy": [1, 2, 3]}}, True),
    ({"array": [1, 4]}, {"array": {"$containedBy": [1, 2, 3]}}, False),
    ({"array": []}, {"array": {"$containedBy": [1]}}, True),
    ({"array": []}, {"array": {"$containedBy": []}}, True),
    ({}, {"array": {"$containedBy": [1]}}, False),
    ({"array": [True]}, {"array": {"$containedBy": [1]}}, False),
    ({"array": [[1]]}, {"array": {"$containedBy": [1, [1, 2]]}}, False),
    ({"array": [{"a": 1}]}, {"array": {"$containedBy": [{"a": 1, "b": 2}]}}, False),
    ({"object": {"a": {"b": 3}}}, {"object.a.b": 3}, True),
    ({"object": {"a": {"b": 3}}}, {"object.a.b": {"$gt": 2, "$lt": 4}}, True),
    ({"object": {"a": "3"}}, {"object.a": {"$gt": 2}}, False),
    ({"object": {"a": "b"}}, {"object.a": {"$gt": "B"}}, True),
    ({"object": {"a": True}}, {"object.a": {"$lt": 2}}, False),
    ({"object": {"a": date(NOON)}}, {"object.a": {"$lt": date(LATER)}}, True),
    ({"object": {"a": date(NOON)}}, {"object.a": date(NOON)}, True),
    ({"object": {"a": owner("x")}}, {"object.a.objectId": "x"}, True),
    ({"object": {"a": ["x", "y"]}}, {"object.a": "y"}, True),
    ({"object": {"a": ["x", "y"]}}, {"object.a.1": "y"}, True),
    ({"object": {"a": ["x", "y"]}}, {"object.a.01": "y"}, True),
    ({"object": {"a": ["x", "y"]}}, {"object.a.99999999999": None}, True),
    ({"object": {"a": {"1": "y"}}}, {"object.a.1": "y"}, True),
    ({"object": {"null": 1}}, {"object.null": 1}, True),
    ({"object": {"row": 1}}, {"object.row": 1}, True),
    ({"object": {"a": ["x"]}}, {"object.a": ["x"]}, True),
    ({"object": {"a": 1}}, {"object.a": {"$in": [2, 1]}}, True),
    ({"object": {"a": 1}}, {"object.a": {"$ne": 2}}, True),
    ({"object": {}}, {"object.a": {"$nin": [2]}}, True),
    ({"object": {"a": 1}}, {"object.a.b": None}, True),
    ({"array": [{"a": 1}]}, {"array.0.a": 1}, True),
    ({"array": [{"a": 1}]}, {"array.a": 1}, False),
    ({"object": {"a": [1]}}, {"object.a": {"$containedBy": [1, 2]}}, True),
    ({"object": {"a": "hello"}}, {"object.a": {"$regex": "^hel+o$"}}, True),
    ({"object": {"a": ["hello", 1]}}, {"object.a": {"$regex": "^hel+o$"}}, True),
    ({"object": {"a": [["hello"], {"b": "hello"}]}}, {"object.a": {"$regex": "hello"}}, False),
    ({"array": [1, "a b"]}, {"array": {"$regex": "\\Qa \\E"}}, True),
    ({"array": ["b"]}, {"array": {"$regex": "^\\Qa\\E"}}, False),
    ({"array": []}, {"array": {"$regex": ""}}, False),
    ({}, {"array": {"$regex": ""}}, False),
]

TEXTS: list[Case] = [
    ({"text": "50% of a_b\\c"}, {"text": {"$regex": "\\Q% of a_b\\c\\E"}}, True),
    ({"text": "50x of"}, {"text": {"$regex": "\\Q% of\\E"}}, False),
    ({"text": "a.b"}, {"text": {"$regex": "^\\Qa.\\E"}}, True),
    ({"text": "axb"}, {"text": {"$regex": "^\\Qa.\\E"}}, False),
    ({"text": "ends"}, {"text": {"$regex": "\\Qds\\E$"}}, True),
    ({"text": "ends\n"}, {"text": {"$regex": "ends$"}}, False),
    ({"text": "ends\nhere"}, {"text": {"$regex": "ends$", "$options": "m"}}, True),
    ({"text": "one\ntwo"}, {"text": {"$regex": "^two", "$options": "m"}}, True),
    ({"text": "one\ntwo"}, {"text": {"$regex": "one.two"}}, False),
    ({"text": "one\ntwo"}, {"text": {"$regex": "one.two", "$options": "s"}}, True),
    ({"text": "GÖTZ"}, {"text": {"$regex": "götz", "$options": "i"}}, True),
    ({"text": "GÖTZ"}, {"text": {"$regex": "^\\Qgö\\E", "$options": "i"}}, True),
    ({"text": "\u212a"}, {"text": {"$regex": "k", "$options": "i"}}, True),
    ({"text": "straße"}, {"text": {"$regex": "STRASSE", "$options": "i"}}, False),
    ({"text": "a b"}, {"text": {"$regex": "a \\  b # comment", "$options": "x"}}, True),
    ({"text": "x"}, {"text": {"$regex": "[^a-c]"}}, True),
    ({"text": "\u0660"}, {"text": {"$regex": "\\d"}}, False),
    ({"text": "é"}, {"text": {"$regex": "\\w"}}, False),
    ({"text": "the cat sat"}, {"text": {"$regex": "\\bcat\\b"}}, True),
    ({"text": "concat"}, {"text": {"$regex": "\\bcat"}}, False),
    ({"text": "aaaa"}, {"text": {"$regex": "^(aa|a){2,3}$"}}, True),
    ({"text": ""}, {"text": {"$regex": ""}}, True),
    ({}, {"text": {"$regex": ""}}, False),
    ({"text": "a-b]"}, {"text": {"$regex": "[\\]\\-]$"}}, True),
    ({"number": 12}, {"number": {"$regex": "1"}}, False),
]

PLACES: list[Case] = [
    ({"place": place(0, 0)}, {"place": {"$nearSphere": place(0, 1), "$maxDistance": 0.0175}}, True),
    ({"place": place(0, 0)}, {"place": {"$nearSphere": place(0, 1), "$maxDistance": 0.0174}}, False),
    ({"place": place(0, 0)}, {"place": {"$nearSphere": place(0, 1), "$maxDistanceInKilometers": 112}}, True),
    ({"place": place(0, 0)}, {"place": {"$nearSphere": place(0, 1), "$maxDistanceInMiles": 69}}, False),
    ({"place": place(0, 179.9)}, {"place": {"$nearSphere": place(0, -179.9), "$maxDistance": 0.01}}, True),
    ({"place": place(0, 0)}, {"place": {"$nearSphere": place(0, 180), "$maxDistance": 3.2}}, True),
    ({"place": place(0, 0)}, {"place": {"$nearSphere": place(0, 180)}}, True),
    ({}, {"place": {"$nearSphere": place(0, 180)}}, False),
    ({"place": place(0, 0), "text": "a"}, {"place": {"$nearSphere": place(0, 0)}, "text": "b"}, False),
    ({"place": place(5, 5)}, {"place": {"$geoWithin": {"$centerSphere": [[5, 5], 0]}}}, True),
    ({"place": place(5, 10)}, {"place": {"$within": {"$box": [place(0, 0), place(10, 10)]}}}, True),
    ({"place": place(5, 11)}, {"place": {"$within": {"$box": [place(0, 0), place(10, 10)]}}}, False),
    ({"place": place(5, 10.0000001)}, {"place": {"$within": {"$box": [place(0, 0), place(10, 10)]}}}, False),
    ({"place": place(5, 5)}, {"place": {"$geoWithin": {"$polygon": SQUARE}}}, True),
    ({"place": place(0, 5)}, {"place": {"$geoWithin": {"$polygon": SQUARE}}}, True),
    ({"place": place(10, 10)}, {"place": {"$geoWithin": {"$polygon": SQUARE}}}, True),
    ({"place": place(11, 5)}, {"place": {"$geoWithin": {"$polygon": SQUARE}}}, False),
    ({"place": place(1, 20)}, {"place": {"$geoWithin": {"$polygon": [[0, 0], [30, 0], [30, 2]]}}}, True),
    ({"place": place(20, 1)}, {"place": {"$geoWithin": {"$polygon": [[0, 0], [30, 0], [30, 2]]}}}, False),
    ({"place": place(1, 1)}, {"place": {"$geoWithin": {"$polygon": [place(0, 0), place(0, 3), place(3, 0)]}}}, True),
    ({"area": SQUARE}, {"area": {"$geoIntersects": {"$point": place(10, 0)}}}, True),
    ({"area": SQUARE}, {"area": {"$geoIntersects": {"$point": place(10.1, 0)}}}, False),
    ({}, {"area": {"$geoIntersects": {"$point": place(0, 0)}}}, False),
]

BRANCHES: list[Case] = [
    ({"number": 1}, {"$or": [{"number": 1}, {"text": "a"}]}, True),
    ({"number": 1}, {"$and": [{"number": 1}, {"text": "a"}]}, False),
    ({"number": 1}, {"$and": [{"number": 1}, {"text": None}]}, True),
    ({"number": 1}, {"$nor": [{"number": 1}, {"text": "a"}]}, False),
    ({"number": 1}, {"$nor": [{"number": 2}, {"text": "a"}]}, True),
    ({}, {"$nor": [{"number": {"$lt": 2}}]}, True),
    ({}, {"$nor": [{"$and": [{"number": {"$lt": 2}}, {"text": {"$exists": False}}]}]}, True),
    ({}, {"$nor": [{"text": {"$regex": "a"}}, {"place": {"$nearSphere": place(0, 0)}}]}, True),
    ({}, {"$nor": [{"$nor": [{"number": {"$gt": 0}}]}]}, False),
    ({"number": 1}, {"$or": [{}]}, True),
    ({"owner": owner("a")}, {"owner": {**owner("a"), "$exists": True}}, True),
]

CASES: list[Case] = [*PRESENCE, *EQUALITY, *ORDER, *CONTENTS, *TEXTS, *PLACES, *BRANCHES]

READER = Allowed(("*", "u1", "role:nurse"), "read")

ACL_CASES: list[tuple[Object, Node, bool]] = [
    ({}, READER, True),
    ({"ACL": {}}, READER, False),
    ({"ACL": {"*": {"read": True}}}, READER, True),
    ({"ACL": {"u1": {"write": True}}}, READER, False),
    ({"ACL": {"role:nurse": {"read": True, "write": True}}}, READER, True),
    ({"ACL": {"u2": {"read": True}}}, READER, False),
    ({"ACL": {"u1": {"write": True}}}, Allowed(("*", "u1"), "write"), True),
    ({"ACL": {"*": {"read": True}}}, Allowed(("*", "u1"), "write"), False),
]


def all_cases() -> list[tuple[Object, Node, bool]]:
    """Every row with its where parsed."""
    return [(fields, parse_where(THING, where), expected) for fields, where, expected in CASES] + ACL_CASES
