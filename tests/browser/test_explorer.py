"""The explorer at /graphql where GraphiQL is not installed, in a real browser: it asks with the session of who is signed in,
and needs nothing from elsewhere."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.api.graphql.asker import master
from tests.browser.explorers import STAND_IN
from tests.browser.fleet import DISPATCHER, Fleet
from tests.browser.reach import SIGHTS, ZOOMED, by_axe, by_keyboard, by_zoom
from tests.browser.visit import PASSWORD, visit
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


@pytest.mark.parametrize("opened", STAND_IN)
async def test_all_of_it_is_read_and_worked_by_everybody(browser: Browser, fleet: Fleet, opened: str) -> None:
    page, complaints = await visit(browser, fleet.url, DISPATCHER, "/graphql", bypass_csp=True)
    await STAND_IN[opened](page)
    assert await by_axe(page, SIGHTS) == []
    assert await by_zoom(page) == []
    assert await by_keyboard(page) == []
    assert complaints == []
    await page.context.close()


async def test_nothing_lies_over_another_on_a_screen_without_height(browser: Browser, fleet: Fleet) -> None:
    page, _ = await visit(browser, fleet.url, DISPATCHER, "/graphql")
    await STAND_IN["answered"](page)
    for width, height in ZOOMED:
        await page.set_viewport_size({"width": width, "height": height})
        places = ["#run", "#query", "#variables", "#answer", "#search", "#docs"]
        boxes = [await page.locator(each).bounding_box() for each in places]
        ends = [box["y"] + box["height"] for box in boxes if box]
        starts = [box["y"] for box in boxes if box]
        assert len(starts) == len(places)
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
        assert all(box["height"] >= 60 for box in boxes[1:4] if box)
    await page.context.close()


async def test_a_whole_visit_needs_no_mouse(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await visit(browser, fleet.url, DISPATCHER, "/graphql")
    await STAND_IN[""](page)
    await page.get_by_label("Query").focus()
    await page.keyboard.press("Control+a")
    await page.keyboard.type("query Of($many: Int) { tankAssignments(first: $many) { edges { node { tankSerialNumber } } } }")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Variables")).to_be_focused()
    await page.keyboard.press("Control+a")
    await page.keyboard.type('{"many": 1}')
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#answer")).to_contain_text('"tankSerialNumber"')
    await page.keyboard.press("Tab")
    await expect(page.locator("#answer")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.type("psiLevel")
    link = page.locator("#docs").get_by_role("button", name="TankAssignment", exact=True).first
    await link.press("Enter")
    await expect(page.locator("#docs .path")).to_contain_text("TankAssignment")
    # Where one is led, the focus goes too: it is not lost with the list that is replaced.
    await expect(page.locator("#docs").get_by_role("button", name="← back")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#docs summary", has_text="Query")).to_be_visible()
    assert await page.evaluate("document.querySelector('.explorer-docs').contains(document.activeElement)")
    assert complaints == []
    await page.context.close()
