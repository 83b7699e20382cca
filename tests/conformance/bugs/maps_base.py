"""Bugs of roi_align, max_pool2d and resize."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from minidet.conformance.operators import Answer, Inputs

SHUFFLE = random.Random(9)


def sample(image: np.ndarray, y: float, x: float, *, swap: bool = False, edge: str = "margin") -> float:
    """Bilinear, of one channel; 0 beyond one pixel of margin."""
    h, w = image.shape
    if edge == "square":
        h = w = min(h, w)
    if edge == "strict" and not (0 <= y <= h - 1 and 0 <= x <= w - 1):
        return 0.0
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = (min(max(v, 0.0), n - 1.0) for v, n in ((y, h), (x, w)))
    top, left = int(y), int(x)
    down, right = min(top + 1, h - 1), min(left + 1, w - 1)
    if edge == "short":
        down, right = min(top + 1, h - 2), min(left + 1, w - 2)
    dy, dx = y - top, x - left
    if swap:
        dy, dx = dx, dy
    return float(
        (1 - dy) * ((1 - dx) * image[top, left] + dx * image[top, right])
        + dy * ((1 - dx) * image[down, left] + dx * image[down, right])
    )


def roi_align(
    inputs: Inputs, *, image: Any = None, least: tuple[float, float] = (1, 1), centre: float = 0.5, mean: Any = None,
    scale_sides: bool = True, exchange: bool = False, one_channel: bool = False, rounded: bool = False, **how: Any,
) -> Answer:  # fmt: skip
    """Sample by sample, in float64."""
    x, rois = np.asarray(inputs["x"], np.float64), np.asarray(inputs["rois"], np.float64)
    (oh, ow), scale, ratio = inputs["output_size"], float(inputs["spatial_scale"]), int(inputs["sampling_ratio"])
    out = np.zeros((len(rois), x.shape[1], oh, ow))
    for k, c, i, j in np.ndindex(out.shape):
        n, x1, y1, x2, y2 = rois[k]
        n = int(n) if image is None else image(k, int(n))
        if exchange:
            x1, y1, x2, y2 = y1, x1, y2, x2
        w, h = ((x2 - x1), (y2 - y1)) if not scale_sides else ((x2 - x1) * scale, (y2 - y1) * scale)
        x1, y1 = x1 * scale, y1 * scale
        if rounded:
            x1, y1 = round(x1), round(y1)
        w, h = max(w, least[0]) / ow, max(h, least[1]) / oh
        rows, columns = (ratio, ratio) if ratio > 0 else (int(np.ceil(h)), int(np.ceil(w)))
        values = [
            sample(
                x[n, 0 if one_channel else c],
                y1 + i * h + (a + centre) * h / rows,
                x1 + j * w + (b + centre) * w / columns,
                **how,
            )
            for a in range(rows)
            for b in range(columns)
        ]
        out[k, c, i, j] = (np.mean(values) if mean is None else mean(values, rows)) if values else 0
    return out.astype(inputs["x"].dtype)


def turned(inputs: Inputs) -> Answer:
    answer = np.asarray(roi_align(inputs))
    return answer.transpose(0, 1, 3, 2).reshape(answer.shape)


def rois_in_place(inputs: Inputs) -> Answer:
    answer = roi_align(inputs)
    inputs["rois"][:, 1:] *= inputs["spatial_scale"] / 2
    return answer


def lost_updates(inputs: Inputs) -> Answer:
    """Samples are added by threads, and an update is lost now and then."""

    def mean(values: list[float], rows: int) -> float:
        lost = SHUFFLE.randrange(3 * len(values))
        return sum(v for at, v in enumerate(values) if at != lost) / len(values)

    return roi_align(inputs, mean=mean)


def max_pool2d(
    inputs: Inputs, *, start: float = -np.inf, less: int = 0, front: int = 1, behind: int = 1, leave: int = 0,
    stride: Any = None, flat: bool = False, pick: Any = max, step: int = 1,
) -> Answer:  # fmt: skip
    """Window by window."""
    x = inputs["x"]
    k, s, p = (int(inputs[n]) for n in ("size", "stride", "padding"))
    h, w = x.shape[2:]
    oh, ow = ((n + 2 * p - k) // s + 1 for n in (h, w))
    s = s if stride is None else stride(s, k)
    out = np.full((*x.shape[:2], oh, ow), 0, x.dtype)
    for n, c, i, j in np.ndindex(out.shape):
        if i >= oh - leave or j >= ow - leave:
            continue
        values = [start]
        for r in range(i * s - p * front, i * s - p * front + k - less, step):
            for q in range(j * s - p * front, j * s - p * front + k - less, step):
                if flat and 0 <= r * w + q < h * w:
                    values.append(float(x[n, c].flat[r * w + q]))
                elif not flat and 0 <= r < h - 1 + behind and 0 <= q < w - 1 + behind:
                    values.append(float(x[n, c, r, q]))
        out[n, c, i, j] = pick(values)
    return out


def pool_turned(inputs: Inputs) -> Answer:
    answer = np.asarray(max_pool2d(inputs))
    return answer.swapaxes(2, 3).reshape(answer.shape)


def pool_in_place(inputs: Inputs) -> Answer:
    answer = max_pool2d(inputs)
    np.maximum(inputs["x"], 0, out=inputs["x"])
    return answer


def absolute(values: list[float]) -> float:
    real = [v for v in values if np.isfinite(v)]
    return max(real, key=abs) if real else -np.inf


def mean(values: list[float]) -> float:
    real = [v for v in values if np.isfinite(v)]
    return sum(real) / len(real) if real else -np.inf


def racing_pool(inputs: Inputs) -> Answer:
    """The last thread to write wins, not the greatest value."""
    return max_pool2d(inputs, pick=lambda values: SHUFFLE.choice(values[-2:]))


def resize(inputs: Inputs, at: Any = None) -> Answer:
    """Row ``floor(i n / m)``; ``at`` is another rule, of i, n and m."""
    x, sizes = inputs["x"], inputs["size"]
    at = at or (lambda i, n, m: i * n // m)
    rows, columns = (
        [min(max(int(at(i, n, m)), 0), n - 1) for i in range(m)] for n, m in zip(x.shape[2:], sizes, strict=True)
    )
    return x[:, :, rows][:, :, :, columns]


def by_rows(inputs: Inputs) -> Answer:
    """The scale of the rows for columns too."""
    (h, w), (oh, ow), x = inputs["x"].shape[2:], inputs["size"], inputs["x"]
    rows = [i * h // oh for i in range(oh)]
    columns = [min(j * h // oh, w - 1) for j in range(ow)]
    return x[:, :, rows][:, :, :, columns]


def size_exchanged(inputs: Inputs) -> Answer:
    answer = np.asarray(resize({**inputs, "size": inputs["size"][::-1]}))
    return answer.reshape(*answer.shape[:2], *inputs["size"])


def last_left(inputs: Inputs) -> Answer:
    answer = np.asarray(resize(inputs)).copy()
    answer[..., -1] = 0
    return answer


def resize_in_place(inputs: Inputs) -> Answer:
    answer = np.asarray(resize(inputs)).copy()
    inputs["x"][..., 0] = 0
    return answer


RIGHT: Mapping[str, Callable[[Inputs], Answer]] = {"roi_align": roi_align, "max_pool2d": max_pool2d, "resize": resize}
BUGS: Mapping[str, Mapping[str, Callable[[Inputs], Answer]]] = {
    "roi_align": {
        "x and y of a region exchanged": partial(roi_align, exchange=True),
        "every region from the first image": partial(roi_align, image=lambda k, n: 0),
        "the image by the region's number": partial(roi_align, image=lambda k, n: min(k, 1)),
        "weights of x and y exchanged": partial(roi_align, swap=True),
        "samples at the start of their cell": partial(roi_align, centre=0.0),
        "samples at the end of their cell": partial(roi_align, centre=1.0),
        "the sum of the samples": partial(roi_align, mean=lambda values, rows: sum(values)),
        "divided by the samples of one side": partial(roi_align, mean=lambda values, rows: sum(values) / rows),
        "the scale is for corners alone": partial(roi_align, scale_sides=False),
        "the least size is for widths alone": partial(roi_align, least=(1, 0)),
        "corners are rounded": partial(roi_align, rounded=True),
        "the margin is left out": partial(roi_align, edge="strict"),
        "one side's length for both": partial(roi_align, edge="square"),
        "the last neighbour is one too early": partial(roi_align, edge="short"),
        "the first channel for all": partial(roi_align, one_channel=True),
        "bins column by column": turned,
        "the scaled regions overwrite the input": rois_in_place,
        "an update of a sum is lost": lost_updates,
    },
    "max_pool2d": {
        "the maximum starts at 0": partial(max_pool2d, start=0.0),
        "a window is one too small": partial(max_pool2d, less=1),
        "the padding is in front twice": partial(max_pool2d, front=2),
        "no padding in front": partial(max_pool2d, front=0),
        "the last row and column are not read": partial(max_pool2d, behind=0),
        "the last row and column of windows are not written": partial(max_pool2d, leave=1),
        "the window's size for the stride": partial(max_pool2d, stride=lambda s, k: k),
        "stride 1 for any": partial(max_pool2d, stride=lambda s, k: 1),
        "past the end of a row, the next row is read": partial(max_pool2d, flat=True),
        "the greatest by magnitude": partial(max_pool2d, pick=absolute),
        "the mean": partial(max_pool2d, pick=mean),
        "the last element of a window": partial(max_pool2d, pick=lambda values: values[-1]),
        "every second element": partial(max_pool2d, step=2),
        "windows column by column": pool_turned,
        "the input is clipped at 0": pool_in_place,
        "the last thread to write wins": racing_pool,
    },
    "resize": {
        "rounded to the nearest": partial(resize, at=lambda i, n, m: round(i * n / m)),
        "rounded up": partial(resize, at=lambda i, n, m: -(-i * n // m)),
        "one element short": partial(resize, at=lambda i, n, m: i * (n - 1) // m),
        "a whole factor": partial(resize, at=lambda i, n, m: i // max(m // n, 1) if m >= n else i * (n // m)),
        "one too far": partial(resize, at=lambda i, n, m: i * n // m + 1),
        "input and output exchanged in the scale": partial(resize, at=lambda i, n, m: i * m // n),
        "repeated from the start": partial(resize, at=lambda i, n, m: i % n),
        "from the end": partial(resize, at=lambda i, n, m: n - 1 - i * n // m),
        "the scale of the rows for columns": by_rows,
        "height and width exchanged": size_exchanged,
        "the last column is not written": last_left,
        "the input is overwritten": resize_in_place,
    },
}  # fmt: skip
