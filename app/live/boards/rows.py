"""The rows of a board: its sources joined, ranked, filtered and counted.

Owns: how a `Board` turns objects into rows. Holds: pure; static/model.js does the same with the same words, so that the first
paint and the live page agree. May import core and live.boards.board; no I/O, no clock.
"""

from collections.abc import Iterable, Mapping, Sequence

from app.core.wire import Json, Object
from app.live.boards.board import Board, Join, Level, Tile

_NO_LEVEL = Level(value="", label="", icon="dot", tone="calm")


def read(record: Object, path: str) -> Json:
    """The value at a path such as "site.city" or "driver.displayName|driver.username"; "=text" is that text; None without one."""
    for option in path.split("|"):
        if option.startswith("="):
            return option[1:]
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


def same(value: Json, wanted: Json) -> bool:
    """Whether two values are the same; 1 is not true."""
    return value == wanted and isinstance(value, bool) is isinstance(wanted, bool)


def join_rows(board: Board, found: Mapping[str, Iterable[Object]], *, sees_people: bool) -> list[Object]:
    """The rows of a board from what each source found, worst first.

    A joined object carries "ok": whether it meets the join's `requires`; absent where the caller cannot tell, because
    accounts are not shown to them (`sees_people` false), or no more of them than a name.
    """
    targets = {join.name: _targets(join, found.get(join.source, ())) for join in board.joins}
    rows = [_joined(board, row, targets, sees_people=sees_people) for row in found[board.sources[0].name]]
    return ordered(board, rows)


def ordered(board: Board, rows: Sequence[Object]) -> list[Object]:
    """The rows in the order of the board."""
    if not board.newest_first:
        return sorted(rows, key=lambda row: sort_key(board, row))
    by_label = sorted(rows, key=lambda row: (str(read(row, board.label) or ""), str(row["objectId"])))
    newest = sorted(by_label, key=lambda row: date_of(read(row, board.order)) or "", reverse=True)
    return sorted(newest, key=lambda row: rank_of(board, row))


def _targets(join: Join, items: Iterable[Object]) -> dict[str, Object]:
    """What a key of a row finds: the object of that id, or with `back` the newest of those that point to it, counted."""
    if not join.back:
        return {str(item["objectId"]): item for item in items}
    found: dict[str, Object] = {}
    for item in items:
        key = str(read(item, f"{join.back}.objectId"))
        known = found.get(key, {})
        counted = known.get("count", 0)
        newer = not known or (date_of(read(item, join.newest)) or "") > (date_of(read(known, join.newest)) or "")
        found[key] = {**(item if newer else known), "count": (counted if isinstance(counted, int) else 0) + 1}
    return found


def _joined(board: Board, row: Object, targets: Mapping[str, Mapping[str, Object]], *, sees_people: bool) -> Object:
    record = dict(row)
    for join in board.joins:
        key = read(record, f"{join.field}.objectId" if join.field else "objectId")
        target: Object = dict(targets[join.name].get(str(key), {}))
        if join.requires and (sees_people or target.keys() & join.requires.keys()):
            target["ok"] = bool(target) and all(target.get(name) == value for name, value in join.requires.items())
        record[join.name] = target
    return record


def people_of(board: Board, rows: Iterable[Object]) -> set[str]:
    """The accounts that the rows point to by the joins with people."""
    fields = [join.field for join in board.joins if join.source == "people" and join.field and not join.back]
    return {str(found) for row in rows for field in fields if (found := read(row, f"{field}.objectId"))}


def accounts_in(items: Iterable[Object]) -> set[str]:
    """The accounts that objects point to."""
    values = (value for item in items for value in item.values() if isinstance(value, dict))
    return {str(value["objectId"]) for value in values if value.get("className") == "_User" and "objectId" in value}


def resolve(item: Object, people: Mapping[str, Object]) -> Object:
    """The object with each pointer to an account replaced by the account, where it is known."""
    resolved: Object = {}
    for key, value in item.items():
        known = people.get(str(value.get("objectId"))) if isinstance(value, dict) and value.get("className") == "_User" else None
        resolved[key] = known or value
    return resolved


def level_of(board: Board, row: Object) -> Level:
    """The row's level; a value that is none of them counts as the unknown one, never as a harmless one."""
    if not board.levels:
        return _NO_LEVEL
    named = {level.value: level for level in board.levels}
    value = read(row, board.level_field)
    return named.get(value if isinstance(value, str) else "unknown", named.get("unknown", board.levels[0]))


def rank_of(board: Board, row: Object) -> int:
    """The place of the row's level, the worst first."""
    return board.levels.index(level_of(board, row)) if board.levels else 0


def sort_key(board: Board, row: Object) -> tuple[int, bool, str, str, str]:
    """Worst level first, then the soonest date, then the label, then the id: the same order as in the browser."""
    at = date_of(read(row, board.order))
    return (rank_of(board, row), at is None, at or "", str(read(row, board.label) or ""), str(row["objectId"]))


def belongs(tile: Tile, row: Object) -> bool:
    """Whether a tile counts this row."""
    value = read(row, tile.field)
    return value in tile.among if tile.among else same(value, tile.equals)


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
