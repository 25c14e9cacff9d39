"""The hub on a real feed: what clients are told of what is really written."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.actions.caller import MASTER
from app.core.wire import Json, Object, date_to_wire, encode
from app.live.connection import HARD_MARK
from tests.actions.world import acl
from tests.live.stage import Client, Stage


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def update(stage: Stage, class_name: str, object_id: str, **body: Json) -> None:
    await stage.world.objects.update(MASTER, class_name, object_id, body)


async def delete(stage: Stage, class_name: str, object_id: str) -> None:
    await stage.world.objects.delete(MASTER, class_name, object_id)


NUMBERS: Object = {"n": {"type": "Number"}, "m": {"type": "Number"}, "secret": {"type": "String"}}


async def numbers(stage: Stage, **permissions: Json) -> str:
    more: Object = {"classLevelPermissions": permissions} if permissions else {}
    return await stage.world.thing(fields=NUMBERS, **more)


async def test_a_life_is_told_as_create_update_leave_enter_delete(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client(installationId="phone")
    following = await client.subscribe(thing, {"n": {"$lt": 10}})
    object_id = await create(stage, thing, n=1)
    for n in (2, 20, 3):
        await update(stage, thing, object_id, n=n)
    await delete(stage, thing, object_id)
    await client.until(lambda: len(following.told) == 5)
    assert following.ops == ["create", "update", "leave", "enter", "delete"]
    frames = [frame for _, frame in following.told]
    assert [frame["object"]["n"] for frame in frames] == [1, 2, 20, 3, 3]  # type: ignore[index, call-overload]  # an object
    assert ["original" in frame for frame in frames] == [False, True, True, True, False]
    assert list(frames[1])[:4] == ["op", "clientId", "installationId", "requestId"]


async def test_what_was_written_before_a_subscription_is_not_told(stage: Stage) -> None:
    thing = await numbers(stage)
    object_id = await create(stage, thing, n=1)
    client = await stage.client()
    following = await client.subscribe(thing)
    await update(stage, thing, object_id, n=2)
    await client.until(lambda: bool(following.told))
    assert following.ops == ["update"]


async def test_without_cursors_a_client_sees_parses_frames_and_nothing_else(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client(cursors=False)
    following = await client.subscribe(thing)
    await create(stage, thing, n=1)
    await client.until(lambda: bool(following.told))
    assert [sorted(frame) for frame in client.frames] == [
        ["clientId", "op"],
        ["clientId", "op", "requestId"],
        ["clientId", "object", "op", "requestId"],
    ]
    assert following.told[0][1]["object"].keys() >= {"__type", "className", "objectId", "createdAt", "updatedAt", "n"}  # type: ignore[union-attr]  # an object


async def test_keys_and_fields_project_to_what_parse_keeps(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    by_keys = await client.subscribe(thing, keys=["n"])
    by_fields = await client.subscribe(thing, fields=["m"])
    await create(stage, thing, n=1, m=2)
    await client.until(lambda: bool(by_keys.told and by_fields.told))
    always = {"className", "objectId", "updatedAt", "createdAt"}
    assert set(by_keys.told[0][1]["object"]) == always | {"n"}  # type: ignore[arg-type]  # an object
    assert set(by_fields.told[0][1]["object"]) == always | {"m"}  # type: ignore[arg-type]  # an object


async def test_watch_mutes_updates_of_other_fields(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing, {"n": {"$lt": 10}}, watch=["m"])
    object_id = await create(stage, thing, n=1)
    await update(stage, thing, object_id, n=2)
    await update(stage, thing, object_id, m=1)
    await update(stage, thing, object_id, n=20)
    await client.until(lambda: "leave" in following.ops)
    assert following.ops == ["update", "leave"]


class Broken(Client):
    """A client whose transport fails in a way that nobody has thought of."""

    is_broken = False

    def send(self, frames: list[bytes]) -> None:
        if self.is_broken:
            raise ArithmeticError
        super().send(frames)


async def test_a_transport_that_fails_does_not_silence_the_others(stage: Stage) -> None:
    thing = await numbers(stage)
    broken, client = Broken(stage), await stage.client()
    await broken.connect()
    await broken.subscribe(thing)
    following = await client.subscribe(thing, snapshot=True)
    broken.is_broken = True
    await create(stage, thing, n=1)
    await stage.quiet()
    assert client.closed == (1012, "connect again")
    await client.come_back()
    await create(stage, thing, n=2)
    await stage.quiet()
    assert sorted(str(shown["n"]) for shown in following.state.values()) == ["1", "2"]


async def test_who_watches_a_field_is_told_that_1_became_true(stage: Stage) -> None:
    thing = await stage.world.thing(fields={"meta": {"type": "Object"}})
    object_id = await create(stage, thing, meta={"done": 1})
    client = await stage.client()
    following = await client.subscribe(thing, watch=["meta.done"], snapshot=True)
    await update(stage, thing, object_id, meta={"done": True})
    await stage.quiet()
    assert [encode(shown["meta"]) for shown in following.state.values()] == [b'{"done":true}']


async def test_nobody_is_told_what_its_acl_hides(stage: Stage) -> None:
    thing = await numbers(stage)
    ann, bob = await stage.world.person(), await stage.world.person()
    assert ann.user_id is not None
    client = await stage.client()
    for_ann = await client.subscribe(thing, session=ann)
    for_bob = await client.subscribe(thing, session=bob)
    for_nobody = await client.subscribe(thing)
    object_id = await create(stage, thing, n=1, ACL={ann.user_id: {"read": True}})
    await update(stage, thing, object_id, n=2)
    await update(stage, thing, object_id, ACL=acl(public="r"))
    await update(stage, thing, object_id, ACL={str(bob.user_id): {"read": True}}, n=3)
    await delete(stage, thing, object_id)
    await stage.quiet()
    assert for_ann.ops == ["create", "update", "update", "leave"]
    assert for_bob.ops == ["enter", "update", "delete"]
    assert for_nobody.ops == ["enter", "leave"]
    entered = for_bob.told[0][1]
    assert "original" not in entered
    left = for_nobody.told[1][1]
    assert left["object"] == left["original"]
    assert left["object"]["n"] == 2  # type: ignore[index, call-overload]  # the last state that was readable


async def test_protected_fields_are_not_in_the_bytes(stage: Stage) -> None:
    thing = await numbers(stage, find={"*": True}, get={"*": True}, protectedFields={"*": ["secret"]})
    client = await stage.client()
    following = await client.subscribe(thing)
    master = await stage.client(masterKey="master")
    everything = await master.subscribe(thing)
    object_id = await create(stage, thing, n=1, secret="hush")
    await update(stage, thing, object_id, secret="hush hush")
    await client.until(lambda: len(following.told) == 2)
    await master.until(lambda: len(everything.told) == 2)
    assert not any(b"hush" in raw for raw in client.raw)
    assert any(b"hush hush" in raw for raw in master.raw)


async def test_asking_about_a_protected_field_is_refused(stage: Stage) -> None:
    thing = await numbers(stage, find={"*": True}, get={"*": True}, protectedFields={"*": ["secret"]})
    client = await stage.client()
    for following in (
        await client.subscribe(thing, {"secret": "a"}),
        await client.subscribe(thing, {"$or": [{"n": 1}, {"secret": {"$regex": "^a"}}]}),
        await client.subscribe(thing, watch=["secret"]),
    ):
        assert following.error is not None
        assert (following.error["code"], following.error["error"]) == (119, "Permission denied")
        assert following.error["reconnect"] is False


@pytest.mark.parametrize(
    "where",
    [
        {"n": {"$inQuery": {"className": "_Role", "where": {}}}},
        {"n": {"$select": {"query": {"className": "_Role", "where": {}}, "key": "n"}}},
        {"n": {"$foo": 1}},
        {"secret": {"$regex": "["}},
    ],
)
async def test_what_cannot_be_asked_live_is_refused(stage: Stage, where: Object) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing, where)
    assert following.error is not None
    assert following.error["code"] == 102
    assert not stage.hub.stream.router.listens_to(thing)


async def test_a_class_closed_to_the_caller_is_refused_and_a_dead_session_too(stage: Stage) -> None:
    thing = await numbers(stage, find={"role:staff": True})
    client = await stage.client(sessionToken="r:dead")
    following = await client.subscribe(thing)
    assert following.error is not None
    assert following.error["code"] == 209
    client = await stage.client()
    following = await client.subscribe(thing)
    assert following.error is not None
    assert following.error["code"] == 119


async def test_a_snapshot_and_its_events_make_the_state(stage: Stage) -> None:
    thing = await numbers(stage)
    first = await create(stage, thing, n=1)
    client = await stage.client()
    following = await client.subscribe(thing, snapshot=True)
    assert [frame["op"] for frame in client.frames] == ["connected", "subscribed", "snapshot"]
    assert following.state.keys() == {first}
    second = await create(stage, thing, n=2)
    await client.until(lambda: bool(following.told))
    assert following.state.keys() == {first, second}


async def test_since_tells_exactly_what_was_missed(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing, snapshot=True)
    first = await create(stage, thing, n=1)
    await client.until(lambda: bool(following.told))
    client.cut()
    await update(stage, thing, first, n=2)
    second = await create(stage, thing, n=3)
    await delete(stage, thing, first)
    await client.come_back()
    third = await create(stage, thing, n=4)
    await client.until(lambda: len(following.told) == 5)
    assert following.ops == ["create", "update", "create", "delete", "create"]
    assert following.state.keys() == {second, third}


async def test_a_client_cut_in_the_middle_of_a_batch_goes_on_behind_the_last_event(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing, snapshot=True)
    async with stage.world.objects.transaction() as tx:
        for n in range(5):
            await stage.world.objects.create(MASTER, thing, {"n": n}, tx=tx)
    await client.until(lambda: len(following.told) == 5)
    for heard in range(5):
        again = await client.subscribe(thing, since=str(following.told[heard][1]["cursor"]))
        await stage.quiet()
        assert [frame["object"] for _, frame in again.told] == [frame["object"] for _, frame in following.told[heard + 1 :]]


@pytest.mark.parametrize("cursor", ["nonsense", "1.other.MToxOg", "1.x.y~1.x.y~5", "~~"])
async def test_a_cursor_of_another_history_gets_reload_and_the_stream(stage: Stage, cursor: str) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing, since=cursor)
    assert client.frames[-1] == {
        "op": "reload",
        "requestId": 1,
        "reason": "cursor of another database, or of before a crash of this one",
    }
    await create(stage, thing, n=1)
    await client.until(lambda: following.ops == ["create"])


async def test_query_is_answered_with_what_a_find_would_give(stage: Stage) -> None:
    thing = await numbers(stage)
    object_id = await create(stage, thing, n=1)
    await create(stage, thing, n=11)
    client = await stage.client()
    await client.subscribe(thing, {"n": {"$lt": 10}}, keys=["n"])
    await client.say({"op": "query", "requestId": 1})
    frame = client.frames[-1]
    assert frame["op"] == "result"
    assert isinstance(frame["results"], list)
    assert [result["objectId"] for result in frame["results"] if isinstance(result, dict)] == [object_id]


async def test_unsubscribed_is_silent_and_leaves_nothing_behind(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing)
    await client.say({"op": "unsubscribe", "requestId": 1})
    await create(stage, thing, n=1)
    await stage.quiet()
    assert following.told == []
    assert not stage.hub.stream.router.listens_to(thing)


async def test_update_exchanges_the_query(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing, {"n": 1})
    query: Object = {"className": thing, "where": {"n": 2}}
    await client.say({"op": "update", "requestId": 1, "query": query})
    assert client.frames[-1]["op"] == "subscribed"
    await create(stage, thing, n=1)
    await create(stage, thing, n=2)
    await client.until(lambda: bool(following.told))
    assert [frame["object"]["n"] for _, frame in following.told] == [2]  # type: ignore[index, call-overload]  # an object


async def test_one_batch_is_one_send(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing)
    sends = client.sends
    async with stage.world.objects.transaction() as tx:
        for n in range(20):
            await stage.world.objects.create(MASTER, thing, {"n": n}, tx=tx)
    await client.until(lambda: len(following.told) == 20)
    assert client.sends == sends + 1


async def test_a_client_that_does_not_read_is_closed_with_a_cursor_and_delays_nobody(stage: Stage) -> None:
    thing = await numbers(stage)
    slow, quick = await stage.client(), await stage.client()
    behind = await slow.subscribe(thing, snapshot=True)
    ahead = await quick.subscribe(thing)
    slow.reads = False
    text = "x" * (HARD_MARK // 8)
    for n in range(12):
        await create(stage, thing, n=n, secret=text)
    await quick.until(lambda: len(ahead.told) == 12)
    assert slow.closed is not None
    code, reason = slow.closed
    assert code == 1013
    assert reason.startswith("cursor=")
    assert slow.buffered() < 2 * HARD_MARK
    slow.cut()
    await slow.come_back()
    await stage.quiet()
    assert behind.state.keys() == {str(frame["object"]["objectId"]) for _, frame in ahead.told}  # type: ignore[index, call-overload]  # an object


async def test_a_large_answer_that_was_asked_for_closes_nobody(stage: Stage) -> None:
    thing = await numbers(stage)
    for n in range(12):
        await create(stage, thing, n=n, secret="x" * (HARD_MARK // 8))
    client = await stage.client()
    client.reads = False
    await client.subscribe(thing, snapshot=True)
    await create(stage, thing, n=1)
    await stage.quiet()
    assert client.closed is None


# ---- classes that change


async def test_a_class_may_be_subscribed_to_before_it_exists(stage: Stage) -> None:
    client = await stage.client(masterKey="master")
    following = await client.subscribe("LaterClass", {"n": 1}, snapshot=True)
    assert following.error is None
    await stage.world.classes.create("LaterClass", {"fields": {"n": {"type": "Number"}}})
    await create(stage, "LaterClass", n=1)
    await create(stage, "LaterClass", n=2)
    await client.until(lambda: bool(following.told))
    await stage.quiet()
    assert following.ops == ["create"]


async def test_a_field_that_is_new_is_matched_from_its_first_object(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    following = await client.subscribe(thing, {"tags": "low"})
    await create(stage, thing, tags=["low", "old"])
    await client.until(lambda: following.ops == ["create"])


# ---- authority that moves


async def role(stage: Stage, name: str, *users: str) -> str:
    body: Object = {"name": name, "ACL": acl(public="r")}
    made = await stage.world.objects.create(MASTER, "_Role", body)
    for user in users:
        await membership(stage, made.object_id, "users", "AddRelation", "_User", user)
    return made.object_id


async def membership(stage: Stage, role_id: str, key: str, op: str, target: str, object_id: str) -> None:
    pointer: Object = {"__type": "Pointer", "className": target, "objectId": object_id}
    await stage.world.objects.update(MASTER, "_Role", role_id, {key: {"__op": op, "objects": [pointer]}})


@pytest.fixture
async def guarded(stage: Stage) -> tuple[str, str, str]:
    """A class with a public object and one for role:crew, and the role's id."""
    thing = await numbers(stage)
    name = f"crew{thing}"
    role_id = await role(stage, name)
    await create(stage, thing, n=0)
    for_crew = await create(stage, thing, n=1, secret="hush", ACL={f"role:{name}": {"read": True}})
    return thing, role_id, for_crew


