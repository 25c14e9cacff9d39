"""The composition root: one place where settings, floors, domains and doors become an application.

Owns: `DOMAINS` (one line each), `assemble`, `create_app` and `prepare`, and the order in which things start and stop. Holds:
nothing is decided here, everything is passed down; what was started is stopped, last first, also when a later start fails.
May import everything below.
"""

import gc
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from litestar import Litestar, Router
from litestar.datastructures import State

from app.actions.classes import Classes
from app.actions.configs import CloudConfig, GraphQLConfig
from app.actions.files import Files
from app.actions.hooks import Hooks
from app.actions.idempotency import Once
from app.actions.mails import Mails
from app.actions.news import news_writer
from app.actions.objects import Objects
from app.actions.reads import Reads
from app.actions.roles import ensure_roles_as_master
from app.actions.signing.links import Links
from app.actions.signing.sessions import forget_sessions
from app.actions.ticker import Ticker, seldom
from app.actions.users import Users
from app.api.browser.pages import answers_faults, draws_states, pages
from app.api.browser.site import Site
from app.api.events import event_handler
from app.api.files import file_handlers
from app.api.graphql.routes import graphql_handlers
from app.api.livequery import live_handlers
from app.api.metrics import MetricsController, registered
from app.api.request import Services
from app.api.rest import ParseController
from app.api.states import DRAW, states_handler
from app.config import Settings, load_settings, with_master_key
from app.core.wire import Object
from app.domains.assets.domain import ASSETS
from app.domains.domain import Domain, Passwords, SignIn
from app.domains.guard import audit_accounts
from app.domains.homehealth.domain import HOMEHEALTH
from app.domains.oncology.domain import ONCOLOGY
from app.domains.oxygen.domain import OXYGEN
from app.domains.pharmacy.domain import PHARMACY
from app.live.boards.places import Place
from app.live.hub import Hub
from app.store.changes.feed import Feed
from app.store.configs import GRAPHQL_CONFIG, Configs
from app.store.database import Database
from app.store.mails import NEWS
from app.store.migrate import declare, migrate
from app.store.requests import forget_requests
from app.store.schemas import Schemas

SERVED_URL = "CAREBOARD_SERVED_URL"
"""How the command tells its workers where it listens."""

DOMAINS: tuple[Domain, ...] = (
    OXYGEN,
    PHARMACY,
    ONCOLOGY,
    ASSETS,
    HOMEHEALTH,
)
"""Every domain of this server."""


@dataclass(frozen=True, slots=True)
class Floors:
    """The floors of one server, put together and not yet started."""

    services: Services
    schemas: Schemas
    hub: Hub
    ticker: Ticker
    configs: Configs
    mails: Mails

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Floors"]:
        """Everything started, and stopped in the opposite order."""
        async with self.writing(), AsyncExitStack() as started:
            services = self.services
            for part in (services.objects.reads, services.files, services.feed, self.hub, self.ticker, self.mails):
                if part is self.hub:
                    await self._learn()  # the feed tells what changes from its start on: what came before it is read here
                await part.start()
                started.push_async_callback(part.stop)
            yield self

    @asynccontextmanager
    async def writing(self) -> AsyncIterator["Floors"]:
        """Only what a script needs to read and write: the database and the classes."""
        database = self.services.database
        await database.start()
        try:
            await self._learn()
            yield self
        finally:
            await database.stop()

    async def _learn(self) -> None:
        """Reads what this process keeps in memory of the database."""
        await self.schemas.load()
        await self.configs.refresh()


