"""Signing in at an issuer, in the browser: there and back, and the page on which one links and unlinks.

Owns: `/sign-in/with/<provider>`, `/sign-in/callback/<provider>`, `/sign-in/refused`, `/sign-ins`, and the cookie of an errand.
Holds: who comes back must be the browser that was sent, with the state it was sent with, within ten minutes and once; no page is
shown under an address with a code in it; an identity is linked only by who is signed in, from a page of ours. May import actions
and below, litestar.
"""

import hashlib
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body
from litestar.response import Redirect

from app.actions.caller import ANONYMOUS, Caller
from app.actions.signing.oidc import Claims, OpenId
from app.actions.signing.providers import Proven
from app.api.browser.forms import is_own_form, is_secure, own_page, session_cookie
from app.api.browser.site import Site, headed
from app.api.request import Services, address_of, caller_of, services_of
from app.config import Settings
from app.core.wire import Json, Object, decode, encode
from app.errors import ErrorCode, ParseError

ERRAND_COOKIE = "careboard_errand"
ERRAND_SECONDS = 600

AnyRequest = Request[Any, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]

_LOST = "This sign-in took too long, or was begun in another tab or browser. Please begin it again."
_EMAIL_TAKEN = (
    "There is an account with your e-mail address already. Sign in to it with its password and link {label} under Your "
    "account in its menu, or ask an administrator."
)


def single_sign_on(site: Site) -> type[Controller]:
    """The controller of what is done here, for the pages of a site."""

    class SingleSignOn(Controller):
        """There, back, linked, unlinked."""

        include_in_schema = False

        @get("/sign-in/with/{name:str}")
        async def leave(self, request: AnyRequest, name: str) -> Response[Any]:
            return await _leave(site, request, name)

        @get("/sign-in/callback/{name:str}")
        async def come_back(self, request: AnyRequest, name: str) -> Response[Any]:
            return await _come_back(request, name)

        @get("/sign-in/refused")
        async def refused(self, request: AnyRequest) -> Response[Any]:
            return await _refused(site, request)

        @get("/sign-ins")
        async def sign_ins(self, request: AnyRequest) -> Response[Any]:
            caller = await caller_of(request, services_of(request))
            return _ask_to_sign_in(request) if caller.user_id is None else await _sign_ins(site, request, caller)

        @post("/sign-ins/unlink", status_code=200)
        async def unlink(self, request: AnyRequest, data: Form) -> Response[Any]:
            return await _unlink(site, request, data)

    return SingleSignOn


async def _leave(site: Site, request: AnyRequest, name: str) -> Response[Any]:
    services, target = services_of(request), own_page(request.query_params.get("next"))
    provider = _provider(services, name)
    link = ""
    if (token := request.query_params.get("link")) is not None:
        caller = await caller_of(request, services)
        if caller.user_id is None or not is_own_form(request, services.settings, token):
            return _ask_to_sign_in(request)
        link = caller.user_id
    try:
        errand = await provider.begin(_callback(request, name))
    except ParseError as refusal:
        return _send_on(request, "/sign-in/refused", {"said": refusal.message, "next": target, "link": link})
    brought: Object = {"state": errand.state, "nonce": errand.nonce, "verifier": errand.verifier}
    return _send_on(request, errand.url, {"provider": name, "next": target, "link": link, **brought})


async def _come_back(request: AnyRequest, name: str) -> Response[Any]:
    services, asked = services_of(request), request.query_params
    provider, errand = _provider(services, name), _errand(request)
    state, given = str(errand.get("state", "")), asked.get("state", "")
    if not state or errand.get("provider") != name or not hmac.compare_digest(state.encode(), given.encode()):
        return _send_on(request, "/sign-in/refused", {"said": _LOST, "next": "", "link": ""})
    back: Object = {"next": errand["next"], "link": errand["link"]}
    if asked.get("iss", provider.issuer.url) != provider.issuer.url or "code" not in asked:
        return _send_on(request, "/sign-in/refused", {"said": _told_by(provider, asked.get("error", "")), **back})
    address = address_of(request)
    try:
        with services.objects.providers.counting(f"{name}\n{address}", address):
            claims = await provider.finish(
                asked["code"],
                verifier=str(errand["verifier"]),
                nonce=str(errand["nonce"]),
                redirect_uri=_callback(request, name),
            )
        proven = await services.objects.providers.proven_by(provider.issuer, claims)
        if errand["link"]:
            return await _link(request, proven, str(errand["link"]))
        entered = await services.users.enter(replace(ANONYMOUS, address=address), {"authData": proven, **_person(proven, claims)})
    except ParseError as refusal:
        return _send_on(request, "/sign-in/refused", {"said": _words(refusal, provider, is_link=bool(errand["link"])), **back})
    answer = _send_on(request, str(errand["next"]) or "/", None)
    answer.set_cookie(session_cookie(request, services.settings, str(entered.answer["sessionToken"])))
    return answer


async def _link(request: AnyRequest, proven: Proven, user_id: str) -> Response[Any]:
    services = services_of(request)
    caller = await caller_of(request, services)
    if caller.user_id != user_id:
        return _send_on(request, "/sign-in/refused", {"said": _LOST, "next": "", "link": ""})
    await services.objects.update(caller, "_User", user_id, {"authData": proven})
    return _send_on(request, "/sign-ins", None)


