"""The rules of the home delivery pharmacy, as tables of data and pure functions.

Owns: who may do what, the states of a prescription, a delivery and a message, how urgent a delivery is, who may write to whom,
what a patient is told, and the values a field may hold. Holds: each number is written here once; the triggers of the database
are generated from it (`triggers.py`), and a test holds that SQL and Python give the same answer. Nothing awaits, reads a clock
or touches the database. May import domains.domain, domains.limits and core.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from app.core.wire import Json, Object, identity
from app.domains.domain import Grant, Grants, Guard, Operation, StateMachine, Transition, forbidden, invalid, listed
from app.domains.limits import Limit, instant, one_of

PARENTS_FIRST: Final = ("PatientProfile", "Provider", "Prescription", "Delivery", "Signature", "Message", "Notification")

DUE_SOON: Final = timedelta(hours=2)
ON_BOARD: Final = timedelta(hours=24)
"""How long what is over stays on the board."""

CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far a device's clock may run ahead."""

OPEN: Final = ("requested", "scheduled", "packed", "out_for_delivery", "arrived")
FAILED: Final = ("attempted", "refused", "returned")
DONE: Final = ("delivered", "restocked", "wasted", "cancelled")

URGENCIES: Final = ("late", "failed", "due_soon", "unknown", "on_track", "done", "closed")
"""Most urgent first. Nobody knows when an `unknown` one is expected, so it stands before those that are on their way; `closed` is
what was done more than a day ago, and is on no board."""

PROOFS: Final = ("signature", "acknowledgement", "none")
"""What hands a delivery over: a signature first, a signature the patient gives afterwards, or nothing."""


def urgency(status: str, expected: datetime | None, closed_at: datetime | None, now: datetime) -> str:
    """How soon somebody must act: one of URGENCIES."""
    if status in DONE:
        return "closed" if closed_at is not None and closed_at <= now - ON_BOARD else "done"
    if status in FAILED:
        return "failed"
    if expected is None:
        return "unknown"
    if expected <= now:
        return "late"
    return "due_soon" if expected - now < DUE_SOON else "on_track"


# --- who may do what ---

PHARMACY: Final = ("pharmacist", "admin")
_ALL: Final[tuple[Operation, ...]] = ("read", "create", "update", "delete")
_TALKERS: Final = ("patient", "provider", "pharmacist", "courier", "admin")
_ORDER: Final = frozenset({"prescription", "deliveryAddress", "status", "expectedDeliveryDate", "location", "recipientName"})
_PAPER: Final = frozenset({"patient", "provider", "medicationName", "dosage", "status", "refrigerated"})

GRANTS: Final = Grants(
    rows=(
        *(
            Grant(role, name, operation)
            for role in PHARMACY
            for name in ("PatientProfile", "Provider", "Prescription", "Delivery", "Notification")
            for operation in _ALL
        ),
        *(Grant(role, "Signature", operation) for role in PHARMACY for operation in ("read", "create")),
        Grant("admin", "Signature", "delete"),
        *(Grant("patient", name, "read") for name in PARENTS_FIRST),
        *(Grant("provider", name, "read") for name in PARENTS_FIRST if name != "Notification"),
        Grant("courier", "Delivery", "read"),
        Grant("courier", "Signature", "read"),
        *(Grant(role, "Message", "read") for role in _TALKERS if role not in ("patient", "provider")),
        *(Grant(role, "Message", "create", signed="sender") for role in _TALKERS),
        *(Grant(role, "Message", "update", fields=frozenset({"status"})) for role in _TALKERS),
        Grant("patient", "PatientProfile", "create", signed="user"),
        Grant("patient", "PatientProfile", "update", fields=frozenset({"displayName", "dateOfBirth", "primaryClinic"})),
        Grant("patient", "Prescription", "create", fields=_PAPER - {"provider"}),
        Grant("patient", "Prescription", "update", fields=frozenset({"status"})),
        Grant("patient", "Delivery", "create", fields=_ORDER),
        Grant("patient", "Delivery", "update", fields=frozenset({"deliveryAddress", "recipientName", "location", "status"})),
        Grant("patient", "Signature", "create"),
        Grant("patient", "Notification", "update", fields=frozenset({"isRead"})),
        Grant("provider", "Provider", "create", signed="user"),
        Grant("provider", "Provider", "update", fields=frozenset({"pharmacyDetails"})),
        Grant("provider", "Prescription", "create", fields=_PAPER),
        Grant("provider", "Prescription", "update", fields=_PAPER - {"patient", "provider"}),
        Grant("provider", "Delivery", "create", fields=_ORDER),
        Grant("provider", "Delivery", "update", fields=frozenset({"status"})),
        Grant("courier", "Delivery", "update", fields=frozenset({"status", "failureReason", "deliveredAt"})),
        Grant("courier", "Signature", "create"),
    ),
    derived={
        "Delivery": frozenset({"urgency", "refrigerated", "signedAt", "closedAt", "attempts"}),
        "Signature": frozenset({"recordHash"}),
        "Message": frozenset({"readAt"}),
    },
    advice={
        ("Prescription", "create"): "Ask a pharmacist or a provider.",
        ("Prescription", "update"): "Ask a pharmacist for anything else.",
        ("Delivery", "create"): "Ask a pharmacist to send it.",
        ("Delivery", "update"): "Ask a pharmacist for anything else.",
        ("Signature", "update"): "A signature is never changed; store another one.",
        ("Message", "update"): "A message is not changed; retract it and send another.",
    },
)

