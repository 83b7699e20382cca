"""The level of the pyramid, by each rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.boxes.levels import RULES, fpn_level


def square(s: float, dtype: type = np.float64) -> np.ndarray:
    return np.array([[0, 0, s, s]], dtype)


@pytest.mark.parametrize(
    ("s", "torchvision", "detectron2", "matterport"),
    [
        (223.9999, 4, 3, 4),
        (224, 4, 4, 4),
        (159, 3, 3, 4),
        (158, 3, 3, 3),
        (317, 4, 4, 5),
        (316, 4, 4, 4),
        (0, 2, 2, 2),
        (112, 3, 3, 3),
        (447, 4, 4, 5),
        (448, 5, 5, 5),
        (1e6, 5, 5, 5),
        (1, 2, 2, 2),
    ],
)
def test_rules_told_apart(s, torchvision, detectron2, matterport):
    expected = {"torchvision": torchvision, "detectron2": detectron2, "matterport": matterport}
    assert {rule: fpn_level(square(s), rule=rule).item() for rule in RULES} == expected


def test_options():
    assert fpn_level(square(223), side="inclusive").item() == 4
    assert fpn_level(square(223)).item() == 3
    assert fpn_level(square(1), lowest=0, highest=9).item() == 0
    assert fpn_level(square(1e6), lowest=0, highest=9).item() == 9
    assert fpn_level(square(56), lowest=0, highest=9, canonical_size=56, canonical_level=1).item() == 1
    assert fpn_level(np.array([[9, 9, 1, 1.0]])).item() == 2  # inverted: no area
    assert fpn_level(square(1e30, np.float32)).item() == 5  # the area overflows
    assert fpn_level(np.zeros((0, 4), np.float32)).shape == (0,)
    assert fpn_level(np.zeros((2, 3, 4))).shape == (2, 3)
    assert fpn_level(square(5)).dtype == np.int64


@given(seed=st.integers(0, 9999), rule=st.sampled_from(RULES), dtype=st.sampled_from([np.float32, np.float64]))
def test_twice_the_side_is_one_level_up(seed, rule, dtype):
    rng = np.random.default_rng(seed)
    x, y, w, h = rng.integers(0, 200, (4, 20)) + np.array([[0], [0], [1], [1]])
    boxes = np.stack([x, y, x + w, y + h], axis=1).astype(dtype)
    before = boxes.copy()
    one, two = (fpn_level(b, lowest=-20, highest=20, rule=rule) for b in (boxes, 2 * boxes))
    np.testing.assert_array_equal(boxes, before)
    s = np.sqrt(w * h) / 224
    place = np.log2(s) + (0.5 if rule == "matterport" else 0)
    sure = np.abs(place - np.round(place)) > 1e-4  # not at the edge between levels, where a rounding decides
    np.testing.assert_array_equal(two[sure], one[sure] + 1)
    np.testing.assert_array_equal(one[sure], 4 + np.floor(place)[sure])


@pytest.mark.parametrize(
    ("boxes", "options", "error", "words"),
    [
        (square(1).astype(int), {}, TypeError, "float32 or float64, not int64"),
        (square(1)[:, :3], {}, ValueError, r"shape \(\.\.\., 4\), not \(1, 3\)"),
        (square(float("nan")), {}, ValueError, "must be finite"),
        (square(1), {"rule": "detectron"}, ValueError, "rule is one of 'torchvision', .* not 'detectron'"),
        (square(1), {"side": "both"}, ValueError, "side is one of"),
        (square(1), {"lowest": 6}, ValueError, "levels 6 to 5"),
        (square(1), {"canonical_size": 0}, ValueError, "positive size"),
    ],
)
def test_bad_input_gets_one_line(boxes, options, error, words):
    with pytest.raises(error, match=words) as caught:
        fpn_level(boxes, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.oracle
@given(seed=st.integers(0, 9999))
def test_torchvision(seed):
    torch = pytest.importorskip("torch")
    poolers = pytest.importorskip("torchvision").ops.poolers
    boxes = np.random.default_rng(seed).integers(0, 700, (40, 4)).astype(np.float32)
    boxes[:, 2:] = np.maximum(boxes[:, :2], boxes[:, 2:])
    theirs = poolers.LevelMapper(2, 5)([torch.from_numpy(boxes)]).numpy() + 2
    np.testing.assert_array_equal(fpn_level(boxes), theirs)
