"""The keys of files, and how bytes are sealed: AES-256-GCM in chunks, so that they stream and any part can be read alone.

Owns: `Vault` (the key ring), `seal` and `unseal`. Holds: each file has a key of its own, which the ring's newest key wraps, so a
rotation wraps keys anew and touches no bytes; older keys of the ring still open what they wrapped; a chunk carries its number and
whether it is the last, so a changed, moved, missing or cut off chunk is refused. Keys are in no log, answer or database. May
import config and errors.
"""

import base64
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.config import Settings, read_file_keys, write_private
from app.errors import ErrorCode, ParseError

CHUNK = 64 * 1024
_SEALED = CHUNK + 16
_NONCE = 12

KEYS_FILE = "files.keys"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A file's own key, as it is stored: which key of the ring wrapped it, and the wrapping."""

    key_id: str
    sealed: bytes


class Vault:
    """The key ring: of the setting, else of the data folder, where it is made when first needed."""

    def __init__(self, settings: Settings) -> None:
        self._given = settings.file_keys
        self._path = settings.data_dir / KEYS_FILE
        self._ring: dict[str, bytes] = dict(settings.file_keys)
        self._read_at = -1

    @property
    def current(self) -> str:
        """The id of the key that wraps what is new."""
        self._refresh()
        return next(iter(self._ring))

    @property
    def is_given(self) -> bool:
        """Whether the keys come from the setting, so that only whoever set it can add one."""
        return bool(self._given)

    def new_key(self) -> bytes:
        """A key for one file."""
        return AESGCM.generate_key(256)

    def wrap(self, key: bytes, file_id: str) -> Wrapped:
        """Seals a file's key under the newest key."""
        current, nonce = self.current, secrets.token_bytes(_NONCE)
        return Wrapped(current, nonce + AESGCM(self._ring[current]).encrypt(nonce, key, file_id.encode()))

    def unwrap(self, wrapped: Wrapped, file_id: str) -> bytes:
        """A file's key. Raises ParseError 1 when the ring has not the key that wrapped it, or the wrapping was tampered with."""
        if wrapped.key_id not in self._ring:
            self._refresh()
        if wrapped.key_id not in self._ring:
            words = f"The key {wrapped.key_id} of this file is not in the key ring; an operator must put it back."
            raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, words)
        try:
            nonce, sealed = wrapped.sealed[:_NONCE], wrapped.sealed[_NONCE:]
            return AESGCM(self._ring[wrapped.key_id]).decrypt(nonce, sealed, file_id.encode())
        except InvalidTag as cause:
            raise _tampered() from cause

    def add_key(self) -> str:
        """Puts a new key on top of the ring in the data folder; running servers find it there. Returns its id."""
        self._refresh()
        name = _next_id(self._ring)
        self._write({name: AESGCM.generate_key(256), **self._ring})
        self._read_at = -1
        return name

    def _refresh(self) -> None:
        """Reads the ring of the data folder again where it changed, and makes it where there is none."""
        if self._given:
            return
        if not self._path.exists():
            self._make()
        changed = self._path.stat().st_mtime_ns
        if changed != self._read_at:
            lines = self._path.read_text(encoding="utf-8").split()
            self._ring, self._read_at = dict(read_file_keys(lines)), changed

    def _make(self) -> None:
        """Of two processes that make the first ring one wins, and both use that."""
        draft = self._path.with_name(f".{KEYS_FILE}.{secrets.token_hex(4)}")
        write_private(draft, _lines({"1": AESGCM.generate_key(256)}))
        try:
            os.link(draft, self._path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def _write(self, ring: dict[str, bytes]) -> None:
        write_private(self._path, _lines(ring))


def key_file(settings: Settings) -> Path:
    """Where the ring is kept when no setting gives it."""
    return settings.data_dir / KEYS_FILE


async def seal(chunks: AsyncIterator[bytes], key: bytes) -> AsyncIterator[bytes]:
    """The bytes sealed, chunk by chunk."""
    cipher, waiting, number = AESGCM(key), bytearray(), 0
    async for piece in chunks:
        waiting += piece
        while len(waiting) > CHUNK:  # one is kept back: it may be the last
            yield cipher.encrypt(_nonce(number, is_last=False), bytes(waiting[:CHUNK]), None)
            del waiting[:CHUNK]
            number += 1
    yield cipher.encrypt(_nonce(number, is_last=True), bytes(waiting), None)


def sealed_range(size: int, start: int, end: int) -> tuple[int, int]:
    """Where the chunks lie that hold the bytes `start` to `end` (exclusive) of a file of `size` bytes."""
    first, last = start // CHUNK, (end - 1) // CHUNK
    return first * _SEALED, min((last + 1) * _SEALED, size + (_last_number(size) + 1) * 16)


async def unseal(sealed: AsyncIterator[bytes], key: bytes, size: int, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes `start` to `end` of a file, from the chunks that `sealed_range` names. Raises ParseError 1 for damaged ones."""
    cipher, waiting, number, last = AESGCM(key), bytearray(), start // CHUNK, _last_number(size)
    final = (end - 1) // CHUNK
    async for piece in sealed:
        waiting += piece
        while number < final and len(waiting) >= _SEALED:
            yield _cut(_open(cipher, waiting[:_SEALED], number, number == last), number, start, end)
            del waiting[:_SEALED]
            number += 1
    if number != final:
        raise _tampered()
    yield _cut(_open(cipher, waiting, number, number == last), number, start, end)


def _open(cipher: AESGCM, chunk: bytearray, number: int, is_last: bool) -> bytes:
    try:
        return cipher.decrypt(_nonce(number, is_last=is_last), bytes(chunk), None)
    except InvalidTag as cause:
        raise _tampered() from cause


def _cut(plain: bytes, number: int, start: int, end: int) -> bytes:
    base = number * CHUNK
    return plain[max(start - base, 0) : end - base]


def _last_number(size: int) -> int:
    return max(size - 1, 0) // CHUNK


def _nonce(number: int, *, is_last: bool) -> bytes:
    """Used once under a key that is used for one file: the number of the chunk, and whether it is the last."""
    return number.to_bytes(_NONCE - 1, "big") + bytes([is_last])


def _next_id(ring: dict[str, bytes]) -> str:
    numbers = [int(name) for name in ring if name.isdigit()]
    return str(max(numbers, default=0) + 1)


def _lines(ring: dict[str, bytes]) -> str:
    return "".join(f"{name}:{base64.b64encode(key).decode()}\n" for name, key in ring.items())


def _tampered() -> ParseError:
    return ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "The stored file is damaged; it does not match its seal.")
