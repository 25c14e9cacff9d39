"""The class registry and its DDL, and migrate on a database that Parse Server made."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from app.config import Settings
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.wire import Object
from app.errors import ParseError
from app.store.database import Connection, Database
from app.store.layout import columns_of
from app.store.migrate import declare, migrate
from app.store.schemas import Schemas
from app.store.tables import AuditLog, User, schema_of

GAME = class_schema("Game", {"title": Field(FieldType.STRING), "score": Field(FieldType.NUMBER, required=True, default=3)})
EVERY_TYPE = class_schema(
    "Everything",
    {
        "text": Field(FieldType.STRING),
        "number": Field(FieldType.NUMBER),
        "flag": Field(FieldType.BOOLEAN),
        "date": Field(FieldType.DATE),
        "document": Field(FieldType.OBJECT),
        "list": Field(FieldType.ARRAY),
        "pointer": Field(FieldType.POINTER, "Game"),
        "relation": Field(FieldType.RELATION, "Game"),
        "file": Field(FieldType.FILE),
        "bytes": Field(FieldType.BYTES),
        "place": Field(FieldType.GEO_POINT),
        "area": Field(FieldType.POLYGON),
    },
)


@pytest.fixture
async def registry(database: Database, schemas: Schemas) -> AsyncIterator[Schemas]:
    """The registry, its custom classes gone afterwards."""
    yield schemas
    async with database.transaction() as connection:
        for name in ("Game", "Everything"):
            if schemas.has(name):
                await connection.execute(f'delete from "{name}"')
                await schemas.delete(connection, name)


async def create(database: Database, schemas: Schemas, schema: ClassSchema) -> None:
    async with database.transaction() as connection:
        await schemas.create(connection, schema)


async def columns(database: Database, table: str) -> dict[str, str]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute"
            " where attrelid = to_regclass(quote_ident($1)) and attnum > 0 and not attisdropped",
            table,
        )
    return {row["name"]: row["type"] for row in rows}


async def another_process(database: Database) -> Schemas:
    other = declare(database)
    await other.load()
    return other


async def test_a_class_is_laid_out_as_parse_server_does(database: Database, registry: Schemas) -> None:
    await create(database, registry, EVERY_TYPE)
    assert await columns(database, "Everything") == {
        "objectId": "text",
        "createdAt": "timestamp with time zone",
        "updatedAt": "timestamp with time zone",
        "text": "text",
        "number": "double precision",
        "flag": "boolean",
        "date": "timestamp with time zone",
        "document": "jsonb",
        "list": "jsonb",
        "pointer": "text",
        "file": "text",
        "bytes": "jsonb",
        "place": "point",
        "area": "polygon",
        "_rperm": "text[]",
        "_wperm": "text[]",
    }
    assert await columns(database, "_Join:relation:Everything") == {
        "relatedId": "character varying(120)",
        "owningId": "character varying(120)",
    }
    assert (await another_process(database)).get("Everything") == registry.get("Everything")


async def test_options_permissions_and_indexes_survive_the_row(database: Database, registry: Schemas) -> None:
    permissions: Object = {"find": {"role:a": True}, "get": {}, "protectedFields": {"*": ["title"]}}
    wanted = replace(GAME, permissions=permissions, indexes={"byTitle": {"title": 1, "score": -1}})
    await create(database, registry, wanted)
    stored = (await another_process(database)).get("Game")
    assert stored.fields == GAME.fields
    assert stored.indexes == wanted.indexes
    assert {**stored.permissions, **permissions} == stored.permissions
    assert stored.permissions["create"] == {"*": True}, "what we leave open must not be read as closed"
    async with database.connection() as connection:
        definition = await connection.fetchval("select indexdef from pg_indexes where indexname = 'Game:byTitle'")
    assert "(title, score DESC)" in definition


async def test_only_the_transaction_sees_what_it_changed_until_it_commits(database: Database, registry: Schemas) -> None:
    inside, outside = asyncio.Event(), asyncio.Event()

    async def look() -> bool:
        await inside.wait()
        seen = registry.has("Game")
        outside.set()
        return seen

    looking = asyncio.create_task(look())
    async with database.transaction() as connection:
        await registry.create(connection, GAME)
        assert registry.get("Game").fields == GAME.fields
        inside.set()
        await outside.wait()
    assert not await looking
    assert registry.has("Game")


async def test_a_rolled_back_class_never_was(database: Database, registry: Schemas) -> None:
    async def fail(connection: Connection) -> None:
        await registry.create(connection, GAME)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.in_transaction(fail)
    assert not registry.has("Game")
    with pytest.raises(ParseError, match="not allowed to access non-existent class: Game"):
        registry.get("Game")
    assert await columns(database, "Game") == {}


async def test_two_processes_that_add_the_same_column_agree_or_one_is_refused(database: Database, registry: Schemas) -> None:
    await create(database, registry, GAME)
    other = await another_process(database)

    async def add(schemas: Schemas, field: Field) -> None:
        async with database.transaction() as connection:
            await schemas.add_fields(connection, "Game", {"level": field})

    await asyncio.gather(add(registry, Field(FieldType.NUMBER)), add(other, Field(FieldType.NUMBER)))
    assert (await columns(database, "Game"))["level"] == "double precision"
    with pytest.raises(ParseError) as refusal:
        await add(other, Field(FieldType.STRING))
    assert refusal.value.code == 111
    assert refusal.value.message == "schema mismatch for Game.level; expected Number but got String"


async def test_a_class_made_twice_is_refused_once(database: Database, registry: Schemas) -> None:
    other = await another_process(database)
    outcomes = await asyncio.gather(create(database, registry, GAME), create(database, other, GAME), return_exceptions=True)
    refusals = [outcome for outcome in outcomes if isinstance(outcome, ParseError)]
    assert [(refusal.code, refusal.message) for refusal in refusals] == [(103, "Class Game already exists.")]
    assert registry.has("Game")
    assert other.has("Game")


async def test_refresh_brings_what_another_process_did(database: Database, registry: Schemas) -> None:
    other = await another_process(database)
    await create(database, other, GAME)
    assert not registry.has("Game")
    await registry.refresh(["Game"])
    assert registry.get("Game") == other.get("Game")
    async with database.transaction() as connection:
        await other.delete(connection, "Game")
    await registry.refresh(["Game", "_User"])
    assert not registry.has("Game")
    assert registry.has("_User")


async def test_update_takes_fields_away_and_gives_new_ones(database: Database, registry: Schemas) -> None:
    fields = {**GAME.fields, "fans": Field(FieldType.RELATION, "_User")}
    await create(database, registry, replace(GAME, fields=fields, indexes={"byTitle": {"title": 1}}))
    changed = {name: field for name, field in GAME.fields.items() if name != "title"} | {"level": Field(FieldType.STRING)}
    async with database.transaction() as connection:
        await registry.update(connection, replace(GAME, fields=changed))
    assert {"title", "level"} & (await columns(database, "Game")).keys() == {"level"}
    assert await columns(database, "_Join:fans:Game") == {}
    assert (await another_process(database)).get("Game").fields == registry.get("Game").fields == changed


async def test_fields_that_hold_files_can_be_taken_away_and_let_go_of_them(database: Database, registry: Schemas) -> None:
    kinds = {"list": FieldType.ARRAY, "document": FieldType.OBJECT, "scan": FieldType.FILE, "photo": FieldType.FILE}
    await create(database, registry, class_schema("Folder", {name: Field(kind) for name, kind in kinds.items()}))
    async with database.transaction() as connection:
        await connection.execute("""insert into "Folder" ("objectId", scan, photo) values ('f', 'a.pdf', 'b.jpg')""")
        await registry.update(connection, class_schema("Folder", {"photo": Field(FieldType.FILE)}))
        await connection.execute("""insert into "Folder" ("objectId", photo) values ('g', 'c.jpg')""")
        held = "select object_id, field, file from careboard.file_holder where class = 'Folder' order by 1"
        found = [tuple(row) for row in await connection.fetch(held)]
    assert found == [("f", "photo", "b.jpg"), ("g", "photo", "c.jpg")]
    assert {"list", "document", "scan", "photo"} & (await columns(database, "Folder")).keys() == {"photo"}


async def test_a_class_with_objects_is_not_dropped(database: Database, registry: Schemas) -> None:
    await create(database, registry, GAME)
    async with database.connection() as connection:
        await connection.execute('insert into "Game" ("objectId") values (\'a\')')

    async def drop(connection: Connection) -> None:
        await registry.delete(connection, "Game")

    with pytest.raises(ParseError) as refusal:
        await database.in_transaction(drop)
    assert (refusal.value.code, registry.has("Game")) == (255, True)


async def test_declared_and_system_classes_are_not_altered(database: Database, registry: Schemas) -> None:
    async def alter(connection: Connection) -> None:
        await registry.update(connection, registry.get("AuditLog"))

    async def drop(connection: Connection) -> None:
        await registry.delete(connection, "_User")

    for work in (alter, drop):
        with pytest.raises(ParseError) as refusal:
            await database.in_transaction(work)
        assert refusal.value.code == 119


def test_a_table_is_read_as_a_class() -> None:
    audit = schema_of(AuditLog)
    assert audit.fields["actor"] == Field(FieldType.POINTER, "_User")
    assert audit.fields["summary"] == Field(FieldType.STRING, required=True)
    assert audit.fields["metadata"] == Field(FieldType.OBJECT)
    user = schema_of(User)
    assert user.fields["displayName"] == Field(FieldType.STRING)
    assert not any(name.startswith("_") for name in user.fields)
    assert "_hashed_password" in columns_of(user)
    assert "password" not in columns_of(user)


PARSE_SERVER_DATABASE = """
create table "_SCHEMA" ("className" varchar(120), "schema" jsonb, "isParseClass" bool, primary key ("className"));
create table "_User" ("objectId" text, "createdAt" timestamptz, "updatedAt" timestamptz, username text, email text,
  "emailVerified" boolean, "authData" jsonb, _rperm text[], _wperm text[], _hashed_password text, nickname text,
  _password_history jsonb, primary key ("objectId"));
