"""Several nodes, each of several workers, on one Postgres: every subscriber of every process is told every change once."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.api.test_livequery import CONNECT, Socket
from tests.conftest import PATIENCE, RunningServer
from tests.store.redis_server import RedisServer, need_redis

WORKERS = 2
SUBSCRIBERS_EACH = 2

Told = tuple[str, int]
"""The op and the number an object had."""


class Subscriber:
    """One socket and what each object did before its eyes, in order."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.seen: dict[str, list[Told]] = defaultdict(list)
        self.count = 0
        self.arrived = asyncio.Event()

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = await self.socket.hear_for_ever()
                shown = frame["object"]
                self.seen[shown["objectId"]].append((frame["op"], shown["n"]))
                self.count += 1
                self.arrived.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.count < count:
                self.arrived.clear()
                await self.arrived.wait()


class Writer:
    """Writes through one node and remembers what it wrote."""

    def __init__(self, node: RunningServer) -> None:
        self.wrote: dict[str, list[Told]] = defaultdict(list)
        headers = {"X-Parse-Application-Id": node.app_id, "X-Parse-Master-Key": node.master_key}
        self.http = httpx.AsyncClient(base_url=f"{node.url}/parse/classes", headers=headers, timeout=PATIENCE)

    async def live(self, objects: int) -> None:
        """So many objects, each made, changed twice and removed."""
        for number in range(objects):
            object_id = await self.create(number)
            path = f"/Step/{object_id}"
            for n in (number + 1, number + 2):
                (await self.http.put(path, json={"n": n})).raise_for_status()
                self.wrote[object_id].append(("update", n))
            (await self.http.delete(path)).raise_for_status()
            self.wrote[object_id].append(("delete", number + 2))

    async def create(self, n: int) -> str:
        answer = await self.http.post("/Step", json={"n": n})
        object_id = str(answer.raise_for_status().json()["objectId"])
        self.wrote[object_id].append(("create", n))
        return object_id


@asynccontextmanager
async def writers_on(nodes: list[RunningServer]) -> AsyncIterator[list[Writer]]:
    """Two on every node; the class is there."""
    writers = [Writer(node) for node in nodes for _ in range(2)]
    await writers[0].create(0)
    writers[0].wrote.clear()
    yield writers
    for writer in writers:
        await writer.http.aclose()


def workers_of(node: RunningServer) -> list[psutil.Process]:
    """The processes of a node that hold database connections of their own: not the one that only watches over them."""
    children = psutil.Process(node.process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def worker_behind(node: RunningServer, port: int) -> int | None:
    """Which worker holds the other end of a client's connection."""
    for worker in workers_of(node):
        for each in worker.net_connections("tcp"):
            ends = [getattr(end, "port", None) for end in (each.laddr, each.raddr)]  # who only listens has one end
            if ends == [node.port, port]:
                return worker.pid
    return None


@asynccontextmanager
async def socket_of(node: RunningServer, worker: psutil.Process) -> AsyncIterator[Socket]:
    """A socket that this worker holds: while it is opened the others stand still, for who is quickest takes it."""
    others = [each for each in workers_of(node) if each != worker]
    async with AsyncExitStack() as stack:
        try:
            for other in others:
                other.suspend()
            async with asyncio.timeout(PATIENCE):
                while any(other.status() != psutil.STATUS_STOPPED for other in others):  # noqa: ASYNC110 - no event tells it
                    await asyncio.sleep(0.01)
            url = node.url.replace("http", "ws", 1) + "/parse"
            opened = await stack.enter_async_context(connect(url, max_size=None, open_timeout=PATIENCE))
        finally:
            for other in others:
                other.resume()
        assert worker_behind(node, opened.local_address[1]) == worker.pid
        yield Socket(opened)


@asynccontextmanager
async def subscribers(nodes: list[RunningServer]) -> AsyncIterator[list[Subscriber]]:
    """Some on every worker of every node."""
    async with AsyncExitStack() as stack:
        found: list[Subscriber] = []
        for node in nodes:
            assert len(workers_of(node)) == WORKERS
            for worker in workers_of(node) * SUBSCRIBERS_EACH:
                socket = await stack.enter_async_context(socket_of(node, worker))
                await socket.ask(CONNECT)
                assert (await socket.subscribe("Step"))["op"] == "subscribed"
                found.append(Subscriber(socket))
        listening = [asyncio.create_task(each.listen()) for each in found]
        yield found
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


@asynccontextmanager
async def cluster(database_url: str, folder: Path, broadcast_url: str | None) -> AsyncIterator[list[RunningServer]]:
    """Two nodes on one database."""
    nodes = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        node = RunningServer(database_url, folder / name)
        node.words = ["--workers", str(WORKERS)]
        if broadcast_url is not None:
            node.environment["BROADCAST_URL"] = broadcast_url
        nodes.append(node)
    try:
        await asyncio.gather(*(asyncio.to_thread(node.start) for node in nodes))
        yield nodes
    finally:
        running = [node for node in nodes if node._process is not None and node.process.poll() is None]
        await asyncio.gather(*(asyncio.to_thread(node.stop) for node in running))


async def check_all_told_once(told: list[Subscriber], writers: list[Writer]) -> None:
    wrote = {object_id: steps for writer in writers for object_id, steps in writer.wrote.items()}
    await asyncio.gather(*(each.until(sum(map(len, wrote.values()))) for each in told))
    for each in told:
        assert dict(each.seen) == wrote


@pytest.fixture
def redis(tmp_path: Path) -> RedisServer:
    need_redis()
    return RedisServer(tmp_path)


async def test_every_subscriber_of_every_worker_is_told_every_change_once(
    clone_database: Callable[[], str], tmp_path: Path
) -> None:
    async with (
        cluster(clone_database(), tmp_path, None) as nodes,
        writers_on(nodes) as writers,
        subscribers(nodes) as told,
    ):
        await asyncio.gather(*(writer.live(10) for writer in writers))
        await check_all_told_once(told, writers)


async def test_a_redis_that_dies_and_comes_back_costs_no_change_and_doubles_none(
    clone_database: Callable[[], str], tmp_path: Path, redis: RedisServer
) -> None:
    redis.start()
    try:
        async with (
            cluster(clone_database(), tmp_path, redis.url) as nodes,
            writers_on(nodes) as writers,
            subscribers(nodes) as told,
        ):
            for act in (lambda: None, redis.kill, redis.start):
                await asyncio.to_thread(act)
                await asyncio.gather(*(writer.live(5) for writer in writers))
            await check_all_told_once(told, writers)
    finally:
        redis.kill()
