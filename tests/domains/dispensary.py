"""What the tests of the pharmacy stand on: two patients, two providers, two couriers and the people behind the counter,
prescriptions and deliveries on demand, and a clock that can be set."""

from dataclasses import dataclass, field
from uuid import uuid4

from app.actions.caller import MASTER
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.domains.pharmacy.domain import PHARMACY
from app.store.database import Database
from tests.domains.floor import Floor, make_floor

ROLES = {
    "pharmacist": "pharmacist",
    "admin": "admin",
    "patient": "patient",
    "other_patient": "patient",
    "provider": "provider",
    "other_provider": "provider",
    "courier": "courier",
    "other_courier": "courier",
    "stranger": "driver",
}
IMAGE: Object = {"__type": "File", "name": "0f1e_signature.png", "url": "http://localhost/files/0f1e_signature.png"}
ROUND = ("scheduled", "packed", "out_for_delivery", "arrived")


@dataclass
class Dispensary(Floor):
    """One server's floor of actions with the pharmacy, and callers by what they are to its first prescription."""

    profiles: dict[str, str] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)
    prescription: str = ""

    def profile(self, who: str = "patient") -> Object:
        """A pointer to a patient's profile."""
        return pointer("PatientProfile", self.profiles[who])

    def profile_body(self, who: str = "patient", **fields: Json) -> Object:
        """A further profile of one of the people."""
        number = f"MRN-{uuid4().hex[:8]}"
        body: Object = {"user": self.user(who), "medicalRecordNumber": number, "displayName": "Joyce Hammond", "isActive": True}
        return {**body, **fields}

    def paper(self, **fields: Json) -> Object:
        """An active prescription for the patient by the provider; a field given as None is left out."""
        body: Object = {
            "patient": self.profile(),
            "provider": pointer("Provider", self.providers["provider"]),
            "medicationName": "Metformin",
            "dosage": "500 mg twice a day",
            "status": "active",
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def new_prescription(self, **fields: Json) -> str:
        """Makes `paper`."""
        return (await self.objects.create(MASTER, "Prescription", self.paper(**fields))).object_id

    def parcel(self, **fields: Json) -> Object:
        """A requested delivery of the first prescription by the courier, expected in a day."""
        body: Object = {
            "prescription": pointer("Prescription", self.prescription),
            "deliveryAddress": "12 Alder St, Portland",
            "status": "requested",
            "expectedDeliveryDate": self.ago(days=-1),
            "courier": self.user("courier"),
        }
        return {name: value for name, value in {**body, **fields}.items() if value is not None}

    async def new_delivery(self, status: str = "requested", **fields: Json) -> str:
        """Makes `parcel` and brings it to `status` along the way there."""
        made = (await self.objects.create(MASTER, "Delivery", self.parcel(**fields))).object_id
        for step in ROUND[: ROUND.index(status) + 1] if status in ROUND else ():
            await self.objects.update(MASTER, "Delivery", made, {"status": step})
        return made

    def signature(self, delivery: str, **fields: Json) -> Object:
        """A signature for a delivery."""
        body: Object = {
            "delivery": pointer("Delivery", delivery),
            "signatureImage": IMAGE,
            "signerName": "Marisol Alvarez",
            "relationship": "daughter",
        }
        return {**body, **fields}

    def message(self, sender: str = "patient", recipient: str = "pharmacist", **fields: Json) -> Object:
        """A message of one of the people to another."""
        body: Object = {"sender": self.user(sender), "recipient": self.user(recipient), "body": "May I take it with milk?"}
        return {**body, **fields}

    async def notes(self, about: str) -> list[str]:
        """What the patient was told about an object, in order."""
        return [str(note["message"]) for note in await self.all("Notification", {"about.objectId": about})]


async def make_dispensary(database: Database, settings: Settings) -> Dispensary:
    """The floor with its people, their profiles and one prescription."""
    shop = await make_floor(Dispensary, database, settings, PHARMACY, ROLES)
    for who in ("patient", "other_patient"):
        shop.profiles[who] = await shop.make("PatientProfile", shop.profile_body(who))
    for who in ("provider", "other_provider"):
        shop.providers[who] = await shop.make("Provider", {"user": shop.user(who)})
    shop.prescription = await shop.new_prescription()
    return shop
