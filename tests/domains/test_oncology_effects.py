"""What a write brings with it: steps and signatures, grades and alerts, racers hear who won, all is audited."""

import asyncio

import pytest

from app.actions.audit import find_break
from app.actions.caller import MASTER
from app.actions.hooks import Saved
from app.core.query import Query
from app.core.wire import Json, Object, pointer
from app.domains.oncology.rules import signers
from app.errors import ParseError
from tests.domains.ward import Ward, outcome


def sign(ward: Ward, who: str) -> Object:
    return {"clearedBy": {"__op": "AddUnique", "objects": [ward.user(who)]}}


# --- a cycle's way ---


async def test_a_cycle_goes_its_way(ward: Ward) -> None:
    patient, _ = await ward.new_patient()
    me = pointer("_User", str(patient.user_id))
    cycle = await ward.make("ChemoCycle", ward.cycle_body(patient=me), "oncologist")
    assert (await ward.stored("ChemoCycle", cycle))["status"] == "planned"
    steps: list[tuple[str, Object]] = [
        ("nurse", {"status": "labs_due"}),
        ("nurse", {"status": "review"}),
        ("oncologist", sign(ward, "oncologist")),
        ("pharmacist", {**sign(ward, "pharmacist"), "status": "cleared"}),
        ("nurse", {"status": "in_progress"}),
        ("nurse", {"status": "completed"}),
    ]
    for who, body in steps:
        await ward.objects.update(ward[who], "ChemoCycle", cycle, body)
    stored = await ward.stored("ChemoCycle", cycle)
    assert (stored["status"], stored["urgency"]) == ("completed", "closed")
    assert stored["clearedBy"] == ward.users_of("oncologist", "pharmacist")
    assert stored["signers"] == "oncologist, pharmacist"


async def test_one_signature_releases_nothing(ward: Ward) -> None:
    cycle = await ward.new_cycle("labs_due", "review")
    await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, sign(ward, "nurse"))
    for body in ({"status": "cleared"}, {**sign(ward, "nurse"), "status": "cleared"}):
        with pytest.raises(ParseError, match="two different people sign a cycle for release"):
            await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, body)
    with pytest.raises(ParseError, match="add or take back your own signature only"):
        await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, {**sign(ward, "oncologist"), "status": "cleared"})
    assert (await ward.stored("ChemoCycle", cycle))["status"] == "review"


async def test_an_account_named_twice_is_one_signer(ward: Ward) -> None:
    cycle = await ward.new_cycle("labs_due", "review")
    twice: Object = {"clearedBy": ward.users_of("nurse", "nurse"), "status": "cleared"}
    for caller in (ward["nurse"], MASTER):
        with pytest.raises(ParseError, match="two different people sign"):
            await ward.objects.update(caller, "ChemoCycle", cycle, twice)


async def test_a_delay_asks_for_its_reason_and_takes_the_signatures_back(ward: Ward) -> None:
    cycle = await ward.new_cycle("labs_due", "review")
    await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, sign(ward, "nurse"))
    later: Object = {"status": "delayed", "startDate": ward.when(days=12), "endDate": ward.when(days=26)}
    with pytest.raises(ParseError, match="fill statusReason to move it from review to delayed"):
        await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, later)
    await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, {**later, "statusReason": "ANC 0.8"})
    stored = await ward.stored("ChemoCycle", cycle)
    assert (stored["status"], stored["clearedBy"], stored["urgency"]) == ("delayed", [], "delayed")
    await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, {"status": "labs_due"})
    assert "statusReason" not in await ward.stored("ChemoCycle", cycle)


async def test_an_old_reason_is_not_the_reason_of_a_new_step(ward: Ward) -> None:
    cycle = await ward.new_cycle("labs_due", "review", "delayed")
    with pytest.raises(ParseError, match="fill statusReason to move it from delayed to discontinued"):
        await ward.objects.update(ward["oncologist"], "ChemoCycle", cycle, {"status": "discontinued"})


async def test_a_released_cycle_keeps_its_signatures(ward: Ward) -> None:
    cycle = await ward.new_cycle("labs_due", "review", "cleared")
    gone: Object = {"clearedBy": {"__op": "Remove", "objects": [ward.user("nurse")]}}
    with pytest.raises(ParseError, match="signed while it is in review; this one is cleared"):
        await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, gone)


