"""The grid of places against the predicates: what a predicate is true of, its cells must give."""

from collections.abc import Callable
from math import pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import nodes as ast
from app.core.match import compile_match
from app.core.query import parse_where
from app.core.schema import Field, FieldType, class_schema
from app.core.wire import Json, Object, decode
from app.live.filing.access_path import Holds, LiesIn, Scan
from app.live.filing.grid import FINEST, AreaIndex, PlaceIndex, area_of, cells_of_place, cover
from app.live.filing.router import MOST_SCANNED, Router

VAN = class_schema(
    "Van",
    {"at": Field(FieldType.GEO_POINT), "district": Field(FieldType.POLYGON), "status": Field(FieldType.STRING)},
)


def point(longitude: float, latitude: float) -> Object:
    return {"__type": "GeoPoint", "longitude": longitude, "latitude": latitude}


edges = st.sampled_from([0.0, -0.0, 45.0, -45.0, 1e-7, -1e-7])
longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([180.0, -180.0, 179.9999999, -179.9999999]), edges)
latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 89.9999999, -89.9999999]), edges)
places = st.tuples(longitudes, latitudes)
reaches = st.one_of(st.floats(0, 2e-4), st.floats(0, 0.05), st.floats(0, pi + 0.1), st.sampled_from([0.0, pi / 2, pi]))
steps = st.floats(-2, 2)
"""Of a point, in reaches of the area that it is looked for in."""


@st.composite
def areas(draw: st.DrawFn) -> ast.Node:
    longitude, latitude = draw(places)
    match draw(st.sampled_from(["near", "sphere", "box", "polygon"])):
        case "near":
            return ast.Near(("at",), longitude, latitude, draw(reaches))
        case "sphere":
            return ast.WithinSphere(("at",), longitude, latitude, draw(reaches))
        case "box":
            other = draw(places)
            (west, east), (south, north) = sorted((longitude, other[0])), sorted((latitude, other[1]))
            return ast.WithinBox(("at",), west, south, east, north)
    return ast.WithinPolygon(("at",), tuple(draw(st.lists(places, min_size=3, max_size=5))))


def wrapped(longitude: float) -> float:
    return (longitude + 180.0) % 360.0 - 180.0


@st.composite
def nearby(draw: st.DrawFn, node: ast.Node) -> tuple[float, float]:
    """A point that is likely to be about the edge of an area."""
    if draw(st.booleans()):
        return draw(places)
    if isinstance(node, ast.WithinBox):
        return draw(st.sampled_from([node.west, node.east])), draw(st.sampled_from([node.south, node.north]))
    if isinstance(node, ast.WithinPolygon):
        return draw(st.sampled_from(node.vertices))
    assert isinstance(node, ast.Near | ast.WithinSphere)
    reach = (node.max_radians or 0.0 if isinstance(node, ast.Near) else node.radians) * 180 / pi
    latitude = max(-90.0, min(90.0, node.latitude + draw(steps) * reach))
    return wrapped(node.longitude + draw(steps) * reach), latitude


@settings(max_examples=1000, deadline=None)
@given(data=st.data())
def test_every_point_that_an_area_holds_is_in_its_cells(data: st.DataObject) -> None:
    node = data.draw(areas())
    boxes = area_of(node)
    cells = cover(boxes) if boxes is not None else None
    if cells is None:
        return  # it is on the scan list
    index: AreaIndex[str] = AreaIndex()
    index.add(cells, "area")
    matches = compile_match(VAN, node)
    for _ in range(5):
        image = point(*data.draw(nearby(node)))
        found: set[str] = set()
        index.find([image], found)
        assert found or not matches({"objectId": "v", "at": image})
    index.remove(cells, "area")
    assert not index.buckets
    assert not index.levels


@settings(max_examples=500, deadline=None)
@given(ring=st.lists(places, min_size=3, max_size=6), data=st.data())
def test_every_point_that_a_polygon_holds_is_found_by_it(ring: list[tuple[float, float]], data: st.DataObject) -> None:
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    asked = data.draw(st.one_of(places, st.sampled_from(ring), st.tuples(st.floats(west, east), st.floats(south, north))))
    index: PlaceIndex[str] = PlaceIndex()
    index.add(cells_of_place(*asked), "place")
    polygon: Json = {"__type": "Polygon", "coordinates": [[latitude, longitude] for longitude, latitude in ring]}
    found: set[str] = set()
    index.find([polygon], found)
    assert found or not compile_match(VAN, ast.Intersects(("district",), asked))({"objectId": "v", "district": polygon})


def near(longitude: float, latitude: float, kilometers: float) -> Object:
    return {"at": {"$nearSphere": point(longitude, latitude), "$maxDistanceInKilometers": kilometers}}


@pytest.mark.parametrize(
    ("raw", "there", "beside"),
    [
        (near(-73.99, 40.73, 5), [(-73.98, 40.74)], [(-73.7, 40.73), (-73.99, 41.2), (106.0, 40.73)]),
        (near(179.99, 10, 5), [(-179.99, 10.0), (180.0, 10.0), (-180.0, 10.0)], [(179.5, 10.0), (-179.5, 10.0)]),
        (near(15, 89.99, 5), [(-165.0, 89.99), (100.0, 90.0)], [(15.0, 44.0)]),
        (near(0, -90, 100), [(123.0, -89.5), (-180.0, -90.0)], [(0.0, -44.0), (0.0, 90.0)]),
        ({"at": {"$within": {"$box": [point(-1, -1), point(1, 1)]}}}, [(-1.0, -1.0), (1.0, 1.0)], [(5.0, 0.0), (0.0, -5.0)]),
        ({"at": {"$geoWithin": {"$polygon": [[0, 0], [0, 2], [2, 0]]}}}, [(0.5, 0.5), (0.0, 2.0)], [(9.0, 0.0)]),
        ({"at": {"$geoWithin": {"$centerSphere": [[10, 50], 0.001]}}}, [(10.05, 50.0)], [(11.0, 50.0)]),
    ],
)
def test_a_live_query_about_a_place_is_asked_only_of_what_is_about_there(
    raw: Object, there: list[tuple[float, float]], beside: list[tuple[float, float]]
) -> None:
    router = Router()
    query = router.acquire(VAN, parse_where(VAN, raw))
    assert [type(path) for path in query.paths] == [LiesIn]
    assert router.counts()["geo"] == 1
    for place in there:
        assert router.match("Van", None, {"objectId": "v", "at": point(*place)})
    asked: list[Object] = []
    query.matches = _noting(asked)
    for place in beside:
        router.match("Van", None, {"objectId": "v", "at": point(*place)})
    assert asked == []
    router.release(query)
    assert not router.listens_to("Van")


