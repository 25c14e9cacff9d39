"""What capture costs a writer: the same updates by 32 writers through the pool, with the triggers on and off, side by side.

    python -m tests.bench.capture [--seconds 4] [--rounds 3] [--database-url …]

Prints and asserts nothing. Without a URL it starts an embedded server with its shipped settings: fsync is on.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from app.config import Settings
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.store.database import Database
from app.store.feed import Feed
from app.store.migrate import migrate

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


async def prepare(database: Database, schema: ClassSchema) -> None:
    schemas = await migrate(database)
    if schemas.has(schema.class_name):
        return
    async with database.transaction() as connection:
        await schemas.create(connection, schema)
        await connection.execute(FILL, OBJECTS)


async def throughput(database: Database, seconds: float) -> float:
    """Committed updates a second."""
    count = 0
    until = time.perf_counter() + seconds

    async def writer(number: int) -> None:
        nonlocal count
        choose = random.Random(number)
        while time.perf_counter() < until:
            async with database.transaction() as connection:
                await connection.execute(UPDATE, f"tank{choose.randint(1, OBJECTS)}", float(choose.randint(0, 3000)))
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*map(writer, range(WRITERS)))
    return count / (time.perf_counter() - began)


async def switch(database: Database, state: str) -> None:
    async with database.connection() as connection:
        await connection.execute(f'alter table "BenchTank" {state} trigger careboard_capture')
        await connection.execute('vacuum "BenchTank"')


async def measure(database: Database, seconds: float, rounds: int, *, reading: bool) -> None:
    results: dict[str, list[float]] = {"off": [], "on": []}
    feed = Feed(database)
    if reading:
        await feed.start()
        consumer = asyncio.create_task(drain(feed))
    for number in range(rounds):
        for name, state in (("off", "disable"), ("on", "enable")) if number % 2 == 0 else (("on", "enable"), ("off", "disable")):
            await switch(database, state)
            results[name].append(await throughput(database, seconds))
    if reading:
        await feed.stop()
        await consumer
    off, on = (statistics.median(results[name]) for name in ("off", "on"))
    title = "capture with this process reading the feed" if reading else "capture"
    print(f"{title}: off {off:,.0f} updates/s   on {on:,.0f} updates/s   on/off {on / off:.1%}   ({WRITERS} writers)")


async def drain(feed: Feed) -> None:
    async for _ in feed.subscribe():
        pass


async def main(seconds: float, rounds: int, url: str | None, folder: Path) -> None:
    database = Database(Settings(data_dir=folder, database_url=url), pool_size=WRITERS)
    await database.start()
    try:
        await prepare(database, TANK)
        await throughput(database, 1)
        await measure(database, seconds, rounds, reading=False)
        await measure(database, seconds, rounds, reading=True)
    finally:
        await database.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database-url")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="careboard-bench-") as name:
        asyncio.run(main(given.seconds, given.rounds, given.database_url, Path(name)))
