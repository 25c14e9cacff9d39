"""What one REST request costs: CPU of the server and of Postgres, beside Parse Server on the same Postgres where there is one.

    python -m tests.bench.rest [--requests 500] [--clients 8] [--rounds 4]

Prints and asserts nothing; about two minutes. The servers take turns; the clients keep their connections. With
PARSE_SERVER_DIR naming a folder whose node_modules hold parse-server (and router 2.2.0), the same requests are put to it, on
a database of its own in the same embedded Postgres, which runs with its shipped settings: fsync is on.
"""

import argparse
import asyncio
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import psutil

from app.actions.objects import utc_now
from app.config import Settings
from app.core.wire import Object, date_to_wire, decode, encode, pointer
from app.store.database import ensure_embedded, release_embedded, with_database

ROOT = Path(__file__).parent.parent.parent
APP_ID, MASTER_KEY, CLASS = "careboard", "bench-master-key", "BenchThing"
OBJECTS = 300

PARSE_SERVER = """
const [databaseURI, host, port, appId, masterKey] = process.argv.slice(1);
const { ParseServer } = require('parse-server');
const serverURL = `http://127.0.0.1:${port}/parse`;
const server = new ParseServer({
  databaseURI, databaseOptions: { host }, appId, masterKey, serverURL,
  allowClientClassCreation: true, silent: true, logsFolder: null,
});
server.start().then(() => require('express')().use('/parse', server.app).listen(Number(port), '127.0.0.1'));
"""


