"""From the raw maps of YOLO heads to boxes and scores, and from boxes back, on arrays (NumPy or CuPy).

Letters: a cell (i, j) is column i, row j of a map of (h, w) cells; (H, W) is the size of the network's input in
pixels; t are the raw numbers of one anchor; s() is the logistic function; (pw, ph) is the anchor.

========================  =======================================  ===========================================
head                      centre, in pixels                        width (height alike), in pixels
========================  =======================================  ===========================================
YOLOv3 (``yolo``)         (i + s(tx)) W/w                          pw exp(tw), anchors in pixels
``scale_x_y = k``         (i + k s(tx) - (k - 1)/2) W/w            pw exp(tw)
``new_coords``            (i + k tx - (k - 1)/2) W/w               pw (2 tw)^2, t after the layer's own logistic
YOLOv2 (``region``)       (i + s(tx)) W/w                          pw exp(tw) W/w, anchors in cells
YOLOv1 (``detection``)    (i + tx) W/side                          tw W, or tw^2 W with ``sqrt``
========================  =======================================  ===========================================

Scores are objectness times class probability: s(to) s(tc) for ``yolo`` (to tc with ``new_coords``); s(to) times the
softmax (or, without it, the logistic) of the classes for ``region``; to tc as they are for ``detection``.

Sources: Redmon and Farhadi, "YOLO9000" (2016), section 2, and "YOLOv3" (2018), section 2.1; Redmon et al., "You Only
Look Once" (2015), section 2; Bochkovskiy et al., "YOLOv4" (2020), section 3.4 for ``scale_x_y``; the code of pjreddie's
and AlexeyAB's Darknet (yolo_layer.c, region_layer.c, detection_layer.c) where the papers are silent.

Boxes come out in Darknet's order: rows of cells, cells of a row, anchors of a cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from minidet_kernels.arrays import Array, namespace

Pairs = tuple[tuple[float, float], ...]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow for any finite x."""
    xp = namespace(x)
    z = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + z), z / (1 + z))


def softmax(x: Array) -> Array:
    """exp(x) divided by its sum along the last axis."""
    xp = namespace(x)
    z = xp.exp(x - x.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


def cells(raw: Array, anchors: int, numbers: int) -> Array:
    """A raw map (N, anchors * numbers, h, w) as (N, h, w, anchors, numbers).

    Raises ``ValueError`` when the map has another number of channels.
    """
    if raw.ndim != 4 or raw.shape[1] != anchors * numbers:
        raise ValueError(
            f"a raw map of shape {tuple(raw.shape)}; expected (N, {anchors * numbers}, h, w): {numbers} numbers for "
            f"each of {anchors} anchors"
        )
    n, _, h, w = raw.shape
    return raw.reshape(n, anchors, numbers, h, w).transpose(0, 3, 4, 1, 2)


def _corners(cx: Array, cy: Array, bw: Array, bh: Array) -> Array:
    xp = namespace(cx)
    boxes = xp.stack([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], axis=-1)
    return boxes.reshape(boxes.shape[0], math.prod(boxes.shape[1:-1]), 4).astype("float32", copy=False)


def decode_yolo(
    raw: Array,
    *,
    anchors: Pairs,
    classes: int,
    size: tuple[int, int],
    scale_x_y: float = 1.0,
    new_coords: bool = False,
) -> tuple[Array, Array, Array]:
    """Boxes (N, M, 4) xyxy in pixels, objectness (N, M) and class probabilities (N, M, classes) of a ``yolo`` head.

    ``raw`` is the map before any activation of the head, (N, anchors (5 + classes), h, w); for ``new_coords`` it is
    what the logistic convolution before the head gives.  ``anchors`` are (width, height) in pixels, ``size`` is the
    network's input (height, width).  Float32 in, float32 out; M = h w anchors.
    """
    xp = namespace(raw)
    t = cells(raw, len(anchors), 5 + classes)
    n, h, w, a, _ = t.shape
    column = xp.arange(w, dtype=t.dtype)[:, None]
    row = xp.arange(h, dtype=t.dtype)[:, None, None]
    prior = xp.asarray(anchors, dtype=t.dtype)
    shift = 0.5 * (scale_x_y - 1)
    place = t[..., :2] if new_coords else sigmoid(t[..., :2])
    cx = (column + (place[..., 0] * scale_x_y - shift)) * (size[1] / w)
    cy = (row + (place[..., 1] * scale_x_y - shift)) * (size[0] / h)
    extent = (2 * t[..., 2:4]) ** 2 if new_coords else _exp(t[..., 2:4])
    with np.errstate(over="ignore"):
        bw, bh = extent[..., 0] * prior[:, 0], extent[..., 1] * prior[:, 1]
    known = t[..., 4:] if new_coords else sigmoid(t[..., 4:])
    m = h * w * a
    return _corners(cx, cy, bw, bh), known[..., 0].reshape(n, m), known[..., 1:].reshape(n, m, classes)


def _exp(t: Array) -> Array:
    xp = namespace(t)
    with np.errstate(over="ignore"):  # an infinite box is what Darknet says too
        return xp.exp(t)


def encode_yolo(
    boxes: Array, *, cell: Array, anchor: Array, grid: tuple[int, int], size: tuple[int, int], scale_x_y: float = 1.0
) -> Array:
    """The raw (tx, ty, tw, th) that `decode_yolo` turns into ``boxes`` (M, 4) xyxy at the given cells and anchors.

    ``cell`` (M, 2) holds (column, row), ``anchor`` (M, 2) the anchors' (width, height) in pixels, ``grid`` the map's
    (h, w), ``size`` the input's (height, width).  A centre at or beyond the reach of its cell has no finite code: it
    comes back as an infinity or NaN.
    """
    xp = namespace(boxes)
    cx = (boxes[:, 0] + boxes[:, 2]) / 2 * (grid[1] / size[1]) - cell[:, 0]
    cy = (boxes[:, 1] + boxes[:, 3]) / 2 * (grid[0] / size[0]) - cell[:, 1]
    p = (xp.stack([cx, cy], axis=-1) + 0.5 * (scale_x_y - 1)) / scale_x_y
    with np.errstate(divide="ignore", invalid="ignore"):
        place = xp.log(p) - xp.log1p(-p)
        extent = xp.log(xp.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=-1) / anchor)
    return xp.concatenate([place, extent], axis=-1)


