"""The pages beside the delivery board: prescriptions and messages; and what they share with the board and the phones.

Owns: the lists, and the sources, actions and words that several pages use. Holds: data only. May import live.boards and
rules.
"""

from dataclasses import replace

from app.core.wire import Object
from app.domains.pharmacy.rules import PHARMACY
from app.live.boards.board import (
    Action,
    Board,
    Choice,
    Column,
    Fact,
    Flag,
    Input,
    Join,
    Panel,
    Part,
    Related,
    Section,
    Source,
    Tile,
)
from app.live.boards.trails import history

STEPS = ("requested", "scheduled", "packed", "out_for_delivery", "arrived", "delivered")
TONES = {"attempted": "warn", "refused": "warn", "returned": "warn"}
COLD = Flag(field="refrigerated", words="keep cold", icon="flag", tone="calm")

PRESCRIPTIONS = Source(
    name="prescriptions",
    class_name="Prescription",
    keys=("medicationName", "dosage", "status", "refrigerated", "patient", "provider"),
)
PATIENTS = Source(
    name="patients",
    class_name="PatientProfile",
    keys=("displayName", "medicalRecordNumber", "dateOfBirth", "primaryClinic", "user"),
)

PEOPLE = Source(
    name="people",
    class_name="_User",
    where={"role": {"$in": ["courier", "pharmacist", "provider", "admin"]}},
    keys=("username", "displayName", "role", "active", "phoneNumber"),
)

_RELATIONS = (
    Choice(value="self", label="The patient"),
    Choice(value="spouse", label="Spouse or partner"),
    Choice(value="child", label="Son or daughter"),
    Choice(value="parent", label="Parent"),
    Choice(value="caregiver", label="Caregiver"),
    Choice(value="neighbor", label="Neighbor"),
)

FAILURE = Input(
    name="failureReason",
    label="Why",
    kind="choice",
    required=True,
    when=("status", "attempted|refused"),
    choices=(
        Choice(value="nobody home", label="Nobody home"),
        Choice(value="wrong address", label="Wrong address"),
        Choice(value="no access", label="No access to the building"),
        Choice(value="not the right medicine", label="Not the right medicine"),
        Choice(value="not wanted any more", label="Not wanted any more"),
        Choice(value="damaged", label="Damaged"),
    ),
)

SIGN = Action(
    key="sign",
    label="Take the signature",
    icon="check",
    submit="Hand over",
    done="{trackingNumber} is handed over.",
    class_name="Signature",
    roles=(*PHARMACY, "courier"),
    shortcut="g",
    offered={"status": "arrived"},
    fixed={"delivery": "row", "signedAt": "now"},
    then={"status": "delivered"},
    place="location",
    inputs=(
        Input(name="signatureImage", label="Signature", kind="signature", required=True),
        Input(name="signerName", label="First and last name", kind="text", required=True),
        Input(name="relationship", label="Who signs", kind="choice", required=True, choices=_RELATIONS),
    ),
)

STEP = Input(
    name="status",
    label="Status",
    kind="state",
    required=True,
    unless={"delivered": {"proofPolicy": ["signature", None], "signedAt": None}},
)
"""What needs a signature is not handed over by a status: `SIGN` does that."""

TALK = (
    Input(name="body", label="Message", kind="note", required=True),
    Input(name="attachments", label="Photos or papers", kind="files"),
)

LABELS = {
    "status": {"out_for_delivery": "On the road", "on_hold": "On hold"},
    "proofPolicy": {
        "signature": "Signature at the door",
        "acknowledgement": "The patient signs afterwards",
        "none": "None",
    },
    "relationship": {choice.value: choice.label for choice in _RELATIONS},
}

PAPER_TONES = {"on_hold": "warn", "draft": "odd"}

_HISTORY = history("Prescription")

