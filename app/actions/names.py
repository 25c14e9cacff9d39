"""The names of staff, for those who may not read accounts: a log says who did it.

Owns: `staff_names`. Holds: of an account only the `displayName` is told, and only of staff, never of a patient; who asks is
signed in and says the objectId, which is known from a row that they may read and cannot be guessed. May import core and store.
"""

from collections.abc import Collection

from app.actions.caller import Caller
from app.errors import ErrorCode, ParseError
from app.store.database import Database

MOST_NAMES = 200
"""How many a client may ask for at once."""

_NAMES = """
select "objectId" as id, "displayName" as name from "_User"
where "objectId" = any($1) and "displayName" <> '' and "role" <> 'patient'
"""


async def staff_names(database: Database, caller: Caller, ids: Collection[str]) -> dict[str, str]:
    """The display names of those that are staff, by objectId. Raises 101 to who is not signed in."""
    if caller.user_id is None and not caller.is_master:
        raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Permission denied, user needs to be authenticated.")
    if not ids:
        return {}
    async with database.connection() as connection:
        found = await connection.fetch(_NAMES, sorted(ids))
    return {row["id"]: row["name"] for row in found}
