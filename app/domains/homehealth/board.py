"""The job board: what a dispatcher of home health watches, as data for the one board engine.

Owns: `BOARD`. Holds: data only; the order of `LEVELS` is the order of the list, and their words are those of the rules (late
after 5 minutes, not assigned within 4 h, not confirmed within 1 h). May import live, and the lists, the phone and the rules of
this domain.
"""

from typing import Final

from app.domains.homehealth.lists import LABELS, LOGS, PARTS, TECHNICIANS
from app.domains.homehealth.phone import MY_VISITS, REASON
from app.domains.homehealth.rules import PARENTS_FIRST
from app.live.boards.board import (
    Action,
    Board,
    Column,
    Fact,
    Input,
    Join,
    Level,
    Panel,
    Related,
    Section,
    Source,
    Tile,
)
from app.live.boards.trails import audit_list, history

LEVELS: Final = (
    Level(value="missed", label="Missed", icon="alert"),
    Level(value="no_show", label="No answer", icon="home", tone="bad"),
    Level(value="late", label="Late", icon="clock", tone="bad"),
    Level(value="unassigned_soon", label="Not assigned", icon="person"),
    Level(value="overrun", label="Overrun", icon="wait"),
    Level(value="unknown", label="Unknown", icon="unknown"),
    Level(value="unconfirmed_soon", label="Unconfirmed", icon="flag"),
    Level(value="ok", label="OK", icon="dot"),
)

_DESK: Final = ("dispatcher", "admin")
_OFFICE: Final = (*_DESK, "coordinator")
_STEPS: Final = ("open", "offered", "assigned", "confirmed", "en_route", "in_progress", "done", "verified")

_SOURCES: Final = (
    Source(
        name="jobs",
        class_name="Job",
        where={"status": {"$nin": ["verified", "cancelled"]}},
        keys=(
            "description",
            "status",
            "statusReason",
            "technician",
            "scheduledTime",
            "durationMinutes",
            "windowStart",
            "windowEnd",
            "startBy",
            "startedAt",
            "endedAt",
            "clientName",
            "address",
            "location",
            "priority",
            "overlapAllowed",
            "urgency",
        ),
    ),
    Source(
        name="technicians",
        class_name="Technician",
        keys=("name", "availability", "location", "locationAt", "skills", "user"),
    ),
    Source(
        name="people",
        class_name="_User",
        where={"role": {"$in": ["technician", "dispatcher", "coordinator", "admin"]}},
        keys=("username", "displayName", "role", "active", "phoneNumber"),
    ),
)

_COLUMNS: Final = (
    Column(key="urgency", label="Urgency", kind="level", field="urgency", width=(128, 0)),
    Column(
        key="client",
        label="Client",
        kind="name",
        field="clientName|description",
        detail="{description}",
        width=(150, 2),
        personal=True,
    ),
    Column(
        key="due",
        label="Due",
        kind="due",
        field="scheduledTime",
        status="status",
        settled=("in_progress", "on_hold", "done", "verified", "cancelled"),
        detail="{durationMinutes} min",
        flash=False,
    ),
    Column(
        key="status",
        label="Status",
        kind="status",
        field="status",
        steps=_STEPS,
        tones={"missed": "bad", "no_show": "bad", "on_hold": "warn"},
        detail="{statusReason}",
    ),
    Column(key="technician", label="Technician", kind="person", field="aide.name", detail="{aide.availability}", width=(110, 1)),
    Column(
        key="place",
        label="Address",
        kind="place",
        personal=True,
        field="address",
        point="location",
        detail_missing="no address",
        width=(120, 1),
        yields=1,
    ),
    Column(
        key="seen",
        label="Seen",
        kind="age",
        field="aide.locationAt",
        detail_missing="no position",
        flash=False,
        yields=2,
    ),
)

