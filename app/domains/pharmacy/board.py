"""The delivery board: what the pharmacy watches, and the lists beside it, as data for the one board engine.

Owns: `BOARD`. Holds: data only; the order of `LEVELS` is the order of the list, and the words of an urgency are those of the
pharmacy's rules. May import live.boards, rules and the other files of this domain that hold data.
"""

from app.core.wire import Json
from app.domains.pharmacy.beside import (
    COLD,
    FAILURE,
    LABELS,
    MESSAGES,
    PAPERS,
    PATIENTS,
    PEOPLE,
    PRESCRIPTIONS,
    SIGN,
    STEP,
    STEPS,
    TALK,
    TONES,
)
from app.domains.pharmacy.phone import MY_MEDICINES, ROUTE
from app.domains.pharmacy.rules import DONE, FAILED, OPEN, PHARMACY, URGENCIES
from app.live.boards.board import (
    Action,
    Board,
    Choice,
    Column,
    Fact,
    Flag,
    Input,
    Join,
    Level,
    Panel,
    Related,
    Section,
    Source,
    Tile,
)
from app.live.boards.trails import history

LEVELS = (
    Level(value="late", label="Late", icon="alert"),
    Level(value="failed", label="Failed", icon="alert"),
    Level(value="due_soon", label="Due soon", icon="down"),
    Level(value="unknown", label="No date", icon="unknown"),
    Level(value="on_track", label="On track", icon="dot", tone="calm"),
    Level(value="done", label="Done", icon="check", tone="calm"),
)

_ON_BOARD: list[Json] = [name for name in URGENCIES if name != "closed"]
_GOING: list[Json] = [*OPEN, *FAILED]
_HANDS = (*PHARMACY, "courier")

_DELIVERIES = Source(
    name="deliveries",
    class_name="Delivery",
    where={"urgency": {"$in": _ON_BOARD}},
    keys=(
        "trackingNumber",
        "recipientName",
        "deliveryAddress",
        "location",
        "status",
        "expectedDeliveryDate",
        "deliveredAt",
        "courier",
        "attempts",
        "failureReason",
        "proofPolicy",
        "refrigerated",
        "signedAt",
        "prescription",
        "urgency",
        "createdAt",
        "updatedAt",
    ),
)
_COLUMNS = (
    Column(key="urgency", label="Urgency", kind="level", field="urgency"),
    Column(
        key="number",
        label="Delivery",
        kind="name",
        field="recipientName",
        detail="{trackingNumber}",
        width=(136, 0.9),
        personal=True,
    ),
    Column(key="to", label="To", kind="place", field="deliveryAddress", point="location", yields=2, personal=True),
    Column(
        key="medicine",
        label="Medicine",
        kind="text",
        field="paper.medicationName",
        detail="{paper.dosage}",
        detail_missing="not shown",
        yields=4,
    ),
    Column(
        key="status",
        label="Status",
        kind="status",
        field="status",
        steps=STEPS,
        tones=TONES,
        detail="{failureReason}",
    ),
    Column(
        key="due",
        label="Expected",
        kind="due",
        field="expectedDeliveryDate",
        status="status",
        settled=(*DONE, *FAILED),
        detail_missing="no date set",
    ),
    Column(key="courier", label="Courier", kind="person", field="courier.displayName|courier.username", yields=1),
    Column(
        key="care",
        label="Care",
        kind="flags",
        field="",
        flags=(
            COLD,
            Flag(field="attempts", words="tried once", icon="note", equals=1),
            Flag(field="attempts", words="tried twice", equals=2),
            Flag(field="attempts", words="tried 3 times", tone="bad", equals=3),
        ),
        yields=3,
    ),
    Column(key="changed", label="Changed", kind="age", field="updatedAt", flash=False, yields=5),
)

_TILES = (
    Tile(key="late", label="Late", one="late deliveries", field="urgency", equals="late", level="late", horizon_minutes=0),
    Tile(
        key="failed",
        label="Failed",
        one="failed deliveries",
        field="urgency",
        equals="failed",
        level="failed",
        none="Nothing failed at the door.",
    ),
    Tile(
        key="due-soon",
        label="Due within 2 h",
        one="deliveries due soon",
        field="urgency",
        equals="due_soon",
        level="due_soon",
        horizon_minutes=120,
    ),
    Tile(
        key="unknown",
        label="No date",
        one="deliveries without a date",
        field="urgency",
        equals="unknown",
        level="unknown",
        none="Every delivery has an expected date.",
    ),
    Tile(
        key="requested",
        label="To schedule",
        one="deliveries to schedule",
        field="status",
        equals="requested",
        none="Every request is scheduled.",
    ),
    Tile(
        key="moving",
        label="On the road",
        one="deliveries on the road",
        field="status",
        among=("out_for_delivery", "arrived"),
        none="No courier is on the road.",
    ),
    Tile(key="done", label="Done, 24 h", one="deliveries done", field="urgency", equals="done", none="Nothing was done today."),
)

