"""What the database keeps by itself: who may read a row, how urgent a delivery is, when it was signed and when it was over.

Owns: `SQL`, run after every migration, and `tick`, the flips that time alone brings. Holds: the numbers come from `rules.py`; a
write from anywhere (REST, psql, an integration) leaves right facts, and rows whose facts did not change are not touched. Who
may read: pharmacists and administrators everything but messages; a patient the own profile while it is active, and all that
hangs on it; a provider the own prescriptions, their patients, deliveries and signatures; a courier the deliveries assigned to
them, never a prescription; a message its sender and its recipient, nobody else. May import rules, domains.visibility and
store.database.
"""

from datetime import datetime, timedelta
from typing import Final

from app.domains.pharmacy.rules import DONE, DUE_SOON, FAILED, ON_BOARD, PHARMACY
from app.domains.visibility import acl
from app.store.database import Connection


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _seconds(span: timedelta) -> str:
    return f"interval '{span // timedelta(seconds=1)} seconds'"


_STAFF: Final = f"array[{_list(tuple(f'role:{role}' for role in PHARMACY))}]"

_FACTS: Final = f"""
create or replace function careboard.pharmacy_urgency(status text, expected timestamptz, closed timestamptz, moment timestamptz)
returns text
language sql immutable parallel safe as $sql$
  select case
    when status in ({_list(DONE)}) then case when closed <= moment - {_seconds(ON_BOARD)} then 'closed' else 'done' end
    when status in ({_list(FAILED)}) then 'failed'
    when expected is null then 'unknown'
    when expected <= moment then 'late'
    when expected - moment < {_seconds(DUE_SOON)} then 'due_soon'
    else 'on_track'
  end
$sql$;

-- Fifty bits without the letters that are misread.
create or replace function careboard.pharmacy_tracking_number() returns text language sql volatile as $sql$
  select 'CB-' || substr(upper(translate(
    encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'base64'), '+/=01lIOo' || chr(10), '')), 1, 10)
$sql$;

create or replace function careboard.pharmacy_delivery_made() returns trigger language plpgsql as $sql$
begin
  new."trackingNumber" := coalesce(new."trackingNumber", careboard.pharmacy_tracking_number());
  new."proofPolicy" := coalesce(new."proofPolicy", 'signature');
  new."attempts" := coalesce(new."attempts", 0);
  if new."recipientName" is null then
    new."recipientName" := (select p."displayName" from "Prescription" r join "PatientProfile" p on p."objectId" = r."patient"
      where r."objectId" = new."prescription");
  end if;
  return new;
end $sql$;

create or replace function careboard.pharmacy_delivery_cold() returns trigger language plpgsql as $sql$
begin
  new."refrigerated" := coalesce(
    (select r."refrigerated" from "Prescription" r where r."objectId" = new."prescription" for no key update), false);
  return new;
end $sql$;

create or replace function careboard.pharmacy_delivery_facts() returns trigger language plpgsql as $sql$
declare moment timestamptz := date_trunc('milliseconds', clock_timestamp());
begin
  if new."status" = 'delivered' then
    new."deliveredAt" := coalesce(new."deliveredAt", moment);
    new."closedAt" := new."deliveredAt";
  elsif new."status" in ({_list(DONE)}) then
    new."closedAt" := coalesce(new."closedAt", moment);
  else
    new."closedAt" := null;
  end if;
  new."urgency" := careboard.pharmacy_urgency(new."status", new."expectedDeliveryDate", new."closedAt", moment);
  return new;
end $sql$;

create or replace trigger pharmacy_1_made before insert on "Delivery"
  for each row execute function careboard.pharmacy_delivery_made();
create or replace trigger pharmacy_2_cold_of_new before insert on "Delivery"
  for each row execute function careboard.pharmacy_delivery_cold();
create or replace trigger pharmacy_2_cold before update on "Delivery"
  for each row when (new."prescription" is distinct from old."prescription")
  execute function careboard.pharmacy_delivery_cold();
create or replace trigger pharmacy_3_facts before insert or update on "Delivery"
  for each row execute function careboard.pharmacy_delivery_facts();

create or replace function careboard.pharmacy_prescription_cold() returns trigger language plpgsql as $sql$
begin
  update "Delivery" set "refrigerated" = coalesce(new."refrigerated", false)
  where "prescription" = new."objectId" and "refrigerated" is distinct from coalesce(new."refrigerated", false);
  return null;
end $sql$;
create or replace trigger pharmacy_cold after update on "Prescription"
  for each row when (new."refrigerated" is distinct from old."refrigerated")
  execute function careboard.pharmacy_prescription_cold();

-- The first signature is the one that counts.
create or replace function careboard.pharmacy_signed() returns trigger language plpgsql as $sql$
declare target text := coalesce(new."delivery", old."delivery");
declare first timestamptz := (select min(coalesce("signedAt", "createdAt")) from "Signature" where "delivery" = target);
begin
  update "Delivery" set "signedAt" = first where "objectId" = target and "signedAt" is distinct from first;
  return null;
end $sql$;
create or replace trigger pharmacy_signed after insert or delete or update on "Signature"
  for each row execute function careboard.pharmacy_signed();
"""

