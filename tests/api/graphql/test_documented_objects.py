"""Objects, as Parse Server's GraphQL documentation creates, gets, finds, updates and deletes them; only ids are put in."""

import base64
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api.graphql.asker import Asker, anonymous, master
from tests.conftest import PATIENCE, RunningServer

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


async def test_a_get_may_query_and_may_not_write(running_server: RunningServer) -> None:
    headers = {"X-Parse-Application-Id": running_server.app_id}
    async with httpx.AsyncClient(base_url=running_server.url, headers=headers, timeout=PATIENCE) as client:
        asked = await client.get("/graphql", params={"query": "{ health }"})
        written = await client.get("/graphql", params={"query": "mutation { logOut(input: {}) { ok } }"})
    assert (asked.status_code, asked.json()) == (200, {"data": {"health": True}})
    assert written.status_code == 400
