"""Accounts: what stands in front of every save of `_User`, whoever makes it and by whichever door.

Owns: the rules of `_User`. Holds: a password is hashed before the transaction and is in no event, row image or answer;
`role`, `active` and `department` are an admin's to set, the `_Role` of the same name has exactly the accounts of that
role; an account that is disabled, gets another role or another password has no session of before. Words and codes are Parse
Server's (RestWrite). May import core and store.
"""

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from app.actions.caller import Caller, hash_token
from app.actions.hooks import DeleteEvent, Draft, Hooks, Next, SaveEvent
from app.actions.mails import link_token, new_mail_id
from app.actions.roles import STAFF_ROLES, move_member_as_master
from app.actions.signing.attempts import Asked, Attempts
from app.actions.signing.passwords import hash_password
from app.actions.signing.providers import Proven, Providers
from app.actions.signing.sessions import end_sessions_of_user, start_session
from app.config import Settings
from app.core.wire import Json, Object, decode, encode
from app.errors import ErrorCode, ParseError
from app.store.identities import read_auth_data
from app.store.mails import ADDRESS_CHANGED, VERIFICATION, insert_mail

SIGN_UP_ROLES = ("patient", "provider")
"""What a stranger may claim to be; a provider stays inactive until an admin approves."""

STAFF_READERS = ("role:admin", "role:biomed", "role:dispatcher", "role:pharmacist")
"""Who may read the accounts of staff, to assign work to them."""

ADMIN_FIELDS = frozenset({"role", "active", "department"})
"""What an admin may set in an account that is not the admin's own."""

_EMAIL = re.compile(r".+@.+")  # Parse Server's own test, no more
_NOT_YOUR_DEPARTMENT = "Only an admin may say which department an account belongs to: what it may read follows from it."
_NOT_YOUR_SIGN_IN = "Only the account itself says how it signs in."
_TAKEN_USERNAME = "Account already exists for this username."
TAKEN_EMAIL = "Account already exists for this email address."


def install(hooks: Hooks, settings: Settings, providers: Providers, mailed: Attempts, clock: Callable[[], datetime]) -> None:
    """Puts the rules of `_User` in front of its saves and deletes."""

    async def prepare(draft: Draft) -> None:
        await _prepare(draft, providers)

    sign_ups = Asked(settings.sign_ups, "Too many accounts were made")

    async def save(event: SaveEvent, go_on: Next) -> None:
        await _link(event)
        _settle_role(event)
        if not event.caller.is_master:
            _count(event, settings, sign_ups, mailed)
        await _settle_email(event, settings, clock)
        if (left := _left_address(event, settings)) is not None:
            await insert_mail(event.tx, new_mail_id(), ADDRESS_CHANGED, event.object_id, address=left)
        _settle_acl(event, private=settings.enforce_private_users)
        await _check_unique(event)
        await go_on()
        await _follow(event, waits=settings.prevent_login_with_unverified_email)

    hooks.prepare("_User", prepare, id="careboard.account")
    hooks.on_save("_User", save, id="careboard.account", priority=-1000)
    hooks.on_delete("_User", _forget, id="careboard.account", priority=-1000)


def is_admin(caller: Caller) -> bool:
    """Whether a caller may set `role`, `active` and `department`."""
    return caller.is_master or "admin" in caller.authority.roles


async def _prepare(draft: Draft, providers: Providers) -> None:
    body, caller = draft.body, draft.caller
    if draft.object_id is not None and caller.user_id is None and not caller.is_master:
        raise ParseError(ErrorCode.SESSION_MISSING, f"Cannot modify user {draft.object_id}.")
    body.pop("sessionToken", None)  # an SDK may send its user back as it was told; the token is never a field of it
    linked = await _take_auth_data(draft, providers)
    _check_credentials(body, is_new=draft.object_id is None, linked=linked)
    if "emailVerified" in body and not caller.is_master:
        words = "Clients aren't allowed to manually update email verification."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    if draft.object_id is None and not body.get("username"):
        body["username"] = draft.answer["username"] = secrets.token_urlsafe(19)
    password = body.pop("password", None)
    if isinstance(password, str):
        draft.secrets["_hashed_password"] = await hash_password(password)


async def _take_auth_data(draft: Draft, providers: Providers) -> bool:
    """Takes authData, which is never rendered, out of the body and has it proven; True when it signs somebody in."""
    if "authData" not in draft.body:
        return False
    caller, is_new = draft.caller, draft.object_id is None
    may_name = caller.is_master or (is_new and is_admin(caller))
    if not is_new and not may_name and caller.user_id != draft.object_id:
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, _NOT_YOUR_SIGN_IN)  # before it is tried: wrong tries are counted
    given = draft.body.pop("authData")
    proven = await providers.prove(caller, given, user_id=draft.object_id, by_admin=may_name, address=caller.address)
    if is_new and not may_name:
        providers.check_may_join(proven)
    draft.context["proven"] = proven
    if proven.told:
        draft.answer["authDataResponse"] = proven.told
    return bool(proven.given)


