"""The change table: one row for every row written to any class, by whatever tool, in the transaction that wrote it.

Owns: schema `careboard` in the database: the change table and its partitions, and a trigger per class that fills it. Holds: an
image is what `render_object` shows, so no secret enters it; `seq` is drawn while the row is locked, so it orders the changes of
one object; an update that changes nothing that is shown is no change; rows that were dropped are below the recorded floor. A
write never waits for this table's housekeeping longer than LOCK_TIMEOUT. May import core, database, layout, render.
"""

from contextlib import suppress
from datetime import timedelta

import asyncpg

from app.core.columns import quote
from app.core.schema import ClassSchema
from app.store.database import Connection
from app.store.layout import join_tables
from app.store.rows.render import literal, render_object

CHANGE_DDL = """
create schema if not exists careboard;
create schema if not exists careboard_capture;
create schema if not exists careboard_truncate;
create sequence if not exists careboard.change_seq;
create table if not exists careboard.change (
    seq bigint not null default nextval('careboard.change_seq'),
    xid xid8 not null default pg_current_xact_id(),
    class text not null,
    object_id text not null,
    before text,
    after text,
    at timestamptz not null default clock_timestamp()
) partition by range (at);
create index if not exists change_xid on careboard.change (xid);
-- Writes find a place here when no partition is ready for them: no server has run for a while.
create table if not exists careboard.change_rest partition of careboard.change default;
create table if not exists careboard.feed (
    single boolean primary key default true check (single),
    id text not null default gen_random_uuid()::text,
    floor xid8 not null default '0'
);
insert into careboard.feed default values on conflict do nothing;
-- Not in the log: a crash empties it, and who reads changes puts another word there.
create unlogged table if not exists careboard.epoch (
    single boolean primary key default true check (single),
    id text not null default gen_random_uuid()::text
);
"""

PARTITIONS_PER_RETENTION = 8
LOCK_TIMEOUT = "100ms"

_MAINTAIN_LOCK = 7_164_021_001


async def install_capture(connection: Connection, schema: ClassSchema) -> None:
    """Makes writes to this class and its join tables appear in the change table, in the shape the class has now."""
    name = schema.class_name
    await _install(connection, name, render_object(schema, "OLD"), render_object(schema, "NEW"), '"objectId"')
    for join in join_tables(schema):
        await _install(connection, join, _join_image("OLD"), _join_image("NEW"), '"owningId"')


async def install_registry_capture(connection: Connection) -> None:
    """The same for the registry of classes: its images name the class and hold its definition."""
    await _install(connection, "_SCHEMA", _class_image("OLD"), _class_image("NEW"), '"className"', always=True)


async def install_config_capture(connection: Connection, table: str) -> None:
    """The same for a config that processes keep in memory: its images only say that there is one."""
    await _install(connection, table, "'{}'", "'{}'", '"objectId"', always=True)


async def remove_capture(connection: Connection, table: str) -> None:
    """Drops the functions of a table that was dropped."""
    for kind in ("capture", "truncate"):
        await connection.execute(f"drop function if exists {_function(kind, table)}() cascade")


def _join_image(row: str) -> str:
    return f"""json_build_object('owningId', {row}."owningId", 'relatedId', {row}."relatedId")::text"""


def _class_image(row: str) -> str:
    return f"""json_build_object('className', {row}."className", 'schema', {row}."schema")::text"""


async def _install(connection: Connection, table: str, old: str, new: str, key: str, *, always: bool = False) -> None:
    await connection.execute(_row_function(table, old, new, key, always=always))
    await connection.execute(_truncate_function(table, old, key))
    found = await connection.fetch(
        "select tgname from pg_trigger where tgrelid = $1::text::regclass and not tgisinternal", quote(table)
    )
    names = {row["tgname"] for row in found}
    if "careboard_capture" not in names:
        await connection.execute(
            f"create trigger careboard_capture after insert or update or delete on {quote(table)}"
            f" for each row execute function {_function('capture', table)}()"
        )
    if "careboard_truncate" not in names:
        await connection.execute(
            f"create trigger careboard_truncate before truncate on {quote(table)}"
            f" for each statement execute function {_function('truncate', table)}()"
        )


