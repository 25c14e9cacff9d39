"""What a kept result was at an earlier position, so that a client that comes back is told the difference.

Owns: `Past`, and `Trail`, what changed since. Always holds: the answer is exact, or there is none (`UnknownPastError`: the
client reads anew). It is found by taking the changes since that position back: an object that changed is taken as it was
before the first of them, any other as it is now; what is not known of those is read, and changes that arrive meanwhile count
too. The changes come from memory, or from the table when they are too old. May import core, store, actions and live.
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

from app.actions.caller import MASTER
from app.actions.objects import Objects
from app.core import nodes as ast
from app.core.access import can_read
from app.core.match import Predicate, compile_match
from app.core.wire import Object, decode
from app.live.authority.moves import AUTHORITY_CLASSES
from app.live.membership import LiveQuery
from app.live.results.included import Target
from app.live.results.keeping import Node, Shown, WindowNode
from app.live.results.plan import ANY, Plan
from app.live.results.relation import RelationNode
from app.live.results.relational import Inner, Leaf
from app.live.results.upkeep import Upkeep
from app.live.results.window import Entry
from app.live.resuming.position import Position
from app.live.stream import Stream
from app.store.changes.feed import Change, CursorExpired, Feed
from app.store.changes.reading import FAILURES
from app.store.changes.snapshot import Snapshot

MOST_CHANGES = 100_000
"""Who missed more than that reads anew."""

MOST_CHANGED_BYTES = 64 * 1024 * 1024
"""Or more than that, of texts: what is read for one client is in memory until it is told."""

MOST_READERS = 4
"""How many read the change table for those who come back, at once; the others wait for their turn."""

_ATTEMPTS = 20
_RETRY_AFTER = 0.1

_log = logging.getLogger("careboard.live")


class UnknownPastError(Exception):
    """What a client missed, or had, cannot be said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """For the client, in few words."""


_Older = tuple[list[Change], Snapshot]


class Trail:
    """All that changed since a position and may concern one plan."""

    def __init__(self, stream: Stream, position: Position, plan: Plan, read: Callable[[Position], Awaitable[_Older]]) -> None:
        self.position = position
        self._stream = stream
        self._needed = needed_by(plan)
        self._read = read
        self._older: _Older | None = None
        """The changes that memory does not reach back to, and how far they go."""

    async def changes(self) -> list[Change]:
        """In order, up to where the stream is when this returns. Raises UnknownPastError when they are gone, or too many."""
        found = self._found()
        while found is None:
            with self._stream.history.held():
                self._older = await self._read(self.position)
                await self._stream.reach(self._older[1])
                found = self._found()
        return found

    def _found(self) -> list[Change] | None:
        """What was read and what memory has behind it; None where something lies between."""
        older, history = self._older, self._stream.history
        if older is None:
            return history.since(self.position, self._needed)
        recent = history.since(Position(older[1]), self._needed)
        return None if recent is None else older[0] + recent


