"""Parse.Config of the official SDK, unmodified, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

pytestmark = pytest.mark.node

STEPS = ["none yet", "saved", "read", "current", "one changed"]


def test_parse_config_works_as_it_is(running_server: RunningServer) -> None:
    run_app("config.mjs", f"{running_server.url}/parse", running_server.app_id, running_server.master_key, steps=STEPS)
