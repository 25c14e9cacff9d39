"""Accounts: signing up, in and out, passwords, staff roles, and what a stranger learns."""

import asyncio
from dataclasses import replace

import bcrypt
import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller
from app.core.access import Authority
from app.core.wire import Object
from app.errors import ParseError
from tests.actions.world import PASSWORD, World, acl, refusing

TAKEN = "Account already exists for this username."


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({}, 200, "bad or missing username"),
        ({"username": "", "password": "p"}, 200, "bad or missing username"),
        ({"username": 7, "password": "p"}, 200, "bad or missing username"),
        ({"username": "ann"}, 201, "password is required"),
        ({"username": "ann", "password": ""}, 201, "password is required"),
        ({"username": "ann", "password": 7}, 201, "password is required"),
        ({"username": "ann", "password": "p", "email": "nowhere"}, 125, "Email address format is invalid."),
        ({"username": "ann", "password": "p", "emailVerified": True}, 119, None),
        ({"username": "ann", "password": "p", "_hashed_password": "x"}, 105, None),
        ({"username": "ann", "password": "p", "role": "admin"}, 119, None),
        ({"username": "ann", "password": "p", "role": "dispatcher"}, 119, None),
        ({"username": "ann", "password": "p", "role": "wizard"}, 119, None),
        ({"username": "ann", "password": "p", "active": False}, 119, None),
        ({"username": "ann", "password": "p", "active": "yes"}, 111, None),
        ({"authData": {"facebook": {"id": "1"}}}, 252, "This authentication method is unsupported."),
        ({"authData": None}, 252, "This authentication method is unsupported."),
        ({"authData": {"anonymous": {"id": ""}}}, 101, None),
        ({"authData": {}}, 200, "bad or missing username"),
    ],
)
async def test_sign_up_refuses(world: World, body: Object, code: int, words: str | None) -> None:
    before = await world.count("_User"), await world.count("_Session")
    with refusing(code, words):
        await world.users.sign_up(ANONYMOUS, body)
    assert (await world.count("_User"), await world.count("_Session")) == before


async def test_sign_up_makes_a_private_patient_and_a_session(world: World) -> None:
    answer = await world.users.sign_up(ANONYMOUS, {"username": "bea", "password": "p", "email": "bea@x.org"})
    assert answer.keys() == {"objectId", "createdAt", "sessionToken", "role", "active"}
    caller = await world.caller(answer)
    assert (caller.user_id, caller.role) == (answer["objectId"], "patient")
    assert caller.authority.roles == {"patient"}
    stored = await world.stored("_User", str(answer["objectId"]))
    assert (stored["role"], stored["active"]) == ("patient", True)
    assert stored["ACL"] == {answer["objectId"]: {"read": True, "write": True}}
    assert stored.keys().isdisjoint({"password", "_hashed_password", "authData", "sessionToken"})
    for other in (ANONYMOUS, await world.person(), await world.person("dispatcher")):
        with refusing(101):
            await world.objects.get_object(other, "_User", str(answer["objectId"]))


async def test_names_and_addresses_are_taken_whatever_their_case(world: World) -> None:
    await world.users.sign_up(ANONYMOUS, {"username": "Cleo", "password": "p", "email": "Cleo@x.org"})
    before = await world.count("_User")
    with refusing(202, TAKEN):
        await world.users.sign_up(ANONYMOUS, {"username": "cleo", "password": "p"})
    with refusing(203, "Account already exists for this email address."):
        await world.users.sign_up(ANONYMOUS, {"username": "cleo2", "password": "p", "email": "cleo@X.org"})
    person = await world.person()
    with refusing(202, TAKEN):
        await world.objects.update(person, "_User", str(person.user_id), {"username": "CLEO"})
    assert await world.count("_User") == before + 1


