"""Arrays of a ``.caffemodel``, by name, and the check that they are of the net of a ``.prototxt``.

A ``.caffemodel`` is the same message as a ``.prototxt``, in binary and with numbers: each layer has some arrays without
names ("blobs"), whose order is the type's.  Here they get names: ``conv1.weight``, ``conv1.bias``,
``conv1/bn.running_mean``.

Caffe's batch norm is two layers.  ``BatchNorm`` holds *sums* of means and of variances, and the factor by which both
are divided (`batch_norm_layer.cpp`; a factor of 0 makes both 0); here they are divided already.  ``Scale`` holds what
others call batch norm's weight and bias.  In many published files both were folded into the convolution before.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .caffe_net import PARTS, CaffeLayer, CaffeNet, Shape, net_of, read_prototxt
from .caffe_schema import net_class
from .protobuf import text
from .renaming import some


def load(path: str | Path, prototxt: str | Path | None = None) -> dict[str, np.ndarray]:
    """The arrays of a ``.caffemodel`` as ``LAYER.PART``, float32 as a rule, each of its own memory.

    With a ``prototxt`` they must be those of that net: every layer of it that has numbers must be in the file, with
    these shapes, and none besides.  Without, they must fit the net that the file itself describes.  Parts are
    ``weight``, ``bias``, ``running_mean``, ``running_var``; of a type that is not known, 0, 1, ...

    Raises `InputError` (one line): for a missing file, one that is cut short or of another kind, an array whose length
    is not that of its shape, layers that are missing, not of the net, or of other shapes (each kind listed by name),
    and where the library ``protobuf`` is missing (the extra ``caffe`` brings it).
    """
    made = net_class()()
    try:
        made.ParseFromString(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception:  # protobuf's DecodeError, whose text depends on how the library was built
        raise InputError(f"{path}: cut short, or not a .caffemodel") from None
    blobs = _blobs(made, str(path))
    if not blobs:
        raise InputError(f"{path}: no layer in it has numbers; expected a .caffemodel")
    net = net_of(made, str(path)) if prototxt is None else read_prototxt(prototxt)
    _check(blobs, net, str(path), str(prototxt or "the net in it"))
    arrays: dict[str, np.ndarray] = {}
    for layer in net.layers:
        if layer.name in blobs:
            arrays |= _named(layer, blobs[layer.name])
    return arrays


def _blobs(made: Any, source: str) -> dict[str, list[np.ndarray]]:
    """The arrays of the layers that have some, in the file's order."""
    found: dict[str, list[np.ndarray]] = {}
    for layer in (*made.layers, *made.layer):
        if not layer.blobs:
            continue
        name = text(layer.name)
        if name in found:
            raise InputError(f"{source}: two layers with numbers are named {name!r}")
        found[name] = [_array(blob, f"{source}: {name}, blob {i}") for i, blob in enumerate(layer.blobs)]
    return found


def _array(blob: Any, where: str) -> np.ndarray:
    """One blob: ``data`` or ``double_data``, of ``shape``, or of the four numbers that were used before it."""
    values = blob.double_data if blob.double_data else blob.data
    array = np.fromiter(values, np.float64 if blob.double_data else np.float32, len(values))
    old = (blob.num, blob.channels, blob.height, blob.width)
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else old
    if min(shape, default=1) < 0 or math.prod(shape) != array.size:
        raise InputError(f"{where}: {array.size} numbers for the shape {shape}")
    return array.reshape(shape)


def _check(blobs: dict[str, list[np.ndarray]], net: CaffeNet, source: str, wanted: str) -> None:
    """Raise unless the arrays are those of the net, shape by shape."""
    layers = {layer.name: layer for layer in net.layers}
    missing = [name for name, layer in layers.items() if layer.shapes and name not in blobs]
    unknown = [name for name in blobs if name not in layers]
    misshaped = []
    for name in blobs.keys() & layers.keys():
        shapes, found = layers[name].shapes, [array.shape for array in blobs[name]]
        if shapes is not None and not _fits(shapes, found):
            misshaped.append((name, f"{name} ({_words(found)} where {_words(shapes)} is expected)"))
    listed = (("missing", missing), ("unknown", unknown), ("of another shape", [text for _, text in sorted(misshaped)]))
    if wrong := [f"{what} {some(names)}" for what, names in listed if names]:
        raise InputError(f"{source} does not fit {wanted}: {'; '.join(wrong)}")


def _fits(shapes: tuple[Shape, ...], found: list[tuple[int, ...]]) -> bool:
    return len(shapes) == len(found) and all(map(_same, shapes, found))


def _same(shape: Shape, found: tuple[int, ...]) -> bool:
    """Whether a blob has that shape; the old form has four lengths, the first of them 1 where they are too many."""
    extra = len(found) - len(shape)
    lengths = found[max(extra, 0) :]
    return (
        extra >= 0
        and all(n == 1 for n in found[:extra])
        and all(s is None or s == n for s, n in zip(shape, lengths, strict=True))
    )


def _words(shapes: tuple[Shape, ...] | list[tuple[int, ...]]) -> str:
    each = [" x ".join("?" if n is None else str(n) for n in shape) or "one number" for shape in shapes]
    return " and ".join(each) or "none"


def _named(layer: CaffeLayer, blobs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """A layer's arrays by name, in the shapes of the net."""
    parts = PARTS.get(layer.type) or tuple(str(i) for i in range(len(blobs)))
    if layer.type == "Scale" and len(layer.bottoms) > 1:
        parts = ("bias",)
    if layer.shapes is not None:
        blobs = [blob.reshape(blob.shape[blob.ndim - len(s) :]) for blob, s in zip(blobs, layer.shapes, strict=True)]
    named = dict(zip(parts, blobs, strict=False))  # a bias may be left out
    if layer.type == "BatchNorm":
        factor = float(named.pop("factor").item())
        scale = 0.0 if factor == 0 else 1 / factor
        named = {part: (blob * scale).astype(blob.dtype) for part, blob in named.items()}
    return {f"{layer.name}.{part}": blob for part, blob in named.items()}
