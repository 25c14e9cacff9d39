"""How wide a board's columns are, as a style sheet made from its description.

Owns: `sheet`. Holds: pure; no board needs a line of static/app.css: the least widths and shares of the columns decide the
grid, and which column goes when the list is narrow. May import live.boards.board.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.live.boards.board import Board, Column

_WIDTHS: dict[str, tuple[int, float]] = {
    "level": (110, 0.0),
    "name": (128, 0.6),
    "text": (110, 1.3),
    "gauge": (148, 0.0),
    "left": (112, 0.6),
    "person": (106, 1.1),
    "window": (122, 0.3),
    "age": (66, 0.0),
    "due": (108, 0.6),
    "status": (118, 0.7),
    "count": (78, 0.2),
    "value": (104, 0.5),
    "flags": (112, 1.0),
    "place": (116, 1.2),
    "date": (84, 0.3),
    "span": (118, 0.6),
    "file": (64, 0.0),
}
_SPARK = 50
"""What the small line beside a gauge takes; it is the first thing to go."""
_LETTER, _PADDING, _TAG = 6.9, 18, 54
"""A letter of the small type, what stands around a head, and what stands around a level's word."""
_PAPER = {"gauge": 104, "text": 140, "place": 140}
"""What they need on paper, where no bar is drawn and words take a second line."""
_ON_PAPER = 0.72
"""How much of the room that a list needs on a screen it needs on paper."""
_ESSENTIAL = {"level", "name", "left", "due", "gauge", "status"}


def sheet(boards: Sequence[tuple[str, Board]]) -> str:
    """The style sheet of these boards, each known by its path."""
    return "\n".join(_rules(path, board) for path, board in boards) + "\n"


def _rules(path: str, board: Board) -> str:
    selector = f'[data-board="{path}"]'
    columns = [_sized(board, column) for column in board.columns]
    lines = [f"{selector} .rows {{ --columns: {_tracks(columns, spark=True)}; }}"]
    room = _least(columns)
    if any(column.kind == "gauge" for column in columns):
        narrow = f"{selector} .rows {{ --columns: {_tracks(columns)}; }} {selector} .spark {{ display: none; }}"
        lines.append(f"@container list (max-width: {room + _SPARK}px) {{ {narrow} }}")
    hidden: list[str] = []
    paper = [f"{selector} .rows {{ --columns: {_print_tracks(columns)}; }}"]
    for column in _in_order_of_going(columns):
        columns = [each for each in columns if each.key != column.key]
        hidden.append(f"{selector} .rows .k-{column.key}")
        gone = f"{', '.join(hidden)} {{ display: none; }}"
        narrow = f"{selector} .rows {{ --columns: {_tracks(columns)}; }} {gone}"
        lines.append(f"@container list (min-width: 641px) and (max-width: {room - 1}px) {{ @media screen {{ {narrow} }} }}")
        printed = f"{selector} .rows {{ --columns: {_print_tracks(columns)}; }} {gone}"
        paper.append(f"@container list (max-width: {round(room * _ON_PAPER) - 1}px) {{ {printed} }}")
        room = _least(columns)
    lines.append(f"@media print {{ {' '.join(paper)} }}")
    return "\n".join(lines)


def _in_order_of_going(columns: Sequence[Column]) -> list[Column]:
    """Those that may go, first to last: as they say, else from the right, what is not essential."""
    if any(column.yields for column in columns):
        return sorted((column for column in columns if column.yields), key=lambda column: -column.yields)
    texts = [column.key for column in columns if column.kind in ("text", "place")][:1]
    return [column for column in reversed(columns) if column.kind not in _ESSENTIAL and column.key not in texts]


def _sized(board: Board, column: Column) -> Column:
    """The column with a width that its own head, and for levels each of their words, fits into."""
    if column.width:
        return column
    least, share = _WIDTHS[column.kind]
    words = max((len(level.label) for level in board.levels), default=0) if column.kind == "level" else 0
    fitting = max(least, round(len(column.label) * _LETTER + _PADDING), round(words * _LETTER + _TAG) if words else 0)
    return replace(column, width=(fitting, share))


def _width(column: Column) -> tuple[int, float]:
    return column.width or _WIDTHS[column.kind]


def _least(columns: Sequence[Column]) -> int:
    return sum(_width(column)[0] for column in columns) + 2


def _tracks(columns: Sequence[Column], *, spark: bool = False) -> str:
    return " ".join(_track(column, spark=spark and column.kind == "gauge") for column in columns)


def _track(column: Column, *, spark: bool) -> str:
    least, share = _width(column)
    least += _SPARK if spark else 0
    return f"minmax({least}px, {share:g}fr)" if share else f"{least}px"


def _print_tracks(columns: Sequence[Column]) -> str:
    return " ".join(_print_track(column) for column in columns)


def _print_track(column: Column) -> str:
    least = _width(column)[0]
    # The word for urgency is one that does not wrap.
    return f"{least - 12}px" if column.kind == "level" else f"minmax(0, {_PAPER.get(column.kind, least)}fr)"


def card_places(columns: Sequence[Column]) -> dict[str, str]:
    """Where each column stands on a phone's card, by key; "" is nowhere. Whom or where it is about is the title."""
    places = {column.key: column.card for column in columns if column.card}
    taken = set(places.values())
    personal = [column for column in columns if column.personal and column.kind in ("text", "name", "place")]
    titles = personal or [column for column in columns if column.kind == "name"]
    if titles and "title" not in taken and titles[0].key not in places:
        places[titles[0].key] = "title"
    wishes = (
        ("corner", ("level",)),
        ("id", ("name", "place", "text")),
        ("lead", ("gauge", "value", "status", "flags", "count", "span", "person")),
        ("end", ("left", "due", "window", "date", "age", "status", "person")),
    )
    for place, kinds in wishes:
        free = (column.key for kind in kinds for column in columns if column.kind == kind and column.key not in places)
        found = next(free, None) if place not in taken else None
        if found:
            places[found] = place
    return {column.key: "" if places.get(column.key) == "none" else places.get(column.key, "") for column in columns}
