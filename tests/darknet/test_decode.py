"""Decoding of YOLO heads against the published formulas, one box at a time, and against stored rows of OpenCV's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.realdata import data

from minidet import Tensor, nn, no_grad
from minidet.boxes.yolo import (
    DetectionHead,
    RegionHead,
    YoloHead,
    decode_detection,
    decode_region,
    decode_yolo,
    encode_yolo,
)
from minidet.darknet import DarknetNetwork
from minidet.weights import darknet as weights

ANCHORS = ((10.0, 13.0), (33.0, 23.0))


def s(x):
    return 1 / (1 + math.exp(-x))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 2, shape)


@pytest.mark.parametrize(("scale", "new"), [(1.0, False), (1.05, False), (2.0, False), (2.0, True), (1.0, True)])
def test_yolo(scale, new):
    raw, (H, W) = drawn(2, 2 * 8, 3, 5), (96, 320)
    raw = 1 / (1 + np.exp(-raw)) if new else raw
    boxes, objectness, probability = decode_yolo(
        raw, anchors=ANCHORS, classes=3, size=(H, W), scale_x_y=scale, new_coords=new
    )
    m = 0
    for j in range(3):
        for i in range(5):
            for a, (pw, ph) in enumerate(ANCHORS):
                t = raw[1, 8 * a : 8 * a + 8, j, i]
                x, y = (t[0], t[1]) if new else (s(t[0]), s(t[1]))
                cx = (i + scale * x - (scale - 1) / 2) * W / 5
                cy = (j + scale * y - (scale - 1) / 2) * H / 3
                w, h = (
                    (pw * (2 * t[2]) ** 2, ph * (2 * t[3]) ** 2) if new else (pw * math.exp(t[2]), ph * math.exp(t[3]))
                )
                np.testing.assert_allclose(
                    boxes[1, m], (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), rtol=1e-5, atol=1e-3
                )
                known = t[4:] if new else [s(v) for v in t[4:]]
                assert objectness[1, m] == pytest.approx(known[0], rel=1e-12)
                assert probability[1, m] == pytest.approx(known[1:], rel=1e-12)
                m += 1
    assert boxes.shape == (2, m, 4)
    assert boxes.dtype == np.float32


def test_published_values():
    # conventions of the wild: t = 2 gives .8808 (v3), .8998 (1.05), .9570 (1.2); t = 1 gives 2.7183 and 2.1378 widths
    def centre_and_width(t, **options):
        raw = np.zeros((1, 6, 1, 1))
        raw[0, 0], raw[0, 2] = t
        (box,) = decode_yolo(raw, anchors=((1, 1),), classes=1, size=(1, 1), **options)[0][0]
        return (box[0] + box[2]) / 2, box[2] - box[0]

    assert centre_and_width((2, 1)) == pytest.approx((0.8808, 2.7183), abs=5e-5)
    assert centre_and_width((2, 1), scale_x_y=1.05)[0] == pytest.approx(0.8998, abs=5e-5)
    assert centre_and_width((2, 1), scale_x_y=1.2)[0] == pytest.approx(0.9570, abs=5e-5)
    squashed = centre_and_width((s(2), s(1)), scale_x_y=2.0, new_coords=True)
    assert squashed == pytest.approx((1.2616, 2.1378), abs=5e-5)


def test_region():
    raw, (H, W) = drawn(1, 2 * 8, 2, 3), (64, 48)
    for softmax in (True, False):
        boxes, objectness, probability = decode_region(
            raw, anchors=((1.5, 2.0), (0.5, 4.0)), classes=3, size=(H, W), use_softmax=softmax
        )
        m = 0
        for j in range(2):
            for i in range(3):
                for a, (pw, ph) in enumerate(((1.5, 2.0), (0.5, 4.0))):
                    t = raw[0, 8 * a : 8 * a + 8, j, i]
                    cx, cy = (i + s(t[0])) * 16, (j + s(t[1])) * 32
                    w, h = pw * math.exp(t[2]) * 16, ph * math.exp(t[3]) * 32
                    np.testing.assert_allclose(
                        boxes[0, m], (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), rtol=1e-5, atol=1e-3
                    )
                    assert objectness[0, m] == pytest.approx(s(t[4]), rel=1e-12)
                    z = [math.exp(v) for v in t[5:]]
                    want = [v / sum(z) for v in z] if softmax else [s(v) for v in t[5:]]
                    assert probability[0, m] == pytest.approx(want, rel=1e-12)
                    m += 1


def test_detection():
    raw, (H, W) = drawn(2, 2 * 2 * (3 + 5 * 2), 1, 1), (64, 48)
    for square, softmax in ((True, False), (False, True)):
        boxes, objectness, probability = decode_detection(
            raw, side=2, boxes=2, classes=3, size=(H, W), square=square, use_softmax=softmax
        )
        flat = raw.reshape(2, -1)[1]
        for place in range(4):
            for b in range(2):
                m = 2 * place + b
                t = flat[4 * 3 + 4 * 2 + 4 * m :][:4]
                cx, cy = (place % 2 + t[0]) * W / 2, (place // 2 + t[1]) * H / 2
                w, h = (t[2] ** 2 * W, t[3] ** 2 * H) if square else (t[2] * W, t[3] * H)
                np.testing.assert_allclose(
                    boxes[1, m], (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), rtol=1e-5, atol=1e-3
                )
                assert objectness[1, m] == flat[4 * 3 + m]
                z = np.exp(flat[3 * place : 3 * place + 3])
                want = z / z.sum() if softmax else flat[3 * place : 3 * place + 3]
                np.testing.assert_allclose(probability[1, m], want, rtol=1e-12)


share = st.floats(0.01, 0.99)
extent = st.floats(0.5, 200)


@given(
    st.lists(st.tuples(share, share, extent, extent), min_size=1, max_size=5), st.sampled_from([1.0, 1.05, 1.2, 2.0])
)
def test_encoding_is_the_inverse(places, scale):
    raw = np.zeros((1, 2 * 6, 3, 5))
    h, w, (H, W) = 3, 5, (96, 320)
    boxes, cells, anchors = [], [], []
    for n, (fx, fy, bw, bh) in enumerate(places):
        i, j, a = n % w, n % h, n % 2
        cx, cy = (i + fx) * W / w, (j + fy) * H / h
        boxes.append((cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2))
        cells.append((i, j))
        anchors.append(ANCHORS[a])
    code = encode_yolo(
        np.array(boxes), cell=np.array(cells), anchor=np.array(anchors), grid=(h, w), size=(H, W), scale_x_y=scale
    )
    for n, t in enumerate(code):
        raw[0, 6 * (n % 2) : 6 * (n % 2) + 4, n % h, n % w] = t
        decoded, _, _ = decode_yolo(raw, anchors=ANCHORS, classes=1, size=(H, W), scale_x_y=scale)
        np.testing.assert_allclose(decoded[0, (n % h * w + n % w) * 2 + n % 2], boxes[n], rtol=1e-5, atol=1e-3)


def test_scores_are_objectness_times_probability_and_extremes_do_not_warn():
    raw = np.array([0.0, 0, 0, 0, 1, 1000, -1000], np.float32).reshape(1, 7, 1, 1)
    boxes, scores = YoloHead(((2, 2),), 2).decode(raw, (8, 8))
    np.testing.assert_allclose(scores, [[[s(1), 0]]], rtol=1e-6)
    assert scores.dtype == boxes.dtype == np.float32
    np.testing.assert_array_equal(boxes, [[[3, 3, 5, 5]]])
    raw[:, 2] = 1000
    boxes, _ = YoloHead(((2, 2),), 2).decode(raw, (8, 8))
    assert np.isinf(boxes[0, 0, 0])


@pytest.mark.parametrize("head", [YoloHead(ANCHORS, 3), RegionHead(ANCHORS, 3), DetectionHead(2, 2, 3)])
def test_a_map_of_other_channels_is_refused(head):
    with pytest.raises(ValueError, match="expected"):
        head.decode(np.zeros((1, head.channels + 1, 1, 1), np.float32), (32, 32))
    boxes, scores = head.decode(np.zeros((0, head.channels, 1, 1), np.float32), (32, 32))
    assert (boxes.shape, scores.shape) == ((0, head.count(1, 1), 4), (0, head.count(1, 1), 3))


def face(epsilon):
    with nn.init.skipped():
        net = DarknetNetwork(data("weights/mobilenet-yolo/yoloface-50k/yoloface-50k.cfg"), epsilon=epsilon)
    weights.load(net, data("weights/mobilenet-yolo/yoloface-50k/yoloface-50k.weights"))
    return net.eval()


@pytest.mark.parametrize(
    ("epsilon", "key"), [("opencv", "eps1e-6_in"), ("alexeyab", "eps1e-5_in"), ("pjreddie-cpu", "eps1e-6_out")]
)
def test_stored_maps_of_yoloface_in_three_dialects(epsilon, key):
    golden = np.load(data("golden/yoloface-50k__dog.npz"))
    x = np.ascontiguousarray(golden["input_uint8_rgb"].transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with no_grad():
        (raw,) = face(epsilon)(Tensor(x))
    errors = {
        k: float(np.abs(raw.data - golden[f"raw_conv_32__{k}"]).max() / np.abs(golden[f"raw_conv_32__{k}"]).max())
        for k in ("eps1e-6_in", "eps1e-5_in", "eps1e-6_out")
    }
    assert errors.pop(key) < 1e-5
    assert min(errors.values()) > 2e-4  # the dialects are told apart


def test_stored_rows_of_yoloface():
    golden = np.load(data("golden/yoloface-50k__dog.npz"))
    net = face("opencv")
    ((boxes, scores),) = [(c.boxes, c.scores) for c in net.candidates([golden["raw_conv_32__eps1e-6_in"]])]
    rows = golden["decoded_opencv_yolo_33"]  # centre x, centre y, width, height of 1; objectness; score above 0.2 or 0
    centre, extent = rows[:, :2] * 56, rows[:, 2:4] * 56
    assert boxes.shape == (147, 4)
    assert scores.shape == (147, 1)
    np.testing.assert_allclose(boxes, np.concatenate([centre - extent / 2, centre + extent / 2], axis=1), atol=1e-4)
    shown = rows[:, 5:] > 0
    np.testing.assert_allclose(scores[shown], rows[:, 5:][shown], atol=1e-6)
    assert (scores[~shown] <= 0.2).all()
