"""A fleet that lives: tanks drain by the formula, drivers check, refill and hand them off, through the public REST API alone.

Owns: `simulate`. Holds: every write of the fleet is made by a driver or a dispatcher with a session of theirs, as a phone
would make it; the master key only finds or makes those accounts and signs them in. Times sent are real; what runs faster is
the draining. The same seed and fleet draw the same checks, refills and swaps. May import core and rules.py.
"""

import asyncio
import contextlib
import heapq
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, cast

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.core.wire import Json, Object, date_to_wire, encode, pointer
from app.domains.oxygen.rules import LITRES_PER_PSI, RESIDUAL_PSI
from app.errors import ErrorCode, ParseError

FULL_PSI: Final = 2015
AT_ONCE: Final = 8
DRIVERS: Final = 4
TANKS_A_SITE: Final = 5
_CYLINDERS: Final = (("E", 2.0), ("E", 1.0), ("D", 1.0), ("M60", 2.0), ("M60", 3.0), ("M", 4.0), ("E", 3.0))
_SWAP: Final = ("empty", "returned", "filling", "qc_hold", "full", "loaded", "at_site", "in_use")
"""The round of a tank that is taken away full and brought back."""

_AT_THE_DEPOT: Final = frozenset({"filling", "qc_hold", "full"})
_TOLD_AS: Final = {"returned": "picked_up", "loaded": "loaded", "at_site": "delivered", "in_use": "handoff"}


@dataclass(slots=True)
class Tally:
    """What the simulation did so far."""

    checks: int = 0
    refills: int = 0
    hand_offs: int = 0
    refused: int = 0
    last_refusal: str = ""

    @property
    def writes(self) -> int:
        """Requests that changed something."""
        return self.checks + self.refills + self.hand_offs


@dataclass(slots=True)
class Tank:
    """The truth about one tank, which the server only learns by checks. `minutes` of the simulated clock count from the start."""

    object_id: str
    driver: str
    size: str
    flow_lpm: float
    psi: float
    status: str
    rng: Random
    drained_at: float = 0.0

    def drain(self, minutes: float) -> None:
        """Lets the time up to `minutes` pass; only a tank in use gives oxygen."""
        passed, self.drained_at = max(0.0, minutes - self.drained_at), minutes
        if self.status == "in_use":
            self.psi = max(0.0, self.psi - passed * self.flow_lpm / LITRES_PER_PSI[self.size])

    @property
    def minutes_left(self) -> float:
        """By the formula, from the true pressure."""
        return max(0.0, self.psi - RESIDUAL_PSI) * LITRES_PER_PSI[self.size] / self.flow_lpm


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

    async def find(self, path: str, where: Object, limit: int, *, user: str | None = None, order: str = "createdAt") -> list[Any]:
        """The objects of a query, oldest first."""
        query = httpx.QueryParams({"where": encode(where).decode(), "limit": str(limit), "order": order})
        return cast(list[Any], (await self.ask("GET", f"{path}?{query}", user=user))["results"])

    async def sign_in(self, user: str) -> None:
        """A session of this user."""
        told = await self.ask("POST", f"/loginAs?userId={user}")
        self.sessions[user] = str(told["sessionToken"])


async def simulate(
    url: str,
    app_id: str,
    master_key: str,
    *,
    tanks: int = 40,
    speed: float = 60.0,
    seed: int = 7,
    minutes: float = 0.0,
    transport: httpx.AsyncBaseTransport | None = None,
    console: Console | None = None,
) -> Tally:
    """Drives a fleet of `tanks` for `minutes` of real time (0: until cancelled), `speed` times faster than life.

    `url` is the REST API with its mount. Tanks, sites and drivers that are there are used, missing ones are made. Raises
    ParseError when the server does not answer or does not know the keys.
    """
    headers = {"X-Parse-Application-Id": app_id}
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, limits=limits, transport=transport) as client:
        api = Api(client, master_key)
        dispatcher, drivers = await _sign_staff_in(api)
        fleet = await _fleet(api, dispatcher, drivers, tanks, seed)
        day = Day(api, dispatcher, fleet, speed)
        await _with_progress(day, minutes * 60, console or Console())
    return day.tally


