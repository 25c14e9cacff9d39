"""The door for server-sent events, read as a browser and curl read it: over real sockets of a running server."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.live.connection import HARD_MARK
from tests.api.test_livequery import Rest
from tests.conftest import PATIENCE, RunningServer

APP = {"X-Parse-Application-Id": "careboard"}


@dataclass
class Event:
    """One event of a stream; `id` None where it had none."""

    name: str
    id: str | None
    data: Any


class Stream:
    """A reader of one stream, by the rules of EventSource."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.last_id: str | None = None
        self._lines = answer.aiter_lines()

    async def next(self, *, skip: tuple[str, ...] = ("subscribed",)) -> Event:
        """The next event with data."""
        async with asyncio.timeout(PATIENCE):
            fields: dict[str, str] = {}
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = fields[name] + "\n" + value[1:] if name in fields else value[1:]
                    continue
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields and fields["event"] not in skip:
                    return Event(fields["event"], fields.get("id"), json.loads(fields["data"]))
                fields = {}
        raise AssertionError("the stream ended")


@asynccontextmanager
async def open_stream(
    server: RunningServer, class_name: str, headers: dict[str, str] | None = None, /, **params: str
) -> AsyncIterator[Stream]:
    url = f"{server.url}/parse/live/{class_name}"
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as http,
        http.stream("GET", url, headers=APP if headers is None else headers, params=params) as answer,
    ):
        if answer.status_code != 200:
            await answer.aread()
        yield Stream(answer)


@pytest.fixture
async def rest(running_server: RunningServer) -> AsyncIterator[Rest]:
    rest = Rest(running_server)
    yield rest
    await rest.close()


async def change(server: RunningServer, method: str, path: str, **body: object) -> None:
    headers = APP | {"X-Parse-Master-Key": server.master_key}
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        (await http.request(method, f"{server.url}/parse{path}", headers=headers, json=body)).raise_for_status()


