"""The pages as HTML: templates, what they are given, and the headers that keep a page to itself.

Owns: `Site` and `headed`. Holds: a page is whole without script; nothing that identifies a patient is put into an address; no
page is cached; the way to a board is shown only to who may read it. May import actions, live and below, litestar, jinja2.
"""

import gzip
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from litestar import Request, Response
from litestar.exceptions import HTTPException

from app.actions.caller import Caller
from app.api.browser.assets import Assets, files_of, folder
from app.api.browser.diagram import diagram
from app.api.browser.forms import form_cookie, form_seed, is_secure, make_token
from app.api.browser.kept import KEEP, seal_of
from app.api.browser.view import ZONE_COOKIE, View, zone_of
from app.api.request import PERSON, services_of
from app.config import Settings
from app.core.wire import Json, Object, iso, parse_iso
from app.errors import ParseError
from app.live.boards import cells, rows, sections
from app.live.boards import mine as own
from app.live.boards.board import Board, Figure, Figures, Mine, to_wire, tone_of
from app.live.boards.cells import Moment
from app.live.boards.places import Place, Way, home_of
from app.live.boards.widths import card_places, sheet

AnyRequest = Request[Any, Any, Any]

_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}
WITH_PLACE = HEADERS["Permissions-Policy"].replace("geolocation=()", "geolocation=(self)")
"""The same for a page whose actions may tell where they were done."""

_log = logging.getLogger("careboard.pages")
# Enough for every screen; the script fetches the rest, and without it there is a link to the next page.
ROWS_A_PAGE = 250


