"""The query AST as SQL.

Owns: the compiler from nodes to a condition, an order and a sub-select over Parse Server's column layout. Holds: every
value travels as an argument with an explicit cast, every name is checked and quoted; a condition may be null where it is
not met, so it only ever stands where null counts as false (`is not true` negates). Plain columns are compared as
they are, so that their indexes serve. What it finds is what core/match finds; tests/oracle holds the two together.
Sub-queries are compiled as they stand: whoever may not see their objects must have guarded them before. Imports core only.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.core.cells import (
    ATOMIC,
    ORDERED,
    Cell,
    Kind,
    atom_for,
    cell_at,
    is_plain,
    is_pointer,
    point_of,
    ring_of,
)
from app.core.columns import column_type, join_table, json_text, moment, quote, to_column
from app.core.geo import Ring, bounds, contains_sql, haversine_limit, haversine_sql
from app.core.nodes import (
    All,
    Allowed,
    AllStartWith,
    And,
    Compare,
    ContainedBy,
    Everything,
    Exists,
    Frozen,
    FrozenObject,
    In,
    InQuery,
    Intersects,
    Leaf,
    Near,
    Node,
    Nor,
    Nothing,
    Or,
    Path,
    Query,
    Regex,
    RelatedTo,
    Select,
    Text,
    WithinBox,
    WithinPolygon,
    WithinSphere,
    thaw,
    walk,
)
from app.core.operands import LANGUAGES
from app.core.query import typed
from app.core.regex import parse_regex
from app.core.schema import ClassSchema, FieldType
from app.errors import ErrorCode, ParseError

__all__ = ["Compiler", "column_type", "json_text", "quote", "to_column"]

NEVER = "false"
ALWAYS = "true"

_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_CASTS = {Kind.TEXT: "text", Kind.NUMBER: "float8", Kind.BOOLEAN: "bool", Kind.POINTER: "text", Kind.FILE: "text"}
_STEP = re.compile(r"[A-Za-z0-9_]+")
_JSONB = frozenset({Kind.ARRAY, Kind.OBJECT, Kind.JSON})
_MILLISECOND = timedelta(milliseconds=1)


class Compiler:
    """Compiles for one registry of classes: `schemas(name)` gives a class or raises ParseError when there is none."""

    def __init__(self, schemas: Callable[[str], ClassSchema]) -> None:
        self._schemas = schemas

    def compile_where(self, node: Node, schema: ClassSchema, alias: str, arguments: list[object]) -> str:
        """A condition on the row `alias` of the class; appends to `arguments`, whose places $1… it names."""
        return _Where(self, schema, alias, arguments).condition(node)

    def compile_order(self, query: Query, schema: ClassSchema, alias: str, arguments: list[object]) -> str:
        """`order by …`, "" for no order: the asked one, else nearest first; objectId settles ties.

        Text goes by code point; absent values come last, and first where descending, as in Postgres.
        """
        where = _Where(self, schema, alias, arguments)
        terms = [term for path, descending in query.order for term in where.order_terms(query.where, path, descending)]
        if not query.order:
            terms = [where.distance(node) for node in walk(query.where) if isinstance(node, Near) and node.sorted]
        terms = [term for term in terms if term]
        tie = f'{quote(alias)}."objectId" collate "C"'
        return f"order by {', '.join([*terms, tie])}" if terms else ""

    def compile_subselect(self, query: Query, columns: str, alias: str, arguments: list[object]) -> str | None:
        """`select columns from … alias` with the query's where, order and cut; None when the class does not exist."""
        schema = self.schema(query.class_name)
        if schema is None:
            return None
        where = self.compile_where(typed(schema, query.where), schema, alias, arguments)
        text = f"select {columns} from {quote(query.class_name)} {quote(alias)} where {where}"
        order = self.compile_order(query, schema, alias, arguments)
        if query.limit is None and not query.skip:
            return text
        arguments.extend((query.limit, query.skip))
        return f"{text} {order} limit ${len(arguments) - 1}::int8 offset ${len(arguments)}::int8"

    def schema(self, class_name: str) -> ClassSchema | None:
        """The class, None if there is none."""
        try:
            return self._schemas(class_name)
        except ParseError:
            return None


