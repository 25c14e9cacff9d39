"""Alerts in the database: how one is raised, by an action or by a fact that flips as time passes.

Owns: `ALERT_DDL` (run at migrate). Holds: an alert is read by its recipient, or by everybody of its role, and by administrators;
one that is not yet acknowledged is not raised a second time for the same kind and object: the first one stays.
"""

ALERT_DDL = """
create unique index if not exists "Alert_open" on "Alert" ("kind", ("about" ->> 'objectId'), coalesce("role", "recipient"))
  where "acknowledgedAt" is null;
create index if not exists "Alert_raisedAt" on "Alert" ("raisedAt");

-- Exactly one of to_role and to_user is given. Gives the objectId, null when such an alert is open already.
create or replace function careboard.raise_alert(message text, urgency text, to_role text, to_user text, about_class text,
  about_id text, kind text) returns text language sql as $alert$
  insert into "Alert" ("objectId", "createdAt", "updatedAt", "_rperm", "_wperm", "recipient", "role", "message", "urgency",
    "kind", "about", "raisedAt")
  select substr(replace(gen_random_uuid()::text, '-', ''), 1, 10), at, at, who, who, to_user, to_role, message, urgency, kind,
    jsonb_build_object('className', about_class, 'objectId', about_id), at
  from (select date_trunc('milliseconds', clock_timestamp()) at) clock,
    (select array['role:admin', coalesce(to_user, 'role:' || to_role)] who) readers
  on conflict do nothing returning "objectId"
$alert$;
"""
