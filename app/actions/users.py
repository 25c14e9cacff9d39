"""Users: signing up, in and out, and who am I.

Owns: `Users`. Holds: a wrong name, a wrong password and a locked account cost the same time and read the same; that an
account is disabled is told only to who knows its password; an account cannot be disabled between the look at it and its
session. Words and codes are Parse Server's (UsersRouter, SessionsRouter). May import core and store.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.actions.caller import ANONYMOUS, MASTER, Caller, caller_of_user_as_master
from app.actions.finds import decoded
from app.actions.hooks import Moment, Saved, SignInEvent
from app.actions.objects import Objects
from app.actions.signing.accounts import is_admin
from app.actions.signing.attempts import ADDRESS_FACTOR, Asked, Attempts
from app.actions.signing.passwords import verify_password
from app.actions.signing.providers import Proven
from app.actions.signing.sessions import end_session, end_sessions_of_user, start_session
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.identities import ALREADY_LINKED, read_auth_data, read_auth_data_of

DISABLED = "This account is not active; ask an admin to enable it."

_TOO_MANY_CHALLENGES = "Too many challenges were asked for"
_NOBODY = "No account is linked with this sign-in; POST /users with the same authData makes one."

_ACCOUNTS = """
select "objectId" as id, "username" as username, "_hashed_password" as hashed,
  "_rperm" = '{{}}' and "_wperm" = '{{}}' as locked, coalesce("emailVerified", false) as verified
from "_User" where {where}
"""


@dataclass(frozen=True, slots=True)
class _Account:
    id: str
    username: str | None
    hashed: str | None
    locked: bool
    verified: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody who came in, and whether the account is new."""

    answer: Object
    is_new: bool


