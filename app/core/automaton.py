"""Finite automata: regular expression trees that match in linear time.

Owns: the tree that core/regex reads patterns into, and `build`, which makes a deterministic automaton of it before the
first text is seen. Holds: a matcher looks at each character once and allocates nothing per text; a tree whose automaton
would be too big raises TooComplexError instead. Imports the standard library only.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

LAST = 0x10FFFF
Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""A set of characters: inclusive, sorted, disjoint ranges of code points. U+0000 is never in a text."""

EVERYTHING: Ranges = ((1, LAST),)
NEWLINE: Ranges = ((10, 10),)
WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))

MAX_INSTRUCTIONS = 2_000
MAX_STATES = 400
MAX_WORK = 200_000
"""Steps of building; about a tenth of a second, the worst a pattern can cost."""


class TooComplexError(Exception):
    """A tree whose automaton would be too big; the message says in which respect."""


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of a set that is not empty."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place: begin (^) or end ($) of the text (or of a line), at a word's edge (b) or not at one (B)."""

    kind: Literal["^", "$", "b", "B"]


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of the options."""

    options: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The tree `low` to `high` times; None is without end."""

    tree: "Tree"
    low: int
    high: int | None


Tree: TypeAlias = Characters | Assertion | Sequence | Alternatives | Repeat


