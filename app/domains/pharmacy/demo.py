"""The demo of the pharmacy: an afternoon with parcels on the road, some late, some that nobody took, and what was said of them.

Owns: `create_demo`. Holds: times agree with states (what was handed over was signed for then, what is late was expected before);
all rows are one transaction. Rows are inserted through the Piccolo tables, in bulk: the triggers give them their facts and
readers. May import actions and the files of this domain.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from app.actions.caller import MASTER
from app.actions.files import Files, Upload
from app.actions.objects import Objects
from app.actions.roles import move_member_as_master
from app.actions.users import Users
from app.core.wire import date_to_wire
from app.domains.domain import NO_MAIL, Passwords, SignIn
from app.domains.pharmacy.pen import draw_signature
from app.domains.pharmacy.rules import DELIVERY_NEWS, DELIVERY_STATES, record_hash
from app.domains.pharmacy.tables import Delivery, Message, Notification, PatientProfile, Prescription, Provider, Signature
from app.domains.pharmacy.town import (
    CLINICS,
    MEDICINES,
    PATIENTS,
    PEOPLE,
    PLACES,
    REASONS,
    RELATIONS,
    STREETS,
    TALK,
)
from app.store.database import Connection
from app.store.tables import ParseTable, User

Plan = tuple[str, float | None]
"""A status, and in how many hours it is expected (before now: since when)."""

PLANS: Final[tuple[Plan, ...]] = (
    *(("out_for_delivery", hours) for hours in (-0.6, -0.2, 0.3, 0.8, 1.2, 1.7, 2.3, 2.8, 3.4)),
    *(("arrived", hours) for hours in (-0.1, 0.1, 0.5)),
    *(("packed", hours) for hours in (-1.4, 1.1, 1.9, 2.2, 3.0, 3.6, 4.1, 4.8, 5.5, 6.3)),
    *(("scheduled", 5.0 + 1.7 * number) for number in range(16)),
    *(("requested", 20.0 + 3.1 * number) for number in range(9)),
    *(("requested", None) for _ in range(3)),
    ("attempted", -2.0),
    ("attempted", -3.5),
    ("refused", -1.0),
    ("returned", -20.0),
    *(("delivered", -0.7 - 0.9 * number) for number in range(22)),
    *(("delivered", -30.0 - 7.0 * number) for number in range(36)),
    ("cancelled", -9.0),
    ("wasted", -26.0),
    ("restocked", -50.0),
)

CHUNK: Final = 500
UNDRAWN: Final = "undrawn.png"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_NUMBERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_ROLES: Final = ("pharmacist", "courier", "provider", "patient")
_WAY: Final = ("requested", "scheduled", "packed", "out_for_delivery", "arrived", "delivered")
_PATIENT_READERS: Final = ("role:admin", "role:pharmacist")


async def create_demo(objects: Objects, users: Users, now: datetime, rng: Random, passwords: Passwords) -> list[SignIn]:
    """Makes accounts, patients, prescriptions, deliveries and what was said, all or nothing; returns the sign-ins."""
    sign_ins = [SignIn(username, passwords(username), role, name) for username, name, role, _ in PEOPLE]
    files = Files(objects, objects.settings)
    async with objects.transaction() as tx:
        people: dict[str, list[str]] = {role: [] for role in _ROLES}
        for number, (each, (*_, language)) in enumerate(zip(sign_ins, PEOPLE, strict=True)):
            saved = await users.create_user_as_master(
                each.username,
                each.password,
                each.role,
                tx=tx,
                email=f"{each.username}@careboard.example",
                **NO_MAIL,
                active=True,
                displayName=each.name,
                phoneNumber=f"+1 503 555 01{60 + number:02d}",
                preferredLanguage=language,
            )
            people[each.role].append(saved.object_id)
        counter = Counter(now, rng, people)
        people["patient"] += await _add_accounts(tx, counter)
        rows = [*counter.build()]
        for signature in counter.signatures:
            upload = Upload("signature.png", "image/png")
            signature.signature_image = await files.save(MASTER, upload, _once(draw_signature(rng)))
            signature.record_hash = counter.hash_of(signature)
        for table in rows:
            for start in range(0, len(table), CHUNK):
                await type(table[0]).insert(*table[start : start + CHUNK])
    return sign_ins


async def _add_accounts(tx: Connection, counter: "Counter") -> list[str]:
    """Accounts of the patients who do not sign in themselves: without a password, so that nobody can."""
    accounts = [counter.account(number, name) for number, name in enumerate(PATIENTS)]
    await User.insert(*accounts)
    for account in accounts:
        await move_member_as_master(tx, account.object_id, None, "patient")
    return [account.object_id for account in accounts]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@dataclass
class Counter:
    """Draws the rows of the demo, parents first."""

    now: datetime
    rng: Random
    people: dict[str, list[str]]
    profiles: list[PatientProfile] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)
    papers: list[Prescription] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    notes: list[Notification] = field(default_factory=list)

    def build(self) -> Iterator[list[ParseTable]]:
        """The rows of each table, parents first."""
        self.now = self.now.replace(microsecond=0)
        for user in (*self.people["provider"], *self.people["pharmacist"]):
            words = "Prescriber" if user in self.people["provider"] else "Hawthorne Home Pharmacy, open 8-20, counter 2"
            self.providers.append(Provider(**self._new(self.now - timedelta(days=400)), user=user, pharmacy_details=words))
        names = [name for _, name, role, _ in PEOPLE if role == "patient"] + [*PATIENTS]
        for number, (user, name) in enumerate(zip(self.people["patient"], names, strict=True)):
            self._add_patient(number, user, name)
        plans = [*PLANS]
        self.rng.shuffle(plans)
        for number, (status, hours) in enumerate(plans):
            self._add_delivery(number, status, hours)
        for patient in range(3):
            self._add_talk(patient)
        tables = (self.profiles, self.providers, self.papers, self.deliveries, self.signatures, self.messages, self.notes)
        yield from ([*rows] for rows in tables)

    def account(self, number: int, name: str) -> User:
        """An account that nobody signs in to."""
        username = f"patient-{number + 1:02d}"
        made = self._new(self.now - timedelta(days=self.rng.randint(30, 500)))
        return User(
            **made,
            username=username,
            email=f"{username}@careboard.example",
            display_name=name,
            role="patient",
            active=True,
            readers=[made["object_id"]],
            writers=[made["object_id"]],
        )

    def hash_of(self, signature: Signature) -> str:
        """What the server computes when a signature is stored."""
        delivery = next(each for each in self.deliveries if each.object_id == signature.delivery)
        return record_hash(
            {
                "objectId": delivery.object_id,
                "prescription": delivery.prescription,
                "trackingNumber": delivery.tracking_number,
                "deliveryAddress": delivery.delivery_address,
                "recipientName": delivery.recipient_name,
            },
            {
                "signerName": signature.signer_name,
                "relationship": signature.relationship,
                "signedAt": date_to_wire(signature.signed_at),
                "signatureImage": {"__type": "File", "name": signature.signature_image},
            },
        )

    def _new(self, made_at: datetime, changed_at: datetime | None = None) -> dict[str, Any]:
        return {
            "object_id": "".join(self.rng.choices(_LETTERS, k=10)),
            "created_at": made_at,
            "updated_at": changed_at or made_at,
        }

    def _add_patient(self, number: int, user: str, name: str) -> None:
        rng = self.rng
        made_at = self.now - timedelta(days=rng.randint(30, 500))
        profile = PatientProfile(
            **self._new(made_at),
            user=user,
            medical_record_number=f"MRN-{48000 + number * 13 + rng.randint(0, 12)}",
            display_name=name,
            date_of_birth=datetime(rng.randint(1936, 1994), rng.randint(1, 12), rng.randint(1, 28), tzinfo=self.now.tzinfo),
            primary_clinic=rng.choice(CLINICS),
            is_active=True,
        )
        self.profiles.append(profile)
        for medicine, dosage, cold in rng.sample(MEDICINES, rng.randint(2, 4)):
            self.papers.append(
                Prescription(
                    **self._new(made_at + timedelta(days=rng.randint(0, 20))),
                    patient=profile.object_id,
                    medication_name=medicine,
                    dosage=dosage,
                    status="active",
                    provider=self.providers[rng.randint(0, 1)].object_id,
                    refrigerated=cold,
                )
            )
        if number % 5 == 1:
            last = self.papers[-1]
            last.status = ("draft", "on_hold", "stopped", "completed", "cancelled", "draft")[number // 5 % 6]

    def _add_delivery(self, number: int, status: str, hours: float | None) -> None:
        rng = self.rng
        papers = [paper for paper in self.papers if paper.status == "active"]
        paper = papers[number * 7 % len(papers)]
        profile = next(each for each in self.profiles if each.object_id == paper.patient)
        city, postal_code, latitude, longitude = PLACES[number % len(PLACES)]
        over = status in DELIVERY_STATES.final
        at = self.now + timedelta(hours=hours or 0.0)
        expected = None if hours is None else at + (timedelta(minutes=rng.randint(-20, 90)) if over else timedelta(0))
        changed_at = at if over else min(at, self.now) - timedelta(minutes=rng.randint(2, 50))
        failed = status in ("attempted", "refused", "returned", "wasted", "restocked")
        delivery = Delivery(
            **self._new(changed_at - timedelta(hours=rng.randint(6, 40)), changed_at),
            prescription=paper.object_id,
            delivery_address=f"{rng.randint(100, 9900)} {rng.choice(STREETS)}, {city} {postal_code}",
            status=status,
            tracking_number="CB-" + "".join(rng.choices(_NUMBERS, k=10)),
            expected_delivery_date=expected,
            delivered_at=at if status == "delivered" else None,
            closed_at=at if over else None,
            courier=None if status == "requested" else rng.choice(self.people["courier"]),
            location=(round(longitude + rng.uniform(-0.03, 0.03), 5), round(latitude + rng.uniform(-0.03, 0.03), 5)),
            attempts=1 if failed else rng.choice((0, 0, 0, 0, 1)) if status in ("packed", "delivered") else 0,
            failure_reason=rng.choice(REASONS) if failed else None,
            recipient_name=profile.display_name,
        )
        self.deliveries.append(delivery)
        if status == "delivered":
            self._sign(delivery, profile.display_name, at)
        self._tell(delivery, profile.object_id)

    def _sign(self, delivery: Delivery, patient: str, at: datetime) -> None:
        relation = self.rng.choice(RELATIONS)
        signer = patient if relation == "self" else f"{self.rng.choice(PATIENTS).partition(' ')[0]} {patient.rpartition(' ')[2]}"
        self.signatures.append(
            Signature(
                **self._new(at),
                delivery=delivery.object_id,
                signature_image=UNDRAWN,
                signer_name=signer,
                relationship=relation,
                signed_at=at,
            )
        )

    def _tell(self, delivery: Delivery, patient: str) -> None:
        """What the patient heard on the way to this state, the oldest read by now."""
        status = str(delivery.status)
        steps = [*_WAY[1 : _WAY.index(status) + 1]] if status in _WAY else [*_WAY[1:5], status]
        told = [step for step in steps if step in DELIVERY_NEWS]
        for number, step in enumerate(told):
            at = delivery.updated_at - timedelta(minutes=25 * (len(told) - 1 - number))
            self.notes.append(
                Notification(
                    **self._new(at),
                    patient=patient,
                    message=DELIVERY_NEWS[step].format(number=delivery.tracking_number),
                    is_read=at < self.now - timedelta(hours=1),
                    kind="delivery",
                    about={"className": "Delivery", "objectId": delivery.object_id},
                )
            )

    def _add_talk(self, patient: int) -> None:
        two = (self.people["patient"][patient], self.people["pharmacist"][patient % 2])
        begins = self.now - timedelta(hours=5 + 3 * patient)
        for number, (by_patient, words) in enumerate(TALK[: 6 - patient * 2]):
            sender, recipient = two if by_patient else two[::-1]
            at = begins + timedelta(minutes=11 * number)
            last = number == 5 - patient * 2
            self.messages.append(
                Message(
                    **self._new(at),
                    sender=sender,
                    recipient=recipient,
                    body=words,
                    status="sent" if last else "read",
                    sent_at=at,
                    read_at=None if last else at + timedelta(minutes=6),
                    thread="-".join(sorted(two)),
                )
            )
