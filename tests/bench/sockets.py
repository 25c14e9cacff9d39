"""What sockets cost: CPU of the server an event, memory of idle sockets, and what a client that reads nothing does to others.

    python -m tests.bench.sockets [--subscribers 500] [--writes 400] [--idle 2000] [--storm 2000] [--deaf 20] [--no-slow]

Loopback only, on an embedded server of its own; prints and asserts nothing. The clients are raw sockets in a process of their
own, so that only the server is measured. CPU an event is the server's CPU over the writes, less that of the same writes with no
subscriber, by events delivered.
"""

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect

from app.config import Settings
from app.store.database import ensure_embedded, release_embedded

ROOT = Path(__file__).parent.parent.parent
MASTER_KEY = "bench-master-key"
CLASS = "BenchGauge"


class Reader:
    """A raw websocket client; `reads` False leaves everything in the kernel."""

    def __init__(self, port: int, *, cursors: bool) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.heard = 0
        self.last_at = 0.0
        self._buffer = bytearray()
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /parse HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(4096)
        del self._buffer[: self._buffer.index(b"\r\n\r\n") + 4]
        self._ask('{"op":"connect","applicationId":"careboard"%s}' % (',"cursors":true' if cursors else ""))

    def subscribe(self, **query: object) -> None:
        self._ask(json.dumps({"op": "subscribe", "requestId": 1, "query": {"className": CLASS, "where": {}, **query}}))

    def take(self) -> None:
        """Reads what is there and counts frames."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("closed")
        self._buffer += data
        self._count()

    def _count(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            length, head = buffer[at + 1], 2
            if length == 126:
                if len(buffer) - at < 4:
                    break
                length, head = struct.unpack_from("!H", buffer, at + 2)[0], 4
            elif length == 127:
                if len(buffer) - at < 10:
                    break
                length, head = struct.unpack_from("!Q", buffer, at + 2)[0], 10
            if len(buffer) - at < head + length:
                break
            if buffer[at] == 0x81:
                self.heard += 1
                self.last_at = time.perf_counter()
            at += head + length
        del buffer[:at]

    def _ask(self, text: str) -> None:
        payload = text.encode()
        mask = bytes(4)
        head = (
            struct.pack("!BB", 0x81, 0x80 | len(payload)) if len(payload) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(payload))
        )
        self.socket.sendall(head + mask + payload)
        before = self.heard
        while self.heard == before:
            self.take()


def run_readers(port: int, count: int, subscribed: bool, cursors: bool, pipe: Connection) -> None:
    """The client process: opens sockets, then reports frames heard whenever asked, until told to end."""
    import selectors  # noqa: PLC0415 - only this process uses it

    selector = selectors.DefaultSelector()
    readers = []
    for _ in range(count):
        reader = Reader(port, cursors=cursors)
        if subscribed:
            reader.subscribe()
        reader.heard = 0
        readers.append(reader)
        selector.register(reader.socket, selectors.EVENT_READ, reader)
    pipe.send("ready")
    selector.register(pipe, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            if key.data is not None:
                key.data.take()
            elif pipe.recv() == "end":
                return
            else:
                pipe.send((sum(each.heard for each in readers), max((each.last_at for each in readers), default=0.0)))


class Crowd:
    """The client process, from outside."""

    def __init__(self, port: int, count: int, *, subscribed: bool = True, cursors: bool = False) -> None:
        self.pipe, far = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=run_readers, args=(port, count, subscribed, cursors, far))
        self.process.start()
        if not self.pipe.poll(240) or self.pipe.recv() != "ready":
            raise RuntimeError("the clients did not connect")

    def heard(self) -> int:
        self.pipe.send("count")
        return int(self.pipe.recv()[0])

    def wait_for(self, count: int, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while self.heard() < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {self.heard()} of {count} events came")
            time.sleep(0.05)

    def end(self) -> None:
        self.pipe.send("end")
        self.process.join(30)


class Server:
    """A Careboard in a process of its own."""

    def __init__(self, url: str, folder: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        environment = os.environ | {
            "DATABASE_URL": url,
            "CAREBOARD_DATA": folder,
            "CAREBOARD_MASTER_KEY": MASTER_KEY,
            "CAREBOARD_ALLOW_CLIENT_CLASS_CREATION": "true",
        }
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port), "--no-demo"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        self.seen = psutil.Process(self.process.pid)
        headers = {"X-Parse-Application-Id": "careboard", "X-Parse-Master-Key": MASTER_KEY}
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/parse", headers=headers, timeout=30)
        for _ in range(600):
            try:
                if self.http.get("/health").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def cpu(self) -> tuple[float, float]:
        times = self.seen.cpu_times()
        return times.user, times.system

    def megabytes(self) -> float:
        return self.seen.memory_info().rss / 1e6

    def write(self, count: int, size: int = 200) -> list[float]:
        """Creates one after the other; how long each took."""
        took = []
        for n in range(count):
            began = time.perf_counter()
            self.http.post(f"/classes/{CLASS}", json={"psi": n, "note": "x" * size}).raise_for_status()
            took.append(time.perf_counter() - began)
        return took

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def measure_events(server: Server, subscribers: int, writes: int) -> None:
    """One writer alone makes a tick a write; several make ticks of several writes."""
    server.write(50)
    for writers in (1, 8):
        alone = spend(server, writes, writers)
        for cursors in (False, True):
            crowd = Crowd(server.port, subscribers, cursors=cursors)
            server.write(20)
            crowd.wait_for(20 * subscribers)
            user, system = spend(server, writes, writers, crowd, subscribers)
            events = writes * subscribers / 1e6
            user, system = (user - alone[0]) / events, (system - alone[1]) / events
            kind = "with cursors" if cursors else "without cursors"
            print(
                f"{subscribers} subscribers {kind}, {writers} writer(s): {user + system:.2f} µs server CPU an event "
                f"({user:.2f} ours, {system:.2f} the kernel's)",
                flush=True,
            )
            crowd.end()


def spend(server: Server, writes: int, writers: int, crowd: "Crowd | None" = None, subscribers: int = 0) -> tuple[float, float]:
    """User and system seconds of the server for so many writes, until everybody has heard of them."""
    heard = crowd.heard() if crowd else 0
    user, system = server.cpu()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(server.write, [writes // writers] * writers))
    if crowd:
        crowd.wait_for(heard + writes * subscribers)
    after = server.cpu()
    return after[0] - user, after[1] - system


def measure_idle(server: Server, count: int) -> None:
    time.sleep(1)
    before = server.megabytes()
    crowd = Crowd(server.port, count)
    time.sleep(2)
    after = server.megabytes()
    each = (after - before) / count
    print(
        f"{count} idle sockets with one subscription: {each * 1000:.1f} kB each, {after:.0f} MB in all; "
        f"10,000: {before + each * 10_000:.0f} MB"
    )
    crowd.end()


async def measure_slow(server: Server, deaf: int, rounds: int = 3) -> None:
    """20 readers and 5 MB of events, some rounds with nobody slow, then as many with some clients more that read nothing.

    The highest of the rounds counts. The difference is shared by the clients that read nothing, because one of them is less than
    the memory of a process sways; each asks for other fields, or they would share what waits for them. What the server keeps of
    it for its next need is in it.
    """
    crowd = Crowd(server.port, 20)
    found: dict[str, list[float]] = {"small": await latencies(server, 200)}
    await latencies(server, 50, size=100_000)
    peaks = []
    for name, count in (("100 kB", 0), (f"100 kB, and {deaf} read nothing", deaf)):
        took, peak = list[float](), 0.0
        for _ in range(rounds):
            silent = [await asyncio.to_thread(Reader, server.port, cursors=False) for _ in range(count)]
            for number, each in enumerate(silent):
                await asyncio.to_thread(each.subscribe, keys=["psi", "note", f"own{number}"])
            for _ in range(50):
                took += await latencies(server, 1, size=100_000)
                peak = max(peak, server.megabytes())
            for each in silent:
                each.socket.close()
            await asyncio.sleep(1)
        found[name] = took
        peaks.append(peak)
    crowd.end()
    for name, took in found.items():
        print(f"write to client, {name}: median {statistics.median(took) * 1e3:.1f} ms, worst {max(took) * 1e3:.1f} ms")
    print(
        f"memory: {peaks[0]:.1f} MB with nobody slow, {peaks[1]:.1f} MB with {deaf} that read nothing: "
        f"{(peaks[1] - peaks[0]) / deaf:.2f} MB for each of them"
    )


async def latencies(server: Server, writes: int, size: int = 100) -> list[float]:
    """From the write's begin to the frame at one more client that reads."""
    loop = asyncio.get_running_loop()
    reader = await asyncio.to_thread(Reader, server.port, cursors=False)
    await asyncio.to_thread(reader.subscribe)
    found = []
    for _ in range(writes):
        heard, began = reader.heard, time.perf_counter()
        write = loop.run_in_executor(None, server.write, 1, size)
        while reader.heard == heard:
            await asyncio.to_thread(reader.take)
        found.append(time.perf_counter() - began)
        await write
    reader.socket.close()
    return found


