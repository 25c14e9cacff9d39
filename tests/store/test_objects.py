"""Rows of any class: found with their includes in one statement, written column by column."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import pytest

from app.core.ops import RelationChange
from app.core.query import Allowed, Compare, Everything, InQuery, Node, Nothing, Query, freeze, parse_query
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.sql import column_type
from app.core.wire import UNSET, Json, Object, Unset
from app.errors import ErrorCode, ParseError
from app.store.database import Connection, Database
from app.store.rows import includes
from app.store.rows.objects import (
    Found,
    change_relations,
    delete,
    insert,
    select,
    select_count,
    select_for_update,
    update,
)
from app.store.rows.render import RENDER_DDL

WHEN = datetime(2026, 11, 21, 10, 0, 0, 123999, UTC)
ISO = "2026-11-21T10:00:00.123Z"
AREA = class_schema("ItArea", {"label": Field(FieldType.STRING), "boss": Field(FieldType.POINTER, "ItPerson")})
PERSON = class_schema("ItPerson", {"label": Field(FieldType.STRING), "phone": Field(FieldType.STRING)})
SITE = class_schema(
    "ItSite",
    {
        "label": Field(FieldType.STRING),
        "area": Field(FieldType.POINTER, "ItArea"),
        "_token": Field(FieldType.STRING),
    },
)
TANK = class_schema(
    "ItTank",
    {
        "label": Field(FieldType.STRING),
        "level": Field(FieldType.NUMBER),
        "open": Field(FieldType.BOOLEAN),
        "seen": Field(FieldType.DATE),
        "extra": Field(FieldType.OBJECT),
        "links": Field(FieldType.ARRAY),
        "site": Field(FieldType.POINTER, "ItSite"),
        "lost": Field(FieldType.POINTER, "ItNowhere"),
        "place": Field(FieldType.GEO_POINT),
        "zone": Field(FieldType.POLYGON),
        "photo": Field(FieldType.FILE),
        "raw": Field(FieldType.BYTES),
        "staff": Field(FieldType.RELATION, "ItPerson"),
    },
)


class Classes:
    """The classes of this file, as the registry shows them."""

    def __init__(self, *schemas: ClassSchema) -> None:
        self._schemas = {schema.class_name: schema for schema in schemas}

    def get(self, class_name: str) -> ClassSchema:
        return self._schemas[class_name]

    def has(self, class_name: str) -> bool:
        return class_name in self._schemas


CLASSES = Classes(AREA, PERSON, SITE, TANK)


def table(schema: ClassSchema) -> str:
    columns = [
        f'"{name}" {column_type(field)}'
        for name, field in schema.fields.items()
        if name != "objectId" and field.type not in ("ACL", "Relation")
    ]
    keys = '"objectId" text primary key, "_rperm" text[], "_wperm" text[]'
    return f'create table "{schema.class_name}" ({keys}, {", ".join(columns)})'


TABLES = (*(table(schema) for schema in (AREA, PERSON, SITE, TANK)), (
    'create table "_Join:staff:ItTank" ("relatedId" text, "owningId" text, primary key ("relatedId", "owningId"))'
))  # fmt: skip
DROP = 'drop table if exists "ItArea", "ItPerson", "ItSite", "ItTank", "_Join:staff:ItTank"'


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    includes.forget()
    async with database.connection() as connection:
        await connection.execute(f"{RENDER_DDL}; {DROP}; {'; '.join(TABLES)}")
        yield connection
        await connection.execute(DROP)


async def put(
    connection: Connection,
    schema: ClassSchema,
    object_id: str,
    values: Mapping[str, Json] | None = None,
    *,
    rperm: list[str] | None = None,
    secrets: Mapping[str, object] | None = None,
) -> Object:
    text = await insert(
        connection,
        schema,
        values or {},
        object_id=object_id,
        created_at=WHEN,
        updated_at=WHEN,
        rperm=rperm,
        wperm=None if rperm is None else [],
        secrets=secrets,
    )
    return read(text)


def read(text: str) -> Object:
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


def pointer(schema: ClassSchema, object_id: str) -> Object:
    return {"__type": "Pointer", "className": schema.class_name, "objectId": object_id}


def asked(schema: ClassSchema, **params: Json) -> Query:
    return parse_query(schema.class_name, schema, params)


def everyone(schema: ClassSchema) -> Node:
    return Allowed(("*",))


async def find(
    connection: Connection,
    query: Query,
    *,
    allowed: Node | None = None,
    hidden: Mapping[str, frozenset[str]] | None = None,
    cursor: bool = False,
    files_url: str | None = None,
) -> Found:
    return await select(
        connection,
        CLASSES,
        query,
        Allowed(("*",)) if allowed is None else allowed,
        hidden=lambda schema: (hidden or {}).get(schema.class_name, frozenset()),
        allowed_for=everyone,
        cursor=cursor,
        files_url=files_url,
    )


async def objects(connection: Connection, query: Query, **options: Mapping[str, frozenset[str]]) -> list[Object]:
    return [read(text) for text in (await find(connection, query, hidden=options.get("hidden"))).results]


async def labels(connection: Connection, query: Query) -> list[Json]:
    return [found["label"] for found in await objects(connection, query)]


EVERY_TYPE: Mapping[str, Json] = {
    "label": 'a"b\n',
    "level": 2,
    "open": False,
    "seen": {"__type": "Date", "iso": "2026-01-01T00:00:00.001Z"},
    "extra": {"a": [1, None, {"b": 1.5}]},
    "links": ["x", {"y": True}],
    "place": {"__type": "GeoPoint", "latitude": 52.5, "longitude": 13.4},
    "zone": {"__type": "Polygon", "coordinates": [[0, 0], [0, 2], [2, 0], [0, 0]]},
    "photo": {"__type": "File", "name": "f.png"},
    "raw": {"__type": "Bytes", "base64": "AAE="},
    "site": pointer(SITE, "s1"),
}


async def test_every_type_comes_back_as_it_was_stored(connection: Connection) -> None:
    stored = await put(connection, TANK, "t1", EVERY_TYPE, rperm=["*"])
    assert stored == {
        "objectId": "t1",
        "createdAt": ISO,
        "updatedAt": ISO,
        **EVERY_TYPE,
        "staff": {"__type": "Relation", "className": "ItPerson"},
        "ACL": {"*": {"read": True}},
    }
    assert await objects(connection, asked(TANK)) == [stored]


@pytest.mark.parametrize("iso", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
async def test_the_first_and_the_last_date_are_kept_and_found(connection: Connection, iso: str) -> None:
    date: Object = {"__type": "Date", "iso": iso}
    stored = await put(connection, TANK, "t1", {"seen": date})
    assert stored["seen"] == date
    assert [found["seen"] for found in await objects(connection, asked(TANK, where={"seen": date}))] == [date]
    for operator, count in (("$gte", 1), ("$lte", 1), ("$gt", 0), ("$lt", 0), ("$ne", 0)):
        assert len(await objects(connection, asked(TANK, where={"seen": {operator: date}}))) == count, operator


async def test_an_update_changes_only_the_named_columns(connection: Connection) -> None:
    before = await put(connection, TANK, "t1", EVERY_TYPE, rperm=["*"])
    later = datetime(2026, 11, 22, tzinfo=UTC)
    changes: dict[str, Json | Unset] = {"level": 3.5, "open": UNSET, "extra": None, "site": pointer(SITE, "s2")}
    after = read(await update(connection, TANK, "t1", changes, updated_at=later))
    expected = {name: value for name, value in before.items() if name not in ("open", "extra")}
    changed = {"level": 3.5, "site": pointer(SITE, "s2"), "updatedAt": "2026-11-22T00:00:00.000Z"}
    assert after == expected | changed


async def test_an_update_can_replace_and_remove_the_acl(connection: Connection) -> None:
    await put(connection, TANK, "t1", rperm=["*"])
    private = read(await update(connection, TANK, "t1", {}, updated_at=WHEN, rperm=["u1"], wperm=["u1"]))
    assert private["ACL"] == {"u1": {"read": True, "write": True}}
    public = read(await update(connection, TANK, "t1", {}, updated_at=WHEN, rperm=None, wperm=None))
    assert "ACL" not in public


async def test_an_update_of_nothing_that_is_there_says_object_not_found(connection: Connection) -> None:
    with pytest.raises(ParseError) as refusal:
        await update(connection, TANK, "nobody", {"level": 1}, updated_at=WHEN)
    assert refusal.value.code is ErrorCode.OBJECT_NOT_FOUND


async def test_delete_tells_whether_there_was_an_object(connection: Connection) -> None:
    await put(connection, TANK, "t1")
    assert await delete(connection, TANK, "t1") is True
    assert await delete(connection, TANK, "t1") is False
    assert await objects(connection, asked(TANK)) == []


async def test_secrets_are_stored_and_never_come_back(connection: Connection) -> None:
    stored = await put(connection, SITE, "s1", {"label": "north"}, secrets={"_token": "hunter2"})
    changed = read(await update(connection, SITE, "s1", {}, updated_at=WHEN, secrets={"_token": "hunter3"}))
    assert await connection.fetchval('select "_token" from "ItSite"') == "hunter3"
    assert "_token" not in stored
    assert "_token" not in changed
    assert "_token" not in (await objects(connection, asked(SITE, include="*")))[0]


async def test_order_limit_and_skip_choose_the_page(connection: Connection) -> None:
    for number in range(5):
        await put(connection, TANK, f"t{number}", {"label": f"n{number}", "level": number % 3})
    assert await labels(connection, asked(TANK, order="-level,label", limit=3)) == ["n2", "n1", "n4"]
    assert await labels(connection, asked(TANK, order="-level,label", limit=3, skip=3)) == ["n0", "n3"]
    assert await labels(connection, Query("ItTank", order=((("label",), False),), limit=None)) == [
        f"n{number}" for number in range(5)
    ]


async def test_what_is_not_allowed_is_neither_found_nor_counted_nor_locked(connection: Connection) -> None:
    await put(connection, TANK, "open", {"level": 1})
    await put(connection, TANK, "mine", {"level": 1}, rperm=["u1"])
    await put(connection, TANK, "theirs", {"level": 1}, rperm=["u2"])
    query, allowed = asked(TANK, where={"level": 1}, order="objectId", count=1), Allowed(("*", "u1"))
    found = await find(connection, query, allowed=allowed)
    assert [read(text)["objectId"] for text in found.results] == ["mine", "open"]
    assert found.count == 2
    assert await select_count(connection, CLASSES, query, allowed) == 2
    assert await select_for_update(connection, CLASSES, TANK, "theirs", allowed) is None
    assert await find(connection, query, allowed=Nothing()) == Found([], 0)


async def test_the_count_is_of_all_matches_whatever_the_page(connection: Connection) -> None:
    for number in range(4):
        await put(connection, TANK, f"t{number}", {"level": number})
    where: Json = {"level": {"$gt": 0}}
    for limit, shown in ((2, 2), (0, 0), (10, 3)):
        found = await find(connection, asked(TANK, where=where, limit=limit, count=1))
        assert (len(found.results), found.count) == (shown, 3)
    past_the_end = await find(connection, asked(TANK, where=where, skip=9, count=1))
    assert (past_the_end.results, past_the_end.count) == ([], 3)


async def test_a_page_with_its_count_keeps_its_order(connection: Connection) -> None:
    for number in range(20):
        await put(connection, TANK, f"t{number}", {"label": f"{number:02}"})
    query = asked(TANK, order="-label", count=1, limit=20)
    assert await labels(connection, query) == [f"{number:02}" for number in reversed(range(20))]


async def test_the_cursor_is_the_snapshot_that_the_results_were_read_in(connection: Connection) -> None:
    found = await find(connection, asked(TANK), cursor=True)
    assert found.results == []
    assert found.cursor is not None
    await put(connection, TANK, "t1")
    seen = 'select pg_visible_in_snapshot(xmin::text::xid8, $1::text::pg_snapshot) from "ItTank"'
    assert await connection.fetchval(seen, found.cursor) is False
    again = await find(connection, asked(TANK), cursor=True)
    assert await connection.fetchval(seen, again.cursor) is True


async def test_for_update_gives_the_object_and_holds_its_row(connection: Connection, database: Database) -> None:
    stored = await put(connection, TANK, "t1", EVERY_TYPE, rperm=["*"])
    locked = 'select 1 from "ItTank" where "objectId" = \'t1\' for update skip locked'
    async with database.transaction() as tx:
        assert await select_for_update(tx, CLASSES, TANK, "t1", Everything()) == stored
        assert await connection.fetchval(locked) is None
    assert await connection.fetchval(locked) == 1


async def chain(connection: Connection) -> None:
    """t1 -> s1 -> a1 -> p1, all public."""
    await put(connection, PERSON, "p1", {"label": "Pia", "phone": "110"})
    await put(connection, AREA, "a1", {"label": "alps", "boss": pointer(PERSON, "p1")})
    await put(connection, SITE, "s1", {"label": "north", "area": pointer(AREA, "a1")})
    await put(connection, TANK, "t1", {"label": "tank", "site": pointer(SITE, "s1")})


async def test_a_pointer_is_included_with_its_type_and_class(connection: Connection) -> None:
    await chain(connection)
    (tank,) = await objects(connection, asked(TANK, include="site"))
    assert tank["site"] == {
        "__type": "Object",
        "className": "ItSite",
        "objectId": "s1",
        "createdAt": ISO,
        "updatedAt": ISO,
        "label": "north",
        "area": pointer(AREA, "a1"),
    }


async def test_includes_go_as_deep_as_their_path(connection: Connection) -> None:
    await chain(connection)
    (tank,) = await objects(connection, asked(TANK, include="site.area.boss"))
    assert path(tank, "site", "area", "boss", "label") == "Pia"


async def test_an_include_leaves_what_is_missing_or_closed_as_a_pointer(connection: Connection) -> None:
    await put(connection, SITE, "closed", {"label": "x"}, rperm=["u9"])
    await put(connection, TANK, "t1", {"site": pointer(SITE, "closed"), "lost": pointer(TANK, "x")})
    await put(connection, TANK, "t2", {"site": pointer(SITE, "gone")})
    await put(connection, TANK, "t3")
    found = await objects(connection, asked(TANK, include="site,lost,label,nothing,staff", order="objectId"))
    assert [tank.get("site") for tank in found] == [pointer(SITE, "closed"), pointer(SITE, "gone"), None]
    assert path(found[0], "lost", "className") == "ItNowhere"


async def test_each_included_class_loses_its_hidden_fields(connection: Connection) -> None:
    await chain(connection)
    hidden = {"ItPerson": frozenset({"phone"}), "ItTank": frozenset({"label"})}
    (tank,) = await objects(connection, asked(TANK, include="site.area.boss"), hidden=hidden)
    boss = path(tank, "site", "area", "boss")
    assert isinstance(boss, dict)
    assert boss["label"] == "Pia"
    assert "phone" not in boss
    assert "label" not in tank


async def test_a_hidden_pointer_is_not_included(connection: Connection) -> None:
    await chain(connection)
    (tank,) = await objects(connection, asked(TANK, include="site"), hidden={"ItTank": frozenset({"site"})})
    assert "site" not in tank


async def test_an_array_of_pointers_is_included_in_its_order(connection: Connection) -> None:
    await chain(connection)
    await put(connection, SITE, "s2", {"label": "south"})
    await put(connection, SITE, "closed", rperm=["u9"])
    links: list[Json] = [
        pointer(SITE, "s2"),
        7,
        pointer(SITE, "closed"),
        pointer(PERSON, "p1"),
        {"__type": "Pointer", "className": "ItNowhere", "objectId": "x"},
        pointer(SITE, "s1"),
        None,
    ]
    await put(connection, TANK, "t2", {"links": links})
    for _ in range(2):  # the first time the classes in the array are news
        (tank,) = await objects(connection, asked(TANK, where={"objectId": "t2"}, include="links.area"))
        found = tank["links"]
        assert isinstance(found, list)
        assert [path(found[0], "label"), path(found[3], "label"), path(found[5], "label")] == ["south", "Pia", "north"]
        assert [found[1], found[2], found[4], found[6]] == [links[1], links[2], links[4], None]
        assert path(found[5], "area", "label") == "alps"


async def test_pointers_inside_an_object_are_included_as_deep_as_their_path(connection: Connection) -> None:
    await chain(connection)
    await put(connection, SITE, "closed", rperm=["u9"])
    extra: Object = {
        "at": pointer(SITE, "s1"),
        "shut": pointer(SITE, "closed"),
        "more": {"who": pointer(PERSON, "p1"), "n": 1},
        "all": [pointer(PERSON, "p1"), 7],
        'qu"ote': "x",
        "other": pointer(SITE, "s1"),
    }
    await put(connection, TANK, "t2", {"extra": extra})
    for _ in range(2):  # the first time the classes in the object are news
        asks = asked(
            TANK, where={"objectId": "t2"}, include="extra.at.area,extra.shut,extra.more.who,extra.all,extra.gone,extra.more.n"
        )
        (tank,) = await objects(connection, asks)
        assert path(tank, "extra", "at", "label") == "north"
        assert path(tank, "extra", "at", "area", "label") == "alps"
        assert path(tank, "extra", "more", "who", "label") == "Pia"
        found = path(tank, "extra", "all")
        assert isinstance(found, list)
        assert (path(found[0], "label"), found[1]) == ("Pia", 7)
        kept = {"shut": pointer(SITE, "closed"), 'qu"ote': "x", "other": pointer(SITE, "s1")}
        assert {name: path(tank, "extra", name) for name in kept} == kept
        assert path(tank, "extra", "more", "n") == 1


async def test_an_object_without_pointers_stays_as_it_is_whatever_is_included(connection: Connection) -> None:
    held: list[Json] = [{}, {"at": 7}, {"at": {"__type": "Pointer"}}, {"at": [[]]}, {"at": {"deep": None}}]
    for number, extra in enumerate(held):
        await put(connection, TANK, f"t{number}", {"extra": extra})
    await put(connection, TANK, "t9")
    found = await objects(connection, asked(TANK, include="extra.at.deep,extra.at", order="objectId"))
    assert [tank.get("extra") for tank in found] == [*held, None]


async def test_keys_and_hidden_fields_hold_inside_an_object_too(connection: Connection) -> None:
    await chain(connection)
    await put(connection, TANK, "t2", {"extra": {"who": pointer(PERSON, "p1")}, "label": "two"})
    hidden = {"ItPerson": frozenset({"phone"})}
    (tank,) = await objects(connection, asked(TANK, where={"objectId": "t2"}, include="extra.who"), hidden=hidden)
    assert path(tank, "extra", "who", "label") == "Pia"
    assert "phone" not in str(tank)
    (tank,) = await objects(connection, asked(TANK, where={"objectId": "t2"}, include="extra.who", keys="extra.who.phone"))
    assert path(tank, "extra", "who", "phone")
    assert "Pia" not in str(tank)
    (tank,) = await objects(
        connection, asked(TANK, where={"objectId": "t2"}, include="extra.who"), hidden={"ItTank": frozenset({"extra"})}
    )
    assert "extra" not in tank


@pytest.mark.parametrize("include", ["extra" + ".a" * 99, ",".join(f"extra.a{number}" for number in range(101))])
async def test_too_many_includes_inside_an_object_are_refused(connection: Connection, include: str) -> None:
    await put(connection, TANK, "t1")
    with pytest.raises(ParseError, match="Too many includes"):
        await objects(connection, asked(TANK, include=include))


async def test_an_included_array_that_is_empty_absent_or_no_array_stays_so(connection: Connection) -> None:
    await put(connection, TANK, "t1", {"links": []})
    await put(connection, TANK, "t2")
    await put(connection, TANK, "t3")
    await connection.execute('update "ItTank" set "links" = \'{"odd": 1}\' where "objectId" = \'t3\'')
    found = await objects(connection, asked(TANK, include="links", order="objectId"))
    assert [tank.get("links") for tank in found] == [[], None, {"odd": 1}]


async def test_the_star_includes_every_pointer_and_array_of_the_class(connection: Connection) -> None:
    await chain(connection)
    await update(connection, TANK, "t1", {"links": [pointer(PERSON, "p1")]}, updated_at=WHEN)
    (tank,) = await objects(connection, asked(TANK, include="*"))
    assert path(tank, "site", "label") == "north"
    assert path(tank, "site", "area") == pointer(AREA, "a1")
    links = tank["links"]
    assert isinstance(links, list)
    assert path(links[0], "label") == "Pia"


async def test_keys_choose_fields_also_of_included_objects(connection: Connection) -> None:
    await chain(connection)
    (tank,) = await objects(connection, asked(TANK, keys="label,site.label"))
    always = {"createdAt": ISO, "updatedAt": ISO}
    site = {"__type": "Object", "className": "ItSite", "objectId": "s1", **always, "label": "north"}
    assert tank == {"objectId": "t1", **always, "label": "tank", "site": site}


async def test_keys_leave_an_included_object_whole_when_they_name_nothing_in_it(connection: Connection) -> None:
    await chain(connection)
    (tank,) = await objects(connection, asked(TANK, keys="site", include="site"))
    assert path(tank, "site", "label") == "north"
    assert path(tank, "site", "area") == pointer(AREA, "a1")
    (bare,) = await objects(connection, asked(TANK, keys="label", include="site"))
    assert "site" not in bare


async def test_exclude_keys_drop_fields_also_of_included_objects(connection: Connection) -> None:
    await chain(connection)
    (tank,) = await objects(connection, asked(TANK, excludeKeys="label,staff,site.label,objectId", include="site"))
    assert "label" not in tank
    assert "staff" not in tank
    assert tank["objectId"] == "t1"
    assert "label" not in str(tank["site"])
    assert path(tank, "site", "area") == pointer(AREA, "a1")


async def test_too_many_includes_are_refused(connection: Connection) -> None:
    fields = {f"p{number}": Field(FieldType.POINTER, "ItWide") for number in range(101)}
    wide = class_schema("ItWide", fields)
    with pytest.raises(ParseError) as refusal:
        await select(
            connection,
            Classes(wide),
            Query("ItWide", include_all=True),
            Everything(),
            hidden=lambda _: frozenset(),
            allowed_for=everyone,
        )
    assert refusal.value.code is ErrorCode.INVALID_QUERY


async def test_a_subquery_is_part_of_the_statement(connection: Connection) -> None:
    await chain(connection)
    await put(connection, TANK, "t2", {"label": "other", "site": pointer(SITE, "gone")})
    inner = Query("ItSite", where=Compare(("label",), "eq", freeze("north")), limit=None)
    query = Query("ItTank", where=InQuery(("site",), inner), include=(("site",),))
    (tank,) = await objects(connection, query)
    assert path(tank, "site", "label") == "north"


async def test_relations_take_an_object_once_and_lose_it_once(connection: Connection) -> None:
    await put(connection, TANK, "t1")
    for number in (1, 2):
        await put(connection, PERSON, f"p{number}", {"label": f"n{number}"})
    add = RelationChange("staff", "ItPerson", ("p1", "p2"), ())
    await change_relations(connection, "ItTank", "t1", [add, add])
    related = asked(PERSON, where={"$relatedTo": {"object": pointer(TANK, "t1"), "key": "staff"}}, order="label")
    assert await labels(connection, related) == ["n1", "n2"]
    remove = RelationChange("staff", "ItPerson", (), ("p1", "p9"))
    await change_relations(connection, "ItTank", "t1", [remove, remove])
    assert await labels(connection, related) == ["n2"]


async def test_a_file_shows_its_url_when_the_base_is_given(connection: Connection) -> None:
    await put(connection, TANK, "t1", {"photo": {"__type": "File", "name": "f.png"}})
    found = await find(connection, asked(TANK), files_url="https://x.test/files")
    assert path(read(found.results[0]), "photo", "url") == "https://x.test/files/f.png"


async def test_queries_of_one_shape_are_one_prepared_statement(connection: Connection) -> None:
    await chain(connection)
    prepared = "select count(*) from pg_prepared_statements where statement like '%ItTank%' and statement like '%offset%'"
    before = await connection.fetchval(prepared)
    for number in range(1, 4):
        await find(connection, asked(TANK, where={"level": number}, skip=number, include="site"))
    assert await connection.fetchval(prepared) == before + 1


def path(value: Json, *names: str) -> Json:
    for name in names:
        assert isinstance(value, dict)
        value = value[name]
    return value
