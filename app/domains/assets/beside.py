"""The pages beside the board of assets: work orders, moves, plans, figures, the audit trail, and a technician's own page.

Owns: these descriptions and the actions they share with the board. Holds: data only, but for the formulas of `figures.py`. May
import live.boards.board, live.boards.trails, figures and rules.
"""

from typing import Final

from app.domains.assets.figures import figures
from app.domains.assets.rules import CATEGORY_WORDS, MAINTENANCE_TYPES, OPEN, OUTCOMES, PARENTS_FIRST
from app.live.boards.board import (
    Action,
    Board,
    Choice,
    Column,
    Fact,
    Figures,
    Input,
    Join,
    Mine,
    Panel,
    Part,
    Section,
    Source,
    Tile,
)
from app.live.boards.trails import audit_list

DESK: Final = ("biomed", "admin")
HANDS: Final = (*DESK, "technician")
_NEWEST: Final = 500

PEOPLE: Final = Source(
    name="people",
    class_name="_User",
    where={"role": {"$in": ["biomed", "technician", "departmentManager", "nurse", "oncologist", "provider"]}},
    keys=("username", "displayName", "role", "active"),
)

_TYPES: Final = {value: value.replace("_", " ").capitalize() for value in MAINTENANCE_TYPES}
_OUTCOMES: Final = {value: value.capitalize() for value in OUTCOMES}
LABELS: Final[dict[str, dict[str, str]]] = {
    "status": {
        "available": "Available",
        "in_use": "In use",
        "maintenance": "In maintenance",
        "out_of_service": "Out of service",
        "retired": "Retired",
        "attention_needed": "attention needed",
        "deferred_in_use": "deferred, in use",
    },
    "criticality": {"low": "low risk", "medium": "medium risk", "high": "high risk", "critical": "life support"},
    "category": CATEGORY_WORDS,
    "assignmentStatus": {"active": "there now"},
    "maintenanceType": _TYPES,
    "outcome": {},
    "eventType": {
        "handed_on": "handed on",
        "inspection_passed": "inspection passed",
        "maintenance_deferred_in_use": "service deferred, in use",
        "maintenance_could_not_locate": "not found for service",
        "maintenance_completed": "service done",
        "maintenance_verified": "service verified",
    },
    "severity": {},
}

_WORK_TONES: Final = {"on_hold": "warn", "could_not_locate": "bad", "deferred_in_use": "warn"}
_DONE_FIELDS: Final = (
    Input(
        name="outcome",
        label="Outcome",
        kind="choice",
        choices=tuple(Choice(value=value, label=label) for value, label in _OUTCOMES.items()),
        when=("status", "completed"),
    ),
    Input(name="findings", label="Findings", kind="note", when=("status", "completed|on_hold")),
    Input(name="partsUsed", label="Parts used", kind="list", when=("status", "completed"), hint="Separated by commas."),
    Input(
        name="downtimeMinutes",
        label="Downtime",
        kind="number",
        unit="min",
        minimum=0,
        when=("status", "completed"),
        hint="How long the asset could not be used.",
    ),
)

LOG_WORK: Final = Action(
    key="work",
    label="Log work",
    icon="wrench",
    submit="Log",
    done="Work on {assetTag} is logged.",
    class_name="MaintenanceLog",
    roles=HANDS,
    shortcut="l",
    fixed={"asset": "row", "performedBy": "me"},
    inputs=(
        Input(
            name="maintenanceType",
            label="Kind of work",
            kind="choice",
            required=True,
            choices=tuple(Choice(value=value, label=label) for value, label in _TYPES.items()),
        ),
        Input(
            name="status",
            label="How it stands",
            kind="choice",
            required=True,
            choices=(
                Choice(value="completed", label="Completed"),
                Choice(value="in_progress", label="In progress"),
                Choice(value="deferred_in_use", label="Deferred: in use on a patient"),
                Choice(value="could_not_locate", label="Could not be found"),
            ),
        ),
        Input(name="startedAt", label="Started", kind="time", required=True, default="now"),
        *_DONE_FIELDS,
        Input(name="summary", label="What was done", kind="note"),
    ),
)

