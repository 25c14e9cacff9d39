"""The pharmacy in a real browser: the board at the counter, the courier's phone, the patient's page."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from app.core.wire import pointer
from tests.browser.visit import WITHIN_A_SECOND, be_live
from tests.conftest import RunningServer

PASSWORD = "open sesame"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}

pytestmark = pytest.mark.browser


class Shop:
    """A pharmacist, a courier, a patient, and parcels on demand."""

    def __init__(self, server: RunningServer) -> None:
        headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
        self._http = httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=20)
        self.server = server
        self.people: dict[str, str] = {}
        self.prescription = ""

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = await self._http.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def fill(self) -> None:
        for role, name in (("pharmacist", "Yusuf Demir"), ("courier", "Otto Brandvold"), ("patient", "Harriet Vance")):
            account = {"username": role, "password": PASSWORD, "email": f"{role}@example.com", "role": role, "active": True}
            made = await self.ask("POST", "/users", {**account, "displayName": name})
            self.people[role] = made["objectId"]
        patient = {"user": pointer("_User", self.people["patient"]), "medicalRecordNumber": "MRN-1", "isActive": True}
        profile = await self.ask("POST", "/classes/PatientProfile", {**patient, "displayName": "Harriet Vance"})
        paper = {"patient": pointer("PatientProfile", profile["objectId"]), "medicationName": "Metformin", "status": "active"}
        self.prescription = (await self.ask("POST", "/classes/Prescription", {**paper, "dosage": "500 mg"}))["objectId"]

    async def parcel(self, number: str, *, status: str = "scheduled") -> str:
        """A delivery of the courier, brought to a status."""
        body = {
            "prescription": pointer("Prescription", self.prescription),
            "deliveryAddress": "12 Alder St",
            "status": "requested",
        }
        courier = pointer("_User", self.people["courier"])
        made = await self.ask("POST", "/classes/Delivery", {**body, "trackingNumber": number, "courier": courier})
        way = ("scheduled", "packed", "out_for_delivery", "arrived")
        for step in way[: way.index(status) + 1]:
            await self.move(made["objectId"], status=step)
        return str(made["objectId"])

    async def move(self, delivery: str, **fields: object) -> None:
        await self.ask("PUT", f"/classes/Delivery/{delivery}", fields)

    async def close(self) -> None:
        await self._http.aclose()


@pytest.fixture(scope="module")
async def shop(running_server: RunningServer) -> AsyncIterator[Shop]:
    shop = Shop(running_server)
    await shop.fill()
    yield shop
    await shop.close()


async def open_as(browser: Browser, shop: Shop, who: str, path: str, **context: Any) -> tuple[Page, list[str]]:
    """A page of one of the people, and the list into which the browser's complaints go."""
    page = await (await browser.new_context(timezone_id="America/Los_Angeles", **context)).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(shop.server.url)
    await page.get_by_label("Username or e-mail").fill(who)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/boards/pharmacy**")
    await page.goto(shop.server.url + path)
    await be_live(page)
    return page, complaints


async def test_the_board_shows_a_step_within_a_second_and_the_late_first(browser: Browser, shop: Shop) -> None:
    calm, late = await shop.parcel("CB-CALM"), await shop.parcel("CB-LATE")
    day = {"__type": "Date", "iso": "2031-01-01T00:00:00.000Z"}
    await shop.move(calm, expectedDeliveryDate=day)
    await shop.move(late, expectedDeliveryDate=day)
    page, complaints = await open_as(browser, shop, "pharmacist", "/boards/pharmacy")
    row = page.locator(f'tr.row[data-id="{late}"]')
    await expect(row).to_have_attribute("data-level", "on_track")
    await expect(row).to_contain_text("Metformin")
    await shop.move(late, status="packed")
    await expect(row.locator(".c-status")).to_contain_text("Packed", timeout=WITHIN_A_SECOND)
    await shop.move(late, expectedDeliveryDate={"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"})
    await expect(row).to_have_attribute("data-level", "late", timeout=WITHIN_A_SECOND)
    await expect(page.locator("tr.row").first).to_have_attribute("data-id", late, timeout=5000)
    assert complaints == []
    await page.context.close()


async def test_a_courier_takes_a_signature_on_the_glass_and_the_patient_hears_it(browser: Browser, shop: Shop) -> None:
    delivery = await shop.parcel("CB-DOOR", status="out_for_delivery")
    patient, _ = await open_as(browser, shop, "patient", "/boards/pharmacy/my-medicines", **PHONE)
    page, complaints = await open_as(browser, shop, "courier", "/boards/pharmacy/route", **PHONE)
    assert "Metformin" not in await page.content()
    card = page.locator("li.own", has_text="CB-DOOR")
    await card.get_by_role("button", name="Arrived").click()
    await card.get_by_role("button", name="Take the signature").click()
    canvas = page.locator("dialog canvas")
    await canvas.scroll_into_view_if_needed()
    box = await canvas.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    await page.mouse.down()
    for step in range(1, 8):
        await page.mouse.move(box["x"] + 20 + step * 20, box["y"] + box["height"] / 2 + (-1) ** step * 20)
    await page.mouse.up()
    await page.get_by_label("First and last name").fill("Harriet Vance")
    await page.get_by_label("Who signs").select_option("self")
    await page.get_by_role("button", name="Hand over").click()
    await expect(patient.get_by_text("Your delivery CB-DOOR was handed over.")).to_be_visible(timeout=10_000)
    stored = await shop.ask("GET", f"/classes/Delivery/{delivery}")
    assert (stored["status"], stored["deliveredAt"]) == ("delivered", stored["signedAt"])
    (signature,) = (await shop.ask("GET", "/classes/Signature"))["results"]
    assert (signature["signerName"], signature["relationship"]) == ("Harriet Vance", "self")
    image = await patient.request.get(signature["signatureImage"]["url"])
    assert (await image.body()).startswith(b"\x89PNG")
    assert complaints == []
    await page.context.close()
    await patient.context.close()
