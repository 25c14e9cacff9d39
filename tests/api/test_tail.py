"""`careboard live`: one class followed in a terminal, over losses."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.test_livequery import Rest
from tests.conftest import PATIENCE, ROOT, RunningServer
from tests.network import Relay


class Tail:
    """The running command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode()

    async def frame(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.line())
        return frame

    async def complaint(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stderr.readline()).decode()


@asynccontextmanager
async def tail(server: RunningServer, *words: str, url: str | None = None, **environment: str) -> AsyncIterator[Tail]:
    command = ["-m", "app.cli", "live", *words, "--url", f"{url or server.url}/parse"]
    env = os.environ | {"CAREBOARD_MASTER_KEY": server.master_key, "COLUMNS": "500"} | environment
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe)
    try:
        yield Tail(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def rest(running_server: RunningServer) -> AsyncIterator[Rest]:
    rest = Rest(running_server)
    yield rest
    await rest.close()


async def test_a_lost_connection_is_told_and_nothing_is_missed(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Gauge", psi=0)
    async with Relay(running_server.port) as relay:
        async with tail(running_server, "Gauge", "--snapshot", "--json", "--where", '{"psi":{"$lt":9}}', url=relay.url) as shown:
            assert (await shown.frame())["op"] == "subscribed"
            assert [each["psi"] for each in (await shown.frame())["results"]] == [0]
            await rest.create("Gauge", psi=1)
            assert (await shown.frame())["object"]["psi"] == 1
            relay.cut()
            assert "connecting again" in await shown.complaint()
            for psi in (2, 10, 3):
                await rest.create("Gauge", psi=psi)
            relay.mend()
            assert (await shown.frame())["op"] == "subscribed"
            told = [await shown.frame() for _ in range(2)]
            assert [(frame["op"], frame["object"]["psi"]) for frame in told] == [("create", 2), ("create", 3)]
        async with tail(running_server, "Gauge", "--json", "--since", told[0]["cursor"]) as shown:
            assert (await shown.frame())["op"] == "subscribed"
            assert [(await shown.frame())["object"]["psi"] for _ in range(2)] == [10, 3]


async def test_a_person_reads_op_object_and_cursor(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Lamp", lumen=0)
    async with tail(running_server, "Lamp", "--keys", "lumen") as shown:
        assert (await shown.line()).startswith("subscribed")
        await shown.line()
        object_id = await rest.create("Lamp", lumen=7, colour="red")
        line, cursor = await shown.line(), await shown.line()
        assert line.startswith("create")
        assert object_id in line
        assert '"lumen": 7' in line
        assert "red" not in line
        assert cursor.strip().startswith("1.")


async def test_with_a_session_it_sees_what_the_session_sees(running_server: RunningServer, rest: Rest) -> None:
    await rest.create("Nook")
    user = await rest.sign_up("tail-owner")
    async with tail(running_server, "Nook", "--json", CAREBOARD_SESSION_TOKEN=user["sessionToken"]) as shown:
        assert (await shown.frame())["op"] == "subscribed"
        await rest.create("Nook", ACL={})
        mine = await rest.create("Nook", ACL={user["objectId"]: {"read": True}})
        assert (await shown.frame())["object"]["objectId"] == mine


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (["Gauge", "--where", "psi"], {}, "--where psi: give JSON"),
        (["Gauge", "--where", '{"a":{"$shout":1}}'], {}, "bad constraint: $shout"),
        (["Gauge"], {"CAREBOARD_SESSION_TOKEN": "r:nobody"}, "Invalid session token"),
        (["Gauge"], {"CAREBOARD_APP_ID": "other"}, "Key in request is not valid"),
    ],
)
async def test_a_refusal_is_one_sentence(
    running_server: RunningServer, words: list[str], given: dict[str, str], said: str
) -> None:
    async with tail(running_server, *words, **given) as shown:
        assert said in await shown.complaint()
        async with asyncio.timeout(PATIENCE):
            assert await shown.process.wait() == 2