def _row_function(table: str, old: str, new: str, key: str, *, always: bool) -> str:
    """PL/pgSQL keeps each statement's plan for the session, and an image without a query in it is evaluated without a plan."""
    into = "insert into careboard.change (class, object_id, before, after) values"
    name = literal(table)
    same = "" if always else "if old_image = new_image then return null; end if;"
    return f"""
create or replace function {_function("capture", table)}() returns trigger language plpgsql as $capture$
declare old_image text; new_image text;
begin
  if tg_op = 'UPDATE' then
    old_image := {old};
    new_image := {new};
    {same}
    {into} ({name}, NEW.{key}, old_image, new_image);
  elsif tg_op = 'INSERT' then
    {into} ({name}, NEW.{key}, null, {new});
  else
    {into} ({name}, OLD.{key}, {old}, null);
  end if;
  return null;
end $capture$
"""


def _truncate_function(table: str, old: str, key: str) -> str:
    return f"""
create or replace function {_function("truncate", table)}() returns trigger language plpgsql as $capture$
declare OLD record;
begin
  for OLD in execute format('select * from %I.%I', tg_table_schema, tg_table_name) loop
    insert into careboard.change (class, object_id, before) values ({literal(table)}, OLD.{key}, {old});
  end loop;
  return null;
end $capture$
"""


async def maintain(connection: Connection, retention: timedelta) -> None:
    """Readies partitions ahead, drops those past `retention` and records the floor. Run it every few minutes, in any process.

    Needs a connection without a transaction. Where a lock is not to be had at once, the work is left to the next run.
    """
    for step in (_ready_partitions, _drop_partitions):
        with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                if await connection.fetchval("select pg_try_advisory_xact_lock($1)", _MAINTAIN_LOCK):
                    await step(connection, retention)


async def _ready_partitions(connection: Connection, retention: timedelta) -> None:
    """Partitions are attached, not created in place: attaching does not stop writers."""
    width = max(retention / PARTITIONS_PER_RETENTION, timedelta(hours=1))
    start = await connection.fetchval(_NEXT_START)
    enough = await connection.fetchval("select now() + $1::interval", width)
    while start < enough:
        end = start + width
        name = f"careboard.change_{start:%Y%m%d%H%M}"
        await connection.execute(f"create table {name} (like careboard.change including defaults including storage)")
        await connection.execute(
            f"alter table careboard.change attach partition {name} for values from ('{start:%F %T%z}') to ('{end:%F %T%z}')"
        )
        start = end


async def _drop_partitions(connection: Connection, retention: timedelta) -> None:
    """Takes the locks from the top down, so it cannot meet a reader halfway."""
    cutoff = await connection.fetchval("select now() - $1::interval", retention)
    old = [row["name"] for row in await connection.fetch(_BOUNDS) if row["ends"] is not None and row["ends"] <= cutoff]
    stray = await connection.fetchval("select exists (select from careboard.change_rest where at < $1)", cutoff)
    if old:
        await connection.execute("lock table careboard.change in access exclusive mode")
    for name in old:
        await _raise_floor(connection, f"select part.xid::text from careboard.{name} part order by part.xid desc limit 1")
        await connection.execute(f"drop table careboard.{name}")
    if stray:
        deleted = "delete from careboard.change_rest where at < $1 returning xid"
        await _raise_floor(
            connection, f"with gone as ({deleted}) select gone.xid::text from gone order by gone.xid desc limit 1", cutoff
        )


async def _raise_floor(connection: Connection, highest: str, *arguments: object) -> None:
    xid = await connection.fetchval(highest, *arguments)
    if xid is not None:
        await connection.execute("update careboard.feed set floor = $1::text::xid8 where floor < $1::text::xid8", xid)


_BOUNDS = """
select c.relname as name,
  (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz as ends
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'careboard.change'::regclass
"""

# After the last partition; where there is none, or it is past, from this hour on, or from the next one if the rest
# partition has rows of this one (a partition cannot be attached over rows that are in the rest).
_NEXT_START = f"""
select greatest(max(ends), date_trunc('hour', now()) + case
  when exists (select from careboard.change_rest where at >= date_trunc('hour', now())) then interval '1 hour'
  else interval '0' end)
from ({_BOUNDS}) partitions
"""


def _function(kind: str, table: str) -> str:
    """Postgres cuts names at 63 bytes; a class name is at most 63, so the kind stands in a schema of its own."""
    return f"careboard_{kind}.{quote(table)}"
