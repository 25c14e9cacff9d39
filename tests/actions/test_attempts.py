"""Wrong sign-ins: a few are nothing, many must wait, and nobody locks somebody else out."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import pytest

from app.actions.caller import MASTER
from app.actions.signing import attempts as attempting
from app.actions.signing.attempts import ACCOUNT_FACTOR, ADDRESS_FACTOR, WINDOW_SECONDS, Asked, Attempts
from app.actions.users import Users
from app.core.wire import Object
from tests.actions.world import PASSWORD, World, at, refusing


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def wrong(attempts: Attempts, name: str, address: str, times: int) -> None:
    for _ in range(times):
        attempts.begin(name, address)


def test_an_account_from_one_address_may_be_wrong_so_often_and_then_waits() -> None:
    clock = Clock()
    attempts = Attempts(3, clock=clock)
    wrong(attempts, "ann", "1.1.1.1", 3)
    with refusing(155, "Too many wrong sign-ins; wait 2 minutes and try again."):
        attempts.begin("Ann", "1.1.1.1")
    clock.now += WINDOW_SECONDS / 3
    attempts.begin("ann", "1.1.1.1")
    with refusing(155):
        attempts.begin("ann", "1.1.1.1")
    clock.now += WINDOW_SECONDS
    wrong(attempts, "ann", "1.1.1.1", 3)


def test_the_owner_elsewhere_is_not_locked_out_and_other_people_behind_the_address_are_not() -> None:
    attempts = Attempts(3, clock=Clock())
    wrong(attempts, "ann", "6.6.6.6", 3)
    attempts.begin("ann", "1.1.1.1")
    attempts.begin("ben", "6.6.6.6")


def test_one_address_that_tries_many_accounts_waits() -> None:
    attempts = Attempts(3, clock=Clock())
    for number in range(3 * ADDRESS_FACTOR):
        attempts.begin(f"user{number}", "6.6.6.6")
    with refusing(155):
        attempts.begin("another", "6.6.6.6")
    attempts.begin("another", "1.1.1.1")


def test_a_name_without_end_takes_no_more_room_than_another_and_is_counted_all_the_same() -> None:
    attempts = Attempts(3, clock=Clock())
    wrong(attempts, "x" * 1_000_000, "6.6.6.6", 3)
    assert sum(len(address) + len(name) for address, name in attempts._levels) < 1000
    with refusing(155):
        attempts.begin("X" * 1_000_000, "6.6.6.6")
    attempts.begin("x" * 1_000_001, "6.6.6.6")


def test_many_addresses_that_try_one_account_wait() -> None:
    attempts = Attempts(3, clock=Clock())
    for number in range(3 * ACCOUNT_FACTOR):
        attempts.begin("ann", f"6.6.6.{number}")
    with refusing(155):
        attempts.begin("ann", "7.7.7.7")


def test_right_sign_ins_never_wait_and_leave_nothing_behind() -> None:
    attempts = Attempts(3, clock=Clock())
    for _ in range(100):
        attempts.begin("ann", "1.1.1.1")
        attempts.forgive("ann", "1.1.1.1")
    assert attempts._levels == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempting, "MOST_KEYS", 10)
    attempts = Attempts(3, clock=Clock())
    for number in range(1000):
        attempts.begin(f"user{number}", f"6.6.{number}")
    assert len(attempts._levels) == 10


def test_without_a_limit_nothing_is_counted() -> None:
    attempts = Attempts(0)
    wrong(attempts, "ann", "1.1.1.1", 1000)
    assert attempts._levels == {}


async def test_guesses_at_once_gain_nothing_and_the_right_password_waits_too(world: World) -> None:
    users, name = Users(world.with_settings(sign_in_failures=3).objects), f"guessed-{uuid4().hex[:8]}"
    await world.users.create_user_as_master(name, PASSWORD, "driver")
    guesses = (users.log_in(at("6.6.6.6"), {"username": name, "password": f"{number}"}) for number in range(20))
    refused = await asyncio.gather(*guesses, return_exceptions=True)
    codes = [getattr(each, "code", None) for each in refused]
    assert (codes.count(101), codes.count(155)) == (3, 17)
    for ask in (users.log_in, users.verify_password):
        with refusing(155):
            await ask(at("6.6.6.6"), {"username": name, "password": PASSWORD})
    assert "sessionToken" in await users.log_in(at("1.1.1.1"), {"username": name, "password": PASSWORD})


async def test_an_account_that_is_not_there_waits_alike(world: World) -> None:
    users = Users(world.with_settings(sign_in_failures=3).objects)
    for code in (101, 101, 101, 155):
        with refusing(code):
            await users.log_in(at("6.6.6.6"), {"email": "nobody@example.com", "password": "x"})


def test_accounts_are_counted_by_the_address_they_are_made_from_and_this_machine_is_not() -> None:
    clock = Clock()
    sign_ups = Asked(2, "Too many accounts were made", clock=clock)
    for address in ("", "127.0.0.1", "::1"):
        for _ in range(5):
            sign_ups.begin(address)
    for _ in range(2):
        sign_ups.begin("203.0.113.9")
    with refusing(155, "Too many accounts were made; wait 2 minutes and try again."):
        sign_ups.begin("203.0.113.9")
    sign_ups.begin("203.0.113.10")
    clock.now += WINDOW_SECONDS / 2
    sign_ups.begin("203.0.113.9")


async def test_a_stranger_makes_so_many_accounts_and_then_waits(world: World) -> None:
    few = world.with_settings(sign_ups=2)
    here = "203.0.113.9"

    def body() -> Object:
        return {"username": f"made-{uuid4().hex[:8]}", "password": PASSWORD}

    for _ in range(2):
        await few.users.sign_up(at(here), body())
    before = await few.count("_User")
    with refusing(155):
        await few.users.sign_up(at(here), body())
    assert await few.count("_User") == before
    await few.users.sign_up(at("203.0.113.10"), body())
    await few.users.sign_up(at(here, MASTER), body())
    world.with_settings()  # puts the usual limit back