def _check_credentials(body: Object, *, is_new: bool, linked: bool) -> None:
    """Username and password are there when an account is made by them, and are never emptied."""
    required = is_new and not linked
    username, password, email = body.get("username"), body.get("password"), body.get("email")
    if (required or "username" in body) and not (isinstance(username, str) and username):
        raise ParseError(ErrorCode.USERNAME_MISSING, "bad or missing username")
    if (required or "password" in body) and not (isinstance(password, str) and password):
        raise ParseError(ErrorCode.PASSWORD_MISSING, "password is required")
    if isinstance(email, str) and email and not _EMAIL.fullmatch(email):
        raise ParseError(ErrorCode.INVALID_EMAIL_ADDRESS, "Email address format is invalid.")
    if email == "":
        body["email"] = {"__op": "Delete"}  # two accounts without an address must not collide on ""


def _count(event: SaveEvent, settings: Settings, sign_ups: Asked, mailed: Attempts) -> None:
    """Raises 155 for too many accounts from one place, and for too many mails to addresses that nobody has confirmed."""
    caller = event.caller
    if event.is_new:
        sign_ups.begin(caller.address)
    if (left := _left_address(event, settings)) is not None:
        mailed.begin(left, caller.address)  # it may never have been the account's own
    email = event.object.get("email")
    if not settings.verify_emails or not event.changed("email") or not isinstance(email, str):
        return
    if event.is_new:
        mailed.begin(email, caller.address)
    else:
        mailed.begin(event.object_id, "")  # or one account would have mails sent to all the world


def _left_address(event: SaveEvent, settings: Settings) -> str | None:
    """The address that an account gives up for another or for none, which is told so where mails are sent."""
    old, new = (event.original or {}).get("email"), event.object.get("email")
    if settings.missing_for_mail or not isinstance(old, str) or not event.changed("email"):
        return None
    return None if isinstance(new, str) and new.lower() == old.lower() else old


async def _link(event: SaveEvent) -> None:
    """Puts what was proven beside the sign-ins that the account has; the database refuses an id that another one has (208)."""
    proven = event.context.get("proven")
    if not isinstance(proven, Proven) or not proven.kept:
        return
    text = None if event.is_new else await read_auth_data(event.tx, event.object_id)
    known = decode(text) if text else {}
    assert isinstance(known, dict)
    kept = {name: each for name, each in {**known, **proven.kept}.items() if each is not None}
    event.secrets["authData"] = encode(kept).decode() if kept else None


def _settle_role(event: SaveEvent) -> None:
    """Who may set `role`, `active` and `department`, and what they are when nobody says."""
    role, admin = event.object.get("role"), is_admin(event.caller)
    if event.is_new:
        _settle_new_role(event, admin)
    elif not admin and (event.changed("role") or event.changed("active")):
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "Only an admin may change role and active of an account.")
    elif not admin and event.changed("department"):
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, _NOT_YOUR_DEPARTMENT)
    elif admin and not event.caller.is_master and event.caller.user_id != event.object_id:
        _check_admin_fields(event)
    role = event.object.get("role")
    if event.changed("role") and role not in STAFF_ROLES:
        raise ParseError(ErrorCode.VALIDATION_ERROR, f"role must be one of {', '.join(STAFF_ROLES)}")
    if event.changed("active") and not isinstance(event.object.get("active"), bool):
        raise ParseError(ErrorCode.VALIDATION_ERROR, "active must be true or false")


def _settle_new_role(event: SaveEvent, admin: bool) -> None:
    proven = event.context.get("proven")
    granted = proven.roles.granted if isinstance(proven, Proven) else None
    if granted is not None or not event.object.get("role"):
        event.set("role", granted or "patient")
    role, active = event.object["role"], event.object.get("active")
    is_given = admin or granted is not None  # the issuer stands for this person's role, as the settings say
    if not is_given and role not in SIGN_UP_ROLES:
        words = "Sign-up may claim only the role patient or provider; an admin gives the others."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    if not admin and event.object.get("department") is not None:
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, _NOT_YOUR_DEPARTMENT)
    if not is_given and role == "patient" and active is False:
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "Only an admin may change role and active of an account.")
    if not is_given and role == "provider":
        event.set("active", False)
    elif active is None or not admin:
        event.set("active", True)


def _check_admin_fields(event: SaveEvent) -> None:
    """An admin approves and disables, but may not take an account over by its password or address."""
    if event.body.keys() - ADMIN_FIELDS or event.secrets:
        words = "Of another account an admin may change only active, department and role."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)


