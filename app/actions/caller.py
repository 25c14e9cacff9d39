"""Who asks: the caller of an action, and how a session token becomes one.

Owns: `Caller`, `resolve` and the form in which a token is kept (`hash_token`). Holds: a token is looked up by its hash
only, in one statement that also reads the account and the closure of its roles, so no action asks a second time; an expired
session and an inactive account are no callers. May import core and store.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.core.access import Authority
from app.core.wire import Object, decode
from app.errors import ErrorCode, ParseError
from app.store.changes.snapshot import Snapshot
from app.store.database import Connection


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """One who asks. `user` is what rules need to know of the account, not the whole of it.

    It has objectId, username, role, active, displayName and preferredLanguage, as far as they are set.
    """

    authority: Authority
    session_token: str | None = None
    session_id: str | None = None
    installation_id: str | None = None
    user: Object | None = None
    expires_at: datetime | None = None
    """When the session ends by itself."""
    address: str = ""
    """Where the request comes from, "" for nowhere: wrong sign-ins, accounts and mails are counted by it."""

    @property
    def user_id(self) -> str | None:
        """The account's objectId, or None for an anonymous caller and for the master key."""
        return self.authority.user_id

    @property
    def is_master(self) -> bool:
        """True with the master key."""
        return self.authority.is_master

    @property
    def role(self) -> str | None:
        """The staff role written in the account (`_User.role`), without inheritance."""
        role = (self.user or {}).get("role")
        return role if isinstance(role, str) else None


ANONYMOUS = Caller(Authority(user_id=None, roles=frozenset()))
MASTER = Caller(Authority(user_id=None, roles=frozenset(), is_master=True))

# A role's `roles` relation names the roles that inherit from it: members of `relatedId` act also as `owningId`.
_ROLE_CLOSURE = """
  held(id) as (
    select "owningId" from "_Join:users:_Role" where "relatedId" = {user}
    union
    select j."owningId" from "_Join:roles:_Role" j join held on j."relatedId" = held.id
  )
"""
_ROLE_NAMES = """array(select r."name" from "_Role" r join held on held.id = r."objectId")"""
_FACTS = """
  jsonb_strip_nulls(jsonb_build_object('objectId', u."objectId", 'username', u."username", 'role', u."role", 'active', u."active",
    'displayName', u."displayName", 'preferredLanguage', u."preferredLanguage"))::text
"""

_RESOLVE = f"""
with recursive {_ROLE_CLOSURE.format(user='(select s."user" from "_Session" s where s."sessionToken" = $1)')}
select s."objectId" as session_id, s."installationId" as installation_id,
  s."expiresAt" as expires_at, coalesce(s."expiresAt" <= now(), false) as expired,
  u."objectId" as user_id, coalesce(u."active", true) as active,
  {_FACTS} as facts, {_ROLE_NAMES} as roles
from "_Session" s left join "_User" u on u."objectId" = s."user"
where s."sessionToken" = $1
"""

_ROLES_OF = f"with recursive {_ROLE_CLOSURE.format(user='$1')} select {_ROLE_NAMES} as roles"

_ROLE_GRAPH = """
with recursive direct as materialized (select "owningId" as id from "_Join:users:_Role" where "relatedId" = $1),
  about(id) as (
    (select id from direct union select unnest($2::text[]))
    union
    select j."owningId" from "_Join:roles:_Role" j join about on j."relatedId" = about.id
  ),
  edges as materialized (select j."owningId" as owner, j."relatedId" as member
    from "_Join:roles:_Role" j join about on j."relatedId" = about.id),
  named as materialized (select r."objectId" as id, r."name" as name from "_Role" r join about on about.id = r."objectId")
select pg_current_snapshot()::text as now, array(select id from direct) as direct,
  array(select owner from edges order by owner, member) as owners,
  array(select member from edges order by owner, member) as members,
  array(select id from named order by id) as ids, array(select name from named order by id) as names
"""

_USER = f"""select {_FACTS} as facts from "_User" u where u."objectId" = $1"""


def hash_token(token: str) -> str:
    """The only form in which a session token is stored."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


async def resolve(connection: Connection, token: str, *, installation_id: str | None = None, address: str = "") -> Caller:
    """The caller behind a session token; `installation_id` and `address` are of the request. Raises 209 as Parse words it."""
    row = await connection.fetchrow(_RESOLVE, hash_token(token))
    if row is None or row["user_id"] is None:
        raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Invalid session token")
    if row["expired"]:
        raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Session token is expired.")
    if not row["active"]:
        raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Invalid session token")
    return Caller(
        authority=Authority(user_id=row["user_id"], roles=frozenset(row["roles"])),
        session_token=token,
        session_id=row["session_id"],
        installation_id=installation_id or row["installation_id"],
        user=_object(row["facts"]),
        expires_at=row["expires_at"],
        address=address,
    )


async def roles_of(connection: Connection, user_id: str) -> frozenset[str]:
    """The names of every role a user holds, by membership or by inheritance."""
    return frozenset(await connection.fetchval(_ROLES_OF, user_id))


@dataclass(frozen=True, slots=True)
class RoleGraph:
    """The roles about one user as `snapshot` saw them, by id: held directly, inherited (owner, member), and their names."""

    snapshot: Snapshot
    direct: frozenset[str]
    edges: frozenset[tuple[str, str]]
    names: Mapping[str, str]


async def roles_about(connection: Connection, user_id: str, role_ids: Iterable[str]) -> RoleGraph:
    """What leads on from the roles of a user, and from these."""
    row = await connection.fetchrow(_ROLE_GRAPH, user_id, sorted(role_ids))
    assert row is not None
    edges = frozenset((owner, member) for owner, member in zip(row["owners"], row["members"], strict=True))
    names = dict(zip(row["ids"], row["names"], strict=True))
    return RoleGraph(Snapshot.parse(row["now"]), frozenset(row["direct"]), edges, names)


async def caller_of_user_as_master(connection: Connection, user_id: str) -> Caller:
    """The caller an account would be, without a session: for work done in a user's name. Raises 101 when there is none."""
    facts = await connection.fetchval(_USER, user_id)
    if facts is None:
        raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Object not found.")
    roles = await roles_of(connection, user_id)
    return Caller(authority=Authority(user_id=user_id, roles=roles), user=_object(facts))


def _object(text: str) -> Object:
    value = decode(text)
    assert isinstance(value, dict)
    return value
