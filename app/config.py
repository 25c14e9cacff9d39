"""The settings of one Careboard, read once and passed down.

Owns: `Settings` and where its values come from: the environment first, then `careboard.toml` in the working folder, then
the default. Holds: a `Settings` that exists is valid; a wrong value is a `SettingsError` whose message names the setting,
the value and what is accepted (never the value of a secret). Nothing is read at import. Imports the standard library only.
"""

import base64
import binascii
import ipaddress
import json
import os
import re
import secrets
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence for the person who set it."""


_SCOPE = "openid profile email"


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OpenID Connect issuer whose people may sign in; `name` is what `authData` calls it."""

    name: str
    url: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    audiences: tuple[str, ...] = ()
    """Further client ids its tokens may be made for, such as a phone's app."""
    label: str = ""
    scope: str = _SCOPE
    browser: bool = False
    """Whether the sign-in page has a button for it."""
    sign_up: bool = True
    """Whether somebody without an account gets one."""
    roles_claim: str = ""
    roles: tuple[tuple[str, str], ...] = ()
    """Which value of that claim gives which role, the first that fits."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one server is told. `database_url` None means: the embedded Postgres in `data_dir`."""

    data_dir: Path = Path(".careboard")
    database_url: str | None = None
    broadcast_url: str | None = None
    relay: bool = False
    app_id: str = "careboard"
    master_key: str = ""
    rest_key: str | None = None
    javascript_key: str | None = None
    client_key: str | None = None
    master_key_ips: tuple[str, ...] = ("127.0.0.1/32", "::1/128")
    mount: str = "/parse"
    public_url: str | None = None
    allow_client_class_creation: bool = False
    allow_custom_object_id: bool = False
    enforce_private_users: bool = True
    session_days: int = 365
    change_retention_hours: int = 24
    max_body_bytes: int = 8 * 1024 * 1024
    batch_requests: int = 1_000
    idempotency_paths: tuple[str, ...] = (".*",)
    idempotency_ttl: int = 8 * 86_400
    sign_in_failures: int = 10
    sign_ups: int = 300
    smtp_url: str | None = None
    mail_from: str | None = None
    mail_requests: int = 5
    verify_emails: bool = False
    prevent_login_with_unverified_email: bool = False
    email_verify_hours: int = 0
    password_reset_hours: int = 24
    issuers: tuple[Issuer, ...] = ()
    files_url: str | None = None
    file_keys: tuple[tuple[str, bytes], ...] = ()
    file_uploaders: str = "authenticated"
    file_extensions: tuple[str, ...] = ("-htm", "-html", "-xht", "-xhtml", "-shtml", "-svg", "-xml", "-js", "-mjs")
    max_file_bytes: int = 20 * 1024 * 1024
    live_connections: int = 5_000
    live_queries: int = 1_000
    live_query_bytes: int = 4 * 1024 * 1024
    live_messages_per_second: int = 100
    live_bytes_per_second: int = 256 * 1024
    live_message_bytes: int = 256 * 1024
    metrics: str = "master"
    graphql_introspection: str = "session"
    graphql_characters: int = 65_536
    graphql_depth: int = 24
    graphql_aliases: int = 100
    graphql_cost: int = 250_000
    graphiql: Path | None = None
    served_url: str | None = None
    """Where the command listens; no setting, and used only where `public_url` does not say how people reach it."""

    @property
    def file_urls(self) -> str:
        """What the address of each file begins with."""
        return f"{self.public_url or self.served_url or 'http://127.0.0.1:8000'}{self.mount}/files/{self.app_id}/"

    @property
    def missing_for_mail(self) -> tuple[str, ...]:
        """The variables that are yet to be set before a mail can be sent; none when mails are sent."""
        needed = {
            "CAREBOARD_SMTP_URL": self.smtp_url,
            "CAREBOARD_MAIL_FROM": self.mail_from,
            "CAREBOARD_PUBLIC_URL": self.public_url,
        }
        return tuple(name for name, value in needed.items() if not value)

    @property
    def postgres_dir(self) -> Path:
        """Where the embedded Postgres keeps its files."""
        return self.data_dir / "postgres"


