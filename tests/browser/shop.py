"""A small pharmacy on a running server: a pharmacist, a courier, a patient, and parcels on demand."""

from typing import Any

from tests.browser.trade import Trade
from tests.conftest import RunningServer


class Shop(Trade):
    """A pharmacist, a courier, a patient, and parcels on demand."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server)
        self.people: dict[str, Any] = {}
        self.prescription: Any = None

    async def fill(self) -> None:
        for role, name in (("pharmacist", "Yusuf Demir"), ("courier", "Otto Brandvold"), ("patient", "Harriet Vance")):
            self.people[role] = await self.person(role, role, displayName=name)
        patient = {"user": self.people["patient"], "medicalRecordNumber": "MRN-1", "isActive": True}
        profile = await self.make("PatientProfile", {**patient, "displayName": "Harriet Vance"})
        paper = {"patient": profile, "medicationName": "Metformin", "status": "active"}
        self.prescription = await self.make("Prescription", {**paper, "dosage": "500 mg"})

    async def parcel(self, number: str, *, status: str = "scheduled") -> str:
        """A delivery of the courier, brought to a status."""
        body = {
            "prescription": self.prescription,
            "deliveryAddress": "12 Alder St",
            "status": "requested",
        }
        courier = self.people["courier"]
        made = await self.make("Delivery", {**body, "trackingNumber": number, "courier": courier})
        way = ("scheduled", "packed", "out_for_delivery", "arrived")
        for step in way[: way.index(status) + 1]:
            await self.move(made["objectId"], status=step)
        return str(made["objectId"])

    async def move(self, delivery: str, **fields: object) -> None:
        await self.ask("PUT", f"/classes/Delivery/{delivery}", fields)
