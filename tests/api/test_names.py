"""What staff are called: told to who is signed in and knows the objectId from a row; never of patients, and nothing else."""

from html import unescape

import httpx
import pytest

from app.actions.names import MOST_NAMES
from app.api.request import COOKIE
from tests.api.depot import Depot, open_depot
from tests.conftest import PATIENCE, RunningServer

STAFF = ("driver", "careTeam", "dispatcher", "courier", "disabled")
ASKERS = ("driver", "other_driver", "careTeam", "dispatcher", "contact", "stranger", "master")


@pytest.fixture(scope="module")
async def depot(running_server: RunningServer) -> Depot:
    depot = await open_depot(running_server)
    for who in (*STAFF, "contact", "stranger"):
        status, _ = await depot["master"].ask("PUT", f"/users/{depot[who].user}", {"displayName": name_of(who)})
        assert status == 200
    return depot


def name_of(who: str) -> str:
    return f"Given {who.title()}"


async def names(depot: Depot, who: str, *ids: str) -> tuple[int, object]:
    status, told = await depot[who].ask("GET", "/names", ids=",".join(ids))
    return status, told.get("results", told.get("code"))


@pytest.mark.parametrize("who", ["anonymous", "expired", "disabled"])
async def test_who_is_not_signed_in_is_told_no_name(depot: Depot, who: str) -> None:
    status, told = await names(depot, who, depot["driver"].user)
    assert status >= 400
    assert told in (101, 209)


@pytest.mark.parametrize("who", ASKERS)
async def test_who_knows_an_id_is_told_the_name_of_staff_and_never_of_a_patient(depot: Depot, who: str) -> None:
    ids = {each: depot[each].user for each in (*STAFF, "contact", "stranger", "other_driver")}
    assert await names(depot, who, *ids.values(), "nobody1234") == (200, {ids[each]: name_of(each) for each in STAFF})
    assert await names(depot, who) == (200, {})


async def test_too_many_at_once_are_refused(depot: Depot) -> None:
    assert (await names(depot, "driver", *(f"id{number}" for number in range(MOST_NAMES))))[0] == 200
    assert await names(depot, "driver", *(f"id{number}" for number in range(MOST_NAMES + 1))) == (400, 102)


async def page(depot: Depot, who: str, path: str) -> str:
    async with httpx.AsyncClient(base_url=depot.server.url, cookies={COOKIE: str(depot[who].token)}, timeout=PATIENCE) as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return unescape(answer.text)


async def test_a_page_names_who_stands_in_its_rows_though_their_accounts_are_not_shown(depot: Depot) -> None:
    assert not await depot["careTeam"].find("_User", {"objectId": depot["driver"].user})
    shown = await page(depot, "careTeam", f"/boards/oxygen?tank={depot.ids['TankAssignment']}")
    # The column abbreviates, the panel and its log tell the whole; nobody is told what else the account says.
    assert "G. Driver" in shown
    assert "not active" not in shown
    assert name_of("driver") in shown
    assert name_of("courier") not in shown
    assert name_of("contact") not in shown
    assert "@example.com" not in shown
