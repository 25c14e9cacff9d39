"""Files: uploaded, held by objects, read by those who may read an object that holds them, swept when none does.

Owns: `Files`, and the rule that stands in front of every save that names a file. Holds: bytes are sealed before they leave this
process; a file is read by whoever may read the field of an object that holds it, by its uploader until an object holds it, and
by the master key; nobody makes an object hold a file that they may not read; what no object has held for a day is deleted. May
import core and store.
"""

import asyncio
import logging
import mimetypes
import re
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from app.actions.caller import Caller
from app.actions.hooks import EVERY_CLASS, Draft
from app.actions.objects import Objects
from app.config import Settings
from app.core.wire import Json, Object, canonical
from app.errors import ErrorCode, ParseError
from app.store import files as index
from app.store.blobs import Blobs
from app.store.files import Stored
from app.store.vault import Vault, seal, sealed_range, unseal

FREE_SECONDS = 24 * 3600.0
"""How long a file is kept that no object holds."""

MOST_FREE = 500
"""Uploads of one account that no object holds."""

SWEEP_SECONDS = 300.0
_LONGEST_NAME = 128
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9@. ~_-]*")
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
_ANY = "application/octet-stream"

_TYPES: Final = mimetypes.MimeTypes(filenames=())
for _extension, _kind in ((".webp", "image/webp"), (".heic", "image/heic"), (".avif", "image/avif"), (".md", "text/markdown")):
    _TYPES.add_type(_kind, _extension)

_log = logging.getLogger("careboard.files")


@dataclass(frozen=True, slots=True)
class Upload:
    """What a sender says of a file."""

    filename: str
    content_type: str | None = None
    metadata: Json = None
    tags: Json = None