async def test_a_patient_has_one_cycle_in_progress(ward: Ward) -> None:
    patient, _ = await ward.new_patient()
    me = pointer("_User", str(patient.user_id))
    first = await ward.new_cycle("labs_due", "review", "cleared", "in_progress", patient=me)
    second = await ward.new_cycle("labs_due", "review", "cleared", patient=me)
    with pytest.raises(ParseError) as refusal:
        await ward.objects.update(ward["nurse"], "ChemoCycle", second, {"status": "in_progress"})
    assert (int(refusal.value.code), refusal.value.message) == (
        137,
        "status: another cycle of this patient is in progress; complete or discontinue that one first.",
    )
    await ward.objects.update(ward["nurse"], "ChemoCycle", first, {"status": "completed"})
    await ward.objects.update(ward["nurse"], "ChemoCycle", second, {"status": "in_progress"})


async def test_an_open_cycle_is_not_planned_twice(ward: Ward) -> None:
    cycle = await ward.new_cycle(cycleNumber=900)
    with pytest.raises(ParseError, match="an open cycle of this patient and regimen has this number already"):
        await ward.make("ChemoCycle", ward.cycle_body(cycleNumber=900), "nurse")
    await ward.step(cycle, "skipped")
    await ward.make("ChemoCycle", ward.cycle_body(cycleNumber=900), "nurse")


async def test_a_record_stays_with_its_patient(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    other = await ward.new_cycle(patient=ward.user("other_patient"))
    effect = await ward.make("SideEffect", ward.effect_body(cycle), "nurse")
    result = await ward.make("LabTrend", ward.lab_body(), "nurse")
    for class_name, object_id, body, who in [
        ("ChemoCycle", cycle, {"patient": ward.user("other_patient")}, "nurse"),
        ("LabTrend", result, {"patient": ward.user("other_patient")}, "nurse"),
        ("SideEffect", effect, {"chemoCycle": pointer("ChemoCycle", other)}, "admin"),
    ]:
        with pytest.raises(ParseError, match="stays with its"):
            await ward.objects.update(ward[who], class_name, object_id, body)


# --- two at once ---


@pytest.mark.parametrize("racers", [("nurse", "oncologist"), ("nurse", "oncologist", "admin", "nurse")])
async def test_of_those_who_race_for_a_step_one_wins_and_the_others_hear_it(ward: Ward, racers: tuple[str, ...]) -> None:
    for _ in range(5):
        cycle = await ward.new_cycle()
        writes = (ward.objects.update(ward[who], "ChemoCycle", cycle, {"status": "labs_due"}) for who in racers)
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        refusals = [each for each in outcomes if isinstance(each, ParseError)]
        assert len([each for each in outcomes if isinstance(each, Saved)]) == 1
        assert len(refusals) == len(racers) - 1
        assert {(int(each.code), "labs_due already" in each.message) for each in refusals} == {(142, True)}


async def test_of_a_release_and_a_delay_at_once_one_wins(ward: Ward) -> None:
    for _ in range(5):
        cycle = await ward.new_cycle("labs_due", "review")
        await ward.objects.update(ward["oncologist"], "ChemoCycle", cycle, sign(ward, "oncologist"))
        later: Object = {"status": "delayed", "statusReason": "fever", "startDate": ward.when(days=9)}
        outcomes = await asyncio.gather(
            ward.objects.update(ward["nurse"], "ChemoCycle", cycle, {**sign(ward, "nurse"), "status": "cleared"}),
            ward.objects.update(ward["oncologist"], "ChemoCycle", cycle, later),
            return_exceptions=True,
        )
        (refusal,) = [each for each in outcomes if isinstance(each, ParseError)]
        stored = await ward.stored("ChemoCycle", cycle)
        if stored["status"] == "cleared":
            assert refusal.message.startswith("status: cleared cannot become delayed; from cleared it may become")
            assert len(stored["clearedBy"]) == 2  # type: ignore[arg-type]  # a list
        else:
            assert (stored["status"], stored["clearedBy"]) == ("delayed", [])
            assert refusal.message.startswith("status: delayed cannot become cleared; from delayed it may become labs_due")


async def test_signatures_at_once_are_both_kept(ward: Ward) -> None:
    cycle = await ward.new_cycle("labs_due", "review")
    people = ("nurse", "oncologist", "pharmacist")
    await asyncio.gather(*(ward.objects.update(ward[who], "ChemoCycle", cycle, sign(ward, who)) for who in people))
    assert signers(await ward.stored("ChemoCycle", cycle)) == {ward[who].user_id for who in people}


async def test_of_two_cycles_that_start_at_once_one_runs(ward: Ward) -> None:
    for _ in range(3):
        patient, _ = await ward.new_patient()
        me = pointer("_User", str(patient.user_id))
        cycles = [await ward.new_cycle("labs_due", "review", "cleared", patient=me) for _ in range(2)]
        writes = (ward.objects.update(ward["nurse"], "ChemoCycle", cycle, {"status": "in_progress"}) for cycle in cycles)
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        (refusal,) = [each for each in outcomes if isinstance(each, ParseError)]
        assert (int(refusal.code), "another cycle of this patient is in progress" in refusal.message) == (137, True)
        states = sorted([str((await ward.stored("ChemoCycle", cycle))["status"]) for cycle in cycles])
        assert states == ["cleared", "in_progress"]


async def test_of_two_who_plan_the_same_cycle_at_once_one_does(ward: Ward) -> None:
    patient, _ = await ward.new_patient()
    body = ward.cycle_body(patient=pointer("_User", str(patient.user_id)))
    writes = (ward.make("ChemoCycle", body, who) for who in ("nurse", "oncologist"))
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    (refusal,) = [each for each in outcomes if isinstance(each, ParseError)]
    assert int(refusal.code) == 137


async def test_who_is_taken_off_the_team_at_that_moment_writes_before_or_not_at_all(ward: Ward) -> None:
    for _ in range(5):
        patient, profile = await ward.new_patient()
        me = pointer("_User", str(patient.user_id))
        outcomes = await asyncio.gather(
            ward.make("LabTrend", ward.lab_body(patient=me), "nurse"),
            ward.objects.update(patient, "Patient", profile, {"careTeam": ward.users_of("oncologist")}),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], Saved)
        if isinstance(outcomes[0], ParseError):
            assert int(outcomes[0].code) == 119
        else:
            assert outcomes[0] not in await ward.ids("nurse", "LabTrend")


