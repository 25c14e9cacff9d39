"""A dispatcher at the oxygen board, in a real browser: what it shows is true, at once, and it says when it is not sure."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.visit import PASSWORD, WITHIN_A_SECOND, be_live, faults, visit
from tests.conftest import RunningServer
from tests.network import Relay

pytestmark = pytest.mark.browser

DISPATCHER = "dora"


class Fleet:
    """A small fleet on a running server, and the ways others change it."""

    def __init__(self, server: RunningServer) -> None:
        headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
        self.server = server
        self._http = httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=20)
        self.tanks: dict[str, str] = {}
        self.site: Any = None
        self.driver: Any = None
        self.dispatcher: Any = None

    async def ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request with the master key; what it answers."""
        answer = await self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def fill(self) -> None:
        """Three people, one site, three tanks."""
        self.dispatcher = await self._person(DISPATCHER, "dispatcher", "Dora Diaz")
        self.driver = await self._person("will", "driver", "Will Otto")
        contact = await self._person("may", "careTeam", "May Lin")
        site = {"siteName": "Harbor View", "addressLine1": "1 Shore Dr", "city": "Alameda", "region": "CA", "postalCode": "94501"}
        made = await self.ask("POST", "/classes/PatientSite", {**site, "primaryContact": contact, "notes": "Gate code on file."})
        self.site = {"__type": "Pointer", "className": "PatientSite", "objectId": made["objectId"]}
        phone = {"contactName": "Elena Vasquez", "relationship": "daughter", "phoneNumber": "+1 510 555 0142", "isPrimary": True}
        await self.ask("POST", "/classes/EmergencyContact", {**phone, "site": self.site, "preferredLanguage": "es"})
        for serial, psi in (("OX-1", 1900), ("OX-2", 1500), ("OX-3", 1200)):
            await self.add(serial, psi)

    async def add(self, serial: str, psi: int) -> None:
        """A tank in use: an E cylinder at 2 L/min."""
        facts = {"tankSerialNumber": serial, "psiLevel": psi, "status": "in_use", "cylinderSize": "E", "flowLpm": 2}
        made = await self.ask(
            "POST", "/classes/TankAssignment", {**facts, "assignedSite": self.site, "assignedDriver": self.driver}
        )
        self.tanks[serial] = made["objectId"]

    async def read(self, serial: str, psi: int) -> None:
        """A PSI check that somebody sends."""
        await self.ask("PUT", f"/classes/TankAssignment/{self.tanks[serial]}", {"psiLevel": psi})

    async def _person(self, name: str, role: str, shown: str) -> dict[str, str]:
        account = {"username": name, "password": PASSWORD, "email": f"{name}@example.com", "role": role, "active": True}
        made = await self.ask("POST", "/classes/_User", {**account, "displayName": shown})
        return {"__type": "Pointer", "className": "_User", "objectId": made["objectId"]}

    async def close(self) -> None:
        """Ends the connection."""
        await self._http.aclose()


@pytest.fixture(scope="module")
async def fleet(running_server: RunningServer) -> AsyncIterator[Fleet]:
    fleet = Fleet(running_server)
    await fleet.fill()
    yield fleet
    await fleet.close()


async def sign_in(browser: Browser, url: str, **context: Any) -> tuple[Page, list[str]]:
    """A page on the board, and the list into which the browser's complaints go."""
    return await visit(browser, url, DISPATCHER, **context)


def row(page: Page, fleet: Fleet, serial: str) -> Any:
    return page.locator(f'tr.row[data-id="{fleet.tanks[serial]}"]')


def pressure(page: Page, fleet: Fleet, serial: str) -> Any:
    return row(page, fleet, serial).locator(".c-gauge .num")


