"""Objects of any class: the one pipeline through which every write goes; the reads are in finds.py.

Owns: `Objects`. Holds: a save is class check, row lock, operations, type checks, hooks, row and relations, in one
transaction, or it did not happen; whoever may not write an object is told that there is none; the clock is read once a
save. REST, jobs and domains all come through here; the rules of _User, _Role and _Session stand in front of it as hooks of
this floor. May import core and store.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from app.actions import alerts, audit, installations, reads, roles
from app.actions.caller import Caller
from app.actions.finds import Finds, decoded
from app.actions.hooks import DeleteEvent, Draft, Hooks, Saved, SaveEvent
from app.actions.signing import accounts, sessions
from app.actions.signing.attempts import mail_attempts
from app.actions.signing.providers import Providers
from app.actions.visibility import View, check_collection
from app.config import Settings
from app.core.access import Operation, can_read, check_class, default_acl, protected_for, writable
from app.core.fields import check_object_id
from app.core.ops import Applied, apply_ops
from app.core.query import And, Compare, Everything, Node, Query, both, freeze
from app.core.schema import ClassSchema, check_class_name, class_schema, missing_fields
from app.core.wire import UNSET, Json, Object, Permissions, Unset, acl_to_permissions, encode, pointer
from app.errors import ErrorCode, ParseError
from app.store.database import Connection, Database
from app.store.rows import objects as rows
from app.store.rows.objects import Found
from app.store.schemas import Schemas

__all__ = ["DeleteEvent", "Found", "Hooks", "Objects", "SaveEvent", "Saved", "new_object_id", "utc_now"]

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_OPS_ANSWERED = frozenset({"Add", "AddUnique", "Remove", "Increment", "SetOnInsert"})

_EVERYTHING = Everything()

Part = Callable[[Connection | None], Awaitable[bytes]]
"""One part of a batch: does its work in the transaction it is given and gives the JSON that REST would answer."""


def new_object_id() -> str:
    """Ten letters and digits, as Parse makes them; one draw, as each asks the operating system."""
    number, letters = secrets.randbelow(len(_ID_LETTERS) ** 10), ""
    for _ in range(10):
        number, place = divmod(number, len(_ID_LETTERS))
        letters += _ID_LETTERS[place]
    return letters


def utc_now() -> datetime:
    """Now, to the millisecond: what a Date of Parse can hold."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Objects(Finds):
    """Create, update and delete beside what `Finds` has, for any caller and any class."""

    def __init__(
        self,
        database: Database,
        schemas: Schemas,
        hooks: Hooks,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = utc_now,
        access_log: reads.Reads | None = None,
    ) -> None:
        super().__init__(database, schemas, settings, access_log or reads.Reads(database))
        self.hooks = hooks
        self.clock = clock
        self.providers = Providers(self.reading, hooks.providers, settings)
        self.mailed = mail_attempts(settings.mail_requests)
        """What counts the mails that are asked for, by whichever door."""
        accounts.install(hooks, settings, self.providers, self.mailed, clock)
        sessions.install(hooks, settings, clock)
        roles.install(hooks)
        installations.install(hooks, database)
        alerts.install(hooks, clock)
        reads.install(hooks, self.first_showing)

    @asynccontextmanager
    async def transaction(self, tx: Connection | None = None) -> AsyncIterator[Connection]:
        """A transaction for several writes (pass it on as `tx`), or the one given; inside another one it joins that."""
        if tx is not None:
            yield tx
            return
        async with self.database.transaction() as own, audit.collected(own):
            yield own

    async def create(self, caller: Caller, class_name: str, body: Mapping[str, Json], *, tx: Connection | None = None) -> Saved:
        """Makes an object. `body` is Parse's save body. Raises ParseError with Parse's code; then nothing is written."""
        return await self._save(caller, class_name, None, body, tx)

    async def update(
        self, caller: Caller, class_name: str, object_id: str, body: Mapping[str, Json], *, tx: Connection | None = None
    ) -> Saved:
        """Changes an object by Parse's save body, with the row locked; 101 when the caller may not write it."""
        return await self._save(caller, class_name, object_id, body, tx)

    async def delete(self, caller: Caller, class_name: str, object_id: str, *, tx: Connection | None = None) -> None:
        """Removes an object; 101 when the caller may not."""
        check_collection("delete", class_name, caller)
        if class_name == "_User" and caller.user_id is None and not caller.is_master:
            raise ParseError(ErrorCode.SESSION_MISSING, "Insufficient auth to delete user")
        schema = View(self.schemas, self.settings, caller).schema(class_name)
        if schema is None:
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Object not found.")
        allowed = self._writable(caller, schema, "delete")

        async def remove() -> None:
            async with self.transaction(tx) as own:
                current = await rows.select_for_update(own, self.schemas, schema, object_id, allowed)
                if current is None:
                    raise _not_found(caller, class_name)
                event = DeleteEvent(caller, schema, own, object_id, current, self)

                async def write() -> None:
                    await rows.delete(own, schema, object_id)

                await self.hooks.run_delete(event, write)
                self._announce(event)

        await self.database.repeated(remove)

    async def batch(self, parts: Sequence[Part], *, transaction: bool = False) -> list[bytes]:
        """Runs parts in order, each with its own outcome ({success} or {error}); in a transaction the first error is raised."""
        if not transaction:
            return [await _outcome(part) for part in parts]

        async def together() -> list[bytes]:
            async with self.transaction() as tx:
                return [b'{"success":%s}' % await part(tx) for part in parts]

        return await self.database.repeated(together)

    async def _save(
        self,
        caller: Caller,
        class_name: str,
        object_id: str | None,
        body: Mapping[str, Json],
        tx: Connection | None,
    ) -> Saved:
        operation: Operation = "create" if object_id is None else "update"
        check_collection(operation, class_name, caller)
        known = self._known_schema(caller, class_name)
        if class_name == "AuditLog" and object_id is None:
            return await self._add_note(caller, known, body, tx)
        draft = Draft(caller, known, object_id, dict(body))
        check_class(known, operation, caller.authority)
        await self.hooks.run_prepare(draft)
        new_id = draft.object_id or self._take_object_id(draft.body, class_name)  # a device may have its row already
        if tx is None and self._is_blind(draft):
            return await self._save_blind(draft, new_id)

        async def save() -> Saved:
            attempt = replace(draft, context=dict(draft.context), secrets=dict(draft.secrets), answer=dict(draft.answer))
            async with self.transaction(tx) as own:
                attempt.schema = await self._extended_schema(own, attempt)
                event, applied = await self._begin(own, attempt, new_id)
                await self._run(event, applied)
                self._announce(event)
            return self._saved(event, attempt.body)

        return await self.database.repeated(save)

    async def _add_note(self, caller: Caller, schema: ClassSchema, body: Mapping[str, Json], tx: Connection | None) -> Saved:
        """The audit trail takes a note through its chain, not as a row of its own."""
        check_class(schema, "create", caller.authority)
        async with self.transaction(tx) as own:
            noted = await audit.add_note(own, caller, body, schema)
            found = await rows.select_for_update(own, self.schemas, schema, noted, Everything())
        assert found is not None
        created, updated = str(found["createdAt"]), str(found["updatedAt"])
        return Saved(noted, created, updated, {"objectId": noted, "createdAt": created}, found)

    def _is_blind(self, draft: Draft) -> bool:
        """Whether a save asks nothing of the row it changes, nobody looks at it and every column is there."""
        schema = draft.schema
        return (
            self.schemas.has(schema.class_name)
            and not self.hooks.has_handlers(schema.class_name)
            and all(_is_plain(key, value) for key, value in draft.body.items())
            and not missing_fields(schema, None, draft.body)
        )

    async def _save_blind(self, draft: Draft, object_id: str) -> Saved:
        """One statement, which is a transaction by itself and says in its condition what the caller may write."""
        original: Object | None = None if draft.object_id is None else {"objectId": object_id}
        allowed = Everything() if original is None else self._writable(draft.caller, draft.schema, "update")
        async with self.database.statement() as own:
            event, applied = self._event(own, draft, object_id, original)
            _check_required(event)
            await self._write(event, applied, allowed)
        return self._saved(event, draft.body)

    def _known_schema(self, caller: Caller, class_name: str) -> ClassSchema:
        schema = View(self.schemas, self.settings, caller).schema(class_name)
        if schema is not None:
            return schema
        check_class_name(class_name)
        return class_schema(class_name, {})

    async def _extended_schema(self, tx: Connection, draft: Draft) -> ClassSchema:
        """The class with the columns this save needs.

        They are made before any row is locked: two saves that hold rows while they wait for the table would deadlock.
        """
        schema, authority = draft.schema, draft.caller.authority
        if not self.schemas.has(schema.class_name):
            try:
                await self.schemas.create(tx, schema)
            except ParseError as error:
                # Another save made it meanwhile: this one goes on with the class as it is.
                if error.code != ErrorCode.INVALID_CLASS_NAME or not self.schemas.has(schema.class_name):
                    raise
        fields = missing_fields(schema, None, draft.body)
        if not fields:
            return self.schemas.get(schema.class_name)
        check_class(schema, "addField", authority, creating=draft.object_id is None)
        if self.schemas.is_declared(schema.class_name):
            words = f"{schema.class_name} has no field {next(iter(fields))}; the fields of this class are fixed."
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
        if draft.object_id is not None:
            allowed = both(self._writable(draft.caller, schema, "update"), writable(schema, "addField", authority))
            if not await rows.select_count(tx, self.schemas, _by_id(schema, draft.object_id), allowed):
                raise _not_found(draft.caller, schema.class_name)
        await self.schemas.add_fields(tx, schema.class_name, fields)
        return self.schemas.get(schema.class_name)

    async def _begin(self, tx: Connection, draft: Draft, object_id: str) -> tuple[SaveEvent, Applied]:
        original: Object | None = None
        if draft.object_id is not None:
            allowed = self._writable(draft.caller, draft.schema, "update")
            original = await rows.select_for_update(tx, self.schemas, draft.schema, object_id, allowed)
            if original is None:
                raise _not_found(draft.caller, draft.schema.class_name)
        return self._event(tx, draft, object_id, original)

    def _event(self, tx: Connection, draft: Draft, object_id: str, original: Object | None) -> tuple[SaveEvent, Applied]:
        applied = apply_ops(draft.schema, original, draft.body)
        event = SaveEvent(
            caller=draft.caller,
            schema=draft.schema,
            tx=tx,
            object_id=object_id,
            original=original,
            body=draft.body,
            changes=dict(applied.values),
            object={**applied.object, "objectId": object_id},
            objects=self,
            context=draft.context,
            secrets=draft.secrets,
            answer=draft.answer,
        )
        if original is None:
            _fill_defaults(event)
        return event, applied

    async def _run(self, event: SaveEvent, applied: Applied) -> None:
        async def write() -> None:
            _check_required(event)
            await self._write(event, applied)

        await self.hooks.run_save(event, _check_required, write)

    async def _write(self, event: SaveEvent, applied: Applied, allowed: Node = _EVERYTHING) -> None:
        now = self.clock()
        values = {name: value for name, value in event.changes.items() if name != "ACL"}
        tx, schema = event.tx, event.schema
        if event.is_new:
            rperm, wperm = _permissions(event.changes.get("ACL"))
            text = await rows.insert(
                tx,
                schema,
                {name: value for name, value in values.items() if not isinstance(value, Unset)},
                object_id=event.object_id,
                created_at=now,
                updated_at=now,
                rperm=rperm,
                wperm=wperm,
                secrets=event.secrets,
            )
        else:
            acl = _permissions(event.changes["ACL"]) if "ACL" in event.changes else (UNSET, UNSET)
            text = await rows.update(
                tx,
                schema,
                event.object_id,
                values,
                updated_at=now,
                rperm=acl[0],
                wperm=acl[1],
                secrets=event.secrets,
                allowed=allowed,
            )
        if applied.relations:
            await rows.change_relations(tx, schema.class_name, event.object_id, applied.relations)
        event.object = decoded(text)
        event.is_written = True

    def _saved(self, event: SaveEvent, body: Object) -> Saved:
        created, updated = str(event.object["createdAt"]), str(event.object["updatedAt"])
        response: Object = {"objectId": event.object_id, "createdAt": created} if event.is_new else {"updatedAt": updated}
        shown = self._shown(event)
        for key, value in body.items():
            if isinstance(value, dict) and value.get("__op") in _OPS_ANSWERED:
                _answer_path(response, shown, key.split("."))
        response.update(event.answer)
        return Saved(event.object_id, created if event.is_new else None, updated, response, event.object)

    def _shown(self, event: SaveEvent) -> Object:
        """What the answer to an operation may tell: nothing to who may write but not read, no protected field to others."""
        authority = event.caller.authority
        if authority.is_master:
            return event.object
        if not can_read(event.object, authority):
            return {}
        protected = protected_for(event.schema, event.object, authority)
        return {name: value for name, value in event.object.items() if name not in protected} if protected else event.object

    def _writable(self, caller: Caller, schema: ClassSchema, operation: Operation) -> Node:
        """What the caller may change of a class; of sessions only the own ones."""
        node = writable(schema, operation, caller.authority)
        if schema.class_name == "_User" and operation == "update" and accounts.is_admin(caller):
            return Everything()  # accounts.py limits what an admin may set there
        if schema.class_name == "_Session" and not caller.is_master:
            if caller.user_id is None:
                raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Invalid session token")
            return And((node, Compare(("user",), "eq", freeze(pointer("_User", caller.user_id)))))
        return node

    def _announce(self, event: SaveEvent | DeleteEvent) -> None:
        if self.hooks.has_commit_handlers(event.class_name):
            self.database.after_commit(lambda: self.hooks.tell_committed(event))

    def _take_object_id(self, body: Object, class_name: str) -> str:
        """The id of a new object, taken out of the body where the setting lets the sender choose it."""
        if not self.settings.allow_custom_object_id:
            for name in ("objectId", "id"):
                if body.get(name):
                    raise ParseError(ErrorCode.INVALID_KEY_NAME, f"{name} is an invalid field name.")
            body.pop("objectId", None)
            return new_object_id()
        if "objectId" in body and not body["objectId"]:
            words = "objectId must not be empty, null or undefined"
            raise ParseError(ErrorCode.MISSING_OBJECT_ID, words)
        given = body.pop("objectId", None)
        if given is not None and not isinstance(given, str):
            raise ParseError(ErrorCode.INVALID_KEY_NAME, "objectId must be a string.")
        if given:
            check_object_id(given, class_name)
        return given or new_object_id()


