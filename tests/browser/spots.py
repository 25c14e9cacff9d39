"""Every page there is, with what is to be opened on it, and how it is looked at: made from the domains and the routes of the
app, so that a new page or board is on the list."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app.live.boards.board import Action, Board, Mine
from app.live.boards.places import Way
from app.main import DOMAINS, place_of
from tests.browser.demo import Demo
from tests.browser.explorers import OPENED, UNWALKED
from tests.browser.reach import EXTREMES, SIGHTS, be_drawn, by_axe, by_keyboard, by_zoom
from tests.browser.visit import be_live, visit

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
    unwalked: tuple[str, ...] = ("panel", "menu", "bell", "keys", "palette", "wall")
    """Steps that are walked by Tab elsewhere, or have the whole page behind them."""

    @property
    def name(self) -> str:
        return f"{self.path} {self.role}".strip()


async def plain(page: Page) -> None:
    """The page as it is."""


async def open_menu(page: Page) -> None:
    await page.locator("#menu").evaluate("menu => (menu.open = true)")


async def open_bell(page: Page) -> None:
    await expect(page.locator("#bell")).to_be_visible()  # it hears its alerts somewhat later than the list its rows
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


async def be_read(page: Page) -> None:
    """Waits until all that belongs to a row is there."""
    await expect(page.locator("#panel")).not_to_contain_text("Reading…")
    await be_drawn(page)


async def open_panel(page: Page) -> None:
    await page.locator("tr.row a.row-link").first.press("Enter")
    await expect(page.locator("#panel-title")).to_be_visible()
    await be_read(page)


async def open_row(page: Page) -> None:
    if await page.locator("tr.row").count() == 0:
        pytest.skip("an empty list")
    row = str(await page.locator("tr.row").first.get_attribute("data-id"))
    await page.goto(f"{page.url.split('?')[0]}/rows/{row}")
    await be_live(page)
    await be_read(page)


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
        await be_drawn(page)
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
    found += [Spot("/graphql", "admin", tuple(OPENED.items()), is_live=False, unwalked=UNWALKED)]
    asked: set[str] = set()
    for place in PLACES:
        for way in place.ways():
            roles = [role for role in ("admin", *getattr(way.page, "roles", ())) if place.offers(way.page, role)]
            found.append(spot_of(way, roles[0], asked))
    return found + [Spot(f"/states/{name}", "admin") for name in MACHINES]


SPOTS = {spot.name: spot for spot in spots()}


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


async def is_as_it_was(page: Page, url: str) -> bool:
    """Whether Escape leads back to the page as it is opened, which saves opening it anew."""
    if page.url.partition("?")[0] != url or "/boards/" not in url:
        return False
    for _ in range(2):
        await page.keyboard.press("Escape")
        await be_drawn(page)
    opened = "dialog[open], #panel:not([hidden]), details[open], html[data-wall]"
    return page.url == url and await page.locator(opened).count() == 0


async def look(browser: Browser, demo: Demo, accounts: dict[str, Any], spot: Spot) -> None:
    """Opens all there is to open on a page: nobody is kept from any of it, and the browser has nothing to say."""
    page, complaints = await go(browser, demo, spot, accounts)
    found: list[Any] = []
    for step, open_it in spot.steps or (("", plain),):
        await page.set_viewport_size({"width": 1440, "height": 900})
        if step and not await is_as_it_was(page, demo.url + spot.path):
            await page.goto(demo.url + spot.path)
            if spot.is_live:
                await be_live(page)
        try:
            await open_it(page)
        except pytest.skip.Exception:
            continue
        is_board = any(each == "panel" for each, _ in spot.steps)
        sights = SIGHTS if (is_board and step in ("", "panel")) or step == "panes" else EXTREMES
        found += [(step, *each) for each in await by_axe(page, sights)]
        found += [(step, each) for each in await by_zoom(page)]
        if step not in spot.unwalked:
            found += [(step, each) for each in await by_keyboard(page)]
    assert found == [], found
    assert [text for text in complaints if "status of 40" not in text] == []
    await page.context.close()
