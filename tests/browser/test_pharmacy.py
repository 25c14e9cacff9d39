"""The pharmacy in a real browser: the board at the counter, the courier's phone, the patient's page."""

from itertools import cycle, islice
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.shop import Shop
from tests.browser.visit import open_as, within_a_second

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}

pytestmark = pytest.mark.browser


async def test_the_board_shows_a_step_within_a_second_and_the_late_first(browser: Browser, shop: Shop) -> None:
    calm, late = await shop.parcel("CB-CALM"), await shop.parcel("CB-LATE")
    day, past = [{"__type": "Date", "iso": f"{year}-01-01T00:00:00.000Z"} for year in (2131, 2026)]
    await shop.move(calm, expectedDeliveryDate=day)
    await shop.move(late, expectedDeliveryDate=day)
    page, complaints = await open_as(browser, shop.url, "pharmacist", "/boards/pharmacy")
    row = page.locator(f'tr.row[data-id="{late}"]')
    await expect(row).to_have_attribute("data-level", "on_track")
    await expect(row).to_contain_text("Metformin")
    await shop.move(late, status="packed")
    await expect(row.locator(".c-status")).to_contain_text("Packed")
    await within_a_second(
        lambda turn: shop.move(late, expectedDeliveryDate=turn[0]),
        lambda turn: expect(row).to_have_attribute("data-level", turn[1]),
        islice(cycle(((past, "late"), (day, "on_track"))), 10),
    )
    await shop.move(late, expectedDeliveryDate=past)
    await expect(page.locator("tr.row").first).to_have_attribute("data-id", late)
    assert complaints == []
    await page.context.close()


async def test_a_courier_takes_a_signature_on_the_glass_and_the_patient_hears_it(browser: Browser, shop: Shop) -> None:
    delivery = await shop.parcel("CB-DOOR", status="out_for_delivery")
    patient, _ = await open_as(browser, shop.url, "patient", "/boards/pharmacy/my-medicines", **PHONE)
    page, complaints = await open_as(browser, shop.url, "courier", "/boards/pharmacy/route", **PHONE)
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
    await expect(patient.get_by_text("Your delivery CB-DOOR was handed over.")).to_be_visible()
    stored = await shop.ask("GET", f"/classes/Delivery/{delivery}")
    assert (stored["status"], stored["deliveredAt"]) == ("delivered", stored["signedAt"])
    (signature,) = (await shop.ask("GET", "/classes/Signature"))["results"]
    assert (signature["signerName"], signature["relationship"]) == ("Harriet Vance", "self")
    image = await patient.request.get(signature["signatureImage"]["url"])
    assert (await image.body()).startswith(b"\x89PNG")
    assert complaints == []
    await page.context.close()
    await patient.context.close()
