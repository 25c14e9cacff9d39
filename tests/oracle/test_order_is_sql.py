"""Memory and Postgres put objects in the same order, for generated classes, objects and orders."""

from dataclasses import replace
from itertools import count

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.core.columns import quote
from app.core.order import compile_sort_key
from app.core.query import Query, parse_query
from app.core.schema import ClassSchema, FieldType
from app.core.sql import Compiler
from app.store.database import Database
from tests.oracle.postgres import Judge
from tests.oracle.test_match_is_sql import EXAMPLES, World, steps, worlds

numbers_of_classes = count()


@st.composite
def orders(draw: st.DrawFn, schema: ClassSchema) -> str:
    keys: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*(name for name in schema.fields if name.startswith("f")), "objectId", "missing"]))
        if name in schema.fields and schema.fields[name].type in (FieldType.ARRAY, FieldType.OBJECT) and draw(st.booleans()):
            name = ".".join([name, *draw(st.lists(steps, min_size=1, max_size=2))])
        keys.append(draw(st.sampled_from(["", "-"])) + name)
    return ",".join(keys)


@st.composite
def asked(draw: st.DrawFn) -> tuple[World, list[str]]:
    world = draw(worlds())
    return world, draw(st.lists(orders(world.schema), min_size=1, max_size=6))


@settings(
    max_examples=EXAMPLES or 120,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(asked=asked())
async def test_memory_and_postgres_put_objects_in_the_same_order(database: Database, asked: tuple[World, list[str]]) -> None:
    world, wanted = asked
    schema = replace(world.schema, class_name=f"Ordered{next(numbers_of_classes)}")
    async with database.connection() as connection, Judge(connection, schema) as judge:
        await judge.store(schema.class_name, world.objects)
        images = await judge.images(schema.class_name)
        for order in wanted:
            query = parse_query(schema.class_name, schema, {"order": order})
            expected = await _ids(judge, query, schema)
            key = compile_sort_key(schema, query.order)
            found = sorted(images.values(), key=key)
            if expected is not None:
                assert [str(image["objectId"]) for image in found] == expected, (order, images)


async def _ids(judge: Judge, query: Query, schema: ClassSchema) -> list[str] | None:
    """The ids in the order that the SQL gives; None where it gives none."""
    arguments: list[object] = []
    order = Compiler(judge.schema).compile_order(query, schema, "t0", arguments)
    if not order:
        return None
    rows = await judge.rows(f'select "objectId" from {quote(schema.class_name)} t0 {order}', *arguments)
    return [str(row) for row in rows]
