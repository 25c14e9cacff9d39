"""Who may do what in oxygen delivery: role x class x operation, anonymous and a stranger first, and every way around it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

import pytest

from app.actions.caller import MASTER
from app.core.query import Query
from app.core.wire import Json, Object, decode, encode, pointer
from app.errors import ParseError
from app.store.database import Connection
from tests.domains.town import Town

CLASSES = ("PatientSite", "TankAssignment", "RefillLog", "EmergencyContact", "DispatchEvent")
WHO = (
    "anonymous",
    "stranger",
    "patient",
    "other_careTeam",
    "other_driver",
    "contact",
    "careTeam",
    "driver",
    "dispatcher",
    "admin",
)
INSIDE = {"contact", "careTeam", "driver", "dispatcher", "admin"}
STAFF = {"dispatcher", "admin"}


@dataclass
class Case:
    """One of each class, all of the driver's tank at the first site."""

    ids: dict[str, str]


@pytest.fixture(scope="module")
async def case(town: Town) -> Case:
    tank = await town.new_tank()
    made = {
        "TankAssignment": tank,
        "PatientSite": town.site,
        "RefillLog": (await town.objects.create(MASTER, "RefillLog", town.refill_body(tank))).object_id,
        "DispatchEvent": (await town.objects.create(MASTER, "DispatchEvent", town.event_body(tank))).object_id,
        "EmergencyContact": (await town.objects.create(MASTER, "EmergencyContact", town.contact_body(town.site))).object_id,
    }
    return Case(made)


async def outcome(work: Awaitable[object]) -> int:
    """0 when it is done, the Parse code when it is refused."""
    try:
        await work
    except ParseError as refusal:
        return int(refusal.code)
    return 0


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_only_the_people_of_a_site_read_it(town: Town, case: Case, who: str, class_name: str) -> None:
    got = await outcome(town.objects.get_object(town[who], class_name, case.ids[class_name]))
    assert got == (0 if who in INSIDE else 101)


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO[1:])
async def test_a_find_shows_what_a_get_shows(town: Town, case: Case, who: str, class_name: str) -> None:
    assert (case.ids[class_name] in await town.ids(who, class_name)) is (who in INSIDE)


CHANGES: dict[str, Object] = {
    "PatientSite": {"notes": "ring twice"},
    "TankAssignment": {"lotNumber": "L26"},
    "RefillLog": {"remarks": "corrected"},
    "EmergencyContact": {"relationship": "niece"},
    "DispatchEvent": {"locationNote": "at the dock"},
}


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_only_dispatchers_and_admins_update(town: Town, case: Case, who: str, class_name: str) -> None:
    before = await town.stored(class_name, case.ids[class_name])
    got = await outcome(town.objects.update(town[who], class_name, case.ids[class_name], CHANGES[class_name]))
    if who in STAFF:
        assert got == 0
    else:
        assert got in (101, 119)
        assert await town.stored(class_name, case.ids[class_name]) == before


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_only_dispatchers_and_admins_delete(town: Town, who: str, class_name: str) -> None:
    site = await town.new_site()
    tank = await town.new_tank(assignedSite=pointer("PatientSite", site))
    make: dict[str, Callable[[], Awaitable[str]]] = {
        "PatientSite": town.new_site,
        "TankAssignment": lambda: _just(tank),
        "RefillLog": lambda: _made(town, "RefillLog", town.refill_body(tank)),
        "DispatchEvent": lambda: _made(town, "DispatchEvent", town.event_body(tank)),
        "EmergencyContact": lambda: _made(town, "EmergencyContact", town.contact_body(site)),
    }
    object_id = await make[class_name]()
    got = await outcome(town.objects.delete(town[who], class_name, object_id))
    left = await outcome(town.stored(class_name, object_id))
    if who in STAFF:
        assert (got, left) == (0, 101)
    else:
        assert got in (101, 119)
        assert left == 0


async def _just(object_id: str) -> str:
    return object_id


