"""What the tests share: the browser, a small trade of each kind on a running server, and a server with the demo of all."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from app.config import Settings
from app.main import prepare
from tests.browser.agency import Agency
from tests.browser.demo import Demo
from tests.browser.fleet import Fleet
from tests.browser.shop import Shop
from tests.browser.visit import ARGUMENTS, PASSWORD, PATIENCE, require_chromium
from tests.conftest import MASTER_KEY, RunningServer, run_apart

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, without a screen."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=require_chromium(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def fleet(running_server: RunningServer) -> AsyncIterator[Fleet]:
    """An oxygen fleet of three tanks."""
    async with Fleet(running_server) as fleet:
        yield fleet


@pytest.fixture(scope="module")
async def shop(running_server: RunningServer) -> AsyncIterator[Shop]:
    """A pharmacy that brings."""
    async with Shop(running_server) as shop:
        yield shop


@pytest.fixture(scope="module")
async def agency(running_server: RunningServer) -> AsyncIterator[Agency]:
    """An agency of home care."""
    async with Agency(running_server) as agency:
        yield agency


@pytest.fixture(scope="session")
def filled(empty_database: Callable[[], str]) -> tuple[str, list[tuple[str, str]]]:
    """The URL of a database with the demo of every domain, and role and name of its accounts."""
    url = empty_database()
    signs = run_apart(prepare(replace(Settings(), database_url=url, master_key=MASTER_KEY), lambda name: PASSWORD))
    return url, [(each.role, each.username) for each in signs]


@pytest.fixture(scope="module")
def demo_server(
    filled: tuple[str, list[tuple[str, str]]],
    copy_database: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
    environment: Mapping[str, str],
) -> Iterator[RunningServer]:
    """A server with the demo of every domain."""
    url, sign_ins = filled
    server = RunningServer(copy_database(url), tmp_path_factory.mktemp("server"))
    server.sign_ins = sign_ins
    server.environment |= environment
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture(scope="module")
def accounts() -> dict[str, Any]:
    """Who has signed in already."""
    return {}


@pytest.fixture(scope="module")
async def demo(demo_server: RunningServer) -> AsyncIterator[Demo]:
    """The same, with a master key in hand."""
    async with Demo(demo_server) as demo:
        yield demo
