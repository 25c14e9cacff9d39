"""The GraphQL schema of the classes there are now.

Owns: `Build` and `Schemata`, which makes one and keeps it until a class changes. Holds: a build is never changed; a class whose
names would collide with what is there is left out, and what points to it is an `Object`. May import store/schemas, api/graphql.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from operator import is_

from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
)

from app.api.graphql.accounts import account_mutations, config_mutation, function_mutation
from app.api.graphql.files import file_mutations, store_upload
from app.api.graphql.live import class_subscription, event_enum
from app.api.graphql.mutations import class_mutations, schema_mutations
from app.api.graphql.queries import class_queries, shared_queries, viewer_type
from app.api.graphql.statics import Statics, out
from app.api.graphql.types import ArrayResult, ClassTypes
from app.core.schema import ClassSchema
from app.store.schemas import Schemas

_log = logging.getLogger("careboard.graphql")

_RESERVED = frozenset(
    (
        *("String", "Boolean", "Int", "Float", "ID", "ArrayResult", "Query", "Mutation", "Subscription", "Viewer", "PageInfo"),
        *("CloudCodeFunction", "ConfigValue", "UserLoginWithInput", "LiveEvent"),
    )
)
_OF_ACCOUNTS = ("SignUp", "LogIn", "LogInWith", "LogOut", "ResetPassword", "ConfirmResetPassword", "SendVerificationEmail")
_OF_OTHERS = ("Challenge", "CallCloudCode", "CreateClass", "UpdateClass", "DeleteClass", "CreateFile", "UpdateCloudConfig")
_PAYLOADS = frozenset(f"{name}{ending}" for name in (*_OF_ACCOUNTS, *_OF_OTHERS) for ending in ("Input", "Payload"))
_QUERIES = frozenset({"health", "viewer", "class", "classes", "node", "cloudConfig"})


@dataclass(frozen=True, slots=True)
class Build:
    """A schema with what it was made from."""

    schema: GraphQLSchema
    classes: dict[str, ClassTypes]
    made_from: list[ClassSchema]


class Schemata:
    """The schema for the classes of now."""

    def __init__(self, schemas: Schemas, functions: Collection[str] = ()) -> None:
        """`functions`: the names of what clients may call, known when the server starts."""
        self._schemas = schemas
        self._functions = functions
        self._build: Build | None = None

    def current(self) -> Build:
        """The build, made anew where a class has changed: definitions are never mutated, so it is enough to compare them."""
        now = self._schemas.all()
        build = self._build
        if build is None or len(now) != len(build.made_from) or not all(map(is_, now, build.made_from)):
            build = self._build = make_build(now, self._schemas.is_declared, self._functions)
        return build


def make_build(
    schemas: list[ClassSchema], is_declared: Callable[[str], bool] = lambda _: False, functions: Collection[str] = ()
) -> Build:
    """The schema of these classes, system classes first; `is_declared` says which of them the server's code declares."""
    statics = Statics()
    classes: dict[str, ClassTypes] = {}
    union = ArrayResult(statics, classes)
    taken = {each.name for each in statics.types} | _RESERVED | _PAYLOADS
    for schema in sorted(schemas, key=lambda each: (not each.class_name.startswith("_"), each.class_name)):
        types = ClassTypes(schema, statics, classes, union, is_declared=is_declared(schema.class_name))
        made = {each.name for each in types.types} | {f"{verb}{types.name}{end}" for verb in _VERBS for end in _ENDS}
        made.add(f"{types.name}Event")
        if made & taken or types.field_name in _QUERIES:
            _log.warning("class %s is not in the GraphQL schema: its names collide with others", schema.class_name)
            continue
        taken |= made
        classes[schema.class_name] = types
    return Build(_schema(statics, classes, union, functions), classes, schemas)


_VERBS = ("Create", "Update", "Delete")
_ENDS = ("Input", "Payload")


def _schema(statics: Statics, classes: dict[str, ClassTypes], union: ArrayResult, functions: Collection[str]) -> GraphQLSchema:
    users = classes["_User"]
    viewer = viewer_type(users)
    config = out("ConfigValue", {"value": GraphQLString, "isMasterKeyOnly": GraphQLBoolean})
    queries = shared_queries(statics, viewer, config)
    mutations = {**file_mutations(statics), **account_mutations(users, viewer, store_upload), **schema_mutations(statics)}
    mutations |= config_mutation(config) | function_mutation(functions)
    for types in classes.values():
        _add(queries, class_queries(types))
        _add(mutations, class_mutations(types, store_upload))
    events = event_enum()
    subscriptions = {types.field_name: class_subscription(types, events) for types in classes.values()}
    own: list[GraphQLNamedType] = [each for types in classes.values() for each in types.types]
    return GraphQLSchema(
        GraphQLObjectType("Query", queries),
        GraphQLObjectType("Mutation", mutations),
        GraphQLObjectType("Subscription", subscriptions),
        types=[*statics.types, *own, union.type],
    )


def _add(fields: dict[str, GraphQLField], further: dict[str, GraphQLField]) -> None:
    """Adds the fields of a class; a name that is taken stays whose it is."""
    for name, field in further.items():
        fields.setdefault(name, field)
