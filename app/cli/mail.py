"""`careboard mail`."""

from pathlib import Path

import click
from rich.table import Table

from app.actions.mails import link_hours
from app.cli.database import with_database_alone
from app.cli.terminal import console, data_option, read_settings, run
from app.store.database import Database
from app.store.mails import list_mails, revive_mails


@click.group()
def mail() -> None:
    """Mails: what waits, and what could not be delivered."""


@mail.command("list")
@data_option
def mail_list(data: Path | None) -> None:
    """Show the mails that are not sent, those that were given up first."""

    async def show(database: Database) -> None:
        async with database.connection() as connection:
            found = await list_mails(connection)
        table = Table("Mail", "Kind", "Account", "Tries", "Since", "State", box=None, padding=(0, 3, 0, 0))
        for each in found:
            state = f"{'given up' if each.dead_at else 'waits'} {each.reason}".strip()
            since = f"{each.created_at:%Y-%m-%d %H:%M}"
            table.add_row(each.id, each.kind, each.user_id or "not looked up yet", str(each.attempts), since, state)
        console.print(table if found else "Every mail is sent.", soft_wrap=True)

    run(with_database_alone(read_settings(data), show))


@mail.command("retry")
@data_option
def mail_retry(data: Path | None) -> None:
    """Have the mails that were given up tried again, by the server that runs or the next one.

    What holds a link that has expired is dropped.
    """
    settings = read_settings(data)

    async def retry(database: Database) -> None:
        async with database.connection() as connection:
            revived, ended = await revive_mails(connection, link_hours(settings))
        console.print(f"{revived} mail{'' if revived == 1 else 's'} will be tried again.")
        if ended:
            is_one = ended == 1
            which = "1 was dropped, as its link has" if is_one else f"{ended} were dropped, as their links have"
            console.print(f"{which} expired; who needs {'it' if is_one else 'them'} can ask anew.")

    run(with_database_alone(settings, retry))
