"""The browser that the tests share."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.visit import ARGUMENTS, require_chromium


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, without a screen."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=require_chromium(), args=ARGUMENTS)
        yield browser
        await browser.close()
