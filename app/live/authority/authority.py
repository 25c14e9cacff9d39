"""Authority that moves: a session that ends, a role given or taken, an account disabled, a class closed.

Owns: `Authorities`: which subscriptions such a change concerns, and how each is settled. Always holds: from the
change on, whoever it concerns is held, so nothing is sent under the old authority; then exactly the objects that came
into sight are entered and those that went out of sight are left, and the stream goes on under the new one. A leave of
this kind carries no more than the objectId. May import core, store, actions and live.
"""

import asyncio
import logging
from collections.abc import Iterator

from app.actions.objects import Objects
from app.core import nodes as ast
from app.core.access import can_read
from app.errors import ErrorCode, ParseError
from app.live.authority.expiry import Expiry
from app.live.authority.moves import AUTHORITY_CLASSES, concerns, related
from app.live.membership import Held, Member
from app.live.results.keeping import Node
from app.live.results.plan import Plan, Planner
from app.live.results.upkeep import FINAL, Upkeep
from app.live.resuming.difference import Difference, Differences, push_leave, push_shown, tell
from app.live.resuming.former import Former
from app.live.resuming.position import Run
from app.live.stream import Stream
from app.store.changes.feed import Batch, Change

_log = logging.getLogger("careboard.live")

_RETRY_AFTER = 0.5


