"""The access log in the database: who was shown whose record, in rows that nobody changes.

Owns: `ACCESS_DDL` and `subject_ddl` (run at migrate), and the statement that writes many reads at once. Holds: the database
refuses update, delete and truncate; it fills in whose record was read, the name of who looked, and who may read the row (an
admin, that person, and who looked), whoever writes it. May import core and store/database.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from app.core.columns import quote
from app.core.schema import ClassSchema, FieldType
from app.store.database import Connection
from app.store.rows.render import literal

Read = tuple[str, str, str | None, str, datetime]
"""Who, of which class, which object (None: the class as a whole), by what, when."""

ACCESS_DDL = """
create or replace function careboard.settle_access() returns trigger language plpgsql as $settle$
begin
  if new."entityType" is not null and new."entityId" is not null then
    new."subject" := careboard.subject_of(new."entityType", new."entityId");
  end if;
  -- As they were at that moment; whose record it is may not read accounts.
  new."userName" := null;
  new."userRole" := null;
  select coalesce(u."displayName", u."username"), u."role" into new."userName", new."userRole"
    from "_User" u where u."objectId" = new."user";
  -- No query in it, so PL/pgSQL needs no plan for it: thousands of rows may be written at once.
  new."_rperm" := array_remove(array['role:admin', new."user", nullif(new."subject", new."user")], null);
  new."_wperm" := '{}';
  return new;
end $settle$;
do $once$ begin
  if not exists (select from pg_trigger where tgrelid = '"AccessLog"'::regclass and tgname = 'careboard_append_only') then
    create trigger "careboard_append_only" before update or delete or truncate on "AccessLog"
    for each statement execute function careboard.refuse_audit_change();
  end if;
  if not exists (select from pg_trigger where tgrelid = '"AccessLog"'::regclass and tgname = 'careboard_settle') then
    create trigger "careboard_settle" before insert on "AccessLog"
    for each row execute function careboard.settle_access();
  end if;
end $once$;
create index if not exists "AccessLog_subject" on "AccessLog" ("subject", "accessTime");
create index if not exists "AccessLog_user" on "AccessLog" ("user", "accessTime");
create index if not exists "AccessLog_entity" on "AccessLog" ("entityType", "entityId", "accessTime");
"""

# Ten letters and digits, as Parse makes them, of the first 60 bits of a random uuid.
_INSERT = """
insert into "AccessLog" ("objectId", "createdAt", "updatedAt", "user", "entityType", "entityId", "action", "accessTime")
select substr(translate(encode(uuid_send(gen_random_uuid()), 'base64'), '+/', 'xy'), 1, 10), $1, $1, *
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
"""


def subject_ddl(paths: Mapping[str, str], schema_of: Callable[[str], ClassSchema]) -> str:
    """The function that tells whose record an object is, from class -> the pointers that lead to an account.

    `"SideEffect": "chemoCycle.patient"`. Raises TypeError for a path that leads elsewhere.
    """
    branches = [
        f"if class_name = {literal(class_name)} then return ({_lookup(class_name, path, schema_of)}); end if;"
        for class_name, path in sorted(paths.items())
    ]
    return (
        "create or replace function careboard.subject_of(class_name text, object_id text) returns text language plpgsql stable"
        f" as $subject$ begin {' '.join(branches)} return null; end $subject$;"
    )


async def insert_reads(connection: Connection, reads: Sequence[Read], now: datetime) -> None:
    """Writes reads, all of them or none."""
    users, classes, ids, actions, times = zip(*reads, strict=True)
    await connection.execute(_INSERT, now, users, classes, ids, actions, times)


def _lookup(class_name: str, path: str, schema_of: Callable[[str], ClassSchema]) -> str:
    names = path.split(".")
    tables, current = [f"{quote(class_name)} t0"], class_name
    for place, name in enumerate(names):
        field = schema_of(current).fields.get(name)
        if field is None or field.type is not FieldType.POINTER or field.target_class is None:
            raise TypeError(f"{class_name}: {path} does not lead along pointers to an account.")
        current = field.target_class
        if place < len(names) - 1:
            tables.append(f'join {quote(current)} t{place + 1} on t{place + 1}."objectId" = t{place}.{quote(name)}')
    if current != "_User":
        raise TypeError(f"{class_name}: {path} leads to {current}, not to an account.")
    return f'select t{len(names) - 1}.{quote(names[-1])} from {" ".join(tables)} where t0."objectId" = object_id'
