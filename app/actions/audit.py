"""The audit trail: who did what, written in the transaction of the deed and chained so that a changed or missing row shows.

Owns: the rows of `AuditLog`, `record`, `find_break`. Holds: a row is written exactly when the deed is committed;
objectIds count up without a gap and each row carries the hash of the one before it; the database refuses update and
delete. The chain is one queue for all writers, so rows are written last, just before the commit: a writer that stands
in the queue waits for no other row any more. May import core and store.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime

from app.actions.caller import Caller
from app.core.wire import Json, Object, canonical, decode, identity, iso, pointer
from app.store import objects as rows
from app.store.database import Connection
from app.store.tables import AuditLog, schema_of

_SCHEMA = schema_of(AuditLog)
_QUEUE = 7_164_021_010
_READERS = ["role:admin"]


_waiting: ContextVar[list[Object] | None] = ContextVar("careboard_audit", default=None)


async def record(
    tx: Connection,
    caller: Caller,
    action: str,
    entity_type: str,
    entity_id: str,
    summary: str,
    metadata: Object | None = None,
) -> None:
    """Notes a deed in the audit trail of the transaction `tx`. `metadata` is wire JSON (others call it payload).

    Inside `Objects.transaction` (every save has one) the row is written just before the commit, elsewhere at once.
    """
    values: Object = {
        "action": action,
        "entityType": entity_type,
        "entityId": entity_id,
        "summary": summary,
    }
    if caller.user_id is not None:
        values["actor"] = pointer("_User", caller.user_id)
    if metadata:
        values["metadata"] = canonical(metadata)
    waiting = _waiting.get()
    if waiting is None:
        await _write(tx, [values])
    else:
        waiting.append(values)


@asynccontextmanager
async def collected(tx: Connection) -> AsyncIterator[None]:
    """Keeps what is recorded inside and writes it at the end; the transaction must commit right after."""
    if _waiting.get() is not None:
        yield
        return
    waiting: list[Object] = []
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    if waiting:
        await _write(tx, waiting)


async def find_break(connection: Connection) -> str | None:
    """The objectId of the first row that does not continue the chain, None when all of it holds. Reads the whole trail."""
    previous: str | None = None
    for number, row in enumerate(await connection.fetch(_TRAIL), 1):
        values: Object = {name: row[name] for name in ("action", "entityType", "entityId", "summary")}
        if row["actor"] is not None:
            values["actor"] = pointer("_User", row["actor"])
        if row["metadata"] is not None:
            values["metadata"] = decode(row["metadata"])
        expected = _hash(previous, _number_to_id(number), row["createdAt"], values)
        if (row["objectId"], row["previousHash"], row["hash"]) != (_number_to_id(number), previous, expected):
            return str(row["objectId"])
        previous = expected
    return None


async def _write(tx: Connection, entries: list[Object]) -> None:
    await tx.execute("select pg_advisory_xact_lock($1)", _QUEUE)
    # A statement of its own: the lock may have been waited for, and only what is asked afterwards sees the last writer's row.
    last = await tx.fetchrow(_LAST)
    previous, reached = (last["hash"], int(last["objectId"])) if last else (None, 0)
    now = await tx.fetchval("select date_trunc('milliseconds', clock_timestamp())")
    for number, entry in enumerate(entries, reached + 1):
        object_id = _number_to_id(number)
        own = _hash(previous, object_id, now, entry)
        chain: Object = {"hash": own} if previous is None else {"previousHash": previous, "hash": own}
        await rows.insert(
            tx,
            _SCHEMA,
            {**entry, **chain},
            object_id=object_id,
            created_at=now,
            updated_at=now,
            rperm=_READERS,
            wperm=[],
        )
        previous = own


def _hash(previous: str | None, object_id: str, at: datetime, values: Object) -> str:
    link: list[Json] = [previous, object_id, iso(at), values]
    return hashlib.sha256(identity(link)).hexdigest()


def _number_to_id(number: int) -> str:
    """Ten digits: they sort as text as they count, under any collation."""
    return f"{number:010d}"


_LAST = 'select "objectId", "hash" from "AuditLog" order by "objectId" desc limit 1'

_TRAIL = """
select "objectId", "createdAt", "actor", "action", "entityType", "entityId", "summary", "metadata"::text as metadata,
  "previousHash", "hash"
from "AuditLog" order by "objectId"
"""
