"""A small oxygen fleet on a running server: three people, one site, three tanks, and how others change them."""

import contextlib
from typing import Any

from playwright.async_api import Browser, Error, Locator, Page, expect

from tests.browser.trade import Trade
from tests.browser.visit import visit
from tests.conftest import RunningServer

DISPATCHER = "dora"


class Fleet(Trade):
    """A small fleet on a running server, and the ways others change it."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server)
        self.tanks: dict[str, str] = {}
        self.site: Any = None
        self.driver: Any = None
        self.dispatcher: Any = None

    async def fill(self) -> None:
        """Three people, one site, three tanks."""
        self.dispatcher = await self.person(DISPATCHER, "dispatcher", displayName="Dora Diaz")
        self.driver = await self.person("will", "driver", displayName="Will Otto")
        contact = await self.person("may", "careTeam", displayName="May Lin")
        site = {"siteName": "Harbor View", "addressLine1": "1 Shore Dr", "city": "Alameda", "region": "CA", "postalCode": "94501"}
        self.site = await self.make("PatientSite", {**site, "primaryContact": contact, "notes": "Gate code on file."})
        phone = {"contactName": "Elena Vasquez", "relationship": "daughter", "phoneNumber": "+1 510 555 0142", "isPrimary": True}
        await self.make("EmergencyContact", {**phone, "site": self.site, "preferredLanguage": "es"})
        for serial, psi in (("OX-1", 1900), ("OX-2", 1500), ("OX-3", 1200)):
            await self.add(serial, psi)

    async def add(self, serial: str, psi: int) -> None:
        """A tank in use: an E cylinder at 2 L/min."""
        facts = {"tankSerialNumber": serial, "psiLevel": psi, "status": "in_use", "cylinderSize": "E", "flowLpm": 2}
        made = await self.make("TankAssignment", {**facts, "assignedSite": self.site, "assignedDriver": self.driver})
        self.tanks[serial] = made["objectId"]

    async def read(self, serial: str, psi: int) -> None:
        """A PSI check that somebody sends."""
        await self.ask("PUT", f"/classes/TankAssignment/{self.tanks[serial]}", {"psiLevel": psi})


async def sign_in(browser: Browser, url: str, **context: Any) -> tuple[Page, list[str]]:
    """A page on the board, and the list into which the browser's complaints go."""
    return await visit(browser, url, DISPATCHER, **context)


async def read_pressure(page: Page, tank: str, psi: int) -> None:
    """A PSI check that a driver sends from the phone."""
    dialog = page.get_by_role("dialog")
    for _ in range(4):
        # What comes to stand above the card, a line more or the banner, may move the button from under the finger.
        with contextlib.suppress(Error):
            if not await dialog.is_visible():
                await page.locator(f'.own[data-id="{tank}"]').get_by_role("button", name="PSI check").click(timeout=10_000)
            await dialog.wait_for(timeout=10_000)
            break
    await dialog.get_by_label("Pressure").fill(str(psi))
    await dialog.get_by_role("button", name="Save the reading").click()
    await expect(dialog).to_be_hidden()


def row(page: Page, fleet: Fleet, serial: str) -> Locator:
    return page.locator(f'tr.row[data-id="{fleet.tanks[serial]}"]')


def pressure(page: Page, fleet: Fleet, serial: str) -> Locator:
    return row(page, fleet, serial).locator(".c-gauge .num")
