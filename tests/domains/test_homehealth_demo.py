"""The demo: believable, consistent with the rules, something of each urgency and more every hour."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.actions.caller import ANONYMOUS
from app.actions.ticker import flip
from app.config import Settings
from app.domains.homehealth.domain import HOMEHEALTH
from app.domains.homehealth.rules import BOOKED, PARENTS_FIRST, URGENCIES
from app.domains.homehealth.triggers import tick
from app.domains.limits import instant, pointed
from app.store.database import Database
from tests.domains.floor import Floor, make_demo


@pytest.fixture(scope="module")
async def demo(database: Database, settings: Settings) -> Floor:
    return await make_demo(database, settings, HOMEHEALTH)


async def test_every_role_can_sign_in(demo: Floor) -> None:
    assert Counter(each.role for each in demo.sign_ins) == {"dispatcher": 1, "coordinator": 1, "technician": 10}
    for role in ("dispatcher", "coordinator", "technician"):
        each = next(each for each in demo.sign_ins if each.role == role)
        user = await demo.users.log_in(ANONYMOUS, {"username": each.username, "password": each.password})
        assert (user["role"], user["displayName"]) == (role, each.name)


async def test_the_board_has_something_of_each_urgency_and_more_every_hour(demo: Floor) -> None:
    jobs = await demo.all("Job")
    urgencies = Counter(str(job["urgency"]) for job in jobs)
    assert set(urgencies) == set(URGENCIES)
    assert all(urgencies[name] <= 6 for name in URGENCIES[:-2])
    assert urgencies["ok"] > 60
    waiting = [each for job in jobs if job["status"] in ("open", "offered") and (each := instant(job["scheduledTime"]))]
    for hours in (4, 7):
        begins, ends = demo.made_at + timedelta(hours=hours), demo.made_at + timedelta(hours=hours + 3)
        assert any(begins < each <= ends for each in waiting), hours


async def test_the_demo_keeps_the_rules(demo: Floor) -> None:
    """Nothing is missed but what says so, nobody is at two doors at once, every list and part is as the server keeps it."""
    await flip(demo.objects.database, tick)
    jobs = await demo.all("Job")
    assert Counter(job["status"] for job in jobs)["missed"] == 1
    times: dict[str, list[tuple[datetime, datetime]]] = {}
    for job in jobs:
        if job["status"] in BOOKED:
            begins, ends = instant(job["scheduledTime"]), instant(job["endsAt"])
            assert begins is not None
            assert ends is not None
            times.setdefault(str(pointed(job["technician"])), []).append((begins, ends))
    for visits in times.values():
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(visits)))
    for technician in await demo.all("Technician"):
        assert isinstance(technician["assignedJobs"], list)
        assert len(technician["assignedJobs"]) > 2


async def test_what_is_verified_has_a_log_that_verifies_it(demo: Floor) -> None:
    logs = await demo.all("ServiceLog")
    by_job = {str(pointed(log["job"])): log["verification"] for log in logs}
    verified = await demo.all("Job", {"status": "verified"})
    assert len(verified) > 20
    assert {by_job[str(job["objectId"])] for job in verified} <= {"complete", "out_of_area"}
    assert {log["verification"] for log in logs} == {"complete", "out_of_area", "incomplete"}


async def test_everyone_sees_their_part(demo: Floor) -> None:
    """Through the same door as any row: the triggers gave the bulk of the demo its readers."""
    for class_name in PARENTS_FIRST:
        for row in await demo.all(class_name):
            assert isinstance(row["ACL"], dict)
            assert "*" not in row["ACL"]
            assert {"role:dispatcher", "role:coordinator", "role:admin"} <= row["ACL"].keys()


async def test_the_desk_is_told_of_what_went_wrong(demo: Floor) -> None:
    told = Counter((alert["kind"], alert["urgency"], alert["role"]) for alert in await demo.all("Alert"))
    assert told == {("missed", "high", "dispatcher"): 1, ("no_show", "critical", "dispatcher"): 1}
