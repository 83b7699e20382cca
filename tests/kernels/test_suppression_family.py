"""Laws and witnesses of what is not plain ``nms``: DIoU-NMS, Fast NMS, Soft-NMS, Matrix NMS, weighted boxes fusion."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import (
    OPS,
    diou_nms,
    fast_nms,
    iou_matrix,
    matrix_nms,
    matrix_nms_of,
    nms,
    pin,
    soft_nms,
    weighted_boxes_fusion,
)
from minidet_kernels.suppression.limits import LEAST
from support.cases_boxes import THRESHOLDS, boxes, decaying

NAMES = ["diou_nms", "fast_nms", "soft_nms", "matrix_nms", "matrix_nms_of", "weighted_boxes_fusion"]
EACH = [(name, impl) for name in NAMES for impl in ["definition", *OPS[name].rungs("numpy")]]


def each(name: str) -> Any:
    return pytest.mark.parametrize("impl", [i for n, i in EACH if n == name])


def run(name: str, impl: str, *arrays: Any, **options: Any) -> Any:
    if options.get("threshold", 1) < LEAST:
        impl = impl.replace("grid", "numba")  # the grid refuses the least thresholds
    with pin(**{name: impl}):
        return OPS[name](*arrays, **options)


f32 = np.float32
CHAIN = f32([[0, 0, 4, 1], [1, 0, 5, 1], [2, 0, 6, 1]])  # IoU 3/5 with the next, 1/3 with the one after
DOWN = f32([0.9, 0.8, 0.7])
NINE = f32([[0, 0, 10, 1], [0, 0, 9, 1], [20, 0, 25, 5]])  # IoU 9/10, and one apart
HALF = f32([[0, 0, 2, 1], [0, 0, 1, 1]])  # IoU 1/2


# --- greedy ----------------------------------------------------------------------------------------------------------


@each("diou_nms")
def test_diou_witnesses(impl):
    """IoU 3/5; d^2 / c^2 = 1/26: 0.5615 is above a half, and with Darknet's exponent 0.4584 is not."""
    x, s = CHAIN[:2], DOWN[:2]
    assert run("diou_nms", impl, x, s, threshold=0.5).tolist() == [0]
    assert run("diou_nms", impl, x, s, threshold=0.57).tolist() == [0, 1]
    assert run("diou_nms", impl, x, s, threshold=0.5, beta=0.6).tolist() == [0, 1]
    assert run("diou_nms", impl, x, s, threshold=0.458, beta=0.6).tolist() == [0]
    assert run("diou_nms", impl, x, s, np.array([0, 1]), threshold=0.1).tolist() == [0, 1]
    # three of side 2, concentric with one of side 4: IoU 1/4, and what is taken away is 0 but for the moved one
    x = f32([[0, 0, 4, 4], [1, 1, 3, 3], [2, 2, 4, 4]])
    assert run("diou_nms", impl, x, DOWN, threshold=0.24).tolist() == [0, 2]
    assert run("diou_nms", impl, x[:1], DOWN[:1], threshold=0.5).tolist() == [0]
    assert run("diou_nms", impl, x[:0], DOWN[:0], threshold=0.5).tolist() == []
    points = f32([[1, 1, 1, 1]] * 2)
    assert run("diou_nms", impl, points, DOWN[:2], threshold=0.5).tolist() == [0, 1]
    assert run("diou_nms", impl, points, DOWN[:2], threshold=0.5, empty="one").tolist() == [0]


@each("diou_nms")
@given(data=st.data(), t=THRESHOLDS, beta=st.sampled_from([0.6, 1.0, 2.0]))
def test_concentric_boxes_are_suppressed_as_by_nms(impl, data, t, beta):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    half, centre = rng.integers(0, 9, (30, 2)), rng.integers(-40, 40, 2) * 4
    x, s = np.concatenate([centre - half, centre + half], axis=1).astype(f32), rng.random(30, dtype=f32).round(1)
    assert run("diou_nms", impl, x, s, threshold=t, beta=beta).tolist() == nms(x, s, threshold=t).tolist()