async def test_of_two_who_race_for_a_name_one_gets_it(world: World) -> None:
    body: Object = {"username": "racer", "password": "p"}
    outcomes = await asyncio.gather(*(world.users.sign_up(ANONYMOUS, body) for _ in range(4)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [(int(error.code), error.message) for error in refused if isinstance(error, ParseError)] == [(202, TAKEN)] * 3


async def test_a_provider_waits_for_approval(world: World) -> None:
    body: Object = {"username": "dr", "password": "p", "role": "provider", "active": True}
    answer = await world.users.sign_up(ANONYMOUS, body)
    assert answer["active"] is False
    assert "sessionToken" not in answer
    with refusing(119, "This account is not active; ask an admin to enable it."):
        await world.users.log_in(ANONYMOUS, {"username": "dr", "password": "p"})
    with refusing(101, "Invalid username/password."):
        await world.users.log_in(ANONYMOUS, {"username": "dr", "password": "wrong"})
    admin = await world.person("admin")
    await world.objects.update(admin, "_User", str(answer["objectId"]), {"active": True})
    assert (await world.signed_in("dr", "p")).authority.roles == {"provider"}


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({}, 200, "username/email is required."),
        ({"username": "dora"}, 201, "password is required."),
        ({"username": "dora", "password": "wrong"}, 101, "Invalid username/password."),
        ({"username": "nobody", "password": PASSWORD}, 101, "Invalid username/password."),
        ({"username": {"$ne": None}, "password": PASSWORD}, 101, "Invalid username/password."),
        ({"username": "dora", "password": {"$ne": None}}, 101, "Invalid username/password."),
        ({"username": "dora", "email": "other@x.org", "password": PASSWORD}, 101, "Invalid username/password."),
    ],
)
async def test_log_in_refuses(world: World, params: Object, code: int, words: str) -> None:
    if not await world.users.find_id_as_master("dora"):
        await world.users.create_user_as_master("dora", PASSWORD, "patient", email="dora@x.org")
    before = await world.count("_Session")
    with refusing(code, words):
        await world.users.log_in(ANONYMOUS, params)
    assert await world.count("_Session") == before


async def test_log_in_by_name_or_address(world: World) -> None:
    made = await world.users.create_user_as_master("eve", PASSWORD, "patient", email="eve@x.org")
    names: list[Object] = [{"username": "eve"}, {"username": "eve@x.org"}, {"email": "eve@x.org"}]
    for name in names:
        answer = await world.users.log_in(ANONYMOUS, {**name, "password": PASSWORD})
        assert (answer["objectId"], answer["email"], str(answer["sessionToken"])[:2]) == (made.object_id, "eve@x.org", "r:")
    assert (await world.users.verify_password(ANONYMOUS, {"username": "eve", "password": PASSWORD}))["username"] == "eve"


async def test_the_password_of_a_disabled_account_shows_nothing_of_it(world: World) -> None:
    made = await world.users.create_user_as_master("ned", PASSWORD, "nurse")
    await world.users.set_active_as_master(made.object_id, active=False)
    for asked in (world.users.log_in, world.users.verify_password):
        with refusing(119, "This account is not active; ask an admin to enable it."):
            await asked(ANONYMOUS, {"username": "ned", "password": PASSWORD})


async def test_an_account_locked_by_an_empty_acl_cannot_sign_in(world: World) -> None:
    made = await world.users.create_user_as_master("flo", PASSWORD, "patient")
    await world.objects.update(MASTER, "_User", made.object_id, {"ACL": {}})
    with refusing(101, "Invalid username/password."):
        await world.users.log_in(ANONYMOUS, {"username": "flo", "password": PASSWORD})


async def test_a_password_of_parse_server_is_known(world: World) -> None:
    made = await world.users.create_user_as_master("gus", "other", "patient")
    async with world.database.transaction() as tx:
        hashed = bcrypt.hashpw(b"theirs", bcrypt.gensalt(10, b"2b")).decode()
        await tx.execute('update "_User" set "_hashed_password" = $2 where "objectId" = $1', made.object_id, hashed)
    assert (await world.signed_in("gus", "theirs")).user_id == made.object_id