async def _refused(site: Site, request: AnyRequest) -> Response[Any]:
    """What came of an errand, under an address that says nothing of it."""
    errand = _errand(request)
    said = errand.get("said")
    if not isinstance(said, str):
        return _send_on(request, "/", None)
    services = services_of(request)
    caller = await caller_of(request, services)
    if errand["link"] and errand["link"] == caller.user_id:
        return await _sign_ins(site, request, caller, said=said)
    return site.sign_in(request, services.settings, own_page(str(errand["next"])), said=said)


async def _sign_ins(site: Site, request: AnyRequest, caller: Caller, *, said: str = "") -> Response[Any]:
    services = services_of(request)
    own = str(caller.user_id)
    linked = (await services.users.auth_data(caller, [own])).get(own, {})
    ways = [
        {"name": each.name, "label": each.label, "is_linked": each.name in linked}
        for each in services.settings.issuers
        if each.browser or each.name in linked
    ]
    status = 409 if said else 200
    return site.form(request, services.settings, "sign_ins.html", {"ways": ways, "said": said}, status=status)


async def _unlink(site: Site, request: AnyRequest, form: dict[str, str]) -> Response[Any]:
    services, name = services_of(request), form.get("provider", "")
    caller = await caller_of(request, services)
    if caller.user_id is None or not is_own_form(request, services.settings, form.get("token", "")):
        return _ask_to_sign_in(request)
    if await services.users.is_only_way_in(caller.user_id, name):
        words = "This is the only way into your account. Ask an administrator for a password, or link another sign-in first."
        return await _sign_ins(site, request, caller, said=words)
    await services.objects.update(caller, "_User", caller.user_id, {"authData": {name: None}})
    return headed(Redirect(path="/sign-ins", status_code=303), request)


def _provider(services: Services, name: str) -> OpenId:
    provider = services.objects.providers.issuers.get(name)
    if provider is None or not provider.issuer.browser:
        raise NotFoundException(detail="There is no such way to sign in.")
    return provider


def _person(proven: Proven, claims: Claims) -> Object:
    """What a new account takes over from its issuer: a name, and an address that the issuer has verified."""
    name = claims.get("name") or claims.get("preferred_username")
    person: Object = {"displayName": name[:200]} if isinstance(name, str) and name.isprintable() else {}
    return {**person, "email": proven.address} if proven.address else person


def _told_by(provider: OpenId, error: str) -> str:
    """What an issuer's refusal means; its own words are not shown, for anybody can write an address."""
    label = provider.issuer.label
    if error in ("access_denied", "interaction_required", "login_required", "consent_required"):
        return f"{label} did not let you in, or you went back. Try again, or sign in another way."
    if error in ("temporarily_unavailable", "server_error"):
        return f"{label} has a problem just now. Try again in a moment, or sign in another way."
    return f"{label} refused this sign-in. If it stays so, tell whoever runs this server."


def _words(refusal: ParseError, provider: OpenId, *, is_link: bool) -> str:
    label = provider.issuer.label
    if refusal.code == ErrorCode.EMAIL_TAKEN:
        return _EMAIL_TAKEN.format(label=label)
    if refusal.code == ErrorCode.ACCOUNT_ALREADY_LINKED and is_link:
        return f"That sign-in of {label} opens another account already."
    return refusal.message


def _ask_to_sign_in(request: AnyRequest) -> Response[Any]:
    return headed(Redirect(path=f"/?next={quote('/sign-ins', safe='')}", status_code=303), request)


def _callback(request: AnyRequest, name: str) -> str:
    origin = services_of(request).settings.public_url or str(request.base_url)
    return f"{origin.rstrip('/')}/sign-in/callback/{name}"


# ---- the cookie of an errand


def _send_on(request: AnyRequest, url: str, errand: Object | None) -> Response[Any]:
    """A redirect, with the errand that the browser shall bring there; None takes it away from it."""
    settings = services_of(request).settings
    answer: Response[Any] = headed(Redirect(path=url, status_code=303), request)
    if errand is None:
        answer.delete_cookie(ERRAND_COOKIE, path="/sign-in")
        return answer
    text = urlsafe_b64encode(encode({**errand, "until": int(time.time()) + ERRAND_SECONDS})).decode()
    cookie = Cookie(
        key=ERRAND_COOKIE,
        value=f"{text}.{_signature(settings, text)}",
        path="/sign-in",
        httponly=True,
        samesite="lax",
        secure=is_secure(request, settings),
        max_age=ERRAND_SECONDS,
    )
    answer.set_cookie(cookie)
    return answer


def _errand(request: AnyRequest) -> Object:
    """The errand that a browser brings; {} for a cookie that is not ours and for one that is over."""
    text, _, signature = request.cookies.get(ERRAND_COOKIE, "").partition(".")
    right = _signature(services_of(request).settings, text)
    if not text or not hmac.compare_digest(right.encode(), signature.encode()):
        return {}
    errand: Json = decode(urlsafe_b64decode(text))
    if not isinstance(errand, dict) or not isinstance(until := errand["until"], int) or until < time.time():
        return {}
    return errand


def _signature(settings: Settings, text: str) -> str:
    key = hashlib.sha256(f"careboard errands {settings.master_key}".encode()).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