@each("diou_nms")
@given(data=st.data(), t=THRESHOLDS)
def test_a_large_exponent_takes_nothing_away(impl, data, t):
    """Of boxes that meet, the centres are within half the diagonal of both: 1/4^1000 is 0."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(0, 40))
    corner, s = rng.uniform(0, 30, (n, 2)), decaying(data.draw, n)
    x = np.concatenate([corner, corner + rng.uniform(1, 20, (n, 2))], axis=1).astype(f32)
    t = max(t, 0.01)  # at 0 and below, boxes that do not meet are compared too
    assert run("diou_nms", impl, x, s, threshold=t, beta=1000).tolist() == nms(x, s, threshold=t).tolist()


@each("fast_nms")
def test_fast_witnesses(impl):
    assert nms(CHAIN, DOWN, threshold=0.5).tolist() == [0, 2]
    assert run("fast_nms", impl, CHAIN, DOWN, threshold=0.5).tolist() == [0]  # the dropped second drops the third
    assert run("fast_nms", impl, CHAIN, DOWN[::-1].copy(), threshold=0.5).tolist() == [2]
    assert run("fast_nms", impl, CHAIN, DOWN, np.array([5, 9, 5]), threshold=0.5).tolist() == [0, 1, 2]
    assert run("fast_nms", impl, HALF, DOWN[:2], threshold=0.5).tolist() == [0, 1]
    assert run("fast_nms", impl, HALF, DOWN[:2], threshold=0.5, compare="inclusive").tolist() == [0]
    assert run("fast_nms", impl, HALF[:0], DOWN[:0], threshold=0.5).tolist() == []


@each("fast_nms")
@given(data=st.data(), t=THRESHOLDS)
def test_fast_keeps_some_of_what_nms_keeps(impl, data, t):
    """Those that no better box overlaps: the paper's maximum over the upper triangle of the matrix."""
    n = data.draw(st.integers(1, 40))
    x, s = boxes(data.draw, n, f32), np.random.default_rng(n).permutation(n).astype(f32)
    kept = run("fast_nms", impl, x, s, threshold=t).tolist()
    assert set(kept) <= set(nms(x, s, threshold=t).tolist())
    order = np.argsort(-s)
    with np.errstate(invalid="ignore"):
        above = np.triu(iou_matrix(x[order], x[order]) > f32(t), 1).any(axis=0)
    assert kept == order[~above].tolist()


# --- decay -----------------------------------------------------------------------------------------------------------


@each("soft_nms")
@pytest.mark.parametrize(
    ("x", "s", "options", "kept", "scores"),
    [
        (NINE, [0.9, 0.8, 0.3], {}, [0, 2, 1], [0.9, 0.3, 0.8 * np.exp(-0.81 / 0.5)]),
        (NINE, [0.9, 0.8, 0.3], {"spread": "two_sigma"}, [0, 1, 2], [0.9, 0.8 * np.exp(-0.81), 0.3]),
        (NINE, [0.9, 0.8, 0.3], {"sigma": 1}, [0, 1, 2], [0.9, 0.8 * np.exp(-0.81), 0.3]),
        (NINE, [0.9, 0.8, 0.3], {"kernel": "linear"}, [0, 2, 1], [0.9, 0.3, 0.08]),
        (NINE, [0.9, 0.8, 0.3], {"kernel": "linear", "threshold": 0.95}, [0, 1, 2], [0.9, 0.8, 0.3]),
        (NINE, [0.9, 0.8, 0.3], {"kernel": "linear", "floor": 0.1}, [0, 2], [0.9, 0.3]),
        (NINE, [0.9, 0.8, 0.3], {"kernel": "hard"}, [0, 2], [0.9, 0.3]),
        (NINE, [0.9, 0.8, 0.3], {"most": 1}, [0], [0.9]),
        (NINE, [0.9, 0.8, 0.3], {"most": 0}, [], []),
        (NINE, [0.9, 0.8, 0.5], {"kernel": "hard", "floor": 0.5}, [0], [0.9]),
        (NINE, [0.9, 0.8, 0.5], {"kernel": "hard", "floor": 0.5, "at_floor": "kept"}, [0, 2], [0.9, 0.5]),
        (NINE[:1], [0.0], {"floor": 0}, [], []),
        (HALF, [0.9, 0.8], {"kernel": "linear", "threshold": 0.5}, [0, 1], [0.9, 0.8]),
        (HALF, [0.9, 0.8], {"kernel": "linear", "threshold": 0.5, "compare": "inclusive"}, [0, 1], [0.9, 0.4]),
        (HALF[[0, 0, 0]], [0.5, 0.5, 0.5], {"kernel": "hard"}, [0], [0.5]),
        (NINE[[2, 1, 2]], [0.5, 0.5, 0.6], {"kernel": "hard"}, [2, 1], [0.6, 0.5]),
        (f32([[1, 1, 1, 1]] * 2), [0.9, 0.8], {}, [0, 1], [0.9, 0.8]),
        (f32([[1, 1, 1, 1]] * 2), [0.9, 0.8], {"empty": "nan"}, [0, 1], [0.9, 0.8]),
        (f32([[1, 1, 1, 1]] * 2), [0.9, 0.8], {"empty": "one"}, [0, 1], [0.9, 0.8 * np.exp(-2)]),
        (np.zeros((0, 4), f32), [], {}, [], []),
    ],
)
def test_soft_witnesses(impl, x, s, options, kept, scores):
    got, lowered = run("soft_nms", impl, x, f32(s), **options)
    assert got.dtype == np.int64
    assert lowered.dtype == f32
    assert got.tolist() == kept
    np.testing.assert_allclose(lowered, f32(scores), rtol=0, atol=2**-23)  # four roundings of numbers below 1


