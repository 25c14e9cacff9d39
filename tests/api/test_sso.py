"""The way to an issuer and back, as a browser walks it: what binds the two ends, and what a page may say."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from app.api.browser.sso import ERRAND_COOKIE
from app.api.request import COOKIE
from tests.conftest import PATIENCE, RunningServer
from tests.issuer import Issuer

LOST = "This sign-in took too long, or was begun in another tab or browser. Please begin it again."
FAILURES = 20
APP = {"X-Parse-Application-Id": "careboard"}


@pytest.fixture(scope="module")
def environment(issuer: Issuer) -> dict[str, str]:
    """The server has a button for the hospital."""
    return {
        "CAREBOARD_AUTH": issuer.setting(label="St. Mary's", roles={"Desk": "dispatcher"}),
        "CAREBOARD_SIGN_IN_FAILURES": str(FAILURES),
    }


@pytest.fixture
async def browser(running_server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, as far as cookies go; it follows no redirect by itself."""
    async with httpx.AsyncClient(base_url=running_server.url, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def somebody(issuer: Issuer) -> str:
    """Who is signed in at the hospital: another person for each test."""
    who = f"staff-{uuid4().hex[:8]}"
    issuer.person = {"sub": who, "name": "Ana Ruiz", "groups": ["Desk"]}
    issuer.changes, issuer.is_down = {}, False
    return who


async def leave(browser: httpx.AsyncClient, path: str = "/sign-in/with/hospital") -> str:
    """Where the issuer sends a browser back to."""
    away = await browser.get(path)
    assert away.status_code == 303, away.text
    there = await browser.get(away.headers["Location"])
    assert there.status_code == 302, there.text
    return there.headers["Location"]


async def words_after(browser: httpx.AsyncClient, answer: httpx.Response) -> str:
    """What the page says that a refused errand ends on, its address being free of it all."""
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in/refused")
    page = await browser.get("/sign-in/refused")
    said = re.search(r'<p class="refusal"[^>]*>(.*?)</p>', page.text)
    assert said, page.text
    assert COOKIE not in browser.cookies
    return said[1].replace("&#39;", "'")


async def me(browser: httpx.AsyncClient) -> dict[str, Any]:
    """The account behind the session cookie."""
    headers = {**APP, "X-Parse-Session-Token": browser.cookies[COOKIE]}
    answer = await browser.get("/parse/users/me", headers=headers)
    found: dict[str, Any] = answer.json()
    return found


async def test_who_signs_in_there_is_signed_in_here_and_where_they_wanted_to_be(
    browser: httpx.AsyncClient, somebody: str
) -> None:
    page = await browser.get("/?next=/boards/oxygen?show=low")
    link = re.search(r'<a class="button wide" href="([^"]+)">Sign in with St. Mary&#39;s</a>', page.text)
    assert link, page.text
    back = await leave(browser, link[1].replace("&amp;", "&"))
    entered = await browser.get(back)
    assert (entered.status_code, entered.headers["Location"]) == (303, "/boards/oxygen?show=low")
    assert "code" not in entered.headers["Location"]
    assert ERRAND_COOKIE not in browser.cookies
    kept = [each for each in entered.headers.get_list("set-cookie") if each.startswith(COOKIE)]
    assert all(word in kept[0] for word in ("HttpOnly", "SameSite=lax", "Path=/"))
    account = await me(browser)
    assert (account["displayName"], account["role"], account["authData"]) == (
        "Ana Ruiz",
        "dispatcher",
        {"hospital": {"id": somebody}},
    )
    assert (await browser.get("/boards/oxygen")).status_code == 200
    again = await browser.get(await leave(browser))
    assert again.headers["Location"] == "/"
    assert (await me(browser))["objectId"] == account["objectId"]


async def test_the_issuer_is_asked_with_state_nonce_and_pkce(browser: httpx.AsyncClient, running_server: RunningServer) -> None:
    away = await browser.get("/sign-in/with/hospital")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["Location"]).query).items()}
    assert asked["redirect_uri"] == f"{running_server.url}/sign-in/callback/hospital"
    assert (asked["response_type"], asked["code_challenge_method"], asked["scope"]) == ("code", "S256", "openid profile email")
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    cookie = away.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/sign-in", "Max-Age=600"))


