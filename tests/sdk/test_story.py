"""The official Parse SDK for JavaScript, unmodified, against a running server."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import RunningServer

HERE = Path(__file__).parent
STEPS = ["sign up, log in, me", "classes", "save and read every type", "increment, add, remove, unset", "queries", "relations"]
STEPS += ["ACL and roles", "live query", "refusals"]

pytestmark = pytest.mark.node


def require_node() -> str:
    """The path of node; skips with the reason where the SDK cannot run, fails in CI."""
    node = shutil.which("node")
    missing = "Node.js is not installed" if node is None else ""
    if not missing and not (HERE / "node_modules" / "parse").is_dir():
        missing = "the parse package is not installed: run npm install in tests/sdk"
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    assert node is not None
    return node


def test_an_app_on_the_official_sdk_runs_as_it_is(running_server: RunningServer) -> None:
    node = require_node()
    done = subprocess.run(
        [node, "story.mjs", f"{running_server.url}/parse", "careboard", running_server.master_key],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*(f"ok {step}" for step in STEPS), "done"]
