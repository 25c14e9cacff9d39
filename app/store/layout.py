"""The tables behind the classes: how a `ClassSchema` lies in Postgres, and the DDL that gets it there.

Owns: CREATE and ALTER of class tables, join tables and their indexes, and the internal columns of system classes. Holds: the
layout is Parse Server's (PostgresStorageAdapter `createTable`); every statement bears a table or column that is there already,
so a Parse Server database is taken over as it stands. May import core, database.
"""

from collections.abc import Mapping

from app.core.columns import column_type, join_table, quote
from app.core.schema import ClassSchema, Field, FieldType
from app.core.wire import Json
from app.errors import ErrorCode, ParseError
from app.store.database import Connection

INTERNAL_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "_User": {
        "_hashed_password": "text",
        "_email_verify_token": "text",
        "_email_verify_token_expires_at": "timestamptz",
        "_account_lockout_expires_at": "timestamptz",
        "_failed_login_count": "double precision",
        "_perishable_token": "text",
        "_perishable_token_expires_at": "timestamptz",
        "_password_changed_at": "timestamptz",
        "_password_history": "jsonb",
    },
}
"""Columns that are no fields."""


def join_tables(schema: ClassSchema) -> tuple[str, ...]:
    """The names, unquoted, of the tables that hold this class's relations."""
    relations = (name for name, field in schema.fields.items() if field.type is FieldType.RELATION)
    return tuple(f"_Join:{name}:{schema.class_name}" for name in relations)


def columns_of(schema: ClassSchema) -> dict[str, str]:
    """Column name -> Postgres type, as the class's table must have them at least."""
    columns = {"objectId": "text", "createdAt": "timestamptz", "updatedAt": "timestamptz"}
    for name, field in schema.fields.items():
        kind = column_type(field)
        if kind is not None and not (schema.class_name == "_User" and name == "password"):
            columns.setdefault(name, kind)
    return {**columns, **INTERNAL_COLUMNS.get(schema.class_name, {}), "_rperm": "text[]", "_wperm": "text[]"}


async def check_name_is_free(connection: Connection, class_name: str) -> None:
    """103 when the database has a table of this name that is no class, one of Postgres' own included: it is not taken over."""
    if await connection.fetchval("select to_regclass(quote_ident($1::text)) is not null", class_name):
        words = f"Invalid classname: {class_name}, the database has a table of that name already; choose another."
        raise ParseError(ErrorCode.INVALID_CLASS_NAME, words)


async def ensure_table(connection: Connection, schema: ClassSchema) -> None:
    """Makes the class's table and join tables, or adds what they lack."""
    name = schema.class_name
    columns = columns_of(schema)
    found = await connection.fetch(_COLUMNS, name)
    there = {row["column_name"] for row in found}
    if not there:
        body = ", ".join(f"{quote(column)} {kind}" for column, kind in columns.items())
        await connection.execute(f'create table if not exists {quote(name)} ({body}, primary key ("objectId"))')
    elif missing := {column: kind for column, kind in columns.items() if column not in there}:
        body = ", ".join(f"add column if not exists {quote(column)} {kind}" for column, kind in missing.items())
        await connection.execute(f"alter table {quote(name)} {body}")
    for table in join_tables(schema):
        await ensure_join_table(connection, table)


async def ensure_join_table(connection: Connection, table: str) -> None:
    """Makes a join table; its key finds owners by a related object, the index finds related objects by their owner."""
    await connection.execute(
        f'create table if not exists {quote(table)} ("relatedId" varchar(120), "owningId" varchar(120),'
        ' primary key ("relatedId", "owningId"))'
    )
    index = await connection.fetchval(_INDEX_ON, table, "owningId")
    if index is None:
        await connection.execute(f'create index on {quote(table)} ("owningId")')


async def drop_field(connection: Connection, class_name: str, name: str, field: Field) -> None:
    """Removes a column and its values, or the table of a relation."""
    if field.type is FieldType.RELATION:
        await connection.execute(f"drop table if exists {join_table(name, class_name)}")
    else:
        await connection.execute(f"alter table {quote(class_name)} drop column if exists {quote(name)}")


async def change_indexes(connection: Connection, class_name: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    """Creates and drops indexes so that those of `new` ({name: {field: 1 or -1}}) are there."""
    for name in old.keys() - new.keys():
        await connection.execute(f"drop index if exists {quote(index_name(class_name, name))}")
    for name in new.keys() - old.keys():
        index = new[name]
        if not isinstance(index, dict) or not index or "_id" in index:
            continue
        if "text" in index.values():
            raise ParseError(ErrorCode.INVALID_QUERY, f"Index {name}: text indexes are not supported; use 1 or -1.")
        keys = ", ".join(f"{quote(field)}{' desc' if order == -1 else ''}" for field, order in index.items())
        await connection.execute(
            f"create index if not exists {quote(index_name(class_name, name))} on {quote(class_name)} ({keys})"
        )


def index_name(class_name: str, name: str) -> str:
    """Names of indexes are unique in a database, names in /schemas only in their class."""
    return f"{class_name}:{name}"[:63]


_COLUMNS = """
select a.attname as column_name from pg_attribute a
where a.attrelid = to_regclass(quote_ident($1::text)) and a.attnum > 0 and not a.attisdropped
"""

_INDEX_ON = """
select i.indexrelid from pg_index i
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = quote_ident($1::text)::regclass and a.attname = $2
"""
