"""What a board's cells and panel lines say: values to words, in the viewer's zone.

Owns: the formats of the first paint; static/cells.js and static/time.js say the same words once the page is live.
Holds: no number is made up: what is missing says so. Pure; `now` and the zone are given. May import core.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from app.core.wire import Object, parse_iso
from app.live.board import Board, Column, Section
from app.live.rows import date_of, level_of, read

_FIELD = re.compile(r"\{([^}]+)\}")
_DASH = "—"


class Moment:
    """One instant of reading and the zone it is read in."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        self.now = now
        self.zone = zone

    def local(self, iso: str) -> datetime:
        """The wire time in the viewer's zone."""
        return parse_iso(iso).astimezone(self.zone)

    def day(self, iso: str) -> str:
        """'' for today, 'Sat' within six days, else '3 Dec' (with the year when it is another)."""
        at, today = self.local(iso), self.now.astimezone(self.zone)
        days = (at.date() - today.date()).days
        if days == 0:
            return ""
        if abs(days) <= 6:
            return f"{at:%a}"
        return f"{at.day} {at:%b}" + ("" if at.year == today.year else f" {at.year}")

    def clock(self, iso: str) -> str:
        """'11:31', 'Sat 03:17' or '3 Dec 03:17'."""
        return f"{self.day(iso)} {self.local(iso):%H:%M}".strip()

    def left(self, iso: str) -> str:
        """How long until then: '0 min', '52 min', '1 h 34', '1 d 13 h'."""
        minutes = max(0, int((parse_iso(iso) - self.now) / timedelta(minutes=1)))
        if minutes < 60:
            return f"{minutes} min"
        if minutes < 24 * 60:
            return f"{minutes // 60} h {minutes % 60:02d}"
        return f"{minutes // 1440} d {minutes % 1440 // 60} h"

    def ago(self, iso: str) -> str:
        """How long since then: '22 s', '3 min', '9 h', '2 d'."""
        seconds = max(0, int((self.now - parse_iso(iso)).total_seconds()))
        for size, unit in ((172800, "d"), (3600, "h"), (60, "min")):
            if seconds >= size:
                return f"{seconds // (86400 if unit == 'd' else size)} {unit}"
        return f"{seconds} s"

    def is_past(self, iso: str) -> bool:
        """Whether that time has come."""
        return parse_iso(iso) <= self.now


def number(value: float) -> str:
    """2150 -> '2,150'; halves keep one place."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def words(board: Board, record: Object, path: str) -> str:
    """The value at a path as a person reads it: the board's label for it, a grouped number, or the text itself."""
    value = read(record, path)
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return number(value)
    labels = board.labels.get(path.rsplit(".", 1)[-1])
    if not isinstance(value, str) or labels is None:
        return value if isinstance(value, str) else ""
    return labels.get(value, value.replace("_", " "))


def fill(board: Board, pattern: str, record: Object) -> str:
    """A pattern such as '{psiBefore} → {psiAfter} psi' with its fields; '' when one of them is missing."""
    parts = {name: words(board, record, name) for name in _FIELD.findall(pattern)}
    return "" if not all(parts.values()) else _FIELD.sub(lambda match: parts[match.group(1)], pattern)


def fill_all(board: Board, patterns: tuple[str, ...], record: Object) -> str:
    """The patterns that can be filled, joined with a middle dot."""
    return " · ".join(filter(None, (fill(board, pattern, record) for pattern in patterns)))


@dataclass(slots=True, kw_only=True)
class Cell:
    """One cell as the templates take it: `main` and `sub` words, their `tone`, and the absolute times behind them.

    `share` is how much of a gauge's 52 units is filled; None where nothing was read.
    """

    column: Column
    main: str = _DASH
    sub: str = ""
    tone: str = ""
    icon: str = ""
    share: float | None = None
    iso: str = ""
    before: str = ""
    clock: str = ""
    start: str = ""
    end: str = ""

    @property
    def kind(self) -> str:
        """The column's kind."""
        return self.column.kind


