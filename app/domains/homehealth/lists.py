"""The lists beside the job board: technicians, parts and service logs, as data for the one board engine.

Owns: `TECHNICIANS`, `PARTS`, `LOGS`, and the words of the values. Holds: data only. May import live.boards.
"""

from typing import Final

from app.live.boards.board import Action, Board, Choice, Column, Input, Join, Panel, Related, Section, Source
from app.live.boards.trails import history

_DESK: Final = ("dispatcher", "admin")
_OFFICE: Final = (*_DESK, "coordinator")

STATES: Final = {"no_show": "no answer", "en_route": "on the way", "in_progress": "in progress", "on_hold": "on hold"}
LABELS: Final = {
    "status": STATES,
    "availability": {"off_duty": "off duty"},
    "verification": {"complete": "verified", "out_of_area": "out of area", "incomplete": "not verified"},
    "priority": {"asap": "as soon as possible", "stat": "at once"},
}
"""The words of the values that differ from the values themselves."""


AVAILABILITY: Final = (
    Choice(value="available", label="Available"),
    Choice(value="busy", label="Busy"),
    Choice(value="off_duty", label="Off duty"),
)

TECHNICIANS: Final = Board(
    name="technicians",
    title="Technicians",
    nav="Technicians",
    icon="person",
    noun=("technician", "technicians"),
    order="locationAt",
    newest_first=True,
    label="name",
    sources=(
        Source(
            name="technicians",
            class_name="Technician",
            keys=("name", "availability", "assignedJobs", "location", "locationAt", "skills", "user"),
        ),
        Source(
            name="people",
            class_name="_User",
            where={"role": {"$in": ["technician", "dispatcher", "coordinator", "admin"]}},
            keys=("username", "displayName", "role", "active", "phoneNumber"),
        ),
    ),
    joins=(Join(name="account", field="user", source="people"),),
    columns=(
        Column(key="name", label="Technician", kind="name", field="name", detail="{account.phoneNumber}"),
        Column(
            key="availability",
            label="Availability",
            kind="status",
            field="availability",
            tones={"off_duty": "odd"},
        ),
        Column(key="jobs", label="Visits ahead", kind="count", field="assignedJobs", unit="visits"),
        Column(key="place", label="Position", kind="place", field="position", point="location", yields=2),
        Column(key="seen", label="Seen", kind="age", field="locationAt", detail_missing="no position", flash=False, yields=1),
    ),
    search=("name", "availability"),
    search_hint="name, availability",
    panel=Panel(
        title="{name}",
        subtitle=("{account.phoneNumber}",),
        related=(
            Related(
                name="visits",
                class_name="Job",
                field="technician",
                order="-scheduledTime",
                limit=50,
            ),
        ),
        sections=(
            Section(
                kind="log",
                label="Visits",
                related=("visits",),
                at="scheduledTime",
                text=("{clientName|description}",),
                notes=("{status}", "{address}"),
                empty="No visit names this technician.",
            ),
        ),
    ),
    actions=(
        Action(
            key="availability",
            label="My availability",
            icon="flag",
            submit="Save",
            done="{name}: {availability}.",
            class_name="Technician",
            updates=True,
            roles=("technician",),
            shortcut="a",
            shows={"availability": "availability"},
            inputs=(
                Input(
                    name="availability",
                    label="Availability",
                    kind="choice",
                    required=True,
                    default="availability",
                    choices=AVAILABILITY,
                ),
            ),
        ),
        Action(
            key="profile",
            label="Edit",
            icon="note",
            submit="Save",
            done="{name}: saved.",
            class_name="Technician",
            updates=True,
            roles=_DESK,
            shortcut="e",
            shows={"name": "name"},
            inputs=(
                Input(name="name", label="Name", kind="text", required=True, default="name"),
                Input(name="skills", label="Skills", kind="list", default="skills", hint="Separated by commas."),
            ),
        ),
    ),
    labels=LABELS,
    people_roles=_DESK,
    empty="A technician appears here as soon as a dispatcher adds one.",
)

_HISTORY: Final = history("PartsInventory", wide=False)

