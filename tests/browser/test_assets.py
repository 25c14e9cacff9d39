"""The board of asset moves and a technician's phone in a real browser: moves, inspections and requests that reach each other."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app.core.wire import date_to_wire
from tests.browser.trade import Trade
from tests.browser.visit import open_as
from tests.conftest import RunningServer

pytestmark = pytest.mark.browser

ROLES = {"bea": "biomed", "tom": "technician", "mia": "departmentManager", "ned": "nurse", "una": "nurse"}


class Ward(Trade):
    """A small hospital on a running server."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server)
        self.people: dict[str, Any] = {}
        self.facility: Any = None

    async def fill(self) -> None:
        """Its people and its building."""
        for name, role in ROLES.items():
            self.people[name] = await self.person(name, role, displayName=f"{name.title()} Doe", department="ICU")
        self.facility = await self.make("Facility", {"name": "Main Tower", "code": "MAIN", "isOperational": True})

    async def add(self, tag: str, **fields: Any) -> Any:
        """A ventilator in the store, looked after by tom."""
        body = {
            "facility": self.facility,
            "assetTag": tag,
            "name": "Ventilator",
            "category": "ventilator",
            "serialNumber": f"S-{tag}",
            "status": "available",
            "criticality": "critical",
            "currentLocation": "Equipment store",
            "technician": self.people["tom"],
            "nextServiceDue": date_to_wire(datetime.now(UTC) + timedelta(days=300)),
        }
        return await self.make("Asset", {name: value for name, value in {**body, **fields}.items() if value is not None})

    async def assign(self, asset: Any, **fields: Any) -> Any:
        """Gives an asset to ned in ICU Room 1."""
        now = date_to_wire(datetime.now(UTC))
        body = {"asset": asset, "assignedTo": self.people["ned"], "departmentName": "ICU", "roomLabel": "Room 1"}
        return await self.make("AssetAssignment", {**body, "assignedAt": now, "assignmentStatus": "active", **fields})


@pytest.fixture(scope="module")
async def ward(running_server: RunningServer) -> AsyncIterator[Ward]:
    async with Ward(running_server) as ward:
        yield ward


def row(page: Page, asset: Any) -> Any:
    return page.locator(f'tr.row[data-id="{asset["objectId"]}"]')


