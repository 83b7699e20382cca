"""detect(): thresholds, classes, suppression, the way back to the image, on a detector that is told what to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from support.fake_detector import FakeDetector

from minidet.boxes.yolo import YoloHead
from minidet.data.letterbox import letterbox, place, stretch
from minidet.detect import DetectionError, choose, detect, detect_many
from minidet.errors import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)  # twice the size of the network's input


def one(box: list[float], *scores: float, **options: object) -> FakeDetector:
    """A detector of one box."""
    return FakeDetector([box], [scores], **options)  # type: ignore[arg-type]


def test_the_score_must_be_greater_in_the_dtype_of_the_scores() -> None:
    for score in (0.25, 0.3, 0.7):  # 0.3 and 0.7 are no float32
        exactly = float(np.float32(score))
        assert len(detect(one([0, 0, 9, 9], exactly), IMAGE, score=score)) == 0
        above = float(np.nextafter(np.float32(score), np.float32(1)))
        assert len(detect(one([0, 0, 9, 9], above), IMAGE, score=score)) == 1


def test_every_class_above_the_threshold_or_only_the_best() -> None:
    model = one([0, 0, 9, 9], 0.5, 0.1, 0.6, 0.6)
    found = detect(model, IMAGE)
    assert [(label, round(score, 6)) for _, score, label, _ in found] == [(2, 0.6), (3, 0.6), (0, 0.5)]
    assert detect(model, IMAGE, labels="best").labels.tolist() == [2]


def test_suppression_is_per_class_best_first_and_strict() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 9], [20, 20, 30, 30]]  # IoU with the first: 0.5, 0.9, 0
    scores = [[0.8, 0.0], [0.7, 0.0], [0.0, 0.9], [0.3, 0.0]]
    found = detect(FakeDetector(boxes, scores), IMAGE, nms=0.5)
    assert [(label, round(score, 3)) for _, score, label, _ in found] == [(1, 0.9), (0, 0.8), (0, 0.7), (0, 0.3)]
    found = detect(FakeDetector(boxes, scores), IMAGE, nms=0.499)
    assert [(label, round(score, 3)) for _, score, label, _ in found] == [(1, 0.9), (0, 0.8), (0, 0.3)]


def test_the_kind_of_suppression() -> None:
    """IoU 3/5; less d^2 / c^2 it is 0.5615, less the square root 0.4039, and less its power 0.6 0.4584."""
    model = FakeDetector([[0, 0, 4, 1], [1, 0, 5, 1]], [[0.9], [0.8]])

    def count(nms: float, kind: str) -> int:
        return len(detect(model, IMAGE, nms=nms, nms_kind=kind))

    assert [count(0.58, "iou"), count(0.58, "cfg"), count(0.58, "greedynms"), count(0.58, "diounms")] == [1, 1, 2, 2]
    assert [count(0.458, "greedynms"), count(0.459, "greedynms")] == [1, 2]
    anchors = ((4.0, 4.0),)
    for kind, beta, expected in (("diounms", 1.0, 1), ("diounms", 0.5, 2), ("greedynms", 1.0, 2), ("default", 1.0, 1)):
        model.heads = (YoloHead(anchors, 1, nms_kind=kind, beta_nms=beta),)
        assert count(0.5, "cfg") == expected
        assert count(0.5, "iou") == 1


def test_limits_by_class_before_suppression_and_of_all_after_it() -> None:
    """The third box of class 0 overlaps the first: it takes the place of the fourth only if it is let in."""
    boxes = [[0, 0, 9, 9], [20, 0, 29, 9], [0, 0, 9, 8], [0, 20, 9, 29], [20, 20, 29, 29]]
    model = FakeDetector(boxes, [[0.9, 0], [0.5, 0.4], [0.8, 0], [0.6, 0], [0.5, 0.3]])

    def found(**limits: int) -> list[tuple[int, float]]:
        return [(label, round(score, 3)) for _, score, label, _ in detect(model, IMAGE, **limits)]

    assert found() == [(0, 0.9), (0, 0.6), (0, 0.5), (0, 0.5), (1, 0.4), (1, 0.3)]
    assert found(per_class=2) == [(0, 0.9), (1, 0.4), (1, 0.3)]
    assert found(per_class=4) == [(0, 0.9), (0, 0.6), (0, 0.5), (1, 0.4), (1, 0.3)]  # of equal ones the earlier
    assert detect(model, IMAGE, per_class=4).boxes[2].tolist() == [40, 0, 58, 18]
    assert found(most=3) == [(0, 0.9), (0, 0.6), (0, 0.5)]
    assert found(per_class=1, most=9) == [(0, 0.9), (1, 0.4)]
    for name in ("per_class", "most"):
        with pytest.raises(InputError, match=f"{name}: a number from 1 was expected, found 0"):
            found(**{name: 0})


def test_boxes_come_back_to_image_pixels() -> None:
    box = [4.0, 6.0, 12.0, 30.0]
    assert detect(one(box, 0.9), IMAGE).boxes.tolist() == [[8, 12, 24, 60]]
    tall = np.zeros((64, 24, 3), np.uint8)  # on 32 x 48: 32 x 12, 18 from the left
    found = detect(one([20.0, 4.0, 26.0, 31.0], 0.9), tall, placement="letterbox")
    assert found.boxes.tolist() == [[4, 8, 16, 62]]
    assert found.size == (64, 24)
    stretched = detect(one([20.0, 4.0, 26.0, 31.0], 0.9), tall, placement="stretch")
    assert stretched.boxes.tolist() == [[10, 8, 13, 62]]


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    box=st.tuples(*[st.floats(0, 1)] * 4),
    placement=st.sampled_from(["stretch", "letterbox"]),
)
def test_a_box_of_the_image_is_found_where_it_is(
    shape: tuple[int, int], box: tuple[float, ...], placement: str
) -> None:
    h, w = shape
    x1, x2 = sorted((box[0] * w, box[2] * w))
    y1, y2 = sorted((box[1] * h, box[3] * h))
    if x2 - x1 < 0.01 or y2 - y1 < 0.01:
        return
    image = np.zeros((h, w, 3), np.uint8)
    _, placed = letterbox(image, (32, 48)) if placement == "letterbox" else stretch(image, (32, 48))
    found = detect(one(placed.to_network([x1, y1, x2, y2]).tolist(), 0.9), image, placement=placement)
    # float32 on the network's 48 pixels, magnified on the way back
    np.testing.assert_allclose(
        found.boxes, [[x1, y1, x2, y2]], atol=48 * 2.0**-23 * max(1, h / placed.height, w / placed.width)
    )


def test_boxes_are_clipped_and_those_outside_left_out() -> None:
    boxes = [
        [-5, -5, 10, 10],
        [40, 20, 999, 999],
        [-9, 0, 0, 10],
        [48, 0, 60, 10],
        [3, 3, 3, 9],
        [-np.inf, 0, np.inf, 32],
    ]
    found = detect(FakeDetector(boxes, np.full((6, 1), 0.9)), IMAGE)
    assert sorted(found.boxes.tolist()) == [[0, 0, 20, 20], [0, 0, 96, 64], [80, 40, 96, 64]]


def test_clipping_comes_after_suppression() -> None:
    # The same when clipped; apart before.
    boxes = [[0, 0, 10, 10], [0, -30, 10, 10]]
    assert len(detect(FakeDetector(boxes, [[0.9], [0.8]]), IMAGE, nms=0.5)) == 2


def test_what_the_network_sees() -> None:
    model = one([0, 0, 1, 1], 0.9)
    detect(model, IMAGE)
    np.testing.assert_array_equal(model.seen[-1], stretch(IMAGE, (32, 48))[0][None])
    detect(model, IMAGE[:30], placement="letterbox", fill=0.25, resize="darknet", rounding="yolov5")
    expected, _ = letterbox(IMAGE[:30], (32, 48), fill=0.25, resize="darknet", rounding="yolov5")
    np.testing.assert_array_equal(model.seen[-1], expected[None])
    detect(model, IMAGE, size=(64, 32))
    assert model.seen[-1].shape == (1, 3, 64, 32)
    assert model.seen[-1].dtype == np.float32


def test_the_inverse_has_a_name() -> None:
    image = np.zeros((427, 640, 3), np.uint8)
    model = one([10, 110, 30, 130], 0.9, size=(640, 640))
    exact = detect(model, image, placement="letterbox")
    biased = detect(model, image, placement="letterbox", inverse="darknet")
    np.testing.assert_allclose(biased.boxes - exact.boxes, [[0, -0.5, 0, -0.5]])
    assert place((427, 640), (640, 640)).top == 106


def test_the_model_runs_in_inference_mode_and_keeps_its_own() -> None:
    model = one([0, 0, 1, 1], 0.9)
    assert model.training
    detect(model, IMAGE)
    assert model.was_training == [False]
    assert model.training
    model.eval()
    detect(model, IMAGE)
    assert not model.training


def test_nothing_is_recorded() -> None:
    from minidet.autograd import is_recording

    model = one([0, 0, 1, 1], 0.9)
    recorded = []
    model.register_forward_hook(lambda *_: recorded.append(is_recording()))
    detect(model, IMAGE)
    assert recorded == [False]


def test_names_and_path(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(IMAGE).save(path)
    found = detect(one([0, 0, 1, 1], 0.9, 0.0), path, names=["cell", "nucleus"])
    assert (found.path, found.name(0), found.size) == (str(path), "cell", (64, 96))
    assert detect(one([0, 0, 1, 1], 0.9), IMAGE).path is None
    with pytest.raises(InputError, match="2 names were expected, one for each class of the model, found 1"):
        detect(one([0, 0, 1, 1], 0.9, 0.0), path, names=["cell"])


def test_default_names_follow_the_number_of_classes() -> None:
    assert detect(one([0, 0, 9, 9], *[0.9] * 20), IMAGE).names[11] == "dog"
    assert detect(one([0, 0, 9, 9], *[0.0] * 80), IMAGE).names[16] == "dog"
    assert detect(one([0, 0, 9, 9], 0.9), IMAGE).name(0) == "class 0"


def test_many_images_one_at_a_time() -> None:
    model = one([4, 6, 12, 30], 0.9)
    found = list(detect_many(model, [IMAGE, IMAGE[:32]], score=0.1))
    assert [d.size for d in found] == [(64, 96), (32, 96)]
    assert [x.shape[0] for x in model.seen] == [1, 1]


def test_no_candidates() -> None:
    assert len(detect(FakeDetector(np.zeros((0, 4)), np.zeros((0, 3))), IMAGE)) == 0


def test_nan_is_an_error_not_an_empty_answer() -> None:
    with pytest.raises(DetectionError, match="NaN for 1 of its 1 candidates; the weights are damaged"):
        detect(one([0, 0, 9, 9], np.nan, 0.9), IMAGE)
    with pytest.raises(DetectionError, match="a box with NaN"):
        detect(one([0, 0, np.nan, 9], 0.9), IMAGE)
    assert len(detect(one([0, 0, np.nan, 9], 0.1), IMAGE)) == 0  # a box that nobody asks for may be anything


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"score": 1.5}, "score: a number from 0 to 1 was expected, found 1.5"),
        ({"nms": float("nan")}, "nms: a number from 0 to 1 was expected, found nan"),
        ({"placement": "crop"}, "placement 'crop' is not known; expected one of stretch, letterbox"),
        ({"labels": "all"}, "labels 'all' is not known; expected one of multi, best"),
        ({"nms_kind": "soft"}, "nms_kind 'soft' is not known; expected one of iou, greedynms, diounms, cfg"),
        ({"resize": "cubic"}, "resize 'cubic' is not known"),
    ],
)
def test_options_that_are_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        detect(one([0, 0, 9, 9], 0.9), IMAGE, **options)


@given(
    boxes=arrays(np.float32, (8, 4), elements=st.integers(0, 6)),
    scores=arrays(np.float32, (8, 3), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75])),
    nms=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    labels=st.sampled_from(["multi", "best"]),
)
def test_choose_by_its_definition(boxes: np.ndarray, scores: np.ndarray, nms: float, labels: str) -> None:
    boxes[:, 2:] += boxes[:, :2]
    kept, classes = choose(boxes, scores, score=0.25, nms=nms, labels=labels)
    found = list(zip(kept.tolist(), classes.tolist(), strict=True))
    ranked = sorted(
        (
            (i, c)
            for i in range(8)
            for c in range(3)
            if scores[i, c] > 0.25 and (labels == "multi" or scores[i].argmax() == c)
        ),
        key=lambda pair: -scores[pair],  # sorted() is stable: by candidate, then class
    )
    expected: list[tuple[int, int]] = []
    for i, c in ranked:
        if all(c != d or not iou(boxes[i], boxes[j]) > np.float32(nms) for j, d in expected):
            expected.append((i, c))
    assert found == expected


def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
    """Of two boxes with whole coordinates, 0 when either is empty."""
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return np.float32(w * h) / np.float32(union) if union else np.float32(0)
