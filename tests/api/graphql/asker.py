"""A plain HTTP client of /graphql, for the tests of it."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.conftest import RunningServer


@dataclass(frozen=True)
class Asker:
    """One caller's way to /graphql."""

    server: RunningServer
    headers: dict[str, str]

    async def post(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one operation."""
        body = {"query": query, "variables": variables or {}}
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(f"{self.server.url}/graphql", json=body, headers={**self.headers, **headers})
        return answer.status_code, answer.json()

    async def ask(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """The data of an operation that must succeed."""
        status, told = await self.post(query, variables)
        assert status == 200, told
        assert "errors" not in told, told
        return told["data"]

    async def refused(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """The code of the first error of an operation that must fail."""
        _, told = await self.post(query, variables)
        assert told.get("errors"), told
        return told["errors"][0]["extensions"]["code"]

    def signed_in(self, token: str) -> "Asker":
        """The same with a session."""
        kept = {name: value for name, value in self.headers.items() if name != "X-Parse-Master-Key"}
        return Asker(self.server, {**kept, "X-Parse-Session-Token": token})


def anonymous(server: RunningServer) -> Asker:
    """Nobody."""
    return Asker(server, {"X-Parse-Application-Id": server.app_id})


def master(server: RunningServer) -> Asker:
    """The master key."""
    return Asker(server, {"X-Parse-Application-Id": server.app_id, "X-Parse-Master-Key": server.master_key})
