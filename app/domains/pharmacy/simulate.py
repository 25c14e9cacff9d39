"""A working day of the pharmacy, driven through the public REST API: as patients, pharmacists and couriers work.

Owns: `simulate`. Holds: patients ask, pharmacists schedule and pack, couriers carry and take signatures (uploaded as files), each
with a session of their own; some doors stay closed, and what is over is asked for again. May import rules, pen.py,
domains.simulation and core.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from app.core.wire import Json, Object, date_to_wire, pointer
from app.domains.limits import pointed
from app.domains.pharmacy.pen import draw_signature
from app.domains.pharmacy.rules import DELIVERY_STATES
from app.domains.simulation import Api, Day, Options, Tally
from app.errors import ErrorCode, ParseError

PATIENTS: Final = 6
COURIERS: Final = 3
MOST_PAPERS: Final = 60
_FORWARD: Final = {"requested": "scheduled", "scheduled": "packed", "packed": "out_for_delivery", "out_for_delivery": "arrived"}
_BY_COURIER: Final = frozenset({"out_for_delivery", "arrived", "attempted", "refused", "returned"})
_REASONS: Final = ("nobody home", "wrong address", "no access")
_STREETS: Final = ("Ankeny St", "Davis Ln", "Hoyt St", "Marshall St")


@dataclass(slots=True)
class Parcel:
    """One delivery, as far as the simulation knows it; `object_id` changes when it is asked for again."""

    object_id: str
    status: str
    courier: str
    prescription: str
    patient: str
    rng: Random


async def simulate(api: Api, options: Options, tally: Tally) -> None:
    """Moves `options.size` deliveries. Patients, prescriptions and deliveries that are there are used, missing ones are made."""
    pharmacists, couriers = await api.staff("pharmacist", 1), await api.staff("courier", COURIERS)
    patients = await api.staff("patient", PATIENTS)
    counter = Counter(api, pharmacists[0], couriers, patients, options, tally)
    parcels = await counter.find_parcels()
    for parcel in parcels:
        counter.plan(parcel, parcel.rng.uniform(0, 60))
    await counter.day.run(options.minutes)


class Counter:
    """What is done to each delivery, one act after the other."""

    def __init__(
        self, api: Api, pharmacist: str, couriers: list[str], patients: list[str], options: Options, tally: Tally
    ) -> None:
        self.day = Day(options.speed, tally)
        self._api, self._pharmacist, self._couriers, self._patients = api, pharmacist, couriers, patients
        self._options, self._tally = options, tally

    async def find_parcels(self) -> list[Parcel]:
        """The oldest open deliveries, and new ones up to the number wanted."""
        rng = Random(self._options.seed)  # noqa: S311 - a story, not a secret
        papers = await self._papers(rng)
        by_id = {str(paper["objectId"]): paper for paper in papers}
        where: Object = {
            "status": {"$nin": list[Json](DELIVERY_STATES.final)},
            "prescription": {"$in": [pointer("Prescription", each) for each in by_id]},
        }
        found = await self._api.find("/classes/Delivery", where, self._options.size, user=self._pharmacist)
        parcels = [self._parcel(each, by_id[str(pointed(each["prescription"]))]) for each in found]
        while len(parcels) < self._options.size:
            parcel = self._parcel({}, papers[len(parcels) % len(papers)])
            await self._ask_for(parcel)
            parcels.append(parcel)
        return parcels

    def plan(self, parcel: Parcel, minutes: float, act: Callable[[Parcel], Awaitable[None]] | None = None) -> None:
        """Lets the next act on a delivery happen in so many simulated minutes."""

        async def otherwise(refusal: ParseError) -> None:
            try:
                await self._look_again(parcel, refusal)
            finally:
                self.plan(parcel, parcel.rng.uniform(20, 60))

        async def next_act() -> None:
            await (act or self._next)(parcel)

        self.day.plan(minutes, next_act, otherwise)

    async def _next(self, parcel: Parcel) -> None:
        if parcel.status in DELIVERY_STATES.final:
            await self._ask_for(parcel)
        elif parcel.status == "arrived":
            await self._at_the_door(parcel)
        elif parcel.status in ("attempted", "refused", "returned"):
            await self._recover(parcel)
        else:
            await self._step(parcel, _FORWARD[parcel.status])
        self.plan(parcel, parcel.rng.uniform(6, 30))
        if parcel.rng.random() < 0.1:
            self.plan(parcel, parcel.rng.uniform(1, 5), self._talk)

    async def _step(self, parcel: Parcel, status: str, reason: str = "") -> None:
        body: Object = {"status": status}
        if reason:
            body["failureReason"] = reason
        if status == "scheduled":
            minutes = parcel.rng.uniform(40, 400) / self._options.speed
            expected = datetime.now(UTC) + timedelta(minutes=minutes)
            body |= {"courier": pointer("_User", parcel.courier), "expectedDeliveryDate": date_to_wire(expected)}
        who = parcel.courier if status in _BY_COURIER else self._pharmacist
        await self._api.ask("PUT", f"/classes/Delivery/{parcel.object_id}", body, user=who)
        parcel.status = status
        self._tally.add("steps")

    async def _at_the_door(self, parcel: Parcel) -> None:
        """Most sign, some are not home, a few do not want it."""
        luck = parcel.rng.random()
        if luck < 0.06:
            await self._step(parcel, "refused", "not wanted any more")
        elif luck < 0.16:
            await self._step(parcel, "attempted", parcel.rng.choice(_REASONS))
        else:
            await self._sign(parcel)

    async def _sign(self, parcel: Parcel) -> None:
        told = await self._upload(parcel)
        body: Object = {
            "delivery": pointer("Delivery", parcel.object_id),
            "signatureImage": {"__type": "File", "name": told["name"]},
            "signerName": "A. Simulated",
            "relationship": parcel.rng.choice(("self", "spouse", "neighbor")),
        }
        await self._api.ask("POST", "/classes/Signature", body, user=parcel.courier)
        parcel.status = "delivered"
        self._tally.add("signatures")

    async def _upload(self, parcel: Parcel) -> Object:
        """The signature as the courier's phone drew it, stored as a file."""
        headers = {"X-Parse-Session-Token": self._api.sessions[parcel.courier], "Content-Type": "image/png"}
        answer = await self._api.client.post("/files/signature.png", content=draw_signature(parcel.rng), headers=headers)
        told: Object = answer.json()
        if answer.status_code != 201:
            raise ParseError(ErrorCode.FILE_SAVE_ERROR, str(told.get("error")))
        return told

    async def _recover(self, parcel: Parcel) -> None:
        """What failed at the door is tried again or comes back, and what came back is put away."""
        if parcel.status == "attempted" and parcel.rng.random() < 0.7:
            await self._step(parcel, "scheduled")
        elif parcel.status == "returned":
            await self._step(parcel, parcel.rng.choice(("restocked", "wasted")))
        else:
            await self._step(parcel, "returned")

    async def _ask_for(self, parcel: Parcel) -> None:
        """The patient asks for the next one."""
        address = f"{parcel.rng.randint(100, 9900)} {parcel.rng.choice(_STREETS)}, Portland 97214"
        body: Object = {"prescription": pointer("Prescription", parcel.prescription), "deliveryAddress": address}
        told = await self._api.ask("POST", "/classes/Delivery", body, user=parcel.patient)
        parcel.object_id, parcel.status = str(told["objectId"]), "requested"
        parcel.courier = parcel.rng.choice(self._couriers)
        self._tally.add("requests")

    async def _talk(self, parcel: Parcel) -> None:
        """The patient asks when it comes; the pharmacist reads it."""
        body: Object = {
            "sender": pointer("_User", parcel.patient),
            "recipient": pointer("_User", self._pharmacist),
            "body": "When may I expect my delivery?",
        }
        told = await self._api.ask("POST", "/classes/Message", body, user=parcel.patient)
        await self._api.ask("PUT", f"/classes/Message/{told['objectId']}", {"status": "read"}, user=self._pharmacist)
        self._tally.add("messages")

    async def _look_again(self, parcel: Parcel, refusal: ParseError) -> None:
        """Somebody else may have moved the delivery, or a session ended."""
        if refusal.code is ErrorCode.INVALID_SESSION_TOKEN:
            for user in (self._pharmacist, parcel.courier, parcel.patient):
                await self._api.sign_in(user)
        stored = await self._api.ask("GET", f"/classes/Delivery/{parcel.object_id}", user=self._pharmacist)
        parcel.status = str(stored["status"])
        parcel.courier = pointed(stored.get("courier")) or parcel.courier

    async def _papers(self, rng: Random) -> list[Object]:
        """The active prescriptions of patients who are signed in, with `patient` included; made where there are none."""
        known: list[Json] = [pointer("_User", user) for user in self._patients]
        mine: Object = {"user": {"$in": known}, "isActive": True}
        where: Object = {"status": "active", "patient": {"$inQuery": {"className": "PatientProfile", "where": mine}}}
        asked = {"user": self._pharmacist, "include": "patient"}
        path = "/classes/Prescription"
        found = await self._api.find(path, where, MOST_PAPERS, **asked)
        if found:
            return found
        for number, user in enumerate(self._patients[:PATIENTS]):
            profile: Object = {
                "user": pointer("_User", user),
                "medicalRecordNumber": f"SIM-{self._options.seed}-{number + 1:03d}-{rng.randint(0, 9999):04d}",
                "displayName": f"Simulated patient {number + 1}",
                "isActive": True,
            }
            made = await self._api.ask("POST", "/classes/PatientProfile", profile, user=self._pharmacist)
            paper: Object = {
                "patient": pointer("PatientProfile", str(made["objectId"])),
                "medicationName": rng.choice(("Metformin 500 mg", "Lisinopril 10 mg", "Insulin glargine")),
                "dosage": "as told",
                "status": "active",
            }
            await self._api.ask("POST", path, paper, user=self._pharmacist)
        return await self._api.find(path, where, MOST_PAPERS, **asked)

    def _parcel(self, stored: Object, paper: Object) -> Parcel:
        patient = paper["patient"]
        assert isinstance(patient, dict)
        made = str(stored.get("objectId", ""))
        rng = Random(f"{self._options.seed}:{made or self._tally.counts.get('requests', 0)}")  # noqa: S311 - a story, not a secret
        return Parcel(
            object_id=made,
            status=str(stored.get("status", "requested")),
            courier=self._courier_of(stored, rng),
            prescription=str(paper["objectId"]),
            patient=str(pointed(patient["user"])),
            rng=rng,
        )

    def _courier_of(self, stored: Object, rng: Random) -> str:
        known = pointed(stored.get("courier"))
        return known if known in self._couriers else rng.choice(self._couriers)
