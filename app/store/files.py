"""The index of files: what is uploaded, and which field of which object holds which file.

Owns: `FILES_DDL` (run at migrate), a trigger per class that keeps the holders, and the statements on both tables. Holds: a holder
is written in the transaction that makes the object hold the file, by whatever tool; a file that no object holds says since when.
May import core, database, layout and render.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from app.core.columns import quote
from app.core.schema import ClassSchema, FieldType
from app.core.wire import Object, decode, encode
from app.store.database import Connection
from app.store.rows.render import column, literal
from app.store.vault import Wrapped

FILES_DDL = """
create schema if not exists careboard;
create schema if not exists careboard_holding;
create table if not exists careboard.file (
    id text primary key,
    name text not null unique,
    content_type text not null,
    size bigint,
    metadata jsonb not null default '{}',
    tags jsonb not null default '{}',
    uploader text,
    key_id text not null,
    sealed_key bytea not null,
    created_at timestamptz not null default now(),
    free_since timestamptz default now(),
    gone boolean not null default false
);
create index if not exists file_free on careboard.file (free_since) where free_since is not null;
create index if not exists file_key on careboard.file (key_id);
create table if not exists careboard.file_holder (
    file text not null,
    class text not null,
    object_id text not null,
    field text not null,
    primary key (file, class, object_id, field)
);
create index if not exists file_holder_object on careboard.file_holder (class, object_id);

