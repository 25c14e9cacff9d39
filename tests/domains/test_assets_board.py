"""The board of asset moves and the pages beside it say nothing that the rules and classes do not have."""

from collections.abc import Iterator

import pytest

from app.domains.assets.board import BOARD
from app.domains.assets.rules import (
    CRITICALITIES,
    GRANTS,
    INSPECTION_STATES,
    LOG_STATES,
    MAINTENANCE_TYPES,
    OUTCOMES,
    REQUESTS,
    SEVERITIES,
    URGENCIES,
)
from app.domains.assets.tables import TABLES
from app.domains.domain import Operation
from app.live.boards.board import Action, Board, Figures, Mine, Source
from app.store.tables import SYSTEM_TABLES, schema_of

FIELDS = {table._meta.tablename: set(schema_of(table).fields) for table in (*TABLES, *SYSTEM_TABLES)}
BOARDS = [BOARD, *(page for page in BOARD.beside if isinstance(page, Board))]
CHOICES: dict[tuple[str, str], set[str]] = {
    ("MaintenanceLog", "maintenanceType"): set(MAINTENANCE_TYPES),
    ("MaintenanceLog", "outcome"): set(OUTCOMES),
    ("MaintenanceLog", "status"): set(LOG_STATES.next_states(None)),
    ("Inspection", "status"): set(INSPECTION_STATES.states),
    ("ComplianceEvent", "eventType"): set(REQUESTS),
    ("ComplianceEvent", "severity"): set(SEVERITIES),
}


def sources() -> Iterator[Source]:
    for page in (BOARD, *BOARD.beside):
        yield from page.sources


def actions() -> Iterator[Action]:
    yield from BOARD.actions
    for page in BOARD.beside:
        if isinstance(page, Board):
            yield from page.actions
        elif isinstance(page, Mine):
            yield from (action for part in page.parts for action in part.actions)


def test_the_levels_are_the_urgencies_worst_first() -> None:
    assert tuple(level.value for level in BOARD.levels) == URGENCIES
    assert {tile.equals for tile in BOARD.tiles if tile.field == "urgency"} <= set(URGENCIES)
    assert set(BOARD.alarm) <= set(URGENCIES)
    assert set(BOARD.labels["criticality"]) == set(CRITICALITIES)


def test_every_source_asks_for_fields_that_are_there() -> None:
    for source in sources():
        assert set(source.keys) <= FIELDS[source.class_name], source.name
        assert {name for name in source.where if not name.startswith("$")} <= FIELDS[source.class_name], source.name


def test_every_column_tile_and_search_reads_a_source_or_a_join() -> None:
    for board in BOARDS:
        own = set(board.sources[0].keys) | {"createdAt", "objectId"}
        joined = {join.name: next(each for each in board.sources if each.name == join.source) for join in board.joins}
        assert {join.field for join in board.joins if not join.back} <= own
        paths = [*board.search, board.label, board.order, *(tile.field for tile in board.tiles)]
        paths += [path for column in board.columns for path in (column.field, *(flag.field for flag in column.flags))]
        for option in (option for path in paths for option in path.split("|") if option):
            head, _, rest = option.partition(".")
            assert head in own if not rest else rest in {*joined[head].keys, "objectId", "ok"}, (board.name, option)


@pytest.mark.parametrize("action", [*actions()], ids=lambda action: action.key)
def test_an_action_writes_what_its_roles_may_write(action: Action) -> None:
    fields = {each.name for each in action.inputs} | set(action.fixed)
    assert fields <= FIELDS[action.class_name]
    operation: Operation = "update" if action.updates else "create"
    for role in action.roles:
        GRANTS.check_fields({role}, action.class_name, operation, fields)
    for each in action.inputs:
        if each.choices:
            assert {choice.value for choice in each.choices} <= CHOICES[action.class_name, each.name]


def test_what_must_be_filled_is_asked_for_or_fixed() -> None:
    for action in actions():
        if not action.updates:
            schema = schema_of(next(table for table in TABLES if table._meta.tablename == action.class_name))
            required = {name for name, field in schema.fields.items() if field.required}
            assert required <= {each.name for each in action.inputs if each.required} | set(action.fixed), action.key


def test_the_figures_are_for_those_who_manage() -> None:
    (page,) = [page for page in BOARD.beside if isinstance(page, Figures)]
    assert page.roles == ("biomed", "admin")
    assert {source.name for source in page.sources} == {"assets", "plans", "logs"}