class Day:
    """The working day of the fleet: what happens next is on a heap, by the simulated clock."""

    def __init__(self, api: Api, dispatcher: str, fleet: list[Tank], speed: float) -> None:
        self.tally = Tally()
        self._api, self._dispatcher, self._speed = api, dispatcher, speed
        self._began = time.monotonic()
        self._due: list[tuple[float, int, Tank, Callable[[Tank], Awaitable[None]]]] = []
        self._number = 0
        self._busy = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        for tank in fleet:
            self._plan(tank, tank.rng.uniform(0, 90), self._check if tank.status == "in_use" else self._step)

    @property
    def clock(self) -> float:
        """Simulated minutes since the start."""
        return (time.monotonic() - self._began) * self._speed / 60

    async def run(self, seconds: float) -> None:
        """Works until `seconds` of real time are over; 0 works until cancelled."""
        ends = time.monotonic() + seconds if seconds else float("inf")
        try:
            while time.monotonic() < ends:
                while self._due and self._due[0][0] <= self.clock:
                    self._begin()
                await asyncio.sleep(0.05)
            await asyncio.gather(*self._running)
        finally:
            for task in self._running:
                task.cancel()

    def _plan(self, tank: Tank, minutes: float, act: Callable[[Tank], Awaitable[None]]) -> None:
        self._number += 1
        heapq.heappush(self._due, (self.clock + minutes, self._number, tank, act))

    def _begin(self) -> None:
        _, _, tank, act = heapq.heappop(self._due)
        task = asyncio.create_task(self._act(tank, act))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _act(self, tank: Tank, act: Callable[[Tank], Awaitable[None]]) -> None:
        async with self._busy:
            tank.drain(self.clock)
            try:
                await act(tank)
            except ParseError as refusal:
                self.tally.refused += 1
                self.tally.last_refusal = refusal.message
                with contextlib.suppress(ParseError):
                    await self._look_again(tank, refusal)
                self._plan(tank, tank.rng.uniform(20, 60), self._check if tank.status == "in_use" else self._step)

    async def _look_again(self, tank: Tank, refusal: ParseError) -> None:
        """Somebody else may have changed the tank, or the session ended."""
        if refusal.code is ErrorCode.INVALID_SESSION_TOKEN:
            for user in (tank.driver, self._dispatcher):
                await self._api.sign_in(user)
        stored = await self._api.ask("GET", f"/classes/TankAssignment/{tank.object_id}", user=self._dispatcher)
        tank.status, tank.driver = str(stored["status"]), _id(stored["assignedDriver"])
        if tank.driver not in self._api.sessions:
            await self._api.sign_in(tank.driver)

    async def _check(self, tank: Tank) -> None:
        """A driver reads the gauge; near the end they refill at once, or take the tank away."""
        await self._event(tank, "psi_check", psi=round(tank.psi))
        self.tally.checks += 1
        if tank.minutes_left > 45 or tank.rng.random() < 0.15:
            self._plan(tank, tank.rng.uniform(15, 40) if tank.minutes_left < 120 else tank.rng.uniform(60, 200), self._check)
        elif tank.rng.random() < 0.75:
            self._plan(tank, tank.rng.uniform(8, 30), self._refill)
        else:
            self._plan(tank, tank.rng.uniform(8, 30), self._step)

    async def _refill(self, tank: Tank) -> None:
        await self._event(tank, "arrived")
        await self._fill(tank, tank.driver, "low pressure" if tank.psi < 500 else "routine")
        await self._event(tank, "handoff")
        self.tally.hand_offs += 2
        self._plan(tank, tank.rng.uniform(60, 200), self._check)

    async def _step(self, tank: Tank) -> None:
        """One step of the round; what happens at the depot is recorded by the dispatcher."""
        target = _SWAP[(_SWAP.index(tank.status) + 1) % len(_SWAP)]
        who = self._dispatcher if target in _AT_THE_DEPOT else tank.driver
        await self._api.ask("PUT", f"/classes/TankAssignment/{tank.object_id}", {"status": target}, user=who)
        tank.status = target
        self.tally.hand_offs += 1
        if target == "qc_hold":
            await self._fill(tank, self._dispatcher, "depot fill")
        if target in _TOLD_AS:
            await self._event(tank, _TOLD_AS[target])
            self.tally.hand_offs += 1
        self._plan(tank, tank.rng.uniform(10, 40), self._check if target == "in_use" else self._step)

    async def _fill(self, tank: Tank, who: str, reason: str) -> None:
        full = FULL_PSI + tank.rng.randint(-25, 60)
        body: Object = {
            "tankAssignment": pointer("TankAssignment", tank.object_id),
            "refillTime": _now(),
            "psiBefore": round(tank.psi),
            "psiAfter": full,
            "refilledBy": pointer("_User", who),
            "refillReason": reason,
        }
        await self._api.ask("POST", "/classes/RefillLog", body, user=who)
        tank.psi = float(full)
        self.tally.refills += 1

    async def _event(self, tank: Tank, kind: str, *, psi: int | None = None) -> None:
        body: Object = {
            "tankAssignment": pointer("TankAssignment", tank.object_id),
            "eventType": kind,
            "eventTime": _now(),
            "recordedBy": pointer("_User", tank.driver),
        }
        await self._api.ask("POST", "/classes/DispatchEvent", body | ({} if psi is None else {"psiLevel": psi}), user=tank.driver)