# --- grades and alerts ---


@pytest.mark.parametrize(
    ("fields", "grade", "alerts"),
    [
        ({"severity": "mild"}, 1, []),
        ({"severity": "moderate"}, 2, []),
        ({"severity": "severe"}, 3, [("side_effect_severe", "high", "nurse")]),
        ({"severity": "Grade 4"}, 4, [("side_effect_life_threatening", "critical", "nurse")]),
        ({"severity": "mild", "grade": 3}, 3, [("side_effect_severe", "high", "nurse")]),
        ({"severity": "severe", "grade": 2}, 2, []),
        ({"severity": "unbearable"}, None, [("side_effect_ungraded", "normal", "nurse")]),
    ],
)
async def test_grade_three_and_more_calls_a_nurse(ward: Ward, fields: Object, grade: int | None, alerts: list[object]) -> None:
    effect = await ward.make("SideEffect", ward.effect_body(await ward.new_cycle(), **fields), "oncologist")
    stored = await ward.stored("SideEffect", effect)
    assert stored.get("grade") == grade
    assert stored.get("ctcaeVersion") == (None if grade is None else "5.0")
    assert await ward.alerts(effect) == alerts


async def test_what_becomes_worse_calls_again_and_what_stays_does_not(ward: Ward) -> None:
    effect = await ward.make("SideEffect", ward.effect_body(await ward.new_cycle(), severity="moderate"), "patient")
    await ward.objects.update(ward["nurse"], "SideEffect", effect, {"grade": 3})
    await ward.objects.update(ward["nurse"], "SideEffect", effect, {"ctcaeVersion": "6.0"})
    assert await ward.alerts(effect) == [("side_effect_severe", "high", "nurse")]
    await ward.objects.update(ward["nurse"], "SideEffect", effect, {"grade": 4})
    assert len(await ward.alerts(effect)) == 2


