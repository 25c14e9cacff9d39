"""Wire JSON of Parse into the JSON that a selection asks for.

Owns: `Output` (errors and the way to them), and the writers: one small function for each field of a selection, made once a
request. Holds: a value leaves as GraphQL completes it: scalars serialized, null where a non-null field of a nullable object
failed, with an error that has its path. The rows themselves are never changed. May import core/wire and api/graphql.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLError

from app.api.graphql.names import to_global_id
from app.api.graphql.statics import Finished

Row = dict[str, Any]
Reader = Callable[[Row], Any]


class NullError(Exception):
    """A non-null field has no value: the nearest nullable object around it becomes null."""

    def __init__(self, error: GraphQLError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(slots=True)
class Output:
    """What one projection gathers beside its result: the errors, and where it stands in the answer."""

    path: list[str | int]
    errors: list[GraphQLError] = field(default_factory=list)
    finished: bool = False
    """Whether objects leave as `Finished`, to be walked by graphql-core once more."""


@dataclass(slots=True)
class Member:
    """One entry of the answer: its key, how it is read, and whether null is an error."""

    key: str
    name: str
    read: Reader
    nodes: list[FieldNode]
    required: bool
    nested: bool = False


class Writer:
    """Writes objects of one type as a selection asks."""

    def __init__(self, type_name: str, output: Output) -> None:
        self.type_name = type_name
        self.members: list[Member] = []
        self._output = output

    def write(self, row: Row) -> dict[str, Any]:
        """One object. Raises NullError."""
        output = self._output
        made: dict[str, Any] = {}
        for member in self.members:
            if member.nested:
                output.path.append(member.key)
                value = self._nested(member, row)
                output.path.pop()
            else:
                value = member.read(row)
            if value is None and member.required:
                raise self._missing(member)
            made[member.key] = value
        if output.finished:
            made = Finished(made)
            made.type_name = self.type_name
        return made

    def _nested(self, member: Member, row: Row) -> Any:
        path = self._output.path
        depth = len(path)
        try:
            return member.read(row)
        except NullError as null:
            del path[depth:]
            if member.required:
                raise
            self._output.errors.append(null.error)
            return None

    def _missing(self, member: Member) -> NullError:
        words = f"Cannot return null for non-nullable field {self.type_name}.{member.name}."
        return NullError(GraphQLError(words, member.nodes, path=[*self._output.path, member.key]))


def write_list(items: list[Any], write: Callable[[Any], Any], output: Output, *, nullable: bool = True) -> list[Any]:
    """A list of objects; one that failed is null where its place may be."""
    made: list[Any] = []
    path = output.path
    depth = len(path)
    for place, item in enumerate(items):
        path.append(place)
        try:
            made.append(write(item))
        except NullError as null:
            if not nullable:
                raise
            output.errors.append(null.error)
            made.append(None)
        del path[depth:]
    return made


def iso_of(name: str) -> Reader:
    """A Date field as text."""

    def read(row: Row) -> Any:
        value = row.get(name)
        return value.get("iso") if isinstance(value, dict) else value

    return read


def key_of(name: str, key: str) -> Reader:
    """One member of a wire object, such as the text of Bytes."""

    def read(row: Row) -> Any:
        value = row.get(name)
        return value.get(key) if isinstance(value, dict) else value

    return read


def plain(name: str) -> Reader:
    """The value as it is."""
    return lambda row: row.get(name)


def constant(value: Any) -> Reader:
    """The same for every object."""
    return lambda _: value


def acl(value: Mapping[str, Mapping[str, bool]]) -> dict[str, Any]:
    """A wire ACL as the type `ACL` shows it, users by their global id."""
    users: list[dict[str, Any]] = []
    roles: list[dict[str, Any]] = []
    for who, rights in value.items():
        given = {"read": bool(rights.get("read")), "write": bool(rights.get("write"))}
        if who.startswith("role:"):
            roles.append({"roleName": who.removeprefix("role:"), **given})
        elif who != "*":
            users.append({"userId": to_global_id("_User", who), **given})
    anyone = value.get("*")
    public = {"read": bool(anyone.get("read")), "write": bool(anyone.get("write"))} if anyone else None
    return {"users": users or None, "roles": roles or None, "public": public}
