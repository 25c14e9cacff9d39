"""AuditLog and AccessLog by the official SDK, unmodified, against a running server."""

import subprocess

import pytest

from tests.conftest import RunningServer
from tests.sdk.test_story import HERE, require_node

pytestmark = pytest.mark.node


def test_records_are_made_read_and_never_changed(running_server: RunningServer) -> None:
    done = subprocess.run(
        [require_node(), "records.mjs", f"{running_server.url}/parse", "careboard", running_server.master_key],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == ["ok AuditLog", "ok AccessLog", "done"]
