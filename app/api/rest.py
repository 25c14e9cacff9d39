"""The REST door: Parse's routes, each translated into one call of an action and back.

Owns: the route table, which HTTP requests and batch parts share, and the controller that serves it on the mount path.
Always holds: no decision is made here; an answer is finished JSON. Routes and words follow Parse Server's routers. May
import actions and below, api/request, litestar.
"""

import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, ClassVar
from urllib.parse import quote

from litestar import Controller, Request, route
from litestar.types import ASGIApp, Receive, Scope, Send

from app.actions.aggregate import aggregate
from app.actions.names import MOST_NAMES, staff_names
from app.api.request import Answer, Call, RefusedError, Services, answer_error, read_call, services_of
from app.api.states import published_states
from app.core.query import Query
from app.core.wire import Json, Object, encode
from app.errors import ErrorCode, ParseError
from app.store.changes.snapshot import Snapshot, to_cursor
from app.store.database import Connection

Handler = Callable[..., Awaitable[Answer]]

PARSE_VERSION = "9.10.0"
"""The Parse Server whose API this door speaks; SDKs and dashboards read it to know what they may ask."""


_GET_PARAMETERS = (
    "keys",
    "include",
    "excludeKeys",
    "readPreference",
    "includeReadPreference",
    "subqueryReadPreference",
)


@cache
def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path under the mount; `{name}` segments are passed to the handler.

    `once`: it writes, and a request with a number is done once.
    """

    method: str
    path: str
    handler: Handler
    once: bool = False

    def match(self, method: str, segments: list[str]) -> dict[str, str] | None:
        """The named segments when this route is the one asked for, else None."""
        if method != self.method:
            return None
        own = _segments(self.path)
        if len(own) != len(segments):
            return None
        named: dict[str, str] = {}
        for mine, theirs in zip(own, segments, strict=True):
            if mine.startswith("{"):
                named[mine[1:-1]] = theirs
            elif mine != theirs:
                return None
        return named


async def find_objects(call: Call, class_name: str) -> Answer:
    """GET /classes/X: `{"results": […]}`, with `count` and `cursor` where asked for, and the class where that is another."""
    params = dict(call.params)
    with_cursor, explained = bool(params.pop("cursor", False)), bool(params.pop("explain", False))
    query = call.services.objects.parse_query(class_name, params)
    if explained:
        return Answer(f'{{"results":[{{"QUERY PLAN":{await call.services.objects.explain(call.caller, query)}}}]}}'.encode())
    found = await call.services.objects.find(call.caller, query, cursor=with_cursor, files_url=call.services.settings.file_urls)
    results, class_said = found.results, ""
    if query.class_name == "_User":
        results = await _with_sign_ins(call, query, results)
    if params.get("redirectClassNameForKey") is not None:
        class_said = f'"className":"{query.class_name}",'  # in each of them too: SDKs look there when they ask for one
        results = [f"{{{class_said}{text[1:]}" for text in results]
    parts = [f'{{{class_said}"results":[', ",".join(results), "]"]
    if found.count is not None:
        parts.append(f',"count":{found.count}')
    if found.cursor is not None:
        parts.append(f',"cursor":"{to_cursor(call.services.feed.feed_id, Snapshot.parse(found.cursor))}"')
    return Answer("".join((*parts, "}")).encode())


async def _with_sign_ins(call: Call, query: Query, texts: list[str]) -> list[str]:
    """Accounts, each with its sign-ins where the caller may know them: one's own (SDKs get by a find too), the master key all."""
    is_asked = (query.keys is None or "authData" in query.keys) and "authData" not in query.exclude_keys
    if not texts or not is_asked or (call.caller.user_id is None and not call.caller.is_master):
        return texts
    ids = [_object_id(text) for text in texts]
    linked = await call.services.users.auth_data(call.caller, ids)
    told = {user_id: f',"authData":{encode(each).decode()}}}' for user_id, each in linked.items()}
    return [text[:-1] + told[user_id] if user_id in told else text for user_id, text in zip(ids, texts, strict=True)]


def _object_id(text: str) -> str:
    """Of an object as the database rendered it, which begins with its id."""
    return text.split('"', 4)[3]


