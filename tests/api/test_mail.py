"""Mails over the doors: REST, GraphQL and the pages, by a server of two workers that is killed on the way."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.api.browser.forms import FORM_COOKIE
from app.store.mails import LEASE
from tests.api.graphql.asker import anonymous
from tests.api.test_metrics import numbers
from tests.conftest import PATIENCE, ROOT, RunningServer
from tests.mailbox import Mailbox

APP = {"X-Parse-Application-Id": "careboard"}
PASSWORD = "open sesame"


@dataclass
class Office:
    """A server of two workers, the mailbox it sends to, and a client."""

    server: RunningServer
    mailbox: Mailbox
    http: httpx.AsyncClient

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        """A request of REST."""
        return await self.http.post(f"/parse{path}", json=body, headers={**APP, **headers})

    async def sign_up(self, *, is_heard: bool = True) -> str:
        """A new account; its address, to which the first letter has come."""
        name = f"person-{uuid4().hex[:8]}"
        answer = await self.post("/users", {"username": name, "password": PASSWORD, "email": f"{name}@example.org"})
        assert answer.status_code == 201, answer.text
        if is_heard:
            await self.mailbox.wait(f"{name}@example.org")
        return f"{name}@example.org"

    async def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        """A sign-in over REST."""
        return await self.post("/login", {"username": name, "password": password})

    def path(self, address: str) -> str:
        """The newest link to an address, on this server."""
        return self.mailbox.link(address).removeprefix(self.server.url)

    async def sql(self, statement: str, *arguments: object) -> Any:
        """What the database says, or does."""
        connection = await asyncpg.connect(self.server.database_url)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    async def is_empty(self) -> bool:
        """Whether every mail is sent."""
        return bool(await self.sql("select not exists (select from careboard.mail)"))


@pytest.fixture(scope="module")
async def office(clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    mailbox = Mailbox().start()
    server = RunningServer(clone_database(), tmp_path_factory.mktemp("server"))
    more = {"CAREBOARD_PUBLIC_URL": server.url, "CAREBOARD_VERIFY_EMAILS": "true", "CAREBOARD_MAIL_REQUESTS": "0"}
    server.environment = mailbox.environment | more
    server.words = ["--workers", "2"]
    server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        yield Office(server, mailbox, http)
    if server.process.poll() is None:
        server.stop()
    mailbox.stop()


def form_of(page: httpx.Response) -> dict[str, str]:
    """The hidden inputs of a page's form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


# --- REST and GraphQL ---


@pytest.mark.parametrize("path", ["/requestPasswordReset", "/verificationEmailRequest"])
async def test_the_known_and_the_unknown_are_answered_alike(office: Office, path: str) -> None:
    known = await office.sign_up()
    answers = [await office.post(path, {"email": email}) for email in (known, "nobody@example.org")]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {}), (200, {})]
    first, second = ({name: value for name, value in answer.headers.items() if name != "date"} for answer in answers)
    assert first == second
    await office.mailbox.wait(known, 2)
    assert office.mailbox.to("nobody@example.org") == []


async def test_what_is_missing_is_told_as_parse_server_does(office: Office) -> None:
    for path in ("/requestPasswordReset", "/verificationEmailRequest"):
        assert (await office.post(path, {})).json() == {"code": 204, "error": "you must provide an email"}
        assert (await office.post(path, {"email": 7})).json()["code"] == 125


async def test_a_password_is_reset_over_graphql(office: Office) -> None:
    address, asker = await office.sign_up(), anonymous(office.server)
    ask = 'mutation ($email: String!) { resetPassword(input: {email: $email, clientMutationId: "1"}) { ok clientMutationId } }'
    for email in (address, "nobody@example.org"):
        assert await asker.ask(ask, {"email": email}) == {"resetPassword": {"ok": True, "clientMutationId": "1"}}
    await office.mailbox.wait(address, 2)
    token = office.mailbox.token(address)
    confirm = """
mutation ($username: String!, $password: String!, $token: String!) {
  confirmResetPassword(input: { username: $username, password: $password, token: $token }) { ok }
}"""
    given = {"username": address.partition("@")[0], "password": "from graphql", "token": token}
    assert await asker.refused(confirm, {**given, "token": "guess"}) == -1
    assert await asker.refused(confirm, {**given, "password": ""}) == 201
    assert await asker.ask(confirm, given) == {"confirmResetPassword": {"ok": True}}
    assert await asker.refused(confirm, given) == -1
    assert (await office.log_in(address, "from graphql")).status_code == 200


