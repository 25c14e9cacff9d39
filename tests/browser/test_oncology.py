"""The board of cycles and a patient's phone in a real browser: two sign at two desks, a result arrives, a report is read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app.core.wire import date_to_wire
from tests.browser.trade import Trade
from tests.browser.visit import open_as, within_a_second
from tests.conftest import RunningServer

pytestmark = pytest.mark.browser

ROLES = {"nia": "nurse", "omar": "oncologist", "pia": "patient"}


class Clinic(Trade):
    """A patient, a nurse and an oncologist on a running server, and a cycle in review."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server)
        self.people: dict[str, Any] = {}
        self.number = 0

    async def fill(self) -> None:
        """The people and the patient's profile."""
        for name, role in ROLES.items():
            self.people[name] = await self.person(name, role, displayName=f"{name.title()} Doe")
        team = [self.people["nia"], self.people["omar"]]
        await self.make("Patient", {"user": self.people["pia"], "name": "Pia Doe", "careTeam": team})

    async def result(self, value: float) -> None:
        """A neutrophil count of the patient, just drawn."""
        body = {"labTestName": "ANC", "result": value, "unit": "10⁹/L", "referenceLow": 1.8, "referenceHigh": 7.5}
        await self.make("LabTrend", {**body, "date": date_to_wire(datetime.now(UTC)), "patient": self.people["pia"]})

    async def cycle(self, *steps: str) -> str:
        """A cycle that starts in two days, taken along these states."""
        self.number += 1
        starts = datetime.now(UTC) + timedelta(days=2)
        body = {"cycleNumber": self.number, "regimen": "R-CHOP", "patient": self.people["pia"]}
        dates = {"startDate": date_to_wire(starts), "endDate": date_to_wire(starts + timedelta(days=20))}
        made = await self.make("ChemoCycle", {**body, **dates})
        for step in steps:
            await self.ask("PUT", f"/classes/ChemoCycle/{made['objectId']}", {"status": step})
        return str(made["objectId"])


@pytest.fixture(scope="module")
async def clinic(running_server: RunningServer) -> AsyncIterator[Clinic]:
    async with Clinic(running_server) as clinic:
        yield clinic


def row(page: Page, cycle: str) -> Any:
    return page.locator(f'tr.row[data-id="{cycle}"]')


async def test_two_people_sign_a_cycle_each_at_their_own_desk(browser: Browser, clinic: Clinic) -> None:
    await clinic.result(3.1)
    cycle = await clinic.cycle("labs_due", "review")
    nurse, complaints = await open_as(browser, clinic.url, "nia", "/boards/oncology")
    doctor, others = await open_as(browser, clinic.url, "omar", "/boards/oncology")
    for page in (nurse, doctor):
        await row(page, cycle).click()
        await page.get_by_role("button", name="Sign for release").click()
        await page.locator("dialog [data-submit]").click()
        await expect(page.locator("dialog")).to_have_count(0)
    await expect(row(nurse, cycle)).to_contain_text("signed by Nia Doe, Omar Doe")
    await doctor.get_by_role("button", name="Next step").click()
    await doctor.locator("dialog").get_by_label("Cleared").check()
    await doctor.locator("dialog [data-submit]").click()
    await expect(row(nurse, cycle)).to_contain_text("Cleared")
    assert (await clinic.ask("GET", f"/classes/ChemoCycle/{cycle}"))["status"] == "cleared"
    assert complaints + others == []
    for page in (nurse, doctor):
        await page.context.close()


async def test_one_signature_is_refused_in_a_sentence_in_place(browser: Browser, clinic: Clinic) -> None:
    cycle = await clinic.cycle("labs_due", "review")
    page, _ = await open_as(browser, clinic.url, "nia", "/boards/oncology")
    await row(page, cycle).click()
    await page.get_by_role("button", name="Next step").click()
    await page.locator("dialog").get_by_label("Cleared").check()
    await page.locator("dialog [data-submit]").click()
    await expect(page.locator("dialog")).to_contain_text("two different people sign a cycle for release")
    assert (await clinic.ask("GET", f"/classes/ChemoCycle/{cycle}"))["status"] == "review"
    await page.context.close()


async def test_a_result_shows_within_a_second_in_the_list_and_in_the_trend(browser: Browser, clinic: Clinic) -> None:
    cycle = await clinic.cycle("labs_due")
    page, complaints = await open_as(browser, clinic.url, "nia", "/boards/oncology")
    await row(page, cycle).click()
    await expect(page.locator("#panel")).to_contain_text("Lab trends")

    async def shown(value: float) -> None:
        await expect(row(page, cycle)).to_contain_text(str(value))
        await expect(page.locator("#panel")).to_contain_text(str(value))

    await within_a_second(clinic.result, shown, [number / 100 for number in range(49, 41, -1)])
    await expect(page.locator('.tile[data-key="critical-labs"] strong')).not_to_have_text("0")
    assert complaints == []
    await page.context.close()


async def test_what_a_patient_reports_from_the_phone_reaches_the_nurse(browser: Browser, clinic: Clinic) -> None:
    cycle = await clinic.cycle("labs_due")
    nurse, complaints = await open_as(browser, clinic.url, "nia", "/boards/oncology")
    phone, others = await open_as(browser, clinic.url, "pia", "/boards/oncology/my-care", viewport={"width": 390, "height": 844})
    await phone.get_by_role("button", name="Report a side effect").first.click()
    form = phone.locator("dialog")
    await form.get_by_label("What happened").fill("Fever 39.1")
    await form.get_by_label("How bad").select_option("severe")
    await form.locator("[data-submit]").click()
    await expect(phone.locator("dialog")).to_have_count(0)
    await expect(phone.get_by_text("Fever 39.1")).to_be_visible()
    asked = '/classes/SideEffect?where={"description":"Fever 39.1"}'
    (told,) = (await clinic.until(asked, lambda found: found["results"]))["results"]
    assert told["grade"] == 3
    await expect(row(nurse, told["chemoCycle"]["objectId"])).to_have_count(1)
    await row(nurse, told["chemoCycle"]["objectId"]).click()
    await expect(nurse.locator("#panel")).to_contain_text("Fever 39.1")
    assert cycle
    assert complaints + others == []
    for page in (nurse, phone):
        await page.context.close()