async def test_a_state_counts_once_and_only_in_its_browser(browser: httpx.AsyncClient, running_server: RunningServer) -> None:
    back = await leave(browser)
    errand = browser.cookies[ERRAND_COOKIE]
    async with httpx.AsyncClient(base_url=running_server.url, timeout=PATIENCE) as other:
        assert await words_after(other, await other.get(back)) == LOST
        other.cookies.clear()
        await leave(other)
        assert await words_after(other, await other.get(back)) == LOST
    assert (await browser.get(back)).headers["Location"] == "/"
    browser.cookies.clear()
    assert await words_after(browser, await browser.get(back)) == LOST
    browser.cookies.clear()
    browser.cookies.set(ERRAND_COOKIE, errand, path="/sign-in")  # who kept the cookie, too: the code is spent at the issuer
    assert "did not confirm this sign-in" in await words_after(browser, await browser.get(back))


async def test_an_errand_that_was_changed_is_none(browser: httpx.AsyncClient) -> None:
    back = await leave(browser)
    text, _, signature = browser.cookies[ERRAND_COOKIE].partition(".")
    for forged in ("", "x", f"{text}.", f"{text}.{'0' * 64}", f"{text}A.{signature}", ".", "é.é".encode().decode("latin-1")):
        browser.cookies.clear()
        cookie = f"{ERRAND_COOKIE}={forged}".encode("latin-1")
        answer = await browser.get(back, headers=[(b"cookie", cookie)])
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in/refused"), forged
        assert COOKIE not in answer.cookies


async def test_a_token_for_another_sign_in_is_refused(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    for changes, reason in (
        ({"nonce": "another"}, "it belongs to another sign-in"),
        ({"aud": "another"}, "it was made for another application"),
        ({"exp": 1}, "it has expired"),
    ):
        issuer.changes = changes
        back = await leave(browser)
        assert reason in await words_after(browser, await browser.get(back))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("error=access_denied", "St. Mary's did not let you in, or you went back. Try again, or sign in another way."),
        ("error=server_error", "St. Mary's has a problem just now. Try again in a moment, or sign in another way."),
        ("error=<script>alert(1)</script>", "St. Mary's refused this sign-in. If it stays so, tell whoever runs this server."),
        ("", "St. Mary's refused this sign-in. If it stays so, tell whoever runs this server."),
        (
            "code=x&iss=https://evil.example.org",
            "St. Mary's refused this sign-in. If it stays so, tell whoever runs this server.",
        ),
    ],
)
async def test_a_refusal_is_told_in_words_of_ours(browser: httpx.AsyncClient, query: str, words: str) -> None:
    state = parse_qs(urlsplit(await leave(browser)).query)["state"][0]
    assert await words_after(browser, await browser.get(f"/sign-in/callback/hospital?state={state}&{query}")) == words


async def test_an_issuer_that_is_away_is_told(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    back = await leave(browser)
    issuer.is_down = True
    assert (await words_after(browser, await browser.get(back))).startswith("St. Mary's did not confirm this sign-in")


@pytest.mark.parametrize(
    "target",
    ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "/boards/\r\nSet-Cookie: a=b", "/parse/users"],
)
async def test_the_way_back_leads_nowhere_else(browser: httpx.AsyncClient, target: str) -> None:
    away = await browser.get("/sign-in/with/hospital", params={"next": target})
    there = await browser.get(away.headers["Location"])
    assert (await browser.get(there.headers["Location"])).headers["Location"] == "/"


async def test_there_is_no_way_to_a_provider_that_is_not_there(browser: httpx.AsyncClient) -> None:
    for path in ("/sign-in/with/nobody", "/sign-in/callback/nobody", "/sign-in/with/anonymous"):
        assert (await browser.get(path)).status_code == 404
    assert (await browser.get("/sign-in/refused")).headers["Location"] == "/"


async def sign_up(browser: httpx.AsyncClient, **more: str) -> str:
    """A new account with a password, signed in; its id."""
    name = f"u-{uuid4().hex[:8]}"
    answer = await browser.post("/parse/users", json={"username": name, "password": "pw", **more}, headers=APP)
    browser.cookies.set(COOKIE, answer.json()["sessionToken"])
    return str(answer.json()["objectId"])


async def test_an_address_opens_no_account_but_linking_does(
    browser: httpx.AsyncClient, issuer: Issuer, somebody: str, running_server: RunningServer
) -> None:
    address = f"{uuid4().hex[:8]}@example.org"
    issuer.changes = {"email": address, "email_verified": True}
    async with httpx.AsyncClient(base_url=running_server.url, timeout=PATIENCE) as first:
        user = await sign_up(first, email=address)
        words = await words_after(browser, await browser.get(await leave(browser)))
        assert words.startswith("There is an account with your e-mail address already. Sign in to it with its password and link")
        page = await first.get("/sign-ins")
        link = re.search(r'href="(/sign-in/with/hospital\?link=[^"]+)"', page.text)
        assert link, page.text
        back = await leave(first, link[1])
        assert (await first.get(back)).headers["Location"] == "/sign-ins"
        assert "Linked: it opens your account" in (await first.get("/sign-ins")).text
    assert (await browser.get(await leave(browser))).headers["Location"] == "/"
    assert (await me(browser))["objectId"] == user


