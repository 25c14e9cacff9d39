"""The domains on the module's own database."""

import pytest

from app.config import Settings
from app.store.database import Database
from tests.domains.hospital import Hospital, make_hospital
from tests.domains.town import Town, make_town


@pytest.fixture(scope="module")
async def town(database: Database, settings: Settings) -> Town:
    """Two sites and their people."""
    return await make_town(database, settings)


@pytest.fixture(scope="module")
async def hospital(database: Database, settings: Settings) -> Hospital:
    """A facility and the people of its equipment."""
    return await make_hospital(database, settings)
