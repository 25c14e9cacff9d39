"""Patients, chemotherapy cycles, treatments, side effects and lab results."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Array, DoublePrecision, ForeignKey, OnDelete, OnUpdate, Text, Timestamptz
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check
from piccolo.table import Table

from app.store.tables import ArrayColumn, ObjectColumn

ID = "2026-11-21T13:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The classes of oncology care"

Columns = dict[str, tuple[str, type[Column], dict[str, Any]]]


class User(Table, tablename="_User"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


class ChemoCycle(Table, tablename="ChemoCycle"):
    object_id = Text(primary_key=True, default=None, db_column_name="objectId")


def to(target: type[Table], *, null: bool = False, index: bool = False) -> dict[str, Any]:
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

TABLES: dict[str, Columns] = {
    "Patient": {
        **COMMON,
        "user": ("user", ForeignKey, to(User, null=True)),
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
        "patient": ("patient", ForeignKey, to(User, index=True)),
        "regimen": ("regimen", Text, {}),
        "status": ("status", Text, {}),
        "status_reason": ("statusReason", Text, {}),
        "cleared_by": ("clearedBy", ArrayColumn, {}),
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
        "patient": ("patient", ForeignKey, to(User, null=True)),
        "chemo_cycle": ("chemoCycle", ForeignKey, to(ChemoCycle, null=True, index=True)),
    },
    "SideEffect": {
        **COMMON,
        "description": ("description", Text, NEEDED),
        "severity": ("severity", Text, NEEDED),
        "chemo_cycle": ("chemoCycle", ForeignKey, to(ChemoCycle)),
        "recorded_at": ("recordedAt", Timestamptz, NEEDED),
        "grade": ("grade", DoublePrecision, {}),
        "ctcae_version": ("ctcaeVersion", Text, {}),
    },
    "LabTrend": {
        **COMMON,
        "lab_test_name": ("labTestName", Text, NEEDED),
        "result": ("result", DoublePrecision, NEEDED),
        "date": ("date", Timestamptz, NEEDED),
        "patient": ("patient", ForeignKey, to(User)),
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
    manager = MigrationManager(migration_id=ID, app_name="oncology", description=DESCRIPTION)
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
