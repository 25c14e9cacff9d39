"""Every board of every trade, in a real browser, filled by its demo: what each of them must do whatever it shows."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from app.config import Settings
from app.live.board import Board
from app.main import DOMAINS, prepare
from tests.browser.visit import PASSWORD, WITHIN_A_SECOND, be_live, faults, visit
from tests.conftest import MASTER_KEY, RunningServer, run_apart
from tests.network import Relay

pytestmark = pytest.mark.browser

BOARDS: dict[str, Board] = {domain.board.name: domain.board for domain in DOMAINS if domain.board}
PAGES = {name: [page.name for page in board.beside if "admin" in page.roles or not page.roles] for name, board in BOARDS.items()}
SIGHTS: list[tuple[int, Literal["light", "dark"]]] = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
WORD = re.compile(r"\s+")


@dataclass(frozen=True)
class Spoken:
    """A field of a board's rows that is written as it is shown, and two texts for it."""

    field: str
    first: str
    second: str


SPOKEN = {
    "oxygen": Spoken("tankSerialNumber", "OX-99001", "OX-99002"),
    "pharmacy": Spoken("deliveryAddress", "1 Aardvark Way", "2 Aardvark Way"),
    "oncology": Spoken("regimen", "FOLFOX-7", "FOLFOX-8"),
    "assets": Spoken("name", "Aardvark pump", "Badger pump"),
    "homehealth": Spoken("address", "1 Aardvark Way", "2 Aardvark Way"),
}
"""A new board says here what a write to its rows looks like."""


@pytest.fixture(scope="module")
def running_server(empty_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the demo of every domain, each account with the same password."""
    url = empty_database()
    run_apart(prepare(replace(Settings(), database_url=url, master_key=MASTER_KEY), lambda name: PASSWORD))
    server = RunningServer(url, tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture(scope="module")
async def rest(running_server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"X-Parse-Application-Id": running_server.app_id, "X-Parse-Master-Key": running_server.master_key}
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", headers=headers, timeout=20) as client:
        yield client


async def write(rest: httpx.AsyncClient, board: Board, object_id: str, text: str) -> None:
    answer = await rest.put(f"/classes/{board.sources[0].class_name}/{object_id}", json={SPOKEN[board.name].field: text})
    assert answer.is_success, answer.text


async def open_board(browser: Browser, url: str, name: str, **context: Any) -> tuple[Page, list[str]]:
    page, complaints = await visit(browser, url, "admin", f"/boards/{name}", **context)
    await be_live(page)
    return page, complaints


async def said(page: Page) -> dict[str, list[str]]:
    """What each row says, cell by cell, in the order they stand."""
    script = "rows => rows.slice(0, 200).map(row => [row.dataset.id, [...row.children].map(cell => cell.textContent)])"
    found: list[tuple[str, list[str]]] = await page.locator("tr.row").evaluate_all(script)
    return {object_id: [WORD.sub("", text) for text in texts] for object_id, texts in found}


@pytest.mark.parametrize("name", BOARDS)
async def test_a_rest_write_is_shown_within_a_second_and_the_network_s_loss_costs_nothing(
    browser: Browser, running_server: RunningServer, rest: httpx.AsyncClient, name: str
) -> None:
    board, spoken = BOARDS[name], SPOKEN[name]
    async with Relay(running_server.port) as relay:
        page, complaints = await open_board(browser, relay.url, name)
        await page.evaluate("window.sameDocument = true")
        first = page.locator("tr.row").first
        object_id = str(await first.get_attribute("data-id"))
        row = page.locator(f'tr.row[data-id="{object_id}"]')
        await write(rest, board, object_id, spoken.first)
        await expect(row).to_contain_text(spoken.first, timeout=WITHIN_A_SECOND)
        assert complaints == []
        relay.cut()
        await expect(page.locator("#pill")).not_to_have_attribute("data-state", "live", timeout=10_000)
        await write(rest, board, object_id, spoken.second)
        await page.wait_for_timeout(500)
        await expect(row).to_contain_text(spoken.first)
        relay.mend()
        await be_live(page)
        await expect(row).to_contain_text(spoken.second, timeout=WITHIN_A_SECOND)
        assert await page.evaluate("window.sameDocument") is True
        await page.context.close()


@pytest.mark.parametrize("name", BOARDS)
async def test_the_first_paint_and_the_live_page_say_the_same_in_the_same_order(
    browser: Browser, running_server: RunningServer, name: str
) -> None:
    live, complaints = await open_board(browser, running_server.url, name, viewport={"width": 1440, "height": 900})
    await live.wait_for_timeout(800)
    state = await live.context.storage_state()
    context = await browser.new_context(storage_state=state, java_script_enabled=False, timezone_id="America/Los_Angeles")
    plain = await context.new_page()
    await plain.goto(f"{running_server.url}/boards/{name}")
    drawn, shown = await said(plain), await said(live)
    assert list(drawn) == list(shown)
    assert len(drawn) > 5
    # The newest event under a person comes with the script; a minute may turn between the two pages.
    kinds = [column.kind for column in BOARDS[name].columns]
    timeless = [index for index, kind in enumerate(kinds) if kind not in ("person", "age", "left", "due", "window")]
    assert {key: [texts[i] for i in timeless] for key, texts in drawn.items()} == {
        key: [texts[i] for i in timeless] for key, texts in shown.items()
    }
    assert complaints == []
    await context.close()
    await live.context.close()


@pytest.mark.parametrize("name", BOARDS)
async def test_axe_finds_nothing_on_a_board_its_panel_and_a_row_s_own_page(
    browser: Browser, running_server: RunningServer, name: str
) -> None:
    page, complaints = await open_board(browser, running_server.url, name, bypass_csp=True)
    row = str(await page.locator("tr.row").first.get_attribute("data-id"))
    param = BOARDS[name].param
    for path in (f"{name}?{param}={row}", name, f"{name}/rows/{row}"):
        await page.goto(f"{running_server.url}/boards/{path}")
        await be_live(page)
        for width, scheme in SIGHTS:
            await page.set_viewport_size({"width": width, "height": 844})
            await page.emulate_media(color_scheme=scheme)
            assert await faults(page) == []
    assert complaints == []
    await page.context.close()


@pytest.mark.parametrize("name", BOARDS)
async def test_axe_finds_nothing_on_the_pages_beside_a_board(browser: Browser, running_server: RunningServer, name: str) -> None:
    page, complaints = await open_board(browser, running_server.url, name, bypass_csp=True)
    for beside in PAGES[name]:
        await page.goto(f"{running_server.url}/boards/{name}/{beside}")
        await be_live(page)
        for width, scheme in SIGHTS:
            await page.set_viewport_size({"width": width, "height": 844})
            await page.emulate_media(color_scheme=scheme)
            assert await faults(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth") is True
    assert complaints == []
    await page.context.close()


@pytest.mark.parametrize("name", BOARDS)
async def test_a_list_is_exported_as_it_is_filtered(browser: Browser, running_server: RunningServer, name: str) -> None:
    page, _ = await open_board(browser, running_server.url, name)
    answer = await page.request.get(f"{running_server.url}/boards/{name}/rows.csv")
    lines = (await answer.text()).strip().splitlines()
    assert len(lines) > 5
    assert BOARDS[name].columns[0].label in lines[0]
    await page.context.close()
