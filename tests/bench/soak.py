"""Live queries under everything at once, for as long as you say: what each client holds must be what a fresh find gives.

    python -m tests.bench.soak [--seconds 600] [--clients 16] [--writers 4] [--workers 2] [--relay] [--seed 1]

Writers write at random through the REST API, as several users; roles are given, inherited and taken, a field is protected and
shown; clients are cut off and some stop reading for a while; the listeners and readers of the server, its processes and the
backends of the database are killed. Every now and then the writers pause, and each subscription (plain, window, count, include,
sub-query, relation) is compared with a find
of the same session. Told apart: *different* (a state that is not the find's; what was lost shows here), *misplaced* (an index
that does not fit), *disordered* (an object that went back while the connection stood), *seen* (an object or a field that its
reader never may see). Prints a line of progress and what was found; ends with 1 where there was any.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from app.config import Settings
from app.core.wire import Object, decode, encode
from app.store.database import ensure_embedded, release_embedded
from tests.bench.sockets import MASTER_KEY, ROOT
from tests.live.stage import Following

CLASS = "SoakTank"
SETTLE_SECONDS = 40.0
"""How long a state may take to be that of the find, once nobody writes."""

COLORS = ("red", "green", "blue")


@dataclass
class Person:
    """A user, and every role the user ever had."""

    object_id: str
    token: str
    roles: set[str] = field(default_factory=set)


class Backend:
    """The server, which may be killed, and is started again on its port."""

    def __init__(self, url: str, folder: str, port: int, workers: int, *, relay: bool) -> None:
        self.port = port
        self.base = f"http://127.0.0.1:{port}/parse"
        self._environment = os.environ | {
            "DATABASE_URL": url,
            "CAREBOARD_DATA": folder,
            "CAREBOARD_MASTER_KEY": MASTER_KEY,
            "CAREBOARD_ALLOW_CLIENT_CLASS_CREATION": "true",
            "CAREBOARD_RELAY": "true" if relay else "false",
        }
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (Path(folder) / "server.log").open("ab")

    async def start(self) -> None:
        words = ["serve", "--port", str(self.port), "--no-demo", "--workers", str(self._workers)]
        command = [sys.executable, "-m", "app.cli", *words]
        self._process = await asyncio.to_thread(self._spawn, command)
        await self.until_it_answers()

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log)

    async def until_it_answers(self) -> None:
        async with httpx.AsyncClient(timeout=2) as http, asyncio.timeout(120):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(f"{self.base}/health")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    def _children(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        workers: list[psutil.Process] = []
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "spawn_main" in " ".join(child.cmdline()):
                    workers.append(child)
        return workers

    async def kill(self, chance: random.Random) -> None:
        """Ends one worker, which the others outlive, or all of the server, which is started again."""
        workers = self._children()
        if workers and chance.random() < 0.5:
            with contextlib.suppress(psutil.Error):
                chance.choice(workers).kill()
            return
        self.end()
        await self.start()

    def end(self) -> None:
        if self._process is not None:
            for child in self._children():
                with contextlib.suppress(psutil.Error):
                    child.kill()
            self._process.kill()
            self._process.wait(20)
            self._process = None


class Client:
    """One socket with subscriptions of one person, which comes back by itself and goes on from its cursors."""

    def __init__(self, port: int, person: Person | None, queries: list[Object]) -> None:
        self.person = person
        self.following = {number: Following(query, person.token if person else None) for number, query in enumerate(queries, 1)}
        self.faults: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        """Why it had to read anew."""
        self.notes: list[str] = []
        self.connects = self.frames = 0
        self._url = f"ws://127.0.0.1:{port}/parse"
        self._socket: ClientConnection | None = None
        self._shown: dict[tuple[int, str], int] = {}
        self._pause = 0.0

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError, EOFError):
                async with connect(self._url, max_size=None, compression=None, max_queue=4, open_timeout=20) as socket:
                    self._socket = socket
                    await self._listen(socket)
            self._socket = None
            await asyncio.sleep(0.2)

    def cut(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()

    def stop_reading(self, seconds: float) -> None:
        self._pause = seconds

    async def _listen(self, socket: ClientConnection) -> None:
        self.connects += 1
        self._shown.clear()
        for following in self.following.values():
            following.is_open = False
        await self._say({"op": "connect", "applicationId": "careboard", "cursors": True})
        for number in self.following:
            await self._ask(number)
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                if self._pause:
                    pause, self._pause = self._pause, 0.0
                    await asyncio.sleep(pause)
                frame = decode(text)
                assert isinstance(frame, dict)
                await self._take(frame)

    async def _take(self, frame: Object) -> None:
        self.frames += 1
        number = frame.get("requestId")
        if frame["op"] == "progress":
            for following in self.following.values():
                following.cursor = str(frame["cursor"]) if following.is_open else following.cursor
        if not isinstance(number, int) or number not in self.following:
            return
        following = self.following[number]
        if frame["op"] == "error":  # a start that took too long, a role that moved too often: again
            following.cursor, following.is_open = None, False
            await asyncio.sleep(0.2)
            await self._ask(number)
            return
        following.take(frame)
        following.told.clear()
        if frame["op"] == "reload":
            self.reasons[str(frame["reason"])] += 1
            following.cursor = None
            await self._say({"op": "unsubscribe", "requestId": number})
            await self._ask(number)
        for stray in following.strays:
            if "object" not in stray:
                self._fault("misplaced", f"{stray} {following.query}")
        following.strays.clear()
        self._check(number, frame)

    def _check(self, number: int, frame: Object) -> None:
        for image in (frame.get("object"), frame.get("original")):
            if isinstance(image, dict) and not self._may_see(image):
                self._fault("seen", str(frame)[:300])
        shown = frame.get("object")
        if frame["op"] in ("create", "enter", "update") and isinstance(shown, dict) and isinstance(shown.get("v"), int):
            key, version = (number, str(shown["objectId"])), int(str(shown["v"]))
            if version < self._shown.get(key, 0):
                self._fault("disordered", f"{key} {version} < {self._shown[key]}")
            self._shown[key] = version

    def _may_see(self, image: Object) -> bool:
        readers = image.get("ACL")
        if not isinstance(readers, dict):
            return True
        able = {"*"} if self.person is None else {"*", self.person.object_id, *(f"role:{name}" for name in self.person.roles)}
        return any(isinstance(rights, dict) and rights.get("read") for who, rights in readers.items() if who in able)

    def _fault(self, kind: str, words: str) -> None:
        self.faults[kind] += 1
        self.notes.append(f"{kind}: {words}")

    async def _ask(self, number: int) -> None:
        following = self.following[number]
        message: Object = {"op": "subscribe", "requestId": number, "query": following.query}
        if self.person is not None:
            message["sessionToken"] = self.person.token
        message |= {"since": following.cursor} if following.cursor else {"snapshot": True}
        await self._say(message)

    async def _say(self, message: Object) -> None:
        if self._socket is not None:
            await self._socket.send(encode(message).decode())


class Soak:
    """The people, the clients, the writers and the trouble."""

    def __init__(self, backend: Backend, database: str, given: argparse.Namespace) -> None:
        self.backend = backend
        self.chance = random.Random(given.seed)
        self.given = given
        self.people: list[Person] = []
        self.roles: dict[str, str] = {}
        self.ids: list[str] = []
        self.clients: list[Client] = []
        self.did: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.notes: list[str] = []
        self._database = database
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._writing = 0
        self._http = httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=20))

    # ---- REST

    async def rest(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        headers = {"X-Parse-Application-Id": "careboard"}
        headers |= {"X-Parse-Session-Token": token} if token else {"X-Parse-Master-Key": MASTER_KEY}
        answer = await self._http.request(method, f"{self.backend.base}{path}", json=body, headers=headers)
        return answer.raise_for_status().json()

    async def build(self) -> None:
        for number in range(4):
            made = await self.rest("POST", "/users", {"username": f"soak{number}", "password": "soak soak"})
            self.people.append(Person(made["objectId"], made["sessionToken"]))
        for name in ("soakcrew", "soakcaptains"):
            made = await self.rest("POST", "/roles", {"name": name, "ACL": {"*": {"read": True}}})
            self.roles[name] = made["objectId"]
        for _ in range(30):
            await self.create()
        relation = {"__op": "AddRelation", "objects": [_pointer(each) for each in self.ids[:5]]}
        await self.rest("PUT", f"/classes/{CLASS}/{self.ids[0]}", {"friends": relation, "v": {"__op": "Increment", "amount": 1}})
        for number in range(self.given.clients):
            person = None if number % 5 == 0 else self.people[number % len(self.people)]
            self.clients.append(Client(self.backend.port, person, [self.query() for _ in range(5)]))

    def query(self) -> Object:
        pick = self.chance
        inner: Object = {"className": CLASS, "where": {"color": pick.choice(COLORS)}}
        wheres: list[Object] = [
            {},
            {"color": pick.choice(COLORS)},
            {"n": {"$lt": pick.randrange(20)}},
            {"n": {"$gte": 5, "$lt": 15}},
            {"near": {pick.choice(["$inQuery", "$notInQuery"]): inner}},
            {"$relatedTo": {"object": _pointer(self.ids[0]), "key": "friends"}},
        ]
        asked: list[Object] = [
            {},
            {"order": "-n", "limit": pick.choice([3, 10])},
            {"order": "n,color", "limit": 5, "skip": 2},
            {"include": "near"},
            {"count": True},
        ]
        return {"className": CLASS, "where": pick.choice(wheres), **pick.choice(asked)}

    def body(self) -> dict[str, object]:
        pick = self.chance
        body: dict[str, object] = {"n": pick.randrange(20), "color": pick.choice(COLORS), "v": {"__op": "Increment", "amount": 1}}
        if pick.random() < 0.3 and self.ids:
            body["near"] = _pointer(pick.choice(self.ids))
        if pick.random() < 0.3:
            who = ["*", *(person.object_id for person in self.people), *(f"role:{name}" for name in self.roles)]
            body["ACL"] = {each: {"read": True, "write": True} for each in pick.sample(who, pick.randrange(3))}
        if pick.random() < 0.05:
            body["note"] = "x" * 20_000
        return body

    async def create(self) -> None:
        self.ids.append((await self.rest("POST", f"/classes/{CLASS}", self.body()))["objectId"])

    async def write_once(self) -> None:
        pick, kind = self.chance, self.chance.random()
        if kind < 0.15 or len(self.ids) < 20:
            await self.create()
        elif kind < 0.25 and len(self.ids) > 25:
            await self.rest("DELETE", f"/classes/{CLASS}/{self.ids.pop(pick.randrange(1, len(self.ids)))}")
        elif kind < 0.30:
            op = {"__op": pick.choice(["AddRelation", "RemoveRelation"]), "objects": [_pointer(pick.choice(self.ids))]}
            await self.rest("PUT", f"/classes/{CLASS}/{self.ids[0]}", {"friends": op})
        elif kind < 0.34:
            await self.move_role()
        else:
            person = pick.choice([*self.people, None, None])
            path = f"/classes/{CLASS}/{pick.choice(self.ids)}"
            await self.rest("PUT", path, self.body(), person.token if person else None)
        self.did["writes"] += 1

    async def move_role(self) -> None:
        pick, act = self.chance, self.chance.random()
        if act < 0.1:
            await self.inherit()
            return
        if act < 0.15:
            await self.protect()
            return
        person, name = pick.choice(self.people), pick.choice(list(self.roles))
        person.roles |= set(self.roles) if name == "soakcaptains" else {name}
        user = {"__type": "Pointer", "className": "_User", "objectId": person.object_id}
        op = {"__op": pick.choice(["AddRelation", "RemoveRelation"]), "objects": [user]}
        await self.rest("PUT", f"/roles/{self.roles[name]}", {"users": op})
        self.did["roles"] += 1

    async def inherit(self) -> None:
        """Captains act for the crew, or do so no more."""
        (_, crew_id), (captains, captains_id) = self.roles.items()
        for person in self.people:
            person.roles |= set(self.roles) if captains in person.roles else set()
        captain = {"__type": "Pointer", "className": "_Role", "objectId": captains_id}
        op = {"__op": self.chance.choice(["AddRelation", "RemoveRelation"]), "objects": [captain]}
        await self.rest("PUT", f"/roles/{crew_id}", {"roles": op})
        self.did["inheritances"] += 1

    async def protect(self) -> None:
        """Nobody is shown `note`, but for the crew; or everybody is."""
        protected = self.chance.choice([{}, {"*": ["note"], f"role:{next(iter(self.roles))}": []}])
        open_to_all = {name: {"*": True} for name in ("find", "get", "count", "create", "update", "delete", "addField")}
        permissions = {**open_to_all, "protectedFields": protected}
        await self.rest("PUT", f"/schemas/{CLASS}", {"className": CLASS, "classLevelPermissions": permissions})
        self.did["permissions"] += 1

    async def writer(self) -> None:
        while True:
            await self._may_write.wait()
            self._writing += 1
            try:
                await self.write_once()
            except httpx.HTTPError:  # it may not, or nobody is there to answer
                self.did["refused"] += 1
                await asyncio.sleep(0.05)
            finally:
                self._writing -= 1
            await asyncio.sleep(self.chance.random() * 0.02)

    # ---- trouble

    async def trouble(self) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(0.1, 1.0))
            if not self._may_write.is_set():
                continue
            kind, client = self.chance.random(), self.chance.choice(self.clients)
            if kind < 0.5:
                self.did["cuts"] += 1
                client.cut()
            elif kind < 0.75:
                self.did["pauses"] += 1
                client.stop_reading(self.chance.uniform(0.5, 5.0))
            elif kind < 0.9:
                await self._kill_backends("application_name like 'careboard-%'", "listeners killed")
            elif kind < 0.96:
                self.did["processes killed"] += 1
                await self.backend.kill(self.chance)
            else:
                await self._crash_database()

    async def _kill_backends(self, which: str, word: str) -> None:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            connection = await asyncpg.connect(self._database, timeout=10)
            try:
                text = f"select pg_terminate_backend(pid) from pg_stat_activity where {which} and pid <> pg_backend_pid()"
                await connection.execute(text)
                self.did[word] += 1
            finally:
                await connection.close()

    async def _crash_database(self) -> None:
        """A backend that dies without warning makes Postgres begin anew from its log."""
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            connection = await asyncpg.connect(self._database, timeout=10)
            os.kill(connection.get_server_pid(), signal.SIGKILL)
            self.did["database crashes"] += 1
            connection.terminate()

    # ---- what must hold

    async def compare(self) -> None:
        """Pauses the writers and compares every subscription with a find of its session."""
        self._may_write.clear()
        while self._writing:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0.01)
        await self.backend.until_it_answers()
        deadline = time.monotonic() + SETTLE_SECONDS
        open_ones = [(client, following) for client in self.clients for following in client.following.values()]
        while open_ones and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            open_ones = [(client, following) for client, following in open_ones if await self._differs(client, following)]
        for client, following in open_ones:
            words = await self._differs(client, following) or "late, but right now"
            self.faults["different"] += 1
            self.notes.append(
                f"different: {following.query} as {client.person and client.person.object_id}: {words}; "
                f"open {following.is_open}, connects {client.connects}, reloads {following.reloads}, cursor {following.cursor}"
            )
            following.cursor = None
            client.cut()  # begins anew, so that one fault counts once
        self.did["compared"] += sum(len(client.following) for client in self.clients)
        self._may_write.set()

    async def _differs(self, client: Client, following: Following) -> str:
        query = {name: value for name, value in following.query.items() if name != "className"}
        params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
        if "count" in query:
            params |= {"limit": "0", "count": "1"}
        elif "limit" not in query:
            params["limit"] = "10000"
        text = "&".join(f"{name}={quote(value)}" for name, value in params.items())
        headers = {"X-Parse-Application-Id": "careboard"}
        headers |= {"X-Parse-Session-Token": client.person.token} if client.person else {}
        try:
            answer = await self._http.get(f"{self.backend.base}/classes/{CLASS}?{text}", headers=headers)
            found = answer.raise_for_status().json()
        except httpx.HTTPError as cause:
            return f"no find: {cause}"
        if "count" in query:
            return "" if following.count == found["count"] else f"{following.count} counted, {found['count']} there"
        objects = {each["objectId"]: each for each in found["results"]}
        if "order" in query and following.order != list(objects):
            return f"order {following.order}, found {list(objects)}"
        if following.state == objects:
            return ""
        lost = [each for each in objects if following.state.get(each) != objects[each]]
        return f"lost or old {lost}, too many {[each for each in following.state if each not in objects]}"

    def tally(self) -> Counter[str]:
        return sum((client.faults for client in self.clients), Counter(self.faults))

    async def run(self) -> None:
        began = time.monotonic()
        work = [asyncio.create_task(client.run()) for client in self.clients]
        work += [asyncio.create_task(self.writer()) for _ in range(self.given.writers)]
        work += [asyncio.create_task(self.trouble()), asyncio.create_task(self._progress(began))]
        try:
            while time.monotonic() - began < self.given.seconds:
                await asyncio.sleep(min(15.0, self.given.seconds / 3))
                await self.compare()
            for task in work:
                if task.done():
                    task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._http.aclose()

    async def _progress(self, began: float) -> None:
        while True:
            passed = min(1.0, (time.monotonic() - began) / self.given.seconds)
            bar = "#" * int(passed * 30)
            faults = dict(self.tally()) or "none"
            print(f"\r[{bar:30}] {passed:4.0%} writes {self.did['writes']:,} faults {faults} ", end="", flush=True)
            await asyncio.sleep(1)


def _pointer(object_id: str) -> Object:
    return {"__type": "Pointer", "className": CLASS, "objectId": object_id}


async def main(given: argparse.Namespace, folder: str) -> int:
    settings = Settings(data_dir=Path(folder))
    url = await ensure_embedded(settings)
    backend = Backend(url, folder, given.port, given.workers, relay=given.relay)
    try:
        await backend.start()
        soak = Soak(backend, url, given)
        await soak.build()
        await soak.run()
    finally:
        backend.end()
        release_embedded(settings.postgres_dir)
    connects, frames = sum(each.connects for each in soak.clients), sum(each.frames for each in soak.clients)
    reloads = sum((each.reasons for each in soak.clients), Counter[str]())
    print(f"\n{dict(soak.did)}\n{connects:,} connects, {frames:,} frames, {reloads.total():,} reloads {dict(reloads)}")
    for note in [*soak.notes, *(note for client in soak.clients for note in client.notes)][:20]:
        print(note)
    faults = soak.tally()
    print(f"faults: {dict(faults) or 'none'}")
    return 1 if faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--relay", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=18471)
    with tempfile.TemporaryDirectory(prefix="careboard-soak-") as name:
        Path(name).chmod(0o755)
        sys.exit(asyncio.run(main(parser.parse_args(), name)))
