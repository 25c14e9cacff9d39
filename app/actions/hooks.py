"""Hooks ("cloud code"): handlers that stand around a write as links of one chain, the write itself being the innermost link.

Owns: `Hooks`, the events a handler is given, `Saved`, and what a provider of sign-ins is given and answers. Holds: handlers run
in the order of their priority (lowest first, equals in the order they came), inside the transaction of the write; those of a
negative priority run before required fields are asked for and may fill them; a handler that does not await `next()` stops the
write and is refused; the same id put again replaces the handler; an `after_commit` handler sees only what is committed. May
import core and store.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

from app.actions.caller import Caller
from app.core.query import Query
from app.core.schema import ClassSchema, check_value
from app.core.wire import UNSET, Json, Object, Unset, canonical
from app.errors import ErrorCode, ParseError
from app.store.database import Connection

log = logging.getLogger(__name__)

EVERY_CLASS = "*"

Notes = dict[str, object]
"""What handlers of one write tell each other, and column values as asyncpg takes them."""


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """The outcome of a save. `response` is exactly what REST answers with; `created_at` is None after an update."""

    object_id: str
    created_at: str | None
    updated_at: str | None
    response: Object
    object: Object


class Writes(Protocol):
    """What a handler may do to other objects: `Objects`, seen from below. Pass `tx=event.tx` to join the write."""

    async def create(
        self, caller: Caller, class_name: str, body: Mapping[str, Json], *, tx: Connection | None = None
    ) -> Saved: ...

    async def update(
        self, caller: Caller, class_name: str, object_id: str, body: Mapping[str, Json], *, tx: Connection | None = None
    ) -> Saved: ...

    async def delete(self, caller: Caller, class_name: str, object_id: str, *, tx: Connection | None = None) -> None: ...

    async def find_objects(self, caller: Caller, query: Query, *, tx: Connection | None = None) -> list[Object]: ...

    async def get_object(self, caller: Caller, class_name: str, object_id: str, *, tx: Connection | None = None) -> Object: ...


FunctionHandler = Callable[[Caller, Mapping[str, Json], Writes], Awaitable[Json]]
"""What a client calls by name: who asks, what with, and the objects it may read and write.

An object in its answer is `{"__type": "Object", "className": …}` with the object's fields: SDKs make a Parse.Object of it."""


AuthStep = Literal["setUp", "login", "update", "challenge"]
"""Parse Server's validateSetUp, validateLogin and validateUpdate, and the challenge before them."""

AuthPolicy = Literal["default", "solo", "additional"]


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """Who asks a provider, and for which account: `user_id` is the one that has this id or shall have it, if there is one."""

    caller: Caller
    step: AuthStep
    user_id: str | None = None
    known: Object | None = None
    """What that account holds of this provider."""


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """What a provider may say beside yes: `response` is told to the client, `save` is kept in place of what it sent."""

    response: Json = None
    save: Object | None = None
    do_not_save: bool = False


Validate = Callable[[Object, AuthRequest], Awaitable[AuthAnswer | None]]
"""Looks at what a client sent for one provider; raises ParseError for what is wrong."""


@dataclass(frozen=True, slots=True)
class AuthProvider:
    """A way to sign in, as Parse Server's auth adapters.

    An account that has an `additional` one must give it beside another, as a code beside a password; `solo` is enough by itself.
    """

    validate: Validate
    challenge: Validate | None = None
    policy: AuthPolicy = "default"


