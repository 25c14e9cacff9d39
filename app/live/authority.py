"""Authority that moves: a session that ends, a role given or taken, an account disabled, a class closed.

Owns: `Authorities`: which subscriptions such a change concerns, and how each is settled. Always holds: from the
change on, whoever it concerns is held, so nothing is sent under the old authority; then exactly the objects that came
into sight are entered and those that went out of sight are left, and the stream goes on under the new one. A leave of
this kind carries no more than the objectId. May import core, store, actions and live.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.actions.caller import MASTER
from app.actions.objects import Objects
from app.core import nodes as ast
from app.core.access import can_read
from app.core.wire import Object, decode
from app.errors import ErrorCode, ParseError
from app.live.frames import appeared, vanished
from app.live.keeping import Node
from app.live.membership import Held, Member
from app.live.plan import ANY, MOST_RESULTS, Plan, Planner
from app.live.position import Run
from app.live.stream import Stream
from app.live.upkeep import FINAL, Upkeep
from app.store.feed import Batch, Change
from app.store.snapshot import Snapshot

_log = logging.getLogger("careboard.live")

_MEMBERSHIP = "_Join:users:_Role"
_INHERITANCE = "_Join:roles:_Role"
AUTHORITY_CLASSES = frozenset({"_Session", "_User", "_Role", "_SCHEMA", _MEMBERSHIP, _INHERITANCE})

_RETRY_AFTER = 0.5


def concerns(change: Change, plan: Plan) -> bool:
    """Whether a change may alter what this caller may see of this class. Pure."""
    name = change.class_name
    if name not in AUTHORITY_CLASSES or plan.caller.is_master:
        return False
    if name == "_SCHEMA":
        return change.object_id == plan.schema.class_name or change.object_id in plan.others or ANY in plan.others
    caller = plan.caller
    before, after = change.before_object or {}, change.after_object
    match name:
        case "_Session":
            return change.object_id == caller.session_id and _differ(before, after, "expiresAt", "user")
        case "_User":
            return change.object_id == caller.user_id and _differ(before, after, "active")
        case "_Role":
            return before.get("name") in caller.authority.roles and _differ(before, after, "name")
        case "_Join:users:_Role":
            return caller.user_id is not None and caller.user_id in _related(before, after)
    return bool(caller.authority.roles)


def _differ(before: Object, after: Object | None, *names: str) -> bool:
    return after is None or any(before.get(name) != after.get(name) for name in names)


def _related(*rows: Object | None) -> set[object]:
    return {row.get("relatedId") for row in rows if row is not None}


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
        self._objects = objects
        self._planner = planner
        self._upkeep = upkeep
        upkeep.drop = self.drop
        planner.epoch = lambda: self.epoch
        self._members: dict[str | None, dict[Member, None]] = {}
        self._wide: dict[Member, None] = {}
        """The members that other classes than their own concern."""
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, member: Member) -> None:
        """Files a member by the account it reads for."""
        self._members.setdefault(member.caller.user_id, {})[member] = None
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
        if not members:
            self._members.pop(member.caller.user_id, None)

    def session_ids(self) -> list[str]:
        """The sessions that subscriptions read for."""
        members = (member for group in self._members.values() for member in group)
        return list(dict.fromkeys(member.caller.session_id for member in members if member.caller.session_id is not None))

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

    def end_sessions(self, session_ids: Iterable[str]) -> None:
        """Settles the subscriptions of sessions that have ended without a change, by their time."""
        ended = set(session_ids)
        members = [member for group in self._members.values() for member in group if member.caller.session_id in ended]
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
                for user_id in _related(change.before_object, change.after_object):
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
            difference = await self._difference(member.plan, plan)
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

    async def _difference(self, old: Plan, new: Plan) -> "_Difference":
        """What a change of authority comes to; the stream is past every snapshot it was read at."""
        _check_same_question(old, new)
        sees, saw = _allowed(new), _allowed(old)
        found = _Difference()
        if sees != saw:
            found.gained = await self._find(new, ast.both(new.where, sees, ast.Nor((saw,))))
            lost = await self._find(new, ast.both(old.where, saw, ast.Nor((sees,))), keys=frozenset({"objectId"}))
            found.lost = [str(_object(text)["objectId"]) for text in lost]
        if not old.redaction.same_as(new.redaction):
            found.is_redacted_anew = True
            found.kept = await self._find(new, ast.both(new.where, saw, sees))
        return found

    async def _find(self, plan: Plan, where: ast.Node, *, keys: frozenset[str] | None = None) -> list[str]:
        query = ast.Query(plan.schema.class_name, where=where, limit=MOST_RESULTS + 1, keys=keys)
        found = await self._objects.find(MASTER, query, cursor=True)
        if len(found.results) > MOST_RESULTS:
            words = f"Your access to more than {MOST_RESULTS} objects has changed; subscribe again."
            raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)
        if found.cursor is not None:
            await self._stream.reach(Snapshot.parse(found.cursor))
        return found.results

    def _move(self, member: Member, plan: Plan, difference: "_Difference") -> None:
        """Tells the difference as it was when the member was held, then what happened since under the new authority."""
        old = member.plan
        assert member.held is not None
        first = _first_images(member.held)
        self._remove(member)
        member.plan = plan
        self.add(member)
        for object_id in difference.lost:
            if object_id not in first:
                _push_leave(member, object_id)
        for op, texts in (("enter", difference.gained), ("update", difference.kept)):
            for text in texts:
                image = _object(text)
                if image["objectId"] not in first:
                    _push_shown(member, op, text, image)
        for object_id, (change, was, _) in first.items():
            # An object that changed meanwhile is judged by its image before the first change.
            before = change.before_object
            if before is None or change.before is None or not was:
                continue
            saw, sees = can_read(before, old.caller.authority), can_read(before, plan.caller.authority)
            if saw and not sees:
                _push_leave(member, object_id)
            elif sees and not saw:
                _push_shown(member, "enter", change.before, before)
            elif sees and difference.is_redacted_anew:
                _push_shown(member, "update", change.before, before)
        self._stream.release(member, member.held, member.held_at)


@dataclass(slots=True)
class _Difference:
    """Texts of the objects that came into sight, ids of those that went out of it, texts of those now shown otherwise."""

    gained: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    is_redacted_anew: bool = False


def _push_leave(member: Member, object_id: str) -> None:
    member.connection.tell(member, "leave", vanished(member.query.class_name, object_id), 0)


def _push_shown(member: Member, op: str, text: str, image: Object) -> None:
    if member.plan.witness is not None:
        member.plan.witness.see(member.query.class_name, str(image["objectId"]))
    member.connection.tell(member, op, appeared(text, member, member.query.class_name, image), 0)


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


def _allowed(plan: Plan) -> ast.Node:
    if plan.caller.is_master:
        return ast.Everything()
    return ast.Allowed(tuple(sorted(plan.caller.authority.principals)), "read")


def _object(text: str) -> Object:
    value = decode(text)
    assert isinstance(value, dict)
    return value
