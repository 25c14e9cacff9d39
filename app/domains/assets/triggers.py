"""What the database keeps by itself: how urgent an asset is, and who may read it and all that hangs on it.

Owns: `SQL`, run after every migration, and `tick`, the flips that time alone brings. Holds: the numbers come from `rules.py`;
a write from anywhere (REST, psql, an integration) leaves right facts, and rows whose facts did not change are not touched.
Who may read: biomedical engineers and administrators everything; a technician the assets given to them, a department manager
the assets of their department, with all that hangs on them; who holds an asset reads the asset and their assignment. A
manager who changes department and an asset that moves there at once wait for each other. May import rules, visibility and
store.database.
"""

from datetime import datetime, timedelta
from typing import Final

from app.domains.assets.rules import DESK, DUE_SOON, GRAVE, OF_AN_ASSET, URGENCIES
from app.domains.visibility import acl
from app.store.database import Connection

_SECOND: Final = timedelta(seconds=1)
_SOON: Final = " ".join(f"when '{name}' then interval '{span // _SECOND} seconds'" for name, span in DUE_SOON.items())
_LONGEST: Final = f"interval '{max(DUE_SOON.values()) // _SECOND} seconds'"
_GRAVE: Final = ", ".join(f"'{name}'" for name in GRAVE)
_RANKS: Final = ", ".join(f"'{name}'" for name in URGENCIES)

_FACTS: Final = f"""
create or replace function careboard.asset_due_soon(criticality text) returns interval
language sql immutable parallel safe as $sql$ select case criticality {_SOON} else {_LONGEST} end $sql$;

create or replace function careboard.asset_urgency(
  status text, criticality text, recalled boolean, missing boolean, due timestamptz, moment timestamptz)
returns text language sql immutable parallel safe as $sql$
  select case
    when status = 'retired' then 'ok'
    when recalled or missing then 'critical'
    when status = 'out_of_service' and criticality in ({_GRAVE}) then 'critical'
    when due <= moment then case criticality when 'critical' then 'critical' else 'overdue' end
    when status = 'out_of_service' then 'down'
    when due is null then 'unknown'
    when due - moment < careboard.asset_due_soon(criticality) then 'due_soon'
    else 'ok'
  end
$sql$;

-- `modelName` is another name of `model`: either may be written, both read the same.
create or replace function careboard.asset_facts() returns trigger language plpgsql as $sql$
begin
  if tg_op = 'INSERT' then
    new."model" := coalesce(new."model", new."modelName");
  elsif new."modelName" is distinct from old."modelName" and new."model" is not distinct from old."model" then
    new."model" := new."modelName";
  end if;
  new."modelName" := new."model";
  new."urgency" := careboard.asset_urgency(
    new."status", new."criticality", new."recalled", new."missing", new."nextServiceDue", clock_timestamp());
  return new;
end $sql$;

create or replace trigger assets_facts before insert or update on "Asset"
  for each row execute function careboard.asset_facts();
"""

_WHO: Final = """
-- Locked first and looked at then, so that a manager who comes and an asset that comes do not miss each other.
create or replace function careboard.asset_managers(of_department text) returns text[] language plpgsql as $sql$
begin
  if of_department is null then
    return '{}';
  end if;
  perform pg_advisory_xact_lock_shared(hashtextextended('department:' || of_department, 11));
  return array(select "objectId" from "_User"
    where "role" = 'departmentManager' and "department" = of_department and "active" is not false);
end $sql$;

create or replace function careboard.asset_people(of_asset text) returns text[] language plpgsql as $sql$
declare looks_after text; stands_in text;
begin
  select "technician", "department" into looks_after, stands_in from "Asset" where "objectId" = of_asset;
  return array['role:admin', 'role:biomed', looks_after] || careboard.asset_managers(stands_in);
end $sql$;

create or replace function careboard.asset_manager_moved() returns trigger language plpgsql as $sql$
declare each_department text; departments text[];
begin
  departments := array(select distinct department from (values
    (case when tg_op <> 'INSERT' and old."role" = 'departmentManager' then old."department" end),
    (case when tg_op <> 'DELETE' and new."role" = 'departmentManager' then new."department" end)) of_user(department)
    where department is not null order by 1);
  foreach each_department in array departments loop
    perform pg_advisory_xact_lock(hashtextextended('department:' || each_department, 11));
  end loop;
  if cardinality(departments) > 0 then
    update "Asset" set "_rperm" = '{careboard:again}' where "department" = any(departments);
  end if;
  return null;
end $sql$;

create or replace trigger assets_manager_came_or_went after insert or delete on "_User"
  for each row execute function careboard.asset_manager_moved();
create or replace trigger assets_manager_moved after update on "_User" for each row
  when (new."role" is distinct from old."role" or new."department" is distinct from old."department"
    or new."active" is distinct from old."active")
  execute function careboard.asset_manager_moved();
"""