async def test_me_and_log_out(world: World) -> None:
    with refusing(209, "Invalid session token"):
        await world.users.me(ANONYMOUS)
    person = await world.person()
    me = await world.users.me(person)
    assert (me["objectId"], me["sessionToken"]) == (person.user_id, person.session_token)
    await world.users.log_out(person)
    with refusing(209, "Invalid session token"):
        await world.fresh(person)
    await world.users.log_out(ANONYMOUS)


async def test_only_the_own_account_is_changed(world: World) -> None:
    victim, stranger = await world.person(), await world.person("dispatcher")
    before = await world.stored("_User", str(victim.user_id))
    with refusing(206, f"Cannot modify user {victim.user_id}."):
        await world.objects.update(ANONYMOUS, "_User", str(victim.user_id), {"displayName": "x"})
    with refusing(206, "Insufficient auth."):
        await world.objects.update(stranger, "_User", str(victim.user_id), {"displayName": "x"})
    with refusing(206, "Insufficient auth to delete user"):
        await world.objects.delete(ANONYMOUS, "_User", str(victim.user_id))
    with refusing(206, "Insufficient auth."):
        await world.objects.delete(stranger, "_User", str(victim.user_id))
    assert await world.stored("_User", str(victim.user_id)) == before
    saved = await world.objects.update(victim, "_User", str(victim.user_id), {"displayName": "Vi", "email": "vi@x.org"})
    assert saved.response == {"updatedAt": saved.updated_at}
    assert (await world.users.me(victim))["email"] == "vi@x.org"
    await world.fresh(victim)


@pytest.mark.parametrize("body", [{"role": "admin"}, {"active": False}, {"role": {"__op": "Delete"}}, {"emailVerified": True}])
async def test_one_does_not_raise_oneself(world: World, body: Object) -> None:
    person = await world.person()
    before = await world.stored("_User", str(person.user_id))
    with refusing(119):
        await world.objects.update(person, "_User", str(person.user_id), body)
    assert await world.stored("_User", str(person.user_id)) == before
    assert (await world.fresh(person)).authority.roles == {"patient"}


async def test_the_department_is_given_by_an_admin_and_claimed_by_nobody(world: World) -> None:
    person, admin = await world.person(), await world.person("admin")
    with refusing(119, "Only an admin may say which department an account belongs to: what it may read follows from it."):
        await world.objects.update(person, "_User", str(person.user_id), {"department": "ICU"})
    with refusing(119):
        await world.users.sign_up(ANONYMOUS, {"username": "ivy", "password": "p", "department": "ICU"})
    await world.objects.update(admin, "_User", str(person.user_id), {"department": "ICU"})
    await world.objects.update(person, "_User", str(person.user_id), {"displayName": "Vi", "department": "ICU"})
    assert (await world.stored("_User", str(person.user_id)))["department"] == "ICU"
    await world.fresh(person)


async def test_a_new_password_ends_the_sessions_of_before(world: World) -> None:
    person = await world.person()
    name = str((person.user or {})["username"])
    elsewhere = await world.signed_in(name)
    saved = await world.objects.update(person, "_User", str(person.user_id), {"password": "fresh"})
    assert saved.response.keys() == {"updatedAt", "sessionToken"}
    for old in (person, elsewhere):
        with refusing(209):
            await world.fresh(old)
    assert (await world.caller(saved.response)).user_id == person.user_id
    await world.signed_in(name, "fresh")
    with refusing(101):
        await world.signed_in(name)
    by_master = await world.objects.update(MASTER, "_User", str(person.user_id), {"password": "again"})
    assert by_master.response.keys() == {"updatedAt"}
    with refusing(209):
        await world.caller(saved.response)


