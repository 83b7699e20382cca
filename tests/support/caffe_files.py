"""A ``.caffemodel`` of drawn numbers for the net of any ``.prototxt``."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from minidet.weights.caffe_net import CONVOLUTIONS, CaffeLayer, read_prototxt
from minidet.weights.caffe_schema import net_class

#: By what the sums of `BatchNorm` are to be divided.
FACTOR = 2.5


def write_caffemodel(prototxt: str | Path, path: Path, seed: int, gains: dict[str, float] | None = None) -> Path:
    """Write numbers with which maps stay near 1; ``gains`` multiply the weights of layers whose names end so."""
    rng = np.random.default_rng(seed)
    net, made = read_prototxt(prototxt), net_class()()
    for name, shape in net.inputs.items():
        made.input.append(name)
        made.input_shape.add(dim=shape)
    for layer in net.layers:
        one = made.layer.add()
        one.CopyFrom(layer.settings)
        if not layer.shapes:
            continue
        gain = next((g for end, g in (gains or {}).items() if layer.name.endswith(end)), 1.0)
        for array in _numbers(layer, rng, gain):
            blob = one.blobs.add()
            blob.shape.dim.extend(array.shape)
            blob.data.extend(array.reshape(-1).tolist())
    path.write_bytes(made.SerializeToString())
    return path


def _numbers(layer: CaffeLayer, rng: np.random.Generator, gain: float) -> list[np.ndarray]:
    """A layer's arrays in Caffe's order."""
    assert layer.shapes is not None
    if layer.type == "BatchNorm":
        c = layer.shapes[0]
        return [FACTOR * rng.normal(0, 0.3, c), FACTOR * rng.uniform(0.5, 2, c), np.array([FACTOR])]
    if layer.type == "Scale":
        return [rng.uniform(0.7, 1.5, layer.shapes[0]), rng.normal(0, 0.2, layer.shapes[1])]
    assert layer.type in CONVOLUTIONS, layer.type
    weight, *bias = layer.shapes
    scale = gain * (2 / math.prod(weight[1:])) ** 0.5
    return [rng.normal(0, scale, weight), *(rng.normal(0, 0.1, shape) for shape in bias)]
