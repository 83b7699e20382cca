"""Detecting with an R-CNN: masks and keypoints in pixels of the image, as it is and by plans, drawn and written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from minidet_kernels.masks import Runs, decode, encode, from_coco
from support.thin_rcnn import thin_rcnn

from minidet.autograd import no_grad
from minidet.detect import detect
from minidet.detections import Detections
from minidet.draw import TINT, class_colour, with_masks
from minidet.errors import InputError
from minidet.explain import pictures
from minidet.models.rcnn.planned import PlannedRCNN


@pytest.fixture(scope="module")
def small():
    return thin_rcnn(most=9)


def picture(h, w, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3)).astype("u1")


def test_detections_are_what_the_network_finds(small):
    image = picture(40, 70)
    found = detect(small, image, score=0.3, names="abc")
    with no_grad():
        (wanted,) = small([np.ascontiguousarray(image.transpose(2, 0, 1).astype("f4") / np.float32(255))])
    assert len(found) == len(wanted) > 1
    np.testing.assert_allclose(found.boxes, np.clip(wanted.boxes, 0, [70, 40, 70, 40]), rtol=1e-6)
    assert found.labels.tolist() == wanted.labels.tolist()
    np.testing.assert_array_equal(decode(found.masks), wanted.masks > 0.5)
    np.testing.assert_allclose(found.keypoints, wanted.keypoints[..., :2])
    document = found.to_dict()["detections"]
    json.dumps(document)
    assert len(document[0]["keypoints"]) == 2
    again = from_coco([one["mask"] for one in document])
    np.testing.assert_array_equal(decode(again), decode(found.masks))


def test_thresholds_are_those_given(small):
    image = picture(40, 70)
    assert small.nms == 0.5
    counts = [
        len(detect(small, image, score=score, names="abc", nms=nms))
        for score, nms in ((0.3, 0.9), (0.3, 0.1), (1.0, 0.5))
    ]
    assert counts[0] > counts[1] > counts[2] == 0
    default = detect(small, image, score=0.3, names="abc")
    np.testing.assert_array_equal(default.boxes, detect(small, image, score=0.3, nms=0.5, names="abc").boxes)
    assert small.roi_heads.score == 0.3


def test_a_plan_gives_the_same(small):
    plan = PlannedRCNN(small)
    for shape in ((40, 70), (70, 40), (1, 1)):
        image = picture(*shape)
        one, other = (detect(small, image, score=0.3, names="abc", plan=p) for p in (None, plan))
        assert one.labels.tolist() == other.labels.tolist()
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-3, atol=1e-2)
        assert one.masks.size == other.masks.size
    images = [
        picture(40, 70).transpose(2, 0, 1).astype("f4") / 255,
        picture(64, 96).transpose(2, 0, 1).astype("f4") / 255,
    ]
    with no_grad():
        for a, b in zip(small(images), plan(images), strict=True):
            np.testing.assert_allclose(a.boxes, b.boxes, rtol=1e-3, atol=1e-2)
            np.testing.assert_allclose(a.masks, b.masks, atol=1e-2)


@pytest.mark.parametrize(
    "options", [{"size": (64, 64)}, {"placement": "letterbox"}, {"labels": "best"}, {"nms_kind": "diounms"}]
)
def test_what_is_not_for_them(small, options):
    with pytest.raises(InputError, match="is not for R-CNNs"):
        detect(small, picture(9, 9), names="abc", **options)


def test_detections_check_masks_and_keypoints():
    one = {"boxes": [[0, 0, 2, 2]], "scores": [1.0], "labels": [0], "size": (3, 4)}
    masks, points = encode(np.ones((1, 3, 4), bool)), np.zeros((1, 5, 2))
    made = Detections(**one, masks=masks, keypoints=points)
    assert not made.keypoints.flags.writeable
    with pytest.raises(ValueError, match="masks: 1 of"):
        Detections(**one, masks=encode(np.ones((2, 3, 4), bool)))
    with pytest.raises(ValueError, match="masks: 1 of"):
        Detections(**one, masks=encode(np.ones((1, 4, 3), bool)))
    for bad in (np.zeros((2, 5, 2)), np.zeros((1, 5, 3)), np.full((1, 5, 2), np.nan)):
        with pytest.raises(ValueError, match="keypoints: "):
            Detections(**one, keypoints=bad)


def test_masks_are_tinted_with_a_rim_and_the_best_is_on_top():
    dense = np.zeros((3, 20, 30), bool)
    dense[0, 2:12, 2:12] = dense[1, 6:18, 6:18] = True  # the third is of no pixel
    image = np.full((20, 30, 3), 100, np.uint8)
    found = Detections(
        np.tile([0.0, 0, 30, 20], (3, 1)), [0.9, 0.5, 0.7], [0, 1, 2], size=(20, 30), masks=encode(dense)
    )
    made = with_masks(image, found)
    assert (image == 100).all()
    first, second = (np.array(class_colour(label)) for label in (0, 1))
    tinted = [np.rint(100 * (1 - TINT) + colour * TINT) for colour in (first, second)]
    assert made[0, 0].tolist() == made[19, 29].tolist() == [100] * 3
    assert made[2, 2].tolist() == first.tolist()
    assert made[11, 11].tolist() == first.tolist()
    assert made[4, 4].tolist() == tinted[0].tolist()
    assert made[17, 17].tolist() == second.tolist()
    assert made[15, 15].tolist() == tinted[1].tolist()
    over = np.rint(tinted[1] * (1 - TINT) + first * TINT)  # both: the better over the other
    assert made[8, 8].tolist() == over.tolist()
    assert found.draw(image).shape == image.shape


def test_points_are_drawn():
    image = np.full((60, 60, 3), 100, np.uint8)
    found = Detections([[0, 0, 60, 60]], [0.9], [0], size=(60, 60), keypoints=np.array([[[40.0, 30.0]]]))
    plain = Detections([[0, 0, 60, 60]], [0.9], [0], size=(60, 60))
    changed = np.argwhere((found.draw(image) != plain.draw(image)).any(axis=2))
    assert changed.mean(axis=0).tolist() == [30, 40]
    assert (found.draw(image)[30, 40] == class_colour(0)).all()


def test_every_stage_is_a_picture(small):
    image = picture(40, 70)
    made = pictures(small, image, names="abc")
    assert list(made) == [
        "input", "features", "anchors", "objectness", "proposals-before", "proposals-suppressed", "proposals",
        "roi-levels", "roi-crops", "boxes", "masks", "keypoints", "objects",
    ]  # fmt: skip
    for name, one in made.items():
        assert one.dtype == np.uint8
        assert one.ndim == 3
        assert one.shape[2] == 3
        assert one.max() > one.min(), name
    assert made["objects"].shape == image.shape
    assert made["input"].shape == (64, 96, 3)
    # seen again: the picture was enlarged to 54 x 96, and below it is the padding
    assert not made["input"][54:].any()
    assert abs(made["input"][:54].mean() - image.mean()) < 2
    assert made["features"].shape == (5 * 66 - 2, 96, 3)


def test_nothing_found_is_drawn_too(small):
    score = small.roi_heads.score
    small.roi_heads.score = 1.0
    try:
        made = pictures(small, picture(40, 70))
    finally:
        small.roi_heads.score = score
    assert (made["objects"] == picture(40, 70)).all()
    assert made["masks"].max() == 0


def test_runs_of_nothing_fit():
    none = Detections([], [], [], size=(3, 4), masks=Runs(np.zeros(0, np.int64), np.zeros(1, np.int64), (3, 4)))
    assert none.to_dict()["detections"] == []
