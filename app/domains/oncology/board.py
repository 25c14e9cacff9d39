"""The board of oncology: cycles by what they wait for, with the newest lab results, the flowsheet and the trends of each.

Owns: `BOARD`. Holds: data only; the order of `LEVELS` is the order of the list, and the words of an urgency are those of the
oncology rules. May import live.boards.board, live.boards.trails, rules and beside.py.
"""

from app.core.wire import Json
from app.domains.oncology.beside import (
    CYCLES,
    EFFECT_LIST,
    FLAG_TONES,
    GRADE_TONES,
    LABELS,
    MY_CARE,
    PATIENT_LIST,
    PATIENTS,
    REPORT,
    STAFF,
    TREND,
    WARD,
)
from app.domains.oncology.rules import CLOSED, LABS_WITHIN, PARENTS_FIRST, SIGNERS
from app.live.boards.board import (
    Action,
    Board,
    Column,
    Fact,
    Flag,
    Input,
    Join,
    Level,
    Panel,
    Related,
    Section,
    SheetRow,
    Source,
    Tile,
)
from app.live.boards.trails import access_list, audit_list, history

LEVELS = (
    Level(value="overdue", label="Overdue", icon="alert"),
    Level(value="review", label="To review", icon="check"),
    Level(value="unknown", label="Unknown", icon="unknown"),
    Level(value="delayed", label="Delayed", icon="pause"),
    Level(value="soon", label="Within 24 h", icon="clock"),
    Level(value="ok", label="OK", icon="dot"),
)

_STEPS = ("planned", "labs_due", "review", "cleared", "in_progress", "completed")
_PEOPLE = Source(
    name="people",
    class_name="_User",
    where={"role": {"$in": list[Json](STAFF)}},
    keys=("username", "displayName", "role", "active"),
)


def _lab(key: str, label: str, test: str, yields: int) -> Column:
    """The newest result of one test, against its own reference range."""
    return Column(
        key=key,
        label=label,
        kind="value",
        field=f"labs.{test}.result",
        unit=f"{{labs.{test}.unit}}",
        low=f"labs.{test}.referenceLow",
        high=f"labs.{test}.referenceHigh",
        status=f"labs.{test}.flag",
        tones=FLAG_TONES,
        detail_missing="no result",
        width=(116, 0.3),
        yields=yields,
    )


