"""`careboard serve`: the order of a start is settings, embedded Postgres, migrations, demo, server."""

import json
import os
import secrets
import signal
import socket
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvicorn
from rich.table import Table

from app.api.http import HttpProtocol
from app.api.websocket import SocketProtocol
from app.cli.terminal import OneSentence, console, data_option, read_settings, run
from app.config import Settings, write_private
from app.domains.domain import Passwords, SignIn
from app.main import SERVED_URL, create_app, prepare


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


@click.command()
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
