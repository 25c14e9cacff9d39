"""Answers leave in one piece and in order, however they are written."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from app.api.http import MOST_HELD, Gathering


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
