"""Masks in the image: inverse of a crop, the rules told apart, boxes outside and without extent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.regions import roi_align

from minidet.boxes.paste import RULES, paste, patches


def test_rules_told_apart():
    """Conventions: [.5, .5, 2.5, 2.5] on 4 x 4 with a mask of ones; whole pixels against the pixels' middles."""
    ones, box = np.ones((1, 28, 28)), np.array([[0.5, 0.5, 2.5, 2.5]])
    cut = paste(ones, box, (4, 4))[0] >= 0.5
    asked = paste(ones, box, (4, 4), rule="detectron2")[0]
    assert cut.tolist() == [[True] * 3 + [False]] * 3 + [[False] * 4]
    # middles at .5, 1.5, 2.5: on the box's edge half of the outermost cell is seen
    np.testing.assert_allclose(asked, np.outer([0.5, 1, 0.5, 0], [0.5, 1, 0.5, 0]), atol=1e-12)
    moved = np.array([[0.6, 0.6, 2.6, 2.6]])
    assert (paste(ones, moved, (4, 4))[0] >= 0.5).sum() == 9  # corners are cut, so nothing moved
    assert (paste(ones, moved, (4, 4), rule="detectron2")[0] >= 0.5).sum() == 4


@given(
    seed=st.integers(0, 9999), m=st.integers(1, 6), factor=st.integers(1, 5), x=st.integers(-3, 9), y=st.integers(-3, 9)
)
def test_paste_is_the_inverse_of_a_crop(seed, m, factor, x, y):
    """A box of m factor pixels: RoIAlign of what was pasted, a sample at each cell's middle, is the mask again.

    detectron2's rule is linear interpolation between the middles of cells, and ``factor`` odd has a pixel there.
    """
    factor = 2 * factor - 1
    mask = np.random.default_rng(seed).random((1, m, m))
    side = m * factor
    size = (side + 20, side + 24)
    box = np.array([[x + 5, y + 5, x + 5 + side, y + 5 + side]], np.float64)
    image = paste(mask, box, size, rule="detectron2")
    rois = np.concatenate([np.zeros((1, 1)), box], axis=1)
    back = roi_align(image[:, None], rois, output_size=m, sampling_ratio=1, aligned=True)
    np.testing.assert_allclose(back[0, 0], mask[0], rtol=0, atol=1e-12)


@given(seed=st.integers(0, 9999), n=st.integers(1, 12), x=st.integers(-6, 12), y=st.integers(-6, 12))
def test_torchvision_pastes_a_flat_mask_flat(seed, n, x, y):
    """Inside the box, by more than a cell of it, a mask of one value is that value; outside by more it is zero."""
    value = np.random.default_rng(seed).random()
    side = 4 * n
    box = np.array([[x, y, x + side, y + side]], np.float64)
    image = paste(np.full((1, 4, 4), value), box, (20, 20))[0]
    rows, columns = (np.arange(20)[:, None], np.arange(20))
    inside = (rows >= y + n) & (rows < y + side - n) & (columns >= x + n) & (columns < x + side - n)
    outside = (rows < y - n - 1) | (rows > y + side + n + 1) | (columns < x - n - 1) | (columns > x + side + n + 1)
    np.testing.assert_allclose(image[inside], value, atol=1e-12)
    assert not image[outside].any()


def drawn_boxes(rng, count):
    a, b = rng.integers(-8, 24, (2, count, 2)) / 2
    return np.concatenate([np.minimum(a, b), np.maximum(a, b)], axis=1)


@given(seed=st.integers(0, 9999), rule=st.sampled_from(RULES), dtype=st.sampled_from([np.float32, np.float64]))
def test_any_box_is_defined(seed, rule, dtype):
    """Empty ones, ones outside, huge ones: within 0 and 1, in the mask's dtype, the inputs left as they are."""
    rng = np.random.default_rng(seed)
    masks, boxes = rng.random((4, 3, 5)).astype(dtype), drawn_boxes(rng, 4).astype(dtype)
    boxes[0] = [-1e4, -1e4, -9e3, -9e3]
    boxes[1] = [2, 3, 2, 3]
    kept = masks.copy(), boxes.copy()
    made = paste(masks, boxes, (7, 9), rule=rule)
    np.testing.assert_array_equal(masks, kept[0])
    np.testing.assert_array_equal(boxes, kept[1])
    assert made.dtype == dtype
    assert made.shape == (4, 7, 9)
    assert made.min() >= 0
    assert made.max() <= 1
    assert not made[0].any()
    assert np.count_nonzero(made[1]) <= 1


@given(seed=st.integers(0, 9999), rule=st.sampled_from(RULES), dx=st.integers(-5, 5), dy=st.integers(-5, 5))
def test_moved_boxes_move_their_masks(seed, rule, dx, dy):
    """By whole pixels, where nothing is cut off.  (torchvision cuts towards zero: only where corners stay positive.)"""
    rng = np.random.default_rng(seed)
    masks = rng.random((1, 4, 4))
    x, y, w, h = rng.integers(20, 80, 4) / 2
    boxes = np.array([[x, y, x + w, y + h]]) + 20
    image = paste(masks, boxes, (128, 128), rule=rule)
    moved = paste(masks, boxes + np.array([dx, dy, dx, dy]), (128, 128), rule=rule)
    np.testing.assert_allclose(moved, np.roll(image, (dy, dx), axis=(1, 2)), atol=1e-12)


def test_no_masks():
    for rule in RULES:
        assert paste(np.zeros((0, 28, 28)), np.zeros((0, 4)), (3, 4), rule=rule).shape == (0, 3, 4)


@pytest.mark.parametrize(
    ("masks", "boxes", "options"),
    [
        (np.ones((1, 2, 2)), np.ones((1, 4)), {"rule": "matterport"}),
        (np.ones((2, 2)), np.ones((2, 4)), {}),
        (np.ones((1, 2, 2)), np.ones((2, 4)), {}),
        (np.ones((1, 0, 2)), np.ones((1, 4)), {}),
        (np.ones((1, 2, 2)), np.full((1, 4), np.nan), {}),
        (np.ones((1, 2, 2)), np.array([[0, 0, np.inf, 1]]), {}),
    ],
)
def test_refusals(masks, boxes, options):
    with pytest.raises(ValueError, match="paste: "):
        patches(masks, boxes, (4, 4), **options)


def test_the_border_is_outside_the_box():
    """A mask of ones, 4 x 4, over 8 pixels: with the border 6 over 12 and one more, of which 9 are above a half."""
    (image,) = paste(np.ones((1, 4, 4)), np.array([[8.0, 8, 16, 16]]), (24, 24))
    rows, columns = np.nonzero(image > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 16, 8, 16)
    assert np.flatnonzero(image[12]).tolist() == list(range(7, 18))
