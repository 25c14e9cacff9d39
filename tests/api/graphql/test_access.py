"""GraphQL shows and changes exactly what REST does, for every caller; and asks the database once a level."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from graphql import execute, parse

from app.actions.caller import MASTER, Caller
from app.actions.hooks import Writes
from app.api.graphql.context import Context
from app.api.graphql.execution import Executor
from app.api.graphql.schema import Schemata
from app.config import Settings
from app.core.wire import Json, pointer
from app.errors import ErrorCode, ParseError
from app.main import assemble
from tests.api.depot import CLASSES, READERS, Depot, open_depot
from tests.api.graphql.asker import Asker
from tests.conftest import RunningServer

PEOPLE = ("master", "dispatcher", "driver", "careTeam", "contact", "other_driver", "courier", "stranger", "anonymous")
PLURALS = {
    "PatientSite": "patientSites",
    "TankAssignment": "tankAssignments",
    "RefillLog": "refillLogs",
    "DispatchEvent": "dispatchEvents",
    "EmergencyContact": "emergencyContacts",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def depot(running_server: RunningServer) -> AsyncIterator[Depot]:
    yield await open_depot(running_server)


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("who", PEOPLE)
async def test_a_find_shows_what_rest_shows(depot: Depot, who: str, class_name: str) -> None:
    phone = depot[who]
    status, told = await phone.ask("GET", f"/classes/{class_name}", order="objectId")
    field = PLURALS[class_name]
    _, answer = await Asker(depot.server, phone.headers).post(
        f"{{ {field}(order: objectId_ASC) {{ edges {{ node {{ objectId }} }} }} }}"
    )
    if status == 200:
        assert [edge["node"] for edge in answer["data"][field]["edges"]] == [
            {"objectId": row["objectId"]} for row in told["results"]
        ]
    else:
        assert answer["errors"][0]["extensions"]["code"] == told["code"]


@pytest.mark.parametrize("who", [each for each in PEOPLE if each != "master"])
async def test_nobody_reaches_further_through_a_pointer(depot: Depot, who: str) -> None:
    query = """
{ tankAssignments { edges { node { objectId assignedSite { objectId siteName } assignedDriver { objectId username email } } } }
  baits { edges { node { tank { tankSerialNumber } refill { refillReason } contact { contactName } driver { username }
    things { ... on PatientSite { siteName } ... on TankAssignment { tankSerialNumber } ... on Element { value } }
    rel { edges { node { tankSerialNumber } } } } } } }
