"""The job board at a desk and the visits on a phone, in a real browser: what one does the other sees."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app.actions.objects import utc_now
from app.core.wire import date_to_wire, pointer
from tests.browser.agency import Agency
from tests.browser.visit import be_live, faults, open_as, within_a_second
from tests.network import Relay

pytestmark = pytest.mark.browser


def row(page: Page, job: str) -> Any:
    return page.locator(f'tr.row[data-id="{job}"]')


async def test_a_write_by_rest_and_time_itself_change_the_board_within_a_second(browser: Browser, agency: Agency) -> None:
    quiet = await agency.visit("Ida Quiet", 600)
    soon = await agency.visit("Tim Soon", 240 + 5 / 60)
    page, complaints = await open_as(browser, agency.url, "hedda", "/boards/homehealth")
    await page.evaluate("window.sameDocument = true")
    await expect(row(page, quiet)).to_have_attribute("data-level", "ok")

    async def be_late(minutes: int) -> None:
        await agency.change("Job", quiet, {"scheduledTime": date_to_wire(utc_now() - timedelta(minutes=minutes))})

    async def shown(minutes: int) -> None:
        await expect(row(page, quiet)).to_have_attribute("data-level", "late")
        await expect(row(page, quiet)).to_contain_text(f"late 0:{minutes}")

    await within_a_second(be_late, shown, range(21, 51, 3))
    # Nobody writes: four hours before it begins an untaken visit becomes the desk's.
    await expect(row(page, soon)).to_have_attribute("data-level", "unassigned_soon")
    await expect(page.locator("tr.row").first).to_have_attribute("data-id", quiet)
    assert await page.evaluate("window.sameDocument") is True
    assert complaints == []
    await page.context.close()


async def test_a_dispatcher_gives_a_visit_to_the_nearest_who_is_free(browser: Browser, agency: Agency) -> None:
    job = await agency.visit("Rita Nobody", 90)
    page, complaints = await open_as(browser, agency.url, "hedda", "/boards/homehealth")
    await row(page, job).locator(".row-link").click()
    await page.get_by_role("button", name="Assign technician").click()
    options = page.locator('dialog label.option[data-kind="pick"]')
    await expect(options).to_contain_text(["Near Free", "Far Free", "Near Busy"])
    await expect(options.first).to_contain_text("2.2 km")
    await options.first.click()
    await page.locator("dialog button[data-submit]").click()
    await expect(page.locator("dialog")).to_have_count(0)
    await expect(row(page, job)).to_contain_text("N. Free")
    await expect(row(page, job)).to_contain_text("Assigned")
    assert complaints == []
    await page.context.close()


async def test_a_technician_goes_through_a_visit_on_the_phone_and_the_desk_sees_it(browser: Browser, agency: Agency) -> None:
    job = await agency.visit("Ada Home", 10, status="offered")
    await agency.make("PartsInventory", {"partName": "Gauze", "quantity": 2, "job": pointer("Job", job)})
    screen = {"viewport": {"width": 390, "height": 844}}
    phone, complaints = await open_as(browser, agency.url, "bea", "/boards/homehealth/visits", **screen)
    desk, _ = await open_as(browser, agency.url, "hedda", "/boards/homehealth")
    card = phone.locator(f'li.own[data-id="{job}"]')
    for state, shown in (
        ("Accept", "Assigned"),
        ("Confirmed", "Confirmed"),
        ("On the way", "On the way"),
        ("In progress", "In progress"),
        ("Done", "Done"),
    ):
        await card.get_by_role("button", name=state, exact=True).click()
        await expect(row(desk, job)).to_contain_text(shown)
    await card.get_by_role("button", name="Record service").click()
    await phone.get_by_label("What was done").fill("Dressing changed")
    await phone.locator("dialog button[data-submit]").click()
    await expect(phone.get_by_text("Dressing changed")).to_be_visible()
    await phone.get_by_role("button", name="Take").click()
    await phone.get_by_label("How many").fill("2")
    await phone.locator("dialog button[data-submit]").click()
    await expect(phone.get_by_text("0 left")).to_be_visible()
    assert complaints == []
    await phone.context.close()
    await desk.context.close()


async def test_the_board_catches_up_after_its_network_was_gone(browser: Browser, agency: Agency) -> None:
    job = await agency.visit("Nora Away", 700)
    async with Relay(agency.server.port) as relay:
        page, _ = await open_as(browser, relay.url, "hedda", "/boards/homehealth")
        await page.evaluate("window.sameDocument = true")
        relay.cut()
        await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live")
        await agency.change("Job", job, {"clientName": "Nora Back"})
        later = await agency.visit("Olga New", 800)
        await expect(row(page, job)).to_contain_text("Nora Away")
        relay.mend()
        await be_live(page)
        await expect(row(page, job)).to_contain_text("Nora Back")
        await expect(row(page, later)).to_be_visible()
        assert await page.evaluate("window.sameDocument") is True
        await page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("who", ["hedda", "bea"])
async def test_no_page_of_home_health_breaks_a_rule_of_access(browser: Browser, agency: Agency, who: str, scheme: Any) -> None:
    await agency.visit("Zora Late", -20, status="assigned")
    pages = ["", "/technicians", "/parts", "/logs", *(["/visits"] if who == "bea" else [])]
    page, complaints = await open_as(browser, agency.url, who, "/boards/homehealth", color_scheme=scheme, bypass_csp=True)
    for path in pages:
        await page.goto(f"{agency.url}/boards/homehealth{path}")
        await be_live(page)
        assert await faults(page) == [], path
    assert complaints == []
    await page.context.close()
