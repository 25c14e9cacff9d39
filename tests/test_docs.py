"""The pages of docs/ say what the code does: what they list is compared with the code, and their curl examples are run."""

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import httpx
import pytest
from piccolo.table import Table

from app import cli, config
from app.actions.roles import STAFF_ROLES
from app.api.browser import site
from app.api.browser.forms import FORM_COOKIE
from app.api.browser.sso import ERRAND_COOKIE
from app.api.browser.view import ZONE_COOKIE
from app.api.request import COOKIE
from app.api.rest import PARSE_VERSION, ROUTES
from app.config import Settings
from app.core import ops, query
from app.core.fields import FieldType
from app.domains.oxygen import rules, tables
from app.domains.oxygen.board import BOARD
from app.live import membership
from app.live.boards.board import Action, Column, Tile
from app.live.requests import SHAPES
from app.store.tables import AuditLog
from tests.conftest import PATIENCE, ROOT, RunningServer

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"^```.*?^```$", re.S | re.M)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def code_words(text: str) -> set[str]:
    """Every `word` a page sets as code."""
    return set(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table of a page."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def missing(words: set[str], text: str) -> list[str]:
    return sorted(words - code_words(text))


# ---- running.md


def shown_setting(name: str, value: object) -> str:
    if value is None or (name, value) == ("issuers", ()):
        return "none"
    if isinstance(value, tuple):
        return ",".join(value) or "generated"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value) or "generated"


@pytest.mark.parametrize("variable", sorted(config._VARIABLES))
def test_every_setting_is_listed_with_its_name_in_the_file_and_its_default(variable: str) -> None:
    name, _ = config._VARIABLES[variable]
    listed = [row for row in rows(page("running.md")) if row[0] == f"`{variable}`"]
    default = shown_setting(name, getattr(Settings(), name))
    assert [row[1:3] for row in listed] == [[f"`{config._table_key(variable)}`", default]]


def commands(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for each in filter(None, (group.get_command(context, known) for known in group.list_commands(context))):
        full = f"{name} {each.name}".strip()
        if isinstance(each, click.Group):
            yield from commands(each, full)
        else:
            yield full, each


def shown_default(option: click.Option) -> str:
    if option.name == "data":
        return "as `CAREBOARD_DATA`"
    if option.is_flag:
        return "off"
    if option.prompt:
        return "asked for"
    if option.required:
        return "required"
    default = option.to_info_dict()["default"]
    return f"{default:g}" if isinstance(default, float) else "none" if default is None else str(default)


OPTIONS = [
    (name, option)
    for name, command in commands(cli.main)
    for option in command.params
    if isinstance(option, click.Option)
]  # fmt: skip


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda value: str(getattr(value, "name", value)))
def test_every_option_is_listed_with_its_default(command: str, option: click.Option) -> None:
    found = [row[2] for row in rows(page("running.md")) if row[:2] == [f"`{command}`", f"`{option.opts[-1]}`"]]
    assert found == [shown_default(option)]


def test_no_command_or_setting_is_listed_that_is_not_there() -> None:
    listed = {row[0].strip("`") for row in rows(page("running.md"))}
    settings = {name for name in listed if re.fullmatch(r"(CAREBOARD|DATABASE|BROADCAST|FILES)_\w+", name)}
    assert settings == set(config._VARIABLES)
    assert {name for name, _ in commands(cli.main)} <= listed


def test_the_oldest_postgres_is_told() -> None:
    needed = re.search(r"needs Postgres (\d+) or later", (ROOT / "app/store/database.py").read_text(encoding="utf-8"))
    assert needed is not None
    assert f"{needed[1]} or later" in page("running.md")


# ---- rest.md


def told_routes(cell: str) -> set[tuple[str, str]]:
    """`GET` `POST` `/a`, `GET` `/b`: a comma begins the next path."""
    told: set[tuple[str, str]] = set()
    for part in cell.split(", "):
        words = re.findall(r"`([^`]+)`", part)
        paths = [word for word in words if word.startswith("/")]
        told |= {(method, path) for path in paths for method in words if not method.startswith("/")}
    return told


def test_every_route_is_listed_with_its_methods() -> None:
    told = {pair for row in rows(page("rest.md")) for pair in told_routes(row[0])}
    routes = {(entry.method, entry.path) for entries in ROUTES.values() for entry in entries}
    assert sorted(routes - told) == []


