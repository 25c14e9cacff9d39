"""Who may do what in the pharmacy: role x class x operation x field, anonymous and a stranger first, and every way around it."""

from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

import pytest

from app.actions.caller import MASTER, caller_of_user_as_master
from app.config import Settings
from app.core.query import Query
from app.core.wire import Json, Object, pointer
from app.domains.pharmacy.rules import PARENTS_FIRST
from app.errors import ParseError
from app.store.database import Database
from tests.domains.dispensary import IMAGE, Dispensary, make_dispensary

WHO = (
    "anonymous",
    "stranger",
    "other_patient",
    "other_provider",
    "other_courier",
    "patient",
    "provider",
    "courier",
    "pharmacist",
    "admin",
)
DESK = {"pharmacist", "admin"}
INSIDE = {"patient", "provider", *DESK}
READERS: dict[str, set[str]] = {
    "PatientProfile": INSIDE,
    "Provider": {*INSIDE, "other_patient", "other_provider"},
    "Prescription": INSIDE,
    "Delivery": {*INSIDE, "courier"},
    "Signature": {*INSIDE, "courier"},
    "Message": {"patient", "pharmacist"},
    "Notification": {"patient", *DESK},
}


@pytest.fixture(scope="module")
async def shop(database: Database, settings: Settings) -> Dispensary:
    return await make_dispensary(database, settings)


@pytest.fixture(scope="module")
async def case(shop: Dispensary) -> dict[str, str]:
    """One of each class, all about the patient's first prescription."""
    return await one_of_each(shop)


async def one_of_each(shop: Dispensary) -> dict[str, str]:
    delivery = await shop.new_delivery()
    note: Object = {"patient": shop.profile(), "message": "Ready.", "isRead": False}
    return {
        "PatientProfile": shop.profiles["patient"],
        "Provider": shop.providers["provider"],
        "Prescription": shop.prescription,
        "Delivery": delivery,
        "Signature": (await shop.objects.create(MASTER, "Signature", shop.signature(delivery))).object_id,
        "Message": (await shop.objects.create(MASTER, "Message", shop.message())).object_id,
        "Notification": (await shop.objects.create(MASTER, "Notification", note)).object_id,
    }


async def outcome(work: Awaitable[object]) -> int:
    """0 when it is done, the Parse code when it is refused."""
    try:
        await work
    except ParseError as refusal:
        return int(refusal.code)
    return 0


# --- reading ---


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO)
async def test_only_the_people_of_an_object_read_it(shop: Dispensary, case: dict[str, str], who: str, class_name: str) -> None:
    got = await outcome(shop.objects.get_object(shop[who], class_name, case[class_name]))
    assert got == (0 if who in READERS[class_name] else 101)


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO[1:])
async def test_a_find_shows_what_a_get_shows(shop: Dispensary, case: dict[str, str], who: str, class_name: str) -> None:
    assert (case[class_name] in await shop.ids(who, class_name)) is (who in READERS[class_name])


async def test_a_courier_never_hears_the_medicine(shop: Dispensary, case: dict[str, str]) -> None:
    query = shop.objects.parse_query("Delivery", {"include": "prescription,prescription.patient"})
    (seen,) = [each for each in await shop.objects.find_objects(shop["courier"], query) if each["objectId"] == case["Delivery"]]
    assert "Metformin" not in str(seen)
    asked: Object = {
        "where": {"prescription": {"$inQuery": {"className": "Prescription", "where": {"medicationName": "Metformin"}}}}
    }
    assert await shop.objects.find_objects(shop["courier"], shop.objects.parse_query("Delivery", asked)) == []
    with pytest.raises(ParseError, match="may not create a Prescription"):
        await shop.objects.create(shop["courier"], "Prescription", shop.paper())


async def test_an_administrator_reads_no_message(shop: Dispensary, case: dict[str, str]) -> None:
    assert case["Message"] not in await shop.ids("admin", "Message")
    written = await shop.all("AuditLog", {"entityType": "Message"}, "admin")
    assert written
    assert "milk" not in str(written)


# --- writing ---

