"""Mails on their way: taken from the outbox, written out, handed over, tried again.

Owns: `Mails`, one task a process, and the tokens of links. Holds: a mail is a row of the transaction that it tells of, so neither
is there without the other; a letter is written when it is sent, from what is true then; it is sent at least once, a second copy
under the same Message-ID; a link's token is in no row and no log: it is computed from the mail's id with a key of this server,
and an account keeps its hash. May import core and store.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping

from app.config import Settings
from app.errors import ErrorCode, ParseError
from app.store import mails as outbox
from app.store.database import LOST, Connection, Database
from app.store.mails import Mail
from app.store.smtp import Letter, Smtp, UndeliveredError

POLL_S = 1.0
AT_ONCE = 8
"""Mails of one process that are under way at the same time."""

DELAYS_S = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
"""How long to wait after each failure; after the last one a mail is given up: a server may be away for a day."""

_FORGET_S = 3600.0

_log = logging.getLogger("careboard.mails")

Writer = Callable[[Connection, Mail], Awaitable[Letter | None]]
"""Writes the letter of a mail in a transaction; None when there is nothing to send any more."""


class Mails:
    """Sends what is in the outbox, as long as the settings name a server."""

    def __init__(self, database: Database, settings: Settings, writers: Mapping[str, Writer]) -> None:
        self._database = database
        self._settings = settings
        self._writers = writers
        self._smtp = Smtp(settings)
        self._task: asyncio.Task[None] | None = None
        self._forgotten_at = 0.0
        self.waiting = 0
        """Mails that wait, when this process last looked."""
        self.dead = 0
        """Mails that were given up, when this process last looked."""
        self.sent = 0
        """Mails that this process has sent."""
        self.failed = 0
        """Times that this process has failed to send one."""

    async def start(self) -> None:
        """Begins to send."""
        if not self._settings.missing_for_mail:
            self._task = asyncio.create_task(self._run(), name="mails")

    async def stop(self) -> None:
        """Stops; what was under way is taken up by another process, or the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def send_due(self) -> int:
        """Tries what is due now, each mail once, and says how many."""
        async with self._database.connection() as connection:
            taken = await outbox.take_mails(connection, AT_ONCE)
        outcomes = await asyncio.gather(*(self._send(mail) for mail in taken), return_exceptions=True)
        for mail, outcome in zip(taken, outcomes, strict=True):
            if isinstance(outcome, Exception):  # a mistake of ours must not keep the other mails from being sent
                await self._fail(mail, UndeliveredError(type(outcome).__name__, is_final=False))
        return len(taken)

    async def _run(self) -> None:
        while True:
            try:
                more = await self.send_due()
                await self._look()
            except (*LOST, ParseError, TimeoutError) as error:
                _log.warning("the outbox cannot be read and is tried again: %s", type(error).__name__)
                more = 0
            if not more:
                await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        async with self._database.connection() as connection:
            self.waiting, self.dead = await outbox.count_mails(connection)
            if not self._forgotten_at or now - self._forgotten_at > _FORGET_S:
                await outbox.forget_dead_mails(connection)
                self._forgotten_at = now

    async def _send(self, mail: Mail) -> None:
        try:
            letter = await self._write(mail)
            if letter is not None:
                await self._smtp.deliver(letter)
                self.sent += 1
        except UndeliveredError as failure:
            await self._fail(mail, failure)
            return
        with contextlib.suppress(ParseError):  # the database has gone away: it is sent again, under the same Message-ID
            async with self._database.connection() as connection:
                await outbox.delete_mail(connection, mail.id)

    async def _write(self, mail: Mail) -> Letter | None:
        try:
            async with self._database.transaction(read_only=True) as tx:
                return await self._writers[mail.kind](tx, mail)
        except (ParseError, KeyError) as error:
            _log.error("mail %s could not be written: %s", mail.id, error)  # no traceback: it may quote an address
            raise UndeliveredError("could not be written", is_final=False) from error

    async def _fail(self, mail: Mail, failure: UndeliveredError) -> None:
        self.failed += 1
        is_over = failure.is_final or mail.attempts > len(DELAYS_S)
        _log.warning("mail %s was not sent (%s), %s", mail.id, failure.reason, "given up" if is_over else "tried again later")
        with contextlib.suppress(ParseError):  # the database is away as well: the lease ends by itself
            async with self._database.transaction() as tx:
                if is_over:
                    await outbox.bury_mail(tx, mail, failure.reason)
                else:
                    await outbox.postpone_mail(tx, mail.id, DELAYS_S[mail.attempts - 1], failure.reason)


def check_mail(settings: Settings) -> None:
    """Refuses (1, as Parse Server does without an e-mail adapter) what needs mails where none are sent."""
    if settings.missing_for_mail:
        words = f"This server sends no mails; whoever runs it can set {' and '.join(settings.missing_for_mail)}."
        raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, words)


def new_mail_id() -> str:
    """What a mail is known by: 128 random bits."""
    return secrets.token_hex(16)


def link_token(settings: Settings, mail_id: str) -> str:
    """The token of the link in a mail; nobody without the master key can tell it from the id."""
    key = hashlib.sha256(f"careboard links {settings.master_key}".encode()).digest()
    return base64.urlsafe_b64encode(hmac.digest(key, mail_id.encode(), "sha256")[:24]).decode()


def link_hours(settings: Settings) -> dict[str, int]:
    """For how many hours the links in these kinds of mail are of use; 0 is for ever."""
    return {outbox.PASSWORD_RESET: settings.password_reset_hours, outbox.VERIFICATION: settings.email_verify_hours}


def page_url(settings: Settings, path: str) -> str:
    """The address of a page as people reach it."""
    return f"{(settings.public_url or '').rstrip('/')}{path}"
