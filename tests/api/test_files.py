"""The door for files: both forms of an upload, ranges, keys and cookies, and what a browser is told of what it gets."""

import base64
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psutil
import pytest

from app.core.wire import Object
from tests.api.depot import Phone, sign_in
from tests.conftest import PATIENCE, RunningServer

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
async def people(running_server: RunningServer) -> dict[str, Phone]:
    app = {"X-Parse-Application-Id": running_server.app_id}
    people = {"master": Phone(running_server, "", {**app, "X-Parse-Master-Key": running_server.master_key})}
    people["nobody"] = Phone(running_server, "", app)
    for who in ("ana", "ben"):
        people[who] = await sign_in(people["master"], people["nobody"], "patient")
    return people


async def send(phone: Phone, method: str, path: str, content: Any = None, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=phone.server.url, timeout=60) as client:
        return await client.request(method, f"/parse{path}", content=content, headers={**phone.headers, **headers})


async def upload(phone: Phone, content: Any = CONTENT, name: str = "scan.png", **headers: str) -> str:
    answer = await send(phone, "POST", f"/files/{name}", content, **headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["name"])


async def get(phone: Phone, name: str, method: str = "GET", **headers: str) -> httpx.Response:
    return await send(phone, method, f"/files/careboard/{name}", **headers)


async def test_raw_bytes_go_in_and_come_out(people: dict[str, Phone]) -> None:
    answer = await send(people["ana"], "POST", "/files/my%20scan.png", CONTENT, **{"Content-Type": "image/png"})
    told = answer.json()
    assert answer.status_code == 201
    assert told["name"].endswith("_my scan.png")
    url = f"{people['ana'].server.url}/parse/files/careboard/{told['name'].replace(' ', '%20')}"
    assert (told["url"], answer.headers["location"]) == (url, url)
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        found = await client.get(told["url"], headers={"X-Parse-Session-Token": str(people["ana"].token)})
    assert found.content == CONTENT
    assert found.headers["content-type"] == "image/png"
    assert found.headers["content-disposition"] == 'inline; filename="my scan.png"'
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert found.headers["cache-control"] == "private, no-cache"


async def test_the_sdk_s_json_carries_bytes_keys_type_metadata_and_tags(people: dict[str, Phone]) -> None:
    ana = people["ana"]
    body: Object = {
        "base64": base64.b64encode(CONTENT).decode(),
        "_ContentType": "image/png",
        "fileData": {"metadata": {"page": 1}, "tags": {"kind": "scan"}},
        "_ApplicationId": "careboard",
        "_SessionToken": ana.token,
    }
    async with httpx.AsyncClient(base_url=ana.server.url, timeout=PATIENCE) as client:
        answer = await client.post("/parse/files/scan", json=body, headers={"Content-Type": "text/plain"})
        refused = await client.post("/parse/files/scan", json={**body, "_ApplicationId": "other"})
        broken = await client.post("/parse/files/scan", json={**body, "base64": "*"})
    assert (refused.status_code, broken.json()["code"]) == (403, 130)
    name = answer.json()["name"]
    assert name.endswith("_scan.png")
    assert (await get(ana, name)).content == CONTENT
    told = (await send(ana, "GET", f"/files/careboard/metadata/{name}")).json()
    assert told == {"metadata": {"page": 1}, "tags": {"kind": "scan"}, "contentType": "image/png", "size": len(CONTENT)}
    assert (await send(people["ben"], "GET", f"/files/careboard/metadata/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=65530-131080", 206, 65530, 131081),
        ("bytes=255990-", 206, 255990, 256000),
        ("bytes=-5", 206, 255995, 256000),
        ("bytes=255000-999999", 206, 255000, 256000),
        ("bytes=0-", 200, 0, 256000),
        ("bytes=256000-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, 256000),
        ("bytes=0-1,5-6", 200, 0, 256000),
        ("lines=1-2", 200, 0, 256000),
    ],
)
async def test_ranges(people: dict[str, Phone], asked: str, status: int, start: int, end: int) -> None:
    name = await upload(people["ana"])
    found = await get(people["ana"], name, Range=asked)
    assert (found.status_code, found.content) == (status, CONTENT[start:end])
    told = {206: f"bytes {start}-{end - 1}/256000", 416: "bytes */256000"}.get(status)
    assert found.headers.get("content-range") == told
    assert found.headers["accept-ranges"] == "bytes"


async def test_head_tells_the_size_and_a_known_tag_sends_nothing(people: dict[str, Phone]) -> None:
    name = await upload(people["ana"])
    head = await get(people["ana"], name, "HEAD")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "256000", b"")
    tag = head.headers["etag"]
    assert (await get(people["ana"], name, **{"If-None-Match": tag})).status_code == 304
    assert (await get(people["ben"], name, **{"If-None-Match": tag})).status_code == 404
    assert (await get(people["ana"], name, Range="bytes=0-1", **{"If-Range": '"other"'})).status_code == 200


