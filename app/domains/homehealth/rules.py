"""The rules of home health visits, as tables of data and pure functions.

Owns: the states of a visit (class Job), its urgency bands, who may do what, what a visit verification asks for, and the values a
field may hold. Holds: each number is written here once; the triggers of the database are generated from it (`triggers.py`), and
a test holds that SQL and Python give the same answer. Nothing awaits, reads a clock or touches the database. May import
domains.domain, domains.limits and core.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.core.wire import Json, Object
from app.domains.domain import Grant, Grants, Guard, Operation, StateMachine, Through, Transition, forbidden, invalid
from app.domains.limits import Limit, instant, one_of, pointed

PARENTS_FIRST: Final = ("Technician", "Job", "PartsInventory", "ServiceLog")

AVAILABILITIES: Final = ("available", "busy", "off_duty")
PRIORITIES: Final = ("routine", "urgent", "asap", "stat")

USUAL_MINUTES: Final = 60
"""What a visit takes in the plan where nobody said."""

MAX_MINUTES: Final = 24 * 60
LATE_AFTER: Final = timedelta(minutes=5)
"""Nobody is late in the first minutes; it keeps the board from crying wolf at every full hour."""

UNASSIGNED_SOON: Final = timedelta(hours=4)
UNCONFIRMED_SOON: Final = timedelta(hours=1)
OVERRUN_AFTER: Final = timedelta(minutes=15)
NEARBY_METERS: Final = 250
"""How far from the client's door a visit may be recorded before it counts as out of the area."""

POSITION_FRESH: Final = timedelta(minutes=15)
"""How far from the time of a service its technician may have been seen for that to be the place of it."""

CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far a device's clock may run ahead."""

URGENCIES: Final = ("missed", "no_show", "late", "unassigned_soon", "overrun", "unknown", "unconfirmed_soon", "ok")
"""Most urgent first. Nobody opened the door (`no_show`) comes before lateness: somebody may be lying behind it."""

VERIFICATIONS: Final = ("complete", "out_of_area", "incomplete")

# --- the states of a visit ---

DESK: Final = frozenset({"dispatcher", "admin"})
OFFICE: Final = frozenset({*DESK, "coordinator"})
AIDE: Final = frozenset({"technician"})
BY_TIME: Final = frozenset[str]()
"""Nobody makes this step; it happens by itself as time passes."""

PLANNED: Final = ("open", "offered", "assigned")
"""States in which a visit may be given to another technician."""

WAITING: Final = (*PLANNED, "confirmed", "en_route")
"""Not begun: what is still here when `startBy` has come is missed."""

RUNNING: Final = ("in_progress", "on_hold")
BOOKED: Final = ("assigned", "confirmed", "en_route", *RUNNING)
"""States in which the visit takes its technician's time: two of these may not overlap."""

OVER: Final = ("done", "verified", "cancelled", "no_show")
"""States in which a visit is no longer among its technician's assignedJobs."""


def start_by(job: Object) -> datetime | None:
    """When a visit that has not begun is missed: the end of its window, or of the time it was planned for."""
    return instant(job.get("windowEnd")) or _planned_end(job)


def _planned_end(job: Object) -> datetime | None:
    begins, minutes = instant(job.get("scheduledTime")), job.get("durationMinutes")
    if begins is None:
        return None
    return begins + timedelta(minutes=minutes if isinstance(minutes, int | float) else USUAL_MINUTES)


def _is_ahead(job: Object, now: datetime) -> bool:
    last = start_by(job)
    return last is not None and last > now


_AHEAD: Final = Guard(
    name="time_ahead",
    sentence="its time is over; give it a scheduledTime (and windowEnd) that is still to come.",
    holds=_is_ahead,
)