async def _made(town: Town, class_name: str, body: Object) -> str:
    return (await town.objects.create(MASTER, class_name, body)).object_id


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_who_creates_what(town: Town, case: Case, who: str, class_name: str) -> None:
    signer = who if who != "anonymous" else "driver"
    bodies: dict[str, Object] = {
        "PatientSite": await town.stored("PatientSite", town.site),
        "TankAssignment": town.tank_body(),
        "RefillLog": town.refill_body(case.ids["TankAssignment"], signer),
        "DispatchEvent": town.event_body(case.ids["TankAssignment"], signer),
        "EmergencyContact": town.contact_body(town.site),
    }
    body = {name: value for name, value in bodies[class_name].items() if name not in _SERVERS}
    before = await town.objects.count(MASTER, Query(class_name))
    got = await outcome(town.objects.create(town[who], class_name, body))
    allowed = who in STAFF or (who == "driver" and class_name in ("RefillLog", "DispatchEvent"))
    assert (got == 0) is allowed
    assert got in ((0,) if allowed else (101, 119) if who == "anonymous" else (119,))
    assert await town.objects.count(MASTER, Query(class_name)) == before + allowed


_SERVERS = {"objectId", "createdAt", "updatedAt", "ACL"}

DRIVER_FIELDS: list[tuple[str, Json, int]] = [
    ("psiLevel", 900, 0),
    ("lastCheckedAt", {"__type": "Date", "iso": "2026-08-01T10:00:00.000Z"}, 0),
    ("status", "empty", 0),
    ("tankSerialNumber", "mine", 119),
    ("nextServiceDueAt", {"__type": "Date", "iso": "2027-01-01T00:00:00.000Z"}, 119),
    ("cylinderSize", "H", 119),
    ("flowLpm", 1, 119),
    ("residualPsi", 0, 119),
    ("lotNumber", "X", 119),
    ("requalificationDue", {"__type": "Date", "iso": "2030-01-01T00:00:00.000Z"}, 119),
    ("emptyAt", {"__type": "Date", "iso": "2030-01-01T00:00:00.000Z"}, 119),
    ("urgency", "ok", 119),
]


@pytest.mark.parametrize(("name", "value", "code"), DRIVER_FIELDS)
async def test_a_driver_writes_three_fields_of_the_own_tank(town: Town, name: str, value: Json, code: int) -> None:
    tank = await town.new_tank()
    before = await town.stored("TankAssignment", tank)
    assert await outcome(town.objects.update(town["driver"], "TankAssignment", tank, {name: value})) == code
    after = await town.stored("TankAssignment", tank)
    assert (after == before) is (code != 0)


async def test_a_driver_cannot_give_a_tank_away(town: Town) -> None:
    tank = await town.new_tank()
    for body in ({"assignedDriver": town.user("other_driver")}, {"assignedSite": pointer("PatientSite", town.other_site)}):
        assert await outcome(town.objects.update(town["driver"], "TankAssignment", tank, body)) == 119


async def test_another_drivers_tank_is_not_found(town: Town) -> None:
    tank = await town.new_tank()
    assert await outcome(town.objects.update(town["other_driver"], "TankAssignment", tank, {"psiLevel": 5})) == 101
    assert (await town.stored("TankAssignment", tank))["psiLevel"] == 1200


@pytest.mark.parametrize("class_name", ["RefillLog", "DispatchEvent"])
async def test_a_driver_signs_as_nobody_else(town: Town, class_name: str) -> None:
    tank = await town.new_tank()
    body = town.refill_body(tank, "other_driver") if class_name == "RefillLog" else town.event_body(tank, "other_driver")
    with pytest.raises(ParseError, match="give yourself; only dispatcher or admin records for somebody else"):
        await town.objects.create(town["driver"], class_name, body)


async def test_another_drivers_tank_and_no_tank_sound_the_same(town: Town) -> None:
    told = set()
    for tank in (await town.new_tank(), "nowhere123"):
        with pytest.raises(ParseError) as refusal:
            await town.objects.create(town["other_driver"], "RefillLog", town.refill_body(tank, "other_driver"))
        told.add((int(refusal.value.code), refusal.value.message))
    assert len(told) == 1
    assert told.pop()[0] == 119


async def test_a_role_that_may_never_hears_who_may(town: Town, case: Case) -> None:
    with pytest.raises(ParseError) as refusal:
        await town.objects.create(town["careTeam"], "RefillLog", town.refill_body(case.ids["TankAssignment"], "careTeam"))
    assert refusal.value.message == (
        "Your role may not create a RefillLog; dispatcher, admin and driver may. "
        "Ask the tank's driver or a dispatcher to record the refill."
    )