@pytest.mark.parametrize("password", ["", None, 7, {"__op": "Delete"}])
async def test_a_password_is_never_taken_away(world: World, password: object) -> None:
    person = await world.person()
    with refusing(201):
        await world.objects.update(person, "_User", str(person.user_id), {"password": password})  # type: ignore[dict-item]  # any JSON
    await world.fresh(person)


async def test_disabling_ends_sessions_at_once(world: World) -> None:
    person, admin, stranger = await world.person("driver"), await world.person("admin"), await world.person("driver")
    for caller in (ANONYMOUS, stranger):
        with refusing(206):
            await world.objects.update(caller, "_User", str(person.user_id), {"active": False})
    await world.fresh(person)
    await world.objects.update(admin, "_User", str(person.user_id), {"active": False})
    assert await world.rows("_Session", user={"__type": "Pointer", "className": "_User", "objectId": person.user_id}) == []
    with refusing(209):
        await world.fresh(person)
    with refusing(119):
        await world.signed_in(str((person.user or {})["username"]))


async def test_an_admin_does_not_take_over_an_account(world: World) -> None:
    person, admin = await world.person(), await world.person("admin")
    bodies: list[Object] = [{"password": "mine"}, {"email": "mine@x.org"}, {"active": True, "username": "mine"}]
    for body in bodies:
        with refusing(119):
            await world.objects.update(admin, "_User", str(person.user_id), body)
    await world.fresh(person)
    with refusing(142):
        await world.objects.update(admin, "_User", str(person.user_id), {"role": "wizard"})


async def test_a_role_moves_with_its_membership_and_its_readers(world: World) -> None:
    person, dispatcher = await world.person(), await world.person("dispatcher")
    with refusing(101):
        await world.objects.get_object(dispatcher, "_User", str(person.user_id))
    await world.users.set_role_as_master(str(person.user_id), "driver")
    with refusing(209):
        await world.fresh(person)
    again = await world.signed_in(str((person.user or {})["username"]))
    assert again.authority.roles == {"driver"}
    seen = await world.objects.get_object(dispatcher, "_User", str(person.user_id))
    assert seen["role"] == "driver"
    assert "email" not in seen
    for other in (ANONYMOUS, await world.person("driver")):
        with refusing(101):
            await world.objects.get_object(other, "_User", str(person.user_id))
    await world.users.set_role_as_master(str(person.user_id), "patient")
    with refusing(101):
        await world.objects.get_object(dispatcher, "_User", str(person.user_id))


async def test_a_user_cannot_lock_itself_out(world: World) -> None:
    person = await world.person("driver")
    await world.objects.update(person, "_User", str(person.user_id), {"ACL": acl(public="r")})
    stored = await world.stored("_User", str(person.user_id))
    assert stored["ACL"] == {
        "*": {"read": True},
        person.user_id: {"read": True, "write": True},
        "role:admin": {"read": True},
        "role:biomed": {"read": True},
        "role:pharmacist": {"read": True},
        "role:dispatcher": {"read": True},
    }


async def test_users_are_public_where_the_setting_says_so(world: World) -> None:
    answer = await world.with_settings(enforce_private_users=False).users.sign_up(
        ANONYMOUS, {"username": "hal", "password": "p", "email": "hal@x.org"}
    )
    seen = await world.objects.get_object(ANONYMOUS, "_User", str(answer["objectId"]))
    assert seen["username"] == "hal"
    assert "email" not in seen
    world.with_settings()  # puts the private rule back