def assemble(settings: Settings, domains: Sequence[Domain] = DOMAINS) -> Floors:
    """The floors for these settings, from the lowest up."""
    database = Database(settings)
    schemas = declare(database, domains)
    hooks = Hooks()
    access_log = Reads(database, {name for domain in domains for name in domain.read_logged})
    objects = Objects(database, schemas, hooks, settings, access_log=access_log)
    users = Users(objects)
    audit_accounts(hooks)
    for domain in domains:
        domain.install(hooks, objects)
    links = Links(objects)
    once = Once(objects)
    configs = Configs(database)
    feed = Feed(database, settings.broadcast_url, relay=settings.relay)
    services = Services(
        settings=settings,
        database=database,
        objects=objects,
        users=users,
        classes=Classes(objects),
        graphql_config=GraphQLConfig(objects, configs),
        cloud_config=CloudConfig(objects, configs),
        once=once,
        feed=feed,
        files=Files(objects, settings),
        links=links,
        filled={name: fields for domain in domains for name, fields in domain.filled.items()},
        states=_states(domains),
    )
    sweeps = [seldom(forget_requests, every=60), seldom(forget_sessions, every=3600)]
    ticker = Ticker(database, [*(domain.tick for domain in domains if domain.tick), *sweeps])
    mails = Mails(database, settings, {**links.writers, NEWS: news_writer(settings)})
    return Floors(services, schemas, Hub(feed, objects, {GRAPHQL_CONFIG: configs.refresh}), ticker, configs, mails)


def _states(domains: Sequence[Domain]) -> dict[str, tuple[Object, ...]]:
    found: dict[str, tuple[Object, ...]] = {}
    for machine in (machine for domain in domains for machine in domain.machines):
        found[machine.class_name] = (*found.get(machine.class_name, ()), machine.to_wire())
    return found


def create_app(settings: Settings, domains: Sequence[Domain] = DOMAINS) -> Litestar:
    """The application for these settings; its database must be migrated by the time it starts."""
    floors = assemble(settings, domains)
    site = Site([place for domain in domains if (place := place_of(domain))])

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        gc.set_threshold(20_000, 20, 100)  # subscriptions live long: looking through them all again and again took a quarter
        async with floors.running():
            with registered(floors.hub, floors.services.objects.reads, floors.mails):
                gc.collect()
                gc.freeze()  # what is there by now stays: to look through it once more would stop everybody for 80 ms
                try:
                    yield
                finally:
                    gc.unfreeze()

    return Litestar(
        route_handlers=[
            Router(path=settings.mount, route_handlers=[ParseController]),
            *live_handlers(settings.mount),
            *file_handlers(settings.mount),
            states_handler(),
            event_handler(settings.mount),
            MetricsController,
            *graphql_handlers(floors.services, floors.hub, site),
            pages(site),
        ],
        lifespan=[lifespan],
        state=State({"services": floors.services, "hub": floors.hub, DRAW: draws_states(site)}),
        exception_handlers={Exception: answers_faults(site, settings.mount)},
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
    )


def place_of(domain: Domain) -> Place | None:
    """A domain's board with what its rules say about who reads and what may follow; None for one without a board."""
    if domain.board is None:
        return None
    readers = {name: frozenset(domain.grants.roles(name, "read")) for name in domain.permissions}
    writers = {name: frozenset(domain.grants.roles(name, "create")) for name in domain.permissions}
    return Place(domain.board, readers, _states([domain]), writers)


def app_from_environment() -> Litestar:
    """The application of a worker process: the command handed its settings down in the environment."""
    return create_app(replace(with_master_key(load_settings()), served_url=os.environ.get(SERVED_URL)))


async def prepare(settings: Settings, passwords: Passwords | None = None) -> list[SignIn]:
    """Brings the database up to date and, given `passwords`, fills an empty one with the demo; returns its sign-ins."""
    floors = assemble(settings)
    await floors.services.database.start()
    try:
        await migrate(floors.services.database, DOMAINS)
        await floors.schemas.load()
        async with floors.services.objects.transaction() as tx:
            await ensure_roles_as_master(tx)
        if passwords is None or await _has_users(floors.services.database):
            return []
        return await _create_demo(floors.services, passwords)
    finally:
        await floors.services.database.stop()


async def _has_users(database: Database) -> bool:
    async with database.connection() as connection:
        return bool(await connection.fetchval('select exists (select from "_User")'))


async def _create_demo(services: Services, passwords: Passwords) -> list[SignIn]:
    """The demo of every domain, from a fixed seed, around the present moment."""
    now, chance = datetime.now(UTC), random.Random(7)  # noqa: S311 - a believable fleet, not a secret
    signs: list[SignIn] = []
    for domain in DOMAINS:
        if domain.demo:
            signs += await domain.demo(services.objects, services.users, now, chance, passwords)
    return signs
