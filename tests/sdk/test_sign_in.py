"""Signing in by others with the official Parse SDK for JavaScript, unmodified, at a server that knows an issuer."""

import json
import subprocess
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.conftest import RunningServer
from tests.issuer import Issuer, served
from tests.sdk.test_story import HERE, require_node

STEPS = ["log in with, again, and by asking the provider", "refusals", "link", "unlink", "a guest becomes a person"]

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().running() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def server(
    issuer: Issuer, clone_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with served(issuer, clone_database(), tmp_path_factory.mktemp("server")) as server:
        yield server


def test_an_app_signs_its_people_in_links_and_unlinks(server: RunningServer, issuer: Issuer) -> None:
    node = require_node()
    people = [f"{name}-{uuid4().hex[:6]}" for name in ("ana", "ben")]
    tokens = json.dumps([{"id": each, "id_token": issuer.token(each)} for each in people])
    done = subprocess.run(
        [node, "sign_in.mjs", f"{server.url}/parse", "careboard", tokens],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*(f"ok {step}" for step in STEPS), "done"]
