"""What stands beside the PSI board: the refill log, the contacts, the audit trail, and the driver's route.

Owns: `BESIDE`. Holds: data only. May import inputs, live.boards.board, live.boards.trails.
"""

from app.domains.oxygen.inputs import AFTER, BEFORE, PRESSURE, REASON, REMARKS
from app.live.boards.board import Action, Board, Column, Fact, Input, Join, Mine, Panel, Part, Section, Source
from app.live.boards.trails import audit_list

_STAFF = ("dispatcher", "admin", "driver", "careTeam")
_DRIVER = ("driver",)
_PEOPLE = Source(name="people", class_name="_User", keys=("username", "displayName", "role", "active"))
_TANKS = Source(name="tanks", class_name="TankAssignment", keys=("tankSerialNumber", "cylinderSize", "assignedSite"))
_SITES = Source(name="sites", class_name="PatientSite", keys=("siteName", "city", "addressLine1"))

REFILLS = Board(
    name="refills",
    title="Refill log",
    nav="Refills",
    icon="refill",
    noun=("refill", "refills"),
    order="refillTime",
    newest_first=True,
    label="tank.tankSerialNumber",
    roles=_STAFF,
    sources=(
        Source(
            name="refills",
            class_name="RefillLog",
            keys=("tankAssignment", "refillTime", "psiBefore", "psiAfter", "refilledBy", "refillReason", "remarks"),
            order="-refillTime",
            limit=1000,
        ),
        _TANKS,
        _SITES,
        _PEOPLE,
    ),
    joins=(
        Join(name="tank", field="tankAssignment", source="tanks"),
        Join(name="site", field="tank.assignedSite", source="sites"),
        Join(name="who", field="refilledBy", source="people"),
    ),
    columns=(
        Column(key="when", label="When", kind="age", field="refillTime", width=(74, 0.0), flash=False),
        Column(key="tank", label="Tank", kind="name", field="tank.tankSerialNumber", detail="{tank.cylinderSize}"),
        Column(key="site", label="Site", kind="text", field="site.siteName", detail="{site.city}", personal=True),
        Column(key="before", label="Before", kind="count", field="psiBefore", unit="psi", width=(100, 0.3), card="lead"),
        Column(key="after", label="After", kind="count", field="psiAfter", unit="psi", width=(100, 0.3), card="end"),
        Column(key="reason", label="Reason", kind="text", field="refillReason", detail="{remarks}", yields=2, card="none"),
        Column(key="who", label="By", kind="text", field="who.displayName|who.username", yields=1, card="none"),
    ),
    search=("tank.tankSerialNumber", "site.siteName", "site.city", "who.displayName", "refillReason", "remarks"),
    search_hint="tank, site, person, reason",
    panel=Panel(
        title="{tank.tankSerialNumber}",
        subtitle=("{site.siteName}", "{psiBefore} → {psiAfter} psi"),
        related=(),
        sections=(
            Section(
                kind="facts",
                label="Refill",
                facts=(
                    Fact(label="When", field="refillTime", kind="clock"),
                    Fact(label="By", field="{who.displayName|who.username}"),
                    Fact(label="Reason", field="{refillReason}"),
                    Fact(label="Remarks", field="{remarks}"),
                ),
            ),
            Section(kind="others", label="More refills of this tank", field="tankAssignment.objectId"),
        ),
    ),
    empty="A refill appears here as soon as one is logged, from a tank's panel or on a driver's phone.",
)

