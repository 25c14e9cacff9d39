"""The demo: a believable ward on an empty database, with cycles in every state and the laboratory series they stand on.

Owns: `create_demo`. Holds: counts fall after each cycle and come back before the next, so trends, flags and what the board asks
for agree with each other; all of it is one transaction. Rows are inserted through the Piccolo tables, in bulk: the triggers give
them their facts and readers. May import actions and the files of this domain.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from random import Random
from typing import Any, Final

from app.actions.objects import Objects
from app.actions.users import Users
from app.core.wire import Json, pointer
from app.domains.domain import NO_MAIL, Passwords, SignIn
from app.domains.oncology.regimens import ALLERGIES, DELAYS, PATIENTS, REGIMENS, SIGN_INS, STAFF, TESTS, Regimen, Test
from app.domains.oncology.rules import CTCAE_DEFAULT, SEVERE, lab_flag
from app.domains.oncology.tables import ChemoCycle, LabTrend, Patient, SideEffect, Treatment
from app.store.tables import ParseTable

DAY: Final = timedelta(days=1)
CHUNK: Final = 500
NADIR: Final = 10.0
"""The day of a cycle on which counts are lowest."""
DEEP: Final = 0.38
"""A neutrophil count that lets somebody call."""

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SEVERITIES: Final = {1: "mild", 2: "moderate", 3: "severe", 4: "life_threatening"}


@dataclass(frozen=True, slots=True)
class Now:
    """Where a patient's present cycle is: its state, the hours from now to its start, and whether its labs are in."""

    status: str
    starts_in: float
    labs: bool
    deep: bool = False
    """Whether counts fell further than they should."""


PRESENT: Final = (
    Now("labs_due", 60, False),  # overdue: labs were due 12 h ago
    Now("planned", 70, False),
    Now("review", -3, True),
    Now("cleared", -14, True),
    Now("review", 20, True),
    Now("review", 28, True),
    Now("review", 44, True),
    Now("review", 66, True),
    Now("review", 30, False),  # unknown: no results
    Now("cleared", 18, False),
    Now("delayed", 120, False),
    Now("delayed", 170, False),
    Now("labs_due", 73.5, False),
    Now("labs_due", 76, False),
    Now("planned", 80, False),
    Now("labs_due", 90, False),
    Now("cleared", 4, True),
    Now("cleared", 9, True),
    Now("labs_due", 97, False),
    Now("labs_due", 98, False),
    Now("planned", 99.5, False),
    Now("planned", 101, False),
    Now("labs_due", 103, False),
    Now("in_progress", -30, True),
    Now("in_progress", -100, True),
    Now("in_progress", -190, True),
    Now("in_progress", -250, True, deep=True),
    Now("planned", 240, False),
)
"""One a patient. Labs are due 72 h before a start, so that something turns due within a day, or overdue, every hour or two."""


async def create_demo(objects: Objects, users: Users, now: datetime, rng: Random, passwords: Passwords) -> list[SignIn]:
    """Makes accounts, patients, cycles and their history, all or nothing; returns the sign-ins. Meant for an empty database."""
    people = [*STAFF, *((username, name, "patient") for username, name in PATIENTS)]
    told = len(STAFF) + SIGN_INS
    sign_ins = [SignIn(username, passwords(username), role, name) for username, name, role in people[:told]]
    async with objects.transaction() as tx:
        ids: dict[str, str] = {}
        for number, (username, name, role) in enumerate(people):
            saved = await users.create_user_as_master(
                username,
                sign_ins[number].password if number < told else secrets.token_urlsafe(18),
                role,
                tx=tx,
                email=f"{username}@careboard.example",
                **NO_MAIL,
                active=True,
                displayName=name,
                phoneNumber=_phone(number),
            )
            ids[username] = saved.object_id
        ward = Ward(now, rng, ids)
        for rows in ward.build():
            for start in range(0, len(rows), CHUNK):
                await type(rows[0]).insert(*rows[start : start + CHUNK])
        ask = "select careboard.raise_alert($1, 'high', 'nurse', null, $2, $3, $4)"
        for effect in ward.severe():
            await tx.execute(ask, "A severe side effect was reported.", "SideEffect", effect, "side_effect_severe")
        for result in ward.critical():
            await tx.execute(ask, "A lab result is outside its critical limits.", "LabTrend", result, "lab_critical")
    return sign_ins


