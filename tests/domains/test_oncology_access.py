"""Who may do what in oncology care: role x class x operation x field, anonymous and a stranger first, and every way around it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

import pytest

from app.actions.caller import MASTER
from app.core.query import Query
from app.core.wire import Json, Object, pointer
from app.domains.domain import permissions_of
from app.domains.oncology.rules import GRANTS
from app.errors import ParseError
from tests.domains.ward import Ward, outcome

CLASSES = ("Patient", "ChemoCycle", "Treatment", "SideEffect", "LabTrend")
WHO = (
    "anonymous",
    "stranger",
    "dispatcher",
    "other_patient",
    "other_oncologist",
    "other_nurse",
    "other_careTeam",
    "patient",
    "careTeam",
    "pharmacist",
    "nurse",
    "oncologist",
    "admin",
)
TEAM = {"careTeam", "pharmacist", "nurse", "oncologist"}
INSIDE = {*TEAM, "patient", "admin"}
CLINICIANS = {"nurse", "oncologist", "admin"}


@dataclass
class Case:
    """One of each class, all of the first patient."""

    ids: dict[str, str]


async def new_record(ward: Ward) -> Case:
    """A patient of their own, `patient` on the wire, and one of each class about them."""
    cycle = await ward.new_cycle()
    return Case(
        {
            "Patient": ward.profile,
            "ChemoCycle": cycle,
            "Treatment": await ward.make("Treatment", ward.treatment_body()),
            "SideEffect": await ward.make("SideEffect", ward.effect_body(cycle)),
            "LabTrend": await ward.make("LabTrend", ward.lab_body()),
        }
    )


@pytest.fixture(scope="module")
async def case(ward: Ward) -> Case:
    return await new_record(ward)


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_only_the_patient_and_their_team_read(ward: Ward, case: Case, who: str, class_name: str) -> None:
    got = await outcome(ward.objects.get_object(ward[who], class_name, case.ids[class_name]))
    assert got == (0 if who in INSIDE else 101)


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO[1:])
async def test_a_find_shows_what_a_get_shows(ward: Ward, case: Case, who: str, class_name: str) -> None:
    assert (case.ids[class_name] in await ward.ids(who, class_name)) is (who in INSIDE)


CHANGES: dict[str, tuple[Object, set[str]]] = {
    "Patient": ({"contact": "+1 503 555 0175"}, {"patient"}),
    "ChemoCycle": ({"regimen": "FOLFIRI"}, CLINICIANS),
    "Treatment": ({"notes": "65 mg/m2"}, CLINICIANS),
    "SideEffect": ({"grade": 2}, CLINICIANS),
    "LabTrend": ({"unit": "K/uL"}, CLINICIANS),
}


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_who_updates_what(ward: Ward, who: str, class_name: str) -> None:
    object_id = (await new_record(ward)).ids[class_name]
    body, allowed = CHANGES[class_name]
    body = body if class_name != "Patient" else {"contact": f"call {who}"}
    before = await ward.stored(class_name, object_id)
    got = await outcome(ward.objects.update(ward[who], class_name, object_id, body))
    if who in allowed:
        assert got == 0
    else:
        assert got in (101, 119)
        assert await ward.stored(class_name, object_id) == before


DELETES: dict[str, set[str]] = {
    "Patient": {"patient"},
    "ChemoCycle": {"oncologist", "admin"},
    "Treatment": {*TEAM, "patient", "admin"},
    "SideEffect": CLINICIANS,
    "LabTrend": {*TEAM, "patient", "admin"},
}


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_who_deletes_what(ward: Ward, who: str, class_name: str) -> None:
    patient, profile = await ward.new_patient()
    callers = {**ward.callers, "patient": patient}
    me = pointer("_User", str(patient.user_id))
    make: dict[str, Callable[[], Awaitable[str]]] = {
        "Patient": lambda: _just(profile),
        "ChemoCycle": lambda: ward.new_cycle(patient=me),
        "Treatment": lambda: ward.make("Treatment", ward.treatment_body(patient=me)),
        "SideEffect": lambda: _effect_of(ward, me),
        "LabTrend": lambda: ward.make("LabTrend", ward.lab_body(patient=me)),
    }
    object_id = await make[class_name]()
    got = await outcome(ward.objects.delete(callers[who], class_name, object_id))
    left = await outcome(ward.stored(class_name, object_id))
    if who in DELETES[class_name]:
        assert (got, left) == (0, 101)
    else:
        assert got in (101, 119)
        assert left == 0


async def _just(object_id: str) -> str:
    return object_id


async def _effect_of(ward: Ward, patient: Object) -> str:
    return await ward.make("SideEffect", ward.effect_body(await ward.new_cycle(patient=patient)))


CREATES: dict[str, set[str]] = {
    "Patient": {"nurse", "oncologist", "other_nurse", "other_oncologist", "admin"},
    "ChemoCycle": CLINICIANS,
    "Treatment": {*TEAM, "patient", "admin"},
    "SideEffect": {*TEAM, "patient", "admin"},
    "LabTrend": {*TEAM, "patient", "admin"},
}


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", WHO)
async def test_who_creates_what(ward: Ward, case: Case, who: str, class_name: str) -> None:
    account = await ward.person("patient")
    bodies: dict[str, Object] = {
        "Patient": {"name": "New", "user": pointer("_User", str(account.user_id))},
        "ChemoCycle": ward.cycle_body(),
        "Treatment": ward.treatment_body(),
        "SideEffect": ward.effect_body(case.ids["ChemoCycle"]),
        "LabTrend": ward.lab_body(),
    }
    before = await ward.objects.count(MASTER, Query(class_name))
    got = await outcome(ward.make(class_name, bodies[class_name], who))
    allowed = who in CREATES[class_name]
    assert (got == 0) is allowed
    assert got in ((0,) if allowed else (101, 119) if who == "anonymous" else (119,))
    assert await ward.objects.count(MASTER, Query(class_name)) == before + allowed


NEW_DATE: Object = {"__type": "Date", "iso": "2030-01-01T00:00:00.000Z"}
FIELDS: list[tuple[str, str, str, Json, int]] = [
    ("patient", "Patient", "name", "Ines D.", 0),
    ("patient", "Patient", "medicalHistory", {"allergies": ["latex"]}, 0),
    ("patient", "Patient", "user", {"__op": "Delete"}, 119),
    ("admin", "Patient", "name", "Ines D. A.", 119),
    ("admin", "Patient", "medicalHistory", {"allergies": []}, 119),
    ("nurse", "Patient", "careTeam", [], 119),
    ("oncologist", "ChemoCycle", "startDate", {"__type": "Date", "iso": "2026-11-25T00:00:00.000Z"}, 0),
    ("pharmacist", "ChemoCycle", "status", "labs_due", 119),
    ("pharmacist", "ChemoCycle", "regimen", "AC-T", 119),
    ("pharmacist", "ChemoCycle", "startDate", NEW_DATE, 119),
    ("nurse", "ChemoCycle", "urgency", "closed", 119),
    ("nurse", "ChemoCycle", "signers", "Two Others", 119),
    ("nurse", "ChemoCycle", "dueAt", NEW_DATE, 119),
    ("nurse", "ChemoCycle", "labs", {}, 119),
    ("nurse", "ChemoCycle", "labsAt", NEW_DATE, 119),
    ("nurse", "ChemoCycle", "labLevel", "critical", 119),
    ("nurse", "ChemoCycle", "worstGrade", 5, 119),
    ("oncologist", "LabTrend", "flag", "HH", 119),
    ("nurse", "SideEffect", "grade", 2, 0),
    ("nurse", "SideEffect", "severity", "moderate", 0),
    ("nurse", "SideEffect", "description", "reworded", 119),
    ("nurse", "SideEffect", "recordedAt", {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"}, 119),
    ("patient", "SideEffect", "severity", "mild indeed", 119),
    ("patient", "LabTrend", "result", 9, 119),
    ("careTeam", "ChemoCycle", "regimen", "AC-T", 119),
]


@pytest.mark.parametrize(("who", "class_name", "name", "value", "code"), FIELDS)
async def test_who_writes_which_field(ward: Ward, who: str, class_name: str, name: str, value: Json, code: int) -> None:
    object_id = (await new_record(ward)).ids[class_name]
    before = await ward.stored(class_name, object_id)
    assert await outcome(ward.objects.update(ward[who], class_name, object_id, {name: value})) == code
    assert (await ward.stored(class_name, object_id) == before) is (code != 0)


async def test_an_admin_gives_a_patient_a_team(ward: Ward) -> None:
    _, profile = await ward.new_patient()
    await ward.objects.update(ward["admin"], "Patient", profile, {"careTeam": ward.users_of("other_nurse")})
    assert profile in await ward.ids("other_nurse", "Patient")


async def test_a_patient_reports_and_leaves_the_grade_to_a_nurse(ward: Ward, case: Case) -> None:
    body = ward.effect_body(case.ids["ChemoCycle"], grade=1)
    with pytest.raises(ParseError) as refusal:
        await ward.make("SideEffect", body, "patient")
    assert refusal.value.message == (
        "Your role may not write SideEffect.grade; it may write chemoCycle, description, recordedAt and severity."
        " A nurse or oncologist gives the grade."
    )


async def test_a_patient_registers_themselves_only(ward: Ward) -> None:
    one, other = await ward.person("patient"), await ward.person("patient")
    hers: Object = {"name": "Her", "user": pointer("_User", str(other.user_id))}
    assert await outcome(ward.objects.create(one, "Patient", hers)) == 119
    saved = await ward.objects.create(one, "Patient", {"name": "Me"})
    assert (await ward.stored("Patient", saved.object_id))["user"] == pointer("_User", str(one.user_id))


async def test_another_patient_and_no_patient_sound_the_same(ward: Ward) -> None:
    told = set()
    for patient in (ward.user("patient"), pointer("_User", "nobody1234")):
        with pytest.raises(ParseError) as refusal:
            await ward.make("LabTrend", ward.lab_body(patient=patient), "other_nurse")
        told.add((int(refusal.value.code), refusal.value.message))
    cycles = [await ward.new_cycle(), "nowhere123"]
    for cycle in cycles:
        with pytest.raises(ParseError) as refusal:
            await ward.make("SideEffect", ward.effect_body(cycle), "other_patient")
        told.add((int(refusal.value.code), refusal.value.message.replace("chemoCycle:", "patient:")))
    assert len(told) == 1
    assert told.pop()[0] == 119


async def test_a_nurse_who_is_a_patient_is_not_their_own_nurse(ward: Ward) -> None:
    nurse = await ward.person("nurse")
    me = pointer("_User", str(nurse.user_id))
    assert await outcome(ward.objects.create(nurse, "ChemoCycle", ward.cycle_body(patient=me))) == 119


@pytest.mark.parametrize("who", ["patient", "nurse", "oncologist", "admin"])
@pytest.mark.parametrize("class_name", CLASSES)
async def test_clients_do_not_set_an_acl(ward: Ward, case: Case, who: str, class_name: str) -> None:
    before = await ward.stored(class_name, case.ids[class_name])
    acl: Object = {"ACL": {"*": {"read": True, "write": True}}}
    assert await outcome(ward.objects.update(ward[who], class_name, case.ids[class_name], acl)) in (101, 119)
    await ward.objects.update(MASTER, class_name, case.ids[class_name], acl)
    assert (await ward.stored(class_name, case.ids[class_name]))["ACL"] == before["ACL"]


async def test_the_acls_name_the_people(ward: Ward, case: Case) -> None:
    both: Json = {"read": True, "write": True}
    read: Json = {"read": True}
    team = {str(ward[who].user_id) for who in TEAM}
    me = str(ward["patient"].user_id)
    acls = {class_name: (await ward.stored(class_name, object_id))["ACL"] for class_name, object_id in case.ids.items()}
    cycle: Object = {"role:admin": both, me: read, **dict.fromkeys(team, both)}
    record: Object = {"role:admin": both, me: both, **dict.fromkeys(team, both)}
    assert acls["Patient"] == {"role:admin": both, me: both, **dict.fromkeys(team, read)}
    assert acls["ChemoCycle"] == acls["SideEffect"] == cycle
    assert acls["Treatment"] == acls["LabTrend"] == record


# --- facts change, readers follow ---


async def readers(ward: Ward, class_name: str, object_id: str) -> set[str]:
    """Who of the named staff can read an object."""
    people = (*sorted(TEAM), "other_nurse", "other_oncologist", "other_careTeam", "other_patient")
    return {who for who in people if await outcome(ward.objects.get_object(ward[who], class_name, object_id)) == 0}


async def own_record(ward: Ward) -> tuple[Object, str, dict[str, str]]:
    patient, profile = await ward.new_patient()
    me = pointer("_User", str(patient.user_id))
    cycle = await ward.new_cycle(patient=me)
    ids = {
        "Patient": profile,
        "ChemoCycle": cycle,
        "Treatment": await ward.make("Treatment", ward.treatment_body(patient=me)),
        "SideEffect": await ward.make("SideEffect", ward.effect_body(cycle)),
        "LabTrend": await ward.make("LabTrend", ward.lab_body(patient=me)),
    }
    return me, profile, ids


async def test_a_new_team_sees_all_and_the_old_one_nothing(ward: Ward) -> None:
    _, profile, ids = await own_record(ward)
    await ward.objects.update(MASTER, "Patient", profile, {"careTeam": ward.users_of("other_nurse", "oncologist")})
    for class_name, object_id in ids.items():
        assert await readers(ward, class_name, object_id) == {"other_nurse", "oncologist"}, class_name


async def test_who_left_the_team_writes_no_more(ward: Ward) -> None:
    me, profile, ids = await own_record(ward)
    await ward.objects.update(MASTER, "Patient", profile, {"careTeam": ward.users_of("oncologist")})
    assert await outcome(ward.objects.update(ward["nurse"], "ChemoCycle", ids["ChemoCycle"], {"status": "labs_due"})) == 101
    assert await outcome(ward.make("LabTrend", ward.lab_body(patient=me), "nurse")) == 119
    assert await outcome(ward.objects.delete(ward["nurse"], "LabTrend", ids["LabTrend"])) == 101


async def test_a_write_from_psql_moves_the_readers_too(ward: Ward) -> None:
    _, profile, ids = await own_record(ward)
    team = f'[{{"__type": "Pointer", "className": "_User", "objectId": "{ward["other_careTeam"].user_id}"}}]'
    await ward.sql('update "Patient" set "careTeam" = $2 where "objectId" = $1', profile, team)
    for class_name, object_id in ids.items():
        assert await readers(ward, class_name, object_id) == {"other_careTeam"}, class_name
    await ward.sql('delete from "Patient" where "objectId" = $1', profile)
    for class_name in CLASSES[1:]:
        assert await readers(ward, class_name, ids[class_name]) == set(), class_name


async def test_a_profile_that_comes_after_its_records_opens_them_to_its_team(ward: Ward) -> None:
    patient = await ward.person("patient")
    me = pointer("_User", str(patient.user_id))
    cycle = await ward.new_cycle(patient=me)
    assert await readers(ward, "ChemoCycle", cycle) == set()
    await ward.make("Patient", {"user": me, "name": "Late", "careTeam": ward.users_of("nurse")})
    assert await readers(ward, "ChemoCycle", cycle) == {"nurse"}


async def test_a_cycle_moved_by_psql_takes_its_effects_and_treatments(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    effect = await ward.make("SideEffect", ward.effect_body(cycle), "nurse")
    body = ward.treatment_body(patient=None, chemoCycle=pointer("ChemoCycle", cycle))
    treatment = await ward.make("Treatment", body, "nurse")
    other = ward["other_patient"].user_id
    await ward.sql('update "ChemoCycle" set "patient" = $2 where "objectId" = $1', cycle, other)
    team = {"other_nurse", "other_oncologist", "other_careTeam", "other_patient"}
    for class_name, object_id in (("ChemoCycle", cycle), ("SideEffect", effect), ("Treatment", treatment)):
        assert await readers(ward, class_name, object_id) == team, class_name


async def test_a_write_that_changes_no_reader_touches_no_record(ward: Ward) -> None:
    patient, profile = await ward.new_patient()
    await ward.new_cycle(patient=pointer("_User", str(patient.user_id)))
    count = "select count(*) from careboard.change where class = any(array['ChemoCycle', 'LabTrend', 'Treatment', 'SideEffect'])"
    async with ward.database.connection() as connection:
        before = await connection.fetchval(count)
        await ward.objects.update(patient, "Patient", profile, {"contact": "new"})
        await ward.objects.update(patient, "Patient", profile, {"careTeam": [*reversed(ward.users_of(*sorted(TEAM)))]})
        assert await connection.fetchval(count) == before


@pytest.mark.parametrize("team", ['"all of them"', "{}", "[null, 3, {}]", '[{"className": "_User", "objectId": "*"}]'])
async def test_a_care_team_of_nonsense_from_psql_lets_nobody_in(ward: Ward, team: str) -> None:
    _, profile, ids = await own_record(ward)
    await ward.sql('update "Patient" set "careTeam" = $2 where "objectId" = $1', profile, team)
    for class_name, object_id in ids.items():
        assert await readers(ward, class_name, object_id) == set(), class_name


# --- no way around ---


async def test_a_query_through_a_pointer_does_not_leak(ward: Ward, case: Case) -> None:
    mine = await ward.new_cycle(patient=ward.user("other_patient"))
    inner: Object = {"where": {"objectId": case.ids["ChemoCycle"]}, "className": "ChemoCycle"}
    assert await ward.ids("other_nurse", "SideEffect", {"chemoCycle": {"$inQuery": inner}}) == set()
    select: Object = {"$select": {"query": {"className": "LabTrend", "where": {}}, "key": "labTestName"}}
    assert await ward.ids("other_nurse", "ChemoCycle", {"regimen": select}) == set()
    assert mine in await ward.ids("other_nurse", "ChemoCycle")


async def test_a_count_does_not_leak(ward: Ward, case: Case) -> None:
    query = ward.objects.parse_query("LabTrend", {"where": {"objectId": case.ids["LabTrend"]}})
    assert await ward.objects.count(ward["nurse"], query) == 1
    assert await ward.objects.count(ward["other_nurse"], query) == 0


async def test_an_include_shows_no_account_that_is_not_shown(ward: Ward, case: Case) -> None:
    query = ward.objects.parse_query("ChemoCycle", {"include": "patient", "where": {"objectId": case.ids["ChemoCycle"]}})
    (found,) = await ward.objects.find_objects(ward["pharmacist"], query)
    assert "email" not in str(found["patient"])


async def test_random_teams_end_with_exactly_their_readers(ward: Ward) -> None:
    """Whatever the order of changes, who may read is who is on the team at the end."""
    chance = Random(7)
    people = (*sorted(TEAM), "other_nurse", "other_oncologist", "other_careTeam")
    _, profile, ids = await own_record(ward)
    for _ in range(8):
        team = chance.sample(people, chance.randint(0, 4))
        await ward.objects.update(MASTER, "Patient", profile, {"careTeam": ward.users_of(*team)})
        class_name = chance.choice(CLASSES)
        assert await readers(ward, class_name, ids[class_name]) == set(team)


def test_the_matrix_and_the_class_permissions_say_the_same() -> None:
    for class_name, allowed in DELETES.items():
        roles = {who.removeprefix("other_") for who in allowed}
        assert permissions_of(GRANTS, class_name)["delete"] == {f"role:{role}": True for role in roles}