@pytest.mark.parametrize("who", ["driver", "dispatcher", "admin"])
async def test_clients_do_not_set_an_acl(town: Town, who: str) -> None:
    tank = await town.new_tank()
    acl: Object = {"ACL": {"*": {"read": True, "write": True}}}
    assert await outcome(town.objects.update(town[who], "TankAssignment", tank, acl)) == 119
    assert await outcome(town.objects.create(town["dispatcher"], "PatientSite", acl)) == 119


async def test_an_acl_of_the_master_key_gives_way_to_the_facts(town: Town) -> None:
    tank = await town.new_tank()
    before = (await town.stored("TankAssignment", tank))["ACL"]
    await town.objects.update(MASTER, "TankAssignment", tank, {"ACL": {"*": {"read": True}}})
    assert (await town.stored("TankAssignment", tank))["ACL"] == before


async def test_the_acl_of_a_tank_names_its_people(town: Town) -> None:
    tank = await town.stored("TankAssignment", await town.new_tank())
    acl = tank["ACL"]
    assert isinstance(acl, dict)
    both = {"read": True, "write": True}
    assert acl == {
        "role:admin": both,
        "role:dispatcher": both,
        town["driver"].user_id: both,
        town["careTeam"].user_id: {"read": True},
        town["contact"].user_id: {"read": True},
    }


# --- facts change, readers follow ---


async def readers(town: Town, class_name: str, object_id: str) -> set[str]:
    """Who of the named people can read an object."""
    outside = ("driver", "other_driver", "careTeam", "other_careTeam", "contact")
    return {who for who in outside if await outcome(town.objects.get_object(town[who], class_name, object_id)) == 0}


@dataclass
class Chain:
    """A site of its own with one tank and all that hangs on it."""

    site: str
    tank: str
    refill: str
    event: str
    contact: str

    @property
    def all(self) -> dict[str, str]:
        return {
            "PatientSite": self.site,
            "TankAssignment": self.tank,
            "RefillLog": self.refill,
            "DispatchEvent": self.event,
            "EmergencyContact": self.contact,
        }


async def new_chain(town: Town) -> Chain:
    site = await town.new_site()
    tank = await town.new_tank(assignedSite=pointer("PatientSite", site))
    return Chain(
        site,
        tank,
        await _made(town, "RefillLog", town.refill_body(tank)),
        await _made(town, "DispatchEvent", town.event_body(tank)),
        await _made(town, "EmergencyContact", town.contact_body(site)),
    )


async def test_a_new_driver_sees_all_and_the_old_one_nothing(town: Town) -> None:
    chain = await new_chain(town)
    await town.objects.update(town["dispatcher"], "TankAssignment", chain.tank, {"assignedDriver": town.user("other_driver")})
    for class_name, object_id in chain.all.items():
        assert await readers(town, class_name, object_id) == {"other_driver", "careTeam", "contact"}, class_name


async def test_a_driver_with_a_second_tank_there_keeps_the_site(town: Town) -> None:
    chain = await new_chain(town)
    second = await town.new_tank(assignedSite=pointer("PatientSite", chain.site))
    await town.objects.update(MASTER, "TankAssignment", chain.tank, {"assignedDriver": town.user("other_driver")})
    assert await readers(town, "PatientSite", chain.site) == {"driver", "other_driver", "careTeam", "contact"}
    await town.objects.delete(MASTER, "TankAssignment", second)
    assert await readers(town, "PatientSite", chain.site) == {"other_driver", "careTeam", "contact"}
    assert await readers(town, "EmergencyContact", chain.contact) == {"other_driver", "careTeam", "contact"}


async def test_a_moved_tank_takes_its_history_and_leaves_the_old_site(town: Town) -> None:
    chain = await new_chain(town)
    await town.objects.update(MASTER, "TankAssignment", chain.tank, {"assignedSite": pointer("PatientSite", town.other_site)})
    for class_name in ("TankAssignment", "RefillLog", "DispatchEvent"):
        assert await readers(town, class_name, chain.all[class_name]) == {"driver", "other_careTeam"}
    assert await readers(town, "PatientSite", chain.site) == {"careTeam", "contact"}
    assert await readers(town, "PatientSite", town.other_site) >= {"driver"}


