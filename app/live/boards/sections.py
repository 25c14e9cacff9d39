"""What the sections of a panel say, from what belongs to the chosen row.

Owns: lines, facts, flowsheets and trends of the first paint; static/panel.js and static/sections.js say the same once the
page is live. Holds: pure; nothing is made up between readings. May import core and live.boards.board, live.boards.rows,
live.boards.cells.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from app.core.wire import Object, iso, parse_iso
from app.live.boards.board import Board, Fact, Section, SheetRow
from app.live.boards.cells import Moment, deed, file_links, fill, geo_link, place_words, range_tone, words
from app.live.boards.rows import date_of, read

Related = Mapping[str, list[Object]]
_MOST_DAYS = 62


def log_lines(board: Board, section: Section, related: Related, moment: Moment) -> list[dict[str, object]]:
    """The lines of a log section, newest first: time, words, who wrote it, and its files."""
    items = [item for name in section.related for item in related.get(name, [])]
    lines: list[dict[str, object]] = []
    for item in items:
        at = date_of(read(item, section.at)) or ""
        note = " · ".join(filter(None, [words(board, item, section.by), *(fill(board, n, item) for n in section.notes)]))
        text = " ".join(filter(None, (fill(board, pattern, item) for pattern in section.text)))
        if section.kind == "history":
            text = deed(board, item, moment)
        files = file_links(read(item, section.files)) if section.files else []
        lines.append({"iso": at, "clock": moment.clock(at) if at else "", "text": text, "note": note, "files": files})
    return sorted(lines, key=lambda line: str(line["iso"]), reverse=True)


def facts(board: Board, section: Section, row: Object, moment: Moment) -> list[dict[str, str]]:
    """The lines of a facts section; one whose value is missing says so, or is left out."""
    made = (_fact(board, fact, row, moment) for fact in section.facts)
    return [fact for fact in made if fact["text"]]


def _fact(board: Board, fact: Fact, row: Object, moment: Moment) -> dict[str, str]:
    value = read(row, fact.field) if fact.kind != "text" else None
    at = date_of(value) if fact.kind in ("clock", "day") else None
    shape = "date" if fact.kind == "day" else fact.kind
    made = {"label": fact.label, "text": fact.missing, "iso": at or "", "shape": shape, "href": ""}
    if fact.kind == "text":
        made["text"] = fill(board, fact.field, row) or fact.missing
    elif fact.kind == "deed":
        made["text"] = deed(board, row, moment, most=99)
    elif at:
        made["text"] = moment.clock(at) if fact.kind == "clock" else moment.date(at)
    elif fact.kind == "place":
        point = read(row, fact.point)
        made["text"] = words(board, row, fact.field) or place_words(point) or fact.missing
        made["href"] = geo_link(point)
    elif fact.kind == "phone" and isinstance(value, str):
        made["text"], made["href"] = value, f"tel:{value.replace(' ', '')}"
    elif fact.kind == "file" and (files := file_links(value)):
        made["href"], made["text"] = files[0]
    return made


def flowsheet(board: Board, section: Section, row: Object, related: Related, moment: Moment) -> dict[str, object]:
    """Days across, one row for each thing that was measured, given or felt; {} where there is nothing to show."""
    cells = [cell for spec in section.rows for cell in _sheet_cells(board, spec, related.get(spec.related, []), moment)]
    days = sorted({str(cell["day"]) for cell in cells} | set(_span_days(section, row, moment)))[:_MOST_DAYS]
    labels = dict.fromkeys(str(cell["label"]) for cell in cells)
    first = date_of(read(row, section.start)) if section.start else None
    begin = moment.local(first).date() if first else None
    heads = [{"day": day, "label": _head(day), "number": _day_number(day, begin)} for day in days]
    body = [
        {"label": label, "cells": [[c for c in cells if c["label"] == label and c["day"] == day] for day in days]}
        for label in labels
    ]
    return {"days": heads, "rows": body, "today": f"{moment.now.astimezone(moment.zone):%Y-%m-%d}"} if labels else {}


def _sheet_cells(board: Board, spec: SheetRow, items: Iterable[Object], moment: Moment) -> Iterable[dict[str, str]]:
    for item in sorted(items, key=lambda item: date_of(read(item, spec.at)) or ""):
        at = date_of(read(item, spec.at))
        if at:
            tone = spec.tones.get(str(read(item, spec.tone) or ""), "") if spec.tone else ""
            label, text = fill(board, spec.label, item) or spec.label, fill(board, spec.text, item)
            yield {"day": f"{moment.local(at):%Y-%m-%d}", "label": label, "text": text or "•", "tone": tone}


def _span_days(section: Section, row: Object, moment: Moment) -> Iterable[str]:
    start, end = date_of(read(row, section.start)), date_of(read(row, section.end))
    if start and end:
        day, last = moment.local(start).date(), moment.local(end).date()
        for offset in range(min(_MOST_DAYS, (last - day).days + 1)):
            yield f"{day + timedelta(days=offset):%Y-%m-%d}"


def _head(day: str) -> str:
    at = parse_iso(f"{day}T12:00:00.000Z")
    return f"{at.day} {at:%b}"


def _day_number(day: str, begin: date | None) -> str:
    on = parse_iso(f"{day}T12:00:00.000Z").date()
    return f"d{(on - begin).days + 1}" if begin is not None and on >= begin else ""


def trends(board: Board, section: Section, related: Related, moment: Moment) -> list[dict[str, object]]:
    """The series of a trend section, each with its newest reading beside its reference; alphabetically."""
    items = [item for name in section.related for item in related.get(name, [])]
    series: dict[str, list[Object]] = {}
    for item in items:
        if date_of(read(item, section.at)) and isinstance(read(item, section.value), int | float):
            series.setdefault(words(board, item, section.series) or section.label, []).append(item)
    return [_trend(board, section, name, series[name], moment) for name in sorted(series)]


def _trend(board: Board, section: Section, name: str, items: list[Object], moment: Moment) -> dict[str, object]:
    last = max(items, key=lambda item: date_of(read(item, section.at)) or "")
    value, low, high = (read(last, path) if path else None for path in (section.value, section.low, section.high))
    at = date_of(read(last, section.at)) or iso(moment.now)
    tone = range_tone(float(value) if isinstance(value, int | float) else 0.0, low, high)[0]
    if section.flag:
        tone = section.tones.get(str(read(last, section.flag) or ""), tone)
    unit = fill(board, section.unit, last) if "{" in section.unit else section.unit
    reference = f"{low}\u2013{high}" if low is not None and high is not None else ""
    text = words(board, last, section.value)
    return {"name": name, "text": text, "unit": unit, "tone": tone, "iso": at, "clock": moment.clock(at), "reference": reference}
