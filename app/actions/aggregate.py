"""Aggregates: what a pipeline makes of the objects of a class, and the different values of a field.

Owns: `aggregate`. Holds: the door asks for the master key before it calls, so a pipeline sees every object; what it shows
of a class under the access log is noted there. May import core and store.
"""

from collections.abc import Mapping

from app.actions.caller import Caller
from app.actions.objects import Objects
from app.core.sql import Compiler
from app.core.wire import Json
from app.errors import ErrorCode, ParseError
from app.store.rows.pipeline import Pipeline, stages_of

_IGNORED = frozenset({"hint", "comment", "readPreference"})
_OWN = frozenset({"pipeline", "distinct", "where", "$where"})


async def aggregate(
    objects: Objects, caller: Caller, class_name: str, params: Mapping[str, Json], *, files_url: str | None = None
) -> list[str]:
    """The documents that come out of `params["pipeline"]` (or of the stages that `params` are), or the values of
    `params["distinct"]`, as JSON texts. Nothing where there is no such class. Raises 102 for what is no pipeline.
    """
    if params.get("explain"):
        raise ParseError(ErrorCode.INVALID_QUERY, "explain is not supported for aggregates; explain the find of their $match.")
    given = {name: value for name, value in params.items() if name not in _IGNORED and name != "explain"}
    where = given.get("where", given.get("$where"))
    loose = {name: value for name, value in given.items() if name not in _OWN}
    stages = stages_of(given.get("pipeline", loose))
    if not objects.schemas.has(class_name):
        return []
    pipeline = Pipeline(Compiler(objects.schemas.get), objects.schemas.get(class_name), where, files_url)
    distinct = given.get("distinct")
    text = pipeline.text(stages) if distinct is None else pipeline.distinct_text(str(distinct))
    async with objects.reading() as connection:
        found: list[str] | None = await connection.fetchval(text, *pipeline.arguments)
    await objects.reads.show_one(caller, class_name, None, "find")
    return found or []
