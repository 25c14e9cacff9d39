"""A forgotten password, a confirmed address and one's own account in a browser, in light and dark, on a screen and a phone."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.visit import PASSWORD, faults
from tests.conftest import RunningServer
from tests.mailbox import Mailbox

pytestmark = pytest.mark.browser

ADDRESS = "pat@example.org"
SIZES: list[dict[str, Any]] = [
    {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
]


@dataclass
class Person:
    """A patient at a browser, and their mailbox."""

    url: str
    mailbox: Mailbox
    page: Page
    complaints: list[str]

    async def check(self, heading: str) -> None:
        """The page says this, and axe finds nothing wrong; nothing of it is wider than the screen."""
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)
        assert await faults(self.page) == []
        assert await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    async def send(self, button: str) -> None:
        """Sends the form by the keyboard alone."""
        await self.page.get_by_role("button", name=button).focus()
        await self.page.keyboard.press("Enter")

    async def sign_in(self, password: str) -> None:
        """Sends the sign-in form."""
        await self.page.get_by_label("Username or e-mail").fill(ADDRESS)
        await self.page.get_by_label("Password").fill(password)
        await self.send("Sign in")


@pytest.fixture(scope="module")
async def posting(
    clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[RunningServer, Mailbox, str]]:
    """A server that lets in who has confirmed an address."""
    mailbox = Mailbox().start()
    server = RunningServer(clone_database(), tmp_path_factory.mktemp("server"))
    strict = {
        "CAREBOARD_VERIFY_EMAILS": "1",
        "CAREBOARD_PREVENT_LOGIN_WITH_UNVERIFIED_EMAIL": "1",
        "CAREBOARD_MAIL_REQUESTS": "0",
    }
    server.environment = mailbox.environment | strict | {"CAREBOARD_PUBLIC_URL": server.url}
    server.start()
    account = {"username": "pat", "password": PASSWORD, "email": ADDRESS, "emailVerified": False}
    keys = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
    async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=keys, timeout=20) as http:
        made = (await http.post("/users", json=account)).json()
    yield server, mailbox, str(made["objectId"])
    server.stop()
    mailbox.stop()


@pytest.fixture(params=SIZES, ids=["screen-light", "phone-dark"])
async def person(
    request: pytest.FixtureRequest, browser: Browser, posting: tuple[RunningServer, Mailbox, str]
) -> AsyncIterator[Person]:
    server, mailbox, user_id = posting
    keys = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
    async with httpx.AsyncClient(base_url=f"{server.url}/parse", headers=keys, timeout=20) as http:
        again = {"emailVerified": False, "password": PASSWORD, "emailNotifications": {"__op": "Delete"}}
        await http.put(f"/users/{user_id}", json=again)
    mailbox.letters.clear()
    context = await browser.new_context(bypass_csp=True, **request.param)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(server.url)
    yield Person(server.url, mailbox, page, complaints)
    await context.close()


async def test_a_person_confirms_an_address_forgets_the_password_and_turns_news_off(person: Person) -> None:
    page, mailbox = person.page, person.mailbox
    await person.sign_in(PASSWORD)
    await expect(page.get_by_role("alert")).to_contain_text("Confirm your e-mail address first")
    await person.check("Sign in to Careboard")
    await page.get_by_role("link", name="Send the mail again").click()
    await person.check("Confirm your e-mail address")
    await page.get_by_label("E-mail address").fill(ADDRESS)
    await person.send("Send the mail again")
    await expect(page.get_by_role("status")).to_contain_text("a mail is on its way")
    await mailbox.wait(ADDRESS)
    link = mailbox.link(ADDRESS)
    await page.goto(link)
    await person.check("Confirm your e-mail address")
    await person.send("This address is mine")
    await person.check("Your address is confirmed")

    await page.get_by_role("link", name="Go on").click()
    await page.get_by_role("link", name="Forgot your password?").click()
    await person.check("Forgot your password?")
    await expect(page.get_by_label("E-mail address")).to_be_focused()
    await page.get_by_label("E-mail address").fill(ADDRESS)
    await person.send("Send the link")
    await mailbox.wait(ADDRESS, 2)
    await page.goto(mailbox.link(ADDRESS))
    await person.check("Choose a new password")
    first, second = page.get_by_label("New password", exact=True), page.get_by_label("New password, once more")
    await first.fill("a new long password")
    await second.fill("a new lang password")
    await person.send("Set the password")
    await expect(page.get_by_role("alert")).to_contain_text("not the same")
    await person.check("Choose a new password")
    await first.fill("a new long password")
    await second.fill("a new long password")
    await person.send("Set the password")
    await expect(page.get_by_role("status")).to_contain_text("Your new password is set")
    await person.sign_in("a new long password")
    await page.wait_for_url("**/boards/**")
    await page.goto(mailbox.link(ADDRESS))
    await person.check("This link does not work")

    await page.goto(f"{person.url}/account")
    await person.check("Your account")
    box = page.get_by_role("checkbox", name="Send me a mail when there is news for me")
    await expect(box).to_be_checked()
    await box.uncheck()
    await person.send("Save")
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    await expect(box).not_to_be_checked()
    await person.check("Your account")
    unanswered = [words for words in person.complaints if "400" not in words and "401" not in words]
    assert unanswered == []
