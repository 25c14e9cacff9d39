"""createFile: a file of a multipart request, stored.

Owns: the mutation and `store_upload`. Holds: nothing is decided here. May import actions and below, api/graphql.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from graphql import GraphQLField, GraphQLResolveInfo
from litestar.datastructures import UploadFile

from app.actions.files import Upload
from app.api.graphql.context import Context
from app.api.graphql.mutations import mutation
from app.api.graphql.scalars import UPLOAD
from app.api.graphql.statics import Statics, read, required
from app.core.wire import Object
from app.errors import ErrorCode, ParseError

_CHUNK = 64 * 1024


def file_mutations(statics: Statics) -> dict[str, GraphQLField]:
    """createFile."""
    shown = {"fileInfo": GraphQLField(required(statics.file_info), resolve=read)}
    return {"createFile": mutation("CreateFile", {"upload": required(UPLOAD)}, shown, _create_file)}


async def store_upload(context: Context, upload: Any) -> Object:
    """Stores a file of a multipart request; its File object. Raises as POST /files."""
    if not isinstance(upload, UploadFile):
        words = "Send the file as a part of a multipart request (GraphQL multipart request specification)."
        raise ParseError(ErrorCode.FILE_SAVE_ERROR, words)
    await context.services.files.check_uploader(context.caller)
    name = await context.services.files.save(context.caller, Upload(upload.filename, upload.content_type), _chunks(upload))
    return {"__type": "File", "name": name, "url": context.file_url(name)}


async def _chunks(upload: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await upload.read(_CHUNK):
        yield chunk


async def _create_file(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    return {"fileInfo": await store_upload(context, given["upload"])}
