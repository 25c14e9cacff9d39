"""What an accreditor asks of equipment, computed: PM compliance, MTBF, MTTR, availability, each with its formula.

Owns: the formulas. Holds: pure, from stored objects and a moment; a figure that cannot be known is None and says why, never 0
or 100 %; what was due counts once, however often it was tried. May import live.boards.board and rules.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Final, Literal

from app.core.wire import Object, parse_iso
from app.domains.assets.rules import CATEGORY_WORDS, CRITICALITIES, DONE, TRIED
from app.domains.limits import instant, pointed
from app.live.boards.board import Figure

PM_PERIOD: Final = timedelta(days=90)
FAILURE_PERIOD: Final = timedelta(days=365)
GRACE: Final = timedelta(days=1)
"""Work on the day it was due for is on time."""
MOST_BARS: Final = 6

Result = Literal["on_time", "deferred_in_use", "could_not_locate", "late", "missed"]
ON_TIME: Final[tuple[Result, ...]] = ("on_time", "deferred_in_use", "could_not_locate")
"""Somebody was there in time with the work: that the asset was in use on a patient, or could not be found, is a deferral under
the hospital's own policy and not a miss. Each is told apart, so that nobody hides a miss among them."""

_BEST_FIRST: Final[tuple[Result, ...]] = (*ON_TIME, "late", "missed")


@dataclass(frozen=True, slots=True)
class Due:
    """One service that a plan asked for, and what came of it."""

    asset: str
    at: datetime
    result: Result


@dataclass(frozen=True, slots=True)
class Compliance:
    """How many services were due, by what came of them."""

    counts: Mapping[Result, int]

    @property
    def due(self) -> int:
        """All that were due."""
        return sum(self.counts.values())

    @property
    def kept(self) -> int:
        """Those that were kept in time."""
        return sum(self.counts.get(result, 0) for result in ON_TIME)

    @property
    def percent(self) -> float | None:
        """None where nothing was due."""
        return 100 * self.kept / self.due if self.due else None


@dataclass(frozen=True, slots=True)
class Failure:
    """Corrective work that was begun: on which asset, and how long it was down; None where nobody wrote that down."""

    asset: str
    down_h: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """What a year of work orders says: hours observed, hours down, failures, and those whose downtime was written down."""

    observed_h: float
    down_h: float
    failures: int
    timed: int

    @property
    def mtbf_h(self) -> float | None:
        """Mean time between failures; None where nothing failed: then it is longer than what was observed."""
        return (self.observed_h - self.down_h) / self.failures if self.failures else None

    @property
    def mttr_h(self) -> float | None:
        """Mean time to restore, of the failures whose downtime is known."""
        return self.down_h / self.timed if self.timed else None

    @property
    def availability(self) -> float | None:
        """The share of the time in which the assets could be used."""
        return 1 - self.down_h / self.observed_h if self.observed_h else None


def services_due(logs: Iterable[Object], plans: Iterable[Object], now: datetime, period: timedelta = PM_PERIOD) -> list[Due]:
    """Every service due in the period before `now`, once each, with the best that came of it."""
    found: dict[tuple[str, datetime], Due] = {}
    for log in logs:
        plan, at, result = pointed(log.get("plan")), instant(log.get("plannedFor")), _result(log)
        if plan is not None and at is not None and result is not None:
            _keep_best(found, plan, Due(pointed(log.get("asset")) or "", at, result))
    for plan_row in plans:
        at = instant(plan_row.get("nextDueAt"))
        if plan_row.get("status") == "active" and at is not None and at + GRACE <= now:
            _keep_best(found, str(plan_row["objectId"]), Due(pointed(plan_row.get("asset")) or "", at, "missed"))
    return [due for due in found.values() if now - period < due.at <= now]


def _keep_best(found: dict[tuple[str, datetime], Due], plan: str, due: Due) -> None:
    known = found.get((plan, due.at))
    if known is None or _BEST_FIRST.index(due.result) < _BEST_FIRST.index(known.result):
        found[plan, due.at] = due


