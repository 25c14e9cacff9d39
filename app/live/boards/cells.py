"""What a board's cells and panel lines say: values to words, in the viewer's zone.

Owns: the formats of the first paint; static/cells.js and static/time.js say the same words once the page is live.
Holds: no number is made up: what is missing says so. Pure; `now` and the zone are given. May import core.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Protocol
from urllib.parse import urlsplit

from app.core.wire import Object, parse_iso
from app.live.boards.board import Board, Column, Flag, Join
from app.live.boards.rows import date_of, level_of, read, same

_FIELD = re.compile(r"\{([^}]+)\}")
_DASH = "—"
_HUMP = re.compile("(?<=[a-z])[A-Z]")
_SHORT = 40
_VERBS = {"create": "Created", "update": "Changed", "delete": "Deleted"}


class Labelled(Protocol):
    """What has words for values: a board, or a person's own page."""

    @property
    def labels(self) -> dict[str, dict[str, str]]:
        """field -> value -> words."""


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

    def date(self, iso: str) -> str:
        """'today', 'Mon 16 Nov', or '9 Oct': of days this near the weekday alone could be the last or the next one."""
        day = self.day(iso)
        return f"{day} {self.short(iso)}" if day.isalpha() else day or "today"

    def clock(self, iso: str) -> str:
        """'11:31', 'Sat 03:17' or '3 Dec 03:17'."""
        return f"{self.day(iso)} {self.local(iso):%H:%M}".strip()

    def near(self, iso: str) -> str:
        """'11:31', 'Sat 03:17'; further off than six days the day alone."""
        day = self.day(iso)
        return day if any(letter.isdigit() for letter in day) else self.clock(iso)

    def left(self, iso: str) -> str:
        """How long until then: '0 min', '52 min', '1 h 34', '1 d 13 h', '39 d'."""
        minutes = max(0, int((parse_iso(iso) - self.now) / timedelta(minutes=1)))
        if minutes < 60:
            return f"{minutes} min"
        if minutes < 24 * 60:
            return f"{minutes // 60} h {minutes % 60:02d}"
        return _days(minutes)

    def ago(self, iso: str) -> str:
        """How long since then: '22 s', '3 min', '9 h', '2 d'."""
        seconds = max(0, int((self.now - parse_iso(iso)).total_seconds()))
        for size, unit in ((172800, "d"), (3600, "h"), (60, "min")):
            if seconds >= size:
                return f"{seconds // (86400 if unit == 'd' else size)} {unit}"
        return f"{seconds} s"

    def late(self, iso: str) -> str:
        """How late it is: '0:24', '11:05', '2 d 3 h', '16 d'."""
        minutes = max(0, int((self.now - parse_iso(iso)) / timedelta(minutes=1)))
        if minutes >= 24 * 60:
            return _days(minutes)
        return f"{minutes // 60}:{minutes % 60:02d}"

    def short(self, iso: str) -> str:
        """'3 Dec'."""
        at = self.local(iso)
        return f"{at.day} {at:%b}"

    def day_of(self, start: str, end: str) -> tuple[int, int]:
        """Which day of a span today is, the first being 1, and how many it has."""
        first, last, today = self.local(start).date(), self.local(end).date(), self.now.astimezone(self.zone).date()
        return (today - first).days + 1, max(1, (last - first).days + 1)

    def is_past(self, iso: str) -> bool:
        """Whether that time has come."""
        return parse_iso(iso) <= self.now


def _days(minutes: int) -> str:
    """Days and hours; from four days on the hours say nothing any more."""
    days = minutes // 1440
    return f"{days} d" if days >= 4 else f"{days} d {minutes % 1440 // 60} h"


def number(value: float) -> str:
    """2150 -> '2,150'; 36.54 -> '36.5'; below ten two places are kept, for 0.45 is not 0.5."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.{2 if abs(value) < 10 else 1}f}".rstrip("0").rstrip(".")


def words(board: Labelled, record: Object, path: str) -> str:
    """The value at a path as a person reads it: the board's label for it, a grouped number, or the text itself."""
    value = read(record, path)
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dict) and value.get("__type") == "GeoPoint":
        return place_words(value)
    labels = board.labels.get(path.rsplit(".", 1)[-1])
    if not isinstance(value, str) or labels is None:
        return value if isinstance(value, str) else ""
    return labels.get(value, value.replace("_", " "))


