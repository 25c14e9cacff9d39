"""The classes of the home health template on the official Parse SDK, unmodified, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

STEPS = ("User", "Technician", "Job", "PartsInventory", "ServiceLog", "live queries")

pytestmark = pytest.mark.node


def test_every_class_of_home_health_works_by_the_sdk(running_server: RunningServer) -> None:
    run_app("homehealth.mjs", f"{running_server.url}/parse", running_server.app_id, running_server.master_key, steps=STEPS)