class Past:
    """Answers what was missed, and what was."""

    def __init__(self, stream: Stream, feed: Feed, objects: Objects, upkeep: Upkeep) -> None:
        self._stream = stream
        self._feed = feed
        self._objects = objects
        self._upkeep = upkeep
        self._readers = asyncio.Semaphore(MOST_READERS)

    def trail(self, position: Position, plan: Plan) -> Trail:
        """What changed since a position that may concern a plan."""
        return Trail(self._stream, position, plan, self._read_older)

    async def _read_older(self, position: Position) -> _Older:
        """From the table: all changes after a position, and how far they go, maybe further than the stream."""
        async with self._readers:
            while True:
                try:
                    return await self._read_missed(position)
                except FAILURES as cause:  # `open` ends this when its time is over
                    _log.warning("a replay lost its connection (%s); it begins again", type(cause).__name__)
                    await asyncio.sleep(_RETRY_AFTER)

    async def _read_missed(self, position: Position) -> _Older:
        found: list[Change] = []
        snapshot, size = position.base, 0
        try:
            async for batch in self._feed.replay(position.base):
                missed = [change for change in batch.changes if not position.has(change)]
                size += sum(len(change.before or "") + len(change.after or "") for change in missed)
                found += missed
                snapshot = batch.snapshot
                if len(found) > MOST_CHANGES or size > MOST_CHANGED_BYTES:
                    raise UnknownPastError("too much has changed since the cursor")
        except CursorExpired:
            raise UnknownPastError("cursor expired") from None
        return found, snapshot

    async def told(self, node: Node, trail: Trail) -> list[Shown]:
        """What a client at a position has of a node, as its `state`. Raises UnknownPastError when that cannot be said."""
        assert isinstance(node, WindowNode)
        if trail.position.is_partial:
            raise UnknownPastError("only a part was told of a change of the window")
        library = _Library()
        for _ in range(_ATTEMPTS):
            await self._upkeep.filled(node)
            changes = await trail.changes()
            if not self._upkeep.is_filled(node):
                continue
            try:
                return _Moment(changes, library, self._upkeep).state(node)
            except _RowsMissingError as lacking:
                await self._read_rows(lacking, library)
            except _ImagesMissingError as lacking:
                await self._read_images(lacking, library)
        raise UnknownPastError("too much is changing")

    async def _read_rows(self, lacking: "_RowsMissingError", library: "_Library") -> None:
        node = lacking.node
        found = await self._objects.find(node.caller, lacking.query, cursor=True, is_shown=False)
        if found.cursor is not None:
            await self._stream.reach(Snapshot.parse(found.cursor))
        entries = sorted((node.entry(_object(text), text) for text in found.results), key=lambda entry: entry.key)
        wanted = lacking.query.limit
        library.rows[node] = _Rows(entries, is_whole=wanted is None or len(entries) < wanted)

    async def _read_images(self, lacking: "_ImagesMissingError", library: "_Library") -> None:
        """As the caller of the node sees them; what is not there, or not for it, is None."""
        included = lacking.node.included
        assert included is not None
        by_class: dict[str, list[str]] = {}
        for class_name, object_id in lacking.targets:
            by_class.setdefault(class_name, []).append(object_id)
        for class_name, ids in by_class.items():
            query = ast.Query(class_name, where=ast.In(("objectId",), tuple(ids)), limit=None)
            found = await self._objects.find(MASTER, query, cursor=True)
            if found.cursor is not None:
                await self._stream.reach(Snapshot.parse(found.cursor))
            images = {str(image["objectId"]): image for image in map(_object, found.results)}
            for object_id in ids:
                image = images.get(object_id)
                seen = None if image is None else included.as_seen(class_name, image)
                library.images[lacking.node, (class_name, object_id)] = seen


def needed_by(plan: Plan) -> frozenset[str] | None:
    """The classes whose changes a plan hangs on; None is all."""
    classes = plan.others | {plan.schema.class_name} | AUTHORITY_CLASSES
    return None if ANY in classes else classes


@dataclass(frozen=True, slots=True)
class _Rows:
    """The first objects of a result as it is now, judged by the sub-queries as they were."""

    entries: list[Entry]
    is_whole: bool


@dataclass(slots=True)
class _Library:
    """What was read for one answer."""

    rows: dict[WindowNode, _Rows] = field(default_factory=dict)
    images: dict[tuple[WindowNode, Target], Object | None] = field(default_factory=dict)


class _RowsMissingError(Exception):
    """More of a result must be read."""

    def __init__(self, node: WindowNode, query: ast.Query) -> None:
        super().__init__()
        self.node = node
        self.query = query


class _ImagesMissingError(Exception):
    """Included objects must be read."""

    def __init__(self, node: WindowNode, targets: Iterable[Target]) -> None:
        super().__init__()
        self.node = node
        self.targets = list(targets)


