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
from app.live.authority import Authorities, concerns
from app.live.connection import Connection
from app.live.elsewhere import Elsewhere
from app.live.keeping import Node
from app.live.membership import Held, Member
from app.live.past import Past
from app.live.plan import MOST_RESULTS, Plan, Planner
from app.live.position import Run, parse_position
from app.live.present import Present
from app.live.protocol import Subscription, error_frame, reload_frame, snapshot_frame
from app.live.resumption import Resumption
from app.live.stream import Stream
from app.live.upkeep import Upkeep
from app.store.feed import Feed
from app.store.snapshot import Snapshot, to_cursor

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
        has_order = plan.kept is not None and (plan.kept.order or plan.kept.count)  # who keeps places begins anew
        since = subscription.since or (None if has_order else await self._forgotten(member))
        told = None if since is None or node.kept.count else await self._told(member, node, since)
        joined = await self._upkeep.join(node, member)
        if not member.is_open:
            return True
        if not joined or member.disturbed:
            self._authorities.drop(member)
            return False
        member.held = None
        if told is None:
            self._greet(member, node)
        else:
            assert since is not None
            self._welcome_back(member, node, since, told)
        return True

    async def _told(self, member: Member, node: Node, since: str) -> object | None:
        """What its client has of a result that is kept; None when that cannot be said."""
        position = parse_position(since, self._feed.feed_id)
        if position is None:
            return None
        await self._catch_up()
        return await self._past.told(node, position, member.plan, is_exact=member.subscription.since is not None)

    async def _forgotten(self, member: Member) -> str | None:
        """Where a client goes on that knows no cursors, whichever process it was at; None where it begins."""
        connection = member.connection
        if self._resumption.is_new(connection):
            await self._elsewhere.ask(connection)
        return self._resumption.since(member)

    def _greet(self, member: Member, node: Node) -> None:
        connection, subscription = member.connection, member.subscription
        request_id, cursor = subscription.request_id, self._stream.cursor
        connection.send(connection.protocol.subscribed(request_id, cursor if connection.protocol.cursors else None))
        if subscription.since is not None and not node.kept.count:
            connection.send(reload_frame(request_id, "cursor expired"))
        results = node.greet(member, snapshot=subscription.snapshot)
        if results is not None:
            connection.send(snapshot_frame(request_id, results, cursor), asked_for=True)
        connection.begin(request_id, cursor)
        if connection.has_outbox:
            connection.flush(Run(cursor, cursor), in_stream=False)

    def _welcome_back(self, member: Member, node: Node, since: str, told: object) -> None:
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
        subscription = member.subscription
        reason = None
        if subscription.since is not None:
            start = await self._replay(member, subscription.since)
            if start is not None:
                return start
            reason = "cursor expired"
        else:
            missed = await self._forgotten(member)
            start = await self._replay(member, missed, is_exact=False) if missed is not None else None
            if start is not None:
                return start
        if subscription.snapshot:
            return await self._first_results(member)
        start = await self._now()
        start.reload = reason
        return start

    async def _replay(self, member: Member, since: str, *, is_exact: bool = True) -> _Start | None:
        """What happened since a cursor; None when that cannot be told exactly any more.

        `is_exact` False: for one who cannot be told to begin anew; all of it is judged under its present authority.
        """
        position = parse_position(since, self._feed.feed_id)
        if position is None:
            return None
        await self._catch_up()
        missed = await self._past.missed(position, member.plan)
        if missed is None:
            return None
        changes, snapshot = missed
        start, query = _Start(snapshot, since), member.query
        for change in changes:
            if is_exact and concerns(change, member.plan):
                return None  # what an object's readers are told hangs on when access changed
            if change.class_name == query.class_name:
                before, after = change.before_object, change.after_object
                was = before is not None and query.matches(before)
                now = after is not None and query.matches(after)
                if was or now:
                    start.backlog.append((change, was, now))
        return start

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
        counters = self._stream.counters
        sent = counters.sent
        self._stream.release(member, [*start.backlog, *since], start.cursor)
        if member.subscription.since is not None:
            counters.replayed += counters.sent - sent


def _check_size(results: list[str]) -> None:
    if len(results) > MOST_RESULTS:
        words = f"The query matches more than {MOST_RESULTS} objects; narrow it."
        raise ParseError(ErrorCode.INVALID_QUERY, words)