async def get_object(call: Call, class_name: str, object_id: str) -> Answer:
    """GET /classes/X/id: the object; one's own user comes with its sign-ins and the session token it was asked with."""
    for name in call.params:
        if name not in _GET_PARAMETERS:
            raise ParseError(ErrorCode.INVALID_QUERY, "Improper encode of parameter")
    query = call.services.objects.parse_query(class_name, call.params)
    text = await call.services.objects.get(call.caller, query, object_id, files_url=call.services.settings.file_urls)
    if class_name == "_User":
        [text] = await _with_sign_ins(call, query, [text])
        text = _with_own_token(call, object_id, text)
    return Answer(text.encode())


def _with_own_token(call: Call, user_id: str, text: str) -> str:
    """One's own account with the token it was asked with."""
    caller = call.caller
    if caller.user_id == user_id and caller.session_token:
        text = f'{text[:-1]},"sessionToken":"{caller.session_token}"}}'
    return text


async def aggregate_objects(call: Call, class_name: str) -> Answer:
    """GET /aggregate/X, with the master key: what comes out of a pipeline, or the different values of a field."""
    call.require_master()
    found = await aggregate(
        call.services.objects, call.caller, class_name, call.params, files_url=call.services.settings.file_urls
    )
    return Answer(f'{{"results":[{",".join(found)}]}}'.encode())


async def purge_class(call: Call, class_name: str) -> Answer:
    """DELETE /purge/X, with the master key: every object of the class is deleted; the class stays."""
    call.require_master()
    await call.services.classes.purge(call.caller, class_name)
    return Answer({})


async def create_object(call: Call, class_name: str) -> Answer:
    """POST /classes/X: 201, objectId and createdAt, and where the object is."""
    if class_name == "_User":
        return await sign_up(call)
    saved = await call.services.objects.create(call.caller, class_name, call.body, tx=call.tx)
    if saved.created_at is None:
        return Answer({"objectId": saved.object_id, **saved.response})  # a device that was known already
    where = f"{_class_path(class_name)}/{quote(saved.object_id, safe='')}"
    location = f"{call.services.settings.public_url or call.origin}{call.services.settings.mount}{where}"
    return Answer(saved.response, 201, {"Location": location})


async def update_object(call: Call, class_name: str, object_id: str) -> Answer:
    """PUT /classes/X/id: updatedAt and the results of operations."""
    saved = await call.services.objects.update(call.caller, class_name, object_id, call.body, tx=call.tx)
    return Answer(saved.response)


async def delete_object(call: Call, class_name: str, object_id: str) -> Answer:
    """DELETE /classes/X/id."""
    await call.services.objects.delete(call.caller, class_name, object_id, tx=call.tx)
    return Answer({})


def _of_class(handler: Handler, class_name: str) -> Handler:
    """The handler of /classes/X bound to one system class, as /users, /roles and the others are."""

    async def bound(call: Call, **named: str) -> Answer:
        return await handler(call, class_name=class_name, **named)

    return bound


async def sign_up(call: Call) -> Answer:
    """POST /users: a new account and its session; 200 where its authData belongs to an account, which is signed in."""
    entered = await call.services.users.enter(call.caller, call.body, tx=call.tx)
    location = f"{call.services.settings.public_url or call.origin}{call.services.settings.mount}/users"
    where = {"Location": f"{location}/{quote(str(entered.answer['objectId']), safe='')}"}
    return Answer(entered.answer, 201 if entered.is_new else 200, where)


async def log_in(call: Call) -> Answer:
    """GET or POST /login: the user and a new session token."""
    asked = {name: value for name, value in {**call.params, **call.query}.items() if name != "authData"}  # no token in an address
    return Answer(await call.services.users.log_in(call.caller, {**asked, **call.body}))


async def challenge(call: Call) -> Answer:
    """POST /challenge: what the providers of `challengeData` answer before a sign-in."""
    return Answer(await call.services.users.challenge(call.caller, call.body))


async def verify_password(call: Call) -> Answer:
    """GET or POST /verifyPassword: the user, without a session."""
    return Answer(await call.services.users.verify_password(call.caller, {**call.params, **call.query, **call.body}))


async def log_in_as(call: Call) -> Answer:
    """POST /loginAs?userId=…, with the master key: a session of that user."""
    user_id = call.query.get("userId") or call.body.get("userId")
    return Answer(await call.services.users.log_in_as(call.caller, user_id))


async def request_password_reset(call: Call) -> Answer:
    """POST /requestPasswordReset: a link that sets a new password, by mail; {} whether or not there is such an account."""
    await call.services.links.ask_reset(call.caller, call.body)
    return Answer({})


