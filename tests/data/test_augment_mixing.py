"""What paints over a picture or makes one of several: cutout, erasing, mixup, cutmix, mosaic, copy-paste."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from minidet_kernels.masks import bounds, decode, encode
from support.drawn_samples import assert_same_objects, never, samples, seeds

from minidet.data import augment as A
from minidet.data.augment.copy_paste import pasted, shapes
from minidet.data.augment.cutmix import patched
from minidet.data.augment.erase import erased
from minidet.data.augment.hiding import hide
from minidet.data.augment.mixup import mixed
from minidet.data.augment.mosaic import quarters, tiled
from minidet.data.augment.moving import Part, move
from minidet.data.dataset import Objects
from minidet.data.sample import Sample


def covered_by_hand(box: np.ndarray, hidden: np.ndarray) -> float:
    """The area of a box that is hidden, a pixel at a time."""
    total = 0.0
    for y, x in zip(*np.nonzero(hidden), strict=True):
        across = min(box[2], x + 1) - max(box[0], x)
        down = min(box[3], y + 1) - max(box[1], y)
        total += max(across, 0) * max(down, 0)
    return total


@given(
    data=st.data(), sample=samples(), least=st.sampled_from([0.0, 0.3, 1.0]), keep=st.sampled_from(["share", "centre"])
)
def test_hide_follows_its_definition(data: st.DataObject, sample: Sample, least: float, keep: str) -> None:
    hidden, objects = data.draw(arrays(np.bool_, sample.image.shape[:2])), sample.objects
    found = hide(objects, hidden, keep, least)
    dense = None if objects.masks is None else decode(objects.masks)
    kept, changed = [], []
    for i, box in enumerate(objects.boxes):
        whole, covered = max(box[2] - box[0], 0) * max(box[3] - box[1], 0), covered_by_hand(box, hidden)
        if dense is not None and dense[i].any():
            whole, covered = dense[i].sum(), (dense[i] & hidden).sum()
        rest = whole - covered
        good = covered == 0 or (rest > 0 and rest >= least * whole)
        x, y = np.floor((box[:2] + box[2:]) / 2).astype(int)
        if keep == "centre" and 0 <= x < hidden.shape[1] and 0 <= y < hidden.shape[0]:
            good = good and not hidden[y, x]
        kept.append(good)
        changed.append(covered > 0)
    expected, cut = objects[np.array(kept, bool)], np.array(changed, bool)[kept]
    for name in ("boxes", "labels", "crowd", "difficult", "ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.truncated, expected.truncated | cut)
    areas = expected.areas.copy()
    if dense is not None and found.masks is not None:
        rest_of_masks = (dense & ~hidden)[kept]
        np.testing.assert_array_equal(decode(found.masks), rest_of_masks)
        areas = np.where(cut & ~np.isnan(areas), rest_of_masks.sum(axis=(1, 2)), areas)
    else:
        areas[cut] = np.nan
    np.testing.assert_array_equal(found.areas, areas)


def test_hide_tightens_boxes_to_what_is_left() -> None:
    masks = np.zeros((2, 6, 8), bool)
    masks[:, 1:5, 1:7] = True
    boxes = np.array([[0.5, 0.5, 7.5, 5.5], [0.5, 0.5, 7.5, 5.5]])
    hidden = np.zeros((6, 8), bool)
    hidden[:, 5:] = True
    objects = Objects(boxes, np.arange(2), masks=encode(masks))
    np.testing.assert_array_equal(hide(objects, hidden, "share", 0, tighten=True).boxes, [[1, 1, 5, 5]] * 2)
    np.testing.assert_array_equal(hide(objects, hidden, "share", 0).boxes, boxes)
    assert len(hide(objects, hidden, "share", 0.67)) == 0
    assert len(hide(objects, hidden, "share", 0.66)) == 2
    beside = Objects(np.array([[6, 0, 7, 1]]), np.zeros(1), masks=encode(masks[:1]))  # a box that is not the mask's
    np.testing.assert_array_equal(hide(beside, hidden, "share", 0, tighten=True).boxes, [[1, 1, 5, 5]])
    untouched = hide(objects, hidden & False, "share", 0, tighten=True)
    np.testing.assert_array_equal(untouched.boxes, boxes)


@given(sample=samples(), seed=seeds, count=st.integers(0, 3), side=st.sampled_from([0, 0.5, 1]))
def test_cutout(sample: Sample, seed: int, count: int, side: float) -> None:
    marked = Sample(np.full_like(sample.image, 9), sample.objects)
    found = A.Cutout(count, side, fill=200)(marked, np.random.default_rng(seed), never)
    assert set(np.unique(found.image)) <= {9, 200}
    hidden, length = (found.image == 200).all(axis=2), max(1, int(side * min(sample.image.shape[:2]) + 0.5))
    assert hidden.sum() <= count * length**2
    assert hidden.any() == (count > 0)
    assert_same_objects(found.objects, hide(sample.objects, hidden, "share", 0.3))


def test_cutout_is_a_square_anywhere() -> None:
    sample, rng = (
        Sample(np.zeros((20, 30, 3), np.uint8), Objects(np.zeros((0, 4)), np.zeros(0))),
        np.random.default_rng(0),
    )
    found = np.array([(A.Cutout(1, 0.3, fill=1)(sample, rng, never).image[..., 0]) for _ in range(300)])
    assert (found.sum(axis=(1, 2)) == 36).mean() > 0.5
    often = found.mean(axis=0)
    assert often.min() > 0.01
    assert (found.any(axis=1).sum(axis=1) <= 6).all()
    assert (found.any(axis=2).sum(axis=1) <= 6).all()


def test_random_erasing() -> None:
    rng = np.random.default_rng(0)
    sample = Sample(np.full((40, 60, 3), 9, np.uint8), Objects(np.array([[0, 0, 60, 40]]), np.zeros(1)))
    shares, ratios = [], []
    for _ in range(300):
        found = A.RandomErasing((0.1, 0.2), (0.5, 2), fill=0, least=0.85)(sample, rng, never)
        hidden = (found.image == 0).all(axis=2)
        down, across = hidden.any(axis=1).sum(), hidden.any(axis=0).sum()
        assert hidden.sum() == down * across
        shares.append(hidden.mean())
        ratios.append(down / across)
        assert len(found.objects) == (1 - shares[-1] >= 0.85)
    assert 0.09 < min(shares) < 0.11
    assert 0.19 < max(shares) < 0.21
    assert 0.45 < min(ratios) < 0.6
    assert 1.8 < max(ratios) < 2.2
    noise = A.RandomErasing((0.5, 0.5), (1, 1))(sample, rng, never).image
    changed = noise[(noise != 9).any(axis=2)]
    assert len(np.unique(changed)) > 250
    with pytest.raises(ValueError, match=r"fill must be a whole level 0..255, or one each of red"):
        A.RandomErasing(fill=256)


@given(a=samples(), b=samples(), weight=st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]))
def test_mixup_is_the_weighted_sum(a: Sample, b: Sample, weight: float) -> None:
    found = mixed(a, b, weight, fill=100)
    h, w = (max(n) for n in zip(a.image.shape[:2], b.image.shape[:2], strict=True))
    total = np.zeros((h, w, 3))
    for sample, share in ((a, weight), (b, 1 - weight)):
        image = np.full((h, w, 3), 100.0)
        image[: sample.image.shape[0], : sample.image.shape[1]] = sample.image
        total += share * image
    np.testing.assert_allclose(found.image, total, rtol=0, atol=0.5 + 1e-4)
    np.testing.assert_array_equal(found.objects.boxes, np.concatenate([a.objects.boxes, b.objects.boxes]))
    np.testing.assert_array_equal(found.objects.labels, np.concatenate([a.objects.labels, b.objects.labels]))
    if found.objects.masks is not None and len(found.objects):
        assert found.objects.masks.size == (h, w)
    if weight == 1 and a.image.shape == b.image.shape:
        np.testing.assert_array_equal(found.image, a.image)


def test_mixup_drops_what_cannot_be_seen_and_draws_its_weight() -> None:
    nothing, one = Objects(np.zeros((0, 4)), np.zeros(0)), Objects(np.array([[0, 0, 1, 1]]), np.zeros(1))
    white, black = Sample(np.full((1, 1, 3), 255, np.uint8), one), Sample(np.zeros((1, 1, 3), np.uint8), nothing)
    assert len(mixed(white, black, 0.2, least=0.2).objects) == 1
    assert len(mixed(white, black, 0.19, least=0.2).objects) == 0
    assert len(mixed(black, white, 0.81, least=0.2).objects) == 0
    rng = np.random.default_rng(0)
    weights = np.array([A.MixUp(1.5)(white, rng, lambda rng: black).image[0, 0, 0] / 255 for _ in range(2000)])
    assert abs(weights.mean() - 0.5) < 0.02
    assert abs(weights.var() - 1 / 16) < 0.006  # of Beta(a, a): 1 / (4 (2 a + 1))


@given(data=st.data(), a=samples(), b=samples())
def test_cutmix_is_one_inside_and_the_other_outside(data: st.DataObject, a: Sample, b: Sample) -> None:
    h, w = a.image.shape[:2]
    left, top = data.draw(st.integers(0, w)), data.draw(st.integers(0, h))
    right, bottom = data.draw(st.integers(left, w)), data.draw(st.integers(top, h))
    found = patched(a, b, (left, top, right, bottom), "share", 0.25)
    second = A.Resize((h, w))(b, np.random.default_rng(0), never)
    inside = np.zeros((h, w), bool)
    inside[top:bottom, left:right] = True
    np.testing.assert_array_equal(found.image, np.where(inside[..., None], second.image, a.image))
    first = a.objects
    if inside.any():
        window = (left, top, right, bottom)
        first = hide(a.objects, inside, "share", 0.25)
        seen = move(second.objects, Part(window, window, (h, w)), "share", 0.25)
        np.testing.assert_array_equal(found.objects.boxes, np.concatenate([first.boxes, seen.boxes]))
        if found.objects.masks is not None and first.masks is not None and len(first):
            np.testing.assert_array_equal(decode(found.objects.masks)[: len(first)], decode(first.masks))
    else:
        assert found is a


def test_cutmix_has_the_share_it_draws() -> None:
    nothing, rng = Objects(np.zeros((0, 4)), np.zeros(0)), np.random.default_rng(0)
    white, black = (Sample(np.full((40, 80, 3), level, np.uint8), nothing) for level in (255, 0))
    found = [A.CutMix(200.0)(black, rng, lambda rng: white).image[..., 0] > 0 for _ in range(100)]
    whole = [f for f in found if not (f[0].any() or f[-1].any() or f[:, 0].any() or f[:, -1].any())]
    assert len(whole) > 3
    for f in whole:  # the weight is near 1/2: so is the share
        assert abs(f.mean() - 0.5) < 0.08
        assert abs(f.any(axis=0).sum() - 2 * f.any(axis=1).sum()) <= 3


@given(drawn=st.lists(samples(), min_size=4, max_size=4), data=st.data())
def test_the_parts_of_a_mosaic_are_their_sources(drawn: list[Sample], data: st.DataObject) -> None:
    h, w = 9, 11
    x, y = data.draw(st.integers(1, w - 1)), data.draw(st.integers(1, h - 1))
    parts = []
    for sample, (left, top, right, bottom) in zip(drawn, quarters((h, w), x, y), strict=True):
        height, width = min(bottom - top, sample.image.shape[0]), min(right - left, sample.image.shape[1])
        parts.append(Part((0, 0, width, height), (left, top, left + width, top + height), (h, w)))
    found = tiled(drawn, parts, fill=3)
    free = np.ones((h, w), bool)
    boxes, labels = [], []
    for sample, part in zip(drawn, parts, strict=True):
        left, top, right, bottom = part.target
        np.testing.assert_array_equal(found.image[top:bottom, left:right], sample.image[: bottom - top, : right - left])
        free[top:bottom, left:right] = False
        moved = move(sample.objects, part, "share", 0.0)
        boxes.append(moved.boxes)
        labels.append(moved.labels)
    assert (found.image[free] == 3).all()
    np.testing.assert_array_equal(found.objects.boxes, np.concatenate(boxes))
    np.testing.assert_array_equal(found.objects.labels, np.concatenate(labels))


def numbered(count: int, size: tuple[int, int] = (20, 20)) -> list[Sample]:
    """Pictures of one level each, all of them one object, which has that label."""
    box = np.array([[0, 0, size[1], size[0]]])
    return [Sample(np.full((*size, 3), 10 * k + 10, np.uint8), Objects(box, np.array([k]))) for k in range(count)]


def test_mosaic_by_hand() -> None:
    four, rng = numbered(4), np.random.default_rng(0)
    others = iter(four[1:])
    found = A.Mosaic((20, 20), (0.5, 0.5), (1, 1))(four[0], rng, lambda rng: next(others))
    levels = [[10, 20], [30, 40]]
    np.testing.assert_array_equal(found.image[..., 0], np.kron(levels, np.ones((10, 10))))
    np.testing.assert_array_equal(found.objects.labels, [0, 1, 2, 3])
    np.testing.assert_array_equal(
        found.objects.boxes, [[0, 0, 10, 10], [10, 0, 20, 10], [0, 10, 10, 20], [10, 10, 20, 20]]
    )
    others = iter(four[1:])
    found = A.Mosaic((20, 20), (0.5, 0.5), (0.25, 0.25), fill=0)(four[0], rng, lambda rng: next(others))
    expected = np.zeros((20, 20))
    expected[5:15, 5:15] = np.kron(levels, np.ones((5, 5)))  # inner corners meet at the point
    np.testing.assert_array_equal(found.image[..., 0], expected)
    found = A.Mosaic((20, 20), (0.0, 0.0), (1, 1))(four[0], rng, lambda rng: four[3])
    assert (found.image == 40).all()  # the point at the corner: only the last is seen
    with pytest.raises(ValueError, match=r"scale must be \(lowest, highest\) in \[1, inf\]"):
        A.Mosaic(fit="cover")


@given(seed=seeds)
def test_a_covering_mosaic_has_no_fill(seed: int) -> None:
    rng, four = np.random.default_rng(seed), numbered(4, (13, 29))
    others = iter(four[1:])
    found = A.Mosaic((24, 18), (0.2, 0.8), (1, 2), fit="cover", fill=0, least=0)(four[0], rng, lambda rng: next(others))
    assert (found.image > 0).all()
    for label, (x1, y1, x2, y2) in zip(found.objects.labels, found.objects.boxes.astype(int), strict=True):
        assert (found.image[y1:y2, x1:x2] == 10 * label + 10).all()
    assert len(found.objects) == 4
    total = (found.objects.boxes[:, 2:] - found.objects.boxes[:, :2]).prod(axis=1).sum()
    assert total == 24 * 18


@given(a=samples(masks=True, tidy=True), b=samples(masks=True, tidy=True), seed=seeds)
def test_copy_paste_shows_one_mask_over_the_other(a: Sample, b: Sample, seed: int) -> None:
    found = pasted(a, b, "share", 0.0)
    h, w = a.image.shape[:2]
    window = (0, 0, min(w, b.image.shape[1]), min(h, b.image.shape[0]))
    moved = move(b.objects, Part(window, window, (h, w)), "share", 0.0)
    over = shapes(moved, (h, w)).any(axis=0)
    expected = a.image.copy()
    ys, xs = np.nonzero(over)
    expected[ys, xs] = b.image[ys, xs]
    np.testing.assert_array_equal(found.image, expected)
    if not over.any():
        assert found is a
        return
    behind = hide(a.objects, over, "share", 0.0, tighten=True)
    np.testing.assert_array_equal(found.objects.labels, np.concatenate([behind.labels, moved.labels]))
    assert found.objects.masks is not None
    dense = decode(found.objects.masks)
    assert not (dense[: len(behind)] & over).any()
    np.testing.assert_array_equal(dense[len(behind) :], shapes(moved, (h, w)))
    tight = bounds(found.objects.masks)[: len(behind)]
    hidden = behind.truncated & dense[: len(behind)].any(axis=(1, 2))
    assert (found.objects.boxes[: len(behind)][hidden][:, :2] <= tight[hidden][:, :2]).all()


def test_copy_paste_of_boxes_and_of_some() -> None:
    rng = np.random.default_rng(0)
    a = Sample(np.zeros((10, 10, 3), np.uint8), Objects(np.array([[0, 0, 10, 10]]), np.zeros(1)))
    boxes = np.array([[1, 1, 3, 3], [5.4, 5.6, 8.5, 8.4], [0, 8, 2, 10]])
    b = Sample(np.full((10, 10, 3), 9, np.uint8), Objects(boxes, np.arange(1, 4), crowd=np.array([0, 0, 1], bool)))
    found = A.CopyPaste(1.0)(a, rng, lambda rng: b)
    expected = np.zeros((10, 10))
    expected[1:3, 1:3] = expected[6:8, 5:8] = 9  # pixels whose centre is in the box
    np.testing.assert_array_equal(found.image[..., 0], expected)
    np.testing.assert_array_equal(found.objects.labels, [0, 1, 2])
    assert A.CopyPaste(0.0)(a, rng, lambda rng: b) is a
    counts = [len(A.CopyPaste(0.5)(a, rng, lambda rng: b).objects) - 1 for _ in range(200)]
    assert 0.8 < np.mean(counts) < 1.2
    flipped = A.CopyPaste(1.0, each=A.HorizontalFlip(1))(a, rng, lambda rng: b)
    np.testing.assert_array_equal(flipped.objects.boxes[1], [7, 1, 9, 3])


@given(sample=samples())
def test_erased_pixels_are_the_fill_and_the_others_stay(sample: Sample) -> None:
    h, w = sample.image.shape[:2]
    found = erased(sample, [(0, 0, 1, h)], [(1, 2, 3)], "share", 0)
    assert (found.image[:, 0] == [1, 2, 3]).all()
    np.testing.assert_array_equal(found.image[:, 1:], sample.image[:, 1:])
    bare = replace(sample.objects, masks=None)
    assert_same_objects(hide(bare, np.zeros((h, w), bool), "centre", 1), replace(bare, polygons=None))
