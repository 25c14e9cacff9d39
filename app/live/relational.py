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
from app.live.window import Entry


def sub_queries(where: Node) -> list[InQuery | Select]:
    """The nodes of a where that ask about other objects. Raises 102 for those that are not kept."""
    found: list[InQuery | Select] = []
    for node in walk(where):
        if isinstance(node, RelatedTo):
            words = "$relatedTo can't be followed live, as who is in a relation is not in the objects; ask for it with a find."
            raise ParseError(ErrorCode.INVALID_QUERY, words)
        if isinstance(node, InQuery | Select):
            found.append(node)
    return found


class Inner:
    """The atoms of one sub-query."""

    def __init__(self, node: InQuery | Select, schema: ClassSchema, outer: ClassSchema) -> None:
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
        cell = cell_at(self.outer, self.leaf.path)
        values = tuple(sorted((_value(cell, atom) for atom in atoms), key=repr))
        return In(self.leaf.path, values, self.leaf.negated)

    def _add(self, entry: Entry) -> None:
        atom = self.read(entry.image)
        if atom is not None:
            self.atoms[atom] = self.atoms.get(atom, 0) + 1


def _value(cell: Cell, atom: object) -> Frozen:
    """The value that an atom stands for."""
    assert isinstance(atom, str | int | float | bool)
    match cell.kind:
        case Kind.POINTER:
            return frozen_pointer(cell.target_class or "", str(atom))
        case Kind.DATE:
            return FrozenObject((("__type", "Date"), ("iso", str(atom))))
        case Kind.FILE:
            return FrozenObject((("__type", "File"), ("name", str(atom))))
    return atom


def _reader(node: InQuery | Select, schema: ClassSchema, outer: ClassSchema) -> Callable[[Object], Json]:
    if isinstance(node, InQuery):
        return lambda image: image["objectId"]
    inside, outside = cell_at(schema, node.key), cell_at(outer, node.path)
    if inside.kind not in ATOMIC or inside.kind is not outside.kind or inside.target_class != outside.target_class:
        names = f"{'.'.join(node.path)} and {'.'.join(node.key)}"
        words = f"$select can't be followed live between {names}: they must be plain and of one type."
        raise ParseError(ErrorCode.INVALID_QUERY, words)
    return atom_reader_at(inside)
