"""The types that are the same for every class: places, files, access lists, where inputs of scalar fields.

Owns: those types, with the names, fields and nullability of Parse Server's GraphQL API. Holds: they are made anew for each
schema (`Statics`), since graphql-core types belong to one. May import api/graphql/scalars.
"""

from collections.abc import Iterable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
)

from app.api.graphql.scalars import ANY, BYTES, DATE, FILE, OBJECT, UPLOAD

Type = Any
"""A GraphQL type; graphql-core's own unions of them tell a reader less."""

_READ_PREFERENCES = ("PRIMARY", "PRIMARY_PREFERRED", "SECONDARY", "SECONDARY_PREFERRED", "NEAREST")
_COMPARED = ("equalTo", "notEqualTo", "lessThan", "lessThanOrEqualTo", "greaterThan", "greaterThanOrEqualTo")
_SCHEMA_FIELDS = {
    "String": "addStrings",
    "Number": "addNumbers",
    "Boolean": "addBooleans",
    "Array": "addArrays",
    "Object": "addObjects",
    "Date": "addDates",
    "File": "addFiles",
    "GeoPoint": "addGeoPoint",
    "Polygon": "addPolygons",
    "Bytes": "addBytes",
    "Pointer": "addPointers",
    "Relation": "addRelations",
}
ADDITIONS = tuple((word, kind) for kind, word in _SCHEMA_FIELDS.items())
"""The keys of `SchemaFieldsInput` and the field type each adds."""


class Finished(dict[str, Any]):
    """An object of the answer that is complete already, by response key: what a subscription's event carries."""

    __slots__ = ("type_name",)
    type_name: str


def read(source: Any, info: GraphQLResolveInfo, **_: Any) -> Any:
    """The resolver of every field that is read off its object."""
    if type(source) is Finished:
        return source.get(str(info.path.key))
    return source.get(info.field_name) if isinstance(source, dict) else getattr(source, info.field_name, None)


def required(of: Type) -> GraphQLNonNull[Any]:
    """The type, never null."""
    return GraphQLNonNull(of)


def many(of: Type) -> GraphQLList[Any]:
    """A list whose items are never null."""
    return GraphQLList(GraphQLNonNull(of))


def out(name: str, fields: dict[str, Type], description: str = "", interfaces: Iterable[Any] = ()) -> GraphQLObjectType:
    """An output type of plain fields."""
    made = {key: GraphQLField(of, resolve=read) for key, of in fields.items()}
    return GraphQLObjectType(name, made, description=description or None, interfaces=tuple(interfaces))


def into(name: str, fields: dict[str, Type], description: str = "") -> GraphQLInputObjectType:
    """An input type of plain fields."""
    made = {key: GraphQLInputField(of) for key, of in fields.items()}
    return GraphQLInputObjectType(name, made, description=description or None)


