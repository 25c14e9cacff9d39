"""The operations of Parse Server's GraphQL documentation, in its order, as they stand there; only ids are put in."""

import base64
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api.graphql.asker import Asker, anonymous, master
from tests.conftest import RunningServer

CREATE_CLASS = """
mutation createGameScoreClass {
  createClass(
    input: {
      clientMutationId: "anFrontId"
      name: "GameScore"
      schemaFields: {
        addStrings: [{ name: "playerName" }]
        addNumbers: [{ name: "score" }]
        addBooleans: [{ name: "cheatMode" }]
      }
    }
  ) {
    clientMutationId
    class {
      name
      schemaFields {
        name
        __typename
      }
    }
  }
}
"""

CREATE = """
mutation createAGameScore {
  createGameScore(
    input: {
      clientMutationId: "anUniqueId"
      fields: { playerName: "Sean Plott", score: 1337, cheatMode: false }
    }
  ) {
    clientMutationId
    gameScore {
      id
      updatedAt
      createdAt
      playerName
      score
      cheatMode
      ACL {
        public {
          write
          read
        }
      }
    }
  }
}
"""


@pytest.fixture(scope="module")
def key(running_server: RunningServer) -> Asker:
    return master(running_server)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def score(key: Asker) -> dict[str, Any]:
    """The class and the objects that the pages go on with."""
    told = await key.ask(CREATE_CLASS)
    fields = {each["name"]: each["__typename"] for each in told["createClass"]["class"]["schemaFields"]}
    assert told["createClass"]["clientMutationId"] == "anFrontId"
    assert fields == {
        "objectId": "SchemaStringField",
        "updatedAt": "SchemaDateField",
        "createdAt": "SchemaDateField",
        "playerName": "SchemaStringField",
        "score": "SchemaNumberField",
        "cheatMode": "SchemaBooleanField",
        "ACL": "SchemaACLField",
    }
    assert list(fields)[-1] == "ACL"
    made = (await key.ask(CREATE))["createGameScore"]
    for name, points, cheats in (("John Doe", 13, True), ("Steve Jordan", 134, False)):
        await key.ask(
            "mutation ($fields: CreateGameScoreFieldsInput) { createGameScore(input: {fields: $fields}) { gameScore { id } } }",
            {"fields": {"playerName": name, "score": points, "cheatMode": cheats}},
        )
    found: dict[str, Any] = made
    return found


async def test_the_api_is_healthy(running_server: RunningServer) -> None:
    assert await anonymous(running_server).ask("query healthy { health }") == {"health": True}


async def test_an_object_is_created_and_shown(score: dict[str, Any]) -> None:
    shown = score["gameScore"]
    assert score["clientMutationId"] == "anUniqueId"
    assert base64.b64decode(shown["id"]).decode().startswith("GameScore:")
    assert shown["createdAt"] == shown["updatedAt"]
    assert {name: shown[name] for name in ("playerName", "score", "cheatMode", "ACL")} == {
        "playerName": "Sean Plott",
        "score": 1337,
        "cheatMode": False,
        "ACL": {"public": {"write": True, "read": True}},
    }


async def test_an_object_is_got_by_its_global_id(key: Asker, score: dict[str, Any]) -> None:
    query = """
query getAGameScore {
  gameScore(id: "%s") {
    id
    score
    playerName
    score
    cheatMode
    ACL {
      public {
        read
        write
      }
    }
  }
}
"""
    shown = (await key.ask(query % score["gameScore"]["id"]))["gameScore"]
    assert (shown["id"], shown["score"]) == (score["gameScore"]["id"], 1337)
    object_id = base64.b64decode(shown["id"]).decode().partition(":")[2]
    assert (await key.ask(query % object_id))["gameScore"] == shown


@pytest.mark.parametrize("cut", [0, 1])
async def test_an_object_is_got_as_a_node(key: Asker, score: dict[str, Any], cut: int) -> None:
    query = """
query genericGet {
  node(id: "%s") {
    id
    __typename
    ... on User {
      id
      username
    }
    ... on GameScore {
      playerName
      score
      cheatMode
    }
  }
}
"""
    given = score["gameScore"]["id"].rstrip("=") if cut else score["gameScore"]["id"]  # the page leaves the padding out once
    assert await key.ask(query % given) == {
        "node": {
            "id": score["gameScore"]["id"],
            "__typename": "GameScore",
            "playerName": "Sean Plott",
            "score": 1337,
            "cheatMode": False,
        }
    }


FIND = """
query getSomeGameScores {
  gameScores%s {
    pageInfo {
      hasNextPage
      hasPreviousPage
      startCursor
      endCursor
    }
    count
    edges {
      cursor
      node {
        id
        playerName
        score
        cheatMode
      }
    }
  }
}
"""


def found_in(told: Any) -> tuple[int, list[tuple[str, str]]]:
    connection = told["gameScores"]
    return connection["count"], [(edge["cursor"], edge["node"]["playerName"]) for edge in connection["edges"]]


