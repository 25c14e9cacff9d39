"""What a write in the pharmacy brings with it: a signature hands over, a status tells the patient, racers hear who won."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.actions.audit import find_break
from app.actions.caller import MASTER
from app.actions.hooks import Saved
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.errors import ParseError
from app.store.database import Database
from tests.domains.dispensary import IMAGE, Dispensary, make_dispensary


@pytest.fixture(scope="module")
async def shop(database: Database, settings: Settings) -> Dispensary:
    return await make_dispensary(database, settings)


def losers(outcomes: Sequence[Saved | BaseException]) -> list[ParseError]:
    """The refusals; anything else that went wrong is raised."""
    for each in outcomes:
        if isinstance(each, BaseException) and not isinstance(each, ParseError):
            raise each
    return [each for each in outcomes if isinstance(each, ParseError)]


# --- signatures ---


@pytest.mark.parametrize("who", ["courier", "patient", "pharmacist", "admin", "master"])
async def test_a_signature_at_the_door_hands_the_delivery_over(shop: Dispensary, who: str) -> None:
    delivery = await shop.new_delivery("arrived")
    signed = await shop.objects.create(shop[who], "Signature", shop.signature(delivery))
    stored = await shop.stored("Delivery", delivery)
    at = signed.object["signedAt"]
    assert (stored["status"], stored["deliveredAt"], stored["signedAt"], stored["closedAt"]) == ("delivered", at, at, at)
    assert stored["urgency"] == "done"
    assert (await shop.notes(delivery))[-1] == f"Your delivery {stored['trackingNumber']} was handed over."
    assert len(str(signed.object["recordHash"])) == 64


async def test_a_delivery_is_not_delivered_without_its_signature(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived")
    for who in ("courier", "pharmacist", "master"):
        with pytest.raises(ParseError, match="arrived cannot become delivered because its proofPolicy asks for a signature"):
            await shop.objects.update(shop[who], "Delivery", delivery, {"status": "delivered"})
    assert (await shop.stored("Delivery", delivery))["status"] == "arrived"


async def test_where_the_policy_asks_for_nothing_the_courier_delivers(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived", proofPolicy="none")
    saved = await shop.objects.update(shop["courier"], "Delivery", delivery, {"status": "delivered"})
    assert saved.response["deliveredAt"] == (await shop.stored("Delivery", delivery))["deliveredAt"]


async def test_an_acknowledgement_comes_after_the_delivery_and_once(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived", proofPolicy="acknowledgement")
    await shop.objects.update(shop["courier"], "Delivery", delivery, {"status": "delivered"})
    before = await shop.stored("Delivery", delivery)
    signed = await shop.objects.create(shop["patient"], "Signature", shop.signature(delivery))
    after = await shop.stored("Delivery", delivery)
    assert (after["deliveredAt"], after["signedAt"]) == (before["deliveredAt"], signed.object["signedAt"])
    with pytest.raises(ParseError, match="it is signed for already"):
        await shop.objects.create(shop["patient"], "Signature", shop.signature(delivery))


@pytest.mark.parametrize("status", ["requested", "scheduled", "packed", "out_for_delivery"])
async def test_nobody_signs_before_the_courier_is_there(shop: Dispensary, status: str) -> None:
    delivery = await shop.new_delivery(status)
    with pytest.raises(ParseError, match=f"it is {status}; it is signed for once it has arrived or been delivered"):
        await shop.objects.create(shop["courier"], "Signature", shop.signature(delivery))
    assert await shop.all("Signature", {"delivery": pointer("Delivery", delivery)}) == []


async def test_a_refused_hand_over_leaves_no_signature(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived")
    soon = shop.ago(hours=-1)
    with pytest.raises(ParseError, match=r"signedAt: .* has not come yet"):
        await shop.objects.create(shop["courier"], "Signature", shop.signature(delivery, signedAt=soon))
    assert await shop.all("Signature", {"delivery": pointer("Delivery", delivery)}) == []
    assert (await shop.stored("Delivery", delivery))["status"] == "arrived"


async def test_the_record_hash_tells_what_was_signed_for(shop: Dispensary) -> None:
    hashes = []
    at = shop.ago(minutes=1)
    for fields in ({}, {"signerName": "Somebody Else"}, {"signatureImage": {**IMAGE, "name": "ffff_other.png"}}):
        delivery = await shop.new_delivery("arrived")
        saved = await shop.objects.create(shop["courier"], "Signature", shop.signature(delivery, signedAt=at, **fields))
        hashes.append(saved.object["recordHash"])
    assert len(set(hashes)) == 3


async def test_of_two_who_sign_one_hands_over_and_the_other_hears_it(shop: Dispensary) -> None:
    for _ in range(5):
        delivery = await shop.new_delivery("arrived")
        writes = (shop.objects.create(shop[who], "Signature", shop.signature(delivery)) for who in ("courier", "patient"))
        (refusal,) = losers(await asyncio.gather(*writes, return_exceptions=True))
        assert "it is signed for already, so somebody else may have been first" in refusal.message
        assert len(await shop.all("Signature", {"delivery": pointer("Delivery", delivery)})) == 1
        assert (await shop.notes(delivery)).count((await shop.notes(delivery))[-1]) == 1


async def test_a_signature_and_a_failed_attempt_race_for_the_door(shop: Dispensary) -> None:
    for _ in range(5):
        delivery = await shop.new_delivery("arrived")
        failed: Object = {"status": "attempted", "failureReason": "nobody home"}
        outcomes = await asyncio.gather(
            shop.objects.create(shop["patient"], "Signature", shop.signature(delivery)),
            shop.objects.update(shop["courier"], "Delivery", delivery, failed),
            return_exceptions=True,
        )
        (refusal,) = losers(outcomes)
        signed = len(await shop.all("Signature", {"delivery": pointer("Delivery", delivery)}))
        status = (await shop.stored("Delivery", delivery))["status"]
        assert (signed, status) in ((1, "delivered"), (0, "attempted"))
        assert refusal.message in ("status: delivered is final.",) or "it is attempted" in refusal.message


# --- states ---


async def test_a_delivery_goes_its_way_and_the_patient_is_told(shop: Dispensary) -> None:
    delivery = await shop.new_delivery()
    steps = [("pharmacist", "scheduled"), ("pharmacist", "packed"), ("courier", "out_for_delivery"), ("courier", "arrived")]
    for who, state in steps:
        await shop.objects.update(shop[who], "Delivery", delivery, {"status": state})
    await shop.objects.create(shop["courier"], "Signature", shop.signature(delivery))
    number = (await shop.stored("Delivery", delivery))["trackingNumber"]
    assert await shop.notes(delivery) == [
        f"Your delivery {number} is scheduled.",
        f"Your delivery {number} is packed.",
        f"Your delivery {number} is on its way.",
        f"The courier with your delivery {number} has arrived.",
        f"Your delivery {number} was handed over.",
    ]
    (note,) = await shop.all("Notification", {"about.objectId": delivery, "message": {"$regex": "handed"}}, "patient")
    assert (note["isRead"], note["kind"], note["patient"]) == (False, "delivery", shop.profile())
    assert note["about"] == {"className": "Delivery", "objectId": delivery}


async def test_what_failed_at_the_door_is_counted_told_and_tried_again(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived")
    with pytest.raises(ParseError, match="status: fill failureReason to move it from arrived to attempted"):
        await shop.objects.update(shop["courier"], "Delivery", delivery, {"status": "attempted"})
    failed: Object = {"status": "attempted", "failureReason": "nobody home"}
    await shop.objects.update(shop["courier"], "Delivery", delivery, failed)
    stored = await shop.stored("Delivery", delivery)
    assert (stored["attempts"], stored["urgency"], stored["failureReason"]) == (1, "failed", "nobody home")
    (alert,) = await shop.all("Alert", {"about.objectId": delivery}, "pharmacist")
    assert alert["message"] == f"Delivery {stored['trackingNumber']} was attempted: schedule it again or have it returned."
    assert await shop.all("Alert", {"about.objectId": delivery}, "courier") == []
    await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": "scheduled"})
    assert "failureReason" not in await shop.stored("Delivery", delivery)
    for state in ("packed", "out_for_delivery", "arrived"):
        await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": state})
    for step in ({"status": "refused", "failureReason": "wrong medicine"}, {"status": "returned"}):
        await shop.objects.update(shop["courier"], "Delivery", delivery, dict(step))
    await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": "wasted"})
    stored = await shop.stored("Delivery", delivery)
    assert (stored["attempts"], stored["urgency"]) == (1, "done")


@pytest.mark.parametrize(("known", "refused"), [("draft", "packed"), ("on_hold", "packed"), ("stopped", "packed")])
async def test_a_prescription_that_is_not_active_is_not_packed(shop: Dispensary, known: str, refused: str) -> None:
    prescription = await shop.new_prescription(status="draft" if known == "draft" else "active")
    delivery = await shop.new_delivery("scheduled", prescription=pointer("Prescription", prescription))
    if known != "draft":
        await shop.objects.update(MASTER, "Prescription", prescription, {"status": known})
    with pytest.raises(ParseError, match=f"cannot become {refused} because its prescription is {known}"):
        await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": refused})


async def test_a_packed_delivery_of_a_stopped_prescription_stays(shop: Dispensary) -> None:
    prescription = await shop.new_prescription()
    delivery = await shop.new_delivery("packed", prescription=pointer("Prescription", prescription))
    await shop.objects.update(shop["provider"], "Prescription", prescription, {"status": "stopped"})
    with pytest.raises(ParseError, match="its prescription is stopped; it must be active or completed by then"):
        await shop.objects.update(shop["courier"], "Delivery", delivery, {"status": "out_for_delivery"})
    await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": "cancelled"})


async def test_without_a_courier_nothing_leaves(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("packed", courier=None)
    with pytest.raises(ParseError, match="status: fill courier to move it from packed to out_for_delivery"):
        await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": "out_for_delivery"})
    for who in ("patient", "pharmacist"):
        with pytest.raises(ParseError, match="courier: give an active account of the role courier"):
            await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"courier": shop.user(who)})
    gone: Object = {"status": "out_for_delivery", "courier": shop.user("other_courier")}
    await shop.objects.update(shop["pharmacist"], "Delivery", delivery, gone)


async def test_a_refused_step_names_the_allowed_ones(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("packed")
    for who in ("courier", "pharmacist", "admin", "master"):
        with pytest.raises(ParseError) as refusal:
            await shop.objects.update(shop[who], "Delivery", delivery, {"status": "delivered"})
        assert (int(refusal.value.code), refusal.value.message) == (
            142,
            "status: packed cannot become delivered; from packed it may become out_for_delivery or cancelled.",
        )
    with pytest.raises(ParseError, match=r"your role may not move it from packed to cancelled; admin and pharmacist may"):
        await shop.objects.update(shop["patient"], "Delivery", delivery, {"status": "cancelled"})


async def test_of_those_who_race_for_a_step_one_wins_and_the_others_hear_it(shop: Dispensary) -> None:
    for _ in range(5):
        delivery = await shop.new_delivery("packed")
        racers = ("courier", "pharmacist", "admin")
        writes = (shop.objects.update(shop[who], "Delivery", delivery, {"status": "out_for_delivery"}) for who in racers)
        refusals = losers(await asyncio.gather(*writes, return_exceptions=True))
        assert [(int(each.code), "out_for_delivery already" in each.message) for each in refusals] == [(142, True)] * 2
        assert len([note for note in await shop.notes(delivery) if "on its way" in note]) == 1


async def test_a_delivery_that_is_packed_while_its_prescription_is_stopped_is_one_or_the_other(shop: Dispensary) -> None:
    for _ in range(5):
        prescription = await shop.new_prescription()
        delivery = await shop.new_delivery("scheduled", prescription=pointer("Prescription", prescription))
        outcomes = await asyncio.gather(
            shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": "packed"}),
            shop.objects.update(shop["provider"], "Prescription", prescription, {"status": "stopped"}),
            return_exceptions=True,
        )
        refusals = losers(outcomes)
        status = (await shop.stored("Delivery", delivery))["status"]
        assert (await shop.stored("Prescription", prescription))["status"] == "stopped"
        assert [(each.message.partition(" because ")[2], status) for each in refusals] in (
            [],
            [("its prescription is stopped; it must be active by then.", "scheduled")],
        )


async def test_a_new_prescription_status_tells_the_patient_without_the_medicine(shop: Dispensary) -> None:
    prescription = await shop.new_prescription(status="draft")
    for state in ("active", "on_hold", "active", "completed"):
        await shop.objects.update(shop["pharmacist"], "Prescription", prescription, {"status": state})
    assert await shop.notes(prescription) == [
        "Your prescription is active.",
        "Your prescription is on hold; the pharmacy will contact you.",
        "Your prescription is active.",
        "Your prescription is completed.",
    ]
    await shop.objects.update(shop["pharmacist"], "Prescription", await shop.new_prescription(status="draft"), {"dosage": "5 ml"})
    with pytest.raises(ParseError, match="status: completed is final"):
        await shop.objects.update(shop["pharmacist"], "Prescription", prescription, {"status": "active"})


# --- what the server fills in ---


async def test_a_delivery_gets_a_number_a_recipient_and_a_policy(shop: Dispensary) -> None:
    cold = await shop.new_prescription(refrigerated=True)
    body = shop.parcel(prescription=pointer("Prescription", cold))
    saved = await shop.objects.create(shop["pharmacist"], "Delivery", body)
    stored = await shop.stored("Delivery", saved.object_id)
    assert saved.response["trackingNumber"] == stored["trackingNumber"]
    assert str(stored["trackingNumber"]).startswith("CB-")
    assert len(str(stored["trackingNumber"])) == 13
    told = {name: stored[name] for name in ("recipientName", "proofPolicy", "attempts", "refrigerated")}
    assert told == {"recipientName": "Joyce Hammond", "proofPolicy": "signature", "attempts": 0, "refrigerated": True}
    await shop.objects.update(shop["pharmacist"], "Prescription", cold, {"refrigerated": False})
    assert (await shop.stored("Delivery", saved.object_id))["refrigerated"] is False


@pytest.mark.parametrize(
    ("class_name", "field", "words"),
    [
        ("Delivery", "trackingNumber", "trackingNumber: another delivery has this number"),
        ("PatientProfile", "medicalRecordNumber", "medicalRecordNumber: another patient has this number"),
    ],
)
async def test_a_number_is_given_once(shop: Dispensary, class_name: str, field: str, words: str) -> None:
    number = f"N-{class_name}"
    body = shop.parcel() if class_name == "Delivery" else shop.profile_body()
    makes = (shop.objects.create(shop["pharmacist"], class_name, {**body, field: number}) for _ in range(4))
    refusals = losers(await asyncio.gather(*makes, return_exceptions=True))
    assert [(int(each.code), words in each.message) for each in refusals] == [(137, True)] * 3


async def test_what_is_pointed_to_stays(shop: Dispensary) -> None:
    for class_name, object_id in (("PatientProfile", shop.profiles["patient"]), ("Prescription", shop.prescription)):
        await shop.new_delivery()
        with pytest.raises(ParseError, match="is still used by"):
            await shop.objects.delete(shop["admin"], class_name, object_id)
    with pytest.raises(ParseError, match="prescription: there is no Prescription with that objectId"):
        await shop.new_delivery(prescription=pointer("Prescription", "nowhere123"))


# --- messages ---


async def test_a_message_is_sent_delivered_and_read(shop: Dispensary) -> None:
    saved = await shop.objects.create(shop["patient"], "Message", shop.message())
    stored = await shop.stored("Message", saved.object_id)
    assert (stored["status"], stored["sentAt"]) == ("sent", saved.response["sentAt"])
    for status in ("delivered", "read"):
        await shop.objects.update(shop["pharmacist"], "Message", saved.object_id, {"status": status})
    read = await shop.stored("Message", saved.object_id)
    assert read["status"] == "read"
    assert read["readAt"] is not None
    answer = await shop.objects.create(shop["pharmacist"], "Message", shop.message("pharmacist", "patient"))
    assert (await shop.stored("Message", answer.object_id))["thread"] == stored["thread"]
    with pytest.raises(ParseError, match="read cannot become sent; from read it may become retracted"):
        await shop.objects.update(shop["pharmacist"], "Message", saved.object_id, {"status": "sent"})


async def test_only_the_recipient_reads_and_only_the_sender_retracts(shop: Dispensary) -> None:
    body = shop.message(attachments=[IMAGE])
    message = (await shop.objects.create(shop["patient"], "Message", body)).object_id
    for who, status, side in (("patient", "read", "recipient"), ("pharmacist", "retracted", "sender")):
        with pytest.raises(ParseError, match=f"only the {side} of a message may make it {status}"):
            await shop.objects.update(shop[who], "Message", message, {"status": status})
    await shop.objects.update(shop["patient"], "Message", message, {"status": "retracted"})
    stored = await shop.stored("Message", message)
    assert (stored["body"], "attachments" in stored) == ("(retracted)", False)
    with pytest.raises(ParseError, match="status: retracted is final"):
        await shop.objects.update(shop["pharmacist"], "Message", message, {"status": "read"})


async def test_a_message_read_while_it_is_retracted_shows_nothing(shop: Dispensary) -> None:
    for _ in range(5):
        message = (await shop.objects.create(shop["patient"], "Message", shop.message())).object_id
        outcomes = await asyncio.gather(
            shop.objects.update(shop["patient"], "Message", message, {"status": "retracted"}),
            shop.objects.update(shop["pharmacist"], "Message", message, {"status": "read"}),
            return_exceptions=True,
        )
        assert {each.message for each in losers(outcomes)} <= {"status: retracted is final."}
        stored = await shop.stored("Message", message)
        assert (stored["status"], stored["body"]) == ("retracted", "(retracted)")


@pytest.mark.parametrize(
    ("sender", "recipient", "allowed"),
    [
        ("patient", "pharmacist", True),
        ("patient", "provider", True),
        ("patient", "other_patient", False),
        ("patient", "courier", False),
        ("patient", "stranger", False),
        ("courier", "pharmacist", True),
        ("courier", "patient", False),
        ("provider", "patient", True),
        ("provider", "courier", False),
        ("pharmacist", "courier", True),
        ("pharmacist", "stranger", False),
    ],
)
async def test_who_may_write_to_whom(shop: Dispensary, sender: str, recipient: str, allowed: bool) -> None:
    work = shop.objects.create(shop[sender], "Message", shop.message(sender, recipient))
    if allowed:
        await work
        return
    with pytest.raises(ParseError, match="recipient: you may write to an active account of the role"):
        await work


async def test_attachments_are_files(shop: Dispensary) -> None:
    wrongs: list[Json] = ["photo.png", {"name": "photo.png"}, shop.user("patient")]
    for wrong in wrongs:
        with pytest.raises(ParseError, match="attachments: give a list of files"):
            await shop.objects.create(shop["patient"], "Message", shop.message(attachments=[wrong]))


# --- audit ---


async def test_every_write_is_in_the_audit_trail_and_a_message_without_its_words(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived")
    signature = (await shop.objects.create(shop["courier"], "Signature", shop.signature(delivery))).object_id
    message = (await shop.objects.create(shop["patient"], "Message", shop.message())).object_id
    for object_id, who in ((delivery, "courier"), (signature, "courier"), (message, "patient")):
        last = (await shop.all("AuditLog", {"entityId": object_id}))[-1]
        assert last["actor"] == shop.user(who)
        assert "milk" not in str(last)
    async with shop.database.connection() as connection:
        assert await find_break(connection) is None


async def test_a_refused_write_leaves_no_note_and_no_trace(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived")
    counts = [len(await shop.all(name)) for name in ("AuditLog", "Notification", "Alert")]
    for body in ({"status": "delivered"}, {"status": "packed"}, {"status": "attempted"}, {"deliveryAddress": "elsewhere"}):
        with pytest.raises(ParseError):
            await shop.objects.update(shop["courier"], "Delivery", delivery, dict(body))
    assert [len(await shop.all(name)) for name in ("AuditLog", "Notification", "Alert")] == counts


async def test_a_device_far_ahead_is_told_so(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived", proofPolicy="none")
    late: Object = {"status": "delivered", "deliveredAt": shop.ago(minutes=-30)}
    with pytest.raises(ParseError, match=r"deliveredAt: .* has not come yet; check the clock of the device"):
        await shop.objects.update(shop["courier"], "Delivery", delivery, late)
    shop.ahead = timedelta(hours=1)
    try:
        await shop.objects.update(shop["courier"], "Delivery", delivery, late)
    finally:
        shop.ahead = timedelta(0)
