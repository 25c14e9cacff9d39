"""The browser that the tests share, and a server with the demo of every trade."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
from playwright.async_api import Browser, async_playwright

from app.config import Settings
from app.main import prepare
from tests.browser.demo import Demo
from tests.browser.visit import ARGUMENTS, PASSWORD, require_chromium
from tests.conftest import MASTER_KEY, RunningServer, run_apart


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, without a screen."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=require_chromium(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def demo_server(empty_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the demo of every domain."""
    url = empty_database()
    signs = run_apart(prepare(replace(Settings(), database_url=url, master_key=MASTER_KEY), lambda name: PASSWORD))
    server = RunningServer(url, tmp_path_factory.mktemp("server"))
    server.sign_ins = [(each.role, each.username) for each in signs]
    # The explorer is ours; of GraphiQL test_graphiql.py reads the frame, for what is in it is not ours to mend.
    server.environment["CAREBOARD_GRAPHIQL"] = str(tmp_path_factory.mktemp("empty"))
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture(scope="module")
async def demo(demo_server: RunningServer) -> AsyncIterator[Demo]:
    """The same, with a master key in hand."""
    demo = Demo(demo_server)
    yield demo
    await demo.close()
