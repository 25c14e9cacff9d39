"""A client without cursors that comes back is given what it missed."""

import pytest

from app.actions.caller import MASTER
from app.config import Settings
from app.core.wire import Json, Object
from app.live.resuming import resumption
from app.store.database import Database
from app.store.schemas import Schemas
from tests.actions.world import acl
from tests.live.stage import Client, Following, Stage, open_stage

FIELDS: Object = {"n": {"type": "Number"}, "m": {"type": "Number"}}


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def phone(stage: Stage, installation_id: str = "phone") -> Client:
    return await stage.client(cursors=False, installationId=installation_id)


def numbers(following: Following) -> list[Json]:
    return [frame["object"]["n"] for _, frame in following.told]  # type: ignore[index, call-overload]  # an object


@pytest.fixture
async def thing(stage: Stage) -> str:
    return await stage.world.thing(fields=FIELDS)


async def test_from_the_last_acknowledged_on_everything_is_told_again(stage: Stage, thing: str) -> None:
    client = await phone(stage, thing)
    await client.subscribe(thing)
    await create(stage, thing, n=1)
    await stage.quiet()
    client.answer_ping()
    await create(stage, thing, n=2)
    await stage.quiet()
    client.cut()
    await create(stage, thing, n=3)
    back = await phone(stage, thing)
    again = await back.subscribe(thing)
    await create(stage, thing, n=4)
    await back.until(lambda: len(again.told) == 3)
    assert numbers(again) == [2, 3, 4]
    assert [frame["op"] for frame in back.frames[:2]] == ["connected", "subscribed"]


async def test_a_client_that_never_answered_begins_where_its_subscription_began(stage: Stage, thing: str) -> None:
    await create(stage, thing, n=0)
    client = await phone(stage, thing)
    await client.subscribe(thing)
    await create(stage, thing, n=1)
    await stage.quiet()
    client.cut()
    again = await (await phone(stage, thing)).subscribe(thing)
    assert numbers(again) == [1]


async def test_the_old_connection_need_not_be_known_to_be_dead(stage: Stage, thing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumption, "UNSURE_SECONDS", -1.0)
    silent = await phone(stage, thing)
    await silent.subscribe(thing)
    silent.reads = False
    await create(stage, thing, n=1)
    await stage.quiet()
    back = await phone(stage, thing)
    assert numbers(await back.subscribe(thing)) == [1]
    back.answer_ping()
    silent.cut()
    back.cut()
    await create(stage, thing, n=2)
    third = await phone(stage, thing)
    assert numbers(await third.subscribe(thing)) == [2], "the dead one, found dead later, does not count"


async def test_of_two_windows_the_one_further_behind_counts(stage: Stage, thing: str) -> None:
    one, other = await phone(stage, thing), await phone(stage, thing)
    await one.subscribe(thing)
    await other.subscribe(thing)
    one.cut()
    await create(stage, thing, n=1)
    await stage.quiet()
    other.answer_ping()
    other.cut()
    await create(stage, thing, n=2)
    back = await phone(stage, thing)
    assert numbers(await back.subscribe(thing)) == [1, 2]


@pytest.mark.parametrize("difference", ["installation", "request id", "query", "reader", "unsubscribed"])
async def test_nothing_is_told_to_another(stage: Stage, thing: str, difference: str) -> None:
    client = await phone(stage, thing)
    await client.subscribe(thing)
    if difference == "unsubscribed":
        await client.say({"op": "unsubscribe", "requestId": 1})
    client.cut()
    await create(stage, thing, n=1)
    back = await phone(stage, "another" if difference == "installation" else thing)
    if difference == "request id":
        await back.subscribe(thing, {"n": 5})
    where: Json = {"n": {"$lt": 9}} if difference == "query" else {}
    session = await stage.world.person() if difference == "reader" else None
    assert numbers(await back.subscribe(thing, where, session=session)) == []


