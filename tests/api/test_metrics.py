"""What Prometheus is told, and who may ask."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.api.test_livequery import CONNECT, Rest, open_socket
from tests.conftest import PATIENCE, RunningServer


def told(text: str) -> dict[str, float]:
    """The numbers of a scrape by name and labels."""
    pairs = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(number) for name, _, number in pairs}


async def scrape(server: RunningServer, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        return await http.get(f"{server.url}/metrics", headers=headers)


async def numbers(server: RunningServer) -> dict[str, float]:
    answer = await scrape(server, **{"X-Parse-Master-Key": server.master_key})
    assert answer.status_code == 200, answer.text
    return told(answer.text)


async def until(server: RunningServer, is_so: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """The numbers as soon as they are so: what a socket held is given back when its connection is lost, which the other end is
    not told."""
    async with asyncio.timeout(PATIENCE):
        while not is_so(found := await numbers(server)):  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.05)
    return found


async def test_what_clients_do_is_counted(running_server: RunningServer) -> None:
    rest = Rest(running_server)
    await rest.create("Gauge", psi=0)
    before = await numbers(running_server)
    async with open_socket(running_server) as socket, open_socket(running_server) as other:
        await socket.ask({**CONNECT, "cursors": True})
        await other.ask(CONNECT)
        for number, where in enumerate(({"psi": 1}, {"psi": {"$gt": 0}}, {"site": {"$regex": "^A"}}, {})):
            query = {"className": "Gauge", "where": where}
            assert (await socket.ask({"op": "subscribe", "requestId": number, "query": query}))["op"] == "subscribed"
        cursor = (await other.subscribe("Gauge"), (await numbers(running_server)))[1]
        assert cursor["careboard_live_connections"] == before["careboard_live_connections"] + 2
        assert cursor["careboard_live_subscriptions"] == before["careboard_live_subscriptions"] + 5
        nodes = {kind: cursor[f'careboard_live_nodes{{path="{kind}"}}'] for kind in ("equality", "interval", "prefix", "scan")}
        assert nodes == {"equality": 1, "interval": 1, "prefix": 1, "scan": 1}
        await rest.create("Gauge", psi=1)
        events = [await socket.hear() for _ in range(3)]
        await other.hear()
    gone = "careboard_live_connections"
    after = await until(running_server, lambda found: found[gone] == before[gone])
    assert after["careboard_live_events_total"] == before["careboard_live_events_total"] + 4
    assert after["careboard_live_latency_seconds_count"] == before["careboard_live_latency_seconds_count"] + 1
    assert after['careboard_live_latency_seconds_bucket{le="+Inf"}'] == after["careboard_live_latency_seconds_count"]
    assert (after["careboard_access_log_waiting"], after["careboard_access_log_degraded_total"]) == (0, 0)
    assert 0 <= after["careboard_feed_lag_seconds"] < PATIENCE
    assert sum(number for name, number in after.items() if name.startswith("careboard_live_nodes")) == 0
    roles = [after[f'careboard_feed_role{{role="{role}"}}'] for role in ("table", "leader", "follower")]
    assert roles == [1, 0, 0]
    assert after["careboard_feed_reads_total"] > before["careboard_feed_reads_total"]
    assert after["careboard_live_history_bytes"] > 0
    assert after["careboard_live_held_changes"] == after["careboard_live_kept_objects"] == 0
    await rest.create("Gauge", psi=1)
    async with open_socket(running_server) as socket:
        await socket.ask({**CONNECT, "cursors": True})
        await socket.subscribe("Gauge", since=events[-1]["cursor"])
        await socket.hear()
    replayed = (await numbers(running_server))["careboard_live_replayed_total"]
    assert replayed == before["careboard_live_replayed_total"] + 1
    await rest.close()


async def test_a_client_that_falls_behind_is_counted(running_server: RunningServer) -> None:
    rest = Rest(running_server)
    await rest.create("Bulk", n=0)
    before, closed = await numbers(running_server), "careboard_live_closed_slow_total"
    async with open_socket(running_server) as socket:
        await socket.ask(CONNECT)
        await socket.subscribe("Bulk")
        socket.socket.transport.pause_reading()
        async with asyncio.timeout(PATIENCE):
            while (await numbers(running_server))[closed] == before[closed]:
                await rest.create("Bulk", text="x" * 400_000)
        socket.socket.transport.abort()
    await rest.close()


async def test_only_the_master_key_reads_them_by_default(running_server: RunningServer) -> None:
    assert (await scrape(running_server)).status_code == 403
    assert (await scrape(running_server, **{"X-Parse-Master-Key": "wrong"})).status_code == 403
    basic = base64.b64encode(f"careboard:{running_server.master_key}".encode()).decode()
    assert (await scrape(running_server, Authorization=f"Basic {basic}")).status_code == 200


@pytest.mark.parametrize(("who", "status", "forwarded"), [("loopback", 200, 403), ("off", 404, 404)])
def test_the_setting_says_who_reads_them(
    clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, who: str, status: int, forwarded: int
) -> None:
    server = RunningServer(clone_database(), Path(tmp_path_factory.mktemp("metrics")))
    server.environment["CAREBOARD_METRICS"] = who
    server.start()
    try:
        assert httpx.get(f"{server.url}/metrics", timeout=PATIENCE).status_code == status
        assert (
            httpx.get(f"{server.url}/metrics", headers={"X-Forwarded-For": "203.0.113.9"}, timeout=PATIENCE).status_code
            == forwarded
        )
    finally:
        server.stop()
