"""Files, as Parse Server's GraphQL documentation uploads, adds and unlinks them; only names and ids are put in."""

import json
from typing import Any

import httpx

from tests.api.graphql.asker import Asker, master
from tests.conftest import PATIENCE, RunningServer

ADD_FIELD = """
mutation updateGameScoreClass {
  updateClass(
    input: {
      name: "GameScore"
      schemaFields: { addFiles: [{ name: "screenshot" }] }
    }
  ) {
    class {
      name
    }
  }
}
"""
UPLOAD = """
mutation createFile($file: Upload!) {
  createFile(input: { upload: $file }) {
    fileInfo {
      name
      url
    }
  }
}
"""
ADD = """
mutation createGameScore {
  createGameScore(
    input: {
      fields: {
        playerName: "John"
        screenshot: {
          file: {
            __type: "File"
            name: "%s"
            url: "%s"
          }
        }
      }
    }
  ) {
    gameScore {
      screenshot {
        name
        url
      }
    }
  }
}
"""
CREATE_AND_ADD = """
mutation createGameScore($file: Upload!) {
  createGameScore(
    input: { fields: { playerName: "John", screenshot: { upload: $file } } }
  ) {
    gameScore {
      id
      screenshot {
        name
        url
      }
    }
  }
}
"""
UNLINK = """
mutation updateGameScore($id: ID!) {
  updateGameScore(input: { id: $id, fields: { screenshot: null } }) {
    gameScore {
      screenshot {
        name
        url
      }
    }
  }
}
"""


async def upload(key: Asker, query: str) -> Any:
    """What an operation with a picture answers."""
    form = {"operations": json.dumps({"query": query, "variables": {"file": None}}), "map": json.dumps({"1": ["variables.file"]})}
    async with httpx.AsyncClient(headers=key.headers, timeout=30) as client:
        answer = await client.post(f"{key.server.url}/graphql", data=form, files={"1": ("file.png", b"picture", "image/png")})
    return answer.json()["data"]


async def test_files_are_uploaded_added_and_unlinked(running_server: RunningServer) -> None:
    key = master(running_server)
    fields = '{ addStrings: [{ name: "playerName" }] }'
    await key.ask(f'mutation {{ createClass(input: {{ name: "GameScore", schemaFields: {fields} }}) {{ class {{ name }} }} }}')
    assert await key.ask(ADD_FIELD) == {"updateClass": {"class": {"name": "GameScore"}}}
    info = (await upload(key, UPLOAD))["createFile"]["fileInfo"]
    assert info["name"].endswith("_file.png")
    assert info["url"].endswith(f"/files/careboard/{info['name']}")
    assert await key.ask(ADD % (info["name"], info["url"])) == {"createGameScore": {"gameScore": {"screenshot": info}}}
    made = (await upload(key, CREATE_AND_ADD))["createGameScore"]["gameScore"]
    async with httpx.AsyncClient(headers=key.headers, timeout=PATIENCE) as client:
        assert (await client.get(made["screenshot"]["url"])).content == b"picture"
    told = await key.ask(UNLINK, {"id": made["id"]})
    assert told == {"updateGameScore": {"gameScore": {"screenshot": None}}}