JOB_STATES: Final = StateMachine(
    class_name="Job",
    field="status",
    transitions=(
        *(Transition(None, state, DESK) for state in PLANNED),
        Transition("open", "offered", DESK),
        Transition("open", "assigned", DESK),
        Transition("offered", "assigned", DESK | AIDE),
        Transition("offered", "open", DESK | AIDE),
        Transition("assigned", "confirmed", AIDE),
        Transition("assigned", "open", DESK),
        Transition("confirmed", "en_route", AIDE),
        Transition("confirmed", "assigned", DESK),
        Transition("confirmed", "open", DESK),
        Transition("en_route", "in_progress", AIDE),
        Transition("en_route", "no_show", AIDE),
        Transition("en_route", "assigned", DESK),
        Transition("in_progress", "on_hold", AIDE),
        Transition("in_progress", "done", AIDE),
        Transition("on_hold", "in_progress", AIDE),
        Transition("on_hold", "done", AIDE),
        Transition("on_hold", "assigned", DESK),
        Transition("done", "verified", OFFICE),
        *(Transition(state, "missed", BY_TIME) for state in WAITING),
        *(Transition(state, "cancelled", DESK) for state in (*WAITING, "missed", "no_show")),
        Transition("missed", "in_progress", AIDE),
        *(Transition(state, target, DESK, (_AHEAD,)) for state in ("missed", "no_show") for target in ("open", "assigned")),
    ),
)
"""open, offered, assigned, confirmed, en_route, in_progress (and on_hold), done, verified. The desk plans, the technician of the
visit makes its progress, time alone makes it missed; better late than never, so a missed one may still begin."""

# --- how urgent ---


def urgency(job: Object, now: datetime) -> str:
    """How soon the desk must act on a visit: one of URGENCIES."""
    status = job.get("status")
    if status in ("missed", "no_show"):
        return str(status)
    if status in RUNNING:
        return _urgency_running(job, now)
    begins, last = instant(job.get("scheduledTime")), start_by(job)
    if status not in WAITING or begins is None or last is None:
        return "ok"
    return _urgency_waiting(str(status), begins, last, now)


def _urgency_running(job: Object, now: datetime) -> str:
    began, minutes = instant(job.get("startedAt")), job.get("durationMinutes")
    if began is None or not isinstance(minutes, int | float):
        return "unknown"
    return "overrun" if began + timedelta(minutes=minutes) + OVERRUN_AFTER <= now else "ok"


def _urgency_waiting(status: str, begins: datetime, last: datetime, now: datetime) -> str:
    if last <= now:
        return "missed"
    if begins + LATE_AFTER <= now:
        return "late"
    if status in ("open", "offered") and begins - UNASSIGNED_SOON <= now:
        return "unassigned_soon"
    if status == "assigned" and begins - UNCONFIRMED_SOON <= now:
        return "unconfirmed_soon"
    return "ok"


# --- who may do what ---

_ALL: Final[tuple[Operation, ...]] = ("read", "create", "update", "delete")
_OWN: Final = Through(pointer="technician", class_name="Technician", owner="user")

GRANTS: Final = Grants(
    rows=(
        *(Grant(role, name, operation) for role in ("dispatcher", "admin") for name in PARENTS_FIRST for operation in _ALL),
        *(Grant(role, name, "read") for role in ("coordinator", "technician") for name in PARENTS_FIRST),
        Grant("coordinator", "Job", "update", fields=frozenset({"status", "statusReason"})),
        Grant("coordinator", "PartsInventory", "create"),
        Grant("coordinator", "PartsInventory", "update"),
        Grant("coordinator", "ServiceLog", "create"),
        Grant("coordinator", "ServiceLog", "update"),
        Grant("technician", "Technician", "update", fields=frozenset({"availability", "location", "locationAt"})),
        Grant("technician", "Job", "update", fields=frozenset({"status", "statusReason"})),
        Grant("technician", "PartsInventory", "update", fields=frozenset({"quantity"})),
        Grant("technician", "ServiceLog", "create", through=_OWN),
    ),
    derived={
        "Technician": frozenset({"assignedJobs"}),
        "Job": frozenset({"startBy", "endsAt", "startedAt", "endedAt", "urgency"}),
        "PartsInventory": frozenset({"availability"}),
        "ServiceLog": frozenset({"distanceMeters", "verification"}),
    },
    advice={
        ("Technician", "create"): "Ask a dispatcher to add the technician.",
        ("Technician", "update"): "Ask a dispatcher for anything else.",
        ("Job", "create"): "Ask a dispatcher to schedule the visit.",
        ("Job", "update"): "Ask a dispatcher for anything else.",
        ("PartsInventory", "create"): "Ask a coordinator to add the part.",
        ("PartsInventory", "update"): "Ask a coordinator for anything else.",
        ("ServiceLog", "update"): "What is recorded stays; ask a coordinator to correct it.",
    },
)


