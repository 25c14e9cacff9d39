"""What the database keeps by itself in the pharmacy: the same urgency as Python, right after any write, and as time passes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.caller import MASTER
from app.actions.ticker import flip
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.domains.pharmacy.rules import DELIVERY_STATES, DONE, FAILED, OPEN, urgency
from app.domains.pharmacy.triggers import tick
from app.errors import ParseError
from app.store.database import Database
from tests.domains.dispensary import Dispensary, make_dispensary

moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 4), timezones=st.just(UTC))  # noqa: DTZ001 - given its zone beside


@pytest.fixture(scope="module")
async def shop(database: Database, settings: Settings) -> Dispensary:
    return await make_dispensary(database, settings)


def test_every_state_is_open_failed_or_done() -> None:
    assert set(DELIVERY_STATES.states) == {*OPEN, *FAILED, *DONE}
    assert set(DELIVERY_STATES.final) == set(DONE)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from(DELIVERY_STATES.states),
    expected=st.one_of(st.none(), moments),
    closed=st.one_of(st.none(), moments),
    now=moments,
)
async def test_sql_and_python_give_the_same_answer(
    shop: Dispensary, status: str, expected: datetime | None, closed: datetime | None, now: datetime
) -> None:
    async with shop.database.connection() as connection:
        told = await connection.fetchval("select careboard.pharmacy_urgency($1, $2, $3, $4)", status, expected, closed, now)
    assert told == urgency(status, expected, closed, now)


@pytest.mark.parametrize(
    ("expected", "becomes"),
    [
        (timedelta(minutes=-1), "late"),
        (timedelta(minutes=119), "due_soon"),
        (timedelta(minutes=122), "on_track"),
        (None, "unknown"),
    ],
)
async def test_a_delivery_is_as_urgent_as_its_date(shop: Dispensary, expected: timedelta | None, becomes: str) -> None:
    date = None if expected is None else shop.ago(minutes=-(expected / timedelta(minutes=1)))
    delivery = await shop.new_delivery("arrived", expectedDeliveryDate=date)
    assert (await shop.stored("Delivery", delivery))["urgency"] == becomes
    await shop.objects.update(shop["pharmacist"], "Delivery", delivery, {"expectedDeliveryDate": shop.ago(days=-2)})
    assert (await shop.stored("Delivery", delivery))["urgency"] == "on_track"
    await shop.objects.update(shop["courier"], "Delivery", delivery, {"status": "refused", "failureReason": "no"})
    assert (await shop.stored("Delivery", delivery))["urgency"] == "failed"


async def test_a_write_from_psql_leaves_the_right_facts(shop: Dispensary) -> None:
    delivery = await shop.new_delivery("arrived")
    await shop.sql("""update "Delivery" set "status" = 'delivered', "urgency" = 'late' where "objectId" = $1""", delivery)
    stored = await shop.stored("Delivery", delivery)
    assert stored["urgency"] == "done"
    assert stored["closedAt"] == stored["deliveredAt"]
    await shop.sql(
        """insert into "Delivery" ("objectId", "prescription", "deliveryAddress", "status")
        values ('bypsql0001', $1, 'x', 'packed')""",
        shop.prescription,
    )
    made = await shop.stored("Delivery", "bypsql0001")
    assert (made["urgency"], made["attempts"], made["proofPolicy"]) == ("unknown", 0, "signature")
    assert "*" not in str(made["ACL"])
    with pytest.raises(ParseError, match="status: give one of requested, scheduled"):
        await shop.sql("""update "Delivery" set "status" = 'lost' where "objectId" = $1""", delivery)


async def settle(shop: Dispensary) -> None:
    """Nothing is due."""
    while await flip(shop.database, tick):
        pass


async def wait_for(shop: Dispensary, delivery: str, dates: str) -> None:
    """Sets dates of a delivery behind the triggers' back, as if time had passed."""
    await shop.sql(
        f"""alter table "Delivery" disable trigger user;
        update "Delivery" set {dates} where "objectId" = '{delivery}';
        alter table "Delivery" enable trigger user"""
    )


