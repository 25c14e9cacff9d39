"""The rows of any class: read as finished wire JSON texts, written with only what changed.

Owns: the statements that select, insert, update and delete objects and the rows of their relations. Holds: one
statement per call (further ones only when included arrays show a class for the first time); what the caller may not
see is left out inside the query; order and limit are applied before a row is rendered; the same shape of query is the
same SQL text, so that prepared statements are used again; values travel as arguments only. Errors of Postgres pass
through (`Database.translate_errors`). May import core, store/render, store/includes, store/snapshot and store/database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.columns import join_table, quote, to_column
from app.core.ops import RelationChange
from app.core.query import Compare, Everything, Node, Query, RelatedTo, both
from app.core.schema import ClassSchema
from app.core.sql import Compiler
from app.core.wire import UNSET, Json, Object, Unset, decode
from app.errors import ErrorCode, ParseError
from app.store.changes.snapshot import Snapshot
from app.store.database import Connection
from app.store.rows.includes import Registry, Rendering, include_tree
from app.store.rows.render import render_object

Hidden = Callable[[ClassSchema], frozenset[str]]
AllowedFor = Callable[[ClassSchema], Node]

_EVERYTHING = Everything()
_MOST_LOOKS = 4
"""How often a statement is asked again for classes that included arrays show for the first time, arrays in arrays too."""

_OWNER = "\0owner"
"""Stands for the id of an owner while a statement is written; no id holds it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found: finished JSON texts; the count of all matches, and the snapshot seen, if they were asked for."""

    results: list[str]
    count: int | None = None
    cursor: str | None = None  # pg_snapshot text, "xmin:xmax:xip,…"


@dataclass(frozen=True, slots=True)
class Owners:
    """Objects of one class whose relation `key` is followed; `allowed` is what the caller may see of that class."""

    class_name: str
    key: str
    ids: Sequence[str]
    allowed: Node


async def select(
    connection: Connection,
    schemas: Registry,
    query: Query,
    allowed: Node,
    *,
    hidden: Hidden,
    allowed_for: AllowedFor,
    count: bool = False,
    cursor: bool = False,
    files_url: str | None = None,
) -> Found:
    """The objects that `query` asks for and `allowed` lets through, with their includes.

    `hidden` gives the fields of a class that the caller may not see, `allowed_for` what of an included (or inner) class
    the caller may. Raises ParseError 102 for a query that cannot be put to the database.
    """
    count = count or query.with_count
    if query.limit == 0 and not count and not cursor:
        return Found([])
    for looks in range(_MOST_LOOKS + 1):
        marks = looks < _MOST_LOOKS
        writing = Rendering(schemas, Compiler(schemas.get), [], query, hidden, allowed_for, files_url, marks)
        row = await connection.fetchrow(_select_text(writing, allowed, count, cursor), *writing.arguments)
        texts: list[str] = row["objects"] or []
        if not (marks and writing.untyped and writing.learn(texts)):
            break
    return Found(texts, row["count"], row["snapshot"])


async def explain(connection: Connection, schemas: Registry, query: Query, *, hidden: Hidden, allowed_for: AllowedFor) -> str:
    """How Postgres runs a query of somebody who may see everything, as its own JSON; it is run for that."""
    writing = Rendering(schemas, Compiler(schemas.get), [], query, hidden, allowed_for)
    text = _select_text(writing, _EVERYTHING, query.with_count, cursor=False)
    plan: str = await connection.fetchval(f"explain (analyze, format json) {text}", *writing.arguments)
    return plan


async def select_of_owners(
    connection: Connection,
    schemas: Registry,
    owners: Owners,
    query: Query,
    allowed: Node,
    *,
    hidden: Hidden,
    allowed_for: AllowedFor,
    files_url: str | None = None,
) -> dict[str, Found]:
    """What `query` finds among the objects related to each of several owners, by the owner's id: its order and limit for each.

    Owners that are not there, or that their own node does not let through, have no entry.
    """
    for looks in range(_MOST_LOOKS + 1):
        marks = looks < _MOST_LOOKS
        writing = Rendering(schemas, Compiler(schemas.get), [], query, hidden, allowed_for, files_url, marks)
        rows = await connection.fetch(_related_text(writing, owners, allowed), *writing.arguments)
        texts = [text for row in rows for text in row["objects"] or ()]
        if not (marks and writing.untyped and writing.learn(texts)):
            break
    return {row["owner"]: Found(row["objects"] or [], row["count"]) for row in rows}


async def select_count(connection: Connection, schemas: Registry, query: Query, allowed: Node) -> int:
    """How many objects `query` (its order and limit aside) and `allowed` let through."""
    arguments: list[object] = []
    schema = schemas.get(query.class_name)
    where = Compiler(schemas.get).compile_where(both(query.where, allowed), schema, "t0", arguments)
    total: int = await connection.fetchval(f"select count(*) from {_table(schema)} t0 where {where}", *arguments)
    return total


async def select_for_update(
    connection: Connection, schemas: Registry, schema: ClassSchema, object_id: str, allowed: Node
) -> Object | None:
    """The object as it is stored, without secrets, its row locked until the transaction ends; None if not allowed."""
    arguments: list[object] = []
    wanted = both(Compare(("objectId",), "eq", object_id), allowed)
    where = Compiler(schemas.get).compile_where(wanted, schema, "t0", arguments)
    text = f"select {render_object(schema, 't0')} from {_table(schema)} t0 where {where} for update of t0"
    found = await connection.fetchval(text, *arguments)
    return None if found is None else _object(found)


async def insert(
    connection: Connection,
    schema: ClassSchema,
    obj_values: Mapping[str, Json],
    *,
    object_id: str,
    created_at: datetime,
    updated_at: datetime,
    rperm: Sequence[str] | None,
    wperm: Sequence[str] | None,
    secrets: Mapping[str, object] | None = None,
    files_url: str | None = None,
) -> str:
    """Stores a new object and returns its JSON text as stored (after the database's own triggers and defaults).

    `secrets` are columns by their stored name (`_hashed_password`, `sessionToken`) with values as asyncpg takes them.
    """
    columns = {
        "objectId": object_id,
        "createdAt": _milliseconds(created_at),
        "updatedAt": _milliseconds(updated_at),
        "_rperm": rperm,
        "_wperm": wperm,
        **_columns(schema, obj_values),
        **(secrets or {}),
    }
    given = sorted(name for name, value in columns.items() if value is not None)
    names = ", ".join(quote(name) for name in given)
    places = ", ".join(f"${index}" for index in range(1, len(given) + 1))
    shown = render_object(schema, "t0", files_url=files_url)
    text = f"insert into {_table(schema)} as t0 ({names}) values ({places}) returning {shown}"
    stored: str = await connection.fetchval(text, *(columns[name] for name in given))
    return stored


async def update(
    connection: Connection,
    schema: ClassSchema,
    object_id: str,
    values: Mapping[str, Json | Unset],
    *,
    updated_at: datetime,
    rperm: Sequence[str] | Unset | None = UNSET,
    wperm: Sequence[str] | Unset | None = UNSET,
    secrets: Mapping[str, object] | None = None,
    allowed: Node = _EVERYTHING,
    files_url: str | None = None,
) -> str:
    """Writes the changed columns of one object (UNSET or None: the field becomes absent) and returns its JSON text.

    `rperm` and `wperm` left UNSET stay as they are. Raises ParseError 101 when there is no such object, or `allowed`, which
    speaks of this class only, does not let it through as it was.
    """
    columns = _columns(schema, values) | {"updatedAt": _milliseconds(updated_at)} | dict(secrets or {})
    permissions = {"_rperm": rperm, "_wperm": wperm}
    columns |= {name: value for name, value in permissions.items() if value is not UNSET}
    changed = sorted(columns)
    sets = ", ".join(f"{quote(name)} = ${index}" for index, name in enumerate(changed, 1))
    arguments = [columns[name] for name in changed]
    wanted = both(Compare(("objectId",), "eq", object_id), allowed)
    where = Compiler({schema.class_name: schema}.__getitem__).compile_where(wanted, schema, "t0", arguments)
    shown = render_object(schema, "t0", files_url=files_url)
    text = f"update {_table(schema)} t0 set {sets} where {where} returning {shown}"
    stored: str | None = await connection.fetchval(text, *arguments)
    if stored is None:
        raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Object not found.")
    return stored


async def delete(connection: Connection, schema: ClassSchema, object_id: str) -> bool:
    """Removes one object; False if there was none."""
    status: str = await connection.execute(f'delete from {_table(schema)} where "objectId" = $1', object_id)
    return status != "DELETE 0"


async def change_relations(connection: Connection, class_name: str, object_id: str, changes: Sequence[RelationChange]) -> None:
    """Adds objects to and removes them from the relations of one object; what is there already, or is not, is no error."""
    for change in changes:
        join = join_table(change.key, class_name)
        if change.remove:
            text = f'delete from {join} where "owningId" = $1 and "relatedId" = any($2::text[])'
            await connection.execute(text, object_id, list(change.remove))
        if change.add:
            text = (
                f'insert into {join} ("relatedId", "owningId") select related, $1 from unnest($2::text[]) as related '
                "on conflict do nothing"
            )
            await connection.execute(text, object_id, list(change.add))


async def select_related(connection: Connection, class_name: str, object_id: str, key: str) -> tuple[list[str], Snapshot]:
    """The ids in one relation of one object, and the snapshot they were seen at."""
    join = join_table(key, class_name)
    text = f"""select coalesce(array_agg("relatedId"), '{{}}') as ids, pg_current_snapshot()::text as snapshot
      from {join} where "owningId" = $1"""
    row = await connection.fetchrow(text, object_id)
    return list(row["ids"]), Snapshot.parse(row["snapshot"])


def _select_text(writing: Rendering, allowed: Node, count: bool, cursor: bool) -> str:
    query, arguments = writing.query, writing.arguments
    schema = writing.registry.get(query.class_name)
    where = writing.compiler.compile_where(both(query.where, allowed), schema, "t0", arguments)
    order = writing.compiler.compile_order(query, schema, "t0", arguments)
    # The limit is text, as few different ones occur and the planner needs it; the place in a listing is an argument.
    limit = "" if query.limit is None else f" limit {int(query.limit)}"
    skip = ""
    if query.skip:
        arguments.append(query.skip)
        skip = f" offset ${len(arguments)}"
    page = f"select t0.* from {_table(schema)} t0 where {where} {order}{limit}{skip}"
    shown = writing.object(schema, "t0", include_tree(query, schema))
    # One array in one row: a row for each object costs Python twice as much. It keeps the order of the page.
    total = f", (select count(*) from {_table(schema)} t0 where {where}) as count" if count else ", null as count"
    snapshot = f", {'pg_current_snapshot()::text' if cursor else 'null'} as snapshot"
    return f"select array_agg({shown}) as objects{total}{snapshot} from ({page}) t0"


def _related_text(writing: Rendering, owners: Owners, allowed: Node) -> str:
    """The find of one owner, put beside each: what it compares with the owner's id becomes the column."""
    arguments = writing.arguments
    related = RelatedTo(owners.class_name, _OWNER, owners.key)
    inner = _select_text(writing, both(related, allowed), writing.query.with_count, cursor=False)
    schema = writing.registry.get(owners.class_name)
    may_see = writing.compiler.compile_where(owners.allowed, schema, "o", arguments)
    if _OWNER not in arguments:  # the class has no such relation: nothing is related to anything
        arguments.append(_OWNER)
    else:
        inner = inner.replace(f"${arguments.index(_OWNER) + 1}::text", 'o."objectId"')
    place = arguments.index(_OWNER) + 1
    arguments[place - 1] = list(owners.ids)
    return (
        f'select o."objectId" as owner, found.objects, found.count from {_table(schema)} o'
        f' cross join lateral ({inner}) found where o."objectId" = any(${place}::text[]) and ({may_see})'
    )


def _columns(schema: ClassSchema, values: Mapping[str, Json | Unset]) -> dict[str, object]:
    """The columns of the given fields. Relations have none, and the ACL is given as `rperm` and `wperm`."""
    return {
        name: None if isinstance(value, Unset) or value is None else to_column(schema.fields[name], value)
        for name, value in values.items()
        if schema.fields[name].type not in ("Relation", "ACL")
    }


def _object(text: str) -> Object:
    value = decode(text)
    assert isinstance(value, dict), "a rendered row is a JSON object"
    return value


def _milliseconds(moment: datetime) -> datetime:
    # The wire has milliseconds; were the column finer, `updatedAt > …` would find the object it was read from.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _table(schema: ClassSchema) -> str:
    return quote(schema.class_name)
