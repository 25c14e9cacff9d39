"""The template's sequence diagram over REST and a live query, step by step; and what no request of a stranger reaches."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.core.wire import Object, pointer
from tests.api.test_livequery import Socket, open_socket
from tests.conftest import PATIENCE, RunningServer
from tests.domains.test_oxygen_rest import MOUNT, Phone, sign_in
from tests.issuer import Issuer

PNG = b"\x89PNG\r\n\x1a\n a signature"


@dataclass
class Shop:
    """The people of one delivery."""

    server: RunningServer
    issuer: Issuer
    pharmacist: Phone
    courier: Phone
    other_courier: Phone
    admin: Phone


@pytest.fixture(scope="module")
def environment(issuer: Issuer) -> dict[str, str]:
    return {"CAREBOARD_AUTH": issuer.setting()}


@pytest.fixture(scope="module")
async def shop(running_server: RunningServer, issuer: Issuer) -> Shop:
    people = [await sign_in(running_server, role) for role in ("pharmacist", "courier", "courier", "admin")]
    return Shop(running_server, issuer, *people)


async def sign_up(shop: Shop, way: str = "email") -> Phone:
    """A patient, as the app makes one: an account, a session, and the pharmacy's record of them."""
    name, app = f"joyce-{uuid4().hex[:6]}", {"X-Parse-Application-Id": shop.server.app_id}
    nobody = Phone(shop.server, "", app)
    account: dict[str, object] = {"username": name, "email": f"{name}@example.com", "role": "patient"}
    by_token = {"authData": {"hospital": {"id": name, "id_token": shop.issuer.token(name)}}}
    by_email = {"username": account["email"], "password": "open sesame"}
    status, told = await nobody.ask("POST", "/users", {**account, **(by_token if way == "sso" else {"password": "open sesame"})})
    assert status == 201, told
    status, told = await nobody.ask("POST", "/login", by_token if way == "sso" else by_email)
    assert status == 200, told
    patient = Phone(shop.server, str(told["objectId"]), {**app, "X-Parse-Session-Token": str(told["sessionToken"])})
    record = {
        "user": pointer("_User", patient.user),
        "medicalRecordNumber": f"MRN-{name}",
        "displayName": "Joyce",
        "isActive": True,
    }
    await shop.pharmacist.make("PatientProfile", record)
    return patient


async def upload(phone: Phone, content: bytes = PNG) -> Object:
    """A signature image, as the phone stores it."""
    headers = phone.headers | {"Content-Type": "image/png"}
    async with httpx.AsyncClient(base_url=phone.server.url, headers=headers, timeout=PATIENCE) as client:
        answer = await client.post(f"{MOUNT}/files/signature.png", content=content)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    return {"__type": "File", "name": told["name"], "url": told["url"]}


async def move(who: Phone, delivery: str, status: str, **fields: object) -> None:
    code, told = await who.ask("PUT", f"/classes/Delivery/{delivery}", {"status": status, **fields})
    assert code == 200, told


async def hear(socket: Socket, wanted: int) -> list[str]:
    """The messages of the next notifications that are created."""
    heard: list[str] = []
    while len(heard) < wanted:
        frame = await socket.hear()
        if frame["op"] == "create":
            heard.append(str(frame["object"]["message"]))
    return heard


