"""What stands around every board: the bell, the ways to other pages, the wall, the drawn states."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, expect

from app.core.wire import date_to_wire
from tests.browser.fleet import DISPATCHER, Fleet
from tests.browser.visit import be_live, faults, visit, within_a_second

pytestmark = pytest.mark.browser


async def test_an_alert_rings_within_a_second_and_is_acknowledged_in_one_s_own_name(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await visit(browser, fleet.url, DISPATCHER, bypass_csp=True)
    await be_live(page)
    bell = page.locator("#bell")
    await expect(bell.locator(".bell-count")).to_be_hidden()
    about = {"className": "TankAssignment", "objectId": fleet.tanks["OX-1"]}
    acl = {"role:dispatcher": {"read": True, "write": True}}
    alert = {"role": "dispatcher", "urgency": "critical", "about": about, "ACL": acl}

    async def ring(number: int) -> None:
        words = {"kind": f"empty{number}", "message": f"OX-1 runs empty: {number}."}
        await fleet.ask("POST", "/classes/Alert", {**alert, **words, "raisedAt": date_to_wire(datetime.now(UTC))})

    rung = await within_a_second(ring, lambda number: expect(bell.locator(".bell-count")).to_have_text(str(number)), range(1, 10))
    await page.keyboard.press("b")
    link = bell.get_by_role("link", name="OX-1 runs empty: 1.")
    await expect(link).to_have_attribute("href", f"/boards/oxygen/rows/{fleet.tanks['OX-1']}")
    assert await faults(page) == []
    buttons = bell.get_by_role("button", name="Acknowledge")
    for number in reversed(rung):
        await expect(buttons).to_have_count(number)
        await buttons.first.click()
    await expect(bell.locator(".bell-count")).to_be_hidden()
    kept = await fleet.until("/classes/Alert", lambda found: all("acknowledgedBy" in alert for alert in found["results"]))
    told = [alert["acknowledgedBy"]["objectId"] for alert in kept["results"]]
    assert told == [fleet.dispatcher["objectId"]] * len(rung)
    assert complaints == []
    await page.context.close()


async def test_a_wall_shows_no_name_of_a_patient_also_after_a_reload(browser: Browser, fleet: Fleet) -> None:
    page, _ = await visit(browser, fleet.url, DISPATCHER)
    await be_live(page)
    await expect(page.locator("tr.row").first).to_contain_text("Harbor View")
    await page.locator("#menu summary").click()
    await page.get_by_role("button", name="Wall display").click()
    await expect(page.locator("tr.row").first.locator(".personal b")).to_have_text("H. V.")
    await page.reload()
    await be_live(page)
    await expect(page.locator("tr.row").first.locator(".personal b")).to_have_text("H. V.")
    assert "Harbor" not in await page.locator("#list").inner_text()
    await page.keyboard.press("Escape")
    await expect(page.locator("tr.row").first).to_contain_text("Harbor View")
    await page.context.close()


async def test_a_way_is_shown_only_to_who_may_go_it(browser: Browser, fleet: Fleet) -> None:
    page, _ = await visit(browser, fleet.url, DISPATCHER)
    ways = await page.locator(".rail a.rail-link, .tabs a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert "/boards/oxygen" in ways
    assert "/boards/oncology" not in ways
    assert "/boards/oxygen/audit" not in ways
    answer = await page.goto(f"{fleet.url}/boards/oxygen/audit")
    assert answer is not None
    assert answer.status == 403
    await expect(page.get_by_role("heading")).to_have_text("Not one of your boards")
    await page.context.close()


async def test_the_states_of_a_class_are_drawn_for_a_browser(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await visit(browser, fleet.url, DISPATCHER, bypass_csp=True)
    await page.goto(f"{fleet.url}/states/TankAssignment")
    await be_live(page)
    await expect(page.locator(".state-node")).to_have_count(11)
    await expect(page.get_by_role("region", name="Transitions of status")).to_contain_text("requalification")
    assert await faults(page) == []
    assert complaints == []
    await page.context.close()
