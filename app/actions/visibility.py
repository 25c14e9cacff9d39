"""What one caller may see, put into the query before it runs.

Owns: `View`, which turns a caller into the nodes and the hidden fields that the store's select takes. Holds: no row is fetched first and
judged later; a sub-query, an include and a relation are guarded exactly as a query for that class would be; a field that is hidden
from the caller can be neither read, nor asked about, nor sorted by. Only a rule that depends on the single object (one's own account,
`userField:` groups) strips fields after rendering. May import core and store.
"""


from dataclasses import replace

from app.actions.caller import Caller
from app.config import Settings
from app.core.access import check_class, protected_by_pointer, protected_fields, readable
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
from app.core.wire import Json, Object, decode, encode, pointer
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.objects import select_count
from app.store.schemas import Schemas

MASTER_ONLY = frozenset(
    "_JobStatus _PushStatus _Hooks _GlobalConfig _GraphQLConfig _JobSchedule _Audience _Idempotency _SCHEMA".split()
)

Reading = str  # "find", "get" or "count", as check_class takes it


def check_collection(operation: str, class_name: str, caller: Caller) -> None:
    """Refuses (119) what no client may do to a class whatever its permissions say, and any write with a read-only master key."""
    if caller.authority.is_read_only and operation in ("create", "update", "delete"):
        words = f"read-only masterKey isn't allowed to perform the {operation} operation."
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
            return None
        raise ParseError(
            ErrorCode.OPERATION_FORBIDDEN, f"This user is not allowed to access non-existent class: {class_name}"
        )

    async def guard(
        self, connection: Connection, query: Query, schema: ClassSchema, operation: Reading
    ) -> tuple[Query, Node]:
        """The query with its parts guarded, and the node of what the caller may see of its class. Raises 119, 209."""
        check_collection(operation, schema.class_name, self._caller)
        allowed = self.allowed(schema, operation)
        if self._caller.is_master:
            return query, allowed
        for path, _ in query.order:
            self._check_sortable(schema, path[0])
        where = await self._guarded(connection, query.where, schema)
        return self._with_judging_keys(replace(query, where=where), schema), allowed

    def allowed(self, schema: ClassSchema, operation: Reading) -> Node:
        """What the caller may see of a class. Raises 119 when the class is closed to the caller, 209 for sessions of nobody."""
        authority = self._caller.authority
        check_class(schema, operation, authority)  # type: ignore[arg-type]  # a Literal in core, a name here
        node = readable(schema, operation, authority)  # type: ignore[arg-type]  # as above
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
        added = self._judging_keys(asked) if asked.keys is not None else frozenset[str]()
        stripped: list[str] = []
        for text in texts:
            value = decode(text)
            assert isinstance(value, dict)
            seen = self._stripped(value, asked.class_name, projected=asked.keys is not None)
            assert isinstance(seen, dict)
            for name in added:
                seen.pop(name, None)
            stripped.append(encode(seen).decode())
        return stripped

    def _is_judged_by_object(self, schema: ClassSchema, protected: frozenset[str]) -> bool:
        if self._caller.user_id is None:
            return False
        own_account = schema.class_name == "_User" and bool(protected)
        return own_account or bool(protected_by_pointer(schema))

    def _judging_keys(self, query: Query) -> frozenset[str]:
        schema = self._judged_by_object.get(query.class_name)
        if schema is None or query.keys is None:
            return frozenset()
        return frozenset(protected_by_pointer(schema)) - frozenset(key.split(".")[0] for key in query.keys)

    def _with_judging_keys(self, query: Query, schema: ClassSchema) -> Query:
        if query.keys is None or self._caller.user_id is None:
            return query
        return replace(query, keys=query.keys | frozenset(protected_by_pointer(schema)))

    def _stripped(self, value: Json, class_name: str | None, *, projected: bool) -> Json:
        if isinstance(value, list):
            return [self._stripped(item, None, projected=projected) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("__type") == "Object":
            class_name = str(value.get("className"))
        hidden = self._hidden_of(value, class_name, projected=projected)
        return {
            name: self._stripped(item, None, projected=projected) for name, item in value.items() if name not in hidden
        }

    def _hidden_of(self, value: Object, class_name: str | None, *, projected: bool) -> frozenset[str]:
        schema = self._judged_by_object.get(class_name or "")
        if schema is None or (class_name == "_User" and value.get("objectId") == self._caller.user_id):
            return frozenset()
        protected = protected_fields(schema, self._caller.authority)
        groups = protected_by_pointer(schema)
        if projected and any(name not in value for name in groups):
            return protected.union(*groups.values())  # the deciding field was not asked for: the strictest answer
        named = [fields for name, fields in groups.items() if _names_user(value.get(name), self._caller.user_id)]
        if not named:
            return protected
        applying = [*named, protected] if protected else named
        return frozenset.intersection(*applying)

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


def _names_user(value: Json, user_id: str | None) -> bool:
    if isinstance(value, list):
        return any(_names_user(item, user_id) for item in value)
    return isinstance(value, dict) and value.get("objectId") == user_id


