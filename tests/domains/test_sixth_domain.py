"""A sixth domain is one folder (tests/domains/sixth) and one line: everything else, from /schemas to the board, follows."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from app.actions.hooks import Hooks
from app.actions.objects import Objects, utc_now
from app.actions.users import Users
from app.api.request import COOKIE
from app.config import Settings
from app.core.wire import Json, date_to_wire, pointer
from app.main import DOMAINS, create_app
from app.store.database import Database
from app.store.migrate import migrate
from tests.domains.sixth.domain import SIXTH

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

ALL = (*DOMAINS, SIXTH)
"""The one line."""


class Client:
    """People over HTTP, each with a session."""

    def __init__(self, http: AsyncTestClient[Any], settings: Settings) -> None:
        self.http = http
        self.keys = {"X-Parse-Application-Id": settings.app_id}
        self.sessions: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: Json = None, *, who: str = "dispatcher") -> tuple[int, Any]:
        """Status and JSON of one request."""
        headers = {**self.keys, "X-Parse-Session-Token": self.sessions[who]} if who in self.sessions else self.keys
        answer = await self.http.request(method, f"/parse{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    async def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        answer = await self.http.get(path, headers={"Cookie": f"{COOKIE}={self.sessions['dispatcher']}"})
        return answer.status_code, answer.text


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[Client]:
    database = Database(settings)
    await database.start()
    await migrate(database, ALL)
    users = Users(Objects(database, await migrate(database, ALL), Hooks(), settings))
    for role in ("dispatcher", "admin"):
        await users.create_user_as_master(role, "open sesame", role, email=f"{role}@example.com", active=True)
    await database.stop()
    async with AsyncTestClient(create_app(settings, ALL)) as http:
        client = Client(http, settings)
        for role in ("dispatcher", "admin"):
            _, told = await client.ask("POST", "/login", {"username": role, "password": "open sesame"}, who="nobody")
            client.sessions[role] = told["sessionToken"]
        yield client


async def test_its_classes_its_states_and_its_rules_are_served(client: Client) -> None:
    status, told = await client.ask("POST", "/classes/WalkingFrame", {"label": "F-1", "state": "here"})
    assert status == 201
    frame = told["objectId"]
    lent: Json = {"state": "lent"}
    assert await client.ask("PUT", f"/classes/WalkingFrame/{frame}", lent) == (
        400,
        {"code": 142, "error": "state: fill dueAt to move it from here to lent."},
    )
    lent = {"state": "lent", "dueAt": date_to_wire(utc_now())}
    assert (await client.ask("PUT", f"/classes/WalkingFrame/{frame}", lent))[0] == 200
    _, me = await client.ask("GET", "/users/me")
    loan: Json = {"frame": pointer("WalkingFrame", frame), "borrower": pointer("_User", me["objectId"])}
    assert (await client.ask("POST", "/classes/Loan", loan))[0] == 201
    assert (await client.ask("DELETE", f"/classes/WalkingFrame/{frame}"))[1]["code"] == 142
    _, told = await client.ask("GET", "/classes/Loan?include=frame")
    assert told["results"][0]["frame"]["state"] == "lent"
    _, told = await client.ask("GET", "/states/WalkingFrame")
    assert "lost" in str(told)


async def test_its_board_is_drawn_and_stands_in_the_rail(client: Client) -> None:
    await client.ask("POST", "/classes/WalkingFrame", {"label": "F-2", "state": "here"})
    status, page = await client.page("/boards/frames")
    assert status == 200
    words = re.sub(r"<[^>]+>", " ", page)
    assert words.index("Walking frames · loans") < words.index("F-1") < words.index("F-2")
    status, other = await client.page("/boards/oxygen")
    assert status == 200
    assert 'href="/boards/frames"' in other


async def test_what_it_writes_is_audited(client: Client) -> None:
    _, told = await client.ask("GET", "/classes/AuditLog", who="admin")
    assert {"create WalkingFrame: label, state", "create Loan: borrower, frame"} <= {row["summary"] for row in told["results"]}
