"""An app in Node.js as a test runs it: one script of this folder against a running server, each of its steps told in a line."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def require_node(package: str = "parse") -> str:
    """The path of node; skips with the reason where the app's package cannot run, fails in CI."""
    node = shutil.which("node")
    missing = "Node.js is not installed" if node is None else ""
    if not missing and not (HERE / "node_modules" / package).is_dir():
        missing = f"the {package} package is not installed: run npm install in tests/sdk"
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    assert node is not None
    return node


def run_app(script: str, *arguments: str, steps: Iterable[str], package: str = "parse") -> None:
    """Runs a script to its end: it did each of these steps, in this order, and nothing else."""
    done = subprocess.run(
        [require_node(package), script, *arguments],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*(f"ok {step}" for step in steps), "done"]
