"""A mail server on this machine that keeps what it is sent, and can be away, refuse, be slow or ask for a password."""

import asyncio
import ipaddress
import re
import ssl
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import PATIENCE, free_port

FROM = "Careboard <careboard@hospital.example>"
PUBLIC_URL = "https://board.hospital.example"


class Mailbox:
    """One SMTP server. `refusal` is answered to each recipient, `verdict` to each letter, after `delay` seconds."""

    def __init__(self, *, auth: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None, implicit: bool = False) -> None:
        self.port = free_port()
        self.letters: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusal = ""
        self.verdict = "250 OK"
        self.delay = 0.0
        self._receiving = False
        self._auth = auth
        self._tls = tls
        self._implicit = implicit
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        """What CAREBOARD_SMTP_URL is to be for it."""
        who = f"{quote(self._auth[0], safe='')}:{quote(self._auth[1], safe='')}@" if self._auth else ""
        scheme = "smtps" if self._implicit else "smtp"
        return f"{scheme}://{who}127.0.0.1:{self.port}" + ("" if self._tls else "?starttls=never")

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a server that sends its mails here."""
        return {"CAREBOARD_SMTP_URL": self.url, "CAREBOARD_MAIL_FROM": FROM, "CAREBOARD_PUBLIC_URL": PUBLIC_URL}

    def start(self) -> "Mailbox":
        """Begins to listen, on the same port each time."""
        options: dict[str, Any] = {"auth_require_tls": False}
        if self._auth:
            options |= {"authenticator": self._check}
        if self._tls and self._implicit:
            options |= {"ssl_context": self._tls}
        elif self._tls:
            options |= {"tls_context": self._tls, "require_starttls": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()
        return self

    def stop(self) -> None:
        """Goes away; letters stay."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def to(self, address: str) -> list[EmailMessage]:
        """The letters to an address."""
        return [letter for letter in self.letters if letter["To"] == address]

    def link(self, address: str) -> str:
        """The link with a token in the newest letter to an address."""
        found = re.search(r"https?://\S+\?token=\S+", text_of(self.to(address)[-1]))
        assert found is not None
        return found[0]

    def token(self, address: str) -> str:
        """The token in that link."""
        return self.link(address).partition("token=")[2]

    async def wait(self, address: str, number: int = 1) -> list[EmailMessage]:
        """Waits until there are so many letters to an address."""
        return await asyncio.to_thread(self.wait_here, address, number)

    def wait_here(self, address: str, number: int = 1) -> list[EmailMessage]:
        """The same, without a loop."""
        deadline = time.monotonic() + PATIENCE
        while len(self.to(address)) < number:
            assert time.monotonic() < deadline, f"{len(self.to(address))} of {number} letters came"
            time.sleep(0.02)
        return self.to(address)

    async def busy(self) -> None:
        """Waits until a letter is here that is not answered yet."""
        deadline = time.monotonic() + PATIENCE
        while not self._receiving:
            assert time.monotonic() < deadline, "no letter came"
            await asyncio.to_thread(time.sleep, 0.01)

    async def handle_RCPT(self, _: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        """Takes a recipient, or refuses."""
        if self._auth and not session.authenticated:
            return "530 Authentication required"
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        """Keeps a letter."""
        self._receiving = True
        await asyncio.sleep(self.delay)
        self._receiving = False
        if self.verdict.startswith("250"):
            letter = message_from_bytes(envelope.original_content, policy=policy.default)
            assert isinstance(letter, EmailMessage)
            self.recipients.append(envelope.rcpt_tos)
            self.letters.append(letter)
        return self.verdict

    def _check(self, _: Any, __: Any, ___: Any, ____: str, given: Any) -> AuthResult:
        right = isinstance(given, LoginPassword) and (given.login.decode(), given.password.decode()) == self._auth
        return AuthResult(success=right, handled=False)


def text_of(letter: EmailMessage) -> str:
    """The words of a letter."""
    body = letter.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def own_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The TLS of a server at 127.0.0.1 whose certificate nobody has signed, and that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "mail.crt", folder / "mail.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    return context, certificate