@each("soft_nms")
@given(data=st.data(), t=THRESHOLDS, strict=st.booleans())
def test_soft_with_a_hard_edge_is_nms(impl, data, t, strict):
    n = data.draw(st.integers(0, 40))
    x, s = boxes(data.draw, n, f32), decaying(data.draw, n) + f32(0.5)
    options = {"threshold": t, "compare": "strict" if strict else "inclusive"}
    kept, left = run("soft_nms", impl, x, s, kernel="hard", floor=0, **options)
    assert kept.tolist() == nms(x, s, **options).tolist()
    np.testing.assert_array_equal(left, s[kept])


@each("soft_nms")
@given(data=st.data())
def test_a_narrow_gaussian_is_nms_of_all_that_touch(impl, data):
    n = data.draw(st.integers(0, 40))
    x, s = boxes(data.draw, n, f32), decaying(data.draw, n) + f32(0.5)
    kept, _ = run("soft_nms", impl, x, s, sigma=1e-300, floor=0)
    assert kept.tolist() == nms(x, s, threshold=0).tolist()


@each("soft_nms")
@given(data=st.data(), kernel=st.sampled_from(["linear", "gaussian"]))
def test_soft_scores_fall_and_are_in_order(impl, data, kernel):
    n = data.draw(st.integers(0, 40))
    x, s = boxes(data.draw, n, f32), decaying(data.draw, n)
    kept, left = run("soft_nms", impl, x, s, kernel=kernel, floor=0)
    assert (left <= s[kept]).all()
    assert (np.diff(left) <= 0).all()
    assert len(set(kept.tolist())) == len(kept)
    first, few = run("soft_nms", impl, x, s, kernel=kernel, floor=0, most=3)
    assert first.tolist() == kept[:3].tolist()
    np.testing.assert_array_equal(few, left[:3])


def test_soft_keeps_no_quadratic_array():
    """A lattice of disjoint boxes, each there twice: the copies fall by exp(-1 / sigma), and nothing else does."""
    corner = np.stack(np.meshgrid(np.arange(120), np.arange(120)), axis=-1).reshape(-1, 2).astype(f32) * 4
    x = np.concatenate([corner, corner + 3], axis=1)
    s = np.random.default_rng(0).permutation(len(x)).astype(f32) + 1
    kept, left = soft_nms(np.concatenate([x, x]), np.concatenate([s, s]), sigma=0.01)
    assert kept.tolist() == np.argsort(-s).tolist()
    np.testing.assert_array_equal(left, np.sort(s)[::-1])


