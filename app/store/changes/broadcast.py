"""The wake-up call between processes: broadcaster, over a Postgres or Redis backend of ours or an engine of its own.

Owns: the only use of broadcaster (the relay speaks over what is made here), the channel of the calls, LISTEN and NOTIFY. Holds:
a call carries no data and may be lost, doubled or merged at no cost but time, because the change table is the truth; nothing here
raises into a writer; a listener that lost its connection comes back and calls once by itself, for it may have missed one. NOTIFY
locks the whole cluster until its commit is on disk, so it is sent apart from every writer's transaction, on a connection that
does not wait for the disk. May import database, refusals.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import asyncpg
from broadcaster import Broadcast, BroadcastBackend, Event

from app.store.database import Database
from app.store.refusals import LOST

CHANNEL = "careboard"
SEND_SECONDS = 0.01
"""Calls of one process are at least this far apart; the first goes out at once, and busy readers look by themselves."""
ALONE_SECONDS = 0.25
"""The same while no other process is heard: one that was not heard yet finds a change in that time by itself."""
BEAT_SECONDS = 2.0
"""A process that has nothing to call is heard so often."""
SILENT_SECONDS = 5.0
"""Who heard nobody for so long is alone."""
VOICES = 2
"""Who heard so many others since its last word need not say that it is there: each of them hears another one."""
WATCHDOG_SECONDS = 5.0
ECHO_SECONDS = 10.0
WAITING_EVENTS = 64

log = logging.getLogger(__name__)

Connect = Callable[[], Awaitable[Any]]


def make_broadcast(database: Database, broadcast_url: str | None, *, waiting: int = WAITING_EVENTS) -> Broadcast:
    """The broadcaster for BROADCAST_URL (redis://, rediss://, redis-stream://, kafka://), by default the database's own."""
    if broadcast_url is None:
        return Broadcast(backend=PostgresBackend(lambda: database.connect(**_UNSYNCED), waiting))
    if broadcast_url.startswith(("postgres://", "postgresql://")):
        return Broadcast(backend=PostgresBackend(lambda: _connect(broadcast_url), waiting))
    if broadcast_url.startswith(("redis://", "rediss://")):
        return Broadcast(backend=RedisBackend(broadcast_url, waiting))
    return Broadcast(broadcast_url)


_UNSYNCED = {"synchronous_commit": "off", "application_name": "careboard-hints"}


async def _connect(url: str) -> Any:
    return await asyncpg.connect(url, timeout=10, server_settings=_UNSYNCED)


class _Line(BroadcastBackend, ABC):
    """Channels heard over one connection that comes back by itself, and calls once when it did."""

    def __init__(self, waiting: int) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue(waiting)
        self._channels: set[str] = set()
        self._changed = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Starts listening in the background; an engine that is away delays it and fails nothing."""
        self._listener = asyncio.create_task(self._listen_forever())

    async def disconnect(self) -> None:
        """Stops listening and closes what is open."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._drop_publisher()

    async def subscribe(self, group: str) -> None:
        """Listens to the channel too."""
        self._channels.add(group)
        self._changed.set()

    async def unsubscribe(self, group: str) -> None:
        """Listens to it no more."""
        self._channels.discard(group)
        self._changed.set()

    async def publish(self, channel: str, message: Any) -> None:
        """Sends the call; where the engine is away it is dropped, with a line in the log."""
        try:
            await self._publish(channel, str(message))
        except self._failures() as cause:
            log.warning("a wake-up call was dropped: %s", type(cause).__name__)
            await self._drop_publisher()

    async def next_published(self) -> Event:
        """The next call. Never raises: an error here would end broadcaster's own loop unseen."""
        return await self._events.get()

    async def _listen_forever(self) -> None:
        pause = 0.05
        while True:
            try:
                await self._listen()
                pause = 0.05
            except self._failures() as cause:
                log.warning("the wake-up line was lost (%s); connecting again", type(cause).__name__)
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads reconnects
                pause = min(pause * 2, 2.0)

    def _put(self, channel: str, message: str) -> None:
        # A full queue already holds the news that there is news.
        with contextlib.suppress(asyncio.QueueFull):
            self._events.put_nowait(Event(channel, message))

    @abstractmethod
    async def _listen(self) -> None:
        """One connection's life: returns when it was lost after it had worked, raises when it could not be had."""

    @abstractmethod
    async def _publish(self, channel: str, message: str) -> None: ...

    @abstractmethod
    async def _drop_publisher(self) -> None: ...

    @abstractmethod
    def _failures(self) -> tuple[type[Exception], ...]:
        """What this engine raises when it is away."""


class PostgresBackend(_Line):
    """LISTEN on one connection under a watchdog, NOTIFY on another."""

    def __init__(self, connect: Connect, waiting: int = WAITING_EVENTS) -> None:
        super().__init__(waiting)
        self._connect = connect
        self._publisher: Any = None
        self._publishing = asyncio.Lock()

    def _failures(self) -> tuple[type[Exception], ...]:
        return (asyncpg.PostgresError, OSError, *LOST)

    async def _publish(self, channel: str, message: str) -> None:
        async with self._publishing:
            if self._publisher is None or self._publisher.is_closed():
                self._publisher = await self._connect()
            await self._publisher.execute("select pg_notify($1, $2)", channel, message, timeout=10)

    async def _drop_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        await _close(publisher)

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: self._changed.set())
            listening: set[str] = set()
            while not connection.is_closed():
                self._changed.clear()
                asked = set(self._channels)  # while it is done, others may be asked for
                for channel in asked - listening:
                    await connection.add_listener(channel, self._heard)
                    self._put(channel, "")  # a call may have been missed
                for channel in listening - asked:
                    await connection.remove_listener(channel, self._heard)
                listening = asked
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WATCHDOG_SECONDS):
                        await self._changed.wait()
                    continue
                await connection.execute("select 1", timeout=WATCHDOG_SECONDS)
        finally:
            await _close(connection)

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._put(channel, str(payload))