def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    data_dir: Path | None = None,
) -> Settings:
    """Reads the settings; `data_dir` (the --data option) wins over both sources. Raises SettingsError."""
    environ = os.environ if environ is None else environ
    table = _read_table((folder or Path.cwd()) / "careboard.toml")
    values: dict[str, Any] = {}
    for variable, (name, read) in _VARIABLES.items():
        given = environ.get(variable, table.pop(_table_key(variable), None))
        if given is None or given == "":
            continue
        try:
            values[name] = read(given)
        except ValueError as cause:
            shown = " cannot be used:" if name.endswith(("_key", "_keys", "_url", "issuers")) else f" is {given!r};"
            raise SettingsError(f"{variable}{shown} {cause}") from cause
    if table:
        known = ", ".join(sorted(_table_key(variable) for variable in _VARIABLES))
        raise SettingsError(f"careboard.toml: unknown setting {sorted(table)[0]!r}; known are {known}.")
    settings = Settings(**values)
    _check_together(settings)
    return replace(settings, data_dir=data_dir) if data_dir else settings


def _check_together(settings: Settings) -> None:
    """Settings that are of no use without others."""
    if settings.prevent_login_with_unverified_email and not settings.verify_emails:
        raise SettingsError("CAREBOARD_PREVENT_LOGIN_WITH_UNVERIFIED_EMAIL needs CAREBOARD_VERIFY_EMAILS, or nobody gets in.")
    if settings.verify_emails and settings.missing_for_mail:
        raise SettingsError(f"CAREBOARD_VERIFY_EMAILS sends mails; set {' and '.join(settings.missing_for_mail)} too.")