def fill(board: Labelled, pattern: str, record: Object) -> str:
    """A pattern such as '{psiBefore} → {psiAfter} psi' with its fields; '' when one of them is missing."""
    parts = {name: words(board, record, name) for name in _FIELD.findall(pattern)}
    return "" if not all(parts.values()) else _FIELD.sub(lambda match: parts[match.group(1)], pattern)


def fill_all(board: Labelled, patterns: tuple[str, ...], record: Object) -> str:
    """The patterns that can be filled, joined with a middle dot."""
    return " · ".join(filter(None, (fill(board, pattern, record) for pattern in patterns)))


def deed(board: Labelled, entry: Object, moment: Moment, *, most: int = 4) -> str:
    """What an entry of the audit trail tells: "Status: packed → out for delivery, courier changed"; "Created: status: packed"."""
    values = read(entry, "metadata.changes|metadata.was")
    known = sorted(values.items()) if isinstance(values, dict) else []
    verb = _VERBS.get(str(entry.get("action") or ""))
    if verb is None:
        return words(board, entry, "summary")
    if verb == "Changed":
        told = [_step(board, name, change, moment) for name, change in known if isinstance(change, dict)]
    else:
        told = [f"{_human(name)}: {said}" for name, value in known if (said := _told(board, name, value, moment))]
    more = f", and {len(told) - most} more" if len(told) > most else ""
    text = ", ".join(told[:most]) + more
    return (upper(text) if verb == "Changed" else f"{verb}: {text}") if text else verb


def _step(board: Labelled, name: str, change: Object, moment: Moment) -> str:
    before, after = (_told(board, name, change.get(side), moment) for side in ("from", "to"))
    if change.get("to") is None:
        return f"{_human(name)} removed"
    if not after or not (before or change.get("from") is None):
        return f"{_human(name)} changed"
    return f"{_human(name)}: {before} → {after}" if before else f"{_human(name)}: {after}"


def _human(name: str) -> str:
    """'nextServiceDue' -> 'next service due'."""
    return _HUMP.sub(lambda match: f" {match.group().lower()}", name)


