"""The promise of the product: what a client keeps from its live queries is what a fresh find would give it.

Random callers write concurrently, in transactions long and short, some rolled back; roles are given and taken, fields protected
and shown; clients are cut off and resume, some of them without cursors; the readers' connections are killed. Afterwards each
subscription's state must equal a find as its caller, no event may have shown what its reader never could see, and each object's
events must have come once and in order.
CAREBOARD_ORACLE_ROUNDS raises the effort (each round is its own seed).
"""

import asyncio
import math
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller
from app.config import Settings
from app.core.wire import Json, Object, decode, pointer
from app.errors import ParseError
from app.live import hub, opening
from app.live.results import window
from app.live.resuming import history
from app.store.database import Database
from app.store.schemas import Schemas
from tests.actions.world import acl
from tests.conftest import PATIENCE
from tests.live.stage import Client, Following, Stage, open_stage

ROUNDS = int(os.environ.get("CAREBOARD_ORACLE_ROUNDS", "3"))
WRITERS = 4
WRITES = 40
CLIENTS = 4
PHONES = 2
"""Clients that know no cursors."""

FIELDS: Object = {
    "n": {"type": "Number"},
    "v": {"type": "Number"},
    "color": {"type": "String"},
    "tags": {"type": "Array"},
    "nears": {"type": "Array"},
    "owner": {"type": "Pointer", "targetClass": "_User"},
    "at": {"type": "Date"},
    "meta": {"type": "Object"},
    "secret": {"type": "String"},
}
PERMISSIONS: Object = {name: {"*": True} for name in ("find", "get", "count", "create", "update", "delete")}
COLORS = ("red", "reddish", "green", "blue")


