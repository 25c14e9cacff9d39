"""What tests stand on: one real Postgres a session, a migrated template, and a clone of it for who needs a database.

The server is the embedded one in a temporary folder, or the one of CAREBOARD_TEST_DATABASE_URL, which must allow databases to be
made and dropped.
"""

import asyncio
import contextlib
import itertools
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
import pytest

from app.config import Settings
from app.main import DOMAINS
from app.store.database import Database, ensure_embedded, release_embedded, with_database
from app.store.migrate import declare, migrate
from app.store.schemas import Schemas
from tests.issuer import Issuer

ROOT = Path(__file__).parent.parent
MASTER_KEY = "test-master-key"
START_SECONDS = 180
"""A busy machine may take so long to start a server of several workers."""
PATIENCE = 60.0
"""Seconds within which whatever is waited for comes, of a machine that is slow or stands still for a while; what never comes
fails by it."""
FAST = ("fsync = off", "synchronous_commit = on", "full_page_writes = off", "max_connections = 200")

LONG = ("test_board_pages.py", "test_pages.py", "test_command.py", "test_boards.py", "test_nodes.py", "test_lost_network.py")
"""The files that take minutes go first: where processes share the files, none is left alone with one of them at the end."""

T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in a loop of its own, from a test's loop or from none."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    assert found, "the work failed; its error is above"
    return found[0]


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, for data of an embedded server: started by root it runs as another user, and
    pytest closes its own folders to others whenever it starts."""
    with tempfile.TemporaryDirectory(prefix="careboard-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server_url(open_folder: Path) -> Iterator[str]:
    """The URL of a Postgres server on which databases may be made."""
    if given := os.environ.get("CAREBOARD_TEST_DATABASE_URL"):
        yield given
        return
    settings = Settings(data_dir=open_folder / "shared")
    url = run_apart(ensure_embedded(settings))
    run_apart(_make_fast(url))
    release_embedded(settings.postgres_dir)
    url = run_apart(ensure_embedded(settings))
    yield url
    release_embedded(settings.postgres_dir)


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a migrated, empty database."""
    name = f"template_{secrets.token_hex(4)}"
    run_apart(_administer(server_url, f'create database "{name}"'))
    run_apart(_migrate(with_database(server_url, name)))
    yield name
    run_apart(_administer(server_url, f'drop database if exists "{name}" with (force)'))


@pytest.fixture(scope="session")
def copy_database(server_url: str) -> Iterator[Callable[[str], str]]:
    """Copies a database (name or URL) that nobody is connected to, and gives the URL of the copy; all are dropped at the end."""
    made: list[str] = []

    def copy(original: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        template = urlsplit(original).path.strip("/")
        run_apart(_administer(server_url, f'create database "{name}" template "{template}"'))
        made.append(name)
        return with_database(server_url, name)

    yield copy
    for name in made:
        run_apart(_administer(server_url, f'drop database if exists "{name}" with (force)'))


@pytest.fixture(scope="session")
def clone_database(copy_database: Callable[[str], str], template: str) -> Callable[[], str]:
    """Makes a fresh migrated database and gives its URL."""
    return partial(copy_database, template)


@pytest.fixture(scope="session")
def empty_database(copy_database: Callable[[str], str]) -> Callable[[], str]:
    """Makes a database with nothing in it and gives its URL."""
    return partial(copy_database, "template1")


@pytest.fixture(scope="module")
def settings(clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a database of the module's own."""
    folder = tmp_path_factory.mktemp("data")
    return Settings(data_dir=folder, database_url=clone_database(), master_key=MASTER_KEY)


@pytest.fixture(scope="module")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A started Database of the module's own."""
    database = Database(settings)
    await database.start()
    yield database
    await database.stop()


@pytest.fixture(scope="module")
async def schemas(database: Database) -> Schemas:
    """The loaded class registry of `database`."""
    schemas = declare(database, DOMAINS)
    await schemas.load()
    return schemas


class RunningServer:
    """A Careboard in a process of its own, with a database of its own."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.master_key = MASTER_KEY
        self.app_id = "careboard"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        self.environment: dict[str, str] = {}
        self.sign_ins: list[tuple[str, str]] = []
        """Role and name of the accounts that a demo told."""
        self.words: list[str] = []
        """More options of `careboard serve`."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Starts the process and waits until it answers; fails with its log if it ends or stays silent."""
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port), "--no-demo", *self.words]
        environment = os.environ | {
            "DATABASE_URL": self.database_url,
            "CAREBOARD_DATA": str(self._folder),
            "CAREBOARD_MASTER_KEY": self.master_key,
            "CAREBOARD_APP_ID": self.app_id,
            "CAREBOARD_ALLOW_CLIENT_CLASS_CREATION": "true",
            **self.environment,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(timeout=2) as client:  # one for all: to make one costs more than the question
            while time.monotonic() < deadline and self._process.poll() is None:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(f"{self.url}/parse/health").status_code == 200:
                        return
                time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the server did not start:\n{self.log.read_text(encoding='utf-8')}")

    def stop(self) -> int:
        """Asks the process to end, as Ctrl-C does, and gives its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """Ends the process without warning, and the workers it has, which would live on."""
        workers = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None and self.words else []
        self.process.kill()
        self.process.wait(PATIENCE)
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()

    def restart(self) -> None:
        """Starts it again on the same port and database, after `stop` or `kill` or on its own."""
        if self.process.poll() is None:
            self.stop()
        self.start()


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    """More settings of `running_server`; a module whose server shall have some has a fixture of this name."""
    return {}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An OpenID Connect issuer; a module whose server shall know it puts `issuer.setting()` into its environment."""
    with Issuer().running() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def running_server(
    clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]
) -> Iterator[RunningServer]:
    """A server on a free port against a fresh clone."""
    server = RunningServer(clone_database(), tmp_path_factory.mktemp("server"))
    server.environment |= environment
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop()


_ports = itertools.count(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) * 1_000 + random.randrange(1_000))


def free_port() -> int:
    """A port that nobody listens on, nor takes before it is used: each is given once, each process that runs tests has others,
    and they are below those which the kernel gives to whoever connects somewhere or asks for any."""
    while True:
        port = 12_000 + next(_ports) % 20_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def _migrate(url: str) -> None:
    database = Database(replace(Settings(), database_url=url))
    await database.start()
    try:
        await migrate(database, DOMAINS)
    finally:
        await database.stop()


async def _make_fast(url: str) -> None:
    for setting in FAST:
        await _administer(url, f"alter system set {setting}")


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(with_database(url, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
