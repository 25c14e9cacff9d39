"""The rules of oxygen delivery, as tables of data and pure functions.

Owns: the cylinders and their litres, the formula of the time left, the urgency bands, the states of a tank, who may do what,
and the values a field may hold. Holds: each number is written here once; the triggers of the database are generated from it
(`triggers.py`), and a test holds that SQL and Python give the same answer. Nothing awaits, reads a clock or touches the
database. May import `domains.domain`, `domains.limits` and core.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from app.core.wire import Json, Object, is_user_principal
from app.domains.domain import (
    Grant,
    Grants,
    Guard,
    Operation,
    StateMachine,
    Through,
    Transition,
    invalid,
)
from app.domains.limits import Limit, instant, one_of, pointed

PARENTS_FIRST: Final = ("PatientSite", "TankAssignment", "RefillLog", "EmergencyContact", "DispatchEvent")

LITRES_PER_PSI: Final[Mapping[str, float]] = {
    "M6": 0.0745,
    "M9": 0.116,
    "D": 0.16,
    "E": 0.28,
    "M60": 0.79,
    "M": 1.56,
    "G": 2.41,
    "H": 3.14,
    "K": 3.14,
    "H/K": 3.14,
}
"""Litres a cylinder gives for each psi: cubic feet x 28.3 / 2200. Where texts differ it is the lower one: too much on paper
kills. "M" (122 cubic feet) is not "M6". An oxygen conserver never enters: it fails over to continuous flow."""

MAX_PSI: Final = 3000
RESIDUAL_PSI: Final = 200
"""What is left in the cylinder by custom, and never counted as time."""

CRITICAL_BELOW: Final = timedelta(hours=2)
LOW_BELOW: Final = timedelta(hours=8)
LOW_PSI: Final = 500
"""Without size or flow no time can be told; below this pressure the tank is low all the same."""

NOTHING_PSI: Final = 0.001
"""Less than any gauge shows: counts as nothing left."""

LONGEST: Final = timedelta(days=3650)
"""The farthest a tank is said to last: keeps a trickle of flow within what a date can hold."""

MAX_FLOW_LPM: Final = 100
CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far a device's clock may run ahead. A reading from farther in the future would hide every later one."""

URGENCIES: Final = ("empty", "critical", "unknown", "low", "ok")
"""Most urgent first; what is unknown comes right after critical, never last."""

EVENT_TYPES: Final = (
    "loaded",
    "departed",
    "arrived",
    "delivered",
    "picked_up",
    "handoff",
    "delayed",
    "refused",
    "psi_check",
    "contact_called",
    "escalated",
)


def minutes_left(psi: float, size: str | None, flow_lpm: float | None, residual_psi: float | None = None) -> float | None:
    """Minutes until the residual pressure, at continuous flow; None where size or flow is unknown and there is something left."""
    usable = psi - (RESIDUAL_PSI if residual_psi is None else residual_psi)
    if usable < NOTHING_PSI:
        return 0.0
    factor = LITRES_PER_PSI.get(size or "")
    if factor is None or flow_lpm is None:
        return None
    longest = LONGEST / timedelta(minutes=1)
    return longest if usable * factor >= longest * flow_lpm else usable * factor / flow_lpm


def empty_at(
    psi: float, read_at: datetime, size: str | None, flow_lpm: float | None, residual_psi: float | None = None
) -> datetime | None:
    """When the tank read as `psi` at `read_at` runs out, to the millisecond; None where that cannot be told."""
    minutes = minutes_left(psi, size, flow_lpm, residual_psi)
    if minutes is None:
        return None
    return read_at + timedelta(milliseconds=round(minutes * 60000))


def urgency(psi: float, runs_out: datetime | None, now: datetime, residual_psi: float | None = None) -> str:
    """How soon somebody must act: one of URGENCIES. `runs_out` is what `empty_at` gave."""
    if psi <= (RESIDUAL_PSI if residual_psi is None else residual_psi):
        return "empty"
    if runs_out is None:
        return "low" if psi < LOW_PSI else "unknown"
    if runs_out <= now:
        return "empty"
    left = runs_out - now
    return "critical" if left < CRITICAL_BELOW else "low" if left < LOW_BELOW else "ok"


AWAY: Final = ("returned", "filling", "qc_hold", "quarantined", "condemned", "lost")
"""States in which nobody breathes from a tank: it does not run out, so it has no emptyAt. Its urgency is ok, but for a lost one,
of which nothing is known. A full, loaded or delivered tank counts as flowing from its reading on: the worst case alarms."""

# --- who may do what ---

STAFF: Final = ("dispatcher", "admin")
_ALL: Final[tuple[Operation, ...]] = ("read", "create", "update", "delete")
_OWN_TANK: Final = Through(pointer="tankAssignment", class_name="TankAssignment", owner="assignedDriver")

GRANTS: Final = Grants(
    rows=(
        *(Grant(role, name, operation) for role in STAFF for name in PARENTS_FIRST for operation in _ALL),
        *(Grant(role, name, "read") for role in ("driver", "careTeam", "patient") for name in PARENTS_FIRST),
        Grant("driver", "TankAssignment", "update", fields=frozenset({"psiLevel", "status", "lastCheckedAt"})),
        Grant("driver", "RefillLog", "create", signed="refilledBy", through=_OWN_TANK),
        Grant("driver", "DispatchEvent", "create", signed="recordedBy", through=_OWN_TANK),
    ),
    derived={"TankAssignment": frozenset({"emptyAt", "urgency"})},
    advice={
        ("PatientSite", "create"): "Ask a dispatcher to add the site.",
        ("TankAssignment", "create"): "Ask a dispatcher to add the tank.",
        ("TankAssignment", "update"): "Ask a dispatcher for anything else.",
        ("EmergencyContact", "create"): "Ask a dispatcher to add the contact.",
        ("RefillLog", "create"): "Ask the tank's driver or a dispatcher to record the refill.",
        ("DispatchEvent", "create"): "Ask the tank's driver or a dispatcher to record the event.",
    },
)