async def test_the_mail_that_confirms_is_sent_again_over_graphql(office: Office) -> None:
    address = await office.sign_up()
    ask = "mutation ($email: String!) { sendVerificationEmail(input: {email: $email}) { ok } }"
    assert await anonymous(office.server).ask(ask, {"email": address}) == {"sendVerificationEmail": {"ok": True}}
    assert len({letter["Message-ID"] for letter in await office.mailbox.wait(address, 2)}) == 2


# --- the pages ---


async def test_a_forgotten_password_goes_by_the_pages(office: Office) -> None:
    address = await office.sign_up()
    assert 'href="/forgot-password"' in (await office.http.get("/")).text
    told = []
    for email in (address, "nobody@example.org"):
        page = await office.http.get("/forgot-password")
        answer = await office.http.post("/forgot-password", data={**form_of(page), "email": email})
        told.append((answer.status_code, answer.text.replace(email, "")))
    assert told[0] == told[1]
    assert "If there is such an account" in told[0][1]
    await office.mailbox.wait(address, 2)
    path = office.path(address)
    page = await office.http.get(path)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"
    form, action = form_of(page), path.partition("?")[0]
    differing = await office.http.post(action, data={**form, "password": "one", "again": "other"})
    assert (differing.status_code, "not the same" in differing.text) == (400, True)
    done = await office.http.post(action, data={**form, "password": "chosen anew", "again": "chosen anew"})
    assert (done.status_code, done.headers["location"]) == (303, "/?set")
    assert "Your new password is set" in (await office.http.get("/?set")).text
    assert (await office.log_in(address, "chosen anew")).status_code == 200
    again = await office.http.get(path)
    assert (again.status_code, "This link does not work" in again.text) == (400, True)


async def test_a_form_of_another_site_and_a_form_without_its_cookie_set_nothing(office: Office) -> None:
    address = await office.sign_up()
    await office.post("/requestPasswordReset", {"email": address})
    await office.mailbox.wait(address, 2)
    path = office.path(address)
    form = form_of(await office.http.get(path)) | {"password": "theirs", "again": "theirs"}
    action = path.partition("?")[0]
    elsewhere = await office.http.post(action, data=form, headers={"Sec-Fetch-Site": "cross-site"})
    async with httpx.AsyncClient(base_url=office.server.url, timeout=PATIENCE) as stranger:
        bare = await stranger.post(action, data=form)
        other = await stranger.get("/")
        assert FORM_COOKIE in stranger.cookies
        mixed = await stranger.post(action, data={**form, "token": form_of(other)["token"] + "x"})
    assert [answer.status_code for answer in (elsewhere, bare, mixed)] == [400, 400, 400]
    assert (await office.log_in(address)).status_code == 200


async def test_opening_a_link_confirms_nothing_and_its_button_does(office: Office) -> None:
    address = await office.sign_up()
    path = office.path(address)
    verified = """select "emailVerified" from "_User" where "email" = $1"""
    for _ in range(2):
        page = await office.http.get(path)
        assert page.status_code == 200
    assert await office.sql(verified, address) is False
    done = await office.http.post(path.partition("?")[0], data=form_of(page))
    assert "Your address is confirmed" in done.text
    assert await office.sql(verified, address) is True
    assert (await office.http.get(path)).status_code == 400


@pytest.mark.parametrize("name", ["request_password_reset", "verify_email"])
async def test_a_link_without_a_token_with_a_wrong_one_or_of_another_application_is_dead(office: Office, name: str) -> None:
    for query in ("", "?token=", "?token=guess", "?token=%00", "?token=a&token=b"):
        assert (await office.http.get(f"/apps/careboard/{name}{query}")).status_code == 400, query
    assert (await office.http.get(f"/apps/another/{name}?token=guess")).status_code == 404


