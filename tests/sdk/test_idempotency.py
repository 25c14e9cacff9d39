"""`Parse.idempotency` of the official SDK, unmodified, when answers are lost: what it sends again is done once."""

import subprocess

import pytest

from tests.conftest import RunningServer
from tests.sdk.test_story import HERE, require_node

pytestmark = pytest.mark.node


def test_what_the_sdk_sends_again_is_done_once(running_server: RunningServer) -> None:
    done = subprocess.run(
        [require_node(), "idempotency.mjs", f"{running_server.url}/parse", "careboard", running_server.master_key],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == ["ok numbers", "ok create", "ok increment", "ok saveAll", "done"]