async def test_an_address_that_the_issuer_has_not_verified_is_not_taken_over(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    issuer.changes = {"email": f"{uuid4().hex[:8]}@example.org", "email_verified": False}
    await browser.get(await leave(browser))
    assert "email" not in await me(browser)
    browser.cookies.clear()
    assert issuer.person is not None
    issuer.person["sub"], issuer.changes["email_verified"] = "another", True
    await browser.get(await leave(browser))
    account = await me(browser)
    assert (account["email"], account["emailVerified"]) == (issuer.changes["email"], True)


async def test_no_other_site_links_its_identity_to_my_account(browser: httpx.AsyncClient, running_server: RunningServer) -> None:
    await sign_up(browser)
    token = re.search(r"link=([^\"]+)\"", (await browser.get("/sign-ins")).text)
    assert token
    for link, site in (("", "same-origin"), ("x.y", "same-origin"), (token[1], "cross-site")):
        answer = await browser.get(f"/sign-in/with/hospital?link={link}", headers={"Sec-Fetch-Site": site})
        assert answer.headers["Location"] == "/?next=%2Fsign-ins"
    # An errand that was begun by one account ends with no other.
    back = await leave(browser, f"/sign-in/with/hospital?link={token[1]}")
    await sign_up(browser)
    assert (await browser.get(back)).headers["Location"] == "/sign-in/refused"
    assert "authData" not in await me(browser)


async def test_an_identity_of_another_account_is_told(browser: httpx.AsyncClient) -> None:
    await browser.get(await leave(browser))
    browser.cookies.clear()
    await sign_up(browser)
    link = re.search(r'href="(/sign-in/with/hospital\?link=[^"]+)"', (await browser.get("/sign-ins")).text)
    assert link
    answer = await browser.get(await leave(browser, link[1]))
    assert answer.headers["Location"] == "/sign-in/refused"
    page = await browser.get("/sign-in/refused")
    assert "That sign-in of St. Mary&#39;s opens another account already." in page.text
    assert "<h1>Other ways to sign in</h1>" in page.text


async def test_the_last_way_in_is_kept(browser: httpx.AsyncClient, somebody: str) -> None:
    await browser.get(await leave(browser))
    token = re.search(r'name="token" value="([^"]+)"', (await browser.get("/sign-ins")).text)
    assert token
    form = {"token": token[1], "provider": "hospital"}
    refused = await browser.post("/sign-ins/unlink", data=form)
    assert (refused.status_code, "This is the only way into your account." in refused.text) == (409, True)
    user = await me(browser)
    headers = {**APP, "X-Parse-Session-Token": browser.cookies[COOKIE]}
    told = await browser.put(f"/parse/users/{user['objectId']}", json={"password": "pw"}, headers=headers)
    browser.cookies.delete(COOKIE)
    browser.cookies.set(COOKIE, told.json()["sessionToken"])
    assert (await browser.post("/sign-ins/unlink", data={**form, "token": "x.y"})).headers["Location"] == "/?next=%2Fsign-ins"
    assert (await me(browser))["authData"] == {"hospital": {"id": somebody}}
    assert (await browser.post("/sign-ins/unlink", data=form)).headers["Location"] == "/sign-ins"
    assert "authData" not in await me(browser)


async def test_a_disabled_account_reads_why_it_stays_out(browser: httpx.AsyncClient, running_server: RunningServer) -> None:
    await browser.get(await leave(browser))
    user = (await me(browser))["objectId"]
    master = {**APP, "X-Parse-Master-Key": running_server.master_key}
    await browser.put(f"/parse/users/{user}", json={"active": False}, headers=master)
    browser.cookies.clear()
    answer = await browser.get(await leave(browser))
    assert await words_after(browser, answer) == "This account is not active; ask an admin to enable it."


async def test_guessed_codes_must_wait(browser: httpx.AsyncClient) -> None:
    words: list[str] = []
    while not (words and words[-1].startswith("Too many wrong sign-ins; wait")):
        state = parse_qs(urlsplit(await leave(browser)).query)["state"][0]
        words.append(await words_after(browser, await browser.get(f"/sign-in/callback/hospital?state={state}&code=guess")))
        assert len(words) < 2 * FAILURES  # one is forgiven every quarter of a minute, so a slow machine guesses more of them