async def test_a_reading_sent_by_rest_appears_within_a_second_without_reload(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await sign_in(browser, fleet.server.url)
    await be_live(page)
    await page.evaluate("window.sameDocument = true")
    await expect(pressure(page, fleet, "OX-1")).to_have_text("1,900")
    await fleet.read("OX-1", 412)
    await expect(pressure(page, fleet, "OX-1")).to_have_text("412", timeout=WITHIN_A_SECOND)
    await expect(row(page, fleet, "OX-1")).to_have_attribute("data-level", "critical", timeout=WITHIN_A_SECOND)
    assert await page.evaluate("window.sameDocument") is True
    assert complaints == []
    await page.context.close()


async def test_the_worst_tank_comes_first_and_the_tiles_count(browser: Browser, fleet: Fleet) -> None:
    await fleet.read("OX-1", 412)
    page, complaints = await sign_in(browser, fleet.server.url)
    await be_live(page)
    assert await page.locator("tr.row").first.get_attribute("data-id") == fleet.tanks["OX-1"]
    await expect(page.locator('.tile[data-key="critical"] strong')).to_have_text("1")
    await fleet.read("OX-3", 150)
    await expect(page.locator('.tile[data-key="empty"] strong')).to_have_text("1", timeout=WITHIN_A_SECOND)
    await expect(page.locator("tr.row").first).to_have_attribute("data-id", fleet.tanks["OX-3"], timeout=5000)
    await page.locator('.tile[data-key="empty"]').click()
    await expect(page.locator("tr.row:visible")).to_have_count(1)
    assert "show=empty" in page.url
    await fleet.read("OX-3", 1200)
    assert complaints == []
    await page.context.close()


async def test_a_lost_network_is_said_and_what_was_missed_is_shown(browser: Browser, fleet: Fleet) -> None:
    async with Relay(fleet.server.port) as relay:
        page, _ = await sign_in(browser, relay.url)
        await be_live(page)
        await page.evaluate("window.sameDocument = true")
        relay.cut()
        await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live", timeout=10_000)
        await expect(row(page, fleet, "OX-2")).to_be_visible()
        await fleet.read("OX-2", 1111)
        await fleet.read("OX-2", 999)
        await fleet.add("OX-9", 700)
        await page.wait_for_timeout(1500)
        await expect(pressure(page, fleet, "OX-2")).to_have_text("1,500")
        relay.mend()
        await be_live(page)
        await expect(pressure(page, fleet, "OX-2")).to_have_text("999", timeout=WITHIN_A_SECOND)
        await expect(pressure(page, fleet, "OX-9")).to_have_text("700", timeout=WITHIN_A_SECOND)
        assert await page.evaluate("window.sameDocument") is True
        await page.context.close()


async def test_a_server_that_was_killed_comes_back_without_a_reload(browser: Browser, fleet: Fleet) -> None:
    page, _ = await sign_in(browser, fleet.server.url)
    await be_live(page)
    await page.evaluate("window.sameDocument = true")
    fleet.server.kill()
    await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live", timeout=10_000)
    fleet.server.start()
    await fleet.read("OX-2", 888)
    await expect(pressure(page, fleet, "OX-2")).to_have_text("888", timeout=40_000)
    assert await page.evaluate("window.sameDocument") is True
    await page.context.close()


async def test_the_board_is_useful_without_script(browser: Browser, fleet: Fleet) -> None:
    page, _ = await sign_in(browser, fleet.server.url, java_script_enabled=False)
    await expect(row(page, fleet, "OX-1")).to_be_visible()
    await row(page, fleet, "OX-1").locator("a.row-link").click()
    await expect(page.get_by_role("heading", name="Harbor View")).to_be_visible()
    await expect(page.locator('a[href="tel:+15105550142"]')).to_be_visible()
    await page.context.close()


async def test_a_dispatcher_logs_a_refill_from_the_panel(browser: Browser, fleet: Fleet) -> None:
    await fleet.read("OX-2", 640)
    page, complaints = await sign_in(browser, fleet.server.url)
    await be_live(page)
    await row(page, fleet, "OX-2").click()
    panel = page.locator("#panel")
    await expect(panel.get_by_role("heading", name="Harbor View")).to_be_visible()
    await panel.get_by_role("button", name="Log refill").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("After", exact=True).fill("2050")
    await dialog.get_by_role("button", name="Log refill").click()
    await expect(dialog).to_be_hidden(timeout=5000)
    await expect(pressure(page, fleet, "OX-2")).to_have_text("2,050", timeout=15_000)
    assert complaints == []
    await page.context.close()


async def test_a_refusal_is_a_sentence_in_place(browser: Browser, fleet: Fleet) -> None:
    page, _ = await sign_in(browser, fleet.server.url)
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
    await page.goto(f"{fleet.server.url}/boards/oxygen")
    await page.get_by_label("Username or e-mail").fill(DISPATCHER)
    await page.get_by_label("Password").fill("not it")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Invalid username/password")).to_be_visible()
    assert {cookie["name"] for cookie in await page.context.cookies()} <= {"careboard_form", "careboard_zone"}
    await page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_axe_finds_nothing(browser: Browser, fleet: Fleet, scheme: str, width: int) -> None:
    page, _ = await sign_in(
        browser, fleet.server.url, color_scheme=scheme, viewport={"width": width, "height": 844}, bypass_csp=True
    )
    await be_live(page)
    await row(page, fleet, "OX-1").click()
    await expect(page.locator("#panel")).to_be_visible()
    assert await faults(page) == []
    await page.context.close()
