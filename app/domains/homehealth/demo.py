"""The demo: a believable day of an agency on an empty database, so that the board has something to say for hours.

Owns: `create_demo`. Holds: each technician has one route through the day on which no two visits overlap; what lies behind is
done and logged at its door, what lies ahead is confirmed, assigned, offered or open, and some of it needs the desk now. Rows are
inserted through the Piccolo tables, in bulk: the triggers give them their facts and readers. May import actions and the files of
this domain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from app.actions.objects import Objects
from app.actions.users import Users
from app.domains.domain import NO_MAIL, Passwords, SignIn
from app.domains.homehealth.places import (
    ABSENT,
    CALLED_OFF,
    CENTRE,
    CLIENTS,
    DONE,
    HELD,
    PARTS,
    PEOPLE,
    STREETS,
    VISITS,
)
from app.domains.homehealth.tables import Job, PartsInventory, ServiceLog, Technician
from app.store.tables import ParseTable

BEHIND: Final = timedelta(hours=26)
AHEAD: Final = timedelta(hours=16)
CHUNK: Final = 500
HAPPENINGS: Final = ("late", "missed", "no_show", "overrun", "unknown", "on_hold", "unconfirmed", "", "late", "unconfirmed")
"""What is the matter with the visit that each technician has about now; the others are as planned."""

UNPLANNED: Final = (0.6, 1.5, 2.7, 3.6, 5.2, 6.4, 7.1, 9.0, 11.5)
"""Hours from now at which visits begin that nobody has taken yet: the first ones are urgent, one more becomes so every hour."""

_AVAILABLE: Final = {"late": "available", "missed": "off_duty", "no_show": "available", "unconfirmed": "available"}
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_RAISE: Final = "select careboard.raise_alert($1, $2, 'dispatcher', null, 'Job', $3, $4)"
_TOLD: Final = {
    "missed": ("Nobody began the visit in time", "high"),
    "no_show": ("Nobody opened the door", "critical"),
}


async def create_demo(objects: Objects, users: Users, now: datetime, rng: Random, passwords: Passwords) -> list[SignIn]:
    """Makes accounts, technicians, visits, parts and logs, all or nothing; returns the sign-ins. Meant for an empty database."""
    sign_ins = [SignIn(username, passwords(username), role, name) for username, name, role in PEOPLE]
    async with objects.transaction() as tx:
        people: list[tuple[str, str]] = []
        for number, each in enumerate(sign_ins):
            saved = await users.create_user_as_master(
                each.username,
                each.password,
                each.role,
                tx=tx,
                email=f"{each.username}@careboard.example",
                **NO_MAIL,
                active=True,
                displayName=each.name,
                phoneNumber=f"+1 503 555 01{60 + number}",
            )
            if each.role == "technician":
                people.append((saved.object_id, each.name))
        agency = Agency(now, rng, people)
        for rows in agency.build():
            for start in range(0, len(rows), CHUNK):
                await type(rows[0]).insert(*rows[start : start + CHUNK])
        for job in agency.jobs:
            if job.status in _TOLD:
                words, urgency = _TOLD[job.status]
                await tx.execute(_RAISE, f"{words}: {job.client_name}", urgency, job.object_id, job.status)
    return sign_ins


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who is visited at home."""

    name: str
    address: str
    place: tuple[float, float]


