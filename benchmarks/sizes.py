"""The sizes that each operator is timed at: taken from YOLOv3 at 416 x 416, from networks of depthwise
and of large filters, and from what a detector hands to NMS.

``SIZES[operator]`` maps a label to a function that draws the arguments; a test checks that no operator is without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from minidet_kernels.masks import encode

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Size:
    """Arguments to time an operator with; where they are what counts, the formula's operations, or bytes that move.

    For the operators of ``MEMORY_BOUND`` the bytes are those of the arguments and of the result, unless given here.
    """

    draw: Callable[[np.random.Generator], Arguments]
    flops: float = 0.0
    bytes: float = 0.0


SIZES: dict[str, dict[str, Size]] = {}

#: Operators that do little more than read their arguments and write their result.
MEMORY_BOUND = {
    "max_pool2d", "max_pool2d_grad_x", "avg_pool2d", "avg_pool2d_grad_x", "resize", "resize_grad_x",
    "iou_matrix", "giou_matrix", "diou_matrix", "ciou_matrix", "iou_pairs", "giou_pairs", "diou_pairs", "ciou_pairs",
}  # fmt: skip


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


# --- convolution -----------------------------------------------------------------------------------------------------

#: label: image side, channels, filters, kernel, stride, groups
_CONVOLUTIONS = {
    "3x3 3->32 at 416": (416, 3, 32, 3, 1, 1),
    "3x3 32->64 /2 at 208": (208, 32, 64, 3, 2, 1),
    "3x3 256->512 /2 at 26": (26, 256, 512, 3, 2, 1),
    "3x3 32->64 at 208": (208, 32, 64, 3, 1, 1),
    "3x3 64->128 at 104": (104, 64, 128, 3, 1, 1),
    "3x3 128->256 at 52": (52, 128, 256, 3, 1, 1),
    "3x3 256->512 at 26": (26, 256, 512, 3, 1, 1),
    "3x3 512->1024 at 13": (13, 512, 1024, 3, 1, 1),
    "1x1 256->128 at 52": (52, 256, 128, 1, 1, 1),
    "1x1 512->256 at 26": (26, 512, 256, 1, 1, 1),
    "1x1 1024->512 at 13": (13, 1024, 512, 1, 1, 1),
    "3x3 depthwise 256 at 26": (26, 256, 256, 3, 1, 256),
    "3x3 depthwise 32 at 112": (112, 32, 32, 3, 1, 32),
    "3x3 depthwise 32 /2 at 112": (112, 32, 32, 3, 2, 32),
    "3x3 depthwise 512 at 14": (14, 512, 512, 3, 1, 512),
    "3x3 depthwise 512 /2 at 14": (14, 512, 512, 3, 2, 512),
    "3x3 in 32 groups 256 at 28": (28, 256, 256, 3, 1, 32),
    "31x31 depthwise 64 at 56": (56, 64, 64, 31, 1, 64),
    "15x15 3->16 at 112": (112, 3, 16, 15, 1, 1),
}


def _convolution(operator: str, n: int, c: int, o: int, k: int, s: int, groups: int) -> Size:
    """An operator of convolution: image side, channels, filters, kernel, stride, groups."""
    out = (n + 2 * (k // 2) - k) // s + 1
    x, w, y = (1, c, n, n), (o, c // groups, k, k), (1, o, out, out)
    first, second, shape = {
        "conv2d": (x, w, {}),
        "conv2d_grad_x": (y, w, {"shape": x}),
        "conv2d_grad_w": (x, y, {"shape": w}),
    }[operator]
    options = {"stride": s, "padding": k // 2, "groups": groups} | shape
    return Size(
        lambda rng: ((_normal(rng, *first), _normal(rng, *second)), options), 2.0 * out * out * o * w[1] * k * k
    )


for _name in ("conv2d", "conv2d_grad_x", "conv2d_grad_w"):
    SIZES[_name] = {label: _convolution(_name, *numbers) for label, numbers in _CONVOLUTIONS.items()}

_FUSED = {
    label: _CONVOLUTIONS[label] for label in ("3x3 64->128 at 104", "3x3 256->512 /2 at 26", "1x1 512->256 at 26")
}


def _fused(n: int, c: int, o: int, k: int, s: int, groups: int) -> Size:
    plain, out = _convolution("conv2d", n, c, o, k, s, groups), (n + 2 * (k // 2) - k) // s + 1

    def draw(rng: np.random.Generator) -> Arguments:
        (x, w), options = plain.draw(rng)
        return (x, w, _normal(rng, o), _normal(rng, 1, o, out, out)), options | {"activation": "leaky"}

    return Size(draw, plain.flops)


SIZES["conv2d_fused"] = {label: _fused(*numbers) for label, numbers in _FUSED.items()}

# --- pooling and resampling -------------------------------------------------------------------------------------------

_X, _HALF, _TWICE = (1, 128, 104, 104), (1, 128, 52, 52), (1, 128, 208, 208)


def _max_pool_grad(rng: np.random.Generator) -> Arguments:
    rows, columns = np.divmod(np.arange(52 * 52).reshape(52, 52), 52)
    corner = rng.integers(0, 2, (2, *_HALF))
    index = (2 * rows + corner[0]) * 104 + 2 * columns + corner[1]
    return (_normal(rng, *_HALF), index.astype(np.int64)), {"shape": _X}


SIZES["max_pool2d"] = {
    "2x2 /2 128 at 104": Size(lambda rng: ((_normal(rng, *_X),), {"size": 2})),
    "3x3 /2 64 at 208": Size(lambda rng: ((_normal(rng, 1, 64, 208, 208),), {"size": 3, "stride": 2, "padding": 1})),
    "13x13 /1 128 at 26": Size(lambda rng: ((_normal(rng, 1, 128, 26, 26),), {"size": 13, "stride": 1, "padding": 6})),
}
SIZES["max_pool2d_grad_x"] = {"2x2 /2 128 at 104": Size(_max_pool_grad)}
SIZES["avg_pool2d"] = {"2x2 /2 128 at 104": Size(lambda rng: ((_normal(rng, *_X),), {"size": 2}))}
SIZES["avg_pool2d_grad_x"] = {
    "2x2 /2 128 at 104": Size(lambda rng: ((_normal(rng, *_HALF),), {"shape": _X, "size": 2})),
}
_RESIZES = {
    "nearest x2 128 at 104": {"mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"},
    "bilinear x2 128 at 104": {"mode": "bilinear", "coordinates": "half_pixel"},
}
SIZES["resize"] = {
    label: Size(lambda rng, options=options: ((_normal(rng, *_X),), {"size": _TWICE[2:]} | options))
    for label, options in _RESIZES.items()
}
SIZES["resize_grad_x"] = {
    label: Size(lambda rng, options=options: ((_normal(rng, *_TWICE),), {"shape": _X} | options))
    for label, options in _RESIZES.items()
}
_IMAGES = {  # an image to a network's input, and a level of a pyramid to the next
    "1080 x 1920 to 416": ((1, 3, 1080, 1920), (416, 416)),
    "256 at 26 to 52": ((1, 256, 26, 26), (52, 52)),
}
_WAYS: dict[str, dict[str, Any]] = {
    "bilinear": {},
    "antialiased": {"antialias": True},
    "align-corners": {"coordinates": "align_corners"},
}


def _image(operator: str, shape: tuple[int, ...], size: tuple[int, int], options: dict[str, Any]) -> Size:
    options = {"mode": "bilinear"} | options
    if operator == "resize":
        return Size(lambda rng: ((_normal(rng, *shape),), {"size": size} | options))
    return Size(lambda rng: ((_normal(rng, *shape[:2], *size),), {"shape": shape} | options))


for _name in ("resize", "resize_grad_x"):
    SIZES[_name] |= {
        f"{way} {label}": _image(_name, *numbers, options)
        for way, options in _WAYS.items()
        for label, numbers in _IMAGES.items()
    }

# --- boxes -----------------------------------------------------------------------------------------------------------


def boxes(rng: np.random.Generator, n: int, clusters: int = 0) -> np.ndarray:
    """``n`` boxes (float32 xyxy) in an image of 1000 x 1000: anywhere, or around so many centres."""
    centres = rng.uniform(0, 1000, (clusters or n, 2))
    if clusters:
        centres = centres[rng.integers(0, clusters, n)] + rng.normal(0, 8, (n, 2))
    sides = rng.uniform(10, 110, (n, 2))
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)


def _suppression(n: int, clusters: int, classes: int = 0) -> Size:
    """``n`` boxes and their scores, and classes if there are any, at the threshold 0.5.

    No two scores are equal, since programs differ in the order of those.
    """

    def draw(rng: np.random.Generator) -> Arguments:
        scores = ((rng.permutation(n) + 0.5) / n).astype(np.float32)
        arguments: tuple[Any, ...] = boxes(rng, n, clusters), scores
        if classes:
            arguments = (*arguments, rng.integers(0, classes, n))
        return arguments, {"threshold": 0.5}

    return Size(draw)


SIZES["iou_matrix"] = {
    "2,000 x 500": Size(lambda rng: ((boxes(rng, 2000), boxes(rng, 500)), {})),
    "4,000 x 4,000": Size(lambda rng: ((boxes(rng, 4000), boxes(rng, 4000)), {})),
    "10,647 x 20": Size(lambda rng: ((boxes(rng, 10647), boxes(rng, 20)), {})),
}


def _with_crowds(m: int, n: int) -> Size:
    return Size(lambda rng: ((boxes(rng, m), boxes(rng, n), rng.random(n) < 0.2), {}))


SIZES["crowd_iou_matrix"] = {"100 x 20": _with_crowds(100, 20), "2,000 x 500": _with_crowds(2000, 500)}
for _name in ("giou_matrix", "diou_matrix", "ciou_matrix"):
    SIZES[_name] = {"2,000 x 500": Size(lambda rng: ((boxes(rng, 2000), boxes(rng, 500)), {}))}
for _name in ("iou_pairs", "giou_pairs", "diou_pairs", "ciou_pairs"):
    SIZES[_name] = {"100,000 pairs": Size(lambda rng: ((boxes(rng, 100000), boxes(rng, 100000)), {}))}
SIZES["match"] = {
    "8,732 x 50": Size(lambda rng: ((boxes(rng, 8732), boxes(rng, 50)), {})),
    "159,882 x 100": Size(lambda rng: ((boxes(rng, 159882), boxes(rng, 100)), {})),
}
SIZES["nms"] = {
    "2,000 anywhere": _suppression(2000, 0),
    "2,000 in 50 clusters": _suppression(2000, 50),
    "10,000 anywhere": _suppression(10000, 0),
    "10,000 in 50 clusters": _suppression(10000, 50),
    "50,000 anywhere": _suppression(50000, 0),
    "50,000 in 50 clusters": _suppression(50000, 50),
}
SIZES["batched_nms"] = {
    "2,000 in 50 clusters, 80 classes": _suppression(2000, 50, 80),
    "10,000 anywhere, 4 classes": _suppression(10000, 0, 4),
}

_GREEDY = {"2,000 anywhere": (2000, 0), "2,000 in 50 clusters": (2000, 50)}


def _variant(n: int, clusters: int, **options: Any) -> Size:
    """Boxes and scores alone, with other options than a threshold of 0.5."""
    return Size(lambda rng: ((boxes(rng, n, clusters), rng.random(n, dtype=np.float32)), options))


SIZES["diou_nms"] = {label: _variant(*n, threshold=0.5, beta=0.6) for label, n in _GREEDY.items()}
SIZES["fast_nms"] = {label: _variant(*n, threshold=0.5) for label, n in _GREEDY.items()}
SIZES["soft_nms"] = {
    f"{label}, {kernel}": _variant(*n, kernel=kernel)
    for label, n in _GREEDY.items()
    for kernel in ("gaussian", "linear")
}
SIZES["matrix_nms"] = {"2,000 in 50 clusters": _variant(2000, 50)}


def _overlaps(rng: np.random.Generator) -> Arguments:
    half = rng.random((2000, 2000), dtype=np.float32) ** 4
    return (np.maximum(half, half.T), rng.random(2000, dtype=np.float32)), {}


SIZES["matrix_nms_of"] = {"2,000 x 2,000": Size(_overlaps)}


def _fusion(n: int, clusters: int, classes: int, models: int) -> Size:
    def draw(rng: np.random.Generator) -> Arguments:
        found = boxes(rng, n, clusters), rng.random(n, dtype=np.float32)
        return (*found, rng.integers(0, classes, n), rng.integers(0, models, n)), {}

    return Size(draw)


SIZES["weighted_boxes_fusion"] = {
    "2,000 in 50 clusters, 1 class, 3 models": _fusion(2000, 50, 1, 3),
    "2,000 in 50 clusters, 80 classes, 3 models": _fusion(2000, 50, 80, 3),
}

# --- masks -----------------------------------------------------------------------------------------------------------


def masks(rng: np.random.Generator, n: int, h: int, w: int) -> np.ndarray:
    """``n`` dense masks (n, h, w) of bool: blobs with ragged edges, anywhere in the image, of 1/16 to 1/2 its side."""
    out = np.zeros((n, h, w), bool)
    rows, columns = np.arange(h)[:, None], np.arange(w)
    for mask in out:
        y, x, ry, rx = rng.uniform(0, h), rng.uniform(0, w), *(rng.uniform(1 / 32, 1 / 4, 2) * (h, w))
        angle = np.arctan2(rows - y, columns - x)
        ragged = 1 + 0.2 * np.sin(5 * angle + x) + 0.1 * np.sin(23 * angle + y)
        mask[...] = ((rows - y) / ry) ** 2 + ((columns - x) / rx) ** 2 < ragged
    return out


def _mask_iou(m: int, n: int, h: int, w: int) -> Size:
    def draw(rng: np.random.Generator) -> Arguments:
        a, b = encode(masks(rng, m, h, w)), encode(masks(rng, n, h, w))
        return (a.counts, a.splits, b.counts, b.splits, rng.random(n) < 0.2), {"size": (h, w)}

    return Size(draw)


SIZES["mask_iou"] = {
    "100 x 20 at 480 x 640": _mask_iou(100, 20, 480, 640),
    "400 x 100 at 240 x 320": _mask_iou(400, 100, 240, 320),
}

# --- regions ---------------------------------------------------------------------------------------------------------

_MAPS = {  # regions, map of stride 4
    "1,000 of 256 at 200 x 304": (1000, (1, 256, 200, 304)),
    "100 of 64 at 50 x 76": (100, (1, 64, 50, 76)),
}


def _regions(rng: np.random.Generator, k: int, shape: tuple[int, ...]) -> np.ndarray:
    """``k`` regions of the one image: boxes inside it, at stride 4, with sides of 20 to 160 pixels."""
    most = np.array([shape[3], shape[2]]) * 4
    centres, sides = rng.uniform(0, most, (k, 2)), rng.uniform(20, 160, (k, 2))
    corners = np.concatenate([np.clip(centres + s * sides / 2, 0, most) for s in (-1, 1)], axis=1)
    return np.concatenate([np.zeros((k, 1)), corners], axis=1).astype(np.float32)


_ALIGN: dict[str, Any] = {"spatial_scale": 0.25, "sampling_ratio": 2, "aligned": True}


def _align(k: int, shape: tuple[int, ...], gradient: bool) -> Size:
    def draw(rng: np.random.Generator) -> Arguments:
        rois = _regions(rng, k, shape)
        if gradient:
            return (_normal(rng, k, shape[1], 7, 7), rois), {"shape": shape} | _ALIGN
        return (_normal(rng, *shape), rois), {"output_size": 7} | _ALIGN

    return Size(draw)


SIZES["roi_align"] = {label: _align(*numbers, False) for label, numbers in _MAPS.items()}
SIZES["roi_align_grad_x"] = {label: _align(*numbers, True) for label, numbers in _MAPS.items()}


def _pooled(k: int, shape: tuple[int, ...]) -> Size:
    options = {"output_size": 7, "spatial_scale": 0.25, "bins": "rounded"}  # as torchvision rounds them
    return Size(lambda rng: ((_normal(rng, *shape), _regions(rng, k, shape)), options))


def _pooled_grad(k: int, shape: tuple[int, ...]) -> Size:
    def draw(rng: np.random.Generator) -> Arguments:
        rois = _regions(rng, k, shape)
        corners = np.minimum((rois[:, 1:3] / 4).astype(int), np.array([shape[3], shape[2]]) - 1)
        index = np.broadcast_to((corners[:, 1] * shape[3] + corners[:, 0])[:, None, None, None], (k, shape[1], 7, 7))
        return (_normal(rng, *index.shape), index.astype(np.int64), rois), {"shape": shape}

    return Size(draw)


SIZES["roi_pool"] = {label: _pooled(*numbers) for label, numbers in _MAPS.items()}
SIZES["roi_pool_grad_x"] = {label: _pooled_grad(*numbers) for label, numbers in _MAPS.items()}

# --- training --------------------------------------------------------------------------------------------------------

_ACTIVATIONS = {"4 x 32 at 208": (4, 32, 208, 208), "4 x 256 at 26": (4, 256, 26, 26)}


def _normalised(rng: np.random.Generator, shape: tuple[int, ...]) -> Arguments:
    weight, bias = _normal(rng, 2, shape[1])
    return (_normal(rng, *shape), weight, bias), {"eps": 1e-5}


def _normalised_grad(rng: np.random.Generator, shape: tuple[int, ...]) -> Arguments:
    (x, weight, _), options = _normalised(rng, shape)
    x64 = x.astype(np.float64)
    return (_normal(rng, *shape), x, weight, x64.mean(axis=(0, 2, 3)), x64.var(axis=(0, 2, 3))), options


def _then(call: Arguments, before_bias: int | None = None) -> Arguments:
    """The same with an activation; for the gradient with a bias in its place."""
    args, options = call
    if before_bias is not None:
        args = (*args[:before_bias], 0 * args[2], *args[before_bias:])
    return args, options | {"activation": "mish"}


SIZES["batch_norm_train"] = {
    label: Size(lambda rng, shape=shape: _normalised(rng, shape)) for label, shape in _ACTIVATIONS.items()
}
SIZES["batch_norm_grad"] = {
    label: Size(lambda rng, shape=shape: _normalised_grad(rng, shape)) for label, shape in _ACTIVATIONS.items()
}
SIZES["batch_norm_act_train"] = {
    label: Size(lambda rng, shape=shape: _then(_normalised(rng, shape))) for label, shape in _ACTIVATIONS.items()
}
SIZES["batch_norm_act_grad"] = {
    label: Size(lambda rng, shape=shape: _then(_normalised_grad(rng, shape), 3))
    for label, shape in _ACTIVATIONS.items()
}
SIZES["leaky_relu"] = {
    label: Size(lambda rng, shape=shape: ((_normal(rng, *shape),), {"slope": 0.1}))
    for label, shape in _ACTIVATIONS.items()
}
SIZES["leaky_relu_grad"] = {
    label: Size(lambda rng, shape=shape: ((_normal(rng, *shape), _normal(rng, *shape)), {"slope": 0.1}))
    for label, shape in _ACTIVATIONS.items()
}
_PARAMETERS = {"256 x 128 x 3 x 3": (256, 128, 3, 3), "1,000": (1000,)}
SIZES["sgd_update"] = {
    label: Size(
        lambda rng, shape=shape: (
            tuple(_normal(rng, 3, *shape)),
            {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4},
        )
    )
    for label, shape in _PARAMETERS.items()
}
SIZES["adam_update"] = {
    label: Size(lambda rng, shape=shape: (tuple(abs(_normal(rng, 4, *shape))), {"lr": 0.01, "step": 9}))
    for label, shape in _PARAMETERS.items()
}
for _name in ("silu", "mish"):
    SIZES[_name] = {
        label: Size(lambda rng, shape=shape: ((_normal(rng, *shape),), {})) for label, shape in _ACTIVATIONS.items()
    }
    SIZES[f"{_name}_grad"] = {
        label: Size(lambda rng, shape=shape: ((_normal(rng, *shape), _normal(rng, *shape)), {}))
        for label, shape in _ACTIVATIONS.items()
    }
SIZES["conv2d_grad_w"] |= {
    "3x3 16->32 at 208, batch 4": Size(
        lambda rng: (
            (_normal(rng, 4, 16, 208, 208), _normal(rng, 4, 32, 208, 208)),
            {"padding": 1, "shape": (32, 16, 3, 3)},
        ),
        2.0 * 4 * 208 * 208 * 32 * 16 * 9,
    )
}

# --- crops ---------------------------------------------------------------------------------------------------------
_GREATEST: dict[str, Any] = {"100 of 64, greatest": (100, (1, 64, 50, 76))}


def _greatest(k: int, shape: tuple[int, ...], gradient: bool) -> Size:
    def draw(rng: np.random.Generator) -> Arguments:
        rois, x, options = _regions(rng, k, shape), _normal(rng, *shape), _ALIGN | {"mode": "max"}
        if gradient:
            return (_normal(rng, k, shape[1], 7, 7), rois, x), {"shape": shape} | options
        return (x, rois), {"output_size": 7} | options

    return Size(draw)


SIZES["roi_align"] |= {label: _greatest(*numbers, False) for label, numbers in _GREATEST.items()}
SIZES["roi_align_grad_x"] |= {label: _greatest(*numbers, True) for label, numbers in _GREATEST.items()}


def _crop(operator: str, k: int, shape: tuple[int, ...]) -> Size:
    def draw(rng: np.random.Generator) -> Arguments:
        corners = _regions(rng, k, shape)[:, [2, 1, 4, 3]] / 4  # y1 x1 y2 x2 on the map
        boxes = (corners / np.tile([shape[2], shape[3]], 2)).astype(np.float32)
        x, g, index = _normal(rng, *shape), _normal(rng, k, shape[1], 7, 7), np.zeros(k, np.int64)
        calls: dict[str, Arguments] = {
            "crop_and_resize": ((x, boxes, index), {"size": 7}),
            "crop_and_resize_grad_x": ((g, boxes, index), {"shape": shape}),
            "crop_and_resize_grad_boxes": ((g, x, boxes, index), {}),
        }
        return calls[operator]

    return Size(draw)


for _name in ("crop_and_resize", "crop_and_resize_grad_x", "crop_and_resize_grad_boxes"):
    SIZES[_name] = {label: _crop(_name, *numbers) for label, numbers in _MAPS.items()}
