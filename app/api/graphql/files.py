"""createFile: a file of a multipart request, stored.

Owns: the mutation and `store_upload`. Holds: nothing is decided here. May import actions and below, api/graphql.
"""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLField, GraphQLResolveInfo

from app.api.graphql.context import Context
from app.api.graphql.mutations import mutation
from app.api.graphql.scalars import UPLOAD
from app.api.graphql.statics import Statics, read, required
from app.core.wire import Object
from app.errors import ErrorCode, ParseError


def file_mutations(statics: Statics) -> dict[str, GraphQLField]:
    """createFile."""
    shown = {"fileInfo": GraphQLField(required(statics.file_info), resolve=read)}
    return {"createFile": mutation("CreateFile", {"upload": required(UPLOAD)}, shown, _create_file)}


async def store_upload(context: Context, upload: Any) -> Object:
    """Stores an uploaded file; its File object. Raises 108 until this server stores files."""
    raise ParseError(ErrorCode.COMMAND_UNAVAILABLE, "This server stores no files yet.")


async def _create_file(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    return {"fileInfo": await store_upload(context, given["upload"])}
