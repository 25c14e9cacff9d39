"""The PSI board: what a dispatcher watches, as data for the one board engine.

Owns: `BOARD`. Holds: data only; the order of `LEVELS` is the order of the list. The words of an urgency and its limits are those
of the oxygen rules (critical under 2 h, low under 8 h). May import live.boards, inputs and what stands beside.
"""

from dataclasses import replace

from app.domains.oxygen.beside import BESIDE
from app.domains.oxygen.inputs import AFTER, BEFORE, PRESSURE, REASON, REASONS, REMARKS
from app.live.boards.board import (
    Action,
    Board,
    Choice,
    Column,
    Input,
    Join,
    Level,
    Missing,
    Panel,
    Related,
    Section,
    Source,
    Tile,
    Trail,
)
from app.live.boards.trails import history

LEVELS = (
    Level(value="empty", label="Empty", icon="alert"),
    Level(value="critical", label="Critical", icon="alert"),
    Level(value="unknown", label="Unknown", icon="unknown"),
    Level(value="low", label="Low", icon="down"),
    Level(value="ok", label="OK", icon="dot"),
)

# A reading that is older than the whole "low" span could hide a tank that has become critical since.
_READING_LIMIT_MINUTES = 8 * 60
# The nominal fill of an E cylinder; readings above it (up to 3,000) fill the gauge.
_FULL_PSI = 2200
_STAFF = ("driver", "dispatcher", "admin", "careTeam")
_DISPATCH = ("dispatcher", "admin")
_HANDS = (*_DISPATCH, "driver")

_SOURCES = (
    Source(
        name="tanks",
        class_name="TankAssignment",
        keys=(
            "tankSerialNumber",
            "psiLevel",
            "status",
            "assignedSite",
            "assignedDriver",
            "lastCheckedAt",
            "cylinderSize",
            "flowLpm",
            "residualPsi",
            "emptyAt",
            "urgency",
        ),
    ),
    Source(
        name="sites",
        class_name="PatientSite",
        keys=(
            "siteName",
            "addressLine1",
            "city",
            "region",
            "postalCode",
            "notes",
            "deliveryWindowStart",
            "deliveryWindowEnd",
        ),
    ),
    Source(
        name="people",
        class_name="_User",
        where={"role": {"$in": list(_STAFF)}},
        keys=("username", "displayName", "role", "active", "phoneNumber"),
    ),
)

_COLUMNS = (
    Column(key="urgency", label="Urgency", kind="level", field="urgency"),
    Column(
        key="tank",
        label="Tank",
        kind="name",
        field="tankSerialNumber",
        detail="{cylinderSize} · {status}",
        detail_missing="size not set",
    ),
    Column(key="site", label="Site", kind="text", field="site.siteName", detail="{site.city}", personal=True),
    Column(key="pressure", label="Pressure", kind="gauge", field="psiLevel", unit="psi", full=_FULL_PSI),
    Column(
        key="left",
        label="Time left",
        kind="left",
        field="emptyAt",
        detail="empty at",
        detail_missing="not in use",
        missing=(
            Missing(field="cylinderSize", words="size not set"),
            Missing(field="flowLpm", words="flow not set"),
            Missing(field="lastCheckedAt", words="never read"),
        ),
        flash=False,
    ),
    Column(key="driver", label="Driver", kind="person", field="driver.displayName|driver.username"),
    Column(
        key="window",
        label="Window",
        kind="window",
        field="site.deliveryWindowStart",
        until="site.deliveryWindowEnd",
        against="emptyAt",
        detail_missing="not set",
        yields=1,
    ),
    Column(key="read", label="Read", kind="age", field="lastCheckedAt", limit_minutes=_READING_LIMIT_MINUTES, flash=False),
)

_TILES = (
    Tile(key="empty", label="Empty", one="empty tanks", field="urgency", equals="empty", level="empty", horizon_minutes=0),
    Tile(
        key="critical",
        label="Critical, under 2 h",
        one="critical tanks",
        field="urgency",
        equals="critical",
        level="critical",
        horizon_minutes=120,
    ),
    Tile(
        key="low",
        label="Low, under 8 h",
        one="low tanks",
        field="urgency",
        equals="low",
        level="low",
        horizon_minutes=480,
    ),
    Tile(
        key="unknown",
        label="Unknown",
        one="tanks of unknown time",
        field="urgency",
        equals="unknown",
        level="unknown",
        none="Size, flow and pressure of every tank are known.",
    ),
    Tile(key="ok", label="OK", one="tanks that are OK", field="urgency", equals="ok"),
    Tile(
        key="no-driver",
        label="No active driver",
        one="tanks without an active driver",
        field="driver.ok",
        equals=False,
        none="Every tank has an active driver.",
    ),
)

_EVENTS = (
    Choice(value="psi_check", label="PSI check"),
    Choice(value="contact_called", label="Contact called"),
    Choice(value="delayed", label="Delayed"),
    Choice(value="loaded", label="Loaded"),
    Choice(value="departed", label="Departed"),
    Choice(value="arrived", label="Arrived"),
    Choice(value="delivered", label="Delivered"),
    Choice(value="picked_up", label="Picked up"),
    Choice(value="handoff", label="Handed off"),
    Choice(value="refused", label="Refused"),
    Choice(value="escalated", label="Escalated"),
)