def operator_names() -> set[str]:
    """Every text "$…" that the parser of queries holds."""
    found: set[str] = set()
    for name in ("operands", "query"):
        tree = ast.parse((ROOT / f"app/core/{name}.py").read_text(encoding="utf-8"))
        texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
        found |= {text for text in texts if re.fullmatch(r"\$[a-zA-Z]+", text)}
    return found


def test_every_operator_is_listed() -> None:
    text = page("rest.md")
    assert {"$in", "$nearSphere", "$or", "$relatedTo"} <= operator_names()
    assert sorted(name for name in operator_names() if not re.search(rf"{re.escape(name)}\b", text)) == []


def test_every_parameter_and_field_operation_is_listed() -> None:
    assert missing(set(query._PARAMETERS | query._IGNORED) | {"cursor"}, page("rest.md")) == []
    told = set(re.findall(r'"__op":"(\w+)"', page("rest.md")))
    assert told == set(ops._OPERATIONS) | set(ops._RELATIONAL)


def test_every_type_is_listed() -> None:
    told = {name for row in rows(page("rest.md")) for name in row[0].split(", ")}
    assert {str(each) for each in FieldType} - {"ACL"} <= told


def test_the_version_of_parse_server_is_the_one_compared_with() -> None:
    assert f"Parse Server {PARSE_VERSION.split('.')[0]}" in page("rest.md")


# ---- live.md


def frame_names() -> set[str]:
    text = (ROOT / "app/live/protocol.py").read_text(encoding="utf-8")
    return set(re.findall(r'"op": "(\w+)"', text)) | set(re.findall(r'_frame\("(\w+)"', text)) | set(get_args(membership.Op))


def test_every_frame_and_op_is_listed() -> None:
    assert {"connected", "snapshot", "enter", "error"} <= frame_names()
    assert missing(frame_names() | set(SHAPES), page("live.md")) == []


def test_every_key_a_client_may_send_is_listed() -> None:
    def keys(shape: Any) -> set[str]:
        inner = (keys(rule) for rule in shape.properties.values() if hasattr(rule, "properties"))
        return set(shape.properties).union(*inner)

    told = set(re.findall(r"\w+", " ".join(code_words(page("live.md")))))
    assert sorted(set().union(*(keys(shape) for shape in SHAPES.values())) - {"op"} - told) == []


# ---- architecture.md, oxygen.md, board.md, security.md


