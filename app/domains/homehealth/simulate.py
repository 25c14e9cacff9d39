"""A working day of an agency: visits are planned, offered, made, logged and verified, through the public REST API alone.

Owns: `simulate`. Holds: every write is made by a dispatcher, a coordinator or the visit's own technician with a session of
theirs, as a phone would make it; the master key only finds or makes those accounts and signs them in. Technicians work through
the visits that are there, soonest first, and the desk plans new ones behind them. Times sent are real; what runs faster is the
day. May import core, simulation.py, limits.py and the rules and places of this domain.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.homehealth.places import ABSENT, CENTRE, CLIENTS, DONE, HELD, PARTS, STREETS, VISITS
from app.domains.homehealth.rules import WAITING
from app.domains.limits import instant, pointed
from app.domains.simulation import Api, Day, Options, Tally
from app.errors import ErrorCode, ParseError

TECHNICIANS: Final = 6
_OPEN: Final[list[Json]] = [*WAITING, "missed", "in_progress", "on_hold"]
_NEXT: Final = {
    "assigned": ("confirmed", 2, 10),
    "confirmed": ("en_route", 5, 30),
    "en_route": ("in_progress", 8, 25),
    "missed": ("in_progress", 1, 5),
    "on_hold": ("in_progress", 5, 20),
    "in_progress": ("done", 20, 60),
}
"""What a technician does next with a visit, and after how many minutes."""


@dataclass(slots=True)
class Aide:
    """A technician and where they are."""

    object_id: str
    user: str
    rng: Random
    place: tuple[float, float] = CENTRE

    def move(self) -> Object:
        """A little farther through the town, as a GeoPoint."""
        longitude, latitude = (at + self.rng.uniform(-0.01, 0.01) for at in self.place)
        self.place = (longitude, latitude)
        return _point(longitude, latitude)


async def simulate(api: Api, options: Options, tally: Tally) -> None:
    """Keeps about `options.size` visits waiting. Technicians and visits that are there are used, missing ones are made."""
    dispatcher = (await api.staff("dispatcher", 1))[0]
    coordinator = (await api.staff("coordinator", 1))[0]
    aides = await _aides(api, dispatcher, options.seed)
    day = Day(options.speed, tally)
    shift = Shift(api, dispatcher, coordinator, day)
    waiting = await api.find("/classes/Job", {"status": {"$in": _OPEN}}, 1000, user=dispatcher)
    for number in range(max(0, options.size - len(waiting))):
        await shift.plan_visit(aides[number % len(aides)])
    for aide in aides:
        shift.go_on(aide, 0, 10)
    await day.run(options.minutes)


class Shift:
    """What desk and technicians do, one act after the other."""

    def __init__(self, api: Api, dispatcher: str, coordinator: str, day: Day) -> None:
        self._api, self._dispatcher, self._coordinator, self._day, self._tally = api, dispatcher, coordinator, day, day.tally

    def go_on(self, aide: Aide, soonest: float, latest: float) -> None:
        """Lets a technician look what comes next."""
        self._plan(aide, soonest, latest, lambda: self._look(aide))

    async def plan_visit(self, aide: Aide) -> None:
        """The desk plans one more visit behind the last one of a technician, and sets a part aside for it."""
        rng = aide.rng
        what, minutes, _ = rng.choice(VISITS)
        where: Object = {"technician": pointer("Technician", aide.object_id)}
        last = await self._api.find("/classes/Job", where, 1, user=self._dispatcher, order="-endsAt")
        after = max([datetime.now(UTC), *(at for job in last if (at := instant(job.get("endsAt"))))])
        longitude, latitude = (at + rng.uniform(-0.08, 0.08) for at in CENTRE)
        body: Object = {
            "description": what,
            "status": "open",
            "technician": pointer("Technician", aide.object_id),
            "scheduledTime": date_to_wire(after + timedelta(minutes=rng.choice((10, 15, 20)))),
            "durationMinutes": minutes,
            "clientName": rng.choice(CLIENTS),
            "address": f"{rng.randint(100, 9900)} {rng.choice(STREETS)}",
            "location": _point(longitude, latitude),
        }
        job = str((await self._ask("POST", "/classes/Job", body, self._dispatcher, "visits planned"))["objectId"])
        if rng.random() < 0.6:
            part: Object = {"partName": rng.choice(PARTS)[0], "quantity": rng.randint(2, 6), "job": pointer("Job", job)}
            await self._ask("POST", "/classes/PartsInventory", part, self._coordinator, "parts set aside")

    def _plan(self, aide: Aide, soonest: float, latest: float, act: Callable[[], Awaitable[None]]) -> None:
        async def otherwise(refusal: ParseError) -> None:
            """Somebody else may have changed the visit, or the session ended."""
            try:
                if refusal.code is ErrorCode.INVALID_SESSION_TOKEN:
                    for user in (aide.user, self._dispatcher, self._coordinator):
                        await self._api.sign_in(user)
            finally:
                self.go_on(aide, 10, 30)

        self._day.plan(aide.rng.uniform(soonest, latest), act, otherwise)

    async def _look(self, aide: Aide) -> None:
        where: Object = {"technician": pointer("Technician", aide.object_id), "status": {"$in": _OPEN}}
        found = await self._api.find("/classes/Job", where, 1, user=aide.user, order="scheduledTime")
        if not found:
            await self.plan_visit(aide)
            self.go_on(aide, 5, 15)
            return
        job = found[0]
        if job["status"] in ("open", "offered"):
            await self._hand_out(aide, job)
            return
        target, soonest, latest = _NEXT[str(job["status"])]
        drawn = aide.rng.random()
        if target == "in_progress" and job["status"] == "en_route" and drawn < 0.05:
            target = "no_show"
        elif target == "done" and drawn < 0.08:
            target = "on_hold"
        self._plan(aide, soonest, latest, lambda: self._step(aide, job, target))

    async def _hand_out(self, aide: Aide, job: Any) -> None:
        """The desk offers an open visit; the technician takes it, or declines it once and is called."""
        path, declines = f"/classes/Job/{job['objectId']}", aide.rng.random() < 0.1
        if job["status"] == "open":
            await self._move(path, "offered", self._dispatcher)
        await self._move(path, "open" if declines else "assigned", aide.user)
        if declines:
            await self._move(path, "assigned", self._dispatcher)
        self.go_on(aide, 1, 5)

    async def _step(self, aide: Aide, job: Any, target: str) -> None:
        path = f"/classes/Job/{job['objectId']}"
        reason = {"on_hold": HELD, "no_show": ABSENT}.get(target)
        await self._move(path, target, aide.user, **({"statusReason": reason} if reason else {}))
        me: Object = {"location": aide.move()}
        if target in ("en_route", "done"):
            me["availability"] = "busy" if target == "en_route" else "available"
        await self._ask("PUT", f"/classes/Technician/{aide.object_id}", me, aide.user, "positions")
        if target == "done":
            await self._log(aide, job)
            self._plan(aide, 5, 40, lambda: self._move(path, "verified", self._coordinator))
            await self.plan_visit(aide)
        elif target == "no_show":
            self._plan(aide, 10, 30, lambda: self._move(path, "cancelled", self._dispatcher))
        self.go_on(aide, 1, 8)

    async def _log(self, aide: Aide, job: Any) -> None:
        where: Object = {"job": pointer("Job", str(job["objectId"])), "quantity": {"$gte": 1}}
        parts = await self._api.find("/classes/PartsInventory", where, 3, user=aide.user)
        used: list[Json] = [{"part": pointer("PartsInventory", str(part["objectId"])), "quantity": 1} for part in parts]
        body: Object = {
            "technician": pointer("Technician", aide.object_id),
            "job": pointer("Job", str(job["objectId"])),
            "serviceTime": date_to_wire(datetime.now(UTC)),
            "description": aide.rng.choice(DONE),
            "location": job.get("location") or aide.move(),
            **({"partsUsed": used} if used else {}),
        }
        await self._ask("POST", "/classes/ServiceLog", body, aide.user, "logs")

    async def _move(self, path: str, status: str, user: str, **fields: Json) -> None:
        await self._ask("PUT", path, {"status": status, **fields}, user, "steps")

    async def _ask(self, method: str, path: str, body: Object, user: str, word: str) -> Object:
        told = await self._api.ask(method, path, body, user=user)
        self._tally.add(word)
        return told


async def _aides(api: Api, dispatcher: str, seed: int) -> list[Aide]:
    """The Technicians whose accounts can be signed in; where there is none, one is made for each account of the role."""
    accounts = await api.staff("technician", TECHNICIANS)
    found = await api.find("/classes/Technician", {"user": {"$exists": True}}, 1000, user=dispatcher)
    known = {pointed(each["user"]): str(each["objectId"]) for each in found}
    # Technicians of another trade have the role too; they make no visits.
    users = [user for user in accounts if user in known] or accounts
    for number, user in enumerate(users):
        if user not in known:
            body: Object = {"name": f"Simulated aide {number + 1}", "availability": "available", "user": pointer("_User", user)}
            known[user] = str((await api.ask("POST", "/classes/Technician", body, user=dispatcher))["objectId"])
    return [Aide(known[user], user, Random(f"{seed}:{number}")) for number, user in enumerate(users)]  # noqa: S311 - a story


def _point(longitude: float, latitude: float) -> Object:
    return {"__type": "GeoPoint", "latitude": round(latitude, 5), "longitude": round(longitude, 5)}
