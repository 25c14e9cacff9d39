"""Patients, chemotherapy cycles, treatments, side effects and lab results."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import DoublePrecision, ForeignKey, Text, Timestamptz

from app.store.forming import COMMON, NEEDED, Columns, forming, to
from app.store.tables import ArrayColumn, ObjectColumn

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of oncology care"

TABLES: dict[str, Columns] = {
    "Patient": {
        **COMMON,
        "user": ("user", ForeignKey, to("_User", null=True)),
        "name": ("name", Text, NEEDED),
        "contact": ("contact", Text, {}),
        "medical_history": ("medicalHistory", ObjectColumn, {}),
        "care_team": ("careTeam", ArrayColumn, {}),
    },
    "ChemoCycle": {
        **COMMON,
        "cycle_number": ("cycleNumber", DoublePrecision, NEEDED),
        "start_date": ("startDate", Timestamptz, NEEDED),
        "end_date": ("endDate", Timestamptz, NEEDED),
        "patient": ("patient", ForeignKey, to("_User", index=True)),
        "regimen": ("regimen", Text, {}),
        "status": ("status", Text, {}),
        "status_reason": ("statusReason", Text, {}),
        "cleared_by": ("clearedBy", ArrayColumn, {}),
        "signers": ("signers", Text, {}),
        "due_at": ("dueAt", Timestamptz, {}),
        "urgency": ("urgency", Text, {}),
        "labs": ("labs", ObjectColumn, {}),
        "labs_at": ("labsAt", Timestamptz, {}),
        "lab_level": ("labLevel", Text, {}),
        "worst_grade": ("worstGrade", DoublePrecision, {}),
    },
    "Treatment": {
        **COMMON,
        "type": ("type", Text, NEEDED),
        "date": ("date", Timestamptz, NEEDED),
        "notes": ("notes", Text, {}),
        "patient": ("patient", ForeignKey, to("_User", null=True)),
        "chemo_cycle": ("chemoCycle", ForeignKey, to("ChemoCycle", null=True, index=True)),
    },
    "SideEffect": {
        **COMMON,
        "description": ("description", Text, NEEDED),
        "severity": ("severity", Text, NEEDED),
        "chemo_cycle": ("chemoCycle", ForeignKey, to("ChemoCycle")),
        "recorded_at": ("recordedAt", Timestamptz, NEEDED),
        "grade": ("grade", DoublePrecision, {}),
        "ctcae_version": ("ctcaeVersion", Text, {}),
    },
    "LabTrend": {
        **COMMON,
        "lab_test_name": ("labTestName", Text, NEEDED),
        "result": ("result", DoublePrecision, NEEDED),
        "date": ("date", Timestamptz, NEEDED),
        "patient": ("patient", ForeignKey, to("_User")),
        "unit": ("unit", Text, {}),
        "reference_low": ("referenceLow", DoublePrecision, {}),
        "reference_high": ("referenceHigh", DoublePrecision, {}),
        "critical_low": ("criticalLow", DoublePrecision, {}),
        "critical_high": ("criticalHigh", DoublePrecision, {}),
        "flag": ("flag", Text, {}),
    },
}

LIMITS: dict[str, dict[str, str]] = {
    "ChemoCycle": {
        "chemocycle_status_known": "\"status\" in ('planned', 'labs_due', 'review', 'delayed', 'cleared', 'in_progress', "
        "'completed', 'discontinued', 'skipped')",
        "chemocycle_urgency_known": "\"urgency\" in ('overdue', 'review', 'unknown', 'delayed', 'soon', 'ok', 'closed')",
        "chemocycle_lablevel_known": "\"labLevel\" in ('critical', 'abnormal', 'normal', 'unknown')",
        "chemocycle_cyclenumber_range": '"cycleNumber" >= 1 and "cycleNumber" = trunc("cycleNumber")',
        "chemocycle_dates_order": '"endDate" >= "startDate"',
    },
    "SideEffect": {
        "sideeffect_grade_range": '"grade" in (1, 2, 3, 4, 5)',
        "sideeffect_ctcaeversion_known": "\"ctcaeVersion\" in ('4.03', '5.0', '6.0')",
        "sideeffect_grade_version": '"grade" is null or "ctcaeVersion" is not null',
    },
    "LabTrend": {
        "labtrend_flag_known": "\"flag\" in ('L', 'H', 'LL', 'HH', 'N')",
        "labtrend_reference_order": '"referenceHigh" >= "referenceLow"',
        "labtrend_criticallow_order": '"criticalLow" <= "referenceLow"',
        "labtrend_criticalhigh_order": '"criticalHigh" >= "referenceHigh"',
    },
}


async def forwards() -> MigrationManager:
    return forming(ID, "oncology", DESCRIPTION, TABLES, LIMITS)
