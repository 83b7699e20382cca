"""What SSD's authors do to a picture, in their order, and what a picture then still is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.overlap import iou_matrix

from minidet.data import augment as A
from minidet.data.augment.compose import Compose, OneOf, Sometimes
from minidet.data.dataset import Objects
from minidet.data.sample import Sample

#: Of the authors' program: the least overlaps of a patch, none (0: anything goes) among them, and its scales.
OVERLAPS, SCALE = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9), (0.3, 1.0)


def never(rng):
    raise AssertionError("no other picture is needed")


@st.composite
def samples(draw):
    """A picture of noise with boxes that may touch, repeat, be as large as it, or one pixel; or with none."""
    h, w = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    x = st.tuples(st.integers(0, w - 1), st.integers(1, w)).map(sorted).filter(lambda p: p[0] < p[1])
    y = st.tuples(st.integers(0, h - 1), st.integers(1, h)).map(sorted).filter(lambda p: p[0] < p[1])
    pairs = draw(st.lists(st.tuples(x, y), max_size=4))
    boxes = np.array([[a, c, b, d] for (a, b), (c, d) in pairs], float).reshape(-1, 4)
    image = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, (h, w, 3), dtype=np.uint8)
    return Sample(image, Objects(boxes, np.arange(len(boxes))))


@given(sample=samples(), seed=st.integers(0, 2**32), size=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_a_picture_of_the_size_asked_for_with_boxes_in_it(sample, seed, size):
    before = sample.image.copy(), sample.objects.boxes.copy()
    found = A.ssd(size)(sample, np.random.default_rng(seed), never)
    assert found.image.shape == (*size, 3)
    assert found.image.dtype == np.uint8
    boxes, labels = found.objects.boxes, found.objects.labels
    assert np.isfinite(boxes).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (boxes >= 0).all()
    assert (boxes <= [size[1], size[0]] * 2).all()
    assert (np.diff(labels) > 0).all(), "some of those there were, in their order"
    np.testing.assert_array_equal(sample.image, before[0])
    np.testing.assert_array_equal(sample.objects.boxes, before[1])
    again = A.ssd(size)(sample, np.random.default_rng(seed), never)
    np.testing.assert_array_equal(again.image, found.image)
    np.testing.assert_array_equal(again.objects.boxes, boxes)


class Told:
    """Says that a transform's turn has come, and leaves the picture as it is."""

    def __init__(self, inner, to):
        self.name, self.to = type(inner).__name__, to

    def __call__(self, sample, rng, draw):
        self.to.append(self.name)
        return sample


def telling(transform, to):
    """The same transform, with every part of it that would change a picture saying its name instead."""
    if isinstance(transform, Compose):
        return Compose(tuple(telling(t, to) for t in transform.transforms))
    if isinstance(transform, OneOf):
        return OneOf(tuple(telling(t, to) for t in transform.transforms), transform.weights)
    if isinstance(transform, Sometimes):
        return Sometimes(transform.p, telling(transform.transform, to))
    return Told(transform, to)


def test_the_order_is_the_authors_and_each_has_its_chance():
    """Contrast second or fourth of the colours, each of probability 1/2; then larger, a patch, the size, a flip."""
    to: list[str] = []
    transform, rng = telling(A.ssd((8, 8)), to), np.random.default_rng(0)
    sample = Sample(np.full((6, 9, 3), 100, np.uint8), Objects(np.array([[1.0, 1, 7, 5]]), np.zeros(1)))
    count, second, both = Counter(), 0, 0
    for _ in range(1200):
        to.clear()
        transform(sample, rng, never)
        count.update(to)
        colours = to[: len(to) - 3 - ("Expand" in to)]
        assert to[len(colours) :] == ["Expand"] * ("Expand" in to) + ["IoUCrop", "Resize", "HorizontalFlip"]
        first = [name for name in ("Brightness", "Contrast", "Saturation", "Hue") if name in colours]
        last = [name for name in ("Brightness", "Saturation", "Hue", "Contrast") if name in colours]
        assert colours in (first, last)
        both += first != last
        second += first != last and colours == first
    for name in ("Brightness", "Contrast", "Saturation", "Hue", "Expand"):
        assert 0.44 < count[name] / 1200 < 0.56, name  # 4 standard deviations are .058
    assert 0.4 < second / both < 0.6  # of about 450


