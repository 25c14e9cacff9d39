"""A phone without a network: the page that opens all the same, what waits on it, and what is left when its person goes."""

import asyncio
import json
import operator
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.fleet import Fleet, read_pressure
from tests.browser.shop import Shop
from tests.browser.visit import PASSWORD, PATIENCE, be_live, open_as, visit

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}

KEEPS = """async () => {
  if (!(await caches.has("careboard.kept"))) return [];
  const kept = await (await caches.open("careboard.kept")).keys();
  return [...new Set(kept.map((each) => new URL(each.url).pathname.replace(/.[01]$/, "")))].sort();
}"""
"""What lies in the cache of the phone, beside the files of the build."""

HEARD = """async (text) => {
  const cache = await caches.open("careboard.kept");
  const heard = await Promise.all([0, 1].map(async (turn) => (await cache.match(`/kept/heard/${turn}`))?.text()));
  return heard.some((each) => each?.includes(text));
}"""
"""Whether this was heard, and is kept."""

WAITS = """() => new Promise((done, fail) => {
  const asked = indexedDB.open("careboard.queue");
  asked.onerror = fail;
  asked.onsuccess = () => {
    const { result } = asked;
    if (!result.objectStoreNames.length) return result.close(), done([0, 0, ""]);
    const all = ["deeds", "files"].map((name) => new Promise((got) => {
      const request = result.transaction(name).objectStore(name).getAll();
      request.onsuccess = () => got(request.result);
    }));
    Promise.all(all).then(([deeds, files]) => {
      result.close();
      const text = [...deeds, ...files].map((each) => new TextDecoder("latin1").decode(each.sealed)).join(" ");
      done([deeds.length, files.length, text]);
    });
  };
})"""
"""How many deeds and files wait on the phone, and all that can be read of them."""


async def on_the_road(browser: Browser, fleet: Fleet) -> Page:
    """The driver's page, kept on their phone."""
    page, _ = await visit(browser, fleet.url, "will", **PHONE)
    await be_live(page)
    await be_kept(page)
    return page