async def test_a_file_is_read_by_the_header_the_cookie_and_the_master_key_and_by_nobody_else(people: dict[str, Phone]) -> None:
    ana, name = people["ana"], await upload(people["ana"])
    url = f"{ana.server.url}/parse/files/careboard/{name}"
    ways: list[tuple[dict[str, str], int]] = [
        ({"X-Parse-Session-Token": str(ana.token)}, 200),
        ({"Cookie": f"careboard_session={ana.token}"}, 200),
        ({"X-Parse-Master-Key": ana.server.master_key}, 200),
        ({}, 404),
        ({"Cookie": "careboard_session=r:dead"}, 404),
        ({"Cookie": f"careboard_session={people['ben'].token}"}, 404),
        ({"X-Parse-Session-Token": "r:dead"}, 400),
        ({"X-Parse-Master-Key": "wrong"}, 403),
    ]
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        for headers, status in ways:
            assert (await client.get(url, headers=headers)).status_code == status, headers
        assert (await client.get(url.replace("/careboard/", "/other/"))).status_code == 403


async def test_an_object_that_holds_a_file_tells_its_address_and_opens_it(people: dict[str, Phone]) -> None:
    ana, name = people["ana"], await upload(people["ana"])
    value: Object = {"__type": "File", "name": name}
    held = await ana.make("Paper", {"scan": value, "ACL": {str(people["ben"].user): {"read": True}}})
    [found] = await people["ben"].find("Paper", {"objectId": held})
    assert found["scan"] == {**value, "url": f"{ana.server.url}/parse/files/careboard/{name}"}
    _, same = await people["ben"].ask("GET", f"/classes/Paper/{held}")
    assert same["scan"] == found["scan"]
    assert (await get(people["ben"], name)).content == CONTENT
    assert (await get(ana, name)).status_code == 404
    status, told = await people["nobody"].ask("POST", "/classes/Paper", {"scan": value})
    assert (status, told["code"]) == (400, 119)


@pytest.mark.parametrize(
    ("who", "path", "content", "status", "code"),
    [
        ("nobody", "/files/a.png", b"x", 400, 130),
        ("ana", "/files/a.html", b"x", 400, 130),
        ("ana", "/files/a.png", b"", 400, 130),
        ("ana", "/files/..%2Fa.png", b"x", 400, 122),
        ("ana", "/files", b"x", 400, 122),
        ("ana", "/files/%22.png", b"x", 400, 122),
        ("ana", "/files/a%2Fb.png", b"x", 400, 122),
        ("ana", "/files/a%2Fb%2Fc.png", b"x", 400, 122),
    ],
)
async def test_refusals(people: dict[str, Phone], who: str, path: str, content: bytes, status: int, code: int) -> None:
    answer = await send(people[who], "POST", path, content)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_only_the_master_key_deletes(people: dict[str, Phone]) -> None:
    name = await upload(people["ana"])
    assert (await send(people["ana"], "DELETE", f"/files/{name}")).status_code == 403
    assert (await send(people["master"], "DELETE", f"/files/{name}")).status_code == 200
    assert (await get(people["ana"], name)).status_code == 404
    assert (await send(people["master"], "DELETE", f"/files/{name}")).json()["code"] == 153


async def test_a_large_file_streams_both_ways_without_being_held_in_memory(
    running_server: RunningServer, people: dict[str, Phone]
) -> None:
    """Sixteen times the limit of a body, larger than what the process may grow by."""
    piece, many = os.urandom(1024 * 1024), 128
    running_server.environment = {"CAREBOARD_MAX_FILE_BYTES": str(many * len(piece))}
    running_server.restart()
    process = psutil.Process(running_server.process.pid)
    await upload(people["ana"], b"warm")
    before = process.memory_info().rss
    grown = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal grown
        for _ in range(many):
            yield piece
            grown = max(grown, process.memory_info().rss - before)

    name = await upload(people["ana"], pieces(), "large.bin")
    received = 0
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("GET", f"{running_server.url}/parse/files/careboard/{name}", headers=people["ana"].headers) as answer,
    ):
        async for part in answer.aiter_bytes():
            start = received % len(piece)
            assert part[: len(piece) - start] == piece[start : start + len(part)]
            received += len(part)
            grown = max(grown, process.memory_info().rss - before)
    assert received == many * len(piece)
    assert grown < many * len(piece) / 2
    too_large = await send(people["ana"], "POST", "/files/large.bin", piece * (many + 1))
    assert too_large.json() == {"code": 130, "error": f"File size exceeds maximum allowed: {many * len(piece)} bytes."}
    running_server.environment = {}
    running_server.restart()


async def test_a_page_of_another_site_may_ask_before_it_calls(people: dict[str, Phone]) -> None:
    for path in ("/files/a.png", "/files/careboard/a.png", "/files/careboard/metadata/a.png"):
        answer = await send(people["nobody"], "OPTIONS", path)
        assert answer.status_code == 200
        assert "X-Parse-Upload-Mode" in answer.headers["access-control-allow-headers"]
