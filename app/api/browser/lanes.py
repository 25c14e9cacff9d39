"""How the arrows of a diagram run: in lanes between the boxes, so that none is hidden behind one.

Owns: `laid_out`. Holds: pure; the boxes stand in a grid of columns and rows, gaps are as wide as their lanes need. What leads to
the next column or box is drawn straight; what leads further takes a lane beside its column, one across between two rows, and one
beside the column it leads to. Arrows that lead the same way to the same box share their lanes. May import nothing of the project.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 124, 40
"""Of a box."""

_MARGIN, _LANE, _TIP, _ROUND = 54, 8, 7, 6
_LEAST_ACROSS, _LEAST_DOWN = 46, 36
_PORT = 11.0

Step = tuple[str, str]
Cell = tuple[int, int]
Channel = tuple[str, int]
"""("v", n): the gap left of column n; ("h", n): the gap above row n."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How one arrow runs. `key` is what it shares its lanes with; `row` the gap it crosses in, None where it needs none."""

    kind: str
    key: tuple[str, str, int]
    source_side: str = ""
    target_side: str = ""
    begin: int = 0
    row: int | None = None
    end: int = 0


@dataclass(slots=True)
class Layout:
    """Where the boxes stand and how the arrows run, in units of the viewBox."""

    width: float = 0
    height: float = 0
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    paths: dict[Step, str] = field(default_factory=dict)


def laid_out(cells: Mapping[str, Cell], steps: Sequence[Step]) -> Layout:
    """The drawing of boxes in their cells, with an arrow for each step."""
    ways = {step: _way(cells, *step) for step in steps}
    lanes, counts = _lanes(cells, ways)
    columns = 1 + max((column for column, _ in cells.values()), default=0)
    rows = 1 + max((row for _, row in cells.values()), default=0)
    across = [max(_LEAST_ACROSS, 30 + _LANE * counts["v", number]) for number in range(columns + 1)]
    down = [max(_LEAST_DOWN, 22 + _LANE * counts["h", number]) for number in range(rows + 1)]
    across[0], across[-1] = (max(_MARGIN, 14 + _LANE * counts["v", number]) for number in (0, columns))
    down[0], down[-1] = (max(_MARGIN - 30, 14 + _LANE * counts["h", number]) for number in (0, rows))
    left = [sum(across[: number + 1]) + WIDTH * number for number in range(columns)]
    top = [sum(down[: number + 1]) + HEIGHT * number for number in range(rows)]
    made = Layout(sum(across) + WIDTH * columns, sum(down) + HEIGHT * rows)
    made.places = {name: (float(left[column]), float(top[row])) for name, (column, row) in cells.items()}
    ports = _ports(made.places, ways)

    def lane(channel: Channel, key: tuple[str, str, int]) -> float:
        kind, number = channel
        gaps, starts, size = (across, left, WIDTH) if kind == "v" else (down, top, HEIGHT)
        begin = starts[number] - gaps[number] if number < len(starts) else starts[-1] + size
        slack = (gaps[number] - _LANE * (counts[channel] - 1)) / 2
        return begin + slack + _LANE * lanes[channel, key]

    for step, way in ways.items():
        made.paths[step] = _path(made.places, step, way, ports, lane)
    return made


def _way(cells: Mapping[str, Cell], source: str, target: str) -> _Way:
    (column, row), (to_column, to_row) = cells[source], cells[target]
    last = max(each for _, each in cells.values())
    if column == to_column:
        if abs(to_row - row) == 1:
            return _Way("upright", (target, source, 0))
        return _Way("beside", (target, "beside", row), "right", "right", column + 1, None, column + 1)
    forward = to_column > column
    begin, end = (column + 1, to_column) if forward else (column, to_column + 1)
    sides = ("right", "left") if forward else ("left", "right")
    if begin == end:
        return _Way("straight", (target, source, 0), *sides)
    above = to_row > row or (to_row == row and (forward or row == last))
    crossing = to_row if above else to_row + 1
    return _Way("lanes", (target, "on" if forward else "back", crossing), *sides, begin, crossing, end)