MAY_WRITE_TO: Final[Mapping[str, tuple[str, ...]]] = {
    "patient": ("pharmacist", "provider", "admin"),
    "courier": ("pharmacist", "admin"),
    "provider": ("patient", "pharmacist", "provider", "admin"),
    "pharmacist": _TALKERS,
    "admin": _TALKERS,
}
"""Sender's role -> roles of the recipient. Patients do not find each other, nor the courier at the door."""


def check_recipient(roles: frozenset[str], recipient_role: str | None) -> None:
    """Refuses (142) a message to one the sender has no business with. `roles` are the sender's."""
    allowed = [role for name, targets in MAY_WRITE_TO.items() if name in roles for role in targets]
    if recipient_role not in allowed:
        others = listed(dict.fromkeys(allowed), "or") or "nobody"
        raise invalid(f"recipient: you may write to an active account of the role {others}.")


# --- states ---

_DESK: Final = frozenset(PHARMACY)
_ROUTE: Final = frozenset({*PHARMACY, "courier"})
_PRESCRIBER: Final = frozenset({*PHARMACY, "provider"})
_ANYBODY: Final = frozenset({*PHARMACY, "provider", "patient"})

PRESCRIPTION_STATES: Final = StateMachine(
    class_name="Prescription",
    field="status",
    transitions=(
        Transition(None, "draft", _ANYBODY),
        Transition(None, "active", _PRESCRIBER),
        Transition("draft", "active", _PRESCRIBER),
        Transition("active", "on_hold", _PRESCRIBER),
        Transition("on_hold", "active", _PRESCRIBER),
        Transition("active", "completed", _PRESCRIBER),
        Transition("active", "stopped", _PRESCRIBER),
        Transition("on_hold", "completed", _PRESCRIBER),
        Transition("on_hold", "stopped", _PRESCRIBER),
        Transition("draft", "cancelled", _ANYBODY),
        Transition("active", "cancelled", _PRESCRIBER),
    ),
)
"""What a patient writes down is a draft, which a pharmacist or the provider makes active."""


def _is_proved(delivery: Object, _: datetime) -> bool:
    return delivery.get("proofPolicy", "signature") != "signature" or delivery.get("signedAt") is not None


_PROVED: Final = Guard(
    name="proof",
    sentence="its proofPolicy asks for a signature first; store a Signature, which completes it by itself.",
    holds=_is_proved,
)

DELIVERY_STATES: Final = StateMachine(
    class_name="Delivery",
    field="status",
    transitions=(
        Transition(None, "requested", _ANYBODY),
        Transition(None, "scheduled", _DESK),
        Transition(None, "packed", _DESK),
        Transition("requested", "scheduled", _DESK),
        Transition("scheduled", "packed", _DESK),
        Transition("packed", "out_for_delivery", _ROUTE, needs=("courier",)),
        Transition("out_for_delivery", "arrived", _ROUTE),
        Transition("arrived", "delivered", _ROUTE | {"provider"}, (_PROVED,)),
        Transition("arrived", "attempted", _ROUTE, needs=("failureReason",)),
        Transition("arrived", "refused", _ROUTE, needs=("failureReason",)),
        Transition("attempted", "scheduled", _DESK),
        Transition("attempted", "returned", _ROUTE),
        Transition("refused", "returned", _ROUTE),
        Transition("returned", "restocked", _DESK),
        Transition("returned", "wasted", _DESK),
        Transition("requested", "cancelled", _ANYBODY),
        Transition("scheduled", "cancelled", frozenset({*PHARMACY, "patient"})),
        Transition("packed", "cancelled", _DESK),
    ),
)
"""From the request to the patient's hand, or back to the shelf; what failed at the door is scheduled anew or comes back."""

DISPENSED_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    "packed": ("active",),
    "out_for_delivery": ("active", "completed"),
}
"""State of a delivery -> states its prescription may be in by then: no draft is packed, what is stopped goes nowhere."""

