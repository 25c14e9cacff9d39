"""The pages people open: sign-in, the boards and what stands beside them.

Owns: `/`, `/sign-in`, `/sign-out`, `/boards/<name>` and what lies below it: lists, a row's own page, CSV, figures, a person's
own page. Holds: a form counts only from our own pages. Boards are data (app.live.boards.board): this file knows no class of
any domain. May import actions, live and below, litestar.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Controller, Request, Response, Router, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import Body
from litestar.response import Redirect
from litestar.types import ASGIApp

from app.actions.caller import Caller
from app.api.browser.account_pages import account_pages
from app.api.browser.export import rows_as_csv
from app.api.browser.forms import is_own_form, own_page, session_cookie
from app.api.browser.kept import worker_handlers
from app.api.browser.site import Site, headed
from app.api.browser.sso import single_sign_on
from app.api.browser.view import View, read, read_names, read_panel, read_sources, source_query, with_names, zone_of
from app.api.request import COOKIE, answer_error, caller_of, services_of
from app.api.states import Draw
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from app.live.boards import cells, rows
from app.live.boards.board import Board, Figures, Mine
from app.live.boards.mine import part_query
from app.live.boards.places import Place, Way

AnyRequest = Request[Any, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


_NOTES = {
    "ended": "Your session has ended. Sign in to go on where you were.",
    "set": "Your new password is set. Sign in with it.",
}
"""What the sign-in page says first, by what its address holds."""
_WRONG = "This name and this password do not belong together. Check both and try again."


def answers_faults(site: Site, mount: str) -> Callable[[AnyRequest, Exception], Response[Any]]:
    """What answers where no route does: with a page for who opened an address in a browser, for programs as the API does."""

    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        is_api = f"{request.url.path}/".startswith(f"{mount}/")
        if isinstance(error, NotFoundException) and is_page and not is_api:
            return site.broken(request, error)
        return answer_error(request, error)

    return answer


def draws_states(site: Site) -> Draw:
    """What draws `/states/<Class>` for a browser."""

    async def draw(request: AnyRequest, caller: Caller, class_name: str) -> ASGIApp:
        if caller.user_id is None:
            answer: Response[Any] = headed(Redirect(path=f"/?next={quote(request.url.path, safe='')}", status_code=303), request)
        else:
            answer = site.states(request, caller, class_name)
        return answer.to_asgi_response(app=None, request=request)

    return draw


def pages(site: Site) -> Router:
    """The router of every page and of static/, for the boards that this server carries."""

    class SignIn(Controller):
        """The door for people."""

        include_in_schema = False

        @get("/")
        async def sign_in_form(self, request: AnyRequest) -> Response[Any]:
            services = services_of(request)
            caller = await caller_of(request, services)
            if caller.user_id is not None:
                target = own_page(request.query_params.get("next")) or await _home(site, request, caller)
                return headed(Redirect(path=target, status_code=303), request)
            note = next((words for name, words in _NOTES.items() if name in request.query_params), "")
            return site.sign_in(request, services.settings, own_page(request.query_params.get("next")), note=note)

        @get("/nothing")
        async def nothing(self, request: AnyRequest) -> Response[Any]:
            words = "You are signed in, but no board is made for your role. An administrator can give you one."
            return site.note(request, "Nothing to show yet", words, home="/account", go="Go to your account")

        @post("/sign-in", status_code=200)
        async def sign_in(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _sign_in(site, request, data)

        @post("/sign-out", status_code=200)
        async def sign_out(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _sign_out(request, data)

    class Boards(Controller):
        """The boards and the pages beside them, each from its description."""

        include_in_schema = False

        @get("/boards/{path:path}")
        async def page(self, request: AnyRequest, path: str) -> Response[Any]:
            steps = path.strip("/").split("/")
            way, place, rest = _find(site, steps)
            caller = await caller_of(request, services_of(request))
            if caller.user_id is None:
                here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return headed(Redirect(path=f"/?next={quote(here, safe='')}", status_code=303), request)
            if not place.offers(way.page, caller.role):
                words = f"“{way.page.title}” is not made for your role. Your own boards are one step away."
                return site.note(request, "Not one of your boards", words, status=403)
            return await _page(site, request, way, place, caller, rest)

    return Router(
        path="/",
        route_handlers=[
            SignIn,
            single_sign_on(site),
            Boards,
            *account_pages(site),
            site.assets.route(),
            *worker_handlers(site.assets, site.offline),
        ],
        exception_handlers={HTTPException: site.broken, ParseError: site.broken, Exception: site.broken},
    )


def _find(site: Site, steps: Sequence[str]) -> tuple[Way, Place, list[str]]:
    """The page whose path the address begins with, the longest first, and what is left of the address."""
    for size in (2, 1):
        found = site.ways.get("/".join(steps[:size]))
        rest = list(steps[size:])
        is_row = len(rest) == 2 and rest[0] == "rows"
        if found and (not rest or (isinstance(found[0].page, Board) and (rest == ["rows.csv"] or is_row))):
            return *found, rest
    raise NotFoundException(detail="There is no such board.")


async def _page(site: Site, request: AnyRequest, way: Way, place: Place, caller: Caller, rest: list[str]) -> Response[Any]:
    moment = cells.Moment(datetime.now(UTC), zone_of(request))
    services = services_of(request)
    if isinstance(way.page, Mine):
        own = {part.key: await read(services, caller, part_query(part, caller.user_id or "")) for part in way.page.parts}
        return site.mine(request, way, caller, moment, own)
    if isinstance(way.page, Figures):
        found = {source.name: await read(services, caller, source_query(source)) for source in way.page.sources}
        made = way.page.compute(found, moment.now)
        if "application/json" in request.headers.get("accept", ""):
            return headed(Response([asdict(figure) for figure in made], media_type="application/json"), request)
        return site.figures(request, way, caller, moment, made)
    row_id = rest[1] if len(rest) == 2 else ""
    view = await _view(request, way, way.page, place, caller, row_id)
    if row_id and view.panel is None:
        raise NotFoundException(detail="There is no such row.")
    return headed(rows_as_csv(view), request) if rest == ["rows.csv"] else site.board(request, view)


async def _view(request: AnyRequest, way: Way, board: Board, place: Place, caller: Caller, row_id: str) -> View:
    """What a board's request reads."""
    services = services_of(request)
    found = await read_sources(services, caller, board, row_id)
    names = await read_names(services, caller, found, rows.people_of(board, found[board.sources[0].name]))
    found = with_names(found, names)
    joined = rows.join_rows(board, found, sees_people=caller.role in board.people_roles)
    moment = cells.Moment(datetime.now(UTC), zone_of(request))
    params = request.query_params
    show, text = params.get("show", ""), params.get("q", "").strip()
    view = View(way, board, place, caller, moment, found, joined, show, text, row_id, names)
    return await read_panel(services, view, row_id or params.get(board.param, ""))


