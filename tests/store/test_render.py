"""The rendering expression, in a SELECT and in a trigger, over the layout that Parse Server writes."""

import json
from collections.abc import AsyncIterator

import pytest

from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.wire import Json
from app.store.database import Connection, Database
from app.store.rows.render import RENDER_DDL, render_object

TABLE = """
    drop table if exists "Rendered";
    create table "Rendered" (
        "objectId" text primary key, "createdAt" timestamptz, "updatedAt" timestamptz, "_rperm" text[], "_wperm" text[],
        "name" text, "level" double precision, "open" boolean, "seen" timestamptz, "extra" jsonb, "tags" jsonb,
        "site" text, "photo" text, "raw" jsonb, "place" point, "area" polygon, "_secret" text
    )
"""
FIELDS = {
    "name": Field(FieldType.STRING),
    "level": Field(FieldType.NUMBER),
    "open": Field(FieldType.BOOLEAN),
    "seen": Field(FieldType.DATE),
    "extra": Field(FieldType.OBJECT),
    "tags": Field(FieldType.ARRAY),
    "site": Field(FieldType.POINTER, "Site"),
    "staff": Field(FieldType.RELATION, "_User"),
    "photo": Field(FieldType.FILE),
    "raw": Field(FieldType.BYTES),
    "place": Field(FieldType.GEO_POINT),
    "area": Field(FieldType.POLYGON),
    "_secret": Field(FieldType.STRING),
}
SCHEMA = class_schema("Rendered", FIELDS)
TIMES = {"createdAt": "2026-11-21T10:00:00.000Z", "updatedAt": "2026-11-21T11:30:05.070Z"}
STAFF = {"staff": {"__type": "Relation", "className": "_User"}}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await connection.execute(RENDER_DDL)
        await connection.execute(TABLE)
        yield connection
        await connection.execute('drop table "Rendered"')


async def put(connection: Connection, **cells: str) -> None:
    """One row; cells are SQL."""
    row = {
        "objectId": "'a1'",
        "createdAt": "'2026-11-21T10:00:00Z'",
        "updatedAt": "'2026-11-21T12:30:05.070999+01'",
        **cells,
    }
    names = ", ".join(f'"{name}"' for name in row)
    await connection.execute(f'insert into "Rendered" ({names}) values ({", ".join(row.values())})')


async def shown(connection: Connection, schema: ClassSchema = SCHEMA, expression: str | None = None) -> dict[str, Json]:
    text = await connection.fetchval(f'select {expression or render_object(schema, "t0")} from "Rendered" t0')
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


async def test_an_empty_row_has_only_its_identity_its_dates_and_its_relations(connection: Connection) -> None:
    await put(connection)
    assert await shown(connection) == {"objectId": "a1", **TIMES, **STAFF}


