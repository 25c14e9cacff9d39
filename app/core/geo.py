"""Geometry of longitude and latitude that both compilers share, so that memory and database decide alike.

Owns: great-circle distance (haversine) and point in polygon, each once in Python and once as SQL text with the same
operations in the same order on IEEE doubles. Holds: edges and corners are inside; distances are compared as the
haversine of the angle, which saves the arc sine. Imports the standard library only.
"""

from math import cos, pi, radians, sin

KILOMETERS_PER_RADIAN = 6371.0
MILES_PER_RADIAN = 3958.8
"""Radii of the Earth as Parse.GeoPoint has them."""

Ring = tuple[tuple[float, float], ...]
"""Vertices as (longitude, latitude) in degrees; closed or open."""


def haversine(longitude: float, latitude: float, to_longitude: float, to_latitude: float) -> float:
    """hav(angle) between two points in degrees: 0 at the same place, about 1 at the antipode; grows with the distance."""
    across = sin(radians((longitude - to_longitude) / 2.0))
    along = sin(radians((latitude - to_latitude) / 2.0))
    return along * along + cos(radians(to_latitude)) * cos(radians(latitude)) * (across * across)


def haversine_limit(max_radians: float) -> float | None:
    """The haversine of a distance, to compare with; None when it reaches around the globe."""
    if max_radians >= pi:
        return None
    half = sin(max_radians / 2.0)
    return half * half


def haversine_sql(longitude: str, latitude: str, to_longitude: str, to_latitude: str) -> str:
    """`haversine` of four SQL expressions of type double precision."""
    across = f"sin(radians(({longitude} - {to_longitude}) / 2.0::float8))"
    along = f"sin(radians(({latitude} - {to_latitude}) / 2.0::float8))"
    return (
        f"({along} * {along} + cos(radians({to_latitude})) * cos(radians({latitude})) * ({across} * {across}))"
    )  # fmt: skip


def contains(ring: Ring, x: float, y: float) -> bool:
    """Whether the point is in the ring or on its edge: even-odd rule on the plane of degrees."""
    odd = False
    x1, y1 = ring[-1]
    for x2, y2 in ring:
        cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if cross == 0.0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
        if (y1 > y) != (y2 > y) and (cross > 0.0) == (y2 < y1):
            odd = not odd
        x1, y1 = x2, y2
    return odd


def contains_sql(ring: str, x: str, y: str) -> str:
    """`contains` of SQL expressions: a flat float8[] of x and y in turn, and a point. False where the ring is null."""
    cross = f"(x2 - x1) * ({y} - y1) - (y2 - y1) * ({x} - x1)"
    on_edge = f"""{cross} = 0 and {x} between least(x1, x2) and greatest(x1, x2)
        and {y} between least(y1, y2) and greatest(y1, y2)"""
    crossed = f"(y1 > {y}) <> (y2 > {y}) and ({cross} > 0) = (y2 < y1)"
    return f"""(select coalesce(bool_or({on_edge}) or mod(count(*) filter (where {crossed}), 2) = 1, false)
      from (select {ring} as v) r, generate_series(1, cardinality(v), 2) i, lateral (select
        v[case i when 1 then cardinality(v) - 1 else i - 2 end] as x1,
        v[case i when 1 then cardinality(v) else i - 1 end] as y1, v[i] as x2, v[i + 1] as y2) e)"""


def bounds(ring: Ring) -> tuple[float, float, float, float]:
    """(west, south, east, north) of a ring."""
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    return min(xs), min(ys), max(xs), max(ys)
