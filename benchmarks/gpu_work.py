"""What is measured on a GPU: sizes, the bytes that have to move, the precision of each candidate, and the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .gpu_clock import geometric_mean
from .sizes import SIZES, Size, _normal, _suppression, boxes

#: Images of a batch, unless a size says otherwise.
BATCH = 16

#: The convolutions of YOLOv3 at 416 x 416: image side, channels, filters, kernel, stride.
YOLOV3 = [
    (416, 3, 32, 3, 1), (416, 32, 64, 3, 2), (208, 64, 32, 1, 1), (208, 32, 64, 3, 1), (208, 64, 128, 3, 2),
    (104, 128, 64, 1, 1), (104, 64, 128, 3, 1), (104, 128, 256, 3, 2), (52, 256, 128, 1, 1), (52, 128, 256, 3, 1),
    (52, 384, 128, 1, 1), (52, 256, 255, 1, 1), (52, 256, 512, 3, 2), (26, 512, 256, 1, 1), (26, 256, 512, 3, 1),
    (26, 256, 128, 1, 1), (26, 768, 256, 1, 1), (26, 512, 255, 1, 1), (26, 512, 1024, 3, 2), (13, 1024, 512, 1, 1),
    (13, 512, 1024, 3, 1), (13, 512, 256, 1, 1), (13, 1024, 255, 1, 1),
]  # fmt: skip


def convolution(operator: str, n: int, c: int, o: int, k: int, s: int) -> Size:
    """One of these, of ``BATCH`` images, with its operations and bytes."""
    out = (n + 2 * (k // 2) - k) // s + 1
    x, w, y = (BATCH, c, n, n), (o, c, k, k), (BATCH, o, out, out)
    shapes = {"conv2d": (x, w), "conv2d_grad_x": (y, w), "conv2d_grad_w": (x, y)}[operator]
    options: dict[str, Any] = {"stride": s, "padding": k // 2}
    options |= {"conv2d_grad_x": {"shape": x}, "conv2d_grad_w": {"shape": w}}.get(operator, {})

    def draw(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(_normal(rng, *shape) for shape in shapes), options

    moved = 4.0 * sum(int(np.prod(shape)) for shape in (x, w, y))
    return Size(draw, 2.0 * BATCH * out * out * o * c * k * k, moved)


def _square(count: int) -> Size:
    def draw(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (boxes(rng, count), boxes(rng, count)), {}

    return Size(draw, bytes=4.0 * count * count + 2 * 16.0 * count)


def sizes(operator: str) -> dict[str, Size]:
    """The operator's sizes on a GPU: larger ones where those of the CPU would only time the launch."""
    if operator in ("conv2d", "conv2d_grad_x", "conv2d_grad_w"):
        return {
            f"{k}x{k} {c}->{o}{' /2' if s == 2 else ''} at {n}, batch {BATCH}": convolution(operator, n, c, o, k, s)
            for n, c, o, k, s in YOLOV3
        }
    if operator == "iou_matrix":
        return {f"{count:,} x {count:,}": _square(count) for count in (1000, 10_000)}
    if operator == "batched_nms":
        return {f"{count:,}, 80 classes": _suppression(count, count // 20, 80) for count in (1000, 10_000, 100_000)}
    return SIZES[operator]


#: How far a result may be from the definition's, by the precision that it is computed in: what rounding the factors to
#: 24, 11, 11 and 8 bits leaves of sums of up to some thousand products of either sign.
AGREES = {"float32": 1e-5, "tf32": 2e-3, "f16": 2e-3, "bf16": 1.5e-2}


def precision(name: str) -> str:
    """That of an implementation of ours, ``"mma_tf32"``, or of a setting, ``"torch, tf32, channels last"``."""
    words = name.replace("_", " ").replace(",", " ").split()
    return next((kind for kind in AGREES if kind in words), "float32")


@dataclass(frozen=True)
class Target:
    """What is asked on a Hopper GPU: ``ours`` is at least ``least`` times as fast as the others, or as copying."""

    work: str
    operator: str
    size: str
    least: float
    precision: str = "float32"
    of: str = "torch"

    def judge(self, results: Sequence[Mapping[str, Any]]) -> tuple[float, bool] | None:
        """The geometric mean over the results of its sizes, and whether it is enough; ``None`` where none is there."""
        ratios = [
            ratio
            for result in results
            if result["operator"] == self.operator and self.size in result["size"]
            if (ratio := self._ratio(result["candidates"])) is not None
        ]
        if not ratios:
            return None
        found = geometric_mean(ratios)
        return found, found >= self.least

    def _ratio(self, rows: Sequence[Mapping[str, Any]]) -> float | None:
        of_kind = [row for row in rows if precision(row["name"]) == self.precision]
        mine = [row for row in of_kind if row["ours"]]
        if not mine:
            return None
        if self.of == "copying":
            return max(row["share_of_copy"] for row in mine)
        theirs = [row["ms"] for row in of_kind if not row["ours"]]
        return min(theirs) / min(row["ms"] for row in mine) if theirs else None


TARGETS = (
    Target("IoU 10,000 x 10,000, of copying", "iou_matrix", "10,000", 0.7, of="copying"),
    Target("IoU 10,000 x 10,000, torchvision's", "iou_matrix", "10,000", 10),
    Target("NMS, 1,000 boxes in 80 classes", "batched_nms", "1,000,", 3),
    Target("NMS, 10,000 boxes in 80 classes", "batched_nms", "10,000,", 3),
    Target("NMS, 100,000 boxes in 80 classes", "batched_nms", "100,000,", 3),
    Target("RoIAlign", "roi_align", "", 1),
    Target("RoIAlign backward, ours deterministic", "roi_align_grad_x", "", 1),
    Target("convolution, float32, cuDNN's", "conv2d", "", 0.85),
    Target("convolution, tf32, cuDNN's", "conv2d", "", 0.6, "tf32"),
    Target("convolution, bf16, cuDNN's", "conv2d", "", 0.6, "bf16"),
)
