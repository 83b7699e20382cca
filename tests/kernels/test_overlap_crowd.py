"""Laws and witnesses of ``crowd_iou_matrix``, for every implementation; and pycocotools' answers."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, crowd_iou_matrix, iou_matrix, pin
from minidet_kernels.overlap import crowd_numba, shares
from support.cases_boxes import EMPTY, WIDTHS, boxes

every = pytest.mark.parametrize("name", ["definition", *OPS["crowd_iou_matrix"].rungs("numpy")])
nan, inf = float("nan"), float("inf")


def iou(name: str, a: Any, b: Any, crowd: Any, dtype: Any = np.float32, **options: Any) -> np.ndarray:
    with pin(crowd_iou_matrix=name):
        return crowd_iou_matrix(np.array(a, dtype), np.array(b, dtype), np.array(crowd, bool), **options)


SMALL, AROUND, POINT = [0, 0, 10, 10], [0, 0, 100, 100], [5, 5, 5, 5]


@every
@pytest.mark.parametrize(
    ("a", "b", "crowd", "options", "expected"),
    [
        (SMALL, AROUND, False, {}, 0.01),
        (SMALL, AROUND, True, {}, 1),
        (AROUND, SMALL, True, {}, 0.01),  # the crowd is the second box
        ([5, 0, 15, 10], SMALL, True, {}, 0.5),
        ([5, 0, 15, 10], SMALL, True, {"width": "inclusive"}, 6 / 11),
        ([20, 20, 30, 30], SMALL, True, {}, 0),
        (POINT, AROUND, True, {}, 0),  # a detection without area
        (POINT, AROUND, True, {"empty": "one"}, 1),
        (POINT, AROUND, True, {"empty": "nan"}, nan),
        (SMALL, POINT, True, {"empty": "one"}, 0),
        (SMALL, [0, 0, inf, 100], True, {}, 1),  # an endless crowd
        ([0, 0, inf, 1], AROUND, True, {}, 0),
        ([0, 0, inf, 1], [0, 0, inf, 1], True, {}, nan),
        (SMALL, [0, nan, 1, 1], True, {}, nan),
        (SMALL, [20, 20, nan, 30], True, {}, nan),
        (POINT, [0, 0, 1, nan], True, {"empty": "one"}, nan),
        ([nan, 0, 1, 1], SMALL, True, {}, nan),
        ([10, 10, 0, 0], AROUND, True, {}, 0),  # inverted: an empty box
    ],
)
def test_witnesses(name, a, b, crowd, options, expected):
    np.testing.assert_array_equal(iou(name, [a], [b], [crowd], **options), np.array([[expected]], np.float32))


@every
@given(data=st.data(), width=WIDTHS, empty=EMPTY)
def test_without_crowds_it_is_iou_and_a_column_depends_on_its_own_flag(name, data, width, empty):
    a, b = (boxes(data.draw, data.draw(st.integers(0, 20)), np.float32) for _ in "ab")
    options = {"width": width, "empty": empty}
    without, all_of_them = (iou(name, a, b, np.full(len(b), flag), **options) for flag in (False, True))
    np.testing.assert_array_equal(without, iou_matrix.definition(a, b, **options))
    crowd = np.random.default_rng(len(a)).random(len(b)) < 0.5
    np.testing.assert_array_equal(iou(name, a, b, crowd, **options), np.where(crowd, all_of_them, without))


@given(data=st.data(), threads=st.integers(1, 4))
def test_shares_of_threads_change_nothing(data, threads):
    a, b = (boxes(data.draw, data.draw(st.integers(0, 40)), np.float32) for _ in "ab")
    crowd = np.arange(len(b)) % 2 == 0
    with (
        mock.patch.object(crowd_numba, "SHARE", 1),
        mock.patch.object(shares.numba, "get_num_threads", return_value=threads),
    ):
        got = crowd_iou_matrix.using("numba")(a, b, crowd)
    np.testing.assert_array_equal(got, crowd_iou_matrix.definition(a, b, crowd))


good, flags = np.zeros((2, 4), np.float32), np.zeros(2, bool)


@pytest.mark.parametrize(
    ("a", "b", "crowd", "options", "error", "words"),
    [
        (good, good, [False, True], {}, TypeError, "crowd must be an array of bool, not list"),
        (good, good, flags.astype(np.uint8), {}, TypeError, "array of bool, not uint8; use np.asarray"),
        (good, good, flags[:1], {}, ValueError, r"2 truths need crowd of shape \(2,\), not \(1,\)"),
        (good, good.astype(float), flags, {}, TypeError, "a is float32 and b is float64"),
        (good[0], good, flags, {}, ValueError, r"a must have shape \(n, 4\).* not \(4,\)"),
        (good, good, flags, {"empty": "half"}, ValueError, "empty is one of 'zero', 'nan', 'one', not 'half'"),
    ],
)
def test_bad_arguments_get_one_line(a, b, crowd, options, error, words):
    with pytest.raises(error, match=words) as caught:
        crowd_iou_matrix(a, b, crowd, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("crowd_iou_matrix: ")


@pytest.mark.oracle
@given(data=st.data())
def test_pycocotools(data):
    """Corners that are multiples of 1/8, so that its x + w is the corner again and every product is exact."""
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    a, b = (
        np.concatenate([c := rng.integers(-40, 40, (k, 2)) / 8, c + rng.integers(0, 90, (k, 2)) / 8], axis=1)
        for k in (data.draw(st.integers(1, 20)), data.draw(st.integers(1, 8)))
    )
    crowd = rng.random(len(b)) < 0.5
    expected = coco.iou(*(np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], axis=1) for x in (a, b)), crowd.tolist())
    np.testing.assert_array_equal(crowd_iou_matrix(a, b, crowd), expected)