async def until(page: Page, script: str, is_so: Callable[[Any], bool]) -> None:
    """Waits until what a script answers is so: the worker is still at what a page has done when the next page shows already."""
    async with asyncio.timeout(PATIENCE / 1000):
        # Asked from here, for the browser takes the promise of an asynchronous condition for its being true.
        while not is_so(await page.evaluate(script)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def keeps(page: Page, *paths: str) -> None:
    """Waits until the phone keeps these, and nothing else."""
    await until(page, KEEPS, lambda kept: kept == list(paths))


async def waits(page: Page, deeds: int, files: int = 0) -> None:
    """Waits until so many deeds and files wait on the phone."""
    await until(page, WAITS, lambda waiting: waiting[:2] == [deeds, files])


async def be_kept(page: Page) -> None:
    """Waits until the phone has the page and what was heard."""
    await keeps(page, f"/{page.url.split('/', 3)[3]}", "/kept/heard")


async def checks(fleet: Fleet, psi: int) -> int:
    where = json.dumps({"eventType": "psi_check", "psiLevel": psi})
    return int((await fleet.ask("GET", f"/classes/DispatchEvent?where={where}&count=1&limit=0", {}))["count"])


async def test_the_page_opens_without_a_network_as_it_was_and_says_since_when(browser: Browser, fleet: Fleet) -> None:
    page = await on_the_road(browser, fleet)
    await fleet.read("OX-2", 1444)
    await expect(page.locator("#mine")).to_contain_text("1,444 psi")
    await page.wait_for_function(HEARD, arg="1444")
    await page.context.set_offline(True)
    again = await page.context.new_page()
    await page.close()
    await again.goto(f"{fleet.url}/boards/oxygen/route")
    await expect(again.locator("#pill")).to_contain_text("As of")
    await expect(again.locator("#pill")).to_contain_text("no network")
    await expect(again.locator("#banner")).to_contain_text("as it was at")
    await expect(again.locator("#mine")).to_contain_text("1,444 psi")
    await expect(again.locator(".own")).to_have_count(3)
    await again.goto(fleet.url)
    assert again.url.endswith("/boards/oxygen/route")
    await fleet.read("OX-2", 1400)
    await again.context.set_offline(False)
    await be_live(again)
    await expect(again.locator("#mine")).to_contain_text("1,400 psi")
    await expect(again.locator("#banner")).to_be_hidden()
    await again.context.close()


async def test_a_board_is_never_shown_from_the_phone(browser: Browser, fleet: Fleet) -> None:
    page = await on_the_road(browser, fleet)
    await page.goto(f"{fleet.url}/boards/oxygen")
    await be_live(page)
    await keeps(page, "/boards/oxygen/route", "/kept/heard")
    await page.context.set_offline(True)
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("No network")
    assert "OX-1" not in await page.content()
    await page.context.close()


async def test_what_waits_is_sealed_outlives_the_page_and_is_sent_once_in_order(browser: Browser, fleet: Fleet) -> None:
    page, tank = await on_the_road(browser, fleet), fleet.tanks["OX-1"]
    await page.context.set_offline(True)
    for psi in (711, 702, 693):
        await read_pressure(page, tank, psi)
    await expect(page.locator(".to-send h2")).to_have_text("3 to send")
    await waits(page, 3)
    assert "psi" not in (await page.evaluate(WAITS))[2]
    await page.reload()
    await expect(page.locator(".to-send h2")).to_have_text("3 to send")
    await expect(page.locator(f'.own[data-id="{tank}"]')).to_contain_text("693 psi")
    await page.context.set_offline(False)
    await expect(page.locator(".to-send")).to_have_count(0)
    assert [await checks(fleet, psi) for psi in (711, 702, 693)] == [1, 1, 1]
    stored = await fleet.ask("GET", f"/classes/TankAssignment/{tank}", {})
    assert stored["psiLevel"] == 693
    await waits(page, 0)
    await page.context.close()


async def test_an_answer_that_is_lost_makes_no_second_one(browser: Browser, fleet: Fleet) -> None:
    page, tank = await on_the_road(browser, fleet), fleet.tanks["OX-1"]
    numbers: list[str] = []

    async def lose(route: Route) -> None:
        numbers.append((await route.request.all_headers())["x-parse-request-id"])
        await route.fetch()
        await route.abort()

    await page.route("**/classes/DispatchEvent", lose)
    await read_pressure(page, tank, 655)
    await expect(page.locator(".to-send h2")).to_have_text("1 to send")
    await page.unroute_all(behavior="wait")  # one may be on its way
    await page.reload()
    await expect(page.locator(".to-send")).to_have_count(0)
    assert await checks(fleet, 655) == 1
    assert len(numbers) > 0
    assert len(set(numbers)) == 1
    await page.context.close()


async def test_a_server_killed_while_it_is_sent_to_does_each_once(browser: Browser, fleet: Fleet) -> None:
    page, tank = await on_the_road(browser, fleet), fleet.tanks["OX-1"]
    await page.context.set_offline(True)
    for psi in range(401, 409):
        await read_pressure(page, tank, psi)
    async with page.expect_request("**/classes/DispatchEvent"):
        await page.context.set_offline(False)
    fleet.server.kill()
    await asyncio.to_thread(fleet.server.start)
    await be_live(page)
    await expect(page.locator(".to-send")).to_have_count(0)
    assert [await checks(fleet, psi) for psi in range(401, 409)] == [1] * 8
    await page.context.close()


async def test_two_phones_of_one_driver_lose_and_double_nothing(browser: Browser, fleet: Fleet) -> None:
    one, other = await on_the_road(browser, fleet), await on_the_road(browser, fleet)
    tank = fleet.tanks["OX-3"]
    for page, psi in ((one, 951), (other, 942)):
        await page.context.set_offline(True)
        await read_pressure(page, tank, psi)
    for page in (one, other):
        await page.context.set_offline(False)
    for page in (one, other):
        await expect(page.locator(".to-send")).to_have_count(0)
    assert [await checks(fleet, psi) for psi in (951, 942)] == [1, 1]
    await one.context.close()
    await other.context.close()


async def test_a_refused_step_stays_with_its_reason_until_it_is_thrown_away(browser: Browser, fleet: Fleet) -> None:
    page, tank = await on_the_road(browser, fleet), fleet.tanks["OX-3"]
    await page.context.set_offline(True)
    await read_pressure(page, tank, 930)
    await fleet.ask("PUT", f"/classes/TankAssignment/{tank}", {"assignedDriver": fleet.dispatcher})
    await page.context.set_offline(False)
    await expect(page.locator(".to-send h2")).to_have_text("1 not done")
    await expect(page.locator(".to-send p")).to_contain_text("It is not on your page any more.")
    await page.reload()
    await expect(page.locator(".to-send h2")).to_have_text("1 not done")
    await page.get_by_role("button", name="Throw away").click()
    await expect(page.locator(".to-send")).to_have_count(0)
    await fleet.ask("PUT", f"/classes/TankAssignment/{tank}", {"assignedDriver": fleet.driver})
    assert await checks(fleet, 930) == 0
    await page.context.close()


async def test_what_comes_after_a_refused_step_waits_for_its_person_and_what_is_about_others_does_not(
    browser: Browser, fleet: Fleet
) -> None:
    page, tank = await on_the_road(browser, fleet), fleet.tanks["OX-3"]
    await page.context.set_offline(True)
    for serial, psi in (("OX-3", 921), ("OX-3", 922), ("OX-1", 923)):
        await read_pressure(page, fleet.tanks[serial], psi)
    await fleet.ask("PUT", f"/classes/TankAssignment/{tank}", {"assignedDriver": fleet.dispatcher})
    await page.context.set_offline(False)
    await expect(page.locator(".to-send h2")).to_have_text("1 to send, 1 not done")
    await fleet.ask("PUT", f"/classes/TankAssignment/{tank}", {"assignedDriver": fleet.driver})
    await page.get_by_role("button", name="Throw away").click()
    await expect(page.locator(".to-send")).to_have_count(0)
    assert [await checks(fleet, psi) for psi in (921, 922, 923)] == [0, 1, 1]
    await page.context.close()


async def test_another_site_empties_no_phone(browser: Browser, fleet: Fleet) -> None:
    """It may send its visitor's browser to /sign-out: nobody is signed out by that, and nothing that waits is lost."""
    page = await on_the_road(browser, fleet)
    await page.context.route("**/classes/DispatchEvent", lambda route: route.abort())
    await read_pressure(page, fleet.tanks["OX-1"], 355)
    await expect(page.locator(".to-send h2")).to_have_text("1 to send")
    elsewhere = await page.context.new_page()
    form = f'<form method="post" action="{fleet.server.url}/sign-out"></form>'
    await elsewhere.route("**/away", lambda route: route.fulfill(body=form, content_type="text/html"))
    await elsewhere.goto(fleet.server.url.replace("127.0.0.1", "localhost") + "/away")
    await elsewhere.evaluate("document.forms[0].submit()")
    await elsewhere.wait_for_url("**/boards/**")
    await be_live(elsewhere)
    await expect(elsewhere.locator(".to-send h2")).to_have_text("1 to send")
    await elsewhere.get_by_role("button", name="Menu").click()
    await elsewhere.get_by_role("button", name="Sign out", exact=True).click()
    await elsewhere.get_by_role("button", name="Sign out and lose them").click()
    await expect(elsewhere.get_by_label("Username or e-mail")).to_be_visible()
    await waits(elsewhere, 0)
    await page.context.close()


async def test_signing_out_from_a_board_empties_the_phone_too(browser: Browser, fleet: Fleet) -> None:
    page = await on_the_road(browser, fleet)
    await page.goto(f"{fleet.server.url}/boards/oxygen")
    await be_live(page)
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_label("Username or e-mail")).to_be_visible()
    await keeps(page)
    await until(page, "caches.has('careboard.owner')", operator.not_)
    await page.context.close()