def _is_plain(key: str, value: Json) -> bool:
    """Whether a member of a body is a whole field with its new value."""
    return value is not None and "." not in key and not (isinstance(value, dict) and "__op" in value)


def _by_id(schema: ClassSchema, object_id: str) -> Query:
    return Query(schema.class_name, Compare(("objectId",), "eq", object_id))


def _not_found(caller: Caller, class_name: str) -> ParseError:
    """Parse says another thing of users, so that SDKs ask for a new sign-in."""
    if class_name == "_User" and not caller.is_master:
        return ParseError(ErrorCode.SESSION_MISSING, "Insufficient auth.")
    return ParseError(ErrorCode.OBJECT_NOT_FOUND, "Object not found.")


def _permissions(acl: Json | Unset) -> tuple[Permissions, Permissions]:
    return (None, None) if isinstance(acl, Unset) else acl_to_permissions(acl)


def _fill_defaults(event: SaveEvent) -> None:
    """What a new object gets where the sender said nothing: the columns' defaults and the class's default ACL."""
    for name, field in event.schema.fields.items():
        if field.default is not None and event.object.get(name) is None:
            event.set(name, field.default)
    acl = default_acl(event.schema, event.caller.authority)
    if acl is not None and "ACL" not in event.object:
        event.set("ACL", acl)


def _check_required(event: SaveEvent) -> None:
    """142 for a required field that would be empty; of an existing object only fields that change are judged, as Parse does."""
    names = event.schema.fields if event.is_new else event.changes
    for name in names:
        field = event.schema.fields.get(name)
        if field is not None and field.required and event.object.get(name) in (None, ""):
            raise ParseError(ErrorCode.VALIDATION_ERROR, f"{name} is required")


def _answer_path(response: Object, source: Object, path: list[str]) -> None:
    """Copies source[a][b] to response[a][b], making what is missing on the way."""
    name, rest = path[0], path[1:]
    if name not in source:
        return
    inner = source[name]
    if not rest or not isinstance(inner, dict):
        response[name] = inner
        return
    kept = response.setdefault(name, {})
    assert isinstance(kept, dict)
    _answer_path(kept, inner, rest)


async def _outcome(part: Part) -> bytes:
    try:
        return b'{"success":%s}' % await part(None)
    except ParseError as error:
        return encode({"error": {"code": int(error.code), "error": error.message}})
