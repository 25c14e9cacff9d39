"""Signing in by others over GraphQL, as Parse Server's specification asks: createUser, signUp, logInWith, logIn, challenge."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from litestar.testing import AsyncTestClient

from app.actions.hooks import AuthAnswer, AuthRequest
from app.api.request import Services
from app.config import Settings
from app.core.wire import Object
from app.errors import ErrorCode, ParseError
from app.main import create_app

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

SOME: Object = {"someData": True}


class Badges:
    """A provider of the server's code, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Object, AuthRequest]] = []

    async def validate(self, part: Object, request: AuthRequest) -> AuthAnswer:
        self.asked.append((part, request))
        if part.get("pin") == "wrong":
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "This badge and PIN do not fit.")
        return AuthAnswer(response=SOME)

    async def challenge(self, part: Object, request: AuthRequest) -> AuthAnswer:
        self.asked.append((part, request))
        return AuthAnswer(response=SOME)


class Client:
    """Somebody at /graphql."""

    def __init__(self, http: AsyncTestClient[Any], badges: Badges) -> None:
        self.http = http
        self.badges = badges

    async def ask(self, query: str, given: Object) -> Any:
        """The answer to a mutation with this input."""
        body = {"query": query, "variables": {"input": given}}
        keys = {"X-Parse-Application-Id": "careboard"}
        return (await self.http.post("/graphql", json=body, headers=keys)).json()


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[Client]:
    badges, app = Badges(), create_app(settings)
    services: Services = app.state.services
    services.objects.hooks.define_auth("badge", badges.validate, challenge=badges.challenge)
    async with AsyncTestClient(app) as http:
        yield Client(http, badges)


LOG_IN_WITH = """mutation ($input: LogInWithInput!) { logInWith(input: $input) {
  clientMutationId viewer { sessionToken user { objectId displayName authData authDataResponse } } } }"""
SIGN_UP = """mutation ($input: SignUpInput!) { signUp(input: $input) {
  viewer { sessionToken user { objectId username authDataResponse } } } }"""
LOG_IN = "mutation ($input: LogInInput!) { logIn(input: $input) { viewer { user { objectId authDataResponse } } } }"
CREATE = "mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id authDataResponse } } }"
CHALLENGE = "mutation ($input: ChallengeInput!) { challenge(input: $input) { clientMutationId challengeData } }"


async def test_log_in_with_makes_an_account_once_and_then_opens_it(client: Client) -> None:
    number = uuid4().hex
    given: Object = {"authData": {"badge": {"id": number, "pin": "1"}}, "fields": {"displayName": "Ana"}, "clientMutationId": "m"}
    first, again = [(await client.ask(LOG_IN_WITH, given))["data"]["logInWith"] for _ in range(2)]
    for told in (first, again):
        assert (told["clientMutationId"], told["viewer"]["sessionToken"][:2]) == ("m", "r:")
        user = told["viewer"]["user"]
        assert (user["displayName"], user["authDataResponse"]) == ("Ana", {"badge": SOME})
        assert user["authData"] == {"badge": {"id": number, "pin": "1"}}
    assert first["viewer"]["user"]["objectId"] == again["viewer"]["user"]["objectId"]
    wrong: Object = {"authData": {"badge": {"id": number, "pin": "wrong"}}, "fields": {}}
    refused = await client.ask(LOG_IN_WITH, wrong)
    assert [each["extensions"]["code"] for each in refused["errors"]] == [101]
    unknown: Object = {"authData": {"nobody": {"id": "1"}}, "fields": {}}
    assert (await client.ask(LOG_IN_WITH, unknown))["errors"][0]["extensions"]["code"] == 252


async def test_sign_up_and_create_user_take_auth_data(client: Client) -> None:
    fields: Object = {"username": uuid4().hex, "password": "p", "authData": {"badge": {"id": uuid4().hex}}}
    told = (await client.ask(SIGN_UP, {"fields": fields}))["data"]["signUp"]["viewer"]["user"]
    assert (told["username"], told["authDataResponse"]) == (fields["username"], {"badge": SOME})
    made = await client.ask(CREATE, {"fields": {"authData": {"badge": {"id": uuid4().hex}}}})
    assert made["data"]["createUser"]["user"]["authDataResponse"] == {"badge": SOME}


async def test_log_in_takes_auth_data_beside_the_password(client: Client) -> None:
    name = uuid4().hex
    user = (await client.ask(SIGN_UP, {"fields": {"username": name, "password": "p"}}))["data"]["signUp"]["viewer"]["user"]
    assert user["authDataResponse"] is None
    own: Object = {"username": name, "password": "p"}
    told = (await client.ask(LOG_IN, {**own, "authData": {"badge": {"token": True}}}))["data"]["logIn"]["viewer"]["user"]
    assert told == {"objectId": user["objectId"], "authDataResponse": {"badge": SOME}}
    refused = await client.ask(LOG_IN, {**own, "password": "x", "authData": {"badge": {"token": True}}})
    assert refused["errors"][0]["extensions"]["code"] == 101


async def test_a_challenge_is_answered_for_who_proves_to_be_somebody(client: Client) -> None:
    name = uuid4().hex
    user = (await client.ask(SIGN_UP, {"fields": {"username": name, "password": "p"}}))["data"]["signUp"]["viewer"]["user"]
    asked: Object = {"username": name, "password": "p", "challengeData": {"badge": {"some": True}}, "clientMutationId": "c"}
    told = (await client.ask(CHALLENGE, asked))["data"]["challenge"]
    assert told == {"clientMutationId": "c", "challengeData": {"badge": SOME}}
    part, request = client.badges.asked[-1]
    assert (part, request.step, request.user_id) == ({"some": True}, "challenge", user["objectId"])
    assert (await client.ask(CHALLENGE, {**asked, "password": "x"}))["errors"][0]["extensions"]["code"] == 101
    assert (await client.ask(CHALLENGE, {}))["errors"][0]["message"] == "Nothing to challenge."
