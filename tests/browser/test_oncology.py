"""The board of cycles and a patient's phone in a real browser: two sign at two desks, a result arrives, a report is read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from app.core.wire import date_to_wire
from tests.conftest import RunningServer

pytestmark = pytest.mark.browser

PASSWORD = "a long enough password"
ROLES = {"nia": "nurse", "omar": "oncologist", "pia": "patient"}
WITHIN_A_SECOND = 1000


class Clinic:
    """A patient, a nurse and an oncologist on a running server, and a cycle in review."""

    def __init__(self, server: RunningServer) -> None:
        headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
        self.server = server
        self._http = httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=20)
        self.people: dict[str, Any] = {}
        self.number = 0

    async def close(self) -> None:
        """Lets the connection go."""
        await self._http.aclose()

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request with the master key; what it answers."""
        answer = await self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def make(self, class_name: str, body: dict[str, Any]) -> Any:
        """A pointer to a new object."""
        made = await self.ask("POST", f"/classes/{class_name}", body)
        return {"__type": "Pointer", "className": class_name, "objectId": made["objectId"]}

    async def fill(self) -> None:
        """The people and the patient's profile."""
        for name, role in ROLES.items():
            account = {"username": name, "password": PASSWORD, "email": f"{name}@example.com", "role": role, "active": True}
            self.people[name] = await self.make("_User", {**account, "displayName": f"{name.title()} Doe"})
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
    clinic = Clinic(running_server)
    await clinic.fill()
    yield clinic
    await clinic.close()


async def visit(browser: Browser, clinic: Clinic, name: str, path: str, **context: Any) -> tuple[Page, list[str]]:
    """A live page of one of the people, and the list into which the browser's complaints go."""
    page = await (await browser.new_context(timezone_id="America/Los_Angeles", **context)).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(f"{clinic.server.url}/?next=/boards/oncology{path}")
    await page.get_by_label("Username or e-mail").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**/boards/oncology{path}*")
    await expect(page.locator("#pill")).to_have_attribute("data-state", "live", timeout=15_000)
    return page, complaints


def row(page: Page, cycle: str) -> Any:
    return page.locator(f'tr.row[data-id="{cycle}"]')


async def test_two_people_sign_a_cycle_each_at_their_own_desk(browser: Browser, clinic: Clinic) -> None:
    await clinic.result(3.1)
    cycle = await clinic.cycle("labs_due", "review")
    nurse, complaints = await visit(browser, clinic, "nia", "")
    doctor, others = await visit(browser, clinic, "omar", "")
    for page in (nurse, doctor):
        await row(page, cycle).click()
        await page.get_by_role("button", name="Sign for release").click()
        await page.locator("dialog [data-submit]").click()
        await expect(page.locator("dialog")).to_have_count(0)
    await expect(row(nurse, cycle)).to_contain_text("signed by Nia Doe, Omar Doe", timeout=WITHIN_A_SECOND)
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
    page, _ = await visit(browser, clinic, "nia", "")
    await row(page, cycle).click()
    await page.get_by_role("button", name="Next step").click()
    await page.locator("dialog").get_by_label("Cleared").check()
    await page.locator("dialog [data-submit]").click()
    await expect(page.locator("dialog")).to_contain_text("two different people sign a cycle for release")
    assert (await clinic.ask("GET", f"/classes/ChemoCycle/{cycle}"))["status"] == "review"
    await page.context.close()


async def test_a_result_shows_within_a_second_in_the_list_and_in_the_trend(browser: Browser, clinic: Clinic) -> None:
    cycle = await clinic.cycle("labs_due")
    page, complaints = await visit(browser, clinic, "nia", "")
    await row(page, cycle).click()
    await expect(page.locator("#panel")).to_contain_text("Lab trends")
    await clinic.result(0.47)
    await expect(row(page, cycle)).to_contain_text("0.47", timeout=WITHIN_A_SECOND)
    await expect(page.locator("#panel")).to_contain_text("0.47", timeout=WITHIN_A_SECOND)
    await expect(page.locator('.tile[data-key="critical-labs"] strong')).not_to_have_text("0")
    assert complaints == []
    await page.context.close()


async def test_what_a_patient_reports_from_the_phone_reaches_the_nurse(browser: Browser, clinic: Clinic) -> None:
    cycle = await clinic.cycle("labs_due")
    nurse, complaints = await visit(browser, clinic, "nia", "")
    phone, others = await visit(browser, clinic, "pia", "/my-care", viewport={"width": 390, "height": 844})
    await phone.get_by_role("button", name="Report a side effect").first.click()
    form = phone.locator("dialog")
    await form.get_by_label("What happened").fill("Fever 39.1")
    await form.get_by_label("How bad").select_option("severe")
    await form.locator("[data-submit]").click()
    await expect(phone.locator("dialog")).to_have_count(0)
    await expect(phone.get_by_text("Fever 39.1")).to_be_visible()
    (told,) = (await clinic.ask("GET", '/classes/SideEffect?where={"description":"Fever 39.1"}'))["results"]
    assert told["grade"] == 3
    await expect(row(nurse, told["chemoCycle"]["objectId"])).to_have_count(1)
    await row(nurse, told["chemoCycle"]["objectId"]).click()
    await expect(nurse.locator("#panel")).to_contain_text("Fever 39.1")
    assert cycle
    assert complaints + others == []
    for page in (nurse, phone):
        await page.context.close()
