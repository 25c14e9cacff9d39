"""Providers that the server's code defines: what they are asked and sent, and how often anybody may try."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller
from app.actions.hooks import AuthAnswer, AuthRequest
from app.actions.signing.attempts import ACCOUNT_FACTOR, ADDRESS_FACTOR
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from tests.actions.world import PASSWORD, World, at, refusing


class Badges:
    """Badges with a PIN; the reader answers with the ward."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str | None]] = []
        self.sent = 0

    async def validate(self, part: Object, request: AuthRequest) -> AuthAnswer | None:
        self.steps.append((request.step, request.user_id))
        if part.get("pin") == "broken":
            raise RuntimeError("the reader is on fire")
        if part.get("pin") != "1234":
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "This badge and PIN do not fit.")
        return AuthAnswer(response={"ward": "ICU"}, save={"id": part["id"]})

    async def challenge(self, part: Object, request: AuthRequest) -> AuthAnswer:
        self.sent += 1
        return AuthAnswer(response={"asked": part.get("for"), "who": request.user_id})


@pytest.fixture
def badges(world: World) -> Iterator[Badges]:
    badges = Badges()
    world.hooks.define_auth("badge", badges.validate, challenge=badges.challenge)
    yield badges
    world.hooks.providers.clear()


def badge(number: str, pin: Json = "1234") -> Object:
    return {"authData": {"badge": {"id": number, "pin": pin}}}


async def test_a_provider_of_our_own_signs_in(world: World, badges: Badges) -> None:
    number = uuid4().hex
    with refusing(101, "This badge and PIN do not fit."):
        await world.users.sign_up(ANONYMOUS, badge(number, "0000"))
    first = await world.users.enter(ANONYMOUS, badge(number))
    assert (first.is_new, first.answer["authDataResponse"]) == (True, {"badge": {"ward": "ICU"}})
    again = await world.users.sign_up(ANONYMOUS, badge(number))
    assert (again["authData"], again["authDataResponse"]) == ({"badge": {"id": number}}, {"badge": {"ward": "ICU"}})
    user = again["objectId"]
    caller = await world.caller(again)
    with refusing(101):
        await world.objects.update(caller, "_User", str(user), badge(number, "0000"))
    await world.objects.update(caller, "_User", str(user), badge(number))
    assert badges.steps == [("setUp", None), ("setUp", None), ("login", user), ("update", user), ("update", user)]


async def test_a_provider_that_breaks_is_told_as_one_and_says_no_more(world: World, badges: Badges) -> None:
    with refusing(141, "The provider badge failed; the log says why."):
        await world.users.sign_up(ANONYMOUS, badge("9", "broken"))


async def test_a_provider_may_keep_nothing_of_a_sign_in(world: World) -> None:
    steps: list[str] = []

    async def once(part: Object, request: AuthRequest) -> AuthAnswer | None:
        steps.append(request.step)
        return AuthAnswer(do_not_save=request.step != "setUp", save={"id": part["id"], "seen": len(steps)})

    world.hooks.define_auth("once", once)
    body: Object = {"authData": {"once": {"id": uuid4().hex, "code": "1"}}}
    first, again = await world.users.enter(ANONYMOUS, body), await world.users.enter(ANONYMOUS, body)
    assert (first.is_new, again.is_new, steps) == (True, False, ["setUp", "login"])
    assert first.answer["objectId"] == again.answer["objectId"]
    assert again.answer["authData"] == {"once": {"id": body["authData"]["once"]["id"], "seen": 1}}  # type: ignore[call-overload,index]  # an object
    world.hooks.providers.clear()


async def test_nothing_given_is_nothing_taken_off(world: World, badges: Badges) -> None:
    number = uuid4().hex
    caller = await world.caller(await world.users.sign_up(ANONYMOUS, badge(number)))
    with refusing(101):
        await world.objects.update(caller, "_User", str(caller.user_id), {"authData": {"badge": {}}})
    assert (await world.users.me(caller))["authData"] == {"badge": {"id": number}}


async def test_guesses_at_a_badge_must_wait(world: World, badges: Badges) -> None:
    few = world.with_settings(sign_in_failures=2)
    await few.users.sign_up(ANONYMOUS, badge("77"))
    for _ in range(2):
        with refusing(101):
            await few.users.sign_up(at("10.0.0.4"), badge("77", "0000"))
    with refusing(155):
        await few.users.sign_up(at("10.0.0.4"), badge("77"))
    assert (await few.users.sign_up(at("10.0.0.5"), badge("77")))["sessionToken"]
    world.with_settings()


async def test_an_account_asks_for_what_is_additional(world: World) -> None:
    async def code(part: Object, _: AuthRequest) -> AuthAnswer | None:
        if part.get("code") != "42":
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Wrong code.")
        return AuthAnswer(save={"has": True})

    world.hooks.define_auth("code", code, policy="additional")
    person = await world.person()
    name = str((person.user or {})["username"])
    await world.objects.update(person, "_User", str(person.user_id), {"authData": {"code": {"code": "42"}}})
    by_password: Object = {"username": name, "password": PASSWORD}
    with refusing(-1, "Missing additional authData code"):
        await world.users.log_in(ANONYMOUS, by_password)
    with refusing(101, "Wrong code."):
        await world.users.log_in(ANONYMOUS, {**by_password, "authData": {"code": {"code": "41"}}})
    answer = await world.users.log_in(ANONYMOUS, {**by_password, "authData": {"code": {"code": "42"}}})
    assert (answer["objectId"], answer["authData"]) == (person.user_id, {"code": {"has": True}})
    world.hooks.providers.clear()


