"""Darknet networks with random weights that keep their signals alive, and OpenCV's reading of the same files."""

from __future__ import annotations

import itertools
from contextlib import contextmanager

import numpy as np

from minidet import Tensor, nn, no_grad
from minidet.darknet import format_cfg
from minidet.darknet.heads import HeadLayer
from minidet.weights import darknet as weights


def images(rng, n, channels, size):
    """Smooth noise in 0..1, (n, channels, h, w) float32: not flat, and not white."""
    h, w = size
    coarse = rng.random((n, channels, -(-h // 8), -(-w // 8)), dtype=np.float32)
    smooth = coarse.repeat(8, axis=2).repeat(8, axis=3)[:, :, :h, :w]
    return np.ascontiguousarray(0.8 * smooth + 0.2 * rng.random((n, channels, h, w), dtype=np.float32))


def randomise(model, rng, x):
    """Draw all parameters so that signals neither explode nor die on the way of images like ``x``.

    The biases of batch norm are mostly positive, so that activations bend the signal but do not fold it up: with biases
    around zero a random network of 100 layers is chaotic, and enlarges any rounding on its way.
    A forward in training mode sets the running statistics of batch norm to the batch's; they are then shaken, so that
    the normalisation is not by the data's own statistics.  Another scales the convolutions without batch norm, which
    are the last ones, to outputs of deviation 1.
    """
    norms = [m for _, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    plain = [m for _, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None]
    for _, p in model.named_parameters():
        if p.ndim > 2:
            p.data[...] = rng.standard_normal(p.shape, dtype=np.float32)
            p.data /= np.float32(np.sqrt(p.data[0].size))
        else:
            p.data[...] = rng.normal(0, 0.4, p.shape)
    for m in norms:
        m.weight.data[...] = rng.uniform(0.7, 1.4, m.weight.shape)
        m.bias.data[...] = rng.normal(1, 0.5, m.bias.shape)
        m.momentum = 1.0
    with no_grad():
        model.train()(Tensor(x))
        for m in norms:
            m.momentum = 0.1
            m.running_mean.data += rng.normal(0, 0.1, m.running_mean.shape).astype(np.float32)
            m.running_var.data *= rng.uniform(0.8, 1.25, m.running_var.shape).astype(np.float32)
        removers = [m.register_forward_hook(_to_deviation_1) for m in plain]
        model.eval()(Tensor(x))
    for remove in removers:
        remove()
    return model


def _to_deviation_1(module, _inputs, output):
    deviation = output.data.std()
    module.weight.data /= deviation
    module.bias.data /= deviation


def _cv2():
    import cv2

    return cv2


@contextmanager
def files(folder, cfg, model, **options):
    """The paths of a cfg and a weights file of a network, removed at the end: a full-size file is 250 MB.

    The cfg is changed so that OpenCV's heads give every box, and suppress none: ``thresh`` and ``nms_threshold`` are
    options of its own.
    """
    paths = folder / "net.cfg", folder / "net.weights"
    text = (
        format_cfg(cfg).replace("[yolo]", "[yolo]\nthresh=0\nnms_threshold=0").replace("\nthresh=.6", "\nthresh=1e-3")
    )
    paths[0].write_text(text)
    weights.save(model, paths[1], **options)
    try:
        yield paths
    finally:
        for path in paths:
            path.unlink()


def opencv_outputs(cfg, weights_file, x, names):
    """OpenCV's outputs of the named layers for images (N, 3, h, w), then those of its last layers."""
    net = _cv2().dnn.readNetFromDarknet(str(cfg), str(weights_file))
    net.setPreferableBackend(_cv2().dnn.DNN_BACKEND_OPENCV)
    net.setPreferableTarget(_cv2().dnn.DNN_TARGET_CPU)
    net.setInput(x)
    last = [name for name in net.getUnconnectedOutLayersNames() if name not in names]
    found = net.forward([*names, *last])
    return found[: len(names)], found[len(names) :]


def head_names(net):
    """OpenCV's names of the layers that give the raw maps of the heads."""
    names = []
    for (before, layer), (index, head) in itertools.pairwise(enumerate(net.layers)):
        if isinstance(head, HeadLayer):
            activation = layer.section.text("activation", "logistic")
            names.append(f"conv_{before}" if activation == "linear" else f"{activation}_{index}")
    return names


def opencv_candidates(rows, size):
    """Boxes (M, 4) xyxy in pixels and scores (M, classes) of OpenCV's rows: centre, extent, objectness, scores."""
    rows = np.concatenate([r.reshape(-1, r.shape[-1]) for r in rows])
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)
    return boxes * np.array([size[1], size[0]] * 2, np.float32), rows[:, 5:]


def suppressed(boxes, scores, score, nms):
    """(index, class) of what OpenCV's NMSBoxes keeps, each class by itself."""
    kept = set()
    for c in range(scores.shape[1]):
        above = np.flatnonzero(scores[:, c] > score)
        xywh = np.concatenate([boxes[above, :2], boxes[above, 2:] - boxes[above, :2]], axis=1).astype(np.float64)
        found = _cv2().dnn.NMSBoxes(xywh.tolist(), scores[above, c].tolist(), score, nms)
        kept |= {(int(above[i]), c) for i in np.asarray(found, int).ravel()}
    return kept


def relative_error(a, b):
    """max|a-b| / max|b|; NaN anywhere gives NaN, which passes no comparison."""
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.max(np.abs(np.asarray(a, np.float64) - b)) / np.max(np.abs(b)))
