"""Included objects: the SQL that puts the object a pointer names in the pointer's place, inside the same statement.

Owns: the tree of includes of a query, its projection (`keys`, `excludeKeys`, also dotted), and the sub-query of each
included field. Holds: an included object passes the caller's own filter for its class and loses the fields hidden from
the caller; what is missing or may not be read stays the pointer it is stored as; the order of an array is kept. May
import core and store/render.

An array of pointers, and an Object that holds some, do not say in the schema which classes they point to. So the classes
met are remembered for each field; a pointer to one not yet met is marked in the answer with `MARK`, which cannot occur in
JSON, and the reader asks again, once for each such field within another. The memory is a hint: it may be lost or hold too
much, never wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.core.columns import quote
from app.core.query import Node, Path, Query
from app.core.schema import ClassSchema
from app.core.sql import Compiler
from app.errors import ErrorCode, ParseError
from app.store.rows.render import ALWAYS, column, literal, render_object, rendered_fields

MARK: Final = "\x01"
_MOST_INCLUDES: Final = 100

Tree = dict[str, "Tree"]
_met: Final[dict[tuple[str, str], frozenset[str]]] = {}


class Registry(Protocol):
    """The classes there are (store/schemas.py)."""

    def get(self, class_name: str, /) -> ClassSchema: ...

    def has(self, class_name: str, /) -> bool: ...


@dataclass(slots=True)
class Rendering:
    """One statement being written: what it shows to whom, and the arguments it has gathered."""

    registry: Registry
    compiler: Compiler
    arguments: list[object]
    query: Query
    hidden: Callable[[ClassSchema], frozenset[str]]
    allowed_for: Callable[[ClassSchema], Node]
    files_url: str | None = None
    marks: bool = False  # whether pointers to classes not met yet are to be marked
    untyped: set[tuple[str, str]] = field(default_factory=set)  # where pointers of any class are included: (class, field)
    count: int = 0

    def object(self, schema: ClassSchema, alias: str, tree: Tree, path: Path = ()) -> str:
        """The SQL of one object of the answer with everything included below it."""
        only = _only(self.query, path)
        if only is not None and self.query.include_all and not path:
            only |= frozenset(tree)  # who includes everything wants it shown, whatever the keys say
        without = self.hidden(schema) | _without(self.query, path)
        return render_object(
            schema,
            alias,
            only=only,
            without=without,
            includes=self._includes(schema, alias, tree, path, only, without),
            included=bool(path),
            files_url=self.files_url,
        )

    def _includes(
        self, schema: ClassSchema, alias: str, tree: Tree, path: Path, only: frozenset[str] | None, without: frozenset[str]
    ) -> Mapping[str, str]:
        # Only what is shown: an argument of a sub-query that is not in the statement would be an error.
        shown = rendered_fields(schema, only, without) if tree else ()
        found: dict[str, str] = {}
        for name, below in sorted(tree.items()):
            if name not in shown:
                continue
            kind = schema.fields[name]
            if kind.type == "Pointer" and kind.target_class is not None and self.registry.has(kind.target_class):
                found[name] = self._one(kind.target_class, column(alias, name), below, (*path, name))
            elif kind.type == "Array":
                found[name] = self._many((schema.class_name, name), column(alias, name), below, (*path, name))
            elif kind.type == "Object" and below:
                found[name] = self._inside((schema.class_name, name), column(alias, name), below, (*path, name))
        return found

    def _one(self, class_name: str, object_id: str, tree: Tree, path: Path) -> str:
        alias = f"i{self._element()}"
        schema = self.registry.get(class_name)
        allowed = self.compiler.compile_where(self.allowed_for(schema), schema, alias, self.arguments)
        shown = self.object(schema, alias, tree, path)
        return (
            f"(select {shown} from {quote(class_name)} {alias} where {column(alias, 'objectId')} = {object_id} and ({allowed}))"
        )

    def _many(self, where: tuple[str, str], stored: str, tree: Tree, path: Path) -> str:
        """An array with what its pointers name; no SQL value where it is none."""
        each = self._element()
        shown = self._named(where, f"{each}.v", tree, path)
        return (
            f"case when jsonb_typeof({stored}) = 'array' then (select '[' || coalesce(string_agg(coalesce("
            f"case when {each}.v->>'__type' = 'Pointer' then {shown} end, {each}.v::text), ',' order by {each}.n), '') || ']'"
            f" from jsonb_array_elements({stored}) with ordinality {each}(v, n)) end"
        )

    def _inside(self, where: tuple[str, str], stored: str, tree: Tree, path: Path) -> str:
        """An Object with what the pointers under its keys name; no SQL value where it is none, or empty."""
        each = self._element()
        cases = [
            f"when {literal(name)} then {self._under((where[0], f'{where[1]}.{name}'), f'{each}.v', below, (*path, name))}"
            for name, below in sorted(tree.items())
        ]
        return (
            f"case when jsonb_typeof({stored}) = 'object' and {stored}->>'__type' is null then (select '{{' || string_agg("
            f"to_json({each}.k)::text || ':' || coalesce(case {each}.k {' '.join(cases)} end, {each}.v::text), ',') || '}}'"
            f" from jsonb_each({stored}) {each}(k, v)) end"
        )

    def _under(self, where: tuple[str, str], value: str, tree: Tree, path: Path) -> str:
        """What stands under a key of an Object: a pointer, an array of them, or an Object that holds some."""
        inside = f" else {self._inside(where, value, tree, path)}" if tree else ""
        return (
            f"case when {value}->>'__type' = 'Pointer' then {self._named(where, value, tree, path)}"
            f" when jsonb_typeof({value}) = 'array' then {self._many(where, value, tree, path)}{inside} end"
        )

    def _named(self, where: tuple[str, str], value: str, tree: Tree, path: Path) -> str:
        """The object that a pointer names whose class is not in the schema."""
        self.untyped.add(where)
        object_id = f"({value}->>'objectId')"
        cases = [
            f"when {literal(target)} then {self._one(target, object_id, tree, path)}"
            for target in sorted(_met.get(where, ()))
            if self.registry.has(target)
        ]
        mark = f"chr({ord(MARK)}) || ({value}->>'className') || chr({ord(MARK)}) || {value}::text"
        otherwise = mark if self.marks else "null"
        return f"case {value}->>'className' {' '.join(cases)} else {otherwise} end" if cases else otherwise

    def _element(self) -> str:
        self.count += 1
        if self.count > _MOST_INCLUDES:
            raise ParseError(ErrorCode.INVALID_QUERY, f"Too many includes: at most {_MOST_INCLUDES} may be asked for.")
        return f"e{self.count}"

    def learn(self, texts: list[str]) -> bool:
        """Remembers the classes that the answers mark; True if there was a mark: the answers are then no JSON yet."""
        classes = {name for text in texts if MARK in text for name in text.split(MARK)[1::2]}
        known = frozenset(name for name in classes if self.registry.has(name))
        for where in self.untyped:
            _met[where] = _met.get(where, frozenset()) | known
        return bool(classes)


def include_tree(query: Query, schema: ClassSchema) -> Tree:
    """What the query includes, as a tree; `*` means every pointer and array of the class itself."""
    tree: Tree = {}
    for path in query.include:
        below = tree
        for name in path:
            below = below.setdefault(name, {})
    if query.include_all:
        for name, kind in schema.fields.items():
            if kind.type in ("Pointer", "Array"):
                tree.setdefault(name, {})
    return tree


def _only(query: Query, path: Path) -> frozenset[str] | None:
    # An included object is shown whole unless a key names something inside it.
    if query.keys is None:
        return None
    depth = len(path)
    paths = (tuple(key.split(".")) for key in query.keys)
    names = frozenset(key[depth] for key in paths if len(key) > depth and key[:depth] == path)
    return names if names or not path else None


def _without(query: Query, path: Path) -> frozenset[str]:
    depth = len(path)
    paths = (tuple(key.split(".")) for key in query.exclude_keys)
    return frozenset(key[depth] for key in paths if len(key) == depth + 1 and key[:depth] == path and key[depth] not in ALWAYS)


def forget() -> None:
    """Drops what is remembered of arrays, as a new process would."""
    _met.clear()