async def test_a_new_team_and_contact_replace_the_old(town: Town) -> None:
    chain = await new_chain(town)
    body: Object = {"careTeam": [town.user("other_careTeam")], "primaryContact": town.user("other_careTeam")}
    await town.objects.update(town["dispatcher"], "PatientSite", chain.site, body)
    for class_name, object_id in chain.all.items():
        assert await readers(town, class_name, object_id) == {"driver", "other_careTeam"}, class_name


async def test_a_write_from_psql_moves_the_readers_too(town: Town) -> None:
    chain = await new_chain(town)
    driver = town["other_driver"].user_id
    await town.sql('update "TankAssignment" set "assignedDriver" = $2 where "objectId" = $1', chain.tank, driver)
    for class_name, object_id in chain.all.items():
        assert await readers(town, class_name, object_id) == {"other_driver", "careTeam", "contact"}, class_name


async def test_a_write_that_changes_no_reader_touches_no_dependent(town: Town) -> None:
    chain = await new_chain(town)
    count = "select count(*) from careboard.change where class = any(array['PatientSite', 'RefillLog', 'DispatchEvent'])"
    async with town.database.connection() as connection:
        before = await connection.fetchval(count)
        await town.objects.update(MASTER, "TankAssignment", chain.tank, {"psiLevel": 800})
        await town.objects.update(MASTER, "TankAssignment", chain.tank, {"assignedDriver": town.user("driver")})
        assert await connection.fetchval(count) == before


@pytest.mark.parametrize("team", ['"all of them"', "{}", "[null, 3, {}]"])
async def test_a_care_team_of_nonsense_from_psql_lets_nobody_in(town: Town, team: str) -> None:
    chain = await new_chain(town)
    await town.sql('update "PatientSite" set "careTeam" = $2 where "objectId" = $1', chain.site, team)
    assert await readers(town, "PatientSite", chain.site) == {"driver", "contact"}


async def test_a_care_team_is_a_list_of_users(town: Town) -> None:
    body: Object = {"careTeam": [pointer("PatientSite", town.site)]}
    with pytest.raises(ParseError, match="careTeam: give a list of pointers to _User"):
        await town.objects.update(town["dispatcher"], "PatientSite", town.site, body)


async def test_readers_are_right_after_writers_who_race(town: Town) -> None:
    """Drivers, sites and teams change while history is written; whoever loses a deadlock is told to try again."""
    chains = [await new_chain(town) for _ in range(3)]
    rng = Random(7)

    def change() -> Awaitable[object]:
        one, other = rng.sample(chains, 2)
        driver = town.user(rng.choice(["driver", "other_driver"]))
        team: Json = [town.user(rng.choice(["careTeam", "other_careTeam"]))]
        writes: list[Callable[[], Awaitable[object]]] = [
            lambda: town.objects.update(MASTER, "TankAssignment", one.tank, {"assignedDriver": driver}),
            lambda: town.objects.update(MASTER, "TankAssignment", one.tank, {"assignedSite": pointer("PatientSite", other.site)}),
            lambda: town.objects.update(MASTER, "PatientSite", one.site, {"careTeam": team}),
            lambda: town.objects.create(MASTER, "RefillLog", town.refill_body(one.tank)),
            lambda: town.objects.create(MASTER, "DispatchEvent", town.event_body(one.tank)),
            lambda: town.objects.create(MASTER, "EmergencyContact", town.contact_body(one.site)),
            lambda: town.new_tank(assignedSite=pointer("PatientSite", one.site), assignedDriver=driver),
        ]
        return rng.choice(writes)()

    outcomes = [each for _ in range(12) for each in await asyncio.gather(*(change() for _ in range(8)), return_exceptions=True)]
    refused = {str(each) for each in outcomes if isinstance(each, BaseException)}
    assert refused <= {"Another write was in the way; try again."}
    async with town.database.connection() as connection:
        wrong = await connection.fetch(
            """
            select 'tank', t."objectId" from "TankAssignment" t
              join "PatientSite" s on s."objectId" = t."assignedSite" where t."_rperm" is distinct from careboard.acl_of(
                array['role:admin', 'role:dispatcher', t."assignedDriver", s."primaryContact"] || careboard.members(s."careTeam"))
            union all select 'site', s."objectId" from "PatientSite" s where s."_rperm" is distinct from careboard.acl_of(
                array['role:admin', 'role:dispatcher', s."primaryContact"] || careboard.members(s."careTeam")
                || array(select t."assignedDriver" from "TankAssignment" t where t."assignedSite" = s."objectId"))
            union all select 'refill', r."objectId" from "RefillLog" r, "TankAssignment" t
              where t."objectId" = r."tankAssignment" and r."_rperm" is distinct from t."_rperm"
            union all select 'event', e."objectId" from "DispatchEvent" e, "TankAssignment" t
              where t."objectId" = e."tankAssignment" and e."_rperm" is distinct from t."_rperm"
            union all select 'contact', c."objectId" from "EmergencyContact" c join "PatientSite" s on s."objectId" = c."site"
              where c."_rperm" is distinct from s."_rperm"
            """
        )
    assert [tuple(row) for row in wrong] == []


