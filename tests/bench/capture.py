"""What capture costs a writer: the same writes by 32 writers through the pool, with the triggers on and off, side by side.

A save reads the row under its lock, updates it and commits, as every save of the server does; a bare update only updates it.

    python -m tests.bench.capture [--seconds 1] [--rounds 8] [--database-url …]

Prints and asserts nothing. Without a URL it starts an embedded server with its shipped settings: fsync is on.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from app.config import Settings
from app.core.nodes import Everything
from app.core.schema import Field, FieldType, class_schema
from app.core.wire import date_to_wire
from app.store.changes.feed import Feed
from app.store.database import Connection, Database
from app.store.migrate import migrate
from app.store.rows import objects
from app.store.schemas import Schemas

WRITERS = 32
OBJECTS = 5_000

TANK = class_schema(
    "BenchTank",
    {
        "tankSerialNumber": Field(FieldType.STRING),
        "psiLevel": Field(FieldType.NUMBER),
        "status": Field(FieldType.STRING),
        "assignedSite": Field(FieldType.POINTER, "PatientSite"),
        "assignedDriver": Field(FieldType.POINTER, "_User"),
        "lastCheckedAt": Field(FieldType.DATE),
        "nextServiceDueAt": Field(FieldType.DATE),
        "cylinderSize": Field(FieldType.STRING),
        "flowLpm": Field(FieldType.NUMBER),
        "emptyAt": Field(FieldType.DATE),
        "urgency": Field(FieldType.STRING),
    },
)

FILL = """
insert into "BenchTank" ("objectId", "createdAt", "updatedAt", _rperm, _wperm, "tankSerialNumber", "psiLevel", status,
  "assignedSite", "assignedDriver", "lastCheckedAt", "nextServiceDueAt", "cylinderSize", "flowLpm", "emptyAt", urgency)
select 'tank' || g, now(), now(), '{role:dispatcher,driver7}', '{role:dispatcher}', 'SN-' || g, 2000, 'in_use', 'site' || g % 100,
  'driver' || g % 50, now(), now() + interval '30 days', 'E', 2, now() + interval '5 hours', 'ok'
from generate_series(1, $1::int) g
"""
UPDATE = """
update "BenchTank" set "psiLevel" = $2, "lastCheckedAt" = now(), "updatedAt" = now() where "objectId" = $1
"""


async def prepare(database: Database) -> Schemas:
    schemas = await migrate(database)
    async with database.transaction() as connection:
        if not schemas.has(TANK.class_name):
            await schemas.create(connection, TANK)
            await connection.execute(FILL, OBJECTS)
    return schemas


async def save(connection: Connection, schemas: Schemas, object_id: str, level: int) -> None:
    now = datetime.now(UTC)
    await objects.select_for_update(connection, schemas, TANK, object_id, Everything())
    await objects.update(connection, TANK, object_id, {"psiLevel": level, "lastCheckedAt": date_to_wire(now)}, updated_at=now)


async def bare_update(connection: Connection, schemas: Schemas, object_id: str, level: int) -> None:
    await connection.execute(UPDATE, object_id, float(level))


Write = Callable[[Connection, Schemas, str, int], Awaitable[None]]


async def throughput(database: Database, schemas: Schemas, write: Write, seconds: float) -> float:
    """Committed writes a second."""
    count = 0
    until = time.perf_counter() + seconds

    async def writer(number: int) -> None:
        nonlocal count
        choose = random.Random(number)
        while time.perf_counter() < until:
            async with database.transaction() as connection:
                await write(connection, schemas, f"tank{choose.randint(1, OBJECTS)}", choose.randint(0, 3000))
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*map(writer, range(WRITERS)))
    return count / (time.perf_counter() - began)


async def switch(database: Database, state: str) -> None:
    async with database.connection() as connection:
        await connection.execute(f'alter table "BenchTank" {state} trigger careboard_capture')
        await connection.execute('vacuum "BenchTank"')


async def measure(database: Database, schemas: Schemas, write: Write, seconds: float, rounds: int, *, reading: bool) -> None:
    """Short turns, on beside off, so that whatever else the machine does meets both; the middle of the ratios is the result."""
    pairs: list[dict[str, float]] = []
    feed = Feed(database)
    if reading:
        await feed.start()
        consumer = asyncio.create_task(drain(feed))
    for number in range(rounds):
        pair = {}
        for state in ("disable", "enable") if number % 2 == 0 else ("enable", "disable"):
            await switch(database, state)
            await throughput(database, schemas, write, seconds / 2)  # every connection plans its statements anew
            pair[state] = await throughput(database, schemas, write, seconds)
        pairs.append(pair)
    if reading:
        await feed.stop()
        await consumer
    off, on = (statistics.median(pair[state] for pair in pairs) for state in ("disable", "enable"))
    ratios = sorted(pair["enable"] / pair["disable"] for pair in pairs)
    title = write.__name__.replace("_", " ") + (", the feed read by this process" if reading else "")
    print(
        f"{title}: capture off {off:,.0f}/s   on {on:,.0f}/s   on/off {statistics.median(ratios):.0%}"
        f" (from {ratios[0]:.0%} to {ratios[-1]:.0%} in {rounds} turns of {seconds:g} s; {WRITERS} writers)"
    )


async def drain(feed: Feed) -> None:
    async for _ in feed.subscribe():
        pass


async def main(seconds: float, rounds: int, url: str | None, folder: Path) -> None:
    database = Database(Settings(data_dir=folder, database_url=url), pool_size=WRITERS)
    await database.start()
    try:
        schemas = await prepare(database)
        await throughput(database, schemas, save, 1)
        for write, reading in ((save, False), (save, True), (bare_update, False)):
            await measure(database, schemas, write, seconds, rounds, reading=reading)
    finally:
        await database.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--database-url")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as name:
        asyncio.run(main(given.seconds, given.rounds, given.database_url, Path(name)))
