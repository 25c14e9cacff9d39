"""Roles: the rules of `_Role`, the staff roles, and their members.

Owns: the names of the staff roles, `ensure_roles_as_master` and the membership that follows `_User.role`. Holds: the users
of a staff role are exactly the accounts whose `role` says so, because nobody else writes that relation; a role keeps its
name. May import core and store.
"""

import re

from app.actions.hooks import DeleteEvent, Hooks, Next, SaveEvent
from app.core.ops import RelationChange
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.rows import objects as rows

STAFF_ROLES = (
    "admin",
    "dispatcher",
    "driver",
    "careTeam",
    "patient",
    "pharmacist",
    "provider",
    "courier",
    "nurse",
    "oncologist",
    "biomed",
    "departmentManager",
    "technician",
    "coordinator",
)
"""The values `_User.role` may have, each with the `_Role` of the same name (domains: Shared)."""

_NAME = re.compile(r"[0-9a-zA-Z_\- ]+")

_ENSURE = """
insert into "_Role" ("objectId", "createdAt", "updatedAt", "name", "_rperm", "_wperm")
select substr(translate(encode(sha256(convert_to('role:' || name, 'UTF8')), 'base64'), '+/=', 'xyz'), 1, 10),
  date_trunc('milliseconds', now()), date_trunc('milliseconds', now()), name, array['*', 'role:admin'], array['role:admin']
from unnest($1::text[]) name where not exists (select from "_Role" r where r."name" = name) on conflict do nothing
"""


def install(hooks: Hooks) -> None:
    """Puts the rules of `_Role` in front of its saves and deletes."""
    hooks.on_save("_Role", _check_save, id="careboard.role", priority=-1000)
    hooks.on_delete("_Role", _check_delete, id="careboard.role", priority=-1000)


async def ensure_roles_as_master(tx: Connection) -> None:
    """Makes the `_Role` of every staff role that is not there yet. Readable by all, changed by admins. Harmless to repeat."""
    await tx.execute(_ENSURE, list(STAFF_ROLES))


async def move_member_as_master(tx: Connection, user_id: str, before: str | None, after: str | None) -> None:
    """Takes a user out of the staff role `before` and puts it into the staff role `after`; other names are left alone."""
    for name, add in ((before, False), (after, True)):
        if name not in STAFF_ROLES:
            continue
        role_id = await tx.fetchval("""select "objectId" from "_Role" where "name" = $1""", name)
        if role_id is None:
            await ensure_roles_as_master(tx)
            role_id = await tx.fetchval("""select "objectId" from "_Role" where "name" = $1""", name)
        users = (user_id,)
        change = RelationChange("users", "_User", add=users if add else (), remove=() if add else users)
        await rows.change_relations(tx, "_Role", str(role_id), (change,))


async def _check_save(event: SaveEvent, go_on: Next) -> None:
    name = event.object.get("name")
    if event.is_new:
        for column in ("name", "ACL"):
            if not event.object.get(column) and event.object.get(column) != {}:
                raise ParseError(ErrorCode.INCORRECT_TYPE, f"{column} is required.")
    elif event.changed("name"):
        raise ParseError(ErrorCode.INVALID_ROLE_NAME, "A role's name can only be set before it has been saved.")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        words = "A role's name can only contain alphanumeric characters, _, -, and spaces."
        raise ParseError(ErrorCode.INVALID_ROLE_NAME, words)
    if name in STAFF_ROLES and "users" in event.body:
        words = f"The members of the role {name} follow the field role of _User; set that instead."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    await go_on()


async def _check_delete(event: DeleteEvent, go_on: Next) -> None:
    if event.object.get("name") in STAFF_ROLES:
        words = f"The role {event.object['name']} is one of the staff roles and stays; disable its members instead."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    await go_on()
    for relation in ("users", "roles"):
        await event.tx.execute(f'delete from "_Join:{relation}:_Role" where "owningId" = $1', event.object_id)
    await event.tx.execute('delete from "_Join:roles:_Role" where "relatedId" = $1', event.object_id)
