"""The style sheet of a board comes from its description alone."""

import re
from dataclasses import replace

from app.domains.oxygen.board import BOARD
from app.live.boards.board import Board, Column, Panel, Source
from app.live.boards.widths import card_places, sheet


def board(*columns: Column) -> Board:
    return Board(
        name="toys",
        title="Toys",
        nav="Toys",
        icon="box",
        noun=("toy", "toys"),
        order="dueAt",
        label="name",
        sources=(Source(name="toys", class_name="Toy", keys=("name",)),),
        columns=columns,
        panel=Panel(title="{name}", subtitle=(), related=(), sections=()),
    )


NAME = Column(key="name", label="Name", kind="name", field="name", width=(100, 1.0))
NOTE = Column(key="note", label="Note", kind="text", field="note", width=(200, 1.0))


def test_a_column_that_yields_goes_where_the_least_widths_do_not_fit() -> None:
    made = sheet([("toys", board(NAME, NOTE, Column(key="age", label="Age", kind="age", field="at", width=(60, 0.0), yields=1)))])
    assert "(max-width: 361px)" in made
    assert re.search(r"\(max-width: 361px\) \{ .*\.k-age \{ display: none; \}", made)
    assert ".k-note { display" not in made


def test_each_board_has_its_own_rules() -> None:
    made = sheet([("toys", board(NAME, NOTE)), ("oxygen", BOARD)])
    assert '[data-board="toys"] .rows { --columns: minmax(100px, 1fr) minmax(200px, 1fr); }' in made
    assert '[data-board="oxygen"] .rows' in made


def test_a_phone_s_card_has_a_title_though_nobody_said_so() -> None:
    assert card_places(board(NAME).columns) == {"name": "title"}
    assert card_places(board(NAME, NOTE).columns) == {"name": "title", "note": "id"}
    assert card_places(board(NAME, replace(NOTE, personal=True)).columns) == {"name": "id", "note": "title"}
    assert card_places(BOARD.columns) == {
        "urgency": "corner",
        "site": "title",
        "tank": "id",
        "pressure": "lead",
        "left": "end",
        "driver": "",
        "window": "",
        "read": "",
    }


def test_paper_has_as_many_tracks_as_columns_that_stay() -> None:
    made = sheet([("toys", board(NAME, NOTE, Column(key="age", label="Age", kind="age", field="at", width=(60, 0.0), yields=1)))])
    screen, paper = made.split("@media print")
    assert "@media screen" in screen
    assert "--columns: minmax(0, 100fr) minmax(0, 140fr) minmax(0, 60fr); }" in paper
    narrow = re.search(r"@container list \(max-width: (\d+)px\) \{ (.*)", paper)
    assert narrow
    assert int(narrow[1]) < 361
    assert "--columns: minmax(0, 100fr) minmax(0, 140fr); }" in narrow[2]
    assert ".k-age { display: none; }" in narrow[2]
