"""Darknet networks with random weights that keep their signals alive, and OpenCV's reading of the same files."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np

from minidet import Tensor, nn, no_grad
from minidet.darknet import Cfg, DarknetNetwork, write_cfg
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


class Files:
    """A cfg and a weights file of a network, removed at the end: a full-size file is 250 MB."""

    def __init__(self, folder: Path, cfg: Cfg, model) -> None:
        self.cfg, self.weights = folder / "net.cfg", folder / "net.weights"
        write_cfg(cfg, self.cfg)
        weights.save(model, self.weights)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.cfg)
        os.unlink(self.weights)


def opencv_outputs(cv2, cfg, weights_file, x, names):
    """OpenCV's outputs of the named layers for images (N, 3, h, w)."""
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights_file))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    net.setInput(x)
    return net.forward(list(names))


def head_names(net: DarknetNetwork) -> list[str]:
    """OpenCV's names of the layers that give the raw maps of the heads."""
    names = []
    for before, (index, layer) in itertools.pairwise(enumerate(net.layers)):
        if isinstance(layer, HeadLayer):
            conv = before[1].section
            activation = conv.text("activation", "logistic")
            names.append(f"conv_{before[0]}" if activation == "linear" else f"{activation}_{index}")
    return names


def relative_error(a, b) -> float:
    """max|a-b| / max|b|; NaN anywhere gives NaN, which passes no comparison."""
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.max(np.abs(np.asarray(a, np.float64) - b)) / np.max(np.abs(b)))
