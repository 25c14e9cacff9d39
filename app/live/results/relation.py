"""Who is in a relation: the answer to `$relatedTo` in a live where.

Owns: `RelationNode`. Always holds: it is kept from the rows of the relation as they stand in the stream, and tells of
nobody while its caller may not read the object that owns the relation, which it follows too. No I/O: `upkeep` reads. May
import core, actions and live.
"""

from collections.abc import Callable

from app.actions.visibility import View
from app.core.match import Predicate, compile_match
from app.core.schema import ClassSchema
from app.core.wire import Object
from app.live.membership import Event, LiveQuery, Member
from app.live.results.keeping import Node, Touched
from app.live.results.plan import Kept, Plan
from app.live.results.window import Entry
from app.store.changes.feed import Change
from app.store.changes.snapshot import Snapshot


class RelationNode(Node):
    """The ids in one relation of one object, for one authority."""

    def __init__(
        self, query: LiveQuery, plan: Plan, kept: Kept, schema_of: Callable[[str], ClassSchema | None], view: View
    ) -> None:
        super().__init__(query, plan, kept)
        assert kept.relation is not None
        self.relation = kept.relation
        self.owner: Object | None = None
        """The object whose relation it is, as it is stored."""
        self._related: set[str] = set()
        self._schema_of = schema_of
        self._view = view
        self._sight: tuple[ClassSchema, Predicate] | None = None
        self._is_seen = False
        self._owner_at: Snapshot | None = None
        self._held_owner: list[Change] = []

    @property
    def targets(self) -> list[tuple[str, str]]:
        """What it follows: the object, and its class."""
        return [(self.relation.class_name, self.relation.object_id), ("_SCHEMA", self.relation.class_name)]

    @property
    def size(self) -> int:
        return len(self._related)

    @property
    def ids(self) -> set[str]:
        """Who is in the relation, whether that may be told or not."""
        return set(self._related)

    def sees(self, owner: Object | None) -> bool:
        """Whether the caller may be told of the relation of such an object."""
        if self.caller.is_master:
            return True
        schema = self._schema_of(self.relation.class_name)
        if schema is None or owner is None:
            return False
        if self._sight is None or self._sight[0] is not schema:
            self._sight = schema, compile_match(schema, self._view.allowed_included(schema))
        return self._sight[1](owner)

    def load(self, ids: list[str], owner: Object | None, owner_at: Snapshot | None) -> None:
        """Takes what was read; the owner was seen at a moment of its own."""
        self._related, self.owner, self._owner_at = set(ids), owner, owner_at

    def replay(self, has: Callable[[Change], bool]) -> None:
        held, self._held_owner = self._held_owner, []
        for change in held:
            if self._owner_at is None or not self._owner_at.sees(change.xid):
                self._take_owner(change)
        super().replay(has)
        self._is_seen = self.sees(self.owner)

    def apply(self, change: Change, event: Event) -> None:
        if change.after_object is None:
            self._related.discard(_related_id(change.before_object))
        else:
            self._related.add(_related_id(change.after_object))

    def take(self, change: Change, event: Event, touched: Touched) -> None:
        object_id = _related_id(change.after_object or change.before_object)
        was = object_id in self._related
        self.apply(change, event)
        now = object_id in self._related
        if self._is_seen and was is not now:
            for inner in list(self.inners):
                inner.shift([_entry(object_id)] if was else [], [_entry(object_id)] if now else [])

    def take_included(self, change: Change, touched: Touched) -> None:
        if self.held is not None:
            self._held_owner.append(change)
            return
        self._take_owner(change)
        was, self._is_seen = self._is_seen, self.sees(self.owner)
        if was is not self._is_seen:
            self.answer()

    def _take_owner(self, change: Change) -> None:
        if (change.class_name, change.object_id) == (self.relation.class_name, self.relation.object_id):
            self.owner = change.after_object

    def answer(self) -> None:
        for inner in list(self.inners):
            inner.reset(map(_entry, self._related if self._is_seen else ()))

    def end_tick(self, touched: Touched) -> None:
        pass

    def state(self) -> object:
        return None

    def catch_up(self, member: Member, before: object) -> None:
        raise AssertionError("nobody subscribes to a relation")

    def greet(self, member: Member, *, snapshot: bool) -> list[str] | None:
        raise AssertionError("nobody subscribes to a relation")

    def learn(self, schema: ClassSchema) -> None:
        pass


def _related_id(row: Object | None) -> str:
    assert row is not None
    return str(row["relatedId"])


def _entry(object_id: str) -> Entry:
    return Entry((), {"objectId": object_id}, None)
