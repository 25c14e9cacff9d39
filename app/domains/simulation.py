"""What every simulation shares: the REST API as its people use it, a day of planned acts, and the line that says how far it is.

Owns: `Api`, `Day`, `Tally`, `Options`, `Simulate`, `drive`. Holds: the writes of a simulation are made with sessions of the
people who would make them; the master key only finds or makes accounts and signs them in; the times sent are real, what runs
faster is the day. A refused write is counted and told, and does not end the day. May import core.
"""

import asyncio
import contextlib
import heapq
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from app.core.wire import Object, encode
from app.errors import ErrorCode, ParseError

AT_ONCE: Final = 8
"""Requests of one simulation that may be under way."""


@dataclass(slots=True)
class Tally:
    """What a simulation did so far, counted by word ("checks"), and what was refused."""

    counts: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    last_refusal: str = ""
    clock: float = 0.0

    def add(self, word: str, number: int = 1) -> None:
        """Counts a write that was made."""
        self.counts[word] = self.counts.get(word, 0) + number

    def refuse(self, message: str) -> None:
        """Counts a write that was refused, and keeps the server's words."""
        self.refused, self.last_refusal = self.refused + 1, message

    @property
    def writes(self) -> int:
        """Requests that changed something."""
        return sum(self.counts.values())

    def told(self) -> str:
        """The tally in one line."""
        minutes = int(self.clock)
        parts = [f"simulated {minutes // 60:02d}:{minutes % 60:02d} h", *(f"{n} {word}" for word, n in self.counts.items())]
        if self.refused:
            parts.append(f"refused {self.refused} ({self.last_refusal[:60]})")
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Options:
    """How a simulation is wanted: `size` in its main objects, `speed` in times faster than life, `minutes` of real time (0: until
    it is stopped). The same seed on the same data draws the same story."""

    size: int = 40
    speed: float = 60.0
    seed: int = 7
    minutes: float = 0.0


@dataclass(slots=True)
class Api:
    """The REST API, and the sessions of the people who use it."""

    client: httpx.AsyncClient
    master_key: str
    sessions: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, body: Object | None = None, *, user: str | None = None) -> Object:
        """One request as `user` (an objectId), or with the master key. Raises ParseError with the server's own words."""
        key = {"X-Parse-Session-Token": self.sessions[user]} if user else {"X-Parse-Master-Key": self.master_key}
        content = encode(body) if body is not None else None
        headers = {**key, "Content-Type": "application/json"}
        try:
            answer = await self.client.request(method, path, content=content, headers=headers)
            told = answer.json()
        except (httpx.TransportError, ValueError) as cause:
            words = f"No answer from Careboard at {self.client.base_url}; start it with `careboard` or give its --url."
            raise ParseError(ErrorCode.CONNECTION_FAILED, words) from cause
        if not isinstance(told, dict) or answer.status_code >= 400:
            told = told if isinstance(told, dict) else {}
            raise ParseError(_code(told.get("code")), str(told.get("error", f"answered {answer.status_code}")))
        return cast(Object, told)

    async def find(
        self, path: str, where: Object, limit: int, *, user: str | None = None, order: str = "createdAt", include: str = ""
    ) -> list[Any]:
        """The objects of a query, oldest first. `path` is "/users" or "/classes/<Class>"."""
        asked = {"where": encode(where).decode(), "limit": str(limit), "order": order} | ({"include": include} if include else {})
        return cast(list[Any], (await self.ask("GET", f"{path}?{httpx.QueryParams(asked)}", user=user))["results"])

    async def sign_in(self, user: str) -> None:
        """A session of this user."""
        told = await self.ask("POST", f"/loginAs?userId={user}")
        self.sessions[user] = str(told["sessionToken"])

    async def staff(self, role: str, wanted: int) -> list[str]:
        """The active accounts of a role, signed in; where there are none, so many are made, with passwords nobody knows."""
        found = [str(user["objectId"]) for user in await self.find("/users", {"role": role, "active": True}, 1000)]
        for number in range(0 if found else wanted):
            name = f"sim-{role.lower()}-{number + 1}"
            body: Object = {
                "username": name,
                "email": f"{name}@careboard.example",
                "password": secrets.token_urlsafe(18),
                "role": role,
                "active": True,
                "displayName": f"Simulated {role} {number + 1}",
            }
            found.append(str((await self.ask("POST", "/users", body))["objectId"]))
        for user in found:
            await self.sign_in(user)
        return found


