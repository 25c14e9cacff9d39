"""Twenty seconds without a network, on every board at once: it says so, catches up, and then shows what a fresh page shows."""

import asyncio
import re
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from app.live.boards.board import Board
from tests.browser.demo import BOARDS, SPOKEN, Demo, compare, open_board
from tests.network import Relay

pytestmark = pytest.mark.browser

CUT_SECONDS = 20
BY_THE_CUT = re.compile(r"WebSocket connection to .* failed|Failed to load resource: net::ERR_")
OFFLINE = re.compile("Offline since")
TIME = re.compile(r"last spoke at \d\d:\d\d:\d\d")
NOT_SURE = re.compile(r"Not sure since \d\d:\d\d:\d\d")


@dataclass
class Sight:
    """A board somebody looks at, what the browser said meanwhile, and the row that others change."""

    board: Board
    page: Page
    complaints: list[str]
    object_id: str

    @property
    def last(self) -> str:
        """What is written last while the network is away."""
        return f"{SPOKEN[self.board.name].second} and more"

    @property
    def row(self) -> Locator:
        """The row that is written."""
        return self.page.locator(f'tr.row[data-id="{self.object_id}"]')


async def look(browser: Browser, url: str, name: str) -> Sight:
    page, complaints = await open_board(browser, url, name, viewport={"width": 1440, "height": 900})
    await page.evaluate("window.sameDocument = true")
    object_id = str(await page.locator("tr.row").nth(1).get_attribute("data-id"))
    return Sight(BOARDS[name], page, complaints, object_id)


async def be_told(sight: Sight, place: str, words: re.Pattern[str]) -> None:
    await expect(sight.page.locator(place)).to_contain_text(words)


async def test_a_network_lost_for_twenty_seconds_costs_no_board_a_row_or_a_reload(browser: Browser, demo: Demo) -> None:
    """Five boards lose their connections; a sixth keeps one through which nothing comes, so only the server's silence tells."""
    async with Relay(demo.server.port) as loud, Relay(demo.server.port) as quiet:
        asked = [(loud.url, name) for name in BOARDS] + [(quiet.url, next(iter(BOARDS)))]
        *sights, hushed = await asyncio.gather(*(look(browser, url, name) for url, name in asked))
        loud.cut()
        quiet.hush()
        lost = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as watching:  # each from the beginning: what a pill says passes
            watching.create_task(be_told(hushed, "#pill", NOT_SURE))
            for sight in sights:
                watching.create_task(be_told(sight, "#pill", OFFLINE))
                watching.create_task(be_told(sight, "#banner", TIME))
            for sight in sights:
                await demo.write(sight.board, sight.object_id, SPOKEN[sight.board.name].first)
                await demo.write(sight.board, sight.object_id, sight.last)
        await asyncio.sleep(max(0.0, CUT_SECONDS - (asyncio.get_running_loop().time() - lost)))
        for sight in (*sights, hushed):
            assert await sight.page.locator("tr.row").count() > 5
            assert sight.last not in await sight.row.inner_text()
        loud.mend()
        quiet.mend()
        for sight in (*sights, hushed):
            await expect(sight.page.locator("#pill")).to_have_attribute("data-state", "live")
        await asyncio.gather(*(check(browser, demo, sight) for sight in (*sights, hushed)))


async def check(browser: Browser, demo: Demo, sight: Sight) -> None:
    """The same document with the rows and the order of a page opened now, and no complaint but of the cut."""
    page = sight.page
    await expect(page.locator("#banner")).to_be_hidden()
    await expect(sight.row).to_contain_text(sight.last)
    assert await page.evaluate("window.sameDocument") is True
    state = await page.context.storage_state()
    context = await browser.new_context(storage_state=state, java_script_enabled=False, timezone_id="America/Los_Angeles")
    fresh = await context.new_page()
    await fresh.goto(f"{demo.url}/boards/{sight.board.name}")
    wanted, shown = await compare(fresh, page, sight.board)
    assert shown == wanted
    assert [text for text in sight.complaints if not BY_THE_CUT.search(text)] == []
    await context.close()
    await page.context.close()
