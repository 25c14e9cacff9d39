"""What a live board is: a page described as data, so that every board shares one engine.

Owns: `Board` and its parts, the join of its sources into rows, and what rows a filter shows, in which order. Holds: pure;
the description is also sent to the browser as JSON (camelCase keys), where static/model.js does the same with the same words,
so that the first paint and the live page agree. A path such as "driver.displayName|driver.username" reads through joins and
takes the first that is there. May import core; no I/O, no clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from dataclasses import field as part

from app.core.wire import Json, Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One urgency: levels are listed worst first. `icon` names a symbol of templates/partials/icons.svg."""

    value: str
    label: str
    icon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A class the board subscribes to. `keys` are the fields it reads; the first source of a board holds its rows."""

    name: str
    class_name: str
    keys: tuple[str, ...]
    where: Object = part(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """`field` of a row points into `source`; the target is then read as `name`. `requires` says what makes it valid."""

    name: str
    field: str
    source: str
    requires: Object = part(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What to say where a number cannot be known because `field` is not set."""

    field: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `kind`: level, name (the link of the row), text, gauge, left, person, window or age (see cells.py)."""

    key: str
    label: str
    kind: str
    field: str
    detail: str = ""
    detail_missing: str = ""
    status: str = ""
    unit: str = ""
    full: int = 0
    until: str = ""
    against: str = ""
    limit_minutes: int = 0
    missing: tuple[Missing, ...] = ()
    flash: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A filter with a live count: the rows whose `field` equals `equals`. `level` colours it; `horizon_minutes` before
    the board's order field is when a row is expected to enter it; `none` is what an empty one says where no time can tell."""

    key: str
    label: str
    one: str
    field: str
    equals: Json
    level: str = ""
    horizon_minutes: int | None = None
    none: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One option of a select input."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One labelled field of an action's dialog. `kind`: number, text, note, time, choice or person (from `source`).
    `default` is a path into the row, or "now". `when` shows it only while another input has that value."""

    name: str
    label: str
    kind: str
    required: bool = False
    default: str = ""
    hint: str = ""
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    source: str = ""
    where: Object = part(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    when: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something a caller with one of `roles` may do to a row: create a `class_name` about it, or (`updates`) change it.
    `fixed`: the created object's pointers, "row" or "me". `shows`: row field -> input, shown at once while it is saved."""

    key: str
    label: str
    icon: str
    submit: str
    done: str
    class_name: str
    inputs: tuple[Input, ...]
    roles: tuple[str, ...]
    shortcut: str = ""
    updates: bool = False
    fixed: dict[str, str] = part(default_factory=dict)
    shows: dict[str, str] = part(default_factory=dict)
    shows_when: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Objects the panel reads for the chosen row: those whose `field` points to the row, or to its joined `of`."""

    name: str
    class_name: str
    field: str
    order: str
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the panel. `kind`: plot, window, contacts, log or others (rows that share a joined object).
    A log line is made of `text` patterns; a pattern with a missing field is left out."""

    kind: str
    label: str
    related: tuple[str, ...] = ()
    field: str = ""
    at: str = ""
    text: tuple[str, ...] = ()
    by: str = ""
    notes: tuple[str, ...] = ()
    empty: str = ""
    points: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    floor: str = ""
    floor_default: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What stands beside the list for one row. `title` and `subtitle` are patterns."""

    title: str
    subtitle: tuple[str, ...]
    related: tuple[Related, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Recent history of the rows, read once after the first paint: points of the small line in the gauge."""

    related: str
    at: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A whole board. `order` is the date field that sorts rows within a level, soonest first, missing last.

    `labels`: field -> value -> words. `happened` is the related class whose newest entry stands under the person.
    `people_roles` are the roles that see every account, so that a missing one means that it is gone.
    """

    name: str
    title: str
    nav: str
    icon: str
    noun: tuple[str, str]
    level_field: str
    levels: tuple[Level, ...]
    order: str
    label: str
    sources: tuple[Source, ...]
    joins: tuple[Join, ...]
    columns: tuple[Column, ...]
    tiles: tuple[Tile, ...]
    search: tuple[str, ...]
    panel: Panel
    actions: tuple[Action, ...] = ()
    trail: tuple[Trail, ...] = ()
    happened: str = ""
    alarm: tuple[str, ...] = ()
    labels: dict[str, dict[str, str]] = part(default_factory=dict)
    people_roles: tuple[str, ...] = ()
    empty: str = ""

    def can(self, action: Action, role: str | None) -> bool:
        """Whether a caller of this staff role is offered the action (the server judges again when it is done)."""
        return role in action.roles


def to_wire(board: Board) -> Object:
    """The description as the browser reads it: camelCase keys, and what says nothing left out."""
    return _parts_to_wire(board)


def _parts_to_wire(described: object) -> Object:
    wire: Object = {}
    for each in fields(described):  # type: ignore[arg-type] # only the dataclasses of this file come here
        value = getattr(described, each.name)
        if value != (each.default_factory() if each.default_factory is not MISSING else each.default):
            first, *rest = each.name.split("_")
            wire[first + "".join(word.title() for word in rest)] = _value_to_wire(value)
    return wire


def _value_to_wire(value: object) -> Json:
    if is_dataclass(value):
        return _parts_to_wire(value)
    if isinstance(value, tuple | list):
        return [_value_to_wire(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _value_to_wire(each) for key, each in value.items()}
    return value if isinstance(value, str | int | float | bool) else None


def read(record: Object, path: str) -> Json:
    """The value at a path such as "site.city" or "driver.displayName|driver.username"; None where there is none."""
    for option in path.split("|"):
        value: Json = record
        for step in option.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None and value != "":
            return value
    return None


def date_of(value: Json) -> str | None:
    """The iso text of a Date value, or of createdAt/updatedAt, which travel as plain text."""
    if isinstance(value, dict):
        iso = value.get("iso")
        return iso if isinstance(iso, str) else None
    return value if isinstance(value, str) else None


def join_rows(board: Board, found: Mapping[str, Iterable[Object]], *, sees_people: bool) -> list[Object]:
    """The rows of a board from what each source found, worst first.

    A joined object carries "ok": whether it meets the join's `requires`; absent where the caller cannot tell, because
    accounts are not shown to them (`sees_people` false).
    """
    indexes = {name: {str(item["objectId"]): item for item in items} for name, items in found.items()}
    rows = [_joined(board, row, indexes, sees_people=sees_people) for row in found[board.sources[0].name]]
    return sorted(rows, key=lambda row: sort_key(board, row))


def _joined(board: Board, row: Object, indexes: Mapping[str, Mapping[str, Object]], *, sees_people: bool) -> Object:
    record = dict(row)
    for join in board.joins:
        pointer = row.get(join.field)
        target_id = str(pointer.get("objectId")) if isinstance(pointer, dict) else ""
        target: Object = dict(indexes.get(join.source, {}).get(target_id, {}))
        if join.requires and (target or sees_people):
            target["ok"] = bool(target) and all(target.get(key) == value for key, value in join.requires.items())
        record[join.name] = target
    return record


def resolve(item: Object, people: Mapping[str, Object]) -> Object:
    """The object with each pointer to an account replaced by the account, where it is known."""
    resolved: Object = {}
    for key, value in item.items():
        known = people.get(str(value.get("objectId"))) if isinstance(value, dict) and value.get("className") == "_User" else None
        resolved[key] = known or value
    return resolved


def level_of(board: Board, row: Object) -> Level:
    """The row's level; a value that is none of them counts as the unknown one, never as a harmless one."""
    named = {level.value: level for level in board.levels}
    value = row.get(board.level_field)
    return named.get(value if isinstance(value, str) else "unknown", named["unknown"])


