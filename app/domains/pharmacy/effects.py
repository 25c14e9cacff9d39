"""What a write in the pharmacy brings with it: a signature completes its delivery, a new status tells the patient, in the same
transaction; and who may write about what is not theirs to see.

Owns: the hooks that call the checks of `rules.py`, and `install`. Holds: a delivery is locked before its state is judged, so of
two who hand it over the second is told; its prescription stays as it is until the parcel has left; an alert and a notification
are there exactly when the status is. May import actions and the files of this domain.
"""

from typing import Final

from app.actions.alerts import raise_alert
from app.actions.caller import Caller
from app.actions.hooks import Hooks, Next, SaveEvent, SaveHandler
from app.actions.news import post_news
from app.actions.objects import Objects
from app.config import Settings
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.domain import forbidden, invalid, listed
from app.domains.guard import BEFORE_REQUIRED, EFFECTS, Clock, as_master, audit_class, guard_class
from app.domains.limits import pointed
from app.domains.pharmacy.rules import (
    BOUND,
    DELIVERY_NEWS,
    DELIVERY_STATES,
    DISPENSED_FROM,
    GRANTS,
    MESSAGE_STATES,
    NEWS_ABOUT,
    NEWS_PAGE,
    PARENTS_FIRST,
    PHARMACY,
    PRESCRIPTION_NEWS,
    PRESCRIPTION_STATES,
    READDRESSED_IN,
    RETRACTED,
    SIGNED_IN,
    UNIQUE,
    check_attachments,
    check_not_ahead,
    check_receipt,
    check_recipient,
    record_hash,
)
from app.errors import ErrorCode
from app.store.refusals import register_sentence

FILLED = BEFORE_REQUIRED - 10
"""What a caller may leave out is filled in before the matrix and the required fields are asked for."""

_TOLD: Final = frozenset({"attempted", "refused"})

_OWN_PROFILES: Final = """select "objectId" from "PatientProfile" where "user" = $1 and "isActive" limit 2"""
_OWN_PROVIDERS: Final = """select "objectId" from "Provider" where "user" = $1 limit 2"""
_IS_OWN_PROFILE: Final = """
select true from "PatientProfile" where "objectId" = $1 and "user" = $2 and "isActive" for no key update
"""
_IS_OWN_PROVIDER: Final = 'select true from "Provider" where "objectId" = $1 and "user" = $2 for no key update'
_IS_OWN_PRESCRIPTION: Final = """
select true from "Prescription" r join "PatientProfile" p on p."objectId" = r."patient"
  left join "Provider" v on v."objectId" = r."provider"
where r."objectId" = $1 and (p."user" = $2 and p."isActive" or v."user" = $2) for no key update of r
"""
_LOCK_DELIVERY: Final = """
select d."objectId", d."status", d."signedAt", d."prescription", d."trackingNumber", d."deliveryAddress", d."recipientName",
  d."courier" = $2 or exists (select from "Prescription" r join "PatientProfile" p on p."objectId" = r."patient"
    where r."objectId" = d."prescription" and p."user" = $2 and p."isActive") as own
from "Delivery" d where d."objectId" = $1 for no key update of d
"""
_ACCOUNT_OF: Final = 'select "user" from "PatientProfile" where "objectId" = $1 and "isActive"'
_PATIENT_OF: Final = 'select "patient" from "Prescription" where "objectId" = $1'


def install(hooks: Hooks, objects: Objects) -> None:
    """Puts the domain's rules around the writes of its classes."""
    for index, sentence in UNIQUE.items():
        register_sentence(index, sentence, ErrorCode.DUPLICATE_VALUE)
    machines = (PRESCRIPTION_STATES, DELIVERY_STATES, MESSAGE_STATES)
    for class_name in PARENTS_FIRST:
        guard_class(hooks, class_name, GRANTS, machines, objects.clock)
    audit_class(hooks, "Message", with_values=False)  # what two people write to each other is not an administrator's to read
    hooks.on_save("Prescription", _fill_prescription, id="pharmacy.fill", priority=FILLED)
    hooks.on_save("Prescription", _save_prescription, id="pharmacy.prescription", priority=EFFECTS)
    hooks.on_save("Delivery", _fill_delivery, id="pharmacy.fill", priority=FILLED)
    hooks.on_save("Delivery", _saving_delivery(objects.clock), id="pharmacy.delivery", priority=EFFECTS)
    hooks.on_save("Signature", _saving_signature(objects.clock), id="pharmacy.signature", priority=EFFECTS)
    hooks.on_save("Notification", _mailing(objects.settings), id="pharmacy.mail", priority=EFFECTS)
    hooks.on_save("Message", _fill_message, id="pharmacy.fill", priority=FILLED)
    hooks.on_save("Message", _saving_message(objects.clock), id="pharmacy.message", priority=EFFECTS)


# --- prescriptions ---


