"""The bytes of files: in a folder, or in a bucket by one variable and the credentials it has anyway."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.config import load_settings
from app.errors import ParseError
from app.store import blobs as storing
from app.store.blobs import PART, Blobs
from tests.store.bucket import open_bucket

BLOCK = 65_552


async def blocks(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 251]) * BLOCK


async def read(blobs: Blobs, name: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in blobs.read(name, start, end)])


def blobs_at(tmp_path: Path, url: str = "") -> Blobs:
    return Blobs(load_settings({"FILES_URL": url}, folder=tmp_path, data_dir=tmp_path / "data"))


@pytest.mark.parametrize("place", ["", "file", "memory"])
async def test_a_folder_is_made_and_keeps_what_is_put(tmp_path: Path, place: str) -> None:
    url = {"": "", "file": (tmp_path / "else where").as_uri(), "memory": "memory://"}[place]
    blobs = blobs_at(tmp_path, url)
    await blobs.put("ab/cd", blocks(3))
    assert await read(blobs, "ab/cd", BLOCK - 1, BLOCK + 1) == bytes([0, 1])
    where = {"": tmp_path / "data" / "files", "file": tmp_path / "else where", "memory": None}[place]
    assert where is None or (where / "ab" / "cd").stat().st_size == 3 * BLOCK
    await blobs.delete("ab/cd")
    await blobs.delete("ab/cd")
    with pytest.raises(ParseError, match="File not found"):
        await read(blobs, "ab/cd", 0, 1)


async def test_what_breaks_off_is_not_there(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (2 * PART)
        raise ValueError("gone")

    blobs = blobs_at(tmp_path)
    with pytest.raises(ValueError, match="gone"):
        await blobs.put("ab/cd", broken())
    assert [path for path in (tmp_path / "data" / "files").rglob("*") if path.is_file()] == []


async def test_a_bucket_by_one_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_bucket() as bucket:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": bucket.url,
            "AWS_ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, value)
        blobs = blobs_at(tmp_path, "s3://hospital/files")
        await blobs.put("ab/small", blocks(1))
        await blobs.put("ab/large", blocks(200))
        assert {path: len(stored) for path, stored in bucket.stored.items()} == {
            "/hospital/files/ab/small": BLOCK,
            "/hospital/files/ab/large": 200 * BLOCK,
        }
        assert bucket.largest <= PART + BLOCK
        assert await read(blobs, "ab/large", 7 * BLOCK, 9 * BLOCK) == bytes([7]) * BLOCK + bytes([8]) * BLOCK
        await blobs.delete("ab/small")
        assert list(bucket.stored) == ["/hospital/files/ab/large"]
        with pytest.raises(ParseError, match="File not found"):
            await read(blobs, "ab/small", 0, 1)
        assert bucket.unsigned == 0


async def test_a_bucket_that_is_away_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "_RETRIES", {"max_retries": 0})
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "k"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with pytest.raises(ParseError, match="cannot be reached just now"):
        await blobs_at(tmp_path, "s3://hospital").put("ab/cd", blocks(1))