async def _sign_in(site: Site, request: AnyRequest, form: Mapping[str, str]) -> Response[Any]:
    services = services_of(request)
    target, name = own_page(form.get("next")), form.get("username", "").strip()
    if not is_own_form(request, services.settings, form.get("token", "")):
        said = "This form was open for too long or came from another page. Please sign in again."
        return site.sign_in(request, services.settings, target, said=said, name=name)
    try:
        asked: Object = {"username": name, "password": form.get("password", "")}
        account = await services.users.log_in(await caller_of(request, services), asked)
    except ParseError as refusal:
        if refusal.code == ErrorCode.EMAIL_NOT_FOUND:
            said = "Confirm your e-mail address first, by the link in the mail that we sent you."
            return site.sign_in(request, services.settings, target, said=said, name=name, unconfirmed=True)
        is_wrong = refusal.code == ErrorCode.OBJECT_NOT_FOUND
        return site.sign_in(request, services.settings, target, said=_WRONG if is_wrong else refusal.message, name=name)
    answer = Redirect(path=target or "/", status_code=303)
    answer.set_cookie(session_cookie(request, services.settings, str(account["sessionToken"])))
    return headed(answer, request)


async def _home(site: Site, request: AnyRequest, caller: Caller) -> str:
    """Where a caller begins: of several pages for one person the first with something on it, for a role may be of two trades."""
    own = [way for way in site.own(caller.role) if isinstance(way.page, Mine)]
    for way in own if len(own) > 1 else ():
        for part in way.page.parts if isinstance(way.page, Mine) else ():
            class_name, params = part_query(part, caller.user_id or "")
            if await read(services_of(request), caller, (class_name, {**params, "limit": 1})):
                return way.url
    return site.home(caller.role)


async def _sign_out(request: AnyRequest, form: Mapping[str, str]) -> Response[Any]:
    services = services_of(request)
    answer = Redirect(path="/", status_code=303)
    if is_own_form(request, services.settings, form.get("token", "")):
        caller = await caller_of(request, services)
        if caller.user_id is not None:
            await services.users.log_out(caller)
        answer.delete_cookie(COOKIE, path="/")
    return headed(answer, request)
