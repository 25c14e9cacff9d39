"""What a live board is: a page described as data, so that every board shares one engine.

Owns: `Board` and its parts, the pages beside it (`Figures`, `Mine`) and what the browser is sent of them. Holds: data only;
the description is sent as JSON (camelCase keys, what says nothing left out). A path such as
"driver.displayName|driver.username" reads through joins and takes the first that is there; a pattern such as
"{psiBefore} → {psiAfter} psi" is left out where a field is missing. May import core; no I/O, no clock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from dataclasses import field as part
from datetime import datetime

from app.core.wire import Json, Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One urgency: levels are listed worst first. `icon` names a symbol of templates/partials/icons.svg.

    `tone` is its colour: filled, bad, warn, odd or calm; without one its place decides (see `tone_of`).
    """

    value: str
    label: str
    icon: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A class the board subscribes to. `keys` are the fields it reads; the first source of a board holds its rows.

    `limit` keeps only the first so many of `order` (at most 1,000); `include` resolves pointers in place, and counts as kept.
    """

    name: str
    class_name: str
    keys: tuple[str, ...]
    where: Object = part(default_factory=dict)
    order: str = ""
    limit: int = 0
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """`field` of a row points into `source`; the target is then read as `name`. `requires` says what makes it valid.

    `field` may go through an earlier join ("prescription.patient"). With `back` the target is found the other way round: of the
    objects whose `back` points to the row (or, with a `field`, to what the row's field points to) the one with the greatest
    `newest`; "<name>.count" is then how many there are.
    """

    name: str
    source: str
    field: str = ""
    requires: Object = part(default_factory=dict)
    back: str = ""
    newest: str = "createdAt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What to say where a number cannot be known because `field` is not set."""

    field: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A word that stands in a flags cell while `field` equals `equals`."""

    field: str
    words: str
    icon: str = "alert"
    tone: str = "warn"
    equals: Json = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `kind`: see docs/board.md and cells.py.

    `width`: (least pixels, share of what is left); `yields`: the column with the greatest number goes first where the list is
    narrow, 0 never goes. `card` is its place on a phone: title, corner, id, lead, end or none; without one its kind decides.
    `personal` is masked on a wall display. `is_deed`: the row is an entry of the audit trail, and says what was done.
    """

    key: str
    label: str
    kind: str
    field: str
    detail: str = ""
    detail_missing: str = ""
    status: str = ""
    unit: str = ""
    full: int = 0
    until: str = ""
    against: str = ""
    low: str = ""
    high: str = ""
    point: str = ""
    limit_minutes: int = 0
    missing: tuple[Missing, ...] = ()
    settled: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    tones: dict[str, str] = part(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    flash: bool = True
    width: tuple[int, float] | None = None
    yields: int = 0
    card: str = ""
    personal: bool = False
    is_deed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A filter with a live count: the rows whose `field` equals `equals`, or is one of `among`. `level` colours it;
    `horizon_minutes` before the board's order field is when a row is expected to enter it; `none` is what an empty one says
    where no time can tell."""

    key: str
    label: str
    one: str
    field: str
    equals: Json = None
    among: tuple[str, ...] = ()
    level: str = ""
    horizon_minutes: int | None = None
    none: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One option of a select input."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One labelled field of an action's dialog. `kind`: see docs/board.md.

    `default` is a path into the row, or "now". `when` shows it only while another input has that value ("a|b": one of them).
    A person or pick is chosen from `source`, said by the pattern `text`; `near` (a path of the row) and `point` (a path of the
    option) sort by distance, those that meet `free` first. `unless`: state -> facts of a row for which a state is not offered;
    `leads`: states that are usually next, which stand first; `verbs`: what a state's button says where its name will not do.
    """

    name: str
    label: str
    kind: str
    required: bool = False
    default: str = ""
    hint: str = ""
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    source: str = ""
    where: Object = part(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    when: tuple[str, str] | None = None
    text: str = ""
    detail: str = ""
    near: str = ""
    point: str = ""
    free: Object = part(default_factory=dict)
    empty: str = ""
    unless: dict[str, Object] = part(default_factory=dict)
    leads: tuple[str, ...] = ()
    verbs: dict[str, str] = part(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something a caller with one of `roles` may do to a row: create a `class_name` about it, or (`updates`) change it, or
    (`updates` with `of`) change what it is joined to.

    `fixed`: fields of what is sent that nobody types: "row", "me", "+me" (added to an Array), "now", "=text" or a path of the row
    ("asset"). `offered`: facts a row must have (a list: one of them). `shows`: row field -> input, shown at once while it is
    saved; `then`: what holds of the row besides once it is done. `place`: the GeoPoint field of what is sent that takes where it
    was done ("location"), or of what the row points to, written beside ("technician.location"), for these states (`place_when`)
    or always; on a person's own page only.
    """

    key: str
    label: str
    icon: str
    submit: str
    done: str
    class_name: str
    inputs: tuple[Input, ...]
    roles: tuple[str, ...]
    shortcut: str = ""
    updates: bool = False
    of: str = ""
    offered: Object = part(default_factory=dict)
    fixed: dict[str, str] = part(default_factory=dict)
    shows: dict[str, str] = part(default_factory=dict)
    shows_when: tuple[str, str] | None = None
    then: Object = part(default_factory=dict)
    place: str = ""
    place_when: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Objects the panel reads for the chosen row: those whose `field` points to the row, or to its joined `of`.

    `by_id`: `field` holds the objectId itself (AuditLog.entityId). `roles`: asked for only by these. `order` is kept live.
    """

    name: str
    class_name: str
    field: str
    order: str
    of: str = ""
    by_id: bool = False
    where: Object = part(default_factory=dict)
    limit: int = 200
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of a facts section: a label and what it says. `kind`: text (a pattern in `field`), clock, day, place, phone,
    file or deed (what an entry of the audit trail tells)."""

    label: str
    field: str
    kind: str = "text"
    point: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """Rows of a flowsheet: objects of `related` on the day of their `at`, one row a `label`, `text` in the cell."""

    related: str
    at: str
    label: str
    text: str
    tone: str = ""
    tones: dict[str, str] = part(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the panel. `kind`: plot, trend, flowsheet, window, contacts, facts, log, history, checklist or others.

    `wide` keeps it for the row's own page. A log line is made of `text` patterns; a pattern with a missing field is left out.
    """

    kind: str
    label: str
    related: tuple[str, ...] = ()
    field: str = ""
    at: str = ""
    text: tuple[str, ...] = ()
    by: str = ""
    notes: tuple[str, ...] = ()
    files: str = ""
    empty: str = ""
    points: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    floor: str = ""
    floor_default: int = 0
    unit: str = ""
    series: str = ""
    value: str = ""
    low: str = ""
    high: str = ""
    flag: str = ""
    tones: dict[str, str] = part(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    rows: tuple[SheetRow, ...] = ()
    start: str = ""
    end: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What stands beside the list for one row. `title` and `subtitle` are patterns."""

    title: str
    subtitle: tuple[str, ...]
    related: tuple[Related, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Recent history of the rows, read once after the first paint: points of the small line in the gauge, and `words`, the
    field that is said under the person."""

    related: str
    at: str
    values: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One computed number: what it is, the formula in words, and the same formula with its numbers filled in.

    `value` is as it is read ("96.4 %"), or None where it cannot be known: `note` then says what is missing. `bars`, each a label,
    a share and what it stands for, tell what it is made of, under the words `bars_label`.
    """

    label: str
    value: str | None
    formula: str
    numbers: str = ""
    note: str = ""
    tone: str = "calm"
    bars: tuple[tuple[str, float, str], ...] = ()
    bars_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A page of numbers beside a board. `compute` is pure: from what each source found, and the moment, the figures."""

    name: str
    title: str
    nav: str
    roles: tuple[str, ...]
    sources: tuple[Source, ...]
    compute: Callable[[Mapping[str, Sequence[Object]], datetime], Sequence[Figure]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One list of a `Mine` page: the caller's own objects as cards, in `order`. "$me" in `where` becomes the caller.

    `kind`: cards, notes (one line each) or trend (`section` describes the plot). `status` is the field of the state, `at` and
    `until` the times it is about, `place`/`point` where to go, `phone` whom to call; `done` are states that go below the line.
    `flags` are said beside the title while they hold. `begun`: `at` is when it began, so that nothing is late by it.
    """

    key: str
    label: str
    class_name: str
    order: str
    keys: tuple[str, ...]
    title: str
    kind: str = "cards"
    where: Object = part(default_factory=dict)
    include: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    status: str = ""
    tones: dict[str, str] = part(default_factory=dict)
    done: tuple[str, ...] = ()
    at: str = ""
    until: str = ""
    begun: bool = False
    place: str = ""
    point: str = ""
    phone: str = ""
    files: str = ""
    flags: tuple[Flag, ...] = ()
    actions: tuple[Action, ...] = ()
    section: Section | None = None
    limit: int = 100
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mine:
    """A page for one person with a phone in the hand: what is theirs, in order, and the next step within the thumb's reach.

    `sources` feed the choices of its dialogs; `add` are actions that are not about a card; `labels` as on a board. `home`: where
    its roles begin.
    """

    name: str
    title: str
    nav: str
    roles: tuple[str, ...]
    parts: tuple[Part, ...]
    icon: str = "person"
    sources: tuple[Source, ...] = ()
    add: tuple[Action, ...] = ()
    home: bool = True
    labels: dict[str, dict[str, str]] = part(default_factory=dict)

    @property
    def takes_place(self) -> bool:
        """Whether an action of it tells where it was done."""
        return any(action.place for part in self.parts for action in part.actions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A whole board. `order` is the date field that sorts rows within a level, soonest first, missing last (`newest_first`
    turns it round). Without `levels` it is a plain list.

    `labels`: field -> value -> words. `happened` is the related class whose newest entry stands under the person.
    `people_roles` are the roles that see every account, so that a missing one means that it is gone. `search_hint` says what
    can be searched ("tank, site, driver"). `roles` narrows who is offered it below those who may read its rows. `beside` are
    the pages that belong to it: further boards (lists), figures, pages for one person.
    """

    name: str
    title: str
    nav: str
    icon: str
    noun: tuple[str, str]
    order: str
    label: str
    sources: tuple[Source, ...]
    columns: tuple[Column, ...]
    panel: Panel
    level_field: str = ""
    levels: tuple[Level, ...] = ()
    joins: tuple[Join, ...] = ()
    tiles: tuple[Tile, ...] = ()
    search: tuple[str, ...] = ()
    search_hint: str = ""
    newest_first: bool = False
    actions: tuple[Action, ...] = ()
    trail: tuple[Trail, ...] = ()
    happened: str = ""
    alarm: tuple[str, ...] = ()
    labels: dict[str, dict[str, str]] = part(default_factory=dict)
    people_roles: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    empty: str = ""
    beside: tuple["Board | Figures | Mine", ...] = ()

    @property
    def param(self) -> str:
        """The key in the address that names the chosen row."""
        return self.noun[0].replace(" ", "-")

    def can(self, action: Action, role: str | None) -> bool:
        """Whether a caller of this staff role is offered the action (the server judges again when it is done)."""
        return role in action.roles


def tone_of(levels: Sequence[Level], value: str) -> str:
    """The colour of a level: its own, else by its place: the worst is filled, the next bad, the last calm, between them warn;
    "unknown" is odd wherever it stands."""
    known = [level.value for level in levels]
    if value not in known:
        return "calm"
    level = levels[known.index(value)]
    if level.tone:
        return level.tone
    if value == "unknown":
        return "odd"
    place = [name for name in known if name != "unknown"].index(value)
    if place == len(known) - 1 - ("unknown" in known):
        return "calm"
    return ("filled", "bad")[place] if place < 2 else "warn"


def to_wire(described: "Board | Figures | Mine") -> Object:
    """The description as the browser reads it: camelCase keys, what says nothing left out."""
    wire = _parts_to_wire(described)
    wire.pop("beside", None)
    if isinstance(described, Board):
        wire["levels"] = [{**_parts_to_wire(each), "tone": tone_of(described.levels, each.value)} for each in described.levels]
    return wire


def _parts_to_wire(described: object) -> Object:
    wire: Object = {}
    for each in fields(described):  # type: ignore[arg-type] # only the dataclasses of this file come here
        value = getattr(described, each.name)
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        # 1 equals True, and is not the same.
        if value != default or type(value) is not type(default):
            first, *rest = each.name.split("_")
            wire[first + "".join(word.title() for word in rest)] = _value_to_wire(value)
    return wire


def _value_to_wire(value: object) -> Json:
    if is_dataclass(value):
        return _parts_to_wire(value)
    if isinstance(value, tuple | list):
        return [_value_to_wire(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _value_to_wire(each) for key, each in value.items()}
    return value if isinstance(value, str | int | float | bool) else None
