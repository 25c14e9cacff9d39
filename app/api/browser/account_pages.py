"""The pages of one's own account: a forgotten password, a confirmed address, which mails one wants.

Owns: `/forgot-password`, `/confirm-email`, `/account`, and the pages that links in mails lead to, on Parse Server's paths
(`/apps/<appId>/request_password_reset`, `/apps/<appId>/verify_email`). Holds: opening a link changes nothing, for mail scanners
open it too: a button does; a form counts only from our own pages; what is told of an address is the same whether or not it is
somebody's. May import actions and below, api/forms, api/request, api/site, litestar.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Controller, Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body
from litestar.response import Redirect

from app.actions.caller import Caller
from app.api.browser.forms import is_own_form
from app.api.browser.site import Site, headed
from app.api.request import Services, caller_of, services_of
from app.core.wire import Object
from app.errors import ParseError

AnyRequest = Request[Any, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]

_STALE = "This form was open for too long or came from another page. Please try again."
_SIGN_IN = ("/", "Back to sign-in")


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form."""

    name: str
    label: str
    type: str
    autocomplete: str = "off"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """A page of one form. `link` is the token of the mail that led here, `account` whose password the form sets, for who keeps
    passwords; `said` is a refusal, `note` what was done; without `submit` there is nothing to send."""

    title: str
    words: tuple[str, ...]
    action: str = ""
    submit: str = ""
    fields: tuple[Field, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    ways: tuple[tuple[str, str], ...] = (_SIGN_IN,)
    link: str = ""
    account: str = ""
    said: str = ""
    note: str = ""


_EMAIL = Field("email", "E-mail address", "email", "email")
_FORGOTTEN = Door(
    "Forgot your password?",
    ("Give the e-mail address of your account, and we send you a link to choose a new password.",),
    action="/forgot-password",
    submit="Send the link",
    fields=(_EMAIL,),
)
_UNCONFIRMED = Door(
    "Confirm your e-mail address",
    ("We sent you a mail with a link when the address was given. Give it here to get another.",),
    action="/confirm-email",
    submit="Send the mail again",
    fields=(_EMAIL,),
)
_SENT = "If there is such an account, a mail is on its way. It may take a minute; look among unwanted mails too."
_CHOOSE = Door(
    "Choose a new password",
    ("With it you are signed out everywhere else.",),
    submit="Set the password",
    fields=(
        Field("password", "New password", "password", "new-password"),
        Field("again", "New password, once more", "password", "new-password"),
    ),
)
_CONFIRM = Door("Confirm your e-mail address", ("One step is left: say that it is yours.",), submit="This address is mine")
_DEAD_RESET = Door(
    "This link does not work",
    ("It was used already, is too old, or a newer one was sent.",),
    ways=(("/forgot-password", "Have another one sent"), _SIGN_IN),
)
_DEAD_CONFIRM = replace(_DEAD_RESET, ways=(("/confirm-email", "Have another one sent"), _SIGN_IN))
_NO_MAIL = Door("No mails are sent here", ("Ask an administrator of this board for a new password.",))
_DONE = Door("Your address is confirmed", ("Thank you.",), ways=(("/", "Go on"),))


def account_pages(site: Site) -> list[type[Controller]]:
    """The controllers of these pages."""

    class Asking(Controller):
        """Who has no link asks for one."""

        include_in_schema = False

        @get("/forgot-password")
        async def forgotten(self, request: AnyRequest) -> Response[Any]:
            return _show(site, request, _FORGOTTEN if _sends(request) else _NO_MAIL)

        @post("/forgot-password", status_code=200)
        async def ask_reset(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _ask(site, request, data, _FORGOTTEN, services_of(request).links.ask_reset)

        @get("/confirm-email")
        async def unconfirmed(self, request: AnyRequest) -> Response[Any]:
            return _show(site, request, _UNCONFIRMED if _sends(request) else _NO_MAIL)

        @post("/confirm-email", status_code=200)
        async def ask_verification(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _ask(site, request, data, _UNCONFIRMED, services_of(request).links.ask_verification)

    class Following(Controller):
        """Who has a link follows it."""

        include_in_schema = False
        path = "/apps/{app_id:str}"

        @get("/request_password_reset")
        async def choose(self, request: AnyRequest, app_id: str) -> Response[Any]:
            links = _services(request, app_id).links
            return await _open(site, request, links.check_reset, _CHOOSE, _DEAD_RESET)

        @post("/request_password_reset", status_code=200)
        async def reset(self, request: AnyRequest, app_id: str, data: Form) -> Response[Any]:
            return await _reset(site, request, _services(request, app_id), data)

        @get("/verify_email")
        async def confirm(self, request: AnyRequest, app_id: str) -> Response[Any]:
            links = _services(request, app_id).links
            return await _open(site, request, links.check_verification, _CONFIRM, _DEAD_CONFIRM)

        @post("/verify_email", status_code=200)
        async def verify(self, request: AnyRequest, app_id: str, data: Form) -> Response[Any]:
            return await _verify(site, request, _services(request, app_id), data)

    class Account(Controller):
        """One's own account."""

        include_in_schema = False
        path = "/account"

        @get("/")
        async def account(self, request: AnyRequest) -> Response[Any]:
            return await _account(site, request)

        @post("/", status_code=200)
        async def prefer(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _account(site, request, data)

    return [Asking, Following, Account]


def _show(site: Site, request: AnyRequest, door: Door, *, status: int = 200) -> Response[Any]:
    return site.form(request, services_of(request).settings, "door.html", {"door": door}, status=status)


def _sends(request: AnyRequest) -> bool:
    return not services_of(request).settings.missing_for_mail


def _services(request: AnyRequest, app_id: str) -> Services:
    services = services_of(request)
    if app_id != services.settings.app_id:
        raise NotFoundException(detail="There is no such application.")
    return services


async def _ask(
    site: Site, request: AnyRequest, form: Mapping[str, str], door: Door, ask: Callable[..., Awaitable[None]]
) -> Response[Any]:
    services, email = services_of(request), form.get("email", "").strip()
    filled = replace(door, fields=(replace(_EMAIL, value=email),))
    if not is_own_form(request, services.settings, form.get("token", "")):
        return _show(site, request, replace(filled, said=_STALE), status=400)
    try:
        await ask(await caller_of(request, services), {"email": email})
    except ParseError as refusal:
        return _show(site, request, replace(filled, said=refusal.message), status=refusal.status)
    return _show(site, request, Door(door.title, (), note=_SENT))


async def _open(site: Site, request: AnyRequest, check: Callable[[str], Awaitable[str]], door: Door, dead: Door) -> Response[Any]:
    """The page a link leads to; looking at it uses nothing up."""
    link = request.query_params.get("token", "")
    try:
        known = await check(link)
    except ParseError:
        return _show(site, request, dead, status=400)
    return _show(site, request, _opened(door, request, link, known))


def _opened(door: Door, request: AnyRequest, link: str, known: str) -> Door:
    """The page of a link, with whom it is about."""
    account = known if door.fields else ""
    return replace(door, action=request.url.path, link=link, account=account, facts=(("Account", known),))


async def _reset(site: Site, request: AnyRequest, services: Services, form: Mapping[str, str]) -> Response[Any]:
    link, password = form.get("link", ""), form.get("password", "")
    said = ""
    if not is_own_form(request, services.settings, form.get("token", "")):
        said = _STALE
    elif not password or password != form.get("again"):
        said = "The two are not the same. Type the new password twice."
    try:
        if said:
            door = _opened(_CHOOSE, request, link, await services.links.check_reset(link))
            return _show(site, request, replace(door, said=said), status=400)
        await services.links.reset(link, password)
    except ParseError:
        return _show(site, request, _DEAD_RESET, status=400)
    return headed(Redirect(path="/?set", status_code=303), request)


async def _verify(site: Site, request: AnyRequest, services: Services, form: Mapping[str, str]) -> Response[Any]:
    link = form.get("link", "")
    if not is_own_form(request, services.settings, form.get("token", "")):
        door = replace(_CONFIRM, action=request.url.path, link=link, said=_STALE)
        return _show(site, request, door, status=400)
    try:
        await services.links.verify(link)
    except ParseError:
        return _show(site, request, _DEAD_CONFIRM, status=400)
    return _show(site, request, _DONE)


async def _account(site: Site, request: AnyRequest, form: Mapping[str, str] | None = None) -> Response[Any]:
    services = services_of(request)
    caller = await caller_of(request, services)
    if caller.user_id is None:
        return headed(Redirect(path=f"/?next={quote('/account', safe='')}", status_code=303), request)
    said = note = ""
    if form is not None and is_own_form(request, services.settings, form.get("token", "")):
        wanted: Object = {"emailNotifications": form.get("news") == "yes"}
        await services.objects.update(caller, "_User", caller.user_id, wanted)
        note = "Saved."
    elif form is not None:
        said = _STALE
    door = await _own_door(services, caller)
    return _show(site, request, replace(door, said=said, note=note), status=400 if said else 200)


async def _own_door(services: Services, caller: Caller) -> Door:
    user = await services.objects.get_object(caller, "_User", str(caller.user_id))
    email, is_confirmed = user.get("email"), user.get("emailVerified") is True
    facts = [("Username", str(user.get("username", ""))), ("Role", _in_words(str(user.get("role") or "none")))]
    ways = [("/", "Back to the board")]
    if any(issuer.browser for issuer in services.settings.issuers):
        ways.insert(0, ("/sign-ins", "Other ways to sign in"))
    if services.settings.missing_for_mail:
        return Door("Your account", (), facts=tuple(facts), ways=tuple(ways))
    facts.append(("E-mail", f"{email}, {'confirmed' if is_confirmed else 'not confirmed'}" if email else "none"))
    if email and not is_confirmed and services.settings.verify_emails:
        ways.insert(0, ("/confirm-email", "Confirm the e-mail address"))
    ways.insert(0, ("/forgot-password", "Choose a new password"))
    wants = Field("news", "Send me a mail when there is news for me", "checkbox")
    wants = replace(wants, value="yes" if user.get("emailNotifications") is not False else "")
    words = ("A mail says only that there is news, never what; it goes to a confirmed address.",)
    return Door("Your account", words, "/account", "Save", (wants,), facts=tuple(facts), ways=tuple(ways))


def _in_words(role: str) -> str:
    """A role as a person says it: Department manager."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", role).capitalize()
