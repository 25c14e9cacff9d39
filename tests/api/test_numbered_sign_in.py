"""Numbered sign-ups by a provider that takes its time: asked once and first, with no connection held meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest

from app.actions.hooks import AuthAnswer, AuthRequest
from app.api.request import Services
from app.config import Settings
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from app.main import create_app

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

PATIENCE = 60
ONCE = (400, {"code": 159, "error": "Duplicate request"})


class Desk:
    """A server whose provider is slow, and says whether somebody held a connection while it was asked."""

    def __init__(self, http: httpx.AsyncClient, services: Services) -> None:
        self.http = http
        self.database = services.database
        self.asked = 0
        self.holding: list[bool] = []
        self.meeting: asyncio.Barrier | None = None
        services.objects.hooks.define_auth("badge", self.validate)

    async def validate(self, part: Object, request: AuthRequest) -> AuthAnswer:
        self.asked += 1
        self.holding.append(self.database.engine.current_transaction.get() is not None)
        if self.meeting is not None:
            async with asyncio.timeout(PATIENCE):
                await self.meeting.wait()
        if part.get("pin") == "wrong":
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "This badge and PIN do not fit.")
        return AuthAnswer()

    async def send(self, method: str, path: str, number: str, body: Object, **headers: str) -> httpx.Response:
        """The answer to a numbered request."""
        keys = {"X-Parse-Application-Id": "careboard", "X-Parse-Request-Id": number, **headers}
        return await self.http.request(method, f"/parse{path}", json=body, headers=keys)


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """In the task of the test: the server's lifespan is left by whom it was entered."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar's names of ASGI
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://desk", timeout=PATIENCE) as http:
        yield Desk(http, app.state.services)


def badge(number: str, pin: str = "1") -> Object:
    return {"authData": {"badge": {"id": number, "pin": pin}}}


@pytest.mark.parametrize("path", ["/users", "/classes/_User"])
async def test_no_connection_is_held_while_the_provider_of_a_numbered_sign_up_is_asked(settings: Settings, path: str) -> None:
    async with open_desk(settings) as desk:
        number, person = uuid4().hex, uuid4().hex
        assert (await desk.send("POST", path, number, badge(person, "wrong"))).json()["code"] == 101
        assert (await desk.send("POST", path, number, badge(person))).status_code == 201
        again = await desk.send("POST", path, number, badge(person))
        assert (again.status_code, again.json()) == ONCE
        assert desk.holding == [False, False]
        assert (await desk.send("POST", path, uuid4().hex, badge(person))).status_code == 200


@pytest.mark.parametrize("path", ["/users", "/classes/_User"])
async def test_nor_while_a_sign_in_is_linked_by_a_numbered_save(settings: Settings, path: str) -> None:
    async with open_desk(settings) as desk:
        made = (await desk.send("POST", "/users", uuid4().hex, {"username": uuid4().hex, "password": "p"})).json()
        desk.asked, desk.holding = 0, []
        own, number, held = f"{path}/{made['objectId']}", uuid4().hex, badge(uuid4().hex)
        session = {"X-Parse-Session-Token": made["sessionToken"]}
        assert (await desk.send("PUT", own, uuid4().hex, held)).json()["code"] == 206
        assert desk.asked == 0
        assert (await desk.send("PUT", own, number, held, **session)).status_code == 200
        again = await desk.send("PUT", own, number, held, **session)
        assert (again.status_code, again.json()) == ONCE
        assert desk.holding == [False]
        assert (await desk.http.get(f"/parse{own}", headers={"X-Parse-Application-Id": "careboard", **session})).json()[
            "authData"
        ] == held["authData"]


@pytest.mark.parametrize("numbers", [("", ""), ("one", "another")])
async def test_of_two_devices_that_sign_up_at_once_one_makes_the_account_and_both_are_in(
    settings: Settings, numbers: tuple[str, str]
) -> None:
    async with open_desk(settings) as desk:
        person, desk.meeting = badge(uuid4().hex), asyncio.Barrier(2)
        try:
            sent = (desk.send("POST", "/users", number and number + uuid4().hex, person) for number in numbers)
            answers = await asyncio.gather(*sent)
        finally:
            desk.meeting = None
        assert sorted(answer.status_code for answer in answers) == [200, 201], [answer.text for answer in answers]
        assert len({answer.json()["objectId"] for answer in answers}) == 1
        assert all(answer.json()["sessionToken"] for answer in answers)
