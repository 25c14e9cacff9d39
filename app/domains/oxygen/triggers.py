"""What the database keeps by itself: who may read a row, when a tank runs out, how urgent it is.

Owns: `SQL`, run after every migration, and `tick`, the flips that time alone brings. Holds: the numbers come from `rules.py`;
a write from anywhere (REST, psql, an integration) leaves right facts, and rows whose facts did not change are not touched.
Who may read: dispatchers and administrators everything; the site's care team and primary contact the site and all that hangs
on it; a driver the tanks assigned to them, those tanks' history, and the sites (with contacts) where such a tank stands.
Locks are taken site before tank, so that a row written while its parent changes hands waits for it. May import rules and
store.database.
"""

from datetime import timedelta
from typing import Final

from app.domains.oxygen.rules import (
    AWAY,
    CRITICAL_BELOW,
    LITRES_PER_PSI,
    LONGEST,
    LOW_BELOW,
    LOW_PSI,
    NOTHING_PSI,
    ONE_PRIMARY,
    RESIDUAL_PSI,
    STAFF,
)
from app.store.database import Database

_AWAY: Final = ", ".join(f"'{state}'" for state in AWAY)
_LITRES: Final = " ".join(f"when '{size}' then {litres!r}::float8" for size, litres in LITRES_PER_PSI.items())
_STAFF: Final = ", ".join(f"'role:{role}'" for role in sorted(STAFF))
_LONGEST: Final = f"{LONGEST / timedelta(minutes=1)!r}::float8"
_CRITICAL: Final = f"interval '{CRITICAL_BELOW // timedelta(seconds=1)} seconds'"
_LOW: Final = f"interval '{LOW_BELOW // timedelta(seconds=1)} seconds'"

_FORMULA: Final = f"""
create or replace function careboard.oxygen_litres_per_psi(size text) returns float8
language sql immutable parallel safe as $sql$ select case size {_LITRES} end $sql$;

create or replace function careboard.oxygen_empty_at(psi float8, read_at timestamptz, size text, flow float8, residual float8)
returns timestamptz language sql immutable parallel safe as $sql$
  select case
    when psi - residual < {NOTHING_PSI} then read_at
    when flow is null or careboard.oxygen_litres_per_psi(size) is null then null
    when (psi - residual) * careboard.oxygen_litres_per_psi(size) >= {_LONGEST} * flow
      then read_at + make_interval(secs => {_LONGEST} * 60)
    else read_at + make_interval(
      secs => round((psi - residual) * careboard.oxygen_litres_per_psi(size) / flow * 60000) / 1000)
  end
$sql$;

create or replace function careboard.oxygen_urgency(psi float8, empty_at timestamptz, residual float8, moment timestamptz)
returns text
language sql immutable parallel safe as $sql$
  select case
    when psi <= residual then 'empty'
    when empty_at is null then case when psi < {LOW_PSI} then 'low' else 'unknown' end
    when empty_at <= moment then 'empty'
    when empty_at - moment < {_CRITICAL} then 'critical'
    when empty_at - moment < {_LOW} then 'low'
    else 'ok'
  end
$sql$;
"""

_FACTS: Final = f"""
-- A time that is told is marked by a microsecond, so that the next trigger can tell "the same time again" from "no time told".
create or replace function careboard.oxygen_tank_told() returns trigger language plpgsql as $sql$
begin
  new."lastCheckedAt" := date_trunc('milliseconds', new."lastCheckedAt") + interval '1 microsecond';
  return new;
end $sql$;

create or replace function careboard.oxygen_tank_read() returns trigger language plpgsql as $sql$
begin
  new."lastCheckedAt" := clock_timestamp();
  return new;
end $sql$;

-- A tank that nobody has read counts from its creation.
create or replace function careboard.oxygen_tank_facts() returns trigger language plpgsql as $sql$
begin
  new."lastCheckedAt" := date_trunc('milliseconds', new."lastCheckedAt");
  new."residualPsi" := coalesce(new."residualPsi", {RESIDUAL_PSI});
  if new."status" in ({_AWAY}) then
    new."emptyAt" := null;
    new."urgency" := case new."status" when 'lost' then 'unknown' else 'ok' end;
    return new;
  end if;
  new."emptyAt" := careboard.oxygen_empty_at(
    new."psiLevel", coalesce(new."lastCheckedAt", new."createdAt", date_trunc('milliseconds', clock_timestamp())),
    new."cylinderSize", new."flowLpm", new."residualPsi");
  new."urgency" := careboard.oxygen_urgency(new."psiLevel", new."emptyAt", new."residualPsi", clock_timestamp());
  return new;
end $sql$;

create or replace trigger oxygen_1_told before update of "lastCheckedAt" on "TankAssignment"
  for each row when (new."lastCheckedAt" is not null) execute function careboard.oxygen_tank_told();
create or replace trigger oxygen_2_read before update of "psiLevel" on "TankAssignment"
  for each row when (new."lastCheckedAt" is not distinct from old."lastCheckedAt") execute function careboard.oxygen_tank_read();
create or replace trigger oxygen_3_facts before insert or update on "TankAssignment"
  for each row execute function careboard.oxygen_tank_facts();
"""

