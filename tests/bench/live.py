"""What a live query costs: CPU of the server for a write and an event, and how long a client waits, beside Parse Server.

    python -m tests.bench.live [--distinct 100 1000 10000 100000] [--subscribers 100 500] [--users 50] [--seconds 5]

Prints and asserts nothing. Each case has its own time, so 100,000 subscriptions are as many as could be opened in it.
An object is updated over REST again and again, one write at a time, by turns on each server; what a subscription must be
told is known, so that what does not arrive is counted as lost. "p50" and "p99" are from sending the write until the event
is read by the client, one Python process on the same machine. A write costs its REST request too: the first line, without
any subscription, says how much. With PARSE_SERVER_DIR naming a folder whose node_modules hold parse-server and ws, the
same is put to it.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
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
    """How long each event took from its write, in seconds."""

    sent: dict[object, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)

    def arrive(self, shown: object) -> None:
        assert isinstance(shown, dict)
        began = self.sent.get(shown.get("mark"))
        if began is not None:
            self.took.append(time.perf_counter() - began)


@dataclass(frozen=True)
class Result:
    """Of one case on one server."""

    opened: int
    writes: int
    cpu: float
    """Server CPU for one write with all it leads to, in µs."""
    expected: int
    waits: Sequence[float]

    def line(self, base: float) -> str:
        """The figures of a row; `base` is what a write costs without subscriptions."""
        told = max(len(self.waits), 1)
        waits = sorted(self.waits) or [float("nan")]
        p50, p99 = statistics.median(waits) * 1e3, waits[int(len(waits) * 0.99)] * 1e3
        event = f"{(self.cpu - base) * self.writes / told:12,.1f}" if self.expected else f"{'-':>12}"
        wait = f"{p50:8,.1f}{p99:9,.1f}" if self.expected else f"{'-':>8}{'-':>9}"
        return f"{self.opened:>9,}{self.writes:>8,}{self.cpu:>12,.0f}{event}{wait}{self.expected - len(self.waits):>7,}"


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
    server: Server, object_id: str, waits: Waits, numbers: Iterator[int], seconds: float, events: int
) -> tuple[int, float]:
    """One write after the other for so long, each when the events of the last one are there or late; writes and CPU."""
    client, process = await server.client(), psutil.Process(server.process.pid)
    await client.ask("PUT", f"/classes/{CLASS}/{object_id}", {"n": next(numbers), "mark": 0}, MASTER)
    await asyncio.sleep(0.5)
    before, began, count = _cpu([process]), time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        count += 1
        waits.sent[count] = time.perf_counter()
        await client.ask("PUT", f"/classes/{CLASS}/{object_id}", {"n": next(numbers), "mark": count}, MASTER)
        late = time.perf_counter() + SETTLE_SECONDS
        while len(waits.took) < events * count and time.perf_counter() < late:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0.0005)
    await asyncio.sleep(0.2)
    client.close()
    return count, (_cpu([process]) - before) / count * 1e6


async def run_distinct(server: Server, distinct: int, given: argparse.Namespace) -> Result:
    """So many different queries {n: k}; a write moves an object from one to another: a leave and an enter."""
    waits, chance = Waits(), random.Random(distinct)
    async with AsyncExitStack() as stack:
        deadline = time.perf_counter() + given.open_seconds
        readers = [await stack.enter_async_context(reader(server, waits)) for _ in range(SOCKETS if distinct else 0)]
        parts: list[list[Object]] = [[{"n": k} for k in range(start, distinct, SOCKETS)] for start in range(len(readers))]
        counts = await asyncio.gather(*(subscribe(each, part, deadline) for each, part in zip(readers, parts, strict=True)))
        there = [where["n"] for part, count in zip(parts, counts, strict=True) for where in part[:count]]
        object_id = await _object(server)
        numbers = _never_the_same(there or list(range(1000)), chance)
        writes, cpu = await write(server, object_id, waits, numbers, given.seconds, 2 if there else 0)
        return Result(len(there), writes, cpu, 2 * writes if there else 0, waits.took)


async def run_fan_out(server: Server, sockets: int, given: argparse.Namespace, tokens: Sequence[str] = ()) -> Result:
    """So many clients with the same query; with `tokens` each is another user, who may read by a role."""
    waits = Waits()
    async with AsyncExitStack() as stack:
        deadline = time.perf_counter() + given.open_seconds
        readers = []
        for number in range(sockets):
            readers.append(await stack.enter_async_context(reader(server, waits, tokens[number] if tokens else None)))
            await subscribe(readers[-1], [{}], deadline)
        object_id = await _object(server, **({"ACL": {"role:benchcrew": {"read": True}}} if tokens else {}))
        numbers = _never_the_same(list(range(1000)), random.Random(1))
        writes, cpu = await write(server, object_id, waits, numbers, given.seconds, sockets)
        return Result(sockets, writes, cpu, sockets * writes, waits.took)


def _never_the_same(choices: Sequence[object], chance: random.Random) -> Iterator[int]:
    last: object = None
    while True:
        number = chance.choice(choices)
        if number != last or len(choices) == 1:
            last = number
            assert isinstance(number, int)
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


HEAD = f"{'':24}{'server':14}{'opened':>9}{'writes':>8}{'µs a write':>12}{'µs event':>12}{'p50 ms':>8}{'p99 ms':>9}{'lost':>7}"


async def compare(servers: Sequence[Server], given: argparse.Namespace) -> None:
    """Every case on each server, one after the other."""
    print(HEAD)
    base: dict[str, float] = {}

    def show(case: str, server: Server, result: Result) -> None:
        print(f"{case:24}{server.name:14}{result.line(base.setdefault(server.name, result.cpu))}", flush=True)

    for distinct in (0, *given.distinct):
        for server in servers:
            show(f"{distinct:,} distinct", server, await run_distinct(server, distinct, given))
    for sockets in given.subscribers:
        for server in servers:
            show(f"{sockets:,} subscribers", server, await run_fan_out(server, sockets, given))
    for server in servers:
        tokens = await crew(server, given.users)
        show(f"{given.users:,} users under a role", server, await run_fan_out(server, given.users, given, tokens))


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
    parser.add_argument("--seconds", type=float, default=5.0, help="of writing, for each case")
    parser.add_argument("--open-seconds", type=float, default=60.0, help="of opening subscriptions, for each case")
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as name:
        asyncio.run(main(parser.parse_args(), Path(name)))
