"""How a subscription begins: first results or a replay, and the stream behind it, without gap or repeat.

Owns: `Opening`. Always holds: the member is held in its live query *before* the database is asked, so whatever
commits from then on is kept for it; what the database saw is named by its snapshot, so of what was kept exactly the
rest is told; and the stream has reached that snapshot before the client hears "subscribed", so no cursor it is given
is ahead of what it was told. May import core, store, actions and live.
"""

import asyncio
from dataclasses import dataclass, field

from app.actions.objects import Objects
from app.errors import ErrorCode, ParseError
from app.live.authority.authority import Authorities
from app.live.connection import Connection
from app.live.membership import Held, Member
from app.live.present import Present
from app.live.protocol import Subscription, error_frame, reload_frame, snapshot_frame
from app.live.results.keeping import Doubt, Node, Shown
from app.live.results.plan import MOST_RESULTS, Plan, Planner
from app.live.results.upkeep import Upkeep
from app.live.resuming.difference import Differences, Return, judged, returning, unsure
from app.live.resuming.elsewhere import Elsewhere
from app.live.resuming.former import MOVED, Former, Formers
from app.live.resuming.past import Past, Trail, UnknownPastError
from app.live.resuming.position import Run, parse_position
from app.live.resuming.resumption import Resumption
from app.live.stream import Stream
from app.store.changes.feed import Feed
from app.store.changes.snapshot import Snapshot, to_cursor

PATIENCE = 15.0
"""Seconds the stream may take to reach a snapshot before the client is asked to try again."""

_ATTEMPTS = 100
"""More than fit into the time."""


@dataclass(slots=True)
class _Start:
    """Where a subscription begins: what the client has by then, and what happened since."""

    snapshot: Snapshot
    cursor: str
    results: list[str] | None = None
    backlog: list[Held] = field(default_factory=list)
    moved: Return | None = None
    """What a change of its authority meanwhile comes to."""
    reload: str | None = None