class Statics:
    """One set of the types that no class changes."""

    def __init__(self) -> None:
        self.types: list[GraphQLNamedType] = [UPLOAD, ANY, OBJECT, DATE, BYTES, FILE]
        self._make_places()
        self._make_files_and_acl()
        self._make_subqueries()
        self._make_wheres()
        self._make_schema_fields()
        self._make_interfaces()

    def _add(self, made: Type) -> Type:
        self.types.append(made)
        return made

    def _make_places(self) -> None:
        point = {"latitude": required(GraphQLFloat), "longitude": required(GraphQLFloat)}
        self.geo_point_input = self._add(into("GeoPointInput", point))
        self.geo_point = self._add(out("GeoPoint", point))
        box = self._add(
            into("BoxInput", {"bottomLeft": required(self.geo_point_input), "upperRight": required(self.geo_point_input)})
        )
        sphere = self._add(
            into("CenterSphereInput", {"center": required(self.geo_point_input), "distance": required(GraphQLFloat)})
        )
        self._within = self._add(into("WithinInput", {"box": required(box)}))
        self._geo_within = self._add(into("GeoWithinInput", {"polygon": many(self.geo_point_input), "centerSphere": sphere}))
        self._intersects = self._add(into("GeoIntersectsInput", {"point": self.geo_point_input}))

    def _make_files_and_acl(self) -> None:
        self.file_info = self._add(out("FileInfo", {"name": required(GraphQLString), "url": required(GraphQLString)}))
        self.file_input = self._add(
            into(
                "FileInput", {"file": FILE, "upload": UPLOAD}, "A stored file, or a new one; null takes the file off the object."
            )
        )
        rights = {"read": required(GraphQLBoolean), "write": required(GraphQLBoolean)}
        user, role = required(GraphQLID), required(GraphQLString)
        user_input = self._add(into("UserACLInput", {"userId": user, **rights}))
        role_input = self._add(into("RoleACLInput", {"roleName": role, **rights}))
        public_input = self._add(into("PublicACLInput", rights))
        self.acl_input = self._add(
            into("ACLInput", {"users": many(user_input), "roles": many(role_input), "public": public_input})
        )
        user_acl = self._add(out("UserACL", {"userId": user, **rights}))
        role_acl = self._add(out("RoleACL", {"roleName": required(GraphQLID), **rights}))
        public = self._add(out("PublicACL", {"read": GraphQLBoolean, "write": GraphQLBoolean}))
        self.acl = self._add(out("ACL", {"users": many(user_acl), "roles": many(role_acl), "public": public}))
        self.element = self._add(out("Element", {"value": required(ANY)}, "An item of an array that is no object of a class."))

    def _make_subqueries(self) -> None:
        query = self._add(into("SubqueryInput", {"className": required(GraphQLString), "where": required(OBJECT)}))
        self._select = self._add(into("SelectInput", {"query": required(query), "key": required(GraphQLString)}))
        search = self._add(
            into(
                "SearchInput",
                {
                    "term": required(GraphQLString),
                    "language": GraphQLString,
                    "caseSensitive": GraphQLBoolean,
                    "diacriticSensitive": GraphQLBoolean,
                },
            )
        )
        self._text = self._add(into("TextInput", {"search": required(search)}))
        preference = self._add(GraphQLEnumType("ReadPreference", {name: name for name in _READ_PREFERENCES}))
        words = ("readPreference", "includeReadPreference", "subqueryReadPreference")
        self.read_options = self._add(
            into("ReadOptionsInput", dict.fromkeys(words, preference), "Accepted and without effect: there is one database.")
        )

    def _make_wheres(self) -> None:
        select = {"exists": GraphQLBoolean, "inQueryKey": self._select, "notInQueryKey": self._select}
        regex = {"matchesRegex": GraphQLString, "options": GraphQLString}

        def compared(of: Type) -> dict[str, Type]:
            return {**dict.fromkeys(_COMPARED, of), "in": GraphQLList(of), "notIn": GraphQLList(of)}

        pair = self._add(into("KeyValueInput", {"key": required(GraphQLString), "value": required(ANY)}))
        equality = {"equalTo": GraphQLBoolean, "notEqualTo": GraphQLBoolean}
        lists = {"containedBy": GraphQLList(ANY), "contains": GraphQLList(ANY)}
        near = dict.fromkeys(
            ("maxDistance", "maxDistanceInRadians", "maxDistanceInMiles", "maxDistanceInKilometers"), GraphQLFloat
        )
        places = {"exists": GraphQLBoolean, "nearSphere": self.geo_point_input, **near}
        shapes: dict[str, dict[str, Type]] = {
            "Id": {**compared(GraphQLID), **select},
            "String": {**compared(GraphQLString), "exists": GraphQLBoolean, **regex, "text": self._text, **select},
            "Number": {**compared(GraphQLFloat), **select},
            "Boolean": {**equality, **select},
            "Array": {**compared(ANY), "exists": GraphQLBoolean, **lists, **select},
            "Object": {**compared(pair), **select},
            "Date": {**compared(DATE), **select},
            "Bytes": {**compared(BYTES), **select},
            "File": {**compared(FILE), "exists": GraphQLBoolean, **regex, **select},
            "GeoPoint": {**places, "within": self._within, "geoWithin": self._geo_within},
            "Polygon": {"exists": GraphQLBoolean, "geoIntersects": self._intersects},
        }
        self.wheres = {kind: self._add(into(f"{kind}WhereInput", shape)) for kind, shape in shapes.items()}

    def _make_schema_fields(self) -> None:
        name = {"name": required(GraphQLString)}
        target = {**name, "targetClassName": required(GraphQLString)}
        field = self._add(
            GraphQLInterfaceType(
                "SchemaField",
                {"name": GraphQLField(required(GraphQLString))},
                resolve_type=lambda value, *_: f"Schema{value['type']}Field",
            )
        )
        removed = self._add(into("SchemaFieldInput", name))
        additions: dict[str, Type] = {}
        for kind, word in _SCHEMA_FIELDS.items():
            is_link = kind in ("Pointer", "Relation")
            shape = target if is_link else name
            made = self._add(into(f"{kind}FieldInput" if is_link else f"Schema{kind}FieldInput", shape))
            additions[word] = made if kind == "GeoPoint" else many(made)
            self._add(out(f"Schema{kind}Field", shape, interfaces=(field,)))
        self._add(out("SchemaACLField", name, interfaces=(field,)))
        self.schema_fields_input = self._add(into("SchemaFieldsInput", {**additions, "remove": many(removed)}))
        self.a_class = self._add(out("Class", {**name, "schemaFields": required(many(field))}))

    def _make_interfaces(self) -> None:
        def resolve_type(value: Any, *_: Any) -> str:
            assert type(value) is Finished
            return value.type_name

        self.parse_object_fields = {
            "objectId": required(GraphQLID),
            "createdAt": required(DATE),
            "updatedAt": required(DATE),
            "ACL": required(self.acl),
        }
        fields = {name: GraphQLField(of) for name, of in self.parse_object_fields.items()}
        self.parse_object = self._add(GraphQLInterfaceType("ParseObject", fields, resolve_type=resolve_type))
        node = {"id": GraphQLField(required(GraphQLID))}
        self.node = self._add(GraphQLInterfaceType("Node", node, resolve_type=resolve_type))
        self.page_info = self._add(
            out(
                "PageInfo",
                {
                    "hasNextPage": required(GraphQLBoolean),
                    "hasPreviousPage": required(GraphQLBoolean),
                    "startCursor": GraphQLString,
                    "endCursor": GraphQLString,
                },
            )
        )
        self.resolve_type = resolve_type

    def find_arguments(self, where: Type, order: Type) -> dict[str, GraphQLArgument]:
        """The arguments of a connection."""
        shapes: dict[str, Type] = {
            "where": where,
            "order": GraphQLList(GraphQLNonNull(order)),
            "skip": GraphQLInt,
            "after": GraphQLString,
            "first": GraphQLInt,
            "before": GraphQLString,
            "last": GraphQLInt,
            "options": self.read_options,
        }
        return {name: GraphQLArgument(of) for name, of in shapes.items()}