# --- the states of a tank ---


def _within_requalification(tank: Object, now: datetime) -> bool:
    due = instant(tank.get("requalificationDue"))
    return due is None or now <= due


_QUALIFIED: Final = Guard(
    name="within_requalification",
    sentence="its requalification is overdue; have it tested and set requalificationDue, or quarantine it.",
    holds=_within_requalification,
)
_DESK: Final = frozenset(STAFF)
_ROUTE: Final = frozenset({*STAFF, "driver"})

_BEGIN: Final = ("full", "loaded", "at_site", "in_use", "empty", "returned", "qc_hold", "quarantined")
"""A tank enters the books in any state it can be found in; being filled, condemned or lost are things that happen to a
known tank."""

_ROUND: Final = (
    Transition("full", "loaded", _ROUTE, (_QUALIFIED,)),
    Transition("loaded", "at_site", _ROUTE),
    Transition("at_site", "in_use", _ROUTE),
    Transition("in_use", "empty", _ROUTE),
    Transition("empty", "returned", _ROUTE),
    Transition("returned", "filling", _DESK, (_QUALIFIED,)),
    Transition("filling", "qc_hold", _DESK),
    Transition("qc_hold", "full", _DESK),
)
_HELD: Final = (
    "full",
    "loaded",
    "at_site",
    "in_use",
    "empty",
    "returned",
    "filling",
    "qc_hold",
)

TANK_STATES: Final = StateMachine(
    class_name="TankAssignment",
    field="status",
    transitions=(
        *(Transition(None, state, _DESK, (_QUALIFIED,) if state == "loaded" else ()) for state in _BEGIN),
        *_ROUND,
        *(Transition(state, "quarantined", _ROUTE) for state in (*_HELD, "lost")),
        Transition("quarantined", "qc_hold", _DESK),
        Transition("quarantined", "condemned", _DESK),
        *(Transition(state, "lost", _ROUTE) for state in (*_HELD, "quarantined")),
    ),
)
"""full, loaded, at_site, in_use, empty, returned, filling, qc_hold, full again; any may be quarantined or lost, what is lost
comes back through quarantine, and condemned is final."""

# --- what a field may hold ---


def _psi(class_name: str, field: str) -> Limit:
    condition = f'"{field}" >= 0 and "{field}" <= {MAX_PSI}'
    return Limit(
        class_name, f"{class_name}_{field}_range".lower(), condition, f"{field}: give a pressure from 0 to {MAX_PSI} psi."
    )


LIMITS: Final = (
    _psi("TankAssignment", "psiLevel"),
    _psi("TankAssignment", "residualPsi"),
    _psi("RefillLog", "psiBefore"),
    _psi("RefillLog", "psiAfter"),
    _psi("DispatchEvent", "psiLevel"),
    one_of("TankAssignment", "status", TANK_STATES.states),
    one_of("TankAssignment", "cylinderSize", tuple(LITRES_PER_PSI)),
    one_of("TankAssignment", "urgency", URGENCIES),
    one_of("DispatchEvent", "eventType", EVENT_TYPES),
    Limit(
        "TankAssignment",
        "tankassignment_flowlpm_range",
        f'"flowLpm" > 0 and "flowLpm" <= {MAX_FLOW_LPM}',
        f"flowLpm: give litres per minute above 0, up to {MAX_FLOW_LPM}; leave it out where it is not known.",
    ),
    Limit(
        "PatientSite",
        "patientsite_window_order",
        '"deliveryWindowEnd" >= "deliveryWindowStart"',
        "deliveryWindowEnd: the delivery window cannot end before it starts.",
    ),
    Limit(
        "DispatchEvent",
        "dispatchevent_psilevel_place",
        '"psiLevel" is null or "eventType" = \'psi_check\'',
        "psiLevel: only an event of type psi_check carries a pressure.",
    ),
)

ONE_PRIMARY: Final = "EmergencyContact_one_primary"
ONE_PRIMARY_SENTENCE: Final = "isPrimary: this site has a primary contact already; make that one secondary first."


def check_not_ahead(name: str, value: Json, now: datetime) -> None:
    """Refuses a reading from the future (142)."""
    moment = instant(value)
    if moment is not None and moment > now + CLOCK_SKEW:
        raise invalid(f"{name}: {moment:%Y-%m-%d %H:%M} UTC has not come yet; check the clock of the device.")


def check_team(site: Object) -> None:
    """Refuses a care team that holds anything but pointers to users (142): they are the ones who may read the site."""
    team = site.get("careTeam")
    members = team if isinstance(team, list) else []
    if any(not isinstance(member, dict) or member.get("className") != "_User" or not pointed(member) for member in members):
        raise invalid("careTeam: give a list of pointers to _User.")
    if not all(is_user_principal(pointed(member) or "") for member in members):
        raise invalid("careTeam: it is made of accounts, not of roles or everybody; give a list of pointers to _User.")


def check_fill_allowed(tank: Object, filled_at: datetime) -> None:
    """Refuses a refill that was made when the cylinder's requalification was overdue (142)."""
    if not _within_requalification(tank, filled_at):
        raise invalid(f"tankAssignment: the tank cannot be filled because {_QUALIFIED.sentence}")


def is_newest_reading(read_at: datetime, tank: Object) -> bool:
    """Whether a reading is the tank's pressure now; an older one is history only."""
    last = instant(tank.get("lastCheckedAt"))
    return last is None or read_at >= last
