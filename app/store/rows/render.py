"""The database renders a row: one SQL expression per class gives the finished wire JSON text of an object.

Owns: that expression, and the SQL functions it calls (`RENDER_DDL`, run at migrate). Holds: absent (NULL) columns are
left out, secrets are never rendered, `objectId` always is; dates are UTC with milliseconds and `Z`; the text is valid
JSON whatever the row holds. The expression has no FROM of its own, so it serves a SELECT (alias `t0`), a RETURNING and
a trigger (alias `NEW` or `OLD`; PL/pgSQL evaluates it as a simple expression, without starting an executor). The layout
read is Parse Server's (its PostgresStorageAdapter). May import core.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from app.core.schema import ClassSchema, Field

# `concat` drops NULL parts and is fast (measured beside || with coalesce, array_to_string and json_build_object), but a
# Postgres function takes at most 100 arguments.
_MOST_ARGUMENTS: Final = 90
_MOST_CACHED: Final = 2_000
_CUT: Final = "\0"  # in no SQL text

# Parse's AlwaysSelectedKeys: `keys` and `excludeKeys` never drop these.
ALWAYS: Final = ("objectId", "createdAt", "updatedAt", "ACL")

RENDER_DDL: Final = r"""
create schema if not exists careboard;

-- Any ACL: who may read, who may write, who both. One that is null beside one that is not is public.
create or replace function careboard.mixed_acl(readers text[], writers text[]) returns text
language plpgsql stable parallel safe as $acl$
declare
    who text;
    shown text := '';
begin
    readers := coalesce(readers, '{*}');
    writers := coalesce(writers, '{*}');
    foreach who in array readers loop
        continue when who is null;
        shown := shown || ',' || to_json(who)::text
            || case when who = any(writers) then ':{"read":true,"write":true}' else ':{"read":true}' end;
    end loop;
    foreach who in array writers loop
        continue when who is null or who = any(readers);
        shown := shown || ',' || to_json(who)::text || ':{"write":true}';
    end loop;
    return '{' || substr(shown, 2) || '}';
end
$acl$;

-- _rperm and _wperm as the ACL of the wire; both null (public) is null. The planner inlines this, so only the usual case
-- of rows that clients may not write stands here: every further one costs more planning than it saves. Splitting the JSON
-- array at '","' is exact: a quote inside a name carries a backslash.
create or replace function careboard.acl(readers text[], writers text[]) returns text
language sql stable parallel safe as $acl$
    select case
        when readers is null and writers is null then null
        when cardinality(writers) = 0 and cardinality(readers) > 0 and array_position(readers, null) is null then
            '{' || btrim(replace(array_to_json(readers)::text, '","', '":{"read":true},"'), '[]') || ':{"read":true}}'
        else careboard.mixed_acl(readers, writers) end
$acl$;
"""


def render_object(
    schema: ClassSchema,
    alias: str,
    *,
    only: frozenset[str] | None = None,
    without: frozenset[str] = frozenset(),
    includes: Mapping[str, str] | None = None,
    included: bool = False,
    files_url: str | None = None,
) -> str:
    """The SQL expression (type text) of one row's wire JSON.

    `alias` names the row: a table alias, or `NEW`/`OLD`. `only` (top-level names; None = all) keeps those and `ALWAYS`;
    `without` (protected fields) wins over both, but never over objectId. `includes` gives for a field the SQL of the
    JSON value to show instead of the stored one (NULL: keep the stored one). `included` marks an object inside another
    (`"__type":"Object"`). `files_url` is what a file's name is appended to; it is written into the SQL, so give a
    configured address, never a request's.
    """
    key = (id(schema), alias, only, without, tuple(includes or ()), included, files_url)
    pieces = _rendered.get(key)
    if pieces is None:
        pieces = _pieces(schema, alias, rendered_fields(schema, only, without), includes or {}, included, files_url)
        _rendered.put(key, schema, pieces)
    if len(pieces) == 1 or not includes:
        return pieces[0]
    # Every other piece is the name of an included field.
    return "".join(includes[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def rendered_fields(schema: ClassSchema, only: frozenset[str] | None, without: frozenset[str]) -> list[str]:
    """The names that `render_object` shows beside objectId, in their order: the dates, the fields, ACL at the end."""
    names = ["createdAt", "updatedAt", *(name for name in schema.fields if name not in ALWAYS), "ACL"]
    return [
        name
        for name in names
        if name in schema.fields
        and name not in without
        and name not in schema.secrets
        and (only is None or name in only or name in ALWAYS)
    ]


def literal(text: str) -> str:
    """A SQL string constant, whatever the text holds (standard_conforming_strings, the default, is on)."""
    return "'" + text.replace("'", "''") + "'"


def column(alias: str, name: str) -> str:
    """A column of the row `alias`, quoted."""
    return f'{alias}."{name.replace(chr(34), chr(34) * 2)}"'


def _pieces(
    schema: ClassSchema, alias: str, names: list[str], includes: Mapping[str, str], included: bool, files_url: str | None
) -> tuple[str, ...]:
    """The expression, cut where the SQL of an included field goes: text, field name, text, …"""
    parts = [_opening(schema, alias, included)]
    for name in names:
        value = _value(schema, name, alias, files_url)
        parts.append(_member(name, f"coalesce({_CUT}{name}{_CUT}, {value})" if name in includes else f"({value})"))
    return tuple(_concat([*parts, "'}'"]).split(_CUT))


def _value(schema: ClassSchema, name: str, alias: str, files_url: str | None) -> str:
    """The SQL of one field's JSON value; NULL when the column is."""
    if name == "ACL":
        return f"careboard.acl({column(alias, '_rperm')}, {column(alias, '_wperm')})"
    if name in ("createdAt", "updatedAt"):
        return f"""'"' || {_iso(column(alias, name))} || '"'"""
    return _VALUES[schema.fields[name].type](column(alias, name), schema.fields[name], files_url)


