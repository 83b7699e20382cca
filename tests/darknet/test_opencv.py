"""Darknet networks against OpenCV's DNN module, which reads the same cfg and weights files: maps, boxes, detections.

The real networks have real weights; the large ones have random weights, drawn here and written by minidet, and small
inputs.  All in OpenCV's dialect of batch norm.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.suppression import batched_nms
from support.darknet_nets import (
    files,
    head_names,
    images,
    opencv_candidates,
    opencv_outputs,
    randomise,
    relative_error,
    suppressed,
)
from support.realdata import data

from minidet import Tensor, models, nn, no_grad
from minidet.darknet import CfgWarning, DarknetNetwork, read_cfg
from minidet.plan import Plan
from minidet.weights import darknet as weights

pytestmark = pytest.mark.oracle
cv2 = pytest.importorskip("cv2")

BOUND = 1e-4  # of max|b|; measured: about 2e-6 with real weights, up to 2e-5 with random ones

REAL = {
    "yolo-fastest-1.1": "yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1",
    "yolo-fastest-1.0": "yolo-fastest/yolo-fastest-1.0_coco/yolo-fastest",
    "nano-voc": "mobilenet-yolo/MobileNetV2-YOLOv3-Nano/VOC/MobileNetV2-YOLOv3-Nano-voc",
    "yoloface-50k": "mobilenet-yolo/yoloface-50k/yoloface-50k",
}

RANDOM = [
    "cfg-pjreddie/yolov3", "cfg-pjreddie/yolov3-tiny", "cfg-pjreddie/yolov3-spp", "cfg-alexeyab/yolov4",
    "cfg-alexeyab/yolov4-tiny", "cfg-pjreddie/yolov2-tiny-voc",
]  # fmt: skip

MORE = [
    "cfg-pjreddie/yolov2", "cfg-alexeyab/csresnext50-panet-spp", "cfg-alexeyab/enet-coco",
    "cfg-alexeyab/yolov3-tiny-prn", "cfg-alexeyab/yolov3-tiny_3l", "cfg-alexeyab/yolov4-tiny-3l",
    "cfg-alexeyab/yolov4-csp", "cfg-alexeyab/yolov7-tiny", "cfg-pjreddie/darknet19", "cfg-pjreddie/darknet53",
    "cfg-pjreddie/darknet", "cfg-pjreddie/tiny",
]  # fmt: skip


def maps_of(net, x):
    with no_grad():
        return [m.data for m in net(Tensor(x))]


def in_a_gap(values, near):
    """A threshold near another, as far as can be from every value, so that rounding decides nothing."""
    low, high = near - 0.05, near + 0.05
    values = np.unique(np.concatenate([[low, high], values[(values > low) & (values < high)]]))
    widest = int(np.argmax(np.diff(values)))
    return float(values[widest : widest + 2].mean())


def assert_same_detections(boxes, scores, their_boxes, their_scores, *, score, nms):
    """Both sides keep the same boxes of the same classes, by minidet's NMS and by OpenCV's; how many they drop."""
    where, classes = np.nonzero(scores > score)
    overlaps = iou_matrix(boxes[where], boxes[where])
    nms = in_a_gap(overlaps[classes[:, None] == classes], nms)
    kept = batched_nms(boxes[where], scores[where, classes], classes, threshold=nms)
    ours = {(int(where[i]), int(classes[i])) for i in kept}
    assert ours == suppressed(their_boxes, their_scores, score, nms)
    return len(where) - len(ours)


def real(path):
    with nn.init.skipped():
        net = DarknetNetwork(data(f"weights/{path}.cfg"), epsilon="opencv").eval()
    weights.load(net, data(f"weights/{path}.weights"))
    return net


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("photograph", ["dog", "person"])
def test_real_networks(name, photograph, tmp_path):
    net = real(REAL[name])
    image = cv2.imread(str(data(f"darknet/images/{photograph}.jpg")))[:, :, ::-1]
    image = cv2.resize(image, net.size[::-1])
    x = np.ascontiguousarray(image.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with files(tmp_path, net.cfg, net) as paths:
        theirs, rows = opencv_outputs(paths[0], data(f"weights/{REAL[name]}.weights"), x, head_names(net))
        again, _ = opencv_outputs(*paths, x, head_names(net))  # from the file that minidet has written
    ours, planned = maps_of(net, x), Plan(net)(x)
    assert len(ours) == len(theirs) == len(net.heads)
    for mine, plans, their, written in zip(ours, planned, theirs, again, strict=True):
        assert their.std() > 1
        assert relative_error(mine, their) < BOUND
        assert relative_error(plans, their) < BOUND
        np.testing.assert_array_equal(written, their)
    (found,) = net.candidates(ours)
    boxes, scores = opencv_candidates(rows, net.size)
    assert relative_error(found.boxes, boxes) < BOUND
    assert relative_error(found.scores, scores) < BOUND
    score = in_a_gap(scores.ravel(), 0.25)
    assert (scores > score).any() or name == "yoloface-50k"
    gone = assert_same_detections(found.boxes, found.scores, boxes, scores, score=score, nms=0.45)
    assert gone > 0 or name == "yoloface-50k"


def compare(name, folder, *, size=(64, 96), **options):
    """Random weights into the network of a cfg, both programs on one image; returns what they found."""
    cfg = read_cfg(data(f"darknet/{name}.cfg")).with_net(height=size[0], width=size[1])
    with nn.init.skipped(), warnings.catch_warnings():
        warnings.simplefilter("ignore", CfgWarning)
        net = DarknetNetwork(cfg, epsilon="opencv")
    x = images(np.random.default_rng(1), 2, 3, net.size)
    randomise(net, np.random.default_rng(2), x)
    with files(folder, net.cfg, net, **options) as paths:
        theirs, rows = opencv_outputs(*paths, x[:1], head_names(net))
    ours, planned = maps_of(net, x[:1]), Plan(net)(x[:1])
    if net.classifier:
        theirs = [rows[0].reshape(ours[0].shape)]
    assert len(ours) == len(theirs)
    for mine, plans, their in zip(ours, planned, theirs, strict=True):
        assert their.std() > 0.2 * np.abs(their).mean()  # far from constant
        assert relative_error(mine, their) < BOUND
        assert relative_error(plans, their) < BOUND
    return net, ours, rows


@pytest.mark.parametrize("name", RANDOM)
def test_random_networks(name, tmp_path):
    # a pyramid pool tells its windows apart only on a coarsest map of 7 or more
    pooled = name.endswith(("yolov3-spp", "yolov4"))
    net, ours, rows = compare(name, tmp_path, size=(224, 256) if pooled else (64, 96))
    (found,) = net.candidates(ours)
    boxes, scores = opencv_candidates(rows, net.size)
    assert relative_error(found.boxes, boxes) < BOUND
    if "yolov2" in name:  # OpenCV's region head suppresses by itself, at 0.4, and puts zeros
        shown = scores > 0
        assert shown.sum() > 100
        assert relative_error(found.scores[shown], scores[shown]) < BOUND
        return
    assert relative_error(found.scores, scores) < BOUND
    score = in_a_gap(scores.ravel(), float(np.partition(scores.ravel(), -400)[-400]))
    assert assert_same_detections(found.boxes, found.scores, boxes, scores, score=score, nms=0.2) > 0


@pytest.mark.parametrize("name", MORE)
def test_more_random_networks(name, tmp_path):
    net, ours, rows = compare(name, tmp_path)
    if name.endswith(("yolov4-csp", "yolov7-tiny", "yolov3-tiny-prn")):  # new_coords, and a shared anchor
        (found,) = net.candidates(ours)
        boxes, scores = opencv_candidates(rows, net.size)
        assert relative_error(found.boxes, boxes) < BOUND
        assert relative_error(found.scores, scores) < BOUND


def test_a_file_with_the_narrow_header(tmp_path):
    compare("cfg-alexeyab/yolov4-tiny", tmp_path, header="32-bit")


@pytest.mark.parametrize("name", ["yolov3", "yolov3-tiny", "yolov3-spp"])
def test_models_written_in_python(name, tmp_path):
    with nn.init.skipped():
        model = models.build(name, size=(32, 64), epsilon="opencv")
    x = images(np.random.default_rng(3), 2, 3, model.size)
    randomise(model, np.random.default_rng(4), x)
    cfg = read_cfg(data(f"darknet/cfg-pjreddie/{name}.cfg")).with_net(height=32, width=64)
    with nn.init.skipped():
        names = head_names(DarknetNetwork(cfg))
    with files(tmp_path, cfg, model) as paths:
        theirs, rows = opencv_outputs(*paths, x[:1], names)
    ours = maps_of(model, x[:1])
    for mine, their in zip(ours, theirs, strict=True):
        assert relative_error(mine, their) < BOUND
    (found,) = model.candidates(ours)
    boxes, scores = opencv_candidates(rows, model.size)
    assert relative_error(found.boxes, boxes) < BOUND
    assert relative_error(found.scores, scores) < BOUND