class Opening:
    """Opens subscriptions."""

    def __init__(
        self,
        stream: Stream,
        feed: Feed,
        objects: Objects,
        planner: Planner,
        authorities: Authorities,
        upkeep: Upkeep,
        resumption: Resumption,
        past: Past,
        elsewhere: Elsewhere,
    ) -> None:
        self._stream = stream
        self._feed = feed
        self._objects = objects
        self._planner = planner
        self._authorities = authorities
        self._upkeep = upkeep
        self._resumption = resumption
        self._past = past
        self._elsewhere = elsewhere
        self._present = Present(objects.database)
        self._formers = Formers(stream, objects)
        self._differences = Differences(stream, objects)

    async def open(self, connection: Connection[Member], subscription: Subscription) -> None:
        """Opens one subscription and answers it. Never raises ParseError: the client is told."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._open(connection, subscription)
        except ParseError as error:
            self._refuse(connection, subscription, error)
        except TimeoutError:
            words = "The live query could not be started in time; subscribe again."
            self._refuse(connection, subscription, ParseError(ErrorCode.TIMEOUT, words))

    async def find(self, connection: Connection[Member], subscription: Subscription) -> None:
        """Answers `op: query`: what the subscription's query finds now."""
        try:
            plan = await self._planner.plan(connection.protocol, subscription)
            found = await self._objects.find(plan.caller, plan.find)
            _check_size(found.results)
        except ParseError as error:
            connection.send(error_frame(subscription.request_id, error))
            return
        frame = connection.protocol.result(subscription.request_id, found.results)
        connection.send(frame, asked_for=True)

    def _refuse(self, connection: Connection[Member], subscription: Subscription, error: ParseError) -> None:
        member = connection.members.get(subscription.request_id)
        if member is not None:
            self._authorities.drop(member)
        connection.send(connection.protocol.refused(subscription.request_id, error))

    async def _open(self, connection: Connection[Member], subscription: Subscription) -> None:
        for _ in range(_ATTEMPTS):
            epoch = self._authorities.epoch
            plan = await self._planner.plan(connection.protocol, subscription)
            if self._authorities.epoch != epoch or not connection.is_open:
                continue
            if plan.kept is not None:
                if await self._open_kept(connection, subscription, plan):
                    return
                continue
            member = self._register(connection, subscription, plan)
            start = await self._start(member)
            await self._stream.reach(start.snapshot)
            if not member.is_open:
                return
            if not member.disturbed:
                self._answer(member, start)
                return
            self._authorities.drop(member)
        if connection.is_open:
            raise ParseError(ErrorCode.TIMEOUT, "Your access keeps changing; subscribe again.")

    async def _open_kept(self, connection: Connection[Member], subscription: Subscription, plan: Plan) -> bool:
        """Opens a subscription whose result is kept; False when its authority moved meanwhile."""
        node = self._upkeep.reserve(plan)
        member = Member(connection, subscription, node.query, plan)
        member.node = node
        node.joining[member] = None
        connection.members[subscription.request_id] = member
        self._authorities.add(member)
        told, since, reason = await self._had(member, node)
        joined = await self._upkeep.join(node, member)
        if not member.is_open:
            return True
        if not joined or member.disturbed:
            self._authorities.drop(member)
            return False
        member.held = None
        if told is None or since is None:
            self._greet(member, node, reason)
        else:
            self._welcome_back(member, node, since, told)
        return True

    async def _had(self, member: Member, node: Node) -> tuple[list[Shown] | None, str | None, str | None]:
        """What its client has of a result that is kept, and the cursor it has it from; or why that cannot be said."""
        kept, since = node.kept, member.subscription.since
        if kept.count:
            return None, None, None  # the number says it all
        if since is None:
            since = None if kept.order else await self._forgotten(member)  # who keeps places begins anew
        if since is None:
            return None, None, None
        try:
            return await self._told(member, node, since), since, None
        except UnknownPastError as unknown:
            return None, since, unknown.reason if member.subscription.since is not None else None

    async def _told(self, member: Member, node: Node, since: str) -> list[Shown]:
        trail, former = await self._trail(member, since)
        if former.is_like(member.plan):
            told = await self._past.told(node, trail)
        else:
            told = await self._told_formerly(member, node, former, trail)
        if member.subscription.since is None:
            return unsure(told, member, former, await trail.changes())
        return [(object_id, Doubt.LOOK) for object_id, _ in told] if former.reopened else told

    async def _told_formerly(self, member: Member, node: Node, former: Former, trail: Trail) -> list[Shown]:
        """What it had under another authority: for the length of this question the result is kept for that one too."""
        try:
            then = self._upkeep.reserve(self._formers.asked_now(member.subscription, former))
        except ParseError as refusal:
            raise UnknownPastError(MOVED) from refusal
        if then is node:
            return await self._past.told(node, trail)
        if not then.everyone():
            self._upkeep.retire(then)  # nobody else joins it
        then.joining[member] = None
        try:
            return await self._past.told(then, trail)
        except ParseError as refusal:
            raise UnknownPastError(MOVED) from refusal
        finally:
            then.joining.pop(member, None)
            then.abandon_unless_used()

    async def _trail(self, member: Member, since: str) -> tuple[Trail, Former]:
        """What changed since a cursor, and what could be read there. Raises UnknownPastError when that cannot be said."""
        position = parse_position(since, self._feed.feed_id)
        if position is None:
            raise UnknownPastError("cursor of another database, or of before a crash of this one")
        await self._catch_up()
        trail, plan = self._past.trail(position, member.plan), member.plan
        is_exact = member.subscription.since is not None
        try:
            return trail, await self._formers.at(trail, member.subscription, plan, is_exact=is_exact)
        except UnknownPastError:
            if is_exact:
                raise
            await trail.changes()
            return trail, Former(plan, plan)  # it cannot be told to begin anew: all is judged under its present authority

    async def _forgotten(self, member: Member) -> str | None:
        """Where a client goes on that knows no cursors, whichever process it was at; None where it begins."""
        connection = member.connection
        if self._resumption.is_new(connection):
            await self._elsewhere.ask(connection)
        return self._resumption.since(member)

    def _greet(self, member: Member, node: Node, reason: str | None) -> None:
        connection, subscription = member.connection, member.subscription
        request_id, cursor = subscription.request_id, self._stream.cursor
        connection.send(connection.protocol.subscribed(request_id, cursor if connection.protocol.cursors else None))
        if reason is not None and not subscription.snapshot:  # a snapshot says it too
            connection.send(reload_frame(request_id, reason))
        results = node.greet(member, snapshot=subscription.snapshot)
        if results is not None:
            connection.send(snapshot_frame(request_id, results, cursor), asked_for=True)
        connection.begin(request_id, cursor)
        if connection.has_outbox:
            connection.flush(Run(cursor, cursor), in_stream=False)

    def _welcome_back(self, member: Member, node: Node, since: str, told: list[Shown]) -> None:
        """Tells the difference between what its client has and what is."""
        connection, request_id = member.connection, member.subscription.request_id
        connection.send(connection.protocol.subscribed(request_id, since if connection.protocol.cursors else None))
        connection.begin(request_id, since)
        self._resumption.taken(member)
        node.catch_up(member, told)
        if connection.has_outbox:
            counters = self._stream.counters
            counters.replayed += connection.flush(Run(since, self._stream.cursor), in_stream=False)

    def _register(self, connection: Connection[Member], subscription: Subscription, plan: Plan) -> Member:
        query = self._stream.router.acquire(plan.schema, plan.where)
        member = Member(connection, subscription, query, plan)
        query.members.hold(member)
        connection.members[subscription.request_id] = member
        self._authorities.add(member)
        return member

    async def _start(self, member: Member) -> _Start:
        subscription, reason = member.subscription, None
        since = subscription.since or await self._forgotten(member)
        if since is not None:
            try:
                return await self._replay(member, since)
            except UnknownPastError as unknown:
                reason = unknown.reason if subscription.since is not None else None
        if subscription.snapshot:
            return await self._first_results(member)
        start = await self._now()
        start.reload = reason
        return start

    async def _replay(self, member: Member, since: str) -> _Start:
        """What happened since a cursor. Raises UnknownPastError when that cannot be said."""
        trail, former = await self._trail(member, since)
        if former.is_like(member.plan):
            changes = await trail.changes()
            return _Start(self._stream.snapshot, since, backlog=judged(member, changes))
        try:
            difference = await self._differences.between(former, member.plan)
        except ParseError as refusal:
            if refusal.code != ErrorCode.OPERATION_FORBIDDEN:
                raise
            raise UnknownPastError(MOVED) from refusal
        moved = returning(member, former, difference, await trail.changes())  # nothing waits from here to the answer
        return _Start(self._stream.snapshot, since, backlog=moved.usual, moved=moved)

    async def _first_results(self, member: Member) -> _Start:
        found = await self._objects.find(member.caller, member.plan.find, cursor=True)
        if found.cursor is None:  # the class does not exist yet
            start = await self._now()
            start.results = []
            return start
        _check_size(found.results)
        snapshot = Snapshot.parse(found.cursor)
        return _Start(snapshot, to_cursor(self._feed.feed_id, snapshot), results=found.results)

    async def _now(self) -> _Start:
        """Where one begins that is given nothing: here and now, and where something was just written, behind that."""
        if self._stream.is_current:
            return _Start(self._stream.snapshot, self._stream.cursor)
        snapshot = await self._present.snapshot()
        return _Start(snapshot, to_cursor(self._feed.feed_id, snapshot))

    async def _catch_up(self) -> None:
        """Returns when the stream has come to this moment: what moved an authority before it was asked for is known then."""
        await self._stream.reach(await self._present.snapshot())

    def _answer(self, member: Member, start: _Start) -> None:
        connection, request_id = member.connection, member.subscription.request_id
        cursor = start.cursor if connection.protocol.cursors else None
        connection.send(connection.protocol.subscribed(request_id, cursor))
        if start.reload is not None:
            connection.send(reload_frame(request_id, start.reload))
        if start.results is not None:
            connection.send(snapshot_frame(request_id, start.results, start.cursor), asked_for=True)
        connection.begin(request_id, start.cursor)
        self._resumption.taken(member)
        assert member.held is not None
        since = [held for held in member.held if not start.snapshot.sees(held[0].xid)]
        if start.moved is not None:
            start.moved.tell(member)
        counters = self._stream.counters
        sent = counters.sent
        self._stream.release(member, [*start.backlog, *since], start.cursor)
        if member.subscription.since is not None:
            counters.replayed += counters.sent - sent


def _check_size(results: list[str]) -> None:
    if len(results) > MOST_RESULTS:
        words = f"The query matches more than {MOST_RESULTS} objects; narrow it."
        raise ParseError(ErrorCode.INVALID_QUERY, words)
