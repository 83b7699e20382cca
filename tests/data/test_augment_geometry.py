"""Objects move with the pixels: runs, parts, flips, crops and jitter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from minidet_kernels.masks import areas, bounds, decode, encode
from support.drawn_samples import assert_same, assert_same_objects, never, ramp, ramps, samples, seeds, sizes

from minidet.data.augment import Compose, Crop, CropJitter, HorizontalFlip, Jitter, VerticalFlip
from minidet.data.augment.crop import cropped
from minidet.data.augment.flip import flipped
from minidet.data.augment.moving import Part, canvas, move, paint, seen, together
from minidet.data.augment.runs import concatenate, gather, minus
from minidet.data.dataset import Objects
from minidet.data.sample import Sample


@st.composite
def masks_and_indices(draw: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (h, w), n = draw(sizes), draw(st.integers(0, 3))
    masks = draw(arrays(np.bool_, (n, h, w)))
    before, after = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    rows = sorted(draw(st.lists(st.integers(0, h - 1), max_size=8)), reverse=draw(st.booleans()))
    columns = draw(st.lists(st.integers(0, w - 1), max_size=8))
    pad = [-1] * before, [-1] * after
    return masks, np.array([*pad[0], *rows, *pad[1]], int), np.array([*pad[1], *columns, *pad[0]], int)


@given(drawn=masks_and_indices())
def test_gather_of_runs_is_the_gather_of_pixels(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    masks, rows, columns = drawn
    found = gather(encode(masks), rows, columns)
    expected = np.zeros((len(masks), len(rows), len(columns)), bool)
    expected[:] = masks[:, rows][:, :, columns] & (rows >= 0)[:, None] & (columns >= 0)
    np.testing.assert_array_equal(decode(found), expected)
    if expected.size:
        again = encode(expected)
        np.testing.assert_array_equal(bounds(found), bounds(again))


@given(data=st.data(), size=sizes, n=st.integers(0, 3))
def test_minus_and_concatenate(data: st.DataObject, size: tuple[int, int], n: int) -> None:
    dense, cover = data.draw(arrays(np.bool_, (n, *size))), data.draw(arrays(np.bool_, (1, *size)))
    np.testing.assert_array_equal(decode(minus(encode(dense), encode(cover))), dense & ~cover)
    both = concatenate([encode(dense), encode(cover), encode(dense)])
    np.testing.assert_array_equal(decode(both), np.concatenate([dense, cover, dense]))


@st.composite
def windows(draw: Any, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A rectangle in a picture of ``size``."""
    left, top = draw(st.integers(0, size[1] - 1)), draw(st.integers(0, size[0] - 1))
    return left, top, draw(st.integers(left + 1, size[1])), draw(st.integers(top + 1, size[0]))


@st.composite
def parts(draw: Any, image: tuple[int, int]) -> Part:
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    return Part(draw(windows(image)), draw(windows(size)), size)


def moved_by_hand(sample: Sample, part: Part) -> np.ndarray:
    """Boxes moved, one coordinate at a time."""
    out = sample.objects.boxes.copy()
    for axis in range(2):
        start, stop, first, last = (r[axis + k] for r in (part.source, part.target) for k in (0, 2))
        for column in (axis, axis + 2):
            out[:, column] = (out[:, column] - start) * (last - first) / (stop - start) + first
    return out