def _told(board: Labelled, name: str, value: object, moment: Moment) -> str:
    """A value in so few words that a line holds two of them; '' where it has none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict) and value.get("__type") == "Date":
        return moment.clock(str(value["iso"]))
    said = words(board, {name: value}, name).replace("_", " ") if isinstance(value, str | int | float) else ""
    return said if len(said) <= _SHORT else ""


@dataclass(frozen=True, slots=True)
class Badge:
    """One flag that is set: words, icon and tone."""

    words: str
    icon: str
    tone: str


@dataclass(slots=True, kw_only=True)
class Cell:
    """One cell as the templates take it: `main` and `sub` words, their `tone`, and the absolute times behind them.

    `share` is how much of a bar's 52 units is filled; None where nothing was read. `steps` is (how far, of how many).
    """

    column: Column
    main: str = _DASH
    sub: str = ""
    tone: str = ""
    main_tone: str = ""
    icon: str = ""
    unit: str = ""
    share: float | None = None
    steps: tuple[int, int] | None = None
    badges: tuple[Badge, ...] = ()
    href: str = ""
    iso: str = ""
    shape: str = ""
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
        if column.kind == "age" and column.limit_minutes:
            iso = date_of(read(row, column.field))
            limit = timedelta(minutes=column.limit_minutes)
            return iso is None or moment.now - parse_iso(iso) > limit
    return False


def details(board: Board, column: Column, row: Object) -> str:
    """The second line of a cell: the parts of its detail that can be filled."""
    parts = (fill(board, part, row) or column.detail_missing for part in column.detail.split(" · ") if part)
    return " · ".join(filter(None, parts))


def _level(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    level = level_of(board, row)
    return Cell(column=column, main=level.label, icon=level.icon)


def _text(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    said = deed(board, row, moment) if column.is_deed else words(board, row, column.field)
    return Cell(column=column, main=said or _DASH, sub=details(board, column, row))


def _gauge(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    value = read(row, column.field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(column=column, unit=column.unit)
    share = max(0.0, min(1.0, value / column.full)) if column.full else 0.0
    return Cell(column=column, main=number(value), unit=column.unit, share=round(share * 52, 1))


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
    join = next((join for join in board.joins if join.name == column.field.split(".", 1)[0]), None)
    person = read(row, column.field.split(".", 1)[0])
    if join is not None and not join.back and read(row, join.field or "objectId") is None:
        return Cell(column=column, sub=column.detail_missing or "unassigned")
    if isinstance(person, dict) and person.get("ok") is False:
        return Cell(column=column, main=short_name(name) or _DASH, sub=_fault(board, person, join), tone="warn")
    sub = details(board, column, row) if name else column.detail_missing or "not shown"
    return Cell(column=column, main=short_name(name) or _DASH, sub=sub)


def _fault(board: Board, person: Object, join: Join | None) -> str:
    """Why somebody who is assigned does not count."""
    if "objectId" in person and join is not None and "active" in join.requires and person.get("active") is not True:
        return "not active"
    role = join.requires.get("role") if join else None
    return f"not a {board.labels.get('role', {}).get(str(role), str(role))}" if role else "not valid"


def short_name(name: str) -> str:
    """'Maria Okafor' -> 'M. Okafor', so that a name fits its column; a single word stays."""
    first, _, rest = name.partition(" ")
    return f"{first[0]}. {rest}" if rest and first else name


def _window(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    start, end = date_of(read(row, column.field)), date_of(read(row, column.until))
    if start is None or end is None:
        return Cell(column=column, sub=column.detail_missing)
    risk, tone = _window_risk(start, end, date_of(read(row, column.against)), moment)
    main = f"{moment.local(start):%H:%M}\u2013{moment.local(end):%H:%M}"
    sub = ", ".join(filter(None, (moment.day(start), risk)))
    return Cell(column=column, main=main, sub=sub, tone=tone, start=start, end=end)


def _window_risk(start: str, end: str, against: str | None, moment: Moment) -> tuple[str, str]:
    """What the window means for a row that is empty at `against`, as (words, tone)."""
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
        return Cell(column=column, sub=column.detail_missing or "never read")
    stale = bool(column.limit_minutes) and is_stale(board, row, moment)
    return Cell(column=column, main=moment.ago(iso), sub="as read" if stale else "ago", iso=iso)


def _due(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    iso = date_of(read(row, column.field))
    if iso is None:
        return Cell(column=column, sub=column.detail_missing or "not set")
    made = Cell(column=column, main=moment.near(iso), iso=iso)
    if column.status and read(row, column.status) in column.settled:
        made.sub = details(board, column, row)
    elif moment.is_past(iso):
        made.shape, made.before, made.clock, made.tone, made.icon = "late", "late ", moment.late(iso), "bad", "clock"
    else:
        made.shape, made.before, made.clock = "left", "in ", moment.left(iso)
    return made


def _status(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    value = str(read(row, column.field) or "")
    steps = (column.steps.index(value) + 1, len(column.steps)) if value in column.steps else None
    main = words(board, row, column.field) or _DASH
    return Cell(
        column=column, main=upper(main), sub=details(board, column, row), main_tone=column.tones.get(value, ""), steps=steps
    )


def _count(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    value, limit = read(row, column.field), read(row, column.against) if column.against else None
    if isinstance(value, list):
        value = len(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(column=column, sub=column.detail_missing)
    low = isinstance(limit, int | float) and value <= limit
    return Cell(
        column=column,
        main=number(value),
        unit=column.unit,
        sub=details(board, column, row),
        main_tone="warn" if low else "",
        icon="down" if low else "",
    )


def _value(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    value = read(row, column.field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(column=column, sub=column.detail_missing or "not read")
    tone, icon = range_tone(value, read(row, column.low), read(row, column.high))
    if column.status:
        tone = column.tones.get(str(read(row, column.status) or ""), "")
        icon = (icon or "alert") if tone else ""
    unit = fill(board, column.unit, row) if "{" in column.unit else column.unit
    return Cell(column=column, main=number(value), unit=unit, sub=details(board, column, row), main_tone=tone, icon=icon)


def range_tone(value: float, low: object, high: object) -> tuple[str, str]:
    """The tone and the icon of a value beside its reference range."""
    if isinstance(low, int | float) and value < low:
        return "bad", "down"
    return ("bad", "up") if isinstance(high, int | float) and value > high else ("", "")


def badges_of(flags: Iterable[Flag], row: Object) -> tuple[Badge, ...]:
    """What is set of these flags, each with icon and word."""
    return tuple(Badge(flag.words, flag.icon, flag.tone) for flag in flags if same(read(row, flag.field), flag.equals))


def _flags(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    badges = badges_of(column.flags, row)
    return Cell(column=column, badges=badges, sub="" if badges else column.detail_missing)


def _place(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    return Cell(
        column=column,
        main=words(board, row, column.field) or place_words(read(row, column.point)) or _DASH,
        sub=details(board, column, row),
        href=geo_link(read(row, column.point)),
    )


def geo_link(point: object) -> str:
    """A geo: link, which a phone opens in its map."""
    if not isinstance(point, dict) or "latitude" not in point:
        return ""
    return f"geo:{point['latitude']},{point.get('longitude')}"


def place_words(point: object) -> str:
    """'37.771, -122.27' for a place without an address."""
    if not isinstance(point, dict) or "latitude" not in point:
        return ""
    return f"{point['latitude']:.3f}, {point['longitude']:.3f}"


def _date(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    iso = date_of(read(row, column.field))
    if iso is None:
        return Cell(column=column, sub=column.detail_missing or "not set")
    return Cell(column=column, main=moment.day(iso) or "today", sub=details(board, column, row), iso=iso)


def _span(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    start, end = date_of(read(row, column.field)), date_of(read(row, column.until))
    if start is None or end is None:
        return Cell(column=column, sub=column.detail_missing or "not set")
    day, days = moment.day_of(start, end)
    sub = f"{moment.short(start)} \u2013 {moment.short(end)}"
    main = _day_words(day, days)
    return Cell(column=column, main=main, sub=sub, start=start, end=end, share=round(max(0.0, min(1.0, day / days)) * 52, 1))


def _day_words(day: int, days: int) -> str:
    if day < 1:
        return "tomorrow" if day == 0 else f"in {1 - day} days"
    return f"day {day} of {days}" if day <= days else "ended"


def _file(board: Board, column: Column, row: Object, moment: Moment) -> Cell:
    found = file_links(read(row, column.field))
    if not found:
        return Cell(column=column, sub=column.detail_missing)
    return Cell(column=column, main=f"View {len(found)}" if len(found) > 1 else "View", href=found[0][0])


def file_links(value: object) -> list[tuple[str, str]]:
    """The (address, name) of a File, or of each in an Array."""
    items = value if isinstance(value, list) else [value]
    files = [item for item in items if isinstance(item, dict) and item.get("__type") == "File"]
    return [
        (_path(str(item.get("url") or "")), str(item.get("name") or "file").partition("_")[2] or "file")
        for item in files
        if item.get("url")
    ]


def _path(url: str) -> str:
    """The address on this very host, whatever name the server knows itself by."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def upper(text: str) -> str:
    """'in use' -> 'In use'."""
    return text[:1].upper() + text[1:]


_KINDS: Mapping[str, Callable[[Board, Column, Object, Moment], Cell]] = {
    "level": _level,
    "name": _text,
    "text": _text,
    "gauge": _gauge,
    "left": _left,
    "person": _person,
    "window": _window,
    "age": _age,
    "due": _due,
    "status": _status,
    "count": _count,
    "value": _value,
    "flags": _flags,
    "place": _place,
    "date": _date,
    "span": _span,
    "file": _file,
}
