"""Sealed bytes: any part of a file is read alone and is what went in; what was changed, moved or cut off is refused."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings, SettingsError, load_settings
from app.errors import ParseError
from app.store.vault import CHUNK, Vault, Wrapped, key_file, seal, sealed_range, unseal

KEY = bytes(range(32))
SEALED = CHUNK + 16


async def pieces(content: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def sealed(content: bytes) -> bytes:
    return b"".join([chunk async for chunk in seal(pieces(content), KEY)])


async def opened(stored: bytes, size: int, start: int = 0, end: int | None = None, key: bytes = KEY) -> bytes:
    end = size if end is None else end
    first, last = sealed_range(size, start, end)
    return b"".join([chunk async for chunk in unseal(pieces(stored[first:last], 70_000), key, size, start, end)])


@pytest.mark.parametrize("size", [1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
async def test_every_part_of_a_file_is_what_went_in(size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    stored = await sealed(content)
    assert await opened(stored, size) == content
    edges = sorted({0, 1, size // 2, size - 1, *(n for n in (CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK) if n < size)})
    for start in edges:
        for end in (start + 1, *(edge for edge in (*edges, size) if edge > start)):
            assert await opened(stored, size, start, end) == content[start:end], (start, end)


async def test_what_is_stored_shows_nothing_of_it() -> None:
    stored = await sealed(b"Marisol Alvarez " * 10_000)
    assert b"Marisol" not in stored


def flipped(stored: bytes) -> bytes:
    return bytes([*stored[:-20], stored[-20] ^ 1, *stored[-19:]])


def swapped(stored: bytes) -> bytes:
    return stored[SEALED : 2 * SEALED] + stored[:SEALED] + stored[2 * SEALED :]


@pytest.mark.parametrize(
    "tamper",
    [
        flipped,
        swapped,
        lambda stored: stored[:-1],
        lambda stored: stored[: 2 * SEALED],
        lambda stored: stored[:10],
        lambda _: b"",
    ],
)
async def test_changed_moved_and_cut_off_bytes_are_refused(tamper: object) -> None:
    assert callable(tamper)
    size = 2 * CHUNK + 500
    stored = await sealed(b"x" * size)
    with pytest.raises(ParseError, match="damaged"):
        await opened(tamper(stored), size)


async def test_a_file_cut_at_a_chunk_is_refused_even_where_its_size_was_changed_with_it() -> None:
    stored = await sealed(b"x" * (2 * CHUNK + 500))
    with pytest.raises(ParseError, match="damaged"):
        await opened(stored[: 2 * SEALED], 2 * CHUNK)


async def test_another_key_opens_nothing() -> None:
    with pytest.raises(ParseError, match="damaged"):
        await opened(await sealed(b"hello"), 5, key=bytes(32))


def test_the_ring_is_made_once_for_its_owner_alone_and_both_of_two_makers_use_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    vaults = [Vault(settings) for _ in range(4)]
    wrapped: list[Wrapped] = []

    def wrap(vault: Vault) -> None:
        wrapped.append(vault.wrap(KEY, "file"))

    threads = [threading.Thread(target=wrap, args=(vault,)) for vault in vaults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in wrapped:
        assert [vault.unwrap(each, "file") for vault in vaults] == [KEY] * 4
    assert key_file(settings).stat().st_mode & 0o777 == 0o600


def test_an_old_key_still_opens_and_a_running_server_finds_a_new_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    running, command = Vault(settings), Vault(settings)
    old = running.wrap(KEY, "a")
    assert command.add_key() == "2"
    new = command.wrap(KEY, "b")
    assert (old.key_id, new.key_id) == ("1", "2")
    assert (running.unwrap(new, "b"), running.unwrap(old, "a"), command.unwrap(old, "a")) == (KEY, KEY, KEY)
    assert running.wrap(KEY, "c").key_id == "2"


def test_a_wrapping_fits_its_own_file_alone_and_a_missing_key_is_named(tmp_path: Path) -> None:
    vault = Vault(Settings(data_dir=tmp_path))
    wrapped = vault.wrap(KEY, "a")
    with pytest.raises(ParseError, match="damaged"):
        vault.unwrap(wrapped, "b")
    with pytest.raises(ParseError, match="The key 9 of this file is not in the key ring"):
        vault.unwrap(replace(wrapped, key_id="9"), "a")


def test_the_keys_of_the_setting_are_used_and_a_wrong_one_is_refused_without_repeating_it(tmp_path: Path) -> None:
    one, two = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    settings = load_settings({"CAREBOARD_FILE_KEYS": f"b:{two}, a:{one}"}, folder=tmp_path, data_dir=tmp_path)
    vault = Vault(settings)
    assert vault.wrap(KEY, "x").key_id == "b"
    assert not key_file(settings).exists()
    for wrong in ("a:short", f"a:{one},a:{two}", "secretsecret", f"?:{one}"):
        with pytest.raises(SettingsError, match="CAREBOARD_FILE_KEYS cannot be used") as refusal:
            load_settings({"CAREBOARD_FILE_KEYS": wrong}, folder=tmp_path)
        assert wrong not in str(refusal.value)


def test_the_bytes_are_sealed_while_they_come() -> None:
    """Of an endless upload the first chunk is there before the second has come."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * (CHUNK + 1)
        raise ValueError("asked for more than was needed")

    async def first() -> bytes:
        return await anext(seal(endless(), KEY))

    assert len(asyncio.run(first())) == SEALED
