"""The `careboard` command: run the product, and the few things a person does from a terminal.

Owns: the commands and their words, and the order of a start: settings, embedded Postgres, migrations, demo, server. Holds:
a mistake of the person is one sentence on stderr and exit status 2, never a traceback; a secret is printed only where it is
the purpose. Alone may import everything; click, rich and uvicorn are used for the terminal and the server.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.actions.audit import Verified, verify
from app.api.http import HttpProtocol
from app.api.tail import Heard, Lost, follow
from app.api.websocket import SocketProtocol
from app.config import Settings, SettingsError, load_settings, with_master_key, write_private
from app.domains.domain import Passwords, SignIn
from app.domains.simulation import Options, drive
from app.errors import ParseError
from app.main import DOMAINS, SERVED_URL, Floors, assemble, create_app, prepare
from app.store.mails import list_mails, revive_mails

T = TypeVar("T")

console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)

data_option = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder (default .careboard).")


class OneSentence(click.ClickException):
    """A mistake that is told in one sentence."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """The sentence, without a prefix of its own."""
        click.echo(f"careboard: {self.message}", err=True)


def read_settings(data: Path | None) -> Settings:
    """The settings of this run, with a master key. Raises OneSentence for a wrong value."""
    try:
        return with_master_key(load_settings(data_dir=data))
    except SettingsError as error:
        raise OneSentence(str(error)) from error
    except OSError as error:
        raise OneSentence(f"the data folder cannot be used: {error.strerror}.") from error


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs async work to its end; a refusal becomes one sentence."""
    try:
        return asyncio.run(work)
    except (ParseError, SettingsError) as error:
        raise OneSentence(str(error)) from error


def demo_passwords() -> Passwords:
    """Random passwords for the demo's accounts, the same one for the same username."""
    known: dict[str, str] = {}
    words = partial(secrets.choice, "abcdefghjkmnpqrstuvwxyz23456789")

    def password(username: str) -> str:
        return known.setdefault(username, "-".join("".join(words() for _ in range(4)) for _ in range(3)))

    return password