async def test_anonymous_login_makes_one_account_and_knows_it_again(world: World) -> None:
    body: Object = {"authData": {"anonymous": {"id": "0f9c-1"}}}
    first = await world.users.sign_up(ANONYMOUS, body)
    again = await world.users.sign_up(ANONYMOUS, body)
    assert again["objectId"] == first["objectId"]
    assert again["authData"] == body["authData"]
    assert again["sessionToken"] != first["sessionToken"]
    assert len(str(first["username"])) >= 20
    with refusing(208, "this auth is already used"):
        await world.objects.create(ANONYMOUS, "_User", body)
    person = await world.caller(first)
    linked: Object = {"username": "ida", "password": "p", "authData": {"anonymous": None}}
    saved = await world.objects.update(person, "_User", str(person.user_id), linked)
    assert "authData" not in await world.users.me(await world.caller(saved.response))
    assert (await world.users.sign_up(ANONYMOUS, body))["objectId"] != first["objectId"]


async def test_racing_anonymous_logins_make_one_account(world: World) -> None:
    body: Object = {"authData": {"anonymous": {"id": "0f9c-2"}}}
    before = await world.count("_User")
    answers = await asyncio.gather(*(world.users.sign_up(ANONYMOUS, body) for _ in range(4)))
    assert len({str(answer["objectId"]) for answer in answers}) == 1
    assert len({str(answer["sessionToken"]) for answer in answers}) == 4
    assert await world.count("_User") == before + 1


async def test_log_in_as_needs_the_master_key(world: World) -> None:
    person = await world.person()
    read_only = Caller(Authority(is_master=True, is_read_only=True))
    for caller in (ANONYMOUS, await world.person(), read_only):
        with refusing(119):
            await world.users.log_in_as(caller, person.user_id)
    answer = await world.users.log_in_as(MASTER, person.user_id)
    assert (await world.caller(answer)).user_id == person.user_id
    for missing in (None, "", 7):
        with refusing(162, "userId must not be empty, null, or undefined"):
            await world.users.log_in_as(MASTER, missing)
    with refusing(101, "user not found"):
        await world.users.log_in_as(MASTER, "nobody")


async def test_a_deleted_account_leaves_no_session_and_no_membership(world: World) -> None:
    person = await world.person("nurse")
    await world.objects.delete(person, "_User", str(person.user_id))
    with refusing(209):
        await world.fresh(person)
    async with world.database.connection() as connection:
        members = 'select count(*) from "_Join:users:_Role" where "relatedId" = $1'
        assert await connection.fetchval(members, person.user_id) == 0


async def test_secrets_enter_neither_answers_nor_the_change_table(world: World) -> None:
    caller = replace(ANONYMOUS, installation_id="phone-1")
    answer = await world.users.sign_up(caller, {"username": "joe", "password": "hush-hush"})
    token = str(answer["sessionToken"])
    assert "assword" not in str(answer)
    async with world.database.connection() as connection:
        images = await connection.fetch("select concat(before, after) as image from careboard.change")
        stored = await connection.fetchval('select string_agg("sessionToken", chr(10)) from "_Session"')
        hashed = await connection.fetchval("""select "_hashed_password" from "_User" where "username" = 'joe'""")
    told = "\n".join(row["image"] for row in images)
    assert "joe" in told
    for secret in ("hush-hush", token, token[2:], hashed, "_hashed_password", "sessionToken", "sha256:"):
        assert secret not in told
    assert token not in stored
    assert all(line.startswith("sha256:") for line in stored.splitlines())


async def test_an_answer_to_who_signs_in_tells_where_the_files_of_the_account_are(world: World) -> None:
    await world.classes.update("_User", {"fields": {"portrait": {"type": "File"}}})
    person = await world.person()
    who = str(person.user_id)
    await world.objects.update(MASTER, "_User", who, {"portrait": {"__type": "File", "name": "face 1.png"}})
    password: Object = {"username": (person.user or {})["username"], "password": PASSWORD}
    answers = [
        await world.users.log_in(ANONYMOUS, password),
        await world.users.verify_password(ANONYMOUS, password),
        await world.users.log_in_as(MASTER, who),
        await world.users.me(person),
    ]
    url = world.objects.settings.file_urls + "face%201.png"
    assert [answer["portrait"] for answer in answers] == [{"__type": "File", "name": "face 1.png", "url": url}] * 4
