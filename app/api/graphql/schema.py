"""The GraphQL schema of the classes there are now.

Owns: `Build` and `Schemata`, which makes one and keeps it until a class or the config changes. Holds: a build is never changed;
it is made by a thread of its own, one at a time, and who asks after a change waits for it; a class whose
names would collide with what is there is left out, and what points to it is an `Object`. May import store/schemas, api/graphql.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from operator import is_

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    assert_valid_schema,
)

from app.api.graphql.accounts import account_mutations, function_mutation
from app.api.graphql.configs import config_mutation, config_query, config_type
from app.api.graphql.files import file_mutations, store_upload
from app.api.graphql.live import class_subscription, event_enum
from app.api.graphql.mutations import class_mutations, schema_mutations
from app.api.graphql.queries import class_queries, shared_queries, viewer_query, viewer_type
from app.api.graphql.statics import Statics
from app.api.graphql.types import ArrayResult, ClassTypes
from app.core.graphql_config import config_of, shows_class
from app.core.schema import ClassSchema
from app.core.wire import Object
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
class Sources:
    """What a schema is made from. None of it is ever changed in place, so it is enough to compare which they are."""

    classes: list[ClassSchema]
    config: Object

    def same(self, other: "Sources") -> bool:
        """Whether a schema of the other is one of these."""
        return (
            self.config is other.config and len(self.classes) == len(other.classes) and all(map(is_, self.classes, other.classes))
        )


@dataclass(frozen=True, slots=True)
class Build:
    """A schema with what it was made from."""

    schema: GraphQLSchema
    classes: dict[str, ClassTypes]
    made_from: Sources


class Schemata:
    """The schema for the classes of now."""

    def __init__(
        self,
        schemas: Schemas,
        functions: Collection[str] = (),
        filled: Mapping[str, frozenset[str]] | None = None,
        config: Callable[[], Object] | None = None,
    ) -> None:
        """`functions`: the names of what clients may call. `filled`: required fields, by class, that rules may fill. Both are
        known when the server starts. `config`: what is shown as of now."""
        self._schemas = schemas
        self._functions = functions
        self._filled = filled or {}
        nothing: Object = {}
        self._config = config or (lambda: nothing)
        self._build: Build | None = None
        self._building = asyncio.Lock()

    async def current(self) -> Build:
        """The build for the classes of now, made anew where one has changed: by one thread, while the loop goes on."""
        build = self._fresh()
        if build is not None:
            return build
        async with self._building:
            build = self._fresh()
            if (
                build is None
            ):  # also where classes change faster than schemas are made, who waits is given one made since they asked
                making = asyncio.to_thread(make_build, self._sources(), self._filled, self._functions)
                build = self._build = await making
        return build

    def _fresh(self) -> Build | None:
        build = self._build
        return build if build is not None and build.made_from.same(self._sources()) else None

    def _sources(self) -> Sources:
        return Sources(self._schemas.all(), self._config())


def make_build(sources: Sources, filled: Mapping[str, frozenset[str]], functions: Collection[str] = ()) -> Build:
    """The schema of these classes, system classes first; `filled`: required fields that rules of the server may fill."""
    statics = Statics()
    classes: dict[str, ClassTypes] = {}
    union = ArrayResult(statics, classes)
    taken = {each.name for each in statics.types} | _RESERVED | _PAYLOADS
    shown = [each for each in sources.classes if shows_class(sources.config, each.class_name)]
    for schema in sorted(shown, key=lambda each: (not each.class_name.startswith("_"), each.class_name)):
        name = schema.class_name
        config = config_of(sources.config, name)
        types = ClassTypes(schema, statics, classes, union, filled=filled.get(name, frozenset()), config=config)
        made = {each.name for each in types.types} | {f"{verb}{types.name}{end}" for verb in _VERBS for end in _ENDS}
        made.add(f"{types.name}Event")
        if made & taken or types.field_name in _QUERIES:
            _log.warning("class %s is not in the GraphQL schema: its names collide with others", name)
            continue
        taken |= made
        classes[name] = types
    schema_of_all = _schema(statics, classes, union, functions)
    assert_valid_schema(schema_of_all)  # else the first request would look, on the loop
    return Build(schema_of_all, classes, sources)


_VERBS = ("Create", "Update", "Delete")
_ENDS = ("Input", "Payload")


def _schema(statics: Statics, classes: dict[str, ClassTypes], union: ArrayResult, functions: Collection[str]) -> GraphQLSchema:
    config = config_type()
    queries = {**shared_queries(statics), **config_query(config)}
    mutations = {
        **file_mutations(statics),
        **schema_mutations(statics),
        **config_mutation(config),
        **function_mutation(functions),
    }
    if users := classes.get("_User"):
        viewer = viewer_type(users)
        queries |= viewer_query(viewer)
        mutations |= account_mutations(users, viewer, store_upload)
    for types in classes.values():
        _add(queries, class_queries(types))
        _add(mutations, class_mutations(types, store_upload))
    events = event_enum()
    subscriptions = {
        types.field_name: class_subscription(types, events) for types in classes.values() if types.config.allows("find")
    }
    own: list[GraphQLNamedType] = [each for types in classes.values() for each in types.types]
    return GraphQLSchema(
        GraphQLObjectType("Query", queries),
        GraphQLObjectType("Mutation", mutations),
        GraphQLObjectType("Subscription", subscriptions) if subscriptions else None,
        types=[*statics.types, *own, union.type],
    )


def _add(fields: dict[str, GraphQLField], further: dict[str, GraphQLField]) -> None:
    """Adds the fields of a class; a name that is taken stays whose it is."""
    for name, field in further.items():
        fields.setdefault(name, field)