INSPECT: Final = Action(
    key="inspect",
    label="Inspect",
    icon="check",
    submit="Record",
    done="The inspection of {assetTag} is recorded.",
    class_name="Inspection",
    roles=HANDS,
    shortcut="i",
    fixed={"asset": "row", "inspectedBy": "me"},
    inputs=(
        Input(
            name="status",
            label="Found",
            kind="choice",
            required=True,
            choices=(
                Choice(value="passed", label="Passed"),
                Choice(value="attention_needed", label="Attention needed"),
                Choice(value="failed", label="Failed: takes it out of service"),
            ),
        ),
        Input(name="inspectedAt", label="When", kind="time", required=True, default="now"),
        Input(name="findings", label="Findings", kind="note"),
    ),
)

PLAN: Final = Action(
    key="plan",
    label="Plan service",
    icon="calendar",
    submit="Plan",
    done="The service of {assetTag} is planned.",
    class_name="MaintenancePlan",
    roles=DESK,
    shortcut="p",
    fixed={"asset": "row", "status": "=active"},
    inputs=(
        Input(name="frequencyDays", label="Every", kind="number", unit="days", required=True, minimum=1, maximum=3650),
        Input(name="nextDueAt", label="First due", kind="date", required=True),
        Input(name="checklist", label="Checklist", kind="list", hint="Steps, separated by commas."),
    ),
)

_GO_ON: Final = Action(
    key="go-on",
    label="Go on",
    icon="play",
    submit="Save",
    done="The work is saved.",
    class_name="MaintenanceLog",
    roles=HANDS,
    updates=True,
    inputs=(
        Input(name="status", label="Next", kind="state", required=True, leads=("in_progress", "completed")),
        *_DONE_FIELDS,
    ),
)

_ASSETS: Final = Source(
    name="assets",
    class_name="Asset",
    keys=(
        "assetTag",
        "name",
        "model",
        "category",
        "currentLocation",
        "department",
        "status",
        "criticality",
        "purchaseDate",
        "createdAt",
    ),
)
_OF_ASSET: Final = Join(name="of", field="asset", source="assets")
_ASSET_NAME: Final = Column(key="asset", label="Asset", kind="name", field="of.assetTag", detail="{of.name}", width=(140, 1.0))

_WORK: Final = Board(
    name="assets-work",
    title="Work orders",
    nav="Work",
    icon="wrench",
    noun=("work order", "work orders"),
    order="startedAt",
    newest_first=True,
    label="of.assetTag",
    roles=HANDS,
    sources=(
        Source(
            name="work",
            class_name="MaintenanceLog",
            keys=(
                "asset",
                "performedBy",
                "maintenanceType",
                "status",
                "startedAt",
                "completedAt",
                "findings",
                "partsUsed",
                "nextDueAt",
                "downtimeMinutes",
                "summary",
                "outcome",
                "notes",
                "plannedFor",
            ),
            order="-startedAt",
            limit=_NEWEST,
        ),
        _ASSETS,
        PEOPLE,
    ),
    joins=(_OF_ASSET, Join(name="by", field="performedBy", source="people")),
    columns=(
        Column(key="when", label="Started", kind="age", field="startedAt", flash=False),
        _ASSET_NAME,
        Column(key="kind", label="Work", kind="text", field="maintenanceType", detail="{summary}", width=(130, 1.2)),
        Column(
            key="status",
            label="Status",
            kind="status",
            field="status",
            steps=("scheduled", "in_progress", "completed", "verified"),
            tones=_WORK_TONES,
            detail="{outcome}",
        ),
        Column(key="who", label="By", kind="text", field="by.displayName|by.username", detail="{by.role}", yields=1),
        Column(key="down", label="Downtime", kind="count", field="downtimeMinutes", unit="min", yields=2),
    ),
    tiles=(
        Tile(key="open", label="Open", one="open work orders", field="status", among=OPEN, none="No work is open."),
        Tile(key="hold", label="On hold", one="work orders on hold", field="status", equals="on_hold", none="Nothing waits."),
        Tile(key="done", label="To be verified", one="work orders to be verified", field="status", equals="completed"),
        Tile(key="repairs", label="Repairs", one="repairs", field="maintenanceType", equals="corrective"),
    ),
    search=("of.assetTag", "of.name", "maintenanceType", "status", "summary", "findings", "by.displayName", "by.username"),
    search_hint="asset, work, person",
    panel=Panel(
        title="{of.assetTag} · {maintenanceType}",
        subtitle=("{of.name}", "{of.currentLocation}"),
        related=(),
        sections=(
            Section(
                kind="facts",
                label="Work order",
                facts=(
                    Fact(label="Started", field="startedAt", kind="clock"),
                    Fact(label="Completed", field="completedAt", kind="clock", missing="not yet"),
                    Fact(label="Planned for", field="plannedFor", kind="day"),
                    Fact(label="Next due", field="nextDueAt", kind="day"),
                    Fact(label="By", field="{by.displayName|by.username}"),
                    Fact(label="Outcome", field="{outcome}"),
                    Fact(label="Findings", field="{findings}"),
                    Fact(label="Notes", field="{notes}"),
                    Fact(label="Downtime", field="{downtimeMinutes} min"),
                ),
            ),
            Section(kind="others", label="More work on this asset", field="of.objectId"),
        ),
    ),
    actions=(_GO_ON,),
    labels=LABELS,
    people_roles=DESK,
    empty="Work that is logged from an asset's panel appears here, the newest first.",
)

