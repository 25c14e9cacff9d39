"""Signing in by others over HTTP: statuses, who reads what, and what the settings of an issuer may be."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import SettingsError, load_settings
from app.main import assemble
from tests.conftest import RunningServer
from tests.issuer import Issuer

APP = {"X-Parse-Application-Id": "careboard"}


@pytest.fixture(scope="module")
def environment(issuer: Issuer) -> dict[str, str]:
    """The server knows the issuer."""
    return {"CAREBOARD_AUTH": issuer.setting()}


@pytest.fixture
async def http(running_server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{running_server.url}/parse", headers=APP, timeout=30) as http:
        yield http


def body(issuer: Issuer, who: str) -> dict[str, Any]:
    return {"authData": {"hospital": {"id": who, "id_token": issuer.token(who)}}}


async def test_a_new_account_is_201_and_a_known_one_200(
    http: httpx.AsyncClient, issuer: Issuer, running_server: RunningServer
) -> None:
    for path in ("/users", "/classes/_User"):
        who = f"http{path.replace('/', '-')}"
        first, again = [await http.post(path, json=body(issuer, who)) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 200), again.text
        user = first.json()["objectId"]
        assert {each.headers["Location"] for each in (first, again)} == {f"{running_server.url}/parse/users/{user}"}
        assert first.json().keys() == {"objectId", "createdAt", "username", "sessionToken", "role", "active"}
        assert (again.json()["objectId"], again.json()["authData"]) == (user, {"hospital": {"id": who}})
    batch = {"requests": [{"method": "POST", "path": "/parse/users", "body": body(issuer, who)}]}
    told = (await http.post("/batch", json=batch)).json()
    assert told[0]["success"]["objectId"] == user
    signed = await http.post("/login", json=body(issuer, who))
    assert (signed.status_code, signed.json()["objectId"]) == (200, user)
    assert (await http.post("/login", json=body(issuer, "nobody-yet"))).json()["code"] == 101
    in_the_address = {"authData": json.dumps(body(issuer, who)["authData"])}
    assert (await http.get("/login", params=in_the_address)).json()["code"] == 200


def named(account: dict[str, Any]) -> str:
    """The where that finds one account."""
    return json.dumps({"objectId": account["objectId"]})


async def test_only_the_account_and_the_master_key_read_its_sign_ins(
    http: httpx.AsyncClient, issuer: Issuer, running_server: RunningServer
) -> None:
    told = (await http.post("/users", json={**body(issuer, "reader"), "ACL": {"*": {"read": True}}})).json()
    other = (await http.post("/users", json={"username": "other", "password": "p"})).json()
    user = f"/users/{told['objectId']}"
    own, foreign = [{"X-Parse-Session-Token": each["sessionToken"]} for each in (told, other)]
    master = {"X-Parse-Master-Key": running_server.master_key}
    linked = {"hospital": {"id": "reader"}}
    for path in ("/users/me", user):
        assert (await http.get(path, headers=own)).json()["authData"] == linked
    assert (await http.get(user, headers=master)).json()["authData"] == linked
    await http.post("/users", json={**body(issuer, "second"), "ACL": {}})
    for path in ("/users", "/classes/_User"):
        listed = (await http.get(path, headers=master)).json()["results"]
        assert {each["authData"]["hospital"]["id"] for each in listed if "authData" in each} >= {"reader", "second"}
        assert "authData" not in next(each for each in listed if each["objectId"] == other["objectId"])
    for key, is_told in (("authData", True), ("username", False)):
        for headers in (master, own):
            found = (await http.get("/users", params={"keys": key, "where": named(told)}, headers=headers)).json()["results"]
            assert [each.get("authData") for each in found] == [linked if is_told else None]
            assert ((await http.get(user, params={"keys": key}, headers=headers)).json().get("authData") == linked) is is_told
    asked_less = {"excludeKeys": "authData", "where": named(told)}
    (less,) = (await http.get("/users", params=asked_less, headers=master)).json()["results"]
    assert "authData" not in less
    for headers in (foreign, {}):
        assert (await http.get(user, headers=headers)).json()["username"]
        assert "authData" not in (await http.get(user, headers=headers)).json()
    for path in ("/users", "/classes/_User"):
        listed = (await http.get(path, headers=own)).json()["results"]
        assert [each["objectId"] for each in listed if "authData" in each] == [told["objectId"]]
        assert next(each["authData"] for each in listed if "authData" in each) == linked
        (bare,) = (await http.get(path, params={"keys": "username", "where": named(told)}, headers=own)).json()["results"]
        assert "authData" not in bare
        for headers in (foreign, {}):
            listed = (await http.get(path, params={"where": named(told)}, headers=headers)).json()["results"]
            assert len(listed) == 1
            assert "authData" not in listed[0]
    asked = await http.get("/users", params={"where": '{"authData.hospital.id": "reader"}'}, headers=foreign)
    assert asked.status_code == 400


async def test_linking_and_unlinking_stand_in_the_audit_trail_without_the_identity(
    http: httpx.AsyncClient, issuer: Issuer, running_server: RunningServer
) -> None:
    told = (await http.post("/users", json={"username": "audited", "password": "p"})).json()
    user, own = told["objectId"], {"X-Parse-Session-Token": told["sessionToken"]}
    for sent in (body(issuer, "audited-elsewhere"), {"authData": {"hospital": None}}):
        assert (await http.put(f"/users/{user}", json=sent, headers=own)).status_code == 200
    master = {"X-Parse-Master-Key": running_server.master_key}
    asked = {"where": json.dumps({"entityId": user, "action": "update"}), "order": "objectId"}
    rows = (await http.get("/classes/AuditLog", params=asked, headers=master)).json()["results"]
    assert [row["metadata"] for row in rows] == [{"fields": ["authData"]}] * 2
    assert [row["actor"]["objectId"] for row in rows] == [user] * 2
    assert "audited-elsewhere" not in json.dumps(rows)


async def test_a_challenge_has_a_route(http: httpx.AsyncClient) -> None:
    assert (await http.post("/challenge", json={"challengeData": {"badge": {}}})).json() == {"challengeData": {}}
    refused = await http.post("/challenge", json={})
    assert (refused.status_code, refused.json()) == (400, {"code": -1, "error": "Nothing to challenge."})


async def test_the_log_holds_no_token(http: httpx.AsyncClient, issuer: Issuer, running_server: RunningServer) -> None:
    token = issuer.token("logged", exp=1)
    await http.post("/users", json={"authData": {"hospital": {"id": "logged", "id_token": token}}})
    issuer.is_down = True
    await http.post(
        "/users", json={"authData": {"hospital": {"id": "logged", "id_token": issuer.sign(issuer.claims("x"), kid="y")}}}
    )
    issuer.is_down = False
    log = running_server.log.read_text(encoding="utf-8")
    assert "the issuer of hospital cannot be used" in log
    assert token[:30] not in log


GOOD = {"issuer": "https://id.example.org/realms/x", "clientId": "a", "clientSecret": "hush-hush"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "give a JSON object such as"),
        ("[]", "give a JSON object such as"),
        ('{"anonymous": {}}', "name a provider with letters"),
        ('{"a-b": {}}', "name a provider with letters"),
        ({"x": "https://"}, "x must be an object with issuer and clientId"),
        ({"x": {**GOOD, "secret": "hush-hush"}}, "x has 'secret'; it may have issuer, clientId"),
        ({"x": {**GOOD, "issuer": "http://id.example.org"}}, "x.issuer must be an https:// address"),
        ({"x": {**GOOD, "issuer": 7}}, "x.issuer must be text"),
        ({"x": {"issuer": GOOD["issuer"]}}, "x.clientId is required"),
        ({"x": {**GOOD, "scope": "email"}}, "x.scope must have openid in it"),
        ({"x": {**GOOD, "signUp": "no"}}, "x.signUp must be true or false"),
        ({"x": {**GOOD, "roles": {"Admins": "admin"}}}, "never admin"),
    ],
)
def test_an_issuer_that_cannot_be_used_stops_the_start(tmp_path: Path, given: Any, words: str) -> None:
    text = given if isinstance(given, str) else json.dumps(given)
    with pytest.raises(SettingsError, match=r"^CAREBOARD_AUTH cannot be used: ") as error:
        load_settings({"CAREBOARD_AUTH": text}, folder=tmp_path)
    assert words in str(error.value)
    assert "hush" not in str(error.value)


def test_an_issuer_is_read_from_the_file_too(tmp_path: Path) -> None:
    lines = '[auth.hospital]\nissuer = "https://id.example.org"\nclientId = "board"\nroles = {Biomed = "biomed"}\n'
    (tmp_path / "careboard.toml").write_text(lines + '[auth.google]\nclientId = "g"\nclientSecret = "s"\n', encoding="utf-8")
    hospital, google = load_settings({}, folder=tmp_path).issuers
    assert (hospital.url, hospital.browser, hospital.roles) == ("https://id.example.org", False, (("Biomed", "biomed"),))
    assert (google.url, google.browser, google.label) == ("https://accounts.google.com", True, "Google")
    assert "client_secret" not in repr(google)


def test_a_role_that_does_not_exist_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "careboard.toml").write_text(
        '[auth.hospital]\nissuer = "https://x.org"\nclientId = "b"\n[auth.hospital.roles]\nA = "wizard"\n'
    )
    settings = load_settings({}, folder=tmp_path)
    with pytest.raises(SettingsError, match=r"hospital\.roles has 'wizard'; roles are admin"):
        assemble(replace(settings, data_dir=tmp_path))
