"""What one request of a page reads: the rows a caller may see, and what belongs to the chosen one.

Owns: `View`, and the queries that follow from a board's description. Holds: every read is the caller's own, through the same
action as a REST find; this file knows no class of any domain. May import actions, live and below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from litestar import Request

from app.actions.caller import Caller
from app.actions.names import staff_names
from app.api.request import Services
from app.core.wire import Json, Object, pointer
from app.live.boards import rows
from app.live.boards.board import Board, Related, Source
from app.live.boards.cells import Moment
from app.live.boards.places import Place, Way

AnyRequest = Request[Any, Any, Any]

ZONE_COOKIE = "careboard_zone"
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class View:
    """What one request of a board reads once: who looks, when, from which zone, and the rows they may see.

    `row_id` is set on a row's own page; `names` are those of staff whose accounts the caller may not read.
    """

    way: Way
    board: Board
    place: Place
    caller: Caller
    moment: Moment
    found: Mapping[str, list[Object]]
    rows: list[Object]
    show: str = ""
    text: str = ""
    row_id: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    panel: dict[str, Any] | None = None

    @property
    def chosen(self) -> list[Object]:
        """The rows the filters leave."""
        return rows.choose(self.board, self.rows, show=self.show, text=self.text)


async def read(services: Services, caller: Caller, asked: tuple[str, Object]) -> list[Object]:
    """What a caller finds."""
    class_name, params = asked
    return await services.objects.find_objects(caller, services.objects.parse_query(class_name, params))


def source_query(source: Source, *, row_id: str = "") -> tuple[str, Object]:
    """The find that fills a source, or with `row_id` the one object of it."""
    where = {**source.where, "objectId": row_id} if row_id else dict(source.where)
    params: Object = {"where": where, "keys": ",".join(source.keys), "limit": source.limit or _MOST_ROWS}
    if source.order:
        params["order"] = source.order
    if source.include:
        params["include"] = ",".join(source.include)
    return source.class_name, params


async def read_sources(services: Services, caller: Caller, board: Board, row_id: str = "") -> dict[str, list[Object]]:
    """What each source of a board holds for this caller."""
    first = board.sources[0].name
    return {
        source.name: await read(services, caller, source_query(source, row_id=row_id if source.name == first else ""))
        for source in board.sources
    }


async def read_names(services: Services, caller: Caller, found: Mapping[str, list[Object]], ids: set[str]) -> dict[str, str]:
    """What staff are called whose accounts the caller may not read; {} where the page shows no people."""
    if "people" not in found:
        return {}
    return await staff_names(services.database, caller, ids - {str(item["objectId"]) for item in found["people"]})


def with_names(found: Mapping[str, list[Object]], names: Mapping[str, str]) -> dict[str, list[Object]]:
    """The sources with these people, of whom no more is known than the name."""
    named: list[Object] = [{"objectId": user_id, "displayName": name} for user_id, name in names.items()]
    return {**found, "people": [*found["people"], *named]} if named else dict(found)


async def read_panel(services: Services, view: View, row_id: str) -> View:
    """The view with the chosen row and what its panel reads; as it is when none is chosen or the caller cannot see it."""
    row = next((row for row in view.rows if row["objectId"] == row_id), None)
    if row is None:
        return view
    related: dict[str, list[Object]] = {}
    for part in view.board.panel.related:
        asked = related_query(view.board, part, row)
        if not part.roles or view.caller.role in part.roles:
            related[part.name] = await read(services, view.caller, asked) if asked else []
    ids = set[str]().union(*map(rows.accounts_in, related.values()))
    names = {**view.names, **await read_names(services, view.caller, view.found, ids)}
    people = {str(item["objectId"]): item for item in with_names(view.found, names).get("people", [])}
    resolved = {name: [rows.resolve(item, people) for item in items] for name, items in related.items()}
    return replace(view, names=names, panel={"row": row, "related": resolved})


def related_query(board: Board, part: Related, row: Object) -> tuple[str, Object] | None:
    """The find of what belongs to a row; None where the row is joined to nothing it could belong to."""
    target = related_target(board, part, row)
    if target is None:
        return None
    return part.class_name, {"where": {**part.where, part.field: target}, "order": part.order, "limit": part.limit}


def related_target(board: Board, part: Related, row: Object) -> Json:
    """What the objects' `field` must hold: a pointer to the row or to what it is joined to, or the bare objectId."""
    value: Json = row
    class_name = board.sources[0].class_name
    if part.of:
        join = next((join for join in board.joins if join.name == part.of), None)
        value = rows.read(row, join.field if join and join.field and not join.back else part.of)
        sources = {source.name: source.class_name for source in board.sources}
        class_name = str(value.get("className") or (sources[join.source] if join else "")) if isinstance(value, dict) else ""
    target = value.get("objectId") if isinstance(value, dict) else None
    if not target:
        return None
    return str(target) if part.by_id else pointer(class_name, str(target))


def zone_of(request: AnyRequest) -> tzinfo:
    """The viewer's zone, as their browser told us in a cookie after its first visit; else UTC."""
    try:
        return ZoneInfo(request.cookies.get(ZONE_COOKIE, "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
