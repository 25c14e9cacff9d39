"""The audit trail in the database: rows that nobody changes, in chains that any number of writers continue at once.

Owns: `AUDIT_DDL` (run at migrate) and `CHAINS`. Holds: a chain is continued by one transaction at a time, which then holds
it until it has committed, so its numbers count up without a gap; who writes to several chains takes them in one order; the
database refuses update, delete and truncate. docs/decisions/0005 says why there are many.
"""

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

-- Appends each entry (canonical JSON of its fields) to its chain. Call it last in a transaction, sorted by chain.
create or replace function careboard.append_audit(chains int[], entries text[]) returns void language plpgsql as $append$
declare
  head record;
  number bigint;
  id text;
  at timestamptz;
  link text;
  entry jsonb;
begin
  for place in 1 .. cardinality(chains) loop
    perform pg_advisory_xact_lock(7164021, chains[place]);
    select "objectId", "hash" into head from "AuditLog"
      where "objectId" >= chains[place]::text and "objectId" < (chains[place] + 1)::text order by "objectId" desc limit 1;
    number := coalesce(substr(head."objectId", 3)::bigint, 0) + 1;
    id := chains[place] || lpad(number::text, 10, '0');
    at := date_trunc('milliseconds', clock_timestamp());
    link := format('[%s,"%s","%s",%s]', coalesce('"' || head."hash" || '"', 'null'), id,
      to_char(at at time zone interval '0', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), entries[place]);
    entry := entries[place];
    insert into "AuditLog" ("objectId", "createdAt", "updatedAt", _rperm, _wperm, "actor", "action", "entityType", "entityId",
      "summary", "metadata", "previousHash", "hash")
    values (id, at, at, '{role:admin}', '{}', entry #>> '{actor,objectId}', entry ->> 'action', entry ->> 'entityType',
      entry ->> 'entityId', entry ->> 'summary', entry -> 'metadata', head."hash",
      encode(sha256(convert_to(link, 'UTF8')), 'hex'));
  end loop;
end $append$;
"""
