"""A patient of the pharmacy hears by mail that there is news, in the transaction of the notification, and not what it is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from app.actions.caller import MASTER
from app.actions.mails import Mails
from app.actions.signing.links import Links
from app.config import Settings
from app.core.wire import Object
from app.domains.pharmacy.board import BOARD
from app.domains.pharmacy.phone import MY_MEDICINES
from app.domains.pharmacy.rules import NEWS_PAGE
from app.errors import ErrorCode, ParseError
from app.store.database import Database
from app.store.mails import Mail, list_mails
from tests.actions.post import make_sender
from tests.actions.world import refusing
from tests.domains.dispensary import Dispensary, make_dispensary
from tests.mailbox import FROM, PUBLIC_URL, Mailbox, text_of

PATIENT = "patient@example.com"


@dataclass
class Counter:
    """The pharmacy, and the mails of it."""

    shop: Dispensary
    mailbox: Mailbox
    mails: Mails

    async def send(self) -> int:
        """Sends what is due; how many letters the patient has by now."""
        while await self.mails.send_due():
            pass
        return len(self.mailbox.to(PATIENT))

    async def rows(self) -> list[Mail]:
        async with self.shop.database.connection() as connection:
            return await list_mails(connection)


@pytest.fixture(scope="module")
async def counter(database: Database, settings: Settings) -> AsyncIterator[Counter]:
    mailbox = Mailbox().start()
    mailing = replace(settings, smtp_url=mailbox.url, mail_from=FROM, public_url=PUBLIC_URL)
    shop = await make_dispensary(database, mailing)
    await shop.objects.update(MASTER, "_User", str(shop["patient"].user_id), {"emailVerified": True})
    yield Counter(shop, mailbox, make_sender(shop.objects, Links(shop.objects)))
    mailbox.stop()


async def test_a_new_status_is_told_by_mail_without_its_words(counter: Counter) -> None:
    shop, before = counter.shop, await counter.send()
    delivery = await shop.new_delivery()
    number = str((await shop.stored("Delivery", delivery))["trackingNumber"])
    assert await counter.send() == before
    for status in ("scheduled", "packed", "out_for_delivery"):
        await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": status})
    assert await counter.send() == before + 1
    letter = counter.mailbox.to(PATIENT)[-1]
    assert letter["Subject"] == "There is news about your delivery"
    assert f"{PUBLIC_URL}{NEWS_PAGE}" in text_of(letter)
    told = f"{letter['Subject']} {text_of(letter)}"
    for secret in (number, "Metformin", "500 mg", "Hammond", "Alder", "patient", "way", "packed", "scheduled", delivery):
        assert secret not in told
    await shop.objects.update(shop["courier"], "Delivery", delivery, {"status": "arrived"})
    assert await counter.send() == before + 2


async def test_a_prescription_is_an_order_in_a_mail(counter: Counter) -> None:
    before = await counter.send()
    await counter.shop.objects.update(
        counter.shop["pharmacist"], "Prescription", counter.shop.prescription, {"status": "on_hold"}
    )
    assert await counter.send() == before + 1
    assert counter.mailbox.to(PATIENT)[-1]["Subject"] == "There is news about your order"
    assert "prescription" not in text_of(counter.mailbox.to(PATIENT)[-1])
    await counter.shop.objects.update(counter.shop["pharmacist"], "Prescription", counter.shop.prescription, {"status": "active"})
    await counter.send()


async def test_a_notification_that_a_pharmacist_writes_is_told_too_and_one_that_is_read_is_not(counter: Counter) -> None:
    shop, before = counter.shop, await counter.send()
    note: Object = {"patient": shop.profile(), "message": "Your insulin is ready.", "isRead": False}
    made = await shop.objects.create(shop["pharmacist"], "Notification", note)
    assert await counter.send() == before + 1
    assert "insulin" not in str(counter.mailbox.to(PATIENT)[-1])
    await shop.objects.update(shop["patient"], "Notification", made.object_id, {"isRead": True})
    assert await counter.send() == before + 1


async def test_what_is_rolled_back_is_told_to_nobody(counter: Counter) -> None:
    shop, before = counter.shop, await counter.send()
    delivery = await shop.new_delivery()
    with refusing(1, "no"):
        async with shop.objects.transaction() as tx:
            await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"status": "scheduled"}, tx=tx)
            raise ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "no")
    assert await counter.rows() == []
    assert await counter.send() == before


async def test_a_patient_who_says_no_gets_no_mail_and_keeps_the_live_notification(counter: Counter) -> None:
    shop, before = counter.shop, await counter.send()
    await shop.objects.update(shop["patient"], "_User", str(shop["patient"].user_id), {"emailNotifications": False})
    delivery = await shop.new_delivery("scheduled")
    assert len(await shop.notes(delivery)) == 1
    assert await counter.send() == before
    with refusing(206):
        other = str(shop["other_patient"].user_id)
        await shop.objects.update(shop["patient"], "_User", other, {"emailNotifications": False})
    await shop.objects.update(shop["patient"], "_User", str(shop["patient"].user_id), {"emailNotifications": True})


async def test_an_address_that_nobody_confirmed_and_a_closed_profile_get_nothing(counter: Counter) -> None:
    shop = counter.shop
    note: Object = {"message": "Ready.", "isRead": False}
    await shop.objects.create(MASTER, "Notification", {**note, "patient": shop.profile("other_patient")})
    assert await counter.rows() == []
    profile = shop.profiles["patient"]
    await shop.objects.update(MASTER, "PatientProfile", profile, {"isActive": False})
    await shop.objects.create(MASTER, "Notification", {**note, "patient": shop.profile()})
    assert await counter.rows() == []
    await shop.objects.update(MASTER, "PatientProfile", profile, {"isActive": True})


def test_the_page_that_mails_lead_to_is_the_patient_s_own() -> None:
    assert f"/boards/{BOARD.name}/{MY_MEDICINES.name}" == NEWS_PAGE
