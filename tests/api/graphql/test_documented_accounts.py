"""Accounts and sessions, as Parse Server's GraphQL documentation signs them up, in and out."""

import pytest

from tests.api.graphql.asker import anonymous
from tests.conftest import RunningServer


async def test_an_account_signs_up_in_and_out(running_server: RunningServer) -> None:
    nobody = anonymous(running_server)
    told = await nobody.ask(
        """
mutation signUp {
  signUp(
    input: {
      fields: {
        username: "johndoe"
        password: "ASuperStrongPassword"
        email: "john.doe@email.com"
      }
    }
  ) {
    viewer {
      sessionToken
      user {
        username
        email
      }
    }
  }
}
"""
    )
    account = {"username": "johndoe", "email": "john.doe@email.com"}
    assert told["signUp"]["viewer"]["user"] == account
    told = await nobody.ask(
        """
mutation logIn {
  logIn(input: { username: "johndoe", password: "ASuperStrongPassword" }) {
    viewer {
      sessionToken
      user {
        username
        email
      }
    }
  }
}
"""
    )
    token = told["logIn"]["viewer"]["sessionToken"]
    assert token.startswith("r:")
    assert told["logIn"]["viewer"]["user"] == account
    john = nobody.signed_in(token)
    told = await john.ask("query viewer { viewer { sessionToken user { username email } } }")
    assert told == {"viewer": {"sessionToken": token, "user": account}}
    told = await john.ask(
        """
mutation logOut {
  logOut(input: { clientMutationId: "logOut" }) {
    clientMutationId
    viewer {
      user {
        username
        email
      }
    }
  }
}
"""
    )
    assert told == {"logOut": {"clientMutationId": "logOut", "viewer": {"user": account}}}
    assert await john.post("{ health }") == (400, {"code": 209, "error": "Invalid session token"})


async def test_a_third_party_sign_in_makes_an_account_or_finds_it(running_server: RunningServer) -> None:
    query = """
mutation LoginAnonymously {
  logInWith(input: { authData: { anonymous: { id: "8f0d0c1e-5a1f-4b59-9d2b-5a3f2a1b0c9d" } }, fields: {} }) {
    viewer { sessionToken user { id } }
  }
}
"""
    first = await anonymous(running_server).ask(query)
    again = await anonymous(running_server).ask(query)
    assert first["logInWith"]["viewer"]["user"] == again["logInWith"]["viewer"]["user"]
    assert first["logInWith"]["viewer"]["sessionToken"] != again["logInWith"]["viewer"]["sessionToken"]


@pytest.mark.parametrize("name", ["resetPassword", "sendVerificationEmail"])
async def test_mails_are_refused_with_the_reason(running_server: RunningServer, name: str) -> None:
    query = f'mutation {{ {name}(input: {{ email: "email@email.email" }}) {{ ok }} }}'
    _, told = await anonymous(running_server).post(query)
    assert told["data"] == {name: None}
    assert "CAREBOARD_SMTP_URL" in told["errors"][0]["message"]
