"""A small trade on a running server, and how others change it while somebody looks: what the trades of the tests share."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from tests.browser.visit import PASSWORD
from tests.conftest import RunningServer

PATIENCE = 40


class Trade:
    """A server with some people and things on it, and the master key beside it."""

    def __init__(self, server: RunningServer) -> None:
        headers = {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key}
        self.server = server
        self.url = server.url
        self._http = httpx.AsyncClient(base_url=f"{server.url}/parse", headers=headers, timeout=PATIENCE)

    async def __aenter__(self) -> Self:
        await self.fill()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def fill(self) -> None:
        """Puts on the server what every test finds there."""

    async def ask(self, method: str, path: str, body: object = None, **params: str | int) -> Any:
        """What a request with the master key answers."""
        answer = await self._http.request(method, path, json=body, params=params or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def until(self, path: str, is_so: Callable[[Any], bool]) -> Any:
        """What is stored, as soon as it is so."""
        async with asyncio.timeout(PATIENCE):
            while not is_so(found := await self.ask("GET", path)):  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.1)
        return found

    async def make(self, class_name: str, body: dict[str, Any]) -> dict[str, Any]:
        """A pointer to a new object."""
        made = await self.ask("POST", f"/classes/{class_name}", body)
        return {"__type": "Pointer", "className": class_name, "objectId": made["objectId"]}

    async def person(self, name: str, role: str, **more: object) -> dict[str, Any]:
        """A pointer to a new account, which signs in with the password of all."""
        account = {"username": name, "password": PASSWORD, "email": f"{name}@example.com", "role": role, "active": True}
        return await self.make("_User", {**account, **more})