-- The files anywhere inside a value, each as field:name. A look at the text is enough for most values, which hold none. Strict,
-- as the lax mode looks through arrays and finds files that the check in front of a save does not see.
create or replace function careboard.files_in(field text, value jsonb) returns text[]
language sql immutable parallel safe as $files$
    select case when value::text like '%"__type": "File"%' then array(
        select distinct field || ':' || (found #>> '{}')
        from jsonb_path_query(value, 'strict $.** ? (@.__type == "File" && @.name.type() == "string").name') found) else '{}' end
$files$;

create or replace function careboard.file_names(held text[]) returns text[] language sql immutable parallel safe as $names$
    select coalesce(array_agg(distinct substr(each, strpos(each, ':') + 1)), '{}') from unnest(held) each
$names$;

-- Makes the holders of an object be those of `held` instead of those of `was`; each entry is field:name.
create or replace function careboard.hold_files(holder_class text, holder_id text, was text[], held text[]) returns void
language plpgsql as $hold$
declare
    gone text[] := array(select unnest(was) except select unnest(held));
    come text[] := array(select unnest(held) except select unnest(was));
    left_behind text[] := careboard.file_names(gone);
    taken text[] := careboard.file_names(come);
begin
    -- One order for all, so that of two objects that let go of a file the second sees that it was the last.
    perform from careboard.file f where f.name = any(left_behind || taken) order by f.id for no key update;
    delete from careboard.file_holder h where h.class = holder_class and h.object_id = holder_id
        and h.field || ':' || h.file = any(gone);
    insert into careboard.file_holder (file, class, object_id, field)
        select substr(each, strpos(each, ':') + 1), holder_class, holder_id, split_part(each, ':', 1) from unnest(come) each
        on conflict do nothing;
    update careboard.file f set free_since = null where f.name = any(taken) and f.free_since is not null;
    update careboard.file f set free_since = now() where f.name = any(left_behind)
        and not exists (select from careboard.file_holder h where h.file = f.name);
end $hold$;
"""

_HOLDING = frozenset({FieldType.FILE, FieldType.ARRAY, FieldType.OBJECT})


@dataclass(frozen=True, slots=True)
class Stored:
    """One uploaded file. `size` None: it is not all there yet."""

    id: str
    name: str
    content_type: str
    size: int | None
    metadata: Object
    tags: Object
    uploader: str | None
    wrapped: Wrapped


Holder = tuple[str, str, str]
"""Class, field, objectId."""


async def install_holding(connection: Connection, schema: ClassSchema) -> None:
    """Makes the holders of this class's files be kept, in the shape the class has now; those of rows that are there are found."""
    table = schema.class_name
    names = [name for name, field in schema.fields.items() if field.type in _HOLDING and name != "authData"]
    wanted = f"careboard_holding_{crc32(' '.join(sorted(names)).encode()):08x}" if names else None
    rows = await connection.fetch(
        "select tgname from pg_trigger where tgrelid = $1::text::regclass and tgname like 'careboard_holding%'", quote(table)
    )
    there = {row["tgname"] for row in rows}
    if wanted is None or {f"{wanted}_{event}" for event in ("insert", "update", "delete", "truncate")} == there:
        return
    for name in there:
        await connection.execute(f'drop trigger "{name}" on {quote(table)}')
    await connection.execute(_function(schema, names))
    for statement in _triggers(table, wanted, names):
        await connection.execute(statement)
    if not there:
        await connection.execute(
            f"""select careboard.hold_files({literal(table)}, id, '{{}}', held)
            from (select t0."objectId" as id, {_held(schema, names, "t0")} as held from {quote(table)} t0) found
            where cardinality(held) > 0"""
        )


async def release_fields(connection: Connection, schema: ClassSchema, names: Iterable[str]) -> None:
    """Lets go of the files in columns that are about to be dropped. The triggers, which name columns, go; install them anew."""
    held = [name for name in names if schema.fields[name].type in _HOLDING]
    if not held:
        return
    await connection.execute(
        """select careboard.hold_files(class, object_id, array_agg(field || ':' || file), '{}')
        from careboard.file_holder where class = $1 and field = any($2::text[]) group by class, object_id""",
        *(schema.class_name, held),
    )
    await remove_holding(connection, schema.class_name)


async def remove_holding(connection: Connection, class_name: str) -> None:
    """Drops the function that keeps the holders of a class, and with it what calls it."""
    await connection.execute(f"drop function if exists careboard_holding.{quote(class_name)}() cascade")


async def insert_file(connection: Connection, file: Stored) -> None:
    """Notes an upload that begins."""
    await connection.execute(
        "insert into careboard.file (id, name, content_type, metadata, tags, uploader, key_id, sealed_key)"
        " values ($1, $2, $3, $4::text::jsonb, $5::text::jsonb, $6, $7, $8)",
        *(file.id, file.name, file.content_type, encode(file.metadata).decode(), encode(file.tags).decode()),
        *(file.uploader, file.wrapped.key_id, file.wrapped.sealed),
    )


async def finish_file(connection: Connection, file_id: str, size: int) -> None:
    """Notes that an upload is all there."""
    await connection.execute("update careboard.file set size = $2 where id = $1", file_id, size)


async def find_file(connection: Connection, name: str) -> Stored | None:
    """The file of a name; None when there is none, or it is to be deleted."""
    row = await connection.fetchrow(f"select {_COLUMNS} from careboard.file where name = $1 and not gone", name)
    return None if row is None else _stored(row)


async def find_files(connection: Connection, names: Sequence[str]) -> list[Stored]:
    """The files of these names; one to be deleted has no uploader any more and no size."""
    rows = await connection.fetch(f"select {_COLUMNS}, gone from careboard.file where name = any($1::text[])", names)
    return [replace(_stored(row), uploader=None, size=None) if row["gone"] else _stored(row) for row in rows]


async def find_holders(connection: Connection, name: str) -> list[Holder]:
    """Who holds a file, up to a thousand."""
    rows = await connection.fetch(
        "select class, field, object_id from careboard.file_holder where file = $1 order by 1, 2, 3 limit 1000", name
    )
    return [(row["class"], row["field"], row["object_id"]) for row in rows]


async def count_free(connection: Connection, uploader: str) -> int:
    """How many uploads of an account no object holds."""
    counted: int = await connection.fetchval(
        "select count(*) from careboard.file where uploader = $1 and free_since is not null and not gone", uploader
    )
    return counted


async def condemn_file(connection: Connection, file_id: str) -> None:
    """From now on there is no such file; its bytes are to be deleted."""
    await connection.execute("update careboard.file set gone = true where id = $1", file_id)


async def condemn_free(connection: Connection, seconds: float) -> int:
    """Condemns the files that no object has held for so long; those that are just being attached are left."""
    status: str = await connection.execute(_CONDEMN, float(seconds))
    return int(status.rsplit(maxsplit=1)[-1])


async def find_condemned(connection: Connection) -> list[str]:
    """The ids of files whose bytes are to be deleted, some of them."""
    return [row["id"] for row in await connection.fetch("select id from careboard.file where gone limit 100")]


async def forget_file(connection: Connection, file_id: str) -> None:
    """The bytes are deleted."""
    await connection.execute("delete from careboard.file where id = $1 and gone", file_id)


async def count_wrapped(connection: Connection, *, other_than: str) -> int:
    """How many keys of files are wrapped by another key of the ring."""
    counted: int = await connection.fetchval("select count(*) from careboard.file where key_id <> $1", other_than)
    return counted


async def find_wrapped(connection: Connection, *, other_than: str) -> list[tuple[str, Wrapped]]:
    """Some of those, locked."""
    rows = await connection.fetch(
        "select id, key_id, sealed_key from careboard.file where key_id <> $1 order by id limit 500 for no key update", other_than
    )
    return [(row["id"], Wrapped(row["key_id"], row["sealed_key"])) for row in rows]


async def rewrap_file(connection: Connection, file_id: str, wrapped: Wrapped) -> None:
    """Replaces the wrapping of a file's key."""
    await connection.execute(
        "update careboard.file set key_id = $2, sealed_key = $3 where id = $1", file_id, wrapped.key_id, wrapped.sealed
    )


_COLUMNS = "id, name, content_type, size, metadata::text as metadata, tags::text as tags, uploader, key_id, sealed_key"

_CONDEMN = """
update careboard.file f set gone = true from (
    select id from careboard.file where free_since < now() - make_interval(secs => $1) and not gone
    order by free_since limit 1000 for no key update skip locked
) due where f.id = due.id and not exists (select from careboard.file_holder h where h.file = f.name)
"""


def _stored(row: Any) -> Stored:
    metadata, tags = decode(row["metadata"]), decode(row["tags"])
    assert isinstance(metadata, dict)
    assert isinstance(tags, dict)
    wrapped = Wrapped(row["key_id"], row["sealed_key"])
    return Stored(row["id"], row["name"], row["content_type"], row["size"], metadata, tags, row["uploader"], wrapped)


def _held(schema: ClassSchema, names: Sequence[str], alias: str) -> str:
    """The SQL of what a row holds, as text[] of field:name."""
    parts: list[str] = []
    for name in names:
        cell = column(alias, name)
        if schema.fields[name].type is FieldType.FILE:
            parts.append(f"case when {cell} is null then '{{}}'::text[] else array[{literal(name + ':')} || {cell}] end")
        else:
            parts.append(f"coalesce(careboard.files_in({literal(name)}, {cell}), '{{}}')")
    return " || ".join(parts)


def _function(schema: ClassSchema, names: Sequence[str]) -> str:
    table = schema.class_name
    hold = f"perform careboard.hold_files({literal(table)},"
    return f"""
create or replace function careboard_holding.{quote(table)}() returns trigger language plpgsql as $holding$
declare was text[] := '{{}}'; held text[] := '{{}}';
begin
  if tg_op = 'TRUNCATE' then
    {hold} h.object_id, array_agg(h.field || ':' || h.file), '{{}}') from careboard.file_holder h
      where h.class = {literal(table)} group by h.object_id;
    return null;
  end if;
  if tg_op <> 'INSERT' then was := {_held(schema, names, "OLD")}; end if;
  if tg_op <> 'DELETE' then held := {_held(schema, names, "NEW")}; end if;
  if was = held then return null; end if;
  if tg_op = 'DELETE' then {hold} OLD."objectId", was, held); else {hold} NEW."objectId", was, held); end if;
  return null;
end $holding$
"""


def _triggers(table: str, name: str, names: Sequence[str]) -> list[str]:
    run = f"execute function careboard_holding.{quote(table)}()"
    changed = " or ".join(f"{column('old', each)} is distinct from {column('new', each)}" for each in names)
    some_new = " or ".join(f"{column('new', each)} is not null" for each in names)
    some_old = some_new.replace("new.", "old.")
    return [
        f'create trigger "{name}_insert" after insert on {quote(table)} for each row when ({some_new}) {run}',
        f'create trigger "{name}_update" after update on {quote(table)} for each row when ({changed}) {run}',
        f'create trigger "{name}_delete" after delete on {quote(table)} for each row when ({some_old}) {run}',
        f'create trigger "{name}_truncate" before truncate on {quote(table)} for each statement {run}',
    ]
