"""Every stage of an R-CNN as a picture: what it was given, what it made of it, what it left out and why.

``pictures(model, image)`` is all of them by name, in the order of the stages; each is an RGB array.  Colours are levels
of the pyramid where a picture says so (P2 red to P6 violet), else classes as in `minidet.draw`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidet.autograd import Tensor, no_grad
from minidet.boxes.rcnn import Proposals
from minidet.boxes.yolo import sigmoid
from minidet.detections import Detections
from minidet.draw import class_colour, draw

if TYPE_CHECKING:
    from minidet.models.rcnn import RCNN, Instances, Stages

#: Of P2, P3, P4, P5 and P6.
LEVELS = ((230, 60, 50), (240, 170, 30), (70, 190, 70), (50, 120, 240), (170, 80, 220))
#: Boxes that a picture shows at most, the best first.
MOST = 100
CELL = 96  # pixels of one crop or mask in a sheet of them


def pictures(model: RCNN, image: np.ndarray, *, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The picture (H, W, 3) uint8 of each stage of ``model``, in inference mode, for ``image`` (H, W, 3) uint8 RGB.

    =====================  ===========================================================================================
    input                  what the network is given: resized, padded by black
    features               P2 to P6: the mean over the channels of what is above zero, each scaled to its greatest
    anchors                those of the middle cell of each level, and every cell's corner
    objectness             the greatest sigmoid of a cell's anchors, a level each
    proposals-before       the best candidates before suppression, in the colours of their levels
    proposals-suppressed   the best of those that were suppressed, a line from the middle of each to its suppressor's
    proposals              what was left, the best of it
    roi-levels             the proposals in the colours of the levels that their features are taken from
    roi-crops              what RoIAlign gave for each object, mean over the channels, 14 x 14
    boxes                  the proposal of each object (thin) and the box that was made of it
    masks                  each object's mask, 28 x 28 probabilities, before it is put into the image
    keypoints              each object's points, on what the network was given
    objects                what is found, in the image, masks pasted
    =====================  ===========================================================================================

    "masks" and "keypoints" are there where the network has such heads.
    """
    x = model.to_device(np.ascontiguousarray(image.transpose(2, 0, 1).astype(np.float32) / np.float32(255)))
    with no_grad():
        stages = model.stages([x])
    given = seen(model, stages)
    (proposals,), (found,) = stages.proposals, stages.found
    made = {
        "input": given,
        "features": _sheet([_scaled(np.maximum(_of(p)[0], 0).mean(axis=0)) for p in stages.features], given.shape),
        "anchors": _anchors(given, model, stages),
        "objectness": _sheet([_grey(sigmoid(_of(x)[0]).max(axis=0)) for x in stages.logits], given.shape),
        "proposals-before": _boxes(given, proposals.before, proposals.levels, proposals.before_scores),
        "proposals-suppressed": _suppressed(given, proposals),
        "proposals": _boxes(given, proposals.boxes, proposals.levels[proposals.kept], proposals.scores),
        "roi-levels": _boxes(given, proposals.boxes, model.roi_heads.levels(proposals.boxes), proposals.scores),
        "roi-crops": _tiles(_crops(model, stages)),
        "boxes": _moved(given, proposals, found),
    }
    if found.masks is not None:
        made["masks"] = _tiles([_grey(mask) for mask in found.masks])
    if found.keypoints is not None:
        size = (given.shape[0], given.shape[1])
        points = Detections(found.boxes, found.scores, found.labels, names, size, None, None, found.keypoints[..., :2])
        made["keypoints"] = draw(given, points)
    return made | {"objects": draw(image, _detections(model, stages, image, names))}


def seen(model: RCNN, stages: Stages) -> np.ndarray:
    """The network's input as a picture again: (H, W, 3) uint8, the padding black."""
    x = _of(stages.batch.x)[0].astype(np.float64)
    mean, deviation = (np.asarray(v)[:, None, None] for v in (model.transform.mean, model.transform.deviation))
    h, w = stages.batch.sizes[0]
    picture = np.zeros((*x.shape[1:], 3), np.uint8)
    picture[:h, :w] = np.rint(np.clip(x * deviation + mean, 0, 1) * 255).transpose(1, 2, 0)[:h, :w].astype(np.uint8)
    return picture


def _detections(model: Any, stages: Stages, image: np.ndarray, names: Sequence[str]) -> Detections:
    from minidet.detect_regions import as_detections

    (found,) = model.transform.to_images(stages.found, stages.batch)
    return as_detections(found, names, (image.shape[0], image.shape[1]), rule=model.paste_rule)


def _of(x: Tensor) -> np.ndarray:
    return x.numpy()