async def request_verification_email(call: Call) -> Answer:
    """POST /verificationEmailRequest: the link that confirms an address once more; {} as above."""
    await call.services.links.ask_verification(call.caller, call.body)
    return Answer({})


async def log_out(call: Call) -> Answer:
    """POST /logout: ends the session that asks."""
    await call.services.users.log_out(call.caller)
    return Answer({})


async def get_me(call: Call) -> Answer:
    """GET /users/me: the user of the session, with its token."""
    return Answer(await call.services.users.me(call.caller))


async def get_my_session(call: Call) -> Answer:
    """GET /sessions/me: the session that asks."""
    return Answer(await call.services.users.my_session(call.caller, call.keys.get("session")))


async def upgrade_session(call: Call) -> Answer:
    """POST /upgradeToRevocableSession: every session here is revocable, so the SDK is given the one it has."""
    return Answer(await call.services.users.my_session(call.caller, call.keys.get("session")))


async def call_function(call: Call, name: str) -> Answer:
    """POST /functions/name: `{"result": …}` of what is defined under that name, `{}` where it has no result.

    What stands in the address is a parameter too.
    """
    objects = call.services.objects
    result = await objects.hooks.call(call.caller, name, {**call.body, **call.query}, objects)
    return Answer({} if result is None else {"result": result})


async def take_event(call: Call, name: str) -> Answer:
    """POST /events/name: what an app tells its analytics; {}, and as with Parse Server by default nothing is kept of it."""
    return Answer({})


async def get_config(call: Call) -> Answer:
    """GET /config: the parameters of the cloud config that the caller may know."""
    return Answer(await call.services.cloud_config.get(call.caller))


async def update_config(call: Call) -> Answer:
    """PUT /config, with the master key: sets parameters of the cloud config."""
    call.require_master()
    await call.services.cloud_config.update(call.caller, call.body.get("params") or {}, call.body.get("masterKeyOnly") or {})
    return Answer({"result": True})


async def get_graphql_config(call: Call) -> Answer:
    """GET /graphql-config, with the master key: which classes GraphQL shows, and how."""
    call.require_master()
    return Answer(call.services.graphql_config.current)


async def update_graphql_config(call: Call) -> Answer:
    """PUT /graphql-config, with the master key: replaces it; the next request is answered by it."""
    call.require_master()
    await call.services.graphql_config.update(call.caller, call.body.get("params"))
    return Answer({"response": {"result": True}})


async def get_schemas(call: Call) -> Answer:
    """GET /schemas, with the master key."""
    call.require_master()
    return Answer({"results": [*call.services.classes.find()]})


async def get_schema(call: Call, class_name: str) -> Answer:
    """GET /schemas/X, with the master key."""
    call.require_master()
    return Answer(call.services.classes.get(class_name))


async def create_schema(call: Call, class_name: str | None = None) -> Answer:
    """POST /schemas or /schemas/X, with the master key."""
    call.require_master()
    return Answer(await call.services.classes.create(_schema_name(call, class_name), call.body))


async def update_schema(call: Call, class_name: str) -> Answer:
    """PUT /schemas/X, with the master key."""
    call.require_master()
    return Answer(await call.services.classes.update(_schema_name(call, class_name), call.body))


async def delete_schema(call: Call, class_name: str) -> Answer:
    """DELETE /schemas/X, with the master key; the class must be empty."""
    call.require_master()
    await call.services.classes.delete(class_name)
    return Answer({})


def _schema_name(call: Call, class_name: str | None) -> str:
    given = call.body.get("className")
    if class_name and given and given != class_name:
        words = f"Class name mismatch between {given} and {class_name}."
        raise ParseError(ErrorCode.INVALID_CLASS_NAME, words)
    name = class_name or given
    if not isinstance(name, str) or not name:
        raise ParseError(ErrorCode.MISSING_REQUIRED_FIELD, f"POST {call.path} needs a class name.")
    return name


async def health(services: Services) -> Answer:
    """GET /health: whether this process serves and its database answers."""
    async with services.database.connection() as connection:
        await connection.execute("select 1")
    return Answer({"status": "ok"})


async def server_info(call: Call) -> Answer:
    """GET /serverInfo, with the master key: the features that dashboards ask for."""
    call.require_master()
    schemas: Object = {
        "addField": True,
        "removeField": True,
        "addClass": True,
        "removeClass": True,
        "clearAllDataFromClass": False,
        "exportClass": False,
        "editClassLevelPermissions": True,
        "editPointerPermissions": True,
    }
    return Answer({"features": {"schemas": schemas}, "parseServerVersion": PARSE_VERSION})


