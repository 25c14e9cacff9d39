"""Who may do what with hospital assets: role x class x operation x field, anonymous and a stranger first, and ways around it."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from random import Random

import pytest

from app.core.query import Query
from app.core.wire import Json, Object, pointer
from app.domains.assets.rules import OF_AN_ASSET, PARENTS_FIRST, REQUESTS
from app.errors import ParseError
from tests.domains.hospital import Hospital

WHO = (
    "anonymous",
    "stranger",
    "patient",
    "other_technician",
    "other_manager",
    "nurse",
    "manager",
    "technician",
    "biomed",
    "admin",
)
"""The nurse holds the asset, the technician looks after it, the manager's department is where it stands."""

PEOPLE_OF_ASSET = {"manager", "technician", "biomed", "admin"}
PLACES = ("Facility", "Location")
ITS_STAFF = {"other_technician", "other_manager", *PEOPLE_OF_ASSET}


def readers_of(class_name: str) -> set[str]:
    """Who reads an object of this class that belongs to the asset of the case."""
    if class_name in PLACES:
        return ITS_STAFF
    return PEOPLE_OF_ASSET | ({"nurse"} if class_name in ("Asset", "AssetAssignment") else set())


@dataclass
class Case:
    """One of each class, all of one asset."""

    ids: dict[str, str]


@pytest.fixture(scope="module")
async def case(hospital: Hospital) -> Case:
    asset = await hospital.new_asset()
    made = {
        "Facility": hospital.facility,
        "Location": await hospital.make("Location", {"name": "Lab", "type": "room"}),
        "Asset": asset,
        "AssetAssignment": await hospital.make("AssetAssignment", hospital.assignment_body(asset)),
        "MaintenancePlan": await hospital.make("MaintenancePlan", hospital.plan_body(asset)),
        "MaintenanceLog": await hospital.make("MaintenanceLog", hospital.log_body(asset)),
        "Inspection": await hospital.make("Inspection", hospital.inspection_body(asset)),
        "ComplianceEvent": await hospital.make("ComplianceEvent", hospital.event_body(asset)),
    }
    return Case(made)


async def outcome(work: Awaitable[object]) -> int:
    """0 when it is done, the Parse code when it is refused."""
    try:
        await work
    except ParseError as refusal:
        return int(refusal.code)
    return 0


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO)
async def test_only_its_people_read_an_asset(hospital: Hospital, case: Case, who: str, class_name: str) -> None:
    got = await outcome(hospital.objects.get_object(hospital[who], class_name, case.ids[class_name]))
    assert got == (0 if who in readers_of(class_name) else 101)


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO[1:])
async def test_a_find_and_a_count_show_what_a_get_shows(hospital: Hospital, case: Case, who: str, class_name: str) -> None:
    seen = who in readers_of(class_name)
    assert (case.ids[class_name] in await hospital.ids(who, class_name)) is seen
    query = hospital.objects.parse_query(class_name, {"where": {"objectId": case.ids[class_name]}})
    assert await hospital.objects.count(hospital[who], query) == seen


CHANGES: dict[str, Object] = {
    "Facility": {"campus": "North"},
    "Location": {"wing": "B"},
    "Asset": {"manufacturer": "Acme"},
    "MaintenancePlan": {"checklist": ["look"]},
    "MaintenanceLog": {"findings": "corrected"},
    "Inspection": {"findings": "corrected"},
    "AssetAssignment": {"usageNotes": "long tubing"},
    "ComplianceEvent": {"summary": "corrected"},
}