_WHO: Final = f"""
create or replace function careboard.oxygen_readers(people text[]) returns text[]
language sql immutable parallel safe as $sql$
  select array(select distinct who collate "C" from unnest(array[{_STAFF}] || array(
    select one from unnest(people) one where one <> '*' and one not like 'role:%')) who order by 1)
$sql$;

create or replace function careboard.oxygen_people(contact text, team jsonb) returns text[]
language sql immutable parallel safe as $sql$
  select array(select contact union select member ->> 'objectId'
    from jsonb_array_elements(case jsonb_typeof(team) when 'array' then team else '[]'::jsonb end) member
    where jsonb_typeof(member) = 'object' and member ->> 'className' = '_User')
$sql$;

create or replace function careboard.oxygen_site_readers(site text, contact text, team jsonb) returns text[]
language sql stable as $sql$
  select careboard.oxygen_readers(careboard.oxygen_people(contact, team) ||
    array(select distinct t."assignedDriver" from "TankAssignment" t where t."assignedSite" = site))
$sql$;

create or replace function careboard.oxygen_tank_readers(site text, driver text) returns text[]
language sql stable as $sql$
  select careboard.oxygen_readers(driver ||
    (select careboard.oxygen_people(s."primaryContact", s."careTeam") from "PatientSite" s where s."objectId" = site))
$sql$;

-- Every refresh locks first and looks then, in a statement of its own, so that it sees what the one before it committed.
create or replace function careboard.oxygen_refresh_sites(sites text[]) returns void language plpgsql as $sql$
begin
  perform from "PatientSite" where "objectId" = any(sites) order by "objectId" for no key update;
  update "PatientSite" s set "_rperm" = careboard.oxygen_site_readers(s."objectId", s."primaryContact", s."careTeam")
  where s."objectId" = any(sites)
    and s."_rperm" is distinct from careboard.oxygen_site_readers(s."objectId", s."primaryContact", s."careTeam");
end $sql$;
"""

_OWN_ROW: Final = f"""
create or replace function careboard.oxygen_site_acl() returns trigger language plpgsql as $sql$
begin
  new."_rperm" := careboard.oxygen_site_readers(new."objectId", new."primaryContact", new."careTeam");
  new."_wperm" := array[{_STAFF}];
  return new;
end $sql$;

create or replace function careboard.oxygen_tank_acl() returns trigger language plpgsql as $sql$
begin
  perform from "PatientSite" where "objectId" = new."assignedSite" for no key update;
  new."_rperm" := careboard.oxygen_tank_readers(new."assignedSite", new."assignedDriver");
  new."_wperm" := careboard.oxygen_readers(array[new."assignedDriver"]);
  return new;
end $sql$;

create or replace function careboard.oxygen_history_acl() returns trigger language plpgsql as $sql$
begin
  new."_rperm" := (select t."_rperm" from "TankAssignment" t where t."objectId" = new."tankAssignment" for no key update);
  new."_rperm" := coalesce(new."_rperm", array[{_STAFF}]);
  new."_wperm" := array[{_STAFF}];
  return new;
end $sql$;

create or replace function careboard.oxygen_contact_acl() returns trigger language plpgsql as $sql$
begin
  new."_rperm" := (select s."_rperm" from "PatientSite" s where s."objectId" = new."site" for no key update);
  new."_rperm" := coalesce(new."_rperm", array[{_STAFF}]);
  new."_wperm" := array[{_STAFF}];
  return new;
end $sql$;
"""


def _own_row_triggers(class_name: str, function: str, *facts: str) -> str:
    """The ACL is made at the insert, and again when one of `facts` changes or somebody writes over it."""
    columns = (*facts, "_rperm", "_wperm")
    changed = " or ".join(f'new."{name}" is distinct from old."{name}"' for name in columns)
    return f"""
create or replace trigger oxygen_4_acl_of_new before insert on "{class_name}"
  for each row execute function careboard.{function}();
create or replace trigger oxygen_4_acl before update on "{class_name}"
  for each row when ({changed}) execute function careboard.{function}();
"""


