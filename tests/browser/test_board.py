"""A dispatcher at the oxygen board, in a real browser: what it shows is true, at once, and it says when it is not sure."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.fleet import DISPATCHER, Fleet, pressure, row, sign_in
from tests.browser.spots import be_read
from tests.browser.visit import be_live, faults, within_a_second
from tests.network import Relay

pytestmark = pytest.mark.browser


async def test_a_reading_sent_by_rest_appears_within_a_second_without_reload(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await sign_in(browser, fleet.url)
    await be_live(page)
    await page.evaluate("window.sameDocument = true")
    await expect(pressure(page, fleet, "OX-1")).to_have_text("1,900")

    async def shown(psi: int) -> None:
        await expect(pressure(page, fleet, "OX-1")).to_have_text(str(psi))
        await expect(row(page, fleet, "OX-1")).to_have_attribute("data-level", "critical")

    await within_a_second(lambda psi: fleet.read("OX-1", psi), shown, range(412, 402, -1))
    assert await page.evaluate("window.sameDocument") is True
    assert complaints == []
    await page.context.close()


async def test_the_worst_tank_comes_first_and_the_tiles_count(browser: Browser, fleet: Fleet) -> None:
    await fleet.read("OX-1", 412)
    page, complaints = await sign_in(browser, fleet.url)
    await be_live(page)
    await expect(page.locator("tr.row").first).to_have_attribute("data-id", fleet.tanks["OX-1"])
    await expect(page.locator('.tile[data-key="critical"] strong')).to_have_text("1")
    await fleet.read("OX-3", 150)
    await expect(page.locator('.tile[data-key="empty"] strong')).to_have_text("1")
    await expect(page.locator("tr.row").first).to_have_attribute("data-id", fleet.tanks["OX-3"])
    await page.locator('.tile[data-key="empty"]').click()
    await expect(page.locator("tr.row:visible")).to_have_count(1)
    await expect(page).to_have_url(re.compile("show=empty"))
    await fleet.read("OX-3", 1200)
    assert complaints == []
    await page.context.close()


async def test_a_lost_network_is_said_and_what_was_missed_is_shown(browser: Browser, fleet: Fleet) -> None:
    async with Relay(fleet.server.port) as relay:
        page, _ = await sign_in(browser, relay.url)
        await be_live(page)
        await page.evaluate("window.sameDocument = true")
        relay.cut()
        await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live")
        await expect(row(page, fleet, "OX-2")).to_be_visible()
        await fleet.read("OX-2", 1111)
        await fleet.read("OX-2", 999)
        await fleet.add("OX-9", 700)
        await expect(pressure(page, fleet, "OX-2")).to_have_text("1,500")
        relay.mend()
        await be_live(page)
        await expect(pressure(page, fleet, "OX-2")).to_have_text("999")
        await expect(pressure(page, fleet, "OX-9")).to_have_text("700")
        assert await page.evaluate("window.sameDocument") is True
        await page.context.close()


async def test_a_server_that_was_killed_comes_back_without_a_reload(browser: Browser, fleet: Fleet) -> None:
    page, _ = await sign_in(browser, fleet.url)
    await be_live(page)
    await page.evaluate("window.sameDocument = true")
    fleet.server.kill()
    await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live")
    fleet.server.start()
    await fleet.read("OX-2", 888)
    await expect(pressure(page, fleet, "OX-2")).to_have_text("888")
    assert await page.evaluate("window.sameDocument") is True
    await page.context.close()


async def test_the_board_is_useful_without_script(browser: Browser, fleet: Fleet) -> None:
    page, _ = await sign_in(browser, fleet.url, java_script_enabled=False)
    await expect(row(page, fleet, "OX-1")).to_be_visible()
    await row(page, fleet, "OX-1").locator("a.row-link").click()
    await expect(page.get_by_role("heading", name="Harbor View")).to_be_visible()
    await expect(page.locator('a[href="tel:+15105550142"]')).to_be_visible()
    await page.context.close()


async def test_a_dispatcher_logs_a_refill_from_the_panel(browser: Browser, fleet: Fleet) -> None:
    await fleet.read("OX-2", 640)
    page, complaints = await sign_in(browser, fleet.url)
    await be_live(page)
    await row(page, fleet, "OX-2").click()
    panel = page.locator("#panel")
    await expect(panel.get_by_role("heading", name="Harbor View")).to_be_visible()
    await panel.get_by_role("button", name="Log refill").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("After", exact=True).fill("2050")
    await dialog.get_by_role("button", name="Log refill").click()
    await expect(dialog).to_be_hidden()
    await expect(pressure(page, fleet, "OX-2")).to_have_text("2,050")
    assert complaints == []
    await page.context.close()


async def test_a_refusal_is_a_sentence_in_place(browser: Browser, fleet: Fleet) -> None:
    page, _ = await sign_in(browser, fleet.url)
    await be_live(page)
    await row(page, fleet, "OX-2").click()
    await page.locator("#panel").get_by_role("button", name="Log refill").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("After", exact=True).fill("9000")
    await dialog.get_by_role("button", name="Log refill").click()
    await expect(dialog).to_be_visible()
    await expect(dialog).to_contain_text("3,000")
    await page.context.close()


async def test_a_wrong_password_is_told_kindly_and_opens_nothing(browser: Browser, fleet: Fleet) -> None:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{fleet.url}/boards/oxygen")
    await page.get_by_label("Username or e-mail").fill(DISPATCHER)
    await page.get_by_label("Password").fill("not it")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("do not belong together")).to_be_visible()
    assert {cookie["name"] for cookie in await page.context.cookies()} <= {"careboard_form", "careboard_zone"}
    await page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_axe_finds_nothing(browser: Browser, fleet: Fleet, scheme: str, width: int) -> None:
    page, _ = await sign_in(browser, fleet.url, color_scheme=scheme, viewport={"width": width, "height": 844}, bypass_csp=True)
    await be_live(page)
    await row(page, fleet, "OX-1").click()
    await expect(page.locator("#panel")).to_be_visible()
    await be_read(page)
    assert await faults(page) == []
    await page.context.close()
