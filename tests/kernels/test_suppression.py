"""Laws and witnesses of ``nms`` and ``batched_nms``, for every implementation."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, batched_nms, diou_nms, fast_nms, iou_matrix, nms, pin
from minidet_kernels.suppression.grid import best_first
from minidet_kernels.suppression.limits import LEAST
from support.cases_boxes import EMPTY, THRESHOLDS, WIDTHS, boxes, scores

EVERY = ["definition", *OPS["nms"].rungs("numpy")]
every = pytest.mark.parametrize("name", EVERY)


def keep(name: str, x: Any, s: Any, t: float, dtype: Any = np.float32, **options: Any) -> list[int]:
    name = name if t >= LEAST else name.replace("grid", "numba")  # the grid refuses the least thresholds
    with pin(nms=name):
        kept = nms(np.array(x, dtype), np.array(s, dtype), threshold=t, **options)
    assert kept.dtype == np.int64
    return kept.tolist()


def keep_batched(name: str, x: Any, s: Any, c: Any, t: float, dtype: Any = np.float32) -> list[int]:
    name = name if t >= LEAST else name.replace("grid", "numba")
    with pin(batched_nms=name):
        kept = batched_nms(np.array(x, dtype), np.array(s, dtype), np.array(c, np.int64), threshold=t)
    assert kept.dtype == np.int64
    return kept.tolist()


TENTHS = [[0, 0, 10, 1], [0, 0, 6, 1]]  # IoU 3/5
HALF = [[0, 0, 2, 1], [0, 0, 1, 1]]  # IoU 1/2
APART = [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]
SAME = [[0, 0, 1, 1]] * 3
CHAIN = [[0, 0, 4, 1], [1, 0, 5, 1], [2, 0, 6, 1]]  # IoU 3/5 with the next, 1/3 with the one after
POINTS = [[1, 1, 1, 1]] * 2
INVERTED = [[2, 0, 0, 2], [0, 0, 2, 2]]


@every
@pytest.mark.parametrize(
    ("x", "s", "t", "options", "expected"),
    [
        (TENTHS, [0.9, 0.8], 0.6, {}, [0, 1]),  # the threshold is rounded to float32, as the quotient is
        (TENTHS, [0.9, 0.8], 0.6, {"compare": "inclusive"}, [0]),
        (HALF, [0.9, 0.8], 0.5, {}, [0, 1]),
        (HALF, [0.9, 0.8], 0.5, {"compare": "inclusive"}, [0]),
        (HALF, [0.9, 0.8], 0.49, {}, [0]),
        (HALF, [0.8, 0.9], 0.49, {}, [1]),
        (APART, [0.5, 0.9, 0.7], 0, {}, [1, 2, 0]),
        (APART, [0.5, 0.9, 0.7], 0, {"compare": "inclusive"}, [1]),
        (SAME, [0.5, 0.5, 0.5], 0.5, {}, [0]),
        (SAME, [0.5, 0.6, 0.6], 0.5, {}, [1]),
        (SAME, [0.5, 0.5, 0.5], 1, {}, [0, 1, 2]),
        (SAME, [0.5, 0.5, 0.5], 1, {"compare": "inclusive"}, [0]),
        (CHAIN, [0.9, 0.8, 0.7], 0.5, {}, [0, 2]),  # what is dropped drops nothing
        (POINTS, [0.9, 0.8], 0.5, {}, [0, 1]),
        (POINTS, [0.9, 0.8], 0.5, {"empty": "nan"}, [0, 1]),
        (POINTS, [0.9, 0.8], 0.5, {"empty": "one"}, [0]),
        (POINTS, [0.9, 0.8], 0.5, {"width": "inclusive"}, [0]),
        (INVERTED, [0.9, 0.8], 0.5, {}, [0, 1]),
        ([[2, 0, 0, 2], [0, 0, 1, 2]], [0.9, 0.8], 0.5, {}, [0, 1]),
        ([[0, 0, 1, 1], [1, 1, 2, 2]], [0.9, 0.8], 0.1, {}, [0, 1]),
        ([[0, 0, 1, 1], [1, 1, 2, 2]], [0.9, 0.8], 0.1, {"width": "inclusive"}, [0]),
        ([[0, 0, np.inf, 1]] * 2, [0.9, 0.8], 0.5, {}, [0, 1]),  # an IoU of NaN drops nothing
        ([[0, 0, 1, 1]] * 2, [-np.inf, np.inf], 0.5, {}, [1]),
        ([[0, 0, 1, 1]] * 2, [-0.0, 0.0], 0.5, {}, [0]),  # equal scores
        ([[0, 0, 1, 1]] * 2, [-2, -1], 0.5, {}, [1]),  # there is no score filter
        (np.zeros((0, 4)), [], 0.5, {}, []),
    ],
)
def test_witnesses(name, x, s, t, options, expected):
    assert keep(name, x, s, t, **options) == expected
    assert keep(name, x, s, t, np.float64, **options) == expected


@every
@pytest.mark.parametrize("tenths", [1, 2, 3, 4, 6, 7, 8, 9])
def test_an_iou_equal_to_the_threshold_is_kept_in_either_dtype(name, tenths):
    x = [[0, 0, 10, 1], [0, 0, tenths, 1]]
    for dtype in (np.float32, np.float64):
        assert keep(name, x, [0.9, 0.8], tenths / 10, dtype) == [0, 1]


@every
@pytest.mark.parametrize(
    ("x", "s", "c", "t", "expected"),
    [
        ([[-10, -10, 0, 0]] * 2, [0.9, 0.8], [0, 1], 0.5, [0, 1]),  # an offset of max + 1 leaves them where they are
        ([[-10, -10, -1, -1]] * 2, [0.9, 0.8], [0, 1], 0.5, [0, 1]),
        ([[-10, -10, 0, 0]] * 2, [0.9, 0.8], [3, 3], 0.5, [0]),
        ([[7690, 7690, 7700, 7700], [10, 10, 20, 20]], [0.9, 0.8], [0, 1], 0.5, [0, 1]),  # past an offset of 7680
        ([[0, 0, 0.2, 0.2], [0, 0, 0.1, 0.2], [0, 0, 1, 1]], [0.9, 0.8, 0.7], [1, 1, 0], 0.5, [0, 1, 2]),
        (
            [[0, 0, np.inf, 1], [0, 0, 2, 2], [0, 0, 2, 2]],
            [0.9, 0.8, 0.7],
            [0, 1, 1],
            0.5,
            [0, 1],
        ),
        (SAME, [0.5, 0.5, 0.5], [2, 0, 1], 0.5, [0, 1, 2]),  # ties across classes: lower index first
        (SAME, [0.5, 0.7, 0.6], [2, 0, 1], 0.5, [1, 2, 0]),  # best first, whatever the class
        (SAME, [0.5, 0.7, 0.6], [-7, 300, -7], 0.5, [1, 2]),
        (np.zeros((0, 4)), [], [], 0.5, []),
    ],
)
def test_classes_do_not_touch_each_other(name, x, s, c, t, expected):
    assert keep_batched(name, x, s, c, t, np.float64) == expected
    if 0.2 not in np.ravel(x):  # an IoU of 1/2 only in exact arithmetic
        assert keep_batched(name, x, s, c, t) == expected


def ranks(s: np.ndarray) -> np.ndarray:
    """Place of each box in the order of suppression."""
    rank = np.empty(len(s), int)
    rank[sorted(range(len(s)), key=lambda i: (-s[i], i))] = np.arange(len(s))
    return rank


@every
@given(data=st.data(), t=THRESHOLDS, strict=st.booleans())
def test_it_is_the_greedy_answer(name, data, t, strict):
    """No kept box drops another; every dropped box has a better kept one that drops it.  Only greedy has both."""
    n = data.draw(st.integers(0, 40))
    x, s = boxes(data.draw, n, np.float32), scores(data.draw, n, np.float32)
    kept = keep(name, x, s, t, compare="strict" if strict else "inclusive")
    m = iou_matrix.definition(x, x)
    drops = (m > np.float32(t)) if strict else (m >= np.float32(t))
    rank = ranks(s)
    assert list(rank[kept]) == sorted(rank[kept])
    before = rank[:, None] < rank
    is_kept = np.isin(np.arange(n), kept)
    assert len(set(kept)) == len(kept)
    np.testing.assert_array_equal(is_kept, ~(drops & before)[is_kept].any(axis=0))


@every
@given(data=st.data(), t=THRESHOLDS)
def test_symmetries(name, data, t):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(1, 40))
    x = boxes(data.draw, n, np.float32)
    s = rng.permutation(n).astype(np.float32)  # no ties, so that the order of the rows cannot matter
    kept = keep(name, x, s, t)
    order = rng.permutation(n)
    assert order[keep(name, x[order], s[order], t)].tolist() == kept
    assert keep(name, x[:, [1, 0, 3, 2]], s, t) == kept
    assert keep(name, x[kept], s[kept], t) == list(range(len(kept)))
    assert keep(name, x, s * 4 + 1, t) == kept
    corners = rng.integers(-20, 20, (n, 4)).astype(np.float32)
    kept = keep(name, corners, s, t)
    assert keep(name, corners + np.float32([-500, 3, -500, 3]), s, t) == kept
    assert keep(name, corners * np.float32(0.125), s, t) == kept


@every
@given(data=st.data(), t=THRESHOLDS)
def test_boxes_far_away_change_nothing(name, data, t):
    n, far = data.draw(st.integers(1, 20)), 1100
    x, s = boxes(data.draw, n, np.float32, infinite=False), scores(data.draw, n, np.float32)
    c = np.arange(n) % 3
    kept = keep(name, x, s, t), keep_batched(name, x, s, c, t)
    if np.abs(x).max() < 1e6 and name != "definition":
        there = np.arange(far, dtype=np.float32)[:, None] * 4 + np.float32([2e6, -2e6, 2e6 + 2, 2 - 2e6])
        x, s, c = np.concatenate([x, there]), np.append(s, np.full(far, -np.inf, "f")), np.append(c, np.arange(far) % 3)
        assert keep(name, x, s, t)[: len(kept[0])] == kept[0]
        assert keep_batched(name, x, s, c, t)[: len(kept[1])] == kept[1]
        assert len(keep(name, x, s, t)) == len(kept[0]) + far


@every
@given(data=st.data(), t=THRESHOLDS, copies=st.integers(1, 4))
def test_duplicates_of_a_box_leave_the_first(name, data, t, copies):
    n = data.draw(st.integers(1, 12))
    x = boxes(data.draw, n, np.float32, inverted=False, infinite=False)
    x = x[np.diag(iou_matrix.definition(x, x)) == 1]  # areas that underflow or overflow meet nothing
    s = scores(data.draw, len(x), np.float32)
    if np.float32(t) < 1:  # the threshold is rounded to the dtype of the boxes
        assert keep(name, np.tile(x, (copies, 1)), np.tile(s, copies), t) == keep(name, x, s, t)


@every
@given(data=st.data(), t=THRESHOLDS)
def test_batched_is_class_by_class(name, data, t):
    n = data.draw(st.integers(0, 40))
    x, s = boxes(data.draw, n, np.float32), scores(data.draw, n, np.float32)
    c = np.random.default_rng(n).integers(-2, 3, n)
    rank, expected = ranks(s), []
    for each in range(-2, 3):
        (members,) = np.nonzero(c == each)
        expected += members[keep(name, x[members], s[members], t)].tolist()
    assert keep_batched(name, x, s, c, t) == sorted(expected, key=lambda i: rank[i])
    assert keep_batched(name, x, s, c * -9 + 4, t) == keep_batched(name, x, s, c, t)
    assert keep_batched(name, x, s, np.zeros(n), t) == keep(name, x, s, t)


def test_fifty_thousand_boxes():
    """A known answer: a lattice of disjoint boxes, each there twice, the second copy a little worse."""
    side = 160
    corner = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(np.float32) * 4
    x = np.concatenate([corner, corner + 3], axis=1)
    s = np.random.default_rng(0).permutation(len(x)).astype(np.float32)
    both, all_scores = np.concatenate([x, x]), np.concatenate([s + 0.5, s])
    nms(x[:2], s[:2], threshold=0.5)  # compiled
    start = time.perf_counter()
    kept = nms(both, all_scores, threshold=0.5)
    seconds = time.perf_counter() - start
    assert kept.tolist() == np.argsort(-s).tolist()
    assert seconds < 20, f"{seconds:.1f} s for {len(both)} boxes"


def sized(rng: Any, n: int, kind: str) -> np.ndarray:
    """Boxes that are hard for a search by place or by size, in float32 or float64."""
    centre, side = rng.uniform(0, 400, (n, 2)), rng.uniform(8, 40, (n, 2))
    if kind == "one is huge":
        side = np.where(np.arange(n)[:, None] == rng.integers(0, n), 1e6, side / 8)
    if kind == "all alike":
        centre, side = np.full((n, 2), 7.0), np.full((n, 2), 3.0)
    if kind == "one cell":
        centre, side = 5e8 * (np.arange(n)[:, None] < 2) + rng.uniform(0, 4, (n, 2)), rng.uniform(1, 64, (n, 2))
    if kind == "every size":
        side = 2.0 ** rng.uniform(-12, 12, (n, 2))
    if kind == "nested":
        centre, side = rng.normal(0, 1e-3, (n, 2)), 1.2 ** rng.uniform(-60, 60, (n, 1)) * rng.uniform(0.9, 1, (n, 2))
    if kind == "needles":
        side = np.stack([rng.uniform(0.1, 0.3, n), rng.uniform(300, 500, n)], axis=1)[:, :: rng.choice([-1, 1])]
    if kind == "far":
        centre = centre + 2.0**23
    if kind == "tiny":
        centre, side = centre * 2.0**-58, side * 2.0**-58 * 2.0 ** rng.uniform(-16, 16, (n, 2))
    if kind == "areas of a few bits":  # 2^-149 is the least float32
        centre, side = rng.uniform(0, 3, (n, 2)) * 2.0**-74, rng.uniform(0.8, 2, (n, 2)) * 2.0**-74
    if kind == "nothing has an area":
        side = side * (rng.random((n, 2)) < 0.7)
    if kind == "infinite":
        side = np.where(rng.random((n, 2)) < 0.05, np.inf, side)
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)


SIZED = [
    "plain", "one is huge", "all alike", "one cell", "every size", "nested", "needles", "far", "tiny",
    "areas of a few bits", "nothing has an area", "infinite",
]  # fmt: skip


@pytest.mark.parametrize("kind", SIZED)
@given(data=st.data())
def test_the_grid_misses_nobody(kind, data):
    """Against the loop over all kept boxes, at sizes, places and thresholds that a search has trouble with."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    n = data.draw(st.sampled_from([2, 60, 700]))
    x = sized(rng, n, kind).astype(dtype)
    s, c = rng.random(n, dtype=np.float32).round(data.draw(st.integers(1, 7))), rng.integers(0, 3, n)
    options = {
        "threshold": data.draw(st.sampled_from([LEAST, 0.1, 0.3, 0.45, 0.5, 0.7, 0.95, 1.0]) | st.floats(LEAST, 1)),
        "compare": data.draw(st.sampled_from(["strict", "inclusive"])),
        "width": data.draw(WIDTHS),
        "empty": data.draw(EMPTY),
    }
    for operator, more in ((nms, ()), (batched_nms, (c,)), (diou_nms, ()), (diou_nms, (c,)), (fast_nms, (c,))):
        got = operator.using("grid")(x, s, *more, **options)
        np.testing.assert_array_equal(got, operator.using("numba")(x, s, *more, **options))