_ACTIONS = (
    Action(
        key="assign",
        label="Assign driver",
        icon="person",
        submit="Assign",
        done="{tankSerialNumber} goes to {driver.displayName|driver.username}.",
        class_name="TankAssignment",
        updates=True,
        roles=_DISPATCH,
        shortcut="a",
        shows={"assignedDriver": "assignedDriver"},
        inputs=(
            Input(
                name="assignedDriver",
                label="Driver",
                kind="person",
                required=True,
                default="assignedDriver",
                source="people",
                where={"role": "driver", "active": True},
                empty="No driver is active. Ask an administrator to enable one.",
            ),
        ),
    ),
    Action(
        key="refill",
        label="Log refill",
        icon="refill",
        submit="Log refill",
        done="Refill of {tankSerialNumber} is logged.",
        class_name="RefillLog",
        roles=_HANDS,
        shortcut="r",
        fixed={"tankAssignment": "row", "refilledBy": "me"},
        shows={"psiLevel": "psiAfter", "lastCheckedAt": "refillTime"},
        inputs=(
            BEFORE,
            AFTER,
            Input(name="refillTime", label="When", kind="time", required=True, default="now"),
            REASON,
            REMARKS,
        ),
    ),
    Action(
        key="event",
        label="Record event",
        icon="note",
        submit="Record",
        done="{tankSerialNumber}: the event is recorded.",
        class_name="DispatchEvent",
        roles=_HANDS,
        shortcut="e",
        fixed={"tankAssignment": "row", "recordedBy": "me"},
        shows={"psiLevel": "psiLevel", "lastCheckedAt": "eventTime"},
        shows_when=("eventType", "psi_check"),
        inputs=(
            Input(name="eventType", label="What happened", kind="choice", required=True, choices=_EVENTS),
            replace(PRESSURE, when=("eventType", "psi_check")),
            Input(name="eventTime", label="When", kind="time", required=True, default="now"),
            Input(name="locationNote", label="Note", kind="note", hint="Where, or what was said."),
        ),
    ),
)

_HISTORY = history("TankAssignment")

_PANEL = Panel(
    title="{site.siteName}",
    subtitle=("{site.addressLine1}, {site.city}", "{site.notes}"),
    related=(
        Related(name="refills", class_name="RefillLog", field="tankAssignment", order="-refillTime"),
        Related(name="events", class_name="DispatchEvent", field="tankAssignment", order="-eventTime"),
        Related(name="contacts", class_name="EmergencyContact", field="site", of="site", order="contactName"),
        _HISTORY[0],
    ),
    sections=(
        Section(
            kind="plot",
            label="Pressure",
            unit="psi",
            floor="residualPsi",
            floor_default=200,
            empty="No reading is on file. Record a PSI check to begin.",
            points=(
                ("refills", "refillTime", ("psiBefore", "psiAfter")),
                ("events", "eventTime", ("psiLevel",)),
                ("row", "lastCheckedAt", ("psiLevel",)),
            ),
        ),
        Section(kind="window", label="Delivery window", field="window", empty="No window is set for this site."),
        Section(
            kind="contacts",
            label="Emergency contacts",
            related=("contacts",),
            empty="No emergency contact is on file for this site.",
        ),
        Section(
            kind="log",
            label="Refills",
            related=("refills",),
            at="refillTime",
            text=("{psiBefore} → {psiAfter} psi",),
            by="refilledBy.displayName|refilledBy.username",
            notes=("{refillReason}", "{remarks}"),
            empty="No refill is logged for this tank.",
        ),
        Section(
            kind="log",
            label="Events",
            related=("events",),
            at="eventTime",
            text=("{eventType}", "{psiLevel}"),
            by="recordedBy.displayName|recordedBy.username",
            notes=("{locationNote}",),
            empty="Nothing is recorded for this tank.",
        ),
        _HISTORY[1],
        Section(kind="others", label="Also at this site", field="site.objectId"),
    ),
)

_LANGUAGES = {
    "ar": "العربية",
    "en": "English",
    "es": "Español",
    "fa": "فارسی",
    "fr": "Français",
    "gu": "ગુજરાતી",
    "hi": "हिन्दी",
    "ja": "日本語",
    "ko": "한국어",
    "pl": "Polski",
    "pt": "Português",
    "ru": "Русский",
    "sm": "Gagana Sāmoa",
    "so": "Soomaali",
    "tl": "Tagalog",
    "uk": "Українська",
    "vi": "Tiếng Việt",
    "zh": "中文",
}

_LABELS = {
    "status": {"qc_hold": "QC hold"},
    "eventType": {choice.value: choice.label for choice in _EVENTS},
    "refillReason": {choice.value: choice.label for choice in REASONS},
    "preferredLanguage": _LANGUAGES,
}

BOARD = Board(
    name="oxygen",
    title="Oxygen · PSI levels",
    nav="Oxygen",
    icon="oxygen",
    noun=("tank", "tanks"),
    level_field="urgency",
    levels=LEVELS,
    order="emptyAt",
    label="tankSerialNumber",
    sources=_SOURCES,
    joins=(
        Join(name="site", field="assignedSite", source="sites"),
        Join(name="driver", field="assignedDriver", source="people", requires={"active": True, "role": "driver"}),
    ),
    columns=_COLUMNS,
    tiles=_TILES,
    search=(
        "tankSerialNumber",
        "cylinderSize",
        "site.siteName",
        "site.addressLine1",
        "site.city",
        "driver.displayName",
        "driver.username",
    ),
    search_hint="tank, site, driver",
    panel=_PANEL,
    actions=_ACTIONS,
    trail=(
        Trail(related="events", at="eventTime", values=("psiLevel",), words="eventType"),
        Trail(related="refills", at="refillTime", values=("psiBefore", "psiAfter")),
    ),
    happened="events",
    alarm=("empty", "critical"),
    labels=_LABELS,
    people_roles=_DISPATCH,
    beside=BESIDE,
    empty="A tank appears here as soon as a dispatcher adds one that you may see.",
)
