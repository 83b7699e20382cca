"""Masks on their way from a data set to the loss: augmented with boxes, of the input's size, checked."""

from __future__ import annotations

import numpy as np
import pytest
from minidet_kernels.masks import areas, bounds, decode, encode, merge
from PIL import Image
from support.realdata import data

from minidet.data.augment import Crop, HorizontalFlip, Resize
from minidet.data.augment.compose import Compose
from minidet.data.dataset import Objects
from minidet.data.formats import read_dataset
from minidet.data.shapes import ShapesDataset
from minidet.data.split import sliced
from minidet.errors import InputError
from minidet.train.feed import Feed, drawn, fixed
from minidet.train.region_truths import RegionTruths, check_regions

SCENES = drawn(ShapesDataset(4, seed=3, size=48), masks=True)
AUGMENTED = Compose((Crop((0.6, 0.8)), Resize((64, 64)), HorizontalFlip(1.0)))


def folder_of_masks(root, name, masks):
    """A picture and a PNG for each of its masks (N, H, W)."""
    for part in ("images", "masks"):
        (root / name / part).mkdir(parents=True)
    Image.fromarray(np.zeros((*masks.shape[1:], 4), np.uint8), "RGBA").save(root / name / f"images/{name}.png")
    for i, mask in enumerate(masks):
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / name / f"masks/{i:04d}.png")


@pytest.mark.parametrize("transform", [None, AUGMENTED])
def test_batches_with_masks(transform):
    """Of the input's size, as many as boxes, none without a pixel, each inside its box."""
    feed = Feed(SCENES, fixed((56, 72)), 2, seed=1, workers=0, transform=transform, truths=RegionTruths.from_objects)
    batches = feed.since(0)
    for _ in range(6):
        batch = next(batches)
        check_regions(batch.truths, (56, 72), len(SCENES.names), masks=True)
        for truth in batch.truths:
            assert len(truth.masks) == len(truth) == len(truth.labels)
            assert (areas(truth.masks) > 0).all()
            around = bounds(truth.masks)
            assert (around[:, :2] >= truth.boxes[:, :2] - 1).all()
            assert (around[:, 2:] <= truth.boxes[:, 2:] + 1).all()


def test_masks_that_overlap_stay_as_they_are(tmp_path):
    masks = np.zeros((2, 24, 30), bool)
    masks[0, 4:14, 3:16] = masks[1, 8:20, 14:28] = True  # both have columns 14 and 15 of rows 8 to 13
    folder_of_masks(tmp_path, "one", masks)
    dataset = read_dataset(tmp_path)
    np.testing.assert_array_equal(decode(dataset.records[0].objects.masks), masks)
    feed = Feed(dataset, fixed((48, 60)), 1, seed=0, workers=0, truths=RegionTruths.from_objects)
    (truth,) = next(feed.since(0)).truths
    both = decode(truth.masks).all(axis=0)
    assert both.sum() == 4 * (masks[0] & masks[1]).sum()
    assert both[16:28, 28:32].all()


def test_hundreds_of_instances(tmp_path):
    grid = np.arange(16 * 20).reshape(16, 20)
    masks = (np.kron(grid, np.ones((3, 3), int)) == np.arange(320)[:, None, None]) & (np.arange(60) % 3 < 2)
    folder_of_masks(tmp_path, "many", masks)
    dataset = read_dataset(tmp_path)
    feed = Feed(dataset, fixed((96, 120)), 1, seed=0, workers=0, transform=HorizontalFlip(1.0),
                truths=RegionTruths.from_objects)  # fmt: skip
    (truth,) = next(feed.since(0)).truths
    assert len(truth) == 320
    check_regions([truth], (96, 120), 1, masks=True)
    assert (areas(truth.masks) == 4 * 6).all()


