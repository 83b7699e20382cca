"""The procedural scenes: boxes and masks say what the picture shows, from a seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.data.outlines import OUTLINES
from minidet.data.shapes import NAMES, ShapesDataset, mask_boxes

indices = st.integers(0, 999)
sizes = st.sampled_from([40, 64, 96, 97])


def same(a, b) -> bool:
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for f in vars(a))


@given(indices, sizes, st.integers(0, 2**40))
def test_a_scene_is_a_function_of_seed_size_and_index(index, size, seed):
    data = ShapesDataset(1000, seed=seed, size=size)
    first = data[index]
    _ = data[(index + 1) % 1000]  # asking for another in between changes nothing
    assert same(first, data[index])
    assert same(first, ShapesDataset(1000, seed=seed, size=size)[index])
    assert same(first, ShapesDataset(index + 1, seed=seed, size=size)[-1]), "the length must not matter"


def test_seeds_and_indices_give_different_scenes():
    pictures = {ShapesDataset(50, seed=s)[i].image.tobytes() for s in range(3) for i in range(50)}
    assert len(pictures) == 150


@given(indices, sizes)
def test_boxes_are_the_tight_bounds_of_the_visible_masks(index, size):
    scene = ShapesDataset(1000, seed=3, size=size)[index]
    assert scene.boxes.dtype == np.float32
    assert len(scene.boxes) == len(scene.labels) == len(scene.masks) == len(scene.whole_masks) == len(scene.whole_boxes)
    for boxes, masks in ((scene.boxes, scene.masks), (scene.whole_boxes, scene.whole_masks)):
        for (x1, y1, x2, y2), mask in zip(boxes.astype(int), masks, strict=True):
            inside = np.zeros_like(mask)
            inside[y1:y2, x1:x2] = True
            assert not (mask & ~inside).any(), "nothing of the mask lies outside the box"
            assert all(side.any() for side in (mask[y1], mask[y2 - 1], mask[:, x1], mask[:, x2 - 1]))
            assert 0 <= x1 < x2 <= size
            assert 0 <= y1 < y2 <= size


@given(indices)
def test_visible_masks_are_the_whole_ones_less_what_is_in_front(index):
    data = ShapesDataset(1000, seed=5, min_visible=0.3)
    scene = data[index]
    front = np.zeros(scene.image.shape[:2], dtype=bool)
    for visible, whole in zip(scene.masks[::-1], scene.whole_masks[::-1], strict=True):
        assert np.array_equal(visible, whole & ~front)
        assert visible.sum() >= 0.3 * whole.sum()
        front |= whole
    assert scene.masks.sum(axis=0).max(initial=0) <= 1, "a pixel shows one shape"


def test_classes_are_balanced_and_many_shapes_are_occluded():
    scenes = [ShapesDataset(400, seed=11)[i] for i in range(400)]
    labels = np.concatenate([s.labels for s in scenes])
    counts = np.bincount(labels, minlength=len(NAMES))
    expected = len(labels) / len(NAMES)
    # binomial: five standard deviations either way
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected * (1 - 1 / len(NAMES))), counts
    hidden = np.concatenate([1 - s.masks.sum((1, 2)) / s.whole_masks.sum((1, 2)) for s in scenes if len(s.labels)])
    assert 0.15 < (hidden > 0.02).mean() < 0.7
    assert {len(s.labels) for s in scenes} == {1, 2, 3, 4, 5}
    widths = np.concatenate([s.whole_boxes[:, 2] - s.whole_boxes[:, 0] for s in scenes])
    assert widths.min() < 20
    assert widths.max() > 40


def test_the_shape_is_painted_where_its_mask_is():
    """Pixels inside the mask differ from the same scene without the shape; pixels well outside do not."""
    quiet = {"seed": 2, "noise": 0.0}
    changed = 0
    for index in range(30):
        with_one = ShapesDataset(30, shapes=(1, 1), **quiet)[index]
        without = ShapesDataset(30, shapes=(0, 0), **quiet)[index]
        # the count of shapes is drawn first and takes no more of the generator for (0, 0), so the backgrounds agree
        difference = np.abs(with_one.image.astype(int) - without.image).max(axis=2)
        mask = with_one.whole_masks[0]
        grown = mask.copy()
        for _ in range(3):  # the tip of a star is painted up to three pixels before and beyond its mask
            padded = np.pad(grown, 1)
            grown = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).any(axis=(2, 3))
        assert difference[~grown].max() == 0
        changed += (difference[mask] > 8).mean() > 0.9
    assert changed >= 27


@given(st.sampled_from(NAMES), st.floats(6, 30), st.floats(0, 0.999), st.floats(0, 6.28))
def test_distances_agree_with_supersampled_coverage(name, radius, vary, turn):
    """``clip(1/2 - d, 0, 1)`` against the fraction of 16 x 16 points of each pixel that lie inside."""
    outline, side, fine = OUTLINES[name], 66, 16
    cos, sin = np.cos(turn), np.sin(turn)

    def distance(per_pixel: int) -> np.ndarray:
        at = (np.arange(side * per_pixel) + 0.5) / per_pixel - side / 2
        x, y = at, at[:, None]
        return np.asarray(outline(cos * x + sin * y, cos * y - sin * x, radius, vary))

    coverage = np.clip(0.5 - distance(1), 0, 1)
    sampled = (distance(fine) <= 0).reshape(side, fine, side, fine).mean(axis=(1, 3))
    # A straight edge differs by at most 0.105 (at 45 degrees); corners, and bands not 2 pixels wide, by more.
    edge = (sampled > 0) & (sampled < 1)
    assert np.abs(coverage - sampled)[~edge].max() <= 0.21  # sqrt(1/2) - 1/2: a corner of the pixel is further than 1/2
    assert np.abs(coverage - sampled)[edge].mean() < 0.08
    assert abs(coverage.sum() - sampled.sum()) < 0.02 * sampled.sum() + 2


@pytest.mark.parametrize("name", NAMES)
def test_outlines_fill_their_circle_and_no_more(name):
    at = np.linspace(-12, 12, 241)
    for vary in (0.0, 0.5, 0.99):
        inside = np.asarray(OUTLINES[name](at, at[:, None], 10.0, vary)) <= 0
        reach = np.hypot(at, at[:, None])[inside].max()
        assert 9.8 <= reach <= 10 + 1e-9
    areas = [(np.asarray(OUTLINES[name](at, at[:, None], 10.0, v)) <= 0).sum() for v in (0.0, 0.99)]
    assert name == "circle" or areas[0] != areas[1], "the proportions vary"


def test_known_areas():
    at = (np.arange(2400) + 0.5) / 100 - 12
    area = {n: float((np.asarray(f(at, at[:, None], 10.0, 0.0)) <= 0).mean() * 24**2) for n, f in OUTLINES.items()}
    assert area["circle"] == pytest.approx(np.pi * 100, rel=1e-3)
    assert area["rectangle"] == pytest.approx(400 * 0.5 / 1.25, rel=1e-3)
    assert area["ring"] == pytest.approx(np.pi * (100 - 49), rel=1e-3)
    apex = np.deg2rad(48)
    assert area["triangle"] == pytest.approx(50 * (2 * np.sin(np.pi - apex) - np.sin(2 * (np.pi - apex))), rel=1e-3)
    assert area["star"] == pytest.approx(5 * 10 * 4 * np.sin(np.pi / 5), rel=1e-3)


def test_mask_boxes():
    masks = np.zeros((2, 5, 7), dtype=bool)
    masks[0, 0, 0] = masks[1, 2:4, 6] = True
    assert mask_boxes(masks).tolist() == [[0, 0, 1, 1], [6, 2, 7, 4]]
    assert mask_boxes(masks[:0]).shape == (0, 4)
    with pytest.raises(ValueError, match="empty mask"):
        mask_boxes(np.zeros((1, 3, 3), dtype=bool))
    with pytest.raises(ValueError, match="bool"):
        mask_boxes(np.zeros((1, 3, 3)))


def test_an_empty_scene_has_empty_arrays():
    scene = ShapesDataset(1, shapes=(0, 0), size=40)[0]
    assert scene.image.shape == (40, 40, 3)
    assert scene.boxes.shape == (0, 4)
    assert scene.masks.shape == (0, 40, 40)
    assert scene.labels.dtype == np.int64


def test_the_dataset_is_a_sequence():
    data = ShapesDataset(3)
    assert len(data) == len(list(data)) == 3
    for index in (3, -4):
        with pytest.raises(IndexError):
            data[index]


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 8},
        {"seed": -1},
        {"shapes": (3, 2)},
        {"extent": (0.01, 0.5)},
        {"extent": (0.5, 1.5)},
        {"min_visible": 0},
        {"tilt": 181},
    ],
)
def test_bad_options_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)) if wrong != {"seed": -1} else "negative"):
        ShapesDataset(1, **wrong)
