"""What a domain registers, and the two kinds of table its rules are written in: who may do what, and which state follows
which.

Owns: `Domain`, `Grant` (role x class x operation x fields), `StateMachine` (from, to, roles, guards) and the pure checks that
read them. Holds: the same table answers a write, a form, the published `/states/<Class>` and the class level permissions, so
they cannot disagree; every refusal is a sentence that names what is allowed instead. Nothing here touches the database. May
import core, store, actions, live.boards.board.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Final, Literal

from app.actions.hooks import Hooks
from app.actions.objects import Objects
from app.actions.ticker import Tick
from app.actions.users import Users
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from app.live.boards.board import Board
from app.store.tables import ParseTable

Operation = Literal["read", "create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Through:
    """A write is the caller's own when the object that `pointer` names (of `class_name`) names the caller in `owner`."""

    pointer: str
    class_name: str
    owner: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One role may do one operation on one class.

    `fields` None means every field that the server does not compute itself. `signed` is a field that must name the caller.
    Which rows may be read or written is told by the ACL of the row; `through` stands in for it on create, where there is no
    row yet.
    """

    role: str
    class_name: str
    operation: Operation
    fields: frozenset[str] | None = None
    signed: str | None = None
    through: Through | None = None


@dataclass(frozen=True, slots=True)
class Grants:
    """The matrix of a domain. `derived` are the fields the server computes, by class; `advice` is the way out told with a
    refusal."""

    rows: tuple[Grant, ...]
    derived: Mapping[str, frozenset[str]]
    advice: Mapping[tuple[str, Operation], str]

    def of(self, roles: Iterable[str], class_name: str, operation: Operation) -> tuple[Grant, ...]:
        """The rows that hold for a caller with these roles."""
        held = frozenset(roles)
        asked = (class_name, operation)
        return tuple(row for row in self.rows if row.role in held and (row.class_name, row.operation) == asked)

    def roles(self, class_name: str, operation: Operation) -> tuple[str, ...]:
        """Who may do this at all, in the order of the matrix."""
        found = (row.role for row in self.rows if (row.class_name, row.operation) == (class_name, operation))
        return tuple(dict.fromkeys(found))

    def check_fields(
        self, roles: Iterable[str], class_name: str, operation: Operation, fields: Iterable[str]
    ) -> tuple[Grant, ...]:
        """The rows that allow writing these fields; raises 119 with what the caller may write instead."""
        written = frozenset(fields)
        if computed := sorted(written & self.derived.get(class_name, frozenset())):
            raise forbidden(f"{class_name}.{computed[0]} is computed by the server; leave it out.")
        rows = self.of(roles, class_name, operation)
        if not rows:
            allowed = listed(self.roles(class_name, operation)) or "nobody"
            raise forbidden(f"Your role may not {operation} a {class_name}; {allowed} may.{self._advice(class_name, operation)}")
        wide = tuple(row for row in rows if row.fields is None or written <= row.fields)
        if not wide:
            known = frozenset().union(*(row.fields or frozenset() for row in rows))
            name, allowed = min(written - known, default=min(written)), listed(sorted(known))
            advice = self._advice(class_name, operation)
            raise forbidden(f"Your role may not write {class_name}.{name}; it may write {allowed}.{advice}")
        return wide

    def _advice(self, class_name: str, operation: Operation) -> str:
        advice = self.advice.get((class_name, operation))
        return f" {advice}" if advice else ""


def permissions_of(grants: Grants, class_name: str) -> Object:
    """The class level permissions (wire) that follow from the matrix.

    Reading, creating and updating ask for a signed-in caller: rows are hidden by their ACL, and a write is refused by the
    matrix, in words. Deleting is closed to the roles that have no such row.
    """
    signed_in = ("find", "get", "count", "create", "update")
    wire: Object = {operation: {"requiresAuthentication": True} for operation in signed_in}
    wire["delete"] = {f"role:{role}": True for role in grants.roles(class_name, "delete")}
    return wire | {"addField": {}}


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on the object as it will be, at a moment; `sentence` is told when it does not hold, after the word
    "because"."""

    name: str
    sentence: str
    holds: Callable[[Object, datetime], bool]


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a state machine. `source` None is the creation of the object; `needs` are fields that must be filled by then;
    without `roles` nobody takes the step: time does, or a rule of the server."""

    source: str | None
    target: str
    roles: frozenset[str]
    guards: tuple[Guard, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateMachine:
    """The states of one field of one class, told by its transitions alone: what is not in the table is refused."""

    class_name: str
    field: str
    transitions: tuple[Transition, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order of the table."""
        return tuple(dict.fromkeys(row.target for row in self.transitions))

    @property
    def final(self) -> tuple[str, ...]:
        """States that nothing leads out of."""
        return tuple(state for state in self.states if not self.next_states(state))

    def next_states(self, state: str | None, roles: frozenset[str] | None = None) -> tuple[str, ...]:
        """What may follow `state` (None: what an object may begin with), for one with these roles; None asks for any role."""
        return tuple(
            row.target
            for row in self.transitions
            if row.source == state and (roles is None or row.roles & roles) and row.target != state
        )

    def check(self, source: str | None, after: Object, roles: frozenset[str] | None, now: datetime) -> None:
        """Refuses a step from `source` to the state that `after` holds: 142 where no row leads, 119 where none leads for
        these roles.

        `roles` None is the master key: bound by the table, not by its roles.
        """
        target = after.get(self.field)
        row = next((each for each in self.transitions if (each.source, each.target) == (source, target)), None)
        if row is None:
            raise invalid(f"{self.field}: {self._unknown(target) or self._no_way(source, target)}")
        if roles is not None and not row.roles & roles:
            step = _step(source, row.target)
            words = f"your role may not {step}; {listed(sorted(row.roles))} may."
            if not row.roles:
                words = f"nobody may {step}; that happens by itself as time passes."
            raise forbidden(f"{self.field}: {words}{self._yours(source, roles)}")
        for name in row.needs:
            if after.get(name) is None:
                raise invalid(f"{self.field}: fill {name} to {_step(source, row.target)}.")
        for guard in row.guards:
            if not guard.holds(after, now):
                raise invalid(f"{self.field}: {source or 'a new object'} cannot become {target} because {guard.sentence}")

    def to_wire(self) -> Object:
        """The table as JSON, for `/states/<Class>`."""
        rows: list[Json] = [
            {
                "from": row.source,
                "to": row.target,
                "roles": list[Json](sorted(row.roles)),
                "guards": [{"name": guard.name, "sentence": guard.sentence} for guard in row.guards],
                "needs": list[Json](row.needs),
            }
            for row in self.transitions
        ]
        return {
            "className": self.class_name,
            "field": self.field,
            "states": list[Json](self.states),
            "initial": list[Json](self.next_states(None)),
            "final": list[Json](self.final),
            "transitions": rows,
        }

    def _unknown(self, target: Json) -> str | None:
        if target in self.states:
            return None
        return f"{target!r} is not a state of {self.class_name}; it knows {listed(self.states)}."

    def _no_way(self, source: str | None, target: Json) -> str:
        allowed = listed(self.next_states(source), "or")
        if source is None:
            return f"a new {self.class_name} cannot begin as {target}; it may begin as {allowed}."
        if source == target:
            first = f"it is {source} already, so somebody else may have been first"
            return f"{first}; from here it may become {allowed or 'nothing else'}."
        if not allowed:
            return f"{source} is final."
        return f"{source} cannot become {target}; from {source} it may become {allowed}."

    def _yours(self, source: str | None, roles: frozenset[str]) -> str:
        allowed = listed(self.next_states(source, roles), "or")
        return f" You may make it {allowed}." if allowed else ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """An account of the demo, as shown to the one who started the server."""

    username: str
    password: str
    role: str
    name: str


