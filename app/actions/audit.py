"""The audit trail: who did what, written in the transaction of the deed and chained so that a changed or missing row shows.

Owns: the rows of `AuditLog`, `record`, `add_note`, `verify`. Holds: a row is written exactly when the deed is committed; the
rows of one object are in one chain, in their order; objectIds of a chain (two digits of chain, ten of number) count up without a
gap and each row carries the hash of the one before it; the database refuses update and delete. A chain is a queue of its writers,
so rows are written last, in one round trip just before the commit: who stands in a queue waits for no other row any more.
May import core and store.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from app.actions.caller import Caller
from app.core.schema import ClassSchema, check_value
from app.core.wire import Json, Object, canonical, decode, identity, iso, pointer
from app.errors import ErrorCode, ParseError
from app.store.audit import CHAINS, Head, count_trail, read_heads, read_trail
from app.store.database import Connection

_ROWS_AT_ONCE = 2_000
_REQUIRED = ("actor", "action", "entityType", "entityId", "summary")
_NOTED = frozenset({*_REQUIRED, "metadata", "payload"})
"""What a note may hold."""

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


async def add_note(tx: Connection, caller: Caller, body: Mapping[str, Json], schema: ClassSchema) -> str:
    """Writes a note of an admin into the trail, marked as made by hand, and returns its objectId.

    Raises 119 for another actor than the caller, whom only the master key may name, and for fields that are the server's; 142
    for what is missing.
    """
    if other := sorted(body.keys() - _NOTED - {"ACL"}):
        words = f"AuditLog.{other[0]} is the server's, or there is none; a note has {', '.join(sorted(_NOTED))}."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
    values: Object = {name: canonical(value) for name, value in body.items() if name in _NOTED and value is not None}
    for name, value in values.items():
        check_value(schema, name, value)
    payload = values.pop("payload", None)
    if payload is not None and values.setdefault("metadata", payload) != payload:
        raise ParseError(ErrorCode.VALIDATION_ERROR, "payload: it is the same value as metadata; give one of the two.")
    for name in _REQUIRED:
        if values.get(name) in (None, ""):
            raise ParseError(ErrorCode.VALIDATION_ERROR, f"{name} is required")
    if not caller.is_master and values["actor"] != pointer("_User", str(caller.user_id)):
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, "actor: give yourself; only the master key notes for somebody else.")
    return (await _write(tx, [{**values, "byHand": True}]))[0]


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


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold: the objectId, and what is wrong there."""

    object_id: str
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found: how many rows it read, the first break of each chain, and where the chains end."""

    rows: int
    breaks: tuple[Break, ...]
    heads: dict[str, Head]


async def verify(
    connection: Connection,
    *,
    anchor: Mapping[str, Head] | None = None,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Verified:
    """Reads the whole trail and computes every link anew; run it in a transaction that sees one moment.

    `anchor` is where chains ended once, kept outside the database: a trail that was rebuilt since, its noted ends with it, does
    not hold that. `told` hears how many rows are read and how many there are.
    """
    heads, total, done, after = await read_heads(connection), await count_trail(connection), 0, ""
    chains = _Chains(anchor or {})
    while rows := await read_trail(connection, after, _ROWS_AT_ONCE):
        for row in rows:
            chains.take(row)
        done, after = done + len(rows), rows[-1]["objectId"]
        told(done, max(total, done))
    chains.end(heads)
    return Verified(done, tuple(chains.breaks.values()), heads)


async def find_break(connection: Connection) -> str | None:
    """The objectId of the first place where the trail does not hold, None when all of it does."""
    breaks = (await verify(connection)).breaks
    return breaks[0].object_id if breaks else None


class _Chains:
    """The chains as far as they are read; of each chain the first break is kept, as all behind it hangs on that."""

    def __init__(self, anchor: Mapping[str, Head]) -> None:
        self.breaks: dict[str, Break] = {}
        self._anchor = anchor
        self._ends: dict[str, Head] = {}

    def take(self, row: Any) -> None:
        object_id: str = row["objectId"]
        chain = object_id[:2]
        number, previous = self._ends.get(chain, (0, None))
        number += 1
        expected = f"{chain}{number:010d}"
        link = _hash(previous, object_id, row["createdAt"], _entry(row))
        if not (chain.isdigit() and int(chain) in CHAINS):
            self._note(chain, object_id, "is in no chain of the trail")
        elif object_id != expected:
            self._note(chain, expected, f"is missing; {object_id} follows")
        elif row["previousHash"] != previous or row["hash"] != link:
            self._note(chain, object_id, "was changed, or stands in the place of another row")
        elif self._anchor.get(chain, (0, ""))[0] == number and self._anchor[chain][1] != link:
            self._note(chain, object_id, "is not the row that the anchor knows: the chain was rebuilt")
        self._ends[chain] = (number, link)

    def end(self, heads: Mapping[str, Head]) -> None:
        """Compares where the chains end with where they were noted to end."""
        for chain in sorted({*heads, *self._ends, *self._anchor}):
            number, link = self._ends.get(chain, (0, ""))
            known = max(heads.get(chain, (0, ""))[0], self._anchor.get(chain, (0, ""))[0])
            if number < known:
                cut = known - number
                self._note(chain, f"{chain}{number + 1:010d}", f"is missing: {cut} row{'s' * (cut > 1)} cut off at the end")
            elif heads.get(chain) != (number, link):
                self._note(chain, f"{chain}{number:010d}", "is not where the database noted the end of the chain")

    def _note(self, chain: str, object_id: str, what: str) -> None:
        self.breaks.setdefault(chain, Break(object_id, what))


async def _write(tx: Connection, entries: list[Object]) -> list[str]:
    # One order of the chains for all writers, or two of them could wait for each other.
    placed = sorted(
        ((chain_of(str(entry["entityType"]), str(entry["entityId"])), entry) for entry in entries), key=lambda each: each[0]
    )
    texts = [identity(entry).decode() for _, entry in placed]
    ids: list[str] = await tx.fetchval("select careboard.append_audit($1, $2)", [chain for chain, _ in placed], texts)
    return ids


def _entry(row: Any) -> Object:
    """What `record` was told, read back from the row."""
    values: Object = {name: row[name] for name in ("action", "entityType", "entityId", "summary")}
    if row["actor"] is not None:
        values["actor"] = pointer("_User", row["actor"])
    if row["metadata"] is not None:
        values["metadata"] = canonical(decode(row["metadata"]))
    if row["byHand"] is not None:
        values["byHand"] = row["byHand"]
    return values


def _hash(previous: str | None, object_id: str, at: datetime | None, values: Object) -> str:
    """The link as `careboard.append_audit` computes it: sha256 of the canonical JSON."""
    link: list[Json] = [previous, object_id, None if at is None else iso(at), values]
    return hashlib.sha256(identity(link)).hexdigest()
