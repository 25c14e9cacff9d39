"""The pages beside the oncology board: patients, side effects, and the patient's own page; and what they share with the board.

Owns: the lists, `MY_CARE`, and the sources, sections and words that several pages use. Holds: data only. May import
live.boards.board and rules.
"""

from app.core.wire import Json
from app.domains.oncology.rules import CLINICIANS, CLOSED, TEAM_ROLES, URGENCIES
from app.live.boards.board import (
    Action,
    Board,
    Choice,
    Column,
    Fact,
    Input,
    Join,
    Mine,
    Panel,
    Part,
    Related,
    Section,
    Source,
    Tile,
)

FLAG_TONES = {"LL": "bad", "HH": "bad", "L": "warn", "H": "warn"}
GRADE_TONES = {"5": "bad", "4": "bad", "3": "bad", "2": "warn"}
WARD = (*CLINICIANS, "admin")
STAFF = (*TEAM_ROLES, "admin")

_ON_BOARD: list[Json] = [name for name in URGENCIES if name != "closed"]

CYCLES = Source(
    name="cycles",
    class_name="ChemoCycle",
    where={"urgency": {"$in": _ON_BOARD}},
    keys=(
        "cycleNumber",
        "regimen",
        "status",
        "statusReason",
        "startDate",
        "endDate",
        "patient",
        "clearedBy",
        "signers",
        "dueAt",
        "urgency",
        "labs",
        "labsAt",
        "labLevel",
        "worstGrade",
    ),
)
PATIENTS = Source(name="patients", class_name="Patient", keys=("name", "user", "contact", "careTeam"))
_SEVERITIES = (
    Choice(value="mild", label="Mild"),
    Choice(value="moderate", label="Moderate"),
    Choice(value="severe", label="Severe"),
    Choice(value="life_threatening", label="Life-threatening"),
)

REPORT = (
    Input(name="description", label="What happened", kind="text", required=True, hint="Nausea, tingling fingers, fever 38.4 …"),
    Input(name="severity", label="How bad", kind="choice", required=True, choices=_SEVERITIES),
    Input(name="recordedAt", label="When", kind="time", required=True, default="now"),
)

LABELS = {
    "status": {"labs_due": "Labs due", "in_progress": "In progress"},
    "severity": {choice.value: choice.label for choice in _SEVERITIES},
    "flag": {"L": "low", "H": "high", "LL": "critically low", "HH": "critically high", "N": "normal"},
}

TREND = Section(
    kind="trend",
    label="Lab trends",
    related=("labs",),
    at="date",
    value="result",
    series="labTestName",
    unit="{unit}",
    low="referenceLow",
    high="referenceHigh",
    flag="flag",
    tones=FLAG_TONES,
    empty="No lab result is recorded for this patient.",
)

PATIENT_LIST = Board(
    name="patients",
    title="Patients",
    nav="Patients",
    icon="person",
    noun=("patient", "patients"),
    order="createdAt",
    label="name",
    sources=(
        Source(
            name="patients", class_name="Patient", keys=("name", "contact", "user", "careTeam", "medicalHistory", "createdAt")
        ),
        CYCLES,
    ),
    joins=(Join(name="cycle", source="cycles", field="user", back="patient", newest="startDate"),),
    columns=(
        Column(
            key="name", label="Patient", kind="name", field="name", detail="{contact}", personal=True, detail_missing="no contact"
        ),
        Column(
            key="cycle",
            label="Open cycle",
            kind="text",
            field="cycle.regimen",
            detail="cycle {cycle.cycleNumber} · {cycle.status}",
            detail_missing="none",
        ),
        Column(key="team", label="Care team", kind="count", field="careTeam", unit="people"),
        Column(key="since", label="Since", kind="date", field="createdAt"),
    ),
    search=("name", "contact", "cycle.regimen"),
    search_hint="name, contact, regimen",
    panel=Panel(
        title="{name}",
        subtitle=("{contact}",),
        related=(
            Related(name="labs", class_name="LabTrend", field="patient", of="user", order="-date", limit=400),
            Related(name="cycles", class_name="ChemoCycle", field="patient", of="user", order="-startDate"),
            Related(name="drugs", class_name="Treatment", field="patient", of="user", order="-date"),
        ),
        sections=(
            Section(
                kind="facts",
                label="Medical history",
                facts=(
                    Fact(label="Diagnosis", field="{medicalHistory.diagnosis}", missing="not on file"),
                    Fact(label="Stage", field="{medicalHistory.stage}", missing="not on file"),
                    Fact(label="Allergies", field="{medicalHistory.allergies}", missing="none on file"),
                ),
            ),
            TREND,
            Section(
                kind="log",
                label="Cycles",
                related=("cycles",),
                at="startDate",
                text=("{regimen}", "cycle {cycleNumber}"),
                notes=("{status}", "{statusReason}"),
                empty="No cycle is planned.",
            ),
            Section(
                kind="log",
                label="Treatments",
                related=("drugs",),
                at="date",
                text=("{type}",),
                notes=("{notes}",),
                empty="No treatment is recorded.",
            ),
        ),
    ),
    labels=LABELS,
    roles=STAFF,
    empty="A nurse registers patients; those whose care team you are on appear here.",
)

