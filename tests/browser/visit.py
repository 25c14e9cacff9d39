"""A person at a browser: signing in, waiting until the page is live, and what axe says about it."""

import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

AXE = Path(__file__).parent.parent / "sdk" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run"]
PASSWORD = "a long enough password"
PATIENCE = 40_000
"""Milliseconds within which a page shows what it will: of a machine that is slow, or stands still for a while."""
FAST, SLOW = 2, 6
"""So many writes are shown within a second before so many are not."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

T = TypeVar("T")

FAULTS = """async (asked) => {
  const context = document.querySelector("dialog:modal") ?? document;
  const found = await axe.run(context, { ...asked, resultTypes: ["violations"], selectors: false });
  return found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}"""
"""Of all that axe looked at only what is wrong is described and sent: the rest is most of its time."""


def require_chromium() -> str:
    """The path of the system's Chromium; skips with the reason where there is none, fails in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get("CI"):
        pytest.fail("Chromium is not installed")
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


async def visit(
    browser: Browser, url: str, name: str, path: str = "", *, kept: dict[str, Any] | None = None, **context: Any
) -> tuple[Page, list[str]]:
    """A page of somebody who has just signed in, and the list into which the browser's complaints go.

    `kept` remembers who has signed in, for a test that visits many pages.
    """
    known = (kept or {}).get(name)
    page = await (await browser.new_context(timezone_id="America/Los_Angeles", storage_state=known, **context)).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    if known:
        await page.goto(f"{url}{path}")
        return page, complaints
    await page.goto(f"{url}/?next={path}" if path else url)
    await page.get_by_label("Username or e-mail").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    # The form's own address has the path in it too, behind its question mark.
    wanted = urlsplit(path or "/boards/").path
    await page.wait_for_url(lambda here: urlsplit(here).path.startswith(wanted))
    if kept is not None:
        kept[name] = await page.context.storage_state()
    return page, complaints


async def open_as(browser: Browser, url: str, name: str, path: str, **context: Any) -> tuple[Page, list[str]]:
    """The same, live."""
    page, complaints = await visit(browser, url, name, path, **context)
    await be_live(page)
    return page, complaints


async def be_live(page: Page) -> None:
    """Waits until the pill says Live."""
    await expect(page.locator("#pill")).to_have_attribute("data-state", "live")


async def within_a_second(
    write: Callable[[T], Awaitable[object]], shown: Callable[[T], Awaitable[object]], values: Iterable[T]
) -> list[T]:
    """Writes one value after the other and waits until each is shown; gives those that it took to see that a second is enough.

    A machine that stands still for a moment delays one of them, a page that asks now and then, or waits, all of them.
    """
    written: list[T] = []
    took: list[float] = []
    for value in values:
        began = time.monotonic()
        await write(value)
        await shown(value)
        took.append(time.monotonic() - began)
        written.append(value)
        if sum(seconds < 1 for seconds in took) == FAST:
            return written
        assert sum(seconds >= 1 for seconds in took) < SLOW, took
    raise AssertionError(f"too few values to say: {took}")


async def faults(page: Page, *, only_colour: bool = False) -> list[Any]:
    """What axe finds wrong with the page, or with the dialog that keeps one from the rest of it; the context must bypass the
    content security policy."""
    if not AXE.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("axe-core is not installed: run npm install in tests/sdk")
    if not await page.evaluate("'axe' in window"):
        await page.add_script_tag(path=AXE)
    # The size of targets is a rule of 2.2 that axe leaves off unless it is asked for.
    asked: Any = {"runOnly": RULES, "rules": {"target-size": {"enabled": True}}}
    found = await page.evaluate(FAULTS, {"runOnly": ["color-contrast"]} if only_colour else asked)
    return [(rule, nodes) for rule, nodes in found]
