"""Masks of polygons: by pixel centres as rational arithmetic says, and as COCO's program draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.masks import areas, decode, from_polygons, to_coco
from minidet_kernels.masks.polygons import NEAR, by_centres

SIZE = st.tuples(st.integers(1, 9), st.integers(1, 9))
#: Halves and fifths of pixels, where centres and COCO's grid are, neighbours of them, and anything; outside, too.
NUMBERS = st.one_of(
    st.integers(-6, 24).map(lambda n: n / 2),
    st.integers(-20, 60).map(lambda n: n / 5),
    st.integers(-3, 12).map(float),
    st.integers(1, 18).map(lambda n: float(np.nextafter(n / 2, 100))),
    st.integers(1, 18).map(lambda n: float(np.nextafter(n / 2, -100))),
    st.floats(-30, 30).map(lambda x: x if abs(x) >= NEAR else 0.0),
    st.sampled_from([1e-60, -1e-17, 300.0]),
)


@st.composite
def polygon(draw: Any, least: int = 0) -> list[float]:
    """Coordinates of some corners: anywhere, on one line, or twice the same."""
    corners = draw(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=least, max_size=7))
    kind = draw(st.sampled_from(["any", "any", "line", "doubled", "box"]))
    if kind == "line" and len(corners) > 2:
        (ax, ay), (bx, by) = corners[:2]
        corners = [(ax + k * (bx - ax) / 4, ay + k * (by - ay) / 4) for k in range(len(corners))]
    elif kind == "doubled":
        corners = [corner for corner in corners for _ in "ab"]
    elif kind == "box" and len(corners) > 1:
        (ax, ay), (bx, by) = corners[:2]
        corners = [(ax, ay), (ax, by), (bx, by), (bx, ay)]
    return [float(x) for corner in corners for x in corner]


def one(*polygons: list[float], size: tuple[int, int], rule: str = "even_odd") -> np.ndarray:
    return decode(from_polygons([list(polygons)], size=size, rule=rule))[0].astype(int)


# --- by pixel centres -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([0, 0, 0, 2, 1, 2, 1, 0], [[1, 0, 0], [1, 0, 0]]),
        ([0.5, 0.5, 0.5, 1.5, 1.5, 1.5, 1.5, 0.5], [[1, 0, 0], [0, 0, 0]]),  # left and upper sides belong to a box
        ([1.5, 0, 1.5, 2, 9, 2, 9, 0], [[0, 1, 1], [0, 1, 1]]),
        ([0, 0, 3, 0, 0, 3], [[1, 1, 0], [1, 0, 0]]),  # a centre on an edge is below it
        ([3, 0, 3, 3, 0, 3], [[0, 0, 1], [0, 1, 1]]),
        ([-5, -5, -5, 5, 5, 5, 5, -5], [[1, 1, 1], [1, 1, 1]]),
        ([0, 0, 0, 2, 3, 2, 3, 0, 0, 0, 1, 0, 1, 2, 2, 2, 2, 0], [[1, 0, 1], [1, 0, 1]]),  # twice inside is outside
        ([0, 0, 3, 2], [[0, 0, 0], [0, 0, 0]]),
        ([1, 1], [[0, 0, 0], [0, 0, 0]]),
        ([], [[0, 0, 0], [0, 0, 0]]),
    ],
)
def test_witnesses(corners, expected):
    assert one(corners, size=(2, 3)).tolist() == expected
    assert by_centres(corners, (2, 3)).astype(int).tolist() == expected


@given(parts=st.lists(polygon(), max_size=3), size=SIZE)
def test_even_odd_is_what_rational_arithmetic_says(parts, size):
    expected = np.any([by_centres(part, size) for part in parts], axis=0) if parts else np.zeros(size, bool)
    got = from_polygons([parts], size=size)
    np.testing.assert_array_equal(decode(got)[0], expected)
    assert (got.counts[1:] > 0).all()  # as ``encode`` writes it
    np.testing.assert_array_equal(decode(from_polygons([[np.array(p) for p in parts]], size=size))[0], expected)


@given(a=st.integers(2, 2**20), b=st.integers(2, 2**20), k=st.integers(0, 7), nudge=st.sampled_from([-1, 0, 1]))
def test_an_edge_that_passes_a_centre_by_less_than_rounding(a, b, k, nudge):
    """A line through the centre (k + .5, k + .5) by two far points, one of them moved by one unit in the last place."""
    x1, y1 = k + 0.5 - a * 0.1, k + 0.5 - b * 0.1
    x2, y2 = k + 0.5 + 3 * a * 0.1, k + 0.5 + 3 * b * 0.1
    y2 = float(np.nextafter(y2, nudge * np.inf)) if nudge else y2
    part = [x1, y1, x2, y2, x1, y2 + 5]
    np.testing.assert_array_equal(decode(from_polygons([[part]], size=(8, 8)))[0], by_centres(part, (8, 8)))


@given(corners=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=3), x=NUMBERS, y=NUMBERS)
def test_triangles_that_share_edges_share_no_pixel(corners, x, y):
    """A triangle is the sum, modulo 2, of those from each of its edges to any point."""
    size, (a, b, c), p = (9, 9), corners, (x, y)
    parts = [[*u, *v, *p] for u, v in ((a, b), (b, c), (c, a))]
    total = sum(one(part, size=size) for part in parts)
    np.testing.assert_array_equal(total % 2, one([*a, *b, *c], size=size))


@given(objects=st.lists(st.lists(polygon(), max_size=3), max_size=4), size=SIZE)
@pytest.mark.parametrize("rule", ["even_odd", "coco"])
def test_objects_are_drawn_apart_and_parts_united(rule, objects, size):
    objects = [[part for part in parts if len(part) > 4] for parts in objects]
    together = from_polygons(objects, size=size, rule=rule)
    assert len(together) == len(objects)
    for parts, mask in zip(objects, decode(together), strict=True):
        alone = [one(part, size=size, rule=rule) for part in parts]
        np.testing.assert_array_equal(mask, np.any(alone, axis=0) if alone else np.zeros(size))


# --- as COCO's program ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corners", "text"),
    [
        ([0, 0, 0, 2, 1, 2, 1, 0], "022"),
        ([1, 1, 1, 3, 3, 3, 3, 1], "522203"),
    ],
)
def test_coco_draws_boxes_of_whole_pixels(corners, text):
    h, w = (2, 2) if text == "022" else (4, 4)
    x1, y1, x2, y2 = min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2])
    expected = np.zeros((h, w), int)
    expected[y1:y2, x1:x2] = 1
    assert one(corners, size=(h, w), rule="coco").tolist() == expected.tolist()


@pytest.mark.oracle
@given(data=st.data())
def test_coco_is_pycocotools(data):
    coco = pytest.importorskip("pycocotools.mask")
    h, w = data.draw(SIZE | st.sampled_from([(60, 3), (2, 70), (33, 40)]))
    scale = data.draw(st.sampled_from([1.0, 1.0, 3.7]))
    parts = data.draw(st.lists(polygon(least=3), min_size=1, max_size=3))
    parts = [[x * scale for x in part] for part in parts]
    merged = coco.merge(coco.frPyObjects(parts, h, w))
    expected = [merged | {"counts": merged["counts"].decode()}]
    assert to_coco(from_polygons([parts], size=(h, w), rule="coco")) == expected


# --- refusals ---------------------------------------------------------------------------------------------------------

TRIANGLE = [0.0, 0.0, 0.0, 2.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("polygons", "options", "error", "says"),
    [
        ([[TRIANGLE], [TRIANGLE, TRIANGLE[:5]]], {}, ValueError, "object 1 has a polygon of 5 numbers"),
        ([[TRIANGLE], [[*TRIANGLE, np.nan, 1]]], {}, ValueError, "object 1 has a coordinate of nan"),
        ([[], [TRIANGLE, [*TRIANGLE, -np.inf, 1]]], {}, ValueError, "object 1 has a coordinate of -inf"),
        ([[[*TRIANGLE, 2**28, 1]]], {}, ValueError, "object 0 has a coordinate of 268435456"),
        ([TRIANGLE], {}, TypeError, "object 0 must be a list of polygons"),
        ([[["a", "b"]]], {}, TypeError, "flat list of numbers"),
        ([[[TRIANGLE, TRIANGLE]]], {}, TypeError, "flat list of numbers"),
        ([[TRIANGLE]], {"rule": "nonzero"}, ValueError, "rule must be 'even_odd' or 'coco', not 'nonzero'"),
        ([[TRIANGLE]], {"size": (3, 3, 3)}, TypeError, "size is (height, width)"),
    ],
)
def test_refusals(polygons, options, error, says):
    with pytest.raises(error) as caught:
        from_polygons(polygons, **({"size": (3, 3)} | options))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rule", ["even_odd", "coco"])
def test_nothing_to_draw(rule):
    assert len(from_polygons([], size=(3, 4), rule=rule)) == 0
    assert areas(from_polygons([[], [TRIANGLE]], size=(3, 4), rule=rule))[0] == 0
    for size in ((0, 3), (3, 0)):
        assert from_polygons([[TRIANGLE]], size=size, rule=rule).size == size