class Authorities:
    """The subscriptions of a process by whom they read for."""

    def __init__(
        self,
        stream: Stream,
        objects: Objects,
        planner: Planner,
        upkeep: Upkeep,
    ) -> None:
        self.epoch = 0
        """Grows with every change that may move an authority."""
        self._stream = stream
        self._planner = planner
        self._upkeep = upkeep
        self._differences = Differences(stream, objects)
        upkeep.drop = self.drop
        planner.epoch = lambda: self.epoch
        self._members: dict[str | None, dict[Member, None]] = {}
        self._expiry = Expiry(self._look_again)
        self._wide: dict[Member, None] = {}
        """The members that other classes than their own concern."""
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, member: Member) -> None:
        """Files a member by the account it reads for."""
        self._members.setdefault(member.caller.user_id, {})[member] = None
        self._expiry.add(member)
        if member.plan.others:
            self._wide[member] = None

    def drop(self, member: Member) -> None:
        """Ends a subscription at once, whatever it is in."""
        members = member.connection.members
        if members.get(member.subscription.request_id) is member:
            del members[member.subscription.request_id]
            member.connection.forget(member.subscription.request_id, member)
        if member.is_open:
            self._remove(member)
            self._stream.forget(member)

    def _remove(self, member: Member) -> None:
        members = self._members.get(member.caller.user_id, {})
        members.pop(member, None)
        self._wide.pop(member, None)
        self._expiry.remove(member)
        if not members:
            self._members.pop(member.caller.user_id, None)

    def notice(self, batch: Batch) -> None:
        """Holds whom the authority changes of a batch concern, and settles them; call it before the batch is delivered."""
        moved = [change for change in batch.changes if change.class_name in AUTHORITY_CLASSES and not _is_birth(change)]
        if not moved:
            return
        self.epoch += 1
        concerned: dict[Member, None] = {}
        for change in moved:
            for member in self._candidates(change):
                if concerns(change, member.plan):
                    concerned[member] = None
        self._hold(concerned)

    def _look_again(self, members: list[Member]) -> None:
        """Settles the subscriptions of a session that has ended without a change, by its time."""
        self.epoch += 1
        self._hold(dict.fromkeys(members))

    async def settled(self) -> None:
        """Returns when nobody is being settled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Ends what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _candidates(self, change: Change) -> Iterator[Member]:
        match change.class_name:
            case "_SCHEMA":
                for query in self._stream.router.queries_of(change.object_id):
                    yield from query.everyone()
                yield from self._wide
            case "_User":
                yield from self._members.get(change.object_id, ())
            case "_Join:users:_Role":
                for user_id in related(change.before_object, change.after_object):
                    if isinstance(user_id, str):
                        yield from self._members.get(user_id, ())
            case _:
                for group in self._members.values():
                    yield from group

    def _hold(self, members: dict[Member, None]) -> None:
        for member in members:
            node = member.node
            if isinstance(node, Node):
                self._upkeep.retire(node)
            if member.held is not None:  # it is being opened or settled: whoever does that looks again
                member.disturbed = True
                continue
            told: object = None
            if isinstance(node, Node):
                told = node.state()
                node.leave(member)
                member.held = []
            else:
                member.query.members.hold(member)
            member.held_at = self._stream.cursor
            member.connection.settle(member, self._stream.cursor)
            task = asyncio.create_task(self._settle(member, told))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _settle(self, member: Member, told: object) -> None:
        """`told`: what it has of a result that is kept for it."""
        try:
            settled = False
            while member.is_open and not settled:
                settled = await self._settled(member, told)
        except ParseError as error:
            if member.is_open:
                frame = member.connection.protocol.refused(member.subscription.request_id, error)
                self.drop(member)
                member.connection.send(frame)
        finally:
            member.connection.settled(member)

    async def _settled(self, member: Member, told: object) -> bool:
        """Settles a member, or says that it must be tried again. Raises ParseError when it may read no more."""
        member.disturbed = False
        try:
            plan = await self._planner.plan(member.connection.protocol, member.subscription)
            if plan.kept is not None:
                return await self._rejoin(member, plan, told)
            _check_same_question(member.plan, plan)
            difference = await self._differences.between(Former(member.plan, member.plan), plan)
        except ParseError as error:
            if error.code in FINAL:
                raise
            _log.warning("a subscription could not be settled yet: %s", error.message)
            await asyncio.sleep(_RETRY_AFTER)
            return False
        if not member.is_open:
            return True
        if member.disturbed:
            return False
        self._move(member, plan, difference)
        return True

    async def _rejoin(self, member: Member, plan: Plan, told: object) -> bool:
        """Puts a member whose result is kept to the node of its new authority, and tells it the difference."""
        _check_same_question(member.plan, plan)
        node = self._upkeep.reserve(plan)
        member.node = node
        node.joining[member] = None
        try:
            joined = await self._upkeep.join(node, member)
        except ParseError:
            node.leave(member)
            raise
        if not member.is_open:
            return True
        if not joined or member.disturbed:
            node.leave(member)
            return False
        self._remove(member)
        member.plan, member.query, member.held = plan, node.query, None
        self.add(member)
        node.catch_up(member, told)
        if member.connection.has_outbox:
            member.connection.flush(Run(member.held_at, self._stream.cursor))
        return True

    def _move(self, member: Member, plan: Plan, difference: Difference) -> None:
        """Tells the difference as it was when the member was held, then what happened since under the new authority."""
        old = member.plan
        assert member.held is not None
        first = _first_images(member.held)
        self._remove(member)
        member.plan = plan
        self.add(member)
        tell(member, difference, first)
        for object_id, (change, was, _) in first.items():
            # An object that changed meanwhile is judged by its image before the first change.
            before = change.before_object
            if before is None or change.before is None or not was:
                continue
            saw, sees = can_read(before, old.caller.authority), can_read(before, plan.caller.authority)
            if saw and not sees:
                push_leave(member, object_id)
            elif sees and not saw:
                push_shown(member, "enter", change.before, before)
            elif sees and difference.is_redacted_anew:
                push_shown(member, "update", change.before, before)
        self._stream.release(member, member.held, member.held_at)


def _is_birth(change: Change) -> bool:
    """A new session, account or role moves nobody: a role is felt with its first membership."""
    return change.before is None and change.class_name in ("_Session", "_User", "_Role")


def _first_images(held: list[Held]) -> dict[str, Held]:
    first: dict[str, Held] = {}
    for item in sorted(held, key=lambda entry: entry[0].seq):
        first.setdefault(item[0].object_id, item)
    return first


def _check_same_question(old: Plan, new: Plan) -> None:
    if ast.canonical_text(old.where) != ast.canonical_text(new.where):
        words = f"The permissions of class {new.schema.class_name} have changed; subscribe again."
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