_MOVES: Final = Board(
    name="assets-moves",
    title="Moves",
    nav="Moves",
    icon="place",
    noun=("assignment", "assignments"),
    order="assignedAt",
    newest_first=True,
    label="of.assetTag",
    roles=(*HANDS, "departmentManager"),
    sources=(
        Source(
            name="moves",
            class_name="AssetAssignment",
            keys=(
                "asset",
                "assignedTo",
                "departmentName",
                "roomLabel",
                "assignedAt",
                "returnedAt",
                "assignmentStatus",
                "returnedTo",
                "usageNotes",
            ),
            order="-assignedAt",
            limit=_NEWEST,
        ),
        _ASSETS,
        PEOPLE,
    ),
    joins=(_OF_ASSET, Join(name="who", field="assignedTo", source="people")),
    columns=(
        Column(key="when", label="Since", kind="age", field="assignedAt", flash=False),
        _ASSET_NAME,
        Column(key="place", label="Where", kind="text", field="departmentName", detail="{roomLabel}"),
        Column(key="who", label="With", kind="text", field="who.displayName|who.username", detail="{who.role}"),
        Column(key="status", label="Status", kind="status", field="assignmentStatus"),
        Column(
            key="back", label="Back", kind="date", field="returnedAt", detail="{returnedTo}", detail_missing="in use", yields=1
        ),
    ),
    tiles=(
        Tile(key="now", label="Now in use", one="active assignments", field="assignmentStatus", equals="active"),
        Tile(key="handed", label="Transferred", one="transfers", field="assignmentStatus", equals="transferred"),
    ),
    search=("of.assetTag", "of.name", "departmentName", "roomLabel", "who.displayName", "who.username"),
    search_hint="asset, department, person",
    panel=Panel(
        title="{of.assetTag} · {departmentName}",
        subtitle=("{of.name}", "{roomLabel}"),
        related=(),
        sections=(
            Section(
                kind="facts",
                label="Assignment",
                facts=(
                    Fact(label="From", field="assignedAt", kind="clock"),
                    Fact(label="Until", field="returnedAt", kind="clock", missing="now"),
                    Fact(label="With", field="{who.displayName|who.username}"),
                    Fact(label="Put back at", field="{returnedTo}"),
                    Fact(label="Notes", field="{usageNotes}"),
                ),
            ),
            Section(kind="others", label="More moves of this asset", field="of.objectId"),
        ),
    ),
    labels=LABELS,
    people_roles=DESK,
    empty="Each move appears here, the newest first; an asset is moved from its panel.",
)

