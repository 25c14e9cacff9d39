"""The demo of every trade on one server: its boards, how a write to each looks, and the accounts that look at them."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Page

from app.live.boards.board import Board
from app.main import DOMAINS
from tests.browser.trade import Trade
from tests.browser.visit import PATIENCE, open_as

BOARDS: dict[str, Board] = {domain.board.name: domain.board for domain in DOMAINS if domain.board}
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


class Demo(Trade):
    """A server with the demo of every domain, each account with the same password; and the master key beside it."""

    async def write(self, board: Board, object_id: str, text: str) -> None:
        """Changes the spoken field of a row, as anybody else might."""
        await self.ask("PUT", f"/classes/{board.sources[0].class_name}/{object_id}", {SPOKEN[board.name].field: text})


async def open_board(browser: Browser, url: str, name: str, **context: Any) -> tuple[Page, list[str]]:
    """A live board as an administrator sees it, and the list into which the browser's complaints go."""
    return await open_as(browser, url, "admin", f"/boards/{name}", **context)


async def said(page: Page) -> dict[str, list[str]]:
    """What each row says, cell by cell, in the order they stand; a live page is asked for what it would print: all of them."""
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    script = "rows => rows.slice(0, 200).map(row => [row.dataset.id, [...row.children].map(cell => cell.textContent)])"
    found: list[tuple[str, list[str]]] = await page.locator("tr.row").evaluate_all(script)
    await page.evaluate("dispatchEvent(new Event('afterprint'))")
    return {object_id: [WORD.sub("", text) for text in texts] for object_id, texts in found}


Said = list[tuple[str, list[str]]]


async def compare(plain: Page, live: Page, board: Board) -> tuple[Said, Said]:
    """What a page drawn now without a script and a live one say of each row, in their order: as soon as it is the same, or else
    in the end. The live one settles once a breath, and a row may turn between two looks, so that both are looked at again."""
    columns, deadline = timeless(board), time.monotonic() + PATIENCE / 1000
    while True:
        drawn, shown = [
            [(object_id, [texts[i] for i in columns]) for object_id, texts in (await said(page)).items()]
            for page in (plain, live)
        ]
        if drawn == shown or time.monotonic() > deadline:
            return drawn, shown
        await asyncio.sleep(0.25)
        await plain.reload()


def timeless(board: Board) -> list[int]:
    """The columns whose words do not change as time passes."""
    # The newest event under a person comes with the script, somewhat later.
    moving = ("person", "age", "left", "due", "window")
    return [index for index, column in enumerate(board.columns) if column.kind not in moving]