async def test_a_role_granted_enters_and_taken_leaves_what_it_reads(stage: Stage, guarded: tuple[str, str, str]) -> None:
    thing, role_id, for_crew = guarded
    ann = await stage.world.person()
    client = await stage.client()
    following = await client.subscribe(thing, session=ann, snapshot=True)
    assert for_crew not in following.state
    await membership(stage, role_id, "users", "AddRelation", "_User", str(ann.user_id))
    await client.until(lambda: following.ops == ["enter"])
    assert following.state[for_crew]["n"] == 1
    await update(stage, thing, for_crew, n=2)
    await client.until(lambda: following.ops == ["enter", "update"])
    await membership(stage, role_id, "users", "RemoveRelation", "_User", str(ann.user_id))
    await update(stage, thing, for_crew, n=3)
    await stage.quiet()
    assert following.ops == ["enter", "update", "leave"]
    assert set(following.told[2][1]["object"]) == {"__type", "className", "objectId"}  # type: ignore[arg-type]  # an object
    assert len(following.state) == 1


async def test_inheritance_moves_authority_too(stage: Stage, guarded: tuple[str, str, str]) -> None:
    thing, role_id, for_crew = guarded
    ann = await stage.world.person()
    captains = await role(stage, f"captains{thing}", str(ann.user_id))
    client = await stage.client()
    following = await client.subscribe(thing, session=ann, snapshot=True)
    await membership(stage, role_id, "roles", "AddRelation", "_Role", captains)
    await client.until(lambda: following.ops == ["enter"])
    await membership(stage, role_id, "roles", "RemoveRelation", "_Role", captains)
    await client.until(lambda: following.ops == ["enter", "leave"])
    assert for_crew not in following.state