async def test_each_event_is_authorised_anew(stage: Stage, thing: str) -> None:
    ann = await stage.world.person()
    body: Object = {"name": f"crew{thing}", "ACL": acl(public="r")}
    role = await stage.world.objects.create(MASTER, "_Role", body)
    users: Object = {"__type": "Pointer", "className": "_User", "objectId": str(ann.user_id)}
    relation: Object = {"users": {"__op": "AddRelation", "objects": [users]}}
    await stage.world.objects.update(MASTER, "_Role", role.object_id, relation)
    client = await phone(stage, thing)
    following = await client.subscribe(thing, session=ann)
    crew: Json = {f"role:crew{thing}": {"read": True}}
    await create(stage, thing, n=1, ACL=crew)
    await client.until(lambda: numbers(following) == [1])
    client.cut()
    await create(stage, thing, n=2, ACL=crew)
    await create(stage, thing, n=3)
    removal: Object = {"users": {"__op": "RemoveRelation", "objects": [users]}}
    await stage.world.objects.update(MASTER, "_Role", role.object_id, removal)
    back = await phone(stage, thing)
    again = await back.subscribe(thing, session=ann)
    assert sorted(again.ops) == ["create", "leave", "leave"]  # whether it was told of the second is not known
    assert [frame["object"].get("n") for op, frame in again.told if op == "create"] == [3]  # type: ignore[union-attr]  # an object
    assert not any(b'"n":2' in raw for raw in back.raw)


async def test_what_was_missed_is_kept_for_a_bounded_time_and_count(
    stage: Stage, thing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumption, "MOST_KEPT", 2)
    for name in ("a", "b", "c"):
        client = await phone(stage, f"{thing}{name}")
        await client.subscribe(thing)
        client.cut()
    await create(stage, thing, n=1)
    assert numbers(await (await phone(stage, f"{thing}a")).subscribe(thing)) == []
    assert numbers(await (await phone(stage, f"{thing}c")).subscribe(thing)) == [1]
    monkeypatch.setattr(resumption, "KEPT_SECONDS", -1.0)
    assert numbers(await (await phone(stage, f"{thing}b")).subscribe(thing)) == []


async def test_a_client_with_cursors_asks_for_itself(stage: Stage, thing: str) -> None:
    client = await stage.client(installationId=thing)
    await client.subscribe(thing)
    client.cut()
    await create(stage, thing, n=1)
    back = await stage.client(installationId=thing)
    assert numbers(await back.subscribe(thing)) == []
    assert stage.hub.mark(back.connection) is None


async def test_another_process_goes_on_where_the_first_was_told_to(
    stage: Stage, thing: str, database: Database, schemas: Schemas, settings: Settings
) -> None:
    client = await phone(stage, thing)
    await client.subscribe(thing, keys=["n", "m"])
    await create(stage, thing, n=1)
    await stage.quiet()
    client.answer_ping()
    await stage.hub.note()  # as every few seconds; what comes from here on is lost with the process
    await create(stage, thing, n=2)
    await stage.quiet()
    async with open_stage(database, schemas, settings) as other:
        back = await phone(other, thing)
        again = await back.subscribe(thing, keys=["m", "n"])
        await back.until(lambda: len(again.told) == 1)
        assert numbers(again) == [2]
        stranger = await (await phone(other, thing)).subscribe(thing, {"n": {"$gt": 0}})
        assert stranger.told == []


@pytest.mark.parametrize("name", ["phone\0", "\U0001f4f1" * 255], ids=["NUL", "long"])
async def test_what_one_calls_itself_keeps_nobody_else_from_being_noted(
    stage: Stage, thing: str, database: Database, schemas: Schemas, settings: Settings, name: str
) -> None:
    for each in (name, thing):
        client = await phone(stage, each)
        await client.subscribe(thing)
        client.answer_ping()
    await stage.hub.note()
    await create(stage, thing, n=1)
    async with open_stage(database, schemas, settings) as other:
        for each in (name, thing):
            back = await phone(other, each)
            again = await back.subscribe(thing)
            await back.until(lambda again=again: len(again.told) == 1)  # type: ignore[misc]  # bound as of now
            assert numbers(again) == [1]


async def test_a_process_that_stops_notes_all_it_knows(
    stage: Stage, thing: str, database: Database, schemas: Schemas, settings: Settings
) -> None:
    async with open_stage(database, schemas, settings) as first:
        client = await phone(first, thing)
        await client.subscribe(thing)
        await create(stage, thing, n=1)
        await first.quiet()
        client.answer_ping()
    await create(stage, thing, n=2)
    back = await phone(stage, thing)
    again = await back.subscribe(thing)
    await back.until(lambda: len(again.told) == 1)
    assert numbers(again) == [2]
