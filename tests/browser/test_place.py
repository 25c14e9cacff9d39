"""A phone that tells where something was done, when its person allows it, and goes on without when not."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app.core.wire import pointer
from tests.browser.agency import DOOR, Agency
from tests.browser.fleet import Fleet
from tests.browser.visit import be_live, open_as, visit

pytestmark = pytest.mark.browser

HERE = {"latitude": 45.5201, "longitude": -122.6801, "accuracy": 12}
ALLOWED: dict[str, Any] = {"geolocation": HERE, "permissions": ["geolocation"]}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


async def hand_off(page: Page, fleet: Fleet, serial: str, note: str) -> dict[str, Any]:
    """The event that a driver records by their phone, as it is stored."""
    await be_live(page)
    await page.locator(f'.own[data-id="{fleet.tanks[serial]}"]').get_by_role("button", name="Hand off").click()
    await page.get_by_role("dialog").get_by_label("To whom").fill(note)
    await page.get_by_role("button", name="Record the hand-off").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.locator(".to-send")).to_have_count(0)
    where = json.dumps({"locationNote": note})
    (stored,) = (await fleet.ask("GET", f"/classes/DispatchEvent?where={where}", {}))["results"]
    await page.context.close()
    return dict(stored)


async def test_an_event_carries_the_place_of_a_phone_that_may_tell_it(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await visit(browser, fleet.url, "will", **PHONE, **ALLOWED)
    stored = await hand_off(page, fleet, "OX-1", "to May")
    assert stored["location"] == {"__type": "GeoPoint", "latitude": 45.5201, "longitude": -122.6801}
    assert complaints == []


@pytest.mark.parametrize("context", [{"permissions": []}, {**ALLOWED, "geolocation": {**HERE, "accuracy": 3000}}])
async def test_without_a_place_that_is_sure_it_goes_on(browser: Browser, fleet: Fleet, context: dict[str, Any]) -> None:
    page, _ = await visit(browser, fleet.url, "will", **PHONE, **context)
    stored = await hand_off(page, fleet, "OX-2", f"to Ann {len(context)}")
    assert "location" not in stored


async def test_only_pages_that_take_a_place_may_ask_for_it(browser: Browser, fleet: Fleet) -> None:
    page, _ = await visit(browser, fleet.url, "will", **PHONE, **ALLOWED)
    own = await page.request.get(f"{fleet.url}/boards/oxygen/route")
    board = await page.request.get(f"{fleet.url}/boards/oxygen")
    assert "geolocation=(self)" in own.headers["permissions-policy"]
    assert "geolocation=()" in board.headers["permissions-policy"]
    await page.context.close()


async def test_a_visit_that_begins_and_ends_at_the_door_is_verified_by_place(browser: Browser, agency: Agency) -> None:
    job = await agency.visit("Ada Home", 10, status="assigned")
    for status in ("confirmed", "en_route"):
        await agency.change("Job", job, {"status": status})
    phone, complaints = await open_as(browser, agency.url, "bea", "/boards/homehealth/visits", **PHONE, **ALLOWED)
    card = phone.locator(f'li.own[data-id="{job}"]')
    await card.get_by_role("button", name="In progress", exact=True).click()
    await expect(card.locator(".primary")).to_have_text("Done")
    await card.get_by_role("button", name="Done", exact=True).click()
    await card.get_by_role("button", name="Record service").click()
    await phone.get_by_label("What was done").fill("Dressing changed")
    await phone.locator("dialog button[data-submit]").click()
    await expect(phone.locator(".to-send")).to_have_count(0)
    await expect(phone.locator(".log")).to_contain_text("45.520, -122.680")
    (aide,) = await agency.find("Technician", {"user": {"$exists": True}})
    assert aide["location"] == {**DOOR, "latitude": 45.5201, "longitude": -122.6801}
    (log,) = await agency.find("ServiceLog", {"job": pointer("Job", job)})
    assert (log["verification"], log["location"]) == ("complete", aide["location"])
    assert complaints == []
    await phone.context.close()
