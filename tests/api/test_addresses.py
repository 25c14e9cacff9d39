"""Every door says where a request comes from, so what is counted by address is one count."""

from collections.abc import Mapping

import httpx
import pytest

from app.core.wire import Object
from tests.conftest import PATIENCE, RunningServer

HOME, ELSEWHERE = "203.0.113.9", "203.0.113.10"
"""Of clients behind a proxy on the server's machine, which says for whom it calls."""

TOO_MANY = 155
SIGN_UP = "mutation Sign($name: String!) { signUp(input: {fields: {username: $name, password: $name}}) { clientMutationId } }"


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    return {"CAREBOARD_SIGN_UPS": "2"}


def _ask(server: RunningServer, path: str, address: str, body: Object) -> Object:
    headers = {"X-Parse-Application-Id": server.app_id, "X-Forwarded-For": address}
    answer: Object = httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=PATIENCE).json()
    return answer


def _by_rest(server: RunningServer, address: str, name: str) -> object:
    """The code of the refusal, or None."""
    return _ask(server, "/parse/users", address, {"username": name, "password": name}).get("code")


def _by_graphql(server: RunningServer, address: str, name: str) -> object:
    """As `_by_rest`."""
    errors = _ask(server, "/graphql", address, {"query": SIGN_UP, "variables": {"name": name}}).get("errors")
    if errors is None:
        return None
    assert isinstance(errors, list)
    assert isinstance(errors[0], dict)
    extensions = errors[0]["extensions"]
    assert isinstance(extensions, dict)
    return extensions["code"]


def test_accounts_made_at_two_doors_from_one_place_are_one_count(running_server: RunningServer) -> None:
    assert _by_rest(running_server, HOME, "anna") is None
    assert _by_graphql(running_server, HOME, "bert") is None
    assert _by_rest(running_server, HOME, "carla") == TOO_MANY
    assert _by_graphql(running_server, HOME, "carla") == TOO_MANY
    assert _by_graphql(running_server, ELSEWHERE, "dora") is None


def test_accounts_made_in_one_operation_are_counted_each(running_server: RunningServer) -> None:
    one = "signUp(input: {fields: {username: %s, password: %s}}) { clientMutationId }"
    names = [f'"many{number}"' for number in range(4)]
    query = "mutation { %s }" % " ".join(f"a{index}: {one % (name, name)}" for index, name in enumerate(names))  # noqa: UP031 - braces
    told = _ask(running_server, "/graphql", "203.0.113.11", {"query": query})
    errors = told["errors"]
    assert isinstance(errors, list)
    assert [(each["path"], each["extensions"]["code"]) for each in errors] == [(["a2"], 155), (["a3"], 155)]  # type: ignore[index,call-overload]  # JSON


def test_wrong_sign_ins_at_the_page_count_at_every_door(running_server: RunningServer) -> None:
    made = {"username": "emil", "password": "a long one"}
    headers = {"X-Parse-Application-Id": running_server.app_id}
    assert httpx.post(f"{running_server.url}/parse/users", json=made, headers=headers, timeout=PATIENCE).status_code == 201
    wrong: Object = {"username": "emil", "password": "a wrong one"}
    codes: list[object] = [101]
    while codes[-1] == 101 and len(codes) < 20:  # one is forgiven every half a minute, so a slow machine guesses more than ten
        codes.append(_ask(running_server, "/parse/login", HOME, wrong)["code"])
    assert len(codes) > 11
    assert codes[-1] == TOO_MANY
    with httpx.Client(
        base_url=running_server.url, headers={"X-Forwarded-For": HOME}, follow_redirects=True, timeout=PATIENCE
    ) as page:
        token = page.get("/").text.split('name="token" value="')[1].split('"')[0]
        answer = page.post("/sign-in", data={**made, "token": token})
        assert "careboard_session" not in page.cookies
    assert "try again" in answer.text.lower()
    assert "sessionToken" in _ask(running_server, "/parse/login", ELSEWHERE, {**made})