@dataclass(slots=True, eq=False)
class Draft:
    """A save before its transaction: what `prepare` handlers may change. `object_id` is None on create.

    `body` is the sender's, a copy; `secrets` are finished column values that are never rendered; `answer` is told to the caller.
    """

    caller: Caller
    schema: ClassSchema
    object_id: str | None
    body: Object
    secrets: Notes = field(default_factory=dict)
    answer: Object = field(default_factory=dict)
    context: Notes = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class SaveEvent:
    """One create or update, from the checked body to the stored row.

    `original` is the row before (None on create), `body` what the caller sent, `changes` the columns that will be written
    with their final values (`UNSET` empties one, "ACL" counts as a column), `object` the object as it will be; after
    `next()` as stored. `secrets` are columns that are never rendered (already hashed), `answer` is told to the caller
    beside the usual, `context` is free for handlers to talk to each other.
    """

    caller: Caller
    schema: ClassSchema
    tx: Connection
    object_id: str
    original: Object | None
    body: Mapping[str, Json]
    changes: dict[str, Json | Unset]
    object: Object
    objects: Writes
    context: Notes = field(default_factory=dict)
    secrets: Notes = field(default_factory=dict)
    answer: Object = field(default_factory=dict)
    is_written: bool = False

    @property
    def class_name(self) -> str:
        """The class of the object."""
        return self.schema.class_name

    @property
    def is_new(self) -> bool:
        """True on create."""
        return self.original is None

    @property
    def role(self) -> str | None:
        """The staff role of the caller, None for anonymous and for the master key."""
        return self.caller.role

    def changed(self, name: str) -> bool:
        """Whether the write gives this field another value than it had."""
        return self.object.get(name) != (self.original or {}).get(name)

    def set(self, name: str, value: Json | Unset) -> None:
        """Writes a further field, checked against its column (111); the caller is told the value. None and UNSET empty it."""
        if self.is_written:
            raise RuntimeError(f"{self.class_name}.{name} is set after next(): the row is written by then.")
        if value is None or isinstance(value, Unset):
            self.changes[name] = UNSET
            self.object.pop(name, None)
            self.answer[name] = {"__op": "Delete"}
            return
        final = canonical(value)
        if name != "ACL":
            check_value(self.schema, name, final)
        self.changes[name] = final
        self.object[name] = final
        self.answer[name] = final


@dataclass(slots=True, eq=False)
class DeleteEvent:
    """One delete; `object` is the row that goes."""

    caller: Caller
    schema: ClassSchema
    tx: Connection
    object_id: str
    object: Object
    objects: Writes
    context: Notes = field(default_factory=dict)

    @property
    def class_name(self) -> str:
        """The class of the object."""
        return self.schema.class_name

    @property
    def role(self) -> str | None:
        """The staff role of the caller, None for anonymous and for the master key."""
        return self.caller.role


@dataclass(frozen=True, slots=True)
class SignInEvent:
    """Somebody who has shown to be the owner of an account, or leaves it.

    `user` is the account as its owner sees it, only its objectId on the way out; `provider` is what opened it: password,
    masterkey, or the names in `authData`.
    """

    user: Object
    provider: str
    installation_id: str | None = None
    address: str = ""


Moment = Literal["before_login", "after_login", "after_logout"]

Next = Callable[[], Awaitable[None]]
SignInHandler = Callable[[SignInEvent], Awaitable[None]]
SaveHandler = Callable[[SaveEvent, Next], Awaitable[None]]
DeleteHandler = Callable[[DeleteEvent, Next], Awaitable[None]]
CommitHandler = Callable[[SaveEvent | DeleteEvent], Awaitable[None]]
PrepareHandler = Callable[[Draft], Awaitable[None]]

E = TypeVar("E", SaveEvent, DeleteEvent)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Link(Generic[E]):
    class_name: str
    id: str
    priority: int
    handler: Callable[[E, Next], Awaitable[None]]