class Site:
    """The templates and the places they draw."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = list(places)
        self.ways = {way.path: (way, place) for place in places for way in place.ways()}
        drawn = [(path, way.page) for path, (way, _) in self.ways.items() if isinstance(way.page, Board)]
        self.assets = Assets({**files_of(folder("static")), "boards.css": sheet(drawn).encode()})
        self._templates = Environment(
            loader=FileSystemLoader(folder("templates")),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(asset=self.assets.url, modules=self.assets.modules)

    def home(self, role: str | None) -> str:
        """Where a caller of this role begins."""
        way = home_of(self.places, role)
        return way.url if way else "/nothing"

    def own(self, role: str | None) -> list[Way]:
        """The pages for one person that this role may begin on."""
        ways = [way for place in self.places for way in place.open_to(role)]
        return [way for way in ways if isinstance(way.page, Mine) and way.page.home]

    def sign_in(
        self,
        request: AnyRequest,
        settings: Settings,
        target: str,
        *,
        said: str = "",
        note: str = "",
        name: str = "",
        unconfirmed: bool = False,
    ) -> Response[Any]:
        """The sign-in form; `said` is the refusal it tells, `note` a reason without blame, `name` what was typed; `unconfirmed`
        says that an address must be confirmed first."""
        told = {"target": target, "said": said, "note": note, "name": name, "unconfirmed": unconfirmed}
        ways = [{"label": each.label, "url": _leave_url(each.name, target)} for each in settings.issuers if each.browser]
        context = {**told, "mails": not settings.missing_for_mail, "ways": ways}
        answer = self.form(request, settings, "sign_in.html", context, status=401 if said else 200)
        answer.headers[PERSON] = ""
        return answer

    def form(
        self, request: AnyRequest, settings: Settings, template: str, context: Mapping[str, object], *, status: int = 200
    ) -> Response[Any]:
        """A page with a form, for who is not signed in as well."""
        seed = form_seed(request)
        answer = self._page(request, template, {"token": make_token(settings, seed), **context}, status=status)
        answer.set_cookie(form_cookie(seed, secure=is_secure(request, settings)))
        return answer

    def board(self, request: AnyRequest, view: View) -> Response[Any]:
        """A board's first paint: its rows, its counts and, where one is chosen, its panel."""
        board, moment = view.board, view.moment
        places = card_places(board.columns)
        context = {
            "view": view,
            "board": board,
            "cells": cells,
            "sections": sections,
            "rows": rows,
            "script": "board.js",
            "tiles": rows.tiles_for(board, sees_people=view.caller.role in board.people_roles),
            "counts": rows.tally(board, view.rows),
            "nothing": _nothing(view),
            "adds": _adds(view, services_of(request).settings),
            "page": _page_of(request, len(view.chosen)),
            "panel": view.panel,
            "query": _query,
            "tail": _tail(view),
            "places": places,
            "made": lambda row: [cells.cell(board, column, row, moment) for column in board.columns],
            "level_of": lambda row: rows.level_of(board, row).value,
            "tone_of": lambda value: tone_of(board.levels, value),
            "is_stale": lambda row: cells.is_stale(board, row, moment),
            "offered": [action for action in board.actions if board.can(action, view.caller.role)],
        }
        start = self._board_start(request, view, places)
        return self.framed(request, view.way, view.caller, view.moment.now, "boards/board.html", context, start)

    def _board_start(self, request: AnyRequest, view: View, places: Mapping[str, str]) -> Object:
        machines: Object = {name: [*found] for name, found in view.place.machines.items() if name in _classes_of(view.board)}
        return {
            "board": to_wire(view.board),
            "machines": machines,
            "cards": {**places},
            "row": view.row_id,
            "adds": _adds(view, services_of(request).settings),
            "seesPeople": view.caller.role in view.board.people_roles,
            "names": {**view.names},
        }

    def mine(
        self, request: AnyRequest, way: Way, caller: Caller, moment: Moment, found: Mapping[str, list[Object]]
    ) -> Response[Any]:
        """A person's own page: their cards, in order."""
        page = way.page
        assert isinstance(page, Mine)
        made = {part.key: own.cards(page, part, found[part.key], moment) for part in page.parts}
        context = {"page": page, "made": made, "script": "mine.js"}
        classes = {part.class_name for part in page.parts} | {action.class_name for action in page.add}
        machines: Object = {name: [*found] for name, found in self.ways[way.path][1].machines.items() if name in classes}
        seal = seal_of(services_of(request).settings, caller.user_id or "")
        start: Object = {"mine": to_wire(page), "machines": machines, "path": way.path, "seal": seal}
        answer = self.framed(request, way, caller, moment.now, "boards/mine.html", context, start)
        answer.headers[KEEP] = "page"
        if page.takes_place:
            answer.headers["Permissions-Policy"] = WITH_PLACE
        return answer

    def figures(self, request: AnyRequest, way: Way, caller: Caller, moment: Moment, made: Sequence[Figure]) -> Response[Any]:
        """A page of numbers, each with its formula."""
        page = way.page
        assert isinstance(page, Figures)
        sources: list[Json] = [{"className": source.class_name, "where": source.where} for source in page.sources]
        start: Object = {"sources": sources}
        context = {"page": page, "figures": made, "script": "figures.js"}
        return self.framed(request, way, caller, moment.now, "boards/figures.html", context, start)

    def states(self, request: AnyRequest, caller: Caller, class_name: str) -> Response[Any]:
        """The state machines of a class, drawn, and in a table that says the same."""
        place = next((place for place in self.places if class_name in place.machines), None)
        if place is None:
            return self.note(request, "No states are published", f"{class_name} has no state machine.", status=404)
        made = [{"machine": machine, "drawing": diagram(machine, caller.role)} for machine in place.machines[class_name]]
        way = Way(f"states/{class_name}", place.board, place.board)
        context = {"class_name": class_name, "machines": made, "script": "page.js"}
        return self.framed(request, way, caller, datetime.now(UTC), "boards/states.html", context, {})

    def framed(
        self,
        request: AnyRequest,
        way: Way,
        caller: Caller,
        now: datetime,
        template: str,
        context: Mapping[str, object],
        start: Mapping[str, Any],
    ) -> Response[Any]:
        """A page inside the frame: the rail of boards, the pages beside this one, the bell, the menu."""
        settings = services_of(request).settings
        seed = form_seed(request)
        keys: Object = {"X-Parse-Application-Id": settings.app_id, PERSON: caller.user_id or ""}
        if settings.javascript_key:
            keys["X-Parse-Javascript-Key"] = settings.javascript_key
        zoned = ZONE_COOKIE in request.cookies
        me = person(caller)
        common: Object = {
            "doors": self._doors(caller.role),
            "mount": settings.mount,
            "keys": keys,
            "now": iso(now),
            "zoned": zoned,
        }
        rail = [place.open_to(caller.role)[0] for place in self.places if place.open_to(caller.role)]
        place = self.ways[way.main.name][1]
        frame = {
            "way": way,
            "rail": rail,
            "tabs": place.open_to(caller.role),
            "token": make_token(settings, seed),
            "me": me,
            "zoned": zoned,
            "stamp": Moment(now, zone_of(request)).clock(iso(now)),
            "start": {**common, **start, "me": {**me, "seesPeople": start.get("seesPeople", False)}},
        }
        answer = self._page(request, template, {**frame, **context})
        answer.headers[PERSON] = caller.user_id or ""
        answer.set_cookie(form_cookie(seed, secure=is_secure(request, settings)))
        return answer

    def _doors(self, role: str | None) -> Object:
        """Where the rows of a class are opened, for who is offered that."""
        ways = [way for place in self.places for way in place.open_to(role)]
        return {way.page.sources[0].class_name: way.url for way in reversed(ways) if isinstance(way.page, Board)}

    def note(
        self, request: AnyRequest, title: str, words: str, *, status: int = 200, home: str = "/", go: str = "Go to the board"
    ) -> Response[Any]:
        """A page of a few words."""
        context = {"title": title, "words": words, "home": home, "go": go}
        return self._page(request, "broken.html", context, status=status)

    def offline(self, request: AnyRequest) -> Response[Any]:
        """What a phone shows without a network where it keeps nothing that may be shown."""
        words = "Boards are shown as they are now or not at all. Your own page opens without a network if this phone has it."
        return self.note(request, "No network", words, go="Go to my page")

    def bare(self, request: AnyRequest, template: str, context: Mapping[str, object]) -> Response[Any]:
        """A page of its own, without the frame of the boards."""
        return self._page(request, template, context)

    def broken(self, request: AnyRequest, error: Exception) -> Response[Any]:
        """Any failure as a page that says what happened and what to do next; never a code alone."""
        status, title, words = _explain(error)
        if status == 500:
            _log.error("a page failed: %s %s", request.method, request.url.path, exc_info=error)
        return self.note(request, title, words, status=status)

    def _page(self, request: AnyRequest, name: str, context: Mapping[str, object], *, status: int = 200) -> Response[Any]:
        page = self._templates.get_template(name).render(context).encode()
        headers = {"Vary": "Accept-Encoding"}
        # Pressing a page is safe here: the only secret in it, the form's token, is another one each time.
        if "gzip" in request.headers.get("accept-encoding", ""):
            page, headers["Content-Encoding"] = gzip.compress(page, 5), "gzip"
        return headed(Response(page, media_type="text/html", status_code=status, headers=headers), request)