class _Moment:
    """One moment of the past. Nothing waits here, so the present it is reckoned from stands still."""

    def __init__(self, changes: list[Change], library: _Library, upkeep: Upkeep) -> None:
        self._library = library
        self._upkeep = upkeep
        self._first: dict[Target, Change] = {}
        """The first change of each object since."""
        self._by_class: dict[str, list[Change]] = {}
        self._changes = sorted(changes, key=lambda each: each.seq)
        for change in self._changes:
            target = (change.class_name, change.object_id)
            if target not in self._first:
                self._first[target] = change
                self._by_class.setdefault(change.class_name, []).append(change)

    def state(self, node: WindowNode) -> list[Shown]:
        """The node's `state` of that moment."""
        entries = self._entries(node)
        if node.included is not None:
            entries = self._with_included(node, entries)
        return [(entry.object_id, node.seen(entry)) for entry in entries]

    def _entries(self, node: WindowNode) -> list[Entry]:
        matches, asked = self._question(node.query)
        class_name, window = node.query.class_name, node.window
        rows = self._library.rows.get(node)
        if rows is not None:
            now, is_whole = rows.entries, rows.is_whole
            frontier = None if is_whole or not now else now[-1].key
        elif asked is not None:
            raise _RowsMissingError(node, self._find(node, asked))
        else:
            now, frontier = window.all(), window.frontier
            is_whole = frontier is None
        found = [entry for entry in now if (class_name, entry.object_id) not in self._first]
        for change in self._by_class.get(class_name, ()):
            image = change.before_object
            if image is not None and matches(image) and can_read(image, node.caller.authority):
                found.append(node.entry(image))
        found.sort(key=lambda entry: entry.key)
        if window.limit is None:
            return found
        if not is_whole:
            keys = [entry.key for entry in found]
            found = found[: bisect_right(keys, frontier)] if frontier is not None else []
            if len(found) < window.skip + window.limit:
                raise _RowsMissingError(node, self._find(node, asked))
        return found[window.skip : window.skip + window.limit]

    def _find(self, node: WindowNode, asked: "Callable[[ast.Node], ast.Node] | None") -> ast.Query:
        """Reads far enough: what has changed since may have been in front."""
        wanted = node.window.wanted
        if wanted is not None:
            wanted += len(self._by_class.get(node.query.class_name, ()))
        query = replace(node.kept.read(node.plan, wanted), include=(), keys=None)
        return query if asked is None else replace(query, where=ast.rewritten(query.where, asked))

    def _question(self, query: LiveQuery) -> "tuple[Predicate, Callable[[ast.Node], ast.Node] | None]":
        """The predicate of that moment; and, where a sub-query found something else then, how to ask with what it found."""
        inners = self._upkeep.inners_of(query)
        then: dict[str, tuple[Inner, set[object]]] = {}
        for node, inner in inners:
            if isinstance(node, RelationNode):
                then[ast.canonical_text(inner.leaf)] = inner, self._related(node)
                continue
            assert isinstance(node, WindowNode)
            atoms: set[object] = set(map(_atom_of(inner), self._entries(node))) - {None}
            then[ast.canonical_text(inner.leaf)] = inner, atoms
        if all(atoms == inner.atoms.keys() for inner, atoms in then.values()):
            return query.matches, None

        def ask(leaf: ast.Node) -> ast.Node:
            known = then.get(ast.canonical_text(leaf)) if isinstance(leaf, Leaf) else None
            return leaf if known is None else known[0].literal(known[1])

        schema = inners[0][1].outer
        return compile_match(schema, query.where, lambda leaf: then[ast.canonical_text(leaf)][1]), ask

    def _related(self, node: RelationNode) -> set[object]:
        """Who was in a relation, as far as that was to be told."""
        owner = self._first.get((node.relation.class_name, node.relation.object_id))
        if not node.sees(node.owner if owner is None else owner.before_object):
            return set()
        ids: dict[str, bool] = dict.fromkeys(node.ids, True)
        for change in reversed(self._changes):
            if (change.class_name, change.object_id) == (node.query.class_name, node.relation.object_id):
                row = change.before_object or change.after_object
                assert row is not None
                ids[str(row["relatedId"])] = change.before is not None
        return {object_id for object_id, is_in in ids.items() if is_in}

    def _with_included(self, node: WindowNode, entries: list[Entry]) -> list[Entry]:
        included, lacking = node.included, dict[Target, None]()
        assert included is not None

        def look(target: Target) -> Object | None:
            change = self._first.get(target)
            if change is not None:
                before = change.before_object
                return None if before is None else included.as_seen(target[0], before)
            try:
                return included.known(target)
            except KeyError:
                if (node, target) not in self._library.images:
                    lacking[target] = None
                return self._library.images.get((node, target))

        shown = [Entry(entry.key, entry.image, None, included.show(entry.image, look)) for entry in entries]
        if lacking:
            raise _ImagesMissingError(node, lacking)
        return shown


def _atom_of(inner: Inner) -> Callable[[Entry], object]:
    return lambda entry: inner.read(entry.image)


def _object(text: str) -> Object:
    value = decode(text)
    assert isinstance(value, dict)
    return value
