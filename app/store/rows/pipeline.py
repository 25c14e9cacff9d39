"""Aggregate pipelines: stages, one behind the other, as one SELECT.

Owns: the stages of Parse's `/aggregate` and `distinct`. Holds: the objects a pipeline begins with are rendered as a find
renders them, so secrets are in no document; leading `$match` stages are ordinary wheres, so indexes serve; a stage is a
sub-select over the one before, its documents a jsonb `d`, made once; a stage that is unknown is refused with 102 and the list
of those there are. May import core, store/expressions and store/render.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from app.core.columns import quote
from app.core.query import (
    All,
    AllStartWith,
    And,
    Compare,
    ContainedBy,
    Everything,
    Exists,
    In,
    Node,
    Nor,
    Or,
    Regex,
    both,
    parse_where,
    rewritten,
)
from app.core.schema import ClassSchema, Field, FieldType, class_schema
from app.core.sql import Compiler
from app.core.wire import Json, Object, decode
from app.store.rows.expressions import COLUMN_NAMES, Expressions, field_name, field_path, refused
from app.store.rows.render import render_object

MOST_STAGES: Final = 50

_DOCUMENT: Final = class_schema("Document", {"d": Field(FieldType.OBJECT)})
"""What a stage behind the first sees: rows of one jsonb."""


def stages_of(raw: Json) -> list[tuple[str, Json]]:
    """The stages of a pipeline: a list of objects of one stage each, or one object of them all, in its order."""
    if isinstance(raw, dict):
        raw = [{name: stage} for name, stage in raw.items()]
    if not isinstance(raw, list) or len(raw) > MOST_STAGES:
        raise refused(f"A pipeline is a list of at most {MOST_STAGES} stages.")
    stages: list[tuple[str, Json]] = []
    for stage in raw:
        if not isinstance(stage, dict) or len(stage) != 1:
            keys = ", ".join(stage) if isinstance(stage, dict) else "none"
            raise refused(f"Pipeline stages should only have one key but found {keys}.")
        stages += stage.items()
    return stages


class Pipeline:
    """One pipeline being written: `source` is the SELECT so far, `arguments` what it names."""

    def __init__(self, schemas: Compiler, schema: ClassSchema, where: Json, files_url: str | None) -> None:
        self.arguments: list[object] = []
        self._compiler = schemas
        self._schema = schema
        self._files_url = files_url
        self._expressions = Expressions(self.arguments)
        self._where: Node = parse_where(schema, _columns(where))
        self._source: str | None = None

    def text(self, stages: Iterable[tuple[str, Json]]) -> str:
        """The statement whose one row holds the documents that come out at the end, as `objects`."""
        for name, operand in stages:
            self._add(name, operand)
        return f"select array_agg(d::text) as objects from ({self._rows()}) s"

    def distinct_text(self, key: str) -> str:
        """The statement whose one row holds the different values at a path, those inside arrays one by one."""
        rows, value = self._rows(), self._expressions.at(field_path(key))
        each = "jsonb_array_elements(case jsonb_typeof(v) when 'array' then v else jsonb_build_array(v) end) e"
        found = f"select distinct e from (select {value} as v from ({rows}) s) found, {each} where v is not null and e <> 'null'"
        return f"select array_agg(e::text order by e) as objects from ({found}) s"

    def _rows(self) -> str:
        if self._source is None:
            where = self._compiler.compile_where(self._where, self._schema, "t0", self.arguments)
            shown = render_object(self._schema, "t0", files_url=self._files_url)
            self._source = _once(f"select ({shown})::jsonb as d from {quote(self._schema.class_name)} t0 where {where}")
        return self._source

    def _add(self, name: str, operand: Json) -> None:
        if name == "$match" and self._source is None:
            self._where = both(self._where, parse_where(self._schema, _columns(operand)))
            return
        build = _STAGES.get(name)
        if build is None:
            known = ", ".join(sorted(_STAGES))
            raise refused(f"Invalid aggregate stage '{name}'." if name[:1] != "$" else f"There is no {name} here but {known}.")
        rows = self._rows()
        self._source = _once(build(self, rows, operand))

    # ---- stages

    def _match(self, rows: str, operand: Json) -> str:
        node = rewritten(parse_where(None, _columns(operand)), _inside)
        where = self._compiler.compile_where(node, _DOCUMENT, "s", self.arguments)
        return f'select d from ({rows}) "s" where {where}'

    def _group(self, rows: str, operand: Json) -> str:
        """Documents with the same `_id`, which they are told by as `objectId`."""
        if isinstance(operand, dict) and "objectId" in operand:
            raise refused("Cannot use 'objectId' in aggregation stage $group.")
        if not isinstance(operand, dict) or "_id" not in operand:
            raise refused("Invalid parameter for query: group. Missing key _id")
        by = operand["_id"]
        key = f"careboard.group_key({self._expressions.value(by)})" if by else "null::jsonb"
        gathered = {field_name(name): self._expressions.accumulated(raw, name) for name, raw in operand.items() if name != "_id"}
        named = ", ".join(f"{self._expressions.bind(name, 'text')}, {value}" for name, value in gathered.items())
        document = f"jsonb_build_object('objectId', key{', ' + named if named else ''})"
        keyed = f"select {key} as key, d, row_number() over () as n from ({rows}) s"
        return f"select {document} as d from ({keyed}) s group by key order by key"

    def _project(self, rows: str, operand: Json) -> str:
        """Fields kept (1), left out (0) or made; `objectId` stays unless it is left out."""
        fields = _object("$project", operand)
        if not fields:
            raise refused("$project names at least one field.")
        named = {field_name(name): raw for name, raw in fields.items()}
        out = {name for name, raw in named.items() if _is_flag(raw) and not raw}
        if out and out - {"objectId"} == named.keys() - {"objectId"} and out != {"objectId"}:
            return f"select d - {self._expressions.bind(sorted(out), 'text[]')} as d from ({rows}) s"
        if out - {"objectId"}:
            raise refused("$project either keeps fields or leaves some out; only _id may be left out beside kept ones.")
        shown = {name: "$" + name if _is_flag(raw) else raw for name, raw in named.items() if name not in out}
        if "objectId" not in named:
            shown = {"objectId": "$objectId", **shown}
        made = self._expressions.object({name: self._expressions.value(raw) for name, raw in shown.items()})
        return f"select {made} as d from ({rows}) s"

    def _add_fields(self, rows: str, operand: Json) -> str:
        fields = _object("$addFields", operand)
        made = self._expressions.object({field_name(name): self._expressions.value(raw) for name, raw in fields.items()})
        return f"select d || {made} as d from ({rows}) s"

    def _unset(self, rows: str, operand: Json) -> str:
        names = [operand] if isinstance(operand, str) else operand
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise refused("$unset names the fields to leave out.")
        gone = [field_name(str(name)) for name in names]
        return f"select d - {self._expressions.bind(gone, 'text[]')} as d from ({rows}) s"

    def _sort(self, rows: str, operand: Json) -> str:
        """What is missing is the least, as in MongoDB, whose top ten has no gaps; then numbers, then texts by code point."""
        terms = []
        for path, direction in _object("$sort", operand).items():
            if direction not in (1, -1) or isinstance(direction, bool):
                raise refused("$sort takes 1 or -1 for each field.")
            value, way = self._expressions.at(field_path(path)), " desc" if direction == -1 else ""
            text = f"coalesce({value} ->> 'iso', {value} #>> '{{}}')"
            number = f"careboard.number_of({value}){way} nulls last"
            terms += [f"({value} is not null){way}", number, f'{text} collate "C"{way}']
        if not terms:
            raise refused("$sort names at least one field.")
        return f"select d from ({rows}) s order by {', '.join(terms)}"

    def _limit(self, rows: str, operand: Json) -> str:
        return f"select d from ({rows}) s limit {self._expressions.bind(_whole('$limit', operand, 1), 'int8')}"

    def _skip(self, rows: str, operand: Json) -> str:
        return f"select d from ({rows}) s offset {self._expressions.bind(_whole('$skip', operand, 0), 'int8')}"

    def _sample(self, rows: str, operand: Json) -> str:
        size = _whole("$sample", _object("$sample", operand).get("size"), 1)
        return f"select d from ({rows}) s order by random() limit {self._expressions.bind(size, 'int8')}"

    def _count(self, rows: str, operand: Json) -> str:
        if not isinstance(operand, str):
            raise refused("$count names the field to put the number in.")
        name = self._expressions.bind(field_name(operand), "text")
        return f"select jsonb_build_object({name}, count(*)) as d from ({rows}) s having count(*) > 0"

    def _sort_by_count(self, rows: str, operand: Json) -> str:
        return self._sort(self._group(rows, {"_id": operand, "count": {"$sum": 1}}), {"count": -1})

    def _unwind(self, rows: str, operand: Json) -> str:
        """A document for each element of an array, which stands in the array's place."""
        given = operand if isinstance(operand, dict) else {"path": operand}
        path, kept = given.get("path"), given.get("preserveNullAndEmptyArrays", False)
        if not isinstance(path, str) or not path.startswith("$") or "." in path or not isinstance(kept, bool):
            raise refused('$unwind names one field, as "$tags".')
        if given.keys() - {"path", "preserveNullAndEmptyArrays"}:
            raise refused("$unwind takes path and preserveNullAndEmptyArrays.")
        name = self._expressions.bind(field_name(path[1:]), "text")
        value = f"nullif(d -> {name}, 'null')"
        single = f"case when {value} is null then null else jsonb_build_array({value}) end"
        elements = f"case jsonb_typeof({value}) when 'array' then {value} else {single} end"
        each = f"jsonb_array_elements({elements}) with ordinality each(e, place) on true"
        document = f"case when e is null then d - {name} else jsonb_set(d, array[{name}], e) end"
        return f"select {document} as d from ({rows}) s {'left' if kept else 'inner'} join lateral {each}"


