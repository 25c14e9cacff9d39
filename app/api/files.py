"""The door for files: `POST /files/<name>`, `GET /files/<appId>/<name>` in parts or whole, its metadata, and DELETE.

Owns: both forms of an upload (raw bytes with keys in headers; the SDKs' JSON with base64 and keys in the body), ranges and the
headers of an answer. Always holds: raw bytes stream in and out, never a whole file in memory, and none is read before its sender
may upload; a browser never runs what somebody uploaded. Routes and words follow Parse Server's FilesRouter. May import
actions and below, api/request, litestar.
"""

import base64
import binascii
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from app.actions.caller import ANONYMOUS, MASTER, Caller, resolve
from app.actions.files import Upload, too_large
from app.api.request import (
    COOKIE,
    FIXED_HEADERS,
    Answer,
    RefusedError,
    Services,
    address_of,
    caller_with,
    check_master_key,
    keys_in_headers,
    read_body,
    services_of,
    take_keys,
)
from app.core.wire import Json, decode
from app.errors import ErrorCode, ParseError
from app.store.files import Stored

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_SHOWN = ("image/", "audio/", "video/", "text/plain", "application/pdf")
"""Types that a browser may show in place; what could hold a script is only ever saved."""

_HEADERS = {
    **FIXED_HEADERS,
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Accept-Ranges": "bytes",
}


def file_handlers(mount: str) -> list[HTTPRouteHandler]:
    """The handlers for an application whose state holds `services`."""
    at: dict[str, Any] = {"include_in_schema": False, "status_code": 200}
    read = ["GET", "HEAD", "OPTIONS"]
    return [
        route(f"{mount}/files", http_method=["POST", "OPTIONS"], **at)(_no_name),
        route(f"{mount}/files/{{name:str}}", http_method=["POST", "DELETE", "OPTIONS"], request_max_body_size=None, **at)(_write),
        route(f"{mount}/files/{{app_id:str}}/{{name:path}}", http_method=read, **at)(_read),  # type: ignore[arg-type]  # names, not literals
        route(f"{mount}/files/{{app_id:str}}/{{name:path}}", http_method=["POST", "DELETE"], request_max_body_size=None, **at)(
            _write_within
        ),
        route(f"{mount}/files/{{app_id:str}}/metadata/{{name:str}}", http_method=read, **at)(_metadata),  # type: ignore[arg-type]  # as above
    ]


async def _no_name(request: Request[Any, Any, Any]) -> Answer:
    if request.method == "OPTIONS":
        return Answer(b"")
    raise ParseError(ErrorCode.INVALID_FILE_NAME, "Filename not provided.")


async def _write(request: Request[Any, Any, Any], name: str) -> Answer:
    services = services_of(request)
    match request.method:
        case "OPTIONS":
            return Answer(b"")
        case "DELETE":
            caller = await caller_with(services, keys_in_headers(dict(request.scope["headers"])), request, "/files")
            if not caller.is_master:
                raise RefusedError(403, "unauthorized: master key is required")
            await services.files.delete(caller, name)
            return Answer({})
    keys = keys_in_headers(dict(request.scope["headers"]))
    stored = await (_save_raw(request, services, keys, name) if "application" in keys else _save_json(request, services, name))
    url = services.settings.file_urls + quote(stored, safe="")
    return Answer({"url": url, "name": stored}, 201, {"Location": url})


async def _write_within(request: Request[Any, Any, Any], app_id: str, name: str) -> Answer:
    """A name with a slash in it, which reaches us decoded (`a%2Fb`): refused as every wrong name is, in its turn."""
    return await _write(request, app_id + name)


async def _save_raw(request: Request[Any, Any, Any], services: Services, keys: dict[str, str], name: str) -> str:
    """The body is the file, as it is."""
    caller = await caller_with(services, keys, request, "/files")
    await services.files.check_uploader(caller)
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > services.settings.max_file_bytes:
        raise too_large(services.settings.max_file_bytes)
    if request.headers.get("x-parse-file-directory"):
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "Files are not kept in directories; leave X-Parse-File-Directory out.")
    upload = Upload(
        name,
        request.headers.get("content-type"),
        _in_header(request, "X-Parse-File-Metadata"),
        _in_header(request, "X-Parse-File-Tags"),
    )
    return await services.files.save(caller, upload, request.stream())