_PLANS: Final = Board(
    name="assets-plans",
    title="Service plans",
    nav="Plans",
    icon="calendar",
    noun=("plan", "plans"),
    order="nextDueAt",
    label="of.assetTag",
    roles=HANDS,
    sources=(
        Source(
            name="plans",
            class_name="MaintenancePlan",
            where={"status": {"$ne": "completed"}},
            keys=("asset", "frequencyDays", "nextDueAt", "status", "checklist"),
        ),
        _ASSETS,
    ),
    joins=(_OF_ASSET,),
    columns=(
        _ASSET_NAME,
        Column(
            key="due",
            label="Next due",
            kind="due",
            field="nextDueAt",
            status="status",
            settled=("paused",),
            flash=False,
            width=(152, 0.8),
        ),
        Column(key="every", label="Every", kind="count", field="frequencyDays", unit="days", width=(96, 0.3)),
        Column(key="status", label="Status", kind="status", field="status", tones={"paused": "warn"}),
        Column(key="where", label="Where", kind="text", field="of.currentLocation", detail="{of.department}", yields=1),
        Column(key="steps", label="Checklist", kind="count", field="checklist", unit="steps", yields=2),
    ),
    tiles=(
        Tile(key="active", label="Active", one="active plans", field="status", equals="active"),
        Tile(key="paused", label="Paused", one="paused plans", field="status", equals="paused", none="No plan is paused."),
    ),
    search=("of.assetTag", "of.name", "of.currentLocation", "of.department", "status"),
    search_hint="asset, place",
    panel=Panel(
        title="{of.assetTag} · every {frequencyDays} days",
        subtitle=("{of.name}", "{of.currentLocation}"),
        related=(),
        sections=(
            Section(kind="checklist", label="Checklist", field="checklist", empty="This plan has no checklist."),
            Section(kind="others", label="More plans of this asset", field="of.objectId"),
        ),
    ),
    actions=(
        Action(
            key="plan-state",
            label="Pause or end",
            icon="pause",
            submit="Set",
            done="The plan of {of.assetTag} is set.",
            class_name="MaintenancePlan",
            roles=DESK,
            updates=True,
            inputs=(Input(name="status", label="Plan", kind="state", required=True),),
        ),
        Action(
            key="plan-change",
            label="Change",
            icon="calendar",
            submit="Change",
            done="The plan of {of.assetTag} is changed.",
            class_name="MaintenancePlan",
            roles=DESK,
            updates=True,
            inputs=(
                Input(
                    name="frequencyDays",
                    label="Every",
                    kind="number",
                    unit="days",
                    required=True,
                    minimum=1,
                    maximum=3650,
                    default="frequencyDays",
                ),
                Input(name="nextDueAt", label="Next due", kind="date", required=True, default="nextDueAt"),
            ),
        ),
    ),
    labels=LABELS,
    empty="A plan appears here as soon as one is made from an asset's panel.",
)

_FIGURES: Final = Figures(
    name="assets-figures",
    title="Compliance and reliability",
    nav="Figures",
    roles=DESK,
    sources=(
        _ASSETS,
        Source(name="plans", class_name="MaintenancePlan", keys=("asset", "nextDueAt", "status")),
        Source(
            name="logs",
            class_name="MaintenanceLog",
            where={"$or": [{"maintenanceType": "corrective"}, {"plannedFor": {"$exists": True}}]},
            keys=(
                "asset",
                "plan",
                "maintenanceType",
                "status",
                "startedAt",
                "completedAt",
                "performedAt",
                "plannedFor",
                "downtimeMinutes",
            ),
        ),
    ),
    compute=figures,
)

_MINE: Final = Mine(
    name="my-equipment",
    title="My equipment",
    nav="My equipment",
    icon="wrench",
    roles=("technician",),
    labels=LABELS,
    parts=(
        Part(
            key="work",
            label="Work given to me",
            class_name="MaintenanceLog",
            where={"performedBy": "$me", "status": {"$in": list(OPEN)}},
            order="startedAt",
            keys=("asset", "maintenanceType", "status", "startedAt", "summary", "notes", "findings", "outcome"),
            include=("asset",),
            title="{asset.assetTag} · {asset.name}",
            lines=("{maintenanceType}", "{summary}", "{notes}"),
            status="status",
            tones=_WORK_TONES,
            at="startedAt",
            begun=True,
            place="asset.currentLocation",
            actions=(_GO_ON,),
            empty="No work waits for you.",
        ),
        Part(
            key="assets",
            label="Assets I look after",
            class_name="Asset",
            where={"technician": "$me", "status": {"$ne": "retired"}},
            order="nextServiceDue",
            keys=("assetTag", "name", "model", "status", "urgency", "currentLocation", "nextServiceDue"),
            title="{assetTag} · {name}",
            lines=("{model}",),
            status="status",
            tones={"out_of_service": "bad", "maintenance": "warn"},
            at="nextServiceDue",
            place="currentLocation",
            actions=(LOG_WORK, INSPECT),
            empty="No asset is given to you yet; biomedical engineering does that.",
        ),
    ),
)

LISTS: Final = (_WORK, _PLANS, _MOVES, _FIGURES, audit_list(PARENTS_FIRST, name="assets-audit"), _MINE)