_STAGES: Final[Mapping[str, Callable[[Pipeline, str, Json], str]]] = {
    "$match": Pipeline._match,
    "$group": Pipeline._group,
    "$project": Pipeline._project,
    "$addFields": Pipeline._add_fields,
    "$set": Pipeline._add_fields,
    "$unset": Pipeline._unset,
    "$sort": Pipeline._sort,
    "$limit": Pipeline._limit,
    "$skip": Pipeline._skip,
    "$sample": Pipeline._sample,
    "$count": Pipeline._count,
    "$sortByCount": Pipeline._sort_by_count,
    "$unwind": Pipeline._unwind,
}


def _once(rows: str) -> str:
    """The same rows, each document made once. Postgres would put what makes it in the place of every `d` behind, and thirty
    stages that name it twice are then more than any machine has room for; it does not look into a sub-select with an offset.
    """
    return f"select d from ({rows}) made offset 0"


def _columns(where: Json) -> Json:
    """A where with the names that MongoDB's columns have put right, at any depth of $and, $or and $nor."""
    if isinstance(where, str) and where:
        where = decode(where)
    if not isinstance(where, dict):
        return where
    branches = ("$and", "$or", "$nor")
    return {
        COLUMN_NAMES.get(key, key): [_columns(part) for part in value] if key in branches and isinstance(value, list) else value
        for key, value in where.items()
    }


def _inside(node: Node) -> Node:
    """A condition on documents: each path begins in the jsonb that holds them."""
    if isinstance(node, Everything | And | Or | Nor):
        return node
    if not isinstance(node, Compare | In | All | AllStartWith | ContainedBy | Exists | Regex):
        raise refused("A $match behind other stages asks about the documents alone; put this condition into the first stage.")
    return replace(node, path=("d", *node.path))


def _object(stage: str, operand: Json) -> Object:
    if not isinstance(operand, dict):
        raise refused(f"{stage} takes an object.")
    return operand


def _is_flag(raw: Json) -> bool:
    return isinstance(raw, bool) or (isinstance(raw, int | float) and raw in (0, 1))


def _whole(stage: str, operand: Json, least: int) -> int:
    if isinstance(operand, bool) or not isinstance(operand, int) or not least <= operand < 2**63:
        raise refused(f"{stage} takes a whole number from {least} on.")
    return operand