async def _save_json(request: Request[Any, Any, Any], services: Services, name: str) -> str:
    """The SDKs' form: `{"base64": …, "_ContentType": …, "fileData": {"metadata", "tags"}}`, keys in the body."""
    most, raw = services.settings.max_body_bytes, bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > most:
            raise ParseError(
                ErrorCode.OBJECT_TOO_LARGE, "The request is too large; send the file as raw bytes, with keys in headers."
            )
    keys: dict[str, str] = {}
    body = read_body(bytes(raw))
    kind = body.get("_ContentType")
    take_keys(body, keys)
    caller = await caller_with(services, keys, request, "/files")
    given = body.get("fileData") or {}
    if not isinstance(given, dict) or not isinstance(body.get("base64"), str):
        raise ParseError(ErrorCode.FILE_SAVE_ERROR, "Invalid file upload.")
    if given.get("directory"):
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "Files are not kept in directories; leave the directory out.")
    try:
        content = base64.b64decode(str(body["base64"]), validate=True)
    except binascii.Error as cause:
        raise ParseError(ErrorCode.FILE_SAVE_ERROR, "Invalid file upload.") from cause
    upload = Upload(name, kind if isinstance(kind, str) else None, given.get("metadata"), given.get("tags"))
    return await services.files.save(caller, upload, _once(content))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _in_header(request: Request[Any, Any, Any], name: str) -> Json:
    text = request.headers.get(name.lower())
    if not text:
        return None
    try:
        value = decode(text)
    except ParseError:
        value = None
    if not isinstance(value, dict):
        raise ParseError(ErrorCode.INVALID_JSON, f"Invalid JSON in {name} header.")
    return value


async def _reader(request: Request[Any, Any, Any], services: Services, app_id: str) -> Caller:
    """Who reads: by the master key, a session in a header, or a page's cookie, which pages of other sites do not send."""
    if app_id != services.settings.app_id:
        raise RefusedError(403, "Invalid application ID.")
    keys, address = keys_in_headers(dict(request.scope["headers"])), address_of(request)
    if master := keys.get("master"):
        check_master_key(services.settings, master, address)
        return replace(MASTER, address=address)
    given = keys.get("session")
    token = given or request.cookies.get(COOKIE)
    if not token:
        return replace(ANONYMOUS, address=address)
    try:
        async with services.database.connection() as connection:
            return await resolve(connection, token, address=address)
    except ParseError as error:
        if given or error.code != ErrorCode.INVALID_SESSION_TOKEN:
            raise
        return replace(ANONYMOUS, address=address)


async def _metadata(request: Request[Any, Any, Any], app_id: str, name: str) -> Answer:
    if request.method == "OPTIONS":
        return Answer(b"")
    services = services_of(request)
    file = await services.files.open(await _reader(request, services, app_id), name)
    about: dict[str, Json] = {"contentType": file.content_type, "size": file.size}
    return Answer({"metadata": file.metadata, "tags": file.tags, **about})


async def _read(request: Request[Any, Any, Any], app_id: str, name: str) -> ASGIApp:
    if request.method == "OPTIONS":
        return Answer(b"")
    services = services_of(request)
    file = await services.files.open(await _reader(request, services, app_id), name.removeprefix("/"))
    assert file.size is not None
    tag = f'"{file.id}"'
    if tag in request.headers.get("if-none-match", ""):
        return FileAnswer(304, {**_HEADERS, "ETag": tag}, None)
    fresh = request.headers.get("if-range", tag) == tag
    wanted = _wanted(request.headers.get("range", ""), file.size) if fresh else (0, file.size)
    if wanted is None:
        return FileAnswer(416, {**_HEADERS, "Content-Range": f"bytes */{file.size}", "Content-Length": "0"}, None)
    start, end = wanted
    headers = {**_HEADERS, "ETag": tag, "Content-Type": _shown_type(file), "Content-Length": str(end - start)}
    headers["Content-Disposition"] = f'{_disposition(file)}; filename="{file.name.partition("_")[2]}"'
    is_part = (start, end) != (0, file.size)
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    chunks = None if request.method == "HEAD" else services.files.read(file, start, end)
    if chunks is not None:
        chunks = _begun(await anext(chunks), chunks)  # a file that cannot be read is an error, not half an answer
    return FileAnswer(206 if is_part else 200, headers, chunks)


def _wanted(header: str, size: int) -> tuple[int, int] | None:
    """The bytes that a Range header asks for (RFC 9110, 14.2); all of them where it is none that we know, None for none."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return 0, size
    if not found[1]:
        return (max(size - int(found[2]), 0), size) if int(found[2]) else None
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if start >= size:
        return None
    return (start, end) if start < end else (0, size)


def _shown_type(file: Stored) -> str:
    return f"{file.content_type}; charset=utf-8" if file.content_type == "text/plain" else file.content_type


def _disposition(file: Stored) -> str:
    return "inline" if file.content_type.startswith(_SHOWN) else "attachment"


async def _begun(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


class FileAnswer:
    """An answer of bytes as they come; it is an ASGI application that sends itself."""

    def __init__(self, status: int, headers: dict[str, str], chunks: AsyncIterator[bytes] | None) -> None:
        self._status = status
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it, as fast as it is taken."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        if self._chunks is not None:
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