def cell(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    """The cell of one column in one row."""
    return _KINDS[column.kind](board, column, row, moment)


def contacts(items: Iterable[Object]) -> list[Object]:
    """Contacts in the order they are called: the primary one first."""
    return sorted(items, key=lambda item: (item.get("isPrimary") is not True, str(item.get("contactName"))))


def is_stale(board: Board, row: Object, moment: Moment) -> bool:
    """Whether the reading is older than the limit of the board's age column, or there is none."""
    for column in board.columns:
        if column.kind == "age":
            iso = date_of(read(row, column.field))
            limit = timedelta(minutes=column.limit_minutes)
            return iso is None or moment.now - parse_iso(iso) > limit
    return False


def _level(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    level = level_of(board, row)
    return Cell(column=column, main=level.label, icon=level.icon)


def _text(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    details = (fill(board, part, row) or column.detail_missing for part in column.detail.split(" · ") if part)
    return Cell(column=column, main=words(board, row, column.field) or _DASH, sub=" · ".join(filter(None, details)))


def _gauge(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    value = read(row, column.field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(column=column)
    share = max(0.0, min(1.0, value / column.full)) if column.full else 0.0
    return Cell(column=column, main=number(value), share=round(share * 52, 1))


def _left(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    iso = date_of(read(row, column.field))
    if iso is None:
        gaps = (gap.words for gap in column.missing if read(row, gap.field) is None)
        return Cell(column=column, sub=next(gaps, column.detail_missing or "not known"))
    coming = column.detail.removesuffix(" at") if moment.day(iso) else column.detail
    before = "since " if moment.is_past(iso) else f"{coming} "
    return Cell(column=column, main=moment.left(iso), iso=iso, before=before, clock=moment.clock(iso))


def _person(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    name = words(board, row, column.field)
    person = read(row, column.field.split(".", 1)[0])
    if isinstance(person, dict) and person.get("ok") is False:
        return Cell(column=column, main=short_name(name) or _DASH, sub=_person_fault(person), tone="warn")
    return Cell(column=column, main=short_name(name) or _DASH, sub="" if name else "not shown")


def _person_fault(person: Object) -> str:
    return "not active" if "objectId" in person and person.get("active") is not True else "not a driver"


def short_name(name: str) -> str:
    """'Maria Okafor' -> 'M. Okafor', so that a name fits its column; a single word stays."""
    first, _, rest = name.partition(" ")
    return f"{first[0]}. {rest}" if rest else name


def _window(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    start, end = date_of(read(row, column.field)), date_of(read(row, column.until))
    if start is None or end is None:
        return Cell(column=column, sub=column.detail_missing)
    risk, tone = _window_risk(start, end, date_of(read(row, column.against)), moment)
    main = f"{moment.local(start):%H:%M}\u2013{moment.local(end):%H:%M}"
    sub = ", ".join(filter(None, (moment.day(start), risk)))
    return Cell(column=column, main=main, sub=sub, tone=tone, start=start, end=end)


def _window_risk(start: str, end: str, against: str | None, moment: Moment) -> tuple[str, str]:
    """What the window means for a tank that is empty at `against`, as (words, tone)."""
    if moment.is_past(end):
        return ("ended" if moment.day(start) else f"ended {moment.ago(end)} ago"), ""
    if against is None:
        return "", ""
    if against <= start:
        return "empty before", "bad"
    return ("empty during", "warn") if against < end else ("in time", "")


def _age(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    iso = date_of(read(row, column.field))
    if iso is None:
        return Cell(column=column, sub="never read")
    return Cell(column=column, main=moment.ago(iso), sub="as read" if is_stale(board, row, moment) else "ago", iso=iso)


_KINDS: Mapping[str, Callable[[Board, Column, Object, Moment], Cell]] = {
    "level": _level,
    "name": _text,
    "text": _text,
    "gauge": _gauge,
    "left": _left,
    "person": _person,
    "window": _window,
    "age": _age,
}


def log_lines(board: Board, section: Section, related: dict[str, list[Object]], moment: Moment) -> list[dict[str, str]]:
    """The lines of a log section, newest first: time, words, and who wrote it."""
    items = [item for name in section.related for item in related.get(name, [])]
    lines = []
    for item in items:
        iso = date_of(read(item, section.at)) or ""
        note = " · ".join(filter(None, [words(board, item, section.by), *(fill(board, n, item) for n in section.notes)]))
        text = " ".join(filter(None, (fill(board, pattern, item) for pattern in section.text)))
        lines.append({"iso": iso, "clock": moment.clock(iso) if iso else "", "text": text, "note": note})
    return sorted(lines, key=lambda line: line["iso"], reverse=True)
