"""Finding objects: what a caller may see of a class, asked of the database in one statement.

Owns: `Finds`. Holds: access is applied inside the query, by `visibility`; what was shown of a class under the access log is noted
before it is answered. May import core and store.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from app.actions import reads
from app.actions.caller import Caller
from app.actions.visibility import View
from app.config import Settings
from app.core.access import Operation, check_class
from app.core.query import Compare, In, Query, parse_query, with_classes
from app.core.schema import ClassSchema
from app.core.wire import Json, Object, decode
from app.errors import ErrorCode, ParseError
from app.store.database import Connection, Database
from app.store.rows import objects as rows
from app.store.rows.objects import Found
from app.store.schemas import Schemas

_CLOSED = (ErrorCode.OPERATION_FORBIDDEN, ErrorCode.OBJECT_NOT_FOUND, ErrorCode.INVALID_SESSION_TOKEN)
"""What a class says to whom it is closed."""


class Finds:
    """Get, find and count, for any caller and any class."""

    def __init__(self, database: Database, schemas: Schemas, settings: Settings, access_log: reads.Reads) -> None:
        self.database = database
        self.schemas = schemas
        self.settings = settings
        self.reads = access_log

    def parse_query(self, class_name: str, params: Mapping[str, Json]) -> Query:
        """The query a door was sent; `params` as REST sends them. A class that is not there is judged when the query runs."""
        schema = self._schema(class_name)
        return parse_query(class_name, schema, {**params, "where": with_classes(params.get("where"), self._schema)})

    def _schema(self, class_name: str) -> ClassSchema | None:
        return self.schemas.get(class_name) if self.schemas.has(class_name) else None

    async def find(
        self,
        caller: Caller,
        query: Query,
        *,
        cursor: bool = False,
        tx: Connection | None = None,
        is_shown: bool = True,
        files_url: str | None = None,
    ) -> Found:
        """The objects a caller may see, as finished JSON texts; with `cursor` also where a live query goes on from.

        `is_shown` False: not all of it is shown to the caller, so who shows some of it notes that in the access log.
        `files_url`: a configured address that files' names are appended to, for doors that tell them.
        """
        async with self.reading(tx) as connection:
            found = await self._select(connection, caller, query, _operation(query), cursor=cursor, files_url=files_url)
        if is_shown:
            await self.reads.show(caller, query, found.results, "find")
        if found.count is not None:
            await self.reads.show_one(caller, query.class_name, None, "count")
        return found

    async def get(
        self, caller: Caller, query: Query, object_id: str, *, tx: Connection | None = None, files_url: str | None = None
    ) -> str:
        """One object as finished JSON text; `query` says keys and includes. Raises 101 when there is none to be seen."""
        by_id = Compare(("objectId",), "eq", object_id)
        asked = replace(query, where=by_id, order=(), limit=1, skip=0, with_count=False)
        async with self.reading(tx) as connection:
            found = await self._select(connection, caller, asked, "get", files_url=files_url)
        if not found.results:
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Object not found.")
        await self.reads.show(caller, query, found.results, "get")
        return found.results[0]

    async def explain(self, caller: Caller, query: Query) -> str:
        """How the database runs a find, as its own JSON: the plan tells of everything there is, so for the master key only."""
        if not caller.is_master:
            raise ParseError(ErrorCode.INVALID_QUERY, "Using the explain query parameter requires the master key")
        view = View(self.schemas, self.settings, caller)
        self.schemas.get(query.class_name)
        async with self.reading() as connection:
            return await rows.explain(connection, self.schemas, query, hidden=view.hidden, allowed_for=view.allowed_included)

    async def find_related(
        self, caller: Caller, class_name: str, key: str, ids: Sequence[str], query: Query, *, tx: Connection | None = None
    ) -> dict[str, Found]:
        """`find` among the objects that the relation `key` of each of these objects holds, in one statement.

        An owner that the caller may not see has no entry.
        """
        view = View(self.schemas, self.settings, caller)
        schema, owner = view.schema(query.class_name), view.schema(class_name)
        if schema is None or owner is None:
            return {}
        if query.with_count:
            check_class(schema, "count", caller.authority)
        async with self.reading(tx) as connection:
            guarded, allowed = await view.guard(connection, query, schema, "find")
            found = await rows.select_of_owners(
                connection,
                self.schemas,
                rows.Owners(class_name, key, ids, view.owners(owner, key)),
                guarded,
                allowed,
                hidden=view.hidden,
                allowed_for=view.allowed_included,
            )
        shown = {owner_id: replace(each, results=view.strip(each.results, query)) for owner_id, each in found.items()}
        await self.reads.show(caller, query, [text for each in shown.values() for text in each.results], "find")
        if query.with_count:
            await self.reads.show_one(caller, query.class_name, None, "count")
        return shown

    async def count(self, caller: Caller, query: Query, *, tx: Connection | None = None) -> int:
        """How many objects of a query a caller may see."""
        view = View(self.schemas, self.settings, caller)
        schema = view.schema(query.class_name)
        if schema is None:
            return 0
        async with self.reading(tx) as connection:
            guarded, allowed = await view.guard(connection, query, schema, "count")
            total = await rows.select_count(connection, self.schemas, guarded, allowed)
        await self.reads.show_one(caller, query.class_name, None, "count")
        return total

    async def find_objects(self, caller: Caller, query: Query, *, tx: Connection | None = None) -> list[Object]:
        """`find`, decoded: for rules that look inside. Inside a transaction it sees the transaction's own writes."""
        found = await self.find(caller, query, tx=tx)
        return [decoded(text) for text in found.results]

    async def get_object(
        self, caller: Caller, class_name: str, object_id: str, *, tx: Connection | None = None, files_url: str | None = None
    ) -> Object:
        """`get`, decoded and whole. Raises 101."""
        return decoded(await self.get(caller, Query(class_name), object_id, tx=tx, files_url=files_url))

    async def first_showing(self, caller: Caller, class_name: str, field: str, ids: Sequence[str]) -> str | None:
        """Of these objects the first whose `field` the caller may see, by its id."""
        if not self.schemas.has(class_name) or field not in self.schemas.get(class_name).fields:
            return None
        query = Query(class_name, where=In(("objectId",), tuple(ids)), keys=frozenset({field}), limit=None)
        try:
            async with self.reading() as connection:
                found = await self._select(connection, caller, query, "get")
        except ParseError as error:
            if error.code in _CLOSED:
                return None
            raise
        shown = (decoded(text) for text in found.results)
        return next((str(each["objectId"]) for each in shown if each.get(field) is not None), None)

    @asynccontextmanager
    async def reading(self, tx: Connection | None = None) -> AsyncIterator[Connection]:
        """The transaction given, or a connection to read with."""
        if tx is not None:
            yield tx
            return
        async with self.database.connection() as connection:
            yield connection

    async def _select(
        self,
        connection: Connection,
        caller: Caller,
        query: Query,
        operation: Operation,
        *,
        cursor: bool = False,
        files_url: str | None = None,
    ) -> Found:
        view = View(self.schemas, self.settings, caller)
        schema = view.schema(query.class_name)
        if schema is None:
            return Found(results=[], count=0 if query.with_count else None, cursor=None)
        if query.with_count:
            check_class(schema, "count", caller.authority)
        guarded, allowed = await view.guard(connection, query, schema, operation)
        found = await rows.select(
            connection,
            self.schemas,
            guarded,
            allowed,
            hidden=view.hidden,
            allowed_for=view.allowed_included,
            count=query.with_count,
            cursor=cursor,
            files_url=files_url,
        )
        return replace(found, results=view.strip(found.results, query))


def _operation(query: Query) -> Operation:
    """What class level permissions take a find for, as in Parse: SDKs get and count by it."""
    if query.with_count and query.limit == 0:
        return "count"
    by_id = isinstance(query.where, Compare) and query.where.path == ("objectId",) and query.where.op == "eq"
    return "get" if by_id and not query.with_count else "find"


def decoded(text: str) -> Object:
    """A finished JSON text as an object."""
    value = decode(text)
    assert isinstance(value, dict)
    return value
