"""How far clients have been told that keep no cursor themselves, where every process finds it.

Owns: the table `careboard.told`, a row for each connection. Holds: it is a help, not the truth: a row may be missing, or say less
than was told; then a client hears some of it again, or begins anew. It is not written to the log, so a crash of Postgres empties
it. May import database.
"""

from collections.abc import Sequence

from app.store.database import Connection

TOLD_DDL = """
create unlogged table if not exists careboard.told (
    connection text primary key,
    process text not null,
    installation_id text not null,
    told text not null,
    at timestamptz not null default clock_timestamp()
);
create index if not exists told_installation on careboard.told (installation_id);
"""

KEPT = "10 minutes"


async def save_told(connection: Connection, process: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Notes (connection, installation, what it was told) for each, in place of what was noted before."""
    ids, installations, told = zip(*rows, strict=True)
    await connection.execute(
        """
        insert into careboard.told (connection, process, installation_id, told)
        select each.connection, $1, each.installation_id, each.told
        from unnest($2::text[], $3::text[], $4::text[]) as each(connection, installation_id, told)
        on conflict (connection) do update set told = excluded.told, at = excluded.at
        """,
        process,
        list(ids),
        list(installations),
        list(told),
    )


async def read_told(connection: Connection, process: str, installation_id: str) -> list[str]:
    """What connections of an installation were told, by other processes or before this one began."""
    text = """
        select told from careboard.told
        where installation_id = $1 and process <> $2 and at > clock_timestamp() - $3::text::interval
    """
    return [row["told"] for row in await connection.fetch(text, installation_id, process, KEPT)]


async def forget_told(connection: Connection) -> None:
    """Drops what is too old."""
    await connection.execute("delete from careboard.told where at < clock_timestamp() - $1::text::interval", KEPT)
