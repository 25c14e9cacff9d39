"""The classes of the home delivery pharmacy as Piccolo tables.

Owns: the seven tables. Holds: every pointer is a foreign key, and what is referred to cannot be deleted; the check constraints
are the limits of `rules.py`. `_rperm`, `_wperm` and the derived fields of a delivery are kept by triggers (`triggers.py`),
whoever writes. May import store.tables and rules.
"""

from piccolo.columns import Boolean, DoublePrecision, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check

from app.domains.pharmacy.rules import LIMITS
from app.store.tables import ArrayColumn, File, GeoPoint, ObjectColumn, ParseTable, User

KEPT = OnDelete.no_action
"""What is pointed to stays; unlike `restrict`, Postgres then tells who points to it."""

_CONDITIONS = {limit.name: limit.condition for limit in LIMITS}


def _limit(name: str) -> Check:
    return Check(_CONDITIONS[name], name=name)


class PatientProfile(ParseTable, tablename="PatientProfile"):
    """A patient of the pharmacy. While `isActive` is false the account sees nothing of it."""

    user = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="user")
    medical_record_number = Text(default=None, null=False, unique=True, db_column_name="medicalRecordNumber")
    display_name = Text(default=None, null=False, db_column_name="displayName")
    date_of_birth = Timestamptz(default=None, null=True, db_column_name="dateOfBirth")
    primary_clinic = Text(default=None, null=True, db_column_name="primaryClinic")
    is_active = Boolean(default=None, null=False, db_column_name="isActive")


class Provider(ParseTable, tablename="Provider"):
    """A prescriber, or a pharmacist whom patients may write to."""

    user = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="user")
    pharmacy_details = Text(default=None, null=True, db_column_name="pharmacyDetails")


class Prescription(ParseTable, tablename="Prescription"):
    """A medicine for a patient. `refrigerated` must stay cold on its way."""

    patient = ForeignKey(PatientProfile, on_delete=KEPT, default=None, null=False, index=True, db_column_name="patient")
    medication_name = Text(default=None, null=False, db_column_name="medicationName")
    dosage = Text(default=None, null=False, db_column_name="dosage")
    status = Text(default=None, null=False, index=True, db_column_name="status")
    provider = ForeignKey(Provider, on_delete=KEPT, default=None, null=True, index=True, db_column_name="provider")
    refrigerated = Boolean(default=None, null=True, db_column_name="refrigerated")

    prescription_status_known = _limit("prescription_status_known")


class Delivery(ParseTable, tablename="Delivery"):
    """One parcel on its way. It names no medicine: a courier reads it. `closedAt` is when it was over, however it ended."""

    prescription = ForeignKey(Prescription, on_delete=KEPT, default=None, null=False, index=True, db_column_name="prescription")
    delivery_address = Text(default=None, null=False, db_column_name="deliveryAddress")
    status = Text(default=None, null=False, index=True, db_column_name="status")
    tracking_number = Text(default=None, null=True, unique=True, db_column_name="trackingNumber")
    expected_delivery_date = Timestamptz(default=None, null=True, db_column_name="expectedDeliveryDate")
    delivered_at = Timestamptz(default=None, null=True, db_column_name="deliveredAt")
    courier = ForeignKey(User, on_delete=KEPT, default=None, null=True, index=True, db_column_name="courier")
    location = GeoPoint(default=None, null=True, db_column_name="location")
    attempts = DoublePrecision(default=None, null=True, db_column_name="attempts")
    failure_reason = Text(default=None, null=True, db_column_name="failureReason")
    proof_policy = Text(default=None, null=True, db_column_name="proofPolicy")
    recipient_name = Text(default=None, null=True, db_column_name="recipientName")
    refrigerated = Boolean(default=None, null=True, db_column_name="refrigerated")
    signed_at = Timestamptz(default=None, null=True, db_column_name="signedAt")
    closed_at = Timestamptz(default=None, null=True, db_column_name="closedAt")
    urgency = Text(default=None, null=True, db_column_name="urgency")

    delivery_status_known = _limit("delivery_status_known")
    delivery_proofpolicy_known = _limit("delivery_proofpolicy_known")
    delivery_urgency_known = _limit("delivery_urgency_known")
    delivery_attempts_range = _limit("delivery_attempts_range")


class Signature(ParseTable, tablename="Signature"):
    """Who took a delivery, in their own hand. `recordHash` binds the image to what was signed for."""

    delivery = ForeignKey(Delivery, on_delete=KEPT, default=None, null=False, index=True, db_column_name="delivery")
    signature_image = File(default=None, null=False, db_column_name="signatureImage")
    signer_name = Text(default=None, null=True, db_column_name="signerName")
    relationship = Text(default=None, null=True, db_column_name="relationship")
    signed_at = Timestamptz(default=None, null=True, db_column_name="signedAt")
    record_hash = Text(default=None, null=True, db_column_name="recordHash")
    location = GeoPoint(default=None, null=True, db_column_name="location")


class Message(ParseTable, tablename="Message"):
    """One message between two people. `attachments` holds files; `thread` is the same for both directions."""

    sender = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="sender")
    recipient = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="recipient")
    body = Text(default=None, null=False, db_column_name="body")
    attachments = ArrayColumn(default=None, null=True, db_column_name="attachments")
    status = Text(default=None, null=True, db_column_name="status")
    sent_at = Timestamptz(default=None, null=True, db_column_name="sentAt")
    read_at = Timestamptz(default=None, null=True, db_column_name="readAt")
    thread = Text(default=None, null=True, db_column_name="thread")

    message_status_known = _limit("message_status_known")


class Notification(ParseTable, tablename="Notification"):
    """What a patient is told. `about` is {className, objectId}."""

    patient = ForeignKey(PatientProfile, on_delete=KEPT, default=None, null=False, db_column_name="patient")
    message = Text(default=None, null=False, db_column_name="message")
    is_read = Boolean(default=None, null=False, db_column_name="isRead")
    kind = Text(default=None, null=True, db_column_name="kind")
    about = ObjectColumn(default=None, null=True, db_column_name="about")


TABLES: tuple[type[ParseTable], ...] = (PatientProfile, Provider, Prescription, Delivery, Signature, Message, Notification)
"""Parents first."""