async def test_objects_are_found_with_cursors_and_a_count(key: Asker, score: dict[str, Any]) -> None:
    told = await key.ask(FIND % "")
    assert told["gameScores"]["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": "YXJyYXljb25uZWN0aW9uOjA=",
        "endCursor": "YXJyYXljb25uZWN0aW9uOjI=",
    }
    count, edges = found_in(told)
    assert count == 3
    cursors = ["YXJyYXljb25uZWN0aW9uOjA=", "YXJyYXljb25uZWN0aW9uOjE=", "YXJyYXljb25uZWN0aW9uOjI="]
    assert [cursor for cursor, _ in edges] == cursors
    assert {name for _, name in edges} == {"Sean Plott", "John Doe", "Steve Jordan"}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("(where: { score: { greaterThan: 158 } })", ["Sean Plott"]),
        ("(where: { cheatMode: { equalTo: false } }, order: score_ASC)", ["Steve Jordan", "Sean Plott"]),
    ],
)
async def test_objects_are_found_by_conditions_in_an_order(
    key: Asker, score: dict[str, Any], arguments: str, names: list[str]
) -> None:
    count, edges = found_in(await key.ask(FIND % arguments))
    assert (count, [name for _, name in edges]) == (len(names), names)


async def test_a_page_goes_on_after_a_cursor(key: Asker, score: dict[str, Any]) -> None:
    told = await key.ask(FIND % '(after: "YXJyYXljb25uZWN0aW9uOjE")')
    assert told["gameScores"]["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": "YXJyYXljb25uZWN0aW9uOjI=",
        "endCursor": "YXJyYXljb25uZWN0aW9uOjI=",
    }
    assert found_in(told)[0] == 3
    assert [cursor for cursor, _ in found_in(told)[1]] == ["YXJyYXljb25uZWN0aW9uOjI="]


async def test_an_object_is_updated_unset_and_deleted(key: Asker, score: dict[str, Any]) -> None:
    made = (await key.ask(CREATE))["createGameScore"]["gameScore"]["id"]
    update = """
mutation updateAGameScore {
  updateGameScore(
    input: { id: "%s", fields: { playerName: %s } }
  ) {
    gameScore {
      id
      playerName
    }
  }
}
"""
    told = await key.ask(update % (made, '"Charles Francois"'))
    assert told == {"updateGameScore": {"gameScore": {"id": made, "playerName": "Charles Francois"}}}
    told = await key.ask(update % (made, "null"))
    assert told == {"updateGameScore": {"gameScore": {"id": made, "playerName": None}}}
    await key.ask(update % (made, '"Charles Francois"'))
    delete = """
mutation deleteAGameScore {
  deleteGameScore(input: { id: "%s" }) {
    gameScore {
      id
      playerName
    }
  }
}
"""
    told = await key.ask(delete % made)
    assert told == {"deleteGameScore": {"gameScore": {"id": made, "playerName": "Charles Francois"}}}
    assert await key.refused(delete % made) == 101


PARENTS = """
mutation Classes {
  House: createClass(input: { name: "House", schemaFields: { addStrings: [{ name: "name" }] } }) { class { name } }
  Street: createClass(
    input: {
      name: "Street"
      schemaFields: { addStrings: [{ name: "name" }], addRelations: [{ name: "houses", targetClassName: "House" }] }
    }
  ) { class { name } }
  Company: createClass(input: { name: "Company", schemaFields: { addStrings: [{ name: "name" }] } }) { class { name } }
  City: createClass(
    input: {
      name: "City"
      schemaFields: {
        addStrings: [{ name: "name" }]
        addNumbers: [{ name: "peoplesNumber" }]
        addRelations: [{ name: "companies", targetClassName: "Company" }, { name: "streets", targetClassName: "Street" }]
      }
    }
  ) { class { name } }
  Country: createClass(
    input: {
      name: "Country"
      schemaFields: { addStrings: [{ name: "name" }], addRelations: [{ name: "cities", targetClassName: "City" }] }
    }
  ) { class { name } }
}
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def mars(key: Asker) -> Any:
    """The nested mutation of the pages."""
    await key.ask(PARENTS)
    return await key.ask(
        """
mutation aNestedMutation {
  createCountry(
    input: {
      fields: {
        name: "Mars"
        cities: {
          createAndAdd: [
            { name: "Alpha", companies: { createAndAdd: [{ name: "Motors" }] } }
          ]
        }
      }
    }
  ) {
    country {
      name
      cities {
        edges {
          node {
            name
            companies {
              edges {
                node {
                  name
                }
              }
            }
          }
        }
      }
    }
  }
}
"""
    )


def nodes(*found: Any) -> Any:
    return {"edges": [{"node": each} for each in found]}


async def test_objects_are_created_with_what_they_hold(mars: Any) -> None:
    companies = nodes({"name": "Motors"})
    assert mars == {"createCountry": {"country": {"name": "Mars", "cities": nodes({"name": "Alpha", "companies": companies})}}}


async def test_a_relation_is_asked_with_its_own_conditions(key: Asker, mars: Any) -> None:
    query = """
