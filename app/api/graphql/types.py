"""The types of one class: what it shows, what may be asked about it, what may be written.

Owns: `ClassTypes` and how a field of a class becomes a GraphQL type, as Parse Server's API does it. Holds: types of other
classes are looked up when a type's fields are first asked for, so that classes may point in circles; a class whose names
collide has no types and is an `Object` to those that point to it. May import core/schema and api/graphql.
"""

from collections.abc import Callable, Mapping
from functools import partial

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLString,
    GraphQLUnionType,
)

from app.api.graphql import names
from app.api.graphql.scalars import ANY, BYTES, DATE, OBJECT
from app.api.graphql.statics import Statics, Type, many, read, required
from app.core.graphql_config import EVERYTHING, ClassConfig
from app.core.schema import ClassSchema, Field, FieldType

ALWAYS = ("objectId", "createdAt", "updatedAt", "ACL")
"""Fields of every class, which `ParseObject` has."""

_SCALARS: Mapping[str, Type] = {
    FieldType.STRING: GraphQLString,
    FieldType.NUMBER: GraphQLFloat,
    FieldType.BOOLEAN: GraphQLBoolean,
    FieldType.OBJECT: OBJECT,
    FieldType.DATE: DATE,
    FieldType.BYTES: BYTES,
}
_LINKS = (FieldType.POINTER, FieldType.RELATION)


