"""The nodes of a process: made when first asked for, read from the database, read again when they run short.

Owns: `Upkeep`. Always holds: a node is held in its live query *before* the database is asked, and the stream has
reached the snapshot that was seen before it is filed again, so what it keeps is exact at every moment it is shown; a
node is read as its caller would find, under the same checks; it goes with its last member. May import core, store,
actions and live.
"""

import asyncio
import logging
from collections.abc import Callable

from app.actions.caller import MASTER
from app.actions.objects import Objects
from app.actions.visibility import View
from app.core import nodes as ast
from app.core.match import Predicate, compile_match
from app.core.query import Query
from app.core.schema import ClassSchema
from app.core.wire import decode
from app.errors import ErrorCode, ParseError
from app.live.membership import LiveQuery, Member
from app.live.results.included import Included
from app.live.results.keeping import CountNode, Node, Touched, WindowNode
from app.live.results.plan import ANY, Kept, Plan
from app.live.results.relation import RelationNode
from app.live.results.relational import Inner
from app.live.resuming.position import Run
from app.live.stream import Stream
from app.store.changes.reading import FAILURES, read_now
from app.store.changes.snapshot import Snapshot
from app.store.rows.objects import select_related

_log = logging.getLogger("careboard.live")

_RETRY_AFTER = 0.5

FINAL = (
    ErrorCode.INVALID_SESSION_TOKEN,
    ErrorCode.OPERATION_FORBIDDEN,
    ErrorCode.OBJECT_NOT_FOUND,
    ErrorCode.INVALID_QUERY,
)
"""Errors that trying again does not mend."""


