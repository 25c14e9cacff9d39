"""The expressions of an aggregate pipeline as SQL over documents.

Owns: what may stand behind a field of `$group`, `$project` and `$addFields` (paths, literals, arithmetic, texts, dates,
conditions), the accumulators, and the SQL functions they call (`PIPELINE_DDL`, run at migrate). Holds: a document is one
jsonb `d` in the form of the wire, and every expression is a jsonb that is null where its value is missing; values and names
of the sender travel as arguments only; what is unknown is refused with 102. Learnt from MongoDB's manual. May import core.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from app.core.columns import json_text
from app.core.wire import Json
from app.errors import ErrorCode, ParseError

PIPELINE_DDL: Final = r"""
create schema if not exists careboard;

-- The number a value is; null for anything else.
create or replace function careboard.number_of(value jsonb) returns float8
language sql immutable parallel safe as $fn$
    select case when jsonb_typeof(value) = 'number' then (value #>> '{}')::float8 end
$fn$;

-- The text a value is; null for anything else.
create or replace function careboard.text_of(value jsonb) returns text
language sql immutable parallel safe as $fn$
    select case when jsonb_typeof(value) = 'string' then value #>> '{}' end
$fn$;

-- The moment a Date is, or the text that createdAt and updatedAt are, in UTC; null for anything else.
create or replace function careboard.moment_of(value jsonb) returns timestamp
language sql immutable parallel safe as $fn$
    select case when shown ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$' then left(shown, length(shown) - 1)::timestamp end
    from (select coalesce(value ->> 'iso', value #>> '{}') as shown) given
$fn$;

-- What objects are put together by: the id a pointer holds, and any other value as it is.
create or replace function careboard.group_key(value jsonb) returns jsonb
language sql immutable parallel safe as $fn$
    select case when value ->> '__type' = 'Pointer' then value -> 'objectId' else value end
$fn$;

-- Whether a value counts as true in a condition.
create or replace function careboard.is_true(value jsonb) returns boolean
language sql immutable parallel safe as $fn$
    select coalesce(value not in ('null', 'false', '0'), false)
$fn$;
"""

MOST_PARTS: Final = 1_000
"""Expressions within one pipeline."""

MOST_LEVELS: Final = 20
"""Expressions within each other."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
COLUMN_NAMES: Final = {"_id": "objectId", "_created_at": "createdAt", "_updated_at": "updatedAt"}
"""The names of MongoDB's columns, which pipelines written for Parse Server use."""

_DATE_PARTS: Final = {
    "$year": "year", "$month": "month", "$dayOfMonth": "day", "$dayOfYear": "doy", "$hour": "hour", "$minute": "minute",
    "$isoWeek": "week", "$isoWeekYear": "isoyear", "$isoDayOfWeek": "isodow",
}  # fmt: skip
_SIGNS: Final = {"$eq": "=", "$ne": "<>", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_ARITHMETIC: Final = {"$add": " + ", "$multiply": " * "}
_ROUNDED: Final = {"$abs": "abs", "$ceil": "ceil", "$floor": "floor", "$trunc": "trunc", "$sqrt": "sqrt"}
_CASES: Final = {"$toLower": "lower", "$toUpper": "upper"}


def refused(words: str) -> ParseError:
    """102, in one sentence."""
    return ParseError(ErrorCode.INVALID_QUERY, words)


def field_name(name: str) -> str:
    """A name that a pipeline gives or asks for, as documents have it. 102 for what can be none."""
    name = COLUMN_NAMES.get(name, name)
    if not _NAME.fullmatch(name):
        raise refused(f"Invalid field name in a pipeline: {name}.")
    return name


def field_path(path: str) -> list[str]:
    """The steps of "sender.group" as documents have them."""
    first, *rest = path.split(".")
    steps = [field_name(first), *rest]
    if not all(_NAME.fullmatch(step) or step.isdigit() for step in steps):
        raise refused(f"Invalid field path in a pipeline: {path}.")
    return steps


class Expressions:
    """The expressions of one pipeline; they append to `arguments`."""

    def __init__(self, arguments: list[object]) -> None:
        self._arguments = arguments
        self._parts = 0
        self._levels = 0

    def bind(self, value: object, cast: str) -> str:
        """A place for an argument."""
        self._arguments.append(value)
        return f"${len(self._arguments)}::{cast}"

    def at(self, steps: list[str]) -> str:
        """The value at a path of the document; JSON's null counts as missing."""
        return f"nullif(d #> {self.bind(steps, 'text[]')}, 'null')"

    def value(self, raw: Json) -> str:
        """Any expression, as a jsonb."""
        self._parts += 1
        self._levels += 1
        if self._parts > MOST_PARTS or self._levels > MOST_LEVELS:
            raise refused(f"A pipeline holds at most {MOST_PARTS} expressions, {MOST_LEVELS} within each other.")
        try:
            return self._value(raw)
        finally:
            self._levels -= 1

    def _value(self, raw: Json) -> str:
        if isinstance(raw, str) and raw.startswith("$"):
            return self.at(field_path(raw[1:]))
        if isinstance(raw, list):
            parts = ", ".join(f"coalesce({self.value(item)}, 'null')" for item in raw)
            return f"jsonb_build_array({parts})"
        if not isinstance(raw, dict):
            return self._literal(raw)
        if not any(key.startswith("$") for key in raw):
            return self.object({field_name(name): self.value(item) for name, item in raw.items()})
        if len(raw) != 1:
            raise refused(f"An expression has one operator; this one has {', '.join(sorted(raw))}.")
        ((operator, operand),) = raw.items()
        return self._operated(operator, operand)

    def object(self, members: Mapping[str, str]) -> str:
        """An object of finished expressions, without those that are missing."""
        if not members:
            return "'{}'::jsonb"
        pairs = ", ".join(f"({self.bind(name, 'text')}, {value})" for name, value in members.items())
        return f"(select coalesce(jsonb_object_agg(k, v) filter (where v is not null), '{{}}') from (values {pairs}) made(k, v))"

    def _literal(self, raw: Json) -> str:
        return "null::jsonb" if raw is None else self.bind(json_text(raw), "jsonb")

    def _operated(self, operator: str, operand: Json) -> str:
        if operator == "$literal":
            return self._literal(operand)
        if operator in _DATE_PARTS:
            return f"to_jsonb(extract({_DATE_PARTS[operator]} from {self._moment(operand)})::int8)"
        if operator in _SIGNS:
            left, right = self._listed(operator, operand, 2)
            return self._compared(operator, left, right)
        if operator in _ARITHMETIC:
            return f"to_jsonb({_ARITHMETIC[operator].join(self._numbers(operator, operand))})"
        if operator in _ROUNDED:
            return f"to_jsonb({_ROUNDED[operator]}({self._number(self._single(operand))}))"
        if operator in _CASES:
            return f"to_jsonb({_CASES[operator]}(careboard.text_of({self.value(self._single(operand))})))"
        build = self._OPERATORS.get(operator)
        if build is None:
            known = sorted(["$literal", *_DATE_PARTS, *_SIGNS, *_ARITHMETIC, *_ROUNDED, *_CASES, *self._OPERATORS])
            raise refused(f"{operator} is no expression here; there are {', '.join(known)}.")
        return build(self, operator, operand)

    def _moment(self, operand: Json) -> str:
        given = operand.get("date") if isinstance(operand, dict) and operand.keys() == {"date"} else operand
        return f"careboard.moment_of({self.value(self._single(given))})"

    def _number(self, raw: Json) -> str:
        return f"careboard.number_of({self.value(raw)})"

    def _single(self, operand: Json) -> Json:
        """MongoDB takes `["$a"]` for `"$a"` where an operator has one operand."""
        return operand[0] if isinstance(operand, list) and len(operand) == 1 else operand

    def _listed(self, operator: str, operand: Json, size: int) -> list[Json]:
        if not isinstance(operand, list) or len(operand) != size:
            raise refused(f"{operator} takes a list of {size} expressions.")
        return operand

    def _numbers(self, operator: str, operand: Json) -> list[str]:
        if not isinstance(operand, list) or not operand:
            raise refused(f"{operator} takes a list of expressions.")
        return [self._number(item) for item in operand]

    def _compared(self, operator: str, left: Json, right: Json) -> str:
        """By code point where texts are ordered, as everywhere; jsonb's own order would be the database's collation."""
        one, two = (f"coalesce({self.value(side)}, 'null')" for side in (left, right))
        sign = _SIGNS[operator]
        if operator in ("$eq", "$ne"):
            return f"to_jsonb({one} {sign} {two})"
        are_texts = "jsonb_typeof(one) = 'string' and jsonb_typeof(two) = 'string'"
        texts = f"""(one #>> '{{}}') collate "C" {sign} (two #>> '{{}}')"""
        ordered = f"to_jsonb(case when {are_texts} then {texts} else one {sign} two end)"
        return f"(select {ordered} from (select {one} as one, {two} as two) sides)"

    def _subtract(self, operator: str, operand: Json) -> str:
        left, right = self._listed(operator, operand, 2)
        return f"to_jsonb({self._number(left)} - {self._number(right)})"

    def _divide(self, operator: str, operand: Json) -> str:
        """A division by zero has no value."""
        left, right = self._listed(operator, operand, 2)
        return f"to_jsonb({self._number(left)} / nullif({self._number(right)}, 0))"

    def _mod(self, operator: str, operand: Json) -> str:
        left, right = self._listed(operator, operand, 2)
        return f"to_jsonb(mod({self._number(left)}::numeric, nullif({self._number(right)}, 0)::numeric)::float8)"

    def _round(self, operator: str, operand: Json) -> str:
        items = operand if isinstance(operand, list) else [operand]
        places = items[1] if len(items) == 2 else 0
        if len(items) not in (1, 2) or not isinstance(places, int) or not -20 <= places <= 100:
            raise refused("$round takes an expression, and how many places to keep.")
        return f"to_jsonb(round({self._number(items[0])}::numeric, {int(places)})::float8)"

    def _concat(self, operator: str, operand: Json) -> str:
        if not isinstance(operand, list) or not operand:
            raise refused(f"{operator} takes a list of expressions.")
        return f"to_jsonb({' || '.join(f'careboard.text_of({self.value(item)})' for item in operand)})"

    def _if_null(self, operator: str, operand: Json) -> str:
        if not isinstance(operand, list) or len(operand) < 2:
            raise refused("$ifNull takes a list of expressions.")
        return f"coalesce({', '.join(self.value(item) for item in operand)})"

    def _cond(self, operator: str, operand: Json) -> str:
        if isinstance(operand, dict) and operand.keys() == {"if", "then", "else"}:
            operand = [operand["if"], operand["then"], operand["else"]]
        test, then, other = self._listed(operator, operand, 3)
        return f"case when {self._truth(test)} then {self.value(then)} else {self.value(other)} end"

    def _truth(self, raw: Json) -> str:
        return f"careboard.is_true({self.value(raw)})"

    def _logic(self, operator: str, operand: Json) -> str:
        if not isinstance(operand, list) or not operand:
            raise refused(f"{operator} takes a list of expressions.")
        return f"to_jsonb({f' {operator[1:]} '.join(self._truth(item) for item in operand)})"

    def _not(self, operator: str, operand: Json) -> str:
        return f"to_jsonb(not {self._truth(self._single(operand))})"

    def _size(self, operator: str, operand: Json) -> str:
        value = self.value(self._single(operand))
        return f"(select case jsonb_typeof(v) when 'array' then to_jsonb(jsonb_array_length(v)) end from (select {value} as v) l)"

    def _second(self, operator: str, operand: Json) -> str:
        return f"to_jsonb(floor(extract(second from {self._moment(operand)}))::int8)"

    def _millisecond(self, operator: str, operand: Json) -> str:
        return f"to_jsonb(mod(extract(milliseconds from {self._moment(operand)})::int8, 1000))"

    def _day_of_week(self, operator: str, operand: Json) -> str:
        """From 1 for Sunday."""
        return f"to_jsonb(extract(dow from {self._moment(operand)})::int8 + 1)"

    _OPERATORS: Final[Mapping[str, Callable[["Expressions", str, Json], str]]] = {
        "$subtract": _subtract,
        "$divide": _divide,
        "$mod": _mod,
        "$round": _round,
        "$concat": _concat,
        "$ifNull": _if_null,
        "$cond": _cond,
        "$and": _logic,
        "$or": _logic,
        "$not": _not,
        "$size": _size,
        "$second": _second,
        "$millisecond": _millisecond,
        "$dayOfWeek": _day_of_week,
    }

    # ---- of a group

    def accumulated(self, raw: Json, name: str) -> str:
        """What a field of `$group` gathers from the documents of one group, in their order `n`."""
        if not isinstance(raw, dict) or len(raw) != 1:
            raise refused(f'$group: {name} takes one accumulator, such as {{"$sum": "$price"}}.')
        ((operator, operand),) = raw.items()
        if operator == "$count":
            return "to_jsonb(count(*))"
        gather = _ACCUMULATORS.get(operator)
        if gather is None:
            known = ", ".join(sorted([*_ACCUMULATORS, "$count"]))
            raise refused(f"{operator} is no accumulator here; there are {known}.")
        return gather(self.value(operand))


def _least(value: str, direction: str) -> str:
    """The first or last in the order of jsonb, texts by code point."""
    keys = f"""careboard.number_of({value}) {direction}, ({value} #>> '{{}}') collate "C" {direction}"""
    return f"(array_agg({value} order by {keys}) filter (where {value} is not null))[1]"


_ACCUMULATORS: Final[Mapping[str, Callable[[str], str]]] = {
    "$sum": lambda value: f"to_jsonb(coalesce(sum(careboard.number_of({value})), 0))",
    "$avg": lambda value: f"to_jsonb(avg(careboard.number_of({value})))",
    "$min": lambda value: _least(value, "asc"),
    "$max": lambda value: _least(value, "desc nulls last"),
    "$first": lambda value: f"(array_agg({value} order by n))[1]",
    "$last": lambda value: f"(array_agg({value} order by n desc))[1]",
    "$push": lambda value: f"coalesce(jsonb_agg({value} order by n) filter (where {value} is not null), '[]')",
    "$addToSet": lambda value: f"coalesce(jsonb_agg(distinct {value}) filter (where {value} is not null), '[]')",
}
