"""The audit trail in the database: rows that nobody changes, in chains that any number of writers continue at once.

Owns: `AUDIT_DDL` (run at migrate), `CHAINS` and the reads of a verification. Holds: a chain is continued by one transaction at a
time, which then holds it until it has committed, so its numbers count up without a gap; where it ends is noted with each row; who
writes to several chains takes them in one order; the database refuses update, delete and truncate. docs/decisions/0005 says why
there are many.
"""

from typing import Any

from app.store.database import Connection

CHAINS = range(10, 74)
"""The names of the chains: two digits, of which none is a leading zero that a reader of numbers would drop."""

# Each statement of a volatile function sees what was committed before it: the head is read after the lock was had.
AUDIT_DDL = """
create or replace function careboard.refuse_audit_change() returns trigger language plpgsql as $refuse$
begin
  raise exception using errcode = 'PE119', message = tg_table_name || ' is append-only; its rows are never changed or deleted.';
end $refuse$;
do $once$ begin
  if not exists (select from pg_trigger where tgrelid = '"AuditLog"'::regclass and tgname = 'careboard_append_only') then
    create trigger "careboard_append_only" before update or delete or truncate on "AuditLog"
    for each statement execute function careboard.refuse_audit_change();
  end if;
end $once$;

-- Where each chain ends. A row cut off at the end is missed by it, and the next row is written behind the gap.
create table if not exists careboard.audit_head (chain int primary key, number bigint not null, hash text not null);
do $once$ begin
  if not exists (select from careboard.audit_head) then
    insert into careboard.audit_head
      select distinct on (substr("objectId", 1, 2)) substr("objectId", 1, 2)::int, substr("objectId", 3)::bigint, "hash"
      from "AuditLog" order by substr("objectId", 1, 2), "objectId" desc;
  end if;
end $once$;

-- Appends each entry (canonical JSON of its fields) to its chain. Call it last in a transaction, sorted by chain.
do $drop$ begin
  if (select prorettype from pg_proc where oid = to_regproc('careboard.append_audit')) = 'void'::regtype then
    drop function careboard.append_audit(int[], text[]);
  end if;
end $drop$;
create or replace function careboard.append_audit(chains int[], entries text[]) returns text[] language plpgsql as $append$
declare
  head record;
  number bigint;
  id text;
  ids text[] := '{}';
  at timestamptz;
  link text;
  entry jsonb;
  sealed text;
begin
  for place in 1 .. cardinality(chains) loop
    perform pg_advisory_xact_lock(7164021, chains[place]);
    select h.number, h.hash into head from careboard.audit_head h where h.chain = chains[place];
    number := coalesce(head.number, 0) + 1;
    id := chains[place] || lpad(number::text, 10, '0');
    at := date_trunc('milliseconds', clock_timestamp());
    link := format('[%s,"%s","%s",%s]', coalesce('"' || head.hash || '"', 'null'), id,
      to_char(at at time zone interval '0', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), entries[place]);
    entry := entries[place];
    sealed := encode(sha256(convert_to(link, 'UTF8')), 'hex');
    insert into "AuditLog" ("objectId", "createdAt", "updatedAt", _rperm, _wperm, "actor", "action", "entityType", "entityId",
      "summary", "metadata", "byHand", "previousHash", "hash")
    values (id, at, at, '{role:admin}', '{}', entry #>> '{actor,objectId}', entry ->> 'action', entry ->> 'entityType',
      entry ->> 'entityId', entry ->> 'summary', entry -> 'metadata', (entry ->> 'byHand')::boolean, head.hash, sealed);
    insert into careboard.audit_head (chain, number, hash) values (chains[place], number, sealed)
      on conflict (chain) do update set number = excluded.number, hash = excluded.hash;
    ids := ids || id;
  end loop;
  return ids;
end $append$;
"""

Head = tuple[int, str]
"""The number and the hash of the last row of a chain."""


async def count_trail(connection: Connection) -> int:
    """How many rows the trail has."""
    counted: int = await connection.fetchval('select count(*) from "AuditLog"')
    return counted


async def read_heads(connection: Connection) -> dict[str, Head]:
    """Where each chain ends, as it was noted with its last row."""
    rows = await connection.fetch("select chain::text as chain, number, hash from careboard.audit_head order by chain")
    return {row["chain"]: (row["number"], row["hash"]) for row in rows}


async def read_trail(connection: Connection, after: str, limit: int) -> list[Any]:
    """The rows behind an objectId, chain by chain in their order."""
    return await connection.fetch(_TRAIL, after, limit)


_TRAIL = """
select "objectId", "createdAt", "actor", "action", "entityType", "entityId", "summary", "metadata"::text as metadata, "byHand",
  "previousHash", "hash"
from "AuditLog" where "objectId" collate "C" > $1 collate "C" order by "objectId" collate "C" limit $2
"""
