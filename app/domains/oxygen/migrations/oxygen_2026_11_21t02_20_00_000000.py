"""Sites, tanks, refills, contacts and dispatch events."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Boolean, DoublePrecision, ForeignKey, Text, Timestamptz

from app.store.forming import COMMON, NEEDED, SOUGHT, Columns, forming, to
from app.store.tables import ArrayColumn, GeoPoint

ID = "2026-11-21T02:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of oxygen delivery"

TABLES: dict[str, Columns] = {
    "PatientSite": {
        **COMMON,
        "site_name": ("siteName", Text, NEEDED),
        "address_line_1": ("addressLine1", Text, NEEDED),
        "city": ("city", Text, NEEDED),
        "region": ("region", Text, NEEDED),
        "postal_code": ("postalCode", Text, NEEDED),
        "delivery_window_start": ("deliveryWindowStart", Timestamptz, {}),
        "delivery_window_end": ("deliveryWindowEnd", Timestamptz, {}),
        "primary_contact": ("primaryContact", ForeignKey, to("_User")),
        "notes": ("notes", Text, {}),
        "location": ("location", GeoPoint, {}),
        "care_team": ("careTeam", ArrayColumn, {}),
    },
    "TankAssignment": {
        **COMMON,
        "tank_serial_number": ("tankSerialNumber", Text, SOUGHT),
        "psi_level": ("psiLevel", DoublePrecision, NEEDED),
        "status": ("status", Text, SOUGHT),
        "assigned_site": ("assignedSite", ForeignKey, to("PatientSite")),
        "assigned_driver": ("assignedDriver", ForeignKey, to("_User")),
        "last_checked_at": ("lastCheckedAt", Timestamptz, {}),
        "next_service_due_at": ("nextServiceDueAt", Timestamptz, {}),
        "cylinder_size": ("cylinderSize", Text, {}),
        "flow_lpm": ("flowLpm", DoublePrecision, {}),
        "residual_psi": ("residualPsi", DoublePrecision, {}),
        "lot_number": ("lotNumber", Text, {}),
        "requalification_due": ("requalificationDue", Timestamptz, {}),
        "empty_at": ("emptyAt", Timestamptz, {}),
        "urgency": ("urgency", Text, {}),
    },
    "RefillLog": {
        **COMMON,
        "tank_assignment": ("tankAssignment", ForeignKey, to("TankAssignment", index=False)),
        "refill_time": ("refillTime", Timestamptz, NEEDED),
        "psi_before": ("psiBefore", DoublePrecision, NEEDED),
        "psi_after": ("psiAfter", DoublePrecision, NEEDED),
        "refilled_by": ("refilledBy", ForeignKey, to("_User")),
        "refill_reason": ("refillReason", Text, NEEDED),
        "remarks": ("remarks", Text, {}),
    },
    "EmergencyContact": {
        **COMMON,
        "site": ("site", ForeignKey, to("PatientSite")),
        "contact_name": ("contactName", Text, NEEDED),
        "relationship": ("relationship", Text, NEEDED),
        "phone_number": ("phoneNumber", Text, NEEDED),
        "is_primary": ("isPrimary", Boolean, NEEDED),
        "preferred_language": ("preferredLanguage", Text, {}),
    },
    "DispatchEvent": {
        **COMMON,
        "tank_assignment": ("tankAssignment", ForeignKey, to("TankAssignment", index=False)),
        "event_type": ("eventType", Text, NEEDED),
        "event_time": ("eventTime", Timestamptz, NEEDED),
        "recorded_by": ("recordedBy", ForeignKey, to("_User")),
        "location_note": ("locationNote", Text, {}),
        "location": ("location", GeoPoint, {}),
        "psi_level": ("psiLevel", DoublePrecision, {}),
    },
}

LIMITS: dict[str, dict[str, str]] = {
    "PatientSite": {
        "patientsite_window_order": '"deliveryWindowEnd" >= "deliveryWindowStart"',
    },
    "TankAssignment": {
        "tankassignment_psilevel_range": '"psiLevel" >= 0 and "psiLevel" <= 3000',
        "tankassignment_residualpsi_range": '"residualPsi" >= 0 and "residualPsi" <= 3000',
        "tankassignment_status_known": "\"status\" in ('full', 'loaded', 'at_site', 'in_use', 'empty', 'returned', 'qc_hold', "
        "'quarantined', 'filling', 'condemned', 'lost')",
        "tankassignment_cylindersize_known": "\"cylinderSize\" in ('M6', 'M9', 'D', 'E', 'M60', 'M', 'G', 'H', 'K', 'H/K')",
        "tankassignment_urgency_known": "\"urgency\" in ('empty', 'critical', 'unknown', 'low', 'ok')",
        "tankassignment_flowlpm_range": '"flowLpm" > 0 and "flowLpm" <= 100',
    },
    "RefillLog": {
        "refilllog_psibefore_range": '"psiBefore" >= 0 and "psiBefore" <= 3000',
        "refilllog_psiafter_range": '"psiAfter" >= 0 and "psiAfter" <= 3000',
    },
    "DispatchEvent": {
        "dispatchevent_psilevel_range": '"psiLevel" >= 0 and "psiLevel" <= 3000',
        "dispatchevent_psilevel_place": '"psiLevel" is null or "eventType" = \'psi_check\'',
        "dispatchevent_eventtype_known": "\"eventType\" in ('loaded', 'departed', 'arrived', 'delivered', 'picked_up', "
        "'handoff', 'delayed', 'refused', 'psi_check', 'contact_called', 'escalated')",
    },
}


async def forwards() -> MigrationManager:
    return forming(ID, "oxygen", DESCRIPTION, TABLES, LIMITS)