def may_update(who: str, class_name: str) -> bool:
    if class_name == "ComplianceEvent":
        return who == "admin"
    return who in ("biomed", "admin") or (who, class_name) == ("technician", "MaintenanceLog")


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO)
async def test_who_updates_what(hospital: Hospital, case: Case, who: str, class_name: str) -> None:
    before = await hospital.stored(class_name, case.ids[class_name])
    got = await outcome(hospital.objects.update(hospital[who], class_name, case.ids[class_name], CHANGES[class_name]))
    if may_update(who, class_name):
        assert got == 0
    else:
        assert got in (101, 119)
        assert await hospital.stored(class_name, case.ids[class_name]) == before


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO)
async def test_only_an_admin_deletes(hospital: Hospital, who: str, class_name: str) -> None:
    bodies = await new_bodies(hospital, "admin")
    if class_name == "AssetAssignment":
        bodies[class_name] |= {"assignmentStatus": "completed", "returnedAt": hospital.ago()}
    made = await hospital.make(class_name, bodies[class_name])
    got = await outcome(hospital.objects.delete(hospital[who], class_name, made))
    left = await outcome(hospital.stored(class_name, made))
    if who == "admin":
        assert (got, left) == (0, 101)
    else:
        assert got in (101, 119)
        assert left == 0


async def new_bodies(hospital: Hospital, signer: str) -> dict[str, Object]:
    """A body of each class about a new asset in the ICU, in the name of `signer`."""
    asset = await hospital.new_asset(department="ICU")
    code = asset
    return {
        "Facility": {"name": "East", "code": code, "isOperational": True},
        "Location": {"name": "ICU Room 12", "type": "room"},
        "Asset": hospital.asset_body(),
        "MaintenancePlan": hospital.plan_body(asset),
        "MaintenanceLog": hospital.log_body(asset, signer),
        "Inspection": hospital.inspection_body(asset, signer),
        "AssetAssignment": hospital.assignment_body(asset),
        "ComplianceEvent": hospital.event_body(asset, signer),
    }


def may_create(who: str, class_name: str) -> bool:
    if who in ("biomed", "admin"):
        return True
    return (who, class_name) in {
        ("technician", "MaintenanceLog"),
        ("technician", "Inspection"),
        ("manager", "ComplianceEvent"),
    }


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO)
async def test_who_creates_what(hospital: Hospital, who: str, class_name: str) -> None:
    body = (await new_bodies(hospital, who if who != "anonymous" else "biomed"))[class_name]
    before = await hospital.objects.count(hospital["master"], Query(class_name))
    got = await outcome(hospital.objects.create(hospital[who], class_name, body))
    allowed = may_create(who, class_name)
    assert (got == 0) is allowed
    assert got in ((0,) if allowed else (101, 119) if who == "anonymous" else (119,))
    assert await hospital.objects.count(hospital["master"], Query(class_name)) == before + allowed


LOG_FIELDS: list[tuple[str, Json, int]] = [
    ("status", "completed", 0),
    ("findings", "worn", 0),
    ("partsUsed", ["filter"], 0),
    ("downtimeMinutes", 12, 0),
    ("summary", "done", 0),
    ("outcome", "repaired", 0),
    ("notes", "none", 0),
    ("performedAt", {"__type": "Date", "iso": "2026-11-01T10:00:00.000Z"}, 0),
    ("startedAt", {"__type": "Date", "iso": "2026-11-01T10:00:00.000Z"}, 0),
    ("nextDueAt", {"__type": "Date", "iso": "2027-11-01T10:00:00.000Z"}, 0),
    ("maintenanceType", "corrective", 119),
    ("plan", {"__op": "Delete"}, 119),
    ("plannedFor", {"__type": "Date", "iso": "2026-11-01T10:00:00.000Z"}, 119),
]


@pytest.mark.parametrize(("name", "value", "code"), LOG_FIELDS)
async def test_a_technician_writes_what_the_work_tells(hospital: Hospital, name: str, value: Json, code: int) -> None:
    asset = await hospital.new_asset()
    await hospital.make("MaintenancePlan", hospital.plan_body(asset))
    made = await hospital.make("MaintenanceLog", hospital.log_body(asset, status="in_progress", completedAt=None))
    before = await hospital.stored("MaintenanceLog", made)
    assert await outcome(hospital.objects.update(hospital["technician"], "MaintenanceLog", made, {name: value})) == code
    assert (await hospital.stored("MaintenanceLog", made) == before) is (code != 0)


