"""Sessions: how they begin, end, and what a client may do to their rows.

Owns: the rules of `_Session`, `start_session` and the ends of sessions. Holds: the token leaves the server once, in the
answer that makes it, and is stored as its hash; a client makes and changes sessions of its own account only; one
installation has one session of a user; one that is over is kept for a day, and then dropped. May import core and store.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from app.actions.caller import MASTER, hash_token
from app.actions.hooks import Draft, Hooks, Next, SaveEvent, Writes
from app.config import Settings
from app.core.wire import Json, Object, date_to_wire, is_type, pointer
from app.errors import ErrorCode, ParseError
from app.store.database import Connection

PORTION = 1000
"""So many sessions are dropped at once."""

# For a day who comes with one is told that it has expired.
_FORGET = f"""
delete from "_Session" where "objectId" in (
    select "objectId" from "_Session" where "expiresAt" < clock_timestamp() - interval '1 day' limit {PORTION}
)
"""

_MASTER_MAY_SET = frozenset({"expiresAt", "createdWith"})
_MADE_BY_SERVER = frozenset({"objectId", "user", "sessionToken", "expiresAt", "createdWith"})


def install(hooks: Hooks, settings: Settings, clock: Callable[[], datetime]) -> None:
    """Puts the rules of `_Session` in front of its saves."""

    async def prepare(draft: Draft) -> None:
        if draft.caller.user_id is None and not draft.caller.is_master:
            raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Session token required.")
        if "ACL" in draft.body:
            raise ParseError(ErrorCode.INVALID_KEY_NAME, "Cannot set ACL on a Session.")
        if draft.object_id is not None:
            _check_update(draft)
            return
        _complete(draft, clock() + timedelta(days=settings.session_days))

    hooks.prepare("_Session", prepare, id="careboard.session")
    hooks.on_save("_Session", _replace_installation, id="careboard.session", priority=-1000)


def new_token() -> str:
    """A session token, as Parse's SDKs know them: 'r:' and 128 random bits."""
    return "r:" + secrets.token_hex(16)


async def start_session(objects: Writes, tx: Connection, user_id: str, created_with: Object, installation_id: str | None) -> str:
    """Makes a session of a user and returns its token, which is kept nowhere."""
    token = new_token()
    body: Object = {
        "user": pointer("_User", user_id),
        "sessionToken": token,
        "createdWith": created_with,
    }
    if installation_id:
        body["installationId"] = installation_id
    await objects.create(MASTER, "_Session", body, tx=tx)
    return token


async def end_sessions_of_user(tx: Connection, user_id: str, *, but: str | None = None) -> None:
    """Ends every session of a user, except the one with the objectId `but`."""
    await tx.execute("""delete from "_Session" where "user" = $1 and ($2::text is null or "objectId" <> $2)""", user_id, but)


async def end_session(tx: Connection, token: str) -> None:
    """Ends the session of a token, if there is one."""
    await tx.execute("""delete from "_Session" where "sessionToken" = $1""", hash_token(token))


async def forget_sessions(connection: Connection) -> bool:
    """Drops a portion of the sessions that ended long ago by their time, and says whether there may be more."""
    return await connection.execute(_FORGET) == f"DELETE {PORTION}"


def _check_update(draft: Draft) -> None:
    caller, body = draft.caller, draft.body
    touched = _roots(body)
    for name in ("user", "installationId", "sessionToken", "expiresAt", "createdWith"):
        if name not in touched or (caller.is_master and name in _MASTER_MAY_SET):
            continue
        if name == "user" and (caller.is_master or _user_of(body.get(name)) == caller.user_id):
            continue
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid key name: {name}")


def _complete(draft: Draft, expires_at: datetime) -> None:
    """A client's new session is one of its own; the master key may say whose and how long."""
    body, caller = draft.body, draft.caller
    if not caller.is_master:
        for name in [name for name in body if name.split(".")[0] in _MADE_BY_SERVER]:
            del body[name]
        body["user"] = pointer("_User", str(caller.user_id))
        body["createdWith"] = {"action": "create"}
    body.setdefault("expiresAt", date_to_wire(expires_at))
    given = body.pop("sessionToken", None)
    token = given if isinstance(given, str) and given else new_token()
    draft.secrets["sessionToken"] = hash_token(token)
    if not caller.is_master:
        draft.answer.update(body)
    draft.answer["sessionToken"] = token


def _roots(body: Object) -> frozenset[str]:
    """The fields a body touches, by dotted keys too."""
    return frozenset(name.split(".")[0] for name in body)


def _user_of(value: Json) -> Json:
    return value.get("objectId") if isinstance(value, dict) and is_type(value, "Pointer") else None


async def _replace_installation(event: SaveEvent, go_on: Next) -> None:
    """Parse keeps one session of a user and installation: the newest."""
    user, installation = event.object.get("user"), event.object.get("installationId")
    if event.is_new and installation and isinstance(user, dict):
        await event.tx.execute(
            """delete from "_Session" where "user" = $1 and "installationId" = $2""", user.get("objectId"), installation
        )
    await go_on()
