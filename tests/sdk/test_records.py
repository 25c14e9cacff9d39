"""AuditLog and AccessLog by the official SDK, unmodified, against a running server."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

pytestmark = pytest.mark.node


def test_records_are_made_read_and_never_changed(running_server: RunningServer) -> None:
    run_app(
        "records.mjs",
        f"{running_server.url}/parse",
        running_server.app_id,
        running_server.master_key,
        steps=["AuditLog", "AccessLog"],
    )
