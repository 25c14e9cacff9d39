"""A board whose database dies under it, and comes back."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Browser, expect

from app.config import Settings
from tests.browser.fleet import Fleet, pressure, sign_in
from tests.browser.visit import be_live
from tests.conftest import PATIENCE, RunningServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def own_database(open_folder: Path) -> Iterator[RunningServer]:
    """A server with a Postgres of its own, as `careboard` starts it."""
    server = RunningServer("", open_folder / "crash")
    (open_folder / "crash").mkdir()
    server.start()
    yield server
    server.stop()


def crash(folder: Path) -> None:
    """A backend dies without warning: Postgres ends all others, and begins anew from its log."""
    postmaster = int((Settings(data_dir=folder).postgres_dir / "postmaster.pid").read_text(encoding="ascii").split()[0])
    backend = next(child for child in psutil.Process(postmaster).children() if "careboard" in " ".join(child.cmdline()))
    os.kill(backend.pid, signal.SIGKILL)


async def read_as_soon_as_it_can_be(fleet: Fleet, psi: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(AssertionError):  # it is told to try again
                return await fleet.read("OX-1", psi)
            await asyncio.sleep(0.1)


async def test_a_board_lives_on_after_its_database_has_crashed(
    browser: Browser, own_database: RunningServer, open_folder: Path
) -> None:
    async with Fleet(own_database) as fleet:
        page, _ = await sign_in(browser, own_database.url)
        await be_live(page)
        await page.evaluate("window.stays = true")
        for psi in (880, 770):
            crash(open_folder / "crash")
            await read_as_soon_as_it_can_be(fleet, psi)
            await expect(pressure(page, fleet, "OX-1")).to_have_text(str(psi))
            await be_live(page)
        assert await page.evaluate("window.stays")  # it is the same page
        await page.context.close()
