"""From the fields of a create or update input to the body of a save, as REST takes it.

Owns: what link, createAndLink, add, remove, createAndAdd, uploads and ACL inputs mean. Holds: objects that are made along the
way are made by the same caller in the same transaction as the object that names them; null takes a field away. May import
actions and below, api/graphql.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.api.graphql.context import Context
from app.api.graphql.names import object_id_of
from app.api.graphql.types import ClassTypes
from app.core.schema import Field, FieldType
from app.core.wire import Json, Object, pointer
from app.errors import ErrorCode, ParseError
from app.store.database import Connection

_DELETE: Object = {"__op": "Delete"}

_NESTED = (FieldType.POINTER, FieldType.RELATION)

Upload = Callable[[Context, Any], Awaitable[Object]]
"""Stores an uploaded file and gives its File object."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Makes bodies for one request."""

    context: Context
    store: Upload
    tx: Connection | None = None

    async def body(self, types: ClassTypes, fields: Mapping[str, Any], *, is_new: bool) -> Object:
        """The body of a save. Raises ParseError 106, 111, 122, and what the makes along the way raise."""
        made: Object = {}
        for name, value in fields.items():
            if name == "ACL":
                if value is not None:
                    made["ACL"] = to_acl(value)
                continue
            column = types.fields[name]
            if value is None:
                if column.type is not FieldType.RELATION and not is_new:
                    made[name] = dict(_DELETE)
                continue
            made[name] = await self._value(name, column, value)
        return made

    async def _value(self, name: str, column: Field, value: Any) -> Json:
        target = self.context.classes.get(column.target_class or "")
        match column.type:
            case FieldType.POINTER if target is not None:
                return await self._pointer(target, name, value)
            case FieldType.RELATION if target is not None:
                return await self._relation(target, name, value)
            case FieldType.GEO_POINT:
                return {"__type": "GeoPoint", **value}
            case FieldType.POLYGON:
                return {"__type": "Polygon", "coordinates": [[each["latitude"], each["longitude"]] for each in value]}
            case FieldType.FILE:
                return await self._file(value)
        given: Json = value
        return given

    async def _pointer(self, target: ClassTypes, name: str, value: Mapping[str, Any]) -> Json:
        if len(value) != 1 or next(iter(value.values())) is None:
            words = f"You need to provide link OR createLink on the pointer mutation of field {name}"
            raise ParseError(ErrorCode.INVALID_POINTER, words)
        if "link" in value:
            return pointer(target.class_name, object_id_of(target.class_name, value["link"]))
        return await self._make(target, value["createAndLink"])

    async def _relation(self, target: ClassTypes, name: str, value: Mapping[str, Any]) -> Json:
        if not value:
            words = f"You need to provide at least one operation on the relation mutation of field {name}"
            raise ParseError(ErrorCode.INVALID_POINTER, words)
        added = [self._linked(target, each) for each in value.get("add") or ()]
        added += [await self._make(target, each) for each in value.get("createAndAdd") or ()]
        removed = [self._linked(target, each) for each in value.get("remove") or ()]
        ops: list[Json] = []
        if added:
            ops.append({"__op": "AddRelation", "objects": [*added]})
        if removed:
            ops.append({"__op": "RemoveRelation", "objects": [*removed]})
        return {"__op": "Batch", "ops": ops}

    def _linked(self, target: ClassTypes, given: str) -> Object:
        return pointer(target.class_name, object_id_of(target.class_name, given))

    async def _make(self, target: ClassTypes, fields: Mapping[str, Any]) -> Object:
        body = await self.body(target, fields, is_new=True)
        saved = await self.context.services.objects.create(self.context.caller, target.class_name, body, tx=self.tx)
        return pointer(target.class_name, saved.object_id)

    async def _file(self, value: Mapping[str, Any]) -> Json:
        if value.get("upload") is not None:
            return await self.store(self.context, value["upload"])
        file = value.get("file")
        if isinstance(file, dict) and file.get("name"):
            return {"__type": "File", **{key: file[key] for key in ("name", "url") if file.get(key)}}
        raise ParseError(ErrorCode.INVALID_FILE_NAME, "Invalid file upload: give `file` with a name, or `upload`.")


def makes_others(types: ClassTypes, fields: Mapping[str, Any]) -> bool:
    """Whether these fields ask for further objects to be made."""
    nested = (value for name, value in fields.items() if name != "ACL" and types.fields[name].type in _NESTED)
    return any(isinstance(value, dict) and (value.get("createAndLink") or value.get("createAndAdd")) for value in nested)


def to_acl(value: Mapping[str, Any]) -> Object:
    """An `ACLInput` as a wire ACL."""
    acl: Object = {}
    if value.get("public"):
        acl["*"] = _rights(value["public"])
    for rule in value.get("users") or ():
        acl[object_id_of("_User", rule["userId"])] = _rights(rule)
    for rule in value.get("roles") or ():
        acl[f"role:{rule['roleName']}"] = _rights(rule)
    return acl


def _rights(rule: Mapping[str, Any]) -> Object:
    return {"read": rule["read"], "write": rule["write"]}
