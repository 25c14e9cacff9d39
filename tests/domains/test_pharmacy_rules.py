"""The rules of the pharmacy without a database: the urgencies, the machines, the matrix, and the template's fields."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.wire import Object, encode
from app.domains.domain import StateMachine, permissions_of
from app.domains.pharmacy.rules import (
    DELIVERY_NEWS,
    DELIVERY_STATES,
    GRANTS,
    LIMITS,
    MESSAGE_STATES,
    PARENTS_FIRST,
    PRESCRIPTION_NEWS,
    PRESCRIPTION_STATES,
    check_recipient,
    urgency,
)
from app.domains.pharmacy.tables import TABLES
from app.errors import ParseError
from app.store.tables import AuditLog
from tests.domains.floor import check_template

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MACHINES = (PRESCRIPTION_STATES, DELIVERY_STATES, MESSAGE_STATES)


@pytest.mark.parametrize(
    ("status", "expected", "closed", "told"),
    [
        ("requested", timedelta(0), None, "late"),
        ("arrived", timedelta(seconds=-1), None, "late"),
        ("packed", timedelta(seconds=1), None, "due_soon"),
        ("packed", timedelta(hours=2) - timedelta(milliseconds=1), None, "due_soon"),
        ("packed", timedelta(hours=2), None, "on_track"),
        ("scheduled", None, None, "unknown"),
        ("attempted", timedelta(hours=-5), None, "failed"),
        ("refused", None, None, "failed"),
        ("returned", timedelta(hours=5), None, "failed"),
        ("delivered", timedelta(hours=-5), timedelta(0), "done"),
        ("wasted", None, timedelta(hours=-24) + timedelta(seconds=1), "done"),
        ("cancelled", None, timedelta(hours=-24), "closed"),
        ("restocked", None, None, "done"),
    ],
)
def test_urgency_turns_at_its_borders(status: str, expected: timedelta | None, closed: timedelta | None, told: str) -> None:
    dates = [None if span is None else NOW + span for span in (expected, closed)]
    assert urgency(status, dates[0], dates[1], NOW) == told


DELIVERY_STEPS = {
    "requested": {"scheduled", "cancelled"},
    "scheduled": {"packed", "cancelled"},
    "packed": {"out_for_delivery", "cancelled"},
    "out_for_delivery": {"arrived"},
    "arrived": {"delivered", "attempted", "refused"},
    "attempted": {"scheduled", "returned"},
    "refused": {"returned"},
    "returned": {"restocked", "wasted"},
}
PRESCRIPTION_STEPS = {
    "draft": {"active", "cancelled"},
    "active": {"on_hold", "completed", "stopped", "cancelled"},
    "on_hold": {"active", "completed", "stopped"},
}
MESSAGE_STEPS = {"sent": {"delivered", "read", "retracted"}, "delivered": {"read", "retracted"}, "read": {"retracted"}}
STEPS = {"Delivery": DELIVERY_STEPS, "Prescription": PRESCRIPTION_STEPS, "Message": MESSAGE_STEPS}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.class_name)
def test_the_machines_allow_exactly_their_tables(machine: StateMachine) -> None:
    steps = STEPS[machine.class_name]
    filled: Object = {"courier": {"objectId": "x"}, "failureReason": "nobody home", "signedAt": {"iso": "x"}}
    for source in machine.states:
        for target in machine.states:
            after: Object = {**filled, "status": target}
            if target in steps.get(source, set()):
                machine.check(source, after, None, NOW)
                continue
            with pytest.raises(ParseError) as refusal:
                machine.check(source, after, None, NOW)
            assert refusal.value.code == 142
            for allowed in machine.next_states(source):
                assert allowed in refusal.value.message
    assert encode(machine.to_wire())


WHO_STEPS: dict[str, set[tuple[str, str]]] = {
    "patient": {("requested", "cancelled"), ("scheduled", "cancelled")},
    "provider": {("requested", "cancelled"), ("arrived", "delivered")},
    "courier": {
        ("packed", "out_for_delivery"),
        ("out_for_delivery", "arrived"),
        ("arrived", "delivered"),
        ("arrived", "attempted"),
        ("arrived", "refused"),
        ("attempted", "returned"),
        ("refused", "returned"),
    },
    "driver": set(),
}


@pytest.mark.parametrize("role", WHO_STEPS)
def test_each_role_takes_its_own_steps(role: str) -> None:
    rows = {(row.source, row.target) for row in DELIVERY_STATES.transitions if row.source and role in row.roles}
    assert rows == WHO_STEPS[role]


def test_pharmacists_take_every_step() -> None:
    for machine in (PRESCRIPTION_STATES, DELIVERY_STATES):
        assert all({"pharmacist", "admin"} <= row.roles for row in machine.transitions)


def test_no_news_names_a_medicine_or_a_field_but_the_number() -> None:
    for words in (*DELIVERY_NEWS.values(), *PRESCRIPTION_NEWS.values()):
        assert words.format(number="CB-1")
    assert set(DELIVERY_NEWS) <= set(DELIVERY_STATES.states)
    assert set(PRESCRIPTION_NEWS) <= set(PRESCRIPTION_STATES.states)


def test_a_message_to_an_account_that_is_gone_is_refused() -> None:
    with pytest.raises(ParseError, match="recipient: you may write to an active account of the role pharmacist or admin"):
        check_recipient(frozenset({"courier"}), None)


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
def test_class_permissions_close_every_class_to_strangers(class_name: str) -> None:
    permissions = permissions_of(GRANTS, class_name)
    assert permissions["addField"] == {}
    deleters = {"Signature": {"role:admin"}, "Message": set()}.get(class_name, {"role:pharmacist", "role:admin"})
    assert permissions["delete"] == dict.fromkeys(deleters, True)
    for operation in ("find", "get", "count", "create", "update"):
        assert permissions[operation] == {"requiresAuthentication": True}


def test_every_limit_stands_in_its_table() -> None:
    held = {constraint._meta.name for table in TABLES for constraint in table._meta.constraints}
    assert held == {limit.name for limit in LIMITS}


SEED: dict[str, dict[str, str]] = {
    "PatientProfile": {
        "user": "Pointer!_User",
        "medicalRecordNumber": "String!",
        "displayName": "String!",
        "dateOfBirth": "Date",
        "primaryClinic": "String",
        "isActive": "Boolean!",
    },
    "Provider": {"user": "Pointer!_User", "pharmacyDetails": "String"},
    "Prescription": {
        "patient": "Pointer!PatientProfile",
        "medicationName": "String!",
        "dosage": "String!",
        "status": "String!",
        "provider": "PointerProvider",
    },
    "Delivery": {
        "prescription": "Pointer!Prescription",
        "deliveryAddress": "String!",
        "expectedDeliveryDate": "Date",
        "deliveredAt": "Date",
        "status": "String!",
        "trackingNumber": "String",
        "courier": "Pointer_User",
        "location": "GeoPoint",
        "attempts": "Number",
        "failureReason": "String",
        "proofPolicy": "String",
    },
    "Signature": {
        "delivery": "Pointer!Delivery",
        "signatureImage": "File!",
        "signerName": "String",
        "relationship": "String",
        "signedAt": "Date",
        "recordHash": "String",
    },
    "Message": {
        "sender": "Pointer!_User",
        "recipient": "Pointer!_User",
        "body": "String!",
        "attachments": "Array",
        "status": "String",
        "sentAt": "Date",
        "readAt": "Date",
        "thread": "String",
    },
    "Notification": {
        "patient": "Pointer!PatientProfile",
        "message": "String!",
        "isRead": "Boolean!",
        "kind": "String",
        "about": "Object",
    },
    "AuditLog": {
        "actor": "Pointer_User",
        "entityType": "String!",
        "entityId": "String!",
        "action": "String!",
        "summary": "String!",
        "metadata": "Object",
    },
}


@pytest.mark.parametrize("class_name", list(SEED))
def test_every_field_of_the_template_is_there_as_typed(class_name: str) -> None:
    check_template((*TABLES, AuditLog), class_name, SEED[class_name])
