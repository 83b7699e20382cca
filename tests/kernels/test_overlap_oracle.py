"""``iou_matrix`` against torchvision, where torchvision's answer is defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import iou_matrix
from support.cases_boxes import boxes

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
ops = pytest.importorskip("torchvision.ops")


@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_torchvision_box_iou(data, dtype):
    """Boxes that are not inverted; 0/0 is NaN there.  Another order of the same additions: two roundings apart."""
    a, b = (boxes(data.draw, data.draw(st.integers(0, 20)), dtype, inverted=False, infinite=False) for _ in "ab")
    expected = ops.box_iou(torch.tensor(a), torch.tensor(b)).numpy()
    np.testing.assert_allclose(iou_matrix(a, b, empty="nan"), expected, rtol=4 * np.finfo(dtype).eps, atol=0)


def test_torchvision_divides_zero_by_zero():
    """What ``empty="nan"`` names."""
    point = torch.zeros(1, 4)
    assert ops.box_iou(point, point).isnan().all()
    assert ops.box_iou(torch.tensor([[2.0, 0, 0, 2]]), torch.tensor([[0.0, 0, 2, 2]])).isnan().all()  # inverted: 0/0
