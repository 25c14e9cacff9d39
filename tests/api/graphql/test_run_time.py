"""Classes that come and go while the server runs: made by many at once, made anew with other types, shown inside each other."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.graphql.asker import Asker, master
from tests.conftest import RunningServer


@pytest.fixture
def key(running_server: RunningServer) -> Asker:
    return master(running_server)


async def post(key: Asker, class_name: str, body: dict[str, Any]) -> Any:
    async with httpx.AsyncClient(base_url=key.server.url, headers=key.headers, timeout=30) as client:
        answer = await client.post(f"/parse/classes/{class_name}", json=body)
    assert answer.status_code == 201, answer.text
    return {"__type": "Pointer", "className": class_name, "objectId": answer.json()["objectId"]}


async def test_many_first_saves_of_a_class_all_succeed(key: Asker) -> None:
    await asyncio.gather(*(post(key, "Crowd", {"number": number, f"field{number % 3}": "x"}) for number in range(12)))
    assert await key.ask("{ crowds { count } }") == {"crowds": {"count": 12}}


@pytest.mark.parametrize("gone", ["class", "field"])
async def test_a_field_may_come_back_as_another_type(key: Asker, gone: str) -> None:
    name = f"Again{gone.title()}"
    field = name[:1].lower() + name[1:]
    shaped = f'input: {{ name: "{name}", schemaFields: $fields }}'
    shown = f"{field} {{ id value }}"
    mutations = {
        "make": f"($fields: SchemaFieldsInput) {{ createClass({shaped}) {{ __typename }} }}",
        "change": f"($fields: SchemaFieldsInput) {{ updateClass({shaped}) {{ __typename }} }}",
        "drop": f'{{ deleteClass(input: {{ name: "{name}" }}) {{ __typename }} }}',
        "save": f"($fields: Create{name}FieldsInput) {{ create{name}(input: {{ fields: $fields }}) {{ {shown} }} }}",
        "delete": f"($id: ID!) {{ delete{name}(input: {{ id: $id }}) {{ __typename }} }}",
    }

    async def do(what: str, **variables: Any) -> Any:
        return await key.ask(f"mutation {mutations[what]}", variables)

    texts, numbers = {"addStrings": [{"name": "value"}]}, {"addNumbers": [{"name": "value"}]}
    await do("make", fields=texts)
    for _ in range(10):  # on several connections
        made = await do("save", fields={"value": "text"})
        await do("delete", id=made[f"create{name}"][field]["id"])
    if gone == "class":
        await do("drop")
        await do("make", fields=numbers)
    else:
        await do("change", fields={"remove": [{"name": "value"}]})
        await do("change", fields=numbers)
    for _ in range(10):
        made = await do("save", fields={"value": 7})
        assert made[f"create{name}"][field]["value"] == 7


async def test_arrays_within_arrays_are_shown_whole_at_once(key: Asker) -> None:
    part = await post(key, "Part", {"name": "screw"})
    engine = await post(key, "Engine", {"name": "diesel", "parts": [part]})
    ship = await post(key, "Ship", {"name": "Vasa", "engines": [engine]})
    query = f"""
{{ ship(id: "{ship["objectId"]}") {{ engines {{ ... on Engine {{ name parts {{ ... on Part {{ name }} }} }} }} }} }}
"""
    assert await key.ask(query) == {"ship": {"engines": [{"name": "diesel", "parts": [{"name": "screw"}]}]}}