create unique index "_User_unique_username" on "_User" (username);
create table "_Session" ("objectId" text, "createdAt" timestamptz, "updatedAt" timestamptz, restricted boolean, "user" text,
  "installationId" text, "sessionToken" text, "expiresAt" timestamptz, "createdWith" jsonb, _rperm text[], _wperm text[],
  primary key ("objectId"));
create table "_Role" ("objectId" text, "createdAt" timestamptz, "updatedAt" timestamptz, name text, _rperm text[], _wperm text[],
  primary key ("objectId"));
create table "_Join:users:_Role" ("relatedId" varchar(120), "owningId" varchar(120), primary key ("relatedId", "owningId"));
create table "Song" ("objectId" text, "createdAt" timestamptz, "updatedAt" timestamptz, title text, _rperm text[], _wperm text[],
  primary key ("objectId"));
insert into "_SCHEMA" values
 ('_User', '{"className": "_User", "fields": {"objectId": {"type": "String"}, "nickname": {"type": "String"},
   "_hashed_password": {"type": "String"}, "_rperm": {"type": "Array"}, "_wperm": {"type": "Array"}}}', true),
 ('_Session', '{"className": "_Session", "fields": {"restricted": {"type": "Boolean"}}}', true),
 ('Song', '{"className": "Song", "fields": {"title": {"type": "String"}},
   "classLevelPermissions": {"find": {"*": true}}}', true);