NO_MAIL: Final[Mapping[str, Json]] = {"emailVerified": True, "emailNotifications": False}
"""What an account of the demo has: nobody lives at its address, so that is taken for confirmed and nothing is sent there."""

Passwords = Callable[[str], str]
"""Gives the password for a username; the one who calls keeps it for as long as the installation lives."""

Demo = Callable[[Objects, Users, datetime, Random, Passwords], Awaitable[list[SignIn]]]


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain: a folder, and one line where the server is put together.

    `tables` come parents first. `permissions` are class level permissions by class. `sql` is run after the migrations, every
    time, and must bear that. `board` is what the pages draw. Reads of the classes in `read_logged` are written to AccessLog.
    """

    name: str
    tables: tuple[type[ParseTable], ...]
    permissions: Mapping[str, Object]
    sql: str
    install: Callable[[Hooks, Objects], None]
    grants: Grants
    machines: tuple[StateMachine, ...] = ()
    board: Board | None = None
    tick: Tick | None = None
    demo: Demo | None = None
    read_logged: frozenset[str] = frozenset()
    subjects: Mapping[str, str] = field(default_factory=dict)
    """Whose record an object is, by class: the pointers that lead to the account, as `"SideEffect": "chemoCycle.patient"`."""
    filled: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Required fields that a caller may leave out, by class: the domain's own rules fill them, always or for some."""
    sentences: Mapping[str, str] = field(default_factory=dict)
    """What is told when a constraint of the database is broken, by the constraint's name (142)."""


def invalid(sentence: str) -> ParseError:
    """The refusal of a value (142)."""
    return ParseError(ErrorCode.VALIDATION_ERROR, sentence)


def forbidden(sentence: str) -> ParseError:
    """The refusal of a caller (119)."""
    return ParseError(ErrorCode.OPERATION_FORBIDDEN, sentence)


def listed(names: Iterable[str], word: str = "and") -> str:
    """'a', 'a and b', 'a, b and c'."""
    *head, last = [*names] or [""]
    return f"{', '.join(head)} {word} {last}" if head else last


def _step(source: str | None, target: str) -> str:
    return f"move it from {source} to {target}" if source else f"begin it as {target}"
