"""Oncology care by the official Parse SDK for JavaScript, unmodified, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

STEPS = ["accounts", "Patient", "ChemoCycle", "Treatment", "SideEffect", "LabTrend", "AccessLog", "two sign a cycle"]
STEPS += ["a severe side effect calls a nurse", "the owner and the team delete"]

pytestmark = pytest.mark.node


def test_every_class_of_the_template_works_by_the_official_sdk(running_server: RunningServer) -> None:
    run_app("oncology.mjs", f"{running_server.url}/parse", running_server.app_id, running_server.master_key, steps=STEPS)
