"""Samples drawn to be awkward, and such whose pixels say where they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from minidet_kernels.masks import encode

from minidet.data.dataset import Objects
from minidet.data.sample import Sample

seeds = st.integers(0, 2**32 - 1)
#: Quarters of a pixel: sums and differences of them are exact.
quarters = st.integers(-20, 80).map(lambda n: n / 4)


@st.composite
def objects(draw: Any, size: tuple[int, int], most: int = 4, masks: bool | None = None, tidy: bool = False) -> Objects:
    """Objects of a picture of ``size``: boxes anywhere, empty and inverted too, or with ``tidy`` of whole pixels in it.

    Masks are anywhere, too, or with ``tidy`` in their boxes.
    """
    n, (h, w) = draw(st.integers(0, most)), size
    if tidy:
        sides = [draw(st.tuples(st.integers(0, w - 1), st.integers(0, h - 1))) for _ in range(n)]
        boxes = [(x, y, draw(st.integers(x + 1, w)), draw(st.integers(y + 1, h))) for x, y in sides]
    else:
        boxes = [draw(st.tuples(quarters, quarters, quarters, quarters)) for _ in range(n)]
    with_masks = draw(st.booleans()) if masks is None else masks
    runs = None
    if with_masks:
        dense = draw(arrays(np.bool_, (n, h, w)))
        if tidy:
            for mask, (x1, y1, x2, y2) in zip(dense, boxes, strict=True):
                mask[:y1] = mask[y2:] = mask[:, :x1] = mask[:, x2:] = False
        runs = encode(dense)
    points = None
    if draw(st.booleans()):
        xy = draw(arrays(np.float64, (n, 3, 2), elements=quarters))
        seen = draw(arrays(np.float64, (n, 3, 1), elements=st.integers(0, 2)))
        points = np.concatenate([np.where(seen > 0, xy, 0.0), seen], axis=2)
    flags = arrays(np.bool_, n)
    return Objects(
        np.array(boxes, np.float64).reshape(n, 4),
        draw(arrays(np.int64, n, elements=st.integers(0, 9))),
        draw(flags),
        draw(flags),
        draw(arrays(np.float64, n, elements=st.sampled_from([np.nan, 0.0, 5.0, 17.5]))),
        draw(arrays(np.int64, n, elements=st.integers(0, 99))),
        runs,
        points,
        draw(flags),
    )


sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def samples(draw: Any, **options: Any) -> Sample:
    """A picture of random pixels, of 1 x 1 up, and objects."""
    size = draw(sizes)
    image = draw(arrays(np.uint8, (*size, 3)))
    return Sample(image, draw(objects(size, **options)))


def any_sample(rng: np.random.Generator) -> Sample:
    """Like ``samples``, drawn by a generator: far quicker, for what is tried with every transform."""
    (h, w), n = rng.integers(1, 10, 2), int(rng.integers(0, 5))
    boxes = rng.integers(-20, 60, (n, 4)) / 4
    if rng.random() < 0.5:
        boxes = np.sort(boxes.reshape(n, 2, 2), axis=1).reshape(n, 4)
    dense = rng.random((n, h, w)) < rng.choice([0, 0.5, 1])
    points = np.concatenate([rng.integers(-8, 40, (n, 3, 2)) / 4, rng.integers(0, 3, (n, 3, 1))], axis=2)
    points[points[..., 2] == 0] = 0
    flags = [rng.random(n) < 0.5 for _ in range(3)]
    return Sample(
        rng.integers(0, 256, (h, w, 3), dtype=np.uint8),
        Objects(
            boxes, rng.integers(0, 10, n), flags[0], flags[1], rng.choice([np.nan, 0, 5, 17.5], n),
            rng.integers(0, 99, n), encode(dense) if rng.random() < 0.6 else None,
            points if rng.random() < 0.5 else None, flags[2],
        ),
    )  # fmt: skip


@st.composite
def ramps(draw: Any, **options: Any) -> Sample:
    """A picture whose pixel i, j is (24 j + 12, 24 i + 12, 255): its colour is 24 times the place of its centre."""
    size = draw(sizes)
    return Sample(ramp(size), draw(objects(size, **options)))


def ramp(size: tuple[int, int], step: int = 24, blue: int = 255) -> np.ndarray:
    """Pixel i, j is (step (j + 1/2), step (i + 1/2), blue)."""
    image = np.full((*size, 3), blue, np.uint8)
    image[..., 0] = step * np.arange(size[1]) + step // 2
    image[..., 1] = (step * np.arange(size[0]) + step // 2)[:, None]
    return image


def never(rng: np.random.Generator) -> Sample:
    """A ``draw`` for transforms that take no other sample."""
    raise AssertionError("this transform needs no other sample")


def copied(sample: Sample) -> Sample:
    """A copy that shares nothing with ``sample``."""
    o = sample.objects
    keypoints = None if o.keypoints is None else o.keypoints.copy()
    arrays = (o.boxes, o.labels, o.crowd, o.difficult, o.areas, o.ids)
    return Sample(
        sample.image.copy(),
        Objects(*(a.copy() for a in arrays), masks=o.masks, keypoints=keypoints, truncated=o.truncated.copy()),
    )


def assert_same_objects(found: Objects, expected: Objects) -> None:
    """Every field is equal, NaN to NaN; masks by their pixels."""
    from minidet_kernels.masks import decode

    for name in ("boxes", "labels", "crowd", "difficult", "areas", "ids", "truncated"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    for name in ("masks", "keypoints"):
        a, b = getattr(found, name), getattr(expected, name)
        assert (a is None) == (b is None), name
        if a is not None:
            a, b = (decode(x) if name == "masks" else x for x in (a, b))
            np.testing.assert_array_equal(a, b, err_msg=name)


def assert_same(found: Sample, expected: Sample) -> None:
    """Pixels and objects are equal."""
    np.testing.assert_array_equal(found.image, expected.image)
    assert_same_objects(found.objects, expected.objects)