# A provider reads the profiles of the patients they prescribe for: the ACL of a patient follows the providers that come and go.
_PATIENTS: Final = """
create or replace function careboard.pharmacy_prescribed() returns trigger language plpgsql as $sql$
begin
  update "PatientProfile" set "_rperm" = '{careboard:again}' where "objectId" in (
    case when tg_op <> 'DELETE' then new."patient" end, case when tg_op <> 'INSERT' then old."patient" end);
  return null;
end $sql$;
create or replace trigger pharmacy_prescribed after insert or delete on "Prescription"
  for each row execute function careboard.pharmacy_prescribed();
create or replace trigger pharmacy_prescribed_anew after update on "Prescription"
  for each row when (new."patient" is distinct from old."patient" or new."provider" is distinct from old."provider"
    or new."_rperm" is distinct from old."_rperm")
  execute function careboard.pharmacy_prescribed();
"""

_PATIENT: Final = 'array[case when new."isActive" then new."user" end]'
_OF_PATIENT: Final = """(select array[case when p."isActive" then p."user" end] from "PatientProfile" p
    where p."objectId" = new."patient")"""
_OF_PROVIDER: Final = '(select array[v."user"] from "Provider" v where v."objectId" = new."provider")'
_PROVIDERS: Final = """(select array_agg(v."user") from "Prescription" r join "Provider" v on v."objectId" = r."provider"
    where r."patient" = new."objectId")"""
_OF_PRESCRIPTION: Final = '(select r."{column}" from "Prescription" r where r."objectId" = new."prescription")'

_WHO: Final = (
    acl(
        "PatientProfile",
        readers=f"{_STAFF} || {_PATIENT} || {_PROVIDERS}",
        writers=f"{_STAFF} || {_PATIENT}",
        facts=("user", "isActive"),
        children=(("Prescription", "patient"), ("Notification", "patient")),
    ),
    acl(
        "Provider",
        readers=f"""{_STAFF} || array['role:patient', 'role:provider', new."user"]""",
        writers=f'{_STAFF} || array[new."user"]',
        facts=("user",),
        children=(("Prescription", "provider"),),
    ),
    acl(
        "Prescription",
        readers=f"{_STAFF} || {_OF_PATIENT} || {_OF_PROVIDER}",
        writers=f"{_STAFF} || {_OF_PATIENT} || {_OF_PROVIDER}",
        facts=("patient", "provider"),
        parents=(("patient", "PatientProfile"), ("provider", "Provider")),
        children=(("Delivery", "prescription"),),
    ),
    acl(
        "Delivery",
        readers=f'{_STAFF} || {_OF_PRESCRIPTION.format(column="_rperm")} || array[new."courier"]',
        writers=f'{_STAFF} || {_OF_PRESCRIPTION.format(column="_wperm")} || array[new."courier"]',
        facts=("prescription", "courier"),
        parents=(("prescription", "Prescription"),),
        children=(("Signature", "delivery"),),
    ),
    acl(
        "Signature",
        readers=f'{_STAFF} || (select d."_rperm" from "Delivery" d where d."objectId" = new."delivery")',
        writers="array['role:admin']",
        facts=("delivery",),
        parents=(("delivery", "Delivery"),),
    ),
    acl(
        "Message",
        readers='array[new."sender", new."recipient"]',
        writers='array[new."sender", new."recipient"]',
        facts=("sender", "recipient"),
    ),
    acl(
        "Notification",
        readers=f"{_STAFF} || {_OF_PATIENT}",
        writers=f"{_STAFF} || {_OF_PATIENT}",
        facts=("patient",),
        parents=(("patient", "PatientProfile"),),
    ),
)

_INDEXES: Final = """
create index if not exists "Delivery_urgency_expected" on "Delivery" ("urgency", "expectedDeliveryDate");
create index if not exists "Delivery_done" on "Delivery" ("closedAt") where "urgency" = 'done';
create index if not exists "Notification_patient_time" on "Notification" ("patient", "createdAt" desc);
create index if not exists "Message_thread_time" on "Message" ("thread", "sentAt");
"""

_STALE: Final = """
-- After an upgrade that changed the numbers: the facts of rows nobody writes.
update "Delivery" set "urgency" = "urgency" where "urgency" is distinct from
  careboard.pharmacy_urgency("status", "expectedDeliveryDate", "closedAt", clock_timestamp());
"""

SQL: Final = "\n".join(("create schema if not exists careboard;", *_WHO, _FACTS, _PATIENTS, _INDEXES, _STALE))

_DUE: Final = f"""
with flipped as (
  update "Delivery" d
  set "urgency" = careboard.pharmacy_urgency(d."status", d."expectedDeliveryDate", d."closedAt", clock_timestamp())
  from (
    select "objectId" from "Delivery"
    where ("urgency" = 'due_soon' and "expectedDeliveryDate" <= $1)
       or ("urgency" = 'on_track' and "expectedDeliveryDate" < $1 + {_seconds(DUE_SOON)})
       or ("urgency" = 'done' and "closedAt" <= $1 - {_seconds(ON_BOARD)})
    limit 1000 for no key update skip locked
  ) due where d."objectId" = due."objectId"
  returning d."objectId" as id, d."trackingNumber" as number, d."urgency" as urgency
)
select case when urgency = 'late' then careboard.raise_alert(
  format('Delivery %s is late.', number), 'high', 'pharmacist', null, 'Delivery', id, 'delivery_late') end
from flipped
"""


async def tick(connection: Connection, now: datetime) -> int:
    """Flips the urgency of the deliveries that are due by now, and tells the pharmacists of those that turned late; how many it
    flipped."""
    return len(await connection.fetch(_DUE, now))