class Files:
    """The files of one server."""

    def __init__(self, objects: Objects, settings: Settings) -> None:
        self._objects = objects
        self._database = objects.database
        self._settings = settings
        self._vault = Vault(settings)
        self._blobs = Blobs(settings)
        self._task: asyncio.Task[None] | None = None
        objects.hooks.prepare(EVERY_CLASS, self._check_draft, id="careboard.files")

    async def start(self) -> None:
        """Begins to sweep."""
        self._task = asyncio.create_task(self._run(), name="files")

    async def stop(self) -> None:
        """Stops sweeping."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def save(self, caller: Caller, upload: Upload, chunks: AsyncIterator[bytes]) -> str:
        """Stores a file and returns the name it got. Raises 122 for its name, 130 for what may not be uploaded."""
        await self.check_uploader(caller)
        filename = _check_filename(upload)
        if not caller.is_master:
            _check_extension(self._settings.file_extensions, filename, upload.content_type)
        file_id = secrets.token_hex(16)
        key = self._vault.new_key()
        file = Stored(
            id=file_id,
            name=f"{file_id}_{filename}",
            content_type=_TYPES.guess_type(filename)[0] or _ANY,
            size=None,
            metadata=_entries(upload.metadata, "metadata"),
            tags=_entries(upload.tags, "tags"),
            uploader=caller.user_id,
            wrapped=self._vault.wrap(key, file_id),
        )
        async with self._database.connection() as connection:
            await index.insert_file(connection, file)
        counted = _Counted(chunks, self._settings.max_file_bytes)
        try:
            await self._blobs.put(_place(file_id), seal(counted, key))
            if counted.size == 0:
                raise ParseError(ErrorCode.FILE_SAVE_ERROR, "Invalid file upload.")
        except BaseException:
            async with self._database.connection() as connection:
                await index.condemn_file(connection, file_id)
            raise
        async with self._database.connection() as connection:
            await index.finish_file(connection, file_id, counted.size)
        return file.name

    async def open(self, caller: Caller, name: str) -> Stored:
        """A file that the caller may read. Raises 101 when there is none, or not for this caller."""
        async with self._database.connection() as connection:
            file = await index.find_file(connection, name)
        if file is None or file.size is None:
            raise _not_found()
        if not caller.is_master:
            holder = await self._reads(caller, file)
            if holder is None:
                raise _not_found()
            await self._objects.reads.show_one(caller, *holder, "file")
        return file

    def read(self, file: Stored, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes `start` to `end` (exclusive) of an opened file."""
        assert file.size is not None
        key = self._vault.unwrap(file.wrapped, file.id)
        sealed = self._blobs.read(_place(file.id), *sealed_range(file.size, start, end))
        return unseal(sealed, key, file.size, start, end)

    async def delete(self, caller: Caller, name: str) -> None:
        """With the master key: deletes a file, whoever holds it. Raises 119 to others, 153 when there is none."""
        if not caller.is_master or caller.authority.is_read_only:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "master key is required")
        async with self._database.connection() as connection:
            file = await index.find_file(connection, name)
            if file is None:
                raise ParseError(ErrorCode.FILE_DELETE_ERROR, "Could not delete file: there is none of that name.")
            await index.condemn_file(connection, file.id)
        await self._bury(file.id)

    async def sweep(self, seconds: float = FREE_SECONDS) -> int:
        """Deletes what no object has held for so long, and what was begun to be deleted; says how many files."""
        async with self._database.connection() as connection:
            await index.condemn_free(connection, seconds)
        swept = 0
        while True:
            async with self._database.connection() as connection:
                condemned = await index.find_condemned(connection)
            for file_id in condemned:
                await self._bury(file_id)
            swept += len(condemned)
            if not condemned:
                return swept

    async def rotate_as_master(self, told: Callable[[int, int], None]) -> str:
        """Wraps the key of every file with the newest key of the ring, a new one where the ring is ours; returns its id.

        `told` hears how many are done and how many there are. What is uploaded meanwhile by a server that has not
        seen the new key yet is found in a further round.
        """
        current = self._vault.current if self._vault.is_given else self._vault.add_key()
        done = 0
        while True:
            async with self._database.connection() as connection:
                total = done + await index.count_wrapped(connection, other_than=current)
            told(done, total)
            async with self._database.transaction() as tx:
                wrapped = await index.find_wrapped(tx, other_than=current)
                for file_id, old in wrapped:
                    await index.rewrap_file(tx, file_id, self._vault.wrap(self._vault.unwrap(old, file_id), file_id))
            done += len(wrapped)
            if not wrapped:
                return current

    async def _reads(self, caller: Caller, file: Stored) -> tuple[str, str] | None:
        """The class and object through which a caller may read a file; ("", "") for its uploader while no object holds it."""
        async with self._database.connection() as connection:
            holders = await index.find_holders(connection, file.name)
        if not holders:
            return ("", "") if file.uploader is not None and file.uploader == caller.user_id else None
        ids: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for class_name, field, object_id in holders:
            ids[class_name, field].append(object_id)
        for (class_name, field), some in ids.items():
            if found := await self._objects.first_showing(caller, class_name, field, some):
                return class_name, found
        return None

    async def _check_draft(self, draft: Draft) -> None:
        """Nobody lets an object hold a file that they may not read: it would open it to them."""
        if draft.caller.is_master:
            return
        names = list(dict.fromkeys(_named(draft.body)))
        if not names:
            return
        async with self._database.connection() as connection:
            files = await index.find_files(connection, names)
            holders = {file.name: await index.find_holders(connection, file.name) for file in files}
        for file in files:
            is_anybody_s = file.size is not None and file.uploader is None and not holders[file.name]
            if not is_anybody_s and await self._reads(draft.caller, file) is None:
                words = f"There is no file {file.name} that you may use; upload it first."
                raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)

    async def check_uploader(self, caller: Caller) -> None:
        """Refuses (130, in Parse's words) who may not upload, and an account with too many files that no object holds."""
        if caller.is_master:
            if caller.authority.is_read_only:
                raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "read-only masterKey isn't allowed to create a file.")
            return
        allowed = self._settings.file_uploaders
        if caller.user_id is None:
            if allowed != "public":
                raise ParseError(ErrorCode.FILE_SAVE_ERROR, "File upload by public is disabled.")
            return
        if allowed == "master":
            raise ParseError(ErrorCode.FILE_SAVE_ERROR, "File upload by authenticated user is disabled.")
        async with self._database.connection() as connection:
            if allowed == "authenticated" and await connection.fetchval(_IS_ANONYMOUS, caller.user_id):
                raise ParseError(ErrorCode.FILE_SAVE_ERROR, "File upload by anonymous user is disabled.")
            if await index.count_free(connection, caller.user_id) >= MOST_FREE:
                words = f"You have {MOST_FREE} files that no object holds; save them in objects before you upload more."
                raise ParseError(ErrorCode.EXCEEDED_QUOTA, words)

    async def _bury(self, file_id: str) -> None:
        await self._blobs.delete(_place(file_id))
        async with self._database.connection() as connection:
            await index.forget_file(connection, file_id)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except ParseError as error:
                _log.warning("files could not be swept: %s", error.message)