async def test_a_life_is_streamed_as_events_with_cursors(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Valve", psi=0)
    async with open_stream(running_server, "Valve", where='{"psi":{"$lt":10}}') as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream"), stream.answer.text
        assert stream.answer.headers["x-content-type-options"] == "nosniff"
        first = await stream.next(skip=())
        assert (first.name, first.data) == ("subscribed", {})
        object_id = await rest.create("Valve", psi=1, note="a\nb")
        for psi in (2, 20, 3):
            await change(running_server, "PUT", f"/classes/Valve/{object_id}", psi=psi)
        await change(running_server, "DELETE", f"/classes/Valve/{object_id}")
        events = [await stream.next() for _ in range(5)]
    assert [event.name for event in events] == ["create", "update", "leave", "enter", "delete"]
    assert [event.data["psi"] for event in events] == [1, 2, 20, 3, 3]
    assert events[0].data["note"] == "a\nb"
    assert {event.data["objectId"] for event in events} == {object_id}
    assert len({event.id for event in events} | {first.id, None}) == 7


async def test_last_event_id_resumes_behind_the_last_event_and_wins_over_since(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Hose", n=0)
    async with open_stream(running_server, "Hose") as stream:
        await rest.create("Hose", n=1)
        assert (await stream.next()).data["n"] == 1
        start, cursor = stream.last_id, stream.last_id
        await rest.create("Hose", n=2)
        assert (await stream.next()).data["n"] == 2
        cursor = stream.last_id
    assert start is not None
    assert cursor is not None
    for n in (3, 4):
        await rest.create("Hose", n=n)
    async with open_stream(running_server, "Hose", APP | {"Last-Event-ID": cursor}, since=start, snapshot="1") as stream:
        assert [(await stream.next()).data["n"] for _ in range(2)] == [3, 4]
    async with open_stream(running_server, "Hose", since=start) as stream:
        assert [(await stream.next()).data["n"] for _ in range(3)] == [2, 3, 4]


async def test_a_window_is_streamed_with_its_indexes_and_goes_on_where_it_was(running_server: RunningServer, rest: Rest) -> None:
    ids = [await rest.create("Gauge", n=n) for n in (3, 1, 2)]
    asked = {"order": "n", "limit": "2", "snapshot": "1"}
    async with open_stream(running_server, "Gauge", **asked) as stream:
        assert [each["n"] for each in (await stream.next()).data] == [1, 2]
        await rest.create("Gauge", n=0)
        gone, come = await stream.next(), await stream.next()
        assert (gone.name, gone.data["index"], gone.data["object"]["n"]) == ("leave", 1, 2)
        assert (come.name, come.data["index"], come.data["object"]["n"]) == ("create", 0, 0)
        cursor = stream.last_id
    assert cursor is not None
    await change(running_server, "PUT", f"/classes/Gauge/{ids[1]}", n=9)
    async with open_stream(running_server, "Gauge", APP | {"Last-Event-ID": cursor}, **asked) as stream:
        events = [await stream.next() for _ in range(2)]
    assert [(event.name, event.data["index"], event.data["object"].get("n")) for event in events] == [
        ("leave", 1, None),
        ("enter", 1, 2),
    ]


async def test_a_count_is_streamed(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Clamp", n=1)
    async with open_stream(running_server, "Clamp", count="1", where='{"n":{"$gt":0}}') as stream:
        assert [(event.name, event.data) for event in [await stream.next()]] == [("count", {"count": 1})]
        await rest.create("Clamp", n=2)
        again = await stream.next()
        assert (again.name, again.data, again.id is None) == ("count", {"count": 2}, False)


async def test_included_objects_are_streamed_in_place(running_server: RunningServer, rest: Rest) -> None:
    city = await rest.create("Town", name="Bonn")
    await rest.create("Mill", at={"__type": "Pointer", "className": "Town", "objectId": city})
    async with open_stream(running_server, "Mill", include="at", snapshot="1") as stream:
        assert [each["at"]["name"] for each in (await stream.next()).data] == ["Bonn"]
        await change(running_server, "PUT", f"/classes/Town/{city}", name="Rome")
        event = await stream.next()
        assert (event.name, event.data["at"]["name"]) == ("update", "Rome")


async def test_a_snapshot_comes_first_and_carries_the_id(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Mask", n=1)
    async with open_stream(running_server, "Mask", snapshot="1", keys="n") as stream:
        subscribed, snapshot = await stream.next(skip=()), await stream.next(skip=())
        assert (subscribed.name, subscribed.id) == ("subscribed", None)
        assert snapshot.name == "snapshot"
        assert snapshot.id is not None
        assert [each["n"] for each in snapshot.data] == [1]
        await rest.create("Mask", n=2)
        assert (await stream.next()).data["n"] == 2


async def test_a_cursor_of_elsewhere_is_answered_with_reload_or_a_snapshot(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Regulator", n=1)
    async with open_stream(running_server, "Regulator", since="1.else.where") as stream:
        assert (await stream.next()).data == {"reason": "cursor of another database, or of before a crash of this one"}
    async with open_stream(running_server, "Regulator", since="1.else.where", snapshot="1") as stream:
        assert (await stream.next()).name == "snapshot"


async def test_the_application_may_be_named_in_the_url_and_nothing_secret_may(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Gauge", n=1)
    async with open_stream(running_server, "Gauge", {}, applicationId="careboard") as stream:
        assert (await stream.next(skip=())).name == "subscribed"
    async with open_stream(running_server, "Gauge", {}) as stream:
        assert stream.answer.status_code == 403
    for name in ("sessionToken", "masterKey", "_SessionToken", "_MasterKey", "javascriptKey"):
        async with open_stream(running_server, "Gauge", APP, **{name: "secret-word"}) as stream:
            assert (stream.answer.status_code, stream.answer.json()["code"]) == (400, 102)
            assert "header" in stream.answer.json()["error"]
            assert "secret-word" not in stream.answer.text


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"where": "{"}, 107),
        ({"where": "[]"}, 107),
        ({"where": '{"a":{"$shout":1}}'}, 102),
        ({"colour": "red"}, 102),
    ],
)
async def test_what_cannot_be_streamed_is_refused_before_the_stream(
    running_server: RunningServer, params: dict[str, str], code: int
) -> None:
    async with open_stream(running_server, "Gauge", **params) as stream:
        assert (stream.answer.status_code, stream.answer.json()["code"]) == (400, code)


async def test_only_get_streams(running_server: RunningServer) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        assert (await http.post(f"{running_server.url}/parse/live/Gauge", headers=APP)).status_code == 405
        asked = await http.options(f"{running_server.url}/parse/live/Gauge")
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "*")


async def sees_private(server: RunningServer, rest: Rest, user: dict[str, str], headers: dict[str, str]) -> bool:
    """Whether a stream with these headers is given an object that only `user` may read, beside one for all."""
    async with open_stream(server, "Secluded", APP | headers) as stream:
        await stream.next(skip=())
        await rest.create("Secluded", ACL={user["objectId"]: {"read": True}})
        for_all = await rest.create("Secluded")
        return bool((await stream.next()).data["objectId"] != for_all)


async def test_a_header_or_the_cookie_of_our_own_page_speaks_for_its_user(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Secluded")
    user = await rest.sign_up("stream-owner")
    cookie = {"Cookie": f"careboard_session={user['sessionToken']}"}
    assert await sees_private(running_server, rest, user, {"X-Parse-Session-Token": user["sessionToken"]})
    assert await sees_private(running_server, rest, user, {"X-Parse-Master-Key": running_server.master_key})
    assert await sees_private(running_server, rest, user, cookie | {"Sec-Fetch-Site": "same-origin"})
    assert not await sees_private(running_server, rest, user, cookie | {"Sec-Fetch-Site": "cross-site"})
    assert not await sees_private(running_server, rest, user, cookie)
    async with open_stream(running_server, "Secluded", APP | {"X-Parse-Master-Key": "wrong"}) as stream:
        assert stream.answer.status_code == 403
    async with open_stream(running_server, "Secluded", APP | {"X-Parse-Session-Token": "r:nobody"}) as stream:
        assert stream.answer.json()["code"] == 209


async def test_a_session_that_ends_ends_the_stream_with_the_reason(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Gauge", n=1)
    user = await rest.sign_up("leaver")
    session = APP | {"X-Parse-Session-Token": user["sessionToken"]}
    async with open_stream(running_server, "Gauge", session) as stream:
        await stream.next(skip=())
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            (await http.post(f"{running_server.url}/parse/logout", headers=session)).raise_for_status()
        ended = await stream.next()
        assert (ended.name, ended.data["code"]) == ("error", 209)
        with pytest.raises(AssertionError, match="the stream ended"):
            await stream.next()


async def test_a_reader_that_hangs_is_cut_off_delays_nobody_and_resumes_where_it_was(
    running_server: RunningServer, rest: Rest
) -> None:
    """What the kernel takes for a hanging reader is some megabytes; beyond that the hard mark holds."""
    await rest.create("Bulk", n=-1)
    text, count = "x" * 200_000, 60
    assert len(text) * count > 8 * HARD_MARK
    hanging = socket.create_connection(("127.0.0.1", running_server.port))
    hanging.sendall(f"GET /parse/live/Bulk?where={quote('{}')} HTTP/1.1\r\nHost: x\r\n{_lines(APP)}\r\n".encode())
    async with open_stream(running_server, "Bulk", keys="n") as stream:
        await stream.next(skip=())
        for n in range(count):
            await rest.create("Bulk", n=n, text=text)
        assert [(await stream.next()).data["n"] for _ in range(count)] == list(range(count))
    heard = await asyncio.to_thread(_read_all, hanging)
    assert b"event: close\ndata: " in heard
    seen = heard.count(b"event: create")
    assert 0 < seen < count
    last = heard.rpartition(b"event: create")[2].partition(b"id: ")[2].partition(b"\n")[0].decode()
    async with open_stream(running_server, "Bulk", APP | {"Last-Event-ID": last}, keys="n") as stream:
        assert [(await stream.next()).data["n"] for _ in range(count - seen)] == list(range(seen, count))


def _lines(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _read_all(hanging: socket.socket) -> bytes:
    """The body, without the marks of its chunks; the connection is kept alive, so its last chunk is waited for."""
    heard = b""
    hanging.settimeout(PATIENCE)
    with hanging:
        while not heard.endswith(b"0\r\n\r\n"):
            heard += hanging.recv(1 << 20)
    return heard


async def test_a_stopping_server_ends_streams_at_once_and_loses_nothing(
    clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = RunningServer(clone_database(), Path(tmp_path_factory.mktemp("events")))
    server.start()
    rest = Rest(server)
    try:
        await rest.create("Gauge", n=1)
        async with open_stream(server, "Gauge") as stream:
            await stream.next(skip=())
            cursor = stream.last_id
            stopped = asyncio.create_task(asyncio.to_thread(server.stop))
            ended = await stream.next()
            assert (ended.name, ended.data["code"]) == ("close", 1001)
        assert await stopped == 0
        assert "Cancel" not in server.log.read_text(encoding="utf-8")
        await asyncio.to_thread(server.start)
        object_id = await rest.create("Gauge", n=2)
        assert cursor is not None
        async with open_stream(server, "Gauge", APP | {"Last-Event-ID": cursor}) as stream:
            assert (await stream.next()).data["objectId"] == object_id
    finally:
        await rest.close()
        if server.process.poll() is None:
            server.stop()
