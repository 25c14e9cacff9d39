"""The demo: believable, consistent with the rules, the same for the same seed, quick."""

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from app.actions.caller import ANONYMOUS, MASTER
from app.actions.hooks import Hooks
from app.actions.objects import Objects, utc_now
from app.actions.roles import ensure_roles_as_master
from app.actions.users import Users
from app.config import Settings
from app.core.wire import Object, pointer
from app.domains.domain import SignIn
from app.domains.limits import instant
from app.domains.oxygen.demo import create_demo
from app.domains.oxygen.domain import OXYGEN
from app.store.database import Database
from app.store.migrate import migrate

NOW = utc_now()


class Demo:
    """The filled database."""

    def __init__(self, objects: Objects, users: Users, sign_ins: list[SignIn]) -> None:
        self.objects, self.users, self.sign_ins = objects, users, sign_ins

    async def all(self, class_name: str, where: Object | None = None) -> list[Object]:
        """Every object, seen with the master key."""
        params: Object = {"limit": 10_000, "where": where or {}}
        return await self.objects.find_objects(MASTER, self.objects.parse_query(class_name, params))


@pytest.fixture(scope="module")
async def demo(database: Database, settings: Settings) -> Demo:
    schemas = await migrate(database, [OXYGEN])
    async with database.transaction() as connection:
        await ensure_roles_as_master(connection)
    hooks = Hooks()
    objects = Objects(database, schemas, hooks, settings)
    OXYGEN.install(hooks, objects)
    users = Users(objects)
    return Demo(objects, users, await create_demo(objects, users, NOW, Random(7), lambda name: f"{name}-secret"))


async def test_every_role_can_sign_in(demo: Demo) -> None:
    roles = Counter(each.role for each in demo.sign_ins)
    assert roles == {"admin": 1, "dispatcher": 2, "driver": 6, "careTeam": 4, "patient": 1}
    for role in roles:
        each = next(each for each in demo.sign_ins if each.role == role)
        user = await demo.users.log_in(ANONYMOUS, {"username": each.username, "password": each.password})
        assert (user["role"], user["displayName"]) == (role, each.name)


async def test_the_fleet_has_the_size_of_a_working_day(demo: Demo) -> None:
    counts = {name: len(await demo.all(name)) for name in OXYGEN.permissions}
    assert counts["PatientSite"] == 40
    assert 180 <= counts["TankAssignment"] <= 260
    assert counts["RefillLog"] > counts["TankAssignment"]
    assert counts["DispatchEvent"] > 2 * counts["TankAssignment"]


async def test_the_board_has_something_of_each_urgency_and_more_every_hour(demo: Demo) -> None:
    tanks = await demo.all("TankAssignment")
    urgencies = Counter(tank["urgency"] for tank in tanks)
    assert 1 <= urgencies["empty"] <= 2
    assert 3 <= urgencies["critical"] <= 8
    assert 5 <= urgencies["low"] <= 20
    assert 1 <= urgencies["unknown"] <= 2
    assert urgencies["ok"] > 150
    moments = [moment for tank in tanks if (moment := instant(tank.get("emptyAt")))]
    for hour in range(8, 16):
        begins, ends = NOW + timedelta(hours=hour), NOW + timedelta(hours=hour + 1)
        assert any(begins <= moment < ends for moment in moments), f"nothing turns low {hour - 8} h from now"


async def test_the_last_reading_of_the_history_is_the_tanks(demo: Demo) -> None:
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


async def test_pressures_fall_between_refills(demo: Demo) -> None:
    tank = next(iter(await demo.all("TankAssignment", {"urgency": "low", "cylinderSize": {"$exists": True}})))
    where: Object = {"tankAssignment": pointer("TankAssignment", str(tank["objectId"]))}
    refill = max(str(row["refillTime"]) for row in await demo.all("RefillLog", where))
    checks = await demo.all("DispatchEvent", {**where, "eventType": "psi_check"})
    since = sorted((str(row["eventTime"]), float(str(row["psiLevel"]))) for row in checks if str(row["eventTime"]) > refill)
    assert [psi for _, psi in since] == sorted((psi for _, psi in since), reverse=True)


async def test_everyone_sees_their_part(demo: Demo) -> None:
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


async def test_every_site_has_one_primary_contact_that_no_telephone_has(demo: Demo) -> None:
    contacts = await demo.all("EmergencyContact")
    assert all(" 555 01" in str(each["phoneNumber"]) for each in contacts)
    primary = Counter(str(each["site"]) for each in contacts if each["isPrimary"])
    assert set(primary.values()) == {1}
    assert len(primary) == 40
    assert len({each["preferredLanguage"] for each in contacts}) >= 5
