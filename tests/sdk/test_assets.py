"""The classes of the hospital asset template on the official Parse SDK, unmodified, against a running server."""

import subprocess

import pytest

from app.domains.assets.rules import PARENTS_FIRST
from tests.conftest import RunningServer
from tests.sdk.test_story import HERE, require_node

STEPS = ("User", *PARENTS_FIRST, "a move", "a failed inspection", "deletes")

pytestmark = pytest.mark.node


def test_every_class_of_hospital_assets_works_by_the_sdk(running_server: RunningServer) -> None:
    node = require_node()
    done = subprocess.run(
        [node, "assets.mjs", f"{running_server.url}/parse", "careboard", running_server.master_key],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*(f"ok {step}" for step in STEPS), "done"]
