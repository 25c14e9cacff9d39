"""Forms that only our own pages can send: where a request comes from, and a token that proves it.

Owns: the form cookie and the tokens made from it, the cookie of a sign-in and where it leads. Holds: a form is taken only from
the same origin and with a token bound to the browser's form cookie by a key that never leaves the server; each page carries
another token, so that compression tells nothing; a sign-in leads to no address but ours.
May import config and api.request.
"""

import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.datastructures import Cookie

from app.api.request import COOKIE
from app.config import Settings

FORM_COOKIE = "careboard_form"

_PAGES = ("/boards/", "/states/", "/graphql", "/account", "/sign-ins")


def form_seed(request: Request[Any, Any, Any]) -> str:
    """What the browser's tokens are bound to: its form cookie, or a new seed that the answer must set."""
    seed = request.cookies.get(FORM_COOKIE, "")
    return seed if len(seed) == 32 and seed.isalnum() else secrets.token_hex(16)


def form_cookie(seed: str, *, secure: bool) -> Cookie:
    """The cookie that keeps the seed for as long as the browser is open."""
    return Cookie(key=FORM_COOKIE, value=seed, path="/", httponly=True, samesite="lax", secure=secure)


def session_cookie(request: Request[Any, Any, Any], settings: Settings, token: str) -> Cookie:
    """The cookie of somebody who has signed in."""
    return Cookie(
        key=COOKIE,
        value=token,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(request, settings),
        max_age=settings.session_days * 86400,
    )


def own_page(asked: str | None) -> str:
    """Where to go after signing in: only a page of ours; "" for the caller's home."""
    is_ours = asked is not None and asked.startswith(_PAGES) and asked.isprintable() and "\\" not in asked
    return asked if asked and is_ours else ""


def make_token(settings: Settings, seed: str) -> str:
    """A token for one page; no two are alike."""
    nonce = secrets.token_hex(12)
    return f"{nonce}.{_sign(settings, seed, nonce)}"


def is_own_form(request: Request[Any, Any, Any], settings: Settings, token: str) -> bool:
    """Whether a form was sent by one of our pages in this browser."""
    nonce, _, signature = token.partition(".")
    right = _sign(settings, request.cookies.get(FORM_COOKIE, ""), nonce)
    return _is_own_origin(request, settings) and hmac.compare_digest(right.encode(), signature.encode())


def is_secure(request: Request[Any, Any, Any], settings: Settings) -> bool:
    """Whether the browser speaks https with us, directly or with the proxy that `public_url` names."""
    return request.url.scheme == "https" or (settings.public_url or "").startswith("https://")


def _is_own_origin(request: Request[Any, Any, Any], settings: Settings) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None:
        return True  # browsers of that age send neither; the token and the SameSite cookie still hold
    own = {request.headers.get("host"), urlsplit(settings.public_url or "").netloc}
    return urlsplit(origin).netloc in own - {"", None}


def _sign(settings: Settings, seed: str, nonce: str) -> str:
    key = hashlib.sha256(f"careboard forms {settings.master_key}".encode()).digest()
    return hmac.new(key, f"{seed}.{nonce}".encode(), hashlib.sha256).hexdigest()
