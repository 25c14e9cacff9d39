"""The regular expressions of queries: a safe subset, read once and meant alike in memory and in Postgres.

Owns: the parser of patterns (JavaScript's syntax with \\Q..\\E quoting and the options i m s u x), the form Postgres gets
(only explicit characters, classes and operators, so that no collation or default of its dialect has a say), and
`matcher`. Holds: matching takes time linear in the text, whatever the pattern; a pattern without special meaning is
plain text search. Back-references, look-around and patterns whose automaton grows too big are refused with 102. Case
is folded character by character, for all of Unicode. Imports automaton and the error codes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal as OneOf

from app.core.automaton import (
    EVERYTHING,
    NEWLINE,
    WORD,
    Alternatives,
    Assertion,
    Characters,
    Ranges,
    Repeat,
    Sequence,
    TooComplexError,
    Tree,
    build,
    complement,
    union,
)
from app.errors import ErrorCode, ParseError

MAX_PATTERN = 1_000
"""Characters of a pattern that is more than plain text."""

MAX_REPEAT = 255
"""Postgres' bound for {n,m}."""

DIGIT: Ranges = ((48, 57),)
SPACE: Ranges = (
    (9, 13), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F),
    (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip

_CLASS_ESCAPES = {
    "d": DIGIT, "D": complement(DIGIT), "w": WORD, "W": complement(WORD), "s": SPACE, "S": complement(SPACE),
}  # fmt: skip
_CONTROL_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Literal:
    """A pattern that means plain text: the whole text, its beginning, its end or some part of it."""

    kind: OneOf["exact", "prefix", "suffix", "part"]
    text: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was understood: `postgres` for its `~`, `matcher` for memory, `literal` where plain text does."""

    literal: Literal | None
    postgres: str
    matcher: Callable[[str], bool]


def refused(reason: str) -> ParseError:
    """What a pattern is refused with."""
    return ParseError(ErrorCode.INVALID_QUERY, f"Bad $regex: {reason}.")


@lru_cache(maxsize=1024)
def parse_regex(pattern: str, options: str) -> Pattern:
    """A pattern and its options, checked. ParseError 102 with the reason for what is not understood or not safe."""
    if not set(options) <= set("imsux"):
        raise refused_options(options)
    if "\0" in pattern:
        raise refused("the character U+0000 can't be stored, so nothing can match it")
    multiline = "m" in options
    parser = _Parser(pattern, options)
    tree = parser.whole()
    literal = None if multiline else _literal(tree)
    if literal is not None:
        return Pattern(literal, _postgres(tree, multiline), _plain_matcher(literal))
    if len(pattern) > MAX_PATTERN:
        raise refused(f"it is longer than {MAX_PATTERN} characters")
    try:
        matcher = build(tree, multiline=multiline)
    except TooComplexError as error:
        raise refused(f"it is too complex to match safely ({error}); use fewer or smaller repetitions") from error
    return Pattern(None, _postgres(tree, multiline), matcher)


def refused_options(options: str) -> ParseError:
    """Parse's words for options that are none."""
    return ParseError(ErrorCode.INVALID_QUERY, f"Bad $options value for query: {options}")


def _literal(tree: Tree) -> Literal | None:
    """The plain text a tree means, if it means one."""
    parts = list(tree.parts) if isinstance(tree, Sequence) else [tree]
    starts = bool(parts) and parts[0] == Assertion("^")
    parts = parts[1:] if starts else parts
    ends = bool(parts) and parts[-1] == Assertion("$")
    parts = parts[:-1] if ends else parts
    text: list[str] = []
    for part in parts:
        if not isinstance(part, Characters) or len(part.ranges) != 1 or part.ranges[0][0] != part.ranges[0][1]:
            return None
        text.append(chr(part.ranges[0][0]))
    kinds: dict[tuple[bool, bool], OneOf["exact", "prefix", "suffix", "part"]] = {
        (True, True): "exact", (True, False): "prefix", (False, True): "suffix", (False, False): "part",
    }  # fmt: skip
    return Literal(kinds[starts, ends], "".join(text))


def _plain_matcher(literal: Literal) -> Callable[[str], bool]:
    wanted = literal.text
    if literal.kind == "exact":
        return wanted.__eq__
    if literal.kind == "prefix":
        return lambda text: text.startswith(wanted)
    if literal.kind == "suffix":
        return lambda text: text.endswith(wanted)
    return lambda text: wanted in text


# ---- reading


class _Parser:
    """One pass over a pattern: alternatives of sequences of quantified atoms."""

    def __init__(self, pattern: str, options: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0
        self._quoting = False
        self._fold = "i" in options
        self._any = EVERYTHING if "s" in options else complement(NEWLINE)
        self._extended = "x" in options

    def whole(self) -> Tree:
        """The whole pattern."""
        tree = self._alternatives()
        if self._at < len(self._text):
            raise refused("an unmatched ) stands in it")
        return tree

    def _peek(self, ahead: int = 0) -> str:
        """The next character, "" at the end."""
        return self._text[self._at + ahead : self._at + ahead + 1]

    def _skip(self, text: str) -> bool:
        """Goes past `text` if it is next."""
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _alternatives(self) -> Tree:
        options = [self._sequence()]
        while not self._quoting and self._skip("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Alternatives(tuple(options))

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while True:
            self._pass_quotes_and_blanks()
            next_one = self._peek()
            if not next_one or (not self._quoting and next_one in "|)"):
                return parts[0] if len(parts) == 1 else Sequence(tuple(parts))
            atom = self._atom()
            parts.append(atom if self._quoting else self._quantified(atom))

    def _pass_quotes_and_blanks(self) -> None:
        while self._pass_quote() or self._pass_blank():
            pass

    def _pass_quote(self) -> bool:
        """\\Q and \\E switch quoting on and off; an \\E outside of quotes has no effect."""
        if self._skip("\\E"):
            self._quoting = False
            return True
        if not self._quoting and self._skip("\\Q"):
            self._quoting = True
            return True
        return False

    def _pass_blank(self) -> bool:
        """Under the option x, white space and comments outside of quotes and classes say nothing."""
        if not self._extended or self._quoting or not self._peek():
            return False
        if self._peek() == "#":
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end + 1
            return True
        if self._peek().isspace():
            self._at += 1
            return True
        return False

    def _atom(self) -> Tree:
        character = self._peek()
        self._at += 1
        if self._quoting:
            return self._characters(_one(character))
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character in "^$":
            return Assertion("^" if character == "^" else "$")
        if character == ".":
            return Characters(self._any)
        if character in "*+?" or (character == "{" and self._braces(self._at - 1) is not None):
            raise refused(f"there is nothing to repeat before {character}")
        return self._characters(_one(character))

    def _characters(self, ranges: Ranges) -> Characters:
        return Characters(_folded(ranges) if self._fold else ranges)

    def _group(self) -> Tree:
        if self._peek() == "?" and not self._skip("?:"):
            raise refused("look-around, named groups and inline options are not supported; use $options")
        self._depth += 1
        if self._depth > 50:
            raise refused("its groups are nested too deeply")
        tree = self._alternatives()
        if self._quoting or not self._skip(")"):
            raise refused("a group is not closed with )")
        self._depth -= 1
        return tree

    def _escape(self) -> Tree:
        character = self._peek()
        if character in ("b", "B"):
            self._at += 1
            return Assertion("b" if character == "b" else "B")
        return self._characters(self._escaped())

    def _escaped(self) -> Ranges:
        """What a backslash makes of the next character, inside and outside of classes."""
        character = self._peek()
        self._at += 1
        if character in _CLASS_ESCAPES:
            return _CLASS_ESCAPES[character]
        if character in _CONTROL_ESCAPES:
            return _one(_CONTROL_ESCAPES[character])
        if character in ("x", "u"):
            return _one(self._code_point(4 if character == "u" else 2))
        if not character or character.isalnum():
            raise refused(f"\\{character} is not supported")
        return _one(character)

    def _code_point(self, digits: int) -> str:
        """The character of \\xHH, \\uHHHH or \\u{H...}."""
        if digits == 4 and self._skip("{"):
            end = self._text.find("}", self._at)
            digits, closing = end - self._at, 1
        else:
            closing = 0
        code = self._text[self._at : self._at + max(digits, 0)]
        self._at += digits + closing
        if len(code) != digits or not 0 < digits <= 6 or not all(digit in "0123456789abcdefABCDEF" for digit in code):
            raise refused("a \\x or \\u is not followed by the code of a character")
        number = int(code, 16)
        if not 0 < number < 0xD800 and not 0xDFFF < number <= 0x10FFFF:
            raise refused(f"there is no character U+{number:04X}")
        return chr(number)

    def _class(self) -> Tree:
        negated = self._skip("^")
        ranges: Ranges = ()
        while not self._skip("]"):
            ranges = union(ranges, self._class_item())
        if self._fold:
            ranges = _folded(ranges)
        if negated:
            ranges = complement(ranges)
        if not ranges:
            raise refused("a class [] without characters matches nothing")
        return Characters(ranges)

    def _class_item(self) -> Ranges:
        low = self._class_character()
        if self._peek() != "-" or self._peek(1) in ("]", ""):
            return low
        self._at += 1
        high = self._class_character()
        if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
            raise refused("a range in a class must go from one character to another")
        if low[0][0] > high[0][0]:
            raise refused("a range in a class goes backwards")
        return ((low[0][0], high[0][0]),)

    def _class_character(self) -> Ranges:
        character = self._peek()
        if not character:
            raise refused("a class is not closed with ]")
        self._at += 1
        return self._escaped() if character == "\\" else _one(character)

    def _quantified(self, atom: Tree) -> Tree:
        if self._extended:
            self._pass_quotes_and_blanks()
        bounds = self._quantifier()
        if bounds is None:
            return atom
        if isinstance(atom, Assertion):
            raise refused("^, $ and \\b can't be repeated")
        self._skip("?")  # a lazy quantifier finds the same texts as a greedy one
        if self._quantifier() is not None:
            raise refused("a repetition can't be repeated itself; use a group")
        return Repeat(atom, *bounds)

    def _quantifier(self) -> tuple[int, int | None] | None:
        if self._quoting:
            return None
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._skip(sign):
                return bounds
        braces = self._braces(self._at)
        if braces is None:
            return None
        self._at, low, high = braces
        if low > MAX_REPEAT or (high is not None and (high > MAX_REPEAT or high < low)):
            raise refused(f"{{n,m}} must go upwards and to {MAX_REPEAT} at most")
        return low, high

    def _braces(self, at: int) -> tuple[int, int, int | None] | None:
        """(end, low, high) of a {n}, {n,} or {n,m} at this place; without its form a brace is a plain character."""
        end = self._text.find("}", at)
        if not self._text.startswith("{", at) or end < 0:
            return None
        low, comma, high = self._text[at + 1 : end].partition(",")
        if not _is_number(low) or (high and not _is_number(high)):
            return None
        if not comma:
            return end + 1, int(low), int(low)
        return end + 1, int(low), int(high) if high else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9


def _one(character: str) -> Ranges:
    return ((ord(character), ord(character)),)


# ---- case


@lru_cache(maxsize=1)
def _cases() -> dict[int, tuple[int, ...]]:
    """Every cased character with all characters that differ from it in case only."""
    groups: dict[str, list[int]] = {}
    for code in range(1, 0x1F000):
        character = chr(code)
        if character.lower() != character or character.upper() != character:
            groups.setdefault(_case_key(character), []).append(code)
    return {code: tuple(group) for group in groups.values() if len(group) > 1 for code in group}


def _case_key(character: str) -> str:
    upper = character.upper()
    lower = (upper if len(upper) == 1 else character).lower()
    return lower if len(lower) == 1 else character


def _folded(ranges: Ranges) -> Ranges:
    """The ranges with the other cases of their characters."""
    cases = _cases()
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return union((), tuple((code, code) for code in cases.get(ranges[0][0], (ranges[0][0],))))
    more = [group for code, group in cases.items() if any(low <= code <= high for low, high in ranges)]
    return union(ranges, tuple((code, code) for group in more for code in group))


# ---- for Postgres


def _postgres(tree: Tree, multiline: bool) -> str:
    """An advanced regular expression for `~`; (?w) lets ^ and $ match at line ends, as the option m asks."""
    return ("(?w)" if multiline else "") + _emit(tree)


def _emit(tree: Tree) -> str:
    if isinstance(tree, Characters):
        return _emit_characters(tree.ranges)
    if isinstance(tree, Assertion):
        return {"^": "^", "$": "$", "b": "\\y", "B": "\\Y"}[tree.kind]
    if isinstance(tree, Sequence):
        return "".join(_emit_part(part) for part in tree.parts)
    if isinstance(tree, Alternatives):
        return "|".join(_emit(option) for option in tree.options)
    return f"(?:{_emit(tree.tree)}){_emit_bounds(tree)}"


def _emit_part(part: Tree) -> str:
    return f"(?:{_emit(part)})" if isinstance(part, Alternatives) else _emit(part)


def _emit_bounds(repeat: Repeat) -> str:
    high = "" if repeat.high is None else repeat.high
    return f"{{{repeat.low},{high}}}"


def _emit_characters(ranges: Ranges) -> str:
    negated = ranges[0][0] <= 1 and ranges != EVERYTHING
    shown = complement(ranges) if negated else ranges
    if len(shown) == 1 and shown[0][0] == shown[0][1] and not negated:
        return _emit_code(shown[0][0])
    inner = "".join(_emit_code(low) + (f"-{_emit_code(high)}" if high > low else "") for low, high in shown)
    return f"[{'^' if negated else ''}{inner}]"


def _emit_code(code: int) -> str:
    character = chr(code)
    if character.isascii() and character.isalnum():
        return character
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
