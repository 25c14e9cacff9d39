"""The pharmacy's classes by the official Parse SDK for JavaScript, unmodified, against a running server."""

import subprocess

import pytest

from tests.conftest import RunningServer
from tests.sdk.test_story import HERE, require_node

STEPS = ["people", "subscribed", "create", "read, query, include", "update", "signature", "notification", "message", "audit"]
STEPS += ["refusals"]

pytestmark = pytest.mark.node


def test_every_class_of_the_template_works_by_the_sdk(running_server: RunningServer) -> None:
    done = subprocess.run(
        [require_node(), "pharmacy.mjs", f"{running_server.url}/parse", "careboard", running_server.master_key],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*(f"ok {step}" for step in STEPS), "done"]
