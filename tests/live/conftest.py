"""A hub on the module's own database."""

from collections.abc import AsyncIterator

import pytest

from app.config import Settings
from app.live.hub import Hub
from app.store.database import Database
from app.store.feed import Feed
from app.store.schemas import Schemas
from tests.actions.world import make_world
from tests.live.stage import Stage


@pytest.fixture(scope="module")
async def stage(database: Database, schemas: Schemas, settings: Settings) -> AsyncIterator[Stage]:
    """Feed and hub, running."""
    world = await make_world(database, schemas, settings)
    feed = Feed(database)
    hub = Hub(feed, world.objects)
    await feed.start()
    await hub.start()
    yield Stage(world, feed, hub)
    await hub.stop()
    await feed.stop()