def test_the_real_nuclei_are_pictures_with_masks():
    """The first 20 of 28; in three pictures neighbours share a pixel or two; 1 to 125 in a picture."""
    whole = read_dataset(data("dsb2018_nuclei"), split="train", names=["nucleus"])
    some = read_dataset(data("dsb2018_nuclei"), split="train[:20]", names=["nucleus"])
    rest = read_dataset(data("dsb2018_nuclei"), split="train[-8:]", names=["nucleus"])
    paths = [record.path for record in whole]
    assert [r.path for r in some] == paths[:20]
    assert [r.path for r in rest] == paths[20:]
    assert {1, 125} <= {len(record.objects) for record in whole}
    assert whole.image(0).shape == (*whole.records[0].size, 3)
    masks = [record.objects.masks for record in whole]
    assert sum(int(areas(one).sum() - areas(merge(one))[0] > 0) for one in masks) == 3


@pytest.mark.parametrize(
    ("text", "name", "part"),
    [("train", "train", slice(None)), ("train[:20]", "train", slice(20)), ("v[-8:]", "v", slice(-8, None)),
     ("[3:5]", "", slice(3, 5)), ("x[:]", "x", slice(None)), ("x[3]", "x[3]", slice(None)),
     ("x[-:3]", "x[-:3]", slice(None)), ("a[1:2][:1]", "a[1:2]", slice(1))],
)  # fmt: skip
def test_parts_of_splits(text, name, part):
    assert sliced(text) == (name, part)


def test_a_part_of_a_split_that_is_not_there_is_named(tmp_path):
    folder_of_masks(tmp_path, "one", np.ones((1, 4, 4), bool))
    with pytest.raises(InputError, match="no split 'val'"):
        read_dataset(tmp_path, split="val[:2]")
    assert len(read_dataset(tmp_path, split="[:2]")) == 1
    assert len(read_dataset(tmp_path, split="[5:]")) == 0


def truths(**changes):
    mask = np.zeros((2, 8, 9), bool)
    mask[:, 2:4, 2:4] = True
    given = {"boxes": np.array([[2.0, 2, 4, 4]] * 2), "labels": np.array([0, 1]), "masks": encode(mask), **changes}
    return RegionTruths(**given)


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"boxes": np.zeros((3, 4))}, r"truths of image 1: finite boxes \(2, 4\)"),
        ({"boxes": np.full((2, 4), np.nan)}, "finite boxes"),
        ({"labels": np.array([0, 2])}, r"labels of image 1 must be integers in range\(2\)"),
        ({"labels": np.array([0.0, 1.0])}, "integers"),
        ({"masks": None}, "2 boxes without masks"),
        ({"masks": encode(np.ones((2, 9, 8), bool))}, "2 of 8 x 9 pixels.*found 2 of 9 x 8"),
        ({"masks": encode(np.ones((1, 8, 9), bool))}, "found 1 of 8 x 9"),
        ({"keypoints": np.zeros((2, 5, 3))}, r"\(2, 4, 3\) were expected, found \(2, 5, 3\)"),
    ],
)
def test_truths_that_do_not_fit(changes, pattern):
    good = truths(keypoints=np.zeros((2, 4, 3)))
    check_regions([good], (8, 9), 2, masks=True, keypoints=4)
    with pytest.raises(ValueError, match=pattern):
        check_regions([good, truths(**{"keypoints": np.zeros((2, 4, 3)), **changes})], (8, 9), 2, masks=True,
                      keypoints=4)  # fmt: skip


def test_boxes_without_area_are_left_out_with_their_masks():
    one = truths(boxes=np.array([[2.0, 2, 2, 4], [2, 2, 4, 4]])).with_area()
    assert one.labels.tolist() == [1]
    assert len(one.masks) == 1
    whole = truths()
    assert whole.with_area() is whole
    bare = RegionTruths.from_objects(Objects(np.zeros((1, 4)), np.zeros(1, int)), (4, 4))
    assert len(bare.with_area()) == 0
