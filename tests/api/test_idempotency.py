"""A numbered request over REST: sent twice, at once, or again after the server was killed, it is done once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from tests.conftest import RunningServer

ONCE = (400, {"code": 159, "error": "Duplicate request"})


class Door:
    """A way to the server with the master key, or for who is named."""

    def __init__(self, server: RunningServer) -> None:
        self.http = httpx.AsyncClient(base_url=f"{server.url}/parse", headers={"X-Parse-Application-Id": "careboard"}, timeout=20)
        self.master = {"X-Parse-Master-Key": server.master_key}

    async def ask(self, method: str, path: str, body: Any = None, number: str = "", **headers: str) -> tuple[int, Any]:
        """Status and JSON; `number` is the request's."""
        sent = {**(headers or self.master), **({"X-Parse-Request-Id": number} if number else {})}
        answer = await self.http.request(method, path, json=body, headers=sent)
        return answer.status_code, answer.json()

    async def count(self, class_name: str) -> int:
        """How many objects there are."""
        _, told = await self.ask("GET", f"/classes/{class_name}?count=1&limit=0")
        return int(told["count"])

    async def person(self) -> dict[str, str]:
        """The headers of a new account."""
        _, told = await self.ask(
            "POST", "/users", {"username": uuid4().hex, "password": "pw", "email": f"{uuid4().hex}@example.com"}
        )
        return {"X-Parse-Session-Token": told["sessionToken"]}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(running_server: RunningServer) -> AsyncIterator[Door]:
    door = Door(running_server)
    await door.ask("POST", "/schemas/Step", {"fields": {"n": {"type": "Number"}, "word": {"type": "String", "required": True}}})
    yield door
    await door.http.aclose()


async def test_a_create_sent_twice_makes_one_object(door: Door) -> None:
    before, number = await door.count("Step"), uuid4().hex
    status, _ = await door.ask("POST", "/classes/Step", {"word": "one"}, number)
    assert status == 201
    assert await door.ask("POST", "/classes/Step", {"word": "one"}, number) == ONCE
    assert await door.count("Step") == before + 1


async def test_an_increment_sent_twice_counts_once(door: Door) -> None:
    _, made = await door.ask("POST", "/classes/Step", {"word": "n", "n": 1})
    path, number = f"/classes/Step/{made['objectId']}", uuid4().hex
    more = {"n": {"__op": "Increment", "amount": 1}}
    assert (await door.ask("PUT", path, more, number))[1]["n"] == 2
    assert await door.ask("PUT", path, more, number) == ONCE
    assert (await door.ask("GET", path))[1]["n"] == 2


async def test_of_twenty_at_once_one_is_done(door: Door) -> None:
    before, number = await door.count("Step"), uuid4().hex
    answers = await asyncio.gather(*(door.ask("POST", "/classes/Step", {"word": "race"}, number) for _ in range(20)))
    assert sorted(status for status, _ in answers) == [201, *[400] * 19]
    assert [told["code"] for status, told in answers if status == 400] == [159] * 19
    assert await door.count("Step") == before + 1


async def test_what_was_refused_may_be_mended_and_sent_again(door: Door) -> None:
    number = uuid4().hex
    status, told = await door.ask("POST", "/classes/Step", {"n": 1}, number)
    assert (status, told["code"]) == (400, 142)
    assert (await door.ask("POST", "/classes/Step", {"n": 1, "word": "mended"}, number))[0] == 201


async def test_a_number_counts_for_its_caller_alone(door: Door) -> None:
    one, other, number = await door.person(), await door.person(), uuid4().hex
    assert (await door.ask("POST", "/classes/Step", {"word": "mine"}, number, **one))[0] == 201
    assert (await door.ask("POST", "/classes/Step", {"word": "mine too"}, number, **other))[0] == 201
    assert await door.ask("POST", "/classes/Step", {"word": "mine"}, number, **one) == ONCE


