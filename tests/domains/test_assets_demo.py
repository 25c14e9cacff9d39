"""The demo of the hospital: believable, consistent with the rules, with something to see for hours."""

from collections import Counter
from datetime import timedelta

import pytest

from app.actions.caller import ANONYMOUS
from app.config import Settings
from app.core.wire import Object
from app.domains.assets.catalogue import CATALOGUE
from app.domains.assets.domain import ASSETS
from app.domains.assets.figures import figures
from app.domains.assets.rules import DUE_SOON, IN_TRANSIT
from app.domains.limits import instant, pointed
from app.store.database import Database
from tests.domains.floor import Floor, make_demo


@pytest.fixture(scope="module")
async def demo(database: Database, settings: Settings) -> Floor:
    return await make_demo(database, settings, ASSETS)


async def test_every_role_can_sign_in(demo: Floor) -> None:
    roles = Counter(each.role for each in demo.sign_ins)
    assert roles == {"biomed": 2, "technician": 3, "departmentManager": 2, "nurse": 3}
    for role in roles:
        each = next(each for each in demo.sign_ins if each.role == role)
        user = await demo.users.log_in(ANONYMOUS, {"username": each.username, "password": each.password})
        assert (user["role"], user["displayName"]) == (role, each.name)


async def test_the_hospital_has_the_size_of_one(demo: Floor) -> None:
    counts = {name: len(await demo.all(name)) for name in ASSETS.permissions}
    assert counts["Asset"] == sum(kind.count for kind in CATALOGUE)
    assert counts["Facility"] == 3
    assert counts["MaintenanceLog"] > counts["Asset"]
    assert counts["Inspection"] >= 2 * counts["Asset"]
    assert counts["ComplianceEvent"] > counts["Inspection"]


async def test_the_board_has_something_of_each_urgency_and_more_every_hour(demo: Floor) -> None:
    assets = await demo.all("Asset")
    urgencies = Counter(asset["urgency"] for asset in assets)
    assert urgencies.keys() == {"critical", "overdue", "down", "unknown", "due_soon", "ok"}
    assert urgencies["ok"] > len(assets) / 2
    assert urgencies["critical"] < 20
    statuses = Counter(asset["status"] for asset in assets)
    assert statuses["in_use"] > statuses["available"] > statuses["maintenance"] > statuses["retired"] >= 3
    calm = [asset for asset in assets if asset["urgency"] == "ok" and asset["status"] != "retired"]
    soon = [due - DUE_SOON[str(asset["criticality"])] for asset in calm if (due := instant(asset.get("nextServiceDue")))]
    flips = sorted(moment - demo.made_at for moment in soon if moment - demo.made_at < timedelta(hours=8))
    assert len(flips) >= 5
    dues = [due for asset in assets if (due := instant(asset.get("nextServiceDue")))]
    assert sum(timedelta(0) < due - demo.made_at < timedelta(hours=12) for due in dues) >= 8


async def test_an_asset_is_where_its_active_assignment_says(demo: Floor) -> None:
    active = {pointed(row["asset"]): row for row in await demo.all("AssetAssignment", {"assignmentStatus": "active"})}
    for asset in await demo.all("Asset"):
        held = active.get(str(asset["objectId"]))
        assert (held is not None) is (asset["status"] == "in_use")
        assert asset.get("holder") == (held["assignedTo"] if held else None)
        if held:
            assert asset["currentLocation"] == f"{held['departmentName']} {held['roomLabel']}"
            assert (asset["department"], pointed(asset["assignment"])) == (held["departmentName"], held["objectId"])
        assert asset["currentLocation"] != IN_TRANSIT


async def test_the_date_of_an_asset_is_that_of_its_plan_and_its_last_work(demo: Floor) -> None:
    assets = {str(asset["objectId"]): asset for asset in await demo.all("Asset")}
    plans = {str(plan["objectId"]): plan for plan in await demo.all("MaintenancePlan")}
    for plan in plans.values():
        if plan["status"] == "active":
            assert assets[str(pointed(plan["asset"]))]["nextServiceDue"] == plan["nextDueAt"]
    newest: dict[str, Object] = {}
    for log in await demo.all("MaintenanceLog", {"maintenanceType": "preventive", "completedAt": {"$exists": True}}):
        plan_id = str(pointed(log["plan"]))
        if plan_id not in newest or str(log["completedAt"]) > str(newest[plan_id]["completedAt"]):
            newest[plan_id] = log
    assert len(newest) > 100
    for plan_id, log in newest.items():
        assert log["nextDueAt"] == plans[plan_id]["nextDueAt"]
        done, due = instant(log["completedAt"]), instant(log["nextDueAt"])
        assert done is not None
        assert due == done + timedelta(days=float(str(plans[plan_id]["frequencyDays"])))


async def test_what_is_out_of_service_failed_its_last_inspection(demo: Floor) -> None:
    failed = {pointed(row["asset"]): row for row in await demo.all("Inspection", {"status": "failed"})}
    down = await demo.all("Asset", {"status": "out_of_service"})
    assert {str(asset["objectId"]) for asset in down} == failed.keys()
    assert all(asset["lastInspectionAt"] == failed[str(asset["objectId"])]["inspectedAt"] for asset in down)


async def test_the_figures_are_those_of_a_decent_hospital(demo: Floor) -> None:
    found = {
        "assets": await demo.all("Asset"),
        "plans": await demo.all("MaintenancePlan"),
        "logs": await demo.all("MaintenanceLog"),
    }
    pm, mtbf, mttr, availability = figures(found, demo.made_at)
    for figure in (pm, mtbf, mttr, availability):
        assert figure.value is not None
        assert figure.numbers
    assert 75 < float(str(pm.value).split()[0]) < 99
    assert 97 < float(str(availability.value).split()[0]) < 100
    assert next(label for label, _, _ in pm.bars) == "Critical"


async def test_labels_carry_a_sound_udi(demo: Floor) -> None:
    for asset in await demo.all("Asset"):
        udi = str(asset["udi"])
        item = udi[4:18]
        assert udi.startswith("(01)0952")
        assert sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(item)) % 10 == 0
        assert udi.endswith(f"(21){asset['serialNumber']}")


async def test_everyone_sees_their_part(demo: Floor) -> None:
    """Through the same door as any row: the triggers gave the bulk of the demo its readers."""
    for class_name in ASSETS.permissions:
        for row in await demo.all(class_name):
            acl = row["ACL"]
            assert isinstance(acl, dict)
            assert "*" not in acl
            assert {"role:admin", "role:biomed"} <= acl.keys()
    departments = Counter(str(asset.get("department")) for asset in await demo.all("Asset"))
    managers = {each.username: each for each in demo.sign_ins if each.role == "departmentManager"}
    assert departments["ICU"] > 5
    assert len(managers) == 2
