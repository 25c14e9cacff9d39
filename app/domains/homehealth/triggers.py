"""What the database keeps by itself: who may read a row, how urgent a visit is, whose it is, that nobody is at two doors at once.

Owns: `SQL`, run after every migration, and `tick`, what time alone brings. Holds: the numbers come from `rules.py`; a write from
anywhere (REST, psql, an integration) leaves right facts, and rows whose facts did not change are not touched. A technician is
locked before the visits of theirs are looked at, so of two that would overlap the second is refused. Readers: dispatchers,
coordinators and administrators everything; a technician the visits that name them, their parts, and the logs of those visits and
of their own. May import rules, domains.visibility, core, store.database and actions.
"""

from datetime import datetime, timedelta
from typing import Final

from app.actions import audit
from app.actions.caller import MASTER
from app.core.geo import KILOMETERS_PER_RADIAN, haversine_sql
from app.core.wire import Object
from app.domains.homehealth.rules import (
    BOOKED,
    LATE_AFTER,
    NEARBY_METERS,
    OVER,
    OVERRUN_AFTER,
    RUNNING,
    UNASSIGNED_SOON,
    UNCONFIRMED_SOON,
    USUAL_MINUTES,
    WAITING,
    quoted,
)
from app.domains.visibility import acl
from app.store.database import Connection


def _span(of: timedelta) -> str:
    return f"interval '{of // timedelta(seconds=1)} seconds'"


_TIMES: Final = f"""
create or replace function careboard.homehealth_ends_at(begins timestamptz, minutes float8) returns timestamptz
language sql immutable parallel safe as $sql$
  select begins + make_interval(secs => coalesce(minutes, {USUAL_MINUTES}) * 60)
$sql$;

create or replace function careboard.homehealth_urgency(
  state text, begins timestamptz, start_by timestamptz, began timestamptz, minutes float8, moment timestamptz)
returns text language sql immutable parallel safe as $sql$
  select case
    when state in ('missed', 'no_show') then state
    when state in ({quoted(RUNNING)}) then case
      when began is null or minutes is null then 'unknown'
      when began + make_interval(secs => minutes * 60) + {_span(OVERRUN_AFTER)} <= moment then 'overrun'
      else 'ok' end
    when state not in ({quoted(WAITING)}) then 'ok'
    when start_by <= moment then 'missed'
    when begins + {_span(LATE_AFTER)} <= moment then 'late'
    when state in ('open', 'offered') and begins - {_span(UNASSIGNED_SOON)} <= moment then 'unassigned_soon'
    when state = 'assigned' and begins - {_span(UNCONFIRMED_SOON)} <= moment then 'unconfirmed_soon'
    else 'ok'
  end
$sql$;

-- When time alone makes another urgency of it; a visit that nobody began is due from its last moment on.
create or replace function careboard.homehealth_turns_at(
  state text, begins timestamptz, start_by timestamptz, began timestamptz, minutes float8, moment timestamptz)
returns timestamptz language sql immutable parallel safe as $sql$
  select case
    when state in ({quoted(WAITING)}) and start_by <= moment then start_by
    else (select min(turn) from unnest(case
      when state in ({quoted(WAITING)}) then array[start_by, begins + {_span(LATE_AFTER)},
        case when state in ('open', 'offered') then begins - {_span(UNASSIGNED_SOON)}
          when state = 'assigned' then begins - {_span(UNCONFIRMED_SOON)} end]
      when state in ({quoted(RUNNING)})
        then array[began + make_interval(secs => minutes * 60) + {_span(OVERRUN_AFTER)}]
      end) turn where turn > moment)
  end
$sql$;
"""

_JOB_FACTS: Final = """
create or replace function careboard.homehealth_job_facts() returns trigger language plpgsql as $sql$
declare moment timestamptz := clock_timestamp();
begin
  new."endsAt" := careboard.homehealth_ends_at(new."scheduledTime", new."durationMinutes");
  new."startBy" := coalesce(new."windowEnd", new."endsAt");
  new."urgency" := careboard.homehealth_urgency(
    new."status", new."scheduledTime", new."startBy", new."startedAt", new."durationMinutes", moment);
  new."_turnsAt" := careboard.homehealth_turns_at(
    new."status", new."scheduledTime", new."startBy", new."startedAt", new."durationMinutes", moment);
  return new;
end $sql$;
create or replace trigger homehealth_1_facts before insert or update on "Job"
  for each row execute function careboard.homehealth_job_facts();
"""

