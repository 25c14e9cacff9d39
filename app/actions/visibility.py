"""What one caller may see, put into the query before it runs.

Owns: `View`, which turns a caller into the nodes and the hidden fields that the store's select takes. Holds: no row is
fetched first and judged later; a sub-query, an include and a relation are guarded exactly as a query for that class would
be; a field that is hidden from the caller can be neither read, nor asked about, nor sorted by. Only a rule that depends on
the single object (one's own account, `userField:` groups) strips fields after rendering. May import core and store.
"""

from dataclasses import replace

from app.actions.caller import Caller
from app.config import Settings
from app.core.access import Operation, check_class, protected_by_pointer, protected_fields, protected_for, readable
from app.core.query import (
    Allowed,
    And,
    Compare,
    Everything,
    InQuery,
    Node,
    Nor,
    Nothing,
    Or,
    Query,
    RelatedTo,
    Select,
    freeze,
)
from app.core.schema import ClassSchema
from app.core.wire import Json, decode, encode, pointer
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.rows.objects import select_count
from app.store.schemas import Schemas

MASTER_ONLY = frozenset(
    (
        *("_JobStatus", "_PushStatus", "_Hooks", "_GlobalConfig", "_GraphQLConfig"),
        *("_JobSchedule", "_Audience", "_Idempotency", "_SCHEMA"),
    )
)
"""Classes that no client touches, whatever their permissions say."""


def check_collection(operation: str, class_name: str, caller: Caller) -> None:
    """Refuses (119) what nobody may do to a class whatever its permissions say, and any write with a read-only master key."""
    if caller.authority.is_read_only and operation in ("create", "update", "delete"):
        words = f"read-only masterKey isn't allowed to perform the {operation} operation."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    if class_name == "AuditLog" and operation == "create" and not (caller.is_master or "admin" in caller.authority.roles):
        words = "AuditLog is written by the server, with each deed; an admin may add a note, and nobody else."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    if caller.is_master:
        return
    if class_name == "_Installation" and operation in ("find", "delete", "count"):
        words = f"Clients aren't allowed to perform the {operation} operation on the installation collection."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    if class_name in MASTER_ONLY or class_name.startswith("_Join:"):
        words = f"Clients aren't allowed to perform the {operation} operation on the {class_name} collection."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)


