"""The pages people open: sign-in and the boards.

Owns: `/`, `/sign-in`, `/sign-out`, `/boards/<name>` and its CSV, and the headers that keep a page to itself. Holds: a page is
whole without script; nothing that identifies a patient is put into an address; no page is cached; a form counts only from our own
pages. Boards are data (app.live.board): this file knows no class of any domain. May import actions, live and below, litestar,
jinja2.
"""

import csv
import gzip
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from litestar import Controller, Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import Body
from litestar.response import Redirect

from app.actions.caller import Caller
from app.api.assets import Assets, folder
from app.api.forms import form_cookie, form_seed, is_own_form, is_secure, make_token
from app.api.request import COOKIE, Services, caller_of, services_of
from app.config import Settings
from app.core.wire import Object, iso, parse_iso, pointer
from app.errors import ParseError
from app.live import board as boards
from app.live import cells, rows
from app.live.board import Board, Related

AnyRequest = Request[Any, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]

_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}
_log = logging.getLogger("careboard.pages")
_ZONE_COOKIE = "careboard_zone"
# Enough for every screen; the script fetches the rest, and without it there is a link to the next page.
_ROWS_A_PAGE = 250
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class View:
    """What one request of a board reads once: who looks, when, from which zone, and the rows they may see."""

    board: Board
    caller: Caller
    moment: cells.Moment
    found: Mapping[str, list[Object]]
    rows: list[Object]
    show: str
    text: str
    panel: dict[str, object] | None = None

    @property
    def chosen(self) -> list[Object]:
        """The rows the filters leave."""
        return rows.choose(self.board, self.rows, show=self.show, text=self.text)


