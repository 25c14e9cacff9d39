"""The door for GraphQL over HTTP: POST with JSON or with files, GET for queries, and the explorer for browsers.

Owns: how a request becomes ariadne's data, and an outcome an answer with Apollo's codes and status, which clients of Parse Server
know. Holds: keys are checked as on the REST door and before anything is read; a session cookie counts only for a page of our own
origin; no error tells more than its sentence. May import actions and below, live/hub, api/request, api/graphql.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from ariadne.asgi.handlers import GraphQLHTTPHandler
from ariadne.exceptions import HttpBadRequestError
from ariadne.file_uploads import combine_multipart_data
from graphql import GraphQLError
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send
from starlette.requests import Request as AriadneRequest

from app.actions.caller import Caller
from app.api.graphql.context import Context
from app.api.graphql.documents import INTROSPECTION_DISABLED, PARSE_FAILED, VALIDATION_FAILED, Documents
from app.api.graphql.execution import Executor, to_graphql
from app.api.graphql.limits import limits_of
from app.api.graphql.schema import Schemata
from app.api.request import Answer, Services, caller_with, keys_in_headers
from app.config import Settings
from app.core.wire import Object, decode
from app.errors import ErrorCode, ParseError
from app.live.hub import Hub

_log = logging.getLogger("careboard.graphql")
_refusals = logging.getLogger("careboard.graphql.refusals")
_refusals.setLevel(logging.CRITICAL)  # a client's mistakes are told to the client; what is ours is logged where it is translated

_HINT = re.compile(r" ?Did you mean .+\?$")
_NAME = re.compile(r"'([^']*)'")
_STATUS = {"BAD_USER_INPUT": 400, VALIDATION_FAILED: 400, PARSE_FAILED: 400, INTROSPECTION_DISABLED: 403}
_NO_BODY = "POST body missing, invalid Content-Type, or JSON object has no keys."

Explorer = Callable[[Request[Any, Any, Any]], Awaitable[ASGIApp]]
"""The page for browsers."""


class GraphQLDoor:
    """What HTTP and sockets share: the schema of now, documents, and how errors are told."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self.services = services
        self.hub = hub
        functions = services.objects.hooks.functions
        self.schemata = Schemata(services.objects.schemas, functions, services.filled, lambda: services.graphql_config.current)
        self.documents = Documents(limits_of(services.settings))

    async def context(self, caller: Caller, keys: dict[str, str]) -> Context:
        """What the resolvers of one request share."""
        allowed = may_introspect(self.services.settings, caller)
        build = await self.schemata.current()
        return Context(self.services, self.hub, caller, build.classes, keys, may_introspect=allowed, schema=build.schema)


def may_introspect(settings: Settings, caller: Caller) -> bool:
    """Who may ask for the schema: everybody, whoever is signed in, or the master key alone."""
    if caller.is_master or settings.graphql_introspection == "public":
        return True
    return settings.graphql_introspection == "session" and caller.user_id is not None


