"""`careboard user`."""

from pathlib import Path

import click

from app.cli.floors import with_floors
from app.cli.terminal import OneSentence, console, data_option, read_settings, run
from app.main import Floors


@click.group()
def user() -> None:
    """Accounts: create one, change a role, disable one."""


async def user_id(floors: Floors, username: str) -> str:
    """The account of that name. Raises OneSentence when there is none."""
    found = await floors.services.users.find_id_as_master(username)
    if found is None:
        raise OneSentence(f"there is no account {username}.")
    return found


@user.command("create")
@click.option("--username", required=True)
@click.option("--email", required=True)
@click.option("--role", default="patient", show_default=True)
@click.option("--name", "display_name", default=None, help="Name to show on boards.")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when not given.")
@data_option
def user_create(username: str, email: str, role: str, display_name: str | None, password: str, data: Path | None) -> None:
    """Create an account."""

    async def create(floors: Floors) -> None:
        await floors.services.users.create_user_as_master(username, password, role, email=email, displayName=display_name)

    run(with_floors(read_settings(data), create))
    console.print(f"{username} is there, as {role}.")


@user.command("role")
@click.argument("username")
@click.argument("role")
@data_option
def user_role(username: str, role: str, data: Path | None) -> None:
    """Give USERNAME another ROLE; the account signs in anew."""

    async def change(floors: Floors) -> None:
        await floors.services.users.set_role_as_master(await user_id(floors, username), role)

    run(with_floors(read_settings(data), change))
    console.print(f"{username} is now {role}.")


@user.command("disable")
@click.argument("username")
@data_option
def user_disable(username: str, data: Path | None) -> None:
    """Close USERNAME's account: its sessions and sockets end at once."""

    async def disable(floors: Floors) -> None:
        await floors.services.users.set_active_as_master(await user_id(floors, username), active=False)

    run(with_floors(read_settings(data), disable))
    console.print(f"{username} is disabled and signed out everywhere.")
