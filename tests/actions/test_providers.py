"""Signing in by others: what an issuer's token proves, and which account it opens."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from joserfc.jwk import RSAKey

from app.actions.caller import ANONYMOUS, MASTER
from app.actions.signing.accounts import TAKEN_EMAIL
from app.actions.signing.oidc import OpenId
from app.config import Issuer as IssuerSetting
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from tests.actions.world import PASSWORD, World, at, refusing
from tests.issuer import CLIENT, SECRET, Issuer

LINKED = "this auth is already used"


@pytest.fixture(autouse=True)
def as_it_was(issuer: Issuer) -> Iterator[None]:
    yield
    issuer.is_down, issuer.auth_methods = False, ["client_secret_basic"]


@pytest.fixture
def site(world: World, issuer: Issuer) -> Iterator[World]:
    """The floor with a hospital's issuer, known to it from nothing."""
    yield world.with_settings(issuers=(setting(issuer),))
    world.with_settings()


def setting(issuer: Issuer, **changes: Any) -> IssuerSetting:
    return replace(IssuerSetting("hospital", issuer.url, CLIENT, label="Hospital"), **changes)


def hospital(issuer: Issuer, subject: str, **changes: Any) -> Object:
    """The body of a sign-in with a good token, or one whose claims are changed."""
    return {"authData": {"hospital": {"id": subject, "id_token": issuer.token(subject, **changes)}}}


def somebody() -> str:
    return f"staff-{uuid4().hex[:8]}"


async def test_an_id_token_makes_an_account_once_and_then_opens_it(site: World, issuer: Issuer) -> None:
    who = somebody()
    first = await site.users.enter(ANONYMOUS, hospital(issuer, who))
    again = await site.users.enter(ANONYMOUS, hospital(issuer, who))
    assert (first.is_new, again.is_new) == (True, False)
    assert first.answer["objectId"] == again.answer["objectId"]
    assert (again.answer["role"], again.answer["authData"]) == ("patient", {"hospital": {"id": who}})
    caller = await site.caller(again.answer)
    session = await site.users.my_session(caller)
    assert session["createdWith"] == {"action": "login", "authProvider": "hospital"}
    as_apple_has_it: Object = {"authData": {"hospital": {"id": who, "token": issuer.token(who)}}}
    for body in (hospital(issuer, who), as_apple_has_it):
        assert (await site.users.log_in(ANONYMOUS, body))["objectId"] == first.answer["objectId"]


async def test_a_log_in_makes_no_account(site: World, issuer: Issuer) -> None:
    before = await site.count("_User")
    with refusing(101, "No account is linked with this sign-in; POST /users with the same authData makes one."):
        await site.users.log_in(ANONYMOUS, hospital(issuer, somebody()))
    assert await site.count("_User") == before


# Constants, for they name the tests, which every process must name alike.
LONG_AGO, FAR_OFF = 1_600_000_000, 4_000_000_000

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"exp": LONG_AGO}, "it has expired"),
    ({"exp": None}, "it does not say until when it holds"),
    ({"aud": "another"}, "it was made for another application"),
    ({"aud": None}, "it was made for another application"),
    ({"aud": ["another", CLIENT]}, "it was made for another application"),
    ({"aud": ["another", CLIENT], "azp": "another"}, "it was made for another application"),
    ({"iss": "https://evil.example.org"}, "another issuer made it"),
    ({"iss": None}, "another issuer made it"),
    ({"iat": FAR_OFF}, "it comes from the future"),
    ({"iat": None}, "it comes from the future"),
    ({"nbf": FAR_OFF}, "it is not valid yet"),
    ({"sub": None}, "it names nobody"),
    ({"sub": ""}, "it names nobody"),
    ({"sub": "x" * 256}, "it names nobody"),
    ({"sub": 7}, "it names nobody"),
    ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "it is a token for another purpose"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=lambda value: str(value)[:40])
async def test_a_token_whose_claims_do_not_hold_is_refused(
    site: World, issuer: Issuer, changes: dict[str, Any], reason: str
) -> None:
    before = await site.count("_User")
    token = issuer.sign({name: value for name, value in {**issuer.claims("x"), **changes}.items() if value is not None})
    with refusing(101, f"The id token of hospital is refused: {reason}. Sign in there again."):
        await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {"id": "x", "id_token": token}}})
    assert await site.count("_User") == before


