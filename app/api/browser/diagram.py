"""A state machine as a drawing: where its states stand and how its arrows run.

Owns: `diagram`: which state stands in which column and row; lanes.py leads the arrows. Holds: pure; everything drawn is in the
published table, and the table beside the drawing says the same in words. May import core and lanes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.api.browser.lanes import HEIGHT, WIDTH, Cell, laid_out
from app.core.wire import Object

_BELOW = 22
"""What the words below a state need."""

_MANY = 5
"""Of a state that so many states before it lead to, the arrows are drawn as one."""


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
        return self.x + WIDTH / 2


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
    node_width: int = WIDTH
    node_height: int = HEIGHT
    nodes: list[Node] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)


def diagram(machine: Object, role: str | None) -> Diagram:
    """The drawing of a published machine, as somebody of this role sees it."""
    steps = [step for step in _objects(machine["transitions"]) if step["from"] is not None and step["from"] != step["to"]]
    names = [str(name) for name in _list(machine["states"])]
    sources = defaultdict(list)
    for step in steps:
        sources[str(step["to"])].append(str(step["from"]))
    order = {name: index for index, name in enumerate(names)}
    aside = [name for name in names if sum(order[each] < order[name] for each in sources[name]) >= _MANY]
    drawn = [step for step in steps if step["to"] not in aside]
    cells = _cells(_columns([name for name in names if name not in aside], drawn), aside)
    laid = laid_out(cells, list(dict.fromkeys((str(step["from"]), str(step["to"])) for step in drawn)))
    initial, final = _list(machine["initial"]), _list(machine["final"])
    if len(initial) > _BEGINNINGS:
        # Where nearly everything may be a beginning, the one that is meant is the first of the table.
        initial = initial[:1]
    made = Diagram(laid.width, laid.height + (_BELOW if aside else 0))
    for name in names:
        kind = "initial" if name in initial else "final" if name in final else "plain"
        many = f"from {len(sources[name])} states" if name in aside else ""
        made.nodes.append(Node(name, name.replace("_", " "), *laid.places[name], kind, many))
    made.arrows = sorted((_arrow(laid.paths[str(step["from"]), str(step["to"])], step, role) for step in drawn), key=_is_yours)
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


def _cells(columns: list[list[str]], aside: list[str]) -> dict[str, Cell]:
    """The column and row of each state; those that are reached from nearly everywhere stand below all others."""
    cells = {name: (number, row) for number, column in enumerate(columns) for row, name in enumerate(column)}
    below = 1 + max((row for _, row in cells.values()), default=-1)
    return cells | {name: (number, below) for number, name in enumerate(aside)}


def _arrow(path: str, step: Object, role: str | None) -> Arrow:
    roles = [str(each) for each in _list(step["roles"])]
    source, target = (str(step[name]).replace("_", " ") for name in ("from", "to"))
    return Arrow(path, f"{source} to {target}: {', '.join(roles) or 'the server'}", role in roles)


def _is_yours(arrow: Arrow) -> bool:
    """Drawn last, those lie on top."""
    return arrow.yours


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> Iterable[Object]:
    return (each for each in _list(value) if isinstance(each, dict))