async def test_writes_beside_a_change_of_authority_are_told_under_the_new_one(
    stage: Stage, guarded: tuple[str, str, str]
) -> None:
    thing, role_id, for_crew = guarded
    ann = await stage.world.person()
    await membership(stage, role_id, "users", "AddRelation", "_User", str(ann.user_id))
    client = await stage.client()
    following = await client.subscribe(thing, session=ann, snapshot=True)
    assert for_crew in following.state
    objects = stage.world.objects
    async with objects.transaction() as tx:
        await objects.update(MASTER, thing, for_crew, {"n": 5, "secret": "louder"}, tx=tx)
        pointer: Object = {"__type": "Pointer", "className": "_User", "objectId": str(ann.user_id)}
        body: Object = {"users": {"__op": "RemoveRelation", "objects": [pointer]}}
        await objects.update(MASTER, "_Role", role_id, body, tx=tx)
        await objects.create(MASTER, thing, {"n": 6}, tx=tx)
    await stage.quiet()
    assert for_crew not in following.state
    assert {n["n"] for n in following.state.values()} == {0, 6}
    assert not any(b"louder" in raw for raw in client.raw)


async def test_a_session_that_ends_ends_its_subscriptions(stage: Stage) -> None:
    thing = await numbers(stage)
    ann = await stage.world.person()
    client = await stage.client()
    following = await client.subscribe(thing, session=ann)
    for_nobody = await client.subscribe(thing)
    await stage.world.users.log_out(ann)
    await create(stage, thing, n=1)
    await stage.quiet()
    assert following.told == []
    assert following.error is not None
    assert (following.error["code"], following.error["reconnect"]) == (209, False)
    assert for_nobody.ops == ["create"]