class Agency:
    """Draws the rows of the demo, parents first."""

    def __init__(self, now: datetime, rng: Random, people: list[tuple[str, str]]) -> None:
        self._now = now.replace(second=0, microsecond=0)
        self._rng = rng
        self._clients = [Client(name, self._address(), self._near(CENTRE, 0.09)) for name in CLIENTS]
        self._technicians = [self._technician(number, *each) for number, each in enumerate(people)]
        self.jobs: list[Job] = []
        self._parts: list[PartsInventory] = []
        self._logs: list[ServiceLog] = []

    def build(self) -> Iterator[list[ParseTable]]:
        """The rows of each table that has any, parents first."""
        for number, technician in enumerate(self._technicians):
            self._add_route(technician, HAPPENINGS[number % len(HAPPENINGS)])
        for number, hours in enumerate(UNPLANNED):
            begins = self._now + timedelta(hours=hours)
            self._add_job(self._technicians[number % len(self._technicians)], begins, "offered" if number % 3 == 1 else "open")
        for name, quantity, level in PARTS:
            self._parts.append(PartsInventory(**self._new(90), part_name=name, quantity=quantity, reorder_level=level))
        for rows in (self._technicians, self.jobs, self._parts, self._logs):
            yield [*rows]

    def _new(self, days: float) -> dict[str, Any]:
        made_at = self._now - timedelta(days=days)
        return {"object_id": "".join(self._rng.choices(_LETTERS, k=10)), "created_at": made_at, "updated_at": made_at}

    def _address(self) -> str:
        return f"{self._rng.randint(12, 98) * 100 + self._rng.randint(3, 97)} {self._rng.choice(STREETS)}"

    def _near(self, place: tuple[float, float], degrees: float) -> tuple[float, float]:
        longitude, latitude = place
        return (
            round(longitude + self._rng.uniform(-degrees, degrees), 5),
            round(latitude + self._rng.uniform(-degrees, degrees), 5),
        )

    def _technician(self, number: int, user: str, name: str) -> Technician:
        """One of them shows no position: "nearest" must be able to say that it does not know."""
        placed = number != 7
        return Technician(
            **self._new(self._rng.randint(60, 900)),
            name=name,
            availability=_AVAILABLE.get(HAPPENINGS[number % len(HAPPENINGS)], "busy"),
            user=user,
            location=self._near(CENTRE, 0.08) if placed else None,
            location_at=self._now - timedelta(minutes=self._rng.choice((1, 2, 3, 6, 11, 95))) if placed else None,
            skills=sorted(set(self._rng.choices([skill for _, _, skill in VISITS], k=4))),
        )

    def _add_route(self, technician: Technician, happening: str) -> None:
        """The visits of one technician from yesterday to tonight, the one about now with its happening."""
        turn = self._now - timedelta(minutes=self._rng.randint(12, 22))
        begins = self._now - BEHIND
        while begins < turn - timedelta(minutes=180):
            self._add_job(technician, begins, self._planned(begins))
            begins += self._stride()
        self._add_current(technician, turn, happening)
        begins = turn + timedelta(minutes=150)
        while begins < self._now + AHEAD:
            self._add_job(technician, begins, self._planned(begins))
            begins += self._stride()

    def _stride(self) -> timedelta:
        """A visit and the way to the next."""
        return timedelta(minutes=90 + self._rng.choice((15, 30, 45)))

    def _planned(self, begins: datetime) -> str:
        ahead = begins - self._now
        if ahead < timedelta(hours=-6):
            return "verified" if self._rng.random() < 0.9 else "cancelled"
        if ahead < timedelta(0):
            return "done"
        if ahead < timedelta(hours=4):
            return "confirmed" if self._rng.random() < 0.8 else "assigned"
        return "assigned" if self._rng.random() < 0.7 else "confirmed"

    def _add_current(self, technician: Technician, begins: datetime, happening: str) -> None:
        """What a technician is at now: on the way and late, at a door that stays shut, longer than planned."""
        match happening:
            case "late":
                self._add_job(technician, begins, self._rng.choice(("en_route", "confirmed")), minutes=60, window=100)
            case "missed":
                self._add_job(technician, begins - timedelta(minutes=80), "missed", minutes=45)
            case "no_show":
                self._add_job(technician, begins, "no_show", reason=ABSENT)
            case "overrun":
                self._add_job(technician, begins - timedelta(minutes=40), "in_progress", minutes=30)
            case "unknown":
                self._add_job(technician, begins, "in_progress", minutes=None)
            case "unconfirmed":
                self._add_job(technician, self._now + timedelta(minutes=self._rng.randint(30, 50)), "assigned", minutes=60)
            case "on_hold":
                self._add_job(technician, begins, "on_hold", minutes=60, reason=HELD)
            case _:
                self._add_job(technician, begins, "in_progress", minutes=60)

    def _add_job(
        self,
        technician: Technician,
        begins: datetime,
        status: str,
        *,
        minutes: int | None = 0,
        window: int = 0,
        reason: str | None = None,
    ) -> None:
        rng = self._rng
        what, usual, _ = rng.choice(VISITS)
        client = rng.choice(self._clients)
        planned = usual if minutes == 0 else minutes
        ran = status in ("in_progress", "on_hold", "done", "verified")
        began = begins + timedelta(minutes=rng.randint(-3, 6), seconds=rng.randint(0, 59)) if ran else None
        ended = (
            began + timedelta(minutes=(planned or 60) + rng.randint(-6, 9)) if began and status in ("done", "verified") else None
        )
        job = Job(
            **self._new(rng.uniform(3, 9)),
            description=what,
            status=status,
            technician=technician.object_id,
            scheduled_time=begins,
            client_name=client.name,
            address=client.address,
            location=client.place,
            duration_minutes=planned,
            window_start=begins - timedelta(minutes=30) if window else None,
            window_end=begins + timedelta(minutes=window) if window else None,
            priority=rng.choices(("routine", "urgent", "asap"), weights=(80, 15, 5))[0],
            status_reason=CALLED_OFF if status == "cancelled" else reason,
            started_at=began,
            ended_at=min(ended, self._now) if ended else None,
        )
        self.jobs.append(job)
        if status not in ("verified", "cancelled") and rng.random() < 0.5:
            name, _, _ = rng.choice(PARTS)
            self._parts.append(PartsInventory(**self._new(1), part_name=name, quantity=rng.randint(1, 6), job=job.object_id))
        if job.ended_at is not None:
            self._add_log(technician, job, client)

    def _add_log(self, technician: Technician, job: Job, client: Client) -> None:
        """Most are written at the door; a few where the phone had no fix, or farther away than a door."""
        drawn = self._rng.random()
        away = 0.0006 if drawn < 0.9 else 0.01
        known = job.status == "verified" or drawn < 0.85
        self._logs.append(
            ServiceLog(
                **self._new(0),
                technician=technician.object_id,
                job=job.object_id,
                service_time=job.ended_at,
                description=self._rng.choice(DONE),
                started_at=job.started_at,
                ended_at=job.ended_at,
                location=self._near(client.place, away) if known else None,
            )
        )
