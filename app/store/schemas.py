"""The registry of classes: which there are, what columns they have, and the DDL that changes them.

Owns: the rows of `_SCHEMA` (Parse Server's form) and the tables of custom classes. Holds: what a transaction changes is seen by
that transaction at once and by the rest of the process when it commits; other processes hear of it through the change table and
call `refresh`; two processes that add the same column agree or one is refused. Classes declared by a domain are not altered by
clients. May import core, database, refusals, tables, capture.
"""

from collections.abc import Iterable, Mapping

from piccolo.table import Table

from app.core.columns import quote
from app.core.permissions import OPEN
from app.core.schema import (
    SYSTEM_CLASSES,
    ClassSchema,
    Field,
    class_schema,
    schema_error,
    schema_from_stored,
    schema_to_wire,
)
from app.core.wire import Json, Object, decode, encode
from app.errors import ErrorCode, ParseError
from app.store.changes.capture import install_capture, remove_capture
from app.store.database import Connection, Database
from app.store.files import install_holding, release_fields, remove_holding
from app.store.layout import change_indexes, check_name_is_free, drop_field, ensure_table, join_tables
from app.store.tables import SYSTEM_TABLES, schema_of

OWN: Mapping[str, ClassSchema] = {
    name: schema_of(table, SYSTEM_CLASSES[name].permissions)
    for table in SYSTEM_TABLES
    if (name := table._meta.tablename) in SYSTEM_CLASSES
}
"""The system classes with the columns that Careboard adds to Parse's."""

_INTERNAL: Object = {"_rperm": {"type": "Array"}, "_wperm": {"type": "Array"}}