async def get_states(call: Call, class_name: str | None = None) -> Answer:
    """GET /states and /states/X, for who is signed in: which state follows which, for whom, and what it asks for."""
    return Answer(published_states(call.services, call.caller, class_name, call.query.get("field")))


async def get_names(call: Call) -> Answer:
    """GET /names?ids=a,b, for who is signed in: what staff are called, by objectId; others are left out."""
    ids = {each for each in str(call.params.get("ids") or call.query.get("ids") or "").split(",") if each}
    if len(ids) > MOST_NAMES:
        raise ParseError(ErrorCode.INVALID_QUERY, f"ids: ask for at most {MOST_NAMES} at once.")
    names: Object = {**await staff_names(call.services.database, call.caller, ids)}
    return Answer({"results": names})


async def run_batch(call: Call) -> Answer:
    """POST /batch: each part in order with its own outcome; with `"transaction": true` all of them or none."""
    parts = call.body.get("requests")
    if not isinstance(parts, list):
        raise ParseError(ErrorCode.INVALID_JSON, "requests must be an array")
    most = call.services.settings.batch_requests
    if len(parts) > most:
        raise ParseError(ErrorCode.INVALID_JSON, f"A batch holds at most {most} requests; send {len(parts)} in several.")
    works = [partial(_run_part, _batch_call(call, index, part)) for index, part in enumerate(parts)]
    outcomes = await call.services.objects.batch(works, transaction=call.body.get("transaction") is True)
    return Answer(b"[" + b",".join(outcomes) + b"]")


def _batch_call(call: Call, index: int, part: Json) -> Call:
    """A part as a call of its own; of a numbered batch each part has a number, so that only what is missing is done again."""
    if not isinstance(part, dict) or not isinstance(part.get("path"), str):
        raise ParseError(ErrorCode.INVALID_JSON, "batch request path must be a string")
    path, mount = str(part["path"]), call.services.settings.mount
    if not path.startswith(mount + "/"):
        raise ParseError(ErrorCode.INVALID_JSON, f"cannot route batch path {path}")
    method = str(part.get("method") or "GET").upper()
    path = posixpath.normpath("/" + path.removeprefix(mount).lstrip("/"))  # it would keep two slashes at the front
    if path == "/batch":
        raise ParseError(ErrorCode.INVALID_JSON, "nested batch requests are not allowed")
    body = part.get("body") or {}
    if not isinstance(body, dict):
        raise ParseError(ErrorCode.INVALID_JSON, "batch request body must be an object")
    params, body = (body, {}) if method == "GET" else ({}, body)
    keys = {**call.keys, "request": f"{call.keys['request']} {index}"} if "request" in call.keys else call.keys
    return replace(call, method=method, path=path, params=params, body=body, keys=keys)


async def _run_part(call: Call, tx: Connection | None) -> bytes:
    try:
        return (await dispatch(replace(call, tx=tx))).to_bytes()
    except RefusedError as error:
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, error.message) from error


async def dispatch(call: Call) -> Answer:
    """Finds the route of a call and runs it. Raises ParseError 107 for a route that is not there."""
    segments = call.path.strip("/").split("/")
    for entry in ROUTES.get(segments[0], ()):
        if (named := entry.match(call.method, segments)) is not None:
            return await _run_once(call, entry, named) if entry.once else await entry.handler(call, **named)
    raise ParseError(ErrorCode.INVALID_JSON, f"cannot route {call.method} {call.path}")


async def _run_once(call: Call, entry: Route, named: dict[str, str]) -> Answer:
    """Runs a route that writes; once, when the client gave the request a number. Raises 159 for one that was done before."""
    number, once = call.keys.get("request"), call.services.once
    if not number or not once.covers(call.path.strip("/")):
        return await entry.handler(call, **named)
    is_account = entry.path.startswith("/users") or named.get("class_name") == "_User"
    is_proven = is_account and call.tx is None and "authData" in call.body
    if is_proven:
        await once.check(call.caller, number)
        call = replace(call, body=await call.services.users.prove_ahead(call.caller, call.body, named.get("object_id")))

    async def work(tx: Connection) -> Answer:
        return await entry.handler(replace(call, tx=tx), **named)

    try:
        return await once.run(call.caller, number, work, tx=call.tx)
    except ParseError as error:
        if not is_proven or error.code != ErrorCode.ACCOUNT_ALREADY_LINKED:
            raise
    return await once.run(call.caller, number, work)  # another device was faster: whose account it is is known by now