_EVERYBODY: Final = "array['role:admin', 'role:biomed', 'role:departmentManager', 'role:technician']"
_DESK_ROLES: Final = ", ".join(f"'role:{role}'" for role in sorted(DESK))
_DESK: Final = f"array[{_DESK_ROLES}]"
_OF_ASSET: Final = 'careboard.asset_people(new."asset")'
_PARENT: Final = (("asset", "Asset"),)

_WHO_MAY: Final = "\n".join(
    (
        acl("Facility", readers=_EVERYBODY, writers=_DESK, facts=()),
        acl("Location", readers=_EVERYBODY, writers=_DESK, facts=()),
        acl(
            "Asset",
            readers="array['role:admin', 'role:biomed', new.\"technician\", new.\"holder\"]"
            ' || careboard.asset_managers(new."department")',
            writers=_DESK,
            facts=("technician", "holder", "department"),
            children=tuple((class_name, "asset") for class_name in OF_AN_ASSET),
        ),
        acl("MaintenancePlan", readers=_OF_ASSET, writers=_DESK, facts=("asset",), parents=_PARENT),
        acl(
            "MaintenanceLog",
            readers=f'{_OF_ASSET} || new."performedBy"',
            writers=f'{_DESK} || new."performedBy"',
            facts=("asset", "performedBy"),
            parents=_PARENT,
        ),
        acl(
            "Inspection",
            readers=f'{_OF_ASSET} || new."inspectedBy"',
            writers=_DESK,
            facts=("asset", "inspectedBy"),
            parents=_PARENT,
        ),
        acl(
            "AssetAssignment",
            readers=f'{_OF_ASSET} || new."assignedTo"',
            writers=_DESK,
            facts=("asset", "assignedTo"),
            parents=_PARENT,
        ),
        acl("ComplianceEvent", readers=f'{_OF_ASSET} || new."actor"', writers=_DESK, facts=("asset", "actor"), parents=_PARENT),
    )
)

_INDEXES: Final = """
create unique index if not exists "Facility_unique_code" on "Facility" ("code");
create unique index if not exists "Asset_unique_assetTag" on "Asset" ("assetTag");
create unique index if not exists "AssetAssignment_one_active" on "AssetAssignment" ("asset")
  where "assignmentStatus" = 'active';
create index if not exists "_User_department" on "_User" ("department") where "role" = 'departmentManager';
create index if not exists "Asset_urgency_due" on "Asset" ("urgency", "nextServiceDue");
create index if not exists "MaintenanceLog_asset_time" on "MaintenanceLog" ("asset", "startedAt" desc);
create index if not exists "Inspection_asset_time" on "Inspection" ("asset", "inspectedAt" desc);
create index if not exists "AssetAssignment_asset_time" on "AssetAssignment" ("asset", "assignedAt" desc);
create index if not exists "ComplianceEvent_asset_time" on "ComplianceEvent" ("asset", "occurredAt" desc);
"""

_STALE: Final = f"""
-- After an upgrade that changed the numbers: the facts of rows nobody writes.
update "Asset" set "urgency" = "urgency"
where "urgency" is null or "urgency" not in ({_RANKS}) or "urgency" is distinct from careboard.asset_urgency(
  "status", "criticality", "recalled", "missing", "nextServiceDue", clock_timestamp());
"""

SQL: Final = "\n".join(("create schema if not exists careboard;", _FACTS, _WHO, _WHO_MAY, _INDEXES, _STALE))

_DUE: Final = f"""
with due as (
  select "objectId" from "Asset"
  where "status" <> 'retired' and (
    ("urgency" = 'ok' and "nextServiceDue" < $1::timestamptz + {_LONGEST}
      and "nextServiceDue" - $1::timestamptz < careboard.asset_due_soon("criticality"))
    or ("urgency" in ('ok', 'due_soon', 'down') and "nextServiceDue" <= $1::timestamptz))
  limit 1000 for no key update skip locked
), flipped as (
  update "Asset" a set "urgency" = a."urgency" from due where a."objectId" = due."objectId"
  returning a."objectId", a."assetTag", a."name", a."criticality", a."urgency"
), told as (
  select careboard.raise_alert(format('%s %s is past its service date.', "assetTag", "name"),
    case "criticality" when 'critical' then 'critical' else 'high' end, 'biomed', null, 'Asset', "objectId", 'service_overdue')
  from flipped where "urgency" in ('critical', 'overdue') and "criticality" in ({_GRAVE})
)
select (select count(*) from flipped), (select count(*) from told)
"""


async def tick(connection: Connection, now: datetime) -> int:
    """Flips the urgency of the assets that are due by now, and alerts biomedical engineering of grave ones that became overdue;
    how many it flipped."""
    return int(await connection.fetchval(_DUE, now))
