"""Which requests were done already, by the numbers their clients gave them.

Owns: the table `careboard.request`. Holds: a row commits with what its request wrote, or not at all; of two at once the second
waits for the first. A row is a digest and a time: neither who asked nor what can be read from it. May import database.
"""

from datetime import timedelta

from app.store.database import Connection

REQUEST_DDL = """
create table if not exists careboard.request (
    digest bytea primary key,
    expires_at timestamptz not null
);
create index if not exists request_expires_at on careboard.request (expires_at);
"""

_CLAIM = """
insert into careboard.request as known (digest, expires_at) values ($1, clock_timestamp() + $2::interval)
on conflict (digest) do update set expires_at = excluded.expires_at where known.expires_at <= clock_timestamp()
returning true
"""

PORTION = 5000
"""So many are dropped at once, so that no sweep holds many rows for long."""

_FORGET = f"""
delete from careboard.request where digest in (
    select digest from careboard.request where expires_at <= clock_timestamp() order by expires_at limit {PORTION}
)
"""


async def claim_request(tx: Connection, digest: bytes, kept: timedelta) -> bool:
    """Notes in the transaction of the request's own writes that it is done; False when it was done before."""
    return bool(await tx.fetchval(_CLAIM, digest, kept))


async def is_claimed(connection: Connection, digest: bytes) -> bool:
    """Whether a request was done before, as of now."""
    text = "select exists (select from careboard.request where digest = $1 and expires_at > clock_timestamp())"
    return bool(await connection.fetchval(text, digest))


async def forget_requests(connection: Connection) -> bool:
    """Drops a portion of what need not be known any more, and says whether there may be more."""
    return await connection.execute(_FORGET) == f"DELETE {PORTION}"
