"""Parse.Config of the official SDK, unmodified, against a running server."""

import subprocess

import pytest

from tests.conftest import RunningServer
from tests.sdk.test_story import HERE, require_node

pytestmark = pytest.mark.node

STEPS = ["none yet", "saved", "read", "current", "one changed"]


def test_parse_config_works_as_it_is(running_server: RunningServer) -> None:
    done = subprocess.run(
        [require_node(), "config.mjs", f"{running_server.url}/parse", "careboard", running_server.master_key],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*(f"ok {step}" for step in STEPS), "done"]