UPDATES: list[tuple[str, str, Json, set[str]]] = [
    ("PatientProfile", "displayName", "J. Hammond", {"patient", *DESK}),
    ("PatientProfile", "primaryClinic", "East clinic", {"patient", *DESK}),
    ("PatientProfile", "dateOfBirth", {"__type": "Date", "iso": "1948-02-01T00:00:00.000Z"}, {"patient", *DESK}),
    ("PatientProfile", "medicalRecordNumber", "unique", DESK),
    ("PatientProfile", "isActive", False, DESK),
    ("Provider", "pharmacyDetails", "Window 3", {"provider", *DESK}),
    ("Prescription", "dosage", "850 mg", {"provider", *DESK}),
    ("Prescription", "medicationName", "Metformin XR", {"provider", *DESK}),
    ("Prescription", "refrigerated", True, {"provider", *DESK}),
    ("Delivery", "deliveryAddress", "14 Alder St", {"patient", *DESK}),
    ("Delivery", "recipientName", "Luis Hammond", {"patient", *DESK}),
    ("Delivery", "location", {"__type": "GeoPoint", "latitude": 45.5, "longitude": -122.6}, {"patient", *DESK}),
    ("Delivery", "expectedDeliveryDate", {"__type": "Date", "iso": "2027-02-01T00:00:00.000Z"}, DESK),
    ("Delivery", "failureReason", "dog", DESK),
    ("Delivery", "deliveredAt", {"__type": "Date", "iso": "2026-02-01T00:00:00.000Z"}, DESK),
    ("Delivery", "proofPolicy", "none", DESK),
    ("Delivery", "trackingNumber", "unique", DESK),
    ("Delivery", "urgency", "done", set()),
    ("Delivery", "attempts", 9, set()),
    ("Delivery", "signedAt", {"__type": "Date", "iso": "2026-02-01T00:00:00.000Z"}, set()),
    ("Delivery", "closedAt", {"__type": "Date", "iso": "2026-02-01T00:00:00.000Z"}, set()),
    ("Delivery", "refrigerated", True, set()),
    ("Signature", "signerName", "Somebody Else", set()),
    ("Signature", "signatureImage", {**IMAGE, "name": "other.png"}, set()),
    ("Signature", "recordHash", "0", set()),
    ("Message", "body", "Something else", set()),
    ("Message", "thread", "another", set()),
    ("Notification", "isRead", True, {"patient", *DESK}),
    ("Notification", "message", "Not ready.", DESK),
]


@pytest.mark.parametrize(("class_name", "field", "value", "allowed"), UPDATES)
async def test_who_writes_which_field(shop: Dispensary, class_name: str, field: str, value: Json, allowed: set[str]) -> None:
    for who in WHO:
        ids = await one_of_each(shop)
        if class_name == "Prescription":
            ids["Prescription"] = await shop.new_prescription()
        if class_name == "PatientProfile":
            ids["PatientProfile"] = (await shop.objects.create(MASTER, "PatientProfile", shop.profile_body())).object_id
        told = f"{field}-{uuid4().hex[:6]}" if value == "unique" else value
        before = await shop.stored(class_name, ids[class_name])
        got = await outcome(shop.objects.update(shop[who], class_name, ids[class_name], {field: told}))
        assert (got == 0) is (who in allowed), f"{who}: {got}"
        assert got in (0, 101, 119), who
        if got:
            assert await shop.stored(class_name, ids[class_name]) == before


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO)
async def test_who_deletes_what(shop: Dispensary, who: str, class_name: str) -> None:
    ids = await one_of_each(shop)
    alone: dict[str, Any] = {
        "PatientProfile": lambda: shop.objects.create(MASTER, "PatientProfile", shop.profile_body()),
        "Provider": lambda: shop.objects.create(MASTER, "Provider", {"user": shop.user("provider")}),
        "Prescription": lambda: shop.objects.create(MASTER, "Prescription", shop.paper()),
        "Delivery": lambda: shop.objects.create(MASTER, "Delivery", shop.parcel()),
    }
    object_id = (await alone[class_name]()).object_id if class_name in alone else ids[class_name]
    got = await outcome(shop.objects.delete(shop[who], class_name, object_id))
    allowed: set[str] = {"Signature": {"admin"}, "Message": set()}.get(class_name, DESK)
    left = await outcome(shop.stored(class_name, object_id))
    assert (got == 0, left == 101) == (who in allowed, who in allowed)
    assert got in (0, 101, 119)


CREATES: dict[str, set[str]] = {
    "PatientProfile": {"patient", *DESK},
    "Provider": {"provider", *DESK},
    "Prescription": {"patient", "provider", *DESK},
    "Delivery": {"patient", "provider", *DESK},
    "Signature": {"patient", "courier", *DESK},
    "Message": {"patient"},
    "Notification": DESK,
}


@pytest.mark.parametrize("class_name", PARENTS_FIRST)
@pytest.mark.parametrize("who", WHO)
async def test_who_creates_what(shop: Dispensary, who: str, class_name: str) -> None:
    """Each body is about the first patient; others are refused although their role may create such objects of their own."""
    as_patient = who in ("patient", "other_patient")
    bodies: dict[str, Object] = {
        "PatientProfile": shop.profile_body(),
        "Provider": {"user": shop.user("provider")},
        "Prescription": shop.paper(status="draft", provider=None) if as_patient else shop.paper(),
        "Delivery": shop.parcel(courier=None),
        "Signature": shop.signature(await shop.new_delivery("arrived")),
        "Message": shop.message(),
        "Notification": {"patient": shop.profile(), "message": "Ready.", "isRead": False},
    }
    before = await shop.objects.count(MASTER, Query(class_name))
    got = await outcome(shop.objects.create(shop[who], class_name, bodies[class_name]))
    assert (got == 0) is (who in CREATES[class_name])
    assert got in (0, 119) or (who, got) == ("anonymous", 101)
    assert await shop.objects.count(MASTER, Query(class_name)) == before + (got == 0)