"""
    phone = depot[who]
    _, answer = await Asker(depot.server, phone.headers).post(query)
    assert (depot.secret in str(answer.get("data"))) is (who in READERS)


@pytest.mark.parametrize("who", ["other_driver", "stranger", "anonymous"])
async def test_nobody_writes_what_rest_would_refuse(depot: Depot, who: str) -> None:
    before = await depot.stored()
    caller, tank = Asker(depot.server, depot[who].headers), depot.ids["TankAssignment"]
    update = (
        f'mutation {{ updateTankAssignment(input: {{ id: "{tank}", fields: {{ psiLevel: 1 }} }}) {{ tankAssignment {{ id }} }} }}'
    )
    delete = f'mutation {{ deleteTankAssignment(input: {{ id: "{tank}" }}) {{ tankAssignment {{ id tankSerialNumber }} }} }}'
    for query in (update, delete):
        assert await caller.refused(query) in (101, 119)
    assert await depot.stored() == before


async def test_a_protected_field_is_neither_shown_nor_asked_about(depot: Depot) -> None:
    caller = Asker(depot.server, depot["dispatcher"].headers)
    told = await caller.ask("{ users { edges { node { objectId email } } } }")
    shown = {edge["node"]["objectId"]: edge["node"]["email"] for edge in told["users"]["edges"]}
    _, own = await depot["dispatcher"].ask("GET", "/users")
    assert shown == {row["objectId"]: row.get("email") for row in own["results"]}
    told = await caller.ask("{ users { edges { node { username authData } } } }")
    assert {edge["node"]["authData"] for edge in told["users"]["edges"]} == {None}
    status, _ = await caller.post("{ users { edges { node { password } } } }")
    assert status == 400


async def test_the_master_key_is_told_how_accounts_sign_in_whatever_way_they_are_reached(depot: Depot) -> None:
    linked: Json = {"anonymous": {"id": uuid4().hex}}
    _, made = await depot["anonymous"].ask("POST", "/users", {"authData": linked})
    account, master = made["objectId"], depot["master"]
    _, role = await master.ask("POST", "/roles", {"name": f"linked{account}", "ACL": {}})
    member: Json = {"__op": "AddRelation", "objects": [pointer("_User", account)]}
    await master.ask("PUT", f"/roles/{role['objectId']}", {"users": member})
    asker = Asker(depot.server, master.headers)
    many, this = "{ edges { node { %s } } }", '{ objectId: { equalTo: "%s" } }'
    told = await asker.ask(f'{{ user(id: "{account}") {{ authData }} }}')
    assert told["user"] == {"authData": linked}
    told = await asker.ask(f"{{ users(where: {this % account}) {many % 'authData'} }}")
    assert told["users"] == {"edges": [{"node": {"authData": linked}}]}
    told = await asker.ask(f"{{ roles(where: {this % role['objectId']}) {many % ('users ' + many % 'authData')} }}")
    assert told["roles"]["edges"][0]["node"]["users"] == {"edges": [{"node": {"authData": linked}}]}
    told = await asker.ask(f"{{ sessions(where: {{ user: {{ have: {this % account} }} }}) {many % 'user { authData }'} }}")
    assert told["sessions"] == {"edges": [{"node": {"user": {"authData": linked}}}]}


async def test_a_nested_selection_costs_one_statement_a_relation(depot: Depot) -> None:
    settings = Settings(database_url=depot.server.database_url, master_key="x", data_dir=depot.server.log.parent)
    floors = assemble(settings)
    asked: list[str] = []
    async with floors.writing():
        pool: Any = floors.services.database.engine.pool
        connections = [await pool.acquire() for _ in range(pool.get_max_size())]
        for connection in connections:
            connection.add_query_logger(lambda record: asked.append(record.query))
        for connection in connections:
            await pool.release(connection)
        tanks = (
            "{ tankAssignments { edges { node { tankSerialNumber assignedSite { siteName } assignedDriver { username } } } } }"
        )
        assert await statements(floors, tanks, asked) == 1
        related = (
            "{ roles { edges { node { name users { count edges { node { username } } } roles { edges { node { name } } } } } } }"
        )
        assert await statements(floors, related, asked) == 3


async def test_a_function_of_the_server_is_called(depot: Depot) -> None:
    floors = assemble(Settings(database_url=depot.server.database_url, master_key="x", data_dir=depot.server.log.parent))

    async def greet(caller: Caller, params: Mapping[str, Json], objects: Writes) -> Json:
        if params.get("name") == "nobody":
            raise ParseError(ErrorCode.VALIDATION_ERROR, "name: give somebody's.")
        return {"said": f"Hello {params['name']}", "master": caller.is_master}

    floors.services.objects.hooks.define("greet", greet)
    query = """
mutation ($name: String!) { callCloudCode(input: { functionName: greet, params: { name: $name } }) { result } }
"""
    async with floors.writing():
        told = await answer(floors, query, {"name": "Ana"})
        assert told.data == {"callCloudCode": {"result": {"said": "Hello Ana", "master": True}}}
        told = await answer(floors, query, {"name": "nobody"})
        assert told.errors[0].extensions == {"code": 142}
        with pytest.raises(ParseError, match="Invalid function"):
            await floors.services.objects.hooks.call(MASTER, "other", {}, floors.services.objects)


async def answer(floors: Any, query: str, variables: dict[str, Any]) -> Any:
    """What an operation of the master key answers, on floors of the test's own."""
    build = await Schemata(floors.schemas, floors.services.objects.hooks.functions).current()
    context = Context(floors.services, floors.hub, MASTER, build.classes)
    told: Any = execute(
        build.schema, parse(query), context_value=context, variable_values=variables, execution_context_class=Executor
    )
    return await told


async def statements(floors: Any, query: str, asked: list[str]) -> int:
    """How many statements an operation of the master key asks."""
    build = await Schemata(floors.schemas).current()
    context = Context(floors.services, floors.hub, MASTER, build.classes)
    result: Any = execute(build.schema, parse(query), context_value=context, execution_context_class=Executor)
    asked.clear()
    told = await result
    assert told.errors is None, told.errors
    assert any(each["edges"] for each in told.data.values())
    return len([each for each in asked if "pg_catalog" not in each and not each.startswith(("SELECT pg_advisory", "RESET"))])
