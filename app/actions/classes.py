"""Classes: /schemas for whoever holds the master key.

Owns: `Classes`. Holds: a class is made, changed or dropped in one transaction, its columns with it; a class with objects is
never dropped; the door asks for the master key before it calls. What a valid class is says core/schema, in Parse's words.
May import core and store.
"""

from collections.abc import Mapping

from app.actions.caller import Caller
from app.actions.objects import Objects
from app.core.fields import check_class_name
from app.core.schema import ClassSchema, changed_schema, schema_from_wire, schema_to_wire
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError


class Classes:
    """Looks at, makes, changes and drops classes, in the form of Parse's /schemas."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._schemas = objects.schemas

    def find(self) -> list[Object]:
        """Every class, as GET /schemas lists them."""
        return [schema_to_wire(schema) for schema in self._schemas.all()]

    def get(self, class_name: str) -> Object:
        """One class. Raises 103 when there is none."""
        return schema_to_wire(self._existing(class_name))

    async def create(self, class_name: str, body: Mapping[str, Json]) -> Object:
        """Makes a class of {fields?, classLevelPermissions?, indexes?}. Raises 103 if it is there, and as `schema_from_wire`."""
        schema = schema_from_wire({**body, "className": class_name})
        if self._schemas.has(class_name):
            raise ParseError(ErrorCode.INVALID_CLASS_NAME, f"Class {class_name} already exists.")
        async with self._objects.transaction() as tx:
            await self._schemas.create(tx, schema)
        return self.get(class_name)

    async def update(self, class_name: str, body: Mapping[str, Json]) -> Object:
        """Adds and removes columns and indexes, replaces the permissions when given. Raises 103 and as `changed_schema`."""
        known = self._existing(class_name)
        schema = changed_schema(known, dict(body))
        async with self._objects.transaction() as tx:
            await self._schemas.update(tx, schema)
        return self.get(class_name)

    async def delete(self, class_name: str) -> None:
        """Drops an empty class; nothing happens when there is none. Raises 255 when it holds objects."""
        check_class_name(class_name)
        if not self._schemas.has(class_name):
            return
        async with self._objects.transaction() as tx:
            # Nobody may write between the look whether it is empty and the drop.
            await tx.execute(f'lock table "{class_name}" in access exclusive mode')
            await self._schemas.delete(tx, class_name)

    async def purge(self, caller: Caller, class_name: str) -> None:
        """Deletes every object of a class, each as a delete of its own with its hooks, all of them or none."""
        check_class_name(class_name)
        if not self._schemas.has(class_name):
            return
        async with self._objects.transaction() as tx:
            for row in await tx.fetch(f'select "objectId" as id from "{class_name}"'):
                await self._objects.delete(caller, class_name, row["id"], tx=tx)

    def _existing(self, class_name: str) -> ClassSchema:
        if not self._schemas.has(class_name):
            raise ParseError(ErrorCode.INVALID_CLASS_NAME, f"Class {class_name} does not exist.")
        return self._schemas.get(class_name)