async def _settle_email(event: SaveEvent, settings: Settings, clock: Callable[[], datetime]) -> None:
    """A new address is nobody's until its owner says so; links that were mailed before are of no use any more."""
    new_email = event.changed("email")
    if not event.is_new and (new_email or "_hashed_password" in event.secrets):
        event.secrets |= {"_perishable_token": None, "_perishable_token_expires_at": None}
    if not new_email:
        return
    event.secrets |= {"_email_verify_token": None, "_email_verify_token_expires_at": None}
    if "emailVerified" in event.body:
        return  # the master key has said so itself
    proven = event.context.get("proven")
    if isinstance(proven, Proven) and proven.address and proven.address == event.object.get("email"):
        event.set("emailVerified", True)
        return
    if settings.verify_emails and event.object.get("email") is not None:
        mail_id, hours = new_mail_id(), settings.email_verify_hours
        event.set("emailVerified", False)
        event.secrets["_email_verify_token"] = hash_token(link_token(settings, mail_id))
        event.secrets["_email_verify_token_expires_at"] = clock() + timedelta(hours=hours) if hours else None
        await insert_mail(event.tx, mail_id, VERIFICATION, event.object_id)
    elif event.object.get("emailVerified"):
        event.set("emailVerified", False)


def _settle_acl(event: SaveEvent, *, private: bool) -> None:
    """Nobody is locked out of the own account, and staff can be found by those who give out work."""
    by_hand = event.changed("ACL") and not event.caller.is_master
    if not (event.is_new or by_hand or event.changed("role")):
        return  # the master key may lock an account by an empty ACL, as in Parse
    given = event.object.get("ACL")
    acl: Object = dict(given) if isinstance(given, dict) else {}
    if event.is_new and not isinstance(given, dict) and not private:
        acl["*"] = {"read": True}
    acl[event.object_id] = {"read": True, "write": True}
    is_staff = event.object.get("role") not in (None, "patient")
    for reader in STAFF_READERS:
        rights = acl.get(reader)
        if is_staff:
            acl[reader] = {**(rights if isinstance(rights, dict) else {}), "read": True}
        elif event.changed("role") and rights == {"read": True}:
            del acl[reader]
    event.changes["ACL"] = acl
    event.object["ACL"] = acl


async def _check_unique(event: SaveEvent) -> None:
    """202 and 203. Names and addresses differ by more than case; the unique indexes hold it against a race."""
    username = event.object.get("username") if event.changed("username") else None
    email = event.object.get("email") if event.changed("email") else None
    if username is not None or email is not None:
        taken = await event.tx.fetchrow(
            """select exists(select from "_User" where lower("username") = lower($1) and "objectId" <> $3) as username,
            exists(select from "_User" where lower("email") = lower($2) and "objectId" <> $3) as email""",
            username,
            email,
            event.object_id,
        )
        if taken["username"]:
            raise ParseError(ErrorCode.USERNAME_TAKEN, _TAKEN_USERNAME)
        if taken["email"]:
            raise ParseError(ErrorCode.EMAIL_TAKEN, TAKEN_EMAIL)


async def _follow(event: SaveEvent, *, waits: bool) -> None:
    """What hangs on an account, in the same transaction: its role's members and its sessions. `waits`: who signs up by password
    gets in only once the address is confirmed."""
    before, after = (event.original or {}).get("role"), event.object.get("role")
    if before != after:
        await move_member_as_master(event.tx, event.object_id, _name(before), _name(after))
    if event.is_new:
        proven = event.context.get("proven")
        is_proven = isinstance(proven, Proven) and bool(proven.given)
        if not waits or event.object.get("emailVerified") or is_proven:
            await _open_first_session(event)
        return
    disabled = event.object.get("active") is False
    new_password = "_hashed_password" in event.secrets
    if disabled or before != after or new_password:
        await end_sessions_of_user(event.tx, event.object_id)
    if new_password and not disabled and not event.caller.is_master:
        await _open_session(event, {"action": "update", "authProvider": "password"})


async def _open_first_session(event: SaveEvent) -> None:
    if event.object.get("active") is False:
        return
    proven = event.context.get("proven")
    provider = proven.names if isinstance(proven, Proven) else ""
    how: Object = {"action": "login", "authProvider": provider} if provider else {"action": "signup", "authProvider": "password"}
    await _open_session(event, how)


async def _open_session(event: SaveEvent, created_with: Object) -> None:
    token = await start_session(event.objects, event.tx, event.object_id, created_with, event.caller.installation_id)
    event.answer["sessionToken"] = token


async def _forget(event: DeleteEvent, go_on: Next) -> None:
    await go_on()
    await end_sessions_of_user(event.tx, event.object_id)
    await event.tx.execute("""delete from "_Join:users:_Role" where "relatedId" = $1""", event.object_id)


def _name(value: Json) -> str | None:
    return value if isinstance(value, str) else None