async def test_a_sign_in_in_another_tab_takes_the_page_of_who_was_there(browser: Browser, fleet: Fleet) -> None:
    """Two drivers have one address for their page: on a slow network the second would be shown the first's."""
    page = await on_the_road(browser, fleet)
    await page.evaluate("fetch('/sign-in', { method: 'POST', body: new URLSearchParams({ username: 'otto' }) })")
    await keeps(page)
    await page.context.close()


async def test_signing_out_asks_about_what_waits_and_leaves_nothing(browser: Browser, fleet: Fleet) -> None:
    page = await on_the_road(browser, fleet)
    await page.route("**/classes/DispatchEvent", lambda route: route.abort())
    await read_pressure(page, fleet.tanks["OX-1"], 388)
    await expect(page.locator(".to-send h2")).to_have_text("1 to send")
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("dialog")).to_contain_text("1 step is not sent")
    await page.get_by_role("button", name="Stay").click()
    await expect(page.locator(".to-send h2")).to_have_text("1 to send")
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.get_by_role("button", name="Sign out and lose them").click()
    await expect(page.get_by_label("Username or e-mail")).to_be_visible()
    await keeps(page)
    await waits(page, 0)
    await page.context.set_offline(True)
    await page.goto(f"{fleet.url}/boards/oxygen/route")
    await expect(page.get_by_role("heading", level=1)).to_have_text("No network")
    await page.context.close()