async def test_an_engineer_moves_an_asset_from_room_to_room_and_takes_it_back(browser: Browser, ward: Ward) -> None:
    asset = await ward.add("VENT-1")
    page, complaints = await open_as(browser, ward.url, "bea", "/boards/assets")
    await row(page, asset).click()
    for room, button in (("Room 12", "Move"), ("Room 14", "Move")):
        await page.locator("#panel, aside").get_by_role("button", name=button, exact=True).first.click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_text("Una Doe").click()
        await dialog.get_by_label("Department").fill("ICU")
        await dialog.get_by_label("Room").fill(room)
        await dialog.get_by_role("button", name="Move").click()
        await expect(row(page, asset)).to_contain_text(f"ICU {room}")
        await expect(row(page, asset)).to_contain_text("In use")
        await expect(row(page, asset)).to_contain_text("U. Doe")
    await page.locator("#panel, aside").get_by_role("button", name="Return", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Put back at").fill("Decontamination")
    await dialog.get_by_role("button", name="Return").click()
    await expect(row(page, asset)).to_contain_text("Decontamination")
    await expect(row(page, asset)).to_contain_text("To be cleaned")
    moves = (await ward.ask("GET", "/classes/AssetAssignment?order=assignedAt"))["results"]
    mine = [move["assignmentStatus"] for move in moves if move["asset"]["objectId"] == asset["objectId"]]
    assert (mine, complaints) == (["transferred", "completed"], [])
    await page.context.close()


async def test_a_failed_inspection_on_the_phone_reaches_the_board(browser: Browser, ward: Ward) -> None:
    asset = await ward.add("VENT-2")
    board, complaints = await open_as(browser, ward.url, "bea", "/boards/assets")
    phone, worries = await open_as(
        browser, ward.url, "tom", "/boards/assets/my-equipment", viewport={"width": 390, "height": 844}, has_touch=True
    )
    card = phone.locator(f'[data-id="{asset["objectId"]}"]')
    await card.get_by_role("button", name="Inspect").click()
    dialog = phone.get_by_role("dialog")
    await dialog.get_by_label("Found").select_option("failed")
    await dialog.get_by_label("Findings").fill("Cracked housing")
    await dialog.get_by_role("button", name="Record").click()
    await expect(row(board, asset)).to_contain_text("Out of service")
    await expect(row(board, asset)).to_have_attribute("data-level", "critical")
    await row(board, asset).click()
    await expect(board.get_by_text("Cracked housing")).to_be_visible()
    assert complaints == worries == []
    await board.context.close()
    await phone.context.close()


async def test_a_manager_sees_the_department_and_asks_for_service(browser: Browser, ward: Ward) -> None:
    here, elsewhere = await ward.add("VENT-3"), await ward.add("VENT-4", department="Emergency")
    page, complaints = await open_as(browser, ward.url, "mia", "/boards/assets")
    await expect(row(page, here)).to_have_count(0)
    held = await ward.assign(here)
    await expect(row(page, here)).to_contain_text("ICU Room 1")
    await expect(row(page, here)).to_contain_text("N. Doe")  # whose account a manager may not read
    await expect(row(page, elsewhere)).to_have_count(0)
    await row(page, here).click()
    await expect(page.locator("#panel")).to_contain_text("Looked after byTom Doe")
    await page.locator("#panel, aside").get_by_role("button", name="Request", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("What is asked for").select_option("service_requested")
    await dialog.get_by_label("How urgent").select_option("high")
    await dialog.get_by_label("What is wrong").fill("Alarm sounds without a reason")
    await dialog.get_by_role("button", name="Request").click()
    await expect(page.get_by_text("Biomedical engineering is told about VENT-3")).to_be_visible()
    alerts = await ward.until('/classes/Alert?where={"kind":"service_requested"}', lambda found: found["results"])
    assert "Alarm sounds without a reason" in str([alert["message"] for alert in alerts["results"]])
    await ward.ask("PUT", f"/classes/AssetAssignment/{held['objectId']}", {"assignmentStatus": "transferred"})
    await expect(row(page, here)).to_have_count(0)
    assert complaints == []
    await page.context.close()


async def test_the_figures_are_reckoned_anew_when_work_is_logged(browser: Browser, ward: Ward) -> None:
    asset = await ward.add("VENT-5")
    page, complaints = await open_as(browser, ward.url, "bea", "/boards/assets/assets-figures")
    await expect(page.get_by_text("No service was due in the last 90 days.")).to_be_visible()
    done = date_to_wire(datetime.now(UTC) - timedelta(days=30))
    plan = {"asset": asset, "frequencyDays": 90, "nextDueAt": done, "status": "active"}
    made = await ward.make("MaintenancePlan", plan)
    log = {"asset": asset, "performedBy": ward.people["tom"], "maintenanceType": "preventive", "status": "completed"}
    await ward.make("MaintenanceLog", {**log, "plan": made, "startedAt": done, "completedAt": done})
    await expect(page.get_by_text("100.0 %")).to_be_visible()
    await expect(page.get_by_text("(1 + 0 + 0) ÷ 1")).to_be_visible()
    assert complaints == []
    await page.context.close()


async def test_a_planned_service_gives_an_asset_its_date_and_a_paused_plan_takes_it_back(browser: Browser, ward: Ward) -> None:
    asset = await ward.add("VENT-6", nextServiceDue=None)
    page, complaints = await open_as(browser, ward.url, "bea", "/boards/assets")
    await expect(row(page, asset)).to_contain_text("No date")
    await row(page, asset).click()
    await page.locator("#panel, aside").get_by_role("button", name="Plan service", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Every").fill("180")
    day = datetime.now(UTC) + timedelta(days=100)
    await dialog.get_by_label("First due").fill(f"{day:%Y-%m-%d}")
    await dialog.get_by_label("Checklist").fill("leak test, alarm test")
    await dialog.get_by_role("button", name="Plan").click()
    await expect(row(page, asset)).to_have_attribute("data-level", "ok")
    plans, worries = await open_as(browser, ward.url, "bea", "/boards/assets/assets-plans")
    plan = plans.locator("tr.row", has_text="VENT-6")
    await expect(plan).to_contain_text("180")
    await plan.click()
    await expect(plans.get_by_text("leak test")).to_be_visible()
    await plans.locator("#panel, aside").get_by_role("button", name="Pause or end", exact=True).click()
    dialog = plans.get_by_role("dialog")
    await dialog.get_by_text("Paused").click()
    await dialog.get_by_role("button", name="Set").click()
    await expect(plan).to_contain_text("Paused")
    await expect(row(page, asset)).to_have_attribute("data-level", "unknown")
    assert complaints == worries == []
    await plans.context.close()
    await page.context.close()
