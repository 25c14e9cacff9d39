"""The outbox: a row for each mail that is to be sent, written in the transaction of what it tells.

Owns: the table `careboard.mail`, which is no class, so that no caller of the API can ask for it and no change of it is told.
Holds: a row names an account and holds no secret and no health data; an address is in it only until the account of a request is
looked up, and where the mail goes to one that the account has no more; of those who send at once each takes rows
of its own; what was taken by a process that died is taken again once its time is over; a sent mail has no row. May import
database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.store.database import Connection

MAIL_DDL = """
create table if not exists careboard.mail (
    id text primary key,
    kind text not null,
    -- Whom it is for; of a request from outside only what was typed is known, until the sender looks for the account.
    user_id text,
    address text,
    words text not null default '',
    path text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    due_at timestamptz not null default clock_timestamp(),
    claimed_until timestamptz,
    attempts int not null default 0,
    reason text not null default '',
    dead_at timestamptz
);
create index if not exists mail_due on careboard.mail (due_at) where dead_at is null;
create index if not exists mail_user on careboard.mail (user_id);
"""

PASSWORD_RESET = "password_reset"  # noqa: S105 - a kind of mail
VERIFICATION = "email_verification"
ADDRESS_CHANGED = "email_changed"
NEWS = "news"
"""The kinds of mail."""

LEASE = "2 minutes"
"""So long a process may take for the mails it took; longer than a letter may take."""

DEAD_FOR = "30 days"
LONGEST_ADDRESS = 320

_COLUMNS = "id, kind, user_id, address, words, path, created_at, attempts, reason, dead_at"


@dataclass(frozen=True, slots=True)
class Mail:
    """A row of the outbox. `attempts` counts the one that is under way."""

    id: str
    kind: str
    user_id: str | None
    address: str | None
    words: str
    path: str
    created_at: datetime
    attempts: int
    reason: str
    dead_at: datetime | None


async def insert_mail(connection: Connection, mail_id: str, kind: str, user_id: str, *, address: str | None = None) -> None:
    """A mail to an account, sent when the transaction has committed; `address` is one that the account has no more."""
    text = "insert into careboard.mail (id, kind, user_id, address) values ($1, $2, $3, $4)"
    await connection.execute(text, mail_id, kind, user_id, address)


async def insert_request(connection: Connection, mail_id: str, kind: str, address: str) -> None:
    """A mail that somebody outside asks for, whether or not there is such an account."""
    text = "insert into careboard.mail (id, kind, address) values ($1, $2, left($3, $4))"
    await connection.execute(text, mail_id, kind, address, LONGEST_ADDRESS)


async def insert_news(connection: Connection, mail_id: str, user_id: str, words: str, path: str) -> None:
    """News to an account that wants them; none where the same news is yet to be sent: one mail tells of both."""
    await connection.execute(
        """
        insert into careboard.mail (id, kind, user_id, words, path)
        select $1, $5, u."objectId", $3, $4 from "_User" u
        where u."objectId" = $2 and u."email" is not null and u."emailVerified" and u."active" is not false
          and u."emailNotifications" is not false and not exists (
            select from careboard.mail m where m.user_id = $2 and m.kind = $5 and m.words = $3 and m.path = $4
              and m.dead_at is null and (m.claimed_until is null or m.claimed_until < clock_timestamp()))
        """,
        mail_id,
        user_id,
        words,
        path,
        NEWS,
    )


async def take_mails(connection: Connection, most: int) -> list[Mail]:
    """Mails that are due, for this process alone until the lease ends."""
    rows = await connection.fetch(
        f"""
        update careboard.mail m set attempts = m.attempts + 1, claimed_until = clock_timestamp() + $2::text::interval
        from (select id from careboard.mail where dead_at is null and due_at <= clock_timestamp()
            and (claimed_until is null or claimed_until < clock_timestamp())
          order by due_at limit $1 for update skip locked) due
        where m.id = due.id returning {", ".join(f"m.{name}" for name in _COLUMNS.split(", "))}
        """,
        most,
        LEASE,
    )
    return _mails(rows)


async def address_mail(connection: Connection, mail_id: str, user_id: str) -> None:
    """Notes for which account a request is, and forgets what was typed."""
    await connection.execute("update careboard.mail set user_id = $2, address = null where id = $1", mail_id, user_id)


async def delete_mail(connection: Connection, mail_id: str) -> None:
    """Forgets a mail that was sent, or that nobody is to be sent any more."""
    await connection.execute("delete from careboard.mail where id = $1", mail_id)


async def postpone_mail(connection: Connection, mail_id: str, seconds: float, reason: str) -> None:
    """Gives a mail back, to be tried again so much later."""
    text = """
        update careboard.mail set claimed_until = null, reason = $3, due_at = clock_timestamp() + make_interval(secs => $2)
        where id = $1
    """
    await connection.execute(text, mail_id, seconds, reason)


async def bury_mail(connection: Connection, mail: Mail, reason: str) -> None:
    """Gives a mail up, and tells the administrators."""
    kept = "case when user_id is not null then address end"  # what somebody has typed is not kept
    given_up = f"claimed_until = null, address = {kept}, reason = $2, dead_at = clock_timestamp()"
    await connection.execute(f"update careboard.mail set {given_up} where id = $1", mail.id, reason)
    if mail.user_id is not None:
        words = f"A mail to this account could not be delivered ({reason}). See `careboard mail list`."
        ask = "select careboard.raise_alert($1, 'normal', 'admin', null, '_User', $2, 'mail_undelivered')"
        await connection.execute(ask, words, mail.user_id)


async def count_mails(connection: Connection) -> tuple[int, int]:
    """How many wait, and how many were given up."""
    text = "select count(*) filter (where dead_at is null) waiting, count(dead_at) dead from careboard.mail"
    row = await connection.fetchrow(text)
    return row["waiting"], row["dead"]


async def list_mails(connection: Connection) -> list[Mail]:
    """Every mail that is not sent, those that were given up first."""
    return _mails(await connection.fetch(f"select {_COLUMNS} from careboard.mail order by dead_at, created_at limit 1000"))


async def revive_mails(connection: Connection, hours: Mapping[str, int]) -> tuple[int, int]:
    """Has those that were given up tried again, and drops those whose link has ended; says how many of each.

    `hours` says how long the links of a kind last; 0 is for ever.
    """
    row = await connection.fetchrow(
        """
        with ended as (
            delete from careboard.mail m using unnest($1::text[], $2::int[]) as each(kind, hours)
            where m.dead_at is not null and m.kind = each.kind and each.hours > 0
              and m.created_at + make_interval(hours => each.hours) <= clock_timestamp()
            returning m.id),
        revived as (
            update careboard.mail set dead_at = null, attempts = 0, due_at = clock_timestamp()
            where dead_at is not null and id not in (select id from ended)
            returning id)
        select (select count(*) from revived) revived, (select count(*) from ended) ended
        """,
        list(hours.keys()),
        list(hours.values()),
    )
    return row["revived"], row["ended"]


async def forget_dead_mails(connection: Connection) -> None:
    """Drops what was given up long ago."""
    await connection.execute("delete from careboard.mail where dead_at < clock_timestamp() - $1::text::interval", DEAD_FOR)


def _mails(rows: Sequence[Any]) -> list[Mail]:
    return [Mail(**{name: row[name] for name in Mail.__slots__}) for row in rows]
