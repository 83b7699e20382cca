"""The room against torchvision and OpenCV, where they decide the same question."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minidet_kernels import batched_nms, diou_nms, fast_nms, iou_matrix, matrix_nms, nms, soft_nms
from support.cases_boxes import THRESHOLDS, boxes

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
ops = pytest.importorskip("torchvision.ops")


def decided(x: np.ndarray, t: float) -> bool:
    """No IoU so near the threshold that a rounding, of it or of the threshold, decides."""
    return not (np.abs(iou_matrix.definition(x, x).astype(np.float64) - t) <= 1e-6).any()


def distinct(data: Any, n: int) -> np.ndarray:
    """``n`` scores above zero, no two alike."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return ((rng.permutation(n) + 1) / (n + 1)).astype(np.float32)


@given(data=st.data(), t=THRESHOLDS, dtype=st.sampled_from([np.float32, np.float64]))
def test_torchvision_nms(data, t, dtype):
    n = data.draw(st.integers(0, 60))
    x, s = boxes(data.draw, n, dtype, inverted=False, infinite=False), distinct(data, n).astype(dtype)
    assume(decided(x, t))
    assert nms(x, s, threshold=t).tolist() == ops.nms(torch.tensor(x), torch.tensor(s), t).tolist()


@given(data=st.data(), t=THRESHOLDS)
def test_torchvision_batched_nms(data, t):
    """With classes told apart truly: its own offset trick is passed over, since it answers another question."""
    from torchvision.ops.boxes import _batched_nms_vanilla

    n = data.draw(st.integers(0, 60))
    x, s = boxes(data.draw, n, np.float32, inverted=False, infinite=False), distinct(data, n)
    c = np.random.default_rng(n).integers(0, 4, n)
    assume(decided(x, t))
    expected = _batched_nms_vanilla(torch.tensor(x), torch.tensor(s), torch.tensor(c), t)
    assert batched_nms(x, s, c, threshold=t).tolist() == expected.tolist()


def test_torchvision_on_many_boxes():
    rng = np.random.default_rng(0)
    centre, side = rng.uniform(0, 1000, (10000, 2)), rng.uniform(10, 60, (10000, 2))
    x = np.concatenate([centre - side / 2, centre + side / 2], axis=1).astype(np.float32)
    s = rng.permutation(10000).astype(np.float32)
    assert nms(x, s, threshold=0.45).tolist() == ops.nms(torch.tensor(x), torch.tensor(s), 0.45).tolist()


def test_torchvision_compares_with_a_threshold_in_double():
    """The witness of the difference that the properties above leave out."""
    x, s = np.array([[0, 0, 10, 1], [0, 0, 6, 1]], np.float32), np.array([0.9, 0.8], np.float32)
    assert nms(x, s, threshold=0.6).tolist() == [0, 1]
    assert ops.nms(torch.tensor(x), torch.tensor(s), 0.6).tolist() == [0]
    assert ops.nms(torch.tensor(x).double(), torch.tensor(s).double(), 0.6).tolist() == [0, 1]


def test_torchvision_shifts_classes():
    """The offset trick fails on negative coordinates: one class drops the other's box."""
    x, s, c = np.float32([[-10, -10, 0, 0]] * 2), np.float32([0.9, 0.8]), np.array([0, 1])
    assert batched_nms(x, s, c, threshold=0.5).tolist() == [0, 1]
    assert ops.batched_nms(torch.tensor(x), torch.tensor(s), torch.tensor(c), 0.5).tolist() == [0]


@given(data=st.data(), t=THRESHOLDS)
def test_opencv_nms_boxes(data, t):
    """Positive areas, since an empty box is whole to OpenCV; scores above its filter; small integers, exact as xywh."""
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(1, 40))
    corner, side = rng.integers(-20, 20, (n, 2)), rng.integers(1, 20, (n, 2))
    x, s = np.concatenate([corner, corner + side], axis=1).astype(np.float32), distinct(data, n)
    assume(decided(x, t))
    xywh = np.concatenate([corner, side], axis=1).astype(float)
    expected = cv2.dnn.NMSBoxes(xywh.tolist(), s.tolist(), 0.0, t)
    assert nms(x, s, threshold=t).tolist() == np.ravel(expected).tolist()