def _leave_url(name: str, target: str) -> str:
    return f"/sign-in/with/{name}" + (f"?{urlencode({'next': target})}" if target else "")


def headed(answer: Response[Any], request: AnyRequest) -> Response[Any]:
    """The answer with the headers of a page."""
    answer.headers.update(HEADERS)
    if is_secure(request, services_of(request).settings):
        answer.headers["Strict-Transport-Security"] = "max-age=31536000"
    return answer


def person(caller: Caller) -> Object:
    """Who looks, as the page says it."""
    user = caller.user or {}
    name = str(user.get("displayName") or user.get("username") or "")
    initials = "".join(part[0] for part in name.split()[:2]).upper()
    return {"objectId": caller.user_id, "name": name, "initials": initials, "role": caller.role}


def _classes_of(page: Board | Mine | Figures) -> set[str]:
    """The classes whose states a page offers to change."""
    if isinstance(page, Board):
        return {source.class_name for source in page.sources} | {part.class_name for part in page.panel.related}
    return {part.class_name for part in page.parts} if isinstance(page, Mine) else set()


def _page_of(request: AnyRequest, total: int) -> dict[str, int]:
    asked = request.query_params.get("page", "1")
    last = max(1, -(-total // ROWS_A_PAGE))
    number = min(last, max(1, int(asked))) if asked.isdecimal() and len(asked) < 6 else 1
    return {"number": number, "last": last, "from": (number - 1) * ROWS_A_PAGE, "to": number * ROWS_A_PAGE}


def _adds(view: View, settings: Settings) -> str:
    """Where who may add to an empty list by hand does so; "" for others, and for a log, which is written as things are done."""
    class_name = view.board.sources[0].class_name
    may = not view.board.newest_first and view.caller.role in view.place.writers.get(class_name, ())
    return f"{settings.mount}/classes/{class_name}" if may else ""


def _nothing(view: View) -> dict[str, str]:
    """What an empty list says: why, and what comes next."""
    tile = next((tile for tile in view.board.tiles if tile.key == view.show), None)
    if view.text or tile is None:
        hint = f"Try fewer letters: {view.board.search_hint}." if view.board.search_hint else "Try fewer letters."
        return {"title": f"Nothing matches “{view.text}”", "words": hint}
    row = rows.next_into(view.board, tile, view.rows, iso(view.moment.now))
    at = rows.date_of(rows.read(row, view.board.order)) if row else None
    if row is None or at is None:
        return {"title": f"No {tile.one}", "words": tile.none or "Nothing is expected here for now."}
    due = iso(parse_iso(at) - timedelta(minutes=tile.horizon_minutes or 0))
    label = cells.words(view.board, row, view.board.label)
    return {"title": f"No {tile.one}", "words": f"Next: {label}, expected {view.moment.clock(due)}."}


def _query(view: View, **changes: object) -> str:
    """The address of this board with some of its filters changed; empty ones are left out."""
    return view.way.url + _tail(view, **changes)


def _tail(view: View, **changes: object) -> str:
    asked = {"show": view.show, "q": view.text, **changes}
    kept = {key: str(value) for key, value in asked.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


def _explain(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, HTTPException) and error.status_code == 404:
        return 404, "There is no such page", "The address may be old or mistyped. The boards are one step away."
    if isinstance(error, HTTPException) and error.status_code < 500:
        return error.status_code, "That did not work", error.detail
    if isinstance(error, ParseError) and error.status < 500:
        return 403, "This board cannot be shown", error.message
    words = "Nothing you entered was lost on our side. Try again in a moment; if it stays, tell whoever runs this server."
    return 500, "Something broke", words
