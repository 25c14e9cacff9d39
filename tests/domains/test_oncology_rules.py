"""The rules of oncology care without a database: flags, grades, due dates, the machine, the matrix, the template's fields."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.wire import Object, date_to_wire, encode, pointer
from app.domains.domain import permissions_of
from app.domains.oncology.rules import (
    CLOSED,
    CYCLE_STATES,
    DUE,
    GRANTS,
    LIMITS,
    OPEN,
    PARENTS_FIRST,
    check_accounts,
    check_not_ahead,
    check_signing,
    due_at,
    grade_of,
    lab_flag,
    urgency,
)
from app.domains.oncology.tables import TABLES
from app.errors import ParseError
from tests.domains.floor import check_template

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
START, END = NOW + timedelta(days=5), NOW + timedelta(days=19)


@pytest.mark.parametrize(
    ("result", "low", "high", "flag"),
    [
        (1.8, 1.8, 7.5, "N"),
        (7.5, 1.8, 7.5, "N"),
        (1.79, 1.8, 7.5, "L"),
        (0.9, 1.8, 7.5, "L"),
        (0.89, 1.8, 7.5, "LL"),
        (7.6, 1.8, 7.5, "H"),
        (15.0, 1.8, 7.5, "H"),
        (15.1, 1.8, 7.5, "HH"),
        (0.0, 1.8, 7.5, "LL"),
        (0.0, 0.0, 40.0, "N"),  # no half of nothing
        (59.0, 60.0, None, "L"),  # a range of one side, as of eGFR
        (61.0, 60.0, None, "N"),
        (41.0, None, 40.0, "H"),
        (12.0, None, None, None),
        (-3.0, -2.0, 2.0, "L"),  # base excess: half of a negative limit says nothing
    ],
)
def test_the_flag_turns_at_the_reference_range(result: float, low: float | None, high: float | None, flag: str | None) -> None:
    assert lab_flag(result, low, high) == flag


@pytest.mark.parametrize(
    ("result", "flag"), [(2.4, "LL"), (2.5, "L"), (3.4, "L"), (3.5, "N"), (5.2, "H"), (6.5, "H"), (6.6, "HH")]
)
def test_the_laboratorys_own_critical_limits_go_first(result: float, flag: str) -> None:
    """Potassium: twice the upper limit is long past life."""
    assert lab_flag(result, 3.5, 5.1, 2.5, 6.5) == flag


@pytest.mark.parametrize(
    ("severity", "grade"),
    [
        ("mild", 1),
        ("Moderate", 2),
        ("severe", 3),
        ("SEVERE ", 3),
        ("life-threatening", 4),
        ("life_threatening", 4),
        ("fatal", 5),
        ("Grade 3", 3),
        ("4", 4),
        ("grade 6", None),
        ("0", None),
        ("unbearable", None),
        ("", None),
        (None, None),
    ],
)
def test_a_severity_stands_for_a_grade(severity: str | None, grade: int | None) -> None:
    assert grade_of(severity) == grade


def test_every_open_state_has_its_time() -> None:
    assert set(DUE) == set(OPEN)
    assert set(CYCLE_STATES.states) == {*OPEN, *CLOSED}
    assert set(CYCLE_STATES.final) == set(CLOSED)


@pytest.mark.parametrize(
    ("status", "due"),
    [
        ("planned", START - timedelta(days=3)),
        ("labs_due", START - timedelta(days=3)),
        ("review", START),
        ("delayed", START),
        ("cleared", START + timedelta(hours=12)),
        ("in_progress", END + timedelta(days=1)),
        ("completed", None),
        (None, None),
    ],
)
def test_each_state_is_due_by_its_own_time(status: str | None, due: datetime | None) -> None:
    assert due_at(status, START, END) == due


@pytest.mark.parametrize(
    ("status", "before_due", "expected"),
    [
        ("planned", timedelta(hours=24), "ok"),
        ("planned", timedelta(hours=24) - timedelta(milliseconds=1), "soon"),
        ("planned", timedelta(0), "overdue"),
        ("labs_due", timedelta(milliseconds=1), "soon"),
        ("review", timedelta(milliseconds=1), "review"),
        ("review", timedelta(0), "overdue"),
        ("delayed", timedelta(days=9), "delayed"),
        ("delayed", timedelta(0), "overdue"),
        ("cleared", timedelta(hours=13), "soon"),
        ("in_progress", timedelta(days=9), "ok"),
        ("in_progress", timedelta(0), "overdue"),
        ("completed", timedelta(days=-9), "closed"),
        (None, timedelta(days=-9), "unknown"),
    ],
)
def test_urgency_turns_at_its_borders(status: str | None, before_due: timedelta, expected: str) -> None:
    due = due_at(status, START, END) or NOW
    now = due - before_due
    assert urgency(status, START, END, START - timedelta(days=2), now) == expected


@pytest.mark.parametrize("status", ["review", "cleared"])
@pytest.mark.parametrize(("labs", "known"), [(None, False), (timedelta(days=15), False), (timedelta(days=14), True)])
def test_without_fresh_results_nobody_knows_whether_to_treat(status: str, labs: timedelta | None, known: bool) -> None:
    told = urgency(status, START, END, None if labs is None else START - labs, NOW)
    assert (told != "unknown") is known


STEPS = {("planned", "labs_due"), ("labs_due", "review"), ("review", "cleared"), ("cleared", "in_progress")}
STEPS |= {("in_progress", "completed"), ("review", "delayed"), ("delayed", "labs_due")}
STEPS |= {(state, "discontinued") for state in OPEN} | {(state, "skipped") for state in ("planned", "labs_due", "review")}
AFTER: Object = {
    "startDate": date_to_wire(START),
    "statusReason": "counts",
    "clearedBy": [pointer("_User", "a"), pointer("_User", "b")],
}


@pytest.mark.parametrize("source", CYCLE_STATES.states)
@pytest.mark.parametrize("target", CYCLE_STATES.states)
def test_the_machine_allows_exactly_its_table(source: str, target: str) -> None:
    after: Object = {**AFTER, "status": target}
    if (source, target) in STEPS:
        CYCLE_STATES.check(source, after, None, NOW)
        return
    with pytest.raises(ParseError) as refusal:
        CYCLE_STATES.check(source, after, None, NOW)
    assert refusal.value.code == 142
    for allowed in CYCLE_STATES.next_states(source):
        assert allowed in refusal.value.message


def test_a_refused_step_names_the_allowed_ones() -> None:
    with pytest.raises(ParseError) as refusal:
        CYCLE_STATES.check("planned", {"status": "in_progress"}, None, NOW)
    assert refusal.value.message == (
        "status: planned cannot become in_progress; from planned it may become labs_due, discontinued or skipped."
    )


@pytest.mark.parametrize("signed", [[], ["a"], ["a", "a"]])
def test_one_signer_is_not_two(signed: list[str]) -> None:
    after: Object = {"status": "cleared", "clearedBy": [pointer("_User", who) for who in signed]}
    with pytest.raises(ParseError, match="review cannot become cleared because two different people sign a cycle"):
        CYCLE_STATES.check("review", after, None, NOW)


def test_a_delay_needs_its_reason_and_its_day() -> None:
    with pytest.raises(ParseError, match="fill statusReason to move it from review to delayed"):
        CYCLE_STATES.check("review", {**AFTER, "status": "delayed", "statusReason": None}, None, NOW)
    with pytest.raises(ParseError, match="because a delayed cycle needs the day it is delayed to"):
        CYCLE_STATES.check("review", {**AFTER, "status": "delayed", "startDate": date_to_wire(NOW)}, None, NOW)


def test_only_a_prescriber_ends_a_therapy_and_only_clinicians_release_it() -> None:
    with pytest.raises(ParseError, match="your role may not move it from cleared to discontinued; admin and oncologist may"):
        CYCLE_STATES.check("cleared", {**AFTER, "status": "discontinued"}, frozenset({"nurse"}), NOW)
    with pytest.raises(
        ParseError, match="your role may not move it from review to cleared; nurse, oncologist and pharmacist may"
    ):
        CYCLE_STATES.check("review", {**AFTER, "status": "cleared"}, frozenset({"admin"}), NOW)


def test_the_machine_is_published_as_json() -> None:
    wire = CYCLE_STATES.to_wire()
    assert encode(wire)
    assert wire["initial"] == ["planned", "labs_due"]
    assert wire["final"] == ["completed", "discontinued", "skipped"]


def _signed(*people: str, status: str = "review") -> Object:
    return {"status": status, "clearedBy": [pointer("_User", who) for who in people], "patient": pointer("_User", "p")}


def test_each_signs_for_themselves_while_the_cycle_is_in_review() -> None:
    check_signing(_signed(), _signed("a"), "a")
    check_signing(_signed("a"), _signed("a", "b"), "b")
    check_signing(_signed("a", "b"), _signed("b"), "a")
    for before, after, who in [
        (_signed(), _signed("a", "b"), "a"),
        (_signed("a"), _signed("b"), "b"),
        (_signed("a"), _signed(), "b"),
    ]:
        with pytest.raises(ParseError, match="add or take back your own signature only"):
            check_signing(before, after, who)
    for status in ("planned", "cleared", "in_progress", "completed"):
        with pytest.raises(ParseError, match=f"signed while it is in review; this one is {status}"):
            check_signing(_signed("a", status=status), _signed("a", "b", status=status), "b")
    with pytest.raises(ParseError, match="nobody releases their own treatment"):
        check_signing(_signed(), _signed("p"), "p")


@pytest.mark.parametrize("member", ["x", 3, {"__type": "Pointer", "className": "_Role", "objectId": "x"}, pointer("_User", "*")])
def test_a_team_is_made_of_accounts(member: object) -> None:
    with pytest.raises(ParseError, match="careTeam: give a list of pointers to _User"):
        check_accounts("careTeam", [member])  # type: ignore[list-item]  # what a client may send


def test_a_result_from_the_future_is_refused() -> None:
    check_not_ahead("date", date_to_wire(NOW + timedelta(minutes=9)), NOW)
    with pytest.raises(ParseError, match="date: 2026-11-21 10:11 UTC has not come yet; check the clock"):
        check_not_ahead("date", date_to_wire(NOW + timedelta(minutes=11)), NOW)


def test_what_the_server_computes_is_nobodys_to_write() -> None:
    for role in ("oncologist", "nurse", "admin"):
        for name in ("urgency", "dueAt", "labs", "labsAt", "labLevel", "worstGrade"):
            with pytest.raises(ParseError, match=rf"ChemoCycle\.{name} is computed by the server; leave it out"):
                GRANTS.check_fields({role}, "ChemoCycle", "update", [name])


def test_a_profile_is_its_patients_own_to_change() -> None:
    for role in ("nurse", "oncologist", "pharmacist", "careTeam"):
        with pytest.raises(ParseError, match="A profile is its patient's own to change"):
            GRANTS.check_fields({role}, "Patient", "update", ["contact"])
    with pytest.raises(ParseError, match=r"may not write Patient\.contact; it may write careTeam and user"):
        GRANTS.check_fields({"admin"}, "Patient", "update", ["contact"])


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
def test_class_permissions_close_every_class_to_strangers(class_name: str) -> None:
    permissions = permissions_of(GRANTS, class_name)
    assert permissions["addField"] == {}
    for operation in ("find", "get", "count", "create", "update"):
        assert permissions[operation] == {"requiresAuthentication": True}


def test_every_limit_stands_in_its_table() -> None:
    held = {constraint._meta.name for table in TABLES for constraint in table._meta.constraints}
    assert held == {limit.name for limit in LIMITS}


SEED: dict[str, dict[str, str]] = {
    "Patient": {"name": "String!", "contact": "String", "medicalHistory": "Object"},
    "ChemoCycle": {"cycleNumber": "Number!", "startDate": "Date!", "endDate": "Date!", "patient": "Pointer!_User"},
    "Treatment": {"type": "String!", "date": "Date!", "notes": "String"},
    "SideEffect": {
        "description": "String!",
        "severity": "String!",
        "chemoCycle": "Pointer!ChemoCycle",
        "recordedAt": "Date!",
    },
    "LabTrend": {"labTestName": "String!", "result": "Number!", "date": "Date!", "patient": "Pointer!_User"},
}


@pytest.mark.parametrize("class_name", list(SEED))
def test_every_field_of_the_template_is_there_as_typed(class_name: str) -> None:
    check_template(TABLES, class_name, SEED[class_name])
