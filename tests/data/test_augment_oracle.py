"""Flips, crops, resizing and letterbox against torchvision.transforms.v2, where the conventions are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_samples import never, seeds

from minidet.data import augment as A
from minidet.data.augment.crop import cropped
from minidet.data.augment.flip import flipped
from minidet.data.dataset import Objects
from minidet.data.letterbox import place
from minidet.data.sample import Sample

pytestmark = pytest.mark.oracle
RNG = np.random.default_rng(0)
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def modules() -> tuple[Any, Any, Any]:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional

    return torch, tv_tensors, functional


def drawn(seed: int, size: tuple[int, int]) -> Sample:
    rng = np.random.default_rng(seed)
    h, w = size
    corners = np.sort(rng.integers(0, 4 * np.array([[w], [h]]) + 1, (int(rng.integers(0, 6)), 2, 2)) / 4, axis=2)
    boxes = corners.transpose(0, 2, 1).reshape(-1, 4)
    return Sample(rng.integers(0, 256, (h, w, 3), dtype=np.uint8), Objects(boxes, np.arange(len(boxes))))


def theirs(sample: Sample) -> tuple[Any, Any]:
    torch, tv_tensors, _ = modules()
    image = torch.from_numpy(sample.image.transpose(2, 0, 1).astype(np.float32))
    boxes = tv_tensors.BoundingBoxes(
        torch.from_numpy(sample.objects.boxes), format="XYXY", canvas_size=sample.image.shape[:2]
    )
    return tv_tensors.Image(image), boxes


@settings(max_examples=30)
@given(seed=seeds, size=SIZES)
def test_flips(seed: int, size: tuple[int, int]) -> None:
    functional, sample = modules()[2], drawn(seed, size)
    for axis, flip in ((0, functional.horizontal_flip), (1, functional.vertical_flip)):
        found = flipped(sample, axis)
        image, boxes = (flip(x) for x in theirs(sample))
        np.testing.assert_array_equal(found.image.transpose(2, 0, 1), image.numpy())
        np.testing.assert_array_equal(found.objects.boxes, boxes.numpy())


@settings(max_examples=30)
@given(seed=seeds, size=SIZES, data=st.data())
def test_crops(seed: int, size: tuple[int, int], data: st.DataObject) -> None:
    functional, sample = modules()[2], drawn(seed, size)
    left, top = data.draw(st.integers(0, size[1] - 1)), data.draw(st.integers(0, size[0] - 1))
    right, bottom = data.draw(st.integers(left + 1, size[1])), data.draw(st.integers(top + 1, size[0]))
    found = cropped(sample, (left, top, right, bottom))
    image, boxes = (functional.crop(x, top, left, bottom - top, right - left) for x in theirs(sample))
    np.testing.assert_array_equal(found.image.transpose(2, 0, 1), image.numpy())
    clipped = functional.clamp_bounding_boxes(boxes).numpy()
    kept = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    np.testing.assert_array_equal(found.objects.boxes, clipped[kept])


@settings(max_examples=30)
@given(seed=seeds, size=SIZES, target=SIZES)
def test_resizing(seed: int, size: tuple[int, int], target: tuple[int, int]) -> None:
    functional, sample = modules()[2], drawn(seed, size)
    found = A.Resize(target)(sample, RNG, never)
    image, boxes = (functional.resize(x, list(target), antialias=False) for x in theirs(sample))
    # Theirs is not rounded here; float32 weights at positions up to 40, and levels up to 255, twice.
    np.testing.assert_allclose(found.image.transpose(2, 0, 1), image.numpy(), rtol=0, atol=0.5 + 4e-3)
    np.testing.assert_allclose(found.objects.boxes, boxes.numpy(), rtol=1e-5, atol=1e-4)


@settings(max_examples=30)
@given(seed=seeds, size=SIZES, target=SIZES)
def test_letterbox_is_resize_and_pad(seed: int, size: tuple[int, int], target: tuple[int, int]) -> None:
    functional, sample = modules()[2], drawn(seed, size)
    at = place(size, target)
    found = A.Letterbox(target, fill=7)(sample, RNG, never)
    before = [at.left, at.top]
    after = [target[1] - at.left - at.width, target[0] - at.top - at.height]
    image, boxes = (
        functional.pad(functional.resize(x, [at.height, at.width], antialias=False), [*before, *after], fill=7.0)
        for x in theirs(sample)
    )
    np.testing.assert_allclose(found.image.transpose(2, 0, 1), image.numpy(), rtol=0, atol=0.5 + 4e-3)
    np.testing.assert_allclose(found.objects.boxes, boxes.numpy(), rtol=1e-5, atol=1e-4)


@settings(max_examples=30)
@given(seed=seeds, size=SIZES)
def test_expand_is_pad(seed: int, size: tuple[int, int]) -> None:
    functional, sample = modules()[2], drawn(seed, size)
    found = A.Expand(3, fill=7)(sample, np.random.default_rng(seed), never)
    if not len(sample.objects):
        return
    left, top = (found.objects.boxes - sample.objects.boxes)[0, :2].astype(int)
    h, w = found.image.shape[:2]
    padding = [int(left), int(top), w - size[1] - int(left), h - size[0] - int(top)]
    image, boxes = (functional.pad(x, padding, fill=7.0) for x in theirs(sample))
    np.testing.assert_array_equal(found.image.transpose(2, 0, 1), image.numpy())
    np.testing.assert_array_equal(found.objects.boxes, boxes.numpy())
