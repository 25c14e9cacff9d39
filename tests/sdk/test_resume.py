"""The official Parse SDK for JavaScript, unmodified, over a network that is cut."""

import asyncio
from pathlib import Path

import pytest

from tests.api.test_livequery import Rest
from tests.conftest import PATIENCE, RunningServer
from tests.network import Relay
from tests.sdk.app import HERE, require_node

pytestmark = pytest.mark.node


async def test_the_sdk_is_given_what_it_missed_while_it_was_cut_off(running_server: RunningServer) -> None:
    node = require_node()
    rest = Rest(running_server)
    await rest.create("Ward", beds=0)
    async with Relay(running_server.port) as relay:
        app = await asyncio.create_subprocess_exec(
            node,
            str(Path(HERE) / "resume.mjs"),
            f"{relay.url}/parse",
            "careboard",
            cwd=HERE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert app.stdin is not None
        assert app.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):

                async def line() -> str:
                    assert app.stdout is not None
                    told = await app.stdout.readline()
                    assert told, "the app ended"
                    return told.decode().strip()

                heard = [""]
                # The SDK tells "open" 0.2 s after the subscription is.
                while not {"ready", "open"} <= set(heard):
                    heard.append(await line())
                await rest.create("Ward", beds=1)
                while heard[-1] != "create 1":
                    heard.append(await line())
                relay.cut()
                for beds in (2, 3):
                    await rest.create("Ward", beds=beds)
                relay.mend()
                missed: list[str] = []
                while not {"create 3", "open"} <= set(missed):
                    missed.append(await line())
        finally:
            app.stdin.close()
            await app.wait()
    told = [each for each in missed if each != "open"]
    assert told[-2:] == ["create 2", "create 3"]
    assert told[:-2] in ([], ["create 1"]), "it tells the server only now and then how far it is"
    await rest.close()