_IS_ANONYMOUS = """select coalesce("authData" ? 'anonymous', false) from "_User" where "objectId" = $1"""


class _Counted:
    """Chunks on their way, counted; more than `most` bytes are refused."""

    def __init__(self, chunks: AsyncIterator[bytes], most: int) -> None:
        self.size = 0
        self._chunks = chunks
        self._most = most

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self.size += len(chunk)
        if self.size > self._most:
            raise too_large(self._most)
        return chunk


def too_large(most: int) -> ParseError:
    """The refusal of a file of more bytes than may be, in Parse's words."""
    return ParseError(ErrorCode.FILE_SAVE_ERROR, f"File size exceeds maximum allowed: {most} bytes.")


def _check_filename(upload: Upload) -> str:
    """The name a file gets, with the extension of its type where it has none."""
    filename = upload.filename
    if len(filename) > _LONGEST_NAME:
        raise ParseError(ErrorCode.INVALID_FILE_NAME, "Filename too long.")
    if not _NAME.fullmatch(filename):
        raise ParseError(ErrorCode.INVALID_FILE_NAME, "Filename contains invalid characters.")
    kind = (upload.content_type or "").partition(";")[0].strip()
    if "." not in filename and _TYPE.fullmatch(kind):
        filename += _TYPES.guess_extension(kind) or ""
    return filename


def _check_extension(rules: tuple[str, ...], filename: str, content_type: str | None) -> None:
    """130 for an extension that is forbidden; where the name has none, the type stands for it."""
    kind = (content_type or "").partition(";")[0].rpartition("/")[2]
    extension = "".join((filename.rpartition(".")[2] if "." in filename else kind).split()).lower()
    allowed = {rule for rule in rules if not rule.startswith("-")}
    if f"-{extension}" in rules or (allowed and extension not in allowed):
        raise ParseError(ErrorCode.FILE_SAVE_ERROR, f"File upload of extension {extension} is disabled.")


def _entries(value: Json, name: str) -> Object:
    if value is None:
        return {}
    checked = canonical(value)
    if not isinstance(checked, dict):
        raise ParseError(ErrorCode.INVALID_JSON, f"The {name} of a file must be a JSON object.")
    return checked


def _named(value: Json) -> list[str]:
    """The names of the files anywhere in a body."""
    if isinstance(value, list):
        return [name for item in value for name in _named(item)]
    if not isinstance(value, dict):
        return []
    if value.get("__type") == "File":
        name = value.get("name")
        return [name] if isinstance(name, str) else []
    return [name for item in value.values() for name in _named(item)]


def _place(file_id: str) -> str:
    return f"{file_id[:2]}/{file_id}"


def _not_found() -> ParseError:
    return ParseError(ErrorCode.OBJECT_NOT_FOUND, "File not found.")