class Users:
    """What a person does with an account; the rows themselves are saved by `Objects`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._database = objects.database
        self._providers = objects.providers
        self._attempts = objects.providers.attempts
        most = objects.settings.sign_in_failures
        self._challenges = Attempts(most, words=_TOO_MANY_CHALLENGES)
        self._nameless_challenges = Asked(most * ADDRESS_FACTOR, _TOO_MANY_CHALLENGES)

    async def sign_up(self, caller: Caller, body: Mapping[str, Json], *, tx: Connection | None = None) -> Object:
        """What `enter` answers, for whom it is all one whether the account is new."""
        return (await self.enter(caller, body, tx=tx)).answer

    async def enter(self, caller: Caller, body: Mapping[str, Json], *, tx: Connection | None = None) -> "Entered":
        """Makes an account and its first session: {objectId, createdAt, sessionToken, …}; an inactive one gets no session.

        With `authData` that belongs to an account it is a sign-in instead, answered as `log_in` does. Raises 208 to somebody who
        is signed in as another one, and what providers raise.
        """
        given = body.get("authData")
        proven: Proven | None = None
        if given:
            proven = await self._providers.prove(caller, given, by_admin=is_admin(caller), address=caller.address, tx=tx)
            if proven is given:  # it was proven ahead: somebody may have come in since
                proven.owners = frozenset(filter(None, [await self._providers.owner(proven, tx)]))
            if owner := next(iter(proven.owners), None):
                return Entered(await self._enter_as(caller, owner, proven, tx), is_new=False)
            body = {**body, "authData": proven}
        try:
            return Entered((await self._objects.create(caller, "_User", body, tx=tx)).response, is_new=True)
        except ParseError as error:
            if error.code != ErrorCode.ACCOUNT_ALREADY_LINKED or proven is None:
                raise
            owner = await self._providers.owner(proven, tx)  # another device was faster
            if owner is None:
                raise
            return Entered(await self._enter_as(caller, owner, proven, tx), is_new=False)

    async def prove_ahead(self, caller: Caller, body: Object, user_id: str | None) -> Object:
        """The body of a save of an account (None: a new one) with its authData proven: for who is about to take a connection, as
        an issuer may be slow to answer."""
        given, is_new = body.get("authData"), user_id is None
        if not given or not (is_new or caller.is_master or caller.user_id == user_id):
            return body  # to be refused
        by_admin = is_admin(caller) if is_new else caller.is_master
        proven = await self._providers.prove(caller, given, user_id=user_id, by_admin=by_admin, address=caller.address)
        return {**body, "authData": proven}

    async def log_in(self, caller: Caller, params: Mapping[str, Json]) -> Object:
        """The user, with a new `sessionToken`. `params`: password, and username (may be an e-mail address) or email.

        Or `authData` alone, which must belong to an account; or both, where the account wants something beside its password.
        Raises 200, 201 for what is missing, 101 for what is wrong, 119 for an account that is
        disabled, 155 after too many wrong ones, 205 where an address must be confirmed first.
        """
        given = params.get("authData")
        if given and not params.get("username") and not params.get("email"):
            proven = await self._providers.prove(ANONYMOUS, given, address=caller.address)
            if not proven.owners:
                raise ParseError(ErrorCode.OBJECT_NOT_FOUND, _NOBODY)
            return await self._enter_as(caller, next(iter(proven.owners)), proven, None, is_log_in=True)
        account = await self._authenticate(caller, params)
        beside = await self._prove_beside(account, given, caller.address)
        async with self._objects.transaction() as tx:
            await self._keep(tx, account.id, beside)
            answer = await self._signed_in(tx, caller, account.id, {"action": "login", "authProvider": "password"})
        return _telling(answer, beside)

    async def challenge(self, caller: Caller, body: Mapping[str, Json]) -> Object:
        """POST /challenge: what providers ask or send before a sign-in. `body`: challengeData, and who it is about: username or
        email with password, or `authData`. Raises -1, and 101 for a wrong one, as Parse Server does, and 155 after too many: one
        may send a message that costs."""
        given, by_name = body.get("authData"), body.get("username") or body.get("email")
        user_id = caller.user_id
        if by_name:
            if not body.get("password"):
                words = "You provided username or email, you need to also provide password."
                raise ParseError(ErrorCode.OTHER_CAUSE, words)
            if given:
                words = "You cannot provide username/email and authData, only use one identification method."
                raise ParseError(ErrorCode.OTHER_CAUSE, words)
            user_id = (await self._authenticate(caller, body)).id
        elif given:
            user_id = await self._owner_of(given, caller.address)
        if user_id is not None:
            self._challenges.begin(user_id, caller.address)
        elif not caller.is_master:
            self._nameless_challenges.begin(caller.address)
        return {"challengeData": await self._providers.challenge(caller, body.get("challengeData"), user_id)}

    async def log_in_as(self, caller: Caller, user_id: Json) -> Object:
        """With the master key: the user and a session of it. Raises 119 to others, 162 without an id, 101 for an unknown one."""
        if not caller.is_master or caller.authority.is_read_only:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "master key is required")
        if not isinstance(user_id, str) or not user_id:
            raise ParseError(ErrorCode.INVALID_VALUE, "userId must not be empty, null, or undefined")
        async with self._objects.transaction() as tx:
            return await self._signed_in(tx, caller, user_id, {"action": "login", "authProvider": "masterkey"})

    async def verify_password(self, caller: Caller, params: Mapping[str, Json]) -> Object:
        """The user whose name and password these are, without a session. Raises as `log_in`."""
        account = await self._authenticate(caller, params)
        async with self._database.connection() as connection:
            user = await self._own_view(connection, caller, account.id)
        if user.get("active") is False:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, DISABLED)
        return user

    async def log_out(self, caller: Caller) -> None:
        """Ends the session that asks; nothing happens without one."""
        if caller.session_token is None:
            return
        async with self._objects.transaction() as tx:
            await end_session(tx, caller.session_token)
            if caller.user_id is not None:
                who: Object = {"objectId": caller.user_id}
                self._tell("after_logout", SignInEvent(who, "", caller.installation_id, caller.address))

    async def me(self, caller: Caller) -> Object:
        """The user of the session, with its token. Raises 209 without one."""
        if caller.session_token is None or caller.user_id is None:
            raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Invalid session token")
        async with self._database.connection() as connection:
            user = await self._own_view(connection, caller, caller.user_id)
        return {**user, "sessionToken": caller.session_token}

    async def auth_data(self, caller: Caller, user_ids: Collection[str], *, tx: Connection | None = None) -> dict[str, Object]:
        """The sign-ins of these accounts by objectId, as far as there are any: the master key is told all, others their own."""
        told = [each for each in user_ids if caller.is_master or each == caller.user_id]
        if not told:
            return {}
        async with self._objects.reading(tx) as connection:
            found = await read_auth_data_of(connection, told)
        return {user_id: linked for user_id, text in found.items() if (linked := decoded(text))}

    async def is_only_way_in(self, user_id: str, name: str) -> bool:
        """Whether an account has no password, and no other provider than this one."""
        async with self._database.connection() as connection:
            linked = await self._linked(connection, user_id)
            hashed = await connection.fetchval("""select "_hashed_password" from "_User" where "objectId" = $1""", user_id)
        return not hashed and linked.keys() <= {name}

    async def my_session(self, caller: Caller, token: str | None = None) -> Object:
        """The session that asks, with its token. Raises 209 without one."""
        token = token or caller.session_token
        if token is None or caller.session_id is None:
            raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Session token required.")
        session = await self._read(caller, "_Session", caller.session_id)
        return {**session, "sessionToken": token}

    async def create_user_as_master(
        self, username: str, password: str, role: str, *, tx: Connection | None = None, **fields: Json
    ) -> Saved:
        """Makes an account of any role, without a session: for the command line, the demo and approvals."""
        body: Object = {"username": username, "password": password, "role": role, **fields}
        async with self._objects.transaction(tx) as own:
            saved = await self._objects.create(MASTER, "_User", body, tx=own)
            await end_sessions_of_user(own, saved.object_id)
        response = {name: value for name, value in saved.response.items() if name != "sessionToken"}
        return Saved(saved.object_id, saved.created_at, saved.updated_at, response, saved.object)

    async def set_role_as_master(self, user_id: str, role: str, *, tx: Connection | None = None) -> Saved:
        """Gives an account another role; its sessions end. Raises 101, 142."""
        return await self._objects.update(MASTER, "_User", user_id, {"role": role}, tx=tx)

    async def set_active_as_master(self, user_id: str, active: bool, *, tx: Connection | None = None) -> Saved:
        """Enables or disables an account; a disabled one loses its sessions at once. Raises 101."""
        return await self._objects.update(MASTER, "_User", user_id, {"active": active}, tx=tx)

    async def find_id_as_master(self, username: str) -> str | None:
        """The objectId of the account with exactly this username."""
        async with self._database.connection() as connection:
            found = await connection.fetchval("""select "objectId" from "_User" where "username" = $1""", username)
        return str(found) if found is not None else None

    async def _authenticate(self, caller: Caller, params: Mapping[str, Json]) -> _Account:
        username, email, password = params.get("username"), params.get("email"), params.get("password")
        if not username and not email:
            raise ParseError(ErrorCode.USERNAME_MISSING, "username/email is required.")
        if not password:
            raise ParseError(ErrorCode.PASSWORD_MISSING, "password is required.")
        wrong = ParseError(ErrorCode.OBJECT_NOT_FOUND, "Invalid username/password.")
        if not all(value is None or isinstance(value, str) for value in (username, email, password)):
            raise wrong
        name = str(username or email)
        self._attempts.begin(name, caller.address)
        account = await self._find_account(username, email)
        right = await verify_password(str(password), account.hashed if account else None)
        if account is None or not right or (account.locked and not caller.is_master):
            raise wrong
        self._attempts.forgive(name, caller.address)
        is_excused = caller.is_master and params.get("ignoreEmailVerification") in (True, "true")
        if self._objects.settings.prevent_login_with_unverified_email and not account.verified and not is_excused:
            raise ParseError(ErrorCode.EMAIL_NOT_FOUND, "User email is not verified.")
        return account

    async def _find_account(self, username: Json, email: Json) -> _Account | None:
        if username and email:
            where = '"username" = $1 and "email" = $2'
        elif email:
            where = '"email" = $1'
        else:
            where = '"username" = $1 or "email" = $1'
        async with self._database.connection() as connection:
            rows = await connection.fetch(_ACCOUNTS.format(where=where), *(value for value in (username, email) if value))
        accounts = [_Account(row["id"], row["username"], row["hashed"], bool(row["locked"]), row["verified"]) for row in rows]
        if len(accounts) > 1:  # somebody's username is another one's address
            accounts = [account for account in accounts if account.username == username]
        return accounts[0] if accounts else None

    async def _enter_as(
        self, caller: Caller, user_id: str, proven: Proven, tx: Connection | None, *, is_log_in: bool = False
    ) -> Object:
        """Signs the account in that proven authData belongs to; who is signed in as it already is shown it."""
        if caller.user_id is not None and not is_log_in:
            if caller.user_id != user_id:
                raise ParseError(ErrorCode.ACCOUNT_ALREADY_LINKED, ALREADY_LINKED)
            return _telling(await self.me(caller), proven)
        async with self._objects.transaction(tx) as own:
            row = await own.fetchrow(_ACCOUNTS.format(where='"objectId" = $1'), user_id)
            if row is None or (row["locked"] and not caller.is_master):
                raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Auth data is invalid for this user.")
            self._providers.check_policy(proven.given, await self._linked(own, user_id))
            await self._keep(own, user_id, proven)
            answer = await self._signed_in(own, caller, user_id, {"action": "login", "authProvider": proven.names})
        return _telling(answer, proven)

    async def _prove_beside(self, account: _Account, given: Json, address: str) -> Proven | None:
        """What is given beside a right password: proven, and all that the account wants."""
        proven = None
        async with self._database.connection() as connection:
            linked = await self._linked(connection, account.id)
        if given:  # nobody is signed in yet: what the account holds already is proven as well
            proven = await self._providers.prove(ANONYMOUS, given, user_id=account.id, address=address)
        self._providers.check_policy(proven.given if proven else frozenset(), linked)
        return proven

    async def _keep(self, tx: Connection, user_id: str, proven: Proven | None) -> None:
        """Writes down what a sign-in changes in its account: what its providers keep, and the role that its issuer gives."""
        if proven is None:
            return
        linked = await self._linked(tx, user_id)
        if any(linked.get(name) != part for name, part in proven.kept.items()):
            viewer = await caller_of_user_as_master(tx, user_id)
            await self._objects.update(viewer, "_User", user_id, {"authData": proven}, tx=tx)
        present = await tx.fetchval("""select "role" from "_User" where "objectId" = $1""", user_id)
        if role := proven.roles.after(present):
            await self.set_role_as_master(user_id, role, tx=tx)

    async def _linked(self, connection: Connection, user_id: str) -> Object:
        text = await read_auth_data(connection, user_id)
        return decoded(text) if text else {}

    async def _owner_of(self, given: Json, address: str) -> str:
        """The account that authData belongs to, in the words that tell nothing of who is there."""
        try:
            proven = await self._providers.prove(ANONYMOUS, given, address=address)
        except ParseError as error:
            if error.code in (ErrorCode.REQUEST_LIMIT_EXCEEDED, ErrorCode.CONNECTION_FAILED):
                raise
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "User not found.") from error
        owner = next(iter(proven.owners), None)
        if owner is None:
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "User not found.")
        return owner

    async def _signed_in(self, tx: Connection, caller: Caller, user_id: str, created_with: Object) -> Object:
        """Opens a session of an account that is locked against being disabled meanwhile, and shows it to its owner."""
        row = await tx.fetchrow("""select "active" as active from "_User" where "objectId" = $1 for share""", user_id)
        if row is None:
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "user not found")
        if row["active"] is False:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, DISABLED)
        user = await self._own_view(tx, caller, user_id)
        event = SignInEvent(user, str(created_with["authProvider"]), caller.installation_id, caller.address)
        await self._objects.hooks.run_before_login(event)
        token = await start_session(self._objects, tx, user_id, created_with, caller.installation_id)
        self._tell("after_login", event)
        return {**user, "sessionToken": token}

    def _tell(self, moment: Moment, event: SignInEvent) -> None:
        """Once it is committed."""
        hooks = self._objects.hooks
        if hooks.has_sign_in_handlers(moment):
            self._database.after_commit(lambda: hooks.tell_signed(moment, event))

    async def _read(self, caller: Caller, class_name: str, object_id: str, tx: Connection | None = None) -> Object:
        """One object as a find shows it, with the addresses of its files. Raises 101."""
        return await self._objects.get_object(caller, class_name, object_id, tx=tx, files_url=self._objects.settings.file_urls)

    async def _own_view(self, connection: Connection, caller: Caller, user_id: str) -> Object:
        """The account as its owner sees it; only its id where the class's permissions hide even that."""
        viewer = caller if caller.is_master else await caller_of_user_as_master(connection, user_id)
        try:
            user = await self._read(viewer, "_User", user_id, connection)
        except ParseError as error:
            if error.code not in (ErrorCode.OPERATION_FORBIDDEN, ErrorCode.OBJECT_NOT_FOUND):
                raise
            return {"objectId": user_id}
        linked = await self._linked(connection, user_id)
        return {**user, "authData": linked} if linked else user


def _telling(answer: Object, proven: Proven | None) -> Object:
    """The answer to a sign-in with what its providers say to the client."""
    return {**answer, "authDataResponse": proven.told} if proven and proven.told else answer
