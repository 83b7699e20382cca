"""Resizing, letterbox, expand, large scale jitter, SSD's crop, and the sizes of training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.overlap import iou_matrix
from support.drawn_samples import assert_same_objects, never, ramp, ramps, samples, seeds

from minidet.data import augment as A
from minidet.data.dataset import Objects
from minidet.data.letterbox import letterbox, place
from minidet.data.resize import METHODS, resize_image
from minidet.data.sample import Sample

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
RNG = np.random.default_rng(0)


def one_object(size: tuple[int, int]) -> Sample:
    """A white picture that is all one object."""
    return Sample(np.full((*size, 3), 255, np.uint8), Objects(np.array([[0, 0, size[1], size[0]]]), np.zeros(1)))


@given(sample=samples(), size=SIZES, method=st.sampled_from(METHODS))
def test_resize_is_resize_image_to_the_nearest_level(sample: Sample, size: tuple[int, int], method: str) -> None:
    found = A.Resize(size, method)(sample, RNG, never)
    expected = np.floor(resize_image(sample.image, size, method=method).astype(np.float64) + 0.5)
    np.testing.assert_array_equal(found.image, expected)
    scale = np.array([size[1], size[0]] * 2) / np.array([*sample.image.shape[1::-1]] * 2)
    np.testing.assert_allclose(found.objects.boxes, sample.objects.boxes * scale, rtol=1e-12)
    np.testing.assert_array_equal(found.objects.ids, sample.objects.ids)


@given(sample=samples(), size=SIZES, rounding=st.sampled_from(["darknet", "yolov5"]))
def test_letterbox_is_that_of_inference(sample: Sample, size: tuple[int, int], rounding: str) -> None:
    found = A.Letterbox(size, fill=51, rounding=rounding)(sample, RNG, never)
    pixels, placement = letterbox(sample.image, size, fill=51 / 255, rounding=rounding)
    levels = np.full((*size, 3), 51.0)
    rows, columns = placement.top + placement.height, placement.left + placement.width
    inside = resize_image(sample.image, (placement.height, placement.width))
    levels[placement.top : rows, placement.left : columns] = inside
    np.testing.assert_array_equal(found.image, np.floor(levels + 0.5))
    # Inference divides by 255 in float32: twice rounded, and a level has half of one to either side.
    assert np.abs(found.image - pixels.transpose(1, 2, 0) * 255.0).max() <= 0.5 + 255 * np.finfo(np.float32).eps
    assert placement == place(sample.image.shape[:2], size, rounding=rounding)
    np.testing.assert_allclose(found.objects.boxes, placement.to_network(sample.objects.boxes), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "short", "longest", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),
        ((300, 900), 800, 1333, (444, 1333)),
        ((900, 300), 800, 1333, (1333, 444)),
        ((1, 5000), 800, 1333, (1, 1333)),
        ((800, 801), 800, 1333, (800, 801)),
    ],
)
def test_the_shorter_side(size: tuple[int, int], short: int, longest: int, expected: tuple[int, int]) -> None:
    sample = one_object(size)
    found = A.ResizeShort((short,), longest)(sample, RNG, never)
    assert found.image.shape[:2] == expected
    np.testing.assert_array_equal(found.objects.boxes, [[0, 0, expected[1], expected[0]]])
    assert (found is sample) == (size == expected)


def test_the_shorter_side_is_one_of_those_named() -> None:
    transform = A.ResizeShort((10, 20, 30), 100)
    assert {transform(one_object((5, 6)), RNG, never).image.shape[0] for _ in range(60)} == {10, 20, 30}


@given(sample=samples(), seed=seeds)
def test_expand_is_the_picture_on_the_fill(sample: Sample, seed: int) -> None:
    found = A.Expand(3, fill=(1, 2, 3))(sample, np.random.default_rng(seed), never)
    (H, W), (h, w) = sample.image.shape[:2], found.image.shape[:2]
    assert H <= h <= 3 * H + 0.5
    assert W <= w <= 3 * W + 0.5
    assert abs(h / H - w / W) <= 0.5 / H + 0.5 / W + 1e-9
    if len(sample.objects):
        left, top = (found.objects.boxes - sample.objects.boxes)[0, :2].astype(int)
        np.testing.assert_array_equal(found.image[top : top + H, left : left + W], sample.image)
        around = np.ones((h, w), bool)
        around[top : top + H, left : left + W] = False
        assert (found.image[around] == [1, 2, 3]).all()
        assert_same_objects(A.Expand(1)(sample, RNG, never).objects, A.Resize((H, W))(sample, RNG, never).objects[:])


def test_expand_covers_its_range() -> None:
    rng, transform = np.random.default_rng(0), A.Expand(4, fill=0)
    found = [transform(one_object((10, 20)), rng, never) for _ in range(300)]
    heights = np.array([f.image.shape[0] for f in found])
    assert heights.min() <= 11
    assert heights.max() >= 39
    places = np.array([f.objects.boxes[0, 0] / max(f.image.shape[1] - 20, 1) for f in found])
    assert places.min() < 0.05
    assert places.max() > 0.95


def test_scale_jitter_by_hand() -> None:
    sample = one_object((10, 20))
    found = A.ScaleJitter((40, 40), (1, 1), fill=0)(sample, RNG, never)  # at the start, on the shorter axis
    np.testing.assert_array_equal(found.objects.boxes, [[0, 0, 40, 20]])
    assert (found.image[:20] == 255).all()
    assert (found.image[20:] == 0).all()
    larger = Sample(ramp((10, 10)), Objects(np.array([[0, 0, 10, 10], [4, 4, 6, 6]]), np.arange(2)))
    lefts = set()
    for _ in range(40):  # twice the size: any quarter of it is seen
        found = A.ScaleJitter((10, 10), (2, 2), least=0)(larger, RNG, never)
        np.testing.assert_array_equal(found.objects.boxes[0], [0, 0, 10, 10])
        if len(found.objects) == 2 and not found.objects.truncated[1]:
            box = found.objects.boxes[1]
            assert (box[2:] - box[:2] == 4).all()
            lefts.add(int(box[0]))
    assert len(lefts) > 2
    starts = [
        A.ScaleJitter((40, 40), (0.5, 0.5), place="anywhere")(sample, RNG, never).objects.boxes[0] for _ in range(50)
    ]
    assert np.ptp(starts, axis=0).min() > 10
    np.testing.assert_allclose(np.array(starts)[:, 2] - np.array(starts)[:, 0], 20, atol=1)


@given(
    sample=ramps(tidy=True),
    seed=seeds,
    overlap=st.sampled_from([0.1, 0.5, 0.9]),
    choose=st.sampled_from(["sampler", "patch"]),
)
def test_iou_crop_overlaps_as_it_says(sample: Sample, seed: int, overlap: float, choose: str) -> None:
    for satisfied in ("any", "all"):
        transform = A.IoUCrop((overlap,), (0.3, 1), choose=choose, satisfied=satisfied)
        found = transform(sample, np.random.default_rng(seed), never)
        if found is sample:
            continue
        # The ramp says which part it is.
        left, top = found.image[0, 0, 0] // 24, found.image[0, 0, 1] // 24
        h, w = found.image.shape[:2]
        np.testing.assert_array_equal(found.image, sample.image[top : top + h, left : left + w])
        boxes = sample.objects.boxes
        overlaps = iou_matrix(np.array([[left, top, left + w, top + h]], float), boxes)[0]
        assert (overlaps.max() if satisfied == "any" else overlaps.min()) >= overlap
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 - [left, top]
        kept = ((centres >= 0) & (centres < [w, h])).all(axis=1)
        np.testing.assert_array_equal(found.objects.labels, sample.objects.labels[kept])


def test_iou_crop_draws_all_kinds() -> None:
    sample = Sample(np.zeros((100, 200, 3), np.uint8), Objects(np.array([[50, 20, 150, 80]]), np.zeros(1)))
    whole = 1 / 4
    for choose in ("sampler", "patch"):
        rng, transform = np.random.default_rng(0), A.IoUCrop((0.0, 0.1, 0.3), choose=choose, trials=200)
        found = [transform(sample, rng, never) for _ in range(300)]
        share = np.mean([f is sample for f in found])
        assert 0.7 * whole < share < 1.3 * whole, choose
        ratios = np.array([f.image.shape[1] / f.image.shape[0] / 2 for f in found if f is not sample])
        assert ratios.min() >= 0.45
        assert ratios.max() <= 2.2
    rng, transform = np.random.default_rng(0), A.IoUCrop((0.0,), (0.5, 1.0), choose="sampler")
    areas = np.array([transform(sample, rng, never).image[..., 0].size / 20000 for _ in range(300)])
    assert 0.24 < areas.min() < 0.3  # the area is the square of the scale, whatever the shape
    assert (areas < 1).mean() > 0.4
    none = Sample(sample.image, sample.objects[:0])
    assert all(A.IoUCrop((0.1, 0.5))(none, rng, never) is none for _ in range(20))
    assert any(A.IoUCrop((0.0,))(none, rng, never) is not none for _ in range(20))
    with pytest.raises(ValueError, match="aspect must be a range around 1"):
        A.IoUCrop(aspect=(2, 3))


@given(step=st.integers(0, 10**6), seed=st.integers(0, 99), square=st.booleans())
def test_training_sizes(step: int, seed: int, square: bool) -> None:
    sizes = A.TrainingSizes(64, 160, multiple=32, every=10, seed=seed, square=square)
    h, w = sizes.at(step)
    assert h % 32 == w % 32 == 0
    assert 64 <= min(h, w) <= max(h, w) <= 160
    assert not square or h == w
    assert sizes.at(step // 10 * 10) == (h, w)


def test_training_sizes_vary_and_settle() -> None:
    sizes = A.TrainingSizes(320, 608, total=1000, settle=100)
    found = [sizes.at(step) for step in range(0, 900, 10)]
    assert {h for h, _ in found} == set(range(320, 609, 32))
    assert {sizes.at(step) for step in range(900, 1000)} == {(608, 608)}
    assert len({A.TrainingSizes(seed=s).at(0) for s in range(30)}) > 3
    both = [A.TrainingSizes(square=False).at(step) for step in range(0, 300, 10)]
    assert any(h != w for h, w in both)
    for options, message in (
        ({"lowest": 100}, "multiples of 32, in order, found 100 and 608"),
        ({"lowest": 640}, "multiples of 32, in order, found 640 and 608"),
        ({"every": 0}, "every must be a whole number of at least 1, found 0"),
    ):
        with pytest.raises(ValueError, match=message):
            A.TrainingSizes(**options)
    with pytest.raises(ValueError, match="step must be a whole number of at least 0, found -1"):
        sizes.at(-1)


def test_with_size_reaches_everywhere() -> None:
    nested = A.Compose((A.Sometimes(0.5, A.OneOf((A.Mosaic(each=A.Jitter((1, 2))), A.Resize((3, 4))))), A.HSV()))
    expected = A.Compose(
        (A.Sometimes(0.5, A.OneOf((A.Mosaic((8, 9), each=A.Jitter((8, 9))), A.Resize((8, 9))))), A.HSV())
    )
    assert A.with_size(nested, (8, 9)) == expected
    assert A.with_size(A.yolov3((416, 416)), (320, 352)) == A.yolov3((320, 352))
