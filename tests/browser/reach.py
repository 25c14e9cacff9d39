"""Whether a page can be read and worked by everybody: what axe says, at 200 % and 400 % zoom, with wide text, by keyboard alone.

Owns the checks; each gives the faults it found, so that a test can ask for none. The page's context must bypass the content
security policy.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Page

from tests.browser.visit import faults

Sight = tuple[int, Literal["light", "dark"]]
SIGHTS: list[Sight] = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
EXTREMES = SIGHTS[:1] + SIGHTS[-1:]
WHOLE = (1440, 900)
ZOOMED = ((720, 450), (320, 256))
"""1440 by 900 at 200 %; 1280 by 1024 at 400 %."""
WIDE_TEXT = """
* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
p { margin-bottom: 2em !important; }
"""
"""WCAG 1.4.12: nothing is lost when text is set so wide."""
SCRIPT = Path(__file__).with_name("reach.js")
MOST_STEPS = 240
STRIDE = 2
"""Steps between two looks at where they led: each look is a way to the browser and back."""
FIRST_STEPS = 60
"""Of a page with more to reach than that only the beginning is walked: row after row is the same."""


async def by_axe(page: Page, sights: Sequence[Sight] = SIGHTS) -> list[Any]:
    """What axe finds on a wide and a narrow screen; in the dark only the colours are other ones."""
    found: list[Any] = []
    for width, scheme in sights:
        await _resize(page, width, 844)
        await page.emulate_media(color_scheme=scheme)
        found += [(width, scheme, *each) for each in await faults(page, only_colour=(width, scheme) == (1440, "dark"))]
    await page.emulate_media(color_scheme="light")
    await _resize(page, *WHOLE)
    return found


async def by_zoom(page: Page) -> list[str]:
    """What does not fit at 200 % and 400 %, with text as it is and set wide."""
    await _ask(page)
    found: list[str] = []
    for width, height in ZOOMED:
        await _resize(page, width, height)
        found += [f"{width} px: {each}" for each in await page.evaluate("reach.fits()")]
    wide = await page.add_style_tag(content=WIDE_TEXT)
    for width, height in (WHOLE, ZOOMED[1]):
        await _resize(page, width, height)
        found += [f"{width} px, wide text: {each}" for each in await page.evaluate("reach.fits()")]
    await wide.evaluate("element => element.remove()")
    await _resize(page, *WHOLE)
    return found


async def by_keyboard(page: Page) -> list[str]:
    """What Tab does not reach, reaches in no sensible order, or reaches unseen."""
    await _ask(page)
    count = int(await page.evaluate("reach.mark()"))
    steps = 2 * count + 30  # a field for a time is several steps
    is_whole = steps <= MOST_STEPS
    stops = await _walk(page, steps if is_whole else FIRST_STEPS, count)
    faults_of = (("isMarked", "unmarked"), ("isSeen", "hidden"))
    found = [f"{fault}: {stop['name']}" for stop in stops for word, fault in faults_of if not stop[word]]
    order = [stop["walk"] for stop in stops if stop["walk"] is not None]
    if is_whole:
        found += [f"never reached: {name}" for name in await page.evaluate("order => reach.missed(order)", order)]
    if order and not _is_round(order):
        found.append(f"out of order: {order}")
    return found


async def _walk(page: Page, steps: int, count: int) -> list[Any]:
    """Where the focus was after each Tab, once round the page, which is not done before as many steps as there are stops."""
    stops: list[Any] = []
    await page.evaluate("reach.walked()")
    for step in range(1, steps + 1):
        await page.keyboard.press("Tab")
        if (step <= count or (step - count) % STRIDE) and step < steps:
            continue
        # Where there is nothing, the browser's own controls had it; from there it begins anew.
        stops += [stop for stop in await page.evaluate("reach.walked()") if stop]
        if (end := _round(stops)) is not None:
            return stops[:end]
    return stops


def _round(stops: Sequence[Any]) -> int | None:
    """Where the walk came to its beginning again."""
    known = [(index, stop["walk"]) for index, stop in enumerate(stops) if stop["walk"] is not None]
    pairs = pairwise(known)
    return next((index for (_, before), (index, here) in pairs if here == known[0][1] != before), None)


def _is_round(order: Sequence[int]) -> bool:
    """Whether the order is the page's, begun anywhere: a page may set the focus itself."""
    start = order.index(min(order))
    return [*order[start:], *order[:start]] == sorted(order)


async def _ask(page: Page) -> None:
    if not await page.evaluate("'reach' in window"):
        await page.add_script_tag(path=SCRIPT)


async def be_drawn(page: Page) -> None:
    """Waits until what has just changed is drawn."""
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def _resize(page: Page, width: int, height: int) -> None:
    await page.set_viewport_size({"width": width, "height": height})
    await be_drawn(page)