@pytest.mark.parametrize("seed", range(6))
def test_boxes_whose_areas_underflow_meet_everyone(seed):
    rng = np.random.default_rng(seed)
    x, s = sized(rng, 700, "areas of a few bits").astype(np.float32), rng.random(700, dtype=np.float32)
    for threshold in (0.3, 0.5, 0.95):
        for operator in (nms, fast_nms):
            expected = operator.using("numba")(x, s, threshold=threshold)
            np.testing.assert_array_equal(operator.using("grid")(x, s, threshold=threshold), expected)


@pytest.mark.parametrize("seed", range(6))
def test_boxes_on_both_sides_of_the_least_side_meet(seed):
    """Some are filed, of which the products of sides cannot underflow; the others meet everyone, also later ones."""
    rng, n = np.random.default_rng(seed), 60
    corner, side = rng.uniform(0, 2, (n, 2)), rng.uniform(0.8, 1.25, (n, 2))
    x, s = np.concatenate([corner, corner + side], axis=1) * 2.0**-50, rng.random(n)
    for operator in (nms, fast_nms):
        for threshold in (0.1, 0.3, 0.5):
            expected = operator.using("numba")(x.astype(np.float32), s, threshold=threshold)
            got = operator.using("grid")(x.astype(np.float32), s, threshold=threshold)
            np.testing.assert_array_equal(got, expected)