def unsigned(claims: dict[str, Any], header: dict[str, Any], signature: str = "") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join((*parts, signature))


def by_public_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    """Signed by HS256 with the text of the published key as the secret, as libraries once believed it."""
    assert isinstance(issuer.signing, RSAKey)
    text = unsigned(claims, {"alg": "HS256", "kid": issuer.signing.kid}).rstrip(".")
    made = hmac.new(issuer.signing.as_pem(private=False), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


async def test_a_token_that_the_issuer_has_not_signed_is_refused(site: World, issuer: Issuer) -> None:
    claims = issuer.claims("victim")
    stranger = RSAKey.generate_key(2048, {"kid": issuer.signing.kid or ""})
    good = issuer.sign(claims)
    header, payload, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "me"}).encode()).rstrip(b"=").decode()
    jwk = stranger.as_dict(private=False)
    forged = {
        "none": unsigned(claims, {"alg": "none"}),
        "none with a key": unsigned(claims, {"alg": "none", "kid": issuer.signing.kid}, signature),
        "HS256 with the public key": by_public_key(issuer, claims),
        "another key of the same name": issuer.sign(claims, stranger),
        "a key of its own in the header": issuer.sign(claims, stranger, jwk=jwk),
        "a key from an address": issuer.sign(claims, stranger, jku="http://127.0.0.1:9/keys"),
        "other claims": f"{header}.{other}.{signature}",
        "no signature": f"{header}.{payload}.",
        "nonsense": "not.a.token",
        "nothing": "",
        "binary": "\x00\xff.\x00.\x00",
        "an access token": issuer.sign(claims, typ="at+jwt"),
        "much": good + "A" * 40_000,
    }
    before = await site.count("_User")
    for what, token in forged.items():
        with pytest.raises(ParseError) as error:
            await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {"id": "victim", "id_token": token}}})
        assert error.value.code == 101, what
        assert "Traceback" not in error.value.message
        assert token == "" or token not in error.value.message
    assert await site.count("_User") == before


async def test_the_id_is_the_one_of_the_token(site: World, issuer: Issuer) -> None:
    token = issuer.token("me")
    with refusing(101, "Auth data is invalid for this user."):
        await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {"id": "victim", "id_token": token}}})
    with refusing(101):
        await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {"id": "victim"}}})
    with refusing(101, "Auth data is invalid for this user."):
        await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {"id": {"$ne": 1}, "id_token": token}}})


async def test_a_nonce_that_is_given_must_be_the_token_s(site: World, issuer: Issuer) -> None:
    who = somebody()
    part: Object = {"id": who, "id_token": issuer.token(who, nonce="right")}
    with refusing(101, "The id token of hospital is refused: it belongs to another sign-in. Sign in there again."):
        await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {**part, "nonce": "wrong"}}})
    with refusing(101):
        bare: Object = {"id": who, "id_token": issuer.token(who), "nonce": "right"}
        await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": bare}})
    assert (await site.users.enter(ANONYMOUS, {"authData": {"hospital": {**part, "nonce": "right"}}})).is_new


async def test_an_issuer_may_change_its_key_and_is_not_asked_for_each_token(site: World, issuer: Issuer) -> None:
    for _ in range(3):
        await site.users.sign_up(ANONYMOUS, hospital(issuer, somebody()))
    certs = [path for path in issuer.asked if path.endswith("/certs")]
    await site.users.sign_up(ANONYMOUS, hospital(issuer, somebody()))
    old = issuer.signing
    assert [path for path in issuer.asked if path.endswith("/certs")] == certs
    issuer.rotate()
    assert (await site.users.enter(ANONYMOUS, hospital(issuer, somebody()))).is_new
    with refusing(101, "The id token of hospital is refused: no key of the issuer has signed it. Sign in there again."):
        token = issuer.sign(issuer.claims("late"), old)
        await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {"id": "late", "id_token": token}}})
    for _ in range(5):
        with refusing(101):
            token = issuer.sign(issuer.claims("late"), RSAKey.generate_key(2048, auto_kid=True))
            await site.users.sign_up(ANONYMOUS, {"authData": {"hospital": {"id": "late", "id_token": token}}})
    assert len([path for path in issuer.asked if path.endswith("/certs")]) == len(certs) + 1


