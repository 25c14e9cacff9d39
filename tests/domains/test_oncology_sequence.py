"""Oncology care over REST: the template's sequence diagram step by step, what is asked for, and who looked at a record."""

from dataclasses import dataclass
from uuid import uuid4

import pytest

from app.actions.objects import utc_now
from app.core.wire import Json, Object, date_to_wire, pointer
from tests.api.depot import PASSWORD, Phone, sign_in
from tests.conftest import RunningServer

NOW = date_to_wire(utc_now())


@dataclass
class Clinic:
    """A patient and the nurse and oncologist who look after them; a nurse who has nothing to do with them; a desk."""

    server: RunningServer
    anonymous: Phone
    patient: Phone
    nurse: Phone
    oncologist: Phone
    other: Phone
    admin: Phone
    profile: str

    @property
    def me(self) -> Object:
        """The pointer to the patient's account."""
        return pointer("_User", self.patient.user)

    def cycle_body(self, number: int) -> Object:
        """A cycle that has begun."""
        return {
            "cycleNumber": number,
            "startDate": date_to_wire(utc_now()),
            "endDate": {"__type": "Date", "iso": "2030-01-14T00:00:00.000Z"},
            "patient": self.me,
        }

    async def entries(self, who: Phone, **where: Json) -> list[Object]:
        """What one may read of the access log."""
        return await who.find("AccessLog", where, limit=1000, order="accessTime")


@pytest.fixture(scope="module")
async def clinic(running_server: RunningServer) -> Clinic:
    app = {"X-Parse-Application-Id": running_server.app_id}
    anonymous = Phone(running_server, "", app)
    master = Phone(running_server, "", {**app, "X-Parse-Master-Key": running_server.master_key})
    patient, nurse, oncologist, other, admin = [
        await sign_in(master, anonymous, role) for role in ("patient", "nurse", "oncologist", "nurse", "admin")
    ]
    team: list[Json] = [pointer("_User", each.user) for each in (nurse, oncologist)]
    profile = await patient.make("Patient", {"name": "Ines Duarte", "contact": "+1 503 555 0170", "careTeam": team})
    return Clinic(running_server, anonymous, patient, nurse, oncologist, other, admin, profile)


async def test_the_templates_diagram_runs_as_drawn(clinic: Clinic) -> None:
    await clinic.oncologist.make("ChemoCycle", clinic.cycle_body(1))
    name = f"user-{uuid4().hex[:6]}"
    # Login
    status, told = await clinic.anonymous.ask("POST", "/users", {"username": name, "password": PASSWORD})
    assert (status, "sessionToken" in told) == (201, True)
    _, me = await clinic.patient.ask("GET", "/users/me")
    status, told = await clinic.anonymous.ask("POST", "/login", {"username": me["username"], "password": PASSWORD})
    assert status == 200
    user = Phone(clinic.server, clinic.patient.user, {**clinic.anonymous.headers, "X-Parse-Session-Token": told["sessionToken"]})
    # View chemotherapy cycles
    status, told = await user.ask("GET", "/classes/ChemoCycle")
    assert status == 200
    (cycle,) = told["results"]
    assert (cycle["cycleNumber"], cycle["patient"], cycle["status"]) == (1, clinic.me, "planned")
    # Log side effect
    effect: Object = {
        "description": "Tingling fingers",
        "severity": "moderate",
        "chemoCycle": pointer("ChemoCycle", cycle["objectId"]),
        "recordedAt": NOW,
    }
    status, told = await user.ask("POST", "/classes/SideEffect", effect)
    assert (status, set(told) >= {"objectId", "createdAt"}) == (201, True)
    # View lab trends
    await clinic.nurse.make("LabTrend", {"labTestName": "ANC", "result": 2.1, "date": NOW, "patient": clinic.me})
    status, told = await user.ask("GET", "/classes/LabTrend", order="date")
    assert (status, [(row["labTestName"], row["result"]) for row in told["results"]]) == (200, [("ANC", 2.1)])
    # Log access
    status, told = await user.ask("POST", "/classes/AccessLog", {"user": clinic.me, "accessTime": NOW})
    assert (status, "objectId" in told) == (201, True)
    assert told["objectId"] in {row["objectId"] for row in await clinic.entries(user)}


REQUIRED = {
    "Patient": ("name",),
    "ChemoCycle": ("cycleNumber", "startDate", "endDate", "patient"),
    "Treatment": ("type", "date"),
    "SideEffect": ("description", "severity", "chemoCycle", "recordedAt"),
    "LabTrend": ("labTestName", "result", "date", "patient"),
}


@pytest.mark.parametrize(("class_name", "missing"), [(name, field) for name, fields in REQUIRED.items() for field in fields])
async def test_a_missing_required_field_is_named(clinic: Clinic, class_name: str, missing: str) -> None:
    bodies: dict[str, Object] = {
        "Patient": {"name": "New"},
        "ChemoCycle": clinic.cycle_body(40),
        "Treatment": {"type": "Oxaliplatin", "date": NOW, "patient": clinic.me},
        "SideEffect": {"description": "Nausea", "severity": "mild", "chemoCycle": pointer("ChemoCycle", "x"), "recordedAt": NOW},
        "LabTrend": {"labTestName": "ANC", "result": 2, "date": NOW, "patient": clinic.me},
    }
    body = {name: value for name, value in bodies[class_name].items() if name != missing}
    status, told = await clinic.nurse.ask("POST", f"/classes/{class_name}", body)
    assert (status, told) == (400, {"code": 142, "error": f"{missing} is required"})