def _phone(number: int) -> str:
    return f"+1 503 555 01{(60 + number) % 100:02d}"


class Ward:
    """Draws the rows of the demo, parents first."""

    def __init__(self, now: datetime, rng: Random, ids: dict[str, str]) -> None:
        self._now = now.replace(minute=0, second=0, microsecond=0)
        self._rng = rng
        self._ids = ids
        self._patients: list[Patient] = []
        self._cycles: list[ChemoCycle] = []
        self._treatments: list[Treatment] = []
        self._effects: list[SideEffect] = []
        self._results: list[LabTrend] = []

    def build(self) -> Iterator[list[ParseTable]]:
        """The rows of each table, parents first; results before cycles, which take the newest of them."""
        for number, (username, name) in enumerate(PATIENTS):
            self._add_patient(number, self._ids[username], name, PRESENT[number % len(PRESENT)])
        tables = (self._patients, self._results, self._cycles, self._treatments, self._effects)
        yield from ([*rows] for rows in tables)

    def severe(self) -> list[str]:
        """The severe side effects of the last days, which somebody must still look at."""
        return [str(each.object_id) for each in self._effects if each.grade >= SEVERE and each.recorded_at > self._now - 3 * DAY]

    def critical(self) -> list[str]:
        """The results of the last days outside their critical limits."""
        late = [each for each in self._results if each.date > self._now - 3 * DAY]
        flags = {
            str(each.object_id): lab_flag(
                each.result, each.reference_low, each.reference_high, each.critical_low, each.critical_high
            )
            for each in late
        }
        return [result for result, flag in flags.items() if flag in ("LL", "HH")]

    def _of_role(self, role: str) -> list[str]:
        return [self._ids[username] for username, _, each in STAFF if each == role]

    def _new(self, made_at: datetime) -> dict[str, Any]:
        made = min(made_at, self._now)
        return {"object_id": "".join(self._rng.choices(_LETTERS, k=10)), "created_at": made, "updated_at": made}

    def _add_patient(self, number: int, account: str, name: str, present: Now) -> None:
        rng = self._rng
        regimen = REGIMENS[number % len(REGIMENS)]
        doctor = self._of_role("oncologist")[number % 2]
        nurses = rng.sample(self._of_role("nurse"), 2)
        team = [doctor, *nurses, *self._of_role("pharmacist"), *(self._of_role("careTeam") if number % 3 == 0 else [])]
        starts = self._now + timedelta(hours=present.starts_in, minutes=rng.choice((0, 15, 30)))
        cycle = rng.randint(2, min(4, regimen.cycles))
        first = starts - (cycle - 1) * regimen.days * DAY
        history: Json = {"diagnosis": regimen.diagnosis, "allergies": rng.choice(ALLERGIES), "ecog": rng.randint(0, 2)}
        self._patients.append(
            Patient(
                **self._new(first - 10 * DAY),
                user=account,
                name=name,
                contact=_phone(len(STAFF) + number),
                medical_history=history,
                care_team=[pointer("_User", member) for member in team],
            )
        )
        for past in range(1, cycle):
            begins = first + (past - 1) * regimen.days * DAY
            made = self._add_cycle(account, regimen, past, begins, "completed", [doctor, nurses[0]])
            self._add_given(made, regimen, account, begins)
            self._add_effects(made, regimen, begins)
            self._add_results(account, regimen, past, begins, (-1.5, NADIR))
        self._add_present(account, regimen, cycle, starts, present, [doctor, nurses[0]])

    def _add_present(self, account: str, regimen: Regimen, number: int, starts: datetime, present: Now, team: list[str]) -> None:
        signed = {"review": team[: self._rng.randint(0, 1)], "cleared": team, "in_progress": team}.get(present.status, [])
        made = self._add_cycle(account, regimen, number, starts, present.status, signed)
        if present.status == "in_progress":
            self._add_given(made, regimen, account, starts)
            self._add_effects(made, regimen, starts)
        if present.labs:
            self._add_results(account, regimen, number, min(starts, self._now), (-1.5, NADIR), deep=present.deep)
        elif present.status in ("review", "cleared"):
            # Nothing newer than two weeks before the start: what was drawn since then went to another laboratory.
            self._results = [
                each for each in self._results if each.patient != account or each.date < starts - timedelta(days=14, hours=1)
            ]

    def _add_cycle(
        self, account: str, regimen: Regimen, number: int, starts: datetime, status: str, signed: list[str]
    ) -> ChemoCycle:
        cycle = ChemoCycle(
            **self._new(starts - 14 * DAY),
            cycle_number=number,
            start_date=starts,
            end_date=starts + (regimen.days - 1) * DAY,
            patient=account,
            regimen=regimen.name,
            status=status,
            status_reason=self._rng.choice(DELAYS) if status == "delayed" else None,
            cleared_by=[pointer("_User", each) for each in signed],
        )
        self._cycles.append(cycle)
        return cycle

    def _add_given(self, cycle: ChemoCycle, regimen: Regimen, account: str, starts: datetime) -> None:
        for place, (day, name, dose) in enumerate(regimen.drugs):
            given = starts + (day - 1) * DAY + timedelta(minutes=20 * (place + 1))
            if given <= self._now:
                self._treatments.append(
                    Treatment(**self._new(given), type=name, date=given, notes=dose, patient=account, chemo_cycle=cycle.object_id)
                )

    def _add_effects(self, cycle: ChemoCycle, regimen: Regimen, starts: datetime) -> None:
        rng = self._rng
        for name in rng.sample(regimen.effects, rng.randint(1, 3)):
            felt = starts + timedelta(days=rng.uniform(0.3, 8))
            grade = 3 if name == "Febrile neutropenia" else rng.choices((1, 2, 3), weights=(55, 35, 10))[0]
            if felt <= self._now:
                self._effects.append(
                    SideEffect(
                        **self._new(felt),
                        description=name,
                        severity=_SEVERITIES[grade],
                        chemo_cycle=cycle.object_id,
                        recorded_at=felt,
                        grade=grade,
                        ctcae_version=CTCAE_DEFAULT,
                    )
                )

    def _add_results(
        self, account: str, regimen: Regimen, number: int, starts: datetime, days: tuple[float, ...], *, deep: bool = False
    ) -> None:
        for day in days:
            drawn = starts + timedelta(days=day, minutes=self._rng.randint(0, 90))
            if drawn > self._now:
                continue
            self._results += [
                LabTrend(
                    **self._new(drawn),
                    lab_test_name=test.name,
                    result=DEEP if deep and test.key == "ANC" and day == NADIR else level(test, regimen, number, day, self._rng),
                    date=drawn,
                    patient=account,
                    unit=test.unit,
                    reference_low=test.low,
                    reference_high=test.high,
                    critical_low=test.critical_low,
                    critical_high=test.critical_high,
                )
                for test in TESTS
            ]


def level(test: Test, regimen: Regimen, number: int, day: float, rng: Random) -> float:
    """What a test reads on a day of a cycle: less with every cycle, least at the nadir, and never quite the same."""
    lasting = 1 - test.drifts * (number - 1)
    dip = test.falls * regimen.marrow * exp(-(((day - NADIR) / 4) ** 2)) if day > 0 else 0.0
    return round(max(0.0, test.usual * lasting * (1 - dip) * rng.uniform(0.88, 1.12)), test.digits)
