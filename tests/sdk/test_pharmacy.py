"""The pharmacy's classes by the official Parse SDK for JavaScript, unmodified, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

STEPS = ["people", "subscribed", "create", "read, query, include", "update", "signature", "notification", "message", "audit"]
STEPS += ["refusals"]

pytestmark = pytest.mark.node


def test_every_class_of_the_template_works_by_the_sdk(running_server: RunningServer) -> None:
    run_app("pharmacy.mjs", f"{running_server.url}/parse", running_server.app_id, running_server.master_key, steps=STEPS)
