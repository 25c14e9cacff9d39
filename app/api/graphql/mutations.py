"""The mutations of each class, and of classes: create, update, delete.

Owns: those fields of `Mutation` and Relay's form of them (one `input`, `clientMutationId`). Holds: every write is the action that
REST calls, so that access, hooks, rules and audit are the same; what an answer shows is read as the caller, after the write.
May import actions and below, api/graphql.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
)

from app.actions.hooks import Saved
from app.api.graphql.bodies import Bodies, Upload, makes_others
from app.api.graphql.context import Context
from app.api.graphql.execution import Loaded, guarded, selection_of
from app.api.graphql.names import object_id_of
from app.api.graphql.projection import Row
from app.api.graphql.queries import class_to_graphql
from app.api.graphql.selection import ObjectPlan
from app.api.graphql.statics import ADDITIONS, Statics, Type, read, required
from app.api.graphql.types import ClassTypes
from app.core.wire import Object
from app.errors import ErrorCode, ParseError

Mutate = Callable[[GraphQLResolveInfo, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Does a mutation with the fields of its input; gives the members of its payload."""


def mutation(
    name: str, inputs: Mapping[str, Type | GraphQLInputField], outputs: Mapping[str, GraphQLField], mutate: Mutate
) -> GraphQLField:
    """A mutation in Relay's form."""
    fields = {**inputs, "clientMutationId": GraphQLString}
    made = GraphQLInputObjectType(f"{name}Input", {key: _input_field(of) for key, of in fields.items()})
    payload = GraphQLObjectType(f"{name}Payload", {**outputs, "clientMutationId": GraphQLField(GraphQLString, resolve=read)})

    async def resolve(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
        given = dict(arguments["input"])
        token = given.pop("clientMutationId", None)
        return {**await mutate(info, given), "clientMutationId": token}

    return GraphQLField(payload, {"input": GraphQLArgument(GraphQLNonNull(made))}, guarded(resolve))


def _input_field(of: Type | GraphQLInputField) -> GraphQLInputField:
    return of if isinstance(of, GraphQLInputField) else GraphQLInputField(of)


def class_mutations(types: ClassTypes, store: Upload) -> dict[str, GraphQLField]:
    """The mutations of one class."""
    name = types.name
    writes = ClassWrites(types, store)
    shown = {types.field_name: GraphQLField(required(types.object), resolve=guarded(writes.show))}
    by_id = {"id": required(GraphQLID)}
    made: dict[str, GraphQLField] = {}
    each: list[tuple[str, str, dict[str, Type], Mutate]] = [
        ("create", "Create", {"fields": types.create}, writes.create),
        ("update", "Update", {**by_id, "fields": types.update}, writes.update),
        ("destroy", "Delete", by_id, writes.delete),
    ]
    for operation, verb, inputs, mutate in each:
        if types.config.allows(operation):
            usual = f"{verb.lower()}{name}"
            made[types.config.name_of(operation, usual)] = mutation(f"{verb}{name}", inputs, shown, mutate)
    return made


class Written:
    """An object after its mutation: which, what is known of it, and what the sender wrote."""

    def __init__(self, object_id: str, known: Row, sent: Row, *, is_gone: bool = False) -> None:
        self.object_id = object_id
        self.known = known
        self.sent = sent
        self.is_gone = is_gone


class ClassWrites:
    """What the mutations of one class do."""

    def __init__(self, types: ClassTypes, store: Upload) -> None:
        self._types = types
        self._store = store

    async def create(self, info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
        """Makes an object, and those that its fields ask to be made with it."""
        context: Context = info.context
        fields = given.get("fields") or {}
        class_name = self._types.class_name
        async with AsyncExitStack() as stack:
            tx = None
            if makes_others(self._types, fields):
                tx = await stack.enter_async_context(context.services.objects.transaction())
            body = await Bodies(context, self._store, tx).body(self._types, fields, is_new=True)
            saved = await context.services.objects.create(context.caller, class_name, body, tx=tx)
        known = {"objectId": saved.object_id, "createdAt": saved.created_at, "updatedAt": saved.updated_at, **_told(saved)}
        return {self._types.field_name: Written(saved.object_id, known, {**body, **known})}

    async def update(self, info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
        """Changes an object."""
        context: Context = info.context
        fields = given.get("fields") or {}
        class_name = self._types.class_name
        object_id = object_id_of(class_name, given["id"])
        async with AsyncExitStack() as stack:
            tx = None
            if makes_others(self._types, fields):
                tx = await stack.enter_async_context(context.services.objects.transaction())
            body = await Bodies(context, self._store, tx).body(self._types, fields, is_new=False)
            saved = await context.services.objects.update(context.caller, class_name, object_id, body, tx=tx)
        known = {"objectId": object_id, "updatedAt": saved.updated_at, **_told(saved)}
        return {self._types.field_name: Written(object_id, known, {**body, **known})}

    async def delete(self, info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
        """Removes an object, after what the answer shows of it was read."""
        context: Context = info.context
        class_name, name = self._types.class_name, self._types.field_name
        object_id = object_id_of(class_name, given["id"])
        known: Row = {"objectId": object_id}
        wanted = self._asked(info)
        if wanted is None or wanted.keys <= {"objectId"}:
            await context.services.objects.delete(context.caller, class_name, object_id)
        else:
            async with context.services.objects.transaction() as tx:
                known = await context.get(wanted, object_id, tx)
                await context.services.objects.delete(context.caller, class_name, object_id, tx=tx)
        return {name: Written(object_id, known, known, is_gone=True)}

    def _asked(self, info: GraphQLResolveInfo) -> ObjectPlan | None:
        """What the whole payload asks of the object, under whatever names; None when it does not ask."""
        selection = selection_of(info)
        payload = info.parent_type.fields[info.field_name].type
        assert isinstance(payload, GraphQLObjectType)
        nodes = [
            node
            for found in selection.fields(payload, info.field_nodes).values()
            for node in found
            if node.name.value == self._types.field_name
        ]
        return selection.of_object(self._types, nodes) if nodes else None

    async def show(self, source: Mapping[str, Any], info: GraphQLResolveInfo) -> Loaded:
        """The object as the selection asks. Raises 101 for what the caller may write but not read."""
        context: Context = info.context
        written: Written = source[self._types.field_name]
        selection = selection_of(info)
        plan = selection.of_object(self._types, info.field_nodes)
        if written.is_gone or (plan.is_bare and plan.keys <= written.known.keys()):
            return Loaded(selection.output, lambda: plan.writer.write(written.known))
        try:
            row: Row = {**written.known, **await context.get(plan, written.object_id)}
        except ParseError as error:
            told = {name for name, value in written.sent.items() if not _is_operation(value)}
            if error.code not in (ErrorCode.OBJECT_NOT_FOUND, ErrorCode.OPERATION_FORBIDDEN) or not plan.keys <= told:
                raise
            row = written.sent  # the sender may not read it, but knows what it sent
        return Loaded(selection.output, lambda: plan.writer.write(row))


def _told(saved: Saved) -> dict[str, Any]:
    """What a write says that is no field: the words of who signs somebody in."""
    return {name: saved.response[name] for name in ("authDataResponse",) if name in saved.response}


def _is_operation(value: Any) -> bool:
    return isinstance(value, dict) and "__op" in value


# ---- classes


def schema_mutations(statics: Statics) -> dict[str, GraphQLField]:
    """createClass, updateClass, deleteClass: with the master key."""
    name = {"name": required(GraphQLString)}
    fields = {**name, "schemaFields": statics.schema_fields_input}
    shown = {"class": GraphQLField(required(statics.a_class), resolve=read)}
    return {
        "createClass": mutation("CreateClass", fields, shown, _create_class),
        "updateClass": mutation("UpdateClass", fields, shown, _update_class),
        "deleteClass": mutation("DeleteClass", name, shown, _delete_class),
    }


async def _create_class(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    context.require_master()
    fields = _columns(given.get("schemaFields") or {}, {})
    return {"class": class_to_graphql(await context.services.classes.create(given["name"], {"fields": fields}))}


async def _update_class(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    context.require_master()
    known = context.services.classes.get(given["name"])["fields"]
    assert isinstance(known, dict)
    fields = _columns(given.get("schemaFields") or {}, known)
    return {"class": class_to_graphql(await context.services.classes.update(given["name"], {"fields": fields}))}


async def _delete_class(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    context.require_master()
    known = context.services.classes.get(given["name"])
    await context.services.classes.delete(given["name"])
    return {"class": class_to_graphql(known)}


def _columns(given: Mapping[str, Any], known: Mapping[str, Any]) -> Object:
    """The `fields` of a /schemas body. Raises 105 for a field that is there already or named twice."""
    removed = {each["name"] for each in given.get("remove") or ()}
    columns: Object = {}
    for word, kind in ADDITIONS:
        added = given.get(word) or ()
        for each in [added] if isinstance(added, dict) else added:
            name = each["name"]
            if name in removed:
                continue
            if name in columns or name in known:
                raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Duplicated field name: {name}")
            columns[name] = {"type": kind, **({"targetClass": each["targetClassName"]} if "targetClassName" in each else {})}
    return columns | {name: {"__op": "Delete"} for name in removed if name in known}
