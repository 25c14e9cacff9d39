"""What the pages say where nothing is stored yet: why there is nothing, and what comes next; never a hole."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from app.live.boards.board import Board, Figures
from tests.browser.reach import EXTREMES, by_axe
from tests.browser.spots import PLACES
from tests.browser.trade import Trade
from tests.browser.visit import open_as, visit
from tests.conftest import RunningServer

ROLES = ("admin", "driver", "courier", "patient", "technician")
HOLES = re.compile(r"NaN|undefined|null|Infinity|\[object|Invalid Date")
WAYS = [way for place in PLACES for way in place.ways()]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def nothing(running_server: RunningServer) -> Trade:
    """A server with a few accounts, and nothing else."""
    trade = Trade(running_server)
    async with trade:
        for role in ROLES:
            await trade.person(role, role)
    return trade


@pytest.mark.parametrize("path", [way.path for way in WAYS])
async def test_a_page_without_anything_says_why_and_what_comes_next(
    browser: Browser, nothing: Trade, accounts: dict[str, Any], path: str
) -> None:
    way = next(way for way in WAYS if way.path == path)
    role = next(role for role in ROLES if any(place.offers(way.page, role) for place in PLACES if way in place.ways()))
    page, complaints = await open_as(browser, nothing.url, role, way.url, kept=accounts, bypass_csp=True)
    if isinstance(way.page, Board):
        await expect(page.locator("#nothing")).to_contain_text(way.page.empty)
        await expect(page.locator("#nothing h2")).to_have_text(f"No {way.page.noun[1]} yet")
        assert len(way.page.empty) > 20
    elif isinstance(way.page, Figures):
        await expect(page.locator(".figure").first).to_be_visible()
        for figure in await page.locator(".figure").all():
            assert await figure.locator(".figure-told p").count() == 3  # what it is, its formula, and why it is not known
    else:
        for part in way.page.parts:
            await expect(page.locator(f'section[data-key="{part.key}"]')).to_contain_text(part.empty)
            assert part.empty
    assert not HOLES.search(await page.locator("body").inner_text())
    assert await by_axe(page, EXTREMES) == []
    assert complaints == []
    await page.context.close()


async def test_who_may_add_is_told_where_and_the_first_paint_says_the_same(browser: Browser, nothing: Trade) -> None:
    page, _ = await open_as(browser, nothing.url, "admin", "/boards/homehealth")
    said = page.locator("#nothing")
    await expect(said).to_contain_text("POST /parse/classes/Job")
    await expect(said.get_by_role("link", name="GraphQL")).to_have_attribute("href", "/graphql")
    live = await said.inner_text()
    still = await browser.new_context(storage_state=await page.context.storage_state(), java_script_enabled=False)
    first = await still.new_page()
    await first.goto(page.url)
    assert await first.locator("#nothing").inner_text() == live
    await page.goto(f"{nothing.url}/boards/oxygen/refills")
    await expect(page.locator("#nothing")).not_to_contain_text("POST")
    other, _ = await visit(browser, nothing.url, "driver", "/boards/oxygen")
    await expect(other.locator("#nothing")).to_contain_text("a dispatcher adds one")
    await expect(other.locator("#nothing")).not_to_contain_text("POST")
    for context in (page.context, still, other.context):
        await context.close()


async def test_an_action_without_a_row_says_that_there_is_none(browser: Browser, nothing: Trade) -> None:
    page, _ = await open_as(browser, nothing.url, "admin", "/boards/oxygen")
    await page.keyboard.press("a")
    await expect(page.locator("#toasts")).to_contain_text("There is no tank here to do that to.")
    await page.context.close()


async def test_an_address_that_leads_nowhere_is_a_page_for_people_and_json_for_programs(browser: Browser, nothing: Trade) -> None:
    page = await browser.new_page()
    for path in ("/no-such-page", "/account/no-such-page"):
        answer = await page.goto(f"{nothing.url}{path}")
        assert answer is not None
        assert answer.status == 404
        await expect(page.get_by_role("heading")).to_have_text("There is no such page")
        told = await page.request.get(f"{nothing.url}{path}", headers={"Accept": "*/*"})
        assert (told.status, await told.json()) == (404, {"error": "Not Found"})
    await page.close()
