"""What a process tells a Prometheus that scrapes it: `GET /metrics`, by Litestar's Prometheus plugin.

Owns: the names of the metrics and who may read them. Always holds: the numbers are read when somebody asks, so they cost
the running server nothing; there is no name, no value and no query of a client in them. The plugin's middleware is left out:
it would label each request by its path, which holds class names and objectIds. With several workers a scrape is answered
by one of them. May import live and below, api/request, litestar, prometheus_client.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.plugins.prometheus import PrometheusController
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.actions.mails import Mails
from app.actions.reads import Reads
from app.api.request import RefusedError, Services, address_of, check_master_key, keys_in_headers
from app.core.addresses import is_loopback
from app.live.counters import LATENCY_BOUNDS
from app.live.hub import Hub


def check_reader(asked: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Lets in whom CAREBOARD_METRICS names. Raises RefusedError, or 404 where the page is off."""
    services: Services = asked.app.state.services
    settings = services.settings
    address = address_of(asked)
    if settings.metrics == "off":
        raise NotFoundException
    if settings.metrics == "loopback" and is_loopback(address):
        return
    if settings.metrics == "loopback":
        raise RefusedError(403, "unauthorized: metrics are for this machine only")
    check_master_key(settings, keys_in_headers(dict(asked.scope["headers"])).get("master", ""), address)


class MetricsController(PrometheusController):
    """The plugin's page, for those who may see it."""

    guards = [check_reader]  # noqa: RUF012 - Litestar reads it from the class
    include_in_schema = False


@contextmanager
def registered(hub: Hub, reads: Reads, mails: Mails) -> Iterator[None]:
    """While inside, scrapes are told what this hub, this access log and this outbox do."""
    collector = _Numbers(hub, reads, mails)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


class _Numbers(Collector):
    """Reads the numbers when Prometheus asks."""

    def __init__(self, hub: Hub, reads: Reads, mails: Mails) -> None:
        self._hub = hub
        self._reads = reads
        self._mails = mails

    def collect(self) -> Iterator[Metric]:
        hub, counters = self._hub, self._hub.stream.counters
        yield GaugeMetricFamily("careboard_live_connections", "Sockets and event streams that are open.", hub.connections)
        yield GaugeMetricFamily("careboard_live_subscriptions", "Subscriptions that are open.", hub.subscriptions)
        nodes = GaugeMetricFamily("careboard_live_nodes", "Distinct live queries by what they are filed under.", labels=["path"])
        for path, number in hub.stream.router.counts().items():
            nodes.add_metric([path], number)
        yield nodes
        yield GaugeMetricFamily("careboard_feed_lag_seconds", "Since the reader last stood at the head of the changes.", hub.lag)
        yield CounterMetricFamily("careboard_live_events", "Events handed to connections.", counters.sent)
        yield CounterMetricFamily("careboard_live_replayed", "Events told again from a cursor.", counters.replayed)
        yield CounterMetricFamily("careboard_live_coalesced", "Events whose place a newer state took.", counters.coalesced)
        yield CounterMetricFamily("careboard_live_closed_slow", "Connections closed as too far behind.", counters.closed_slow)
        yield CounterMetricFamily("careboard_live_turned_away", "Connections refused, many being open.", hub.guests.turned_away)
        kept, objects = hub.stream.router.kept()
        yield GaugeMetricFamily("careboard_live_kept_results", "Windows, counts, includes and sub-queries that are kept.", kept)
        yield GaugeMetricFamily("careboard_live_kept_objects", "Objects in them.", objects)
        yield CounterMetricFamily("careboard_live_kept_reads", "Reads of the database to keep them.", hub.upkeep.reads)
        yield GaugeMetricFamily("careboard_live_held_changes", "Changes kept for readers being settled.", hub.stream.held)
        yield GaugeMetricFamily(
            "careboard_live_history_bytes", "The last changes, kept for who comes back.", hub.stream.history.bytes
        )
        role = GaugeMetricFamily("careboard_feed_role", "1 where changes come from: table, leader, follower.", labels=["role"])
        for name in ("table", "leader", "follower"):
            role.add_metric([name], float(name == hub.feed.role))
        yield role
        yield CounterMetricFamily("careboard_feed_reads", "Reads of the change table.", hub.feed.reads)
        yield CounterMetricFamily("careboard_feed_relayed", "Batches that another node had read for this one.", hub.feed.relayed)
        yield GaugeMetricFamily("careboard_access_log_waiting", "Rows of the access log to be written.", self._reads.waiting)
        yield CounterMetricFamily("careboard_access_log_degraded", "Reads logged without their object.", self._reads.degraded)
        yield from self._outbox()
        sums = list(accumulate(counters.latency_buckets))
        bounds = [*map(str, LATENCY_BOUNDS), "+Inf"]
        yield HistogramMetricFamily(
            "careboard_live_latency_seconds",
            "From the write of a change, by the database's clock, until the sockets of all it concerns had it.",
            buckets=list(zip(bounds, sums, strict=True)),
            sum_value=counters.latency_seconds,
        )

    def _outbox(self) -> Iterator[Metric]:
        mails = self._mails
        yield GaugeMetricFamily("careboard_mails_waiting", "Mails to be sent, when this process last looked.", mails.waiting)
        yield GaugeMetricFamily("careboard_mails_dead", "Mails given up, when this process last looked.", mails.dead)
        yield CounterMetricFamily("careboard_mails_sent", "Mails that this process sent.", mails.sent)
        yield CounterMetricFamily("careboard_mails_failed", "Times that a mail was not taken.", mails.failed)