def _over(span: str) -> str:
    """A delivery that was handed over so long ago."""
    return f"""("deliveredAt", "closedAt") = (clock_timestamp() - interval '{span}', clock_timestamp() - interval '{span}')"""


@pytest.mark.parametrize(
    ("status", "dates", "becomes"),
    [
        ("packed", "\"expectedDeliveryDate\" = clock_timestamp() + interval '119 minutes'", "due_soon"),
        ("packed", "\"expectedDeliveryDate\" = clock_timestamp() + interval '121 minutes'", None),
        ("packed", "\"expectedDeliveryDate\" = clock_timestamp() - interval '1 second'", "late"),
        (
            "delivered",
            _over("25 hours"),
            "closed",
        ),
        (
            "delivered",
            _over("23 hours"),
            None,
        ),
        ("attempted", "\"expectedDeliveryDate\" = clock_timestamp() - interval '1 day'", None),
    ],
)
async def test_the_ticker_takes_up_exactly_what_is_due(shop: Dispensary, status: str, dates: str, becomes: str | None) -> None:
    await settle(shop)
    delivery = await shop.new_delivery("packed" if status == "packed" else "arrived", proofPolicy="none")
    if status != "packed":
        await shop.objects.update(MASTER, "Delivery", delivery, {"status": status, "failureReason": "nobody home"})
    before = await shop.stored("Delivery", delivery)
    await wait_for(shop, delivery, dates)
    assert await flip(shop.database, tick) == (becomes is not None)
    after = await shop.stored("Delivery", delivery)
    assert after["urgency"] == (becomes or before["urgency"])
    assert after["updatedAt"] == before["updatedAt"]
    alerts = await shop.all("Alert", {"about.objectId": delivery, "kind": "delivery_late"}, "pharmacist")
    assert len(alerts) == (becomes == "late")


async def test_two_tickers_do_not_flip_twice(shop: Dispensary) -> None:
    await settle(shop)
    delivery = await shop.new_delivery()
    await wait_for(shop, delivery, '"expectedDeliveryDate" = clock_timestamp()')
    assert sum(await asyncio.gather(*(flip(shop.database, tick) for _ in range(4)))) == 1
    assert len(await shop.all("Alert", {"about.objectId": delivery})) == 1


REFUSED: list[tuple[str, str, Json, str]] = [
    ("Delivery", "proofPolicy", "wink", "proofPolicy: give one of signature, acknowledgement or none."),
    ("Delivery", "attempts", -1, "attempts: give how often it was tried, 0 or more."),
]


@pytest.mark.parametrize(("class_name", "field", "value", "sentence"), REFUSED)
async def test_a_value_out_of_its_limits_is_told(
    shop: Dispensary, class_name: str, field: str, value: Json, sentence: str
) -> None:
    body: Object = shop.parcel() | {field: value}
    with pytest.raises(ParseError) as refusal:
        await shop.objects.create(MASTER, class_name, body)
    assert (int(refusal.value.code), refusal.value.message) == (142, sentence)


async def test_profiles_and_deliveries_written_at_once_miss_no_reader(shop: Dispensary) -> None:
    """A profile that closes while a prescription is written for it: no row keeps the reader it lost."""
    for _ in range(5):
        patient = (await shop.objects.create(MASTER, "PatientProfile", shop.profile_body())).object_id
        here = pointer("PatientProfile", patient)
        await asyncio.gather(
            shop.objects.update(MASTER, "PatientProfile", patient, {"isActive": False}),
            *(shop.objects.create(MASTER, "Prescription", shop.paper(patient=here)) for _ in range(3)),
        )
        for row in await shop.all("Prescription", {"patient": here}):
            assert str(shop["patient"].user_id) not in str(row["ACL"])
