"""What holds for every transform, each drawn with the options of ``support.every_transform``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from minidet_kernels.masks import bounds, decode, encode
from support.drawn_samples import any_sample, assert_same, copied, seeds
from support.every_transform import EVERY, MOVING

from minidet.data import augment as A
from minidet.data.augment.config import PRESETS, TRANSFORMS
from minidet.data.dataset import Objects
from minidet.data.sample import Sample

#: Those whose result has no box that is empty or leaves the picture.
CUTTING = (
    "crop", "crop_jitter", "crop_jitter to a size", "jitter", "mosaic", "mosaic, covered", "scale_jitter", "yolov3",
    "small",
)  # fmt: skip


def test_every_transform_is_here() -> None:
    assert {name.split(",")[0].split(" ")[0] for name in EVERY} == {*TRANSFORMS, *PRESETS}
    names = {kind.__name__ for kind in (*TRANSFORMS.values(), *PRESETS.values())}
    assert names | {"TrainingSizes", "from_config", "to_config", "with_size"} == set(A.__all__)


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=15)
@given(seed=seeds)
def test_the_result_is_a_sample_a_function_of_the_seed_and_the_input_stays(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    transform, sample, second = EVERY[name], any_sample(rng), any_sample(rng)
    before = copied(sample), copied(second)

    def draw(rng: np.random.Generator) -> Sample:
        return second if rng.random() < 0.9 else sample

    found = transform(sample, np.random.default_rng(seed), draw)
    assert_same(transform(sample, np.random.default_rng(seed), draw), found)
    for now, then in zip((sample, second), before, strict=True):
        assert_same(now, then)
    assert found.image.dtype == np.uint8
    assert found.image.ndim == 3
    assert found.image.shape[2] == 3
    assert found.image.size > 0
    if found.objects.masks is not None:
        assert found.objects.masks.size == found.image.shape[:2]
    assert set(found.objects.labels) <= {*sample.objects.labels, *second.objects.labels}
    keypoints = found.objects.keypoints
    if keypoints is not None:
        assert (keypoints[keypoints[..., 2] == 0] == 0).all()
    if name in CUTTING:
        boxes, (h, w) = found.objects.boxes, found.image.shape[:2]
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= [w, h]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def painting(rng: np.random.Generator, number: int, masks: bool) -> Sample:
    """Rectangles of one colour each on black, none near another; object k of picture n has ``colour(n, k)``."""
    (h, w), boxes = rng.integers(24, 48, 2), []
    image = np.zeros((h, w, 3), np.uint8)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        if rng.random() < 0.8:
            x, y = column * (w // 2) + rng.integers(1, 4), row * (h // 2) + rng.integers(1, 4)
            x2, y2 = x + rng.integers(4, w // 2 - 3), y + rng.integers(4, h // 2 - 3)
            image[y:y2, x:x2] = colour(number, len(boxes))
            boxes.append((x, y, x2, y2))
    dense = np.array([(image == colour(number, k)).all(axis=2) for k in range(len(boxes))], bool).reshape(-1, h, w)
    array = np.array(boxes, np.float64).reshape(-1, 4)
    centres = np.concatenate([(array[:, :2] + array[:, 2:]) / 2, np.full((len(array), 1), 2.0)], axis=1)
    labels = 10 * number + np.arange(len(boxes))
    return Sample(image, Objects(array, labels, masks=encode(dense) if masks else None, keypoints=centres[:, None]))


def colour(number: int, k: int) -> tuple[int, int, int]:
    return 200, 20 * k + 20, 100 * number + 50


@pytest.mark.parametrize("name", MOVING)
@settings(max_examples=15)
@given(seed=seeds)
def test_objects_are_where_their_colours_are(name: str, seed: int) -> None:
    """Inside of a mask is the colour of its object, and so inside of its box where nothing hides it; none is outside.

    Inside is three pixels from the edge: where a picture is enlarged twice, the colours beside are mixed in for two.
    """
    rng = np.random.default_rng(seed)
    masks = "box" not in name
    first, second = painting(rng, 0, masks), painting(rng, 1, masks)
    found = MOVING[name](first, rng, lambda rng: second)
    image, objects = found.image, found.objects
    h, w = image.shape[:2]
    hiding = any(word in name for word in ("cut", "paste", "erasing"))
    several = "mosaic" in name  # the same picture is there more than once
    rim, rows, columns = 3, np.arange(h) + 0.5, np.arange(w) + 0.5
    for k in range(len(objects)):
        shown = (image == colour(*divmod(int(objects.labels[k]), 10))).all(axis=2)
        x1, y1, x2, y2 = objects.boxes[k]
        if not hiding:
            down, across = (rows > y1 + rim) & (rows < y2 - rim), (columns > x1 + rim) & (columns < x2 - rim)
            assert shown[np.ix_(down, across)].all()
        if not several:
            assert not shown[(rows < y1 - 0.5) | (rows > y2 + 0.5)].any()
            assert not shown[:, (columns < x1 - 0.5) | (columns > x2 + 0.5)].any()
        if objects.masks is not None:
            mask = decode(objects.masks)[k]
            assert shown[~grown(~mask, rim)].all()
            assert several or grown(mask, 1)[shown].all()
            if mask.any():
                around = bounds(objects.masks)[k]
                assert (around[:2] >= np.array([x1, y1]) - 0.5 - 1e-9).all()
                assert (around[2:] <= np.array([x2, y2]) + 0.5 + 1e-9).all()
        assert objects.keypoints is not None
        x, y, visibility = objects.keypoints[k, 0]
        if visibility and not hiding:
            assert x1 - 1e-9 <= x <= x2 + 1e-9
            assert y1 - 1e-9 <= y <= y2 + 1e-9


def grown(mask: np.ndarray, steps: int) -> np.ndarray:
    """``mask`` and all that is no more than so many pixels away from it, along either axis."""
    for _ in range(steps):
        padded = np.pad(mask, 1)
        near = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
        mask = near[:-2] | near[1:-1] | near[2:]
    return mask
