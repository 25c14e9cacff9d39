"""What the database keeps by itself: who may read a row, when a tank runs out, how urgent it is.

Owns: `SQL`, run after every migration, and `tick`, the flips that time alone brings. Holds: the numbers come from `rules.py`;
a write from anywhere (REST, psql, an integration) leaves right facts, and rows whose facts did not change are not touched.
Who may read: dispatchers and administrators everything; the site's care team and primary contact the site and all that hangs
on it; a driver the tanks assigned to them, those tanks' history, and the sites (with contacts) where such a tank stands.
Locks are taken site before tank, so that a row written while its parent changes hands waits for it. May import rules,
domains.visibility and store.database.
"""

from datetime import datetime, timedelta
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
from app.domains.visibility import AGAIN, acl
from app.store.database import Connection

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

_SITE_READERS: Final = f"""array[{_STAFF}] || careboard.people(new."primaryContact" || careboard.members(new."careTeam"))
    || array(select t."assignedDriver" from "TankAssignment" t where t."assignedSite" = new."objectId")"""
_TANK_READERS: Final = f"""array[{_STAFF}, new."assignedDriver"] || (
    select careboard.people(s."primaryContact" || careboard.members(s."careTeam"))
    from "PatientSite" s where s."objectId" = new."assignedSite")"""
_AS_TANK: Final = f"""coalesce(
    (select t."_rperm" from "TankAssignment" t where t."objectId" = new."tankAssignment"), array[{_STAFF}])"""
_AS_SITE: Final = f"""coalesce((select s."_rperm" from "PatientSite" s where s."objectId" = new."site"), array[{_STAFF}])"""


def _history(class_name: str) -> str:
    return acl(
        class_name,
        readers=_AS_TANK,
        writers=f"array[{_STAFF}]",
        facts=("tankAssignment",),
        parents=(("tankAssignment", "TankAssignment"),),
    )


_ACLS: Final = "\n".join(
    (
        acl(
            "PatientSite",
            readers=_SITE_READERS,
            writers=f"array[{_STAFF}]",
            facts=("primaryContact", "careTeam"),
            children=(("EmergencyContact", "site"), ("TankAssignment", "assignedSite")),
        ),
        acl(
            "TankAssignment",
            readers=_TANK_READERS,
            writers=f"""array[{_STAFF}, new."assignedDriver"]""",
            facts=("assignedSite", "assignedDriver"),
            parents=(("assignedSite", "PatientSite"),),
            children=(("RefillLog", "tankAssignment"), ("DispatchEvent", "tankAssignment")),
        ),
        _history("RefillLog"),
        _history("DispatchEvent"),
        acl(
            "EmergencyContact",
            readers=_AS_SITE,
            writers=f"array[{_STAFF}]",
            facts=("site",),
            parents=(("site", "PatientSite"),),
        ),
    )
)

# A site is read by the drivers of its tanks, so a tank that comes, goes or changes hands is told upwards. Every refresh locks
# first and looks then, in a statement of its own, so that it sees what the one before it committed.
_DRIVERS: Final = f"""
create or replace function careboard.oxygen_refresh_sites(sites text[]) returns void language plpgsql as $sql$
begin
  perform from "PatientSite" where "objectId" = any(sites) order by "objectId" for no key update;
  update "PatientSite" set "_rperm" = '{AGAIN}' where "objectId" = any(sites);
end $sql$;

create or replace function careboard.oxygen_tank_moved() returns trigger language plpgsql as $sql$
declare sites text[];
begin
  sites := array(select unnest(array[n."assignedSite", o."assignedSite"]) from new_rows n join old_rows o using ("objectId")
    where n."assignedDriver" is distinct from o."assignedDriver" or n."assignedSite" is distinct from o."assignedSite");
  if cardinality(sites) > 0 then
    perform careboard.oxygen_refresh_sites(sites);
  end if;
  return null;
end $sql$;

create or replace function careboard.oxygen_tank_came_or_went() returns trigger language plpgsql as $sql$
begin
  perform careboard.oxygen_refresh_sites(array(select distinct "assignedSite" from the_rows));
  return null;
end $sql$;

create or replace trigger oxygen_tank_moved after update on "TankAssignment"
  referencing old table as old_rows new table as new_rows for each statement execute function careboard.oxygen_tank_moved();
create or replace trigger oxygen_tank_came after insert on "TankAssignment"
  referencing new table as the_rows for each statement execute function careboard.oxygen_tank_came_or_went();
create or replace trigger oxygen_tank_went after delete on "TankAssignment"
  referencing old table as the_rows for each statement execute function careboard.oxygen_tank_came_or_went();
"""

_OUTGROWN: Final = """
-- Before `domains/visibility.py` the domain had triggers of its own.
do $sql$ declare one record; begin
  for one in select c.relname as class_name, t.tgname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where t.tgname in ('oxygen_4_acl_of_new', 'oxygen_4_acl', 'oxygen_site_changed', 'oxygen_tank_changed')
  loop
    execute format('drop trigger %I on %I', one.name, one.class_name);
  end loop;
end $sql$;
drop function if exists careboard.oxygen_site_acl, careboard.oxygen_tank_acl, careboard.oxygen_history_acl,
  careboard.oxygen_contact_acl, careboard.oxygen_site_changed, careboard.oxygen_tank_changed, careboard.oxygen_site_readers,
  careboard.oxygen_tank_readers, careboard.oxygen_readers, careboard.oxygen_people;
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
        _OUTGROWN,
        _ACLS,
        _DRIVERS,
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


async def tick(connection: Connection, now: datetime) -> int:
    """Flips the urgency of the tanks that are due by now; how many it flipped."""
    done = await connection.execute(_DUE, now)
    return int(done.rpartition(" ")[2])