@each("matrix_nms")
def test_matrix_witnesses(impl):
    """Overlaps 3/5, 3/5 and 1/3; the second lowers the third by no more than it is lowered itself."""
    linear = run("matrix_nms", impl, CHAIN, DOWN, kernel="linear")
    np.testing.assert_allclose(linear, [0.9, 0.8 * 0.4, 0.7 * 2 / 3], rtol=2e-7)
    gaussian = run("matrix_nms", impl, CHAIN, DOWN)
    np.testing.assert_allclose(gaussian, [0.9, 0.8 * np.exp(-0.72), 0.7 * np.exp(-2 / 9)], rtol=2e-7)
    wider = run("matrix_nms", impl, CHAIN, DOWN, sigma=2.0)
    np.testing.assert_allclose(wider, [0.9, 0.8 * np.exp(-0.18), 0.7 * np.exp(-1 / 18)], rtol=2e-7)
    apart = run("matrix_nms", impl, CHAIN, DOWN, np.array([3, 4, 3]), kernel="linear")
    np.testing.assert_allclose(apart, [0.9, 0.8, 0.7 * 2 / 3], rtol=2e-7)
    copies = run("matrix_nms", impl, CHAIN[[1, 1, 0, 1]], f32([0.9, 0.8, 0.7, 0.6]), kernel="linear")
    np.testing.assert_allclose(copies, [0.9, 0, 0.7 * 0.4, 0], rtol=2e-7)  # the copy lowers nothing
    assert run("matrix_nms", impl, CHAIN[:0], DOWN[:0]).tolist() == []


@each("matrix_nms_of")
def test_matrix_of_given_overlaps(impl):
    m = np.array([[1, 0.25, 0.5], [0.25, 1, 0.75], [0.5, 0.75, 1]])
    got = run("matrix_nms_of", impl, m, np.array([0.5, 1.0, 0.25]), kernel="linear")
    # in order 1, 0, 2: the first is lowered by 1/4, the third by the least of 1 - 3/4 and (1 - 1/2) / (1 - 1/4)
    assert got.tolist() == [0.5 * 0.75, 1.0, 0.25 * 0.25]


@each("matrix_nms")
@given(data=st.data(), kernel=st.sampled_from(["linear", "gaussian"]))
def test_matrix_scores_never_grow(impl, data, kernel):
    n = data.draw(st.integers(1, 40))
    x, s = boxes(data.draw, n, f32, infinite=False), decaying(data.draw, n)
    c = np.random.default_rng(n).integers(0, 3, n)
    left = run("matrix_nms", impl, x, s, c, kernel=kernel)
    assert (left <= s).all()
    assert (left >= 0).all()
    for k in set(c.tolist()):
        (members,) = np.nonzero(c == k)
        best = members[np.argmax(s[members])]
        assert left[best] == s[best]
        np.testing.assert_array_equal(left[members], run("matrix_nms", impl, x[members], s[members], kernel=kernel))
    with np.errstate(invalid="ignore"):
        given_overlaps = matrix_nms_of(np.nan_to_num(iou_matrix(x, x)), s, c, kernel=kernel)
    np.testing.assert_array_equal(left, given_overlaps)


@pytest.mark.parametrize("name", ["diou_nms", "fast_nms", "soft_nms"])
@given(data=st.data(), t=THRESHOLDS)
def test_class_by_class(name, data, t):
    n = data.draw(st.integers(0, 40))
    rng = np.random.default_rng(n)
    x, s, c = boxes(data.draw, n, f32), rng.permutation(n).astype(f32), rng.integers(-2, 3, n)
    more = {"kernel": "linear", "floor": 0} if name == "soft_nms" else {}
    got = OPS[name](x, s, c, threshold=t, **more)
    got, left = got if name == "soft_nms" else (got, s[got])
    assert (np.diff(left) <= 0).all()
    for k in range(-2, 3):
        (members,) = np.nonzero(c == k)
        alone = OPS[name](x[members], s[members], threshold=t, **more)
        alone = alone[0] if name == "soft_nms" else alone
        assert got[c[got] == k].tolist() == members[alone].tolist()


# --- fusion ----------------------------------------------------------------------------------------------------------

PAIR = f32([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])


def fuse(impl: str, x: Any, s: Any, c: Any = None, m: Any = None, **options: Any) -> tuple[list, list, list]:
    c, m = (np.zeros(len(x), np.int64) if a is None else np.array(a, np.int64) for a in (c, m))
    return tuple(part.tolist() for part in run("weighted_boxes_fusion", impl, x, np.asarray(s), c, m, **options))


