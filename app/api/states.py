"""The door for state machines: `GET /states/<Class>`, beside the route of the same name under the mount.

Owns: what is published of the machines, and the address without the mount, where a browser may be shown a page instead. Always
holds: it is the table itself that writes are judged by, made to JSON once at the start; only who is signed in sees it. May import
actions and below, api/request, litestar.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from app.actions.caller import Caller
from app.api.request import Answer, Services, caller_of, caller_with, keys_in_headers, services_of
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError

DRAW = "draw_states"
"""The name in the application's state of what draws a page of a class's machines, where there is one."""

Draw = Callable[[Request[Any, Any, Any], Caller, str], Awaitable[ASGIApp]]


def published_states(services: Services, caller: Caller, class_name: str | None, field: str | None) -> Object:
    """The machine of a class, or without a class which there are.

    Raises 101 to who is not signed in, 103 for a class without states, 102 where a class has several and `field` names none.
    """
    if caller.user_id is None and not caller.is_master:
        raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Permission denied, user needs to be authenticated.")
    if class_name is None:
        every = (machine for machines in services.states.values() for machine in machines)
        listed: list[Json] = [{"className": machine["className"], "field": machine["field"]} for machine in every]
        return {"results": listed}
    machines = services.states.get(class_name, ())
    if not machines:
        known = ", ".join(sorted(services.states)) or "no class"
        raise ParseError(ErrorCode.INVALID_CLASS_NAME, f"{class_name} has no states; {known} has.")
    found = [machine for machine in machines if machine["field"] == field] or list(machines if field is None else ())
    if len(found) != 1:
        fields = " or ".join(f"?field={machine['field']}" for machine in machines)
        raise ParseError(ErrorCode.INVALID_QUERY, f"Say which states of {class_name}: {fields}.")
    return found[0]


def states_handler() -> HTTPRouteHandler:
    """The handler for an application whose state holds `services`, and perhaps what draws."""
    return route(["/states", "/states/{class_name:str}"], http_method=["GET"], status_code=200, include_in_schema=False)(_serve)


async def _serve(request: Request[Any, Any, Any], class_name: str | None = None) -> ASGIApp:
    services = services_of(request)
    keys = keys_in_headers(dict(request.scope["headers"]))
    caller = await (caller_with(services, keys, request, "/states") if "application" in keys else caller_of(request, services))
    draw: Draw | None = request.app.state.get(DRAW)
    if draw is not None and class_name is not None and "text/html" in request.headers.get("accept", ""):
        return await draw(request, caller, class_name)
    return Answer(published_states(services, caller, class_name, request.query_params.get("field")))