def test_the_grid_refuses_thresholds_of_hardly_any_overlap():
    with pin(nms="grid"), pytest.raises(ValueError, match=r"'grid', which takes thresholds from 0.05 up, not 0.04"):
        nms(*good, threshold=0.04)
    assert nms.choose(*good, threshold=0.04) == "numba"


@given(data=st.data())
def test_best_first_is_a_stable_sort(data):
    s = scores(data.draw, data.draw(st.integers(0, 50)), data.draw(st.sampled_from([np.float32, np.float64])))
    s[: len(s) // 8] = np.finfo(s.dtype).smallest_subnormal * np.resize([1, -1], len(s) // 8)
    np.testing.assert_array_equal(best_first(s), np.argsort(-s, kind="stable"))


good = np.zeros((2, 4), np.float32), np.zeros(2, np.float32)
holes = np.array([[0, 0, 1, 1], [0, 0, np.nan, 1]], np.float32)


@pytest.mark.parametrize(
    ("x", "s", "options", "error", "words"),
    [
        (good[0].tolist(), good[1], {}, TypeError, "boxes must be a NumPy or CuPy array, not list"),
        (good[0].astype(int), good[1], {}, TypeError, "boxes must be float32 or float64, not int64"),
        (good[0][0], good[1], {}, ValueError, r"boxes must have shape \(n, 4\).* not \(4,\)"),
        (good[0], good[1].astype(int), {}, TypeError, "scores must be float32 or float64, not int64"),
        (good[0], good[1][:1], {}, ValueError, r"2 boxes need scores of shape \(2,\), not \(1,\)"),
        (good[0], good[1][:, None], {}, ValueError, r"2 boxes need scores of shape \(2,\), not \(2, 1\)"),
        (holes, good[1], {}, ValueError, "boxes has NaN in 1 of its 2 rows, first in row 1"),
        (good[0], holes[1, 1:3], {}, ValueError, "scores has NaN in 1 of its 2 rows, first in row 1"),
        (good[0], good[1], {"threshold": 45}, ValueError, "threshold is an IoU between 0 and 1, not 45"),
        (good[0], good[1], {"threshold": -0.1}, ValueError, "threshold is an IoU between 0 and 1, not -0.1"),
        (good[0], good[1], {"threshold": float("nan")}, ValueError, "threshold is an IoU between 0 and 1, not nan"),
        (good[0], good[1], {"threshold": "0.5"}, TypeError, "threshold is a number between 0 and 1, not '0.5'"),
        (good[0], good[1], {"compare": ">"}, ValueError, "compare is one of 'strict', 'inclusive', not '>'"),
        (good[0], good[1], {"width": 1}, ValueError, "width is one of 'exclusive', 'inclusive', not 1"),
        (good[0], good[1], {"empty": "skip"}, ValueError, "empty is one of 'zero', 'nan', 'one', not 'skip'"),
    ],
)
def test_bad_arguments_get_one_line(x, s, options, error, words):
    for operator, more in ((nms, ()), (batched_nms, (np.zeros(2, int),))):
        with pytest.raises(error, match=words) as caught:
            operator(x, s, *more, **({"threshold": 0.5} | options))
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(f"{operator.name}: ")


@pytest.mark.parametrize(
    ("classes", "error", "words"),
    [
        (np.zeros(2), TypeError, "classes must be integers, not float64"),
        (np.zeros(3, int), ValueError, r"2 boxes need classes of shape \(2,\), not \(3,\)"),
        ([0, 1], TypeError, "classes"),
    ],
)
def test_bad_classes_get_one_line(classes, error, words):
    with pytest.raises(error, match=words) as caught:
        batched_nms(*good, classes, threshold=0.5)
    assert "\n" not in str(caught.value)