_COLUMNS = (
    Column(key="urgency", label="Urgency", kind="level", field="urgency", width=(116, 0.0)),
    Column(
        key="patient",
        label="Patient",
        kind="name",
        field="profile.name|regimen",
        detail="{regimen} · cycle {cycleNumber}",
        detail_missing="regimen not set",
        personal=True,
        width=(170, 1.6),
    ),
    Column(
        key="status",
        label="Status",
        kind="status",
        field="status",
        card="lead",
        steps=_STEPS,
        tones={"delayed": "warn", "review": "odd"},
        detail="{statusReason} · signed by {signers}",
        width=(140, 1.2),
    ),
    Column(
        key="due",
        label="Next step by",
        kind="due",
        field="dueAt",
        status="status",
        settled=CLOSED,
        detail_missing="not known",
        width=(104, 0.4),
    ),
    Column(key="span", label="Days", kind="span", field="startDate", until="endDate", width=(112, 0.3), yields=5),
    _lab("anc", "ANC", "ANC", 0),
    _lab("plt", "Platelets", "PLT", 1),
    _lab("hgb", "Hgb", "HGB", 3),
    _lab("crea", "Creatinine", "CREA", 4),
    Column(
        key="effects",
        label="Side effects",
        kind="flags",
        field="",
        flags=(
            Flag(field="worstGrade", words="grade 5", tone="bad", equals=5),
            Flag(field="worstGrade", words="grade 4", tone="bad", equals=4),
            Flag(field="worstGrade", words="grade 3", tone="bad", equals=3),
            Flag(field="worstGrade", words="grade 2", icon="note", equals=2),
        ),
        width=(96, 0.3),
        yields=2,
    ),
    Column(
        key="labs-age",
        label="Newest lab",
        kind="age",
        field="labsAt",
        limit_minutes=int(LABS_WITHIN.total_seconds() // 60),
        flash=False,
        width=(84, 0.0),
        yields=6,
    ),
)

_TILES = (
    Tile(
        key="overdue",
        label="Overdue",
        one="overdue cycles",
        field="urgency",
        equals="overdue",
        level="overdue",
        horizon_minutes=0,
    ),
    Tile(
        key="review",
        label="To review",
        one="cycles to review",
        field="urgency",
        equals="review",
        level="review",
        none="No cycle waits for its release.",
    ),
    Tile(
        key="unknown",
        label="Unknown",
        one="cycles without fresh labs",
        field="urgency",
        equals="unknown",
        level="unknown",
        none="Every decision stands on fresh results.",
    ),
    Tile(
        key="delayed",
        label="Delayed",
        one="delayed cycles",
        field="urgency",
        equals="delayed",
        level="delayed",
        none="None is delayed.",
    ),
    Tile(
        key="soon",
        label="Within 24 h",
        one="cycles due within 24 h",
        field="urgency",
        equals="soon",
        level="soon",
        horizon_minutes=24 * 60,
    ),
    Tile(
        key="critical-labs",
        label="Critical labs",
        one="cycles with critical labs",
        field="labLevel",
        equals="critical",
        none="No newest result is critical.",
    ),
    Tile(
        key="running",
        label="In progress",
        one="running cycles",
        field="status",
        equals="in_progress",
        none="No cycle is running.",
    ),
)

_STEP = Action(
    key="step",
    label="Next step",
    icon="flag",
    submit="Save",
    done="Cycle {cycleNumber}: {status}.",
    class_name="ChemoCycle",
    updates=True,
    roles=(*WARD, "pharmacist"),
    shortcut="s",
    shows={"status": "status"},
    inputs=(
        Input(name="status", label="Status", kind="state", required=True),
        Input(name="statusReason", label="Reason", kind="note", required=True, when=("status", "delayed|discontinued|skipped")),
        Input(name="startDate", label="New start", kind="time", required=True, when=("status", "delayed")),
        Input(name="endDate", label="New end", kind="time", required=True, when=("status", "delayed")),
    ),
)

_SIGN = Action(
    key="sign",
    label="Sign for release",
    icon="check",
    submit="Sign",
    done="You signed cycle {cycleNumber}; two different people are needed.",
    class_name="ChemoCycle",
    updates=True,
    roles=SIGNERS,
    shortcut="g",
    offered={"status": "review"},
    fixed={"clearedBy": "+me"},
    inputs=(),
)

_EFFECT = Action(
    key="effect",
    label="Log side effect",
    icon="note",
    submit="Log",
    done="The side effect is logged.",
    class_name="SideEffect",
    roles=STAFF,
    shortcut="e",
    fixed={"chemoCycle": "row"},
    inputs=REPORT,
)

_RESULT = Action(
    key="lab",
    label="Record lab result",
    icon="flask",
    submit="Record",
    done="The result is recorded.",
    class_name="LabTrend",
    roles=STAFF,
    shortcut="l",
    fixed={"patient": "patient"},
    inputs=(
        Input(name="labTestName", label="Test", kind="text", required=True, hint="ANC, Platelets, Hemoglobin, Creatinine"),
        Input(name="result", label="Result", kind="number", required=True),
        Input(name="unit", label="Unit", kind="text"),
        Input(name="referenceLow", label="Reference from", kind="number", hint="As the laboratory prints it."),
        Input(name="referenceHigh", label="Reference to", kind="number"),
        Input(name="date", label="Drawn", kind="time", required=True, default="now"),
    ),
)

_TREATMENT = Action(
    key="treatment",
    label="Record treatment",
    icon="pill",
    submit="Record",
    done="The treatment is recorded.",
    class_name="Treatment",
    roles=STAFF,
    shortcut="t",
    fixed={"chemoCycle": "row"},
    inputs=(
        Input(name="type", label="Drug or treatment", kind="text", required=True),
        Input(name="date", label="When", kind="time", required=True, default="now"),
        Input(name="notes", label="Dose and notes", kind="note"),
    ),
)

_FLOWSHEET = Section(
    kind="flowsheet",
    label="Flowsheet",
    start="startDate",
    end="endDate",
    rows=(
        SheetRow(related="labs", at="date", label="{labTestName}", text="{result}", tone="flag", tones=FLAG_TONES),
        SheetRow(related="drugs", at="date", label="{type}", text="given"),
        SheetRow(related="effects", at="recordedAt", label="{description}", text="{grade}", tone="grade", tones=GRADE_TONES),
    ),
    wide=True,
)

_HISTORY = history("ChemoCycle")

_PANEL = Panel(
    title="{profile.name}",
    subtitle=("{regimen} · cycle {cycleNumber}",),
    related=(
        Related(name="labs", class_name="LabTrend", field="patient", of="patient", order="-date", limit=400),
        Related(name="drugs", class_name="Treatment", field="chemoCycle", order="-date"),
        Related(name="effects", class_name="SideEffect", field="chemoCycle", order="-recordedAt"),
        _HISTORY[0],
    ),
    sections=(
        Section(
            kind="facts",
            label="Cycle",
            facts=(
                Fact(label="Starts", field="startDate", kind="clock"),
                Fact(label="Ends", field="endDate", kind="clock"),
                Fact(label="Next step by", field="dueAt", kind="clock", missing="not known"),
                Fact(label="Reason", field="{statusReason}", missing="none given"),
                Fact(label="Signed by", field="{signers}", missing="nobody yet"),
                Fact(label="Contact", field="profile.contact", kind="phone", missing="not on file"),
            ),
        ),
        TREND,
        _FLOWSHEET,
        Section(
            kind="log",
            label="Side effects",
            related=("effects",),
            at="recordedAt",
            text=("{description}",),
            notes=("{severity}", "CTCAE {ctcaeVersion} grade {grade}"),
            empty="No side effect is reported in this cycle.",
        ),
        Section(
            kind="log",
            label="Treatments",
            related=("drugs",),
            at="date",
            text=("{type}",),
            notes=("{notes}",),
            empty="Nothing is recorded as given in this cycle.",
        ),
        _HISTORY[1],
    ),
)

BOARD = Board(
    name="oncology",
    title="Oncology · cycles and lab trends",
    nav="Oncology",
    icon="flask",
    noun=("cycle", "cycles"),
    level_field="urgency",
    levels=LEVELS,
    order="dueAt",
    label="regimen",
    sources=(CYCLES, PATIENTS, _PEOPLE),
    joins=(Join(name="profile", source="patients", field="patient", back="user"),),
    columns=_COLUMNS,
    tiles=_TILES,
    search=("profile.name", "regimen", "status"),
    search_hint="patient, regimen, status",
    panel=_PANEL,
    actions=(_STEP, _SIGN, _RESULT, _EFFECT, _TREATMENT),
    alarm=("overdue",),
    labels=LABELS,
    people_roles=("admin",),
    roles=STAFF,
    empty="A cycle appears here as soon as a nurse or oncologist plans one for a patient whose care team you are on.",
    beside=(PATIENT_LIST, EFFECT_LIST, MY_CARE, audit_list(PARENTS_FIRST), access_list(("admin", "patient"))),
)
