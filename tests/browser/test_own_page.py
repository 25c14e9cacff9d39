"""A driver with a phone: their own page, with the network and without it."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.fleet import Fleet, read_pressure
from tests.browser.visit import be_live, faults, visit
from tests.network import Relay

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


async def test_a_driver_begins_on_their_own_page_with_nothing_but_their_tanks(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await visit(browser, fleet.url, "will", bypass_csp=True, **PHONE)
    await be_live(page)
    assert page.url.endswith("/boards/oxygen/route")
    await expect(page.locator(".own")).to_have_count(3)
    boxes = [await button.bounding_box() for button in await page.locator(".own").first.get_by_role("button").all()]
    assert all(box is not None and box["height"] >= 48 for box in boxes)
    assert await faults(page) == []
    assert complaints == []
    await page.context.close()


async def test_what_is_done_without_a_network_is_kept_and_sent_when_it_is_back(browser: Browser, fleet: Fleet) -> None:
    tank = fleet.tanks["OX-3"]
    async with Relay(fleet.server.port) as relay:
        page, _ = await visit(browser, relay.url, "will", **PHONE)
        await be_live(page)
        relay.cut()
        await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live")
        await read_pressure(page, tank, 640)
        await expect(page.locator(".to-send h2")).to_have_text("1 to send")
        before = await fleet.ask("GET", f"/classes/TankAssignment/{tank}", {})
        assert before["psiLevel"] == 1200
        relay.mend()
        await be_live(page)
        await expect(page.locator(".to-send")).to_have_count(0)
        await expect(page.locator(f'.own[data-id="{tank}"]')).to_contain_text("640 psi")
        after = await fleet.ask("GET", f"/classes/TankAssignment/{tank}", {})
        assert after["psiLevel"] == 640
        await page.context.close()


async def test_a_step_that_is_refused_later_is_told_and_stops_nothing(browser: Browser, fleet: Fleet) -> None:
    first, second = fleet.tanks["OX-1"], fleet.tanks["OX-2"]
    async with Relay(fleet.server.port) as relay:
        page, _ = await visit(browser, relay.url, "will", **PHONE)
        await be_live(page)
        relay.cut()
        await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live")
        await read_pressure(page, first, 500)
        await read_pressure(page, second, 600)
        await fleet.ask("PUT", f"/classes/TankAssignment/{first}", {"assignedDriver": fleet.dispatcher})
        relay.mend()
        await be_live(page)
        await expect(page.locator("#toasts")).to_contain_text("not done")
        await expect(page.locator(f'.own[data-id="{second}"]')).to_contain_text("600 psi")
        await page.context.close()
