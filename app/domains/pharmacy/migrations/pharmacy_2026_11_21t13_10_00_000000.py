"""Patients, providers, prescriptions, deliveries, signatures, messages and notifications."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Boolean, DoublePrecision, ForeignKey, Text, Timestamptz

from app.store.forming import COMMON, NEEDED, SOUGHT, Columns, forming, to
from app.store.tables import ArrayColumn, File, GeoPoint, ObjectColumn

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of the home delivery pharmacy"


UNIQUE: dict[str, Any] = {"unique": True}

TABLES: dict[str, Columns] = {
    "PatientProfile": {
        **COMMON,
        "user": ("user", ForeignKey, to("_User")),
        "medical_record_number": ("medicalRecordNumber", Text, NEEDED | UNIQUE),
        "display_name": ("displayName", Text, NEEDED),
        "date_of_birth": ("dateOfBirth", Timestamptz, {}),
        "primary_clinic": ("primaryClinic", Text, {}),
        "is_active": ("isActive", Boolean, NEEDED),
    },
    "Provider": {
        **COMMON,
        "user": ("user", ForeignKey, to("_User")),
        "pharmacy_details": ("pharmacyDetails", Text, {}),
    },
    "Prescription": {
        **COMMON,
        "patient": ("patient", ForeignKey, to("PatientProfile")),
        "medication_name": ("medicationName", Text, NEEDED),
        "dosage": ("dosage", Text, NEEDED),
        "status": ("status", Text, SOUGHT),
        "provider": ("provider", ForeignKey, to("Provider", null=True)),
        "refrigerated": ("refrigerated", Boolean, {}),
    },
    "Delivery": {
        **COMMON,
        "prescription": ("prescription", ForeignKey, to("Prescription")),
        "delivery_address": ("deliveryAddress", Text, NEEDED),
        "status": ("status", Text, SOUGHT),
        "tracking_number": ("trackingNumber", Text, UNIQUE),
        "expected_delivery_date": ("expectedDeliveryDate", Timestamptz, {}),
        "delivered_at": ("deliveredAt", Timestamptz, {}),
        "courier": ("courier", ForeignKey, to("_User", null=True)),
        "location": ("location", GeoPoint, {}),
        "attempts": ("attempts", DoublePrecision, {}),
        "failure_reason": ("failureReason", Text, {}),
        "proof_policy": ("proofPolicy", Text, {}),
        "recipient_name": ("recipientName", Text, {}),
        "refrigerated": ("refrigerated", Boolean, {}),
        "signed_at": ("signedAt", Timestamptz, {}),
        "closed_at": ("closedAt", Timestamptz, {}),
        "urgency": ("urgency", Text, {}),
    },
    "Signature": {
        **COMMON,
        "delivery": ("delivery", ForeignKey, to("Delivery")),
        "signature_image": ("signatureImage", File, NEEDED),
        "signer_name": ("signerName", Text, {}),
        "relationship": ("relationship", Text, {}),
        "signed_at": ("signedAt", Timestamptz, {}),
        "record_hash": ("recordHash", Text, {}),
    },
    "Message": {
        **COMMON,
        "sender": ("sender", ForeignKey, to("_User")),
        "recipient": ("recipient", ForeignKey, to("_User")),
        "body": ("body", Text, NEEDED),
        "attachments": ("attachments", ArrayColumn, {}),
        "status": ("status", Text, {}),
        "sent_at": ("sentAt", Timestamptz, {}),
        "read_at": ("readAt", Timestamptz, {}),
        "thread": ("thread", Text, {}),
    },
    "Notification": {
        **COMMON,
        "patient": ("patient", ForeignKey, to("PatientProfile", index=False)),
        "message": ("message", Text, NEEDED),
        "is_read": ("isRead", Boolean, NEEDED),
        "kind": ("kind", Text, {}),
        "about": ("about", ObjectColumn, {}),
    },
}

LIMITS: dict[str, dict[str, str]] = {
    "Prescription": {
        "prescription_status_known": "\"status\" in ('draft', 'active', 'on_hold', 'completed', 'stopped', 'cancelled')",
    },
    "Delivery": {
        "delivery_status_known": "\"status\" in ('requested', 'scheduled', 'packed', 'out_for_delivery', 'arrived', 'delivered', "
        "'attempted', 'refused', 'returned', 'restocked', 'wasted', 'cancelled')",
        "delivery_proofpolicy_known": "\"proofPolicy\" in ('signature', 'acknowledgement', 'none')",
        "delivery_urgency_known": "\"urgency\" in ('late', 'failed', 'due_soon', 'unknown', 'on_track', 'done', 'closed')",
        "delivery_attempts_range": '"attempts" >= 0',
    },
    "Message": {
        "message_status_known": "\"status\" in ('sent', 'delivered', 'read', 'retracted')",
    },
}


async def forwards() -> MigrationManager:
    return forming(ID, "pharmacy", DESCRIPTION, TABLES, LIMITS)
