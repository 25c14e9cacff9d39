"""What a change of authority comes to for a plain subscription: the objects that came into sight, and those that went out of it.

Owns: `Difference`, how it is found (of what stayed as it is, from the database; of what changed meanwhile, from its images) and
how it is told. Always holds: what is told is an object as it is at the moment of telling, judged and redacted by the authority
of now; a leave carries no more than the objectId. May import core, store, actions and live.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from app.actions.caller import MASTER
from app.actions.objects import Objects
from app.core import nodes as ast
from app.core.access import can_read
from app.core.match import Predicate, compile_match
from app.core.wire import Object, decode, same
from app.errors import ErrorCode, ParseError
from app.live.filing.index import values_at
from app.live.frames import appeared, vanished
from app.live.membership import Held, Member
from app.live.results.keeping import Doubt, Shown
from app.live.results.plan import ANY, MOST_RESULTS, Plan
from app.live.resuming.former import Former
from app.live.stream import Stream
from app.store.changes.feed import Change
from app.store.changes.snapshot import Snapshot


@dataclass(slots=True)
class Difference:
    """Texts of the objects that came into sight, ids of those that went out of it, texts of those now shown otherwise."""

    gained: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    is_redacted_anew: bool = False


class Differences:
    """Finds what a change of authority comes to for the objects of a class."""

    def __init__(self, stream: Stream, objects: Objects) -> None:
        self._stream = stream
        self._objects = objects

    async def between(self, old: Former, new: Plan) -> Difference:
        """As the objects are now; the stream is past every snapshot it was read at. Raises 119 when they are too many."""
        had, may_have_had, has = _seen(old.least), _seen(old.most), _seen(new)
        found = Difference()
        if had != has:
            found.gained = await self._find(new, ast.both(has, ast.Nor((had,))))
        if may_have_had != has:
            lost = await self._find(new, ast.both(may_have_had, ast.Nor((has,))), keys=frozenset({"objectId"}))
            found.lost = [str(_object(text)["objectId"]) for text in lost]
        is_sure = old.is_sure or not old.reopened
        if not (is_sure and old.least.redaction.same_as(new.redaction) and old.most.redaction.same_as(new.redaction)):
            found.is_redacted_anew = True
            found.kept = await self._find(new, ast.both(had, has))
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


def tell(member: Member, difference: Difference, changed: Container[object]) -> None:
    """Tells what was found, but for the objects that have `changed` meanwhile."""
    for object_id in difference.lost:
        if object_id not in changed:
            push_leave(member, object_id)
    for op, texts in (("enter", difference.gained), ("update", difference.kept)):
        for text in texts:
            image = _object(text)
            if image["objectId"] not in changed:
                push_shown(member, op, text, image)


def push_leave(member: Member, object_id: str) -> None:
    """Tells that an object went out of sight, and nothing else of it."""
    member.connection.tell(member, "leave", vanished(member.query.class_name, object_id), 0)


def push_shown(member: Member, op: str, text: str, image: Object) -> None:
    """Tells an object as it is."""
    if member.plan.witness is not None:
        member.plan.witness.see(member.query.class_name, str(image["objectId"]))
    member.connection.tell(member, op, appeared(text, member, member.query.class_name, image), 0)


@dataclass(slots=True)
class Return:
    """What one is told who comes back over a change of authority: what moved, and what is told as if nothing had."""

    difference: Difference
    changed: dict[str, list[Change]]
    """The changes of each object whose being seen hung on the authority; all others are in `usual`."""
    usual: list[Held]
    former: Former

    def tell(self, member: Member) -> None:
        """Tells what moved; an object that changed meanwhile once, as it is now."""
        tell(member, self.difference, self.changed.keys() | {change.object_id for change, _, _ in self.usual})
        sees, had = _Eyes(member.plan), _Eyes(self.former.most)
        for object_id, changes in self.changed.items():
            # Who may have been told more than is known is told again, and to forget whatever it may have had.
            was = had.see(changes[0].before_object) if self.former.is_sure else any(map(had.see, _images(changes)))
            text, image = changes[-1].after, changes[-1].after_object
            if image is None or text is None or not sees.see(image):
                if was:
                    push_leave(member, object_id)
            elif not was:
                push_shown(member, "enter", text, image)
            elif not self.former.is_sure or self._is_shown_otherwise(member, changes[0].before_object, image):
                push_shown(member, "update", text, image)

    def _is_shown_otherwise(self, member: Member, before: Object | None, image: Object) -> bool:
        assert before is not None
        if member.watch and not self.difference.is_redacted_anew:
            return any(not same(values_at(before, path), values_at(image, path)) for path in member.watch)
        return _shown(self.former.most, before) != _shown(member.plan, image)


def returning(member: Member, former: Former, difference: Difference, changes: Iterable[Change]) -> Return:
    """Sorts what changed since by whether the change of authority matters for it."""
    by_object: dict[str, list[Change]] = {}
    for change in sorted(changes, key=lambda each: each.seq):
        if change.class_name == member.query.class_name:
            by_object.setdefault(change.object_id, []).append(change)
    eyes = [_Eyes(plan) for plan in (member.plan, former.least, former.most)]
    found = Return(difference, {}, [], former)
    for object_id, own in by_object.items():
        if not difference.is_redacted_anew and all(len({each.see(image) for each in eyes}) == 1 for image in _images(own)):
            found.usual += judged(member, own)
        else:
            found.changed[object_id] = own
    return found


def judged(member: Member, changes: Iterable[Change]) -> list[Held]:
    """The changes of its class that its live query matches, before or after."""
    query, found = member.query, list[Held]()
    for change in changes:
        if change.class_name == query.class_name:
            before, after = change.before_object, change.after_object
            was = before is not None and query.matches(before)
            now = after is not None and query.matches(after)
            if was or now:
                found.append((change, was, now))
    return found


def unsure(told: Iterable[Shown], member: Member, former: Former, changes: Iterable[Change]) -> list[Shown]:
    """What a client without cursors has of a kept result, which may have been told more than it acknowledged.

    How anything looks there that changed since is not known, nor anything where other objects changed; and where the authority
    moved, not even what it has.
    """
    had_for_sure, plan = dict(told), member.plan
    found = dict(had_for_sure)
    had, is_doubtful = _Eyes(former.most, member.query.matches), False
    for change in changes:
        if change.class_name == plan.schema.class_name and any(map(had.see, change.objects())):
            found[change.object_id] = Doubt.LOOK if change.object_id in had_for_sure else Doubt.ALL
        is_doubtful = is_doubtful or change.class_name in plan.others or ANY in plan.others
    if not former.is_like(plan):
        return [(object_id, Doubt.ALL) for object_id in found]
    return [(object_id, Doubt.LOOK if is_doubtful and shown is not Doubt.ALL else shown) for object_id, shown in found.items()]


class _Eyes:
    """Whether an image is part of the result of a plan."""

    def __init__(self, plan: Plan, matches: Predicate | None = None) -> None:
        self._matches = matches or compile_match(plan.schema, plan.where)
        self._authority = plan.caller.authority

    def see(self, image: Object | None) -> bool:
        return image is not None and self._matches(image) and can_read(image, self._authority)


def _images(changes: list[Change]) -> list[Object | None]:
    return [image for change in changes for image in change.objects()]


def _shown(plan: Plan, image: Object) -> Object:
    hidden = plan.redaction.of(image)
    return {name: value for name, value in image.items() if name not in hidden}


def _seen(plan: Plan) -> ast.Node:
    """The result of a plan, as it is asked for with the master key."""
    if plan.caller.is_master:
        return plan.where
    return ast.both(plan.where, ast.Allowed(tuple(sorted(plan.caller.authority.principals)), "read"))


def _object(text: str) -> Object:
    value = decode(text)
    assert isinstance(value, dict)
    return value