PARTS: Final = Board(
    name="parts",
    title="Parts",
    nav="Parts",
    icon="box",
    noun=("part", "parts"),
    order="updatedAt",
    newest_first=True,
    label="partName",
    sources=(
        Source(name="parts", class_name="PartsInventory", keys=("partName", "quantity", "availability", "reorderLevel", "job")),
        Source(
            name="jobs",
            class_name="Job",
            where={"status": {"$nin": ["verified", "cancelled"]}},
            keys=("clientName", "description", "status", "scheduledTime"),
        ),
    ),
    joins=(Join(name="visit", field="job", source="jobs"),),
    columns=(
        Column(key="part", label="Part", kind="name", field="partName"),
        Column(
            key="quantity",
            label="Quantity",
            kind="count",
            field="quantity",
            against="reorderLevel",
            detail="reorder at {reorderLevel}",
        ),
        Column(
            key="visit",
            label="Set aside for",
            kind="text",
            field="visit.clientName|visit.description",
            detail="{visit.status}",
            detail_missing="common stock",
        ),
    ),
    search=("partName", "visit.clientName", "visit.description"),
    search_hint="part, client",
    panel=Panel(
        title="{partName}",
        subtitle=("{visit.clientName|visit.description}",),
        related=(_HISTORY[0],),
        sections=(_HISTORY[1],),
    ),
    actions=(
        Action(
            key="take",
            label="Take",
            icon="down",
            submit="Take",
            done="{partName}: taken.",
            class_name="PartsInventory",
            updates=True,
            roles=(*_OFFICE, "technician"),
            shortcut="t",
            offered={"availability": True},
            inputs=(Input(name="quantity", label="How many", kind="amount", required=True, default="", minimum=1),),
        ),
        Action(
            key="count",
            label="Count",
            icon="note",
            submit="Save",
            done="{partName}: {quantity} in stock.",
            class_name="PartsInventory",
            updates=True,
            roles=_OFFICE,
            shortcut="c",
            shows={"quantity": "quantity", "reorderLevel": "reorderLevel"},
            inputs=(
                Input(name="quantity", label="In stock", kind="number", required=True, default="quantity", minimum=0),
                Input(name="reorderLevel", label="Reorder at", kind="number", default="reorderLevel", minimum=0),
            ),
        ),
    ),
    labels=LABELS,
    empty="A part appears here as soon as one is set aside from a visit's panel.",
)

LOGS: Final = Board(
    name="logs",
    title="Service log",
    nav="Service log",
    icon="list",
    noun=("entry", "entries"),
    order="serviceTime",
    newest_first=True,
    label="description",
    sources=(
        Source(
            name="logs",
            class_name="ServiceLog",
            keys=(
                "description",
                "serviceTime",
                "technician",
                "job",
                "startedAt",
                "endedAt",
                "location",
                "verification",
                "distanceMeters",
            ),
            order="-serviceTime",
            limit=500,
            include=("job", "technician"),
        ),
    ),
    columns=(
        Column(key="what", label="What was done", kind="name", field="description", detail="{job.clientName}", width=(220, 3)),
        Column(key="technician", label="Technician", kind="text", field="technician.name", width=(130, 1)),
        Column(key="when", label="When", kind="age", field="serviceTime", flash=False),
        Column(
            key="verification",
            label="Verification",
            kind="status",
            field="verification",
            tones={"out_of_area": "warn", "incomplete": "odd"},
            detail="{distanceMeters} m from the door",
        ),
    ),
    search=("description", "job.clientName", "technician.name", "verification"),
    search_hint="client, technician, words",
    panel=Panel(
        title="{job.clientName|job.description}",
        subtitle=("{description}", "{technician.name}"),
        related=(),
        sections=(),
    ),
    actions=(
        Action(
            key="confirm",
            label="Confirm the place",
            icon="place",
            submit="Confirm",
            done="The place is confirmed.",
            class_name="ServiceLog",
            updates=True,
            roles=_OFFICE,
            shortcut="p",
            offered={"verification": ["incomplete"]},
            fixed={"location": "job.location"},
            inputs=(
                Input(
                    name="description",
                    label="What was done, and who confirmed it",
                    kind="text",
                    required=True,
                    default="description",
                ),
            ),
        ),
        Action(
            key="correct",
            label="Correct",
            icon="note",
            submit="Save",
            done="The entry is corrected.",
            class_name="ServiceLog",
            updates=True,
            roles=_OFFICE,
            shortcut="c",
            shows={"description": "description"},
            inputs=(
                Input(name="description", label="What was done", kind="text", required=True, default="description"),
                Input(name="startedAt", label="Began", kind="time", required=True, default="startedAt"),
                Input(name="endedAt", label="Ended", kind="time", required=True, default="endedAt"),
            ),
        ),
    ),
    labels=LABELS,
    empty="An entry appears here as soon as a visit is recorded, from its panel or on a technician's phone.",
)
