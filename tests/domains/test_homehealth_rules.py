"""The rules of home health without a database: the machine, the bands at their borders, the matrix, the template's schema."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app.core.wire import Json, Object, date_to_wire, encode, pointer
from app.domains.domain import permissions_of
from app.domains.homehealth.rules import (
    GRANTS,
    JOB_STATES,
    LIMITS,
    PARENTS_FIRST,
    check_handover,
    check_not_ahead,
    check_own_availability,
    check_takes,
    parts_taken,
    start_by,
    urgency,
)
from app.domains.homehealth.tables import TABLES
from app.errors import ParseError
from tests.domains.floor import check_template

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
FORWARD = ["open", "offered", "assigned", "confirmed", "en_route", "in_progress", "done", "verified"]
STEPS = set(pairwise(FORWARD)) | {
    ("in_progress", "on_hold"),
    ("on_hold", "in_progress"),
    ("on_hold", "done"),
}
STEPS |= {(state, "missed") for state in FORWARD[:5]} | {(state, "cancelled") for state in [*FORWARD[:5], "missed", "no_show"]}
STEPS |= {("open", "assigned"), ("offered", "open"), ("assigned", "open"), ("confirmed", "open"), ("confirmed", "assigned")}
STEPS |= {("en_route", "no_show"), ("en_route", "assigned"), ("on_hold", "assigned"), ("missed", "in_progress")}
STEPS |= {(gone, again) for gone in ("missed", "no_show") for again in ("open", "assigned")}


def job(status: str, begins: float = 60, **fields: Json) -> Object:
    """A visit that begins in so many minutes and takes an hour."""
    return {"status": status, "scheduledTime": date_to_wire(NOW + timedelta(minutes=begins)), "durationMinutes": 60, **fields}


@pytest.mark.parametrize("source", JOB_STATES.states)
@pytest.mark.parametrize("target", JOB_STATES.states)
def test_the_machine_allows_exactly_its_table(source: str, target: str) -> None:
    if (source, target) in STEPS:
        JOB_STATES.check(source, job(target), None, NOW)
        return
    with pytest.raises(ParseError) as refusal:
        JOB_STATES.check(source, job(target), None, NOW)
    assert refusal.value.code == 142
    for allowed in JOB_STATES.next_states(source):
        assert allowed in refusal.value.message


def test_what_is_verified_or_cancelled_stays_so() -> None:
    assert set(JOB_STATES.final) == {"verified", "cancelled"}


@pytest.mark.parametrize("state", ["confirmed", "en_route", "in_progress", "on_hold", "done", "verified", "missed", "no_show"])
def test_a_visit_does_not_begin_as(state: str) -> None:
    with pytest.raises(ParseError, match=f"a new Job cannot begin as {state}; it may begin as open, offered or assigned"):
        JOB_STATES.check(None, job(state), None, NOW)


@pytest.mark.parametrize("role", ["dispatcher", "admin", "coordinator", "technician"])
def test_nobody_makes_a_visit_missed(role: str) -> None:
    with pytest.raises(ParseError) as refusal:
        JOB_STATES.check("assigned", job("missed"), frozenset({role}), NOW)
    assert refusal.value.code == 119
    assert "nobody may move it from assigned to missed; that happens by itself as time passes." in refusal.value.message


@pytest.mark.parametrize("role", ["dispatcher", "admin", "coordinator"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("assigned", "confirmed"),
        ("confirmed", "en_route"),
        ("en_route", "in_progress"),
        ("en_route", "no_show"),
        ("in_progress", "on_hold"),
        ("on_hold", "in_progress"),
        ("in_progress", "done"),
        ("on_hold", "done"),
        ("missed", "in_progress"),
    ],
)
def test_progress_is_the_technicians_alone(role: str, source: str, target: str) -> None:
    JOB_STATES.check(source, job(target), frozenset({"technician"}), NOW)
    with pytest.raises(ParseError, match=f"your role may not move it from {source} to {target}; technician may"):
        JOB_STATES.check(source, job(target), frozenset({role}), NOW)


def test_a_technician_plans_nothing_but_may_take_or_decline_an_offer() -> None:
    roles = frozenset({"technician"})
    assert JOB_STATES.next_states("offered", roles) == ("assigned", "open")
    assert JOB_STATES.next_states("open", roles) == ()
    assert JOB_STATES.next_states("done", roles) == ()
    for source, target in (("open", "assigned"), ("assigned", "open"), ("assigned", "cancelled"), ("done", "verified")):
        with pytest.raises(ParseError, match="your role may not"):
            JOB_STATES.check(source, job(target), roles, NOW)


@pytest.mark.parametrize("source", ["missed", "no_show"])
@pytest.mark.parametrize("target", ["open", "assigned"])
def test_what_is_planned_anew_gets_a_time_to_come(source: str, target: str) -> None:
    with pytest.raises(ParseError, match="because its time is over; give it a scheduledTime"):
        JOB_STATES.check(source, job(target, begins=-60), None, NOW)
    JOB_STATES.check(source, job(target, begins=-59), None, NOW)


def test_a_visit_is_missed_at_the_end_of_its_window_or_else_of_its_time() -> None:
    assert start_by(job("open", begins=0)) == NOW + timedelta(minutes=60)
    assert start_by(job("open", begins=0, durationMinutes=None)) == NOW + timedelta(minutes=60)
    assert start_by(job("open", begins=0, durationMinutes=20)) == NOW + timedelta(minutes=20)
    assert start_by(job("open", begins=0, windowEnd=date_to_wire(NOW + timedelta(hours=3)))) == NOW + timedelta(hours=3)


@pytest.mark.parametrize(
    ("status", "begins", "expected"),
    [
        ("open", 241, "ok"),
        ("open", 240, "unassigned_soon"),
        ("offered", 240, "unassigned_soon"),
        ("assigned", 240, "ok"),
        ("assigned", 61, "ok"),
        ("assigned", 60, "unconfirmed_soon"),
        ("confirmed", 60, "ok"),
        ("confirmed", -4.9, "ok"),
        ("confirmed", -5, "late"),
        ("en_route", -5, "late"),
        ("open", -5, "late"),
        ("en_route", -59.9, "late"),
        ("en_route", -60, "missed"),
        ("open", -60, "missed"),
        ("missed", 600, "missed"),
        ("no_show", -600, "no_show"),
        ("done", -600, "ok"),
        ("verified", -600, "ok"),
        ("cancelled", -600, "ok"),
    ],
)
def test_urgency_turns_at_its_borders(status: str, begins: float, expected: str) -> None:
    assert urgency(job(status, begins), NOW) == expected


@pytest.mark.parametrize("status", ["in_progress", "on_hold"])
@pytest.mark.parametrize(
    ("began", "minutes", "expected"),
    [(-74.9, 60, "ok"), (-75, 60, "overrun"), (-1, None, "unknown"), (None, 60, "unknown")],
)
def test_a_running_visit_is_judged_by_when_it_began(status: str, began: float | None, minutes: int | None, expected: str) -> None:
    fields: Object = {"durationMinutes": minutes}
    if began is not None:
        fields["startedAt"] = date_to_wire(NOW + timedelta(minutes=began))
    assert urgency({**job(status, begins=-600), **fields}, NOW) == expected


def test_the_machine_is_published_as_json() -> None:
    wire = JOB_STATES.to_wire()
    assert encode(wire)
    assert wire["initial"] == ["open", "offered", "assigned"]


@pytest.mark.parametrize("status", ["confirmed", "en_route", "in_progress", "on_hold", "done", "verified", "missed", "cancelled"])
def test_only_a_visit_that_is_planned_changes_hands(status: str) -> None:
    with pytest.raises(ParseError, match=f"a visit that is {status} keeps its technician; send status assigned or open"):
        check_handover(status)
    check_handover("assigned")


def test_availability_is_the_technicians_own_where_there_is_an_account() -> None:
    theirs: Object = {"user": pointer("_User", "ann")}
    check_own_availability(theirs, "ann")
    check_own_availability({}, "dana")
    with pytest.raises(ParseError, match="only the technician changes it"):
        check_own_availability(theirs, "dana")


@pytest.mark.parametrize(
    "told", [3, None, {"__op": "Increment", "amount": 1}, {"__op": "Increment", "amount": 0}, {"__op": "Delete"}]
)
def test_a_technician_takes_and_does_not_count(told: Json) -> None:
    with pytest.raises(ParseError, match="take parts with"):
        check_takes(told)
    check_takes({"__op": "Increment", "amount": -2})


def test_parts_are_summed_and_ordered() -> None:
    def used(name: str, amount: float) -> Json:
        return {"part": pointer("PartsInventory", name), "quantity": amount}

    taken = parts_taken([used("b", 1), used("a", 2), used("b", 3)])
    assert [(each.part, each.amount) for each in taken] == [("a", 2), ("b", 4)]
    assert parts_taken(None) == ()


@pytest.mark.parametrize(
    "item",
    [
        7,
        {},
        {"part": pointer("PartsInventory", "a")},
        {"part": pointer("PartsInventory", "a"), "quantity": 0},
        {"part": pointer("PartsInventory", "a"), "quantity": -1},
        {"part": pointer("PartsInventory", "a"), "quantity": True},
        {"part": pointer("Job", "a"), "quantity": 1},
        {"part": "a", "quantity": 1},
    ],
)
def test_parts_used_are_pointers_with_a_number(item: Json) -> None:
    with pytest.raises(ParseError, match="partsUsed: give a list"):
        parts_taken([item])


def test_a_moment_from_the_future_is_refused() -> None:
    check_not_ahead({"serviceTime": date_to_wire(NOW + timedelta(minutes=9))}, ("serviceTime",), NOW)
    with pytest.raises(ParseError, match="serviceTime: 2026-11-21 10:11 UTC has not come yet"):
        check_not_ahead({"serviceTime": date_to_wire(NOW + timedelta(minutes=11))}, ("serviceTime",), NOW)


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
def test_class_permissions_close_every_class_to_strangers(class_name: str) -> None:
    permissions = permissions_of(GRANTS, class_name)
    assert permissions["addField"] == {}
    assert permissions["delete"] == {"role:dispatcher": True, "role:admin": True}
    for operation in ("find", "get", "count", "create", "update"):
        assert permissions[operation] == {"requiresAuthentication": True}


def test_every_limit_stands_in_its_table() -> None:
    held = {constraint._meta.name for table in TABLES for constraint in table._meta.constraints}
    assert held == {limit.name for limit in LIMITS}


SEED: dict[str, dict[str, str]] = {
    "Technician": {"name": "String!", "availability": "String!", "assignedJobs": "Array"},
    "Job": {
        "description": "String!",
        "status": "String!",
        "technician": "Pointer!Technician",
        "scheduledTime": "Date!",
    },
    "PartsInventory": {"partName": "String!", "quantity": "Number!", "job": "PointerJob"},
    "ServiceLog": {
        "technician": "Pointer!Technician",
        "job": "Pointer!Job",
        "serviceTime": "Date!",
        "description": "String!",
    },
}


@pytest.mark.parametrize("class_name", list(SEED))
def test_every_field_of_the_template_is_there_as_typed(class_name: str) -> None:
    check_template(TABLES, class_name, SEED[class_name])