def sort_key(board: Board, row: Object) -> tuple[int, bool, str, str]:
    """Worst level first, then the soonest date, then the label: the same order as in the browser."""
    at = date_of(read(row, board.order))
    return (board.levels.index(level_of(board, row)), at is None, at or "", str(read(row, board.label)))


def belongs(tile: Tile, row: Object) -> bool:
    """Whether a tile counts this row."""
    return read(row, tile.field) == tile.equals


def tiles_for(board: Board, *, sees_people: bool) -> list[Tile]:
    """The tiles a caller is shown: those that count by accounts only where accounts are shown, for a 0 would be a guess."""
    joined = {join.name for join in board.joins if join.requires}
    return [tile for tile in board.tiles if sees_people or tile.field.split(".")[0] not in joined]


def tally(board: Board, rows: Sequence[Object]) -> dict[str, int]:
    """How many rows each tile counts; search and filters do not change it."""
    return {tile.key: sum(belongs(tile, row) for row in rows) for tile in board.tiles}


def choose(board: Board, rows: Sequence[Object], *, show: str = "", text: str = "") -> list[Object]:
    """The rows of one tile (an unknown name shows all) that hold every word of the search text."""
    tile = next((tile for tile in board.tiles if tile.key == show), None)
    words = text.lower().split()
    return [row for row in rows if (tile is None or belongs(tile, row)) and _holds(board, row, words)]


def _holds(board: Board, row: Object, words: Sequence[str]) -> bool:
    if not words:
        return True
    haystack = " ".join(str(read(row, path) or "") for path in board.search).lower()
    return all(word in haystack for word in words)


def next_into(board: Board, tile: Tile, rows: Sequence[Object], now_iso: str) -> Object | None:
    """The row expected to enter an empty tile next: the soonest that is not yet past the order date."""
    if tile.horizon_minutes is None:
        return None
    ahead = [row for row in rows if (date_of(read(row, board.order)) or "") > now_iso and not belongs(tile, row)]
    return min(ahead, key=lambda row: str(date_of(read(row, board.order))), default=None)
