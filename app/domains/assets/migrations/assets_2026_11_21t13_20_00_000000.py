"""Facilities, places, assets, their plans, work, inspections, assignments and events."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Boolean, DoublePrecision, ForeignKey, Text, Timestamptz

from app.store.forming import COMMON, FOUND, NEEDED, SOUGHT, Columns, forming, to
from app.store.tables import ArrayColumn, ObjectColumn, PointerTo

ID = "2026-11-21T13:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of hospital assets"

TABLES: dict[str, Columns] = {
    "Facility": {
        **COMMON,
        "name": ("name", Text, NEEDED),
        "code": ("code", Text, NEEDED),
        "campus": ("campus", Text, {}),
        "floor_count": ("floorCount", DoublePrecision, {}),
        "is_operational": ("isOperational", Boolean, NEEDED),
    },
    "Location": {
        **COMMON,
        "facility": ("facility", ForeignKey, to("Facility", null=True)),
        "name": ("name", Text, SOUGHT),
        "type": ("type", Text, NEEDED),
        "floor": ("floor", DoublePrecision, {}),
        "department": ("department", Text, FOUND),
        "wing": ("wing", Text, {}),
        "room": ("room", Text, {}),
    },
    "Asset": {
        **COMMON,
        "facility": ("facility", ForeignKey, to("Facility")),
        "asset_tag": ("assetTag", Text, NEEDED),
        "name": ("name", Text, NEEDED),
        "category": ("category", Text, SOUGHT),
        "serial_number": ("serialNumber", Text, SOUGHT),
        "status": ("status", Text, SOUGHT),
        "criticality": ("criticality", Text, SOUGHT),
        "current_location": ("currentLocation", Text, SOUGHT),
        "manufacturer": ("manufacturer", Text, {}),
        "model": ("model", Text, {}),
        "model_name": ("modelName", Text, {}),
        "purchase_date": ("purchaseDate", Timestamptz, {}),
        "next_service_due": ("nextServiceDue", Timestamptz, {}),
        "last_inspection_at": ("lastInspectionAt", Timestamptz, {}),
        "location": ("location", ForeignKey, to("Location", null=True)),
        "department": ("department", Text, FOUND),
        "technician": ("technician", ForeignKey, to("_User", null=True)),
        "holder": ("holder", ForeignKey, to("_User", null=True)),
        "assignment": ("assignment", PointerTo, {"target": "AssetAssignment"}),
        "udi": ("udi", Text, FOUND),
        "dirty": ("dirty", Boolean, {}),
        "missing": ("missing", Boolean, {}),
        "recalled": ("recalled", Boolean, {}),
        "urgency": ("urgency", Text, {}),
    },
    "MaintenancePlan": {
        **COMMON,
        "asset": ("asset", ForeignKey, to("Asset")),
        "frequency_days": ("frequencyDays", DoublePrecision, NEEDED),
        "next_due_at": ("nextDueAt", Timestamptz, NEEDED),
        "status": ("status", Text, NEEDED),
        "checklist": ("checklist", ArrayColumn, {}),
    },
    "MaintenanceLog": {
        **COMMON,
        "asset": ("asset", ForeignKey, to("Asset", index=False)),
        "performed_by": ("performedBy", ForeignKey, to("_User")),
        "maintenance_type": ("maintenanceType", Text, NEEDED),
        "status": ("status", Text, SOUGHT),
        "started_at": ("startedAt", Timestamptz, NEEDED),
        "completed_at": ("completedAt", Timestamptz, {}),
        "findings": ("findings", Text, {}),
        "parts_used": ("partsUsed", ArrayColumn, {}),
        "next_due_at": ("nextDueAt", Timestamptz, {}),
        "downtime_minutes": ("downtimeMinutes", DoublePrecision, {}),
        "plan": ("plan", ForeignKey, to("MaintenancePlan", null=True)),
        "summary": ("summary", Text, {}),
        "outcome": ("outcome", Text, {}),
        "notes": ("notes", Text, {}),
        "performed_at": ("performedAt", Timestamptz, {}),
        "planned_for": ("plannedFor", Timestamptz, {}),
    },
    "Inspection": {
        **COMMON,
        "asset": ("asset", ForeignKey, to("Asset", index=False)),
        "inspected_by": ("inspectedBy", ForeignKey, to("_User")),
        "inspected_at": ("inspectedAt", Timestamptz, NEEDED),
        "status": ("status", Text, NEEDED),
        "findings": ("findings", Text, {}),
    },
    "AssetAssignment": {
        **COMMON,
        "asset": ("asset", ForeignKey, to("Asset", index=False)),
        "assigned_to": ("assignedTo", ForeignKey, to("_User")),
        "department_name": ("departmentName", Text, NEEDED),
        "room_label": ("roomLabel", Text, {}),
        "assigned_at": ("assignedAt", Timestamptz, NEEDED),
        "returned_at": ("returnedAt", Timestamptz, {}),
        "assignment_status": ("assignmentStatus", Text, NEEDED),
        "usage_notes": ("usageNotes", Text, {}),
        "returned_to": ("returnedTo", Text, {}),
        "previous": ("previous", ForeignKey, to("AssetAssignment", null=True)),
    },
    "ComplianceEvent": {
        **COMMON,
        "asset": ("asset", ForeignKey, to("Asset", index=False)),
        "actor": ("actor", ForeignKey, to("_User")),
        "event_type": ("eventType", Text, SOUGHT),
        "severity": ("severity", Text, NEEDED),
        "summary": ("summary", Text, NEEDED),
        "occurred_at": ("occurredAt", Timestamptz, NEEDED),
        "details": ("details", ObjectColumn, {}),
    },
}

LIMITS: dict[str, dict[str, str]] = {
    "Facility": {
        "facility_floorcount_range": '"floorCount" >= 0',
    },
    "Asset": {
        "asset_status_known": "\"status\" in ('available', 'in_use', 'maintenance', 'out_of_service', 'retired')",
        "asset_criticality_known": "\"criticality\" in ('low', 'medium', 'high', 'critical')",
        "asset_urgency_known": "\"urgency\" in ('critical', 'overdue', 'down', 'unknown', 'due_soon', 'ok')",
    },
    "MaintenancePlan": {
        "maintenanceplan_status_known": "\"status\" in ('active', 'paused', 'completed')",
        "maintenanceplan_frequencydays_range": '"frequencyDays" > 0 and "frequencyDays" <= 3650',
    },
    "MaintenanceLog": {
        "maintenancelog_status_known": "\"status\" in ('scheduled', 'in_progress', 'completed', "
        "'deferred_in_use', 'could_not_locate', 'cancelled', 'on_hold', "
        "'verified')",
        "maintenancelog_maintenancetype_known": "\"maintenanceType\" in ('preventive', 'corrective', 'calibration', "
        "'safety_test', 'recall', 'cleaning', 'installation', 'other')",
        "maintenancelog_outcome_known": "\"outcome\" in ('passed', 'repaired', 'escalated', 'failed')",
        "maintenancelog_downtimeminutes_range": '"downtimeMinutes" >= 0',
        "maintenancelog_completedat_order": '"completedAt" >= "startedAt"',
    },
    "Inspection": {
        "inspection_status_known": "\"status\" in ('passed', 'attention_needed', 'failed')",
    },
    "AssetAssignment": {
        "assetassignment_assignmentstatus_known": "\"assignmentStatus\" in ('active', 'completed', 'transferred')",
        "assetassignment_returnedat_order": '"returnedAt" >= "assignedAt"',
        "assetassignment_returnedat_place": '"returnedAt" is null or "assignmentStatus" <> \'active\'',
    },
    "ComplianceEvent": {
        "complianceevent_severity_known": "\"severity\" in ('info', 'low', 'medium', 'high', 'critical')",
    },
}


async def forwards() -> MigrationManager:
    return forming(ID, "assets", DESCRIPTION, TABLES, LIMITS)