def _result(log: Object) -> Result | None:
    """What one log says of the service it answers; None where it says nothing: it is open, cancelled, or was tried too late."""
    status = log.get("status")
    planned = instant(log.get("plannedFor"))
    at = instant(log.get("completedAt")) or instant(log.get("performedAt")) or instant(log.get("startedAt"))
    if planned is None or at is None:
        return None
    in_time = at <= planned + GRACE
    if status in DONE:
        return "on_time" if in_time else "late"
    if status in TRIED and in_time:
        return "deferred_in_use" if status == "deferred_in_use" else "could_not_locate"
    return None


def compliance(services: Iterable[Due]) -> Compliance:
    """The services counted by what came of them."""
    counts: dict[Result, int] = {}
    for due in services:
        counts[due.result] = counts.get(due.result, 0) + 1
    return Compliance(counts)


def reliability(
    assets: Iterable[Object], logs: Iterable[Object], now: datetime, period: timedelta = FAILURE_PERIOD
) -> Reliability:
    """The failures (corrective work begun) of assets in service, in the period before `now`.

    An asset is observed from its purchase, or from when it was registered; a retired one is not counted.
    """
    begins = now - period
    observed: dict[str, float] = {}
    for asset in assets:
        if asset.get("status") != "retired":
            since = instant(asset.get("purchaseDate")) or parse_iso(str(asset["createdAt"]))
            observed[str(asset["objectId"])] = max(0.0, (now - max(since, begins)) / timedelta(hours=1))
    failed = [failure for failure in failures(logs, now, period) if failure.asset in observed]
    downtimes = [each.down_h for each in failed if each.down_h is not None]
    return Reliability(sum(observed.values()), sum(downtimes), len(failed), len(downtimes))


def failures(logs: Iterable[Object], now: datetime, period: timedelta = FAILURE_PERIOD) -> list[Failure]:
    """Every failure in the period before `now`."""
    return [
        Failure(pointed(log.get("asset")) or "", None if minutes is None else float(str(minutes)) / 60)
        for log in logs
        if log.get("maintenanceType") == "corrective"
        and log.get("status") != "cancelled"
        and (at := instant(log.get("startedAt"))) is not None
        and now - period < at <= now
        for minutes in [log.get("downtimeMinutes")]
    ]


def figures(found: Mapping[str, Sequence[Object]], now: datetime) -> Sequence[Figure]:
    """The page of numbers: `found` has the assets, plans and logs that the caller may see."""
    assets, logs = found["assets"], found["logs"]
    retired = {asset["objectId"] for asset in assets if asset.get("status") == "retired"}
    services = services_due(logs, [plan for plan in found["plans"] if pointed(plan.get("asset")) not in retired], now)
    in_service = {str(asset["objectId"]): asset for asset in assets if asset["objectId"] not in retired}
    failed = [failure for failure in failures(logs, now) if failure.asset in in_service]
    return (_compliance_figure(services, assets), *_reliability_figures(reliability(assets, logs, now), failed, in_service))


def _compliance_figure(services: Sequence[Due], assets: Sequence[Object]) -> Figure:
    whole, days = compliance(services), PM_PERIOD.days
    parts = [whole.counts.get(result, 0) for result in _BEST_FIRST]
    late, missed = parts[3], parts[4]
    note = f"{late} done late, {missed} still open past the date." if late or missed else ""
    return Figure(
        label="PM compliance",
        value=None if whole.percent is None else f"{whole.percent:.1f} %",
        formula=f"(done on time + deferred in use + could not locate) ÷ services due in the last {days} days",
        numbers=f"({parts[0]} + {parts[1]} + {parts[2]}) ÷ {whole.due}" if whole.due else "",
        note=note if whole.due else f"No service was due in the last {days} days.",
        tone="calm" if whole.kept == whole.due else "warn",
        bars=_by_criticality(services, assets),
        bars_label="Kept, by criticality",
    )


