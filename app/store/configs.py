"""What an operator sets while the server runs: the cloud config, and which classes GraphQL shows and how.

Owns: the tables `_GlobalConfig` and `_GraphQLConfig` (Parse Server's form, one row each) and `Configs`. Holds: the cloud config
is read from its row each time; GraphQL's is kept in memory, new to this process when its transaction commits and to others
when they read of it in the change table and call `refresh`. May import core, database, capture.
"""

from app.core.wire import Object, decode, encode
from app.store.changes.capture import install_config_capture
from app.store.database import Connection, Database

GRAPHQL_CONFIG = "_GraphQLConfig"

_DDL = """
create table if not exists "_GlobalConfig" ("objectId" text primary key);
alter table "_GlobalConfig" add column if not exists "params" jsonb, add column if not exists "masterKeyOnly" jsonb;
create table if not exists "_GraphQLConfig" ("objectId" text primary key);
alter table "_GraphQLConfig" add column if not exists "config" jsonb;
"""
_ID = "1"

_READ = """select "params"::text as params, "masterKeyOnly"::text as flags from "_GlobalConfig" where "objectId" = $1"""
_CLAIM = """insert into "_GlobalConfig" ("objectId") values ($1) on conflict do nothing"""
_WRITE = """
update "_GlobalConfig" set "params" = $2::text::jsonb, "masterKeyOnly" = $3::text::jsonb where "objectId" = $1
"""
_READ_GRAPHQL = """select "config"::text from "_GraphQLConfig" where "objectId" = $1"""
_WRITE_GRAPHQL = """
insert into "_GraphQLConfig" ("objectId", "config") values ($1, $2::text::jsonb)
on conflict ("objectId") do update set "config" = excluded."config"
"""


async def install_configs(connection: Connection) -> None:
    """Makes the tables, and the capture of the one that processes keep in memory."""
    await connection.execute(_DDL)
    await install_config_capture(connection, GRAPHQL_CONFIG)


class Configs:
    """The configs of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.graphql: Object = {}
        """As it was written; never changed in place."""

    async def refresh(self) -> None:
        """Reads anew what is kept in memory."""
        async with self._database.connection() as connection:
            text = await connection.fetchval(_READ_GRAPHQL, _ID)
        self.graphql = _object(text)

    async def read(self, connection: Connection, *, lock: bool = False) -> tuple[Object, Object] | None:
        """The parameters of the cloud config, and which of them are for the master key alone; None before any was set.

        `lock`: makes the row if need be and holds it until the transaction ends.
        """
        if lock:
            await connection.execute(_CLAIM, _ID)
        row = await connection.fetchrow(_READ + (" for update" if lock else ""), _ID)
        return None if row is None else (_object(row["params"]), _object(row["flags"]))

    async def write(self, connection: Connection, params: Object, flags: Object) -> None:
        """Replaces the cloud config that `read` has locked."""
        await connection.execute(_WRITE, _ID, encode(params).decode(), encode(flags).decode())

    async def write_graphql(self, connection: Connection, config: Object) -> None:
        """Replaces the config of GraphQL."""
        await connection.execute(_WRITE_GRAPHQL, _ID, encode(config).decode())
        self._database.after_commit(lambda: setattr(self, "graphql", config))


def _object(text: str | None) -> Object:
    value = decode(text) if text else None
    return value if isinstance(value, dict) else {}
