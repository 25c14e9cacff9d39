"""The explorer at /graphql where GraphiQL is not installed, in a real browser: it asks with the session of who is signed in,
and needs nothing from elsewhere."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.api.graphql.asker import master
from tests.browser.fleet import DISPATCHER, Fleet
from tests.browser.visit import AXE, PASSWORD
from tests.conftest import RunningServer

MAKE_SITE = (
    "mutation ($fields: CreatePatientSiteFieldsInput) { createPatientSite(input: {fields: $fields}) { clientMutationId } }"
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The folder for GraphiQL is empty."""
    return {"CAREBOARD_GRAPHIQL": str(tmp_path_factory.mktemp("empty"))}


@pytest.fixture
async def page(running_server: RunningServer, fleet: Fleet, browser: Browser) -> AsyncIterator[Page]:
    """A dispatcher who asked for /graphql and signed in."""
    tab = await browser.new_page()
    elsewhere: list[str] = []
    tab.on("request", lambda asked: None if asked.url.startswith(running_server.url) else elsewhere.append(asked.url))
    await tab.goto(f"{running_server.url}/graphql")
    await tab.click("text=Sign in")
    await tab.fill("#username", DISPATCHER)
    await tab.fill("#password", PASSWORD)
    await tab.click("text=Sign in >> nth=-1")
    await tab.wait_for_url("**/graphql")
    yield tab
    assert elsewhere == []
    await tab.close()


async def test_a_person_asks_subscribes_and_reads_the_schema(page: Page, running_server: RunningServer) -> None:
    await expect(page.locator("#docs + p")).to_contain_text("npm install --prefix <data folder>/graphiql graphiql@3")
    await page.click("#run")
    await expect(page.locator("#answer")).to_contain_text(f'"username": "{DISPATCHER}"')
    await expect(page.locator("#docs")).to_contain_text("tankAssignments")
    await page.fill("#search", "TankAssignmentWhereInput")
    await page.click("#docs >> text=TankAssignmentWhereInput >> nth=0")
    await expect(page.locator("#docs")).to_contain_text("psiLevel")
    await page.fill("#query", "subscription { patientSite(progress: true) { event node { siteName } } }")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#answer")).to_contain_text('"event": "subscribed"')
    site = {"siteName": "Knott St", "addressLine1": "4 Knott St", "city": "Portland", "region": "OR", "postalCode": "97211"}
    key = master(running_server)
    users = await key.ask("{ users { edges { node { id } } } }")
    body = {**site, "primaryContact": {"link": users["users"]["edges"][0]["node"]["id"]}}
    await key.ask(MAKE_SITE, {"fields": body})
    await expect(page.locator("#answer")).to_contain_text("Knott St")
    await page.click("#run")
    await expect(page.locator("#state")).to_have_text("Stopped")
    if AXE.exists():
        await page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await page.evaluate("axe.run()")
        assert [each["id"] for each in found["violations"]] == []