class View:
    """One caller's view of the database, for the length of one query."""

    def __init__(self, schemas: Schemas, settings: Settings, caller: Caller) -> None:
        self._schemas = schemas
        self._settings = settings
        self._caller = caller
        self._judged_by_object: dict[str, ClassSchema] = {}

    def schema(self, class_name: str) -> ClassSchema | None:
        """The class asked for; None when it is missing and the caller may know that, 119 as Parse words it otherwise."""
        if self._schemas.has(class_name):
            return self._schemas.get(class_name)
        if self._caller.is_master or self._settings.allow_client_class_creation:
            check_collection("find", class_name, self._caller)  # what is the server's is closed, and not just empty
            return None
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, f"This user is not allowed to access non-existent class: {class_name}")

    async def guard(self, connection: Connection, query: Query, schema: ClassSchema, operation: Operation) -> tuple[Query, Node]:
        """The query with its parts guarded, and the node of what the caller may see of its class. Raises 119, 209."""
        check_collection(operation, schema.class_name, self._caller)
        allowed = self.allowed(schema, operation)
        if self._caller.is_master:
            return query, allowed
        for path, _ in query.order:
            self._check_sortable(schema, path[0])
        where = await self._guarded(connection, query.where, schema)
        if self._caller.user_id is None:
            return replace(query, where=where), allowed
        # A field that decides what the object shows is read along, and stripped again where it was not asked for.
        deciding = self._deciding(schema)
        keys = None if query.keys is None else query.keys | deciding
        return replace(query, where=where, keys=keys, exclude_keys=query.exclude_keys - deciding), allowed

    def allowed(self, schema: ClassSchema, operation: Operation) -> Node:
        """What the caller may see of a class. Raises 119 when the class is closed to the caller, 209 for sessions of nobody."""
        authority = self._caller.authority
        check_class(schema, operation, authority)
        node = readable(schema, operation, authority)
        if schema.class_name != "_Session" or self._caller.is_master:
            return node
        if self._caller.user_id is None:
            raise ParseError(ErrorCode.INVALID_SESSION_TOKEN, "Invalid session token")
        return And((node, Compare(("user",), "eq", freeze(pointer("_User", self._caller.user_id)))))

    def allowed_included(self, schema: ClassSchema) -> Node:
        """What the caller may see of a class through an include: nothing, instead of an error, where the class is closed."""
        try:
            check_collection("find", schema.class_name, self._caller)
            return self.allowed(schema, "get")
        except ParseError:
            return Nothing()

    def owners(self, schema: ClassSchema, key: str) -> Node:
        """What the caller may see of a class whose relation is followed. Raises 119 for a relation that is hidden."""
        self._check_queryable(schema, key)
        return self.allowed_included(schema)

    def hidden(self, schema: ClassSchema) -> frozenset[str]:
        """The fields the database must not render; those that hang on the single object are left to `strip`."""
        if self._caller.is_master:
            return schema.secrets
        protected = protected_fields(schema, self._caller.authority)
        if self._is_judged_by_object(schema, protected):
            self._judged_by_object[schema.class_name] = schema
            return schema.secrets
        return schema.secrets | protected

    def strip(self, texts: list[str], asked: Query) -> list[str]:
        """The finished texts without the fields that this caller may not see of these very objects."""
        if not self._judged_by_object:
            return texts
        schema = self._judged_by_object.get(asked.class_name)
        deciding = frozenset[str]() if schema is None else self._deciding(schema)
        unasked = (deciding & asked.exclude_keys) | (frozenset() if asked.keys is None else deciding - _roots(asked.keys))
        stripped: list[str] = []
        for text in texts:
            seen = self._stripped(decode(text), asked.class_name)
            assert isinstance(seen, dict)
            stripped.append(encode({name: value for name, value in seen.items() if name not in unasked}).decode())
        return stripped

    def _is_judged_by_object(self, schema: ClassSchema, protected: frozenset[str]) -> bool:
        """Whether one's own account, or an object that names the caller, shows more than others do."""
        return (
            self._caller.user_id is not None
            and bool(protected)
            and (schema.class_name == "_User" or bool(self._deciding(schema)))
        )

    def _deciding(self, schema: ClassSchema) -> frozenset[str]:
        return frozenset(protected_by_pointer(schema))

    def _stripped(self, value: Json, class_name: str | None) -> Json:
        if isinstance(value, list):
            return [self._stripped(item, None) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("__type") == "Object":
            class_name = str(value.get("className"))
        schema = self._judged_by_object.get(class_name or "")
        hidden = protected_for(schema, value, self._caller.authority) if schema else frozenset[str]()
        return {name: self._stripped(item, None) for name, item in value.items() if name not in hidden}

    async def _guarded(self, connection: Connection, node: Node, schema: ClassSchema) -> Node:
        if isinstance(node, And | Or | Nor):
            children = [await self._guarded(connection, child, schema) for child in node.children]
            return replace(node, children=tuple(children))
        if isinstance(node, Everything | Nothing | Allowed):
            return node
        if isinstance(node, RelatedTo):
            return await self._guarded_relation(connection, node)
        self._check_queryable(schema, node.path[0])
        if isinstance(node, InQuery | Select):
            asked = self.schema(node.query.class_name)
            if isinstance(node, Select) and asked is not None:
                self._check_queryable(asked, node.key[0])
            return replace(node, query=await self._guarded_query(connection, node.query))
        return node

    async def _guarded_query(self, connection: Connection, query: Query) -> Query:
        schema = self.schema(query.class_name)
        if schema is None:
            return query
        guarded, allowed = await self.guard(connection, query, schema, "find")
        return replace(guarded, where=And((guarded.where, allowed)))

    async def _guarded_relation(self, connection: Connection, node: RelatedTo) -> Node:
        """A relation tells nothing to one who may not read the object that owns it."""
        owner = self.schema(node.class_name)
        if owner is None:
            return Nothing()
        self._check_queryable(owner, node.key)
        ask = Query(node.class_name, where=Compare(("objectId",), "eq", node.object_id))
        count = await select_count(connection, self._schemas, ask, self.allowed_included(owner))
        return node if count else Nothing()

    def _unaskable(self, schema: ClassSchema) -> frozenset[str]:
        return schema.secrets | protected_fields(schema, self._caller.authority)

    def _check_queryable(self, schema: ClassSchema, name: str) -> None:
        if name in self._unaskable(schema):
            words = f"This user is not allowed to query {name} on class {schema.class_name}"
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)

    def _check_sortable(self, schema: ClassSchema, name: str) -> None:
        if name in self._unaskable(schema):
            words = f"This user is not allowed to sort by {name} on class {schema.class_name}"
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)


def _roots(keys: frozenset[str]) -> frozenset[str]:
    return frozenset(key.split(".")[0] for key in keys)