_TILES: Final = (
    Tile(
        key="missed",
        label="Missed or no answer",
        one="missed visits",
        field="urgency",
        among=("missed", "no_show"),
        level="missed",
        none="No visit is missed.",
    ),
    Tile(key="late", label="Late", one="late visits", field="urgency", equals="late", level="late", none="Nobody is late."),
    Tile(
        key="unassigned",
        label="Not assigned, under 4 h",
        one="visits nobody has taken",
        field="urgency",
        equals="unassigned_soon",
        level="unassigned_soon",
        none="Every visit of the next 4 hours is taken.",
    ),
    Tile(
        key="overrun",
        label="Running over",
        one="visits running over",
        field="urgency",
        among=("overrun", "unknown"),
        level="overrun",
        none="Every visit under way is within its time.",
    ),
    Tile(
        key="unconfirmed",
        label="Unconfirmed, under 1 h",
        one="unconfirmed visits",
        field="urgency",
        equals="unconfirmed_soon",
        level="unconfirmed_soon",
        none="Every visit of the next hour is confirmed.",
    ),
    Tile(
        key="done",
        label="To verify",
        one="visits to verify",
        field="status",
        equals="done",
        none="Nothing waits for verification.",
    ),
    Tile(key="ok", label="OK", one="visits that are OK", field="urgency", equals="ok"),
)

_NEAREST: Final = Input(
    name="technician",
    label="Technician",
    kind="pick",
    required=True,
    default="technician",
    source="technicians",
    text="{name}",
    detail="{availability}",
    near="location",
    point="location",
    free={"availability": "available"},
    hint="Free ones first, the nearest on top; who shows no position comes last.",
    empty="No technician is on the list yet. An administrator adds them.",
)
_OVERLAP: Final = Input(
    name="overlapAllowed", label="Overlap", kind="check", default="overlapAllowed", hint="Allow it to overlap another visit"
)
_BEGINS: Final = Input(name="scheduledTime", label="Begins", kind="time", required=True, default="scheduledTime")
_ANEW: Final = Input(name="scheduledTime", label="Begins", kind="time", required=True, default="now")
_LENGTH: Final = (
    Input(name="durationMinutes", label="Takes", kind="number", unit="min", default="durationMinutes", minimum=1, maximum=1440),
    Input(name="windowEnd", label="May begin until", kind="time", default="windowEnd", hint="Without it: until its planned end."),
)

ACTIONS: Final = (
    Action(
        key="assign",
        label="Assign technician",
        icon="person",
        submit="Assign",
        done="{clientName|description}: assigned to {aide.name}.",
        class_name="Job",
        updates=True,
        roles=_DESK,
        shortcut="a",
        offered={"status": ["open", "offered", "assigned", "confirmed", "en_route", "on_hold"]},
        fixed={"status": "=assigned"},
        shows={"technician": "technician"},
        inputs=(_NEAREST, _OVERLAP),
    ),
    Action(
        key="offer",
        label="Offer",
        icon="bell",
        submit="Offer",
        done="{clientName|description}: offered to {aide.name}.",
        class_name="Job",
        updates=True,
        roles=_DESK,
        shortcut="o",
        offered={"status": ["open"]},
        fixed={"status": "=offered"},
        shows={"technician": "technician"},
        inputs=(_NEAREST,),
    ),
    Action(
        key="again",
        label="Plan again",
        icon="calendar",
        submit="Plan",
        done="{clientName|description}: planned again.",
        class_name="Job",
        updates=True,
        roles=_DESK,
        shortcut="p",
        offered={"status": ["missed", "no_show"]},
        fixed={"status": "=assigned"},
        shows={"technician": "technician", "scheduledTime": "scheduledTime"},
        inputs=(_NEAREST, _ANEW, *_LENGTH, _OVERLAP),
    ),
    Action(
        key="move",
        label="Move",
        icon="calendar",
        submit="Move",
        done="{clientName|description}: moved.",
        class_name="Job",
        updates=True,
        roles=_DESK,
        shortcut="m",
        offered={"status": ["open", "offered", "assigned", "confirmed"]},
        shows={"scheduledTime": "scheduledTime"},
        inputs=(_BEGINS, *_LENGTH, _OVERLAP),
    ),
    Action(
        key="status",
        label="Change status",
        icon="flag",
        submit="Change",
        done="{clientName|description}: {status}.",
        class_name="Job",
        updates=True,
        roles=(*_OFFICE, "technician"),
        shortcut="s",
        inputs=(
            Input(name="status", label="Status", kind="state", required=True),
            REASON,
        ),
    ),
    Action(
        key="log",
        label="Record service",
        icon="note",
        submit="Record",
        done="{clientName|description}: the service is recorded.",
        class_name="ServiceLog",
        roles=(*_OFFICE, "technician"),
        shortcut="r",
        offered={"status": ["in_progress", "on_hold", "done", "missed"]},
        fixed={"job": "row", "technician": "technician"},
        inputs=(
            Input(name="description", label="What was done", kind="note", required=True),
            Input(name="serviceTime", label="When", kind="time", required=True, default="now"),
        ),
    ),
    Action(
        key="part",
        label="Set a part aside",
        icon="box",
        submit="Set aside",
        done="{clientName|description}: the part is set aside.",
        class_name="PartsInventory",
        roles=_OFFICE,
        fixed={"job": "row"},
        inputs=(
            Input(name="partName", label="Part", kind="text", required=True),
            Input(name="quantity", label="Quantity", kind="number", required=True, minimum=1),
        ),
    ),
)

