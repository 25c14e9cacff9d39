"""What a live query costs: CPU of the server for a write and an event, and how long a client waits, beside Parse Server.

    python -m tests.bench.live [--distinct 100 1000 10000 100000] [--subscribers 100 500] [--users 50] [--writers 1 8]

Prints and asserts nothing. Each case has its own time, so 100,000 subscriptions are as many as could be opened in it.
Objects are updated over REST again and again, by turns on each server, by one writer and then by several at once, each with an
object of its own: a writer waits for the answer and for the events of its write before its next one. A writer alone leaves the
server idle meanwhile, so each of its writes pays for waking it; several share that. What a subscription must be told is known,
so that what does not arrive is counted as lost. "p50" and "p99" are from sending the write until the event is read by the
client, one Python process on the same machine, whose CPU is not counted. A write costs its REST request too: the first lines,
without any subscription, say how much, in a row and, as nothing is waited for there, with a pause between writes too. With
PARSE_SERVER_DIR naming a folder whose node_modules hold parse-server and ws, the same is put to it.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
from websockets.asyncio.client import ClientConnection, connect

from app.config import Settings
from app.core.wire import Object, decode, encode
from app.store.database import ensure_embedded, release_embedded, with_database
from tests.bench.rest import (
    APP_ID,
    MASTER_KEY,
    Client,
    Server,
    _cpu,
    _free_port,
    _prepare_postgres,
    _running,
    _until_it_answers,
    careboard,
)

CLASS = "BenchLive"
MASTER = f"X-Parse-Master-Key: {MASTER_KEY}\r\n"
SOCKETS = 8
"""Over how many sockets many subscriptions are spread."""
MOST_UNANSWERED = 50
SETTLE_SECONDS = 3.0
PAUSE_SECONDS = 0.002
"""About how long a writer waits for an event, where there is none to wait for."""

PARSE_SERVER = """
const [databaseURI, host, port, appId, masterKey, className] = process.argv.slice(1);
const { ParseServer } = require('parse-server');
const serverURL = `http://127.0.0.1:${port}/parse`;
const server = new ParseServer({
  databaseURI, databaseOptions: { host }, appId, masterKey, serverURL,
  allowClientClassCreation: true, silent: true, logsFolder: null, liveQuery: { classNames: [className] },
});
server.start().then(() => {
  const http = require('http').createServer(require('express')().use('/parse', server.app));
  http.listen(Number(port), '127.0.0.1', () => ParseServer.createLiveQueryServer(http));
});
"""


@dataclass
class Reader:
    """One socket: how many events came over it, and when the last one for each number."""

    socket: ClientConnection
    waits: "Waits"
    listening: asyncio.Task[None] | None = None
    answers: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for text in self.socket:
            frame = decode(text)
            assert isinstance(frame, dict)
            if frame["op"] in ("create", "enter", "update", "leave", "delete"):
                self.waits.arrive(frame["object"])
            elif frame["op"] == "error":
                raise RuntimeError(str(frame))
            else:
                self.answers += 1
                self.answered.set()

    async def say(self, message: Object) -> None:
        await self.socket.send(encode(message).decode())

    async def until_answered(self, count: int) -> None:
        while self.answers < count:
            assert self.listening is not None
            if self.listening.done():
                self.listening.result()
            self.answered.clear()
            await asyncio.wait({asyncio.create_task(self.answered.wait()), self.listening}, return_when=asyncio.FIRST_COMPLETED)


@dataclass
class Waits:
    """How long each event took from its write, in seconds, and what is still to come."""

    took: list[float] = field(default_factory=list)
    _marks: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _sent: dict[object, float] = field(default_factory=dict)
    _due: dict[object, int] = field(default_factory=dict)
    _heard: dict[object, asyncio.Future[None]] = field(default_factory=dict)

    def begin(self) -> None:
        """Forgets what was: what still comes of it counts no more."""
        self.took.clear()
        for kept in (self._sent, self._due, self._heard):
            kept.clear()

    @property
    def writes(self) -> int:
        return len(self._sent)

    def send(self, events: int) -> int:
        """The mark of a write that is sent now and leads to so many events."""
        mark = next(self._marks)
        self._due[mark], self._heard[mark] = events, asyncio.get_running_loop().create_future()
        self._sent[mark] = time.perf_counter()
        return mark

    def arrive(self, shown: object) -> None:
        assert isinstance(shown, dict)
        mark = shown.get("mark")
        if mark not in self._sent:
            return
        self.took.append(time.perf_counter() - self._sent[mark])
        self._due[mark] -= 1
        if not self._due[mark] and not self._heard[mark].done():
            self._heard[mark].set_result(None)

    async def hear(self, mark: int) -> None:
        """Returns when the events of a write are there, or late."""
        if self._due[mark] > 0:
            await asyncio.wait({self._heard[mark]}, timeout=SETTLE_SECONDS)


@dataclass(frozen=True)
class Result:
    """Of one case on one server."""

    writers: int
    writes: int
    cpu: float
    """Server CPU for one write with all it leads to, in µs."""
    expected: int
    waits: Sequence[float]
    pause: float = 0.0
    """Seconds between the writes of one writer."""
    opened: int = 0

    def line(self, base: float) -> str:
        """The figures of a row; `base` is what a write costs without subscriptions, in a row."""
        told = max(len(self.waits), 1)
        waits = sorted(self.waits) or [float("nan")]
        p50, p99 = statistics.median(waits) * 1e3, waits[int(len(waits) * 0.99)] * 1e3
        event = f"{(self.cpu - base) * self.writes / told:12,.1f}" if self.expected else f"{'-':>12}"
        wait = f"{p50:8,.1f}{p99:9,.1f}" if self.expected else f"{'-':>8}{'-':>9}"
        lost = self.expected - len(self.waits)
        return f"{self.writers:>8}{self.opened:>9,}{self.writes:>8,}{self.cpu:>12,.0f}{event}{wait}{lost:>7,}"


@asynccontextmanager
async def reader(server: Server, waits: Waits, token: str | None = None) -> AsyncIterator[Reader]:
    """One connected client."""
    async with connect(f"ws://127.0.0.1:{server.port}/parse", max_size=None, compression=None, ping_interval=None) as socket:
        found = Reader(socket, waits)
        found.listening = asyncio.create_task(found.listen())
        try:
            await found.say({"op": "connect", "applicationId": APP_ID, **({"sessionToken": token} if token else {})})
            await found.until_answered(1)
            yield found
        finally:
            found.listening.cancel()
            await asyncio.gather(found.listening, return_exceptions=True)


async def subscribe(found: Reader, wheres: Sequence[Object], deadline: float) -> int:
    """Opens one subscription after the other, some on the way at once; how many were answered in time."""
    first = found.answers
    for number, where in enumerate(wheres):
        if time.perf_counter() > deadline:
            break
        await found.say({"op": "subscribe", "requestId": number + 1, "query": {"className": CLASS, "where": where}})
        await found.until_answered(first + number + 1 - MOST_UNANSWERED)
    else:
        number = len(wheres)
    await found.until_answered(first + number)
    return number


async def write(
    server: Server,
    waits: Waits,
    writers: int,
    given: argparse.Namespace,
    choices: Sequence[int],
    *,
    events: int,
    pause: float = 0.0,
    acl: Object | None = None,
) -> Result:
    """So many writers for so long, each with an object of its own, whose `n` is another one of the choices each time."""
    clients = [await server.client() for _ in range(writers)]
    chosen = [_never_the_same(choices, random.Random(seed)) for seed in range(writers)]
    objects = [await _object(server, n=next(each), **({"ACL": acl} if acl else {})) for each in chosen]
    process = psutil.Process(server.process.pid)
    waits.begin()
    await asyncio.sleep(0.5)
    before, until = _cpu([process]), time.perf_counter() + given.seconds

    async def go_on(client: Client, object_id: str, numbers: Iterator[int]) -> None:
        while time.perf_counter() < until:
            mark = waits.send(events)
            await client.ask("PUT", f"/classes/{CLASS}/{object_id}", {"n": next(numbers), "mark": mark}, MASTER)
            await waits.hear(mark)
            if pause:
                await asyncio.sleep(pause)

    await asyncio.gather(*(go_on(*each) for each in zip(clients, objects, chosen, strict=True)))
    await asyncio.sleep(0.2)
    for client in clients:
        client.close()
    cpu = (_cpu([process]) - before) / waits.writes * 1e6
    return Result(writers, waits.writes, cpu, events * waits.writes, tuple(waits.took), pause)


async def run_distinct(server: Server, distinct: int, given: argparse.Namespace) -> AsyncIterator[Result]:
    """So many different queries {n: k}; a write moves an object from one to another: a leave and an enter."""
    waits = Waits()
    async with AsyncExitStack() as stack:
        deadline = time.perf_counter() + given.open_seconds
        readers = [await stack.enter_async_context(reader(server, waits)) for _ in range(SOCKETS)]
        asked = [range(start, distinct, SOCKETS) for start in range(SOCKETS)]
        parts: list[list[Object]] = [[{"n": k} for k in each] for each in asked]
        counts = await asyncio.gather(*(subscribe(each, part, deadline) for each, part in zip(readers, parts, strict=True)))
        there = [k for each, count in zip(asked, counts, strict=True) for k in each[:count]]
        for writers in given.writers:
            yield replace(await write(server, waits, writers, given, there, events=2), opened=len(there))


async def run_unfollowed(server: Server, given: argparse.Namespace) -> AsyncIterator[Result]:
    """Nobody asks; also with a pause between the writes of a lone writer, who has nothing to wait for here."""
    for writers in given.writers:
        yield await write(server, Waits(), writers, given, range(1000), events=0)
    yield await write(server, Waits(), 1, given, range(1000), events=0, pause=PAUSE_SECONDS)


async def run_fan_out(
    server: Server, sockets: int, given: argparse.Namespace, tokens: Sequence[str] = ()
) -> AsyncIterator[Result]:
    """So many clients with the same query; with `tokens` each is another user, who may read by a role."""
    waits = Waits()
    acl: Object | None = {"role:benchcrew": {"read": True}} if tokens else None
    async with AsyncExitStack() as stack:
        deadline = time.perf_counter() + given.open_seconds
        for number in range(sockets):
            each = await stack.enter_async_context(reader(server, waits, tokens[number] if tokens else None))
            await subscribe(each, [{}], deadline)
        for writers in given.writers:
            yield replace(await write(server, waits, writers, given, range(1000), events=sockets, acl=acl), opened=sockets)


def _never_the_same(choices: Sequence[int], chance: random.Random) -> Iterator[int]:
    last: int | None = None
    while True:
        number = chance.choice(choices)
        if number != last or len(choices) == 1:
            last = number
            yield number


async def _object(server: Server, **more: object) -> str:
    client = await server.client()
    body = decode(encode({"n": -1, "mark": 0, **more}))  # type: ignore[dict-item]  # plain JSON
    assert isinstance(body, dict)
    object_id = str((await client.ask("POST", f"/classes/{CLASS}", body, MASTER))["objectId"])
    client.close()
    return object_id


async def crew(server: Server, users: int) -> list[str]:
    """So many accounts in one role; their session tokens."""
    client = await server.client()
    tokens, ids = [], []
    for number in range(users):
        answer = await client.ask("POST", "/users", {"username": f"bench{number}", "password": "bench bench"})
        tokens.append(str(answer["sessionToken"]))
        ids.append(str(answer["objectId"]))
    members: Object = {
        "__op": "AddRelation",
        "objects": [{"__type": "Pointer", "className": "_User", "objectId": each} for each in ids],
    }
    acl: Object = {"*": {"read": True}}
    await client.ask("POST", "/roles", {"name": "benchcrew", "ACL": acl, "users": members}, MASTER)
    client.close()
    return tokens


@contextmanager
def parse_server(url: str, folder: Path) -> Iterator[Server]:
    """Parse Server with its LiveQuery server in the same process, on the same socket of Postgres."""
    port, parts = _free_port(), urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    uri = f"postgres://{parts.username}:{parts.password or ''}@localhost:{parts.port or 5432}{parts.path}"
    command = ["node", "-e", PARSE_SERVER, uri, host, str(port), APP_ID, MASTER_KEY, CLASS]
    with _running("parse-server", command, dict(os.environ) | {"NODE_ENV": "production"}, port, folder) as server:
        yield server


HEAD = (
    f"{'':26}{'server':14}{'writers':>8}{'opened':>9}{'writes':>8}{'µs a write':>12}{'µs event':>12}{'p50 ms':>8}{'p99 ms':>9}"
    f"{'lost':>7}"
)


async def compare(servers: Sequence[Server], given: argparse.Namespace) -> None:
    """Every case on each server, one after the other."""
    print(HEAD)
    base: dict[tuple[str, int], float] = {}

    async def show(case: str, server: Server, results: AsyncIterator[Result]) -> None:
        async for result in results:
            nothing = base.setdefault((server.name, result.writers), result.cpu)
            name = f"{case}, {result.pause * 1e3:.0f} ms apart" if result.pause else case
            print(f"{name:26}{server.name:14}{result.line(nothing)}", flush=True)

    for server in servers:
        await show("0 distinct", server, run_unfollowed(server, given))
    for distinct in given.distinct:
        for server in servers:
            await show(f"{distinct:,} distinct", server, run_distinct(server, distinct, given))
    for sockets in given.subscribers:
        for server in servers:
            await show(f"{sockets:,} subscribers", server, run_fan_out(server, sockets, given))
    for server in servers if given.users else ():
        tokens = await crew(server, given.users)
        await show(f"{given.users:,} users under a role", server, run_fan_out(server, given.users, given, tokens))


async def main(given: argparse.Namespace, folder: Path) -> None:
    settings = Settings(data_dir=folder)
    url = await ensure_embedded(settings)
    with ExitStack() as running:
        running.callback(release_embedded, settings.postgres_dir)
        await _prepare_postgres(url)
        servers = [running.enter_context(careboard(with_database(url, "bench_careboard"), folder))]
        if there := os.environ.get("PARSE_SERVER_DIR"):
            servers.append(running.enter_context(parse_server(with_database(url, "bench_parse"), Path(there))))
        for server in servers:
            await _until_it_answers(server)
            await _object(server)
        await compare(servers, given)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distinct", type=int, nargs="*", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--subscribers", type=int, nargs="*", default=[100, 500])
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 8], help="how many write at once, each on its own object")
    parser.add_argument("--seconds", type=float, default=5.0, help="of writing, for each case")
    parser.add_argument("--open-seconds", type=float, default=60.0, help="of opening subscriptions, for each case")
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as name:
        asyncio.run(main(parser.parse_args(), Path(name)))
