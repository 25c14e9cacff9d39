"""The demo of the pharmacy: believable, consistent with the rules, and everybody sees their part."""

from collections import Counter

import pytest

from app.actions.caller import ANONYMOUS, MASTER, caller_of_user_as_master
from app.actions.files import Files
from app.actions.objects import utc_now
from app.config import Settings
from app.domains.limits import instant, pointed
from app.domains.pharmacy.demo import PLANS
from app.domains.pharmacy.domain import PHARMACY
from app.domains.pharmacy.rules import record_hash
from app.store.database import Database
from tests.domains.floor import Floor, make_demo


@pytest.fixture(scope="module")
async def demo(database: Database, settings: Settings) -> Floor:
    return await make_demo(database, settings, PHARMACY)


async def test_every_role_can_sign_in(demo: Floor) -> None:
    assert Counter(each.role for each in demo.sign_ins) == {"pharmacist": 2, "courier": 4, "provider": 2, "patient": 3}
    for each in demo.sign_ins:
        user = await demo.users.log_in(ANONYMOUS, {"username": each.username, "password": each.password})
        assert (user["role"], user["displayName"]) == (each.role, each.name)


async def test_the_board_has_something_of_each_urgency(demo: Floor) -> None:
    deliveries = await demo.all("Delivery")
    urgencies = Counter(each["urgency"] for each in deliveries)
    assert len(deliveries) == len(PLANS)
    assert set(urgencies) == {"late", "failed", "due_soon", "unknown", "on_track", "done", "closed"}
    assert 3 <= urgencies["late"] <= 6
    assert 5 <= urgencies["due_soon"] <= 9
    assert urgencies["failed"] == 4
    assert urgencies["on_track"] > 25
    ahead = sorted(str(each["expectedDeliveryDate"]) for each in deliveries if each["urgency"] == "on_track")
    assert len(set(ahead)) == len(ahead)


async def test_what_was_delivered_was_signed_for_with_an_image_that_can_be_seen(demo: Floor) -> None:
    signatures = {str(pointed(each["delivery"])): each for each in await demo.all("Signature")}
    delivered = await demo.all("Delivery", {"status": "delivered"})
    assert {str(each["objectId"]) for each in delivered} == set(signatures)
    files = Files(demo.objects, demo.objects.settings)
    for each in delivered[:5]:
        signature = signatures[str(each["objectId"])]
        assert signature["signedAt"] == each["signedAt"] == each["deliveredAt"]
        assert signature["recordHash"] == record_hash({**each, "prescription": pointed(each["prescription"])}, signature)
        image = signature["signatureImage"]
        assert isinstance(image, dict)
        stored = await files.open(MASTER, str(image["name"]))
        content = b"".join([chunk async for chunk in files.read(stored, 0, int(stored.size or 0))])
        assert content.startswith(b"\x89PNG\r\n\x1a\n")


async def test_states_and_times_agree(demo: Floor) -> None:
    for each in await demo.all("Delivery"):
        expected = instant(each.get("expectedDeliveryDate"))
        if each["urgency"] == "late":
            assert expected is not None
            assert expected < utc_now()
        assert (each["status"] == "requested") is (each.get("courier") is None)
        if each["status"] in ("attempted", "refused", "returned"):
            assert each["failureReason"]
        assert each["recipientName"]


async def test_everyone_sees_their_part(demo: Floor) -> None:
    async with demo.database.connection() as connection:
        for each in demo.sign_ins:
            found = await demo.users.find_id_as_master(each.username)
            demo.callers[each.username] = await caller_of_user_as_master(connection, str(found))
    total = len(await demo.all("Delivery"))
    assert len(await demo.all("Delivery", who="yusuf")) == total
    couriers = [len(await demo.all("Delivery", who=name)) for name in ("otto", "zara", "ravindra", "milagros")]
    assert min(couriers) > 10
    assert await demo.all("Prescription", who="otto") == []
    mine = await demo.all("Delivery", who="harriet")
    assert 0 < len(mine) < 20
    assert len(await demo.all("PatientProfile", who="harriet")) == 1
    assert {pointed(each["recipient"]) for each in await demo.all("Message", who="harriet")} == {
        demo["harriet"].user_id,
        demo["yusuf"].user_id,
    }
    assert await demo.all("Message", who="otto") == []
    for name in PHARMACY.permissions:
        assert all("*" not in str(row["ACL"]) for row in await demo.all(name))
