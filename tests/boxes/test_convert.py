"""Conversions of boxes: witnesses, round trips, and where clipping shows the order of the axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cases_boxes import boxes, view

from minidet.boxes import convert

WAYS = {
    "xyxy": [1, 2, 4, 8],
    "xywh": [1, 2, 3, 6],
    "cxcywh": [2.5, 5, 3, 6],
}
PAIRS = [(a, b) for a in WAYS for b in WAYS if a != b]


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4,), (1, 4), (2, 3, 4), (0, 4)])
def test_the_same_box_in_three_ways(source, target, dtype, shape):
    x = np.broadcast_to(np.array(WAYS[source], dtype), shape)
    y = getattr(convert, f"{source}_to_{target}")(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.broadcast_to(np.array(WAYS[target], dtype), shape))


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(data=st.data())
def test_round_trips(source, target, data):
    """Exact on small integers; inverted boxes included; the input is left as it was."""
    there, back = (getattr(convert, f"{a}_to_{b}") for a, b in ((source, target), (target, source)))
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x = view(data.draw, rng.integers(-50, 50, (7, 4)).astype(np.float32))
    before = x.copy()
    np.testing.assert_array_equal(back(there(x)), x)
    np.testing.assert_array_equal(x, before)
    swap = [1, 0, 3, 2]
    np.testing.assert_array_equal(there(x[:, swap]), there(x)[:, swap])


def test_clip_knows_height_from_width():
    assert convert.clip(np.array([0, 0, 30.0, 10]), (20, 40)).tolist() == [0, 0, 30, 10]
    assert convert.clip(np.array([0, 0, 10.0, 30]), (20, 40)).tolist() == [0, 0, 10, 20]
    assert convert.clip(np.array([-5, -6, 50.0, 60]), (20, 40)).tolist() == [0, 0, 40, 20]
    assert convert.clip(np.array([50, 60, 55.0, 65]), (20, 40)).tolist() == [40, 20, 40, 20]
    assert np.isnan(convert.clip(np.array([np.nan, 0, 1, 1]), (20, 40))).tolist() == [True, False, False, False]


@given(data=st.data(), height=st.integers(0, 50), width=st.integers(0, 50))
def test_clip_stays_inside_and_is_idempotent(data, height, width):
    x = boxes(data.draw, 8, np.float32)
    y = convert.clip(x, (height, width))
    assert y.dtype == x.dtype
    assert (y >= 0).all()
    assert (y <= [width, height, width, height]).all()
    np.testing.assert_array_equal(convert.clip(y, (height, width)), y)
    inside = (x >= 0) & (x <= [width, height, width, height])
    np.testing.assert_array_equal(y[inside], x[inside])


@pytest.mark.parametrize("name", [f"{a}_to_{b}" for a, b in PAIRS] + ["clip"])
def test_bad_arguments_get_one_line(name):
    function, more = getattr(convert, name), ((20, 40),) if name == "clip" else ()
    with pytest.raises(TypeError, match=f"{name}: boxes must be float32 or float64, not uint8"):
        function(np.zeros((2, 4), np.uint8), *more)
    with pytest.raises(ValueError, match=rf"{name}: boxes must have shape \(\.\.\., 4\), not \(2, 5\)"):
        function(np.zeros((2, 5)), *more)
    with pytest.raises(TypeError, match=f"{name}: boxes must be a NumPy or CuPy array, not list"):
        function([1, 2, 3, 4], *more)


def test_clip_refuses_a_size_that_is_none():
    with pytest.raises(ValueError, match=r"clip: size is \(height, width\) of the image, not \(-1, 4\)"):
        convert.clip(np.zeros((2, 4)), (-1, 4))