class Schemas:
    """The classes of one database, kept in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, ClassSchema] = {}
        self._declared: dict[str, ClassSchema] = {}

    def get(self, class_name: str) -> ClassSchema:
        """The class; raises 119 in Parse's words where there is none."""
        found = self._find(class_name)
        if found is None:
            raise ParseError(
                ErrorCode.OPERATION_FORBIDDEN,
                f"This user is not allowed to access non-existent class: {class_name}",
            )
        return found

    def has(self, class_name: str) -> bool:
        """Whether there is such a class."""
        return self._find(class_name) is not None

    def all(self) -> list[ClassSchema]:
        """Every class, by name."""
        return [self._known[name] for name in sorted(self._known)]

    def is_declared(self, class_name: str) -> bool:
        """Whether code declares the class, so that no client may alter it."""
        return class_name in self._declared

    def past(self, definitions: Mapping[str, Json]) -> "tuple[Schemas, frozenset[str]] | None":
        """The registry as it was while these classes had these definitions (as `_SCHEMA` holds them), and which of them
        permitted something else then. None where that cannot be said: one is gone, or has lost a column.
        """
        reopened: dict[str, ClassSchema] = {}
        for name, definition in definitions.items():
            was, now = self._as_written(name, definition), self._known.get(name)
            if now is None or _has_lost(was, now):
                return None
            if {**OPEN, **was.permissions} != {**OPEN, **now.permissions}:
                reopened[name] = ClassSchema(name, now.fields, was.permissions, now.indexes)
        then = Schemas(self._database)
        then._known = self._known | reopened
        return then, frozenset(reopened)

    def register(self, table: type[Table], permissions: Object) -> ClassSchema:
        """Declares a class by its Piccolo table; its columns and permissions in code win over the stored row."""
        schema = schema_of(table, permissions)
        self._declared[schema.class_name] = self._known[schema.class_name] = schema
        return schema

    async def load(self) -> None:
        """Reads every class anew."""
        await self._read(None)

    async def refresh(self, class_names: Iterable[str]) -> None:
        """Reads these classes anew, as when the change table says that another process altered them."""
        await self._read(list(class_names))

    async def _read(self, class_names: list[str] | None) -> None:
        """None: all there are."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                select "className" as name, "schema"::text as definition from "_SCHEMA"
                where $1::text[] is null or "className" = any($1)
                """,
                class_names,
            )
            read = {row["name"]: row["definition"] for row in rows}
            names = {*(self._known if class_names is None else class_names), *read} - self._declared.keys()
            found = {name: self._merged(name, read[name]) for name in names & read.keys()}
            if any(_has_lost(self._known.get(name), found.get(name)) for name in names):
                await connection.reload_schema_state()
        for name in names:
            self._known.pop(name, None)
        self._known |= found

    async def create(self, connection: Connection, schema: ClassSchema) -> ClassSchema:
        """Makes a class: its table, the tables of its relations, its row and its capture. Raises 103 if it exists."""
        status = await connection.execute(
            'insert into "_SCHEMA" ("className", "schema", "isParseClass") values ($1, $2::text::jsonb, true)'
            " on conflict do nothing",
            schema.class_name,
            to_row(schema),
        )
        if status.endswith(" 0"):
            await self.refresh([schema.class_name])
            raise ParseError(ErrorCode.INVALID_CLASS_NAME, f"Class {schema.class_name} already exists.")
        await check_name_is_free(connection, schema.class_name)
        await ensure_table(connection, schema)
        await change_indexes(connection, schema.class_name, {}, schema.indexes)
        await install_capture(connection, schema)
        await install_holding(connection, schema)
        self._announce(schema.class_name, schema)
        return schema

    async def add_fields(self, connection: Connection, class_name: str, fields: Mapping[str, Field]) -> ClassSchema:
        """Adds columns that are not there yet; one that is there must be of the same type, else 111."""
        current = await self._locked(connection, class_name)
        for name, field in fields.items():
            there = current.fields.get(name)
            if there is not None and not there.accepts(field):
                raise ParseError(
                    ErrorCode.INCORRECT_TYPE,
                    f"schema mismatch for {class_name}.{name}; expected {there} but got {field}",
                )
        added = {name: field for name, field in fields.items() if name not in current.fields}
        wanted = ClassSchema(class_name, {**current.fields, **added}, current.permissions, current.indexes)
        return await self._store(connection, current, wanted)

    async def update(self, connection: Connection, schema: ClassSchema) -> ClassSchema:
        """Makes the stored class be `schema`: columns come and go, permissions, options and indexes are replaced."""
        if self.is_declared(schema.class_name):
            raise ParseError(
                ErrorCode.OPERATION_FORBIDDEN, f"{schema.class_name} is declared by the server; it cannot be altered."
            )
        current = await self._locked(connection, schema.class_name)
        gone = current.fields.keys() - schema.fields.keys()
        await release_fields(connection, current, gone)
        for name in gone:
            await drop_field(connection, schema.class_name, name, current.fields[name])
        if gone:
            await connection.reload_schema_state()
        return await self._store(connection, current, schema)

    async def delete(self, connection: Connection, class_name: str) -> None:
        """Drops an empty class with its tables; raises 255 when it still has objects, 103 when there is none."""
        if self.is_declared(class_name) or class_name in OWN:
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, f"{class_name} belongs to the server; it cannot be deleted.")
        current = await self._locked(connection, class_name)
        count = await connection.fetchval(f"select count(*) from {quote(class_name)}")
        if count:
            raise schema_error(255, f"Class {class_name} is not empty, contains {count} objects, cannot drop schema.")
        for table in (class_name, *join_tables(current)):
            await connection.execute(f"drop table if exists {quote(table)}")
            await remove_capture(connection, table)
        await remove_holding(connection, class_name)
        # A column of another type may come under the same name: what the pool prepared for the old one would refuse its values.
        await connection.reload_schema_state()
        await connection.execute('delete from "_SCHEMA" where "className" = $1', class_name)
        self._announce(class_name, None)

    async def adopt(self, connection: Connection) -> None:
        """Brings system and declared classes and every stored one into shape: rows, missing columns, capture. Part of migrate."""
        rows = await connection.fetch('select "className" as name, "schema"::text as definition from "_SCHEMA"')
        stored = {row["name"]: row["definition"] for row in rows}
        schemas = {name: self._merged(name, definition) for name, definition in stored.items()}
        schemas |= {name: self._merged(name, None) for name in OWN if name not in stored} | self._declared
        for schema in schemas.values():
            await ensure_table(connection, schema)
            if schema.class_name in OWN or self.is_declared(schema.class_name):
                await connection.execute(_UPSERT, schema.class_name, to_row(schema))
            await install_capture(connection, schema)
            await install_holding(connection, schema)
        self._known = dict(schemas)

    async def _locked(self, connection: Connection, class_name: str) -> ClassSchema:
        """The class as stored now, its row locked until the transaction ends."""
        definition = await connection.fetchval(
            'select "schema"::text from "_SCHEMA" where "className" = $1 for update', class_name
        )
        if definition is None:
            raise ParseError(ErrorCode.INVALID_CLASS_NAME, f"Class {class_name} does not exist.")
        return self._merged(class_name, definition)

    async def _store(self, connection: Connection, current: ClassSchema, schema: ClassSchema) -> ClassSchema:
        await ensure_table(connection, schema)
        await change_indexes(connection, schema.class_name, current.indexes, schema.indexes)
        await connection.execute(
            'update "_SCHEMA" set "schema" = $2::text::jsonb where "className" = $1', schema.class_name, to_row(schema)
        )
        if schema.fields != current.fields:
            await install_capture(connection, schema)
            await install_holding(connection, schema)
        self._announce(schema.class_name, schema)
        return schema

    def _merged(self, class_name: str, definition: str | None) -> ClassSchema:
        """A stored row with what the server adds to its own classes."""
        if class_name in self._declared:
            return self._declared[class_name]
        return self._as_written(class_name, decode(definition) if definition else {})

    def _as_written(self, class_name: str, raw: Json) -> ClassSchema:
        stored = schema_from_stored({**raw, "className": class_name} if isinstance(raw, dict) else {})
        own = OWN.get(class_name)
        if own is None:
            return stored
        permissions = stored.permissions if isinstance(raw, dict) and raw.get("classLevelPermissions") else own.permissions
        return class_schema(class_name, {**own.fields, **stored.fields}, permissions, stored.indexes)

    def _announce(self, class_name: str, schema: ClassSchema | None) -> None:
        """The running transaction sees this from now on, everybody else of the process when it commits."""
        scratch = self._database.scratch
        if scratch is not None:
            pending = scratch.setdefault(self, {})
            assert isinstance(pending, dict)
            pending[class_name] = schema
        self._database.after_commit(lambda: self._apply(class_name, schema))

    def _apply(self, class_name: str, schema: ClassSchema | None) -> None:
        if schema is None:
            self._known.pop(class_name, None)
        else:
            self._known[class_name] = schema

    def _find(self, class_name: str) -> ClassSchema | None:
        scratch = self._database.scratch
        pending = scratch.get(self) if scratch else None
        if isinstance(pending, dict) and class_name in pending:
            found: ClassSchema | None = pending[class_name]
            return found
        return self._known.get(class_name)


