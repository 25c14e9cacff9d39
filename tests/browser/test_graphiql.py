"""GraphiQL at /graphql in a real browser, from each place its files may lie: it needs nothing from elsewhere, asks with the
session of who is signed in, and streams."""

from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from playwright.async_api import Browser, Page, expect

from tests.api.graphql.asker import Asker, anonymous, master
from tests.browser.visit import AXE, PASSWORD
from tests.conftest import ROOT, RunningServer

NODE_MODULES = ROOT / "tests" / "sdk" / "node_modules"
NAME = "greta"
SIGN_UP = """
mutation ($fields: CreateUserFieldsInput) { signUp(input: {fields: $fields}) { viewer { sessionToken } } }
"""
EDITOR = "([place, text]) => document.querySelector(`${place} .CodeMirror`).CodeMirror.setValue(text)"

pytestmark = pytest.mark.browser


def _is_installed(place: str) -> bool:
    if place == "npm":
        return (NODE_MODULES / "graphiql").is_dir()
    try:
        return bool(distribution("graphene-django-graphiql-static"))
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module", params=["npm", "package"])
def server(
    request: pytest.FixtureRequest, clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server whose GraphiQL lies in a folder that npm filled, or in the package it was installed with."""
    if not _is_installed(request.param):
        pytest.skip("GraphiQL is not installed: run npm install in tests/sdk, or install the project anew")
    server = RunningServer(clone_database(), tmp_path_factory.mktemp("graphiql"))
    server.environment["CAREBOARD_GRAPHIQL"] = str(NODE_MODULES) if request.param == "npm" else ""
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def greta(server: RunningServer) -> Asker:
    """Somebody with an account."""
    fields = {"username": NAME, "password": PASSWORD, "email": f"{NAME}@example.com"}
    made = await anonymous(server).ask(SIGN_UP, {"fields": fields})
    return anonymous(server).signed_in(made["signUp"]["viewer"]["sessionToken"])


@pytest.fixture
async def page(server: RunningServer, browser: Browser) -> AsyncIterator[Page]:
    """The page as anybody sees it; nothing comes from elsewhere and the browser has no complaint."""
    tab = await (await browser.new_context()).new_page()
    elsewhere: list[str] = []
    tab.on("request", lambda asked: None if asked.url.startswith((server.url, "data:")) else elsewhere.append(asked.url))
    tab.on("pageerror", lambda error: elsewhere.append(str(error)))
    tab.on("console", lambda said: elsewhere.append(said.text) if said.type in ("error", "warning") else None)
    await tab.goto(f"{server.url}/graphql")
    yield tab
    assert elsewhere == []
    await tab.context.close()


async def sign_in(page: Page) -> None:
    await page.click("text=Sign in")
    await page.fill("#username", NAME)
    await page.fill("#password", PASSWORD)
    await page.click("text=Sign in >> nth=-1")
    await page.wait_for_url("**/graphql")


async def run(page: Page, query: str) -> None:
    await page.wait_for_selector(".graphiql-query-editor .CodeMirror")
    await page.evaluate(EDITOR, [".graphiql-query-editor", query])
    await page.click(".graphiql-execute-button")


async def test_a_person_asks_with_their_session_and_reads_the_schema(page: Page, greta: Asker) -> None:
    await sign_in(page)
    await page.click(".graphiql-execute-button")
    await expect(page.locator(".graphiql-response")).to_contain_text(f'"username": "{NAME}"')
    await page.click('[aria-label="Show Documentation Explorer"]')
    await page.click(".graphiql-doc-explorer >> text=Subscription >> nth=0")
    await page.click(".graphiql-doc-explorer >> text=TankAssignmentEvent")
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("Subscribe since it and nothing is missed.")


async def test_a_subscription_shows_what_is_written(page: Page, server: RunningServer, greta: Asker) -> None:
    key = master(server)
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
    await page.click(".graphiql-execute-button")
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


async def test_the_frame_around_it_has_no_fault(browser: Browser, server: RunningServer, greta: Asker) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm install in tests/sdk")
    page = await (await browser.new_context(bypass_csp=True)).new_page()
    await page.goto(f"{server.url}/graphql")
    for _ in range(2):
        await page.wait_for_selector(".graphiql-execute-button")
        await page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await page.evaluate("axe.run({exclude: [['#graphiql']]})")
        assert [each["id"] for each in found["violations"]] == []
        if await page.locator("text=Sign in").count():
            await sign_in(page)
    await page.context.close()
