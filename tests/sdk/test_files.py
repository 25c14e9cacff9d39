"""Parse.File of the official SDK, unmodified, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

pytestmark = pytest.mark.node

STEPS = ["base64", "a buffer, sent as raw bytes", "a stream", "metadata and tags"]
STEPS += ["held by an object, and public where that is", "saved along with its object", "refusals", "destroy"]


def test_parse_file_works_as_it_is(running_server: RunningServer) -> None:
    run_app("files.mjs", f"{running_server.url}/parse", running_server.app_id, running_server.master_key, steps=STEPS)