PAPERS = Board(
    name="prescriptions",
    title="Prescriptions",
    nav="Prescriptions",
    icon="pill",
    noun=("prescription", "prescriptions"),
    order="createdAt",
    newest_first=True,
    label="medicationName",
    sources=(
        Source(
            name="prescriptions",
            class_name="Prescription",
            keys=("medicationName", "dosage", "status", "refrigerated", "patient", "provider", "createdAt", "updatedAt"),
            order="-createdAt",
            limit=1000,
        ),
        PATIENTS,
    ),
    joins=(Join(name="patient", field="patient", source="patients"),),
    columns=(
        Column(key="medicine", label="Medicine", kind="name", field="medicationName", detail="{dosage}", width=(170, 1.6)),
        Column(
            key="patient",
            label="Patient",
            kind="text",
            field="patient.displayName",
            detail="{patient.medicalRecordNumber}",
            detail_missing="not shown",
            personal=True,
        ),
        Column(key="status", label="Status", kind="status", field="status", tones=PAPER_TONES),
        Column(key="care", label="Care", kind="flags", field="", flags=(COLD,), yields=2),
        Column(key="since", label="Since", kind="date", field="createdAt", yields=1),
    ),
    tiles=(
        Tile(
            key="draft",
            label="To check",
            one="prescriptions to check",
            field="status",
            equals="draft",
            none="Every prescription is checked.",
        ),
        Tile(key="active", label="Active", one="active prescriptions", field="status", equals="active"),
        Tile(
            key="on-hold",
            label="On hold",
            one="prescriptions on hold",
            field="status",
            equals="on_hold",
            none="No prescription is on hold.",
        ),
    ),
    actions=(
        Action(
            key="state",
            label="Change the status",
            icon="check",
            submit="Save",
            done="{medicationName} is {status}.",
            class_name="Prescription",
            updates=True,
            roles=(*PHARMACY, "provider"),
            shortcut="s",
            inputs=(Input(name="status", label="Status", kind="state", required=True),),
        ),
        Action(
            key="send",
            label="Request a delivery",
            icon="note",
            submit="Request",
            done="A delivery of {medicationName} is requested.",
            class_name="Delivery",
            roles=(*PHARMACY, "provider"),
            shortcut="r",
            fixed={"prescription": "row", "status": "=requested"},
            inputs=(
                Input(name="deliveryAddress", label="Address", kind="text", required=True),
                Input(name="expectedDeliveryDate", label="Expected", kind="time"),
            ),
        ),
    ),
    search=("medicationName", "patient.displayName", "patient.medicalRecordNumber"),
    search_hint="medicine, patient, record number",
    panel=Panel(
        title="{medicationName}",
        subtitle=("{dosage}", "{patient.displayName}"),
        related=(
            Related(name="deliveries", class_name="Delivery", field="prescription", order="-createdAt"),
            _HISTORY[0],
        ),
        sections=(
            Section(
                kind="facts",
                label="Prescription",
                facts=(
                    Fact(label="Status", field="{status}"),
                    Fact(label="Patient", field="{patient.displayName}, {patient.medicalRecordNumber}"),
                    Fact(label="Born", field="patient.dateOfBirth", kind="day"),
                    Fact(label="Clinic", field="{patient.primaryClinic}"),
                ),
            ),
            Section(
                kind="log",
                label="Deliveries",
                related=("deliveries",),
                at="createdAt",
                text=("{trackingNumber}", "{status}"),
                notes=("{deliveryAddress}",),
                empty="Nothing was sent on this prescription.",
            ),
            _HISTORY[1],
        ),
    ),
    labels=LABELS,
    roles=(*PHARMACY, "provider"),
    empty="A prescription appears here as soon as a provider, pharmacist or patient adds one.",
)

_TALKERS = ("patient", "provider", "pharmacist", "courier", "admin")

_READ = Action(
    key="read",
    label="Mark as read",
    icon="check",
    submit="Mark",
    done="The sender sees that you read it.",
    class_name="Message",
    updates=True,
    roles=_TALKERS,
    offered={"status": ["sent", "delivered"]},
    fixed={"status": "=read"},
    inputs=(),
)
_REPLY = Action(
    key="reply",
    label="Reply",
    icon="note",
    submit="Send",
    done="The reply is sent.",
    class_name="Message",
    roles=_TALKERS,
    shortcut="r",
    offered={"status": ["sent", "delivered", "read"]},
    fixed={"sender": "me", "recipient": "sender", "thread": "thread"},
    inputs=TALK,
)

