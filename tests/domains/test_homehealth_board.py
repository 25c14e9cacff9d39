"""The description of the job board speaks of fields, states and roles that are there, and the page shows what is stored."""

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from app.actions.objects import utc_now
from app.api.request import COOKIE
from app.core.wire import Object, date_to_wire, pointer
from app.domains.homehealth.board import BOARD
from app.domains.homehealth.phone import MY_VISITS
from app.domains.homehealth.rules import GRANTS, JOB_STATES, LIMITS, URGENCIES
from app.domains.homehealth.tables import TABLES
from app.live.boards.board import Action, Board, Mine
from app.live.boards.cells import _FIELD
from app.store.tables import ParseTable, User, schema_of
from tests.conftest import PATIENCE, RunningServer

BOARDS = [BOARD, *(page for page in BOARD.beside if isinstance(page, Board) and page.name != "audit")]
CLASSES: list[type[ParseTable]] = [*TABLES, User]
SCHEMAS = {str(table._meta.tablename): set(schema_of(table).fields) for table in CLASSES}
BUILT_IN = {"objectId", "createdAt", "updatedAt", "role", "active", "username", "displayName", "phoneNumber", "department"}


def known(board: Board, path: str) -> bool:
    """Whether a path leads through the board's joins and includes to a field that its sources read."""
    classes = {source.name: source for source in board.sources}
    first, *rest = path.split(".")
    join = next((join for join in board.joins if join.name == first), None)
    if join and rest:
        return rest[0] in {*classes[join.source].keys, *BUILT_IN}
    return first in {*board.sources[0].keys, *BUILT_IN}


def paths(board: Board) -> Iterator[str]:
    """Every path that the list of a board reads."""
    patterns = [column.detail for column in board.columns] + [board.panel.title, *board.panel.subtitle]
    fields = [path for column in board.columns for path in (column.field, column.until, column.against, column.point) if path]
    fields += [*board.search, board.order, board.label, *(tile.field for tile in board.tiles)]
    fields += [name for pattern in patterns for name in _FIELD.findall(pattern)]
    yield from (option for path in fields for option in path.split("|") if option != "position")


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_path_leads_to_a_field(board: Board) -> None:
    assert [path for path in paths(board) if not known(board, path)] == []
    for source in board.sources:
        assert set(source.keys) <= SCHEMAS[source.class_name] | BUILT_IN, source.name


def actions() -> list[Action]:
    own = [action for page in BOARD.beside if isinstance(page, Mine) for part in page.parts for action in part.actions]
    return [action for board in BOARDS for action in board.actions] + own


@pytest.mark.parametrize("action", actions(), ids=lambda action: action.key)
def test_an_action_is_offered_to_those_who_may_and_writes_what_they_may(action: Action) -> None:
    fields = {each.name for each in action.inputs} | set(action.fixed)
    assert fields <= SCHEMAS[action.class_name]
    for role in action.roles:
        GRANTS.check_fields({role}, action.class_name, "update" if action.updates else "create", fields)


def test_the_phone_reads_fields_that_are_there() -> None:
    for part in MY_VISITS.parts:
        assert set(part.keys) <= SCHEMAS[part.class_name]
        patterns = [name for pattern in (part.title, *part.lines) for name in _FIELD.findall(pattern)]
        told = [
            path
            for pattern in (*patterns, part.at, part.until, part.place, part.point)
            if pattern
            for path in pattern.split("|")
            if not path.startswith("=")
        ]
        assert {path.split(".")[0] for path in told} <= set(part.keys)


def test_the_levels_and_states_are_those_of_the_rules() -> None:
    assert tuple(level.value for level in BOARD.levels) == URGENCIES
    status = next(column for column in BOARD.columns if column.key == "status")
    assert set(status.steps) <= set(JOB_STATES.states)
    for action in actions():
        offered = action.offered.get("status", [])
        assert isinstance(offered, list)
        assert set(map(str, offered)) <= set(JOB_STATES.states)
    counted = {value for tile in BOARD.tiles if tile.field == "urgency" for value in (tile.among or (tile.equals,))}
    assert counted == set(URGENCIES)
    assert any("urgency" in limit.condition for limit in LIMITS)


def test_who_is_nearest_and_free_is_data() -> None:
    pick = next(each for action in actions() if action.key == "assign" for each in action.inputs if each.kind == "pick")
    assert (pick.near, pick.point, pick.free) == ("location", "location", {"availability": "available"})


async def test_the_board_shows_the_late_visit_first(running_server: RunningServer) -> None:
    keys = {"X-Parse-Application-Id": running_server.app_id, "X-Parse-Master-Key": running_server.master_key}
    async with httpx.AsyncClient(base_url=running_server.url, headers=keys, timeout=PATIENCE) as client:

        async def make(path: str, body: Object) -> str:
            answer = await client.post(f"/parse{path}", json=body)
            assert answer.is_success, answer.text
            return str(answer.json()["objectId"])

        name = f"desk-{uuid4().hex[:6]}"
        await make("/users", {"username": name, "password": "open sesame", "role": "dispatcher", "active": True})
        aide = await make("/classes/Technician", {"name": "Ann Cole", "availability": "available"})
        for client_name, minutes in (("Zoe Soon", 300), ("Ida Late", -7)):
            visit: Object = {
                "description": "Care",
                "status": "assigned",
                "technician": pointer("Technician", aide),
                "scheduledTime": date_to_wire(utc_now() + timedelta(minutes=minutes)),
                "clientName": client_name,
            }
            await make("/classes/Job", visit)
        session = (await client.post("/parse/login", json={"username": name, "password": "open sesame"})).json()["sessionToken"]
    async with httpx.AsyncClient(base_url=running_server.url, cookies={COOKIE: session}, timeout=PATIENCE) as browser:
        for board in BOARDS:
            path = board.name if board is BOARD else f"{BOARD.name}/{board.name}"
            answer = await browser.get(f"/boards/{path}")
            assert answer.status_code == 200, answer.text[:300]
        drawn = await browser.get("/states/Job", headers={"Accept": "text/html"})
        assert (drawn.status_code, "<svg" in drawn.text) == (200, True)
        page = re.sub(r"<[^>]+>", "", (await browser.get(f"/boards/{BOARD.name}")).text)
    assert 0 < page.index("Ida Late") < page.index("Zoe Soon")
    assert re.search(r"late\s*0:07", page)
    assert "Ann Cole" in page or "A. Cole" in page