@pytest.fixture(scope="module", params=["alone", "behind a relay"])
async def stage(database: Database, schemas: Schemas, settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with open_stage(database, schemas, settings, relay=request.param != "alone") as stage:
        yield stage


@dataclass
class Town:
    """One round: a class, the people, their roles, and the clients that watch."""

    stage: Stage
    chance: random.Random
    class_name: str = ""
    people: list[Caller] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)
    held: dict[str, set[str]] = field(default_factory=dict)
    """Every role a user may ever have had in this round, by user."""
    is_calm: bool = False
    """No more cuts."""
    known: list[str] = field(default_factory=list)
    """Ids to point to."""
    clients: list[Client] = field(default_factory=list)
    readers: dict[int, Caller] = field(default_factory=dict)
    """Whom a subscription reads for, by the identity of its Following."""

    async def build(self) -> None:
        world = self.stage.world
        self.people = [await world.person() for _ in range(3)]
        tag = uuid4().hex[:8]  # a name is taken once in a database
        for name in (f"crew{tag}", f"captains{tag}"):
            made = await world.objects.create(MASTER, "_Role", {"name": name, "ACL": acl(public="r")})
            self.roles[name] = made.object_id
        crew = f"role:{next(iter(self.roles))}"
        permissions: Object = {**PERMISSIONS, "protectedFields": {"*": ["secret"], crew: []}}
        self.class_name = await world.thing(fields=FIELDS, classLevelPermissions=permissions)
        first = await world.objects.create(MASTER, self.class_name, {"v": 1, "near": pointer(self.class_name, "nothing")})
        self.known.append(first.object_id)
        friends: Object = {"__op": "AddRelation", "objects": [pointer(self.class_name, first.object_id)]}
        await world.objects.update(
            MASTER, self.class_name, first.object_id, {"friends": friends, "v": {"__op": "Increment", "amount": 1}}
        )
        for _ in range(6):
            await self.write_once(MASTER)
        self.clients = [await self.stage.client() for _ in range(CLIENTS)]
        self.clients += [await self.stage.client(cursors=False, installationId=f"{self.class_name}{n}") for n in range(PHONES)]
        for client in self.clients:
            for _ in range(4):
                reader = self.chance.choice([*self.people, ANONYMOUS])
                session = reader if reader.session_token else None
                asked = self.asked()
                if is_phone(client):  # it knows no places
                    asked = {name: value for name, value in asked.items() if name in ("include", "count")}
                where = self.where()
                while is_phone(client) and _asks_others(where):  # docs/live.md says what is not promised
                    where = self.where()
                following = await client.subscribe(self.class_name, where, session=session, since=None, snapshot=True, **asked)
                assert following.error is None, following.error
                self.readers[id(following)] = reader

    # ---- what is asked and written

    def where(self) -> Object:
        pick = self.chance
        person = pointer("_User", str(pick.choice(self.people).user_id))
        choices: list[Object] = [
            {},
            {"n": {"$lt": pick.randrange(10)}},
            {"n": {"$gte": 2, "$lt": 7}, "color": {"$ne": "blue"}},
            {"color": pick.choice(COLORS)},
            {"color": {"$regex": "^red"}},
            {"tags": pick.choice(COLORS)},
            {"owner": person},
            {"$or": [{"owner": person}, {"n": {"$in": [1, 2, 3]}}]},
            {"owner": {"$exists": False}},
            {"meta.depth": {"$gt": 1}},
            {"near": {pick.choice(["$inQuery", "$notInQuery"]): self.inner()}},
            {"n": {"$gt": 1}, "near": {"$inQuery": {**self.inner(), "order": "-n", "limit": 4}}},
            {"near": {"$inQuery": {"className": self.class_name, "where": {"near": {"$notInQuery": self.inner()}}}}},
            {"$or": [{"n": {pick.choice(["$select", "$dontSelect"]): {"query": self.inner(), "key": "v"}}}, {"color": "red"}]},
            {"nears": {pick.choice(["$inQuery", "$notInQuery"]): self.inner()}},
            {"$relatedTo": {"object": pointer(self.class_name, pick.choice(self.known[:4])), "key": "friends"}},
            {"at": {"$gt": {"__type": "Date", "iso": "2026-11-15T00:00:00.000Z"}}},
        ]
        return pick.choice(choices)

    def inner(self) -> Object:
        """A sub-query about the same class."""
        where: Object = self.chance.choice([{"color": "red"}, {"n": {"$lt": 5}}, {"v": {"$gte": 2}}, {"tags": "blue"}])
        return {"className": self.class_name, "where": where}

    def asked(self) -> Object:
        """What is asked for beside the changes: nothing, included objects, a window, or a count."""
        pick = self.chance
        if pick.random() < 0.35:
            return {}
        if pick.random() < 0.2:
            return {"count": True}
        include: Object = {}
        if pick.random() < 0.5:
            include = {
                "include": pick.choice(["owner", "near", "near.near", "near.owner,owner", "near.near.near", "nears.near", "*"])
            }
            if pick.random() < 0.3:
                return include
        order = ",".join(pick.sample(("n", "-n", "color", "-color", "owner", "-at", "meta.depth", "-meta.depth", "updatedAt"), 2))
        window: Object = {"order": order, "limit": pick.choice([1, 3, 5, 50])}
        return window | include | ({"skip": pick.randrange(4)} if pick.random() < 0.4 else {})

    def body(self) -> Object:
        pick = self.chance
        body: Object = {"n": pick.randrange(10), "v": {"__op": "Increment", "amount": 1}}
        owners: list[Json] = [pointer("_User", str(pick.choice(self.people).user_id)), {"__op": "Delete"}]
        options: dict[str, Json] = {
            "color": pick.choice(COLORS),
            "tags": pick.sample(COLORS, 2),
            "owner": pick.choice(owners),
            "at": {"__type": "Date", "iso": f"2026-11-{pick.randrange(1, 29):02}T00:00:00.000Z"},
            "near": pointer(self.class_name, pick.choice(self.known[-8:])),
            "nears": [pointer(self.class_name, each) for each in pick.choices(self.known[-8:], k=2)],
            "friends": {
                "__op": pick.choice(["AddRelation", "AddRelation", "RemoveRelation"]),
                "objects": [pointer(self.class_name, pick.choice(self.known[-8:]))],
            },
            "meta": {"depth": pick.randrange(4)},
            "secret": f"s{pick.randrange(100)}",
            "ACL": self.acl(),
        }
        body.update({name: value for name, value in options.items() if pick.random() < 0.4})
        return body

    def acl(self) -> Object:
        principals = ["*", *(str(person.user_id) for person in self.people), *(f"role:{name}" for name in self.roles)]
        chosen = self.chance.sample(principals, self.chance.randrange(3))
        return {principal: {"read": True, "write": self.chance.random() < 0.5} for principal in chosen}

    async def write_once(self, caller: Caller) -> None:
        objects, pick = self.stage.world.objects, self.chance
        known = await self.stage.world.rows(self.class_name)
        try:
            if not known or pick.random() < 0.3:
                made = await objects.create(caller, self.class_name, self.body())
                self.known.append(made.object_id)
                return
            object_id = str(pick.choice(known)["objectId"])
            if pick.random() < 0.15:
                await objects.delete(caller, self.class_name, object_id)
            else:
                await objects.update(caller, self.class_name, object_id, self.body())
        except ParseError:
            pass  # this caller may not; that is part of the mix

    async def write_together(self) -> None:
        """Several writes in one transaction, which may stay open for a while and may be rolled back."""
        objects = self.stage.world.objects
        rolled_back = RuntimeError("rolled back")
        try:
            async with objects.transaction() as tx:
                for _ in range(self.chance.randrange(1, 4)):
                    await objects.create(MASTER, self.class_name, self.body(), tx=tx)
                    await asyncio.sleep(self.chance.random() * 0.03)
                if self.chance.random() < 0.3:
                    raise rolled_back
        except RuntimeError as error:
            if error is not rolled_back:
                raise

    async def move_role(self) -> None:
        objects, pick = self.stage.world.objects, self.chance
        (crew, crew_id), (captains, captains_id) = self.roles.items()
        op = pick.choice(["AddRelation", "RemoveRelation"])
        if pick.random() < 0.25:
            for users in self.held.values():
                users |= {crew} if captains in users else set()
            change: Json = {"__op": op, "objects": [pointer("_Role", captains_id)]}
            await objects.update(MASTER, "_Role", crew_id, {"roles": change})
            return
        user = str(pick.choice(self.people).user_id)
        name = pick.choice([crew, captains])
        self.held.setdefault(user, set()).update({name, crew})
        change = {"__op": op, "objects": [pointer("_User", user)]}
        await objects.update(MASTER, "_Role", self.roles[name], {"users": change})

    async def protect(self) -> None:
        """The crew is shown the secret, or is not."""
        crew = f"role:{next(iter(self.roles))}"
        others: list[Json] = ["secret"]
        hidden: list[Json] = [] if self.chance.random() < 0.5 else ["secret"]
        protected: Object = {"*": others, crew: hidden}
        permissions: Object = {**PERMISSIONS, "protectedFields": protected}
        await self.stage.world.classes.update(self.class_name, {"classLevelPermissions": permissions})

    # ---- trouble

    async def writer(self) -> None:
        for _ in range(WRITES):
            act = self.chance.random()
            if act < 0.15:
                await self.write_together()
            elif act < 0.25:
                await self.move_role()
            elif act < 0.26:
                await self.protect()
            else:
                await self.write_once(self.chance.choice([*self.people, ANONYMOUS, MASTER, MASTER]))
            await asyncio.sleep(self.chance.random() * 0.01)

    async def trouble(self) -> None:
        while not self.is_calm:
            await asyncio.sleep(self.chance.random() * 0.1)
            if self.chance.random() < 0.2:
                await self.kill_readers()
            else:
                client = self.chance.choice(self.clients)
                if self.chance.random() < 0.5:
                    client.answer_ping()
                client.cut()
                await asyncio.sleep(self.chance.random() * 0.05)
                await client.come_back()

    async def kill_readers(self) -> None:
        """Ends the feed's and the listeners' connections, as an administrator might."""
        url = self.stage.world.database.url
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name like 'careboard-%' and pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()

    # ---- what must hold

    def reloads(self) -> list[Json]:
        """The reason of each."""
        return [frame["reason"] for client in self.clients for frame in client.frames if frame["op"] == "reload"]

    async def check(self) -> None:
        for client in self.clients:
            for following in client.following.values():
                assert following.error is None, following.error
                if not is_phone(client):  # that may be told again what it has acknowledged too late
                    assert following.strays == []
                    self.check_order(following)
                self.check_sight(following)
                await self.check_state(following, "a phone" if is_phone(client) else "")

    async def check_state(self, following: Following, whose: str) -> None:
        world = self.stage.world
        reader = self.readers[id(following)]
        caller = await world.fresh(reader) if reader.session_token else reader
        params: Object = {name: value for name, value in following.query.items() if name != "className"}
        query = world.objects.parse_query(self.class_name, {"limit": 10_000, **params})
        if query.with_count:
            assert following.count == await world.objects.count(caller, query), following.query
            return
        found = await world.objects.find(caller, query)
        objects: dict[str, Object] = {}
        for text in found.results:
            value = decode(text)
            assert isinstance(value, dict)
            objects[str(value["objectId"])] = value
        assert following.state == objects, (following.query, whose)
        if query.order:
            assert following.order == list(objects), following.query

    def check_order(self, following: Following) -> None:
        """Each update of an object counts `v` up, so a repeat or a step back shows."""
        shown: dict[str, int] = {}
        for op, frame in following.told:
            value = frame["object"]
            assert isinstance(value, dict)
            if op in ("create", "enter", "update"):
                object_id, version = str(value["objectId"]), value["v"]
                assert isinstance(version, int)
                # an update without `original` shows a field that came into or went out of sight, or another object inside
                is_new = op == "update" and "original" in frame
                least = shown.get(object_id, 0) + (1 if is_new else 0)
                assert version >= least, f"{op} of {object_id} to version {version}, expected {least} or later"
                shown[object_id] = version

    def check_sight(self, following: Following) -> None:
        reader = self.readers[id(following)]
        held = self.held.get(str(reader.user_id), set())
        able = {"*", str(reader.user_id), *(f"role:{name}" for name in held)}
        crew = next(iter(self.roles))
        for _, frame in following.told:
            for image in (frame["object"], frame.get("original")):
                if not isinstance(image, dict) or image.keys() == {"__type", "className", "objectId"}:
                    continue
                readers = image.get("ACL")
                assert readers is None or (isinstance(readers, dict) and able & _granted(readers)), frame
                assert "secret" not in image or crew in held, frame


