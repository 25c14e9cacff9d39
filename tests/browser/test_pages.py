"""Every page there is, for every pair of eyes and hands: by axe in light and dark, at 200 % and 400 % zoom, with wide text, by
keyboard alone, and with nothing on the console. The list is made from the domains and the routes of the app, so that a new page
or board is on it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app.config import Settings
from app.live.boards.board import Action, Board, Mine
from app.live.boards.places import Way
from app.main import DOMAINS, create_app, place_of
from tests.browser.demo import BOARDS, Demo
from tests.browser.reach import SIGHTS, by_axe, by_keyboard, by_zoom
from tests.browser.visit import be_live, visit

pytestmark = pytest.mark.browser

PLACES = [place for place in map(place_of, DOMAINS) if place]
MACHINES = [min(place.machines) for place in PLACES if place.machines]
"""One of each domain: they are drawn alike."""
Step = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True)
class Spot:
    """A page as somebody sees it: `role` is whose account ("" is nobody's), `steps` what is opened on it, by name."""

    path: str
    role: str = ""
    steps: tuple[tuple[str, Step], ...] = ()
    is_live: bool = True

    @property
    def name(self) -> str:
        return f"{self.path} {self.role}".strip()


async def plain(page: Page) -> None:
    """The page as it is."""


async def open_menu(page: Page) -> None:
    await page.locator("#menu").evaluate("menu => (menu.open = true)")


async def open_bell(page: Page) -> None:
    await page.keyboard.press("b")
    await expect(page.locator("#bell")).to_have_attribute("open", "")


async def open_keys(page: Page) -> None:
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()


async def open_palette(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("dialog")).to_be_visible()


async def turn_to_wall(page: Page) -> None:
    await page.keyboard.press("w")
    await expect(page.locator("html")).to_have_attribute("data-wall", "")


async def open_panel(page: Page) -> None:
    await page.locator("tr.row a.row-link").first.press("Enter")
    await expect(page.locator("#panel-title")).to_be_visible()
    await page.wait_for_timeout(300)


async def open_row(page: Page) -> None:
    if await page.locator("tr.row").count() == 0:
        pytest.skip("an empty list")
    row = str(await page.locator("tr.row").first.get_attribute("data-id"))
    await page.goto(f"{page.url.split('?')[0]}/rows/{row}")
    await be_live(page)
    await page.wait_for_timeout(300)


def open_form(action: Action) -> Step:
    """The dialog of an action, on the first row that offers it."""

    async def step(page: Page) -> None:
        for index in range(min(12, await page.locator("tr.row").count())):
            await page.locator("tr.row a.row-link").nth(index).press("Enter")
            button = page.locator(f'#panel [data-act="{action.key}"]')
            await expect(page.locator("#panel-title")).to_be_visible()
            if await button.count():
                await button.press("Enter")
                await expect(page.get_by_role("dialog")).to_be_visible()
                return
        pytest.skip(f"no row offers {action.label}")

    return step


async def open_own_form(page: Page) -> None:
    """A dialog of a person's own page: the first that asks something."""
    for button in await page.locator(".own-add button, .own-steps button:not(.primary)").all():
        await button.press("Enter")
        await page.wait_for_timeout(150)
        if await page.get_by_role("dialog").count():
            return


def asking(board: Board, role: str, asked: set[str]) -> list[Action]:
    """The actions of a role whose dialogs ask in a way that none before did."""
    found = []
    for action in board.actions:
        kinds = {each.kind for each in action.inputs}
        if role in action.roles and not kinds <= asked:
            asked |= kinds
            found.append(action)
    return found


def spot_of(way: Way, role: str, asked: set[str]) -> Spot:
    """What is looked at on one of the ways of a domain."""
    steps: list[tuple[str, Step]] = [("", plain)]
    if isinstance(way.page, Mine):
        steps.append(("form", open_own_form))
    if isinstance(way.page, Board):
        steps += [("row", open_row)]
    if way.page is way.main:
        steps += [("panel", open_panel)]
        if not asked:  # the same on every board
            steps += [("menu", open_menu), ("bell", open_bell), ("keys", open_keys), ("palette", open_palette)]
            steps += [("wall", turn_to_wall)]
        steps += [(f"form {action.key}", open_form(action)) for action in asking(way.main, role, asked)]
    return Spot(way.url, role, tuple(steps))


def spots() -> list[Spot]:
    """Every page with the role that sees most of it."""
    found = [Spot("/", is_live=False), Spot("/forgot-password", is_live=False), Spot("/confirm-email", is_live=False)]
    found += [Spot("/offline", is_live=False)]
    found += [
        Spot(path, "driver", is_live=False) for path in ("/nothing", "/boards/none", "/boards/oncology", "/account", "/sign-ins")
    ]
    found += [Spot("/graphql", "admin", is_live=False)]
    asked: set[str] = set()
    for place in PLACES:
        for way in place.ways():
            roles = [role for role in ("admin", *getattr(way.page, "roles", ())) if place.offers(way.page, role)]
            found.append(spot_of(way, roles[0], asked))
    return found + [Spot(f"/states/{name}", "admin") for name in MACHINES]


SPOTS = {spot.name: spot for spot in spots()}
NO_PAGE = {
    "/metrics": "for Prometheus",
    "/worker.js": "a file",
    "/states": "JSON",
    "/graphiql/{version:str}/{name:str}": "a file",
    "/static/{version:str}/{name:path}": "a file",
    "/sign-in/with/{name:str}": "leads away",
    "/sign-in/callback/{name:str}": "leads back",
    "/sign-in/refused": "in test_sign_in.py",
    "/apps/{app_id:str}/request_password_reset": "in test_account.py",
    "/apps/{app_id:str}/verify_email": "in test_account.py",
}


# How parameters are declared is the business of the server's start, which says so there.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_route_that_answers_a_browser_is_on_the_list() -> None:
    app = create_app(replace(Settings(), master_key="unused"))
    routes = {route.path for route in app.routes if "GET" in getattr(route, "methods", ())}
    pages = {path for path in routes if not path.startswith("/parse") and path not in NO_PAGE}
    listed = {spot.path for spot in SPOTS.values()}
    families = {"/boards/{path:path}": "/boards/", "/states/{class_name:str}": "/states/"}
    assert {
        path for path in pages if path not in listed and not any(each.startswith(families.get(path, "?")) for each in listed)
    } == set()


async def go(browser: Browser, demo: Demo, spot: Spot, accounts: dict[str, Any]) -> tuple[Page, list[str]]:
    """The page, by an account of the role that has something on it."""
    if not spot.role:
        page = await (await browser.new_context(bypass_csp=True)).new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(demo.url + spot.path)
        return page, complaints
    people = ["admin"] if spot.role == "admin" else [name for role, name in demo.server.sign_ins if role == spot.role][:6]
    for name in people:
        begin = spot.path if spot.is_live else ""  # whoever has no board of their own is led to the page they asked for
        page, complaints = await visit(browser, demo.url, name, begin, kept=accounts, bypass_csp=True)
        if not spot.is_live:
            await page.goto(demo.url + spot.path)
            return page, [text for text in complaints if "status of 40" not in text]
        await be_live(page)
        if await page.locator("tr.row, .own, .log li:not(.quiet), .figure, .state-node").count() or name == people[-1]:
            return page, complaints
        await page.context.close()
    raise AssertionError(f"nobody is {spot.role}")


@pytest.fixture(scope="module")
def accounts() -> dict[str, Any]:
    """Who has signed in already."""
    return {}


@pytest.mark.parametrize("name", SPOTS)
async def test_a_page_is_read_and_worked_by_everybody(browser: Browser, demo: Demo, accounts: dict[str, Any], name: str) -> None:
    spot = SPOTS[name]
    page, complaints = await go(browser, demo, spot, accounts)
    found: list[Any] = []
    for step, open_it in spot.steps or (("", plain),):
        await page.set_viewport_size({"width": 1440, "height": 900})
        if step:
            await page.goto(demo.url + spot.path)
            await be_live(page)
        try:
            await open_it(page)
        except pytest.skip.Exception:
            continue
        is_board = any(each == "panel" for each, _ in spot.steps)
        sights = SIGHTS if is_board and step in ("", "panel") else SIGHTS[:1] + SIGHTS[-1:]
        found += [(step, *each) for each in await by_axe(page, sights)]
        found += [(step, each) for each in await by_zoom(page)]
        if step not in ("panel", "menu", "bell", "keys", "palette", "wall"):
            found += [(step, each) for each in await by_keyboard(page)]
        if step == "wall":
            await page.keyboard.press("Escape")
    assert found == []
    assert [text for text in complaints if "status of 40" not in text] == []
    await page.context.close()


@pytest.mark.parametrize("name", BOARDS)
async def test_a_whole_job_is_done_by_keyboard_and_escape_leads_back(
    browser: Browser, demo: Demo, accounts: dict[str, Any], name: str
) -> None:
    page, complaints = await go(browser, demo, SPOTS[f"/boards/{name} admin"], accounts)
    opener = page.locator("tr.row a.row-link").first
    await page.keyboard.press("j")
    await expect(opener).to_be_focused()
    for key, shown in (("?", "dialog[open]"), ("Control+k", "dialog[open]"), ("b", "#bell[open]")):
        await page.keyboard.press(key)
        await expect(page.locator(shown)).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator(shown)).to_have_count(0)
        await expect(opener).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel-title")).to_be_visible()
    button = page.locator("#panel [data-act]").first
    for _ in range(400):
        if await button.evaluate("button => button === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await page.evaluate("document.activeElement.closest('dialog') !== null")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(button).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(opener).to_be_focused()
    assert complaints == []
    await page.context.close()
