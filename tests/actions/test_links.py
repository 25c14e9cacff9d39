"""Links in mails: a new password, a confirmed address, and what somebody with a stolen, old or guessed one gets."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from app.actions.caller import ANONYMOUS, MASTER
from app.actions.signing.attempts import ADDRESS_FACTOR
from app.actions.signing.links import Links
from app.config import Settings
from app.core.wire import Json, Object
from app.store.database import Database
from app.store.mails import ADDRESS_CHANGED
from app.store.schemas import Schemas
from tests.actions.post import Post, make_post
from tests.actions.world import PASSWORD, at, refusing
from tests.mailbox import PUBLIC_URL, Mailbox, text_of

WRONG = "Failed to reset password: username / email / token is invalid"
OLD = "The verification link is invalid or has expired"
CHANGED = "Your e-mail address was changed"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox().start()
    yield mailbox
    mailbox.stop()


@pytest.fixture
async def post(database: Database, schemas: Schemas, settings: Settings, mailbox: Mailbox) -> Post:
    return await make_post(database, schemas, settings, mailbox)


@pytest.fixture
async def strict(database: Database, schemas: Schemas, settings: Settings, mailbox: Mailbox) -> Post:
    """Addresses are confirmed, and nobody gets in before."""
    return await make_post(database, schemas, settings, mailbox, verify_emails=True, prevent_login_with_unverified_email=True)


async def ask_reset(post: Post, email: Json) -> None:
    await post.links.ask_reset(ANONYMOUS, {"email": email})
    await post.send()


# --- a new password ---


async def test_a_link_sets_a_new_password_once_and_ends_every_session(post: Post) -> None:
    user_id, address, answer = await post.sign_up()
    first = await post.world.caller(answer)
    second = await post.world.signed_in(address)
    await ask_reset(post, address)
    [letter] = post.mailbox.to(address)
    token = post.mailbox.token(address)
    assert post.mailbox.link(address) == f"{PUBLIC_URL}/apps/careboard/request_password_reset?token={token}"
    assert "for 24 hours" in text_of(letter)
    assert user_id not in text_of(letter)
    await post.links.check_reset(token)
    await post.links.reset(token, "another password")
    for session in (first, second):
        with refusing(209):
            await post.world.fresh(session)
    with refusing(101):
        await post.world.signed_in(address)
    await post.world.signed_in(address, "another password")
    for again in (post.links.check_reset(token), post.links.reset(token, "a third")):
        with refusing(-1, WRONG):
            await again
    trail = await post.world.rows("AuditLog", entityType="_User", entityId=user_id)
    assert trail == [] or all("password" not in str(row.get("metadata")) for row in trail)


async def test_of_two_who_use_a_link_at_once_one_does(post: Post) -> None:
    _, address, _ = await post.sign_up()
    await ask_reset(post, address)
    token = post.mailbox.token(address)
    done = await asyncio.gather(*(post.links.reset(token, f"new {number}") for number in range(4)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["NoneType", "ParseError", "ParseError", "ParseError"]


async def test_an_address_in_other_letters_finds_its_account_and_the_mail_goes_where_the_account_says(post: Post) -> None:
    _, address, _ = await post.sign_up()
    await ask_reset(post, address.upper())
    assert len(post.mailbox.to(address)) == 1
    assert post.mailbox.to(address.upper()) == []


async def test_a_name_that_is_an_address_does_where_the_account_has_no_other(post: Post) -> None:
    answer = await post.world.users.sign_up(ANONYMOUS, {"username": "only@example.org", "password": PASSWORD})
    await ask_reset(post, "only@example.org")
    await post.links.reset(post.mailbox.token("only@example.org"), "fresh")
    with refusing(209):
        await post.world.caller(answer)


async def test_the_unknown_the_disabled_and_the_locked_are_answered_alike_and_get_nothing(post: Post) -> None:
    disabled, disabled_address, _ = await post.sign_up()
    await post.world.users.set_active_as_master(disabled, active=False)
    locked, locked_address, _ = await post.sign_up()
    await post.world.objects.update(MASTER, "_User", locked, {"ACL": {}})
    before = len(post.mailbox.letters)
    for address in ("nobody@example.org", disabled_address, locked_address, "x" * 5000, "'; --", "%"):
        await ask_reset(post, address)
    assert len(post.mailbox.letters) == before
    assert await post.rows() == []


async def test_known_and_unknown_do_the_same_work_before_the_answer(post: Post) -> None:
    _, address, _ = await post.sign_up()
    for email in (address, "nobody@example.org"):
        await post.links.ask_reset(ANONYMOUS, {"email": email})
    rows = await post.rows()
    assert {(row.kind, row.user_id, row.attempts) for row in rows} == {("password_reset", None, 0)}
    assert {row.address for row in rows} == {address, "nobody@example.org"}
    await post.send()
    assert await post.rows() == []


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({}, 204, "you must provide an email"),
        ({"email": ""}, 204, "you must provide an email"),
        ({"email": {"$gt": ""}}, 125, "you must provide a valid email string"),
        ({"email": 7}, 125, "you must provide a valid email string"),
    ],
)
async def test_what_is_no_address_is_refused_in_parse_s_words(strict: Post, params: Object, code: int, words: str) -> None:
    for ask in (strict.links.ask_reset, strict.links.ask_verification):
        with refusing(code, words):
            await ask(ANONYMOUS, params)


async def test_a_link_that_is_too_old_sets_nothing(post: Post) -> None:
    user_id, address, _ = await post.sign_up()
    await ask_reset(post, address)
    token = post.mailbox.token(address)
    past = "now() - interval '1 second'"
    await post.sql(f"""update "_User" set "_perishable_token_expires_at" = {past} where "objectId" = $1""", user_id)
    with refusing(-1, "The password reset link has expired"):
        await post.links.reset(token, "new")
    await post.world.signed_in(address)


async def test_the_newest_link_counts_and_a_mail_that_comes_late_does_not_bring_an_older_one_back(post: Post) -> None:
    _, address, _ = await post.sign_up()
    post.mailbox.verdict = "451 busy"
    await ask_reset(post, address)
    post.mailbox.verdict = "250 OK"
    await ask_reset(post, address)
    newest = post.mailbox.token(address)
    await post.due_now()
    await post.send()
    assert len(post.mailbox.to(address)) == 1
    await ask_reset(post, address)
    with refusing(-1, WRONG):
        await post.links.reset(newest, "old link")
    await post.links.reset(post.mailbox.token(address), "new link")


@pytest.mark.parametrize("change", [{"email": "moved-{}@example.org"}, {"password": "by hand"}])
async def test_who_changes_address_or_password_makes_links_of_before_useless(post: Post, change: dict[str, str]) -> None:
    user_id, address, answer = await post.sign_up()
    await ask_reset(post, address)
    caller = await post.world.caller(answer)
    body: Object = {name: value.format(user_id) for name, value in change.items()}
    await post.world.objects.update(caller, "_User", user_id, body)
    with refusing(-1, WRONG):
        await post.links.reset(post.mailbox.token(address), "new")


@pytest.mark.parametrize("token", ["", "r:x", "sha256:", "%"])
async def test_a_guessed_token_opens_nothing(post: Post, token: str) -> None:
    await post.sign_up()
    with refusing(-1):
        await post.links.reset(token, "new")
    with refusing(-1):
        await post.links.verify(token)


async def test_the_stored_hash_of_a_token_opens_nothing(strict: Post) -> None:
    _, address, _ = await strict.sign_up()
    await ask_reset(strict, address)
    async with strict.world.database.connection() as connection:
        row = await connection.fetchrow(
            """select "_perishable_token" reset, "_email_verify_token" verify from "_User" where "email" = $1""", address
        )
    with refusing(-1):
        await strict.links.reset(row["reset"], "new")
    with refusing(-1):
        await strict.links.verify(row["verify"])


async def test_a_token_of_one_kind_does_not_do_the_other(strict: Post) -> None:
    _, address, _ = await strict.sign_up()
    await strict.send()
    with refusing(-1, WRONG):
        await strict.links.reset(strict.mailbox.token(address), "new")
    await ask_reset(strict, address)
    with refusing(-1, OLD):
        await strict.links.verify(strict.mailbox.token(address))


@pytest.mark.parametrize("password", ["", None, 7, {"__op": "Delete"}])
async def test_no_empty_password_is_set(post: Post, password: Json) -> None:
    _, address, _ = await post.sign_up()
    await ask_reset(post, address)
    with refusing(201):
        await post.links.reset(post.mailbox.token(address), password)
    await post.world.signed_in(address)


async def test_who_asks_too_often_waits_whether_the_address_is_known_or_not(post: Post) -> None:
    _, address, _ = await post.sign_up()
    links = Links(post.world.with_settings(mail_requests=2).objects)
    for email in (address, "nobody@example.org"):
        for _ in range(2):
            await links.ask_reset(at("6.6.6.6"), {"email": email})
        with refusing(155, "Too many mails were asked for; wait 2 minutes and try again."):
            await links.ask_reset(at("6.6.6.6"), {"email": email})
    for number in range(2):
        await links.ask_reset(at(f"7.7.7.{number}"), {"email": address})
    with refusing(155):
        await links.ask_reset(at("7.7.7.9"), {"email": address})
    await post.send()


# --- an address that is left ---


@pytest.mark.parametrize("change", ["new-{}", {"__op": "Delete"}, ""])
async def test_the_address_of_before_is_told_that_it_was_changed_and_not_to_which(post: Post, change: Json) -> None:
    user_id, address, answer = await post.sign_up()
    caller = await post.world.caller(answer)
    new = change.format(address) if isinstance(change, str) else change
    await post.world.objects.update(caller, "_User", user_id, {"email": new, "displayName": "Ann"})
    await post.send()
    [letter] = post.mailbox.to(address)
    assert letter["Subject"] == CHANGED
    assert PUBLIC_URL in text_of(letter)
    assert [told for told in (f"new-{address}", user_id, "Ann", "person-") if told in text_of(letter)] == []
    assert post.mailbox.to(f"new-{address}") == []
    assert await post.rows() == []


async def test_nobody_is_told_where_no_address_is_left_or_the_change_is_refused(post: Post) -> None:
    user_id, address, answer = await post.sign_up()
    _, taken, _ = await post.sign_up()
    caller, objects = await post.world.caller(answer), post.world.objects
    await objects.update(caller, "_User", user_id, {"email": address.title()})
    await objects.update(caller, "_User", user_id, {"displayName": "Ann", "password": "another"})
    caller = await post.world.signed_in(address.title(), "another")
    with refusing(203):
        await objects.update(caller, "_User", user_id, {"email": taken})
    assert await post.rows() == []
    silent = post.world.with_settings(smtp_url=None)
    await silent.objects.update(caller, "_User", user_id, {"email": f"new-{address}"})
    post.world.with_settings()
    assert await post.rows() == []


async def test_who_gives_a_strangers_address_for_a_moment_has_few_mails_sent_to_it(post: Post) -> None:
    world = post.world.with_settings(mail_requests=1)
    stranger = f"stranger-{uuid4().hex[:8]}@example.org"

    async def lend(address: str) -> None:
        made = await world.users.sign_up(at(address), {"username": uuid4().hex, "password": PASSWORD, "email": stranger})
        caller = replace(await world.caller(made), address=address)
        await world.objects.update(caller, "_User", str(made["objectId"]), {"email": {"__op": "Delete"}})

    await lend("203.0.113.9")
    with refusing(155):
        await lend("203.0.113.9")
    post.world.with_settings()
    await post.send()
    assert len(post.mailbox.to(stranger)) == 1


# --- a confirmed address ---


async def test_an_address_is_confirmed_by_the_link_that_is_sent_to_it(strict: Post) -> None:
    user_id, address, answer = await strict.sign_up()
    assert "sessionToken" not in answer
    assert (await strict.world.stored("_User", user_id))["emailVerified"] is False
    with refusing(205, "User email is not verified."):
        await strict.world.signed_in(address)
    with refusing(205):
        await strict.world.users.verify_password(ANONYMOUS, {"username": address, "password": PASSWORD})
    with refusing(101):
        await strict.world.signed_in(address, "wrong")
    excused: Object = {"username": address, "password": PASSWORD, "ignoreEmailVerification": True}
    assert "sessionToken" in await strict.world.users.log_in(MASTER, excused)
    with refusing(205):
        await strict.world.users.log_in(ANONYMOUS, excused)
    await strict.send()
    token = strict.mailbox.token(address)
    assert strict.mailbox.link(address) == f"{PUBLIC_URL}/apps/careboard/verify_email?token={token}"
    await strict.links.check_verification(token)
    await strict.links.verify(token)
    assert (await strict.world.stored("_User", user_id))["emailVerified"] is True
    with refusing(-1, OLD):
        await strict.links.verify(token)
    caller = await strict.world.signed_in(address)
    await strict.world.objects.update(caller, "_User", user_id, {"email": f"new-{address}"})
    assert (await strict.world.stored("_User", user_id))["emailVerified"] is False
    await strict.send()
    assert len(strict.mailbox.to(f"new-{address}")) == 1


async def test_an_account_without_an_address_is_kept_out_as_in_parse_and_an_anonymous_one_is_not(strict: Post) -> None:
    answer = await strict.world.users.sign_up(ANONYMOUS, {"username": "plain", "password": PASSWORD})
    assert "sessionToken" not in answer
    with refusing(205):
        await strict.world.signed_in("plain")
    assert "sessionToken" in await strict.world.users.sign_up(ANONYMOUS, {"authData": {"anonymous": {"id": "strict-1"}}})


async def test_only_the_master_key_says_that_an_address_is_confirmed_and_then_no_mail_is_sent(strict: Post) -> None:
    user_id, address, _ = await strict.sign_up()
    await strict.send()
    await strict.links.verify(strict.mailbox.token(address))
    caller = await strict.world.signed_in(address)
    for value in (True, False, None, {"__op": "Delete"}):
        with refusing(119):
            await strict.world.objects.update(caller, "_User", user_id, {"emailVerified": value})  # type: ignore[dict-item]  # any JSON
    body: Object = {"username": "known", "password": PASSWORD, "email": "known@example.org", "emailVerified": True}
    await strict.world.objects.create(MASTER, "_User", body)
    await strict.send()
    assert strict.mailbox.to("known@example.org") == []
    await strict.world.signed_in("known")


async def test_the_link_is_sent_again_to_who_asks_and_nothing_to_the_confirmed_and_the_unknown(strict: Post) -> None:
    _, address, _ = await strict.sign_up()
    await strict.send()
    first = strict.mailbox.token(address)
    for email in (address, "nobody@example.org"):
        await strict.links.ask_verification(ANONYMOUS, {"email": email})
    await strict.send()
    assert len(strict.mailbox.to(address)) == 2
    with refusing(-1, OLD):
        await strict.links.verify(first)
    await strict.links.verify(strict.mailbox.token(address))
    await strict.links.ask_verification(ANONYMOUS, {"email": address})
    await strict.send()
    assert len(strict.mailbox.to(address)) == 2
    assert strict.mailbox.to("nobody@example.org") == []


async def test_one_account_does_not_have_mails_sent_to_many_addresses(strict: Post) -> None:
    user_id, address, _ = await strict.sign_up()
    await strict.world.objects.update(MASTER, "_User", user_id, {"emailVerified": True})
    caller = await strict.world.signed_in(address)
    world = strict.world.with_settings(mail_requests=2)
    for number in range(4):
        await world.objects.update(caller, "_User", user_id, {"email": f"{number}-{address}"})
    with refusing(155):
        await world.objects.update(caller, "_User", user_id, {"email": f"4-{address}"})
    await world.objects.update(MASTER, "_User", user_id, {"email": address})
    await strict.send()
    left = [[letter["Subject"] for letter in strict.mailbox.to(f"{number}-{address}")] for number in range(5)]
    assert left == [[CHANGED]] * 4 + [[]], "of the links only the newest counts"
    assert sorted(letter["Subject"] for letter in strict.mailbox.to(address)) == ["Confirm your e-mail address", CHANGED]


async def test_sign_ups_from_one_place_do_not_have_mails_sent_to_all_the_world(strict: Post) -> None:
    world = strict.world.with_settings(mail_requests=1)
    tried = [f"sent-{uuid4().hex[:8]}@example.org" for _ in range(ADDRESS_FACTOR + 2)]

    async def sign_up(email: str, address: str) -> None:
        await world.users.sign_up(at(address), {"username": email, "password": PASSWORD, "email": email})

    for email in tried[:ADDRESS_FACTOR]:
        await sign_up(email, "203.0.113.9")
    with refusing(155):
        await sign_up(tried[-2], "203.0.113.9")
    await sign_up(tried[-1], "203.0.113.10")
    with refusing(155):  # one more mail to the same address, whoever asks for it
        await Links(world.objects).ask_verification(at("203.0.113.9"), {"email": tried[0]})
    await strict.send()
    assert [len(strict.mailbox.to(email)) for email in tried] == [1] * ADDRESS_FACTOR + [0, 1]


async def test_a_link_to_an_address_of_before_confirms_nothing(strict: Post) -> None:
    user_id, address, _ = await strict.sign_up()
    await strict.send()
    await strict.world.objects.update(MASTER, "_User", user_id, {"email": f"other-{address}"})
    with refusing(-1, OLD):
        await strict.links.verify(strict.mailbox.token(address))


async def test_a_link_that_is_too_old_confirms_nothing(strict: Post) -> None:
    user_id, address, _ = await strict.sign_up()
    await strict.send()
    past = "now() - interval '1 second'"
    await strict.sql(f"""update "_User" set "_email_verify_token_expires_at" = {past} where "objectId" = $1""", user_id)
    with refusing(-1, OLD):
        await strict.links.verify(strict.mailbox.token(address))


async def test_without_the_setting_a_new_address_is_not_taken_for_confirmed_and_nobody_is_asked(post: Post) -> None:
    user_id, address, _ = await post.sign_up()
    assert "emailVerified" not in await post.world.stored("_User", user_id)
    await post.world.objects.update(MASTER, "_User", user_id, {"emailVerified": True})
    await post.world.objects.update(MASTER, "_User", user_id, {"email": f"new-{address}"})
    assert (await post.world.stored("_User", user_id))["emailVerified"] is False
    with refusing(1, "This server does not confirm e-mail addresses; whoever runs it can set CAREBOARD_VERIFY_EMAILS."):
        await post.links.ask_verification(ANONYMOUS, {"email": address})
    assert [row.kind for row in await post.rows()] == [ADDRESS_CHANGED]
    await post.send()
