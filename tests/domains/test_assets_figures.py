"""PM compliance, MTBF, MTTR and availability: known values, borders, and what cannot be known."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.wire import Object, date_to_wire, iso, pointer
from app.domains.assets.figures import GRACE, compliance, figures, reliability, services_due
from app.domains.assets.rules import LOG_STATES

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def log(planned: datetime | None, at: datetime, status: str = "completed", plan: str = "p1", **fields: object) -> Object:
    """Preventive work that answers the service of a plan."""
    body: Object = {
        "objectId": f"log{at:%d%H%M}",
        "asset": pointer("Asset", "a1"),
        "plan": pointer("MaintenancePlan", plan),
        "maintenanceType": "preventive",
        "status": status,
        "startedAt": date_to_wire(at - HOUR),
    }
    if planned is not None:
        body["plannedFor"] = date_to_wire(planned)
    if status in ("completed", "verified"):
        body["completedAt"] = date_to_wire(at)
    return {**body, **fields}  # type: ignore[dict-item]  # JSON


def plan(due: datetime, status: str = "active", name: str = "p1") -> Object:
    return {"objectId": name, "asset": pointer("Asset", "a1"), "status": status, "nextDueAt": date_to_wire(due)}


def failure(at: datetime, minutes: float | None = None, **fields: object) -> Object:
    body: Object = {
        "asset": pointer("Asset", "a1"),
        "maintenanceType": "corrective",
        "status": "completed",
        "startedAt": date_to_wire(at),
    }
    if minutes is not None:
        body["downtimeMinutes"] = minutes
    return {**body, **fields}  # type: ignore[dict-item]  # JSON


def asset(name: str = "a1", since: timedelta = 400 * DAY, **fields: object) -> Object:
    body: Object = {"objectId": name, "status": "in_use", "criticality": "critical", "createdAt": iso(NOW - since)}
    return {**body, **fields}  # type: ignore[dict-item]  # JSON


@pytest.mark.parametrize(
    ("late", "expected"),
    [(-5 * DAY, "on_time"), (timedelta(0), "on_time"), (GRACE, "on_time"), (GRACE + timedelta(minutes=1), "late")],
)
def test_work_is_on_time_until_the_day_after_its_date(late: timedelta, expected: str) -> None:
    due = NOW - 30 * DAY
    assert [each.result for each in services_due([log(due, due + late)], [], NOW)] == [expected]


@pytest.mark.parametrize("status", ["deferred_in_use", "could_not_locate"])
def test_work_that_was_tried_in_time_is_kept_and_tried_too_late_is_not(status: str) -> None:
    due = NOW - 10 * DAY
    assert [each.result for each in services_due([log(due, due, status)], [plan(due)], NOW)] == [status]
    assert [each.result for each in services_due([log(due, due + 3 * DAY, status)], [plan(due)], NOW)] == ["missed"]


def test_what_was_due_counts_once_however_often_it_was_tried() -> None:
    due = NOW - 20 * DAY
    logs = [log(due, due, "deferred_in_use"), log(due, due + 6 * DAY), log(due, due + HOUR, "could_not_locate")]
    assert [each.result for each in services_due(logs, [], NOW)] == ["deferred_in_use"]
    assert [each.result for each in services_due([logs[1], log(due, due)], [], NOW)] == ["on_time"]


def test_only_what_was_due_in_the_period_counts() -> None:
    logs = [log(NOW - 91 * DAY, NOW - 91 * DAY), log(NOW + 3 * DAY, NOW - DAY), log(None, NOW - DAY), log(NOW, NOW, "cancelled")]
    assert services_due(logs, [], NOW) == []
    assert len(services_due([log(NOW - 89 * DAY, NOW - 89 * DAY)], [], NOW)) == 1


def test_an_open_service_is_missed_from_the_day_after_its_date() -> None:
    assert services_due([], [plan(NOW - 23 * HOUR)], NOW) == []
    assert [each.result for each in services_due([], [plan(NOW - 25 * HOUR)], NOW)] == ["missed"]
    for status in ("paused", "completed"):
        assert services_due([], [plan(NOW - 9 * DAY, status)], NOW) == []


def test_the_share_has_a_known_value() -> None:
    dues = [NOW - number * DAY for number in range(2, 42)]
    logs = [log(due, due) for due in dues[:30]]  # on time
    logs += [log(due, due, "deferred_in_use") for due in dues[30:34]]
    logs += [log(due, due, "could_not_locate") for due in dues[34:36]]
    logs += [log(due, due + 2 * DAY) for due in dues[36:39]]  # late
    told = compliance(services_due(logs, [plan(dues[39])], NOW))
    assert (told.kept, told.due, told.percent) == (36, 40, 90.0)


def test_nothing_due_is_no_share_at_all() -> None:
    assert compliance([]).percent is None
    first = figures({"assets": [], "plans": [], "logs": []}, NOW)[0]
    assert (first.value, first.numbers, first.note) == (None, "", "No service was due in the last 90 days.")


def test_mtbf_and_mttr_have_known_values() -> None:
    """Two assets, 100 days and a year in service; three failures, 12 hours down in two of them."""
    assets = [asset("a1", 100 * DAY), asset("a2", 900 * DAY)]
    logs = [failure(NOW - 9 * DAY, 480), failure(NOW - 8 * DAY, 240), failure(NOW - 7 * DAY)]
    told = reliability(assets, logs, NOW)
    assert told.observed_h == 100 * 24 + 365 * 24
    assert (told.down_h, told.failures, told.timed) == (12, 3, 2)
    assert told.mtbf_h == (465 * 24 - 12) / 3
    assert told.mttr_h == 6
    assert told.availability == 1 - 12 / (465 * 24)


def test_what_is_no_failure_of_an_asset_in_service_does_not_count() -> None:
    logs = [
        failure(NOW - 400 * DAY, 60),
        failure(NOW + DAY, 60),
        failure(NOW - DAY, 60, status="cancelled"),
        failure(NOW - DAY, 60, maintenanceType="preventive"),
        failure(NOW - DAY, 60, asset=pointer("Asset", "retired")),
    ]
    told = reliability([asset(), asset("retired", status="retired")], logs, NOW)
    assert (told.failures, told.down_h, told.mtbf_h, told.mttr_h, told.availability) == (0, 0, None, None, 1)


def test_an_asset_is_observed_from_its_purchase() -> None:
    told = reliability([asset(purchaseDate=date_to_wire(NOW - 10 * DAY))], [], NOW)
    assert told.observed_h == 240


def test_the_page_prints_its_formulas_with_their_numbers() -> None:
    due = NOW - 30 * DAY
    found = {
        "assets": [asset(), asset("a2", criticality="low")],
        "plans": [plan(NOW - 5 * DAY, name="p2") | {"asset": pointer("Asset", "a2")}],
        "logs": [log(due, due), failure(NOW - 9 * DAY, 90)],
    }
    pm, mtbf, mttr, availability = figures(found, NOW)
    assert (pm.value, pm.numbers) == ("50.0 %", "(1 + 0 + 0) ÷ 2")
    assert (pm.note, pm.bars) == (
        "0 done late, 1 still open past the date.",
        (("Critical", 1.0, "1 of 1"), ("Low", 0.0, "0 of 1")),
    )
    assert (mtbf.value, mtbf.numbers) == ("729.9 days", "(17,520 h - 1.5 h) ÷ 1")
    assert (mttr.value, mttr.numbers) == ("1.5 h", "1.5 h ÷ 1")
    assert availability.value == "99.99 %"
    assert (mtbf.bars, mttr.bars, availability.bars) == (
        (("No category", 1.0, "1"),),
        (("No category", 1.0, "1.5 h"),),
        (("a1", 1.0, "1.5 h"),),
    )


def test_bars_tell_which_kinds_fail_most_and_which_assets_were_down_the_longest() -> None:
    assets = [asset("a1", category="infusion_pump"), asset("a2", category="ecg"), asset("a3", category="bed", status="retired")]
    second: Object = {"asset": pointer("Asset", "a2")}
    logs = [
        failure(NOW - DAY, 60),
        failure(NOW - 2 * DAY),
        failure(NOW - DAY, 240) | second,
        failure(NOW, 600, asset=pointer("Asset", "a3")),
    ]
    _, mtbf, mttr, availability = figures({"assets": assets, "plans": [], "logs": logs}, NOW)
    assert mtbf.bars == (("Infusion pump", 1.0, "2"), ("ECG", 0.5, "1"))
    assert mttr.bars == (("ECG", 1.0, "4.0 h"), ("Infusion pump", 0.25, "1.0 h"))
    assert [label for label, _, _ in availability.bars] == ["a2", "a1"]


def test_nobody_misses_the_service_of_a_retired_asset() -> None:
    found = {"assets": [asset(status="retired")], "plans": [plan(NOW - 5 * DAY)], "logs": []}
    assert figures(found, NOW)[0].value is None


def test_without_failures_the_page_says_how_long_it_looked() -> None:
    _, mtbf, mttr, _ = figures({"assets": [asset()], "plans": [], "logs": []}, NOW)
    assert (mtbf.value, mttr.value) == (None, None)
    assert mtbf.note == "Nothing failed in the last 365 days, in 8,760 h of service: it is longer than that."
    assert mttr.note == "Nothing failed in the last 365 days."


def test_without_assets_nothing_is_said_of_how_long_they_last() -> None:
    _, *others = figures({"assets": [], "plans": [], "logs": []}, NOW)
    assert {(figure.value, figure.note, figure.bars) for figure in others} == {(None, "No asset is in service.", ())}


moments = st.integers(0, 200).map(lambda number: NOW - timedelta(hours=12 * number))
logs_of_plans = st.lists(st.builds(log, moments, moments, st.sampled_from(LOG_STATES.states), st.sampled_from(["p1", "p2"])))


@given(logs_of_plans, st.lists(st.builds(plan, moments, st.sampled_from(["active", "paused"]), st.sampled_from(["p1", "p2"]))))
def test_a_share_is_between_0_and_100_and_its_parts_add_up(logs: list[Object], plans: list[Object]) -> None:
    services = services_due(logs, plans, NOW)
    told = compliance(services)
    assert told.due == len(services)
    assert told.percent is None if not services else 0 <= told.percent <= 100  # type: ignore[operator]  # a number then
    assert compliance(services_due([*logs, *logs], plans, NOW)) == told
