"""The change table as the triggers fill it, read straight from the database."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.schema import Field, FieldType, class_schema
from app.errors import ParseError
from app.store.database import Connection, Database
from app.store.schemas import Schemas

PLAYER = class_schema(
    "Player",
    {
        "name": Field(FieldType.STRING),
        "score": Field(FieldType.NUMBER),
        "team": Field(FieldType.POINTER, "Team"),
        "friends": Field(FieldType.RELATION, "Player"),
        "tags": Field(FieldType.ARRAY),
    },
)


@pytest.fixture(scope="module")
async def players(database: Database, schemas: Schemas) -> Schemas:
    async with database.transaction() as connection:
        await schemas.create(connection, PLAYER)
    return schemas


@pytest.fixture
async def connection(database: Database, players: Schemas) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await connection.execute(
            'delete from "Player"; delete from "_Join:friends:Player"; delete from "_User"; delete from "_Session"'
        )
        await connection.execute("delete from careboard.change")
        yield connection


async def changes(connection: Connection) -> list[tuple[str, str, Any, Any]]:
    """Class, objectId and both images of every change so far."""
    rows = await connection.fetch("select class, object_id, before, after from careboard.change order by seq")
    return [
        (row["class"], row["object_id"], row["before"] and json.loads(row["before"]), row["after"] and json.loads(row["after"]))
        for row in rows
    ]


ADD = 'insert into "Player" ("objectId", name, score, team, tags, _rperm, _wperm) values '


async def test_every_kind_of_write_leaves_its_images(connection: Connection) -> None:
    await connection.execute(ADD + """('p', 'Ann', 1, 't', '["a"]', '{*}', '{u1}')""")
    await connection.execute('update "Player" set score = 2')
    await connection.execute('delete from "Player"')
    first = {
        "objectId": "p",
        "name": "Ann",
        "score": 1,
        "team": {"__type": "Pointer", "className": "Team", "objectId": "t"},
        "friends": {"__type": "Relation", "className": "Player"},
        "tags": ["a"],
        "ACL": {"*": {"read": True}, "u1": {"write": True}},
    }
    second = first | {"score": 2}
    assert await changes(connection) == [
        ("Player", "p", None, first),
        ("Player", "p", first, second),
        ("Player", "p", second, None),
    ]


async def test_a_rolled_back_write_leaves_nothing(connection: Connection, database: Database) -> None:
    async def fail(inner: Connection) -> None:
        await inner.execute(ADD + "('p', 'Ann', 1, null, null, null, null)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.in_transaction(fail)
    assert await changes(connection) == []


async def test_an_update_that_changes_nothing_shown_is_no_change(connection: Connection) -> None:
    await connection.execute("insert into \"_User\" (\"objectId\", username) values ('u', 'ann')")
    await connection.execute("""update "_User" set _hashed_password = 'x'""")
    await connection.execute("""update "_User" set username = username""")
    assert len(await changes(connection)) == 1
    await connection.execute("""update "_User" set _hashed_password = 'y', "updatedAt" = now()""")
    assert len(await changes(connection)) == 2


async def test_no_secret_enters_the_change_table(connection: Connection) -> None:
    columns = await connection.fetch(
        "select column_name as name, data_type as type from information_schema.columns where table_name = '_User'"
        " and (column_name like '\\_%' or column_name = 'authData') and column_name not in ('_rperm', '_wperm')"
    )
    texts = [row["name"] for row in columns if row["type"] == "text"]
    documents = [row["name"] for row in columns if row["type"] == "jsonb"]
    assert len(texts) >= 3
    assert len(documents) == 2
    names = ", ".join(f'"{name}"' for name in [*texts, *documents])
    values = ", ".join(["'SECRET'"] * len(texts) + ["""'{"id": "SECRET"}'"""] * len(documents))
    await connection.execute(f"insert into \"_User\" (\"objectId\", username, {names}) values ('u', 'ann', {values})")
    await connection.execute('insert into "_Session" ("objectId", "sessionToken", "user") values (\'s\', \'SECRET\', \'u\')')
    await connection.execute('update "_User" set username = \'ben\'; update "_Session" set "user" = null')
    await connection.execute('delete from "_User"; delete from "_Session"')
    assert len(await changes(connection)) == 6
    assert await connection.fetchval("select count(*) from careboard.change c where c::text like '%SECRET%'") == 0


async def test_relations_are_captured_by_their_join_table(connection: Connection) -> None:
    await connection.execute("""insert into "_Join:friends:Player" ("owningId", "relatedId") values ('a', 'b')""")
    await connection.execute('delete from "_Join:friends:Player"')
    image = {"owningId": "a", "relatedId": "b"}
    assert await changes(connection) == [
        ("_Join:friends:Player", "a", None, image),
        ("_Join:friends:Player", "a", image, None),
    ]


async def test_truncate_is_a_delete_of_every_row(connection: Connection) -> None:
    await connection.execute(ADD + "('p', 'Ann', 1, null, null, null, null), ('q', 'Ben', 2, null, null, null, null)")
    await connection.execute('truncate "Player"')
    found = await changes(connection)
    assert [(class_name, object_id, after) for class_name, object_id, _, after in found[2:]] == [
        ("Player", "p", None),
        ("Player", "q", None),
    ]
    assert [before["name"] for *_, before, _ in found[2:]] == ["Ann", "Ben"]


async def test_a_new_column_shows_in_the_images_at_once(connection: Connection, database: Database, players: Schemas) -> None:
    await connection.execute(ADD + "('p', 'Ann', 1, null, null, null, null)")
    async with database.transaction() as inner:
        await players.add_fields(inner, "Player", {"level": Field(FieldType.NUMBER)})
        await inner.execute('update "Player" set level = 7')
    before, after = (await changes(connection))[-1][2:]
    assert "level" not in before
    assert after["level"] == 7


async def test_the_registry_tells_which_class_was_altered(connection: Connection, database: Database, players: Schemas) -> None:
    async with database.transaction() as inner:
        await players.add_fields(inner, "Player", {"rank": Field(FieldType.NUMBER)})
    name, object_id, before, after = (await changes(connection))[-1]
    assert (name, object_id) == ("_SCHEMA", "Player")
    assert "rank" not in before["schema"]["fields"]
    assert after["schema"]["fields"]["rank"] == {"type": "Number"}


async def test_large_images_are_kept_whole(connection: Connection) -> None:
    """NOTIFY would stop at 8,000 bytes."""
    await connection.execute(ADD + "('p', repeat('ä', 500000), 1, null, null, null, null)")
    assert len((await changes(connection))[0][3]["name"]) == 500_000


@pytest.mark.parametrize("statement", ["update", "delete", "truncate"])
async def test_the_audit_log_is_append_only_for_everybody(connection: Connection, database: Database, statement: str) -> None:
    await connection.execute(
        'insert into "AuditLog" ("objectId", action, "entityType", "entityId", summary)'
        " values ($1, 'a', 't', 'i', 's') on conflict do nothing",
        "audit",
    )
    words = {
        "update": "update \"AuditLog\" set summary = 'x'",
        "delete": 'delete from "AuditLog"',
        "truncate": 'truncate "AuditLog"',
    }

    async def alter(inner: Connection) -> None:
        await inner.execute(words[statement])

    with pytest.raises(ParseError, match="append-only") as refusal:
        await database.in_transaction(alter)
    assert refusal.value.code == 119
    assert await connection.fetchval('select summary from "AuditLog" where "objectId" = \'audit\'') == "s"