SOON = (1.5, 6, 30)
"""Seconds from now: a machine that is not there before is given more."""


@pytest.mark.parametrize("asked", [{}, {"order": "n", "limit": 3}])
async def test_a_session_that_ends_by_its_time_ends_its_subscriptions_then(stage: Stage, asked: Object) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    for seconds in SOON:
        ann = await stage.world.person()
        await update(
            stage, "_Session", str(ann.session_id), expiresAt=date_to_wire(datetime.now(UTC) + timedelta(seconds=seconds))
        )
        following = await client.subscribe(thing, session=ann, since=None, **asked)
        if following.error is None:
            break
    for_nobody = await client.subscribe(thing)
    await client.until(lambda: following.error is not None)
    assert following.error["code"] == 209  # type: ignore[index]  # it is there
    await create(stage, thing, n=1)
    await stage.quiet()
    assert (following.told, for_nobody.ops) == ([], ["create"])


async def test_a_session_that_ended_a_moment_ago_opens_nothing(stage: Stage) -> None:
    """Nothing tells of its end while it follows nothing, and who it was is remembered for some seconds."""
    thing = await numbers(stage)
    ann = await stage.world.person()
    ends = datetime.now(UTC) + timedelta(seconds=1)
    await update(stage, "_Session", str(ann.session_id), expiresAt=date_to_wire(ends))
    await stage.quiet()
    client = await stage.client()
    await client.subscribe(thing, session=ann)  # it is known from here on, unless this machine took a second to come here
    await client.say({"op": "unsubscribe", "requestId": 1})
    await asyncio.sleep((ends - datetime.now(UTC)).total_seconds() + 0.1)
    late = await client.subscribe(thing, session=ann, snapshot=True)
    assert late.error is not None
    assert late.error["code"] == 209


