"""Sub-queries in a live where: what the other side finds at present, and who must hear when that changes.

Owns: `Inner`, the atoms (ids, or values under a key) that one sub-query finds for one authority, kept from the node
of the sub-query. Always holds: its atoms are those of the node as it stands in the stream, so an object is judged
against the other side of the same moment; where the atoms have changed, what was judged by them is read anew. May
import core and live.
"""

from collections.abc import Callable, Iterable

from app.core.cells import ATOMIC, Cell, Kind, cell_at
from app.core.match import atom_reader_at
from app.core.nodes import Frozen, FrozenObject, In, InQuery, Node, RelatedTo, Select, frozen_pointer, walk
from app.core.schema import ClassSchema
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from app.live.results.window import Entry

Leaf = InQuery | Select | RelatedTo
"""A condition that other objects decide."""


def sub_queries(where: Node) -> list[Leaf]:
    """The nodes of a where that ask about other objects."""
    return [node for node in walk(where) if isinstance(node, Leaf)]


class Inner:
    """The atoms of one sub-query."""

    def __init__(self, node: Leaf, schema: ClassSchema, outer: ClassSchema) -> None:
        self.atoms: dict[object, int] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called when there are other atoms than before."""
        self.leaf = node
        self.outer = outer
        self.read = _reader(node, schema, outer)
        """The atom of an object that the sub-query finds."""

    def reset(self, entries: Iterable[Entry]) -> None:
        """The result was read anew."""
        before = set(self.atoms)
        self.atoms.clear()
        for entry in entries:
            self._add(entry)
        if self.atoms.keys() != before:
            self.changed()

    def shift(self, out: Iterable[Entry], into: Iterable[Entry]) -> None:
        """Objects went out of the result and came in."""
        before = len(self.atoms)
        gone = [atom for entry in out if (atom := self.read(entry.image)) is not None]
        come = [atom for entry in into if (atom := self.read(entry.image)) is not None]
        if gone == come:
            return
        known = {atom: atom in self.atoms for atom in [*gone, *come]}
        for atom in come:
            self.atoms[atom] = self.atoms.get(atom, 0) + 1
        for atom in gone:
            self.atoms[atom] -= 1
            if not self.atoms[atom]:
                del self.atoms[atom]
        if before != len(self.atoms) or any((atom in self.atoms) is not was for atom, was in known.items()):
            self.changed()

    def literal(self, atoms: Iterable[object]) -> Node:
        """The sub-query's condition with what it finds written out."""
        leaf = self.leaf
        if isinstance(leaf, RelatedTo):
            return In(("objectId",), tuple(sorted(map(str, atoms))))
        cell = cell_at(self.outer, leaf.path)
        target = leaf.query.class_name if isinstance(leaf, InQuery) else cell.target_class
        values = tuple(sorted((_value(cell, target, atom) for atom in atoms), key=repr))
        return In(leaf.path, values, leaf.negated)

    def _add(self, entry: Entry) -> None:
        atom = self.read(entry.image)
        if atom is not None:
            self.atoms[atom] = self.atoms.get(atom, 0) + 1


def _value(cell: Cell, target_class: str | None, atom: object) -> Frozen:
    """The value that an atom stands for."""
    assert isinstance(atom, str | int | float | bool)
    match cell.kind:
        case Kind.POINTER | Kind.ARRAY | Kind.JSON:
            return frozen_pointer(target_class or "", str(atom))
        case Kind.DATE:
            return FrozenObject((("__type", "Date"), ("iso", str(atom))))
        case Kind.FILE:
            return FrozenObject((("__type", "File"), ("name", str(atom))))
    return atom


def _reader(node: Leaf, schema: ClassSchema, outer: ClassSchema) -> Callable[[Object], Json]:
    if not isinstance(node, Select):
        return lambda image: image["objectId"]
    inside, outside = cell_at(schema, node.key), cell_at(outer, node.path)
    if inside.kind not in ATOMIC or inside.kind is not outside.kind or inside.target_class != outside.target_class:
        names = f"{'.'.join(node.path)} and {'.'.join(node.key)}"
        words = f"$select can't be followed live between {names}: they must be plain and of one type."
        raise ParseError(ErrorCode.INVALID_QUERY, words)
    return atom_reader_at(inside)