class Hooks:
    """The handlers of one server, by class; `EVERY_CLASS` ("*") stands for all of them."""

    def __init__(self) -> None:
        self._save: list[_Link[SaveEvent]] = []
        self._delete: list[_Link[DeleteEvent]] = []
        self._commit: list[tuple[str, str, CommitHandler]] = []
        self._prepare: dict[tuple[str, str], PrepareHandler] = {}
        self._sign_in: dict[tuple[Moment, str], SignInHandler] = {}
        self._known: dict[tuple[str, str], Any] = {}
        """What was looked up for a kind of handler and a class: a server has a hundred handlers, and asks at every save."""
        self.functions: dict[str, FunctionHandler] = {}
        """What a client may call by name."""
        self.providers: dict[str, AuthProvider] = {}
        """How one may sign in, beside passwords and the issuers of the settings."""
        self._committed: deque[Callable[[], Awaitable[None]]] = deque()
        self._teller: asyncio.Task[None] | None = None

    def define(self, name: str, handler: FunctionHandler) -> None:
        """Lets clients call a handler: POST /functions/<name>, and GraphQL's callCloudCode."""
        self.functions[name] = handler

    def define_auth(
        self, name: str, validate: Validate, *, challenge: Validate | None = None, policy: AuthPolicy = "default"
    ) -> None:
        """Lets people sign in by `authData` of this name, which `validate` believes or refuses by raising ParseError."""
        self.providers[name] = AuthProvider(validate, challenge, policy)

    async def call(self, caller: Caller, name: str, params: Mapping[str, Json], objects: Writes) -> Json:
        """What a function answers. Raises 141 when there is none, or it failed, and what it refuses itself."""
        handler = self.functions.get(name)
        if handler is None:
            raise ParseError(ErrorCode.SCRIPT_FAILED, f'Invalid function: "{name}"')
        try:
            return _told(await handler(caller, params, objects), name)
        except ParseError:
            raise
        except Exception as error:
            log.exception("the function %s failed", name)
            raise ParseError(ErrorCode.SCRIPT_FAILED, f"The function {name} failed; the log says why.") from error

    def prepare(self, class_name: str, handler: PrepareHandler, *, id: str) -> None:  # noqa: A002
        """Calls a handler before the transaction of a save begins: the place of slow work (hashing), which must hold no lock."""
        self._prepare[class_name, id] = handler
        self._known.clear()

    def on_save(self, class_name: str, handler: SaveHandler, *, id: str, priority: int = 0) -> None:  # noqa: A002
        """Puts a handler around every create and update of a class. Lower priority stands further outside."""
        _put(self._save, _Link(class_name, id, priority, handler))
        self._known.clear()

    def on_delete(self, class_name: str, handler: DeleteHandler, *, id: str, priority: int = 0) -> None:  # noqa: A002
        """Puts a handler around every delete of a class. Lower priority stands further outside."""
        _put(self._delete, _Link(class_name, id, priority, handler))

    def after_commit(self, class_name: str, handler: CommitHandler, *, id: str | None = None) -> None:  # noqa: A002
        """Calls a handler after the outermost transaction is committed; the answer does not wait for it, errors are logged."""
        name = id or f"{handler.__module__}.{getattr(handler, '__qualname__', repr(handler))}"
        self._commit = [entry for entry in self._commit if entry[:2] != (class_name, name)]
        self._commit.append((class_name, name, handler))
        self._known.clear()

    def before_login(self, handler: SignInHandler, *, id: str) -> None:  # noqa: A002
        """Calls a handler when a password or a provider was right, before there is a session: what it raises is the answer."""
        self._sign_in["before_login", id] = handler

    def after_login(self, handler: SignInHandler, *, id: str) -> None:  # noqa: A002
        """Calls a handler after somebody has signed in; the answer does not wait for it, errors are logged."""
        self._sign_in["after_login", id] = handler

    def after_logout(self, handler: SignInHandler, *, id: str) -> None:  # noqa: A002
        """Calls a handler after somebody has signed out; the answer does not wait for it, errors are logged."""
        self._sign_in["after_logout", id] = handler

    def has_sign_in_handlers(self, moment: Moment) -> bool:
        """Whether anybody wants to hear of this moment."""
        return any(when == moment for when, _ in self._sign_in)

    async def run_before_login(self, event: SignInEvent) -> None:
        """Runs the handlers that may refuse a sign-in, in the order they came."""
        for (moment, _), handler in self._sign_in.items():
            if moment == "before_login":
                await handler(event)

    def _look_up(self, kind: str, class_name: str, find: Callable[[], T]) -> T:
        found: T | None = self._known.get((kind, class_name))
        if found is None:
            found = self._known[kind, class_name] = find()
        return found

    def has_handlers(self, class_name: str) -> bool:
        """Whether anybody stands around saves of this class or wants to hear of them."""

        def find() -> bool:
            return any(link.class_name in (EVERY_CLASS, class_name) for link in self._save)

        return self._look_up("save", class_name, find) or self.has_commit_handlers(class_name)

    def has_commit_handlers(self, class_name: str) -> bool:
        """Whether anybody wants to hear of committed writes of this class."""

        def find() -> bool:
            return any(name in (EVERY_CLASS, class_name) for name, _, _ in self._commit)

        return self._look_up("commit", class_name, find)

    async def run_prepare(self, draft: Draft) -> None:
        """Runs the prepare handlers of a class in the order they came."""
        own = draft.schema.class_name

        def find() -> list[PrepareHandler]:
            return [handler for (class_name, _), handler in self._prepare.items() if class_name in (EVERY_CLASS, own)]

        for handler in self._look_up("prepare", own, find):
            await handler(draft)

    async def run_save(self, event: SaveEvent, check: Callable[[SaveEvent], None], write: Next) -> None:
        """Runs the chain of a save around `write`; `check` stands between the negative priorities and the others."""

        async def checked(event: SaveEvent, go_on: Next) -> None:
            check(event)
            await go_on()

        chain = [link for link in self._save if link.class_name in (EVERY_CLASS, event.class_name)]
        early = [link for link in chain if link.priority < 0]
        middle = _Link(EVERY_CLASS, "careboard.required", 0, checked)
        await _run([*early, middle, *chain[len(early) :]], event, write)

    async def run_delete(self, event: DeleteEvent, write: Next) -> None:
        """Runs the chain of a delete around `write`."""
        chain = [link for link in self._delete if link.class_name in (EVERY_CLASS, event.class_name)]
        await _run(chain, event, write)

    def tell_committed(self, event: SaveEvent | DeleteEvent) -> None:
        """Hands a committed event to the after-commit handlers, which run by themselves, one event after the other."""
        self._tell_later(partial(self._tell_write, event))

    def tell_signed(self, moment: Moment, event: SignInEvent) -> None:
        """Hands a sign-in or sign-out that is committed to the handlers of that moment, in the same way."""
        self._tell_later(partial(self._tell_sign_in, moment, event))

    def _tell_later(self, tell: Callable[[], Awaitable[None]]) -> None:
        self._committed.append(tell)
        if self._teller is None or self._teller.done():
            # A context of its own: the one of the save still speaks of a transaction that has ended.
            self._teller = asyncio.get_running_loop().create_task(self._tell(), context=Context())

    async def drain(self) -> None:
        """Waits until every committed event so far is told."""
        while self._teller is not None and not self._teller.done():
            await asyncio.wait([self._teller])

    async def _tell(self) -> None:
        while self._committed:
            await self._committed.popleft()()

    async def _tell_write(self, event: SaveEvent | DeleteEvent) -> None:
        for class_name, name, handler in self._commit:
            if class_name not in (EVERY_CLASS, event.class_name):
                continue
            try:
                await handler(event)
            except Exception:
                log.exception("after_commit handler %s failed for %s", name, event.class_name)

    async def _tell_sign_in(self, moment: Moment, event: SignInEvent) -> None:
        for (when, name), handler in list(self._sign_in.items()):
            if when != moment:
                continue
            try:
                await handler(event)
            except Exception:
                log.exception("%s handler %s failed", moment, name)


def _told(value: Json, name: str) -> Json:
    """The answer of a function: values in their canonical form, and among them whole objects as SDKs read them."""
    if isinstance(value, list):
        return [_told(item, name) for item in value]
    if isinstance(value, dict) and value.get("__type") in (None, "Object"):
        return {str(key): item if key == "__type" else _told(item, name) for key, item in value.items()}
    return canonical(value, name)


def _put(links: list[_Link[E]], link: _Link[E]) -> None:
    for index, known in enumerate(links):
        if (known.class_name, known.id) == (link.class_name, link.id):
            links[index] = replace(link, priority=link.priority)
            break
    else:
        links.append(link)
    links.sort(key=lambda each: each.priority)


async def _run(chain: list[_Link[E]], event: E, write: Next) -> None:
    async def step(index: int) -> None:
        if index == len(chain):
            await write()
            return
        link = chain[index]
        called = False

        async def forward() -> None:
            nonlocal called
            if called:
                raise RuntimeError(f"The hook {link.id!r} called next() twice.")
            called = True
            await step(index + 1)

        await link.handler(event, forward)
        if not called:
            raise ParseError(ErrorCode.SCRIPT_FAILED, f"The hook {link.id!r} stopped this write without a reason.")

    await step(0)
