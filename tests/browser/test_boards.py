"""Every board of every trade, in a real browser, filled by its demo: what each of them must do whatever it shows."""

from itertools import cycle, islice

import pytest
from playwright.async_api import Browser, expect

from tests.browser.demo import BOARDS, SPOKEN, Demo, compare, open_board
from tests.browser.visit import within_a_second

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", BOARDS)
async def test_a_rest_write_is_shown_within_a_second(browser: Browser, demo: Demo, name: str) -> None:
    board, spoken = BOARDS[name], SPOKEN[name]
    page, complaints = await open_board(browser, demo.url, name)
    await page.evaluate("window.sameDocument = true")
    object_id = str(await page.locator("tr.row").first.get_attribute("data-id"))
    row = page.locator(f'tr.row[data-id="{object_id}"]')
    await within_a_second(
        lambda text: demo.write(board, object_id, text),
        lambda text: expect(row).to_contain_text(text),
        islice(cycle((spoken.first, spoken.second)), 10),
    )
    assert await page.evaluate("window.sameDocument") is True
    assert complaints == []
    await page.context.close()


@pytest.mark.parametrize("name", BOARDS)
async def test_the_first_paint_and_the_live_page_say_the_same_in_the_same_order(browser: Browser, demo: Demo, name: str) -> None:
    live, complaints = await open_board(browser, demo.url, name, viewport={"width": 1440, "height": 900})
    state = await live.context.storage_state()
    context = await browser.new_context(storage_state=state, java_script_enabled=False, timezone_id="America/Los_Angeles")
    plain = await context.new_page()
    await plain.goto(f"{demo.url}/boards/{name}")
    drawn, shown = await compare(plain, live, BOARDS[name])
    assert drawn == shown
    assert len(drawn) > 5
    assert complaints == []
    await context.close()
    await live.context.close()


@pytest.mark.parametrize("name", BOARDS)
async def test_a_list_is_exported_as_it_is_filtered(browser: Browser, demo: Demo, name: str) -> None:
    page, _ = await open_board(browser, demo.url, name)
    answer = await page.request.get(f"{demo.url}/boards/{name}/rows.csv")
    lines = (await answer.text()).strip().splitlines()
    assert len(lines) > 5
    assert BOARDS[name].columns[0].label in lines[0]
    await page.context.close()
