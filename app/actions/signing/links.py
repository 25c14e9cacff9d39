"""Links in mails: a new password, and an address that is shown to be one's own; and the notice that an address was changed.

Owns: `Links`. Holds: who asks for a mail hears the same, in the same time, whether or not there is such an account: the sender
looks for it later; a link works once, until its time is over or a newer one is sent; a new password ends every session of its
account. Words and codes are Parse Server's (UsersRouter, UserController). May import core and store.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from app.actions.caller import Caller, hash_token
from app.actions.mails import Writer, check_mail, link_token, new_mail_id, page_url
from app.actions.objects import Objects
from app.core.access import Authority
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.mails import ADDRESS_CHANGED, PASSWORD_RESET, VERIFICATION, Mail, address_mail, insert_request
from app.store.smtp import Letter

_OPEN = """ "active" is not false and ("_rperm" = '{}' and "_wperm" = '{}') is not true """

# As in Parse, an account without an address may have one for its name.
_TO_RESET = f"""
select "objectId" as id, coalesce("email", "username") as address from "_User"
where (lower("email") = lower($1) or "email" is null and lower("username") = lower($1) and "username" like '%_@_%') and {_OPEN}
order by "email" = $1 desc nulls last limit 1
"""
_KEEP_RESET = """
update "_User" set "_perishable_token" = $2, "_perishable_token_expires_at" = $3 where "objectId" = $1
"""
_STILL_TO_RESET = f"""
select "objectId" as id, coalesce("email", "username") as address from "_User"
where "objectId" = $1 and "_perishable_token" = $2 and {_OPEN}
"""
_RESETTING = """
select "objectId" as id, coalesce("email", "username") as name, coalesce("_perishable_token_expires_at" <= $2, false) as expired
from "_User" where "_perishable_token" = $1 for no key update
"""

_TO_VERIFY = f"""
select "objectId" as id, "email" as address from "_User"
where lower("email") = lower($1) and "emailVerified" is not true and {_OPEN} order by "email" = $1 desc limit 1
"""
_KEEP_VERIFY = """
update "_User" set "_email_verify_token" = $2, "_email_verify_token_expires_at" = $3 where "objectId" = $1
"""
_STILL_TO_VERIFY = f"""
select "objectId" as id, "email" as address from "_User"
where "objectId" = $1 and "_email_verify_token" = $2 and "email" is not null and {_OPEN}
"""
_VERIFYING = """
select "objectId" as id, coalesce("email", "username") as name, coalesce("_email_verify_token_expires_at" <= $2, false) as expired
from "_User" where "_email_verify_token" = $1 for no key update
"""


class Links:
    """What is asked for by mail, and what its links do."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._database = objects.database
        self._settings = objects.settings
        self._attempts = objects.mailed

    @property
    def writers(self) -> dict[str, Writer]:
        """What writes the letters of these mails."""
        return {
            PASSWORD_RESET: self._write_reset,
            VERIFICATION: self._write_verification,
            ADDRESS_CHANGED: self._write_address_changed,
        }

    async def ask_reset(self, caller: Caller, params: Mapping[str, Json]) -> None:
        """Has a link sent that sets a new password. Raises 1 where no mails are sent, 204, 125, 155 after too many."""
        await self._ask(PASSWORD_RESET, caller, params)

    async def ask_verification(self, caller: Caller, params: Mapping[str, Json]) -> None:
        """Has the link sent again that confirms an address. Raises as `ask_reset`, and 1 where addresses are not confirmed."""
        check_mail(self._settings)
        if not self._settings.verify_emails:
            words = "This server does not confirm e-mail addresses; whoever runs it can set CAREBOARD_VERIFY_EMAILS."
            raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, words)
        await self._ask(VERIFICATION, caller, params)

    async def check_reset(self, token: str) -> str:
        """By what name the account is known whose password a link may set. Raises -1 in Parse's words."""
        async with self._database.connection() as connection:
            return str((await self._resetting(connection, token))["name"])

    async def reset(self, token: str, password: Json) -> None:
        """Sets the password of the account that a link was sent to, and ends its sessions. Raises -1, 201."""
        if not isinstance(password, str) or not password:
            raise ParseError(ErrorCode.PASSWORD_MISSING, "you must provide a password")
        if not token:
            raise ParseError(ErrorCode.OTHER_CAUSE, "you must provide a token")
        async with self._objects.transaction() as tx:
            user_id = str((await self._resetting(tx, token))["id"])
            await self._objects.update(_in_the_name_of(user_id), "_User", user_id, {"password": password}, tx=tx)

    async def check_verification(self, token: str) -> str:
        """The address that a link may confirm. Raises -1."""
        async with self._database.connection() as connection:
            return str((await self._verifying(connection, token))["name"])

    async def verify(self, token: str) -> None:
        """Confirms the address that a link was sent to. Raises -1."""
        async with self._objects.transaction() as tx:
            user_id = str((await self._verifying(tx, token))["id"])
            await tx.execute(_KEEP_VERIFY, user_id, None, None)
            confirmed: Object = {"emailVerified": True}
            await self._objects.update(_in_the_name_of(user_id), "_User", user_id, confirmed, tx=tx)

    async def _ask(self, kind: str, caller: Caller, params: Mapping[str, Json]) -> None:
        check_mail(self._settings)
        email = params.get("email")
        if not email:
            raise ParseError(ErrorCode.EMAIL_MISSING, "you must provide an email")
        if not isinstance(email, str):
            raise ParseError(ErrorCode.INVALID_EMAIL_ADDRESS, "you must provide a valid email string")
        if not caller.is_master:
            self._attempts.begin(email, caller.address)
        async with self._database.connection() as connection:
            await insert_request(connection, new_mail_id(), kind, email)

    async def _resetting(self, connection: Connection, token: str) -> Mapping[str, object]:
        row: Mapping[str, object] | None = await connection.fetchrow(_RESETTING, hash_token(token), self._objects.clock())
        if row is None:
            words = "Failed to reset password: username / email / token is invalid"
            raise ParseError(ErrorCode.OTHER_CAUSE, words)
        if row["expired"]:
            raise ParseError(ErrorCode.OTHER_CAUSE, "The password reset link has expired")
        return row

    async def _verifying(self, connection: Connection, token: str) -> Mapping[str, object]:
        row: Mapping[str, object] | None = await connection.fetchrow(_VERIFYING, hash_token(token), self._objects.clock())
        if row is None or row["expired"]:
            raise ParseError(ErrorCode.OTHER_CAUSE, "The verification link is invalid or has expired")
        return row

    async def _write_reset(self, tx: Connection, mail: Mail) -> Letter | None:
        hours, token = self._settings.password_reset_hours, link_token(self._settings, mail.id)
        expires = mail.created_at + timedelta(hours=hours) if hours else None
        to = await self._addressed(tx, mail, token, expires, (_TO_RESET, _KEEP_RESET, _STILL_TO_RESET))
        text = (
            f"Somebody, probably you, asked for a new password for your account at {self._at}.\n\n"
            f"Choose it here:\n\n{self._link('request_password_reset', token)}\n\n"
            f"The link works once{_for_hours(hours)}. If it was not you, do nothing: your password stays as it is.\n"
        )
        return None if to is None else Letter(mail.id, to, "Choose a new password", text)

    async def _write_verification(self, tx: Connection, mail: Mail) -> Letter | None:
        hours, token = self._settings.email_verify_hours, link_token(self._settings, mail.id)
        expires = mail.created_at + timedelta(hours=hours) if hours else None
        to = await self._addressed(tx, mail, token, expires, (_TO_VERIFY, _KEEP_VERIFY, _STILL_TO_VERIFY))
        text = (
            f"This address was given for an account at {self._at}.\n\n"
            f"Confirm that it is yours:\n\n{self._link('verify_email', token)}\n\n"
            f"The link works once{_for_hours(hours)}. If you have no account there, do nothing.\n"
        )
        return None if to is None else Letter(mail.id, to, "Confirm your e-mail address", text)

    async def _write_address_changed(self, tx: Connection, mail: Mail) -> Letter | None:
        """To the address of before. It does not tell the new one: who reads this may be anybody."""
        text = (
            f"This is not the e-mail address of your account at {self._at} any more: it was changed.\n\n"
            "If it was you, do nothing. If it was not you, somebody else may be using your account: tell whoever runs it, "
            "who can close it and give it back to you.\n"
        )
        return None if mail.address is None else Letter(mail.id, mail.address, "Your e-mail address was changed", text)

    async def _addressed(
        self, tx: Connection, mail: Mail, token: str, expires: datetime | None, statements: tuple[str, str, str]
    ) -> str | None:
        """Where a mail goes: the address its account has now; None when nobody is to get it, or its link is of no use by now."""
        to_find, to_keep, to_find_again = statements
        if expires is not None and expires <= self._objects.clock():
            return None
        if mail.user_id is None:
            row = await tx.fetchrow(to_find, mail.address)
            if row is not None:
                await tx.execute(to_keep, row["id"], hash_token(token), expires)
                await address_mail(tx, mail.id, row["id"])
        else:
            row = await tx.fetchrow(to_find_again, mail.user_id, hash_token(token))
        return None if row is None else str(row["address"])

    @property
    def _at(self) -> str:
        return page_url(self._settings, "")

    def _link(self, name: str, token: str) -> str:
        return page_url(self._settings, f"/apps/{self._settings.app_id}/{name}?token={token}")


def _in_the_name_of(user_id: str) -> Caller:
    """The account's owner, whom a link has shown to be there, acting through a rule."""
    return Caller(Authority(user_id=user_id, roles=frozenset(), is_master=True))


def _for_hours(hours: int) -> str:
    return f", for {hours} hour{'s' * (hours > 1)}" if hours else ""
