"""The demo: believable, consistent with the rules, the same for the same seed."""

from collections import Counter
from random import Random

import pytest

from app.actions.caller import ANONYMOUS, caller_of_user_as_master
from app.actions.objects import utc_now
from app.config import Settings
from app.domains.limits import instant
from app.domains.oncology.demo import NADIR, Ward, level
from app.domains.oncology.domain import ONCOLOGY
from app.domains.oncology.regimens import PATIENTS, REGIMENS, STAFF, TESTS
from app.domains.oncology.rules import LAB_TESTS, URGENCIES
from app.store.database import Database
from tests.domains.floor import Floor, make_demo


@pytest.fixture(scope="module")
async def demo(database: Database, settings: Settings) -> Floor:
    return await make_demo(database, settings, ONCOLOGY)


async def test_every_role_can_sign_in(demo: Floor) -> None:
    roles = Counter(each.role for each in demo.sign_ins)
    assert roles == {"oncologist": 2, "nurse": 3, "pharmacist": 1, "careTeam": 1, "patient": 2}
    for role in roles:
        each = next(each for each in demo.sign_ins if each.role == role)
        user = await demo.users.log_in(ANONYMOUS, {"username": each.username, "password": each.password})
        assert (user["role"], user["displayName"]) == (role, each.name)


async def test_the_board_has_something_of_each_urgency(demo: Floor) -> None:
    cycles = await demo.all("ChemoCycle")
    urgencies = Counter(str(cycle["urgency"]) for cycle in cycles)
    assert set(urgencies) == set(URGENCIES)
    assert urgencies["overdue"] <= 5
    assert min(urgencies[each] for each in ("review", "unknown", "delayed", "soon", "ok")) >= 2
    assert urgencies["closed"] > 28
    due = sorted(moment for cycle in cycles if cycle["urgency"] in ("ok", "soon") and (moment := instant(cycle.get("dueAt"))))
    assert len([moment for moment in due if (moment - demo.made_at).total_seconds() < 36 * 3600]) >= 8


async def test_every_patient_has_a_team_that_reads_the_whole_record(demo: Floor) -> None:
    nurse = next(each for each in demo.sign_ins if each.role == "nurse")
    user = await demo.users.find_id_as_master(nurse.username)
    async with demo.objects.database.connection() as connection:
        caller = await caller_of_user_as_master(connection, str(user))
    profiles = await demo.objects.find_objects(caller, demo.objects.parse_query("Patient", {"limit": 1000}))
    assert 0 < len(profiles) < len(PATIENTS)
    mine = {str(each["user"]) for each in profiles}
    for class_name in ("ChemoCycle", "LabTrend", "Treatment"):
        found = await demo.objects.find_objects(caller, demo.objects.parse_query(class_name, {"limit": 10_000}))
        assert {str(each["patient"]) for each in found} == mine
    for class_name in ("Patient", "ChemoCycle", "Treatment", "SideEffect", "LabTrend"):
        assert not [row for row in await demo.all(class_name) if "*" in str(row["ACL"])]


async def test_counts_fall_after_a_cycle_and_come_back(demo: Floor) -> None:
    for regimen in REGIMENS:
        for test in TESTS[:3]:
            before, nadir = (sum(level(test, regimen, 2, day, Random(n)) for n in range(40)) for day in (-1.5, NADIR))
            assert nadir < before
    counts = await demo.all("LabTrend", {"labTestName": "ANC"})
    assert {"L", "N"} <= {str(each["flag"]) for each in counts}


async def test_an_open_cycle_shows_its_newest_results(demo: Floor) -> None:
    for cycle in await demo.all("ChemoCycle", {"status": "in_progress"}):
        labs = cycle["labs"]
        assert isinstance(labs, dict)
        assert set(labs) == set(LAB_TESTS)
        counts = await demo.all("LabTrend", {"patient": cycle["patient"], "labTestName": "ANC"})
        newest = max(counts, key=lambda row: str(row["date"]))
        assert isinstance(labs["ANC"], dict)
        assert labs["ANC"]["result"] == newest["result"]


async def test_what_was_given_lies_within_its_cycle(demo: Floor) -> None:
    cycles = {str(cycle["objectId"]): cycle for cycle in await demo.all("ChemoCycle")}
    given = await demo.all("Treatment")
    assert len(given) > 300
    for each in given:
        cycle = cycles[str(each["chemoCycle"]["objectId"])]  # type: ignore[index,call-overload]  # a pointer
        assert each["patient"] == cycle["patient"]
        assert str(cycle["startDate"]) <= str(each["date"]) <= str(cycle["endDate"]) or cycle["status"] == "in_progress"


async def test_what_is_severe_and_late_calls_for_a_nurse(demo: Floor) -> None:
    alerts = await demo.all("Alert", {"role": "nurse"})
    assert alerts
    effects = {str(each["objectId"]) for each in await demo.all("SideEffect", {"grade": {"$gte": 3}})}
    results = {str(each["objectId"]) for each in await demo.all("LabTrend", {"flag": {"$in": ["LL", "HH"]}})}
    told = {str(about["objectId"]) for each in alerts if isinstance(about := each["about"], dict)}
    assert told <= effects | results
    assert told & effects
    assert told & results


def test_the_same_seed_draws_the_same_ward() -> None:
    ids = {username: f"id-{username}" for username in [*(s[0] for s in STAFF), *(p[0] for p in PATIENTS)]}
    now = utc_now()
    drawn = [[str(row.__dict__) for rows in Ward(now, Random(7), ids).build() for row in rows] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert "id-yuki.amano" in str(drawn[0])