async def test_a_technician_writes_of_the_own_assets_and_in_the_own_name_only(hospital: Hospital) -> None:
    mine, another = await hospital.new_asset(), await hospital.new_asset(technician=hospital.user("other_technician"))
    for class_name, make in (("MaintenanceLog", hospital.log_body), ("Inspection", hospital.inspection_body)):
        with pytest.raises(ParseError, match="give yourself; only biomed or admin records for somebody else"):
            await hospital.objects.create(hospital["technician"], class_name, make(mine, "biomed"))
        for asset in (another, "nowhere123"):
            with pytest.raises(ParseError, match="there is none with that objectId that is assigned to you"):
                await hospital.objects.create(hospital["technician"], class_name, make(asset))
    log = await hospital.make("MaintenanceLog", hospital.log_body(another, "other_technician"))
    assert await outcome(hospital.objects.update(hospital["technician"], "MaintenanceLog", log, {"findings": "x"})) == 101


@pytest.mark.parametrize("kind", [*REQUESTS, "inspection_passed", "moved"])
async def test_a_manager_records_requests_and_nothing_else(hospital: Hospital, kind: str) -> None:
    asset = await hospital.new_asset(department="ICU")
    got = await outcome(
        hospital.objects.create(hospital["manager"], "ComplianceEvent", hospital.event_body(asset, "manager", eventType=kind))
    )
    assert got == (0 if kind in REQUESTS else 119)
    assert len(await hospital.of(asset, "ComplianceEvent")) == (kind in REQUESTS)


async def test_a_manager_asks_for_assets_of_the_own_department_in_the_own_name(hospital: Hospital) -> None:
    elsewhere = await hospital.new_asset(department="Emergency")
    for asset in (elsewhere, "nowhere123"):
        with pytest.raises(ParseError, match="asset: there is none with that objectId in your department"):
            await hospital.objects.create(hospital["manager"], "ComplianceEvent", hospital.event_body(asset, "manager"))
    mine = await hospital.new_asset(department="ICU")
    with pytest.raises(ParseError, match="actor: give yourself"):
        await hospital.objects.create(hospital["manager"], "ComplianceEvent", hospital.event_body(mine, "biomed"))


@pytest.mark.parametrize(
    ("who", "class_name", "name"),
    [
        ("technician", "Inspection", "inspectedBy"),
        ("technician", "Inspection", "asset"),
        ("technician", "MaintenanceLog", "performedBy"),
        ("manager", "ComplianceEvent", "actor"),
    ],
)
async def test_who_must_sign_and_leaves_it_out_hears_what_is_missing(
    hospital: Hospital, who: str, class_name: str, name: str
) -> None:
    body = {key: value for key, value in (await new_bodies(hospital, who))[class_name].items() if key != name}
    with pytest.raises(ParseError) as refusal:
        await hospital.objects.create(hospital[who], class_name, body)
    assert (int(refusal.value.code), refusal.value.message) == (142, f"{name} is required")


@pytest.mark.parametrize("who", ["technician", "biomed", "admin"])
async def test_clients_do_not_set_an_acl(hospital: Hospital, who: str) -> None:
    asset = await hospital.new_asset()
    acl: Object = {"ACL": {"*": {"read": True, "write": True}}}
    assert await outcome(hospital.objects.update(hospital[who], "Asset", asset, acl)) in (101, 119)
    assert await outcome(hospital.objects.create(hospital["biomed"], "Asset", hospital.asset_body() | acl)) == 119


async def test_a_role_that_may_never_hears_who_may_and_the_way_out(hospital: Hospital) -> None:
    asset = await hospital.new_asset(department="ICU")
    with pytest.raises(ParseError) as refusal:
        await hospital.objects.create(hospital["manager"], "AssetAssignment", hospital.assignment_body(asset))
    assert refusal.value.message == (
        "Your role may not create a AssetAssignment; biomed and admin may. "
        "Ask for the move with a ComplianceEvent of type move_requested."
    )