async def test_a_patient_asks_and_the_pharmacy_decides(shop: Dispensary) -> None:
    me, mine = shop["other_patient"], shop.profile("other_patient")
    for body in (shop.paper(patient=mine, provider=None), shop.paper(patient=mine)):
        assert await outcome(shop.objects.create(me, "Prescription", body)) == 119
    draft = (await shop.objects.create(me, "Prescription", {"medicationName": "Ibuprofen", "dosage": "200 mg"})).object
    assert (draft["status"], draft["patient"]) == ("draft", mine)
    paper = str(draft["objectId"])
    for fields in ({"status": "packed"}, {"proofPolicy": "none"}, {"courier": shop.user("courier")}):
        parcel = shop.parcel(prescription=pointer("Prescription", paper), courier=None) | fields
        assert await outcome(shop.objects.create(me, "Delivery", parcel)) == 119
    for status, code in (("active", 119), ("completed", 142), ("cancelled", 0)):
        assert await outcome(shop.objects.update(me, "Prescription", paper, {"status": status})) == code


async def test_a_patient_with_two_profiles_says_which(shop: Dispensary) -> None:
    user = await shop.users.create_user_as_master("twins", "open sesame", "patient", email="twins@example.com", active=True)
    async with shop.database.connection() as connection:
        shop.callers["twins"] = await caller_of_user_as_master(connection, user.object_id)
    body: Object = {"medicationName": "Amoxicillin", "dosage": "250 mg"}
    with pytest.raises(ParseError, match="patient is required"):
        await shop.objects.create(shop["twins"], "Prescription", body)
    for _ in range(2):
        made = await shop.objects.create(shop["twins"], "PatientProfile", shop.profile_body("twins"))
    with pytest.raises(ParseError, match="patient is required"):
        await shop.objects.create(shop["twins"], "Prescription", body)
    await shop.objects.create(shop["twins"], "Prescription", {**body, "patient": pointer("PatientProfile", made.object_id)})


async def test_an_address_is_changed_until_the_parcel_is_packed(shop: Dispensary) -> None:
    for status, code in (("scheduled", 0), ("packed", 119), ("out_for_delivery", 119)):
        delivery = await shop.new_delivery(status)
        work = shop.objects.update(shop["patient"], "Delivery", delivery, {"deliveryAddress": f"at {status}"})
        assert await outcome(work) == code, status


async def test_a_courier_tells_when_it_was_delivered_once_and_why_it_failed(shop: Dispensary) -> None:
    told = shop.ago(minutes=3)
    delivery = await shop.new_delivery("arrived", proofPolicy="none")
    done: Object = {"status": "delivered", "deliveredAt": told}
    await shop.objects.update(shop["courier"], "Delivery", delivery, done)
    assert (await shop.stored("Delivery", delivery))["deliveredAt"] == told
    with pytest.raises(ParseError, match="deliveredAt: give it with the status delivered; afterwards only a pharmacist"):
        await shop.objects.update(shop["courier"], "Delivery", delivery, {"deliveredAt": shop.ago(hours=1)})
    failed = await shop.new_delivery("arrived")
    tried: Object = {"status": "attempted", "failureReason": "nobody home"}
    for body in (tried, {"failureReason": "no access"}):
        await shop.objects.update(shop["courier"], "Delivery", failed, dict(body))
    with pytest.raises(ParseError, match="failureReason: give it with the status attempted or refused"):
        await shop.objects.update(shop["courier"], "Delivery", delivery, {"failureReason": "dog"})


async def test_another_patients_prescription_and_none_sound_the_same(shop: Dispensary) -> None:
    told = set()
    for prescription in (shop.prescription, "nowhere123"):
        body = shop.parcel(prescription=pointer("Prescription", prescription), courier=None)
        with pytest.raises(ParseError) as refusal:
            await shop.objects.create(shop["other_patient"], "Delivery", body)
        told.add((int(refusal.value.code), refusal.value.message))
    delivery = await shop.new_delivery("arrived")
    for target in (delivery, "nowhere123"):
        with pytest.raises(ParseError) as refusal:
            await shop.objects.create(shop["other_courier"], "Signature", shop.signature(target))
        told.add((int(refusal.value.code), refusal.value.message))
    assert len(told) == 2
    assert {code for code, _ in told} == {119}


