"""Layers written plainly, in float64, with a place for a bug in each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidet.conformance.operators import Answer, Inputs

Pick = Callable[..., Any]


def _integers(inputs: Inputs, *names: str) -> list[int]:
    return [int(inputs[name]) for name in names]


def pairs_of(
    inputs: Inputs, maps: tuple[int, ...], taps: tuple[int, ...], counts: tuple[int, int], bug: str
) -> list[tuple[int, int, int, int, int, int, int, int, int]]:
    """Every product of a convolution: image, filter, channel, channel of the filter, output, element, tap."""
    stride, padding, dilation, groups = _integers(inputs, "stride", "padding", "dilation", "groups")
    if bug == "stride 1":
        stride = 1
    if bug == "no dilation":
        dilation = 1
    if bug == "no padding in front":
        padding = 0
    _, _, H, W = maps
    O, Cg, kh, kw = taps
    found = []
    for n, o, c, i, j, u, v in np.ndindex(maps[0], O, Cg, *counts, kh, kw):
        if bug == "the last tap is left out" and (u, v) == (kh - 1, kw - 1) and kh * kw > 1:
            continue
        if bug == "the last output is left out" and (i, j) == (counts[0] - 1, counts[1] - 1):
            continue
        channel = (o // (O // groups)) * Cg + c
        if bug == "groups interleaved":
            channel = (o % groups) * Cg + c
        if bug == "every filter on the first group":
            channel = c
        r, q = i * stride + u * dilation - padding, j * stride + v * dilation - padding
        if bug == "taps transposed" and kh == kw:
            u, v = v, u
        if bug == "rows from behind":
            u = kh - 1 - u
        if bug == "the border is repeated":
            r, q = min(max(r, 0), H - 1), min(max(q, 0), W - 1)
        if bug == "wraps around":
            r, q = r % H, q % W
        if bug == "bounds of columns by rows" and not 0 <= q < H:
            continue
        if 0 <= r < H and 0 <= q < W:
            found.append((n, o, channel, c, i, j, (r * W + q), u, v))
    return found


def _counts(inputs: Inputs, maps: tuple[int, ...], taps: tuple[int, ...]) -> tuple[int, int]:
    stride, padding, dilation = _integers(inputs, "stride", "padding", "dilation")
    rows, columns = (
        (n + 2 * padding - (k - 1) * dilation - 1) // stride + 1 for n, k in zip(maps[2:], taps[2:], strict=True)
    )
    return rows, columns


def conv2d(inputs: Inputs, bug: str = "") -> Answer:
    x, w = inputs["x"], inputs["w"]
    counts = _counts(inputs, x.shape, w.shape)
    y = np.zeros((len(x), len(w), *counts))
    for n, o, channel, c, i, j, at, u, v in pairs_of(inputs, x.shape, w.shape, counts, bug):
        y[n, o, i, j] += x[n, channel].flat[at] * w[o, c, u, v]
    bias = inputs["bias"][:, None, None]
    if bug == "no bias":
        bias = bias * 0
    if bug == "the bias for each channel":
        bias = bias * w.shape[1]
    return (y + bias).astype(x.dtype)


def conv2d_grad_x(inputs: Inputs, bug: str = "") -> Answer:
    g, w, shape = inputs["g"], inputs["w"], inputs["shape"]
    y = np.zeros(shape)
    for n, o, channel, c, i, j, at, u, v in pairs_of(inputs, shape, w.shape, g.shape[2:], bug):
        more = g[n, o, i, j] * w[o, c, u, v]
        if bug == "written, not added":
            y[n, channel].flat[at] = more
        else:
            y[n, channel].flat[at] += more
    return y.astype(g.dtype)


def conv2d_grad_w(inputs: Inputs, bug: str = "") -> Answer:
    x, g, shape = inputs["x"], inputs["g"], inputs["shape"]
    w = np.zeros(shape)
    for n, o, channel, c, i, j, at, u, v in pairs_of(inputs, x.shape, shape, g.shape[2:], bug):
        if bug == "the first image alone" and n:
            continue
        w[o, c, u, v] += x[n, channel].flat[at] * g[n, o, i, j]
    if bug == "the mean over the batch":
        w /= len(x)
    return w.astype(g.dtype)


def conv_transpose2d(inputs: Inputs, bug: str = "") -> Answer:
    x, w = inputs["x"], inputs["w"]
    stride, padding, extra, groups, dilation = _integers(
        inputs, "stride", "padding", "output_padding", "groups", "dilation"
    )
    size = tuple(
        (n - 1) * stride - 2 * padding + dilation * (k - 1) + 1 + extra
        for n, k in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    each = w.shape[1]
    y = np.zeros((len(x), each * groups, *size))
    for n, c, i, j, o, u, v in np.ndindex(*x.shape, each, *w.shape[2:]):
        r, q = i * stride + u * dilation - padding, j * stride + v * dilation - padding
        if bug == "what is added is in front":
            r, q = r + extra, q + extra
        if not (0 <= r < size[0] and 0 <= q < size[1]):
            continue
        if bug == "what is added is zero" and (r >= size[0] - extra or q >= size[1] - extra):
            continue
        group = (c % groups) if bug == "groups interleaved" else c // (x.shape[1] // groups)
        if bug == "taps transposed" and w.shape[2] == w.shape[3]:
            u, v = v, u
        if bug == "written, not added":
            y[n, group * each + o, r, q] = x[n, c, i, j] * w[c, o, u, v]
        else:
            y[n, group * each + o, r, q] += x[n, c, i, j] * w[c, o, u, v]
    bias = inputs["bias"][:, None, None]
    return (y + (0 if bug == "no bias" else bias)).astype(x.dtype)


def batch_norm(inputs: Inputs, bug: str = "") -> Answer:
    x = inputs["x"].astype(np.float64)
    mean, var, weight, bias = (
        inputs[n].astype(np.float64)[:, None, None] for n in ("running_mean", "running_var", "weight", "bias")
    )
    if bug == "the batch's own statistics":
        mean, var = x.mean(axis=(0, 2, 3), keepdims=True)[0], x.var(axis=(0, 2, 3), keepdims=True)[0]
    if bug == "the first channel's mean for all":
        mean = mean[:1]
    if bug == "the bias before the weight":
        return (((x - mean) / np.sqrt(var + 1e-5) + bias) * weight).astype(inputs["x"].dtype)
    if bug == "divided by the variance":
        return ((x - mean) / (var + 1e-5) * weight + bias).astype(inputs["x"].dtype)
    if bug == "the mean is added":
        mean = -mean
    if bug == "no weight":
        weight = 1
    if bug == "no epsilon":
        with np.errstate(all="ignore"):
            return ((x - mean) / np.sqrt(var) * weight + bias).astype(inputs["x"].dtype)
    return ((x - mean) / np.sqrt(var + 1e-5) * weight + bias).astype(inputs["x"].dtype)


def batch_norm_train(inputs: Inputs, bug: str = "") -> Answer:
    x, m = inputs["x"].astype(np.float64), float(inputs["momentum"])
    axes: Any = (2, 3) if bug == "each image by itself" else (0, 2, 3)
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    n = x.size // x.shape[1]
    if bug == "the square of the mean is forgotten":
        var = (x**2).mean(axis=axes, keepdims=True)
    y = (x - mean) / np.sqrt(var + 1e-5)
    y = y * inputs["weight"][:, None, None] + inputs["bias"][:, None, None]
    mean, var = mean.mean(axis=(0, 2, 3)), var.mean(axis=(0, 2, 3)) * n / (n - 1)
    if bug == "the deviation is kept":
        var = np.sqrt(var)
    kept_mean, kept_var = ((1 - m) * inputs[k] + m * v for k, v in (("running_mean", mean), ("running_var", var)))
    if bug == "running statistics are not kept":
        kept_mean, kept_var = inputs["running_mean"] + 0.0, inputs["running_var"] + 0.0
    if bug == "normalised by the running statistics":
        y = (x - inputs["running_mean"][:, None, None]) / np.sqrt(inputs["running_var"][:, None, None] + 1e-5)
        y = y * inputs["weight"][:, None, None] + inputs["bias"][:, None, None]
    if bug == "running statistics are changed in place":
        inputs["running_mean"][...] = kept_mean
    dtype = inputs["x"].dtype
    return y.astype(dtype), kept_mean.astype(dtype), kept_var.astype(dtype)


def roi_pool(inputs: Inputs, bug: str = "") -> Answer:
    x, (oh, ow), scale = inputs["x"], inputs["output_size"], inputs["spatial_scale"]
    y = np.zeros((len(inputs["rois"]), x.shape[1], oh, ow), x.dtype)
    for k, (n, *corners) in enumerate(inputs["rois"].tolist()):
        x1, y1, x2, y2 = (int(np.floor(abs(c * scale) + 0.5)) * (1 if c >= 0 else -1) for c in corners)
        if bug == "corners are cut":
            x1, y1, x2, y2 = (int(c * scale) for c in corners)
        if bug == "x and y exchanged":
            x1, y1, x2, y2 = y1, x1, y2, x2
        h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        if bug == "the end of columns is exclusive":
            w = max(x2 - x1, 1)
        image = x[0 if bug == "the first image for all" else int(n)]
        for i, j in np.ndindex(oh, ow):
            top, bottom, left, right = y1 + i * h // oh, y1 - -(i + 1) * h // oh, x1 + j * w // ow, 0
            bottom, right = y1 - (-(i + 1) * h // oh), x1 - (-(j + 1) * w // ow)
            if bug == "bins end where the next begins":
                bottom, right = y1 + (i + 1) * h // oh, x1 + (j + 1) * w // ow
            top, bottom = (min(max(v, 0), x.shape[2]) for v in (top, bottom))
            left, right = (min(max(v, 0), x.shape[3]) for v in (left, right))
            part = image[:, top:bottom, left:right].reshape(x.shape[1], -1)
            if bug == "the maximum starts at 0":
                y[k, :, i, j] = np.maximum(part.max(axis=1), 0) if part.size else 0
            elif bug == "an empty bin is very small":
                y[k, :, i, j] = part.max(axis=1) if part.size else -1e30
            elif bug == "the mean":
                y[k, :, i, j] = part.mean(axis=1) if part.size else 0
            else:
                y[k, :, i, j] = part.max(axis=1) if part.size else 0
    return y


def pointwise(function: Pick, inputs: Inputs, bug: Pick | None = None) -> Answer:
    """A function of x, times g where there is one; ``bug`` is in its place."""
    x = inputs["x"].astype(np.float64)
    answer = (bug or function)(x, inputs["g"].astype(np.float64)) if "g" in inputs else (bug or function)(x)
    return np.asarray(answer).astype(inputs["x"].dtype)


def in_place(function: Pick, inputs: Inputs) -> Answer:
    answer = pointwise(function, inputs)
    inputs["x"][...] = answer
    return answer


def _resized(image: np.ndarray, size: tuple[int, int], bug: str) -> np.ndarray:
    def taps(n: int, m: int) -> np.ndarray:
        found = np.zeros((m, n))
        for i in range(m):
            at = min(max((i + 0.5) * n / m - 0.5, 0), n - 1)
            if bug == "nearest neighbours":
                at = round(at)
            low = int(at)
            found[i, low] += 1 - (at - low)
            found[i, min(low + 1, n - 1)] += at - low
        return found

    rows, columns = (taps(n, m) for n, m in zip(image.shape, size, strict=True))
    return rows @ image @ columns.T


def letterbox(inputs: Inputs, bug: str = "") -> Answer:
    image, (h, w) = inputs["image"], inputs["size"]
    H, W = image.shape[:2]
    if bug == "height and width exchanged":
        H, W = W, H
    height, width = (max(1, H * w // W), w) if w * H < h * W else (h, max(1, W * h // H))
    if bug == "the greater ratio":
        height, width = (h, min(w, max(1, W * h // H))) if w * H < h * W else (min(h, max(1, H * w // W)), w)
    top, left = (h - height) // 2, (w - width) // 2
    if bug == "in the corner":
        top = left = 0
    if bug == "the rest is rounded up":
        top, left = -(-(h - height) // 2), -(-(w - width) // 2)
    canvas = np.full((3, h, w), 0.0 if bug == "filled with black" else 0.5, np.float32)
    for c in range(3):
        plane = image[:, :, 2 - c if bug == "colours from behind" else c].astype(np.float64)
        canvas[c, top : top + height, left : left + width] = _resized(plane, (height, width), bug) / 255
    if bug == "levels are not divided":
        canvas[:, top : top + height, left : left + width] *= 255
    return canvas


def letterbox_boxes(inputs: Inputs, bug: str = "") -> Answer:
    boxes, (H, W), (h, w) = inputs["boxes"].astype(np.float64), inputs["image"], inputs["network"]
    height, width = (max(1, H * w // W), w) if w * H < h * W else (h, max(1, W * h // H))
    top, left = (h - height) // 2, (w - width) // 2
    if bug == "the rest is not taken off":
        top = left = 0
    if bug == "the rest is taken off corners alone":
        out = boxes.copy()
        out[:, :2] -= [left, top]
        return out * ([W, H] * 2) / ([width, height] * 2)
    if bug == "x and y exchanged":
        top, left = left, top
    if bug == "one ratio for both sides":
        height, width = max(height, width) * H / max(H, W), max(height, width) * W / max(H, W)
    if bug == "cut to whole numbers":
        return np.trunc((boxes - [left, top] * 2) * ([W, H] * 2) / ([width, height] * 2))
    if bug == "ratios are inverted":
        return (boxes - [left, top] * 2) * ([width, height] * 2) / ([W, H] * 2)
    if bug == "the input is overwritten":
        inputs["boxes"] -= np.array([left, top] * 2, inputs["boxes"].dtype)
        return inputs["boxes"] * ([W, H] * 2) / ([width, height] * 2)
    return (boxes - [left, top] * 2) * ([W, H] * 2) / ([width, height] * 2)