class Upkeep:
    """Makes, fills and forgets nodes."""

    def __init__(self, stream: Stream, objects: Objects) -> None:
        self.drop: Callable[[Member], None] = stream.forget
        """Ends a subscription; the authorities know more of it than the stream."""
        self.reads = 0
        """How often a node was read from the database, for whoever watches the server."""
        self._stream = stream
        self._objects = objects
        self._tasks: dict[Node, asyncio.Task[None]] = {}
        self._inners: dict[LiveQuery, list[tuple[Node, Inner]]] = {}
        """The sub-queries of a live query, and the nodes that answer them."""

    def reserve(self, plan: Plan) -> Node:
        """The node for a plan, made and being filled if it is new. Put a member into `joining` before you wait."""
        kept = plan.kept
        assert kept is not None
        query = self._acquire(plan)
        key = kept.key(plan.caller)
        known = query.kept.get(key)
        if known is not None:
            assert isinstance(known, Node)
            return known
        node = self._make(query, plan, kept)
        node.abandon, node.refill = self._abandon, self._refill
        query.kept[key] = node
        self._refill(node)
        return node

    def _unfollow_classes(self, node: Node) -> None:
        for class_name in node.plan.inside:
            self._stream.unfollow((class_name, ANY), node)

    def _make(self, query: LiveQuery, plan: Plan, kept: Kept) -> Node:
        if kept.count:
            return CountNode(query, plan, kept)
        if kept.relation is not None:
            return self._make_relation(query, plan, kept)
        if not kept.include:
            return WindowNode(query, plan, kept)
        included = Included(kept.include, plan.schema, plan.caller, self._objects.schemas, self._objects.settings)
        node = WindowNode(query, plan, kept, included)
        included.follow = lambda target: self._stream.follow(target, node)
        included.unfollow = lambda target: self._stream.unfollow(target, node)
        return node

    def _make_relation(self, query: LiveQuery, plan: Plan, kept: Kept) -> RelationNode:
        schemas, settings = self._objects.schemas, self._objects.settings

        def schema_of(name: str) -> ClassSchema | None:
            return schemas.get(name) if schemas.has(name) else None

        node = RelationNode(query, plan, kept, schema_of, View(schemas, settings, plan.caller))
        for target in node.targets:
            self._stream.follow(target, node)
        return node

    def _acquire(self, plan: Plan) -> LiveQuery:
        """The live query of a plan, with a node for each of its sub-queries."""
        router = self._stream.router
        if not plan.inners:
            return router.acquire(plan.schema, plan.where)
        known = router.find(plan.schema.class_name, plan.where, plan.whose)
        if known is not None:
            return known
        made: dict[str, tuple[Node, Inner]] = {}
        try:
            for leaf, inner_plan in plan.inners:
                inner = Inner(leaf, inner_plan.schema, plan.schema)
                node = self.reserve(inner_plan)
                node.inners[inner] = None
                if node.held is None:
                    node.answer()
                made[ast.canonical_text(leaf)] = node, inner

            def compiler(schema: ClassSchema, where: ast.Node) -> Predicate:
                return compile_match(schema, where, lambda leaf: made[ast.canonical_text(leaf)][1].atoms)

            query = router.acquire(plan.schema, plan.where, compiler, plan.whose)
        except ParseError:
            self._drop_inners(list(made.values()))
            raise
        self._inners[query] = list(made.values())
        for _, inner in made.values():
            inner.changed = lambda: self._read_again(query)
        return query

    def _read_again(self, query: LiveQuery) -> None:
        for node in query.nodes.all():
            assert isinstance(node, Node)
            self._refill(node)

    def _drop_inners(self, inners: list[tuple[Node, Inner]]) -> None:
        for node, inner in inners:
            node.inners.pop(inner, None)
            node.abandon_unless_used()

    async def _inners_filled(self, node: Node) -> None:
        """Waits until the sub-queries are answered. Raises ParseError when they cannot be."""
        inners = [inner for inner, _ in self._inners.get(node.query, ())]
        while waiting := [inner for inner in inners if inner.held is not None or inner.error is not None]:
            if waiting[0].error is not None:
                raise waiting[0].error
            await waiting[0].filled.wait()

    def inners_of(self, query: LiveQuery) -> list[tuple[Node, Inner]]:
        """The sub-queries of a live query, and the nodes that answer them."""
        return self._inners.get(query, [])

    def is_filled(self, node: Node) -> bool:
        """Whether it, and all that it is judged by, is what the stream makes of it at this moment."""
        return not node.is_behind and all(self.is_filled(inner) for inner, _ in self.inners_of(node.query))

    async def filled(self, node: Node) -> None:
        """Returns when a node, and all that it is judged by, has been read. Raises ParseError when it cannot be."""
        for inner, _ in self.inners_of(node.query):
            await self.filled(inner)
        while node.held is not None or node.error is not None:
            if node.error is not None:
                raise node.error
            await node.filled.wait()

    async def join(self, node: Node, member: Member) -> bool:
        """Waits until the node is filled and makes the member one of it; False if it was dropped meanwhile.

        Raises ParseError when the node cannot be filled.
        """
        while member.node is node and member.is_open and (node.held is not None or node.error is not None):
            if node.error is not None:
                raise node.error
            await node.filled.wait()
        if not member.is_open or member.node is not node:
            return False
        node.joining.pop(member, None)
        node.members[member] = None
        return True

    def retire(self, node: Node) -> None:
        """Nobody new joins a node whose authority may have moved."""
        key = node.kept.key(node.caller)
        if node.query.kept.get(key) is node:
            del node.query.kept[key]

    async def stop(self) -> None:
        """Ends what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Returns when nothing is being read."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _abandon(self, node: Node) -> None:
        self.retire(node)
        node.query.nodes.remove(node)
        self._unfollow_classes(node)
        if isinstance(node, WindowNode) and node.included is not None:
            node.included.forget()
        if isinstance(node, RelationNode):
            for target in node.targets:
                self._stream.unfollow(target, node)
        self._stream.router.release(node.query)
        if not node.query.is_asked:
            self._drop_inners(self._inners.pop(node.query, []))
        node.error = node.error or ParseError(ErrorCode.TIMEOUT, "Nobody waits for this result any more; subscribe again.")
        node.filled.set()
        task = self._tasks.pop(node, None)
        if task is not None:
            task.cancel()

    def _refill(self, node: Node) -> None:
        if node in self._tasks:
            node.again = True
            return
        node.filled.clear()
        node.pause(self._stream.cursor)
        node.query.nodes.hold(node)
        for class_name in node.plan.inside:  # which of their objects are shown is known when it has been read
            self._stream.follow((class_name, ANY), node)
        task = asyncio.create_task(self._fill(node))
        self._tasks[node] = task

    async def _fill(self, node: Node) -> None:
        try:
            filled = False
            while not filled:
                filled = await self._filled(node)
        except ParseError as error:
            self._give_up(node, error)
        except Exception:  # noqa: BLE001 - those who wait for it must hear of it
            _log.exception("a live result could not be read")
            self._give_up(node, ParseError(ErrorCode.INTERNAL_SERVER_ERROR, "Internal server error."))
        finally:
            if self._tasks.get(node) is asyncio.current_task():
                del self._tasks[node]

    async def _filled(self, node: Node) -> bool:
        """Reads a node once; False when it must be tried again. Raises ParseError when that would not help."""
        await self._inners_filled(node)
        node.again = False
        self.reads += 1
        try:
            texts, count, snapshot = await self._read(node)
        except ParseError as error:
            if error.code in FINAL:
                raise
            _log.warning("a live result could not be read yet: %s", error.message)
            await asyncio.sleep(_RETRY_AFTER)
            return False
        except FAILURES as cause:
            _log.warning("a live result could not be read yet (%s)", type(cause).__name__)
            await asyncio.sleep(_RETRY_AFTER)
            return False
        await self._stream.reach(snapshot)
        before = node.state()
        if isinstance(node, WindowNode):
            node.load(texts)
        elif isinstance(node, CountNode):
            node.load(count)
        node.replay(lambda change: snapshot.sees(change.xid))
        self._unfollow_classes(node)
        node.query.nodes.file(node)
        touched: Touched = {}
        for member in node.members:
            node.catch_up(member, before)
            touched[member.connection] = None
        run = Run(self._stream.cursor, self._stream.cursor)
        for connection in touched:
            if connection.has_outbox:
                connection.flush(run)
        node.go_on()
        node.filled.set()
        self._tasks.pop(node, None)
        node.answer()
        if node.again:
            self._refill(node)
        else:
            node.end_tick({})
        return True

    async def _read(self, node: Node) -> tuple[list[str], int, Snapshot]:
        if isinstance(node, RelationNode):
            return await self._read_relation(node)
        return await self._find(node)

    async def _read_relation(self, node: RelationNode) -> tuple[list[str], int, Snapshot]:
        relation = node.relation
        owned = Query(relation.class_name, where=ast.Compare(("objectId",), "eq", relation.object_id))
        found = await self._objects.find(MASTER, owned, cursor=True)
        owner = decode(found.results[0]) if found.results else None
        async with self._objects.database.connection() as connection:
            if isinstance(node.plan.where, ast.Nothing):
                ids, snapshot = list[str](), await read_now(connection)
            else:
                ids, snapshot = await select_related(connection, relation.class_name, relation.object_id, relation.key)
        at = None if found.cursor is None else Snapshot.parse(found.cursor)
        node.load(ids, owner if isinstance(owner, dict) else None, at)
        return [], 0, snapshot

    async def _find(self, node: Node) -> tuple[list[str], int, Snapshot]:
        wanted = node.window.wanted if isinstance(node, WindowNode) else None
        found = await self._objects.find(node.caller, node.kept.read(node.plan, wanted), cursor=True, is_shown=False)
        if found.cursor is not None:
            return found.results, found.count or 0, Snapshot.parse(found.cursor)
        none = await self._objects.find(MASTER, Query("_Role", limit=0), cursor=True)  # the class does not exist yet
        assert none.cursor is not None
        return [], 0, Snapshot.parse(none.cursor)

    def _give_up(self, node: Node, error: ParseError) -> None:
        self._tasks.pop(node, None)
        self.retire(node)
        self._unfollow_classes(node)
        node.error = error
        node.filled.set()
        for inner in list(node.inners):
            inner.changed()
        for member in list(node.members):
            frame = member.connection.protocol.refused(member.subscription.request_id, error)
            self.drop(member)
            member.connection.send(frame)
