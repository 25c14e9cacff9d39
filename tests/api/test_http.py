"""Answers leave in one piece and in order, however they are written."""

import asyncio
import http.client
import io
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from app.api.http import MOST_HELD, Gathering
from tests.conftest import RunningServer


@pytest.fixture
async def line() -> AsyncIterator[tuple[Gathering, asyncio.StreamReader]]:
    """A gathering transport, and what arrives at the other end of its socket."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
    reader, writer = await asyncio.open_connection(sock=far)
    yield Gathering(transport, loop), reader
    for end in (transport, writer):
        end.close()
    await asyncio.sleep(0)


async def test_what_is_written_in_one_step_arrives_at_once(line: tuple[Gathering, asyncio.StreamReader]) -> None:
    gathering, reader = line
    gathering.write(b"head")
    gathering.write(b"body")
    assert await reader.read(100) == b"headbody"
    gathering.write(b"next")
    assert await reader.read(100) == b"next"


async def test_a_long_answer_is_not_held_back_to_its_end(line: tuple[Gathering, asyncio.StreamReader]) -> None:
    gathering, reader = line
    parts = [bytes([number]) * (MOST_HELD // 3) for number in range(9)]
    for part in parts:
        gathering.write(part)
        assert gathering.held <= MOST_HELD
    assert await reader.readexactly(sum(map(len, parts))) == b"".join(parts)


async def test_closing_sends_the_rest_first(line: tuple[Gathering, asyncio.StreamReader]) -> None:
    gathering, reader = line
    gathering.write(b"goodbye")
    gathering.close()
    assert await reader.read() == b"goodbye"
    assert gathering.is_closing()


async def test_a_whole_answer_does_not_overtake_what_was_written_before(line: tuple[Gathering, asyncio.StreamReader]) -> None:
    gathering, reader = line
    gathering.write(b"first")
    gathering.write_whole(b"second")
    assert await reader.readexactly(11) == b"firstsecond"
    gathering.write_whole(b"third")
    assert await reader.readexactly(5) == b"third"


def request(server: RunningServer, method: str, path: str, body: bytes = b"", *more: str) -> bytes:
    keys = (f"X-Parse-Application-Id: {server.app_id}", f"X-Parse-Master-Key: {server.master_key}", "Host: here", *more)
    return "\r\n".join((f"{method} /parse{path} HTTP/1.1", *keys, f"Content-Length: {len(body)}", "", "")).encode() + body


def answers(received: bytes) -> Iterator[tuple[http.client.HTTPMessage, int, Any]]:
    """Header, status and content of each answer of a connection that is closed."""
    stream = io.BytesIO(received)
    while line := stream.readline():
        head = http.client.parse_headers(stream)
        yield head, int(line.split()[1]), json.loads(stream.read(int(head["content-length"])))


def converse(server: RunningServer, *requests: bytes) -> list[tuple[http.client.HTTPMessage, int, Any]]:
    """Sends all at once, and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as end:
        end.sendall(b"".join(requests))
        received = b""
        while piece := end.recv(1 << 16):
            received += piece
    return list(answers(received))


def test_requests_that_come_at_once_are_answered_in_order_and_a_connection_ends_when_asked(running_server: RunningServer) -> None:
    ask = [
        request(running_server, "GET", "/health"),
        request(running_server, "POST", "/classes/Ordered", b'{"n":1}'),
        request(running_server, "GET", "/classes/Ordered"),
        request(running_server, "PUT", "/classes/Ordered/nobody", b"not json"),
        request(running_server, "DELETE", "/classes/Ordered/nobody"),
        request(running_server, "GET", "/health", b"", "Connection: close"),
    ]
    found = converse(running_server, *ask)
    assert [status for _, status, _ in found] == [200, 201, 200, 400, 404, 200]
    assert found[2][2]["results"][0]["n"] == 1
    for head, _, _ in found:
        assert head.get_all("content-type") == ["application/json"]
        assert head.get_all("cache-control") == ["no-store"]
        assert len(head.get_all("date") or []) == 1
    assert [head.get("connection") for head, _, _ in found] == [None] * 5 + ["close"]


def test_a_body_may_come_in_chunks_and_one_that_is_too_large_is_refused_whatever_it_announces(
    running_server: RunningServer,
) -> None:
    head, _, _ = request(running_server, "POST", "/classes/Ordered", b"", "Connection: close").partition(b"Content-Length")
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    [(_, status, _)] = converse(running_server, chunked + b'3\r\n{"n\r\n4\r\n":2}\r\n0\r\n\r\n')
    assert status == 201
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", running_server.port), timeout=20) as end:
        end.sendall(chunked + piece * 8 + b"1\r\n")
        end.sendall(b" ")
        assert end.recv(12) == b"HTTP/1.1 413"
    with socket.create_connection(("127.0.0.1", running_server.port), timeout=20) as end:
        end.sendall(head + b"Content-Length: 8388609\r\n\r\n")
        assert end.recv(12) == b"HTTP/1.1 413"
