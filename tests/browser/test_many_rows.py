"""A board of five thousand rows: all of them can be reached, in their order, though few stand in the document."""

import csv
import io

import asyncpg
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.fleet import Fleet, pressure, sign_in
from tests.browser.visit import be_live

pytestmark = pytest.mark.browser

ROWS = 5000
LIKE = """
insert into "TankAssignment" select (jsonb_populate_record(t, jsonb_build_object(
    'objectId', 'many' || lpad(n::text, 6, '0'), 'tankSerialNumber', 'OX-' || lpad(n::text, 5, '0'),
    'psiLevel', 150 + n % 1850))).*
from "TankAssignment" t, generate_series(10, $1::int) n where t."objectId" = $2
"""
IN_SIGHT = """() => {
  const view = document.getElementById("list").getBoundingClientRect();
  return [...document.querySelectorAll("tr.row")].filter((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return bottom > view.top + 60 && top < view.bottom;
  }).map((row) => [Number(row.getAttribute("aria-rowindex")), row.querySelector(".k-tank b").textContent]);
}"""


@pytest.fixture(scope="module")
async def fleet(fleet: Fleet) -> Fleet:
    """The same, and five thousand tanks."""
    connection = await asyncpg.connect(fleet.server.database_url)
    await connection.execute(LIKE, ROWS, fleet.tanks["OX-1"])
    await connection.close()
    fleet.tanks |= {f"OX-{number:05}": f"many{number:06}" for number in range(10, ROWS + 1)}
    return fleet


async def serials(page: Page, fleet: Fleet) -> list[str]:
    """All tanks in the order of the board, as the server exports them."""
    answer = await page.request.get(f"{fleet.url}/boards/oxygen/rows.csv")
    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    return [row["Tank"] for row in rows]


async def scroll_to(page: Page, share: float) -> None:
    await page.evaluate(
        "share => { const list = document.getElementById('list'); list.scrollTop = list.scrollHeight * share; }", share
    )


async def test_each_of_five_thousand_rows_stands_in_its_place(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await sign_in(browser, fleet.url, viewport={"width": 1440, "height": 900})
    await be_live(page)
    wanted = await serials(page, fleet)
    assert len(wanted) == len(fleet.tanks)
    await expect(page.locator("#foot")).to_contain_text(f"{len(wanted):,} tanks")
    await expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", str(len(wanted) + 1))
    for share in (0, 0.13, 0.5, 0.51, 0.87, 0.2, 1):
        await scroll_to(page, share)
        await page.wait_for_function(f"() => ({IN_SIGHT})().length > 10")
        seen = await page.evaluate(IN_SIGHT)
        assert [name for _, name in seen] == [wanted[index - 2] for index, _ in seen]
        assert await page.locator("tr.row").count() < 80
    assert seen[-1][1] == wanted[-1]
    assert complaints == []
    await page.context.close()


async def test_end_and_the_keys_of_the_list_reach_its_ends_and_keep_the_focus(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await sign_in(browser, fleet.url, viewport={"width": 1440, "height": 900})
    await be_live(page)
    wanted = await serials(page, fleet)
    focused = page.locator("tr.row:has(:focus)")
    await page.keyboard.press("j")
    await expect(focused).to_have_attribute("aria-rowindex", "2")
    await page.keyboard.press("End")
    await expect(page.locator("tr.row").get_by_text(wanted[-1], exact=True)).to_be_in_viewport()
    await expect(focused).to_have_attribute("aria-rowindex", "2")
    await expect(focused).not_to_be_in_viewport()
    await page.keyboard.press("Tab")
    await expect(focused).to_have_attribute("aria-rowindex", "3")
    await expect(focused).to_be_in_viewport()
    for _ in range(60):
        await page.keyboard.press("Tab")
    await expect(focused).to_have_attribute("aria-rowindex", "63")
    await expect(focused.locator(".k-tank b")).to_have_text(wanted[61])
    await expect(focused).to_be_in_viewport()
    await page.keyboard.press("k")
    await expect(focused).to_have_attribute("aria-rowindex", "62")
    assert complaints == []
    await page.context.close()


async def test_a_row_out_of_sight_is_found_and_shows_what_happened_meanwhile(browser: Browser, fleet: Fleet) -> None:
    page, complaints = await sign_in(browser, fleet.url, viewport={"width": 1440, "height": 900})
    await be_live(page)
    wanted = await serials(page, fleet)
    last = wanted[-1]
    await expect(pressure(page, fleet, last)).to_have_count(0)
    await fleet.read(last, 1998)
    await scroll_to(page, 1)
    await expect(pressure(page, fleet, last)).to_have_text("1,998")
    await fleet.read(last, 151)
    index = (await serials(page, fleet)).index(last)
    assert index < len(wanted) // 2
    await page.evaluate("index => { document.getElementById('list').scrollTop = index * 48; }", index)
    moved = page.locator("tr.row", has_text=last)
    await expect(moved).to_be_in_viewport()
    await expect(moved).to_have_attribute("aria-rowindex", str(index + 2))
    await expect(moved).to_have_attribute("data-level", "empty")
    await page.keyboard.press("/")
    await page.keyboard.type("ox-04321")
    await expect(page.locator("tr.row")).to_have_count(1)
    await expect(page.locator("tr.row .k-tank b")).to_have_text("OX-04321")
    assert complaints == []
    await page.context.close()


async def test_paper_has_every_row(browser: Browser, fleet: Fleet) -> None:
    page, _ = await sign_in(browser, fleet.url)
    await be_live(page)
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    await expect(page.locator("tr.row")).to_have_count(len(fleet.tanks))
    await page.evaluate("dispatchEvent(new Event('afterprint'))")
    await page.wait_for_function("() => document.querySelectorAll('tr.row').length < 80")
    await page.context.close()
