"""A schema is built once for all who wait for it, while the loop goes on; who asks after a change is given the new one."""

import asyncio
import sys
from dataclasses import replace

from app.api.graphql.schema import Schemata
from app.config import Settings
from app.core.schema import class_schema
from app.core.wire import Object
from app.main import DOMAINS
from app.store.database import Database
from app.store.migrate import declare


async def test_one_build_serves_all_who_wait_and_the_loop_goes_on() -> None:
    schemata = Schemata(declare(Database(Settings()), DOMAINS))
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    heart, usual = asyncio.create_task(beat()), sys.getswitchinterval()
    sys.setswitchinterval(usual / 50)  # a busy machine gives the loop few turns, so it asks for more
    builds = await asyncio.gather(*(schemata.current() for _ in range(5)))
    sys.setswitchinterval(usual)
    heart.cancel()
    assert len({id(build) for build in builds}) == 1
    assert beats > 100  # a build on the loop would let it beat a few times


async def test_who_asks_after_a_change_is_given_the_new_schema_and_the_old_one_stays_whole() -> None:
    schemas = declare(Database(Settings()), DOMAINS)
    config: Object = {}
    schemata = Schemata(schemas, config=lambda: config)
    old = await schemata.current()
    assert await schemata.current() is old
    schemas._apply("Memo", class_schema("Memo", {}))
    new = await schemata.current()
    assert ("Memo" in new.schema.type_map, "Memo" in old.schema.type_map) == (True, False)
    config = {"enabledForClasses": []}
    empty = await schemata.current()
    assert ("Memo" in empty.classes, "health" in empty.schema.type_map["Query"].fields) == (False, True)  # type: ignore[attr-defined]
    assert replace(new.made_from, config=config).same(empty.made_from)


async def test_a_change_while_a_schema_is_built_is_not_lost() -> None:
    schemas = declare(Database(Settings()), DOMAINS)
    schemata = Schemata(schemas)
    first = asyncio.create_task(schemata.current())
    await asyncio.sleep(0)
    schemas._apply("Memo", class_schema("Memo", {}))
    assert "Memo" in (await schemata.current()).classes
    await first
