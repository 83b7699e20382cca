"""Points of heatmaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.boxes.keypoints import cubic, keypoints_of


@given(n=st.integers(1, 9), m=st.integers(1, 20))
def test_cubic_keeps_constants_and_the_same_size(n, m):
    np.testing.assert_allclose(cubic(n, m).sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(cubic(n, n), np.eye(n), atol=1e-12)


def test_cubic_by_hand():
    """Five to three: the middles are at 1/3, 2 and 11/3; at 1/3 the tap before the first is the first again."""
    made = cubic(5, 3)
    assert made @ np.arange(5.0) == pytest.approx([0.25925926, 2, 3.74074074])  # the same for any a
    assert made[0] == pytest.approx([43 / 54 - 1 / 9, 10 / 27, -1 / 18, 0, 0])  # for a = -3/4
    assert made[1].tolist() == [0, 0, 1, 0, 0]
    assert made[2] == pytest.approx(made[0][::-1])


@given(
    place=st.tuples(st.integers(1, 5), st.integers(1, 5)), factor=st.integers(1, 4),
    x=st.integers(-50, 50), y=st.integers(-50, 50), dtype=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_a_peak_is_found_where_it_is(place, factor, x, y, dtype):
    """An odd whole factor: the cell's middle is a pixel's, and the greatest, but at borders (a cubic overshoots)."""
    factor = 2 * factor - 1
    maps = np.zeros((1, 2, 7, 7), dtype)
    maps[0, 0, place[0], place[1]] = 5
    side = 7 * factor
    points, scores = keypoints_of(maps, np.array([[x, y, x + side, y + side]], dtype))
    assert points.dtype == scores.dtype == dtype
    assert points[0, 0].tolist() == [x + (place[1] + 0.5) * factor, y + (place[0] + 0.5) * factor, 1]
    assert scores[0, 0] == pytest.approx(5)
    assert points[0, 1, :2].tolist() == [x + 0.5, y + 0.5]  # of equal ones the first


@given(seed=st.integers(0, 9999))
def test_points_lie_in_their_boxes(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-20, 60, (2, 3, 2)) / 4
    boxes = np.concatenate([np.minimum(a, b), np.maximum(a, b)], axis=1)
    points, _ = keypoints_of(rng.normal(size=(3, 4, 5, 5)), boxes)
    low, high = boxes[:, None, :2], np.maximum(boxes[:, None, 2:], boxes[:, None, :2] + 1)  # one pixel at least
    assert (points[..., :2] > low).all()
    assert (points[..., :2] < high).all()
    assert (points[..., 2] == 1).all()


def test_nothing_and_refusals():
    points, scores = keypoints_of(np.zeros((0, 17, 56, 56), "f4"), np.zeros((0, 4), "f4"))
    assert points.shape == (0, 17, 3)
    assert scores.shape == (0, 17)
    for maps, boxes in (
        (np.zeros((1, 1, 3)), np.zeros((1, 4))),
        (np.zeros((2, 1, 3, 3)), np.zeros((1, 4))),
        (np.zeros((1, 1, 0, 3)), np.zeros((1, 4))),
        (np.zeros((1, 1, 3, 3)), np.array([[0, 0, np.nan, 1]])),
    ):
        with pytest.raises(ValueError, match="keypoints_of: "):
            keypoints_of(maps, boxes)