_BOOKS: Final = f'new."status" in ({quoted(BOOKED)}) and new."overlapAllowed" is not true'
_MOVED: Final = " or ".join(
    f'new."{name}" is distinct from old."{name}"' for name in ("technician", "scheduledTime", "endsAt", "overlapAllowed")
)
_NO_OVERLAP: Final = f"""
create or replace function careboard.homehealth_check_overlap() returns trigger language plpgsql as $sql$
declare other record;
begin
  perform from "Technician" where "objectId" = new."technician" for no key update;
  select j."objectId" as id, to_char(j."scheduledTime" at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as begins,
    to_char(j."endsAt" at time zone 'UTC', 'HH24:MI') as ends into other from "Job" j
  where j."technician" = new."technician" and j."objectId" <> new."objectId" and j."status" in ({quoted(BOOKED)})
    and j."overlapAllowed" is not true and j."scheduledTime" < new."endsAt" and j."endsAt" > new."scheduledTime"
  order by j."scheduledTime" limit 1;
  if found then
    raise exception using errcode = 'PE142', message = format('scheduledTime: the technician has the visit %s from %s to %s UTC; '
      'choose another time or technician, or a dispatcher sets overlapAllowed.', other.id, other.begins, other.ends);
  end if;
  return new;
end $sql$;
create or replace trigger homehealth_2_overlap_of_new before insert on "Job"
  for each row when ({_BOOKS}) execute function careboard.homehealth_check_overlap();
create or replace trigger homehealth_2_overlap before update on "Job"
  for each row when ({_BOOKS} and ({_MOVED} or old."status" not in ({quoted(BOOKED)})))
  execute function careboard.homehealth_check_overlap();
"""

_CAME_OR_WENT: Final = "\n".join(
    f"""
create or replace trigger homehealth_jobs_{word} after {event} on "Job" referencing {word} table as the_rows
  for each statement execute function careboard.homehealth_jobs_came_or_went();"""
    for word, event in (("new", "insert"), ("old", "delete"))
)
_ASSIGNED: Final = f"""
create or replace function careboard.homehealth_assigned(whose text) returns jsonb language sql stable as $sql$
  select coalesce(jsonb_agg(jsonb_build_object('__type', 'Pointer', 'className', 'Job', 'objectId', j."objectId")
    order by j."scheduledTime", j."objectId"), '[]'::jsonb)
  from "Job" j where j."technician" = whose and j."status" not in ({quoted(OVER)})
$sql$;

-- Locks first and looks then, in a statement of its own, so that it sees what the one before it committed.
create or replace function careboard.homehealth_reassign(technicians text[]) returns void language plpgsql as $sql$
begin
  perform from "Technician" where "objectId" = any(technicians) order by "objectId" for no key update;
  update "Technician" t set "assignedJobs" = careboard.homehealth_assigned(t."objectId")
  where t."objectId" = any(technicians) and t."assignedJobs" is distinct from careboard.homehealth_assigned(t."objectId");
end $sql$;

create or replace function careboard.homehealth_jobs_came_or_went() returns trigger language plpgsql as $sql$
begin
  perform careboard.homehealth_reassign(array(select distinct "technician" from the_rows));
  return null;
end $sql$;

create or replace function careboard.homehealth_jobs_changed() returns trigger language plpgsql as $sql$
declare whose text[];
begin
  whose := array(select distinct unnest(array[n."technician", o."technician"]) from new_rows n join old_rows o using ("objectId")
    where n."technician" is distinct from o."technician" or n."scheduledTime" is distinct from o."scheduledTime"
      or (n."status" in ({quoted(OVER)})) is distinct from (o."status" in ({quoted(OVER)})));
  if cardinality(whose) > 0 then
    perform careboard.homehealth_reassign(whose);
  end if;
  return null;
end $sql$;

-- Whoever writes over the list, or makes a technician with one, gets the list as it is.
create or replace function careboard.homehealth_own_list() returns trigger language plpgsql as $sql$
begin
  new."assignedJobs" := careboard.homehealth_assigned(new."objectId");
  return new;
end $sql$;
{_CAME_OR_WENT}
create or replace trigger homehealth_jobs_changed after update on "Job"
  referencing old table as old_rows new table as new_rows
  for each statement execute function careboard.homehealth_jobs_changed();
create or replace trigger homehealth_1_list_of_new before insert on "Technician"
  for each row execute function careboard.homehealth_own_list();
create or replace trigger homehealth_1_list before update on "Technician"
  for each row when (new."assignedJobs" is distinct from old."assignedJobs") execute function careboard.homehealth_own_list();
"""

