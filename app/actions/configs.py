"""What an operator sets while the server runs: parameters that apps read, and what GraphQL shows.

Owns: `CloudConfig`, `GraphQLConfig`. Holds: a parameter that is for the master key alone is told to nobody else; a change is
made whole, of two at once the second sees the first; the door asks for the master key before it calls `update`. May import
core and store.
"""

from app.actions.caller import Caller
from app.actions.objects import Objects
from app.core.graphql_config import check_graphql_config
from app.core.ops import apply_ops
from app.core.schema import Field, FieldType, class_schema
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from app.store.configs import Configs

_SCHEMA = class_schema("_GlobalConfig", {"params": Field(FieldType.OBJECT), "masterKeyOnly": Field(FieldType.OBJECT)})


class CloudConfig:
    """Reads and changes the cloud config, in the form of Parse's /config."""

    def __init__(self, objects: Objects, configs: Configs) -> None:
        self._objects = objects
        self._configs = configs

    async def get(self, caller: Caller) -> Object:
        """`params` and `masterKeyOnly`, as far as the caller may know them."""
        async with self._objects.database.connection() as connection:
            found = await self._configs.read(connection)
        if found is None:
            return {"params": {}}
        params, flags = found
        hidden = set() if caller.is_master else {name for name, flag in flags.items() if flag}
        shown: Object = {name: value for name, value in params.items() if name not in hidden}
        return {"params": shown, "masterKeyOnly": {name: flag for name, flag in flags.items() if name not in hidden}}

    async def update(self, caller: Caller, params: Json, flags: Json) -> None:
        """Sets parameters, or operates on them; others stay. `flags`: which of these are for the master key alone.

        Raises 107 for what are no objects, 119 for a master key that only reads, and as any save.
        """
        if caller.authority.is_read_only:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "read-only masterKey isn't allowed to update the config.")
        if not isinstance(params, dict) or not isinstance(flags, dict):
            raise ParseError(ErrorCode.INVALID_JSON, "params and masterKeyOnly must be objects, by the names of parameters.")
        body: Object = {f"params.{name}": value for name, value in params.items()}
        async with self._objects.transaction() as tx:
            found = await self._configs.read(tx, lock=True)
            known, known_flags = found or ({}, {})
            applied = apply_ops(_SCHEMA, {"params": known}, body)
            now = applied.object.get("params")
            assert isinstance(now, dict)
            given: Object = {name: bool(flags.get(name)) for name in params}
            kept: Object = {name: flag for name, flag in {**known_flags, **given}.items() if name.partition(".")[0] in now}
            await self._configs.write(tx, now, kept)


class GraphQLConfig:
    """Reads and replaces the config of GraphQL, in the form of Parse's /graphql-config."""

    def __init__(self, objects: Objects, configs: Configs) -> None:
        self._objects = objects
        self._configs = configs

    @property
    def current(self) -> Object:
        """As of now: another object whenever it was replaced."""
        return self._configs.graphql

    async def update(self, caller: Caller, config: Json) -> None:
        """Replaces it whole. Raises 142 with what is wrong with it, 119 for a master key that only reads."""
        if caller.authority.is_read_only:
            words = "read-only masterKey isn't allowed to update the GraphQL config."
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
        checked = check_graphql_config(config)
        async with self._objects.transaction() as tx:
            await self._configs.write_graphql(tx, checked)
