"""A person at a browser who signs in at the hospital: the button, there and back, linked and unlinked."""

from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.visit import PASSWORD, be_live, faults
from tests.conftest import PATIENCE, RunningServer
from tests.issuer import Issuer

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def environment(issuer: Issuer) -> dict[str, str]:
    """The server has a button for the hospital, whose desk is let in as dispatchers."""
    issuer.has_page = True
    return {"CAREBOARD_AUTH": issuer.setting(label="St. Mary's", roles={"Desk": "dispatcher"})}


async def open_page(browser: Browser, url: str, complaints: list[str], **context: object) -> Page:
    page = await (await browser.new_context(**context)).new_page()  # type: ignore[arg-type]  # as playwright has them
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(url)
    return page


async def test_the_button_leads_there_and_back_to_the_board(
    browser: Browser, running_server: RunningServer, issuer: Issuer
) -> None:
    issuer.person = {"sub": "desk-1", "name": "Ana Ruiz", "groups": ["Desk"]}
    complaints: list[str] = []
    page = await open_page(browser, f"{running_server.url}/?next=/boards/oxygen?show=low", complaints, viewport=DESK)
    await page.get_by_role("link", name="Sign in with St. Mary's").click()
    await expect(page).to_have_title("Hospital")
    await page.get_by_role("link", name="Continue").click()
    await page.wait_for_url("**/boards/oxygen?show=low")
    await be_live(page)
    assert await page.evaluate("document.referrer") == ""
    await expect(page.get_by_text("Ana Ruiz")).to_be_attached()
    assert not any(each["name"] == "careboard_errand" for each in await page.context.cookies())
    assert complaints == []
    await page.context.close()


async def test_who_says_no_there_reads_it_here(browser: Browser, running_server: RunningServer, issuer: Issuer) -> None:
    issuer.person = None
    page = await open_page(browser, running_server.url, [], viewport=PHONE)
    await page.get_by_role("link", name="Sign in with St. Mary's").click()
    await page.get_by_role("link", name="Continue").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "St. Mary's did not let you in, or you went back. Try again, or sign in another way."
    )
    assert page.url == f"{running_server.url}/sign-in/refused"
    await page.reload()
    await expect(page.get_by_label("Username or e-mail")).to_be_visible()
    await page.context.close()


async def test_a_person_links_and_unlinks_from_the_menu(browser: Browser, running_server: RunningServer, issuer: Issuer) -> None:
    name = f"nora-{uuid4().hex[:6]}"
    issuer.person = {"sub": name, "name": "Nora"}
    account = {"username": name, "password": PASSWORD, "role": "dispatcher", "email": f"{name}@example.org"}
    keys = {"X-Parse-Application-Id": running_server.app_id, "X-Parse-Master-Key": running_server.master_key}
    async with httpx.AsyncClient(base_url=running_server.url, headers=keys, timeout=PATIENCE) as master:
        assert (await master.post("/parse/users", json=account)).status_code == 201
    complaints: list[str] = []
    page = await open_page(browser, running_server.url, complaints, viewport=DESK)
    await page.get_by_label("Username or e-mail").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/boards/**")
    await page.locator("#menu summary").click()
    await page.get_by_role("link", name="Your account").click()
    await page.get_by_role("link", name="Other ways to sign in").click()
    await page.get_by_role("link", name="Link St. Mary's").click()
    await page.get_by_role("link", name="Continue").click()
    await expect(page.get_by_text("Linked: it opens your account")).to_be_visible()
    await page.get_by_role("button", name="Unlink St. Mary's").click()
    await expect(page.get_by_text("Not linked")).to_be_visible()
    assert complaints == []
    await page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_axe_finds_nothing_on_the_doors(
    browser: Browser, running_server: RunningServer, issuer: Issuer, scheme: str, size: dict[str, int]
) -> None:
    issuer.person = {"sub": f"axe-{uuid4().hex[:6]}", "name": "Axel", "groups": ["Desk"]}
    page = await open_page(browser, running_server.url, [], viewport=size, color_scheme=scheme, bypass_csp=True)
    assert await faults(page) == []
    await page.get_by_role("link", name="Sign in with St. Mary's").click()
    await page.get_by_role("link", name="Continue").click()
    await page.wait_for_url("**/boards/**")
    await page.goto(f"{running_server.url}/sign-ins")
    assert await faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.context.close()