# --- facts change, readers follow ---


async def new_chain(hospital: Hospital, **fields: Json) -> dict[str, str]:
    """An asset with one of each that hangs on it; nobody holds it."""
    asset = await hospital.new_asset(**fields)
    made = {name: body for name, body in (await new_bodies(hospital, "biomed")).items() if name in OF_AN_ASSET}
    made["AssetAssignment"] |= {"assignmentStatus": "completed", "returnedAt": hospital.ago()}
    of_asset = {name: await hospital.make(name, body | {"asset": pointer("Asset", asset)}) for name, body in made.items()}
    return {"Asset": asset, **of_asset}


async def readers(hospital: Hospital, class_name: str, object_id: str) -> set[str]:
    """Who of the named people can read an object, but for those who signed it."""
    outside = ("technician", "other_technician", "manager", "other_manager")
    return {who for who in outside if await outcome(hospital.objects.get_object(hospital[who], class_name, object_id)) == 0}


async def test_a_new_technician_sees_all_and_the_old_one_nothing(hospital: Hospital) -> None:
    chain = await new_chain(hospital)
    await hospital.objects.update(hospital["biomed"], "Asset", chain["Asset"], {"technician": hospital.user("other_technician")})
    for class_name, object_id in chain.items():
        assert await readers(hospital, class_name, object_id) == {"other_technician"}, class_name


async def test_a_moved_asset_leaves_one_department_and_enters_the_other(hospital: Hospital) -> None:
    chain = await new_chain(hospital, department="Emergency")
    for class_name, object_id in chain.items():
        assert await readers(hospital, class_name, object_id) == {"technician", "other_manager"}, class_name
    await hospital.make("AssetAssignment", hospital.assignment_body(chain["Asset"]), "biomed")
    for class_name, object_id in chain.items():
        assert await readers(hospital, class_name, object_id) == {"technician", "manager"}, class_name


async def test_a_manager_who_changes_department_role_or_is_disabled_loses_the_old_one(hospital: Hospital) -> None:
    chain = await new_chain(hospital, department="Ward 9")
    who = str(hospital["other_manager"].user_id)
    changes: list[tuple[Object, Object]] = [
        ({"department": "Ward 9"}, {"department": "Emergency"}),
        ({"department": "Ward 9"}, {"active": False}),
        ({"active": True}, {"role": "nurse"}),
        ({"role": "departmentManager"}, {"department": "Emergency"}),
    ]
    for come, go in changes:
        await hospital.objects.update(hospital["admin"], "_User", who, come)
        for class_name, object_id in chain.items():
            assert await readers(hospital, class_name, object_id) == {"technician", "other_manager"}, (come, class_name)
        await hospital.objects.update(hospital["admin"], "_User", who, go)
        for class_name, object_id in chain.items():
            assert await readers(hospital, class_name, object_id) == {"technician"}, (go, class_name)


async def test_who_gives_an_asset_back_keeps_the_assignment_and_loses_the_asset(hospital: Hospital) -> None:
    asset = await hospital.new_asset()
    made = await hospital.make("AssetAssignment", hospital.assignment_body(asset))
    assert asset in await hospital.ids("nurse", "Asset")
    await hospital.objects.update(hospital["biomed"], "AssetAssignment", made, {"assignmentStatus": "completed"})
    assert asset not in await hospital.ids("nurse", "Asset")
    assert made in await hospital.ids("nurse", "AssetAssignment")


async def test_a_write_from_psql_moves_the_readers_too(hospital: Hospital) -> None:
    chain = await new_chain(hospital)
    await hospital.sql('update "Asset" set "department" = $2, "technician" = null where "objectId" = $1', chain["Asset"], "ICU")
    for class_name, object_id in chain.items():
        assert await readers(hospital, class_name, object_id) == {"manager"}, class_name