def decode_region(
    raw: Array, *, anchors: Pairs, classes: int, size: tuple[int, int], use_softmax: bool = True
) -> tuple[Array, Array, Array]:
    """Boxes, objectness and class probabilities of a ``region`` head (YOLOv2), as `decode_yolo` gives them.

    ``anchors`` are (width, height) in cells.  Width and height are Darknet's "absolute" form (exp), which its code uses
    whatever ``absolute=`` says.
    """
    xp = namespace(raw)
    t = cells(raw, len(anchors), 5 + classes)
    n, h, w, a, _ = t.shape
    prior = xp.asarray(anchors, dtype=t.dtype)
    place = sigmoid(t[..., :2])
    cx = (xp.arange(w, dtype=t.dtype)[:, None] + place[..., 0]) * (size[1] / w)
    cy = (xp.arange(h, dtype=t.dtype)[:, None, None] + place[..., 1]) * (size[0] / h)
    extent = _exp(t[..., 2:4])
    bw, bh = extent[..., 0] * prior[:, 0] * (size[1] / w), extent[..., 1] * prior[:, 1] * (size[0] / h)
    probability = softmax(t[..., 5:]) if use_softmax else sigmoid(t[..., 5:])
    return (
        _corners(cx, cy, bw, bh),
        sigmoid(t[..., 4]).reshape(n, h * w * a),
        probability.reshape(n, h * w * a, classes),
    )