async def sign_in_here(page: Page, fleet: Fleet, name: str) -> None:
    """Signs in on the same phone."""
    await page.goto(fleet.url)
    await page.get_by_label("Username or e-mail").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/boards/**")


async def test_another_person_who_signs_in_finds_nothing(browser: Browser, fleet: Fleet) -> None:
    page = await on_the_road(browser, fleet)
    await page.route("**/classes/DispatchEvent", lambda route: route.abort())
    await read_pressure(page, fleet.tanks["OX-1"], 377)
    await expect(page.locator(".to-send h2")).to_have_text("1 to send")
    await page.context.clear_cookies()
    await sign_in_here(page, fleet, "may")
    await be_live(page)
    await until(page, KEEPS, lambda kept: "/boards/oxygen/route" not in kept)
    await waits(page, 0)
    assert await checks(fleet, 377) == 0
    await page.context.close()


async def test_a_session_that_ended_takes_the_page_and_the_same_person_finds_what_waited(browser: Browser, fleet: Fleet) -> None:
    page = await on_the_road(browser, fleet)
    await page.context.set_offline(True)
    await read_pressure(page, fleet.tanks["OX-1"], 366)
    user = fleet.driver["objectId"]
    await fleet.ask("PUT", f"/users/{user}", {"active": False})
    await page.context.set_offline(False)
    await expect(page.get_by_label("Username or e-mail")).to_be_visible()
    await keeps(page)
    await waits(page, 1)
    await fleet.ask("PUT", f"/users/{user}", {"active": True})
    await sign_in_here(page, fleet, "will")
    await be_live(page)
    await expect(page.locator(".to-send")).to_have_count(0)
    assert await checks(fleet, 366) == 1
    await page.context.close()


async def test_a_page_from_the_server_that_hears_nothing_shows_what_was_last_heard(browser: Browser, fleet: Fleet) -> None:
    page = await on_the_road(browser, fleet)
    await page.route_web_socket("**/parse", lambda socket: None)  # it opens and stays silent
    await page.reload()
    await expect(page.locator(f'.own[data-id="{fleet.tanks["OX-1"]}"]')).to_be_visible()
    await expect(page.locator("#pill")).to_contain_text("As of")
    assert await page.evaluate("() => document.documentElement.dataset.kept") is None
    await page.context.close()


async def test_a_signature_taken_without_a_network_goes_first_and_hands_over(browser: Browser, shop: Shop) -> None:
    delivery = await shop.parcel("CB-FAR", status="arrived")
    page, complaints = await open_as(browser, shop.url, "courier", "/boards/pharmacy/route", **PHONE)
    await be_kept(page)
    card = page.locator("li.own", has_text="CB-FAR")
    await expect(card.get_by_role("button", name="Delivered")).to_have_count(0)
    await page.context.set_offline(True)
    await page.reload()
    await card.get_by_role("button", name="Take the signature").click()
    await page.get_by_label("Or type the full name").fill("Harriet Vance")
    await page.get_by_label("First and last name").fill("Harriet Vance")
    await page.get_by_label("Who signs").select_option("self")
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.locator(".to-send")).to_contain_text("1 file")
    await expect(card).to_contain_text("Delivered")
    await page.reload()
    await expect(page.locator(".to-send h2")).to_have_text("1 to send")
    await waits(page, 1, 1)
    complaints.clear()
    await page.context.set_offline(False)
    await expect(page.locator(".to-send")).to_have_count(0)
    stored = await shop.ask("GET", f"/classes/Delivery/{delivery}")
    assert (stored["status"], stored["deliveredAt"]) == ("delivered", stored["signedAt"])
    (signature,) = (await shop.ask("GET", "/classes/Signature"))["results"]
    image = await page.request.get(signature["signatureImage"]["url"])
    assert (await image.body()).startswith(b"\x89PNG")
    await waits(page, 0)
    await page.context.close()