query aNestedQuery {
  countries(where: {
    name: { matchesRegex: "Ma", options: "i" }
  }) {
    edges {
      node {
        name
        cities(where: {
          name: { matchesRegex: "%s", options: "i"}
        }) {
          edges {
            node {
              name
            }
          }
        }
      }
    }
  }
}
"""
    assert await key.ask(query % "pha") == {"countries": nodes({"name": "Mars", "cities": nodes({"name": "Alpha"})})}
    assert await key.ask(query % "beta") == {"countries": nodes({"name": "Mars", "cities": nodes()})}


async def test_parents_are_found_by_what_their_relations_have(key: Asker, mars: Any) -> None:
    await key.ask(
        """
mutation { createCountry(input: { fields: { name: "France", cities: { createAndAdd: [
  { name: "Toulouse", peoplesNumber: 400000, streets: { createAndAdd: [
    { name: "rue jean jaures", houses: { createAndAdd: [{ name: "Parse Members" }] } }] } }] } } }) { country { id } } }
"""
    )
    query = """
{
  countries(
    where: {
      cities: {
        have: {
          peoplesNumber: { greaterThan: 20000 }
          streets: {
            have: {
              name: { matchesRegex: "rue", options: "i" }
              houses: { have: { name: { equalTo: "Parse Members" } } }
            }
          }
        }
      }
    }
  ) {
    edges {
      node {
        name
        cities {
          edges {
            node {
              name
              peoplesNumber
              streets {
                edges {
                  node {
                    name
                    houses {
                      edges {
                        node {
                          name
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
"""
    streets = nodes({"name": "rue jean jaures", "houses": nodes({"name": "Parse Members"})})
    cities = nodes({"name": "Toulouse", "peoplesNumber": 400000, "streets": streets})
    assert await key.ask(query) == {"countries": nodes({"name": "France", "cities": cities})}


async def test_children_are_found_by_what_their_pointers_have(key: Asker) -> None:
    for name, target in (("Nation", None), ("Town", "Nation"), ("Road", "Town"), ("Home", "Road")):
        pointers = "" if target is None else f', addPointers: [{{name: "{target.lower()}", targetClassName: "{target}"}}]'
        await key.ask(
            f'mutation {{ createClass(input: {{ name: "{name}", schemaFields: {{ addStrings: [{{name: "name"}}]{pointers} }} }})'
            " { class { name } } }"
        )
    await key.ask(
        """
mutation { createHome(input: { fields: { name: "Parse Members", road: { createAndLink: { name: "rue jean jaures",
  town: { createAndLink: { name: "Toulouse", nation: { createAndLink: { name: "France" } } } } } } } }) { home { id } } }
"""
    )
    query = """
{
  homes(where: { road: { have: { town: { have: { nation: { have: { name: { equalTo: "%s" } } } } } } } }) {
    edges { node { name road { name town { name nation { name } } } } }
  }
}
"""
    town = {"name": "Toulouse", "nation": {"name": "France"}}
    home = {"name": "Parse Members", "road": {"name": "rue jean jaures", "town": town}}
    assert await key.ask(query % "France") == {"homes": nodes(home)}
    assert await key.ask(query % "Spain") == {"homes": nodes()}


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


async def test_the_classes_of_the_page_on_optimisation(key: Asker) -> None:
    await key.ask(
        """
mutation {
  updateClass(
    input: {
      name: "_User"
      schemaFields: {
        addStrings: [{ name: "firstname" }, { name: "lastname" }]
        addDates: [{ name: "birthdate" }]
        addNumbers: [{ name: "credit" }]
      }
    }
  ) {
    class {
      name
    }
  }
}
"""
    )
    told = await key.ask(
        """
query ASuperUsedQuery {
  users(
    where: {
      firstname: { in: ["John", "Michael", "Sabrina"] }
      lastname: { matchesRegex: "^Do" }
      birthdate: { exists: true }
      credit: { greaterThanOrEqualTo: 100 }
    },
    order: credit_ASC
  ) {
    edges {
      node {
        id
        firstname
      }
    }
  }
}
"""
    )
    assert told == {"users": {"edges": []}}


async def test_a_get_may_query_and_may_not_write(running_server: RunningServer) -> None:
    headers = {"X-Parse-Application-Id": running_server.app_id}
    async with httpx.AsyncClient(base_url=running_server.url, headers=headers) as client:
        asked = await client.get("/graphql", params={"query": "{ health }"})
        written = await client.get("/graphql", params={"query": "mutation { logOut(input: {}) { ok } }"})
    assert (asked.status_code, asked.json()) == (200, {"data": {"health": True}})
    assert written.status_code == 400
