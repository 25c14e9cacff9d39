"""A ward that lives: cycles are planned, labs come in, two people sign, drugs are given, patients report, through REST alone.

Owns: `simulate`. Holds: every write is made by who would make it: a nurse draws and gives, an oncologist decides, a patient
reports, each with a session of theirs; the master key only finds or makes those accounts and signs them in. Times sent are real;
what runs faster is the day. The same seed and ward draw the same results and decisions. May import core, simulation.py, limits.py
and the files of this domain.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.limits import pointed
from app.domains.oncology.demo import level
from app.domains.oncology.regimens import DELAYS, REGIMENS, TESTS, Regimen
from app.domains.oncology.rules import OPEN, signers
from app.domains.simulation import Api, Day, Options, Tally
from app.errors import ErrorCode, ParseError

NURSES: Final = 2
TREATABLE_ANC: Final = 1.0
"""Below this count the oncologist of the simulation delays a cycle; a real one goes by the regimen's protocol."""

_NEXT: Final = {"planned": "labs_due", "delayed": "labs_due", "labs_due": "review", "cleared": "in_progress"}
_WORDS: Final = ("mild", "mild", "moderate", "moderate", "severe")


@dataclass(slots=True)
class Course:
    """One patient's present cycle, as the simulation knows it."""

    object_id: str
    patient: str
    oncologist: str
    nurse: str
    number: int
    regimen: Regimen
    status: str
    rng: Random
    signed: frozenset[str] = field(default_factory=frozenset)
    given: int = 0
    anc: float = 3.0


@dataclass(frozen=True, slots=True)
class People:
    """Who works in the simulation: accounts that are signed in."""

    oncologists: list[str]
    nurses: list[str]


async def simulate(api: Api, options: Options, tally: Tally) -> None:
    """Lets `options.size` cycles live. Patients and cycles that the staff looks after are used, missing ones are made."""
    people = People(await api.staff("oncologist", 1), await api.staff("nurse", NURSES))
    courses = await _courses(api, people, options)
    day = Day(options.speed, tally)
    rounds = Rounds(api, day)
    for course in courses:
        rounds.begin(course)
    await day.run(options.minutes)


class Rounds:
    """What is done about each cycle, one act after the other."""

    def __init__(self, api: Api, day: Day) -> None:
        self._api, self._day, self._tally = api, day, day.tally

    def begin(self, course: Course) -> None:
        """Plans the first act of a cycle."""
        self._plan(course, course.rng.uniform(0, 90))

    def _plan(self, course: Course, minutes: float) -> None:
        async def act() -> None:
            await self._act_of(course)()
            self._plan(course, course.rng.uniform(15, 70))

        async def otherwise(refusal: ParseError) -> None:
            try:
                await self._look_again(course, refusal)
            finally:
                self._plan(course, course.rng.uniform(20, 60))

        self._day.plan(minutes, act, otherwise)

    def _act_of(self, course: Course) -> Callable[[], Awaitable[None]]:
        acts: dict[str, Callable[[Course], Awaitable[None]]] = {
            "labs_due": self._draw,
            "review": self._decide,
            "in_progress": self._treat,
            "completed": self._plan_next,
        }
        act = acts.get(course.status, self._move_on)
        return lambda: act(course)

    async def _look_again(self, course: Course, refusal: ParseError) -> None:
        """Somebody else may have moved the cycle, or a session ended."""
        if refusal.code is ErrorCode.INVALID_SESSION_TOKEN:
            for user in (course.oncologist, course.nurse, course.patient):
                await self._api.sign_in(user)
        stored = await self._api.ask("GET", f"/classes/ChemoCycle/{course.object_id}", user=course.oncologist)
        course.status, course.signed = str(stored["status"]), signers(stored)

    async def _move(self, course: Course, status: str, who: str, **fields: Json) -> None:
        await self._api.ask("PUT", f"/classes/ChemoCycle/{course.object_id}", {"status": status, **fields}, user=who)
        course.status = status
        self._tally.add("steps")

    async def _move_on(self, course: Course) -> None:
        await self._move(course, _NEXT.get(course.status, "labs_due"), course.nurse)

    async def _draw(self, course: Course) -> None:
        """A nurse draws blood, and the cycle goes to review."""
        for test in TESTS:
            result = level(test, course.regimen, course.number, -1.5, course.rng)
            if test.key == "ANC":
                result = round(result * course.rng.choice((1, 1, 1, 0.22)), 2)
                course.anc = result
            body: Object = {
                "labTestName": test.name,
                "result": result,
                "date": _now(),
                "patient": pointer("_User", course.patient),
                "unit": test.unit,
                "referenceLow": test.low,
                "referenceHigh": test.high,
            }
            limits: Object = {"criticalLow": test.critical_low, "criticalHigh": test.critical_high}
            body |= {name: value for name, value in limits.items() if value is not None}
            await self._api.ask("POST", "/classes/LabTrend", body, user=course.nurse)
            self._tally.add("results")
        await self._move(course, "review", course.nurse)

    async def _decide(self, course: Course) -> None:
        """The oncologist delays a cycle that is too early; else both sign it, and the second signature clears it."""
        if course.anc < TREATABLE_ANC:
            starts = datetime.now(UTC) + timedelta(days=7)
            ends = starts + timedelta(days=course.regimen.days - 1)
            moved: Object = {"startDate": date_to_wire(starts), "endDate": date_to_wire(ends)}
            await self._move(course, "delayed", course.oncologist, statusReason=DELAYS[0], **moved)
            course.anc, course.signed = 3.0, frozenset()
            return
        who = course.nurse if course.oncologist in course.signed else course.oncologist
        signature: Object = {"clearedBy": {"__op": "AddUnique", "objects": [pointer("_User", who)]}}
        if course.signed:
            await self._move(course, "cleared", who, **signature)
        else:
            await self._api.ask("PUT", f"/classes/ChemoCycle/{course.object_id}", signature, user=who)
        course.signed |= {who}
        self._tally.add("signatures")

    async def _treat(self, course: Course) -> None:
        """The drugs are given one after the other; the patient reports in between; then the cycle is complete."""
        if course.given < len(course.regimen.drugs) and course.given < 6:
            _, name, dose = course.regimen.drugs[course.given]
            body: Object = {
                "type": name,
                "date": _now(),
                "notes": dose,
                "chemoCycle": pointer("ChemoCycle", course.object_id),
            }
            await self._api.ask("POST", "/classes/Treatment", body, user=course.nurse)
            course.given += 1
            self._tally.add("treatments")
            if course.rng.random() < 0.4:
                await self._report(course)
            return
        await self._move(course, "completed", course.nurse)

    async def _report(self, course: Course) -> None:
        body: Object = {
            "description": course.rng.choice(course.regimen.effects),
            "severity": course.rng.choice(_WORDS),
            "chemoCycle": pointer("ChemoCycle", course.object_id),
            "recordedAt": _now(),
        }
        await self._api.ask("POST", "/classes/SideEffect", body, user=course.patient)
        self._tally.add("side effects")

    async def _plan_next(self, course: Course) -> None:
        course.number += 1
        starts = datetime.now(UTC) + timedelta(days=course.rng.uniform(0.5, 6))
        body = cycle_body(course.patient, course.regimen, course.number, starts)
        saved = await self._api.ask("POST", "/classes/ChemoCycle", body, user=course.oncologist)
        course.object_id, course.status = str(saved["objectId"]), "planned"
        course.signed, course.given = frozenset(), 0
        self._tally.add("cycles")


