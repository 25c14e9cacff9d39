"""Attacks that once succeeded: each is tried at the doors of a running server and comes to nothing."""

import base64
from typing import Any

import httpx
import pytest

from app.core.wire import Object, pointer
from tests.api.depot import Phone, sign_in
from tests.api.graphql.asker import anonymous
from tests.api.test_files import get, upload
from tests.conftest import PATIENCE, RunningServer


@pytest.fixture(scope="module")
async def people(running_server: RunningServer) -> dict[str, Phone]:
    app = {"X-Parse-Application-Id": running_server.app_id}
    people = {"master": Phone(running_server, "", {**app, "X-Parse-Master-Key": running_server.master_key})}
    people["nobody"] = Phone(running_server, "", app)
    for who, role in (("ana", "patient"), ("eve", "patient"), ("nurse", "nurse")):
        people[who] = await sign_in(people["master"], people["nobody"], role)
    return people


def _looks_like(own: Object, name: str) -> list[Any]:
    return [
        [own, {"name": name}],
        [own, {"__type": ["File"], "name": name}],
        {"a": own, "b": [{"__type": "Other"}, {"name": name}]},
        [own, [own, {"name": name}]],
    ]


@pytest.mark.parametrize("number", range(4))
async def test_a_value_that_only_looks_like_a_file_opens_none(people: dict[str, Phone], number: int) -> None:
    secret, own = await upload(people["ana"]), await upload(people["eve"])
    value = _looks_like({"__type": "File", "name": own}, secret)[number]
    await people["eve"].ask("POST", "/classes/Trick", {f"held{number}": value})
    assert (await get(people["eve"], own)).status_code == 200
    assert (await get(people["eve"], secret)).status_code == 404


async def test_a_range_of_thousands_of_digits_is_no_range(people: dict[str, Phone]) -> None:
    name = await upload(people["ana"])
    assert (await get(people["ana"], name, Range=f"bytes={'9' * 5000}-")).status_code == 200


HIDING = "{" + " ".join(f"a{number}: health" for number in range(1000)) + "}"
TOO_DEAR = "edges { node { users(first: $n) { edges { node { id } } } } }"
HOSTILE = [
    ("# a comment ends here\r" + HIDING, "more than 100 aliases"),
    ('{ health @skip(if: """\\\\""" """) ' + HIDING[1:], "more than 100 aliases"),
    (f"query ($n: Int = 1000) {{ roles(first: $n) {{ {TOO_DEAR} }} }}", "cost"),
    ("{" + " ".join("...{" + "health " * 19 + "}" for _ in range(200)) + "}", "too often"),
    ("{ ...F0 }" + "".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(600)), "deeper"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "words"), HOSTILE)
async def test_a_query_that_hides_from_the_limits_is_refused(running_server: RunningServer, query: str, words: str) -> None:
    status, told = await anonymous(running_server).post(query)
    assert (status, words in told["errors"][0]["message"]) == (400, True), told


async def test_a_number_with_a_point_counts_as_the_number_it_is(running_server: RunningServer) -> None:
    query = f"query ($n: Int) {{ roles(first: $n) {{ {TOO_DEAR} }} }}"
    status, told = await anonymous(running_server).post(query, {"n": 1000.0})
    assert (status, "cost" in told["errors"][0]["message"]) == (400, True), told


async def test_nobody_learns_whose_record_it_is_by_noting_a_look_at_it(people: dict[str, Phone]) -> None:
    ana, eve = people["ana"], people["eve"]
    profile = await ana.make("Patient", {"user": pointer("_User", ana.user), "name": "Ana Roy"})
    result: Object = {
        "patient": pointer("_User", ana.user),
        "labTestName": "WBC",
        "result": 4,
        "unit": "10^9/L",
        "date": {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"},
    }
    lab = await people["master"].make("LabTrend", result)
    for class_name, object_id in (("LabTrend", lab), ("Patient", profile)):
        look: Object = {
            "user": pointer("_User", eve.user),
            "accessTime": {"__type": "Date", "iso": "2026-01-02T00:00:00.000Z"},
            "entityType": class_name,
            "entityId": object_id,
        }
        status, told = await eve.ask("POST", "/classes/AccessLog", look)
        assert (status, told.get("code")) == (400, 119), told
        status, told = await ana.ask("POST", "/classes/AccessLog", {**look, "user": pointer("_User", ana.user)})
        assert status == 201, told


async def test_a_clinician_does_not_take_over_the_record_of_a_patient_who_has_left(people: dict[str, Phone]) -> None:
    master, nobody = people["master"], people["nobody"]
    gone = await sign_in(master, nobody, "patient")
    profile = await gone.make("Patient", {"name": "Gone", "user": pointer("_User", gone.user)})
    result: Object = {
        "patient": pointer("_User", gone.user),
        "labTestName": "WBC",
        "result": 4,
        "unit": "10^9/L",
        "date": {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"},
    }
    await master.make("LabTrend", result)
    status, told = await gone.ask("DELETE", f"/classes/Patient/{profile}")
    assert status == 200, told
    taken: Object = {"name": "Mine now", "user": pointer("_User", gone.user)}
    status, told = await people["nurse"].ask("POST", "/classes/Patient", taken)
    assert (status, told.get("code")) == (400, 119), told
    assert await people["nurse"].find("LabTrend", {"patient": pointer("_User", gone.user)}) == []
    fresh = await sign_in(master, nobody, "patient")
    await people["nurse"].make("Patient", {"name": "New", "user": pointer("_User", fresh.user)})


async def test_system_classes_show_a_stranger_no_more_by_graphql_than_by_rest(people: dict[str, Phone]) -> None:
    eve = people["eve"]
    asker = anonymous(eve.server).signed_in(str(eve.token))
    found = await asker.ask("{ sessions { edges { node { user { objectId } } } } }")
    assert {each["node"]["user"]["objectId"] for each in found["sessions"]["edges"]} == {eve.user}
    for query in ("{ auditLogs { edges { node { summary } } } }", "{ alerts { edges { node { message } } } }"):
        _, told = await asker.post(query)
        data = told.get("data")
        assert not data or all(not each["edges"] for each in data.values()), told
    _, told = await asker.post("{ installations { edges { node { installationId } } } }")
    assert told.get("errors"), told
    for owner in ("ana", "nurse"):
        _, mine = await people["master"].ask("GET", "/sessions", where={"user": pointer("_User", people[owner].user)})
        for each in mine["results"]:
            for name in ("_Session", "Session"):
                text = base64.b64encode(f"{name}:{each['objectId']}".encode()).decode()
                _, told = await asker.post("query ($id: ID!) { node(id: $id) { id } }", {"id": text})
                assert told["errors"][0]["extensions"]["code"] == 101, told


async def test_a_multipart_request_nested_without_end_is_told_so(people: dict[str, Phone]) -> None:
    eve = people["eve"]
    for operations, places in (
        ("[" * 100_000, "{}"),
        ("{}", "[" * 100_000),
        ('{"query": 1}', "{}"),
        ('{"query": "{health}"}', '{"0": 5}'),
    ):
        async with httpx.AsyncClient(base_url=eve.server.url, headers=eve.headers, timeout=PATIENCE) as client:
            answer = await client.post("/graphql", data={"operations": operations, "map": places}, files={"0": ("a.txt", b"x")})
        assert answer.status_code == 400, (operations[:30], places[:30], answer.status_code, answer.text[:200])
