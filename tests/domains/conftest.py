"""The oxygen domain on the module's own database."""

import pytest

from app.config import Settings
from app.store.database import Database
from tests.domains.town import Town, make_town


@pytest.fixture(scope="module")
async def town(database: Database, settings: Settings) -> Town:
    """Two sites and their people."""
    return await make_town(database, settings)