# --- ways around ---


async def test_an_include_does_not_leak(town: Town, case: Case) -> None:
    own = await town.new_tank(assignedDriver=town.user("other_driver"), assignedSite=pointer("PatientSite", town.other_site))
    event = await _made(town, "DispatchEvent", town.event_body(own, "other_driver"))
    query = town.objects.parse_query(
        "DispatchEvent", {"include": "tankAssignment,tankAssignment.assignedSite,tankAssignment.assignedDriver"}
    )
    found = await town.objects.find_objects(town["other_driver"], query)
    told = str(found)
    assert event in told
    assert case.ids["TankAssignment"] not in told
    assert town.site not in told


async def test_a_subquery_does_not_leak(town: Town, case: Case) -> None:
    serial = (await town.stored("TankAssignment", case.ids["TankAssignment"]))["tankSerialNumber"]
    inner: Object = {"where": {"tankSerialNumber": serial}, "className": "TankAssignment"}
    where: Object = {"tankAssignment": {"$inQuery": inner}}
    assert await town.ids("dispatcher", "RefillLog", where)
    assert await town.ids("other_driver", "RefillLog", where) == set()
    own = await town.new_tank(assignedDriver=town.user("other_driver"))
    select: Object = {"$select": {"query": inner, "key": "tankSerialNumber"}}
    assert await town.ids("other_driver", "TankAssignment", {"tankSerialNumber": select}) == set()
    assert own in await town.ids("other_driver", "TankAssignment")


async def test_related_to_does_not_leak(town: Town, case: Case) -> None:
    related: Object = {"$relatedTo": {"object": pointer("PatientSite", town.site), "key": "careTeam"}}
    try:
        assert await town.ids("other_driver", "_User", related) == set()
    except ParseError as refusal:
        assert int(refusal.code) in (101, 102, 111, 119)  # noqa: PT017 - either answer keeps the team private


async def test_a_count_does_not_leak(town: Town, case: Case) -> None:
    where: Object = {"objectId": case.ids["TankAssignment"]}
    query = town.objects.parse_query("TankAssignment", {"where": where})
    assert await town.objects.count(town["driver"], query) == 1
    assert await town.objects.count(town["other_driver"], query) == 0


async def test_a_batch_does_not_leak(town: Town, case: Case) -> None:
    """Each part is judged alone; in one transaction the first refusal undoes the others."""
    own = await town.new_tank(assignedDriver=town.user("other_driver"))

    def write(tank: str) -> Callable[[Connection | None], Awaitable[bytes]]:
        async def part(tx: Connection | None) -> bytes:
            saved = await town.objects.update(town["other_driver"], "TankAssignment", tank, {"psiLevel": 77}, tx=tx)
            return encode(saved.response)

        return part

    parts = [write(own), write(case.ids["TankAssignment"])]
    first, second = [decode(outcome) for outcome in await town.objects.batch(parts)]
    assert isinstance(first, dict)
    assert "success" in first
    assert second == {"error": {"code": 101, "error": "Object not found."}}
    await town.objects.update(MASTER, "TankAssignment", own, {"psiLevel": 1000})
    with pytest.raises(ParseError):
        await town.objects.batch(parts, transaction=True)
    assert (await town.stored("TankAssignment", own))["psiLevel"] == 1000
