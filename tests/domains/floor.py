"""What the tests of every domain stand on: the floor of actions with that domain on a real database, callers by name, and a
clock that can be set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from app.actions.caller import ANONYMOUS, MASTER, Caller, caller_of_user_as_master
from app.actions.hooks import Hooks
from app.actions.objects import Objects, utc_now
from app.actions.roles import ensure_roles_as_master
from app.actions.users import Users
from app.config import Settings
from app.core.wire import Object, date_to_wire, pointer
from app.domains.domain import Domain, SignIn
from app.domains.guard import audit_accounts
from app.store.database import Database
from app.store.migrate import migrate
from app.store.tables import ParseTable, schema_of

PASSWORD = "open sesame"


@dataclass
class Floor:
    """One server's floor of actions with one domain, and callers by what they are to it."""

    database: Database
    objects: Objects
    users: Users
    callers: dict[str, Caller] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)
    sign_ins: list[SignIn] = field(default_factory=list)
    made_at: datetime = field(default_factory=utc_now)
    """The moment around which a demo is made; taken then, not when the tests are collected, for time passes between."""

    def now(self) -> datetime:
        """The clock of the server, which a test may set ahead."""
        return utc_now() + self.ahead

    def when(self, **span: float) -> Object:
        """The moment so far ahead, as a wire Date."""
        return date_to_wire(self.now() + timedelta(**span))

    def ago(self, **span: float) -> Object:
        """The moment so long ago, as a wire Date."""
        return date_to_wire(self.now() - timedelta(**span))

    def __getitem__(self, who: str) -> Caller:
        return self.callers[who]

    def user(self, who: str) -> Object:
        """A pointer to one of the people."""
        return pointer("_User", str(self[who].user_id))

    async def invite(self, name: str, role: str) -> Caller:
        """A new account of a role."""
        saved = await self.users.create_user_as_master(name, PASSWORD, role, email=f"{name}@example.com", active=True)
        async with self.database.connection() as connection:
            return await caller_of_user_as_master(connection, saved.object_id)

    async def make(self, class_name: str, body: Object, who: str = "master") -> str:
        """The objectId of a new object, made by `who`."""
        return (await self.objects.create(self[who], class_name, body)).object_id

    async def stored(self, class_name: str, object_id: str) -> Object:
        """What is stored, seen with the master key."""
        return await self.objects.get_object(MASTER, class_name, object_id)

    async def all(self, class_name: str, where: Object | None = None, who: str = "master") -> list[Object]:
        """What one of the people finds, oldest first."""
        params: Object = {"limit": 10_000, "order": "createdAt,objectId", **({"where": where} if where else {})}
        return await self.objects.find_objects(self[who], self.objects.parse_query(class_name, params))

    async def ids(self, who: str, class_name: str, where: Object | None = None) -> set[str]:
        """The objectIds that one of the people finds."""
        return {str(each["objectId"]) for each in await self.all(class_name, where, who)}

    async def sql(self, statement: str, *arguments: object) -> str:
        """A write past the server, as from psql."""
        async with self.database.transaction() as connection:
            return await connection.execute(statement, *arguments)


SOON = (0.5, 2, 8, 30)
"""Seconds from now: for what is to turn while a test looks. A machine that is not there before is given more."""

F = TypeVar("F", bound=Floor)


async def make_floor(kind: type[F], database: Database, settings: Settings, domain: Domain, people: Mapping[str, str]) -> F:
    """The floor on a started database, with these people (name: role). Migrating once more must change nothing."""
    schemas = await migrate(database, [domain])
    async with database.transaction() as connection:
        await ensure_roles_as_master(connection)
    hooks = Hooks()
    floor: F
    objects = Objects(database, schemas, hooks, settings, clock=lambda: floor.now())
    audit_accounts(hooks)
    domain.install(hooks, objects)
    floor = kind(database, objects, Users(objects))
    floor.callers |= {"anonymous": ANONYMOUS, "master": MASTER}
    for who, role in people.items():
        floor.callers[who] = await floor.invite(who, role)
    return floor


async def make_demo(database: Database, settings: Settings, domain: Domain) -> Floor:
    """The demo of a domain on a database of its own."""
    demo = await make_floor(Floor, database, settings, domain, {})
    assert domain.demo is not None
    demo.sign_ins = await domain.demo(demo.objects, demo.users, demo.made_at, Random(7), lambda name: f"{name}-secret")
    return demo


def typed(tables: Iterable[type[ParseTable]], class_name: str) -> dict[str, str]:
    """The fields of a class, as the templates' tests write them: type, `!` where it is required, the class of a pointer."""
    table = next(table for table in tables if table._meta.tablename == class_name)
    fields = schema_of(table).fields
    return {name: f"{field.type}{'!' if field.required else ''}{field.target_class or ''}" for name, field in fields.items()}


def check_template(tables: Iterable[type[ParseTable]], class_name: str, template: Mapping[str, str]) -> None:
    """Every field of a seed's template is there as typed, and nothing else must be given."""
    fields = typed(tables, class_name)
    assert {name: fields[name] for name in template} == template
    assert {name for name, kind in fields.items() if "!" in kind} <= template.keys()
