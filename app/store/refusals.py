"""What a refusal of Postgres means to a caller: asyncpg's errors become a `ParseError`, a sentence and a code.

Owns: `translate_errors`, `translate` and the registry of constraint names, which tables and domains fill. Holds: the text of a
database error never reaches a caller (it may quote the row); only names of columns and classes do. A trigger refuses with
`raise exception using errcode = 'PE142', message = '<a sentence>'`: PE and three digits are a Parse code. Imports errors only.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from app.errors import ErrorCode, ParseError

SENTENCES: dict[str, tuple[ErrorCode, str]] = {}
"""Constraint name -> what to tell the caller; see `register_sentence`."""

DUPLICATE = "A duplicate value for a field with unique values was provided"
UNREACHABLE = "The database cannot be reached just now; try again in a moment."

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection cut off in the middle of an answer
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
)
"""The kinds of error that say the connection, not the statement, is at fault."""

_KEY = re.compile(r'Key \((?P<column>.+?)\)=\(.*\) is (?P<what>not present in|still referenced from) table "(?P<table>.+)"', re.S)


def register_sentence(constraint: str, sentence: str, code: ErrorCode = ErrorCode.VALIDATION_ERROR) -> None:
    """Says what a broken constraint or unique index of this name means: one sentence that tells the caller what to do."""
    SENTENCES[constraint] = (code, sentence)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Database errors raised inside leave as ParseError, the cause chained; everything else passes untouched."""
    try:
        yield
    except (asyncpg.PostgresError, *LOST) as cause:
        raise translate(cause) from cause


@contextmanager
def translate_connecting() -> Iterator[None]:
    """As `translate_errors`, while connecting, where every operating system error means: unreachable."""
    with translate_errors():
        try:
            yield
        except OSError as cause:
            raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, UNREACHABLE) from cause


def translate(cause: Exception) -> ParseError:
    """The ParseError that stands for an error of asyncpg or of the connection's socket."""
    if isinstance(cause, asyncpg.IntegrityConstraintViolationError):
        return _broken_constraint(cause)
    if isinstance(cause, LOST):
        return ParseError(ErrorCode.INTERNAL_SERVER_ERROR, UNREACHABLE)
    state = str(getattr(cause, "sqlstate", None) or "")
    if state.startswith("PE") and state[2:].isdigit():
        return ParseError(_code(int(state[2:])), str(cause))
    return _by_state(state, cause)


def _by_state(state: str, cause: Exception) -> ParseError:
    match state:
        case "P0001":
            return ParseError(ErrorCode.VALIDATION_ERROR, str(cause))
        case "57014":
            return ParseError(ErrorCode.TIMEOUT, "The request took too long and was stopped; narrow the query.")
        case "40001" | "40P01":
            return ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "Another write was in the way; try again.")
        case "2201B":
            return ParseError(ErrorCode.INVALID_QUERY, "bad $regex: Postgres cannot read this pattern")
        case "22021" | "22P05":
            return ParseError(ErrorCode.INVALID_JSON, "A text holds the NUL character, which cannot be stored; remove it.")
        case _ if state.startswith("22"):
            return ParseError(ErrorCode.INCORRECT_TYPE, "A value does not fit the type of its field.")
        case _ if state.startswith("54"):
            return ParseError(ErrorCode.OBJECT_TOO_LARGE, "The request is too large for the database; send less at a time.")
    return ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "Internal server error.")


def _broken_constraint(cause: Exception) -> ParseError:
    constraint = str(getattr(cause, "constraint_name", None) or "")
    if constraint in SENTENCES:
        return ParseError(*SENTENCES[constraint])
    if isinstance(cause, asyncpg.UniqueViolationError):
        return ParseError(ErrorCode.DUPLICATE_VALUE, DUPLICATE)
    if isinstance(cause, asyncpg.NotNullViolationError):
        return ParseError(ErrorCode.VALIDATION_ERROR, f"{getattr(cause, 'column_name', 'a field')} is required")
    if isinstance(cause, asyncpg.ForeignKeyViolationError):
        return ParseError(ErrorCode.VALIDATION_ERROR, _dangling(str(getattr(cause, "detail", ""))))
    table = getattr(cause, "table_name", None)
    return ParseError(ErrorCode.VALIDATION_ERROR, f"{table}: the values break the rule {constraint}.")


def _dangling(detail: str) -> str:
    found = _KEY.search(detail)
    if not found:
        return "A pointer names an object that does not exist."
    if found["what"].startswith("not"):
        return f"{found['column']}: there is no {found['table']} with that objectId"
    return f"This object is still used by {found['table']}; change or delete that first."


def _code(number: int) -> ErrorCode:
    try:
        return ErrorCode(number)
    except ValueError:
        return ErrorCode.VALIDATION_ERROR