async def test_no_request_of_another_nurse_reaches_the_record(clinic: Clinic) -> None:
    cycle = await clinic.oncologist.make("ChemoCycle", clinic.cycle_body(2))
    hers = f"/classes/ChemoCycle/{cycle}"
    result: Object = {"labTestName": "ANC", "result": 1, "date": NOW, "patient": clinic.me}
    effect: Object = {"description": "x", "severity": "mild", "chemoCycle": pointer("ChemoCycle", cycle), "recordedAt": NOW}
    requests: list[Json] = [
        {"method": "GET", "path": f"/parse{hers}"},
        {"method": "PUT", "path": f"/parse{hers}", "body": {"status": "labs_due"}},
        {"method": "DELETE", "path": f"/parse{hers}"},
        {"method": "POST", "path": "/parse/classes/LabTrend", "body": result},
        {"method": "POST", "path": "/parse/classes/SideEffect", "body": effect},
        {"method": "PUT", "path": f"/parse/classes/Patient/{clinic.profile}", "body": {"contact": "mine"}},
    ]
    before = await clinic.oncologist.ask("GET", hers)
    _, answers = await clinic.other.ask("POST", "/batch", {"requests": requests})
    assert [answer["error"]["code"] in (101, 119) for answer in answers] == [True] * len(requests)
    assert await clinic.oncologist.ask("GET", hers) == before
    for class_name in REQUIRED:
        assert await clinic.other.find(class_name) == []
        assert await clinic.anonymous.find(class_name) == []


async def test_who_looked_at_my_record_is_told_to_me_and_to_nobody_else(clinic: Clinic) -> None:
    cycle = await clinic.oncologist.make("ChemoCycle", clinic.cycle_body(3))
    effect = await clinic.patient.make(
        "SideEffect",
        {"description": "Fever", "severity": "mild", "chemoCycle": pointer("ChemoCycle", cycle), "recordedAt": NOW},
    )
    result = await clinic.nurse.make("LabTrend", {"labTestName": "PLT", "result": 90, "date": NOW, "patient": clinic.me})
    for class_name, object_id in (
        ("ChemoCycle", cycle),
        ("SideEffect", effect),
        ("LabTrend", result),
        ("Patient", clinic.profile),
    ):
        status, _ = await clinic.nurse.ask("GET", f"/classes/{class_name}/{object_id}")
        assert status == 200
        status, _ = await clinic.other.ask("GET", f"/classes/{class_name}/{object_id}")
        assert status == 404
        where: Object = {"entityType": class_name, "entityId": object_id, "action": "get"}
        (mine,) = await clinic.entries(clinic.patient, **where)
        assert (mine["user"], mine["subject"]) == (pointer("_User", clinic.nurse.user), clinic.me)
        assert len(await clinic.entries(clinic.admin, **where)) == 1
        assert await clinic.entries(clinic.other, **where) == []
        assert await clinic.entries(clinic.oncologist, **where) == []


async def test_nobody_writes_an_access_of_somebody_else(clinic: Clinic) -> None:
    status, told = await clinic.nurse.ask("POST", "/classes/AccessLog", {"user": clinic.me, "accessTime": NOW})
    assert (status, told["code"]) == (400, 119)


async def test_a_refused_step_names_the_allowed_ones(clinic: Clinic) -> None:
    cycle = await clinic.oncologist.make("ChemoCycle", clinic.cycle_body(4))
    status, told = await clinic.nurse.ask("PUT", f"/classes/ChemoCycle/{cycle}", {"status": "cleared"})
    assert (status, told) == (
        400,
        {
            "code": 142,
            "error": "status: planned cannot become cleared; from planned it may become labs_due, discontinued or skipped.",
        },
    )


async def test_two_sign_a_cycle_over_rest(clinic: Clinic) -> None:
    cycle = await clinic.oncologist.make("ChemoCycle", clinic.cycle_body(5))
    path = f"/classes/ChemoCycle/{cycle}"
    for status in ("labs_due", "review"):
        assert (await clinic.nurse.ask("PUT", path, {"status": status}))[0] == 200

    def sign(who: Phone) -> Object:
        return {"clearedBy": {"__op": "AddUnique", "objects": [pointer("_User", who.user)]}}

    assert (await clinic.nurse.ask("PUT", path, sign(clinic.nurse)))[0] == 200
    assert (await clinic.nurse.ask("PUT", path, {"status": "cleared"}))[0] == 400
    assert (await clinic.oncologist.ask("PUT", path, {**sign(clinic.oncologist), "status": "cleared"}))[0] == 200
    _, told = await clinic.patient.ask("GET", path)
    assert (told["status"], len(told["clearedBy"])) == ("cleared", 2)