def cycle_body(patient: str, regimen: Regimen, number: int, starts: datetime) -> Object:
    """A planned cycle."""
    return {
        "cycleNumber": number,
        "regimen": regimen.name,
        "startDate": date_to_wire(starts),
        "endDate": date_to_wire(starts + timedelta(days=regimen.days - 1)),
        "patient": pointer("_User", patient),
    }


async def _courses(api: Api, people: People, options: Options) -> list[Course]:
    """The oldest open cycles whose patients have an oncologist and a nurse, and new patients with one up to the number wanted."""
    teams = await _teams(api, people)
    where: Object = {"status": {"$in": list[Json](OPEN)}, "regimen": {"$in": [each.name for each in REGIMENS]}}
    found: list[Course] = []
    for oncologist in people.oncologists:
        for each in await api.find("/classes/ChemoCycle", where, 1000, user=oncologist):
            patient = pointed(each["patient"]) or ""
            if teams.get(patient, ("", ""))[0] == oncologist:
                found.append(_course(each, teams[patient], options.seed))
    del found[options.size :]
    for number in range(len(found), options.size):
        found.append(await _new_course(api, people, number, options.seed))
    for patient in {each.patient for each in found} - api.sessions.keys():
        await api.sign_in(patient)
    return found


async def _teams(api: Api, people: People) -> dict[str, tuple[str, str]]:
    """Patient -> an oncologist and a nurse of their care team."""
    teams: dict[str, tuple[str, str]] = {}
    for oncologist in people.oncologists:
        for profile in await api.find("/classes/Patient", {"user": {"$exists": True}}, 1000, user=oncologist):
            nurses = [member for each in profile.get("careTeam", []) if (member := pointed(each)) in people.nurses]
            if nurses and nurses[0]:
                teams.setdefault(pointed(profile["user"]) or "", (oncologist, nurses[0]))
    return teams


async def _new_course(api: Api, people: People, number: int, seed: int) -> Course:
    """A new patient with a team, and a first cycle."""
    team = (people.oncologists[number % len(people.oncologists)], people.nurses[number % len(people.nurses)])
    name = f"sim-patient-{seed}-{number + 1}-{secrets.token_hex(2)}"
    account: Object = {
        "username": name,
        "email": f"{name}@careboard.example",
        "password": secrets.token_urlsafe(18),
        "role": "patient",
        "active": True,
        "displayName": f"Simulated patient {number + 1}",
    }
    patient = str((await api.ask("POST", "/users", account))["objectId"])
    await api.sign_in(patient)
    members: list[Json] = [pointer("_User", each) for each in team]
    profile: Object = {"name": f"Simulated patient {number + 1}", "careTeam": members}
    await api.ask("POST", "/classes/Patient", profile, user=patient)
    rng = Random(f"{seed}:{number}")  # noqa: S311 - a story, not a secret
    starts = datetime.now(UTC) + timedelta(days=rng.uniform(0.5, 6))
    body = cycle_body(patient, REGIMENS[number % len(REGIMENS)], 1, starts)
    saved = await api.ask("POST", "/classes/ChemoCycle", body, user=team[0])
    return _course({**body, "objectId": saved["objectId"], "status": "planned"}, team, seed, story=str(number))


def _course(stored: Object, team: tuple[str, str], seed: int, *, story: str = "") -> Course:
    number = stored["cycleNumber"]
    return Course(
        object_id=str(stored["objectId"]),
        patient=pointed(stored["patient"]) or "",
        oncologist=team[0],
        nurse=team[1],
        number=int(number) if isinstance(number, int | float) else 1,
        regimen=next(each for each in REGIMENS if each.name == stored["regimen"]),
        status=str(stored["status"]),
        rng=Random(f"{seed}:{story or stored['objectId']}"),  # noqa: S311 - a story, not a secret
        signed=signers(stored),
    )


def _now() -> Object:
    return date_to_wire(datetime.now(UTC))
