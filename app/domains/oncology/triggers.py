"""What the database keeps by itself: who may read a row, the flag of a lab result, and what each open cycle waits for.

Owns: `SQL`, run after every migration, and `tick`, the flips that time alone brings. Holds: the numbers come from `rules.py`;
a write from anywhere (REST, psql, an integration) leaves right facts, and rows whose facts did not change are not touched.
Who may read: administrators everything; the patient and the care team of their profile all that is recorded of them. The row of
the patient's account is the lock of their record: it is taken before a team or a result is read that another write may be
changing. May import rules, visibility and store.database.
"""

from datetime import datetime, timedelta
from typing import Final

from app.domains.oncology.rules import (
    CLOSED,
    DUE,
    HALF,
    LAB_TESTS,
    LABS_WITHIN,
    ONE_NUMBER,
    ONE_PROFILE,
    ONE_RUNNING,
    OPEN,
    SOON,
)
from app.domains.visibility import AGAIN, acl
from app.store.database import Connection


def _texts(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _interval(span: timedelta) -> str:
    return f"interval '{span // timedelta(seconds=1)} seconds'"


_OPEN: Final = _texts(OPEN)
_CLOSED: Final = _texts(CLOSED)
_DUE: Final = " ".join(
    f"when '{state}' then {'starts' if field == 'startDate' else 'ends'} + {_interval(after)}"
    for state, (field, after) in DUE.items()
)
_TESTS: Final = " ".join(f"when lower(name) in ({_texts(names)}) then '{test}'" for test, names in LAB_TESTS.items())
_NAMES: Final = _texts(tuple(name for names in LAB_TESTS.values() for name in names))

_FORMULA: Final = f"""
create or replace function careboard.oncology_flag(result float8, low float8, high float8, critical_low float8,
  critical_high float8)
returns text language sql immutable parallel safe as $sql$
  select case
    when result < coalesce(critical_low, case when low > 0 then low / {HALF!r}::float8 end) then 'LL'
    when result > coalesce(critical_high, case when high > 0 then high * {HALF!r}::float8 end) then 'HH'
    when result < low then 'L'
    when result > high then 'H'
    when low is not null or high is not null then 'N'
  end
$sql$;

create or replace function careboard.oncology_due_at(status text, starts timestamptz, ends timestamptz) returns timestamptz
language sql immutable parallel safe as $sql$ select case status {_DUE} end $sql$;

create or replace function careboard.oncology_urgency(status text, starts timestamptz, ends timestamptz, labs_at timestamptz,
  moment timestamptz)
returns text language sql immutable parallel safe as $sql$
  select case
    when status in ({_CLOSED}) then 'closed'
    when due is null then 'unknown'
    when due <= moment then 'overdue'
    when status in ('review', 'cleared') and (labs_at is null or labs_at < starts - {_interval(LABS_WITHIN)}) then 'unknown'
    when status in ('review', 'delayed') then status
    when due - moment < {_interval(SOON)} then 'soon'
    else 'ok'
  end from (select careboard.oncology_due_at(status, starts, ends) due) facts
$sql$;

create or replace function careboard.oncology_test(name text) returns text
language sql immutable parallel safe as $sql$ select case {_TESTS} end $sql$;
"""

_LABS: Final = f"""
-- The newest result of each test that counts.
create or replace function careboard.oncology_labs(who text) returns jsonb language sql stable as $sql$
  select coalesce(jsonb_object_agg(test, jsonb_strip_nulls(jsonb_build_object('result', "result", 'unit', "unit", 'flag', "flag",
    'referenceLow', "referenceLow", 'referenceHigh', "referenceHigh", 'date', jsonb_build_object('__type', 'Date', 'iso',
    to_char("date" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))))), '{{}}'::jsonb)
  from (
    select distinct on (careboard.oncology_test("labTestName")) careboard.oncology_test("labTestName") test, l.*
    from "LabTrend" l where l."patient" = who and lower(l."labTestName") in ({_NAMES})
    order by careboard.oncology_test("labTestName"), l."date" desc, l."objectId" desc
  ) newest
$sql$;

create or replace function careboard.oncology_lab_level(labs jsonb) returns text
language sql immutable parallel safe as $sql$
  select case
    when bool_or(flag in ('LL', 'HH')) then 'critical'
    when bool_or(flag in ('L', 'H')) then 'abnormal'
    when count(*) = 0 or count(flag) < count(*) then 'unknown'
    else 'normal'
  end from (select each.value ->> 'flag' flag from jsonb_each(labs) each) flags
$sql$;
"""

_FACTS: Final = f"""
-- As they are called at that moment, in the order they signed.
create or replace function careboard.oncology_names(people jsonb) returns text language sql stable as $sql$
  select string_agg(coalesce(u."displayName", u."username"), ', ' order by place)
  from jsonb_array_elements(case jsonb_typeof(people) when 'array' then people else '[]'::jsonb end)
    with ordinality signed(one, place)
  join "_User" u on u."objectId" = case jsonb_typeof(one) when 'object' then one ->> 'objectId' end
$sql$;

create or replace function careboard.oncology_result_facts() returns trigger language plpgsql as $sql$
begin
  new."flag" := careboard.oncology_flag(new."result", new."referenceLow", new."referenceHigh", new."criticalLow",
    new."criticalHigh");
  return new;
end $sql$;

create or replace function careboard.oncology_treatment_facts() returns trigger language plpgsql as $sql$
begin
  new."patient" := (select c."patient" from "ChemoCycle" c where c."objectId" = new."chemoCycle");
  return new;
end $sql$;

-- A cycle that ended keeps the results it ended with.
create or replace function careboard.oncology_cycle_facts() returns trigger language plpgsql as $sql$
begin
  if tg_op = 'INSERT' then
    perform from "_User" where "objectId" = new."patient" for no key update;
  end if;
  if new."status" is null or new."status" in ({_OPEN}) then
    new."labs" := careboard.oncology_labs(new."patient");
    new."labsAt" := (select max(l."date") from "LabTrend" l where l."patient" = new."patient");
  elsif tg_op = 'UPDATE' then
    new."labs" := old."labs";
    new."labsAt" := old."labsAt";
  else
    new."labs" := '{{}}';
    new."labsAt" := null;
  end if;
  if tg_op = 'INSERT' or new."clearedBy" is distinct from old."clearedBy" then
    new."signers" := careboard.oncology_names(new."clearedBy");
  else
    new."signers" := old."signers";
  end if;
  new."labLevel" := careboard.oncology_lab_level(new."labs");
  new."worstGrade" := (select max(e."grade") from "SideEffect" e where e."chemoCycle" = new."objectId");
  new."dueAt" := careboard.oncology_due_at(new."status", new."startDate", new."endDate");
  new."urgency" := careboard.oncology_urgency(new."status", new."startDate", new."endDate", new."labsAt", clock_timestamp());
  return new;
end $sql$;

create or replace trigger oncology_facts before insert or update on "LabTrend"
  for each row execute function careboard.oncology_result_facts();
create or replace trigger oncology_facts before insert or update on "Treatment"
  for each row when (new."chemoCycle" is not null) execute function careboard.oncology_treatment_facts();
create or replace trigger oncology_facts before insert or update on "ChemoCycle"
  for each row execute function careboard.oncology_cycle_facts();
"""

_FOLLOW: Final = f"""
-- The trigger of the cycle works the facts out anew; only cycles for which something changed are written.
create or replace function careboard.oncology_refresh_labs(people text[]) returns void language sql as $sql$
  update "ChemoCycle" c set "labs" = c."labs"
  where c."patient" = any(people) and (c."status" is null or c."status" in ({_OPEN}))
    and (c."labs" is distinct from careboard.oncology_labs(c."patient")
      or c."labsAt" is distinct from (select max(l."date") from "LabTrend" l where l."patient" = c."patient"))
$sql$;

create or replace function careboard.oncology_refresh_grades(cycles text[]) returns void language sql as $sql$
  update "ChemoCycle" c set "worstGrade" = c."worstGrade"
  where c."objectId" = any(cycles)
    and c."worstGrade" is distinct from (select max(e."grade") from "SideEffect" e where e."chemoCycle" = c."objectId")
$sql$;

create or replace function careboard.oncology_results_changed() returns trigger language plpgsql as $sql$
begin
  perform careboard.oncology_refresh_labs(array(select distinct "patient" from the_rows));
  return null;
end $sql$;

create or replace function careboard.oncology_results_corrected() returns trigger language plpgsql as $sql$
begin
  perform careboard.oncology_refresh_labs(array(select "patient" from new_rows union select "patient" from old_rows));
  return null;
end $sql$;

create or replace function careboard.oncology_effects_changed() returns trigger language plpgsql as $sql$
begin
  perform careboard.oncology_refresh_grades(array(select distinct "chemoCycle" from the_rows));
  return null;
end $sql$;

create or replace function careboard.oncology_effects_graded() returns trigger language plpgsql as $sql$
begin
  perform careboard.oncology_refresh_grades(array(select "chemoCycle" from new_rows union select "chemoCycle" from old_rows));
  return null;
end $sql$;
"""


def _follow(class_name: str, changed: str, corrected: str) -> str:
    """The statement triggers that call `changed` after rows came or went, and `corrected` after rows were updated."""
    return f"""
create or replace trigger oncology_came after insert on "{class_name}"
  referencing new table as the_rows for each statement execute function careboard.{changed}();
create or replace trigger oncology_went after delete on "{class_name}"
  referencing old table as the_rows for each statement execute function careboard.{changed}();
create or replace trigger oncology_corrected after update on "{class_name}"
  referencing old table as old_rows new table as new_rows for each statement execute function careboard.{corrected}();
"""


_WHO: Final = """
create or replace function careboard.oncology_team(who text) returns text[] language sql stable as $sql$
  select careboard.members(p."careTeam") from "Patient" p where p."user" = who
$sql$;
"""

_PROFILE_READERS: Final = """array['role:admin'] || careboard.people(new."user" || careboard.members(new."careTeam"))"""
_TEAM: Final = """array['role:admin'] || careboard.people(careboard.oncology_team(new."patient"))"""
_RECORD: Final = """array['role:admin'] || careboard.people(new."patient" || careboard.oncology_team(new."patient"))"""
_CYCLE: Final = '(select c."{}" from "ChemoCycle" c where c."objectId" = new."chemoCycle")'
_ACCOUNT: Final = (("patient", "_User"),)

_ACLS: Final = "\n".join(
    (
        acl(
            "Patient",
            readers=_PROFILE_READERS,
            writers="""array['role:admin'] || careboard.people(array[new."user"])""",
            facts=("user", "careTeam"),
            parents=(("user", "_User"),),
        ),
        acl(
            "ChemoCycle",
            readers=_RECORD,
            writers=_TEAM,
            facts=("patient",),
            parents=_ACCOUNT,
            children=(("SideEffect", "chemoCycle"), ("Treatment", "chemoCycle")),
        ),
        acl("Treatment", readers=_RECORD, writers=_RECORD, facts=("patient", "chemoCycle"), parents=_ACCOUNT),
        acl(
            "SideEffect",
            readers=_CYCLE.format("_rperm"),
            writers=_CYCLE.format("_wperm"),
            facts=("chemoCycle",),
            parents=(("chemoCycle", "ChemoCycle"),),
        ),
        acl("LabTrend", readers=_RECORD, writers=_RECORD, facts=("patient",), parents=_ACCOUNT),
    )
)

# A profile is found by its account and not by a pointer to it, so its team spreads by statements of its own.
_TEAM_SPREADS: Final = f"""
-- Results before cycles: that is how a correction of a result locks them.
create or replace function careboard.oncology_spread(people text[]) returns void language plpgsql as $sql$
begin
  update "LabTrend" set "_rperm" = '{AGAIN}' where "patient" = any(people);
  update "Treatment" set "_rperm" = '{AGAIN}' where "patient" = any(people);
  update "ChemoCycle" set "_rperm" = '{AGAIN}' where "patient" = any(people);
end $sql$;

create or replace function careboard.oncology_team_came_or_went() returns trigger language plpgsql as $sql$
begin
  perform careboard.oncology_spread(array(select "user" from the_rows where "user" is not null));
  return null;
end $sql$;

create or replace function careboard.oncology_team_changed() returns trigger language plpgsql as $sql$
declare people text[];
begin
  people := array(select unnest(array[n."user", o."user"]) from new_rows n join old_rows o using ("objectId")
    where n."user" is distinct from o."user" or n."careTeam" is distinct from o."careTeam");
  if cardinality(people) > 0 then
    perform careboard.oncology_spread(people);
  end if;
  return null;
end $sql$;

create or replace trigger oncology_team_changed after update on "Patient"
  referencing old table as old_rows new table as new_rows for each statement execute function careboard.oncology_team_changed();
create or replace trigger oncology_team_came after insert on "Patient"
  referencing new table as the_rows for each statement execute function careboard.oncology_team_came_or_went();
create or replace trigger oncology_team_went after delete on "Patient"
  referencing old table as the_rows for each statement execute function careboard.oncology_team_came_or_went();
"""

_INDEXES: Final = f"""
create unique index if not exists "{ONE_PROFILE}" on "Patient" ("user");
create unique index if not exists "{ONE_RUNNING}" on "ChemoCycle" ("patient") where "status" = 'in_progress';
create unique index if not exists "{ONE_NUMBER}" on "ChemoCycle" ("patient", coalesce("regimen", ''), "cycleNumber")
  where "status" in ({_OPEN});
create index if not exists "ChemoCycle_urgency_dueAt" on "ChemoCycle" ("urgency", "dueAt");
create index if not exists "Treatment_patient_date" on "Treatment" ("patient", "date" desc);
create index if not exists "SideEffect_cycle_time" on "SideEffect" ("chemoCycle", "recordedAt" desc);
create index if not exists "LabTrend_patient_date" on "LabTrend" ("patient", "date" desc);
create index if not exists "LabTrend_patient_test_date" on "LabTrend" ("patient", "labTestName", "date" desc);
"""

_STALE: Final = """
-- After an upgrade that changed the numbers: the facts of rows nobody writes.
update "LabTrend" set "flag" = "flag" where "flag" is distinct from
  careboard.oncology_flag("result", "referenceLow", "referenceHigh", "criticalLow", "criticalHigh");
update "ChemoCycle" set "dueAt" = "dueAt" where "dueAt" is distinct from
  careboard.oncology_due_at("status", "startDate", "endDate");
"""

SQL: Final = "\n".join(
    (
        "create schema if not exists careboard;",
        _FORMULA,
        _LABS,
        _FACTS,
        _FOLLOW,
        _follow("LabTrend", "oncology_results_changed", "oncology_results_corrected"),
        _follow("SideEffect", "oncology_effects_changed", "oncology_effects_graded"),
        _ACLS,
        _WHO,
        _TEAM_SPREADS,
        _INDEXES,
        _STALE,
    )
)

_FLIP: Final = f"""
update "ChemoCycle" c set "urgency" = c."urgency"
from (
  select "objectId" from "ChemoCycle"
  where ("urgency" in ('review', 'unknown', 'delayed', 'soon', 'ok') and "dueAt" <= $1)
     or ("urgency" = 'ok' and "dueAt" < $1 + {_interval(SOON)})
  limit 1000 for no key update skip locked
) due where c."objectId" = due."objectId"
"""


async def tick(connection: Connection, now: datetime) -> int:
    """Flips the urgency of the cycles that are due by now; how many it flipped."""
    done = await connection.execute(_FLIP, now)
    return int(done.rpartition(" ")[2])
