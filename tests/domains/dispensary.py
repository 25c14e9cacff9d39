"""What the tests of the pharmacy stand on: two patients, two providers, two couriers and the people behind the counter,
prescriptions and deliveries on demand, and a clock that can be set."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from app.actions.caller import ANONYMOUS, MASTER, Caller, caller_of_user_as_master
from app.actions.hooks import Hooks
from app.actions.objects import Objects, utc_now
from app.actions.roles import ensure_roles_as_master
from app.actions.users import Users
from app.config import Settings
from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.pharmacy.domain import PHARMACY
from app.store.database import Database
from app.store.migrate import migrate

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
class Dispensary:
    """One server's floor of actions with the pharmacy, and callers by what they are to its first prescription."""

    database: Database
    objects: Objects
    users: Users
    callers: dict[str, Caller] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)
    prescription: str = ""
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The clock of the server, which a test may set ahead."""
        return utc_now() + self.ahead

    def __getitem__(self, who: str) -> Caller:
        return self.callers[who]

    def user(self, who: str) -> Object:
        """A pointer to one of the people."""
        return pointer("_User", str(self[who].user_id))

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

    def ago(self, **span: float) -> Object:
        """The moment so long ago, as a wire Date."""
        return date_to_wire(self.now() - timedelta(**span))

    async def stored(self, class_name: str, object_id: str) -> Object:
        """What is stored, seen with the master key."""
        return await self.objects.get_object(MASTER, class_name, object_id)

    async def all(self, class_name: str, where: Object | None = None, who: str = "master") -> list[Object]:
        """What one of the people finds, oldest first."""
        params: Object = {"limit": 1000, "order": "createdAt,objectId", **({"where": where} if where else {})}
        return await self.objects.find_objects(self[who], self.objects.parse_query(class_name, params))

    async def ids(self, who: str, class_name: str, where: Object | None = None) -> set[str]:
        """The objectIds that one of the people finds."""
        return {str(each["objectId"]) for each in await self.all(class_name, where, who)}

    async def notes(self, about: str) -> list[str]:
        """What the patient was told about an object, in order."""
        return [str(note["message"]) for note in await self.all("Notification", {"about.objectId": about})]

    async def sql(self, statement: str, *arguments: object) -> str:
        """A write past the server, as from psql."""
        async with self.database.transaction() as connection:
            return await connection.execute(statement, *arguments)


async def make_dispensary(database: Database, settings: Settings) -> Dispensary:
    """The floor on a started database. Migrating once more must change nothing."""
    schemas = await migrate(database, [PHARMACY])
    async with database.transaction() as connection:
        await ensure_roles_as_master(connection)
    hooks = Hooks()
    shop: Dispensary
    objects = Objects(database, schemas, hooks, settings, clock=lambda: shop.now())
    PHARMACY.install(hooks, objects)
    shop = Dispensary(database, objects, Users(objects))
    shop.callers |= {"anonymous": ANONYMOUS, "master": MASTER}
    for who, role in ROLES.items():
        saved = await shop.users.create_user_as_master(who, "open sesame", role, email=f"{who}@example.com", active=True)
        async with database.connection() as connection:
            shop.callers[who] = await caller_of_user_as_master(connection, saved.object_id)
    for who in ("patient", "other_patient"):
        shop.profiles[who] = (await objects.create(MASTER, "PatientProfile", shop.profile_body(who))).object_id
    for who in ("provider", "other_provider"):
        shop.providers[who] = (await objects.create(MASTER, "Provider", {"user": shop.user(who)})).object_id
    shop.prescription = await shop.new_prescription()
    return shop