def _lanes(
    cells: Mapping[str, Cell], ways: Mapping[Step, _Way]
) -> tuple[dict[tuple[Channel, tuple[str, str, int]], int], defaultdict[Channel, int]]:
    """The lane of each way in each gap it uses, and how many lanes a gap has; ways that do not meet there share one."""
    needed: dict[Channel, dict[tuple[str, str, int], list[float]]] = defaultdict(dict)

    def need(channel: Channel, way: _Way, *points: float) -> None:
        needed[channel].setdefault(way.key, []).extend(points)

    for (source, target), way in ways.items():
        (column, row), (to_column, to_row) = cells[source], cells[target]
        if way.row is None:
            if way.kind == "beside":
                need(("v", way.begin), way, row, to_row)
            continue
        need(("v", way.begin), way, row, way.row - 0.5)
        need(("h", way.row), way, column, to_column)
        need(("v", way.end), way, way.row - 0.5, to_row)
    found: dict[tuple[Channel, tuple[str, str, int]], int] = {}
    counts: defaultdict[Channel, int] = defaultdict(int)
    for channel, spans in needed.items():
        taken: list[list[tuple[float, float]]] = []
        for key, points in sorted(spans.items(), key=lambda item: (min(item[1]) - max(item[1]), item[0])):
            low, high = min(points), max(points)
            free = (index for index, lane in enumerate(taken) if all(high < a or low > b for a, b in lane))
            index = next(free, len(taken))
            if index == len(taken):
                taken.append([])
            taken[index].append((low, high))
            found[channel, key] = index
        counts[channel] = len(taken)
    return found, counts


def _ports(places: Mapping[str, tuple[float, float]], ways: Mapping[Step, _Way]) -> dict[tuple[str, str, object], float]:
    """Where on the side of a box each way begins or ends: in the order of where it comes from or leads to."""
    ends: dict[tuple[str, str], dict[object, list[float]]] = defaultdict(dict)
    for (source, target), way in ways.items():
        if way.kind != "upright":
            ends[source, way.source_side].setdefault(way.key, []).append(places[target][1])
            ends[target, way.target_side].setdefault(("in", way.key), []).append(places[source][1])
    found: dict[tuple[str, str, object], float] = {}
    for (name, side), used in ends.items():
        order = sorted(used, key=lambda key: (sum(used[key]) / len(used[key]), str(key)))
        apart = min(_PORT, (HEIGHT - 8) / max(1, len(order) - 1))
        for index, key in enumerate(order):
            found[name, side, key] = places[name][1] + HEIGHT / 2 + (index - (len(order) - 1) / 2) * apart
    return found


def _path(
    places: Mapping[str, tuple[float, float]], step: Step, way: _Way, ports: Mapping[tuple[str, str, object], float], lane: object
) -> str:
    assert callable(lane)
    source, target = (places[name] for name in step)
    if way.kind == "upright":
        below = target[1] > source[1]
        x = source[0] + WIDTH / 2 + (12 if below else -12)
        y1, y2 = (source[1] + HEIGHT, target[1] - _TIP) if below else (source[1], target[1] + HEIGHT + _TIP)
        return f"M{x:g} {y1:g}V{y2:g}"
    y1, y2 = ports[step[0], way.source_side, way.key], ports[step[1], way.target_side, ("in", way.key)]
    x1 = source[0] + (WIDTH if way.source_side == "right" else 0)
    x2 = target[0] + (WIDTH + _TIP if way.target_side == "right" else -_TIP)
    if way.kind == "straight":
        bend = (x2 - x1) / 2
        return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    down = float(lane(("v", way.begin), way.key))
    if way.row is None:
        return _rounded([(x1, y1), (down, y1), (down, y2), (x2, y2)])
    across, up = float(lane(("h", way.row), way.key)), float(lane(("v", way.end), way.key))
    return _rounded([(x1, y1), (down, y1), (down, across), (up, across), (up, y2), (x2, y2)])


def _rounded(points: list[tuple[float, float]]) -> str:
    """A line through the points, each of its corners round."""
    path = f"M{points[0][0]:g} {points[0][1]:g}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, end = _toward(corner, before), _toward(corner, after)
        path += f"L{start[0]:g} {start[1]:g}Q{corner[0]:g} {corner[1]:g} {end[0]:g} {end[1]:g}"
    return path + f"L{points[-1][0]:g} {points[-1][1]:g}"


def _toward(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """A point a little way from the corner to its neighbour, at most half of it."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    part = min(_ROUND, length / 2) / length if length else 0
    return corner[0] + dx * part, corner[1] + dy * part
