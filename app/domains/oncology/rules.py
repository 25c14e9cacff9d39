"""The rules of oncology care, as tables of data and pure functions.

Owns: the states of a chemotherapy cycle and by when each must have ended, the urgency that follows, the flag of a lab result, the
grade a severity stands for, who may do what, and the values a field may hold. Holds: each number is written here once; the
triggers of the database are generated from it (`triggers.py`), and a test holds that SQL and Python give the same answer.
Nothing awaits, reads a clock or touches the database. May import core, domain.py and limits.py.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from app.core.wire import Json, Object, is_user_principal
from app.domains.domain import Grant, Grants, Guard, Operation, StateMachine, Transition, forbidden, invalid
from app.domains.limits import Limit, instant, one_of, pointed

PARENTS_FIRST: Final = ("Patient", "ChemoCycle", "Treatment", "SideEffect", "LabTrend")

# --- the values of a lab ---

HALF: Final = 2.0
"""Without critical limits of the laboratory's own, a result is critical below half the lower reference limit, and above twice the
upper one."""

LAB_TESTS: Final[Mapping[str, tuple[str, ...]]] = {
    "ANC": ("anc", "absolute neutrophil count", "neutrophils"),
    "PLT": ("plt", "platelets", "platelet count"),
    "HGB": ("hgb", "hb", "hemoglobin", "haemoglobin"),
    "CREA": ("creatinine", "creat", "scr", "serum creatinine"),
}
"""The tests whose newest result stands with each open cycle, and the names laboratories give them."""

FLAGS: Final = ("L", "H", "LL", "HH", "N")
LAB_LEVELS: Final = ("critical", "abnormal", "unknown", "normal")
"""What the newest results of LAB_TESTS say together, worst first; unknown: there is none, or one has no reference range."""


def lab_flag(
    result: float, low: float | None, high: float | None, critical_low: float | None = None, critical_high: float | None = None
) -> str | None:
    """One of FLAGS, None where no reference range is told. Critical limits of the laboratory go before the general rule."""
    if critical_low is None and low is not None and low > 0:
        critical_low = low / HALF
    if critical_high is None and high is not None and high > 0:
        critical_high = high * HALF
    if critical_low is not None and result < critical_low:
        return "LL"
    if critical_high is not None and result > critical_high:
        return "HH"
    if low is not None and result < low:
        return "L"
    if high is not None and result > high:
        return "H"
    return None if low is None and high is None else "N"


# --- grades ---

SEVERE: Final = 3
"""From this grade on a nurse is called."""

CTCAE_VERSIONS: Final = ("4.03", "5.0", "6.0")
CTCAE_DEFAULT: Final = "5.0"

_GRADES: Final[Mapping[str, int]] = {
    "mild": 1,
    "moderate": 2,
    "severe": 3,
    "life threatening": 4,
    "lifethreatening": 4,
    "disabling": 4,
    "fatal": 5,
    "death": 5,
}


def grade_of(severity: Json) -> int | None:
    """The CTCAE grade a severity stands for ("severe", "Grade 3", "3"), None for words that name none."""
    words = str(severity or "").lower().replace("-", " ").replace("_", " ").removeprefix("grade").strip()
    return int(words) if words in ("1", "2", "3", "4", "5") else _GRADES.get(words)


# --- the states of a cycle ---

OPEN: Final = ("planned", "labs_due", "review", "delayed", "cleared", "in_progress")
CLOSED: Final = ("completed", "discontinued", "skipped")

DUE: Final[Mapping[str, tuple[Literal["startDate", "endDate"], timedelta]]] = {
    "planned": ("startDate", -timedelta(hours=72)),
    "labs_due": ("startDate", -timedelta(hours=72)),
    "review": ("startDate", timedelta(0)),
    "delayed": ("startDate", timedelta(0)),
    "cleared": ("startDate", timedelta(hours=12)),
    "in_progress": ("endDate", timedelta(hours=24)),
}
"""By when each open state must have ended: labs three days before the start, the decision by the start, the infusion within the
day, the closing within a day of the end."""

SOON: Final = timedelta(hours=24)
LABS_WITHIN: Final = timedelta(days=14)
"""A decision to treat stands on a lab result at most so much older than the start."""

URGENCIES: Final = ("overdue", "review", "unknown", "delayed", "soon", "ok", "closed")
"""Most urgent first; closed cycles are on no board."""


def due_at(status: str | None, start: datetime, end: datetime) -> datetime | None:
    """When the next step must have happened; None for a closed cycle and for one of no known state."""
    if status is None or status not in DUE:
        return None
    field, after = DUE[status]
    return (start if field == "startDate" else end) + after


def urgency(status: str | None, start: datetime, end: datetime, labs_at: datetime | None, now: datetime) -> str:
    """How soon somebody must act: one of URGENCIES. `labs_at` is the patient's newest lab result."""
    if status in CLOSED:
        return "closed"
    due = due_at(status, start, end)
    if due is None:
        return "unknown"
    if due <= now:
        return "overdue"
    if status in ("review", "cleared") and (labs_at is None or labs_at < start - LABS_WITHIN):
        return "unknown"
    if status in ("review", "delayed"):
        return str(status)
    return "soon" if due - now < SOON else "ok"


