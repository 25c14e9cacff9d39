"""Clients that read slowly or not at all, and clients that ask too much, on a real feed."""

import pytest

from app.actions.caller import MASTER
from app.config import Settings
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from app.live.connection import HARD_MARK, SOFT_MARK, Connection
from app.live.counters import Counters
from app.live.limits import BURST_SECONDS, Limits, Meter
from app.live.membership import Member
from app.live.outbox import Backlog
from app.live.protocol import Keys, Protocol
from app.live.resuming.position import Run, parse_position, partly, shorten
from app.store.changes.snapshot import Snapshot, to_cursor
from tests.live.stage import Client, Following, Stage

FIELDS: Object = {"n": {"type": "Number"}, "text": {"type": "String"}}
BIG = "x" * (SOFT_MARK + 1)


async def create(stage: Stage, class_name: str, **body: Json) -> str:
    return (await stage.world.objects.create(MASTER, class_name, body)).object_id


async def update(stage: Stage, class_name: str, object_id: str, **body: Json) -> None:
    await stage.world.objects.update(MASTER, class_name, object_id, body)


def read_on(client: Client, frames_before: int) -> None:
    """The client reads again, also what it was sent meanwhile."""
    assert frames_before == len(client.frames)
    client.reads, client._waiting = True, 0
    client.connection.resume()


async def congested(stage: Stage, **hello: bool) -> tuple[str, Client, Following]:
    """A class, and a client whose transport is full."""
    thing = await stage.world.thing(fields=FIELDS)
    client = await stage.client(**hello)
    following = await client.subscribe(thing, {"n": {"$lt": 100}})
    client.reads = False
    await create(stage, thing, n=0, text=BIG)
    await stage.quiet()
    assert client.buffered() > SOFT_MARK
    return thing, client, following


async def test_past_the_soft_mark_only_the_newest_state_is_told(stage: Stage) -> None:
    thing, client, following = await congested(stage)
    first, second, third = [await create(stage, thing, n=n) for n in (1, 2, 3)]
    for n in (5, 6, 7):
        await update(stage, thing, first, n=n)
    await update(stage, thing, second, n=200)
    await update(stage, thing, third, n=200)
    await update(stage, thing, third, n=8)
    await stage.quiet()
    read_on(client, len(client.frames))
    shown = [(op, frame["object"]["objectId"], frame["object"]["n"]) for op, frame in following.told]  # type: ignore[index, call-overload]  # an object
    assert shown == [("create", first, 7), ("enter", third, 8)]
    assert client.connection.coalesced == 7


async def test_the_last_of_what_waited_carries_the_cursor_behind_it_all(stage: Stage) -> None:
    thing, client, following = await congested(stage)
    for n in (1, 2, 3):
        await create(stage, thing, n=n)
    await stage.quiet()
    read_on(client, len(client.frames))
    cursors = [str(frame["cursor"]) for _, frame in following.told]
    assert cursors[0] == cursors[1] != cursors[2]
    again = await client.subscribe(thing, {"n": {"$lt": 100}}, since=cursors[0])
    behind = await client.subscribe(thing, {"n": {"$lt": 100}}, since=cursors[2])
    await stage.quiet()
    assert [frame["object"]["n"] for _, frame in again.told] == [1, 2, 3]  # type: ignore[index, call-overload]  # an object
    assert behind.told == []


async def test_what_waits_is_not_told_after_the_subscription_or_the_access_ended(stage: Stage) -> None:
    thing = await stage.world.thing(fields=FIELDS)
    ann = await stage.world.person()
    client = await stage.client()
    following = await client.subscribe(thing, session=ann)
    client.reads = False
    await create(stage, thing, text=BIG)
    await stage.quiet()
    await create(stage, thing, text="hush")
    await stage.quiet()
    client.reads = True
    await stage.world.users.log_out(ann)
    await stage.quiet()
    assert following.error is not None
    assert following.error["code"] == 209
    client._waiting = 0
    client.connection.resume()
    assert not any(b"hush" in raw for raw in client.raw)


