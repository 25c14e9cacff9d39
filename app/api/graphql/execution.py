"""How a request is executed: graphql-core runs the root fields, a class's objects are written by their plans.

Owns: `Executor`, `Loaded`, and `guarded`, the one place where an error of ours becomes a GraphQL error. Holds: the answer is what
graphql-core alone would give, at the price of one dict per object instead of a resolver call per field; an unforeseen error
is logged and told as nothing but that. May import api/graphql.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from graphql import ExecutionContext, FieldNode, GraphQLError, GraphQLOutputType, GraphQLResolveInfo
from graphql.pyutils import AwaitableOrValue, Path

from app.api.graphql.context import Context
from app.api.graphql.projection import NullError, Output
from app.api.graphql.selection import Selection
from app.errors import ErrorCode, ParseError

_log = logging.getLogger("careboard.graphql")

Resolver = Callable[..., Any]


@dataclass(slots=True)
class Loaded:
    """The value of a field, read and planned: `write` makes its part of the answer."""

    output: Output
    write: Callable[[], Any]


class Executor(ExecutionContext):
    """graphql-core's execution, with a short way for what is `Loaded`."""

    def complete_value(
        self, return_type: GraphQLOutputType, field_nodes: list[FieldNode], info: GraphQLResolveInfo, path: Path, result: Any
    ) -> AwaitableOrValue[Any]:
        """Writes what is loaded; leaves the rest to graphql-core."""
        if type(result) is not Loaded:
            return super().complete_value(return_type, field_nodes, info, path, result)
        try:
            return result.write()
        except NullError as null:
            raise null.error from null
        finally:
            for error in result.output.errors:
                self.collected_errors.add(error, _path_of(error))


def selection_of(info: GraphQLResolveInfo, *, finished: bool = False) -> Selection:
    """The selections of one field's operation, written from where the field stands."""
    context: Context = info.context
    output = Output(info.path.as_list(), finished=finished)
    return Selection(info.schema, info.fragments, info.variable_values, context.classes, output, context.file_url)


def guarded(resolver: Callable[..., Awaitable[Any]]) -> Resolver:
    """A resolver whose refusals carry Parse's code in `extensions`, as clients of Parse Server expect it."""

    @wraps(resolver)
    async def resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        try:
            return await resolver(source, info, **arguments)
        except ParseError as error:
            raise to_graphql(error) from error
        except GraphQLError:
            raise
        except Exception as error:
            _log.exception("a GraphQL field failed: %s", info.field_name)
            raise to_graphql(ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "Internal server error.")) from error

    return resolve


def to_graphql(error: ParseError) -> GraphQLError:
    """A refusal as GraphQL tells it."""
    return GraphQLError(error.message, extensions={"code": int(error.code)})


def _path_of(error: GraphQLError) -> Path | None:
    path: Path | None = None
    for key in error.path or ():
        path = Path(path, key, None)
    return path
