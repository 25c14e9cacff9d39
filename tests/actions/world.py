"""What the tests of the actions floor stand on: the floor put together, and people who ask."""

from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller, resolve
from app.actions.classes import Classes
from app.actions.hooks import Hooks
from app.actions.objects import Objects
from app.actions.roles import ensure_roles_as_master
from app.actions.users import Users
from app.config import Settings
from app.core.query import Query
from app.core.wire import Json, Object
from app.errors import ParseError
from app.store.database import Database
from app.store.schemas import Schemas

PASSWORD = "open sesame"


@dataclass
class World:
    """One server's floor of actions."""

    database: Database
    objects: Objects
    users: Users
    classes: Classes
    hooks: Hooks

    async def person(self, role: str = "patient") -> Caller:
        """A new account of any role, signed in."""
        name = f"{role}-{uuid4().hex[:8]}"
        await self.users.create_user_as_master(name, PASSWORD, role)
        return await self.signed_in(name)

    async def signed_in(self, name: str, password: str = PASSWORD) -> Caller:
        """The caller that an account becomes by signing in."""
        return await self.caller(await self.users.log_in(ANONYMOUS, {"username": name, "password": password}))

    async def caller(self, answer: Object) -> Caller:
        """The caller of a session token in an answer."""
        async with self.database.connection() as connection:
            return await resolve(connection, str(answer["sessionToken"]))

    async def fresh(self, caller: Caller) -> Caller:
        """The same session, looked at again."""
        return await self.caller({"sessionToken": caller.session_token})

    async def thing(self, **schema: Json) -> str:
        """A new class, by default open to all."""
        name = f"Thing{uuid4().hex[:8]}"
        await self.classes.create(name, schema)
        return name

    def with_settings(self, **changes: object) -> "World":
        """The same database under other settings."""
        settings: Settings = replace(self.objects.settings, **changes)  # type: ignore[arg-type]  # names are the tests'
        objects = Objects(self.database, self.objects.schemas, self.hooks, settings)
        return World(self.database, objects, Users(objects), Classes(objects), self.hooks)

    async def rows(self, class_name: str, **where: Json) -> list[Object]:
        """What is stored, seen with the master key."""
        query = self.objects.parse_query(class_name, {"where": where} if where else {})
        return await self.objects.find_objects(MASTER, query)

    async def stored(self, class_name: str, object_id: str) -> Object:
        """One stored object, seen with the master key."""
        return await self.objects.get_object(MASTER, class_name, object_id)

    async def count(self, class_name: str) -> int:
        """How many objects a class holds."""
        return await self.objects.count(MASTER, Query(class_name))


async def make_world(database: Database, schemas: Schemas, settings: Settings) -> World:
    """The floor on a started, migrated database."""
    async with database.transaction() as tx:
        await ensure_roles_as_master(tx)
    hooks = Hooks()
    objects = Objects(database, schemas, hooks, settings)
    return World(database, objects, Users(objects), Classes(objects), hooks)


class refusing:  # noqa: N801 - reads as a word in `with refusing(101, "…")`
    """`with refusing(119):` the block must end in a ParseError of that code (and exactly those words)."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self._code, self._message = code, message

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            pytest.fail(f"was allowed, expected error {self._code}")
        if not isinstance(error, ParseError):
            return False
        assert (int(error.code), error.message) == (self._code, self._message or error.message)
        return True


def at(address: str, caller: Caller = ANONYMOUS) -> Caller:
    """This caller, asking from there."""
    return replace(caller, address=address)


def acl(**rights: str) -> Object:
    """An ACL of principal="r", "w" or "rw"; `public` stands for '*', `role_x` for 'role:x'."""
    names = {"r": "read", "w": "write"}
    return {
        {"public": "*"}.get(who, who.replace("role_", "role:")): {names[letter]: True for letter in letters}
        for who, letters in rights.items()
    }
