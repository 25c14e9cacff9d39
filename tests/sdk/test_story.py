"""The official Parse SDK for JavaScript, unmodified, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

STEPS = ["sign up, log in, me", "classes", "save and read every type", "increment, add, remove, unset", "queries", "relations"]
STEPS += ["ACL and roles", "live query", "refusals"]

pytestmark = pytest.mark.node


def test_an_app_on_the_official_sdk_runs_as_it_is(running_server: RunningServer) -> None:
    run_app("story.mjs", f"{running_server.url}/parse", running_server.app_id, running_server.master_key, steps=STEPS)