class ClassTypes:
    """The types of one class; `others` finds those of another."""

    def __init__(
        self,
        schema: ClassSchema,
        statics: Statics,
        others: "Mapping[str, ClassTypes]",
        union: "ArrayResult",
        *,
        filled: frozenset[str] = frozenset(),
        config: ClassConfig = EVERYTHING,
    ) -> None:
        """`filled`: required fields that rules of the server may fill, so that a client may leave them out."""
        self.schema = schema
        self.config = config
        self._filled = filled
        self.class_name = schema.class_name
        self.name = names.type_name(schema.class_name)
        self.field_name = names.field_name(schema.class_name)
        self.statics = statics
        self._others = others
        self._union = union
        self.fields = {name: schema.fields[name] for name in sorted(schema.fields) if not name.startswith("_")}
        self.own = {name: field for name, field in self.fields.items() if name not in ALWAYS}
        self._make_inputs()
        self._make_wheres()
        self._make_outputs()

    @property
    def types(self) -> list[GraphQLNamedType]:
        """All of them."""
        inputs = [self.create, self.update, self.pointer, self.relation, self.where, self.link_where]
        return [*inputs, self.order, self.object, self.edge, self.connection]

    # ---- written

    def _make_inputs(self) -> None:
        name = self.name
        self.create = _input(f"Create{name}FieldsInput", partial(self._written, is_new=True))
        self.update = _input(f"Update{name}FieldsInput", partial(self._written, is_new=False))
        ids = many(GraphQLID)
        linked: dict[str, Type] = {"link": GraphQLID}
        related: dict[str, Type] = {"add": ids, "remove": ids}
        if self.config.allows("create"):
            linked["createAndLink"] = self.create
            related["createAndAdd"] = many(self.create)
        self.pointer = _input(f"{name}PointerInput", lambda: linked)
        self.relation = _input(f"{name}RelationInput", lambda: related)

    def _written(self, *, is_new: bool) -> dict[str, Type]:
        fields: dict[str, Type] = {"ACL": self.statics.acl_input}
        allowed = self.config.create_fields if is_new else self.config.update_fields
        for name, field in _allowed(self.own, allowed).items():
            of = self._input_type(field)
            is_needed = is_new and field.required and field.default is None and name not in self._filled
            fields[name] = required(of) if is_needed else of
        return fields

    def _input_type(self, field: Field) -> Type:
        if field.type in _LINKS:
            target = self._others.get(field.target_class or "")
            if target is None:
                return OBJECT
            return target.pointer if field.type is FieldType.POINTER else target.relation
        statics = self.statics
        shapes: dict[str, Type] = {
            FieldType.ARRAY: GraphQLList(ANY),
            FieldType.FILE: statics.file_input,
            FieldType.GEO_POINT: statics.geo_point_input,
            FieldType.POLYGON: many(statics.geo_point_input),
            FieldType.ACL: statics.acl_input,
        }
        return _SCALARS.get(field.type) or shapes[field.type]

    # ---- asked

    def _make_wheres(self) -> None:
        self.where = _input(f"{self.name}WhereInput", self._asked)
        links = {"have": self.where, "haveNot": self.where, "exists": GraphQLBoolean}
        self.link_where = _input(f"{self.name}RelationWhereInput", lambda: links)
        self.order = GraphQLEnumType(f"{self.name}Order", self._orders())

    def _orders(self) -> dict[str, str]:
        chosen = self.config.sort_fields
        values: dict[str, str] = {}
        for name, up, down in ((name, True, True) for name in (*self.fields, "id")) if chosen is None else chosen:
            key = "objectId" if name == "id" else name
            values |= {f"{name}_ASC": key} if up else {}
            values |= {f"{name}_DESC": f"-{key}"} if down else {}
        return values or {"id_ASC": "objectId", "id_DESC": "-objectId"}

    def _asked(self) -> dict[str, Type]:
        chosen = self.config.constraint_fields
        shown = self.fields if chosen is None else _allowed(self.own, chosen)
        fields = {name: self._where_type(name, field) for name, field in shown.items() if name not in ("OR", "AND", "NOR")}
        if chosen is None:
            fields["id"] = self.statics.wheres["Id"]
        return {**fields, **dict.fromkeys(("OR", "AND", "NOR"), many(self.where))}

    def _where_type(self, name: str, field: Field) -> Type:
        if field.type in _LINKS:
            target = self._others.get(field.target_class or "")
            return OBJECT if target is None else target.link_where
        kind = "Id" if name == "objectId" else "Object" if field.type is FieldType.ACL else str(field.type)
        return self.statics.wheres[kind]

    # ---- shown

    def _make_outputs(self) -> None:
        statics = self.statics
        self.object = GraphQLObjectType(
            self.name,
            self._shown,
            interfaces=(statics.parse_object, statics.node),
            description=f"An object of the class {self.class_name}.",
        )
        self.edge = GraphQLObjectType(f"{self.name}Edge", lambda: _read({"node": self.object, "cursor": required(GraphQLString)}))
        shape = {"pageInfo": required(statics.page_info), "edges": GraphQLList(self.edge), "count": required(GraphQLInt)}
        self.connection = GraphQLObjectType(f"{self.name}Connection", lambda: _read(shape))

    def find_arguments(self) -> dict[str, Type]:
        """The arguments of a connection of this class."""
        return {**self.statics.find_arguments(self.where, self.order)}

    def _shown(self) -> dict[str, GraphQLField]:
        fields = _read({"id": required(GraphQLID), **self.statics.parse_object_fields})
        if self.class_name == "_User":
            fields |= _read({"authDataResponse": OBJECT})
        for name, field in _allowed(self.own, self.config.output_fields).items():
            if (self.class_name, name) == ("_User", "password"):
                continue
            fields[name] = self._field(field)
        return fields

    def _field(self, field: Field) -> GraphQLField:
        of = self._output_type(field)
        target = self._others.get(field.target_class or "")
        if field.type is FieldType.RELATION:
            return GraphQLField(required(of), args=target.find_arguments() if target else None, resolve=read)
        return GraphQLField(required(of) if field.required else of, resolve=read)

    def _output_type(self, field: Field) -> Type:
        if field.type in _LINKS:
            target = self._others.get(field.target_class or "")
            if target is None:
                return OBJECT
            return target.object if field.type is FieldType.POINTER else target.connection
        statics = self.statics
        shapes: dict[str, Type] = {
            FieldType.ARRAY: GraphQLList(self._union.type),
            FieldType.FILE: statics.file_info,
            FieldType.GEO_POINT: statics.geo_point,
            FieldType.POLYGON: many(statics.geo_point),
            FieldType.ACL: required(statics.acl),
        }
        return _SCALARS.get(field.type) or shapes[field.type]


class ArrayResult:
    """The union of what an array may hold: plain elements, and objects of any class."""

    def __init__(self, statics: Statics, classes: "Mapping[str, ClassTypes]") -> None:
        self.type = GraphQLUnionType(
            "ArrayResult",
            lambda: [statics.element, *(each.object for each in classes.values())],
            resolve_type=statics.resolve_type,
            description="Ask with inline fragments: `... on Element { value }`, `... on User { id }`.",
        )


def _allowed(fields: Mapping[str, Field], names: frozenset[str] | None) -> Mapping[str, Field]:
    return fields if names is None else {name: field for name, field in fields.items() if name in names}


def _input(name: str, shape: Callable[[], Mapping[str, Type]]) -> GraphQLInputObjectType:
    return GraphQLInputObjectType(name, lambda: {key: GraphQLInputField(of) for key, of in shape().items()})


def _read(shape: Mapping[str, Type]) -> dict[str, GraphQLField]:
    return {key: GraphQLField(of, resolve=read) for key, of in shape.items()}
