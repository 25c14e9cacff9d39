"""Who comes back after its own authority has moved is told what that comes to, and reads anew only where nobody knows."""

from collections.abc import Awaitable, Callable

import pytest

from app.actions.caller import MASTER, Caller
from app.core.wire import Json, Object, pointer
from app.live.resuming import history
from tests.actions.world import acl
from tests.live.stage import Client, Following, Stage

FIELDS: Object = {
    "n": {"type": "Number"},
    "name": {"type": "String"},
    "secret": {"type": "String"},
    "owner": {"type": "Pointer", "targetClass": "_User"},
}
OPEN: Object = {name: {"*": True} for name in ("find", "get", "count", "create", "update", "delete", "addField")}

PLAIN: Object = {}
WINDOW: Object = {"order": "n", "limit": 10}
INCLUDE: Object = {"include": "owner"}
KEPT = [PLAIN, WINDOW, INCLUDE]


@pytest.fixture(params=["memory", "table"], autouse=True)
def _where_changes_are(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "table":
        monkeypatch.setattr(history, "MOST_BYTES", 0)


class Crew:
    """A class, a role that some of its objects are for, and Ann, who follows all of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.thing = ""
        self.role = ""
        self.role_id = ""
        self.ann: Caller
        self.client: Client
        self.following: Following

    async def begin(self, asked: Object, *, member: bool, **permissions: Json) -> "Crew":
        world = self.stage.world
        self.ann = await world.person()
        self.thing = await world.thing(fields=FIELDS, classLevelPermissions={**OPEN, **permissions})
        self.role = f"crew{self.thing}"
        self.role_id = await self.make_role(self.role)
        if member:
            await self.member()
        self.client = await self.stage.client()
        await self.follow(asked)
        return self

    async def follow(self, asked: Object, where: Json = None) -> Following:
        self.following = await self.client.subscribe(self.thing, where, session=self.ann, since=None, snapshot=True, **asked)
        assert self.following.error is None
        return self.following

    async def make_role(self, name: str) -> str:
        return (await self.stage.world.objects.create(MASTER, "_Role", {"name": name, "ACL": acl(public="r")})).object_id

    async def member(self, op: str = "AddRelation", role_id: str | None = None) -> None:
        await self.relate(role_id or self.role_id, "users", op, pointer("_User", str(self.ann.user_id)))

    async def relate(self, role_id: str, key: str, op: str, target: Object) -> None:
        await self.stage.world.objects.update(MASTER, "_Role", role_id, {key: {"__op": op, "objects": [target]}})

    @property
    def for_crew(self) -> Object:
        return {f"role:{self.role}": {"read": True}}

    async def create(self, n: int, **body: Json) -> str:
        made = await self.stage.world.objects.create(MASTER, self.thing, {"n": n, **body})
        return made.object_id

    async def update(self, object_id: str, **body: Json) -> None:
        await self.stage.world.objects.update(MASTER, self.thing, object_id, body)

    async def away(self) -> None:
        await self.stage.quiet()
        self.client.cut()
        self.client.raw.clear()
        for following in self.client.following.values():
            following.told.clear()

    async def back(self, *, reloads: int = 0) -> None:
        await self.client.come_back()
        await self.stage.quiet()
        for following in self.client.following.values():
            assert following.error is None, following.error
            assert following.strays == []
            assert following.reloads == reloads

    def told(self) -> list[tuple[str, Json]]:
        """Each event, with the number of its object where that was shown."""
        return [(op, frame["object"].get("n")) for op, frame in self.following.told]  # type: ignore[union-attr]  # an object

    def shown(self) -> list[Json]:
        return sorted(state["n"] for state in self.following.state.values())  # type: ignore[type-var]  # all are numbers

    async def is_a_fresh_find(self) -> None:
        query = self.stage.world.objects.parse_query(
            self.thing, {name: value for name, value in self.following.query.items() if name != "className"}
        )
        found = await self.stage.world.objects.find_objects(await self.stage.world.fresh(self.ann), query)
        assert self.following.state == {each["objectId"]: each for each in found}

    def saw(self, words: bytes) -> bool:
        return any(words in raw for raw in self.client.raw)


@pytest.fixture
def crew(stage: Stage) -> Crew:
    return Crew(stage)


@pytest.mark.parametrize("asked", KEPT)
async def test_what_a_role_that_was_taken_let_one_read_is_left(crew: Crew, asked: Object) -> None:
    await crew.begin(asked, member=True)
    public, still, moved, gone = [await crew.create(n) for n in range(4)]
    for each in (still, moved, gone):
        await crew.update(each, ACL=crew.for_crew)
    await crew.away()
    await crew.update(public, name="told")
    await crew.update(moved, name="hush")
    await crew.stage.world.objects.delete(MASTER, crew.thing, gone)
    await crew.member("RemoveRelation")
    await crew.create(9, name="hush", ACL=crew.for_crew)
    await crew.back()
    assert sorted(crew.following.ops) == ["leave", "leave", "leave", "update"]
    assert crew.shown() == [0]
    assert not crew.saw(b"hush")
    await crew.is_a_fresh_find()


@pytest.mark.parametrize("asked", KEPT)
async def test_what_a_role_that_was_granted_lets_one_read_is_entered_as_it_is_now(crew: Crew, asked: Object) -> None:
    await crew.begin(asked, member=False)
    await crew.create(0)
    still, moved, closed, opened = [await crew.create(n, ACL=crew.for_crew, name="early") for n in (1, 2, 3, 4)]
    assert still
    await crew.away()
    await crew.update(moved, n=5)
    await crew.update(closed, name="hush", ACL=acl())
    await crew.member()
    await crew.update(opened, ACL=None)
    await crew.back()
    assert sorted(crew.told(), key=str) == [("enter", 1), ("enter", 4), ("enter", 5)]
    assert not crew.saw(closed.encode()), "it was never for the crew and Ann at once"
    await crew.is_a_fresh_find()
    await crew.update(still, n=7)
    await crew.stage.quiet()
    assert crew.shown() == [0, 4, 5, 7]


@pytest.mark.parametrize("asked", KEPT)
async def test_a_role_that_was_taken_and_given_back_changes_nothing(crew: Crew, asked: Object) -> None:
    await crew.begin(asked, member=True)
    one = await crew.create(1, ACL=crew.for_crew)
    await crew.away()
    await crew.member("RemoveRelation")
    await crew.update(one, n=2)
    await crew.member()
    await crew.back()
    assert crew.told() == [("update", 2)]
    await crew.is_a_fresh_find()


async def test_events_that_hang_on_no_role_are_told_one_by_one(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    one, two = await crew.create(1), await crew.create(2, ACL=crew.for_crew)
    assert two
    await crew.away()
    await crew.update(one, n=10)
    await crew.update(one, n=11)
    await crew.member("RemoveRelation")
    three = await crew.create(3)
    await crew.stage.world.objects.delete(MASTER, crew.thing, three)
    await crew.back()
    assert sorted(crew.told(), key=str) == [("create", 3), ("delete", 3), ("leave", None), ("update", 10), ("update", 11)]
    assert [n for op, n in crew.told() if op == "update"] == [10, 11]


async def above(crew: Crew) -> str:
    """A role whose members act for the crew too, with Ann in it."""
    captains = await crew.make_role(f"captains{crew.thing}")
    await crew.member(role_id=captains)
    await crew.relate(crew.role_id, "roles", "AddRelation", pointer("_Role", captains))
    return captains


@pytest.mark.parametrize("way", ["inheritance", "membership", "role deleted", "role renamed", "owner deleted"])
async def test_inherited_roles_are_known_as_they_were(crew: Crew, way: str) -> None:
    await crew.begin(PLAIN, member=False)
    captains = await above(crew)
    await crew.create(1, ACL=crew.for_crew)
    await crew.stage.quiet()
    assert crew.shown() == [1]
    objects = crew.stage.world.objects
    async with crew.stage.world.database.connection() as connection:
        await crew.away()
        match way:
            case "inheritance":
                await crew.relate(crew.role_id, "roles", "RemoveRelation", pointer("_Role", captains))
            case "membership":
                await crew.member("RemoveRelation", captains)
            case "role deleted":
                await objects.delete(MASTER, "_Role", crew.role_id)
            case "owner deleted":
                await objects.delete(MASTER, "_Role", captains)
            case "role renamed":
                await connection.execute('update "_Role" set name = $1 where "objectId" = $2', f"x{crew.role}", crew.role_id)
    await crew.back()
    assert crew.told() == [("leave", None)] if way != "owner deleted" else crew.shown() in ([], [1])
    await crew.is_a_fresh_find()


async def test_a_role_that_is_inherited_meanwhile_enters(crew: Crew) -> None:
    await crew.begin(PLAIN, member=False)
    await crew.create(1, ACL=crew.for_crew)
    await crew.away()
    await above(crew)
    await crew.back()
    assert crew.told() == [("enter", 1)]
    await crew.is_a_fresh_find()


@pytest.mark.parametrize("asked", KEPT)
@pytest.mark.parametrize("way", ["more", "less", "by role"])
async def test_fields_that_are_protected_otherwise_are_shown_so(crew: Crew, asked: Object, way: str) -> None:
    hidden: Object = {"protectedFields": {"*": ["secret"]}}
    if way == "by role":
        await crew.begin(asked, member=False)
        crew_sees: Object = {"*": ["secret"], f"role:{crew.role}": []}
        await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": {**OPEN, "protectedFields": crew_sees}})
        await crew.stage.quiet()
    else:
        await crew.begin(asked, member=True, **(hidden if way == "less" else {}))
    one, two = await crew.create(1, secret="one"), await crew.create(2, secret="two")
    assert one
    await crew.away()
    await crew.update(two, secret="three")
    if way == "by role":
        await crew.member()
    else:
        permissions: Object = {**OPEN, **(hidden if way == "more" else {})}
        await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": permissions})
        await crew.update(two, secret="four")
    await crew.back()
    assert sorted(crew.told(), key=str) == [("update", 1), ("update", 2)]
    assert crew.saw(b'"secret"') is (way != "more")
    assert not crew.saw(b'"two"'), "what it was before is nobody's who may see it now"
    await crew.is_a_fresh_find()


async def test_a_class_that_opens_to_a_role_by_its_pointers_is_followed(crew: Crew) -> None:
    await crew.begin(PLAIN, member=False)
    crew.client.cut()
    find: Object = {f"role:{crew.role}": True, "pointerFields": ["owner"]}
    permissions: Object = {**OPEN, "find": find}
    await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": permissions})
    mine = await crew.create(1, owner=pointer("_User", str(crew.ann.user_id)))
    other, third = await crew.create(2), await crew.create(3)
    assert other
    crew.client = await crew.stage.client()
    await crew.follow(PLAIN)
    assert crew.shown() == [1]
    await crew.away()
    await crew.member()
    await crew.update(third, n=4)
    await crew.update(mine, n=0)
    await crew.back()
    assert sorted(crew.told(), key=str) == [("enter", 2), ("enter", 4), ("update", 0)]
    await crew.is_a_fresh_find()
    await crew.away()
    await crew.member("RemoveRelation")
    await crew.back()
    assert crew.told() == [("leave", None)] * 2
    await crew.is_a_fresh_find()


async def test_a_class_whose_permissions_changed_for_others_is_told_as_ever(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    one = await crew.create(1)
    await crew.away()
    find: Object = {f"role:{crew.role}": True}
    permissions: Object = {**OPEN, "find": find, "delete": {}}
    await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": permissions})
    await crew.update(one, n=2)
    await crew.update(one, n=3)
    await crew.back()
    assert crew.told() == [("update", 2), ("update", 3)]


async def test_a_field_that_is_new_moves_nobody(crew: Crew) -> None:
    await crew.begin(WINDOW, member=True)
    plain = await crew.follow(PLAIN)
    one = await crew.create(1)
    await crew.away()
    await crew.update(one, quite_new=1)
    await crew.back()
    assert [op for op, _ in plain.told] == ["update"]


async def test_who_signs_in_anew_goes_on(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    await crew.create(1, ACL=crew.for_crew)
    await crew.away()
    await crew.stage.world.users.log_out(crew.ann)
    again = await crew.stage.world.signed_in(str((crew.ann.user or {})["username"]))
    crew.ann, crew.following.session = again, again.session_token
    await crew.create(2, ACL=crew.for_crew)
    await crew.back()
    assert crew.told() == [("create", 2)]


async def test_an_account_that_was_disabled_and_is_no_more_goes_on(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    await crew.stage.quiet()
    await crew.away()
    user = str(crew.ann.user_id)
    await crew.stage.world.objects.update(MASTER, "_User", user, {"active": False})
    await crew.create(1, ACL=crew.for_crew)
    await crew.stage.world.objects.update(MASTER, "_User", user, {"active": True})
    again = await crew.stage.world.signed_in(str((crew.ann.user or {})["username"]))
    crew.ann, crew.following.session = again, again.session_token
    await crew.back()
    assert crew.told() == [("create", 1)]


@pytest.mark.parametrize("asked", [PLAIN, WINDOW])
async def test_sub_queries_are_answered_with_the_eyes_of_then(crew: Crew, asked: Object) -> None:
    await crew.begin(PLAIN, member=True)
    world = crew.stage.world
    city = await world.thing(fields=FIELDS)
    houses = await world.thing(fields={**FIELDS, "at": {"type": "Pointer", "targetClass": city}})
    rome = (await world.objects.create(MASTER, city, {"name": "Rome", "ACL": crew.for_crew})).object_id
    for n in (1, 2):
        await world.objects.create(MASTER, houses, {"n": n, "at": pointer(city, rome)})
    crew.thing = houses
    await crew.follow(asked, {"at": {"$inQuery": {"className": city, "where": {"name": "Rome"}}}})
    assert crew.shown() == [1, 2]
    await crew.away()
    await crew.member("RemoveRelation")
    await crew.back()
    assert crew.following.ops == ["leave", "leave"]
    await crew.away()
    await crew.member()
    await crew.back()
    assert crew.following.ops == ["enter", "enter"]
    assert crew.shown() == [1, 2]


async def test_included_objects_are_hidden_and_shown_with_the_role(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    world = crew.stage.world
    city = await world.thing(fields=FIELDS)
    houses = await world.thing(fields={**FIELDS, "at": {"type": "Pointer", "targetClass": city}})
    rome = (await world.objects.create(MASTER, city, {"name": "Rome", "ACL": crew.for_crew})).object_id
    one = (await world.objects.create(MASTER, houses, {"n": 1, "at": pointer(city, rome)})).object_id
    crew.thing = houses
    await crew.follow({"include": "at"})
    await crew.away()
    await world.objects.update(MASTER, city, rome, {"name": "hush"})
    await crew.member("RemoveRelation")
    await crew.back()
    assert crew.told() == [("update", 1)]
    assert crew.following.state[one]["at"] == pointer(city, rome)
    assert not crew.saw(b"hush")
    await crew.away()
    await crew.member()
    await crew.back()
    assert crew.following.state[one]["at"]["name"] == "hush"  # type: ignore[index, call-overload]


async def test_a_relation_of_an_object_that_the_role_shows_is_known_as_it_was(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    one, two = await crew.create(1), await crew.create(2)
    assert two
    friends: Object = {"__op": "AddRelation", "objects": [pointer(crew.thing, one)]}
    owner = await crew.create(0, ACL=crew.for_crew)
    await crew.update(owner, friends=friends)
    await crew.follow(PLAIN, {"$relatedTo": {"object": pointer(crew.thing, owner), "key": "friends"}})
    assert crew.shown() == [1]
    await crew.away()
    await crew.member("RemoveRelation")
    await crew.back()
    assert crew.told() == [("leave", None)]


async def test_a_relation_goes_on_over_other_protected_fields(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    one, two = await crew.create(1), await crew.create(2)
    assert one != two
    await crew.update(one, friends={"__op": "AddRelation", "objects": [pointer(crew.thing, two)]})
    await crew.follow(PLAIN, {"$relatedTo": {"object": pointer(crew.thing, one), "key": "friends"}})
    await crew.away()
    permissions: Object = {**OPEN, "protectedFields": {"*": ["secret"]}}
    await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": permissions})
    await crew.back()
    assert crew.told() == [("update", 2)]


async def test_a_count_is_that_of_now(crew: Crew) -> None:
    await crew.begin({"count": True}, member=True)
    await crew.create(1, ACL=crew.for_crew)
    await crew.stage.quiet()
    assert crew.following.count == 1
    await crew.away()
    await crew.member("RemoveRelation")
    await crew.back()
    assert crew.following.count == 0


Deed = Callable[[Crew], Awaitable[None]]


async def _close_and_open(crew: Crew) -> None:
    await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": OPEN})


async def _lose_a_field(crew: Crew) -> None:
    await crew.stage.world.classes.update(crew.thing, {"fields": {"name": {"__op": "Delete"}}})


async def _forget_the_definition(crew: Crew) -> None:
    """As an earlier version wrote it."""
    await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": {**OPEN, "delete": {}}})
    async with crew.stage.world.database.connection() as connection:
        await connection.execute(
            """update careboard.change set before = '{"className": "x"}' where class = '_SCHEMA' and object_id = $1""", crew.thing
        )


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (_lose_a_field, "a class has lost a field"),
        (_forget_the_definition, "what you may read has changed"),
    ],
)
@pytest.mark.parametrize("asked", [PLAIN, WINDOW])
async def test_where_nobody_knows_the_client_reads_anew(
    crew: Crew, asked: Object, deed: Deed, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 0)  # the table can be altered
    await crew.begin(asked, member=True)
    await crew.create(1)
    await crew.away()
    await deed(crew)
    await crew.back(reloads=1)
    assert [frame["reason"] for frame in crew.client.frames if frame["op"] == "reload"] == [reason]
    assert crew.shown() == [1]


@pytest.mark.parametrize("asked", [PLAIN, WINDOW])
async def test_a_cursor_from_when_the_class_was_closed_is_answered_with_reload(crew: Crew, asked: Object) -> None:
    await crew.begin(asked, member=False)
    await crew.stage.world.classes.update(crew.thing, {"classLevelPermissions": {**OPEN, "find": {}, "get": {}}})
    await crew.stage.quiet()
    assert crew.following.error is not None
    cursor = crew.stage.hub.stream.cursor
    await _close_and_open(crew)
    client = await crew.stage.client()
    await client.subscribe(crew.thing, None, session=crew.ann, since=cursor, **asked)
    assert client.frames[-1] == {"op": "reload", "requestId": 1, "reason": "what you may read has changed"}


async def test_a_cut_in_the_middle_of_being_told_reads_anew(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    one, two = await crew.create(1, ACL=crew.for_crew), await crew.create(2, ACL=crew.for_crew)
    assert one != two
    await crew.away()
    await crew.member("RemoveRelation")
    await crew.back()
    assert crew.following.ops == ["leave", "leave"]
    first = str(crew.following.told[0][1]["cursor"])
    crew.client.cut()
    crew.following.cursor = first  # the second was not received
    await crew.back(reloads=1)
    assert crew.shown() == []


# ---- clients that know no cursors


async def phone(crew: Crew, asked: Object) -> Following:
    crew.client = await crew.stage.client(cursors=False, installationId=crew.thing)
    crew.following = await crew.client.subscribe(crew.thing, session=crew.ann, since=None, **asked)
    assert crew.following.error is None
    await crew.stage.quiet()
    return crew.following


@pytest.mark.parametrize("asked", [PLAIN, INCLUDE])
async def test_an_sdk_is_told_what_a_role_let_in_and_out_meanwhile(crew: Crew, asked: Object) -> None:
    await crew.begin(PLAIN, member=True)
    one = await crew.create(1, ACL=crew.for_crew)
    first = await phone(crew, asked)
    assert first.told == []
    crew.client.cut()
    await crew.member("RemoveRelation")
    await crew.update(one, name="hush")
    await phone(crew, asked)
    assert crew.told() == [("leave", None)]
    assert not crew.saw(b"hush")
    crew.client.answer_ping()
    crew.client.cut()
    await crew.member()
    await phone(crew, asked)
    assert crew.told() == [("enter", 1)]


@pytest.mark.parametrize("asked", [PLAIN, INCLUDE])
async def test_an_sdk_that_may_have_been_told_more_is_told_to_forget_it(crew: Crew, asked: Object) -> None:
    """What came after its last pong may have arrived or not: the role came, and was taken while it was away."""
    await crew.begin(PLAIN, member=False)
    one, two = await crew.create(1, ACL=crew.for_crew), await crew.create(2)
    await phone(crew, asked)
    await crew.member()
    await crew.stage.quiet()
    assert crew.told() == [("enter", 1)]
    await crew.stage.world.objects.delete(MASTER, crew.thing, two)
    await crew.stage.quiet()
    crew.client.cut()
    await crew.member("RemoveRelation")
    await phone(crew, asked)
    left = {frame["object"]["objectId"] for op, frame in crew.following.told if op in ("leave", "delete")}  # type: ignore[index, call-overload]  # an object
    assert left == {one, two}


async def test_an_sdk_that_may_have_been_told_of_an_object_that_is_gone_hears_so(crew: Crew) -> None:
    await crew.begin(PLAIN, member=True)
    await phone(crew, INCLUDE)
    one = await crew.create(1)
    await crew.stage.quiet()
    assert crew.told() == [("create", 1)]
    crew.client.cut()
    await crew.stage.world.objects.delete(MASTER, crew.thing, one)
    await phone(crew, INCLUDE)
    assert crew.told() == [("leave", None)]