CONTACTS = Board(
    name="contacts",
    title="Emergency contacts",
    nav="Contacts",
    icon="phone",
    noun=("contact", "contacts"),
    order="createdAt",
    label="contactName",
    roles=_STAFF,
    sources=(
        Source(
            name="contacts",
            class_name="EmergencyContact",
            keys=("site", "contactName", "relationship", "phoneNumber", "isPrimary", "preferredLanguage"),
        ),
        _SITES,
    ),
    joins=(Join(name="home", field="site", source="sites"),),
    columns=(
        Column(key="name", label="Name", kind="name", field="contactName", detail="{relationship}", personal=True, card="title"),
        Column(key="site", label="Site", kind="text", field="home.siteName", detail="{home.city}", personal=True, card="lead"),
        Column(key="phone", label="Telephone", kind="text", field="phoneNumber", card="end"),
        Column(key="language", label="Language", kind="text", field="preferredLanguage", width=(100, 0.5), yields=1),
    ),
    search=("contactName", "relationship", "phoneNumber", "home.siteName", "home.city"),
    search_hint="name, site, city, number",
    panel=Panel(
        title="{contactName}",
        subtitle=("{relationship}", "{home.siteName}"),
        related=(),
        sections=(
            Section(
                kind="facts",
                label="Contact",
                facts=(
                    Fact(label="Telephone", field="phoneNumber", kind="phone"),
                    Fact(label="Address", field="{home.addressLine1}, {home.city}"),
                    Fact(label="Language", field="{preferredLanguage}"),
                ),
            ),
            Section(kind="others", label="Others of this site", field="site.objectId"),
        ),
    ),
    empty="A contact appears here as soon as a dispatcher adds one to a site.",
)

ROUTE = Mine(
    name="route",
    title="My route",
    nav="My route",
    icon="truck",
    roles=_DRIVER,
    parts=(
        Part(
            key="tanks",
            label="My tanks, the most urgent first",
            class_name="TankAssignment",
            where={"assignedDriver": "$me"},
            order="emptyAt,tankSerialNumber",
            keys=(
                "tankSerialNumber",
                "psiLevel",
                "status",
                "assignedSite",
                "lastCheckedAt",
                "cylinderSize",
                "emptyAt",
                "urgency",
            ),
            include=("assignedSite",),
            title="{assignedSite.siteName}",
            lines=("{tankSerialNumber} · {cylinderSize}", "{psiLevel} psi, {status}", "{assignedSite.notes}"),
            status="urgency",
            tones={"empty": "filled", "critical": "bad", "low": "warn", "unknown": "odd"},
            at="assignedSite.deliveryWindowStart",
            until="assignedSite.deliveryWindowEnd",
            place="assignedSite.addressLine1",
            point="assignedSite.location",
            actions=(
                Action(
                    key="check",
                    label="PSI check",
                    icon="check",
                    submit="Save the reading",
                    done="{tankSerialNumber}: {psiLevel} psi.",
                    class_name="DispatchEvent",
                    roles=_DRIVER,
                    fixed={"tankAssignment": "row", "recordedBy": "me", "eventType": "=psi_check", "eventTime": "now"},
                    place="location",
                    shows={"psiLevel": "psiLevel"},
                    inputs=(PRESSURE, Input(name="locationNote", label="Note", kind="note")),
                ),
                Action(
                    key="refill",
                    label="Refill",
                    icon="refill",
                    submit="Log refill",
                    done="{tankSerialNumber}: the refill is logged.",
                    class_name="RefillLog",
                    roles=_DRIVER,
                    fixed={"tankAssignment": "row", "refilledBy": "me", "refillTime": "now"},
                    shows={"psiLevel": "psiAfter"},
                    inputs=(BEFORE, AFTER, REASON, REMARKS),
                ),
                Action(
                    key="handoff",
                    label="Hand off",
                    icon="person",
                    submit="Record the hand-off",
                    done="{tankSerialNumber}: handed off.",
                    class_name="DispatchEvent",
                    roles=_DRIVER,
                    fixed={"tankAssignment": "row", "recordedBy": "me", "eventType": "=handoff", "eventTime": "now"},
                    place="location",
                    inputs=(Input(name="locationNote", label="To whom, and where", kind="note", required=True),),
                ),
            ),
            limit=200,
            empty="No tank is assigned to you. A dispatcher gives you one.",
        ),
    ),
    labels={"status": {"qc_hold": "QC hold"}, "urgency": {"ok": "OK"}},
)

BESIDE = (
    ROUTE,
    REFILLS,
    CONTACTS,
    audit_list(("TankAssignment", "RefillLog", "PatientSite", "EmergencyContact", "DispatchEvent")),
)