async def test_a_session_that_is_prolonged_goes_on(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    for seconds in SOON:
        ann, bob = await stage.world.person(), await stage.world.person()
        first = datetime.now(UTC) + timedelta(seconds=seconds)
        for caller in (ann, bob):
            await update(stage, "_Session", str(caller.session_id), expiresAt=date_to_wire(first))
        of_ann, of_bob = await client.subscribe(thing, session=ann), await client.subscribe(thing, session=bob)
        await update(stage, "_Session", str(ann.session_id), expiresAt=date_to_wire(first + timedelta(days=1)))
        if datetime.now(UTC) + timedelta(seconds=0.5) < first:
            break
    await client.until(lambda: of_bob.error is not None)
    await create(stage, thing, n=1)
    await stage.quiet()
    assert (of_ann.error, of_ann.ops) == (None, ["create"])


async def test_an_account_that_is_disabled_hears_nothing_more(stage: Stage) -> None:
    thing = await numbers(stage)
    ann = await stage.world.person()
    client = await stage.client()
    following = await client.subscribe(thing, session=ann)
    await update(stage, "_User", str(ann.user_id), active=False)
    await create(stage, thing, n=1)
    await stage.quiet()
    assert following.told == []
    assert following.error is not None
    assert following.error["code"] == 209


async def test_a_class_that_is_closed_ends_the_subscriptions_of_those_it_is_closed_to(stage: Stage) -> None:
    thing = await numbers(stage)
    client, master = await stage.client(), await stage.client(masterKey="master")
    following = await client.subscribe(thing)
    everything = await master.subscribe(thing)
    await stage.world.classes.update(thing, {"classLevelPermissions": {"find": {}, "get": {}}})
    await create(stage, thing, n=1)
    await stage.quiet()
    assert following.told == []
    assert following.error is not None
    assert following.error["code"] == 119
    assert everything.ops == ["create"]


async def test_stopping_closes_every_socket_with_1001(stage: Stage) -> None:
    thing = await numbers(stage)
    client = await stage.client()
    await client.subscribe(thing)
    await stage.hub.stop()
    assert client.closed is not None
    assert client.closed[0] == 1001
    await stage.hub.start()
