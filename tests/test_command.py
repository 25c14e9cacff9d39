"""The `careboard` command, run as a person runs it: in a process of its own, with the embedded database."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import click
import httpx
import psutil
import pytest
import websockets

from app.cli import COMMANDS, main
from app.config import Settings
from app.store.database import ensure_embedded, release_embedded
from tests.conftest import PATIENCE, ROOT, START_SECONDS, free_port

APP = {"X-Parse-Application-Id": "careboard"}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("CAREBOARD_", "DATABASE_", "BROADCAST_"))}


def careboard(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs one command to its end in `folder`."""
    command = [sys.executable, "-m", "app.cli", *words]
    env = CLEAN | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE * 4, check=False)


class Served:
    """`careboard serve` in a folder, with its output."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = folder / f"out-{self.port}.txt"
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port), *words]
        with self.output.open("w", encoding="utf-8") as out:
            self.process = subprocess.Popen(command, cwd=folder, env=CLEAN | {"PYTHONPATH": str(ROOT)}, stdout=out, stderr=out)
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(timeout=2) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                with suppress(httpx.HTTPError):
                    if client.get(f"{self.url}/parse/health").is_success:
                        return
                time.sleep(0.1)
        raise AssertionError(self.output.read_text(encoding="utf-8"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and gives the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def postgres_of(folder: Path) -> list[psutil.Process]:
    """The server processes of the embedded Postgres under `folder`."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(folder) in " ".join(process.info["cmdline"] or []):
            found.append(process)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder of one installation, prepared once."""
    folder = tmp_path_factory.mktemp("installation")
    done = careboard("migrate", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    yield folder
    assert postgres_of(folder) == []


@pytest.fixture
def held(folder: Path) -> Iterator[Path]:
    """The same folder, its Postgres running already: a test of many commands does not wait for each to start and stop it."""
    asyncio.run(ensure_embedded(Settings(data_dir=folder / ".careboard")))
    yield folder
    release_embedded(folder / ".careboard" / "postgres")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CAREBOARD_MOUNT": "no spaces please"}, "CAREBOARD_MOUNT"),
        ({"CAREBOARD_ALLOW_CLIENT_CLASS_CREATION": "perhaps"}, "say true or false"),
        ({"DATABASE_URL": "mysql://somewhere"}, "postgres://"),
        ({"CAREBOARD_SESSION_DAYS": "many"}, "whole number from 1 to 3650"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "database"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    done = careboard("serve", "--port", "0", folder=tmp_path, **environment)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["--help"], ["live", "--help"], ["simulate", "--help"], ["mail", "list", "--help"]])
def test_who_asks_for_help_does_not_wait_for_the_whole_application(words: list[str]) -> None:
    code = f"import sys; from app.cli import main; main({words}, standalone_mode=False); print('app.main' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=CLEAN, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout.startswith("Usage:")
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert (command.name, command.get_short_help_str(200)) == (name, COMMANDS[name])


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    done = careboard("dance", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'dance'" in done.stderr


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = careboard("serve", "--port", str(taken.getsockname()[1]), folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Choose another with --port" in done.stderr
    assert postgres_of(tmp_path) == []


def test_the_file_sets_what_the_environment_does_not(tmp_path: Path) -> None:
    (tmp_path / "careboard.toml").write_text('mount = "not a mount"\n', encoding="utf-8")
    assert "CAREBOARD_MOUNT" in careboard("migrate", folder=tmp_path).stderr
    (tmp_path / "careboard.toml").write_text("colour = 3\n", encoding="utf-8")
    assert "unknown setting 'colour'" in careboard("migrate", folder=tmp_path).stderr


def test_an_empty_folder_becomes_a_board_with_people_and_tanks(tmp_path: Path) -> None:
    served = Served(tmp_path)
    told = served.output.read_text(encoding="utf-8")
    assert served.url in told
    signs = json.loads((tmp_path / ".careboard" / "demo.json").read_text(encoding="utf-8"))
    dispatcher = next(sign for sign in signs if sign["role"] == "dispatcher")
    assert dispatcher["username"] in told
    assert dispatcher["password"] in told
    account = {"username": dispatcher["username"], "password": dispatcher["password"]}
    token = httpx.post(f"{served.url}/parse/login", json=account, headers=APP, timeout=PATIENCE).json()["sessionToken"]
    asked = {"count": "1", "limit": "0"}
    headers = APP | {"X-Parse-Session-Token": token}
    counted = httpx.get(f"{served.url}/parse/classes/TankAssignment", params=asked, headers=headers, timeout=PATIENCE).json()
    assert counted["count"] > 200
    for name in ("master.key", "demo.json"):
        assert stat.S_IMODE((tmp_path / ".careboard" / name).stat().st_mode) == 0o600
    assert served.stop(signal.SIGINT) == 0
    assert postgres_of(tmp_path) == []
    again = Served(tmp_path)
    assert dispatcher["password"] in again.output.read_text(encoding="utf-8")
    assert again.stop() == 0


async def test_a_stopping_server_closes_sockets_with_going_away(folder: Path) -> None:
    served = Served(folder, "--no-demo")
    async with websockets.connect(f"ws://127.0.0.1:{served.port}/parse") as socket:
        await socket.send(json.dumps({"op": "connect", "applicationId": "careboard"}))
        assert json.loads(await socket.recv())["op"] == "connected"
        served.process.terminate()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert served.process.wait(PATIENCE) == 0


def test_two_servers_share_one_data_folder_and_the_last_stops_postgres(folder: Path) -> None:
    first, second = Served(folder, "--no-demo"), Served(folder, "--no-demo")
    assert first.stop() == 0
    assert httpx.get(f"{second.url}/parse/health", timeout=PATIENCE).is_success
    second.process.kill()
    second.process.wait(PATIENCE)
    third = Served(folder, "--no-demo")
    assert third.stop() == 0
    assert postgres_of(folder) == []


def test_several_workers_serve_and_stop(folder: Path) -> None:
    served = Served(folder, "--no-demo", "--workers", "2")
    for _ in range(6):
        assert httpx.get(f"{served.url}/parse/health", timeout=PATIENCE).is_success
    assert served.stop() == 0
    assert postgres_of(folder) == []


def test_accounts_are_made_changed_and_closed_from_the_terminal(held: Path) -> None:
    words = ["--username", "cleo", "--email", "cleo@example.com", "--role", "driver", "--password", "pw"]
    made = careboard("user", "create", *words, folder=held)
    assert (made.returncode, made.stdout.strip()) == (0, "cleo is there, as driver.")
    again = careboard("user", "create", *words, folder=held)
    assert (again.returncode, len(again.stderr.strip().splitlines())) == (2, 1)
    assert careboard("user", "role", "cleo", "dispatcher", folder=held).returncode == 0
    assert careboard("user", "role", "cleo", "emperor", folder=held).returncode == 2
    assert careboard("user", "role", "nobody", "driver", folder=held).stderr == "careboard: there is no account nobody.\n"
    served = Served(held, "--no-demo")
    account = {"username": "cleo", "password": "pw"}
    assert httpx.post(f"{served.url}/parse/login", json=account, headers=APP, timeout=PATIENCE).json()["role"] == "dispatcher"
    assert served.stop() == 0
    assert careboard("user", "disable", "cleo", folder=held).returncode == 0
    served = Served(held, "--no-demo")
    assert httpx.post(f"{served.url}/parse/login", json=account, headers=APP, timeout=PATIENCE).status_code == 400
    assert served.stop() == 0


def test_a_fleet_is_driven_through_the_public_api(held: Path) -> None:
    served = Served(held, "--no-demo")
    words = ["--url", f"{served.url}/parse", "--domain", "oxygen", "--size", "5", "--speed", "3600x", "--minutes", "0.1"]
    done = careboard("simulate", *words, folder=held)
    assert done.returncode == 0, done.stdout + done.stderr
    key = (held / ".careboard" / "master.key").read_text(encoding="utf-8").strip()
    headers = APP | {"X-Parse-Master-Key": key}
    for class_name in ("TankAssignment", "DispatchEvent"):
        asked = {"count": "1", "limit": "0"}
        told = httpx.get(f"{served.url}/parse/classes/{class_name}", params=asked, headers=headers, timeout=PATIENCE).json()
        assert told["count"] >= 5
    assert served.stop() == 0


def test_the_keys_of_files_are_rotated_beside_a_running_server_and_files_are_read_on(held: Path) -> None:
    served = Served(held, "--no-demo")
    key = {**APP, "X-Parse-Master-Key": (held / ".careboard" / "master.key").read_text(encoding="utf-8").strip()}
    told = httpx.post(f"{served.url}/parse/files/a.txt", content=b"hello", headers=key, timeout=PATIENCE).json()
    assert told["url"].startswith(f"{served.url}/parse/files/careboard/")
    rotated = careboard("files", "rotate", folder=held)
    assert (rotated.returncode, rotated.stderr) == (0, "")
    assert "Every file is under key 2." in rotated.stdout
    assert httpx.get(told["url"], headers=key, timeout=PATIENCE).content == b"hello"
    assert stat.S_IMODE((held / ".careboard" / "files.keys").stat().st_mode) == 0o600
    assert served.stop() == 0


def sql(folder: Path, *statements: str) -> None:
    """Runs statements on the embedded database of a folder, as whoever owns its files could."""

    async def run() -> None:
        url = await ensure_embedded(Settings(data_dir=folder / ".careboard"))
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
    release_embedded(folder / ".careboard" / "postgres")


def test_the_audit_trail_is_verified_and_what_was_done_behind_its_back_is_found(held: Path) -> None:
    words = ["--username", "vera", "--email", "vera@example.com", "--role", "driver", "--password", "pw"]
    assert careboard("user", "create", *words, folder=held).returncode == 0
    for role in ("dispatcher", "driver"):
        assert careboard("user", "role", "vera", role, folder=held).returncode == 0
    whole = careboard("audit", "verify", folder=held)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "chains. Noted in .careboard/audit.anchor." in whole.stdout
    silently = 'alter table "AuditLog" disable trigger careboard_append_only'
    first = """where "objectId" = (select min("objectId") from "AuditLog")"""
    sql(held, silently, f"""update "AuditLog" set "summary" = 'nothing' || "summary" {first}""")
    edited = careboard("audit", "verify", folder=held)
    assert edited.returncode == 1
    assert "0000000001 was changed, or stands in the place of another row" in edited.stdout
    mend = (
        """update "AuditLog" set "summary" = substr("summary", 8) where "objectId" = (select min("objectId") from "AuditLog")"""
    )
    sql(held, mend)
    assert careboard("audit", "verify", folder=held).returncode == 0
    cut = """with gone as (delete from "AuditLog" where "objectId" =
        (select max("objectId") from "AuditLog") returning "objectId", "previousHash")
        update careboard.audit_head h set number = h.number - 1, hash = coalesce(gone."previousHash", '') from gone
        where h.chain = substr(gone."objectId", 1, 2)::int"""
    sql(held, cut, 'alter table "AuditLog" enable trigger careboard_append_only')
    cut_off = careboard("audit", "verify", folder=held)
    assert cut_off.returncode == 1
    assert "is missing: 1 row cut off at the end" in cut_off.stdout
    assert careboard("audit", "verify", "--anchor", "other.anchor", folder=held).returncode == 0
    (held / "other.anchor").write_text("{", encoding="utf-8")
    wrong = careboard("audit", "verify", "--anchor", "other.anchor", folder=held)
    assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1)