async def _fill_prescription(event: SaveEvent, go_on: Next) -> None:
    """A patient who has one profile need not name it, and writes a draft; a provider need not name themselves."""
    if event.is_new and _is("patient", event.caller):
        if event.object.get("patient") is None:
            await _fill_own(event, "patient", "PatientProfile", _OWN_PROFILES)
        if event.object.get("status") is None:
            event.set("status", "draft")
    elif event.is_new and _is("provider", event.caller) and event.object.get("provider") is None:
        await _fill_own(event, "provider", "Provider", _OWN_PROVIDERS)
    await go_on()


async def _fill_own(event: SaveEvent, field: str, class_name: str, query: str) -> None:
    own = await event.tx.fetch(query, event.caller.user_id)
    if len(own) == 1:
        event.set(field, pointer(class_name, own[0]["objectId"]))


async def _save_prescription(event: SaveEvent, go_on: Next) -> None:
    told = event.changed("status")
    if event.is_new and not _is_staff(event.caller):
        field, query = ("patient", _IS_OWN_PROFILE) if _is("patient", event.caller) else ("provider", _IS_OWN_PROVIDER)
        if not await event.tx.fetchval(query, pointed(event.object.get(field)), event.caller.user_id):
            raise forbidden(f"{field}: give your own profile; for somebody else ask a pharmacist.")
    await go_on()
    words = PRESCRIPTION_NEWS.get(str(event.object.get("status")))
    if told and words:
        await _tell_patient(event, event.object.get("patient"), words, "prescription")


async def _tell_patient(event: SaveEvent, patient: Json, words: str, kind: str) -> None:
    about: Object = {"className": event.class_name, "objectId": event.object_id}
    note: Object = {"patient": patient, "message": words, "isRead": False, "kind": kind, "about": about}
    await event.objects.create(as_master(event.caller), "Notification", note, tx=event.tx)


def _mailing(settings: Settings) -> SaveHandler:
    async def mail(event: SaveEvent, go_on: Next) -> None:
        """Whoever writes a notification, its patient hears of it by mail as well, without the words of it."""
        await go_on()
        account = await event.tx.fetchval(_ACCOUNT_OF, pointed(event.object.get("patient"))) if event.is_new else None
        if account is not None:
            thing = NEWS_ABOUT.get(str(event.object.get("kind")), NEWS_ABOUT["delivery"])
            await post_news(event.tx, settings, account, thing, NEWS_PAGE)

    return mail


# --- deliveries ---


async def _fill_delivery(event: SaveEvent, go_on: Next) -> None:
    if event.is_new:
        if event.object.get("status") is None and not _is_staff(event.caller):
            event.set("status", "requested")
        await go_on()
        return
    await go_on()


def _saving_delivery(clock: Clock) -> SaveHandler:
    async def save_delivery(event: SaveEvent, go_on: Next) -> None:
        before, status = (event.original or {}).get("status"), str(event.object.get("status"))
        await _check_own_delivery(event, before)
        await _check_courier(event)
        check_not_ahead("deliveredAt", event.object.get("deliveredAt"), clock())
        if event.is_new and event.object.get("trackingNumber") is None:
            event.set("trackingNumber", await event.tx.fetchval("select careboard.pharmacy_tracking_number()"))
        moved = before != status
        if moved:
            await _check_dispensed(event, status)
            _step(event, status, clock)
        await go_on()
        if moved:
            await _tell_step(event, status)

    return save_delivery


async def _check_own_delivery(event: SaveEvent, before: Json) -> None:
    """What the ACL of a row cannot say: whose prescription a new delivery is for, and until when it may be changed."""
    if _is_staff(event.caller):
        return
    if event.is_new:
        target = pointed(event.object.get("prescription"))
        if not await event.tx.fetchval(_IS_OWN_PRESCRIPTION, target, event.caller.user_id):
            raise forbidden("prescription: there is none of yours with that objectId; ask a pharmacist to send it.")
    redirected = any(event.changed(name) for name in ("deliveryAddress", "recipientName", "location"))
    status = event.object.get("status")
    if event.changed("deliveredAt") and not (status == "delivered" and before != "delivered"):
        raise forbidden("deliveredAt: give it with the status delivered; afterwards only a pharmacist corrects it.")
    if event.changed("failureReason") and status not in _TOLD:
        raise forbidden(f"failureReason: give it with the status {listed(sorted(_TOLD), 'or')}.")
    if not event.is_new and redirected and before not in READDRESSED_IN:
        words = f"a delivery that is {before} is not redirected any more; ask a pharmacist."
        raise forbidden(f"deliveryAddress: {words} You may change it while it is {listed(READDRESSED_IN, 'or')}.")


async def _check_courier(event: SaveEvent) -> None:
    courier = pointed(event.object.get("courier"))
    if courier is None or not event.changed("courier"):
        return
    found = """select true from "_User" where "objectId" = $1 and "role" = 'courier' and "active" is not false"""
    if not await event.tx.fetchval(found, courier):
        raise invalid("courier: give an active account of the role courier.")


