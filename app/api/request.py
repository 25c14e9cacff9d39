"""What a request says about itself: who asks, with which keys, and for what.

Owns: reading headers, query and body (the SDKs' way too: POST with `_method`, `_ApplicationId`, `_SessionToken` … in a
text/plain body) into one `Call`, the check of the keys, and the one place where an error becomes an answer. Always
holds: a handler sees a `Call` only after its keys were checked; the session cookie counts only for a page of our own
origin; nothing of a body or a key is logged. Learnt from Parse Server's middlewares. May import actions and below,
api/http, litestar.
"""

import base64
import binascii
import hmac
import logging
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import parse_qsl

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Receive, Scope, Send

from app.actions.caller import ANONYMOUS, MASTER, Caller, resolve
from app.actions.classes import Classes
from app.actions.configs import CloudConfig, GraphQLConfig
from app.actions.files import Files
from app.actions.idempotency import Once
from app.actions.objects import Objects
from app.actions.signing.links import Links
from app.actions.users import Users
from app.api.http import FINISH, Finish
from app.config import Settings
from app.core.addresses import is_within
from app.core.wire import Json, Object, decode, encode
from app.errors import ErrorCode, ParseError
from app.store.changes.feed import Feed
from app.store.database import Connection, Database

COOKIE = "careboard_session"
"""The cookie that carries a board's session token: HttpOnly, SameSite=Lax, Secure behind https."""

PERSON = "Careboard-Person"
"""The header that says whose page it is: an objectId, or nothing where nobody is signed in. A page says it back with what it
asks, for the cookie may be another person's by then."""

_ANOTHER = "Somebody else is signed in in this browser by now, so nothing was done in your name. Sign in again."

_log = logging.getLogger("careboard.request")

_HEADERS = {
    "x-parse-application-id": "application",
    "x-parse-session-token": "session",
    "x-parse-master-key": "master",
    "x-parse-rest-api-key": "rest",
    "x-parse-javascript-key": "javascript",
    "x-parse-client-key": "client",
    "x-parse-installation-id": "installation",
    "x-parse-request-id": "request",
}

_KEY_HEADERS = {header.encode(): name for header, name in _HEADERS.items()}

_BODY_KEYS = {
    "_ApplicationId": "application",
    "_SessionToken": "session",
    "_MasterKey": "master",
    "_JavaScriptKey": "javascript",
    "_InstallationId": "installation",
    "_RestApiKey": "rest",
    "_ClientKey": "client",
}

_IGNORED_BODY_KEYS = ("_ClientVersion", "_RevocableSession", "_noBody", "_context", "_ContentType")


CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET,PUT,POST,DELETE,OPTIONS",
    "Access-Control-Allow-Headers": ", ".join(
        (
            *("Content-Type", "X-Parse-Client-Version", "X-Requested-With", "Range"),
            *("X-Parse-Upload-Mode", "X-Parse-File-Metadata", "X-Parse-File-Tags"),
            *_HEADERS,
        )
    ),
    "Access-Control-Expose-Headers": "Location, Content-Range, Content-Disposition",
}
"""Any site may call, as with Parse Server: what opens a door is a key in a header, never a cookie."""