def _iso(cell: str) -> str:
    # An interval is cheaper than the zone's name, which is looked up for every row; `infinity` gives NULL: absent.
    return f"""to_char({cell} at time zone interval '0', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


def _text(cell: str, field: Field, files_url: str | None) -> str:
    return f"to_json({cell})::text"


def _boolean(cell: str, field: Field, files_url: str | None) -> str:
    return f"case when {cell} then 'true' when not {cell} then 'false' end"


def _date(cell: str, field: Field, files_url: str | None) -> str:
    return f"""'{{"__type":"Date","iso":"' || {_iso(cell)} || '"}}'"""


def _stored(cell: str, field: Field, files_url: str | None) -> str:
    return f"{cell}::text"


def _pointer(cell: str, field: Field, files_url: str | None) -> str:
    opening = literal(f'{{"__type":"Pointer","className":{json.dumps(field.target_class)},"objectId":')
    return f"{opening} || to_json({cell})::text || '}}'"


def _relation(cell: str, field: Field, files_url: str | None) -> str:
    return literal(f'{{"__type":"Relation","className":{json.dumps(field.target_class)}}}')


def _file(cell: str, field: Field, files_url: str | None) -> str:
    name = f"""'{{"__type":"File","name":' || to_json({cell})::text"""
    if files_url is None:
        return f"{name} || '}}'"
    # The only characters of a Parse file name that a URL does not take as they are.
    encoded = f"replace(replace(replace({cell}, '%', '%25'), ' ', '%20'), '@', '%40')"
    return f"""{name} || ',"url":' || to_json({literal(files_url.rstrip("/") + "/")} || {encoded})::text || '}}'"""


def _geo_point(cell: str, field: Field, files_url: str | None) -> str:
    latitude, longitude = f"to_json(({cell})[1])::text", f"to_json(({cell})[0])::text"
    return f"""'{{"__type":"GeoPoint","latitude":' || {latitude} || ',"longitude":' || {longitude} || '}}'"""


def _polygon(cell: str, field: Field, files_url: str | None) -> str:
    # Stored as ((longitude,latitude),…), on the wire [[latitude,longitude],…].
    pairs = rf"regexp_replace({cell}::text, '\(([^(),]+),([^(),]+)\)', '[\2,\1]', 'g')"
    return f"""'{{"__type":"Polygon","coordinates":' || translate({pairs}, '()', '[]') || '}}'"""


_VALUES: Final[Mapping[str, Callable[[str, Field, str | None], str]]] = {
    "String": _text,
    "Number": _text,  # to_json also keeps NaN and Infinity from breaking the JSON
    "Boolean": _boolean,
    "Date": _date,
    "Object": _stored,
    "Array": _stored,
    "Bytes": _stored,
    "Pointer": _pointer,
    "Relation": _relation,
    "File": _file,
    "GeoPoint": _geo_point,
    "Polygon": _polygon,
}


def _opening(schema: ClassSchema, alias: str, included: bool) -> str:
    kind = f'"__type":"Object","className":{json.dumps(schema.class_name)},' if included else ""
    return f"{literal('{' + kind + chr(34) + 'objectId' + chr(34) + ':')} || to_json({column(alias, 'objectId')})::text"


def _member(name: str, value: str) -> str:
    return f"{literal(f',{json.dumps(name)}:')} || {value}"


def _concat(parts: list[str]) -> str:
    while len(parts) > _MOST_ARGUMENTS:
        parts = [
            f"concat({', '.join(parts[start : start + _MOST_ARGUMENTS])})" for start in range(0, len(parts), _MOST_ARGUMENTS)
        ]
    return f"concat({', '.join(parts)})"


class _Cache:
    """Expressions by key, the least recently used dropped; it holds on to the schema, so that its id stays its own."""

    def __init__(self) -> None:
        self._entries: OrderedDict[object, tuple[ClassSchema, tuple[str, ...]]] = OrderedDict()

    def get(self, key: object) -> tuple[str, ...] | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: object, schema: ClassSchema, pieces: tuple[str, ...]) -> None:
        self._entries[key] = (schema, pieces)
        if len(self._entries) > _MOST_CACHED:
            self._entries.popitem(last=False)


_rendered: Final = _Cache()