async def _check_dispensed(event: SaveEvent, status: str) -> None:
    """The prescription allows this step, and goes on to until it is done."""
    allowed = DISPENSED_FROM.get(status)
    if allowed is None:
        return
    locked = 'select "status" from "Prescription" where "objectId" = $1 for share'
    known = await event.tx.fetchval(locked, pointed(event.object.get("prescription")))
    if known is not None and known not in allowed:
        words = f"its prescription is {known}; it must be {listed(allowed, 'or')} by then"
        raise invalid(f"status: the delivery cannot become {status} because {words}.")


def _step(event: SaveEvent, status: str, clock: Clock) -> None:
    """What a new status sets."""
    if status == "delivered" and "deliveredAt" not in event.body:
        event.set("deliveredAt", date_to_wire(clock()))
    if status == "attempted":
        tried = event.object.get("attempts")
        event.set("attempts", (tried if isinstance(tried, int | float) else 0) + 1)
    if status == "scheduled" and not event.is_new and "failureReason" not in event.body:
        event.set("failureReason", None)  # the next attempt has a reason of its own


async def _tell_step(event: SaveEvent, status: str) -> None:
    words, number = DELIVERY_NEWS.get(status), event.object.get("trackingNumber")
    if words:
        patient = await event.tx.fetchval(_PATIENT_OF, pointed(event.object.get("prescription")))
        await _tell_patient(event, pointer("PatientProfile", str(patient)), words.format(number=number), "delivery")
    if status in _TOLD:
        about = (event.class_name, event.object_id)
        words = f"Delivery {number} was {status}: schedule it again or have it returned."
        await raise_alert(event, words, urgency="high", kind="delivery_failed", about=about, role="pharmacist")


# --- signatures ---


def _saving_signature(clock: Clock) -> SaveHandler:
    async def save_signature(event: SaveEvent, go_on: Next) -> None:
        """A signature at the door hands the delivery over; one that comes later is the patient's acknowledgement."""
        if not event.is_new:
            await go_on()
            return
        delivery = await _lock_delivery(event)
        if event.object.get("signedAt") is None:
            event.set("signedAt", date_to_wire(clock()))
        check_not_ahead("signedAt", event.object.get("signedAt"), clock())
        event.set("recordHash", record_hash(delivery, event.object))
        await go_on()
        if delivery["status"] == "arrived":
            handed: Object = {"status": "delivered", "deliveredAt": event.object["signedAt"]}
            await event.objects.update(as_master(event.caller), "Delivery", str(delivery["objectId"]), handed, tx=event.tx)

    return save_signature


async def _lock_delivery(event: SaveEvent) -> Object:
    """The delivery that is signed for, locked. Raises 119 for one that is not the caller's, 142 for one that cannot be signed."""
    row = await event.tx.fetchrow(_LOCK_DELIVERY, pointed(event.object.get("delivery")), event.caller.user_id)
    if not _is_staff(event.caller) and (row is None or not row["own"]):
        raise forbidden("delivery: there is none of yours with that objectId; ask a pharmacist to assign it.")
    if row is None:
        raise invalid("delivery: there is no Delivery with that objectId.")
    if not event.caller.is_master:
        if row["status"] not in SIGNED_IN:
            raise invalid(f"delivery: it is {row['status']}; it is signed for once it has {listed(SIGNED_IN, 'or been')}.")
        if row["signedAt"] is not None:
            raise invalid("delivery: it is signed for already, so somebody else may have been first.")
    return {name: row[name] for name in ("status", *BOUND)}


# --- messages ---


async def _fill_message(event: SaveEvent, go_on: Next) -> None:
    if event.is_new and event.object.get("status") is None:
        event.set("status", "sent")
    await go_on()


def _saving_message(clock: Clock) -> SaveHandler:
    async def save_message(event: SaveEvent, go_on: Next) -> None:
        check_attachments(event.object)
        if event.is_new:
            await _send(event, clock)
        elif event.changed("status"):
            _receive(event, clock)
        await go_on()

    return save_message


async def _send(event: SaveEvent, clock: Clock) -> None:
    recipient = pointed(event.object.get("recipient"))
    if not event.caller.is_master:
        known = """select "role" from "_User" where "objectId" = $1 and "active" is not false"""
        check_recipient(event.caller.authority.roles, await event.tx.fetchval(known, recipient))
    if event.object.get("sentAt") is None:
        event.set("sentAt", date_to_wire(clock()))
    check_not_ahead("sentAt", event.object.get("sentAt"), clock())
    if event.object.get("thread") is None:
        event.set("thread", "-".join(sorted((pointed(event.object.get("sender")) or "", recipient or ""))))


def _receive(event: SaveEvent, clock: Clock) -> None:
    """A receipt, or a retraction: then the words and the files are gone for both."""
    status = event.object.get("status")
    if not event.caller.is_master:
        check_receipt(status, event.caller.user_id, event.object)
    if status == "read":
        event.set("readAt", date_to_wire(clock()))
    if status == "retracted":
        event.set("body", RETRACTED)
        event.set("attachments", None)


def _is(role: str, caller: Caller) -> bool:
    """Whether a caller acts in this role and not as the pharmacy."""
    return not _is_staff(caller) and role in caller.authority.roles


def _is_staff(caller: Caller) -> bool:
    return caller.is_master or bool(caller.authority.roles & set(PHARMACY))