def signers(cycle: Object) -> frozenset[str]:
    """The accounts that signed the cycle for release."""
    signed = cycle.get("clearedBy")
    return frozenset(filter(None, (pointed(each) for each in (signed if isinstance(signed, list) else []))))


def _is_signed_twice(cycle: Object, now: datetime) -> bool:
    return len(signers(cycle)) >= 2


def _has_new_start(cycle: Object, now: datetime) -> bool:
    start = instant(cycle.get("startDate"))
    return start is not None and start > now


_TWO_SIGNERS: Final = Guard(
    name="two_signers",
    sentence="two different people sign a cycle for release; each adds themselves to clearedBy while it is in review.",
    holds=_is_signed_twice,
)
_NEW_START: Final = Guard(
    name="new_start",
    sentence="a delayed cycle needs the day it is delayed to; give a startDate (and endDate) that has not passed.",
    holds=_has_new_start,
)

CLINICIANS: Final = ("nurse", "oncologist")
SIGNERS: Final = ("nurse", "oncologist", "pharmacist")
TEAM_ROLES: Final = ("nurse", "oncologist", "pharmacist", "careTeam")
"""Who can be on a patient's care team."""

_WARD: Final = frozenset({*CLINICIANS, "admin"})
_RELEASE: Final = frozenset(SIGNERS)
_PRESCRIBER: Final = frozenset({"oncologist", "admin"})
_REASON: Final = ("statusReason",)

CYCLE_STATES: Final = StateMachine(
    class_name="ChemoCycle",
    field="status",
    transitions=(
        Transition(None, "planned", _WARD),
        Transition(None, "labs_due", _WARD),
        Transition("planned", "labs_due", _WARD),
        Transition("labs_due", "review", _WARD),
        Transition("review", "cleared", _RELEASE, (_TWO_SIGNERS,)),
        Transition("cleared", "in_progress", _WARD),
        Transition("in_progress", "completed", _WARD),
        Transition("review", "delayed", _WARD, (_NEW_START,), _REASON),
        Transition("delayed", "labs_due", _WARD),
        *(Transition(state, "discontinued", _PRESCRIBER, needs=_REASON) for state in OPEN),
        *(Transition(state, "skipped", _PRESCRIBER, needs=_REASON) for state in ("planned", "labs_due", "review")),
    ),
)
"""planned, labs_due, review, cleared, in_progress, completed; review may be delayed, and then labs are due again; what is open
may be discontinued, what is not yet cleared may be skipped."""

# --- who may do what ---

_ALL: Final[tuple[Operation, ...]] = ("read", "create", "update", "delete")
_ADMINS: Final = ("ChemoCycle", "Treatment", "SideEffect", "LabTrend")
_READERS: Final = ("admin", *TEAM_ROLES, "patient")
PROFILE: Final = frozenset({"name", "contact", "medicalHistory", "careTeam"})
_REPORT: Final = frozenset({"description", "severity", "chemoCycle", "recordedAt"})
_RELEASING: Final = frozenset({"status", "statusReason", "clearedBy"})

GRANTS: Final = Grants(
    rows=(
        *(Grant(role, name, "read") for role in _READERS for name in PARENTS_FIRST),
        *(Grant("admin", name, operation) for name in _ADMINS for operation in _ALL if operation != "read"),
        *(Grant(role, "Patient", "create") for role in ("admin", *CLINICIANS, "patient")),
        Grant("patient", "Patient", "update", fields=PROFILE),
        Grant("admin", "Patient", "update", fields=frozenset({"user", "careTeam"})),
        Grant("patient", "Patient", "delete"),
        *(Grant(role, "ChemoCycle", operation) for role in CLINICIANS for operation in ("create", "update")),
        Grant("pharmacist", "ChemoCycle", "update", fields=_RELEASING),
        Grant("oncologist", "ChemoCycle", "delete"),
        *(
            Grant(role, name, operation)
            for role in (*TEAM_ROLES, "patient")
            for name in ("Treatment", "LabTrend")
            for operation in ("create", "delete")
        ),
        *(Grant(role, name, "update") for role in CLINICIANS for name in ("Treatment", "LabTrend")),
        *(Grant(role, "SideEffect", "create") for role in CLINICIANS),
        *(Grant(role, "SideEffect", "create", fields=_REPORT) for role in ("pharmacist", "careTeam", "patient")),
        *(Grant(role, "SideEffect", "update", fields=frozenset({"severity", "grade", "ctcaeVersion"})) for role in CLINICIANS),
        *(Grant(role, "SideEffect", "delete") for role in CLINICIANS),
    ),
    derived={
        "ChemoCycle": frozenset({"signers", "urgency", "dueAt", "labs", "labsAt", "labLevel", "worstGrade"}),
        "LabTrend": frozenset({"flag"}),
    },
    advice={
        ("Patient", "update"): "A profile is its patient's own to change.",
        ("Patient", "create"): "Ask a nurse to register the patient.",
        ("ChemoCycle", "create"): "Ask a nurse or oncologist of the care team to plan it.",
        ("ChemoCycle", "update"): "Ask a nurse or oncologist of the care team.",
        ("SideEffect", "create"): "A nurse or oncologist gives the grade.",
        ("SideEffect", "update"): "What was reported stays; report again where it was wrong.",
        ("Treatment", "update"): "Delete it and record it anew where it was wrong.",
        ("LabTrend", "update"): "Delete it and record it anew where it was wrong.",
    },
)