def test_every_file_named_exists_and_every_room_is_named() -> None:
    text = page("architecture.md")
    assert [word for word in code_words(text) if word.startswith("app/") and not (ROOT / word).exists()] == []
    rooms = {f"app/{path.name}/" for path in (ROOT / "app").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert missing(rooms, text) == []


def test_every_file_named_on_other_pages_exists() -> None:
    named = re.compile(r"(app|tests|static|templates|docs)/[\w/]+\.\w+")
    for path in PAGES:
        for word in code_words(path.read_text(encoding="utf-8")):
            assert not named.fullmatch(word) or (ROOT / word).exists(), f"{path.name} names {word}"


def test_every_field_state_role_and_value_of_oxygen_is_listed() -> None:
    every: list[type[Table]] = [*tables.TABLES, AuditLog]
    columns = {column._meta.db_column_name for table in every for column in table._meta.columns}
    own = {name for name in columns if not name.startswith("_")} - {"objectId", "createdAt", "updatedAt", "id"}
    classes = {str(table._meta.tablename) for table in tables.TABLES}
    values = {*rules.TANK_STATES.states, *rules.URGENCIES, *rules.EVENT_TYPES, *rules.LITRES_PER_PSI, *STAFF_ROLES}
    roles = {grant.role for grant in rules.GRANTS.rows}
    assert missing(own | classes | values | roles, page("oxygen.md")) == []


def test_the_numbers_of_the_formula_are_the_code_s() -> None:
    text = page("oxygen.md")
    litres = {cell for row in rows(text) if row[0] == "litres per psi" for cell in row[1:]}
    assert litres == {f"{number:g}" for number in rules.LITRES_PER_PSI.values()}
    hours = [f"under {limit.seconds // 3600} h" for limit in (rules.CRITICAL_BELOW, rules.LOW_BELOW)]
    for words in (*hours, f"{rules.LOW_PSI} psi", f"0 to {rules.MAX_PSI} psi", f"(psi, {rules.RESIDUAL_PSI})", "140 minutes"):
        assert words in text
    assert rules.minutes_left(1200, "E", 2.0) == pytest.approx(140)


def test_every_step_of_a_tank_is_in_the_table() -> None:
    text = page("oxygen.md")
    round_trip = ("full", "loaded", "at_site", "in_use", "empty", "returned", "filling", "qc_hold")
    told: set[tuple[str, str]] = set()
    for row in rows(text):
        sources = re.findall(r"`(\w+)`", row[0]) + (list(round_trip) if row[0].startswith("any of these") else [])
        told |= {(source, target) for source in sources for target in re.findall(r"`(\w+)`", row[1])}
    steps = {(row.source, row.target) for row in rules.TANK_STATES.transitions if row.source is not None}
    assert sorted(steps - told) == []
    states = set(rules.TANK_STATES.states)
    assert sorted({step for step in told if states.issuperset(step)} - steps) == []


def test_the_board_s_page_names_what_the_board_shows() -> None:
    text = page("board.md")
    shown: list[Column | Tile | Action] = [*BOARD.columns, *BOARD.tiles, *BOARD.actions]
    labels = [each.label for each in shown]
    assert [label for label in labels if label not in text] == []
    assert missing({action.shortcut for action in BOARD.actions if action.shortcut}, text) == []
    bound = re.search(r"^const keys = \{(.*?)^\};", (ROOT / "static/board.js").read_text(encoding="utf-8"), re.S | re.M)
    assert bound is not None
    keys = {quoted or plain for quoted, plain in re.findall(r'^  (?:"([^"]+)"|(\w+)): \{ words', bound[1], re.M)}
    assert {"j", "?", "Ctrl-K"} <= keys
    assert missing(keys, text) == []
    assert f"{site.ROWS_A_PAGE} rows" in text


def test_every_header_and_cookie_is_named() -> None:
    words = {word.partition(":")[0] for word in code_words(page("security.md"))}
    assert {*site.HEADERS, COOKIE, ERRAND_COOKIE, FORM_COOKIE, ZONE_COOKIE} - words == set()


# ---- links and examples


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", FENCE.sub("", path.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(other.read_text(encoding="utf-8")), f"{path.name}: {target}"


def test_every_page_is_on_the_map() -> None:
    text = page("index.md")
    assert [path.name for path in DOCS.glob("*.md") if path.name != "index.md" and f"({path.name})" not in text] == []


def examples() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", page("rest.md"), re.S | re.M)
    return [block for block in blocks if block.startswith("curl")]


def test_the_examples_of_rest_run_in_their_order(running_server: RunningServer) -> None:
    if shutil.which("curl") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("curl is not installed")
    keys = {"X-Parse-Application-Id": running_server.app_id, "X-Parse-Master-Key": running_server.master_key}
    url = f"{running_server.url}/parse"
    names = {"URL": url, "APP": running_server.app_id, "MASTER_KEY": running_server.master_key}
    assert len(examples()) >= 8
    for example in examples():
        done = subprocess.run(["bash", "-euc", example], env=os.environ | names, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        parts = answer if isinstance(answer, list) else [answer]
        assert not any("error" in part for part in parts), f"{example}\n{done.stdout}"
        if isinstance(answer, dict):
            names |= {"TOKEN": answer["sessionToken"]} if "sessionToken" in answer else {}
            names |= {"ID": answer["objectId"]} if set(answer) == {"objectId", "createdAt"} else {}
    note = httpx.get(f"{url}/classes/Note/{names['ID']}", headers=keys, timeout=PATIENCE).json()
    assert (note["count"], note["tags"]) == (3, ["new", "read"])


# ---- seeds.md: every promise has a test


NAMED_TESTS = sorted(
    {name for path in PAGES for name in re.findall(r"`(tests/[\w/]+\.(?:py|mjs)(?:::\w+)?)`", path.read_text("utf-8"))}
)


@pytest.mark.parametrize("name", NAMED_TESTS)
def test_every_test_that_a_page_names_is_there(name: str) -> None:
    path, _, function = name.partition("::")
    assert (ROOT / path).is_file()
    if function:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        assert function in set(found)


def test_every_promise_of_the_seeds_names_its_test() -> None:
    told = [row for row in rows(page("seeds.md")) if len(row) == 3 and row[0] != "Promise" and set(row[0]) != {"-"}]
    assert len(told) > 20
    assert [row[0] for row in told if "::test_" not in row[2]] == []
