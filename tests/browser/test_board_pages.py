"""The boards for every pair of eyes and hands: as every other page (test_pages.py), and a whole job done by keyboard."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.demo import BOARDS, Demo
from tests.browser.spots import SPOTS, go, look

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", BOARDS)
async def test_a_board_is_read_and_worked_by_everybody(browser: Browser, demo: Demo, accounts: dict[str, Any], name: str) -> None:
    await look(browser, demo, accounts, SPOTS[f"/boards/{name} admin"])


@pytest.mark.parametrize("name", BOARDS)
async def test_a_whole_job_is_done_by_keyboard_and_escape_leads_back(
    browser: Browser, demo: Demo, accounts: dict[str, Any], name: str
) -> None:
    page, complaints = await go(browser, demo, SPOTS[f"/boards/{name} admin"], accounts)
    await expect(page.locator("#bell")).to_be_visible()
    await page.keyboard.press("j")
    focused = page.locator("tr.row:has(a.row-link:focus)")
    await expect(focused).to_have_attribute("aria-rowindex", "2")
    # By its name from here on, for as time passes another may come to be the first.
    opener = page.locator(f'tr.row[data-id="{await focused.get_attribute("data-id")}"] a.row-link')
    for key, shown in (("?", "dialog[open]"), ("Control+k", "dialog[open]"), ("b", "#bell[open]")):
        await page.keyboard.press(key)
        await expect(page.locator(shown)).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator(shown)).to_have_count(0)
        await expect(opener).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel-title")).to_be_visible()
    button = page.locator("#panel [data-act]").first
    for _ in range(400):
        if await button.evaluate("button => button === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await page.evaluate("document.activeElement.closest('dialog') !== null")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(button).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(opener).to_be_focused()
    assert complaints == []
    await page.context.close()