def parts(transform):
    """All that a transform is made of, by the name of its class."""
    if isinstance(transform, (Compose, OneOf)):
        return {k: v for t in transform.transforms for k, v in parts(t).items()}
    return parts(transform.transform) if isinstance(transform, Sometimes) else {type(transform).__name__: transform}


def test_how_much_is_what_the_authors_say():
    found = parts(A.ssd((300, 300)))
    assert found["Brightness"].most == 32
    assert found["Contrast"].factor == found["Saturation"].factor == (0.5, 1.5)
    assert found["Contrast"].pivot == "black"
    assert found["Hue"].most == 18 / 360
    assert (found["Expand"].most, found["Expand"].fill) == (4, (123, 117, 104))
    crop = found["IoUCrop"]
    assert (crop.overlaps, crop.scale, crop.aspect) == (OVERLAPS, SCALE, (0.5, 2))
    assert (crop.trials, crop.choose, crop.satisfied, crop.keep, crop.least) == (50, "patch", "any", "centre", 0)
    assert found["HorizontalFlip"].p == 0.5
    assert found["Resize"].size == (300, 300)


@pytest.mark.parametrize("choose", ["patch", "sampler"])
@given(seed=st.integers(0, 2**32), left=st.integers(0, 70), top=st.integers(0, 50), side=st.integers(6, 40))
def test_a_patch_is_no_smaller_and_no_narrower_than_said(choose, seed, left, top, side):
    """A picture whose pixels say where they are: the patch is one, of a scale and shape in range, rounded to pixels."""
    ys, xs = np.mgrid[:90, :110]
    image = np.stack([ys, xs, xs], axis=-1).astype(np.uint8)
    box = np.array([[left, top, left + side, top + side]], float)
    sample = Sample(image, Objects(box, np.zeros(1, np.int64)))
    crop = A.IoUCrop(OVERLAPS, SCALE, choose=choose)
    found = crop(sample, np.random.default_rng(seed), never)
    h, w = found.image.shape[:2]
    y, x = (int(v) for v in found.image[0, 0, :2])
    np.testing.assert_array_equal(found.image, image[y : y + h, x : x + w])
    low, high = (((w + d) / 110) * ((h + d) / 90) for d in (-1, 1))  # each side is rounded by less than a pixel
    assert high >= 0.3**2
    assert low <= 1
    assert (w + 1) / 110 / max((h - 1) / 90, 1e-9) >= 0.5
    assert (w - 1) / 110 / ((h + 1) / 90) <= 2
    centre = (box[0, :2] + box[0, 2:]) / 2 - [x, y]
    inside = ((centre >= 0) & (centre < [w, h])).all()
    assert len(found.objects) == inside
    if inside:
        seen = np.clip(box[0] - [x, y, x, y], 0, [w, h, w, h])
        np.testing.assert_array_equal(found.objects.boxes[0], seen)


@pytest.mark.parametrize("overlap", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_patch_overlaps_by_no_less_than_it_was_asked_to_and_by_less_than_the_next(overlap):
    """Each least overlap alone: kept to, and not stricter than it says."""
    box = np.array([[8.0, 6, 114, 95]])
    ys, xs = np.mgrid[:100, :120]
    image = np.stack([ys, xs, xs], axis=-1).astype(np.uint8)
    sample = Sample(image, Objects(box, np.zeros(1, np.int64)))
    crop, rng, found = A.IoUCrop((overlap,), SCALE, trials=300), np.random.default_rng(0), []
    for _ in range(100):
        patch = crop(sample, rng, never).image
        if patch.shape != image.shape:
            y, x = (int(v) for v in patch[0, 0, :2])
            window = np.array([[x, y, x + patch.shape[1], y + patch.shape[0]]], float)
            found.append(iou_matrix(window, box).item())
    assert len(found) > 20
    assert min(found) >= overlap
    assert min(found) < overlap + 0.1