def with_master_key(settings: Settings) -> Settings:
    """The same settings with a master key: the one given, or the one kept in the data folder (made there, mode 600)."""
    if settings.master_key:
        return settings
    path = settings.data_dir / "master.key"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return replace(settings, master_key=path.read_text(encoding="utf-8").strip())


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def read_file_keys(given: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
    """Keys of files as `id:base64`, the newest first. Raises ValueError for what is none."""
    keys: dict[str, bytes] = {}
    for each in given:
        name, _, encoded = each.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not name.isalnum() or len(key) != 32 or name in keys:
            raise ValueError("give keys as id:base64 of 32 bytes, the newest first, each with an id of its own.")
        keys[name] = key
    return tuple(keys.items())


def _read_table(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise SettingsError(f"careboard.toml cannot be read: {cause}.") from cause


def _table_key(variable: str) -> str:
    return variable.removeprefix("CAREBOARD_").lower()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("give it as text, in quotes.")
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError("say true or false.") from None


def _mount(value: object) -> str:
    text = "/" + _text(value).strip("/")
    if text == "/" or not all(part.replace("-", "").replace("_", "").isalnum() for part in text[1:].split("/")):
        raise ValueError("give a path such as /parse, of letters, digits, - and _.")
    return text


def _url(*schemes: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _text(value)
        if urlsplit(text).scheme not in schemes:
            raise ValueError(f"give a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
        return text

    return read


def _smtp_url(value: object) -> str:
    text = _url("smtp", "smtps")(value)
    parts = urlsplit(text)
    try:
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.path not in ("", "/") or parts.query not in ("", "starttls=never"):
        raise ValueError(
            "give smtp://user:password@host:587, smtps://… or, for a server that knows no TLS, smtp://…?starttls=never."
        )
    return text


def _mail_address(value: object) -> str:
    text = _text(value)
    _, address = parseaddr(text)
    if not text.isprintable() or not all(address.partition("@")) or not address.isascii():
        raise ValueError("give an address such as careboard@example.org or Careboard <careboard@example.org>.")
    return text


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"give a whole number from {low} to {high}.")
        return number

    return read


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"say {', '.join(words[:-1])} or {words[-1]}.")
        return str(value)

    return read


def _networks(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else _text(value).split(",")
    parts = [_text(part).strip() for part in given if _text(part).strip()]
    for part in parts:
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise ValueError("give addresses or networks such as 127.0.0.1, 10.0.0.0/8, separated by commas.") from None
    return tuple(parts)


def _file_keys(value: object) -> tuple[tuple[str, bytes], ...]:
    return read_file_keys(value if isinstance(value, list) else _text(value).split(","))


def _patterns(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else _text(value).split(",")
    parts = tuple(_text(part).strip() for part in given if _text(part).strip())
    for part in parts:
        try:
            re.compile(part)
        except re.error as cause:
            raise ValueError(f"give regular expressions, separated by commas; {part!r} is none ({cause}).") from cause
    return parts


def _extensions(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else _text(value).split(",")
    parts = tuple(_text(part).strip().lower().lstrip(".") for part in given if _text(part).strip())
    if not all(part.removeprefix("-").isalnum() for part in parts):
        raise ValueError("give extensions such as jpg,png,pdf to allow only these, or -html,-svg to allow all but these.")
    return parts


_KNOWN_ISSUERS = {"google": "https://accounts.google.com", "apple": "https://appleid.apple.com"}

_ISSUER_KEYS: dict[str, tuple[type, str]] = {
    "issuer": (str, "text"),
    "clientId": (str, "text"),
    "clientSecret": (str, "text"),
    "audiences": (list, "a list of texts"),
    "label": (str, "text"),
    "scope": (str, "text"),
    "browser": (bool, "true or false"),
    "signUp": (bool, "true or false"),
    "rolesClaim": (str, "text"),
    "roles": (dict, "an object of values and their roles"),
}


def _issuers(value: object) -> tuple[Issuer, ...]:
    try:
        given = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise ValueError('give a JSON object such as {"hospital": {"issuer": "https://…", "clientId": "…"}}.')
    return tuple(_issuer(str(name), each) for name, each in given.items())


def _issuer(name: str, given: object) -> Issuer:
    """One entry of CAREBOARD_AUTH. Raises ValueError, whose words never hold a value of it."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,40}", name) or name == "anonymous":
        raise ValueError("name a provider with letters, digits and _, and not anonymous.")
    if not isinstance(given, dict):
        raise ValueError(f"{name} must be an object with issuer and clientId.")
    if unknown := sorted(given.keys() - _ISSUER_KEYS.keys()):
        raise ValueError(f"{name} has {unknown[0]!r}; it may have {', '.join(_ISSUER_KEYS)}.")
    for key, (kind, words) in _ISSUER_KEYS.items():
        if key in given and not isinstance(given[key], kind):
            raise ValueError(f"{name}.{key} must be {words}.")
    url = urlsplit(given.get("issuer", _KNOWN_ISSUERS.get(name, "")))
    is_near = url.scheme == "http" and url.hostname in ("127.0.0.1", "localhost", "::1")
    if not url.netloc or not (url.scheme == "https" or is_near):
        raise ValueError(f"{name}.issuer must be an https:// address.")
    if not given.get("clientId"):
        raise ValueError(f"{name}.clientId is required.")
    scope = given.get("scope", _SCOPE)
    if "openid" not in scope.split():
        raise ValueError(f"{name}.scope must have openid in it.")
    roles = given.get("roles", {})
    if "admin" in roles.values() or not all(isinstance(role, str) for role in roles.values()):
        raise ValueError(f"{name}.roles gives the names of roles, and never admin: an administrator is made by hand.")
    secret = given.get("clientSecret") or None
    return Issuer(
        name=name,
        url=url.geturl(),
        client_id=given["clientId"],
        client_secret=secret,
        audiences=tuple(map(str, given.get("audiences", ()))),
        label=given.get("label") or name[:1].upper() + name[1:],
        scope=scope,
        browser=given.get("browser", secret is not None),
        sign_up=given.get("signUp", True),
        roles_claim=given.get("rolesClaim", "groups"),
        roles=tuple(roles.items()),
    )


_VARIABLES: dict[str, tuple[str, Callable[[object], Any]]] = {
    "CAREBOARD_DATA": ("data_dir", lambda value: Path(_text(value))),
    "DATABASE_URL": ("database_url", _url("postgres", "postgresql")),
    "BROADCAST_URL": ("broadcast_url", _url("redis", "rediss", "redis-stream", "kafka", "postgres", "postgresql")),
    "CAREBOARD_RELAY": ("relay", _flag),
    "CAREBOARD_APP_ID": ("app_id", _text),
    "CAREBOARD_MASTER_KEY": ("master_key", _text),
    "CAREBOARD_MASTER_KEY_IPS": ("master_key_ips", _networks),
    "CAREBOARD_REST_KEY": ("rest_key", _text),
    "CAREBOARD_JAVASCRIPT_KEY": ("javascript_key", _text),
    "CAREBOARD_CLIENT_KEY": ("client_key", _text),
    "CAREBOARD_MOUNT": ("mount", _mount),
    "CAREBOARD_PUBLIC_URL": ("public_url", _url("http", "https")),
    "CAREBOARD_ALLOW_CLIENT_CLASS_CREATION": ("allow_client_class_creation", _flag),
    "CAREBOARD_ALLOW_CUSTOM_OBJECT_ID": ("allow_custom_object_id", _flag),
    "CAREBOARD_ENFORCE_PRIVATE_USERS": ("enforce_private_users", _flag),
    "CAREBOARD_SESSION_DAYS": ("session_days", _whole(1, 3650)),
    "CAREBOARD_CHANGE_RETENTION_HOURS": ("change_retention_hours", _whole(1, 24 * 90)),
    "CAREBOARD_MAX_BODY_BYTES": ("max_body_bytes", _whole(1024, 1024**3)),
    "CAREBOARD_BATCH_REQUESTS": ("batch_requests", _whole(1, 1_000_000)),
    "CAREBOARD_IDEMPOTENCY_PATHS": ("idempotency_paths", _patterns),
    "CAREBOARD_IDEMPOTENCY_TTL": ("idempotency_ttl", _whole(1, 90 * 86_400)),
    "CAREBOARD_SIGN_IN_FAILURES": ("sign_in_failures", _whole(0, 1_000_000)),
    "CAREBOARD_SIGN_UPS": ("sign_ups", _whole(0, 1_000_000)),
    "CAREBOARD_SMTP_URL": ("smtp_url", _smtp_url),
    "CAREBOARD_MAIL_FROM": ("mail_from", _mail_address),
    "CAREBOARD_MAIL_REQUESTS": ("mail_requests", _whole(0, 1_000_000)),
    "CAREBOARD_VERIFY_EMAILS": ("verify_emails", _flag),
    "CAREBOARD_PREVENT_LOGIN_WITH_UNVERIFIED_EMAIL": ("prevent_login_with_unverified_email", _flag),
    "CAREBOARD_EMAIL_VERIFY_HOURS": ("email_verify_hours", _whole(0, 24 * 365)),
    "CAREBOARD_PASSWORD_RESET_HOURS": ("password_reset_hours", _whole(0, 24 * 365)),
    "CAREBOARD_AUTH": ("issuers", _issuers),
    "FILES_URL": ("files_url", _url("file", "s3", "gs", "az", "abfs", "abfss", "memory")),
    "CAREBOARD_FILE_KEYS": ("file_keys", _file_keys),
    "CAREBOARD_FILE_UPLOADERS": ("file_uploaders", _one_of("master", "authenticated", "anonymous", "public")),
    "CAREBOARD_FILE_EXTENSIONS": ("file_extensions", _extensions),
    "CAREBOARD_MAX_FILE_BYTES": ("max_file_bytes", _whole(1, 64 * 1024**3)),
    "CAREBOARD_LIVE_CONNECTIONS": ("live_connections", _whole(0, 1_000_000)),
    "CAREBOARD_LIVE_QUERIES": ("live_queries", _whole(1, 1_000_000)),
    "CAREBOARD_LIVE_QUERY_BYTES": ("live_query_bytes", _whole(0, 1024**3)),
    "CAREBOARD_LIVE_MESSAGES_PER_SECOND": ("live_messages_per_second", _whole(1, 1_000_000)),
    "CAREBOARD_LIVE_BYTES_PER_SECOND": ("live_bytes_per_second", _whole(1024, 1024**3)),
    "CAREBOARD_LIVE_MESSAGE_BYTES": ("live_message_bytes", _whole(1024, 1024**3)),
    "CAREBOARD_METRICS": ("metrics", _one_of("master", "loopback", "off")),
    "CAREBOARD_GRAPHQL_INTROSPECTION": ("graphql_introspection", _one_of("public", "session", "master")),
    "CAREBOARD_GRAPHQL_CHARACTERS": ("graphql_characters", _whole(100, 10_000_000)),
    "CAREBOARD_GRAPHQL_DEPTH": ("graphql_depth", _whole(1, 200)),
    "CAREBOARD_GRAPHQL_ALIASES": ("graphql_aliases", _whole(0, 100_000)),
    "CAREBOARD_GRAPHQL_COST": ("graphql_cost", _whole(1, 1_000_000_000)),
    "CAREBOARD_GRAPHIQL": ("graphiql", lambda value: Path(_text(value))),
}
