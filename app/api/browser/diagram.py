"""A state machine as a drawing: where its states stand and how its arrows run.

Owns: `diagram`. Holds: pure; everything drawn is in the published table, and the table beside the drawing says the same in words.
May import core.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.core.wire import Object

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 124, 40, 46, 48, 54
_MANY = 5
"""From so many states on, the arrows to one state are drawn as one."""


_BEGINNINGS = 2


@dataclass(frozen=True, slots=True)
class Node:
    """One state. `kind`: initial, final or plain; `many` is from how many states it is reached where that is one arrow."""

    name: str
    label: str
    x: float
    y: float
    kind: str
    many: str = ""

    @property
    def middle(self) -> float:
        """Its centre, across."""
        return self.x + _WIDTH / 2


@dataclass(frozen=True, slots=True)
class Arrow:
    """One transition; `yours` where the one who looks may do it."""

    path: str
    title: str
    yours: bool


@dataclass(slots=True)
class Diagram:
    """The drawing, in units of the viewBox."""

    width: float = 0
    height: float = 0
    node_width: int = _WIDTH
    node_height: int = _HEIGHT
    nodes: list[Node] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)


def diagram(machine: Object, role: str | None) -> Diagram:
    """The drawing of a published machine, as somebody of this role sees it."""
    steps = [step for step in _objects(machine["transitions"]) if step["from"] is not None and step["from"] != step["to"]]
    names = [str(name) for name in _list(machine["states"])]
    sources = defaultdict(list)
    for step in steps:
        sources[str(step["to"])].append(str(step["from"]))
    aside = [name for name in names if len(sources[name]) >= _MANY]
    drawn = [step for step in steps if step["to"] not in aside]
    columns = _columns([name for name in names if name not in aside], drawn)
    places = _places(columns, aside)
    initial, final = _list(machine["initial"]), _list(machine["final"])
    if len(initial) > _BEGINNINGS:
        # Where nearly everything may be a beginning, the one that is meant is the first of the table.
        initial = initial[:1]
    made = Diagram()
    for name in names:
        kind = "initial" if name in initial else "final" if name in final else "plain"
        many = f"from {len(sources[name])} states" if name in aside else ""
        made.nodes.append(Node(name, name.replace("_", " "), *places[name], kind, many))
    at = {node.name: node for node in made.nodes}
    made.arrows = [_arrow(at[str(step["from"])], at[str(step["to"])], step, role) for step in drawn]
    made.width = max(node.x for node in made.nodes) + _WIDTH + _MARGIN
    made.height = max(node.y for node in made.nodes) + _HEIGHT + _MARGIN
    return made


def _columns(names: list[str], steps: list[Object]) -> list[list[str]]:
    """The states by how far they are from the first one, along arrows that do not lead back."""
    targets: dict[str, list[str]] = {name: [] for name in names}
    for step in steps:
        if step["from"] in targets and step["to"] in targets:
            targets[str(step["from"])].append(str(step["to"]))
    done: list[str] = []
    for name in names:
        _walk(name, targets, [], done)
    rank = dict.fromkeys(names, 0)
    place = {name: index for index, name in enumerate(reversed(done))}
    for name in sorted(names, key=place.__getitem__):
        for target in targets[name]:
            if place[target] > place[name]:
                rank[target] = max(rank[target], rank[name] + 1)
    columns: list[list[str]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for name in names:
        columns[rank[name]].append(name)
    return columns


def _walk(name: str, targets: dict[str, list[str]], above: list[str], done: list[str]) -> None:
    """Notes the states behind `name` and then itself, each once: read backwards, no arrow but those in a circle leads back."""
    if name in done or name in above:
        return
    for target in targets[name]:
        _walk(target, targets, [*above, name], done)
    done.append(name)


def _places(columns: list[list[str]], aside: list[str]) -> dict[str, tuple[float, float]]:
    places: dict[str, tuple[float, float]] = {}
    for number, column in enumerate(columns):
        for row, name in enumerate(column):
            places[name] = (_MARGIN + number * (_WIDTH + _GAP_X), _MARGIN + row * (_HEIGHT + _GAP_Y))
    below = max((y for _, y in places.values()), default=0) + _HEIGHT + 2 * _GAP_Y
    for number, name in enumerate(aside):
        places[name] = (_MARGIN + number * (_WIDTH + _GAP_X), below)
    return places


def _arrow(source: Node, target: Node, step: Object, role: str | None) -> Arrow:
    roles = [str(each) for each in _list(step["roles"])]
    title = f"{source.label} to {target.label}: {', '.join(roles)}"
    return Arrow(_path(source, target), title, role in roles)


def _path(source: Node, target: Node) -> str:
    half = _HEIGHT / 2
    beside = target.x - source.x - _WIDTH - _GAP_X
    if -1 < beside < 1:
        x1, y1, x2, y2 = source.x + _WIDTH, source.y + half, target.x - 7, target.y + half
        bend = (x2 - x1) / 2
        return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    if abs(target.y - source.y) > half:
        down = target.y > source.y
        side = 12 if target.x > source.x else -12 if target.x < source.x else 16 if down else -16
        x1, x2 = source.middle + side, target.middle + (side if target.x == source.x else -side)
        y1, y2 = (source.y + _HEIGHT, target.y - 7) if down else (source.y, target.y + _HEIGHT + 7)
        bend = (y2 - y1) / 2
        return f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
    forward = target.x > source.x
    rise = 16 + 0.045 * abs(target.x - source.x)
    x1, x2 = source.middle + (14 if forward else -14), target.middle + (-14 if forward else 14)
    y1, y2 = (source.y, target.y - 7) if forward else (source.y + _HEIGHT, target.y + _HEIGHT + 7)
    top = min(y1, y2) - rise if forward else max(y1, y2) + rise
    return f"M{x1:g} {y1:g}C{x1:g} {top:g} {x2:g} {top:g} {x2:g} {y2:g}"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> Iterable[Object]:
    return (each for each in _list(value) if isinstance(each, dict))
