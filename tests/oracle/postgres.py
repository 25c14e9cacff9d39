"""Postgres as the judge: objects of a class stored as the product stores them, rendered as it renders them, and asked.

Owns: `Judge`, a class in a table of its own for the length of a transaction that is rolled back.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from app.core.columns import column_type, join_table, quote, to_column
from app.core.nodes import Node
from app.core.schema import ClassSchema, FieldType
from app.core.sql import Compiler
from app.core.wire import Json, Object, acl_to_permissions, canonical, decode
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.rows.render import render_object


class Judge:
    """Classes with real tables, on one connection; leaving it undoes everything.

    Two classes that differ need two names: the connection remembers the statements it prepared.
    """

    def __init__(self, connection: Connection, *classes: ClassSchema) -> None:
        self._connection = connection
        self._classes: Mapping[str, ClassSchema] = {schema.class_name: schema for schema in classes}
        self._transaction = connection.transaction()

    async def __aenter__(self) -> Self:
        await self._transaction.start()
        for schema in self._classes.values():
            columns = [f"{quote(name)} {kind}" for name, field in schema.fields.items() if (kind := column_type(field))]
            table = ", ".join([*columns, '"_rperm" text[]', '"_wperm" text[]'])
            await self._connection.execute(f"create table {quote(schema.class_name)} ({table})")
            for name, field in schema.fields.items():
                if field.type is FieldType.RELATION:
                    table = join_table(name, schema.class_name)
                    await self._connection.execute(f'create table {table} ("relatedId" text, "owningId" text)')
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._transaction.rollback()

    def schema(self, class_name: str) -> ClassSchema:
        """The registry a Compiler takes."""
        if class_name not in self._classes:
            raise ParseError(ErrorCode.INVALID_CLASS_NAME, class_name)
        return self._classes[class_name]

    async def store(self, class_name: str, objects: Mapping[str, Object]) -> None:
        """Objects by their ids, in wire form."""
        schema = self.schema(class_name)
        for object_id, fields in objects.items():
            readers, writers = acl_to_permissions(fields.get("ACL"))
            values: dict[str, object] = {"_rperm": readers, "_wperm": writers, "objectId": object_id}
            for name, value in fields.items():
                field = schema.fields[name]
                if name != "objectId" and column_type(field) is not None:
                    values[name] = to_column(field, _dated(field.type, canonical(value)))
            places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
            names = ", ".join(map(quote, values))
            await self._connection.execute(f"insert into {quote(class_name)} ({names}) values ({places})", *values.values())

    async def relate(self, class_name: str, key: str, pairs: list[tuple[str, str]]) -> None:
        """Rows (owningId, relatedId) of a relation."""
        text = f'insert into {join_table(key, class_name)} ("owningId", "relatedId") values ($1, $2)'
        for owning, related in pairs:
            await self._connection.execute(text, owning, related)

    async def images(self, class_name: str) -> dict[str, Object]:
        """Every object as the change feed shows it."""
        rendered = render_object(self.schema(class_name), "t0")
        rows = await self._connection.fetch(f"select {rendered} from {quote(class_name)} t0")
        images: dict[str, Object] = {}
        for row in rows:
            image = decode(row[0])
            assert isinstance(image, dict)
            images[str(image["objectId"])] = image
        return images

    async def find(self, class_name: str, node: Node) -> set[str]:
        """The ids that the SQL of a node finds."""
        arguments: list[object] = []
        where = Compiler(self.schema).compile_where(node, self.schema(class_name), "t0", arguments)
        text = f'select "objectId" from {quote(class_name)} t0 where {where}'
        return {row[0] for row in await self._connection.fetch(text, *arguments)}

    async def rows(self, text: str, *arguments: object) -> list[object]:
        """The first column of any select."""
        return [row[0] for row in await self._connection.fetch(text, *arguments)]

    async def execute(self, text: str, *arguments: object) -> None:
        """Any statement, for rows that the product would not write itself."""
        await self._connection.execute(text, *arguments)


def _dated(kind: FieldType, value: Json) -> Json:
    """createdAt and updatedAt are plain texts on the wire."""
    return {"__type": "Date", "iso": value} if kind is FieldType.DATE and isinstance(value, str) else value