_DEPENDENTS: Final = """
create or replace function careboard.oxygen_site_changed() returns trigger language plpgsql as $sql$
declare sites text[];
begin
  sites := array(select n."objectId" from new_rows n join old_rows o using ("objectId")
    where n."_rperm" is distinct from o."_rperm");
  if cardinality(sites) > 0 then
    update "EmergencyContact" c set "_rperm" = n."_rperm" from new_rows n
    where n."objectId" = any(sites) and c."site" = n."objectId" and c."_rperm" is distinct from n."_rperm";
  end if;
  sites := array(select n."objectId" from new_rows n join old_rows o using ("objectId")
    where n."primaryContact" is distinct from o."primaryContact" or n."careTeam" is distinct from o."careTeam");
  if cardinality(sites) > 0 then
    update "TankAssignment" t set "_rperm" = careboard.oxygen_tank_readers(t."assignedSite", t."assignedDriver")
    where t."assignedSite" = any(sites)
      and t."_rperm" is distinct from careboard.oxygen_tank_readers(t."assignedSite", t."assignedDriver");
  end if;
  return null;
end $sql$;

create or replace function careboard.oxygen_tank_changed() returns trigger language plpgsql as $sql$
declare ids text[];
begin
  ids := array(select n."objectId" from new_rows n join old_rows o using ("objectId")
    where n."_rperm" is distinct from o."_rperm");
  if cardinality(ids) > 0 then
    update "RefillLog" r set "_rperm" = n."_rperm" from new_rows n
    where n."objectId" = any(ids) and r."tankAssignment" = n."objectId" and r."_rperm" is distinct from n."_rperm";
    update "DispatchEvent" e set "_rperm" = n."_rperm" from new_rows n
    where n."objectId" = any(ids) and e."tankAssignment" = n."objectId" and e."_rperm" is distinct from n."_rperm";
  end if;
  ids := array(select unnest(array[n."assignedSite", o."assignedSite"]) from new_rows n join old_rows o using ("objectId")
    where n."assignedDriver" is distinct from o."assignedDriver" or n."assignedSite" is distinct from o."assignedSite");
  if cardinality(ids) > 0 then
    perform careboard.oxygen_refresh_sites(ids);
  end if;
  return null;
end $sql$;

create or replace function careboard.oxygen_tank_came_or_went() returns trigger language plpgsql as $sql$
begin
  perform careboard.oxygen_refresh_sites(array(select distinct "assignedSite" from the_rows));
  return null;
end $sql$;

create or replace trigger oxygen_site_changed after update on "PatientSite"
  referencing old table as old_rows new table as new_rows for each statement execute function careboard.oxygen_site_changed();
create or replace trigger oxygen_tank_changed after update on "TankAssignment"
  referencing old table as old_rows new table as new_rows for each statement execute function careboard.oxygen_tank_changed();
create or replace trigger oxygen_tank_came after insert on "TankAssignment"
  referencing new table as the_rows for each statement execute function careboard.oxygen_tank_came_or_went();
create or replace trigger oxygen_tank_went after delete on "TankAssignment"
  referencing old table as the_rows for each statement execute function careboard.oxygen_tank_came_or_went();
"""

_INDEXES: Final = f"""
create unique index if not exists "{ONE_PRIMARY}" on "EmergencyContact" ("site") where "isPrimary";
create index if not exists "TankAssignment_urgency_emptyAt" on "TankAssignment" ("urgency", "emptyAt");
create index if not exists "RefillLog_tank_time" on "RefillLog" ("tankAssignment", "refillTime" desc);
create index if not exists "DispatchEvent_tank_time" on "DispatchEvent" ("tankAssignment", "eventTime" desc);
"""

_STALE: Final = f"""
-- After an upgrade that changed the numbers: the facts of rows nobody writes.
update "TankAssignment" set "urgency" = "urgency"
where "emptyAt" is distinct from case when "status" not in ({_AWAY}) then careboard.oxygen_empty_at(
  "psiLevel", coalesce("lastCheckedAt", "createdAt"), "cylinderSize", "flowLpm", "residualPsi") end;
"""

SQL: Final = "\n".join(
    (
        "create schema if not exists careboard;",
        _FORMULA,
        _FACTS,
        _WHO,
        _OWN_ROW,
        _own_row_triggers("PatientSite", "oxygen_site_acl", "primaryContact", "careTeam"),
        _own_row_triggers("TankAssignment", "oxygen_tank_acl", "assignedSite", "assignedDriver"),
        _own_row_triggers("RefillLog", "oxygen_history_acl", "tankAssignment"),
        _own_row_triggers("DispatchEvent", "oxygen_history_acl", "tankAssignment"),
        _own_row_triggers("EmergencyContact", "oxygen_contact_acl", "site"),
        _DEPENDENTS,
        _INDEXES,
        _STALE,
    )
)

_DUE: Final = f"""
update "TankAssignment" t set "urgency" = careboard.oxygen_urgency(t."psiLevel", t."emptyAt", t."residualPsi", clock_timestamp())
from (
  select "objectId" from "TankAssignment"
  where ("urgency" = 'critical' and "emptyAt" <= $1)
     or ("urgency" = 'low' and "emptyAt" < $1 + {_CRITICAL})
     or ("urgency" = 'ok' and "emptyAt" < $1 + {_LOW})
  limit 1000 for no key update skip locked
) due where t."objectId" = due."objectId"
"""


async def tick(database: Database) -> int:
    """Flips the urgency of the tanks that are due by now, as ordinary updates (`updatedAt` stays: nobody wrote); how many it
    flipped."""
    async with database.transaction(read_only=True) as connection:
        now = await connection.fetchval("select clock_timestamp()")
        done = await connection.execute(_DUE, now)
    return int(done.rpartition(" ")[2])