def _noting(asked: list[Object]) -> Callable[[Object], bool]:
    def matches(image: Object) -> bool:
        asked.append(image)
        return False

    return matches


def test_a_point_that_moves_is_told_to_the_area_it_leaves_and_to_the_one_it_comes_to() -> None:
    router = Router()
    left = router.acquire(VAN, parse_where(VAN, near(10, 50, 1)))
    come = router.acquire(VAN, parse_where(VAN, near(20, 50, 1)))
    router.acquire(VAN, parse_where(VAN, near(30, 50, 1)))
    before: Object = {"objectId": "v", "at": point(10, 50)}
    found = {query: (was, now) for query, was, now in router.match("Van", before, {**before, "at": point(20, 50)})}
    assert found == {left: (True, False), come: (False, True)}


def test_polygons_find_the_points_that_are_asked_for() -> None:
    router = Router()
    query = router.acquire(VAN, parse_where(VAN, {"district": {"$geoIntersects": {"$point": point(10, 50)}}}))
    assert [type(path) for path in query.paths] == [Holds]
    ring: Json = [[49.0, 9.0], [49.0, 11.0], [51.0, 11.0], [51.0, 9.0]]
    assert router.match("Van", None, {"objectId": "v", "district": {"__type": "Polygon", "coordinates": ring}})
    asked: list[Object] = []
    query.matches = _noting(asked)
    far: Json = [[9.0, 9.0], [9.0, 11.0], [11.0, 11.0], [11.0, 9.0]]
    router.match("Van", None, {"objectId": "v", "district": {"__type": "Polygon", "coordinates": far}})
    assert asked == []
    router.release(query)
    assert not router.listens_to("Van")


def test_a_great_part_of_the_globe_is_no_selective_condition() -> None:
    router = Router()
    anywhere: Object = {"at": {"$nearSphere": point(0, 0)}}
    for raw in (near(0, 0, 12_000), anywhere):
        assert router.acquire(VAN, parse_where(VAN, raw)).paths == [Scan()]
    assert router.acquire(VAN, parse_where(VAN, near(0, 0, 2_500))).paths != [Scan()]


def test_more_live_queries_about_places_are_open_than_the_scan_list_takes() -> None:
    router = Router()
    for number in range(MOST_SCANNED + 1):
        router.acquire(VAN, parse_where(VAN, near(number / 100, 50, 1)))
    assert router.counts()["scan"] == 0


def test_a_small_place_comes_before_an_interval_and_an_equality_before_both() -> None:
    first: Json = {"__type": "Date", "iso": "2026-11-01T00:00:00.000Z"}
    last: Json = {"__type": "Date", "iso": "2026-11-02T00:00:00.000Z"}
    open_span: Object = {"createdAt": {"$gt": first}}
    span: Object = {"createdAt": {"$gt": first, "$lt": last}}
    narrow, wide = near(10, 50, 1), near(10, 50, 2_000)
    asked: list[Object] = [{**narrow, **span}, {**wide, **span}, {**wide, **open_span}, {**narrow, "status": "away"}]
    kinds = [type(Router().acquire(VAN, parse_where(VAN, raw)).paths[0]).__name__ for raw in asked]
    assert kinds == ["LiesIn", "Within", "LiesIn", "EqualTo"]


def test_a_place_that_is_not_on_earth_is_asked_of_every_area() -> None:
    """Only SQL can write it; the predicate decides, and Postgres has none of the bounds of a GeoPoint."""
    router = Router()
    query = router.acquire(VAN, parse_where(VAN, near(-170, 0, 5)))
    assert router.match("Van", None, {"objectId": "v", "at": point(190, 0)}) == [(query, False, True)]


def test_cells_are_few_and_fit_the_area() -> None:
    for kilometers in (0.1, 1, 10, 100, 1000):
        boxes = area_of(parse_where(VAN, near(10, 50, kilometers)))
        assert boxes is not None
        cells = cover(boxes)
        assert cells is not None
        assert 1 <= len(cells) <= 12
        side = 40_000 / 360 * 45 / 2 ** cells[0][0]
        assert side < 3 * kilometers or cells[0][0] == FINEST


def test_images_may_hold_anything_where_a_place_is_asked_for() -> None:
    router = Router()
    router.acquire(VAN, parse_where(VAN, near(10, 50, 1)))
    router.acquire(VAN, parse_where(VAN, {"district": {"$geoIntersects": {"$point": point(10, 50)}}}))
    for text in (
        "null",
        "1",
        '"x"',
        "[]",
        "{}",
        '{"__type":"GeoPoint","latitude":"x"}',
        '{"__type":"Polygon","coordinates":[[]]}',
    ):
        assert router.match("Van", None, {"objectId": "v", "at": decode(text), "district": decode(text)}) == []