class _Where:
    """The conditions on one row."""

    def __init__(self, compiler: Compiler, schema: ClassSchema, alias: str, arguments: list[object]) -> None:
        self._compiler = compiler
        self._schema = schema
        self._alias = alias
        self._row = quote(alias)
        self._arguments = arguments

    def condition(self, node: Node) -> str:
        """Any node; the result needs no further brackets."""
        if isinstance(node, And):
            return self._joined(node.children, " and ", ALWAYS)
        if isinstance(node, Or):
            return self._joined(node.children, " or ", NEVER)
        if isinstance(node, Nor):
            return f"({self._joined(node.children, ' or ', NEVER)} is not true)"
        if isinstance(node, Everything | Nothing):
            return ALWAYS if isinstance(node, Everything) else NEVER
        if isinstance(node, RelatedTo):
            return self._related_to(node)
        if isinstance(node, Allowed):
            return self._allowed(node)
        return self._leaf(node, cell_at(self._schema, node.path))

    def _joined(self, children: Sequence[Node], glue: str, none: str) -> str:
        return f"({glue.join(self.condition(child) for child in children)})" if children else none

    def _leaf(self, node: Leaf, cell: Cell) -> str:
        compile_leaf: Callable[[Any, Cell], str] = self._LEAVES[type(node)].__get__(self)
        return compile_leaf(node, cell)

    def _bind(self, value: object, cast: str) -> str:
        """A place for an argument."""
        self._arguments.append(value)
        return f"${len(self._arguments)}::{cast}"

    def _column(self, cell: Cell) -> str:
        """The value of the cell as an SQL expression; inside JSON, the jsonb there."""
        column = f"{self._row}.{quote(cell.path[0])}"
        if len(cell.path) == 1:
            return column
        steps = ",".join(f'"{_step(step)}"' for step in cell.path[1:])
        return f"({column} #> '{{{steps}}}')"

    # ---- presence

    def _absent(self, cell: Cell) -> str:
        """Null counts as absent, JSON's null too."""
        if cell.kind in (Kind.ABSENT, Kind.RELATION):
            return ALWAYS if cell.kind is Kind.ABSENT else NEVER
        column = self._column(cell)
        return f"({column} #>> '{{}}') is null" if cell.kind in _JSONB else f"{column} is null"

    def _exists(self, node: Exists, cell: Cell) -> str:
        absent = self._absent(cell)
        return f"(not {absent})" if node.expected else f"({absent})"

    # ---- equality

    def _compare(self, node: Compare, cell: Cell) -> str:
        if node.op == "eq":
            return self._equals(cell, (node.value,))
        if node.op == "ne":
            return f"({self._equals(cell, (node.value,))} is not true)"
        if cell.kind is Kind.JSON:
            return self._json_order(cell, _SIGNS[node.op], node.value)
        atom = atom_for(cell, node.value)
        if atom is None or cell.kind not in ORDERED:
            return NEVER
        if cell.kind is Kind.DATE:
            return self._date_order(self._column(cell), node.op, _moment(atom))
        collation = ' collate "C"' if cell.kind is Kind.TEXT else ""
        return f"{self._column(cell)}{collation} {_SIGNS[node.op]} {self._bind(atom, _CASTS[cell.kind])}"

    def _in(self, node: In, cell: Cell) -> str:
        found = self._equals(cell, node.values)
        return f"({found} is not true)" if node.negated else found

    def _equals(self, cell: Cell, values: Sequence[Frozen]) -> str:
        """The cell equals one of the values, null being absence."""
        parts = [f"({self._absent(cell)})"] if None in values else []
        values = [value for value in values if value is not None]
        if values and cell.kind is not Kind.ABSENT:
            parts += self._equalities(cell, values)
        return NEVER if not parts else parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"

    def _equalities(self, cell: Cell, values: Sequence[Frozen]) -> list[str]:
        if cell.kind in ATOMIC:
            return self._atom_equalities(cell, values)
        column = self._column(cell)
        if cell.kind is Kind.POINT:
            points = [point for point in map(point_of, values) if point is not None]
            return [f"({column}[0] = {self._bind(x, 'float8')} and {column}[1] = {self._bind(y, 'float8')})" for x, y in points]
        if cell.kind is Kind.POLYGON:
            rings = [ring for ring in map(ring_of, values) if ring is not None]
            return [f"{column}::text = {self._bind(_polygon_text(ring), 'text')}::polygon::text" for ring in rings]
        if cell.kind is Kind.OBJECT:
            return [self._one_of(column, values)]
        if cell.kind is Kind.ARRAY:
            return self._array_equalities(column, values)
        if cell.kind is Kind.JSON:
            return [self._one_of(column, values), *self._contained(column, [v for v in values if not isinstance(v, tuple)])]
        return self._relation_equalities(cell, values)

    def _atom_equalities(self, cell: Cell, values: Sequence[Frozen]) -> list[str]:
        atoms = [atom for atom in (atom_for(cell, value) for value in values) if atom is not None]
        column = self._column(cell)
        if cell.kind is Kind.DATE:
            moments = [_moment(atom) for atom in atoms]
            if len(moments) == 1:
                return [f"({self._date_order(column, 'gte', moments[0])} and {self._date_order(column, 'lte', moments[0])})"]
            return [f"date_trunc('milliseconds', {column}) = any({self._bind(moments, 'timestamptz[]')})"] if moments else []
        cast = _CASTS[cell.kind]
        if len(atoms) == 1:
            return [f"{column} = {self._bind(atoms[0], cast)}"]
        return [f"{column} = any({self._bind(atoms, cast + '[]')})"] if atoms else []

    def _date_order(self, column: str, op: str, moment: datetime) -> str:
        """Dates compare as the wire shows them, cut to milliseconds; written so that an index on the column serves."""
        if op in ("gte", "lt"):
            return f"{column} {_SIGNS[op]} {self._bind(moment, 'timestamptz')}"
        try:
            after = moment + _MILLISECOND
        except OverflowError:  # the last millisecond of the year 9999
            return NEVER if op == "gt" else f"{column} is not null"
        return f"{column} {'>=' if op == 'gt' else '<'} {self._bind(after, 'timestamptz')}"

    # ---- inside JSON

    def _one_of(self, column: str, values: Sequence[Frozen]) -> str:
        texts = [json_text(thaw(value)) for value in values]
        if len(texts) == 1:
            return f"{column} = {self._bind(texts[0], 'jsonb')}"
        return f"{column} = any({self._bind(texts, 'text[]')}::jsonb[])"

    def _array_equalities(self, column: str, values: Sequence[Frozen]) -> list[str]:
        """An Array field equals a list as a whole, and any other value by containing it."""
        lists = [value for value in values if isinstance(value, tuple)]
        others = [value for value in values if not isinstance(value, tuple)]
        return ([self._one_of(column, lists)] if lists else []) + self._contained(column, others)

    def _contained(self, column: str, values: Sequence[Frozen]) -> list[str]:
        """The array contains one of the values. Containment by @> is equality for plain values, and pointers."""
        by_operator = [json_text([thaw(value)]) for value in values if is_plain(value) or is_pointer(value)]
        by_element = [value for value in values if not (is_plain(value) or is_pointer(value))]
        parts = []
        if len(by_operator) == 1:
            parts.append(f"{column} @> {self._bind(by_operator[0], 'jsonb')}")
        elif by_operator:
            parts.append(f"{column} @> any({self._bind(by_operator, 'text[]')}::jsonb[])")
        if by_element:
            parts.append(f"exists (select 1 from {_elements(column)} where {self._one_of('e', by_element)})")
        return parts

    def _json_order(self, cell: Cell, sign: str, value: Frozen) -> str:
        """Order inside JSON: only among values of the same type."""
        column = self._column(cell)
        if isinstance(value, FrozenObject) and value.get("__type") == "Date":
            guard, left = f"{column} ->> '__type' = 'Date'", f"({column} ->> 'iso')"
            return f"""({guard} and {left} collate "C" {sign} {self._bind(value.get("iso"), "text")})"""
        if isinstance(value, str):
            left = f"(case when jsonb_typeof({column}) = 'string' then {column} #>> '{{}}' end)"
            return f'{left} collate "C" {sign} {self._bind(value, "text")}'
        if isinstance(value, int | float):
            name = "boolean" if isinstance(value, bool) else "number"
            return f"(jsonb_typeof({column}) = '{name}' and {column} {sign} {self._bind(json_text(value), 'jsonb')})"
        return NEVER

    def _array(self, cell: Cell) -> str | None:
        """The jsonb where an array may stand; None for cells of other kinds."""
        return self._column(cell) if cell.kind in (Kind.ARRAY, Kind.JSON) else None

    def _all(self, node: All, cell: Cell) -> str:
        if not node.values:
            return NEVER
        column = self._array(cell)
        if column is None:
            return f"({' and '.join(self._equals(cell, (value,)) for value in node.values)})"
        together = [value for value in node.values if value is None or is_plain(value) or is_pointer(value)]
        single = [value for value in node.values if not (value is None or is_plain(value) or is_pointer(value))]
        parts = [f"jsonb_typeof({column}) = 'array'"]
        if together:
            parts.append(f"{column} @> {self._bind(json_text([thaw(value) for value in together]), 'jsonb')}")
        parts += [f"exists (select 1 from {_elements(column)} where {self._one_of('e', (value,))})" for value in single]
        return f"({' and '.join(parts)})"

    def _all_start_with(self, node: AllStartWith, cell: Cell) -> str:
        column = self._array(cell)
        if column is None or not node.prefixes:
            return NEVER
        text = "case when jsonb_typeof(e) = 'string' then e #>> '{}' end"
        parts = [
            f"exists (select 1 from {_elements(column)} where starts_with({text}, {self._bind(prefix, 'text')}))"
            for prefix in node.prefixes
        ]
        return f"({' and '.join(parts)})"

    def _contained_by(self, node: ContainedBy, cell: Cell) -> str:
        column = self._array(cell)
        if column is None:
            return NEVER
        texts = [json_text(thaw(value)) for value in node.values]
        stranger = f"(e = any({self._bind(texts, 'text[]')}::jsonb[])) is not true"
        return f"(jsonb_typeof({column}) = 'array' and not exists (select 1 from {_elements(column)} where {stranger}))"

    # ---- text

    def _regex(self, node: Regex, cell: Cell) -> str:
        if cell.kind is Kind.TEXT:
            return self._like(node, self._column(cell))
        column = self._array(cell)
        if column is None:
            return NEVER
        text = "(case when jsonb_typeof(e) = 'string' then e #>> '{}' end)"
        return f"exists (select 1 from {_elements(column, or_itself=cell.kind is Kind.JSON)} where {self._like(node, text)})"

    def _like(self, node: Regex, text: str) -> str:
        """The text matches the pattern."""
        pattern = parse_regex(node.pattern, node.options)
        if pattern.literal is None:
            return f"""{text} collate "C" ~ {self._bind(pattern.postgres, "text")}"""
        if pattern.literal.kind == "exact":
            return f"{text} = {self._bind(pattern.literal.text, 'text')}"
        escaped = "".join("\\" + c if c in "\\%_" else c for c in pattern.literal.text)
        start = "" if pattern.literal.kind == "prefix" else "%"
        end = "" if pattern.literal.kind == "suffix" else "%"
        return f"{text} like {self._bind(start + escaped + end, 'text')}"

    def _text(self, node: Text, cell: Cell) -> str:
        if cell.kind is not Kind.TEXT:
            return NEVER
        return f"{self._document(node, cell)} @@ {self._search(node)}"

    def _document(self, node: Text, cell: Cell) -> str:
        """The language is written out, not bound, so that an index on to_tsvector serves."""
        if node.language not in LANGUAGES:
            raise ParseError(ErrorCode.INVALID_QUERY, f"bad $text: unknown language {node.language}")
        return f"to_tsvector('{node.language}', {self._column(cell)})"

    def _search(self, node: Text) -> str:
        return f"websearch_to_tsquery('{node.language}', {self._bind(node.term, 'text')})"

    # ---- places

    def _angle(self, cell: Cell, longitude: float, latitude: float) -> str:
        column = self._column(cell)
        to = self._bind(longitude, "float8"), self._bind(latitude, "float8")
        return haversine_sql(f"{column}[0]", f"{column}[1]", *to)

    def _within_angle(self, cell: Cell, longitude: float, latitude: float, max_radians: float | None) -> str:
        if cell.kind is not Kind.POINT:
            return NEVER
        limit = None if max_radians is None else haversine_limit(max_radians)
        if limit is None:
            return f"{self._column(cell)} is not null"
        return f"{self._angle(cell, longitude, latitude)} <= {self._bind(limit, 'float8')}"

    def _near(self, node: Near, cell: Cell) -> str:
        return self._within_angle(cell, node.longitude, node.latitude, node.max_radians)

    def _within_sphere(self, node: WithinSphere, cell: Cell) -> str:
        return self._within_angle(cell, node.longitude, node.latitude, node.radians)

    def distance(self, node: Near) -> str:
        """What a Near sorts by."""
        cell = cell_at(self._schema, node.path)
        return self._angle(cell, node.longitude, node.latitude) if cell.kind is Kind.POINT else ""

    def _in_box(self, cell: Cell, west: float, south: float, east: float, north: float) -> str:
        """The operator serves the index; the comparisons are exact, which its index is not."""
        column = self._column(cell)
        w, s, e, n = (self._bind(edge, "float8") for edge in (west, south, east, north))
        exact = f"{column}[0] between {w} and {e} and {column}[1] between {s} and {n}"
        return f"({column} <@ box(point({w}, {s}), point({e}, {n})) and {exact})"

    def _within_box(self, node: WithinBox, cell: Cell) -> str:
        if cell.kind is not Kind.POINT:
            return NEVER
        return self._in_box(cell, node.west, node.south, node.east, node.north)

    def _within_polygon(self, node: WithinPolygon, cell: Cell) -> str:
        if cell.kind is not Kind.POINT or not node.vertices:
            return NEVER
        ring = self._bind([degree for vertex in node.vertices for degree in vertex], "float8[]")
        inside = contains_sql(ring, f"{self._column(cell)}[0]", f"{self._column(cell)}[1]")
        return f"({self._in_box(cell, *bounds(node.vertices))} and {inside})"

    def _intersects(self, node: Intersects, cell: Cell) -> str:
        if cell.kind is not Kind.POLYGON:
            return NEVER
        ring = f"string_to_array(translate({self._column(cell)}::text, '()', ''), ',')::float8[]"
        return contains_sql(ring, self._bind(node.point[0], "float8"), self._bind(node.point[1], "float8"))

    # ---- other objects

    def _relation_equalities(self, cell: Cell, values: Sequence[Frozen]) -> list[str]:
        ids = [
            value.get("objectId")
            for value in values
            if isinstance(value, FrozenObject) and is_pointer(value) and value.get("className") == cell.target_class
        ]
        return [self._owns(cell, f"= any({self._bind(ids, 'text[]')})")] if ids else []

    def _owns(self, cell: Cell, condition: str) -> str:
        """The row's relation holds an object whose id fulfils the condition."""
        join = quote(self._alias + "j")
        table = join_table(cell.path[0], self._schema.class_name)
        return f'{self._row}."objectId" in (select {join}."owningId" from {table} {join} where {join}."relatedId" {condition})'

    def _in_query(self, node: InQuery, cell: Cell) -> str:
        found = self._leads_to(node, cell)
        return f"({found} is not true)" if node.negated else found

    def _leads_to(self, node: InQuery, cell: Cell) -> str:
        leads = cell.kind in (Kind.ARRAY, Kind.JSON) or cell.target_class == node.query.class_name
        inner = self._subselect(node.query, f'{quote(self._alias + "s")}."objectId"') if leads else None
        if inner is None:
            return NEVER
        if cell.kind is Kind.POINTER:
            return f"{self._column(cell)} in ({inner})"
        if cell.kind is Kind.RELATION:
            return self._owns(cell, f"in ({inner})")
        class_name = self._bind(node.query.class_name, "text")
        pointer = f"e ->> '__type' = 'Pointer' and e ->> 'className' = {class_name}"
        elements = _elements(self._column(cell), or_itself=cell.kind is Kind.JSON)
        return f"exists (select 1 from {elements} where {pointer} and e ->> 'objectId' in ({inner}))"

    def _subselect(self, query: Query, columns: str) -> str | None:
        return self._compiler.compile_subselect(query, columns, self._alias + "s", self._arguments)

    def _select(self, node: Select, cell: Cell) -> str:
        found = self._selected(node, cell)
        return f"({found} is not true)" if node.negated else found

    def _selected(self, node: Select, cell: Cell) -> str:
        inner_schema = self._compiler.schema(node.query.class_name)
        if inner_schema is None or cell.kind is Kind.ABSENT:
            return NEVER
        inner = _key_cell(inner_schema, node.key)
        inner_where = _Where(self._compiler, inner_schema, self._alias + "s", self._arguments)
        if inner.kind is Kind.ABSENT:
            return NEVER
        if cell.kind in ATOMIC and cell.kind is inner.kind and cell.target_class == inner.target_class:
            column = inner_where._column(inner)
            return f"{self._column(cell)} in ({self._subselect(node.query, column)})"
        column = inner_where._as_json(inner)
        values = self._subselect(node.query, column)
        if values is not None and inner.kind in (Kind.ARRAY, Kind.JSON):
            values = f"select e from ({values}) found(v), {_elements('found.v', or_itself=True)} where found.v is not null"
        if cell.kind in (Kind.ARRAY, Kind.JSON):
            elements = _elements(self._column(cell), or_itself=cell.kind is Kind.JSON)
            return f"exists (select 1 from {elements} where e in ({values}))"
        return f"{self._as_json(cell)} in ({values})"

    def _as_json(self, cell: Cell) -> str:
        """The value of a cell as the jsonb that an array would hold it as."""
        column = self._column(cell)
        if cell.kind in (Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN):
            return f"to_jsonb({column})"
        if cell.kind in (Kind.ARRAY, Kind.JSON, Kind.OBJECT):
            return f"nullif({column}, 'null')"
        if cell.kind is Kind.POINTER:
            target = self._bind(cell.target_class, "text")
            pointer = f"jsonb_build_object('__type', 'Pointer', 'className', {target}, 'objectId', {column})"
            return f"(case when {column} is not null then {pointer} end)"
        words = f"$select can't compare {'.'.join(cell.path)}: it is a {cell.kind.value}."
        raise ParseError(ErrorCode.INVALID_QUERY, words)

    def _related_to(self, node: RelatedTo) -> str:
        owner = self._compiler.schema(node.class_name)
        field = owner.fields.get(node.key) if owner else None
        if field is None or field.type is not FieldType.RELATION or field.target_class != self._schema.class_name:
            return NEVER
        join = quote(self._alias + "j")
        owned = f'{join}."owningId" = {self._bind(node.object_id, "text")}'
        table = join_table(node.key, node.class_name)
        return f'{self._row}."objectId" in (select {join}."relatedId" from {table} {join} where {owned})'

    def _allowed(self, node: Allowed) -> str:
        column = f'{self._row}."{"_rperm" if node.permission == "read" else "_wperm"}"'
        return f"({column} is null or {column} && {self._bind(list(node.principals), 'text[]')})"

    # ---- order

    def order_terms(self, where: Node, path: Path, descending: bool) -> list[str]:
        """The terms for one key of an order; none for what the class does not have or cannot order."""
        if path == ("$score",):
            texts = [node for node in walk(where) if isinstance(node, Text)]
            return [self._rank(texts[0])] if texts else []
        cell = cell_at(self._schema, path)
        terms: list[str] = []
        if cell.kind in ATOMIC:
            text = cell.kind in (Kind.TEXT, Kind.POINTER, Kind.FILE)
            terms = [self._column(cell) + (' collate "C"' if text else "")]
        elif cell.kind is Kind.JSON:
            terms = self._json_terms(self._column(cell))
        return [term + " desc" if descending else term for term in terms]

    def _rank(self, node: Text) -> str:
        return f"ts_rank({self._document(node, cell_at(self._schema, node.path))}, {self._search(node)}) desc"

    def _json_terms(self, column: str) -> list[str]:
        """Inside JSON numbers go first, then texts, flags and dates by their text; the rest counts as absent."""
        number = f"(case when jsonb_typeof({column}) = 'number' then {column}::numeric end)"
        text = (
            f"(case jsonb_typeof({column}) when 'array' then null when 'object' then "
            f"case when {column} ->> '__type' = 'Date' then {column} ->> 'iso' end else {column} #>> '{{}}' end)"
        )
        return [number, f'{text} collate "C"']

    _LEAVES: Mapping[type[Leaf], Callable[..., str]] = {
        Compare: _compare,
        In: _in,
        All: _all,
        AllStartWith: _all_start_with,
        ContainedBy: _contained_by,
        Exists: _exists,
        Regex: _regex,
        Near: _near,
        WithinBox: _within_box,
        WithinPolygon: _within_polygon,
        WithinSphere: _within_sphere,
        Intersects: _intersects,
        Text: _text,
        InQuery: _in_query,
        Select: _select,
    }


def _key_cell(schema: ClassSchema, key: Path) -> Cell:
    """What the key of a $select names; "owner.objectId" is the id that a pointer holds, as text."""
    cell = cell_at(schema, key[:1])
    return Cell(Kind.TEXT, key[:1]) if cell.kind is Kind.POINTER and key[1:] == ("objectId",) else cell_at(schema, key)


def _step(step: str) -> str:
    """One step of the way into JSON, checked so that it can stand in a quoted array literal."""
    if not _STEP.fullmatch(step):
        raise ParseError(ErrorCode.INVALID_KEY_NAME, f"Invalid key name: {step}")
    return step


def _moment(atom: object) -> datetime:
    assert isinstance(atom, str)
    return moment({"__type": "Date", "iso": atom})


def _polygon_text(ring: Ring) -> str:
    return f"({','.join(f'({x!r},{y!r})' for x, y in ring)})"


def _elements(column: str, *, or_itself: bool = False) -> str:
    """The elements `e` of a jsonb array; of anything else none, or the value itself."""
    other = f"jsonb_build_array({column})" if or_itself else "null"
    return f"jsonb_array_elements(case jsonb_typeof({column}) when 'array' then {column} else {other} end) e"