class Client:
    """One keep-alive connection; just enough HTTP for a server that says Content-Length."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.headers = f"Host: 127.0.0.1:{port}\r\nX-Parse-Application-Id: {APP_ID}\r\nContent-Type: application/json\r\n"

    async def open(self) -> "Client":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    def close(self) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: Object | None = None, headers: str = "") -> Object:
        """One request and its answer, decoded. Raises RuntimeError unless it is 200 or 201."""
        status, text = await self.ask_raw(method, path, body, headers)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {text[:300]!r}")
        answer = decode(text)
        assert isinstance(answer, dict)
        return answer

    async def ask_raw(self, method: str, path: str, body: Object | None, headers: str) -> tuple[int, bytes]:
        """One request; status and body as they came."""
        content = b"" if body is None else encode(body)
        where = path if path == "/graphql" else f"/parse{path}"
        head = f"{method} {where} HTTP/1.1\r\n{self.headers}{headers}Content-Length: {len(content)}\r\n\r\n"
        self._writer.write(head.encode() + content)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(answer[9:12]), await self._reader.readexactly(length)


@dataclass
class Server:
    """A server under test: its process and what the cases need to know of its data."""

    name: str
    process: "subprocess.Popen[bytes]"
    port: int
    things: list[str] = field(default_factory=list)
    tanks: list[str] = field(default_factory=list)
    token: str = ""

    async def client(self) -> Client:
        return await Client(self.port).open()


Request = Callable[[Client, random.Random], Awaitable[object]]
Case = Callable[[Server], Request | None]


def _thing(chance: random.Random) -> Object:
    return {
        "name": f"thing {chance.randint(0, 10**6)}",
        "level": chance.randint(0, 3000),
        "active": chance.random() < 0.5,
        "seenAt": date_to_wire(utc_now()),
        "place": {"__type": "GeoPoint", "latitude": 40.5, "longitude": -73.9},
        "tags": ["a", "b", "c"],
        "owner": pointer("_User", "abcdefghij"),
    }


def create(server: Server) -> Request:
    return lambda client, chance: _checked(client, "POST", f"/classes/{CLASS}", _thing(chance))


def get(server: Server) -> Request:
    return lambda client, chance: _checked(client, "GET", f"/classes/{CLASS}/{chance.choice(server.things)}")


def get_signed_in(server: Server) -> Request | None:
    if not server.token:
        return None
    session = f"X-Parse-Session-Token: {server.token}\r\n"
    return lambda client, chance: _checked(client, "GET", f"/classes/{CLASS}/{chance.choice(server.things)}", headers=session)


def find_100(server: Server) -> Request:
    where = quote(encode({"level": {"$gte": 0}}))
    return lambda client, chance: _checked(client, "GET", f"/classes/{CLASS}?where={where}&order=-createdAt&limit=100")


def update(server: Server) -> Request:
    def ask(client: Client, chance: random.Random) -> Awaitable[object]:
        return _checked(client, "PUT", f"/classes/{CLASS}/{chance.choice(server.things)}", {"level": chance.randint(0, 3000)})

    return ask


def update_tank(server: Server) -> Request | None:
    """A reading by a signed-in dispatcher: session, rules, derived facts and audit trail."""
    if not server.tanks:
        return None
    session = f"X-Parse-Session-Token: {server.token}\r\n"

    def ask(client: Client, chance: random.Random) -> Awaitable[object]:
        body: Object = {"psiLevel": chance.randint(600, 2000)}
        return _checked(client, "PUT", f"/classes/TankAssignment/{chance.choice(server.tanks)}", body, session)

    return ask


async def _checked(client: Client, method: str, path: str, body: Object | None = None, headers: str = "") -> None:
    status, text = await client.ask_raw(method, path, body, headers)
    if status not in (200, 201):
        raise RuntimeError(f"{method} {path}: {status} {text[:300]!r}")


CASES: dict[str, Case] = {
    "create": create,
    "get": get,
    "get, signed in": get_signed_in,
    "find 100": find_100,
    "update": update,
    "update psiLevel": update_tank,
}


@dataclass(frozen=True)
class Cost:
    """Of one request: CPU of the server and of Postgres in µs, and how many a second came through."""

    server: float
    postgres: float
    rate: float


async def measure(server: Server, postgres: psutil.Process, request: Request, requests: int, clients: int) -> Cost:
    """The mean over so many requests by clients that each wait for their answer."""
    open_clients = [await server.client() for _ in range(clients)]
    process = psutil.Process(server.process.pid)
    before, postgres_before, began = _cpu([process]), _cpu_of_postgres(postgres), time.perf_counter()

    async def ask(number: int, client: Client) -> None:
        chance = random.Random(number)
        for _ in range(requests // clients):
            await request(client, chance)

    await asyncio.gather(*(ask(number, client) for number, client in enumerate(open_clients)))
    took = time.perf_counter() - began
    done = requests // clients * clients
    used, postgres_used = _cpu([process]) - before, _cpu_of_postgres(postgres) - postgres_before
    for client in open_clients:
        client.close()
    return Cost(used / done * 1e6, postgres_used / done * 1e6, done / took)


def _cpu(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _cpu_of_postgres(postmaster: psutil.Process) -> float:
    return _cpu([postmaster, *postmaster.children(recursive=True)])


async def fill(server: Server) -> None:
    """The plain class with its rows and, where the server has the domain, a signed-in dispatcher and tanks."""
    client, chance = await server.client(), random.Random(1)
    for _ in range(OBJECTS):
        server.things.append(str((await client.ask("POST", f"/classes/{CLASS}", _thing(chance)))["objectId"]))
    master = f"X-Parse-Master-Key: {MASTER_KEY}\r\n"
    person: Object = {"username": "bench", "password": "bench bench"}
    if server.name == "careboard":
        person["role"] = "dispatcher"
    user = await client.ask("POST", "/users", person, master)
    server.token = str((await client.ask("POST", "/login", person))["sessionToken"])
    if server.name == "careboard":
        await _fill_tanks(server, client, master, str(user["objectId"]))
    client.close()


async def _fill_tanks(server: Server, client: Client, master: str, user_id: str) -> None:
    site: Object = {
        "siteName": "Bench",
        "addressLine1": "1 Bench Street",
        "city": "Portland",
        "region": "OR",
        "postalCode": "97202",
        "primaryContact": pointer("_User", user_id),
        "careTeam": [pointer("_User", user_id)],
    }
    site_id = str((await client.ask("POST", "/classes/PatientSite", site, master))["objectId"])
    for number in range(40):
        tank: Object = {
            "tankSerialNumber": f"BENCH-{number}",
            "psiLevel": 1800,
            "cylinderSize": "E",
            "flowLpm": 2,
            "status": "in_use",
            "assignedSite": pointer("PatientSite", site_id),
            "assignedDriver": pointer("_User", user_id),
        }
        answer = await client.ask("POST", "/classes/TankAssignment", tank, master)
        server.tanks.append(str(answer["objectId"]))


async def compare(servers: Sequence[Server], postgres: psutil.Process, given: argparse.Namespace) -> None:
    """Every case in turns, so that what else the machine does falls on all alike; prints the medians of the rounds."""
    print("\nµs CPU per request".ljust(21) + "".join(f"{server.name:>14}{'+ postgres':>12}{'req/s':>8}" for server in servers))
    for name in given.only or CASES:
        line = name.ljust(20)
        turns: dict[str, list[Cost]] = {}
        for number in range(given.rounds + 1):
            for server in servers:
                request = CASES[name](server)
                if request is None:
                    continue
                cost = await measure(server, postgres, request, given.requests, given.clients)
                if number > 0:  # the first turn warms up
                    turns.setdefault(server.name, []).append(cost)
        for server in servers:
            line += _shown(turns.get(server.name))
        print(line, flush=True)


def _shown(turns: list[Cost] | None) -> str:
    if turns is None:
        return f"{'-':>14}{'-':>12}{'-':>8}"
    used, postgres, rate = (statistics.median(values) for values in zip(*map(_figures, turns), strict=True))
    return f"{used:14,.0f}{postgres:12,.0f}{rate:8,.0f}"


def _figures(cost: Cost) -> tuple[float, float, float]:
    return cost.server, cost.postgres, cost.rate


async def _until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(OSError, asyncio.IncompleteReadError):
            client = await server.client()
            await client.ask_raw("GET", "/health", None, "")
            client.close()
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{server.name} did not start")


@contextmanager
def careboard(url: str, folder: Path) -> Iterator[Server]:
    """Careboard as its command starts it."""
    port = _free_port()
    environment = os.environ | {
        "DATABASE_URL": url,
        "CAREBOARD_DATA": str(folder / "careboard"),
        "CAREBOARD_MASTER_KEY": MASTER_KEY,
        "CAREBOARD_APP_ID": APP_ID,
        "CAREBOARD_ALLOW_CLIENT_CLASS_CREATION": "true",
        # What is measured is the server, not its limits.
        "CAREBOARD_LIVE_QUERIES": "1000000",
        "CAREBOARD_LIVE_MESSAGES_PER_SECOND": "1000000",
        "CAREBOARD_LIVE_BYTES_PER_SECOND": str(1024**3),
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--no-demo"]
    with _running("careboard", command, environment, port, ROOT) as server:
        yield server


@contextmanager
def parse_server(url: str, folder: Path) -> Iterator[Server]:
    """Parse Server from `folder`, on the same socket of Postgres."""
    port, parts = _free_port(), urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    uri = f"postgres://{parts.username}:{parts.password or ''}@localhost:{parts.port or 5432}{parts.path}"
    command = ["node", "-e", PARSE_SERVER, uri, host, str(port), APP_ID, MASTER_KEY]
    with _running("parse-server", command, dict(os.environ) | {"NODE_ENV": "production"}, port, folder) as server:
        yield server


@contextmanager
def _running(name: str, command: list[str], environment: dict[str, str], port: int, folder: Path) -> Iterator[Server]:
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield Server(name, process, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _prepare_postgres(url: str) -> psutil.Process:
    """A database for each server; returns the postmaster."""
    connection = await asyncpg.connect(url)
    try:
        for name in ("bench_careboard", "bench_parse"):
            await connection.execute(f"create database {name}")
        postmaster = psutil.Process(connection.get_server_pid()).parent()
    finally:
        await connection.close()
    assert postmaster is not None
    return postmaster


async def main(given: argparse.Namespace, folder: Path) -> None:
    settings = Settings(data_dir=folder)
    url = await ensure_embedded(settings)
    with ExitStack() as running:
        running.callback(release_embedded, settings.postgres_dir)
        postmaster = await _prepare_postgres(url)
        servers = [running.enter_context(careboard(with_database(url, "bench_careboard"), folder))]
        if there := os.environ.get("PARSE_SERVER_DIR"):
            servers.append(running.enter_context(parse_server(with_database(url, "bench_parse"), Path(there))))
        for server in servers:
            await _until_it_answers(server)
            await fill(server)
        await compare(servers, postmaster, given)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", action="append", choices=list(CASES), help="one case; may be given again")
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as name:
        asyncio.run(main(parser.parse_args(), Path(name)))
