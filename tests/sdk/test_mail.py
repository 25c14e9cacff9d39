"""The official Parse SDK for JavaScript, unmodified: a forgotten password and a confirmed address, by mail."""

import asyncio
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.conftest import PATIENCE, RunningServer
from tests.mailbox import Mailbox, text_of
from tests.sdk.app import HERE, require_node

pytestmark = pytest.mark.node
ADDRESS = "ada@example.org"


@pytest.fixture
def posting(
    clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, Mailbox]]:
    """A server that confirms addresses, and the mailbox it sends to."""
    mailbox = Mailbox().start()
    server = RunningServer(clone_database(), tmp_path_factory.mktemp("server"))
    strict = {"CAREBOARD_VERIFY_EMAILS": "1", "CAREBOARD_PREVENT_LOGIN_WITH_UNVERIFIED_EMAIL": "1"}
    server.environment = mailbox.environment | strict | {"CAREBOARD_PUBLIC_URL": server.url}
    server.start()
    yield server, mailbox
    server.stop()
    mailbox.stop()


async def test_the_sdk_has_addresses_confirmed_and_passwords_reset(posting: tuple[RunningServer, Mailbox]) -> None:
    node, (server, mailbox) = require_node(), posting
    pipe = asyncio.subprocess.PIPE
    arguments = ("mail.mjs", f"{server.url}/parse", "careboard", ADDRESS)
    app = await asyncio.create_subprocess_exec(node, *arguments, cwd=HERE, stdin=pipe, stdout=pipe, stderr=pipe)
    assert app.stdin is not None
    assert app.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert await app.stdout.readline() == b"asked\n", await app.communicate()
        letters = await mailbox.wait(ADDRESS, 3)
        links = [re.findall(r"https?://\S+\?token=\S+", text_of(letter))[0] for letter in letters]
        await follow([link for link in links if "/verify_email?" in link], {})
        await follow(
            [link for link in links if "/request_password_reset?" in link],
            {"password": "from the link", "again": "from the link"},
        )
        app.stdin.write(b"go\n")
        told, complaints = await app.communicate()
    assert (app.returncode, told) == (0, b"done\n"), complaints.decode()


async def follow(links: list[str], given: dict[str, str]) -> None:
    """Opens the links in a browser of its own each and sends the forms there; one of them is the newest, and does it."""
    answers = []
    for link in links:
        async with httpx.AsyncClient(timeout=PATIENCE) as browser:
            page = await browser.get(link)
            form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
            if page.status_code == 200:
                answers.append((await browser.post(link.partition("?")[0], data=form | given)).status_code)
    assert answers in ([200], [303])
