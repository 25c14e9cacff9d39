"""The classes of the hospital asset template on the official Parse SDK, unmodified, against a running server."""

import pytest

from app.domains.assets.rules import PARENTS_FIRST
from tests.conftest import RunningServer
from tests.sdk.app import run_app

STEPS = ("User", *PARENTS_FIRST, "a move", "a failed inspection", "deletes")

pytestmark = pytest.mark.node


def test_every_class_of_hospital_assets_works_by_the_sdk(running_server: RunningServer) -> None:
    run_app("assets.mjs", f"{running_server.url}/parse", running_server.app_id, running_server.master_key, steps=STEPS)
