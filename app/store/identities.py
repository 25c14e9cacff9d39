"""Which account a sign-in elsewhere belongs to: the ids inside `authData`, each held by one account at most.

Owns: the table `careboard.identity`, a row for each provider and id in `_User.authData`, and its trigger. Holds: the database
keeps the rows in step with the column, whoever writes it, and refuses an id that another account has. May import database and
refusals.
"""

from collections.abc import Collection, Iterable, Mapping

from app.errors import ErrorCode
from app.store.database import Connection
from app.store.refusals import register_sentence

ALREADY_LINKED = "this auth is already used"
"""Parse Server's own words."""

register_sentence("careboard_identity_one_account", ALREADY_LINKED, ErrorCode.ACCOUNT_ALREADY_LINKED)

IDENTITIES_DDL = """
create table if not exists careboard.identity (
    provider text not null,
    subject text not null,
    "user" text not null,
    constraint careboard_identity_one_account primary key (provider, subject)
);
create index if not exists identity_user on careboard.identity ("user");

create or replace function careboard.identities_of(auth_data jsonb) returns table (provider text, subject text)
language sql immutable as $$
    select key, value ->> 'id' from jsonb_each(case jsonb_typeof(auth_data) when 'object' then auth_data else '{}' end)
    where jsonb_typeof(value -> 'id') = 'string'
    order by 1, 2
$$;

create or replace function careboard.keep_identities() returns trigger
language plpgsql security definer set search_path = pg_catalog, careboard as $$
begin
    if tg_op = 'TRUNCATE' then
        delete from careboard.identity;
        return null;
    end if;
    if tg_op <> 'INSERT' then
        delete from careboard.identity held where held."user" = old."objectId" and (tg_op = 'DELETE'
            or (held.provider, held.subject) not in (select * from careboard.identities_of(new."authData")));
    end if;
    if tg_op <> 'DELETE' then
        insert into careboard.identity select each.provider, each.subject, new."objectId"
        from careboard.identities_of(new."authData") each
        where not exists (select from careboard.identity held
            where (held.provider, held.subject, held."user") = (each.provider, each.subject, new."objectId"));
    end if;
    return null;
end $$;

create or replace trigger careboard_identities after insert or update of "authData" or delete on "_User"
    for each row execute function careboard.keep_identities();
create or replace trigger careboard_identities_gone after truncate on "_User"
    for each statement execute function careboard.keep_identities();

-- Accounts that were there before the table: of two that hold the same id, the older one.
insert into careboard.identity
select each.provider, each.subject, u."objectId" from "_User" u, careboard.identities_of(u."authData") each
where u."authData" is not null order by u."createdAt"
on conflict do nothing;
"""


async def find_owners(connection: Connection, identities: Iterable[tuple[str, str]]) -> Collection[str]:
    """The accounts that hold any of these (provider, id)."""
    wanted = [*identities]
    if not wanted:
        return ()
    rows = await connection.fetch(
        """
        select distinct held."user" as id from careboard.identity held
        join unnest($1::text[], $2::text[]) as each(provider, subject) using (provider, subject)
        """,
        [provider for provider, _ in wanted],
        [subject for _, subject in wanted],
    )
    return tuple(str(row["id"]) for row in rows)


async def read_auth_data(connection: Connection, user_id: str) -> str | None:
    """The `authData` of an account as JSON text; None where it has none, or there is no such account."""
    return (await read_auth_data_of(connection, [user_id])).get(user_id)


async def read_auth_data_of(connection: Connection, user_ids: Collection[str]) -> Mapping[str, str]:
    """The same for those of several accounts that have any."""
    text = """
        select "objectId" as id, "authData"::text as linked from "_User" where "objectId" = any($1) and "authData" is not null
    """
    rows = await connection.fetch(text, list(user_ids))
    return {row["id"]: row["linked"] for row in rows}