FIXED_HEADERS = {**CORS, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Answers hold health data: nobody on the way keeps a copy, no browser takes one for a page."""

_SENT_WITH_ALL = [
    (name.lower().encode(), value.encode()) for name, value in {**FIXED_HEADERS, "Content-Type": "application/json"}.items()
]
_WRITTEN_WITH_ALL = b"".join(b"%s: %s\r\n" % header for header in _SENT_WITH_ALL)


class RefusedError(Exception):
    """A refusal that carries no Parse code, as Parse Server sends it: wrong application, key or address."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Services:
    """What the doors call: one object of each kind for one application."""

    settings: Settings
    database: Database
    objects: Objects
    users: Users
    classes: Classes
    graphql_config: GraphQLConfig
    cloud_config: CloudConfig
    once: Once
    feed: Feed
    files: Files
    links: Links
    filled: Mapping[str, frozenset[str]]
    """Required fields of each class that rules of the server may fill."""
    states: Mapping[str, tuple[Object, ...]]
    """The state machines of each class, as `/states` publishes them."""


@dataclass(slots=True)
class Call:
    """One request, read and checked: `path` is under the mount, `params` is the query decoded, `query` as sent, `raw` the bytes.

    `origin` is where the server was reached, known for what was sent by POST: what it makes has a Location.
    """

    services: Services
    method: str
    path: str
    params: Object
    body: Object
    caller: Caller
    origin: str = ""
    tx: Connection | None = None
    query: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    keys: dict[str, str] = field(default_factory=dict)

    def require_master(self) -> None:
        """Refuses everybody but the master key, with Parse's words."""
        if not self.caller.is_master:
            raise RefusedError(403, "unauthorized: master key is required")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: finished JSON bytes, or an object that is encoded once. It is an ASGI application that sends itself."""

    content: bytes | Object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The finished JSON."""
        return self.content if isinstance(self.content, bytes) else encode(self.content)

    def to_response(self) -> Response[bytes]:
        """The answer as Litestar wants it from a handler of exceptions."""
        headers = {**FIXED_HEADERS, **self.headers}
        return Response(self.to_bytes(), status_code=self.status, headers=headers, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it; Litestar's own response would take each header apart and put it together again."""
        body, finish = self.to_bytes(), cast("Finish | None", scope.get(FINISH))
        if finish is not None and not self.headers and finish(self.status, _WRITTEN_WITH_ALL, body):
            return
        headers = [*_SENT_WITH_ALL, (b"content-length", b"%d" % len(body))]
        headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _read_raw(receive: Receive, headers: Mapping[bytes, bytes], most: int) -> bytes:
    """The body, as far as the settings allow. Litestar's own way to it takes all headers apart first."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > most:
        raise RequestEntityTooLarge
    pieces, size, has_more = list[bytes](), 0, True
    while has_more:
        message = await receive()
        if message["type"] != "http.request":
            raise HTTPException("The client went away.", status_code=400)
        pieces.append(message["body"])
        size, has_more = size + len(pieces[-1]), message.get("more_body", False)
        if size > most:
            raise RequestEntityTooLarge
    return b"".join(pieces)


def services_of(request: Request[Any, Any, Any]) -> Services:
    """The services of the application that a request reached."""
    services: Services = request.app.state.services
    return services


async def read_call(request: Request[Any, Any, Any], services: Services, path: str) -> Call:
    """Reads one request of the REST door. Raises ParseError, RefusedError and Litestar's 413."""
    method: str = request.method
    headers = dict(request.scope["headers"])
    keys = keys_in_headers(headers)
    raw = await _read_raw(request.receive, headers, services.settings.max_body_bytes) if method != "GET" else b""
    body = read_body(raw, headers.get(b"content-type", b"")) if raw else {}
    if method == "POST" and "_method" in body:
        method = str(body.pop("_method")).upper()
    take_keys(body, keys)
    caller = await caller_with(services, keys, request, path)
    params = _read_params(request)
    if method == "GET":
        params, body = {**params, **body}, {}
    return Call(
        services=services,
        method=method,
        path=path,
        params=params,
        body=body,
        caller=caller,
        origin=str(request.base_url).rstrip("/") if request.method == "POST" else "",
        query=dict(request.query_params) if request.scope["query_string"] else {},
        raw=raw,
        keys=keys,
    )


async def caller_with(
    services: Services, keys: MutableMapping[str, str], request: ASGIConnection[Any, Any, Any, Any], path: str
) -> Caller:
    """Who asks, from the keys of a request. Raises RefusedError (wrong key) and ParseError 209 (dead session)."""
    settings = services.settings
    if keys.get("application") != settings.app_id:
        raise RefusedError(403, "unauthorized")
    installation, address = keys.get("installation"), address_of(request)
    if master := keys.get("master"):
        check_master_key(settings, master, address)
        return replace(MASTER, installation_id=installation, address=address)
    given = keys.get("session")
    token = given or same_origin_cookie(request)
    if given or not token or path == "/login":
        _check_client_keys(settings, keys)  # a page of ours needs none: it is let in by its session, which is looked up below
    if not token or path == "/login":
        return replace(ANONYMOUS, installation_id=installation, address=address)
    keys["session"] = token
    async with services.database.connection() as connection:
        caller = await resolve(connection, token, installation_id=installation, address=address)
    if not given and request.headers.get(PERSON, caller.user_id) != caller.user_id:
        raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, _ANOTHER)
    return caller


async def caller_of(request: Request[Any, Any, Any], services: Services) -> Caller:
    """Who looks at a page: the session of the cookie, or the anonymous caller when there is none or it has ended."""
    token, address = request.cookies.get(COOKIE), address_of(request)
    if token:
        try:
            async with services.database.connection() as connection:
                return await resolve(connection, token, address=address)
        except ParseError as error:
            if error.code != ErrorCode.INVALID_SESSION_TOKEN:
                raise
    return replace(ANONYMOUS, address=address)


def address_of(asked: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where a request or a socket comes from; of a proxy on this machine that says for whom it calls, that one's address."""
    return asked.client.host if asked.client else ""


def check_master_key(settings: Settings, given: str, address: str) -> None:
    """Refuses a wrong master key, and the right one from an address that may not use it."""
    right = hmac.compare_digest(given.encode(), settings.master_key.encode())
    if not right or not may_use_master_key(settings, address):
        _log.warning("a master key was refused: %s", "its address is not allowed" if right else "it is not the key")
        raise RefusedError(403, "unauthorized")


def may_use_master_key(settings: Settings, address: str) -> bool:
    """Whether the master key opens anything from this address; what is no address is nowhere."""
    return is_within(address, settings.master_key_ips)


def same_origin_cookie(request: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The session cookie, if this request was made by a page of our own origin (Fetch metadata, else Origin)."""
    if not any(name == b"cookie" for name, _ in request.scope["headers"]):
        return None  # the usual request of an SDK; looking into Litestar's headers would build all of them
    token = request.cookies.get(COOKIE)
    if not token or not is_same_origin(request.headers):
        return None
    return token


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether the browser says that a page of this host made the request; what says nothing is not believed."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] == headers.get("host")


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The one translator: any exception as the JSON a Parse client understands."""
    if isinstance(error, ParseError):
        return Answer({"code": int(error.code), "error": error.message}, error.status).to_response()
    if isinstance(error, RefusedError):
        return Answer({"error": error.message}, error.status).to_response()
    if isinstance(error, HTTPException) and error.status_code == 413:
        code, words = ErrorCode.OBJECT_TOO_LARGE, "The request is too large; send less at once."
        return Answer({"code": int(code), "error": words}, 413).to_response()
    if isinstance(error, HTTPException) and error.status_code < 500:
        return Answer({"error": error.detail}, error.status_code).to_response()
    _log.error("a request failed: %s %s", request.method, request.url.path, exc_info=error)
    return Answer({"code": int(ErrorCode.INTERNAL_SERVER_ERROR), "error": "Internal server error."}, 500).to_response()


def keys_in_headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The keys of a request by their short names: application, session, master, rest, javascript, client, installation."""
    keys = {_KEY_HEADERS[name]: value.decode("latin-1") for name, value in headers.items() if value and name in _KEY_HEADERS}
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    if authorization.lower().startswith("basic "):
        keys = {**_basic_keys(authorization[6:]), **keys}
    return keys


def _basic_keys(encoded: str) -> dict[str, str]:
    """HTTP basic authentication as Parse reads it: application id, then master key or `javascript-key=…`."""
    try:
        application, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    prefix = "javascript-key="
    if key.startswith(prefix):
        return {"application": application, "javascript": key.removeprefix(prefix)}
    return {"application": application, "master": key} if key else {"application": application}


def read_body(raw: bytes, content_type: bytes = b"") -> Object:
    """The body as JSON whatever its content type says: SDKs say text/plain, curl says a form. What says that it is a form, and
    is no JSON, is read as one: its values are texts.
    """
    if content_type.startswith(b"application/x-www-form-urlencoded") and not raw.lstrip().startswith((b"{", b"[")):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1_000))
    body = decode(raw)
    if not isinstance(body, dict):
        raise ParseError(ErrorCode.INVALID_JSON, "The body must be a JSON object.")
    return body


def take_keys(body: Object, keys: dict[str, str]) -> None:
    """Moves the keys that an SDK put into the body to their place; a header wins, as in Parse Server."""
    for name in _IGNORED_BODY_KEYS:
        body.pop(name, None)
    for name, key in _BODY_KEYS.items():
        value = body.pop(name, None)
        if value is None:
            continue
        if not isinstance(value, str):
            raise RefusedError(403, "unauthorized")
        keys.setdefault(key, value)


def _read_params(request: Request[Any, Any, Any]) -> Object:
    """The query, each value decoded as JSON where it is JSON and as text otherwise, as Parse's ClassesRouter does.

    A name that is there several times (`keys=a&keys=b`) has all its values, as a list.
    """
    given: dict[str, list[Json]] = {}
    if not request.scope["query_string"]:
        return {}
    for name, value in request.query_params.items():
        given.setdefault(name, []).append(_decoded(value))
    return {name: values[0] if len(values) == 1 else values for name, values in given.items()}


def _decoded(value: str) -> Json:
    try:
        return decode(value)
    except ParseError:
        return value


def _check_client_keys(settings: Settings, keys: Mapping[str, str]) -> None:
    asked = {"rest": settings.rest_key, "javascript": settings.javascript_key, "client": settings.client_key}
    configured = {name: key for name, key in asked.items() if key}
    if not configured:
        return
    if not any(hmac.compare_digest(keys.get(name, "").encode(), key.encode()) for name, key in configured.items()):
        raise RefusedError(403, "unauthorized")