_ANGLE: Final = haversine_sql("door[0]", "door[1]", 'new."location"[0]', 'new."location"[1]')
_METERS: Final = f"{2000 * KILOMETERS_PER_RADIAN} * asin(sqrt(least(1, {_ANGLE})))"
_OTHER_FACTS: Final = f"""
create or replace function careboard.homehealth_part_facts() returns trigger language plpgsql as $sql$
begin
  new."availability" := new."quantity" > 0;
  return new;
end $sql$;
create or replace trigger homehealth_1_facts before insert or update on "PartsInventory"
  for each row execute function careboard.homehealth_part_facts();

-- Six facts verify a visit: what, for whom, by whom, when it began and ended, and where.
create or replace function careboard.homehealth_log_facts() returns trigger language plpgsql as $sql$
declare door point;
begin
  select j."location" into door from "Job" j where j."objectId" = new."job";
  new."distanceMeters" := case when door is not null and new."location" is not null then round({_METERS}) end;
  new."verification" := case
    when new."startedAt" is null or new."endedAt" is null or new."location" is null then 'incomplete'
    when new."distanceMeters" > {NEARBY_METERS} then 'out_of_area'
    else 'complete' end;
  return new;
end $sql$;
create or replace trigger homehealth_1_facts before insert or update on "ServiceLog"
  for each row execute function careboard.homehealth_log_facts();
"""

_DESK: Final = "array['role:admin', 'role:dispatcher']"
_OFFICE: Final = "array['role:admin', 'role:coordinator', 'role:dispatcher']"
_AIDE: Final = """(select t."user" from "Technician" t where t."objectId" = new."technician")"""
_OF_JOB: Final = """(select j."_rperm" from "Job" j where j."objectId" = new."job")"""

_VISIBLE: Final = "\n".join(
    (
        acl(
            "Technician",
            readers=f"""{_OFFICE} || new."user" """,
            writers=f"""{_DESK} || new."user" """,
            facts=("user",),
            children=(("Job", "technician"), ("ServiceLog", "technician")),
        ),
        acl(
            "Job",
            readers=f"{_OFFICE} || {_AIDE}",
            writers=f"{_OFFICE} || {_AIDE}",
            facts=("technician",),
            parents=(("technician", "Technician"),),
            children=(("PartsInventory", "job"), ("ServiceLog", "job")),
        ),
        acl(
            "PartsInventory",
            readers=f"{_OFFICE} || {_OF_JOB}",
            writers=f"{_OFFICE} || {_OF_JOB}",
            facts=("job",),
            parents=(("job", "Job"),),
        ),
        acl(
            "ServiceLog",
            readers=f"{_OFFICE} || {_AIDE} || {_OF_JOB}",
            writers=_OFFICE,
            facts=("technician", "job"),
            parents=(("technician", "Technician"), ("job", "Job")),
        ),
    )
)

_INDEXES: Final = """
create index if not exists "Job_turnsAt" on "Job" ("_turnsAt") where "_turnsAt" is not null;
create index if not exists "Job_urgency_scheduledTime" on "Job" ("urgency", "scheduledTime");
create index if not exists "Job_technician_scheduledTime" on "Job" ("technician", "scheduledTime");
create index if not exists "ServiceLog_job_serviceTime" on "ServiceLog" ("job", "serviceTime" desc);
"""

_STALE: Final = """
-- After an upgrade that changed the numbers: the facts of rows nobody writes.
update "Job" set "urgency" = "urgency" where "urgency" is distinct from careboard.homehealth_urgency(
  "status", "scheduledTime", "startBy", "startedAt", "durationMinutes", clock_timestamp());
"""

SQL: Final = "\n".join((_TIMES, _JOB_FACTS, _NO_OVERLAP, _ASSIGNED, _OTHER_FACTS, _VISIBLE, _INDEXES, _STALE))

_DUE: Final = f"""
select "objectId" as id, "status" as state, coalesce("clientName", "description") as what,
  "status" in ({quoted(WAITING)}) and "startBy" <= $1 as missed
from "Job" where "_turnsAt" <= $1 order by "objectId" limit 1000 for no key update skip locked
"""
_FLIP: Final = """update "Job" set "urgency" = "urgency" where "objectId" = any($1::text[])"""
_MISS: Final = """
update "Job" set "status" = 'missed', "updatedAt" = date_trunc('milliseconds', $2::timestamptz)
where "objectId" = any($1::text[])
"""
_ALERT: Final = """select careboard.raise_alert($1, 'high', 'dispatcher', null, 'Job', $2, 'missed')"""


async def tick(connection: Connection, now: datetime) -> int:
    """What is due by now: urgencies flip, and visits that nobody began become missed, with an audit row and an alert to the
    dispatchers. How many visits it touched."""
    async with audit.collected(connection):
        due = await connection.fetch(_DUE, now)
        if due:
            await connection.execute(_FLIP, [row["id"] for row in due if not row["missed"]])
            await connection.execute(_MISS, [row["id"] for row in due if row["missed"]], now)
        for row in due:
            if row["missed"]:
                await _note_missed(connection, row["id"], row["state"], row["what"])
    return len(due)


async def _note_missed(connection: Connection, job: str, before: str, what: str) -> None:
    changes: Object = {"status": {"from": before, "to": "missed"}}
    await audit.record(connection, MASTER, "update", "Job", job, "update Job: status", {"changes": changes})
    await connection.execute(_ALERT, f"Nobody began the visit in time: {what}", job)