def pages(all_boards: Sequence[Board]) -> Router:
    """The router of every page and of static/, for the boards that this server carries."""
    assets = Assets(folder("static"))
    site = Site(all_boards, assets)

    class SignIn(Controller):
        """The door for people."""

        include_in_schema = False

        @get("/")
        async def sign_in_form(self, request: AnyRequest) -> Response[Any]:
            services = services_of(request)
            target = _next_page(request.query_params.get("next"), site.home)
            if (await caller_of(request, services)).user_id is not None:
                return _headed(Redirect(path=target, status_code=303), request, services.settings)
            note = "Your session has ended. Sign in to go on where you were." if "ended" in request.query_params else ""
            return site.sign_in(request, services.settings, target, note=note)

        @post("/sign-in", status_code=200)
        async def sign_in(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _sign_in(site, request, data)

        @post("/sign-out", status_code=200)
        async def sign_out(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _sign_out(request, data)

    class Boards(Controller):
        """The boards, each from its description."""

        include_in_schema = False

        @get("/boards/{name:str}")
        async def board(self, request: AnyRequest, name: str) -> Response[Any]:
            view = await _view(site, request, name)
            return site.board(request, view) if isinstance(view, View) else view

        @get("/boards/{name:str}/rows.csv")
        async def rows_as_csv(self, request: AnyRequest, name: str) -> Response[Any]:
            view = await _view(site, request, name)
            return _csv(request, view) if isinstance(view, View) else view

    return Router(
        path="/",
        route_handlers=[SignIn, Boards, assets.route()],
        exception_handlers={HTTPException: site.broken, ParseError: site.broken, Exception: site.broken},
    )


class Site:
    """The templates and the boards they draw."""

    def __init__(self, all_boards: Sequence[Board], assets: Assets) -> None:
        self.boards = {board.name: board for board in all_boards}
        self.home = f"/boards/{all_boards[0].name}"
        self._templates = Environment(
            loader=FileSystemLoader(folder("templates")),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(asset=assets.url, modules=assets.modules, boards=list(all_boards))

    def sign_in(
        self, request: AnyRequest, settings: Settings, target: str, *, said: str = "", note: str = "", name: str = ""
    ) -> Response[Any]:
        """The sign-in form; `said` is the refusal it tells, `note` a reason without blame, `name` what was typed."""
        seed = form_seed(request)
        context = {"token": make_token(settings, seed), "target": target, "said": said, "note": note, "name": name}
        answer = self._page(request, settings, "sign_in.html", context, status=401 if said else 200)
        answer.set_cookie(form_cookie(seed, secure=is_secure(request, settings)))
        return answer

    def board(self, request: AnyRequest, view: View) -> Response[Any]:
        """A board's first paint: its rows, its counts and, where one is chosen, its panel."""
        settings = services_of(request).settings
        seed = form_seed(request)
        context = {
            "view": view,
            "board": view.board,
            "cells": cells,
            "token": make_token(settings, seed),
            "me": _me(view.caller),
            "start": _start(request, settings, view),
            "tiles": rows.tiles_for(view.board, sees_people=view.caller.role in view.board.people_roles),
            "counts": rows.tally(view.board, view.rows),
            "nothing": _nothing(view),
            "page": _page_of(request, len(view.chosen)),
            "panel": view.panel,
            "query": _query,
            "made": lambda row: [cells.cell(view.board, column, row, view.moment) for column in view.board.columns],
            "level_of": lambda row: rows.level_of(view.board, row).value,
            "is_stale": lambda row: cells.is_stale(view.board, row, view.moment),
        }
        answer = self._page(request, settings, "boards/board.html", context)
        answer.set_cookie(form_cookie(seed, secure=is_secure(request, settings)))
        return answer

    def broken(self, request: AnyRequest, error: Exception) -> Response[Any]:
        """Any failure as a page that says what happened and what to do next; never a code alone."""
        status, title, words = _explain(error)
        if status == 500:
            _log.error("a page failed: %s %s", request.method, request.url.path, exc_info=error)
        context = {"title": title, "words": words, "home": self.home}
        return self._page(request, services_of(request).settings, "broken.html", context, status=status)

    def _page(
        self, request: AnyRequest, settings: Settings, name: str, context: Mapping[str, object], *, status: int = 200
    ) -> Response[Any]:
        page = self._templates.get_template(name).render(context).encode()
        headers = {"Vary": "Accept-Encoding"}
        # Pressing a page is safe here: the only secret in it, the form's token, is another one each time.
        if "gzip" in request.headers.get("accept-encoding", ""):
            page, headers["Content-Encoding"] = gzip.compress(page, 5), "gzip"
        return _headed(Response(page, media_type="text/html", status_code=status, headers=headers), request, settings)


async def _sign_in(site: Site, request: AnyRequest, form: Mapping[str, str]) -> Response[Any]:
    services = services_of(request)
    target, name = _next_page(form.get("next"), site.home), form.get("username", "").strip()
    if not is_own_form(request, services.settings, form.get("token", "")):
        said = "This form was open for too long or came from another page. Please sign in again."
        return site.sign_in(request, services.settings, target, said=said, name=name)
    try:
        account = await services.users.log_in(
            await caller_of(request, services), {"username": name, "password": form.get("password", "")}
        )
    except ParseError as refusal:
        said = refusal.message.rstrip(".") + ". Check both and try again, or ask an administrator."
        return site.sign_in(request, services.settings, target, said=said, name=name)
    answer = Redirect(path=target, status_code=303)
    answer.set_cookie(_session_cookie(request, services.settings, str(account["sessionToken"])))
    return _headed(answer, request, services.settings)


async def _sign_out(request: AnyRequest, form: Mapping[str, str]) -> Response[Any]:
    services = services_of(request)
    answer = Redirect(path="/", status_code=303)
    if is_own_form(request, services.settings, form.get("token", "")):
        caller = await caller_of(request, services)
        if caller.user_id is not None:
            await services.users.log_out(caller)
        answer.delete_cookie(COOKIE, path="/")
    return _headed(answer, request, services.settings)


def _session_cookie(request: AnyRequest, settings: Settings, token: str) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=token,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(request, settings),
        max_age=settings.session_days * 86400,
    )


async def _view(site: Site, request: AnyRequest, name: str) -> View | Response[Any]:
    """What a board's request reads, or the way to the sign-in form."""
    services = services_of(request)
    board = site.boards.get(name)
    if board is None:
        raise NotFoundException(detail="There is no such board.")
    caller = await caller_of(request, services)
    if caller.user_id is None:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return _headed(Redirect(path=f"/?next={quote(here, safe='')}", status_code=303), request, services.settings)
    found = {source.name: await _read(services, caller, _source_query(source)) for source in board.sources}
    joined = rows.join_rows(board, found, sees_people=caller.role in board.people_roles)
    moment = cells.Moment(datetime.now(UTC), _zone(request))
    params = request.query_params
    view = View(board, caller, moment, found, joined, params.get("show", ""), params.get("q", "").strip())
    return replace(view, panel=await _panel(services, view, params.get(board.noun[0], "")))


def _source_query(source: boards.Source) -> tuple[str, Object]:
    return source.class_name, {"where": dict(source.where), "keys": ",".join(source.keys), "limit": _MOST_ROWS}


async def _read(services: Services, caller: Caller, asked: tuple[str, Object]) -> list[Object]:
    class_name, params = asked
    return await services.objects.find_objects(caller, services.objects.parse_query(class_name, params))


async def _panel(services: Services, view: View, row_id: str) -> dict[str, object] | None:
    """The chosen row with what its panel reads; None when none is chosen or the caller cannot see it."""
    row = next((row for row in view.rows if row["objectId"] == row_id), None)
    if row is None:
        return None
    people = {str(item["objectId"]): item for item in view.found.get("people", [])}
    related: dict[str, list[Object]] = {}
    for part in view.board.panel.related:
        items = await _read(services, view.caller, _related_query(view.board, part, row))
        related[part.name] = [rows.resolve(item, people) for item in items]
    return {"row": row, "related": related}


def _related_query(board: Board, part: Related, row: Object) -> tuple[str, Object]:
    join = next((join for join in board.joins if join.name == part.of), None)
    source = next(item for item in board.sources if join is None or item.name == join.source)
    target = rows.read(row, f"{join.field}.objectId" if join else "objectId")
    return part.class_name, {"where": {part.field: pointer(source.class_name, str(target))}, "order": part.order, "limit": 500}


def _start(request: AnyRequest, settings: Settings, view: View) -> Object:
    """What the script begins with: the board's description, who looks, and the doors."""
    keys: Object = {"X-Parse-Application-Id": settings.app_id}
    if settings.javascript_key:
        keys["X-Parse-Javascript-Key"] = settings.javascript_key
    return {
        "board": boards.to_wire(view.board),
        "mount": settings.mount,
        "keys": keys,
        "me": {**_me(view.caller), "seesPeople": view.caller.role in view.board.people_roles},
        "now": iso(view.moment.now),
        "zoned": _ZONE_COOKIE in request.cookies,
    }


def _me(caller: Caller) -> Object:
    user = caller.user or {}
    name = str(user.get("displayName") or user.get("username") or "")
    initials = "".join(part[0] for part in name.split()[:2]).upper()
    return {"objectId": caller.user_id, "name": name, "initials": initials, "role": caller.role}


def _page_of(request: AnyRequest, total: int) -> dict[str, int]:
    asked = request.query_params.get("page", "1")
    last = max(1, -(-total // _ROWS_A_PAGE))
    number = min(last, max(1, int(asked))) if asked.isdecimal() and len(asked) < 6 else 1
    return {"number": number, "last": last, "from": (number - 1) * _ROWS_A_PAGE, "to": number * _ROWS_A_PAGE}


def _nothing(view: View) -> dict[str, str]:
    """What an empty list says: why, and what comes next."""
    tile = next((tile for tile in view.board.tiles if tile.key == view.show), None)
    if view.text or tile is None:
        return {"title": f"Nothing matches “{view.text}”", "words": "Try fewer letters: a serial, a site, a city or a driver."}
    row = rows.next_into(view.board, tile, view.rows, iso(view.moment.now))
    at = rows.date_of(rows.read(row, view.board.order)) if row else None
    if row is None or at is None:
        return {"title": f"No {tile.one}", "words": tile.none or "Nothing is expected here for now."}
    due = iso(parse_iso(at) - timedelta(minutes=tile.horizon_minutes or 0))
    label = cells.words(view.board, row, view.board.label)
    return {"title": f"No {tile.one}", "words": f"Next: {label}, expected {view.moment.clock(due)}."}


def _query(view: View, **changes: object) -> str:
    """The address of this board with some of its filters changed; empty ones are left out."""
    asked = {"show": view.show, "q": view.text, **changes}
    kept = {key: str(value) for key, value in asked.items() if value}
    return f"/boards/{view.board.name}" + (f"?{urlencode(kept)}" if kept else "")


def _csv(request: AnyRequest, view: View) -> Response[Any]:
    """The rows the filters leave, as a file; times in UTC, and no cell that a spreadsheet would run."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([label for column in view.board.columns for label in _csv_labels(column)])
    for row in view.chosen:
        writer.writerow([_inert(text) for column in view.board.columns for text in _csv_cell(view, column, row)])
    stamp = f"{view.moment.now:%Y%m%d-%H%M}"
    disposition = f'attachment; filename="{view.board.name}-{stamp}.csv"'
    answer = Response(out.getvalue(), media_type="text/csv", headers={"Content-Disposition": disposition})
    return _headed(answer, request, services_of(request).settings)


def _csv_labels(column: boards.Column) -> list[str]:
    return [column.label] if column.kind == "level" else [column.label, f"{column.label}, detail"]


def _csv_cell(view: View, column: boards.Column, row: Object) -> list[str]:
    made = cells.cell(view.board, column, row, view.moment)
    if column.kind == "level":
        return [made.main]
    if column.kind == "gauge":
        value = rows.read(row, column.field)
        return ["" if value is None else str(value), column.unit]
    times = " / ".join(filter(None, (made.iso, made.start, made.end)))
    return [times or made.main, made.sub]


def _inert(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _zone(request: AnyRequest) -> tzinfo:
    """The viewer's zone, as their browser told us in a cookie after its first visit; else UTC."""
    try:
        return ZoneInfo(request.cookies.get(_ZONE_COOKIE, "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _next_page(asked: str | None, home: str) -> str:
    """Where to go after signing in: only a board of ours."""
    is_ours = asked is not None and asked.startswith("/boards/") and asked.isprintable() and "\\" not in asked
    return asked if asked and is_ours else home


def _explain(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, HTTPException) and error.status_code == 404:
        return 404, "There is no such page", "The address may be old or mistyped. The boards are one step away."
    if isinstance(error, HTTPException) and error.status_code < 500:
        return error.status_code, "That did not work", error.detail
    if isinstance(error, ParseError) and error.status < 500:
        return 403, "This board cannot be shown", error.message
    words = "Nothing you entered was lost on our side. Try again in a moment; if it stays, tell whoever runs this server."
    return 500, "Something broke", words


def _headed(answer: Response[Any], request: AnyRequest, settings: Settings) -> Response[Any]:
    answer.headers.update(_HEADERS)
    if is_secure(request, settings):
        answer.headers["Strict-Transport-Security"] = "max-age=31536000"
    return answer
