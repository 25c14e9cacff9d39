"""The rules of oxygen delivery without a database: the formula with known values, the bands, the machine, the matrix."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.wire import Object, date_to_wire, encode
from app.domains.domain import Grant, Grants, StateMachine, Transition, listed, permissions_of
from app.domains.oxygen.rules import (
    GRANTS,
    LIMITS,
    LITRES_PER_PSI,
    PARENTS_FIRST,
    TANK_STATES,
    check_not_ahead,
    empty_at,
    is_newest_reading,
    minutes_left,
    urgency,
)
from app.domains.oxygen.tables import TABLES
from app.errors import ParseError
from tests.domains.floor import check_template

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "psi", "flow", "minutes"),
    [
        ("E", 1200, 4, 70),  # a published example
        ("M6", 2000, 2, 67),
        ("M9", 2000, 2, 104),
        ("D", 2000, 2, 144),
        ("E", 2000, 2, 252),
        ("M60", 2000, 2, 711),
        ("M", 2000, 2, 1404),
        ("G", 2000, 2, 2169),
        ("H", 2000, 2, 2826),
        ("K", 2000, 2, 2826),
        ("H/K", 2000, 2, 2826),
        ("E", 200, 4, 0),
        ("E", 0, 4, 0),
    ],
)
def test_minutes_left_has_known_values(size: str, psi: float, flow: float, minutes: int) -> None:
    left = minutes_left(psi, size, flow)
    assert left is not None
    assert round(left) == minutes


def test_an_m_cylinder_is_not_an_m6() -> None:
    assert LITRES_PER_PSI["M"] / LITRES_PER_PSI["M6"] > 20


def test_seventy_minutes_are_seventy_minutes() -> None:
    assert empty_at(1200, NOW, "E", 4) == NOW + timedelta(minutes=70)


@pytest.mark.parametrize(("size", "flow"), [(None, 2.0), ("E", None), (None, None), ("Q", 2.0)])
def test_without_size_or_flow_no_time_is_invented(size: str | None, flow: float | None) -> None:
    assert empty_at(1800, NOW, size, flow) is None
    assert empty_at(200, NOW, size, flow) == NOW


def test_a_trickle_lasts_no_longer_than_a_date_can_hold() -> None:
    assert empty_at(3000, NOW, "H", 1e-12) == NOW + timedelta(days=3650)


@pytest.mark.parametrize(
    ("psi", "left", "expected"),
    [
        (1000, timedelta(seconds=-1), "empty"),
        (1000, timedelta(0), "empty"),
        (1000, timedelta(seconds=1), "critical"),
        (1000, timedelta(hours=2) - timedelta(milliseconds=1), "critical"),
        (1000, timedelta(hours=2), "low"),
        (1000, timedelta(hours=8) - timedelta(milliseconds=1), "low"),
        (1000, timedelta(hours=8), "ok"),
        (200, timedelta(hours=9), "empty"),
        (1000, None, "unknown"),
        (500, None, "unknown"),
        (499, None, "low"),
        (200, None, "empty"),
    ],
)
def test_urgency_turns_at_its_borders(psi: float, left: timedelta | None, expected: str) -> None:
    assert urgency(psi, None if left is None else NOW + left, NOW) == expected


RING = ["full", "loaded", "at_site", "in_use", "empty", "returned", "filling", "qc_hold"]
STEPS = {(a, b) for a, b in zip(RING, [*RING[1:], "full"], strict=True)}
STEPS |= {(state, "quarantined") for state in [*RING, "lost"]} | {(state, "lost") for state in [*RING, "quarantined"]}
STEPS |= {("quarantined", "qc_hold"), ("quarantined", "condemned")}


@pytest.mark.parametrize("source", TANK_STATES.states)
@pytest.mark.parametrize("target", TANK_STATES.states)
def test_the_machine_allows_exactly_its_table(source: str, target: str) -> None:
    after: Object = {"status": target}
    if (source, target) in STEPS:
        TANK_STATES.check(source, after, None, NOW)
        return
    with pytest.raises(ParseError) as refusal:
        TANK_STATES.check(source, after, None, NOW)
    assert refusal.value.code == 142
    for allowed in TANK_STATES.next_states(source):
        assert allowed in refusal.value.message


def test_a_refused_step_names_the_allowed_ones() -> None:
    with pytest.raises(ParseError) as refusal:
        TANK_STATES.check("in_use", {"status": "full"}, None, NOW)
    assert refusal.value.message == ("status: in_use cannot become full; from in_use it may become empty, quarantined or lost.")


def test_an_unknown_state_is_told_all_states() -> None:
    with pytest.raises(ParseError, match="'broken' is not a state of TankAssignment; it knows full, loaded"):
        TANK_STATES.check("in_use", {"status": "broken"}, None, NOW)


def test_condemned_is_final() -> None:
    assert TANK_STATES.final == ("condemned",)
    with pytest.raises(ParseError, match="status: condemned is final"):
        TANK_STATES.check("condemned", {"status": "full"}, None, NOW)


@pytest.mark.parametrize("state", ["filling", "condemned", "lost"])
def test_a_tank_does_not_begin_as(state: str) -> None:
    with pytest.raises(ParseError, match=f"a new TankAssignment cannot begin as {state}; it may begin as full"):
        TANK_STATES.check(None, {"status": state}, None, NOW)


@pytest.mark.parametrize("step", [("full", "loaded"), ("returned", "filling"), (None, "loaded")])
@pytest.mark.parametrize(("due", "refused"), [(None, False), (1, False), (0, False), (-1, True)])
def test_loading_and_filling_need_a_current_test_date(step: tuple[str | None, str], due: int | None, refused: bool) -> None:
    after: Object = {"status": step[1]}
    if due is not None:
        after["requalificationDue"] = date_to_wire(NOW + timedelta(days=due))
    if not refused:
        TANK_STATES.check(step[0], after, None, NOW)
        return
    with pytest.raises(ParseError, match="because its requalification is overdue; have it tested"):
        TANK_STATES.check(step[0], after, None, NOW)


def test_a_driver_leaves_the_depots_steps_to_the_depot() -> None:
    roles = frozenset({"driver"})
    TANK_STATES.check("full", {"status": "loaded"}, roles, NOW)
    with pytest.raises(ParseError) as refusal:
        TANK_STATES.check("returned", {"status": "filling"}, roles, NOW)
    assert refusal.value.code == 119
    assert refusal.value.message == (
        "status: your role may not move it from returned to filling; admin and dispatcher may."
        " You may make it quarantined or lost."
    )


def test_fields_that_a_step_needs_are_asked_for() -> None:
    machine = StateMachine("Job", "status", (Transition("open", "assigned", frozenset({"dispatcher"}), needs=("technician",)),))
    with pytest.raises(ParseError, match="fill technician to move it from open to assigned"):
        machine.check("open", {"status": "assigned"}, None, NOW)
    machine.check("open", {"status": "assigned", "technician": "x"}, None, NOW)


def test_the_machine_is_published_as_json() -> None:
    wire = TANK_STATES.to_wire()
    assert encode(wire)
    assert wire["initial"] == ["full", "loaded", "at_site", "in_use", "empty", "returned", "qc_hold", "quarantined"]
    assert {
        "from": "full",
        "to": "loaded",
        "roles": ["admin", "dispatcher", "driver"],
        "guards": [
            {
                "name": "within_requalification",
                "sentence": "its requalification is overdue; have it tested and set requalificationDue, or quarantine it.",
            }
        ],
        "needs": [],
    } in [*wire["transitions"]]  # type: ignore[misc]  # a list, as the next line shows
    assert isinstance(wire["transitions"], list)


def test_what_the_server_computes_is_nobodys_to_write() -> None:
    for role in ("dispatcher", "admin", "driver"):
        with pytest.raises(ParseError, match=r"TankAssignment\.urgency is computed by the server; leave it out"):
            GRANTS.check_fields({role}, "TankAssignment", "update", ["urgency"])


def test_two_roles_together_may_what_either_may() -> None:
    grants = Grants((Grant("a", "X", "update", frozenset({"p"})), Grant("b", "X", "update")), {}, {})
    assert len(grants.check_fields({"a", "b"}, "X", "update", ["p"])) == 2
    assert [row.role for row in grants.check_fields({"a", "b"}, "X", "update", ["q"])] == ["b"]


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
def test_class_permissions_close_every_class_to_strangers(class_name: str) -> None:
    permissions = permissions_of(GRANTS, class_name)
    assert permissions["addField"] == {}
    assert permissions["delete"] == {"role:dispatcher": True, "role:admin": True}
    for operation in ("find", "get", "count", "create", "update"):
        assert permissions[operation] == {"requiresAuthentication": True}


def test_a_reading_from_the_future_is_refused() -> None:
    check_not_ahead("refillTime", date_to_wire(NOW + timedelta(minutes=9)), NOW)
    with pytest.raises(ParseError, match="refillTime: 2026-11-21 10:11 UTC has not come yet; check the clock"):
        check_not_ahead("refillTime", date_to_wire(NOW + timedelta(minutes=11)), NOW)


def test_the_newest_reading_wins_and_equals_do() -> None:
    tank: Object = {"lastCheckedAt": date_to_wire(NOW)}
    assert is_newest_reading(NOW, tank)
    assert not is_newest_reading(NOW - timedelta(milliseconds=1), tank)
    assert is_newest_reading(NOW - timedelta(days=9), {})


def test_names_are_listed_as_people_do() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b"], "or"), listed(["a", "b", "c"])] == ["", "a", "a or b", "a, b and c"]


def test_every_limit_stands_in_its_table() -> None:
    held = {constraint._meta.name for table in TABLES for constraint in table._meta.constraints}
    assert held == {limit.name for limit in LIMITS}


SEED: dict[str, dict[str, str]] = {
    "PatientSite": {
        "siteName": "String!",
        "addressLine1": "String!",
        "city": "String!",
        "region": "String!",
        "postalCode": "String!",
        "deliveryWindowStart": "Date",
        "deliveryWindowEnd": "Date",
        "primaryContact": "Pointer!_User",
        "notes": "String",
    },
    "TankAssignment": {
        "tankSerialNumber": "String!",
        "psiLevel": "Number!",
        "status": "String!",
        "assignedSite": "Pointer!PatientSite",
        "assignedDriver": "Pointer!_User",
        "lastCheckedAt": "Date",
        "nextServiceDueAt": "Date",
    },
    "RefillLog": {
        "tankAssignment": "Pointer!TankAssignment",
        "refillTime": "Date!",
        "psiBefore": "Number!",
        "psiAfter": "Number!",
        "refilledBy": "Pointer!_User",
        "refillReason": "String!",
        "remarks": "String",
    },
    "EmergencyContact": {
        "site": "Pointer!PatientSite",
        "contactName": "String!",
        "relationship": "String!",
        "phoneNumber": "String!",
        "preferredLanguage": "String",
        "isPrimary": "Boolean!",
    },
    "DispatchEvent": {
        "tankAssignment": "Pointer!TankAssignment",
        "eventType": "String!",
        "eventTime": "Date!",
        "recordedBy": "Pointer!_User",
        "locationNote": "String",
    },
}


@pytest.mark.parametrize("class_name", list(SEED))
def test_every_field_of_the_template_is_there_as_typed(class_name: str) -> None:
    check_template(TABLES, class_name, SEED[class_name])
