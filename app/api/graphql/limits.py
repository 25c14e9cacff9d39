"""What an operation may ask: size, tokens, depth, aliases and cost, judged before anything is validated or run.

Owns: `Limits`, the look at the text and the look at the document. Holds: the text is looked at first, in one pass that costs less
than parsing, so a hostile one is refused in a few milliseconds; the document is judged with its fragments, each once. Pure; may
import nothing of the project but config.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from app.config import Settings

MOST_TOKENS = 5_000
_MOST_ALIKE = 20
"""How often one selection may name the same field; to look whether they agree costs the square of it."""

_MOST_PAIRS = 50_000
"""How many pairs of fields an operation may have of which validation looks whether they agree."""

_LARGEST = 10**18
"""Any larger number costs as much."""

_GUESSED_ITEMS = 10
"""How many objects a connection is taken to hold that says no number; what it really holds is counted as it is read."""

_TOKEN = re.compile(
    # A string without an end is one too: nothing is looked at twice. Strings and comments end where the parser ends them, or
    # what follows would be hidden from this look.
    r'"""(?:\\"""|(?!""").)*(?:""")?|"(?:[^"\\\n\r]|\\.)*"?|\#[^\n\r]*'
    r"|(?P<open>[{(\[])|(?P<close>[})\]])|(?P<colon>:)|[A-Za-z_0-9.$@!|=&+-]+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one operation may have."""

    characters: int
    depth: int
    aliases: int
    cost: int

    def check_text(self, text: str) -> None:
        """Refuses a text that is too long, nested too deeply, or has too many aliases or tokens, without parsing it."""
        if len(text) > self.characters:
            raise _refused(f"The query has {len(text)} characters; at most {self.characters} are read. Send values as variables.")
        aliases = 0
        inside: list[str] = []
        parentheses = 0
        for tokens, found in enumerate(_TOKEN.finditer(text), 1):
            if found["open"]:
                inside.append(found["open"])
                parentheses += found["open"] == "("
                if len(inside) > 2 * self.depth + 16:
                    raise self._too_deep()
            elif found["close"] and inside:
                parentheses -= inside.pop() == "("
            elif found["colon"] and not parentheses:
                aliases += 1
                if aliases > self.aliases:
                    raise _refused(f"The query has more than {self.aliases} aliases; send several queries.")
            if tokens > MOST_TOKENS:
                raise _refused(f"The query has more than {MOST_TOKENS} tokens; send several queries.")

    def check_document(self, document: DocumentNode, variables: dict[str, object]) -> None:
        """Refuses operations that are too deep or cost too much once their fragments are put in."""
        fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                try:
                    _Weigher(self, fragments, {**_defaults(definition), **variables}).check(definition)
                except RecursionError:
                    raise self._too_deep() from None

    def _too_deep(self) -> GraphQLError:
        return _refused(f"The query is nested deeper than {self.depth} levels; ask for less at once.")


def limits_of(settings: Settings) -> Limits:
    """The limits of this server."""
    return Limits(settings.graphql_characters, settings.graphql_depth, settings.graphql_aliases, settings.graphql_cost)


class _Weigher:
    """Depth, aliases and cost of one operation."""

    def __init__(self, limits: Limits, fragments: dict[str, FragmentDefinitionNode], variables: dict[str, object]) -> None:
        self._limits = limits
        self._fragments = fragments
        self._variables = variables
        self._known: dict[str, tuple[int, int, int]] = {}
        self._open: set[str] = set()
        self._pairs = 0

    def check(self, operation: OperationDefinitionNode) -> None:
        """Raises GraphQLError."""
        limits = self._limits
        depth, cost, aliases = self._weigh(operation.selection_set)
        if depth > limits.depth:
            raise _refused(f"The query has a depth of {depth}; at most {limits.depth} levels are answered. Ask for less at once.")
        if aliases > limits.aliases:
            raise _refused(f"The query has {aliases} aliases; at most {limits.aliases} are answered. Send several queries.")
        if cost > limits.cost:
            raise _refused(
                f"The query may cost {cost} fields; at most {limits.cost} are answered. Ask for fewer objects with `first`."
            )

        self._compare([operation.selection_set], limits.depth)

    def _compare(self, sets: list[SelectionSetNode], depth: int) -> None:
        """Counts the pairs that validation compares: of what one answer merges, wherever it is written."""
        merged: defaultdict[str, list[FieldNode]] = defaultdict(list)
        for each in _flat(sets, self._fragments):
            merged[(each.alias or each.name).value].append(each)
        for alike in merged.values():
            self._pairs += len(alike) ** 2
            if self._pairs > _MOST_PAIRS:
                raise _refused("The query asks for the same fields too often, or for too many; ask once, in several queries.")
            below = [each.selection_set for each in alike if each.selection_set is not None]
            if below and depth:
                self._compare(below, depth - 1)

    def _weigh(self, selections: SelectionSetNode | None) -> tuple[int, int, int]:
        """Levels, fields that may be answered, aliases."""
        depth = cost = aliases = 0
        alike: Counter[str] = Counter()
        for selection in selections.selections if selections else ():
            if isinstance(selection, FieldNode):
                key = (selection.alias or selection.name).value
                alike[key] += 1
                if alike[key] > _MOST_ALIKE:
                    raise _refused(f"One selection asks for {key} more than {_MOST_ALIKE} times; ask once.")
                below, inner, named = self._weigh(selection.selection_set)
                below, inner, named = below + 1, 1 + inner * self._items(selection), named + (selection.alias is not None)
            elif isinstance(selection, FragmentSpreadNode):
                below, inner, named = self._fragment(selection.name.value)
            else:
                below, inner, named = self._weigh(getattr(selection, "selection_set", None))
            depth, cost, aliases = max(depth, below), cost + inner, aliases + named
        return depth, cost, aliases

    def _fragment(self, name: str) -> tuple[int, int, int]:
        known = self._known.get(name)
        if known is not None:
            return known
        fragment = self._fragments.get(name)
        if fragment is None or name in self._open:
            return 0, 0, 0  # validation tells what is wrong with it
        self._open.add(name)
        weight = self._known[name] = self._weigh(fragment.selection_set)
        self._open.discard(name)
        return weight

    def _items(self, field: FieldNode) -> int:
        """How many objects a field may hold: what its `first` or `last` says; a connection that says nothing, a guess."""
        said = [self._number(each.value) for each in field.arguments or () if each.name.value in ("first", "last")]
        numbers = [number for number in said if number is not None]
        if numbers:
            return max(1, *numbers)
        below = [field.selection_set] if field.selection_set else []
        has_edges = any(each.name.value == "edges" for each in _flat(below, self._fragments))
        return _GUESSED_ITEMS if has_edges else 1

    def _number(self, value: object) -> int | None:
        if isinstance(value, IntValueNode):
            return _written(value)
        given = self._variables.get(value.name.value) if isinstance(value, VariableNode) else None
        if isinstance(given, float) and not isfinite(given):
            return None
        return int(min(given, _LARGEST)) if isinstance(given, int | float) else None


def _defaults(operation: OperationDefinitionNode) -> dict[str, object]:
    """The numbers that variables stand for when a request does not give them."""
    given = ((each.variable.name.value, each.default_value) for each in operation.variable_definitions or ())
    return {name: _written(value) for name, value in given if isinstance(value, IntValueNode)}


def _written(number: IntValueNode) -> int:
    """A number as it is written, or a large one: Python reads none of thousands of digits."""
    return int(number.value) if len(number.value) < len(str(_LARGEST)) else _LARGEST


def _flat(sets: Iterable[SelectionSetNode], fragments: dict[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    """The fields of selections as an answer merges them: fragments put in, each once."""
    waiting, seen = list(sets), set[str]()
    while waiting:
        for selection in waiting.pop().selections:
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                waiting.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in seen:
                seen.add(selection.name.value)
                fragment = fragments.get(selection.name.value)
                if fragment is not None:
                    waiting.append(fragment.selection_set)


def asks_for_schema(document: DocumentNode) -> bool:
    """Whether an operation or a fragment asks for the schema itself."""
    sets = [
        each.selection_set for each in document.definitions if isinstance(each, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    return any(node.name.value in ("__schema", "__type") for node in _fields(sets))


def _fields(sets: Iterable[SelectionSetNode]) -> Iterable[FieldNode]:
    waiting = list(sets)
    while waiting:
        for selection in waiting.pop().selections:
            below = getattr(selection, "selection_set", None)
            if below is not None:
                waiting.append(below)
            if isinstance(selection, FieldNode):
                yield selection


def _refused(words: str) -> GraphQLError:
    return GraphQLError(words, extensions={"code": "GRAPHQL_VALIDATION_FAILED"})