async def test_a_sign_up_sent_twice_makes_one_account(door: Door) -> None:
    body = {"username": uuid4().hex, "password": "pw", "email": f"{uuid4().hex}@example.com"}
    phone, number = {"X-Parse-Installation-Id": uuid4().hex}, uuid4().hex
    assert (await door.ask("POST", "/users", body, number, **phone))[0] == 201
    assert await door.ask("POST", "/users", body, number, **phone) == ONCE


async def test_reads_and_deletes_are_not_counted(door: Door) -> None:
    _, made = await door.ask("POST", "/classes/Step", {"word": "read"})
    path, number = f"/classes/Step/{made['objectId']}", uuid4().hex
    for _ in range(2):
        assert (await door.ask("GET", path, None, number))[0] == 200
    assert (await door.ask("DELETE", path, None, number))[0] == 200
    assert (await door.ask("DELETE", path, None, number))[1]["code"] == 101


async def test_of_a_batch_sent_twice_only_what_is_missing_is_done(door: Door) -> None:
    before, number = await door.count("Step"), uuid4().hex
    make = {"method": "POST", "path": "/parse/classes/Step", "body": {"word": "part"}}
    first = {"requests": [make, {**make, "body": {}}]}
    _, told = await door.ask("POST", "/batch", first, number)
    assert ["success" in told[0], told[1]["error"]["code"]] == [True, 142]
    _, told = await door.ask("POST", "/batch", {"requests": [make, make]}, number)
    assert [told[0]["error"]["code"], "success" in told[1]] == [159, True]
    assert await door.count("Step") == before + 2


async def test_a_batch_in_one_transaction_is_done_once_or_not_at_all(door: Door) -> None:
    before, number = await door.count("Step"), uuid4().hex
    make = {"method": "POST", "path": "/parse/classes/Step", "body": {"word": "all"}}
    together = {"requests": [make, make], "transaction": True}
    broken = {**together, "requests": [make, {**make, "body": {}}]}
    assert (await door.ask("POST", "/batch", broken, number))[1]["code"] == 142
    assert (await door.ask("POST", "/batch", together, number))[0] == 200
    assert (await door.ask("POST", "/batch", together, number))[1]["code"] == 159
    assert await door.count("Step") == before + 2


async def test_a_server_killed_in_the_middle_leaves_each_done_once(door: Door, running_server: RunningServer) -> None:
    before, numbers = await door.count("Step"), [uuid4().hex for _ in range(300)]

    heard: asyncio.Queue[str] = asyncio.Queue()

    async def send(number: str) -> None:
        with contextlib.suppress(httpx.TransportError):
            await door.ask("POST", "/classes/Step", {"word": "killed"}, number)
            await heard.put(number)

    sending = [asyncio.create_task(send(number)) for number in numbers]
    for _ in range(5):
        await heard.get()
    running_server.kill()
    await asyncio.gather(*sending)
    await asyncio.to_thread(running_server.start)
    done = await door.count("Step") - before
    assert 0 < done < 300
    answers = [(await door.ask("POST", "/classes/Step", {"word": "killed"}, number))[0] for number in numbers]
    assert answers.count(400) == done
    assert await door.count("Step") == before + 300


async def test_the_settings_say_where_and_how_long_a_number_counts(door: Door, running_server: RunningServer) -> None:
    running_server.environment = {"CAREBOARD_IDEMPOTENCY_TTL": "1", "CAREBOARD_IDEMPOTENCY_PATHS": "classes/Step$"}
    await asyncio.to_thread(running_server.restart)
    while True:
        number, began = uuid4().hex, time.monotonic()
        _, made = await door.ask("POST", "/classes/Step", {"word": "short"}, number)
        again = await door.ask("POST", "/classes/Step", {"word": "short"}, number)
        if time.monotonic() - began < 1:  # else it may count no more, on a machine that stood still meanwhile
            break
    assert again == ONCE
    elsewhere = f"/classes/Step/{made['objectId']}"
    assert [(await door.ask("PUT", elsewhere, {"n": n}, number))[0] for n in (1, 2)] == [200, 200]
    await asyncio.sleep(1.2)
    assert (await door.ask("POST", "/classes/Step", {"word": "again"}, number))[0] == 201
