"""A fleet that lives: tanks drain by the formula, drivers check, refill and hand them off, through the public REST API alone.

Owns: `simulate`. Holds: every write of the fleet is made by a driver or a dispatcher with a session of theirs, as a phone
would make it; the master key only finds or makes those accounts and signs them in. Times sent are real; what runs faster is
the draining. The same seed and fleet draw the same checks, refills and swaps. May import core,
simulation.py and rules.py.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.oxygen.rules import LITRES_PER_PSI, RESIDUAL_PSI
from app.domains.simulation import Api, Day, Options, Tally
from app.errors import ErrorCode, ParseError

FULL_PSI: Final = 2015
DRIVERS: Final = 4
TANKS_A_SITE: Final = 5
_CYLINDERS: Final = (("E", 2.0), ("E", 1.0), ("D", 1.0), ("M60", 2.0), ("M60", 3.0), ("M", 4.0), ("E", 3.0))
_SWAP: Final = ("empty", "returned", "filling", "qc_hold", "full", "loaded", "at_site", "in_use")
"""The round of a tank that is taken away full and brought back."""

_AT_THE_DEPOT: Final = frozenset({"filling", "qc_hold", "full"})
_TOLD_AS: Final = {"returned": "picked_up", "loaded": "loaded", "at_site": "delivered", "in_use": "handoff"}


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


async def simulate(api: Api, options: Options, tally: Tally) -> None:
    """Drives a fleet of `options.size` tanks. Tanks, sites and drivers that are there are used, missing ones are made."""
    dispatcher = (await api.staff("dispatcher", 1))[0]
    drivers = await api.staff("driver", DRIVERS)
    fleet = await _fleet(api, dispatcher, drivers, options.size, options.seed)
    day = Day(options.speed, tally)
    Rounds(api, dispatcher, day).begin(fleet)
    await day.run(options.minutes)


class Rounds:
    """What is done to each tank, one act after the other."""

    def __init__(self, api: Api, dispatcher: str, day: Day) -> None:
        self._api, self._dispatcher, self._day, self._tally = api, dispatcher, day, day.tally

    def begin(self, fleet: list[Tank]) -> None:
        """Plans the first act of every tank."""
        for tank in fleet:
            self._plan_next(tank, 0, 90)

    def _plan_next(self, tank: Tank, soonest: float, latest: float) -> None:
        self._plan(tank, tank.rng.uniform(soonest, latest), self._check if tank.status == "in_use" else self._step)

    def _plan(self, tank: Tank, minutes: float, act: Callable[[Tank], Awaitable[None]]) -> None:
        async def drained() -> None:
            tank.drain(self._day.clock)
            await act(tank)

        async def otherwise(refusal: ParseError) -> None:
            try:
                await self._look_again(tank, refusal)
            finally:
                self._plan_next(tank, 20, 60)

        self._day.plan(minutes, drained, otherwise)

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
        self._tally.add("checks")
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
        self._tally.add("hand-offs", 2)
        self._plan(tank, tank.rng.uniform(60, 200), self._check)

    async def _step(self, tank: Tank) -> None:
        """One step of the round; what happens at the depot is recorded by the dispatcher."""
        target = _SWAP[(_SWAP.index(tank.status) + 1) % len(_SWAP)]
        who = self._dispatcher if target in _AT_THE_DEPOT else tank.driver
        await self._api.ask("PUT", f"/classes/TankAssignment/{tank.object_id}", {"status": target}, user=who)
        tank.status = target
        self._tally.add("hand-offs")
        if target == "qc_hold":
            await self._fill(tank, self._dispatcher, "depot fill")
        if target in _TOLD_AS:
            await self._event(tank, _TOLD_AS[target])
            self._tally.add("hand-offs")
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
        self._tally.add("refills")

    async def _event(self, tank: Tank, kind: str, *, psi: int | None = None) -> None:
        body: Object = {
            "tankAssignment": pointer("TankAssignment", tank.object_id),
            "eventType": kind,
            "eventTime": _now(),
            "recordedBy": pointer("_User", tank.driver),
        }
        await self._api.ask("POST", "/classes/DispatchEvent", body | ({} if psi is None else {"psiLevel": psi}), user=tank.driver)


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
