"""``nms`` and ``batched_nms`` against torchvision and OpenCV, where they decide the same question."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minidet_kernels import batched_nms, iou_matrix, nms
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
