"""A small agency of home care on a running server: a desk, and three technicians near and far, free and busy."""

from datetime import timedelta
from typing import Any

from app.actions.objects import utc_now
from app.core.wire import Object, date_to_wire, encode
from tests.browser.trade import Trade
from tests.conftest import RunningServer

DOOR: Object = {"__type": "GeoPoint", "latitude": 45.52, "longitude": -122.68}


class Agency(Trade):
    """The agency, and the ways others change it."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server)
        self.aides: dict[str, Any] = {}

    async def change(self, class_name: str, object_id: str, body: Object) -> None:
        """What somebody else writes."""
        await self.ask("PUT", f"/classes/{class_name}/{object_id}", body)

    async def find(self, class_name: str, where: Object) -> list[Object]:
        """What is stored."""
        return list((await self.ask("GET", f"/classes/{class_name}", where=encode(where).decode()))["results"])

    async def fill(self) -> None:
        """The people."""
        await self.person("hedda", "dispatcher")
        user = await self.person("bea", "technician")
        for name, north, availability in (
            ("Far Free", 0.3, "available"),
            ("Near Busy", 0.01, "busy"),
            ("Near Free", 0.02, "available"),
        ):
            place: Object = {**DOOR, "latitude": 45.52 + north}
            body: Object = {"name": name, "availability": availability, "location": place}
            self.aides[name] = await self.make("Technician", body | ({"user": user} if name == "Far Free" else {}))

    async def visit(self, client: str, minutes: float, aide: str = "Far Free", **fields: Any) -> str:
        """A visit that begins in so many minutes."""
        body: dict[str, Any] = {
            "description": "Morning care",
            "status": "open",
            "technician": self.aides[aide],
            "scheduledTime": date_to_wire(utc_now() + timedelta(minutes=minutes)),
            "durationMinutes": 60,
            "clientName": client,
            "address": "12 Alder St",
            "location": DOOR,
            "overlapAllowed": True,
            **fields,
        }
        return str((await self.make("Job", body))["objectId"])
