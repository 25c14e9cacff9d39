"""The outbox and the way out: nothing lost, nothing sent twice by two senders, nothing told to who should not hear."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.actions.caller import ANONYMOUS, MASTER
from app.actions.mails import DELAYS_S, Mails, link_hours
from app.actions.news import post_news
from app.actions.signing.links import Links
from app.config import Settings, SettingsError, load_settings
from app.errors import ErrorCode, ParseError
from app.store.database import Database
from app.store.mails import ADDRESS_CHANGED, LEASE, VERIFICATION, insert_mail, list_mails, revive_mails
from app.store.schemas import Schemas
from app.store.smtp import Letter, Smtp, UndeliveredError
from tests.actions.post import Post, make_post
from tests.actions.world import refusing
from tests.mailbox import FROM, PUBLIC_URL, Mailbox, own_certificate, text_of

LETTER = Letter("abc123", "ann@example.org", "Hello", "Good day.\n")


@pytest.fixture
async def post(database: Database, schemas: Schemas, settings: Settings) -> AsyncIterator[Post]:
    mailbox = Mailbox().start()
    post = await make_post(database, schemas, settings, mailbox, verify_emails=True)
    await post.sql("delete from careboard.mail")
    yield post
    mailbox.stop()


def server_of(mailbox: Mailbox, url: str = "") -> Smtp:
    return Smtp(replace(Settings(), smtp_url=url or mailbox.url, mail_from=FROM, public_url=PUBLIC_URL))


async def refused(server: Smtp, letter: Letter) -> UndeliveredError:
    with pytest.raises(UndeliveredError) as told:
        await server.deliver(letter)
    return told.value


# --- the way out ---


async def test_a_letter_arrives_with_the_headers_of_an_automatic_mail() -> None:
    mailbox = Mailbox().start()
    await server_of(mailbox).deliver(replace(LETTER, subject="Grüße", text="Schöne Grüße.\n"))
    mailbox.stop()
    [letter] = mailbox.letters
    assert (letter["From"], letter["To"], letter["Subject"]) == (FROM, "ann@example.org", "Grüße")
    assert letter["Message-ID"] == "<abc123@hospital.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert text_of(letter) == "Schöne Grüße.\n"


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org\r\nBcc: eve@example.org",
        "ann@example.org\rBcc: eve@example.org",
        "ann@example.org, eve@example.org",
        "ann@example.org;eve@example.org",
        "Ann <ann@example.org>",
        "<ann@example.org> SIZE=1",
        "ann@example.org>\nRCPT TO:<eve@example.org",
        "ann @example.org",
        "@",
        "a@",
        "a@@b",
        "",
    ],
)
async def test_what_is_no_single_address_gets_no_letter_and_makes_no_header(address: str) -> None:
    mailbox = Mailbox().start()
    failure = await refused(server_of(mailbox), replace(LETTER, to=address))
    mailbox.stop()
    assert (failure.is_final, mailbox.recipients) == (True, [])
    assert "example.org" not in str(failure)


async def test_a_subject_makes_no_header() -> None:
    mailbox = Mailbox().start()
    failure = await refused(server_of(mailbox), replace(LETTER, subject="Hello\r\nBcc: eve@example.org"))
    mailbox.stop()
    assert failure.is_final
    assert mailbox.letters == []


@pytest.mark.parametrize("implicit", [True, False])
async def test_tls_with_a_password_arrives_and_an_unknown_certificate_is_refused(
    implicit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = own_certificate(tmp_path)
    mailbox = Mailbox(auth=("careboard", "p:w@d"), tls=tls, implicit=implicit).start()
    failure = await refused(server_of(mailbox), LETTER)
    assert (failure.is_final, mailbox.letters) == (False, [])
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    await server_of(mailbox).deliver(LETTER)
    wrong = await refused(server_of(mailbox, mailbox.url.replace("p%3Aw", "guess")), LETTER)
    mailbox.stop()
    assert len(mailbox.letters) == 1
    assert (wrong.is_final, wrong.reason) == (False, "SMTPAuthenticationError 535")


async def test_a_server_without_tls_is_used_only_where_the_setting_says_so() -> None:
    mailbox = Mailbox(auth=("careboard", "secret")).start()
    demanded = mailbox.url.replace("?starttls=never", "")
    failure = await refused(server_of(mailbox, demanded), LETTER)
    assert (failure.is_final, mailbox.letters) == (False, [])
    await server_of(mailbox).deliver(LETTER)
    mailbox.stop()
    assert len(mailbox.letters) == 1


@pytest.mark.parametrize(
    ("refusal", "verdict", "is_final"),
    [
        ("550 no such user", "250 OK", True),
        ("450 try later", "250 OK", False),
        ("", "554 we do not like it", True),
        ("", "451 busy", False),
    ],
)
async def test_what_the_server_says_decides_whether_to_try_again(refusal: str, verdict: str, is_final: bool) -> None:
    mailbox = Mailbox().start()
    mailbox.refusal, mailbox.verdict = refusal, verdict
    failure = await refused(server_of(mailbox), LETTER)
    mailbox.stop()
    assert failure.is_final is is_final
    assert "ann@" not in failure.reason


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CAREBOARD_SMTP_URL": "http://x"}, "CAREBOARD_SMTP_URL cannot be used"),
        ({"CAREBOARD_SMTP_URL": "smtp://:secret@:25"}, "CAREBOARD_SMTP_URL cannot be used"),
        ({"CAREBOARD_SMTP_URL": "smtp://secret@x:99999"}, "CAREBOARD_SMTP_URL cannot be used"),
        ({"CAREBOARD_SMTP_URL": "smtp://secret@x?starttls=no"}, "CAREBOARD_SMTP_URL cannot be used"),
        ({"CAREBOARD_MAIL_FROM": "careboard"}, "CAREBOARD_MAIL_FROM"),
        ({"CAREBOARD_MAIL_FROM": "a@b.c\r\nBcc: d@e.f"}, "CAREBOARD_MAIL_FROM"),
        ({"CAREBOARD_VERIFY_EMAILS": "true"}, "set CAREBOARD_SMTP_URL and CAREBOARD_MAIL_FROM and CAREBOARD_PUBLIC_URL too"),
        ({"CAREBOARD_PREVENT_LOGIN_WITH_UNVERIFIED_EMAIL": "true"}, "needs CAREBOARD_VERIFY_EMAILS"),
    ],
)
def test_a_wrong_setting_stops_the_start_in_words(variables: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as told:
        load_settings(variables, folder=tmp_path)
    assert words in str(told.value)
    assert "secret" not in str(told.value)


# --- the outbox ---


async def test_a_mail_is_there_exactly_when_its_transaction_is(post: Post) -> None:
    with refusing(1, "no"):
        async with post.world.objects.transaction() as tx:
            body = {"username": "rolled-back", "password": "p", "email": "rolled-back@example.org"}
            await post.world.users.sign_up(ANONYMOUS, body, tx=tx)
            raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "no")
    assert await post.rows() == []
    _, address, _ = await post.sign_up()
    [row] = await post.rows()
    assert (row.kind, row.address, row.attempts) == ("email_verification", None, 0)
    await post.send()
    assert len(post.mailbox.to(address)) == 1
    assert await post.rows() == []


async def test_a_server_that_is_away_gets_the_mail_when_it_is_back(post: Post) -> None:
    _, address, _ = await post.sign_up()
    post.mailbox.stop()
    await post.send()
    [row] = await post.rows()
    assert (row.attempts, row.reason, post.mails.failed) == (1, "SMTPConnectError", 1)
    post.mailbox.start()
    assert await post.mails.send_due() == 0
    await post.due_now()
    await post.send()
    assert len(post.mailbox.to(address)) == 1
    assert (await post.rows(), post.mails.sent) == ([], 1)


async def test_of_many_senders_each_mail_is_sent_by_one(post: Post) -> None:
    post.mailbox.delay = 0.05
    addresses = [(await post.sign_up())[1] for _ in range(20)]
    senders = [post.another_sender() for _ in range(4)]

    async def work(sender: object) -> None:
        while await sender.send_due():  # type: ignore[attr-defined]  # each is a Mails
            pass

    await asyncio.gather(*map(work, senders))
    assert sorted(str(letter["To"]) for letter in post.mailbox.letters) == sorted(addresses)
    assert sum(sender.sent for sender in senders) == 20


async def test_what_a_killed_process_had_taken_is_sent_by_another_under_the_same_id(post: Post) -> None:
    _, address, _ = await post.sign_up()
    post.mailbox.delay = 0.2
    task = asyncio.create_task(post.mails.send_due())
    await post.mailbox.busy()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    other = post.another_sender()
    assert await other.send_due() == 0, "the lease holds"
    await post.sql("update careboard.mail set claimed_until = claimed_until - $1::text::interval", LEASE)
    post.mailbox.delay = 0
    assert await other.send_due() == 1
    first, *again = await post.mailbox.wait(address)
    assert all(letter["Message-ID"] == first["Message-ID"] for letter in again)
    assert post.mailbox.link(address).partition("?token=")[0] == f"{PUBLIC_URL}/apps/careboard/verify_email"
    assert await post.rows() == []


async def test_after_its_last_try_a_mail_is_given_up_told_to_admins_and_may_be_revived(post: Post) -> None:
    user_id, address, _ = await post.sign_up()
    post.mailbox.verdict = "451 busy"
    for number in range(len(DELAYS_S) + 1):
        assert [(row.attempts, row.dead_at) for row in await post.rows()] == [(number, None)]
        await post.due_now()
        await post.send()
    [row] = await post.rows()
    assert row.dead_at is not None
    assert row.reason == "SMTPDataError 451"
    [alert] = await post.world.rows("Alert", kind="mail_undelivered")
    assert alert["about"] == {"className": "_User", "objectId": user_id}
    assert address not in str(alert)
    post.mailbox.verdict = "250 OK"
    await post.due_now()
    assert await post.mails.send_due() == 0
    async with post.world.database.connection() as connection:
        assert await revive_mails(connection, link_hours(post.world.objects.settings)) == (1, 0)
    await post.send()
    assert len(post.mailbox.to(address)) == 1


async def test_of_what_was_given_up_links_that_have_expired_are_dropped_and_the_rest_is_tried_again(post: Post) -> None:
    user_id, address, _ = await post.sign_up()
    await post.links.ask_reset(ANONYMOUS, {"email": address})
    post.mailbox.refusal = "550 no such user"
    await post.send()
    await post.world.objects.update(MASTER, "_User", user_id, {"email": f"new-{address}", "emailVerified": True})
    await post.send()
    assert all(row.dead_at is not None for row in await post.rows())
    await post.sql("update careboard.mail set created_at = created_at - interval '25 hours'")
    post.mailbox.refusal = ""
    async with post.world.database.connection() as connection:
        assert await revive_mails(connection, link_hours(post.world.objects.settings)) == (2, 1)
    assert {row.kind for row in await post.rows()} == {VERIFICATION, ADDRESS_CHANGED}
    await post.send()
    assert [letter["Subject"] for letter in post.mailbox.letters] == ["Your e-mail address was changed"]
    assert await post.rows() == []


async def test_an_address_that_the_server_refuses_is_not_tried_again(post: Post) -> None:
    await post.sign_up()
    post.mailbox.refusal = "550 no such user"
    await post.send()
    [row] = await post.rows()
    assert (row.attempts, row.reason) == (1, "SMTPRecipientRefused 550")
    assert row.dead_at is not None


async def test_a_mail_that_cannot_be_written_keeps_no_other_from_being_sent(post: Post) -> None:
    _, address, _ = await post.sign_up()
    async with post.world.database.connection() as connection:
        await insert_mail(connection, "of-a-kind-unknown", "postcard", "nobody")

    async def broken(_: object, __: object) -> None:
        raise ZeroDivisionError

    mails = Mails(post.world.database, post.world.objects.settings, {**post.links.writers, "postcard": broken})
    for sender, reason in ((post.mails, "could not be written"), (mails, "ZeroDivisionError")):
        await post.due_now()
        await sender.send_due()
        assert [(row.kind, row.reason) for row in await post.rows()] == [("postcard", reason)]
    assert len(post.mailbox.to(address)) == 1


async def test_neither_the_outbox_nor_the_log_nor_the_change_table_holds_a_token_or_an_address(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "careboard")
    _, address, _ = await post.sign_up()
    await post.links.ask_reset(ANONYMOUS, {"email": address})
    post.mailbox.verdict = "451 busy"
    await post.send()
    async with post.world.database.connection() as connection:
        rows = await list_mails(connection)
        changes = await connection.fetchval("select string_agg(concat(before, after), '') from careboard.change")
        stored = await connection.fetchval(
            """select concat("_perishable_token", "_email_verify_token") from "_User" where "email" = $1""", address
        )
    assert len(rows) == 2
    post.mailbox.verdict = "250 OK"
    await post.due_now()
    await post.send()
    tokens = [text_of(letter).partition("token=")[2].split()[0] for letter in post.mailbox.to(address)]
    assert len(set(tokens)) == 2
    assert stored.count("sha256:") == 2
    for token in tokens:
        assert token not in f"{rows}{changes}{stored}{caplog.text}"
    assert address not in f"{rows}{caplog.text}"
    assert "was not sent (SMTPDataError 451)" in caplog.text


# --- news ---


async def test_news_go_to_a_confirmed_address_of_who_has_not_said_no(post: Post) -> None:
    settings = post.world.objects.settings
    user_id, address, _ = await post.sign_up()
    await post.send()

    async def tell(number: int) -> None:
        async with post.world.database.transaction() as tx:
            await post_news(tx, settings, user_id, "your delivery", "/boards/pharmacy/my-medicines")
        await post.send()
        assert len(post.mailbox.to(address)) == number

    await tell(1)
    await post.links.verify(post.mailbox.token(address))
    await tell(2)
    letter = post.mailbox.to(address)[-1]
    assert letter["Subject"] == "There is news about your delivery"
    assert f"{PUBLIC_URL}/boards/pharmacy/my-medicines" in text_of(letter)
    await post.sql("""update "_User" set "emailNotifications" = false where "objectId" = $1""", user_id)
    await tell(2)
    await post.sql("""update "_User" set "emailNotifications" = true where "objectId" = $1""", user_id)
    await tell(3)
    await post.sql("""update "_User" set "active" = false where "objectId" = $1""", user_id)
    await tell(3)


async def test_who_says_no_before_the_mail_is_sent_gets_none_and_one_mail_tells_of_many_news(post: Post) -> None:
    settings = post.world.objects.settings
    user_id, address, _ = await post.sign_up()
    await post.send()
    await post.links.verify(post.mailbox.token(address))
    for _ in range(3):
        async with post.world.database.transaction() as tx:
            await post_news(tx, settings, user_id, "your delivery", "/a")
            await post_news(tx, settings, user_id, "your order", "/a")
    assert len(await post.rows()) == 2
    await post.send()
    assert len(post.mailbox.to(address)) == 3
    async with post.world.database.transaction() as tx:
        await post_news(tx, settings, user_id, "your delivery", "/a")
    await post.sql("""update "_User" set "emailNotifications" = false where "objectId" = $1""", user_id)
    await post.send()
    assert len(post.mailbox.to(address)) == 3
    assert await post.rows() == []


async def test_where_no_mails_are_sent_calls_say_what_to_set_and_nothing_is_queued(post: Post, database: Database) -> None:
    world = post.world.with_settings(smtp_url=None, public_url=None, verify_emails=False)
    links = Links(world.objects)
    words = "This server sends no mails; whoever runs it can set CAREBOARD_SMTP_URL and CAREBOARD_PUBLIC_URL."
    for ask in (links.ask_reset, links.ask_verification):
        with refusing(1, words):
            await ask(ANONYMOUS, {"email": "ann@example.org"})
    async with database.transaction() as tx:
        await post_news(tx, world.objects.settings, "nobody", "your delivery", "/a")
    await world.users.sign_up(ANONYMOUS, {"username": "quiet", "password": "p", "email": "quiet@example.org"})
    assert await post.rows() == []