def announce(url: str, settings: Settings, signs: list[SignIn]) -> None:
    """Prints where the board is and who may sign in; the demo's accounts are remembered for the next start."""
    path = settings.data_dir / "demo.json"
    if signs:
        write_private(path, json.dumps([asdict(sign) for sign in signs], indent=2) + "\n")
    elif path.exists():
        signs = [SignIn(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    console.print(f"\n[bold]Careboard[/bold]  {url}\nREST API   {url}{settings.mount}  (application id {settings.app_id})")
    if signs:
        table = Table("Sign in as", "Password", "Role", "Name", box=None, padding=(0, 3, 0, 0), title_justify="left")
        shown: set[str] = set()
        for sign in signs:
            if sign.role not in shown:
                table.add_row(sign.username, sign.password, sign.role, sign.name)
                shown.add(sign.role)
        console.print()
        console.print(table)
        console.print(f"[dim]All {len(signs)} demo accounts: {path}[/dim]")
    console.print("\nCtrl-C stops it.\n")


def take_port(host: str, port: int) -> int:
    """The port to serve on, 0 meaning any that is free; said before anything is started. Raises OneSentence when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OneSentence(f"cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from error
        return int(probe.getsockname()[1])


def hand_down(settings: Settings) -> None:
    """Worker processes read the same settings from the environment: the embedded database and the generated key included."""
    os.environ["CAREBOARD_DATA"] = str(settings.data_dir)
    os.environ["CAREBOARD_MASTER_KEY"] = settings.master_key
    os.environ[SERVED_URL] = settings.served_url or ""


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Careboard: live boards for healthcare operations. Without a command it serves on 127.0.0.1:8000."""
    if context.invoked_subcommand is None:
        context.invoke(serve)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Server processes.")
@data_option
@click.option("--no-demo", is_flag=True, help="Leave an empty database empty.")
def serve(host: str, port: int, workers: int, data: Path | None, no_demo: bool) -> None:
    """Start the database if it is ours, bring it up to date, and serve."""
    settings = read_settings(data)
    port = take_port(host, port)
    url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104 - only shown
    with console.status("Starting the database and bringing it up to date"):
        signs = run(prepare(settings, None if no_demo else demo_passwords()))
    announce(settings.public_url or url, settings, signs)
    settings = replace(settings, served_url=url)
    hand_down(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # uvicorn raises it again once it has stopped; that is no error
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "log_level": "warning",
        "access_log": False,
        "http": HttpProtocol,
        "ws": SocketProtocol,
        "ws_per_message_deflate": False,
        "ws_max_size": settings.live_message_bytes,
        "timeout_graceful_shutdown": 5,
        "timeout_worker_healthcheck": 60,  # a worker answers once it has read its code, which takes a busy machine some time
        "server_header": False,
    }
    if workers > 1:
        uvicorn.run("app.main:app_from_environment", factory=True, workers=workers, **options)
    else:
        uvicorn.run(create_app(settings), **options)


@main.command()
@data_option
def migrate(data: Path | None) -> None:
    """Bring the database up to date and stop."""
    run(prepare(read_settings(data)))
    console.print("The database is up to date.")


async def with_floors(settings: Settings, work: Callable[[Floors], Awaitable[None]]) -> None:
    """Runs `work` with the floors up, after a migration, and no server."""
    await prepare(settings)
    async with assemble(settings).writing() as floors:
        await work(floors)


async def user_id(floors: Floors, username: str) -> str:
    """The account of that name. Raises OneSentence when there is none."""
    found = await floors.services.users.find_id_as_master(username)
    if found is None:
        raise OneSentence(f"there is no account {username}.")
    return found


@main.group()
def user() -> None:
    """Accounts: create one, change a role, disable one."""


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


@main.group("audit")
def audit_group() -> None:
    """The audit trail."""


@audit_group.command("verify")
@click.option("--anchor", type=click.Path(path_type=Path, dir_okay=False), help="Where chains ended at the last verification.")
@data_option
def audit_verify(anchor: Path | None, data: Path | None) -> None:
    """Compute every link of the audit trail anew: finds an edit, a gap, a reorder, and rows cut off at the end.

    What holds is noted in the anchor file (default audit.anchor in the data folder), and the next time the trail must still hold
    that; keep the file where whoever can change the database cannot. Exit status 1 when something does not hold.
    """
    settings = read_settings(data)
    path = anchor or settings.data_dir / "audit.anchor"
    found: list[Verified] = []

    async def check(floors: Floors) -> None:
        known = read_anchor(path)
        connection = await floors.services.database.connect(statement_timeout="0")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            with counting("Rows") as told:
                found.append(await verify(connection, anchor=known, told=told))
        await connection.close()

    run(with_database_alone(settings, check))
    [verified] = found
    for each in verified.breaks:
        console.print(f"[red]broken[/red]  {each.object_id} {each.what}", soft_wrap=True)
    if verified.breaks:
        console.print(
            f"{len(verified.breaks)} of {len(verified.heads)} chains do not hold, from there on. The anchor stays as it was."
        )
        sys.exit(1)
    write_private(path, json.dumps(verified.heads, indent=1) + "\n")
    console.print(
        f"All {verified.rows} rows hold, and the ends of all {len(verified.heads)} chains. Noted in {path}.", soft_wrap=True
    )


def read_anchor(path: Path) -> dict[str, tuple[int, str]] | None:
    """The ends that the last verification noted; None where there was none. Raises OneSentence for another file."""
    if not path.exists():
        return None
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))
        return {str(chain): (int(number), str(link)) for chain, (number, link) in heads.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise OneSentence(f"{path} is no anchor; give the file that `careboard audit verify` wrote.") from error


async def with_database_alone(settings: Settings, work: Callable[[Floors], Awaitable[None]]) -> None:
    """Runs `work` on the database as it is, which a migration would change."""
    async with assemble(settings).writing() as floors:
        await work(floors)


@main.group()
def mail() -> None:
    """Mails: what waits, and what could not be delivered."""


@mail.command("list")
@data_option
def mail_list(data: Path | None) -> None:
    """Show the mails that are not sent, those that were given up first."""

    async def show(floors: Floors) -> None:
        async with floors.services.database.connection() as connection:
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
    """Have the mails that were given up tried again, by the server that runs or the next one."""

    async def retry(floors: Floors) -> None:
        async with floors.services.database.connection() as connection:
            number = await revive_mails(connection)
        console.print(f"{number} mail{'' if number == 1 else 's'} will be tried again.")

    run(with_database_alone(read_settings(data), retry))


@main.group()
def files() -> None:
    """Files: the keys that seal them."""


@files.command("rotate")
@data_option
def files_rotate(data: Path | None) -> None:
    """Seal the key of every file with the newest key; in the data folder that is a new one."""

    async def rotate(floors: Floors) -> None:
        with counting("Files") as told:
            newest = await floors.services.files.rotate_as_master(told)
        console.print(
            f"Every file is under key {newest}. Older keys of the ring open nothing any more; keep them as long as backups."
        )

    run(with_floors(read_settings(data), rotate))


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; what it gives is told how many are done and how many there are."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@main.command()
@click.argument("class_name", metavar="CLASS")
@click.option("--where", default="{}", show_default=True, help="Which objects, as JSON.")
@click.option("--keys", default=None, help="Only these fields, separated by commas.")
@click.option("--since", default=None, help="Begin behind this cursor.")
@click.option("--snapshot", is_flag=True, help="Begin with what is there.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each frame, cursor included.")
@click.option("--url", default="http://127.0.0.1:8000/parse", show_default=True, help="The REST API of the server.")
@data_option
def live(
    class_name: str,
    where: str,
    keys: str | None,
    since: str | None,
    snapshot: bool,
    as_json: bool,
    url: str,
    data: Path | None,
) -> None:
    """Follow CLASS as it changes, until Ctrl-C; over a lost connection too.

    With CAREBOARD_SESSION_TOKEN in the environment it sees what that session sees, else all, by the master key.
    """
    settings = read_settings(data)
    try:
        condition = json.loads(where)
    except ValueError:
        raise OneSentence(f'--where {where}: give JSON, such as \'{{"urgency": "critical"}}\'.') from None
    query = {"className": class_name, "where": condition}
    if keys:
        query["keys"] = [name.strip() for name in keys.split(",")]
    token = os.environ.get("CAREBOARD_SESSION_TOKEN")
    speaker = {"sessionToken": token} if token else {"masterKey": settings.master_key}
    client_keys = {"restAPIKey": settings.rest_key, "javascriptKey": settings.javascript_key, "clientKey": settings.client_key}
    speaker |= {name: key for name, key in client_keys.items() if key}

    async def tail() -> None:
        show = partial(show_frame, as_json=as_json)
        async for heard in follow(url, {"applicationId": settings.app_id, **speaker}, query, since=since, snapshot=snapshot):
            show(heard)

    with suppress(KeyboardInterrupt):
        run(tail())


STYLES = {"create": "green", "enter": "green", "update": "cyan", "leave": "yellow", "delete": "red"}


def show_frame(heard: Heard | Lost, *, as_json: bool) -> None:
    """Prints one thing that was heard; a loss goes to stderr."""
    if isinstance(heard, Lost):
        complaints.print(f"lost: {heard.reason}; connecting again", style="dim")
        return
    if as_json:
        click.echo(json.dumps(heard.frame))
        return
    shown = heard.frame.get("results", heard.frame.get("object", heard.frame.get("reason")))
    for each in shown if isinstance(shown, list) else [shown]:
        line = Text.assemble((f"{heard.op:10} ", STYLES.get(heard.op, "dim")))
        if isinstance(each, dict):
            line.append(f"{each.get('objectId', '')}  ", "bold")
            plain = {name: value for name, value in each.items() if name not in UNTOLD}
            line.append(json.dumps(plain, ensure_ascii=False))
        elif each is not None:
            line.append(str(each))
        console.print(line, soft_wrap=True)
    console.print(Text(f"{'':10} {heard.frame.get('cursor', '')}", "dim"), soft_wrap=True)


UNTOLD = ("__type", "className", "objectId", "createdAt", "ACL")
"""What a line leaves out."""


SIMULATIONS = {domain.name: domain.simulate for domain in DOMAINS if domain.simulate}


@main.command()
@click.option(
    "--domain", "domains", multiple=True, type=click.Choice(["all", *SIMULATIONS]), help="Which domain; all of them if not said."
)
@click.option("--url", default="http://127.0.0.1:8000/parse", show_default=True, help="The REST API to drive.")
@click.option(
    "--size", default=40, show_default=True, type=click.IntRange(1, 100_000), help="Tanks, deliveries, cycles, assets, jobs."
)
@click.option("--speed", default="60x", show_default=True, help="How fast time passes, such as 60x.")
@click.option("--seed", default=7, show_default=True, help="The same seed tells the same story.")
@click.option("--minutes", default=0.0, show_default=True, help="Stop after so many real minutes; 0 runs until Ctrl-C.")
@data_option
def simulate(domains: tuple[str, ...], url: str, size: int, speed: str, seed: int, minutes: float, data: Path | None) -> None:
    """Let a domain live through the public API: its people do their work, and its boards move."""
    settings = read_settings(data)
    try:
        factor = float(speed.rstrip("xX"))
    except ValueError:
        raise OneSentence(f"--speed {speed}: say how many times faster than life, such as 60x.") from None
    chosen = {name: work for name, work in SIMULATIONS.items() if not domains or "all" in domains or name in domains}
    options = Options(size=size, speed=factor, seed=seed, minutes=minutes)
    with suppress(KeyboardInterrupt):
        run(drive(url, settings.app_id, settings.master_key, chosen, options))


if __name__ == "__main__":
    main()