async def test_who_is_signed_in_turns_news_off_at_their_account(office: Office) -> None:
    address = await office.sign_up()
    async with httpx.AsyncClient(base_url=office.server.url, timeout=PATIENCE) as browser:
        assert (await browser.get("/account")).headers["location"] == "/?next=%2Faccount"
        form = form_of(await browser.get("/?next=/account"))
        entered = await browser.post("/sign-in", data={**form, "username": address, "password": PASSWORD})
        assert entered.headers["location"] == "/account"
        page = await browser.get("/account")
        assert f"{address}, not confirmed" in page.text
        assert 'name="news" value="yes" checked' in page.text
        stale = await browser.post("/account", data={"token": "x", "news": "yes"})
        assert stale.status_code == 400
        saved = await browser.post("/account", data={"token": form_of(page)["token"]})
        assert (saved.status_code, 'value="yes" checked' in saved.text) == (200, False)
    assert await office.sql("""select "emailNotifications" from "_User" where "email" = $1""", address) is False


# --- what may happen on the way ---


async def test_two_workers_send_each_mail_once(office: Office) -> None:
    addresses = await asyncio.gather(*(office.sign_up(is_heard=False) for _ in range(20)))
    for address in addresses:
        await office.mailbox.wait(address)
    await until(office.is_empty)
    assert [len(office.mailbox.to(address)) for address in addresses] == [1] * 20


async def test_a_server_killed_while_it_sends_sends_again_after_its_start(office: Office) -> None:
    address = await office.sign_up()
    office.mailbox.delay = 60
    assert (await office.post("/requestPasswordReset", {"email": address})).json() == {}
    await office.mailbox.busy()
    office.server.kill()
    office.mailbox.stop()
    office.mailbox.delay = 0
    kept = await office.sql("select count(*) from careboard.mail where attempts = 1 and claimed_until > now()")
    assert kept == 1
    await office.sql("update careboard.mail set claimed_until = claimed_until - $1::text::interval", LEASE)
    office.mailbox.start()
    office.server.start()
    await office.mailbox.wait(address, 2)
    assert (await office.http.get(office.path(address))).status_code == 200


async def test_what_was_given_up_is_counted_listed_and_tried_again(office: Office) -> None:
    office.mailbox.refusal = "550 no such user"
    address = await office.sign_up(is_heard=False)
    user_id = await office.sql("""select "objectId" from "_User" where "email" = $1""", address)
    await until(lambda: is_told(office))
    office.mailbox.refusal = ""
    listed = await run(office, "mail", "list")
    assert user_id in listed
    assert "given up SMTPRecipientRefused 550" in listed
    assert address not in listed
    await office.sql(
        "insert into careboard.mail (id, kind, user_id, dead_at, created_at)"
        " values ('old', 'password_reset', $1, now(), now() - interval '25 hours')",
        user_id,
    )
    again, dropped = (await run(office, "mail", "retry")).splitlines()
    assert again == "1 mail will be tried again."
    assert dropped == "1 was dropped, as its link has expired; who needs it can ask anew."
    assert await run(office, "mail", "retry") == "0 mails will be tried again.\n"
    await office.mailbox.wait(address)
    log = office.server.log.read_text(encoding="utf-8")
    assert "given up" in log
    assert "@example.org" not in log


async def is_told(office: Office) -> bool:
    """Whether a scrape counts a mail that was given up."""
    return (await numbers(office.server))["careboard_mails_dead"] == 1


async def until(probe: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so."""
    for _ in range(int(PATIENCE / 0.1)):
        if await probe():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it was never so")


async def run(office: Office, *words: str) -> str:
    """What a command of the terminal says."""
    environment = os.environ | {
        "DATABASE_URL": office.server.database_url,
        "CAREBOARD_MASTER_KEY": office.server.master_key,
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "app.cli", *words]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