async def test_an_issuer_that_is_away_is_told_in_words_and_counts_as_nobody_s_mistake(site: World, issuer: Issuer) -> None:
    few = site.with_settings(issuers=(setting(issuer),), sign_in_failures=1)
    issuer.is_down = True
    words = "Hospital cannot be reached just now; try again in a moment, or sign in another way."
    for _ in range(3):
        with refusing(100, words):
            await few.users.sign_up(at("10.0.0.9"), hospital(issuer, "staff-away"))
    nowhere = site.with_settings(issuers=(setting(issuer, url="http://127.0.0.1:9/realm"),))
    with refusing(100, words):
        await nowhere.users.sign_up(ANONYMOUS, hospital(issuer, "staff-away"))


async def test_an_issuer_that_gives_itself_for_another_is_not_used(site: World, issuer: Issuer) -> None:
    other = site.with_settings(issuers=(setting(issuer, url=issuer.url + "/"),))
    with refusing(100):
        await other.users.sign_up(ANONYMOUS, hospital(issuer, "x"))


async def test_wrong_tokens_must_wait(site: World, issuer: Issuer) -> None:
    few = site.with_settings(issuers=(setting(issuer),), sign_in_failures=3)
    wrong: Object = {"authData": {"hospital": {"id": "guessed", "id_token": "x.y.z"}}}
    for _ in range(3):
        with refusing(101):
            await few.users.sign_up(at("10.0.0.7"), wrong)
    for ask in (few.users.sign_up, few.users.log_in):
        with refusing(155):
            await ask(at("10.0.0.7"), wrong)
    assert (await few.users.enter(at("10.0.0.7"), hospital(issuer, somebody()))).is_new


async def test_of_two_who_race_with_one_identity_there_is_one_account(site: World, issuer: Issuer) -> None:
    before, body = await site.count("_User"), hospital(issuer, somebody())
    answers = await asyncio.gather(*(site.users.sign_up(ANONYMOUS, body) for _ in range(4)))
    assert len({str(answer["objectId"]) for answer in answers}) == 1
    assert len({str(answer["sessionToken"]) for answer in answers}) == 4
    assert await site.count("_User") == before + 1


async def test_of_two_accounts_that_race_to_link_one_identity_one_gets_it(site: World, issuer: Issuer) -> None:
    people = [await site.person() for _ in range(4)]
    body = hospital(issuer, somebody())
    links = (site.objects.update(each, "_User", str(each.user_id), body) for each in people)
    outcomes = await asyncio.gather(*links, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, ParseError)]
    assert [(each.code, each.message) for each in refused] == [(ErrorCode.ACCOUNT_ALREADY_LINKED, LINKED)] * 3
    owner = await site.users.log_in(ANONYMOUS, body)
    assert owner["objectId"] in {each.user_id for each in people}


async def test_the_database_itself_refuses_a_second_holder(site: World, issuer: Issuer) -> None:
    who = somebody()
    await site.users.sign_up(ANONYMOUS, hospital(issuer, who))
    person = await site.person()
    data = json.dumps({"hospital": {"id": who}})
    statement = """update "_User" set "authData" = $1::jsonb where "objectId" = $2"""
    with refusing(208, LINKED):
        async with site.database.transaction() as tx:
            await tx.execute(statement, data, person.user_id)


async def test_an_identity_is_free_again_when_its_account_is_gone(site: World, issuer: Issuer) -> None:
    body = hospital(issuer, somebody())
    first = await site.users.sign_up(ANONYMOUS, body)
    await site.objects.delete(await site.caller(first), "_User", str(first["objectId"]))
    assert (await site.users.enter(ANONYMOUS, body)).is_new


async def test_a_signed_in_person_links_and_unlinks(site: World, issuer: Issuer) -> None:
    person, who = await site.person("nurse"), somebody()
    body = hospital(issuer, who)
    await site.objects.update(person, "_User", str(person.user_id), body)
    assert (await site.users.me(person))["authData"] == {"hospital": {"id": who}}
    by_hospital = await site.users.log_in(ANONYMOUS, body)
    assert (by_hospital["objectId"], by_hospital["role"]) == (person.user_id, "nurse")
    # An SDK sends the others back as it knows them: expired tokens in them are not looked at again.
    echo: Object = {"hospital": {"id": who, "id_token": "long expired"}, "anonymous": None}
    await site.objects.update(person, "_User", str(person.user_id), {"authData": echo})
    await site.objects.update(person, "_User", str(person.user_id), {"authData": {"hospital": None}})
    assert "authData" not in await site.users.me(person)
    with refusing(101):
        await site.users.log_in(ANONYMOUS, body)
    assert (await site.users.enter(ANONYMOUS, body)).answer["objectId"] != person.user_id


