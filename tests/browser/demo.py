"""The demo of every trade on one server: its boards, how a write to each looks, and the accounts that look at them."""

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx
from playwright.async_api import Browser, Page

from app.live.boards.board import Board
from app.main import DOMAINS
from tests.browser.visit import be_live, visit
from tests.conftest import RunningServer

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


class Demo:
    """A server with the demo of every domain, each account with the same password; and the master key beside it."""

    def __init__(self, server: RunningServer) -> None:
        headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
        self._http = httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=30)
        self.server = server
        self.url = server.url

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """What a request with the master key answers."""
        answer = await self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def find(self, class_name: str, **where: object) -> list[dict[str, Any]]:
        """Objects of a class."""
        path = "/users" if class_name == "_User" else f"/classes/{class_name}"
        answer = await self._http.get(path, params={"where": json.dumps(where), "limit": 200})
        assert answer.is_success, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    async def write(self, board: Board, object_id: str, text: str) -> None:
        """Changes the spoken field of a row, as anybody else might."""
        await self.ask("PUT", f"/classes/{board.sources[0].class_name}/{object_id}", {SPOKEN[board.name].field: text})

    async def close(self) -> None:
        """Ends the connection."""
        await self._http.aclose()


async def open_board(browser: Browser, url: str, name: str, **context: Any) -> tuple[Page, list[str]]:
    """A live board as an administrator sees it, and the list into which the browser's complaints go."""
    page, complaints = await visit(browser, url, "admin", f"/boards/{name}", **context)
    await be_live(page)
    return page, complaints


async def said(page: Page) -> dict[str, list[str]]:
    """What each row says, cell by cell, in the order they stand; a live page is asked for what it would print: all of them."""
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    script = "rows => rows.slice(0, 200).map(row => [row.dataset.id, [...row.children].map(cell => cell.textContent)])"
    found: list[tuple[str, list[str]]] = await page.locator("tr.row").evaluate_all(script)
    await page.evaluate("dispatchEvent(new Event('afterprint'))")
    return {object_id: [WORD.sub("", text) for text in texts] for object_id, texts in found}


def timeless(board: Board) -> list[int]:
    """The columns whose words do not change as time passes."""
    # The newest event under a person comes with the script, somewhat later.
    moving = ("person", "age", "left", "due", "window")
    return [index for index, column in enumerate(board.columns) if column.kind not in moving]