async def test_words_that_change_take_a_derived_grade_along_and_leave_a_given_one(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    derived = await ward.make("SideEffect", ward.effect_body(cycle), "nurse")
    await ward.objects.update(ward["nurse"], "SideEffect", derived, {"severity": "moderate"})
    assert (await ward.stored("SideEffect", derived))["grade"] == 2
    given = await ward.make("SideEffect", ward.effect_body(cycle, grade=2), "nurse")
    await ward.objects.update(ward["nurse"], "SideEffect", given, {"severity": "severe"})
    assert (await ward.stored("SideEffect", given))["grade"] == 2


async def test_an_alert_names_no_patient_and_no_value(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    effect = await ward.make("SideEffect", ward.effect_body(cycle, description="Neuropathy", severity="severe"), "patient")
    result = await ward.make("LabTrend", ward.lab_body(result=0.31), "nurse")
    told = [str(row) for row in await ward.rows("Alert") if effect in str(row["about"]) or result in str(row["about"])]
    assert len(told) == 2
    for secret in ("Ines", "Duarte", "Neuropathy", "0.31", str(ward["patient"].user_id)):
        assert not any(secret in each for each in told)


@pytest.mark.parametrize(("result", "alerts"), [(1.2, 0), (0.8, 1), (15.1, 1)])
async def test_a_critical_result_calls_a_nurse(ward: Ward, result: float, alerts: int) -> None:
    lab = await ward.make("LabTrend", ward.lab_body(result=result), "careTeam")
    assert await ward.alerts(lab) == [("lab_critical", "high", "nurse")] * alerts


async def test_a_refused_side_effect_raises_nothing(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    before = await ward.objects.count(MASTER, Query("Alert"))
    for body in ({"severity": "severe", "recordedAt": ward.when(hours=1)}, {"severity": "severe", "ctcaeVersion": "9"}):
        with pytest.raises(ParseError):
            await ward.make("SideEffect", ward.effect_body(cycle, **body), "nurse")
    assert await ward.objects.count(MASTER, Query("Alert")) == before


# --- treatments and profiles ---


async def test_a_treatment_of_a_cycle_is_of_the_cycles_patient(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    body = ward.treatment_body(patient=None, chemoCycle=pointer("ChemoCycle", cycle))
    assert (await ward.stored("Treatment", await ward.make("Treatment", body, "nurse")))["patient"] == ward.user("patient")
    wrong = ward.treatment_body(patient=ward.user("other_patient"), chemoCycle=pointer("ChemoCycle", cycle))
    with pytest.raises(ParseError, match="patient: the chemoCycle is of another patient"):
        await ward.make("Treatment", wrong, "nurse")
    with pytest.raises(ParseError, match="patient: say whose treatment it is"):
        await ward.make("Treatment", ward.treatment_body(patient=None), "nurse")
    mine = await ward.make("Treatment", ward.treatment_body(patient=None), "patient")
    assert (await ward.stored("Treatment", mine))["patient"] == ward.user("patient")


async def test_who_registers_a_patient_is_on_the_team(ward: Ward) -> None:
    profile = await ward.make("Patient", {"name": "Walk-in"}, "nurse")
    assert (await ward.stored("Patient", profile))["careTeam"] == ward.users_of("nurse")
    assert profile in await ward.ids("nurse", "Patient")
    assert profile not in await ward.ids("oncologist", "Patient")


async def test_an_account_has_one_profile(ward: Ward) -> None:
    for who in ("nurse", "admin", "patient"):
        with pytest.raises(ParseError, match="user: this account has a Patient already"):
            await ward.make("Patient", {"name": "Twice", "user": ward.user("patient")}, who)


async def test_a_care_team_is_made_of_those_who_care(ward: Ward) -> None:
    teams: list[list[Json]] = [[ward.user("dispatcher")], [pointer("_User", "nobody1234")], ["nurse"]]
    for wrong in teams:
        body: Object = {"careTeam": wrong}
        assert await outcome(ward.objects.update(ward["patient"], "Patient", ward.profile, body)) == 142


async def test_a_profile_with_open_cycles_stays(ward: Ward) -> None:
    patient, profile = await ward.new_patient()
    cycle = await ward.new_cycle(patient=pointer("_User", str(patient.user_id)))
    with pytest.raises(ParseError, match="This patient has open cycles"):
        await ward.objects.delete(patient, "Patient", profile)
    await ward.step(cycle, "skipped")
    await ward.objects.delete(patient, "Patient", profile)
    acl = (await ward.stored("ChemoCycle", cycle))["ACL"]
    assert acl == {"role:admin": {"read": True, "write": True}, str(patient.user_id): {"read": True}}


# --- audit ---


async def trail(ward: Ward, object_id: str) -> list[tuple[Json, Json]]:
    query = ward.objects.parse_query("AuditLog", {"where": {"entityId": object_id}, "order": "objectId"})
    return [(row["action"], row["actor"]) for row in await ward.objects.find_objects(MASTER, query)]


async def test_every_write_is_in_the_audit_trail_of_its_author(ward: Ward) -> None:
    cycle = await ward.make("ChemoCycle", ward.cycle_body(), "oncologist")
    await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, {"status": "labs_due"})
    result = await ward.make("LabTrend", ward.lab_body(), "patient")
    await ward.objects.delete(ward["careTeam"], "LabTrend", result)
    assert await trail(ward, cycle) == [("create", ward.user("oncologist")), ("update", ward.user("nurse"))]
    assert await trail(ward, result) == [("create", ward.user("patient")), ("delete", ward.user("careTeam"))]
    async with ward.database.connection() as connection:
        assert await find_break(connection) is None


async def test_a_refused_write_leaves_no_trace_in_the_trail(ward: Ward) -> None:
    cycle = await ward.new_cycle()
    before = await ward.objects.count(MASTER, Query("AuditLog"))
    for body in ({"status": "completed"}, {"cycleNumber": 0}, {"urgency": "overdue"}, sign(ward, "nurse")):
        with pytest.raises(ParseError):
            await ward.objects.update(ward["nurse"], "ChemoCycle", cycle, body)
    assert await ward.objects.count(MASTER, Query("AuditLog")) == before