async def test_nobody_links_an_identity_to_the_account_of_another(site: World, issuer: Issuer) -> None:
    victim, body = await site.person("nurse"), hospital(issuer, somebody())
    bare: Object = {"authData": {"hospital": {"id": "evil"}}}
    none: Object = {"authData": {"hospital": None}}
    for other in (await site.person(), await site.person("admin"), ANONYMOUS):
        for sent in (body, bare, none):
            with pytest.raises(ParseError) as error:
                await site.objects.update(other, "_User", str(victim.user_id), sent)
            assert error.value.code in (101, 119, 206)
    assert "authData" not in await site.users.me(victim)


async def test_somebody_signed_in_is_not_moved_to_another_account(site: World, issuer: Issuer) -> None:
    body = hospital(issuer, somebody())
    first = await site.users.sign_up(ANONYMOUS, body)
    other = await site.person()
    with refusing(208, LINKED):
        await site.users.sign_up(other, body)
    mine = await site.caller(first)
    assert (await site.users.sign_up(mine, body))["sessionToken"] == mine.session_token


async def test_an_address_takes_no_account_over(site: World, issuer: Issuer) -> None:
    address = f"{uuid4().hex[:8]}@example.org"
    await site.users.create_user_as_master(address, PASSWORD, "nurse", email=address)
    body = {**hospital(issuer, somebody(), email=address, email_verified=True), "email": address}
    with refusing(203, TAKEN_EMAIL):
        await site.users.sign_up(ANONYMOUS, body)
    del body["email"]
    entered = await site.users.enter(ANONYMOUS, body)
    assert (entered.is_new, entered.answer["role"]) == (True, "patient")


async def test_a_provider_account_claims_no_more_than_any_sign_up(site: World, issuer: Issuer) -> None:
    for claim in ("admin", "nurse", "dispatcher"):
        with refusing(119):
            await site.users.sign_up(ANONYMOUS, {**hospital(issuer, somebody()), "role": claim})
    asked = await site.users.sign_up(ANONYMOUS, {**hospital(issuer, somebody(), groups=["admin"]), "role": "provider"})
    assert (asked["active"], "sessionToken" in asked) == (False, False)


async def test_a_disabled_account_stays_out(site: World, issuer: Issuer) -> None:
    body = hospital(issuer, somebody())
    first = await site.users.sign_up(ANONYMOUS, body)
    await site.users.set_active_as_master(str(first["objectId"]), active=False)
    for ask in (site.users.sign_up, site.users.log_in):
        with refusing(119, "This account is not active; ask an admin to enable it."):
            await ask(ANONYMOUS, body)
    with refusing(209):
        await site.caller(first)


async def test_an_account_locked_by_the_master_key_stays_out(site: World, issuer: Issuer) -> None:
    body = hospital(issuer, somebody())
    first = await site.users.sign_up(ANONYMOUS, body)
    await site.objects.update(MASTER, "_User", str(first["objectId"]), {"ACL": {}})
    with refusing(101):
        await site.users.sign_up(ANONYMOUS, body)


async def test_an_issuer_may_let_in_only_those_an_administrator_linked(site: World, issuer: Issuer) -> None:
    closed = site.with_settings(issuers=(setting(issuer, sign_up=False),))
    who, stranger = somebody(), hospital(issuer, somebody())
    words = "No account is linked with this sign-in of Hospital; ask an administrator to link yours."
    for body in (stranger, {**stranger, "username": somebody(), "password": "p"}):
        with refusing(119, words):
            await closed.users.sign_up(ANONYMOUS, body)
        with refusing(119, words):
            await closed.objects.create(ANONYMOUS, "_User", body)
    nurse = (await closed.users.create_user_as_master(somebody(), PASSWORD, "nurse")).object_id
    named: Object = {"authData": {"hospital": {"id": who}}}
    await closed.objects.update(MASTER, "_User", nurse, named)
    assert (await closed.users.sign_up(ANONYMOUS, hospital(issuer, who)))["objectId"] == nurse
    admin, other = await closed.person("admin"), somebody()
    made: Object = {"username": other, "password": PASSWORD, "role": "nurse", "authData": {"hospital": {"id": other}}}
    await closed.users.sign_up(admin, made)
    assert (await closed.users.sign_up(ANONYMOUS, hospital(issuer, other)))["username"] == other


