"""A hub on the module's own database."""

from collections.abc import AsyncIterator

import pytest

from app.config import Settings
from app.store.database import Database
from app.store.schemas import Schemas
from tests.live.stage import Stage, open_stage


@pytest.fixture(scope="module")
async def stage(database: Database, schemas: Schemas, settings: Settings) -> AsyncIterator[Stage]:
    """Feed and hub, running."""
    async with open_stage(database, schemas, settings) as stage:
        yield stage
