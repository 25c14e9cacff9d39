"""Patients, providers, prescriptions, deliveries, signatures, messages and notifications."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Array, Boolean, DoublePrecision, ForeignKey, OnDelete, OnUpdate, Text, Timestamptz
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check
from piccolo.table import Table

from app.store.tables import ArrayColumn, File, GeoPoint, ObjectColumn

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of the home delivery pharmacy"

Columns = dict[str, tuple[str, type[Column], dict[str, Any]]]


class User(Table, tablename="_User"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class PatientProfile(Table, tablename="PatientProfile"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class Provider(Table, tablename="Provider"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class Prescription(Table, tablename="Prescription"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class Delivery(Table, tablename="Delivery"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


def to(target: type[Table], *, null: bool = False, index: bool = True) -> dict[str, Any]:
    return {
        "references": target,
        "on_delete": OnDelete.no_action,
        "on_update": OnUpdate.cascade,
        "target_column": None,
        "null": null,
        "index": index,
    }


COMMON: Columns = {
    "object_id": ("objectId", Text, {"primary_key": True, "null": False}),
    "created_at": ("createdAt", Timestamptz, {}),
    "updated_at": ("updatedAt", Timestamptz, {}),
    "readers": ("_rperm", Array, {"base_column": Text(default=None, null=True)}),
    "writers": ("_wperm", Array, {"base_column": Text(default=None, null=True)}),
}
NEEDED: dict[str, Any] = {"null": False}
SOUGHT: dict[str, Any] = {"null": False, "index": True}
UNIQUE: dict[str, Any] = {"unique": True}

TABLES: dict[str, Columns] = {
    "PatientProfile": {
        **COMMON,
        "user": ("user", ForeignKey, to(User)),
        "medical_record_number": ("medicalRecordNumber", Text, NEEDED | UNIQUE),
        "display_name": ("displayName", Text, NEEDED),
        "date_of_birth": ("dateOfBirth", Timestamptz, {}),
        "primary_clinic": ("primaryClinic", Text, {}),
        "is_active": ("isActive", Boolean, NEEDED),
    },
    "Provider": {
        **COMMON,
        "user": ("user", ForeignKey, to(User)),
        "pharmacy_details": ("pharmacyDetails", Text, {}),
    },
    "Prescription": {
        **COMMON,
        "patient": ("patient", ForeignKey, to(PatientProfile)),
        "medication_name": ("medicationName", Text, NEEDED),
        "dosage": ("dosage", Text, NEEDED),
        "status": ("status", Text, SOUGHT),
        "provider": ("provider", ForeignKey, to(Provider, null=True)),
        "refrigerated": ("refrigerated", Boolean, {}),
    },
    "Delivery": {
        **COMMON,
        "prescription": ("prescription", ForeignKey, to(Prescription)),
        "delivery_address": ("deliveryAddress", Text, NEEDED),
        "status": ("status", Text, SOUGHT),
        "tracking_number": ("trackingNumber", Text, UNIQUE),
        "expected_delivery_date": ("expectedDeliveryDate", Timestamptz, {}),
        "delivered_at": ("deliveredAt", Timestamptz, {}),
        "courier": ("courier", ForeignKey, to(User, null=True)),
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
        "delivery": ("delivery", ForeignKey, to(Delivery)),
        "signature_image": ("signatureImage", File, NEEDED),
        "signer_name": ("signerName", Text, {}),
        "relationship": ("relationship", Text, {}),
        "signed_at": ("signedAt", Timestamptz, {}),
        "record_hash": ("recordHash", Text, {}),
    },
    "Message": {
        **COMMON,
        "sender": ("sender", ForeignKey, to(User)),
        "recipient": ("recipient", ForeignKey, to(User)),
        "body": ("body", Text, NEEDED),
        "attachments": ("attachments", ArrayColumn, {}),
        "status": ("status", Text, {}),
        "sent_at": ("sentAt", Timestamptz, {}),
        "read_at": ("readAt", Timestamptz, {}),
        "thread": ("thread", Text, {}),
    },
    "Notification": {
        **COMMON,
        "patient": ("patient", ForeignKey, to(PatientProfile, index=False)),
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
    manager = MigrationManager(migration_id=ID, app_name="pharmacy", description=DESCRIPTION)
    for class_name, columns in TABLES.items():
        manager.add_table(class_name=class_name, tablename=class_name)
        for attribute, (name, kind, extra) in columns.items():
            manager.add_column(
                table_class_name=class_name,
                tablename=class_name,
                column_name=attribute,
                db_column_name=name,
                column_class=kind,
                params={
                    "default": None,
                    "null": True,
                    "primary_key": False,
                    "unique": False,
                    "index": False,
                    "index_method": IndexMethod.btree,
                    "choices": None,
                    "db_column_name": name,
                    "secret": False,
                    **extra,
                },
            )
        for limit, condition in LIMITS.get(class_name, {}).items():
            manager.add_constraint(
                table_class_name=class_name,
                tablename=class_name,
                constraint_name=limit,
                constraint_class=Check,
                params={"condition": condition},
            )
    return manager
