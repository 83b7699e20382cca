"""Final boxes of real networks against OpenCV's: on the same input, its network, its decoding, its NMS per class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.pretrained import PHOTOGRAPHS, files, photograph, pretrained

from minidet.data.image import load_image
from minidet.data.letterbox import Placement, letterbox, stretch
from minidet.detect import choose, detect

pytestmark = pytest.mark.oracle

SCORE, NMS = 0.25, 0.45


def by_opencv(net: Any, x: np.ndarray, placed: Placement) -> list[tuple[int, float, np.ndarray]]:
    """(label, score, box in image pixels) of each object, best first; a row is cx cy w h, objectness, scores."""
    cv2 = pytest.importorskip("cv2")
    net.setInput(x[None])
    rows = np.concatenate(net.forward(net.getUnconnectedOutLayersNames()))
    _, h, w = x.shape
    centre, sides = rows[:, :2] * [w, h], rows[:, 2:4] * [w, h]
    xywh = np.concatenate([centre - sides / 2, sides], axis=1)
    found = []
    for label, scores in enumerate(rows[:, 5:].T):
        (above,) = np.nonzero(scores > np.float32(SCORE))
        kept = cv2.dnn.NMSBoxes(xywh[above].tolist(), scores[above].tolist(), SCORE, NMS) if len(above) else ()
        for i in above[list(kept)]:
            box = placed.to_image(np.concatenate([xywh[i, :2], xywh[i, :2] + xywh[i, 2:]]))
            height, width = placed.image
            found.append((label, float(scores[i]), np.clip(box, 0, [width, height, width, height])))
    return sorted(found, key=lambda one: -one[1])


@pytest.mark.parametrize("placement", ["stretch", "letterbox"])
@pytest.mark.parametrize("network", ["yolo-fastest-1.1", "yolo-fastest-1.0", "nano-voc"])
def test_final_boxes_agree(network: str, placement: str) -> None:
    cv2 = pytest.importorskip("cv2")
    model = pretrained(network, epsilon="opencv")
    net = cv2.dnn.readNetFromDarknet(*files(network))
    total = 0
    for picture in PHOTOGRAPHS:
        image = load_image(photograph(picture))
        x, placed = (stretch if placement == "stretch" else letterbox)(image, model.size)
        theirs = by_opencv(net, x, placed)
        ours = detect(model, image, score=SCORE, nms=NMS, placement=placement)
        assert [label for label, _, _ in theirs] == ours.labels.tolist(), picture
        if theirs:
            np.testing.assert_allclose(ours.scores, [score for _, score, _ in theirs], atol=1e-5)
            # A thousandth of a pixel on pictures 500 to 1400 pixels wide.
            np.testing.assert_allclose(ours.boxes, [box for _, _, box in theirs], atol=1e-3)
        total += len(theirs)
    assert total >= 15


@given(
    corners=arrays(np.int64, (12, 4), elements=st.integers(0, 12)),
    scores=arrays(np.float32, (12, 2), elements=st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.9])),
    nms=st.sampled_from([0.3, 0.45, 0.5, 0.75]),
)
def test_suppression_agrees_with_nmsboxes(corners: np.ndarray, scores: np.ndarray, nms: float) -> None:
    cv2 = pytest.importorskip("cv2")
    corners[:, 2:] += corners[:, :2] + 1  # no empty box: OpenCV counts two of them as overlapping
    boxes = corners.astype(np.float32)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept, classes = choose(boxes, scores, score=SCORE, nms=nms)
    for label in (0, 1):
        (above,) = np.nonzero(scores[:, label] > np.float32(SCORE))
        if len(above):
            theirs = above[list(cv2.dnn.NMSBoxes(xywh[above].tolist(), scores[above, label].tolist(), SCORE, nms))]
            assert kept[classes == label].tolist() == theirs.tolist()
        else:
            assert not (classes == label).any()