insert into "_User" ("objectId", username, nickname, _hashed_password) values ('u1', 'ann', 'Annie', '$2b$10$x');
insert into "_Session" ("objectId", "user", "sessionToken") values ('s1', 'u1', 'r:0123456789abcdef');
insert into "Song" ("objectId", title) values ('m1', 'Hey');
"""


async def test_a_parse_server_database_is_adopted_in_place(
    database: Database, settings: Settings, server_url: str, empty_database: Callable[[], str]
) -> None:
    await database.stop()
    adopted = Database(replace(settings, database_url=empty_database()))
    await adopted.start()
    try:
        async with adopted.connection() as connection:
            await connection.execute(PARSE_SERVER_DATABASE)
        await migrate(adopted)
        schemas = await migrate(adopted)
        assert schemas.get("_User").fields.keys() >= {"nickname", "displayName", "username"}
        assert schemas.get("_Session").fields.keys() >= {"restricted", "user"}
        assert schemas.get("Song").permissions["get"] == {}, "Parse Server reads an absent operation as closed"
        async with adopted.connection() as connection:
            token = await connection.fetchval('select "sessionToken" from "_Session"')
            await connection.execute('update "Song" set title = \'Jude\'; update "_User" set "displayName" = \'Ann\'')
            rows = await connection.fetch("select class, after from careboard.change where class in ('Song', '_User')")
            untouched = await connection.fetchrow('select nickname, _hashed_password from "_User"')
        assert token == "sha256:" + hashlib.sha256(b"r:0123456789abcdef").hexdigest()
        assert [(row["class"], json.loads(row["after"]).get("title")) for row in rows] == [("Song", "Jude"), ("_User", None)]
        assert tuple(untouched) == ("Annie", "$2b$10$x")
    finally:
        await adopted.stop()
        await database.start()


async def test_many_processes_may_migrate_at_once(
    database: Database, settings: Settings, empty_database: Callable[[], str]
) -> None:
    await database.stop()
    fresh = Database(replace(settings, database_url=empty_database()))
    await fresh.start()
    try:
        first, second = await asyncio.gather(migrate(fresh), migrate(fresh))
        assert first.all() == second.all()
    finally:
        await fresh.stop()
        await database.start()
