"""Who sees a row follows from its facts and its parents, kept by the database."""

import asyncio

from app.actions.caller import MASTER
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.domains.visibility import acl
from app.store.database import Database
from app.store.schemas import Schemas
from tests.actions.world import World, make_world

PLACE: Json = {"__type": "GeoPoint", "latitude": 1, "longitude": 2}


async def family(database: Database, schemas: Schemas, settings: Settings) -> tuple[World, str, str]:
    """A class of orders with an owner, and one of parcels that those of the order and the courier see."""
    world = await make_world(database, schemas, settings)
    order = await world.thing(fields={"owner": {"type": "Pointer", "targetClass": "_User"}, "note": {"type": "String"}})
    to_order: Json = {"type": "Pointer", "targetClass": order}
    to_courier: Json = {"type": "Pointer", "targetClass": "_User"}
    parcel = await world.thing(fields={"order": to_order, "courier": to_courier, "place": {"type": "GeoPoint"}})
    of_order = f"""(select o."_rperm" from "{order}" o where o."objectId" = new."order")"""
    writers = "array['role:admin']"
    sql = acl(
        order, readers="""array['role:admin', new."owner"]""", writers=writers, facts=("owner",), children=((parcel, "order"),)
    )
    sql += acl(
        parcel,
        readers=f"""{of_order} || array['role:admin', new."courier"]""",
        writers=writers,
        facts=("order", "courier"),
        parents=(("order", order),),
    )
    async with database.transaction() as tx:
        await tx.execute(sql)
        await tx.execute(sql)
    return world, order, parcel


def who(stored: Object) -> set[str]:
    acl = stored.get("ACL")
    return {name for name, may in acl.items() if isinstance(may, dict) and may.get("read")} if isinstance(acl, dict) else {"*"}


async def test_a_child_follows_its_parent(database: Database, schemas: Schemas, settings: Settings) -> None:
    world, order, parcel = await family(database, schemas, settings)
    one = await world.objects.create(MASTER, order, {"owner": pointer("_User", "ann")})
    child = await world.objects.create(
        MASTER, parcel, {"order": pointer(order, one.object_id), "courier": pointer("_User", "bob"), "place": PLACE}
    )
    assert who(await world.stored(parcel, child.object_id)) == {"role:admin", "ann", "bob"}
    await world.objects.update(MASTER, order, one.object_id, {"owner": pointer("_User", "cleo")})
    assert who(await world.stored(parcel, child.object_id)) == {"role:admin", "cleo", "bob"}


async def test_an_acl_that_is_written_over_is_put_right(database: Database, schemas: Schemas, settings: Settings) -> None:
    world, order, _ = await family(database, schemas, settings)
    one = await world.objects.create(MASTER, order, {"owner": pointer("_User", "ann"), "ACL": {"*": {"read": True}}})
    assert who(await world.stored(order, one.object_id)) == {"role:admin", "ann"}
    await world.objects.update(MASTER, order, one.object_id, {"ACL": {"*": {"read": True, "write": True}}, "note": "x"})
    stored = await world.stored(order, one.object_id)
    assert (who(stored), stored["note"]) == ({"role:admin", "ann"}, "x")


async def test_a_change_that_concerns_nobody_writes_no_child(database: Database, schemas: Schemas, settings: Settings) -> None:
    world, order, parcel = await family(database, schemas, settings)
    one = await world.objects.create(MASTER, order, {"owner": pointer("_User", "ann")})
    await world.objects.create(MASTER, parcel, {"order": pointer(order, one.object_id)})
    count = f"""select count(*) from careboard.change where class = '{parcel}'"""
    async with database.connection() as connection:
        before = await connection.fetchval(count)
        await world.objects.update(MASTER, order, one.object_id, {"note": "x"})
        await connection.execute(f"""update "{parcel}" set "_rperm" = '{{someone}}'""")
        assert await connection.fetchval(count) == before


async def test_of_a_parent_that_moves_and_a_child_that_comes_neither_misses_the_other(
    database: Database, schemas: Schemas, settings: Settings
) -> None:
    world, order, parcel = await family(database, schemas, settings)
    for number in range(20):
        one = await world.objects.create(MASTER, order, {"owner": pointer("_User", "ann")})
        move = world.objects.update(MASTER, order, one.object_id, {"owner": pointer("_User", f"new{number}")})
        comes = world.objects.create(MASTER, parcel, {"order": pointer(order, one.object_id)})
        _, child = await asyncio.gather(move, comes)
        assert who(await world.stored(parcel, child.object_id)) == {"role:admin", f"new{number}"}
