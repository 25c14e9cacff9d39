"""The sequence diagram of each template over GraphQL, by plain HTTP and the graphql-ws client, against a running server."""

import os
import subprocess

import pytest

from tests.conftest import RunningServer
from tests.sdk.test_story import HERE, require_node

pytestmark = pytest.mark.node

SEQUENCES = {
    "oxygen": [
        "log in",
        "tank assignments with site and driver",
        "refill history of a site's tank",
        "a refill and a dispatch event are saved",
        "live updates of pressure and contacts",
        "what was missed comes with the cursor",
        "who is not concerned sees nothing",
    ],
    "pharmacy": [
        "sign in, with the patient's context",
        "a prescription is asked for",
        "and a delivery",
        "the delivery is brought",
        "the patient is notified",
        "a signature with its image",
        "the dashboard shows the notifications",
    ],
    "oncology": [
        "log in",
        "chemotherapy cycles",
        "a side effect is logged and the care team hears of it",
        "lab trends",
        "the access is logged",
        "another nurse sees nothing",
    ],
    "assets": [
        "log in",
        "critical equipment in the order of its due dates",
        "preventive maintenance is recorded",
        "the ventilator moves to its room",
        "live updates of assets and maintenance",
    ],
    "homehealth": [
        "log in",
        "technicians and who is free",
        "a job is scheduled and its technician hears of it",
        "parts are seen by whose job needs them",
    ],
}


@pytest.mark.parametrize("domain", SEQUENCES)
def test_a_sequence_is_done_over_graphql(running_server: RunningServer, domain: str) -> None:
    node = require_node()
    if not (HERE / "node_modules" / "graphql-ws").is_dir():
        missing = "the graphql-ws package is not installed: run npm install in tests/sdk"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    done = subprocess.run(
        [node, f"graphql_{domain}.mjs", running_server.url, running_server.app_id, running_server.master_key],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*(f"ok {step}" for step in SEQUENCES[domain]), "done"]