async def test_an_answer_comes_behind_the_events_that_waited_for_it(stage: Stage) -> None:
    thing, client, following = await congested(stage, cursors=False)
    await create(stage, thing, n=1)
    await stage.quiet()
    client.reads = True
    await client.say({"op": "query", "requestId": 1})
    assert [frame["op"] for frame in client.frames[-2:]] == ["create", "result"]
    assert following.ops == ["create"]


async def test_a_client_that_reads_nothing_holds_less_than_two_megabytes(stage: Stage) -> None:
    thing, client, _ = await congested(stage)
    object_id = await create(stage, thing, n=1)
    for n in range(60):
        await update(stage, thing, object_id, n=n, text="y" * 50_000)
    await stage.quiet()
    assert client.connection.is_open, "one object takes no more room however often it changes"
    for n in range(30):
        await create(stage, thing, n=n, text="y" * 50_000)
    await stage.quiet()
    assert client.closed is not None
    assert client.closed[0] == 1013
    assert client.buffered() < 2 * HARD_MARK


async def test_a_tick_of_many_megabytes_waits_where_it_is_counted_and_no_byte_of_it_is_lost(stage: Stage) -> None:
    thing = await stage.world.thing(fields=FIELDS)
    client, quick = await stage.client(), await stage.client()
    following = await client.subscribe(thing)
    quickly = await quick.subscribe(thing)
    client.reads = False
    async with stage.world.objects.transaction() as tx:
        made = [await stage.world.objects.create(MASTER, thing, {"n": n, "text": "y" * 50_000}, tx=tx) for n in range(40)]
    await stage.quiet()
    ids = [each.object_id for each in made]
    assert [frame["object"]["objectId"] for _, frame in quickly.told] == ids  # type: ignore[index, call-overload]  # an object
    assert SOFT_MARK < client.buffered() < 2 * SOFT_MARK
    await create(stage, thing, n=40)
    await stage.quiet()
    assert client.closed is not None, "more than the hard mark waits for it"
    assert client.buffered() < 2 * SOFT_MARK
    cursor = client.closed[1].removeprefix("cursor=")
    again = await quick.subscribe(thing, since=cursor)
    await stage.quiet()
    sent = client.unread
    assert 0 < sent < len(ids)
    assert [frame["object"]["objectId"] for _, frame in again.told[:-1]] == ids[sent:]  # type: ignore[index, call-overload]  # an object
    assert following.told == []


async def test_where_a_closed_client_resumes_nothing_is_missing(stage: Stage) -> None:
    thing, client, following = await congested(stage)
    made = [await create(stage, thing, n=n, text="y" * 200_000) for n in range(8)]
    await stage.quiet()
    assert client.closed is not None
    cursor = client.closed[1].removeprefix("cursor=")
    client.cut()
    back = await stage.client()
    again = await back.subscribe(thing, {"n": {"$lt": 100}}, since=cursor)
    await stage.quiet()
    assert set(made) <= again.state.keys()
    assert following.told == []


