"""Every page but the boards themselves (test_board_pages.py), for every pair of eyes and hands: by axe in light and dark, at
200 % and 400 % zoom, with wide text, by keyboard alone, and with nothing on the console."""

from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser

from app.config import Settings
from app.main import create_app
from tests.browser.demo import BOARDS, Demo
from tests.browser.spots import SPOTS, look

pytestmark = pytest.mark.browser

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


BESIDE = [name for name in SPOTS if name not in {f"/boards/{board} admin" for board in BOARDS}]


@pytest.mark.parametrize("name", BESIDE)
async def test_a_page_is_read_and_worked_by_everybody(browser: Browser, demo: Demo, accounts: dict[str, Any], name: str) -> None:
    await look(browser, demo, accounts, SPOTS[name])
