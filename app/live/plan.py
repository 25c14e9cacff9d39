"""What a subscription comes to for one caller: the live query, what is hidden, and the find that begins it.

Owns: `Plan` and `Planner`, every check between a client's words and a live query. Always holds: a class that is
closed to the caller, a field that is hidden from it, and a condition that a change alone cannot decide are refused
here, with the reason, before anything is read. May import core, actions and live.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.actions.caller import ANONYMOUS, MASTER, Caller, resolve
from app.actions.objects import Objects
from app.actions.visibility import View, check_collection
from app.config import Settings
from app.core import nodes as ast
from app.core.match import compile_match
from app.core.query import parse_where
from app.core.schema import ClassSchema, class_schema
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from app.live.protocol import Protocol, Subscription
from app.live.redaction import Redaction
from app.store.schemas import Schemas

MOST_RESULTS = 10_000
"""Objects a snapshot may hold."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`where` is what the client asked and the permissions of the class add, without the ACL: that is asked by principal.

    `permits` is what the permissions add (pointer permissions), None for nothing: an image that it refuses is never shown.
    """

    caller: Caller
    schema: ClassSchema
    where: ast.Node
    redaction: Redaction
    find: ast.Query
    permits: Callable[[Object], bool] | None = None


class Planner:
    """Finds out for whom a subscription reads, and what it comes to."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def plan(self, protocol: Protocol, subscription: Subscription) -> Plan:
        """Raises as `make_plan`, and 209 where the session has ended."""
        caller = await self._caller(protocol, subscription)
        return make_plan(subscription, caller, self._objects.schemas, self._objects.settings)

    async def _caller(self, protocol: Protocol, subscription: Subscription) -> Caller:
        """Its own session comes before that of the connection."""
        if protocol.is_master:
            return MASTER
        token = subscription.session_token or protocol.session_token
        if token is None:
            return ANONYMOUS
        async with self._objects.database.connection() as connection:
            return await resolve(connection, token)


def make_plan(subscription: Subscription, caller: Caller, schemas: Schemas, settings: Settings) -> Plan:
    """Raises ParseError: 102 what cannot be asked live, 119 what may not, 209 sessions of nobody."""
    if subscription.extras:
        name = sorted(subscription.extras)[0]
        words = f"A live query does not keep {name!r}; leave it out, or ask for it with a find."
        raise ParseError(ErrorCode.INVALID_QUERY, words)
    class_name = subscription.class_name
    check_collection("find", class_name, caller)
    view = View(schemas, settings, caller)
    schema = view.schema(class_name) or class_schema(class_name, {})
    asked = parse_where(schema, subscription.where)
    allowed = view.allowed(schema, _operation(subscription))
    redaction = Redaction(schema, caller.authority)
    _check_askable(asked, subscription, caller, redaction)
    permitted = _without_acl(allowed)
    return Plan(
        caller=caller,
        schema=schema,
        where=ast.both(asked, permitted),
        redaction=redaction,
        find=ast.Query(class_name, where=asked, limit=MOST_RESULTS + 1, keys=subscription.keys),
        permits=None if isinstance(permitted, ast.Everything) else compile_match(schema, permitted),
    )


def _operation(subscription: Subscription) -> Literal["get", "find"]:
    """Parse asks for `get` where the where names one object and nothing else."""
    named = subscription.where.keys() == {"objectId"} and isinstance(subscription.where["objectId"], str)
    return "get" if named else "find"


def _check_askable(asked: ast.Node, subscription: Subscription, caller: Caller, redaction: Redaction) -> None:
    if caller.is_master:
        return
    watched = {name.split(".")[0] for name in subscription.watch or ()}
    if (ast.field_names(asked) | watched) & redaction.hidden:
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "Permission denied")


def _without_acl(allowed: ast.Node) -> ast.Node:
    if isinstance(allowed, ast.Allowed):
        return ast.Everything()
    if isinstance(allowed, ast.And):
        return ast.both(*(_without_acl(child) for child in allowed.children))
    return allowed