@pytest.mark.parametrize("way", ["email", "sso"])
async def test_the_templates_sequence_runs_as_drawn(shop: Shop, way: str) -> None:
    # Patient -> App: Sign in with email or SSO; App -> Back4app: POST /login (credentials/SSO token);
    # Back4app --> App: Return Session Token + Patient context
    patient = await sign_up(shop, way)
    _, told = await patient.ask("GET", "/classes/PatientProfile")
    (context,) = told["results"]
    assert context["user"]["objectId"] == patient.user
    async with open_socket(shop.server) as socket:
        await socket.ask(
            {"op": "connect", "applicationId": "careboard", "sessionToken": patient.headers["X-Parse-Session-Token"]}
        )
        assert (await socket.subscribe("Notification"))["op"] == "subscribed"
        # Patient -> App: Create new prescription (medicationName, dosage)
        prescription = await patient.make("Prescription", {"medicationName": "Metformin", "dosage": "500 mg"})
        _, made = await patient.ask("GET", f"/classes/Prescription/{prescription}")
        assert (made["status"], made["patient"]["objectId"]) == ("draft", context["objectId"])
        # Patient -> App: Specify delivery address (prescription, deliveryAddress)
        body = {"prescription": pointer("Prescription", prescription), "deliveryAddress": "12 Alder St, Portland"}
        delivery = await patient.make("Delivery", body)
        _, made = await patient.ask("GET", f"/classes/Delivery/{delivery}", include="prescription")
        assert (made["status"], made["prescription"]["medicationName"]) == ("requested", "Metformin")
        number = made["trackingNumber"]
        # DeliveryService -> Back4app: Update delivery status and mark as delivered
        assert (await shop.pharmacist.ask("PUT", f"/classes/Prescription/{prescription}", {"status": "active"}))[0] == 200
        courier = pointer("_User", shop.courier.user)
        await move(shop.pharmacist, delivery, "scheduled", courier=courier, proofPolicy="acknowledgement")
        await move(shop.pharmacist, delivery, "packed")
        for status in ("out_for_delivery", "arrived", "delivered"):
            await move(shop.courier, delivery, status)
        # App --> Patient: Notify
        assert await hear(socket, 6) == [
            "Your prescription is active.",
            f"Your delivery {number} is scheduled.",
            f"Your delivery {number} is packed.",
            f"Your delivery {number} is on its way.",
            f"The courier with your delivery {number} has arrived.",
            f"Your delivery {number} was handed over.",
        ]
    # Patient -> App: Provide signature (delivery, signatureImage)
    signature = {"delivery": pointer("Delivery", delivery), "signatureImage": await upload(patient)}
    code, saved = await patient.ask("POST", "/classes/Signature", signature)
    assert (code, len(saved["recordHash"])) == (201, 64)
    _, made = await patient.ask("GET", f"/classes/Delivery/{delivery}")
    assert made["status"] == "delivered"
    assert made["signedAt"] == saved["signedAt"]
    # App --> Patient: Update patient dashboard with notifications
    _, told = await patient.ask("GET", "/classes/Notification", order="-createdAt", where={"isRead": False})
    assert len(told["results"]) == 6
    newest = told["results"][0]["objectId"]
    assert (await patient.ask("PUT", f"/classes/Notification/{newest}", {"isRead": True}))[0] == 200


async def new_delivery(shop: Shop, patient: Phone) -> str:
    """A delivery at the patient's door, with the default proof."""
    prescription = await patient.make("Prescription", {"medicationName": "Metformin", "dosage": "500 mg"})
    body = {"prescription": pointer("Prescription", prescription), "deliveryAddress": "12 Alder St, Portland"}
    delivery = await patient.make("Delivery", body)
    assert (await shop.pharmacist.ask("PUT", f"/classes/Prescription/{prescription}", {"status": "active"}))[0] == 200
    await move(shop.pharmacist, delivery, "scheduled", courier=pointer("_User", shop.courier.user))
    await move(shop.pharmacist, delivery, "packed")
    for status in ("out_for_delivery", "arrived"):
        await move(shop.courier, delivery, status)
    return delivery


@pytest.mark.parametrize("signer", ["courier", "patient"])
async def test_by_default_the_signature_itself_hands_over(shop: Shop, signer: str) -> None:
    patient = await sign_up(shop)
    delivery = await new_delivery(shop, patient)
    status, told = await shop.courier.ask("PUT", f"/classes/Delivery/{delivery}", {"status": "delivered"})
    assert (status, told["code"]) == (400, 142)
    who = {"courier": shop.courier, "patient": patient}[signer]
    body = {"delivery": pointer("Delivery", delivery), "signatureImage": await upload(who), "signerName": "Joyce"}
    await who.make("Signature", body)
    _, made = await patient.ask("GET", f"/classes/Delivery/{delivery}")
    assert (made["status"], made["deliveredAt"]) == ("delivered", made["signedAt"])
    _, told = await patient.ask("GET", "/classes/Notification", order="-createdAt", limit=1)
    assert "was handed over" in told["results"][0]["message"]


