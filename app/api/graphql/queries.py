"""The queries: one object, many objects, any node, health, viewer, classes.

Owns: the fields of `Query`. Holds: each is one read of the actions. May import actions and below, api/graphql.
"""

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
)

from app.api.graphql import names
from app.api.graphql.context import Context
from app.api.graphql.execution import Loaded, guarded, selection_of
from app.api.graphql.selection import written_page
from app.api.graphql.statics import Statics, many, required
from app.api.graphql.types import ClassTypes
from app.errors import ErrorCode, ParseError


def class_queries(types: ClassTypes) -> dict[str, GraphQLField]:
    """The queries of one class: by id, and many."""
    config, fields = types.config, {}
    if config.allows("get"):
        by_id = {"id": GraphQLArgument(required(GraphQLID)), "options": GraphQLArgument(types.statics.read_options)}
        words = f"One object of the class {types.class_name}, by its global id or objectId."
        one = config.name_of("get", types.field_name)
        fields[one] = GraphQLField(required(types.object), by_id, _get(types), description=words)
    found = config.name_of("find", names.plural(types.field_name))
    if config.allows("find") and found not in fields:
        words = f"Objects of the class {types.class_name}."
        fields[found] = GraphQLField(required(types.connection), types.find_arguments(), _find(types), description=words)
    return fields


def shared_queries(statics: Statics) -> dict[str, GraphQLField]:
    """The queries that hang on no class."""
    name = {"name": GraphQLArgument(required(GraphQLString))}
    return {
        "node": GraphQLField(statics.node, {"id": GraphQLArgument(required(GraphQLID))}, guarded(_node)),
        "health": GraphQLField(required(GraphQLBoolean), resolve=guarded(_health)),
        "class": GraphQLField(required(statics.a_class), name, guarded(_class)),
        "classes": GraphQLField(required(many(statics.a_class)), resolve=guarded(_classes)),
    }


def viewer_query(viewer: GraphQLObjectType) -> dict[str, GraphQLField]:
    """Who asks."""
    return {"viewer": GraphQLField(required(viewer), resolve=guarded(_viewer))}


def _get(types: ClassTypes) -> Any:
    async def resolve(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Loaded:
        return await load_object(info, types, names.object_id_of(types.class_name, arguments["id"]))

    return guarded(resolve)


def _find(types: ClassTypes) -> Any:
    async def resolve(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Loaded:
        context: Context = info.context
        selection = selection_of(info)
        plan = selection.of_connection(types, info.field_nodes, arguments)
        page = await context.find(plan)
        return Loaded(selection.output, lambda: written_page(plan, page))

    return guarded(resolve)


async def load_object(info: GraphQLResolveInfo, types: ClassTypes, object_id: str, **beside: Any) -> Loaded:
    """One object as the field's selection asks; `beside` is told with what is stored. Raises 101."""
    context: Context = info.context
    selection = selection_of(info)
    plan = selection.of_object(types, info.field_nodes)
    row = {**await context.get(plan, object_id), **beside}
    return Loaded(selection.output, lambda: plan.writer.write(row))


async def _node(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Loaded:
    context: Context = info.context
    class_name, object_id = names.from_global_id(arguments["id"])
    types = context.classes.get(class_name)
    if types is None:
        raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Object not found.")
    return await load_object(info, types, object_id)


async def _health(_: Any, info: GraphQLResolveInfo) -> bool:
    context: Context = info.context
    async with context.services.database.connection() as connection:
        await connection.execute("select 1")
    return True


async def _viewer(_: Any, info: GraphQLResolveInfo) -> dict[str, Any]:
    context: Context = info.context
    caller = context.caller
    if caller.session_token is None or caller.user_id is None:
        raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Invalid session token")
    return {"sessionToken": caller.session_token, "user": caller.user_id}


def viewer_type(users: ClassTypes) -> GraphQLObjectType:
    """The type `Viewer`; its user is an id until it is asked for."""

    async def resolve(source: dict[str, Any], info: GraphQLResolveInfo) -> Loaded:
        return await load_object(info, users, source["user"], authDataResponse=source.get("authDataResponse"))

    fields = {
        "sessionToken": GraphQLField(required(GraphQLString)),
        "user": GraphQLField(required(users.object), resolve=guarded(resolve)),
    }
    return GraphQLObjectType("Viewer", fields, description="Who asks: the account and the session.")


async def _class(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    context: Context = info.context
    context.require_master()
    return class_to_graphql(context.services.classes.get(arguments["name"]))


async def _classes(_: Any, info: GraphQLResolveInfo) -> list[dict[str, Any]]:
    context: Context = info.context
    context.require_master()
    return [class_to_graphql(each) for each in context.services.classes.find()]


def class_to_graphql(wire: Any) -> dict[str, Any]:
    """A class of /schemas as the type `Class` shows it, ACL last."""
    fields = {name: column for name, column in wire["fields"].items() if name != "ACL"} | {"ACL": wire["fields"]["ACL"]}
    shown = [
        {"name": name, "type": column["type"], "targetClassName": column.get("targetClass")} for name, column in fields.items()
    ]
    return {"name": wire["className"], "schemaFields": shown}
