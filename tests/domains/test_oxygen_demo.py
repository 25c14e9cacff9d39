"""The demo: believable, consistent with the rules, the same for the same seed, quick."""

from collections import Counter
from datetime import timedelta

import pytest

from app.actions.caller import ANONYMOUS
from app.config import Settings
from app.core.wire import Object, pointer
from app.domains.limits import instant
from app.domains.oxygen.domain import OXYGEN
from app.store.database import Database
from tests.domains.floor import Floor, make_demo


@pytest.fixture(scope="module")
async def demo(database: Database, settings: Settings) -> Floor:
    return await make_demo(database, settings, OXYGEN)


async def test_every_role_can_sign_in(demo: Floor) -> None:
    roles = Counter(each.role for each in demo.sign_ins)
    assert roles == {"admin": 1, "dispatcher": 2, "driver": 6, "careTeam": 4, "patient": 1}
    for role in roles:
        each = next(each for each in demo.sign_ins if each.role == role)
        user = await demo.users.log_in(ANONYMOUS, {"username": each.username, "password": each.password})
        assert (user["role"], user["displayName"]) == (role, each.name)


async def test_the_fleet_has_the_size_of_a_working_day(demo: Floor) -> None:
    counts = {name: len(await demo.all(name)) for name in OXYGEN.permissions}
    assert counts["PatientSite"] == 40
    assert 180 <= counts["TankAssignment"] <= 260
    assert counts["RefillLog"] > counts["TankAssignment"]
    assert counts["DispatchEvent"] > 2 * counts["TankAssignment"]


async def test_the_board_has_something_of_each_urgency_and_more_every_hour(demo: Floor) -> None:
    tanks = await demo.all("TankAssignment")
    urgencies = Counter(tank["urgency"] for tank in tanks)
    assert 1 <= urgencies["empty"] <= 2
    assert 3 <= urgencies["critical"] <= 8
    assert 5 <= urgencies["low"] <= 20
    assert 1 <= urgencies["unknown"] <= 2
    assert urgencies["ok"] > 150
    moments = [moment for tank in tanks if (moment := instant(tank.get("emptyAt")))]
    for hour in range(8, 16):
        begins, ends = demo.made_at + timedelta(hours=hour), demo.made_at + timedelta(hours=hour + 1)
        assert any(begins <= moment < ends for moment in moments), f"nothing turns low {hour - 8} h from now"


async def test_the_last_reading_of_the_history_is_the_tanks(demo: Floor) -> None:
    checks = await demo.all("DispatchEvent", {"eventType": "psi_check"})
    refills = await demo.all("RefillLog")
    newest: dict[str, tuple[str, object]] = {}
    told = [(row["tankAssignment"], row["eventTime"], row["psiLevel"]) for row in checks]
    told += [(row["tankAssignment"], row["refillTime"], row["psiAfter"]) for row in refills]
    for tank, at, psi in told:
        assert isinstance(tank, dict)
        assert isinstance(at, dict)
        key, moment = str(tank["objectId"]), str(at["iso"])
        newest[key] = max(newest.get(key, ("", 0)), (moment, psi), key=lambda pair: pair[0])
    for each in await demo.all("TankAssignment"):
        at = each["lastCheckedAt"]
        assert isinstance(at, dict)
        assert newest[str(each["objectId"])] == (at["iso"], each["psiLevel"])


async def test_pressures_fall_between_refills(demo: Floor) -> None:
    tank = next(iter(await demo.all("TankAssignment", {"urgency": "low", "cylinderSize": {"$exists": True}})))
    where: Object = {"tankAssignment": pointer("TankAssignment", str(tank["objectId"]))}
    refill = max(str(row["refillTime"]) for row in await demo.all("RefillLog", where))
    checks = await demo.all("DispatchEvent", {**where, "eventType": "psi_check"})
    since = sorted((str(row["eventTime"]), float(str(row["psiLevel"]))) for row in checks if str(row["eventTime"]) > refill)
    assert [psi for _, psi in since] == sorted((psi for _, psi in since), reverse=True)


async def test_everyone_sees_their_part(demo: Floor) -> None:
    """Through the same door as any row: the triggers gave the bulk of the demo its readers."""
    tanks = await demo.all("TankAssignment")
    drivers = Counter(str(tank["assignedDriver"]) for tank in tanks)
    assert len(drivers) == 6
    for tank in tanks:
        acl = tank["ACL"]
        assert isinstance(acl, dict)
        assert "*" not in acl
        assert {"role:dispatcher", "role:admin"} <= acl.keys()
    for class_name in ("PatientSite", "RefillLog", "EmergencyContact", "DispatchEvent"):
        assert all("*" not in str(row["ACL"]) for row in await demo.all(class_name))


async def test_every_site_has_one_primary_contact_that_no_telephone_has(demo: Floor) -> None:
    contacts = await demo.all("EmergencyContact")
    assert all(" 555 01" in str(each["phoneNumber"]) for each in contacts)
    primary = Counter(str(each["site"]) for each in contacts if each["isPrimary"])
    assert set(primary.values()) == {1}
    assert len(primary) == 40
    assert len({each["preferredLanguage"] for each in contacts}) >= 5
