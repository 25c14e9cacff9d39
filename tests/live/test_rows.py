"""Objects become the rows of a board: joined, ranked, counted and filtered."""

from dataclasses import replace

import pytest

from app.core.wire import Object
from app.live.boards.board import Board, Column, Flag, Join, Level, Panel, Source, Tile, to_wire, tone_of
from app.live.boards.places import Place, home_of
from app.live.boards.rows import join_rows, level_of, same, tally

LEVELS = tuple(Level(value=value, label=value, icon="dot") for value in ("late", "due", "unknown", "soon", "ok"))


def pointer(class_name: str, object_id: str) -> Object:
    return {"__type": "Pointer", "className": class_name, "objectId": object_id}


def date(text: str) -> Object:
    return {"__type": "Date", "iso": text}


BOARD = Board(
    name="jobs",
    title="Jobs",
    nav="Jobs",
    icon="home",
    noun=("job", "jobs"),
    order="at",
    label="name",
    level_field="urgency",
    levels=LEVELS,
    sources=(
        Source(name="jobs", class_name="Job", keys=("name",)),
        Source(name="orders", class_name="Order", keys=("client",)),
        Source(name="clients", class_name="Client", keys=("name",)),
        Source(name="visits", class_name="Visit", keys=("job", "on")),
    ),
    joins=(
        Join(name="order", field="order", source="orders"),
        Join(name="client", field="order.client", source="clients"),
        Join(name="visit", source="visits", back="job", newest="on"),
        Join(name="seen", field="order", source="visits", back="order", newest="on"),
    ),
    columns=(Column(key="name", label="Name", kind="name", field="name"),),
    tiles=(
        Tile(key="late", label="Late", one="late jobs", field="urgency", equals="late"),
        Tile(key="open", label="Open", one="open jobs", field="urgency", among=("late", "due", "soon")),
    ),
    panel=Panel(title="{name}", subtitle=(), related=(), sections=()),
)

FOUND: dict[str, list[Object]] = {
    "jobs": [
        {"objectId": "a", "name": "a", "urgency": "ok", "order": pointer("Order", "o1"), "at": date("2026-01-02T00:00:00.000Z")},
        {"objectId": "b", "name": "b", "urgency": "late", "at": date("2026-01-03T00:00:00.000Z")},
        {"objectId": "c", "name": "c", "urgency": "late", "at": date("2026-01-01T00:00:00.000Z")},
        {"objectId": "d", "name": "d", "urgency": "no such word"},
    ],
    "orders": [{"objectId": "o1", "client": pointer("Client", "c1")}],
    "clients": [{"objectId": "c1", "name": "Rosa"}],
    "visits": [
        {"objectId": "v1", "job": pointer("Job", "a"), "order": pointer("Order", "o1"), "on": date("2026-01-01T00:00:00.000Z")},
        {"objectId": "v2", "job": pointer("Job", "a"), "on": date("2026-01-05T00:00:00.000Z")},
        {"objectId": "v3", "job": pointer("Job", "a"), "on": date("2026-01-03T00:00:00.000Z")},
    ],
}


def rows() -> dict[str, Object]:
    return {str(row["objectId"]): row for row in join_rows(BOARD, FOUND, sees_people=True)}


def test_the_worst_come_first_and_then_the_soonest() -> None:
    assert list(rows()) == ["c", "b", "d", "a"]


def test_a_join_goes_through_an_earlier_one() -> None:
    assert rows()["a"]["client"] == {"objectId": "c1", "name": "Rosa"}
    assert rows()["b"]["client"] == {}


def test_a_join_the_other_way_round_finds_the_newest_and_counts() -> None:
    visit = rows()["a"]["visit"]
    assert isinstance(visit, dict)
    assert (visit["objectId"], visit["count"]) == ("v2", 3)
    assert rows()["b"]["visit"] == {}


def test_a_join_the_other_way_round_may_ask_for_what_the_row_points_to() -> None:
    seen = rows()["a"]["seen"]
    assert isinstance(seen, dict)
    assert (seen["objectId"], seen["count"]) == ("v1", 1)


def test_an_unknown_level_is_never_a_harmless_one() -> None:
    assert level_of(BOARD, rows()["d"]).value == "unknown"


def test_a_tile_counts_one_value_or_several() -> None:
    assert tally(BOARD, list(rows().values())) == {"late": 2, "open": 2}


def test_the_newest_come_first_where_a_list_says_so() -> None:
    turned = replace(BOARD, newest_first=True, levels=(), level_field="")
    assert [row["objectId"] for row in join_rows(turned, FOUND, sees_people=True)] == ["b", "a", "c", "d"]


@pytest.mark.parametrize(
    ("value", "tone"),
    [("late", "filled"), ("due", "bad"), ("unknown", "odd"), ("soon", "warn"), ("ok", "calm"), ("no such word", "calm")],
)
def test_a_level_s_colour_comes_from_its_place(value: str, tone: str) -> None:
    assert tone_of(LEVELS, value) == tone


def test_a_board_is_offered_to_those_who_may_read_its_rows() -> None:
    place = Place(BOARD, {"Job": frozenset({"dispatcher", "patient"})})
    narrow = Place(replace(BOARD, roles=("dispatcher",)), {"Job": frozenset({"dispatcher", "patient"})})
    assert [len(place.open_to(role)) for role in ("dispatcher", "patient", "nurse", None)] == [1, 1, 0, 0]
    assert [len(narrow.open_to(role)) for role in ("dispatcher", "patient")] == [1, 0]
    assert home_of([place], "nurse") is None
    home = home_of([place], "dispatcher")
    assert home is not None
    assert home.url == "/boards/jobs"


def test_one_is_not_true() -> None:
    assert (same(1, True), same(True, True), same(1, 1)) == (False, True, True)
    flag = Flag(field="n", words="n", equals=1)
    columns = to_wire(replace(BOARD, columns=(Column(key="f", label="F", kind="flags", field="", flags=(flag,)),)))["columns"]
    assert isinstance(columns, list)
    assert isinstance(columns[0], dict)
    assert columns[0]["flags"] == [{"field": "n", "words": "n", "equals": 1}]