def _asks_others(where: Object) -> bool:
    text = str(where)
    return any(word in text for word in ("uery'", "elect'", "$relatedTo"))


def is_phone(client: Client) -> bool:
    """Whether it knows no cursors."""
    return not client.hello["cursors"]


def _granted(readers: Object) -> set[str]:
    return {who for who, rights in readers.items() if isinstance(rights, dict) and rights.get("read")}


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_live_state_is_a_fresh_find(stage: Stage, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "BUFFER", seed % 3)  # so that windows run short again and again
    monkeypatch.setattr(hub, "PROGRESS_SECONDS", 0.0)  # every cursor there is must do to go on from
    monkeypatch.setattr(opening, "PATIENCE", PATIENCE)  # on a busy machine nobody is asked to try again
    if seed % 2:
        monkeypatch.setattr(history, "MOST_BYTES", 0)  # what was missed is read from the table
    town = Town(stage, random.Random(seed))
    await town.build()
    # In calm weather first: a cut hides what went wrong before it.
    await asyncio.gather(*(town.writer() for _ in range(WRITERS)))
    await stage.quiet()
    await town.check()
    trouble = asyncio.create_task(town.trouble())
    await asyncio.gather(*(town.writer() for _ in range(WRITERS)))
    town.is_calm = True
    await trouble
    await stage.quiet()
    await town.check()
    for _ in range(3):  # nobody is cut off in the middle of what belongs together now, so everything goes on exactly
        stage.hub.tell_progress(math.inf)
        reloads = town.reloads()
        for client in town.clients:
            client.cut()
        await asyncio.gather(*(town.writer() for _ in range(2)))
        for client in town.clients:
            await client.come_back()
        await stage.quiet()
        await town.check()
        assert town.reloads() == reloads
    for client in town.clients:
        client.cut()
