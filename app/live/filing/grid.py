"""Places in a predicate index: the live queries whose area a point may lie in, or whose point may lie in a polygon.

Owns: `cover` (an area of degrees as a few cells of a grid), `AreaIndex` and `PlaceIndex`. The grid halves its cells from
level to level; an area is filed in the finest level at which few cells cover it, across the antimeridian and around a pole
too. Always holds: as in live.filing.index, a lookup gives *at least* every entry whose predicate the value satisfies; a value
outside the degrees there are is given all of them. May import core and live.filing.index.
"""

from collections.abc import Iterable
from math import asin, cos, degrees, floor, pi, radians, sin
from operator import itemgetter

from app.core import nodes as ast
from app.core.cells import point_of_wire, ring_of_wire
from app.core.geo import bounds
from app.core.wire import Json
from app.live.filing.index import Entry, Levels

Box = tuple[float, float, float, float]
"""West, south, east, north, in degrees; west is not greater than east."""

Cell = tuple[int, int, int]
"""A level, and the column and row in it."""

FINEST = 16
"""Cells of 76 m along a meridian; those of level 0 are `_WIDEST` degrees wide and high."""

_WIDEST = 45.0
_MOST_CELLS = 12
_STEP = 2
"""The levels at which a single place is filed are so far apart."""

_SLACK_RADIANS = 1e-7
_SLACK_DEGREES = 1e-6
"""More than rounding can make of a distance; 0.6 m and 0.1 m."""


def area_of(node: ast.Node) -> list[Box] | None:
    """Boxes that hold every point for which the node is true; None where it is not about points, or bounds nothing."""
    match node:
        case ast.Near(max_radians=float(reach)):
            return _around(node.longitude, node.latitude, reach)
        case ast.WithinSphere():
            return _around(node.longitude, node.latitude, node.radians)
        case ast.WithinBox():
            return [(node.west, node.south, node.east, node.north)]
        case ast.WithinPolygon():
            return [bounds(node.vertices)] if node.vertices else []
    return None


def _around(longitude: float, latitude: float, reach: float) -> list[Box] | None:
    """The boxes around a circle on the sphere: all longitudes where it holds a pole, two boxes where it crosses 180°."""
    reach += _SLACK_RADIANS
    if reach >= pi:
        return None
    south, north = latitude - degrees(reach), latitude + degrees(reach)
    if south <= -90.0 or north >= 90.0:
        return [(-180.0, max(south, -90.0), 180.0, min(north, 90.0))]
    across = degrees(asin(min(1.0, sin(reach) / cos(radians(latitude))))) + _SLACK_DEGREES
    west, east = longitude - across, longitude + across
    if west < -180.0:
        return [(west + 360.0, south, 180.0, north), (-180.0, south, east, north)]
    if east > 180.0:
        return [(west, south, 180.0, north), (-180.0, south, east - 360.0, north)]
    return [(west, south, east, north)]


def cover(boxes: Iterable[Box]) -> tuple[Cell, ...] | None:
    """The cells of the finest level that cover the boxes with few of them; None where they are a great part of the globe."""
    boxes = list(boxes)
    for level in range(FINEST, -1, -1):
        cells = _cells(boxes, level, _MOST_CELLS)
        if cells is not None:
            return cells
    return None


def _cells(boxes: Iterable[Box], level: int, most: int) -> tuple[Cell, ...] | None:
    """The cells of a level that boxes touch; None where those are more than `most`."""
    found: dict[Cell, None] = {}
    for west, south, east, north in boxes:
        (left, bottom), (right, top) = _place(west, south, level), _place(east, north, level)
        if (right - left + 1) * (top - bottom + 1) > most:
            return None
        found |= dict.fromkeys((level, column, row) for column in range(left, right + 1) for row in range(bottom, top + 1))
    return tuple(found) if len(found) <= most else None


def _place(longitude: float, latitude: float, level: int) -> tuple[int, int]:
    size = 1 << level
    scale = size / _WIDEST
    return min(floor(longitude * scale), 4 * size - 1), min(floor(latitude * scale), 2 * size - 1)  # 180° and 90° begin none


def _is_on_earth(longitude: float, latitude: float) -> bool:
    return -180.0 <= longitude <= 180.0 and -90.0 <= latitude <= 90.0


class AreaIndex(Levels[Cell, Entry]):
    """Entries by the cells of an area; looked up by a point, once for each level in use."""

    def __init__(self) -> None:
        super().__init__(itemgetter(0))

    def find(self, values: Iterable[Json], found: set[Entry]) -> None:
        for value in values:
            point = point_of_wire(value)
            if point is not None:
                on_earth = _is_on_earth(*point)
                self.take(((level, *_place(*point, level)) for level in self.levels) if on_earth else self.buckets, found)


class PlaceIndex(Levels[Cell, Entry]):
    """Entries by one point, filed at several levels; looked up by a polygon, at the finest level where few cells cover it."""

    def __init__(self) -> None:
        super().__init__(itemgetter(0))

    def find(self, values: Iterable[Json], found: set[Entry]) -> None:
        for value in values:
            ring = ring_of_wire(value)
            if ring is not None:
                cells = _around_ring(bounds(ring))
                self.take(self.buckets if cells is None else cells, found)


def _around_ring(box: Box) -> tuple[Cell, ...] | None:
    west, south, east, north = box
    if not (_is_on_earth(west, south) and _is_on_earth(east, north)):
        return None
    wider = (west - _SLACK_DEGREES, south - _SLACK_DEGREES, east + _SLACK_DEGREES, north + _SLACK_DEGREES)
    levels = range(FINEST, -1, -_STEP)
    return next((cells for level in levels if (cells := _cells([wider], level, _MOST_CELLS)) is not None), None)


def cells_of_place(longitude: float, latitude: float) -> tuple[Cell, ...]:
    """The cells that a point is filed under in a `PlaceIndex`."""
    return tuple((level, *_place(longitude, latitude, level)) for level in range(FINEST, -1, -_STEP))