def decode_detection(
    raw: Array,
    *,
    side: int,
    boxes: int,
    classes: int,
    size: tuple[int, int],
    square: bool = True,
    use_softmax: bool = False,
) -> tuple[Array, Array, Array]:
    """Boxes, objectness and class probabilities of a ``detection`` head (YOLOv1), as `decode_yolo` gives them.

    ``raw`` is (N, side^2 (classes + 5 boxes), 1, 1): all cells' classes, then all cells' objectness, then all cells'
    boxes.  ``square`` is Darknet's option ``sqrt``: width and height are predicted as square roots.  The numbers are
    not squashed, so a score may leave [0, 1].
    """
    xp = namespace(raw)
    places, n = side * side, raw.shape[0]
    if raw.size != n * places * (classes + 5 * boxes):
        raise ValueError(
            f"a raw output of shape {tuple(raw.shape)}; expected {side}^2 ({classes} + 5 * {boxes}) numbers per image"
        )
    flat = raw.reshape(n, places * (classes + 5 * boxes))
    probability = flat[:, : places * classes].reshape(n, places, 1, classes)
    objectness = flat[:, places * classes : places * (classes + boxes)].reshape(n, places * boxes)
    t = flat[:, places * (classes + boxes) :].reshape(n, side, side, boxes, 4)
    cx = (t[..., 0] + xp.arange(side, dtype=t.dtype)[:, None]) * (size[1] / side)
    cy = (t[..., 1] + xp.arange(side, dtype=t.dtype)[:, None, None]) * (size[0] / side)
    extent = t[..., 2:] ** 2 if square else t[..., 2:]
    decoded = _corners(cx, cy, extent[..., 0] * size[1], extent[..., 1] * size[0])
    probability = softmax(probability) if use_softmax else probability
    probability = xp.broadcast_to(probability, (n, places, boxes, classes)).reshape(n, places * boxes, classes)
    return decoded, objectness, probability


@dataclass(frozen=True)
class YoloHead:
    """One YOLOv3-style head: what a raw map of (5 + classes) numbers per anchor means.

    ``anchors`` are (width, height) in pixels of the network's input.  ``nms_kind`` and ``beta_nms`` are what a cfg
    says of the suppression that follows; they are kept for `minidet.detect`, not used here.
    """

    anchors: Pairs
    classes: int
    scale_x_y: float = 1.0
    new_coords: bool = False
    nms_kind: str = field(default="default", compare=False)
    beta_nms: float = field(default=0.6, compare=False)

    @property
    def channels(self) -> int:
        """The channels of the raw map."""
        return len(self.anchors) * (5 + self.classes)

    def count(self, h: int, w: int) -> int:
        """How many boxes a map of (h, w) cells gives."""
        return len(self.anchors) * h * w

    def decode(self, raw: Array, size: tuple[int, int]) -> tuple[Array, Array]:
        """Boxes (N, M, 4) xyxy in pixels of an input of ``size`` (height, width), and scores (N, M, classes)."""
        boxes, objectness, probability = decode_yolo(
            raw,
            anchors=self.anchors,
            classes=self.classes,
            size=size,
            scale_x_y=self.scale_x_y,
            new_coords=self.new_coords,
        )
        return boxes, objectness[..., None] * probability


@dataclass(frozen=True)
class RegionHead:
    """A YOLOv2 head; ``anchors`` are (width, height) in cells."""

    anchors: Pairs
    classes: int
    softmax: bool = True

    @property
    def channels(self) -> int:
        """The channels of the raw map."""
        return len(self.anchors) * (5 + self.classes)

    def count(self, h: int, w: int) -> int:
        """How many boxes a map of (h, w) cells gives."""
        return len(self.anchors) * h * w

    def decode(self, raw: Array, size: tuple[int, int]) -> tuple[Array, Array]:
        """Boxes (N, M, 4) xyxy in pixels of an input of ``size`` (height, width), and scores (N, M, classes)."""
        boxes, objectness, probability = decode_region(
            raw, anchors=self.anchors, classes=self.classes, size=size, use_softmax=self.softmax
        )
        return boxes, objectness[..., None] * probability


@dataclass(frozen=True)
class DetectionHead:
    """A YOLOv1 head: ``boxes`` boxes for each of side x side cells, which share one set of class probabilities."""

    side: int
    boxes: int
    classes: int
    square: bool = True
    softmax: bool = False

    @property
    def channels(self) -> int:
        """The numbers per image that arrive."""
        return self.side**2 * (self.classes + 5 * self.boxes)

    def count(self, h: int, w: int) -> int:
        """How many boxes there are."""
        return self.side**2 * self.boxes

    def decode(self, raw: Array, size: tuple[int, int]) -> tuple[Array, Array]:
        """Boxes (N, M, 4) xyxy in pixels of an input of ``size`` (height, width), and scores (N, M, classes)."""
        boxes, objectness, probability = decode_detection(
            raw,
            side=self.side,
            boxes=self.boxes,
            classes=self.classes,
            size=size,
            square=self.square,
            use_softmax=self.softmax,
        )
        return boxes, objectness[..., None] * probability


Head = YoloHead | RegionHead | DetectionHead
