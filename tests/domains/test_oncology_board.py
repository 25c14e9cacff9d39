"""The pages of oncology care, as a nurse, a patient and a stranger get them before any script runs."""

from dataclasses import dataclass
from datetime import timedelta
from html import unescape

import httpx
import pytest

from app.actions.objects import utc_now
from app.api.request import COOKIE
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.oncology.board import BOARD, LEVELS
from app.domains.oncology.rules import CYCLE_STATES, URGENCIES
from app.domains.oncology.tables import TABLES
from app.live.boards.board import Board, Mine, to_wire
from app.store.tables import SYSTEM_TABLES, schema_of
from tests.api.depot import Phone, sign_in
from tests.conftest import PATIENCE, RunningServer

FIELDS = {table._meta.tablename: set(schema_of(table).fields) for table in (*TABLES, *SYSTEM_TABLES)}
BOARDS = [BOARD, *(page for page in BOARD.beside if isinstance(page, Board))]


@dataclass
class Clinic:
    """A nurse whose patient has a cycle to review, with a critical count, a drug and a severe side effect."""

    nurse: Phone
    other: Phone
    patient: Phone
    courier: Phone
    cycle: str
    profile: str

    async def page(self, who: Phone, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        async with httpx.AsyncClient(base_url=who.server.url, cookies={COOKIE: str(who.token)}, timeout=PATIENCE) as client:
            answer = await client.get(f"/boards/oncology{path}")
        return answer.status_code, unescape(answer.text)


def at(**span: float) -> Object:
    return date_to_wire(utc_now() + timedelta(**span))


@pytest.fixture(scope="module")
async def clinic(running_server: RunningServer) -> Clinic:
    app = {"X-Parse-Application-Id": running_server.app_id}
    anonymous = Phone(running_server, "", app)
    master = Phone(running_server, "", {**app, "X-Parse-Master-Key": running_server.master_key})
    nurse, other, patient, courier, doctor = [
        await sign_in(master, anonymous, role) for role in ("nurse", "nurse", "patient", "courier", "oncologist")
    ]
    team: list[Json] = [pointer("_User", each.user) for each in (nurse, doctor)]
    history: Json = {"diagnosis": "Colon adenocarcinoma, stage III"}
    body: Object = {"name": "Ines Duarte", "contact": "+1 503 555 0170", "careTeam": team, "medicalHistory": history}
    profile = await patient.make("Patient", body)
    cycle = await doctor.make(
        "ChemoCycle",
        {
            "cycleNumber": 3,
            "regimen": "mFOLFOX6",
            "startDate": at(days=2),
            "endDate": at(days=15),
            "patient": pointer("_User", patient.user),
        },
    )
    for name, result, low, high in (("ANC", 0.45, 1.8, 7.5), ("Platelets", 210, 150, 400)):
        await nurse.make(
            "LabTrend",
            {
                "labTestName": name,
                "result": result,
                "date": at(hours=-1),
                "patient": pointer("_User", patient.user),
                "unit": "10⁹/L",
                "referenceLow": low,
                "referenceHigh": high,
            },
        )
    await nurse.make("Treatment", {"type": "Oxaliplatin", "date": at(hours=-2), "chemoCycle": pointer("ChemoCycle", cycle)})
    await patient.make(
        "SideEffect",
        {"description": "Fever", "severity": "severe", "chemoCycle": pointer("ChemoCycle", cycle), "recordedAt": at(hours=-1)},
    )
    for status in ("labs_due", "review"):
        assert (await nurse.ask("PUT", f"/classes/ChemoCycle/{cycle}", {"status": status}))[0] == 200
    signature: Json = {"clearedBy": {"__op": "AddUnique", "objects": [pointer("_User", nurse.user)]}}
    assert (await nurse.ask("PUT", f"/classes/ChemoCycle/{cycle}", signature))[0] == 200
    return Clinic(nurse, other, patient, courier, cycle, profile)


PAGES = {
    "": ("Ines Duarte", "mFOLFOX6", "To review", "0.45", "210", "grade 3", "signed by nurse-"),
    "/rows/{cycle}": ("Ines Duarte", "Lab trends", "Flowsheet", "Oxaliplatin", "Fever", "+1 503 555 0170", "1.8\u20137.5"),
    "/patients": ("Ines Duarte", "mFOLFOX6", "cycle 3"),
    "/patients/rows/{profile}": ("Colon adenocarcinoma, stage III", "Lab trends", "Oxaliplatin"),
    "/effects": ("Fever", "Ines Duarte", "CTCAE 5.0"),
}


@pytest.mark.parametrize("path", PAGES)
async def test_the_pages_show_what_was_promised(clinic: Clinic, path: str) -> None:
    status, text = await clinic.page(clinic.nurse, path.format(cycle=clinic.cycle, profile=clinic.profile))
    assert status == 200
    assert [words for words in PAGES[path] if words not in text] == []


async def test_a_patient_has_a_page_of_their_own_and_sees_who_looked(clinic: Clinic) -> None:
    status, text = await clinic.page(clinic.patient, "/my-care")
    assert status == 200
    for words in ("mFOLFOX6", "Report a side effect", "Fever", "ANC", "Oxaliplatin"):
        assert words in text, words
    await clinic.nurse.ask("GET", f"/classes/ChemoCycle/{clinic.cycle}")
    status, text = await clinic.page(clinic.patient, "/access")
    assert (status, clinic.cycle in text, "nurse-" in text) == (200, True, True)


@pytest.mark.parametrize("path", PAGES)
async def test_another_teams_nurse_is_shown_nothing_of_it(clinic: Clinic, path: str) -> None:
    _, text = await clinic.page(clinic.other, path.format(cycle=clinic.cycle, profile=clinic.profile))
    assert [words for words in ("Ines", "Duarte", "Fever", "0.45", clinic.patient.user) if words in text] == []


@pytest.mark.parametrize("path", ["", "/patients", "/effects", "/my-care", "/access", "/audit"])
async def test_other_roles_are_not_offered_the_pages(clinic: Clinic, path: str) -> None:
    status, text = await clinic.page(clinic.courier, path)
    assert (status, "Ines" in text) == (403, False)
    if path != "/my-care":
        assert (await clinic.page(clinic.patient, path))[0] == (200 if path == "/access" else 403)


def test_the_levels_of_the_board_are_the_urgencies_that_are_open() -> None:
    assert [level.value for level in LEVELS] == [name for name in URGENCIES if name != "closed"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_board_reads_only_what_is_there(board: Board) -> None:
    for source in board.sources:
        assert set(source.keys) <= FIELDS[source.class_name], source.name
    row = set(board.sources[0].keys) | {"createdAt", "updatedAt", "objectId"}
    joins = {join.name for join in board.joins}
    paths = [column.field for column in board.columns] + [tile.field for tile in board.tiles] + [board.order, board.label]
    for path in filter(None, paths):
        for option in path.split("|"):
            assert option.split(".")[0] in row | joins, option
    for related in board.panel.related:
        assert related.field in FIELDS[related.class_name]
    for action in board.actions:
        assert {each.name for each in action.inputs} | set(action.fixed) <= FIELDS[action.class_name], action.key
    assert to_wire(board)


def test_a_patients_page_reads_only_what_is_there() -> None:
    (mine,) = [page for page in BOARD.beside if isinstance(page, Mine)]
    for part in mine.parts:
        assert set(part.keys) <= FIELDS[part.class_name], part.key


def test_the_step_of_the_board_asks_for_what_the_machine_needs() -> None:
    step = next(action for action in BOARD.actions if action.key == "step")
    asked = {each.name: (each.when or ("", ""))[1].split("|") for each in step.inputs}
    for row in CYCLE_STATES.transitions:
        if row.source is not None:
            assert all(row.target in asked[need] for need in row.needs), row.target