Act = Callable[[], Awaitable[None]]
Otherwise = Callable[[ParseError], Awaitable[None]]

Simulate = Callable[[Api, Options, Tally], Coroutine[Any, Any, None]]
"""The simulation of a domain: works until `Options.minutes` are over, and counts into the tally as it goes."""


class Day:
    """A working day: what happens next is on a heap, by the simulated clock."""

    def __init__(self, speed: float, tally: Tally) -> None:
        self.tally = tally
        self._speed = speed
        self._began = time.monotonic()
        self._due: list[tuple[float, int, Act, Otherwise | None]] = []
        self._number = 0
        self._busy = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    @property
    def clock(self) -> float:
        """Simulated minutes since the start."""
        return (time.monotonic() - self._began) * self._speed / 60

    def plan(self, minutes: float, act: Act, otherwise: Otherwise | None = None) -> None:
        """Lets `act` happen in so many simulated minutes; when the server refuses it, `otherwise` says what then."""
        self._number += 1
        heapq.heappush(self._due, (self.clock + minutes, self._number, act, otherwise))

    async def run(self, minutes: float) -> None:
        """Works for so many minutes of real time; 0 works until cancelled. Raises what a simulation did wrong itself."""
        ends = time.monotonic() + minutes * 60 if minutes else float("inf")
        try:
            while time.monotonic() < ends:
                while self._due and self._due[0][0] <= self.clock:
                    self._begin()
                self.tally.clock = self.clock
                await asyncio.sleep(0.05)
            await asyncio.gather(*self._running)
        finally:
            for task in self._running:
                task.cancel()

    def _begin(self) -> None:
        _, _, act, otherwise = heapq.heappop(self._due)
        task = asyncio.create_task(self._act(act, otherwise))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _act(self, act: Act, otherwise: Otherwise | None) -> None:
        async with self._busy:
            try:
                await act()
            except ParseError as refusal:
                self.tally.refuse(refusal.message)
                if otherwise is not None:
                    with contextlib.suppress(ParseError):
                        await otherwise(refusal)


async def drive(
    url: str,
    app_id: str,
    master_key: str,
    simulations: Mapping[str, Simulate],
    options: Options,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    console: Console | None = None,
) -> dict[str, Tally]:
    """Runs simulations side by side, a line of progress each. `url` is the REST API with its mount.

    Raises ParseError when the server does not answer or does not know the keys.
    """
    tallies = {name: Tally() for name in simulations}
    headers = {"X-Parse-Application-Id": app_id}
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, limits=limits, transport=transport) as client:
        with _progress(console or Console()) as progress:
            lines = {name: progress.add_task(name, total=options.minutes * 60 or None) for name in simulations}
            teller = asyncio.create_task(_tell(progress, lines, tallies))
            try:
                async with asyncio.TaskGroup() as group:
                    for name, simulate in simulations.items():
                        group.create_task(simulate(Api(client, master_key), options, tallies[name]))
            except* ParseError as failed:
                raise _first(failed) from None
            finally:
                teller.cancel()
                _show(progress, lines, tallies)
    return tallies


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    return Progress(*columns, console=console, refresh_per_second=4)


async def _tell(progress: Progress, lines: dict[str, TaskID], tallies: dict[str, Tally]) -> None:
    began = time.monotonic()
    while True:
        _show(progress, lines, tallies)
        for line in lines.values():
            progress.update(line, completed=time.monotonic() - began)
        await asyncio.sleep(0.25)


def _show(progress: Progress, lines: dict[str, TaskID], tallies: dict[str, Tally]) -> None:
    for name, line in lines.items():
        progress.update(line, description=f"{name}: {tallies[name].told()}")


def _first(failed: BaseExceptionGroup[ParseError]) -> ParseError:
    first = failed.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _code(number: object) -> ErrorCode:
    try:
        return ErrorCode(int(str(number)))
    except ValueError:
        return ErrorCode.OTHER_CAUSE