@each("weighted_boxes_fusion")
def test_fusion_witnesses(impl):
    s = np.array([0.75, 0.25, 0.5])
    x = PAIR.astype(np.float64)
    # two models found one box, at 10 and 9, three times as sure of 10; one of them found another box
    assert fuse(impl, x, s, m=[0, 1, 0]) == ([[0, 0, 10, 9.75], [50, 50, 60, 60]], [0.5, 0.25], [0, 0])
    assert fuse(impl, x, s, m=[0, 1, 0], conf="max") == ([[0, 0, 10, 9.75], [50, 50, 60, 60]], [0.75, 0.5], [0, 0])
    # one model found both: its T is 1, and no more than one counts, unless all do
    assert fuse(impl, x, s)[1] == [0.5, 0.5]
    assert fuse(impl, x, s, count="all") == ([[0, 0, 10, 9.75], [50, 50, 60, 60]], [1.0, 0.5], [0, 0])
    # a weight of 3 for the second model makes its box as good as the first's
    fused, score, _ = fuse(impl, x, s, m=[0, 1, 0], weights=[1, 3])
    assert fused == [[0, 0, 10, 9.5], [50, 50, 60, 60]]
    assert score == [0.75 * 2 / 4, 0.5 / 4]
    assert fuse(impl, x, s, m=[0, 1, 0], conf="max", weights=[1, 3])[1] == [0.25, 0.5 / 3]
    # classes apart, a box below skip, and one of score 0
    assert fuse(impl, x, s, c=[7, 8, 7], m=[0, 1, 0])[2] == [7, 7, 8]
    assert fuse(impl, x, s, skip=0.5)[0] == [[0, 0, 10, 10], [50, 50, 60, 60]]
    assert fuse(impl, x, [0.0, 0.5, 0.0])[0] == [[0, 0, 10, 9]]
    assert fuse(impl, x[:0], s[:0]) == ([], [], [])
    # IoU 9/10 is not above 9/10 in float64
    assert len(fuse(impl, x, s, threshold=0.9)[0]) == 3
    assert len(fuse(impl, x, s, threshold=0.9, compare="inclusive")[0]) == 2


@each("weighted_boxes_fusion")
def test_a_box_joins_the_cluster_that_it_overlaps_most(impl):
    x = np.array([[0.0, 0, 8, 1], [4, 0, 12, 1], [3, 0, 11, 1]])  # IoU of the third: 5/11 and 7/9
    fused, _, _ = fuse(impl, x, [0.75, 0.5, 0.5], threshold=0.4)
    assert fused == [[0, 0, 8, 1], [3.5, 0, 11.5, 1]]
    # a fused box moves: after it took the second the third meets it, which the first alone it does not
    x = np.array([[0.0, 0, 8, 1], [2, 0, 10, 1], [4, 0, 12, 1]])
    assert fuse(impl, x, [0.5, 0.5, 0.25], threshold=0.4)[0] == [[1.6, 0, 9.6, 1]]
    assert len(fuse(impl, x[[0, 2]], [0.5, 0.25], threshold=0.4)[0]) == 2


@each("weighted_boxes_fusion")
@given(data=st.data(), conf=st.sampled_from(["avg", "max"]))
def test_one_model_with_boxes_apart_is_left_alone(impl, data, conf):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(0, 30))
    corner = rng.permutation(n)[:, None] * 100 - 700 + rng.uniform(0, 50, (n, 2))
    dtype = data.draw(st.sampled_from([f32, np.float64]))
    x = np.concatenate([corner, corner + rng.uniform(1, 50, (n, 2))], axis=1).astype(dtype)
    s, c = rng.random(n, dtype=f32) + f32(0.1), rng.integers(0, 5, n)
    fused, score, label = run("weighted_boxes_fusion", impl, x, s, c, np.zeros(n, np.int64), conf=conf)
    order = np.argsort(-s, kind="stable")
    np.testing.assert_array_equal(fused, x[order])
    np.testing.assert_array_equal(score, s[order])
    np.testing.assert_array_equal(label, c[order])