EFFECT_LIST = Board(
    name="effects",
    title="Side effects",
    nav="Side effects",
    icon="note",
    noun=("side effect", "side effects"),
    order="recordedAt",
    newest_first=True,
    label="description",
    sources=(
        Source(
            name="effects",
            class_name="SideEffect",
            keys=("description", "severity", "grade", "ctcaeVersion", "recordedAt", "chemoCycle"),
        ),
        Source(name="cycles", class_name="ChemoCycle", keys=("regimen", "cycleNumber", "patient")),
        PATIENTS,
    ),
    joins=(
        Join(name="cycle", source="cycles", field="chemoCycle"),
        Join(name="profile", source="patients", field="cycle.patient", back="user"),
    ),
    columns=(
        Column(
            key="what",
            label="Side effect",
            kind="name",
            width=(260, 2.0),
            field="description",
            detail="{profile.name} · {cycle.regimen} · cycle {cycle.cycleNumber}",
        ),
        Column(key="severity", label="Severity", kind="text", field="severity", width=(120, 0.6)),
        Column(
            key="grade",
            label="Grade",
            kind="value",
            width=(110, 0.6),
            field="grade",
            status="grade",
            tones=GRADE_TONES,
            detail="CTCAE {ctcaeVersion}",
            detail_missing="not graded",
        ),
        Column(key="when", label="When", kind="age", field="recordedAt", flash=False, width=(84, 0.0)),
    ),
    tiles=(
        Tile(key="grade-3", label="Grade 3", one="side effects of grade 3", field="grade", equals=3),
        Tile(key="grade-4", label="Grade 4", one="side effects of grade 4", field="grade", equals=4),
    ),
    actions=(
        Action(
            key="grade",
            label="Give the grade",
            icon="flag",
            submit="Save",
            done="{description} is graded.",
            class_name="SideEffect",
            updates=True,
            roles=WARD,
            shows={"grade": "grade"},
            inputs=(
                Input(name="grade", label="CTCAE grade", kind="scale", required=True, default="grade", minimum=1, maximum=5),
                Input(
                    name="ctcaeVersion",
                    label="By CTCAE",
                    kind="choice",
                    required=True,
                    choices=(
                        Choice(value="5.0", label="5.0"),
                        Choice(value="6.0", label="6.0"),
                        Choice(value="4.03", label="4.03"),
                    ),
                ),
            ),
        ),
    ),
    search=("description", "profile.name", "cycle.regimen"),
    search_hint="words, patient, regimen",
    panel=Panel(
        title="{description}",
        subtitle=("{profile.name}", "{cycle.regimen} · cycle {cycle.cycleNumber}"),
        related=(),
        sections=(
            Section(
                kind="facts",
                label="As reported",
                facts=(
                    Fact(label="When", field="recordedAt", kind="clock"),
                    Fact(label="Severity", field="{severity}"),
                    Fact(label="Grade", field="CTCAE {ctcaeVersion} grade {grade}", missing="not graded"),
                ),
            ),
        ),
    ),
    labels=LABELS,
    roles=STAFF,
    empty="A side effect appears here as soon as a patient reports one, or a nurse logs it from a cycle's panel.",
)

MY_CARE = Mine(
    name="my-care",
    title="My care",
    nav="My care",
    roles=("patient",),
    parts=(
        Part(
            key="cycles",
            label="My cycles",
            class_name="ChemoCycle",
            order="-startDate",
            limit=4,
            keys=("cycleNumber", "regimen", "status", "startDate", "endDate"),
            where={"patient": "$me"},
            title="{regimen} · cycle {cycleNumber}",
            status="status",
            tones={"delayed": "warn"},
            done=CLOSED,
            at="startDate",
            actions=(
                Action(
                    key="effect",
                    label="Report a side effect",
                    icon="note",
                    submit="Report",
                    done="Your care team can see it now.",
                    class_name="SideEffect",
                    roles=("patient",),
                    fixed={"chemoCycle": "row"},
                    inputs=REPORT,
                ),
            ),
            empty="Your care team has not planned a cycle yet.",
        ),
        Part(
            key="effects",
            label="What I reported",
            kind="notes",
            class_name="SideEffect",
            order="-recordedAt",
            keys=("description", "severity", "recordedAt"),
            title="{description}",
            lines=("{severity}",),
            at="recordedAt",
            empty="You have not reported a side effect.",
        ),
        Part(
            key="labs",
            label="My lab results",
            kind="trend",
            class_name="LabTrend",
            order="-date",
            keys=("labTestName", "result", "unit", "referenceLow", "referenceHigh", "flag", "date"),
            where={"patient": "$me"},
            title="{labTestName}",
            section=TREND,
            empty="No lab result is there yet.",
        ),
        Part(
            key="treatments",
            label="My treatments",
            kind="notes",
            class_name="Treatment",
            order="-date",
            keys=("type", "date", "notes"),
            where={"patient": "$me"},
            title="{type}",
            lines=("{notes}",),
            at="date",
            empty="No treatment is recorded yet.",
        ),
    ),
    labels=LABELS,
)