async def test_a_signature_image_is_read_by_who_may_read_the_signature(shop: Shop) -> None:
    patient, stranger = await sign_up(shop), await sign_up(shop)
    delivery = await new_delivery(shop, patient)
    image = await upload(shop.courier, PNG + delivery.encode())
    await shop.courier.make("Signature", {"delivery": pointer("Delivery", delivery), "signatureImage": image})
    path = str(image["url"]).removeprefix(shop.server.url)
    for who, allowed in (
        (patient, True),
        (shop.pharmacist, True),
        (shop.courier, True),
        (stranger, False),
        (shop.other_courier, False),
    ):
        async with httpx.AsyncClient(base_url=shop.server.url, headers=who.headers, timeout=PATIENCE) as client:
            answer = await client.get(path)
        assert (answer.status_code == 200) is allowed
        assert (answer.content == PNG + delivery.encode()) is allowed


async def test_who_looked_at_a_prescription_is_written_down(shop: Shop) -> None:
    patient = await sign_up(shop)
    prescription = await patient.make("Prescription", {"medicationName": "Metformin", "dosage": "500 mg"})
    await shop.pharmacist.ask("GET", f"/classes/Prescription/{prescription}")
    _, told = await shop.admin.ask("GET", "/classes/AccessLog", where={"entityId": prescription})
    assert (shop.pharmacist.user, "get") in {(row["user"]["objectId"], row["action"]) for row in told["results"]}
    stranger = await sign_up(shop)
    for who, allowed in ((patient, True), (stranger, False)):
        _, mine = await who.ask("GET", "/classes/AccessLog", where={"entityId": prescription})
        assert (shop.pharmacist.user in str(mine["results"])) is allowed


BODIES: dict[str, dict[str, Any]] = {
    "PatientProfile": {"user": None, "medicalRecordNumber": "M-1", "displayName": "Joyce", "isActive": True},
    "Provider": {"user": None},
    "Prescription": {"patient": None, "medicationName": "Metformin", "dosage": "500 mg", "status": "active"},
    "Delivery": {"prescription": None, "deliveryAddress": "12 Alder St", "status": "requested"},
    "Signature": {"delivery": None, "signatureImage": {"__type": "File", "name": "x.png"}},
    "Message": {"sender": None, "recipient": None, "body": "Hello"},
    "Notification": {"patient": None, "message": "Ready.", "isRead": False},
}
TARGETS = {"user": "_User", "sender": "_User", "recipient": "_User", "patient": "PatientProfile", "prescription": "Prescription"}


@pytest.mark.parametrize(("class_name", "missing"), [(name, field) for name, body in BODIES.items() for field in body])
async def test_a_missing_required_field_is_named(shop: Shop, class_name: str, missing: str) -> None:
    me = shop.pharmacist.user
    full = {
        name: pointer(TARGETS.get(name, "Delivery"), me) if value is None else value for name, value in BODIES[class_name].items()
    }
    body = {name: value for name, value in full.items() if name != missing}
    status, told = await shop.pharmacist.ask("POST", f"/classes/{class_name}", body)
    assert (status, told) == (400, {"code": 142, "error": f"{missing} is required"})


async def test_no_request_of_another_courier_or_patient_reaches_a_delivery(shop: Shop) -> None:
    patient, stranger = await sign_up(shop), await sign_up(shop)
    delivery = await new_delivery(shop, patient)
    path = f"{MOUNT}/classes/Delivery/{delivery}"
    signature = {"delivery": pointer("Delivery", delivery), "signatureImage": {"__type": "File", "name": "x.png"}}
    requests: list[dict[str, Any]] = [
        {"method": "GET", "path": path},
        {"method": "PUT", "path": path, "body": {"status": "refused", "failureReason": "x"}},
        {"method": "DELETE", "path": path},
        {"method": "POST", "path": f"{MOUNT}/classes/Signature", "body": signature},
    ]
    before = await shop.pharmacist.ask("GET", f"/classes/Delivery/{delivery}")
    for who in (stranger, shop.other_courier):
        _, answers = await who.ask("POST", "/batch", {"requests": requests})
        assert [answer["error"]["code"] in (101, 119) for answer in answers] == [True] * 4
        for class_name in ("Delivery", "Prescription", "Signature", "PatientProfile"):
            _, told = await who.ask("GET", f"/classes/{class_name}", includeAll="true")
            assert delivery not in str(told)
            assert "Alder" not in str(told)
    assert await shop.pharmacist.ask("GET", f"/classes/Delivery/{delivery}") == before