async def test_every_type_is_shown_as_parse_servers_layout_stores_it(connection: Connection) -> None:
    await put(
        connection,
        name="'tank'",
        level="1.5",
        open="false",
        seen="'2026-01-02T03:04:05.6Z'",
        extra="""'{"at": {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"}, "n": [1, null]}'""",
        tags="""'["a", 1]'""",
        site="'s1'",
        photo="'f.png'",
        raw="""'{"__type": "Bytes", "base64": "AAE="}'""",
        place="point(13.4, 52.5)",
        area="'((0,10),(5,20),(1e-7,10))'",
    )
    assert await shown(connection) == {
        "objectId": "a1",
        **TIMES,
        **STAFF,
        "name": "tank",
        "level": 1.5,
        "open": False,
        "seen": {"__type": "Date", "iso": "2026-01-02T03:04:05.600Z"},
        "extra": {"at": {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"}, "n": [1, None]},
        "tags": ["a", 1],
        "site": {"__type": "Pointer", "className": "Site", "objectId": "s1"},
        "photo": {"__type": "File", "name": "f.png"},
        "raw": {"__type": "Bytes", "base64": "AAE="},
        "place": {"__type": "GeoPoint", "latitude": 52.5, "longitude": 13.4},
        "area": {"__type": "Polygon", "coordinates": [[10, 0], [20, 5], [10, 1e-7]]},
    }


async def test_text_is_escaped_wherever_it_stands(connection: Connection) -> None:
    nasty = "a\"\\\n\x01\u2028é{},'$1"
    as_sql = "E'" + nasty.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\x01", "\\x01") + "'"
    await put(connection, objectId=as_sql, name=as_sql, site=as_sql, photo=as_sql, _rperm=f"array[{as_sql}]", _wperm="'{}'")
    found = await shown(connection)
    assert found["objectId"] == nasty
    assert found["name"] == nasty
    assert found["site"] == {"__type": "Pointer", "className": "Site", "objectId": nasty}
    assert found["photo"] == {"__type": "File", "name": nasty}
    assert found["ACL"] == {nasty: {"read": True}}


@pytest.mark.parametrize(
    ("stored", "text"), [("2", "2"), ("-0.25", "-0.25"), ("100000", "100000"), ("1e300", "1e+300"), ("0.1", "0.1")]
)
async def test_numbers_are_printed_in_their_shortest_form(connection: Connection, stored: str, text: str) -> None:
    await put(connection, level=stored)
    row = await connection.fetchval(f'select {render_object(SCHEMA, "t0")} from "Rendered" t0')
    assert f',"level":{text},' in row


@pytest.mark.parametrize("cell", [{"level": "'NaN'"}, {"level": "'Infinity'"}, {"place": "point('NaN', 1)"}])
async def test_a_number_that_json_lacks_does_not_break_the_answer(connection: Connection, cell: dict[str, str]) -> None:
    await put(connection, **cell)
    assert (await shown(connection))["objectId"] == "a1"


async def test_an_infinite_date_is_absent(connection: Connection) -> None:
    await put(connection, seen="'infinity'")
    assert "seen" not in await shown(connection)


READ, WRITE, BOTH = {"read": True}, {"write": True}, {"read": True, "write": True}


@pytest.mark.parametrize(
    ("rperm", "wperm", "acl"),
    [
        ("null", "null", None),
        ("'{}'", "'{}'", {}),
        ("'{}'", "null", {"*": WRITE}),
        ("null", "'{}'", {"*": READ}),
        ("'{*}'", "null", {"*": BOTH}),
        ("'{*,u1,role:x y}'", "'{}'", {"*": READ, "u1": READ, "role:x y": READ}),
        ("'{}'", "'{u1}'", {"u1": WRITE}),
        ("null", "'{u1}'", {"*": READ, "u1": WRITE}),
        ("'{u1,role:a}'", "'{u1,role:a}'", {"u1": BOTH, "role:a": BOTH}),
        ("'{*,u1}'", "'{u1}'", {"*": READ, "u1": BOTH}),
        ("'{u1,*}'", "'{u1}'", {"*": READ, "u1": BOTH}),
        ("""array['x"u', 'u']""", "'{u}'", {'x"u': READ, "u": BOTH}),
        ("""array['x,"u', 'u']""", "'{u}'", {'x,"u': READ, "u": BOTH}),
        ("'{*,u1,u2}'", "'{u2,u1}'", {"*": READ, "u1": BOTH, "u2": BOTH}),
        ("'{*}'", "'{u1,role:a}'", {"*": READ, "u1": WRITE, "role:a": WRITE}),
        ("""array['a","b', ',', '', 'c']""", "'{}'", {'a","b': READ, ",": READ, "": READ, "c": READ}),
        ("array['[a]', ']']", "null", {"*": WRITE, "[a]": READ, "]": READ}),
        ("array['a', null]", "array[null, 'a']", {"a": BOTH}),
    ],
)
async def test_the_acl_is_made_of_both_permission_columns(
    connection: Connection, rperm: str, wperm: str, acl: dict[str, Json] | None
) -> None:
    await put(connection, _rperm=f"{rperm}::text[]", _wperm=f"{wperm}::text[]")
    assert (await shown(connection)).get("ACL") == acl


async def test_secrets_are_never_shown(connection: Connection) -> None:
    await put(connection, _secret="'hunter2'")
    asked = render_object(SCHEMA, "t0", only=frozenset({"_secret"}))
    assert "_secret" not in await shown(connection)
    assert "_secret" not in await shown(connection, expression=asked)


async def test_only_keeps_the_named_fields_and_what_is_always_there(connection: Connection) -> None:
    await put(connection, name="'tank'", level="1", _rperm="'{*}'", _wperm="'{}'")
    asked = render_object(SCHEMA, "t0", only=frozenset({"name", "nothing"}))
    assert await shown(connection, expression=asked) == {"objectId": "a1", **TIMES, "name": "tank", "ACL": {"*": READ}}


async def test_without_wins_but_never_over_the_object_id(connection: Connection) -> None:
    await put(connection, name="'tank'", level="1", _rperm="'{*}'")
    hidden = frozenset({"objectId", "createdAt", "updatedAt", "ACL", "name", "staff"})
    asked = render_object(SCHEMA, "t0", only=frozenset({"name", "level"}), without=hidden)
    assert await shown(connection, expression=asked) == {"objectId": "a1", "level": 1}


async def test_an_included_object_says_what_it_is(connection: Connection) -> None:
    await put(connection)
    found = await shown(connection, expression=render_object(SCHEMA, "t0", included=True))
    assert found == {"__type": "Object", "className": "Rendered", "objectId": "a1", **TIMES, **STAFF}


async def test_an_include_takes_the_place_of_the_stored_value_unless_it_is_null(connection: Connection) -> None:
    await put(connection, site="'s1'", tags="'[1]'")
    includes = {"site": "(select '{\"here\":1}')", "tags": "null"}
    found = await shown(connection, expression=render_object(SCHEMA, "t0", includes=includes))
    assert found["site"] == {"here": 1}
    assert found["tags"] == [1]


async def test_a_file_has_a_url_when_the_base_is_known(connection: Connection) -> None:
    await put(connection, photo="'a@b c%.png'")
    asked = render_object(SCHEMA, "t0", files_url="https://x.test/parse/files/app/")
    assert (await shown(connection, expression=asked))["photo"] == {
        "__type": "File",
        "name": "a@b c%.png",
        "url": "https://x.test/parse/files/app/a%40b%20c%25.png",
    }


async def test_a_class_may_have_more_fields_than_a_function_has_arguments(connection: Connection) -> None:
    names = [f"f{number}" for number in range(300)]
    await connection.execute(
        'alter table "Rendered" ' + ", ".join(f"add {name} double precision default {name[1:]}" for name in names)
    )
    await put(connection)
    found = await shown(connection, class_schema("Rendered", {name: Field(FieldType.NUMBER) for name in names}))
    assert [found[name] for name in names] == list(range(300))


async def test_the_time_zone_and_date_style_of_the_session_do_not_matter(connection: Connection) -> None:
    await put(connection, seen="'2026-06-01T00:00:00Z'")
    await connection.execute("set timezone = 'America/St_Johns'; set datestyle = 'German'")
    try:
        found = await shown(connection)
    finally:
        await connection.execute("reset timezone; reset datestyle")
    assert {name: found[name] for name in TIMES} == TIMES
    assert found["seen"] == {"__type": "Date", "iso": "2026-06-01T00:00:00.000Z"}


async def test_a_trigger_renders_its_records_with_the_same_expression(connection: Connection) -> None:
    await connection.execute(f"""
        create temp table seen (before text, after text);
        create or replace function pg_temp.see() returns trigger language plpgsql as $body$
        begin
            insert into seen values ({render_object(SCHEMA, "OLD")}, {render_object(SCHEMA, "NEW")});
            return null;
        end $body$;
        create trigger see after update on "Rendered" for each row execute function pg_temp.see()
    """)
    try:
        await put(connection, name="'tank'", place="point(1, 2)", tags="'[1]'", open="true", _rperm="'{*}'")
        was = await shown(connection)
        await connection.execute('update "Rendered" set "name" = \'bottle\'')
        row = await connection.fetchrow("select * from seen")
        assert json.loads(row["before"]) == was
        assert json.loads(row["after"]) == {**was, "name": "bottle"}
    finally:
        await connection.execute('drop trigger see on "Rendered"; drop table seen')


def test_the_same_rendering_is_the_same_text() -> None:
    only = frozenset({"name"})
    assert render_object(SCHEMA, "t0", only=only) is render_object(SCHEMA, "t0", only=only)
    other = class_schema("Rendered", {"name": Field(FieldType.POINTER, "Name")})
    assert '"className":"Name"' in render_object(other, "t0", only=only)
