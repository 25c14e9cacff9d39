"""Functions of the server over REST: what they answer, and what they refuse; and the events that an app tells."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from app.actions.caller import Caller
from app.actions.hooks import Writes
from app.api.request import Services
from app.config import Settings
from app.core.wire import Json
from app.errors import ErrorCode, ParseError
from app.main import create_app

KEYS = {"X-Parse-Application-Id": "careboard"}

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")


async def echo(caller: Caller, params: Mapping[str, Json], objects: Writes) -> Json:
    """Answers what it was sent under `say`."""
    return params.get("say")


async def refuse(caller: Caller, params: Mapping[str, Json], objects: Writes) -> Json:
    """Refuses with a code of its own."""
    raise ParseError(ErrorCode.VALIDATION_ERROR, "say: say something.")


async def fail(caller: Caller, params: Mapping[str, Json], objects: Writes) -> Json:
    """Has a fault that is nobody's business."""
    raise RuntimeError("the password is swordfish")


@pytest.fixture(scope="module")
async def http(settings: Settings) -> AsyncIterator[AsyncTestClient[Any]]:
    app = create_app(settings)
    services: Services = app.state.services
    for function in (echo, refuse, fail):
        services.objects.hooks.define(function.__name__, function)
    async with AsyncTestClient(app) as client:
        yield client


@pytest.mark.parametrize("value", [0, False, "", [], {}, "x", [None], {"a": None}])
async def test_a_function_answers_its_result(http: AsyncTestClient[Any], value: Json) -> None:
    answer = await http.post("/parse/functions/echo", json={"say": value}, headers=KEYS)
    assert (answer.status_code, answer.json()) == (200, {"result": value})


async def test_what_stands_in_the_address_is_a_parameter_too(http: AsyncTestClient[Any]) -> None:
    answer = await http.post("/parse/functions/echo?say=hello", json={"other": 1}, headers=KEYS)
    assert answer.json() == {"result": "hello"}


async def test_a_session_of_another_account_is_for_the_master_key_in_parses_words(http: AsyncTestClient[Any]) -> None:
    answer = await http.post("/parse/loginAs", json={"userId": "somebody"}, headers=KEYS)
    assert (answer.status_code, answer.json()) == (400, {"code": 119, "error": "master key is required"})


async def test_a_function_without_a_result_answers_nothing_as_sdks_expect(http: AsyncTestClient[Any]) -> None:
    answer = await http.post("/parse/functions/echo", json={}, headers=KEYS)
    assert (answer.status_code, answer.json()) == (200, {})
    part = {"method": "POST", "path": "/parse/functions/echo", "body": {}}
    answer = await http.post("/parse/batch", json={"requests": [part]}, headers=KEYS)
    assert answer.json() == [{"success": {}}]


async def test_a_function_refuses_in_its_own_words_and_a_fault_is_not_told(http: AsyncTestClient[Any]) -> None:
    answer = await http.post("/parse/functions/refuse", json={}, headers=KEYS)
    assert (answer.status_code, answer.json()) == (400, {"code": 142, "error": "say: say something."})
    answer = await http.post("/parse/functions/fail", json={}, headers=KEYS)
    assert (answer.status_code, answer.json()["code"]) == (400, 141)
    assert "swordfish" not in answer.text
    answer = await http.post("/parse/functions/unknown", json={}, headers=KEYS)
    assert (answer.status_code, answer.json()) == (400, {"code": 141, "error": 'Invalid function: "unknown"'})


async def test_an_app_may_tell_its_analytics_and_nothing_comes_of_it(http: AsyncTestClient[Any]) -> None:
    for name in ("AppOpened", "visit"):
        answer = await http.post(f"/parse/events/{name}", json={"dimensions": {"ward": "3"}}, headers=KEYS)
        assert (answer.status_code, answer.json()) == (200, {})
    answer = await http.post("/parse/events/visit", json={}, headers={"X-Parse-Application-Id": "other"})
    assert answer.status_code == 403