# --- what a field may hold ---


LIMITS: Final = (
    one_of("ChemoCycle", "status", (*OPEN, *CLOSED)),
    one_of("ChemoCycle", "urgency", URGENCIES),
    one_of("ChemoCycle", "labLevel", LAB_LEVELS),
    Limit(
        "ChemoCycle",
        "chemocycle_cyclenumber_range",
        '"cycleNumber" >= 1 and "cycleNumber" = trunc("cycleNumber")',
        "cycleNumber: give a whole number from 1.",
    ),
    Limit(
        "ChemoCycle",
        "chemocycle_dates_order",
        '"endDate" >= "startDate"',
        "endDate: a cycle cannot end before it starts; move both where the start moves.",
    ),
    Limit("SideEffect", "sideeffect_grade_range", '"grade" in (1, 2, 3, 4, 5)', "grade: give a CTCAE grade from 1 to 5."),
    one_of("SideEffect", "ctcaeVersion", CTCAE_VERSIONS),
    Limit(
        "SideEffect",
        "sideeffect_grade_version",
        '"grade" is null or "ctcaeVersion" is not null',
        "ctcaeVersion: a grade means something only with the version of the CTCAE it was given by.",
    ),
    one_of("LabTrend", "flag", FLAGS),
    Limit(
        "LabTrend",
        "labtrend_reference_order",
        '"referenceHigh" >= "referenceLow"',
        "referenceHigh: the reference range cannot end below where it begins.",
    ),
    Limit(
        "LabTrend",
        "labtrend_criticallow_order",
        '"criticalLow" <= "referenceLow"',
        "criticalLow: give a limit at or below referenceLow.",
    ),
    Limit(
        "LabTrend",
        "labtrend_criticalhigh_order",
        '"criticalHigh" >= "referenceHigh"',
        "criticalHigh: give a limit at or above referenceHigh.",
    ),
)

ONE_PROFILE: Final = "Patient_one_profile"
ONE_RUNNING: Final = "ChemoCycle_one_in_progress"
ONE_NUMBER: Final = "ChemoCycle_one_open_number"
UNIQUE: Final[Mapping[str, str]] = {
    ONE_PROFILE: "user: this account has a Patient already; change that one.",
    ONE_RUNNING: "status: another cycle of this patient is in progress; complete or discontinue that one first.",
    ONE_NUMBER: "cycleNumber: an open cycle of this patient and regimen has this number already.",
}
"""What is told when an index that allows one is broken (137)."""

CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far a device's clock may run ahead."""


def check_not_ahead(name: str, value: Json, now: datetime) -> None:
    """Refuses what was measured or felt in the future (142)."""
    moment = instant(value)
    if moment is not None and moment > now + CLOCK_SKEW:
        raise invalid(f"{name}: {moment:%Y-%m-%d %H:%M} UTC has not come yet; check the clock of the device.")


def check_accounts(name: str, value: Json) -> None:
    """Refuses a list that holds anything but pointers to accounts (142)."""
    for member in value if isinstance(value, list) else []:
        if not isinstance(member, dict) or member.get("className") != "_User" or not is_user_principal(pointed(member) or ""):
            raise invalid(f"{name}: give a list of pointers to _User.")


def check_signing(before: Object, after: Object, user_id: str | None) -> None:
    """Refuses a signature for somebody else (119), outside of review or by the patient (142)."""
    check_accounts("clearedBy", after.get("clearedBy"))
    moved = signers(after) ^ signers(before)
    if not moved:
        return
    if before.get("status") != "review":
        raise invalid(f"clearedBy: a cycle is signed while it is in review; this one is {before.get('status') or 'new'}.")
    if moved != {user_id}:
        raise forbidden("clearedBy: add or take back your own signature only; each signs for themselves.")
    if user_id == pointed(after.get("patient")):
        raise forbidden("clearedBy: nobody releases their own treatment; ask two others of the care team.")
