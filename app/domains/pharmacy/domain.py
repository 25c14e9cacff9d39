"""The home delivery pharmacy, as the server registers it. May import the files of this domain."""

from typing import Final

from app.domains.domain import Domain, permissions_of
from app.domains.pharmacy.board import BOARD
from app.domains.pharmacy.demo import create_demo
from app.domains.pharmacy.effects import install
from app.domains.pharmacy.rules import (
    DELIVERY_STATES,
    GRANTS,
    LIMITS,
    MESSAGE_STATES,
    PARENTS_FIRST,
    PRESCRIPTION_STATES,
)
from app.domains.pharmacy.tables import TABLES
from app.domains.pharmacy.triggers import SQL, tick

PHARMACY: Final = Domain(
    name="pharmacy",
    tables=TABLES,
    permissions={class_name: permissions_of(GRANTS, class_name) for class_name in PARENTS_FIRST},
    sql=SQL,
    install=install,
    grants=GRANTS,
    machines=(DELIVERY_STATES, PRESCRIPTION_STATES, MESSAGE_STATES),
    board=BOARD,
    tick=tick,
    demo=create_demo,
    read_logged=frozenset({"Prescription", "Delivery", "Signature", "Message"}),
    subjects={
        "Prescription": "patient.user",
        "Delivery": "prescription.patient.user",
        "Signature": "delivery.prescription.patient.user",
    },
    filled={"Prescription": frozenset({"patient", "status"}), "Delivery": frozenset({"status"})},
    sentences={limit.name: limit.sentence for limit in LIMITS},
)
