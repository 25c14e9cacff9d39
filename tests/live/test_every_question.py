"""Every kind of condition as a live query, alone and as an alternative: it opens or says why not, is told, and leaves nothing."""

import contextlib
from itertools import cycle, pairwise

from app.actions.caller import MASTER
from app.core.schema import DEFAULT_FIELDS, schema_to_wire
from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError
from tests.core.where_cases import CASES, THING
from tests.live.stage import Stage

EXTRAS: list[Object] = [
    {},
    {"order": "-number,text", "limit": 3},
    {"watch": ["text", "object.a"]},
    {"count": True},
    {"include": "owner"},
    {"keys": ["number"]},
]
WHERES = list({repr(where): where for _, where, _ in CASES if isinstance(where, dict)}.values())
BOTH: list[Json] = [{"$or": [one, other]} for one, other in pairwise(WHERES)]


async def a_thing(stage: Stage) -> str:
    fields = schema_to_wire(THING)["fields"]
    assert isinstance(fields, dict)
    return await stage.world.thing(fields={name: field for name, field in fields.items() if name not in DEFAULT_FIELDS})


async def test_every_question_opens_or_says_why_not_is_told_and_leaves_nothing(stage: Stage) -> None:
    thing = await a_thing(stage)
    client = await stage.client()
    asked = [
        await client.subscribe(thing, where, session=None, since=None, **extra)
        for where, extra in zip([*WHERES, *BOTH], cycle(EXTRAS), strict=False)
    ]
    for before, after in pairwise(given for given, _, _ in CASES):
        with contextlib.suppress(ParseError):  # some hold what no sender may set
            made = (await stage.world.objects.create(MASTER, thing, before)).object_id
            await stage.world.objects.update(MASTER, thing, made, after)
            await stage.world.objects.delete(MASTER, thing, made)
    await stage.quiet()
    errors = [following.error for following in asked if following.error is not None]
    assert ErrorCode.INTERNAL_SERVER_ERROR not in [error["code"] for error in errors]
    assert len(errors) < len(asked) / 4
    assert sum(len(following.told) for following in asked) > len(asked)
    assert [following.strays for following in asked if following.strays and following.query.get("order")] == []
    for request_id in client.following:
        await client.say({"op": "unsubscribe", "requestId": request_id})
    await stage.quiet()
    assert client.closed is None
    assert client.connection.members == {}
    assert not stage.hub.stream.router.listens_to(thing)
    assert stage.hub.stream.held == 0
