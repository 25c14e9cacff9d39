"""The pool, transactions and the embedded server, on a real Postgres."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from app.config import Settings
from app.errors import ErrorCode, ParseError
from app.store.database import Connection, Database, ensure_embedded, release_embedded
from app.store.refusals import register_sentence
from app.store.tables import Role


async def roles(database: Database) -> list[str]:
    async with database.connection() as connection:
        return [row["name"] for row in await connection.fetch('select name from "_Role" order by name')]


def new_role(name: str) -> Role:
    return Role(object_id=name, name=name)


@pytest.fixture(autouse=True)
async def no_roles(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute('delete from "_Role"')


async def test_a_piccolo_query_joins_the_transaction(database: Database) -> None:
    async def write(connection: Connection) -> None:
        await Role.insert(new_role("piccolo"))
        await connection.execute('insert into "_Role" ("objectId", name) values ($1, $1)', "raw")
        assert await connection.fetchval('select count(*) from "_Role"') == 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.in_transaction(write)
    assert await roles(database) == []
    async with database.transaction():
        await Role.insert(new_role("kept"))
    assert await roles(database) == ["kept"]


async def test_a_connection_inside_a_transaction_is_that_transactions(database: Database) -> None:
    async with database.transaction() as outer:
        await Role.insert(new_role("unseen"))
        async with database.connection() as inner, database.transaction() as joined:
            assert inner is outer is joined
            assert await inner.fetchval('select count(*) from "_Role"') == 1


async def test_listeners_hear_of_a_commit_and_never_of_a_rollback(database: Database) -> None:
    heard: list[str] = []
    database.committed.append(lambda: heard.append("committed"))
    try:
        async with database.transaction():
            database.after_commit(lambda: heard.append("mine"))
            async with database.transaction():
                pass
            assert heard == []
        assert heard == ["mine", "committed"]

        async def fail(connection: Connection) -> None:
            database.after_commit(lambda: heard.append("never"))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await database.in_transaction(fail)
        async with database.transaction(read_only=True):
            pass
        assert heard == ["mine", "committed"]
    finally:
        database.committed.clear()


async def test_json_travels_as_text_and_times_as_utc(database: Database) -> None:
    async with database.connection() as connection:
        row = await connection.fetchrow("select $1::jsonb as value, '2026-01-01T00:00Z'::timestamptz::text as time", '{"a":1}')
    assert json.loads(row["value"]) == {"a": 1}
    assert row["time"] == "2026-01-01 00:00:00+00"


@pytest.mark.parametrize(
    ("statement", "code", "message"),
    [
        ("insert into child values ('a', 'nobody', 1)", 142, "parent: there is no parent with that objectId"),
        ("delete from parent", 142, "This object is still used by child; change or delete that first."),
        ("insert into parent values ('p')", 137, "A duplicate value for a field with unique values was provided"),
        ("insert into child values ('a', 'p', null)", 142, "size is required"),
        ("insert into child values ('a', 'p', -1)", 142, "size: give a number above zero."),
        ("insert into child values ('a', 'p', 10000)", 142, "child: the values break the rule child_size_check1."),
        ("do $$ begin raise exception using errcode = 'PE119', message = 'Not you.'; end $$", 119, "Not you."),
        ("do $$ begin raise exception 'Not now.'; end $$", 142, "Not now."),
        ("select 1 where 'a' ~ '('", 102, "bad $regex: Postgres cannot read this pattern"),
        ("select 'x'::int", 111, "A value does not fit the type of its field."),
        ("select nothing", 1, "Internal server error."),
    ],
)
async def test_a_refusal_of_postgres_becomes_a_sentence(database: Database, statement: str, code: int, message: str) -> None:
    register_sentence("child_size_check", "size: give a number above zero.")
    async with database.connection() as connection:
        await connection.execute(
            "drop table if exists child; drop table if exists parent; create table parent (id text primary key);"
            "create table child (id text, parent text references parent, size int not null check (size > 0),"
            " check (size < 1000)); insert into parent values ('p'); insert into child values ('c', 'p', 1)"
        )
    with pytest.raises(ParseError) as refusal:
        async with database.transaction() as connection:
            await connection.execute(statement)
    assert (refusal.value.code, refusal.value.message) == (code, message)


async def test_the_pool_survives_the_loss_of_every_connection(database: Database) -> None:
    async def hold(connection: Connection) -> None:
        await connection.execute("select pg_sleep(300)")

    async def held() -> None:
        async with database.transaction() as connection:
            await hold(connection)

    holders = [asyncio.create_task(held()) for _ in range(8)]
    killer = await database.connect()
    try:
        while await killer.fetchval("select count(*) from pg_stat_activity where query ~ '^select pg_sleep'") < 8:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await killer.execute(TERMINATE_OTHERS)
    finally:
        await killer.close()
    for refusal in await asyncio.gather(*holders, return_exceptions=True):
        assert isinstance(refusal, ParseError)
        assert refusal.code == ErrorCode.INTERNAL_SERVER_ERROR
        assert "cannot be reached" in refusal.message
    async with database.transaction():
        await Role.insert(new_role("after"))
    assert await roles(database) == ["after"]
    pool = database.engine.pool
    assert pool is not None
    assert pool.get_size() == pool.get_idle_size()


async def backend(database: Database) -> int:
    async with database.statement() as connection:
        return int(await connection.fetchval("select pg_backend_pid()"))


async def test_a_few_connections_stay_out_for_single_statements_until_they_fail(database: Database) -> None:
    first = await backend(database)
    assert await backend(database) == first
    assert len(set(await asyncio.gather(*(backend(database) for _ in range(12))))) > 1
    pool = database.engine.pool
    assert pool is not None
    assert pool.get_size() - pool.get_idle_size() <= pool.get_max_size() // 4
    with pytest.raises(ParseError, match="Internal server error"):
        async with database.statement() as connection:
            await connection.execute("select nothing")
    async with database.transaction() as running, database.statement() as joined:
        assert joined is running

    killer = await database.connect()
    await killer.execute(TERMINATE_OTHERS)
    alive = await killer.fetchval("select pg_backend_pid()")
    await killer.close()
    found = list[int]()
    while not found:  # what was cut off is noticed when it is used, at the latest
        with contextlib.suppress(ParseError):
            found.append(await backend(database))
    assert found[0] not in (first, alive)


async def test_a_deadlock_is_tried_again(database: Database) -> None:
    async with database.transaction():
        await Role.insert(new_role("a"), new_role("b"))
    both_hold = asyncio.Barrier(2)
    tries = 0

    async def swap(first: str, second: str) -> None:
        async def work(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            await connection.execute('update "_Role" set name = name where "objectId" = $1', first)
            if tries <= 2:
                await both_hold.wait()
            await connection.execute('update "_Role" set name = name where "objectId" = $1', second)

        await database.in_transaction(work)

    await asyncio.gather(swap("a", "b"), swap("b", "a"))
    assert tries == 3


async def test_an_unreachable_database_is_said_in_a_sentence(settings: Settings, database: Database) -> None:
    running, Database.current = Database.current, None
    try:
        elsewhere = Database(replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none"))
        with pytest.raises(ParseError, match="cannot be reached"):
            await elsewhere.start()
        assert Database.current is None
    finally:
        Database.current = running


async def test_databases_follow_each_other_and_never_overlap(
    database: Database, settings: Settings, clone_database: Callable[[], str]
) -> None:
    with pytest.raises(RuntimeError):
        await Database(settings).start()
    await database.stop()
    other = Database(replace(settings, database_url=clone_database()))
    await other.start()
    await Role.insert(new_role("elsewhere"))
    await other.stop()
    await database.start()
    assert await Role.count() == 0


async def test_the_embedded_server_stops_with_its_last_user(open_folder: Path) -> None:
    settings = Settings(data_dir=open_folder / "own")
    pid_file = settings.postgres_dir / "postmaster.pid"
    url, again = await asyncio.gather(ensure_embedded(settings), ensure_embedded(settings))
    assert url == again
    other = subprocess.Popen(  # noqa: ASYNC220 - a process to be killed, not awaited
        [sys.executable, "-c", OTHER_USER, str(settings.data_dir)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"using\n"
    release_embedded(settings.postgres_dir)
    release_embedded(settings.postgres_dir)
    assert pid_file.exists()
    other.kill()
    other.wait()
    other.stdout.close()
    assert await ensure_embedded(settings) == url
    connection = await asyncpg.connect(url)
    await connection.close()
    release_embedded(settings.postgres_dir)
    assert not pid_file.exists()


TERMINATE_OTHERS = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""

OTHER_USER = """
import asyncio, sys, time
from pathlib import Path
from app.config import Settings
from app.store.database import ensure_embedded
asyncio.run(ensure_embedded(Settings(data_dir=Path(sys.argv[1]))))
print("using", flush=True)
time.sleep(600)
"""
