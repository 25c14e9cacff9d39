"""News by mail: that there is something to see, never what.

Owns: `post_news` and the letter of it. Holds: a mail is not private, so it names no person, no medicine and no state, only what
kind of thing there is news about, and where to look after signing in; it goes to a confirmed address of somebody who has not said
no. May import store.
"""

from app.actions.mails import Writer, new_mail_id, page_url
from app.config import Settings
from app.store.database import Connection
from app.store.mails import Mail, insert_news
from app.store.smtp import Letter

_READER = """
select "email" from "_User" where "objectId" = $1 and "emailVerified" and "active" is not false
  and "emailNotifications" is not false
"""


async def post_news(tx: Connection, settings: Settings, user_id: str, thing: str, path: str) -> None:
    """Tells an account by mail that there is news about a thing ("your delivery"), to be seen on the page of this path.

    Nothing happens where no mails are sent, or the account has no confirmed address or wants none.
    """
    if not settings.missing_for_mail:
        await insert_news(tx, new_mail_id(), user_id, thing, path)


def news_writer(settings: Settings) -> Writer:
    """What writes the letters of news."""

    async def write(tx: Connection, mail: Mail) -> Letter | None:
        to = await tx.fetchval(_READER, mail.user_id)
        text = (
            f"There is news about {mail.words}.\n\nSee it here, after signing in:\n\n{page_url(settings, mail.path)}\n\n"
            f"For your privacy this mail says no more.\n\nNo such mails any more: {page_url(settings, '/account')}\n"
        )
        return None if to is None else Letter(mail.id, to, f"There is news about {mail.words}", text)

    return write
