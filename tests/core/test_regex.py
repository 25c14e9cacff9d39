"""Patterns: what they mean, what is refused, and that none can hang."""

import re

import pytest

from app.core.regex import Literal, parse_regex
from app.errors import ErrorCode, ParseError


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("abc", Literal("part", "abc")),
        ("^abc", Literal("prefix", "abc")),
        ("abc$", Literal("suffix", "abc")),
        ("^abc$", Literal("exact", "abc")),
        ("", Literal("part", "")),
        ("^\\Qa.b\\E", Literal("prefix", "a.b")),
        ("\\Qa\\E\\\\E\\Qb\\E", Literal("part", "a\\Eb")),
        ("\\Qnot closed (", Literal("part", "not closed (")),
        ("a\\.b\\/c", Literal("part", "a.b/c")),
        ("\\u00e9\\x41\\u{1f600}", Literal("part", "éA\U0001f600")),
        ("a{b", Literal("part", "a{b")),
    ],
)
def test_plain_text_is_recognised(pattern: str, literal: Literal) -> None:
    assert parse_regex(pattern, "").literal == literal


@pytest.mark.parametrize("pattern", ["a.c", "a|b", "a*", "[ab]", "^a|b$", "\\d", "a{2}", "\\bx"])
def test_what_is_more_than_text_is_not_taken_for_it(pattern: str) -> None:
    assert parse_regex(pattern, "").literal is None


@pytest.mark.parametrize(
    ("pattern", "options", "words"),
    [
        ("(a", "", "a group is not closed"),
        ("a)", "", "an unmatched )"),
        ("[a", "", "a class is not closed"),
        ("[]", "", "a class [] without characters"),
        ("[b-a]", "", "goes backwards"),
        ("[\\d-z]", "", "from one character to another"),
        ("*a", "", "nothing to repeat"),
        ("{2}", "", "nothing to repeat"),
        ("a**", "", "can't be repeated itself"),
        ("^*", "", "can't be repeated"),
        ("a{3,2}", "", "must go upwards"),
        ("a{256}", "", "to 255 at most"),
        ("(?=a)", "", "look-around"),
        ("(?i)a", "", "use $options"),
        ("(a)\\1", "", "\\1 is not supported"),
        ("\\pL", "", "\\p is not supported"),
        ("a\\", "", "is not supported"),
        ("\\u12", "", "code of a character"),
        ("\\u{d800}", "", "no character U+D800"),
        ("a\0", "", "U+0000"),
        ("a+" * 501, "", "longer than 1000 characters"),
        ("((((a{50}){50}){50}){50})", "", "too complex"),
        ("(a|b)*a(a|b){20}$", "", "too complex"),
        ("(" * 51 + ")" * 51, "", "nested too deeply"),
        ("a", "ig", "Bad $options value for query: ig"),
    ],
)
def test_refuses_what_is_wrong_or_unsafe(pattern: str, options: str, words: str) -> None:
    with pytest.raises(ParseError) as refusal:
        parse_regex(pattern, options)
    assert refusal.value.code == ErrorCode.INVALID_QUERY
    assert words in refusal.value.message


TEXTS = ["", "a", "b", "ab", "aab", "abab", "ba", "a-b", "A", "x1y22", "foo bar", "foo", " bar", "aaa\nb", "_", "é"]


@pytest.mark.parametrize(
    "pattern",
    ["a*b", "^a+$", "(ab)+", "(ab){2}", "a?b", "[^ab]", "[a-z]\\d+", "^(a|b)*$", "\\bfoo\\b", "\\Bo", "o\\b.b", "^$", "(|a)b$",
     "a{1,2}b", "a{2,}", "\\w\\W", "\\s\\S", "[\\d\\s]", "^.$", "(?:a|ab)(?:b|)$", "x*", "[a\\-b]-", "a+?b*?$"],
)  # fmt: skip
def test_agrees_with_python_where_both_mean_the_same(pattern: str) -> None:
    ours = parse_regex(pattern, "").matcher
    theirs = re.compile(pattern.replace("$", "\\Z"), re.ASCII)
    assert [ours(text) for text in TEXTS] == [theirs.search(text) is not None for text in TEXTS]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){10}b"])
def test_patterns_that_make_other_engines_hang_take_one_look_at_each_character(pattern: str) -> None:
    looks = 0

    class Counted(str):
        def __iter__(self):  # type: ignore[no-untyped-def]  # a generator of characters
            nonlocal looks
            for character in str.__iter__(self):
                looks += 1
                yield character

    text = Counted("a" * 20_000 + "!")
    parse_regex(pattern, "").matcher(text)
    assert looks <= len(text)


def test_case_is_folded_in_classes_and_ranges_too() -> None:
    matches = parse_regex("^[a-c][^x]\\Qß\\E$", "i").matcher
    assert [matches(text) for text in ("Bzß", "Bz\u1e9e", "BXß", "Dzß")] == [True, True, False, False]


def test_the_form_for_postgres_holds_explicit_characters_only() -> None:
    assert parse_regex("a.\\d[^-z]é", "i").postgres == "[Aa][^\\u000A][0-9][^\\u002DZz][\\u00C9\\u00E9]"
