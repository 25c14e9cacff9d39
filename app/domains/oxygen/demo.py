"""The demo: a believable fleet on an empty database, so that the board has something to say for hours.

Owns: `create_demo`. Holds: every pressure lies on the line that the formula draws from the last refill to the last check, so
plots, times and urgencies agree with each other; all of it is one transaction. Rows are inserted through the Piccolo tables,
in bulk: the triggers give them their facts and readers. May import actions and the files of this domain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from app.actions.objects import Objects
from app.actions.users import Users
from app.core.wire import pointer
from app.domains.domain import NO_MAIL, Passwords, SignIn
from app.domains.oxygen.places import (
    CITIES,
    FACILITIES,
    HOUSEHOLDS,
    NOTES,
    PEOPLE,
    REFILL_REASONS,
    REMARKS,
    STREETS,
)
from app.domains.oxygen.rules import LITRES_PER_PSI, RESIDUAL_PSI
from app.domains.oxygen.tables import DispatchEvent, EmergencyContact, PatientSite, RefillLog, TankAssignment
from app.store.tables import ParseTable

HOURS_LEFT: Final = (-0.2, -0.5, 0.4, 0.9, 1.3, 1.7, 1.9, 2.2, 2.6, 3.1, 3.7, 4.4, 5.0, 5.8, 6.5, 7.1, 7.6)
"""The tanks that need somebody now; the others last from just above eight hours upwards, so some turn low every hour."""

UNKNOWN: Final = 2
HOMES_HAVE: Final = (3, 5)
FACILITIES_HAVE: Final = (9, 14)
FULL_PSI: Final = 2015
CHUNK: Final = 500

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_FLOWS: Final = (0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.5, 3.0, 4.0, 5.0)
_SIZES: Final = ("D", "E", "E", "M60", "M", "M", "G", "H")


async def create_demo(objects: Objects, users: Users, now: datetime, rng: Random, passwords: Passwords) -> list[SignIn]:
    """Makes accounts, sites, tanks and their history, all or nothing; returns the sign-ins. Meant for an empty database."""
    sign_ins = [SignIn(username, passwords(username), role, name) for username, name, role, _ in PEOPLE]
    languages = {username: language for username, _, _, language in PEOPLE}
    async with objects.transaction() as tx:
        ids: dict[str, str] = {}
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
                phoneNumber=_phone(number),
                preferredLanguage=languages[each.username],
            )
            ids[each.username] = saved.object_id
        people = {role: [ids[each.username] for each in sign_ins if each.role == role] for role in _roles()}
        fleet = Fleet(now, rng, people)
        for rows in fleet.build():
            for start in range(0, len(rows), CHUNK):
                await type(rows[0]).insert(*rows[start : start + CHUNK])
    return sign_ins


def _roles() -> tuple[str, ...]:
    return tuple(dict.fromkeys(role for _, _, role, _ in PEOPLE))


def _phone(number: int) -> str:
    return f"+1 503 555 01{number % 100:02d}"


@dataclass(frozen=True, slots=True)
class Line:
    """The pressure of one tank over time: falls evenly from each filling to the next."""

    read_at: datetime
    psi: float
    psi_per_hour: float
    filled_at: datetime
    psi_before: float

    def at(self, moment: datetime) -> float:
        """The pressure at a moment up to `read_at`, this filling or the one before."""
        if moment >= self.filled_at:
            return self.psi + (self.read_at - moment) / timedelta(hours=1) * self.psi_per_hour
        return min(FULL_PSI, self.psi_before + (self.filled_at - moment) / timedelta(hours=1) * self.psi_per_hour)


class Fleet:
    """Draws the rows of the demo, parents first."""

    def __init__(self, now: datetime, rng: Random, people: dict[str, list[str]]) -> None:
        self._now = now.replace(microsecond=0)
        self._rng = rng
        self._people = people
        self._sites: list[PatientSite] = []
        self._contacts: list[EmergencyContact] = []
        self._tanks: list[TankAssignment] = []
        self._refills: list[RefillLog] = []
        self._events: list[DispatchEvent] = []

    def build(self) -> Iterator[list[ParseTable]]:
        """The rows of each table that has any, parents first."""
        for number in range(len(FACILITIES) + len(HOUSEHOLDS)):
            self._add_site(number)
        seats = [
            site
            for number, site in enumerate(self._sites)
            for _ in range(self._rng.randint(*(FACILITIES_HAVE if number < len(FACILITIES) else HOMES_HAVE)))
        ]
        hours = self._hours_left(len(seats))
        for number, (site, left) in enumerate(zip(seats, hours, strict=True)):
            self._add_tank(number, site, left)
        tables = (self._sites, self._tanks, self._contacts, self._refills, self._events)
        yield from ([*rows] for rows in tables if rows)

    def _hours_left(self, count: int) -> list[float | None]:
        """One target for each tank, mixed; None where the time shall be unknown."""
        urgent: list[float | None] = [*HOURS_LEFT, *(None for _ in range(UNKNOWN))]
        calm: list[float | None] = [8.3 + 0.25 * n + self._rng.random() for n in range(60)]
        calm += [self._rng.uniform(20, 90) for _ in range(count)]
        drawn = urgent + calm[: count - len(urgent)]
        self._rng.shuffle(drawn)
        return drawn

    def _new(self, made_at: datetime, changed_at: datetime | None = None) -> dict[str, Any]:
        return {
            "object_id": "".join(self._rng.choices(_LETTERS, k=10)),
            "created_at": made_at,
            "updated_at": changed_at or made_at,
        }

    def _add_site(self, number: int) -> None:
        rng = self._rng
        nurses = self._people["careTeam"]
        team = rng.sample(nurses, 2)
        opens = self._now.replace(minute=rng.choice((0, 30)), second=0) + timedelta(hours=rng.randint(-4, 9))
        city, postal_code, latitude, longitude = CITIES[number % len(CITIES)]
        if number < len(FACILITIES):
            name, address, city, postal_code = FACILITIES[number]
            contact, relation, language, owner = "Front desk", "reception", "en", team[0]
        else:
            family, given, relation, language = HOUSEHOLDS[number - len(FACILITIES)]
            name, address = f"{family} residence", f"{rng.randint(12, 98) * 100 + rng.randint(3, 97)} {rng.choice(STREETS)}"
            contact, owner = f"{given} {family}", self._people["patient"][0] if number == len(FACILITIES) else team[0]
        made_at = self._now - timedelta(days=rng.randint(30, 400))
        site = PatientSite(
            **self._new(made_at),
            site_name=name,
            address_line_1=address,
            city=city,
            region="WA" if city == "Vancouver" else "OR",
            postal_code=postal_code,
            delivery_window_start=opens,
            delivery_window_end=opens + timedelta(hours=rng.choice((2, 3, 4))),
            primary_contact=owner,
            notes=rng.choice(NOTES) if rng.random() < 0.6 else None,
            location=(round(longitude + rng.uniform(-0.03, 0.03), 5), round(latitude + rng.uniform(-0.03, 0.03), 5)),
            care_team=[pointer("_User", nurse) for nurse in team],
        )
        self._sites.append(site)
        self._add_contact(site, contact, relation, language, primary=True)
        if rng.random() < 0.55:
            self._add_contact(site, f"Dr. {rng.choice(HOUSEHOLDS)[0]}", "physician", "en", primary=False)

    def _add_contact(self, site: PatientSite, name: str, relation: str, language: str, *, primary: bool) -> None:
        self._contacts.append(
            EmergencyContact(
                **self._new(site.created_at),
                site=site.object_id,
                contact_name=name,
                relationship=relation,
                phone_number=_phone(20 + len(self._contacts)),
                is_primary=primary,
                preferred_language=language,
            )
        )

    def _add_tank(self, number: int, site: PatientSite, left: float | None) -> None:
        rng = self._rng
        drivers = self._people["driver"]
        driver = drivers[(self._sites.index(site) + (number % 7 == 0)) % len(drivers)]
        line, size, flow = self._line(left)
        tank = TankAssignment(
            **self._new(self._now - timedelta(days=rng.randint(20, 300)), line.read_at),
            tank_serial_number=f"OX-{20000 + number * 7 + rng.randint(0, 6)}",
            psi_level=round(line.psi),
            status=self._status(left, line.psi),
            assigned_site=site.object_id,
            assigned_driver=driver,
            last_checked_at=line.read_at,
            next_service_due_at=self._now + timedelta(days=rng.randint(5, 240)),
            cylinder_size=None if left is None and number % 2 else size,
            flow_lpm=None if left is None and not number % 2 else flow,
            residual_psi=RESIDUAL_PSI,
            lot_number=f"L{rng.randint(24, 26)}{rng.randint(1, 52):02d}-{rng.randint(100, 999)}",
            requalification_due=self._now + timedelta(days=rng.randint(40, 1500)),
        )
        self._tanks.append(tank)
        self._add_history(tank, driver, line)

    def _status(self, left: float | None, psi: float) -> str:
        if left is None or left < 12:
            return "in_use"
        if psi > FULL_PSI - 400:
            return self._rng.choice(("in_use", "at_site", "at_site", "loaded", "full"))
        return self._rng.choices(("in_use", "at_site"), weights=(80, 20))[0]

    def _line(self, left: float | None) -> tuple[Line, str, float]:
        """A cylinder and a flow for which `left` hours from now are possible, and its pressure over time."""
        rng = self._rng
        hours = 14.0 if left is None else left
        longest = 1.5 if hours < 2 else 5.0 if hours < 12 else 9.0
        read_at = self._now - timedelta(minutes=rng.randint(4, int(longest * 60)), seconds=rng.randint(0, 59))
        until_empty = max(0.0, hours + (self._now - read_at) / timedelta(hours=1))
        while True:
            size, flow = rng.choice(_SIZES), rng.choice(_FLOWS)
            psi_per_hour = flow * 60 / LITRES_PER_PSI[size]
            psi = RESIDUAL_PSI + until_empty * psi_per_hour
            if psi < FULL_PSI - 25 and (hours < 12 or psi > 700):
                break
            until_empty *= 0.998  # lets the longest targets come within reach of the largest cylinder
        if hours < 0:
            psi = RESIDUAL_PSI - rng.randint(10, 90)
        filled_at = read_at - timedelta(hours=(FULL_PSI - psi) / psi_per_hour)
        line = Line(read_at, psi, psi_per_hour, filled_at.replace(microsecond=0), float(rng.randint(210, 460)))
        return line, size, flow

    def _add_history(self, tank: TankAssignment, driver: str, line: Line) -> None:
        rng = self._rng
        self._add_refill(tank, driver, line.filled_at, line.psi_before)
        earlier = line.filled_at - timedelta(hours=(FULL_PSI - line.psi_before) / line.psi_per_hour)
        if earlier > self._now - timedelta(days=45):
            self._add_refill(tank, driver, earlier.replace(microsecond=0), float(rng.randint(210, 600)))
        moment = line.read_at
        while moment > self._now - timedelta(hours=24) and moment > earlier:
            self._add_event(tank, driver, "psi_check", moment, psi=round(line.at(moment)))
            moment -= timedelta(minutes=rng.randint(140, 420))
        if line.filled_at > self._now - timedelta(days=7):
            self._add_event(tank, driver, "arrived", line.filled_at - timedelta(minutes=6))
            self._add_event(tank, driver, rng.choice(("delivered", "handoff")), line.filled_at + timedelta(minutes=4))
        if round(line.psi) <= RESIDUAL_PSI:
            self._add_event(tank, self._people["dispatcher"][0], "contact_called", self._now - timedelta(minutes=3))

    def _add_refill(self, tank: TankAssignment, driver: str, moment: datetime, psi_before: float) -> None:
        self._refills.append(
            RefillLog(
                **self._new(moment),
                tank_assignment=tank.object_id,
                refill_time=moment,
                psi_before=psi_before,
                psi_after=FULL_PSI,
                refilled_by=driver,
                refill_reason=self._rng.choice(REFILL_REASONS),
                remarks=self._rng.choice(REMARKS) if self._rng.random() < 0.2 else None,
            )
        )

    def _add_event(self, tank: TankAssignment, who: str, kind: str, moment: datetime, *, psi: int | None = None) -> None:
        self._events.append(
            DispatchEvent(
                **self._new(moment),
                tank_assignment=tank.object_id,
                event_type=kind,
                event_time=moment,
                recorded_by=who,
                psi_level=psi,
            )
        )