async def test_groups_of_the_issuer_give_roles_and_take_them_away(site: World, issuer: Issuer) -> None:
    roles = (("Biomed", "biomed"), ("Wards", "nurse"))
    mapped = site.with_settings(issuers=(setting(issuer, roles_claim="groups", roles=roles),))
    who = somebody()
    first = await mapped.users.sign_up(ANONYMOUS, hospital(issuer, who, groups=["Wards", "Others"]))
    caller = await mapped.caller(first)
    assert (first["active"], caller.role, [*caller.authority.roles]) == (True, "nurse", ["nurse"])
    moved = await mapped.users.sign_up(ANONYMOUS, hospital(issuer, who, groups=["Biomed"]))
    assert moved["role"] == "biomed"
    with refusing(209):
        await mapped.fresh(caller)
    assert (await mapped.users.sign_up(ANONYMOUS, hospital(issuer, who, groups=[])))["role"] == "patient"
    await mapped.users.set_role_as_master(str(first["objectId"]), "admin")
    assert (await mapped.users.sign_up(ANONYMOUS, hospital(issuer, who, groups=["Wards"])))["role"] == "admin"


async def test_a_role_of_the_issuer_gives_no_department_and_no_other_role(site: World, issuer: Issuer) -> None:
    mapped = site.with_settings(issuers=(setting(issuer, roles_claim="groups", roles=(("Wards", "nurse"),)),))
    body = hospital(issuer, somebody(), groups=["Wards"])
    with refusing(119):
        await mapped.users.sign_up(ANONYMOUS, {**body, "department": "ICU"})
    told = await mapped.users.sign_up(ANONYMOUS, {**body, "role": "admin", "active": False})
    assert (told["role"], told["active"]) == ("nurse", True)


async def test_a_guest_becomes_a_person(site: World, issuer: Issuer) -> None:
    guest = await site.users.sign_up(ANONYMOUS, {"authData": {"anonymous": {"id": uuid4().hex}}})
    caller, who = await site.caller(guest), somebody()
    token = issuer.token(who)
    becoming: Object = {"authData": {"anonymous": None, "hospital": {"id": who, "id_token": token}}}
    await site.objects.update(caller, "_User", str(caller.user_id), becoming)
    assert (await site.users.me(caller))["authData"] == {"hospital": {"id": who}}
    assert (await site.users.log_in(ANONYMOUS, hospital(issuer, who)))["objectId"] == guest["objectId"]


async def test_no_token_is_kept_or_told(site: World, issuer: Issuer) -> None:
    who = somebody()
    body = hospital(issuer, who)
    answer = await site.users.sign_up(ANONYMOUS, body)
    again = await site.users.sign_up(ANONYMOUS, body)
    part = body["authData"]["hospital"]  # type: ignore[call-overload,index]  # an object
    async with site.database.connection() as connection:
        rows = await connection.fetchval('select string_agg(u::text, chr(10)) from "_User" u')
        images = await connection.fetchval("select string_agg(concat(before, after), chr(10)) from careboard.change")
    for told in (str(answer), str(again), rows, images):
        assert str(part["id_token"])[:40] not in told  # type: ignore[index,call-overload]  # an object
    assert who not in images


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], ["none"], []])
async def test_a_code_is_exchanged_as_the_issuer_wants_it(site: World, issuer: Issuer, methods: list[str]) -> None:
    issuer.auth_methods = methods
    secret = None if methods == ["none"] else SECRET
    provider = OpenId(setting(issuer, client_secret=secret))
    errand = await provider.begin("http://here/back")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(errand.url).query).items()}
    code = parse_qs(urlsplit(issuer.let_in(asked)).query)["code"][0]
    brought = {"verifier": errand.verifier, "nonce": errand.nonce, "redirect_uri": "http://here/back"}
    if not methods:
        with refusing(101, "Hospital did not confirm this sign-in; start it once more."):
            await provider.finish(code, **{**brought, "verifier": "another"})
        return
    assert (await provider.finish(code, **brought))["sub"] == "staff-1"
    with refusing(101, "Hospital did not confirm this sign-in; start it once more."):
        await provider.finish(code, **brought)