def union(left: Ranges, right: Ranges) -> Ranges:
    """Both sets as one, sorted and merged."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted((*left, *right)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """All characters that are not in the set."""
    result: list[tuple[int, int]] = []
    start = 1
    for low, high in ranges:
        if low > start:
            result.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        result.append((start, LAST))
    return tuple(result)


# ---- tree to program: a list of instructions that a set of threads walks through


@dataclass(slots=True)
class _Take:
    """Consumes one character of the set."""

    ranges: Ranges


@dataclass(slots=True)
class _Split:
    """Goes to every one of these instructions."""

    targets: tuple[int, ...]


@dataclass(slots=True)
class _Check:
    """Goes on where the assertion holds."""

    kind: str


@dataclass(slots=True)
class _Accept:
    """The text matches."""


_Instruction: TypeAlias = _Take | _Split | _Check | _Accept


class _Program:
    def __init__(self, tree: Tree) -> None:
        self.code: list[_Instruction] = []
        self._add(tree)
        self._emit(_Accept())

    def _emit(self, instruction: _Instruction) -> int:
        if len(self.code) >= MAX_INSTRUCTIONS:
            raise TooComplexError("too long when its repetitions are written out")
        self.code.append(instruction)
        return len(self.code) - 1

    def _add(self, tree: Tree) -> None:
        if isinstance(tree, Characters):
            self._emit(_Take(tree.ranges))
        elif isinstance(tree, Assertion):
            self._emit(_Check(tree.kind))
        elif isinstance(tree, Sequence):
            for part in tree.parts:
                self._add(part)
        elif isinstance(tree, Alternatives):
            self._add_alternatives(tree.options)
        else:
            self._add_repeat(tree)

    def _add_alternatives(self, options: tuple[Tree, ...]) -> None:
        fork = self._emit(_Split(()))
        starts: list[int] = []
        ends: list[int] = []
        for option in options:
            starts.append(len(self.code))
            self._add(option)
            ends.append(self._emit(_Split(())))
        self.code[fork] = _Split(tuple(starts))
        for end in ends:
            self.code[end] = _Split((len(self.code),))

    def _add_repeat(self, repeat: Repeat) -> None:
        for _ in range(repeat.low):
            self._add(repeat.tree)
        if repeat.high is None:
            fork = self._emit(_Split(()))
            self._add(repeat.tree)
            self._emit(_Split((fork,)))
            self.code[fork] = _Split((fork + 1, len(self.code)))
            return
        forks: list[int] = []
        for _ in range(repeat.high - repeat.low):
            forks.append(self._emit(_Split(())))
            self._add(repeat.tree)
        for fork in forks:
            self.code[fork] = _Split((fork + 1, len(self.code)))


# ---- program to automaton


_START, _WORD, _LINE, _OTHER = range(4)
"""What stands before a place: the begin of the text, a word's character, a line's end, anything else."""

_State: TypeAlias = tuple[frozenset[int], int]
"""The instructions where threads wait, and what was read last."""


class _Classes(dict[str, int]):
    """The class of a character; characters of one class are alike to the whole pattern. Filled as texts show them."""

    def __init__(self, edges: list[int]) -> None:
        super().__init__()
        self._edges = edges

    def __missing__(self, character: str) -> int:
        number = bisect_right(self._edges, ord(character)) - 1
        if len(self) > 10_000:
            self.clear()
        self[character] = number
        return number


def build(tree: Tree, *, multiline: bool) -> Callable[[str], bool]:
    """A matcher that tells whether the tree matches anywhere in a text. TooComplexError for what would not stay small."""
    table, ends, classes = _Builder(_Program(tree).code, multiline).tables()

    def matches(text: str) -> bool:
        state = 0
        for character in text:
            state = table[state][classes[character]]
            if state < 0:
                return True
        return ends[state]

    return matches


class _Builder:
    """The subset construction, over classes of characters instead of characters."""

    def __init__(self, code: list[_Instruction], multiline: bool) -> None:
        self._code = code
        self._multiline = multiline
        checks = {instruction.kind for instruction in code if isinstance(instruction, _Check)}
        self._words = bool(checks & {"b", "B"})
        self._lines = multiline and bool(checks & {"^", "$"})
        self._work = 0

    def tables(self) -> tuple[list[list[int]], list[bool], _Classes]:
        """(next state by state and class, -1 for a match; whether a text may end in a state; the classes)."""
        edges = self._edges()
        numbers: dict[_State, int] = {(frozenset({0}), _START): 0}
        waiting = list(numbers)
        table: list[list[int]] = []
        ends: list[bool] = []
        for state in waiting:  # grows while it is walked
            row: list[int] = []
            for edge in edges:
                target = self._step(state, edge)
                if target is not None and target not in numbers:
                    numbers[target] = len(numbers)
                    waiting.append(target)
                row.append(-1 if target is None else numbers[target])
            if len(numbers) > MAX_STATES:
                raise TooComplexError("its automaton has too many states")
            table.append(row)
            ends.append(self._closure(state, None) is None)
        return table, ends, _Classes(edges)

    def _edges(self) -> list[int]:
        """The first character of every class."""
        sets = [instruction.ranges for instruction in self._code if isinstance(instruction, _Take)]
        sets += [WORD] if self._words else []
        sets += [NEWLINE] if self._lines else []
        return sorted({0} | {edge for ranges in set(sets) for low, high in ranges for edge in (low, high + 1)})

    def _step(self, state: _State, code: int) -> _State | None:
        """The state after a character; None once the pattern has matched."""
        reached = self._closure(state, code)
        if reached is None:
            return None
        after = {at + 1 for at in reached if self._takes(at, code)}
        after.add(0)  # a match may begin anywhere
        return frozenset(after), self._kind(code)

    def _takes(self, at: int, code: int) -> bool:
        instruction = self._code[at]
        return isinstance(instruction, _Take) and any(low <= code <= high for low, high in instruction.ranges)

    def _kind(self, code: int) -> int:
        if self._words and any(low <= code <= high for low, high in WORD):
            return _WORD
        return _LINE if self._lines and code == 10 else _OTHER

    def _closure(self, state: _State, code: int | None) -> set[int] | None:
        """All instructions reached before the next character (None: the end) is taken; None for a match."""
        starts, before = state
        stack, seen = list(starts), set(starts)
        while stack:
            at = stack.pop()
            self._work += 1
            instruction = self._code[at]
            if isinstance(instruction, _Accept):
                return None
            targets: tuple[int, ...] = ()
            if isinstance(instruction, _Split):
                targets = instruction.targets
            elif isinstance(instruction, _Check) and self._holds(instruction.kind, before, code):
                targets = (at + 1,)
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    stack.append(target)
        if self._work > MAX_WORK:
            raise TooComplexError("its automaton takes too long to build")
        return seen

    def _holds(self, kind: str, before: int, code: int | None) -> bool:
        if kind == "^":
            return before in (_START, _LINE)
        if kind == "$":
            return code is None or (self._multiline and code == 10)
        edge = (before == _WORD) != (code is not None and self._kind(code) == _WORD)
        return edge == (kind == "b")
