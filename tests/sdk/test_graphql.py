"""The sequence diagram of each template over GraphQL, by plain HTTP and the graphql-ws client, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

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
    run_app(
        f"graphql_{domain}.mjs",
        running_server.url,
        running_server.app_id,
        running_server.master_key,
        steps=SEQUENCES[domain],
        package="graphql-ws",
    )
