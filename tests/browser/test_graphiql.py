"""GraphiQL at /graphql in a real browser, from each place its files may lie: it needs nothing from elsewhere, asks with the
session of who is signed in, and streams."""

from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from playwright.async_api import Browser, Page, expect

from tests.api.graphql.asker import Asker, anonymous, master
from tests.browser.explorers import EDITOR, OPENED, QUERY, UNWALKED, open_docs
from tests.browser.reach import EXTREMES, by_axe, by_keyboard, by_zoom
from tests.browser.visit import PASSWORD, visit
from tests.conftest import ROOT, RunningServer

NODE_MODULES = ROOT / "tests" / "sdk" / "node_modules"
NAME = "greta"
SIGN_UP = """
mutation ($fields: CreateUserFieldsInput) { signUp(input: {fields: $fields}) { viewer { sessionToken } } }
"""
HEIGHT = "document.querySelector('.graphiql-editor-tool').getBoundingClientRect().height"
EDITED = "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.getValue()"

pytestmark = pytest.mark.browser


def _is_installed(place: str) -> bool:
    if place == "npm":
        return (NODE_MODULES / "graphiql").is_dir()
    try:
        return bool(distribution("graphene-django-graphiql-static"))
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module", params=["npm", "package"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """GraphiQL lies in a folder that npm filled, or in the package the server was installed with."""
    if not _is_installed(request.param):
        pytest.skip("GraphiQL is not installed: run npm install in tests/sdk, or install the project anew")
    return {"CAREBOARD_GRAPHIQL": str(NODE_MODULES) if request.param == "npm" else ""}


@pytest.fixture(scope="module")
async def greta(running_server: RunningServer) -> Asker:
    """Somebody with an account."""
    fields = {"username": NAME, "password": PASSWORD, "email": f"{NAME}@example.com"}
    made = await anonymous(running_server).ask(SIGN_UP, {"fields": fields})
    return anonymous(running_server).signed_in(made["signUp"]["viewer"]["sessionToken"])


@pytest.fixture
async def page(running_server: RunningServer, browser: Browser) -> AsyncIterator[Page]:
    """The page as anybody sees it; nothing comes from elsewhere and the browser has no complaint."""
    tab = await (await browser.new_context()).new_page()
    elsewhere: list[str] = []
    tab.on("request", lambda asked: None if asked.url.startswith((running_server.url, "data:")) else elsewhere.append(asked.url))
    tab.on("pageerror", lambda error: elsewhere.append(str(error)))
    tab.on("console", lambda said: elsewhere.append(said.text) if said.type in ("error", "warning") else None)
    await tab.goto(f"{running_server.url}/graphql")
    yield tab
    assert elsewhere == []
    await tab.context.close()


async def sign_in(page: Page) -> None:
    await page.click("text=Sign in")
    await page.fill("#username", NAME)
    await page.fill("#password", PASSWORD)
    await page.click("text=Sign in >> nth=-1")
    await page.wait_for_url("**/graphql")


async def execute(page: Page) -> None:
    """Presses the button, which does nothing before both editors are there."""
    for place in (".graphiql-query-editor", ".graphiql-response"):
        await expect(page.locator(f"{place} .CodeMirror")).to_be_attached()
    await page.click(".graphiql-execute-button")


async def run(page: Page, query: str) -> None:
    await page.wait_for_selector(".graphiql-query-editor .CodeMirror")
    await page.evaluate(EDITOR, [".graphiql-query-editor", query])
    await execute(page)


async def test_a_person_asks_with_their_session_and_reads_the_schema(page: Page, greta: Asker) -> None:
    await sign_in(page)
    await execute(page)
    await expect(page.locator(".graphiql-response")).to_contain_text(f'"username": "{NAME}"')
    await page.click('[aria-label="Show Documentation Explorer"]')
    await page.click(".graphiql-doc-explorer >> text=Subscription >> nth=0")
    await page.click(".graphiql-doc-explorer >> text=TankAssignmentEvent")
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("Subscribe since it and nothing is missed.")


async def test_a_subscription_shows_what_is_written(page: Page, running_server: RunningServer, greta: Asker) -> None:
    key = master(running_server)
    await key.ask(
        'mutation { createClass(input: { name: "Note", schemaFields: { addStrings: [{ name: "text" }] } }) { __typename } }'
    )
    await sign_in(page)
    await run(page, "subscription { note(progress: true) { event node { text } } }")
    await expect(page.locator(".graphiql-response")).to_contain_text('"event": "subscribed"')
    await key.ask('mutation { createNote(input: { fields: { text: "heard" } }) { __typename } }')
    await expect(page.locator(".graphiql-response")).to_contain_text('"text": "heard"')
    await page.click(".graphiql-execute-button")


async def test_nobody_sees_what_nobody_may_and_keys_may_be_typed_in(page: Page, greta: Asker) -> None:
    await execute(page)
    await expect(page.locator(".graphiql-response")).to_contain_text('"health": true')
    await run(page, "{ viewer { user { username } } }")
    await expect(page.locator(".graphiql-response")).to_contain_text("Invalid session token")
    await page.click("text=Headers")
    token = greta.headers["X-Parse-Session-Token"]
    await page.evaluate(
        EDITOR, [".graphiql-editor-tool .graphiql-editor:not(.hidden)", f'{{"X-Parse-Session-Token": "{token}"}}']
    )
    await page.click(".graphiql-execute-button")
    await expect(page.locator(".graphiql-response")).to_contain_text(f'"username": "{NAME}"')


@pytest.mark.parametrize("opened", OPENED)
async def test_all_of_it_is_read_and_worked_by_everybody(
    browser: Browser, running_server: RunningServer, greta: Asker, opened: str
) -> None:
    """What npm gives is held to what every page is; what the package gives is one of the pages of test_pages.py."""
    if not running_server.environment["CAREBOARD_GRAPHIQL"]:
        pytest.skip("test_pages.py looks at this one")
    page, complaints = await visit(browser, running_server.url, NAME, "/graphql", bypass_csp=True)
    await OPENED[opened](page)
    assert await by_axe(page, EXTREMES) == []
    assert await by_zoom(page) == []
    assert opened in UNWALKED or await by_keyboard(page) == []
    assert [text for text in complaints if "status of 40" not in text] == []
    await page.context.close()


async def test_an_editor_is_left_by_tab_and_panes_are_moved_by_arrow_keys(page: Page, greta: Asker) -> None:
    await sign_in(page)
    await open_docs(page)
    await page.get_by_role("textbox", name="Operation", exact=True).focus()
    await page.keyboard.press("Tab")
    assert await page.evaluate(EDITED) == QUERY
    assert not await page.evaluate("document.activeElement.matches('textarea')")
    bar = page.get_by_role("separator", name="Width of the panes").first
    before = await bar.bounding_box()
    await bar.focus()
    await page.keyboard.press("ArrowRight")
    assert before is not None
    moved = "before => document.querySelector('.graphiql-horizontal-drag-bar').getBoundingClientRect().x > before + 20"
    await page.wait_for_function(moved, arg=before["x"])


async def test_the_editors_of_variables_grow_and_shrink_by_arrow_keys(page: Page, greta: Asker) -> None:
    await page.wait_for_selector(".graphiql-query-editor .CodeMirror")
    handle = page.get_by_role("separator", name="Height of the editors")
    editor = page.locator(".graphiql-editor-tool")
    is_as_high = f"([low, high]) => {HEIGHT} > low && {HEIGHT} < high"
    await handle.focus()
    await page.keyboard.press("ArrowUp")  # brings them, where they are put away
    await expect(page.get_by_role("textbox", name="Variables")).to_be_visible()
    box = await editor.bounding_box()
    assert box is not None
    told = int(str(await handle.get_attribute("aria-valuenow")))
    await page.keyboard.press("ArrowUp")
    await page.wait_for_function(is_as_high, arg=[box["height"] + 20, 900])
    await expect(handle).not_to_have_attribute("aria-valuenow", str(told))
    assert int(str(await handle.get_attribute("aria-valuenow"))) < told
    await page.keyboard.press("ArrowDown")
    await page.wait_for_function(is_as_high, arg=[box["height"] - 3, box["height"] + 3])
    await expect(handle).to_be_focused()
    for _ in range(12):
        await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("button", name="Show editor tools")).to_be_visible()
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("button", name="Hide editor tools")).to_be_visible()