async def test_nobody_writes_in_anothers_name(shop: Dispensary) -> None:
    with pytest.raises(ParseError, match="sender: give yourself"):
        await shop.objects.create(shop["pharmacist"], "Message", shop.message("patient"))
    with pytest.raises(ParseError, match="user: give yourself"):
        await shop.objects.create(shop["other_patient"], "PatientProfile", shop.profile_body("patient"))


@pytest.mark.parametrize("who", ["patient", "courier", "pharmacist", "admin"])
async def test_clients_do_not_set_an_acl(shop: Dispensary, case: dict[str, str], who: str) -> None:
    acl: Object = {"ACL": {"*": {"read": True, "write": True}}}
    for class_name in PARENTS_FIRST:
        assert await outcome(shop.objects.update(shop[who], class_name, case[class_name], acl)) in (101, 119)
    await shop.objects.update(MASTER, "Prescription", case["Prescription"], acl)
    assert "*" not in str((await shop.stored("Prescription", case["Prescription"]))["ACL"])


# --- facts change, readers follow ---


async def readers(shop: Dispensary, class_name: str, object_id: str) -> set[str]:
    """Who of the named people can read an object."""
    people = ("patient", "other_patient", "provider", "other_provider", "courier", "other_courier")
    return {who for who in people if await outcome(shop.objects.get_object(shop[who], class_name, object_id)) == 0}


async def test_a_new_courier_sees_the_delivery_and_the_old_one_nothing(shop: Dispensary) -> None:
    ids = await one_of_each(shop)
    await shop.objects.update(shop["pharmacist"], "Delivery", ids["Delivery"], {"courier": shop.user("other_courier")})
    for class_name in ("Delivery", "Signature"):
        assert await readers(shop, class_name, ids[class_name]) == {"patient", "provider", "other_courier"}
    assert await outcome(shop.objects.update(shop["courier"], "Delivery", ids["Delivery"], {"failureReason": "x"})) == 101


async def test_a_new_provider_sees_all_that_hangs_on_the_prescription(shop: Dispensary) -> None:
    patient = (await shop.objects.create(MASTER, "PatientProfile", shop.profile_body())).object_id
    prescription = await shop.new_prescription(patient=pointer("PatientProfile", patient))
    delivery = await shop.new_delivery(prescription=pointer("Prescription", prescription))
    signature = (await shop.objects.create(MASTER, "Signature", shop.signature(delivery))).object_id
    chain = {"PatientProfile": patient, "Prescription": prescription, "Delivery": delivery, "Signature": signature}
    other = pointer("Provider", shop.providers["other_provider"])
    await shop.sql('update "Prescription" set "provider" = $2 where "objectId" = $1', prescription, other["objectId"])
    for class_name, object_id in chain.items():
        extra = {"courier"} if class_name in ("Delivery", "Signature") else set()
        assert await readers(shop, class_name, object_id) == {"patient", "other_provider", *extra}, class_name
    await shop.objects.update(MASTER, "Prescription", prescription, {"provider": {"__op": "Delete"}})
    assert await readers(shop, "PatientProfile", patient) == {"patient"}


async def test_a_profile_that_is_closed_shows_its_patient_nothing(shop: Dispensary) -> None:
    patient = (await shop.objects.create(MASTER, "PatientProfile", shop.profile_body())).object_id
    here = pointer("PatientProfile", patient)
    prescription = await shop.new_prescription(patient=here)
    delivery = await shop.new_delivery(prescription=pointer("Prescription", prescription))
    note: Object = {"patient": here, "message": "Ready.", "isRead": False}
    chain = {"PatientProfile": patient, "Prescription": prescription, "Delivery": delivery}
    chain["Notification"] = (await shop.objects.create(MASTER, "Notification", note)).object_id
    await shop.objects.update(shop["pharmacist"], "PatientProfile", patient, {"isActive": False})
    for class_name, object_id in chain.items():
        assert "patient" not in await readers(shop, class_name, object_id), class_name
    body = shop.parcel(prescription=pointer("Prescription", prescription), courier=None)
    assert await outcome(shop.objects.create(shop["patient"], "Delivery", body)) == 119
    await shop.objects.update(shop["pharmacist"], "PatientProfile", patient, {"isActive": True})
    for class_name, object_id in chain.items():
        assert "patient" in await readers(shop, class_name, object_id), class_name


async def test_a_disabled_account_is_no_courier(shop: Dispensary) -> None:
    await shop.users.set_active_as_master(str(shop["other_courier"].user_id), False)
    try:
        with pytest.raises(ParseError, match="courier: give an active account"):
            await shop.new_delivery(courier=shop.user("other_courier"))
    finally:
        await shop.users.set_active_as_master(str(shop["other_courier"].user_id), True)
