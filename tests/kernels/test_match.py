"""Laws and witnesses of ``match``, for every implementation."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, iou_matrix, match, pin
from minidet_kernels.overlap import matching, shares
from minidet_kernels.overlap.sixteen import LANES, lowest, meeting
from numba import njit
from support.cases_boxes import WIDTHS, boxes

every = pytest.mark.parametrize("name", ["definition", *OPS["match"].rungs("numpy")])


def best(name: str, anchors: Any, truths: Any, dtype: Any = np.float32, **options: Any) -> list[list[float]]:
    with pin(match=name):
        found = match(np.array(anchors, dtype).reshape(-1, 4), np.array(truths, dtype).reshape(-1, 4), **options)
    assert [x.dtype for x in found] == [np.int64, dtype, np.int64, dtype]
    return [x.tolist() for x in found]


UNIT, TALL, AWAY = [0, 0, 1, 1], [0, 0, 1, 2], [5, 5, 6, 6]
INFINITE = [0, 0, np.inf, 1]


@every
@pytest.mark.parametrize(
    ("anchors", "truths", "options", "expected"),
    [
        ([UNIT, TALL], [TALL, UNIT], {}, ([1, 0], [1, 1], [1, 0], [1, 1])),
        ([AWAY, UNIT, UNIT], [TALL, TALL], {}, ([0, 0, 0], [0, 0.5, 0.5], [1, 1], [0.5, 0.5])),  # ties: the lowest
        ([UNIT, TALL], [AWAY], {}, ([0, 0], [0, 0], [0], [0])),  # nothing overlaps: index 0 with 0
        ([UNIT], [], {}, ([-1], [0], [], [])),
        ([], [UNIT, AWAY], {}, ([], [], [-1, -1], [0, 0])),
        ([], [], {}, ([], [], [], [])),
        ([INFINITE, UNIT], [INFINITE], {}, ([0, 0], [0, 0], [0], [0])),  # an IoU of NaN counts as 0
        ([[3, 3, 3, 3]], [[3, 3, 3, 3]], {}, ([0], [0], [0], [0])),
        ([[3, 3, 3, 3]], [AWAY, [3, 3, 3, 3]], {"width": "inclusive"}, ([1], [1], [0, 0], [0, 1])),
        ([[2, 2, 0, 0]], [[0, 0, 2, 2]], {}, ([0], [0], [0], [0])),  # inverted: an empty box
    ],
)
def test_witnesses(name, anchors, truths, options, expected):
    for dtype in (np.float32, np.float64):
        assert best(name, anchors, truths, dtype, **options) == [list(part) for part in expected]


@every
@given(data=st.data(), width=WIDTHS)
def test_it_is_the_first_maximum_of_rows_and_columns(name, data, width):
    a, b = (boxes(data.draw, data.draw(st.integers(1, 30)), np.float64) for _ in "ab")
    truth, iou, anchor, most = best(name, a, b, np.float64, width=width)
    m = np.nan_to_num(iou_matrix.definition(a, b, width=width))
    for i, row in enumerate(m):
        assert row[truth[i]] == iou[i] == row.max()
        assert (row[: truth[i]] < iou[i]).all()
    assert best(name, b, a, np.float64, width=width) == [anchor, most, truth, iou]


@given(data=st.data(), width=WIDTHS, threads=st.integers(1, 4))
def test_shares_of_threads_change_nothing(data, width, threads):
    """Ties across portions, on more threads than there is work for."""
    a, b = (boxes(data.draw, data.draw(st.integers(0, 60)), np.float32) for _ in "ab")
    expected = match.definition(a, b, width=width)
    with (
        mock.patch.object(matching, "SHARE", 1),
        mock.patch.object(shares.numba, "get_num_threads", return_value=threads),
    ):
        got = match.using("numba")(a, b, width=width)
    for part, wanted in zip(got, expected, strict=True):
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize("count", [1, 16, 63, 64, 65, matching.BLOCK - 1, matching.BLOCK, matching.BLOCK + 65])
@pytest.mark.parametrize("width", ["exclusive", "inclusive"])
def test_blocks_that_are_not_full(count, width):
    """Every anchor of every word is the best of a truth, and what fills a block up is met by nobody."""
    rng = np.random.default_rng(count)
    a = np.repeat(np.arange(count, dtype=np.float32)[:, None] % 25, 4, axis=1) * 10 + np.float32([0, 0, 6, 6])
    b = a[rng.permutation(count)[:40]] + np.float32([1, 1, 0, 0])
    b = np.concatenate([b, np.float32([[-np.inf, -np.inf, np.inf, np.inf], [0, 0, 0, 0]])])
    for part, wanted in zip(match.using("numba")(a, b, width=width), match.definition(a, b, width=width), strict=True):
        np.testing.assert_array_equal(part, wanted)


@njit
def _bits(boxes: Any, box: Any, pixel: Any) -> Any:
    return meeting(np.int64(boxes.ctypes.data), np.int64(boxes.strides[0]), box[0], box[1], box[2], box[3], pixel)


@njit
def _lowest(word: Any) -> Any:
    return lowest(word)


@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]), pixel=st.integers(0, 1))
def test_the_bits_of_sixteen(data, dtype, pixel):
    """A bit for each box that has an area in common, which NaN is not."""
    columns = np.ascontiguousarray(boxes(data.draw, LANES, dtype).T)
    box = boxes(data.draw, 1, dtype)[0]
    with np.errstate(all="ignore"):
        w, h = (np.minimum(columns[2 + k], box[2 + k]) - np.maximum(columns[k], box[k]) + pixel for k in range(2))
        common = np.where(w < 0, dtype(0), w) * np.where(h < 0, dtype(0), h)
    word = _bits(columns, box, dtype(pixel))
    assert [bool(int(word) >> k & 1) for k in range(LANES)] == (common > 0).tolist()
    touching = np.repeat(box[:, None], LANES, axis=1)
    touching[0] = touching[2] = box[2]
    assert int(_bits(np.ascontiguousarray(touching), box, dtype(0))) == 0


def test_the_lowest_bit():
    assert [_lowest(np.uint64(1 << k | 1 << 63)) for k in range(64)] == list(range(64))


def test_a_tie_across_portions_goes_to_the_first():
    with (
        mock.patch.object(matching, "SHARE", 1),
        mock.patch.object(shares.numba, "get_num_threads", return_value=2),
    ):
        found = match.using("numba")(np.float32([AWAY, UNIT, UNIT]), np.float32([UNIT, UNIT]))
    assert [part.tolist() for part in found] == [[0, 0, 0], [0, 1, 1], [1, 1], [1, 1]]


good, hole = np.zeros((2, 4), np.float32), np.float32([[0, 0, 1, 1], [0, 0, np.nan, 1]])


@pytest.mark.parametrize(
    ("anchors", "truths", "options", "error", "words"),
    [
        ([UNIT], good, {}, TypeError, "anchors must be a NumPy or CuPy array, not list"),
        (good, good.astype(int), {}, TypeError, "truths must be float32 or float64, not int64"),
        (good, good.astype(float), {}, TypeError, "anchors are float32 and truths float64; convert one"),
        (good, good[0], {}, ValueError, r"truths must have shape \(n, 4\).* not \(4,\)"),
        (good, hole, {}, ValueError, "truths has NaN in 1 of its 2 rows, first in row 1"),
        (hole, good, {}, ValueError, "anchors has NaN in 1 of its 2 rows, first in row 1"),
        (good, good, {"width": "pixel"}, ValueError, "width is one of 'exclusive', 'inclusive', not 'pixel'"),
    ],
)
def test_bad_arguments_get_one_line(anchors, truths, options, error, words):
    with pytest.raises(error, match=words) as caught:
        match(anchors, truths, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("match: ")


@pytest.mark.oracle
@given(data=st.data())
def test_torchvision_matchers(data):
    """Its two matchers, made from what ``match`` returns; small integers, so that its IoU rounds alike."""
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    matchers = pytest.importorskip("torchvision.models.detection._utils")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    m, n = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 8))
    a, b = (
        np.concatenate([c := rng.integers(-9, 9, (k, 2)), c + rng.integers(1, 12, (k, 2))], axis=1).astype(np.float32)
        for k in (m, n)
    )
    overlaps = ops.box_iou(torch.tensor(b), torch.tensor(a))
    truth, iou, anchor, _ = match(a, b)
    expected = np.where(iou < np.float32(0.3), -1, np.where(iou < np.float32(0.7), -2, truth))
    assert matchers.Matcher(0.7, 0.3)(overlaps).tolist() == expected.tolist()
    expected = np.where(iou < np.float32(0.5), -1, truth)
    expected[anchor] = np.arange(n)
    assert matchers.SSDMatcher(0.5)(overlaps).tolist() == expected.tolist()