@given(data=st.data(), sample=samples(), keep=st.sampled_from(["share", "centre"]), least=st.sampled_from([0, 0.3, 1]))
def test_move_follows_its_definition(data: st.DataObject, sample: Sample, keep: str, least: float) -> None:
    part = data.draw(parts(sample.image.shape[:2]))
    objects, (left, top, right, bottom) = sample.objects, part.target
    boxes = moved_by_hand(sample, part)
    clipped = np.clip(boxes, [left, top] * 2, [right, bottom] * 2)
    rows, columns = part.indices()
    kept, dense = [], None if objects.masks is None else decode(objects.masks)
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        a, b, c, d = clipped[i]
        good = c > a and d > b and (c - a) * (d - b) >= least * ((x2 - x1) * (y2 - y1))
        if keep == "centre":
            good = good and left <= (x1 + x2) / 2 < right and top <= (y1 + y2) / 2 < bottom
        if dense is not None and dense[i].any():
            shown = dense[i][np.ix_(rows[rows >= 0], columns[columns >= 0])]
            good = good and bool(shown.any())
        kept.append(good)
    found = move(objects, part, keep, least)
    expected = objects[np.array(kept, bool)]
    np.testing.assert_allclose(found.boxes, clipped[kept], rtol=1e-14, atol=1e-13)
    for name in ("labels", "crowd", "difficult", "ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    cut = (clipped != boxes).any(axis=1)[np.array(kept, bool)]
    np.testing.assert_array_equal(found.truncated, expected.truncated | cut)
    assert (found.masks is None) == (objects.masks is None)
    everything = move(objects, part)
    np.testing.assert_allclose(everything.boxes, boxes, rtol=1e-14, atol=1e-13)
    assert len(everything) == len(objects)


@given(data=st.data(), sample=ramps(tidy=True, masks=True))
def test_areas_are_scaled_counted_or_unknown(data: st.DataObject, sample: Sample) -> None:
    part = data.draw(parts(sample.image.shape[:2]))
    whole = move(sample.objects, part, "share")
    bare = move(replace(sample.objects, masks=None), part, "share")
    (a, b, c, d), (left, top, right, bottom) = part.source, part.target
    scale = (right - left) * (bottom - top) / ((c - a) * (d - b))
    rows = {int(i): k for k, i in enumerate(whole.ids)} if len(set(whole.ids)) == len(whole) else {}
    for k, i in enumerate(sample.objects.ids):
        if int(i) not in rows or list(sample.objects.ids).count(i) > 1:
            continue
        area, box, at = sample.objects.areas[k], sample.objects.boxes[k], rows[int(i)]
        inside = a <= box[0] and b <= box[1] and box[2] <= c and box[3] <= d
        assert whole.masks is not None
        expected = area * scale if inside else float(areas(whole.masks)[at])
        np.testing.assert_allclose(whole.areas[at], np.nan if np.isnan(area) else expected, rtol=1e-12)
        if int(i) in bare.ids:
            other = bare.areas[list(bare.ids).index(i)]
            np.testing.assert_allclose(other, area * scale if inside else np.nan, rtol=1e-12)


@given(data=st.data(), sample=ramps(tidy=True, masks=True))
def test_masks_lie_in_their_moved_boxes(data: st.DataObject, sample: Sample) -> None:
    part = data.draw(parts(sample.image.shape[:2]))
    found = move(sample.objects, part, "share")
    assert found.masks is not None
    assert found.masks.size == part.size
    around = bounds(found.masks)[areas(found.masks) > 0]
    boxes = found.boxes[areas(found.masks) > 0]
    # A pixel is shown by its centre, so its edge may stand out by half a pixel; where nothing is resized it does not.
    sides = [(r[2] - r[0], r[3] - r[1]) for r in (part.source, part.target)]
    room = 0.0 if sides[0] == sides[1] else 0.5 + 1e-9
    assert (around[:, :2] >= boxes[:, :2] - room).all()
    assert (around[:, 2:] <= boxes[:, 2:] + room).all()


@given(data=st.data(), image=sizes)
def test_a_pixel_is_where_the_coordinates_say(data: st.DataObject, image: tuple[int, int]) -> None:
    """A ramp stays a ramp when it is resized: every pixel of the result holds the place of its centre in the source."""
    part = data.draw(parts(image))
    out = canvas(part.size, 7)
    paint(out, ramp(image), part)
    (a, b, c, d), (left, top, right, bottom) = part.source, part.target
    for y in range(part.size[0]):
        for x in range(part.size[1]):
            if not (left <= x < right and top <= y < bottom):
                assert out[y, x].tolist() == [7, 7, 7]
                continue
            # Beyond the centre of the outermost pixel that was cut out the colour stays as it is.
            px = np.clip((x + 0.5 - left) * (c - a) / (right - left) + a, a + 0.5, c - 0.5)
            py = np.clip((y + 0.5 - top) * (d - b) / (bottom - top) + b, b + 0.5, d - 0.5)
            np.testing.assert_allclose(out[y, x], [24 * px, 24 * py, 255], atol=0.51)
            np.testing.assert_allclose(
                part.points(np.array([(x + 0.5 - left) * (c - a) / (right - left) + a, 0.0]))[0], x + 0.5, atol=1e-9
            )


extents = st.floats(-30, 30)


@given(
    image=sizes, left=extents, top=extents, width=st.floats(0, 60), height=st.floats(0, 60), size=sizes,
)  # fmt: skip
def test_placed_parts_are_whole_inside_and_near(
    image: tuple[int, int], left: float, top: float, width: float, height: float, size: tuple[int, int]
) -> None:
    part = Part.placed(image, left, top, width, height, size)
    for rectangle, (h, w) in ((part.source, image), (part.target, size)):
        assert all(isinstance(n, int) for n in rectangle)
        assert 0 <= rectangle[0] < rectangle[2] <= w
        assert 0 <= rectangle[1] < rectangle[3] <= h
    for axis, (start, length) in enumerate(((left, width), (top, height))):
        n = size[1 - axis]
        first, last = np.clip([start, start + length], 0, n)
        if round(last) > round(first):  # otherwise a pixel is shown where there is none
            assert abs(part.target[axis] - first) <= 0.5 + 1e-9
            assert abs(part.target[axis + 2] - last) <= 0.5 + 1e-9
            whole = image[1 - axis]
            for edge in (axis, axis + 2):
                exact = np.clip((part.target[edge] - start) * whole / length, 0, whole)
                assert abs(part.source[edge] - exact) <= 1.5 + 1e-6  # rounded, and never less than a pixel


@given(sample=samples(), axis=st.sampled_from([0, 1]))
def test_flip_twice_is_the_identity(sample: Sample, axis: int) -> None:
    once = flipped(sample, axis, [(0, 2)])
    assert_same(flipped(once, axis, [(0, 2)]), sample)
    image = sample.image[:, ::-1] if axis == 0 else sample.image[::-1]
    np.testing.assert_array_equal(once.image, image)
    if sample.objects.masks is not None and once.objects.masks is not None:
        dense = decode(sample.objects.masks)
        np.testing.assert_array_equal(decode(once.objects.masks), dense[:, :, ::-1] if axis == 0 else dense[:, ::-1])


def test_flip_by_hand() -> None:
    points = np.array([[[1, 2, 2], [4, 3, 1], [0, 0, 0]]], float)
    objects = Objects(np.array([[1, 2, 4, 3]]), np.array([5]), areas=np.array([2.5]), keypoints=points)
    sample = Sample(np.zeros((10, 20, 3), np.uint8), objects)
    rng = np.random.default_rng(0)
    found = HorizontalFlip(p=1, pairs=((0, 1),))(sample, rng, never).objects
    np.testing.assert_array_equal(found.boxes, [[16, 2, 19, 3]])
    assert found.keypoints is not None
    np.testing.assert_array_equal(found.keypoints, [[[16, 3, 1], [19, 2, 2], [0, 0, 0]]])
    np.testing.assert_array_equal(found.areas, [2.5])
    found = VerticalFlip(p=1)(sample, rng, never).objects
    np.testing.assert_array_equal(found.boxes, [[1, 7, 4, 8]])
    assert found.keypoints is not None
    np.testing.assert_array_equal(found.keypoints, [[[1, 8, 2], [4, 7, 1], [0, 0, 0]]])
    assert HorizontalFlip(p=0)(sample, rng, never) is sample
    with pytest.raises(ValueError, match="pairs names keypoints 0 and 3, and there are 3, counted from 0"):
        HorizontalFlip(p=1, pairs=((0, 3),))(sample, rng, never)


@given(data=st.data(), sample=samples(tidy=True))
def test_a_crop_pasted_back_is_the_picture_there(data: st.DataObject, sample: Sample) -> None:
    size = sample.image.shape[:2]
    window = data.draw(windows(size))
    part = cropped(sample, window)
    back = Part((0, 0, window[2] - window[0], window[3] - window[1]), window, size)
    image = canvas(size, 0)
    paint(image, part.image, back)
    left, top, right, bottom = window
    inside = np.zeros(size, bool)
    inside[top:bottom, left:right] = True
    np.testing.assert_array_equal(image, np.where(inside[..., None], sample.image, 0))
    again = move(part.objects, back)
    assert_same_objects(again, move(sample.objects, Part(window, window, size), "share"))
    if again.masks is not None and len(again):
        assert not (decode(again.masks) & ~inside).any()


def test_a_crop_by_hand() -> None:
    mask = np.zeros((3, 6, 8), bool)
    mask[0, 1:3, 1:5] = True
    mask[1, 4:6, 6:8] = True
    mask[2, 0:6, 4:5] = True
    boxes = np.array([[1, 1, 5, 3], [6, 4, 8, 6], [0, 0, 8, 6]])
    points = np.array([[[3, 2, 2], [1, 1, 2]], [[7, 5, 1], [2, 1, 2]], [[6, 4, 2], [6.25, 4, 1]]], float)
    objects = Objects(boxes, np.arange(3), areas=np.array([7.0, 4, 9]), masks=encode(mask), keypoints=points)
    sample = Sample(ramp((6, 8)), objects)
    found = cropped(sample, (2, 1, 6, 4), "share", 0.25)
    np.testing.assert_array_equal(found.image, sample.image[1:4, 2:6])
    np.testing.assert_array_equal(found.objects.labels, [0, 2])
    np.testing.assert_array_equal(found.objects.boxes, [[0, 0, 3, 2], [0, 0, 4, 3]])
    np.testing.assert_array_equal(found.objects.areas, [6, 3])
    assert found.objects.keypoints is not None
    np.testing.assert_array_equal(found.objects.keypoints, [[[1, 1, 2], [0, 0, 0]], [[4, 3, 2], [0, 0, 0]]])
    assert found.objects.masks is not None
    np.testing.assert_array_equal(decode(found.objects.masks), mask[[0, 2], 1:4, 2:6])
    assert len(cropped(sample, (2, 1, 6, 4), "share", 0.26).objects) == 1  # 12 of 48 pixels of the last
    np.testing.assert_array_equal(cropped(sample, (4, 1, 8, 4), "centre").objects.labels, [2])  # 3, 2 is outside
    with pytest.raises(ValueError, match=r"a window in the picture, of 8 x 6, was expected, found \(0, 0, 9, 6\)"):
        cropped(sample, (0, 0, 9, 6))


def test_the_centre_on_the_upper_edge_is_inside_and_on_the_lower_is_not() -> None:
    whole = np.array([[-1.0, 0, 1, 2], [3, 0, 5, 2], [0, 3, 2, 5]])
    clipped = np.clip(whole, 0, 4)
    np.testing.assert_array_equal(seen(whole, clipped, (0, 0, 4, 4), "centre", 0), [True, False, False])
    np.testing.assert_array_equal(seen(whole, clipped, (0, 0, 4, 4), "share", 0.5), [True] * 3)
    np.testing.assert_array_equal(seen(whole, clipped, (0, 0, 4, 4), "share", 0.51), [False] * 3)


@given(sample=samples(), seed=seeds)
def test_together_takes_masks_where_all_have_them(sample: Sample, seed: int) -> None:
    objects = sample.objects
    both = together([objects, objects])
    assert_same_objects(both[: len(objects)], objects)
    assert_same_objects(both[len(objects) :], objects)
    bare = replace(objects, masks=None, keypoints=None)
    mixed = together([objects, bare])
    assert len(mixed) == 2 * len(objects)
    if len(objects):
        assert mixed.masks is None
        assert mixed.keypoints is None
    none = Objects(np.zeros((0, 4)), np.zeros(0))
    assert_same_objects(together([none, objects]), objects if len(objects) else none)


@given(sample=samples(), seed=seeds, jitter=st.sampled_from([0, 0.3]), share=st.sampled_from([(0.1, 0.5), (1, 1)]))
def test_crop_and_jitter_give_what_they_promise(
    sample: Sample, seed: int, jitter: float, share: tuple[float, float]
) -> None:
    h, w = sample.image.shape[:2]
    found = Crop(share)(sample, np.random.default_rng(seed), never)
    for n, m in zip((h, w), found.image.shape[:2], strict=True):
        assert max(1, int(share[0] * n + 0.5)) <= m <= max(1, int(share[1] * n + 0.5))
    for transform in (Jitter((7, 5), jitter), CropJitter((7, 5), jitter)):
        found = transform(sample, np.random.default_rng(seed), never)
        assert found.image.shape == (7, 5, 3)
        assert found.image.dtype == np.uint8
        boxes = found.objects.boxes
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= [5, 7]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert found.objects.masks is None or found.objects.masks.size == (7, 5)
    assert Jitter()(sample, np.random.default_rng(seed), never).image.shape == sample.image.shape


def test_jitter_of_nothing_is_resizing() -> None:
    sample = Sample(ramp((4, 8)), Objects(np.array([[0, 0, 8, 4], [2, 1, 4, 3]]), np.arange(2)))
    rng = np.random.default_rng(0)
    found = CropJitter((8, 16), 0)(sample, rng, never)
    np.testing.assert_array_equal(found.objects.boxes, [[0, 0, 16, 8], [4, 2, 8, 6]])
    found = Jitter((8, 8), 0, (1, 1), fill=9)(sample, rng, never)  # letterbox, but anywhere
    rows = np.flatnonzero((found.image != 9).any(axis=(1, 2)))
    assert len(rows) == 4
    np.testing.assert_array_equal(found.objects.boxes[0], [0, rows[0], 8, rows[-1] + 1])


def test_jitter_covers_its_range() -> None:
    sample = Sample(np.full((50, 100, 3), 255, np.uint8), Objects(np.array([[0, 0, 100, 50]]), np.zeros(1)))
    rng, transform = np.random.default_rng(0), Jitter((100, 100), 0.2, (0.5, 0.5), fill=0)
    found = [transform(sample, rng, never) for _ in range(300)]
    boxes = np.array([f.objects.boxes[0] for f in found])
    for f, box in zip(found[:50], boxes, strict=False):
        x1, y1, x2, y2 = box.astype(int)
        white = np.zeros((100, 100), bool)
        white[y1:y2, x1:x2] = True
        np.testing.assert_array_equal(f.image[..., 0] > 0, white)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert np.abs(sides[:, 0] - 50).max() <= 1  # the ratio is at least 2 * .8 / 1.2, so the width decides
    ratio = 50 / sides[:, 1]
    assert ratio.min() < 1.45
    assert ratio.max() > 2.7
    assert boxes[:, 0].min() <= 2
    assert boxes[:, 2].max() >= 98


def test_crop_jitter_moves_each_side_by_as_much_as_it_says() -> None:
    sample = Sample(np.zeros((100, 400, 3), np.uint8), Objects(np.array([[150, 40, 250, 60]]), np.zeros(1)))
    rng, sides = np.random.default_rng(0), []
    for _ in range(60):
        x1, y1, x2, y2 = CropJitter((100, 400), 0.2)(sample, rng, never).objects.boxes[0]
        width, height = 4 * (x2 - x1), 5 * (y2 - y1)  # of the whole picture, as it lies on the result
        left, top = x1 - 0.375 * width, y1 - 0.4 * height
        sides.append([-left / width, 1 - (400 - left) / width, -top / height, 1 - (100 - top) / height])
    assert (np.abs(sides) < 0.2 + 0.02).all()  # rounded to whole pixels
    assert (np.min(sides, axis=0) < -0.15).all()
    assert (np.max(sides, axis=0) > 0.15).all()


@given(sample=samples(), seed=seeds)
def test_the_same_seed_gives_the_same_and_the_input_stays(sample: Sample, seed: int) -> None:
    from support.drawn_samples import copied

    transform = Compose((HorizontalFlip(), VerticalFlip(), Jitter(), Crop(), CropJitter((6, 4))))
    before = copied(sample)
    first = transform(sample, np.random.default_rng(seed), never)
    assert_same(sample, before)
    assert_same(transform(sample, np.random.default_rng(seed), never), first)
