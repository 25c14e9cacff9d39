"""A working day of a hospital's equipment: it is moved, returned, cleaned, inspected, fails and is repaired, by REST alone.

Owns: `simulate`. Holds: every write is made by a biomedical engineer or by the asset's own technician with a session of theirs;
the master key only finds or makes those accounts and signs them in. Times sent are real; what runs faster is the day. The same
seed and assets draw the same moves, findings and repairs. May import core, simulation.py and the rules and catalogue.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.assets.catalogue import CATALOGUE, DECONTAMINATION, DEPARTMENTS, FAULTS, FINDINGS, STORE, WORKSHOP, udi
from app.domains.limits import pointed
from app.domains.simulation import Api, Day, Options, Tally
from app.errors import ErrorCode, ParseError

TECHNICIANS: Final = 3
NURSES: Final = 4
_IN_HAND: Final[list[Json]] = ["available", "in_use", "maintenance", "out_of_service"]


@dataclass(slots=True)
class Piece:
    """One asset as the simulation knows it."""

    object_id: str
    tag: str
    technician: str
    status: str
    rng: Random
    assignment: str = ""
    dirty: bool = False
    work: str = ""
    """The repair that is under way."""


async def simulate(api: Api, options: Options, tally: Tally) -> None:
    """Works with `options.size` assets. Assets and staff that are there are used, missing ones are made."""
    biomed = (await api.staff("biomed", 1))[0]
    nurses = await api.staff("nurse", NURSES)
    pieces = await _pieces(api, biomed, options)
    day = Day(options.speed, tally)
    Shift(api, biomed, nurses, day).begin(pieces)
    await day.run(options.minutes)


@dataclass(slots=True)
class Shift:
    """What is done to each asset, one act after the other."""

    api: Api
    biomed: str
    nurses: list[str]
    day: Day
    places: list[tuple[str, str]] = field(
        default_factory=lambda: [
            (department, f"{kind} {number}") for _, department, _, _, kind, rooms in DEPARTMENTS for number in range(1, rooms + 1)
        ]
    )

    def begin(self, pieces: list[Piece]) -> None:
        """Plans the first act of every asset."""
        for piece in pieces:
            self._next(piece, 0, 120)

    def _next(self, piece: Piece, soonest: float, latest: float) -> None:
        if piece.status in ("out_of_service", "maintenance"):
            act = self._repair
        elif piece.dirty:
            act = self._clean
        else:
            draw = piece.rng.random()
            act = self._inspect if draw < 0.12 else self._move if piece.status == "available" or draw < 0.45 else self._return
        self._plan(piece, piece.rng.uniform(soonest, latest), act)

    def _plan(self, piece: Piece, minutes: float, act: Callable[[Piece], Awaitable[None]]) -> None:
        async def done() -> None:
            await act(piece)
            self._next(piece, 15, 160)

        async def otherwise(refusal: ParseError) -> None:
            try:
                await self._look_again(piece, refusal)
            finally:
                self._next(piece, 20, 60)

        self.day.plan(minutes, done, otherwise)

    async def _look_again(self, piece: Piece, refusal: ParseError) -> None:
        """Somebody else may have changed the asset, or a session ended."""
        if refusal.code is ErrorCode.INVALID_SESSION_TOKEN:
            for user in (piece.technician, self.biomed):
                await self.api.sign_in(user)
        stored = await self.api.ask("GET", f"/classes/Asset/{piece.object_id}", user=self.biomed)
        _read(piece, stored)
        if piece.technician not in self.api.sessions:
            await self.api.sign_in(piece.technician)

    async def _move(self, piece: Piece) -> None:
        """To a room; from another room it is taken over from there."""
        department, room = piece.rng.choice(self.places)
        body: Object = {
            "asset": pointer("Asset", piece.object_id),
            "assignedTo": pointer("_User", piece.rng.choice(self.nurses)),
            "departmentName": department,
            "roomLabel": room,
            "assignedAt": _now(),
            "assignmentStatus": "active",
        }
        if piece.assignment:
            body["previous"] = pointer("AssetAssignment", piece.assignment)
        made = await self.api.ask("POST", "/classes/AssetAssignment", body, user=self.biomed)
        piece.assignment, piece.status = str(made["objectId"]), "in_use"
        self.day.tally.add("moves")

    async def _return(self, piece: Piece, to: str = DECONTAMINATION) -> None:
        if not piece.assignment:
            await self._change(piece, {"status": "available", "currentLocation": STORE}, self.biomed)
        else:
            body: Object = {"assignmentStatus": "completed", "returnedTo": to}
            await self.api.ask("PUT", f"/classes/AssetAssignment/{piece.assignment}", body, user=self.biomed)
            piece.assignment, piece.dirty = "", piece.status == "in_use"
        piece.status = "available" if piece.status == "in_use" else piece.status
        self.day.tally.add("returns")

    async def _clean(self, piece: Piece) -> None:
        await self._change(piece, {"dirty": False, "currentLocation": STORE}, self.biomed)
        piece.dirty = False
        self.day.tally.add("cleanings")

    async def _inspect(self, piece: Piece) -> None:
        """The technician looks at it; now and then it fails and is out of service from then on."""
        found = piece.rng.choices(("passed", "attention_needed", "failed"), weights=(88, 8, 4))[0]
        body: Object = {
            "asset": pointer("Asset", piece.object_id),
            "inspectedBy": pointer("_User", piece.technician),
            "inspectedAt": _now(),
            "status": found,
            "findings": piece.rng.choice(FAULTS)[0] if found != "passed" else "All within limits.",
        }
        await self.api.ask("POST", "/classes/Inspection", body, user=piece.technician)
        if found == "failed":
            piece.status = "out_of_service"
        self.day.tally.add("inspections")

    async def _repair(self, piece: Piece) -> None:
        """To the workshop, repaired there, and available again: a step each time."""
        if piece.assignment:
            await self._return(piece, WORKSHOP)
        elif piece.status == "out_of_service":
            await self._change(piece, {"status": "maintenance", "currentLocation": WORKSHOP}, self.biomed)
            piece.status = "maintenance"
        elif not piece.work:
            made = await self.api.ask("POST", "/classes/MaintenanceLog", self._log(piece), user=piece.technician)
            piece.work = str(made["objectId"])
            self.day.tally.add("repairs begun")
        else:
            done: Object = {
                "status": "completed",
                "outcome": "repaired",
                "findings": piece.rng.choice(FINDINGS),
                "partsUsed": [piece.rng.choice(FAULTS)[1]],
                "downtimeMinutes": piece.rng.randint(20, 400),
            }
            await self.api.ask("PUT", f"/classes/MaintenanceLog/{piece.work}", done, user=piece.technician)
            await self._change(piece, {"status": "available", "currentLocation": STORE}, self.biomed)
            piece.work, piece.status = "", "available"
            self.day.tally.add("repairs done")

    def _log(self, piece: Piece) -> Object:
        return {
            "asset": pointer("Asset", piece.object_id),
            "performedBy": pointer("_User", piece.technician),
            "maintenanceType": "corrective",
            "status": "in_progress",
            "startedAt": _now(),
            "summary": "Repair after a failed inspection",
        }

    async def _change(self, piece: Piece, body: Object, who: str) -> None:
        await self.api.ask("PUT", f"/classes/Asset/{piece.object_id}", body, user=who)


async def _pieces(api: Api, biomed: str, options: Options) -> list[Piece]:
    """The oldest assets that can be moved about, and new ones up to the number wanted; each has a technician who is signed in."""
    where: Object = {
        "status": {"$in": _IN_HAND},
        "recalled": {"$ne": True},
        "missing": {"$ne": True},
        "category": {"$nin": ["imaging", "anesthesia", "bed"]},
        "technician": {"$exists": True},
    }
    stored: list[Any] = await api.find("/classes/Asset", where, options.size, user=biomed)
    if len(stored) < options.size:
        stored += await _new_assets(api, biomed, options, options.size - len(stored))
    pieces = []
    for each in stored:
        rng = Random(f"{options.seed}:{each['assetTag']}")  # noqa: S311 - a story, not a secret
        piece = Piece(str(each["objectId"]), str(each["assetTag"]), "", "", rng)
        _read(piece, each)
        pieces.append(piece)
    for technician in sorted({piece.technician for piece in pieces} - api.sessions.keys()):
        await api.sign_in(technician)
    return pieces


async def _new_assets(api: Api, biomed: str, options: Options, missing: int) -> list[Any]:
    technicians = await api.staff("technician", TECHNICIANS)
    facility = await _facility(api, biomed)
    rng = Random(options.seed)  # noqa: S311 - a story, not a secret
    made: list[Any] = []
    for number in range(missing):
        kind = rng.choice([kind for kind in CATALOGUE if kind.category not in ("imaging", "anesthesia", "bed")])
        serial = f"S{options.seed}{number:05d}"
        body: Object = {
            "facility": pointer("Facility", facility),
            "assetTag": f"SIM-{options.seed}-{number + 1:05d}",
            "name": kind.name,
            "category": kind.category,
            "serialNumber": serial,
            "status": "available",
            "criticality": kind.criticality,
            "currentLocation": STORE,
            "manufacturer": kind.manufacturer,
            "model": kind.model,
            "udi": udi(kind.item, "250101", serial),
            "technician": pointer("_User", technicians[number % len(technicians)]),
            "nextServiceDue": date_to_wire(datetime.now(UTC) + timedelta(days=rng.uniform(-3, 200))),
        }
        saved = await api.ask("POST", "/classes/Asset", body, user=biomed)
        made.append({**body, "objectId": saved["objectId"]})
    return made


async def _facility(api: Api, biomed: str) -> str:
    found = await api.find("/classes/Facility", {}, 1, user=biomed)
    if found:
        return str(found[0]["objectId"])
    body: Object = {"name": "Simulated hospital", "code": "SIM", "isOperational": True}
    return str((await api.ask("POST", "/classes/Facility", body, user=biomed))["objectId"])


def _read(piece: Piece, stored: Object) -> None:
    piece.status = str(stored["status"])
    piece.dirty = stored.get("dirty") is True and piece.status == "available"
    piece.assignment = pointed(stored.get("assignment")) or ""
    piece.technician = pointed(stored.get("technician")) or piece.technician


def _now() -> Object:
    return date_to_wire(datetime.now(UTC))