class HttpDoor(GraphQLHTTPHandler):
    """Answers HTTP requests."""

    def __init__(self, door: GraphQLDoor, explorer: Explorer) -> None:
        super().__init__()
        self._door = door
        self._explorer = explorer
        self.query_parser = door.documents.parse
        self.query_validator = door.documents.validate
        self.execution_context_class = Executor
        self.error_formatter = told
        self.logger = _refusals
        self.introspection = True

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]  # Litestar's names of ASGI
        """One request. What is refused before GraphQL is raised, as on the REST door."""
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        if request.method == "OPTIONS":
            await Answer(b"")(scope, receive, send)
        elif request.method == "GET" and "query" not in request.query_params:
            await (await self._explorer(request))(scope, receive, send)
        elif request.method in ("GET", "POST"):
            await (await self._answer(request))(scope, receive, send)
        else:
            raise HTTPException(status_code=405, detail="Send GraphQL with POST.")

    async def _answer(self, request: Request[Any, Any, Any]) -> Answer:
        door = self._door
        keys = keys_in_headers(dict(request.scope["headers"]))
        caller = await caller_with(door.services, keys, request, "/graphql")
        context = await door.context(caller, keys)
        try:
            data = await self._read(request, caller)
        except ParseError as error:
            return _answered({"errors": [told(to_graphql(error))], "data": None}, context)
        except HttpBadRequestError as error:
            return _failed(error.message or "The request cannot be read.", "BAD_REQUEST")
        build = await door.schemata.current()
        self.schema, context.classes = build.schema, build.classes
        asked = AriadneRequest(dict(request.scope))  # it tells ariadne whether mutations are allowed: not by GET
        try:
            _, result = await self.execute_graphql_query(asked, data, context_value=context)
        except RecursionError:
            return _failed("The variables are nested too deeply.", "BAD_USER_INPUT")
        return _answered(result, context)

    async def _read(self, request: Request[Any, Any, Any], caller: Caller) -> dict[str, Any]:
        """The query, its variables and the operation's name."""
        if request.method == "GET":
            data: Any = self.extract_data_from_get_request(AriadneRequest(dict(request.scope)))
            return dict(data)
        kind = request.content_type[0]
        if kind == "multipart/form-data":
            return await _read_multipart(request, self._door.services, caller)
        if kind not in ("application/json", "application/graphql-response+json"):
            raise HttpBadRequestError(_NO_BODY)
        try:
            data = decode(await _body(request))
        except ParseError as error:
            raise HttpBadRequestError(error.message) from error
        if isinstance(data, list):
            raise HttpBadRequestError("Operation batching disabled.")
        if not isinstance(data, dict) or not data:
            raise HttpBadRequestError(_NO_BODY)
        return data


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """The body, as far as the settings allow."""
    most, raw = request.app.state.services.settings.max_body_bytes, bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > most:
            raise HTTPException(status_code=413)
    return bytes(raw)


async def _read_multipart(request: Request[Any, Any, Any], services: Services, caller: Caller) -> dict[str, Any]:
    """GraphQL multipart request specification: operations, map, files."""
    await services.files.check_uploader(caller)
    most = services.settings.max_file_bytes + services.settings.max_body_bytes
    form = await Request(request.scope, _bounded(request.receive, most)).form()
    try:
        operations, places = json.loads(form["operations"]), json.loads(form["map"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise HttpBadRequestError("A multipart request needs `operations` and `map`, both JSON, and the files.") from None
    files = {name: value for name, value in form.items() if name not in ("operations", "map")}
    combined = combine_multipart_data(operations, places, files)
    if not isinstance(combined, dict):
        raise HttpBadRequestError("Operation batching disabled.")
    return combined


def _bounded(receive: Receive, most: int) -> Receive:
    """A body of at most so many bytes."""
    taken = 0

    async def receive_bounded() -> Any:
        nonlocal taken
        message: Any = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(status_code=413)
        return message

    return receive_bounded


def _answered(result: dict[str, Any], context: Context) -> Answer:
    """An outcome with its status: 400 for what never ran, else 200, also with errors, as Apollo's server answers."""
    status = 200
    for error in result.get("errors") or ():
        never_ran = _STATUS.get(error["extensions"]["code"])
        if never_ran is not None:
            status = max(status, never_ran)
            result.pop("data", None)
            error["message"] = _NAME.sub(r'"\1"', error["message"])  # as graphql-js quotes names
        if not context.may_introspect:
            error["message"] = _HINT.sub("", error["message"])
    ordered: Object = {key: result[key] for key in ("errors", "data") if key in result}
    return Answer(ordered, status)


def _failed(words: str, code: str) -> Answer:
    return Answer({"errors": [{"message": words, "extensions": {"code": code}}]}, 400)


def told(error: GraphQLError, _: bool = False) -> dict[str, Any]:
    """An error as a client is told it; what is not meant for clients is logged."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    formatted: dict[str, Any] = dict(error.formatted)
    extensions = dict(error.extensions or {})
    is_ours = cause is not None and not isinstance(cause, ParseError) and not str(cause).startswith("Cannot return null")
    if is_ours and "code" not in extensions:
        _log.error("a GraphQL field failed: %s", error.path, exc_info=cause)
        formatted["message"] = "Internal server error."
        extensions["code"] = int(ErrorCode.INTERNAL_SERVER_ERROR)
    extensions.setdefault("code", "BAD_USER_INPUT" if error.path is None else "INTERNAL_SERVER_ERROR")
    return {**formatted, "extensions": extensions}
