"""What a GraphQL list costs beside the REST find of the same objects: 100 tanks with site and driver.

    python -m tests.bench.graphql [--requests 300] [--clients 4] [--rounds 4]

Prints and asserts nothing; about a minute. CPU of the server and of Postgres for one request, and how many transactions Postgres
counted for one (a statement outside a transaction is one; the session of the caller is one of them). Refusals of hostile
queries are timed by the client. The servers are those of tests/bench/rest.py.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from app.config import Settings
from app.core.wire import Object
from app.store.database import ensure_embedded, release_embedded, with_database
from tests.bench.rest import (
    MASTER_KEY,
    Client,
    Request,
    Server,
    _checked,
    _prepare_postgres,
    _until_it_answers,
    careboard,
    fill,
    measure,
)

TANKS = 100
DATABASE = "bench_careboard"

KEYS = ("tankSerialNumber", "psiLevel", "status", "urgency", "emptyAt")
SITE = ("siteName", "city", "region")
DRIVER = ("username", "displayName")
QUERY = f"""query Tanks($first: Int) {{
  tankAssignments(order: emptyAt_ASC, first: $first) {{
    edges {{
      node {{ id objectId {" ".join(KEYS)} assignedSite {{ {" ".join(SITE)} }} assignedDriver {{ {" ".join(DRIVER)} }} }}
    }}
  }}
}}"""
HOSTILE = {
    "depth 50": "{" + "a{" * 50 + "b" + "}" * 50 + "}",
    "1,000 aliases": "{" + " ".join(f"a{number}: health" for number in range(1000)) + "}",
    "1 MB": "{" + "health " * 150_000 + "}",
}


def by_rest(server: Server, *, whole: bool) -> Request:
    """The find with include; `whole` asks for all fields, as a client of REST that names none."""
    keys = [*KEYS, *(f"assignedSite.{name}" for name in SITE), *(f"assignedDriver.{name}" for name in DRIVER)]
    asked = "" if whole else f"&keys={quote(','.join(keys))}"
    path = f"/classes/TankAssignment?order=emptyAt&limit={TANKS}&include=assignedSite,assignedDriver{asked}"
    session = f"X-Parse-Session-Token: {server.token}\r\n"
    return lambda client, _: _checked(client, "GET", path, headers=session)


def by_graphql(server: Server) -> Request:
    """The same as a GraphQL query."""
    session = f"X-Parse-Session-Token: {server.token}\r\n"
    body: Object = {"query": QUERY, "variables": {"first": TANKS}}

    def ask(client: Client, _: random.Random) -> Awaitable[object]:
        return _checked(client, "POST", "/graphql", body, session)

    return ask


async def compare(server: Server, postgres: psutil.Process, url: str, given: argparse.Namespace) -> None:
    """The three in turns; prints the medians."""
    cases = {
        "REST, all fields": by_rest(server, whole=True),
        "REST, the same keys": by_rest(server, whole=False),
        "GraphQL": by_graphql(server),
    }
    costs: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in cases}
    for number in range(given.rounds + 1):
        for name, request in cases.items():
            before = await _transactions(url)
            cost = await measure(server, postgres, request, given.requests, given.clients)
            statements = (await _transactions(url) - before) / (given.requests // given.clients * given.clients)
            if number:
                costs[name].append((cost.server, cost.postgres, cost.rate, statements))
    print(f"\n{TANKS} tanks with site and driver{'server µs':>14}{'+ postgres':>12}{'req/s':>8}{'transactions':>14}")
    for name, rounds in costs.items():
        used, more, rate, statements = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"{name:<32}{used:>11,.0f}{more:>12,.0f}{rate:>8,.0f}{statements:>14.1f}")


async def _transactions(url: str) -> int:
    """What Postgres counted so far; its backends tell it after a second of quiet at the latest."""
    await asyncio.sleep(1.2)
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("select xact_commit from pg_stat_database where datname = $1", DATABASE))
    finally:
        await connection.close()


async def refuse(server: Server) -> None:
    """How long a hostile query waits for its refusal."""
    client = await server.client()
    for name, query in HOSTILE.items():
        took = []
        for _ in range(20):
            began = time.perf_counter()
            status, _ = await client.ask_raw("POST", "/graphql", {"query": query}, "")
            took.append((time.perf_counter() - began) * 1000)
            assert status == 400
        print(f"refused: {name:<16}{statistics.median(took):>8.1f} ms, at most {max(took):.1f} ms")
    client.close()


async def main(given: argparse.Namespace, folder: Path) -> None:
    """Starts, fills and measures one server."""
    settings = Settings(data_dir=folder)
    url = await ensure_embedded(settings)
    with ExitStack() as running:
        running.callback(release_embedded, settings.postgres_dir)
        postmaster = await _prepare_postgres(url)
        server = running.enter_context(careboard(with_database(url, DATABASE), folder))
        await _until_it_answers(server)
        await fill(server)
        client = await server.client()
        master = f"X-Parse-Master-Key: {MASTER_KEY}\r\n"
        first = await client.ask("GET", f"/classes/TankAssignment/{server.tanks[0]}", headers=master)
        for number in range(len(server.tanks), TANKS):
            tank = {name: first[name] for name in ("psiLevel", "cylinderSize", "flowLpm", "status")}
            links = {"assignedSite": first["assignedSite"], "assignedDriver": first["assignedDriver"]}
            await client.ask("POST", "/classes/TankAssignment", {**tank, **links, "tankSerialNumber": f"MORE-{number}"}, master)
        client.close()
        await compare(server, postmaster, url, given)
        await refuse(server)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as name:
        asyncio.run(main(parser.parse_args(), Path(name)))