def _by_criticality(services: Sequence[Due], assets: Sequence[Object]) -> tuple[tuple[str, float, str], ...]:
    """One bar for each criticality that had a service due, the gravest first: they are asked for one by one."""
    criticality = {str(asset["objectId"]): asset.get("criticality") for asset in assets}
    bars = []
    for name in reversed(CRITICALITIES):
        part = compliance(due for due in services if criticality.get(due.asset) == name)
        if part.due:
            bars.append((name.capitalize(), part.kept / part.due, f"{part.kept} of {part.due}"))
    return tuple(bars)


def _reliability_figures(told: Reliability, failed: Sequence[Failure], in_service: Mapping[str, Object]) -> tuple[Figure, ...]:
    days = FAILURE_PERIOD.days
    observed, down, up = f"{told.observed_h:,.0f} h", f"{told.down_h:,.1f} h", f"{told.observed_h - told.down_h:,.0f} h"
    unused = "" if told.observed_h else "No asset is in service."
    none = unused or f"Nothing failed in the last {days} days, in {observed} of service: it is longer than that."
    untimed = told.failures - told.timed
    unwritten = f"The downtime of {untimed} failures was not written down." if untimed else ""
    share = told.availability
    kinds = {name: _kind(asset) for name, asset in in_service.items()}
    names = {name: str(asset.get("assetTag") or name) for name, asset in in_service.items()}
    return (
        Figure(
            label="MTBF, mean time between failures",
            value=None if told.mtbf_h is None else _span(told.mtbf_h),
            formula=f"(hours in service - hours down) ÷ failures (corrective work begun), of the last {days} days",
            numbers=f"({observed} - {down}) ÷ {told.failures}" if told.failures else "",
            note="" if told.failures else none,
            bars=_greatest({kind: float(len(hours)) for kind, hours in _grouped(failed, kinds).items()}, "{:,.0f}"),
            bars_label="Failures, by category",
        ),
        Figure(
            label="MTTR, mean time to restore",
            value=None if told.mttr_h is None else _span(told.mttr_h),
            formula="hours down ÷ failures whose downtime was written down",
            numbers=f"{down} ÷ {told.timed}" if told.timed else "",
            note=unwritten if told.failures else unused or f"Nothing failed in the last {days} days.",
            bars=_greatest({kind: fmean(hours) for kind, hours in _timed(failed, kinds).items()}, "{:,.1f} h"),
            bars_label="Mean time down, by category",
        ),
        Figure(
            label="Availability",
            value=None if share is None else f"{100 * share:.2f} %",
            formula="(hours in service - hours down) ÷ hours in service",
            numbers=f"{up} ÷ {observed}" if told.observed_h else "",
            note=unused,
            bars=_greatest({name: sum(hours) for name, hours in _timed(failed, names).items()}, "{:,.1f} h"),
            bars_label="Down the longest",
        ),
    )


def _kind(asset: Object) -> str:
    category = str(asset.get("category") or "no category")
    return CATEGORY_WORDS.get(category) or category.replace("_", " ").capitalize()


def _grouped(failed: Iterable[Failure], names: Mapping[str, str]) -> dict[str, list[float | None]]:
    """The hours down of each failure, by what its asset is called."""
    found: dict[str, list[float | None]] = {}
    for each in failed:
        found.setdefault(names[each.asset], []).append(each.down_h)
    return found


def _timed(failed: Iterable[Failure], names: Mapping[str, str]) -> dict[str, list[float]]:
    """The same of those whose downtime is known."""
    known = _grouped((each for each in failed if each.down_h is not None), names)
    return {name: [each for each in hours if each is not None] for name, hours in known.items()}


def _greatest(amounts: Mapping[str, float], words: str) -> tuple[tuple[str, float, str], ...]:
    """A bar for each of the greatest, against the greatest of them."""
    first = sorted(amounts.items(), key=lambda item: (-item[1], item[0]))[:MOST_BARS]
    return tuple((name, amount / first[0][1], words.format(amount)) for name, amount in first if amount)


def _span(hours: float) -> str:
    """'2.5 h', '41.7 days'."""
    return f"{hours:,.1f} h" if hours < 48 else f"{hours / 24:,.1f} days"
