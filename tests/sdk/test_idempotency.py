"""`Parse.idempotency` of the official SDK, unmodified, when answers are lost: what it sends again is done once."""

import pytest

from tests.conftest import RunningServer
from tests.sdk.app import run_app

pytestmark = pytest.mark.node


def test_what_the_sdk_sends_again_is_done_once(running_server: RunningServer) -> None:
    run_app(
        "idempotency.mjs",
        f"{running_server.url}/parse",
        running_server.app_id,
        running_server.master_key,
        steps=["numbers", "create", "increment", "saveAll"],
    )
