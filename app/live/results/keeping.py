"""What keeps a result for those who ask for more than the changes of objects: the windows and the counts.

Owns: `Node`, one kept result, shared by every subscription that asks the same with the same principals; `WindowNode`
and `CountNode`. Always holds: a node is filed in its live query by its principals, as a subscription is, so the cost
of a change follows its readers; what its members were told, applied in order, is exactly what it keeps; while it is
read anew it is held, and afterwards its members are told the difference. No I/O here: `upkeep` reads. May import
core, actions.caller, store.changes.feed and live.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum

from app.actions.caller import Caller
from app.core.order import compile_sort_key
from app.core.schema import ClassSchema
from app.core.wire import Object, decode, encode
from app.errors import ErrorCode, ParseError
from app.live.connection import Connection
from app.live.frames import project, vanished
from app.live.membership import Event, Held, LiveQuery, Member, judge
from app.live.results.included import Included
from app.live.results.plan import MOST_RESULTS, Kept, Plan
from app.live.results.relational import Inner
from app.live.results.window import Entry, Shift, Window
from app.store.changes.feed import Change

Touched = dict[Connection[Member], None]
"""The connections that have something to be sent at the end of a tick."""


class Doubt(Enum):
    """What is not known of an object of a client."""

    LOOK = "it has it, but not as it is"
    ALL = "it may have it"


Shown = tuple[str, Object | Doubt]
"""An object of a window as its client has it, by its id."""


class Node(ABC):
    """One kept result: who reads it (`members`), who will (`joining`), and what came while it is read (`held`)."""

    def __init__(self, query: LiveQuery, plan: Plan, kept: Kept) -> None:
        self.query = query
        self.plan = plan
        self.kept = kept
        self.members: dict[Member, None] = {}
        self.joining: dict[Member, None] = {}
        self.inners: dict[Inner, None] = {}
        """The sub-queries that it answers."""
        self.again = False
        """It must be read once more when it has been read."""
        self.held: list[Held] | None = None
        self.held_bytes = 0
        self.filled = asyncio.Event()
        """Set while it is not held; set with `error` when it can never be filled."""
        self.error: ParseError | None = None
        self.abandon: Callable[[Node], None] = lambda node: None
        """Called when nobody reads it any more."""
        self.refill: Callable[[Node], None] = lambda node: None
        """Called when it must be read anew."""

    @property
    def caller(self) -> Caller:
        """For whom it reads; all its members have the same principals."""
        return self.plan.caller

    @property
    def is_behind(self) -> bool:
        """Whether it is not yet what the changes that were delivered make of it."""
        return self.held is not None or self.again

    @property
    def size(self) -> int:
        """How many objects it keeps."""
        return 0

    def everyone(self) -> list[Member]:
        """Those who read it and those who will."""
        return [*self.members, *self.joining]

    def pause(self, cursor: str) -> None:
        """It is about to be read: until `go_on` its members have no more than was told up to the cursor."""
        for member in self.members:
            member.connection.settle((self, member), cursor)

    def go_on(self) -> None:
        """Its members were told what had come of it."""
        for member in self.members:
            member.connection.settled((self, member))

    def leave(self, member: Member) -> None:
        """Takes a member out."""
        self.members.pop(member, None)
        member.connection.settled((self, member))
        self.joining.pop(member, None)
        if member.node is self:
            member.node = None
        self.abandon_unless_used()

    def abandon_unless_used(self) -> None:
        """Ends it when nobody reads it."""
        if not self.members and not self.joining and not self.inners:
            self.abandon(self)

    def answer(self) -> None:  # noqa: B027 - only windows answer sub-queries
        """It was read anew: tells the sub-queries."""

    def fall_behind(self, cursor: str) -> None:
        """Sends its clients away with the cursor."""
        for member in self.members:
            member.connection.close_behind(cursor)

    def replay(self, has: Callable[[Change], bool]) -> None:
        """Takes what came while it was read, but for what the reading `has`, without telling it."""
        assert self.held is not None
        for change, was, now in sorted(self.held, key=lambda item: item[0].seq):
            event = None if has(change) else judge(self.caller, change, was, now)
            if event is not None:
                self.apply(change, event)

    def take_included(self, change: Change, touched: Touched) -> None:  # noqa: B027 - most nodes show nothing inside
        """Takes a change of an object that is shown inside others."""

    @abstractmethod
    def apply(self, change: Change, event: Event) -> None:
        """Takes a change without telling it."""

    @abstractmethod
    def take(self, change: Change, event: Event, touched: Touched) -> None:
        """Takes a change and tells it."""

    @abstractmethod
    def end_tick(self, touched: Touched) -> None:
        """All changes of a tick were taken."""

    @abstractmethod
    def state(self) -> object:
        """What its members have been told, for `catch_up`."""

    @abstractmethod
    def catch_up(self, member: Member, before: object) -> None:
        """Tells a member the difference between what it has (a `state`, perhaps of another node) and what is kept."""

    @abstractmethod
    def greet(self, member: Member, *, snapshot: bool) -> list[str] | None:
        """What a new member begins with: the texts of its snapshot. May push frames of its own."""

    @abstractmethod
    def learn(self, schema: ClassSchema) -> None:
        """The class has other fields now."""


class CountNode(Node):
    """How many objects there are; told once a tick where it changed."""

    def __init__(self, query: LiveQuery, plan: Plan, kept: Kept) -> None:
        super().__init__(query, plan, kept)
        self._count = 0
        self._told = 0

    def load(self, count: int) -> None:
        """Takes the number as it was read."""
        self._count = count

    def apply(self, change: Change, event: Event) -> None:
        if event.op in ("create", "enter"):
            self._count += 1
        elif event.op in ("leave", "delete"):
            self._count -= 1

    def take(self, change: Change, event: Event, touched: Touched) -> None:
        self.apply(change, event)

    def end_tick(self, touched: Touched) -> None:
        if self._count == self._told:
            return
        self._told = self._count
        for member in self.members:
            self._push(member)
            touched[member.connection] = None

    def state(self) -> object:
        return self._told

    def catch_up(self, member: Member, before: object) -> None:
        self._told = self._count
        if before != self._count:
            self._push(member)

    def greet(self, member: Member, *, snapshot: bool) -> list[str] | None:
        self._push(member)
        return None

    def learn(self, schema: ClassSchema) -> None:
        pass

    def _push(self, member: Member) -> None:
        member.connection.push(member.head("count"), b',"count":%d' % self._count, 0, self)


class WindowNode(Node):
    """An ordered part of a result."""

    def __init__(self, query: LiveQuery, plan: Plan, kept: Kept, included: Included | None = None) -> None:
        super().__init__(query, plan, kept)
        self.window = Window(kept.skip, kept.limit)
        self.included = included
        self._schema = plan.schema
        self._key = compile_sort_key(plan.schema, kept.order)
        self._redaction = plan.redaction
        self._held_included: list[Change] = []
        self._is_lacking = False
        """An included object was met that is not known: it must be read."""

    @property
    def is_behind(self) -> bool:
        return super().is_behind or self._must_be_read

    @property
    def size(self) -> int:
        return len(self.window)

    @property
    def _must_be_read(self) -> bool:
        """Something is not known; or a result that is kept whole has grown so large that reading it will refuse it."""
        return self.window.is_short or self._is_lacking or (self.window.limit is None and len(self.window) > 2 * MOST_RESULTS)

    # ---- what is kept

    def load(self, texts: list[str]) -> None:
        """Takes the first objects as they were read. Raises ParseError 102 when there are too many."""
        wanted = self.window.wanted
        if wanted is None and len(texts) > MOST_RESULTS:
            words = f"The query matches more than {MOST_RESULTS} objects; narrow it, or ask for an order and a limit."
            raise ParseError(ErrorCode.INVALID_QUERY, words)
        self._is_lacking = False
        if self.included is not None:
            self.included.forget()
        self.window.load(map(self._read, texts), is_whole=wanted is None or len(texts) < wanted)

    def entry(self, image: Object, text: str | None = None) -> Entry:
        """An object of the class in its place, without what is included."""
        return Entry(self._key(image), image, text)

    def _read(self, text: str) -> Entry:
        shown = decode(text)
        assert isinstance(shown, dict)
        image = shown if self.included is None else self.included.take_apart(shown)
        return Entry(self._key(image), image, text, shown)

    def replay(self, has: Callable[[Change], bool]) -> None:
        inside, self._held_included = self._held_included, []
        for change in inside:
            # Which of them came before a change of the objects themselves does not matter: the last state is shown.
            if self.included is not None and not has(change):
                for root in self.included.change(change):
                    self._show_anew(root)
        super().replay(has)

    def apply(self, change: Change, event: Event) -> None:
        if self._shift(change, event) is None:
            self._is_lacking = True

    def _shift(self, change: Change, event: Event) -> Shift | None:
        """None when an included object must be read first."""
        object_id = change.object_id
        if event.op in ("leave", "delete"):
            if self.included is not None:
                self.included.release(object_id)
            return self.window.drop(object_id)
        image = change.after_object
        assert image is not None
        if self.included is None:
            return self.window.put(Entry(self._key(image), image, change.after))
        shown = self.included.resolve(object_id, image)
        if shown is None:
            return None
        shift = self.window.put(Entry(self._key(image), image, None, shown))
        if self.window.get(object_id) is None:
            self.included.release(object_id)
        return shift

    def _show_anew(self, object_id: str) -> Shift | None:
        """Puts the included objects of one that is kept in place again."""
        assert self.included is not None
        entry = self.window.get(object_id)
        if entry is None:
            self.included.release(object_id)
            return None
        shown = self.included.resolve(object_id, entry.image)
        if shown is None:
            self._is_lacking = True
            return None
        return self.window.put(Entry(entry.key, entry.image, None, shown))

    def learn(self, schema: ClassSchema) -> None:
        names = {path[0] for path, _ in self.kept.order}
        if any(schema.fields.get(name) != self._schema.fields.get(name) for name in names):
            self._key = compile_sort_key(schema, self.kept.order)
            self.window.sort_by(self._key)
            self.refill(self)
        self._schema = schema

    # ---- what is told

    def take(self, change: Change, event: Event, touched: Touched) -> None:
        old = self.window.get(change.object_id)
        shift = self._shift(change, event)
        if shift is not None and self.inners:
            self._answer(old, shift)
        if shift is None:  # nothing is told until it is complete
            self.refill(self)
            assert self.held is not None
            self.held.append((change, event.op in ("update", "leave", "delete"), event.op in ("create", "enter", "update")))
            return
        if shift.out is not None:
            entry, index = shift.out
            own = entry.object_id == change.object_id
            if own and event.image == "after" and change.after_object is not None:
                entry = Entry(entry.key, change.after_object, change.after)
            gone = "delete" if own and event.op == "delete" else "leave"
            is_whole = shift.into is None
            self._tell(gone, entry, index, change if own and event.original else None, change.seq, touched, is_whole=is_whole)
        if shift.into is not None:
            entry, index = shift.into
            own = entry.object_id == change.object_id
            come = "create" if own and event.op == "create" else "enter"
            self._tell(come, entry, index, change if own and event.original else None, change.seq, touched)
        if shift.stays is not None:
            entry, index = shift.stays
            muted = None if shift.is_moved else change
            self._tell("update", entry, index, change, change.seq, touched, watched=muted)

    def answer(self) -> None:
        for inner in list(self.inners):
            inner.reset(self.window.shown)

    def _answer(self, old: Entry | None, shift: Shift) -> None:
        out = [shift.out[0]] if shift.out is not None else []
        into = [shift.into[0]] if shift.into is not None else []
        if shift.stays is not None and old is not None:
            out, into = [old], [shift.stays[0]]
        for inner in list(self.inners):
            inner.shift(out, into)

    def take_included(self, change: Change, touched: Touched) -> None:
        if self.held is not None:
            self._held_included.append(change)
            return
        assert self.included is not None
        shifts = [shift for root in self.included.change(change) if (shift := self._show_anew(root)) is not None]
        shown = [shift.stays for shift in shifts if shift.stays is not None]
        for entry, index in shown:
            is_whole = entry is shown[-1][0]
            self._tell("update", entry, index, None, change.seq, touched, is_whole=is_whole)

    def _tell(
        self,
        op: str,
        entry: Entry,
        index: int,
        change: Change | None,
        seq: int,
        touched: Touched,
        *,
        is_whole: bool = True,
        watched: Change | None = None,
    ) -> None:
        """`change`: whose before image is the original. `watched`: not told to those who watch other fields."""
        tails: dict[frozenset[str] | None, bytes] = {}
        self._note(entry)
        for member in self.members:
            if watched is not None and member.watch and not member.watches(watched):
                continue
            tail = tails.get(member.keys)
            if tail is None:
                tail = tails[member.keys] = self._tail(entry, index, change, member.keys)
            member.connection.push(member.head(op), tail, seq, self, is_whole=is_whole)
            touched[member.connection] = None

    def _tail(self, entry: Entry, index: int, change: Change | None, keys: frozenset[str] | None) -> bytes:
        tail = b',"object":' + self._text(entry, keys)
        before = change.before_object if change is not None else None
        if before is not None and (self.plan.permits is None or self.plan.permits(before)):
            hidden = self._redaction.of(before)
            tail += b',"original":' + encode(project(before, self.query.class_name, keys, hidden))
        return tail + self._place(index)

    def _place(self, index: int) -> bytes:
        return b',"index":%d' % index if self.kept.order else b""

    def _text(self, entry: Entry, keys: frozenset[str] | None) -> bytes:
        class_name = self.query.class_name
        hidden = self._redaction.of(entry.image).intersection(entry.image)
        if keys is None and not hidden and entry.text is not None:
            return b'{"__type":"Object","className":%s,%s' % (encode(class_name), entry.text[1:].encode())
        return encode(project(entry.shown, class_name, keys, hidden))

    # ---- beginning, and after it was read anew

    def greet(self, member: Member, *, snapshot: bool) -> list[str] | None:
        if not snapshot:
            return None
        for entry in self.window.shown:
            self._note(entry)
        return [self._plain(entry, member.keys) for entry in self.window.shown]

    def _note(self, entry: Entry) -> None:
        """Its members are one person, who is shown this; `included` knows what is inside of those that are kept."""
        witness = self.plan.witness
        if witness is None:
            return
        witness.see(self.query.class_name, entry.object_id)
        if self.included is not None:
            for target in self.included.seen(entry.object_id):
                witness.see(*target)

    def _plain(self, entry: Entry, keys: frozenset[str] | None) -> str:
        """As a find shows it."""
        hidden = self._redaction.of(entry.image).intersection(entry.image)
        if keys is None and not hidden and entry.text is not None:
            return entry.text
        shown = project(entry.shown, self.query.class_name, keys, hidden)
        return encode({name: value for name, value in shown.items() if name not in ("__type", "className")}).decode()

    def state(self) -> object:
        return [(entry.object_id, self.seen(entry)) for entry in self.window.shown]

    def seen(self, entry: Entry) -> Object:
        """An object as the caller may see it, with what is included."""
        hidden = self._redaction.of(entry.image)
        return {name: value for name, value in entry.shown.items() if name not in hidden}

    def catch_up(self, member: Member, before: object) -> None:
        """Leaves from the end on, then enters and moves from the start on, so that each index holds when it is told."""
        assert isinstance(before, list)
        told: dict[str, Object | Doubt] = dict(before)
        place: list[str] = list(told)
        shown = self.window.shown
        stay = {entry.object_id for entry in shown}
        steps: list[tuple[str, bytes]] = []
        for index in range(len(place) - 1, -1, -1):
            if place[index] not in stay:
                gone = place.pop(index)
                steps.append(("leave", vanished(self.query.class_name, gone).object + self._place(index)))
        for index, entry in enumerate(shown):
            object_id = entry.object_id
            stands = index < len(place) and place[index] == object_id
            if stands and told[object_id] == self.seen(entry):
                continue
            op = "enter"
            if object_id in told:
                op = "enter" if told[object_id] is Doubt.ALL else "update"
                place.remove(object_id)
            place.insert(index, object_id)
            self._note(entry)
            steps.append((op, self._tail(entry, index, None, member.keys)))
        for number, (op, tail) in enumerate(steps, 1):
            member.connection.push(member.head(op), tail, 0, self, is_whole=number == len(steps))

    def end_tick(self, touched: Touched) -> None:
        if self._must_be_read and self.held is None:
            self.refill(self)
