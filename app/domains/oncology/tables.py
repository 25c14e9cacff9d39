"""The classes of oncology care as Piccolo tables.

Owns: the five tables. Holds: a pointer that a rule relies on is a foreign key, and what is referred to cannot be deleted, so no
side effect loses its cycle; the check constraints are the limits of `rules.py`. `_rperm`, `_wperm` and the fields that
`rules.GRANTS.derived` names are kept by triggers (`triggers.py`), whoever writes. May import store.tables and rules.
"""

from piccolo.columns import DoublePrecision, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check

from app.domains.oncology.rules import LIMITS
from app.store.tables import ArrayColumn, ObjectColumn, ParseTable, User

KEPT = OnDelete.no_action
"""What is pointed to stays; unlike `restrict`, Postgres then tells who points to it."""

_CONDITIONS = {limit.name: limit.condition for limit in LIMITS}


def _limit(name: str) -> Check:
    return Check(_CONDITIONS[name], name=name)


class Patient(ParseTable, tablename="Patient"):
    """A patient's profile. `careTeam` holds pointers to users, who may read all that is recorded of `user`."""

    user = ForeignKey(User, on_delete=KEPT, default=None, null=True, db_column_name="user")
    name = Text(default=None, null=False, db_column_name="name")
    contact = Text(default=None, null=True, db_column_name="contact")
    medical_history = ObjectColumn(default=None, null=True, db_column_name="medicalHistory")
    care_team = ArrayColumn(default=None, null=True, db_column_name="careTeam")


class ChemoCycle(ParseTable, tablename="ChemoCycle"):
    """One cycle of a regimen. `clearedBy` holds who signed it for release, `signers` their names as they were then; `labs` the
    newest result of each test that counts."""

    cycle_number = DoublePrecision(default=None, null=False, db_column_name="cycleNumber")
    start_date = Timestamptz(default=None, null=False, db_column_name="startDate")
    end_date = Timestamptz(default=None, null=False, db_column_name="endDate")
    patient = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="patient")
    regimen = Text(default=None, null=True, db_column_name="regimen")
    status = Text(default=None, null=True, db_column_name="status")
    status_reason = Text(default=None, null=True, db_column_name="statusReason")
    cleared_by = ArrayColumn(default=None, null=True, db_column_name="clearedBy")
    signers = Text(default=None, null=True, db_column_name="signers")
    due_at = Timestamptz(default=None, null=True, db_column_name="dueAt")
    urgency = Text(default=None, null=True, db_column_name="urgency")
    labs = ObjectColumn(default=None, null=True, db_column_name="labs")
    labs_at = Timestamptz(default=None, null=True, db_column_name="labsAt")
    lab_level = Text(default=None, null=True, db_column_name="labLevel")
    worst_grade = DoublePrecision(default=None, null=True, db_column_name="worstGrade")

    chemocycle_status_known = _limit("chemocycle_status_known")
    chemocycle_urgency_known = _limit("chemocycle_urgency_known")
    chemocycle_lablevel_known = _limit("chemocycle_lablevel_known")
    chemocycle_cyclenumber_range = _limit("chemocycle_cyclenumber_range")
    chemocycle_dates_order = _limit("chemocycle_dates_order")


class Treatment(ParseTable, tablename="Treatment"):
    """One treatment that is planned or was given: a drug of a cycle, or whatever else was done."""

    type = Text(default=None, null=False, db_column_name="type")
    date = Timestamptz(default=None, null=False, db_column_name="date")
    notes = Text(default=None, null=True, db_column_name="notes")
    patient = ForeignKey(User, on_delete=KEPT, default=None, null=True, db_column_name="patient")
    chemo_cycle = ForeignKey(ChemoCycle, on_delete=KEPT, default=None, null=True, index=True, db_column_name="chemoCycle")


class SideEffect(ParseTable, tablename="SideEffect"):
    """What a patient suffers in a cycle. `severity` is as reported; `grade` is of the CTCAE, by `ctcaeVersion`."""

    description = Text(default=None, null=False, db_column_name="description")
    severity = Text(default=None, null=False, db_column_name="severity")
    chemo_cycle = ForeignKey(ChemoCycle, on_delete=KEPT, default=None, null=False, db_column_name="chemoCycle")
    recorded_at = Timestamptz(default=None, null=False, db_column_name="recordedAt")
    grade = DoublePrecision(default=None, null=True, db_column_name="grade")
    ctcae_version = Text(default=None, null=True, db_column_name="ctcaeVersion")

    sideeffect_grade_range = _limit("sideeffect_grade_range")
    sideeffect_ctcaeversion_known = _limit("sideeffect_ctcaeversion_known")
    sideeffect_grade_version = _limit("sideeffect_grade_version")


class LabTrend(ParseTable, tablename="LabTrend"):
    """One result of one test. The reference range is the one of the laboratory that made it; `flag` follows from it."""

    lab_test_name = Text(default=None, null=False, db_column_name="labTestName")
    result = DoublePrecision(default=None, null=False, db_column_name="result")
    date = Timestamptz(default=None, null=False, db_column_name="date")
    patient = ForeignKey(User, on_delete=KEPT, default=None, null=False, db_column_name="patient")
    unit = Text(default=None, null=True, db_column_name="unit")
    reference_low = DoublePrecision(default=None, null=True, db_column_name="referenceLow")
    reference_high = DoublePrecision(default=None, null=True, db_column_name="referenceHigh")
    critical_low = DoublePrecision(default=None, null=True, db_column_name="criticalLow")
    critical_high = DoublePrecision(default=None, null=True, db_column_name="criticalHigh")
    flag = Text(default=None, null=True, db_column_name="flag")

    labtrend_flag_known = _limit("labtrend_flag_known")
    labtrend_reference_order = _limit("labtrend_reference_order")
    labtrend_criticallow_order = _limit("labtrend_criticallow_order")
    labtrend_criticalhigh_order = _limit("labtrend_criticalhigh_order")


TABLES: tuple[type[ParseTable], ...] = (Patient, ChemoCycle, Treatment, SideEffect, LabTrend)
"""Parents first."""
