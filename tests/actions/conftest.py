"""The floor of actions on the module's own database."""

import pytest

from app.config import Settings
from app.store.database import Database
from app.store.schemas import Schemas
from tests.actions.world import World, make_world


@pytest.fixture(scope="module")
async def world(database: Database, schemas: Schemas, settings: Settings) -> World:
    """The floor put together, with the staff roles."""
    return await make_world(database, schemas, settings)