@each("weighted_boxes_fusion")
@given(data=st.data())
def test_models_that_agree_change_nothing(impl, data):
    """T copies of boxes that are apart, one a model: the boxes and scores of one, within three roundings of float64."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, t = data.draw(st.integers(0, 20)), data.draw(st.integers(1, 5))
    corner = rng.permutation(n)[:, None] * 100 + rng.uniform(0, 50, (n, 2))
    x = np.concatenate([corner, corner + rng.uniform(1, 50, (n, 2))], axis=1).astype(f32)
    s = ((rng.permutation(n) + 1) / (n + 1)).astype(f32)
    m = np.repeat(np.arange(t), n)
    fused, score, _ = run("weighted_boxes_fusion", impl, np.tile(x, (t, 1)), np.tile(s, t), m * 0, m)
    order = np.argsort(-s)
    np.testing.assert_array_equal(fused, x[order])  # 24 digits are left of 53
    np.testing.assert_array_equal(score, s[order])


@each("weighted_boxes_fusion")
@given(data=st.data())
def test_fusion_symmetries(impl, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(1, 30))
    x = boxes(data.draw, n, f32, inverted=False, infinite=False)
    s, c, m = ((rng.permutation(n) + 1) / (n + 1)).astype(f32), rng.integers(0, 3, n), rng.integers(0, 2, n)
    options = {"weights": [1, 1], "threshold": 0.3}
    result = run("weighted_boxes_fusion", impl, x, s, c, m, **options)
    order = rng.permutation(n)
    moved = run("weighted_boxes_fusion", impl, x[order], s[order], c[order], m[order], **options)
    for a, b in zip(result, moved, strict=True):
        np.testing.assert_array_equal(a, b)
    doubled = run("weighted_boxes_fusion", impl, x * f32(0.5), s, c, m, **options)
    np.testing.assert_array_equal(doubled[1], result[1])
    for k in range(3):
        assert (result[0][result[2] == k] >= x[c == k].min(axis=0, initial=np.inf) - 1e-5 * np.abs(x).max()).all()
        assert (result[0][result[2] == k] <= x[c == k].max(axis=0, initial=-np.inf) + 1e-5 * np.abs(x).max()).all()
    assert (result[1] <= s.max()).all()


@pytest.mark.parametrize(("dtype", "of_scores"), [(f32, f32), (f32, np.float64), (np.float64, f32)])
@pytest.mark.parametrize(("name", "impl"), [(name, impl) for name, impl in EACH if impl != "definition"])
def test_in_general_position_bit_for_bit(name, impl, dtype, of_scores):
    """Four hundred boxes that overlap by all sorts of fractions, none of them round."""
    rng = np.random.default_rng(5)
    centre, side = rng.uniform(0, 100, (400, 2)), rng.uniform(5, 40, (400, 2))
    x, s = np.concatenate([centre - side, centre + side], axis=1).astype(dtype), rng.random(400).astype(of_scores)
    c, m = rng.integers(0, 2, 400), rng.integers(0, 3, 400)
    arrays: list[Any] = [iou_matrix(x, x) if name == "matrix_nms_of" else x, s, c]
    for options in {
        "diou_nms": [{"threshold": 0.5}, {"threshold": 0.3, "beta": 0.6}],
        "fast_nms": [{"threshold": 0.5}],
        "weighted_boxes_fusion": [{}, {"conf": "max", "weights": [1, 2, 3.5]}],
    }.get(name, [{"kernel": "gaussian"}, {"kernel": "gaussian", "sigma": 0.3}, {"kernel": "linear"}]):
        given_arrays = [*arrays, m] if name == "weighted_boxes_fusion" else arrays
        expected, got = (run(name, i, *given_arrays, **options) for i in ("definition", impl))
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (expected, got)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_examples_of_the_page_run():
    page = Path(__file__).resolve().parents[2] / "docs/operators/suppression.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    result = doctest.DocTestRunner().run(test)
    assert result.attempted > 10
    assert result.failed == 0


# --- what is refused --------------------------------------------------------------------------------------------------

good = np.zeros((2, 4), f32), np.zeros(2, f32)
inf = np.array([[0, 0, 1, 1], [0, 0, np.inf, 1]], f32)
whole = np.zeros(2, np.int64)


@pytest.mark.parametrize("name", ["diou_nms", "fast_nms", "soft_nms", "matrix_nms"])
@pytest.mark.parametrize(
    ("arrays", "options", "error", "words"),
    [
        ((good[0][0], good[1]), {}, ValueError, r"boxes must have shape \(n, 4\).* not \(4,\)"),
        ((good[0], good[1][:1]), {}, ValueError, r"2 boxes need scores of shape \(2,\), not \(1,\)"),
        ((good[0], good[1], good[1]), {}, TypeError, "classes must be integers, not float32"),
        ((good[0], good[1], whole[:1]), {}, ValueError, r"2 boxes need classes of shape \(2,\), not \(1,\)"),
        ((good[0] * np.nan, good[1]), {}, ValueError, "boxes has NaN in 2 of its 2 rows, first in row 0"),
        ((good[0], good[1] * np.nan), {}, ValueError, "scores has NaN in 2 of its 2 rows, first in row 0"),
        (good, {"width": 1}, ValueError, "width is one of 'exclusive', 'inclusive', not 1"),
    ],
)
def test_what_is_refused_of_all(name, arrays, options, error, words):
    if name != "matrix_nms":
        options = {"threshold": 0.5} | options
    with pytest.raises(error, match=f"^{name}: {words}"):
        OPS[name](*arrays, **options)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: diou_nms(*good, threshold=0.5, beta=0), "diou_nms: beta is a finite number above 0, not 0"),
        (lambda: diou_nms(*good, threshold=1.5), "diou_nms: threshold is an IoU between 0 and 1, not 1.5"),
        (lambda: fast_nms(*good, threshold=np.nan), "fast_nms: threshold is an IoU between 0 and 1, not nan"),
        (lambda: soft_nms(good[0], good[1] - 1), "soft_nms: scores that decay must be finite and not below 0; 2 of"),
        (lambda: soft_nms(good[0], good[1] + np.inf), "soft_nms: scores that decay must be finite"),
        (lambda: soft_nms(*good, kernel="soft"), "soft_nms: kernel is one of 'linear', 'gaussian', 'hard', not 'soft'"),
        (lambda: soft_nms(*good, sigma=0), "soft_nms: sigma is a finite number above 0, not 0"),
        (lambda: soft_nms(*good, spread=2), "soft_nms: spread is one of 'sigma', 'two_sigma', not 2"),
        (lambda: soft_nms(*good, floor=-1), "soft_nms: floor is a finite score, not below 0, not -1"),
        (lambda: soft_nms(*good, at_floor=1), "soft_nms: at_floor is one of 'dropped', 'kept', not 1"),
        (lambda: soft_nms(*good, most=1.5), "soft_nms: most is a whole number of boxes or None, not 1.5"),
        (lambda: soft_nms(*good, threshold=2), "soft_nms: threshold is an IoU between 0 and 1, not 2"),
        (lambda: matrix_nms(*good, kernel="hard"), "matrix_nms: kernel is one of 'linear', 'gaussian', not 'hard'"),
        (lambda: matrix_nms(*good, sigma=np.inf), "matrix_nms: sigma is a finite number above 0, not inf"),
        (lambda: matrix_nms(good[0], good[1] - 1), "matrix_nms: scores that decay must be finite and not below 0"),
        (lambda: matrix_nms_of(*good), r"matrix_nms_of: iou must have shape \(n, n\), each with each, not \(2, 4\)"),
        (lambda: matrix_nms_of(good[0][:, :2], good[1][:1]), r"matrix_nms_of: .* needs scores of shape \(2,\)"),
        (lambda: matrix_nms_of(inf[:, 1:3], good[1]), r"iou holds numbers between 0 and 1; \[1, 1\] is inf"),
        (lambda: matrix_nms_of(good[0][:, :2], good[1] - 1), "matrix_nms_of: scores that decay must be finite"),
        (lambda: weighted_boxes_fusion(inf, good[1], whole, whole), "boxes that are averaged must be finite; 1 of"),
        (lambda: weighted_boxes_fusion(*good, whole, whole - 1), "models count from 0; row 0 has -1"),
        (lambda: weighted_boxes_fusion(*good, whole, whole, weights=[0]), "weights are one finite number above 0"),
        (lambda: weighted_boxes_fusion(*good, whole, whole + 1, weights=[1]), "1 weights for models up to 1; give one"),
        (lambda: weighted_boxes_fusion(*good, whole, whole, skip=-1), "skip is a finite score, not below 0, not -1"),
        (lambda: weighted_boxes_fusion(*good, whole, whole, conf="mean"), "conf is one of 'avg', 'max', not 'mean'"),
        (lambda: weighted_boxes_fusion(*good, whole, whole, count=1), "count is one of 'capped', 'all', not 1"),
        (lambda: weighted_boxes_fusion(*good, whole, whole, threshold=-1), "IoU between 0 and 1, not -1"),
        (lambda: weighted_boxes_fusion(*good, whole, whole[:1]), r"2 boxes need models of shape \(2,\), not \(1,\)"),
        (lambda: weighted_boxes_fusion(good[0], good[1] - 1, whole, whole), "scores that decay must be finite"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
