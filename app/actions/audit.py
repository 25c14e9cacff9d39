"""The audit trail: who did what, written in the transaction of the deed and chained so that a changed or missing row shows.

Owns: the rows of `AuditLog`, `record`, `find_break`. Holds: a row is written exactly when the deed is committed; the rows of
one object are in one chain, in their order; objectIds of a chain (two digits of chain, ten of number) count up without a gap
and each row carries the hash of the one before it; the database refuses update and delete. A chain is a queue of its writers,
so rows are written last, in one round trip just before the commit: who stands in a queue waits for no other row any more.
May import core and store.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any
from zlib import crc32

from app.actions.caller import Caller
from app.core.wire import Json, Object, canonical, decode, identity, iso, pointer
from app.store.audit import CHAINS
from app.store.database import Connection

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


def chain_of(entity_type: str, entity_id: str) -> int:
    """The chain of an object, always the same one, so that its history is one sequence."""
    return CHAINS[crc32(f"{entity_type}:{entity_id}".encode()) % len(CHAINS)]


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
    """The objectId of the first row that does not continue its chain, None when all chains hold. Reads the whole trail.

    What is cut off at the end of a chain does not show.
    """
    chain, number, previous = "", 0, None
    for row in await connection.fetch(_TRAIL):
        object_id: str = row["objectId"]
        if object_id[:2] != chain:
            chain, number, previous = object_id[:2], 0, None
        number += 1
        expected = _hash(previous, object_id, row["createdAt"], _entry(row))
        if (object_id, row["previousHash"], row["hash"]) != (f"{chain}{number:010d}", previous, expected):
            return object_id
        previous = expected
    return None


async def _write(tx: Connection, entries: list[Object]) -> None:
    # One order of the chains for all writers, or two of them could wait for each other.
    placed = sorted(
        ((chain_of(str(entry["entityType"]), str(entry["entityId"])), entry) for entry in entries), key=lambda each: each[0]
    )
    texts = [identity(entry).decode() for _, entry in placed]
    await tx.execute("select careboard.append_audit($1, $2)", [chain for chain, _ in placed], texts)


def _entry(row: Any) -> Object:
    """What `record` was told, read back from the row."""
    values: Object = {name: row[name] for name in ("action", "entityType", "entityId", "summary")}
    if row["actor"] is not None:
        values["actor"] = pointer("_User", row["actor"])
    if row["metadata"] is not None:
        values["metadata"] = canonical(decode(row["metadata"]))
    return values


def _hash(previous: str | None, object_id: str, at: datetime, values: Object) -> str:
    """The link as `careboard.append_audit` computes it: sha256 of the canonical JSON."""
    link: list[Json] = [previous, object_id, iso(at), values]
    return hashlib.sha256(identity(link)).hexdigest()


_TRAIL = """
select "objectId", "createdAt", "actor", "action", "entityType", "entityId", "summary", "metadata"::text as metadata,
  "previousHash", "hash"
from "AuditLog" order by "objectId"
"""