async def test_readers_are_right_after_writers_who_race(hospital: Hospital) -> None:
    """Assets move, technicians and managers change while history is written; who loses a deadlock is told to try again."""
    assets = [await hospital.new_asset(department="ICU") for _ in range(3)]
    who, rng = str(hospital["other_manager"].user_id), Random(7)

    def change() -> Awaitable[object]:
        asset, department = rng.choice(assets), rng.choice(["ICU", "Emergency", "Ward 2"])
        technician = hospital.user(rng.choice(["technician", "other_technician"]))
        master = hospital["master"]
        writes: list[Awaitable[object]] = []
        match rng.randrange(6):
            case 0:
                writes = [hospital.objects.update(master, "Asset", asset, {"department": department})]
            case 1:
                writes = [hospital.objects.update(master, "Asset", asset, {"technician": technician})]
            case 2:
                writes = [hospital.objects.update(master, "_User", who, {"department": department})]
            case 3:
                writes = [hospital.objects.create(master, "Inspection", hospital.inspection_body(asset))]
            case 4:
                writes = [hospital.objects.create(master, "MaintenanceLog", hospital.log_body(asset))]
            case _:
                writes = [hospital.objects.create(master, "AssetAssignment", hospital.assignment_body(asset))]
        return writes[0]

    outcomes = [each for _ in range(12) for each in await asyncio.gather(*(change() for _ in range(8)), return_exceptions=True)]
    refused = {str(each)[:38] for each in outcomes if isinstance(each, BaseException)}
    assert refused <= {"Another write was in the way; try agai", "asset: it has an active assignment alr"}
    async with hospital.database.connection() as connection:
        wrong = await connection.fetch(
            """
            select 'asset', "objectId" from "Asset" where "_rperm" is distinct from careboard.acl_of(
                array['role:admin', 'role:biomed', "technician", "holder"] || careboard.asset_managers("department"))
            union all select 'inspection', "objectId" from "Inspection"
              where "_rperm" is distinct from careboard.acl_of(careboard.asset_people("asset") || "inspectedBy")
            union all select 'log', "objectId" from "MaintenanceLog"
              where "_rperm" is distinct from careboard.acl_of(careboard.asset_people("asset") || "performedBy")
            union all select 'assignment', "objectId" from "AssetAssignment"
              where "_rperm" is distinct from careboard.acl_of(careboard.asset_people("asset") || "assignedTo")
            """
        )
        doubled = await connection.fetch(
            """select "asset" from "AssetAssignment" where "assignmentStatus" = 'active' group by 1 having count(*) > 1"""
        )
    assert ([tuple(row) for row in wrong], [tuple(row) for row in doubled]) == ([], [])
    await hospital.objects.update(hospital["master"], "_User", who, {"department": "Emergency"})


# --- ways around ---


async def test_an_include_and_a_subquery_do_not_leak(hospital: Hospital, case: Case) -> None:
    tag = (await hospital.asset(case.ids["Asset"]))["assetTag"]
    query = hospital.objects.parse_query("AssetAssignment", {"include": "asset,asset.facility,asset.technician"})
    told = str(await hospital.objects.find_objects(hospital["other_technician"], query))
    assert str(tag) not in told
    where: Object = {"asset": {"$inQuery": {"where": {"assetTag": tag}, "className": "Asset"}}}
    for class_name in OF_AN_ASSET:
        assert await hospital.ids("other_technician", class_name, where) == set()
    assert case.ids["Inspection"] in await hospital.ids("technician", "Inspection", where)


async def test_the_audit_trail_is_the_administrators(hospital: Hospital, case: Case) -> None:
    query = hospital.objects.parse_query("AuditLog", {"where": {"entityId": case.ids["Asset"]}})
    assert await hospital.objects.find_objects(hospital["admin"], query)
    for who in ("technician", "manager", "nurse"):
        assert await outcome(hospital.objects.find_objects(hospital[who], query)) == 119
