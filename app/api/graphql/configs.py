"""The cloud config over GraphQL: one parameter shown, one set.

Owns: `cloudConfig` and `updateCloudConfig`. Holds: both are for the master key, and are the actions behind /config. May import
actions and below, api/graphql.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLInputField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
)

from app.api.graphql.context import Context
from app.api.graphql.execution import guarded
from app.api.graphql.mutations import mutation
from app.api.graphql.statics import out, read, required
from app.errors import ErrorCode, ParseError


def config_type() -> GraphQLObjectType:
    """The type `ConfigValue`."""
    return out("ConfigValue", {"value": GraphQLString, "isMasterKeyOnly": GraphQLBoolean})


def config_query(config: GraphQLObjectType) -> dict[str, GraphQLField]:
    """cloudConfig."""
    parameter = {"paramName": GraphQLArgument(required(GraphQLString))}
    words = "One parameter of the cloud config; with the master key."
    return {"cloudConfig": GraphQLField(required(config), parameter, guarded(_show), description=words)}


def config_mutation(config: GraphQLObjectType) -> dict[str, GraphQLField]:
    """updateCloudConfig."""
    inputs = {
        "paramName": required(GraphQLString),
        "value": required(GraphQLString),
        "isMasterKeyOnly": GraphQLInputField(
            GraphQLBoolean, default_value=False, description="Whether it is told to the master key alone."
        ),
    }
    shown = {"cloudConfig": GraphQLField(required(config), resolve=read)}
    return {"updateCloudConfig": mutation("UpdateCloudConfig", inputs, shown, _update)}


async def _show(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    context: Context = info.context
    _require_master(context, "access")
    config: Any = await context.services.cloud_config.get(context.caller)
    name = arguments["paramName"]
    if name not in config["params"]:
        return {"value": None, "isMasterKeyOnly": None}
    return {"value": config["params"][name], "isMasterKeyOnly": config["masterKeyOnly"].get(name)}


async def _update(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    _require_master(context, "update")
    name, value, flag = given["paramName"], given["value"], bool(given.get("isMasterKeyOnly"))
    await context.services.cloud_config.update(context.caller, {name: value}, {name: flag})
    return {"cloudConfig": {"value": value, "isMasterKeyOnly": flag}}


def _require_master(context: Context, verb: str) -> None:
    if not context.caller.is_master:
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, f"Master Key is required to {verb} GlobalConfig.")
