"""Alerts: raised with what they are about, seen by whom they are for, acknowledged in one's own name."""

import pytest

from app.actions.alerts import raise_alert
from app.actions.caller import MASTER
from app.actions.hooks import Next, SaveEvent
from app.core.wire import Object, pointer
from tests.actions.world import World, refusing


async def alarming(world: World, **to: str) -> str:
    """A class of which every save raises an alert."""
    name = await world.thing(fields={"level": {"type": "Number"}, "fails": {"type": "Boolean"}})

    async def alarm(event: SaveEvent, go_on: Next) -> None:
        await go_on()
        await raise_alert(event, "Look at it.", urgency="high", kind="level", about=(name, event.object_id), **to)
        if event.object.get("fails"):
            raise RuntimeError("after the alert")

    world.hooks.on_save(name, alarm, id="test.alarm", priority=20)
    return name


async def alerts_about(world: World, object_id: str) -> list[Object]:
    return [row for row in await world.rows("Alert") if row["about"]["objectId"] == object_id]  # type: ignore[index,call-overload]


async def test_an_alert_of_a_role_is_seen_by_that_role_and_by_admins_alone(world: World) -> None:
    name = await alarming(world, role="nurse")
    saved = await world.objects.create(MASTER, name, {"level": 1})
    alert = (await alerts_about(world, saved.object_id))[0]
    assert (alert["message"], alert["urgency"], alert["role"]) == ("Look at it.", "high", "nurse")
    query = world.objects.parse_query("Alert", {"where": {"objectId": alert["objectId"]}})
    for role, seen in (("nurse", 1), ("admin", 1), ("driver", 0), ("patient", 0)):
        assert len(await world.objects.find_objects(await world.person(role), query)) == seen, role


async def test_a_second_alert_of_the_kind_waits_until_the_first_is_acknowledged(world: World) -> None:
    name = await alarming(world, role="nurse")
    saved = await world.objects.create(MASTER, name, {"level": 1})
    await world.objects.update(MASTER, name, saved.object_id, {"level": 2})
    open_alert = (await alerts_about(world, saved.object_id))[0]
    nurse = await world.person("nurse")
    answer: Object = {"acknowledgedAt": {"__type": "Date", "iso": "2001-01-01T00:00:00.000Z"}, "reason": "seen"}
    await world.objects.update(nurse, "Alert", str(open_alert["objectId"]), answer)
    stored = await world.stored("Alert", str(open_alert["objectId"]))
    assert stored["acknowledgedBy"] == pointer("_User", str(nurse.user_id))
    assert stored["acknowledgedAt"] != answer["acknowledgedAt"]
    await world.objects.update(MASTER, name, saved.object_id, {"level": 3})
    assert len(await alerts_about(world, saved.object_id)) == 2


async def test_only_the_answer_to_an_alert_may_be_written(world: World) -> None:
    nurse, name = await world.person("nurse"), await alarming(world, role="nurse")
    saved = await world.objects.create(MASTER, name, {"level": 1})
    alert = str((await alerts_about(world, saved.object_id))[0]["objectId"])
    with refusing(119, "Alert.message is the server's; write acknowledgedAt, snoozedUntil, reason or escalatedTo."):
        await world.objects.update(nurse, "Alert", alert, {"message": "all is well"})
    with refusing(119):
        await world.objects.create(nurse, "Alert", {"message": "x", "urgency": "high", "kind": "x"})
    with refusing(119):
        await world.objects.delete(nurse, "Alert", alert)


async def test_who_an_alert_is_handed_to_sees_it(world: World) -> None:
    nurse, doctor = await world.person("nurse"), await world.person("oncologist")
    name = await alarming(world, recipient=str(nurse.user_id))
    saved = await world.objects.create(MASTER, name, {"level": 1})
    alert = str((await alerts_about(world, saved.object_id))[0]["objectId"])
    with refusing(101):
        await world.objects.get_object(doctor, "Alert", alert)
    await world.objects.update(nurse, "Alert", alert, {"escalatedTo": pointer("_User", str(doctor.user_id))})
    assert (await world.objects.get_object(doctor, "Alert", alert))["message"] == "Look at it."
    assert (await world.objects.get_object(nurse, "Alert", alert))["message"] == "Look at it."


async def test_a_write_that_fails_leaves_no_alert(world: World) -> None:
    name = await alarming(world, role="nurse")
    before = await world.count("Alert")
    with pytest.raises(RuntimeError, match="after the alert"):
        await world.objects.create(MASTER, name, {"level": 1, "fails": True})
    assert (await world.count(name), await world.count("Alert")) == (0, before)


async def test_nobody_acknowledges_in_another_name_nor_a_second_time(world: World) -> None:
    nurse, other = await world.person("nurse"), await world.person("nurse")
    saved = await world.objects.create(MASTER, await alarming(world, role="nurse"), {"level": 1})
    alert = str((await alerts_about(world, saved.object_id))[0]["objectId"])
    blamed: Object = {"acknowledgedBy": pointer("_User", str(other.user_id))}
    await world.objects.update(nurse, "Alert", alert, blamed)
    stored = await world.stored("Alert", alert)
    assert stored["acknowledgedBy"] == pointer("_User", str(nurse.user_id))
    assert stored["acknowledgedAt"] is not None
    with refusing(142):
        await world.objects.update(nurse, "Alert", alert, blamed)