_ACTIONS = (
    Action(
        key="step",
        label="Next step",
        icon="check",
        submit="Save",
        done="{trackingNumber} is {status}.",
        class_name="Delivery",
        updates=True,
        roles=_HANDS,
        shortcut="s",
        inputs=(STEP, FAILURE),
    ),
    Action(
        key="assign",
        label="Assign courier",
        icon="person",
        submit="Assign",
        done="{trackingNumber} goes with {courier.displayName|courier.username}.",
        class_name="Delivery",
        updates=True,
        roles=PHARMACY,
        shortcut="a",
        offered={"status": _GOING},
        shows={"courier": "courier"},
        inputs=(
            Input(
                name="courier",
                label="Courier",
                kind="person",
                required=True,
                default="courier",
                source="people",
                where={"role": "courier", "active": True},
                empty="No courier is active. Ask an administrator to enable one.",
            ),
        ),
    ),
    Action(
        key="plan",
        label="Set the date",
        icon="wait",
        submit="Save",
        done="{trackingNumber} has a new date.",
        class_name="Delivery",
        updates=True,
        roles=PHARMACY,
        shortcut="d",
        offered={"status": _GOING},
        shows={"expectedDeliveryDate": "expectedDeliveryDate", "proofPolicy": "proofPolicy"},
        inputs=(
            Input(name="expectedDeliveryDate", label="Expected", kind="time", required=True, default="expectedDeliveryDate"),
            Input(
                name="proofPolicy",
                label="Proof",
                kind="choice",
                required=True,
                default="proofPolicy",
                choices=(
                    Choice(value="signature", label="Signature at the door"),
                    Choice(value="acknowledgement", label="The patient signs afterwards"),
                    Choice(value="none", label="None"),
                ),
            ),
        ),
    ),
    SIGN,
    Action(
        key="write",
        label="Write to the patient",
        icon="note",
        submit="Send",
        done="The message is sent.",
        class_name="Message",
        roles=("pharmacist",),
        shortcut="w",
        fixed={"sender": "me", "recipient": "patient.user"},
        inputs=TALK,
    ),
)

_HISTORY = history("Delivery")

_PANEL = Panel(
    title="{recipientName}",
    subtitle=("{deliveryAddress}", "{trackingNumber}"),
    related=(
        Related(name="signatures", class_name="Signature", field="delivery", order="-signedAt"),
        Related(name="told", class_name="Notification", field="about.objectId", order="-createdAt", by_id=True, roles=PHARMACY),
        _HISTORY[0],
    ),
    sections=(
        Section(
            kind="facts",
            label="Delivery",
            facts=(
                Fact(label="Status", field="{status}"),
                Fact(label="Expected", field="expectedDeliveryDate", kind="clock", missing="no date set"),
                Fact(label="Handed over", field="deliveredAt", kind="clock"),
                Fact(label="Proof", field="{proofPolicy}"),
                Fact(label="Why it failed", field="{failureReason}"),
                Fact(label="Medicine", field="{paper.medicationName}, {paper.dosage}"),
                Fact(label="Prescription", field="{paper.status}"),
                Fact(label="Patient", field="{patient.displayName}, {patient.medicalRecordNumber}"),
            ),
        ),
        Section(
            kind="log",
            label="Signature",
            related=("signatures",),
            at="signedAt",
            text=("{signerName}",),
            notes=("{relationship}", "{location|=no place}"),
            files="signatureImage",
            empty="Nobody has signed for this delivery.",
        ),
        Section(
            kind="log",
            label="What the patient was told",
            related=("told",),
            at="createdAt",
            text=("{message}",),
            empty="The patient was told nothing yet.",
        ),
        _HISTORY[1],
        Section(kind="others", label="Also for this patient", field="paper.patient.objectId"),
    ),
)

BOARD = Board(
    name="pharmacy",
    title="Pharmacy · Deliveries",
    nav="Pharmacy",
    icon="pill",
    noun=("delivery", "deliveries"),
    level_field="urgency",
    levels=LEVELS,
    order="expectedDeliveryDate",
    label="trackingNumber",
    sources=(_DELIVERIES, PRESCRIPTIONS, PATIENTS, PEOPLE),
    joins=(
        Join(name="paper", field="prescription", source="prescriptions"),
        Join(name="patient", field="paper.patient", source="patients"),
        Join(name="courier", field="courier", source="people", requires={"active": True, "role": "courier"}),
    ),
    columns=_COLUMNS,
    tiles=_TILES,
    search=(
        "trackingNumber",
        "recipientName",
        "deliveryAddress",
        "paper.medicationName",
        "patient.medicalRecordNumber",
        "courier.displayName",
        "courier.username",
    ),
    search_hint="number, patient, address, courier",
    panel=_PANEL,
    actions=_ACTIONS,
    alarm=("late", "failed"),
    labels=LABELS,
    people_roles=PHARMACY,
    roles=(*_HANDS, "provider"),
    empty="A delivery appears here as soon as one is requested that you may see.",
    beside=(PAPERS, MESSAGES, ROUTE, MY_MEDICINES),
)
