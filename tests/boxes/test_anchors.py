"""Anchors of proposals: the rules told apart, and where they lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.boxes.anchors import RULES, AnchorLevel, base_anchors, pyramid_anchors


def test_rules_told_apart():
    wide = {rule: base_anchors((32,), stride=16, rule=rule)[0].tolist() for rule in RULES}
    assert wide["torchvision"] == [-23, -11, 23, 11]
    assert wide["detectron2"] == pytest.approx([-22.627417, -11.3137085, 22.627417, 11.3137085], abs=1e-6)
    assert wide["detectron"] == [-15, -4, 30, 19]
    # py-faster-rcnn's table of nine: base 16, scales 8, 16, 32
    nine = base_anchors((128, 256, 512), stride=16, rule="detectron")
    assert nine[:, :].tolist() == [
        [-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199],
        [-56, -56, 71, 71], [-120, -120, 135, 135], [-248, -248, 263, 263],
        [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359],
    ]  # fmt: skip


def test_halves_go_to_even():
    """Sides of 5 and 7: corners at 2.5 and 3.5 become 2 and 4."""
    assert base_anchors((5, 7), (1.0,)).tolist() == [[-2, -2, 2, 2], [-4, -4, 4, 4]]


def test_order_of_sizes_and_ratios():
    assert base_anchors((8, 16), (1.0, 4.0)).tolist() == [
        [-4, -4, 4, 4],
        [-8, -8, 8, 8],
        [-2, -8, 2, 8],
        [-4, -16, 4, 16],
    ]
    by_size = base_anchors((8, 16), (1.0, 4.0), rule="detectron2")
    assert by_size.tolist() == [[-4, -4, 4, 4], [-2, -8, 2, 8], [-8, -8, 8, 8], [-4, -16, 4, 16]]


def test_cells_row_by_row_and_strides_are_whole():
    made = AnchorLevel((4.0,), (1.0,)).anchors(2, 3, (7, 9))  # 7 // 2 = 3 down, 9 // 3 = 3 across
    assert (made + np.array([2, 2, -2, -2])).tolist() == [[x, y, x, y] for y in (0, 3) for x in (0, 3, 6)]
    middle = AnchorLevel((4.0,), (1.0,), offset=0.5).anchors(1, 2, (8, 16))
    assert (middle[:, :2] + 2).tolist() == [[4, 4], [12, 4]]


def test_a_pyramid_for_800_by_1344():
    levels = [AnchorLevel((s,)) for s in (32.0, 64.0, 128.0, 256.0, 512.0)]
    maps = [(200, 336), (100, 168), (50, 84), (25, 42), (13, 21)]
    made = pyramid_anchors(levels, maps, (800, 1344))
    assert [len(a) for a in made] == [level.count(*cells) for level, cells in zip(levels, maps, strict=True)]
    assert sum(map(len, made)) == 268569
    # the last map is rounded up: 13 rows, so its stride is 800 // 13 = 61, not 64
    assert made[4].reshape(13, 21, 3, 4)[1, 1, 1].tolist() == [64 - 256, 61 - 256, 64 + 256, 61 + 256]


@given(
    rule=st.sampled_from(RULES), rows=st.integers(0, 5), columns=st.integers(0, 5), stride=st.integers(1, 32),
    i=st.integers(0, 4), j=st.integers(0, 4), offset=st.sampled_from([0.0, 0.5]),
)  # fmt: skip
def test_a_cell_further_is_a_stride_further(rule, rows, columns, stride, i, j, offset):
    """Equivariant under shifts: the anchors of a map that begins i rows and j columns later are moved by as much."""
    level = AnchorLevel((7.0, 20.0), rule=rule, offset=offset)
    small = level.anchors(rows, columns, (rows * stride, columns * stride))
    large = level.anchors(rows + i, columns + j, ((rows + i) * stride, (columns + j) * stride))
    if rows == 0 or columns == 0:
        assert small.shape == (0, 4)
        return
    inside = large.reshape(rows + i, columns + j, len(level), 4)[i:, j:].reshape(-1, 4)
    np.testing.assert_allclose(inside, small + np.array([j, i, j, i]) * stride, rtol=0, atol=1e-9)


@given(size=st.floats(1, 600), ratio=st.floats(0.1, 10), rule=st.sampled_from(["torchvision", "detectron2"]))
def test_area_and_ratio(size, ratio, rule):
    (x1, y1, x2, y2), slack = base_anchors((size,), (ratio,), rule=rule)[0], 1.0 if rule == "torchvision" else 1e-9
    assert (x1, y1) == (-x2, -y2)  # around the cell's corner
    assert abs((x2 - x1) - size / math.sqrt(ratio)) <= slack * (1 + 1e-5) + 1e-5 * size
    assert abs((y2 - y1) - size * math.sqrt(ratio)) <= slack * (1 + 1e-5) + 1e-5 * size * math.sqrt(ratio)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (((32,),), {"rule": "matterport"}),
        (((0,),), {}),
        (((32,), (0.5, -1)), {}),
        (((float("nan"),),), {}),
        (((32,),), {"stride": 0}),
    ],
)
def test_refusals(arguments, options):
    with pytest.raises(ValueError, match="anchors: "):
        base_anchors(*arguments, **options)