INBOX = Part(
    key="messages",
    label="Messages to me",
    class_name="Message",
    order="-sentAt",
    keys=("body", "status", "sentAt", "readAt", "sender", "recipient", "attachments", "thread"),
    where={"recipient": "$me", "status": {"$ne": "retracted"}},
    title="{body}",
    status="status",
    done=("read",),
    at="sentAt",
    files="attachments",
    actions=(_READ, _REPLY),
    empty="Nobody has written to you.",
)
OUTBOX = Part(
    key="sent",
    label="What I wrote",
    kind="notes",
    class_name="Message",
    order="-sentAt",
    keys=("body", "status", "sentAt", "readAt", "recipient", "attachments"),
    where={"sender": "$me"},
    title="{body}",
    lines=("{status}",),
    at="sentAt",
    files="attachments",
    empty="You have not written yet.",
)

_TO_STAFF: Object = {"toPatient.objectId": None}
"""On the list of both directions: what was written to a patient is not the pharmacy's to read or to answer."""

MESSAGES = Board(
    name="messages",
    title="Messages",
    nav="Messages",
    icon="note",
    noun=("message", "messages"),
    order="sentAt",
    newest_first=True,
    label="body",
    sources=(
        Source(
            name="messages",
            class_name="Message",
            keys=("body", "status", "sentAt", "readAt", "sender", "recipient", "attachments", "thread"),
            order="-sentAt",
            limit=1000,
        ),
        PATIENTS,
        PEOPLE,
    ),
    joins=(
        Join(name="fromPatient", source="patients", field="sender", back="user"),
        Join(name="fromStaff", source="people", field="sender"),
        Join(name="toPatient", source="patients", field="recipient", back="user"),
        Join(name="toStaff", source="people", field="recipient"),
    ),
    columns=(
        Column(
            key="from",
            label="From",
            kind="text",
            field="fromPatient.displayName|fromStaff.displayName|fromStaff.username",
            detail="{fromPatient.medicalRecordNumber}",
            personal=True,
        ),
        Column(key="body", label="Message", kind="name", field="body", width=(240, 3.0), personal=True),
        Column(
            key="to",
            label="To",
            kind="text",
            field="toPatient.displayName|toStaff.displayName|toStaff.username",
            detail="{toPatient.medicalRecordNumber}",
            yields=1,
            personal=True,
        ),
        Column(key="status", label="Receipt", kind="status", field="status", steps=("sent", "delivered", "read")),
        Column(key="files", label="Files", kind="file", field="attachments", yields=2),
        Column(key="sent", label="Sent", kind="age", field="sentAt", flash=False),
    ),
    tiles=(
        Tile(
            key="unread",
            label="Not read yet",
            one="messages nobody has read",
            field="status",
            among=("sent", "delivered"),
            none="Every message is read.",
        ),
        Tile(key="read", label="Read", one="messages that were read", field="status", equals="read"),
    ),
    actions=(replace(_READ, offered=_READ.offered | _TO_STAFF), replace(_REPLY, offered=_REPLY.offered | _TO_STAFF)),
    search=("body", "fromPatient.displayName", "toPatient.displayName", "fromStaff.displayName", "toStaff.displayName"),
    search_hint="words, patient, colleague",
    panel=Panel(
        title="{fromPatient.displayName|fromStaff.displayName|fromStaff.username}",
        subtitle=("{body}",),
        related=(),
        sections=(
            Section(
                kind="facts",
                label="Message",
                facts=(
                    Fact(label="Sent", field="sentAt", kind="clock"),
                    Fact(label="Read", field="readAt", kind="clock", missing="not yet"),
                    Fact(label="To", field="{toPatient.displayName|toStaff.displayName|toStaff.username}"),
                    Fact(label="File", field="attachments", kind="file"),
                ),
            ),
        ),
    ),
    labels=LABELS,
    roles=("pharmacist", "provider", "admin"),
    empty="A message appears here as soon as somebody writes to you.",
)