@pytest.mark.parametrize(("kernel", "method"), [("linear", 1), ("gaussian", 2)])
@given(data=st.data(), t=THRESHOLDS, sigma=st.sampled_from([0.1, 0.5, 2.0]), floor=st.sampled_from([0.0, 0.01, 0.3]))
def test_opencv_soft_nms_boxes(kernel, method, data, t, sigma, floor):
    """Whole pixels of positive areas, which is what it takes; where no comparison is decided by a rounding.

    A score is multiplied by at most n factors.  Theirs and ours have a few roundings of 2^-24 each, relative to 1, and
    the factor 1 - IoU of one near 0 adds no more absolutely: so 8 n 2^-24 in all.
    """
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(1, 25))
    corner, side = rng.integers(-20, 20, (n, 2)), rng.integers(1, 20, (n, 2))
    x, s = np.concatenate([corner, corner + side], axis=1).astype(np.float32), rng.random(n, dtype=np.float32)
    assume(decided(x, t))
    bound = 8 * n * 2**-24
    kept, left = soft_nms(x, s, kernel=kernel, threshold=t, sigma=sigma, floor=0, at_floor="kept")
    assume((np.abs(np.diff(np.sort(np.append(left, np.float32(floor))))) > 2 * bound).all())
    kept, left = soft_nms(x, s, kernel=kernel, threshold=t, sigma=sigma, floor=floor, at_floor="kept")
    xywh = np.concatenate([corner, side], axis=1)
    scores, indices = cv2.dnn.softNMSBoxes(xywh.tolist(), s.tolist(), floor, t, sigma=sigma, method=method)
    assert kept.tolist() == np.ravel(indices).tolist()
    np.testing.assert_allclose(left, np.ravel(scores), rtol=0, atol=bound)


@given(data=st.data(), t=THRESHOLDS)
def test_torchvision_diou_decides_diou_nms(data, t):
    """The greedy loop over torchvision's ``distance_box_iou``, whose epsilon counts for nothing on whole pixels."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(1, 40))
    corner, side = rng.integers(-20, 20, (n, 2)), rng.integers(1, 20, (n, 2))
    x, s = np.concatenate([corner, corner + side], axis=1).astype(np.float32), distinct(data, n)
    theirs = ops.distance_box_iou(torch.tensor(x).double(), torch.tensor(x).double()).numpy()
    assume((np.abs(theirs - t) > 1e-5).all())
    kept: list[int] = []
    for i in np.argsort(-s):
        if not (theirs[kept, i] > t).any():
            kept.append(i)
    assert diou_nms(x, s, threshold=t).tolist() == kept


@given(data=st.data(), t=THRESHOLDS)
def test_fast_nms_as_torch_code_has_it(data, t):
    """The published recipe: sort, IoU, upper triangle, column maximum, compare; in torch and torchvision."""
    n = data.draw(st.integers(1, 40))
    x, s = boxes(data.draw, n, np.float32, inverted=False, infinite=False), distinct(data, n)
    assume(decided(x, t))
    order = torch.tensor(s).argsort(descending=True)
    overlap = ops.box_iou(torch.tensor(x)[order], torch.tensor(x)[order]).nan_to_num(0).triu(diagonal=1)
    assert fast_nms(x, s, threshold=t).tolist() == order[overlap.max(dim=0).values <= t].tolist()


@pytest.mark.parametrize("kernel", ["linear", "gaussian"])
@given(data=st.data())
def test_matrix_nms_as_torch_code_has_it(kernel, data):
    """SOLO's recipe in float64: overlaps, their greatest per column, factors of each pair, the least per column."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(1, 40))
    corner = rng.uniform(0, 60, (n, 2))
    x, s = np.concatenate([corner, corner + rng.uniform(5, 40, (n, 2))], axis=1), distinct(data, n).astype(np.float64)
    c = rng.integers(0, 2, n)
    order = torch.tensor(s).argsort(descending=True)
    label = torch.tensor(c)[order]
    overlap = ops.box_iou(torch.tensor(x)[order], torch.tensor(x)[order]).triu(1) * (label[:, None] == label)
    greatest = overlap.max(dim=0).values[:, None]
    if kernel == "gaussian":
        factor = torch.exp(-2 * overlap**2) / torch.exp(-2 * greatest**2)
    else:
        factor = (1 - overlap) / (1 - greatest)
    expected = np.empty(n)
    expected[order.numpy()] = (torch.tensor(s)[order] * factor.min(dim=0).values).numpy()
    assume(float(greatest.max()) < 0.999)
    got = matrix_nms(x, s, c, kernel=kernel, sigma=0.5)
    np.testing.assert_allclose(got, expected, rtol=1e-12)  # a dozen roundings of 2^-53, times 1 / (1 - 0.999)
