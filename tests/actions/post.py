"""A floor of actions that sends mails to a mail server of the test's own."""

from dataclasses import dataclass, replace
from uuid import uuid4

from app.actions.caller import ANONYMOUS
from app.actions.mails import Mails
from app.actions.news import news_writer
from app.actions.objects import Objects
from app.actions.signing.links import Links
from app.config import Settings
from app.core.wire import Object
from app.store.database import Database
from app.store.mails import NEWS, Mail, list_mails
from app.store.schemas import Schemas
from tests.actions.world import PASSWORD, World, make_world
from tests.mailbox import FROM, PUBLIC_URL, Mailbox


@dataclass
class Post:
    """Accounts, their mails, and the server that takes them."""

    world: World
    links: Links
    mails: Mails
    mailbox: Mailbox

    async def sign_up(self, **fields: object) -> tuple[str, str, Object]:
        """A new account: its objectId, its address and the answer."""
        name = f"person-{uuid4().hex[:8]}"
        body: Object = {"username": name, "password": PASSWORD, "email": f"{name}@example.org", **fields}  # type: ignore[dict-item]  # any JSON
        answer = await self.world.users.sign_up(ANONYMOUS, body)
        return str(answer["objectId"]), str(body["email"]), answer

    async def send(self) -> None:
        """Sends what is due, all of it."""
        while await self.mails.send_due():
            pass

    async def rows(self) -> list[Mail]:
        """What is in the outbox."""
        async with self.world.database.connection() as connection:
            return await list_mails(connection)

    async def sql(self, statement: str, *args: object) -> None:
        """Something that time, or somebody with the database, does."""
        async with self.world.database.connection() as connection:
            await connection.execute(statement, *args)

    async def due_now(self) -> None:
        """The waits are over, the leases have ended."""
        await self.sql("update careboard.mail set due_at = now(), claimed_until = null")

    def another_sender(self) -> Mails:
        """The sender of another process."""
        return make_sender(self.world.objects, self.links)


async def make_post(database: Database, schemas: Schemas, settings: Settings, mailbox: Mailbox, **changes: object) -> Post:
    """The floor with these further settings."""
    mailing = replace(settings, smtp_url=mailbox.url, mail_from=FROM, public_url=PUBLIC_URL, mail_requests=0)
    world = await make_world(database, schemas, replace(mailing, **changes))  # type: ignore[arg-type]  # names are the tests'
    links = Links(world.objects)
    return Post(world, links, make_sender(world.objects, links), mailbox)


def make_sender(objects: Objects, links: Links) -> Mails:
    """The sender as the composition root makes it."""
    settings = objects.settings
    return Mails(objects.database, settings, {**links.writers, NEWS: news_writer(settings)})
