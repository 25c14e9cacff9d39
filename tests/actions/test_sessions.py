"""Sessions and callers: whose they are, when they end, and what becomes of a token."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller, caller_of_user_as_master, hash_token, resolve
from app.actions.signing.sessions import forget_sessions
from app.core.query import Query
from app.core.wire import Object, date_to_wire, pointer
from tests.actions.world import PASSWORD, World, refusing


@pytest.mark.parametrize("token", ["", "r:0", "r:" + "0" * 32, "sha256:" + "0" * 64])
async def test_a_token_nobody_has_is_no_caller(world: World, token: str) -> None:
    async with world.database.connection() as connection:
        with refusing(209, "Invalid session token"):
            await resolve(connection, token)


async def test_the_stored_form_of_a_token_is_no_token(world: World) -> None:
    person = await world.person()
    async with world.database.connection() as connection:
        with refusing(209, "Invalid session token"):
            await resolve(connection, hash_token(str(person.session_token)))


async def test_a_session_says_how_it_began(world: World) -> None:
    phone = replace(ANONYMOUS, installation_id="phone-1")
    answer = await world.users.sign_up(phone, {"username": "kim", "password": "p"})
    caller = await world.caller(answer)
    session = await world.users.my_session(caller)
    assert session["user"] == pointer("_User", str(answer["objectId"]))
    assert (session["installationId"], session["sessionToken"]) == ("phone-1", answer["sessionToken"])
    assert session["createdWith"] == {"action": "signup", "authProvider": "password"}
    assert caller.installation_id == "phone-1"
    await world.users.log_in(phone, {"username": "kim", "password": "p"})
    with refusing(209):
        await world.fresh(caller)
    assert await world.objects.count(MASTER, sessions_of(world, caller)) == 1


async def test_who_comes_by_another_provider_signs_in_also_the_first_time(world: World) -> None:
    answer = await world.users.sign_up(ANONYMOUS, {"authData": {"anonymous": {"id": "first-time"}}})
    session = await world.users.my_session(await world.caller(answer))
    assert session["createdWith"] == {"action": "login", "authProvider": "anonymous"}


async def test_an_expired_session_is_told_apart(world: World) -> None:
    person = await world.person()
    past: Object = {"expiresAt": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}}
    with refusing(105, "Invalid key name: expiresAt"):
        await world.objects.update(person, "_Session", str(person.session_id), past)
    await world.fresh(person)
    await world.objects.update(MASTER, "_Session", str(person.session_id), past)
    with refusing(209, "Session token is expired."):
        await world.fresh(person)


async def test_a_session_is_dropped_a_day_after_its_end_and_no_other(world: World) -> None:
    now = datetime.now(UTC)
    ends = [now - timedelta(hours=25), now - timedelta(hours=23), now + timedelta(days=1)]
    people = [await world.person() for _ in ends]
    for person, end in zip(people, ends, strict=True):
        await world.objects.update(MASTER, "_Session", str(person.session_id), {"expiresAt": date_to_wire(end)})
    async with world.database.connection() as connection:
        assert await forget_sessions(connection) is False
    for person, words in zip(people[:2], ("Invalid session token", "Session token is expired."), strict=True):
        with refusing(209, words):
            await world.fresh(person)
    await world.fresh(people[2])


async def test_sessions_of_others_are_not_there(world: World) -> None:
    person, stranger = await world.person(), await world.person("admin")
    query, session_id = world.objects.parse_query("_Session", {}), str(person.session_id)
    for attempt in (
        world.objects.find(ANONYMOUS, query),
        world.objects.get(ANONYMOUS, query, session_id),
        world.objects.count(ANONYMOUS, query),
        world.objects.delete(ANONYMOUS, "_Session", session_id),
    ):
        with refusing(209, "Invalid session token"):
            await attempt
    for writing in (
        world.objects.create(ANONYMOUS, "_Session", {}),
        world.objects.update(ANONYMOUS, "_Session", session_id, {}),
    ):
        with refusing(209, "Session token required."):
            await writing
    with refusing(101):
        await world.objects.get(stranger, query, session_id)
    with refusing(101):
        await world.objects.update(stranger, "_Session", session_id, {"note": 1})
    with refusing(101):
        await world.objects.delete(stranger, "_Session", session_id)
    found = await world.objects.find_objects(stranger, query)
    assert [session["objectId"] for session in found] == [stranger.session_id]
    await world.fresh(person)


async def test_one_ends_the_own_session(world: World) -> None:
    person = await world.person()
    await world.objects.delete(person, "_Session", str(person.session_id))
    with refusing(209):
        await world.fresh(person)


async def test_a_client_makes_sessions_of_its_own_only(world: World) -> None:
    person, victim = await world.person(), await world.person()
    body: Object = {
        "user": pointer("_User", str(victim.user_id)),
        "sessionToken": "r:" + "1" * 32,
        "createdWith": {"action": "login"},
        "expiresAt": {"__type": "Date", "iso": "2099-01-01T00:00:00.000Z"},
    }
    saved = await world.objects.create(person, "_Session", body)
    made = await world.caller(saved.response)
    assert made.user_id == person.user_id
    assert saved.response["createdWith"] == {"action": "create"}
    assert saved.response["sessionToken"] != body["sessionToken"]
    assert saved.response["expiresAt"] != body["expiresAt"]
    assert await world.objects.count(MASTER, sessions_of(world, victim)) == 1


@pytest.mark.parametrize("name", ["user", "installationId", "sessionToken", "createdWith", "expiresAt"])
async def test_what_a_session_is_stays(world: World, name: str) -> None:
    person = await world.person()
    value: Object = pointer("_User", "other") if name == "user" else {"x": 1}
    with refusing(105, f"Invalid key name: {name}"):
        await world.objects.update(person, "_Session", str(person.session_id), {name: value})
    with refusing(105, "Cannot set ACL on a Session."):
        await world.objects.update(person, "_Session", str(person.session_id), {"ACL": {}})
    await world.fresh(person)


async def test_nobody_asks_for_sessions_by_token(world: World) -> None:
    person = await world.person()
    where: Object = {"sessionToken": hash_token(str(person.session_token))}
    with refusing(119, "This user is not allowed to query sessionToken on class _Session"):
        await world.objects.find(person, world.objects.parse_query("_Session", {"where": where}))


async def test_the_session_that_asks_is_asked_for_with_a_token(world: World) -> None:
    with refusing(209, "Session token required."):
        await world.users.my_session(ANONYMOUS)


async def test_roles_are_inherited(world: World) -> None:
    person = await world.person("nurse")
    nurse = (await world.rows("_Role", name="nurse"))[0]
    ward = await role(world, "ward", "nurse")
    await role(world, "house", "ward")
    assert (await world.fresh(person)).authority.roles == {"nurse", "ward", "house"}
    async with world.database.connection() as connection:
        acting = await caller_of_user_as_master(connection, str(person.user_id))
    assert acting.authority.principals == {"*", person.user_id, "role:nurse", "role:ward", "role:house"}
    back: Object = {"roles": {"__op": "AddRelation", "objects": [pointer("_Role", ward)]}}
    await world.objects.update(MASTER, "_Role", str(nurse["objectId"]), back)  # a circle ends too
    assert (await world.fresh(person)).authority.roles == {"nurse", "ward", "house"}


async def role(world: World, name: str, heir: str) -> str:
    """A role whose rights the members of `heir` have too."""
    found = (await world.rows("_Role", name=heir))[0]
    inherited = {"__op": "AddRelation", "objects": [pointer("_Role", str(found["objectId"]))]}
    saved = await world.objects.create(MASTER, "_Role", {"name": name, "ACL": {}, "roles": inherited})  # type: ignore[dict-item]  # JSON
    return saved.object_id


def sessions_of(world: World, caller: Caller) -> Query:
    return world.objects.parse_query("_Session", {"where": {"user": pointer("_User", str(caller.user_id))}})


async def test_an_account_gone_from_under_its_session_is_no_caller(world: World) -> None:
    person = await world.person()
    async with world.database.transaction() as tx:
        await tx.execute('delete from "_User" where "objectId" = $1', person.user_id)
    with refusing(209, "Invalid session token"):
        await world.fresh(person)
    with refusing(101):
        await world.users.log_in(ANONYMOUS, {"username": str((person.user or {})["username"]), "password": PASSWORD})