_HISTORY: Final = history("Job")

_PANEL: Final = Panel(
    title="{clientName|description}",
    subtitle=("{address}", "{description}"),
    related=(
        Related(name="logs", class_name="ServiceLog", field="job", order="-serviceTime"),
        Related(name="parts", class_name="PartsInventory", field="job", order="partName"),
        _HISTORY[0],
    ),
    sections=(
        Section(
            kind="facts",
            label="Visit",
            facts=(
                Fact(label="Technician", field="{aide.name}"),
                Fact(label="Begins", field="scheduledTime", kind="clock"),
                Fact(label="May begin until", field="startBy", kind="clock"),
                Fact(label="Takes", field="{durationMinutes} min", missing="not set"),
                Fact(label="Began", field="startedAt", kind="clock"),
                Fact(label="Ended", field="endedAt", kind="clock"),
                Fact(label="Priority", field="{priority}"),
                Fact(label="Reason", field="{statusReason}"),
                Fact(label="Where", field="address", kind="place", point="location", missing="no address"),
            ),
        ),
        Section(
            kind="log",
            label="Service log",
            related=("logs",),
            at="serviceTime",
            text=("{description}",),
            notes=("{verification}", "{location|=no place}", "{distanceMeters} m from the door"),
            empty="Nothing is recorded for this visit.",
        ),
        Section(
            kind="log",
            label="Parts",
            related=("parts",),
            at="updatedAt",
            text=("{quantity} of {partName}",),
            empty="No part is set aside for this visit.",
        ),
        Section(kind="others", label="Also with this technician", field="aide.objectId"),
        _HISTORY[1],
    ),
)

BOARD: Final = Board(
    name="homehealth",
    title="Home health · job status",
    nav="Home health",
    icon="home",
    noun=("visit", "visits"),
    level_field="urgency",
    levels=LEVELS,
    order="scheduledTime",
    label="clientName|description",
    sources=_SOURCES,
    joins=(Join(name="aide", field="technician", source="technicians"),),
    columns=_COLUMNS,
    tiles=_TILES,
    search=("clientName", "description", "address", "status", "aide.name"),
    search_hint="client, address, technician",
    panel=_PANEL,
    actions=ACTIONS,
    alarm=("missed", "no_show", "late"),
    labels=LABELS,
    people_roles=_DESK,
    empty="A visit appears here as soon as a dispatcher schedules one that you may see.",
    beside=(MY_VISITS, TECHNICIANS, PARTS, LOGS, audit_list(PARENTS_FIRST)),
)
