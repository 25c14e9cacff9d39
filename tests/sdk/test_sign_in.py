"""Signing in by others with the official Parse SDK for JavaScript, unmodified, at a server that knows an issuer."""

import json
from uuid import uuid4

import pytest

from tests.conftest import RunningServer
from tests.issuer import Issuer
from tests.sdk.app import run_app

STEPS = ["log in with, again, and by asking the provider", "refusals", "link", "unlink", "a guest becomes a person"]

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def environment(issuer: Issuer) -> dict[str, str]:
    """The server knows the issuer."""
    return {"CAREBOARD_AUTH": issuer.setting()}


def test_an_app_signs_its_people_in_links_and_unlinks(running_server: RunningServer, issuer: Issuer) -> None:
    people = [f"{name}-{uuid4().hex[:6]}" for name in ("ana", "ben")]
    tokens = json.dumps([{"id": each, "id_token": issuer.token(each)} for each in people])
    run_app("sign_in.mjs", f"{running_server.url}/parse", "careboard", tokens, steps=STEPS)