def _crud(path: str, class_name: str) -> list[Route]:
    return [
        Route("GET", path, _of_class(find_objects, class_name)),
        Route("POST", path, _of_class(create_object, class_name), once=True),
        Route("GET", path + "/{object_id}", _of_class(get_object, class_name)),
        Route("PUT", path + "/{object_id}", _of_class(update_object, class_name), once=True),
        Route("DELETE", path + "/{object_id}", _of_class(delete_object, class_name)),
    ]


_SYSTEM_PATHS = {"_User": "/users", "_Role": "/roles", "_Session": "/sessions", "_Installation": "/installations"}


def _class_path(class_name: str) -> str:
    return _SYSTEM_PATHS.get(class_name, f"/classes/{class_name}")


def _table() -> dict[str, list[Route]]:
    routes = [
        Route("GET", "/classes/{class_name}", find_objects),
        Route("POST", "/classes/{class_name}", create_object, once=True),
        Route("GET", "/classes/{class_name}/{object_id}", get_object),
        Route("PUT", "/classes/{class_name}/{object_id}", update_object, once=True),
        Route("DELETE", "/classes/{class_name}/{object_id}", delete_object),
        Route("POST", "/users", sign_up, once=True),
        Route("GET", "/users/me", get_me),
        Route("GET", "/login", log_in),
        Route("POST", "/login", log_in),
        Route("POST", "/challenge", challenge),
        Route("GET", "/verifyPassword", verify_password),
        Route("POST", "/verifyPassword", verify_password),
        Route("POST", "/loginAs", log_in_as),
        Route("POST", "/logout", log_out),
        Route("POST", "/requestPasswordReset", request_password_reset),
        Route("POST", "/verificationEmailRequest", request_verification_email),
        Route("GET", "/sessions/me", get_my_session),
        Route("POST", "/upgradeToRevocableSession", upgrade_session),
        *(entry for name, path in _SYSTEM_PATHS.items() for entry in _crud(path, name)),
        Route("GET", "/aggregate/{class_name}", aggregate_objects),
        Route("DELETE", "/purge/{class_name}", purge_class),
        Route("POST", "/functions/{name}", call_function, once=True),
        Route("POST", "/events/{name}", take_event),
        Route("GET", "/config", get_config),
        Route("PUT", "/config", update_config),
        Route("GET", "/graphql-config", get_graphql_config),
        Route("PUT", "/graphql-config", update_graphql_config),
        Route("GET", "/schemas", get_schemas),
        Route("POST", "/schemas", create_schema),
        Route("GET", "/schemas/{class_name}", get_schema),
        Route("POST", "/schemas/{class_name}", create_schema),
        Route("PUT", "/schemas/{class_name}", update_schema),
        Route("DELETE", "/schemas/{class_name}", delete_schema),
        Route("POST", "/batch", run_batch),
        Route("GET", "/serverInfo", server_info),
        Route("GET", "/names", get_names),
        Route("GET", "/states", get_states),
        Route("GET", "/states/{class_name}", get_states),
    ]
    table: dict[str, list[Route]] = {}
    for entry in routes:
        table.setdefault(entry.path.split("/")[1], []).append(entry)
    return table


ROUTES = _table()
"""Every route of the door by its first segment."""


class ParseController(Controller):
    """Serves the route table; mounted by main on the path of the settings."""

    exception_handlers: ClassVar[dict[type[Exception] | int, Any]] = {Exception: answer_error}  # type: ignore[misc]  # Litestar's own is not ClassVar

    @route("/{path:path}", http_method=["GET", "POST", "PUT", "DELETE"], status_code=200, include_in_schema=False)
    async def serve(self) -> ASGIApp:
        """Any route of the API. It asks for no arguments: to look for them costs Litestar more than to find the route."""
        return _serve

    @route("/{path:path}", http_method=["OPTIONS"], status_code=200, include_in_schema=False)
    async def preflight(self, path: str) -> Answer:
        """What a browser asks before a cross-origin call; keys travel in headers, never in cookies."""
        return Answer(b"")


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    """One request; a health check needs no keys."""
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    services, path = services_of(request), str(request.path_params["path"])
    answer = await health(services) if path == "/health" else await dispatch(await read_call(request, services, path))
    await answer(scope, receive, send)