def check_handover(status: Json) -> None:
    """Refuses another technician for a visit that would not be up for planning after the write (142)."""
    if status not in PLANNED:
        words = f"a visit that is {status} keeps its technician; send status assigned or open together with the new one."
        raise invalid(f"technician: {words}")


def check_own_availability(technician: Object, user_id: str | None) -> None:
    """Refuses an availability that somebody else gives (119); for a technician without an account the desk may tell it."""
    owner = pointed(technician.get("user"))
    if owner is not None and owner != user_id:
        raise forbidden("availability: only the technician changes it; call them, or assign the visit to somebody else.")


def check_takes(told: Json) -> None:
    """Refuses anything but a decrement to a technician (119): a number read a while ago would undo what others took since."""
    amount = told.get("amount") if isinstance(told, dict) and told.get("__op") == "Increment" else None
    if not isinstance(amount, int | float) or amount >= 0:
        words = 'take parts with {"__op": "Increment", "amount": -1}; only a dispatcher or a coordinator counts the stock.'
        raise forbidden(f"quantity: {words}")


@dataclass(frozen=True, slots=True)
class Taken:
    """A part that a visit used up, and how much of it."""

    part: str
    amount: float


def parts_taken(value: Json) -> tuple[Taken, ...]:
    """What `ServiceLog.partsUsed` names, by part, in one order for all. Raises 142."""
    taken: dict[str, float] = {}
    for each in value if isinstance(value, list) else ():
        part, amount = (each.get("part"), each.get("quantity")) if isinstance(each, dict) else (None, None)
        name = pointed(part) if isinstance(part, dict) and part.get("className") == "PartsInventory" else None
        if name is None or isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0:
            raise invalid('partsUsed: give a list of {"part": a pointer to PartsInventory, "quantity": a number above 0}.')
        taken[name] = taken.get(name, 0) + amount
    return tuple(Taken(name, taken[name]) for name in sorted(taken))


# --- what a field may hold ---


def _at_least_none(class_name: str, field: str, sentence: str) -> Limit:
    return Limit(class_name, f"{class_name}_{field}_range".lower(), f'"{field}" >= 0', f"{field}: {sentence}")


def quoted(values: tuple[str, ...]) -> str:
    """The values as a list of SQL texts."""
    return ", ".join(f"'{value}'" for value in values)


LIMITS: Final = (
    one_of("Technician", "availability", AVAILABILITIES),
    one_of("Job", "status", JOB_STATES.states),
    one_of("Job", "urgency", URGENCIES),
    one_of("Job", "priority", PRIORITIES),
    Limit(
        "Job",
        "job_durationminutes_range",
        f'"durationMinutes" > 0 and "durationMinutes" <= {MAX_MINUTES}',
        f"durationMinutes: give minutes above 0, up to {MAX_MINUTES}.",
    ),
    Limit(
        "Job",
        "job_window_order",
        '"windowEnd" >= "windowStart" and "windowEnd" >= "scheduledTime"',
        "windowEnd: the window cannot end before it starts, nor before scheduledTime; move both.",
    ),
    _at_least_none("PartsInventory", "quantity", "there are not so many left; it cannot go below 0."),
    _at_least_none("PartsInventory", "reorderLevel", "give 0 or more."),
    one_of("ServiceLog", "verification", VERIFICATIONS),
    Limit(
        "ServiceLog",
        "servicelog_time_order",
        '"endedAt" >= "startedAt"',
        "endedAt: a visit cannot end before it started.",
    ),
)


def check_not_ahead(values: Mapping[str, Json], names: tuple[str, ...], now: datetime) -> None:
    """Refuses a moment from the future (142)."""
    for name in names:
        moment = instant(values.get(name))
        if moment is not None and moment > now + CLOCK_SKEW:
            raise invalid(f"{name}: {moment:%Y-%m-%d %H:%M} UTC has not come yet; check the clock of the device.")