def _has_lost(before: ClassSchema | None, after: ClassSchema | None) -> bool:
    """Whether a column is gone, or has become another."""
    if before is None:
        return False
    return after is None or any(
        name not in after.fields or not field.accepts(after.fields[name]) for name, field in before.fields.items()
    )


def to_row(schema: ClassSchema) -> str:
    """A class as Parse Server stores it: permissions whole, ACL and password as the columns they are."""
    wire = schema_to_wire(schema)
    fields = dict(wire["fields"]) if isinstance(wire["fields"], dict) else {}
    fields.pop("ACL", None)
    if schema.class_name == "_User":
        fields.pop("password", None)
        fields["_hashed_password"] = {"type": "String"}
    stored: Object = {**wire, "fields": {**fields, **_INTERNAL}}
    if schema.permissions:
        # Parse reads an operation that is absent from a stored row as closed; absent from ours it is open.
        stored["classLevelPermissions"] = {**OPEN, **schema.permissions}
    else:
        del stored["classLevelPermissions"]
    return encode(stored).decode()


_UPSERT = """
insert into "_SCHEMA" ("className", "schema", "isParseClass") values ($1, $2::text::jsonb, true)
on conflict ("className") do update set "schema" = excluded."schema"
where "_SCHEMA"."schema" is distinct from excluded."schema"
"""
