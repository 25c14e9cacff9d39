"""The list as a file for a spreadsheet.

Owns: `rows_as_csv`. Holds: exactly the rows that the filters leave, times in UTC, and no cell that a spreadsheet would run.
May import live and below, litestar.
"""

import csv
import io
from typing import Any

from litestar import Response

from app.api.browser.view import View
from app.core.wire import Object
from app.live.boards import cells, rows
from app.live.boards.board import Column

_NUMBERS = ("gauge", "count", "value")
_WORDS = ("level", "flags", "status")


def rows_as_csv(view: View) -> Response[Any]:
    """The rows the filters leave."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([label for column in view.board.columns for label in _labels(column)])
    for row in view.chosen:
        writer.writerow([_inert(text) for column in view.board.columns for text in _cell(view, column, row)])
    stamp = f"{view.moment.now:%Y%m%d-%H%M}"
    disposition = f'attachment; filename="{view.way.path.replace("/", "-")}-{stamp}.csv"'
    return Response(out.getvalue(), media_type="text/csv", headers={"Content-Disposition": disposition})


def _labels(column: Column) -> list[str]:
    return [column.label] if column.kind in _WORDS else [column.label, f"{column.label}, detail"]


def _cell(view: View, column: Column, row: Object) -> list[str]:
    made = cells.cell(view.board, column, row, view.moment)
    if column.kind in _WORDS:
        return ["; ".join(badge.words for badge in made.badges) if column.kind == "flags" else made.main]
    if column.kind in _NUMBERS:
        value = rows.read(row, column.field)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return [str(value) if is_number else made.main.removeprefix("—"), column.unit or made.sub]
    times = " / ".join(filter(None, (made.iso, made.start, made.end)))
    return [times or made.main, made.sub]


def _inert(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