class RedisBackend(_Line):
    """SUBSCRIBE on one connection under a watchdog, PUBLISH on another.

    broadcaster's own ends in silence with its first lost connection.
    """

    def __init__(self, url: str, waiting: int = WAITING_EVENTS) -> None:
        super().__init__(waiting)
        self._redis: Any = import_module("redis.asyncio")
        self._url = url
        self._publisher: Any = None

    def _failures(self) -> tuple[type[Exception], ...]:
        return (self._redis.RedisError, OSError)

    def _client(self) -> Any:
        return self._redis.Redis.from_url(self._url, socket_connect_timeout=WATCHDOG_SECONDS)

    async def _publish(self, channel: str, message: str) -> None:
        if self._publisher is None:
            self._publisher = self._client()
        async with asyncio.timeout(WATCHDOG_SECONDS):
            await self._publisher.publish(channel, message)

    async def _drop_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            with contextlib.suppress(*self._failures()):
                await publisher.aclose()

    async def _listen(self) -> None:
        client = self._client()
        pubsub = client.pubsub()
        try:
            listening: set[str] = set()
            while True:
                self._changed.clear()
                asked = set(self._channels)  # while it is done, others may be asked for
                if fresh := asked - listening:
                    await pubsub.subscribe(*fresh)
                if stale := listening - asked:
                    await pubsub.unsubscribe(*stale)
                listening = asked
                if not listening:
                    await self._changed.wait()
                    continue
                await self._hear(pubsub)
        finally:
            with contextlib.suppress(*self._failures()):
                await pubsub.aclose()
                await client.aclose()

    async def _hear(self, pubsub: Any) -> None:
        """Hears until the channels change. Raises TimeoutError, an OSError, when the other side does not answer a ping."""
        quiet = 0.0
        while not self._changed.is_set():
            message = await pubsub.get_message(timeout=_LOOK_SECONDS)
            if message is not None:
                quiet = 0.0
                if message["type"] == "message":
                    self._put(message["channel"].decode(), message["data"].decode())
                elif message["type"] == "subscribe":
                    self._put(message["channel"].decode(), "")  # a call may have been missed
                continue
            quiet += _LOOK_SECONDS
            if quiet > 2 * WATCHDOG_SECONDS:
                raise TimeoutError
            if quiet >= WATCHDOG_SECONDS:
                await pubsub.ping()