async def _with_progress(day: Day, seconds: float, console: Console) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        line = progress.add_task(_told(day), total=seconds or None)

        async def tell() -> None:
            began = time.monotonic()
            while True:
                progress.update(line, description=_told(day), completed=time.monotonic() - began)
                await asyncio.sleep(0.25)

        teller = asyncio.create_task(tell())
        try:
            await day.run(seconds)
        finally:
            teller.cancel()
            progress.update(line, description=_told(day))


def _told(day: Day) -> str:
    tally, minutes = day.tally, int(day.clock)
    refused = f" · refused {tally.refused} ({tally.last_refusal[:60]})" if tally.refused else ""
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}"
    return f"simulated {clock} h · {tally.checks} checks · {tally.refills} refills · {tally.hand_offs} hand-offs{refused}"


async def _sign_staff_in(api: Api) -> tuple[str, list[str]]:
    """A dispatcher and the drivers, signed in; missing ones are made with passwords nobody knows."""
    dispatchers = await _staff(api, "dispatcher", 1)
    drivers = await _staff(api, "driver", DRIVERS)
    for user in (dispatchers[0], *drivers):
        await api.sign_in(user)
    return dispatchers[0], drivers


async def _staff(api: Api, role: str, wanted: int) -> list[str]:
    found = [str(user["objectId"]) for user in await api.find("/users", {"role": role, "active": True}, 1000)]
    for number in range(0 if found else wanted):
        name = f"sim-{role}-{number + 1}"
        body: Object = {
            "username": name,
            "email": f"{name}@careboard.example",
            "password": secrets.token_urlsafe(18),
            "role": role,
            "active": True,
            "displayName": f"Simulated {role} {number + 1}",
        }
        found.append(str((await api.ask("POST", "/users", body))["objectId"]))
    return found


async def _fleet(api: Api, dispatcher: str, drivers: list[str], wanted: int, seed: int) -> list[Tank]:
    """The oldest tanks whose size and flow are known, and new ones up to the number wanted."""
    where: Object = {
        "cylinderSize": {"$exists": True},
        "flowLpm": {"$exists": True},
        "status": {"$in": list[Json](_SWAP)},
        "assignedDriver": {"$in": [pointer("_User", driver) for driver in drivers]},
    }
    stored = await api.find("/classes/TankAssignment", where, wanted, user=dispatcher)
    missing = wanted - len(stored)
    if missing > 0:
        rng = Random(seed)  # noqa: S311 - a story, not a secret
        sites = await _sites(api, dispatcher, drivers, -(-missing // TANKS_A_SITE))
        made = [_new_tank(number, rng, sites, drivers, seed) for number in range(missing)]
        for body in made:
            saved = await api.ask("POST", "/classes/TankAssignment", body, user=dispatcher)
            stored.append({**body, "objectId": saved["objectId"]})
    return [_tank(each, seed) for each in stored]


async def _sites(api: Api, dispatcher: str, drivers: list[str], wanted: int) -> list[str]:
    sites = [str(site["objectId"]) for site in await api.find("/classes/PatientSite", {}, wanted, user=dispatcher)]
    for number in range(len(sites), wanted):
        body: Object = {
            "siteName": f"Simulated home {number + 1}",
            "addressLine1": f"{100 + number} Test Track Rd",
            "city": "Portland",
            "region": "OR",
            "postalCode": "97202",
            "primaryContact": pointer("_User", drivers[number % len(drivers)]),
        }
        sites.append(str((await api.ask("POST", "/classes/PatientSite", body, user=dispatcher))["objectId"]))
    return sites


def _new_tank(number: int, rng: Random, sites: list[str], drivers: list[str], seed: int) -> Object:
    size, flow = rng.choice(_CYLINDERS)
    return {
        "tankSerialNumber": f"SIM-{seed}-{number + 1:05d}",
        "psiLevel": rng.randint(400, FULL_PSI),
        "status": "in_use",
        "assignedSite": pointer("PatientSite", sites[number // TANKS_A_SITE % len(sites)]),
        "assignedDriver": pointer("_User", drivers[number % len(drivers)]),
        "cylinderSize": size,
        "flowLpm": flow,
    }


def _tank(stored: Object, seed: int) -> Tank:
    return Tank(
        object_id=str(stored["objectId"]),
        driver=_id(stored["assignedDriver"]),
        size=str(stored["cylinderSize"]),
        flow_lpm=float(str(stored["flowLpm"])),
        psi=float(str(stored["psiLevel"])),
        status=str(stored["status"]),
        rng=Random(f"{seed}:{stored['tankSerialNumber']}"),  # noqa: S311 - a story, not a secret
    )


def _id(value: Json) -> str:
    return str(value["objectId"]) if isinstance(value, dict) else ""


def _now() -> Object:
    return date_to_wire(datetime.now(UTC))


def _code(number: object) -> ErrorCode:
    try:
        return ErrorCode(int(str(number)))
    except ValueError:
        return ErrorCode.OTHER_CAUSE