def _grey(values: np.ndarray) -> np.ndarray:
    """0 to 1 as grey levels (h, w, 3) uint8."""
    level = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Values of at least 0 as grey levels, the greatest white."""
    return _grey(values / max(float(values.max(initial=0)), np.finfo(np.float32).tiny))


def _enlarged(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture at another size, each pixel a rectangle."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, picture.shape[:2], strict=True))
    return picture[rows[:, None], columns]


def _sheet(parts: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Pictures below each other, each as large as the input, a line of white between them."""
    line = np.full((2, shape[1], 3), 255, np.uint8)
    rows = [row for part in parts for row in (_enlarged(part, (shape[0], shape[1])), line)]
    return np.concatenate(rows[:-1])


def _tiles(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Small pictures side by side in rows, each enlarged to ``CELL`` pixels; one black one where there is none."""
    parts = list(parts) or [np.zeros((1, 1, 3), np.uint8)]
    across = int(np.ceil(np.sqrt(len(parts))))
    down = -(-len(parts) // across)
    sheet = np.full((down * (CELL + 2) - 2, across * (CELL + 2) - 2, 3), 255, np.uint8)
    for k, part in enumerate(parts):
        y, x = (k // across) * (CELL + 2), (k % across) * (CELL + 2)
        sheet[y : y + CELL, x : x + CELL] = _enlarged(part, (CELL, CELL))
    return sheet


class _Canvas:
    """Lines on a darkened copy of a picture."""

    def __init__(self, picture: np.ndarray) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.fromarray(picture // 2)
        self.draw = ImageDraw.Draw(self.image)

    def box(self, box: np.ndarray, colour: tuple[int, int, int], width: int = 1) -> None:
        x1, y1, x2, y2 = (float(v) for v in box)
        self.draw.rectangle((x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)), outline=colour, width=width)

    def line(self, a: np.ndarray, b: np.ndarray, colour: tuple[int, int, int]) -> None:
        self.draw.line((float(a[0]), float(a[1]), float(b[0]), float(b[1])), fill=colour)

    def array(self) -> np.ndarray:
        return np.array(self.image)


def _boxes(picture: np.ndarray, boxes: np.ndarray, levels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The best of the boxes in the colours of their levels, the best on top."""
    canvas = _Canvas(picture)
    for i in np.argsort(-scores, kind="stable")[:MOST][::-1]:
        canvas.box(boxes[i], LEVELS[int(levels[i])])
    return canvas.array()


def _anchors(picture: np.ndarray, model: RCNN, stages: Stages) -> np.ndarray:
    canvas = _Canvas(picture)
    for number, (level, anchors, x) in enumerate(zip(model.rpn.levels, stages.anchors, stages.logits, strict=True)):
        rows, columns = x.shape[2:]
        cells = anchors.reshape(rows, columns, len(level), 4)
        middles = (cells[:, :, 0, :2] + cells[:, :, 0, 2:]) / 2
        for at in middles.reshape(-1, 2):
            canvas.line(at - number, at + number, LEVELS[number])
        for box in cells[rows // 2, columns // 2]:
            canvas.box(box, LEVELS[number], 2)
    return canvas.array()


def _suppressed(picture: np.ndarray, proposals: Proposals) -> np.ndarray:
    canvas, by = _Canvas(picture), proposals.suppressors()
    dropped = np.flatnonzero(by >= 0)
    middles = (proposals.before[:, :2] + proposals.before[:, 2:]) / 2
    for i in dropped[np.argsort(-proposals.before_scores[dropped], kind="stable")][:MOST][::-1]:
        colour = LEVELS[int(proposals.levels[i])]
        canvas.box(proposals.before[i], (colour[0] // 2, colour[1] // 2, colour[2] // 2))
        canvas.box(proposals.before[by[i]], colour)
        canvas.line(middles[i], middles[by[i]], (255, 255, 255))
    return canvas.array()


def _crops(model: RCNN, stages: Stages) -> list[np.ndarray]:
    """What RoIAlign gives for each object's box."""
    with no_grad():
        pooled = _of(model.roi_heads.pool(stages.features, [stages.found[0].boxes], 14))
    return [_scaled(np.maximum(crop, 0).mean(axis=0)) for crop in pooled]


def _moved(picture: np.ndarray, proposals: Proposals, found: Instances) -> np.ndarray:
    canvas = _Canvas(picture)
    for i in range(len(found))[::-1]:
        colour = class_colour(int(found.labels[i]))
        canvas.box(proposals.boxes[found.proposal[i]], (colour[0] // 2 + 60, colour[1] // 2 + 60, colour[2] // 2 + 60))
        canvas.box(found.boxes[i], colour, 3)
    return canvas.array()