_LOOK_SECONDS = 1.0


_BEAT = "."
"""What a message ends in that says no more than that its sender is there."""


class Hints:
    """Tells the other processes that something was written, and hears it from them. Everything happens in the background."""

    def __init__(self, database: Database, broadcast_url: str | None, heard: Callable[[], None]) -> None:
        self._make: Callable[[], Broadcast] = lambda: make_broadcast(database, broadcast_url)
        self._heard = heard
        self._id = secrets.token_hex(4)
        self._due = asyncio.Event()
        self._broadcast: Broadcast | None = None
        self._unechoed: float | None = None
        self._others: set[str] = set()
        """Who was heard since this process said something."""
        self._heard_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins. Raises RuntimeError with a sentence when the engine of BROADCAST_URL is not installed."""
        try:
            self._make()
        except ImportError as cause:
            raise RuntimeError(f"BROADCAST_URL needs the package {cause.name}, which is not installed.") from cause
        self._heard_at = time.monotonic()
        self._tasks = [asyncio.create_task(self._hear_forever()), asyncio.create_task(self._send_forever())]

    async def stop(self) -> None:
        """Ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self) -> None:
        """Sends a call soon; calls that come close together are one."""
        self._due.set()

    @property
    def is_alone(self) -> bool:
        """Whether no other process was heard for a while; at the start there may be some."""
        return time.monotonic() - self._heard_at > SILENT_SECONDS

    async def _send_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(BEAT_SECONDS / 2, BEAT_SECONDS)):  # noqa: S311 - spreads processes
                    await self._due.wait()
            is_due = self._due.is_set()
            self._due.clear()
            if is_due or len(self._others) < VOICES:
                await self._say(self._id if is_due else self._id + _BEAT)
            self._others.clear()
            await asyncio.sleep(ALONE_SECONDS if self.is_alone else SEND_SECONDS)

    async def _say(self, message: str) -> None:
        broadcast = self._broadcast
        if broadcast is None:
            return
        try:
            await broadcast.publish(CHANNEL, message)
            self._unechoed = self._unechoed or time.monotonic()
        except Exception as cause:  # noqa: BLE001 - every engine has errors of its own, and the call may be lost
            log.warning("a wake-up call was dropped: %s", type(cause).__name__)

    async def _hear_forever(self) -> None:
        while True:
            broadcast = self._make()
            try:
                await broadcast.connect()
                async with broadcast.subscribe(CHANNEL) as subscriber:
                    self._broadcast = broadcast
                    self._heard()
                    await self._hear(subscriber)
            except Exception as cause:  # noqa: BLE001 - see above; the line is built anew
                log.warning("the wake-up line was lost (%s); connecting again", type(cause).__name__)
            finally:
                self._broadcast = self._unechoed = None
                with contextlib.suppress(Exception):
                    await broadcast.disconnect()
            await asyncio.sleep(random.uniform(0.5, 2))  # noqa: S311 - spreads reconnects

    async def _hear(self, subscriber: Any) -> None:
        """Hears until the line is found dead: an engine's own listener may end in silence, so our own calls must come back."""
        while True:
            try:
                async with asyncio.timeout(ECHO_SECONDS):
                    event = await subscriber.get()
            except TimeoutError:
                if self._unechoed is not None and time.monotonic() - self._unechoed > ECHO_SECONDS / 2:
                    raise ConnectionError("calls do not come back") from None
                continue
            self._unechoed = None
            sender = str(event.message).removesuffix(_BEAT)
            if sender == self._id:
                continue
            if sender:
                self._others.add(sender)
                self._heard_at = time.monotonic()
            if sender == event.message:
                self._heard()


async def _close(connection: Any) -> None:
    if connection is None:
        return
    try:
        await connection.close(timeout=2)
    except (asyncpg.PostgresError, OSError, *LOST):
        connection.terminate()
    except asyncio.CancelledError:
        connection.terminate()
        raise
