"""Frames on the wire of a running server: their form, readers that do not read, limits, and marks."""

import asyncio
import json
import select
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from app.config import Settings
from app.main import create_app
from tests.api.test_livequery import CONNECT, Rest, Socket, open_socket
from tests.conftest import PATIENCE, RunningServer
from tests.network import Relay

LIMITS = {
    "CAREBOARD_LIVE_QUERIES": "2",
    "CAREBOARD_LIVE_MESSAGES_PER_SECOND": "5",
    "CAREBOARD_LIVE_BYTES_PER_SECOND": "20000",
    "CAREBOARD_LIVE_MESSAGE_BYTES": "300000",
}


@pytest.fixture
async def rest(running_server: RunningServer) -> AsyncIterator[Rest]:
    rest = Rest(running_server)
    yield rest
    await rest.close()


@pytest.fixture(scope="module")
def strict_server(clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(clone_database(), Path(tmp_path_factory.mktemp("strict")))
    server.environment = LIMITS
    server.start()
    yield server
    server.stop()


async def test_frames_of_every_length_arrive_whole(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Text", text="")
    async with open_socket(running_server) as socket:
        await socket.ask(CONNECT)
        await socket.subscribe("Text")
        await rest.create("Text", text="")
        shortest = len(json.dumps(await socket.hear(), separators=(",", ":")))
        for length in (65534, 65535, 65536, 65537, 300_000):
            text = "ä" + "x" * (length - shortest - 2)
            await rest.create("Text", text=text)
            frame = await socket.hear()
            assert frame["object"]["text"] == text


async def test_many_changes_of_one_transaction_arrive_in_order(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Order", n=0)
    async with open_socket(running_server) as socket:
        await socket.ask(CONNECT)
        await socket.subscribe("Order")
        requests = [{"method": "POST", "path": "/parse/classes/Order", "body": {"n": n}} for n in range(50)]
        answer = await rest._http.post("/batch", json={"requests": requests, "transaction": True})
        assert answer.status_code == 200
        assert [(await socket.hear())["object"]["n"] for _ in range(50)] == list(range(50))


def deaf_socket(server: RunningServer, class_name: str) -> socket.socket:
    """A client that subscribes and then reads nothing."""
    deaf = socket.create_connection(("127.0.0.1", server.port))
    deaf.sendall(
        b"GET /parse HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    hear_until(deaf, b"\r\n\r\n")
    query = {"className": class_name, "where": {}}
    for message, answer in ((CONNECT, b"connected"), ({"op": "subscribe", "requestId": 1, "query": query}, b"subscribed")):
        payload = json.dumps(message).encode()
        deaf.sendall(bytes((0x81, 0x80 | 126)) + len(payload).to_bytes(2, "big") + bytes(4) + payload)
        hear_until(deaf, answer)
    return deaf


def hear_until(deaf: socket.socket, words: bytes) -> None:
    """Reads no further than the words are heard."""
    heard = b""
    while words not in heard:
        piece = deaf.recv(4096)
        assert piece, heard
        heard += piece


async def test_a_client_that_never_reads_is_cut_off_and_the_others_hear_everything(
    running_server: RunningServer, rest: Rest
) -> None:
    await rest.create("Flood", n=0)
    deaf = await asyncio.to_thread(deaf_socket, running_server, "Flood")
    async with open_socket(running_server) as socket:
        await socket.ask(CONNECT)
        await socket.subscribe("Flood")
        for n in range(40):
            await rest.create("Flood", n=n, text="x" * 400_000)
            assert (await socket.hear())["object"]["n"] == n
    await asyncio.to_thread(be_cut_off, deaf)
    with deaf, pytest.raises(ConnectionResetError):
        read_to_the_end(deaf)


def be_cut_off(deaf: socket.socket) -> None:
    """Waits, without reading, until the other end has dropped the connection."""
    watch = select.poll()
    watch.register(deaf, 0)
    assert watch.poll(PATIENCE * 1000), "the connection is still there"


def read_to_the_end(deaf: socket.socket) -> None:
    deaf.settimeout(PATIENCE)
    while deaf.recv(1 << 20):
        pass


async def hear_all(socket: Socket) -> list[dict[str, Any]]:
    """The frames until the server closes."""
    frames = []
    with suppress(ConnectionClosed):
        while True:
            frames.append(await socket.hear())
    return frames


async def test_a_client_that_reads_late_is_told_where_to_resume(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Late", n=0)
    url = running_server.url.replace("http", "ws", 1) + "/parse"
    async with connect(url, max_size=None, max_queue=1) as raw:
        socket = Socket(raw)
        await socket.ask({**CONNECT, "cursors": True})
        await socket.subscribe("Late")
        for n in range(40):
            await rest.create("Late", n=n, text="x" * 400_000)
        heard = [frame["object"]["n"] for frame in await hear_all(socket)]
        assert raw.close_code == 1013
        reason = str(raw.close_reason)
    async with open_socket(running_server) as back:
        await back.ask({**CONNECT, "cursors": True})
        await back.subscribe("Late", since=reason.removeprefix("cursor="))
        while heard[-1] != 39:
            heard.append((await back.hear())["object"]["n"])
    assert heard == list(range(40))


async def last_words(server: RunningServer, messages: list[str]) -> tuple[dict[str, Any], int | None, str | None]:
    """The last frame, and the close, after so many messages."""
    async with open_socket(server) as socket:
        frames = [await socket.ask(CONNECT)]
        with suppress(ConnectionClosed):
            for message in messages:
                await socket.say(message)
        frames += await hear_all(socket)
        return frames[-1], socket.socket.close_code, socket.socket.close_reason


async def test_too_many_messages_and_too_many_bytes_are_refused_with_the_reason(strict_server: RunningServer) -> None:
    frame, code, reason = await last_words(strict_server, ["{}"] * 200)
    assert (frame["op"], frame["code"], code) == ("error", 155, 1008)
    assert frame["error"] == reason == "Too many messages: 5 a second are allowed; send them more slowly."
    frame, code, reason = await last_words(strict_server, [json.dumps("x" * 250_000)] * 3)
    assert (frame["error"], code) == ("Too many bytes: 20000 a second are allowed; send less.", 1008)


async def test_a_message_that_is_too_long_is_refused_with_1009(strict_server: RunningServer) -> None:
    _, code, _ = await last_words(strict_server, ["x" * 300_001])
    assert code == 1009


async def test_a_query_too_many_is_refused_and_the_others_go_on(strict_server: RunningServer) -> None:
    rest = Rest(strict_server)
    await rest.create("Gauge", psi=1)
    async with open_socket(strict_server) as socket:
        await socket.ask(CONNECT)
        query = {"className": "Gauge", "where": {}}
        answers = [await socket.ask({"op": "subscribe", "requestId": n, "query": query}) for n in (1, 2, 3)]
        assert [answer["op"] for answer in answers] == ["subscribed", "subscribed", "error"]
        assert (answers[2]["code"], answers[2]["requestId"]) == (140, 3)
        await rest.create("Gauge", psi=2)
        assert {(await socket.hear())["requestId"] for _ in range(2)} == {1, 2}
    await rest.close()


class Answering(ClientConnection):
    """A client that knows how much it had heard when it last answered a ping that carries a mark."""

    heard = answered = 0

    def process_event(self, event: Event) -> None:
        """A ping is answered before it is told here."""
        super().process_event(event)
        if isinstance(event, Frame):
            self.heard += event.opcode is Opcode.TEXT
            if event.opcode is Opcode.PING and bytes(event.data[:1]) == b"m":
                self.answered = self.heard

    async def has_marked(self) -> None:
        """Waits until all that was heard is marked."""
        async with asyncio.timeout(PATIENCE):
            while self.answered < self.heard:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.05)


@asynccontextmanager
async def phone(port: int) -> AsyncIterator[Socket]:
    async with connect(f"ws://127.0.0.1:{port}/parse", max_size=None, create_connection=Answering) as raw:
        socket = Socket(raw)
        await socket.ask({**CONNECT, "installationId": "phone"})
        yield socket


async def test_a_client_without_cursors_is_given_what_it_missed_over_a_cut(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Missed", n=0)
    async with Relay(running_server.port) as relay:
        async with phone(relay.port) as socket:
            await socket.subscribe("Missed")
            await rest.create("Missed", n=1)
            assert (await socket.hear())["object"]["n"] == 1
            relay.cut()
        await rest.create("Missed", n=2)
        relay.mend()
        async with phone(relay.port) as socket:
            assert (await socket.subscribe("Missed"))["op"] == "subscribed"
            await rest.create("Missed", n=3)
            missed = []
            while 3 not in missed:
                missed.append((await socket.hear())["object"]["n"])
            assert missed[-2:] == [2, 3]


async def test_a_mark_after_an_event_keeps_it_from_being_told_again(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Marked", n=0)
    async with phone(running_server.port) as socket:
        await socket.subscribe("Marked")
        await rest.create("Marked", n=1)
        assert (await socket.hear())["object"]["n"] == 1
        assert isinstance(socket.socket, Answering)
        await socket.socket.has_marked()
    await rest.create("Marked", n=2)
    async with phone(running_server.port) as socket:
        await socket.subscribe("Marked")
        assert (await socket.hear())["object"]["n"] == 2


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
def test_under_another_server_frames_go_through_the_framework(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client, client.websocket_connect("/parse") as session:
        session.send_json(CONNECT)
        assert session.receive_json(timeout=PATIENCE)["op"] == "connected"
        session.send_json({"op": "subscribe", "requestId": 1, "query": {"className": "_Role", "where": {}}})
        assert session.receive_json(timeout=PATIENCE)["op"] == "subscribed"