READDRESSED_IN: Final = ("requested", "scheduled")
"""States in which a patient may still change where a delivery goes."""

SIGNED_IN: Final = ("arrived", "delivered")
"""States in which a signature is given."""

BOUND: Final = ("objectId", "prescription", "trackingNumber", "deliveryAddress", "recipientName")
"""What of a delivery a signature binds; `prescription` is the objectId."""


def record_hash(delivery: Object, signature: Object) -> str:
    """What was signed for, by whom, when and with which image, in one number: sha256 of the canonical JSON of the values."""
    image = signature.get("signatureImage")
    name = image.get("name") if isinstance(image, dict) else None
    signed = [signature.get(each) for each in ("signerName", "relationship", "signedAt")]
    values: list[Json] = [*(delivery.get(each) for each in BOUND), *signed, name]
    return hashlib.sha256(identity(values)).hexdigest()


MESSAGE_STATES: Final = StateMachine(
    class_name="Message",
    field="status",
    transitions=tuple(
        Transition(source, target, frozenset(_TALKERS))
        for source, target in (
            (None, "sent"),
            ("sent", "delivered"),
            ("sent", "read"),
            ("delivered", "read"),
            ("sent", "retracted"),
            ("delivered", "retracted"),
            ("read", "retracted"),
        )
    ),
)
RETRACTED: Final = "(retracted)"
"""What stands in the place of a message that was taken back."""


def check_receipt(status: Json, caller: str | None, message: Object) -> None:
    """Refuses (119) a receipt by anybody but the recipient, and a retraction by anybody but the sender."""
    side = "sender" if status == "retracted" else "recipient"
    person = message.get(side)
    if not isinstance(person, dict) or person.get("objectId") != caller:
        raise forbidden(f"status: only the {side} of a message may make it {status}.")


# --- what a patient is told; no medicine is named, and a mail says only that there is news ---

DELIVERY_NEWS: Final[Mapping[str, str]] = {
    "scheduled": "Your delivery {number} is scheduled.",
    "packed": "Your delivery {number} is packed.",
    "out_for_delivery": "Your delivery {number} is on its way.",
    "arrived": "The courier with your delivery {number} has arrived.",
    "delivered": "Your delivery {number} was handed over.",
    "attempted": "We could not hand over your delivery {number}; the pharmacy will contact you.",
    "refused": "Your delivery {number} was refused at the door and goes back to the pharmacy.",
    "returned": "Your delivery {number} is back at the pharmacy.",
    "cancelled": "Your delivery {number} was cancelled.",
}
PRESCRIPTION_NEWS: Final[Mapping[str, str]] = {
    "active": "Your prescription is active.",
    "on_hold": "Your prescription is on hold; the pharmacy will contact you.",
    "completed": "Your prescription is completed.",
    "stopped": "Your prescription was stopped.",
    "cancelled": "Your prescription was cancelled.",
}

NEWS_ABOUT: Final[Mapping[str, str]] = {"delivery": "your delivery", "prescription": "your order"}
"""What a mail says there is news about, by the `kind` of the notification: a mail is not private."""

NEWS_PAGE: Final = "/boards/pharmacy/my-medicines"

# --- what a field may hold ---

LIMITS: Final = (
    one_of("Prescription", "status", PRESCRIPTION_STATES.states),
    one_of("Delivery", "status", DELIVERY_STATES.states),
    one_of("Delivery", "proofPolicy", PROOFS),
    one_of("Delivery", "urgency", URGENCIES),
    one_of("Message", "status", MESSAGE_STATES.states),
    Limit("Delivery", "delivery_attempts_range", '"attempts" >= 0', "attempts: give how often it was tried, 0 or more."),
)

UNIQUE: Final[Mapping[str, str]] = {
    "PatientProfile_medicalRecordNumber_key": "medicalRecordNumber: another patient has this number; look that profile up.",
    "Delivery_trackingNumber_key": "trackingNumber: another delivery has this number; leave it out and the server makes one.",
}
"""Unique indexes, and what is told (137) when one is broken."""


def check_not_ahead(name: str, value: Json, now: datetime) -> None:
    """Refuses a moment that has not come yet (142)."""
    moment = instant(value)
    if moment is not None and moment > now + CLOCK_SKEW:
        raise invalid(f"{name}: {moment:%Y-%m-%d %H:%M} UTC has not come yet; check the clock of the device.")


def check_attachments(message: Object) -> None:
    """Refuses attachments that are anything but files (142)."""
    given = message.get("attachments")
    for each in given if isinstance(given, list) else []:
        if not isinstance(each, dict) or each.get("__type") != "File":
            raise invalid("attachments: give a list of files, each as POST /files answered it.")