class Wire:
    """An outlet that only writes down."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed: tuple[int, str] | None = None

    def send(self, frames: list[bytes]) -> None:
        self.frames += frames

    def buffered(self) -> int:
        return 0

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


def connected(**hello: Json) -> tuple[Connection[Member], Wire]:
    wire = Wire()
    protocol = Protocol(Keys("app", "master"), lambda: "one")
    connection: Connection[Member] = Connection(protocol, wire, Counters())
    protocol.receive(b'{"op":"connect","applicationId":"app","cursors":%s}' % (b"true" if hello.get("cursors") else b"false"))
    return connection, wire


LONG = Snapshot(1000, 2000, frozenset(range(1000, 1100)))


@pytest.mark.parametrize("cursors", [True, False])
def test_a_cursor_too_long_for_a_close_goes_before_it_and_a_shorter_one_into_it(cursors: bool) -> None:
    connection, wire = connected(cursors=cursors)
    cursor = to_cursor("0123456789ab", LONG)
    connection.close_behind(cursor)
    assert wire.closed is not None
    reason = wire.closed[1]
    assert len(reason) <= 123
    position = parse_position(reason.removeprefix("cursor="), "0123456789ab")
    assert position is not None
    assert LONG.covers(position.base), "who resumes there is told no less"
    assert [cursor.encode() in frame for frame in wire.frames] == [True] * cursors


def test_a_cursor_in_the_middle_of_a_delivery_is_shortened_to_one_before_it() -> None:
    base, ahead = to_cursor("f", Snapshot(10, 10, frozenset())), to_cursor("f", LONG)
    assert shorten(Run(base, ahead).up_to(5)) == partly(base)
    assert shorten(base) == base
    assert shorten("nonsense") == "nonsense"


def test_marks_come_back_in_order_and_stand_for_what_was_told_before() -> None:
    connection, _ = connected()
    connection.protocol.installation_id = "phone"
    connection.begin(1, "start")
    first, second = connection.mark("a"), connection.mark("b")
    assert connection.told(1) == "start"
    connection.acknowledge(second)
    assert connection.told(1) == "b"
    connection.acknowledge(first)
    assert connection.told(1) == "b"
    connection.begin(2, "later")
    assert connection.told(2) == "later"
    connection._backlog = Backlog("waits since")
    connection.acknowledge(connection.mark("c"))
    assert connection.told(1) == "waits since"


def test_a_meter_allows_a_burst_and_then_what_a_second_allows() -> None:
    meter = Meter(Limits(queries=1, messages_per_second=2, bytes_per_second=1000), now=0.0)
    assert [meter.take(1, 0.0) for _ in range(int(2 * BURST_SECONDS))] == [None] * 40
    assert "Too many messages: 2 a second" in str(meter.take(1, 0.0))
    assert meter.take(1, 0.5) is None
    assert "Too many bytes: 1000 a second" in str(meter.take(30_000, 10.0))


def test_more_queries_than_a_connection_may_have_are_refused() -> None:
    protocol = Protocol(Keys("app", "master"), lambda: "one", most_queries=1)
    protocol.receive(b'{"op":"connect","applicationId":"app"}')
    ask = b'{"op":"subscribe","requestId":%d,"query":{"className":"A","where":{}}}'
    first, again, more = protocol.receive(ask % 1), protocol.receive(ask % 1), protocol.receive(ask % 2)
    assert [type(effect).__name__ for effect in (*first, *again, *more)] == ["Open", "Drop", "Open", "Send"]
    assert b'"code":140' in more[0].frame  # type: ignore[union-attr]  # a Send
    assert Settings().live_queries >= 100


def test_what_a_connection_subscribes_to_is_so_long_together_and_what_it_gives_up_counts_no_more() -> None:
    ask = '{"op":"subscribe","requestId":%d,"query":{"className":"A","where":{}}}'
    protocol = Protocol(Keys("app", "master"), lambda: "one", most_query_bytes=2 * len(ask % 1))

    def said(text: str) -> str:
        return type(protocol.receive(text)[-1]).__name__

    said('{"op":"connect","applicationId":"app"}')
    assert [said(ask % number) for number in (1, 2, 2, 3)] == ["Open", "Open", "Open", "Send"]
    protocol.refused(2, ParseError(ErrorCode.OPERATION_FORBIDDEN, "closed"))
    assert [said(ask % number) for number in (3, 4)] == ["Open", "Send"]
    said('{"op":"unsubscribe","requestId":1}')
    assert [said(ask % number) for number in (4, 1)] == ["Open", "Send"]
    said('{"op":"connect","applicationId":"app"}')
    assert [said(ask % number) for number in (1, 2, 3)] == ["Open", "Open", "Send"]