class Returner:
    """A client that goes away and comes back with its cursor."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/parse"
        self.cursor = ""
        self.heard: list[int] = []
        self.socket: ClientConnection | None = None

    async def come(self) -> None:
        """Connects and subscribes; returns when that was answered."""
        self.socket = await connect(self.url, compression=None, ping_interval=None, open_timeout=60, close_timeout=1)
        await self.socket.send('{"op":"connect","applicationId":"careboard","cursors":true}')
        await self.socket.recv()
        since = {"since": self.cursor} if self.cursor else {}
        await self.socket.send(
            json.dumps({"op": "subscribe", "requestId": 1, "query": {"className": CLASS, "where": {}}} | since)
        )
        answer = json.loads(await self.socket.recv())
        if answer["op"] != "subscribed":
            raise RuntimeError(str(answer))
        self.cursor = answer["cursor"]

    async def hear(self, count: int) -> None:
        """Reads so many events."""
        assert self.socket is not None
        while len(self.heard) < count:
            frame = json.loads(await self.socket.recv())
            if frame["op"] == "create":
                self.heard.append(frame["object"]["psi"])

    def cut(self) -> None:
        assert self.socket is not None
        self.socket.transport.abort()


async def measure_storm(server: Server, count: int, missed: int = 20) -> None:
    """All are cut off, miss some events, and come back at once."""
    await asyncio.to_thread(server.write, 1)
    clients = [Returner(server.port) for _ in range(count)]
    for start in range(0, count, 100):
        await asyncio.gather(*(client.come() for client in clients[start : start + 100]))
    for client in clients:
        client.cut()
    await asyncio.sleep(1)
    await asyncio.to_thread(server.write, missed)
    began, cpu = time.perf_counter(), sum(server.cpu())

    async def back(client: Returner) -> None:
        await client.come()
        await client.hear(missed)

    done, late = await asyncio.wait([asyncio.create_task(back(client)) for client in clients], timeout=55)
    took = time.perf_counter() - began
    for task in late:
        task.cancel()
    lost = sum(missed - len(client.heard) for client in clients)
    wrong = sum(client.heard != list(range(len(client.heard))) for client in clients)
    failed = sum(task.exception() is not None for task in done)
    print(
        f"{count} clients come back at once: all resumed in {took:.1f} s, {sum(server.cpu()) - cpu:.1f} s server CPU; "
        f"{lost} events lost, {wrong} clients out of order, {failed} failed, {len(late)} late"
    )
    for client in clients:
        client.cut()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=500)
    parser.add_argument("--writes", type=int, default=400)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--storm", type=int, default=2000)
    parser.add_argument("--deaf", type=int, default=20, help="clients that read nothing")
    parser.add_argument("--no-slow", action="store_true")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(data_dir=Path(folder))
        url = asyncio.run(ensure_embedded(settings))
        server = Server(url, folder)
        try:
            if options.writes:
                measure_events(server, options.subscribers, options.writes)
            if options.idle:
                measure_idle(server, options.idle)
            if options.storm:
                asyncio.run(measure_storm(server, options.storm))
            if not options.no_slow:
                asyncio.run(measure_slow(server, options.deaf))
        finally:
            server.stop()
            release_embedded(settings.postgres_dir)


if __name__ == "__main__":
    main()
