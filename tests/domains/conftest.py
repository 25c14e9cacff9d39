"""The domains, each on the module's own database."""

import pytest

from app.config import Settings
from app.store.database import Database
from tests.domains.agency import Agency, make_agency
from tests.domains.hospital import Hospital, make_hospital
from tests.domains.town import Town, make_town
from tests.domains.ward import Ward, make_ward


@pytest.fixture(scope="module")
async def town(database: Database, settings: Settings) -> Town:
    """Two sites and their people."""
    return await make_town(database, settings)


@pytest.fixture(scope="module")
async def hospital(database: Database, settings: Settings) -> Hospital:
    """A facility and the people of its equipment."""
    return await make_hospital(database, settings)


@pytest.fixture(scope="module")
async def ward(database: Database, settings: Settings) -> Ward:
    """Two patients and their care teams."""
    return await make_ward(database, settings)


@pytest.fixture(scope="module")
async def agency(database: Database, settings: Settings) -> Agency:
    """A home health agency: a desk and two technicians."""
    return await make_agency(database, settings)
