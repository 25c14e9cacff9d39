"""Mails on their way out of this machine: one server, spoken to over SMTP.

Owns: `Letter`, `Smtp`, the one place that knows aiosmtplib. Holds: a header is made of parsed parts, so no text of anybody's
becomes another header or another recipient; TLS is demanded, with a certificate that is checked, unless the address says that
there is none; neither an address nor a word of a letter is in an error or a log. May import config.
"""

import asyncio
import ssl
from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.config import Settings

TIMEOUT_S = 45.0
"""So long a server may take for one letter, from the first packet to the last."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail in plain text. `id` stays the same when it is sent again, so that a second copy is known to be one."""

    id: str
    to: str
    subject: str
    text: str


class UndeliveredError(Exception):
    """A letter that was not taken. `reason` is a kind and a code; `is_final`: it would not be taken the next time either."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class Smtp:
    """The server of the settings, which must name one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = None

    async def deliver(self, letter: Letter) -> None:
        """Hands a letter over. Raises UndeliveredError."""
        try:
            message = self._message(letter)
        except (MessageError, ValueError, IndexError) as error:  # the email package raises all of them for what is no address
            raise UndeliveredError("unusable address", is_final=True) from error
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._send(message, letter.to)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _undelivered(error) from error

    async def _send(self, message: EmailMessage, to: str) -> None:
        parts = urlsplit(self._settings.smtp_url or "")
        is_secure = parts.scheme == "smtps"
        is_plain = not is_secure and parts.query == "starttls=never"
        await aiosmtplib.send(
            message,
            recipients=[to],
            hostname=parts.hostname,
            port=parts.port or (465 if is_secure else 25 if is_plain else 587),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            # What the own machine is called is nobody's business; a server only wants to be told some name.
            local_hostname=urlsplit(self._settings.public_url or "").hostname,
            use_tls=is_secure,
            start_tls=None if is_secure else not is_plain,
            tls_context=None if is_plain else await self._trusted(),
            timeout=TIMEOUT_S,
        )

    async def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls

    def _message(self, letter: Letter) -> EmailMessage:
        name, address = parseaddr(self._settings.mail_from or "")
        sender, to = Address(name, addr_spec=address), Address(addr_spec=letter.to)
        if to.addr_spec != letter.to:
            raise ValueError("the address can be read in another way")
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = sender
        message["To"] = to
        message["Subject"] = letter.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{letter.id}@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        return message


def _undelivered(error: Exception) -> UndeliveredError:
    """What is final is only what the server says of this letter or whom it is for; all else may be mended on either side."""
    refused = error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error
    code = refused.code if isinstance(refused, aiosmtplib.SMTPResponseException) else None
    about_letter = isinstance(refused, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    reason = type(refused).__name__ if code is None else f"{type(refused).__name__} {code}"
    return UndeliveredError(reason, is_final=about_letter and code is not None and 500 <= code < 600)