@pytest.mark.parametrize("part", [{"no": None}, {"id": "held"}, {"id": "held", "seal": "held"}])
async def test_what_an_account_holds_already_is_proven_too_at_a_sign_in(world: World, part: Object) -> None:
    """Somebody who has the password and knows, or guesses at, what the account keeps is not past the second factor."""
    steps: list[str] = []

    async def code(part: Object, request: AuthRequest) -> AuthAnswer | None:
        steps.append(request.step)
        if part.get("code") != "42":
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Wrong code.")
        return AuthAnswer(save={"id": "held", "seal": "held"})

    world.hooks.define_auth("code", code, policy="additional")
    person = await world.person()
    by_password: Object = {"username": (person.user or {})["username"], "password": PASSWORD}
    await world.objects.update(person, "_User", str(person.user_id), {"authData": {"code": {"code": "42"}}})
    with refusing(101, "Wrong code."):
        await world.users.log_in(ANONYMOUS, {**by_password, "authData": {"code": part}})
    with refusing(101, "Wrong code."):
        await world.users.log_in(person, {**by_password, "authData": {"code": part}})
    assert steps == ["setUp", "login", "login"]
    await world.objects.delete(MASTER, "_User", str(person.user_id))
    world.hooks.providers.clear()


async def test_guesses_at_a_code_beside_a_password_must_wait_whatever_id_they_name(world: World, badges: Badges) -> None:
    few = world.with_settings(sign_in_failures=2)
    person = await few.person()
    by_password: Object = {"username": (person.user or {})["username"], "password": PASSWORD}
    for number in range(2):
        with refusing(101, "This badge and PIN do not fit."):
            await few.users.log_in(at("10.0.0.6"), {**by_password, **badge(f"9{number}", "0000")})
    with refusing(155):
        await few.users.log_in(at("10.0.0.6"), {**by_password, **badge("93", "0000")})
    world.with_settings()


async def test_challenges_wait_after_some_by_account_and_by_address_where_nobody_is_named(world: World, badges: Badges) -> None:
    few = world.with_settings(sign_in_failures=2)
    asked: Object = {"challengeData": {"badge": {}}}
    for _ in range(2 * ADDRESS_FACTOR):
        await few.users.challenge(at("203.0.113.5"), asked)
    with refusing(155, "Too many challenges were asked for; wait 1 minute and try again."):
        await few.users.challenge(at("203.0.113.5"), asked)
    for _ in range(2 * ADDRESS_FACTOR + 1):
        await few.users.challenge(at("127.0.0.1"), asked)
        await few.users.challenge(replace(MASTER, address="203.0.113.5"), asked)
    number = uuid4().hex
    await few.users.sign_up(ANONYMOUS, badge(number))
    for _ in range(2):
        await few.users.challenge(at("203.0.113.6"), {**asked, **badge(number)})
    with refusing(155):
        await few.users.challenge(at("203.0.113.6"), {**asked, **badge(number)})
    assert badges.sent == 2 * ADDRESS_FACTOR + 2 * (2 * ADDRESS_FACTOR + 1) + 2
    world.with_settings()


async def test_who_tries_to_link_a_sign_in_to_another_account_spends_none_of_its_tries(world: World, badges: Badges) -> None:
    few = world.with_settings(sign_in_failures=1)
    victim, stranger, admin = await few.person(), await few.person(), await few.person("admin")
    for caller in (stranger, admin):
        for _ in range(ACCOUNT_FACTOR + 1):
            with refusing(119, "Only the account itself says how it signs in."):
                await few.objects.update(caller, "_User", str(victim.user_id), badge("b2", "0000"))
            assert await few.users.prove_ahead(caller, badge("b2"), victim.user_id) == badge("b2")
    assert badges.steps == []
    await few.objects.update(victim, "_User", str(victim.user_id), badge(uuid4().hex))
    world.with_settings()


async def test_wrong_links_from_one_address_wait_as_wrong_sign_ins_do(world: World, badges: Badges) -> None:
    few = world.with_settings(sign_in_failures=2)
    person = replace(await few.person(), address="203.0.113.7")
    for _ in range(2):
        with refusing(101):
            await few.objects.update(person, "_User", str(person.user_id), badge("b1", "0000"))
    with refusing(155):
        await few.objects.update(person, "_User", str(person.user_id), badge("b1"))
    world.with_settings()


async def test_a_challenge_comes_before_a_sign_in(world: World, badges: Badges) -> None:
    number = uuid4().hex
    user = (await world.users.sign_up(ANONYMOUS, badge(number)))["objectId"]
    asked: Object = {"challengeData": {"badge": {"for": "door"}, "unknown": {}}}
    assert await world.users.challenge(ANONYMOUS, asked) == {"challengeData": {"badge": {"asked": "door", "who": None}}}
    told = await world.users.challenge(ANONYMOUS, {**asked, **badge(number)})
    assert told == {"challengeData": {"badge": {"asked": "door", "who": user}}}
    unknown: Object = {"authData": {"unknown": {"id": "1"}}}
    for wrong in (badge(number, "0000"), badge("nobody"), unknown):
        with refusing(101, "User not found."):
            await world.users.challenge(ANONYMOUS, {**asked, **wrong})
    with refusing(-1, "Nothing to challenge."):
        await world.users.challenge(ANONYMOUS, {})
    with refusing(-1, "You provided username or email, you need to also provide password."):
        await world.users.challenge(ANONYMOUS, {**asked, "username": "ann"})
    with refusing(101, "Invalid username/password."):
        await world.users.challenge(ANONYMOUS, {**asked, "username": "ann", "password": "x"})
    person: Caller = await world.person()
    named: Object = {"username": (person.user or {})["username"], "password": PASSWORD}
    assert await world.users.challenge(ANONYMOUS, {**asked, **named}) == {
        "challengeData": {"badge": {"asked": "door", "who": person.user_id}}
    }
